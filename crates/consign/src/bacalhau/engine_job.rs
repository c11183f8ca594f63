//! `DockerJob` and `WasmJob`: what to run, and everything that jobs of both kinds have.
use std::fmt;
use std::time::Duration;

use consign_bacalhau::v1::types::{JobType, NetworkType, Operator};
use consign_core::Result;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::settings::{Constraint, Output, Settings};
use super::{Api, Input, JobSpec, Port, Publisher, Source, Verifier};

/// A container; see [`DockerJob`].
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Docker {
    pub(crate) image: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) entrypoint: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) parameters: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) working_directory: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) params: Map<String, Value>,
}

/// A WebAssembly module; see [`WasmJob`].
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wasm {
    pub(crate) module: Source,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entrypoint: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) parameters: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) imports: Vec<Source>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) params: Map<String, Value>,
}

/// Of other parameters only the names: an environment may be among them.
impl fmt::Debug for Docker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Docker");
        out.field("image", &self.image).field("entrypoint", &self.entrypoint).field("parameters", &self.parameters);
        out.field("working_directory", &self.working_directory);
        out.field("params", &self.params.keys().collect::<Vec<_>>()).finish()
    }
}
/// Of other parameters only the names: an environment may be among them.
impl fmt::Debug for Wasm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Wasm");
        out.field("module", &self.module).field("entrypoint", &self.entrypoint).field("parameters", &self.parameters);
        out.field("imports", &self.imports);
        out.field("params", &self.params.keys().collect::<Vec<_>>()).finish()
    }
}

/// A job of one engine: [`DockerJob`] or [`WasmJob`]. A plain value: clone it, share it, keep half-filled ones as
/// presets. Setters never fail; checking it reports everything that is wrong at once.
///
/// What only one of the two APIs has is said at the setter; with the other API it is a violation.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineJob<E> {
    pub(crate) engine: E,
    pub(crate) settings: Settings,
}

/// A container to be run.
///
/// ```
/// use std::time::Duration;
/// use consign::bacalhau::{Api, DockerJob, Publisher, Source};
/// let spec = DockerJob::new("ubuntu:24.04")
///     .entrypoint(["/bin/sh", "-c", "sort /inputs/words.txt > /outputs/sorted.txt"])
///     .input("/inputs/words.txt", Source::text("b\na\n"))
///     .output("outputs", "/outputs")
///     .publisher(Publisher::Local)
///     .cpu("500m").memory("512Mb")
///     .execution_timeout(Duration::from_secs(60))
///     .label("team", "data");
/// assert!(spec.validate(Api::V1).is_ok());
///
/// let error = spec.memory("much").env("lower", "").constraint("gpu", "is", &["a100"]).validate(Api::V1).unwrap_err();
/// let wrong: Vec<_> = error.violations().iter().map(|v| v.member.as_str()).collect();
/// assert_eq!(wrong, ["Constraints[0].Operator", "Tasks[0].Env.lower", "Tasks[0].Env.lower", "Tasks[0].Resources.Memory"]);
/// ```
pub type DockerJob = EngineJob<Docker>;
/// A WebAssembly module to be run.
///
/// ```
/// use consign::bacalhau::{Api, Source, WasmJob};
/// let module = b"\0asm\x01\0\0\0"; // of a file
/// let spec = WasmJob::new(Source::wasm(module)).parameters(["--fast"]).count(2);
/// assert!(spec.validate(Api::V1).is_ok() && spec.validate(Api::Requester).is_ok());
/// ```
pub type WasmJob = EngineJob<Wasm>;

impl EngineJob<Docker> {
    /// A container of this image.
    pub fn new(image: impl Into<String>) -> Self {
        let engine = Docker { image: image.into(), ..Docker::default() };
        Self { engine, settings: Settings::default() }
    }
    /// The command line, in place of the image's own entry point. With the requester API the whole of it.
    #[must_use]
    pub fn entrypoint<T: Into<String>>(mut self, words: impl IntoIterator<Item = T>) -> Self {
        self.engine.entrypoint = words.into_iter().map(Into::into).collect();
        self
    }
    /// What comes after the entry point. With the requester API only beside an entry point.
    #[must_use]
    pub fn parameters<T: Into<String>>(mut self, words: impl IntoIterator<Item = T>) -> Self {
        self.engine.parameters = words.into_iter().map(Into::into).collect();
        self
    }
    /// The folder in which it starts, an absolute path.
    #[must_use]
    pub fn working_directory(mut self, path: impl Into<String>) -> Self {
        self.engine.working_directory = Some(path.into());
        self
    }
    /// Any other parameter of the engine, sent as it is; v1 only.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.engine.params.insert(name.into(), value.into());
        self
    }
}

impl EngineJob<Wasm> {
    /// A module, such as [`Source::wasm`] or [`Source::url`].
    pub fn new(module: Source) -> Self {
        let (parameters, imports) = (Vec::new(), Vec::new());
        let engine = Wasm { module, entrypoint: None, parameters, imports, params: Map::new() };
        Self { engine, settings: Settings::default() }
    }
    /// The function that is called. Default: `_start`, that of WASI programs.
    #[must_use]
    pub fn entrypoint(mut self, function: impl Into<String>) -> Self {
        self.engine.entrypoint = Some(function.into());
        self
    }
    /// The arguments of the program.
    #[must_use]
    pub fn parameters<T: Into<String>>(mut self, words: impl IntoIterator<Item = T>) -> Self {
        self.engine.parameters = words.into_iter().map(Into::into).collect();
        self
    }
    /// Adds a module that the main one imports from.
    #[must_use]
    pub fn import(mut self, module: Source) -> Self {
        self.engine.imports.push(module);
        self
    }
    /// Any other parameter of the engine, sent as it is; v1 only.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.engine.params.insert(name.into(), value.into());
        self
    }
}

impl<E> EngineJob<E> {
    /// Everything that is wrong with it for one of the two APIs, as an error. Submitting checks the same.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) with every violation, each with member, value and what is
    /// allowed. Members have the wire's names.
    pub fn validate(&self, api: Api) -> Result<()>
    where
        Self: Into<JobSpec> + Clone,
    {
        let spec: JobSpec = self.clone().into();
        Ok(spec.violations(api).into_result()?)
    }
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A name, v1 only. From server 1.8 on it is unique in its namespace: submitting it again updates the job.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = Some(name.into());
        self
    }
    /// The namespace, v1 only. Default: `default`.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.settings.namespace = Some(namespace.into());
        self
    }
    /// Whether it runs to its end (`batch`, the default), on every node (`ops`), or for ever (`service`, `daemon`).
    /// With the requester API `batch` only.
    #[must_use]
    pub fn job_type(mut self, kind: impl Into<JobType>) -> Self {
        self.settings.kind = Some(kind.into());
        self
    }
    /// The name of the task, v1 only. Default: `main`.
    #[must_use]
    pub fn task_name(mut self, name: impl Into<String>) -> Self {
        self.settings.task_name = Some(name.into());
        self
    }
    /// When it runs, relative to others: higher first; v1 only.
    #[must_use]
    pub fn priority(mut self, priority: i64) -> Self {
        self.settings.priority = Some(priority);
        self
    }
    /// On how many nodes it runs, 1 or more (a `service` takes 0, which stops it). Default: 1. Not with `ops` and
    /// `daemon`, which run on all.
    #[must_use]
    pub fn count(mut self, nodes: u32) -> Self {
        self.settings.count = Some(nodes);
        self
    }
    /// Runs only on nodes of which this holds. The operators are `=`, `==`, `!=`, `in`, `notin`, `exists`, `!`, `gt`
    /// and `lt`; others are refused here, because a server would leave the job waiting for ever, and so are names and
    /// values that no label can have.
    #[must_use]
    pub fn constraint(mut self, label: impl Into<String>, operator: impl Into<Operator>, values: &[&str]) -> Self {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.settings.constraints.push(Constraint { key: label.into(), operator: operator.into(), values });
        self
    }
    /// A label, by which jobs can be listed. With the requester API it becomes the annotation `name=value`, or `name`
    /// if the value is empty.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.labels.insert(name.into(), value.into());
        self
    }
    /// Free data that goes with the job, v1 only. Names that begin with `bacalhau.org/` are the server's.
    #[must_use]
    pub fn meta(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.meta.insert(name.into(), value.into());
        self
    }
    /// An environment variable. With v1 its name is in upper case and does not begin with `BACALHAU_`, and its value
    /// is not empty; `env:NAME` forwards a variable that the node allows.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.env.insert(name.into(), value.into());
        self
    }
    /// Data at a path of the job.
    #[must_use]
    pub fn input(self, target: impl Into<String>, source: Source) -> Self {
        self.input_value(Input::new(target, source))
    }
    /// As [`EngineJob::input`], with a finished value.
    #[must_use]
    pub fn input_value(mut self, input: Input) -> Self {
        self.settings.inputs.push(input);
        self
    }
    /// A folder or file, an absolute path, that is kept as a result under a name. With v1 it needs a publisher.
    #[must_use]
    pub fn output(mut self, name: impl Into<String>, path: impl Into<String>) -> Self {
        self.settings.outputs.push(Output { name: name.into(), path: path.into() });
        self
    }
    /// Where results go. With v1 the default is nowhere; with the requester API IPFS if there are outputs.
    #[must_use]
    pub fn publisher(mut self, publisher: Publisher) -> Self {
        self.settings.publisher = Some(publisher);
        self
    }
    /// Processors, in cores or thousandths of one: `2`, `0.5`, `500m`.
    #[must_use]
    pub fn cpu(mut self, cores: impl Into<String>) -> Self {
        self.settings.cpu = Some(cores.into());
        self
    }
    /// Memory, with a unit: `512Mb`, `2GB`, `1Gi`.
    #[must_use]
    pub fn memory(mut self, size: impl Into<String>) -> Self {
        self.settings.memory = Some(size.into());
        self
    }
    /// Disk space, with a unit: `512Mb`, `2GB`, `1Gi`.
    #[must_use]
    pub fn disk(mut self, size: impl Into<String>) -> Self {
        self.settings.disk = Some(size.into());
        self
    }
    /// How many GPUs.
    #[must_use]
    pub fn gpu(mut self, gpus: u32) -> Self {
        self.settings.gpu = Some(gpus.to_string());
        self
    }
    /// The network that it sees: `None`, `Full`, `HTTP`; with v1 also `Default`, `Host` and `Bridge`.
    #[must_use]
    pub fn network(mut self, kind: impl Into<NetworkType>) -> Self {
        self.settings.network.kind = Some(kind.into());
        self
    }
    /// HTTP to these hosts only; a leading dot means all below.
    #[must_use]
    pub fn http_to<T: Into<String>>(mut self, hosts: impl IntoIterator<Item = T>) -> Self {
        self.settings.network.kind = Some(NetworkType::Http);
        self.settings.network.domains = hosts.into_iter().map(Into::into).collect();
        self
    }
    /// Adds a port, v1 only, with the network `Host`, `Full` or `Bridge`.
    #[must_use]
    pub fn port(mut self, port: Port) -> Self {
        self.settings.network.ports.push(port);
        self
    }
    /// How long one execution may run. Default: the server's. With v1 in whole seconds, rounded up.
    #[must_use]
    pub fn execution_timeout(mut self, limit: Duration) -> Self {
        self.settings.execution_timeout = Some(limit);
        self
    }
    /// How long it may wait for a node that fits, in whole seconds; v1 only. Zero: not at all.
    #[must_use]
    pub fn queue_timeout(mut self, limit: Duration) -> Self {
        self.settings.queue_timeout = Some(limit);
        self
    }
    /// How long it may take in all, in whole seconds; no less than the two others together; v1 only.
    #[must_use]
    pub fn total_timeout(mut self, limit: Duration) -> Self {
        self.settings.total_timeout = Some(limit);
        self
    }
    /// How results of several nodes are compared; the requester API only.
    #[must_use]
    pub fn verifier(mut self, verifier: Verifier) -> Self {
        self.settings.verifier = verifier;
        self
    }
    /// How many nodes have to agree, at most the count; the requester API only.
    #[must_use]
    pub fn confidence(mut self, nodes: u32) -> Self {
        self.settings.confidence = Some(nodes);
        self
    }
    /// How many bids to wait for; the requester API only.
    #[must_use]
    pub fn min_bids(mut self, bids: u32) -> Self {
        self.settings.min_bids = Some(bids);
        self
    }
    /// Asks that the job is not counted; the requester API only.
    #[must_use]
    pub fn do_not_track(mut self) -> Self {
        self.settings.do_not_track = true;
        self
    }
    /// Runs a named job again although nothing about it changed; v1 only, from server 1.8 on.
    #[must_use]
    pub fn force(mut self) -> Self {
        self.settings.force = true;
        self
    }
}

//! `JobSpec`: any kind of job that Bacalhau runs.
use std::fmt;

use consign_core::Violations;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error as _};
use serde_json::{Map, Value};

use super::engine_job::{Docker, Wasm};
use super::settings::Settings;
use super::{DockerJob, EngineJob, WasmJob, check};

/// The member that keeps a raw object apart from the others when it is stored.
const RAW: &str = "$raw";
/// The member that names the engine of a stored job.
const ENGINE: &str = "engine";

/// Which of the two interfaces a job goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    /// The v1 interface, servers 1.1 and newer.
    V1,
    /// The requester interface, servers up to 1.3.x.
    Requester,
}

/// Any kind of job, for either interface.
///
/// It can be stored as JSON and read back without loss: a [`DockerJob`] or [`WasmJob`] by its setters' names beside
/// `"engine": "docker"` or `"wasm"`; members that are not known are an error then. Anything else is raw.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum JobSpec {
    /// A container.
    Docker(Box<DockerJob>),
    /// A WebAssembly module.
    Wasm(Box<WasmJob>),
    /// A job in the wire's own words, sent as it is: for v1 its `Job`, for the requester API its `Spec`.
    Raw(Map<String, Value>),
}

impl JobSpec {
    /// Everything that is wrong with it for one of the two interfaces.
    pub(crate) fn violations(&self, api: Api) -> Violations {
        check::violations(self, api)
    }
    pub(crate) fn settings(&self) -> Option<&Settings> {
        match self {
            Self::Docker(job) => Some(job.settings()),
            Self::Wasm(job) => Some(job.settings()),
            Self::Raw(_) => None,
        }
    }
}

/// Without values of the environment, queries of addresses and inline data.
impl fmt::Debug for JobSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Docker(job) => job.fmt(f),
            Self::Wasm(job) => job.fmt(f),
            Self::Raw(object) => write!(f, "Raw({:?})", object.keys().collect::<Vec<_>>()),
        }
    }
}

impl From<DockerJob> for JobSpec {
    fn from(job: DockerJob) -> Self {
        Self::Docker(Box::new(job))
    }
}
impl From<&DockerJob> for JobSpec {
    fn from(job: &DockerJob) -> Self {
        job.clone().into()
    }
}
impl From<WasmJob> for JobSpec {
    fn from(job: WasmJob) -> Self {
        Self::Wasm(Box::new(job))
    }
}
impl From<&WasmJob> for JobSpec {
    fn from(job: &WasmJob) -> Self {
        job.clone().into()
    }
}
impl From<&JobSpec> for JobSpec {
    fn from(spec: &JobSpec) -> Self {
        spec.clone()
    }
}
impl From<Map<String, Value>> for JobSpec {
    fn from(object: Map<String, Value>) -> Self {
        Self::Raw(object)
    }
}

impl Serialize for JobSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stored = match self {
            Self::Docker(job) => stored("docker", &job.engine, &job.settings),
            Self::Wasm(job) => stored("wasm", &job.engine, &job.settings),
            // Read back it would be taken for another kind.
            Self::Raw(object) if object.contains_key(ENGINE) || object.contains_key(RAW) => {
                Ok(Map::from_iter([(RAW.to_owned(), Value::Object(object.clone()))]))
            }
            Self::Raw(object) => return object.serialize(serializer),
        };
        stored.map_err(S::Error::custom)?.serialize(serializer)
    }
}

fn stored(engine: &str, own: &impl Serialize, settings: &Settings) -> Result<Map<String, Value>, serde_json::Error> {
    let mut out = Map::from_iter([(ENGINE.to_owned(), Value::from(engine))]);
    for part in [serde_json::to_value(own)?, serde_json::to_value(settings)?] {
        if let Value::Object(members) = part {
            out.extend(members);
        }
    }
    Ok(out)
}

impl<'de> Deserialize<'de> for JobSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = Map::<String, Value>::deserialize(deserializer)?;
        match (object.remove(RAW), object.get(ENGINE).and_then(Value::as_str)) {
            (Some(Value::Object(raw)), _) => Ok(Self::Raw(raw)),
            (Some(_), _) => Err(D::Error::custom("$raw is no object")),
            (None, Some("docker")) => {
                let own = ["image", "entrypoint", "parameters", "workingDirectory", "params"];
                read::<Docker>(object, &own).map(Self::from).map_err(D::Error::custom)
            }
            (None, Some("wasm")) => {
                let own = ["module", "entrypoint", "parameters", "imports", "params"];
                read::<Wasm>(object, &own).map(Self::from).map_err(D::Error::custom)
            }
            (None, _) => Ok(Self::Raw(object)),
        }
    }
}

/// A stored job: the members of the engine, and the others.
fn read<E: DeserializeOwned>(mut object: Map<String, Value>, own: &[&str]) -> Result<EngineJob<E>, serde_json::Error> {
    object.remove(ENGINE);
    let engine: Map<String, Value> = own.iter().filter_map(|name| object.remove_entry(*name)).collect();
    let engine = serde_json::from_value(Value::Object(engine))?;
    Ok(EngineJob { engine, settings: serde_json::from_value(Value::Object(object))? })
}

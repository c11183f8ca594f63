//! A spec as the requester interface takes it, by the version of the server.
use consign_bacalhau::ServerVersion;
use consign_bacalhau::requester::types::{
    Deal, Engine, JobSpecDocker, JobSpecWasm, LabelSelectorRequirement, NetworkConfig, NetworkType, Operator,
    Publisher as WirePublisher, ResourceUsageConfig, S3StorageSpec, Spec, StorageSource, StorageSpec, TypedParams,
    Verifier as WireVerifier,
};
use serde_json::Value;

use crate::bacalhau::engine_job::{Docker, Wasm};
use crate::bacalhau::settings::{Constraint, Settings};
use crate::bacalhau::source::set_members;
use crate::bacalhau::{JobSpec, Publisher, Source, Verifier};

/// Whether a server has engines and publishers as a type with parameters.
fn is_late(version: Option<ServerVersion>) -> bool {
    version.is_some_and(|version| version >= ServerVersion::new(1, 0, 4))
}

/// The version of the job's form.
pub(crate) fn api_version(version: Option<ServerVersion>) -> &'static str {
    if is_late(version) { "V1beta2" } else { "V1beta1" }
}

/// The job's specification. `version` of the server; `None`: 0.3.25.
pub(crate) fn spec(spec: &JobSpec, version: Option<ServerVersion>) -> Spec {
    let settings = match spec {
        JobSpec::Docker(job) => &job.settings,
        JobSpec::Wasm(job) => &job.settings,
        // A raw one was read before: it is checked first.
        JobSpec::Raw(object) => return serde_json::from_value(Value::Object(object.clone())).unwrap_or_default(),
    };
    let late = is_late(version);
    let mut out = common(settings, late);
    match spec {
        JobSpec::Docker(job) => {
            let wire = docker(&job.engine, settings);
            if late {
                out.engine_spec = Some(typed("docker", serde_json::to_value(wire).unwrap_or_default()));
            } else {
                (out.engine, out.docker) = (Some(Engine::Docker), Some(wire));
            }
        }
        JobSpec::Wasm(job) => {
            let wire = wasm(&job.engine, settings);
            if late {
                out.engine_spec = Some(typed("wasm", serde_json::to_value(wire).unwrap_or_default()));
            } else {
                (out.engine, out.wasm) = (Some(Engine::Wasm), Some(wire));
            }
        }
        JobSpec::Raw(_) => {}
    }
    out
}

fn typed(kind: &str, params: Value) -> TypedParams {
    let mut out = TypedParams::default();
    let params = set_members(params);
    (out.type_, out.params) = (Some(kind.to_owned()), (!params.is_empty()).then_some(params));
    out
}

fn common(s: &Settings, late: bool) -> Spec {
    let mut out = Spec::new();
    let publisher = s.publisher.clone().unwrap_or(if s.outputs.is_empty() { Publisher::Noop } else { Publisher::Ipfs });
    let mut deal = Deal::default();
    deal.concurrency = Some(i64::from(s.count.unwrap_or(1)));
    if late {
        out.publisher_spec = Some(typed(publisher.kind(), Value::Null));
    } else {
        out.publisher = Some(match publisher {
            Publisher::Ipfs => WirePublisher::Ipfs,
            Publisher::Filecoin => WirePublisher::Filecoin,
            Publisher::Estuary => WirePublisher::Estuary,
            _ => WirePublisher::Noop,
        });
        out.verifier = Some(match s.verifier {
            Verifier::Noop => WireVerifier::Noop,
            Verifier::Deterministic => WireVerifier::Deterministic,
        });
        deal.confidence = s.confidence.map(i64::from);
        deal.min_bids = s.min_bids.map(i64::from);
    }
    out.deal = Some(deal);
    let mut resources = ResourceUsageConfig::default();
    resources.cpu.clone_from(&s.cpu);
    resources.memory = s.memory.as_deref().map(size);
    resources.disk = s.disk.as_deref().map(size);
    resources.gpu.clone_from(&s.gpu);
    out.resources = (resources != ResourceUsageConfig::default()).then_some(resources);
    if let Some(kind) = &s.network.kind {
        let mut network = NetworkConfig::default();
        network.type_ = Some(NetworkType::from(kind.as_str()));
        network.domains = (!s.network.domains.is_empty()).then(|| s.network.domains.clone());
        out.network = Some(network);
    }
    out.timeout = s.execution_timeout.map(|limit| limit.as_secs_f64());
    let inputs: Vec<_> = s.inputs.iter().map(|i| storage(&i.source, Some(&i.target))).collect();
    out.inputs = (!inputs.is_empty()).then_some(inputs);
    let output = |output: &crate::bacalhau::settings::Output| {
        let mut out = StorageSpec::default();
        out.storage_source = Some(StorageSource::Ipfs);
        (out.name, out.path) = (Some(output.name.clone()), Some(output.path.clone()));
        out
    };
    out.outputs = (!s.outputs.is_empty()).then(|| s.outputs.iter().map(output).collect());
    out.annotations = (!s.labels.is_empty()).then(|| s.labels.iter().map(annotation).collect());
    let selector = |c: &Constraint| {
        let mut out = LabelSelectorRequirement::default();
        (out.key, out.operator) = (Some(c.key.clone()), Some(Operator::from(c.operator.as_str())));
        out.values = (!c.values.is_empty()).then(|| c.values.clone());
        out
    };
    out.node_selectors = (!s.constraints.is_empty()).then(|| s.constraints.iter().map(selector).collect());
    out.do_not_track = s.do_not_track.then_some(true);
    out
}

/// A label as a free text.
pub(crate) fn annotation((name, value): (&String, &String)) -> String {
    if value.is_empty() { name.clone() } else { format!("{name}={value}") }
}

fn docker(docker: &Docker, s: &Settings) -> JobSpecDocker {
    let mut out = JobSpecDocker::default();
    out.image = Some(docker.image.clone());
    let words: Vec<String> = docker.entrypoint.iter().chain(&docker.parameters).cloned().collect();
    out.entrypoint = (!words.is_empty()).then_some(words);
    let env: Vec<String> = s.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    out.environment_variables = (!env.is_empty()).then_some(env);
    out.working_directory.clone_from(&docker.working_directory);
    out
}

fn wasm(wasm: &Wasm, s: &Settings) -> JobSpecWasm {
    let mut out = JobSpecWasm::default();
    out.entry_module = Some(storage(&wasm.module, None));
    out.entry_point = Some(wasm.entrypoint.clone().unwrap_or_else(|| "_start".to_owned()));
    out.parameters = (!wasm.parameters.is_empty()).then(|| wasm.parameters.clone());
    out.environment_variables = (!s.env.is_empty()).then(|| s.env.clone());
    let imports: Vec<_> = wasm.imports.iter().map(|module| storage(module, None)).collect();
    out.import_modules = (!imports.is_empty()).then_some(imports);
    out
}

/// A size as every part of a server reads it: where jobs are placed `64Mb` and `1Gi` count as `64MB` and `1G`, but the
/// WebAssembly engine of 0.3.25 fails a job over any other spelling than those, and over a fraction.
fn size(text: &str) -> String {
    let plain: String = text.to_ascii_uppercase().chars().filter(|c| *c != 'I' && !c.is_whitespace()).collect();
    let (number, unit) = plain.split_at(plain.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(plain.len()));
    match number.parse::<f64>() {
        Ok(amount) if number.contains('.') => {
            // Units are powers of 1024 there, whatever they are called.
            let power = "KMGTPE".find(|letter| unit.starts_with(letter)).map_or(0, |n| n as i32 + 1);
            format!("{}B", (amount * 1024_f64.powi(power)).ceil())
        }
        _ => plain,
    }
}

fn storage(source: &Source, path: Option<&String>) -> StorageSpec {
    let mut out = StorageSpec::default();
    out.path = path.cloned();
    out.storage_source = Some(match source {
        Source::Url(_) => StorageSource::UrlDownload,
        Source::Inline(_) => StorageSource::Inline,
        Source::S3(_) => StorageSource::S3,
        Source::Ipfs(_) => StorageSource::Ipfs,
        Source::Local(_) => StorageSource::LocalDirectory,
        Source::Other { kind, .. } => StorageSource::from(kind.as_str()),
    });
    match source {
        Source::Url(url) | Source::Inline(url) => out.url = Some(url.clone()),
        Source::Ipfs(cid) => out.cid = Some(cid.clone()),
        Source::Local(local) => {
            (out.source_path, out.read_write) = (Some(local.path.clone()), local.read_write.then_some(true));
        }
        Source::S3(s3) => {
            let mut wire = S3StorageSpec::default();
            (wire.bucket, wire.key) = (Some(s3.bucket.clone()), Some(s3.key.clone()));
            wire.checksum.clone_from(&s3.checksum_sha256);
            wire.version_id.clone_from(&s3.version_id);
            wire.endpoint.clone_from(&s3.endpoint);
            wire.region.clone_from(&s3.region);
            out.s3 = Some(wire);
        }
        Source::Other { params, .. } => out.extra.clone_from(params),
    }
    out
}

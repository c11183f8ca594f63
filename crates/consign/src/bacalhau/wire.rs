//! A spec as the v1 interface takes it; what was named otherwise on older servers is so named for them.
use std::time::Duration;

use consign_bacalhau::ServerVersion;
use consign_bacalhau::v1::types::{
    JobType, NewConstraint, NewInputSource, NewJob, NewNetwork, NewPort, NewResources, NewResultPath, NewSpecConfig,
    NewTask, NewTimeouts,
};
use serde_json::{Map, Value, json};

use super::engine_job::{Docker, Wasm};
use super::settings::Settings;
use super::source::set_members;
use super::{JobSpec, Source, check};

/// Where the server itself puts a module that comes without a place.
const MODULE: &str = "/wasm/entry.wasm";

/// The job. `version` of the server; `None`: a late one.
pub(crate) fn job(spec: &JobSpec, version: Option<ServerVersion>) -> NewJob {
    // From 1.7 on modules are inputs, and local folders have a shorter name.
    let late = version.is_none_or(|version| version >= ServerVersion::new(1, 7, 0));
    let (settings, engine, inputs) = match spec {
        JobSpec::Docker(job) => (&job.settings, docker(&job.engine), Vec::new()),
        JobSpec::Wasm(job) if late => {
            let (engine, inputs) = wasm(&job.engine);
            (&job.settings, engine, inputs)
        }
        JobSpec::Wasm(job) => (&job.settings, old_wasm(&job.engine), Vec::new()),
        // A raw one was read before: it is checked first.
        JobSpec::Raw(object) => {
            let read = serde_json::from_value(Value::Object(object.clone()));
            return read.unwrap_or_else(|_| NewJob::new(JobType::Batch, Vec::new()));
        }
    };
    let mut task = NewTask::new(settings.task_name.as_deref().unwrap_or("main"), engine);
    fill_task(&mut task, settings, inputs, late);
    let mut job = NewJob::new(settings.kind.clone().unwrap_or(JobType::Batch), vec![task]);
    job.name.clone_from(&settings.name);
    job.namespace.clone_from(&settings.namespace);
    job.priority = settings.priority;
    job.count = match (&job.type_, settings.count) {
        (_, Some(count)) => Some(i64::from(count)),
        (JobType::Daemon | JobType::Ops, None) => None,
        _ => Some(1),
    };
    let constraint = |c: &super::settings::Constraint| {
        let values = (!c.values.is_empty()).then(|| c.values.clone());
        let mut out = NewConstraint::default();
        (out.key, out.operator, out.values) = (Some(c.key.clone()), Some(c.operator.clone()), values);
        out
    };
    job.constraints = some(settings.constraints.iter().map(constraint).collect());
    job.labels = (!settings.labels.is_empty()).then(|| settings.labels.clone());
    job.meta = (!settings.meta.is_empty()).then(|| settings.meta.clone());
    job
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    if list.is_empty() { None } else { Some(list) }
}

fn config(kind: &str, params: Map<String, Value>) -> NewSpecConfig {
    let mut out = NewSpecConfig::default();
    out.type_ = Some(kind.to_owned());
    out.params = (!params.is_empty()).then_some(params);
    out
}

fn words(words: &[String]) -> Option<&[String]> {
    (!words.is_empty()).then_some(words)
}

fn docker(docker: &Docker) -> NewSpecConfig {
    let mut params = set_members(json!({
        "Image": docker.image, "Entrypoint": words(&docker.entrypoint), "Parameters": words(&docker.parameters),
        "WorkingDirectory": docker.working_directory,
    }));
    params.extend(docker.params.clone());
    config("docker", params)
}

/// The places of the modules that are imported.
fn import_places(wasm: &Wasm) -> Vec<String> {
    (0..wasm.imports.len()).map(|n| format!("/wasm/imports/module_{n}.wasm")).collect()
}

/// The engine from 1.7 on, and the inputs that its modules are.
fn wasm(wasm: &Wasm) -> (NewSpecConfig, Vec<NewInputSource>) {
    let imports = import_places(wasm);
    let mut params = set_members(json!({
        "EntryModule": MODULE, "Entrypoint": wasm.entrypoint.as_deref().unwrap_or("_start"),
        "Parameters": words(&wasm.parameters), "ImportModules": words(&imports),
    }));
    params.extend(wasm.params.clone());
    let modules = [(MODULE.to_owned(), &wasm.module)].into_iter().chain(imports.into_iter().zip(&wasm.imports));
    let inputs = modules.map(|(target, module)| input(module, target, None, true)).collect();
    (config("wasm", params), inputs)
}

/// The engine up to 1.6: modules stand in its parameters.
fn old_wasm(wasm: &Wasm) -> NewSpecConfig {
    let module = |source: &Source, target: &str| json!({"Source": {"Type": old_kind(source), "Params": source.params()}, "Target": target});
    let places = import_places(wasm);
    let imports: Vec<Value> = wasm.imports.iter().zip(&places).map(|(source, place)| module(source, place)).collect();
    let mut params = set_members(json!({
        "EntryModule": module(&wasm.module, MODULE), "EntryPoint": wasm.entrypoint.as_deref().unwrap_or("_start"),
        "Parameters": words(&wasm.parameters), "ImportModules": (!imports.is_empty()).then_some(imports),
    }));
    params.extend(wasm.params.clone());
    config("wasm", params)
}

fn old_kind(source: &Source) -> &str {
    if matches!(source, Source::Local(_)) { "localDirectory" } else { source.kind() }
}

fn input(source: &Source, target: String, alias: Option<String>, late: bool) -> NewInputSource {
    let kind = if late { source.kind() } else { old_kind(source) };
    let mut out = NewInputSource::default();
    (out.source, out.target, out.alias) = (Some(config(kind, source.params())), Some(target), alias);
    out
}

fn fill_task(task: &mut NewTask, settings: &Settings, mut inputs: Vec<NewInputSource>, late: bool) {
    inputs.extend(settings.inputs.iter().map(|i| input(&i.source, i.target.clone(), i.alias.clone(), late)));
    task.input_sources = some(inputs);
    let output = |output: &super::settings::Output| {
        let mut out = NewResultPath::default();
        (out.name, out.path) = (Some(output.name.clone()), Some(output.path.clone()));
        out
    };
    task.result_paths = some(settings.outputs.iter().map(output).collect());
    task.publisher = settings.publisher.as_ref().map(|p| config(p.kind(), p.params().unwrap_or_default()));
    task.env = (!settings.env.is_empty()).then(|| settings.env.clone());
    let mut resources = NewResources::default();
    resources.cpu.clone_from(&settings.cpu);
    resources.memory.clone_from(&settings.memory);
    resources.disk.clone_from(&settings.disk);
    resources.gpu.clone_from(&settings.gpu);
    task.resources = (resources != NewResources::default()).then_some(resources);
    let net = &settings.network;
    let mut network = NewNetwork::default();
    network.type_.clone_from(&net.kind);
    network.domains = some(net.domains.clone());
    let port = |port: &super::Port| {
        let mut out = NewPort::default();
        out.name = Some(port.name.clone());
        (out.static_, out.target) = (port.fixed.map(i64::from), port.target.map(i64::from));
        out.host_network.clone_from(&port.host_network);
        out
    };
    network.ports = some(net.ports.iter().map(port).collect());
    task.network = (network != NewNetwork::default()).then_some(network);
    let seconds = |time: Duration| i64::try_from(check::whole_seconds(time)).unwrap_or(i64::MAX);
    let mut timeouts = NewTimeouts::default();
    timeouts.execution_timeout = settings.execution_timeout.map(seconds);
    timeouts.queue_timeout = settings.queue_timeout.map(seconds);
    timeouts.total_timeout = settings.total_timeout.map(seconds);
    task.timeouts = (timeouts != NewTimeouts::default()).then_some(timeouts);
}

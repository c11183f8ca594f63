//! Short ways to ask a simulated orchestrator in the process.
use std::time::Duration;

use bytes::Bytes;
use consign_sim::{Bacalhau, Broken, Simulator};
use http::{HeaderMap, Request};
use serde_json::{Value, json};

/// The path of the jobs.
pub(crate) const JOBS: &str = "/api/v1/orchestrator/jobs";

/// An answer in parts.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The JSON of a success.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
    /// Status, code and message of a refusal.
    pub(crate) fn refusal(&self) -> (u16, String, String) {
        let text = |name: &str| self.json()[name].as_str().unwrap_or_default().to_owned();
        (self.status, text("Code"), text("Message"))
    }
}

/// Sends any request: `METHOD path`, or `METHOD http://…` to another host.
pub(crate) async fn try_send(
    sim: &impl Simulator,
    what: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Answer, Broken> {
    let (method, place) = what.split_once(' ').unwrap();
    let place = if place.starts_with("http://") { place.to_owned() } else { format!("{}{place}", Bacalhau::URL) };
    let mut request = Request::builder().method(method).uri(place);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, body) = sim.handle(request.body(body.into()).unwrap()).await?.into_parts();
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

/// A request without a body.
pub(crate) async fn ask(sim: &impl Simulator, what: &str) -> Answer {
    try_send(sim, what, &[], "").await.unwrap()
}

/// A request with JSON.
pub(crate) async fn tell(sim: &impl Simulator, what: &str, body: &Value) -> Answer {
    try_send(sim, what, &[("content-type", "application/json")], body.to_string()).await.unwrap()
}

/// The small modules: `hello`, `exit3`, `trap`, `spin`.
pub(crate) fn module(name: &str) -> String {
    let all = include_str!("modules.txt").lines().filter_map(|line| line.split_once(' '));
    let (_, module) = all.into_iter().find(|(known, _)| *known == name).unwrap();
    format!("data:application/wasm;base64,{module}")
}

/// A batch job that runs one of them, with further members over it.
pub(crate) fn wasm(name: &str, more: Value) -> Value {
    let mut job = json!({"Type": "batch", "Count": 1, "Tasks": [{
        "Name": "main", "Engine": {"Type": "wasm", "Params": {"EntryModule": "/main.wasm", "Entrypoint": "_start"}},
        "Publisher": {"Type": "local"},
        "InputSources": [{"Target": "/main.wasm", "Source": {"Type": "inline", "Params": {"URL": module(name)}}}],
        "Network": {"Type": "None"}, "Resources": {"CPU": "100m", "Memory": "64Mb"},
    }]});
    amend(&mut job, more);
    job
}

/// A batch job in a container, with labels.
pub(crate) fn docker(labels: Value) -> Value {
    json!({"Type": "batch", "Labels": labels, "Tasks": [{
        "Name": "main", "Engine": {"Type": "docker", "Params": {"Image": "ubuntu", "Entrypoint": ["true"]}},
        "Publisher": {"Type": "local"},
    }]})
}

/// Sets members of an object; a name with a slash is that of a member of its task.
pub(crate) fn amend(job: &mut Value, more: Value) {
    for (name, value) in more.as_object().unwrap() {
        match name.strip_prefix("task/") {
            Some(name) => job["Tasks"][0][name] = value.clone(),
            None => job[name] = value.clone(),
        }
    }
}

/// Submits a job; gives its id.
pub(crate) async fn put(sim: &Bacalhau, job: Value) -> String {
    let answer = tell(sim, &format!("PUT {JOBS}"), &json!({"Job": job})).await;
    answer.ok()["JobID"].as_str().unwrap().to_owned()
}

pub(crate) async fn get(sim: &Bacalhau, id: &str) -> Value {
    ask(sim, &format!("GET {JOBS}/{id}")).await.ok()["Job"].clone()
}

pub(crate) async fn state(sim: &Bacalhau, id: &str) -> String {
    get(sim, id).await["State"]["StateType"].as_str().unwrap().to_owned()
}

pub(crate) async fn executions(sim: &Bacalhau, id: &str) -> Vec<Value> {
    ask(sim, &format!("GET {JOBS}/{id}/executions")).await.ok()["Items"].as_array().unwrap().clone()
}

/// The history as level, topic and message.
pub(crate) async fn history(sim: &Bacalhau, id: &str) -> Vec<String> {
    let all = ask(sim, &format!("GET {JOBS}/{id}/history?all_job_versions=true")).await.ok();
    let line = |entry: &Value| {
        let level = entry["Type"].as_str().unwrap().trim_end_matches("Level");
        let event = &entry["Event"];
        format!("{level} {}: {}", event["Topic"].as_str().unwrap(), event["Message"].as_str().unwrap())
    };
    all["Items"].as_array().unwrap().iter().map(line).collect()
}

pub(crate) async fn pass(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

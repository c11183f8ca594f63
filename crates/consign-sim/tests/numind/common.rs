//! Short ways to ask a simulated NuMind in the process.
use std::time::Duration;

use bytes::Bytes;
use consign_sim::live::{self, Chunk};
use consign_sim::{Broken, NuMind};
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;

/// An answer in parts.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) stream: Option<Receiver<Chunk>>,
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
    /// Status and code of a refusal.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap().to_owned())
    }
    pub(crate) fn job_id(&self) -> String {
        self.ok()["jobId"].as_str().unwrap().to_owned()
    }
}

/// Sends any request; `headers` go on top of a token unless they have their own.
pub(crate) async fn try_send(
    sim: &NuMind,
    what: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Answer, Broken> {
    let (method, path) = what.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(format!("{}{path}", NuMind::URL));
    if !headers.iter().any(|(name, _)| *name == "authorization") {
        request = request.header("authorization", "Bearer key-1");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = sim.handle(request.body(body.into()).unwrap()).await?;
    let stream = live::take_stream(&mut response);
    let (parts, body) = response.into_parts();
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body, stream })
}

pub(crate) async fn send(sim: &NuMind, what: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    try_send(sim, what, headers, body).await.unwrap()
}

/// A request without a body.
pub(crate) async fn ask(sim: &NuMind, what: &str) -> Answer {
    send(sim, what, &[], "").await
}

/// A request with JSON.
pub(crate) async fn tell(sim: &NuMind, what: &str, body: &Value) -> Answer {
    send(sim, what, &[("content-type", "application/json")], body.to_string()).await
}

/// A template job, the one with the least around it; its description begins with a script.
pub(crate) async fn job(sim: &NuMind, script: &Value) -> String {
    let description = format!("sim: {script}\nThe total of an invoice.");
    tell(sim, "POST /api/template-generation/jobs/text", &json!({"description": description})).await.job_id()
}

pub(crate) async fn status(sim: &NuMind, id: &str) -> Value {
    ask(sim, &format!("GET /api/jobs/{id}/status")).await.ok()
}

pub(crate) async fn record(sim: &NuMind, id: &str) -> Value {
    ask(sim, &format!("GET /api/jobs/{id}")).await.ok()
}

pub(crate) async fn stream(sim: &NuMind, id: &str) -> Receiver<Chunk> {
    let what = format!("GET /api/jobs/{id}/stream");
    let answer = send(sim, &what, &[("accept", "text/event-stream")], "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/event-stream"));
    answer.stream.unwrap()
}

/// Reads a stream to its end. Gives the text, and whether it ended cleanly.
pub(crate) async fn drain(mut stream: Receiver<Chunk>) -> (String, bool) {
    let mut all = Vec::new();
    while let Some(chunk) = stream.recv().await {
        match chunk {
            Chunk::Bytes(bytes) => all.extend_from_slice(&bytes),
            Chunk::Break => return (String::from_utf8(all).unwrap(), false),
        }
    }
    (String::from_utf8(all).unwrap(), true)
}

/// The JSON in the last event of a stream's text, with the number of pings before it.
pub(crate) fn last_event(text: &str) -> (usize, &str, Value) {
    let events: Vec<&str> = text.split("\n\n").filter(|event| !event.is_empty()).collect();
    let (last, pings) = events.split_last().unwrap();
    assert!(pings.iter().all(|ping| *ping == "event: ping\ndata: "), "{pings:?}");
    let (name, data) = last.split_once('\n').unwrap();
    let name = name.strip_prefix("event: ").unwrap();
    (pings.len(), name, serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap())
}

pub(crate) async fn pause(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

/// A new project, by its id.
pub(crate) async fn project(sim: &NuMind, template: &Value) -> String {
    let body = json!({"name": "orders", "description": "", "template": template});
    tell(sim, "POST /api/structured-extraction", &body).await.ok()["id"].as_str().unwrap().to_owned()
}

/// A form with these parts: name, file name, bytes.
pub(crate) fn form(parts: &[(&str, Option<&str>, &[u8])]) -> (&'static str, Vec<u8>) {
    let mut body = Vec::new();
    for (name, file_name, bytes) in parts {
        let file_name = file_name.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
        let head = format!("--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"{file_name}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b0undary--\r\n");
    ("multipart/form-data; boundary=b0undary", body)
}

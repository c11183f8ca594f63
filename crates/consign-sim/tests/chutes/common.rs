//! Short ways to ask a simulated Chutes in the process.
use std::time::Duration;

use bytes::Bytes;
use consign_sim::chutes::Builder;
use consign_sim::{Broken, Chutes, Durations};
use http::{HeaderMap, Request};
use serde_json::Value;

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
    /// Status and detail of a refusal.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status, self.json()["detail"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned())
    }
    /// Asserts the answer of a handler that tripped.
    #[track_caller]
    pub(crate) fn tripped(&self) {
        let seen = (self.status, self.text(), self.header("content-type"));
        assert_eq!(seen, (500, "Internal Server Error", "text/plain; charset=utf-8"));
    }
}

/// Sends `METHOD /path`; the key goes with it unless the headers have their own credential.
pub(crate) async fn try_send(
    sim: &Chutes,
    what: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Answer, Broken> {
    let (method, path) = what.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(format!("{}{path}", Chutes::URL));
    if !headers.iter().any(|(name, _)| *name == "authorization" || name.starts_with("x-chutes")) {
        request = request.header("authorization", format!("Bearer {}", Chutes::KEY));
    }
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, *value);
    }
    let (parts, body) = sim.handle(request.body(body.into()).unwrap()).await?.into_parts();
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

/// Sends a request with these headers.
pub(crate) async fn send(sim: &Chutes, what: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    try_send(sim, what, headers, body.to_owned()).await.unwrap()
}

/// Sends a request with the key.
pub(crate) async fn ask(sim: &Chutes, what: &str, body: &str) -> Answer {
    send(sim, what, &[], body).await
}

/// Creates a job of the method `train`.
pub(crate) async fn create(sim: &Chutes, args: &str) -> Answer {
    ask(sim, &format!("POST /jobs/{}/train", Chutes::CHUTE), args).await
}

/// Creates a job and gives its id.
pub(crate) async fn created(sim: &Chutes, args: &str) -> String {
    create(sim, args).await.ok()["job_id"].as_str().unwrap().to_owned()
}

pub(crate) async fn read(sim: &Chutes, job: &str) -> Answer {
    ask(sim, &format!("GET /jobs/{job}"), "").await
}

/// A simulator whose jobs wait 2 s, are launched in 3 s and work 10 s; uploads take 1 s each.
pub(crate) fn exact() -> Builder {
    let fixed = |seconds| Durations::Fixed(Duration::from_secs(seconds));
    Chutes::builder().seed(7).wait(fixed(2)).launch(fixed(3)).durations(fixed(10)).upload(Duration::from_secs(1))
}

pub(crate) async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// The words of a job's events.
pub(crate) fn events(sim: &Chutes, job: &str) -> Vec<String> {
    sim.job(job).unwrap().events.into_iter().map(|(_, word)| word).collect()
}

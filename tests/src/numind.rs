//! NuMind's jobs on a simulator; and on a service that gives answers written in a test and keeps what it was asked,
//! for what the simulator never says.
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use consign::numind::{NuMind, NuMindBuilder};
use consign::{Jobs, TokioClock, transport};
use http::StatusCode;
use serde_json::Value;

use crate::in_process::{keep_listening, wire};

/// A provider at `sim`, with a clock that shows the simulator's date.
pub fn simulated(sim: &consign_sim::NuMind, set: impl FnOnce(NuMindBuilder) -> NuMindBuilder) -> NuMind {
    keep_listening();
    let builder = NuMind::builder().base_url("http://numind.invalid").api_key("nm.test.token-0123456789");
    set(builder).transport(wire(sim)).clock(TokioClock::starting_at(sim.now())).build().expect("a provider")
}

/// The jobs of `sim`.
pub fn at(sim: &consign_sim::NuMind) -> Jobs<NuMind> {
    Jobs::builder(simulated(sim, |builder| builder)).seed(1).build()
}

/// One request: method and target, header lines, body.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET /api/jobs?skip=30`.
    pub line: String,
    /// The content type.
    pub media: String,
    /// The body.
    pub body: Bytes,
}

impl Asked {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a body of JSON")
    }
    /// The body as text, what is no UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// All requests so far.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<Vec<Asked>>>);

impl Ledger {
    /// All requests so far, in order.
    pub fn all(&self) -> Vec<Asked> {
        self.0.lock().unwrap().clone()
    }
    /// Their methods and targets.
    pub fn lines(&self) -> Vec<String> {
        self.all().into_iter().map(|asked| asked.line).collect()
    }
}

/// An answer: status, media type, body.
pub type Answer = (u16, &'static str, String);

/// An answer of JSON.
pub fn json(body: &Value) -> Answer {
    (200, "application/json", body.to_string())
}

/// An answer that is an event stream of these events.
pub fn events(events: &[(&str, &Value)]) -> Answer {
    let event = |(name, data): &(&str, &Value)| match data {
        Value::Null => format!("data: \nevent: {name}\n\n"),
        data => format!("data: {data}\nevent: {name}\n\n"),
    };
    (200, "text/event-stream", events.iter().map(event).collect())
}

/// A provider whose requests are answered by `answer`.
pub fn provider(
    set: impl FnOnce(NuMindBuilder) -> NuMindBuilder,
    answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> (NuMind, Ledger) {
    let ledger = Ledger::default();
    let kept = ledger.clone();
    let transport = transport::from_fn(move |request: http::Request<Bytes>| {
        let line = format!("{} {}", request.method(), request.uri().path_and_query().map_or("", |path| path.as_str()));
        let media = request.headers().get("content-type").and_then(|media| media.to_str().ok()).unwrap_or_default();
        let asked = Asked { line, media: media.to_owned(), body: request.body().clone() };
        kept.0.lock().unwrap().push(asked.clone());
        let (status, media, body) = answer(&asked);
        let status = StatusCode::from_u16(status).unwrap();
        let answer = http::Response::builder().status(status).header("content-type", media).body(Bytes::from(body));
        async move { Ok(answer.expect("an answer")) }
    });
    let builder = NuMind::builder().base_url("http://numind.invalid").api_key("nm.test.token-0123456789");
    (set(builder).transport(transport).build().expect("a provider"), ledger)
}

/// The jobs of a service whose requests are answered by `answer`.
pub fn jobs(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> (Jobs<NuMind>, Ledger) {
    let (provider, ledger) = provider(|builder| builder, answer);
    (Jobs::builder(provider).seed(1).build(), ledger)
}

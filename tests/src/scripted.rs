//! A Civitai that gives answers written in a test, for what the simulator never says.
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use consign::civitai::Civitai;
use consign::{Jobs, transport};
use serde_json::Value;

/// The jobs of a service that gives these answers (status, media type, body) one after the other, and
/// the last one for ever.
pub fn answers(answers: Vec<(u16, &'static str, String)>) -> Jobs<Civitai> {
    let next = AtomicUsize::new(0);
    let transport = transport::from_fn(move |_: http::Request<Bytes>| {
        let at = next.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
        let (status, media, body) = answers[at].clone();
        let answer = http::Response::builder().status(status).header("content-type", media).body(Bytes::from(body));
        async move { Ok(answer.expect("an answer")) }
    });
    let civitai = Civitai::builder().base_url("http://civitai.invalid").token("test-token-0123456789");
    Jobs::builder(civitai.transport(transport).build().expect("a provider")).seed(1).build()
}

/// The jobs of a service that always gives this JSON.
pub fn json(body: &Value) -> Jobs<Civitai> {
    answers(vec![(200, "application/json", body.to_string())])
}

//! The simulators of Bacalhau in the process, and a Bacalhau that gives answers written in a test.
use bytes::Bytes;
use consign::bacalhau::{Bacalhau, BacalhauBuilder, Identity, Requester, RequesterBuilder, WasmJob};
use consign::bacalhau::{DockerJob, Source};
use consign::{Jobs, JobsBuilder, transport};
use consign_http::TokioClock;
use consign_sim::bacalhau::Bacalhau as Sim;

use crate::conformance::modules;
use crate::in_process::{keep_listening, wire};

/// Settings of a provider at `sim`, without a credential, with its clock.
pub fn provider(sim: &Sim) -> BacalhauBuilder {
    keep_listening();
    Bacalhau::builder().base_url(Sim::URL).transport(wire(sim)).clock(TokioClock::starting_at(sim.now()))
}

/// The jobs of `sim`, to be set further.
pub fn builder(sim: &Sim) -> JobsBuilder<Bacalhau> {
    Jobs::builder(provider(sim).build().expect("a provider")).seed(1)
}

/// The jobs of `sim`.
pub fn jobs(sim: &Sim) -> Jobs<Bacalhau> {
    builder(sim).build()
}

/// A container that says a word.
pub fn echo(word: &str) -> DockerJob {
    DockerJob::new("ubuntu:24.04").entrypoint(["echo", word])
}

/// A module that prints `hello from wasm`.
pub fn hello() -> WasmJob {
    WasmJob::new(Source::wasm(modules::HELLO))
}

/// A key, as the provider's own clients keep it.
pub fn identity() -> Identity {
    let recorded: serde_json::Value =
        serde_json::from_str(include_str!("../vectors/bacalhau-signing.json")).expect("the recorded keys");
    let text = recorded["keys"][0]["private_key_pem_pkcs1"].as_str().expect("a key");
    Identity::from_pem(text).expect("a key")
}

/// The jobs of a v1 server that answers so.
pub fn scripted(
    answer: impl Fn(&http::Request<Bytes>) -> http::Response<Bytes> + Send + Sync + 'static,
) -> Jobs<Bacalhau> {
    keep_listening();
    let transport = transport::from_fn(move |request: http::Request<Bytes>| {
        let answer = answer(&request);
        async move { Ok(answer) }
    });
    let provider = Bacalhau::builder().base_url(Sim::URL).transport(transport).build().expect("a provider");
    Jobs::builder(provider).seed(1).build()
}

/// The settings of a requester that answers so.
pub fn scripted_requester(
    answer: impl Fn(&http::Request<Bytes>) -> http::Response<Bytes> + Send + Sync + 'static,
) -> RequesterBuilder {
    keep_listening();
    let transport = transport::from_fn(move |request: http::Request<Bytes>| {
        let answer = answer(&request);
        async move { Ok(answer) }
    });
    Requester::builder().base_url("http://requester.bacalhau.invalid").transport(transport)
}

/// An answer of JSON.
pub fn json(status: u16, body: &serde_json::Value) -> http::Response<Bytes> {
    let answer = http::Response::builder().status(status).header("content-type", "application/json");
    answer.body(Bytes::from(body.to_string())).expect("an answer")
}

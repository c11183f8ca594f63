//! The simulator of Chutes in the process, and a Chutes that gives answers written in a test.
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use consign::chutes::{ChuteJob, Chutes, ChutesBuilder, Runner, RunnerBuilder};
use consign::{Jobs, JobsBuilder, transport};
use consign_http::TokioClock;
use consign_sim::Chutes as Sim;

use crate::in_process::{keep_listening, wire};

/// Settings of a provider at `sim`, with a credential that it accepts and its clock.
pub fn provider(sim: &Sim) -> ChutesBuilder {
    keep_listening();
    let builder = Chutes::builder().base_url(Sim::URL).api_key(Sim::KEY);
    builder.transport(wire(sim)).clock(TokioClock::starting_at(sim.now()))
}

/// The jobs of `sim`, to be set further.
pub fn builder(sim: &Sim) -> JobsBuilder<Chutes> {
    Jobs::builder(provider(sim).build().expect("a provider")).seed(1)
}

/// The jobs of `sim`.
pub fn jobs(sim: &Sim) -> Jobs<Chutes> {
    builder(sim).build()
}

/// A job of the method that uploads its files.
pub fn train() -> ChuteJob {
    ChuteJob::new(Sim::CHUTE, "train")
}

/// The runner of a job of `sim`, called where the client calls.
pub fn runner(sim: &Sim, job_id: &str) -> Runner {
    runner_of(sim, &sim.job_status_url(job_id)).build().expect("a runner")
}

/// Settings of a runner with this address, called where the client calls.
pub fn runner_of(sim: &Sim, status_url: &str) -> RunnerBuilder {
    keep_listening();
    let builder = Runner::builder(status_url).base_url(Sim::URL);
    builder.transport(wire(sim)).clock(TokioClock::starting_at(sim.now()))
}

/// The jobs of a service that gives these answers (status, media type, body) one after the other, and
/// the last one for ever.
pub fn answers(answers: Vec<(u16, &'static str, String)>) -> Jobs<Chutes> {
    keep_listening();
    let next = AtomicUsize::new(0);
    let transport = transport::from_fn(move |_: http::Request<Bytes>| {
        let at = next.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
        let (status, media, body) = answers[at].clone();
        let answer = http::Response::builder().status(status).header("content-type", media).body(Bytes::from(body));
        async move { Ok(answer.expect("an answer")) }
    });
    let chutes = Chutes::builder().base_url(Sim::URL).api_key(Sim::KEY).transport(transport);
    Jobs::builder(chutes.build().expect("a provider")).seed(1).build()
}

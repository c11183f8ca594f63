//! Chutes for the suite.
use consign::Ticket;
use consign::chutes::{ChuteJob, Chutes};
use consign_sim::chutes::operation;
use serde_json::{Value, json};

use super::Subject;

/// A run of the chute that `CONSIGN_LIVE_CHUTES_CHUTE` and `CONSIGN_LIVE_CHUTES_METHOD` name, by default the
/// simulator's; `sim` says what becomes of it there, and is an argument like any other elsewhere.
fn run(sim: Value) -> ChuteJob {
    let named = |variable: &str, default: &str| std::env::var(variable).unwrap_or_else(|_| default.to_owned());
    let chute = named("CONSIGN_LIVE_CHUTES_CHUTE", consign_sim::Chutes::CHUTE);
    ChuteJob::new(chute, named("CONSIGN_LIVE_CHUTES_METHOD", "train")).arg("sim", sim)
}

impl Subject for Chutes {
    fn good() -> ChuteJob {
        run(json!({"seconds": 1, "wait": 0.5, "launch": 0.5, "files": {"out/loss.txt": "0.1", "model.bin": "weights"}}))
    }
    fn bad(live: bool) -> Option<ChuteJob> {
        let two = json!({"outcome": "partial_failure", "seconds": 1, "files": {"a.txt": "a", "b.txt": "b"}});
        (!live).then(|| run(two))
    }
    fn complaint() -> &'static str {
        "1 of 2 declared files were not uploaded"
    }
    fn long() -> ChuteJob {
        run(json!({"outcome": "running", "wait": 0.5, "launch": 0.5}))
    }
    fn wrong() -> ChuteJob {
        ChuteJob::new("", "").disk_gb(5).arg("steps", 1e300)
    }
    fn nobody() -> Ticket {
        Chutes::ticket_of_job("00000000-0000-4000-8000-000000000000")
    }
    const LOOK: &'static str = operation::GET_JOB;
    const SUBMIT: &'static str = operation::CREATE_JOB;
}

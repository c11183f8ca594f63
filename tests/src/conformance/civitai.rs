//! Civitai for the suite.
use std::time::Duration;

use consign::Ticket;
use consign::civitai::{Civitai, JobQuery, Template, TextToImage};
use consign_sim::civitai::operation;
use serde_json::json;

use super::Subject;

/// One small picture; `sim` says what becomes of it on a simulator, and is free data elsewhere.
fn picture(sim: serde_json::Value) -> TextToImage {
    TextToImage::new("urn:air:sdxl:checkpoint:civitai:101055@128078", "a test card")
        .size(64, 64)
        .steps(1)
        .property("suite", "conformance")
        .property("sim", sim)
}

impl Subject for Civitai {
    fn good() -> Template {
        picture(json!({"outcome": "Succeeded", "seconds": 2, "queue": 1})).into()
    }
    fn bad(live: bool) -> Option<Template> {
        (!live)
            .then(|| picture(json!({"outcome": "Failed", "seconds": 2, "message": "out of memory"})).retries(0).into())
    }
    fn complaint() -> &'static str {
        "out of memory"
    }
    fn long() -> Template {
        picture(json!({"seconds": 120})).timeout(Duration::from_secs(600)).into()
    }
    fn wrong() -> Template {
        TextToImage::new("", "").size(1, 1).quantity(0).into()
    }
    fn nobody() -> Ticket {
        Civitai::ticket_of_job("00000000-0000-4000-8000-000000000000")
    }
    fn question() -> Option<JobQuery> {
        Some(JobQuery::new().property("suite", "conformance"))
    }
    const LOOK: &'static str = operation::GET;
    const SUBMIT: &'static str = operation::SUBMIT;
}

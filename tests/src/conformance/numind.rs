//! NuMind for the suite.
use consign::Ticket;
use consign::numind::{NuMind, Settings, Spec, StructuredExtraction, Template};
use consign_sim::numind::operation;
use serde_json::{Value, json};

use super::Subject;

/// An extraction from a line of text; the line before it says what becomes of it on a simulator.
fn extraction(sim: &Value) -> StructuredExtraction {
    let text = format!("sim: {sim}\nAcme Ltd. charges 12.50 for two test cards.");
    StructuredExtraction::with_template(Template::new(json!({"seller": "verbatim-string", "total": "number"})), text)
}

impl Subject for NuMind {
    fn good() -> Spec {
        extraction(&json!({"seconds": 2, "pending": 0.5, "output": {"seller": "Acme Ltd.", "total": 12.5}})).into()
    }
    fn bad(live: bool) -> Option<Spec> {
        let sim = json!({"outcome": "failed", "seconds": 1, "code": "ModelError", "message": "out of memory"});
        (!live).then(|| extraction(&sim).into())
    }
    fn complaint() -> &'static str {
        "out of memory"
    }
    fn long() -> Spec {
        extraction(&json!({"seconds": 120})).into()
    }
    fn wrong() -> Spec {
        StructuredExtraction::in_project("", "").settings(Settings::new().temperature(-1.0)).into()
    }
    fn nobody() -> Ticket {
        NuMind::ticket_of_job("00000000-0000-4000-8000-000000000000")
    }
    const FILES: bool = false;
    const LOOK: &'static str = operation::STATUS;
    const SUBMIT: &'static str = operation::EXTRACT;
}

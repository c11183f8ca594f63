//! One job of the simulated service, and what a test can see of it.

use std::time::Duration;

use serde_json::{Map, Value};

use super::plan::Plan;
use super::queue::Place;
use super::templates::Template;

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Waits for the jobs that it depends on.
    Blocked,
    /// Waits in the queue, or for its next attempt.
    Queued,
    /// A worker is on it.
    Claimed,
    /// Its last event was not an end, and nothing more will happen.
    Stuck,
    /// Ended.
    Ended,
}

/// A job as a test sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JobView {
    /// Its id.
    pub id: String,
    /// The account that submitted it.
    pub account: String,
    /// The template that it was made from, as it came.
    pub template: Value,
    /// Where it is.
    pub phase: Phase,
    /// Every event so far, with the simulated time since the start. `Initialized` is the first.
    pub events: Vec<(Duration, String)>,
    /// How many attempts were begun.
    pub attempts: u32,
    /// How many accepted submissions had exactly the body that this job came from. More than one means
    /// that something was submitted twice.
    pub submitted: usize,
    /// Whether it was tainted, and with which reason.
    pub tainted: Option<Taint>,
    /// Its price.
    pub cost: f64,
    /// The priority that was chosen for it.
    pub priority: i32,
    /// Keys of its blobs.
    pub blobs: Vec<String>,
}

/// A mark that the result of a job is not to be used.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Taint {
    /// Why, if a reason was given.
    pub reason: Option<String>,
    /// Further data, if any was given.
    pub context: Option<Value>,
}

/// A call of a job's `callbackUrl`. The simulator sends nothing; it keeps what would be sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Webhook {
    /// Simulated time since the start.
    pub at: Duration,
    /// Where it would go.
    pub url: String,
    /// The event.
    pub body: Value,
}

/// Something that happened to a job.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) word: String,
    pub(crate) at: Duration,
    pub(crate) worker: Option<usize>,
    pub(crate) context: Map<String, Value>,
    pub(crate) claim_duration: Option<Duration>,
    pub(crate) job_duration: Option<Duration>,
    pub(crate) attempt: u32,
    pub(crate) claim_completed: bool,
    /// None: the member is left out.
    pub(crate) job_completed: Option<bool>,
}

/// Where a job is, with what the simulator needs there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum State {
    /// Number of jobs that it still waits for.
    Blocked(usize),
    /// Behind `ahead` jobs of other people, from `since` until `until`.
    Waiting {
        since: Duration,
        until: Duration,
        ahead: u32,
    },
    Queued(Place),
    /// No worker serves the providers that it asks for.
    Unserved,
    Claimed {
        worker: usize,
        since: Duration,
    },
    Stuck,
    Ended,
}

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) account: usize,
    /// Index of its submission.
    pub(crate) submission: usize,
    pub(crate) template: std::sync::Arc<Template>,
    pub(crate) properties: Map<String, Value>,
    pub(crate) priority: i32,
    pub(crate) plan: Plan,
    pub(crate) created: Duration,
    pub(crate) expires: Option<Duration>,
    /// The seed that its pictures are drawn from.
    pub(crate) seed: u64,
    pub(crate) blobs: Vec<String>,
    pub(crate) state: State,
    pub(crate) attempt: u32,
    /// Attempts that a worker or a rejection began.
    pub(crate) begun: u32,
    /// Raised when planned steps become void.
    pub(crate) round: u32,
    pub(crate) dependents: Vec<usize>,
    pub(crate) last: Option<Event>,
    pub(crate) history: Vec<(Duration, String)>,
    pub(crate) waiters: Vec<u64>,
    pub(crate) taint: Option<Taint>,
    /// Deleted and no longer known to readers.
    pub(crate) forgotten: bool,
}

impl Job {
    pub(crate) fn ended(&self) -> bool {
        self.state == State::Ended
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.ended() && self.last.as_ref().is_some_and(|event| event.word == "Succeeded")
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.state {
            State::Blocked(_) => Phase::Blocked,
            State::Waiting { .. } | State::Queued(_) | State::Unserved => Phase::Queued,
            State::Claimed { .. } => Phase::Claimed,
            State::Stuck => Phase::Stuck,
            State::Ended => Phase::Ended,
        }
    }
}

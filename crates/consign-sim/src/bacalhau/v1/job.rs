//! Jobs and executions of the simulated orchestrator, and what a test can see of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::spec::Spec;
use crate::bacalhau::plan::{Plan, Work};

/// A job as a test sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JobView {
    /// Its id.
    pub id: String,
    /// Its name; the id if none was given.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The job as a reader gets it.
    pub record: Value,
    /// Its state, in the words of the wire.
    pub state: String,
    /// The message beside the state.
    pub message: String,
    /// Its version; every update and rerun makes one.
    pub version: u64,
    /// How many executions it had, of all versions.
    pub executions: usize,
    /// How many accepted submissions had exactly the body that this job came from. More than one means
    /// that something was submitted twice.
    pub submitted: usize,
}

/// Something that happened, as it stands in a history.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) topic: &'static str,
    pub(crate) message: String,
    pub(crate) details: Vec<(&'static str, String)>,
}

impl Event {
    pub(crate) fn new(topic: &'static str, message: impl Into<String>) -> Self {
        Self { topic, message: message.into(), details: Vec::new() }
    }

    pub(crate) fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }
}

/// An entry of a history.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) version: u64,
    /// None: it happened to the job.
    pub(crate) execution: Option<usize>,
    pub(crate) event: Event,
    /// When it happened, in nanoseconds since 1970.
    pub(crate) at: i64,
    /// The states before and after, as servers before 1.5 tell them.
    pub(crate) change: Option<(Value, Value)>,
    pub(crate) revision: u64,
}

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    /// The specification of each version, from 1.
    pub(crate) specs: Vec<Arc<Spec>>,
    pub(crate) plan: Plan,
    pub(crate) state: String,
    pub(crate) message: String,
    pub(crate) revision: u64,
    /// Nanoseconds since 1970.
    pub(crate) created: i64,
    pub(crate) modified: i64,
    /// Simulated time of its creation.
    pub(crate) begun: Duration,
    /// Each version as JSON text, as it is now or was at last.
    pub(crate) records: Vec<Arc<str>>,
    pub(crate) executions: Vec<usize>,
    pub(crate) history: Vec<Entry>,
    /// Hash of the body that made it.
    pub(crate) body: u64,
}

impl Job {
    pub(crate) fn spec(&self) -> Arc<Spec> {
        self.specs.last().cloned().unwrap_or_default()
    }

    pub(crate) fn version(&self) -> u64 {
        self.specs.len() as u64
    }

    pub(crate) fn terminal(&self) -> bool {
        matches!(self.state.as_str(), "Completed" | "Failed" | "Stopped")
    }

    /// The job as JSON text, as it is now.
    pub(crate) fn record(&self) -> Arc<str> {
        self.records.last().cloned().unwrap_or_else(|| Arc::from("null"))
    }
}

/// State of an execution on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compute {
    New,
    AskForBidAccepted,
    BidAccepted,
    Completed,
    Failed,
    Cancelled,
}

impl Compute {
    /// Its number on the wire; from 1.6 on there are two states more.
    pub(crate) fn number(self, with_running: bool) -> u8 {
        let late = if with_running { 2 } else { 0 };
        match self {
            Self::New => 1,
            Self::AskForBidAccepted => 3,
            Self::BidAccepted => 5,
            Self::Completed => 7 + late,
            Self::Failed => 8 + late,
            Self::Cancelled => 9 + late,
        }
    }

    pub(crate) fn terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// Where the result of an execution was put.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Published {
    Nowhere,
    /// An archive on the node's own file server.
    Archive,
    Elsewhere(Value),
}

#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) id: String,
    pub(crate) eval: u64,
    pub(crate) node: usize,
    pub(crate) job: usize,
    pub(crate) version: u64,
    pub(crate) partition: u64,
    /// The job as it was when the execution was made.
    pub(crate) snapshot: Arc<str>,
    /// 0 pending, 1 running, 2 stopped.
    pub(crate) desired: (u8, String),
    pub(crate) compute: (Compute, String),
    pub(crate) published: Published,
    /// Whether its output is known to the orchestrator.
    pub(crate) has_output: bool,
    pub(crate) revision: u64,
    pub(crate) created: i64,
    pub(crate) modified: i64,
    /// What it does, from when it runs.
    pub(crate) work: Option<Work>,
    /// When it began and ended, in simulated time.
    pub(crate) begun: Option<Duration>,
    pub(crate) ended: Option<Duration>,
    /// Whether it has a place on its node.
    pub(crate) placed: bool,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Execution {
    pub(crate) fn terminal(&self) -> bool {
        self.compute.0.terminal()
    }

    /// Whether it counts for nothing any more.
    pub(crate) fn discarded(&self) -> bool {
        matches!(self.compute.0, Compute::Failed | Compute::Cancelled)
    }

    /// The first 2 KB of a text, and whether there is more.
    pub(crate) fn cut(text: &str) -> (&str, bool) {
        const MOST: usize = 2048;
        if text.len() <= MOST {
            return (text, false);
        }
        let end = (0..=MOST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        (&text[..end], true)
    }

    /// `RunOutput`: all zero until the output is known.
    pub(crate) fn run_output(&self) -> Value {
        let work = self.work.as_ref().filter(|_| self.has_output);
        let (out, out_cut) = work.map_or(("", false), |work| Self::cut(&work.stdout));
        let (err, err_cut) = work.map_or(("", false), |work| Self::cut(&work.stderr));
        json!({
            "Stdout": out, "StdoutTruncated": out_cut, "stderr": err, "StderrTruncated": err_cut,
            "ExitCode": work.map_or(0, |work| work.exit), "ErrorMsg": "",
        })
    }
}

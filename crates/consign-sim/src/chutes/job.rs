//! One job of the simulated service, and what a test can see of it.

use std::time::Duration;

use serde_json::Value;

use super::plan::Plan;

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// No node has it.
    Pending,
    /// A node has claimed it and is being checked.
    Launching,
    /// The job function runs.
    Running,
    /// The runner has reported; files are on their way.
    Reported,
    /// Its record is closed.
    Finished,
    /// Its node went away and the record stays open.
    Lost,
    /// Its record is gone.
    Deleted,
}

/// A declared output file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OutputFile {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) path: String,
    pub(super) uploaded: bool,
}

/// The container that runs a job.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) active: bool,
    /// When it was verified, if it was.
    pub(super) verified: Option<Duration>,
}

/// A job's row.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) account: usize,
    pub(super) chute: usize,
    /// Of the chute when the job was created.
    pub(super) version: String,
    pub(super) chutes_version: Option<String>,
    pub(super) method: usize,
    pub(super) args: Value,
    /// Hash of the account, the target and the body that made it.
    pub(super) body: u64,
    pub(super) plan: Plan,
    pub(super) created: Duration,
    pub(super) updated: Option<Duration>,
    pub(super) started: Option<Duration>,
    pub(super) finished: Option<Duration>,
    pub(super) status: String,
    pub(super) error_detail: Option<String>,
    pub(super) result: Value,
    pub(super) output_files: Option<Vec<OutputFile>>,
    pub(super) port_mappings: Option<Value>,
    pub(super) instance: Option<Instance>,
    /// Has a node, which is free again afterwards.
    pub(super) on_node: bool,
    /// The service told its instance to stop.
    pub(super) stop_requested: bool,
    pub(super) deleted: bool,
    /// Raised when planned steps become void.
    pub(super) round: u32,
    pub(super) history: Vec<(Duration, String)>,
}

impl Job {
    pub(super) fn phase(&self) -> Phase {
        if self.deleted {
            Phase::Deleted
        } else if self.finished.is_some() {
            Phase::Finished
        } else if self.output_files.is_some() {
            Phase::Reported
        } else {
            match &self.instance {
                Some(instance) if instance.verified.is_some() => Phase::Running,
                Some(_) => Phase::Launching,
                None if self.port_mappings.is_some() => Phase::Lost,
                None => Phase::Pending,
            }
        }
    }
}

/// A job as a test sees it, with what users never see.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JobView {
    /// Its id.
    pub id: String,
    /// The account that created it.
    pub account: String,
    /// The chute.
    pub chute_id: String,
    /// The job method.
    pub method: String,
    /// The arguments as they are kept.
    pub args: Value,
    /// Where it is.
    pub phase: Phase,
    /// The stored status word.
    pub status: String,
    /// The stored error text.
    pub error_detail: Option<String>,
    /// The stored result.
    pub result: Value,
    /// Whether the service can still give its document.
    pub readable: bool,
    /// Whether its instance was told to stop.
    pub stop_requested: bool,
    /// Declared files by name, and whether each was uploaded. None: nothing was reported.
    pub files: Option<Vec<(String, bool)>>,
    /// What happened, with the simulated time since the start: `created`, `claimed`, `launch failed`, `verified`,
    /// `reported`, `uploaded`, `finished`, `node gone`, `delete`.
    pub events: Vec<(Duration, String)>,
    /// How many accepted creations had exactly the chute, method and body that this job came from. More than one means
    /// that something was created twice.
    pub submitted: usize,
}

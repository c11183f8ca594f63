//! Records of the v1 interface as states: the rules by which a job's state and the reason of a failure are found.
use consign_bacalhau::ServerVersion;
use consign_bacalhau::v1::types::{Execution, Job, JobState, JobStateType};
use consign_bacalhau::v1::{ExecutionState, Numbering};
use consign_core::{Item, Reason, State};

/// What a look at a job showed: its record, and its executions.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Record {
    /// The job.
    pub job: Job,
    /// Its executions, as far as they were asked for: a list does not.
    pub executions: Vec<Execution>,
    /// The version of the server that answered, on which the numbers of execution states depend.
    pub version: Option<ServerVersion>,
}

impl Record {
    /// The state of one of its executions. A job's own state is not to be had from these.
    pub fn state_of(&self, execution: &Execution) -> ExecutionState {
        let number = execution.compute_state.as_ref().and_then(|state| state.state_type.as_ref());
        number.map_or(ExecutionState::Undefined, |number| number.state(Numbering::of(self.version)))
    }
    /// Those of its executions that are in this state, oldest first.
    pub(crate) fn in_state(&self, wanted: ExecutionState) -> Vec<&Execution> {
        let mut found: Vec<_> = self.executions.iter().filter(|e| self.state_of(e) == wanted).collect();
        found.sort_by_key(|execution| execution.create_time);
        found
    }
}

/// The item that a record shows.
pub(crate) fn item(record: &Record) -> Item {
    let job = &record.job;
    let said = job.state.as_ref();
    let word = said.and_then(|state| state.state_type.as_ref());
    let (state, finished) = state(word);
    let mut item = Item::new(job.id.as_deref(), state, finished);
    item.word = word.map(|word| word.as_str().into());
    item.pulse = Some(pulse(record).into());
    let own = said.and_then(message);
    match item.state {
        State::Failed => {
            // The job nearly always speaks of missing nodes: its execution failed, and no other node was left.
            let failed = record.in_state(ExecutionState::Failed);
            let cause = failed.last().and_then(|e| e.compute_state.as_ref()).and_then(|s| filled(s.message.as_deref()));
            item.reason = Some(reason(cause, own));
            item.message = told(cause, own).map(Into::into);
        }
        State::Succeeded => {
            let codes = record.in_state(ExecutionState::Completed);
            let code = codes.iter().filter_map(|e| e.run_output.as_ref()?.exit_code).find(|code| *code > 0);
            item.message = code.map(|code| format!("the program ended with the exit code {code}").into());
        }
        _ => item.message = own.map(Into::into),
    }
    item
}

/// A word as a state, and whether it is an end.
fn state(word: Option<&JobStateType>) -> (State, bool) {
    let state = match word {
        Some(JobStateType::Pending | JobStateType::Queued) => State::Queued,
        Some(JobStateType::Running) => State::Running,
        Some(JobStateType::Completed) => State::Succeeded,
        Some(JobStateType::Failed) => State::Failed,
        Some(JobStateType::Stopped) => State::Cancelled,
        other => State::Unknown(other.map_or("", JobStateType::as_str).into()),
    };
    (state, word.is_some_and(JobStateType::is_terminal))
}

/// The reason of an execution before the words of its job, which stand beside it without saying it again.
pub(crate) fn told(cause: Option<&str>, job: Option<&str>) -> Option<String> {
    match (cause, job) {
        (Some(cause), Some(job)) if !cause.contains(job) => Some(format!("{cause} (job: {})", job.replace(cause, "…"))),
        (Some(text), _) | (None, Some(text)) => Some(text.to_owned()),
        (None, None) => None,
    }
}

/// The kind of a failure, by the words of its execution and of its job. Their time limits are told in these ways; what
/// else speaks of a timeout, such as an image that cannot be fetched, means another's.
pub(crate) fn reason(cause: Option<&str>, job: Option<&str>) -> Reason {
    let out = |text: &str| {
        let text = text.to_ascii_lowercase();
        text == "timed out" || text.contains("timed out") && (text.contains("execution") || text.contains("job"))
    };
    if cause.is_some_and(out) || job.is_some_and(out) { Reason::TimedOut } else { Reason::Failed }
}

/// A text that is not blank.
pub(crate) fn filled(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn message(state: &JobState) -> Option<&str> {
    filled(state.message.as_deref())
}

/// Changes with each change of the job and of its executions.
fn pulse(record: &Record) -> String {
    let modified = record.executions.iter().filter_map(|e| e.modify_time).chain(record.job.modify_time).max();
    let revision = record.job.revision.unwrap_or_default();
    format!("{}.{}", revision, modified.unwrap_or_default().0)
}

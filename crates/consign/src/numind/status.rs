//! NuMind's records as states: the rules by which a status word is read.
use consign_core::{Item, Reason, State};
use consign_http::DateTime;
use consign_numind::v0_4::types::{JobResponse, JobStatus, JobStatusResponse};
use consign_numind::wire::ErrorBody;
use consign_numind::{JOB_TIMEOUT, QUOTA_EXCEEDED};

/// What the service told of a job.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Record {
    /// Everything: also input, output and the reason of a failure.
    Job(Box<JobResponse>),
    /// Its status alone, while it goes on.
    Status(Box<JobStatusResponse>),
    /// It has ended, and this came in place of its record.
    Refused(ErrorBody),
}

/// The item that a record shows. `id` is the job's as the ticket has it, which a refusal does not name.
pub(super) fn item(record: &Record, id: &str) -> Item {
    match record {
        Record::Job(job) => {
            let mut item = of(job.id.as_deref().unwrap_or(id), job.status.as_ref(), &job.completed_at, &job.updated_at);
            if item.finished && item.state != State::Succeeded {
                let code = job.error_code.as_ref().map(|code| code.text());
                let message = job.error_message.as_deref().filter(|words| !words.trim().is_empty());
                item.message = message.or(code.as_deref()).map(Into::into);
                if item.state == State::Failed && item.reason == Some(Reason::Failed) {
                    item.reason = Some(reason(code.as_deref(), message));
                }
            }
            item
        }
        Record::Status(status) => {
            let named = status.id.as_deref().unwrap_or(id);
            of(named, status.status.as_ref(), &status.completed_at, &status.updated_at)
        }
        Record::Refused(error) => {
            let mut item = Item::new(Some(id), State::Failed, true);
            let text =
                |part: &Option<consign_numind::wire::LooseText>| part.as_ref().map(|text| text.text().into_owned());
            let (code, message) = (text(&error.code), text(&error.message));
            item.reason = Some(reason(code.as_deref(), message.as_deref()));
            item.word = code.as_deref().map(Into::into);
            item.message = message.or(code).map(Into::into);
            item
        }
    }
}

/// The state comes from the word alone. The end mark decides only whether a word that is not known is an end.
fn of(id: &str, word: Option<&JobStatus>, completed: &Option<DateTime>, updated: &Option<DateTime>) -> Item {
    let (state, finished, reason) = match word {
        Some(JobStatus::Created | JobStatus::Pending | JobStatus::Queued) => (State::Queued, false, None),
        Some(JobStatus::Running) => (State::Running, false, None),
        Some(JobStatus::Completed) => (State::Succeeded, true, None),
        Some(JobStatus::Failed) => (State::Failed, true, Some(Reason::Failed)),
        Some(JobStatus::Timeout) => (State::Failed, true, Some(Reason::TimedOut)),
        Some(JobStatus::Cancelled | JobStatus::Canceled) => (State::Cancelled, true, None),
        other => {
            let word = other.map_or("", JobStatus::as_str);
            (State::Unknown(word.into()), completed.is_some(), None)
        }
    };
    let mut item = Item::new(Some(id), state, finished);
    item.word = word.map(|word| word.as_str().into());
    item.reason = reason;
    item.pulse = updated.as_ref().map(|date| date.as_str().into());
    item
}

/// Why a job failed, as far as its error tells. Codes first; the service's words for a quota are not all known.
fn reason(code: Option<&str>, message: Option<&str>) -> Reason {
    let about_quota = || message.is_some_and(|words| words.to_ascii_lowercase().contains("quota"));
    match code {
        Some(JOB_TIMEOUT) => Reason::TimedOut,
        Some(QUOTA_EXCEEDED) => Reason::Quota,
        _ if about_quota() => Reason::Quota,
        _ => Reason::Failed,
    }
}

//! States, items and outcomes: what a job looks like from outside, the same for every provider.
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use consign_http::{Delivery, ErrorKind};

use crate::{Error, Job, Outputs, Provider, Result};

/// The state of an item, or of a job as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Accepted and waiting for a worker.
    Queued,
    /// A worker is on it.
    Running,
    /// Ended with success.
    Succeeded,
    /// Ended, and the items ended differently.
    Partial,
    /// Ended without success.
    Failed,
    /// Cancelled or deleted.
    Cancelled,
    /// Not found any more after it was seen.
    Gone,
    /// The provider used a word that this crate does not know, or said nothing at all (an empty word).
    /// Whether the job ended is said apart, by [`Snapshot::finished`].
    Unknown(Box<str>),
}

impl State {
    /// The state in one word: `queued`, `running`, `succeeded`, `partial`, `failed`, `cancelled`,
    /// `gone` or `unknown`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Gone => "gone",
            Self::Unknown(_) => "unknown",
        }
    }
    fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(word) if !word.is_empty() => write!(f, "unknown ({word})"),
            state => f.write_str(state.as_str()),
        }
    }
}

/// Why an item failed, as far as it can be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The work failed.
    Failed,
    /// It was not finished before its end of life.
    Expired,
    /// It ran longer than allowed.
    TimedOut,
    /// An allowance was used up.
    Quota,
    /// The provider lost it: it ended and nobody reported how. After a cancellation by the same [`Job`] such an
    /// item counts as cancelled.
    Lost,
}

/// One item of a job: a provider's job, as one look showed it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Item {
    /// The provider's id; `None` where the answer names none.
    pub id: Option<Box<str>>,
    /// The state.
    pub state: State,
    /// Whether it has ended, by the provider's own end mark.
    pub finished: bool,
    /// The provider's word for the state, such as an event's name.
    pub word: Option<Box<str>>,
    /// Why it failed.
    pub reason: Option<Reason>,
    /// The provider's message for a person.
    pub message: Option<Box<str>>,
    /// How many jobs are before it in the queue.
    pub queue_position: Option<u32>,
    /// In how long the provider expects it to start.
    pub starts_in: Option<Duration>,
    /// How far it is, 0 to 1, where the provider says so.
    pub progress: Option<f32>,
    /// What it costs, in the provider's unit.
    pub cost: Option<f64>,
    /// A text that changes with every sign of life, such as the date of the last event.
    pub pulse: Option<Box<str>>,
}

impl Item {
    /// An item with nothing but a state.
    pub fn new(id: Option<&str>, state: State, finished: bool) -> Self {
        Self {
            id: id.map(Into::into),
            state,
            finished,
            word: None,
            reason: None,
            message: None,
            queue_position: None,
            starts_in: None,
            progress: None,
            cost: None,
            pulse: None,
        }
    }
}

/// What one look at a job showed.
pub struct Snapshot<P: Provider> {
    items: Vec<Item>,
    raw: Option<Arc<P::Raw>>,
}

impl<P: Provider> Snapshot<P> {
    /// A snapshot of items, with the provider's own record.
    pub fn new(items: Vec<Item>, raw: P::Raw) -> Self {
        Self { items, raw: Some(Arc::new(raw)) }
    }
    /// A snapshot without a record: there is none to be had.
    pub fn bare(items: Vec<Item>) -> Self {
        Self { items, raw: None }
    }
    /// The items, in the provider's order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }
    pub(crate) fn into_items(self) -> Vec<Item> {
        self.items
    }
    pub(crate) fn items_mut(&mut self) -> &mut [Item] {
        &mut self.items
    }
    /// The provider's own record; `None` when the job is gone, or its record cannot be had.
    pub fn raw(&self) -> Option<&P::Raw> {
        self.raw.as_deref()
    }
    /// The state of the items together. When all have ended it is their common state, or
    /// [`State::Partial`] if they differ. Before that it is `Running` if any item runs or has ended,
    /// else `Queued` if any is, else `Unknown`.
    pub fn state(&self) -> State {
        state_of(&self.items)
    }
    /// Whether every item has ended. Never true without items.
    pub fn finished(&self) -> bool {
        finished(&self.items)
    }
    /// How the job ended; `None` while it goes on.
    pub fn outcome(&self) -> Option<Outcome> {
        self.finished().then(|| outcome_of(&self.items))
    }
    /// What the items cost together, in the provider's unit; `None` if no item says.
    pub fn cost(&self) -> Option<f64> {
        self.items.iter().filter_map(|i| i.cost).reduce(|a, b| a + b)
    }
}

pub(crate) fn finished(items: &[Item]) -> bool {
    !items.is_empty() && items.iter().all(|i| i.finished)
}

pub(crate) fn state_of(items: &[Item]) -> State {
    let Some(first) = items.first() else { return State::Unknown("".into()) };
    if finished(items) {
        let same = items.iter().all(|i| i.state.as_str() == first.state.as_str());
        return if same { first.state.clone() } else { State::Partial };
    }
    if items.iter().any(|i| i.finished || i.state == State::Running) {
        return State::Running;
    }
    let open = items.iter().map(|i| &i.state);
    open.clone()
        .find(|s| **s == State::Queued)
        .or(open.clone().find(|s| s.is_unknown()))
        .unwrap_or(&first.state)
        .clone()
}

fn outcome_of(items: &[Item]) -> Outcome {
    let failure = || {
        let item = items.iter().find(|i| matches!(i.state, State::Failed | State::Gone)).or(items.first());
        Failure {
            reason: item.and_then(|i| i.reason).unwrap_or(Reason::Failed),
            word: item.and_then(|i| i.word.clone()),
            message: item.and_then(|i| i.message.clone()),
            item: item.and_then(|i| i.id.clone()),
        }
    };
    match state_of(items) {
        State::Succeeded => Outcome::Done,
        State::Partial => Outcome::Partial,
        State::Cancelled => Outcome::Cancelled,
        State::Gone => Outcome::Failed(Failure { reason: Reason::Lost, ..failure() }),
        State::Unknown(word) => Outcome::Unknown(word),
        State::Failed | State::Queued | State::Running => Outcome::Failed(failure()),
    }
}

impl<P: Provider> Clone for Snapshot<P> {
    fn clone(&self) -> Self {
        Self { items: self.items.clone(), raw: self.raw.clone() }
    }
}
impl<P: Provider> fmt::Debug for Snapshot<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("state", &self.state()).field("items", &self.items).finish_non_exhaustive()
    }
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Every item succeeded.
    Done,
    /// The items ended differently; look at each.
    Partial,
    /// Every item failed.
    Failed(Failure),
    /// Every item was cancelled.
    Cancelled,
    /// It ended with a word that this crate does not know.
    Unknown(Box<str>),
}

/// Why a job failed: its first failed item's account.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The kind of failure.
    pub reason: Reason,
    /// The provider's word.
    pub word: Option<Box<str>>,
    /// The provider's message.
    pub message: Option<Box<str>>,
    /// The item's id.
    pub item: Option<Box<str>>,
}

/// A job that has ended, one way or another.
pub struct Finished<P: Provider> {
    job: Job<P>,
    snapshot: Snapshot<P>,
    outcome: Outcome,
}

impl<P: Provider> Finished<P> {
    pub(crate) fn new(job: Job<P>, snapshot: Snapshot<P>) -> Self {
        let outcome = outcome_of(snapshot.items());
        Self { job, snapshot, outcome }
    }
    /// The job.
    pub fn job(&self) -> &Job<P> {
        &self.job
    }
    /// How it ended.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }
    /// The last look, with each item's end and the provider's own record.
    pub fn snapshot(&self) -> &Snapshot<P> {
        &self.snapshot
    }
    /// The items, each with its own end.
    pub fn items(&self) -> &[Item] {
        self.snapshot.items()
    }
    /// What the items cost together, in the provider's unit.
    pub fn cost(&self) -> Option<f64> {
        self.snapshot.cost()
    }
}

impl<P: Outputs> Finished<P> {
    /// What there is to fetch, also of a job that did not end with full success.
    pub fn outputs(&self) -> P::Output {
        P::outputs(&self.job, &self.snapshot)
    }
    /// What there is to fetch, of a job of which every item succeeded.
    ///
    /// # Errors
    /// [`ErrorKind::JobFailed`] for any other outcome, with the reason and the ticket. What a partly
    /// successful job made is still had from [`Finished::outputs`].
    pub fn into_result(self) -> Result<P::Output> {
        let what = match &self.outcome {
            Outcome::Done => return Ok(self.outputs()),
            Outcome::Cancelled => "it was cancelled".to_owned(),
            Outcome::Unknown(word) => {
                let said = self.items().iter().find_map(|item| item.message.as_deref());
                let said = said.map(|said| format!(": {said}")).unwrap_or_default();
                format!("it ended with the unknown word {word:?}{said}")
            }
            Outcome::Partial => {
                let good = self.items().iter().filter(|i| i.state == State::Succeeded).count();
                let bad = self.items().iter().filter(|i| i.state != State::Succeeded);
                let reasons: Vec<&str> = bad.filter_map(|i| i.message.as_deref()).take(3).collect();
                let colon = if reasons.is_empty() { "" } else { ": " };
                format!("{good} of {} items succeeded{colon}{}", self.items().len(), reasons.join("; "))
            }
            Outcome::Failed(f) => {
                let word = f.word.as_deref().unwrap_or("failed");
                let item = f.item.as_deref().map(|id| format!("item {id}: ")).unwrap_or_default();
                format!("{item}{word}: {}", f.message.as_deref().unwrap_or("the provider gave no reason"))
            }
        };
        let error = Error::new(ErrorKind::JobFailed, Delivery::Rejected, what);
        Err(error.with_ticket(self.job.ticket()).with_state(self.snapshot.state()))
    }
}

impl<P: Provider> Clone for Finished<P> {
    fn clone(&self) -> Self {
        Self { job: self.job.clone(), snapshot: self.snapshot.clone(), outcome: self.outcome.clone() }
    }
}
impl<P: Provider> fmt::Debug for Finished<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finished")
            .field("ticket", self.job.ticket())
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(states: &[(State, bool)]) -> Vec<Item> {
        states.iter().map(|(s, f)| Item::new(None, s.clone(), *f)).collect()
    }

    #[test]
    fn a_jobs_state_is_its_items_states_together() {
        use State::*;
        let unknown = || Unknown("Paused".into());
        let table = [
            (vec![], "unknown", false),
            (vec![(Queued, false), (Queued, false)], "queued", false),
            (vec![(Queued, false), (Running, false)], "running", false),
            (vec![(Queued, false), (Failed, true)], "running", false),
            (vec![(unknown(), false), (Queued, false)], "queued", false),
            (vec![(unknown(), false)], "unknown", false),
            (vec![(unknown(), true)], "unknown", true),
            (vec![(Succeeded, true), (Succeeded, true)], "succeeded", true),
            (vec![(Succeeded, true), (Failed, true)], "partial", true),
            (vec![(Cancelled, true), (Cancelled, true)], "cancelled", true),
        ];
        for (states, word, ended) in table {
            let items = items(&states);
            assert_eq!((state_of(&items).as_str(), finished(&items)), (word, ended), "{states:?}");
        }
    }
}

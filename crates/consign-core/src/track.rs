//! Waiting as a pure state machine: what to do next, and what a look's result means. It does no I/O.
use std::time::{Duration, Instant, SystemTime};

use consign_http::{Delivery, ErrorKind, Retry};

use crate::policy::{RetryPolicy, WaitPolicy};
use crate::watch::Mode;
use crate::{Error, Item, Look, State, Ticket, state};

/// A hold that ended before this did not really hold.
const REALLY_HELD: Duration = Duration::from_secs(5);
/// After this many holds that did not hold, a watch only polls.
const CUTS_BORNE: u8 = 3;

/// What a look's result means, apart from the snapshot itself.
#[derive(Debug)]
pub(crate) enum Step {
    /// The way of looking changed.
    Mode(Mode),
    /// An item is new or differs from the last look.
    Item(usize),
    /// The look failed; the next one comes after this pause.
    Trouble(Error, Duration),
    /// The job ended as the snapshot says.
    Ended,
    /// The job is not found any more; it ended in this state.
    Vanished(State),
    /// The wait cannot go on.
    Broken(Error),
}

/// The next look: when, how, and when it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) at: Instant,
    pub(crate) look: Look,
    /// Cut the look after this long; `None`: the call's own time limit.
    pub(crate) cut: Option<Duration>,
    /// This is the last look before the deadline.
    pub(crate) last: bool,
}

#[derive(Clone, Copy, Debug)]
struct Deadline {
    at: Instant,
    last_look: Instant,
}

/// One job being waited for. Constant in size but for the items.
#[derive(Debug)]
pub(crate) struct Track {
    started: Instant,
    deadline: Option<Deadline>,
    next_at: Instant,
    mode: Mode,
    hold: Option<Duration>,
    cuts: u8,
    failures: u32,
    trouble_since: Option<Instant>,
    unclear: u32,
    seen: bool,
    items: Vec<Item>,
}

/// What a track is told about the world when it observes a result.
pub(crate) struct Observed<'a> {
    pub(crate) began: Instant,
    pub(crate) now: Instant,
    pub(crate) wall: SystemTime,
    /// In 0..1.
    pub(crate) chance: f64,
    pub(crate) plan: Plan,
    pub(crate) ticket: &'a Ticket,
    /// This program cancelled the whole job.
    pub(crate) cancelled: bool,
}

impl Track {
    /// A track that begins `now`. `fresh`: the job was just submitted, with these items.
    pub(crate) fn new(now: Instant, policy: &WaitPolicy, hold: Option<Duration>, fresh: Option<Vec<Item>>) -> Self {
        let hold = hold.filter(|_| policy.hold);
        let mode = if hold.is_some() { Mode::LongPoll } else { Mode::Poll };
        let first_pause = match (mode, &fresh) {
            (Mode::Poll, Some(_)) => policy.pace.pause(Duration::ZERO),
            _ => Duration::ZERO,
        };
        Self {
            started: now,
            deadline: None,
            next_at: now + first_pause,
            mode,
            hold,
            cuts: 0,
            failures: 0,
            trouble_since: None,
            unclear: 0,
            seen: false,
            items: fresh.unwrap_or_default(),
        }
    }
    /// The wait must be over at `at`; the last look starts min(5 s, 10 %) before.
    pub(crate) fn set_deadline(&mut self, at: Instant) {
        let whole = at.saturating_duration_since(self.started);
        let margin = (whole / 10).min(Duration::from_secs(5));
        self.deadline = Some(Deadline { at, last_look: at - margin });
    }
    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }
    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }
    pub(crate) fn state(&self) -> State {
        state::state_of(&self.items)
    }
    pub(crate) fn next_at(&self) -> Instant {
        match self.deadline {
            Some(d) => self.next_at.min(d.last_look),
            None => self.next_at,
        }
    }

    /// The next look. `may_hold`: a place among the held connections is free.
    pub(crate) fn plan(&self, now: Instant, may_hold: bool) -> Plan {
        let at = self.next_at().max(now);
        if let Some(d) = self.deadline
            && at >= d.last_look
        {
            return Plan { at, look: Look::Now, cut: Some(d.at.saturating_duration_since(at)), last: true };
        }
        let left = self.deadline.map(|d| d.last_look - at);
        match (self.mode, self.hold) {
            (Mode::LongPoll, Some(hold)) if may_hold => {
                let hold = left.map_or(hold, |left| left.min(hold));
                Plan { at, look: Look::Hold(hold), cut: Some(hold), last: false }
            }
            _ => Plan { at, look: Look::Now, cut: left.map(|left| left.max(Duration::from_millis(1))), last: false },
        }
    }

    /// Takes in the items of a successful look.
    pub(crate) fn saw(&mut self, items: Vec<Item>, policy: &WaitPolicy, seen: &Observed<'_>) -> Vec<Step> {
        let mut steps: Vec<Step> =
            (0..items.len()).filter(|n| self.items.get(*n) != items.get(*n)).map(Step::Item).collect();
        let same = self.seen && steps.is_empty() && self.items.len() == items.len();
        self.items = items;
        (self.failures, self.trouble_since, self.seen) = (0, None, true);
        if state::finished(&self.items) {
            steps.push(Step::Ended);
            return steps;
        }
        // No item waits or runs, and nothing moved: no sign of life.
        let lifeless = !self.items.iter().any(|i| !i.finished && matches!(i.state, State::Queued | State::Running));
        self.unclear = match (lifeless, same) {
            (true, true) => self.unclear + 1,
            (true, false) => 1,
            (false, _) => 0,
        };
        if self.unclear >= policy.patience {
            let what = format!("{} looks showed no state and no sign of life; the job may go on", self.unclear);
            let error = Error::new(ErrorKind::Unreadable, Delivery::Unknown, what);
            steps.push(Step::Broken(self.about(error, seen.ticket)));
            return steps;
        }
        if seen.plan.last {
            steps.push(self.too_late(seen));
            return steps;
        }
        let pause = self.pause(policy, seen);
        match seen.plan.look {
            Look::Hold(_) if seen.now - seen.began >= REALLY_HELD => {
                self.cuts = 0;
                self.next_at = seen.now;
            }
            Look::Hold(_) => {
                self.cuts += 1;
                steps.extend(self.step_down(seen.now + pause));
            }
            Look::Now => {
                self.next_at = seen.now + pause;
                if self.mode == Mode::Poll && self.hold.is_some() && self.cuts < CUTS_BORNE {
                    self.mode = Mode::LongPoll;
                    self.next_at = seen.now + policy.pace.min;
                    steps.push(Step::Mode(self.mode));
                }
            }
        }
        steps
    }

    /// Takes in a look that failed.
    pub(crate) fn failed(
        &mut self,
        error: Error,
        policy: &WaitPolicy,
        retry: &RetryPolicy,
        seen: &Observed<'_>,
    ) -> Vec<Step> {
        let error = self.about(error, seen.ticket);
        if error.kind() == ErrorKind::NotFound {
            if seen.cancelled || self.seen {
                return vec![Step::Vanished(if seen.cancelled { State::Cancelled } else { State::Gone })];
            }
        } else if seen.plan.last {
            return vec![self.too_late(seen)];
        }
        let pause = self.pause(policy, seen);
        match error.kind() {
            // Not there yet, or not readable: borne a few times.
            ErrorKind::NotFound | ErrorKind::Decode | ErrorKind::TooLarge => {
                self.unclear += 1;
                if self.unclear >= policy.patience {
                    return vec![Step::Broken(unreadable(error, self.unclear))];
                }
                self.trouble(error, seen.now, pause)
            }
            ErrorKind::Timeout
            | ErrorKind::Transport
            | ErrorKind::Gateway
            | ErrorKind::Server
            | ErrorKind::RateLimited => {
                if let Retry::After(asked) = error.retry() {
                    return self.asked_to_pause(error, asked, pause, policy, seen);
                }
                if matches!(seen.plan.look, Look::Hold(_)) && error.kind() != ErrorKind::RateLimited {
                    if seen.now - seen.began >= REALLY_HELD {
                        // Cut after it had held: look at once, then hold again.
                        return self.step_down(seen.now);
                    }
                    self.cuts += 1;
                    let mut steps = self.step_down(seen.now + pause);
                    steps.extend(self.outage(error, pause, policy, seen));
                    return steps;
                }
                let backoff = retry.pause(self.failures + 1, seen.chance).max(pause);
                self.outage(error, backoff, policy, seen)
            }
            _ => vec![Step::Broken(error)],
        }
    }

    fn asked_to_pause(
        &mut self,
        error: Error,
        asked: Duration,
        pause: Duration,
        policy: &WaitPolicy,
        seen: &Observed<'_>,
    ) -> Vec<Step> {
        let too_long = asked > policy.longest_pause || self.deadline.is_some_and(|d| seen.now + asked > d.last_look);
        if too_long {
            return vec![Step::Broken(error.with_retry(Retry::NotBefore(seen.wall + asked)))];
        }
        self.failures += 1;
        self.trouble(error, seen.now, asked.max(pause))
    }
    /// A failure that says nothing about the job: borne for as long as the policy says.
    fn outage(&mut self, error: Error, pause: Duration, policy: &WaitPolicy, seen: &Observed<'_>) -> Vec<Step> {
        self.failures += 1;
        let since = *self.trouble_since.get_or_insert(seen.began);
        if seen.now - since >= policy.outage {
            return vec![Step::Broken(error)];
        }
        self.trouble(error, seen.now, pause)
    }
    fn trouble(&mut self, error: Error, now: Instant, pause: Duration) -> Vec<Step> {
        self.next_at = now + pause;
        vec![Step::Trouble(error, pause)]
    }
    /// From holding to polling, for one look or (after too many short holds) for good.
    fn step_down(&mut self, next_at: Instant) -> Vec<Step> {
        self.next_at = next_at;
        self.mode = Mode::Poll;
        vec![Step::Mode(Mode::Poll)]
    }
    fn pause(&self, policy: &WaitPolicy, seen: &Observed<'_>) -> Duration {
        policy.pace.pause(seen.now - self.started).mul_f64(0.9 + 0.2 * seen.chance)
    }
    fn too_late(&self, seen: &Observed<'_>) -> Step {
        let waited = seen.now - self.started;
        let what = format!("the job had not ended after {waited:.1?}; it goes on and can be waited for again");
        Step::Broken(self.about(Error::new(ErrorKind::Deadline, Delivery::Unknown, what), seen.ticket))
    }
    fn about(&self, error: Error, ticket: &Ticket) -> Error {
        error.with_ticket(ticket).with_state(self.state())
    }
}

/// The record could not be read for too many looks.
fn unreadable(error: Error, looks: u32) -> Error {
    if error.kind() == ErrorKind::NotFound {
        return error.with_attempts(looks);
    }
    let what = format!("{looks} looks gave no readable record, at last: {}", error.message());
    let below = consign_http::Error::new(ErrorKind::Unreadable, Delivery::Unknown, what).with_source(error.clone());
    let ours = Error::from(below).with_attempts(looks);
    match (error.ticket(), error.last_state()) {
        (Some(ticket), Some(state)) => ours.with_ticket(ticket).with_state(state.clone()),
        _ => ours,
    }
}

//! Waiting as a pure state machine: what to do next, and what a look's result means. It does no I/O.
use std::time::{Duration, Instant, SystemTime};

use consign_http::{Delivery, ErrorKind, Retry};

use crate::policy::{RetryPolicy, WaitPolicy, later, not_before, spread};
use crate::watch::Mode;
use crate::{Error, Item, Look, State, Ticket, state};

/// A hold that ended before this (or half of what was asked for), or a stream, did not really hold.
const REALLY_HELD: Duration = Duration::from_secs(5);
/// After this many holds that did not hold, a watch takes the next lower rung of the ladder for good.
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

impl Plan {
    /// Whether the server holds a connection for this look.
    pub(crate) fn holds(&self) -> bool {
        self.look != Look::Now
    }
}

/// The ways of looking that a job has besides polling.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ladder {
    /// It has an event stream.
    pub(crate) events: bool,
    /// The server holds looks for this long.
    pub(crate) hold: Option<Duration>,
}

impl Ladder {
    /// The highest rung.
    fn top(&self) -> Mode {
        match self {
            Self { events: true, .. } => Mode::Events,
            Self { hold: Some(_), .. } => Mode::LongPoll,
            _ => Mode::Poll,
        }
    }
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
    ladder: Ladder,
    cuts: u8,
    /// The last look was a hold that failed early: a cut, if a plain look now works.
    suspect: bool,
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
    /// A place among the held connections is free now.
    pub(crate) may_hold: bool,
    pub(crate) ticket: &'a Ticket,
    /// This program cancelled the whole job.
    pub(crate) cancelled: bool,
}

impl Track {
    /// A track that begins `now`. `fresh`: the job was just submitted, with these items. `chance`, in
    /// 0..1, spreads the first looks of many.
    pub(crate) fn new(
        now: Instant,
        policy: &WaitPolicy,
        ladder: Ladder,
        fresh: Option<Vec<Item>>,
        chance: f64,
    ) -> Self {
        let ladder = match policy.hold {
            true => Ladder { hold: ladder.hold.filter(|hold| !hold.is_zero()), ..ladder },
            false => Ladder::default(),
        };
        let mode = ladder.top();
        let first_pause = match (mode, &fresh) {
            (Mode::Poll, Some(_)) => spread(policy.pace.pause(Duration::ZERO), chance),
            _ => Duration::ZERO,
        };
        Self {
            started: now,
            deadline: None,
            next_at: later(now, first_pause),
            mode,
            ladder,
            cuts: 0,
            suspect: false,
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
        self.deadline = Some(Deadline { at, last_look: at.checked_sub(margin).unwrap_or(at) });
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

    /// The same moment, or the deadline if that comes first.
    pub(crate) fn in_time(&self, at: Instant) -> Instant {
        self.deadline.map_or(at, |deadline| at.min(deadline.at))
    }

    /// The next look. `may_hold`: a place among the held connections is free.
    pub(crate) fn plan(&self, now: Instant, may_hold: bool) -> Plan {
        let mut at = self.next_at().max(now);
        if let Some(d) = self.deadline {
            // A look that would end the moment it began is left out.
            if d.last_look.saturating_duration_since(at) < (d.at - d.last_look) / 5 {
                at = d.last_look.max(now);
            }
            if at >= d.last_look {
                return Plan { at, look: Look::Now, cut: Some(d.at.saturating_duration_since(at)), last: true };
            }
        }
        let left = self.deadline.map(|d| d.last_look - at);
        match (self.mode, self.ladder.hold) {
            // A stream tells nothing before the end: the first look is at what there is.
            (Mode::Events, _) if may_hold && !self.items.is_empty() => {
                Plan { at, look: Look::Events, cut: left, last: false }
            }
            (Mode::LongPoll, Some(hold)) if may_hold => {
                let hold = left.map_or(hold, |left| left.min(hold));
                Plan { at, look: Look::Hold(hold), cut: Some(hold), last: false }
            }
            _ => Plan { at, look: Look::Now, cut: left, last: false },
        }
    }

    /// Takes in the items of a successful look.
    pub(crate) fn saw(&mut self, items: Vec<Item>, policy: &WaitPolicy, seen: &Observed<'_>) -> Vec<Step> {
        let mut steps: Vec<Step> =
            (0..items.len()).filter(|n| self.items.get(*n) != items.get(*n)).map(Step::Item).collect();
        let news = !steps.is_empty();
        let first = self.items.is_empty();
        let same = self.seen && !news && self.items.len() == items.len();
        self.items = items;
        (self.failures, self.trouble_since, self.seen) = (0, None, true);
        if state::finished(&self.items) {
            steps.push(Step::Ended);
            return steps;
        }
        // No item waits or runs, and nothing moved: no sign of life.
        let lifeless = !self.items.iter().any(|i| !i.finished && matches!(i.state, State::Queued | State::Running));
        self.unclear = match (lifeless, same) {
            (true, true) => self.unclear.saturating_add(1),
            (true, false) => 1,
            (false, _) => 0,
        };
        if lifeless && self.unclear >= policy.patience {
            let said = self.items.iter().find_map(|item| item.message.as_deref()).unwrap_or_default();
            let (colon, looks) = (if said.is_empty() { "" } else { ": " }, self.unclear);
            let what = format!("{looks} looks showed no state and no sign of life; the job may go on{colon}{said}");
            let error = Error::new(ErrorKind::Unreadable, Delivery::Unknown, what);
            steps.push(Step::Broken(self.about(error, seen.ticket)));
            return steps;
        }
        if seen.plan.last {
            steps.push(self.too_late(seen, None));
            return steps;
        }
        let pause = self.pause(policy, seen);
        self.next_at = later(seen.now, pause);
        match seen.plan.look {
            Look::Hold(_) | Look::Events if seen.really_held() => {
                self.cuts = 0;
                self.next_at = self.soonest(policy, seen);
            }
            // A server may answer early to tell news; that is no cut.
            Look::Hold(_) | Look::Events if news => {}
            Look::Hold(_) | Look::Events => {
                self.cuts += 1;
                steps.push(self.step_down());
            }
            Look::Now if self.mode == Mode::Poll => {
                self.cuts += u8::from(self.suspect);
                self.suspect = false;
                if let Some(mode) = self.step_up() {
                    self.next_at = self.soonest(policy, seen);
                    steps.push(Step::Mode(mode));
                }
            }
            // The stream comes right after the first look, if there is anything to follow.
            Look::Now if self.mode == Mode::Events && first && news && seen.may_hold => self.next_at = seen.now,
            Look::Now => {}
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
        let suspect = std::mem::take(&mut self.suspect);
        match error.kind() {
            ErrorKind::NotFound if seen.cancelled => return vec![Step::Vanished(State::Cancelled)],
            ErrorKind::NotFound if self.seen => return vec![Step::Vanished(State::Gone)],
            ErrorKind::NotFound
            | ErrorKind::Decode
            | ErrorKind::TooLarge
            | ErrorKind::Timeout
            | ErrorKind::Transport
            | ErrorKind::Gateway
            | ErrorKind::Server
            | ErrorKind::RateLimited => {}
            // What a stream tells of a job may not be true; a plain look will say.
            _ if seen.plan.look == Look::Events => {}
            _ => return vec![Step::Broken(error)],
        }
        if seen.plan.last {
            // With no time left nothing was asked, so nothing failed.
            let asked = seen.plan.cut != Some(Duration::ZERO);
            return vec![self.too_late(seen, asked.then_some(error))];
        }
        let pause = self.pause(policy, seen);
        match (error.kind(), error.retry(), seen.plan.look) {
            (_, Retry::NotBefore(_), _) => vec![Step::Broken(error)],
            (_, Retry::After(asked), _) => self.asked_to_pause(error, asked, pause, policy, seen),
            // An event that cannot be read may still be a record that can.
            (ErrorKind::Decode | ErrorKind::TooLarge, _, Look::Events) => self.cut(error, pause, policy, seen),
            // Not there yet, or not readable: borne a few times.
            (ErrorKind::NotFound | ErrorKind::Decode | ErrorKind::TooLarge, ..) => {
                self.unclear = self.unclear.saturating_add(1);
                if self.unclear >= policy.patience {
                    return vec![Step::Broken(unreadable(error, self.unclear))];
                }
                self.trouble(error, seen.now, pause)
            }
            // Our own cut, because the last look is due.
            (ErrorKind::Timeout, _, Look::Hold(_) | Look::Events)
                if self.deadline.is_some_and(|d| seen.now >= d.last_look) =>
            {
                self.next_at = seen.now;
                Vec::new()
            }
            (ErrorKind::RateLimited, ..) | (_, _, Look::Now) => {
                self.suspect = suspect && error.kind() == ErrorKind::RateLimited;
                let backoff = retry.pause(self.failures.saturating_add(1), seen.chance).max(pause);
                self.outage(error, backoff, policy, seen)
            }
            // Cut after it had held: look at once, then hold again.
            (_, _, Look::Hold(_) | Look::Events) if seen.really_held() => {
                self.next_at = self.soonest(policy, seen);
                vec![self.step_down()]
            }
            (_, _, Look::Hold(_) | Look::Events) => self.cut(error, pause, policy, seen),
        }
    }

    /// A look that the server should have held, and did not.
    fn cut(&mut self, error: Error, pause: Duration, policy: &WaitPolicy, seen: &Observed<'_>) -> Vec<Step> {
        self.suspect = error.delivery() != Delivery::NotSent;
        let mut steps = vec![self.step_down()];
        steps.extend(self.outage(error, pause, policy, seen));
        steps
    }

    fn asked_to_pause(
        &mut self,
        error: Error,
        asked: Duration,
        pause: Duration,
        policy: &WaitPolicy,
        seen: &Observed<'_>,
    ) -> Vec<Step> {
        let beyond = self.deadline.is_some_and(|d| later(seen.now, asked) > d.last_look);
        if beyond || asked > policy.longest_pause {
            return vec![Step::Broken(error.with_retry(not_before(seen.wall, asked)))];
        }
        self.outage(error, asked.max(pause), policy, seen)
    }
    /// A failure that says nothing about the job: borne for as long as the policy says.
    fn outage(&mut self, error: Error, pause: Duration, policy: &WaitPolicy, seen: &Observed<'_>) -> Vec<Step> {
        self.failures = self.failures.saturating_add(1);
        let since = *self.trouble_since.get_or_insert(seen.began);
        if seen.now - since >= policy.outage {
            return vec![Step::Broken(error.with_attempts(self.failures))];
        }
        self.trouble(error, seen.now, pause)
    }
    fn trouble(&mut self, error: Error, now: Instant, pause: Duration) -> Vec<Step> {
        self.next_at = later(now, pause);
        vec![Step::Trouble(error, self.next_at() - now)]
    }
    /// From holding to polling, for one look or (after too many short holds) for good.
    fn step_down(&mut self) -> Step {
        self.mode = Mode::Poll;
        Step::Mode(Mode::Poll)
    }
    /// From polling to the highest rung that still holds; `None`: there is none.
    fn step_up(&mut self) -> Option<Mode> {
        if self.cuts >= CUTS_BORNE {
            match &mut self.ladder {
                Ladder { events: events @ true, .. } => *events = false,
                ladder => ladder.hold = None,
            }
            self.cuts = 0;
        }
        self.mode = self.ladder.top();
        (self.mode != Mode::Poll).then_some(self.mode)
    }
    /// The soonest moment after this look that the pace allows.
    fn soonest(&self, policy: &WaitPolicy, seen: &Observed<'_>) -> Instant {
        later(seen.began, policy.pace.shortest()).max(seen.now)
    }
    fn pause(&self, policy: &WaitPolicy, seen: &Observed<'_>) -> Duration {
        spread(policy.pace.pause(seen.now - self.started), seen.chance)
    }
    fn too_late(&self, seen: &Observed<'_>, failure: Option<Error>) -> Step {
        let looked = seen.began.max(self.started) - self.started;
        let limit = self.deadline.map_or(looked, |deadline| deadline.at - self.started);
        let what = match self.seen || !self.items.is_empty() {
            true => format!(
                "the job had not ended within {limit:.1?} (last look after {looked:.1?}); it goes on and can be waited for \
                 again"
            ),
            false => format!("no look at the job succeeded within {limit:.1?}"),
        };
        let late = |what: String| consign_http::Error::new(ErrorKind::Deadline, Delivery::Unknown, what);
        let error = match failure {
            None => late(what).into(),
            Some(failure) => {
                let asked = failure.retry();
                let what = format!("{what}; the last look failed: {}", failure.message());
                let error = Error::from(late(what).with_source(failure));
                match asked {
                    Retry::After(pause) => error.with_retry(not_before(seen.wall, pause)),
                    Retry::NotBefore(_) => error.with_retry(asked),
                    _ => error,
                }
            }
        };
        Step::Broken(self.about(error, seen.ticket))
    }
    fn about(&self, error: Error, ticket: &Ticket) -> Error {
        error.with_ticket(ticket).with_state(self.state())
    }
}

impl Observed<'_> {
    /// Whether the server really held this look.
    fn really_held(&self) -> bool {
        let enough = match self.plan.look {
            Look::Hold(asked) => REALLY_HELD.min(asked / 2),
            Look::Events => REALLY_HELD,
            Look::Now => return false,
        };
        self.now - self.began >= enough
    }
}

/// The record could not be read for too many looks.
fn unreadable(error: Error, looks: u32) -> Error {
    if error.kind() == ErrorKind::NotFound {
        return error.with_attempts(looks);
    }
    // What is not readable keeps the status and body of the last answer, in its source.
    let what = format!("{looks} looks gave no readable record, at last: {}", error.message());
    let below = consign_http::Error::new(ErrorKind::Unreadable, Delivery::Unknown, what).with_source(error.clone());
    let ours = Error::from(below).with_attempts(looks);
    match (error.ticket(), error.last_state()) {
        (Some(ticket), Some(state)) => ours.with_ticket(ticket).with_state(state.clone()),
        _ => ours,
    }
}

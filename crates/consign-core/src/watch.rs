//! Drivers of the waiting state machine: one job as a stream, many jobs from one task.
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use consign_http::{BoxFuture, Delivery, ErrorKind, Retry, timeout};
use futures_core::Stream;
use futures_util::stream::FuturesUnordered;
use tracing::Instrument;

use crate::jobs::Shared;
use crate::policy::{WaitPolicy, later};
use crate::track::{Ladder, Observed, Plan, Step, Track};
use crate::{Error, Finished, Item, Job, Look, Provider, Result, Snapshot, State};

/// How a job is being followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// The job's event stream, which tells the end at once.
    Events,
    /// The server holds each look until the job ends or its own limit is reached.
    LongPoll,
    /// Looks at intervals.
    Poll,
}

/// What a watch reports. [`Event::Ended`] comes once and last.
#[non_exhaustive]
pub enum Event<P: Provider> {
    /// How the job is followed from now on: first of all, and after each step down or up.
    Mode(Mode),
    /// An item is new or has changed.
    Item {
        /// Its place among the job's items.
        index: usize,
        /// The item as it is now.
        item: Item,
    },
    /// A look failed; the watch goes on.
    Trouble {
        /// What failed.
        error: Error,
        /// The pause before the next look.
        pause: Duration,
    },
    /// The job ended.
    Ended(Finished<P>),
}

impl<P: Provider> fmt::Debug for Event<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode(mode) => f.debug_tuple("Mode").field(mode).finish(),
            Self::Item { index, item } => f.debug_struct("Item").field("index", index).field("item", item).finish(),
            Self::Trouble { error, pause } => {
                f.debug_struct("Trouble").field("error", error).field("pause", pause).finish()
            }
            Self::Ended(finished) => f.debug_tuple("Ended").field(finished).finish(),
        }
    }
}

/// One watched job: where it stands, without any future.
pub(crate) struct Watched<P: Provider> {
    job: Job<P>,
    pub(crate) track: Track,
}

pub(crate) struct Flight<P: Provider> {
    began: Instant,
    plan: Plan,
    result: Result<Snapshot<P>>,
}

impl<P: Provider> Watched<P> {
    pub(crate) fn new(job: Job<P>, policy: &WaitPolicy) -> Self {
        let fresh = job.first().map(|s| s.items().to_vec());
        let shared = job.shared();
        let ladder = Ladder { events: P::CAPS.events, hold: P::hold(job.ticket()) };
        let track = Track::new(shared.clock.now(), policy, ladder, fresh, shared.chance());
        Self { job, track }
    }
    pub(crate) fn job(&self) -> &Job<P> {
        &self.job
    }
    /// The events that come before any look; whether the last of them is the end.
    pub(crate) fn begin(&self, report: &mut dyn FnMut(Result<Event<P>>)) -> bool {
        report(Ok(Event::Mode(self.track.mode())));
        let Some(first) = self.job.first() else { return false };
        for (index, item) in first.items().iter().enumerate() {
            report(Ok(Event::Item { index, item: item.clone() }));
        }
        if first.finished() {
            report(Ok(Event::Ended(Finished::new(self.job.clone(), first.clone()))));
        }
        first.finished()
    }
    /// The future of one look.
    pub(crate) fn look(&self, plan: Plan) -> BoxFuture<'static, Flight<P>> {
        let job = self.job.clone();
        let span = job.span().clone();
        let look = async move {
            let shared = job.shared();
            let began = shared.clock.now();
            let result = match plan.cut {
                Some(Duration::ZERO) => Err(cut(Duration::ZERO)),
                Some(limit) => {
                    // The call's own limit must not cut a hold before ours does.
                    let cx = match plan.look {
                        Look::Hold(_) => job.cx().with_timeout(limit.saturating_add(Duration::from_secs(5))),
                        Look::Now | Look::Events => job.cx().clone(),
                    };
                    let look = shared.provider.look(job.ticket(), plan.look, &cx);
                    timeout(&*shared.clock, limit, look).await.unwrap_or_else(|| Err(cut(limit)))
                }
                None => shared.provider.look(job.ticket(), plan.look, job.cx()).await,
            };
            Flight { began, plan, result }
        };
        Box::pin(look.instrument(span))
    }
    /// Takes in a look and reports what follows from it; whether the last of that is the end, or an
    /// error, which ends the watch too.
    pub(crate) fn land(
        &mut self,
        flight: Flight<P>,
        may_hold: bool,
        policy: &WaitPolicy,
        report: &mut dyn FnMut(Result<Event<P>>),
    ) -> bool {
        let shared = Arc::clone(self.job.shared());
        let seen = Observed {
            began: flight.began,
            now: shared.clock.now(),
            wall: shared.clock.wall(),
            chance: shared.chance(),
            plan: flight.plan,
            may_hold,
            ticket: self.job.ticket(),
            cancelled: self.job.is_cancelled(),
        };
        let _entered = self.job.span().enter();
        let (steps, snapshot) = match flight.result.map(|snapshot| self.job.known(snapshot)) {
            Ok(snapshot) => (self.track.saw(snapshot.items().to_vec(), policy, &seen), Some(snapshot)),
            Err(error) => (self.track.failed(error, policy, &shared.retry, &seen), None),
        };
        let mut snapshot = snapshot;
        for step in steps {
            let event = match step {
                Step::Mode(mode) => {
                    tracing::debug!(?mode, "following");
                    Ok(Event::Mode(mode))
                }
                Step::Item(index) => {
                    let item = self.track.items()[index].clone();
                    tracing::info!(index, state = %item.state, "item");
                    Ok(Event::Item { index, item })
                }
                Step::Trouble(error, pause) => {
                    tracing::warn!(%error, ?pause, "look failed");
                    Ok(Event::Trouble { error, pause })
                }
                Step::Ended => {
                    let snapshot = snapshot.take().unwrap_or_else(|| Snapshot::bare(self.track.items().to_vec()));
                    Ok(Event::Ended(Finished::new(self.job.clone(), snapshot)))
                }
                Step::Vanished(state) => Ok(Event::Ended(self.vanished(state))),
                Step::Broken(error) => Err(error),
            };
            let over = !matches!(event, Ok(Event::Mode(_) | Event::Item { .. } | Event::Trouble { .. }));
            if over {
                match &event {
                    Ok(Event::Ended(finished)) => tracing::info!(outcome = ?finished.outcome(), "ended"),
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "wait broke"),
                }
            }
            report(event);
            if over {
                return true;
            }
        }
        false
    }
    fn vanished(&self, state: State) -> Finished<P> {
        let mut items = self.track.items().to_vec();
        if items.is_empty() {
            items.push(Item::new(None, state.clone(), true));
        }
        for item in items.iter_mut().filter(|i| !i.finished) {
            (item.state, item.finished) = (state.clone(), true);
        }
        Finished::new(self.job.clone(), Snapshot::bare(items))
    }
}

fn cut(limit: Duration) -> Error {
    Error::new(ErrorKind::Timeout, Delivery::Unknown, format!("no answer within {limit:?}"))
}

/// One job, followed to its end: a stream of events. It ends after [`Event::Ended`] or an error.
///
/// Nothing happens between polls, dropping it sends nothing, and it keeps no raw record.
pub struct Watch<P: Provider> {
    watched: Watched<P>,
    policy: WaitPolicy,
    events: VecDeque<Result<Event<P>>>,
    flight: Option<BoxFuture<'static, Flight<P>>>,
    /// When the look that is due may begin.
    turn: Option<Instant>,
    sleep: Option<BoxFuture<'static, ()>>,
    over: bool,
}

impl<P: Provider> Watch<P> {
    pub(crate) fn new(job: Job<P>, policy: WaitPolicy, deadline: Option<Instant>) -> Self {
        let mut watched = Watched::new(job, &policy);
        if let Some(at) = deadline {
            watched.track.set_deadline(at);
        }
        let mut events = VecDeque::new();
        let over = watched.begin(&mut |event| events.push_back(event));
        Self { watched, policy, events, flight: None, turn: None, sleep: None, over }
    }
    /// The next event; `None` after the end.
    ///
    /// # Errors
    /// An error ends the watch: the deadline was reached, the job cannot be read, the credential is
    /// refused, a server asked for too long a pause. It carries the ticket and the last state.
    pub async fn next(&mut self) -> Option<Result<Event<P>>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
    /// The job.
    pub fn job(&self) -> &Job<P> {
        &self.watched.job
    }
}

impl<P: Provider> Stream for Watch<P> {
    type Item = Result<Event<P>>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(event) = this.events.pop_front() {
                return Poll::Ready(Some(event));
            }
            if this.over {
                return Poll::Ready(None);
            }
            if let Some(flight) = &mut this.flight {
                let Poll::Ready(landed) = flight.as_mut().poll(cx) else { return Poll::Pending };
                this.flight = None;
                let events = &mut this.events;
                this.over = this.watched.land(landed, true, &this.policy, &mut |event| events.push_back(event));
                continue;
            }
            let now = this.watched.job.shared().clock.now();
            let plan = this.watched.track.plan(now, true);
            let shared = this.watched.job.shared();
            let at = match plan.at {
                at if at > now => at,
                _ => this.watched.track.in_time(*this.turn.get_or_insert_with(|| shared.turns.take(now))),
            };
            if at > now {
                let sleep = this.sleep.get_or_insert_with(|| shared.clock.sleep(at - now));
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.sleep = None;
                continue;
            }
            (this.sleep, this.turn) = (None, None);
            this.flight = Some(this.watched.look(plan));
        }
    }
}

impl<P: Provider> fmt::Debug for Watch<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("ticket", self.watched.job.ticket()).finish_non_exhaustive()
    }
}

/// Many jobs, followed from one task: a stream of events, each with the index of its job. A job
/// takes part until its [`Event::Ended`] or its error; the stream ends after the last.
///
/// At most [`WaitPolicy`]'s number of looks are held by the server; jobs for which there is no place
/// poll meanwhile, whatever their [`Mode`]. A server that
/// asks for a pause gets it from all of them; if the pause is longer than the policy allows, the
/// waits of all of them end with [`Retry::NotBefore`] and nothing more is sent.
pub struct WatchAll<P: Provider> {
    shared: Arc<Shared<P>>,
    policy: WaitPolicy,
    /// `None`: its watch is over.
    watched: Vec<Option<Watched<P>>>,
    /// How many of them have begun.
    begun: usize,
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    flights: FuturesUnordered<BoxFuture<'static, (usize, Flight<P>)>>,
    held: usize,
    quiet_until: Option<Instant>,
    /// When the next look may begin.
    turn: Option<Instant>,
    /// The server asked for too long a pause: the error that every open job ends with.
    refused: Option<Error>,
    events: VecDeque<(usize, Result<Event<P>>)>,
    sleep: Option<(Instant, BoxFuture<'static, ()>)>,
}

impl<P: Provider> WatchAll<P> {
    pub(crate) fn new(shared: Arc<Shared<P>>, jobs: impl IntoIterator<Item = Job<P>>, policy: WaitPolicy) -> Self {
        Self {
            shared,
            policy,
            watched: jobs.into_iter().map(|job| Some(Watched::new(job, &policy))).collect(),
            begun: 0,
            due: BinaryHeap::new(),
            flights: FuturesUnordered::new(),
            held: 0,
            quiet_until: None,
            turn: None,
            refused: None,
            events: VecDeque::new(),
            sleep: None,
        }
    }
    /// The next event, with the index of its job; `None` after the last.
    pub async fn next(&mut self) -> Option<(usize, Result<Event<P>>)> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
    /// How many jobs have not ended yet.
    pub fn open(&self) -> usize {
        self.watched.len() - self.begun + self.due.len() + self.flights.len()
    }

    /// Begins the next job that has not; `false` if there is none.
    fn begin(&mut self) -> bool {
        let index = self.begun;
        let Some(watched) = self.watched.get(index) else { return false };
        self.begun += 1;
        let Some(watched) = watched else { return true };
        let events = &mut self.events;
        if watched.begin(&mut |event| events.push_back((index, event))) {
            self.watched[index] = None;
        } else {
            self.due.push(Reverse((watched.track.next_at(), index)));
        }
        true
    }
    fn land(&mut self, index: usize, flight: Flight<P>) {
        if flight.plan.holds() {
            self.held -= 1;
        }
        let Some(watched) = &mut self.watched[index] else { return };
        if let Err(error) = &flight.result
            && let Retry::After(pause) = error.retry()
        {
            let until = later(self.shared.clock.now(), pause);
            self.quiet_until = self.quiet_until.max(Some(until));
        }
        let (events, may_hold) = (&mut self.events, self.held < self.policy.held);
        let over = watched.land(flight, may_hold, &self.policy, &mut |event| events.push_back((index, event)));
        if !over {
            self.due.push(Reverse((watched.track.next_at(), index)));
            return;
        }
        self.watched[index] = None;
        if let Some((_, Err(error))) = self.events.back()
            && matches!(error.retry(), Retry::NotBefore(_))
        {
            self.refused = Some(error.clone());
        }
    }
    /// Ends a job that waits for its next look, if the server refused to be asked; one a call, so that
    /// they do not pile up.
    fn refuse(&mut self) -> bool {
        let Some(error) = &self.refused else { return false };
        let Some(Reverse((_, index))) = self.due.pop() else { return false };
        if let Some(watched) = self.watched[index].take() {
            let error = error.for_job(watched.job.ticket(), watched.track.state());
            self.events.push_back((index, Err(error)));
        }
        true
    }
    /// Starts every look that is due and has a place.
    fn launch(&mut self, now: Instant) {
        let places = self.places();
        // Looks that are held take every place only if nobody else needs one.
        let holds = self.policy.held.min(if self.open() > places { places - 1 } else { places });
        while self.flights.len() < places {
            let Some(Reverse((at, index))) = self.due.peek().copied() else { return };
            if at > now || self.quiet_until.is_some_and(|until| until > now) {
                return;
            }
            if *self.turn.get_or_insert_with(|| self.shared.turns.take(now)) > now {
                return;
            }
            self.turn = None;
            self.due.pop();
            let Some(watched) = &self.watched[index] else { continue };
            let plan = watched.track.plan(now, self.held < holds);
            if plan.holds() {
                self.held += 1;
            }
            let look = watched.look(plan);
            self.flights.push(Box::pin(async move { (index, look.await) }));
        }
    }
    fn places(&self) -> usize {
        self.policy.concurrent.max(1)
    }
    /// When something is due next, if there is a place for it.
    fn wake_at(&self) -> Option<Instant> {
        if self.flights.len() >= self.places() {
            return None;
        }
        let Reverse((due, _)) = self.due.peek()?;
        [self.quiet_until, self.turn].into_iter().flatten().chain([*due]).max()
    }
}

impl<P: Provider> Stream for WatchAll<P> {
    type Item = (usize, Result<Event<P>>);
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(event) = this.events.pop_front() {
                return Poll::Ready(Some(event));
            }
            if this.begin() || this.refuse() {
                continue;
            }
            let now = this.shared.clock.now();
            this.launch(now);
            if let Poll::Ready(Some((index, flight))) = Pin::new(&mut this.flights).poll_next(cx) {
                this.land(index, flight);
                continue;
            }
            let Some(at) = this.wake_at() else {
                return if this.flights.is_empty() && this.due.is_empty() { Poll::Ready(None) } else { Poll::Pending };
            };
            if this.sleep.as_ref().is_none_or(|(until, _)| *until != at) {
                let pause = at.saturating_duration_since(now);
                this.sleep = Some((at, this.shared.clock.sleep(pause)));
            }
            let Some((_, sleep)) = &mut this.sleep else { return Poll::Pending };
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            this.sleep = None;
        }
    }
}

impl<P: Provider> fmt::Debug for WatchAll<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchAll").field("open", &self.open()).finish_non_exhaustive()
    }
}

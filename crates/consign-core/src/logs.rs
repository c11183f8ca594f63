//! Following what a job prints: a stream over connections that break, stay silent or never come to be.
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use consign_http::{BoxFuture, ErrorKind, Retry};
use futures_core::Stream;
use tracing::Instrument;

use crate::policy::not_before;
use crate::watch::{Flight, Watched};
use crate::{Error, Event, Job, LogLine, LogLines, LogStream, Provider, Result, Snapshot, WaitPolicy};

/// How long a log may be silent before the job is looked at, unless [`JobLogs::idle`] says otherwise.
const IDLE: Duration = Duration::from_secs(5);
/// After how many times this silence a connection is given up and opened again; twice as many each further time.
const SILENCES: u32 = 12;
/// How long an open log may be silent after its job has ended.
const REST: Duration = Duration::from_secs(2);
/// Of how many items' streams it is known how much was given.
const REMEMBERED: usize = 4096;

/// What a job prints: a stream of pieces, as the server sends them. Settings come before the first piece.
///
/// It ends when the job has ended and all that it printed was given, as far as the server still has it; without
/// [`follow`](JobLogs::follow) at the end of what is there now. Nothing happens between polls, and dropping it closes
/// the connection. It remembers a few bytes for each item, and nothing of what was printed.
pub struct JobLogs<P: Provider> {
    watched: Watched<P>,
    policy: WaitPolicy,
    follow: bool,
    idle: Duration,
    link: Link,
    given: Given,
    ready: VecDeque<LogLine>,
    /// Failed or empty connections since the last news.
    failures: u32,
    /// Connections that were given up for their silence since the last news.
    silences: u32,
    /// The last connection ended as one does whose log is complete.
    complete: bool,
    /// Nothing came for a while: the job is looked at.
    quiet: bool,
    /// The job was looked at since the connection was lost.
    looked: bool,
    /// A connection was opened for what none had shown when the job ended.
    reopened: bool,
    flight: Option<BoxFuture<'static, Flight<P>>>,
    /// Until the next look.
    nap: Option<BoxFuture<'static, ()>>,
    /// Until the silence is too long.
    timer: Option<BoxFuture<'static, ()>>,
    /// The job has ended, and its record holds this.
    ended: Option<Vec<LogLine>>,
    over: bool,
}

/// The connection.
enum Link {
    /// Not yet begun.
    New,
    Opening(BoxFuture<'static, Result<LogLines>>),
    Open(LogLines),
    /// Lost; it is opened again after the pause, if the job goes on.
    Lost(BoxFuture<'static, ()>),
    /// There is none any more.
    Closed,
}

impl<P: Provider> JobLogs<P> {
    pub(crate) fn new(job: Job<P>) -> Self {
        let policy = job.shared().wait.hold(false);
        Self {
            watched: Watched::new(job, &policy),
            policy,
            follow: true,
            idle: IDLE,
            link: Link::New,
            given: Given::default(),
            ready: VecDeque::new(),
            failures: 0,
            silences: 0,
            complete: false,
            quiet: false,
            looked: false,
            reopened: false,
            flight: None,
            nap: None,
            timer: None,
            ended: None,
            over: false,
        }
    }
    /// Whether to go on while the job does. Default: yes.
    #[must_use]
    pub fn follow(mut self, follow: bool) -> Self {
        self.follow = follow;
        self
    }
    /// How long the log may be silent before the job is looked at, then again at the pace of the wait policy; until
    /// the first piece it is looked at from the beginning. Default: 5 s. A connection that stays silent for twelve times as long is opened anew.
    #[must_use]
    pub fn idle(mut self, limit: Duration) -> Self {
        self.idle = limit.max(Duration::from_millis(10));
        self
    }
    /// The next piece; `None` after the last.
    ///
    /// # Errors
    /// An error ends the stream: the credential is refused, the server asks for too long a pause, the job cannot be
    /// read as the wait policy says. It carries the ticket. A log that is not there yet, or that no server shows, is
    /// none; then what the job's record holds comes at its end.
    pub async fn next(&mut self) -> Option<Result<LogLine>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    fn job(&self) -> &Job<P> {
        self.watched.job()
    }
    fn sleep(&self, pause: Duration) -> BoxFuture<'static, ()> {
        self.job().shared().clock.sleep(pause)
    }
    fn open(&mut self) {
        let (job, follow) = (self.job().clone(), self.follow && self.ended.is_none());
        let span = job.span().clone();
        let open = async move { job.shared().provider.logs(job.ticket(), follow, job.cx()).await };
        (self.link, self.timer) = (Link::Opening(Box::pin(open.instrument(span))), None);
    }
    /// Ends the stream, with an error.
    fn broken(&mut self, error: Error) -> Error {
        (self.over, self.link) = (true, Link::Closed);
        error.with_ticket(self.job().ticket())
    }
    /// A connection could not be had, or broke. What says nothing about the log is borne.
    fn lost(&mut self, error: Error) -> Result<()> {
        tracing::debug!(%error, "log");
        (self.complete, self.timer, self.looked) = (false, None, false);
        self.failures = self.failures.saturating_add(1);
        if self.ended.is_some() {
            // What the job's record holds has to do.
            self.link = Link::Closed;
            return Ok(());
        }
        let shared = self.job().shared().clone();
        let own = shared.retry.pause(self.failures, shared.chance());
        let pause = match (error.kind(), error.retry()) {
            // It is never to be had.
            (ErrorKind::Unsupported, _) => {
                self.link = Link::Closed;
                return Ok(());
            }
            (_, Retry::NotBefore(_)) => return Err(self.broken(error)),
            (_, Retry::After(asked)) if asked > self.policy.longest_pause => {
                let late = error.with_retry(not_before(shared.clock.wall(), asked));
                return Err(self.broken(late));
            }
            (_, Retry::After(asked)) => own.max(asked),
            (
                ErrorKind::NotFound
                | ErrorKind::Conflict
                | ErrorKind::Decode
                | ErrorKind::TooLarge
                | ErrorKind::Timeout
                | ErrorKind::Transport
                | ErrorKind::Gateway
                | ErrorKind::Server
                | ErrorKind::RateLimited,
                _,
            ) => own,
            _ => return Err(self.broken(error)),
        };
        // Without following, what is not there now is not waited for.
        let there = self.follow || error.kind() != ErrorKind::NotFound;
        if !there {
            self.link = Link::Closed;
        } else if !self.follow && self.failures >= shared.retry.attempts {
            return Err(self.broken(error.with_attempts(self.failures)));
        } else {
            self.link = Link::Lost(self.sleep(pause));
        }
        Ok(())
    }
    /// A connection ended as the server meant it to.
    fn closed(&mut self) {
        (self.complete, self.timer, self.looked) = (true, None, false);
        self.failures = self.failures.saturating_add(1);
        let pause = self.job().shared().retry.pause(self.failures, self.job().shared().chance());
        match &self.ended {
            Some(_) => self.shut(),
            None if self.follow => self.link = Link::Lost(self.sleep(pause)),
            None => self.link = Link::Closed,
        }
    }
    fn heard(&mut self, line: LogLine) {
        (self.quiet, self.timer, self.flight) = (false, None, None);
        if let Some(new) = self.given.new_of(line) {
            (self.failures, self.silences) = (0, 0);
            self.ready.push_back(new);
        }
    }
    /// The job has ended. What is left of an open log still comes; one that was cut is opened once more.
    fn ends(&mut self, snapshot: &Snapshot<P>) {
        self.ended = Some(P::logged(snapshot));
        (self.flight, self.nap, self.timer) = (None, None, None);
        match &self.link {
            Link::Lost(_) if !self.complete => self.open(),
            Link::Lost(_) => self.shut(),
            Link::New => self.link = Link::Closed,
            Link::Opening(_) | Link::Open(_) | Link::Closed => {}
        }
    }
    /// The job has ended, and so has the connection. One more is opened if there is an item that none has shown: it
    /// began after the last was opened.
    fn shut(&mut self) {
        let mut printed = self.ended.iter().flatten();
        if self.follow && !self.reopened && printed.any(|line| !self.given.knows(line.item.as_deref())) {
            self.reopened = true;
            self.open();
        } else {
            self.link = Link::Closed;
        }
    }
    /// Looks at the job, if it is time.
    fn poll_look(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            if let Some(flight) = &mut self.flight {
                let landed = std::task::ready!(flight.as_mut().poll(cx));
                (self.flight, self.looked) = (None, true);
                let (mut last, mut failed) = (None, false);
                let mut report = |event| {
                    failed |= matches!(event, Ok(Event::Trouble { .. }));
                    last = Some(event);
                };
                if self.watched.land(landed, false, &self.policy, &mut report) {
                    match last {
                        Some(Ok(Event::Ended(finished))) => self.ends(finished.snapshot()),
                        Some(Err(error)) => return Poll::Ready(Err(self.broken(error))),
                        _ => {}
                    }
                } else if !self.follow && !failed {
                    // There is no more of it now.
                    (self.over, self.link) = (true, Link::Closed);
                }
                return Poll::Ready(Ok(()));
            }
            let now = self.job().shared().clock.now();
            let plan = self.watched.track.plan(now, false);
            // Without following the first look is made at once, to be done; one that failed has its pause.
            if plan.at > now && (self.follow || self.looked) {
                if self.nap.is_none() {
                    self.nap = Some(self.sleep(plan.at - now));
                }
                if let Some(nap) = &mut self.nap {
                    std::task::ready!(nap.as_mut().poll(cx));
                }
                self.nap = None;
                continue;
            }
            self.nap = None;
            self.flight = Some(self.watched.look(plan));
        }
    }
    /// What the connection does; ready when something changed.
    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match &mut self.link {
            Link::New => {
                // A job that is known to have ended needs no look.
                let mut ended = None;
                self.watched.begin(&mut |event| {
                    if let Ok(Event::Ended(finished)) = event {
                        ended = Some(finished);
                    }
                });
                self.quiet = self.follow;
                self.open();
                if let Some(finished) = ended {
                    self.ends(finished.snapshot());
                }
                Poll::Ready(Ok(()))
            }
            Link::Opening(opening) => {
                let opened = std::task::ready!(opening.as_mut().poll(cx));
                Poll::Ready(match opened {
                    Ok(lines) => {
                        self.given.begin();
                        self.link = Link::Open(lines);
                        Ok(())
                    }
                    Err(error) => self.lost(error),
                })
            }
            Link::Open(lines) => {
                let line = std::task::ready!(lines.as_mut().poll_next(cx));
                Poll::Ready(match line {
                    Some(Ok(line)) => {
                        self.heard(line);
                        Ok(())
                    }
                    Some(Err(error)) => self.lost(error),
                    None => {
                        self.closed();
                        Ok(())
                    }
                })
            }
            Link::Lost(pause) => {
                std::task::ready!(pause.as_mut().poll(cx));
                if self.looked || !self.follow {
                    self.open();
                    return Poll::Ready(Ok(()));
                }
                self.link = Link::Lost(Box::pin(std::future::ready(())));
                Poll::Pending
            }
            Link::Closed => Poll::Pending,
        }
    }
    /// How long an open connection may be silent now.
    fn patience(&self) -> Duration {
        if self.ended.is_some() {
            return REST.min(self.idle);
        }
        if self.quiet { self.idle.saturating_mul(SILENCES << self.silences.min(6)) } else { self.idle }
    }
    /// Nothing came for as long as it may.
    fn silent(&mut self) {
        self.timer = None;
        if self.ended.is_some() {
            // Where nothing ever comes, nothing more is tried.
            if self.given.0.is_empty() { self.link = Link::Closed } else { self.shut() }
        } else if !self.quiet {
            self.quiet = true;
        } else if self.follow {
            self.silences = self.silences.saturating_add(1);
            (self.complete, self.looked) = (false, false);
            self.link = Link::Lost(self.sleep(Duration::ZERO));
        }
    }
}

impl<P: Provider> Stream for JobLogs<P> {
    type Item = Result<LogLine>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(line) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(line)));
            }
            if this.over {
                return Poll::Ready(None);
            }
            if let Poll::Ready(done) = this.poll_link(cx) {
                match done {
                    Ok(()) => continue,
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            }
            if matches!(this.link, Link::Closed)
                && let Some(logged) = this.ended.take()
            {
                // What the record holds, as if it were one more connection.
                this.given.begin();
                logged.into_iter().for_each(|line| this.heard(line));
                this.over = true;
                continue;
            }
            let connected = matches!(this.link, Link::Open(_));
            let lost = if this.follow { !connected } else { matches!(this.link, Link::Closed) };
            if (this.quiet || lost)
                && this.ended.is_none()
                && let Poll::Ready(done) = this.poll_look(cx)
            {
                match done {
                    Ok(()) => continue,
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            }
            if connected {
                if this.timer.is_none() {
                    this.timer = Some(this.sleep(this.patience()));
                }
                if this.timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready()) {
                    this.silent();
                    continue;
                }
            }
            return Poll::Pending;
        }
    }
}

impl<P: Provider> fmt::Debug for JobLogs<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobLogs").field("job", self.job()).field("follow", &self.follow).finish_non_exhaustive()
    }
}

/// How much of each item's streams was given, and how far the connection is, both in bytes.
#[derive(Default)]
struct Given(HashMap<(Option<Box<str>>, LogStream), Place>);

#[derive(Default)]
struct Place {
    given: u64,
    here: u64,
}

impl Given {
    /// Whether anything came of an item.
    fn knows(&self, item: Option<&str>) -> bool {
        self.0.keys().any(|(known, _)| known.as_deref() == item)
    }
    /// A connection begins, and with it every log.
    fn begin(&mut self) {
        self.0.values_mut().for_each(|place| place.here = 0);
    }
    /// The part of a piece that was not given before.
    fn new_of(&mut self, line: LogLine) -> Option<LogLine> {
        let key = (line.item.clone(), line.stream);
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&key) {
            return Some(line);
        }
        let place = self.0.entry(key).or_default();
        let start = place.here;
        place.here += line.text.len() as u64;
        if place.here <= place.given {
            return None;
        }
        let known = usize::try_from(place.given.saturating_sub(start)).unwrap_or(usize::MAX);
        place.given = place.here;
        let from = (known..=line.text.len()).find(|n| line.text.is_char_boundary(*n)).unwrap_or(line.text.len());
        let text = if from == 0 { line.text } else { line.text[from..].to_owned() };
        (!text.is_empty()).then_some(LogLine { text, ..line })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_is_cut_off_wherever_the_pieces_end() {
        let line = |text: &str| LogLine::new(Some("e-1"), LogStream::Stdout, text);
        let mut given = Given::default();
        given.begin();
        assert_eq!(given.new_of(line("one\n")).unwrap().text, "one\n");
        assert_eq!(given.new_of(line("tw")).unwrap().text, "tw");
        given.begin();
        assert_eq!(given.new_of(line("o")), None);
        assert_eq!(given.new_of(line("ne\ntwo\nthrée\n")).unwrap().text, "o\nthrée\n");
        given.begin();
        assert_eq!(given.new_of(line("one\ntwo\nthrée\n")), None);
        assert_eq!(given.new_of(LogLine::new(Some("e-1"), LogStream::Stderr, "x")).unwrap().text, "x");
        assert_eq!(given.new_of(LogLine::new(None, LogStream::Stdout, "y")).unwrap().text, "y");
    }
}

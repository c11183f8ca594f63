//! Time as something injected: waits, time limits and wall-clock dates all come from one [`Clock`].
use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use crate::BoxFuture;

/// A source of time. The default, [`TokioClock`], follows tokio's time, so a test with
/// `tokio::time::pause` runs hours in no time.
pub trait Clock: Debug + Send + Sync + 'static {
    /// A point in monotonic time.
    fn now(&self) -> Instant;
    /// The date. It moves along with [`Clock::now`].
    fn wall(&self) -> SystemTime;
    /// Completes after `pause`.
    fn sleep(&self, pause: Duration) -> BoxFuture<'static, ()>;
}

/// Tokio's time, with the date taken once when the clock is made.
#[derive(Clone, Debug)]
pub struct TokioClock {
    start: tokio::time::Instant,
    wall: SystemTime,
}

impl TokioClock {
    /// A clock whose date is now.
    pub fn new() -> Self {
        Self::starting_at(SystemTime::now())
    }
    /// A clock whose date is `wall` at this moment, for tests.
    pub fn starting_at(wall: SystemTime) -> Self {
        Self { start: tokio::time::Instant::now(), wall }
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
    fn wall(&self) -> SystemTime {
        self.wall + self.start.elapsed()
    }
    fn sleep(&self, pause: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(pause))
    }
}

/// Runs `work` for at most `limit`; `None` when time ran out first. `work` is polled first, so a
/// result that is ready at the limit still counts.
pub async fn timeout<F: Future>(clock: &dyn Clock, limit: Duration, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut sleep = None;
    poll_fn(move |cx| {
        if let Poll::Ready(out) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(out));
        }
        // Made only now: most in-memory work is ready at once and never needs a timer.
        let sleep = sleep.get_or_insert_with(|| clock.sleep(limit));
        sleep.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// Completes at `when`; at once if that is past.
pub async fn sleep_until(clock: &dyn Clock, when: Instant) {
    clock.sleep(when.saturating_duration_since(clock.now())).await;
}

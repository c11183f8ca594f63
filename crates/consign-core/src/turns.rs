//! Turns: how often a provider is asked at most, shared by all the calls of its jobs.
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use consign_http::Clock;

use crate::policy::later;

/// Hands out the moments at which requests may begin, first come, first served.
#[derive(Debug)]
pub(crate) struct Turns {
    apart: Duration,
    /// When the next turn is free; `None` before the first.
    free: Mutex<Option<Instant>>,
}

impl Turns {
    /// Turns that are `apart`; zero bounds nothing.
    pub(crate) fn new(apart: Duration) -> Self {
        Self { apart, free: Mutex::new(None) }
    }
    /// Takes the next turn and says when it is: `now` if nobody came shortly before.
    pub(crate) fn take(&self, now: Instant) -> Instant {
        if self.apart.is_zero() {
            return now;
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let at = free.map_or(now, |free| free.max(now));
        *free = Some(later(at, self.apart));
        at
    }
    /// Takes the next turn and waits for it.
    pub(crate) async fn wait(&self, clock: &dyn Clock) {
        let now = clock.now();
        let at = self.take(now);
        if at > now {
            clock.sleep(at - now).await;
        }
    }
}

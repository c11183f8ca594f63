//! Policies as pure functions: how often to look, when to try again, when to give up.
use std::sync::Mutex;
use std::time::Duration;

use consign_http::{Delivery, Retry};

use crate::Error;

/// How long to wait between two looks at a job: a share of the time elapsed, between two bounds.
///
/// The default, 40 % between 1.5 s and 28 s, was chosen on lognormal job durations: for jobs of 20 s
/// it needs 7 looks and sees the end 5 s late; for jobs of 20 min 77 looks and 14 s
/// (`cargo bench -p consign-tests --bench policy` prints the table).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pace {
    /// The shortest pause.
    pub min: Duration,
    /// The longest pause.
    pub max: Duration,
    /// The share of the time elapsed since the wait began.
    pub share: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { min: Duration::from_millis(1500), max: Duration::from_secs(28), share: 0.4 }
    }
}

impl Pace {
    /// Always the same pause.
    pub fn fixed(pause: Duration) -> Self {
        Self { min: pause, max: pause, share: 0.0 }
    }
    /// A pause that grows with the time elapsed.
    pub fn growing(min: Duration, max: Duration, share: f64) -> Self {
        Self { min, max: max.max(min), share }
    }
    /// The pause after `elapsed`, before chance shortens or lengthens it by up to a tenth.
    pub fn pause(&self, elapsed: Duration) -> Duration {
        // A share that is not a sane number counts as none.
        let share = if self.share.is_finite() && self.share > 0.0 { self.share.min(10.0) } else { 0.0 };
        elapsed.mul_f64(share).clamp(self.min, self.max.max(self.min))
    }
    /// The most looks that a wait of `elapsed` takes, chance included.
    pub fn most_looks(&self, elapsed: Duration) -> u64 {
        let least = self.min.mul_f64(0.9).max(Duration::from_millis(1));
        (elapsed.as_nanos() / least.as_nanos().max(1)) as u64 + 2
    }
}

/// How a wait goes about its looks.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct WaitPolicy {
    /// How long between two looks that the server does not hold.
    pub pace: Pace,
    /// Whether the server may hold looks. Default: yes, where it can.
    pub hold: bool,
    /// After how many looks in a row that cannot be read, or show no sign of life, the wait ends
    /// with [`Unreadable`](consign_http::ErrorKind::Unreadable). Default: 5.
    pub patience: u32,
    /// For how long nothing but failures (no connection, 5xx) is borne. Default: 1 hour.
    pub outage: Duration,
    /// The longest `Retry-After` that a wait sits out; beyond it the wait ends with
    /// [`Retry::NotBefore`]. Default: 10 minutes.
    pub longest_pause: Duration,
    /// How many looks of many watched jobs the server may hold at once. Default: 32.
    pub held: usize,
    /// How many looks of many watched jobs may be under way at once. Default: 64.
    pub concurrent: usize,
}

impl Default for WaitPolicy {
    fn default() -> Self {
        Self {
            pace: Pace::default(),
            hold: true,
            patience: 5,
            outage: Duration::from_secs(3600),
            longest_pause: Duration::from_secs(600),
            held: 32,
            concurrent: 64,
        }
    }
}

impl WaitPolicy {
    /// With another pace.
    #[must_use]
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }
    /// Whether the server may hold looks.
    #[must_use]
    pub fn hold(mut self, hold: bool) -> Self {
        self.hold = hold;
        self
    }
    /// With another patience with jobs that cannot be read.
    #[must_use]
    pub fn patience(mut self, looks: u32) -> Self {
        self.patience = looks.max(1);
        self
    }
    /// With another patience with outages.
    #[must_use]
    pub fn outage(mut self, limit: Duration) -> Self {
        self.outage = limit;
        self
    }
    /// With another longest pause that a server may ask for.
    #[must_use]
    pub fn longest_pause(mut self, limit: Duration) -> Self {
        self.longest_pause = limit;
        self
    }
    /// With other bounds on looks under way: held by the server, and in all.
    #[must_use]
    pub fn under_way(mut self, held: usize, concurrent: usize) -> Self {
        self.held = held;
        self.concurrent = concurrent.max(1);
        self
    }
}

/// When a failed call is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// How often a call is sent at most. Default: 5; 1 never repeats.
    pub attempts: u32,
    /// The first pause; each further one is twice as long, and chance shortens it to between a half
    /// and the whole. Default: 500 ms.
    pub base: Duration,
    /// The longest pause of our own. Default: 30 s.
    pub cap: Duration,
    /// The longest `Retry-After` that a call sits out; beyond it the call ends with
    /// [`Retry::NotBefore`]. Default: 60 s.
    pub longest_pause: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self { attempts: 5, base: Duration::from_millis(500), cap: s(30), longest_pause: s(60) }
    }
}

impl RetryPolicy {
    /// Never a repeat.
    pub fn never() -> Self {
        Self::default().attempts(1)
    }
    /// With another number of attempts.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }
    /// With other pauses: the first and the longest.
    #[must_use]
    pub fn pauses(mut self, base: Duration, cap: Duration) -> Self {
        (self.base, self.cap) = (base, cap.max(base));
        self
    }
    /// With another longest `Retry-After`.
    #[must_use]
    pub fn longest_pause(mut self, limit: Duration) -> Self {
        self.longest_pause = limit;
        self
    }
    /// The pause after the `failures`-th failure (from 1); `chance` in 0..1 shortens it to no less than a half.
    pub fn pause(&self, failures: u32, chance: f64) -> Duration {
        let doubled = self.base.saturating_mul(1 << failures.saturating_sub(1).min(20));
        doubled.min(self.cap).mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
    }
}

/// What makes a repeat of a call safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// A read, or a write that does the same thing twice as once.
    Always,
    /// A submission: only when it surely started nothing.
    IfNotAccepted,
}

impl Repeat {
    /// Whether `error` may be followed by a repeat.
    pub(crate) fn allows(self, error: &Error) -> bool {
        if error.retry() == Retry::Never {
            return false;
        }
        match self {
            Self::Always => true,
            Self::IfNotAccepted => matches!(error.delivery(), Delivery::NotSent | Delivery::Rejected),
        }
    }
}

/// A budget that caps the extra load of repeats: each costs one, each success gives a tenth back.
#[derive(Debug)]
pub(crate) struct Budget(Mutex<f64>);

const BUDGET: f64 = 50.0;

impl Budget {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(BUDGET))
    }
    /// Takes one repeat; `false` if the budget is used up.
    pub(crate) fn take(&self) -> bool {
        let mut left = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let enough = *left >= 1.0;
        if enough {
            *left -= 1.0;
        }
        enough
    }
    pub(crate) fn succeeded(&self) {
        let mut left = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *left = (*left + 0.1).min(BUDGET);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_between_looks_grow_with_the_time_elapsed_and_stay_in_bounds() {
        let pace = Pace::default();
        let pauses: Vec<u64> =
            [0, 2, 10, 60, 7200].map(|s| pace.pause(Duration::from_secs(s)).as_millis() as u64).into();
        assert_eq!(pauses, [1500, 1500, 4000, 24_000, 28_000]);
        assert_eq!(
            Pace::growing(Duration::ZERO, Duration::ZERO, f64::NAN).pause(Duration::from_secs(9)),
            Duration::ZERO
        );
    }

    #[test]
    fn pauses_between_attempts_double_up_to_the_cap() {
        let policy = RetryPolicy::default();
        let pauses: Vec<u64> = (1..10).map(|n| policy.pause(n, 1.0).as_millis() as u64).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
        assert_eq!(policy.pause(1, 0.0), Duration::from_millis(250));
    }

    #[test]
    fn a_budget_runs_out_and_fills_with_successes() {
        let budget = Budget::new();
        assert_eq!((0..200).filter(|_| budget.take()).count(), 50);
        (0..10).for_each(|_| budget.succeeded());
        assert!(budget.take() || budget.0.lock().unwrap().fract() > 0.9);
    }
}

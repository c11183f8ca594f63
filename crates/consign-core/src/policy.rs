//! Policies as pure functions: how often to look, when to try again, when to give up.
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use consign_http::{Delivery, Retry};

use crate::Error;

/// No pause between two looks is shorter, whatever a [`Pace`] says.
const SHORTEST: Duration = Duration::from_millis(10);
/// Stands for a time that the clock cannot count to: a hundred years.
const FAR: Duration = Duration::from_secs(100 * 365 * 86_400);

/// `pause` times `factor`; a product that no duration can hold is the longest one.
pub(crate) fn scaled(pause: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(pause.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

/// The moment `pause` after `now`, or one that never comes if the clock cannot count to it.
pub(crate) fn later(now: Instant, pause: Duration) -> Instant {
    now.checked_add(pause).unwrap_or_else(|| now + FAR)
}

/// The advice not to come back for `pause`.
pub(crate) fn not_before(wall: SystemTime, pause: Duration) -> Retry {
    Retry::NotBefore(wall.checked_add(pause).unwrap_or_else(|| wall + FAR))
}

/// How long to wait between two looks at a job: a share of the time elapsed, between two bounds.
///
/// The default, 20 % between 2.5 s and 28 s, was chosen on lognormal job durations: jobs of 20 s (median,
/// sigma 0.8) take 8.4 looks and their end is seen 2.8 s late; jobs of 20 min (sigma 1.0) 85 looks and
/// 14 s. A unit test of this module holds these figures.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pace {
    /// The shortest pause. What is under 10 ms counts as 10 ms.
    pub min: Duration,
    /// The longest pause.
    pub max: Duration,
    /// The share of the time elapsed since the wait began.
    pub share: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { min: Duration::from_millis(2500), max: Duration::from_secs(28), share: 0.2 }
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
    /// The shortest pause, before chance shortens it by up to a tenth.
    pub(crate) fn shortest(&self) -> Duration {
        self.min.max(SHORTEST)
    }
    /// The pause after `elapsed`, before chance shortens or lengthens it by up to a tenth.
    pub fn pause(&self, elapsed: Duration) -> Duration {
        // A share that is not a sane number counts as none.
        let share = if self.share.is_finite() && self.share > 0.0 { self.share.min(10.0) } else { 0.0 };
        scaled(elapsed, share).clamp(self.shortest(), self.max.max(self.shortest()))
    }
    /// The most looks that a wait of `elapsed` takes, whatever the server does.
    pub fn most_looks(&self, elapsed: Duration) -> u64 {
        let least = scaled(self.shortest(), 0.9).as_nanos().max(1);
        // The first look, and the last one before a deadline, come outside the pace.
        u64::try_from(elapsed.as_nanos() / least).unwrap_or(u64::MAX).saturating_add(2)
    }
}

/// How a wait goes about its looks.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct WaitPolicy {
    /// How long between two looks that the server does not hold.
    pub pace: Pace,
    /// Whether the server may hold looks, an event stream among them. Default: yes, where it can.
    pub hold: bool,
    /// After how many looks in a row that cannot be read, or show no sign of life, the wait ends
    /// with [`Unreadable`](consign_http::ErrorKind::Unreadable). Default: 5.
    pub patience: u32,
    /// For how long nothing but failures (no connection, 5xx) is borne. Default: 1 hour.
    pub outage: Duration,
    /// The longest `Retry-After` that a wait sits out; beyond it the wait ends with
    /// [`Retry::NotBefore`], and so do all the waits of a watch over many jobs. Default: 10 minutes.
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
        scaled(doubled.min(self.cap), 0.5 + 0.5 * chance.clamp(0.0, 1.0))
    }
}

/// A pause that chance (in 0..1) shortens or lengthens by up to a tenth, so that many do not come at once.
pub(crate) fn spread(pause: Duration, chance: f64) -> Duration {
    scaled(pause, 0.9 + 0.2 * chance)
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
        if matches!(error.retry(), Retry::Never | Retry::NotBefore(_)) {
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
            [0, 10, 20, 100, 7200].map(|s| pace.pause(Duration::from_secs(s)).as_millis() as u64).into();
        assert_eq!(pauses, [2500, 2500, 4000, 20_000, 28_000]);
    }

    #[test]
    fn a_pace_out_of_all_proportion_neither_panics_nor_spins() {
        let none = Pace::growing(Duration::ZERO, Duration::ZERO, f64::NAN);
        assert_eq!(none.pause(Duration::from_secs(9)), SHORTEST);
        for share in [f64::INFINITY, f64::MAX, -1.0, 1e9] {
            let pace = Pace { min: Duration::MAX, max: Duration::ZERO, share };
            assert_eq!(pace.pause(Duration::MAX), Duration::MAX);
            assert_eq!(pace.most_looks(Duration::MAX), 3);
        }
        assert_eq!(none.most_looks(Duration::MAX), u64::MAX);
        assert_eq!(scaled(Duration::MAX, 1.1), Duration::MAX);
        assert!(later(Instant::now(), Duration::MAX) > Instant::now());
        assert!(matches!(not_before(SystemTime::now(), Duration::MAX), Retry::NotBefore(at) if at > SystemTime::now()));
        assert_eq!(RetryPolicy::default().pauses(Duration::MAX, Duration::MAX).pause(9, 1.0), Duration::MAX);
    }

    /// Looks and mean delay of `pace` over 20,000 lognormal durations, as a poll-only wait makes them.
    fn simulate(pace: Pace, median: f64, sigma: f64) -> (f64, f64) {
        let mut chance = fastrand::Rng::with_seed(7);
        let (jobs, mut looks, mut late) = (20_000, 0_u32, 0.0);
        for _ in 0..jobs {
            let (radius, angle) = (1.0 - chance.f64(), std::f64::consts::TAU * chance.f64());
            let lasts = median * (sigma * (-2.0 * radius.ln()).sqrt() * angle.cos()).exp();
            let mut now = Duration::ZERO;
            while now.as_secs_f64() < lasts {
                now += spread(pace.pause(now), chance.f64());
                looks += 1;
            }
            late += now.as_secs_f64() - lasts;
        }
        (f64::from(looks) / f64::from(jobs), late / f64::from(jobs))
    }

    /// The delay at `looks` on a line through other policies' (looks, delay), on logarithmic axes, where
    /// the line lies lower than on plain ones.
    fn on_line(line: &[(f64, f64)], looks: f64) -> f64 {
        let part = line.windows(2).find(|w| (w[0].0..=w[1].0).contains(&looks)).unwrap();
        let share = (looks / part[0].0).ln() / (part[1].0 / part[0].0).ln();
        part[0].1 * (part[1].1 / part[0].1).powf(share)
    }

    #[test]
    fn the_default_pace_lies_below_the_line_of_the_policies_in_use_elsewhere() {
        let short = [(1.4, 15.9), (4.7, 14.3), (4.9, 11.9), (12.6, 1.5), (25.1, 1.4), (28.1, 0.5)];
        let long = [(38.0, 30.0), (56.0, 24.8), (66.0, 14.9), (109.0, 14.5), (1972.0, 0.5)];
        for (line, median, sigma, claimed) in
            [(&short[..], 20.0, 0.8, (8.4, 2.8)), (&long[..], 1200.0, 1.0, (85.0, 14.0))]
        {
            let (looks, late) = simulate(Pace::default(), median, sigma);
            assert!(late < on_line(line, looks), "median {median}: {looks:.1} looks, {late:.2} s");
            assert!((looks / claimed.0 - 1.0_f64).abs() < 0.03, "median {median}: {looks} looks");
            assert!((late / claimed.1 - 1.0_f64).abs() < 0.03, "median {median}: {late} s");
        }
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

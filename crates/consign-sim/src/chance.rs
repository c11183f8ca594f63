//! Seeded chance: the same seed makes the same run, whatever the order of the draws.

use std::time::Duration;

use crate::clock::seconds;

/// How long simulated work takes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Durations {
    /// Always the same.
    Fixed(Duration),
    /// Anything between the two, evenly.
    Uniform(Duration, Duration),
    /// Log-normal: half of all draws lie below `median`; `sigma` is the spread of the logarithm
    /// (0.8 is typical of short jobs). Draws stop at a thousand times the median.
    LogNormal {
        /// Half of all draws lie below it.
        median: Duration,
        /// Standard deviation of the natural logarithm.
        sigma: f64,
    },
}

impl Durations {
    pub(crate) fn draw(&self, chance: &mut fastrand::Rng) -> Duration {
        match *self {
            Self::Fixed(span) => span,
            Self::Uniform(low, high) => {
                seconds(low.as_secs_f64() + (high.as_secs_f64() - low.as_secs_f64()) * chance.f64())
            }
            Self::LogNormal { median, sigma } => {
                let normal =
                    (-2.0 * chance.f64().max(1e-12).ln()).sqrt() * (std::f64::consts::TAU * chance.f64()).cos();
                seconds(median.as_secs_f64() * (normal * sigma).exp().min(1000.0))
            }
        }
    }

    /// A typical duration, for estimates.
    pub(crate) fn typical(&self) -> Duration {
        match *self {
            Self::Fixed(span) => span,
            Self::Uniform(low, high) => (low + high) / 2,
            Self::LogNormal { median, .. } => median,
        }
    }
}

/// One generator for one purpose: `seed` and `place` decide it.
pub(crate) fn chance(seed: u64, place: u64) -> fastrand::Rng {
    fastrand::Rng::with_seed(mix(seed, place))
}

/// Two numbers stirred into one.
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_add(b.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A number from bytes. It tells texts apart; it is not made to withstand an attacker.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01B3));
    mix(fnv, bytes.len() as u64)
}

/// A random identifier in the form of a version 4 UUID.
pub(crate) fn uuid(chance: &mut fastrand::Rng) -> String {
    let (high, low) = (chance.u64(..), chance.u64(..));
    let (a, b, c) = (high >> 32, (high >> 16) & 0xFFFF, high & 0x0FFF);
    let (d, e) = (0x8000 | ((low >> 48) & 0x3FFF), low & 0xFFFF_FFFF_FFFF);
    format!("{a:08x}-{b:04x}-4{c:03x}-{d:04x}-{e:012x}")
}

/// 64 hexadecimal digits in upper case.
pub(crate) fn hex64(chance: &mut fastrand::Rng) -> String {
    (0..4).map(|_| format!("{:016X}", chance.u64(..))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_place_draw_the_same() {
        let draw = |seed, place| uuid(&mut chance(seed, place));
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
        assert_eq!(draw(7, 1).len(), 36);
        assert_eq!(hex64(&mut chance(1, 1)).len(), 64);
    }

    #[test]
    fn half_of_the_lognormal_draws_lie_below_the_median() {
        let spread = Durations::LogNormal { median: Duration::from_secs(20), sigma: 0.8 };
        let mut rng = chance(1, 1);
        let below = (0..4000).filter(|_| spread.draw(&mut rng) < Duration::from_secs(20)).count();
        assert!((1850..2150).contains(&below), "{below}");
        let range = Durations::Uniform(Duration::from_secs(1), Duration::from_secs(2));
        assert!((0..1000).all(|_| (1.0..=2.0).contains(&range.draw(&mut rng).as_secs_f64())));
    }
}

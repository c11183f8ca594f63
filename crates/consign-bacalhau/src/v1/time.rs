//! Points in time as integers.
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// A point in time in nanoseconds since 1970. It is beyond what a float holds exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixNanos(pub i64);

impl UnixNanos {
    /// The point in time; `None` for 0, which means "not set".
    pub fn to_system_time(self) -> Option<SystemTime> {
        let distance = Duration::from_nanos(self.0.unsigned_abs());
        match self.0 {
            0 => None,
            1.. => SystemTime::UNIX_EPOCH.checked_add(distance),
            _ => SystemTime::UNIX_EPOCH.checked_sub(distance),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_are_kept_exactly_and_zero_is_no_time() {
        let time: UnixNanos = serde_json::from_str("1795529683310627864").unwrap();
        assert_eq!(serde_json::to_string(&time).unwrap(), "1795529683310627864");
        let since = time.to_system_time().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(since, Duration::new(1_795_529_683, 310_627_864));
        assert_eq!(UnixNanos(0).to_system_time(), None);
        assert!(UnixNanos(-1).to_system_time().unwrap() < SystemTime::UNIX_EPOCH);
        assert!(UnixNanos(i64::MIN).to_system_time().is_some());
    }
}

//! Lengths of time as the service writes them: `[-][d.]hh:mm:ss[.fffffff]`.
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::wire::TimeSpanText;

/// Ticks in a second: one is 100 ns.
const PER_SECOND: u64 = 10_000_000;

/// A length of time in ticks of 100 ns, at most about 29,000 years, perhaps negative.
///
/// ```
/// use consign_civitai::TimeSpan;
/// use std::time::Duration;
///
/// let span: TimeSpan = "00:00:02.7742373".parse()?;
/// assert_eq!(Duration::try_from(span)?, Duration::from_nanos(2_774_237_300));
/// assert_eq!(TimeSpan::try_from(Duration::from_secs(300))?.to_string(), "00:05:00");
/// # Ok::<(), consign_civitai::TimeSpanError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimeSpan(i64);

impl TimeSpan {
    /// A length of so many ticks of 100 ns.
    pub const fn from_ticks(ticks: i64) -> Self {
        Self(ticks)
    }
    /// The length in ticks of 100 ns.
    pub const fn ticks(self) -> i64 {
        self.0
    }
}

/// `hh:mm:ss`, with days in front from 24 hours on, and seven digits of a fraction if there is one.
impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ticks = self.0.unsigned_abs();
        let (seconds, fraction) = (ticks / PER_SECOND, ticks % PER_SECOND);
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
        if self.0 < 0 {
            f.write_str("-")?;
        }
        if days > 0 {
            write!(f, "{days}.")?;
        }
        write!(f, "{:02}:{:02}:{:02}", hours % 24, minutes % 60, seconds % 60)?;
        if fraction > 0 { write!(f, ".{fraction:07}") } else { Ok(()) }
    }
}

impl FromStr for TimeSpan {
    type Err = TimeSpanError;
    fn from_str(text: &str) -> Result<Self, TimeSpanError> {
        let bad = || TimeSpanError(format!("{:?} is not a time span: hh:mm:ss is needed", shown(text)));
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let mut fields = rest.splitn(3, ':');
        let (Some(first), Some(minutes), Some(last)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(bad());
        };
        let (days, hours) = first.split_once('.').map_or(("0", first), |(days, hours)| (days, hours));
        let (seconds, fraction) = last.split_once('.').map_or((last, "0"), |(seconds, fraction)| (seconds, fraction));
        if hours.len() != 2 || minutes.len() != 2 || seconds.len() != 2 || fraction.len() > 7 {
            return Err(bad());
        }
        let digits = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
            true => text.parse::<u64>().ok(),
            false => None,
        };
        let all = (digits(days), digits(hours), digits(minutes), digits(seconds), digits(&format!("{fraction:0<7}")));
        let (Some(days), Some(hours), Some(minutes), Some(seconds), Some(fraction)) = all else { return Err(bad()) };
        // An empty fraction would have been padded to zeros.
        if last.ends_with('.') {
            return Err(bad());
        }
        for (name, value, limit) in [("hours", hours, 24), ("minutes", minutes, 60), ("seconds", seconds, 60)] {
            if value >= limit {
                let what = format!("{:?} is not a time span: {name} have to be below {limit}", shown(text));
                return Err(TimeSpanError(what));
            }
        }
        let ticks = i128::from(days) * 86400 + i128::from(hours * 3600 + minutes * 60 + seconds);
        let ticks = ticks * i128::from(PER_SECOND) + i128::from(fraction);
        let ticks = i64::try_from(if negative { -ticks } else { ticks });
        ticks.map(Self).map_err(|_| TimeSpanError(format!("{:?} is too long for a time span", shown(text))))
    }
}

/// Less than 100 ns is cut off. It fails above about 29,000 years.
impl TryFrom<Duration> for TimeSpan {
    type Error = TimeSpanError;
    fn try_from(duration: Duration) -> Result<Self, TimeSpanError> {
        let ticks = i64::try_from(duration.as_nanos() / 100);
        ticks.map(Self).map_err(|_| TimeSpanError(format!("{duration:?} is too long for a time span")))
    }
}
/// It fails for a negative length.
impl TryFrom<TimeSpan> for Duration {
    type Error = TimeSpanError;
    fn try_from(span: TimeSpan) -> Result<Self, TimeSpanError> {
        let negative = |_| TimeSpanError(format!("{span} is negative"));
        let ticks = u64::try_from(span.0).map_err(negative)?;
        // Below 10^9, so it fits.
        let nanos = u32::try_from(ticks % PER_SECOND * 100).unwrap_or_default();
        Ok(Duration::new(ticks / PER_SECOND, nanos))
    }
}
/// Written as text.
impl Serialize for TimeSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
/// Read from text, or from an object with `ticks` or `totalSeconds`.
impl<'de> Deserialize<'de> for TimeSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        TimeSpanText::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Why a text or a duration is not a [`TimeSpan`]; it names the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeSpanError(String);

impl fmt::Display for TimeSpanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for TimeSpanError {}

/// The beginning of a text, for a message.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_service_are_read_and_written_back() {
        let cases = [
            ("00:05:00", 3_000_000_000),
            ("00:00:02.7742373", 27_742_373),
            ("1.02:03:04.5670000", 937_845_670_000),
            ("-00:00:01", -10_000_000),
            ("10675199.02:48:05.4775807", i64::MAX),
            ("-10675199.02:48:05.4775808", i64::MIN),
            ("00:00:00", 0),
        ];
        for (text, ticks) in cases {
            let span: TimeSpan = text.parse().unwrap();
            assert_eq!(span.ticks(), ticks, "{text}");
            assert_eq!(span.to_string(), text);
        }
        assert_eq!("00:00:38.41".parse::<TimeSpan>().unwrap().to_string(), "00:00:38.4100000");
    }

    #[test]
    fn what_is_not_a_time_span_is_refused_and_named() {
        let bad = [
            "",
            "5",
            "00:05",
            "0:05:00",
            "24:00:00",
            "00:60:00",
            "00:00:60",
            "00:00:00.",
            "00:00:00.12345678",
            "00:00:0a",
            "+00:00:01",
            "--00:00:01",
            ".00:00:01",
            "1.:00:01",
            "00:00:01 ",
            " 00:00:01",
            "00:00:00:00",
            "10675199.02:48:05.4775808",
            "99999999999999999999.00:00:00",
            "００:00:01",
            "a.00:00:00",
        ];
        for text in bad {
            let error = text.parse::<TimeSpan>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{text:?}: {error}");
        }
        assert!("25:00:00".parse::<TimeSpan>().unwrap_err().to_string().contains("hours have to be below 24"));
    }

    #[test]
    fn durations_convert_in_ticks_and_extremes_are_errors() {
        let tick = TimeSpan::try_from(Duration::from_nanos(199)).unwrap();
        assert_eq!(tick.ticks(), 1);
        assert_eq!(Duration::try_from(tick).unwrap(), Duration::from_nanos(100));
        assert_eq!(Duration::try_from(TimeSpan::from_ticks(15_000_000)).unwrap(), Duration::from_millis(1500));
        assert!(TimeSpan::try_from(Duration::MAX).is_err());
        assert!(Duration::try_from(TimeSpan::from_ticks(-1)).is_err());
    }

    #[test]
    fn json_is_text_and_the_object_form_is_read_too() {
        let span: TimeSpan = serde_json::from_str("{\"ticks\": 25000000, \"seconds\": 2}").unwrap();
        assert_eq!(serde_json::to_string(&span).unwrap(), "\"00:00:02.5000000\"");
        assert_eq!(serde_json::from_str::<TimeSpan>("\"00:00:02.5\"").unwrap(), span);
        assert!(serde_json::from_str::<TimeSpan>("\"soon\"").is_err());
    }
}

//! The simulator's clock: tokio's time since the start, times a speed, on top of a fixed date.

use std::time::{Duration, SystemTime};

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The longest time that one simulated span may have: about 31 years.
const LONGEST: f64 = 1e9;

/// Simulated time. It follows tokio's clock, so with a paused clock hours pass in no time.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    origin: Instant,
    epoch: Timestamp,
    speed: f64,
}

impl Clock {
    pub(crate) fn new(epoch: Timestamp, speed: f64) -> Self {
        let speed = if speed.is_finite() && speed > 0.0 { speed } else { 1.0 };
        Self { origin: Instant::now(), epoch, speed }
    }

    /// Simulated time since the start.
    pub(crate) fn now(&self) -> Duration {
        let passed = Instant::now().saturating_duration_since(self.origin);
        if self.speed == 1.0 { passed } else { seconds(passed.as_secs_f64() * self.speed) }
    }

    /// The date of a clock that was set with this one and then goes at tokio's pace, as those of clients do.
    pub(crate) fn unhurried(&self) -> Timestamp {
        let passed = Instant::now().saturating_duration_since(self.origin);
        let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
        self.epoch.checked_add(passed).unwrap_or(Timestamp::MAX)
    }

    /// Waits until the simulated time `at` has come.
    pub(crate) async fn sleep_until(&self, at: Duration) {
        loop {
            let left = at.saturating_sub(self.now());
            if left.is_zero() {
                return;
            }
            let real = if self.speed == 1.0 { left } else { seconds(left.as_secs_f64() / self.speed) };
            tokio::time::sleep(real.clamp(Duration::from_millis(1), Duration::from_secs(86_400))).await;
        }
    }

    /// The date at a simulated time.
    pub(crate) fn date(&self, at: Duration) -> Timestamp {
        let at = SignedDuration::try_from(at).unwrap_or(SignedDuration::MAX);
        self.epoch.checked_add(at).unwrap_or(Timestamp::MAX)
    }

    /// The simulated time of a date; dates before the start are the start.
    pub(crate) fn at(&self, date: Timestamp) -> Duration {
        Duration::try_from(date.duration_since(self.epoch)).unwrap_or_default()
    }

    /// The date at a simulated time as .NET writes it, with seven fractional digits.
    pub(crate) fn text(&self, at: Duration) -> String {
        self.date(at).strftime("%Y-%m-%dT%H:%M:%S.").to_string()
            + &format!("{:07}Z", self.date(at).subsec_nanosecond().max(0) / 100)
    }

    /// The date at a simulated time in the form of HTTP headers.
    pub(crate) fn http_date(&self, at: Duration) -> String {
        self.date(at).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// The date at a simulated time in the basic form that signed URLs use.
    pub(crate) fn basic(&self, at: Duration) -> String {
        self.date(at).strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    /// When the day (UTC) of a simulated time ends.
    pub(crate) fn end_of_day(&self, at: Duration) -> Duration {
        let second = self.date(at).as_second().rem_euclid(86_400);
        let whole = Duration::from_secs(at.as_secs());
        whole + Duration::from_secs(86_400 - u64::try_from(second).unwrap_or(0))
    }

    pub(crate) fn system_time(&self, at: Duration) -> SystemTime {
        SystemTime::try_from(self.date(at)).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// Seconds as a duration; what is not a usable time becomes zero or the longest span.
pub(crate) fn seconds(value: f64) -> Duration {
    if value.is_nan() { Duration::ZERO } else { Duration::from_secs_f64(value.clamp(0.0, LONGEST)) }
}

/// A date as clients write it: RFC 3339, an offset without colon, no offset at all (UTC), or a day alone.
pub(crate) fn parse_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(date) = text.parse::<Timestamp>() {
        return Some(date);
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M%z"] {
        if let Ok(date) = Timestamp::strptime(format, text) {
            return Some(date);
        }
    }
    let civil = match text.parse::<DateTime>() {
        Ok(date) => date,
        Err(_) => text.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight()),
    };
    TimeZone::UTC.to_timestamp(civil).ok()
}

/// A span as .NET writes it: `[d.]hh:mm:ss[.fffffff]`.
pub(crate) fn span_text(span: Duration) -> String {
    let all = span.as_secs();
    let (days, hours, minutes, secs) = (all / 86_400, all / 3600 % 24, all / 60 % 60, all % 60);
    let mut text = if days > 0 { format!("{days}.") } else { String::new() };
    text += &format!("{hours:02}:{minutes:02}:{secs:02}");
    let ticks = span.subsec_nanos() / 100;
    if ticks > 0 {
        text += &format!(".{ticks:07}");
    }
    text
}

/// Reads `[d.]hh:mm:ss[.fffffff]`; negative spans and other texts give nothing.
pub(crate) fn parse_span(text: &str) -> Option<Duration> {
    let (clock, fraction) = match text.rsplit_once(':')?.1.split_once('.') {
        Some((_, digits)) => (&text[..text.len() - digits.len() - 1], digits),
        None => (text, ""),
    };
    let mut parts = clock.split(':');
    let (first, minutes, secs) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (days, hours) = first.split_once('.').unwrap_or(("0", first));
    let number = |part: &str, limit: u64| {
        let digits = !part.is_empty() && part.len() <= 8 && part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<u64>().ok().filter(|n| digits && *n < limit)
    };
    let total =
        number(days, 100_000_000)? * 86_400 + number(hours, 24)? * 3600 + number(minutes, 60)? * 60 + number(secs, 60)?;
    let ticks = match fraction.len() {
        0 => 0,
        1..=7 => number(fraction, 10_000_000)? * 10_u64.pow(7 - fraction.len() as u32),
        _ => return None,
    };
    Some(Duration::from_secs(total) + Duration::from_nanos(ticks * 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_and_read_as_dotnet_does() {
        for text in ["00:05:00", "00:00:02.7742373", "1.02:03:04.5670000", "23:59:59.0000001"] {
            assert_eq!(span_text(parse_span(text).unwrap()), text);
        }
        assert_eq!(parse_span("00:00:01.5"), Some(Duration::from_millis(1500)));
        for text in
            ["", "5", "00:05", "24:00:00", "00:60:00", "-00:00:01", "00:00:00.12345678", "a:b:c", "1:2:3:4", "+1:00:00"]
        {
            assert_eq!(parse_span(text), None, "{text}");
        }
    }

    #[test]
    fn dates_of_every_client_are_read() {
        let date = |text| parse_date(text).map(|d| d.to_string());
        assert_eq!(date("2024-06-01T00:00:00Z").as_deref(), Some("2024-06-01T00:00:00Z"));
        assert_eq!(date("2025-01-31T23:59:59+05:30").as_deref(), Some("2025-01-31T18:29:59Z"));
        assert_eq!(date("2013-10-20T19:20:30.000000+0100").as_deref(), Some("2013-10-20T18:20:30Z"));
        assert_eq!(date("2024-06-01T10:00:00").as_deref(), Some("2024-06-01T10:00:00Z"));
        assert_eq!(date("2024-06-01").as_deref(), Some("2024-06-01T00:00:00Z"));
        assert_eq!(date("yesterday"), None);
    }

    #[test]
    fn dates_have_seven_digits_and_days_end_at_midnight() {
        let clock = Clock::new("2024-06-08T18:55:50Z".parse().unwrap(), 1.0);
        assert_eq!(clock.text(Duration::from_nanos(1_849_936_345)), "2024-06-08T18:55:51.8499363Z");
        assert_eq!(clock.http_date(Duration::ZERO), "Sat, 08 Jun 2024 18:55:50 GMT");
        assert_eq!(clock.basic(Duration::ZERO), "20240608T185550Z");
        assert_eq!(clock.text(clock.end_of_day(Duration::from_millis(1))), "2024-06-09T00:00:00.0000000Z");
    }
}

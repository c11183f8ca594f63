//! Times on the wire: the zero time means that nothing is set.
use std::time::SystemTime;

use consign_http::DateTime;

/// The point in time, unless the text is the zero time (`0001-01-01T00:00:00Z`), which means "not set", or no time.
pub fn set_time(date: &DateTime) -> Option<SystemTime> {
    if date.as_str().starts_with("0001-01-01T00:00:00") { None } else { date.to_system_time() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_zero_time_is_no_time() {
        assert_eq!(set_time(&DateTime::from("0001-01-01T00:00:00Z")), None);
        assert_eq!(set_time(&DateTime::from("soon")), None);
        let date = DateTime::from("1970-01-01T00:00:01.000000001Z");
        assert_eq!(set_time(&date), Some(SystemTime::UNIX_EPOCH + Duration::new(1, 1)));
    }
}

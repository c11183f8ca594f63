//! Small wire types that every provider needs: dates that keep their text, ids that are never empty.
use std::fmt;
use std::ops::Deref;
use std::time::SystemTime;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// A date and time as it stands on the wire. It keeps its text, so what was received is written back unchanged.
///
/// Servers write RFC 3339 with up to nine fractional digits, with `Z`, with an offset, or with none at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DateTime(String);

impl DateTime {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The point in time, if the text can be read. A text without an offset is read as UTC.
    pub fn to_system_time(&self) -> Option<SystemTime> {
        let text = self.0.trim();
        let timestamp = text.parse::<jiff::Timestamp>().ok().or_else(|| {
            let civil = text.parse::<jiff::civil::DateTime>().ok()?;
            jiff::tz::Offset::UTC.to_timestamp(civil).ok()
        })?;
        let since = timestamp.as_duration();
        let epoch = SystemTime::UNIX_EPOCH;
        if since.is_negative() {
            epoch.checked_sub(since.unsigned_abs())
        } else {
            epoch.checked_add(since.unsigned_abs())
        }
    }
}

impl From<String> for DateTime {
    fn from(text: String) -> Self {
        Self(text)
    }
}
impl From<&str> for DateTime {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}
/// Written as RFC 3339 in UTC, with as many fractional digits as needed.
impl From<SystemTime> for DateTime {
    fn from(time: SystemTime) -> Self {
        // Outside jiff's years -9999..=9999 only the nearest end can be written.
        let timestamp = jiff::Timestamp::try_from(time).unwrap_or_else(|_| {
            if time < SystemTime::UNIX_EPOCH { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX }
        });
        Self(timestamp.to_string())
    }
}
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An identifier that a server gave. It is never empty: an empty one fails to decode, because a job
/// under an empty id could never be found again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl TryFrom<String> for Id {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() { Err("an identifier is empty") } else { Ok(Self(text)) }
    }
}
impl TryFrom<&str> for Id {
    type Error = &'static str;
    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::try_from(text.to_owned())
    }
}
impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
impl Deref for Id {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0
    }
}
impl AsRef<str> for Id {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_keep_their_text_and_are_read_in_every_form_servers_write() {
        let base = DateTime::from("2024-06-08T19:56:01Z").to_system_time().unwrap();
        let same = ["2024-06-08T21:56:01+02:00", "2024-06-08T19:56:01", "2024-06-08T19:56:01.0000000Z"];
        for text in same {
            assert_eq!(DateTime::from(text).to_system_time(), Some(base), "{text}");
        }
        let fine = DateTime::from("2024-06-08T19:56:01.8499363Z");
        assert_eq!(fine.to_system_time().unwrap().duration_since(base).unwrap(), Duration::from_nanos(849_936_300));
        assert_eq!(serde_json::to_string(&fine).unwrap(), "\"2024-06-08T19:56:01.8499363Z\"");
        assert_eq!(DateTime::from("next week").to_system_time(), None);
        assert_eq!(DateTime::from(base).as_str(), "2024-06-08T19:56:01Z");
    }

    #[test]
    fn an_empty_id_does_not_decode() {
        assert!(serde_json::from_str::<Id>("\"\"").is_err());
        assert_eq!(serde_json::from_str::<Option<Id>>("null").unwrap(), None);
        assert_eq!(serde_json::from_str::<Id>("\"a\"").unwrap().as_str(), "a");
    }
}

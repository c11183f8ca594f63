//! The version of a server, on which the meaning of some answers and the form of some requests depend.
use std::fmt;
use std::str::FromStr;

use http::HeaderMap;

/// The header in which servers of the v1 interface name their version.
const HEADER: &str = "x-bacalhau-git-version";

/// A released version: `v1.9.3`. What follows the third number (`-rc1`) does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerVersion {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
    /// The third number.
    pub patch: u32,
}

impl ServerVersion {
    /// A version from its numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }
    /// The version in a text such as `v1.9.3` or `0.3.25`. `None` for anything else, and for what a self-built
    /// server says (`v0.0.0-xxxxxxx`): that names no release.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let numbers = text.strip_prefix('v').unwrap_or(text);
        let numbers = numbers.split(['-', '+']).next().unwrap_or_default();
        let mut numbers = numbers.split('.').map(|number| number.parse().ok());
        let version = Self::new(numbers.next()??, numbers.next()??, numbers.next()??);
        (numbers.next().is_none() && version > Self::new(0, 0, 0)).then_some(version)
    }
    /// The version in the headers of an answer; servers of the v1 interface name it in each.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        Self::read(headers.get(HEADER)?.to_str().ok()?)
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for ServerVersion {
    type Err = consign_http::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || consign_http::Error::invalid_member("version", text, "a released version such as v1.9.3");
        Self::read(text).ok_or_else(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_versions_are_read_and_others_are_none() {
        for text in ["v1.9.3", "1.9.3", " v1.9.3-rc1 ", "1.9.3+dirty"] {
            assert_eq!(ServerVersion::read(text), Some(ServerVersion::new(1, 9, 3)), "{text}");
        }
        for text in ["", "v", "1.9", "1.9.3.1", "v0.0.0-xxxxxxx", "latest", "v1.x.3", "-1.0.0"] {
            assert_eq!(ServerVersion::read(text), None, "{text}");
            assert!(text.parse::<ServerVersion>().is_err());
        }
        assert!(ServerVersion::new(0, 3, 26) > ServerVersion::new(0, 3, 9));
        assert_eq!(ServerVersion::new(1, 6, 0).to_string(), "v1.6.0");
    }

    #[test]
    fn the_version_is_in_the_headers_of_an_answer() {
        let mut headers = HeaderMap::new();
        assert_eq!(ServerVersion::of(&headers), None);
        headers.insert(HEADER, http::HeaderValue::from_static("v1.4.0"));
        assert_eq!(ServerVersion::of(&headers), Some(ServerVersion::new(1, 4, 0)));
    }
}

//! Tickets: all that is needed to find a job again in another process, and no secret.
use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

const DATA: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'=').remove(b'/');

/// Finds a job again: in this process or another, today or next week. Its text form is
/// `consign:VERSION:PROVIDER:DATA`; it holds no secret, so it may be logged and stored.
///
/// ```
/// use consign_core::Ticket;
/// let ticket = Ticket::new("civitai", 1, "token=eyJKb2JzIjpbXX0=");
/// let text = ticket.to_string();
/// assert_eq!(text, "consign:1:civitai:token=eyJKb2JzIjpbXX0=");
/// assert_eq!(text.parse::<Ticket>().unwrap(), ticket);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    provider: Box<str>,
    version: u16,
    data: Box<str>,
}

impl Ticket {
    /// A ticket of a provider. `data` is that provider's own and opaque to everybody else.
    pub fn new(provider: &str, version: u16, data: impl Into<String>) -> Self {
        Self { provider: provider.into(), version, data: data.into().into_boxed_str() }
    }
    /// The provider's name.
    pub fn provider(&self) -> &str {
        &self.provider
    }
    /// The version of the data's form.
    pub fn version(&self) -> u16 {
        self.version
    }
    /// The provider's own data.
    pub fn data(&self) -> &str {
        &self.data
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "consign:{}:{}:{}", self.version, self.provider, utf8_percent_encode(&self.data, DATA))
    }
}

/// The text is not a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTicket(&'static str);

impl fmt::Display for BadTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a ticket (consign:VERSION:PROVIDER:DATA): {}", self.0)
    }
}
impl std::error::Error for BadTicket {}

impl FromStr for Ticket {
    type Err = BadTicket;
    /// Blanks and line breaks around it, as a file or a form adds them, do not count.
    fn from_str(text: &str) -> Result<Self, BadTicket> {
        let rest = text.trim().strip_prefix("consign:").ok_or(BadTicket("it does not begin with consign:"))?;
        let (version, rest) = rest.split_once(':').ok_or(BadTicket("the provider is missing"))?;
        let (provider, data) = rest.split_once(':').ok_or(BadTicket("the data is missing"))?;
        let version = version.parse().map_err(|_| BadTicket("the version is not a number"))?;
        if provider.is_empty() || data.is_empty() {
            return Err(BadTicket("the provider or the data is empty"));
        }
        let data = percent_decode_str(data).decode_utf8().map_err(|_| BadTicket("the data is not UTF-8"))?;
        Ok(Self::new(provider, version, data))
    }
}

impl Serialize for Ticket {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Ticket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_survives_text_and_json_whatever_its_data() {
        for data in ["token=a+b/c==", "id=é % : \n", "x"] {
            let ticket = Ticket::new("civitai", 1, data);
            assert_eq!(ticket.to_string().parse(), Ok(ticket.clone()));
            assert_eq!(format!("\t {ticket}\r\n").parse(), Ok(ticket.clone()));
            let json = serde_json::to_string(&ticket).unwrap();
            assert_eq!(serde_json::from_str::<Ticket>(&json).unwrap(), ticket);
            assert!(!json.contains('\n'));
        }
    }

    #[test]
    fn what_is_not_a_ticket_says_why() {
        for bad in
            ["", "consign", "consign:1", "consign:1:civitai", "consign:x:civitai:a", "consign:1::a", "consign:1:a:"]
        {
            assert!(bad.parse::<Ticket>().is_err(), "{bad}");
        }
    }
}

//! What both interfaces share: texts that may be something else, error bodies, secrets.
use std::borrow::Cow;
use std::fmt;

use consign_http::{Delivery, Error, ErrorKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A place where the service writes a text, and now and then another value: a job's input and output, which are JSON
/// inside a text, and the word of an error, which can be a number. It is written back in the form it came in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LooseText {
    /// A text, as it should be.
    Text(String),
    /// Another value in its place.
    Value(Value),
}

impl LooseText {
    /// The text; another value as its JSON.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => text.into(),
            Self::Value(value) => value.to_string().into(),
        }
    }
    /// The JSON inside: the text decoded a second time, or the value that stands in its place.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if the text is no JSON, or not that of a `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let read = match self {
            Self::Text(text) => serde_json::from_str(text),
            Self::Value(value) => T::deserialize(value),
        };
        read.map_err(|bad| Error::new(ErrorKind::Decode, Delivery::Unknown, bad.to_string()).on_read().with_source(bad))
    }
}
impl From<String> for LooseText {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<&str> for LooseText {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl fmt::Display for LooseText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// What the service says of a failure. Unknown members are ignored, and every member may be missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErrorBody {
    /// A word for programs. Seen: `JobTimeout`, `JobNotCompleted`, `QuotaExceeded`, `InternalError`, and the number 413.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<LooseText>,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<LooseText>,
}

impl ErrorBody {
    /// Whether the code is this word.
    pub fn is(&self, code: &str) -> bool {
        self.code.as_ref().is_some_and(|found| found.text() == code)
    }
    /// Message and code as one text; `None` if there is neither.
    pub(crate) fn words(&self) -> Option<String> {
        let text =
            |part: &Option<LooseText>| part.as_ref().map(|t| t.text().into_owned()).filter(|t| !t.trim().is_empty());
        text(&self.message).or_else(|| text(&self.code))
    }
}
impl fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => write!(f, "{message} ({code})"),
            (None, Some(only)) | (Some(only), None) => write!(f, "{only}"),
            (None, None) => f.write_str("no reason given"),
        }
    }
}

/// A text that gives access: an API key, a code, a token. It shows itself in no `Debug` output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself. Keep it out of logs.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}
impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_keeps_the_form_it_came_in_and_is_decoded_a_second_time() {
        for value in [json!("{\"a\":1}"), json!({"a": 1}), json!(413), json!(""), json!([null])] {
            let text: LooseText = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(serde_json::to_value(&text).unwrap(), value);
        }
        for form in ["\"{\\\"a\\\":1.25}\"", "{\"a\":1.25}"] {
            let text: LooseText = serde_json::from_str(form).unwrap();
            assert_eq!(text.parse::<Value>().unwrap(), json!({"a": 1.25}), "{form}");
        }
        assert_eq!(LooseText::Value(json!(413)).to_string(), "413");
        let error = LooseText::from("not JSON").parse::<Value>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(!error.to_string().contains("may have acted"), "{error}");
    }

    #[test]
    fn an_error_body_is_read_in_every_form() {
        let read = |text: &str| serde_json::from_str::<ErrorBody>(text).unwrap().to_string();
        assert_eq!(read(r#"{"code":"A","message":"b","more":1}"#), "b (A)");
        assert_eq!(read(r#"{"code":413,"message":"b"}"#), "b (413)");
        assert_eq!(read(r#"{"code":null,"message":"b"}"#), "b");
        assert_eq!(read(r#"{"code":"A"}"#), "A");
        assert_eq!(read("{}"), "no reason given");
        assert!(serde_json::from_str::<ErrorBody>(r#"{"code":"JobTimeout"}"#).unwrap().is("JobTimeout"));
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = Secret::from("sesame-123");
        assert!(!format!("{secret:?}").contains("sesame"));
        assert_eq!((secret.expose(), serde_json::to_value(&secret).unwrap()), ("sesame-123", json!("sesame-123")));
    }
}

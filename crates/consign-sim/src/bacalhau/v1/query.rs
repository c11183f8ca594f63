//! Query parameters as the server binds them.

use percent_encoding::percent_decode_str;

use super::errors::{Refused, api_error};

/// The query of a request, decoded.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn new(query: &str) -> Self {
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (decode(k), decode(v))).collect(),
        )
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.all(name).next().unwrap_or_default().to_owned()
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refused> {
        match self.all(name).next().unwrap_or_default() {
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            other => Err(unreadable("ParseBool", other, "invalid syntax")),
        }
    }

    /// A whole number from 0 to `most`.
    pub(crate) fn number(&self, name: &str, most: u64) -> Result<u64, Refused> {
        let text = self.all(name).next().unwrap_or_default();
        if text.is_empty() {
            return Ok(0);
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(unreadable("ParseUint", text, "invalid syntax"));
        }
        let number = text.parse().ok().filter(|number| *number <= most);
        number.ok_or_else(|| unreadable("ParseUint", text, "value out of range"))
    }

    /// A whole number that may be negative.
    pub(crate) fn integer(&self, name: &str) -> Result<i64, Refused> {
        let text = self.all(name).next().filter(|text| !text.is_empty()).unwrap_or("0");
        text.parse().map_err(|_| unreadable("ParseInt", text, "invalid syntax"))
    }
}

fn unreadable(what: &str, text: &str, why: &str) -> Refused {
    let why = format!("strconv.{what}: parsing \"{text}\": {why}");
    api_error(400, &format!("code=400, message={why}, internal={why}"))
}

//! The query of a request, or a form with the same writing.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Decoded pairs.
pub(crate) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub(crate) fn new(query: &'a str) -> Self {
        let decode = |text: &'a str| -> Cow<'a, str> {
            if text.contains('+') {
                return percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned().into();
            }
            percent_decode_str(text).decode_utf8_lossy()
        };
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self(pairs.map(|(name, value)| (decode(name), decode(value))).collect())
    }

    /// The first value of a name, empty or not.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_ref())
    }
}

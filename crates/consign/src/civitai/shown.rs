//! What is shown of a spec: web addresses without the parts that may be secret, long texts cut short.
use std::fmt;

use serde_json::{Map, Value};

/// How much of a text is shown, in characters.
const LONGEST: usize = 200;

/// A web address without user name, password, query and fragment: a callback's secret belongs into its
/// query, and a signed address is a credential.
pub(crate) fn url(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let (scheme, rest) = text[..end].rsplit_once("://").map_or(("", &text[..end]), |(scheme, rest)| (scheme, rest));
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host.to_owned(), |(_, host)| format!("…@{host}"));
    let colon = if text[..end].contains("://") { "://" } else { "" };
    let cut = if end < text.len() { "?…" } else { "" };
    format!("{scheme}{colon}{host}{path}{cut}")
}

/// The values of a web address's query, each of which may be a secret.
pub(crate) fn query_values(url: &str) -> impl Iterator<Item = &str> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query.split(['&', '#']).filter_map(|pair| pair.split_once('=')).map(|(_, value)| value)
}

/// JSON as it may be shown.
pub(crate) struct Shown<'a>(pub(crate) &'a Value);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Object(members) => members_of(members, f),
            Value::Array(items) => f.debug_list().entries(items.iter().map(Shown)).finish(),
            Value::String(text) => {
                let is_url = text.split_once("://").is_some_and(|(s, _)| s.bytes().all(|b| b.is_ascii_alphanumeric()));
                let text = if is_url { url(text) } else { text.clone() };
                match text.char_indices().nth(LONGEST) {
                    Some((end, _)) => write!(f, "{:?}… ({} bytes)", &text[..end], text.len()),
                    None => fmt::Debug::fmt(&text, f),
                }
            }
            plain => write!(f, "{plain}"),
        }
    }
}

/// Writes a JSON object as it may be shown.
pub(crate) fn members_of(members: &Map<String, Value>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.debug_map().entries(members.iter().map(|(name, value)| (name, Shown(value)))).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        let table = [
            ("https://hooks.example.com/civitai?secret=s&x=1", "https://hooks.example.com/civitai?…"),
            ("https://u:p@hooks.example.com:8443/a/b@c#frag", "https://…@hooks.example.com:8443/a/b@c?…"),
            ("https://hooks.example.com", "https://hooks.example.com"),
            ("x:https://u:p@a", "x:https://…@a"),
            ("x://https://u:p@a", "x://https://…@a"),
            ("hooks.example.com/x?secret=s", "hooks.example.com/x?…"),
            ("u:p@host", "…@host"),
            ("", ""),
        ];
        for (text, shown) in table {
            assert_eq!(url(text), shown);
        }
        let values: Vec<_> = query_values("https://a/b?secret=s3cret&x=&y#z=1").collect();
        assert_eq!(values, ["s3cret", "", "1"]);
    }

    #[test]
    fn json_is_shown_with_its_addresses_and_long_texts_cut() {
        let json = json!({"a": ["https://x/y?sig=1", 2, null], "b": "is this a cat? or a dog?", "c": "é".repeat(500)});
        let text = format!("{:?}", Shown(&json));
        assert!(text.contains(r#""a": ["https://x/y?…", 2, null]"#), "{text}");
        assert!(text.contains("is this a cat? or a dog?"), "{text}");
        assert!(text.len() < 700 && text.contains("(1000 bytes)"), "{text}");
    }
}

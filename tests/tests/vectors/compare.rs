//! Equality as the vectors mean it: of JSON values along a document, and of requests.
use std::collections::BTreeSet;

use consign_http::Operation;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::line::{Body, Part, Recorded};
use crate::server::Sent;
use crate::spec::{Shape, Spec};

/// What is compared.
#[derive(Clone, Copy, PartialEq)]
pub enum Side {
    /// A request's body: what was sent against what was recorded.
    Request,
    /// An answer: what was encoded back against what was received. Members that the document does not describe
    /// may be missing, and a known value may change case.
    Reply,
}

/// Whether two values of a component are equal by a rule of its own; `None`: by the general rules.
pub type Special = fn(component: &str, expected: &Value, actual: &Value) -> Option<bool>;

pub struct Compare<'a> {
    pub spec: &'a Spec,
    pub side: Side,
    pub special: Special,
    /// What differs, each with its JSON pointer.
    pub differences: Vec<String>,
}

impl Compare<'_> {
    pub fn walk(&mut self, schema: &Value, expected: &Value, actual: &Value, at: &str) {
        if let Some(equal) = self.spec.name(schema).and_then(|name| (self.special)(name, expected, actual)) {
            return self.must(equal, at, expected, actual);
        }
        match (self.spec.shape(schema, expected), expected, actual) {
            (Shape::Object(members), Value::Object(e), Value::Object(a)) => {
                for name in e.keys().chain(a.keys()).map(String::as_str).collect::<BTreeSet<_>>() {
                    self.member(members.get(name).copied(), name, e, a, at);
                }
            }
            (Shape::Map(item), Value::Object(e), Value::Object(a)) => {
                for name in e.keys().chain(a.keys()).map(String::as_str).collect::<BTreeSet<_>>() {
                    self.member(Some(item), name, e, a, at);
                }
            }
            (Shape::List(item), Value::Array(e), Value::Array(a)) if e.len() == a.len() => {
                for (n, (e, a)) in e.iter().zip(a).enumerate() {
                    self.walk(item, e, a, &format!("{at}/{n}"));
                }
            }
            (Shape::Text(known), Value::String(e), Value::String(a)) if self.side == Side::Reply => {
                let same_word = e.eq_ignore_ascii_case(a) && known.iter().any(|word| word.eq_ignore_ascii_case(e));
                self.must(e == a || same_word, at, expected, actual);
            }
            (Shape::OneOf(forms), ..) => match self.spec.choose(&forms, expected) {
                Some(form) => self.walk(form, expected, actual, at),
                None => self.must(same(expected, actual), at, expected, actual),
            },
            _ => self.must(same(expected, actual), at, expected, actual),
        }
    }
    fn member(&mut self, schema: Option<&Value>, name: &str, e: &Map<String, Value>, a: &Map<String, Value>, at: &str) {
        let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        let Some(schema) = schema else {
            return match (e.get(name), a.get(name)) {
                (Some(_), None) if self.side == Side::Reply => {}
                (e, a) => self.must(
                    e.zip(a).is_some_and(|(e, a)| same(e, a)),
                    &at,
                    e.unwrap_or(&Value::Null),
                    a.unwrap_or(&Value::Null),
                ),
            };
        };
        // A described member may be null or absent alike.
        let there = |value: Option<&Value>| value.cloned().unwrap_or_default();
        match (there(e.get(name)), there(a.get(name))) {
            (Value::Null, Value::Null) => {}
            (e @ Value::Null, a) | (e, a @ Value::Null) => self.must(false, &at, &e, &a),
            (e, a) => self.walk(schema, &e, &a, &at),
        }
    }
    fn must(&mut self, equal: bool, at: &str, expected: &Value, actual: &Value) {
        if !equal {
            self.differences.push(format!("{at}: expected {expected}, found {actual}"));
        }
    }
}

/// Equal by value: integers exactly, other numbers as floats, 7 as 7.0; null is not absent.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            let integers =
                (x.as_i64().zip(y.as_i64()).map(|(x, y)| x == y)).or(x.as_u64().zip(y.as_u64()).map(|(x, y)| x == y));
            let both_whole = (x.is_i64() || x.is_u64()) && (y.is_i64() || y.is_u64());
            integers.unwrap_or(!both_whole && x.as_f64() == y.as_f64())
        }
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(name, x)| y.get(name).is_some_and(|y| same(x, y)))
        }
        _ => a == b,
    }
}

/// Headers that are not compared: a label that the server ignores, and what is new for each signature.
const FREE: [&str; 3] = ["x-chutes-userid", "x-chutes-nonce", "x-chutes-signature"];

/// How a sent request differs from the recorded one.
pub fn request(
    spec: &Spec,
    special: Special,
    operation: &Operation,
    recorded: &Recorded,
    exact_path: bool,
    sent: &Sent,
) -> Result<Vec<String>, String> {
    let mut differences = Vec::new();
    let mut must = |equal: bool, what: &str, expected: &dyn std::fmt::Debug, found: &dyn std::fmt::Debug| {
        if !equal {
            differences.push(format!("{what}: expected {expected:?}, found {found:?}"));
        }
    };
    must(recorded.method == sent.method, "method", &recorded.method, &sent.method);

    let (path, query) = sent.target.split_once('?').unwrap_or((&sent.target, ""));
    if exact_path {
        must(recorded.path == path, "path", &recorded.path, &path);
    } else {
        let (expected, found) = (segments(&recorded.path), segments(path));
        must(expected == found, "path", &expected, &found);
    }

    let normal = |pairs: Vec<(String, String)>| {
        let mut pairs: Vec<_> = pairs
            .into_iter()
            .map(|(name, value)| {
                let value = match spec.query_type(operation.id, &name) {
                    "boolean" => value.to_lowercase(),
                    "integer" | "number" => value.parse::<f64>().map_or(value, |number| number.to_string()),
                    _ => value,
                };
                (name, value)
            })
            .collect();
        pairs.sort();
        pairs
    };
    let (expected, found) = (normal(recorded.query.clone()), normal(pairs(query)));
    must(expected == found, "query", &expected, &found);
    if let Some(raw) = &recorded.raw_query {
        let raw = normal(pairs(raw));
        must(expected == raw, "raw_query beside query", &expected, &raw);
    }

    let headers = recorded.headers()?;
    let text = |value: Option<&[u8]>| value.map(|value| String::from_utf8_lossy(value).into_owned());
    let media = |value: Option<&[u8]>| {
        text(value).map(|value| value.split(';').next().unwrap_or_default().trim().to_lowercase())
    };
    let body = recorded.body()?;
    let names = headers.keys().chain(sent.headers.iter().map(|(name, _)| name));
    for name in names.filter(|name| name.starts_with("x-") && !FREE.contains(&name.as_str())).collect::<BTreeSet<_>>() {
        let (expected, found) = (headers.get(name).map(Vec::as_slice), sent.header(name));
        must(expected == found, name, &text(expected), &text(found));
    }
    if body != Body::None {
        let (expected, found) =
            (media(headers.get("content-type").map(Vec::as_slice)), media(sent.header("content-type")));
        must(expected == found, "content-type", &expected, &found);
    } else {
        must(
            sent.header("content-type").is_none(),
            "content-type without a body",
            &None::<()>,
            &media(sent.header("content-type")),
        );
    }

    match body {
        Body::None => must(sent.body.is_empty(), "body", &"", &String::from_utf8_lossy(&sent.body)),
        Body::Bytes(bytes) => must(bytes == sent.body, "body", &bytes, &sent.body),
        Body::Parts(expected) => match parts(sent) {
            Ok(found) => {
                let alike = |e: &Part, f: &Part| {
                    let media = |part: &Part| part.media.as_deref().and_then(|m| media(Some(m.as_bytes())));
                    e.name == f.name
                        && e.bytes == f.bytes
                        && e.file_name.is_some() == f.file_name.is_some()
                        && media(e) == media(f)
                };
                let equal = expected.len() == found.len() && expected.iter().zip(&found).all(|(e, f)| alike(e, f));
                must(equal, "parts", &expected, &found);
            }
            Err(error) => must(false, "parts", &expected, &error),
        },
        Body::Json(text) => {
            let expected: Value = serde_json::from_str(&text).map_err(|error| format!("the recorded body: {error}"))?;
            match serde_json::from_slice::<Value>(&sent.body) {
                Ok(actual) => {
                    let mut compare = Compare { spec, side: Side::Request, special, differences: Vec::new() };
                    compare.walk(spec.request_schema(operation.id), &expected, &actual, "");
                    differences.extend(compare.differences.into_iter().map(|what| format!("body{what}")));
                }
                Err(error) => must(false, "body", &text, &error),
            }
        }
    }
    Ok(differences)
}

/// The parts of a form as it was sent.
fn parts(sent: &Sent) -> Result<Vec<Part>, String> {
    let header = |text: &str, name: &str| {
        let lines = text.split("\r\n").filter_map(|line| line.split_once(':'));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).next()
    };
    let media = String::from_utf8_lossy(sent.header("content-type").unwrap_or_default()).into_owned();
    let boundary = media.split("boundary=").nth(1).ok_or("no boundary")?.trim_matches('"');
    let mark = format!("\r\n--{boundary}");
    let body = [b"\r\n", sent.body.as_slice()].concat();
    let mut pieces = Vec::new();
    let mut rest = body.as_slice();
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark.as_bytes()) {
        pieces.push(&rest[..at]);
        rest = &rest[at + mark.len()..];
    }
    if !rest.starts_with(b"--") {
        return Err("the form has no end".to_owned());
    }
    let read = |piece: &&[u8]| {
        let piece = piece.strip_prefix(b"\r\n").ok_or("a part without a line break before it")?;
        let end = piece.windows(4).position(|window| window == b"\r\n\r\n").ok_or("a part without a head")?;
        let (head, bytes) = (String::from_utf8_lossy(&piece[..end]).into_owned(), piece[end + 4..].to_vec());
        let disposition = header(&head, "content-disposition").ok_or("a part without a disposition")?;
        let value = |name: &str| {
            let mut values = disposition.split("; ").filter_map(|pair| pair.split_once('='));
            values.find(|(found, _)| *found == name).map(|(_, value)| value.trim_matches('"').to_owned())
        };
        let name = value("name").ok_or("a part without a name")?;
        Ok(Part { name, file_name: value("filename"), media: header(&head, "content-type"), bytes })
    };
    pieces.iter().skip(1).map(read).collect()
}

/// The segments of a path, percent-decoded.
pub fn segments(path: &str) -> Vec<String> {
    path.split('/').map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect()
}

/// The pairs of a query, decoded; `+` is a blank.
pub fn pairs(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

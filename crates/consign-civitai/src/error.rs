//! Unsuccessful answers: problem documents, complaints by member, one-sentence errors, web pages, nothing.
use consign_http::{ErrorDetail, ErrorKind, Failure};
use serde_json::{Map, Value};

/// Complaints by member of the request, each with its messages.
type Fields = Vec<(String, Vec<String>)>;

/// Reads an unsuccessful answer of the service in any of its forms.
///
/// The message is the first that exists of: the complaints by member, `detail`, `error`, `message`, `title`. If
/// there is none, or the body is no JSON, the caller falls back to the beginning of the body. 402, and 403 with
/// a word about Buzz, are [`ErrorKind::InsufficientCredit`]; any other kind follows from the status.
pub fn read_error(failure: &Failure<'_>) -> ErrorDetail {
    let json = if failure.is_html() { None } else { serde_json::from_slice::<Value>(failure.body).ok() };
    let (message, fields) = match &json {
        Some(Value::Object(body)) => read_object(body),
        Some(Value::String(text)) => (filled(text), Vec::new()),
        _ => (None, Vec::new()),
    };
    let kind = match failure.status.as_u16() {
        402 => Some(ErrorKind::InsufficientCredit),
        403 if !failure.is_html() && names_buzz(failure.body) => Some(ErrorKind::InsufficientCredit),
        _ => None,
    };
    ErrorDetail { kind, message, fields }
}

fn read_object(body: &Map<String, Value>) -> (Option<String>, Fields) {
    let mut fields = Vec::new();
    match body.get("errors") {
        Some(Value::Object(errors)) => {
            fields.extend(errors.iter().map(|(name, messages)| (name.clone(), texts(messages))));
        }
        Some(errors) => fields.push((String::new(), texts(errors))),
        None => {}
    }
    for (name, entry) in body {
        if let Value::Object(entry) = entry
            && name != "errors"
        {
            model_state(name, entry, &mut fields);
        }
    }
    fields.retain(|(_, messages)| !messages.is_empty());
    let named = ["detail", "error", "message", "title"];
    let message = flatten(&fields).or_else(|| named.iter().find_map(|name| sentence(body.get(*name)?)));
    (message, fields)
}

/// The complaints in an entry of a model state, and in those inside it.
fn model_state(name: &str, entry: &Map<String, Value>, fields: &mut Fields) {
    if let Some(Value::Array(errors)) = entry.get("errors") {
        let words = |error: &Value| ["errorMessage", "message"].iter().find_map(|name| sentence(error.get(*name)?));
        fields.push((name.to_owned(), errors.iter().filter_map(words).collect()));
    }
    if let Some(Value::Array(children)) = entry.get("children") {
        for (n, child) in children.iter().enumerate() {
            if let Value::Object(child) = child {
                model_state(&format!("{name}[{n}]"), child, fields);
            }
        }
    }
}

/// `width: has to be larger; height: has to be larger`.
fn flatten(fields: &Fields) -> Option<String> {
    let line = |(name, messages): &(String, Vec<String>)| match name.as_str() {
        "" => messages.join(" "),
        name => format!("{name}: {}", messages.join(" ")),
    };
    filled(&fields.iter().map(line).collect::<Vec<_>>().join("; "))
}

/// A text, or the text inside `{"message": …}`.
fn sentence(value: &Value) -> Option<String> {
    filled(value.as_str().or_else(|| value.get("message")?.as_str())?)
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(sentence).collect(),
        one => sentence(one).into_iter().collect(),
    }
}

fn filled(text: &str) -> Option<String> {
    if text.trim().is_empty() { None } else { Some(text.to_owned()) }
}

fn names_buzz(body: &[u8]) -> bool {
    body.windows(4).any(|word| word.eq_ignore_ascii_case(b"buzz"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use consign_http::Error;
    use http::{HeaderMap, StatusCode};
    use std::time::SystemTime;

    fn read(status: u16, body: &str) -> ErrorDetail {
        let failure = Failure {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &HeaderMap::new(),
            body: body.as_bytes(),
        };
        read_error(&failure)
    }

    #[test]
    fn the_message_is_the_first_of_the_known_places() {
        let cases = [
            (
                r#"{"title":"T","message":"M","error":"E","detail":"D","errors":{"a":["x","y"],"b":["z"]}}"#,
                "a: x y; b: z",
            ),
            (r#"{"title":"T","message":"M","error":"E","detail":"D","errors":{}}"#, "D"),
            (r#"{"title":"T","message":"M","error":"E","detail":null}"#, "E"),
            (r#"{"title":"T","message":"M","error":""}"#, "M"),
            (r#"{"title":"T","status":404,"traceId":"00-1"}"#, "T"),
            (r#"{"error":{"message":"inside"}}"#, "inside"),
            (r#"{"errors":["one","two"]}"#, "one two"),
            (r#""just text""#, "just text"),
        ];
        for (body, message) in cases {
            assert_eq!(read(400, body).message.as_deref(), Some(message), "{body}");
        }
    }

    #[test]
    fn what_has_no_words_of_its_own_leaves_the_message_to_the_body() {
        for body in
            ["", "   ", "null", "[]", "{}", "12", "{\"title\":\"", "upstream request timeout", "<html>503</html>"]
        {
            let detail = read(503, body);
            assert_eq!((detail.message, detail.fields.len(), detail.kind), (None, 0, None), "{body}");
        }
    }

    #[test]
    fn complaints_by_member_are_read_from_validation_and_from_model_state() {
        let detail = read(400, r#"{"title":"T","errors":{"params.width":["too small"]}}"#);
        assert_eq!(detail.fields, [("params.width".to_owned(), vec!["too small".to_owned()])]);
        let state = r#"{"token":{"rawValue":"x","errors":[{"exception":null,"errorMessage":"The token is invalid"}],
            "validationState":"Invalid","children":[{"errors":[{"message":"deeper"}],"children":null}]},
            "reason":{"errors":[],"validationState":"Valid"}}"#;
        let detail = read(400, state);
        assert_eq!(detail.message.as_deref(), Some("token: The token is invalid; token[0]: deeper"));
        assert_eq!(detail.fields.len(), 2);
    }

    #[test]
    fn missing_credit_is_told_apart_from_a_refusal() {
        assert_eq!(read(403, r#"{"error":"Insufficient Buzz"}"#).kind, Some(ErrorKind::InsufficientCredit));
        assert_eq!(read(402, "").kind, Some(ErrorKind::InsufficientCredit));
        assert_eq!(read(403, r#"{"title":"Forbidden"}"#).kind, None);
        assert_eq!(read(403, "<html>buzz</html>").kind, None);
    }

    #[test]
    fn a_web_page_becomes_a_gateway_error_with_a_snippet() {
        let failure = Failure {
            status: StatusCode::BAD_GATEWAY,
            headers: &HeaderMap::new(),
            body: b"<html>\n<title>502 Bad Gateway</title></html>",
        };
        let error = Error::answer(&failure, Some(read_error), SystemTime::UNIX_EPOCH);
        assert_eq!(error.kind(), ErrorKind::Gateway);
        assert!(error.message().contains("502 Bad Gateway"), "{}", error.message());
    }
}

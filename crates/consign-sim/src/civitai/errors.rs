//! The forms in which Civitai refuses: problem documents, validation errors, model state, XML of the blob host.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::chance::{hash, mix};
use crate::faults::response;

const PROBLEM: &str = "application/problem+json; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";

/// An answer that refuses.
pub(crate) type Refused = Box<Response<Bytes>>;

/// Validation errors: field path to messages.
#[derive(Debug, Default)]
pub(crate) struct Fields(BTreeMap<String, Vec<String>>);

impl Fields {
    pub(crate) fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.entry(path.into()).or_default().push(message.into());
    }

    pub(crate) fn one(path: &str, message: impl Into<String>) -> Self {
        let mut fields = Self::default();
        fields.add(path, message);
        fields
    }

    /// Takes over the errors of `other`.
    pub(crate) fn extend(&mut self, other: Self) {
        for (path, messages) in other.0 {
            self.0.entry(path).or_default().extend(messages);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// 400 with these errors.
    pub(crate) fn response(&self) -> Refused {
        let mut body = document(StatusCode::BAD_REQUEST, "One or more validation errors occurred.");
        body.insert("errors".to_owned(), json!(self.0));
        Box::new(response(StatusCode::BAD_REQUEST, PROBLEM, Value::Object(body).to_string()))
    }
}

fn document(status: StatusCode, title: &str) -> Map<String, Value> {
    let section = match status.as_u16() {
        400 => "15.5.1",
        404 => "15.5.5",
        405 => "15.5.6",
        413 => "15.5.14",
        415 => "15.5.16",
        _ => "15",
    };
    let trace = hash(title.as_bytes());
    let mut body = Map::new();
    body.insert("type".to_owned(), json!(format!("https://tools.ietf.org/html/rfc9110#section-{section}")));
    body.insert("title".to_owned(), json!(title));
    body.insert("status".to_owned(), json!(status.as_u16()));
    body.insert(
        "traceId".to_owned(),
        json!(format!("00-{trace:016x}{:016x}-{:016x}-00", mix(trace, 1), mix(trace, 2))),
    );
    body
}

/// A problem document with the status's own title.
pub(crate) fn problem(status: StatusCode) -> Refused {
    let title = status.canonical_reason().unwrap_or("Error");
    Box::new(response(status, PROBLEM, Value::Object(document(status, title)).to_string()))
}

/// 400 with a `detail`.
pub(crate) fn bad_request(detail: &str) -> Refused {
    let mut body = document(StatusCode::BAD_REQUEST, "Bad Request");
    body.insert("detail".to_owned(), json!(detail));
    Box::new(response(StatusCode::BAD_REQUEST, PROBLEM, Value::Object(body).to_string()))
}

/// 404.
pub(crate) fn not_found() -> Refused {
    problem(StatusCode::NOT_FOUND)
}

/// 403 for an account without enough credit; no problem document.
pub(crate) fn insufficient_credit() -> Refused {
    Box::new(response(StatusCode::FORBIDDEN, JSON, json!({"error": "Insufficient Buzz"}).to_string()))
}

/// 400 in the form of the operation that taints by token or properties: a map of model state entries.
pub(crate) fn model_state(field: &str, value: Option<&str>, message: &str) -> Refused {
    let entry = json!({
        "rawValue": value, "attemptedValue": value,
        "errors": [{"exception": null, "errorMessage": message}],
        "validationState": "Invalid", "isContainerNode": false, "children": null,
    });
    let mut body = Map::new();
    body.insert(field.to_owned(), entry);
    Box::new(response(StatusCode::BAD_REQUEST, JSON, Value::Object(body).to_string()))
}

/// A status without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = status;
    reply
}

/// JSON with a status.
pub(crate) fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    response(status, JSON, body.to_string())
}

/// A refusal of the blob host.
pub(crate) fn blob_error(status: StatusCode, code: &str, message: &str) -> Refused {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    Box::new(response(status, "application/xml", body))
}

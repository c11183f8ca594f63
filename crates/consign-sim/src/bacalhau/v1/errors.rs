//! The forms in which the v1 API answers and refuses.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::faults::response;

/// An answer that refuses.
pub(crate) type Refused = Box<Response<Bytes>>;

/// A refusal before it has its request id.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) message: String,
    pub(crate) code: &'static str,
    pub(crate) component: &'static str,
    pub(crate) hint: &'static str,
    pub(crate) details: Value,
}

impl ApiError {
    pub(crate) fn new(status: u16, message: impl Into<String>, code: &'static str, component: &'static str) -> Self {
        Self { status, message: message.into(), code, component, hint: "", details: Value::Null }
    }

    pub(crate) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    pub(crate) fn details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    pub(crate) fn refuse(self) -> Refused {
        let mut body = json!({
            "Status": self.status, "Message": self.message, "RequestID": "", "Code": self.code,
            "Component": self.component,
        });
        if !self.hint.is_empty() {
            body["Hint"] = json!(self.hint);
        }
        if !self.details.is_null() {
            body["Details"] = self.details;
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Box::new(json(status, &body))
    }
}

/// A refusal of the HTTP layer.
pub(crate) fn api_error(status: u16, message: &str) -> Refused {
    ApiError::new(status, message, "InternalError", "APIServer").refuse()
}

/// A refusal of the job store.
pub(crate) fn bad_request(message: impl Into<String>) -> Refused {
    ApiError::new(400, message, "BadRequest", "JobStore").refuse()
}

/// The job store does not know it.
pub(crate) fn not_found(message: impl Into<String>) -> Refused {
    ApiError::new(404, message, "NotFound", "JobStore").refuse()
}

/// What the server did not expect.
pub(crate) fn unforeseen() -> Refused {
    ApiError::new(500, "Internal server error", "InternalError", "Unknown").refuse()
}

/// No such route.
pub(crate) fn no_route() -> Refused {
    let hint = "The server version may be older than this CLI version and does not support the endpoint yet.";
    let usage = "If you are using the CLI, try updating your server to a newer version or check if the command is \
                 supported in your server version.";
    let message = "The requested resource/URL was not found.";
    ApiError::new(404, message, "NotFound", "APIServer").hint(hint).details(json!({"cli_usage": usage})).refuse()
}

/// JSON with a status, written as Go writes it.
pub(crate) fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    let text = escaped(&body.to_string());
    response(status, "application/json", text + "\n")
}

/// JSON text with the characters escaped that Go escapes for the sake of HTML.
pub(crate) fn escaped(text: &str) -> String {
    if !text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return text.to_owned();
    }
    let mut all = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        match c {
            '<' => all.push_str("\\u003c"),
            '>' => all.push_str("\\u003e"),
            '&' => all.push_str("\\u0026"),
            '\u{2028}' => all.push_str("\\u2028"),
            '\u{2029}' => all.push_str("\\u2029"),
            other => all.push(other),
        }
    }
    all
}

//! The forms in which NuMind refuses: JSON with a code, plain text for what could not be decoded, nothing at all.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::faults::response;

/// An answer that refuses.
pub(crate) type Refused = Box<Response<Bytes>>;

/// An answer, or a refusal on the way to it.
pub(crate) type Answer = Result<Response<Bytes>, Refused>;

/// JSON with status 200.
pub(crate) fn ok(body: &Value) -> Response<Bytes> {
    with_status(StatusCode::OK, body)
}

pub(crate) fn with_status(status: StatusCode, body: &Value) -> Response<Bytes> {
    response(status, "application/json", body.to_string())
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = status;
    reply
}

/// A refusal with code and message.
pub(crate) fn error(status: StatusCode, code: &str, message: &str) -> Refused {
    Box::new(with_status(status, &json!({"code": code, "message": message})))
}

/// 400 in plain text, as for everything that could not be decoded: `query parameter skip`, `body (…)`.
pub(crate) fn invalid(what: &str) -> Refused {
    let text = format!("Invalid value for: {what}");
    Box::new(response(StatusCode::BAD_REQUEST, "text/plain; charset=UTF-8", text))
}

/// 404 for a thing: `Job`, `Project`, …
pub(crate) fn not_found(what: &str) -> Refused {
    error(StatusCode::NOT_FOUND, &format!("{what}NotFound"), &format!("{what} not found"))
}

/// 403 for somebody else's thing.
pub(crate) fn forbidden(what: &str) -> Refused {
    let message = format!("You do not have access to this {}", what.to_lowercase());
    error(StatusCode::FORBIDDEN, "Forbidden", &message)
}

/// 403 because nothing is left of what the account may use.
pub(crate) fn quota() -> Refused {
    error(StatusCode::FORBIDDEN, "QuotaExceeded", "Quota exceeded, please upgrade your plan")
}

/// 415.
pub(crate) fn media_type() -> Refused {
    error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", "Unsupported content type")
}

/// 404 for an address that does not exist.
pub(crate) fn no_route() -> Refused {
    error(StatusCode::NOT_FOUND, "NotFound", "There is no such address")
}

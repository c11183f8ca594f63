//! Unsuccessful answers: a code with a message, plain text, web pages, nothing.
use consign_http::{Error, ErrorDetail, ErrorKind, Failure};
use serde_json::Value;

use crate::wire::ErrorBody;

/// The code of an answer that the quota of the account is used up.
pub const QUOTA_EXCEEDED: &str = "QuotaExceeded";
/// The code of an answer that a result was asked for before its job had ended.
pub const JOB_NOT_COMPLETED: &str = "JobNotCompleted";
/// The code of an event that tells that a job ran out of time.
pub const JOB_TIMEOUT: &str = "JobTimeout";

/// Reads an unsuccessful answer of the service in any of its forms.
///
/// The message is the body's `message`, else its `code`. If there is neither, or the body is no JSON object, the
/// caller falls back to the beginning of the body. 402, and 403 with [`QUOTA_EXCEEDED`] or a word about the quota, are
/// [`ErrorKind::InsufficientCredit`]; 400 with [`JOB_NOT_COMPLETED`] is [`ErrorKind::Conflict`]; any other kind follows
/// from the status.
pub fn read_error(failure: &Failure<'_>) -> ErrorDetail {
    let body = if failure.is_html() { None } else { body_of(failure.body) };
    let message = body.as_ref().and_then(ErrorBody::words);
    let about_quota = || message.as_ref().is_some_and(|words| words.to_ascii_lowercase().contains("quota"));
    let is = |code: &str| body.as_ref().is_some_and(|body| body.is(code));
    let kind = match failure.status.as_u16() {
        402 => Some(ErrorKind::InsufficientCredit),
        403 if is(QUOTA_EXCEEDED) || about_quota() => Some(ErrorKind::InsufficientCredit),
        400 if is(JOB_NOT_COMPLETED) => Some(ErrorKind::Conflict),
        _ => None,
    };
    ErrorDetail { kind, message, fields: Vec::new() }
}

/// The code in the answer that an error keeps, such as [`QUOTA_EXCEEDED`]. Few codes are known for sure: decide by
/// kind and status first.
pub fn error_code(error: &Error) -> Option<String> {
    let code = body_of(error.body().as_bytes())?.code?;
    Some(code.text().into_owned())
}

fn body_of(bytes: &[u8]) -> Option<ErrorBody> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    if value.is_object() { serde_json::from_value(value).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, StatusCode};
    use std::time::SystemTime;

    fn error(status: u16, body: &str) -> Error {
        let status = StatusCode::from_u16(status).unwrap();
        let failure = Failure { status, headers: &HeaderMap::new(), body: body.as_bytes() };
        Error::answer(&failure, Some(read_error), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn every_form_gives_its_words_and_its_kind() {
        let cases = [
            (404, r#"{"code":"JobNotFound","message":"Job not found"}"#, ErrorKind::NotFound, "Job not found"),
            (403, r#"{"code":"Forbidden","message":"Not allowed"}"#, ErrorKind::Forbidden, "Not allowed"),
            (403, r#"{"code":"QuotaExceeded","message":"Upgrade"}"#, ErrorKind::InsufficientCredit, "Upgrade"),
            (403, r#"{"message":"Billing quota exceeded"}"#, ErrorKind::InsufficientCredit, "Billing quota exceeded"),
            (402, "", ErrorKind::InsufficientCredit, "no reason given"),
            (400, r#"{"code":"JobNotCompleted","message":"Too early"}"#, ErrorKind::Conflict, "Too early"),
            (
                400,
                "Invalid value for: query parameter skip",
                ErrorKind::InvalidRequest,
                "Invalid value for: query parameter skip",
            ),
            (
                413,
                r#"{"code":413,"message":"Request Entity Too Large"}"#,
                ErrorKind::Status,
                "Request Entity Too Large",
            ),
            (500, r#"{"code":"InternalError"}"#, ErrorKind::Server, "InternalError"),
            (500, "", ErrorKind::Server, "no reason given"),
            (500, "[1]", ErrorKind::Server, "[1]"),
            (500, r#"{"code":{"a":1},"message":["x"]}"#, ErrorKind::Server, r#"["x"]"#),
            (503, "upstream connect error", ErrorKind::Gateway, "upstream connect error"),
        ];
        for (status, body, kind, message) in cases {
            let error = error(status, body);
            assert_eq!((error.kind(), error.message()), (kind, message), "{status} {body}");
        }
        let page = error(502, "<html><title>502 Bad Gateway</title></html>");
        assert_eq!(page.kind(), ErrorKind::Gateway);
        assert!(page.message().contains("502 Bad Gateway"));
    }

    #[test]
    fn the_code_can_be_had_from_an_error() {
        assert_eq!(error_code(&error(404, r#"{"code":"JobNotFound","message":"m"}"#)).as_deref(), Some("JobNotFound"));
        assert_eq!(error_code(&error(413, r#"{"code":413}"#)).as_deref(), Some("413"));
        assert_eq!(error_code(&error(500, "nothing")), None);
    }
}

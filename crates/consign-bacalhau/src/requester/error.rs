//! Unsuccessful answers of the requester interface: JSON as text, plain text, or a newer server's refusal.
use consign_http::{Error, ErrorDetail, ErrorKind, Failure};

use super::types;

/// Reads an unsuccessful answer in any of its forms.
///
/// The message is that of the JSON, or the JSON string, or else the caller takes the text. A job that is not there is
/// [`ErrorKind::NotFound`], also under 400 and 500; one that has ended already [`ErrorKind::Conflict`]; 404 and 410
/// mean that the server has no such interface any more: [`ErrorKind::Unsupported`]. A submission for which no node
/// was found is [`ErrorKind::JobFailed`]: the job exists, and its id is in the header `x-bacalhau-job-id`.
pub fn read_error(failure: &Failure<'_>) -> ErrorDetail {
    let body = if failure.is_html() { &[] } else { failure.body.trim_ascii() };
    let json = serde_json::from_slice::<types::ApiError>(body).ok();
    let code = json.as_ref().and_then(|error| error.code.as_deref());
    let message = match &json {
        Some(error) => [&error.message, &error.err].into_iter().flatten().find(|text| !text.trim().is_empty()).cloned(),
        None => serde_json::from_slice::<String>(body).ok().filter(|text| !text.trim().is_empty()),
    };
    let text = message.clone().unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()).to_ascii_lowercase();
    let kind = match failure.status.as_u16() {
        400 if code == Some("error-job-not-found") => Some(ErrorKind::NotFound),
        404 | 410 => Some(ErrorKind::Unsupported),
        413 => Some(ErrorKind::InvalidRequest),
        500 if text.starts_with("job not found") => Some(ErrorKind::NotFound),
        500 if text.contains("terminal state") => Some(ErrorKind::Conflict),
        500 if text.starts_with("not enough nodes to run job") => Some(ErrorKind::JobFailed),
        _ => None,
    };
    ErrorDetail { kind, message, fields: Vec::new() }
}

/// The members of an error that came as JSON, such as its code; `None` if it came in another form.
pub fn error_body(error: &Error) -> Option<types::ApiError> {
    serde_json::from_str(error.body()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use consign_http::Delivery;
    use http::{HeaderMap, StatusCode};
    use std::time::SystemTime;

    fn error(status: u16, body: &str) -> Error {
        let failure = Failure {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &HeaderMap::new(),
            body: body.as_bytes(),
        };
        Error::answer(&failure, Some(read_error), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn every_form_of_body_gives_its_words_and_its_kind() {
        let json = |code: &str, message: &str| {
            format!("{{\"Code\":{code:?},\"Message\":{message:?},\"Details\":{{}},\"Err\":\"e\"}}\n")
        };
        let unknown = "error-unknown-server-error";
        let cases = [
            (400, json(unknown, "concurrency must be >= 1"), "concurrency must be >= 1", ErrorKind::InvalidRequest),
            (400, json("error-job-not-found", "Job not found. ID: 9"), "Job not found. ID: 9", ErrorKind::NotFound),
            (400, json(unknown, ""), "e", ErrorKind::InvalidRequest),
            (400, "EOF\n".to_owned(), "EOF", ErrorKind::InvalidRequest),
            (403, json(unknown, "mismatched client id: a"), "mismatched client id: a", ErrorKind::Forbidden),
            (410, "\"use /api/v1\"".to_owned(), "use /api/v1", ErrorKind::Unsupported),
            (404, "404 page not found\n".to_owned(), "404 page not found", ErrorKind::Unsupported),
            (429, "You have reached maximum request limit.".to_owned(), "You have reached", ErrorKind::RateLimited),
            (500, "Job not found. ID: 9304\n".to_owned(), "Job not found. ID: 9304", ErrorKind::NotFound),
            (500, "job 9 is already in a terminal state\n".to_owned(), "terminal state", ErrorKind::Conflict),
            (500, "something else\n".to_owned(), "something else", ErrorKind::Server),
            (502, "<html><title>Bad Gateway</title></html>".to_owned(), "Bad Gateway", ErrorKind::Gateway),
            (503, "Server Timeout!".to_owned(), "Server Timeout!", ErrorKind::Gateway),
            (500, String::new(), "no reason given", ErrorKind::Server),
        ];
        for (status, body, message, kind) in cases {
            let error = error(status, &body);
            assert!(error.message().contains(message), "{body}: {}", error.message());
            assert_eq!(error.kind(), kind, "{body}");
        }
    }

    #[test]
    fn a_job_for_which_no_node_was_found_exists_and_a_refusal_did_nothing() {
        let failed = error(500, "not enough nodes to run job. requested: 1, available: 0\n");
        assert_eq!((failed.kind(), failed.delivery()), (ErrorKind::JobFailed, Delivery::Unknown));
        assert_eq!(failed.retry(), consign_http::Retry::Never);
        let ended = error(500, "job 9 is already in a terminal state");
        assert_eq!(ended.delivery(), Delivery::Rejected);
        assert_eq!(error(503, "Server Timeout!").delivery(), Delivery::Unknown);
    }

    #[test]
    fn the_code_can_be_read_from_the_error() {
        let error = error(400, r#"{"Code":"error-job-not-found","Message":"m","Details":{"id":"9"},"Err":"m"}"#);
        let body = error_body(&error).unwrap();
        assert_eq!(body.code.as_deref(), Some("error-job-not-found"));
        assert_eq!(body.details.unwrap()["id"], "9");
    }
}

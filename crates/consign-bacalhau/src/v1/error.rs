//! Unsuccessful answers of the v1 interface: JSON with a code, a refusal of an old client, plain text.
use consign_http::{Error, ErrorDetail, ErrorKind, Failure};

use super::types;

/// Codes of 500 that say that the state of the thing does not allow it.
const CONFLICTS: [&str; 3] = ["ConflictJobState", "ConflictJobRevision", "ConflictNodeState"];

/// Reads an unsuccessful answer in any of its forms.
///
/// The message is the server's, with the reason and the hint that it gives. The kind follows the status, then the
/// code: a route that the server does not have is [`ErrorKind::Unsupported`], not a missing job; a 500 with a
/// conflict, or with an empty code, is [`ErrorKind::Conflict`] and final; an ambiguous id is
/// [`ErrorKind::InvalidRequest`].
pub fn read_error(failure: &Failure<'_>) -> ErrorDetail {
    let json = if failure.is_html() { None } else { serde_json::from_slice::<types::ApiError>(failure.body).ok() };
    let Some(error) = json else {
        let text = serde_json::from_slice::<String>(failure.body).ok();
        let kind = (failure.status.as_u16() == 413).then_some(ErrorKind::InvalidRequest);
        return ErrorDetail { kind, message: text.filter(|text| !text.trim().is_empty()), fields: Vec::new() };
    };
    let (code, component) = (error.code.as_deref(), error.component.as_deref());
    let kind = match (failure.status.as_u16(), code) {
        (404, _) if component == Some("APIServer") => Some(ErrorKind::Unsupported),
        (410, _) => Some(ErrorKind::Unsupported),
        (413, _) => Some(ErrorKind::InvalidRequest),
        (500, Some("")) => Some(ErrorKind::Conflict),
        (500, Some(code)) if CONFLICTS.contains(&code) => Some(ErrorKind::Conflict),
        (500, Some("MultipleJobsFound")) => Some(ErrorKind::InvalidRequest),
        _ => None,
    };
    // Several broken rules stand one in a line.
    let rules: Vec<String> = error.message.iter().flat_map(|text| text.lines()).map(str::to_owned).collect();
    let fields = if rules.len() > 1 && failure.status.as_u16() == 400 { vec![(String::new(), rules)] } else { vec![] };
    ErrorDetail { kind, message: message(&error), fields }
}

fn message(error: &types::ApiError) -> Option<String> {
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let mut message = filled(&error.message).or_else(|| filled(&error.error))?;
    if let Some(reason) = error.details.as_ref().and_then(|details| details.get("reason")) {
        message.push_str(&format!(": {reason}"));
    }
    if let Some(version) = filled(&error.min_version) {
        message.push_str(&format!(" (at least {version})"));
    }
    if let Some(hint) = filled(&error.hint) {
        message.push_str(&format!(" (hint: {hint})"));
    }
    Some(message)
}

/// The members of an error that came as JSON: code, component, hint, details. `None` if it came in another form.
pub fn error_body(error: &Error) -> Option<types::ApiError> {
    serde_json::from_str(error.body()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use consign_http::{Delivery, Retry};
    use http::{HeaderMap, StatusCode};
    use serde_json::{Value, json};
    use std::time::SystemTime;

    fn error(status: u16, body: &str) -> Error {
        let failure = Failure {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &HeaderMap::new(),
            body: body.as_bytes(),
        };
        Error::answer(&failure, Some(read_error), SystemTime::UNIX_EPOCH)
    }

    fn body(status: u16, message: &str, code: &str, component: &str) -> Value {
        json!({"Status": status, "Message": message, "RequestID": "", "Code": code, "Component": component})
    }

    #[test]
    fn the_kind_follows_the_status_and_then_the_code() {
        let cases = [
            (404, "NotFound", "JobStore", ErrorKind::NotFound, Delivery::Rejected),
            (404, "NotFound", "APIServer", ErrorKind::Unsupported, Delivery::Rejected),
            (400, "InternalError", "APIServer", ErrorKind::InvalidRequest, Delivery::Rejected),
            (401, "Unauthorized", "Authorizer", ErrorKind::Unauthorized, Delivery::Rejected),
            (403, "Forbidden", "Authorizer", ErrorKind::Forbidden, Delivery::Rejected),
            (409, "ConflictNodeState", "NodesManager", ErrorKind::Conflict, Delivery::Rejected),
            (500, "ConflictJobState", "JobStore", ErrorKind::Conflict, Delivery::Rejected),
            (500, "", "Bacalhau", ErrorKind::Conflict, Delivery::Rejected),
            (500, "MultipleJobsFound", "JobStore", ErrorKind::InvalidRequest, Delivery::Rejected),
            (500, "InternalError", "Unknown", ErrorKind::Server, Delivery::Unknown),
            (503, "InternalError", "APIServer", ErrorKind::Gateway, Delivery::Unknown),
            (413, "InternalError", "APIServer", ErrorKind::InvalidRequest, Delivery::Rejected),
        ];
        for (status, code, component, kind, delivery) in cases {
            let error = error(status, &body(status, "m", code, component).to_string());
            assert_eq!((error.kind(), error.delivery()), (kind, delivery), "{status} {code} {component}");
            let final_ = delivery == Delivery::Rejected;
            assert_eq!(error.retry() == Retry::Never, final_, "{status} {code}");
        }
    }

    #[test]
    fn reason_and_hint_are_in_the_message_and_the_code_can_be_read() {
        let mut body = body(401, "Request Unauthorized", "Unauthorized", "Authorizer");
        body["Hint"] = json!("ask somebody");
        body["Details"] = json!({"reason": "Missing Authorization header"});
        let error = error(401, &body.to_string());
        assert_eq!(error.message(), "Request Unauthorized: Missing Authorization header (hint: ask somebody)");
        assert_eq!(error_body(&error).unwrap().code.as_deref(), Some("Unauthorized"));
    }

    #[test]
    fn broken_rules_are_told_one_by_one() {
        let error = error(400, &body(400, "bad type\nmissing tasks", "InternalError", "APIServer").to_string());
        assert_eq!(error.message(), "bad type missing tasks");
        let rules = vec!["bad type".to_owned(), "missing tasks".to_owned()];
        assert_eq!(error.fields(), [(String::new(), rules)]);
    }

    #[test]
    fn other_forms_give_their_words() {
        let old = json!({"Error": "Client version is outdated", "MinVersion": "1.4.0", "ClientVersion": "1.3.0"});
        assert_eq!(error(403, &old.to_string()).message(), "Client version is outdated (at least 1.4.0)");
        assert_eq!(error(503, "Server Timeout!").message(), "Server Timeout!");
        assert_eq!(error(503, "Server Timeout!").delivery(), Delivery::Unknown);
        assert_eq!(error(500, "").message(), "no reason given");
        let page = error(502, "<html><title>Bad Gateway</title></html>");
        assert_eq!(page.kind(), ErrorKind::Gateway);
        assert!(error_body(&page).is_none());
    }
}

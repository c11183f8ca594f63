//! Who may do what: names and passwords, API keys, and what each user may do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use serde_json::json;

use super::errors::{ApiError, Refused};
use super::settings::{Settings, User};

/// What a path is about. The longest beginning decides.
const RESOURCES: [(&str, &str); 7] = [
    ("/api/v1/agent/authconfig", "open"),
    ("/api/v1/agent/version", "open"),
    ("/api/v1/agent/alive", "open"),
    ("/api/v1/orchestrator/nodes", "node"),
    ("/api/v1/orchestrator/jobs", "job"),
    ("/api/v1/agent", "agent"),
    ("/api/v1/auth", "open"),
];

fn unauthorized(reason: &str) -> Refused {
    ApiError::new(401, "Request Unauthorized", "Unauthorized", "Authorizer")
        .hint("Unauthorized principal. Event has been recorded.")
        .details(json!({"reason": reason}))
        .refuse()
}

/// Lets a request through, with the alias of its user if there are users. `refused` says whether a
/// token that would be right is not taken any more.
pub(crate) fn authorize(
    settings: &Settings,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    refused: impl Fn(&str) -> bool,
) -> Result<Option<String>, Refused> {
    let resource = RESOURCES.iter().find(|(start, _)| path.starts_with(start)).map_or("", |(_, resource)| resource);
    let header = headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
    if resource == "open" {
        return Ok(None);
    }
    let secret = header.and_then(|header| header.split_once(' ')).map_or("", |(_, secret)| secret);
    if refused(secret) {
        return Err(unauthorized("invalid API key"));
    }
    if settings.users.is_empty() || !settings.version.at_least(7, 0) {
        return Ok(None);
    }
    let Some(header) = header else { return Err(unauthorized("Missing Authorization header")) };
    let user = user(&settings.users, header).map_err(unauthorized)?;
    let read = *method == Method::GET;
    let wanted = match resource {
        "" => "write:node".to_owned(),
        resource => format!("{}:{resource}", if read { "read" } else { "write" }),
    };
    let every = if wanted.starts_with("read:") { "read:*" } else { "write:*" };
    if user.capabilities.iter().any(|has| has == "*" || *has == wanted || has == every) {
        return Ok(Some(user.alias.clone()));
    }
    let reason = format!("user '{}' does not have the required capability '{wanted}'", user.alias);
    Err(ApiError::new(403, "Request Forbidden", "Forbidden", "Authorizer")
        .hint("Check if user have access to this resource. Event has been recorded.")
        .details(json!({"reason": reason}))
        .refuse())
}

fn user<'a>(users: &'a [User], header: &str) -> Result<&'a User, &'static str> {
    if let Some(encoded) = header.strip_prefix("Basic ").filter(|rest| !rest.is_empty()) {
        let decoded = BASE64.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded = decoded.ok_or("failed to decode basic auth credentials")?;
        let (name, password) = decoded.split_once(':').ok_or("invalid basic auth credentials format")?;
        let fits = |user: &&User| {
            user.login.as_ref().is_ok_and(|(known, right)| known.eq_ignore_ascii_case(name) && right == password)
        };
        return users.iter().find(fits).ok_or("invalid basic auth credentials");
    }
    if let Some(key) = header.strip_prefix("Bearer ").filter(|rest| !rest.is_empty()) {
        return users.iter().find(|user| user.login.as_ref().is_err_and(|known| known == key)).ok_or("invalid API key");
    }
    Err("unsupported authentication method")
}

//! The one error of all clients: what happened, whether it was sent, when a repeat makes sense.
use std::fmt;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};

/// How much of an unsuccessful body is kept, in bytes.
pub(crate) const BODY_KEPT: usize = 8 * 1024;

/// What kind of thing went wrong, as far as a caller would act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request cannot be right: refused here before sending, or by the server with 400 or 422.
    /// [`Error::violations`] (here) or [`Error::fields`] (server) name the members. Correct it and send again.
    InvalidRequest,
    /// A setting is missing or malformed: base URL, token, environment variable, header. Nothing was sent.
    Config,
    /// 401: the token is missing, wrong or expired.
    Unauthorized,
    /// 403 for another reason than credit.
    Forbidden,
    /// The account cannot pay for the job. Top up the account; a repeat fails the same way.
    InsufficientCredit,
    /// 404 or 410: no such job, token or address.
    NotFound,
    /// 409 or 412: the state of the thing does not allow it.
    Conflict,
    /// 429: too many requests. [`Error::retry`] says how long to wait.
    RateLimited,
    /// 502, 503, 504, or a gateway's web page: something in front of the service answered.
    Gateway,
    /// Another 5xx: the service failed.
    Server,
    /// Any other unsuccessful status, redirects included (they are never followed).
    Status,
    /// No answer in time.
    Timeout,
    /// No connection, a broken one, or a TLS failure.
    Transport,
    /// The answer is not what the operation gives. [`Error::body`] keeps its beginning.
    Decode,
    /// The answer is larger than the client's bound.
    TooLarge,
    /// The provider has no such operation; found out before any request.
    Unsupported,
    /// A wait reached its deadline; the job goes on.
    Deadline,
    /// The job could not be read, or gave no sign of life, for too many looks; it may go on.
    Unreadable,
    /// The job ended, but not with success; the job's outcome says how.
    JobFailed,
    /// The price is above the caller's cap. Nothing was submitted.
    OverBudget,
    /// A local file or folder could not be written or read.
    Io,
}

/// Whether the server may have acted on the request: the one fact that makes a repeat safe or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// Nothing reached the server; a repeat is safe.
    NotSent,
    /// It may have reached the server and may have been accepted. A repeat may do the thing twice.
    Unknown,
    /// The server answered that it refuses; nothing was started.
    Rejected,
}

/// When a repeat of the call makes sense, given that it is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// A repeat gives the same answer.
    Never,
    /// Soon, with growing pauses.
    Backoff,
    /// The server asked for this pause (`Retry-After`), counted from the answer.
    After(Duration),
    /// Not before this time: the server asked for a longer pause than the call could stay for.
    NotBefore(SystemTime),
}

/// One violated rule of a request, found before sending.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The member, as it is named on the wire: `params.width`.
    pub member: String,
    /// The refused value as text, shortened; empty if nothing was given.
    pub value: String,
    /// What is allowed: `64..=2048, a multiple of 8`.
    pub allowed: String,
}

/// All violated rules of a request, in the order of its members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// No violation yet.
    pub fn new() -> Self {
        Self::default()
    }
    /// Adds one. `value` is shortened to 80 characters.
    pub fn add(&mut self, member: impl Into<String>, value: impl fmt::Display, allowed: impl Into<String>) {
        let (text, shortened) = shorten(&value.to_string(), 80);
        let value = if shortened { format!("{text}…") } else { text };
        self.0.push(Violation { member: member.into(), value, allowed: allowed.into() });
    }
    /// Adds those of a part, with `prefix` (`params.`, `jobs[2].`) before each member.
    pub fn nest(&mut self, prefix: &str, part: Violations) {
        self.0.extend(part.0.into_iter().map(|v| Violation { member: format!("{prefix}{}", v.member), ..v }));
    }
    /// `Ok` if there is none.
    ///
    /// # Errors
    /// All of them, as one error of kind [`ErrorKind::InvalidRequest`] that was not sent.
    pub fn into_result(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::invalid(self)) }
    }
    /// The violations.
    pub fn iter(&self) -> std::slice::Iter<'_, Violation> {
        self.0.iter()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, v) in self.0.iter().enumerate() {
            let gap = if n == 0 { "" } else { "; " };
            if v.value.is_empty() {
                write!(f, "{gap}{}: {}", v.member, v.allowed)?;
            } else {
                write!(f, "{gap}{} = {:?}: {}", v.member, v.value, v.allowed)?;
            }
        }
        Ok(())
    }
}

/// An unsuccessful answer, as an [`ErrorReader`] sees it.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// The HTTP status.
    pub status: StatusCode,
    /// The answer's headers.
    pub headers: &'a HeaderMap,
    /// The body, at most 64 KiB of it.
    pub body: &'a [u8],
}

impl Failure<'_> {
    /// Whether the body is a web page, by its media type or its beginning.
    pub fn is_html(&self) -> bool {
        is_html(self.headers, self.body)
    }
    /// The beginning of the body as one line of text, for a message; `None` if it is blank.
    pub fn snippet(&self) -> Option<String> {
        snippet(self.body)
    }
}

/// What a provider crate reads out of an unsuccessful answer.
#[derive(Clone, Debug, Default)]
pub struct ErrorDetail {
    /// The kind, where the body says more than the status; `None`: by status.
    pub kind: Option<ErrorKind>,
    /// The server's own words for a person.
    pub message: Option<String>,
    /// Complaints about single members of the request, each with its messages.
    pub fields: Vec<(String, Vec<String>)>,
}

/// How a provider crate reads an unsuccessful answer.
pub type ErrorReader = fn(&Failure<'_>) -> ErrorDetail;

/// What went wrong with one call. Small: one pointer.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    delivery: Delivery,
    retry: Retry,
    operation: Option<&'static str>,
    status: Option<StatusCode>,
    headers: HeaderMap,
    body: String,
    message: String,
    fields: Vec<(String, Vec<String>)>,
    violations: Violations,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error that no server answered. `delivery` decides whether a repeat is safe.
    pub fn new(kind: ErrorKind, delivery: Delivery, message: impl Into<String>) -> Self {
        let retry = match kind {
            ErrorKind::Timeout | ErrorKind::Transport => Retry::Backoff,
            _ => Retry::Never,
        };
        Self(Box::new(Inner {
            kind,
            delivery,
            retry,
            operation: None,
            status: None,
            headers: HeaderMap::new(),
            body: String::new(),
            message: message.into(),
            fields: Vec::new(),
            violations: Violations::default(),
            source: None,
        }))
    }
    /// A setting that cannot be used; nothing was sent.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, Delivery::NotSent, message)
    }
    /// A request that breaks rules; nothing was sent.
    pub fn invalid(violations: Violations) -> Self {
        let mut error = Self::new(ErrorKind::InvalidRequest, Delivery::NotSent, violations.to_string());
        error.0.violations = violations;
        error
    }
    /// A request whose one `member` is not allowed; nothing was sent.
    pub fn invalid_member(member: &str, value: impl fmt::Display, allowed: &str) -> Self {
        let mut violations = Violations::new();
        violations.add(member, value, allowed);
        Self::invalid(violations)
    }
    /// An unsuccessful answer of a server, read by the provider's `reader`.
    pub fn answer(failure: &Failure<'_>, reader: Option<ErrorReader>, now: SystemTime) -> Self {
        let detail = reader.map(|read| read(failure)).unwrap_or_default();
        let kind = detail.kind.unwrap_or_else(|| kind_of(failure));
        let message = detail.message.or_else(|| failure.snippet()).unwrap_or_else(|| "no reason given".to_owned());
        let pause = retry_after(failure.headers, now);
        let retry = match kind {
            ErrorKind::RateLimited | ErrorKind::Gateway | ErrorKind::Server | ErrorKind::Timeout => {
                pause.map_or(Retry::Backoff, Retry::After)
            }
            _ => Retry::Never,
        };
        let s = failure.status;
        let delivery = if s.is_server_error() || s == StatusCode::REQUEST_TIMEOUT || s.is_success() {
            Delivery::Unknown
        } else {
            Delivery::Rejected
        };
        let mut error = Self::new(kind, delivery, message).with_answer(s, failure.headers.clone(), failure.body);
        error.0.retry = retry;
        error.0.fields = detail.fields;
        error
    }

    /// The same error with the answer it came with; the body is shortened to 8 KiB.
    #[must_use]
    pub fn with_answer(mut self, status: StatusCode, headers: HeaderMap, body: &[u8]) -> Self {
        self.0.status = Some(status);
        self.0.headers = headers;
        self.0.body = shorten(&String::from_utf8_lossy(&body[..body.len().min(BODY_KEPT * 2)]), BODY_KEPT).0;
        self
    }
    /// The same error, said to be about this operation.
    #[must_use]
    pub fn for_operation(mut self, id: &'static str) -> Self {
        self.0.operation.get_or_insert(id);
        self
    }
    /// The same error with another delivery.
    #[must_use]
    pub fn with_delivery(mut self, delivery: Delivery) -> Self {
        self.0.delivery = delivery;
        self
    }
    /// The same error with another advice on repeats.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }
    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }
    /// The same error with every occurrence of a secret removed from its message, body and fields.
    #[must_use]
    pub fn redacted(mut self, secret: &str) -> Self {
        if secret.len() >= 4 {
            let hide = |text: &mut String| {
                if text.contains(secret) {
                    *text = text.replace(secret, "[redacted]");
                }
            };
            hide(&mut self.0.message);
            hide(&mut self.0.body);
            self.0.fields.iter_mut().for_each(|(name, messages)| {
                hide(name);
                messages.iter_mut().for_each(hide);
            });
            for value in self.0.headers.values_mut() {
                if value.to_str().is_ok_and(|v| v.contains(secret)) {
                    *value = http::HeaderValue::from_static("[redacted]");
                }
            }
        }
        self
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }
    /// Whether the server may have acted on the request.
    pub fn delivery(&self) -> Delivery {
        self.0.delivery
    }
    /// When a repeat makes sense, given that it is safe.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }
    /// The operation that was called, by its `operationId`.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }
    /// The HTTP status, if a server answered.
    pub fn status(&self) -> Option<u16> {
        self.0.status.map(|s| s.as_u16())
    }
    /// The headers of the answer; empty if there was none.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }
    /// The server's id of the request (`x-request-id`, `request-id`, `cf-ray`), for a support case.
    pub fn request_id(&self) -> Option<&str> {
        let ids = ["x-request-id", "request-id", "x-correlation-id", "cf-ray"];
        ids.iter().find_map(|name| self.0.headers.get(*name)).and_then(|v| v.to_str().ok())
    }
    /// The beginning of the answer's body, at most 8 KiB, without the token.
    pub fn body(&self) -> &str {
        &self.0.body
    }
    /// What happened, in the server's words where it gave some.
    pub fn message(&self) -> &str {
        &self.0.message
    }
    /// The server's complaints about single members of the request.
    pub fn fields(&self) -> &[(String, Vec<String>)] {
        &self.0.fields
    }
    /// The rules that were found broken before sending.
    pub fn violations(&self) -> &Violations {
        &self.0.violations
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        if let Some(operation) = inner.operation {
            write!(f, "{operation}: ")?;
        }
        write!(f, "{}: {}", inner.kind.as_str(), inner.message)?;
        let sent = match inner.delivery {
            Delivery::NotSent => "nothing was sent",
            Delivery::Unknown => "the server may have acted on it",
            Delivery::Rejected => "the server refused it",
        };
        match inner.status {
            Some(status) => write!(f, " (HTTP {}; {sent})", status.as_u16())?,
            None => write!(f, " ({sent})")?,
        }
        match inner.retry {
            Retry::After(pause) => write!(f, ", try again in {pause:?}"),
            Retry::NotBefore(_) => f.write_str(", the server asked for a longer pause"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        let mut out = f.debug_struct("Error");
        out.field("kind", &inner.kind).field("delivery", &inner.delivery).field("retry", &inner.retry);
        out.field("operation", &inner.operation).field("status", &inner.status).field("message", &inner.message);
        if !inner.fields.is_empty() {
            out.field("fields", &inner.fields);
        }
        if !inner.body.is_empty() {
            out.field("body", &shorten(&inner.body, 400).0);
        }
        out.field("source", &inner.source.as_ref().map(ToString::to_string)).finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|s| &**s as &(dyn std::error::Error + 'static))
    }
}

impl ErrorKind {
    /// The kind in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid request",
            Self::Config => "bad setting",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::InsufficientCredit => "insufficient credit",
            Self::NotFound => "not found",
            Self::Conflict => "conflict",
            Self::RateLimited => "rate limited",
            Self::Gateway => "gateway",
            Self::Server => "server error",
            Self::Status => "unexpected status",
            Self::Timeout => "timeout",
            Self::Transport => "transport",
            Self::Decode => "undecodable answer",
            Self::TooLarge => "answer too large",
            Self::Unsupported => "unsupported",
            Self::Deadline => "deadline reached",
            Self::Unreadable => "job unreadable",
            Self::JobFailed => "job failed",
            Self::OverBudget => "over budget",
            Self::Io => "file error",
        }
    }
}

fn kind_of(failure: &Failure<'_>) -> ErrorKind {
    match failure.status.as_u16() {
        400 | 422 => ErrorKind::InvalidRequest,
        401 => ErrorKind::Unauthorized,
        402 => ErrorKind::InsufficientCredit,
        403 => ErrorKind::Forbidden,
        404 | 410 => ErrorKind::NotFound,
        408 => ErrorKind::Timeout,
        409 | 412 => ErrorKind::Conflict,
        425 | 429 => ErrorKind::RateLimited,
        502..=504 => ErrorKind::Gateway,
        500.. => {
            if failure.is_html() {
                ErrorKind::Gateway
            } else {
                ErrorKind::Server
            }
        }
        _ => ErrorKind::Status,
    }
}

/// `Retry-After` as a pause: whole seconds or an HTTP date; a date in the past is no pause.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX)).min(u64::from(u32::MAX))));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

pub(crate) fn is_html(headers: &HeaderMap, body: &[u8]) -> bool {
    let media = headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let start = body.trim_ascii_start();
    let starts = |tag: &[u8]| start.len() >= tag.len() && start[..tag.len()].eq_ignore_ascii_case(tag);
    media.trim_start().to_ascii_lowercase().starts_with("text/html") || starts(b"<!doctype") || starts(b"<html")
}

pub(crate) fn snippet(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&body[..body.len().min(2000)]);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (short, cut) = shorten(&line, 200);
    (!short.is_empty()).then(|| if cut { format!("{short}…") } else { short })
}

/// At most `limit` bytes of `text`, cut at a character; and whether it was cut.
fn shorten(text: &str, limit: usize) -> (String, bool) {
    if text.len() <= limit {
        return (text.to_owned(), false);
    }
    let end = (0..=limit).rev().find(|n| text.is_char_boundary(*n)).unwrap_or(0);
    (text[..end].to_owned(), true)
}

//! The one error of all clients: what happened, whether it was sent, when a repeat makes sense.
use std::fmt;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};

use crate::failure::{REDACTED, hide, kind_of, redirect, retry_after, shorten};
use crate::{ErrorReader, Failure, Violations};

/// How much of a body is kept with an error, in bytes.
const BODY_KEPT: usize = 8 * 1024;
/// How much of a server's message is kept, in bytes.
const MESSAGE_KEPT: usize = 1024;

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
    /// The account's quota for a period is used up, or it has none; more than a burst of requests. A
    /// repeat fails the same way until the period ends or the quota is raised.
    QuotaExceeded,
    /// 404 or 410: no such job, token or address.
    NotFound,
    /// 409 or 412: the state of the thing does not allow it.
    Conflict,
    /// 429: too many requests. [`Error::retry`] says how long to wait.
    RateLimited,
    /// 502, 503, 504, or another 5xx with a web page: something in front of the service answered.
    Gateway,
    /// Another 5xx: the service failed.
    Server,
    /// Any other unsuccessful status, redirects included (they are never followed).
    Status,
    /// No answer in time.
    Timeout,
    /// No connection, a broken one, or a TLS failure.
    Transport,
    /// The answer is not what the operation gives, such as a web page with status 200.
    /// [`Error::body`] keeps its beginning.
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

/// What went wrong with one call. Small: one pointer.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    delivery: Delivery,
    retry: Retry,
    /// The request only read: whether it arrived matters to nobody.
    read: bool,
    advice: Option<&'static str>,
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
            read: false,
            advice: None,
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
    /// An unsuccessful answer of a server, read by the provider's `reader`. `now` is for a
    /// `Retry-After` that is a date, where the answer itself has none.
    pub fn answer(failure: &Failure<'_>, reader: Option<ErrorReader>, now: SystemTime) -> Self {
        let detail = reader.map(|read| read(failure)).unwrap_or_default();
        let kind = detail.kind.unwrap_or_else(|| kind_of(failure));
        let said = detail.message.or_else(|| failure.snippet()).unwrap_or_else(|| "no reason given".to_owned());
        // One line, and nothing that could steer a terminal.
        let (mut message, cut) = shorten(&said.replace(char::is_control, " "), MESSAGE_KEPT);
        if cut {
            message.push('…');
        }
        let s = failure.status;
        if s.is_redirection()
            && let Some(place) = redirect(failure.headers)
        {
            message = format!("it redirects to {place}, and redirects are not followed; {message}");
        }
        let pause = retry_after(failure.headers, now);
        let retry = match kind {
            ErrorKind::RateLimited | ErrorKind::Gateway | ErrorKind::Server | ErrorKind::Timeout => {
                pause.map_or(Retry::Backoff, Retry::After)
            }
            _ => Retry::Never,
        };
        // A 5xx says nothing, unless the provider's reader found a refusal in it.
        let refused = matches!(
            kind,
            ErrorKind::InvalidRequest | ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::Unsupported
        );
        let unclear = s.as_u16() >= 500 && !refused;
        let delivery = if unclear || s == StatusCode::REQUEST_TIMEOUT || s.is_success() {
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
    /// The same error, said to be about this operation.
    #[must_use]
    pub(crate) fn about(self, operation: &crate::Operation) -> Self {
        let error = self.for_operation(operation.id);
        if operation.method.is_safe() { error.on_read() } else { error }
    }
    /// The same error, said to be about a request that only reads, so that its text does not speak of
    /// what the server may have done.
    #[must_use]
    pub fn on_read(mut self) -> Self {
        self.0.read = true;
        self
    }
    /// The same error with other words on what happened.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }
    /// The same error with another word on what to do, in place of its kind's; empty for none.
    #[must_use]
    pub fn with_advice(mut self, advice: &'static str) -> Self {
        self.0.advice = Some(advice);
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
    /// The same error with every occurrence of a secret removed: from its message, body, fields,
    /// headers and cause. Secrets under 4 characters are left: they would tear words apart.
    #[must_use]
    pub fn redacted(mut self, secret: &str) -> Self {
        if secret.len() < 4 {
            return self;
        }
        let inner = &mut *self.0;
        hide(&mut inner.message, secret);
        hide(&mut inner.body, secret);
        inner.fields.iter_mut().for_each(|(name, messages)| {
            hide(name, secret);
            messages.iter_mut().for_each(|message| hide(message, secret));
        });
        for value in inner.headers.values_mut() {
            if String::from_utf8_lossy(value.as_bytes()).contains(secret) {
                *value = http::HeaderValue::from_static(REDACTED);
            }
        }
        if let Some(source) = &inner.source {
            let mut text = source.to_string();
            let mut all = format!("{text} {source:?}");
            let mut next = source.source();
            while let Some(cause) = next {
                all.push_str(&format!(" {cause} {cause:?}"));
                next = cause.source();
            }
            if all.contains(secret) {
                hide(&mut text, secret);
                inner.source = Some(text.into());
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

impl Inner {
    /// What became of the request, where that says something.
    fn fate(&self) -> Option<&'static str> {
        match (self.kind, self.delivery) {
            // These are not about one request.
            (ErrorKind::Deadline | ErrorKind::Unreadable | ErrorKind::JobFailed | ErrorKind::Io, _) => None,
            (_, Delivery::NotSent) => Some("nothing was sent"),
            _ if self.read => None,
            (_, Delivery::Unknown) => Some("the server may have acted on it"),
            (_, Delivery::Rejected) => Some("the server refused it"),
        }
    }
    /// What a person could do about it; empty where the message says so.
    fn advice(&self) -> &'static str {
        if let Some(advice) = self.advice {
            return advice;
        }
        let unclear = self.delivery == Delivery::Unknown && !self.read;
        match self.kind {
            ErrorKind::InvalidRequest => "correct the request",
            ErrorKind::Config => "correct the setting",
            ErrorKind::Unauthorized => "check the token",
            ErrorKind::Forbidden => "check what the account and its token may do",
            ErrorKind::InsufficientCredit => "top up the account",
            ErrorKind::QuotaExceeded => "wait until the quota is renewed, or have it raised",
            ErrorKind::NotFound => "check the id; it may have been deleted",
            ErrorKind::Conflict => "read its state first",
            ErrorKind::RateLimited if self.retry == Retry::Backoff => "send less often",
            ErrorKind::Timeout | ErrorKind::Transport | ErrorKind::Gateway | ErrorKind::Server | ErrorKind::Decode
                if unclear =>
            {
                "look whether it was done before sending it again"
            }
            ErrorKind::Timeout => "try again, or allow more time",
            ErrorKind::Transport => "check the network and the address",
            ErrorKind::Gateway | ErrorKind::Server if self.retry == Retry::Backoff => "try again later",
            ErrorKind::Status if self.status.is_some_and(|s| s.is_redirection()) => "check the base URL",
            ErrorKind::Decode if !self.body.is_empty() => "the error's body has the beginning of the answer",
            ErrorKind::TooLarge => "raise the limit if that is wanted",
            _ => "",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        if let Some(operation) = inner.operation {
            write!(f, "{operation}: ")?;
        }
        write!(f, "{}: {}", inner.kind.as_str(), inner.message)?;
        match (inner.status, inner.fate()) {
            (Some(status), Some(fate)) => write!(f, " (HTTP {}; {fate})", status.as_u16())?,
            (Some(status), None) => write!(f, " (HTTP {})", status.as_u16())?,
            (None, Some(fate)) => write!(f, " ({fate})")?,
            (None, None) => {}
        }
        match inner.advice() {
            "" => {}
            advice => write!(f, "; {advice}")?,
        }
        match inner.retry {
            Retry::After(pause) => write!(f, "; the server asks to wait {pause:?}"),
            Retry::NotBefore(at) => write!(f, "; the server asks to wait until {}", crate::DateTime::from(at)),
            _ => Ok(()),
        }
    }
}

/// `{:?}` is what a person reads, as at the end of a `main` that gives a result; `{:#?}` shows the members.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
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
            Self::QuotaExceeded => "quota exceeded",
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

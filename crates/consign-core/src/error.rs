//! The engine's error: what the call below reported, and the job it belongs to.
use std::fmt;
use std::sync::Arc;

use consign_http::{Delivery, ErrorKind, Retry, Violations};

use crate::{State, Ticket};

/// What the calls of the engine return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, to which job, whether it was sent, and whether a repeat makes sense. Cheap to clone.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    below: Arc<consign_http::Error>,
    ticket: Option<Ticket>,
    state: Option<State>,
    attempts: u32,
    /// In place of the advice of the call below.
    retry: Option<Retry>,
}

impl Error {
    /// An error that no server answered.
    pub fn new(kind: ErrorKind, delivery: Delivery, message: impl Into<String>) -> Self {
        consign_http::Error::new(kind, delivery, message).into()
    }
    /// The provider has no such operation; nothing was sent.
    pub fn unsupported(provider: &str, operation: &str) -> Self {
        Self::new(ErrorKind::Unsupported, Delivery::NotSent, format!("{provider} has no operation to {operation}"))
    }
    /// A local file that could not be written or read.
    pub fn io(what: &str, path: &std::path::Path, error: std::io::Error) -> Self {
        let message = format!("cannot {what} {}: {error}", path.display());
        consign_http::Error::new(ErrorKind::Io, Delivery::NotSent, message).with_source(error).into()
    }
    /// The same error, carrying the job it belongs to.
    #[must_use]
    pub fn with_ticket(mut self, ticket: &Ticket) -> Self {
        Arc::make_mut(&mut self.0).ticket.get_or_insert_with(|| ticket.clone());
        self
    }
    /// The same error, carrying the last state that was seen.
    #[must_use]
    pub fn with_state(mut self, state: State) -> Self {
        Arc::make_mut(&mut self.0).state = Some(state);
        self
    }
    /// The same error, after this many attempts.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        Arc::make_mut(&mut self.0).attempts = attempts;
        self
    }
    /// The same error with another advice on repeats.
    #[must_use]
    pub(crate) fn with_retry(mut self, retry: Retry) -> Self {
        Arc::make_mut(&mut self.0).retry = Some(retry);
        self
    }
    /// The same error for another job, for which nothing was sent because of it.
    pub(crate) fn for_job(&self, ticket: &Ticket, state: State) -> Self {
        let (below, retry) = (self.0.below.clone(), self.0.retry);
        Self(Arc::new(Inner { below, ticket: Some(ticket.clone()), state: Some(state), attempts: 0, retry }))
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.below.kind()
    }
    /// Whether the server may have acted on the request: the one fact that makes a repeat safe or not.
    pub fn delivery(&self) -> Delivery {
        self.0.below.delivery()
    }
    /// When a repeat makes sense, given that it is safe.
    pub fn retry(&self) -> Retry {
        self.0.retry.unwrap_or_else(|| self.0.below.retry())
    }
    /// The HTTP status, if a server answered.
    pub fn status(&self) -> Option<u16> {
        self.0.below.status()
    }
    /// The server's id of the request, for a support case.
    pub fn request_id(&self) -> Option<&str> {
        self.0.below.request_id()
    }
    /// The beginning of the answer's body, at most 8 KiB, without the token.
    pub fn body(&self) -> &str {
        self.0.below.body()
    }
    /// What happened, in the server's words where it gave some.
    pub fn message(&self) -> &str {
        self.0.below.message()
    }
    /// The server's complaints about single members of the request.
    pub fn fields(&self) -> &[(String, Vec<String>)] {
        self.0.below.fields()
    }
    /// The rules that were found broken before sending.
    pub fn violations(&self) -> &Violations {
        self.0.below.violations()
    }
    /// The job that the error belongs to. With it the job can be found again.
    pub fn ticket(&self) -> Option<&Ticket> {
        self.0.ticket.as_ref()
    }
    /// The job's last state that was seen, for a wait that broke.
    pub fn last_state(&self) -> Option<&State> {
        self.0.state.as_ref()
    }
    /// How often the request was sent; 0 if it never was.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }
    /// The error of the HTTP call.
    pub fn http(&self) -> &consign_http::Error {
        &self.0.below
    }
}

impl From<consign_http::Error> for Error {
    fn from(below: consign_http::Error) -> Self {
        let attempts = u32::from(below.delivery() != Delivery::NotSent);
        Self(Arc::new(Inner { below: Arc::new(below), ticket: None, state: None, attempts, retry: None }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.below)?;
        if let Some(Retry::NotBefore(at)) = self.0.retry {
            write!(f, ", so not before {}", consign_http::DateTime::from(at))?;
        }
        if self.0.attempts > 1 {
            write!(f, ", after {} attempts", self.0.attempts)?;
        }
        if let Some(state) = &self.0.state {
            write!(f, ", last seen {state}")?;
        }
        match &self.0.ticket {
            Some(ticket) => write!(f, ", job {ticket}"),
            None => Ok(()),
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
        out.field("http", &inner.below).field("ticket", &inner.ticket.as_ref().map(ToString::to_string));
        out.field("last_state", &inner.state).field("attempts", &inner.attempts).field("retry", &self.retry()).finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The error below says nothing that this one does not say.
        self.0.below.source()
    }
}

//! Webhook bodies, in both forms that are known.
use std::fmt;

use consign_civitai::types::{JobEvent, JobStatus};
use consign_core::{Delivery, Error, ErrorKind, Item, Result, Ticket};
use serde_json::Value;

use super::{Civitai, status};

/// What Civitai posts to a callback URL, on every status update and not only at the end.
///
/// There is no signature: put a secret into the query of the URL and check it. Answer 2xx within
/// seconds. The same update may come again: [`Webhook::key`] tells repeats apart.
///
/// ```
/// use consign::civitai::Webhook;
/// let body = br#"{"jobId":"a","type":"Succeeded","dateTime":"2026-01-31T12:00:00Z","jobHasCompleted":true}"#;
/// let hook = Webhook::parse(body)?;
/// assert!(hook.item().finished);
/// assert_eq!(hook.key(), "a/Succeeded/2026-01-31T12:00:00Z");
/// # Ok::<(), consign::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Webhook {
    /// An event, as the service's own receiver reads it.
    Event(Box<JobEvent>),
    /// A job's record, as one third-party client documents it.
    Status(Box<JobStatus>),
}

impl Webhook {
    /// Reads a body.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if it is neither form. Anybody may post to the address: treat it as a bad request.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let bad = |what: String| {
            let error =
                consign_http::Error::new(ErrorKind::Decode, Delivery::Rejected, format!("webhook body: {what}"));
            Error::from(error.on_read())
        };
        let json: Value = serde_json::from_slice(body).map_err(|e| bad(e.to_string()))?;
        let has = |name: &str| json.get(name).is_some_and(|value| !value.is_null());
        if has("type") && (has("dateTime") || has("jobHasCompleted")) {
            let event = serde_json::from_value(json).map_err(|e| bad(e.to_string()))?;
            return Ok(Self::Event(Box::new(event)));
        }
        if ["result", "scheduled", "lastEvent"].iter().any(|name| json.get(name).is_some()) {
            let status = serde_json::from_value(json).map_err(|e| bad(e.to_string()))?;
            return Ok(Self::Status(Box::new(status)));
        }
        Err(bad("neither an event nor a job's record".to_owned()))
    }
    /// The item's state, by the same rules as everywhere.
    pub fn item(&self) -> Item {
        match self {
            Self::Event(event) => status::of_event(event, None),
            Self::Status(status) => status::item(status),
        }
    }
    /// The id of the job that it is about.
    pub fn job_id(&self) -> Option<&str> {
        match self {
            Self::Event(event) => event.job_id.as_deref(),
            Self::Status(status) => status.job_id.as_deref(),
        }
    }
    /// The ticket of that job alone, to be given to [`Jobs::attach`](crate::Jobs::attach).
    pub fn ticket(&self) -> Option<Ticket> {
        self.job_id().map(Civitai::ticket_of_job)
    }
    /// The same for the same update: job id, event (or state, where no event is told) and date.
    pub fn key(&self) -> String {
        let event = match self {
            Self::Event(event) => Some(&**event),
            Self::Status(status) => status.last_event.as_ref(),
        };
        let item = self.item();
        let word = item.word.as_deref().unwrap_or(item.state.as_str());
        let date = event.and_then(|event| event.date_time.as_ref()).map_or("", |date| date.as_str());
        format!("{}/{word}/{date}", self.job_id().unwrap_or(""))
    }
}

/// Which update it is; not what it carries, which may have signed addresses in it.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = if matches!(self, Self::Event(_)) { "Event" } else { "Status" };
        write!(f, "Webhook::{form}({:?})", self.key())
    }
}

//! Webhook bodies, in both forms that are known.
use consign_civitai::types::{JobEvent, JobStatus};
use consign_core::{Delivery, Error, ErrorKind, Item, Result};
use serde_json::Value;

use super::status;

/// What Civitai posts to a callback URL, on every status update and not only at the end.
///
/// There is no signature: put a secret into the query of the URL and check it. Answer 2xx within
/// seconds. The same update may come again: (job id, event type, date) tells repeats apart.
///
/// ```
/// use consign::civitai::Webhook;
/// let body = br#"{"jobId":"a","type":"Succeeded","dateTime":"2026-01-31T12:00:00Z","jobHasCompleted":true}"#;
/// let hook = Webhook::parse(body)?;
/// assert!(hook.item().finished);
/// # Ok::<(), consign::Error>(())
/// ```
#[derive(Clone, Debug)]
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
    /// [`ErrorKind::Decode`] if it is neither form.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let bad = |what: String| Error::new(ErrorKind::Decode, Delivery::NotSent, format!("webhook body: {what}"));
        let json: Value = serde_json::from_slice(body).map_err(|e| bad(e.to_string()))?;
        let has = |name: &str| json.get(name).is_some();
        if has("type") && (has("dateTime") || has("jobHasCompleted")) {
            let event = serde_json::from_value(json).map_err(|e| bad(e.to_string()))?;
            return Ok(Self::Event(Box::new(event)));
        }
        if has("result") || has("scheduled") || has("lastEvent") {
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
}

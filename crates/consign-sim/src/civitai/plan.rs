//! What becomes of a job: written by a test, or by a user in the job's own properties.

use serde_json::{Map, Value};

/// Whether the last event says that the job has ended (`jobHasCompleted`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndMark {
    /// As the service does: true at the end, false when a further attempt follows.
    #[default]
    Usual,
    /// True.
    Ended,
    /// False although nothing follows, or, for a failure, although no retries were asked: a further
    /// attempt follows then.
    NotEnded,
    /// The member is left out.
    Absent,
}

/// What becomes of one job. What is not set is left to chance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub(crate) outcome: Option<String>,
    pub(crate) seconds: Option<f64>,
    pub(crate) queue: Option<u32>,
    pub(crate) message: Option<String>,
    pub(crate) mark: EndMark,
    pub(crate) failures: Option<u32>,
    pub(crate) updates: Option<u32>,
    pub(crate) blob_lag: f64,
    pub(crate) context: Map<String, Value>,
    pub(crate) result: Option<Value>,
}

impl Plan {
    /// The job succeeds; the same as the default.
    pub fn succeed() -> Self {
        Self::default()
    }

    /// Every attempt of the job fails with this message.
    pub fn fail(message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..Self::end("Failed") }
    }

    /// The job ends with this event: `Failed`, `Expired`, `Canceled`, `Deleted`, `Rejected`,
    /// `LateRejected`, `ClaimExpired`, or any other word. `Failed`, `Rejected`, `LateRejected` and
    /// `ClaimExpired` are followed by further attempts while the template's retries last.
    pub fn end(outcome: impl Into<String>) -> Self {
        Self { outcome: Some(outcome.into()), ..Self::default() }
    }

    /// How long each attempt works, in simulated seconds.
    #[must_use]
    pub fn seconds(mut self, seconds: f64) -> Self {
        self.seconds = Some(seconds);
        self
    }

    /// How many jobs of other people are ahead in the queue at first.
    #[must_use]
    pub fn queue(mut self, places: u32) -> Self {
        self.queue = Some(places);
        self
    }

    /// Only the first attempts end as planned, this many; the next succeeds.
    #[must_use]
    pub fn failures(mut self, attempts: u32) -> Self {
        self.failures = Some(attempts);
        self
    }

    /// What the last event says about the end.
    #[must_use]
    pub fn mark(mut self, mark: EndMark) -> Self {
        self.mark = mark;
        self
    }

    /// How many `Updated` events an attempt has. Default 3.
    #[must_use]
    pub fn updates(mut self, updates: u32) -> Self {
        self.updates = Some(updates);
        self
    }

    /// After success the blobs become available only this many seconds later.
    #[must_use]
    pub fn blob_lag(mut self, seconds: f64) -> Self {
        self.blob_lag = seconds;
        self
    }

    /// Adds a member to the `context` of the last event.
    #[must_use]
    pub fn context(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.context.insert(name.into(), value.into());
        self
    }

    /// The `result` of the job once it succeeded, instead of the usual one of its kind.
    #[must_use]
    pub fn result(mut self, result: impl Into<Value>) -> Self {
        self.result = Some(result.into());
        self
    }

    /// Reads `{"outcome", "seconds", "queue", "message", "completed", "failures", "updates",
    /// "blobLag", "context", "result"}`; members that are not there keep what `self` says.
    pub(crate) fn amended(mut self, json: &Value) -> Result<Self, String> {
        let Value::Object(members) = json else { return Err("must be an object".to_owned()) };
        for (name, value) in members {
            let wrong = || format!("{name} has a wrong value");
            let count = || value.as_u64().and_then(|n| u32::try_from(n).ok()).ok_or_else(wrong);
            let text = || value.as_str().map(str::to_owned).ok_or_else(wrong);
            match name.as_str() {
                "outcome" => self.outcome = Some(text()?),
                "message" => self.message = Some(text()?),
                "seconds" => self.seconds = Some(value.as_f64().ok_or_else(wrong)?),
                "blobLag" => self.blob_lag = value.as_f64().ok_or_else(wrong)?,
                "queue" => self.queue = Some(count()?),
                "failures" => self.failures = Some(count()?),
                "updates" => self.updates = Some(count()?),
                "context" => self.context = value.as_object().cloned().ok_or_else(wrong)?,
                "result" => self.result = Some(value.clone()),
                "completed" => {
                    self.mark = match value {
                        Value::Bool(true) => EndMark::Ended,
                        Value::Bool(false) => EndMark::NotEnded,
                        Value::Null => EndMark::Absent,
                        _ => return Err(wrong()),
                    }
                }
                _ => return Err(format!("{name} is not a member of it")),
            }
        }
        Ok(self)
    }
}

//! What becomes of a job: written by a test, or by a user in the first line of what is submitted.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::stream::StreamFault;

/// What becomes of one job. What is not set is left to chance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub(crate) outcome: Option<String>,
    pub(crate) seconds: Option<f64>,
    pub(crate) pending: Option<f64>,
    pub(crate) output: Option<Value>,
    pub(crate) members: Map<String, Value>,
    pub(crate) bare: bool,
    pub(crate) size: usize,
    pub(crate) invalid: Option<(String, String)>,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) open_end: bool,
    pub(crate) organization: Option<String>,
    pub(crate) repairs: u32,
    pub(crate) children: u32,
    pub(crate) streams: Vec<StreamFault>,
}

impl Plan {
    /// The job completes; the same as the default.
    pub fn complete() -> Self {
        Self::default()
    }

    /// The job completes with this as its `result`: an extracted object, a template, or Markdown.
    pub fn output(output: impl Into<Value>) -> Self {
        Self { output: Some(output.into()), ..Self::default() }
    }

    /// The job ends as `failed` with this code and message. With the code `QuotaExceeded` its typed
    /// result is refused with 403.
    pub fn fail(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: Some(code.into()), message: Some(message.into()), ..Self::end("failed") }
    }

    /// The job ends with this status: `completed`, `failed`, `timeout`, `cancelled`, `canceled`, or any
    /// other word. A stream that is open at a `timeout` gets an `error` event with code `JobTimeout`;
    /// every other end, and streams that are opened later, a `result` event.
    pub fn end(outcome: impl Into<String>) -> Self {
        Self { outcome: Some(outcome.into()), ..Self::default() }
    }

    /// How long the job works, in simulated seconds. Longer than its timeout: it ends as `timeout`.
    #[must_use]
    pub fn seconds(mut self, seconds: f64) -> Self {
        self.seconds = Some(seconds);
        self
    }

    /// How long it is `pending` before it waits for a worker, in simulated seconds. Default up to 1.
    #[must_use]
    pub fn pending(mut self, seconds: f64) -> Self {
        self.pending = Some(seconds);
        self
    }

    /// The `result` of the job, also of one that ends neither as `completed` nor as `failed`.
    #[must_use]
    pub fn with_output(mut self, output: impl Into<Value>) -> Self {
        self.output = Some(output.into());
        self
    }

    /// A further member of the typed result, or another value for one: `thinkingTrace`, `isTruncated`.
    #[must_use]
    pub fn member(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.members.insert(name.into(), value.into());
        self
    }

    /// `outputData` is the bare `result` without the typed result around it, as before November 2025.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    /// Makes `rawModelOutput` at least this many bytes long, and with it the `result` event.
    #[must_use]
    pub fn size(mut self, bytes: usize) -> Self {
        self.size = bytes;
        self
    }

    /// The model's output does not fit: the `result` is emptied (unless an output is given), the typed
    /// result has this error and comes with status 206.
    #[must_use]
    pub fn invalid(mut self, code: impl Into<String>, message: impl Into<String>) -> Self {
        self.invalid = Some((code.into(), message.into()));
        self
    }

    /// The status changes to the outcome's word, but `completedAt` stays away and streams go on.
    #[must_use]
    pub fn open_end(mut self) -> Self {
        self.open_end = true;
        self
    }

    /// The organization that owns the job, whatever owns its project.
    #[must_use]
    pub fn organization(mut self, id: impl Into<String>) -> Self {
        self.organization = Some(id.into());
        self
    }

    /// How many repairs the job's report lists once it has ended. Default none.
    #[must_use]
    pub fn repairs(mut self, repairs: u32) -> Self {
        self.repairs = repairs;
        self
    }

    /// How many child jobs it has, which share its fate. Default none.
    #[must_use]
    pub fn children(mut self, children: u32) -> Self {
        self.children = children;
        self
    }

    /// What happens to the job's event streams: the first to the first one that is opened, and so on;
    /// later ones are whole. A rule of [`Faults`](crate::Faults) comes before.
    #[must_use]
    pub fn streams(mut self, faults: impl IntoIterator<Item = StreamFault>) -> Self {
        self.streams = faults.into_iter().collect();
        self
    }

    /// Reads the members of a `sim` line; members that are not there keep what `self` says.
    pub(crate) fn amended(mut self, json: &Value) -> Result<Self, String> {
        let Value::Object(members) = json else { return Err("must be an object".to_owned()) };
        for (name, value) in members {
            let wrong = || format!("{name} has a wrong value");
            let text = || value.as_str().map(str::to_owned).ok_or_else(wrong);
            let count = || value.as_u64().and_then(|n| u32::try_from(n).ok()).ok_or_else(wrong);
            match name.as_str() {
                "outcome" => self.outcome = Some(text()?),
                "code" => self.code = Some(text()?),
                "message" => self.message = Some(text()?),
                "seconds" => self.seconds = Some(value.as_f64().ok_or_else(wrong)?),
                "pending" => self.pending = Some(value.as_f64().ok_or_else(wrong)?),
                "output" => self.output = Some(value.clone()),
                "members" => self.members = value.as_object().cloned().ok_or_else(wrong)?,
                "bare" => self.bare = value.as_bool().ok_or_else(wrong)?,
                "size" => self.size = count()?.min(64 << 20) as usize,
                "ended" => self.open_end = !value.as_bool().ok_or_else(wrong)?,
                "organization" => self.organization = Some(text()?),
                "repairs" => self.repairs = count()?.min(1000),
                "children" => self.children = count()?.min(100),
                "invalid" => {
                    let part = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
                    let (code, message) = (part("errorCode"), part("message"));
                    self.invalid = Some((code.ok_or_else(wrong)?, message.ok_or_else(wrong)?));
                }
                "streams" => {
                    let words = value.as_array().ok_or_else(wrong)?.iter();
                    let read = words.map(|word| word.as_str().and_then(StreamFault::parse));
                    self.streams = read.collect::<Option<_>>().ok_or_else(wrong)?;
                }
                _ => return Err(format!("{name} is not a member of it")),
            }
        }
        Ok(self)
    }
}

/// Takes the script out of bytes whose first line is `sim: {…}`. Gives the rest, and the script if there
/// is one.
pub(crate) fn scripted(bytes: &Bytes) -> Result<(Bytes, Option<Value>), String> {
    let Some(rest) = bytes.strip_prefix(b"sim:") else { return Ok((bytes.clone(), None)) };
    let line = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let json = serde_json::from_slice(&rest[..line]).map_err(|e| e.to_string())?;
    Ok((bytes.slice((4 + line + 1).min(bytes.len())..), Some(json)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_script_is_the_first_line_and_only_it() {
        let read = |text: &'static str| scripted(&Bytes::from_static(text.as_bytes()));
        let (rest, script) = read("sim: {\"outcome\": \"failed\"}\nZurich\nsim: {}").unwrap();
        assert_eq!((&rest[..], script), (&b"Zurich\nsim: {}"[..], Some(json!({"outcome": "failed"}))));
        assert_eq!(read("similar: a").unwrap(), (Bytes::from_static(b"similar: a"), None));
        assert_eq!(read("sim: {}").unwrap(), (Bytes::new(), Some(json!({}))));
        assert!(read("sim: {").is_err());
    }

    #[test]
    fn members_of_a_script_amend_a_plan_and_others_are_refused() {
        let base = Plan::fail("A", "a").seconds(9.0);
        let plan = base.clone().amended(&json!({"outcome": "archived", "ended": false, "streams": ["end 2"]}));
        let streams = vec![StreamFault::end(Duration::from_secs(2))];
        let expected =
            Plan { outcome: Some("archived".to_owned()), streams, ..Plan::fail("A", "a").seconds(9.0).open_end() };
        assert_eq!(plan.unwrap(), expected);
        for wrong in [json!({"second": 3}), json!({"seconds": "3"}), json!([]), json!({"streams": ["explode"]})] {
            assert!(base.clone().amended(&wrong).is_err(), "{wrong}");
        }
    }
}

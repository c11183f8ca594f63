//! What becomes of a job: written by a test, or by a user in the job's own arguments.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::{Value, json};

/// The result that the runner reports.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Report {
    /// As the released runner does: an object after success, nothing after a failure.
    #[default]
    Usual,
    /// This value, whatever the outcome; anything but an object or null makes the job unreadable.
    Value(Value),
}

/// What becomes of one job. What is not set is left to chance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub(super) outcome: Option<String>,
    pub(super) seconds: Option<f64>,
    pub(super) wait: Option<f64>,
    pub(super) launch: Option<f64>,
    pub(super) launch_failures: u32,
    pub(super) upload: Option<f64>,
    pub(super) detail: Option<String>,
    pub(super) report: Report,
    pub(super) files: Vec<(String, Bytes)>,
    pub(super) missing: Vec<String>,
}

impl Plan {
    /// The job function returns an object and all files arrive; the same as the default.
    pub fn complete() -> Self {
        Self::default()
    }

    /// The job function raises. The released runner reports that in a way which makes the job unreadable for good.
    pub fn fail(detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..Self::end("error") }
    }

    /// The job ends in this way, or not at all:
    ///
    /// | outcome | what happens |
    /// |---|---|
    /// | `complete` | reported, files uploaded, closed |
    /// | `partial_failure` | as `complete`, but the last file never arrives |
    /// | `error`, `cancelled`, any other word | reported with this status; unreadable unless a [`result`](Self::result) is given |
    /// | `timeout`, `node_removed` | the node goes away without a report; the record ends |
    /// | `billing_termination` | ended by the service for lack of balance, without a report |
    /// | `node_lost` | the node goes away and the record stays open |
    /// | `pending` | no miner ever takes it |
    /// | `running` | it never ends |
    pub fn end(outcome: impl Into<String>) -> Self {
        Self { outcome: Some(outcome.into()), ..Self::default() }
    }

    /// How long the job function works, in simulated seconds.
    #[must_use]
    pub fn seconds(mut self, seconds: f64) -> Self {
        self.seconds = Some(seconds);
        self
    }

    /// How long it waits for a miner, in simulated seconds.
    #[must_use]
    pub fn wait(mut self, seconds: f64) -> Self {
        self.wait = Some(seconds);
        self
    }

    /// How long the launch takes, in simulated seconds.
    #[must_use]
    pub fn launch(mut self, seconds: f64) -> Self {
        self.launch = Some(seconds);
        self
    }

    /// How many launches fail first; each undoes the claim, and the next miner tries.
    #[must_use]
    pub fn launch_failures(mut self, times: u32) -> Self {
        self.launch_failures = times;
        self
    }

    /// How long the upload of each file and the last report take, in simulated seconds.
    #[must_use]
    pub fn upload(mut self, seconds: f64) -> Self {
        self.upload = Some(seconds);
        self
    }

    /// The error text that the runner reports. Users never see it.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The `result` that the runner reports. Anything but an object or null makes the job unreadable, as on the service.
    #[must_use]
    pub fn result(mut self, result: impl Into<Value>) -> Self {
        self.report = Report::Value(result.into());
        self
    }

    /// Adds an output file by its relative path.
    #[must_use]
    pub fn file(mut self, path: impl Into<String>, content: impl Into<Bytes>) -> Self {
        self.files.push((path.into(), content.into()));
        self
    }

    /// Declares a file that never arrives.
    #[must_use]
    pub fn missing(mut self, path: impl Into<String>) -> Self {
        self.missing.push(path.into());
        self
    }

    pub(super) fn outcome(&self) -> &str {
        self.outcome.as_deref().unwrap_or("complete")
    }

    /// The reported `result`. None: the member is left out.
    pub(super) fn reported(&self) -> Option<Value> {
        match &self.report {
            Report::Value(value) => Some(value.clone()),
            Report::Usual if matches!(self.outcome(), "complete" | "partial_failure") => Some(json!({"ok": true})),
            Report::Usual => None,
        }
    }

    /// The declared files. No content: it never arrives. Without `upload` only the runner's logs are declared.
    pub(super) fn declared(&self, upload: bool) -> Vec<(String, Option<Bytes>)> {
        let kept = |path: &str| upload || path.starts_with("_chute.log");
        let mut files: Vec<_> =
            self.files.iter().map(|(path, content)| (path.clone(), Some(content.clone()))).collect();
        files.extend(self.missing.iter().map(|path| (path.clone(), None)));
        files.retain(|(path, _)| kept(path));
        if self.outcome() == "partial_failure" && files.iter().all(|(_, content)| content.is_some()) {
            match files.last_mut() {
                Some((_, content)) => *content = None,
                None => files.push(("_chute.log".to_owned(), None)),
            }
        }
        files
    }

    /// Reads the member `sim` of a job's arguments; members that are not there keep what `self` says.
    pub(super) fn amended(mut self, json: &Value) -> Result<Self, String> {
        let Value::Object(members) = json else { return Err("must be an object".to_owned()) };
        for (name, value) in members {
            let wrong = || format!("{name} has a wrong value");
            let count = || value.as_u64().and_then(|n| u32::try_from(n).ok()).ok_or_else(wrong);
            let text = || value.as_str().map(str::to_owned).ok_or_else(wrong);
            let number = || value.as_f64().map(Some).ok_or_else(wrong);
            match name.as_str() {
                "outcome" => self.outcome = Some(text()?),
                "detail" => self.detail = Some(text()?),
                "seconds" => self.seconds = number()?,
                "wait" => self.wait = number()?,
                "launch" => self.launch = number()?,
                "upload" => self.upload = number()?,
                "launchFailures" => self.launch_failures = count()?,
                "result" => self.report = Report::Value(value.clone()),
                "missing" => {
                    let paths = value.as_array().ok_or_else(wrong)?.iter();
                    self.missing =
                        paths.map(|path| path.as_str().map(str::to_owned)).collect::<Option<_>>().ok_or_else(wrong)?;
                }
                "files" => {
                    let files = value.as_object().ok_or_else(wrong)?.iter();
                    let read = |(path, content): (&String, &Value)| Some((path.clone(), bytes(content)?));
                    self.files = files.map(read).collect::<Option<_>>().ok_or_else(wrong)?;
                }
                _ => return Err(format!("{name} is not a member of it")),
            }
        }
        Ok(self)
    }
}

/// A file's content: text, or `{"base64": "…"}`.
fn bytes(content: &Value) -> Option<Bytes> {
    match content {
        Value::String(text) => Some(Bytes::from(text.clone())),
        _ => BASE64.decode(content.get("base64")?.as_str()?).ok().map(Bytes::from),
    }
}

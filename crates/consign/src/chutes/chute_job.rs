//! [`ChuteJob`]: one run of a job method of a chute, with its arguments.
use std::fmt;

use consign_chutes::wire::JobArguments;
use consign_core::{Violation, Violations};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The runner overwrites an argument of this name.
const OUTPUT_DIR: &str = "output_dir";

/// One run of a job method: the chute's id, the method's name, and the method's keyword arguments.
///
/// ```
/// use consign::chutes::ChuteJob;
///
/// #[derive(serde::Serialize)]
/// struct Training { epochs: u32, lr: f64 }
///
/// let spec = ChuteJob::new("8f2105c5-b200-5aa5-969f-0720f7690f3c", "train")
///     .args(&Training { epochs: 3, lr: 0.1 })
///     .arg("dataset", "s3://bucket/cats")
///     .disk_gb(50);
/// assert!(spec.violations().is_empty());
///
/// // Everything that is wrong is told at once, before anything is sent.
/// let bad = ChuteJob::new("acme/fine-tune", "train").arg("steps", 1e20).disk_gb(10);
/// assert_eq!(bad.violations().len(), 3);
/// ```
///
/// The method is called with the arguments, `_disk_gb` and `output_dir`, so it has to accept arbitrary keyword
/// arguments. Stored specs keep all of it; [`serde`] writes and reads them.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChuteJob {
    chute_id: String,
    method: String,
    #[serde(default)]
    args: Map<String, Value>,
    /// What could not become arguments: member, value, what is allowed. It makes the spec invalid, stored or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refused: Vec<(String, String, String)>,
}

impl ChuteJob {
    /// A run of `method`, the name of a job method of the chute, case and all. `chute_id` is the chute's id; of a
    /// name, `owner/name`, [`Chutes::chute`](super::Chutes::chute) tells the id.
    pub fn new(chute_id: impl Into<String>, method: impl Into<String>) -> Self {
        Self { chute_id: chute_id.into(), method: method.into(), args: Map::new(), refused: Vec::new() }
    }
    /// Adds arguments: the members of any value that becomes a JSON object. One that is there already is replaced.
    ///
    /// A value that is no object, or holds what breaks the service, is a violation of the spec. One that JSON cannot
    /// hold, such as NaN, stays one, whatever is added later.
    #[must_use]
    pub fn args<T: Serialize + ?Sized>(mut self, args: &T) -> Self {
        self.take(args);
        self
    }
    /// Adds one argument. One of that name is replaced.
    #[must_use]
    pub fn arg<T: Serialize>(mut self, name: impl Into<String>, value: T) -> Self {
        self.take(&std::collections::BTreeMap::from([(name.into(), value)]));
        self
    }
    /// Disk space in GB, `_disk_gb`: above 10 and below 1000. Default: 10.
    #[must_use]
    pub fn disk_gb(mut self, gb: u32) -> Self {
        self.args.insert("_disk_gb".to_owned(), gb.into());
        self
    }
    /// The public key that may log in to the running job, `_ssh_public_key`, if its method is declared with SSH.
    #[must_use]
    pub fn ssh_public_key(mut self, key: impl Into<String>) -> Self {
        self.args.insert("_ssh_public_key".to_owned(), key.into().into());
        self
    }
    /// The chute's id.
    pub fn chute_id(&self) -> &str {
        &self.chute_id
    }
    /// The method's name.
    pub fn method(&self) -> &str {
        &self.method
    }
    /// The arguments, reserved ones among them.
    pub fn arguments(&self) -> &Map<String, Value> {
        &self.args
    }
    /// Everything that is wrong with it. Submitting checks the same.
    ///
    /// - The chute's id is not blank and no name; the method is not blank.
    /// - The arguments hold nothing that breaks the service, some of it only after the job was stored, so that
    ///   there is a job that nobody can read: numbers outside -2^63 … 2^64 - 1 or not finite, the character U+0000,
    ///   halves of surrogate pairs.
    /// - `_disk_gb` is a number above 10 and below 1000, `_ssh_public_key` a text; `job_status_url` and
    ///   `output_dir` are the runner's own.
    pub fn violations(&self) -> Violations {
        let mut bad = Violations::new();
        if self.chute_id.trim().is_empty() || self.chute_id.contains(|c: char| c == '/' || c.is_whitespace()) {
            bad.add("chute_id", &self.chute_id, "the id of a chute; not its name");
        }
        if self.method.trim().is_empty() || self.method.contains(|c: char| c == '/' || c.is_whitespace()) {
            bad.add("method", &self.method, "the name of a job method of the chute");
        }
        for (member, value, allowed) in &self.refused {
            bad.add(member, value, allowed);
        }
        if let Some(value) = self.args.get(OUTPUT_DIR) {
            bad.add(OUTPUT_DIR, value, "not there: the runner passes the path of its output folder under this name");
        }
        bad.nest("", self.wire().map(|arguments| arguments.check()).unwrap_or_default());
        bad
    }
    /// The arguments as they are sent. They are JSON already, so writing them does not fail.
    pub(super) fn wire(&self) -> Result<JobArguments, consign_http::Error> {
        JobArguments::from_json(serde_json::to_string(&self.args).unwrap_or_default())
    }
    fn take<T: Serialize + ?Sized>(&mut self, args: &T) {
        match serde_json::to_value(args) {
            Ok(Value::Object(members)) => {
                // What JSON cannot hold, such as NaN, is remembered here; the rest is found again in the members.
                let kept = JobArguments::new(&members).err();
                let all = JobArguments::new(args).err();
                let kept: Vec<&Violation> = kept.iter().flat_map(|error| error.violations().iter()).collect();
                for violation in all.iter().flat_map(|error| error.violations().iter()) {
                    if !kept.contains(&violation) {
                        self.refuse(&violation.member, &violation.value, &violation.allowed);
                    }
                }
                self.args.extend(members);
            }
            Ok(other) => self.refuse("arguments", &other.to_string(), "a JSON object"),
            Err(error) => self.refuse("arguments", &error.to_string(), "a value that can be written as JSON"),
        }
    }
    fn refuse(&mut self, member: &str, value: &str, allowed: &str) {
        self.refused.push((member.to_owned(), value.to_owned(), allowed.to_owned()));
    }
}

/// Arguments by their names only: their values are the caller's, and may be long or secret.
impl fmt::Debug for ChuteJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.args.keys().collect();
        let mut out = f.debug_struct("ChuteJob");
        out.field("chute_id", &self.chute_id).field("method", &self.method).field("args", &names);
        out.finish_non_exhaustive()
    }
}

impl From<&ChuteJob> for ChuteJob {
    fn from(spec: &ChuteJob) -> Self {
        spec.clone()
    }
}

//! The places of the wire that the generated types cannot hold: null beside absent, a map that may be a list, secrets.
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use consign_http::Error;
use secrecy::{ExposeSecret, SecretString};
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use crate::arguments::JobArguments;
use crate::types::{Job, OutputFile};
use crate::{ApiKey, JobToken};

/// The output files of a job by their ids. An empty list in its place is read as none, and written back as it came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutputFiles {
    files: BTreeMap<String, OutputFile>,
    list: bool,
}

impl OutputFiles {
    /// Whether an outcome was reported: a table of files stands for it, even an empty one; an empty list does not.
    pub fn is_reported(&self) -> bool {
        !self.list
    }
    /// The files by their ids.
    pub fn into_inner(self) -> BTreeMap<String, OutputFile> {
        self.files
    }
}

impl Deref for OutputFiles {
    type Target = BTreeMap<String, OutputFile>;
    fn deref(&self) -> &Self::Target {
        &self.files
    }
}

impl Serialize for OutputFiles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.list { serializer.serialize_seq(Some(0))?.end() } else { self.files.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for OutputFiles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = OutputFiles;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("output files by their ids, or an empty list")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OutputFiles, A::Error> {
                let mut files = BTreeMap::new();
                while let Some((id, file)) = map.next_entry()? {
                    files.insert(id, file);
                }
                Ok(OutputFiles { files, list: false })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<OutputFiles, A::Error> {
                match items.next_element::<Value>()? {
                    None => Ok(OutputFiles { files: BTreeMap::new(), list: true }),
                    Some(_) => Err(de::Error::invalid_type(de::Unexpected::Seq, &self)),
                }
            }
        }
        deserializer.deserialize_any(Table)
    }
}

/// What [`finish_job`](crate::Runner::finish_job) reports. [`FinishJob::complete`], [`failed`](FinishJob::failed) and
/// [`cancelled`](FinishJob::cancelled) make reports after which the job can still be read by its creator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FinishJob {
    /// `complete`, `error` or `cancelled`; any text is stored as it is. Left out: `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What the job method returned.
    #[serde(default, skip_serializing_if = "Outcome::is_absent")]
    pub result: Outcome,
    /// What went wrong. The job's creator does not get to see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Names of the output files: paths relative to the output folder. Left out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_filenames: Option<Vec<String>>,
    /// Members that are not known here; they are written back as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The `result` of a report, in which null and absent are two things.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Outcome {
    /// Left out. The service then stores the text `error`, and nobody can read the job any more.
    #[default]
    Absent,
    /// Null: the method returned nothing, or failed.
    Null,
    /// What it returned. Anything but an object makes the job unreadable.
    Value(Value),
}

impl Outcome {
    /// Whether it is left out.
    pub fn is_absent(&self) -> bool {
        *self == Self::Absent
    }
    /// Whether the job can be read after this was reported.
    pub fn keeps_readable(&self) -> bool {
        matches!(self, Self::Null | Self::Value(Value::Object(_)))
    }
}

impl From<Option<Map<String, Value>>> for Outcome {
    fn from(result: Option<Map<String, Value>>) -> Self {
        result.map_or(Self::Null, |members| Self::Value(Value::Object(members)))
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent | Self::Null => serializer.serialize_unit(),
            Self::Value(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::Null => Self::Null,
            value => Self::Value(value),
        })
    }
}

impl FinishJob {
    /// The method returned an object, or nothing.
    pub fn complete(result: Option<Map<String, Value>>) -> Self {
        Self { status: Some("complete".to_owned()), result: result.into(), ..Self::default() }
    }
    /// The method failed. `result` is null: left out, it would make the job unreadable.
    pub fn failed(detail: impl Into<String>) -> Self {
        let (status, detail) = (Some("error".to_owned()), Some(detail.into()));
        Self { status, result: Outcome::Null, detail, ..Self::default() }
    }
    /// The method was cancelled. `result` is null: left out, it would make the job unreadable.
    pub fn cancelled(detail: impl Into<String>) -> Self {
        Self { status: Some("cancelled".to_owned()), ..Self::failed(detail) }
    }
    /// Sets the names of the output files.
    #[must_use]
    pub fn output_filenames<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.output_filenames = Some(names.into_iter().map(Into::into).collect());
        self
    }
}

/// The secret of an API key just made: the key as it is sent. It shows itself in no `Debug` output.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct SecretKey(SecretString);

impl SecretKey {
    /// The text.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
    /// The key, for a client.
    ///
    /// # Errors
    /// As [`ApiKey::new`].
    pub fn api_key(&self) -> Result<ApiKey, Error> {
        ApiKey::new(self.expose())
    }
}

/// The address that an output file is uploaded to. It holds the file's token, so it shows itself in no `Debug` output.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct UploadUrl(SecretString);

impl UploadUrl {
    /// The text. It is on the production host, whatever host was called; take the [`token`](UploadUrl::token) instead.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
    /// The file's token, for [`upload_job_file`](crate::Runner::upload_job_file).
    ///
    /// # Errors
    /// [`Decode`](consign_http::ErrorKind::Decode) if there is none in it.
    pub fn token(&self) -> Result<JobToken, Error> {
        crate::runner::token_of(self.expose())
    }
}

impl From<String> for SecretKey {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}
impl From<String> for UploadUrl {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}
impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}
impl PartialEq for UploadUrl {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}
impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey([redacted])")
    }
}
impl fmt::Debug for UploadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UploadUrl([redacted])")
    }
}
/// Written as it came: who serializes it shows it.
impl Serialize for SecretKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}
/// Written as it came: who serializes it shows it.
impl Serialize for UploadUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

/// The jobs in an answer of [`list_miner_jobs`](crate::Client::list_miner_jobs): lines `data: {…}`. Other lines are
/// passed over. Here `status` and `error_detail` are filled.
///
/// # Errors
/// [`Decode`](consign_http::ErrorKind::Decode) if a line holds no job.
pub fn miner_jobs(answer: &[u8]) -> Result<Vec<Job>, Error> {
    let lines = answer.split(|byte| *byte == b'\n').filter_map(|line| line.trim_ascii().strip_prefix(b"data:"));
    let bad = |e: serde_json::Error| {
        let what = format!("a line of the list holds no job: {e}");
        Error::new(consign_http::ErrorKind::Decode, consign_http::Delivery::Unknown, what).on_read()
    };
    lines.map(|line| serde_json::from_slice(line).map_err(bad)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn output_files_keep_their_form_and_an_empty_list_is_no_report() {
        for (text, reported) in [("{}", true), ("[]", false), (r#"{"a":{"filename":"x","uploaded":true}}"#, true)] {
            let files: OutputFiles = serde_json::from_str(text).unwrap();
            assert_eq!(files.is_reported(), reported, "{text}");
            assert_eq!(serde_json::to_string(&files).unwrap(), text);
        }
        for bad in ["[1]", "5", "\"a\""] {
            assert!(serde_json::from_str::<OutputFiles>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_report_keeps_null_and_absent_apart() {
        for text in [
            r#"{"status":"error","detail":"x"}"#,
            r#"{"status":"complete","result":null}"#,
            r#"{"result":{"a":null},"output_filenames":["b"]}"#,
            r#"{"result":"done","more":[1]}"#,
        ] {
            let report: FinishJob = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&report).unwrap(), text);
        }
        let failed = FinishJob::failed("out of memory").output_filenames(["_chute.log"]);
        let expected =
            json!({"status": "error", "result": null, "detail": "out of memory", "output_filenames": ["_chute.log"]});
        assert_eq!(serde_json::to_value(&failed).unwrap(), expected);
        assert!(failed.result.keeps_readable() && FinishJob::complete(None).result.keeps_readable());
        assert!(!Outcome::Absent.keeps_readable() && !Outcome::Value(json!("done")).keeps_readable());
        assert_eq!(FinishJob::cancelled("x").status.as_deref(), Some("cancelled"));
    }

    #[test]
    fn secrets_are_decoded_and_not_shown() {
        let key: SecretKey = serde_json::from_str("\"cpk_secret\"").unwrap();
        let url: UploadUrl = serde_json::from_str("\"https://api.chutes.ai/jobs/j/upload?token=a.b.c\"").unwrap();
        assert_eq!((key.expose(), url.token().unwrap().expose()), ("cpk_secret", "a.b.c"));
        assert!(key.api_key().is_err());
        assert_eq!(format!("{key:?} {url:?}"), "SecretKey([redacted]) UploadUrl([redacted])");
        assert_eq!(serde_json::to_value(&url).unwrap(), json!("https://api.chutes.ai/jobs/j/upload?token=a.b.c"));
    }

    #[test]
    fn a_miners_list_is_read_line_by_line() {
        let answer = b"data: {\"job_id\":\"a\",\"status\":\"pending\",\"miner_uid\":3}\n\ndata: {\"job_id\":\"b\",\"error_detail\":\"x\"}\n\n";
        let jobs = miner_jobs(answer).unwrap();
        assert_eq!((jobs[0].job_id.as_str(), jobs[1].error_detail.as_deref()), ("a", Some("x")));
        assert_eq!(miner_jobs(b"").unwrap(), []);
        assert!(miner_jobs(b"data: {}\n\n").is_err());
    }
}

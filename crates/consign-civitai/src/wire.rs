//! The places of the wire that have several forms: each is read in every form and written in the one it came in.
use std::fmt;

use consign_http::DateTime;
use serde::de::{self, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub use crate::places::Places;
use crate::types::{JobStatus, JobStatusCollection, JobTemplate, JobTemplateList};
use crate::{TimeSpan, TimeSpanError};

/// A length of time as it stands on the wire, `00:05:00`. It keeps its text, whatever that is; [`parse`] reads it.
///
/// The documented object form (`ticks` of 100 ns, else `totalSeconds`) is read too and becomes text.
///
/// [`parse`]: TimeSpanText::parse
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct TimeSpanText(String);

impl TimeSpanText {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The length.
    ///
    /// # Errors
    /// If the text is not `[-][d.]hh:mm:ss[.fffffff]`.
    pub fn parse(&self) -> Result<TimeSpan, TimeSpanError> {
        self.0.parse()
    }
}
impl From<TimeSpan> for TimeSpanText {
    fn from(span: TimeSpan) -> Self {
        Self(span.to_string())
    }
}
impl From<String> for TimeSpanText {
    fn from(text: String) -> Self {
        Self(text)
    }
}
impl From<&str> for TimeSpanText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}
impl fmt::Display for TimeSpanText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for TimeSpanText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TimeSpanVisitor)
    }
}

struct TimeSpanVisitor;

impl<'de> Visitor<'de> for TimeSpanVisitor {
    type Value = TimeSpanText;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time span: text such as 00:05:00, or an object with ticks or totalSeconds")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<TimeSpanText, E> {
        Ok(text.into())
    }
    fn visit_string<E: de::Error>(self, text: String) -> Result<TimeSpanText, E> {
        Ok(text.into())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TimeSpanText, A::Error> {
        let (mut ticks, mut seconds) = (None::<i64>, None::<f64>);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "ticks" => ticks = map.next_value()?,
                "totalSeconds" => seconds = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        // A float becomes the nearest tick; beyond the range it becomes the end of the range.
        let ticks = ticks.or_else(|| seconds.map(|seconds| (seconds * 1e7).round() as i64));
        let ticks = ticks.ok_or_else(|| A::Error::custom("a time span object without ticks and totalSeconds"))?;
        Ok(TimeSpan::from_ticks(ticks).into())
    }
}

/// A file that a job makes, such as a picture. `null` is `None`, and is written back as `null`.
/// Its `Debug` output leaves the signature out of the address.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Blob {
    /// `blobKey`: key of the blob; known before the file exists.
    pub blob_key: Option<String>,
    /// `available`: whether the file can be fetched. Absent means no.
    pub available: Option<bool>,
    /// `blobUrl`: a signed address of the file, good for about an hour, to be fetched without a credential.
    pub blob_url: Option<String>,
    /// `blobUrlExpirationDate`: until when the address is good.
    pub blob_url_expiration_date: Option<DateTime>,
    /// Members that are not described here.
    pub extra: Map<String, Value>,
    /// Which of the four members came as `null`, as bits in the order of [`MEMBERS`].
    nulls: u8,
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |url: &String| match url.split_once('?') {
            Some((place, _)) => format!("{place}?…"),
            None => url.clone(),
        };
        f.debug_struct("Blob")
            .field("blob_key", &self.blob_key)
            .field("available", &self.available)
            .field("blob_url", &self.blob_url.as_ref().map(shown))
            .field("blob_url_expiration_date", &self.blob_url_expiration_date)
            .field("extra", &self.extra)
            .finish_non_exhaustive()
    }
}

/// The described members of a [`Blob`].
const MEMBERS: [&str; 4] = ["blobKey", "available", "blobUrl", "blobUrlExpirationDate"];

impl Blob {
    /// Whether the file can be fetched now.
    pub fn is_available(&self) -> bool {
        self.available == Some(true)
    }
    fn write_member<M: SerializeMap>(
        &self,
        map: &mut M,
        at: usize,
        value: &Option<impl Serialize>,
    ) -> Result<(), M::Error> {
        if value.is_some() || self.nulls & (1 << at) != 0 { map.serialize_entry(MEMBERS[at], value) } else { Ok(()) }
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.write_member(&mut map, 0, &self.blob_key)?;
        self.write_member(&mut map, 1, &self.available)?;
        self.write_member(&mut map, 2, &self.blob_url)?;
        self.write_member(&mut map, 3, &self.blob_url_expiration_date)?;
        for (name, value) in &self.extra {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// What a job makes: one blob, several blobs, or whatever another kind of job gives.
///
/// ```
/// use consign_civitai::wire::JobResult;
///
/// let result: JobResult = serde_json::from_str(r#"[{"blobKey":"D4A2","available":true}]"#)?;
/// assert_eq!(result.blobs().len(), 1);
/// assert_eq!(serde_json::to_string(&result)?, r#"[{"blobKey":"D4A2","available":true}]"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum JobResult {
    /// One blob: the older form. Boxed, so that a page of jobs, which holds arrays, stays small.
    Blob(Box<Blob>),
    /// An array of blobs, perhaps empty: the current form.
    Blobs(Vec<Blob>),
    /// Anything else, as it came: what tagging and other kinds of jobs give.
    Other(Value),
}

impl JobResult {
    /// The blobs, in either form; none for another result.
    pub fn blobs(&self) -> &[Blob] {
        match self {
            Self::Blob(blob) => std::slice::from_ref(blob),
            Self::Blobs(blobs) => blobs,
            Self::Other(_) => &[],
        }
    }
}

impl<'de> Deserialize<'de> for JobResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Part::deserialize(deserializer)? {
            Part::Blob(blob) => Self::Blob(Box::new(blob)),
            Part::Blobs(blobs) => Self::Blobs(blobs),
            Part::Other(value) => Self::Other(value),
        })
    }
}

/// A result, or an item of one, while it is being read.
#[derive(Serialize)]
#[serde(untagged)]
enum Part {
    Blob(Blob),
    Blobs(Vec<Blob>),
    Other(Value),
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ResultVisitor)
    }
}

struct ResultVisitor;

impl<'de> Visitor<'de> for ResultVisitor {
    type Value = Part;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a blob, an array of blobs, or any other JSON value")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part, A::Error> {
        let mut blob = Blob::default();
        // Members of a blob by name, but not by type: then it is no blob.
        let mut misfits = Map::new();
        let mut seen = false;
        while let Some(key) = map.next_key::<Member>()? {
            let at = match key {
                Member::Known(at) => at,
                Member::Other(name) => {
                    blob.extra.insert(name, map.next_value()?);
                    continue;
                }
            };
            // The expiry alone does not make a blob.
            seen |= at < 3;
            blob.nulls &= !(1 << at);
            match (at, map.next_value()?) {
                (0, Scalar::Text(text)) => blob.blob_key = Some(text),
                (1, Scalar::Bool(available)) => blob.available = Some(available),
                (2, Scalar::Text(text)) => blob.blob_url = Some(text),
                (3, Scalar::Text(text)) => blob.blob_url_expiration_date = Some(text.into()),
                (_, Scalar::Null) => blob.nulls |= 1 << at,
                (_, other) => drop(misfits.insert(MEMBERS[at].to_owned(), other.into())),
            }
        }
        if seen && misfits.is_empty() {
            return Ok(Part::Blob(blob));
        }
        let mut all = serde_json::to_value(&blob).map_err(A::Error::custom)?;
        if let Value::Object(all) = &mut all {
            all.extend(misfits);
        }
        Ok(Part::Other(all))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Part, A::Error> {
        let mut next = seq.next_element()?;
        // Most results have one blob; a vector that grows by itself starts with room for four.
        let mut blobs = Vec::with_capacity(usize::from(next.is_some()));
        while let Some(item) = next {
            match item {
                Part::Blob(blob) => {
                    blobs.push(blob);
                    next = seq.next_element()?;
                }
                other => {
                    let before = blobs.into_iter().map(Part::Blob);
                    let values = before.chain([other]).map(serde_json::to_value);
                    let mut values: Vec<Value> = values.collect::<Result<_, _>>().map_err(A::Error::custom)?;
                    while let Some(value) = seq.next_element()? {
                        values.push(value);
                    }
                    return Ok(Part::Other(values.into()));
                }
            }
        }
        Ok(Part::Blobs(blobs))
    }
    fn visit_bool<E>(self, value: bool) -> Result<Part, E> {
        Ok(Part::Other(value.into()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Part, E> {
        Ok(Part::Other(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Part, E> {
        Ok(Part::Other(value.into()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Part, E> {
        Ok(Part::Other(value.into()))
    }
    fn visit_str<E>(self, text: &str) -> Result<Part, E> {
        Ok(Part::Other(text.into()))
    }
    fn visit_unit<E>(self) -> Result<Part, E> {
        Ok(Part::Other(Value::Null))
    }
}

/// The name of a member of what may be a blob.
enum Member {
    /// Its place in [`MEMBERS`].
    Known(usize),
    Other(String),
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MemberVisitor;
        impl Visitor<'_> for MemberVisitor {
            type Value = Member;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }
            fn visit_str<E>(self, name: &str) -> Result<Member, E> {
                let known = MEMBERS.iter().position(|member| *member == name);
                Ok(known.map_or_else(|| Member::Other(name.to_owned()), Member::Known))
            }
        }
        deserializer.deserialize_identifier(MemberVisitor)
    }
}

/// The value of a described member: almost always of the first three kinds.
enum Scalar {
    Null,
    Bool(bool),
    Text(String),
    Other(Value),
}

impl From<Scalar> for Value {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Null => Self::Null,
            Scalar::Bool(value) => value.into(),
            Scalar::Text(text) => text.into(),
            Scalar::Other(value) => value,
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;
        impl<'de> Visitor<'de> for ScalarVisitor {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }
            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(value))
            }
            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }
            fn visit_string<E>(self, text: String) -> Result<Scalar, E> {
                Ok(Scalar::Text(text))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar::Other(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar::Other(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar::Other(value.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Scalar, A::Error> {
                Value::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Scalar::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Scalar, A::Error> {
                Value::deserialize(de::value::MapAccessDeserializer::new(map)).map(Scalar::Other)
            }
        }
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// The status of one job as it is answered: alone (the current form), or in a collection (the documented one).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum JobReply {
    /// The status alone.
    Status(Box<JobStatus>),
    /// A collection; it should hold the status.
    Collection(JobStatusCollection),
}

impl JobReply {
    /// The status of the job `id`: the entry with this id, else the only entry. A bare status is taken as it is.
    /// `None` if a collection is empty, or holds several entries and none with this id.
    pub fn into_status(self, id: &str) -> Option<JobStatus> {
        match self {
            Self::Status(status) => Some(*status),
            Self::Collection(collection) => {
                let mut jobs = collection.jobs.unwrap_or_default();
                let at = jobs.iter().position(|job| job.job_id.as_ref().is_some_and(|found| found.as_str() == id));
                let at = at.or((jobs.len() == 1).then_some(0))?;
                Some(jobs.swap_remove(at))
            }
        }
    }
}

impl<'de> Deserialize<'de> for JobReply {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let read = Form::of(&text).and_then(|form| match form {
            Form { jobs: true, .. } => serde_json::from_str(text.get()).map(Self::Collection),
            _ => serde_json::from_str(text.get()).map(Self::Status),
        });
        read.map_err(D::Error::custom)
    }
}

/// What a submission sends: one template, or a list of them under one token.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum SubmitBody {
    /// One template, written bare.
    One(Box<JobTemplate>),
    /// A list, written under `jobs`.
    List(JobTemplateList),
}

impl From<JobTemplate> for SubmitBody {
    fn from(template: JobTemplate) -> Self {
        Self::One(Box::new(template))
    }
}
impl From<JobTemplateList> for SubmitBody {
    fn from(list: JobTemplateList) -> Self {
        Self::List(list)
    }
}
impl From<Vec<JobTemplate>> for SubmitBody {
    fn from(templates: Vec<JobTemplate>) -> Self {
        Self::List(JobTemplateList::new().jobs(templates))
    }
}

impl<'de> Deserialize<'de> for SubmitBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let read = Form::of(&text).and_then(|form| match form {
            Form { jobs: true, tag: false } => serde_json::from_str(text.get()).map(Self::List),
            _ => serde_json::from_str(text.get()).map(Self::One),
        });
        read.map_err(D::Error::custom)
    }
}

/// Which of the members that tell two forms apart an object has.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Form {
    #[serde(deserialize_with = "present")]
    jobs: bool,
    #[serde(rename = "$type", deserialize_with = "present")]
    tag: bool,
}

impl Form {
    fn of(text: &RawValue) -> serde_json::Result<Self> {
        if text.get().starts_with('{') {
            serde_json::from_str(text.get())
        } else {
            Err(serde_json::Error::custom("an object is needed"))
        }
    }
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

#[cfg(test)]
mod tests;

//! `Template`: any kind of job that Civitai runs.
use std::fmt;

use consign_core::Violations;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error as _};
use serde_json::{Map, Value};

use super::shown;
use super::{Comfy, TextToImage};

/// Names what of a stored template is sent without a check.
const UNCHECKED: &str = "$unchecked";

/// Any kind of job.
///
/// It can be stored as JSON and read back without loss: as the wire's template, except that a size that
/// was not set is left out, and that a member `$unchecked` lists what is sent without a check, if
/// anything is. What JSON cannot hold (a number that is not finite) is an error then.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Template {
    /// Pictures from a prompt.
    TextToImage(Box<TextToImage>),
    /// A free ComfyUI graph.
    Comfy(Box<Comfy>),
    /// Any other kind: a JSON object with its `$type`, sent as it is. The kinds and their members are
    /// in [`types::JobTemplate`](super::types::JobTemplate).
    Raw(Map<String, Value>),
}

impl Template {
    pub(crate) fn violations(&self) -> Violations {
        match self {
            Self::TextToImage(spec) => spec.violations(),
            Self::Comfy(spec) => spec.violations(),
            Self::Raw(object) => {
                let mut out = Violations::new();
                if object.get("$type").and_then(Value::as_str).is_none_or(|t| t.trim().is_empty()) {
                    let given = object.get("$type").map(ToString::to_string).unwrap_or_default();
                    out.add("$type", given, "the kind of the job, such as imageTransform");
                }
                out
            }
        }
    }
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::TextToImage(spec) => spec.weight(),
            Self::Comfy(spec) => spec.weight(),
            Self::Raw(object) => {
                object.get("quantity").and_then(Value::as_u64).map_or(1, |q| q.clamp(1, 1_000_000) as usize)
            }
        }
    }
    /// The template as it is sent.
    pub fn to_json(&self) -> Map<String, Value> {
        match self {
            Self::TextToImage(spec) => spec.to_json(),
            Self::Comfy(spec) => spec.to_json(),
            Self::Raw(object) => object.clone(),
        }
    }
    /// Where status updates are posted to.
    pub(crate) fn callback(&self) -> Option<&str> {
        match self {
            Self::TextToImage(spec) => spec.job_settings().callback(),
            Self::Comfy(spec) => spec.job_settings().callback(),
            Self::Raw(object) => object.get("callbackUrl").and_then(Value::as_str),
        }
    }
}

/// As it is sent; addresses without their queries, long texts cut short.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TextToImage(spec) => spec.fmt(f),
            Self::Comfy(spec) => spec.fmt(f),
            Self::Raw(object) => {
                f.write_str("Raw ")?;
                shown::members_of(object, f)
            }
        }
    }
}

impl From<TextToImage> for Template {
    fn from(spec: TextToImage) -> Self {
        Self::TextToImage(Box::new(spec))
    }
}
impl From<&TextToImage> for Template {
    fn from(spec: &TextToImage) -> Self {
        spec.clone().into()
    }
}
impl From<Comfy> for Template {
    fn from(spec: Comfy) -> Self {
        Self::Comfy(Box::new(spec))
    }
}
impl From<&Comfy> for Template {
    fn from(spec: &Comfy) -> Self {
        spec.clone().into()
    }
}
impl From<&Template> for Template {
    fn from(template: &Template) -> Self {
        template.clone()
    }
}
impl From<Map<String, Value>> for Template {
    fn from(object: Map<String, Value>) -> Self {
        Self::Raw(object)
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (unwritable, mut out, mut unchecked) = match self {
            Self::TextToImage(spec) => (spec.unwritable(), spec.stored(), spec.unchecked()),
            Self::Comfy(spec) => (spec.job_settings().unwritable(), spec.to_json(), Vec::new()),
            Self::Raw(object) => (None, object.clone(), Vec::new()),
        };
        if let Some(member) = unwritable {
            return Err(S::Error::custom(format!("{member} cannot be written as JSON")));
        }
        // Read back as another kind it would be checked.
        if let Self::Raw(object) = self
            && matches!(object.get("$type").and_then(Value::as_str), Some("textToImage" | "comfy"))
        {
            unchecked.push("template".to_owned());
        }
        if !unchecked.is_empty() {
            out.insert(UNCHECKED.to_owned(), unchecked.into());
        }
        out.serialize(serializer)
    }
}
impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = Map::<String, Value>::deserialize(deserializer)?;
        let unchecked: Vec<String> = take(&mut object, UNCHECKED).map_err(D::Error::custom)?.unwrap_or_default();
        if unchecked.iter().any(|what| what == "template") {
            return Ok(Self::Raw(object));
        }
        let read = match object.get("$type").and_then(Value::as_str) {
            Some("textToImage") => TextToImage::from_json(object, &unchecked).map(Self::from),
            Some("comfy") => Comfy::from_json(object).map(Self::from),
            _ => Ok(Self::Raw(object)),
        };
        read.map_err(D::Error::custom)
    }
}

/// Takes a member out of a template; `null` is the same as absent.
pub(crate) fn take<T: DeserializeOwned>(from: &mut Map<String, Value>, name: &str) -> Result<Option<T>, String> {
    let value = from.remove(name).unwrap_or_default();
    serde_json::from_value(value).map_err(|e| format!("{name}: {e}"))
}

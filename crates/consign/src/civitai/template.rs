//! `Template`: any kind of job that Civitai runs.
use consign_core::Violations;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value};

use super::{Comfy, TextToImage};

/// Any kind of job. As JSON it is the wire's template, so it can be stored and read back.
#[derive(Clone, Debug, PartialEq)]
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
        self.to_json().serialize(serializer)
    }
}
impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Map::<String, Value>::deserialize(deserializer)?;
        match object.get("$type").and_then(Value::as_str) {
            Some("textToImage") => TextToImage::from_json(object).map(Self::from).map_err(D::Error::custom),
            Some("comfy") => Ok(Comfy::from_json(object).into()),
            _ => Ok(Self::Raw(object)),
        }
    }
}

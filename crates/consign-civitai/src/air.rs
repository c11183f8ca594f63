//! AIR identifiers: names of models and other resources, parsed, built, compared and written canonically.
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The source whose ids and versions are numbers.
const CIVITAI: &str = "civitai";
/// Words that are types. As a source they mean that a part was left out.
const TYPES: [&str; 21] = [
    "checkpoint",
    "lora",
    "lycoris",
    "vae",
    "embedding",
    "hypernet",
    "model",
    "controlnet",
    "upscaler",
    "dora",
    "motion",
    "ag",
    "text_encoders",
    "unet",
    "diffusionmodel",
    "clip",
    "clipvision",
    "visionlanguage",
    "image",
    "repository",
    "other",
];
const STRICT_ECOSYSTEMS: [&str; 5] = ["sd1", "sd2", "sdxl", "flux1", "pony"];
const STRICT_TYPES: [&str; 6] = ["checkpoint", "lora", "lycoris", "vae", "embedding", "hypernet"];
const STRICT_SOURCES: [&str; 4] = ["civitai", "huggingface", "openai", "leonardo"];
/// What an id or version of the source civitai has to be.
const NUMBER: &str = "a whole number from 1 to 9223372036854775807";

/// Names a resource: `urn:air:sdxl:checkpoint:civitai:101055@128078`.
///
/// The form is `[urn:][air:][ecosystem:][type:]source:id[@version][+fileId][.format]`. Case does not matter
/// for the first four words and the source. [`Display`](fmt::Display) writes the canonical form: `urn:air:` in
/// front, these parts in lower case, the others as given; two values are equal if their canonical forms are.
///
/// ```
/// use consign_civitai::Air;
///
/// let air: Air = "SDXL:Checkpoint:civitai:101055@128078".parse()?;
/// assert_eq!(air.to_string(), "urn:air:sdxl:checkpoint:civitai:101055@128078");
/// assert_eq!((air.ecosystem(), air.model_id()), (Some("sdxl"), Some(101055)));
/// assert_eq!(air, Air::civitai("sdxl", "checkpoint", 101055, 128078)?);
/// # Ok::<(), consign_civitai::AirError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Air {
    ecosystem: Option<String>,
    kind: Option<String>,
    source: String,
    id: String,
    version: Option<String>,
    file_id: Option<String>,
    format: Option<String>,
}

impl Air {
    /// Reads any AIR: every ecosystem, type and source is taken. For the source `civitai`, id and version have
    /// to be whole numbers from 1 to 2^63-1, and a `.word` at the end is the format.
    ///
    /// # Errors
    /// [`AirErrorKind::Empty`] for an empty or blank text, [`AirErrorKind::OutOfRange`] for a number out of
    /// range, [`AirErrorKind::Malformed`] for anything else. Blanks around the text are not trimmed.
    pub fn parse(text: &str) -> Result<Self, AirError> {
        if text.trim().is_empty() {
            return Err(AirError::new(AirErrorKind::Empty, "text", text, "an AIR identifier"));
        }
        let rest = strip_word(strip_word(text, "urn:"), "air:");
        let segments: Vec<&str> = rest.split(':').collect();
        let (ecosystem, kind, source, last) = match segments[..] {
            [source, last] => (None, None, source, last),
            [ecosystem, source, last] => (Some(ecosystem), None, source, last),
            [ecosystem, kind, source, last] => (Some(ecosystem), Some(kind), source, last),
            [_] => return Err(malformed("source", text, "a source and an id, such as civitai:4201@130072")),
            _ => return Err(malformed("text", text, "at most ecosystem, type, source and id between colons")),
        };
        let (before, file) = match last.split_once('+') {
            Some((before, after)) => (before, Some(after)),
            None => (last, None),
        };
        let (file_id, format) = match file.map(|f| f.split_once('.').map_or((f, None), |(id, word)| (id, Some(word)))) {
            Some((file_id, format)) => (Some(file_id), format),
            None => (None, None),
        };
        let (id, version) = match before.split_once('@') {
            Some((id, version)) => (id, Some(version)),
            None => (before, None),
        };
        let parts = Parts { ecosystem, kind, source, id, version, file_id, format };
        parts.split_format().check()
    }

    /// Reads only the closed form `urn:air:ecosystem:type:source:id@version`: every part is there, ecosystem,
    /// type and source are on the provider's first lists, id and version are numbers, and nothing follows.
    ///
    /// # Errors
    /// As [`Air::parse`].
    pub fn parse_strict(text: &str) -> Result<Self, AirError> {
        let air = Self::parse(text)?;
        if strip_word(strip_word(text, "urn:"), "air:").len() + "urn:air:".len() != text.len() {
            return Err(malformed("text", text, "urn:air: in front"));
        }
        let listed = |part: &'static str, value: Option<&String>, list: &[&str]| match value {
            Some(value) if list.contains(&value.as_str()) => Ok(()),
            value => {
                let value = value.map_or("", String::as_str);
                Err(malformed(part, value, &format!("one of {}", list.join(", "))))
            }
        };
        listed("ecosystem", air.ecosystem.as_ref(), &STRICT_ECOSYSTEMS)?;
        listed("type", air.kind.as_ref(), &STRICT_TYPES)?;
        listed("source", Some(&air.source), &STRICT_SOURCES)?;
        number("id", &air.id)?;
        number("version", air.version.as_deref().unwrap_or(""))?;
        match (&air.file_id, &air.format) {
            (None, None) => Ok(air),
            (Some(file_id), _) => Err(malformed("file id", file_id, "no file id")),
            (None, Some(format)) => Err(malformed("format", format, "no format")),
        }
    }

    /// A version of a model of civitai.com: `urn:air:{ecosystem}:{kind}:civitai:{model_id}@{version_id}`.
    ///
    /// # Errors
    /// [`AirErrorKind::OutOfRange`] for a number that is 0 or above 2^63-1, [`AirErrorKind::Missing`] for an
    /// empty ecosystem or type, [`AirErrorKind::Malformed`] for a character that cannot stand in one.
    pub fn civitai(ecosystem: &str, kind: &str, model_id: u64, version_id: u64) -> Result<Self, AirError> {
        Self::builder().ecosystem(ecosystem).kind(kind).id(model_id).version(version_id).build()
    }

    /// Builds an AIR part by part. The source is `civitai` unless another is set; the id has to be set.
    pub fn builder() -> AirBuilder {
        AirBuilder::default()
    }

    /// The family of models, such as `sdxl`, in lower case.
    pub fn ecosystem(&self) -> Option<&str> {
        self.ecosystem.as_deref()
    }
    /// The type of resource, such as `checkpoint` or `lora`, in lower case.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }
    /// Where the resource comes from, such as `civitai`, in lower case.
    pub fn source(&self) -> &str {
        &self.source
    }
    /// The id within the source.
    pub fn id(&self) -> &str {
        &self.id
    }
    /// The version of the resource.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
    /// One file of the version, as digits.
    pub fn file_id(&self) -> Option<&str> {
        self.file_id.as_deref()
    }
    /// The format of the file, such as `safetensor`.
    pub fn format(&self) -> Option<&str> {
        self.format.as_deref()
    }
    /// The id as the number of a model of civitai.com; `None` for another source.
    pub fn model_id(&self) -> Option<u64> {
        if self.source == CIVITAI { self.id.parse().ok() } else { None }
    }
    /// The version as the number of a model version of civitai.com; `None` for another source.
    pub fn version_id(&self) -> Option<u64> {
        if self.source == CIVITAI { self.version.as_ref()?.parse().ok() } else { None }
    }
}

/// The canonical form.
impl fmt::Display for Air {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("urn:air:")?;
        for part in [&self.ecosystem, &self.kind].into_iter().flatten() {
            write!(f, "{part}:")?;
        }
        write!(f, "{}:{}", self.source, self.id)?;
        for (mark, part) in [("@", &self.version), ("+", &self.file_id), (".", &self.format)] {
            if let Some(part) = part {
                write!(f, "{mark}{part}")?;
            }
        }
        Ok(())
    }
}
impl FromStr for Air {
    type Err = AirError;
    fn from_str(text: &str) -> Result<Self, AirError> {
        Self::parse(text)
    }
}
impl TryFrom<&str> for Air {
    type Error = AirError;
    fn try_from(text: &str) -> Result<Self, AirError> {
        Self::parse(text)
    }
}
/// Written as the canonical form.
impl Serialize for Air {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Air {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// An [`Air`] being built. Setting a part again replaces it.
#[derive(Clone, Debug, Default)]
pub struct AirBuilder {
    ecosystem: Option<String>,
    kind: Option<String>,
    source: Option<String>,
    id: Option<String>,
    version: Option<String>,
    file_id: Option<String>,
    format: Option<String>,
}

impl AirBuilder {
    /// The family of models, such as `sdxl`.
    #[must_use]
    pub fn ecosystem(mut self, ecosystem: impl Into<String>) -> Self {
        self.ecosystem = Some(ecosystem.into());
        self
    }
    /// The type of resource, such as `lora`. It needs an ecosystem: a lone word in front of the source is one.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }
    /// Where the resource comes from. Default: `civitai`.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }
    /// The id within the source; for `civitai` the number of the model.
    #[must_use]
    pub fn id(mut self, id: impl fmt::Display) -> Self {
        self.id = Some(id.to_string());
        self
    }
    /// The version; for `civitai` the number of the model version.
    #[must_use]
    pub fn version(mut self, version: impl fmt::Display) -> Self {
        self.version = Some(version.to_string());
        self
    }
    /// One file of the version.
    #[must_use]
    pub fn file_id(mut self, file_id: u64) -> Self {
        self.file_id = Some(file_id.to_string());
        self
    }
    /// The format of the file. For another source than `civitai` it needs a file id.
    #[must_use]
    pub fn format(mut self, format: impl Into<String>) -> Self {
        self.format = Some(format.into());
        self
    }
    /// The AIR.
    ///
    /// # Errors
    /// [`AirErrorKind::Missing`] for a part that has to be set and is not, or is empty;
    /// [`AirErrorKind::OutOfRange`] and [`AirErrorKind::Malformed`] as for [`Air::parse`].
    pub fn build(self) -> Result<Air, AirError> {
        let missing = |part| Err(AirError::new(AirErrorKind::Missing, part, "", "it has to be set"));
        let given = [
            ("ecosystem", &self.ecosystem),
            ("type", &self.kind),
            ("source", &self.source),
            ("version", &self.version),
            ("format", &self.format),
        ];
        if let Some((part, _)) = given.into_iter().find(|(_, value)| value.as_deref() == Some("")) {
            return missing(part);
        }
        let Some(id) = self.id.as_deref().filter(|id| !id.is_empty()) else { return missing("id") };
        if self.kind.is_some() && self.ecosystem.is_none() {
            return missing("ecosystem");
        }
        let source = self.source.as_deref().unwrap_or(CIVITAI);
        if self.format.is_some() && self.file_id.is_none() && !source.eq_ignore_ascii_case(CIVITAI) {
            return missing("file id");
        }
        Parts {
            ecosystem: self.ecosystem.as_deref(),
            kind: self.kind.as_deref(),
            source,
            id,
            version: self.version.as_deref(),
            file_id: self.file_id.as_deref(),
            format: self.format.as_deref(),
        }
        .check()
    }
}

/// The parts of an AIR as they were written, not checked yet.
struct Parts<'a> {
    ecosystem: Option<&'a str>,
    kind: Option<&'a str>,
    source: &'a str,
    id: &'a str,
    version: Option<&'a str>,
    file_id: Option<&'a str>,
    format: Option<&'a str>,
}

impl Parts<'_> {
    /// For the source civitai a `.word` at the end is the format, not part of the number.
    fn split_format(mut self) -> Self {
        if self.source.eq_ignore_ascii_case(CIVITAI) && self.file_id.is_none() {
            let end = self.version.as_mut().unwrap_or(&mut self.id);
            if let Some((number, word)) = end.rsplit_once('.') {
                *end = number;
                self.format = Some(word);
            }
        }
        self
    }

    fn check(self) -> Result<Air, AirError> {
        let word = |part, text: &str| characters(part, text, "_-/", "letters, digits, _, - and /");
        let place = |part, text: &str| characters(part, text, "_-/.", "letters, digits, _, -, / and .");
        for (part, text) in [("ecosystem", self.ecosystem), ("type", self.kind), ("source", Some(self.source))] {
            text.map_or(Ok(()), |text| word(part, text))?;
        }
        let source = self.source.to_ascii_lowercase();
        if TYPES.contains(&source.as_str()) {
            return Err(malformed("source", self.source, "a source, not a type; a part is missing"));
        }
        let (mut id, mut version) = (self.id.to_owned(), self.version.map(str::to_owned));
        if source == CIVITAI {
            id = number("id", self.id)?;
            version = self.version.map(|version| number("version", version)).transpose()?;
        } else {
            place("id", self.id)?;
            self.version.map_or(Ok(()), |version| place("version", version))?;
        }
        if let Some(file_id) = self.file_id
            && (file_id.is_empty() || !file_id.bytes().all(|b| b.is_ascii_digit()))
        {
            return Err(malformed("file id", file_id, "digits"));
        }
        self.format.map_or(Ok(()), |format| characters("format", format, "_-", "letters, digits, _ and -"))?;
        Ok(Air {
            ecosystem: self.ecosystem.map(str::to_ascii_lowercase),
            kind: self.kind.map(str::to_ascii_lowercase),
            source,
            id,
            version,
            file_id: self.file_id.map(str::to_owned),
            format: self.format.map(str::to_owned),
        })
    }
}

/// `text` without `word` in front, whatever its case.
fn strip_word<'a>(text: &'a str, word: &str) -> &'a str {
    match text.split_at_checked(word.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(word) => rest,
        _ => text,
    }
}

fn characters(part: &'static str, text: &str, others: &str, allowed: &str) -> Result<(), AirError> {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c)) {
        Ok(())
    } else {
        Err(malformed(part, text, &format!("one or more of {allowed}")))
    }
}

/// The number without leading zeros.
fn number(part: &'static str, text: &str) -> Result<String, AirError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(malformed(part, text, NUMBER));
    }
    match text.trim_start_matches('0').parse::<i64>() {
        Ok(number) => Ok(number.to_string()),
        Err(_) => Err(AirError::new(AirErrorKind::OutOfRange, part, text, NUMBER)),
    }
}

fn malformed(part: &'static str, text: &str, allowed: &str) -> AirError {
    AirError::new(AirErrorKind::Malformed, part, text, allowed)
}

/// Why a text is not an AIR, or why parts do not make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AirError {
    kind: AirErrorKind,
    part: &'static str,
    text: String,
    allowed: String,
}

/// What is wrong with an AIR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AirErrorKind {
    /// No text was given, or a blank one.
    Empty,
    /// A part that has to be set is not; from the builder only.
    Missing,
    /// A part has characters that it cannot have, or there are too many or too few parts.
    Malformed,
    /// A number is 0 or above 2^63-1.
    OutOfRange,
}

impl AirError {
    fn new(kind: AirErrorKind, part: &'static str, text: &str, allowed: &str) -> Self {
        let mut shown: String = text.chars().take(80).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        Self { kind, part, text: shown, allowed: allowed.to_owned() }
    }
    /// What is wrong.
    pub fn kind(&self) -> AirErrorKind {
        self.kind
    }
    /// The part that is wrong: `ecosystem`, `type`, `source`, `id`, `version`, `file id`, `format`, or `text`
    /// for all of it.
    pub fn part(&self) -> &'static str {
        self.part
    }
    /// The text of that part, at most 80 characters of it.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for AirError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            AirErrorKind::Empty => write!(f, "the AIR is empty: {} is needed", self.allowed),
            AirErrorKind::Missing => write!(f, "the AIR has no {}: {}", self.part, self.allowed),
            _ => write!(f, "not an AIR: {} {:?} is not {}", self.part, self.text, self.allowed),
        }
    }
}
impl std::error::Error for AirError {}

#[cfg(test)]
mod tests;

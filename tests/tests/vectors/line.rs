//! One line of a vector file.
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A recorded request.
#[derive(Deserialize)]
pub struct RequestLine {
    pub provider: String,
    pub api: Option<String>,
    pub request: Recorded,
    pub quirk: Option<String>,
    #[serde(default)]
    pub exact_path: bool,
    /// The text under the signature that the headers carry.
    pub signed_message: Option<String>,
}

#[derive(Deserialize)]
pub struct Recorded {
    pub method: String,
    pub path: String,
    #[serde(default)]
    pub query: Vec<(String, String)>,
    pub raw_query: Option<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub header_bytes_base64: BTreeMap<String, String>,
    pub body: Option<Box<RawValue>>,
    pub body_text: Option<String>,
    pub body_base64: Option<String>,
    pub multipart: Option<Vec<RecordedPart>>,
}

/// One part of a form.
#[derive(Deserialize)]
pub struct RecordedPart {
    pub name: String,
    pub filename: Option<String>,
    pub content_type: Option<String>,
    pub text: Option<String>,
    pub body_base64: Option<String>,
}

/// One part of a form, decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub name: String,
    pub file_name: Option<String>,
    pub media: Option<String>,
    pub bytes: Vec<u8>,
}

/// The body of a request, for the typed argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    None,
    /// The exact text of one JSON value.
    Json(String),
    Bytes(Vec<u8>),
    Parts(Vec<Part>),
}

impl Recorded {
    /// The body: the first that exists of multipart, text, JSON, bytes.
    pub fn body(&self) -> Result<Body, String> {
        if let Some(parts) = &self.multipart {
            return parts.iter().map(RecordedPart::decoded).collect::<Result<_, _>>().map(Body::Parts);
        }
        if let Some(text) = &self.body_text {
            return Ok(Body::Json(text.clone()));
        }
        if let Some(json) = self.body.as_ref().filter(|json| json.get() != "null") {
            return Ok(Body::Json(json.get().to_owned()));
        }
        match &self.body_base64 {
            Some(text) => Ok(Body::Bytes(decode(text)?)),
            None => Ok(Body::None),
        }
    }
    /// The headers by lower-case name, with the bytes that are not text in place.
    pub fn headers(&self) -> Result<BTreeMap<String, Vec<u8>>, String> {
        let mut all: BTreeMap<_, _> =
            self.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone().into_bytes())).collect();
        for (name, value) in &self.header_bytes_base64 {
            all.insert(name.to_lowercase(), decode(value)?);
        }
        Ok(all)
    }
}

impl RecordedPart {
    fn decoded(&self) -> Result<Part, String> {
        let bytes = match (&self.text, &self.body_base64) {
            (_, Some(text)) => decode(text)?,
            (Some(text), None) => text.clone().into_bytes(),
            (None, None) => return Err(format!("the part {:?} has no content", self.name)),
        };
        let (name, file_name, media) = (self.name.clone(), self.filename.clone(), self.content_type.clone());
        Ok(Part { name, file_name, media, bytes })
    }
}

/// A recorded answer.
#[derive(Deserialize)]
pub struct ResponseLine {
    pub provider: String,
    pub api: Option<String>,
    pub operation: String,
    pub status: u16,
    pub content_type: Option<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    pub body: Option<Box<RawValue>>,
    pub body_base64: Option<String>,
    #[serde(default)]
    pub expect: Expect,
    pub quirk: Option<String>,
}

/// What a line says about its outcome.
#[derive(Default, Deserialize)]
pub struct Expect {
    pub state: Option<String>,
    pub finished: Option<bool>,
    pub decode: Option<Decode>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decode {
    Ok,
    Error,
    Either,
}

impl ResponseLine {
    /// The body's bytes, and its media type if there is one.
    pub fn body(&self) -> Result<(Vec<u8>, Option<String>), String> {
        let given = self.content_type.clone();
        if let Some(text) = &self.body_base64 {
            return Ok((decode(text)?, given));
        }
        let text = self.body.as_ref().map_or("null", |json| json.get());
        match serde_json::from_str::<Option<String>>(text) {
            Ok(None) => Ok((Vec::new(), given)),
            // A string is the raw text.
            Ok(Some(raw)) => Ok((raw.into_bytes(), given)),
            Err(_) => Ok((text.as_bytes().to_vec(), given.or_else(|| Some("application/json".to_owned())))),
        }
    }
}

fn decode(text: &str) -> Result<Vec<u8>, String> {
    BASE64_STANDARD.decode(text).map_err(|error| format!("base64: {error}"))
}

//! What a submission works on: a text, a file, a document that the service already has.
use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use consign_core::{Error, Result, Violations};
use consign_numind::Part;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Media types of the families that the service takes, by extension.
const MEDIA: [(&[&str], &str); 20] = [
    (&["pdf"], "application/pdf"),
    (&["png"], "image/png"),
    (&["jpg", "jpeg"], "image/jpeg"),
    (&["webp"], "image/webp"),
    (&["gif"], "image/gif"),
    (&["bmp"], "image/bmp"),
    (&["tif", "tiff"], "image/tiff"),
    (&["txt", "text", "log"], "text/plain"),
    (&["md", "markdown"], "text/markdown"),
    (&["csv"], "text/csv"),
    (&["html", "htm"], "text/html"),
    (&["doc"], "application/msword"),
    (&["docx"], "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (&["ppt"], "application/vnd.ms-powerpoint"),
    (&["pptx"], "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    (&["xls"], "application/vnd.ms-excel"),
    (&["xlsx"], "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (&["odt"], "application/vnd.oasis.opendocument.text"),
    (&["odp"], "application/vnd.oasis.opendocument.presentation"),
    (&["ods"], "application/vnd.oasis.opendocument.spreadsheet"),
];

/// What a submission works on. A text is one by itself: `"some text".into()`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Input {
    /// A text.
    Text(String),
    /// A file, sent with the submission.
    File(File),
    /// A document that the service already has, by its id.
    Document(String),
}

impl Input {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
    /// A document that the service already has, by its id.
    pub fn document(id: impl Into<String>) -> Self {
        Self::Document(id.into())
    }
    /// Reads a file, as [`File::open`].
    ///
    /// # Errors
    /// As there.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        File::open(path).map(Self::File)
    }

    pub(super) fn check(&self, member: &str, out: &mut Violations) {
        match self {
            Self::Text(text) if text.trim().is_empty() => out.add(member, "", "a text that is not blank"),
            Self::Document(id) => check_id(id, member, out),
            Self::File(file) => file.check(member, out),
            Self::Text(_) => {}
        }
    }
    /// As a part of a form; `None` for a document.
    pub(super) fn part(&self, name: &str) -> Result<Option<Part>, consign_http::Error> {
        match self {
            Self::Text(text) => {
                let part = Part::bytes(text.clone()).file_name(format!("{name}.txt"));
                part.media_type("text/plain; charset=utf-8").map(Some)
            }
            Self::File(file) => file.part(name).map(Some),
            Self::Document(_) => Ok(None),
        }
    }
}

/// Ids that are path segments: the service's own are never blank, and `.` and `..` would address something else.
pub(super) fn check_id(id: &str, member: &str, out: &mut Violations) {
    if id.trim().is_empty() || id == "." || id == ".." {
        out.add(member, id, "an id of the service");
    }
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}
impl From<String> for Input {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<File> for Input {
    fn from(file: File) -> Self {
        Self::File(file)
    }
}
impl From<&Input> for Input {
    fn from(input: &Input) -> Self {
        input.clone()
    }
}

/// How long it is; not what it says.
impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::File(file) => file.fmt(f),
            Self::Document(id) => write!(f, "Document({id:?})"),
        }
    }
}

/// A file: text, image, PDF, Word, PowerPoint, Excel, OpenDocument. The bytes are shared between clones; stored as JSON
/// they are base64.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    bytes: Bytes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
}

impl File {
    /// A file from its bytes. The service finds out its format by itself; a name helps.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), name: None, media_type: None }
    }
    /// Reads a file at once, with its name and the media type that its extension tells. Blocks while it reads.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) naming the path.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        let file = Self::new(bytes);
        Ok(match path.file_name() {
            Some(name) => file.name(name.to_string_lossy()),
            None => file,
        })
    }
    /// With a file name. What is sent of it is letters and digits of ASCII, `.`, `-` and `_`, with `_` in place of
    /// anything else: what the service makes of other characters is not known.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
    /// With a media type, such as `application/pdf`. Unset: what the name's extension tells.
    #[must_use]
    pub fn media_type(mut self, media: impl Into<String>) -> Self {
        self.media_type = Some(media.into());
        self
    }
    /// The bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn check(&self, member: &str, out: &mut Violations) {
        if self.bytes.is_empty() {
            out.add(member, "", "a file that is not empty");
        }
        if let Some(media) = self.media_type.as_deref()
            && Part::bytes("").media_type(media).is_err()
        {
            out.add(format!("{member}.mediaType"), media, "a media type such as image/png");
        }
    }
    /// The name as it is sent, or `unnamed`.
    pub(super) fn wire_name(&self, unnamed: &str) -> String {
        let name = self.name.as_deref().filter(|name| !name.trim().is_empty()).unwrap_or(unnamed);
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
        name.chars().map(plain).collect()
    }
    fn part(&self, unnamed: &str) -> Result<Part, consign_http::Error> {
        let part = Part::bytes(self.bytes.clone()).file_name(self.wire_name(unnamed));
        let extension = self.name.as_deref().and_then(|name| name.rsplit_once('.')).map(|(_, e)| e.to_lowercase());
        let known = MEDIA.iter().find(|(extensions, _)| extension.as_deref().is_some_and(|e| extensions.contains(&e)));
        let guessed = known.map_or("application/octet-stream", |(_, media)| *media);
        part.media_type(self.media_type.as_deref().unwrap_or(guessed))
    }
}

/// Name, media type and size; not the bytes.
impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("File");
        out.field("name", &self.name).field("media_type", &self.media_type).field("bytes", &self.bytes.len()).finish()
    }
}

fn to_base64<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}
fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map(Bytes::from).map_err(D::Error::custom)
}

//! What a job reads and where its results go: inputs of every kind, publishers.
use std::fmt;
use std::io::{Read as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use consign_core::{Error, Result, Violations};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::check;

/// The most that a folder for inline data may hold, in bytes before compression: more would not fit into a request.
const FOLDER: u64 = 64 << 20;

/// Where data comes from. Plain values; what is wrong with one is found when the job is checked.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Source {
    /// A file at an `http` or `https` address, fetched by the node.
    Url(String),
    /// Data that travels with the job, as a `data:` URL; see [`Source::bytes`] and [`Source::folder`].
    Inline(String),
    /// Objects in S3.
    S3(Box<S3Source>),
    /// Content of IPFS, by its CID.
    Ipfs(String),
    /// A file or folder of the node, which has to allow it.
    Local(LocalSource),
    /// Another kind, by its name and parameters, as the v1 API takes it. Not checked.
    #[serde(rename_all = "camelCase")]
    Other {
        /// The kind.
        kind: String,
        /// Its parameters.
        params: Map<String, Value>,
    },
}

/// Objects in S3; [`Source::s3`] makes one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct S3Source {
    /// The bucket.
    pub bucket: String,
    /// The key, or the beginning of keys with `*` at the end.
    pub key: String,
    /// A regular expression that the keys have to match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The address of a service that is not Amazon's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The version of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// SHA-256 of the object, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum_sha256: Option<String>,
    /// How the objects are divided among the executions, as the v1 API takes it: `{"Type": "object"}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<Map<String, Value>>,
}

/// A file or folder of the node; [`Source::local`] makes one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct LocalSource {
    /// Its absolute path there.
    pub path: String,
    /// Whether the job may write to it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_write: bool,
    /// What to make if it is missing, in the server's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_as: Option<String>,
}

impl Source {
    /// A file at an `http` or `https` address.
    pub fn url(url: impl Into<String>) -> Self {
        Self::Url(url.into())
    }
    /// Data that travels with the job, of this media type, such as `text/plain`. A request may have 10 MB in all, and the data takes a
    /// third more than its own size.
    pub fn bytes(media: &str, bytes: impl AsRef<[u8]>) -> Self {
        // Between parameters there may be blanks elsewhere; in a data: URL a node takes none.
        let media = media.split(';').map(str::trim).collect::<Vec<_>>().join(";");
        Self::Inline(format!("data:{media};base64,{}", BASE64_STANDARD.encode(bytes)))
    }
    /// A text that travels with the job.
    pub fn text(text: &str) -> Self {
        Self::bytes("text/plain", text)
    }
    /// A WebAssembly module that travels with the job.
    pub fn wasm(module: impl AsRef<[u8]>) -> Self {
        Self::bytes("application/wasm", module)
    }
    /// A folder that travels with the job, packed as tar.gz; the node unpacks it. The same content always gives the
    /// same text. It reads the folder at once, and blocks meanwhile.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) naming what cannot be read;
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) for a link or a special file in it, and for more than
    /// 64 MB.
    pub fn folder(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        let mut archive = tar::Builder::new(packed);
        archive.mode(tar::HeaderMode::Deterministic);
        pack(path, Path::new(""), &mut archive, &mut 0)?;
        let done = archive.into_inner().and_then(|mut gzip| gzip.flush().and_then(|()| gzip.finish()));
        Ok(Self::bytes("application/gzip", done.map_err(|e| Error::io("pack", path, e))?))
    }
    /// Objects in S3. More is set on [`S3Source`].
    pub fn s3(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        S3Source { bucket: bucket.into(), key: key.into(), ..S3Source::default() }.into()
    }
    /// Content of IPFS.
    pub fn ipfs(cid: impl Into<String>) -> Self {
        Self::Ipfs(cid.into())
    }
    /// A file or folder of the node, to read only.
    pub fn local(path: impl Into<String>) -> Self {
        Self::Local(LocalSource { path: path.into(), ..LocalSource::default() })
    }

    /// The kind, as the sheet of the v1 API names it.
    pub(crate) fn kind(&self) -> &str {
        match self {
            Self::Url(_) => "urlDownload",
            Self::Inline(_) => "inline",
            Self::S3(_) => "s3",
            Self::Ipfs(_) => "ipfs",
            Self::Local(_) => "local",
            Self::Other { kind, .. } => kind,
        }
    }
    /// The parameters of the v1 API.
    pub(crate) fn params(&self) -> Map<String, Value> {
        let params = match self {
            Self::Url(url) | Self::Inline(url) => json!({"URL": url}),
            Self::Ipfs(cid) => json!({"CID": cid}),
            Self::Local(local) => {
                json!({"SourcePath": local.path, "ReadWrite": local.read_write.then_some(true),
                    "CreateAs": local.create_as})
            }
            Self::S3(s3) => json!({
                "Bucket": s3.bucket, "Key": s3.key, "Filter": s3.filter, "Region": s3.region,
                "Endpoint": s3.endpoint, "VersionID": s3.version_id, "ChecksumSHA256": s3.checksum_sha256,
                "Partition": s3.partition,
            }),
            Self::Other { params, .. } => return params.clone(),
        };
        set_members(params)
    }
    /// How many bytes it brings into the request, roughly.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Url(text) | Self::Inline(text) => text.len(),
            Self::Other { params, .. } => check::written(params),
            _ => 0,
        }
    }
    pub(crate) fn check(&self, member: &str, out: &mut Violations) {
        match self {
            Self::Url(url) if !check::is_web_address(url) => {
                out.add(member, shown(url), "an http or https address with a host");
            }
            Self::Inline(url) if !is_data(url) => {
                out.add(member, shown(url), "a data: URL without blanks, its media type as text/plain");
            }
            Self::Ipfs(cid)
                if cid.is_empty() || !cid.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) =>
            {
                out.add(member, cid, "a CID");
            }
            Self::Local(local) if !is_absolute(&local.path) => {
                out.add(format!("{member}.SourcePath"), &local.path, "an absolute path");
            }
            Self::S3(s3) => {
                if s3.bucket.trim().is_empty() {
                    out.add(format!("{member}.Bucket"), &s3.bucket, "the name of a bucket");
                }
                if s3.key.trim().is_empty() {
                    out.add(format!("{member}.Key"), &s3.key, "a key");
                }
            }
            Self::Other { kind, .. } if kind.trim().is_empty() => out.add(member, kind, "the name of a kind"),
            _ => {}
        }
    }
}

/// The members that are not null.
pub(crate) fn set_members(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { return Map::new() };
    members.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

/// Whether a path is absolute on a node, whose system may be another than ours.
fn is_absolute(path: &str) -> bool {
    let drive = |b: &[u8]| b.len() > 2 && b[0].is_ascii_alphabetic() && b[1] == b':' && matches!(b[2], b'/' | b'\\');
    path.starts_with('/') || drive(path.as_bytes())
}

/// Whether a text is a `data:` URL that a node reads; a job with another fails there.
fn is_data(url: &str) -> bool {
    let parts = url.strip_prefix("data:").and_then(|rest| rest.split_once(','));
    let Some((head, _)) = parts else { return false };
    let media = head.split(';').next().unwrap_or_default();
    let named =
        media.is_empty() || media.split_once('/').is_some_and(|(kind, sub)| !kind.is_empty() && !sub.is_empty());
    named && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// A web address without what may be secret; inline data by its size.
pub(crate) fn shown(url: &str) -> String {
    if let Some(rest) = url.strip_prefix("data:") {
        let media: String = rest.chars().take_while(|c| !matches!(c, ',' | ';')).take(60).collect();
        return format!("data:{media}… ({} bytes)", url.len());
    }
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (scheme, rest) = url[..end].split_once("://").unwrap_or(("", &url[..end]));
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let (colon, cut) = (if scheme.is_empty() { "" } else { "://" }, if end < url.len() { "?…" } else { "" });
    format!("{scheme}{colon}{host}{path}{cut}")
}

/// Packs a folder's files, in the order of their names.
fn pack<W: std::io::Write>(folder: &Path, inside: &Path, archive: &mut tar::Builder<W>, total: &mut u64) -> Result<()> {
    let io = |what: &str, path: &Path, e| Error::io(what, path, e);
    let entries = std::fs::read_dir(folder).map_err(|e| io("read", folder, e))?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(|e| io("read", folder, e))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), inside.join(entry.file_name()));
        let bad = |allowed: &str| consign_http::Error::invalid_member("folder", path.display(), allowed);
        let kind = entry.file_type().map_err(|e| io("read", &path, e))?;
        if kind.is_dir() {
            archive.append_dir(&name, &path).map_err(|e| io("pack", &path, e))?;
            pack(&path, &name, archive, total)?;
        } else if kind.is_file() {
            let file = std::fs::File::open(&path).map_err(|e| io("open", &path, e))?;
            let mut content = Vec::new();
            let room = FOLDER.saturating_sub(*total);
            file.take(room + 1).read_to_end(&mut content).map_err(|e| io("read", &path, e))?;
            *total += content.len() as u64;
            if *total > FOLDER {
                return Err(bad("a folder of at most 64 MB; more does not fit into a request").into());
            }
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(mode(&entry));
            archive.append_data(&mut header, &name, &content[..]).map_err(|e| io("pack", &path, e))?;
        } else {
            return Err(bad("files and folders only, no links").into());
        }
    }
    Ok(())
}

/// Whether a file can be run is kept, and nothing else of its permissions.
#[cfg(unix)]
fn mode(entry: &std::fs::DirEntry) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    let run = entry.metadata().is_ok_and(|facts| facts.permissions().mode() & 0o100 != 0);
    if run { 0o755 } else { 0o644 }
}
#[cfg(not(unix))]
fn mode(_: &std::fs::DirEntry) -> u32 {
    0o644
}

/// Addresses without their queries, which may be signed; inline data by its size.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) | Self::Inline(url) => f.write_str(&shown(url)),
            Self::S3(s3) => s3.fmt(f),
            Self::Ipfs(cid) => write!(f, "ipfs://{cid}"),
            Self::Local(local) => local.fmt(f),
            Self::Other { kind, .. } => f.debug_struct("Other").field("kind", kind).finish_non_exhaustive(),
        }
    }
}
impl From<S3Source> for Source {
    fn from(s3: S3Source) -> Self {
        Self::S3(Box::new(s3))
    }
}

/// Data at a place in the file system of the job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    pub(crate) target: String,
    pub(crate) source: Source,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) alias: Option<String>,
}

impl Input {
    /// `source` at the path `target`.
    pub fn new(target: impl Into<String>, source: Source) -> Self {
        Self { target: target.into(), source, alias: None }
    }
    /// With another name of it, unique in the job. Not with the requester API.
    #[must_use]
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.alias = Some(alias.into());
        self
    }
}

/// Where results go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Publisher {
    /// The node keeps them and serves them as a tar.gz; v1 only. The only one whose results this crate can download
    /// without more, next to [`Publisher::S3Managed`].
    Local,
    /// A bucket of S3; v1 only.
    S3(Box<S3Target>),
    /// A bucket that the orchestrator manages and signs addresses for; v1 only.
    S3Managed,
    /// IPFS.
    Ipfs,
    /// Nowhere.
    Noop,
    /// Filecoin; the requester API only.
    Filecoin,
    /// Estuary; the requester API only.
    Estuary,
}

/// A place in S3 for results; [`Publisher::s3`] makes one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct S3Target {
    /// The bucket.
    pub bucket: String,
    /// The key, with placeholders such as `{jobID}` and `{executionID}`.
    pub key: String,
    /// The address of a service that is not Amazon's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// `gzip` (one archive) or `plain` (one object a file).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
}

impl Publisher {
    /// A bucket of S3.
    pub fn s3(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self::S3(Box::new(S3Target { bucket: bucket.into(), key: key.into(), ..S3Target::default() }))
    }
    /// The type of the v1 API.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::S3(_) => "s3",
            Self::S3Managed => "s3managed",
            Self::Ipfs => "ipfs",
            Self::Noop => "noop",
            Self::Filecoin => "filecoin",
            Self::Estuary => "estuary",
        }
    }
    pub(crate) fn params(&self) -> Option<Map<String, Value>> {
        let Self::S3(s3) = self else { return None };
        Some(set_members(json!({
            "Bucket": s3.bucket, "Key": s3.key, "Endpoint": s3.endpoint, "Region": s3.region, "Encoding": s3.encoding,
        })))
    }
}

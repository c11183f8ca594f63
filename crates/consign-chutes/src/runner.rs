//! The runner's side: its tokens, the address it is started with, its client, and the form of an upload.
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use consign_http::{Body, ClientBuilder, Delivery, Error, ErrorKind, Form, Part};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::{PRODUCTION, Runner, read_error};

/// An upload of a file may take this long.
const UPLOAD: Duration = Duration::from_secs(30 * 60);
/// What stays as it is in a file's name.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl Runner {
    /// A client of the production service. It holds no credential: every call takes a token.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if the network cannot be set up.
    pub fn new() -> Result<Self, Error> {
        Self::builder(PRODUCTION)?.build().map(Self::from_http)
    }
    /// The settings of a client of the service at `base_url`; [`Runner::from_http`] takes what they build. A call may
    /// take 30 s, an upload half an hour.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if the URL is not `http` or `https` with a host, or has a path, a query or a
    /// password.
    pub fn builder(base_url: &str) -> Result<ClientBuilder, Error> {
        let builder = consign_http::Client::builder(base_url)?.error_reader(read_error);
        // It holds the tokens of the files.
        Ok(builder.operation_timeout("upload_job_file", UPLOAD).secret_answers(&["finish_job"]))
    }
}

/// A token of a job, or of one of its output files. It never expires, and shows itself nowhere.
#[derive(Clone)]
pub struct JobToken(SecretString);

impl JobToken {
    /// A token from its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().into())
    }
    /// The text, as the calls of [`Runner`] take it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
    /// What the token says of itself; only the service can tell whether that is true. `None` if it is no such token.
    pub fn claims(&self) -> Option<Claims> {
        let mut parts = self.expose().split('.');
        let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?).ok()
    }
}

impl fmt::Debug for JobToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JobToken([redacted])")
    }
}

/// What a token says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Claims {
    /// `sub`: the job it is good for.
    #[serde(rename = "sub")]
    pub job_id: String,
    /// The one file that it lets upload; `None` for the token of the whole job.
    #[serde(default)]
    pub filename: Option<String>,
    /// `iat`: when it was made, in seconds.
    #[serde(rename = "iat")]
    issued: u64,
    /// `iss`: `chutes`.
    #[serde(rename = "iss")]
    pub issuer: String,
}

impl Claims {
    /// When it was made.
    pub fn issued(&self) -> SystemTime {
        UNIX_EPOCH.checked_add(Duration::from_secs(self.issued)).unwrap_or(UNIX_EPOCH)
    }
}

/// The address that a runner is started with (`job_status_url`), taken apart.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StatusUrl {
    /// Scheme, host and port, for [`Runner::builder`].
    pub base_url: String,
    /// Id of the job.
    pub job_id: String,
    /// The job's token.
    pub token: JobToken,
}

impl StatusUrl {
    /// Takes `https://HOST/jobs/ID?token=TOKEN` apart.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if it is something else. The message does not repeat it.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let bad = || Error::config("a job's address is https://HOST/jobs/ID?token=TOKEN");
        let uri: http::Uri = url.trim().parse().map_err(|_| bad())?;
        let (scheme, authority) = (uri.scheme_str().ok_or_else(bad)?, uri.authority().ok_or_else(bad)?);
        // A user name or password would be shown with the address, and has no use.
        if authority.as_str().contains('@') {
            return Err(bad());
        }
        let id = uri.path().strip_prefix("/jobs/").filter(|id| !id.is_empty() && !id.contains('/')).ok_or_else(bad)?;
        let job_id = percent_decode_str(id).decode_utf8().map_err(|_| bad())?.into_owned();
        let token = token_of(url.trim()).map_err(|_| bad())?;
        Ok(Self { base_url: format!("{scheme}://{authority}"), job_id, token })
    }
}

/// The token in an address.
pub(crate) fn token_of(url: &str) -> Result<JobToken, Error> {
    let query = url.split_once('?').map(|(_, query)| query.split('#').next().unwrap_or_default());
    let token = query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("token=")));
    let token = token.and_then(|token| percent_decode_str(token).decode_utf8().ok()).filter(|token| !token.is_empty());
    let none = || Error::new(ErrorKind::Decode, Delivery::Unknown, "there is no token in the address");
    token.map(|token| JobToken::new(token.into_owned())).ok_or_else(none)
}

/// The form of an upload, for [`Runner::upload_job_file`]: the content under the last part of its name, and the
/// declared name `path`. `media` is stored with the file; `None`: by the name's extension, else
/// `application/octet-stream`. A stream is sent in chunks; the service keeps the whole file in memory.
///
/// # Errors
/// [`InvalidRequest`](ErrorKind::InvalidRequest) if `media` is no media type.
pub fn upload_form(path: &str, media: Option<&str>, content: impl Into<Body>) -> Result<Form, Error> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let part = match content.into() {
        Body::Empty => Part::bytes(""),
        Body::Bytes(bytes) => Part::bytes(bytes),
        Body::Stream(stream) => Part::stream(stream),
    };
    let file = part.file_name(utf8_percent_encode(name, NAME).to_string());
    let file = file.media_type(media.unwrap_or_else(|| media_type(name)))?;
    let path = Part::bytes(path.to_owned()).media_type("text/plain; charset=utf-8")?;
    Ok(Form::new().part("file", file).part("path", path))
}

/// The media type of usual extensions.
fn media_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref().unwrap_or_default() {
        "txt" => "text/plain",
        "csv" => "text/csv",
        "htm" | "html" => "text/html",
        "md" => "text/markdown",
        "xml" => "text/xml",
        "json" => "application/json",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "gz" => "application/gzip",
        "tar" => "application/x-tar",
        "gif" => "image/gif",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "webp" => "image/webp",
        "mp3" => "audio/mpeg",
        "wav" => "audio/x-wav",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_url_is_taken_apart_and_a_wrong_one_is_not_repeated() {
        let url = StatusUrl::parse("https://api.chutes.ai/jobs/0b8e-1?token=a.b-c_d.e%3D\n").unwrap();
        assert_eq!((url.base_url.as_str(), url.job_id.as_str()), ("https://api.chutes.ai", "0b8e-1"));
        assert_eq!(url.token.expose(), "a.b-c_d.e=");
        assert!(!format!("{url:?}").contains("a.b-c"));
        for bad in [
            "",
            "/jobs/a?token=secret",
            "https://h/jobs/?token=secret",
            "https://h/jobs/a/upload?token=secret",
            "https://h/jobs/a?secret",
            "https://h/jobs/a?token=",
            "https://u:secret@h/jobs/a?token=t",
        ] {
            let error = StatusUrl::parse(bad).unwrap_err();
            assert!(error.kind() == ErrorKind::Config && !format!("{error:?}").contains("secret"), "{bad}");
        }
    }

    #[test]
    fn a_token_says_what_it_is_for() {
        let payload = BASE64_URL_SAFE_NO_PAD.encode(r#"{"sub":"j","iat":1752998400,"iss":"chutes","filename":"é"}"#);
        let claims = JobToken::new(format!("h.{payload}.s")).claims().unwrap();
        assert_eq!(
            (claims.job_id.as_str(), claims.filename.as_deref(), claims.issuer.as_str()),
            ("j", Some("é"), "chutes")
        );
        assert_eq!(claims.issued(), UNIX_EPOCH + Duration::from_secs(1_752_998_400));
        for bad in ["", "a", "a.b", "a.b.c.d", "a.!.c", "a.e30.c"] {
            assert_eq!(JobToken::new(bad).claims(), None, "{bad}");
        }
    }
}

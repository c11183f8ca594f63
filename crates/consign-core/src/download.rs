//! Downloads: streamed to a file that appears only when it is whole, resumed where the host allows it.
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use consign_http::{Body, BoxFuture, ByteStream, Clock, Delivery, ErrorKind, Failure, Retry, Transport, timeout};
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_RANGE, RANGE};
use http::{StatusCode, Uri};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use crate::{Error, Job, Provider, Result, RetryPolicy, Ticket, file_name};

/// How long a host may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// A location is renewed when it expires sooner than this.
const EXPIRES_SOON: Duration = Duration::from_secs(5);
/// How many bytes a content check gets to see, unless the content is shorter.
const HEAD: usize = 16;
/// The largest file, in bytes, unless [`Artifact::largest`] says otherwise.
const LARGEST: u64 = 16 << 30;

/// Where an artifact lies at the moment.
#[derive(Clone)]
pub struct Location {
    /// An absolute `http` or `https` URL. It may be signed, so it counts as a secret.
    pub url: String,
    /// When the URL stops working.
    pub expires: Option<SystemTime>,
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Location").field("url", &host_of(&self.url)).field("expires", &self.expires).finish()
    }
}

/// Finds out where an artifact lies.
pub trait Locate: Send + Sync + 'static {
    /// The location. `renew`: the known one does not work any more; ask the provider again.
    ///
    /// # Errors
    /// What asking reported, or [`ErrorKind::NotFound`] when there is nothing to fetch.
    fn locate(&self, renew: bool) -> BoxFuture<'_, Result<Location>>;
}

/// Looks at the first bytes of a content and says what is wrong with them.
pub type ContentCheck = fn(&[u8]) -> Result<(), &'static str>;

/// Something a job made that can be fetched. No credential is sent to its host.
#[derive(Clone)]
pub struct Artifact {
    stem: String,
    ticket: Ticket,
    locate: Arc<dyn Locate>,
    check: Option<ContentCheck>,
    largest: u64,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    retry: RetryPolicy,
}

impl Artifact {
    /// An artifact of `job`, named `stem`; the ending comes from the media type unless `stem` has one.
    pub fn new<P: Provider>(job: &Job<P>, stem: &str, locate: Arc<dyn Locate>) -> Self {
        let shared = job.shared();
        Self {
            stem: stem.to_owned(),
            ticket: job.ticket().clone(),
            locate,
            check: None,
            largest: LARGEST,
            transport: shared.transport.clone(),
            clock: shared.clock.clone(),
            retry: shared.retry,
        }
    }
    /// The same artifact, refused unless its first bytes (at least 16, or all) pass `check`.
    #[must_use]
    pub fn checked(mut self, check: ContentCheck) -> Self {
        self.check = Some(check);
        self
    }
    /// The same artifact, refused if it is larger. Default: 16 GiB.
    #[must_use]
    pub fn largest(mut self, bytes: u64) -> Self {
        self.largest = bytes;
        self
    }
    /// The URL at the moment; it may expire, and it may be signed.
    ///
    /// # Errors
    /// What asking the provider reported.
    pub async fn url(&self) -> Result<String> {
        self.located(false).await.map(|l| l.url)
    }
    /// Saves it in `folder`, which is made if it is missing, under its own name; gives the path. A
    /// file of that name is replaced. The file appears only when it is whole.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] naming the path; [`ErrorKind::Decode`] if the content is not what it should
    /// be; [`ErrorKind::TooLarge`]; otherwise what the host answered. Nothing is left behind.
    pub async fn save_to(&self, folder: impl AsRef<Path>) -> Result<PathBuf> {
        let folder = folder.as_ref();
        tokio::fs::create_dir_all(folder).await.map_err(|e| self.io("make the folder", folder, e))?;
        let mut part = Part::new(self, folder, &file_name::safe(&self.stem)).await?;
        let media = self.fetch(&mut part).await?;
        part.finish(self, &folder.join(self.name(&media))).await
    }
    /// Saves it as `path`. A file of that name is replaced. The file appears only when it is whole.
    ///
    /// # Errors
    /// As [`Artifact::save_to`]; the folder must exist.
    pub async fn save_as(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        let path = path.as_ref();
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut part = Part::new(self, folder, &file_name::safe(&self.stem)).await?;
        self.fetch(&mut part).await?;
        part.finish(self, path).await
    }
    /// The whole content in memory, at most `limit` bytes.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] above `limit`; otherwise as [`Artifact::save_to`].
    pub async fn bytes(&self, limit: usize) -> Result<Bytes> {
        let mut memory = Memory(BytesMut::new());
        self.clone().largest(limit as u64).fetch(&mut memory).await?;
        Ok(memory.0.freeze())
    }

    /// The file's name: the stem, made safe, with an ending by media type unless it has one.
    fn name(&self, media: &str) -> String {
        let ending = match media.split(';').next().unwrap_or("").trim().to_ascii_lowercase().as_str() {
            "image/png" => "png",
            "image/jpeg" | "image/jpg" => "jpg",
            "image/webp" => "webp",
            "image/gif" => "gif",
            "video/mp4" => "mp4",
            "application/json" => "json",
            "text/plain" => "txt",
            "application/zip" => "zip",
            "application/gzip" | "application/x-gzip" => "tar.gz",
            _ => "bin",
        };
        let has_ending = self
            .stem
            .rsplit_once('.')
            .is_some_and(|(_, e)| (1..=5).contains(&e.len()) && e.bytes().all(|b| b.is_ascii_alphanumeric()));
        if has_ending { file_name::safe(&self.stem) } else { file_name::safe(&format!("{}.{ending}", self.stem)) }
    }
    async fn located(&self, renew: bool) -> Result<Location> {
        let located = self.locate.locate(renew).await.map_err(|e| e.with_ticket(&self.ticket))?;
        let soon = self.clock.wall() + EXPIRES_SOON;
        if !renew && located.expires.is_some_and(|at| at <= soon) {
            return self.locate.locate(true).await.map_err(|e| e.with_ticket(&self.ticket));
        }
        Ok(located)
    }
    fn io(&self, what: &str, path: &Path, error: std::io::Error) -> Error {
        Error::io(what, path, error).with_ticket(&self.ticket)
    }
    fn error(&self, kind: ErrorKind, what: impl fmt::Display) -> Error {
        let error = consign_http::Error::new(kind, Delivery::Rejected, format!("{}: {what}", self.stem));
        Error::from(error).with_ticket(&self.ticket)
    }

    /// Brings the whole content into `sink`; gives the media type.
    async fn fetch(&self, sink: &mut dyn Sink) -> Result<String> {
        let mut got = Got::default();
        let (mut renew, mut renewed, mut failures) = (false, false, 0);
        loop {
            let location = self.located(renew).await?;
            let error = match self.fetch_once(&location, &mut got, sink).await {
                Ok(()) => return Ok(got.media),
                Err(error) => error,
            };
            let refused = matches!(error.status(), Some(400 | 401 | 403 | 404 | 410));
            if refused && !renewed {
                (renew, renewed) = (true, true);
                continue;
            }
            renew = false;
            failures += 1;
            let pause = match error.retry() {
                Retry::Never | Retry::NotBefore(_) => return Err(error),
                Retry::After(asked) if asked > self.retry.longest_pause => {
                    return Err(error.with_retry(Retry::NotBefore(self.clock.wall() + asked)));
                }
                Retry::After(asked) => asked,
                _ => self.retry.pause(failures, 1.0),
            };
            if failures >= self.retry.attempts {
                return Err(error.with_attempts(failures));
            }
            self.clock.sleep(pause).await;
        }
    }
    async fn fetch_once(&self, location: &Location, got: &mut Got, sink: &mut dyn Sink) -> Result<()> {
        let response = self.request(location, got).await?;
        let (head, mut body) = response.into_parts();
        got.begin(&head.headers, head.status);
        if got.length == 0 {
            sink.restart().await.map_err(|e| self.io("rewrite", sink.path(), e))?;
        }
        if got.total.is_some_and(|total| total > self.largest) {
            return Err(self.error(ErrorKind::TooLarge, format_args!("it is larger than {} bytes", self.largest)));
        }
        let mut start = BytesMut::new();
        let mut checking = got.length == 0 && self.check.is_some();
        while let Some(chunk) = timeout(&*self.clock, SILENCE, body.next()).await.unwrap_or_else(|| Some(Err(silent())))
        {
            let mut chunk = chunk.map_err(|e| Error::from(e).with_ticket(&self.ticket))?;
            if checking {
                start.extend_from_slice(&chunk);
                if start.len() < HEAD {
                    continue;
                }
                self.checked_start(&start)?;
                checking = false;
                chunk = start.split().freeze();
            }
            self.write(chunk, got, sink).await?;
        }
        if checking {
            self.checked_start(&start)?;
            self.write(start.freeze(), got, sink).await?;
        }
        match got.total {
            Some(total) if got.length < total => {
                let what = format!("{}: the connection ended after {} of {total} bytes", self.stem, got.length);
                Err(Error::new(ErrorKind::Transport, Delivery::Unknown, what).with_ticket(&self.ticket))
            }
            Some(total) if got.length > total => {
                Err(self.error(ErrorKind::Decode, "more bytes came than were announced"))
            }
            _ => Ok(()),
        }
    }
    async fn write(&self, chunk: Bytes, got: &mut Got, sink: &mut dyn Sink) -> Result<()> {
        got.length += chunk.len() as u64;
        if got.length > self.largest {
            return Err(self.error(ErrorKind::TooLarge, format_args!("it is larger than {} bytes", self.largest)));
        }
        sink.write(chunk).await.map_err(|e| self.io("write", sink.path(), e))
    }
    fn checked_start(&self, start: &[u8]) -> Result<()> {
        match self.check.map_or(Ok(()), |check| check(start)) {
            Ok(()) => Ok(()),
            Err(what) => Err(self.error(ErrorKind::Decode, what)),
        }
    }
    async fn request(&self, location: &Location, got: &Got) -> Result<http::Response<ByteStream>> {
        let bad = |what: &str| self.error(ErrorKind::Decode, format_args!("the address of the file {what}"));
        let uri: Uri = location.url.parse().map_err(|_| bad("is not a URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https"))
            || uri.authority().is_none_or(|a| a.as_str().contains('@'))
        {
            return Err(bad("is not a plain http or https URL"));
        }
        let mut request = http::Request::new(Body::Empty);
        *request.uri_mut() = uri;
        if let (1.., Some(tag)) = (got.length, &got.tag) {
            let range =
                HeaderValue::try_from(format!("bytes={}-", got.length)).map_err(|_| bad("cannot be resumed"))?;
            request.headers_mut().insert(RANGE, range);
            request.headers_mut().insert(IF_RANGE, tag.clone());
        }
        let sent = timeout(&*self.clock, SILENCE, self.transport.send(request)).await.unwrap_or_else(|| Err(silent()));
        let response = sent.map_err(|e| Error::from(e).with_ticket(&self.ticket))?;
        if response.status() == StatusCode::OK || response.status() == StatusCode::PARTIAL_CONTENT {
            return Ok(response);
        }
        let (head, mut body) = response.into_parts();
        let start =
            timeout(&*self.clock, SILENCE, body.next()).await.flatten().and_then(Result::ok).unwrap_or_default();
        let failure = Failure { status: head.status, headers: &head.headers, body: &start };
        Err(Error::from(consign_http::Error::answer(&failure, None, self.clock.wall())).with_ticket(&self.ticket))
    }
}

fn silent() -> consign_http::Error {
    consign_http::Error::new(ErrorKind::Timeout, Delivery::Unknown, format!("the host was silent for {SILENCE:?}"))
}

fn host_of(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or("")
}

impl fmt::Debug for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Artifact").field("stem", &self.stem).field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

/// How much has been fetched, and of what.
#[derive(Default)]
struct Got {
    length: u64,
    total: Option<u64>,
    tag: Option<HeaderValue>,
    media: String,
}

impl Got {
    /// Takes in an answer's head. Anything but the exact continuation starts over.
    fn begin(&mut self, headers: &HeaderMap, status: StatusCode) {
        let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
        let strong = headers.get(ETAG).filter(|t| !t.as_bytes().starts_with(b"W/")).cloned();
        if status == StatusCode::PARTIAL_CONTENT
            && let Some((start, total)) = text(CONTENT_RANGE).and_then(range_start)
            && start == self.length
            && (strong.is_none() || strong == self.tag)
            && (self.total.is_none() || total.is_none() || total == self.total)
        {
            return;
        }
        self.length = 0;
        self.tag = strong;
        self.media = text(CONTENT_TYPE).unwrap_or("").to_owned();
        self.total = text(CONTENT_LENGTH).and_then(|n| n.parse().ok());
    }
}

/// The first byte and the whole length of `bytes 100-199/200`.
fn range_start(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.trim().parse().ok()?, total.trim().parse().ok()))
}

/// Where content goes.
trait Sink: Send {
    /// Forgets everything written.
    fn restart(&mut self) -> BoxFuture<'_, std::io::Result<()>>;
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, std::io::Result<()>>;
    fn path(&self) -> &Path;
}

struct Memory(BytesMut);

impl Sink for Memory {
    fn restart(&mut self) -> BoxFuture<'_, std::io::Result<()>> {
        self.0.clear();
        Box::pin(std::future::ready(Ok(())))
    }
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, std::io::Result<()>> {
        self.0.extend_from_slice(&chunk);
        Box::pin(std::future::ready(Ok(())))
    }
    fn path(&self) -> &Path {
        Path::new("memory")
    }
}

/// A file under a name of its own until it is whole; removed if it never is.
struct Part {
    file: File,
    path: PathBuf,
    whole: bool,
}

impl Part {
    async fn new(artifact: &Artifact, folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(format!(".{name}.{:016x}.part", fastrand::u64(..)));
        let file = File::options().write(true).create_new(true).open(&path).await;
        let file = file.map_err(|e| artifact.io("make a file in", folder, e))?;
        Ok(Self { file, path, whole: false })
    }
    async fn finish(mut self, artifact: &Artifact, name: &Path) -> Result<PathBuf> {
        self.file.flush().await.map_err(|e| artifact.io("write", name, e))?;
        self.file.sync_all().await.map_err(|e| artifact.io("write", name, e))?;
        tokio::fs::rename(&self.path, name).await.map_err(|e| artifact.io("write", name, e))?;
        self.whole = true;
        Ok(name.to_owned())
    }
}

impl Sink for Part {
    fn restart(&mut self) -> BoxFuture<'_, std::io::Result<()>> {
        Box::pin(async move {
            self.file.set_len(0).await?;
            self.file.rewind().await.map(|_| ())
        })
    }
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, std::io::Result<()>> {
        Box::pin(async move { self.file.write_all(&chunk).await })
    }
    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.whole {
            // Nothing more can be done if it cannot be removed; its name says what it is.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

//! Downloads: streamed to a file that appears only when it is whole, resumed where the host allows it.
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use consign_http::{
    Body, BoxFuture, ByteStream, Clock, Delivery, ErrorKind, Failure, Reply, Retry, Transport, timeout,
};
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_RANGE, RANGE,
};
use http::{StatusCode, Uri};
use tracing::Instrument;

use crate::policy::not_before;
use crate::sink::{Memory, Part, Sink};
use crate::turns::Turns;
use crate::{Error, Job, Provider, Result, RetryPolicy, Ticket, file_name};

/// How long a host may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// A location is renewed when it expires sooner than this.
const EXPIRES_SOON: Duration = Duration::from_secs(5);
/// How many bytes a content check gets to see, unless the content is shorter.
const HEAD: usize = 16;
/// The largest file, in bytes, unless [`Artifact::largest`] says otherwise.
const LARGEST: u64 = 16 << 30;
/// How many of several artifacts are fetched at once.
const AT_ONCE: usize = 4;

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
        f.debug_struct("Location").field("host", &host_of(&self.url)).field("expires", &self.expires).finish()
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

/// Fetches an artifact through the provider's own client: where it lies on the provider's origin and needs its
/// credential. The client sends that nowhere else.
pub trait Open: Send + Sync + 'static {
    /// Asks for the whole content, from its beginning.
    ///
    /// # Errors
    /// What the provider answered. [`Error::retry`] says whether the download tries again.
    fn open(&self) -> BoxFuture<'_, Result<Reply<ByteStream>>>;
}

/// Where the content comes from.
#[derive(Clone)]
enum Source {
    /// Another host, without a credential.
    Place(Arc<dyn Locate>),
    /// The provider itself, when it is this program's turn to ask.
    Client(Arc<dyn Open>, Arc<Turns>),
}

/// Looks at the first bytes of a content and says what is wrong with them.
pub type ContentCheck = fn(&[u8]) -> Result<(), &'static str>;

/// Something a job made that can be fetched. No credential is sent to its host, unless that is the provider itself.
#[derive(Clone)]
pub struct Artifact {
    stem: String,
    ticket: Ticket,
    source: Source,
    own_name: bool,
    check: Option<ContentCheck>,
    largest: u64,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    retry: RetryPolicy,
    span: tracing::Span,
}

impl Artifact {
    /// An artifact of `job`, named `stem`; the ending comes from the media type unless `stem` has one.
    /// A stem that cannot be a file name everywhere is made one, and stays different from others.
    pub fn new<P: Provider>(job: &Job<P>, stem: &str, locate: Arc<dyn Locate>) -> Self {
        Self::of(job, stem, Source::Place(locate))
    }
    /// An artifact of `job` that the provider's own client fetches, named as by [`Artifact::new`].
    pub fn opened<P: Provider>(job: &Job<P>, stem: &str, open: Arc<dyn Open>) -> Self {
        Self::of(job, stem, Source::Client(open, job.shared().turns.clone()))
    }
    fn of<P: Provider>(job: &Job<P>, stem: &str, source: Source) -> Self {
        let shared = job.shared();
        Self {
            stem: stem.to_owned(),
            ticket: job.ticket().clone(),
            source,
            own_name: false,
            check: None,
            largest: LARGEST,
            transport: shared.transport.clone(),
            clock: shared.clock.clone(),
            retry: shared.retry,
            span: job.span().clone(),
        }
    }
    /// The same artifact, whose stem is a file's own name, or a relative path with `/`: it is saved without an ending
    /// being added, and in the folders of its path if every part of that is a file name which is safe everywhere.
    /// Any other becomes one name that is, and stays different from others.
    #[must_use]
    pub fn own_name(mut self) -> Self {
        self.own_name = true;
        self
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
    /// What asking the provider reported; [`ErrorKind::Unsupported`] if the content is to be had only with the
    /// provider's credential.
    pub async fn url(&self) -> Result<String> {
        self.located().instrument(self.span.clone()).await.map(|l| l.url)
    }
    /// Saves it in `folder`, which is made if it is missing, under its own name; gives the path. A
    /// file of that name is replaced. The file appears only when it is whole.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] naming the path; [`ErrorKind::Decode`] if the content is not what it should
    /// be; [`ErrorKind::TooLarge`]; otherwise what the host answered. Nothing is left behind.
    pub async fn save_to(&self, folder: impl AsRef<Path>) -> Result<PathBuf> {
        let folder = folder.as_ref();
        let save = async {
            tokio::fs::create_dir_all(folder).await.map_err(|e| self.io("make the folder", folder, e))?;
            let mut part = self.part(folder).await?;
            let media = self.fetch(&mut part).await?;
            let path = folder.join(self.name(&media));
            let inner = path.parent().unwrap_or(folder);
            tokio::fs::create_dir_all(inner).await.map_err(|e| self.io("make the folder", inner, e))?;
            self.finish(part, &path).await
        };
        self.told(save).await
    }
    /// Saves it as `path`. A file of that name is replaced. The file appears only when it is whole.
    ///
    /// # Errors
    /// As [`Artifact::save_to`]; the folder must exist.
    pub async fn save_as(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        let path = path.as_ref();
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let save = async {
            let mut part = self.part(folder).await?;
            self.fetch(&mut part).await?;
            self.finish(part, path).await
        };
        self.told(save).await
    }
    /// Saves several in `folder` as [`Artifact::save_to`] does, four at a time; gives their paths, in order.
    ///
    /// # Errors
    /// The first that failed. After it no other is begun; those that are whole stay.
    pub async fn save_all(
        artifacts: impl IntoIterator<Item = &Artifact>,
        folder: impl AsRef<Path>,
    ) -> Result<Vec<PathBuf>> {
        let (folder, mut artifacts) = (folder.as_ref(), artifacts.into_iter().enumerate());
        let (mut flights, mut paths, mut failed) = (FuturesUnordered::new(), Vec::new(), None);
        loop {
            while failed.is_none()
                && flights.len() < AT_ONCE
                && let Some((n, artifact)) = artifacts.next()
            {
                flights.push(Box::pin(async move { (n, artifact.save_to(folder).await) }));
            }
            match flights.next().await {
                Some((n, Ok(path))) => paths.push((n, path)),
                Some((_, Err(error))) => failed = failed.or(Some(error)),
                None => break,
            }
        }
        paths.sort_unstable();
        failed.map_or(Ok(paths.into_iter().map(|(_, path)| path).collect()), Err)
    }
    /// The whole content in memory, at most `limit` bytes.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] above `limit`; otherwise as [`Artifact::save_to`].
    pub async fn bytes(&self, limit: usize) -> Result<Bytes> {
        let mut memory = Memory::default();
        let smaller = self.clone().largest(self.largest.min(limit as u64));
        smaller.told(smaller.fetch(&mut memory)).await?;
        Ok(memory.0.freeze())
    }

    /// Runs a download inside the job's span and says there how it went.
    async fn told<T: fmt::Debug>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let done = work.instrument(self.span.clone()).await;
        self.span.in_scope(|| match &done {
            Ok(saved) => tracing::info!(file = self.shown(), ?saved, "fetched"),
            Err(error) => tracing::warn!(%error, "not fetched"),
        });
        done
    }
    async fn part(&self, folder: &Path) -> Result<Part> {
        Part::new(folder, &self.shown()).await.map_err(|e| self.io("make a file in", folder, e))
    }
    async fn finish(&self, part: Part, path: &Path) -> Result<PathBuf> {
        part.finish(path).await.map_err(|e| self.io("write", path, e))?;
        Ok(path.to_owned())
    }
    /// The stem, fit to be shown and to be part of a file name.
    fn shown(&self) -> String {
        file_name::safe(&self.stem)
    }
    /// The file's name: the stem, made safe, with an ending by media type unless it has one.
    fn name(&self, media: &str) -> PathBuf {
        if self.own_name {
            return file_name::safe_path(&self.stem);
        }
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
        let is_ending = |end: &str| {
            (1..=5).contains(&end.len())
                && end.bytes().all(|b| b.is_ascii_alphanumeric())
                && end.bytes().any(|b| b.is_ascii_alphabetic())
        };
        match self.stem.rsplit_once('.') {
            Some((_, end)) if is_ending(end) => file_name::safe_and_distinct(&self.stem).into(),
            _ => file_name::safe_and_distinct(&format!("{}.{ending}", self.stem)).into(),
        }
    }
    async fn located(&self) -> Result<Location> {
        let located = self.locate(false).await?;
        if self.expires_soon(&located) { self.locate(true).await } else { Ok(located) }
    }
    async fn locate(&self, renew: bool) -> Result<Location> {
        match &self.source {
            Source::Place(locate) => locate.locate(renew).await.map_err(|e| e.with_ticket(&self.ticket)),
            Source::Client(..) => {
                let what = format!("{} has no address that works without the credential", self.shown());
                Err(Error::new(ErrorKind::Unsupported, Delivery::NotSent, what).with_ticket(&self.ticket))
            }
        }
    }
    fn expires_soon(&self, location: &Location) -> bool {
        location.expires.is_some_and(|at| at <= self.clock.wall() + EXPIRES_SOON)
    }
    fn io(&self, what: &str, path: &Path, error: std::io::Error) -> Error {
        Error::io(what, path, error).with_ticket(&self.ticket)
    }
    fn error(&self, kind: ErrorKind, what: impl fmt::Display) -> Error {
        let error = consign_http::Error::new(kind, Delivery::Unknown, format!("{}: {what}", self.shown()));
        self.about(error)
    }
    fn about(&self, error: consign_http::Error) -> Error {
        Error::from(error.on_read()).with_ticket(&self.ticket)
    }

    /// Brings the whole content into `sink`; gives the media type.
    async fn fetch(&self, sink: &mut dyn Sink) -> Result<String> {
        let mut got = Got::default();
        let (mut location, mut renewed, mut failures) = match self.source {
            Source::Place(_) => (Some(self.located().await?), false, 0),
            Source::Client(..) => (None, true, 0),
        };
        loop {
            let error = match self.fetch_once(location.as_ref(), &mut got, sink).await {
                Ok(()) => return Ok(got.media),
                Err(error) => error,
            };
            // A signed address that does not work any more is refused in one of these ways.
            if matches!(error.status(), Some(400 | 401 | 403 | 404 | 410)) && !renewed {
                tracing::debug!(%error, "asking for a new address");
                (location, renewed) = (Some(self.locate(true).await?), true);
                continue;
            }
            failures += 1;
            let pause = match error.retry() {
                Retry::Never | Retry::NotBefore(_) => return Err(error),
                Retry::After(asked) if asked > self.retry.longest_pause => {
                    return Err(error.with_retry(not_before(self.clock.wall(), asked)));
                }
                Retry::After(asked) => asked,
                _ => self.retry.pause(failures, 1.0),
            };
            if failures >= self.retry.attempts {
                return Err(error.with_attempts(failures));
            }
            tracing::debug!(%error, got = got.length, ?pause, "going on with the download");
            self.clock.sleep(pause).await;
            if location.as_ref().is_some_and(|location| self.expires_soon(location)) {
                location = Some(self.locate(true).await?);
            }
        }
    }
    async fn fetch_once(&self, location: Option<&Location>, got: &mut Got, sink: &mut dyn Sink) -> Result<()> {
        let answer = match (&self.source, location) {
            (Source::Client(open, turns), _) => self.ask(&**open, turns).await,
            (Source::Place(_), Some(location)) => self.request(location, got).await,
            (Source::Place(_), None) => Err(self.error(ErrorKind::NotFound, "it is not known where it lies")),
        };
        let before = got.length;
        let answer = answer.and_then(|response| {
            let fits = got.begin(response.status(), response.headers());
            fits.map(|()| response).map_err(|what| self.misfit(what, before > 0))
        });
        if answer.as_ref().is_err_and(|e| e.status() == Some(416)) {
            *got = Got::default();
        }
        if before > 0 && got.length == 0 {
            sink.restart().await.map_err(|e| self.io("rewrite", sink.path(), e))?;
        }
        let mut body = answer?.into_body();
        if got.total.is_some_and(|total| total > self.largest) {
            return Err(self.too_large());
        }
        let mut start = BytesMut::new();
        let mut checking = got.length == 0 && self.check.is_some();
        while let Some(chunk) = timeout(&*self.clock, SILENCE, body.next()).await.unwrap_or_else(|| Some(Err(silent())))
        {
            let mut chunk = chunk.map_err(|e| self.about(e))?;
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
        match got.total {
            Some(total) if got.length + (start.len() as u64) < total => {
                let here = got.length + start.len() as u64;
                return Err(self
                    .error(ErrorKind::Transport, format_args!("the connection ended after {here} of {total} bytes")));
            }
            Some(total) if got.length > total => {
                return Err(self.error(ErrorKind::Decode, "more bytes came than were announced"));
            }
            _ => {}
        }
        if checking {
            self.checked_start(&start)?;
            self.write(start.freeze(), got, sink).await?;
        }
        Ok(())
    }
    async fn write(&self, chunk: Bytes, got: &mut Got, sink: &mut dyn Sink) -> Result<()> {
        got.length += chunk.len() as u64;
        if got.length > self.largest {
            return Err(self.too_large());
        }
        sink.write(chunk).await.map_err(|e| self.io("write", sink.path(), e))
    }
    fn too_large(&self) -> Error {
        self.error(ErrorKind::TooLarge, format_args!("it is larger than {} bytes", self.largest))
    }
    fn checked_start(&self, start: &[u8]) -> Result<()> {
        match self.check.map_or(Ok(()), |check| check(start)) {
            Ok(()) => Ok(()),
            Err(what) => Err(self.error(ErrorKind::Decode, what)),
        }
    }
    /// An answer that cannot be used; worth another try if it was to continue what is there.
    fn misfit(&self, what: &str, resumed: bool) -> Error {
        let error = self.error(ErrorKind::Decode, what);
        if resumed { error.with_retry(Retry::Backoff) } else { error }
    }
    /// Asks the provider itself, for the whole.
    async fn ask(&self, open: &dyn Open, turns: &Turns) -> Result<http::Response<ByteStream>> {
        turns.wait(&*self.clock).await;
        let reply = open.open().await.map_err(|e| e.with_ticket(&self.ticket))?;
        let (status, headers) = (reply.status(), reply.headers().clone());
        let mut response = http::Response::new(reply.into_value());
        (*response.status_mut(), *response.headers_mut()) = (status, headers);
        Ok(response)
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
        if let (true, Some(tag)) = (got.resumable(), &got.tag) {
            let range =
                HeaderValue::try_from(format!("bytes={}-", got.length)).map_err(|_| bad("cannot be resumed"))?;
            request.headers_mut().insert(RANGE, range);
            request.headers_mut().insert(IF_RANGE, tag.clone());
        }
        let sent = timeout(&*self.clock, SILENCE, self.transport.send(request)).await.unwrap_or_else(|| Err(silent()));
        let response = sent.map_err(|e| self.about(e))?;
        let status = response.status();
        if status == StatusCode::OK || status == StatusCode::PARTIAL_CONTENT {
            return Ok(response);
        }
        // The body is left out: hosts repeat signatures in it.
        let failure = Failure { status, headers: response.headers(), body: b"" };
        let error = consign_http::Error::answer(&failure, None, self.clock.wall());
        let what = format!("{}: {} answered {status}", self.shown(), host_of(&location.url));
        let error = error.with_message(what).with_advice("look at the job again for what it made");
        Err(self.about(if status == StatusCode::RANGE_NOT_SATISFIABLE && got.resumable() {
            error.with_retry(Retry::Backoff)
        } else {
            error
        }))
    }
}

fn silent() -> consign_http::Error {
    consign_http::Error::new(ErrorKind::Timeout, Delivery::Unknown, format!("the host was silent for {SILENCE:?}"))
}

/// The host of a URL alone: user name, path and query may hold secrets.
fn host_of(url: &str) -> String {
    url.parse().ok().and_then(|uri: Uri| uri.host().map(str::to_owned)).unwrap_or_default()
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
    /// Whether what is there can be continued: a part of a known version.
    fn resumable(&self) -> bool {
        self.length > 0 && self.tag.is_some()
    }
    /// Takes in an answer's head: it continues what is there, or starts over (then `length` is 0).
    fn begin(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<(), &'static str> {
        let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
        let strong = headers.get(ETAG).filter(|t| !t.as_bytes().starts_with(b"W/"));
        let before = std::mem::take(self);
        if status == StatusCode::PARTIAL_CONTENT {
            if !before.resumable() {
                return Err("the host sent a part though the whole was asked for");
            }
            let (start, total) = text(CONTENT_RANGE).and_then(range_start).unwrap_or((0, None));
            let same_length = before.total.is_none() || total.is_none() || before.total == total;
            if start != before.length || strong != before.tag.as_ref() || !same_length {
                return Err("the host sent a part that does not continue what is there");
            }
            *self = Self { total: before.total.or(total), ..before };
            return Ok(());
        }
        if text(CONTENT_ENCODING).is_some_and(|coding| !coding.trim().eq_ignore_ascii_case("identity")) {
            return Err("the host sent it compressed though that was not asked for");
        }
        self.tag = strong.cloned();
        self.media = text(CONTENT_TYPE).unwrap_or("").to_owned();
        self.total = text(CONTENT_LENGTH).and_then(|n| n.parse().ok());
        Ok(())
    }
}

/// The first byte and the whole length of `bytes 100-199/200`.
fn range_start(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.trim().parse().ok()?, total.trim().parse().ok()))
}

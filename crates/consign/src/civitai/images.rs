//! What a job made: pictures to fetch, and the other results as JSON.
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use consign_civitai::types::JobStatusCollection;
use consign_civitai::wire::{Blob, JobResult};
use consign_core::{Artifact, BoxFuture, Delivery, Error, ErrorKind, Locate, Location, Result, State};
use consign_http::DateTime;
use serde_json::Value;

use super::shown::Shown;
use super::{Job, Snapshot};

/// The last pause before another look for a picture that its job has made but that is not there yet; the
/// first is a second, each further one twice as long.
const LAST_PAUSE: Duration = Duration::from_secs(16);

/// What a job made.
#[derive(Clone)]
pub struct Images {
    images: Vec<Image>,
    results: Vec<(Option<String>, Value)>,
}

/// One picture.
#[derive(Clone, Debug)]
pub struct Image {
    item: Option<String>,
    key: Option<String>,
    artifact: Artifact,
}

impl Images {
    /// The pictures of all items, in order: those that can be fetched, and those that an item which
    /// succeeded has made but that are not there yet.
    pub fn images(&self) -> &[Image] {
        &self.images
    }
    /// What is not pictures: each item's id and its result as JSON.
    pub fn results(&self) -> &[(Option<String>, Value)] {
        &self.results
    }
    /// Saves all pictures in `folder`, one after the other; gives their paths.
    ///
    /// # Errors
    /// The first that failed, as [`Image::save_to`]; the pictures before it are saved.
    pub async fn save_all(&self, folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        let mut paths = Vec::with_capacity(self.images.len());
        for image in &self.images {
            paths.push(image.save_to(folder.as_ref()).await?);
        }
        Ok(paths)
    }

    pub(crate) fn of(job: &Job, snapshot: &Snapshot) -> Self {
        let mut out = Self { images: Vec::new(), results: Vec::new() };
        let mut stems = HashSet::new();
        let statuses = snapshot.raw().into_iter().flat_map(|raw| raw.jobs.iter().flatten());
        for (status, seen) in statuses.zip(snapshot.items()) {
            let item = status.job_id.as_ref().map(ToString::to_string);
            let blobs = match &status.result {
                Some(JobResult::Other(other)) => {
                    out.results.push((item, other.clone()));
                    continue;
                }
                Some(result) => result.blobs(),
                None => continue,
            };
            for (n, blob) in blobs.iter().enumerate() {
                let known = location(blob);
                if known.is_none() && seen.state != State::Succeeded {
                    continue;
                }
                let key = blob.blob_key.clone();
                let mut stem = match (&item, &key) {
                    (Some(id), _) if blobs.len() > 1 => format!("{id}-{}", n + 1),
                    (Some(name), _) | (None, Some(name)) => name.clone(),
                    (None, None) => format!("picture-{}", out.images.len() + 1),
                };
                // No two of them become one file, whatever the service names them.
                while !stems.insert(stem.to_lowercase()) {
                    stem.push_str(&format!("-{}", out.images.len() + 1));
                }
                let at = At { job: job.clone(), item: item.clone(), n, key: key.clone(), known };
                let artifact = Artifact::new(job, &stem, Arc::new(at)).checked(is_media);
                out.images.push(Image { item: item.clone(), key, artifact });
            }
        }
        out
    }
}

/// Results without the queries of their addresses, which may be signed.
impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let results: Vec<_> = self.results.iter().map(|(item, result)| (item, Shown(result))).collect();
        f.debug_struct("Images").field("images", &self.images).field("results", &results).finish()
    }
}

/// Where a blob can be fetched, if it can.
fn location(blob: &Blob) -> Option<Location> {
    let url = blob.blob_url.clone().filter(|url| blob.is_available() && !url.is_empty())?;
    Some(Location { url, expires: blob.blob_url_expiration_date.as_ref().and_then(DateTime::to_system_time) })
}

impl Image {
    /// The item that made it, by its job id.
    pub fn item(&self) -> Option<&str> {
        self.item.as_deref()
    }
    /// The service's key of the picture.
    pub fn blob_key(&self) -> Option<&str> {
        self.key.as_deref()
    }
    /// The signed URL at the moment. Fetch it without a credential; it works for about an hour. For a
    /// picture that was not there yet the job is read again, for half a minute at most.
    ///
    /// # Errors
    /// What reading the job again reported, if that was needed; [`ErrorKind::NotFound`] if its record
    /// does not say where the picture is.
    pub async fn url(&self) -> Result<String> {
        self.artifact.url().await
    }
    /// Saves it in `folder`, which is made if missing, named by its job id; gives the path. The file
    /// appears only when it is whole. An expired URL is renewed by reading the job again.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] naming the path; [`ErrorKind::Decode`] if what came is no picture; otherwise
    /// what the host answered. Nothing is left behind.
    pub async fn save_to(&self, folder: impl AsRef<Path>) -> Result<PathBuf> {
        self.artifact.save_to(folder).await
    }
    /// Saves it as `path`. The file appears only when it is whole.
    ///
    /// # Errors
    /// As [`Image::save_to`]; the folder must exist.
    pub async fn save_as(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        self.artifact.save_as(path).await
    }
    /// The picture's bytes, at most `limit`.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] above `limit`; otherwise as [`Image::save_to`].
    pub async fn bytes(&self, limit: usize) -> Result<Bytes> {
        self.artifact.bytes(limit).await
    }
    /// The picture as a general artifact.
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }
}

/// A picture's place, and how to find it again when its URL has expired.
struct At {
    job: Job,
    item: Option<String>,
    n: usize,
    key: Option<String>,
    /// `None`: it was not there yet.
    known: Option<Location>,
}

impl Locate for At {
    fn locate(&self, renew: bool) -> BoxFuture<'_, Result<Location>> {
        Box::pin(async move {
            if let (false, Some(known)) = (renew, &self.known) {
                return Ok(known.clone());
            }
            let clock = self.job.jobs().provider().client().http().clock();
            let mut pause = Duration::from_secs(1);
            loop {
                let snapshot = self.job.look().await?;
                let what = match self.find(snapshot.raw()).map(location) {
                    Some(Some(location)) => return Ok(location),
                    Some(None) if self.known.is_none() && pause <= LAST_PAUSE => {
                        clock.sleep(pause).await;
                        pause *= 2;
                        continue;
                    }
                    Some(None) => "the job's record has the picture, but not where it can be fetched",
                    None => "the picture is not in the job's record",
                };
                let error = consign_http::Error::new(ErrorKind::NotFound, Delivery::Rejected, what).on_read();
                return Err(Error::from(error).with_ticket(self.job.ticket()));
            }
        })
    }
}

impl At {
    /// The blob in a newer record: by its key, or by its place if it never had one.
    fn find<'a>(&self, raw: Option<&'a JobStatusCollection>) -> Option<&'a Blob> {
        let statuses = raw.into_iter().flat_map(|raw| raw.jobs.iter().flatten());
        let mut same = statuses.filter(|s| self.item.is_none() || s.job_id.as_deref() == self.item.as_deref());
        let blobs = |s: &'a consign_civitai::types::JobStatus| s.result.as_ref().map_or(&[][..], JobResult::blobs);
        match &self.key {
            Some(_) => same.flat_map(blobs).find(|blob| blob.blob_key == self.key),
            None => same.find_map(|s| blobs(s).get(self.n)),
        }
    }
}

/// Whether the first bytes are those of a picture or a film.
fn is_media(start: &[u8]) -> Result<(), &'static str> {
    let known: [&[u8]; 7] =
        [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"\x1aE\xdf\xa3"];
    let webp = start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WEBP");
    let boxed = start.get(4..8) == Some(b"ftyp"); // AVIF, HEIF, MP4
    if webp || boxed || known.iter().any(|magic| start.starts_with(magic)) {
        Ok(())
    } else {
        Err("what came is not a picture")
    }
}

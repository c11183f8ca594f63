//! What a job made: pictures to fetch, and the other results as JSON.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use consign_civitai::types::JobStatusCollection;
use consign_core::{Artifact, BoxFuture, Delivery, Error, ErrorKind, Locate, Location, Result};
use consign_http::DateTime;
use serde_json::Value;

use super::{Job, Snapshot};

/// What a job made.
#[derive(Clone, Debug)]
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
    /// The pictures that can be fetched, of all items, in order.
    pub fn images(&self) -> &[Image] {
        &self.images
    }
    /// Each item's id and its result as JSON: of kinds that make something else than pictures.
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
        for status in snapshot.raw().iter().flat_map(|raw| raw.jobs.iter().flatten()) {
            let Some(result) = &status.result else { continue };
            let item = status.job_id.as_ref().map(ToString::to_string);
            let blobs = result.blobs();
            if blobs.is_empty() {
                out.results.push((item.clone(), serde_json::to_value(result).unwrap_or_default()));
            }
            for (n, blob) in blobs.iter().enumerate() {
                let Some(url) = blob.blob_url.clone().filter(|url| blob.available == Some(true) && !url.is_empty())
                else {
                    continue;
                };
                let expires = blob.blob_url_expiration_date.as_ref().and_then(DateTime::to_system_time);
                let stem = match (&item, &blob.blob_key) {
                    (Some(id), _) if blobs.len() > 1 => format!("{id}-{}", n + 1),
                    (Some(id), _) => id.clone(),
                    (None, Some(key)) => key.clone(),
                    (None, None) => format!("picture-{}", out.images.len() + 1),
                };
                let at = At {
                    job: job.clone(),
                    item: item.clone(),
                    n,
                    key: blob.blob_key.clone(),
                    known: Location { url, expires },
                };
                let artifact = Artifact::new(job, &stem, Arc::new(at)).checked(is_media);
                out.images.push(Image { item: item.clone(), key: blob.blob_key.clone(), artifact });
            }
        }
        out
    }
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
    /// The signed URL at the moment. Fetch it without a credential; it works for about an hour.
    ///
    /// # Errors
    /// What reading the job again reported, if the URL had expired.
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
    known: Location,
}

impl Locate for At {
    fn locate(&self, renew: bool) -> BoxFuture<'_, Result<Location>> {
        Box::pin(async move {
            if !renew {
                return Ok(self.known.clone());
            }
            let snapshot = self.job.look().await?;
            self.find(snapshot.raw()).ok_or_else(|| {
                let what = "the picture is not in the job's record any more";
                Error::new(ErrorKind::NotFound, Delivery::Rejected, what).with_ticket(self.job.ticket())
            })
        })
    }
}

impl At {
    fn find(&self, raw: Option<&JobStatusCollection>) -> Option<Location> {
        let statuses = raw.iter().flat_map(|raw| raw.jobs.iter().flatten());
        let same = |id: Option<&str>| self.item.is_none() || id == self.item.as_deref();
        let blobs: Vec<_> = statuses
            .filter(|status| same(status.job_id.as_deref()))
            .flat_map(|status| status.result.iter().flat_map(|r| r.blobs().iter().enumerate()))
            .collect();
        let by_key = blobs.iter().find(|(_, blob)| self.key.is_some() && blob.blob_key == self.key);
        let (_, blob) = by_key.or_else(|| blobs.iter().find(|(n, _)| *n == self.n))?;
        let expires = blob.blob_url_expiration_date.as_ref().and_then(DateTime::to_system_time);
        blob.blob_url.clone().map(|url| Location { url, expires })
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

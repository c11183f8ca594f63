//! What a job made: its result as JSON, and its output files to fetch.
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use consign_chutes::{Client, DownloadOutputFileOptions, ServerFault};
use consign_core::{Artifact, BoxFuture, CallOptions, Delivery, Error, ErrorKind, Open, Result, Retry, Ticket};
use consign_http::{ByteStream, Reply};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Job, Snapshot};

/// What a job made.
#[derive(Clone)]
pub struct Outputs {
    ticket: Ticket,
    result: Option<Value>,
    files: Vec<OutputFile>,
}

/// One output file.
#[derive(Clone, Debug)]
pub struct OutputFile {
    name: String,
    id: String,
    uploaded: bool,
    artifact: Artifact,
}

impl Outputs {
    /// What the method returned; `None` if that was nothing, or is not known yet.
    pub fn result(&self) -> Option<&Value> {
        self.result.as_ref()
    }
    /// What the method returned, as a type of one's own.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if it is something else.
    pub fn result_as<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_value(self.result.clone().unwrap_or_default()).map_err(|e| {
            let what = format!("the job's result is another: {e}");
            let error = consign_http::Error::new(ErrorKind::Decode, Delivery::Unknown, what).on_read().with_source(e);
            Error::from(error).with_ticket(&self.ticket)
        })
    }
    /// The declared files, by name; logs of the runner (`_chute.log`) among them.
    pub fn files(&self) -> &[OutputFile] {
        &self.files
    }
    /// The file that was declared under this name, such as `checkpoints/epoch1.json`.
    pub fn file(&self, name: &str) -> Option<&OutputFile> {
        self.files.iter().find(|file| file.name == name)
    }
    /// Saves all files that were uploaded in `folder`, four at a time; gives their paths, in the order of
    /// [`Outputs::files`]. Each is named as by [`OutputFile::save_to`], and no two become one.
    ///
    /// # Errors
    /// The first that failed, as [`OutputFile::save_to`]. After it no other is begun; those that are whole stay.
    pub async fn save_all(&self, folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        Artifact::save_all(self.artifacts(), folder).await
    }
    /// The files that were uploaded, as general artifacts.
    pub(crate) fn artifacts(&self) -> impl Iterator<Item = &Artifact> {
        self.files.iter().filter(|file| file.uploaded).map(|file| &file.artifact)
    }

    pub(crate) fn of(job: &Job, snapshot: &Snapshot) -> Self {
        let raw = snapshot.raw();
        let declared = raw.into_iter().flat_map(|raw| raw.output_files.iter().flat_map(|files| files.iter()));
        let mut declared: Vec<(&str, &str, bool)> = declared
            .map(|(id, file)| (file.filename.as_deref().unwrap_or(id), id.as_str(), file.uploaded != Some(false)))
            .collect();
        declared.sort_unstable();
        let stems = stems(&declared);
        let file = |(&(name, id, uploaded), stem): (&(&str, &str, bool), String)| {
            let at = At { job: job.clone(), id: id.to_owned(), name: name.to_owned(), uploaded };
            let artifact = Artifact::opened(job, &stem, Arc::new(at)).own_name();
            OutputFile { name: name.to_owned(), id: id.to_owned(), uploaded, artifact }
        };
        let files = declared.iter().zip(stems).map(file).collect();
        let result = raw.and_then(|raw| raw.result.clone()).filter(|result| !result.is_null());
        Self { ticket: job.ticket().clone(), result, files }
    }
}

/// Where each file goes below a folder: under its own name, unless another has that in other letters, has it as
/// a folder, or would get it here. Such names differ on the service but not on every computer; they go without folders and with their
/// files' ids.
fn stems(declared: &[(&str, &str, bool)]) -> Vec<String> {
    let lower = |name: &str| name.to_lowercase();
    let above = |name: &str| name.match_indices('/').map(|(end, _)| lower(&name[..end])).collect::<Vec<_>>();
    let mut files = HashMap::<String, u32>::new();
    declared.iter().for_each(|(name, ..)| *files.entry(lower(name)).or_default() += 1);
    let folders: HashSet<String> = declared.iter().flat_map(|(name, ..)| above(name)).collect();
    let with_id = |name: &str, id: &str| format!("{id}-{}", name.replace('/', "_"));
    let others: HashSet<String> = declared.iter().map(|(name, id, _)| lower(&with_id(name, id))).collect();
    let alone = |name: &str| {
        let own = lower(name);
        files.get(&own) == Some(&1)
            && !others.contains(&own)
            && !folders.contains(&own)
            && above(name).iter().all(|folder| !files.contains_key(folder))
    };
    let stem = |(name, id, _): &(&str, &str, bool)| match alone(name) {
        true => (*name).to_owned(),
        false => with_id(name, id),
    };
    declared.iter().map(stem).collect()
}

/// The result without what may be long.
impl fmt::Debug for Outputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
        f.debug_struct("Outputs").field("result", &self.result.is_some()).field("files", &names).finish()
    }
}

impl OutputFile {
    /// The name it was declared under: a path relative to the job's output folder, as its runner wrote it. Do not use
    /// it as a path unchecked: it may climb out. [`OutputFile::save_to`] makes it safe.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// The service's id of the file.
    pub fn file_id(&self) -> &str {
        &self.id
    }
    /// Whether it is there to be fetched. Files can be fetched before their job has ended.
    pub fn is_uploaded(&self) -> bool {
        self.uploaded
    }
    /// Saves it in `folder`, which is made if missing, under its name; gives the path. The folders in the name are
    /// kept if every part of it is a file name that is safe on any operating system; any other name becomes one
    /// that is, without folders. The file appears only when it is whole.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] naming the path; [`ErrorKind::TooLarge`] above 16 GiB, unless the
    /// [artifact](OutputFile::artifact) is given another bound; [`ErrorKind::NotFound`] if it was not uploaded;
    /// otherwise what the service answered. Nothing is left behind.
    pub async fn save_to(&self, folder: impl AsRef<Path>) -> Result<PathBuf> {
        self.artifact.save_to(folder).await
    }
    /// Saves it as `path`. The file appears only when it is whole.
    ///
    /// # Errors
    /// As [`OutputFile::save_to`]; the folder must exist.
    pub async fn save_as(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        self.artifact.save_as(path).await
    }
    /// The file's bytes, at most `limit`.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] above `limit`; otherwise as [`OutputFile::save_to`].
    pub async fn bytes(&self, limit: usize) -> Result<Bytes> {
        self.artifact.bytes(limit).await
    }
    /// The file as a general artifact. It has no address that works without the account's credential.
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }
}

/// A file's place at the service. The client sends its credential to its own address only.
struct At {
    job: Job,
    id: String,
    name: String,
    uploaded: bool,
}

impl At {
    fn client(&self) -> &Client {
        self.job.jobs().provider().client()
    }
    /// What an error of a download means, as far as the file tells.
    fn explained(&self, error: consign_http::Error) -> consign_http::Error {
        if ServerFault::of(&error) != Some(ServerFault::FileMissing) {
            return error;
        }
        // A name that cannot stand in a header makes the service fail, whatever is asked and how often.
        if self.name.chars().any(|c| u32::from(c) > 0xff) {
            let what = format!("the service cannot send a file with this name: {:?}", self.name);
            return error.with_message(what).with_retry(Retry::Never).with_advice("");
        }
        error.with_message("the service failed: storage trouble, or the file was removed when its job was deleted")
    }
}

impl Open for At {
    fn open(&self) -> BoxFuture<'_, Result<Reply<ByteStream>>> {
        Box::pin(async move {
            if !self.uploaded {
                let what = format!("{:?} was declared, but not uploaded", self.name);
                return Err(Error::new(ErrorKind::NotFound, Delivery::NotSent, what));
            }
            let options = DownloadOutputFileOptions::default().call(CallOptions::new());
            let id = self.job.ticket().data();
            let reply = self.client().download_output_file(id, &self.id, options).await;
            reply.map_err(|error| self.explained(error).into())
        })
    }
}

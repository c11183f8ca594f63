//! [`Report`]: a guard that reports how a job ended, whatever happens.
use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use consign_chutes::wire::{FinishJob, JobArguments};
use consign_chutes::{JobToken, ServerFault};
use consign_core::{Delivery, Error, ErrorKind, Result};
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::Serialize;
use serde_json::Value;
use tokio::runtime::Handle;

use super::Runner;

/// How many files are uploaded at once.
const AT_ONCE: usize = 8;
/// How much of an account of a failure is reported, in bytes.
const DETAIL: usize = 64 << 10;

impl Runner {
    /// A guard over the job, which is reported as failed unless something else is reported before the guard goes.
    ///
    /// Make it inside a runtime of tokio: a guard that is dropped reports from a task of that runtime, or of the
    /// one it is dropped in.
    pub fn report(&self) -> Report {
        let (runner, handle) = (self.clone(), Handle::try_current().ok());
        let (stage, files, missing) = (Stage::Open, BTreeMap::new(), Vec::new());
        Report { work: Some(Work { runner, folder: None, files, missing, stage, closing: false, handle }) }
    }
    /// Runs a job and reports how it ended: an object or nothing as success, an error as failure, a panic too. Every
    /// regular file below `outputs` is uploaded, in each of these cases; links are not followed. If this future is
    /// dropped, failure is reported as [`Report`] says.
    ///
    /// # Errors
    /// [`InvalidRequest`](ErrorKind::InvalidRequest) if the job gave what cannot be reported as a result, see
    /// [`Report::success`]; it was then reported as failed. Otherwise what kept the report from being made. A job
    /// that failed is not an error: [`Reported::status`] says so.
    pub async fn run<T: Serialize, E: fmt::Display>(
        &self,
        outputs: impl AsRef<Path>,
        job: impl Future<Output = Result<T, E>>,
    ) -> Result<Reported> {
        let mut report = self.report().folder(outputs.as_ref());
        match AssertUnwindSafe(job).catch_unwind().await {
            Ok(Ok(result)) => match report.success(&result).await {
                Err(error) if error.kind() == ErrorKind::InvalidRequest && error.status().is_none() => {
                    report.failure(format!("the job's result cannot be reported: {error}")).await?;
                    Err(error)
                }
                reported => reported,
            },
            Ok(Err(error)) => report.failure(error.to_string()).await,
            Err(panic) => {
                let said = panic.downcast_ref::<String>().map(String::as_str);
                let said = said.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
                report.failure(format!("the job panicked: {said}")).await
            }
        }
    }
}

/// A guard that reports how a job ended: by [`success`](Report::success), [`failure`](Report::failure) or
/// [`cancelled`](Report::cancelled), and as failed when it is dropped before one of them.
///
/// A report has three steps: the outcome with the names of the files, the files, the end. One that is dropped
/// in the middle, or broke, is brought to its end in the background. Dropping cannot wait: what is left is done by a
/// task, if there is a runtime of tokio, and lost if the process ends before it is done. So report, and await it,
/// wherever that can be done.
#[must_use = "dropping it reports the job as failed"]
pub struct Report {
    work: Option<Work>,
}

/// What was reported.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reported {
    /// `complete`, `error` or `cancelled`.
    pub status: String,
    /// The files that were uploaded, by their declared names.
    pub uploaded: Vec<String>,
    /// The files that were not, with what kept them. With any of them, a `complete` job counts as partly failed.
    pub missing: Vec<(String, Error)>,
}

impl Report {
    /// Adds every regular file below a folder, as it is when the job is reported, by its path relative to it. Links
    /// are not followed.
    pub fn folder(mut self, path: impl Into<PathBuf>) -> Self {
        if let Some(work) = &mut self.work {
            work.folder = Some(path.into());
        }
        self
    }
    /// Adds a file under a name: a path relative to the job's output folder, with `/`. The service cannot send files
    /// whose names have characters outside Latin-1, or line breaks.
    pub fn file(mut self, name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        if let Some(work) = &mut self.work {
            work.files.insert(name.into(), path.into());
        }
        self
    }
    /// The method returned `result`: a value that becomes a JSON object, or `()` for nothing.
    ///
    /// # Errors
    /// [`InvalidRequest`](ErrorKind::InvalidRequest), before anything is sent, for anything else, and for what breaks
    /// the service: numbers outside -2^63 … 2^64 - 1 or not finite, the character U+0000. The service would store
    /// it and could never give the job back. The guard is as before. Otherwise what kept the report from being made,
    /// after repeats; another call goes on with it. A file that cannot be uploaded is no error:
    /// [`Reported::missing`].
    pub async fn success<T: Serialize + ?Sized>(&mut self, result: &T) -> Result<Reported> {
        let result = readable(result)?;
        self.send(FinishJob::complete(result)).await
    }
    /// The method failed. The job's creator does not get to see `detail`; of more than 64 KiB the end is left out, and
    /// the character U+0000, which the service cannot store, is replaced.
    ///
    /// # Errors
    /// What kept the report from being made, after repeats; another call goes on with it.
    pub async fn failure(&mut self, detail: impl Into<String>) -> Result<Reported> {
        self.send(FinishJob::failed(short(detail.into()))).await
    }
    /// The method was cancelled.
    ///
    /// # Errors
    /// As [`Report::failure`].
    pub async fn cancelled(&mut self, detail: impl Into<String>) -> Result<Reported> {
        self.send(FinishJob::cancelled(short(detail.into()))).await
    }
    async fn send(&mut self, report: FinishJob) -> Result<Reported> {
        match &mut self.work {
            Some(work) => {
                if let Stage::Open | Stage::Reporting(_) = work.stage {
                    work.stage = Stage::Reporting(report);
                }
                work.go_on().await
            }
            None => Err(over()),
        }
    }
}

/// The members of a result that the service can give back; `None` for null.
fn readable<T: Serialize + ?Sized>(result: &T) -> Result<Option<serde_json::Map<String, Value>>> {
    #[derive(Serialize)]
    struct Named<'a, T: ?Sized> {
        result: &'a T,
    }
    let arguments = JobArguments::new(&Named { result })?;
    let checked: BTreeMap<String, Value> = serde_json::from_str(arguments.as_str()).unwrap_or_default();
    match checked.into_values().next() {
        Some(Value::Object(members)) => Ok(Some(members)),
        Some(Value::Null) | None => Ok(None),
        Some(other) => {
            let allowed = "an object, or null for nothing: anything else makes the job unreadable";
            Err(consign_http::Error::invalid_member("result", other, allowed).into())
        }
    }
}

/// An account of a failure as the service can store it.
fn short(detail: String) -> String {
    let mut detail = detail.replace('\0', "\u{fffd}");
    let end = (0..=DETAIL.min(detail.len())).rev().find(|end| detail.is_char_boundary(*end)).unwrap_or(0);
    detail.truncate(end);
    detail
}

fn over() -> Error {
    Error::new(ErrorKind::Conflict, Delivery::NotSent, "the job was reported already")
}

/// A report on its way.
struct Work {
    runner: Runner,
    folder: Option<PathBuf>,
    files: BTreeMap<String, PathBuf>,
    missing: Vec<(String, Error)>,
    stage: Stage,
    /// It was asked to close the job, and may have been without our hearing of it.
    closing: bool,
    handle: Option<Handle>,
}

enum Stage {
    /// Nothing was reported yet.
    Open,
    /// This is to be reported, or may have been.
    Reporting(FinishJob),
    /// It was reported; these files are to be uploaded, and the job closed.
    Uploading { status: String, waiting: Vec<Upload>, uploaded: Vec<String> },
    /// Nothing is left that could be done.
    Closed,
}

#[derive(Clone)]
struct Upload {
    name: String,
    path: PathBuf,
    token: JobToken,
}

impl Work {
    /// Does what is left. When it is dropped in the middle, or fails, another call goes on where it was.
    async fn go_on(&mut self) -> Result<Reported> {
        if let Stage::Reporting(report) = &self.stage {
            let report = report.clone();
            self.declare(report).await?;
        }
        let Stage::Uploading { waiting, uploaded, .. } = &mut self.stage else {
            return Err(over());
        };
        let (runner, missing) = (&self.runner, &mut self.missing);
        // Those under way stay among those that wait until they are done.
        let mut left = waiting.clone().into_iter();
        let upload = |file: Upload| async move {
            let done = runner.upload_file(&file.token, &file.name, &file.path).await;
            (file.name, done)
        };
        let mut flights: FuturesUnordered<_> = left.by_ref().take(AT_ONCE).map(|file| Box::pin(upload(file))).collect();
        while let Some((name, done)) = flights.next().await {
            waiting.retain(|file| file.name != name);
            match done {
                Ok(_) => uploaded.push(name),
                Err(error) => missing.push((name, error)),
            }
            flights.extend(left.next().map(|file| Box::pin(upload(file))));
        }
        drop(flights);
        let unclear = std::mem::replace(&mut self.closing, true);
        if let Err(error) = self.runner.complete().await
            && !(unclear && error.status() == Some(400))
        {
            if error.delivery() == Delivery::Rejected {
                self.stage = Stage::Closed;
            }
            return Err(error);
        }
        let Stage::Uploading { status, mut uploaded, .. } = std::mem::replace(&mut self.stage, Stage::Closed) else {
            return Err(over());
        };
        uploaded.sort_unstable();
        Ok(Reported { status, uploaded, missing: std::mem::take(&mut self.missing) })
    }
    /// Reports the outcome and the names of the files, and takes in where they go.
    async fn declare(&mut self, mut report: FinishJob) -> Result<()> {
        self.missing.clear();
        let mut files = self.files.clone();
        if let Some(folder) = &self.folder {
            let found = walk(folder.clone()).await;
            files.extend(found.0);
            self.missing.extend(found.1);
        }
        // One name that cannot be stored would keep the service from storing the report.
        let unfit: Vec<String> = files.keys().filter(|name| name.contains('\0')).cloned().collect();
        for name in unfit {
            files.remove(&name);
            let error = consign_http::Error::invalid_member("name", &name, "a name without the character U+0000");
            self.missing.push((name, error.into()));
        }
        report.output_filenames = Some(files.keys().cloned().collect());
        let urls = match self.runner.finish(&report).await {
            Ok(job) => job.output_storage_urls.unwrap_or_default(),
            Err(error) => {
                if ServerFault::of(error.http()) == Some(ServerFault::StoredUnanswered) {
                    // No address of a file will come; the job need not stay open for that.
                    let _ = self.runner.complete().await;
                    self.stage = Stage::Closed;
                } else if error.delivery() == Delivery::Rejected {
                    self.stage = Stage::Closed;
                }
                return Err(error);
            }
        };
        let mut waiting = Vec::new();
        for (name, path) in files {
            match urls.get(&name).map(|url| url.token()) {
                Some(Ok(token)) => waiting.push(Upload { name, path, token }),
                Some(Err(error)) => self.missing.push((name, error.into())),
                None => {
                    let what = "the service gave no address for the file";
                    self.missing.push((name, Error::new(ErrorKind::Decode, Delivery::Unknown, what)));
                }
            }
        }
        let status = report.status.unwrap_or_default();
        self.stage = Stage::Uploading { status, waiting, uploaded: Vec::new() };
        Ok(())
    }
}

type Found = (Vec<(String, PathBuf)>, Vec<(String, Error)>);

/// The regular files below a folder by their relative paths, and what could not be read.
async fn walk(folder: PathBuf) -> Found {
    let gone = folder.clone();
    let walked = tokio::task::spawn_blocking(move || {
        let (mut files, mut unread) = (Vec::new(), Vec::new());
        let mut folders = vec![(String::new(), folder)];
        while let Some((prefix, folder)) = folders.pop() {
            let entries = std::fs::read_dir(&folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
            let entries = match entries {
                Ok(entries) => entries,
                // A job that makes no files need not make the folder.
                Err(e) if prefix.is_empty() && e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => {
                    unread.push((prefix, Error::io("read the folder", &folder, e)));
                    continue;
                }
            };
            for entry in entries {
                let path = entry.path();
                let Some(name) = entry.file_name().to_str().map(|name| format!("{prefix}{name}")) else {
                    let shown = format!("{prefix}{}", entry.file_name().to_string_lossy());
                    let what = std::io::Error::other("its name is not Unicode, so it cannot be declared");
                    unread.push((shown, Error::io("upload", &path, what)));
                    continue;
                };
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push((format!("{name}/"), path)),
                    Ok(kind) if kind.is_file() => files.push((name, path)),
                    Ok(_) => {}
                    Err(e) => unread.push((name, Error::io("read", &path, e))),
                }
            }
        }
        (files, unread)
    });
    walked.await.unwrap_or_else(|e| (Vec::new(), vec![(String::new(), Error::io("read the folder", &gone, e.into()))]))
}

impl Drop for Report {
    fn drop(&mut self) {
        let Some(mut work) = self.work.take() else { return };
        match work.stage {
            Stage::Closed => return,
            Stage::Open => {
                let panicked = std::thread::panicking();
                let detail = if panicked { "the job panicked" } else { "the runner went away without a report" };
                work.stage = Stage::Reporting(FinishJob::failed(detail));
            }
            Stage::Reporting(_) | Stage::Uploading { .. } => {}
        }
        if let Some(runtime) = Handle::try_current().ok().or(work.handle.take()) {
            // Nobody is there any more to be told of an error.
            runtime.spawn(async move { work.go_on().await.map(drop) });
        }
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let job = self.work.as_ref().map(|work| work.runner.job_id());
        f.debug_struct("Report").field("job", &job).finish_non_exhaustive()
    }
}

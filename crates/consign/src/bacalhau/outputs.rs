//! What a job made: how each execution ended, what it printed, and where its results are.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use consign_bacalhau::v1::ExecutionState;
use consign_bacalhau::v1::types::{Execution, SpecConfig};
use consign_core::{Artifact, BoxFuture, Delivery, Error, ErrorKind, Locate, Location, Result, Ticket};
use serde_json::{Map, Value};

use super::requester::status::Run;
use super::status::filled;
use super::unpack::{self, Limits};
use super::{Job, Record, Requester, Snapshot};

/// What a job made.
#[derive(Clone, Debug, Default)]
pub struct Results {
    executions: Vec<ExecutionResult>,
}

/// One execution of a job: a job has several if it runs on several nodes, or was tried again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExecutionResult {
    /// Its id; empty if the server named none.
    pub id: String,
    /// The node that ran it.
    pub node: Option<String>,
    /// Its state, in the provider's word.
    pub state: String,
    /// Whether it ran to its end. The program may still have failed: see the exit code.
    pub completed: bool,
    /// Why it failed or was refused, in the provider's words.
    pub message: Option<String>,
    /// The exit code of the program; `None` if it did not run to its end, or ended without one.
    pub exit_code: Option<i64>,
    /// What it printed, at most 2 KB; all of it is in the archive and in the log.
    pub stdout: String,
    /// Whether [`ExecutionResult::stdout`] was cut.
    pub stdout_truncated: bool,
    /// What it printed as errors, at most 2 KB.
    pub stderr: String,
    /// Whether [`ExecutionResult::stderr`] was cut.
    pub stderr_truncated: bool,
    /// Where its results are, in the provider's words, as type and parameters.
    pub published: Option<Published>,
    /// The archive of its results, where it can be downloaded.
    pub archive: Option<Archive>,
}

/// A place where results are.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Published {
    /// The kind of place: `urlDownload`, `ipfs`, `s3` and others.
    pub kind: String,
    /// Its members, such as `CID`, or `Bucket` and `Key`.
    pub params: Map<String, Value>,
}

impl Results {
    /// Every execution, oldest first: also those that failed or were refused.
    pub fn executions(&self) -> &[ExecutionResult] {
        &self.executions
    }
    /// The executions that ran to their end.
    pub fn completed(&self) -> impl Iterator<Item = &ExecutionResult> {
        self.executions.iter().filter(|execution| execution.completed)
    }
    /// The exit code: the first that is not 0, else that of the first execution that has one.
    pub fn exit_code(&self) -> Option<i64> {
        let mut codes = self.completed().filter_map(|execution| execution.exit_code);
        let first = codes.next();
        if first == Some(0) { codes.find(|code| *code != 0).or(first) } else { first }
    }
    /// What the first execution that ran to its end printed, at most 2 KB.
    pub fn stdout(&self) -> &str {
        self.completed().next().map_or("", |execution| &execution.stdout)
    }
    /// What the first execution that ran to its end printed as errors, at most 2 KB.
    pub fn stderr(&self) -> &str {
        self.completed().next().map_or("", |execution| &execution.stderr)
    }
    /// The archives that can be downloaded, one of each execution that published to such a place.
    pub fn archives(&self) -> impl Iterator<Item = &Archive> {
        self.executions.iter().filter_map(|execution| execution.archive.as_ref())
    }
    /// Downloads and unpacks all archives, each into a folder of its own in `folder`.
    ///
    /// # Errors
    /// The first that failed, as [`Archive::save_to`]; those before it are saved.
    pub async fn save_all(&self, folder: impl AsRef<Path>) -> Result<Vec<Unpacked>> {
        let mut all = Vec::new();
        for archive in self.archives() {
            all.push(archive.save_to(folder.as_ref()).await?);
        }
        Ok(all)
    }

    pub(crate) fn of(job: &Job, snapshot: &Snapshot) -> Self {
        let Some(record) = snapshot.raw() else { return Self::default() };
        let mut executions: Vec<&Execution> = record.executions.iter().collect();
        executions.sort_by_key(|execution| execution.create_time);
        // The server tells results in its own order, of those executions that have one.
        let has_result = |e: &&Execution| record.state_of(e) == ExecutionState::Completed && place_of(e).is_some();
        let order: Vec<Option<&str>> = record.executions.iter().filter(has_result).map(|e| e.id.as_deref()).collect();
        let result = |execution: &Execution| {
            let nth = order.iter().position(|id| *id == execution.id.as_deref());
            of_execution(job, record, execution, nth)
        };
        Self { executions: executions.into_iter().map(result).collect() }
    }
    pub(crate) fn of_requester(snapshot: &consign_core::Snapshot<Requester>) -> Self {
        let runs = snapshot.raw().map(|record| record.runs()).unwrap_or_default();
        Self { executions: runs.iter().map(of_run).collect() }
    }
}

fn place_of(execution: &Execution) -> Option<&SpecConfig> {
    execution.published_result.as_ref().filter(|place| filled(place.type_.as_deref()).is_some())
}

fn of_execution(job: &Job, record: &Record, execution: &Execution, nth: Option<usize>) -> ExecutionResult {
    let state = record.state_of(execution);
    let completed = state == ExecutionState::Completed;
    let output = execution.run_output.clone().unwrap_or_default();
    let said = execution.compute_state.as_ref().and_then(|state| filled(state.message.as_deref()));
    let place = place_of(execution);
    let id = execution.id.clone().unwrap_or_default();
    let archive = nth.filter(|_| place.is_some_and(can_be_fetched)).map(|nth| {
        let known = place.and_then(|place| url_of(place, "URL"));
        Archive::new(job, &id, At { job: job.clone(), nth, known })
    });
    ExecutionResult {
        node: execution.node_id.clone().filter(|node| !node.is_empty()),
        state: state.as_str().to_owned(),
        completed,
        // A completed one keeps the word of its time as a running one.
        message: said.filter(|_| !completed).map(str::to_owned),
        exit_code: output.exit_code.filter(|code| completed && *code >= 0),
        stdout: output.stdout.unwrap_or_default(),
        stdout_truncated: output.stdout_truncated.unwrap_or_default(),
        stderr: output.stderr.unwrap_or_default(),
        stderr_truncated: output.stderr_truncated.unwrap_or_default(),
        published: place.map(|place| Published {
            kind: place.type_.clone().unwrap_or_default(),
            params: place.params.clone().unwrap_or_default(),
        }),
        archive,
        id,
    }
}

fn of_run(run: &Run<'_>) -> ExecutionResult {
    let output = run.output.cloned().unwrap_or_default();
    let published = run.published.map(|place| {
        let kind = place.storage_source.as_ref().map_or("", |source| source.as_str()).to_owned();
        let params = match serde_json::to_value(place) {
            Ok(Value::Object(mut members)) => {
                members.remove("StorageSource");
                members
            }
            _ => Map::new(),
        };
        Published { kind, params }
    });
    ExecutionResult {
        id: run.id.unwrap_or_default().to_owned(),
        node: run.node.map(str::to_owned),
        state: run.word.to_owned(),
        completed: run.completed,
        message: run.status.map(str::to_owned),
        exit_code: output.exit_code.filter(|code| run.completed && *code >= 0),
        stdout: output.stdout.unwrap_or_default(),
        stdout_truncated: output.stdouttruncated.unwrap_or_default(),
        stderr: output.stderr.unwrap_or_default(),
        stderr_truncated: output.stderrtruncated.unwrap_or_default(),
        published,
        archive: None,
    }
}

/// Whether a place gives, now or when it is asked for, an address of the web.
fn can_be_fetched(place: &SpecConfig) -> bool {
    let kind = place.type_.as_deref().unwrap_or_default().to_ascii_lowercase();
    matches!(kind.as_str(), "urldownload" | "s3managed" | "s3presigned")
}

/// A parameter that is a web address; names are matched without regard to case.
fn url_of(place: &SpecConfig, name: &str) -> Option<String> {
    let params = place.params.iter().flatten();
    let mut named = params.filter(|(found, _)| found.eq_ignore_ascii_case(name));
    let url = named.next()?.1.as_str()?;
    super::check::is_web_address(url).then(|| url.to_owned())
}

/// A tar.gz of the results of one execution: `stdout`, `stderr` and `exitCode` beside the outputs of the job.
///
/// It is fetched without a credential, and unpacked so that nothing leaves the folder: a name that climbs out is an
/// error, one that cannot be a file name everywhere is made one, links and special files are left out, and what
/// unpacks to more than its limits is an error. Nothing appears before all of it is there.
#[derive(Clone, Debug)]
pub struct Archive {
    name: String,
    ticket: Ticket,
    artifact: Artifact,
    limits: Limits,
}

/// A folder into which an archive was unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unpacked {
    /// The folder.
    pub folder: PathBuf,
    /// The files in it, in the order of the archive.
    pub files: Vec<PathBuf>,
    /// The names of links and special files, which were left out; of long ones the beginning.
    pub left_out: Vec<String>,
}

impl Archive {
    fn new(job: &Job, execution: &str, at: At) -> Self {
        let name = consign_core::safe_file_name(execution);
        let artifact = Artifact::new(job, &format!("{name}.tar.gz"), Arc::new(at)).checked(is_gzip);
        Self { name, ticket: job.ticket().clone(), artifact, limits: Limits::default() }
    }
    /// The same archive, refused if it unpacks to more bytes, or is itself larger. Default: 4 GiB.
    #[must_use]
    pub fn largest(mut self, bytes: u64) -> Self {
        self.limits.bytes = bytes;
        self.artifact = self.artifact.largest(bytes);
        self
    }
    /// The same archive, refused if there is more in it, files and folders. Default: 100,000.
    #[must_use]
    pub fn most_entries(mut self, entries: u64) -> Self {
        self.limits.entries = entries;
        self
    }
    /// The URL at the moment; it may expire, and it may be signed.
    ///
    /// # Errors
    /// What asking the server reported.
    pub async fn url(&self) -> Result<String> {
        self.artifact.url().await
    }
    /// Downloads it and unpacks it into a folder of `folder` that is named by the execution. Files that are there
    /// already under the same names are replaced.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] naming the path; [`ErrorKind::Decode`] if it is no whole tar.gz, or a name in it climbs out;
    /// [`ErrorKind::TooLarge`] above its limits; otherwise what the host answered. Nothing is left behind.
    pub async fn save_to(&self, folder: impl AsRef<Path>) -> Result<Unpacked> {
        let saved = unpack::save(&self.artifact, folder.as_ref(), &self.name, self.limits).await;
        saved.map_err(|error| error.with_ticket(&self.ticket))
    }
    /// Downloads it as it is into `folder`; gives the path. The file appears only when it is whole.
    ///
    /// # Errors
    /// As [`Artifact::save_to`].
    pub async fn download_to(&self, folder: impl AsRef<Path>) -> Result<PathBuf> {
        self.artifact.save_to(folder).await
    }
    /// The archive as a general artifact.
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }
}

fn is_gzip(start: &[u8]) -> Result<(), &'static str> {
    if start.starts_with(b"\x1f\x8b") { Ok(()) } else { Err("what came is no tar.gz") }
}

/// Where an archive is, and how to find it again when its address does not work any more.
struct At {
    job: Job,
    /// Its place among the results that the server tells.
    nth: usize,
    /// `None`: the server makes an address when it is asked.
    known: Option<String>,
}

impl Locate for At {
    fn locate(&self, renew: bool) -> BoxFuture<'_, Result<Location>> {
        Box::pin(async move {
            if let (false, Some(url)) = (renew, &self.known) {
                return Ok(Location { url: url.clone(), expires: None });
            }
            let results = self.job.jobs().provider().results(self.job.ticket()).await?;
            let place = results.get(self.nth);
            match place.and_then(|place| url_of(place, "URL").or_else(|| url_of(place, "PreSignedURL"))) {
                Some(url) => Ok(Location { url, expires: None }),
                None => {
                    let kind = place.and_then(|place| place.type_.as_deref()).unwrap_or("nowhere");
                    let what = format!("the server tells no address of the results; they are at: {kind}");
                    let error = consign_http::Error::new(ErrorKind::NotFound, Delivery::Rejected, what).on_read();
                    Err(Error::from(error).with_ticket(self.job.ticket()))
                }
            }
        })
    }
}

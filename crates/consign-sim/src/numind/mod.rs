//! NuMind's NuExtract platform: jobs with their event streams, submissions, projects, files, documents.
//!
//! # What becomes of a job
//!
//! Left alone, a job is `pending` for up to a second, waits for a worker, is `running` for some seconds,
//! all drawn from the seed, and ends as `completed` with a result that is made of what was submitted: a
//! filled template, Markdown, or a template. A test changes that with a script ([`Builder::script`],
//! [`NuMind::script`]) that gives each job a [`Plan`]. Whoever talks to the program changes it in what is
//! submitted, whose first line may be `sim: {…}`; that wins over the script, and the model does not see it:
//!
//! | member of `sim` | meaning |
//! |---|---|
//! | `outcome` | the status that ends it: `completed`, `failed`, `timeout`, `cancelled`, `canceled`, or any other word |
//! | `seconds` | how long it works |
//! | `pending` | how long it is `pending` at first, in seconds |
//! | `output` | its `result` |
//! | `members` | further members of the typed result |
//! | `bare` | true: `outputData` is the bare result |
//! | `size` | `rawModelOutput` has at least this many bytes |
//! | `invalid` | `{"errorCode", "message"}`: the result is emptied and comes with status 206 |
//! | `code`, `message` | why it failed |
//! | `ended` | false: its status changes, but `completedAt` stays away |
//! | `organization` | the organization that owns it |
//! | `repairs` | number of repairs in its report |
//! | `children` | number of child jobs |
//! | `streams` | what happens to its first, second, … event stream: `none`, `silence 5`, `cut 5`, `end 0`, `error 5` (seconds after it was opened), `cut-in 9`, `end-in 9` (bytes of the last event), also with `chunks 7` |
//!
//! Other members are refused with 400, so that a spelling mistake does not pass unnoticed.

mod answers;
mod api;
mod auth;
mod errors;
mod files;
mod model;
mod multipart;
mod params;
mod plan;
mod projects;
mod query;
mod route;
mod settings;
mod shelf;
mod stream;
mod submit;
mod world;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;
use tokio::net::ToSocketAddrs;
use tokio::sync::Notify;

pub use self::plan::Plan;
pub use self::settings::{Builder, Shape};
pub use self::stream::{StreamFault, StreamForm};
use self::world::World;
pub use self::world::{JobView, Kind};
use crate::Simulator;
use crate::clock::Clock;
use crate::faults::Faults;
use crate::front::{Broken, Call, Front};
use crate::ledger::Ledger;
use crate::serve::{Listener, bind, listen};

/// A simulated NuMind. Clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct NuMind {
    inner: Arc<Inner>,
}

/// Names of the operations in the ledger and in rules for faults: those of the older generation's clients
/// where both have one.
pub mod operation {
    /// List of jobs.
    pub const LIST: &str = "get_api_jobs";
    /// One job.
    pub const GET_JOB: &str = "get_api_jobs_jobid";
    /// Status of a job.
    pub const STATUS: &str = "get_api_jobs_jobid_status";
    /// Event stream of a job.
    pub const STREAM: &str = "get_api_jobs_jobid_stream";
    /// Cancel a job.
    pub const CANCEL: &str = "post_api_jobs_jobid_cancel";
    /// Repair reports of a job.
    pub const REPORTS: &str = "get_api_jobs_jobid_reports";
    /// Extraction without a project.
    pub const EXTRACT: &str = "post_api_structured_extraction_jobs";
    /// Extraction from bytes.
    pub const EXTRACT_BYTES: &str = "post_api_structured_extraction_structuredextractionprojectid_jobs";
    /// Extraction from text.
    pub const EXTRACT_TEXT: &str = "post_api_structured_extraction_structuredextractionprojectid_jobs_text";
    /// Extraction from a document.
    pub const EXTRACT_DOCUMENT: &str =
        "post_api_structured_extraction_structuredextractionprojectid_jobs_document_documentid";
    /// Result of an extraction.
    pub const EXTRACTION_RESULT: &str = "get_api_structured_extraction_jobs_structuredextractionjobid";
    /// Markdown from a file.
    pub const MARKDOWN_FILE: &str = "post_api_content_extraction_jobs";
    /// Markdown from a document.
    pub const MARKDOWN_DOCUMENT: &str =
        "post_api_content_extraction_contentextractionprojectid_jobs_document_documentid";
    /// Result of a Markdown job.
    pub const MARKDOWN_RESULT: &str = "get_api_content_extraction_jobs_contentextractionjobid";
    /// Template from bytes.
    pub const TEMPLATE_BYTES: &str = "post_api_template_generation_jobs";
    /// Template from a description.
    pub const TEMPLATE_TEXT: &str = "post_api_template_generation_jobs_text";
    /// Template from a document.
    pub const TEMPLATE_DOCUMENT: &str = "post_api_template_generation_jobs_document_documentid";
    /// Result of a template job.
    pub const TEMPLATE_RESULT: &str = "get_api_template_generation_jobs_templatejobid";
    /// List of projects.
    pub const PROJECTS: &str = "get_api_structured_extraction";
    /// New project.
    pub const CREATE_PROJECT: &str = "post_api_structured_extraction";
    /// One project.
    pub const GET_PROJECT: &str = "get_api_structured_extraction_structuredextractionprojectid";
    /// Change a project.
    pub const PATCH_PROJECT: &str = "patch_api_structured_extraction_structuredextractionprojectid";
    /// Delete a project.
    pub const DELETE_PROJECT: &str = "delete_api_structured_extraction_structuredextractionprojectid";
    /// Change a project's settings.
    pub const PATCH_SETTINGS: &str = "patch_api_structured_extraction_structuredextractionprojectid_settings";
    /// Reset a project's settings.
    pub const RESET_SETTINGS: &str = "post_api_structured_extraction_structuredextractionprojectid_reset_settings";
    /// A project's examples.
    pub const EXAMPLES: &str = "get_api_structured_extraction_structuredextractionprojectid_examples";
    /// New example.
    pub const CREATE_EXAMPLE: &str = "post_api_structured_extraction_structuredextractionprojectid_examples";
    /// One example.
    pub const GET_EXAMPLE: &str =
        "get_api_structured_extraction_structuredextractionprojectid_examples_structuredextractionexampleid";
    /// Replace an example.
    pub const PUT_EXAMPLE: &str =
        "put_api_structured_extraction_structuredextractionprojectid_examples_structuredextractionexampleid";
    /// Delete an example.
    pub const DELETE_EXAMPLE: &str =
        "delete_api_structured_extraction_structuredextractionprojectid_examples_structuredextractionexampleid";
    /// List of Markdown projects.
    pub const CONTENT_PROJECTS: &str = "get_api_content_extraction";
    /// New Markdown project.
    pub const CREATE_CONTENT_PROJECT: &str = "post_api_content_extraction";
    /// Change a Markdown project.
    pub const PATCH_CONTENT_PROJECT: &str = "patch_api_content_extraction_contentextractionprojectid";
    /// Delete a Markdown project.
    pub const DELETE_CONTENT_PROJECT: &str = "delete_api_content_extraction_contentextractionprojectid";
    /// Change a Markdown project's settings.
    pub const PATCH_CONTENT_SETTINGS: &str = "patch_api_content_extraction_contentextractionprojectid_settings";
    /// Reset a Markdown project's settings.
    pub const RESET_CONTENT_SETTINGS: &str = "post_api_content_extraction_contentextractionprojectid_reset_settings";
    /// Upload a file.
    pub const UPLOAD: &str = "post_api_files";
    /// One file.
    pub const GET_FILE: &str = "get_api_files_fileid";
    /// A file's bytes.
    pub const FILE_CONTENT: &str = "get_api_files_fileid_content";
    /// A document from a file.
    pub const CONVERT: &str = "post_api_files_fileid_convert_to_document";
    /// A document from text.
    pub const TEXT_DOCUMENT: &str = "post_api_documents_text";
    /// One document.
    pub const GET_DOCUMENT: &str = "get_api_documents_documentid";
    /// A document's bytes.
    pub const DOCUMENT_CONTENT: &str = "get_api_documents_documentid_content";
    /// A document's page as a picture.
    pub const PAGE_IMAGE: &str = "get_api_documents_documentid_parts_partindex_image";
    /// Sign of life.
    pub const PING: &str = "get_api_ping";
    /// State of the services.
    pub const HEALTH: &str = "get_api_health";
    /// Build information.
    pub const VERSION: &str = "get_api_version";
    /// Load.
    pub const INFERENCE_STATUS: &str = "get_api_inference_status";
    /// Address of the login page.
    pub const LOGIN_PAGE: &str = "get_api_auth";
    /// Tokens, in the service's own form.
    pub const TOKEN: &str = "post_api_auth_token";
    /// Tokens, in the form of OAuth.
    pub const OPENID_TOKEN: &str = "openid_token";
    /// No such address.
    pub(crate) const UNKNOWN: &str = "unknown";
}

#[derive(Debug)]
pub(crate) struct Inner {
    front: Front,
    world: Mutex<World>,
    /// Told when the next step of the world may have changed.
    changed: Notify,
    driving: AtomicBool,
    /// How many streams are open. Under the lock of the world.
    watching: Mutex<usize>,
}

impl Simulator for NuMind {
    async fn handle(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Broken> {
        Self::handle(self, request).await
    }
    fn now(&self) -> SystemTime {
        Self::now(self)
    }
}

impl Default for NuMind {
    fn default() -> Self {
        Self::new()
    }
}

impl NuMind {
    /// The address under which the simulator is reached in the process. Any other host works too.
    pub const URL: &'static str = "http://numind.invalid";

    /// A simulator with all defaults.
    pub fn new() -> Self {
        Builder::default().build()
    }

    /// Sets up a simulator.
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn from_builder(builder: Builder) -> Self {
        let clock = Clock::new(builder.start, builder.speed);
        let front =
            Front { clock: clock.clone(), ledger: Ledger::new(builder.ledger_limit), faults: Faults::default() };
        let world = Mutex::new(World::new(builder.settings, clock, builder.script));
        let (changed, driving) = (Notify::new(), AtomicBool::new(false));
        Self { inner: Arc::new(Inner { front, world, changed, driving, watching: Mutex::new(0) }) }
    }

    /// Answers one request. The answer to [`operation::STREAM`] goes on: see [`live`](crate::live). Needs
    /// tokio's time.
    ///
    /// # Errors
    /// Only where a fault breaks the connection.
    pub async fn handle(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Broken> {
        self.inner.clone().answer(request).await
    }

    /// Serves it on a loopback address such as `127.0.0.1:0`.
    ///
    /// # Errors
    /// An address that is not loopback, or that cannot be bound.
    pub async fn serve(&self, address: impl ToSocketAddrs) -> io::Result<Server> {
        let inner = self.inner.clone();
        let api = listen(bind(address).await?, move |request| Box::pin(inner.clone().answer(request)))?;
        Ok(Server { url: format!("http://{}", api.address), api })
    }

    /// Every request so far.
    pub fn ledger(&self) -> &Ledger {
        &self.inner.front.ledger
    }

    /// The faults of this simulator. Those of event streams are made by
    /// [`Fault::stream`](crate::Fault::stream).
    pub fn faults(&self) -> &Faults {
        &self.inner.front.faults
    }

    /// Every job so far in the order of submission, as it is now.
    pub fn jobs(&self) -> Vec<JobView> {
        self.inner.look(|world, _| world.jobs.iter().map(|job| world.view(job)).collect())
    }

    /// One job by its id.
    pub fn job(&self, id: &str) -> Option<JobView> {
        self.inner.look(|world, _| world.by_id.get(id).map(|which| world.view(&world.jobs[which.job])))
    }

    /// Ids of the projects that there are, with their names.
    pub fn projects(&self) -> Vec<(String, String)> {
        let one = |project: &shelf::Project| (project.id.clone(), project.name.clone());
        self.inner.look(|world, _| world.shelf.projects.iter().map(one).collect())
    }

    /// How many event streams are open.
    pub fn open_streams(&self) -> usize {
        *self.inner.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides from now on what becomes of each new job; see [`Builder::script`].
    pub fn script(&self, script: impl Fn(&Value, usize) -> Plan + Send + Sync + 'static) {
        self.inner.with(|world| world.script = Some(Arc::new(script)));
    }

    /// Simulated time since the start.
    pub fn elapsed(&self) -> Duration {
        self.inner.front.clock.now()
    }

    /// The simulated date.
    pub fn now(&self) -> SystemTime {
        self.inner.front.clock.system_time(self.elapsed())
    }
}

/// Serves a simulator until it is dropped.
#[derive(Debug)]
#[must_use = "the server stops when it is dropped"]
pub struct Server {
    url: String,
    api: Listener,
}

impl Server {
    /// The base URL, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Closes every connection that has no request on it, as a server does with idle connections.
    pub fn close_idle(&self) {
        self.api.close_idle();
    }
}

impl Inner {
    async fn answer(self: Arc<Self>, request: Request<Bytes>) -> Result<Response<Bytes>, Broken> {
        let (name, ids) = route::route(&request);
        let work = |request, call: Call| {
            let (inner, ids) = (&self, &ids);
            async move { api::answer(inner, name, ids, &request, &call) }
        };
        self.front.serve(name, request, work).await
    }

    /// Works with the world as it was left.
    fn with<T>(&self, f: impl FnOnce(&mut World) -> T) -> T {
        f(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Works with the world as it is now.
    fn look<T>(&self, f: impl FnOnce(&World, Duration) -> T) -> T {
        self.with(|world| {
            let now = world.advance();
            f(world, now)
        })
    }

    /// Changes the world as it is now.
    fn change<T>(&self, f: impl FnOnce(&mut World, Duration) -> T) -> T {
        let value = self.with(|world| {
            let now = world.advance();
            f(world, now)
        });
        self.changed.notify_one();
        value
    }

    /// Says that a stream is open, for as long as the guard lives. One task moves the world on meanwhile.
    fn watch(self: &Arc<Self>) -> Watching {
        *self.watching.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        let guard = Watching(self.clone());
        if self.driving.swap(true, Ordering::SeqCst) {
            self.changed.notify_one();
            return guard;
        }
        let mut driver = Driver { inner: self.clone(), done: false };
        tokio::spawn(async move {
            loop {
                let next = driver.inner.with(|world| {
                    world.advance();
                    world.next_step()
                });
                {
                    let watching = driver.inner.watching.lock().unwrap_or_else(PoisonError::into_inner);
                    driver.done = *watching == 0;
                    if driver.done {
                        // Under the lock: whoever watches from now on starts the next drive.
                        driver.inner.driving.store(false, Ordering::SeqCst);
                        return;
                    }
                }
                tokio::select! {
                    () = driver.inner.changed.notified() => {}
                    () = driver.inner.front.clock.sleep_until(next.unwrap_or(Duration::MAX)) => {}
                }
            }
        });
        guard
    }
}

/// A drive; it also ends when its task is dropped with its runtime.
struct Driver {
    inner: Arc<Inner>,
    done: bool,
}

impl Drop for Driver {
    fn drop(&mut self) {
        if !self.done {
            self.inner.driving.store(false, Ordering::SeqCst);
        }
    }
}

/// An open stream.
struct Watching(Arc<Inner>);

impl Drop for Watching {
    fn drop(&mut self) {
        *self.0.watching.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.changed.notify_one();
    }
}

//! Chutes' wire: jobs, the runner's side of them, and their neighbours.
//!
//! # What becomes of a job
//!
//! Left alone, a job is claimed by a node after a moment, launched, verified and run; then the released runner's
//! behaviour follows: report, uploads, end. All times are drawn from the seed. A test changes that with a script
//! ([`Builder::script`], [`Chutes::script`]) that gives each job a [`Plan`]. Whoever talks to the program changes it in
//! the job's own arguments, in the member `sim`, which wins over the script:
//!
//! | member of `sim` | meaning |
//! |---|---|
//! | `outcome` | how it ends; the words are those of [`Plan::end`] |
//! | `seconds` | how long the job function works |
//! | `wait`, `launch` | how long it waits for a miner, and how long the launch takes |
//! | `launchFailures` | how many launches fail first |
//! | `upload` | how long each file's upload, and the last report, take |
//! | `result` | what the runner reports as `result`; anything but an object or null makes the job unreadable |
//! | `detail` | the error text that the runner reports |
//! | `files` | output files: path to text, or to `{"base64": "…"}` |
//! | `missing` | declared files that never arrive |
//!
//! Other members are refused with 400, so that a spelling mistake does not pass unnoticed.
//!
//! # What goes wrong as on the service
//!
//! Deleting a job answers 500 and leaves its record. A job whose runner reported anything but an object or null as
//! `result`, which is every failed one, answers 500 for ever. Numbers that do not fit into 64 bits are stored and
//! then break every answer. Hotkey signatures work for the creation of jobs only.
//!
//! # A runner under test
//!
//! With [`Builder::external_runner`] nodes take jobs and nobody reports; [`Chutes::job_token`] and
//! [`Chutes::job_status_url`] are what a node hands to the runner. Tokens are signed with a secret that can be set, so
//! that a test in another process can make its own.

mod answers;
mod api;
mod auth;
mod job;
mod json;
mod neighbours;
mod plan;
mod runner;
mod seals;
mod settings;
mod world;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;
use tokio::net::ToSocketAddrs;

pub use self::job::{JobView, Phase};
pub use self::plan::Plan;
pub use self::settings::{Account, Builder, Chute, Method};
use self::world::World;
use crate::Simulator;
use crate::clock::Clock;
use crate::faults::Faults;
use crate::front::{Broken, Call, Front};
use crate::ledger::Ledger;
use crate::serve::{Listener, bind, listen};

/// A simulated Chutes. Clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct Chutes {
    inner: Arc<Inner>,
}

/// Names of the operations in the ledger and in rules for faults.
pub mod operation {
    /// Create a job.
    pub const CREATE_JOB: &str = "create_job";
    /// Read a job.
    pub const GET_JOB: &str = "get_job";
    /// Delete a job.
    pub const DELETE_JOB: &str = "delete_job";
    /// Download an output file.
    pub const DOWNLOAD_OUTPUT_FILE: &str = "download_output_file";
    /// Runner: report the outcome and get upload addresses.
    pub const FINISH_JOB: &str = "finish_job";
    /// Runner: upload a file.
    pub const UPLOAD_JOB_FILE: &str = "upload_job_file";
    /// Runner: close the job.
    pub const COMPLETE_JOB: &str = "complete_job";
    /// List chutes.
    pub const LIST_CHUTES: &str = "list_chutes";
    /// Read a chute.
    pub const GET_CHUTE: &str = "get_chute";
    /// Share a chute with another user.
    pub const SHARE_CHUTE: &str = "share_chute";
    /// Read the own account.
    pub const GET_ME: &str = "get_me";
    /// Read the quotas of invocations.
    pub const GET_QUOTAS: &str = "get_quotas";
    /// Read the use of a quota of invocations.
    pub const GET_QUOTA_USAGE: &str = "get_quota_usage";
    /// List API keys.
    pub const LIST_API_KEYS: &str = "list_api_keys";
    /// Create an API key.
    pub const CREATE_API_KEY: &str = "create_api_key";
    /// Read an API key.
    pub const GET_API_KEY: &str = "get_api_key";
    /// Delete an API key.
    pub const DELETE_API_KEY: &str = "delete_api_key";
    /// Miner: list the jobs that no instance has.
    pub const LIST_MINER_JOBS: &str = "list_miner_jobs";
    /// Miner: give a job back.
    pub const RELEASE_MINER_JOB: &str = "release_miner_job";
    /// Ask whether the service is there.
    pub const PING: &str = "ping";
}

#[derive(Debug)]
pub(crate) struct Inner {
    front: Front,
    world: Mutex<World>,
}

impl Simulator for Chutes {
    async fn handle(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Broken> {
        Self::handle(self, request).await
    }
    fn now(&self) -> SystemTime {
        Self::now(self)
    }
}

impl Default for Chutes {
    fn default() -> Self {
        Self::new()
    }
}

impl Chutes {
    /// The address under which the simulator is reached in the process. Any other host works too.
    pub const URL: &'static str = "http://chutes.invalid";

    /// The id of the chute that is there by default: `acme/fine-tune`, with the job methods `train` (uploads files,
    /// timeout one hour) and `evaluate` (uploads no files).
    pub const CHUTE: &'static str = "2f6b1f0e-7a0f-5d8c-9a52-6f1b9a6c3d11";

    /// An API key of the right form, which a simulator without accounts accepts like any other.
    pub const KEY: &'static str =
        "cpk_854d4189baa65d29aeb9fcda2eab890a.39e40833dec8509db8e0a0a531ea6390.UTJGQ2ABPQGM77RO7ZIJaZ09bY18cX27";

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
        Self { inner: Arc::new(Inner { front, world }) }
    }

    /// Answers one request. Needs tokio's time.
    ///
    /// # Errors
    /// Where a fault breaks the connection, and where the service does: at the download of a file whose name holds a
    /// line break.
    pub async fn handle(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Broken> {
        let (target, name) = api::route(&request);
        let inner = &self.inner;
        let work =
            |request: Request<Bytes>, call: Call| async move { api::answer(inner, call.entry, target, &request) };
        let answer = Box::pin(inner.front.serve(name, request, work)).await?;
        if answer.extensions().get::<api::Dropped>().is_some() {
            return Err(Broken { request_was_processed: true, received: None, announced: 0 });
        }
        Ok(answer)
    }

    /// Serves the API on a loopback address such as `127.0.0.1:0`.
    ///
    /// # Errors
    /// An address that is not loopback, or that cannot be bound.
    pub async fn serve(&self, address: impl ToSocketAddrs) -> io::Result<Server> {
        let sim = self.clone();
        let api = listen(bind(address).await?, move |request| {
            let sim = sim.clone();
            Box::pin(async move { sim.handle(request).await })
        })?;
        Ok(Server { url: format!("http://{}", api.address), api })
    }

    /// Every request so far.
    pub fn ledger(&self) -> &Ledger {
        &self.inner.front.ledger
    }

    /// The faults of this simulator.
    pub fn faults(&self) -> &Faults {
        &self.inner.front.faults
    }

    /// Every job so far in the order of creation, as it is now; deleted ones too.
    pub fn jobs(&self) -> Vec<JobView> {
        self.inner.change(|world, _| (0..world.jobs.len()).map(|job| world.view(job)).collect())
    }

    /// One job by its id.
    pub fn job(&self, id: &str) -> Option<JobView> {
        self.inner.change(|world, _| world.by_id.get(id).map(|job| world.view(*job)))
    }

    /// Decides from now on what becomes of each new job; see [`Builder::script`].
    pub fn script(&self, script: impl Fn(&Value, usize) -> Plan + Send + Sync + 'static) {
        self.inner.change(|world, _| world.script = Some(Arc::new(script)));
    }

    /// The token of a job's runner, whether there is such a job or not.
    pub fn job_token(&self, job: &str) -> String {
        self.inner.change(|world, now| auth::runner_token(world, job, None, now))
    }

    /// What a node hands to a job's runner: the address that it reports to, with its token. The host is the
    /// production service's.
    pub fn job_status_url(&self, job: &str) -> String {
        format!("https://api.chutes.ai/jobs/{job}?token={}", self.job_token(job))
    }

    /// A session token as a login gives it to an account by its name, valid for seven days. The account that is there
    /// by default is `acme`.
    pub fn session_token(&self, account: &str) -> Option<String> {
        self.inner.change(|world, now| {
            let account = world.settings.accounts.iter().position(|other| other.name == account)?;
            Some(auth::session_token(world, account, now))
        })
    }

    /// Deletes a chute. Its jobs stay and can no longer be read.
    pub fn delete_chute(&self, id: &str) {
        self.inner.change(|world, _| {
            world.settings.chutes.iter_mut().filter(|chute| chute.id == id).for_each(|chute| chute.deleted = true);
        });
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
    /// The base URL of the API, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Closes every connection that has no request on it, as a server does with idle connections.
    pub fn close_idle(&self) {
        self.api.close_idle();
    }
}

impl Inner {
    /// Works with the world as it is now.
    fn change<T>(&self, f: impl FnOnce(&mut World, Duration) -> T) -> T {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let now = world.advance();
        f(&mut world, now)
    }
}

//! Civitai's orchestration wire: jobs, coverage, consumption, requests, and the blob host.
//!
//! # What becomes of a job
//!
//! Left alone, a job waits behind a few jobs of other people, is claimed by a worker, reports progress
//! and succeeds after some seconds, all drawn from the seed. A test changes that with a script
//! ([`Builder::script`], [`Civitai::script`]) that gives each job a [`Plan`]. Whoever talks to the
//! program changes it in the job's own `properties`, in the member `sim`, which wins over the script:
//!
//! | member of `sim` | meaning |
//! |---|---|
//! | `outcome` | the event that ends it: `Succeeded`, `Failed`, `Expired`, `Canceled`, `Deleted`, `Rejected`, `LateRejected`, `ClaimExpired`, or any other word |
//! | `seconds` | how long an attempt works |
//! | `queue` | how many jobs are ahead of it at first |
//! | `message` | text in the context of the last event |
//! | `completed` | `jobHasCompleted` of the last event: true, false, or null to leave it out |
//! | `failures` | only this many attempts end so, the next succeeds |
//! | `updates` | number of `Updated` events an attempt has |
//! | `blobLag` | seconds between success and the blobs being there |
//! | `context` | further members for the context of the last event |
//! | `result` | the job's `result`, once it succeeded |
//!
//! Other members are refused with 400, so that a spelling mistake does not pass unnoticed.

mod answers;
mod api;
mod blobs;
mod errors;
mod job;
mod plan;
mod queue;
mod settings;
mod submit;
mod templates;
mod world;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::HOST;
use http::{Request, Response};
use serde_json::Value;
use tokio::net::ToSocketAddrs;
use tokio::sync::Notify;

pub use self::job::{JobView, Phase, Taint, Webhook};
pub use self::plan::{EndMark, Plan};
pub use self::settings::{Builder, Shape};
use self::world::World;
use crate::Simulator;
use crate::clock::Clock;
use crate::faults::Faults;
use crate::front::{Broken, Call, Front};
use crate::ledger::{BLOB, Ledger};
use crate::serve::{Listener, bind, listen};

/// A simulated Civitai. Clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct Civitai {
    inner: Arc<Inner>,
}

/// Names of the operations in the ledger and in rules for faults.
pub mod operation {
    /// Submit.
    pub const SUBMIT: &str = "v1_consumer_jobs_post";
    /// Read by token.
    pub const GET: &str = "v1_consumer_jobs_get";
    /// Taint by token or properties.
    pub const TAINT: &str = "v1_consumer_jobs_put";
    /// Cancel by token.
    pub const CANCEL: &str = "v1_consumer_jobs_delete";
    /// Read one job.
    pub const GET_JOB: &str = "v1_consumer_jobs_job_id_get";
    /// Taint one job.
    pub const TAINT_JOB: &str = "v1_consumer_jobs_job_id_put";
    /// Cancel one job.
    pub const CANCEL_JOB: &str = "v1_consumer_jobs_job_id_delete";
    /// Query by properties.
    pub const QUERY: &str = "v1_consumer_jobs_query_post";
    /// Coverage of models.
    pub const COVERAGE: &str = "v1_consumer_coverage_get";
    /// Images and cost in a period.
    pub const CONSUMPTION: &str = "v1_consumer_consumption_get";
    /// Past submissions.
    pub const REQUESTS: &str = "v1_consumer_requests_get";
    /// A blob, on the blob host.
    pub const BLOB: &str = "blob";
}

#[derive(Debug)]
pub(crate) struct Inner {
    front: Front,
    world: Mutex<World>,
    /// Told when the next step of the world may have changed.
    changed: Notify,
    driving: AtomicBool,
}

/// Who reads, and how.
pub(crate) struct Reader<'a> {
    now: Duration,
    detailed: bool,
    /// The answer is that to a submission.
    submitting: bool,
    blob_url: &'a str,
}

impl Simulator for Civitai {
    async fn handle(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Broken> {
        Self::handle(self, request).await
    }
    fn now(&self) -> SystemTime {
        Self::now(self)
    }
}

impl Default for Civitai {
    fn default() -> Self {
        Self::new()
    }
}

impl Civitai {
    /// The address under which the simulator is reached in the process. Any other host works too,
    /// except the blob host.
    pub const URL: &'static str = "http://civitai.invalid";

    /// The address of the blob host in the process.
    pub const BLOB_URL: &'static str = "http://blobs.civitai.invalid";

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
        Self { inner: Arc::new(Inner { front, world, changed: Notify::new(), driving: AtomicBool::new(false) }) }
    }

    /// Answers one request. Requests whose host is that of [`BLOB_URL`](Self::BLOB_URL) go to the blob
    /// host, all others to the API. Needs tokio's time.
    ///
    /// # Errors
    /// Only where a fault breaks the connection.
    pub async fn handle(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Broken> {
        let host = request.headers().get(HOST).and_then(|value| value.to_str().ok());
        let host = request.uri().host().or_else(|| host.map(|h| h.split(':').next().unwrap_or(h)));
        if host == Self::BLOB_URL.strip_prefix("http://") {
            Box::pin(self.inner.blob(request)).await
        } else {
            Box::pin(self.inner.api(request, Self::BLOB_URL)).await
        }
    }

    /// Serves the API on a loopback address such as `127.0.0.1:0`, and blobs on another port beside it.
    ///
    /// # Errors
    /// An address that is not loopback, or that cannot be bound.
    pub async fn serve(&self, address: impl ToSocketAddrs) -> io::Result<Server> {
        let api = bind(address).await?;
        let blobs = bind(SocketAddr::new(api.local_addr()?.ip(), 0)).await?;
        let blob_url = format!("http://{}", blobs.local_addr()?);
        let (inner, url) = (self.inner.clone(), Arc::<str>::from(blob_url.as_str()));
        let api = listen(api, move |request| {
            let (inner, url) = (inner.clone(), url.clone());
            Box::pin(async move { inner.api(request, &url).await })
        })?;
        let inner = self.inner.clone();
        let blobs = listen(blobs, move |request| {
            let inner = inner.clone();
            Box::pin(async move { inner.blob(request).await })
        })?;
        Ok(Server { url: format!("http://{}", api.address), blob_url, api, blobs })
    }

    /// Every request so far.
    pub fn ledger(&self) -> &Ledger {
        &self.inner.front.ledger
    }

    /// The faults of this simulator.
    pub fn faults(&self) -> &Faults {
        &self.inner.front.faults
    }

    /// Every job so far in the order of submission, as it is now; forgotten ones too.
    pub fn jobs(&self) -> Vec<JobView> {
        self.inner.look(|world, _| world.jobs.iter().map(|job| world.view(job)).collect())
    }

    /// One job by its id.
    pub fn job(&self, id: &str) -> Option<JobView> {
        self.inner.look(|world, _| world.by_id.get(id).map(|job| world.view(&world.jobs[*job])))
    }

    /// The webhook calls that would have been made so far.
    pub fn webhooks(&self) -> Vec<Webhook> {
        self.inner.look(|world, _| world.webhooks.clone())
    }

    /// What an account has spent so far.
    pub fn spent(&self, account: &str) -> Option<f64> {
        self.inner.with(|world| {
            let index = world.settings.accounts.iter().position(|a| a.name == account)?;
            world.spent.get(index).copied()
        })
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
    blob_url: String,
    api: Listener,
    blobs: Listener,
}

impl Server {
    /// The base URL of the API, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The base URL of the blob host.
    pub fn blob_url(&self) -> &str {
        &self.blob_url
    }

    /// Closes every connection that has no request on it, as a server does with idle connections.
    pub fn close_idle(&self) {
        self.api.close_idle();
        self.blobs.close_idle();
    }
}

impl Inner {
    async fn api(self: &Arc<Self>, request: Request<Bytes>, blob_url: &str) -> Result<Response<Bytes>, Broken> {
        let (target, name) = api::route(&request);
        let work = |request, call: Call| api::answer(self, call.entry, target, request, blob_url);
        self.front.serve(name, request, work).await
    }

    async fn blob(self: &Arc<Self>, request: Request<Bytes>) -> Result<Response<Bytes>, Broken> {
        let work = |request, call: Call| async move {
            let wanted = self.look(|world, now| blobs::check(world, now, &request, call.twist));
            match wanted {
                Ok(wanted) => blobs::send(&wanted, &request, call.twist),
                Err(refusal) => *refusal,
            }
        };
        self.front.serve(BLOB, request, work).await
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

    /// Waits until the jobs have ended, at most for the time that the service holds a request.
    async fn wait(self: &Arc<Self>, jobs: &[usize], since: Duration) {
        let (waiter, hold) = self.with(|world| (world.wait_for(jobs), world.settings.hold));
        let Some((id, notify)) = waiter else { return };
        let _guard = Waiting { inner: self, id };
        self.drive();
        tokio::select! {
            () = notify.notified() => {}
            () = self.front.clock.sleep_until(since.saturating_add(hold)) => {}
        }
    }

    /// Makes sure that one task moves the world on while requests are held.
    fn drive(self: &Arc<Self>) {
        if self.driving.swap(true, Ordering::SeqCst) {
            self.changed.notify_one();
            return;
        }
        let mut driver = Driver { inner: self.clone(), done: false };
        tokio::spawn(async move {
            loop {
                let next = driver.inner.with(|world| {
                    world.advance();
                    driver.done = !world.has_waiters();
                    if driver.done {
                        // Under the lock: whoever waits from now on starts the next drive.
                        driver.inner.driving.store(false, Ordering::SeqCst);
                    }
                    world.next_step()
                });
                if driver.done {
                    return;
                }
                tokio::select! {
                    () = driver.inner.changed.notified() => {}
                    () = driver.inner.front.clock.sleep_until(next.unwrap_or(Duration::MAX)) => {}
                }
            }
        });
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

/// A held request; it stops waiting when it is dropped.
struct Waiting<'a> {
    inner: &'a Inner,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.inner.with(|world| world.stop_waiting(self.id));
        self.inner.changed.notify_one();
    }
}

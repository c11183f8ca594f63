//! The v1 API of the orchestrator, with the file server of its node.

mod answers;
mod api;
mod auth;
mod decode;
mod diff;
mod errors;
mod job;
pub(crate) mod logs;
mod nodes;
mod query;
mod reads;
mod route;
mod schedule;
mod settings;
mod spec;
mod validate;
mod world;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::HOST;
use http::{Request, Response};
use serde_json::Value;
use tokio::net::ToSocketAddrs;
use tokio::sync::Notify;

pub use self::job::JobView;
pub use self::settings::Builder;
pub(crate) use self::validate::go_span;
use self::world::World;
use super::plan::Plan;
use super::{Server, files};
use crate::Simulator;
use crate::clock::Clock;
use crate::faults::Faults;
use crate::front::{Broken, Call, Front};
use crate::ledger::{BLOB, Ledger};
use crate::serve::{bind, listen};

/// What clients sign to log in by the older scheme.
const PHRASE: &str = "node1";

/// A simulated orchestrator of Bacalhau 1.1 to 1.9, as its v1 API shows it. Clones are handles on the
/// same one.
#[derive(Clone, Debug)]
pub struct Bacalhau {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    front: Front,
    world: Mutex<World>,
    /// Told when something was done from outside.
    changed: Notify,
    /// One log at a time for each node.
    turns: Vec<Arc<tokio::sync::Mutex<()>>>,
}

impl Simulator for Bacalhau {
    async fn handle(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Broken> {
        Self::handle(self, request).await
    }
    fn now(&self) -> SystemTime {
        Self::now(self)
    }
}

impl Default for Bacalhau {
    fn default() -> Self {
        Self::new()
    }
}

impl Bacalhau {
    /// The address under which the simulator is reached in the process. Any other host works too,
    /// except that of the file server.
    pub const URL: &'static str = "http://bacalhau.invalid";

    /// The address of the node's file server in the process.
    pub const RESULTS_URL: &'static str = "http://results.bacalhau.invalid";

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
        let turns = (0..builder.settings.nodes).map(|_| Arc::default()).collect();
        let world = Mutex::new(World::new(builder.settings, clock, builder.script));
        Self { inner: Arc::new(Inner { front, world, changed: Notify::new(), turns }) }
    }

    /// Answers one request. Requests whose host is that of [`RESULTS_URL`](Self::RESULTS_URL) go to the
    /// file server, all others to the API. Needs tokio's time.
    ///
    /// # Errors
    /// Only where a fault breaks the connection.
    pub async fn handle(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Broken> {
        let host = request.headers().get(HOST).and_then(|value| value.to_str().ok());
        let host = request.uri().host().or_else(|| host.map(|h| h.split(':').next().unwrap_or(h)));
        if host == Self::RESULTS_URL.strip_prefix("http://") {
            Box::pin(self.inner.file(request)).await
        } else {
            Box::pin(self.inner.api(request, Self::RESULTS_URL)).await
        }
    }

    /// Serves the API on a loopback address such as `127.0.0.1:0`, and results on another port beside it.
    ///
    /// # Errors
    /// An address that is not loopback, or that cannot be bound.
    pub async fn serve(&self, address: impl ToSocketAddrs) -> io::Result<Server> {
        let api = bind(address).await?;
        let files = bind(SocketAddr::new(api.local_addr()?.ip(), 0)).await?;
        let results_url = format!("http://{}", files.local_addr()?);
        let (inner, url) = (self.inner.clone(), Arc::<str>::from(results_url.as_str()));
        let api = listen(api, move |request| {
            let (inner, url) = (inner.clone(), url.clone());
            Box::pin(async move { inner.api(request, &url).await })
        })?;
        let inner = self.inner.clone();
        let files = listen(files, move |request| {
            let inner = inner.clone();
            Box::pin(async move { inner.file(request).await })
        })?;
        Ok(Server::new(api, Some((results_url, files))))
    }

    /// Every request so far.
    pub fn ledger(&self) -> &Ledger {
        &self.inner.front.ledger
    }

    /// The faults of this simulator.
    pub fn faults(&self) -> &Faults {
        &self.inner.front.faults
    }

    /// Every job so far in the order of submission, as it is now.
    pub fn jobs(&self) -> Vec<JobView> {
        self.inner.look(|world, _| world.jobs.iter().map(|job| world.view(job)).collect())
    }

    /// One job by its id.
    pub fn job(&self, id: &str) -> Option<JobView> {
        self.inner.look(|world, _| world.by_id.get(id).map(|job| world.view(&world.jobs[*job])))
    }

    /// Decides from now on what becomes of each new job; see [`Builder::script`].
    pub fn script(&self, script: impl Fn(&Value, usize) -> Plan + Send + Sync + 'static) {
        self.inner.with(|world| world.script = Some(Arc::new(script)));
    }

    /// Fails every running execution, as when its node starts again; the jobs are tried anew.
    pub fn restart_node(&self) {
        self.inner.change(|world, now| world.restart_nodes(now));
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

impl Inner {
    async fn api(self: &Arc<Self>, request: Request<Bytes>, results_url: &str) -> Result<Response<Bytes>, Broken> {
        let (target, name) = route::route(&request, self.with(|world| world.settings.version));
        let work = |request, call: Call| api::answer(self, call, target, request, results_url);
        self.front.serve(name, request, work).await
    }

    async fn file(self: &Arc<Self>, request: Request<Bytes>) -> Result<Response<Bytes>, Broken> {
        let work = |request: Request<Bytes>, call: Call| async move {
            let name = request.uri().path().trim_start_matches('/').strip_suffix(".tar.gz").unwrap_or_default();
            let file = self.look(|world, _| world.archive(name));
            files::send(file, &request, call.twist, &self.front.clock)
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
        self.changed.notify_waiters();
        value
    }
}

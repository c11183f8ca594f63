//! The requester API of Bacalhau 0.3.x, with its signed envelopes.

mod answers;
mod api;
mod settings;

mod sockets;
mod spec;
mod world;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;
use tokio::net::ToSocketAddrs;
use tokio::sync::Notify;

pub use self::settings::RequesterBuilder;
use self::world::{Job, World};
use super::Server;
use super::plan::Plan;
use crate::Simulator;
use crate::clock::Clock;
use crate::faults::Faults;
use crate::front::{Broken, Call, Front};
use crate::ledger::Ledger;
use crate::serve::{bind, listen};

/// A simulated requester node of Bacalhau 0.3.x. Clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct Requester {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    front: Front,
    world: Mutex<World>,
    /// Told when something was done from outside.
    changed: Notify,
}

/// A job of the requester as a test sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequesterJobView {
    /// Its id.
    pub id: String,
    /// The client that submitted it.
    pub client: String,
    /// Its specification, as the server keeps it.
    pub spec: Value,
    /// Its state, in the words of the wire.
    pub state: String,
    /// How many executions it had.
    pub executions: usize,
    /// How many accepted submissions had exactly the body that this job came from. More than one means
    /// that something was submitted twice.
    pub submitted: usize,
}

impl Simulator for Requester {
    async fn handle(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Broken> {
        Self::handle(self, request).await
    }
    fn now(&self) -> SystemTime {
        Self::now(self)
    }
}

impl Default for Requester {
    fn default() -> Self {
        Self::new()
    }
}

impl Requester {
    /// The address under which the simulator is reached in the process. Any other host works too.
    pub const URL: &'static str = "http://requester.bacalhau.invalid";

    /// A simulator with all defaults.
    pub fn new() -> Self {
        RequesterBuilder::default().build()
    }

    /// Sets up a simulator.
    pub fn builder() -> RequesterBuilder {
        RequesterBuilder::default()
    }

    fn from_builder(builder: RequesterBuilder) -> Self {
        let clock = Clock::new(builder.start, builder.speed);
        let front =
            Front { clock: clock.clone(), ledger: Ledger::new(builder.ledger_limit), faults: Faults::default() };
        let world = Mutex::new(World::new(builder.settings, clock, builder.script));
        Self { inner: Arc::new(Inner { front, world, changed: Notify::new() }) }
    }

    /// Answers one request. Needs tokio's time.
    ///
    /// # Errors
    /// The connection breaks: by a fault, or because the server's handler crashes, as it does over an
    /// envelope that it does not know.
    pub async fn handle(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Broken> {
        Box::pin(self.inner.api(request)).await
    }

    /// Serves the API on a loopback address such as `127.0.0.1:0`.
    ///
    /// # Errors
    /// An address that is not loopback, or that cannot be bound.
    pub async fn serve(&self, address: impl ToSocketAddrs) -> io::Result<Server> {
        let inner = self.inner.clone();
        let api = listen(bind(address).await?, move |request| {
            let inner = inner.clone();
            Box::pin(async move { inner.api(request).await })
        })?;
        Ok(Server::new(api, None))
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
    pub fn jobs(&self) -> Vec<RequesterJobView> {
        self.inner.look(|world, _| world.jobs.iter().map(|job| view(world, job)).collect())
    }

    /// One job by its id.
    pub fn job(&self, id: &str) -> Option<RequesterJobView> {
        self.inner.look(|world, _| world.by_id.get(id).map(|job| view(world, &world.jobs[*job])))
    }

    /// Decides from now on what becomes of each new job; see [`RequesterBuilder::script`].
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

fn view(world: &World, job: &Job) -> RequesterJobView {
    RequesterJobView {
        id: job.id.clone(),
        client: job.client.clone(),
        spec: Value::Object(job.spec.json.clone()),
        state: job.state.clone(),
        executions: job.executions.len(),
        submitted: world.bodies.get(&job.body).copied().unwrap_or(0),
    }
}

impl Inner {
    async fn api(self: &Arc<Self>, request: Request<Bytes>) -> Result<Response<Bytes>, Broken> {
        let (target, name) = api::route(request.uri().path(), self.with(|world| world.settings.patch));
        let mut number = 0;
        let noted = &mut number;
        let work = |request: Request<Bytes>, call: Call| async move {
            *noted = call.entry;
            api::answer(self, call.entry, target, &request)
        };
        let reply = self.front.serve(name, request, work).await?;
        if reply.extensions().get::<api::Dropped>().is_none() {
            return Ok(reply);
        }
        self.front.ledger.amend(number, |entry| (entry.status, entry.accepted) = (None, false));
        Err(Broken { request_was_processed: false, received: None, announced: 0 })
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

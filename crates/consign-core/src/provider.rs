//! The trait that a provider implements, and what passes through it.
use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;

use consign_http::{BoxFuture, CallOptions, Violations};
use futures_core::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Artifact, Caps, Error, Job, Result, Snapshot, Ticket};

/// One job API behind the facade. It translates; waiting, retrying and downloading are the engine's.
///
/// Every optional operation has a default that reports
/// [`Unsupported`](consign_http::ErrorKind::Unsupported) before any request. A provider that
/// overrides one also implements its marker trait and says so in [`Provider::CAPS`].
pub trait Provider: Send + Sync + Sized + 'static {
    /// The name, as it stands in tickets: `civitai`.
    const NAME: &'static str;
    /// What it can do.
    const CAPS: Caps;
    /// What is handed over to be run.
    type Spec: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + Unpin + 'static;
    /// The provider's own record of a job, as its low-level crate decodes it.
    type Raw: Debug + Send + Sync + 'static;
    /// What a finished job has to fetch.
    type Output: Send + 'static;
    /// A question for jobs by properties; `()` without [`Query`](crate::Query).
    type Query: Clone + Debug + Send + Sync + Unpin + 'static;
    /// What a list can be narrowed by, by default not at all; `()` without [`List`](crate::List).
    type Filter: Clone + Debug + Default + Send + Sync + Unpin + 'static;

    /// The low-level HTTP client: its clock and its transport are the engine's too.
    fn http(&self) -> &consign_http::Client;
    /// Everything that is wrong with a spec, before anything is sent.
    fn validate(spec: &Self::Spec) -> Violations;
    /// How many items a spec becomes. Default: 1.
    fn weight(spec: &Self::Spec) -> usize {
        let _ = spec;
        1
    }
    /// Sends one submission of one or more specs, exactly once. The engine decides on repeats.
    fn submit<'a>(&'a self, specs: &'a [Self::Spec], cx: &'a Cx) -> BoxFuture<'a, Result<Submitted<Self>>>;
    /// How long the server can hold a look at this job; `None`: not at all. Default: [`Caps::long_poll`].
    fn hold(ticket: &Ticket) -> Option<Duration> {
        let _ = ticket;
        Self::CAPS.long_poll
    }
    /// Reads a job once.
    fn look<'a>(&'a self, ticket: &'a Ticket, look: Look, cx: &'a Cx) -> BoxFuture<'a, Result<Snapshot<Self>>>;

    /// The price of specs, without submitting them.
    fn price<'a>(&'a self, specs: &'a [Self::Spec], cx: &'a Cx) -> BoxFuture<'a, Result<Price>> {
        let _ = (specs, cx);
        unsupported::<Self, _>("tell a price")
    }
    /// Cancels a job, or one of its items. `force`: also what a worker is already on.
    fn cancel<'a>(
        &'a self,
        ticket: &'a Ticket,
        item: Option<&'a str>,
        force: bool,
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<()>> {
        let _ = (ticket, item, force, cx);
        unsupported::<Self, _>("cancel a job")
    }
    /// Marks a job, or one of its items, as bad.
    fn taint<'a>(
        &'a self,
        ticket: &'a Ticket,
        item: Option<&'a str>,
        reason: &'a TaintReason,
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<()>> {
        let _ = (ticket, item, reason, cx);
        unsupported::<Self, _>("taint a job")
    }
    /// One page of the jobs that match.
    fn query<'a>(
        &'a self,
        query: &'a Self::Query,
        cursor: Option<&'a str>,
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<Page<Self>>> {
        let _ = (query, cursor, cx);
        unsupported::<Self, _>("query jobs")
    }
    /// One page of the caller's jobs.
    fn list<'a>(
        &'a self,
        filter: &'a Self::Filter,
        cursor: Option<&'a str>,
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<Page<Self>>> {
        let _ = (filter, cursor, cx);
        unsupported::<Self, _>("list jobs")
    }
    /// Opens a job's log once, from its beginning. `follow`: it goes on while the job does; otherwise it
    /// ends with what is there. The engine opens it again where it broke, and leaves out what was given.
    fn logs<'a>(&'a self, ticket: &'a Ticket, follow: bool, cx: &'a Cx) -> BoxFuture<'a, Result<LogLines>> {
        let _ = (ticket, follow, cx);
        unsupported::<Self, _>("read a log")
    }
    /// What the record of a look holds of the job's log. Default: nothing.
    fn logged(snapshot: &Snapshot<Self>) -> Vec<LogLine> {
        let _ = snapshot;
        Vec::new()
    }
    /// What a look shows there is to fetch.
    fn outputs(job: &Job<Self>, snapshot: &Snapshot<Self>) -> Self::Output;
    /// The same as plain files, for callers that do not know the provider's type. Default: none.
    fn artifacts(job: &Job<Self>, snapshot: &Snapshot<Self>) -> Vec<Artifact> {
        let _ = (job, snapshot);
        Vec::new()
    }
}

fn unsupported<'a, P: Provider, T: Send + 'a>(operation: &str) -> BoxFuture<'a, Result<T>> {
    Box::pin(std::future::ready(Err(Error::unsupported(P::NAME, operation))))
}

/// A provider that can be set up from the environment alone.
pub trait FromEnv: Provider {
    /// The provider as the environment describes it.
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) naming the variable that is missing or malformed.
    fn from_env() -> Result<Self>;
}

/// What the engine hands to a provider with each call.
#[derive(Clone, Debug, Default)]
pub struct Cx {
    call: CallOptions,
}

impl Cx {
    /// A context with these options.
    pub fn new(call: CallOptions) -> Self {
        Self { call }
    }
    /// Time limit and extra headers of the call.
    pub fn call(&self) -> CallOptions {
        self.call.clone()
    }
    /// The same with another time limit.
    #[must_use]
    pub(crate) fn with_timeout(&self, limit: Duration) -> Self {
        Self { call: self.call.clone().timeout(limit) }
    }
}

/// How to look at a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Answer at once.
    Now,
    /// Let the server hold the answer until the job ends, at most this long.
    Hold(Duration),
    /// Follow the job's event stream to the job's end; asked for only with [`Caps::events`]. A stream that
    /// stays silent, or ends before the job does, is an error: the engine then looks in another way.
    Events,
}

/// What a submission made.
pub struct Submitted<P: Provider> {
    /// The ticket.
    pub ticket: Ticket,
    /// What the submission's answer already showed.
    pub snapshot: Option<Snapshot<P>>,
}

/// A page of a query or a list.
pub struct Page<P: Provider> {
    /// The jobs found, each with what the page showed of it.
    pub jobs: Vec<(Ticket, Snapshot<P>)>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<String>,
    /// Further jobs that were on the page, left out by a filter that the server does not know.
    pub filtered: Vec<Ticket>,
}

impl<P: Provider> Page<P> {
    /// A page of jobs, none of which was left out.
    pub fn new(jobs: Vec<(Ticket, Snapshot<P>)>, next: Option<String>) -> Self {
        Self { jobs, next, filtered: Vec::new() }
    }
    /// The same page, of which these jobs were left out: they are not given, and are still news.
    #[must_use]
    pub fn filtered(mut self, jobs: impl IntoIterator<Item = Ticket>) -> Self {
        self.filtered.extend(jobs);
        self
    }
}

/// The log of a job as one connection gives it.
pub type LogLines = Pin<Box<dyn Stream<Item = Result<LogLine>> + Send>>;

/// A piece of a job's log, as the server sent it: usually a line with its end, not always a whole one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// Which run of the job printed it, where there can be several.
    pub item: Option<Box<str>>,
    /// Where to.
    pub stream: LogStream,
    /// The text.
    pub text: String,
}

impl LogLine {
    /// A piece of a log.
    pub fn new(item: Option<&str>, stream: LogStream, text: impl Into<String>) -> Self {
        Self { item: item.map(Into::into), stream, text: text.into() }
    }
}

/// Where a program prints to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The price of a submission that was not made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Price {
    /// All items together.
    pub total: f64,
    /// Each item, in order.
    pub items: Vec<f64>,
    /// The provider's unit, such as `Buzz`.
    pub unit: &'static str,
}

impl Price {
    /// A price from its items.
    pub fn new(items: Vec<f64>, unit: &'static str) -> Self {
        Self { total: items.iter().sum(), items, unit }
    }
}

/// Why something is marked as bad.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaintReason {
    /// In words.
    pub reason: Option<String>,
    /// Free data.
    pub context: serde_json::Map<String, serde_json::Value>,
}

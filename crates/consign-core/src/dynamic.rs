//! Providers chosen at run time: jobs of several providers in one list, followed in one stream.
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use consign_http::{BoxFuture, Delivery, ErrorKind};
use futures_core::Stream;
use futures_util::stream::{SelectAll, StreamExt};
use serde_json::Value;

use crate::{
    Artifact, Caps, Error, Event, Finished, Found, Item, Job, JobLogs, Jobs, LogLine, Mode, Outcome, Pages, Provider,
    Result, Snapshot, State, Ticket, WaitPolicy,
};

/// The jobs of a provider that is known only at run time. Clones are cheap.
#[derive(Clone)]
pub struct DynJobs(Arc<dyn ErasedJobs>);

/// A job of a provider that is known only at run time. Clones are cheap.
#[derive(Clone)]
pub struct DynJob(Arc<dyn ErasedJob>);

/// The object-safe twin of [`Jobs`].
trait ErasedJobs: Send + Sync {
    fn name(&self) -> &'static str;
    fn caps(&self) -> Caps;
    fn submit_json(&self, spec: Value) -> BoxFuture<'_, Result<DynJob>>;
    fn attach(&self, ticket: Ticket) -> Result<DynJob>;
    fn list(&self) -> DynPages;
    fn any(&self) -> &dyn Any;
}

/// The object-safe twin of [`Job`].
trait ErasedJob: Send + Sync {
    fn ticket(&self) -> &Ticket;
    fn look(&self) -> BoxFuture<'_, Result<DynSnapshot>>;
    fn watch(&self, policy: Option<WaitPolicy>, deadline: Option<Instant>) -> DynWatch;
    fn cancel(&self, force: bool) -> BoxFuture<'_, Result<()>>;
    fn logs(&self, follow: bool) -> DynLogs;
    /// Tells jobs of one [`Jobs`] from those of another.
    fn family(&self) -> usize;
    /// Follows jobs of the same family from one task.
    fn watch_all(&self, jobs: Vec<(usize, DynJob)>) -> Events<(usize, Result<DynEvent>)>;
    fn now(&self) -> Instant;
    fn any(&self) -> &dyn Any;
}

type Events<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

impl<P: Provider> ErasedJobs for Jobs<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }
    fn caps(&self) -> Caps {
        P::CAPS
    }
    fn submit_json(&self, spec: Value) -> BoxFuture<'_, Result<DynJob>> {
        Box::pin(async move {
            let spec: P::Spec = serde_json::from_value(spec).map_err(|e| {
                let bad = consign_http::Error::invalid_member("spec", "", &format!("a spec of {}: {e}", P::NAME));
                Error::from(bad.with_source(e))
            })?;
            Ok(self.submit(spec).await?.into())
        })
    }
    fn attach(&self, ticket: Ticket) -> Result<DynJob> {
        Ok(Jobs::attach(self, ticket)?.into())
    }
    fn list(&self) -> DynPages {
        let all = Pages::of_list(self.clone(), P::Filter::default());
        DynPages(Box::pin(all.map(|found| found.map(DynFound::new))))
    }
    fn any(&self) -> &dyn Any {
        self
    }
}

impl<P: Provider> ErasedJob for Job<P> {
    fn ticket(&self) -> &Ticket {
        Job::ticket(self)
    }
    fn look(&self) -> BoxFuture<'_, Result<DynSnapshot>> {
        Box::pin(async move { Ok(DynSnapshot::new(Job::look(self).await?)) })
    }
    fn watch(&self, policy: Option<WaitPolicy>, deadline: Option<Instant>) -> DynWatch {
        let mut call = self.wait();
        if let Some(policy) = policy {
            call = call.policy(policy);
        }
        if let Some(at) = deadline {
            call = call.deadline(at);
        }
        DynWatch(Box::pin(call.watch().map(|event| event.map(DynEvent::new))))
    }
    fn cancel(&self, force: bool) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.cancel_now(None, force).await })
    }
    fn logs(&self, follow: bool) -> DynLogs {
        if P::CAPS.logs {
            return DynLogs(Box::pin(JobLogs::new(self.clone()).follow(follow)));
        }
        let error = Error::unsupported(P::NAME, "read a log").with_ticket(self.ticket());
        DynLogs(Box::pin(futures_util::stream::iter([Err(error)])))
    }
    fn family(&self) -> usize {
        Arc::as_ptr(self.shared()) as usize
    }
    fn watch_all(&self, jobs: Vec<(usize, DynJob)>) -> Events<(usize, Result<DynEvent>)> {
        let (places, jobs): (Vec<usize>, Vec<Job<P>>) =
            jobs.into_iter().filter_map(|(n, job)| Some((n, job.typed::<P>()?.clone()))).unzip();
        let events = self.jobs().watch_all(jobs);
        Box::pin(events.map(move |(n, event)| (places[n], event.map(DynEvent::new))))
    }
    fn now(&self) -> Instant {
        self.shared().clock.now()
    }
    fn any(&self) -> &dyn Any {
        self
    }
}

impl DynJobs {
    /// The jobs of `jobs`' provider, without its type.
    pub fn new<P: Provider>(jobs: Jobs<P>) -> Self {
        Self(Arc::new(jobs))
    }
    /// The provider's name.
    pub fn provider(&self) -> &'static str {
        self.0.name()
    }
    /// What the provider can do.
    pub fn caps(&self) -> Caps {
        self.0.caps()
    }
    /// The jobs with their type back; `None` if the provider is another.
    pub fn typed<P: Provider>(&self) -> Option<&Jobs<P>> {
        self.0.any().downcast_ref()
    }
    /// Submits a typed spec.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if this is another provider than `P`; otherwise as [`Jobs::submit`].
    pub async fn submit<P: Provider>(&self, spec: impl Into<P::Spec>) -> Result<DynJob> {
        match self.typed::<P>() {
            Some(jobs) => Ok(jobs.submit(spec).await?.into()),
            None => {
                let allowed = format!("a spec of {}", self.provider());
                Err(consign_http::Error::invalid_member("spec", format!("a spec of {}", P::NAME), &allowed).into())
            }
        }
    }
    /// Submits a spec given as JSON, in the form in which the provider's specs are stored.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if it is no spec of this provider; otherwise as [`Jobs::submit`].
    pub async fn submit_json(&self, spec: Value) -> Result<DynJob> {
        self.0.submit_json(spec).await
    }
    /// Finds a job again by its ticket. Sends nothing.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if the ticket is another provider's.
    pub fn attach(&self, ticket: Ticket) -> Result<DynJob> {
        self.0.attach(ticket)
    }
    /// The caller's jobs, over all pages, as a stream. Where the provider has no list, its first and only
    /// element is an error of kind [`ErrorKind::Unsupported`], before any request.
    pub fn list(&self) -> DynPages {
        self.0.list()
    }
    /// Finds a job again by its ticket, among several providers. Sends nothing.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if none of them made the ticket.
    pub fn attach_among(providers: &[DynJobs], ticket: Ticket) -> Result<DynJob> {
        match providers.iter().find(|jobs| jobs.provider() == ticket.provider()) {
            Some(jobs) => jobs.attach(ticket),
            None => {
                let names: Vec<_> = providers.iter().map(DynJobs::provider).collect();
                let allowed = format!("a ticket of one of {}", names.join(", "));
                Err(Error::from(consign_http::Error::invalid_member("ticket", &ticket, &allowed)).with_ticket(&ticket))
            }
        }
    }
}

impl<P: Provider> From<Jobs<P>> for DynJobs {
    fn from(jobs: Jobs<P>) -> Self {
        Self::new(jobs)
    }
}
impl<P: Provider> From<Job<P>> for DynJob {
    fn from(job: Job<P>) -> Self {
        Self(Arc::new(job))
    }
}

impl DynJob {
    /// The ticket: all that is needed to find the job again.
    pub fn ticket(&self) -> &Ticket {
        self.0.ticket()
    }
    /// The job with its type back; `None` if the provider is another.
    pub fn typed<P: Provider>(&self) -> Option<&Job<P>> {
        self.0.any().downcast_ref()
    }
    /// Reads the job once.
    ///
    /// # Errors
    /// As [`Job::look`].
    pub async fn look(&self) -> Result<DynSnapshot> {
        self.0.look().await
    }
    /// Waits for the job's end. Nothing happens until the call is awaited; its settings and errors are
    /// those of [`Job::wait`].
    pub fn wait(&self) -> DynWaitCall {
        DynWaitCall { job: self.clone(), policy: None, deadline: None }
    }
    /// Cancels the job. `force`: also what a worker is already on.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] before any request if the provider cannot; otherwise as
    /// [`Job::cancel`](crate::Job).
    pub async fn cancel(&self, force: bool) -> Result<()> {
        self.0.cancel(force).await
    }
    /// What the job prints, as a stream that ends with it; without `follow` at the end of what is there now.
    /// Where the provider shows none, its first and only element is an error of kind
    /// [`ErrorKind::Unsupported`], before any request. Otherwise as [`JobLogs`].
    pub fn logs(&self, follow: bool) -> DynLogs {
        self.0.logs(follow)
    }
    /// Follows jobs of any providers to their ends, in one stream; each event comes with the index of
    /// its job. Jobs of one [`Jobs`] share its bounds on looks under way. Each is looked at by the highest way that its
    /// provider has; a look that the server holds shows nothing on the way, so set
    /// [`WaitPolicy::hold`] to `false` on the [`Jobs`] to see progress there.
    pub fn watch_all(jobs: impl IntoIterator<Item = DynJob>) -> DynWatchAll {
        let mut families = BTreeMap::<usize, Vec<(usize, DynJob)>>::new();
        for (n, job) in jobs.into_iter().enumerate() {
            families.entry(job.0.family()).or_default().push((n, job));
        }
        let streams = families.into_values().map(|family| {
            let first = family[0].1.clone();
            first.0.watch_all(family)
        });
        DynWatchAll(streams.collect())
    }
}

impl fmt::Debug for DynJobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DynJobs").field(&self.provider()).finish()
    }
}
impl fmt::Debug for DynJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DynJob").field(self.ticket()).finish()
    }
}

/// What one look at a [`DynJob`] showed.
#[derive(Clone)]
pub struct DynSnapshot {
    items: Vec<Item>,
    typed: Arc<dyn Any + Send + Sync>,
}

impl DynSnapshot {
    fn new<P: Provider>(snapshot: Snapshot<P>) -> Self {
        Self { items: snapshot.items().to_vec(), typed: Arc::new(snapshot) }
    }
    /// The items, in the provider's order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }
    /// The state of the items together, as [`Snapshot::state`].
    pub fn state(&self) -> State {
        crate::state::state_of(&self.items)
    }
    /// Whether every item has ended.
    pub fn finished(&self) -> bool {
        crate::state::finished(&self.items)
    }
    /// The snapshot with its type back; `None` if the provider is another.
    pub fn downcast<P: Provider>(&self) -> Option<&Snapshot<P>> {
        self.typed.downcast_ref()
    }
}

impl fmt::Debug for DynSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynSnapshot").field("state", &self.state()).field("items", &self.items).finish_non_exhaustive()
    }
}

/// A [`DynJob`] that has ended, one way or another.
#[derive(Clone)]
pub struct DynFinished {
    job: DynJob,
    outcome: Outcome,
    items: Vec<Item>,
    artifacts: Vec<Artifact>,
    typed: Arc<dyn Any + Send + Sync>,
}

impl DynFinished {
    fn new<P: Provider>(finished: Finished<P>) -> Self {
        Self {
            job: finished.job().clone().into(),
            outcome: finished.outcome().clone(),
            items: finished.items().to_vec(),
            artifacts: P::artifacts(finished.job(), finished.snapshot()),
            typed: Arc::new(finished),
        }
    }
    /// The job.
    pub fn job(&self) -> &DynJob {
        &self.job
    }
    /// How it ended.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }
    /// The items, each with its own end.
    pub fn items(&self) -> &[Item] {
        &self.items
    }
    /// What there is to fetch as files; empty if the provider's results are none.
    pub fn artifacts(&self) -> &[Artifact] {
        &self.artifacts
    }
    /// The finished job with its type back; `None` if the provider is another.
    pub fn downcast<P: Provider>(&self) -> Option<&Finished<P>> {
        self.typed.downcast_ref()
    }
}

impl fmt::Debug for DynFinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynFinished").field("job", &self.job).field("outcome", &self.outcome).finish_non_exhaustive()
    }
}

/// What a watch of a [`DynJob`] reports. [`DynEvent::Ended`] comes once and last.
#[derive(Debug)]
#[non_exhaustive]
pub enum DynEvent {
    /// How the job is followed from now on.
    Mode(Mode),
    /// An item is new or has changed.
    Item {
        /// Its place among the job's items.
        index: usize,
        /// The item as it is now.
        item: Item,
    },
    /// A look failed; the watch goes on.
    Trouble {
        /// What failed.
        error: Error,
        /// The pause before the next look.
        pause: Duration,
    },
    /// The job ended.
    Ended(DynFinished),
}

impl DynEvent {
    fn new<P: Provider>(event: Event<P>) -> Self {
        match event {
            Event::Mode(mode) => Self::Mode(mode),
            Event::Item { index, item } => Self::Item { index, item },
            Event::Trouble { error, pause } => Self::Trouble { error, pause },
            Event::Ended(finished) => Self::Ended(DynFinished::new(finished)),
        }
    }
}

/// A wait for a [`DynJob`] being set up; await it.
#[must_use = "nothing happens until it is awaited"]
#[derive(Debug)]
pub struct DynWaitCall {
    job: DynJob,
    policy: Option<WaitPolicy>,
    deadline: Option<Instant>,
}

impl DynWaitCall {
    /// The wait is over after `limit`, counted from now.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.deadline = self.job.0.now().checked_add(limit);
        self
    }
    /// With another policy than the one of the job's [`Jobs`].
    pub fn policy(mut self, policy: WaitPolicy) -> Self {
        self.policy = Some(policy);
        self
    }
    /// The same wait as a stream of events.
    pub fn watch(self) -> DynWatch {
        self.job.0.watch(self.policy, self.deadline)
    }
}

impl IntoFuture for DynWaitCall {
    type Output = Result<DynFinished>;
    type IntoFuture = BoxFuture<'static, Self::Output>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let ticket = self.job.ticket().clone();
            let mut watch = self.watch();
            while let Some(event) = watch.next().await {
                if let DynEvent::Ended(finished) = event? {
                    return Ok(finished);
                }
            }
            // A watch ends with one of the two above; nothing else is left but to say so.
            Err(Error::new(ErrorKind::Unreadable, Delivery::Unknown, "the watch ended early").with_ticket(&ticket))
        })
    }
}

/// A job that [`DynJobs::list`] found, and what the page showed of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct DynFound {
    /// The job.
    pub job: DynJob,
    /// What the page showed.
    pub snapshot: DynSnapshot,
}

impl DynFound {
    fn new<P: Provider>(found: Found<P>) -> Self {
        Self { job: found.job.into(), snapshot: DynSnapshot::new(found.snapshot) }
    }
}

/// The jobs of a provider that is known only at run time, over all pages.
pub struct DynPages(Events<Result<DynFound>>);

impl DynPages {
    /// The next job; `None` after the last.
    ///
    /// # Errors
    /// As [`Pages::next`](crate::Pages::next).
    pub async fn next(&mut self) -> Option<Result<DynFound>> {
        self.0.next().await
    }
}

/// What a [`DynJob`] prints.
pub struct DynLogs(Events<Result<LogLine>>);

impl DynLogs {
    /// The next piece; `None` after the last.
    ///
    /// # Errors
    /// As [`JobLogs::next`].
    pub async fn next(&mut self) -> Option<Result<LogLine>> {
        self.0.next().await
    }
}

/// One [`DynJob`], followed to its end: a stream of events.
pub struct DynWatch(Events<Result<DynEvent>>);

/// Jobs of any providers, followed to their ends: a stream of events, each with the index of its job.
pub struct DynWatchAll(SelectAll<Events<(usize, Result<DynEvent>)>>);

impl DynWatch {
    /// The next event; `None` after the end.
    ///
    /// # Errors
    /// As [`Watch::next`](crate::Watch::next).
    pub async fn next(&mut self) -> Option<Result<DynEvent>> {
        self.0.next().await
    }
}
impl DynWatchAll {
    /// The next event, with the index of its job; `None` after the last.
    pub async fn next(&mut self) -> Option<(usize, Result<DynEvent>)> {
        self.0.next().await
    }
}

impl Stream for DynPages {
    type Item = Result<DynFound>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}
impl Stream for DynLogs {
    type Item = Result<LogLine>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}
impl Stream for DynWatch {
    type Item = Result<DynEvent>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}
impl Stream for DynWatchAll {
    type Item = (usize, Result<DynEvent>);
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx)
    }
}
impl fmt::Debug for DynPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DynPages")
    }
}
impl fmt::Debug for DynLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DynLogs")
    }
}
impl fmt::Debug for DynWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DynWatch")
    }
}
impl fmt::Debug for DynWatchAll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynWatchAll").field("streams", &self.0.len()).finish()
    }
}

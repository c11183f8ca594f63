//! `Job`: one submitted job, and what can be done with it.
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use consign_http::{BoxFuture, Delivery, ErrorKind};
use tracing::Instrument;

use crate::jobs::Shared;
use crate::policy::Repeat;
use crate::{
    Cancel, Cx, Event, Finished, Item, JobLogs, Jobs, Logs, Look, Outputs, Pace, Provider, Reason, Result, Snapshot,
    State, Taint, TaintReason, Ticket, WaitPolicy, Watch,
};

/// One job: what one submission made, with one ticket and one or more items. Clones are cheap.
pub struct Job<P: Provider>(Arc<Inner<P>>);

struct Inner<P: Provider> {
    jobs: Jobs<P>,
    ticket: Ticket,
    /// What the submission's answer showed; without the raw record unless it had already ended.
    first: Option<Snapshot<P>>,
    cancelled: AtomicBool,
    span: tracing::Span,
}

impl<P: Provider> Job<P> {
    pub(crate) fn new(jobs: Jobs<P>, ticket: Ticket, first: Option<Snapshot<P>>) -> Self {
        let first = first.map(|s| if s.finished() { s } else { Snapshot::bare(s.into_items()) });
        let span = tracing::info_span!("job", provider = P::NAME, ticket = %ticket);
        Self(Arc::new(Inner { jobs, ticket, first, cancelled: AtomicBool::new(false), span }))
    }
    /// The ticket: all that is needed to find the job again. Store it.
    pub fn ticket(&self) -> &Ticket {
        &self.0.ticket
    }
    /// What the submission's answer showed; `None` for a job found again by its ticket.
    pub fn first(&self) -> Option<&Snapshot<P>> {
        self.0.first.as_ref()
    }
    /// The jobs it belongs to.
    pub fn jobs(&self) -> &Jobs<P> {
        &self.0.jobs
    }
    pub(crate) fn shared(&self) -> &Arc<Shared<P>> {
        &self.0.jobs.shared
    }
    pub(crate) fn cx(&self) -> &Cx {
        &self.0.jobs.cx
    }
    pub(crate) fn span(&self) -> &tracing::Span {
        &self.0.span
    }
    /// Cancels at once. Also for callers that know the provider only at run time, which may have no
    /// such operation.
    pub(crate) async fn cancel_now(&self, item: Option<&str>, force: bool) -> Result<()> {
        let shared = self.shared();
        // Whether an attempt may have been carried out without our hearing of it.
        let unclear = AtomicBool::new(false);
        let send = || async {
            let done = shared.provider.cancel(self.ticket(), item, force, self.cx()).await;
            let lost = done.as_ref().is_err_and(|e| e.delivery() == Delivery::Unknown);
            unclear.fetch_or(lost, Ordering::Relaxed);
            done
        };
        let done = shared.call(Repeat::Always, send).instrument(self.span().clone()).await;
        let unclear = unclear.into_inner();
        if item.is_none() && (done.is_ok() || unclear) {
            self.0.cancelled.store(true, Ordering::Relaxed);
        }
        match done {
            // An attempt before did it.
            Err(error) if error.kind() == ErrorKind::NotFound && unclear => {}
            Err(error) => return Err(error.with_ticket(self.ticket())),
            Ok(()) => {}
        }
        self.span().in_scope(|| tracing::info!(item, "cancelled"));
        Ok(())
    }
    /// Whether this program cancelled the job as a whole, or may have.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Relaxed)
    }

    /// A look as this program knows it: an item that was cancelled here and then lost was not lost.
    pub(crate) fn known(&self, mut snapshot: Snapshot<P>) -> Snapshot<P> {
        if self.is_cancelled() {
            let lost = |item: &&mut Item| item.state == State::Failed && item.reason == Some(Reason::Lost);
            for item in snapshot.items_mut().iter_mut().filter(lost) {
                (item.state, item.reason) = (State::Cancelled, None);
            }
        }
        snapshot
    }

    /// Reads the job once.
    ///
    /// # Errors
    /// As any read, after the repeats that the policy allows; the error carries the ticket.
    pub async fn look(&self) -> Result<Snapshot<P>> {
        let shared = self.shared();
        let read = shared.call(Repeat::Always, || shared.provider.look(self.ticket(), Look::Now, self.cx()));
        let seen = read.instrument(self.span().clone()).await;
        seen.map(|snapshot| self.known(snapshot)).map_err(|e| e.with_ticket(self.ticket()))
    }
    /// Waits for the job's end. Nothing happens until the call is awaited.
    ///
    /// There is no deadline unless one is set on the call. Dropping it sends nothing; the job goes on.
    pub fn wait(&self) -> WaitCall<P> {
        WaitCall { job: self.clone(), policy: self.shared().wait, deadline: None }
    }
    /// Follows the job to its end, as a stream of events, with each item's progress on the way.
    ///
    /// Where the job has an event stream it follows that. Elsewhere it polls, because a look that the
    /// server holds shows nothing until the end; to see the end as soon as it comes, and not the way
    /// there, use `job.wait().watch()`. Settings: [`WaitCall`].
    pub fn watch(&self) -> Watch<P> {
        let wait = self.wait();
        if P::CAPS.events { wait.watch() } else { wait.poll_only().watch() }
    }
}

impl<P: Cancel> Job<P> {
    /// Cancels the job, by default also what a worker is already on. Nothing happens until the call is awaited.
    pub fn cancel(&self) -> CancelCall<P> {
        CancelCall { job: self.clone(), item: None, force: true }
    }
}

impl<P: Taint> Job<P> {
    /// Marks the job as bad, with a reason. Nothing happens until the call is awaited.
    pub fn taint(&self, reason: impl Into<String>) -> TaintCall<P> {
        let reason = TaintReason { reason: Some(reason.into()), ..TaintReason::default() };
        TaintCall { job: self.clone(), item: None, reason }
    }
}

impl<P: Logs> Job<P> {
    /// What the job prints, from its beginning and until it ends, as a stream. It connects again where the connection
    /// breaks or stays silent, and gives nothing twice. Settings: [`JobLogs`].
    pub fn logs(&self) -> JobLogs<P> {
        JobLogs::new(self.clone())
    }
}

impl<P: Outputs> Job<P> {
    /// Reads the job and gives what there is to fetch so far.
    ///
    /// # Errors
    /// As [`Job::look`].
    pub async fn outputs(&self) -> Result<P::Output> {
        Ok(P::outputs(self, &self.look().await?))
    }
}

impl<P: Provider> Clone for Job<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
impl<P: Provider> fmt::Debug for Job<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("ticket", &self.0.ticket).finish_non_exhaustive()
    }
}

/// A wait being set up; await it.
#[must_use = "nothing happens until it is awaited"]
pub struct WaitCall<P: Provider> {
    job: Job<P>,
    policy: WaitPolicy,
    deadline: Option<Instant>,
}

impl<P: Provider> WaitCall<P> {
    /// The wait is over after `limit`, counted from now. The last look starts min(5 s, 10 %) before.
    pub fn timeout(mut self, limit: Duration) -> Self {
        // A limit beyond what the clock can count is no limit.
        self.deadline = self.job.shared().clock.now().checked_add(limit);
        self
    }
    /// The wait is over at `at`, by the clock of the provider's client.
    pub fn deadline(mut self, at: Instant) -> Self {
        self.deadline = Some(at);
        self
    }
    /// With another policy than the one of [`Jobs`].
    pub fn policy(mut self, policy: WaitPolicy) -> Self {
        self.policy = policy;
        self
    }
    /// With another pace of looks that the server does not hold.
    pub fn pace(mut self, pace: Pace) -> Self {
        self.policy.pace = pace;
        self
    }
    /// Only poll; let the server hold nothing, and open no event stream.
    pub fn poll_only(mut self) -> Self {
        self.policy.hold = false;
        self
    }
    /// The same wait as a stream of events.
    pub fn watch(self) -> Watch<P> {
        Watch::new(self.job, self.policy, self.deadline)
    }
}

impl<P: Provider> IntoFuture for WaitCall<P> {
    type Output = Result<Finished<P>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;
    /// # Errors
    /// The wait broke: [`ErrorKind::Deadline`],
    /// [`ErrorKind::Unreadable`], a refused credential, a pause too long to
    /// sit out, an outage longer than the policy bears. The error carries the ticket and the last
    /// state. A job that failed is not an error: see [`Finished`].
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut watch = self.watch();
            while let Some(event) = watch.next().await {
                if let Event::Ended(finished) = event? {
                    return Ok(finished);
                }
            }
            // A watch ends with one of the two above; nothing else is left but to say so.
            let broken = crate::Error::new(ErrorKind::Unreadable, Delivery::Unknown, "the watch ended early");
            Err(broken.with_ticket(watch.job().ticket()))
        })
    }
}

impl<P: Provider> fmt::Debug for WaitCall<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitCall").field("job", &self.job).field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// A cancellation being set up; await it.
#[must_use = "nothing happens until it is awaited"]
pub struct CancelCall<P: Cancel> {
    job: Job<P>,
    item: Option<String>,
    force: bool,
}

impl<P: Cancel> CancelCall<P> {
    /// Whether to cancel also what a worker is already on. Default: yes.
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }
    /// Only this item, by its id.
    pub fn item(mut self, id: impl Into<String>) -> Self {
        self.item = Some(id.into());
        self
    }
}

impl<P: Cancel> IntoFuture for CancelCall<P> {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'static, Result<()>>;
    /// # Errors
    /// [`ErrorKind::NotFound`] for an unknown job; otherwise as any call,
    /// after the repeats that the policy allows. The error carries the ticket.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.job.cancel_now(self.item.as_deref(), self.force).await })
    }
}

impl<P: Cancel> fmt::Debug for CancelCall<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("CancelCall");
        out.field("job", &self.job).field("item", &self.item).field("force", &self.force).finish()
    }
}

/// A taint being set up; await it.
#[must_use = "nothing happens until it is awaited"]
pub struct TaintCall<P: Taint> {
    job: Job<P>,
    item: Option<String>,
    reason: TaintReason,
}

impl<P: Taint> TaintCall<P> {
    /// Adds a member of free data.
    pub fn context(mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.reason.context.insert(name.into(), value.into());
        self
    }
    /// Only this item, by its id.
    pub fn item(mut self, id: impl Into<String>) -> Self {
        self.item = Some(id.into());
        self
    }
}

impl<P: Taint> IntoFuture for TaintCall<P> {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'static, Result<()>>;
    /// # Errors
    /// [`ErrorKind::NotFound`] for an unknown job; otherwise as any call,
    /// after the repeats that the policy allows. The error carries the ticket.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (job, item) = (&self.job, self.item.as_deref());
            let shared = job.shared();
            let call =
                shared.call(Repeat::Always, || shared.provider.taint(job.ticket(), item, &self.reason, job.cx()));
            call.instrument(job.span().clone()).await.map_err(|e| e.with_ticket(job.ticket()))
        })
    }
}

impl<P: Taint> fmt::Debug for TaintCall<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TaintCall");
        out.field("job", &self.job).field("item", &self.item).field("reason", &self.reason).finish()
    }
}

//! The adapter: NuMind's operations as the engine's.
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use consign_core::{
    BoxFuture, Cancel, Caps, Cx, Delivery, ErrorKind, List, Look, Outputs, Page, Provider, Result, Retry, Snapshot,
    State, Submitted, Ticket, Violations,
};
use consign_http::Error;
use consign_numind::wire::ErrorBody;
use consign_numind::{JOB_TIMEOUT, JobEvent, QUOTA_EXCEEDED, v0_2, v0_4};

use super::temporary::Temporary;
use super::{Job, JobFilter, NuMindBuilder, Output, Record, Spec, status};

/// The operation behind the event stream, for errors.
const STREAM: &str = "get_api_jobs_jobid_stream";
/// How long the record of a job that has ended may take to come: its stream answers at once.
const RECORD: Duration = Duration::from_secs(20);
/// How long a stream may give nothing but signs of life before the job's status is asked whether there is more to tell.
const SIGNS_ONLY: Duration = Duration::from_secs(600);
/// How often a look asks for that record, half a second and more apart. Then it tells the end without.
const RECORD_ATTEMPTS: u32 = 3;

/// Which version of the interface a server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Api {
    /// That of the provider's client 0.2.0, of December 2025: every template needs a project, nothing can be cancelled,
    /// and settings have narrower ranges.
    V0_2,
    /// That of the provider's client 0.4.2, of October 2026.
    #[default]
    V0_4,
}

/// How files are sent to extractions in a project. Everywhere else there is one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload {
    /// The bare bytes, as the interface is described. The public service is known to have refused them at times, with an
    /// empty 500.
    Bare,
    /// As a form with one part, `file`, with name and media type: as the public service takes them today.
    Form,
}

/// The NuExtract platform of NuMind.
///
/// **Temporary projects.** An extraction by a template that comes along is one request where the server takes it so. On
/// older servers, and for inputs or examples that are documents, it needs a project, which is made for it with a name
/// that begins with `consign-temporary-`, and removed:
/// - at once when the submission fails, or its future is dropped (by a task of the tokio runtime it was polled in);
/// - by the look that sees the job's end, whichever it is, also in another process that has only the ticket;
/// - when the job is cancelled.
///
/// A wait that is dropped removes nothing, because the job goes on and needs its project. What is left over when a
/// program is killed, or never looks again, [`NuMind::remove_temporary_projects`] removes.
#[derive(Clone, Debug)]
pub struct NuMind {
    pub(super) client: v0_4::Client,
    pub(super) old: v0_2::Client,
    pub(super) api: Api,
    /// `None`: as servers of its version take files.
    pub(super) upload: Option<Upload>,
    /// The server is of version 0.2, or was seen not to know extractions without a project.
    pub(super) needs_projects: Arc<AtomicBool>,
}

impl NuMind {
    /// The public service.
    pub const BASE_URL: &'static str = consign_numind::PRODUCTION;

    /// The public service with an API key.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the key is blank or cannot stand in a header.
    pub fn new(api_key: impl Into<String>) -> Result<Self> {
        Self::builder().api_key(api_key).build()
    }
    /// Settings: address, credential, network.
    pub fn builder() -> NuMindBuilder {
        NuMindBuilder::default()
    }
    /// With a low-level client of your own making, for a server of today; its time limits hold.
    pub fn from_client(client: v0_4::Client) -> Self {
        Self::over(client.http().clone(), Api::V0_4, None)
    }
    pub(super) fn over(http: consign_http::Client, api: Api, upload: Option<Upload>) -> Self {
        let (client, old) = (v0_4::Client::from_http(http.clone()), v0_2::Client::from_http(http));
        Self { client, old, api, upload, needs_projects: Arc::new(AtomicBool::new(api == Api::V0_2)) }
    }
    /// The low-level client: every operation of the wire, as version 0.4 has them.
    pub fn client(&self) -> &v0_4::Client {
        &self.client
    }
    /// The low-level client of version 0.2, over the same connections.
    pub fn client_v0_2(&self) -> &v0_2::Client {
        &self.old
    }
    /// The ticket of a job, by its id. A blank one is refused when the ticket is used.
    pub fn ticket_of_job(id: &str) -> Ticket {
        Ticket::new(Self::NAME, 1, format!("id={id}"))
    }

    /// How files are sent to extractions in a project.
    pub(super) fn upload(&self) -> Upload {
        let old = self.needs_projects.load(Ordering::Relaxed);
        self.upload.unwrap_or(if old { Upload::Bare } else { Upload::Form })
    }
    /// Follows the event stream to the job's end.
    async fn follow(&self, id: &str, cx: &Cx) -> Result<Snapshot<Self>, Error> {
        let options = v0_4::GetApiJobsJobidStreamOptions::default().call(cx.call());
        let mut events = self.client.job_events(id, options).await?;
        let clock = self.client.http().clock();
        let mut since = clock.now();
        let what = loop {
            let left = SIGNS_ONLY.saturating_sub(clock.now().saturating_duration_since(since));
            let next = match left.is_zero() {
                true => None,
                false => consign_http::timeout(&**clock, left, events.next()).await,
            };
            let event = match next {
                Some(Some(event)) => event?,
                Some(None) => break "the event stream ended before the job did",
                None if Box::pin(self.has_ended(id, cx)).await => {
                    break "the event stream does not tell that the job has ended";
                }
                None => {
                    since = clock.now();
                    continue;
                }
            };
            let record = match event {
                JobEvent::Result(job) => Record::Job(job),
                JobEvent::Refused(error) => Record::Refused(error),
                // That is final. What the job had made so far is only in its record.
                JobEvent::Error(error) if error.is(JOB_TIMEOUT) => match Box::pin(self.whole(id, cx)).await {
                    Ok(snapshot) if snapshot.finished() => return Ok(snapshot),
                    _ => Box::pin(self.ended(id, cx)).await.unwrap_or(Record::Refused(error)),
                },
                // The job itself may be well; its status will tell.
                JobEvent::Error(error) => {
                    let what = format!("the event stream of the job reports: {error}");
                    let error = Error::new(ErrorKind::Server, Delivery::Unknown, what).with_retry(Retry::Backoff);
                    return Err(error.on_read().for_operation(STREAM));
                }
                _ => continue,
            };
            return Ok(snapshot(record, id));
        };
        let error = Error::new(ErrorKind::Transport, Delivery::Unknown, what);
        Err(error.with_retry(Retry::Backoff).on_read().for_operation(STREAM))
    }
    /// Whether the job's status tells its end.
    async fn has_ended(&self, id: &str, cx: &Cx) -> bool {
        let options = v0_4::GetApiJobsJobidStatusOptions::default().call(cx.call());
        let status = self.client.get_api_jobs_jobid_status(id, options).await;
        status.is_ok_and(|status| snapshot(Record::Status(Box::new(status.into_value())), id).finished())
    }
    /// The record of a job that has ended, from a stream that is opened anew: it comes at once. `None` if it does not.
    async fn ended(&self, id: &str, cx: &Cx) -> Option<Record> {
        let read = async {
            let options = v0_4::GetApiJobsJobidStreamOptions::default().call(cx.call());
            let mut events = self.client.job_events(id, options).await.ok()?;
            while let Some(Ok(event)) = events.next().await {
                if let JobEvent::Result(job) = event {
                    return Some(Record::Job(job));
                }
            }
            None
        };
        let record = consign_http::timeout(&**self.client.http().clock(), RECORD, read).await.flatten();
        record.filter(|record| status::item(record, id).finished)
    }
    /// The whole record, as servers give it that still have this operation.
    async fn whole(&self, id: &str, cx: &Cx) -> Result<Snapshot<Self>, Error> {
        let options = v0_2::GetApiJobsJobidOptions::default().call(cx.call());
        let reply = self.old.get_api_jobs_jobid(id, options).await?;
        // The same members under another type.
        let job = serde_json::from_slice(reply.raw()).map_err(|e| reply.unusable(e.to_string()))?;
        Ok(snapshot(Record::Job(Box::new(job)), id))
    }
    /// Reads the status, and the record of a job that has ended: the status has neither output nor reason.
    async fn poll(&self, id: &str, cx: &Cx) -> Result<Snapshot<Self>, Error> {
        let options = v0_4::GetApiJobsJobidStatusOptions::default().call(cx.call());
        let status = self.client.get_api_jobs_jobid_status(id, options).await?.into_value();
        let seen = snapshot(Record::Status(Box::new(status)), id);
        if !seen.finished() {
            return Ok(seen);
        }
        for attempt in 1..=RECORD_ATTEMPTS {
            let error = match Box::pin(self.record(&seen, id, cx)).await {
                Ok(record) => return Ok(record.unwrap_or(seen)),
                Err(error) => error,
            };
            // A pause that the server asks for is kept by whoever looks; after it another look may read the record.
            if matches!(error.retry(), Retry::After(_)) {
                return Err(error);
            }
            if attempt == RECORD_ATTEMPTS || error.kind() == ErrorKind::Timeout {
                tracing::warn!(%error, "the job has ended, and its record cannot be read");
                break;
            }
            self.client.http().clock().sleep(Duration::from_millis(500) * attempt).await;
        }
        // The end is known; it is not kept back for the rest.
        Ok(seen)
    }
    /// The record of a job that has ended as its status shows; `None` if there is none to be had. After an error
    /// another try may have it.
    async fn record(&self, seen: &Snapshot<Self>, id: &str, cx: &Cx) -> Result<Option<Snapshot<Self>>, Error> {
        let late = || Error::new(ErrorKind::Timeout, Delivery::Unknown, "the record of the ended job does not come");
        let read = consign_http::timeout(&**self.client.http().clock(), RECORD, Box::pin(self.follow(id, cx))).await;
        let error = match read.unwrap_or_else(|| Err(late().with_retry(Retry::Backoff).on_read())) {
            // The state comes from the status alone.
            Ok(record) if record.finished() && record.state() == seen.state() => return Ok(Some(record)),
            Ok(_) => None,
            Err(error) if error.kind() == ErrorKind::InsufficientCredit && seen.state() == State::Failed => {
                let mut body = ErrorBody::default();
                body.code = Some(QUOTA_EXCEEDED.into());
                body.message = Some(error.message().into());
                return Ok(Some(snapshot(Record::Refused(body), id)));
            }
            Err(error) => Some(error),
        };
        match (self.whole(id, cx).await, error) {
            (Ok(record), _) if record.finished() => Ok(Some(record)),
            (_, Some(error)) if matches!(error.retry(), Retry::Backoff | Retry::After(_)) => Err(error),
            _ => Ok(None),
        }
    }
}

/// The same error, unless it says that there is no such stream: whether there is such a job, its status tells.
fn no_stream(error: Error) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    let what = "the server gives no event stream of the job";
    Error::new(ErrorKind::Unsupported, Delivery::Rejected, what).with_source(error).on_read().for_operation(STREAM)
}

fn snapshot(record: Record, id: &str) -> Snapshot<NuMind> {
    Snapshot::new(vec![status::item(&record, id)], record)
}

/// Where a ticket leads: to a job, and perhaps to the project that was made for it.
pub(super) struct Place<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) project: Option<String>,
}

pub(super) fn place(ticket: &Ticket) -> Result<Place<'_>> {
    let bad = |allowed| Err(Error::invalid_member("ticket", ticket, allowed).into());
    let (kind, text) = ticket.data().split_once('=').unwrap_or((ticket.data(), ""));
    match (ticket.provider(), ticket.version(), kind) {
        (NuMind::NAME, 1, "id") if text.trim().is_empty() => bad("a job id that is not blank"),
        (NuMind::NAME, 1, "id") => Ok(Place { id: text.into(), project: None }),
        (NuMind::NAME, 1, "in") => match serde_json::from_str::<(String, String)>(text) {
            Ok((id, project)) => Ok(Place { id: id.into(), project: Some(project) }),
            Err(_) => bad("a job id and the id of its project"),
        },
        _ => bad("a ticket of numind that this version of consign made"),
    }
}

impl Provider for NuMind {
    const NAME: &'static str = "numind";
    const CAPS: Caps = Caps::NONE.events().cancel().list().outputs();
    type Spec = Spec;
    type Raw = Record;
    type Output = Output;
    type Query = ();
    type Filter = JobFilter;

    fn http(&self) -> &consign_http::Client {
        self.client.http()
    }
    fn validate(spec: &Spec) -> Violations {
        spec.violations(Api::V0_4)
    }
    fn submit<'a>(&'a self, specs: &'a [Spec], cx: &'a Cx) -> BoxFuture<'a, Result<Submitted<Self>>> {
        Box::pin(async move {
            let [spec] = specs else {
                return Err(Error::invalid_member("specs", specs.len(), "one in a submission").into());
            };
            spec.violations(self.api).into_result()?;
            let (id, project) = self.send(spec, cx).await?;
            let ticket = match project {
                Some(project) => Ticket::new(Self::NAME, 1, format!("in={}", serde_json::json!([id, project]))),
                None => Self::ticket_of_job(&id),
            };
            Ok(Submitted { ticket, snapshot: None })
        })
    }
    fn look<'a>(&'a self, ticket: &'a Ticket, look: Look, cx: &'a Cx) -> BoxFuture<'a, Result<Snapshot<Self>>> {
        Box::pin(async move {
            let place = place(ticket)?;
            let seen = match look {
                Look::Events => self.follow(&place.id, cx).await.map_err(no_stream)?,
                Look::Now | Look::Hold(_) => self.poll(&place.id, cx).await?,
            };
            if let Some(project) = place.project.filter(|_| seen.finished()) {
                Temporary::known(self, project).remove().await;
            }
            Ok(seen)
        })
    }
    /// Whatever the state: the service does not tell apart what a worker is already on.
    fn cancel<'a>(
        &'a self,
        ticket: &'a Ticket,
        item: Option<&'a str>,
        force: bool,
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let place = place(ticket)?;
            if let Some(item) = item.filter(|item| *item != place.id) {
                return Err(Error::invalid_member("item", item, "the job itself: it has no other items").into());
            }
            if !force {
                let what = "numind cancels a job whether a worker is on it or not";
                return Err(Error::new(ErrorKind::Unsupported, Delivery::NotSent, what).into());
            }
            let options = v0_4::PostApiJobsJobidCancelOptions::default().call(cx.call());
            match self.client.post_api_jobs_jobid_cancel(&place.id, options).await {
                Ok(_) => {}
                Err(error) if matches!(error.status(), Some(404 | 405)) => {
                    // Either there is no such job, or the server is too old for the operation.
                    let options = v0_4::GetApiJobsJobidStatusOptions::default().call(cx.call());
                    match self.client.get_api_jobs_jobid_status(&place.id, options).await {
                        Err(unknown) if unknown.kind() == ErrorKind::NotFound && error.status() == Some(404) => {
                            return Err(error.into());
                        }
                        // Which of the two it is, another try may tell; cancelled it was not.
                        Err(failed) if matches!(failed.retry(), Retry::Backoff | Retry::After(_)) => {
                            return Err(failed.with_delivery(Delivery::Rejected).into());
                        }
                        _ => {}
                    }
                    let what = "this server cannot cancel jobs: it is older than version 0.3.1";
                    return Err(Error::new(ErrorKind::Unsupported, Delivery::Rejected, what).with_source(error).into());
                }
                Err(error) => return Err(error.into()),
            }
            if let Some(project) = place.project {
                Temporary::known(self, project).remove().await;
            }
            Ok(())
        })
    }
    fn list<'a>(
        &'a self,
        filter: &'a JobFilter,
        cursor: Option<&'a str>,
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<Page<Self>>> {
        Box::pin(async move {
            filter.violations().into_result()?;
            let skip: i64 = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
            let mut options = v0_4::GetApiJobsOptions::default().call(cx.call());
            options.skip = (skip > 0).then_some(skip);
            options.per_page = filter.per_page;
            options.organization.clone_from(&filter.organization);
            let page = self.client.get_api_jobs(options).await?.into_value();
            let items = page.items.unwrap_or_default();
            let next = skip.saturating_add(i64::try_from(items.len()).unwrap_or(i64::MAX));
            let more = !items.is_empty() && page.total_count.is_none_or(|total| next < total);
            let (mut jobs, mut left_out) = (Vec::new(), Vec::new());
            for job in items {
                let Some(id) = job.id.as_deref().map(str::to_owned) else { continue };
                let (ticket, kind) = (Self::ticket_of_job(&id), job.job_type.clone());
                let seen = snapshot(Record::Job(Box::new(job)), &id);
                match seen.items().iter().all(|item| filter.takes(item, kind.as_deref())) {
                    true => jobs.push((ticket, seen)),
                    false => left_out.push(ticket),
                }
            }
            Ok(Page::new(jobs, more.then(|| next.to_string())).filtered(left_out))
        })
    }
    fn outputs(job: &Job, snapshot: &Snapshot<Self>) -> Output {
        Output::of(job, snapshot)
    }
}

impl Cancel for NuMind {}
impl List for NuMind {}
impl Outputs for NuMind {}

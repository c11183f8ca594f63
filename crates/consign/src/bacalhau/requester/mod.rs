//! The adapter of the requester interface: its operations as the engine's.
use std::sync::{Arc, Mutex, PoisonError};

use consign_bacalhau::requester::types::{
    self, EventsRequest, JobCancelPayload, JobCreatePayload, ListRequest, LogsPayload, StateRequest, VersionRequest,
};
use consign_bacalhau::requester::{
    CancelEnvelope, CancelOptions, Client, Event, EventsOptions, ListOptions, ListedJob, LogsEnvelope, LogsOptions,
    PayloadMember, ResultsOptions, StatesOptions, SubmitEnvelope, SubmitOptions, VersionOptions,
};
use consign_bacalhau::{Identity, ServerVersion};
use consign_core::{
    BoxFuture, Cancel, Caps, Cx, Delivery, Error, ErrorKind, List, LogLine, LogLines, Logs, Look, Outputs, Page,
    Provider, Result, Snapshot, State, Submitted, Ticket, Violations,
};
use futures_util::StreamExt as _;

use super::history::{self, History};
use super::provider::{log_line, printed};
use super::{Api, Builder, JobFilter, JobSpec, RequesterBuilder, RequesterRecord, Results};

pub(crate) mod status;
pub(crate) mod wire;

/// The header that names the job, also in an answer that is an error.
const JOB_HEADER: &str = "x-bacalhau-job-id";
/// How long a full job id is.
const FULL: usize = 36;
/// What to do when nobody knows whether a job was made.
const LOST: &str = "the job may exist: list jobs by a label that it was given before submitting it again";
/// What to do without a key.
const NO_KEY: &str = "no key: submitting, cancelling and logs are signed; give one with identity: \
                      Identity::load reads the user_id.pem of the provider's own clients, Identity::load_or_create \
                      (feature bacalhau-keygen) makes one";

/// Bacalhau's requester interface, servers up to 1.3.x. Checked for 0.3.24 and 0.3.25; later ones are spoken to as
/// their versions ask for.
#[derive(Clone, Debug)]
pub struct Requester {
    client: Client,
    identity: Option<Identity>,
    version: Arc<Mutex<Option<Option<ServerVersion>>>>,
}

impl Requester {
    /// The public network for demonstrations that the provider's documentation names.
    pub const BOOTSTRAP: &'static str = consign_bacalhau::requester::BOOTSTRAP;

    /// The server at this address, such as `http://127.0.0.1:1234`, with the key that signs.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the address cannot be used.
    pub fn new(base_url: impl Into<String>, identity: Identity) -> Result<Self> {
        Self::builder().base_url(base_url).identity(identity).build()
    }
    /// Settings: address, key, network.
    pub fn builder() -> RequesterBuilder {
        Builder::new()
    }
    /// With a low-level client of your own making; its time limits hold.
    pub fn from_client(client: Client, identity: Option<Identity>) -> Self {
        Self { client, identity, version: Arc::default() }
    }
    /// The low-level client: every operation of the wire.
    pub fn client(&self) -> &Client {
        &self.client
    }
    /// The key that signs, if there is one.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }
    /// The ticket of a job, by its full id, or the first eight characters of it: each use then costs one request more.
    /// A blank one is refused when the ticket is used.
    pub fn ticket_of_job(id: &str) -> Ticket {
        Ticket::new(Self::NAME, 1, format!("id={id}"))
    }
    /// The ticket of a job by its full id, from the first eight characters of it. Servers know a job by these only in
    /// a list.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; otherwise as any read. Not repeated.
    pub async fn resolve(&self, id: &str) -> Result<Ticket> {
        Ok(Self::ticket_of_job(&found(&self.client, self.client_id(), id).await?))
    }
    /// The version of the server; `None` if it names no release, as a self-built one does.
    ///
    /// # Errors
    /// As any read, if it was not seen in an answer before. Not repeated.
    pub async fn server_version(&self) -> Result<Option<ServerVersion>> {
        if let Some(known) = *self.version.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(known);
        }
        let request = VersionRequest::new().client_id("");
        let reply =
            self.client.version(&request, VersionOptions::default()).await.map_err(consign_http::Error::on_read)?;
        let text = reply.build_version_info.as_ref().and_then(|info| info.gitversion.as_deref());
        let version = text.and_then(ServerVersion::read);
        self.learned(version);
        Ok(version)
    }
    /// Cancels a job; the reason becomes the status of its execution. Gives the state that the server then told.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if it has ended; [`ErrorKind::Forbidden`] if it is another client's;
    /// [`ErrorKind::Config`] without a key; otherwise as any call. Not repeated.
    pub async fn stop(&self, ticket: &Ticket, reason: impl Into<String>) -> Result<Snapshot<Self>> {
        let stopped = self.stop_with(place(ticket)?, Some(reason.into()), &Cx::default()).await;
        stopped.map_err(|e| e.with_ticket(ticket))
    }
    /// What happened to a job, oldest first, as a stream that ends when the job has.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if the ticket is another provider's. What reading reports comes out of the stream.
    pub fn history(&self, ticket: &Ticket) -> Result<History<Event>> {
        let (client, client_id) = (self.client.clone(), self.client_id().to_owned());
        let entries = history::Requester { client, client_id, id: place(ticket)?.to_owned(), given: 0 };
        Ok(History::new(Box::new(entries), self.client.http().clock().clone(), ticket.clone()))
    }
    /// Where the results of a job are: published, verified and not empty. Nothing while it runs and after a failure,
    /// so look at the state first.
    ///
    /// # Errors
    /// As any read. Not repeated.
    pub async fn results(&self, ticket: &Ticket) -> Result<Vec<types::PublishedResult>> {
        let id = self.full(place(ticket)?).await.map_err(|e| e.with_ticket(ticket))?;
        let request = StateRequest::new().client_id(self.client_id()).job_id(id);
        let reply = self.client.results(&request, ResultsOptions::default()).await;
        Ok(reply.map_err(|e| Error::from(e.on_read()).with_ticket(ticket))?.into_value().results.unwrap_or_default())
    }

    async fn full(&self, id: &str) -> Result<String> {
        Ok(full(&self.client, self.client_id(), id).await?)
    }
    /// The caller's id, which reads take on trust; empty without a key.
    fn client_id(&self) -> &str {
        self.identity.as_ref().map_or("", Identity::client_id)
    }
    fn key(&self) -> Result<&Identity> {
        self.identity.as_ref().ok_or_else(|| consign_http::Error::config(NO_KEY).into())
    }
    /// Takes in the version that an answer named.
    pub(crate) fn learned(&self, version: Option<ServerVersion>) {
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
    }
    /// The version, for a request whose form depends on it: a server closes the connection on a wrong one.
    async fn form(&self) -> Result<Option<ServerVersion>> {
        self.server_version().await.map_err(|error| {
            let what = format!(
                "the server's version, on which the request's form depends, cannot be had: {}",
                error.message()
            );
            let (kind, retry) = (error.kind(), error.retry());
            let unsent = consign_http::Error::new(kind, Delivery::NotSent, what).with_retry(retry);
            unsent.with_source(error).into()
        })
    }
    async fn stop_with(&self, id: &str, reason: Option<String>, cx: &Cx) -> Result<Snapshot<Self>> {
        let identity = self.key()?;
        let version = self.form().await?;
        if version.is_some_and(|version| version < ServerVersion::new(0, 3, 21)) {
            let what = "servers before 0.3.21 cannot cancel";
            return Err(Error::new(ErrorKind::Unsupported, Delivery::NotSent, what));
        }
        let id = &*self.full(id).await?;
        let mut payload = JobCancelPayload::new(identity.client_id(), id);
        payload.reason = reason.filter(|reason| !reason.is_empty());
        let envelope = CancelEnvelope::sign(identity, &payload, PayloadMember::for_cancel(version))?;
        let reply = self.client.cancel(&envelope, CancelOptions::default().call(cx.call())).await?;
        let record = RequesterRecord { state: reply.into_value().state.unwrap_or_default(), ..Default::default() };
        Ok(snapshot(id, record))
    }
    /// What the last event of the job itself says.
    async fn comment(&self, id: &str, cx: &Cx) -> Option<String> {
        let request = EventsRequest::new().client_id(self.client_id()).job_id(id);
        let reply = self.client.events(&request, EventsOptions::default().call(cx.call())).await.ok()?;
        let events = reply.into_value().events.unwrap_or_default();
        events.into_iter().rev().find_map(|event| match event {
            Event::Change(change) if change.job_state.as_ref().is_some_and(|state| state.new.is_some()) => {
                change.comment.filter(|text| !text.trim().is_empty())
            }
            Event::Named(event) => event.status.filter(|text| !text.trim().is_empty()),
            _ => None,
        })
    }
}

/// The full id of a job, from the beginning of one: what is shorter is found in lists only.
async fn found(client: &Client, client_id: &str, id: &str) -> Result<String, consign_http::Error> {
    let request = ListRequest::new().id(id).client_id(client_id);
    let reply = client.list(&request, ListOptions::default()).await.map_err(consign_http::Error::on_read)?;
    let found = reply.jobs.iter().flatten().find_map(|job| Some(id_of(job)?.to_owned()));
    found.ok_or_else(|| {
        let what = format!("no job has an id that begins with {id}");
        consign_http::Error::new(ErrorKind::NotFound, Delivery::Rejected, what).on_read()
    })
}

/// The same, where the id may be a full one.
pub(crate) async fn full(client: &Client, client_id: &str, id: &str) -> Result<String, consign_http::Error> {
    if id.len() < FULL { found(client, client_id, id).await } else { Ok(id.to_owned()) }
}

fn id_of(job: &ListedJob) -> Option<&str> {
    let listed = job.job().and_then(|job| job.metadata.as_ref()?.id.as_deref());
    listed.or_else(|| job.state()?.job_id.as_deref()).filter(|id| !id.is_empty())
}

/// Where a ticket leads.
fn place(ticket: &Ticket) -> Result<&str> {
    let bad = |allowed| Err(consign_http::Error::invalid_member("ticket", ticket, allowed).into());
    match (ticket.provider(), ticket.version(), ticket.data().strip_prefix("id=")) {
        (Requester::NAME, 1, Some(id)) if !id.trim().is_empty() => Ok(id),
        (Requester::NAME, 1, Some(_)) => bad("a job id that is not blank"),
        (Requester::NAME, ..) => bad("a ticket that this version of consign made"),
        _ => bad("a ticket of bacalhau-requester"),
    }
}

fn snapshot(id: &str, record: RequesterRecord) -> Snapshot<Requester> {
    Snapshot::new(vec![status::item(id, &record)], record)
}

impl Provider for Requester {
    const NAME: &'static str = "bacalhau-requester";
    const CAPS: Caps = Caps::NONE.cancel().list().outputs().logs();
    type Spec = JobSpec;
    type Raw = RequesterRecord;
    type Output = Results;
    type Query = ();
    type Filter = JobFilter;

    fn http(&self) -> &consign_http::Client {
        self.client.http()
    }
    fn validate(spec: &JobSpec) -> Violations {
        spec.violations(Api::Requester)
    }
    fn submit<'a>(&'a self, specs: &'a [JobSpec], cx: &'a Cx) -> BoxFuture<'a, Result<Submitted<Self>>> {
        Box::pin(async move {
            let [spec] = specs else {
                return Err(consign_http::Error::invalid_member("jobs", specs.len(), "one in a submission").into());
            };
            let identity = self.key()?;
            let version = self.form().await?;
            let spec = wire::spec(spec, version);
            let payload = JobCreatePayload::new(identity.client_id(), wire::api_version(version), spec);
            let envelope = SubmitEnvelope::sign(identity, &payload, PayloadMember::for_submit(version))?;
            let sent = self.client.submit(&envelope, SubmitOptions::default().call(cx.call())).await;
            let id = |reply: &types::SubmitResponse| {
                let id = reply.job.as_ref()?.metadata.as_ref()?.id.as_deref()?;
                Some(id.to_owned()).filter(|id| !id.is_empty())
            };
            let sent = sent.and_then(|reply| match id(&reply) {
                Some(id) => Ok(id),
                None => {
                    Err(reply.unusable("the server accepted it, but its answer names no job").for_operation("submit"))
                }
            });
            match sent {
                Ok(id) => {
                    let item = consign_core::Item::new(Some(&id), State::Queued, false);
                    let first = Snapshot::new(vec![item], RequesterRecord::default());
                    Ok(Submitted { ticket: Self::ticket_of_job(&id), snapshot: Some(first) })
                }
                // A job for which no node was found is there all the same, and so is one whose record cannot be read.
                Err(error) => match made(&error) {
                    Some(id) => Ok(Submitted { ticket: Self::ticket_of_job(&id), snapshot: None }),
                    None if error.delivery() == Delivery::Unknown => Err(error.with_advice(LOST).into()),
                    None => Err(error.into()),
                },
            }
        })
    }
    fn look<'a>(&'a self, ticket: &'a Ticket, _: Look, cx: &'a Cx) -> BoxFuture<'a, Result<Snapshot<Self>>> {
        Box::pin(async move {
            let id = &*self.full(place(ticket)?).await?;
            let request = StateRequest::new().client_id(self.client_id()).job_id(id);
            let reply = self
                .client
                .states(&request, StatesOptions::default().call(cx.call()))
                .await
                .map_err(consign_http::Error::on_read)?;
            if reply.state.is_none() {
                let what = format!("no state of the job {id} came");
                return Err(reply.unusable(what).on_read().for_operation("states").into());
            }
            let state = reply.into_value().state.unwrap_or_default();
            let mut record = RequesterRecord { state, ..Default::default() };
            if matches!(status::read(&record.state), (State::Failed, true, _)) {
                record.comment = self.comment(id, cx).await;
            }
            Ok(snapshot(id, record))
        })
    }
    fn cancel<'a>(
        &'a self,
        ticket: &'a Ticket,
        item: Option<&'a str>,
        _: bool,
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            // A job is its only item.
            let id = item.map_or_else(|| place(ticket), Ok)?;
            let error = match self.stop_with(id, None, cx).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            // A cancellation that arrived although its answer did not: the repeat finds the job at its end.
            let cancelled = error.kind() == ErrorKind::Conflict
                && self
                    .look(&Self::ticket_of_job(id), Look::Now, cx)
                    .await
                    .is_ok_and(|s| s.state() == State::Cancelled);
            if cancelled { Ok(()) } else { Err(error) }
        })
    }
    /// All at once: there are no pages.
    fn list<'a>(&'a self, filter: &'a JobFilter, _: Option<&'a str>, cx: &'a Cx) -> BoxFuture<'a, Result<Page<Self>>> {
        Box::pin(async move {
            filter.violations(true).into_result()?;
            let text = |(name, value): &(String, String)| wire::annotation((name, value));
            let labels: Vec<String> = filter.labels.iter().map(text).collect();
            // A limit would cut before it sorts.
            let mut request = ListRequest::new().sort_by("created_at").max_jobs(0);
            request.client_id = Some(self.client_id().to_owned());
            request.return_all = Some(filter.all_clients);
            request.sort_reverse = Some(filter.newest_first);
            request.include_tags = Some(labels.clone());
            let reply = self
                .client
                .list(&request, ListOptions::default().call(cx.call()))
                .await
                .map_err(consign_http::Error::on_read)?;
            let unwanted: Vec<String> = filter.without.iter().map(text).collect();
            let (mut shown, mut hidden) = (Vec::new(), Vec::new());
            for job in reply.into_value().jobs.unwrap_or_default() {
                let Some(id) = id_of(&job).map(str::to_owned) else { continue };
                let tags = job.job().and_then(|job| job.spec.as_ref()?.annotations.as_deref()).unwrap_or_default();
                // The server asks for any of the labels, and of two lists the job's own order decides.
                let fits =
                    labels.iter().all(|tag| tags.contains(tag)) && !unwanted.iter().any(|tag| tags.contains(tag));
                let state = job.state().cloned().unwrap_or_default();
                let record = RequesterRecord { state, job: job.job().cloned(), comment: None };
                let (ticket, seen) = (Self::ticket_of_job(&id), snapshot(&id, record));
                if fits && filter.shows(&seen.state()) {
                    shown.push((ticket, seen));
                } else {
                    hidden.push(ticket);
                }
            }
            Ok(Page::new(shown, None).filtered(hidden))
        })
    }
    fn logs<'a>(&'a self, ticket: &'a Ticket, follow: bool, cx: &'a Cx) -> BoxFuture<'a, Result<LogLines>> {
        Box::pin(async move {
            let (id, identity) = (place(ticket)?, self.key()?);
            if self.form().await?.is_none_or(|version| version < ServerVersion::new(0, 3, 26)) {
                let what = "servers before 0.3.26 show no log of a job that runs";
                return Err(Error::new(ErrorKind::Unsupported, Delivery::NotSent, what));
            }
            let id = &*self.full(id).await?;
            let request = StateRequest::new().client_id(self.client_id()).job_id(id);
            let reply = self
                .client
                .states(&request, StatesOptions::default().call(cx.call()))
                .await
                .map_err(consign_http::Error::on_read)?;
            let record = RequesterRecord { state: reply.into_value().state.unwrap_or_default(), ..Default::default() };
            let runs = record.runs();
            let Some(run) = runs.iter().rev().find_map(|run| run.id.filter(|_| !run.over || run.completed)) else {
                let what = "no execution of the job has a log yet";
                return Err(consign_http::Error::new(ErrorKind::NotFound, Delivery::Rejected, what).on_read().into());
            };
            let run = run.to_owned();
            let mut payload = LogsPayload::new(identity.client_id(), id, &*run);
            (payload.with_history, payload.follow) = (Some(true), Some(follow));
            let envelope = LogsEnvelope::sign(identity, &payload, PayloadMember::Payload)?;
            let lines = self.client.logs(&envelope, LogsOptions::default().call(cx.call())).await?;
            let lines: LogLines = lines.map(move |line| Ok(log_line(&run, line?))).boxed();
            Ok(lines)
        })
    }
    fn logged(snapshot: &Snapshot<Self>) -> Vec<LogLine> {
        let runs = snapshot.raw().into_iter().flat_map(RequesterRecord::runs);
        let lines = runs.filter_map(|run| {
            let output = run.output?;
            Some(printed(run.id, output.stdout.as_deref(), output.stderr.as_deref()))
        });
        lines.flatten().collect()
    }
    fn outputs(_: &super::super::Job<Self>, snapshot: &Snapshot<Self>) -> Results {
        Results::of_requester(snapshot)
    }
}

/// The job that came of a submission in spite of its error: named in a header, or in what could be read.
fn made(error: &consign_http::Error) -> Option<String> {
    let header = error.headers().get(JOB_HEADER).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let header = header.filter(|_| error.status() == Some(500));
    let read = || {
        let body = Some(error.body()).filter(|_| error.kind() == ErrorKind::Decode && error.status() == Some(200))?;
        let answer: serde_json::Value = serde_json::from_str(body).ok()?;
        answer.pointer("/job/Metadata/ID")?.as_str().map(str::to_owned)
    };
    header.or_else(read).filter(|id| !id.trim().is_empty())
}

impl Cancel for Requester {}
impl List for Requester {}
impl Outputs for Requester {}
impl Logs for Requester {}

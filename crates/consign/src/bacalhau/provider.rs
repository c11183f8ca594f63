//! The adapter of the v1 interface: its operations as the engine's.
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use consign_bacalhau::v1::types::{self, JobHistory, NodeState, PutJobRequest, RerunJobRequest, StopJobRequest};
use consign_bacalhau::v1::{
    Client, DiffOptions, ExecutionState, ExecutionsOptions, GetOptions, ListOptions, LogsOptions, NodeGetOptions,
    NodeListOptions, PutOptions, RerunOptions, StopOptions, VersionsOptions,
};
use consign_bacalhau::{LogLine as Line, LogOutput, ServerVersion};
use consign_core::{
    Artifact, BoxFuture, Cancel, Caps, Cx, Delivery, Error, ErrorKind, List, LogLine, LogLines, LogStream, Logs, Look,
    Outputs, Page, Provider, Result, Snapshot, Submitted, Ticket, Violations,
};
use futures_util::StreamExt as _;
use http::HeaderMap;
use serde_json::{Map, Value};

use super::history::{self, History};
use super::{Api, BacalhauBuilder, Builder, Job, JobFilter, JobSpec, Record, Results, Source, status, wire};

/// How many jobs come with one request, unless the filter says otherwise.
const PAGE: u32 = 50;
/// From how many executions output is read at once.
const STREAMS: usize = 16;
/// What to do when nobody knows whether a named job was made.
const NAMED: &str = "the job may exist: the error's ticket finds it by its name; look before submitting it again";
/// What to do when nobody knows whether a job without a name was made.
const LOST: &str = "the job may exist: list jobs by a label that it was given before submitting it again; a name \
                    would make it easy to find";
/// What a rerun of something that is not there would do.
const FROZEN: &str = "nothing was sent: a rerun of what does not exist would leave the server unable to write";

/// Bacalhau's v1 interface, servers 1.1 and newer (1.4 for all of it).
#[derive(Clone, Debug)]
pub struct Bacalhau {
    client: Client,
    version: Arc<Mutex<Known>>,
}

/// The version of the server, if it was seen; a self-built server has none.
type Known = Option<Option<ServerVersion>>;

impl Bacalhau {
    /// The server at this address, such as `http://127.0.0.1:1234`, without a credential.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the address cannot be used.
    pub fn new(base_url: impl Into<String>) -> Result<Self> {
        Self::builder().base_url(base_url).build()
    }
    /// Settings: address, credential, network.
    pub fn builder() -> BacalhauBuilder {
        Builder::new()
    }
    /// With a low-level client of your own making; its time limits hold.
    pub fn from_client(client: Client) -> Self {
        Self { client, version: Arc::default() }
    }
    /// The low-level client: every operation of the wire.
    pub fn client(&self) -> &Client {
        &self.client
    }
    /// The ticket of a job, by its id (`j-…`) or the beginning of one. A blank one is refused when the ticket is used.
    pub fn ticket_of_job(id: &str) -> Ticket {
        Ticket::new(Self::NAME, 1, format!("id={id}"))
    }
    /// The ticket of a job, by its name in a namespace, `default` if none is given. A name with a slash cannot be
    /// found by any path, nor can `.` and `..`, and servers before 1.8 find none; [`Bacalhau::resolve`] gives a ticket by
    /// id.
    pub fn ticket_of_name(namespace: Option<&str>, name: &str) -> Ticket {
        Ticket::new(Self::NAME, 1, format!("namespace={}&name={name}", namespace.unwrap_or("default")))
    }
    /// The ticket of a job by its full id, from the beginning of an id or a name of the namespace `default`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::InvalidRequest`] if several jobs have that beginning; otherwise as any
    /// read. Not repeated.
    pub async fn resolve(&self, id_or_name: &str) -> Result<Ticket> {
        let job = self.get(&Place { id: id_or_name, namespace: None }, None, None, &Cx::default()).await?.job;
        Ok(Self::ticket_of_job(&id_of(&job)?))
    }
    /// The version of the server; `None` if it names no release, as a self-built one does.
    ///
    /// # Errors
    /// As any read, if it was not seen in an answer before. Not repeated.
    pub async fn server_version(&self) -> Result<Option<ServerVersion>> {
        if let Some(known) = *self.known() {
            return Ok(known);
        }
        let version = self.client.server_version().await?;
        self.learned(version);
        Ok(version)
    }
    /// Stops a job; the reason becomes its message. One that was stopped already stays so.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if it has ended otherwise; otherwise as any call. Not repeated.
    pub async fn stop(&self, ticket: &Ticket, reason: impl Into<String>) -> Result<()> {
        self.stop_with(ticket, Some(reason.into()), &Cx::default()).await.map_err(|e| e.with_ticket(ticket))
    }
    /// What happened to a job, oldest first, as a stream that ends when the job has.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if the ticket is another provider's. What reading reports comes out of the stream.
    pub fn history(&self, ticket: &Ticket) -> Result<History<JobHistory>> {
        let Place { id, namespace } = place(ticket)?;
        let entries = history::V1::new(self.client.clone(), id, namespace);
        Ok(History::new(Box::new(entries), self.client.http().clock().clone(), ticket.clone()))
    }
    /// The versions of a job, oldest first, each as the job was then; from server 1.8 on.
    ///
    /// # Errors
    /// As any read. Not repeated.
    pub async fn versions(&self, ticket: &Ticket) -> Result<Vec<types::Job>> {
        let Place { id, namespace } = place(ticket)?;
        let mut options = VersionsOptions::default();
        options.namespace = namespace.map(str::to_owned);
        let reply = self.client.versions(id, options).await.map_err(|e| Error::from(e).with_ticket(ticket))?;
        Ok(reply.into_value().into_versions())
    }
    /// What submitting a named job would change, as text; empty if nothing. From server 1.8 on.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] with every violation, before anything is sent; [`ErrorKind::NotFound`] if no job
    /// has that name; otherwise as any read. Not repeated.
    pub async fn diff(&self, spec: impl Into<JobSpec>) -> Result<String> {
        let spec = spec.into();
        let mut bad = spec.violations(Api::V1);
        let job = wire::job(&spec, self.server_version().await?);
        if job.name.as_deref().is_none_or(|name| name.trim().is_empty()) {
            bad.add("Name", "", "a name: it says which job to compare with");
        }
        bad.into_result()?;
        let reply = self.client.diff(&types::DiffJobRequest::new(job), DiffOptions::default()).await;
        let reply = reply.map_err(|error| harmless(error.on_read()))?;
        Ok(reply.into_value().diff.unwrap_or_default())
    }
    /// Runs a job again, this version of it or the latest; from server 1.8 on. It gets a new version, and its ticket
    /// stays the same. The job and the version are read first: a server that is asked for what it does not have can
    /// write nothing any more until it is started anew.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such job or version; [`ErrorKind::Conflict`] if it waits; otherwise as
    /// any call. Not repeated.
    pub async fn rerun(&self, ticket: &Ticket, version: Option<u64>, reason: Option<&str>) -> Result<Rerun> {
        let run = async {
            let place = place(ticket)?;
            let missing = |what: String| {
                Error::from(consign_http::Error::new(ErrorKind::NotFound, Delivery::NotSent, what).with_advice(FROZEN))
            };
            let job = self.get(&place, None, version, &Cx::default()).await?.job;
            let id = id_of(&job)?;
            if let Some(wanted) = version.filter(|wanted| job.version != Some(*wanted)) {
                // Servers before 1.9 give the latest, whatever is asked for.
                let versions = self.versions(&Self::ticket_of_job(&id)).await?;
                if !versions.iter().any(|job| job.version == Some(wanted)) {
                    return Err(missing(format!("the job {id} has no version {wanted}")));
                }
            }
            let mut body = RerunJobRequest::default();
            (body.job_version, body.reason) = (version, reason.map(str::to_owned));
            let reply = self.client.rerun(&id, Some(&body), RerunOptions::default()).await?.into_value();
            Ok(Rerun { version: reply.job_version, warnings: reply.warnings.unwrap_or_default() })
        };
        run.await.map_err(|error: Error| error.with_ticket(ticket))
    }
    /// The nodes that the server knows.
    ///
    /// # Errors
    /// As any read. Not repeated.
    pub async fn nodes(&self) -> Result<Vec<NodeState>> {
        Ok(self.client.node_list(NodeListOptions::default()).await?.into_value().nodes.unwrap_or_default())
    }
    /// A node, by its id or the beginning of one.
    ///
    /// # Errors
    /// As any read. Not repeated.
    pub async fn node(&self, id: &str) -> Result<NodeState> {
        let reply = self.client.node_get(id, NodeGetOptions::default()).await?;
        match &reply.node {
            Some(_) => Ok(reply.into_value().node.unwrap_or_default()),
            None => Err(reply.unusable("no record of the node came").on_read().into()),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Takes in the version that an answer named.
    pub(crate) fn learned(&self, version: Option<ServerVersion>) {
        *self.known() = Some(version);
    }
    /// The version that an answer names, else the one that was seen before: something between may drop headers.
    fn saw(&self, headers: &HeaderMap) -> Option<ServerVersion> {
        let version = ServerVersion::of(headers);
        if version.is_some() {
            self.learned(version);
        }
        version.or_else(|| self.known().flatten())
    }
    /// The version of the server, where a spec looks different for an older one; otherwise not asked for.
    async fn form(&self, spec: &JobSpec) -> Result<Option<ServerVersion>> {
        let local = |spec: &JobSpec| {
            spec.settings().is_some_and(|s| s.inputs.iter().any(|input| matches!(input.source, Source::Local(_))))
        };
        let differs = matches!(spec, JobSpec::Wasm(_)) || local(spec);
        if differs { self.server_version().await } else { Ok(None) }
    }
    /// Whether jobs are found by their names; so it is taken if the version cannot be had.
    async fn finds_names(&self) -> bool {
        let version = self.server_version().await.ok().flatten();
        version.is_none_or(|version| version >= ServerVersion::new(1, 8, 0))
    }
    async fn get(
        &self,
        place: &Place<'_>,
        include: Option<&str>,
        version: Option<u64>,
        cx: &Cx,
    ) -> Result<Record, consign_http::Error> {
        let mut options = GetOptions::default().call(cx.call());
        options.namespace = place.namespace.map(str::to_owned);
        options.include = include.map(str::to_owned);
        options.job_version = version;
        let reply = self.client.get(place.id, options).await?;
        let version = self.saw(reply.headers());
        if reply.job.as_ref().is_none_or(|job| job.id.is_none()) {
            let what = format!("no record of the job {} came", place.id);
            return Err(reply.unusable(what).on_read().for_operation("get"));
        }
        let answer = reply.into_value();
        let executions = match (answer.executions, include) {
            (Some(list), _) => Some(list.into_executions()),
            (None, None) => Some(Vec::new()),
            (None, Some(_)) => None,
        };
        let mut record = Record { job: answer.job.unwrap_or_default(), version, executions: Vec::new() };
        record.executions = match executions {
            Some(list) => list,
            // A server that cannot give both at once. They matter when the job has ended.
            None if record.job.state.as_ref().and_then(|s| s.state_type.as_ref()).is_some_and(|s| s.is_terminal()) => {
                let mut options = ExecutionsOptions::default().call(cx.call());
                options.namespace = place.namespace.map(str::to_owned);
                self.client.executions(place.id, options).await?.into_value().into_executions()
            }
            None => Vec::new(),
        };
        Ok(record)
    }
    /// Where the results of the completed executions are, in their order.
    pub(crate) async fn results(&self, ticket: &Ticket) -> Result<Vec<types::SpecConfig>> {
        let Place { id, namespace } = place(ticket)?;
        let mut options = consign_bacalhau::v1::ResultsOptions::default();
        options.namespace = namespace.map(str::to_owned);
        Ok(self.client.results(id, options).await?.into_value().into_results())
    }
    async fn stop_with(&self, ticket: &Ticket, reason: Option<String>, cx: &Cx) -> Result<()> {
        let Place { id, namespace } = place(ticket)?;
        let mut options = StopOptions::default().call(cx.call());
        options.namespace = namespace.map(str::to_owned);
        let body = reason.map(|reason| StopJobRequest::new().reason(reason));
        self.client.stop(id, body.as_ref(), options).await?;
        Ok(())
    }
}

/// What came of running a job again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rerun {
    /// The job's new version.
    pub version: Option<u64>,
    /// What the server remarks.
    pub warnings: Vec<String>,
}

/// An error of a question from which nothing came, although it is sent as a write.
fn harmless(error: consign_http::Error) -> consign_http::Error {
    match error.delivery() {
        Delivery::NotSent => error,
        _ => error.with_delivery(Delivery::Rejected),
    }
}

/// Where a ticket leads.
struct Place<'a> {
    id: &'a str,
    namespace: Option<&'a str>,
}

fn place(ticket: &Ticket) -> Result<Place<'_>> {
    let bad = |allowed| Err(consign_http::Error::invalid_member("ticket", ticket, allowed).into());
    if ticket.provider() != Bacalhau::NAME {
        return bad("a ticket of bacalhau");
    }
    let data = ticket.data();
    let by_name = || data.strip_prefix("namespace=")?.split_once("&name=");
    let place = match (ticket.version(), data.strip_prefix("id="), by_name()) {
        (1, Some(id), _) => Place { id, namespace: None },
        (1, None, Some((namespace, id))) => Place { id, namespace: Some(namespace) },
        _ => return bad("a ticket that this version of consign made"),
    };
    if place.id.trim().is_empty() {
        return bad("a job id or name that is not blank");
    }
    Ok(place)
}

fn id_of(job: &types::Job) -> Result<String> {
    let missing = || Error::new(ErrorKind::Decode, Delivery::Unknown, "the record of the job names no id");
    job.id.as_deref().filter(|id| !id.trim().is_empty()).map(str::to_owned).ok_or_else(missing)
}

/// The id in a successful answer that cannot be read as a whole.
fn id_in(error: &consign_http::Error) -> Option<String> {
    let read = error.kind() == ErrorKind::Decode && error.status().is_some_and(|s| (200..300).contains(&s));
    let answer: Map<String, Value> = serde_json::from_str(Some(error.body()).filter(|_| read)?).ok()?;
    Some(answer.get("JobID")?.as_str()?.to_owned()).filter(|id| !id.trim().is_empty())
}

fn snapshot(record: Record) -> Snapshot<Bacalhau> {
    Snapshot::new(vec![status::item(&record)], record)
}

/// A piece of output as the engine has it.
pub(crate) fn log_line(execution: &str, line: Line) -> LogLine {
    let stream = if line.output == LogOutput::Stderr { LogStream::Stderr } else { LogStream::Stdout };
    LogLine::new(Some(execution), stream, line.text)
}

/// What an execution printed, as far as its record holds it.
pub(crate) fn printed(id: Option<&str>, stdout: Option<&str>, stderr: Option<&str>) -> Vec<LogLine> {
    let parts = [(LogStream::Stdout, stdout), (LogStream::Stderr, stderr)];
    let filled = parts.into_iter().filter_map(|(stream, text)| Some((stream, text.filter(|text| !text.is_empty())?)));
    filled.map(|(stream, text)| LogLine::new(id, stream, text)).collect()
}

impl Provider for Bacalhau {
    const NAME: &'static str = "bacalhau";
    const CAPS: Caps = Caps::NONE.cancel().list().outputs().logs();
    type Spec = JobSpec;
    type Raw = Record;
    type Output = Results;
    type Query = ();
    type Filter = JobFilter;

    fn http(&self) -> &consign_http::Client {
        self.client.http()
    }
    fn validate(spec: &JobSpec) -> Violations {
        spec.violations(Api::V1)
    }
    fn submit<'a>(&'a self, specs: &'a [JobSpec], cx: &'a Cx) -> BoxFuture<'a, Result<Submitted<Self>>> {
        Box::pin(async move {
            let [spec] = specs else {
                return Err(consign_http::Error::invalid_member("jobs", specs.len(), "one in a submission").into());
            };
            let version = self.form(spec).await.map_err(|e| Error::from(unsent(e)))?;
            let mut body = PutJobRequest::new(wire::job(spec, version));
            body.force = spec.settings().is_some_and(|s| s.force).then_some(true);
            let named = body.job.name.as_deref().map(|name| Self::ticket_of_name(body.job.namespace.as_deref(), name));
            let by_name = named.filter(|ticket| {
                let found = place(ticket).ok().map(|place| (place.id, place.namespace));
                let meant = (body.job.name.as_deref(), body.job.namespace.as_deref().or(Some("default")));
                // No path leads to these.
                found.is_some_and(|(id, namespace)| {
                    (Some(id), namespace) == meant && !id.contains('/') && !matches!(id, "." | "..")
                })
            });
            // Before 1.8 servers find no job by its name.
            let by_name = match by_name {
                Some(ticket) => self.finds_names().await.then_some(ticket),
                None => None,
            };
            let sent = self.client.put(&body, PutOptions::default().call(cx.call())).await;
            let sent = sent.and_then(|reply| match &reply.job_id {
                Some(id) if !id.trim().is_empty() => Ok(reply),
                _ => Err(reply.unusable("the server accepted it, but its answer names no job").for_operation("put")),
            });
            let reply = match sent {
                Ok(reply) => reply,
                Err(error) => {
                    if let Some(id) = id_in(&error) {
                        return Ok(Submitted { ticket: Self::ticket_of_job(&id), snapshot: None });
                    }
                    return Err(match (error.delivery(), &by_name) {
                        (Delivery::Unknown, Some(ticket)) => Error::from(error.with_advice(NAMED)).with_ticket(ticket),
                        (Delivery::Unknown, None) => error.with_advice(LOST).into(),
                        _ => error.into(),
                    });
                }
            };
            self.saw(reply.headers());
            let answer = reply.into_value();
            let id = answer.job_id.as_deref().unwrap_or_default();
            let mut item = consign_core::Item::new(Some(id), consign_core::State::Queued, false);
            item.message = answer.warnings.filter(|all| !all.is_empty()).map(|all| all.join("; ").into());
            let ticket = Self::ticket_of_job(id);
            Ok(Submitted { ticket, snapshot: Some(Snapshot::new(vec![item], Record::default())) })
        })
    }
    fn look<'a>(&'a self, ticket: &'a Ticket, _: Look, cx: &'a Cx) -> BoxFuture<'a, Result<Snapshot<Self>>> {
        Box::pin(async move { Ok(snapshot(self.get(&place(ticket)?, Some("executions"), None, cx).await?)) })
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
            match item {
                Some(id) => self.stop_with(&Self::ticket_of_job(id), None, cx).await,
                None => self.stop_with(ticket, None, cx).await,
            }
        })
    }
    fn list<'a>(
        &'a self,
        filter: &'a JobFilter,
        cursor: Option<&'a str>,
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<Page<Self>>> {
        Box::pin(async move {
            filter.violations(false).into_result()?;
            let mut options = ListOptions::default().call(cx.call());
            // The cursor holds order, direction and limit, but neither labels nor namespace.
            options.next_token = cursor.map(str::to_owned);
            options.limit = Some(i64::from(filter.page.unwrap_or(PAGE)));
            options.reverse = filter.newest_first.then_some(true);
            options.namespace = Some(filter.namespace.clone().unwrap_or_else(|| "*".to_owned()));
            options.labels = Some(filter.to_selectors());
            let reply = self.client.list(options).await?;
            let version = self.saw(reply.headers());
            let mut answer = reply.into_value();
            let next = answer.next_token.take().filter(|token| !token.is_empty());
            let found = answer.into_jobs().into_iter().filter_map(|job| {
                let ticket = Self::ticket_of_job(job.id.as_deref()?);
                Some((ticket, snapshot(Record { job, executions: Vec::new(), version })))
            });
            let fits = |seen: &Snapshot<Self>| {
                filter.fits(seen.raw().and_then(|record| record.job.labels.as_ref())) && filter.shows(&seen.state())
            };
            let (shown, hidden): (Vec<_>, Vec<_>) = found.partition(|(_, seen)| fits(seen));
            Ok(Page::new(shown, next).filtered(hidden.into_iter().map(|(ticket, _)| ticket)))
        })
    }
    /// One stream for each node that runs the job, because a node serves one at a time.
    fn logs<'a>(&'a self, ticket: &'a Ticket, follow: bool, cx: &'a Cx) -> BoxFuture<'a, Result<LogLines>> {
        Box::pin(async move {
            let place = place(ticket)?;
            let record = self.get(&place, Some("executions"), None, cx).await?;
            let id = id_of(&record.job)?;
            let mut nodes = HashSet::new();
            let mut executions: Vec<&types::Execution> = record.executions.iter().collect();
            executions.sort_by_key(|execution| std::cmp::Reverse(execution.create_time));
            executions.retain(|execution| {
                let over = record.state_of(execution);
                let silent = over.is_terminal() && over != ExecutionState::Completed;
                !silent && execution.id.is_some() && nodes.insert(execution.node_id.as_deref())
            });
            if executions.is_empty() {
                let what = "no execution of the job has a log yet";
                return Err(consign_http::Error::new(ErrorKind::NotFound, Delivery::Rejected, what).on_read().into());
            }
            let mut streams = Vec::new();
            for execution in executions.into_iter().take(STREAMS) {
                let name = execution.id.clone().unwrap_or_default();
                let mut options = LogsOptions::default().call(cx.call());
                (options.execution_id, options.follow) = (Some(name.clone()), Some(follow));
                let lines = self.client.logs(&id, options).await?;
                streams.push(lines.map(move |line| Ok(log_line(&name, line?))).boxed());
            }
            let lines: LogLines = match streams.pop() {
                Some(only) if streams.is_empty() => only,
                last => Box::pin(futures_util::stream::select_all(streams.into_iter().chain(last))),
            };
            Ok(lines)
        })
    }
    fn logged(snapshot: &Snapshot<Self>) -> Vec<LogLine> {
        let executions = snapshot.raw().into_iter().flat_map(|record| &record.executions);
        let lines = executions.filter_map(|execution| {
            let output = execution.run_output.as_ref()?;
            Some(printed(execution.id.as_deref(), output.stdout.as_deref(), output.stderr.as_deref()))
        });
        lines.flatten().collect()
    }
    fn outputs(job: &Job, snapshot: &Snapshot<Self>) -> Results {
        Results::of(job, snapshot)
    }
    fn artifacts(job: &Job, snapshot: &Snapshot<Self>) -> Vec<Artifact> {
        Results::of(job, snapshot).archives().map(|archive| archive.artifact().clone()).collect()
    }
}

/// The error of a question that had to be asked before a submission: the job was not sent.
fn unsent(error: Error) -> consign_http::Error {
    let what = format!("the server's version, on which the job's form depends, cannot be had: {}", error.message());
    let kind = error.kind();
    let retry = error.retry();
    consign_http::Error::new(kind, Delivery::NotSent, what).with_retry(retry).with_source(error)
}

impl Cancel for Bacalhau {}
impl List for Bacalhau {}
impl Outputs for Bacalhau {}
impl Logs for Bacalhau {}

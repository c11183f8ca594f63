//! The adapter: Civitai's operations as the engine's.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use consign_civitai::types::{self, JobStatus, JobStatusCollection, ProviderAssetAvailability};
use consign_civitai::wire::SubmitBody;
use consign_civitai::{
    Client, V1ConsumerConsumptionGetOptions, V1ConsumerCoverageGetOptions, V1ConsumerJobsDeleteOptions,
    V1ConsumerJobsGetOptions, V1ConsumerJobsJobIdDeleteOptions, V1ConsumerJobsJobIdGetOptions,
    V1ConsumerJobsJobIdPutOptions, V1ConsumerJobsPostOptions, V1ConsumerJobsPutOptions, V1ConsumerJobsQueryPostOptions,
};
use consign_core::{
    Batch, BoxFuture, Cancel, Caps, Cx, Delivery, Error, ErrorKind, FromEnv, Jobs, Look, Outputs, Page, Price, Priced,
    Provider, Query, Result, Snapshot, Submitted, Taint, TaintReason, Ticket, Violations,
};
use consign_http::{Clock, Credentials, DateTime, NetworkSettings, Token, Transport};
use serde_json::{Map, Value};

use super::{Images, Job, JobQuery, Model, Template, status};

/// How long a read may be held. The service's own limit is about 100 s; ours only cuts one that hangs.
const HOLD: Duration = Duration::from_secs(120);
/// A token grows by about 52 characters a job and is sent in the query.
const ITEMS_A_TOKEN: usize = 100;
/// How many models fit into one coverage request.
const MODELS_A_REQUEST: usize = 50;

/// The Civitai orchestration consumer API, v1.
#[derive(Clone, Debug)]
pub struct Civitai {
    client: Client,
    detailed: bool,
}

impl Civitai {
    /// The production service.
    pub const BASE_URL: &'static str = consign_civitai::PRODUCTION;

    /// The production service with a token.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the token is blank or cannot stand in a header.
    pub fn new(token: impl Into<String>) -> Result<Self> {
        Self::builder().token(token).build()
    }
    /// Settings: address, credential, network.
    pub fn builder() -> CivitaiBuilder {
        CivitaiBuilder::default()
    }
    /// With a low-level client of your own making.
    pub fn from_client(client: Client) -> Self {
        Self { client, detailed: false }
    }
    /// The low-level client: every operation of the wire.
    pub fn client(&self) -> &Client {
        &self.client
    }
    /// The ticket of one provider job, by its id.
    pub fn ticket_of_job(id: &str) -> Ticket {
        Ticket::new(Self::NAME, 1, format!("id={id}"))
    }
    /// The ticket of a submission, by its token.
    pub fn ticket_of_token(token: &str) -> Ticket {
        Ticket::new(Self::NAME, 1, format!("token={token}"))
    }

    /// Whether workers can serve these models, by model as it was asked. Many models are asked for in
    /// chunks of 50.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] without a model or with a malformed one; otherwise as any call. Not repeated.
    pub async fn coverage<M: Into<Model>>(
        &self,
        models: impl IntoIterator<Item = M>,
    ) -> Result<BTreeMap<String, ProviderAssetAvailability>> {
        let models: Vec<Model> = models.into_iter().map(Into::into).collect();
        let mut bad = Violations::new();
        if models.is_empty() {
            bad.add("model", "", "at least one model");
        }
        models.iter().enumerate().for_each(|(n, model)| model.check(&format!("model[{n}]"), &mut bad));
        bad.into_result()?;
        let texts: Vec<String> = models.iter().map(|m| m.as_str().to_owned()).collect();
        let mut all = BTreeMap::new();
        for chunk in texts.chunks(MODELS_A_REQUEST) {
            let reply = self.client.v1_consumer_coverage_get(chunk, V1ConsumerCoverageGetOptions::default()).await?;
            all.extend(reply.into_value());
        }
        Ok(all)
    }
    /// How many pictures were made, and what they cost, in a period. `None`: the service's default.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if the period ends before it starts; otherwise as any call. Not repeated.
    pub async fn consumption(&self, start: Option<SystemTime>, end: Option<SystemTime>) -> Result<Consumption> {
        if let (Some(start), Some(end)) = (start, end)
            && start > end
        {
            let given = format!("{}..{}", DateTime::from(start), DateTime::from(end));
            return Err(consign_http::Error::invalid_member("startDate", given, "not after endDate").into());
        }
        let mut options = V1ConsumerConsumptionGetOptions::default();
        options.start_date = start.map(DateTime::from);
        options.end_date = end.map(DateTime::from);
        let reply = self.client.v1_consumer_consumption_get(options).await?.into_value();
        Ok(Consumption {
            images: reply.images,
            total_cost: reply.total_cost,
            start: reply.start_date,
            end: reply.end_date,
        })
    }
    /// Marks all jobs that have these properties as bad; gives how many.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] without a property; otherwise as any call. Not repeated.
    pub async fn taint_by_properties(&self, properties: Map<String, Value>, reason: &TaintReason) -> Result<i32> {
        if properties.is_empty() {
            return Err(consign_http::Error::invalid_member("properties", "", "at least one property").into());
        }
        let mut body = taint_body(reason);
        body.properties = Some(properties);
        let reply = self.client.v1_consumer_jobs_put(Some(&body), V1ConsumerJobsPutOptions::default()).await?;
        Ok(reply.into_value().jobs.unwrap_or(0))
    }

    async fn post(
        &self,
        specs: &[Template],
        options: V1ConsumerJobsPostOptions,
    ) -> Result<Option<JobStatusCollection>> {
        let template = |spec: &Template| types::JobTemplate::Unknown(spec.to_json());
        let body: SubmitBody = match specs {
            [one] => template(one).into(),
            many => many.iter().map(template).collect::<Vec<_>>().into(),
        };
        Ok(self.client.v1_consumer_jobs_post(Some(&body), options).await?.into_value())
    }
    /// The jobs of a submission; `None` if the service accepted the question without an answer.
    async fn by_token(&self, token: &str, look: Look, cx: &Cx) -> Result<Option<JobStatusCollection>> {
        let mut options = V1ConsumerJobsGetOptions::default().call(cx.call());
        options.wait = matches!(look, Look::Hold(_)).then_some(true);
        options.detailed = self.detailed.then_some(true);
        Ok(self.client.v1_consumer_jobs_get(token, options).await?.into_value())
    }
    async fn by_id(&self, id: &str, cx: &Cx) -> Result<JobStatus> {
        let mut options = V1ConsumerJobsJobIdGetOptions::default().call(cx.call());
        options.detailed = self.detailed.then_some(true);
        let reply = self.client.v1_consumer_jobs_job_id_get(id, options).await?.into_value();
        reply.into_status(id).ok_or_else(|| {
            let what = format!("the answer has no record of the job {id}");
            Error::new(ErrorKind::Decode, Delivery::Unknown, what)
        })
    }
}

/// What was made and what it cost in a period.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Consumption {
    /// How many pictures.
    pub images: Option<i32>,
    /// What they cost together, in Buzz.
    pub total_cost: Option<f64>,
    /// The period's start, as the service understood it.
    pub start: Option<DateTime>,
    /// The period's end, as the service understood it.
    pub end: Option<DateTime>,
}

/// Where a ticket leads: to all jobs of a token, or to single jobs.
enum Place<'a> {
    Token(&'a str),
    Jobs(Vec<&'a str>),
}

fn place(ticket: &Ticket) -> Result<Place<'_>> {
    match (ticket.version(), ticket.data().split_once('=')) {
        (1, Some(("token", token))) if !token.is_empty() => Ok(Place::Token(token)),
        (1, Some(("id", ids))) if !ids.is_empty() => Ok(Place::Jobs(ids.split(',').collect())),
        _ => {
            Err(consign_http::Error::invalid_member("ticket", ticket, "a ticket that this version of consign made")
                .into())
        }
    }
}

fn snapshot(jobs: JobStatusCollection) -> Snapshot<Civitai> {
    let items = jobs.jobs.iter().flatten().map(status::item).collect();
    Snapshot::new(items, jobs)
}

fn taint_body(reason: &TaintReason) -> types::TaintJobsRequest {
    let mut body = types::TaintJobsRequest::default();
    body.reason.clone_from(&reason.reason);
    body.context = (!reason.context.is_empty()).then(|| reason.context.clone());
    body
}

impl Provider for Civitai {
    const NAME: &'static str = "civitai";
    const CAPS: Caps = Caps::NONE.long_poll(HOLD).batch(ITEMS_A_TOKEN).cancel().taint().query().price().outputs();
    type Spec = Template;
    type Raw = JobStatusCollection;
    type Output = Images;
    type Query = JobQuery;

    fn http(&self) -> &consign_http::Client {
        self.client.http()
    }
    fn validate(spec: &Template) -> Violations {
        spec.violations()
    }
    fn weight(spec: &Template) -> usize {
        spec.weight()
    }
    fn submit<'a>(&'a self, specs: &'a [Template], cx: &'a Cx) -> BoxFuture<'a, Result<Submitted<Self>>> {
        Box::pin(async move {
            let made =
                self.post(specs, V1ConsumerJobsPostOptions::default().call(cx.call())).await?.unwrap_or_default();
            let ids: Vec<&str> = made.jobs.iter().flatten().filter_map(|j| j.job_id.as_deref()).collect();
            let ticket = match made.token.as_deref().filter(|t| !t.is_empty()) {
                Some(token) => Self::ticket_of_token(token),
                None if !ids.is_empty() => Self::ticket_of_job(&ids.join(",")),
                None => {
                    let what = "the service accepted the submission, but its answer names neither a token nor a job; \
                                find the jobs by their properties";
                    return Err(Error::new(ErrorKind::Decode, Delivery::Unknown, what));
                }
            };
            Ok(Submitted { ticket, snapshot: Some(snapshot(made)) })
        })
    }
    fn look<'a>(&'a self, ticket: &'a Ticket, look: Look, cx: &'a Cx) -> BoxFuture<'a, Result<Snapshot<Self>>> {
        Box::pin(async move {
            match place(ticket)? {
                Place::Token(token) => match self.by_token(token, look, cx).await? {
                    Some(jobs) => Ok(snapshot(jobs)),
                    None => {
                        let what = "the service answered 202 without a body: not finished";
                        Err(Error::new(ErrorKind::Timeout, Delivery::Unknown, what))
                    }
                },
                Place::Jobs(ids) => {
                    let mut found = Vec::with_capacity(ids.len());
                    for id in ids {
                        found.push(self.by_id(id, cx).await?);
                    }
                    let mut jobs = JobStatusCollection::default();
                    jobs.jobs = Some(found);
                    Ok(snapshot(jobs))
                }
            }
        })
    }
    fn price<'a>(&'a self, specs: &'a [Template], cx: &'a Cx) -> BoxFuture<'a, Result<Price>> {
        Box::pin(async move {
            let options = V1ConsumerJobsPostOptions::default().whatif(true).call(cx.call());
            let jobs = self.post(specs, options).await?.and_then(|c| c.jobs).unwrap_or_default();
            let costs: Option<Vec<f64>> = jobs.iter().map(|job| job.cost).collect();
            match costs.filter(|costs| !costs.is_empty()) {
                Some(costs) => Ok(Price::new(costs, "Buzz")),
                None => Err(Error::new(
                    ErrorKind::Decode,
                    Delivery::NotSent,
                    "the service told no price; nothing was submitted",
                )),
            }
        })
    }
    fn cancel<'a>(
        &'a self,
        ticket: &'a Ticket,
        item: Option<&'a str>,
        force: bool,
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            match item.map_or_else(|| place(ticket), |id| Ok(Place::Jobs(vec![id])))? {
                Place::Token(token) => {
                    let options = V1ConsumerJobsDeleteOptions::default().force(force).call(cx.call());
                    self.client.v1_consumer_jobs_delete(token, options).await?;
                }
                Place::Jobs(ids) => {
                    for id in ids {
                        let options = V1ConsumerJobsJobIdDeleteOptions::default().force(force).call(cx.call());
                        self.client.v1_consumer_jobs_job_id_delete(id, options).await?;
                    }
                }
            }
            Ok(())
        })
    }
    fn taint<'a>(
        &'a self,
        ticket: &'a Ticket,
        item: Option<&'a str>,
        reason: &'a TaintReason,
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let body = taint_body(reason);
            match item.map_or_else(|| place(ticket), |id| Ok(Place::Jobs(vec![id])))? {
                Place::Token(token) => {
                    let options = V1ConsumerJobsPutOptions::default().token(token).call(cx.call());
                    self.client.v1_consumer_jobs_put(Some(&body), options).await?;
                }
                Place::Jobs(ids) => {
                    let mut one = types::TaintJobRequest::default();
                    (one.reason, one.context) = (body.reason, body.context);
                    for id in ids {
                        let options = V1ConsumerJobsJobIdPutOptions::default().call(cx.call());
                        self.client.v1_consumer_jobs_job_id_put(id, Some(&one), options).await?;
                    }
                }
            }
            Ok(())
        })
    }
    fn query<'a>(
        &'a self,
        query: &'a JobQuery,
        cursor: Option<&'a str>,
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<Page<Self>>> {
        Box::pin(async move {
            query.violations().into_result()?;
            let mut options = V1ConsumerJobsQueryPostOptions::default().call(cx.call());
            options.detailed = query.is_detailed().then_some(true);
            let page =
                self.client.v1_consumer_jobs_query_post(Some(&query.to_wire(cursor)), options).await?.into_value();
            let found = page.jobs.into_iter().flatten().filter_map(|job| {
                let ticket = Self::ticket_of_job(job.job_id.as_deref()?);
                let mut jobs = JobStatusCollection::default();
                jobs.jobs = Some(vec![job]);
                Some((ticket, snapshot(jobs)))
            });
            Ok(Page { jobs: found.collect(), next: page.cursor })
        })
    }
    fn outputs(job: &Job, snapshot: &Snapshot<Self>) -> Images {
        Images::of(job, snapshot)
    }
}

impl Batch for Civitai {}
impl Cancel for Civitai {}
impl Taint for Civitai {}
impl Query for Civitai {}
impl Priced for Civitai {}
impl Outputs for Civitai {}

impl FromEnv for Civitai {
    /// `CIVITAI_API_TOKEN`: the token, required. `CIVITAI_BASE_URL`: another address, optional.
    fn from_env() -> Result<Self> {
        let token = std::env::var(consign_civitai::TOKEN_VARIABLE).map_err(|_| {
            consign_http::Error::config(
                "the environment variable CIVITAI_API_TOKEN is not set (an API token of your Civitai account)",
            )
        })?;
        let mut builder = Self::builder().token(token);
        if let Ok(url) = std::env::var(consign_civitai::BASE_URL_VARIABLE) {
            builder = builder.base_url(url);
        }
        builder.build()
    }
}

/// Settings of a [`Civitai`] being made.
#[derive(Debug, Default)]
pub struct CivitaiBuilder {
    base_url: Option<String>,
    token: Option<std::result::Result<Token, consign_http::Error>>,
    credentials: Option<Arc<dyn Credentials>>,
    transport: Option<Arc<dyn Transport>>,
    network: NetworkSettings,
    clock: Option<Arc<dyn Clock>>,
    timeout: Option<Duration>,
    detailed: bool,
}

impl CivitaiBuilder {
    /// Another address: scheme, host and port. Default: [`Civitai::BASE_URL`].
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }
    /// The API token of the account.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Token::new(token));
        self
    }
    /// Where tokens come from, in place of a fixed one.
    #[must_use]
    pub fn credentials(mut self, source: impl Credentials) -> Self {
        self.credentials = Some(Arc::new(source));
        self
    }
    /// Another transport than the network, such as a simulator in the process.
    #[must_use]
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }
    /// Proxy, certificates, User-Agent.
    #[must_use]
    pub fn network(mut self, settings: NetworkSettings) -> Self {
        self.network = settings;
        self
    }
    /// Another clock, for tests.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }
    /// The time limit of a call that the server does not hold. Default: 30 s.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }
    /// Whether records include each job's definition. Default: no.
    #[must_use]
    pub fn detailed(mut self, detailed: bool) -> Self {
        self.detailed = detailed;
        self
    }
    /// The provider.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the address, the token or the network settings cannot be used, or no
    /// token was given.
    pub fn build(self) -> Result<Civitai> {
        let mut http = Client::builder(self.base_url.as_deref().unwrap_or(Civitai::BASE_URL))?.network(self.network);
        http = match (self.credentials, self.token) {
            (Some(source), _) => http.credentials(source),
            (None, Some(token)) => http.token(token?),
            (None, None) => {
                return Err(consign_http::Error::config(
                    "no token: give one, or set CIVITAI_API_TOKEN and use from_env",
                )
                .into());
            }
        };
        if let Some(transport) = self.transport {
            http = http.shared_transport(transport);
        }
        if let Some(clock) = self.clock {
            http = http.clock(clock);
        }
        if let Some(limit) = self.timeout {
            http = http.timeout(limit);
        }
        Ok(Civitai { client: Client::from_http(http.build()?), detailed: self.detailed })
    }
}

impl From<Civitai> for Jobs<Civitai> {
    fn from(provider: Civitai) -> Self {
        Jobs::new(provider)
    }
}

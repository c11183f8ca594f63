//! The adapter: Civitai's operations as the engine's.
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use consign_civitai::types::{self, JobStatus, JobStatusCollection, ProviderAssetAvailability};
use consign_civitai::wire::SubmitBody;
use consign_civitai::{
    Client, V1ConsumerConsumptionGetOptions, V1ConsumerCoverageGetOptions, V1ConsumerJobsDeleteOptions,
    V1ConsumerJobsGetOptions, V1ConsumerJobsJobIdDeleteOptions, V1ConsumerJobsJobIdGetOptions,
    V1ConsumerJobsJobIdPutOptions, V1ConsumerJobsPostOptions, V1ConsumerJobsPutOptions, V1ConsumerJobsQueryPostOptions,
};
use consign_core::{
    Artifact, Batch, BoxFuture, Cancel, Caps, Cx, Delivery, ErrorKind, Look, Outputs, Page, Price, Priced, Provider,
    Query, Result, Snapshot, Submitted, Taint, TaintReason, Ticket, Violations,
};
use consign_http::{DateTime, Error, Failure, Reply};
use serde_json::{Map, Value};

use super::{CivitaiBuilder, Images, Job, JobQuery, Model, Template, shown, status};

/// How long a read may be held. The service's own limit is about 100 s; ours only cuts one that hangs.
const HOLD: Duration = Duration::from_secs(120);
/// A token grows by about 52 characters a job and is sent in the query.
const ITEMS_A_TOKEN: usize = 100;
/// What to do when the answer to a submission names no job.
const LOST: &str = "the job may exist: query for a property that it was given, or look at the account, before \
                    submitting it again";
/// How many models fit into one coverage request.
const MODELS_A_REQUEST: usize = 50;

/// The Civitai orchestration consumer API, v1.
#[derive(Clone, Debug)]
pub struct Civitai {
    pub(super) client: Client,
    pub(super) detailed: bool,
}

impl Civitai {
    /// The production service.
    pub const BASE_URL: &'static str = consign_civitai::PRODUCTION;
    /// The provider's development service.
    pub const DEVELOPMENT_URL: &'static str = consign_civitai::DEVELOPMENT;

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
    /// With a low-level client of your own making; its time limits hold.
    pub fn from_client(client: Client) -> Self {
        Self { client, detailed: false }
    }
    /// The low-level client: every operation of the wire.
    pub fn client(&self) -> &Client {
        &self.client
    }
    /// The ticket of one provider job, by its id. A blank one is refused when the ticket is used.
    ///
    /// The service holds no read by id: waiting for such a job polls.
    pub fn ticket_of_job(id: &str) -> Ticket {
        Ticket::new(Self::NAME, 1, format!("id={id}"))
    }
    /// The ticket of a submission, by its token. A blank one is refused when the ticket is used.
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
    /// How many pictures were made, and what they cost in Buzz, in a period. `None`: the service's default.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if the period ends before it starts; otherwise as any call. Not repeated.
    pub async fn consumption(&self, start: Option<SystemTime>, end: Option<SystemTime>) -> Result<Consumption> {
        if let (Some(start), Some(end)) = (start, end)
            && start > end
        {
            let given = format!("{}..{}", DateTime::from(start), DateTime::from(end));
            return Err(Error::invalid_member("startDate", given, "not after endDate").into());
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
    /// [`ErrorKind::InvalidRequest`] without a property or with a blank name; otherwise as any call. Not repeated.
    pub async fn taint_by_properties(&self, properties: Map<String, Value>, reason: &TaintReason) -> Result<i32> {
        if properties.is_empty() || properties.keys().any(|name| name.trim().is_empty()) {
            return Err(Error::invalid_member("properties", "", "at least one property, none with a blank name").into());
        }
        let mut body = taint_body(reason);
        body.properties = Some(properties);
        let reply = self.client.v1_consumer_jobs_put(Some(&body), V1ConsumerJobsPutOptions::default()).await?;
        Ok(reply.into_value().jobs.unwrap_or(0))
    }

    /// Submits, or asks for a price. `enough` says whether an answer tells what was asked for.
    async fn post(
        &self,
        specs: &[Template],
        options: V1ConsumerJobsPostOptions,
        enough: fn(&JobStatusCollection) -> Result<(), &'static str>,
    ) -> Result<JobStatusCollection, Error> {
        let template = |spec: &Template| types::JobTemplate::Unknown(spec.to_json());
        let body: SubmitBody = match specs {
            [one] => template(one).into(),
            many => many.iter().map(template).collect::<Vec<_>>().into(),
        };
        let sent = self.client.v1_consumer_jobs_post(Some(&body), options).await;
        let made = sent.and_then(|reply| {
            let nothing = JobStatusCollection::default();
            match enough(reply.value.as_ref().unwrap_or(&nothing)) {
                Ok(()) => Ok(reply.into_value().unwrap_or_default()),
                Err(lack) => Err(complaint(&reply).unwrap_or_else(|| reply.unusable(lack))),
            }
        });
        // The service may repeat in its complaint what a callback's address has for a secret.
        let secrets = || specs.iter().filter_map(Template::callback).flat_map(shown::query_values);
        made.map_err(|error| secrets().fold(error, Error::redacted).for_operation("v1_consumer_jobs_post"))
    }
    /// The jobs of a submission.
    async fn by_token(&self, token: &str, look: Look, cx: &Cx) -> Result<JobStatusCollection, Error> {
        let mut options = V1ConsumerJobsGetOptions::default().call(cx.call());
        options.wait = matches!(look, Look::Hold(_)).then_some(true);
        options.detailed = self.detailed.then_some(true);
        let reply = self.client.v1_consumer_jobs_get(token, options).await?;
        let error = match &reply.value {
            Some(jobs) if token_of(jobs).or(ids_of(jobs).next()).is_none() => complaint(&reply),
            Some(_) => None,
            None => {
                let what = "the service accepted the question without an answer: not finished";
                let error = Error::new(ErrorKind::Timeout, Delivery::Unknown, what);
                Some(error.with_answer(reply.status(), reply.headers().clone(), b""))
            }
        };
        match error {
            Some(error) => Err(error.on_read().for_operation("v1_consumer_jobs_get")),
            None => Ok(reply.into_value().unwrap_or_default()),
        }
    }
    async fn by_id(&self, id: &str, cx: &Cx) -> Result<JobStatus, Error> {
        let mut options = V1ConsumerJobsJobIdGetOptions::default().call(cx.call());
        options.detailed = self.detailed.then_some(true);
        let reply = self.client.v1_consumer_jobs_job_id_get(id, options).await?.map(|answer| answer.into_status(id));
        let error = match &reply.value {
            Some(status) if status.job_id.is_some() => None,
            Some(_) => complaint(&reply),
            None => complaint(&reply).or_else(|| Some(reply.unusable(format!("no record of the job {id} came")))),
        };
        match error {
            Some(error) => Err(error.on_read().for_operation("v1_consumer_jobs_job_id_get")),
            None => Ok(reply.into_value().unwrap_or_default()),
        }
    }
}

/// The error in an answer that has a success status and tells of no job.
fn complaint<T>(reply: &Reply<T>) -> Option<Error> {
    let failure = Failure { status: reply.status(), headers: reply.headers(), body: reply.raw() };
    consign_civitai::read_error(&failure).message.map(|said| reply.unusable(said))
}

fn token_of(answer: &JobStatusCollection) -> Option<&str> {
    answer.token.as_deref().filter(|token| !token.trim().is_empty())
}
fn ids_of(answer: &JobStatusCollection) -> impl Iterator<Item = &str> {
    answer.jobs.iter().flatten().filter_map(|job| job.job_id.as_deref())
}
/// The token in the beginning of a successful answer that cannot be read as a whole.
fn token_in(error: &Error) -> Option<String> {
    let read = error.kind() == ErrorKind::Decode && error.status().is_some_and(|s| (200..300).contains(&s));
    let body = Some(error.body()).filter(|_| read)?;
    let token = match serde_json::from_str::<Map<String, Value>>(body) {
        Ok(answer) => answer.get("token")?.as_str()?.to_owned(),
        // Cut short: the service writes the token first.
        Err(_) => {
            let rest = body.trim_start().strip_prefix("{\"token\":")?;
            serde_json::Deserializer::from_str(rest).into_iter::<String>().next()?.ok()?
        }
    };
    Some(token).filter(|token| !token.trim().is_empty())
}
/// The price of each job; `None` if one of them has none.
fn costs_of(answer: &JobStatusCollection) -> Option<Vec<f64>> {
    answer.jobs.iter().flatten().map(|job| job.cost).collect::<Option<Vec<_>>>().filter(|costs| !costs.is_empty())
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
    Jobs(Vec<Cow<'a, str>>),
}

fn place(ticket: &Ticket) -> Result<Place<'_>> {
    let bad = |allowed| Err(Error::invalid_member("ticket", ticket, allowed).into());
    let (kind, text) = ticket.data().split_once('=').unwrap_or((ticket.data(), ""));
    match (ticket.version(), kind) {
        (1, "token" | "id") if text.trim().is_empty() => bad("a token or a job id that is not blank"),
        (1, "token") => Ok(Place::Token(text)),
        (1, "id") => Ok(Place::Jobs(vec![text.into()])),
        (1, "ids") => match serde_json::from_str::<Vec<String>>(text) {
            Ok(ids) if !ids.is_empty() => Ok(Place::Jobs(ids.into_iter().map(Cow::from).collect())),
            _ => bad("a list of job ids"),
        },
        _ => bad("a ticket that this version of consign made"),
    }
}

/// The place of one item, or of the whole.
fn place_of<'a>(ticket: &'a Ticket, item: Option<&'a str>) -> Result<Place<'a>> {
    item.map_or_else(|| place(ticket), |id| Ok(Place::Jobs(vec![id.into()])))
}

fn snapshot(jobs: JobStatusCollection) -> Snapshot<Civitai> {
    // Of a slice, so that as many places are made as there are items: a watch keeps them.
    let items = jobs.jobs.as_deref().unwrap_or_default().iter().map(status::item).collect();
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
    type Filter = ();

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
            let findable = |made: &JobStatusCollection| match token_of(made).or(ids_of(made).next()) {
                Some(_) => Ok(()),
                None => Err("the service accepted it, but its answer names neither a token nor a job"),
            };
            let options = V1ConsumerJobsPostOptions::default().call(cx.call());
            let made = match self.post(specs, options, findable).await {
                Ok(made) => made,
                Err(error) => {
                    // The job is there, so a token is worth more than the rest of an answer that cannot be read.
                    if let Some(token) = token_in(&error) {
                        return Ok(Submitted { ticket: Self::ticket_of_token(&token), snapshot: None });
                    }
                    let lost = error.kind() == ErrorKind::Decode && error.status().is_some();
                    return Err(if lost { error.with_advice(LOST) } else { error }.into());
                }
            };
            let ticket = match token_of(&made) {
                Some(token) => Self::ticket_of_token(token),
                None => match &ids_of(&made).collect::<Vec<_>>()[..] {
                    [id] => Self::ticket_of_job(id),
                    ids => Ticket::new(Self::NAME, 1, format!("ids={}", Value::from(ids))),
                },
            };
            Ok(Submitted { ticket, snapshot: Some(snapshot(made)) })
        })
    }
    /// A read by id is never held.
    fn hold(ticket: &Ticket) -> Option<Duration> {
        if matches!(place(ticket), Ok(Place::Token(_))) { Self::CAPS.long_poll } else { None }
    }
    fn look<'a>(&'a self, ticket: &'a Ticket, look: Look, cx: &'a Cx) -> BoxFuture<'a, Result<Snapshot<Self>>> {
        Box::pin(async move {
            let jobs = match place(ticket)? {
                Place::Token(token) => self.by_token(token, look, cx).await?,
                Place::Jobs(ids) => {
                    let mut found = Vec::with_capacity(ids.len());
                    for id in ids {
                        found.push(self.by_id(&id, cx).await?);
                    }
                    let mut jobs = JobStatusCollection::default();
                    jobs.jobs = Some(found);
                    jobs
                }
            };
            Ok(snapshot(jobs))
        })
    }
    fn price<'a>(&'a self, specs: &'a [Template], cx: &'a Cx) -> BoxFuture<'a, Result<Price>> {
        Box::pin(async move {
            let options = V1ConsumerJobsPostOptions::default().whatif(true).call(cx.call());
            // Whatever happened to the question, no job came of it.
            let harmless = |e: Error| match e.delivery() {
                Delivery::NotSent => e,
                _ => e.on_read().with_delivery(Delivery::Rejected),
            };
            let priced = |made: &JobStatusCollection| match costs_of(made) {
                Some(_) => Ok(()),
                None => Err("the service told no price"),
            };
            let answer = self.post(specs, options, priced).await.map_err(harmless)?;
            Ok(Price::new(costs_of(&answer).unwrap_or_default(), "Buzz"))
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
            match place_of(ticket, item)? {
                Place::Token(token) => {
                    let options = V1ConsumerJobsDeleteOptions::default().force(force).call(cx.call());
                    self.client.v1_consumer_jobs_delete(token, options).await?;
                }
                Place::Jobs(ids) => {
                    // Those that are gone already need no cancelling, unless all of them are.
                    let (mut missing, mut cancelled) = (None, false);
                    for id in ids {
                        let options = V1ConsumerJobsJobIdDeleteOptions::default().force(force).call(cx.call());
                        match self.client.v1_consumer_jobs_job_id_delete(&id, options).await {
                            Ok(_) => cancelled = true,
                            Err(error) if error.kind() == ErrorKind::NotFound => missing = Some(error),
                            Err(error) => return Err(error.into()),
                        }
                    }
                    if let Some(error) = missing.filter(|_| !cancelled) {
                        return Err(error.into());
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
            match place_of(ticket, item)? {
                Place::Token(token) => {
                    let options = V1ConsumerJobsPutOptions::default().token(token).call(cx.call());
                    self.client.v1_consumer_jobs_put(Some(&body), options).await?;
                }
                Place::Jobs(ids) => {
                    let mut one = types::TaintJobRequest::default();
                    (one.reason, one.context) = (body.reason, body.context);
                    for id in ids {
                        let options = V1ConsumerJobsJobIdPutOptions::default().call(cx.call());
                        self.client.v1_consumer_jobs_job_id_put(&id, Some(&one), options).await?;
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
            options.detailed = (query.is_detailed() || self.detailed).then_some(true);
            let page =
                self.client.v1_consumer_jobs_query_post(Some(&query.to_wire(cursor)), options).await?.into_value();
            let found = page.jobs.into_iter().flatten().filter_map(|job| {
                let ticket = Self::ticket_of_job(job.job_id.as_deref()?);
                let mut jobs = JobStatusCollection::default();
                jobs.jobs = Some(vec![job]);
                Some((ticket, snapshot(jobs)))
            });
            Ok(Page::new(found.collect(), page.cursor))
        })
    }
    fn outputs(job: &Job, snapshot: &Snapshot<Self>) -> Images {
        Images::of(job, snapshot)
    }
    fn artifacts(job: &Job, snapshot: &Snapshot<Self>) -> Vec<Artifact> {
        Images::of(job, snapshot).images().iter().map(|image| image.artifact().clone()).collect()
    }
}

impl Batch for Civitai {}
impl Cancel for Civitai {}
impl Taint for Civitai {}
impl Query for Civitai {}
impl Priced for Civitai {}
impl Outputs for Civitai {}

//! The operations: from a request to what is done and answered.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::errors::{self, Fields, Refused};
use super::submit::Refusal;
use super::world::World;
use super::{Inner, Reader, answers, templates};
use crate::chance::{chance, hash};
use crate::clock::parse_date;

/// An operation, with the job id of its path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    Submit,
    Get,
    Taint,
    Cancel,
    GetJob(String),
    TaintJob(String),
    CancelJob(String),
    Query,
    Coverage,
    Consumption,
    Requests,
    Unknown,
}

/// The operation of a request, and its name in the ledger.
pub(crate) fn route(request: &Request<Bytes>) -> (Target, &'static str) {
    let path = request.uri().path();
    let rest = path.strip_prefix("/v1/consumer/").unwrap_or_default();
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let job = || match rest.strip_prefix("jobs/") {
        Some(id) if !id.is_empty() && !id.contains('/') => {
            Some(percent_decode_str(id).decode_utf8_lossy().into_owned())
        }
        _ => None,
    };
    match (request.method(), rest, job()) {
        (&Method::POST, "jobs", _) => (Target::Submit, "v1_consumer_jobs_post"),
        (&Method::GET, "jobs", _) => (Target::Get, "v1_consumer_jobs_get"),
        (&Method::PUT, "jobs", _) => (Target::Taint, "v1_consumer_jobs_put"),
        (&Method::DELETE, "jobs", _) => (Target::Cancel, "v1_consumer_jobs_delete"),
        (&Method::POST, "jobs/query", _) => (Target::Query, "v1_consumer_jobs_query_post"),
        (&Method::GET, "coverage", _) => (Target::Coverage, "v1_consumer_coverage_get"),
        (&Method::GET, "consumption", _) => (Target::Consumption, "v1_consumer_consumption_get"),
        (&Method::GET, "requests", _) => (Target::Requests, "v1_consumer_requests_get"),
        (&Method::GET, _, Some(id)) => (Target::GetJob(id), "v1_consumer_jobs_job_id_get"),
        (&Method::PUT, _, Some(id)) => (Target::TaintJob(id), "v1_consumer_jobs_job_id_put"),
        (&Method::DELETE, _, Some(id)) => (Target::CancelJob(id), "v1_consumer_jobs_job_id_delete"),
        _ => (Target::Unknown, "unknown"),
    }
}

/// The query of a request, decoded.
struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    fn new(query: &'a str) -> Self {
        let decode = |text: &'a str| -> Cow<'a, str> {
            if text.contains('+') {
                return percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned().into();
            }
            percent_decode_str(text).decode_utf8_lossy()
        };
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (decode(k), decode(v))).collect(),
        )
    }

    /// The first value that is not empty.
    fn get(&self, name: &str) -> Option<&str> {
        self.all(name).find(|value| !value.is_empty())
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool, Fields> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(Fields::one(name, format!("The value '{other}' is not valid."))),
        }
    }
}

/// An answer, or a refusal on the way to it.
type Answer = Result<Response<Bytes>, Refused>;

/// What one operation works with.
struct Work<'a> {
    inner: &'a Arc<Inner>,
    entry: u64,
    account: usize,
    query: Query<'a>,
    request: &'a Request<Bytes>,
    blob_url: &'a str,
}

/// Carries out one request.
pub(crate) async fn answer(
    inner: &Arc<Inner>,
    entry: u64,
    target: Target,
    request: Request<Bytes>,
    blob_url: &str,
) -> Response<Bytes> {
    if target == Target::Unknown {
        return errors::empty(StatusCode::NOT_FOUND);
    }
    let Some(account) = account(inner, &request) else { return errors::empty(StatusCode::UNAUTHORIZED) };
    inner.front.ledger.amend(entry, |e| e.account = Some(inner.with(|w| w.settings.accounts[account].name.clone())));
    let query = Query::new(request.uri().query().unwrap_or_default());
    let work = Work { inner, entry, account, query, request: &request, blob_url };
    let answer = match target {
        Target::Submit => work.submit().await,
        Target::Get => work.get().await,
        Target::Taint => work.taint(),
        Target::Cancel => work.cancel(),
        Target::GetJob(id) => work.get_job(&id),
        Target::TaintJob(id) => work.taint_job(&id),
        Target::CancelJob(id) => work.cancel_job(&id),
        Target::Query => work.query_jobs(),
        Target::Coverage => work.coverage(),
        Target::Consumption => work.consumption(),
        Target::Requests => work.requests(),
        Target::Unknown => Err(errors::not_found()),
    };
    answer.unwrap_or_else(|refusal| *refusal)
}

/// The account whose token came with a request.
fn account(inner: &Inner, request: &Request<Bytes>) -> Option<usize> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || inner.front.faults.refuses(token) {
        return None;
    }
    inner.with(|world| {
        let takes = |tokens: &[String]| tokens.is_empty() || tokens.iter().any(|t| t == token);
        world.settings.accounts.iter().position(|account| takes(&account.tokens))
    })
}

impl Work<'_> {
    /// The body as JSON. None: there is none.
    fn body(&self) -> Result<Option<Value>, Refused> {
        let body = self.request.body();
        if body.is_empty() {
            return Ok(None);
        }
        let media = self.request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if media != "application/json" && media != "text/json" && !media.ends_with("+json") {
            return Err(errors::problem(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Null) => Ok(None),
            Ok(json) => Ok(Some(json)),
            Err(e) => Err(Fields::one("$", format!("The body is not valid JSON: {e}.")).response()),
        }
    }

    /// The members of an optional body that must be an object.
    fn members(&self) -> Result<Map<String, Value>, Refused> {
        match self.body()? {
            None => Ok(Map::new()),
            Some(Value::Object(members)) => Ok(members),
            Some(_) => Err(Fields::one("$", "The JSON value could not be converted to an object.").response()),
        }
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool, Refused> {
        self.query.flag(name, default).map_err(|fields| fields.response())
    }

    fn reader(&self, now: Duration, detailed: bool, submitting: bool) -> Reader<'_> {
        Reader { now, detailed, submitting, blob_url: self.blob_url }
    }

    /// A job of this account by its id.
    fn find(&self, world: &World, id: &str) -> Result<usize, Refused> {
        let job = world.by_id.get(id).copied();
        let own = job.filter(|job| world.jobs[*job].account == self.account && !world.jobs[*job].forgotten);
        own.ok_or_else(errors::not_found)
    }

    /// The jobs of the token in the query.
    fn jobs(&self, world: &World) -> Result<Vec<usize>, Refused> {
        let token = self.query.get("token");
        let token = token.ok_or_else(|| Fields::one("token", "The token field is required.").response())?;
        let ids = answers::token_ids(token).ok_or_else(|| errors::bad_request("The token is malformed"))?;
        ids.iter().map(|id| self.find(world, id)).collect()
    }

    async fn submit(&self) -> Answer {
        let (wait, detailed) = (self.flag("wait", false)?, self.flag("detailed", false)?);
        let (whatif, charge) = (self.flag("whatif", false)?, self.flag("charge", true)?);
        let body = self.body()?.ok_or_else(|| Fields::one("", "A non-empty request body is required.").response())?;
        let templates = templates::read(&body).map_err(|fields| fields.response())?;
        if whatif {
            let price = |t: &templates::Template| json!({"jobId": null, "cost": t.cost, "scheduled": false});
            let jobs: Vec<Value> = templates.iter().flat_map(|t| vec![price(t); t.quantity]).collect();
            return Ok(errors::json(StatusCode::OK, &json!({"token": null, "jobs": jobs})));
        }
        let (now, jobs) = self.inner.change(|world, now| {
            let made = world.submit(now, self.account, templates, self.request.body(), charge);
            let submission = &world.submissions[made.map_err(|refusal| match refusal {
                Refusal::Fields(fields) => fields.response(),
                Refusal::NoCredit => errors::insufficient_credit(),
            })?];
            let ids: Vec<String> = submission.jobs.iter().map(|job| world.jobs[*job].id.clone()).collect();
            self.inner.front.ledger.made(self.entry, &ids);
            Ok::<_, Refused>((now, submission.jobs.clone()))
        })?;
        if wait {
            return Ok(self.hold(&jobs, now, detailed).await);
        }
        let (status, empty) = self.inner.with(|w| (w.settings.accept_status, w.settings.shape.accepted_without_body));
        if empty {
            return Ok(errors::empty(StatusCode::ACCEPTED));
        }
        let status = if status == 202 { StatusCode::ACCEPTED } else { StatusCode::OK };
        let reader = self.reader(now, detailed, true);
        Ok(errors::json(status, &self.inner.with(|world| answers::collection(world, &jobs, &reader))))
    }

    async fn get(&self) -> Answer {
        let (wait, detailed) = (self.flag("wait", false)?, self.flag("detailed", false)?);
        let (now, jobs) = self.inner.look(|world, now| Ok::<_, Refused>((now, self.jobs(world)?)))?;
        if wait {
            return Ok(self.hold(&jobs, now, detailed).await);
        }
        let reader = self.reader(now, detailed, false);
        Ok(errors::json(StatusCode::OK, &self.inner.with(|world| answers::collection(world, &jobs, &reader))))
    }

    /// Waits until the jobs have ended, but not for ever, and answers with their statuses.
    async fn hold(&self, jobs: &[usize], now: Duration, detailed: bool) -> Response<Bytes> {
        self.inner.wait(jobs, now).await;
        self.inner.look(|world, now| {
            let done = jobs.iter().all(|job| world.jobs[*job].ended());
            let status = if done { StatusCode::OK } else { StatusCode::ACCEPTED };
            if !done && *self.request.method() == Method::POST && world.settings.shape.accepted_without_body {
                return errors::empty(status);
            }
            errors::json(status, &answers::collection(world, jobs, &self.reader(now, detailed, false)))
        })
    }

    fn taint(&self) -> Answer {
        let members = self.members()?;
        let wanted = members.get("properties").and_then(Value::as_object).filter(|wanted| !wanted.is_empty());
        let token = self.query.get("token");
        if token.is_none() && wanted.is_none() {
            return Err(errors::model_state("token", None, "A token or properties are required"));
        }
        if let Some(token) = token.filter(|token| answers::token_ids(token).is_none()) {
            return Err(errors::model_state("token", Some(token), "The token is invalid"));
        }
        let tainted = self.inner.change(|world, _| {
            let mut jobs: Vec<usize> = match token {
                Some(_) => self.jobs(world)?,
                None => (0..world.jobs.len()).filter(|job| self.sees(world, *job)).collect(),
            };
            if let Some(wanted) = wanted {
                jobs.retain(|job| matches(&world.jobs[*job].properties, wanted));
            }
            jobs.iter().for_each(|job| taint(world, *job, &members));
            Ok::<_, Refused>(jobs.len())
        })?;
        Ok(errors::json(StatusCode::OK, &json!({"jobs": tainted})))
    }

    fn taint_job(&self, id: &str) -> Answer {
        let members = self.members()?;
        self.inner.change(|world, _| {
            let job = self.find(world, id)?;
            taint(world, job, &members);
            Ok(errors::empty(StatusCode::OK))
        })
    }

    fn cancel(&self) -> Answer {
        let force = self.flag("force", true)?;
        self.inner.change(|world, now| {
            self.jobs(world)?.into_iter().for_each(|job| world.cancel(job, now, force));
            Ok(errors::empty(StatusCode::OK))
        })
    }

    fn cancel_job(&self, id: &str) -> Answer {
        let force = self.flag("force", true)?;
        self.inner.change(|world, now| {
            let job = self.find(world, id)?;
            world.cancel(job, now, force);
            Ok(errors::empty(StatusCode::OK))
        })
    }

    fn get_job(&self, id: &str) -> Answer {
        let detailed = self.flag("detailed", false)?;
        self.inner.look(|world, now| {
            let job = self.find(world, id)?;
            let reader = self.reader(now, detailed, false);
            let body = if world.settings.shape.job_as_collection {
                answers::collection(world, &[job], &reader)
            } else {
                answers::status(world, job, &reader)
            };
            Ok(errors::json(StatusCode::OK, &body))
        })
    }

    fn sees(&self, world: &World, job: usize) -> bool {
        world.jobs[job].account == self.account && !world.jobs[job].forgotten
    }

    /// Newest first; a cursor names the last job of the page before.
    fn query_jobs(&self) -> Answer {
        let detailed = self.flag("detailed", false)?;
        let members = self.members()?;
        let text = |name: &str| members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let nothing = Map::new();
        let wanted = match members.get("properties") {
            None | Some(Value::Null) => &nothing,
            Some(Value::Object(wanted)) => wanted,
            Some(_) => return Err(Fields::one("properties", "The JSON value could not be converted.").response()),
        };
        self.inner.look(|world, now| {
            let before = match text("cursor") {
                None => world.jobs.len(),
                Some(cursor) => after(world, cursor).ok_or_else(|| errors::bad_request("The cursor is malformed"))?,
            };
            let fits = |job: &usize| {
                let kind = world.jobs[*job].template.kind.job_type;
                self.sees(world, *job)
                    && text("jobType").is_none_or(|wanted| wanted == kind)
                    && matches(&world.jobs[*job].properties, wanted)
            };
            let page: Vec<usize> = (0..before).rev().filter(fits).take(world.settings.page + 1).collect();
            let shown = &page[..page.len().min(world.settings.page)];
            let last = shown.last().filter(|_| page.len() > shown.len());
            let cursor = last.map(|job| BASE64.encode(json!({"after": world.jobs[*job].id}).to_string()));
            let reader = self.reader(now, detailed, false);
            let jobs: Vec<Value> = shown.iter().map(|job| answers::status(world, *job, &reader)).collect();
            Ok(errors::json(StatusCode::OK, &json!({"cursor": cursor, "jobs": jobs})))
        })
    }

    fn coverage(&self) -> Answer {
        let models: Vec<&str> = self.query.all("model").filter(|model| !model.is_empty()).collect();
        if models.is_empty() {
            return Err(Fields::one("model", "The model field is required.").response());
        }
        let one = |model: &str| {
            let set = self.inner.with(|w| w.settings.coverage.iter().rev().find(|(m, ..)| m == model).cloned());
            let (availability, workers) = set.map_or_else(|| covered(model), |(_, word, workers)| (word, workers));
            (model.to_owned(), json!({"availability": availability, "workers": workers}))
        };
        let body: Map<String, Value> = models.into_iter().map(one).collect();
        Ok(errors::json(StatusCode::OK, &Value::Object(body)))
    }

    fn consumption(&self) -> Answer {
        let date = |name: &str| match self.query.get(name) {
            None => Ok(None),
            // An offset's plus sign that was not encoded came as a blank.
            Some(text) => match parse_date(&text.replace(' ', "+")) {
                Some(date) => Ok(Some((date, text.replace(' ', "+")))),
                None => Err(Fields::one(name, format!("The value '{text}' is not valid.")).response()),
            },
        };
        let (start, end) = (date("startDate")?, date("endDate")?);
        self.inner.look(|world, now| {
            let within = |at: Duration| {
                let at = world.clock.date(at);
                start.as_ref().is_none_or(|(date, _)| at >= *date) && end.as_ref().is_none_or(|(date, _)| at <= *date)
            };
            let own = world.jobs.iter().filter(|job| job.account == self.account && within(job.created));
            let (mut images, mut cost) = (0, 0.0);
            for job in own {
                images += if world.blobs_ready(job, now) { job.blobs.len() } else { 0 };
                cost += if world.submissions[job.submission].charged { job.template.cost } else { 0.0 };
            }
            let text = |date: &Option<(jiff::Timestamp, String)>| date.as_ref().map(|(_, text)| text.clone());
            let body = json!({"images": images, "totalCost": cost, "startDate": text(&start), "endDate": text(&end)});
            Ok(errors::json(StatusCode::OK, &body))
        })
    }

    /// Newest first. How clients send the cursor back is not known: its JSON and its id alone are taken.
    fn requests(&self) -> Answer {
        let refuse =
            |name: &str, value: &str| Fields::one(name, format!("The value '{value}' is not valid.")).response();
        let take = match self.query.get("take") {
            None => 20,
            Some(text) => text.parse().ok().filter(|n| (1..=1000).contains(n)).ok_or_else(|| refuse("take", text))?,
        };
        self.inner.look(|world, _| {
            let before = match self.query.get("cursor") {
                None => world.submissions.len(),
                Some(text) => {
                    let json: Option<Value> = serde_json::from_str(text).ok();
                    let id = json.as_ref().and_then(|json| json.get("nextId")).and_then(Value::as_str).unwrap_or(text);
                    let next = world.submissions.iter().position(|submission| submission.id == id);
                    next.map(|next| next + 1).ok_or_else(|| refuse("cursor", text))?
                }
            };
            let mut own = (0..before).rev().filter(|s| world.submissions[*s].account == self.account);
            let one = |s: usize| {
                let submission = &world.submissions[s];
                let job = |job: &usize| {
                    let last = world.jobs[*job].last.as_ref().map(|last| answers::event(world, *job, last));
                    json!({"job": answers::definition(world, &world.jobs[*job]), "lastEvent": last})
                };
                let jobs: Vec<Value> = submission.jobs.iter().map(job).collect();
                json!({"dateTime": world.clock.text(submission.at), "jobs": jobs})
            };
            let page: Vec<Value> = own.by_ref().take(take).map(one).collect();
            let cursor = own.next().map(|s| {
                let next = &world.submissions[s];
                json!({"nextDateTime": world.clock.text(next.at), "nextId": next.id})
            });
            Ok(errors::json(StatusCode::OK, &json!({"cursor": cursor, "requests": page})))
        })
    }
}

fn taint(world: &mut World, job: usize, members: &Map<String, Value>) {
    let context = members.get("context").filter(|context| !context.is_null());
    world.taint(job, members.get("reason").and_then(Value::as_str), context);
}

/// The job number up to which a cursor has read.
fn after(world: &World, cursor: &str) -> Option<usize> {
    let json: Value = serde_json::from_slice(&BASE64.decode(cursor).ok()?).ok()?;
    world.by_id.get(json.get("after")?.as_str()?).copied()
}

/// Whether a job has all these properties, with equal values.
fn matches(properties: &Map<String, Value>, wanted: &Map<String, Value>) -> bool {
    wanted.iter().all(|(name, value)| properties.get(name).is_some_and(|own| equal(own, value)))
}

/// Equality of JSON by value: 7 and 7.0 are the same number.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || (x.is_f64() != y.is_f64() && x.as_f64() == y.as_f64()),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| equal(x, y)),
        (Value::Object(x), Value::Object(y)) => x.len() == y.len() && matches(x, y),
        _ => a == b,
    }
}

/// Coverage of a model that the test did not set: decided by its text.
fn covered(model: &str) -> (String, u32) {
    let mut rng = chance(hash(model.as_bytes()), 2);
    let (word, workers) = match rng.u32(0..10) {
        _ if !model.contains(':') && !model.starts_with('@') => ("Unknown", 0),
        0 => ("Unavailable", 0),
        1 => ("Unsupported", 0),
        _ => ("Available", rng.u32(1..40)),
    };
    (word.to_owned(), workers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_equal_by_value_and_texts_are_not_numbers() {
        assert!(equal(&json!({"a": [7, 1.5]}), &json!({"a": [7.0, 1.5]})));
        assert!(!equal(&json!(7), &json!("7")));
        assert!(!equal(&json!({"a": 1}), &json!({"a": 1, "b": 2})));
        assert!(!equal(&json!(9_007_199_254_740_993_u64), &json!(9_007_199_254_740_992_u64)));
    }
}

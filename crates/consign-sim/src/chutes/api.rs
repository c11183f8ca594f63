//! The operations: from a request to what is done and answered.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_DISPOSITION;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::answers::{self, Answer, Refused, ok, refuse, tripped, unprocessable};
use super::auth::{self, Demand};
use super::job::Job;
use super::plan::Plan;
use super::world::World;
use super::{Inner, json, neighbours, operation, runner};
use crate::chance::hash;
use crate::faults::response;

/// The operation of a request, with what its path says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    CreateJob { chute: String, method: String },
    GetJob(String),
    DeleteJob(String),
    Download { job: String, file: String },
    FinishJob(String),
    Upload(String),
    CompleteJob(String),
    ListChutes,
    GetChute(String),
    ShareChute,
    Me,
    Quotas,
    QuotaUsage(String),
    CreateKey,
    ListKeys,
    GetKey(String),
    DeleteKey(String),
    MinerJobs,
    ReleaseJob(String),
    Ping,
    Options,
    Unknown,
}

/// The operation of a request, and its name in the ledger. Slashes count: one too many is another path.
pub(super) fn route(request: &Request<Bytes>) -> (Target, &'static str) {
    let path = percent_decode_str(request.uri().path()).decode_utf8_lossy().into_owned();
    let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(&path).split('/').collect();
    let full = |segments: &[&str]| segments.iter().all(|segment| !segment.is_empty());
    let own = |segment: &str| segment.to_owned();
    let get = request.method() == Method::GET;
    match (request.method().as_str(), segments.as_slice()) {
        ("POST", ["jobs", chute, method]) if full(&[chute, method]) => {
            (Target::CreateJob { chute: own(chute), method: own(method) }, operation::CREATE_JOB)
        }
        ("PUT", ["jobs", job, "upload"]) if full(&[job]) => (Target::Upload(own(job)), operation::UPLOAD_JOB_FILE),
        ("GET", ["jobs", job, "download", file]) if full(&[job, file]) => {
            (Target::Download { job: own(job), file: own(file) }, operation::DOWNLOAD_OUTPUT_FILE)
        }
        ("GET", ["jobs", job]) if full(&[job]) => (Target::GetJob(own(job)), operation::GET_JOB),
        ("DELETE", ["jobs", job]) if full(&[job]) => (Target::DeleteJob(own(job)), operation::DELETE_JOB),
        ("POST", ["jobs", job]) if full(&[job]) => (Target::FinishJob(own(job)), operation::FINISH_JOB),
        ("PUT", ["jobs", job]) if full(&[job]) => (Target::CompleteJob(own(job)), operation::COMPLETE_JOB),
        ("GET", ["chutes", ""]) => (Target::ListChutes, operation::LIST_CHUTES),
        ("POST", ["chutes", "share"]) => (Target::ShareChute, operation::SHARE_CHUTE),
        ("GET", ["users", "me"]) => (Target::Me, operation::GET_ME),
        ("GET", ["users", "me", "quotas"]) => (Target::Quotas, operation::GET_QUOTAS),
        ("GET", ["users", "me", "quota_usage", chute]) if full(&[chute]) => {
            (Target::QuotaUsage(own(chute)), operation::GET_QUOTA_USAGE)
        }
        ("GET", ["api_keys", ""]) => (Target::ListKeys, operation::LIST_API_KEYS),
        ("POST", ["api_keys", ""]) => (Target::CreateKey, operation::CREATE_API_KEY),
        ("GET", ["api_keys", key]) => (Target::GetKey(own(key)), operation::GET_API_KEY),
        ("DELETE", ["api_keys", key]) if full(&[key]) => (Target::DeleteKey(own(key)), operation::DELETE_API_KEY),
        ("GET", ["miner", "jobs", ""]) => (Target::MinerJobs, operation::LIST_MINER_JOBS),
        ("DELETE", ["miner", "jobs", job]) if full(&[job]) => {
            (Target::ReleaseJob(own(job)), operation::RELEASE_MINER_JOB)
        }
        ("GET", ["ping"]) => (Target::Ping, operation::PING),
        ("OPTIONS", _) => (Target::Options, "unknown"),
        (_, ["chutes", rest @ ..]) if get && !rest.is_empty() => {
            (Target::GetChute(rest.join("/")), operation::GET_CHUTE)
        }
        _ => (Target::Unknown, "unknown"),
    }
}

/// What one operation works with.
pub(super) struct Work<'a> {
    pub(super) inner: &'a Inner,
    pub(super) entry: u64,
    pub(super) request: &'a Request<Bytes>,
}

/// Carries out one request.
pub(super) fn answer(inner: &Inner, entry: u64, target: Target, request: &Request<Bytes>) -> Response<Bytes> {
    let work = Work { inner, entry, request };
    if request.headers().contains_key("x-chutes-signature") {
        inner.front.ledger.amend(entry, |e| e.credentials = true);
    }
    let answer = match target {
        Target::CreateJob { chute, method } => work.create(&chute, &method),
        Target::GetJob(job) => work.get(&job),
        Target::DeleteJob(job) => work.delete(&job),
        Target::Download { job, file } => work.download(&job, &file),
        Target::FinishJob(job) => runner::finish(&work, &job),
        Target::Upload(job) => runner::upload(&work, &job),
        Target::CompleteJob(job) => runner::complete(&work, &job),
        Target::ListChutes => neighbours::list_chutes(&work),
        Target::GetChute(name) => neighbours::get_chute(&work, &name),
        Target::ShareChute => neighbours::share(&work),
        Target::Me => neighbours::me(&work),
        Target::Quotas => neighbours::quotas(&work),
        Target::QuotaUsage(chute) => neighbours::quota_usage(&work, &chute),
        Target::CreateKey => neighbours::create_key(&work),
        Target::ListKeys => neighbours::list_keys(&work),
        Target::GetKey(key) => neighbours::get_key(&work, &key),
        Target::DeleteKey(key) => neighbours::delete_key(&work, &key),
        Target::MinerJobs => neighbours::miner_jobs(&work),
        Target::ReleaseJob(job) => neighbours::release_job(&work, &job),
        Target::Ping => Ok(ok(json::Object::new().put("message", "pong").end())),
        Target::Options => Err(refuse(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")),
        Target::Unknown => Err(answers::not_found("No matching chute found!")),
    };
    answer.unwrap_or_else(|refusal| *refusal)
}

impl Work<'_> {
    /// The values of a query parameter, decoded.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = self.request.uri().query().unwrap_or_default().split('&');
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.filter(|(key, _)| decode(key) == name).map(|(_, value)| decode(value)).next_back()
    }

    /// The account that calls; the ledger is told.
    pub(super) fn caller(&self, world: &World, now: Duration, demand: Demand) -> Result<Option<usize>, Refused> {
        let account = auth::caller(world, &self.inner.front.faults, self.request, demand, now)?;
        if let Some(account) = account {
            let name = world.account(account).name.clone();
            self.inner.front.ledger.amend(self.entry, |e| e.account = Some(name));
        }
        Ok(account)
    }

    /// The account that calls a route which lets nobody in without a credential.
    pub(super) fn account(&self, world: &World, now: Duration, demand: Demand) -> Result<usize, Refused> {
        let account = self.caller(world, now, demand)?;
        account.ok_or_else(|| answers::unauthorized("Authentication required."))
    }

    /// The body as a JSON object that is read without a model: what is none trips the handler.
    pub(super) fn object(&self) -> Result<Map<String, Value>, Refused> {
        match serde_json::from_slice(self.request.body()) {
            Ok(Value::Object(members)) => Ok(members),
            _ => Err(tripped()),
        }
    }

    /// The required query parameter `token`.
    pub(super) fn token(&self) -> Result<String, Refused> {
        self.query("token").ok_or_else(|| unprocessable(vec![answers::missing("query", "token")]))
    }

    fn create(&self, chute: &str, method: &str) -> Answer {
        self.inner.change(|world, now| {
            let account = self.account(world, now, Demand::default())?;
            let (chute, method) = find_method(world, account, chute, method)?;
            within_quota(world, account, chute, now)?;
            let mut args = self.object()?;
            let disk = disk_size(args.get("_disk_gb"))?;
            args.insert("_disk_gb".to_owned(), Value::from(disk));
            let args = json::stored(Value::Object(args)).ok_or_else(tripped)?;
            let scripted = world.script.clone().map_or_else(Plan::default, |script| script(&args, world.jobs.len()));
            let plan = match args.get("sim") {
                None => scripted,
                Some(own) => {
                    scripted.amended(own).map_err(|why| refuse(StatusCode::BAD_REQUEST, format!("sim: {why}")))?
                }
            };
            let body = format!("{account} {}\n", self.request.uri().path());
            let body = hash(&[body.as_bytes(), self.request.body()].concat());
            *world.bodies.entry(body).or_default() += 1;
            let deployed = &world.settings.chutes[chute];
            let job = Job {
                id: String::new(),
                account,
                chute,
                version: deployed.version.clone(),
                chutes_version: deployed.chutes_version.clone(),
                method,
                args,
                body,
                plan,
                created: now,
                updated: None,
                started: None,
                finished: None,
                status: "pending".to_owned(),
                error_detail: None,
                result: Value::Null,
                output_files: None,
                port_mappings: None,
                instance: None,
                on_node: false,
                stop_requested: false,
                deleted: false,
                round: 0,
                history: Vec::new(),
            };
            let job = world.add(job, now);
            self.inner.front.ledger.made(self.entry, &[world.jobs[job].id.clone()]);
            answers::job(world, job, &[]).map(ok)
        })
    }

    fn get(&self, job: &str) -> Answer {
        self.inner.change(|world, now| {
            let account = self.account(world, now, Demand::default())?;
            let job = auth::own_job(world, account, job)?;
            answers::job(world, job, &[]).map(ok)
        })
    }

    fn delete(&self, id: &str) -> Answer {
        self.inner.change(|world, now| {
            let account = self.account(world, now, Demand::default())?;
            let job = auth::own_job(world, account, id)
                .map_err(|_| answers::not_found(format!("Job {id} not found or does not belong to you")))?;
            world.delete(job, now);
            if !world.settings.repaired_delete {
                // The answer does not fit the declared model, so that the framework rolls the record's end back.
                return Err(tripped());
            }
            Ok(ok(json::Object::new().put("deleted", true).put("job_id", id).end()))
        })
    }

    fn download(&self, id: &str, file: &str) -> Answer {
        self.inner.change(|world, now| {
            let account = self.account(world, now, Demand::default())?;
            let job = auth::own_job(world, account, id)?;
            let files = world.jobs[job].output_files.as_ref().ok_or_else(tripped)?;
            let Some(file) = files.iter().find(|other| other.id == file) else {
                let (job, file) = (answers::python(id), answers::python(file));
                return Err(answers::not_found(format!("Job output file not found job_id={job} file_id={file}")));
            };
            let content = world.store.get(&file.path).cloned().ok_or_else(tripped)?;
            let mut reply = response(StatusCode::OK, "application/octet-stream", content);
            match disposition(&file.name)? {
                Some(value) => drop(reply.headers_mut().insert(CONTENT_DISPOSITION, value)),
                None => drop(reply.extensions_mut().insert(Dropped)),
            }
            Ok(reply)
        })
    }
}

/// Marks an answer that the service's HTTP server cannot write: the connection breaks instead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dropped;

/// `Content-Disposition` with a name as it is, in Latin-1. `None`: it holds what no header may hold.
fn disposition(name: &str) -> Result<Option<HeaderValue>, Refused> {
    let text = format!("attachment; filename=\"{name}\"");
    let bytes: Option<Vec<u8>> = text.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
    Ok(HeaderValue::from_bytes(&bytes.ok_or_else(tripped)?).ok())
}

/// A chute that an account may use, by its id, and one of its methods by its name.
fn find_method(world: &World, account: usize, id: &str, method: &str) -> Result<(usize, usize), Refused> {
    let chutes = world.settings.chutes.iter().enumerate();
    let found = chutes.filter(|(_, chute)| !chute.deleted && chute.id == id).find_map(|(index, chute)| {
        let method = chute.methods.iter().position(|own| own.name == method)?;
        visible(world, index, Some(account)).then_some((index, method))
    });
    found.ok_or_else(|| answers::not_found(format!("Chute {id} not found")))
}

/// Whether an account can see a chute.
pub(super) fn visible(world: &World, chute: usize, account: Option<usize>) -> bool {
    let chute = &world.settings.chutes[chute];
    let own = |account: usize| chute.owner == world.account(account).name || chute.shared.contains(&account);
    !chute.deleted && (chute.public || account.is_some_and(own))
}

fn within_quota(world: &World, account: usize, chute: usize, now: Duration) -> Result<(), Refused> {
    let quotas = &world.settings.quotas;
    if quotas.is_empty() {
        return Ok(());
    }
    let of = |name: &str| quotas.iter().find(|(other, _)| other == name).map(|(_, jobs)| *jobs);
    let quota = |name: &str| of(name).or_else(|| of("*")).unwrap_or(0);
    let (on_chute, total) = world.created_today(account, chute, now);
    let (job_quota, total_quota) = (quota(&world.settings.chutes[chute].id), quota("global"));
    if job_quota > 0 && on_chute < job_quota && total < total_quota {
        return Ok(());
    }
    let counts = format!("chute_job_count={on_chute} total_job_count={total}");
    let detail = format!("Daily job quota exceeded: {counts} of job_quota={job_quota} and total_quota={total_quota}");
    Err(refuse(StatusCode::TOO_MANY_REQUESTS, detail))
}

/// The disk size that is stored: between 10 and 1000, cut to a whole number.
fn disk_size(asked: Option<&Value>) -> Result<u64, Refused> {
    let Some(asked) = asked.filter(|asked| !asked.is_null()) else { return Ok(10) };
    match asked.as_f64() {
        Some(size) if size > 10.0 && size < 1000.0 => Ok(size as u64),
        _ => {
            let shown: Cow<'_, str> = answers::python_value(asked).into();
            Err(refuse(StatusCode::BAD_REQUEST, format!("Invalid disk size specified: {shown}")))
        }
    }
}

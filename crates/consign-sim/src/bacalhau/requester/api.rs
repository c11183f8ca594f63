//! The operations of the requester API: from a request to what is done and answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::spec::{Spec, get, text};
use super::world::{Job, World};
use super::{Inner, sockets};
use crate::bacalhau::files::plain;
use crate::bacalhau::{operation, sign};
use crate::chance::{hash, mix};
use crate::faults::response;

const LARGEST: usize = 10 << 20;

/// Marks an answer that is none: the handler crashes, and the connection is closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dropped;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    Submit,
    Cancel,
    List,
    States,
    Results,
    Events,
    Logs,
    SocketEvents,
    Version,
    Utility(&'static str),
    Unknown,
}

/// The operation of a path, and its name in the ledger. The method does not matter.
pub(crate) fn route(path: &str, patch: u32) -> (Target, &'static str) {
    match path {
        "/requester/submit" => (Target::Submit, operation::SUBMIT),
        "/requester/cancel" if patch >= 21 => (Target::Cancel, operation::CANCEL),
        "/requester/list" => (Target::List, operation::LIST),
        "/requester/states" => (Target::States, operation::STATES),
        "/requester/results" => (Target::Results, operation::RESULTS),
        "/requester/events" => (Target::Events, operation::EVENTS),
        "/requester/logs" if patch >= 26 => (Target::Logs, operation::LOGS),
        "/requester/websocket/events" => (Target::SocketEvents, "websocket_events"),
        "/version" => (Target::Version, operation::VERSION),
        "/livez" => (Target::Utility("livez"), "livez"),
        "/readyz" => (Target::Utility("readyz"), "readyz"),
        "/id" => (Target::Utility("id"), "id"),
        "/node_info" => (Target::Utility("node_info"), "node_info"),
        "/peers" => (Target::Utility("peers"), "peers"),
        "/healthz" => (Target::Utility("healthz"), "healthz"),
        "/varz" => (Target::Utility("varz"), "varz"),
        "/logz" => (Target::Utility("logz"), "logz"),
        _ => (Target::Unknown, "unknown"),
    }
}

type Answer = Result<Response<Bytes>, Box<Response<Bytes>>>;

/// JSON, which the server calls text.
fn ok(body: &Value) -> Response<Bytes> {
    response(StatusCode::OK, "text/plain; charset=utf-8", body.to_string() + "\n")
}

/// A refusal in plain text.
fn refuse(status: StatusCode, why: &str) -> Box<Response<Bytes>> {
    Box::new(plain(status, why.to_owned() + "\n"))
}

/// A refusal in JSON, which the server calls text.
fn refuse_json(status: StatusCode, code: &str, why: &str, details: &Value) -> Box<Response<Bytes>> {
    refuse(status, &json!({"Code": code, "Message": why, "Details": details, "Err": why}).to_string())
}

fn bad(why: &str) -> Box<Response<Bytes>> {
    refuse_json(StatusCode::BAD_REQUEST, "error-unknown-server-error", why, &json!({}))
}

fn dropped() -> Box<Response<Bytes>> {
    let mut reply = Response::new(Bytes::new());
    reply.extensions_mut().insert(Dropped);
    Box::new(reply)
}

fn named(reply: &mut Response<Bytes>, client: &str, job: &str) {
    for (name, value) in [("x-bacalhau-client-id", client), ("x-bacalhau-job-id", job)] {
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(value)) {
            reply.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
}

/// Carries out one request.
pub(crate) fn answer(inner: &Arc<Inner>, entry: u64, target: Target, request: &Request<Bytes>) -> Response<Bytes> {
    let answer = match target {
        Target::Submit => submit(inner, entry, request),
        Target::Cancel => cancel(inner, entry, request),
        Target::List => list(inner, request),
        Target::States => read(inner, request, |world, job, _| Ok(json!({"state": world.state_json(job)}))),
        Target::Results => read(inner, request, |world, job, _| Ok(json!({"results": world.results_json(job)}))),
        Target::Events => read(inner, request, events),
        Target::Logs => sockets::logs(inner, request),
        Target::SocketEvents => sockets::events(inner, request),
        Target::Version => version(inner, request),
        Target::Utility(name) => utility(inner, name),
        Target::Unknown => Err(Box::new(plain(StatusCode::NOT_FOUND, "404 page not found\n"))),
    };
    answer.unwrap_or_else(|refusal| *refusal)
}

/// The first JSON value of a body.
fn json_body(request: &Request<Bytes>) -> Result<Value, String> {
    if request.body().len() > LARGEST {
        return Err("http: request body too large".to_owned());
    }
    match serde_json::Deserializer::from_slice(request.body()).into_iter::<Value>().next() {
        None => Err("EOF".to_owned()),
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) if error.is_eof() => Err("unexpected EOF".to_owned()),
        Some(Err(error)) => Err(format!("invalid character in JSON: {error}")),
    }
}

fn members(request: &Request<Bytes>, name: &str) -> Result<Map<String, Value>, String> {
    match json_body(request)? {
        Value::Null => Ok(Map::new()),
        Value::Object(members) => Ok(members),
        Value::Array(_) => Err(format!("json: cannot unmarshal array into Go value of type publicapi.{name}")),
        _ => Err(format!("json: cannot unmarshal value into Go value of type publicapi.{name}")),
    }
}

/// A signed payload, verified and decoded, with the id of its client.
pub(crate) struct Signed {
    pub(crate) client: String,
    pub(crate) payload: Map<String, Value>,
}

/// Why a signed request is not taken.
pub(crate) enum Unsigned {
    /// The handler crashes.
    Crash,
    /// What it says, and at which step: the envelope, the signature, the payload, its client.
    Refused(&'static str, String),
}

/// Opens an envelope in the order of the server: the body, the signature over the payload's own text, the
/// payload, its client.
pub(crate) fn open(body: &[u8], member: &str, payload_type: &str) -> Result<Signed, Unsigned> {
    let envelope = |why: String| Unsigned::Refused("error unmarshalling envelope", why);
    let all: BTreeMap<String, &RawValue> = serde_json::from_slice(body).map_err(|error| {
        envelope(if body.is_empty() { "EOF".to_owned() } else { format!("invalid character in JSON: {error}") })
    })?;
    let find = |name: &str| {
        let exact = all.get(name);
        exact.or_else(|| all.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
    };
    let text_of = |name: &str| match find(name).map(|value| serde_json::from_str::<Value>(value.get())) {
        None | Some(Ok(Value::Null)) => Ok(String::new()),
        Some(Ok(Value::String(text))) => Ok(text),
        _ => Err(envelope(format!(
            "json: cannot unmarshal value into Go struct field submitRequest.{name} of type string"
        ))),
    };
    let (signature, key) = (text_of("signature")?, text_of("client_public_key")?);
    let payload = find(member).map(|value| value.get()).filter(|text| *text != "null").ok_or(Unsigned::Crash)?;
    let verified = sign::verify(payload.as_bytes(), &signature, &key);
    verified.map_err(|why| {
        Unsigned::Refused("error verifying request signature", format!("client's signature is invalid: {why}"))
    })?;
    let wrong = |why: String| Unsigned::Refused("error unmarshalling payload", why);
    let payload = match serde_json::from_str(payload).map_err(|error| wrong(error.to_string()))? {
        Value::Object(payload) => payload,
        Value::Array(_) => {
            return Err(wrong(format!("json: cannot unmarshal array into Go value of type model.{payload_type}")));
        }
        _ => return Err(wrong(format!("json: cannot unmarshal value into Go value of type model.{payload_type}"))),
    };
    let client = text(&payload, "ClientID", payload_type).map_err(wrong)?;
    let unsure = |why: &str| Unsigned::Refused("error validating request", why.to_owned());
    if client.is_empty() {
        return Err(unsure("job create payload must contain a client ID"));
    }
    if sign::client_id(&key).map_err(|why| unsure(&format!("error verifying client ID: {why}")))? != client {
        return Err(unsure("client's public key does not match client ID"));
    }
    Ok(Signed { client, payload })
}

fn submit(inner: &Arc<Inner>, entry: u64, request: &Request<Bytes>) -> Answer {
    if request.headers().get("x-bacalhau-job-id").is_some_and(|id| !id.is_empty()) {
        return Err(bad("rejecting job because HTTP header X-Bacalhau-Job-ID was set"));
    }
    if request.body().len() > LARGEST {
        return Err(bad("http: request body too large"));
    }
    let member = inner.with(|world| world.settings.submit_member());
    let signed = open(request.body(), member, "JobCreatePayload").map_err(|why| match why {
        Unsigned::Crash => dropped(),
        Unsigned::Refused(_, why) => bad(&why),
    })?;
    let api_version = text(&signed.payload, "APIVersion", "JobCreatePayload").map_err(|why| bad(&why))?;
    let spec = match get(&signed.payload, "Spec") {
        Some(Value::Object(spec)) => Some(Spec::read(spec)),
        Some(_) => {
            return Err(bad(
                "json: cannot unmarshal value into Go struct field JobCreatePayload.Spec of type model.Spec",
            ));
        }
        None => None,
    };
    if api_version.is_empty() {
        return Err(bad("APIVersion is empty"));
    }
    let Some(spec) = spec else { return Err(dropped()) };
    let spec = spec.map_err(|why| bad(&why))?;
    inner.change(|world, now| {
        let plan = world.plan(&spec).map_err(|why| bad(&why))?;
        let (job, started) = world.submit(now, &signed.client, &api_version, spec, plan, request.body());
        let found = &world.jobs[job];
        inner.front.ledger.made(entry, std::slice::from_ref(&found.id));
        inner.front.ledger.amend(entry, |entry| entry.account = Some(signed.client.clone()));
        let mut reply = match started {
            Ok(()) => ok(&json!({"job": world.job_json(found)})),
            Err(why) => *refuse(StatusCode::INTERNAL_SERVER_ERROR, &why),
        };
        named(&mut reply, &signed.client, &found.id);
        Ok(reply)
    })
}

fn not_found(id: &str) -> String {
    format!("Job not found. ID: {id}")
}

/// A job by its full id or its first 8 characters.
fn find(world: &World, id: &str) -> Option<usize> {
    if let Some(job) = world.by_id.get(id) {
        return Some(*job);
    }
    let mut found = world.by_id.range(id.to_owned()..).take_while(|(full, _)| id.len() == 8 && full.starts_with(id));
    found.next().map(|(_, job)| *job)
}

fn cancel(inner: &Arc<Inner>, entry: u64, request: &Request<Bytes>) -> Answer {
    let member = inner.with(|world| world.settings.cancel_member()).unwrap_or("payload");
    let signed = open(request.body(), member, "JobCancelPayload").map_err(|why| match why {
        Unsigned::Crash => dropped(),
        Unsigned::Refused(step, why) => bad(&format!("{step}: {why}")),
    })?;
    let of = |name: &str| {
        text(&signed.payload, name, "JobCancelPayload")
            .map_err(|why| bad(&format!("error unmarshalling payload: {why}")))
    };
    let (id, reason) = (of("JobID")?, of("Reason")?);
    inner.change(|world, now| {
        let Some(job) = find(world, &id) else {
            let (status, code) = (StatusCode::BAD_REQUEST, "error-job-not-found");
            return Err(refuse_json(status, code, &not_found(&id), &json!({"id": id})));
        };
        if world.jobs[job].client != signed.client {
            let why = format!("mismatched client id: {}", signed.client);
            return Err(refuse_json(StatusCode::FORBIDDEN, "error-unknown-server-error", &why, &json!({})));
        }
        inner.front.ledger.amend(entry, |entry| entry.account = Some(signed.client.clone()));
        if world.jobs[job].id != id {
            return Err(refuse(StatusCode::INTERNAL_SERVER_ERROR, &format!("job not found: {id}")));
        }
        if world.jobs[job].terminal() {
            let why = format!("job {id} is already in a terminal state");
            return Err(refuse(StatusCode::INTERNAL_SERVER_ERROR, &why));
        }
        world.stop(job, &reason, true, now);
        let mut reply = ok(&json!({"state": world.state_json(&world.jobs[job])}));
        named(&mut reply, &signed.client, &id);
        Ok(reply)
    })
}

fn list(inner: &Arc<Inner>, request: &Request<Bytes>) -> Answer {
    let wrong = |why: String| refuse(StatusCode::BAD_REQUEST, &why);
    let asked = members(request, "listRequest").map_err(wrong)?;
    let of = |name: &str| text(&asked, name, "listRequest").map_err(wrong);
    let (id, client, order) = (of("id")?, of("client_id")?, of("sort_by")?);
    let tags = |name: &str| -> Vec<String> {
        let tags = get(&asked, name).and_then(Value::as_array).into_iter().flatten();
        tags.filter_map(|tag| tag.as_str().map(str::to_owned)).collect()
    };
    let flag = |name: &str| get(&asked, name).and_then(Value::as_bool).unwrap_or(false);
    let (included, excluded) = (tags("include_tags"), tags("exclude_tags"));
    let (everyone, reverse) = (flag("return_all"), flag("sort_reverse"));
    let most = get(&asked, "max_jobs").and_then(Value::as_u64).unwrap_or(0);
    let found = inner.change(|world, _| {
        if !id.is_empty() {
            let Some(job) = find(world, &id) else {
                let (status, code) = (StatusCode::BAD_REQUEST, "error-job-not-found");
                return Err(refuse_json(status, code, &not_found(&id), &json!({"id": id})));
            };
            return Ok(json!([with_info(world, &world.jobs[job])]));
        }
        // The server walks through a map: in another order each time, and cuts before it sorts.
        world.lists += 1;
        let turn = mix(world.settings.seed, world.lists);
        let mut all: Vec<&Job> = world.jobs.iter().collect();
        all.sort_by_key(|job| mix(turn, hash(job.id.as_bytes())));
        let fits = |job: &&Job| {
            let mine = everyone || client.is_empty() || job.client == client;
            let decided = job.spec.annotations().into_iter().find_map(|tag| {
                let has = |tags: &[String]| tags.iter().any(|wanted| wanted == tag);
                if has(&included) { Some(true) } else { has(&excluded).then_some(false) }
            });
            mine && decided.unwrap_or(included.is_empty())
        };
        let limit = if most == 0 { usize::MAX } else { usize::try_from(most).unwrap_or(usize::MAX) };
        let mut all: Vec<&Job> = all.into_iter().filter(fits).take(limit).collect();
        match order.as_str() {
            "id" => all.sort_by(|a, b| a.id.cmp(&b.id)),
            "created_at" => all.sort_by_key(|job| job.made.div_euclid(1_000_000_000)),
            _ => {}
        }
        if reverse && matches!(order.as_str(), "id" | "created_at") {
            all.reverse();
        }
        Ok(all.into_iter().map(|job| with_info(world, job)).collect())
    })?;
    let mut reply = ok(&json!({"jobs": found}));
    named(&mut reply, &client, &id);
    Ok(reply)
}

fn with_info(world: &World, job: &Job) -> Value {
    json!({"Job": world.job_json(job), "State": world.state_json(job)})
}

/// Reads something of one job, by its full id.
fn read(
    inner: &Arc<Inner>,
    request: &Request<Bytes>,
    what: impl FnOnce(&World, &Job, &Map<String, Value>) -> Result<Value, String>,
) -> Answer {
    let wrong = |why: String| refuse(StatusCode::BAD_REQUEST, &why);
    let asked = members(request, "stateRequest").map_err(wrong)?;
    let of = |name: &str| text(&asked, name, "stateRequest").map_err(wrong);
    let (id, client) = (of("job_id")?, of("client_id")?);
    let events = request.uri().path().ends_with("/events");
    let body = inner.look(|world, _| {
        let missing = || if events { format!("job not found: {id}") } else { not_found(&id) };
        let job = world.by_id.get(&id).ok_or_else(missing)?;
        what(world, &world.jobs[*job], &asked)
    });
    let mut reply = match body {
        Ok(body) => ok(&body),
        Err(why) => *refuse(StatusCode::INTERNAL_SERVER_ERROR, &why),
    };
    named(&mut reply, &client, &id);
    Ok(reply)
}

fn events(world: &World, job: &Job, asked: &Map<String, Value>) -> Result<Value, String> {
    let filters = get(asked, "filters").and_then(Value::as_object).filter(|_| world.settings.patch >= 26);
    let flag = |name: &str| filters.and_then(|f| get(f, name)).and_then(Value::as_bool).unwrap_or(false);
    let since = filters.and_then(|f| get(f, "since")).and_then(Value::as_i64).unwrap_or(0);
    let (no_jobs, no_executions) = (flag("exclude_job_level"), flag("exclude_execution_level"));
    let fits = |entry: &&Value| {
        let date = entry["Time"].as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok());
        let job_level = entry["Type"] == "JobLevel";
        let excluded = if job_level { no_jobs } else { no_executions };
        !excluded && date.is_none_or(|date| date.as_second() >= since)
    };
    Ok(json!({"events": job.history.iter().filter(fits).collect::<Vec<_>>()}))
}

fn version(inner: &Arc<Inner>, request: &Request<Bytes>) -> Answer {
    members(request, "versionRequest").map_err(|why| refuse(StatusCode::BAD_REQUEST, &why))?;
    let patch = inner.with(|world| world.settings.patch);
    Ok(ok(&json!({"build_version_info": {
        "major": "0", "minor": "3", "gitversion": format!("v0.3.{patch}"), "gitcommit": "0".repeat(40),
        "builddate": "2023-03-21T14:03:31Z", "goos": "linux", "goarch": "amd64",
    }})))
}

fn utility(inner: &Arc<Inner>, name: &str) -> Answer {
    let (node, engines, patch) = inner.with(|world| {
        (world.nodes.first().cloned().unwrap_or_default(), world.settings.engines.clone(), world.settings.patch)
    });
    let capacity = json!({"CPU": 16.0, "Memory": 64_000_000_000_u64, "Disk": 1_000_000_000_000_u64});
    Ok(match name {
        "livez" => response(StatusCode::OK, "text/plain", "OK"),
        "readyz" => response(StatusCode::OK, "text/plain", "READY"),
        "id" => ok(&json!(node)),
        "logz" => response(StatusCode::OK, "text/plain; charset=utf-8", ""),
        "healthz" => response(
            StatusCode::OK,
            "application/json",
            json!({"FreeSpace": {"IPFSMount": {"All": 1, "Used": 0, "Free": 1}, "root": {"All": 1, "Used": 0, "Free": 1}}})
                .to_string(),
        ),
        "varz" => response(StatusCode::OK, "application/json", "{}"),
        "peers" => ok(&json!([{"ID": node, "Addrs": []}])),
        _ => ok(&json!({
            "BacalhauVersion": {"major": "0", "minor": "3", "gitversion": format!("v0.3.{patch}")},
            "PeerInfo": {"ID": node, "Addrs": []}, "NodeType": 1,
            "Labels": {"Architecture": "amd64", "Operating-System": "linux"},
            "ComputeNodeInfo": {
                "ExecutionEngines": engines, "MaxCapacity": capacity, "AvailableCapacity": capacity,
                "MaxJobRequirements": capacity, "RunningExecutions": 0, "EnqueuedExecutions": 0,
            },
        })),
    })
}

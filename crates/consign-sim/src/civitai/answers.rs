//! How jobs, events and results look on the wire.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::job::{Event, Job, State};
use super::templates::Makes;
use super::world::World;
use super::{Reader, blobs};
use crate::chance::{chance, hash, mix};
use crate::clock::{seconds, span_text};

/// The provider that the document names for jobs which no worker has yet.
const PROVIDER: &str = "Civitai";

/// The token of a list of jobs: base64 of the ids.
pub(crate) fn token(world: &World, jobs: &[usize]) -> String {
    let ids: Vec<&str> = jobs.iter().map(|job| world.jobs[*job].id.as_str()).collect();
    BASE64.encode(json!({"Jobs": ids}).to_string())
}

/// The ids in a token of the current generation or of the one before, a list of such objects.
pub(crate) fn token_ids(token: &str) -> Option<Vec<String>> {
    let json: Value = serde_json::from_slice(&BASE64.decode(token).ok()?).ok()?;
    let parts = match &json {
        Value::Array(parts) => parts.as_slice(),
        part => std::slice::from_ref(part),
    };
    let mut ids = Vec::new();
    for part in parts {
        for id in part.get("Jobs")?.as_array()? {
            ids.push(id.as_str()?.to_owned());
        }
    }
    Some(ids)
}

/// The collection of a token.
pub(crate) fn collection(world: &World, jobs: &[usize], reader: &Reader<'_>) -> Value {
    let statuses: Vec<Value> = jobs.iter().map(|job| status(world, *job, reader)).collect();
    json!({"token": token(world, jobs), "jobs": statuses})
}

/// The status of one job.
pub(crate) fn status(world: &World, number: usize, reader: &Reader<'_>) -> Value {
    let job = &world.jobs[number];
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    set("jobId", json!(job.id));
    set("cost", json!(job.template.cost));
    set("properties", Value::Object(job.properties.clone()));
    if let Some(result) = result(world, number, reader) {
        set("result", result);
    }
    if let Some(event) = last_event(world, number, reader) {
        set("lastEvent", event);
    }
    set("serviceProviders", service_providers(world, number, reader.now));
    set("scheduled", json!(!job.ended()));
    if reader.detailed {
        set("job", definition(world, job));
    }
    Value::Object(members)
}

/// The last event, where it is shown: the service leaves it out of the answer to a submission, and of
/// many jobs that have not begun yet (here: of every other).
fn last_event(world: &World, number: usize, reader: &Reader<'_>) -> Option<Value> {
    let shown = world.jobs[number]
        .last
        .as_ref()
        .filter(|event| event.word != "Initialized" || (!reader.submitting && number.is_multiple_of(2)))?;
    (!world.settings.shape.no_last_event).then(|| self::event(world, number, shown))
}

/// An event: member `lastEvent`, and the body of a webhook.
pub(crate) fn event(world: &World, number: usize, event: &Event) -> Value {
    let job = &world.jobs[number];
    let provider = event.worker.map_or(PROVIDER, |worker| world.settings.workers[worker].as_str());
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    set("jobId", json!(job.id));
    set("type", json!(event.word));
    set("dateTime", json!(world.clock.text(event.at)));
    set("provider", json!(provider));
    set("serviceProvider", json!(provider));
    set("workerId", json!(event.worker.map(|worker| worker_id(world, worker))));
    set("context", Value::Object(event.context.clone()));
    if event.claim_duration.is_some() || event.claim_completed {
        set("claimDuration", json!(event.claim_duration.map(span_text)));
    }
    if event.job_duration.is_some() || event.claim_completed {
        set("jobDuration", json!(event.job_duration.map(span_text)));
    }
    set("retryAttempt", json!(event.attempt));
    set("cost", json!(job.template.cost));
    set("jobProperties", Value::Object(job.properties.clone()));
    set("jobType", json!(job.template.kind.job_type));
    set("jobPriority", json!(job.priority));
    set("claimHasCompleted", json!(event.claim_completed));
    if let Some(completed) = event.job_completed {
        set("jobHasCompleted", json!(completed));
    }
    Value::Object(members)
}

fn worker_id(world: &World, worker: usize) -> String {
    let number = mix(world.settings.seed, worker as u64) % 900 + 100;
    format!("{}-{number}{worker}", world.settings.workers[worker])
}

/// What a worker reports at the end of an attempt.
pub(crate) fn end_context(world: &World, number: usize, word: &str) -> Map<String, Value> {
    let job = &world.jobs[number];
    let message = job.plan.message.as_deref();
    let now = world.clock.now();
    let context = match (word, job.template.kind.wire) {
        ("Succeeded", "comfy") => json!({"node_count": 7, "execution_time_ms": 2045, "upload_time_ms": 473,
            "asset_names": [format!("comfy_{number}.png")]}),
        ("Succeeded", "imageResourceTraining") => json!({"status": "Succeeded", "message": message,
            "model": job.template.raw.get("model"), "start_time": world.clock.date(job.created).as_second(),
            "end_time": world.clock.date(now).as_second(), "sample_prompts": [],
            "epochs": [{"epoch_number": 1, "model_url": null, "sample_images": []}],
            "logs": {"stdout": "", "stderr": ""}}),
        ("Succeeded", "textToImage") => {
            let steps = job.template.raw.get("params").and_then(|params| params.get("steps"));
            json!({"execution_time_ms": 2045, "upload_time_ms": 473, "steps": steps.cloned().unwrap_or(json!(20)),
                "is_nsfw": false})
        }
        ("Failed", _) => json!({"error": message.unwrap_or("the worker ran out of memory"),
            "message": "workflow execution failed"}),
        ("Rejected" | "LateRejected", _) => json!({"reason": message.unwrap_or("the worker lost its GPU")}),
        _ => message.map_or_else(|| json!({}), |message| json!({"message": message})),
    };
    match context {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// `result`, if the job has one now.
fn result(world: &World, number: usize, reader: &Reader<'_>) -> Option<Value> {
    let job = &world.jobs[number];
    if job.succeeded() && job.plan.result.is_some() {
        return job.plan.result.clone();
    }
    let text = |name: &str| job.template.raw.get(name).and_then(Value::as_str).unwrap_or_default();
    match job.template.kind.makes {
        Makes::Blobs => {
            let ready = world.blobs_ready(job, reader.now);
            let mut all = job.blobs.iter().map(|key| blob(world, key, ready, reader));
            if world.settings.shape.result_as_object { all.next() } else { Some(all.collect()) }
        }
        _ if !job.succeeded() => None,
        Makes::Nothing => None,
        Makes::Found => {
            let found = world.by_id.contains_key(text("jobId"));
            let size = if found { hash(text("assetName").as_bytes()) % 9_000_000 + 1000 } else { 0 };
            Some(json!({"found": found, "fileSize": size}))
        }
        Makes::Total => {
            let total = world.by_id.get(text("jobId")).map_or(0, |job| world.jobs[*job].blobs.len());
            Some(json!({"total": total}))
        }
        Makes::Location => {
            let key = text("key").to_owned();
            let known = world.blobs.get(&key).map(|(job, _)| &world.jobs[*job]);
            let exist =
                known.is_some_and(|job| world.blobs_ready(job, reader.now)) && !world.deleted_blobs.contains(&key);
            let (uri, until) = blobs::sign(world, &key, reader);
            Some(json!({"exist": exist, "location": {"uri": uri, "expirationDate": until}}))
        }
        Makes::Tags => Some(json!({"tags": {"cat": 0.98, "outdoors": 0.41}})),
        Makes::Embedding => {
            let mut rng = chance(hash(text("imageUrl").as_bytes()), 0);
            let numbers: Vec<f64> = (0..8).map(|_| rng.f64() * 2.0 - 1.0).collect();
            Some(json!({"embedding": numbers}))
        }
    }
}

fn blob(world: &World, key: &str, ready: bool, reader: &Reader<'_>) -> Value {
    if !ready || world.deleted_blobs.contains(key) {
        return json!({"blobKey": key, "available": false});
    }
    let (url, until) = blobs::sign(world, key, reader);
    json!({"blobKey": key, "available": true, "blobUrl": url, "blobUrlExpirationDate": until})
}

/// The places in the queues of the providers.
fn service_providers(world: &World, number: usize, now: Duration) -> Value {
    let job = &world.jobs[number];
    let workers = world.settings.workers.len().max(1) as f64;
    let each = world.settings.durations.typical().as_secs_f64() / workers;
    let (count, cost, start) = match job.state {
        State::Waiting { since, until, ahead } => {
            let left = until.saturating_sub(now).as_secs_f64();
            let others = (f64::from(ahead) * left / until.saturating_sub(since).as_secs_f64().max(1e-9)).ceil();
            let (count, cost) = world.queue.ahead_of_new(job.priority);
            (count + others as u32, cost + others * 2.0, left + f64::from(count) * each)
        }
        State::Queued(place) => {
            let (count, cost) = world.queue.ahead(place);
            (count, cost, f64::from(count + 1) * each)
        }
        State::Unserved => {
            let asked = job.template.providers.iter();
            return asked.map(|name| (name.clone(), json!({"support": "Unavailable"}))).collect::<Map<_, _>>().into();
        }
        _ => return json!({}),
    };
    let rounded = |value: f64| (value * 1e6).round() / 1e6;
    let start = seconds(start);
    let position = json!({
        "precedingJobs": count, "precedingCost": rounded(cost), "throughputRate": rounded(1.0 / each.max(1e-6)),
        "workerId": null, "estimatedStartDuration": span_text(start),
        "estimatedStartDate": world.clock.text(now + start),
    });
    let mut places = Map::new();
    for provider in &world.providers {
        if world.allows(number, provider) {
            places.insert(provider.clone(), json!({"support": "Available", "queuePosition": position}));
        }
    }
    if job.template.providers.is_empty() {
        places.entry("SaladML").or_insert_with(|| json!({"support": "Unsupported"}));
    }
    Value::Object(places)
}

/// The definition of a job, as `detailed=true` shows it.
pub(crate) fn definition(world: &World, job: &Job) -> Value {
    let template = &job.template;
    let mut members = Map::new();
    let common =
        ["$type", "name", "priority", "providers", "quantity", "batchSize", "retries", "timeout", "callbackUrl"];
    for (name, value) in template.raw.iter().filter(|(name, _)| !common.contains(&name.as_str())) {
        members.insert(name.clone(), value.clone());
    }
    if let Some(Value::Object(params)) = members.get_mut("params").filter(|_| template.kind.wire == "textToImage") {
        params.insert("seed".to_owned(), json!(job.seed));
    }
    if !job.blobs.is_empty() {
        members.insert("imageHash".to_owned(), json!(job.blobs.first()));
        members.insert("destinationUrl".to_owned(), Value::Null);
        members.insert("storeAsBlob".to_owned(), json!(true));
    }
    let ids = |name: &String| {
        let submission = &world.submissions[job.submission];
        let named = submission.jobs.iter().filter(|j| world.jobs[**j].template.name.as_ref() == Some(name));
        named.map(|j| world.jobs[*j].id.clone()).collect::<Vec<_>>()
    };
    let dependencies: Vec<String> = template.dependencies.iter().flat_map(ids).collect();
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    set("id", json!(job.id));
    set("type", json!(template.kind.job_type));
    set("createdAt", json!(world.clock.text(job.created)));
    set("expireAt", template.raw.get("expireAt").cloned().unwrap_or(Value::Null));
    set("webhook", json!(template.callback));
    set("properties", Value::Object(job.properties.clone()));
    set("cost", json!(template.cost));
    set("maxRetryAttempt", json!(template.retries));
    set("dependencies", json!(dependencies));
    set("issuedBy", json!(format!("consumer-{}", world.settings.accounts[job.account].name)));
    set("claimDuration", json!(span_text(template.timeout)));
    Value::Object(members)
}

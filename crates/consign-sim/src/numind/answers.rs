//! How jobs and their results look on the wire.

use serde_json::{Map, Value, json};

use super::model;
use super::settings::Shape;
use super::world::{Job, Kind, Which, World};
use crate::chance::chance;

/// `JobResponse`.
pub(crate) fn record(world: &World, which: Which) -> Value {
    let job = &world.jobs[which.job];
    let mut members = status_members(world, which);
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    set("inputData", json!(Value::Object(job.input.clone()).to_string()));
    if let Some(output) = output(world, job) {
        set("outputData", json!(output.to_string()));
    }
    if let Some((code, message)) = failure(job) {
        set("errorCode", json!(code));
        set("errorMessage", json!(message));
    }
    Value::Object(members)
}

/// `JobStatusResponse`.
pub(crate) fn status(world: &World, which: Which) -> Value {
    let mut members = status_members(world, which);
    if world.settings.shape != Shape::V0_2 {
        members.insert("timeoutSeconds".to_owned(), json!(world.jobs[which.job].timeout.as_secs()));
    }
    Value::Object(members)
}

fn status_members(world: &World, which: Which) -> Map<String, Value> {
    let job = &world.jobs[which.job];
    let kind = match (world.settings.shape, job.kind) {
        (Shape::V0_2 | Shape::Both, _) => "inference",
        (Shape::V0_4, Kind::Structured) => "structured-inference",
        (Shape::V0_4, Kind::Content) => "content-inference",
        (Shape::V0_4, Kind::Template) => "template-inference",
    };
    let id = which.child.and_then(|child| job.children.get(child)).unwrap_or(&job.id);
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    set("id", json!(id));
    set("jobType", json!(kind));
    set("status", json!(job.word));
    set("ownerUser", json!(world.settings.accounts[job.account].name));
    if let Some(organization) = &job.organization {
        set("ownerOrganization", json!(organization));
    }
    set("startedAt", json!(world.text(job.started.unwrap_or(job.created))));
    set("createdAt", json!(world.text(job.created)));
    set("updatedAt", json!(world.text(job.updated)));
    if let Some(ended) = job.ended {
        set("completedAt", json!(world.text(ended)));
    }
    members
}

/// Why a job failed. None: it did not.
pub(crate) fn failure(job: &Job) -> Option<(String, String)> {
    let texts = |code: &str, message: &str| {
        let code = job.plan.code.clone().unwrap_or_else(|| code.to_owned());
        Some((code, job.plan.message.clone().unwrap_or_else(|| message.to_owned())))
    };
    match job.word.as_str() {
        "failed" => texts("InferenceError", "Document could not be converted"),
        "timeout" => texts("JobTimeout", "Job did not complete within the allotted time"),
        _ if job.ended.is_some() && (job.plan.code.is_some() || job.plan.message.is_some()) => texts("", ""),
        _ => None,
    }
}

/// `outputData`: there after success, and where a script says so.
fn output(world: &World, job: &Job) -> Option<Value> {
    let there = job.word == "completed" || job.plan.output.is_some();
    if job.ended.is_none() || !there || job.word == "failed" {
        return None;
    }
    let (typed, _) = typed(world, job);
    if job.plan.bare { typed.get("result").cloned() } else { Some(typed) }
}

/// The typed result, and whether it had to be repaired or emptied.
pub(crate) fn typed(world: &World, job: &Job) -> (Value, bool) {
    let text = job.subject.text.as_str();
    let given = job.plan.output.clone();
    let empty = job.plan.invalid.is_some();
    let result = given.or_else(|| match (job.kind, &job.subject.template) {
        (Kind::Structured, Some(template)) if empty => Some(model::emptied(template)),
        (Kind::Structured, Some(template)) => Some(model::fill(template, "", text)),
        (Kind::Content, _) if empty => None,
        (Kind::Content, _) => Some(json!(model::markdown(text))),
        _ if empty => Some(json!({})),
        _ => Some(model::draw(text)),
    });
    let words = |text: &str| text.len() as u64 / 4 + 1;
    let mut raw = match (&result, empty) {
        (Some(Value::String(markdown)), false) => format!("<think>One page.</think>{markdown}"),
        (Some(result), false) => result.to_string(),
        (_, true) if job.kind == Kind::Content => "<think>never closed".to_owned(),
        _ => "{\"unfinished\": ".to_owned(),
    };
    let (out, input) = (words(&raw), words(text) + 200);
    let padding = job.plan.size.saturating_sub(raw.len());
    raw.extend(std::iter::repeat_n(' ', padding));
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    if job.kind == Kind::Content && result.is_some() {
        set("thinkingTrace", json!("One page."));
    }
    if let Some(result) = result {
        set("result", result);
    }
    set("rawModelOutput", json!(raw));
    set("outputTokens", json!(out));
    set("inputTokens", json!(input));
    set("totalTokens", json!(out + input));
    let mut rng = chance(world.settings.seed, job.seed.unsigned_abs());
    let logprobs = -(rng.f64() * 1e6).round() / 1e6;
    set("logprobs", json!(logprobs));
    if job.kind == Kind::Structured {
        if let Some(info) = &job.subject.info {
            set("documentInfo", info.clone());
        }
        set("selectedExamples", json!(job.subject.examples));
    }
    if let Some((code, message)) = job.plan.invalid.as_ref().filter(|_| job.kind != Kind::Content) {
        set("error", json!({"errorCode": code, "message": message}));
    }
    if world.settings.shape != Shape::V0_2 {
        set("outputTokenProbability", json!((logprobs / out as f64).exp()));
        if job.kind != Kind::Template {
            set("randomSeed", json!(job.seed));
            set("isTruncated", json!(false));
        }
    }
    members.extend(job.plan.members.clone());
    (Value::Object(members), empty)
}

/// The reports of a job and its children: one for each that was repaired, once it has ended.
pub(crate) fn reports(world: &World, which: Which) -> Value {
    let job = &world.jobs[which.job];
    let Some(ended) = job.ended.filter(|_| job.plan.repairs > 0) else { return json!([]) };
    let repair = |number: u32| {
        json!({"sequence": number, "code": "TypeCoercion", "message": "String turned into a number",
            "path": "$.total", "before": "\"12\"", "after": "12", "details": {}})
    };
    let repairs: Vec<Value> = (1..=job.plan.repairs).map(repair).collect();
    let one = |index: usize, which: Which| {
        let status = status_members(world, which);
        let mut report = json!({"jobId": status.get("id"), "jobType": status.get("jobType"), "jobIndex": index,
            "report": {"repairs": repairs, "usedFallback": false}, "createdAt": world.text(ended),
            "updatedAt": world.text(ended)});
        if which.child.is_some() {
            report["parentJobId"] = json!(job.id);
        }
        report
    };
    if which.child.is_some() || job.children.is_empty() {
        return json!([one(which.child.unwrap_or(0), which)]);
    }
    let children = (0..job.children.len()).map(|child| one(child, Which { child: Some(child), ..which }));
    children.collect()
}

//! How Civitai's methods are called, for the vector runner.
use consign::Jobs;
use consign_civitai::types::{
    JobTemplate, Priority, QueryJobsRequest, TaintJobRequest, TaintJobsRequest, TextToImageJobRequest,
};
use consign_civitai::wire::SubmitBody;
use consign_civitai::{
    Client, DateTime, TimeSpan, Token, V1ConsumerConsumptionGetOptions, V1ConsumerCoverageGetOptions,
    V1ConsumerJobsDeleteOptions, V1ConsumerJobsGetOptions, V1ConsumerJobsJobIdDeleteOptions,
    V1ConsumerJobsJobIdGetOptions, V1ConsumerJobsJobIdPutOptions, V1ConsumerJobsPostOptions, V1ConsumerJobsPutOptions,
    V1ConsumerJobsQueryPostOptions, V1ConsumerRequestsGetOptions, operations,
};
use consign_http::Operation;
use serde_json::{Map, Value};

use crate::arguments::Arguments;
use crate::compare::Special;
use crate::run::{Called, Provider, no_arguments};

pub struct Civitai;

impl Provider for Civitai {
    const NAME: &'static str = "civitai";
    const ID: &'static str = "JobId";
    const SPECIAL: Special = special;

    fn document(api: Option<&str>) -> Option<&'static str> {
        matches!(api, None | Some("v1")).then_some("specs/civitai/v1.json")
    }
    fn operations(api: Option<&str>) -> &'static [&'static Operation] {
        if Self::document(api).is_some() { operations::ALL } else { &[] }
    }
    async fn call(url: &str, operation: &'static Operation, mut a: Arguments) -> Result<Called, String> {
        let client = client(url);
        let id = a.path.first().cloned().unwrap_or_default();
        match operation.id {
            "v1_consumer_jobs_post" => {
                let mut options = V1ConsumerJobsPostOptions::default();
                (options.wait, options.detailed) = (a.flag("wait")?, a.flag("detailed")?);
                (options.whatif, options.charge) = (a.flag("whatif")?, a.flag("charge")?);
                let body: Option<SubmitBody> = a.json()?;
                a.finish()?;
                let extra = body.as_ref().map(submitted).unwrap_or_default();
                Ok(Called::new(extra, client.v1_consumer_jobs_post(body.as_ref(), options).await))
            }
            "v1_consumer_jobs_get" => {
                let mut options = V1ConsumerJobsGetOptions::default();
                let token = a.required("token")?;
                (options.wait, options.detailed) = (a.flag("wait")?, a.flag("detailed")?);
                a.finish()?;
                Ok(Called::new(Vec::new(), client.v1_consumer_jobs_get(&token, options).await))
            }
            "v1_consumer_jobs_put" => {
                let mut options = V1ConsumerJobsPutOptions::default();
                options.token = a.one("token")?;
                let body: Option<TaintJobsRequest> = a.json()?;
                a.finish()?;
                let extra = body.as_ref().map(|body| members("", &body.extra)).unwrap_or_default();
                Ok(Called::new(extra, client.v1_consumer_jobs_put(body.as_ref(), options).await))
            }
            "v1_consumer_jobs_delete" => {
                let mut options = V1ConsumerJobsDeleteOptions::default();
                let token = a.required("token")?;
                options.force = a.flag("force")?;
                a.finish()?;
                Ok(Called::new(Vec::new(), client.v1_consumer_jobs_delete(&token, options).await))
            }
            "v1_consumer_jobs_job_id_get" => {
                let mut options = V1ConsumerJobsJobIdGetOptions::default();
                options.detailed = a.flag("detailed")?;
                a.finish()?;
                Ok(Called::new(Vec::new(), client.v1_consumer_jobs_job_id_get(&id, options).await))
            }
            "v1_consumer_jobs_job_id_put" => {
                let body: Option<TaintJobRequest> = a.json()?;
                a.finish()?;
                let extra = body.as_ref().map(|body| members("", &body.extra)).unwrap_or_default();
                let options = V1ConsumerJobsJobIdPutOptions::default();
                Ok(Called::new(extra, client.v1_consumer_jobs_job_id_put(&id, body.as_ref(), options).await))
            }
            "v1_consumer_jobs_job_id_delete" => {
                let mut options = V1ConsumerJobsJobIdDeleteOptions::default();
                options.force = a.flag("force")?;
                a.finish()?;
                Ok(Called::new(Vec::new(), client.v1_consumer_jobs_job_id_delete(&id, options).await))
            }
            "v1_consumer_jobs_query_post" => {
                let mut options = V1ConsumerJobsQueryPostOptions::default();
                options.detailed = a.flag("detailed")?;
                let body: Option<QueryJobsRequest> = a.json()?;
                a.finish()?;
                let extra = body.as_ref().map(|body| members("", &body.extra)).unwrap_or_default();
                Ok(Called::new(extra, client.v1_consumer_jobs_query_post(body.as_ref(), options).await))
            }
            "v1_consumer_coverage_get" => {
                let models = a.list("model");
                a.finish()?;
                let options = V1ConsumerCoverageGetOptions::default();
                Ok(Called::new(Vec::new(), client.v1_consumer_coverage_get(&models, options).await))
            }
            "v1_consumer_consumption_get" => {
                let mut options = V1ConsumerConsumptionGetOptions::default();
                options.start_date = a.one::<String>("startDate")?.map(DateTime::from);
                options.end_date = a.one::<String>("endDate")?.map(DateTime::from);
                a.finish()?;
                Ok(Called::new(Vec::new(), client.v1_consumer_consumption_get(options).await))
            }
            "v1_consumer_requests_get" => {
                let mut options = V1ConsumerRequestsGetOptions::default();
                (options.cursor, options.take) = (a.one("cursor")?, a.one("take")?);
                a.finish()?;
                Ok(Called::new(Vec::new(), client.v1_consumer_requests_get(options).await))
            }
            other => Err(format!("the runner cannot call {other}")),
        }
    }
    fn arguments(operation: &Operation, body: &Value) -> Arguments {
        let mut arguments = no_arguments();
        if operation.path.contains("{jobId}") {
            arguments.path.push(body["jobId"].as_str().filter(|id| !id.is_empty()).unwrap_or("a-job").to_owned());
        }
        if matches!(operation.id, "v1_consumer_jobs_get" | "v1_consumer_jobs_delete") {
            arguments.query.push(("token".to_owned(), "a-token".to_owned()));
        }
        arguments
    }
    /// By the order of the fact sheet: complaints by member, `detail`, `error`, `message`, `title`.
    fn words(body: &Value) -> Vec<String> {
        let text = |value: &Value| value.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned);
        let mut complaints: Vec<String> = Vec::new();
        for messages in body["errors"].as_object().into_iter().flatten().map(|(_, messages)| messages) {
            complaints.extend(messages.as_array().into_iter().flatten().filter_map(text));
        }
        for entry in body.as_object().into_iter().flatten().map(|(_, entry)| entry) {
            let errors = entry["errors"].as_array().into_iter().flatten();
            complaints
                .extend(errors.filter_map(|error| text(&error["errorMessage"]).or_else(|| text(&error["message"]))));
        }
        if complaints.is_empty() {
            let named = ["detail", "error", "message", "title"].iter().find_map(|name| text(&body[*name]));
            complaints.extend(named);
        }
        complaints
    }
    async fn state(url: &str, operation: &Operation, body: &Value) -> Option<Result<(String, bool), String>> {
        let ticket = match operation.id {
            "v1_consumer_jobs_post" | "v1_consumer_jobs_get" => consign::civitai::Civitai::ticket_of_token("a-token"),
            "v1_consumer_jobs_job_id_get" => {
                consign::civitai::Civitai::ticket_of_job(&Self::arguments(operation, body).path[0])
            }
            _ => return None,
        };
        let look = async {
            let jobs = Jobs::new(consign::civitai::Civitai::from_client(client(url)));
            let snapshot = jobs.attach(ticket)?.look().await?;
            Ok((snapshot.state().as_str().to_owned(), snapshot.finished()))
        };
        Some(look.await.map_err(|error: consign::Error| error.to_string()))
    }
}

fn client(url: &str) -> Client {
    let builder =
        Client::builder(url).expect("a loopback address").token(Token::new("civ-test-token").expect("a token"));
    Client::from_http(builder.build().expect("a client"))
}

/// A time span object equals its text.
fn special(component: &str, expected: &Value, actual: &Value) -> Option<bool> {
    if component != "TimeSpan" || !expected.is_object() {
        return None;
    }
    let ticks = expected["ticks"].as_i64();
    let ticks = ticks.or_else(|| expected["totalSeconds"].as_f64().map(|seconds| (seconds * 1e7).round() as i64));
    let found = actual.as_str().and_then(|text| text.parse::<TimeSpan>().ok());
    Some(ticks.is_some() && ticks == found.map(TimeSpan::ticks))
}

/// Pointers of the members of an `extra`.
fn members(at: &str, extra: &Map<String, Value>) -> Vec<String> {
    extra.keys().map(|name| format!("{at}/{}", escape(name))).collect()
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Pointers of all that a submission has in `extra`.
fn submitted(body: &SubmitBody) -> Vec<String> {
    match body {
        SubmitBody::One(one) => template("", one),
        SubmitBody::List(list) => {
            let inside =
                list.jobs.iter().flatten().enumerate().flat_map(|(n, one)| template(&format!("/jobs/{n}"), one));
            members("", &list.extra).into_iter().chain(inside).collect()
        }
        _ => vec!["".to_owned()],
    }
}

/// Pointers of all that a template has in `extra`. What an unknown kind has is not extra: nothing is known of it.
fn template(at: &str, template: &JobTemplate) -> Vec<String> {
    let (extra, priority) = match template {
        JobTemplate::TextToImage(t) => return text_to_image(at, t),
        JobTemplate::Comfy(t) => (&t.extra, &t.priority),
        JobTemplate::ImageResourceTraining(t) => (&t.extra, &t.priority),
        JobTemplate::BlobUpload(t) => (&t.extra, &t.priority),
        JobTemplate::BlobGet(t) => (&t.extra, &t.priority),
        JobTemplate::BlobPin(t) => (&t.extra, &t.priority),
        JobTemplate::BlobUnpin(t) => (&t.extra, &t.priority),
        JobTemplate::BlobDelete(t) => (&t.extra, &t.priority),
        JobTemplate::ImageTransform(t) => (&t.extra, &t.priority),
        JobTemplate::CopyAsset(t) => (&t.extra, &t.priority),
        JobTemplate::ClearAssets(t) => (&t.extra, &t.priority),
        JobTemplate::WdTagging(t) => (&t.extra, &t.priority),
        JobTemplate::MediaTagging(t) => (&t.extra, &t.priority),
        JobTemplate::MovieRating(t) => (&t.extra, &t.priority),
        JobTemplate::PrepareModel(t) => (&t.extra, &t.priority),
        JobTemplate::ImageEmbedding(t) => (&t.extra, &t.priority),
        JobTemplate::RebootWorker(t) => (&t.extra, &t.priority),
        JobTemplate::Unknown(_) => return Vec::new(),
        _ => return vec![at.to_owned()],
    };
    [members(at, extra), place(at, priority.as_ref())].concat()
}

fn text_to_image(at: &str, t: &TextToImageJobRequest) -> Vec<String> {
    let mut all = members(at, &t.extra);
    all.extend(place(at, t.priority.as_ref()));
    all.extend(t.params.iter().flat_map(|params| members(&format!("{at}/params"), &params.extra)));
    for (name, network) in t.additional_networks.iter().flatten() {
        all.extend(members(&format!("{at}/additionalNetworks/{}", escape(name)), &network.extra));
    }
    for (n, net) in t.control_nets.iter().flatten().enumerate() {
        all.extend(members(&format!("{at}/controlNets/{n}"), &net.extra));
    }
    all
}

fn place(at: &str, priority: Option<&Priority>) -> Vec<String> {
    let at = format!("{at}/priority");
    match priority {
        Some(Priority::RangedPriority(range)) => members(&at, &range.extra),
        Some(Priority::FixedPriority(fixed)) => members(&at, &fixed.extra),
        // A form that is not known here is kept whole.
        Some(Priority::Other(_)) => vec![at],
        _ => Vec::new(),
    }
}

//! How Chutes' methods are called, for the vector runner.
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use consign_chutes::types::{CompleteJob, CreateApiKey, ShareChute};
use consign_chutes::wire::{FinishJob, JobArguments};
use consign_chutes::{
    Address, ApiKey, Client, CompleteJobOptions, CreateApiKeyOptions, CreateJobOptions, DeleteApiKeyOptions,
    DeleteJobOptions, DownloadOutputFileOptions, FinishJobOptions, Form, GetApiKeyOptions, GetChuteOptions,
    GetJobOptions, GetMeOptions, Hotkey, ListApiKeysOptions, ListChutesOptions, ListMinerJobsOptions, PingOptions,
    ReleaseMinerJobOptions, Runner, ShareChuteOptions, UploadJobFileOptions, hotkey, operations,
};
use consign_http::{ByteStream, Operation, Reply, TokioClock};
use serde_json::{Map, Value};

use crate::arguments::Arguments;
use crate::compare::Special;
use crate::line::{Part, RequestLine};
use crate::run::{Called, Provider, Replied, no_arguments};
use crate::server::Sent;

pub struct Chutes;

/// A key without any rights, in the right shape.
const KEY: &str =
    "cpk_854d4189baa65d29aeb9fcda2eab890a.39e40833dec8509db8e0a0a531ea6390.UTJGQ2ABPQGM77RO7ZIJaZ09bY18cX27";

impl Provider for Chutes {
    const NAME: &'static str = "chutes";
    const ID: &'static str = "JobId";
    const SPECIAL: Special = special;

    fn document(api: Option<&str>) -> Option<&'static str> {
        api.is_none().then_some("specs/chutes/api.json")
    }
    fn operations(api: Option<&str>) -> &'static [&'static Operation] {
        if Self::document(api).is_some() { operations::ALL } else { &[] }
    }
    fn signature(line: &RequestLine, sent: &Sent) -> Vec<String> {
        let header = |name: &str| sent.header(name).map(|value| String::from_utf8_lossy(value).into_owned());
        let Some(message) = &line.signed_message else { return Vec::new() };
        let mut why = Vec::new();
        let nonce = line.request.headers.get("x-chutes-nonce");
        if header("x-chutes-nonce").as_ref() != nonce {
            why.push(format!("the nonce is {:?}, not the clock's {nonce:?}", header("x-chutes-nonce")));
        }
        let address = header("x-chutes-hotkey").and_then(|text| text.parse::<Address>().ok());
        let signature = header("x-chutes-signature").and_then(|text| from_hex(&text));
        let (Some(address), Some(signature)) = (address, signature) else {
            why.push("it is not signed".to_owned());
            return why;
        };
        // Signatures are randomised. This one verifies only if just this message was signed: with this body, byte
        // for byte.
        if !hotkey::verify(address.public_key(), message.as_bytes(), &signature) {
            why.push(format!("the signature is not one of {message:?}"));
        }
        why
    }
    async fn call(url: &str, operation: &'static Operation, mut a: Arguments) -> Result<Called, String> {
        if let "finish_job" | "upload_job_file" | "complete_job" = operation.id {
            return run(url, operation.id, a).await;
        }
        let client = client(url, &a)?;
        let value = |n: usize| a.path.get(n).cloned().unwrap_or_default();
        let (first, second) = (value(0), value(1));
        match operation.id {
            "create_job" => {
                let body: JobArguments = a.json()?.ok_or("create_job takes a body")?;
                a.finish()?;
                let reply = client.create_job(&first, &second, &body, CreateJobOptions::default()).await;
                Ok(Called::new(Vec::new(), reply))
            }
            "get_job" => {
                a.finish()?;
                Ok(Called::new(Vec::new(), client.get_job(&first, GetJobOptions::default()).await))
            }
            "delete_job" => {
                a.finish()?;
                Ok(Called::new(Vec::new(), client.delete_job(&first, DeleteJobOptions::default()).await))
            }
            "download_output_file" => {
                a.finish()?;
                let options = DownloadOutputFileOptions::default();
                whole(client.download_output_file(&first, &second, options).await).await
            }
            "list_chutes" => {
                let mut options = ListChutesOptions::default();
                (options.include_public, options.include_schemas) =
                    (a.flag("include_public")?, a.flag("include_schemas")?);
                (options.template, options.name, options.exclude) =
                    (a.one("template")?, a.one("name")?, a.one("exclude")?);
                (options.image, options.slug) = (a.one("image")?, a.one("slug")?);
                (options.page, options.limit) = (a.one("page")?, a.one("limit")?);
                a.finish()?;
                Ok(Called::new(Vec::new(), client.list_chutes(options).await))
            }
            "get_chute" => {
                a.finish()?;
                Ok(Called::new(Vec::new(), client.get_chute(&first, GetChuteOptions::default()).await))
            }
            "share_chute" => {
                let body: ShareChute = a.json()?.ok_or("share_chute takes a body")?;
                a.finish()?;
                let reply = client.share_chute(&body, ShareChuteOptions::default()).await;
                Ok(Called::new(members("", &body.extra), reply))
            }
            "get_me" => {
                a.finish()?;
                Ok(Called::new(Vec::new(), client.get_me(GetMeOptions::default()).await))
            }
            "list_api_keys" => {
                let mut options = ListApiKeysOptions::default();
                (options.page, options.limit) = (a.one("page")?, a.one("limit")?);
                a.finish()?;
                Ok(Called::new(Vec::new(), client.list_api_keys(options).await))
            }
            "create_api_key" => {
                let body: CreateApiKey = a.json()?.ok_or("create_api_key takes a body")?;
                a.finish()?;
                let scopes = body.scopes.iter().flatten().enumerate();
                let mut extra: Vec<String> =
                    scopes.flat_map(|(n, scope)| members(&format!("/scopes/{n}"), &scope.extra)).collect();
                extra.extend(members("", &body.extra));
                Ok(Called::new(extra, client.create_api_key(&body, CreateApiKeyOptions::default()).await))
            }
            "get_api_key" => {
                a.finish()?;
                Ok(Called::new(Vec::new(), client.get_api_key(&first, GetApiKeyOptions::default()).await))
            }
            "delete_api_key" => {
                a.finish()?;
                Ok(Called::new(Vec::new(), client.delete_api_key(&first, DeleteApiKeyOptions::default()).await))
            }
            "list_miner_jobs" => {
                a.finish()?;
                whole(client.list_miner_jobs(ListMinerJobsOptions::default()).await).await
            }
            "release_miner_job" => {
                a.finish()?;
                Ok(Called::new(Vec::new(), client.release_miner_job(&first, ReleaseMinerJobOptions::default()).await))
            }
            "ping" => {
                a.finish()?;
                Ok(Called::new(Vec::new(), client.ping(PingOptions::default()).await))
            }
            other => Err(format!("the runner cannot call {other}")),
        }
    }
    fn arguments(operation: &Operation, body: &Value) -> Arguments {
        let mut arguments = no_arguments();
        let values = operation.path.matches('{').count();
        let id = body["job_id"].as_str().filter(|id| !id.is_empty()).unwrap_or("a-value");
        arguments.path = vec![id.to_owned(); values];
        match operation.id {
            "finish_job" | "complete_job" => arguments.query.push(("token".to_owned(), "a-token".to_owned())),
            "upload_job_file" => {
                arguments.query.push(("token".to_owned(), "a-token".to_owned()));
                arguments.body = crate::line::Body::Parts(Vec::new());
            }
            _ => {}
        }
        match operation.id {
            "create_job" | "finish_job" => arguments.body = crate::line::Body::Json("{}".to_owned()),
            "share_chute" => {
                let body = r#"{"chute_id_or_name":"a","user_id_or_name":"b"}"#;
                arguments.body = crate::line::Body::Json(body.to_owned());
            }
            "create_api_key" => {
                arguments.body = crate::line::Body::Json(r#"{"name":"a","admin":true}"#.to_owned());
            }
            _ => {}
        }
        arguments
    }
    /// `detail` as text, or the text of each complaint in it.
    fn words(body: &Value) -> Vec<String> {
        match &body["detail"] {
            Value::String(text) => vec![text.clone()],
            Value::Array(list) => list.iter().filter_map(|one| one["msg"].as_str().map(str::to_owned)).collect(),
            _ => Vec::new(),
        }
    }
    async fn state(url: &str, operation: &Operation, body: &Value) -> Option<Result<(String, bool), String>> {
        use consign::chutes::{ChuteJob, Chutes};
        let look = async {
            let jobs = consign::Jobs::new(Chutes::builder().base_url(url).api_key(KEY).build()?);
            let snapshot = match operation.id {
                "get_job" => {
                    let id = &Self::arguments(operation, body).path[0];
                    jobs.attach(Chutes::ticket_of_job(id))?.look().await?
                }
                _ => jobs.submit(ChuteJob::new("a-chute", "a-method")).await?.first().expect("it was told").clone(),
            };
            Ok((snapshot.state().as_str().to_owned(), snapshot.finished()))
        };
        match operation.id {
            "get_job" | "create_job" => Some(look.await.map_err(|error: consign::Error| error.to_string())),
            _ => None,
        }
    }
}

/// The runner's side.
async fn run(url: &str, operation: &str, mut a: Arguments) -> Result<Called, String> {
    let runner = Runner::from_http(Runner::builder(url).expect("a loopback address").build().expect("a client"));
    let (job_id, token) = (a.path.first().cloned().unwrap_or_default(), a.required("token")?);
    match operation {
        "finish_job" => {
            let body: FinishJob = a.json()?.ok_or("finish_job takes a body")?;
            a.finish()?;
            let reply = runner.finish_job(&job_id, &token, &body, FinishJobOptions::default()).await;
            Ok(Called::new(members("", &body.extra), reply))
        }
        "upload_job_file" => {
            let form = a.parts()?.into_iter().try_fold(Form::new(), add)?;
            a.finish()?;
            let reply = runner.upload_job_file(&job_id, &token, form, UploadJobFileOptions::default()).await;
            Ok(Called::new(Vec::new(), reply))
        }
        _ => {
            let body: Option<CompleteJob> = a.json()?;
            a.finish()?;
            let extra = body.as_ref().map(|body| members("", &body.extra)).unwrap_or_default();
            let options = CompleteJobOptions::default();
            Ok(Called::new(extra, runner.complete_job(&job_id, &token, body.as_ref(), options).await))
        }
    }
}

fn add(form: Form, part: Part) -> Result<Form, String> {
    let mut made = consign_http::Part::bytes(part.bytes);
    if let Some(name) = part.file_name {
        made = made.file_name(name);
    }
    if let Some(media) = part.media {
        made = made.media_type(&media).map_err(|error| error.to_string())?;
    }
    Ok(form.part(part.name, made))
}

/// A streamed answer, read to its end.
async fn whole(reply: Result<Reply<ByteStream>, consign_http::Error>) -> Result<Called, String> {
    let reply = match reply {
        Ok(reply) => reply.into_value().collect(1 << 20).await,
        Err(error) => Err(error),
    };
    let reply = reply.map(|raw: Bytes| Replied { encoded: Value::Null, raw });
    Ok(Called { extra: Vec::new(), reply })
}

/// A client with the credential of the recorded headers: a hotkey whose clock shows the recorded time, or an API key.
fn client(url: &str, arguments: &Arguments) -> Result<Client, String> {
    let builder = Client::builder(url).map_err(|error| error.to_string())?;
    let builder = match arguments.header("x-chutes-hotkey") {
        Some(address) => {
            let nonce = arguments.header("x-chutes-nonce").and_then(|nonce| nonce.parse().ok()).ok_or("no nonce")?;
            let clock = TokioClock::starting_at(UNIX_EPOCH + Duration::from_secs(nonce));
            builder.signer(Arc::new(key(&address)?)).clock(Arc::new(clock))
        }
        None => builder.token(ApiKey::new(KEY).and_then(|key| key.token()).map_err(|error| error.to_string())?),
    };
    builder.build().map(Client::from_http).map_err(|error| error.to_string())
}

/// The key with this address, of the signing file.
fn key(address: &str) -> Result<Hotkey, String> {
    let file = std::fs::read_to_string(crate::folder().join("chutes-signing.json")).map_err(|e| e.to_string())?;
    let file: Value = serde_json::from_str(&file).map_err(|error| error.to_string())?;
    let mut keys = file["keys"].as_array().into_iter().flatten();
    let key = keys.find(|key| key["ss58_address"] == address).ok_or_else(|| format!("no key of {address}"))?;
    Hotkey::from_seed_hex(key["seed_hex"].as_str().unwrap_or_default()).map_err(|error| error.to_string())
}

/// In a report, a result of null and none differ.
fn special(component: &str, expected: &Value, actual: &Value) -> Option<bool> {
    let differ = component == "FinishJob" && expected.get("result").is_some() != actual.get("result").is_some();
    differ.then_some(false)
}

/// Pointers of the members of an `extra`.
fn members(at: &str, extra: &Map<String, Value>) -> Vec<String> {
    extra.keys().map(|name| format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))).collect()
}

pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|p| p.len() == 2)?, 16).ok()).collect()
}

//! How NuMind's methods are called, for the vector runner: what both interfaces share.
use std::sync::LazyLock;

use bytes::Bytes;
use consign_http::{Body as Sent, ByteStream, Error, Form, Operation, Part, Reply, Token};
use consign_numind::{v0_2, v0_4};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::arguments::Arguments;
use crate::compare::Special;
use crate::line::Body;
use crate::run::{Called, Provider, Replied, no_arguments};
use crate::{numind_v0_2, numind_v0_4};

pub struct NuMind;

/// Those of 0.2.0, and those that only 0.4.2 has: for lines without an `api`.
static BOTH: LazyLock<Vec<&'static Operation>> = LazyLock::new(|| {
    let (old, new) = (v0_2::operations::ALL, v0_4::operations::ALL);
    let only_new = new.iter().filter(|new| !old.iter().any(|old| old.id == new.id));
    old.iter().chain(only_new).copied().collect()
});

/// Whether it is one of 0.4.2.
fn is_new(operation: &Operation) -> bool {
    v0_4::operations::ALL.iter().any(|new| std::ptr::eq(*new, operation))
}

impl Provider for NuMind {
    const NAME: &'static str = "numind";
    const ID: &'static str = "JobId";
    const SPECIAL: Special = |_, _, _| None;

    fn document(api: Option<&str>) -> Option<&'static str> {
        match api {
            None | Some("0.2.0") => Some("specs/numind/v0_2.json"),
            Some("0.4.2") => Some("specs/numind/v0_4.json"),
            Some(_) => None,
        }
    }
    fn operations(api: Option<&str>) -> &'static [&'static Operation] {
        match api {
            None => &BOTH,
            Some("0.2.0") => v0_2::operations::ALL,
            Some("0.4.2") => v0_4::operations::ALL,
            Some(_) => &[],
        }
    }
    fn api(operation: &'static Operation) -> Option<&'static str> {
        Some(if is_new(operation) { "0.4.2" } else { "0.2.0" })
    }
    async fn call(url: &str, operation: &'static Operation, a: Arguments) -> Result<Called, String> {
        let http = client(url);
        if is_new(operation) {
            numind_v0_4::call(&v0_4::Client::from_http(http), operation.id, a).await
        } else {
            numind_v0_2::call(&v0_2::Client::from_http(http), operation.id, a).await
        }
    }
    fn arguments(operation: &Operation, body: &Value) -> Arguments {
        let mut arguments = no_arguments();
        let id = ["id", "jobId"].iter().find_map(|name| body[*name].as_str()).filter(|id| !id.is_empty());
        for name in operation.path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
            let value = if name == "partIndex" { "0" } else { id.unwrap_or("an-id") };
            arguments.path.push(value.to_owned());
        }
        match operation.id {
            "get_api_auth" => arguments.query.push(("redirectUri".to_owned(), "http://localhost".to_owned())),
            "post_api_files" => drop(arguments.headers.insert("x-file-name".to_owned(), b"a.txt".to_vec())),
            _ => {}
        }
        arguments.body = sent(operation);
        arguments
    }
    fn words(body: &Value) -> Vec<String> {
        let text = |name: &str| body[name].as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned);
        text("message").or_else(|| text("code")).into_iter().collect()
    }
    async fn state(url: &str, operation: &Operation, body: &Value) -> Option<Result<(String, bool), String>> {
        let id = match operation.id {
            "get_api_jobs_jobid" | "get_api_jobs_jobid_status" => Self::arguments(operation, body).path.pop()?,
            _ => return None,
        };
        let look = async {
            let numind = consign::numind::NuMind::from_client(v0_4::Client::from_http(client(url)));
            let ticket = consign::numind::NuMind::ticket_of_job(&id);
            let snapshot = consign::Jobs::new(numind).attach(ticket)?.look().await?;
            Ok((snapshot.state().as_str().to_owned(), snapshot.finished()))
        };
        Some(look.await.map_err(|error: consign::Error| error.to_string()))
    }
}

/// A client of a server on the loopback.
pub fn client(url: &str) -> consign_http::Client {
    let builder = consign_numind::builder(url).expect("a loopback address");
    builder.token(Token::new("nm.test.token").expect("a token")).build().expect("a client")
}

/// Any body that a method takes.
fn sent(operation: &Operation) -> Body {
    let value = match operation.id {
        id if id.ends_with("_jobs_text") || id == "post_api_documents_text" => match id {
            "post_api_template_generation_jobs_text" => json!({"description": ""}),
            _ => json!({"text": ""}),
        },
        "post_api_structured_extraction" if is_new(operation) => {
            json!({"name": "", "description": "", "template": {}, "instructions": ""})
        }
        "post_api_structured_extraction" => json!({"name": "", "description": "", "template": {}}),
        "post_api_files_fileid_convert_to_document" if is_new(operation) => {
            json!({"rasterizationDPI": 170, "tokenBudgetType": "all-pages"})
        }
        "post_api_files_fileid_convert_to_document" => json!({"rasterizationDPI": 170}),
        "post_api_auth_token" => json!({"type": "ai.numind.extract.shared.TokenRefreshRequest", "token": "t"}),
        "post_api_auth_api_keys" | "put_api_auth_api_keys_apikeyid" => json!({"name": ""}),
        "post_api_content_extraction_jobs" | "post_api_structured_extraction_jobs" => return Body::Parts(Vec::new()),
        id if id.starts_with("patch_") => json!({}),
        id if id.contains("_examples") && (id.starts_with("post_") || id.starts_with("put_")) => {
            json!({"documentId": "", "result": {}})
        }
        "post_api_files" | "post_api_template_generation_jobs" => return Body::Bytes(Vec::new()),
        id if id.starts_with("post_") && id.ends_with("projectid_jobs") => return Body::Bytes(Vec::new()),
        _ => return Body::None,
    };
    Body::Json(value.to_string())
}

/// A path value, by its place in the template.
pub fn path(a: &Arguments, at: usize) -> Result<String, String> {
    a.path.get(at).cloned().ok_or_else(|| format!("path value {at} is missing"))
}

/// A JSON body that has to be there.
pub fn json<T: DeserializeOwned>(a: &mut Arguments) -> Result<T, String> {
    a.json()?.ok_or_else(|| "a body is missing, which the method requires".to_owned())
}

/// A body of bytes.
pub fn raw(a: &mut Arguments) -> Result<Sent, String> {
    match std::mem::replace(&mut a.body, Body::None) {
        Body::Bytes(bytes) => Ok(bytes.into()),
        Body::None => Ok(Sent::Empty),
        _ => Err("the method takes bytes".to_owned()),
    }
}

/// The parts of a form, as they were recorded.
pub fn form(a: &mut Arguments) -> Result<Form, String> {
    a.parts()?.into_iter().try_fold(Form::new(), |form, recorded| {
        let name = recorded.name.clone();
        Ok(form.part(name, part(recorded)?))
    })
}

/// The only part of a form with one file.
pub fn file(a: &mut Arguments) -> Result<Part, String> {
    let mut parts = a.parts()?;
    match (parts.pop(), parts.is_empty()) {
        (Some(only), true) if only.name == "file" => part(only),
        _ => Err("the form does not have one part, \"file\"".to_owned()),
    }
}

fn part(recorded: crate::line::Part) -> Result<Part, String> {
    let part = Part::bytes(recorded.bytes);
    let part = match recorded.file_name {
        Some(name) => part.file_name(name),
        None => part,
    };
    match recorded.media {
        Some(media) => part.media_type(&media).map_err(|error| error.to_string()),
        None => Ok(part),
    }
}

/// A reply whose value is its bytes.
pub fn whole(reply: Result<Reply<Bytes>, Error>) -> Called {
    let text = |reply: Reply<Bytes>| Replied {
        encoded: String::from_utf8_lossy(&reply.value).into_owned().into(),
        raw: reply.raw().clone(),
    };
    Called { extra: Vec::new(), reply: reply.map(text) }
}

/// A reply that is a stream, read to its end.
pub async fn collected(reply: Result<Reply<ByteStream>, Error>) -> Called {
    let reply = match reply {
        Ok(reply) => reply.into_value().collect(64 << 20).await,
        Err(error) => Err(error),
    };
    let text = |raw: Bytes| Replied { encoded: String::from_utf8_lossy(&raw).into_owned().into(), raw };
    Called { extra: Vec::new(), reply: reply.map(text) }
}

/// Pointers of the members of an `extra`.
pub fn members(extra: &Map<String, Value>) -> Vec<String> {
    extra.keys().map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1"))).collect()
}

/// Pointers of all that a request for a token has in `extra`.
pub fn token(body: &v0_2::types::TokenRequest) -> Vec<String> {
    use v0_2::types::TokenRequest as Request;
    match body {
        Request::AiNumindExtractSharedTokenCodeRequest(code) => members(&code.extra),
        Request::AiNumindExtractSharedTokenRefreshRequest(refresh) => members(&refresh.extra),
        _ => vec![String::new()],
    }
}

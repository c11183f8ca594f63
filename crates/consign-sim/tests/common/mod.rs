//! Short ways to ask a simulator in the process.
// Each test file uses a part of it, and a panic is a report.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use bytes::Bytes;
use consign_sim::{Broken, Civitai};
use http::{HeaderMap, Method, Request};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// An answer in parts.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The JSON of a success.
    pub(crate) fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.json()
    }

    /// Asserts a success without a body.
    pub(crate) fn ok_empty(&self) {
        assert_eq!((self.status, self.body.len()), (200, 0), "{self:?}");
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Sends any request.
pub(crate) async fn send(
    sim: &Civitai,
    method: Method,
    uri: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Answer, Broken> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, body) = sim.handle(request.body(body.into()).unwrap()).await?.into_parts();
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

/// An API request with a token, and with JSON if it has a body.
pub(crate) async fn try_call(
    sim: &Civitai,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer, Broken> {
    let uri = format!("{}/v1/consumer/{path}", Civitai::URL);
    let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
    let mut headers = vec![("authorization", "Bearer secret")];
    if !body.is_empty() {
        headers.push(("content-type", "application/json"));
    }
    send(sim, method, &uri, &headers, body).await
}

pub(crate) async fn call(sim: &Civitai, method: Method, path: &str, body: Option<&Value>) -> Answer {
    try_call(sim, method, path, body).await.unwrap()
}

pub(crate) async fn get(sim: &Civitai, path: &str) -> Answer {
    call(sim, Method::GET, path, None).await
}

pub(crate) async fn post(sim: &Civitai, path: &str, body: &Value) -> Answer {
    call(sim, Method::POST, path, Some(body)).await
}

pub(crate) async fn delete(sim: &Civitai, path: &str) -> Answer {
    call(sim, Method::DELETE, path, None).await
}

/// A request to the blob host, without credentials.
pub(crate) async fn fetch(sim: &Civitai, url: &str, headers: &[(&str, &str)]) -> Answer {
    send(sim, Method::GET, url, headers, Bytes::new()).await.unwrap()
}

/// A template of a small picture, with further members over it.
pub(crate) fn picture(more: Value) -> Value {
    let mut template = json!({
        "$type": "textToImage", "model": "urn:air:sdxl:checkpoint:civitai:101055@128078",
        "params": {"prompt": "a curious cat", "width": 512, "height": 256, "steps": 30, "seed": 5},
    });
    for (name, value) in more.as_object().unwrap() {
        template[name] = value.clone();
    }
    template
}

/// Submits one template; gives its token (encoded for a query) and the ids of its jobs.
pub(crate) async fn submit(sim: &Civitai, template: Value) -> (String, Vec<String>) {
    let answer = post(sim, "jobs", &template).await.ok();
    let ids = answer["jobs"].as_array().unwrap().iter().map(|job| job["jobId"].as_str().unwrap().to_owned());
    (encode(answer["token"].as_str().unwrap()), ids.collect())
}

/// The words of a job's events.
pub(crate) fn events(sim: &Civitai, id: &str) -> Vec<String> {
    sim.job(id).unwrap().events.into_iter().map(|(_, word)| word).collect()
}

pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Width and height of a PNG file that decodes to its end.
pub(crate) fn size(file: &[u8]) -> (u32, u32) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    (frame.width, frame.height)
}

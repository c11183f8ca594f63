//! Each operation of the NuMind clients against a mock server: what is sent, what is decoded, and every form of error.
use consign_http::{Client, Token};
use httpmock::{Method, Mock, MockServer, Then, When};
use serde_json::{Value, json};

mod errors;
mod v0_2;
mod v0_4;

const KEY: &str = "nm-secret.0123456789.abc";

fn http(server: &MockServer) -> Client {
    let builder = consign_numind::builder(&server.base_url()).unwrap();
    builder.token(Token::new(KEY).unwrap()).build().unwrap()
}

/// A mock of one call, with the key; it wants exactly this query and these bytes of JSON, if any.
fn mock<'a>(
    server: &'a MockServer,
    method: Method,
    path: &'static str,
    query: &'static str,
    body: Option<Value>,
    what: impl FnOnce(When, Then),
) -> Mock<'a> {
    server.mock(|when, then| {
        let when = when.method(method).header("authorization", format!("Bearer {KEY}"));
        let when =
            when.is_true(move |request| (request.uri().path(), request.uri().query().unwrap_or("")) == (path, query));
        let when = match body {
            Some(body) => when.header("content-type", "application/json").json_body(body),
            None => when,
        };
        what(when, then);
    })
}

/// The same for a call without a body that is answered so.
fn answers<'a>(
    server: &'a MockServer,
    method: Method,
    path: &'static str,
    query: &'static str,
    answer: Value,
) -> Mock<'a> {
    mock(server, method, path, query, None, |when, then| {
        when.is_true(|request| request.body_ref().is_empty() && request.headers().get("content-type").is_none());
        then.status(200).json_body(answer);
    })
}

/// The same for a call with a JSON body.
fn takes<'a>(
    server: &'a MockServer,
    method: Method,
    path: &'static str,
    query: &'static str,
    body: Value,
    answer: Value,
) -> Mock<'a> {
    mock(server, method, path, query, Some(body), |_, then| drop(then.status(200).json_body(answer)))
}

/// A mock of a call whose body is these bytes, under this media type.
fn takes_bytes<'a>(
    server: &'a MockServer,
    path: &'static str,
    query: &'static str,
    bytes: &'static [u8],
    answer: Value,
) -> Mock<'a> {
    mock(server, Method::POST, path, query, None, |when, then| {
        when.header("content-type", "application/octet-stream").is_true(move |request| request.body_ref() == bytes);
        then.status(200).json_body(answer);
    })
}

/// A mock of a call with a form that has these texts in this order.
fn takes_form<'a>(
    server: &'a MockServer,
    path: &'static str,
    query: &'static str,
    parts: &'static [&'static str],
    answer: Value,
) -> Mock<'a> {
    mock(server, Method::POST, path, query, None, |when, then| {
        when.is_true(move |request| {
            let media = request.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
            let body = String::from_utf8_lossy(request.body_ref()).into_owned();
            let mut rest = body.as_str();
            let ordered = parts.iter().all(|part| match rest.split_once(part) {
                Some((_, after)) => {
                    rest = after;
                    true
                }
                None => false,
            });
            media.starts_with("multipart/form-data; boundary=") && ordered
        });
        then.status(200).json_body(answer);
    })
}

fn started() -> Value {
    json!({"jobId": "job_01kq3v9zrte8fbn7c2h4m6x0ya"})
}

fn job(status: &str) -> Value {
    json!({
        "id": "2b7e1f60", "jobType": "inference", "status": status, "ownerUser": "u", "ownerOrganization": null,
        "inputData": "{\"projectId\":\"p\"}", "outputData": "{\"result\":{\"city\":\"Nice\"},\"totalTokens\":653}",
        "startedAt": "2025-12-18T10:00:01Z", "completedAt": "2025-12-18T10:00:09Z",
        "createdAt": "2025-12-18T10:00:00.512Z", "updatedAt": "2025-12-18T10:00:09.004Z", "children": []
    })
}

fn extraction() -> Value {
    json!({
        "result": {"city": "Nice", "nights": null}, "rawModelOutput": "{\"city\":\"Nice\"}", "outputTokens": 41,
        "inputTokens": 612, "totalTokens": 653, "logprobs": -0.0831,
        "documentInfo": {"type": "text", "documentId": "d", "fileId": "f", "text": "Nice", "possibleTransformations": []}
    })
}

//! Every form of error, what is refused before sending, broken streams, and a login that is renewed.
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use consign_numind::v0_2::{Client, types};
use consign_numind::{Delivery, Error, ErrorKind, JobEvent, OAuth, QUOTA_EXCEEDED, Retry, error_code};
use httpmock::Method::{GET, POST};
use httpmock::MockServer;
use serde_json::json;

use crate::{KEY, http, job};

/// The error of a submission that is answered so.
async fn answered(status: u16, media: &str, headers: &[(&str, &str)], body: &str) -> Error {
    let server = MockServer::start_async().await;
    let post = server.mock(|when, then| {
        when.method(POST).path("/api/structured-extraction/p/jobs/text");
        let then = then.status(status).body(body);
        let then = if media.is_empty() { then } else { then.header("content-type", media) };
        headers.iter().fold(then, |then, (name, value)| then.header(*name, *value));
    });
    let client = Client::from_http(http(&server));
    let body = types::TextRequest::new("t");
    let submit =
        client.post_api_structured_extraction_structuredextractionprojectid_jobs_text("p", &body, Default::default());
    let error = submit.await.unwrap_err();
    post.assert();
    assert_eq!(error.status(), Some(status));
    assert_eq!(error.operation(), Some("post_api_structured_extraction_structuredextractionprojectid_jobs_text"));
    assert!(!format!("{error} {error:?}").contains(KEY));
    error
}

const JSON: &str = "application/json";

#[tokio::test]
async fn a_code_with_a_message_gives_both() {
    let error =
        answered(404, JSON, &[("x-request-id", "r-1")], r#"{"code":"ProjectNotFound","message":"Project not found"}"#)
            .await;
    assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, "Project not found"));
    assert_eq!((error.delivery(), error.retry()), (Delivery::Rejected, Retry::Never));
    assert_eq!((error.request_id(), error_code(&error).as_deref()), (Some("r-1"), Some("ProjectNotFound")));
    let error = answered(413, JSON, &[], r#"{"code":413,"message":"Request Entity Too Large"}"#).await;
    assert_eq!((error.message(), error_code(&error).as_deref()), ("Request Entity Too Large", Some("413")));
    let error = answered(415, JSON, &[], r#"{"code":"UnsupportedMediaType","message":"m"}"#).await;
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Status, Delivery::Rejected));
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_its_own_kind() {
    let error = answered(403, JSON, &[], r#"{"code":"QuotaExceeded","message":"Please upgrade your plan"}"#).await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::InsufficientCredit, Retry::Never));
    assert_eq!(error_code(&error).as_deref(), Some(QUOTA_EXCEEDED));
    let error = answered(403, JSON, &[], r#"{"code":"Forbidden","message":"Not allowed"}"#).await;
    assert_eq!(error.kind(), ErrorKind::Forbidden);
}

#[tokio::test]
async fn plain_text_web_pages_and_nothing_are_errors_with_words() {
    let error = answered(400, "text/plain; charset=UTF-8", &[], "Invalid value for: query parameter temperature").await;
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::InvalidRequest, "Invalid value for: query parameter temperature")
    );
    let error = answered(502, "text/html", &[], "<html><title>502 Bad Gateway</title></html>").await;
    assert_eq!(
        (error.kind(), error.delivery(), error.retry()),
        (ErrorKind::Gateway, Delivery::Unknown, Retry::Backoff)
    );
    assert!(error.message().contains("502 Bad Gateway"));
    let error = answered(500, "", &[], "").await;
    assert_eq!((error.kind(), error.delivery(), error.body()), (ErrorKind::Server, Delivery::Unknown, ""));
    let error =
        answered(500, JSON, &[], r#"{"code":"InternalError","message":"An error occurred, try again later"}"#).await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Server, Retry::Backoff));
    let error = answered(401, JSON, &[], r#"{"code":"Unauthorized","message":"Missing token"}"#).await;
    assert_eq!((error.kind(), error.message()), (ErrorKind::Unauthorized, "Missing token"));
    assert_eq!(answered(406, "", &[], "").await.kind(), ErrorKind::Status);
    let error = answered(429, "", &[("retry-after", "7")], "").await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::RateLimited, Retry::After(Duration::from_secs(7))));
}

#[tokio::test]
async fn a_success_that_cannot_be_read_keeps_the_text_and_may_have_started_a_job() {
    for (media, body) in
        [("text/html", "<html>hello</html>"), (JSON, "{\"jobId\": "), (JSON, ""), (JSON, "{\"jobId\":\"\"}")]
    {
        let error = answered(200, media, &[("x-kept", "1")], body).await;
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Decode, Delivery::Unknown), "{body}");
        assert_eq!((error.body(), &error.headers()["x-kept"]), (body, &"1".parse().unwrap()));
    }
}

#[tokio::test]
async fn a_result_that_is_asked_for_too_early_is_a_conflict() {
    let server = MockServer::start_async().await;
    server.mock(|when, then| {
        when.method(GET).path("/api/structured-extraction/jobs/j");
        then.status(400).json_body(json!({"code": "JobNotCompleted", "message": "The job is not completed yet"}));
    });
    let client = Client::from_http(http(&server));
    let read = client.get_api_structured_extraction_jobs_structuredextractionjobid("j", Default::default());
    let error = read.await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Conflict, Some(400)));
    assert_eq!(error.message(), "The job is not completed yet");
}

#[tokio::test]
async fn an_id_that_would_address_something_else_is_refused_before_sending() {
    let server = MockServer::start_async().await;
    let any = server.mock(|_, then| drop(then.status(200)));
    let client = Client::from_http(http(&server));
    for bad in ["", ".", ".."] {
        let error = client.get_api_jobs_jobid_status(bad, Default::default()).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidRequest, Delivery::NotSent), "{bad:?}");
        let error = client.job_events(bad, Default::default()).await.map(|_| ()).unwrap_err();
        assert_eq!(error.delivery(), Delivery::NotSent);
    }
    let error = client.post_api_files("line\nbreak", "x", Default::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Config, Delivery::NotSent));
    assert_eq!(any.calls(), 0);
}

#[tokio::test]
async fn an_error_before_the_stream_is_an_ordinary_one_and_a_record_in_its_place_is_a_result() {
    for (status, body, kind) in [
        (404, json!({"code": "JobNotFound", "message": "Job not found"}), ErrorKind::NotFound),
        (403, json!({"code": "QuotaExceeded", "message": "m"}), ErrorKind::InsufficientCredit),
    ] {
        let server = MockServer::start_async().await;
        server.mock(|when, then| {
            when.method(GET).path("/api/jobs/j/stream");
            then.status(status).json_body(body);
        });
        let client = Client::from_http(http(&server));
        let error = client.job_events("j", Default::default()).await.map(|_| ()).unwrap_err();
        assert_eq!((error.kind(), error.status()), (kind, Some(status)));
    }
    let server = MockServer::start_async().await;
    server.mock(|_, then| drop(then.status(200).header("content-type", JSON).json_body(job("completed"))));
    let client = Client::from_http(http(&server));
    let mut events = client.job_events("j", Default::default()).await.unwrap();
    let JobEvent::Result(found) = events.next().await.unwrap().unwrap() else { panic!("no result") };
    assert_eq!(found.status, Some(types::JobStatus::Completed));
    assert!(events.next().await.is_none());
}

/// A server on a socket that gives one answer and closes.
fn raw(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut buffer = [0; 1024];
            let read = stream.read(&mut buffer).unwrap();
            request.extend_from_slice(&buffer[..read]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
    });
    url
}

#[tokio::test]
async fn a_connection_that_is_closed_in_the_middle_of_a_stream_is_a_loss() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
    let ping = "event: ping\ndata: \n\n";
    let chunk = format!("{:x}\r\n{ping}\r\n", ping.len());
    let result = "event: result\ndata: {\"id\":\"j\",\"status\":\"completed\"}\n\n";
    let last = format!("{:x}\r\n{result}\r\n", result.len());
    for (answer, pings, loss) in [
        (format!("{HEAD}transfer-encoding: chunked\r\n\r\n{chunk}{chunk}"), 2, true),
        (format!("{HEAD}transfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"), 1, true),
        (format!("{HEAD}content-length: 1000\r\n\r\n{ping}event: result\nda"), 1, true),
        (format!("{HEAD}connection: close\r\n\r\n{ping}{ping}"), 2, true),
        // What was seen before the cut counts.
        (format!("{HEAD}transfer-encoding: chunked\r\n\r\n{chunk}{last}"), 1, false),
    ] {
        let client = consign_numind::builder(&raw(answer.clone())).unwrap().build().unwrap();
        let mut events = Client::from_http(client).job_events("j", Default::default()).await.unwrap();
        for _ in 0..pings {
            assert_eq!(events.next().await.unwrap().unwrap(), JobEvent::Ping);
        }
        match events.next().await.unwrap() {
            Err(error) => {
                assert!(loss, "{answer}: {error}");
                assert_eq!((error.kind(), error.retry()), (ErrorKind::Transport, Retry::Backoff), "{answer}");
            }
            Ok(event) => assert!(!loss && matches!(event, JobEvent::Result(_)), "{answer}: {event:?}"),
        }
        assert!(events.next().await.is_none());
    }
}

#[tokio::test]
async fn a_call_that_is_answered_401_is_sent_again_with_a_renewed_token() {
    let server = MockServer::start_async().await;
    let refused = server.mock(|when, then| {
        when.method(GET).path("/api/jobs/j/status").header("authorization", "Bearer old-token");
        then.status(401).json_body(json!({"code": "Unauthorized", "message": "expired"}));
    });
    let renewal = server.mock(|when, then| {
        when.method(POST)
            .path("/realms/x/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=refresh_token&refresh_token=refresh-1&client_id=my-client&client_secret=hush%21");
        then.status(200)
            .json_body(json!({"access_token": "new-token", "expires_in": 300, "refresh_token": "refresh-2"}));
    });
    let taken = server.mock(|when, then| {
        when.method(GET).path("/api/jobs/j/status").header("authorization", "Bearer new-token");
        then.status(200).json_body(job("running"));
    });
    let login = OAuth::new("my-client", "refresh-1").unwrap().client_secret("hush!");
    let login = login.token_url(&server.url("/realms/x/token")).unwrap().access_token("old-token").unwrap();
    let builder = consign_numind::builder(&server.base_url()).unwrap().credentials(Arc::new(login));
    let client = Client::from_http(builder.build().unwrap());
    for _ in 0..3 {
        let status = client.get_api_jobs_jobid_status("j", Default::default()).await.unwrap();
        assert_eq!(status.status, Some(types::JobStatus::Running));
    }
    assert_eq!((refused.calls(), renewal.calls(), taken.calls()), (1, 1, 3));
}

#[tokio::test]
async fn a_login_that_is_over_says_so_and_sends_nothing() {
    let server = MockServer::start_async().await;
    let call = server.mock(|when, then| drop((when.method(GET), then.status(200))));
    server.mock(|when, then| {
        when.method(POST)
            .path("/api/auth/token")
            .json_body(json!({"type": "ai.numind.extract.shared.TokenRefreshRequest", "token": "refresh-1"}));
        then.status(401).json_body(json!({"code": "Unauthorized", "message": "the token refresh-1 is over"}));
    });
    let login = OAuth::of_platform(&server.base_url(), "refresh-1").unwrap();
    let builder = consign_numind::builder(&server.base_url()).unwrap().credentials(Arc::new(login));
    let client = Client::from_http(builder.build().unwrap());
    let error = client.get_api_jobs_jobid_status("j", Default::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Unauthorized, Delivery::NotSent));
    assert!(!format!("{error} {error:?} {}", error.body()).contains("refresh-1"), "{error}");
    assert_eq!(call.calls(), 0);
}

//! The client around one call: credential, time limits, bounds, headers, streams, settings.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic in a test is its report")]
mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use common::{Act, Chunk, GET, POST, Script};
use consign_http::{
    BoxFuture, CallOptions, Client, Credentials, Delivery, Error, ErrorKind, NetworkSettings, Operation, Request, Token,
};
use serde_json::Value;

fn request(operation: &'static Operation) -> Request {
    Request::new(operation, &[]).unwrap()
}

/// A source whose tokens are `token-1`, `token-2`, … as they are renewed.
#[derive(Debug, Default)]
struct Renewing {
    now: AtomicUsize,
    /// What the next renewal does instead.
    fault: Mutex<Option<Error>>,
}

impl Credentials for Renewing {
    fn token(&self) -> BoxFuture<'_, Result<Token, Error>> {
        Box::pin(async { Token::new(format!("token-{}", self.now.load(Ordering::Relaxed) + 1)) })
    }
    fn renew<'a>(&'a self, refused: &'a Token) -> BoxFuture<'a, Result<Option<Token>, Error>> {
        Box::pin(async move {
            if let Some(error) = self.fault.lock().unwrap().take() {
                return Err(error);
            }
            if *refused == self.token().await? {
                self.now.fetch_add(1, Ordering::Relaxed);
            }
            self.token().await.map(Some)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_401_is_answered_once_with_a_newer_token() {
    let script = Script::new([Act::empty(401), Act::json(200, "{}"), Act::json(200, "{}")]);
    let client = script.client().credentials(Arc::new(Renewing::default())).build().unwrap();
    client.json::<Value>(request(&POST).json(&1).unwrap()).await.unwrap();
    client.json::<Value>(request(&GET)).await.unwrap();
    let sent: Vec<_> = (0..3).map(|n| script.sent_header(n, "authorization").unwrap()).collect();
    assert_eq!(sent, ["Bearer token-1", "Bearer token-2", "Bearer token-2"]);
    assert_eq!(script.sent_header(1, "content-type").as_deref(), Some("application/json"));
}

#[tokio::test(start_paused = true)]
async fn a_second_401_is_final_and_a_fixed_token_is_never_tried_again() {
    let script = Script::new([Act::empty(401), Act::empty(401)]);
    let client = script.client().credentials(Arc::new(Renewing::default())).build().unwrap();
    let error = client.json::<Value>(request(&GET)).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Unauthorized, Delivery::Rejected));
    assert_eq!(script.sent(), 2);

    let script = Script::new([Act::empty(401)]);
    let client = script.client().token(Token::new("fixed").unwrap()).build().unwrap();
    assert_eq!(client.json::<Value>(request(&GET)).await.unwrap_err().kind(), ErrorKind::Unauthorized);
}

#[tokio::test(start_paused = true)]
async fn a_failing_credential_source_does_not_cast_doubt_on_the_request() {
    // The renewal is a request of its own; whether that arrived says nothing about ours.
    let lost = || Error::new(ErrorKind::Transport, Delivery::Unknown, "the login service is away");
    let source = Renewing::default();
    *source.fault.lock().unwrap() = Some(lost());
    let client = Script::new([Act::empty(401)]).client().credentials(Arc::new(source)).build().unwrap();
    assert_eq!(client.json::<Value>(request(&POST)).await.unwrap_err().delivery(), Delivery::Rejected);

    #[derive(Debug)]
    struct Broken(fn() -> Error);
    impl Credentials for Broken {
        fn token(&self) -> BoxFuture<'_, Result<Token, Error>> {
            Box::pin(std::future::ready(Err((self.0)())))
        }
    }
    let script = Script::new([]);
    let client = script.client().credentials(Arc::new(Broken(lost))).build().unwrap();
    assert_eq!(client.json::<Value>(request(&POST)).await.unwrap_err().delivery(), Delivery::NotSent);

    #[derive(Debug)]
    struct Hanging;
    impl Credentials for Hanging {
        fn token(&self) -> BoxFuture<'_, Result<Token, Error>> {
            Box::pin(std::future::pending())
        }
    }
    let client = script.client().credentials(Arc::new(Hanging)).build().unwrap();
    let error = client.json::<Value>(request(&POST)).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Timeout, Delivery::NotSent));
    assert_eq!(script.sent(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_at_its_time_limit_the_calls_own_before_the_operations_before_the_clients() {
    let seconds = Duration::from_secs;
    let limit = |client: Client, options: CallOptions| async move {
        let before = tokio::time::Instant::now();
        let error = client.json::<Value>(request(&GET).options(options)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        before.elapsed().as_secs()
    };
    let hanging = || Script::new([Act::Hang]).client();
    assert_eq!(limit(hanging().build().unwrap(), CallOptions::new()).await, 30);
    let client = hanging().timeout(seconds(7)).operation_timeout("other", seconds(1)).build().unwrap();
    assert_eq!(limit(client, CallOptions::new()).await, 7);
    let client = hanging().timeout(seconds(7)).operation_timeout("get", seconds(90)).build().unwrap();
    assert_eq!(limit(client, CallOptions::new()).await, 90);
    let client = hanging().operation_timeout("get", seconds(90)).build().unwrap();
    assert_eq!(limit(client, CallOptions::new().timeout(seconds(2))).await, 2);
    // Neither nothing nor everything is a special case.
    assert_eq!(limit(hanging().build().unwrap(), CallOptions::new().timeout(Duration::ZERO)).await, 0);
    let script = Script::new([Act::json(200, "{}")]);
    let forever = CallOptions::new().timeout(Duration::MAX);
    script.client().build().unwrap().json::<Value>(request(&GET).options(forever)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn headers_of_a_call_take_the_place_of_the_operations_and_may_repeat() {
    let script = Script::new([Act::json(200, "{}")]);
    let client = script.client().token(Token::new("fixed").unwrap()).build().unwrap();
    let options = CallOptions::new().header("accept", "text/x").header("x-tag", "a").header("x-tag", "b");
    client.json::<Value>(request(&GET).options(options)).await.unwrap();
    let sent = script.requests.lock().unwrap()[0].headers.clone();
    let all = |name: &str| sent.get_all(name).iter().map(|v| v.to_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!((all("accept"), all("x-tag")), (vec!["text/x".to_owned()], vec!["a".to_owned(), "b".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn headers_that_cannot_or_must_not_be_set_are_reported_before_sending() {
    let script = Script::new([]);
    let client = script.client().build().unwrap();
    for (name, value) in [
        ("authorization", "Bearer x"),
        ("Host", "evil.example"),
        ("content-length", "5"),
        ("transfer-encoding", "chunked"),
        ("x-a", "line\nbreak"),
        ("bad name", "x"),
        ("", "x"),
    ] {
        let call = request(&GET).options(CallOptions::new().header(name, value));
        let error = client.json::<Value>(call).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Config, Delivery::NotSent), "{name}");
    }
    let error = client.json::<Value>(request(&GET).header("x-parameter", &"a\r\nb")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(script.sent(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_above_the_bound_is_refused_however_it_is_cut() {
    for chunks in [vec![101], vec![50, 51], vec![1; 101]] {
        let body = chunks.iter().map(|n| Chunk::Bytes(Bytes::from(vec![b'1'; *n]))).collect();
        let script = Script::new([Act::Answer(200, vec![], body)]);
        let client = script.client().max_body(100).build().unwrap();
        let error = client.bytes(request(&GET)).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::TooLarge, Some(200)), "{chunks:?}");
    }
    let script = Script::new([Act::json(200, &"1".repeat(100))]);
    assert_eq!(script.client().max_body(100).build().unwrap().bytes(request(&GET)).await.unwrap().len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_stream_fails_when_it_stays_silent_and_is_over_after_its_first_error() {
    let stall = Act::json(200, "one").then(Chunk::Stall);
    let broken = Act::json(200, "one").then(Chunk::Break).then(Chunk::Bytes("never seen".into()));
    for (act, kind, waited) in [(stall, ErrorKind::Timeout, 20), (broken, ErrorKind::Transport, 0)] {
        let client = Script::new([act]).client().idle_timeout(Duration::from_secs(20)).build().unwrap();
        let mut stream = client.stream(request(&GET)).await.unwrap().into_value();
        assert_eq!(&stream.next().await.unwrap().unwrap()[..], b"one");
        let before = tokio::time::Instant::now();
        assert_eq!(stream.next().await.unwrap().unwrap_err().kind(), kind);
        assert_eq!(before.elapsed().as_secs(), waited);
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_web_page_is_not_taken_for_an_event_stream() {
    static EVENTS: Operation = Operation { accept: "text/event-stream", method: http::Method::GET, ..GET };
    let client = Script::new([Act::html(200)]).client().build().unwrap();
    assert_eq!(client.stream(request(&EVENTS)).await.unwrap_err().kind(), ErrorKind::Decode);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_of_no_use_becomes_an_error_with_the_answer() {
    let script = Script::new([Act::json(200, "{\"error\":\"the queue is full\"}").header("x-request-id", "r7")]);
    let reply = script.client().build().unwrap().json::<Value>(request(&POST)).await.unwrap();
    let error = reply.unusable("it names no job");
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Decode, Delivery::Unknown));
    assert_eq!((error.message(), error.request_id()), ("it names no job", Some("r7")));
    assert!(error.body().contains("the queue is full"));
}

#[test]
fn a_base_url_that_cannot_be_used_is_named_without_what_may_be_secret() {
    for bad in [
        "",
        "api.example.com",
        "ftp://api.example.com",
        "https://",
        "https://api.example.com/v1",
        "https://api.example.com?key=hunter2",
        "https://api.example.com#hunter2",
        "https://user:hunter2@api.example.com",
        "https://user:hun?ter2@api.example.com",
        "https://user:hunter2@api.example.com/?key=hunter2",
        "https://api.example.com\n",
        "https://api example.com",
        "https://api.example.com:99999",
    ] {
        let error = Client::builder(bad).expect_err(bad);
        assert_eq!(error.kind(), ErrorKind::Config, "{bad}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hunter2") && !text.contains("ter2"), "{text}");
        assert!(text.contains("the base URL"), "{text}");
    }
    for good in ["https://api.example.com", "https://api.example.com/", "http://127.0.0.1:8080", "HTTPS://[::1]:1/"] {
        Client::builder(good).expect(good);
    }
}

#[test]
fn network_settings_that_cannot_be_used_are_named_without_the_password() {
    for proxy in ["http://user:hunter2@", "user:hunter2@proxy", "http://user:hunter2@proxy:port", "::hunter2@"] {
        let settings = NetworkSettings::new().proxy(proxy);
        assert!(!format!("{settings:?}").contains("hunter2"));
        let builder = Client::builder("https://api.example.com").unwrap().network(settings);
        assert!(!format!("{builder:?}").contains("hunter2"));
        if let Err(error) = builder.build() {
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
    let settings = NetworkSettings::new().add_certificate("not PEM").user_agent("x");
    let built = Client::builder("https://api.example.com").unwrap().network(settings).build();
    assert_eq!(built.unwrap_err().kind(), ErrorKind::Config);
    let settings = NetworkSettings::new().user_agent("line\nbreak");
    let built = Client::builder("https://api.example.com").unwrap().network(settings).build();
    assert_eq!(built.unwrap_err().kind(), ErrorKind::Config);
}

//! No secret in any text: whatever a server sends back, and whatever is logged.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic in a test is its report")]
mod common;

use std::sync::Arc;

use common::{Act, Chunk, GET, Log, POST, Script};
use consign_http::{BoxFuture, CallOptions, Credentials, Error, ErrorDetail, Failure, Request, Token};
use serde_json::Value;

const OLD: &str = "civ-secret-old-0123456789";
const NEW: &str = "civ-secret-new-9876543210";

/// A source that takes a while, as one that asks a login service does, and renews once.
#[derive(Debug)]
struct Slow;

impl Credentials for Slow {
    fn token(&self) -> BoxFuture<'_, Result<Token, Error>> {
        Box::pin(async {
            tokio::task::yield_now().await;
            Token::new(OLD)
        })
    }
    fn renew<'a>(&'a self, _: &'a Token) -> BoxFuture<'a, Result<Option<Token>, Error>> {
        Box::pin(async { Token::new(NEW).map(Some) })
    }
}

/// Everything of an error that a person or a log could see.
fn texts(error: &Error) -> String {
    let mut all =
        format!("{error} {error:?} {} {} {:?} {:?}", error.message(), error.body(), error.fields(), error.headers());
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        all.push_str(&format!(" {cause} {cause:?}"));
        next = cause.source();
    }
    all
}

fn reader(failure: &Failure<'_>) -> ErrorDetail {
    let said = String::from_utf8_lossy(failure.body).into_owned();
    ErrorDetail { kind: None, message: Some(said.clone()), fields: vec![(said.clone(), vec![said])] }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_the_server_repeats_is_in_no_error_and_no_log() {
    let (log, _guard) = Log::start();
    // Echoes everywhere: as a reason, a header, a page, a wrong type, a member, cut by our own bounds.
    let at_cut = |limit: usize| format!("{}{NEW} and more", "x".repeat(limit - 10));
    let echoes = [
        Act::json(400, &format!("{OLD} or {NEW} is bad")),
        Act::empty(403).header("x-echo", NEW),
        Act::html(200).then(Chunk::Bytes(NEW.into())),
        Act::json(200, &format!("{{\"cost\":\"{NEW}\"}}")),
        Act::json(200, &format!("{{\"{OLD}\":1}}")),
        Act::json(200, NEW),
        Act::json(500, &at_cut(8 * 1024)),
        Act::json(500, &at_cut(1024)),
        Act::json(200, &format!("{OLD} {NEW}")).then(Chunk::Break),
    ];
    for echo in echoes {
        let script = Script::new([Act::empty(401), echo]);
        let client = script.client().credentials(Arc::new(Slow)).error_reader(reader).build().unwrap();
        let call = Request::new(&POST, &[]).unwrap().options(CallOptions::new().header("x-key", "hunter2"));
        let error = client.json::<std::collections::BTreeMap<String, f64>>(call).await.map(|r| {
            // A reply that was decoded is the caller's; an error made from it is ours.
            r.unusable("it is of no use")
        });
        let error = error.unwrap_or_else(|e| e);
        tracing::warn!(%error, debug = ?error, "failed");
        let all = texts(&error);
        for part in [OLD, NEW, "civ-secret", "hunter2"] {
            assert!(!all.contains(part), "{part} in {all}");
        }
        assert!(!format!("{client:?}").contains("secret"));
    }
    let log = log.text();
    assert!(log.contains("answered") && log.contains("failed"), "{log}");
    assert!(!log.contains("civ-secret") && !log.contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn options_requests_and_clients_show_no_secret() {
    let options = CallOptions::new().header("x-api-key", "hunter2");
    let request = Request::new(&GET, &[]).unwrap().query("key", &"hunter2").options(options.clone());
    let script = Script::new([]);
    let builder = script.client().token(Token::new("hunter2").unwrap());
    let shown = format!("{options:?} {request:?} {builder:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!format!("{:?}", builder.build().unwrap()).contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn the_address_of_a_redirect_is_named_by_its_host_alone() {
    for (location, named) in [
        ("https://user:hunter2@blobs.example/hunter2?sig=hunter2", "blobs.example"),
        ("/hunter2?sig=hunter2", "another path"),
        ("not a url hunter2", "another path"),
    ] {
        let script = Script::new([Act::empty(307).header("location", location)]);
        let error = script.client().build().unwrap().json::<Value>(Request::new(&GET, &[]).unwrap()).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(named) && !text.contains("hunter2"), "{text}");
    }
}

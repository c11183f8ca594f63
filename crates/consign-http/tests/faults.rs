//! The faults of the wire as a table: what each means for a caller.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic in a test is its report")]
mod common;

use std::time::{Duration, SystemTime};

use common::{Act, Chunk, GET, POST, Script};
use consign_http::{Delivery, ErrorKind as Kind, Operation, Request, Retry, TokioClock};
use serde::Deserialize;

/// A record in the manner of the generated types: everything may be missing or null.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
struct Record {
    job_id: Option<String>,
    cost: Option<f64>,
    scheduled: Option<bool>,
}

const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
}

async fn call(operation: &'static Operation, act: Act) -> Result<Option<Record>, consign_http::Error> {
    let script = Script::new([act]);
    let client = script.client().clock(std::sync::Arc::new(TokioClock::starting_at(now()))).build().unwrap();
    let result = client.json_or_empty::<Record>(Request::new(operation, &[]).unwrap()).await;
    assert_eq!(script.sent(), 1, "a call is sent once");
    result.map(consign_http::Reply::into_value)
}

#[tokio::test(start_paused = true)]
async fn each_fault_says_what_it_is_whether_it_was_sent_and_when_to_try_again() {
    use Delivery::{NotSent, Rejected, Unknown};
    use Retry::{After, Backoff, Never};
    let s = |n| After(Duration::from_secs(n));
    let wait = |status, value: &str| Act::empty(status).header("retry-after", value);
    let cut = |chunk| Act::json(200, "{\"jobId\":").then(chunk);
    let table = [
        // What happened, what came, its kind, whether it was sent, when to try again.
        ("connection refused", Act::Fail(Kind::Transport, NotSent), Kind::Transport, NotSent, Backoff),
        ("reset, no answer", Act::Fail(Kind::Transport, Unknown), Kind::Transport, Unknown, Backoff),
        ("silence", Act::Hang, Kind::Timeout, Unknown, Backoff),
        ("reply lost in its middle", cut(Chunk::Break), Kind::Transport, Unknown, Backoff),
        ("reply stalls in its middle", cut(Chunk::Stall), Kind::Timeout, Unknown, Backoff),
        ("redirect", Act::empty(302).header("location", "https://evil.example/x?sig=1"), Kind::Status, Rejected, Never),
        ("redirect, permanent", Act::empty(308).header("location", "/v2"), Kind::Status, Rejected, Never),
        ("bad request", Act::json(400, "{\"error\":\"no\"}"), Kind::InvalidRequest, Rejected, Never),
        ("not logged in", Act::empty(401), Kind::Unauthorized, Rejected, Never),
        ("no money", Act::empty(402), Kind::InsufficientCredit, Rejected, Never),
        ("not allowed", Act::html(403), Kind::Forbidden, Rejected, Never),
        ("not there", Act::empty(404), Kind::NotFound, Rejected, Never),
        ("wrong method", Act::empty(405), Kind::Status, Rejected, Never),
        ("request timeout", Act::empty(408), Kind::Timeout, Unknown, Backoff),
        ("conflict", Act::empty(409), Kind::Conflict, Rejected, Never),
        ("gone", Act::empty(410), Kind::NotFound, Rejected, Never),
        ("precondition", Act::empty(412), Kind::Conflict, Rejected, Never),
        ("unprocessable", Act::empty(422), Kind::InvalidRequest, Rejected, Never),
        ("too early", Act::empty(425), Kind::RateLimited, Rejected, Backoff),
        ("burst limit", Act::empty(429), Kind::RateLimited, Rejected, Backoff),
        ("burst limit, seconds", wait(429, "7"), Kind::RateLimited, Rejected, s(7)),
        ("burst limit, fraction", wait(429, "1.2"), Kind::RateLimited, Rejected, s(2)),
        ("daily quota, date", wait(429, "Mon, 07 Nov 1994 08:49:37 GMT"), Kind::RateLimited, Rejected, s(86_400)),
        ("date in the past", wait(429, "Sat, 05 Nov 1994 08:49:37 GMT"), Kind::RateLimited, Rejected, s(0)),
        (
            "their clock is behind",
            wait(429, NOW).header("date", "Sun, 06 Nov 1994 08:40:37 GMT"),
            Kind::RateLimited,
            Rejected,
            s(540),
        ),
        ("the longest of two", wait(429, "3").header("retry-after", "9"), Kind::RateLimited, Rejected, s(9)),
        ("absurd", wait(429, "99999999999999999999999999"), Kind::RateLimited, Rejected, s(4_294_967_295)),
        ("absurd date", wait(429, "Fri, 31 Dec 9999 23:59:59 GMT"), Kind::RateLimited, Rejected, s(252_618_189_022)),
        ("negative", wait(429, "-5"), Kind::RateLimited, Rejected, Backoff),
        ("nonsense", wait(429, "soon"), Kind::RateLimited, Rejected, Backoff),
        ("server error", Act::json(500, "{\"error\":\"oops\"}"), Kind::Server, Unknown, Backoff),
        ("server error page", Act::html(500), Kind::Gateway, Unknown, Backoff),
        ("bad gateway page", Act::html(502), Kind::Gateway, Unknown, Backoff),
        ("unavailable", wait(503, "30"), Kind::Gateway, Unknown, s(30)),
        ("gateway timeout", Act::empty(504), Kind::Gateway, Unknown, Backoff),
        ("a status nobody knows", Act::empty(799), Kind::Server, Unknown, Backoff),
        ("page with status 200", Act::html(200), Kind::Decode, Unknown, Backoff),
        ("nothing with status 200", Act::empty(200), Kind::Decode, Unknown, Never),
        ("blanks with status 200", Act::json(200, " \n"), Kind::Decode, Unknown, Never),
        ("truncated JSON", Act::json(200, "{\"jobId\":\"a\",\"co"), Kind::Decode, Unknown, Never),
        ("another JSON", Act::json(200, "\"error\""), Kind::Decode, Unknown, Never),
        ("wrong type inside", Act::json(200, "{\"cost\":\"much\"}"), Kind::Decode, Unknown, Never),
        (
            "not UTF-8",
            Act::Answer(200, vec![], vec![Chunk::Bytes(b"{\"jobId\":\"\xff\"}"[..].into())]),
            Kind::Decode,
            Unknown,
            Never,
        ),
    ];
    for (what, act, kind, delivery, retry) in table {
        let error = call(&POST, act).await.expect_err(what);
        assert_eq!((error.kind(), error.delivery(), error.retry()), (kind, delivery, retry), "{what}: {error}");
        assert_eq!(error.operation(), Some("submit"), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_looks_odd_but_is_right_is_no_fault() {
    let table = [
        (Act::empty(202), None),
        (Act::json(202, "{\"jobId\":\"a\"}"), Some(Some("a"))),
        (Act::json(201, "{\"jobId\":null,\"cost\":null}"), Some(None)),
        (Act::json(200, "{}"), Some(None)),
        (Act::json(200, "{\"jobId\":\"a\",\"whoKnows\":{\"deep\":[1]}}"), Some(Some("a"))),
        // No media type, and in two chunks.
        (
            Act::Answer(200, vec![], vec![Chunk::Bytes("{\"jobId\"".into()), Chunk::Bytes(":\"a\"}".into())]),
            Some(Some("a")),
        ),
    ];
    for (act, expected) in table {
        let record = call(&GET, act).await.unwrap();
        assert_eq!(record.map(|r| r.job_id), expected.map(|id| id.map(str::to_owned)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_decode_error_names_the_place_and_keeps_the_answer() {
    let error = call(&GET, Act::json(200, "{\"jobId\":\"a\",\"cost\":\"much\"}").header("x-request-id", "r1")).await;
    let error = error.unwrap_err();
    assert!(error.to_string().contains("at cost: invalid type: string \"much\""), "{error}");
    assert_eq!((error.status(), error.request_id()), (Some(200), Some("r1")));
    assert_eq!(error.body(), "{\"jobId\":\"a\",\"cost\":\"much\"}");
}

#[tokio::test(start_paused = true)]
async fn an_error_tells_a_person_what_to_do() {
    let table = [
        (Act::empty(401), "unauthorized: no reason given (HTTP 401; the server refused it); check the token"),
        (Act::json(402, "{}"), "insufficient credit: {} (HTTP 402; the server refused it); top up the account"),
        (
            Act::empty(404),
            "not found: no reason given (HTTP 404; the server refused it); check the id; it may have been deleted",
        ),
        (Act::empty(429), "rate limited: no reason given (HTTP 429; the server refused it); send less often"),
        (
            Act::empty(429).header("retry-after", "7"),
            "rate limited: no reason given (HTTP 429; the server refused it); the server asks to wait 7s",
        ),
        (
            Act::empty(503),
            "gateway: no reason given (HTTP 503; the server may have acted on it); look whether it was done before sending it again",
        ),
        (
            Act::Fail(Kind::Transport, Delivery::NotSent),
            "transport: the script says so (nothing was sent); check the network and the address",
        ),
        (
            Act::empty(302).header("location", "https://evil.example/x?sig=1"),
            "unexpected status: it redirects to evil.example, and redirects are not followed; no reason given (HTTP 302; the server refused it); check the base URL",
        ),
    ];
    for (act, text) in table {
        assert_eq!(call(&POST, act).await.unwrap_err().to_string(), format!("submit: {text}"));
    }
    // Of a read nobody asks what the server may have done.
    let error = call(&GET, Act::empty(503)).await.unwrap_err();
    assert_eq!(error.to_string(), "get: gateway: no reason given (HTTP 503); try again later");
}

#[tokio::test(start_paused = true)]
async fn a_stalled_or_endless_error_body_does_not_hide_its_status() {
    for chunk in [Chunk::Stall, Chunk::Break] {
        let before = tokio::time::Instant::now();
        let error = call(&POST, Act::json(400, "the size is wrong").then(chunk)).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (Kind::InvalidRequest, Delivery::Rejected));
        assert_eq!(error.message(), "the size is wrong");
        assert!(before.elapsed() <= Duration::from_secs(5));
    }
    let long = "x\u{1b}[31m ".repeat(100_000);
    let error = call(&POST, Act::json(400, &long)).await.unwrap_err();
    assert!(error.body().len() <= 8 * 1024 && error.to_string().len() < 2000);
    assert!(!error.to_string().contains('\u{1b}'));
}

//! Output of Bacalhau jobs over a WebSocket, against a server on a raw socket: what is sent, what arrives, how it
//! ends.
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use consign_bacalhau::requester::{self, Event, LogsEnvelope, PayloadMember, WebsocketEventsOptions};
use consign_bacalhau::v1::{Client, LogsOptions};
use consign_bacalhau::{Error, ErrorKind, Identity, LogLine, LogOutput, Messages, Token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const ID: &str = "j-9304c616-291f-41ad-b862-54e133c0149e";

/// Serves one connection: hands its head to `answer`, which says what to send back, then reads on until the other
/// side is gone. Gives the head and what was read after it.
async fn serve(answer: impl FnOnce(&str) -> Vec<u8> + Send + 'static) -> (String, JoinHandle<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = head(&mut stream).await;
        stream.write_all(&answer(&head)).await.unwrap();
        let mut rest = Vec::new();
        // The other side may go without a word.
        let _ = stream.read_to_end(&mut rest).await;
        (head, rest)
    });
    (url, served)
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// The change of protocol, as the request's key demands it, and then these frames.
fn switched(head: &str, frames: &[Vec<u8>]) -> Vec<u8> {
    let key = header(head, "sec-websocket-key").unwrap();
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let proof = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        BASE64_STANDARD.encode(proof)
    );
    [head.into_bytes(), frames.concat()].concat()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | kind];
    match u8::try_from(payload.len()) {
        Ok(short) if short < 126 => frame.push(short),
        _ => {
            frame.push(126);
            frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

fn text(payload: &str) -> Vec<u8> {
    frame(1, payload.as_bytes())
}

fn close(code: u16, reason: &str) -> Vec<u8> {
    frame(8, &[&code.to_be_bytes()[..], reason.as_bytes()].concat())
}

async fn all<T>(mut messages: Messages<T>) -> Vec<Result<T, Error>> {
    let mut found = Vec::new();
    while let Some(message) = messages.next().await {
        found.push(message);
    }
    assert!(messages.next().await.is_none());
    found
}

async fn logs(frames: Vec<Vec<u8>>) -> Vec<Result<LogLine, Error>> {
    let (url, served) = serve(move |head| switched(head, &frames)).await;
    let messages = Client::new(&url).unwrap().logs(ID, LogsOptions::default()).await.unwrap();
    let found = all(messages).await;
    served.await.unwrap();
    found
}

#[tokio::test]
async fn output_arrives_piece_by_piece_until_a_normal_close() {
    let long = format!("{{\"value\":{{\"Type\":1,\"Line\":\"{}\"}}}}\n", "x".repeat(2000));
    let frames = vec![
        text("{\"value\":{\"Type\":1,\"Line\":\"\\u003chtml\\u003e\\n\"}}\n"),
        frame(9, b"ping"),
        text("{\"value\":{\"Type\":2,\"Line\":\"warn: é\"}}\n"),
        text(&long),
        close(1000, ""),
    ];
    let (url, served) = serve(move |head| switched(head, &frames)).await;
    let builder = Client::builder(&url).unwrap().token(Token::new("sesame-1").unwrap());
    let client = Client::from_http(builder.build().unwrap());
    let options = LogsOptions::default().follow(true).tail(false).execution_id("e-1").job_version(2);
    let found = all(client.logs(ID, options).await.unwrap()).await;
    let lines: Vec<LogLine> = found.into_iter().map(Result::unwrap).collect();
    assert_eq!((lines[0].output, lines[0].text.as_str()), (LogOutput::Stdout, "<html>\n"));
    assert_eq!((lines[1].output, lines[1].text.as_str()), (LogOutput::Stderr, "warn: é"));
    assert_eq!((lines.len(), lines[2].text.len()), (3, 2000));

    let (head, _) = served.await.unwrap();
    let first = head.lines().next().unwrap();
    let target = format!("/api/v1/orchestrator/jobs/{ID}/logs?execution_id=e-1&follow=true&tail=false&job_version=2");
    assert_eq!(first, format!("GET {target} HTTP/1.1"));
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("authorization", "Bearer sesame-1"),
    ] {
        assert_eq!(header(&head, name), Some(value), "{head}");
    }
    assert_eq!(header(&head, "content-type"), None);
    assert_eq!(BASE64_STANDARD.decode(header(&head, "sec-websocket-key").unwrap()).unwrap().len(), 16);
}

#[tokio::test]
async fn what_the_server_says_against_the_request_comes_out_of_the_stream() {
    let frame = text("{\"error\":\"job not found: nope\",\"value\":{\"Type\":0,\"Line\":\"\"}}\n");
    let found = logs(vec![frame, close(1000, "")]).await;
    let error = found[0].as_ref().unwrap_err();
    assert_eq!((found.len(), error.kind(), error.message()), (1, ErrorKind::NotFound, "job not found: nope"));
}

#[tokio::test]
async fn every_other_end_is_an_error() {
    let line = text("{\"value\":{\"Type\":1,\"Line\":\"a\"}}");
    let cases = [
        (close(1011, "internal error"), ErrorKind::Server, "internal error"),
        (text("no json"), ErrorKind::Decode, "no message of a log"),
        (frame(2, b"bytes"), ErrorKind::Decode, "binary"),
        (vec![0x81, 0x7f, 0, 0, 0, 0, 0x10, 0, 0, 0], ErrorKind::Transport, "broke"),
        (vec![0x83, 0x00], ErrorKind::Transport, "broke"),
    ];
    for (end, kind, words) in cases {
        let found = logs(vec![line.clone(), end]).await;
        assert!(found[0].is_ok());
        let error = found[1].as_ref().unwrap_err();
        assert_eq!((found.len(), error.kind()), (2, kind), "{error}");
        assert!(error.message().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_without_a_close_is_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = head(&mut stream).await;
        let bytes = switched(&head, &[text("{\"value\":{\"Type\":1,\"Line\":\"a\"}}")]);
        stream.write_all(&bytes).await.unwrap();
    });
    let found = all(Client::new(&url).unwrap().logs(ID, LogsOptions::default()).await.unwrap()).await;
    served.await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].as_ref().unwrap_err().kind(), ErrorKind::Transport);
}

#[tokio::test]
async fn a_silent_stream_can_be_waited_for_in_turns_and_dropping_it_closes_the_connection() {
    let (url, served) = serve(|head| switched(head, &[])).await;
    let mut messages = Client::new(&url).unwrap().logs(ID, LogsOptions::default()).await.unwrap();
    for _ in 0..3 {
        assert!(tokio::time::timeout(Duration::from_millis(1), messages.next()).await.is_err());
    }
    drop(messages);
    served.await.unwrap();
}

#[tokio::test]
async fn without_a_change_of_protocol_there_is_no_stream() {
    let answer = |status: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes()
    };
    let unauthorized =
        r#"{"Status":401,"Message":"Request Unauthorized","Code":"Unauthorized","Component":"Authorizer"}"#;
    let cases = [
        (answer("401 Unauthorized", unauthorized), ErrorKind::Unauthorized),
        (answer("200 OK", ""), ErrorKind::Status),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: eA==\r\n\r\n"
                .to_vec(),
            ErrorKind::Decode,
        ),
    ];
    for (answer, kind) in cases {
        let (url, served) = serve(move |_| answer).await;
        let error = Client::new(&url).unwrap().logs(ID, LogsOptions::default()).await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (kind, Some("logs")), "{error}");
        served.await.unwrap();
    }
}

#[tokio::test]
async fn the_requester_gets_one_signed_message_and_answers_with_output() {
    let (identity, _) = Identity::generate().unwrap();
    let mut payload = requester::types::LogsPayload::new(identity.client_id(), "9304c616", "e-1");
    payload.follow = Some(true);
    let envelope = LogsEnvelope::sign(&identity, &payload, PayloadMember::Payload).unwrap();
    let frames = vec![text(r#"{"Tag":2,"Data":"oh"}"#), close(1000, "")];
    let (url, served) = serve(move |head| switched(head, &frames)).await;
    let client = requester::Client::new(&url).unwrap();
    let found = all(client.logs(&envelope, requester::LogsOptions::default()).await.unwrap()).await;
    let line = found[0].as_ref().unwrap();
    assert_eq!((found.len(), line.output, line.text.as_str()), (1, LogOutput::Stderr, "oh"));

    let (head, sent) = served.await.unwrap();
    assert!(head.starts_with("GET /requester/logs HTTP/1.1\r\n"));
    // A masked text frame of 126 to 65535 bytes: two bytes, two of length, four of mask.
    assert_eq!((sent[0], sent[1]), (0x81, 0xfe));
    let length = usize::from(u16::from_be_bytes([sent[2], sent[3]]));
    let unmasked: Vec<u8> =
        sent[8..8 + length].iter().zip(sent[4..8].iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    let received: LogsEnvelope = serde_json::from_slice(&unmasked).unwrap();
    assert!(received.is_genuine());
    assert_eq!(received.payload_text(), envelope.payload_text());
    assert!(received.payload_text().ends_with(r#""ExecutionID":"e-1","Follow":true}"#));
}

#[tokio::test]
async fn events_of_both_shapes_are_followed() {
    let frames = vec![
        text(r#"{"Type":"JobLevel","JobID":"9304c616","JobState":{},"NewVersion":1}"#),
        text(r#"{"EventName":"Bid","JobID":"9304c616"}"#),
        close(1000, ""),
    ];
    let (url, served) = serve(move |head| switched(head, &frames)).await;
    let client = requester::Client::new(&url).unwrap();
    let options = WebsocketEventsOptions::default().job_id("9304c616");
    let found = all(client.websocket_events(options).await.unwrap()).await;
    let found: Vec<Event> = found.into_iter().map(Result::unwrap).collect();
    assert!(matches!(found[..], [Event::Change(_), Event::Named(_)]));
    let (head, _) = served.await.unwrap();
    assert!(head.starts_with("GET /requester/websocket/events?job_id=9304c616 HTTP/1.1\r\n"), "{head}");
}

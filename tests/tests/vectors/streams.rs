//! Event streams: each line's chunks as given, byte by byte and joined give the same events, and a stream that ends
//! too early is a loss.
use std::path::Path;
use std::sync::Mutex;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use consign_http::sse::{Event, EventStream};
use consign_http::{Body, BoxFuture, ByteStream, Delivery, Error, ErrorKind, Transport};
use consign_numind::v0_2::Client;
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;

use crate::report::{Outcome, Report, Row};
use crate::run::{block_on, each_line};

#[derive(Deserialize)]
struct StreamLine {
    provider: String,
    chunks: Vec<String>,
    expect: Vec<Expected>,
    ends: Ends,
    quirk: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Expected {
    event: String,
    data: String,
}

/// How the body ends.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ends {
    Clean,
    /// The connection was closed before the body was complete.
    Cut,
    /// The body's reader reported an error.
    Error,
}

/// Reads every stream of the file.
pub fn streams(folder: &Path) -> Report {
    each_line(folder, "numind-sse.jsonl", |text, row| {
        let line: StreamLine = match serde_json::from_str(text) {
            Ok(line) => line,
            Err(error) => return row.failed(format!("not a stream line: {error}")),
        };
        stream_line(&line, row)
    })
}

fn stream_line(line: &StreamLine, mut row: Row) -> Row {
    if line.provider != "numind" {
        return row.failed(format!("a line of {:?}", line.provider));
    }
    if line.quirk.is_some() {
        row.outcome = Outcome::Quirk;
        return row;
    }
    let chunks: Result<Vec<Bytes>, _> =
        line.chunks.iter().map(|chunk| BASE64_STANDARD.decode(chunk).map(Bytes::from)).collect();
    let chunks = match chunks {
        Ok(chunks) => chunks,
        Err(error) => return row.failed(format!("base64: {error}")),
    };
    let joined = Bytes::from(chunks.concat());
    let single = (0..joined.len()).map(|at| joined.slice(at..=at)).collect();
    let wants_loss = !line.expect.iter().any(|expected| matches!(expected.event.as_str(), "result" | "error"));
    for (how, chunks) in [("as given", chunks), ("byte by byte", single), ("joined", vec![joined])] {
        let (events, ended) = block_on(events(chunks.clone(), line.ends));
        if events != line.expect {
            row.why.push(format!("{how}: {}", difference(&line.expect, &events)));
        }
        if ended.is_none() != matches!(line.ends, Ends::Clean) {
            row.why.push(format!("{how}: the body ended {:?}, the events {ended:?}", line.ends));
        }
        let loss = block_on(loss(chunks, line.ends));
        match &loss {
            Some(error) if !wants_loss => row.why.push(format!("{how}: a loss was reported: {error}")),
            None if wants_loss => row.why.push(format!("{how}: the loss was not reported")),
            Some(error) => row.with_error(error),
            None => {}
        }
        let events = events.iter().map(|found| json!({"event": found.event, "data": found.data}));
        row.encoded = Some(events.collect());
    }
    if row.why.is_empty() {
        row.outcome = Outcome::Decoded;
    }
    row
}

/// All events of a body, and the error it ended with.
async fn events(chunks: Vec<Bytes>, ends: Ends) -> (Vec<Expected>, Option<Error>) {
    let reply = client(chunks, ends).get_api_jobs_jobid_stream("a-job", Default::default()).await;
    let mut stream = EventStream::new(reply.expect("a stream").into_value());
    let mut found = Vec::new();
    loop {
        match stream.next().await {
            Some(Ok(Event { event, data })) => found.push(Expected { event, data }),
            Some(Err(error)) => return (found, Some(error)),
            None => return (found, None),
        }
    }
}

/// The loss that whoever follows the job is told of.
async fn loss(chunks: Vec<Bytes>, ends: Ends) -> Option<Error> {
    let mut events = client(chunks, ends).job_events("a-job", Default::default()).await.expect("a stream");
    let mut loss = None;
    while let Some(event) = events.next().await {
        // A result that is no JSON is another matter.
        loss = event.err().filter(|error| error.kind() == ErrorKind::Transport);
    }
    loss
}

fn difference(expected: &[Expected], found: &[Expected]) -> String {
    let first = expected.iter().zip(found).position(|(expected, found)| expected != found);
    let short = |event: Option<&Expected>| {
        event.map(|event| (event.event.clone(), event.data.chars().take(60).collect::<String>()))
    };
    let at = first.unwrap_or(expected.len().min(found.len()));
    format!(
        "{} events, expected {}; event {at} is {:?}, expected {:?}",
        found.len(),
        expected.len(),
        short(found.get(at)),
        short(expected.get(at))
    )
}

/// A client whose server gives this body, once.
fn client(chunks: Vec<Bytes>, ends: Ends) -> Client {
    let end = |what| Some(Err(Error::new(ErrorKind::Transport, Delivery::Unknown, what)));
    let end = match ends {
        Ends::Clean => None,
        Ends::Cut => end("the connection was closed before the message was complete"),
        Ends::Error => end("the body cannot be read"),
    };
    let body = chunks.into_iter().map(Ok).chain(end);
    let transport = Once(Mutex::new(Some(ByteStream::new(stream::iter(body.collect::<Vec<_>>())))));
    let builder = consign_numind::builder("http://numind.invalid").expect("an address").transport(transport);
    Client::from_http(builder.build().expect("a client"))
}

#[derive(Debug)]
struct Once(Mutex<Option<ByteStream>>);

impl Transport for Once {
    fn send(&self, _: http::Request<Body>) -> BoxFuture<'_, Result<http::Response<ByteStream>, Error>> {
        let body = self.0.lock().expect("not poisoned").take().expect("one request");
        let mut response = http::Response::new(body);
        let media = http::HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert(http::header::CONTENT_TYPE, media);
        Box::pin(std::future::ready(Ok(response)))
    }
}

#[test]
fn streams_with_large_events_are_read_whole_in_every_chunking() {
    // As long as a job's record with a whole document; the text is not all ASCII.
    let text = "# Reçu n° 1 — 日本語\\n".repeat((4 << 20) / 20);
    let body = Bytes::from(format!(
        "event: ping\ndata: \n\nevent: result\ndata: {{\"id\":\"j\",\"outputData\":\"{text}\"}}\n\n"
    ));
    let chunks = |size: usize| -> Vec<Bytes> {
        (0..body.len()).step_by(size).map(|at| body.slice(at..body.len().min(at + size))).collect()
    };
    for size in [1021, 16 << 10, 1 << 20, body.len()] {
        let (events, ended) = block_on(events(chunks(size), Ends::Clean));
        assert!(ended.is_none());
        assert_eq!(events.len(), 2);
        assert!(events[1].data.len() > 4 << 20 && events[1].data.contains(&text));
        assert!(block_on(loss(chunks(size), Ends::Cut)).is_none());
    }
    // Without the last byte nothing is dispatched.
    let cut = body.slice(..body.len() - 1);
    let (events, _) = block_on(events(vec![cut.clone()], Ends::Clean));
    assert_eq!(events.len(), 1);
    assert!(block_on(loss(vec![cut], Ends::Clean)).is_some());
}

#[test]
fn every_wrong_stream_fails() {
    let line = |text: &str, expect: serde_json::Value, ends: &str| json!({"provider": "numind", "name": "n", "chunks": [BASE64_STANDARD.encode(text)], "expect": expect, "ends": ends});
    let run = |lines: &[serde_json::Value]| {
        let folder = tempfile::tempdir().unwrap();
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(folder.path().join("numind-sse.jsonl"), text).unwrap();
        streams(folder.path())
    };
    let ping = json!({"event": "ping", "data": ""});
    let right = [
        line("event: ping\ndata:\n\n", json!([ping]), "clean"),
        line("event: ping\ndata:\n\nda", json!([ping]), "cut"),
        line("event: error\ndata: x\n\n", json!([{"event": "error", "data": "x"}]), "error"),
    ];
    let report = run(&right);
    assert_eq!(report.summary(), "numind-sse.jsonl: 3 lines, 0 sent, 3 decoded, 0 refused, 0 quirks, 0 failed");
    let lost: Vec<_> = report.rows().iter().map(|row| row.error.is_some()).collect();
    assert_eq!(lost, [true, true, false]);
    let wrong = [
        line("event: ping\ndata:\n\n", json!([]), "clean"),
        line("event: ping\n\n", json!([ping]), "clean"),
        line("event: ping\ndata: x\n\n", json!([ping]), "clean"),
        line("event: pong\ndata:\n\n", json!([ping]), "clean"),
        line("event: ping\ndata:\n\n", json!([ping, ping]), "clean"),
        line("event: ping\ndata:\n\n", json!([ping]), "odd"),
        json!({"provider": "civitai", "chunks": [], "expect": [], "ends": "clean"}),
        json!({"provider": "numind", "chunks": ["*"], "expect": [], "ends": "clean"}),
        json!("a line"),
    ];
    let report = run(&wrong);
    assert!(report.rows().iter().all(|row| row.outcome == Outcome::Failed && !row.why.is_empty()));
}

//! Output of executions over a WebSocket, with all that a real server does about it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::SinkExt as _;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Response, StatusCode};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::json;
use tokio::io::DuplexStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use super::Inner;
use super::api::{Answer, Work};
use super::errors::{Refused, escaped};
use super::world::World;
use crate::faults::{Twist, response};
use crate::live;

/// How long a node waits for a log to appear. That of a WebAssembly module never does.
const NO_LOG: Duration = Duration::from_secs(60);

/// What a server adds to a key before it hashes it (RFC 6455).
const ADDED: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The answer to a request for a WebSocket, and the server's end of it. None: it is no such request.
pub(crate) fn upgrade(request: &http::Request<Bytes>) -> Option<(Response<Bytes>, DuplexStream)> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wants = |name: &str, word: &str| header(name).split(',').any(|part| part.trim().eq_ignore_ascii_case(word));
    let key = header("sec-websocket-key");
    if !wants("connection", "upgrade") || !wants("upgrade", "websocket") || key.is_empty() {
        return None;
    }
    let proof = BASE64.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{ADDED}").as_bytes()));
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    reply.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(proof) = HeaderValue::from_str(&proof) {
        reply.headers_mut().insert("sec-websocket-accept", proof);
    }
    let (theirs, ours) = tokio::io::duplex(64 << 10);
    live::switching(&mut reply, theirs);
    Some((reply, ours))
}

/// What a client asked for.
struct Wanted {
    job: String,
    namespace: String,
    execution: String,
    version: u64,
    follow: bool,
    tail: bool,
}

/// Changes the protocol; everything else is said afterwards.
pub(crate) fn open(work: &Work<'_>, job: &str) -> Answer {
    let Some((reply, connection)) = upgrade(work.request) else {
        return Ok(response(StatusCode::OK, "text/plain; charset=utf-8", ""));
    };
    let query = &work.query;
    let wanted = (|| {
        query.flag("all_job_versions")?;
        Ok::<_, Refused>(Wanted {
            job: job.to_owned(),
            namespace: query.text("namespace"),
            execution: query.text("execution_id"),
            version: query.number("job_version", u64::MAX)?,
            follow: query.flag("follow")?,
            tail: query.flag("tail")?,
        })
    })();
    let (inner, twist) = (work.inner.clone(), work.twist);
    tokio::spawn(async move {
        let server = WebSocketStream::from_raw_socket(connection, Role::Server, None).await;
        let mut socket = Socket { stream: server, sent: 0, twist };
        let end = match wanted {
            Ok(wanted) => stream(&inner, &wanted, &mut socket).await,
            Err(refusal) => {
                let why = message(&refusal);
                Err(Some(format!("code=400, message={why}")))
            }
        };
        match end {
            Err(None) => return,
            Err(Some(why)) => {
                let text = json!({"error": why, "value": {"Type": 0, "Line": ""}}).to_string();
                if socket.send(text).await.is_err() {
                    return;
                }
            }
            Ok(()) => {}
        }
        socket.close().await;
    });
    Ok(reply)
}

fn message(refusal: &Response<Bytes>) -> String {
    let body: serde_json::Value = serde_json::from_slice(refusal.body()).unwrap_or_default();
    body["Message"].as_str().unwrap_or_default().to_owned()
}

/// The server's end. It reads nothing.
struct Socket {
    stream: WebSocketStream<DuplexStream>,
    sent: usize,
    twist: Option<Twist>,
}

impl Socket {
    /// An error: there is nobody to send to any more.
    async fn send(&mut self, text: String) -> Result<(), Option<String>> {
        self.strike().await?;
        self.sent += 1;
        // A client that is gone is noticed here and nowhere else.
        self.stream.send(Message::text(escaped(&text) + "\n")).await.map_err(|_| None)?;
        self.strike().await
    }

    /// Lets a fault strike when its time has come.
    async fn strike(&mut self) -> Result<(), Option<String>> {
        match self.twist {
            Some(Twist::CutLog(after)) if self.sent >= after => Err(None),
            Some(Twist::EndLog(after)) if self.sent >= after => {
                self.close().await;
                Err(None)
            }
            _ => Ok(()),
        }
    }

    async fn close(&mut self) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        let _ = self.stream.send(Message::Close(Some(frame))).await;
    }
}

/// The execution that a log is wanted of.
fn execution(world: &World, wanted: &Wanted) -> Result<usize, String> {
    let number = world.find(&wanted.job, &wanted.namespace).map_err(|refusal| message(&refusal))?;
    let job = &world.jobs[number];
    let start = format!("failed to open log stream for job {}: ", job.id);
    let of_version =
        |execution: &&usize| wanted.version == 0 || world.executions[**execution].version == wanted.version;
    let all: Vec<usize> = job.executions.iter().filter(of_version).copied().collect();
    if all.is_empty() {
        let (name, id) = (&job.name, &job.id);
        let what = format!("no executions found for job {name} with ID {id}, and version {}", wanted.version);
        return Err(start + &what);
    }
    let found = if wanted.execution.is_empty() {
        let live = all.iter().filter(|execution| !world.executions[**execution].discarded());
        live.max_by_key(|execution| world.executions[**execution].modified)
    } else {
        all.iter().find(|execution| world.executions[**execution].id == wanted.execution)
    };
    found.copied().ok_or_else(|| {
        let (execution, version) = (&wanted.execution, job.version());
        format!("{start}unable to find execution {execution} in job {} and job version {version}", job.id)
    })
}

/// Where a log is: how many lines there are by now, whether it ends here, when to look again.
struct Look {
    lines: Vec<(u8, String)>,
    over: bool,
    next: Option<Duration>,
}

fn look(world: &World, now: Duration, execution: usize, from: Duration) -> Look {
    let found = &world.executions[execution];
    let until = found.ended.map_or(now, |ended| ended.min(now));
    let (Some(begun), Some(work)) = (found.begun, found.work.as_ref()) else {
        return Look { lines: Vec::new(), over: false, next: None };
    };
    let all = work.lines().into_iter().map(|(after, stream, line)| (begun + after, stream, line));
    let (past, coming): (Vec<_>, Vec<_>) = all.partition(|(at, ..)| *at <= until);
    let lines = past.into_iter().filter(|(at, ..)| *at >= from).map(|(_, stream, line)| (stream, line)).collect();
    // The log of an execution that was cancelled does not end.
    let over = found.ended.is_some() && found.compute.0 != super::job::Compute::Cancelled;
    Look { lines, over, next: coming.first().map(|(at, ..)| *at) }
}

/// Sends a log. An error is why it could not be had; none: the client is gone.
async fn stream(inner: &Arc<Inner>, wanted: &Wanted, socket: &mut Socket) -> Result<(), Option<String>> {
    let execution = inner.look(|world, _| execution(world, wanted)).map_err(Some)?;
    let (node, engine) = inner.with(|world| {
        let found = &world.executions[execution];
        (found.node, world.jobs[found.job].spec().task().engine_kind())
    });
    // A node serves one log at a time.
    let turn = inner.turns.get(node).cloned();
    let _turn = match turn {
        Some(turn) => Some(turn.lock_owned().await),
        None => None,
    };
    let clock = &inner.front.clock;
    if engine == "wasm" {
        clock.sleep_until(clock.now() + NO_LOG).await;
        return Err(Some("timeout while waiting for execution logs".to_owned()));
    }
    socket.strike().await?;
    let from = if wanted.tail { clock.now() } else { Duration::ZERO };
    let mut sent = 0;
    loop {
        let changed = inner.changed.notified();
        let (seen, step) = inner.look(|world, now| (look(world, now, execution, from), world.agenda.next()));
        for (stream, line) in seen.lines.into_iter().skip(sent) {
            socket.send(json!({"value": {"Type": stream, "Line": line}}).to_string()).await?;
            sent += 1;
        }
        if seen.over || !wanted.follow {
            return Ok(());
        }
        let next = seen.next.into_iter().chain(step).min();
        tokio::select! {
            () = changed => {}
            () = clock.sleep_until(next.unwrap_or(Duration::MAX)), if next.is_some() => {}
        }
    }
}

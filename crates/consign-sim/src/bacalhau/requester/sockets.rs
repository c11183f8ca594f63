//! The WebSockets of the requester API: output of executions (0.3.26 and newer), and histories as they grow.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use super::Inner;
use super::api::open;
use super::spec::{get, text};
use super::world::World;
use crate::bacalhau::files::plain;
use crate::bacalhau::v1::logs::upgrade;

type Answer = Result<Response<Bytes>, Box<Response<Bytes>>>;
type Socket = WebSocketStream<DuplexStream>;

/// The client is gone.
struct Gone;

async fn send(socket: &mut Socket, value: &Value) -> Result<(), Gone> {
    socket.send(Message::text(value.to_string() + "\n")).await.map_err(|_| Gone)
}

fn refused() -> Box<Response<Bytes>> {
    let why =
        "websocket: the client is not using the websocket protocol: 'upgrade' token not found in 'Connection' header";
    Box::new(plain(StatusCode::BAD_REQUEST, format!("{why}\n")))
}

/// Sends the history of a job, and what is added to it.
pub(crate) fn events(inner: &Arc<Inner>, request: &Request<Bytes>) -> Answer {
    let (reply, connection) = upgrade(request).ok_or_else(refused)?;
    let query = request.uri().query().unwrap_or_default().split('&');
    let id = query.filter_map(|pair| pair.strip_prefix("job_id=")).next().unwrap_or_default().to_owned();
    let inner = inner.clone();
    tokio::spawn(async move {
        let mut socket = WebSocketStream::from_raw_socket(connection, Role::Server, None).await;
        let mut sent = 0;
        loop {
            let changed = inner.changed.notified();
            let (entries, next) = inner.look(|world, _| {
                let job = world.by_id.get(&id).map(|job| &world.jobs[*job]);
                let entries = job.map_or_else(Vec::new, |job| job.history.iter().skip(sent).cloned().collect());
                (entries, world.agenda.next())
            });
            for entry in &entries {
                if send(&mut socket, entry).await.is_err() {
                    return;
                }
            }
            sent += entries.len();
            tokio::select! {
                () = changed => {}
                () = inner.front.clock.sleep_until(next.unwrap_or(Duration::MAX)), if next.is_some() => {}
                read = socket.next() => {
                    if !matches!(read, Some(Ok(_))) {
                        return;
                    }
                }
            }
        }
    });
    Ok(reply)
}

/// Waits for a signed request, and sends the output of an execution.
pub(crate) fn logs(inner: &Arc<Inner>, request: &Request<Bytes>) -> Answer {
    let (reply, connection) = upgrade(request).ok_or_else(refused)?;
    let inner = inner.clone();
    tokio::spawn(async move {
        let mut socket = WebSocketStream::from_raw_socket(connection, Role::Server, None).await;
        let (code, why) = match follow(&inner, &mut socket).await {
            Err(Some(why)) => (CloseCode::Abnormal, why),
            Err(None) => return,
            Ok(()) => (CloseCode::Normal, String::new()),
        };
        // What does not fit into a frame breaks the connection.
        if why.len() <= 123 {
            let _ = socket.send(Message::Close(Some(CloseFrame { code, reason: why.into() }))).await;
        }
    });
    Ok(reply)
}

/// What a client wants to follow.
struct Wanted {
    execution: usize,
    history: bool,
    follow: bool,
}

fn wanted(world: &World, envelope: &[u8]) -> Result<Wanted, String> {
    let signed = open(envelope, "payload", "LogsPayload").map_err(|_| "failed to decode request".to_owned())?;
    let of = |name: &str| text(&signed.payload, name, "LogsPayload");
    let (id, execution) = (of("JobID")?, of("ExecutionID")?);
    let flag = |name: &str| get(&signed.payload, name).and_then(Value::as_bool).unwrap_or(false);
    let job = world.by_id.get(&id).ok_or_else(|| format!("Job not found. ID: {id}"))?;
    let wrapped = |why: String| {
        json!({"Code": "error-unknown-server-error", "Message": why, "Details": {}, "Err": why}).to_string()
    };
    if world.jobs[*job].client != signed.client {
        return Err(wrapped(format!("mismatched client id: {}", signed.client)));
    }
    let mut all = world.jobs[*job].executions.iter();
    let found = all.find(|number| world.executions[**number].reference == execution && !execution.is_empty());
    let execution = *found.ok_or_else(|| wrapped("read logs failure: execution not found".to_owned()))?;
    Ok(Wanted { execution, history: flag("WithHistory"), follow: flag("Follow") })
}

/// An error is what the connection is closed with; none: it just ends.
async fn follow(inner: &Arc<Inner>, socket: &mut Socket) -> Result<(), Option<String>> {
    let envelope = loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => break text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            _ => return Err(None),
        }
    };
    let wanted = inner.look(|world, _| wanted(world, envelope.as_bytes())).map_err(Some)?;
    let since = if wanted.history { Duration::ZERO } else { inner.front.clock.now() };
    let (mut sent, mut first) = (0, true);
    loop {
        let changed = inner.changed.notified();
        let (lines, over, next) = inner.look(|world, now| {
            let found = &world.executions[wanted.execution];
            let until = found.ended.map_or(now, |ended| ended.min(now));
            let all = match (found.begun, found.work.as_ref()) {
                (Some(begun), Some(work)) => {
                    work.lines().into_iter().map(|(after, s, line)| (begun + after, s, line)).collect()
                }
                _ => Vec::new(),
            };
            let coming = all.iter().map(|(at, ..)| *at).find(|at| *at > until);
            let over = found.ended.is_some() || found.terminal();
            // Output of what is over comes whole, whatever was asked.
            let from = if over && first { Duration::ZERO } else { since };
            let lines: Vec<(u8, String)> =
                all.into_iter().filter(|(at, ..)| *at <= until && *at >= from).map(|(_, s, line)| (s, line)).collect();
            (lines, over, coming.into_iter().chain(world.agenda.next()).min())
        });
        for (stream, line) in lines.into_iter().skip(sent) {
            send(socket, &json!({"Tag": stream, "Data": line})).await.map_err(|_| None)?;
            sent += 1;
        }
        if over && first {
            // The server ends without a word.
            return Err(None);
        }
        if over || !wanted.follow {
            return Ok(());
        }
        first = false;
        tokio::select! {
            () = changed => {}
            () = inner.front.clock.sleep_until(next.unwrap_or(Duration::MAX)), if next.is_some() => {}
        }
    }
}

//! Output over WebSockets.
use std::time::Duration;

use consign_sim::bacalhau::Plan;
use consign_sim::{Bacalhau, Fault, Simulator, live};
use futures_util::StreamExt as _;
use http::Request;
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::common::*;

/// Changes the protocol of a request.
pub(crate) async fn socket(sim: &impl Simulator, path: &str) -> WebSocketStream<DuplexStream> {
    let request = Request::get(format!("http://x{path}"))
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let mut answer = sim.handle(request.body(bytes::Bytes::new()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let connection = live::take_connection(&mut answer).unwrap();
    WebSocketStream::from_raw_socket(connection, Role::Client, None).await
}

/// All that comes: messages, then the code of the close.
async fn all(mut socket: WebSocketStream<DuplexStream>) -> (Vec<Value>, Option<u16>) {
    let mut messages = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Text(text) => {
                assert!(text.as_str().ends_with('\n'));
                messages.push(serde_json::from_str(text.as_str()).unwrap());
            }
            Message::Close(frame) => return (messages, frame.map(|frame| frame.code.into())),
            _ => {}
        }
    }
    (messages, None)
}

fn line(stream: u8, text: &str) -> Value {
    json!({"value": {"Type": stream, "Line": text}})
}

/// A simulator whose jobs write three lines in four seconds.
fn talking() -> Bacalhau {
    Bacalhau::builder().script(|_, _| Plan::default().seconds(4.0).stdout("one\n<two>\n").stderr("three\n")).build()
}

#[tokio::test(start_paused = true)]
async fn a_finished_log_is_sent_whole_and_closed() {
    let sim = talking();
    let id = put(&sim, docker(json!({}))).await;
    pass(10.0).await;
    let (lines, code) = all(socket(&sim, &format!("{JOBS}/{id}/logs")).await).await;
    assert_eq!((lines, code), (vec![line(1, "one\n"), line(1, "<two>\n"), line(2, "three\n")], Some(1000)));
    let (tail, code) = all(socket(&sim, &format!("{JOBS}/{id}/logs?tail=true")).await).await;
    assert_eq!((tail.len(), code), (0, Some(1000)));
}

#[tokio::test(start_paused = true)]
async fn a_log_is_followed_to_the_end_of_its_execution() {
    let sim = talking();
    let id = put(&sim, docker(json!({}))).await;
    pass(1.5).await;
    let now = all(socket(&sim, &format!("{JOBS}/{id}/logs")).await).await;
    assert_eq!(now, (vec![line(1, "one\n")], Some(1000)));
    let before = sim.elapsed();
    let rest = all(socket(&sim, &format!("{JOBS}/{id}/logs?follow=true&tail=true")).await).await;
    assert_eq!(rest, (vec![line(1, "<two>\n"), line(2, "three\n")], Some(1000)));
    assert!(sim.elapsed() - before > Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn errors_come_after_the_change_of_protocol() {
    let sim = talking();
    let error = |text: String| (vec![json!({"error": text, "value": {"Type": 0, "Line": ""}})], Some(1000));
    assert_eq!(all(socket(&sim, &format!("{JOBS}/nope/logs")).await).await, error("job not found: nope".to_owned()));
    let id = put(&sim, docker(json!({}))).await;
    let start = format!("failed to open log stream for job {id}: ");
    let none = format!("{start}no executions found for job {id} with ID {id}, and version 0");
    assert_eq!(all(socket(&sim, &format!("{JOBS}/{id}/logs")).await).await, error(none));
    pass(1.0).await;
    let other = format!("{start}unable to find execution e-1 in job {id} and job version 1");
    assert_eq!(all(socket(&sim, &format!("{JOBS}/{id}/logs?execution_id=e-1")).await).await, error(other));
    let failed = put(&sim, wasm("trap", json!({}))).await;
    pass(10.0).await;
    let none = format!(
        "failed to open log stream for job {failed}: unable to find execution  in job {failed} and job version 1"
    );
    assert_eq!(all(socket(&sim, &format!("{JOBS}/{failed}/logs")).await).await, error(none));
    let plain = ask(&sim, &format!("GET {JOBS}/{id}/logs")).await;
    assert_eq!((plain.status, plain.text(), plain.header("content-type")), (200, "", "text/plain; charset=utf-8"));
}

#[tokio::test(start_paused = true)]
async fn the_log_of_a_module_stays_away_and_keeps_others_waiting() {
    let sim = talking();
    let silent = put(&sim, wasm("hello", json!({}))).await;
    let talking = put(&sim, docker(json!({}))).await;
    pass(10.0).await;
    let before = sim.elapsed();
    let first = socket(&sim, &format!("{JOBS}/{silent}/logs")).await;
    pass(0.1).await;
    let second = socket(&sim, &format!("{JOBS}/{talking}/logs")).await;
    let (lines, code) = all(second).await;
    assert_eq!((lines.len(), code), (3, Some(1000)));
    assert!(sim.elapsed() - before >= Duration::from_secs(60));
    let timeout = json!({"error": "timeout while waiting for execution logs", "value": {"Type": 0, "Line": ""}});
    assert_eq!(all(first).await, (vec![timeout], Some(1000)));
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_end_the_stream() {
    let sim = talking();
    let id = put(&sim, docker(json!({"sim.outcome": "running"}))).await;
    pass(2.0).await;
    let stream = socket(&sim, &format!("{JOBS}/{id}/logs?follow=1")).await;
    tell(&sim, &format!("DELETE {JOBS}/{id}"), &json!({})).await.ok();
    let end = tokio::time::timeout(Duration::from_secs(3600), all(stream)).await;
    assert!(end.is_err(), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn a_log_can_break_or_end_too_early() {
    let sim = talking();
    let id = put(&sim, docker(json!({}))).await;
    pass(10.0).await;
    for (fault, lines, code) in
        [(Fault::cut_log(1), 1, None), (Fault::end_log(2), 2, Some(1000)), (Fault::cut_log(0), 0, None)]
    {
        sim.faults().once("logs", fault);
        let (told, closed) = all(socket(&sim, &format!("{JOBS}/{id}/logs?follow=true")).await).await;
        assert_eq!((told.len(), closed), (lines, code));
    }
    assert_eq!(all(socket(&sim, &format!("{JOBS}/{id}/logs")).await).await.0.len(), 3);
}

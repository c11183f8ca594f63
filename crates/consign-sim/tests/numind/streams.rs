//! Event streams: pings, ends, and what goes wrong with them.
use std::time::Duration;

use consign_sim::live::Chunk;
use consign_sim::numind::operation::{STATUS, STREAM};
use consign_sim::numind::{Plan, StreamFault, StreamForm};
use consign_sim::{Fault, NuMind, Rule};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::*;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn pings_come_every_thirty_seconds_until_the_record_does() {
    let sim = NuMind::new();
    let id = job(&sim, &json!({"pending": 0, "seconds": 95, "output": {"total": "number"}})).await;
    let (text, clean) = drain(stream(&sim, &id).await).await;
    let (pings, name, data) = last_event(&text);
    assert_eq!((pings, name, clean), (3, "result", true));
    assert_eq!(data, record(&sim, &id).await);
    assert_eq!((&data["status"], sim.elapsed()), (&json!("completed"), secs(95)));
    // Once more: at once, without a ping.
    let (text, _) = drain(stream(&sim, &id).await).await;
    assert_eq!(last_event(&text), (0, "result", data));
    assert_eq!((sim.elapsed(), sim.job(&id).unwrap().streams, sim.open_streams()), (secs(95), 2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_an_error_event_to_those_who_wait_and_a_record_to_those_who_come_later() {
    let sim = NuMind::builder().timeout(secs(40)).build();
    let id = job(&sim, &json!({"pending": 0, "seconds": 600})).await;
    let (text, clean) = drain(stream(&sim, &id).await).await;
    let (pings, name, data) = last_event(&text);
    assert_eq!((pings, name, data["code"].as_str(), clean), (1, "error", Some("JobTimeout"), true));
    let (text, _) = drain(stream(&sim, &id).await).await;
    let (_, name, data) = last_event(&text);
    assert_eq!((name, &data["status"], &data["errorCode"]), ("result", &json!("timeout"), &json!("JobTimeout")));
    assert!(data["completedAt"].is_string() && data.get("outputData").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_failed_job_arrives_as_a_result() {
    let sim = NuMind::new();
    sim.script(|_, _| Plan::fail("UnsupportedFormat", "Unsupported file format").seconds(3.0));
    let id = job(&sim, &json!({})).await;
    let (text, _) = drain(stream(&sim, &id).await).await;
    let (_, name, data) = last_event(&text);
    assert_eq!((name, &data["status"], &data["errorCode"]), ("result", &json!("failed"), &json!("UnsupportedFormat")));
    assert!(data.get("outputData").is_none());
}

#[tokio::test(start_paused = true)]
async fn each_fault_of_a_stream_does_what_its_name_says_and_the_job_goes_on() {
    let sim = NuMind::new();
    let cases = [
        (StreamFault::cut(secs(40)), 1, false, 40),
        (StreamFault::end(secs(70)), 2, true, 70),
        (StreamFault::cut(Duration::ZERO), 0, false, 0),
        (StreamFault::end(Duration::ZERO), 0, true, 0),
        (StreamFault::end_in_result(0), 3, true, 100),
        (StreamFault::cut_in_result(0), 3, false, 100),
    ];
    for (fault, pings, clean, took) in cases {
        let id = job(&sim, &json!({"pending": 0, "seconds": 100})).await;
        let began = sim.elapsed();
        sim.faults().once(STREAM, Fault::stream(fault));
        assert_eq!(drain(stream(&sim, &id).await).await, ("event: ping\ndata: \n\n".repeat(pings), clean), "{fault:?}");
        assert_eq!(sim.elapsed() - began, secs(took), "{fault:?}");
        let (text, clean) = drain(stream(&sim, &id).await).await;
        assert_eq!((last_event(&text).1, clean), ("result", true));
    }
    let id = job(&sim, &json!({"pending": 0, "seconds": 100})).await;
    sim.faults().once(STREAM, Fault::stream(StreamFault::error(secs(5), "InternalError", "try again later")));
    let (text, clean) = drain(stream(&sim, &id).await).await;
    let error = json!({"code": "InternalError", "message": "try again later"});
    assert_eq!((last_event(&text), clean), ((0, "error", error), true));
    assert_eq!(status(&sim, &id).await["status"], "running");
    sim.faults().once(STREAM, Fault::stream(StreamFault::last_event("result", r#"{"code":413,"message":"x"}"#)));
    assert_eq!(last_event(&drain(stream(&sim, &id).await).await.0).2, json!({"code": 413, "message": "x"}));
    assert_eq!(sim.faults().pending(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_half_open_stream_says_nothing_and_does_not_end_until_its_reader_leaves() {
    let sim = NuMind::new();
    let id = job(&sim, &json!({"pending": 0, "seconds": 100, "streams": ["silence 45"]})).await;
    let mut half_open = stream(&sim, &id).await;
    assert!(matches!(half_open.recv().await, Some(Chunk::Bytes(_))));
    assert!(tokio::time::timeout(secs(3600), half_open.recv()).await.is_err());
    assert_eq!((status(&sim, &id).await["status"].as_str(), sim.open_streams()), (Some("completed"), 1));
    drop(half_open);
    pause(1.0).await;
    assert_eq!(sim.open_streams(), 0);
    // The script had one word: the next stream is whole.
    assert!(drain(stream(&sim, &id).await).await.0.starts_with("event: result\n"));
}

#[tokio::test(start_paused = true)]
async fn chunks_break_anywhere_and_a_result_can_be_large() {
    let sim = NuMind::new();
    let id = job(&sim, &json!({"pending": 0, "seconds": 31, "streams": ["chunks 3", "chunks 16384"]})).await;
    let mut pieces = stream(&sim, &id).await;
    let (mut text, mut longest) = (String::new(), 0);
    while let Some(Chunk::Bytes(bytes)) = pieces.recv().await {
        longest = longest.max(bytes.len());
        text += std::str::from_utf8(&bytes).unwrap();
    }
    assert_eq!((longest, last_event(&text).1), (3, "result"));
    let id = job(&sim, &json!({"size": 4 << 20, "streams": ["chunks 16384"]})).await;
    let (text, clean) = drain(stream(&sim, &id).await).await;
    assert!(clean && text.len() > 4 << 20 && text.len() < 5 << 20);
    assert_eq!(last_event(&text).2["status"], "completed");
    // A part of the last event, and then the break.
    let id = job(&sim, &json!({"seconds": 1, "streams": ["cut-in 20"]})).await;
    assert_eq!(drain(stream(&sim, &id).await).await, ("event: result\ndata: ".to_owned(), false));
}

#[tokio::test(start_paused = true)]
async fn every_form_of_writing_says_the_same() {
    for (form, ping) in [
        (StreamForm::Plain, "event: ping\ndata: \n\nevent: result\ndata: {"),
        (StreamForm::DataFirst, "data: \nevent: ping\n\ndata: {"),
        (StreamForm::Crlf, "event: ping\r\ndata: \r\n\r\nevent: result\r\ndata: {"),
        (StreamForm::Cr, "event: ping\rdata: \r\revent: result\rdata: {"),
        (StreamForm::BarePing, "event: ping\n\nevent: result\ndata: {"),
        (
            StreamForm::Noisy,
            ": keep-alive\n\nevent: progress\ndata: {\"percent\": 40}\n\nretry: 3000\nid: 1\nevent: ping\ndata:\n\n",
        ),
    ] {
        let sim = NuMind::builder().stream_form(form).build();
        let id = job(&sim, &json!({"pending": 0, "seconds": 31})).await;
        let (text, _) = drain(stream(&sim, &id).await).await;
        assert!(text.starts_with(ping), "{text}");
        assert!(form != StreamForm::Noisy || text.ends_with("\ndata:}\n\n"), "{text}");
        assert!(form != StreamForm::DataFirst || text.ends_with("}\nevent: result\n\n"));
    }
}

#[tokio::test(start_paused = true)]
async fn streams_of_waiting_jobs_end_when_workers_get_to_them_though_nobody_else_asks() {
    let sim = NuMind::builder().workers(1).build();
    let mut streams = Vec::new();
    for _ in 0..5 {
        let id = job(&sim, &json!({"pending": 0, "seconds": 10})).await;
        streams.push(stream(&sim, &id).await);
    }
    // The first is left by its reader, and nobody asks for its job.
    drop(streams.remove(0));
    pause(1.0).await;
    assert_eq!(sim.open_streams(), 4);
    let last = streams.pop().unwrap();
    assert_eq!(last_event(&drain(last).await.0).1, "result");
    assert_eq!(sim.elapsed(), secs(50));
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_before_the_stream_begins_is_an_ordinary_answer() {
    let sim = NuMind::new();
    assert_eq!(ask(&sim, "GET /api/jobs/none/stream").await.refusal(), (404, "JobNotFound".to_owned()));
    let id = job(&sim, &json!({})).await;
    let what = format!("GET /api/jobs/{id}/stream");
    assert_eq!(send(&sim, &what, &[("accept", "text/html")], "").await.status, 406);
    assert!(send(&sim, &what, &[("accept", "application/json")], "").await.stream.is_some());
    sim.faults().add(Rule::new(Fault::text(503, "upstream connect error")).on(STREAM));
    assert_eq!(send(&sim, &what, &[], "").await.text(), "upstream connect error");
    assert_eq!(sim.ledger().count(STATUS), 0);
}

#[tokio::test]
async fn over_a_socket_a_stream_is_chunked_and_can_break() {
    let sim = NuMind::builder().speed(1000.0).build();
    let server = sim.serve("127.0.0.1:0").await.unwrap();
    let read = async |id: &str| {
        let mut socket = tokio::net::TcpStream::connect(server.url().trim_start_matches("http://")).await.unwrap();
        let head = "authorization: Bearer key-1\r\nhost: x\r\nconnection: close";
        socket.write_all(format!("GET /api/jobs/{id}/stream HTTP/1.1\r\n{head}\r\n\r\n").as_bytes()).await.unwrap();
        let mut all = Vec::new();
        let _ = socket.read_to_end(&mut all).await;
        String::from_utf8(all).unwrap()
    };
    let text = read(&job(&sim, &json!({"pending": 0, "seconds": 300})).await).await;
    assert!(
        text.contains("transfer-encoding: chunked") && text.contains("event: ping") && text.ends_with("\r\n0\r\n\r\n")
    );
    assert!(text.contains("event: result\ndata: {"));
    let text = read(&job(&sim, &json!({"pending": 0, "seconds": 300, "streams": ["cut 200"]})).await).await;
    assert!(text.contains("event: ping") && !text.contains("event: result") && !text.ends_with("0\r\n\r\n"), "{text}");
}

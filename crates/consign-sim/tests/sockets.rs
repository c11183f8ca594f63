//! The simulator over real sockets, and as a program.
#![allow(clippy::unwrap_used)] // a panic in a test is a report

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use consign_sim::{Civitai, Durations, Fault};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One connection that speaks HTTP by hand.
struct Wire(TcpStream);

impl Wire {
    async fn open(url: &str) -> Self {
        Self(TcpStream::connect(host(url)).await.unwrap())
    }

    async fn send(&mut self, method: &str, target: &str, headers: &str, body: &str) {
        let length = body.len();
        let text =
            format!("{method} {target} HTTP/1.1\r\nhost: sim\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Everything that comes until the other side closes.
    async fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        // A reset is an end too.
        let _ = self.0.read_to_end(&mut all).await;
        all
    }

    /// One response: status line with headers, and the body.
    async fn receive(&mut self) -> (String, Vec<u8>) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        (head, body)
    }
}

fn host(url: &str) -> &str {
    url.strip_prefix("http://").unwrap().split('/').next().unwrap()
}

const AUTH: &str = "authorization: Bearer x\r\ncontent-type: application/json\r\n";
const BODY: &str = r#"{"$type":"textToImage","model":"m","params":{"prompt":"p","width":64,"height":64}}"#;

fn fast() -> Civitai {
    Civitai::builder().queue(0, 0).durations(Durations::Fixed(Duration::from_millis(30))).build()
}

#[tokio::test]
async fn a_job_is_submitted_held_and_its_blob_fetched_from_another_origin() {
    let sim = fast();
    let server = sim.serve("127.0.0.1:0").await.unwrap();
    let mut wire = Wire::open(server.url()).await;
    wire.send("POST", "/v1/consumer/jobs?wait=true", AUTH, BODY).await;
    let (head, body) = wire.receive().await;
    assert!(head.starts_with("http/1.1 200") && head.contains("application/json; charset=utf-8"), "{head}");
    let body: Value = serde_json::from_slice(&body).unwrap();
    let url = body["jobs"][0]["result"][0]["blobUrl"].as_str().unwrap();
    assert!(url.starts_with(server.blob_url()) && !url.starts_with(server.url()));

    let mut blob = Wire::open(url).await;
    let target = &url[server.blob_url().len()..];
    blob.send("HEAD", target, "", "").await;
    let mut head = [0; 12];
    blob.0.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let mut blob = Wire::open(url).await;
    blob.send("GET", target, "range: bytes=1-3\r\n", "").await;
    let (head, part) = blob.receive().await;
    assert!(head.starts_with("http/1.1 206"), "{head}");
    assert_eq!(part, b"PNG");

    // The connection is kept and used again.
    wire.send("GET", "/nothing", "", "").await;
    assert!(wire.receive().await.0.starts_with("http/1.1 404"));
    assert_eq!(sim.ledger().submissions(), 1);
}

#[tokio::test]
async fn faults_close_the_connection_without_or_with_a_part_of_the_answer() {
    let sim = fast();
    let server = sim.serve("127.0.0.1:0").await.unwrap();
    let cases = [(Fault::drop_before(), 0), (Fault::lose_reply(), 1), (Fault::cut_reply(20), 1)];
    for (number, (fault, made)) in cases.into_iter().enumerate() {
        let before = sim.ledger().submissions();
        sim.faults().once("v1_consumer_jobs_post", fault);
        let mut wire = Wire::open(server.url()).await;
        wire.send("POST", "/v1/consumer/jobs", AUTH, BODY).await;
        let bytes = wire.rest().await;
        assert_eq!(sim.ledger().submissions() - before, made);
        if number < 2 {
            assert!(bytes.is_empty());
        } else {
            let text = String::from_utf8(bytes).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert_eq!(body.len(), 20);
            assert!(!head.contains("content-length: 20\r\n"), "{head}");
        }
    }
}

#[tokio::test]
async fn a_server_stops_with_its_handle_and_closes_idle_connections_on_demand() {
    let sim = fast();
    let server = sim.serve("127.0.0.1:0").await.unwrap();
    let mut idle = Wire::open(server.url()).await;
    idle.send("GET", "/nothing", "", "").await;
    idle.receive().await;
    server.close_idle();
    assert!(idle.rest().await.is_empty());

    let mut held = Wire::open(server.url()).await;
    let slow = BODY.replace("\"model\"", "\"properties\":{\"sim\":{\"seconds\":500}},\"model\"");
    held.send("POST", "/v1/consumer/jobs?wait=true", AUTH, &slow).await;
    while sim.ledger().submissions() == 0 {
        tokio::task::yield_now().await;
    }
    server.close_idle();
    let url = server.url().to_owned();
    drop(server);
    assert!(held.rest().await.is_empty());
    assert!(TcpStream::connect(host(&url)).await.is_err());
}

#[tokio::test]
async fn only_loopback_addresses_are_served() {
    let error = Civitai::new().serve("0.0.0.0:0").await.unwrap_err();
    assert!(error.to_string().contains("0.0.0.0:0 is not a loopback address"), "{error}");
}

#[tokio::test]
async fn many_connections_are_held_at_once() {
    let sim =
        Civitai::builder().queue(0, 0).workers(200).durations(Durations::Fixed(Duration::from_millis(200))).build();
    let server = sim.serve("127.0.0.1:0").await.unwrap();
    let mut held = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let url = server.url().to_owned();
        held.spawn(async move {
            let mut wire = Wire::open(&url).await;
            wire.send("POST", "/v1/consumer/jobs?wait=true", AUTH, BODY).await;
            wire.receive().await.0
        });
    }
    while let Some(head) = held.join_next().await {
        assert!(head.unwrap().starts_with("http/1.1 200"));
    }
    assert_eq!(sim.ledger().submissions(), 200);
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_consign-sim"))
}

#[tokio::test]
async fn the_program_says_where_it_listens_and_runs_at_its_speed() {
    let mut child = program().args(["--speed", "1000", "--seed=3"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim_end().strip_prefix("civitai ").unwrap().to_owned();
    let mut wire = Wire::open(&url).await;
    wire.send("POST", "/v1/consumer/jobs?wait=true", AUTH, BODY).await;
    let (head, body) = wire.receive().await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["jobs"][0]["lastEvent"]["type"], json!("Succeeded"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_program_explains_itself_and_refuses_bad_arguments() {
    let help = program().arg("--help").output().unwrap();
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--speed N"));
    let cases: &[(&[&str], &str)] = &[
        (&["--speed", "0"], "--speed needs a number above 0, not \"0\""),
        (&["--seed"], "--seed needs a value"),
        (&["--colour", "red"], "unknown argument --colour"),
        (&["--shape", "round"], "current, older or documented"),
        (&["--listen", "0.0.0.0:0"], "not a loopback address"),
        (&["--listen", "nowhere"], "--listen nowhere"),
    ];
    for (arguments, message) in cases {
        let output = program().args(*arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(message), "{arguments:?}: {text}");
    }
}

//! The simulated Chutes over real sockets, from the program.
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use consign_sim::Chutes;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The program, which ends with its handle.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One request on a connection of its own: head and body of the answer.
async fn ask(url: &str, what: &str, headers: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut wire = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    let length = body.len();
    let head =
        format!("{what} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
    wire.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut all = Vec::new();
    wire.read_to_end(&mut all).await.unwrap();
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (String::from_utf8(all[..end].to_vec()).unwrap(), all[end + 4..].to_vec())
}

#[tokio::test]
async fn the_program_runs_a_chute_at_its_speed_and_gives_its_file() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_consign-sim"));
    let mut program = Program(child.args(["--speed", "100000", "--seed=3"]).stdout(Stdio::piped()).spawn().unwrap());
    let lines = BufReader::new(program.0.stdout.take().unwrap()).lines();
    let url = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("chutes ").map(str::to_owned)).unwrap();

    let key = format!("authorization: Basic {}\r\n", Chutes::KEY);
    let create = format!("POST /jobs/{}/train", Chutes::CHUTE);
    let (head, body) = ask(&url, &create, &key, br#"{"sim":{"files":{"a/b.txt":"text"}}}"#).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let job = serde_json::from_slice::<Value>(&body).unwrap();
    let get = format!("GET /jobs/{}", job["job_id"].as_str().unwrap());
    let done = loop {
        let (head, body) = ask(&url, &get, &key, b"").await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let job = serde_json::from_slice::<Value>(&body).unwrap();
        if job["finished_at"].is_string() {
            break job;
        }
    };
    let file = done["output_files"].as_object().unwrap().keys().next().unwrap();
    let (head, body) = ask(&url, &format!("{get}/download/{file}"), &key, b"").await;
    assert!(head.contains("content-disposition: attachment; filename=\"a/b.txt\""), "{head}");
    assert_eq!(body, b"text");
    let (head, _) = ask(&url, &format!("{get}/"), &key, b"").await;
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
}

//! NuMind in the program.
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn the_program_serves_it_in_the_generation_that_is_asked_for() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_consign-sim"))
        .args(["--speed", "1000", "--numind-shape", "0.2.0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url =
        lines.map(Result::unwrap).find_map(|line| line.strip_prefix("numind http://").map(str::to_owned)).unwrap();
    let mut socket = tokio::net::TcpStream::connect(&url).await.unwrap();
    socket.write_all(b"GET /api/inference-status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("\"nuextract\":{\"running\":0,\"waiting\":0}"), "{text}");
}

#[test]
fn a_generation_that_there_is_not_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_consign-sim")).args(["--numind-shape", "0.3"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--numind-shape needs both, 0.2.0 or 0.4.2"));
}

//! Both wires over real sockets.
use consign_sim::bacalhau::Plan;
use consign_sim::{Bacalhau, Requester};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::{JOBS, docker};

/// All that a server sends for one request.
async fn exchange(url: &str, what: &str, body: &str) -> Vec<u8> {
    let mut socket = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!("{what} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n");
    socket.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
    let mut all = Vec::new();
    // A reset is an end too.
    let _ = socket.read_to_end(&mut all).await;
    all
}

fn parts(answer: &[u8]) -> (String, &[u8]) {
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
    (String::from_utf8(answer[..end].to_vec()).unwrap(), &answer[end + 4..])
}

#[tokio::test]
async fn results_lie_on_a_port_of_their_own() {
    let sim = Bacalhau::builder().script(|_, _| Plan::default().seconds(0.01)).build();
    let server = sim.serve("127.0.0.1:0").await.unwrap();
    let put = exchange(server.url(), &format!("PUT {JOBS}"), &json!({"Job": docker(json!({}))}).to_string()).await;
    let id = serde_json::from_slice::<Value>(parts(&put).1).unwrap()["JobID"].as_str().unwrap().to_owned();
    let url = loop {
        let results = exchange(server.url(), &format!("GET {JOBS}/{id}/results"), "").await;
        let results: Value = serde_json::from_slice(parts(&results).1).unwrap();
        if let Some(url) = results["Items"][0]["Params"]["URL"].as_str() {
            break url.to_owned();
        }
        tokio::task::yield_now().await;
    };
    assert!(url.starts_with(server.results_url()) && server.results_url() != server.url(), "{url}");
    let path = url.strip_prefix(server.results_url()).unwrap();
    let file = exchange(server.results_url(), &format!("GET {path}"), "").await;
    let (head, archive) = parts(&file);
    assert!(head.starts_with("HTTP/1.1 200") && archive.starts_with(&[0x1F, 0x8B]), "{head}");
    assert!(sim.serve("0.0.0.0:0").await.is_err(), "loopback only");
}

#[tokio::test]
async fn a_handler_that_crashes_closes_the_connection_without_a_byte() {
    let sim = Requester::new();
    let server = sim.serve("127.0.0.1:0").await.unwrap();
    assert_eq!(exchange(server.url(), "POST /requester/submit", "{}").await, b"");
    let alive = exchange(server.url(), "GET /livez", "").await;
    assert_eq!(parts(&alive).1, b"OK");
    assert_eq!(sim.ledger().of("submit")[0].status, None);
}

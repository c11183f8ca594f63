//! What only sockets can show: refused, reset and stale connections, redirects, proxies. Real time, loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic in a test is its report")]
use std::time::Duration;

use bytes::Bytes;
use consign_http::{
    ByteStream, CallOptions, Client, Delivery, Error, ErrorKind, Network, NetworkSettings, Operation, Reply, Request,
    Token,
};
use futures_util::FutureExt;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

static GET: Operation =
    Operation { id: "get", method: http::Method::GET, path: "/v1/jobs", accept: "application/json", empty: &[] };
static POST: Operation =
    Operation { id: "submit", method: http::Method::POST, path: "/v1/jobs", accept: "application/json", empty: &[] };
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

/// A listener, and a client of it that knows no proxy.
async fn server() -> (TcpListener, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    (listener, client)
}

fn client(base: &str) -> Client {
    let network = Network::from_builder(reqwest::Client::builder().no_proxy()).unwrap();
    Client::builder(base).unwrap().token(Token::new("token-hunter2").unwrap()).transport(network).build().unwrap()
}

async fn get(client: &Client) -> Result<Reply<Value>, Error> {
    client.json(Request::new(&GET, &[]).unwrap()).await
}

async fn post(client: &Client) -> Result<Reply<Value>, Error> {
    client.json(Request::new(&POST, &[]).unwrap().json(&"a job").unwrap()).await
}

/// Reads until `end` came; gives everything as text.
async fn read(stream: &mut TcpStream, end: &str) -> String {
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(end) {
        assert!(stream.read_buf(&mut all).await.unwrap() > 0, "the client closed the connection");
    }
    String::from_utf8_lossy(&all).into_owned()
}

async fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().await.unwrap().0
}

fn failed(result: Result<Reply<Value>, Error>) -> (ErrorKind, Delivery) {
    let error = result.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    (error.kind(), error.delivery())
}

#[tokio::test]
async fn a_refused_connection_surely_sent_nothing_and_names_the_host() {
    let (listener, client) = server().await;
    drop(listener);
    let error = post(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Transport, Delivery::NotSent));
    assert!(error.to_string().contains("127.0.0.1: ") && error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_connection_that_is_reset_is_not_tried_again_and_unclear_once_the_request_was_read() {
    for read_first in [false, true] {
        let (listener, client) = server().await;
        let reset = async {
            let mut stream = accept(&listener).await;
            if read_first {
                read(&mut stream, "\"a job\"").await;
            }
            stream.set_zero_linger().unwrap();
        };
        let (result, ()) = tokio::join!(post(&client), reset);
        let (kind, delivery) = failed(result);
        assert_eq!(kind, ErrorKind::Transport);
        // Before anything was read both are true: it may have been sent, and nobody acted on it.
        assert!(delivery == Delivery::Unknown || (delivery == Delivery::NotSent && !read_first));
        assert!(listener.accept().now_or_never().is_none(), "it was sent again");
    }
}

#[tokio::test]
async fn a_reply_that_is_lost_or_garbled_leaves_it_unclear() {
    for reply in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"jobId\":",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"job\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
    ] {
        let (listener, client) = server().await;
        let lose = async {
            let mut stream = accept(&listener).await;
            read(&mut stream, "\"a job\"").await;
            stream.write_all(reply.as_bytes()).await.unwrap();
        };
        let (result, ()) = tokio::join!(post(&client), lose);
        assert_eq!(failed(result), (ErrorKind::Transport, Delivery::Unknown), "{reply:?}");
        assert!(listener.accept().now_or_never().is_none(), "it was sent again after {reply:?}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_is_not_used_again() {
    let (listener, client) = server().await;
    let (other_listener, other) = server().await;
    let once = |listener: TcpListener| async move {
        let mut stream = accept(&listener).await;
        read(&mut stream, "\r\n\r\n").await;
        stream.write_all(OK.as_bytes()).await.unwrap();
        listener
    };
    // The connection is closed after the answer, though it said nothing of that.
    let (result, listener) = tokio::join!(get(&client), once(listener));
    result.unwrap();
    // An exchange elsewhere gives the client the time to hear of it.
    let (result, _) = tokio::join!(get(&other), once(other_listener));
    result.unwrap();
    let (result, _) = tokio::join!(post(&client), once(listener));
    result.unwrap();
}

#[tokio::test]
async fn a_kept_connection_that_dies_under_a_submission_leaves_it_unclear_and_is_not_sent_again() {
    let (listener, client) = server().await;
    let serve = async {
        let mut stream = accept(&listener).await;
        read(&mut stream, "\r\n\r\n").await;
        stream.write_all(OK.as_bytes()).await.unwrap();
        read(&mut stream, "\"a job\"").await;
    };
    let calls = async {
        get(&client).await.unwrap();
        post(&client).await
    };
    let (result, ()) = tokio::join!(calls, serve);
    assert_eq!(failed(result), (ErrorKind::Transport, Delivery::Unknown));
    assert!(listener.accept().now_or_never().is_none(), "it was sent again");
}

#[tokio::test]
async fn a_half_open_connection_ends_at_the_time_limit() {
    let (listener, client) = server().await;
    let call = Request::new(&POST, &[]).unwrap().options(CallOptions::new().timeout(Duration::from_millis(100)));
    let hold = async {
        let mut stream = accept(&listener).await;
        read(&mut stream, "\r\n\r\n").await;
        stream
    };
    let (result, mut stream) = tokio::join!(client.json::<Value>(call), hold);
    assert_eq!(failed(result), (ErrorKind::Timeout, Delivery::Unknown));
    // Giving up closes the connection.
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_its_target_sees_nothing() {
    let (listener, client) = server().await;
    let (target, _) = server().await;
    let location = target.local_addr().unwrap();
    let redirect = async {
        let mut stream = accept(&listener).await;
        let head = read(&mut stream, "\r\n\r\n").await;
        let reply = format!("HTTP/1.1 307 T\r\nlocation: http://{location}/?sig=s\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(reply.as_bytes()).await.unwrap();
        head
    };
    let (result, head) = tokio::join!(get(&client), redirect);
    assert!(head.contains("authorization: Bearer token-hunter2") && !head.contains("referer"), "{head}");
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Status);
    assert!(error.to_string().contains("it redirects to 127.0.0.1") && !error.to_string().contains("sig"), "{error}");
    assert!(target.accept().now_or_never().is_none());
}

#[tokio::test]
async fn a_proxy_gets_the_request_with_its_own_password_which_no_error_shows() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://user:hunter2@{}", listener.local_addr().unwrap());
    let settings = NetworkSettings::new().proxy(proxy).user_agent("tests/1");
    let client = || Client::builder("http://api.invalid").unwrap().network(settings.clone()).build().unwrap();
    let through = client();
    let serve = async {
        let mut stream = accept(&listener).await;
        let head = read(&mut stream, "\r\n\r\n").await;
        stream.write_all(OK.as_bytes()).await.unwrap();
        head
    };
    let (result, head) = tokio::join!(get(&through), serve);
    result.unwrap();
    assert!(head.starts_with("GET http://api.invalid/v1/jobs HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("proxy-authorization: Basic ") && head.contains("user-agent: tests/1"), "{head}");

    drop(listener);
    assert_eq!(failed(post(&client()).await), (ErrorKind::Transport, Delivery::NotSent));
}

#[tokio::test]
async fn a_streamed_body_arrives_and_one_that_breaks_is_an_error() {
    let chunks = |last: Result<Bytes, Error>| {
        ByteStream::new(futures_util::stream::iter([Ok(Bytes::from_static(b"one ")), last]))
    };
    let (listener, client) = server().await;
    let call = Request::new(&POST, &[]).unwrap().body("text/plain", chunks(Ok(Bytes::from_static(b"two"))));
    let serve = async {
        let mut stream = accept(&listener).await;
        let all = read(&mut stream, "\r\n0\r\n\r\n").await;
        stream.write_all(OK.as_bytes()).await.unwrap();
        all
    };
    let (result, all) = tokio::join!(client.json::<Value>(call), serve);
    result.unwrap();
    assert!(all.contains("content-type: text/plain") && all.ends_with("4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"), "{all}");

    let (listener, client) = server().await;
    let broken = Error::new(ErrorKind::Io, Delivery::NotSent, "the disk is gone");
    let call = Request::new(&POST, &[]).unwrap().body("text/plain", chunks(Err(broken)));
    let (result, _) = tokio::join!(client.json::<Value>(call), accept(&listener));
    let error = result.unwrap_err();
    assert!(error.to_string().contains("the disk is gone"), "{error}");
    assert_eq!(error.delivery(), Delivery::Unknown);
}

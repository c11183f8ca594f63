//! A transport that plays a script, and a subscriber that keeps what is logged.
#![allow(dead_code, reason = "each test target uses its own part")]
use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use consign_http::{
    Body, BoxFuture, ByteStream, Client, ClientBuilder, Delivery, Error, ErrorKind, Operation, Transport,
};
use futures_util::StreamExt;

pub(crate) static GET: Operation =
    Operation { id: "get", method: http::Method::GET, path: "/v1/jobs", accept: "application/json", empty: &[202] };
pub(crate) static POST: Operation = Operation { id: "submit", method: http::Method::POST, ..GET };

/// What the server does with one request.
pub(crate) enum Act {
    /// The request fails in this way.
    Fail(ErrorKind, Delivery),
    /// The request is never answered.
    Hang,
    /// Status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, Vec<Chunk>),
}

/// A piece of a body.
#[derive(Clone)]
pub(crate) enum Chunk {
    Bytes(Bytes),
    /// The connection breaks.
    Break,
    /// Nothing more comes, and no end either.
    Stall,
}

impl Act {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::Answer(
            status,
            vec![("content-type", "application/json".into())],
            vec![Chunk::Bytes(body.to_owned().into())],
        )
    }
    pub(crate) fn html(status: u16) -> Self {
        let page = "<!DOCTYPE html><html><title>Bad gateway</title></html>";
        Self::Answer(status, vec![("content-type", "text/html".into())], vec![Chunk::Bytes(page.into())])
    }
    pub(crate) fn empty(status: u16) -> Self {
        Self::Answer(status, Vec::new(), Vec::new())
    }
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Answer(_, headers, _) = &mut self {
            headers.push((name, value.into()));
        }
        self
    }
    pub(crate) fn then(mut self, chunk: Chunk) -> Self {
        if let Self::Answer(_, _, body) = &mut self {
            body.push(chunk);
        }
        self
    }
}

/// Plays its acts in order, then fails every test that asks for more; keeps every request's head.
#[derive(Clone, Default)]
pub(crate) struct Script {
    acts: Arc<Mutex<VecDeque<Act>>>,
    pub(crate) requests: Arc<Mutex<Vec<http::request::Parts>>>,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

impl Script {
    pub(crate) fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        keep_listening();
        Self { acts: Arc::new(Mutex::new(acts.into_iter().collect())), requests: Arc::default() }
    }
    pub(crate) fn sent(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
    pub(crate) fn sent_header(&self, request: usize, name: &str) -> Option<String> {
        let requests = self.requests.lock().unwrap();
        requests[request].headers.get(name).map(|v| v.to_str().unwrap().to_owned())
    }
    pub(crate) fn client(&self) -> ClientBuilder {
        Client::builder("https://api.example.com").unwrap().transport(self.clone())
    }
}

impl Transport for Script {
    fn send(&self, request: http::Request<Body>) -> BoxFuture<'_, Result<http::Response<ByteStream>, Error>> {
        Box::pin(async move {
            self.requests.lock().unwrap().push(request.into_parts().0);
            let act = self.acts.lock().unwrap().pop_front().expect("no more requests in the script");
            match act {
                Act::Fail(kind, delivery) => Err(Error::new(kind, delivery, "the script says so")),
                Act::Hang => std::future::pending().await,
                Act::Answer(status, headers, chunks) => {
                    let body = futures_util::stream::iter(chunks).then(|chunk| async move {
                        match chunk {
                            Chunk::Bytes(bytes) => Ok(bytes),
                            Chunk::Break => Err(Error::new(ErrorKind::Transport, Delivery::Unknown, "it broke")),
                            Chunk::Stall => std::future::pending().await,
                        }
                    });
                    let mut response = http::Response::builder().status(status);
                    for (name, value) in headers {
                        response = response.header(name, value);
                    }
                    Ok(response.body(ByteStream::new(body)).unwrap())
                }
            }
        })
    }
}

/// Everything that is logged in this thread while it lives, at every level.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn start() -> (Self, impl Drop) {
        use tracing_subscriber::fmt::format::FmtSpan;
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_writer(move || writer.clone())
            .finish();
        let dispatch: tracing::Dispatch = subscriber.into();
        (log, tracing::dispatcher::set_default(&dispatch))
    }
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Keeps tracing from remembering, for the whole process, that nobody listens: a test in another
/// thread may be about to. Without it a listener can miss what is logged while tests begin at once.
pub(crate) fn keep_listening() {
    struct Deaf;
    impl tracing::Subscriber for Deaf {
        fn register_callsite(&self, _: &'static tracing::Metadata<'static>) -> tracing::subscriber::Interest {
            tracing::subscriber::Interest::sometimes()
        }
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            false
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {}
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }
    // Only the first succeeds, and one is enough.
    let _ = tracing::subscriber::set_global_default(Deaf);
}

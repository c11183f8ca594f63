//! The simulator as a transport in the process: no sockets, so everything runs in virtual time.
#[cfg(feature = "civitai")]
use std::time::SystemTime;

use bytes::Bytes;
#[cfg(feature = "civitai")]
use consign::civitai::Civitai;
#[cfg(feature = "civitai")]
use consign::{Jobs, JobsBuilder};
use consign_http::{Body, BoxFuture, ByteStream, Delivery, Error, ErrorKind, Transport, Upgraded};
use consign_sim::Simulator;
use consign_sim::live::{self, Chunk};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc::Receiver;

/// Carries requests to a simulator.
#[derive(Debug)]
pub struct Wire<S>(S);

/// A transport to `sim`.
pub fn wire<S: Simulator>(sim: &S) -> Wire<S> {
    Wire(sim.clone())
}

/// The jobs of `sim`, with a clock that shows the simulator's date, to be set further.
#[cfg(feature = "civitai")]
pub fn builder(sim: &consign_sim::Civitai) -> JobsBuilder<Civitai> {
    Jobs::builder(provider(sim)).seed(1)
}

/// The jobs of `sim`.
#[cfg(feature = "civitai")]
pub fn jobs(sim: &consign_sim::Civitai) -> Jobs<Civitai> {
    builder(sim).build()
}

/// Keeps tracing from remembering, for the whole process, that nobody listens: a test in another
/// thread may be about to. Without it a listener can miss what is logged while tests begin at once.
pub fn keep_listening() {
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
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let _ = tracing::subscriber::set_global_default(Deaf);
    });
}

/// The provider at `sim`.
#[cfg(feature = "civitai")]
pub fn provider(sim: &consign_sim::Civitai) -> Civitai {
    keep_listening();
    let now: SystemTime = sim.now();
    let builder = Civitai::builder().base_url("http://civitai.invalid").token("test-token-0123456789");
    builder.transport(wire(sim)).clock(consign_http::TokioClock::starting_at(now)).build().expect("a provider")
}

/// A clock that shows the simulator's date.
pub fn clock<S: Simulator>(sim: &S) -> consign_http::TokioClock {
    keep_listening();
    consign_http::TokioClock::starting_at(sim.now())
}

/// A transport to where nobody listens.
pub fn nobody() -> impl Transport {
    consign_http::transport::from_fn(|_: http::Request<Bytes>| async {
        Err(Error::new(ErrorKind::Transport, Delivery::NotSent, "the connection was refused"))
    })
}

impl<S: Simulator> Transport for Wire<S> {
    fn send(&self, request: http::Request<Body>) -> BoxFuture<'_, Result<http::Response<ByteStream>, Error>> {
        let sim = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect(usize::MAX).await?;
            match sim.handle(http::Request::from_parts(head, body)).await {
                Ok(mut response) => {
                    let connection = live::take_connection(&mut response);
                    let mut response = match live::take_stream(&mut response) {
                        None => response.map(ByteStream::from_bytes),
                        Some(chunks) => response.map(|first| ByteStream::new(going_on(first, chunks))),
                    };
                    if let Some(connection) = connection {
                        Upgraded::new(connection).attach_to(&mut response);
                    }
                    Ok(response)
                }
                Err(broken) => {
                    let part = broken.received.ok_or_else(lost)?;
                    let (mut head, bytes) = part.into_parts();
                    head.headers.insert(http::header::CONTENT_LENGTH, broken.announced.into());
                    let chunks: [Result<Bytes, Error>; 2] = [Ok(bytes), Err(lost())];
                    Ok(http::Response::from_parts(head, ByteStream::new(stream::iter(chunks))))
                }
            }
        })
    }
}

/// As on a real connection, nobody can tell whether the other side has read the request.
fn lost() -> Error {
    Error::new(ErrorKind::Transport, Delivery::Unknown, "the connection broke")
}

/// A body's first bytes, and what comes after them.
fn going_on(first: Bytes, chunks: Receiver<Chunk>) -> impl Stream<Item = Result<Bytes, Error>> + Send {
    let first = stream::iter((!first.is_empty()).then_some(Ok(first)));
    first.chain(stream::unfold(Some(chunks), |chunks| async move {
        let mut chunks = chunks?;
        match chunks.recv().await? {
            Chunk::Bytes(bytes) => Some((Ok(bytes), Some(chunks))),
            Chunk::Break => Some((Err(lost()), None)),
        }
    }))
}

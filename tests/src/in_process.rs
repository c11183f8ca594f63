//! The simulator as a transport in the process: no sockets, so everything runs in virtual time.
use std::time::SystemTime;

use bytes::Bytes;
use consign::civitai::Civitai;
use consign::{Jobs, JobsBuilder};
use consign_http::{Body, BoxFuture, ByteStream, Delivery, Error, ErrorKind, TokioClock, Transport};
use futures_util::stream;

/// Carries requests to a simulated Civitai.
#[derive(Debug)]
pub struct Wire(consign_sim::Civitai);

/// A transport to `sim`.
pub fn wire(sim: &consign_sim::Civitai) -> Wire {
    Wire(sim.clone())
}

/// The jobs of `sim`, with a clock that shows the simulator's date, to be set further.
pub fn builder(sim: &consign_sim::Civitai) -> JobsBuilder<Civitai> {
    Jobs::builder(provider(sim)).seed(1)
}

/// The jobs of `sim`.
pub fn jobs(sim: &consign_sim::Civitai) -> Jobs<Civitai> {
    builder(sim).build()
}

/// The provider at `sim`.
pub fn provider(sim: &consign_sim::Civitai) -> Civitai {
    let now: SystemTime = sim.now();
    let builder = Civitai::builder().base_url("http://civitai.invalid").token("test-token-0123456789");
    builder.transport(wire(sim)).clock(TokioClock::starting_at(now)).build().expect("a provider")
}

impl Transport for Wire {
    fn send(&self, request: http::Request<Body>) -> BoxFuture<'_, Result<http::Response<ByteStream>, Error>> {
        let sim = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect(usize::MAX).await?;
            // As on a real connection, nobody can tell whether the other side has read the request.
            let lost = || Error::new(ErrorKind::Transport, Delivery::Unknown, "the connection broke");
            match sim.handle(http::Request::from_parts(head, body)).await {
                Ok(response) => Ok(response.map(ByteStream::from_bytes)),
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

//! The one way out: a trait from request to answer, with the network or a function behind it.
use std::fmt;
use std::future::Future;

use bytes::Bytes;

use crate::{Body, BoxFuture, ByteStream, Error};

/// Sends one request and gives back the answer's head and its body as a stream.
///
/// Whoever implements it says in [`Error::delivery`] whether the request may have reached the
/// server, follows no redirect and adds no credential.
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends `request`. Its URI is absolute. An answer that changes the protocol (101) carries the
    /// connection, by [`Upgraded::attach_to`](crate::Upgraded::attach_to).
    ///
    /// # Errors
    /// [`Transport`](crate::ErrorKind::Transport) or [`Timeout`](crate::ErrorKind::Timeout); an
    /// unsuccessful status is an answer, not an error.
    fn send(&self, request: http::Request<Body>) -> BoxFuture<'_, Result<http::Response<ByteStream>, Error>>;
}

/// A transport that is a function, for tests and simulators in the process. Request bodies are
/// collected in memory, at most 256 MiB.
pub fn from_fn<F, R>(serve: F) -> FnTransport<F>
where
    F: Fn(http::Request<Bytes>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<http::Response<Bytes>, Error>> + Send,
{
    FnTransport(serve)
}

/// The transport that [`from_fn`] makes.
pub struct FnTransport<F>(F);

impl<F> fmt::Debug for FnTransport<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FnTransport")
    }
}

impl<F, R> Transport for FnTransport<F>
where
    F: Fn(http::Request<Bytes>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<http::Response<Bytes>, Error>> + Send,
{
    fn send(&self, request: http::Request<Body>) -> BoxFuture<'_, Result<http::Response<ByteStream>, Error>> {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect(256 << 20).await?;
            let response = (self.0)(http::Request::from_parts(head, body)).await?;
            Ok(response.map(ByteStream::from_bytes))
        })
    }
}

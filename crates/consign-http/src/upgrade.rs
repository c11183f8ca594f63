//! Connections whose protocol is changed by a request, such as WebSockets: bytes in both directions from then on.
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{Client, Delivery, Error, ErrorKind, Reply, Request};

/// Bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Duplex for T {}

/// A connection whose protocol was changed.
pub struct Upgraded(Box<dyn Duplex>);

/// The connection on its way in an answer, whose extensions have to be `Clone`.
#[derive(Clone)]
struct Attached(Arc<Mutex<Option<Upgraded>>>);

impl Upgraded {
    /// A connection from what a [`Transport`](crate::Transport) has.
    pub fn new(connection: impl Duplex) -> Self {
        Self(Box::new(connection))
    }
    /// Puts the connection into the answer (101) of a [`Transport`](crate::Transport).
    pub fn attach_to<B>(self, answer: &mut http::Response<B>) {
        answer.extensions_mut().insert(Attached(Arc::new(Mutex::new(Some(self)))));
    }
}

impl Client {
    /// Calls an operation that changes the protocol of its connection (101). The request has to ask for it, with
    /// the headers `Connection` and `Upgrade`. The time limit holds until the answer's head; nothing limits what
    /// follows.
    ///
    /// # Errors
    /// As [`Client::json`]: another status is an error, also 200. [`ErrorKind::Unsupported`] if the transport
    /// cannot do it.
    pub async fn upgrade(&self, request: Request) -> Result<Reply<Upgraded>, Error> {
        let operation = request.operation;
        let sent = AtomicBool::new(false);
        let limit = self.time_limit(&request);
        let work = async {
            let switched = |status| status == StatusCode::SWITCHING_PROTOCOLS;
            let (reply, mut extensions) = self.answered(request, &sent, switched).await?;
            let attached = extensions.remove::<Attached>();
            let connection = attached.and_then(|a| a.0.lock().unwrap_or_else(PoisonError::into_inner).take());
            let missing = || {
                let what = "this transport gives no connection whose protocol can be changed";
                Error::new(ErrorKind::Unsupported, Delivery::Unknown, what)
            };
            let connection = connection.ok_or_else(missing)?;
            Ok(reply.map(|_| connection))
        };
        self.within(limit, &sent, work).await.map_err(|e| e.about(operation))
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upgraded")
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, BoxFuture, ByteStream, Operation, Token, Transport};
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    static ECHO: Operation =
        Operation { id: "echo", method: http::Method::GET, path: "/echo", accept: "*/*", empty: &[] };

    /// Switches if it is asked to with the right token, and repeats what it gets.
    #[derive(Debug)]
    struct Echo;

    impl Transport for Echo {
        fn send(&self, request: http::Request<Body>) -> BoxFuture<'_, Result<http::Response<ByteStream>, Error>> {
            let asked = request.headers().get("upgrade").is_some_and(|value| value == "echo");
            let known = request.headers().get("authorization").is_some_and(|value| value == "Bearer sesame-1");
            let mut answer = http::Response::new(ByteStream::from_bytes(Bytes::from_static(b"no sesame-1")));
            match (known, asked) {
                (false, _) => *answer.status_mut() = StatusCode::UNAUTHORIZED,
                (true, false) => {}
                (true, true) => {
                    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                    let (ours, theirs) = tokio::io::duplex(64);
                    Upgraded::new(ours).attach_to(&mut answer);
                    tokio::spawn(async move {
                        let (mut from, mut to) = tokio::io::split(theirs);
                        tokio::io::copy(&mut from, &mut to).await
                    });
                }
            }
            Box::pin(std::future::ready(Ok(answer)))
        }
    }

    fn client(token: &str) -> Client {
        let builder = Client::builder("http://a.example").unwrap().token(Token::new(token).unwrap());
        builder.transport(Echo).build().unwrap()
    }

    #[tokio::test]
    async fn a_connection_whose_protocol_was_changed_carries_bytes_both_ways() {
        let request = Request::new(&ECHO, &[]).unwrap().header("upgrade", &"echo");
        let reply = client("sesame-1").upgrade(request).await.unwrap();
        assert_eq!(reply.status(), 101);
        let mut connection = reply.into_value();
        connection.write_all(b"hello").await.unwrap();
        let mut back = [0; 5];
        connection.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"hello");
    }

    #[tokio::test]
    async fn anything_but_a_change_of_protocol_is_an_error_without_the_token() {
        let plain = client("sesame-1").upgrade(Request::new(&ECHO, &[]).unwrap()).await.unwrap_err();
        assert_eq!((plain.status(), plain.operation()), (Some(200), Some("echo")));
        assert_eq!(plain.message(), "no [redacted]");
        let refused = client("other").upgrade(Request::new(&ECHO, &[]).unwrap()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unauthorized);
    }

    #[tokio::test]
    async fn a_transport_without_connections_says_so() {
        let server = crate::transport::from_fn(|_: http::Request<Bytes>| async {
            let mut answer = http::Response::new(Bytes::new());
            *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            Ok(answer)
        });
        let client = Client::builder("http://a.example").unwrap().transport(server).build().unwrap();
        let error = client.upgrade(Request::new(&ECHO, &[]).unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}

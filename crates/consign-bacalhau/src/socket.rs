//! WebSockets: the change of protocol through the shared transport, and messages of text from then on.
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use consign_http::{Client, Delivery, Error, ErrorKind, Request, Upgraded};
use futures_core::Stream;
#[cfg(feature = "requester")]
use futures_util::SinkExt as _;
use futures_util::StreamExt as _;
use http::StatusCode;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// The longest message that is taken, in bytes.
const LONGEST: usize = 4 << 20;
/// What a server adds to the key before it hashes it (RFC 6455).
const ADDED: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A connection on which whole texts are sent and received.
pub(crate) struct Socket(WebSocketStream<Upgraded>);

impl Socket {
    /// Asks for the change of protocol.
    pub(crate) async fn open(http: &Client, request: Request) -> Result<Self, Error> {
        let mut key = [0; 16];
        let filled = SystemRandom::new().fill(&mut key);
        filled.map_err(|_| Error::config("the system gives no random numbers"))?;
        let key = BASE64_STANDARD.encode(key);
        let request = request
            .header("connection", &"Upgrade")
            .header("upgrade", &"websocket")
            .header("sec-websocket-version", &"13")
            .header("sec-websocket-key", &key);
        let operation = request.operation().id;
        let reply = http.upgrade(request).await?;
        let proof = BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{ADDED}").as_bytes()));
        if reply.headers().get("sec-websocket-accept").is_none_or(|found| found.as_bytes() != proof.as_bytes()) {
            let error = reply.unusable("the server changed to something that is no WebSocket of this request");
            return Err(error.for_operation(operation).on_read());
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(16 << 10)
            .max_message_size(Some(LONGEST))
            .max_frame_size(Some(LONGEST));
        Ok(Self(WebSocketStream::from_raw_socket(reply.into_value(), Role::Client, Some(config)).await))
    }
    #[cfg(feature = "requester")]
    pub(crate) async fn send(&mut self, text: String) -> Result<(), Error> {
        self.0.send(Message::text(text)).await.map_err(broken)
    }
    /// The next text; `None` after a normal close.
    fn poll_text(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<String, Error>>> {
        loop {
            let message = match std::task::ready!(self.0.poll_next_unpin(cx)) {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Poll::Ready(Some(Err(broken(error)))),
                None => return Poll::Ready(Some(Err(lost("the connection ended without a close")))),
            };
            match message {
                Message::Text(text) => return Poll::Ready(Some(Ok(text.as_str().to_owned()))),
                Message::Binary(_) => return Poll::Ready(Some(Err(undecodable("", "a binary message")))),
                Message::Close(None) => return Poll::Ready(None),
                Message::Close(Some(frame)) if frame.code == CloseCode::Normal && frame.reason.is_empty() => {
                    return Poll::Ready(None);
                }
                Message::Close(Some(frame)) => {
                    let what = format!("the server closed the connection ({}): {}", frame.code, frame.reason.as_str());
                    let error = Error::new(ErrorKind::Server, Delivery::Rejected, what);
                    return Poll::Ready(Some(Err(error.on_read())));
                }
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }
}

/// What a server sends over a WebSocket, decoded. It ends after a normal close or the first error. Dropping it closes
/// the connection. Nothing limits how long it stays silent: give each look at it a limit of your own.
pub struct Messages<T> {
    /// `None` when it is over.
    socket: Option<Socket>,
    decode: fn(&str) -> Result<T, Error>,
}

impl<T> Messages<T> {
    pub(crate) fn new(socket: Socket, decode: fn(&str) -> Result<T, Error>) -> Self {
        Self { socket: Some(socket), decode }
    }
    /// The next one; `None` at the end. Nothing is lost if the future is dropped before it is done.
    ///
    /// # Errors
    /// A broken connection ([`ErrorKind::Transport`]), a message that cannot be read ([`ErrorKind::Decode`]), what
    /// the server says against the request. After it the stream is over.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<T> Stream for Messages<T> {
    type Item = Result<T, Error>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(socket) = &mut self.socket else { return Poll::Ready(None) };
        let text = std::task::ready!(socket.poll_text(cx));
        let item = text.map(|text| text.and_then(|text| (self.decode)(&text)));
        if !matches!(item, Some(Ok(_))) {
            self.socket = None;
        }
        Poll::Ready(item)
    }
}

impl<T> fmt::Debug for Messages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("over", &self.socket.is_none()).finish_non_exhaustive()
    }
}

fn broken(error: tokio_tungstenite::tungstenite::Error) -> Error {
    lost(&format!("the connection broke: {error}")).with_source(error)
}

fn lost(what: &str) -> Error {
    Error::new(ErrorKind::Transport, Delivery::Unknown, what).on_read()
}

/// A message that is not what the operation sends.
pub(crate) fn undecodable(text: &str, why: impl fmt::Display) -> Error {
    let error = Error::new(ErrorKind::Decode, Delivery::Unknown, format!("a message that cannot be read: {why}"));
    error.with_answer(StatusCode::SWITCHING_PROTOCOLS, http::HeaderMap::new(), text.as_bytes()).on_read()
}

//! Bodies: what a request carries, and an answer's bytes as a stream.
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;

use crate::{BoxFuture, Clock, Delivery, Error, ErrorKind};

/// The body of a request.
#[derive(Default)]
pub enum Body {
    /// No body, and no `Content-Type`.
    #[default]
    Empty,
    /// Bytes in memory. They can be sent again.
    Bytes(Bytes),
    /// A stream, sent in chunks. It can be sent once.
    Stream(ByteStream),
}

impl Body {
    /// A second copy, if the body can be sent twice.
    pub(crate) fn again(&self) -> Option<Body> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Bytes(bytes) => Some(Self::Bytes(bytes.clone())),
            Self::Stream(_) => None,
        }
    }
    /// The bytes, if they are in memory: empty for no body, `None` for a stream.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Empty => Some(&[]),
            Self::Bytes(bytes) => Some(bytes),
            Self::Stream(_) => None,
        }
    }
    /// The whole body in memory.
    ///
    /// # Errors
    /// What the stream reports, or [`ErrorKind::TooLarge`] above `limit` bytes.
    pub async fn collect(self, limit: usize) -> Result<Bytes, Error> {
        match self {
            Self::Empty => Ok(Bytes::new()),
            Self::Bytes(bytes) => Ok(bytes),
            Self::Stream(stream) => stream.collect(limit).await,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Body(empty)"),
            Self::Bytes(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Body(stream)"),
        }
    }
}
impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}
impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}
impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Bytes(text.into())
    }
}
impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::Bytes(Bytes::from_static(text.as_bytes()))
    }
}
impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Self::Bytes(Bytes::from_static(bytes))
    }
}
impl From<ByteStream> for Body {
    fn from(stream: ByteStream) -> Self {
        Self::Stream(stream)
    }
}

type Inner = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// Bytes that arrive in chunks. It ends after the first error.
pub struct ByteStream {
    /// `None` when it is over; the connection below is then let go.
    inner: Option<Inner>,
    idle: Option<Idle>,
}

struct Idle {
    clock: Arc<dyn Clock>,
    limit: Duration,
    sleep: Option<BoxFuture<'static, ()>>,
}

impl ByteStream {
    /// A stream from any other.
    pub fn new(stream: impl Stream<Item = Result<Bytes, Error>> + Send + 'static) -> Self {
        Self { inner: Some(Box::pin(stream)), idle: None }
    }
    /// A stream of one chunk.
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self::new(Once(Some(bytes)))
    }
    /// The same stream, which fails with [`ErrorKind::Timeout`] when no chunk comes for `limit`.
    #[must_use]
    pub fn with_idle_limit(mut self, clock: Arc<dyn Clock>, limit: Duration) -> Self {
        self.idle = Some(Idle { clock, limit, sleep: None });
        self
    }
    /// The next chunk; `None` at the end.
    ///
    /// # Errors
    /// What the transport reports; after it the stream is over.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
    /// All bytes in memory.
    ///
    /// # Errors
    /// What the transport reports, or [`ErrorKind::TooLarge`] above `limit` bytes.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, Error> {
        let too_large = || Error::new(ErrorKind::TooLarge, Delivery::Unknown, format!("more than {limit} bytes"));
        let Some(first) = self.next().await.transpose()? else { return Ok(Bytes::new()) };
        if first.len() > limit {
            return Err(too_large());
        }
        // Most answers are one chunk; only longer ones are copied together.
        let Some(second) = self.next().await.transpose()? else { return Ok(first) };
        let mut all = BytesMut::with_capacity((first.len() + second.len()).saturating_mul(2).min(limit));
        all.extend_from_slice(&first);
        let mut next = Some(second);
        while let Some(chunk) = next {
            if all.len() + chunk.len() > limit {
                return Err(too_large());
            }
            all.extend_from_slice(&chunk);
            next = self.next().await.transpose()?;
        }
        Ok(all.freeze())
    }
    /// Adds the first bytes to `start`, at most `limit`; an error ends it like the end.
    pub(crate) async fn beginning(&mut self, limit: usize, start: &mut BytesMut) {
        while let Some(Ok(chunk)) = self.next().await {
            start.extend_from_slice(&chunk[..chunk.len().min(limit - start.len())]);
            if start.len() >= limit {
                break;
            }
        }
    }
}

impl Stream for ByteStream {
    type Item = Result<Bytes, Error>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        if let Poll::Ready(item) = inner.as_mut().poll_next(cx) {
            if let Some(idle) = &mut this.idle {
                idle.sleep = None;
            }
            if !matches!(item, Some(Ok(_))) {
                this.inner = None;
            }
            return Poll::Ready(item);
        }
        let Some(idle) = &mut this.idle else { return Poll::Pending };
        let limit = idle.limit;
        let sleep = idle.sleep.get_or_insert_with(|| idle.clock.sleep(limit));
        if sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        this.inner = None;
        let what = format!("no byte arrived for {limit:?}");
        Poll::Ready(Some(Err(Error::new(ErrorKind::Timeout, Delivery::Unknown, what))))
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByteStream")
    }
}

/// One chunk, or none, and then the end.
struct Once(Option<Bytes>);

impl Stream for Once {
    type Item = Result<Bytes, Error>;
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().filter(|b| !b.is_empty()).map(Ok))
    }
}

#[cfg(feature = "multipart")]
pub use form::{Form, Part};

#[cfg(feature = "multipart")]
mod form {
    //! `multipart/form-data`, encoded by reqwest; parts may be streams.
    use super::{Body, ByteStream};
    use crate::{Delivery, Error, ErrorKind};
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use bytes::Bytes;
    use futures_core::Stream;

    /// A `multipart/form-data` body. Parts are sent in the order in which they were added.
    #[derive(Debug, Default)]
    pub struct Form(reqwest::multipart::Form);

    /// One part of a [`Form`].
    #[derive(Debug)]
    pub struct Part(reqwest::multipart::Part);

    impl Form {
        /// A form without parts.
        pub fn new() -> Self {
            Self::default()
        }
        /// Adds a text field.
        #[must_use]
        pub fn text(self, name: impl Into<String>, value: impl Into<String>) -> Self {
            Self(self.0.text(name.into(), value.into()))
        }
        /// Adds a part.
        #[must_use]
        pub fn part(self, name: impl Into<String>, part: Part) -> Self {
            Self(self.0.part(name.into(), part.0))
        }
        pub(crate) fn encode(self) -> (String, Body) {
            let media = format!("multipart/form-data; boundary={}", self.0.boundary());
            (media, Body::Stream(ByteStream::new(Encoded(Box::pin(self.0.into_stream())))))
        }
    }

    impl Part {
        /// A part from bytes.
        pub fn bytes(bytes: impl Into<Bytes>) -> Self {
            Self(reqwest::multipart::Part::stream(bytes.into()))
        }
        /// A part from a stream, sent in chunks.
        pub fn stream(stream: ByteStream) -> Self {
            Self(reqwest::multipart::Part::stream(reqwest::Body::wrap_stream(stream)))
        }
        /// With a file name.
        #[must_use]
        pub fn file_name(self, name: impl Into<String>) -> Self {
            Self(self.0.file_name(name.into()))
        }
        /// With a media type.
        ///
        /// # Errors
        /// [`ErrorKind::InvalidRequest`] if it is none.
        pub fn media_type(self, media: &str) -> Result<Self, Error> {
            let bad = |_| Error::invalid_member("media type", media, "a media type such as image/png");
            self.0.mime_str(media).map(Self).map_err(bad)
        }
    }

    struct Encoded<S>(Pin<Box<S>>);

    impl<S: Stream<Item = Result<Bytes, reqwest::Error>>> Stream for Encoded<S> {
        type Item = Result<Bytes, Error>;
        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            let bad = |e| Error::new(ErrorKind::Transport, Delivery::Unknown, "a part cannot be read").with_source(e);
            self.0.as_mut().poll_next(cx).map(|item| item.map(|chunk| chunk.map_err(bad)))
        }
    }
}

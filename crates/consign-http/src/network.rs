//! The transport over the network: reqwest with rustls and ring, set up so that nothing is sent twice or elsewhere.
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body as _, Frame};

use crate::{Body, BoxFuture, ByteStream, Delivery, Error, ErrorKind, Transport};

/// The User-Agent sent unless another is set.
const USER_AGENT: &str = concat!("consign/", env!("CARGO_PKG_VERSION"));
/// Idle connections are dropped before the servers' usual limit of 60 s, so that a request rarely
/// meets a connection that was closed under it.
const IDLE: Duration = Duration::from_secs(45);
const CONNECT: Duration = Duration::from_secs(10);

/// Plain settings of the network. Default: system proxy, system certificates, `consign/VERSION`.
#[derive(Clone, Default)]
pub struct NetworkSettings {
    proxy: Option<String>,
    certificates: Vec<Vec<u8>>,
    user_agent: Option<String>,
    connect_timeout: Option<Duration>,
}

impl NetworkSettings {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }
    /// All requests go through this proxy: `http://host:port`, or `http://user:password@host:port`
    /// (the password shows itself nowhere). Default: the system's proxy variables.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }
    /// More certificate authorities, in PEM (one or several in one text), beside the system's.
    #[must_use]
    pub fn add_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.push(pem.into());
        self
    }
    /// The `User-Agent` header. Default: `consign/VERSION`.
    #[must_use]
    pub fn user_agent(mut self, text: impl Into<String>) -> Self {
        self.user_agent = Some(text.into());
        self
    }
    /// How long to wait for a connection. Default: 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = Some(limit);
        self
    }
}

impl fmt::Debug for NetworkSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkSettings")
            .field("proxy", &self.proxy.as_deref().map(without_password))
            .field("certificates", &self.certificates.len())
            .field("user_agent", &self.user_agent)
            .field("connect_timeout", &self.connect_timeout)
            .finish()
    }
}

/// The transport over the network. Clones share one pool of connections.
#[derive(Clone, Debug)]
pub struct Network(reqwest::Client);

impl Network {
    /// The network with plain settings.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the proxy, a certificate or the User-Agent cannot be used.
    pub fn new(settings: &NetworkSettings) -> Result<Self, Error> {
        use_ring();
        let mut builder = reqwest::Client::builder()
            .user_agent(settings.user_agent.as_deref().unwrap_or(USER_AGENT))
            .connect_timeout(settings.connect_timeout.unwrap_or(CONNECT));
        if let Some(proxy) = &settings.proxy {
            let bad = |e: reqwest::Error| {
                let what = format!("the proxy {} cannot be used", without_password(proxy));
                Error::config(what).with_source(e.without_url())
            };
            builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(bad)?);
        }
        for pem in &settings.certificates {
            let found = reqwest::Certificate::from_pem_bundle(pem);
            let bad = || Error::config("an added certificate cannot be read; it must be PEM");
            let found = found.map_err(|e| bad().with_source(e))?;
            if found.is_empty() {
                return Err(bad());
            }
            builder = found.into_iter().fold(builder, reqwest::ClientBuilder::add_root_certificate);
        }
        Self::from_builder(builder)
    }
    /// The network with a reqwest builder of your own. Applied to it: no redirects, no `Referer`, no
    /// connection kept idle for more than 45 s. Set no total timeout on it: it would cut long polls.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if reqwest cannot build it.
    pub fn from_builder(builder: reqwest::ClientBuilder) -> Result<Self, Error> {
        use_ring();
        let client = builder
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .pool_idle_timeout(IDLE)
            .build();
        client.map(Self).map_err(|e| Error::config("the HTTP client cannot be built").with_source(e))
    }
    /// The network with a finished client, as it is. What is lost: if it follows redirects, a
    /// redirect is followed (reqwest drops the credential on another host, but the answer is not
    /// from the service); its total timeout cuts long polls and downloads; its idle connections may
    /// be closed by the server first. Prefer [`Network::from_builder`].
    pub fn from_finished_client(client: reqwest::Client) -> Self {
        Self(client)
    }
}

impl Transport for Network {
    fn send(&self, request: http::Request<Body>) -> BoxFuture<'_, Result<http::Response<ByteStream>, Error>> {
        Box::pin(async move {
            let request = request.map(|body| match body {
                Body::Empty => reqwest::Body::from(Bytes::new()),
                Body::Bytes(bytes) => reqwest::Body::from(bytes),
                Body::Stream(stream) => reqwest::Body::wrap(Outgoing(std::sync::Mutex::new(stream))),
            });
            let request = reqwest::Request::try_from(request)
                .map_err(|e| Error::config("the address cannot be used").with_source(e.without_url()))?;
            let host = request.url().host_str().unwrap_or("").to_owned();
            let response = self.0.execute(request).await.map_err(|e| failed(e, Some(&host)))?;
            Ok(http::Response::from(response).map(|body| ByteStream::new(Incoming(body))))
        })
    }
}

/// The ring provider, unless the program has chosen another for the whole process.
fn use_ring() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Lost only to another thread that has just set one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// What a transport failure means for the request: only a failed connection surely sent nothing.
fn failed(error: reqwest::Error, host: Option<&str>) -> Error {
    let error = error.without_url();
    let delivery = if error.is_connect() || error.is_builder() { Delivery::NotSent } else { Delivery::Unknown };
    let kind = if error.is_timeout() { ErrorKind::Timeout } else { ErrorKind::Transport };
    let cause = root_cause(&error);
    let message = host.map_or_else(|| cause.clone(), |host| format!("{host}: {cause}"));
    Error::new(kind, delivery, message).with_source(error)
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut last = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !last.contains(&text) {
            last = format!("{last}: {text}");
        }
        next = cause.source();
    }
    last
}

/// The address without the user name and password before its `@`.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (_, None) => url.to_owned(),
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
    }
}

struct Incoming(reqwest::Body);

impl Stream for Incoming {
    type Item = Result<Bytes, Error>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match Pin::new(&mut self.0).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    Err(_trailers) => {}
                },
                Poll::Ready(Some(Err(e))) => return Poll::Ready(Some(Err(failed(e, None)))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// A request body from a stream. The mutex only makes it `Sync`, as reqwest asks; it is never contended.
struct Outgoing(std::sync::Mutex<ByteStream>);

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = Arc<Error>;
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let stream = self.0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        Pin::new(stream).poll_next(cx).map(|item| item.map(|chunk| chunk.map(Frame::data).map_err(Arc::new)))
    }
}

//! The client that every generated method ends in: credential, time limit, bounds, decoding.
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use http::{Extensions, StatusCode, Uri};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use crate::failure::{is_html, snippet};
use crate::shape;
use crate::{
    Body, ByteStream, Clock, Credentials, Delivery, Error, ErrorKind, ErrorReader, Failure, Network, NetworkSettings,
    Request, Retry, Signer, Token, TokioClock, Transport, Unsigned, clock,
};

/// How much of an unsuccessful body an [`ErrorReader`] gets to see, in bytes.
const FAILURE_READ: usize = 64 * 1024;
/// How long an unsuccessful body may take. Its status is known by then and must not be lost to a stall.
const FAILURE_TIME: Duration = Duration::from_secs(5);

/// Transport, base URL, credential and settings of one service. Clones are cheap and share all of it.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    /// Scheme, host and port: `https://api.example.com`.
    origin: String,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    credentials: Option<Arc<dyn Credentials>>,
    signer: Option<Arc<dyn Signer>>,
    reader: Option<ErrorReader>,
    secret_answers: &'static [&'static str],
    timeout: Duration,
    timeouts: Vec<(&'static str, Duration)>,
    idle: Duration,
    max_body: usize,
}

/// Settings of a [`Client`] being made.
#[derive(Debug)]
pub struct ClientBuilder {
    origin: String,
    transport: Option<Arc<dyn Transport>>,
    clock: Option<Arc<dyn Clock>>,
    credentials: Option<Arc<dyn Credentials>>,
    signer: Option<Arc<dyn Signer>>,
    network: NetworkSettings,
    reader: Option<ErrorReader>,
    secret_answers: &'static [&'static str],
    timeout: Duration,
    timeouts: Vec<(&'static str, Duration)>,
    idle: Duration,
    max_body: usize,
}

impl Client {
    /// A client of the service at `base_url`: `http` or `https`, a host, perhaps a port.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the URL has no scheme or host, or has a path, query, fragment, user
    /// name or password. A password is not repeated in the message.
    pub fn builder(base_url: &str) -> Result<ClientBuilder, Error> {
        Ok(ClientBuilder {
            origin: origin(base_url)?,
            transport: None,
            clock: None,
            credentials: None,
            signer: None,
            network: NetworkSettings::new(),
            reader: None,
            secret_answers: &[],
            timeout: Duration::from_secs(30),
            timeouts: Vec::new(),
            idle: Duration::from_secs(60),
            max_body: 64 << 20,
        })
    }
    /// The service's scheme, host and port.
    pub fn base_url(&self) -> &str {
        &self.0.origin
    }
    /// The clock that time limits follow.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }
    /// The transport below, for requests to other hosts. It holds no credential.
    pub fn transport(&self) -> &Arc<dyn Transport> {
        &self.0.transport
    }

    /// Calls an operation that answers a JSON value.
    ///
    /// # Errors
    /// Everything that an [`ErrorKind`] names; [`ErrorKind::Decode`] names the place in the answer.
    pub async fn json<T: DeserializeOwned>(&self, request: Request) -> Result<Reply<T>, Error> {
        let operation = request.operation;
        let reply = self.bytes(request).await?;
        if reply.raw.trim_ascii().is_empty() {
            return Err(reply.unusable("an empty body where a value is needed").about(operation));
        }
        decode(reply).map_err(|e| e.about(operation))
    }
    /// Calls an operation that answers a JSON value, or nothing with one of the statuses in
    /// [`Operation::empty`](crate::Operation::empty).
    ///
    /// # Errors
    /// As [`Client::json`].
    pub async fn json_or_empty<T: DeserializeOwned>(&self, request: Request) -> Result<Reply<Option<T>>, Error> {
        let operation = request.operation;
        let reply = self.bytes(request).await?;
        if reply.raw.trim_ascii().is_empty() {
            if operation.empty.contains(&reply.status.as_u16()) {
                return Ok(reply.map(|_| None));
            }
            return Err(reply.unusable("an empty body where a value is needed").about(operation));
        }
        decode::<T>(reply).map(|r| r.map(Some)).map_err(|e| e.about(operation))
    }
    /// Calls an operation whose success carries no value. A body is ignored, but a web page is not a success.
    ///
    /// # Errors
    /// As [`Client::json`].
    pub async fn empty(&self, request: Request) -> Result<Reply<()>, Error> {
        Ok(self.bytes(request).await?.map(|_| ()))
    }
    /// Calls an operation and gives the body as it is, at most the client's bound (default 64 MiB).
    ///
    /// # Errors
    /// As [`Client::json`]; a web page with a 2xx status is [`ErrorKind::Decode`] unless the operation
    /// asks for HTML.
    pub async fn bytes(&self, request: Request) -> Result<Reply<Bytes>, Error> {
        let operation = request.operation;
        let sent = AtomicBool::new(false);
        let limit = self.time_limit(&request);
        // Pinned here, so that the time limit holds a pointer to it and not copies.
        let work = pin!(async {
            let answer = self.execute(request, &sent).await?;
            let Reply { value: body, status, headers, raw: _, secrets } = answer;
            let raw = match body.collect(self.0.max_body).await {
                Ok(raw) => raw,
                Err(e) => return Err(secrets.hidden(e.with_answer(status, headers, b""))),
            };
            let reply = Reply { value: raw.clone(), status, headers, raw, secrets };
            web_page(&reply, operation.accept)?;
            Ok(reply)
        });
        self.within(limit, &sent, work).await.map_err(|e| e.about(operation))
    }
    /// Calls an operation whose answer is a stream. The time limit holds until the answer's head;
    /// then the stream fails when nothing arrives for the idle limit (default 60 s).
    ///
    /// # Errors
    /// As [`Client::json`]; later errors come out of the stream.
    pub async fn stream(&self, request: Request) -> Result<Reply<ByteStream>, Error> {
        let operation = request.operation;
        let sent = AtomicBool::new(false);
        let limit = self.time_limit(&request);
        let work = pin!(async {
            let reply = self.execute(request, &sent).await?;
            if operation.accept != "*/*" {
                web_page(&reply, operation.accept)?;
            }
            Ok(reply)
        });
        let reply = self.within(limit, &sent, work).await.map_err(|e| e.about(operation))?;
        Ok(reply.map(|body| body.with_idle_limit(self.0.clock.clone(), self.0.idle)))
    }

    pub(crate) fn time_limit(&self, request: &Request) -> Duration {
        let own = || self.0.timeouts.iter().find(|(id, _)| *id == request.operation.id).map(|(_, limit)| *limit);
        request.options.timeout.or_else(own).unwrap_or(self.0.timeout)
    }
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        sent: &AtomicBool,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let late = || {
            let delivery = if sent.load(Ordering::Relaxed) { Delivery::Unknown } else { Delivery::NotSent };
            Error::new(ErrorKind::Timeout, delivery, format!("no answer within {limit:?}"))
        };
        clock::timeout(&*self.0.clock, limit, work).await.unwrap_or_else(|| Err(late()))
    }

    async fn execute(&self, request: Request, sent: &AtomicBool) -> Result<Reply<ByteStream>, Error> {
        Ok(self.answered(request, sent, |status| status.is_success()).await?.0)
    }
    /// Sends the request; a 401 is answered once with a newer token, if the source has one and the body can be sent
    /// again; a stream cannot, and the error then says that a repeat makes sense. `sent` is
    /// set as soon as anything may have left. What is not a success is an error.
    pub(crate) async fn answered(
        &self,
        request: Request,
        sent: &AtomicBool,
        success: fn(StatusCode) -> bool,
    ) -> Result<(Reply<ByteStream>, Extensions), Error> {
        if let Some(bad) = request.options.bad {
            return Err(Error::config(bad));
        }
        let operation = request.operation;
        let uri = Uri::try_from(format!("{}{}", self.0.origin, request.target))
            .map_err(|e| Error::config("the address is too long or cannot be used").with_source(e))?;
        let token = match &self.0.credentials {
            // Whatever its error says of a request of its own, this one was not sent.
            Some(source) => Some(source.token().await.map_err(|e| e.with_delivery(Delivery::NotSent))?),
            None => None,
        };
        // A signature is made again for each time the request is sent.
        let build = |token: Option<&Token>, body: Body, now: SystemTime| {
            let signature = match &self.0.signer {
                Some(signer) => {
                    let unsigned = Unsigned { operation, target: &request.target, body: body.as_bytes(), now };
                    signer.sign(&unsigned)?
                }
                None => HeaderMap::new(),
            };
            let mut message = http::Request::new(body);
            *message.method_mut() = operation.method.clone();
            *message.uri_mut() = uri.clone();
            let headers = message.headers_mut();
            headers.clone_from(&request.headers);
            headers.insert(ACCEPT, HeaderValue::from_static(operation.accept));
            for name in request.options.headers.keys() {
                headers.remove(name);
            }
            for (name, value) in &request.options.headers {
                headers.append(name, value.clone());
            }
            if let Some(token) = token {
                headers.insert(AUTHORIZATION, token.header());
            }
            for (name, value) in &signature {
                headers.insert(name, value.clone());
            }
            Ok(message)
        };
        let again = request.body.again();
        let answer = self.0.secret_answers.contains(&operation.id);
        let mut secrets = Secrets { tokens: [token, None], texts: request.secrets, answer };
        let mut now = self.0.clock.wall();
        let first = build(secrets.tokens[0].as_ref(), request.body, now);
        let first = first.map_err(|e: Error| secrets.hidden(e.with_delivery(Delivery::NotSent)))?;
        sent.store(true, Ordering::Relaxed);
        let mut response = self.0.transport.send(first).await.map_err(|e| secrets.hidden(e))?;
        let mut worth_another = false;
        if response.status() == StatusCode::UNAUTHORIZED
            && let (Some(source), [Some(refused), _]) = (&self.0.credentials, &secrets.tokens)
        {
            let newer = source.renew(refused).await.map_err(|e| e.with_delivery(Delivery::Rejected));
            if let Some(newer) = newer.map_err(|e| secrets.hidden(e))? {
                secrets.tokens[1] = Some(newer);
                // A stream is used up; whoever made it can make another, which goes with the newer token.
                worth_another = again.is_none();
            }
            if let (Some(newer), Some(body)) = (&secrets.tokens[1], again) {
                now = self.0.clock.wall();
                let second = build(Some(newer), body, now);
                let second = second.map_err(|e| secrets.hidden(e.with_delivery(Delivery::Rejected)))?;
                response = self.0.transport.send(second).await.map_err(|e| secrets.hidden(e))?;
            }
        }
        let (head, mut body) = response.into_parts();
        tracing::debug!(operation = operation.id, status = head.status.as_u16(), "answered");
        if success(head.status) {
            let reply = Reply { value: body, status: head.status, headers: head.headers, raw: Bytes::new(), secrets };
            return Ok((reply, head.extensions));
        }
        let mut start = BytesMut::new();
        clock::timeout(&*self.0.clock, FAILURE_TIME, body.beginning(FAILURE_READ, &mut start)).await;
        let failure = Failure { status: head.status, headers: &head.headers, body: &start };
        let error = Error::answer(&failure, self.0.reader, self.0.clock.wall());
        let error = match &self.0.signer {
            Some(signer) if head.status == StatusCode::UNAUTHORIZED => signer.refused(error, now),
            _ => error,
        };
        let error = if worth_another { error.with_retry(Retry::Backoff) } else { error };
        Err(secrets.hidden(error))
    }
}

/// What a call must not show: a server may repeat it in its answer.
#[derive(Clone, Debug, Default)]
struct Secrets {
    /// The tokens it used.
    tokens: [Option<Token>; 2],
    /// Its secret parameters.
    texts: Vec<SecretString>,
    /// What a successful answer to it holds.
    answer: bool,
}

impl Secrets {
    /// The error without them.
    fn hidden(&self, error: Error) -> Error {
        let error = self.tokens.iter().flatten().fold(error, |error, token| token.redact(error));
        self.texts.iter().map(|text| text.expose_secret()).fold(error, Error::redacted)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base_url", &self.0.origin).finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// A token that stays the same.
    #[must_use]
    pub fn token(self, token: Token) -> Self {
        self.credentials(Arc::new(token))
    }
    /// Where tokens come from. Default: none, and no `Authorization` header.
    #[must_use]
    pub fn credentials(mut self, source: Arc<dyn Credentials>) -> Self {
        self.credentials = Some(source);
        self
    }
    /// Signs every request, beside the token if there is one. Default: none.
    #[must_use]
    pub fn signer(mut self, signer: Arc<dyn Signer>) -> Self {
        self.signer = Some(signer);
        self
    }
    /// Another transport than the network: a simulator in the process, or a [`Network`] of your own.
    #[must_use]
    pub fn transport(self, transport: impl Transport) -> Self {
        self.shared_transport(Arc::new(transport))
    }
    /// As [`ClientBuilder::transport`], with one that is shared.
    #[must_use]
    pub fn shared_transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }
    /// Settings of the network: proxy, certificates, User-Agent. Not used with another transport.
    #[must_use]
    pub fn network(mut self, settings: NetworkSettings) -> Self {
        self.network = settings;
        self
    }
    /// Another clock. Default: [`TokioClock`].
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }
    /// Operations (by `operationId`) whose successful answers hold secrets: an error about one that cannot be read
    /// keeps nothing of its body. Set by the provider's crate.
    #[must_use]
    pub fn secret_answers(mut self, operations: &'static [&'static str]) -> Self {
        self.secret_answers = operations;
        self
    }
    /// How unsuccessful answers are read. Set by the provider's crate.
    #[must_use]
    pub fn error_reader(mut self, reader: ErrorReader) -> Self {
        self.reader = Some(reader);
        self
    }
    /// The time limit of a call, to the last byte of the answer. Default: 30 s.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }
    /// The time limit of one operation, by its `operationId`; it goes before the general one.
    #[must_use]
    pub fn operation_timeout(mut self, operation: &'static str, limit: Duration) -> Self {
        self.timeouts.insert(0, (operation, limit));
        self
    }
    /// How long a stream may stay silent. Default: 60 s.
    #[must_use]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }
    /// The largest body kept in memory, in bytes. Default: 64 MiB.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }
    /// The client.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the network settings cannot be used.
    pub fn build(self) -> Result<Client, Error> {
        let transport = match self.transport {
            Some(transport) => transport,
            None => Arc::new(Network::new(&self.network)?),
        };
        Ok(Client(Arc::new(Shared {
            origin: self.origin,
            transport,
            clock: self.clock.unwrap_or_else(|| Arc::new(TokioClock::new())),
            credentials: self.credentials,
            signer: self.signer,
            reader: self.reader,
            secret_answers: self.secret_answers,
            timeout: self.timeout,
            timeouts: self.timeouts,
            idle: self.idle,
            max_body: self.max_body,
        })))
    }
}

/// A successful reply: the value, and what it came with. It derefs to the value.
#[derive(Clone)]
pub struct Reply<T> {
    /// The decoded value.
    pub value: T,
    status: StatusCode,
    headers: HeaderMap,
    raw: Bytes,
    /// To be taken out of errors about this reply.
    secrets: Secrets,
}

impl<T> Reply<T> {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }
    /// The answer's headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }
    /// The body's bytes as they came: members that the types do not know are here. Empty for a stream.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }
    /// The value alone.
    pub fn into_value(self) -> T {
        self.value
    }
    /// The same reply with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Reply<U> {
        Reply { value: f(self.value), status: self.status, headers: self.headers, raw: self.raw, secrets: self.secrets }
    }
    /// An error that says why this successful reply is of no use, with its status, headers and the
    /// beginning of its body; [`ErrorKind::Decode`], and the server may well have acted.
    pub fn unusable(&self, why: impl Into<String>) -> Error {
        let error = Error::new(ErrorKind::Decode, Delivery::Unknown, why);
        let shown = if self.secrets.answer { &[][..] } else { &self.raw[..] };
        self.secrets.hidden(error.with_answer(self.status, self.headers.clone(), shown))
    }
}

/// The raw bytes are left out: they may hold what the value's own `Debug` hides.
impl<T: fmt::Debug> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("status", &self.status).field("value", &self.value).finish_non_exhaustive()
    }
}

impl<T> Deref for Reply<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

fn decode<T: DeserializeOwned>(reply: Reply<Bytes>) -> Result<Reply<T>, Error> {
    let array = reply.raw.trim_ascii_start().first() == Some(&b'[');
    if array && shape::is_object::<T>() {
        return Err(reply.secrets.hidden(reply.unusable("an array where an object belongs")));
    }
    match serde_json::from_slice(&reply.raw) {
        Ok(value) => Ok(reply.map(|_| value)),
        Err(first) => {
            // Only a failure pays for finding out where it was.
            let mut json = serde_json::Deserializer::from_slice(&reply.raw);
            let what = match serde_path_to_error::deserialize::<_, T>(&mut json) {
                Err(e) if e.path().iter().next().is_some() => format!("at {}: {}", e.path(), e.inner()),
                _ => first.to_string(),
            };
            Err(reply.secrets.hidden(reply.unusable(what).with_source(first)))
        }
    }
}

/// Refuses a web page in place of an answer.
fn web_page<T>(reply: &Reply<T>, accept: &str) -> Result<(), Error> {
    if accept.starts_with("text/html") || !is_html(&reply.headers, &reply.raw) {
        return Ok(());
    }
    let page = snippet(&reply.raw).unwrap_or_default();
    Err(reply.unusable(format!("a web page instead of an answer: {page}")).with_retry(Retry::Backoff))
}

/// Scheme, host and port of a base URL that has nothing else.
fn origin(base_url: &str) -> Result<String, Error> {
    // What may be secret is not repeated: user name and password, query, fragment.
    let plain = |text: &str| text.split(['?', '#']).next().unwrap_or("").to_owned();
    let shown = match base_url.rsplit_once('@') {
        Some((_, host)) => format!("…@{}", plain(host)),
        None => plain(base_url),
    };
    let bad = |why: &str| Error::config(format!("the base URL {shown:?} {why}"));
    if base_url.bytes().any(|b| b.is_ascii_whitespace() || b.is_ascii_control()) {
        return Err(bad("has a blank or a line break in it"));
    }
    if base_url.contains('#') {
        return Err(bad("has a fragment; leave it out"));
    }
    let uri: Uri = base_url.parse().map_err(|_| bad("is not a URL such as https://api.example.com"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(bad("does not begin with http:// or https://"));
    }
    let authority = uri.authority().filter(|a| !a.host().is_empty()).ok_or_else(|| bad("has no host"))?;
    if authority.as_str().contains('@') {
        return Err(bad("has a user name or password in it; credentials are set apart from it"));
    }
    if authority.port_u16().is_none() && authority.as_str().len() > authority.host().len() {
        return Err(bad("has a port that is none"));
    }
    if uri.query().is_some() {
        return Err(bad("has a query; leave it out"));
    }
    if !matches!(uri.path(), "" | "/") {
        return Err(bad("has a path; leave it out"));
    }
    let scheme = uri.scheme_str().unwrap_or("https");
    Ok(format!("{scheme}://{authority}"))
}

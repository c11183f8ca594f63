//! Setting a provider up: explicitly, or from the environment.
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use consign_bacalhau::{Identity, requester, v1};
use consign_core::{FromEnv, Jobs, Result};
use consign_http::{Clock, Credentials, Error, NetworkSettings, Token, Transport};

use super::source::shown;
use super::{Bacalhau, Requester, Server, connect};
use crate::set_up::Connection;

/// Settings of a [`Bacalhau`], a [`Requester`] or, not knowing which, a [`Server`] being made.
pub struct Builder<P> {
    base_url: Option<String>,
    token: Option<Result<Token, Error>>,
    credentials: Option<Arc<dyn Credentials>>,
    identity: Option<Identity>,
    connection: Connection,
    timeout: Option<Duration>,
    kind: PhantomData<fn() -> P>,
}

/// Settings of a [`Bacalhau`] being made.
pub type BacalhauBuilder = Builder<Bacalhau>;
/// Settings of a [`Requester`] being made.
pub type RequesterBuilder = Builder<Requester>;
/// Settings of a [`Server`] being asked what it is.
pub type ServerBuilder = Builder<Server>;

impl<P> Builder<P> {
    pub(crate) fn new() -> Self {
        Self {
            base_url: None,
            token: None,
            credentials: None,
            identity: None,
            connection: Connection::default(),
            timeout: None,
            kind: PhantomData,
        }
    }
    /// The address of the server: scheme, host and port, such as `http://127.0.0.1:1234`. There is no default.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }
    /// An API key or another bearer token, for v1. Default: none, as most servers want none.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Token::new(token));
        self
    }
    /// A user name and its password, for v1.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.token = Some(Token::basic(name, password));
        self
    }
    /// Where tokens come from, in place of a fixed one, for v1. It is asked for a newer one when the server answers
    /// 401, also in the middle of a wait.
    #[must_use]
    pub fn credentials(mut self, source: impl Credentials) -> Self {
        self.credentials = Some(Arc::new(source));
        self
    }
    /// The key that signs submissions, cancellations and requests for logs, for the requester interface. Without one
    /// jobs can be read and listed.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }
    /// Another transport than the network, such as a simulator in the process.
    #[must_use]
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.connection.transport = Some(Arc::new(transport));
        self
    }
    /// Proxy, certificates, User-Agent. Not used with another transport.
    #[must_use]
    pub fn network(mut self, settings: NetworkSettings) -> Self {
        self.connection.network = settings;
        self
    }
    /// Another clock, for tests.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.connection.clock = Some(Arc::new(clock));
        self
    }
    /// The time limit of a call, to the last byte of its answer. Default: 40 s, a little more than a server gives
    /// itself.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }
    fn url(&self) -> Result<&str, Error> {
        self.base_url.as_deref().ok_or_else(|| Error::config("no address of a server: give one with base_url"))
    }
    fn finish(&self, mut http: consign_http::ClientBuilder) -> Result<consign_http::Client, Error> {
        if let Some(limit) = self.timeout {
            http = http.timeout(limit);
        }
        self.connection.clone().build(http)
    }
    pub(crate) fn v1(&self) -> Result<Bacalhau> {
        let mut http = v1::Client::builder(self.url()?)?;
        http = match (&self.credentials, &self.token) {
            (Some(source), _) => http.credentials(source.clone()),
            (None, Some(Ok(token))) => http.token(token.clone()),
            (None, Some(Err(error))) => return Err(Error::config(error.message()).into()),
            (None, None) => http,
        };
        Ok(Bacalhau::from_client(v1::Client::from_http(self.finish(http)?)))
    }
    pub(crate) fn requester(&self) -> Result<Requester> {
        let http = requester::Client::builder(self.url()?)?;
        let client = requester::Client::from_http(self.finish(http)?);
        Ok(Requester::from_client(client, self.identity.clone()))
    }
}

impl Builder<Bacalhau> {
    /// The provider.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if there is no address, or the address, the token or the
    /// network settings cannot be used.
    pub fn build(self) -> Result<Bacalhau> {
        self.v1()
    }
}
impl Builder<Requester> {
    /// The provider.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if there is no address, or the address or the network settings
    /// cannot be used.
    pub fn build(self) -> Result<Requester> {
        self.requester()
    }
}
impl Builder<Server> {
    /// Asks the server what it is.
    ///
    /// # Errors
    /// As [`connect`](connect()).
    pub async fn connect(self) -> Result<Server> {
        connect::ask(&self).await
    }
}

impl<P> fmt::Debug for Builder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("base_url", &self.base_url.as_deref().map(shown))
            .field("token", &self.token)
            .field("credentials", &self.credentials)
            .field("identity", &self.identity)
            .field("transport", &self.connection.transport)
            .field("network", &self.connection.network)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl FromEnv for Bacalhau {
    /// `BACALHAU_API_HOST`, required; `BACALHAU_API_PORT` (default: 1234); `BACALHAU_HTTPS`, not empty for `https`.
    /// The credential, if there is one: `BACALHAU_API_KEY`, else `BACALHAU_API_USERNAME` and `BACALHAU_API_PASSWORD`.
    fn from_env() -> Result<Self> {
        Ok(Self::from_client(v1::Client::from_env()?))
    }
}
impl FromEnv for Requester {
    /// `BACALHAU_API_HOST` and `BACALHAU_API_PORT`, both required. The key is `user_id.pem` in `BACALHAU_DIR`, by
    /// default in `~/.bacalhau`.
    fn from_env() -> Result<Self> {
        let client = requester::Client::from_env()?;
        Ok(Self::from_client(client, Some(Identity::load()?)))
    }
}

impl From<Bacalhau> for Jobs<Bacalhau> {
    fn from(provider: Bacalhau) -> Self {
        Jobs::new(provider)
    }
}
impl From<Requester> for Jobs<Requester> {
    fn from(provider: Requester) -> Self {
        Jobs::new(provider)
    }
}

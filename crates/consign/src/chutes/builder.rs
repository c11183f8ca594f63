//! Setting a [`Chutes`] up: explicitly, or from the environment.
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use consign_chutes::{API_KEY_VARIABLE, ApiKey, BASE_URL_VARIABLE, Client, Hotkey};
use consign_core::{FromEnv, Jobs, Result};
use consign_http::{Clock, Credentials, Error, NetworkSettings, Token, Transport};

use super::Chutes;
use crate::set_up::{Connection, about, variable};

/// The time limit of a call.
const CALL: Duration = Duration::from_secs(30);
/// The time limit of a submission: one that is given up leaves it unclear whether there is a job.
const SUBMISSION: Duration = Duration::from_secs(120);
/// The time limit of a download until its first byte: the service reads the whole file before it sends any.
const DOWNLOAD: Duration = Duration::from_secs(300);

/// Settings of a [`Chutes`] being made.
#[derive(Default)]
pub struct ChutesBuilder {
    base_url: Option<String>,
    credential: Option<Result<Credential, Error>>,
    connection: Connection,
    timeout: Option<Duration>,
}

#[derive(Debug)]
enum Credential {
    Source(Arc<dyn Credentials>),
    Hotkey(Hotkey),
}

impl Credential {
    fn token(token: Result<Token, Error>) -> Result<Self, Error> {
        token.map(|token| Self::Source(Arc::new(token)))
    }
}

impl ChutesBuilder {
    /// Another address: scheme, host and port. Default: [`Chutes::BASE_URL`].
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }
    /// An API key, `cpk_…`; one made with `admin`, as the service takes no other for jobs. Of several credentials
    /// the last one holds.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.credential = Some(Credential::token(ApiKey::new(key).and_then(|key| key.token())));
        self
    }
    /// The session token of a login, good for seven days. Of several credentials the last one holds.
    #[must_use]
    pub fn session_token(mut self, token: impl Into<String>) -> Self {
        self.credential = Some(Credential::token(Token::new(token)));
        self
    }
    /// A hotkey that signs each request. The service takes signatures for creating jobs and for what is beside
    /// jobs, but for no reading, deleting and downloading: those calls end with
    /// [`Config`](crate::ErrorKind::Config) before anything is sent, so submit here and wait with an API key.
    #[must_use]
    pub fn hotkey(mut self, hotkey: Hotkey) -> Self {
        self.credential = Some(Ok(Credential::Hotkey(hotkey)));
        self
    }
    /// Where tokens come from, in place of a fixed one. It is asked for a newer one when the service
    /// answers 401, also in the middle of a wait.
    #[must_use]
    pub fn credentials(mut self, source: impl Credentials) -> Self {
        self.credential = Some(Ok(Credential::Source(Arc::new(source))));
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
    /// Another clock, for tests. Signatures of a hotkey carry its time.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.connection.clock = Some(Arc::new(clock));
        self
    }
    /// The time limit of a call, to the last byte of its answer. Default: 30 s; 2 minutes for a submission: one
    /// that is given up leaves it unclear whether there is a job; 5 minutes for the first byte of a download.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }
    /// The provider.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) if the address, the credential or the network settings cannot be
    /// used, or no credential was given.
    pub fn build(self) -> Result<Chutes> {
        let limit = |own| self.timeout.unwrap_or(own);
        let mut http = Client::builder(self.base_url.as_deref().unwrap_or(Chutes::BASE_URL))?
            .timeout(limit(CALL))
            .operation_timeout("create_job", limit(SUBMISSION))
            .operation_timeout("download_output_file", limit(DOWNLOAD));
        http = match self.credential.transpose()? {
            Some(Credential::Source(source)) => http.credentials(source),
            Some(Credential::Hotkey(hotkey)) => http.signer(Arc::new(hotkey)),
            None => {
                let what = format!("no credential: give an API key, or set {API_KEY_VARIABLE} and use from_env");
                return Err(Error::config(what).into());
            }
        };
        Ok(Chutes::from_client(Client::from_http(self.connection.build(http)?)))
    }
}

impl fmt::Debug for ChutesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of an address that may hold a password, nothing; a good one has none.
        let base_url = self.base_url.as_deref().filter(|url| !url.contains(['@', '?']));
        f.debug_struct("ChutesBuilder")
            .field("base_url", &base_url)
            .field("credential", &self.credential)
            .field("transport", &self.connection.transport)
            .field("network", &self.connection.network)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl FromEnv for Chutes {
    /// `CHUTES_API_KEY`: an API key (`cpk_…`) or a session token, required. `CHUTES_API_URL`: another address,
    /// optional. One that is blank counts as not set.
    fn from_env() -> Result<Self> {
        let Some(key) = variable(API_KEY_VARIABLE)? else {
            let what = format!("the environment variable {API_KEY_VARIABLE} is not set (an API key made with admin)");
            return Err(Error::config(what).into());
        };
        let checked = if key.starts_with("cpk_") {
            ApiKey::new(key.as_str()).map(drop)
        } else {
            Token::new(key.as_str()).map(drop)
        };
        checked.map_err(|e| about(API_KEY_VARIABLE, e))?;
        let builder = Self::builder();
        let mut builder = if key.starts_with("cpk_") { builder.api_key(key) } else { builder.session_token(key) };
        if let Some(url) = variable(BASE_URL_VARIABLE)? {
            Client::builder(&url).map_err(|e| about(BASE_URL_VARIABLE, e))?;
            builder = builder.base_url(url);
        }
        builder.build()
    }
}

impl From<Chutes> for Jobs<Chutes> {
    fn from(provider: Chutes) -> Self {
        Jobs::new(provider)
    }
}

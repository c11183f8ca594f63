//! Setting a [`Civitai`] up: explicitly, or from the environment.
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use consign_civitai::{BASE_URL_VARIABLE, Client, TOKEN_VARIABLE};
use consign_core::{FromEnv, Jobs, Result};
use consign_http::{Clock, Credentials, Error, NetworkSettings, Token, Transport};

use super::{Civitai, shown};
use crate::set_up::{Connection, about, variable};

/// The time limit of a call.
const CALL: Duration = Duration::from_secs(30);
/// The time limit of a submission: one that is given up leaves it unclear whether there is a job.
const SUBMISSION: Duration = Duration::from_secs(120);

/// Settings of a [`Civitai`] being made.
#[derive(Default)]
pub struct CivitaiBuilder {
    base_url: Option<String>,
    token: Option<Result<Token, Error>>,
    credentials: Option<Arc<dyn Credentials>>,
    connection: Connection,
    timeout: Option<Duration>,
    detailed: bool,
}

impl CivitaiBuilder {
    /// Another address: scheme, host and port. Default: [`Civitai::BASE_URL`].
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }
    /// The API token of the account.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Token::new(token));
        self
    }
    /// Where tokens come from, in place of a fixed one. It is asked for a newer one when the service
    /// answers 401, also in the middle of a wait.
    #[must_use]
    pub fn credentials(mut self, source: impl Credentials) -> Self {
        self.credentials = Some(Arc::new(source));
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
    /// The time limit of a call that the server does not hold, to the last byte of its answer. Default:
    /// 30 s, and 2 minutes for a submission: one that is given up leaves it unclear whether there is a job.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }
    /// Whether records include each job's definition. Default: no.
    #[must_use]
    pub fn detailed(mut self, detailed: bool) -> Self {
        self.detailed = detailed;
        self
    }
    /// The provider.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the address, the token or the network settings
    /// cannot be used, or no token was given.
    pub fn build(self) -> Result<Civitai> {
        // The low-level client leaves time for answers that are held; here the engine does, call by call.
        let mut http = Client::builder(self.base_url.as_deref().unwrap_or(Civitai::BASE_URL))?
            .timeout(self.timeout.unwrap_or(CALL))
            .operation_timeout("v1_consumer_jobs_get", self.timeout.unwrap_or(CALL))
            .operation_timeout("v1_consumer_jobs_post", self.timeout.unwrap_or(SUBMISSION));
        http = match (self.credentials, self.token) {
            (Some(source), _) => http.credentials(source),
            (None, Some(token)) => http.token(token?),
            (None, None) => {
                let what = format!("no token: give one, or set {TOKEN_VARIABLE} and use from_env");
                return Err(Error::config(what).into());
            }
        };
        Ok(Civitai { client: Client::from_http(self.connection.build(http)?), detailed: self.detailed })
    }
}

impl fmt::Debug for CivitaiBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CivitaiBuilder")
            .field("base_url", &self.base_url.as_deref().map(shown::url))
            .field("token", &self.token)
            .field("credentials", &self.credentials)
            .field("transport", &self.connection.transport)
            .field("network", &self.connection.network)
            .field("timeout", &self.timeout)
            .field("detailed", &self.detailed)
            .finish_non_exhaustive()
    }
}

impl FromEnv for Civitai {
    /// `CIVITAI_API_TOKEN`: the token, required. `CIVITAI_BASE_URL`: another address, optional. One that
    /// is blank counts as not set.
    fn from_env() -> Result<Self> {
        let Some(token) = variable(TOKEN_VARIABLE)? else {
            let what = format!("the environment variable {TOKEN_VARIABLE} is not set (an API token of your account)");
            return Err(Error::config(what).into());
        };
        Token::new(token.as_str()).map_err(|e| about(TOKEN_VARIABLE, e))?;
        let mut builder = Self::builder().token(token);
        if let Some(url) = variable(BASE_URL_VARIABLE)? {
            Client::builder(&url).map_err(|e| about(BASE_URL_VARIABLE, e))?;
            builder = builder.base_url(url);
        }
        builder.build()
    }
}

impl From<Civitai> for Jobs<Civitai> {
    fn from(provider: Civitai) -> Self {
        Jobs::new(provider)
    }
}

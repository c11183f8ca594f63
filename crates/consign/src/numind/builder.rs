//! Setting a [`NuMind`] up: explicitly, or from the environment.
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use consign_core::{FromEnv, Jobs, Result};
use consign_http::{Clock, Credentials, Error, NetworkSettings, Token, Transport};
use consign_numind::{BASE_URL_VARIABLES, TOKEN_VARIABLES, v0_2, v0_4};

use super::{Api, NuMind, Upload};
use crate::set_up::{Connection, about, variable};

/// The time limit of a submission: one that is given up leaves it unclear whether there is a job.
const SUBMISSION: Duration = Duration::from_secs(120);
/// The time limit of the stream is that of its silence, and not a call's.
const STREAM: &str = "get_api_jobs_jobid_stream";

/// Settings of a [`NuMind`] being made.
#[derive(Default)]
pub struct NuMindBuilder {
    base_url: Option<String>,
    key: Option<Result<Token, Error>>,
    credentials: Option<Arc<dyn Credentials>>,
    connection: Connection,
    timeout: Option<Duration>,
    api: Api,
    upload: Option<Upload>,
}

impl NuMindBuilder {
    /// Another address, such as an installation of one's own: scheme, host and port. Default: [`NuMind::BASE_URL`].
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }
    /// The API key of the account, or an access token.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(Token::new(key));
        self
    }
    /// Where tokens come from, in place of a fixed key, such as a login with [`OAuth`](super::OAuth). It is asked for a
    /// newer one when the service answers 401, also in the middle of a wait.
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
    /// The time limit of a call, to the last byte of its answer. Default: 30 s; 5 minutes where a file is sent or jobs
    /// are listed with all they hold; 2 minutes for other submissions, one of which that is given up leaves it unclear
    /// whether there is a job. An event stream has none, but may stay silent for no more than 90 s.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }
    /// Which version the server speaks. Default: [`Api::V0_4`], as the public service does.
    #[must_use]
    pub fn api(mut self, api: Api) -> Self {
        self.api = api;
        self
    }
    /// How files are sent to extractions in a project. Default: as a form to servers of version 0.4, bare to
    /// older ones and to those that turned out not to know an extraction without a project.
    #[must_use]
    pub fn upload(mut self, upload: Upload) -> Self {
        self.upload = Some(upload);
        self
    }
    /// The provider.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the address, the key or the network settings cannot be used,
    /// or no key was given.
    pub fn build(self) -> Result<NuMind> {
        let mut http = consign_numind::builder(self.base_url.as_deref().unwrap_or(NuMind::BASE_URL))?;
        for operation in v0_4::operations::ALL.iter().chain(v0_2::operations::ALL).map(|operation| operation.id) {
            let submits = operation.ends_with("_jobs_text") || operation.ends_with("_jobs_document_documentid");
            match self.timeout {
                Some(limit) if operation != STREAM => http = http.operation_timeout(operation, limit),
                None if submits => http = http.operation_timeout(operation, SUBMISSION),
                _ => {}
            }
        }
        http = match (self.credentials, self.key) {
            (Some(source), _) => http.credentials(source),
            (None, Some(key)) => http.token(key?),
            (None, None) => {
                let [ours, other] = TOKEN_VARIABLES;
                let what = format!("no API key: give one, or set {ours} or {other} and use from_env");
                return Err(Error::config(what).into());
            }
        };
        Ok(NuMind::over(self.connection.build(http)?, self.api, self.upload))
    }
}

impl fmt::Debug for NuMindBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NuMindBuilder")
            .field("base_url", &self.base_url.as_deref().map(without_password))
            .field("key", &self.key)
            .field("credentials", &self.credentials)
            .field("transport", &self.connection.transport)
            .field("network", &self.connection.network)
            .field("timeout", &self.timeout)
            .field("api", &self.api)
            .field("upload", &self.upload)
            .finish_non_exhaustive()
    }
}

/// An address without what may be a secret in it.
fn without_password(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => url.to_owned(),
    }
}

impl FromEnv for NuMind {
    /// `NUMIND_API_KEY`, else `NUEXTRACT_API_KEY`: the key, required. `NUMIND_BASE_URL`, else `NUEXTRACT_BASE_URL`:
    /// another address, optional. A variable that is blank counts as not set.
    fn from_env() -> Result<Self> {
        let Some((name, key)) = first(TOKEN_VARIABLES)? else {
            let [ours, other] = TOKEN_VARIABLES;
            let what = format!("neither of the environment variables {ours} and {other} is set (an API key)");
            return Err(Error::config(what).into());
        };
        Token::new(key.as_str()).map_err(|e| about(name, e))?;
        let mut builder = Self::builder().api_key(key);
        if let Some((name, url)) = first(BASE_URL_VARIABLES)? {
            consign_numind::builder(&url).map_err(|e| about(name, e))?;
            builder = builder.base_url(url);
        }
        builder.build()
    }
}

/// The first of these environment variables that is set, and not blank.
fn first(names: [&'static str; 2]) -> Result<Option<(&'static str, String)>, Error> {
    for name in names {
        if let Some(value) = variable(name)? {
            return Ok(Some((name, value)));
        }
    }
    Ok(None)
}

impl From<NuMind> for Jobs<NuMind> {
    fn from(provider: NuMind) -> Self {
        Jobs::new(provider)
    }
}

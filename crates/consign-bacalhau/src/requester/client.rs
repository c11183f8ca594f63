//! Making a client of the requester interface.
use std::time::Duration;

use consign_http::{ClientBuilder, Error};

use super::{Client, VersionOptions, read_error, types};
use crate::address::address;
use crate::{HOST_VARIABLE, PORT_VARIABLE, ServerVersion};

/// The public network for demonstrations that the provider's documentation names. Nothing here calls it by itself.
pub const BOOTSTRAP: &str = "http://bootstrap.production.bacalhau.org:1234";

/// A little longer than the server gives itself, so that its own word arrives.
const LIMIT: Duration = Duration::from_secs(40);

impl Client {
    /// A client of the server at `base_url`, such as `http://127.0.0.1:1234`.
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) if the URL is not `http` or `https` with a host, or has a path, a
    /// query or a password.
    pub fn new(base_url: &str) -> Result<Self, Error> {
        Self::builder(base_url)?.build().map(Self::from_http)
    }
    /// A client of the server that [`HOST_VARIABLE`] and [`PORT_VARIABLE`] name. Unlike the provider's own clients,
    /// which then go to [`BOOTSTRAP`], it wants both.
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) if one of the two is not set or cannot be used.
    pub fn from_env() -> Result<Self, Error> {
        let read = |name: &str| {
            let value = std::env::var(name).ok().map(|value| value.trim().to_owned());
            let missing = || Error::config(format!("the environment variable {name} is not set"));
            value.filter(|value| !value.is_empty()).ok_or_else(missing)
        };
        Self::new(&address("http", &read(HOST_VARIABLE)?, &read(PORT_VARIABLE)?)?)
    }
    /// The settings of a client of the server at `base_url`; [`Client::from_http`] takes what they build. A call may
    /// take 40 s.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn builder(base_url: &str) -> Result<ClientBuilder, Error> {
        Ok(consign_http::Client::builder(base_url)?.error_reader(read_error).timeout(LIMIT))
    }
    /// The server's version; `None` if it names no release, as a self-built one does.
    ///
    /// # Errors
    /// As [`Client::version`].
    pub async fn server_version(&self) -> Result<Option<ServerVersion>, Error> {
        let reply = self.version(&types::VersionRequest::new().client_id(""), VersionOptions::default()).await?;
        let version = reply.build_version_info.as_ref().and_then(|info| info.gitversion.as_deref());
        Ok(version.and_then(ServerVersion::read))
    }
}

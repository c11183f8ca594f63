//! What the providers' builders share: how a client reaches its service, and what the environment says.
use std::sync::Arc;

use consign_http::{Client, ClientBuilder, Clock, Error, NetworkSettings, Transport};

/// How a client reaches its service.
#[derive(Clone, Default)]
pub(crate) struct Connection {
    pub(crate) transport: Option<Arc<dyn Transport>>,
    pub(crate) network: NetworkSettings,
    pub(crate) clock: Option<Arc<dyn Clock>>,
}

impl Connection {
    /// The client that `http` describes, over this connection.
    pub(crate) fn build(self, http: ClientBuilder) -> Result<Client, Error> {
        let mut http = http.network(self.network);
        if let Some(transport) = self.transport {
            http = http.shared_transport(transport);
        }
        if let Some(clock) = self.clock {
            http = http.clock(clock);
        }
        http.build()
    }
}

/// The value of an environment variable; `None` if it is not set or blank.
#[cfg(any(feature = "chutes", feature = "civitai", feature = "numind"))]
pub(crate) fn variable(name: &str) -> Result<Option<String>, Error> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.trim().is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Error::config(format!("the environment variable {name} is not UTF-8")))
        }
    }
}

/// The same error, said to be about an environment variable.
#[cfg(any(feature = "chutes", feature = "civitai", feature = "numind"))]
pub(crate) fn about(name: &str, error: Error) -> Error {
    let what = format!("the environment variable {name}: {}", error.message());
    error.with_message(what)
}

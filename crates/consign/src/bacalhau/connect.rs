//! Finding out which interface a server speaks.
use consign_bacalhau::v1::VersionOptions;
use consign_bacalhau::{ServerVersion, requester};
use consign_core::Result;
use consign_http::{Delivery, Error, ErrorKind};

use super::{Bacalhau, Builder, Requester};

/// A server, by the interface that it speaks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Server {
    /// The v1 interface: servers 1.4 and newer.
    V1(Bacalhau),
    /// The requester interface: servers up to 1.3.x, also those that have both.
    Requester(Requester),
}

impl Server {
    /// Settings: address, credential, key, network.
    pub fn builder() -> Builder<Self> {
        Builder::new()
    }
}

/// Asks the server at `base_url` which interface it speaks. More is set on [`Server::builder`].
///
/// ```no_run
/// use consign::bacalhau::{self, Server, DockerJob};
/// use consign::{DynJobs, Jobs};
/// # async fn run() -> Result<(), consign::Error> {
/// let jobs: DynJobs = match bacalhau::connect("http://127.0.0.1:1234").await? {
///     Server::V1(bacalhau) => Jobs::new(bacalhau).into(),
///     Server::Requester(requester) => Jobs::new(requester).into(),
///     other => panic!("{other:?} is new here"),
/// };
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) if the address cannot be used;
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if what answers is no Bacalhau; otherwise as any read.
pub async fn connect(base_url: &str) -> Result<Server> {
    Server::builder().base_url(base_url).connect().await
}

pub(crate) async fn ask(settings: &Builder<Server>) -> Result<Server> {
    let v1 = settings.v1()?;
    let error = match v1.client().version(VersionOptions::default()).await {
        // Servers from 1.0.4 on answer here, but up to 1.3 the other interface is the complete one.
        Ok(reply) if reply.git_version.is_some() => {
            let version = reply.git_version.as_deref().and_then(ServerVersion::read);
            if version.is_none_or(|version| version >= ServerVersion::new(1, 4, 0)) {
                v1.learned(version);
                return Ok(Server::V1(v1));
            }
            let requester = settings.requester()?;
            requester.learned(version);
            return Ok(Server::Requester(requester));
        }
        Ok(_) => None,
        // No such route, or an answer of another kind: an older server, or none at all.
        Err(error) if error.status().is_some() && !is_passing(error.kind()) => Some(error),
        Err(error) => return Err(error.into()),
    };
    let requester = settings.requester()?;
    let request = requester::types::VersionRequest::new().client_id("");
    match requester.client().version(&request, requester::VersionOptions::default()).await {
        Ok(reply) if reply.build_version_info.is_some() => {
            let info = reply.into_value().build_version_info.unwrap_or_default();
            requester.learned(info.gitversion.as_deref().and_then(ServerVersion::read));
            Ok(Server::Requester(requester))
        }
        Err(error) if error.status().is_none() || is_passing(error.kind()) => Err(error.into()),
        _ => {
            let url = v1.client().http().base_url();
            let what = format!("{url} answers, but in neither way of a Bacalhau server");
            let found = Error::new(ErrorKind::Unsupported, Delivery::Rejected, what).on_read();
            Err(match error {
                Some(cause) => found.with_source(cause),
                None => found,
            }
            .into())
        }
    }
}

/// What says nothing about the server.
fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Gateway | ErrorKind::RateLimited | ErrorKind::Timeout)
}

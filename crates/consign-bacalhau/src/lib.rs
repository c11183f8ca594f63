//! Typed low-level clients of Bacalhau: every operation of its two interfaces, nothing more. For submitting, waiting
//! and downloading in a few lines there is the crate `consign`.
//!
//! ```no_run
//! # #[cfg(feature = "v1")]
//! # mod example {
//! use consign_bacalhau::v1::{Client, GetOptions, PutOptions, types};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = Client::from_env()?; // BACALHAU_API_HOST, BACALHAU_API_PORT, credentials if there are any
//!     let params = serde_json::json!({"Image": "ubuntu:24.04", "Entrypoint": ["date"]});
//!     let engine = types::NewSpecConfig::new().type_("docker").params(params.as_object().cloned().unwrap_or_default());
//!     let job = types::NewJob::new(types::JobType::Batch, vec![types::NewTask::new("main", engine)]).count(1);
//!
//!     let put = client.put(&types::PutJobRequest::new(job), PutOptions::default()).await?;
//!     let id = put.into_value().job_id.ok_or("no id")?;
//!
//!     let options = GetOptions::default().include("executions");
//!     let reply = client.get(&id, options).await?.into_value();
//!     println!("{:?}", reply.job.and_then(|job| job.state));
//!     for execution in reply.executions.map(types::ListJobExecutionsResponse::into_executions).unwrap_or_default() {
//!         println!("{:?} {:?}", execution.node_id, execution.run_output);
//!     }
//!     Ok(())
//! }
//! # }
//! ```
//!
//! Two interfaces share nothing but the product's name; each is a module and a feature, both on by default:
//!
//! - [`v1`]: servers 1.1 and newer. No credential by default; else a user name and password or a bearer token.
//! - [`requester`]: servers up to 1.3.x. What changes something is signed with the key of an [`Identity`], as
//!   [`requester::Envelope`].
//!
//! In both, `Client` has one method for each operation: path values, required parameters and the body are arguments,
//! optional parameters are in one struct for each operation. `types` are the wire types: every enumeration is open,
//! unknown members never fail, `null` and absent are the same, dates keep their text. A [`Reply`] derefs to its value
//! and keeps status, headers and the raw bytes. An [`Error`] says what kind of thing went wrong, whether the server
//! may have acted, and when a repeat makes sense. Nothing is repeated by itself: neither interface has a key against
//! doing a thing twice.
//!
//! Features: `logs` (output of running jobs, over a WebSocket) and `keygen` (making a key) bring further crates and
//! are off.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(any(feature = "requester", feature = "v1"))]
mod address;
#[rustfmt::skip]
mod generated;
mod identity;
mod log;
#[cfg(feature = "requester")]
pub mod requester;
mod short_id;
#[cfg(all(feature = "logs", any(feature = "requester", feature = "v1")))]
mod socket;
mod time;
#[cfg(feature = "v1")]
pub mod v1;
mod version;

pub use consign_http::{CallOptions, ClientBuilder, DateTime, Delivery, Error, ErrorKind, Id, Reply, Retry, Token};
pub use identity::{Identity, KEY_FILE, PublicKey};
pub use log::{LogLine, LogOutput};
pub use short_id::short_id;
#[cfg(all(feature = "logs", any(feature = "requester", feature = "v1")))]
pub use socket::Messages;
pub use time::set_time;
pub use version::ServerVersion;

/// The port on which a node answers unless it is told another.
pub const DEFAULT_PORT: u16 = 1234;
/// The environment variable that names the server's host, the same as for the provider's own clients.
pub const HOST_VARIABLE: &str = "BACALHAU_API_HOST";
/// The environment variable that names the server's port.
pub const PORT_VARIABLE: &str = "BACALHAU_API_PORT";

#[cfg(all(doctest, feature = "requester", feature = "v1"))]
#[doc = include_str!("../README.md")]
mod readme {}

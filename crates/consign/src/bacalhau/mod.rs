//! Bacalhau: containers and WebAssembly modules on nodes, through either of its two interfaces.
//!
//! - [`Bacalhau`] speaks the v1 interface (servers 1.4 and newer), [`Requester`] the older one (up to 1.3.x);
//!   [`connect()`] finds out which a server has.
//! - [`DockerJob`] and [`WasmJob`] describe work for both; [`JobSpec`] takes either, or a raw JSON object.
//! - `Jobs::<Bacalhau>` submits, waits, cancels, lists with a [`JobFilter`], follows logs and downloads [`Results`].
//! - The provider types have what only Bacalhau has: stopping with a reason, history, versions, rerun, nodes.
//!
//! A job that [`Succeeded`](crate::State::Succeeded) was run; whether the program did is its exit code:
//! [`Results::exit_code`].
//!
//! `Jobs::<Bacalhau>::from_env` reads the address from `BACALHAU_API_HOST` and `BACALHAU_API_PORT` (1234 if it is not
//! set), and a credential, if any, from `BACALHAU_API_KEY`, or `BACALHAU_API_USERNAME` and `BACALHAU_API_PASSWORD`.
//! `Jobs::<Requester>::from_env` wants host and port, and the key in `BACALHAU_DIR`.
//!
//! The low-level clients, every operation of the wires, are [`Bacalhau::client`] and [`Requester::client`].
mod builder;
mod check;
mod connect;
mod engine_job;
mod filter;
mod history;
mod outputs;
mod provider;
mod requester;
mod settings;
mod source;
mod spec;
mod status;
mod unpack;
mod wire;

pub use builder::{BacalhauBuilder, Builder, RequesterBuilder, ServerBuilder};
pub use connect::{Server, connect};
pub use consign_bacalhau::requester::types as requester_types;
pub use consign_bacalhau::requester::{Event, ListedJob};
pub use consign_bacalhau::v1::types;
pub use consign_bacalhau::v1::types::{JobHistory, JobType, NetworkType, NodeState, Operator};
pub use consign_bacalhau::v1::{ExecutionState, UnixNanos};
pub use consign_bacalhau::{Identity, ServerVersion, short_id};
pub use engine_job::{Docker, DockerJob, EngineJob, Wasm, WasmJob};
pub use filter::JobFilter;
pub use history::History;
pub use outputs::{Archive, ExecutionResult, Published, Results, Unpacked};
pub use provider::{Bacalhau, Rerun};
pub use requester::Requester;
pub use requester::status::RequesterRecord;
pub use settings::{Port, Verifier};
pub use source::{Input, LocalSource, Publisher, S3Source, S3Target, Source};
pub use spec::{Api, JobSpec};
pub use status::Record;

/// A job of Bacalhau's v1 interface.
pub type Job = crate::Job<Bacalhau>;
/// The jobs of Bacalhau's v1 interface.
pub type Jobs = crate::Jobs<Bacalhau>;
/// What a look at a job of Bacalhau's v1 interface showed.
pub type Snapshot = crate::Snapshot<Bacalhau>;
/// A finished job of Bacalhau's v1 interface.
pub type Finished = crate::Finished<Bacalhau>;

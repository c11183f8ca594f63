//! Bacalhau's two wires: the orchestrator's v1 API ([`Bacalhau`]), and the requester API of its first
//! years ([`Requester`]).
//!
//! # What becomes of a job
//!
//! Left alone, a job is scheduled within milliseconds, runs for some seconds drawn from the seed, and
//! completes. `echo` in a container is understood, and a few small WebAssembly modules are recognised by
//! the text in them (`hello from wasm`, `about to trap`, `spinning`, and one that writes `out` and `err`
//! and exits with 3); other programs write nothing. A test changes that with a script that gives each job
//! a [`Plan`]. Whoever talks to the program changes it in the job's own labels (`Labels` of v1,
//! `Annotations` such as `sim.seconds=3` of the requester), which win over the script:
//!
//! | label | meaning |
//! |---|---|
//! | `sim.outcome` | `completed`, `failed`, `stopped`, `running` (never ends), `queued` (no node ever), or any other word |
//! | `sim.seconds` | how long an execution runs |
//! | `sim.queue` | seconds before there is a node |
//! | `sim.exit` | the exit code |
//! | `sim.stdout`, `sim.stderr` | what is written |
//! | `sim.message` | why it failed |
//! | `sim.failures` | only this many executions end so, the next completes |
//!
//! Other labels that begin with `sim.` are refused with 400, so that a spelling mistake does not pass
//! unnoticed.

mod agenda;
mod files;
mod plan;
mod requester;
mod selector;
mod sign;
mod v1;

use crate::chance::chance;
use crate::serve::Listener;

pub use self::plan::Plan;
pub use self::requester::{Requester, RequesterBuilder, RequesterJobView};
pub use self::v1::{Bacalhau, Builder, JobView};

/// Names of the operations of both wires in the ledger and in rules for faults.
pub mod operation {
    /// Submit (v1).
    pub const PUT: &str = "put";
    /// List jobs.
    pub const LIST: &str = "list";
    /// Read one job (v1).
    pub const GET: &str = "get";
    /// Stop a job (v1).
    pub const STOP: &str = "stop";
    /// Read or follow a job's history (v1).
    pub const HISTORY: &str = "history";
    /// Read a job's executions (v1).
    pub const EXECUTIONS: &str = "executions";
    /// Read the versions of a job (v1).
    pub const VERSIONS: &str = "versions";
    /// Read where the results are.
    pub const RESULTS: &str = "results";
    /// Compare a job with the stored one (v1).
    pub const DIFF: &str = "diff";
    /// Run a job again (v1).
    pub const RERUN: &str = "rerun";
    /// Follow output.
    pub const LOGS: &str = "logs";
    /// List nodes (v1).
    pub const NODE_LIST: &str = "node_list";
    /// Read one node (v1).
    pub const NODE_GET: &str = "node_get";
    /// Approve, reject or delete a node (v1).
    pub const NODE_PUT: &str = "node_put";
    /// Whether the server lives (v1).
    pub const ALIVE: &str = "alive";
    /// The server's version.
    pub const VERSION: &str = "version";
    /// The node that answers (v1).
    pub const AGENT_NODE: &str = "agent_node";
    /// Operator data (v1).
    pub const AGENT_DEBUG: &str = "agent_debug";
    /// The server's settings (v1).
    pub const AGENT_CONFIG: &str = "agent_config";
    /// How to log in by device (v1).
    pub const AUTHCONFIG: &str = "authconfig";
    /// Ways to log in (v1).
    pub const AUTH_METHODS: &str = "auth_methods";
    /// One way to log in (v1).
    pub const AUTH_METHOD: &str = "auth_method";
    /// Log in (v1).
    pub const AUTH_LOGIN: &str = "auth_login";
    /// Submit (requester).
    pub const SUBMIT: &str = "submit";
    /// Cancel (requester).
    pub const CANCEL: &str = "cancel";
    /// Read a job's state (requester).
    pub const STATES: &str = "states";
    /// Read a job's history (requester).
    pub const EVENTS: &str = "events";
    /// Follow a job's history (requester).
    pub const WEBSOCKET_EVENTS: &str = "websocket_events";
    /// A file of the node's file server.
    pub const BLOB: &str = "blob";
}

/// Serves a simulator until it is dropped.
#[derive(Debug)]
#[must_use = "the server stops when it is dropped"]
pub struct Server {
    url: String,
    results_url: String,
    api: Listener,
    files: Option<Listener>,
}

impl Server {
    fn new(api: Listener, files: Option<(String, Listener)>) -> Self {
        let (results_url, files) = files.map_or((String::new(), None), |(url, files)| (url, Some(files)));
        Self { url: format!("http://{}", api.address), results_url, api, files }
    }

    /// The base URL of the API, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The base URL of the node's file server; empty for a requester, which has none.
    pub fn results_url(&self) -> &str {
        &self.results_url
    }

    /// Closes every connection that has no request on it, as a server does with idle connections.
    pub fn close_idle(&self) {
        self.api.close_idle();
        if let Some(files) = &self.files {
            files.close_idle();
        }
    }
}

/// A content id in the form of IPFS.
fn content_id(number: u64) -> String {
    const DIGITS: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut chance = chance(number, 0xC1D);
    let digits = (0..44).map(|_| char::from(DIGITS[chance.usize(..DIGITS.len())]));
    "Qm".chars().chain(digits).collect()
}

//! How a simulated orchestrator is set up.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Bacalhau;
use crate::bacalhau::plan::Plan;
use crate::chance::Durations;

/// Decides what becomes of a job: the job as it was submitted, and how many were made before it.
pub(crate) type Script = Arc<dyn Fn(&Value, usize) -> Plan + Send + Sync>;

/// The version of the server, 1.minor.patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32);

impl Version {
    pub(crate) fn at_least(self, minor: u32, patch: u32) -> bool {
        self >= Self(minor, patch)
    }

    /// Whether a name belongs to one job, and jobs have versions.
    pub(crate) fn unique_names(self) -> bool {
        self.at_least(8, 0)
    }

    pub(crate) fn tag(self) -> String {
        format!("v1.{}.{}", self.0, self.1)
    }

    pub(crate) fn json(self) -> Value {
        json!({
            "Major": "1", "Minor": self.0.to_string(), "GitVersion": self.tag(), "GitCommit": "0".repeat(40),
            "BuildDate": "2026-01-01T00:00:00Z", "GOOS": "linux", "GOARCH": "amd64",
        })
    }
}

/// Somebody who may use the API.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) alias: String,
    /// Name and password, or an API key alone.
    pub(crate) login: Result<(String, String), String>,
    pub(crate) capabilities: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) version: Version,
    pub(crate) nodes: usize,
    pub(crate) node_labels: Vec<(String, String)>,
    /// How many executions run at once on each node.
    pub(crate) workers: usize,
    pub(crate) engines: Vec<String>,
    pub(crate) publishers: Vec<String>,
    pub(crate) sources: Vec<String>,
    pub(crate) gpus: u64,
    pub(crate) durations: Durations,
    pub(crate) users: Vec<User>,
}

/// Sets up a [`Bacalhau`]. Everything has a default that suits most tests.
#[must_use]
pub struct Builder {
    pub(crate) settings: Settings,
    pub(crate) start: Timestamp,
    pub(crate) speed: f64,
    pub(crate) ledger_limit: usize,
    pub(crate) script: Option<Script>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No users: a builder's Debug holds no secret.
        f.debug_struct("Builder").field("version", &self.settings.version.tag()).finish_non_exhaustive()
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl Default for Builder {
    fn default() -> Self {
        let settings = Settings {
            seed: 0,
            version: Version(9, 3),
            nodes: 1,
            node_labels: Vec::new(),
            workers: 16,
            engines: owned(&["docker", "wasm"]),
            publishers: owned(&["local", "noop", "s3", "s3managed", "ipfs"]),
            sources: owned(&["inline", "urlDownload", "s3", "ipfs", "local", "localDirectory"]),
            gpus: 0,
            durations: Durations::LogNormal { median: Duration::from_secs(4), sigma: 0.4 },
            users: Vec::new(),
        };
        // 2025-01-01T00:00:00Z
        let start = Timestamp::from_second(1_735_689_600).unwrap_or(Timestamp::UNIX_EPOCH);
        Self { settings, start, speed: 1.0, ledger_limit: usize::MAX, script: None }
    }
}

impl Builder {
    /// The number from which everything random follows. Default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// The date at which the simulated clock starts. Default 2025-01-01T00:00:00Z; use
    /// `SystemTime::now()` where a client compares dates with its own clock.
    pub fn start(mut self, date: SystemTime) -> Self {
        self.start = Timestamp::try_from(date).unwrap_or(self.start);
        self
    }

    /// How many simulated seconds pass in a second of tokio's clock. Default 1; what is not above 0 is 1.
    pub fn speed(mut self, speed: f64) -> Self {
        self.speed = speed;
        self
    }

    /// The version of the server, such as `1.4.0`: names of lists, numbers of states, routes and users
    /// follow it. Default `1.9.3`; texts that are no version from 1.1 on are ignored.
    pub fn version(mut self, version: &str) -> Self {
        let mut parts = version.trim_start_matches('v').split('.').map(str::parse);
        if let (Some(Ok(1)), Some(Ok(minor @ 1..)), patch) = (parts.next(), parts.next(), parts.next()) {
            self.settings.version = Version(minor, patch.and_then(Result::ok).unwrap_or(0));
        }
        self
    }

    /// How many compute nodes there are: `node1`, `node2` and so on. Default 1.
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.settings.nodes = nodes;
        self
    }

    /// Adds a label to every node, for constraints.
    pub fn node_label(mut self, name: &str, value: &str) -> Self {
        self.settings.node_labels.push((name.to_owned(), value.to_owned()));
        self
    }

    /// How many executions run at once on each node. Default 16; with 0 nothing ever starts.
    pub fn workers(mut self, workers: usize) -> Self {
        self.settings.workers = workers;
        self
    }

    /// What the nodes run. Default `docker` and `wasm`.
    pub fn engines(mut self, engines: &[&str]) -> Self {
        self.settings.engines = owned(engines);
        self
    }

    /// Where the nodes publish to. Default `local`, `noop`, `s3`, `s3managed`, `ipfs`.
    pub fn publishers(mut self, publishers: &[&str]) -> Self {
        self.settings.publishers = owned(publishers);
        self
    }

    /// Where the nodes take inputs from. Default `inline`, `urlDownload`, `s3`, `ipfs`, `local`.
    pub fn sources(mut self, sources: &[&str]) -> Self {
        self.settings.sources = owned(sources);
        self
    }

    /// How many GPUs each node has. Default none.
    pub fn gpus(mut self, gpus: u64) -> Self {
        self.settings.gpus = gpus;
        self
    }

    /// How long an execution runs when nothing else says it. Default log-normal, median 4 s, sigma 0.4.
    pub fn durations(mut self, durations: Durations) -> Self {
        self.settings.durations = durations;
        self
    }

    /// Adds a user who shows a name and a password (from 1.7 on). From the first user on, a credential
    /// is demanded. Capabilities are words such as `*`, `read:*`, `write:job`.
    pub fn user(mut self, alias: &str, name: &str, password: &str, capabilities: &[&str]) -> Self {
        let login = Ok((name.to_owned(), password.to_owned()));
        self.settings.users.push(User { alias: alias.to_owned(), login, capabilities: owned(capabilities) });
        self
    }

    /// Adds a user who shows an API key; otherwise as [`user`](Self::user).
    pub fn api_key(mut self, alias: &str, key: &str, capabilities: &[&str]) -> Self {
        let login = Err(key.to_owned());
        self.settings.users.push(User { alias: alias.to_owned(), login, capabilities: owned(capabilities) });
        self
    }

    /// Keeps only this many of the newest ledger entries; counts stay exact. Default: all.
    pub fn ledger_limit(mut self, entries: usize) -> Self {
        self.ledger_limit = entries;
        self
    }

    /// Decides what becomes of each job, from the job as it was submitted (made uniform) and how many
    /// were made before. The job's own labels come after.
    pub fn script(mut self, script: impl Fn(&Value, usize) -> Plan + Send + Sync + 'static) -> Self {
        self.script = Some(Arc::new(script));
        self
    }

    /// Starts the simulated clock.
    pub fn build(self) -> Bacalhau {
        Bacalhau::from_builder(self)
    }
}

//! How a simulated requester is set up.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde_json::Value;

use super::Requester;
use crate::bacalhau::plan::Plan;
use crate::chance::Durations;

/// Decides what becomes of a job: its specification, and how many jobs were made before it.
pub(crate) type Script = Arc<dyn Fn(&Value, usize) -> Plan + Send + Sync>;

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    /// The last number of 0.3.x.
    pub(crate) patch: u32,
    pub(crate) nodes: usize,
    /// How many executions run at once on each node.
    pub(crate) workers: usize,
    pub(crate) engines: Vec<String>,
    pub(crate) durations: Durations,
}

impl Settings {
    /// The member of a submission that holds the signed payload.
    pub(crate) fn submit_member(&self) -> &'static str {
        match self.patch {
            ..=16 => "data",
            17..=25 => "job_create_payload",
            _ => "payload",
        }
    }

    /// The same of a cancellation. None: there is no such operation yet.
    pub(crate) fn cancel_member(&self) -> Option<&'static str> {
        match self.patch {
            ..=20 => None,
            21..=23 => Some("job_cancel_payload"),
            _ => Some("payload"),
        }
    }
}

/// Sets up a [`Requester`]. Everything has a default that suits most tests.
#[must_use]
pub struct RequesterBuilder {
    pub(crate) settings: Settings,
    pub(crate) start: Timestamp,
    pub(crate) speed: f64,
    pub(crate) ledger_limit: usize,
    pub(crate) script: Option<Script>,
}

impl fmt::Debug for RequesterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequesterBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Default for RequesterBuilder {
    fn default() -> Self {
        let settings = Settings {
            seed: 0,
            patch: 25,
            nodes: 1,
            workers: 16,
            engines: ["Docker", "Wasm", "Language"].map(str::to_owned).to_vec(),
            durations: Durations::LogNormal { median: Duration::from_secs(4), sigma: 0.4 },
        };
        // 2025-01-01T00:00:00Z
        let start = Timestamp::from_second(1_735_689_600).unwrap_or(Timestamp::UNIX_EPOCH);
        Self { settings, start, speed: 1.0, ledger_limit: usize::MAX, script: None }
    }
}

impl RequesterBuilder {
    /// The number from which everything random follows. Default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// The date at which the simulated clock starts. Default 2025-01-01T00:00:00Z.
    pub fn start(mut self, date: SystemTime) -> Self {
        self.start = Timestamp::try_from(date).unwrap_or(self.start);
        self
    }

    /// How many simulated seconds pass in a second of tokio's clock. Default 1; what is not above 0 is 1.
    pub fn speed(mut self, speed: f64) -> Self {
        self.speed = speed;
        self
    }

    /// The version of the server, `0.3.17` or newer: names of envelopes, forms of states, and whether
    /// there is cancel (from 0.3.21) and logs (from 0.3.26). Default `0.3.25`; other texts are ignored.
    pub fn version(mut self, version: &str) -> Self {
        let patch = version.trim_start_matches('v').strip_prefix("0.3.").and_then(|patch| patch.parse().ok());
        self.settings.patch = patch.filter(|patch| *patch >= 17).unwrap_or(self.settings.patch);
        self
    }

    /// How many compute nodes there are. Default 1.
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.settings.nodes = nodes;
        self
    }

    /// How many executions run at once on each node. Default 16; with 0 nothing ever starts.
    pub fn workers(mut self, workers: usize) -> Self {
        self.settings.workers = workers;
        self
    }

    /// What the nodes run. Default `Docker`, `Wasm` and `Language`; jobs for another engine are accepted
    /// and refused by every node.
    pub fn engines(mut self, engines: &[&str]) -> Self {
        self.settings.engines = engines.iter().map(|engine| (*engine).to_owned()).collect();
        self
    }

    /// How long an execution runs when nothing else says it. Default log-normal, median 4 s, sigma 0.4.
    pub fn durations(mut self, durations: Durations) -> Self {
        self.settings.durations = durations;
        self
    }

    /// Keeps only this many of the newest ledger entries; counts stay exact. Default: all.
    pub fn ledger_limit(mut self, entries: usize) -> Self {
        self.ledger_limit = entries;
        self
    }

    /// Decides what becomes of each job, from its specification (made uniform) and how many were made
    /// before. The job's own annotations come after.
    pub fn script(mut self, script: impl Fn(&Value, usize) -> Plan + Send + Sync + 'static) -> Self {
        self.script = Some(Arc::new(script));
        self
    }

    /// Starts the simulated clock.
    pub fn build(self) -> Requester {
        Requester::from_builder(self)
    }
}

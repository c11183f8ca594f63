//! How a simulated NuMind is set up.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde_json::Value;

use super::NuMind;
use super::plan::Plan;
use super::stream::StreamForm;
use super::world::Script;
use crate::chance::Durations;

/// The generation of the interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// Everything that either generation has, in answers that clients of both can read. The settings of
    /// projects have no such form: a project shows them as the generation does whose client made it (the
    /// newer sends `instructions`), one for Markdown as the older does.
    #[default]
    Both,
    /// As clients of version 0.2.0 know it, late 2025: without cancelling, reports and extraction without
    /// a project.
    V0_2,
    /// As clients of version 0.4.2 know it, late 2026.
    V0_4,
}

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    /// Empty: any token.
    pub(crate) tokens: Vec<String>,
    /// How many jobs it may submit.
    pub(crate) quota: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) workers: usize,
    pub(crate) durations: Durations,
    pub(crate) shape: Shape,
    pub(crate) ping: Duration,
    pub(crate) form: StreamForm,
    pub(crate) heartbeat: Duration,
    pub(crate) timeout: Option<Duration>,
    pub(crate) least_timeout: Option<Duration>,
    pub(crate) cancel_word: String,
    pub(crate) most_per_page: u64,
    pub(crate) token_life: Duration,
    pub(crate) accounts: Vec<Account>,
    /// Organizations with the names of their members.
    pub(crate) organizations: Vec<(String, Vec<String>)>,
}

impl Settings {
    /// How long a job may work, from the time that was asked for.
    pub(crate) fn job_timeout(&self, asked: Option<Duration>) -> Duration {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        let (usual, least) = match self.shape {
            Shape::V0_2 => (minutes(5), Duration::ZERO),
            Shape::Both => (minutes(60), Duration::ZERO),
            Shape::V0_4 => (minutes(60), minutes(5)),
        };
        let asked = asked.unwrap_or_else(|| self.timeout.unwrap_or(usual));
        asked.max(self.least_timeout.unwrap_or(least))
    }

    /// Whether this account belongs to an organization. Where none was set up, everybody belongs to all.
    pub(crate) fn belongs(&self, account: usize, organization: &str) -> bool {
        let name = &self.accounts[account].name;
        self.organizations.is_empty()
            || self.organizations.iter().any(|(id, members)| id == organization && members.contains(name))
    }
}

/// Sets up a [`NuMind`]. Everything has a default that suits most tests.
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
        f.debug_struct("Builder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Default for Builder {
    fn default() -> Self {
        let settings = Settings {
            seed: 0,
            workers: 64,
            durations: Durations::LogNormal { median: Duration::from_secs(4), sigma: 0.4 },
            shape: Shape::default(),
            ping: Duration::from_secs(30),
            form: StreamForm::default(),
            heartbeat: Duration::from_secs(10),
            timeout: None,
            least_timeout: None,
            cancel_word: "cancelled".to_owned(),
            most_per_page: 100,
            token_life: Duration::from_secs(300),
            accounts: vec![Account { name: "default".to_owned(), tokens: Vec::new(), quota: None }],
            organizations: Vec::new(),
        };
        // 2026-01-01T00:00:00Z
        let start = Timestamp::from_second(1_767_225_600).unwrap_or(Timestamp::UNIX_EPOCH);
        Self { settings, start, speed: 1.0, ledger_limit: usize::MAX, script: None }
    }
}

impl Builder {
    /// The number from which everything random follows. Default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// The date at which the simulated clock starts. Default 2026-01-01T00:00:00Z; use
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

    /// How many jobs are worked on at a time; the others are `pending`. Default 64; with 0 nothing ever
    /// starts.
    pub fn workers(mut self, workers: usize) -> Self {
        self.settings.workers = workers;
        self
    }

    /// How long a job works. Default log-normal, median 4 s, sigma 0.4.
    pub fn durations(mut self, durations: Durations) -> Self {
        self.settings.durations = durations;
        self
    }

    /// The generation of the interface. Default: both.
    pub fn shape(mut self, shape: Shape) -> Self {
        self.settings.shape = shape;
        self
    }

    /// Time between two pings of an event stream. Default 30 s.
    pub fn ping(mut self, time: Duration) -> Self {
        self.settings.ping = time;
        self
    }

    /// How events are written. Default: name, data, empty line, with LF.
    pub fn stream_form(mut self, form: StreamForm) -> Self {
        self.settings.form = form;
        self
    }

    /// Time between two moments at which a running job sees that it was cancelled, from its start on.
    /// Default 10 s.
    pub fn heartbeat(mut self, time: Duration) -> Self {
        self.settings.heartbeat = time;
        self
    }

    /// How long a job may work that asks for no timeout. Default one hour, with [`Shape::V0_2`] five minutes.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.settings.timeout = Some(time);
        self
    }

    /// Shorter timeouts are raised to this. Default none, with [`Shape::V0_4`] five minutes.
    pub fn least_timeout(mut self, time: Duration) -> Self {
        self.settings.least_timeout = Some(time);
        self
    }

    /// The status of a cancelled job: `cancelled` (default), `canceled`, or any other word. How the service
    /// spells it is not known.
    pub fn cancel_word(mut self, word: &str) -> Self {
        word.clone_into(&mut self.settings.cancel_word);
        self
    }

    /// The largest `perPage` of a list; more is refused. Default 100, as the service's prose has it; the
    /// signatures of its clients say 300.
    pub fn most_per_page(mut self, jobs: u64) -> Self {
        self.settings.most_per_page = jobs;
        self
    }

    /// How long an access token from the token endpoints is valid. Default 300 s.
    pub fn token_life(mut self, time: Duration) -> Self {
        self.settings.token_life = time;
        self
    }

    /// How many jobs the one default account may submit; more are refused with 403 `QuotaExceeded`.
    /// Default: without limit.
    pub fn quota(mut self, jobs: u64) -> Self {
        if let Some(account) = self.settings.accounts.first_mut() {
            account.quota = Some(jobs);
        }
        self
    }

    /// Adds an account with its tokens (API keys, and refresh tokens for the token endpoints) and how many
    /// jobs it may submit (None: without limit). From the first call on only tokens of such accounts are
    /// accepted, and each account sees only what is its own or its organizations'. Without any, every token
    /// that is not empty is accepted for one account named `default`.
    pub fn account(mut self, name: &str, tokens: &[&str], quota: Option<u64>) -> Self {
        self.settings.accounts.retain(|account| !account.tokens.is_empty());
        let tokens = tokens.iter().map(|token| (*token).to_owned()).collect();
        self.settings.accounts.push(Account { name: name.to_owned(), tokens, quota });
        self
    }

    /// Adds an organization with the names of the accounts that belong to it. Without any, every account
    /// belongs to every organization it names.
    pub fn organization(mut self, id: &str, members: &[&str]) -> Self {
        let members = members.iter().map(|name| (*name).to_owned()).collect();
        self.settings.organizations.push((id.to_owned(), members));
        self
    }

    /// Keeps only this many of the newest ledger entries; counts stay exact. Default: all.
    pub fn ledger_limit(mut self, entries: usize) -> Self {
        self.ledger_limit = entries;
        self
    }

    /// Decides what becomes of each job, from what was submitted (the job's `inputData`, with `kind`:
    /// `structured`, `content` or `template`, and with `text` if it is text) and how many jobs were made
    /// before. What the first line of the submission says comes after.
    pub fn script(mut self, script: impl Fn(&Value, usize) -> Plan + Send + Sync + 'static) -> Self {
        self.script = Some(Arc::new(script));
        self
    }

    /// Starts the simulated clock.
    pub fn build(self) -> NuMind {
        NuMind::from_builder(self)
    }
}

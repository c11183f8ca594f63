//! How a simulated Chutes is set up: deployed chutes, accounts, nodes, and what differs in newer servers.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde_json::Value;

use super::Chutes;
use super::plan::Plan;
use super::world::Script;
use crate::chance::{Durations, chance, hash, uuid};

/// A job method of a deployed chute.
#[derive(Clone, Debug)]
pub struct Method {
    pub(super) name: String,
    pub(super) upload: bool,
    pub(super) timeout: Option<u32>,
    pub(super) ssh: bool,
}

impl Method {
    /// A method that uploads its files and has no timeout.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), upload: true, timeout: None, ssh: false }
    }

    /// Declares no output files; only the runner's log.
    #[must_use]
    pub fn without_upload(mut self) -> Self {
        self.upload = false;
        self
    }

    /// After how many seconds the runner stops, without a report.
    #[must_use]
    pub fn timeout(mut self, seconds: u32) -> Self {
        self.timeout = Some(seconds);
        self
    }

    /// Has the SSH port among its ports.
    #[must_use]
    pub fn ssh(mut self) -> Self {
        self.ssh = true;
        self
    }
}

/// A deployed chute.
#[derive(Clone, Debug)]
pub struct Chute {
    pub(super) id: String,
    pub(super) name: String,
    /// Username of the account that owns it.
    pub(super) owner: String,
    pub(super) public: bool,
    pub(super) methods: Vec<Method>,
    pub(super) version: String,
    pub(super) chutes_version: Option<String>,
    pub(super) shutdown_after: Option<u32>,
    pub(super) shared: Vec<usize>,
    pub(super) deleted: bool,
}

impl Chute {
    /// A public chute without methods; `name` is `owner/name`.
    pub fn new(id: &str, name: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            owner: name.split('/').next().unwrap_or_default().to_owned(),
            public: true,
            methods: Vec::new(),
            version: uuid(&mut chance(hash(id.as_bytes()), 1)),
            chutes_version: Some("0.3.11".to_owned()),
            shutdown_after: None,
            shared: Vec::new(),
            deleted: false,
        }
    }

    /// Adds a job method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.methods.push(method);
        self
    }

    /// Only its owner, and those it was shared with, can use it.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.public = false;
        self
    }

    /// The version of the client library that it was built with. `None`: its jobs cannot be read.
    #[must_use]
    pub fn chutes_version(mut self, version: Option<&str>) -> Self {
        self.chutes_version = version.map(str::to_owned);
        self
    }

    /// Takes the node away from a job this many seconds after it began, as the service does with 300. Default: never.
    #[must_use]
    pub fn shutdown_after(mut self, seconds: u32) -> Self {
        self.shutdown_after = Some(seconds);
        self
    }

    pub(super) fn slug(&self) -> String {
        self.name.replace('/', "-")
    }
}

/// An API key as the service keeps it.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) name: String,
    pub(super) admin: bool,
    pub(super) scopes: Vec<Scope>,
    pub(super) created: Duration,
}

/// What a key that is no admin's may be used for.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) id: String,
    pub(super) object_type: String,
    pub(super) object_id: Option<String>,
    pub(super) action: Option<String>,
}

/// An account, with its credentials.
#[derive(Clone, Debug)]
pub struct Account {
    pub(super) name: String,
    pub(super) user_id: String,
    pub(super) keys: Vec<Key>,
    pub(super) hotkeys: Vec<String>,
    pub(super) balance: f64,
    pub(super) miner: bool,
}

impl Account {
    /// An account without credentials.
    pub fn new(name: &str) -> Self {
        let user_id = uuid(&mut chance(hash(name.as_bytes()), 0));
        Self { name: name.to_owned(), user_id, keys: Vec::new(), hotkeys: Vec::new(), balance: 0.0, miner: false }
    }

    /// Adds an API key (`cpk_…`, 102 characters) with all rights.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.add(key, true, Vec::new())
    }

    /// Adds an API key that may be used for one kind of objects only: `images`, `chutes` or `invocations`. Job routes
    /// refuse it.
    #[must_use]
    pub fn scoped_key(self, key: &str, object_type: &str) -> Self {
        let id = uuid(&mut chance(hash(key.as_bytes()), 1));
        let scope = Scope { id, object_type: object_type.to_owned(), object_id: None, action: None };
        self.add(key, false, vec![scope])
    }

    fn add(mut self, key: &str, admin: bool, scopes: Vec<Scope>) -> Self {
        let id = super::seals::dashed(key.get(4..36).unwrap_or_default());
        let name = format!("key {}", self.keys.len() + 1);
        self.keys.push(Key { id, secret: key.to_owned(), name, admin, scopes, created: Duration::ZERO });
        self
    }

    /// Registers a hotkey by its SS58 address.
    #[must_use]
    pub fn hotkey(mut self, address: &str) -> Self {
        self.hotkeys.push(address.to_owned());
        self
    }

    /// Its balance in US dollars. Default 0. It decides nothing.
    #[must_use]
    pub fn balance(mut self, dollars: f64) -> Self {
        self.balance = dollars;
        self
    }

    /// Its hotkeys are those of a registered miner.
    #[must_use]
    pub fn miner(mut self) -> Self {
        self.miner = true;
        self
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(super) seed: u64,
    pub(super) nodes: usize,
    pub(super) wait: Durations,
    pub(super) launch: Durations,
    pub(super) durations: Durations,
    pub(super) upload: Duration,
    pub(super) external_runner: bool,
    pub(super) accounts: Vec<Account>,
    /// Accounts were set up; else every credential of a right form is that of the one default account.
    pub(super) closed: bool,
    pub(super) chutes: Vec<Chute>,
    pub(super) quotas: Vec<(String, u64)>,
    pub(super) secret: String,
    pub(super) repaired_delete: bool,
    pub(super) exposed_status: bool,
    pub(super) server_id: bool,
    pub(super) strict_hotkeys: bool,
}

/// Sets up a [`Chutes`]. Everything has a default that suits most tests.
#[must_use]
pub struct Builder {
    pub(super) settings: Settings,
    pub(super) start: Timestamp,
    pub(super) speed: f64,
    pub(super) ledger_limit: usize,
    pub(super) script: Option<Script>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Default for Builder {
    fn default() -> Self {
        let mut owner = Account::new("acme");
        "5f1c2f0a-5b0e-5b7e-9c55-2f4f6f6f0a10".clone_into(&mut owner.user_id);
        let chute = Chute::new(Chutes::CHUTE, "acme/fine-tune")
            .method(Method::new("train").timeout(3600).ssh())
            .method(Method::new("evaluate").without_upload());
        let settings = Settings {
            seed: 0,
            nodes: 16,
            wait: Durations::Uniform(Duration::ZERO, Duration::from_secs(2)),
            launch: Durations::Uniform(Duration::from_millis(500), Duration::from_millis(1500)),
            durations: Durations::LogNormal { median: Duration::from_secs(4), sigma: 0.4 },
            upload: Duration::from_millis(300),
            external_runner: false,
            accounts: vec![owner],
            closed: false,
            chutes: vec![chute],
            quotas: Vec::new(),
            secret: "consign-sim".to_owned(),
            repaired_delete: false,
            exposed_status: false,
            server_id: false,
            strict_hotkeys: false,
        };
        // 2025-07-20T12:00:00Z
        let start = Timestamp::from_second(1_753_012_800).unwrap_or(Timestamp::UNIX_EPOCH);
        Self { settings, start, speed: 1.0, ledger_limit: usize::MAX, script: None }
    }
}

impl Builder {
    /// The number from which everything random follows. Default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// The date at which the simulated clock starts. Default 2025-07-20T12:00:00Z; use `SystemTime::now()` where a
    /// client signs with its own clock.
    pub fn start(mut self, date: SystemTime) -> Self {
        self.start = Timestamp::try_from(date).unwrap_or(self.start);
        self
    }

    /// How many simulated seconds pass in a second of tokio's clock. Default 1; what is not above 0 is 1.
    pub fn speed(mut self, speed: f64) -> Self {
        self.speed = speed;
        self
    }

    /// How many nodes there are, one job at a time on each. Default 16; with 0 no job is ever taken.
    pub fn workers(mut self, nodes: usize) -> Self {
        self.settings.nodes = nodes;
        self
    }

    /// How long a new job waits for the first miner that wants it. Default between 0 and 2 s.
    pub fn wait(mut self, time: Durations) -> Self {
        self.settings.wait = time;
        self
    }

    /// How long a node takes from the claim of a job to its verification. Default between 0.5 and 1.5 s.
    pub fn launch(mut self, time: Durations) -> Self {
        self.settings.launch = time;
        self
    }

    /// How long a job function works. Default log-normal, median 4 s, sigma 0.4.
    pub fn durations(mut self, durations: Durations) -> Self {
        self.settings.durations = durations;
        self
    }

    /// How long the runner takes for the upload of each file, and for the last report. Default 0.3 s.
    pub fn upload(mut self, time: Duration) -> Self {
        self.settings.upload = time;
        self
    }

    /// Nodes take jobs and start them, and then nothing is reported: the test is the runner, with the token that
    /// [`Chutes::job_token`] gives.
    pub fn external_runner(mut self) -> Self {
        self.settings.external_runner = true;
        self
    }

    /// Adds an account. From the first call on only credentials of such accounts are accepted, and each account sees
    /// its own jobs only. Without any, every API key of the right form and every valid hotkey signature is accepted
    /// for one account named `acme`, miners' routes included.
    pub fn account(mut self, account: Account) -> Self {
        if !self.settings.closed {
            self.settings.accounts.clear();
        }
        self.settings.closed = true;
        self.settings.accounts.push(account);
        self
    }

    /// Adds a chute, or replaces the one with the same id. By default there is [`Chutes::CHUTE`].
    pub fn chute(mut self, chute: Chute) -> Self {
        self.settings.chutes.retain(|other| other.id != chute.id);
        self.settings.chutes.push(chute);
        self
    }

    /// How many jobs an account may create in a day (UTC): on one chute by its id, on each of the others with `*`, on
    /// all together with `global`, which falls back to `*`. Default: no limit at all; from the first call on what is
    /// not set is 0, as on the service.
    pub fn quota(mut self, chute: &str, jobs: u64) -> Self {
        self.settings.quotas.retain(|(other, _)| other != chute);
        self.settings.quotas.push((chute.to_owned(), jobs));
        self
    }

    /// The secret that runners' tokens are signed with (HS256). Default `consign-sim`.
    pub fn secret(mut self, secret: &str) -> Self {
        secret.clone_into(&mut self.settings.secret);
        self
    }

    /// Deleting answers as its handler means to, with 200, and the record is gone. Default: 500, and the record stays.
    pub fn repaired_delete(mut self) -> Self {
        self.settings.repaired_delete = true;
        self
    }

    /// Job documents show the stored `status` and `error_detail`, which no known server does.
    pub fn exposed_status(mut self) -> Self {
        self.settings.exposed_status = true;
        self
    }

    /// Job documents have `server_id`, as newer servers' do.
    pub fn server_id(mut self) -> Self {
        self.settings.server_id = true;
        self
    }

    /// Without a nonce a signature is no credential, and `Authorization` is looked at, as newer servers do.
    pub fn strict_hotkeys(mut self) -> Self {
        self.settings.strict_hotkeys = true;
        self
    }

    /// Keeps only this many of the newest ledger entries; counts stay exact. Default: all.
    pub fn ledger_limit(mut self, entries: usize) -> Self {
        self.ledger_limit = entries;
        self
    }

    /// Decides what becomes of each job, from its arguments and how many jobs were made before. The member `sim` of a
    /// job's own arguments comes after.
    pub fn script(mut self, script: impl Fn(&Value, usize) -> Plan + Send + Sync + 'static) -> Self {
        self.script = Some(Arc::new(script));
        self
    }

    /// Starts the simulated clock.
    pub fn build(self) -> Chutes {
        Chutes::from_builder(self)
    }
}

//! How a simulated Civitai is set up.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde_json::Value;

use super::Civitai;
use super::plan::Plan;
use super::world::Script;
use crate::chance::Durations;

/// Forms of answers that differ between generations of the service. The default is the current form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shape {
    /// `result` is one blob object instead of an array of them.
    pub result_as_object: bool,
    /// Statuses have no `lastEvent`.
    pub no_last_event: bool,
    /// A submission that is not finished is answered with 202 and no body.
    pub accepted_without_body: bool,
    /// Reading a job by its id gives a collection instead of a bare status.
    pub job_as_collection: bool,
}

impl Shape {
    /// As the service answered in early 2024: `result` as an object, no `lastEvent`.
    pub fn older() -> Self {
        Self { result_as_object: true, no_last_event: true, ..Self::default() }
    }

    /// As the published document says: [`older`](Self::older), 202 without a body, collections by id.
    pub fn documented() -> Self {
        Self { accepted_without_body: true, job_as_collection: true, ..Self::older() }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    /// Empty: any token.
    pub(crate) tokens: Vec<String>,
    pub(crate) credit: Option<f64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    /// The provider of each worker.
    pub(crate) workers: Vec<String>,
    pub(crate) durations: Durations,
    pub(crate) queue: (u32, u32),
    pub(crate) place: Duration,
    pub(crate) hold: Duration,
    pub(crate) page: usize,
    pub(crate) url_life: Duration,
    pub(crate) shape: Shape,
    pub(crate) accept_status: u16,
    pub(crate) cancel_word: String,
    pub(crate) forget_deleted: bool,
    pub(crate) hex_ids: bool,
    pub(crate) accounts: Vec<Account>,
    pub(crate) coverage: Vec<(String, String, u32)>,
}

/// Sets up a [`Civitai`]. Everything has a default that suits most tests.
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
            workers: vec!["Civitai".to_owned(); 16],
            durations: Durations::LogNormal { median: Duration::from_secs(4), sigma: 0.4 },
            queue: (0, 4),
            place: Duration::from_secs(1),
            hold: Duration::from_secs(100),
            page: 20,
            url_life: Duration::from_secs(3600),
            shape: Shape::default(),
            accept_status: 200,
            cancel_word: "Deleted".to_owned(),
            forget_deleted: false,
            hex_ids: false,
            accounts: vec![Account { name: "default".to_owned(), tokens: Vec::new(), credit: None }],
            coverage: Vec::new(),
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

    /// How many workers there are, all of provider `Civitai`. Default 16; with 0 nothing ever starts.
    pub fn workers(mut self, workers: usize) -> Self {
        self.settings.workers = vec!["Civitai".to_owned(); workers];
        self
    }

    /// Adds workers of another provider.
    pub fn provider(mut self, provider: &str, workers: usize) -> Self {
        self.settings.workers.extend(std::iter::repeat_n(provider.to_owned(), workers));
        self
    }

    /// How long an attempt works. Default log-normal, median 4 s, sigma 0.4.
    pub fn durations(mut self, durations: Durations) -> Self {
        self.settings.durations = durations;
        self
    }

    /// How many jobs of other people a new job finds ahead, at least and at most. Default 0 to 4.
    pub fn queue(mut self, least: u32, most: u32) -> Self {
        self.settings.queue = (least, most);
        self
    }

    /// How long each of those takes on average. Default 1 s.
    pub fn place(mut self, time: Duration) -> Self {
        self.settings.place = time;
        self
    }

    /// How long a request with `wait=true` is held, in simulated time, before it is answered with 202.
    /// Default 100 s.
    pub fn hold(mut self, time: Duration) -> Self {
        self.settings.hold = time;
        self
    }

    /// How many jobs a page of a query has. Default 20, at least 1.
    pub fn page_size(mut self, jobs: usize) -> Self {
        self.settings.page = jobs.max(1);
        self
    }

    /// How long the URL of a blob is valid. Default one hour.
    pub fn url_life(mut self, time: Duration) -> Self {
        self.settings.url_life = time;
        self
    }

    /// The generation of answers. Default: the current one.
    pub fn shape(mut self, shape: Shape) -> Self {
        self.settings.shape = shape;
        self
    }

    /// The status of a submission without `wait`: 200 (default) or 202. Both are seen from the service.
    pub fn accept_status(mut self, status: u16) -> Self {
        self.settings.accept_status = if status == 202 { 202 } else { 200 };
        self
    }

    /// The event of a cancelled job: `Deleted` (default), `Canceled`, or any other word.
    pub fn cancel_word(mut self, word: &str) -> Self {
        word.clone_into(&mut self.settings.cancel_word);
        self
    }

    /// Cancelled jobs are unknown afterwards: 404 when they are read, instead of their last event.
    pub fn forget_deleted(mut self) -> Self {
        self.settings.forget_deleted = true;
        self
    }

    /// Job ids are 64 hexadecimal digits instead of UUIDs.
    pub fn hex_ids(mut self) -> Self {
        self.settings.hex_ids = true;
        self
    }

    /// What the one default account may spend. Default: without limit. A job is paid for when it is
    /// accepted, and not paid back.
    pub fn credit(mut self, credit: f64) -> Self {
        if let Some(account) = self.settings.accounts.first_mut() {
            account.credit = Some(credit);
        }
        self
    }

    /// Adds an account with its tokens and what it may spend (None: without limit). From the first
    /// call on only tokens of such accounts are accepted, and each account sees its own jobs only.
    /// Without any, every token that is not empty is accepted for one account named `default`.
    pub fn account(mut self, name: &str, tokens: &[&str], credit: Option<f64>) -> Self {
        self.settings.accounts.retain(|account| !account.tokens.is_empty());
        let tokens = tokens.iter().map(|token| (*token).to_owned()).collect();
        self.settings.accounts.push(Account { name: name.to_owned(), tokens, credit });
        self
    }

    /// What coverage says of a model: `Available`, `Unavailable`, `Unsupported`, `Unknown`, or any other word.
    pub fn coverage(mut self, model: &str, availability: &str, workers: u32) -> Self {
        self.settings.coverage.push((model.to_owned(), availability.to_owned(), workers));
        self
    }

    /// Keeps only this many of the newest ledger entries; counts stay exact. Default: all.
    pub fn ledger_limit(mut self, entries: usize) -> Self {
        self.ledger_limit = entries;
        self
    }

    /// Decides what becomes of each job, from its template as it came and how many jobs were made before.
    /// A job's own `properties.sim` comes after.
    pub fn script(mut self, script: impl Fn(&Value, usize) -> Plan + Send + Sync + 'static) -> Self {
        self.script = Some(Arc::new(script));
        self
    }

    /// Starts the simulated clock.
    pub fn build(self) -> Civitai {
        Civitai::from_builder(self)
    }
}

//! The state of the simulated service and its passage through time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::sync::Notify;

use super::auth::Tokens;
use super::plan::Plan;
use super::settings::{Settings, Shape};
use super::shelf::Shelf;
use crate::chance::{chance, uuid};
use crate::clock::{Clock, seconds};

/// Decides what becomes of a job: what was submitted, and how many jobs were made before it.
pub(crate) type Script = Arc<dyn Fn(&Value, usize) -> Plan + Send + Sync>;

/// What kind of work a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Extraction into a template.
    Structured,
    /// Markdown from a document.
    Content,
    /// A template from a description or a document.
    Template,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Structured => "structured",
            Self::Content => "content",
            Self::Template => "template",
        }
    }
}

/// A job as it is now.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct JobView {
    /// Its id.
    pub id: String,
    /// What it does.
    pub kind: Kind,
    /// Its status word.
    pub status: String,
    /// The account that submitted it.
    pub account: String,
    /// The organization that owns it.
    pub organization: Option<String>,
    /// The project that it was submitted to.
    pub project: Option<String>,
    /// What was submitted: `inputData`, decoded.
    pub input: Value,
    /// When it was submitted, in simulated time since the start.
    pub created: Duration,
    /// When a worker began with it.
    pub started: Option<Duration>,
    /// When it ended (`completedAt`).
    pub ended: Option<Duration>,
    /// How long it may work.
    pub timeout: Duration,
    /// Whether it was asked to stop.
    pub cancel_asked: bool,
    /// How many event streams were opened for it.
    pub streams: u32,
    /// Ids of its children.
    pub children: Vec<String>,
}

/// A job, or one of its children.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Which {
    pub(crate) job: usize,
    pub(crate) child: Option<usize>,
}

/// What a job works on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subject {
    /// The text, or what the model sees instead.
    pub(crate) text: String,
    /// `documentInfo` of the result.
    pub(crate) info: Option<Value>,
    pub(crate) bytes: Bytes,
    /// The format is not one that the service reads.
    pub(crate) unreadable: bool,
    pub(crate) template: Option<Value>,
    /// `selectedExamples` of the result.
    pub(crate) examples: Vec<Value>,
}

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) account: usize,
    pub(crate) organization: Option<String>,
    pub(crate) project: Option<String>,
    pub(crate) input: Map<String, Value>,
    pub(crate) subject: Subject,
    pub(crate) plan: Plan,
    pub(crate) timeout: Duration,
    pub(crate) seed: i64,
    pub(crate) word: String,
    pub(crate) created: Duration,
    pub(crate) started: Option<Duration>,
    pub(crate) updated: Duration,
    pub(crate) ended: Option<Duration>,
    pub(crate) cancel_asked: bool,
    pub(crate) streams: u32,
    pub(crate) children: Vec<String>,
    /// Told when it ends.
    pub(crate) end: Arc<Notify>,
    /// The word that it will end with, and when.
    fate: Option<(Duration, String)>,
    /// Grows when planned steps become void.
    round: u32,
}

/// A new job.
pub(crate) struct Order {
    pub(crate) kind: Kind,
    pub(crate) account: usize,
    pub(crate) organization: Option<String>,
    pub(crate) project: Option<String>,
    pub(crate) input: Map<String, Value>,
    pub(crate) subject: Subject,
    pub(crate) script: Option<Value>,
    pub(crate) timeout: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Ready,
    End,
    Stop,
}

/// A step that is to come: when, in which order, of which job, in which round of it, what.
type Planned = (Duration, u64, usize, u32, Step);

pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) script: Option<Script>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) by_id: HashMap<String, Which>,
    /// How many jobs each account has submitted.
    pub(crate) submitted: Vec<u64>,
    pub(crate) shelf: Shelf,
    pub(crate) tokens: Tokens,
    pub(crate) running: usize,
    pub(crate) queue: VecDeque<usize>,
    agenda: BinaryHeap<Reverse<Planned>>,
    planned: u64,
    ids: fastrand::Rng,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("jobs", &self.jobs.len()).finish_non_exhaustive()
    }
}

impl World {
    pub(crate) fn new(settings: Settings, clock: Clock, script: Option<Script>) -> Self {
        Self {
            submitted: vec![0; settings.accounts.len()],
            ids: chance(settings.seed, u64::MAX),
            settings,
            clock,
            script,
            jobs: Vec::new(),
            by_id: HashMap::new(),
            shelf: Shelf::default(),
            tokens: Tokens::default(),
            running: 0,
            queue: VecDeque::new(),
            agenda: BinaryHeap::new(),
            planned: 0,
        }
    }

    /// A new id. The newer generation has prefixes, the older UUIDs.
    pub(crate) fn new_id(&mut self, prefix: &str) -> String {
        if self.settings.shape != Shape::V0_4 {
            return uuid(&mut self.ids);
        }
        let digits = b"0123456789abcdefghjkmnpqrstvwxyz";
        let random: String = (0..24).map(|_| char::from(digits[self.ids.usize(..32)])).collect();
        format!("{prefix}_01{random}")
    }

    /// A text that nobody guesses.
    pub(crate) fn new_secret(&mut self) -> String {
        uuid(&mut self.ids)
    }

    /// A date as the service writes it, with milliseconds.
    pub(crate) fn text(&self, at: Duration) -> String {
        let date = self.clock.date(at);
        Timestamp::from_millisecond(date.as_millisecond()).unwrap_or(date).to_string()
    }

    /// Brings the world up to the present and gives the simulated time.
    pub(crate) fn advance(&mut self) -> Duration {
        let now = self.clock.now();
        while let Some(Reverse((at, _, job, round, step))) = self.agenda.peek().copied() {
            if at > now {
                break;
            }
            self.agenda.pop();
            if self.jobs[job].round == round {
                self.take(step, job, at);
            }
        }
        now
    }

    /// When something happens next by itself.
    pub(crate) fn next_step(&self) -> Option<Duration> {
        self.agenda.peek().map(|Reverse((at, ..))| *at)
    }

    fn plan_step(&mut self, at: Duration, job: usize, step: Step) {
        self.planned += 1;
        self.agenda.push(Reverse((at, self.planned, job, self.jobs[job].round, step)));
    }

    fn take(&mut self, step: Step, job: usize, at: Duration) {
        match step {
            Step::Ready => {
                self.queue.push_back(job);
                self.assign(at);
            }
            Step::End => {
                let word = self.jobs[job].fate.take().map_or_else(|| "completed".to_owned(), |(_, word)| word);
                self.end(job, &word, at);
            }
            Step::Stop => {
                let word = self.settings.cancel_word.clone();
                self.end(job, &word, at);
            }
        }
    }

    /// Makes a job. The error is what is wrong with its script.
    pub(crate) fn submit(&mut self, now: Duration, order: Order) -> Result<usize, String> {
        let number = self.jobs.len();
        let mut shown = order.input.clone();
        shown.insert("kind".to_owned(), order.kind.word().into());
        if order.subject.bytes.is_empty() || std::str::from_utf8(&order.subject.bytes).is_ok() {
            shown.insert("text".to_owned(), order.subject.text.as_str().into());
        }
        let script = self.script.clone();
        let mut plan = script.map_or_else(Plan::default, |script| script(&Value::Object(shown), number));
        if let Some(json) = &order.script {
            plan = plan.amended(json)?;
        }
        if order.subject.unreadable && plan.outcome.is_none() {
            plan.outcome = Some("failed".to_owned());
            plan.code.get_or_insert_with(|| "UnsupportedFormat".to_owned());
            plan.message.get_or_insert_with(|| "Unsupported file format".to_owned());
        }
        let id = self.new_id("job");
        let children: Vec<String> = (0..plan.children).map(|_| self.new_id("job")).collect();
        self.by_id.insert(id.clone(), Which { job: number, child: None });
        for (child, id) in children.iter().enumerate() {
            self.by_id.insert(id.clone(), Which { job: number, child: Some(child) });
        }
        let mut rng = chance(self.settings.seed, number as u64 * 4);
        let pending = seconds(plan.pending.unwrap_or_else(|| rng.f64()));
        let seed = order.input.get("randomSeed").and_then(Value::as_i64).unwrap_or_else(|| rng.i64(0..1 << 40));
        self.submitted[order.account] += 1;
        self.jobs.push(Job {
            id,
            kind: order.kind,
            account: order.account,
            organization: plan.organization.clone().or(order.organization),
            project: order.project,
            input: order.input,
            subject: order.subject,
            plan,
            timeout: self.settings.job_timeout(order.timeout),
            seed,
            word: "pending".to_owned(),
            created: now,
            started: None,
            updated: now,
            ended: None,
            cancel_asked: false,
            streams: 0,
            children,
            end: Arc::new(Notify::new()),
            fate: None,
            round: 0,
        });
        self.plan_step(now.saturating_add(pending), number, Step::Ready);
        Ok(number)
    }

    /// Gives queued jobs to free workers.
    fn assign(&mut self, at: Duration) {
        while self.running < self.settings.workers {
            let Some(job) = self.queue.pop_front() else { return };
            self.running += 1;
            let mut rng = chance(self.settings.seed, job as u64 * 4 + 1);
            let drawn = self.settings.durations.draw(&mut rng);
            let this = &mut self.jobs[job];
            let work = this.plan.seconds.map_or(drawn, seconds);
            let word =
                if work > this.timeout { "timeout" } else { this.plan.outcome.as_deref().unwrap_or("completed") };
            let end = at.saturating_add(work.min(this.timeout));
            this.fate = Some((end, word.to_owned()));
            this.started = Some(at);
            this.updated = at;
            "running".clone_into(&mut this.word);
            self.plan_step(end, job, Step::End);
        }
    }

    fn end(&mut self, job: usize, word: &str, at: Duration) {
        let this = &mut self.jobs[job];
        word.clone_into(&mut this.word);
        this.updated = at;
        this.round += 1;
        let worked = this.started.is_some();
        if this.plan.open_end && !this.cancel_asked {
            return;
        }
        this.ended = Some(at);
        this.end.notify_waiters();
        if worked {
            self.running -= 1;
            self.assign(at);
        } else {
            self.queue.retain(|queued| *queued != job);
        }
    }

    /// Asks a job to stop: at once if it has not begun, else at its next heartbeat, unless it ends before.
    pub(crate) fn cancel(&mut self, job: usize, now: Duration) {
        let this = &mut self.jobs[job];
        if this.ended.is_some() || this.cancel_asked {
            return;
        }
        this.cancel_asked = true;
        let Some(started) = this.started else {
            return self.take(Step::Stop, job, now);
        };
        let beat = self.settings.heartbeat.max(Duration::from_millis(1));
        let beats = now.saturating_sub(started).as_nanos() / beat.as_nanos() + 1;
        let stop = started.saturating_add(beat.saturating_mul(u32::try_from(beats).unwrap_or(u32::MAX)));
        self.plan_step(stop, job, Step::Stop);
    }

    pub(crate) fn view(&self, job: &Job) -> JobView {
        JobView {
            id: job.id.clone(),
            kind: job.kind,
            status: job.word.clone(),
            account: self.settings.accounts[job.account].name.clone(),
            organization: job.organization.clone(),
            project: job.project.clone(),
            input: Value::Object(job.input.clone()),
            created: job.created,
            started: job.started,
            ended: job.ended,
            timeout: job.timeout,
            cancel_asked: job.cancel_asked,
            streams: job.streams,
            children: job.children.clone(),
        }
    }

    /// Whether an account may see what this account and organization own.
    pub(crate) fn sees(&self, account: usize, owner: usize, organization: Option<&str>) -> bool {
        account == owner
            || organization
                .is_some_and(|id| !self.settings.organizations.is_empty() && self.settings.belongs(account, id))
    }
}

//! The state of the simulated service and its passage through time.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use super::answers;
use super::job::{Event, Job, JobView, State, Taint, Webhook};
use super::plan::{EndMark, Plan};
use super::settings::Settings;
use super::submit::Submission;
use crate::chance::chance;
use crate::clock::{Clock, seconds};

/// Time between a failed attempt and the next.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Decides what becomes of a job: the template as it came, and how many jobs were made before it.
pub(crate) type Script = Arc<dyn Fn(&Value, usize) -> Plan + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Ready,
    Update(u32, u32),
    End,
    ClaimExpires,
    Expire,
}

/// A step that is to come: when, in which order, of which job, in which round of it, what.
type Planned = (Duration, u64, usize, u32, Step);

/// A held request: how many of its jobs have yet to end, and whom to tell.
#[derive(Debug)]
struct Waiter {
    left: usize,
    notify: Arc<Notify>,
}

pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) script: Option<Script>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) by_id: HashMap<String, usize>,
    /// Blob key to job and number of the picture.
    pub(crate) blobs: HashMap<String, (usize, usize)>,
    pub(crate) deleted_blobs: HashSet<String>,
    pub(crate) submissions: Vec<Submission>,
    /// How often each body was submitted.
    pub(super) bodies: HashMap<u64, usize>,
    pub(crate) queue: super::queue::Queue,
    free: BTreeSet<usize>,
    /// The different providers of the workers.
    pub(crate) providers: Vec<String>,
    agenda: BinaryHeap<Reverse<Planned>>,
    planned: u64,
    waiters: HashMap<u64, Waiter>,
    next_waiter: u64,
    pub(crate) webhooks: Vec<Webhook>,
    /// What each account has spent.
    pub(crate) spent: Vec<f64>,
    /// When jobs with the same properties came, for priorities given as a range.
    pub(super) recent: HashMap<u64, VecDeque<Duration>>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("jobs", &self.jobs.len()).finish_non_exhaustive()
    }
}

impl World {
    pub(crate) fn new(settings: Settings, clock: Clock, script: Option<Script>) -> Self {
        let mut providers = settings.workers.clone();
        providers.dedup();
        Self {
            free: (0..settings.workers.len()).collect(),
            providers,
            spent: vec![0.0; settings.accounts.len()],
            settings,
            clock,
            script,
            jobs: Vec::new(),
            by_id: HashMap::new(),
            blobs: HashMap::new(),
            deleted_blobs: HashSet::new(),
            submissions: Vec::new(),
            bodies: HashMap::new(),
            queue: super::queue::Queue::default(),
            agenda: BinaryHeap::new(),
            planned: 0,
            waiters: HashMap::new(),
            next_waiter: 0,
            webhooks: Vec::new(),
            recent: HashMap::new(),
        }
    }

    /// Brings the world up to the present and gives the simulated time.
    pub(crate) fn advance(&mut self) -> Duration {
        let now = self.clock.now();
        while let Some(Reverse((at, _, job, round, step))) = self.agenda.peek().copied() {
            if at > now {
                break;
            }
            self.agenda.pop();
            let void = self.jobs[job].ended() || (step != Step::Expire && self.jobs[job].round != round);
            if !void {
                self.take(step, job, at);
            }
        }
        now
    }

    /// When something happens next by itself.
    pub(crate) fn next_step(&self) -> Option<Duration> {
        self.agenda.peek().map(|Reverse((at, ..))| *at)
    }

    pub(super) fn plan_step(&mut self, at: Duration, job: usize, step: Step) {
        self.planned += 1;
        self.agenda.push(Reverse((at, self.planned, job, self.jobs[job].round, step)));
    }

    fn take(&mut self, step: Step, job: usize, at: Duration) {
        match step {
            Step::Ready => self.enqueue(job, at),
            Step::Update(part, parts) => {
                let mut context = Map::new();
                context.insert("progress".to_owned(), json!(f64::from(part) / f64::from(parts)));
                self.emit(job, "Updated", at, context, false, Some(false));
            }
            Step::End => {
                self.conclude(job, at);
                self.assign(at);
            }
            Step::ClaimExpires => {
                self.finish_attempt(job, "ClaimExpired", at, EndMark::Usual, Map::new());
                self.assign(at);
            }
            Step::Expire => {
                self.withdraw(job);
                self.emit(job, "Expired", at, Map::new(), true, Some(true));
                self.end(job, at);
                self.assign(at);
            }
        }
    }

    /// Puts a job behind other people's, or straight into the queue.
    pub(super) fn begin(&mut self, job: usize, now: Duration) {
        let mut rng = chance(self.settings.seed, job as u64 * 64 + 62);
        let (low, high) = self.settings.queue;
        let ahead = self.jobs[job].plan.queue.unwrap_or_else(|| rng.u32(low..=high.max(low)));
        if ahead == 0 {
            return self.enqueue(job, now);
        }
        let each = self.settings.place.as_secs_f64() * (0.5 + rng.f64());
        let until = now + seconds(each * f64::from(ahead));
        self.jobs[job].state = State::Waiting { since: now, until, ahead };
        self.plan_step(until, job, Step::Ready);
    }

    fn enqueue(&mut self, job: usize, at: Duration) {
        if !self.providers.iter().any(|provider| self.allows(job, provider)) {
            self.jobs[job].state = State::Unserved;
            return;
        }
        let place = self.queue.push(self.jobs[job].priority, job, self.jobs[job].template.cost);
        self.jobs[job].state = State::Queued(place);
        self.assign(at);
    }

    pub(crate) fn allows(&self, job: usize, provider: &str) -> bool {
        let asked = &self.jobs[job].template.providers;
        asked.is_empty() || asked.iter().any(|name| name.eq_ignore_ascii_case(provider))
    }

    /// Gives queued jobs to free workers.
    fn assign(&mut self, at: Duration) {
        while !self.free.is_empty() {
            let next = self.queue.in_order().find_map(|(place, job)| {
                let worker = self.free.iter().find(|w| self.allows(job, &self.settings.workers[**w]));
                worker.map(|worker| (place, job, *worker))
            });
            let Some((place, job, worker)) = next else { return };
            self.queue.remove(place, self.jobs[job].template.cost);
            self.claim(job, worker, at);
        }
    }

    fn claim(&mut self, job: usize, worker: usize, at: Duration) {
        self.jobs[job].round += 1;
        self.jobs[job].begun += 1;
        self.jobs[job].state = State::Claimed { worker, since: at };
        self.free.remove(&worker);
        if self.outcome(job) == "Rejected" {
            return self.conclude(job, at);
        }
        self.emit(job, "Claimed", at, Map::new(), false, Some(false));
        let attempt = u64::from(self.jobs[job].attempt.min(61));
        let mut rng = chance(self.settings.seed, job as u64 * 64 + attempt);
        let drawn = self.settings.durations.draw(&mut rng);
        let work = self.jobs[job].plan.seconds.map_or(drawn, seconds);
        let timeout = self.jobs[job].template.timeout;
        let parts = self.jobs[job].plan.updates.unwrap_or(3).min(1000) + 1;
        for part in 1..parts {
            let after = work.mul_f64(f64::from(part) / f64::from(parts));
            if after < timeout {
                self.plan_step(at + after, job, Step::Update(part, parts));
            }
        }
        if work > timeout {
            self.plan_step(at + timeout, job, Step::ClaimExpires);
        } else {
            self.plan_step(at + work, job, Step::End);
        }
    }

    /// The event that the current attempt of a job leads to.
    fn outcome(&self, job: usize) -> String {
        let job = &self.jobs[job];
        let lifted = job.plan.failures.is_some_and(|n| job.attempt >= n)
            || (job.plan.mark == EndMark::NotEnded && job.plan.failures.is_none() && job.attempt > 0);
        let planned = job.plan.outcome.as_deref().filter(|_| !lifted);
        planned.unwrap_or("Succeeded").to_owned()
    }

    /// Ends the current attempt as it was planned.
    fn conclude(&mut self, job: usize, at: Duration) {
        let word = self.outcome(job);
        let planned = self.jobs[job].plan.outcome.as_deref().unwrap_or("Succeeded") == word;
        let mark = if planned { self.jobs[job].plan.mark } else { EndMark::Usual };
        let mut context = answers::end_context(self, job, &word);
        if planned {
            context.extend(self.jobs[job].plan.context.clone());
        }
        self.finish_attempt(job, &word, at, mark, context);
    }

    fn finish_attempt(&mut self, job: usize, word: &str, at: Duration, mark: EndMark, context: Map<String, Value>) {
        let again = matches!(word, "Failed" | "Rejected" | "LateRejected" | "ClaimExpired")
            && match mark {
                EndMark::Usual => self.jobs[job].attempt < self.jobs[job].template.retries,
                EndMark::NotEnded => true,
                EndMark::Ended | EndMark::Absent => false,
            };
        let completed = match mark {
            EndMark::Usual => Some(!again),
            EndMark::Ended => Some(true),
            EndMark::NotEnded => Some(false),
            EndMark::Absent => None,
        };
        self.emit(job, word, at, context, true, completed);
        self.withdraw(job);
        if again {
            self.jobs[job].attempt += 1;
            self.jobs[job].state = State::Waiting { since: at, until: at + RETRY_PAUSE, ahead: 0 };
            self.plan_step(at + RETRY_PAUSE, job, Step::Ready);
        } else if mark == EndMark::NotEnded {
            self.jobs[job].state = State::Stuck;
        } else {
            self.end(job, at);
        }
    }

    /// Takes a job from its worker or out of the queue; planned steps become void.
    fn withdraw(&mut self, job: usize) {
        match self.jobs[job].state {
            State::Claimed { worker, .. } => {
                self.free.insert(worker);
            }
            State::Queued(place) => self.queue.remove(place, self.jobs[job].template.cost),
            _ => {}
        }
        self.jobs[job].round += 1;
    }

    pub(super) fn emit(
        &mut self,
        job: usize,
        word: &str,
        at: Duration,
        context: Map<String, Value>,
        claim_completed: bool,
        job_completed: Option<bool>,
    ) {
        let claimed = match self.jobs[job].state {
            State::Claimed { worker, since } => Some((worker, at.saturating_sub(since))),
            _ => None,
        };
        let begun = word != "Initialized";
        let event = Event {
            word: word.to_owned(),
            at,
            worker: claimed.map(|(worker, _)| worker),
            context,
            claim_duration: claimed.map(|(_, span)| span).filter(|_| word != "Claimed" && word != "Rejected"),
            job_duration: begun.then(|| at.saturating_sub(self.jobs[job].created)),
            attempt: self.jobs[job].attempt,
            claim_completed,
            job_completed,
        };
        if let Some(url) = self.jobs[job].template.callback.clone() {
            let body = answers::event(self, job, &event);
            self.webhooks.push(Webhook { at, url, body });
        }
        self.jobs[job].history.push((at, word.to_owned()));
        self.jobs[job].last = Some(event);
    }

    /// Marks a job as ended, tells who waits for it, and lets its dependents go on or fail.
    fn end(&mut self, job: usize, at: Duration) {
        let mut ended = vec![job];
        while let Some(job) = ended.pop() {
            self.jobs[job].state = State::Ended;
            if self.jobs[job].template.kind.wire == "blobDelete" && self.jobs[job].succeeded() {
                let key = self.jobs[job].template.raw.get("key").and_then(Value::as_str).unwrap_or_default();
                self.deleted_blobs.insert(key.to_owned());
            }
            for waiter in std::mem::take(&mut self.jobs[job].waiters) {
                if let Some(waiter) = self.waiters.get_mut(&waiter) {
                    waiter.left = waiter.left.saturating_sub(1);
                    if waiter.left == 0 {
                        waiter.notify.notify_one();
                    }
                }
            }
            let succeeded = self.jobs[job].succeeded();
            for dependent in std::mem::take(&mut self.jobs[job].dependents) {
                let State::Blocked(left) = self.jobs[dependent].state else { continue };
                if !succeeded {
                    let error = format!("dependency {} did not succeed", self.jobs[job].id);
                    let mut context = Map::new();
                    context.insert("error".to_owned(), json!(error));
                    self.emit(dependent, "Failed", at, context, true, Some(true));
                    self.jobs[dependent].state = State::Ended;
                    ended.push(dependent);
                } else if left > 1 {
                    self.jobs[dependent].state = State::Blocked(left - 1);
                } else {
                    self.begin(dependent, at);
                }
            }
        }
    }

    /// Cancels a job. Without `force` a job that a worker is on goes on; an ended job stays as it is.
    pub(crate) fn cancel(&mut self, job: usize, now: Duration, force: bool) {
        let claimed = matches!(self.jobs[job].state, State::Claimed { .. });
        if claimed && !force {
            return;
        }
        if !self.jobs[job].ended() {
            let word = self.settings.cancel_word.clone();
            self.emit(job, &word, now, Map::new(), true, Some(true));
            self.withdraw(job);
            self.end(job, now);
            self.assign(now);
        }
        self.jobs[job].forgotten = self.settings.forget_deleted;
    }

    pub(crate) fn taint(&mut self, job: usize, reason: Option<&str>, context: Option<&Value>) {
        self.jobs[job].taint = Some(Taint { reason: reason.map(str::to_owned), context: context.cloned() });
    }

    /// Asks to be told when all of these jobs have ended. None: they have.
    pub(crate) fn wait_for(&mut self, jobs: &[usize]) -> Option<(u64, Arc<Notify>)> {
        let open: BTreeSet<usize> = jobs.iter().copied().filter(|job| !self.jobs[*job].ended()).collect();
        if open.is_empty() {
            return None;
        }
        let (id, notify) = (self.next_waiter, Arc::new(Notify::new()));
        self.next_waiter += 1;
        for job in &open {
            let waiters = &mut self.jobs[*job].waiters;
            if waiters.len() > 8 {
                waiters.retain(|waiter| self.waiters.contains_key(waiter));
            }
            waiters.push(id);
        }
        self.waiters.insert(id, Waiter { left: open.len(), notify: notify.clone() });
        Some((id, notify))
    }

    pub(crate) fn stop_waiting(&mut self, waiter: u64) {
        self.waiters.remove(&waiter);
    }

    pub(crate) fn has_waiters(&self) -> bool {
        !self.waiters.is_empty()
    }

    /// A job as a test sees it.
    pub(crate) fn view(&self, job: &Job) -> JobView {
        JobView {
            id: job.id.clone(),
            account: self.settings.accounts[job.account].name.clone(),
            template: Value::Object(job.template.raw.clone()),
            phase: job.phase(),
            events: job.history.clone(),
            attempts: job.begun,
            submitted: self.bodies.get(&self.submissions[job.submission].body).copied().unwrap_or(0),
            tainted: job.taint.clone(),
            cost: job.template.cost,
            priority: job.priority,
            blobs: job.blobs.clone(),
        }
    }

    /// Whether the blobs of a job can be fetched.
    pub(crate) fn blobs_ready(&self, job: &Job, now: Duration) -> bool {
        let ended = job.last.as_ref().map_or(Duration::MAX, |event| event.at);
        job.succeeded() && now >= ended.saturating_add(seconds(job.plan.blob_lag))
    }
}

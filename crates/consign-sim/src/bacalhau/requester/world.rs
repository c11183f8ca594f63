//! The state of the simulated requester: jobs, their executions, and their passage through time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::settings::{Script, Settings};
use super::spec::Spec;
use crate::bacalhau::agenda::Agenda;
use crate::bacalhau::content_id;
use crate::bacalhau::plan::{Ends, Plan, Work};
use crate::chance::{chance, hash, mix, uuid};
use crate::clock::{Clock, seconds};

/// Time that a step of a protocol takes.
const SOON: Duration = Duration::from_millis(1);
/// Time that publishing takes.
const PUBLISHING: Duration = Duration::from_millis(6);
/// How many more nodes are asked than are needed.
const OVERASK: u64 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// Nodes are there for a job that waited for them.
    Start(usize),
    /// The nodes that were chosen for a job are asked.
    Ask(usize),
    /// A node answers whether it wants an execution.
    Answer(usize),
    /// The program of an execution ends.
    End(usize),
    /// The result of an execution is published.
    Published(usize),
}

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) client: String,
    pub(crate) api_version: String,
    pub(crate) spec: Spec,
    pub(crate) plan: Plan,
    pub(crate) state: String,
    pub(crate) version: u64,
    /// Nanoseconds since 1970: when it was made, and its state's two times.
    pub(crate) made: i64,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) executions: Vec<usize>,
    pub(crate) history: Vec<Value>,
    /// Hash of the body that made it.
    pub(crate) body: u64,
}

impl Job {
    pub(crate) fn terminal(&self) -> bool {
        matches!(self.state.as_str(), "Completed" | "CompletedPartially" | "Error" | "Cancelled")
    }
}

#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) job: usize,
    pub(crate) node: usize,
    /// Its id on the node; empty until the node answered.
    pub(crate) reference: String,
    pub(crate) state: &'static str,
    pub(crate) status: String,
    pub(crate) version: u64,
    /// The later of the two, against its name.
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) verified: Option<bool>,
    pub(crate) published: Value,
    pub(crate) work: Option<Work>,
    /// Whether its output is known.
    pub(crate) has_output: bool,
    pub(crate) begun: Option<Duration>,
    pub(crate) ended: Option<Duration>,
    placed: bool,
}

impl Execution {
    pub(crate) fn terminal(&self) -> bool {
        self.discarded() || self.state == "Completed"
    }

    fn discarded(&self) -> bool {
        matches!(self.state, "AskForBidRejected" | "BidRejected" | "ResultRejected" | "Failed" | "Cancelled")
    }

    fn active(&self) -> bool {
        matches!(self.state, "BidAccepted" | "WaitingVerification" | "ResultAccepted" | "Completed")
    }
}

pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) script: Option<Script>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) executions: Vec<Execution>,
    pub(crate) by_id: BTreeMap<String, usize>,
    pub(crate) nodes: Vec<String>,
    busy: Vec<usize>,
    waiting: VecDeque<usize>,
    pub(crate) agenda: Agenda<Step>,
    last: i64,
    /// How many lists were asked for; their order is random.
    pub(crate) lists: u64,
    pub(crate) bodies: HashMap<u64, usize>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("jobs", &self.jobs.len()).finish_non_exhaustive()
    }
}

/// The date of a moment, as Go writes it.
pub(crate) fn date(nanoseconds: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or_default().to_string()
}

impl World {
    pub(crate) fn new(settings: Settings, clock: Clock, script: Option<Script>) -> Self {
        Self {
            nodes: (0..settings.nodes).map(|node| content_id(mix(settings.seed, 0x9E0D + node as u64))).collect(),
            busy: vec![0; settings.nodes],
            settings,
            clock,
            script,
            jobs: Vec::new(),
            executions: Vec::new(),
            by_id: BTreeMap::new(),
            waiting: VecDeque::new(),
            agenda: Agenda::new(),
            last: 0,
            lists: 0,
            bodies: HashMap::new(),
        }
    }

    /// Brings the world up to the present and gives the simulated time.
    pub(crate) fn advance(&mut self) -> Duration {
        let now = self.clock.now();
        while let Some((at, step)) = self.agenda.due(now) {
            match step {
                Step::Start(job) if !self.jobs[job].terminal() => {
                    self.set_state(job, "New", "", at);
                    // Nodes were promised; if there are none the job fails.
                    let _ = self.start(job, at);
                }
                Step::Ask(job) if !self.jobs[job].terminal() => self.ask_first(job, at),
                Step::Start(_) | Step::Ask(_) => {}
                Step::Answer(execution) => self.answer(execution, at),
                Step::End(execution) => self.end(execution, at),
                Step::Published(execution) => self.published(execution, at),
            }
        }
        now
    }

    /// A moment in nanoseconds since 1970; no two things have the same.
    fn stamp(&mut self, at: Duration) -> i64 {
        let date = i64::try_from(self.clock.date(at).as_nanosecond()).unwrap_or(i64::MAX);
        self.last = date.max(self.last.saturating_add(1_043));
        self.last
    }

    /// What becomes of a job with this specification.
    pub(crate) fn plan(&self, spec: &Spec) -> Result<Plan, String> {
        let value = Value::Object(spec.json.clone());
        let scripted = self.script.as_ref().map(|script| script(&value, self.jobs.len()));
        let labels = spec.annotations().into_iter().filter_map(|annotation| annotation.split_once('='));
        scripted.unwrap_or_default().amended(labels)
    }

    /// Makes a job. An error is why it failed at once; it exists all the same.
    pub(crate) fn submit(
        &mut self,
        now: Duration,
        client: &str,
        api_version: &str,
        spec: Spec,
        plan: Plan,
        body: &[u8],
    ) -> (usize, Result<(), String>) {
        let number = self.jobs.len();
        let id = uuid(&mut chance(mix(self.settings.seed, 0x0ED), number as u64));
        let (made, created) = (self.stamp(now), self.stamp(now));
        let body = hash(body);
        *self.bodies.entry(body).or_default() += 1;
        let waits = plan.never_placed() || plan.queue.is_some();
        let until = plan.queue.filter(|_| !plan.never_placed()).map(|queue| now + seconds(queue));
        self.by_id.insert(id.clone(), number);
        self.jobs.push(Job {
            id,
            client: client.to_owned(),
            api_version: api_version.to_owned(),
            spec,
            plan,
            state: "New".to_owned(),
            version: 0,
            made,
            created,
            updated: created,
            executions: Vec::new(),
            history: Vec::new(),
            body,
        });
        self.set_state(number, "New", "Job created", now);
        self.set_state(number, "Queued", "", now);
        if let Some(until) = until {
            self.agenda.plan(until, Step::Start(number));
        }
        if waits {
            return (number, Ok(()));
        }
        self.set_state(number, "New", "", now);
        let started = self.start(number, now);
        (number, started)
    }

    /// Looks for nodes and asks them.
    fn start(&mut self, job: usize, at: Duration) -> Result<(), String> {
        let wanted = self.jobs[job].spec.concurrency;
        let nodes = self.candidates(job);
        if (nodes.len() as u64) < wanted {
            let why = format!("not enough nodes to run job. requested: {wanted}, available: {}", nodes.len());
            self.stop(job, &why, false, at);
            return Err(why);
        }
        self.set_state(job, "InProgress", "", at);
        self.agenda.plan(at + SOON, Step::Ask(job));
        Ok(())
    }

    /// Asks more nodes than are needed.
    fn ask_first(&mut self, job: usize, at: Duration) {
        let most = self.jobs[job].spec.concurrency.saturating_mul(OVERASK);
        let nodes = self.candidates(job).into_iter().take(usize::try_from(most).unwrap_or(usize::MAX));
        self.ask(job, nodes.collect(), at);
    }

    /// Nodes that may be asked (again), those that were not asked yet first.
    fn candidates(&self, job: usize) -> Vec<usize> {
        let here = |node: usize| {
            self.jobs[job].executions.iter().map(|e| &self.executions[*e]).filter(move |e| e.node == node)
        };
        let mut nodes: Vec<usize> = (0..self.nodes.len())
            .filter(|node| here(*node).count() < 2 && here(*node).all(|e| e.state == "Failed"))
            .collect();
        nodes.sort_by_key(|node| here(*node).count());
        nodes
    }

    fn ask(&mut self, job: usize, nodes: Vec<usize>, at: Duration) {
        for node in nodes {
            let number = self.executions.len();
            let created = self.stamp(at);
            self.executions.push(Execution {
                job,
                node,
                reference: String::new(),
                state: "New",
                status: String::new(),
                version: 0,
                created,
                updated: created,
                verified: None,
                published: json!({}),
                work: None,
                has_output: false,
                begun: None,
                ended: None,
                placed: false,
            });
            self.jobs[job].executions.push(number);
            self.change(number, "AskForBid", "", at);
            self.agenda.plan(at + SOON, Step::Answer(number));
        }
    }

    fn answer(&mut self, execution: usize, at: Duration) {
        if self.executions[execution].terminal() {
            return;
        }
        let (job, node) = (self.executions[execution].job, self.executions[execution].node);
        let spec = &self.jobs[job].spec;
        let engine = spec.word("Engine").to_owned();
        let refusal = if !self.settings.engines.contains(&engine) {
            Some(format!("{engine} installed: false"))
        } else if spec.timeout > 3600.0 {
            Some(format!("job timeout {} exceeds maximum possible value 1h0m0s", span(spec.timeout)))
        } else if spec.timeout < 0.5 {
            Some(format!("job timeout {} below minimum possible value 500ms", span(spec.timeout)))
        } else {
            None
        };
        if let Some(why) = refusal {
            self.change(execution, "AskForBidRejected", &why, at);
            return self.transition(job, at);
        }
        if self.busy[node] >= self.settings.workers {
            return self.waiting.push_back(execution);
        }
        self.busy[node] += 1;
        let found = &mut self.executions[execution];
        found.placed = true;
        found.reference = format!("e-{}", uuid(&mut chance(mix(self.settings.seed, 0xE8EC), execution as u64)));
        self.change(execution, "AskForBidAccepted", "", at);
        self.transition(job, at);
    }

    /// Does for a job what its executions call for.
    fn transition(&mut self, job: usize, at: Duration) {
        if self.jobs[job].terminal() {
            return;
        }
        let all = self.jobs[job].executions.clone();
        let count = |world: &Self, fits: &dyn Fn(&Execution) -> bool| {
            all.iter().filter(|e| fits(&world.executions[**e])).count() as u64
        };
        let concurrency = self.jobs[job].spec.concurrency;
        let useful = count(self, &|e| matches!(e.state, "Completed" | "ResultAccepted"));
        let wanted = if useful > 0 { 1 } else { concurrency };
        let alive = count(self, &|e| !e.discarded());
        if alive < wanted {
            let missing = usize::try_from(wanted - alive).unwrap_or(usize::MAX);
            let nodes = self.candidates(job);
            if nodes.len() >= missing {
                return self.ask(job, nodes.into_iter().take(missing).collect(), at);
            }
            let failed = all.iter().rev().map(|e| &self.executions[*e]).find(|e| e.state == "Failed");
            let why = failed.map(|e| format!("node {} failed due to: {}", self.nodes[e.node], e.status));
            return self.stop(job, &why.unwrap_or_default(), false, at);
        }
        for execution in &all {
            if self.executions[*execution].state == "AskForBidAccepted" {
                if count(self, &Execution::active) < concurrency {
                    self.change(*execution, "BidAccepted", "", at);
                    self.begin(*execution, at);
                } else {
                    self.change(*execution, "BidRejected", "", at);
                }
            }
        }
        if count(self, &|e| e.state == "WaitingVerification") >= concurrency {
            let right = self.jobs[job].spec.word("Verifier") != "Deterministic" || concurrency > 1;
            for execution in &all {
                if self.executions[*execution].state == "WaitingVerification" {
                    self.executions[*execution].verified = Some(right);
                    self.change(*execution, if right { "ResultAccepted" } else { "ResultRejected" }, "", at);
                    if right {
                        self.agenda.plan(at + PUBLISHING, Step::Published(*execution));
                    }
                }
            }
            if !right {
                return self.transition(job, at);
            }
        }
        let completed = count(self, &|e| e.state == "Completed");
        if completed > 0 && count(self, &|e| e.state == "ResultAccepted") == 0 {
            let partly = completed < self.jobs[job].spec.confidence && self.settings.patch >= 25;
            self.set_state(job, if partly { "CompletedPartially" } else { "Completed" }, "", at);
        }
    }

    fn begin(&mut self, execution: usize, at: Duration) {
        let job = &self.jobs[self.executions[execution].job];
        let earlier =
            job.executions.iter().filter(|e| **e < execution && self.executions[**e].state == "Failed").count();
        let drawn = self.settings.durations.draw(&mut chance(mix(self.settings.seed, 0xD0A), execution as u64));
        let mut work = job.plan.work(&job.spec.program(), u32::try_from(earlier).unwrap_or(u32::MAX), drawn);
        let limit = seconds(job.spec.timeout);
        let mut ends = (work.ends != Ends::Never).then_some(work.lasts);
        if ends.is_none_or(|ends| ends > limit) {
            ends = Some(limit);
            work.ends = Ends::Failed(format!("execution timed out after {}", span(job.spec.timeout)));
        }
        let found = &mut self.executions[execution];
        (found.begun, found.work) = (Some(at), Some(work));
        if let Some(lasts) = ends {
            self.agenda.plan(at + lasts, Step::End(execution));
        }
    }

    fn end(&mut self, execution: usize, at: Duration) {
        let found = &self.executions[execution];
        let job = found.job;
        if found.terminal() {
            return;
        }
        match found.work.as_ref().map(|work| work.ends.clone()) {
            None | Some(Ends::Never) => return,
            Some(Ends::Word(word)) => return self.set_state(job, &word, "", at),
            Some(Ends::Stopped) => return self.stop(job, "stopped by somebody else", true, at),
            Some(Ends::Failed(why)) => self.change(execution, "Failed", &why, at),
            Some(Ends::Completed) => {
                self.executions[execution].has_output = true;
                self.executions[execution].ended = Some(at);
                self.change(execution, "WaitingVerification", "", at);
            }
        }
        self.transition(job, at);
    }

    fn published(&mut self, execution: usize, at: Duration) {
        let found = &self.executions[execution];
        if found.terminal() {
            return;
        }
        let job = found.job;
        let source = match self.jobs[job].spec.word("Publisher") {
            "Noop" => None,
            "Estuary" => Some("Estuary"),
            "Filecoin" => Some("Filecoin"),
            _ => Some("IPFS"),
        };
        if let Some(source) = source {
            let name = format!("job-{}-host-{}", self.jobs[job].id, self.nodes[found.node]);
            let cid = content_id(mix(self.settings.seed, hash(found.reference.as_bytes())));
            self.executions[execution].published = json!({"StorageSource": source, "Name": name, "CID": cid});
        }
        self.change(execution, "Completed", "", at);
        self.transition(job, at);
    }

    /// Ends a job with what still runs of it.
    pub(crate) fn stop(&mut self, job: usize, reason: &str, by_user: bool, at: Duration) {
        self.set_state(job, if by_user { "Cancelled" } else { "Error" }, reason, at);
        for execution in self.jobs[job].executions.clone() {
            if !self.executions[execution].terminal() && self.executions[execution].state != "AskForBid" {
                self.change(execution, "Cancelled", reason, at);
            }
        }
    }

    fn set_state(&mut self, job: usize, state: &str, comment: &str, at: Duration) {
        let updated = self.stamp(at);
        let found = &mut self.jobs[job];
        let before = std::mem::replace(&mut found.state, state.to_owned());
        found.version += 1;
        found.updated = if found.version == 1 { found.created } else { updated };
        let mut entry = json!({
            "Type": "JobLevel", "JobID": found.id, "JobState": change(&before, state), "NewVersion": found.version,
            "Time": date(found.updated),
        });
        if !comment.is_empty() {
            entry["Comment"] = json!(comment);
        }
        found.history.push(entry);
    }

    fn change(&mut self, execution: usize, state: &'static str, status: &str, at: Duration) {
        let now = self.stamp(at);
        let found = &mut self.executions[execution];
        let before = std::mem::replace(&mut found.state, state);
        if !status.is_empty() {
            status.clone_into(&mut found.status);
        }
        found.version += 1;
        if found.version > 1 {
            // The server sets the two the wrong way round.
            found.updated = found.created;
            found.created = now;
        }
        let mut entry = json!({
            "Type": "ExecutionLevel", "JobID": self.jobs[found.job].id, "NodeID": self.nodes[found.node],
            "ExecutionState": change(before, state), "NewVersion": found.version, "Time": date(found.updated),
        });
        if !found.reference.is_empty() {
            entry["ComputeReference"] = json!(found.reference);
        }
        self.jobs[found.job].history.push(entry);
        let over = found.terminal() || state == "WaitingVerification";
        if found.terminal() && found.ended.is_none() {
            found.ended = Some(at);
        }
        if over && std::mem::take(&mut found.placed) {
            let node = found.node;
            self.busy[node] = self.busy[node].saturating_sub(1);
            let next = self.waiting.iter().position(|waiting| self.executions[*waiting].node == node);
            if let Some(next) = next.and_then(|next| self.waiting.remove(next)) {
                self.agenda.plan(at, Step::Answer(next));
            }
        }
    }
}

/// States before and after; `New` is the zero value and left out.
fn change(before: &str, after: &str) -> Value {
    let ends = [("Previous", before), ("New", after)].into_iter().filter(|(_, state)| *state != "New");
    Value::Object(ends.map(|(name, state)| (name.to_owned(), json!(state))).collect::<Map<_, _>>())
}

/// Seconds as Go writes a duration.
fn span(seconds: f64) -> String {
    if seconds.fract() == 0.0 { crate::bacalhau::v1::go_span(seconds as i64) } else { format!("{seconds}s") }
}

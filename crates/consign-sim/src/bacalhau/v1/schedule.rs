//! The scheduler: which executions a job needs, on which nodes, and what follows from their ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use super::job::{Compute, Event, Execution, Published};
use super::nodes::{Rank, not_enough};
use super::validate::go_span;
use super::world::{SOON, Step, Trigger, World};
use crate::bacalhau::plan::Ends;
use crate::chance::{chance, mix, uuid};
use crate::clock::seconds;

/// How long a job that no node fits waits for the next try.
const QUEUE_BACKOFF: Duration = Duration::from_secs(60);

const STOPPED: &str = "Execution stop requested because job has been stopped";

/// What an evaluation comes to.
#[derive(Default)]
struct Outcome {
    /// The new state of the job, its message, and the entry of the history.
    job: Option<(&'static str, String, Event)>,
    executions: Vec<(usize, Event, Compute)>,
    /// Whether an execution was told to run.
    runs: bool,
}

impl World {
    /// Looks at a job and does what is needed.
    pub(crate) fn evaluate(&mut self, job: usize, at: Duration, eval: u64, trigger: Trigger) {
        let mut outcome = Outcome::default();
        let active: Vec<usize> = self.of(job, |execution| !execution.terminal());
        if self.jobs[job].terminal() {
            for execution in active {
                self.cancel(execution, STOPPED, at, &mut outcome);
            }
            return self.apply(job, outcome, at);
        }
        let spec = self.jobs[job].spec();
        // The server fails to understand it, and nothing ever happens.
        if self.nodes.iter().any(|node| spec.constraints.iter().any(|c| c.holds(&node.labels).is_none())) {
            return;
        }
        let total = seconds(spec.task().timeouts[2] as f64);
        if !spec.long_running() && !total.is_zero() && at > self.jobs[job].begun + total {
            let message = format!("Job timed out. Job took longer than {}", go_span(spec.task().timeouts[2]));
            let event = Event::new("Job Timeout", message.as_str())
                .detail("IsError", "true")
                .detail("Hint", "Increase the task timeout or allocate more resources")
                .detail("FailsExecution", "true");
            outcome.job = Some(("Failed", message, event));
        }
        let version = self.jobs[job].version();
        let (current, old): (Vec<_>, Vec<_>) = active.into_iter().partition(|e| self.executions[*e].version == version);
        for execution in old {
            self.cancel(execution, "Execution stopped for job update", at, &mut outcome);
        }
        if spec.everywhere() {
            self.spread(job, at, eval, &current, &mut outcome);
        } else {
            self.fill(job, at, eval, trigger, &current, &mut outcome);
        }
        if matches!(outcome.job, Some(("Failed", ..))) {
            for execution in current {
                self.cancel(execution, "Execution stopped due to job failure", at, &mut outcome);
            }
        }
        if outcome.job.is_none() && outcome.runs && matches!(self.jobs[job].state.as_str(), "Pending" | "Queued") {
            outcome.job = Some(("Running", String::new(), state_event("Running")));
        }
        self.apply(job, outcome, at);
    }

    fn apply(&mut self, job: usize, outcome: Outcome, at: Duration) {
        if let Some((state, message, event)) = outcome.job {
            self.set_state(job, state, &message, event, at);
        }
        for (execution, event, before) in outcome.executions {
            let after = self.executions[execution].compute.0;
            let change = Some((self.compute_word(before), self.compute_word(after)));
            self.note(job, Some(execution), event, at, change);
        }
    }

    /// Executions of a job that fulfil a condition.
    fn of(&self, job: usize, fits: impl Fn(&Execution) -> bool) -> Vec<usize> {
        self.jobs[job].executions.iter().copied().filter(|e| fits(&self.executions[*e])).collect()
    }

    /// One execution for each part of a batch or service job.
    fn fill(
        &mut self,
        job: usize,
        at: Duration,
        eval: u64,
        trigger: Trigger,
        current: &[usize],
        outcome: &mut Outcome,
    ) {
        for execution in current {
            if self.executions[*execution].compute.0 == Compute::AskForBidAccepted && outcome.job.is_none() {
                self.approve(*execution, at, outcome);
            }
        }
        let spec = self.jobs[job].spec();
        let (version, batch) = (self.jobs[job].version(), spec.kind == "batch");
        let done: BTreeSet<u64> = self
            .of(job, |e| e.version == version && e.compute.0 == Compute::Completed)
            .into_iter()
            .map(|e| self.executions[e].partition)
            .collect();
        let mut used: BTreeSet<u64> = current.iter().map(|e| self.executions[*e].partition).collect();
        if batch {
            used.extend(&done);
        }
        let count = u64::try_from(spec.count).unwrap_or(0);
        let missing: Vec<u64> = (0..count).filter(|partition| !used.contains(partition)).collect();
        if outcome.job.is_none() && !missing.is_empty() {
            let ranks = self.ranks(job, at);
            let fitting: Vec<usize> = ranks.iter().filter(|rank| rank.fits()).map(|rank| rank.node).collect();
            if fitting.len() < missing.len() && !self.queue(job, at, trigger, missing.len(), &ranks, outcome) {
                return;
            }
            for (partition, node) in missing.iter().zip(&fitting) {
                self.create(job, at, eval, *node, *partition, outcome);
            }
        }
        if outcome.job.is_none() && batch && done.len() as u64 >= count {
            outcome.job = Some(("Completed", String::new(), state_event("Completed")));
        }
    }

    /// There are not enough nodes: the job fails, or waits. Gives whether it goes on with what there is.
    fn queue(
        &mut self,
        job: usize,
        at: Duration,
        trigger: Trigger,
        wanted: usize,
        ranks: &[Rank],
        outcome: &mut Outcome,
    ) -> bool {
        let found = &self.jobs[job];
        let message = not_enough(&self.nodes, wanted, ranks);
        let fitting = ranks.iter().filter(|rank| rank.fits()).count();
        let until = found.plan.queue.map(|queue| found.begun + seconds(queue)).filter(|until| *until > at);
        let scripted = found.plan.never_placed() || until.is_some();
        let patience = seconds(found.spec().task().timeouts[1] as f64);
        if !scripted && at > found.begun + patience {
            let event = Event::new("Scheduling", message.as_str())
                .detail("IsError", "true")
                .detail("NodesRequested", wanted.to_string())
                .detail("NodesAvailable", ranks.len().to_string())
                .detail("NodesSuitable", fitting.to_string());
            outcome.job = Some(("Failed", message, event));
            return false;
        }
        if fitting == 0 && (found.state == "Running" || trigger == Trigger::Register) {
            let message = format!("Job queued. {message}");
            outcome.job = Some(("Queued", message.clone(), Event::new("Queueing", message)));
        }
        self.plan_evaluation(job, until.unwrap_or(at + QUEUE_BACKOFF), Trigger::Other);
        true
    }

    /// One execution on every node that fits, for an ops or daemon job.
    fn spread(&mut self, job: usize, at: Duration, eval: u64, current: &[usize], outcome: &mut Outcome) {
        let spec = self.jobs[job].spec();
        let (version, ops) = (self.jobs[job].version(), spec.kind == "ops");
        let counted = if ops { self.of(job, |e| e.version == version) } else { current.to_vec() };
        let taken: BTreeSet<usize> = counted.iter().map(|e| self.executions[*e].node).collect();
        if outcome.job.is_none() {
            let ranks = self.ranks(job, at);
            let fitting: Vec<usize> = ranks.iter().filter(|rank| rank.fits()).map(|rank| rank.node).collect();
            if ops && fitting.is_empty() && counted.is_empty() {
                let start = format!("not matching nodes to run job out of {} available nodes.", ranks.len());
                let message = start + &super::nodes::reasons(&self.nodes, &ranks);
                let event = Event::new("Scheduling", message.as_str())
                    .detail("IsError", "true")
                    .detail("NodesAvailable", ranks.len().to_string());
                outcome.job = Some(("Failed", message, event));
                return;
            }
            let fresh: Vec<usize> = fitting.into_iter().filter(|node| !taken.contains(node)).collect();
            for node in &fresh {
                let execution = self.create(job, at, eval, *node, 0, outcome);
                self.executions[execution].desired = (1, String::new());
                outcome.runs = true;
            }
            if !fresh.is_empty() {
                return;
            }
        }
        if ops && outcome.job.is_none() && current.is_empty() {
            let failed = !self.of(job, |e| e.compute.0 == Compute::Failed).is_empty();
            let message = "Job failed because one or more executions failed";
            outcome.job = Some(if failed {
                ("Failed", message.to_owned(), Event::new("Scheduling", message))
            } else {
                ("Completed", String::new(), state_event("Completed"))
            });
        }
    }

    fn create(
        &mut self,
        job: usize,
        at: Duration,
        eval: u64,
        node: usize,
        partition: u64,
        outcome: &mut Outcome,
    ) -> usize {
        let number = self.executions.len();
        let id = format!("e-{}", uuid(&mut chance(mix(self.settings.seed, 0xE8EC), number as u64)));
        let created = self.stamp(at);
        let found = &self.jobs[job];
        self.executions.push(Execution {
            id: id.clone(),
            eval,
            node,
            job,
            version: found.version(),
            partition,
            snapshot: found.record(),
            desired: (0, String::new()),
            compute: (Compute::New, String::new()),
            published: Published::Nowhere,
            has_output: false,
            revision: 1,
            created,
            modified: created,
            work: None,
            begun: None,
            ended: None,
            placed: false,
            files: BTreeMap::new(),
        });
        self.execution_ids.insert(id, number);
        self.jobs[job].executions.push(number);
        let name = self.nodes[node].name.as_str();
        let event = Event::new("Scheduling", format!("Requested execution on {name}")).detail("NodeID", name);
        outcome.executions.push((number, event, Compute::New));
        self.agenda.plan(at + SOON, Step::Offer(number));
        number
    }

    /// Asks a node for an execution; it answers when it has a place for it.
    pub(crate) fn offer(&mut self, execution: usize, at: Duration) {
        if self.executions[execution].terminal() {
            return;
        }
        let node = self.executions[execution].node;
        if self.nodes[node].busy >= self.settings.workers {
            return self.waiting.push_back(execution);
        }
        self.nodes[node].busy += 1;
        self.executions[execution].placed = true;
        if self.executions[execution].desired.0 == 1 {
            // Nobody is asked back.
            return self.begin(execution, at);
        }
        self.change(execution, at, Compute::AskForBidAccepted, None);
        self.plan_evaluation(self.executions[execution].job, at, Trigger::Other);
    }

    fn approve(&mut self, execution: usize, at: Duration, outcome: &mut Outcome) {
        let before = self.executions[execution].compute.0;
        self.executions[execution].desired = (1, "Running".to_owned());
        self.change(execution, at, Compute::BidAccepted, Some("Running"));
        self.begin(execution, at);
        outcome.runs = true;
        outcome.executions.push((execution, Event::new("Execution", "Running"), before));
    }

    /// Starts the program of an execution.
    fn begin(&mut self, execution: usize, at: Duration) {
        let found = &self.executions[execution];
        let (job, spec) = (&self.jobs[found.job], self.jobs[found.job].spec());
        let task = spec.task();
        let earlier = self.of(found.job, |e| e.version == found.version && e.partition == found.partition);
        let number = earlier.iter().position(|e| *e == execution).unwrap_or(0);
        let drawn = self.settings.durations.draw(&mut chance(mix(self.settings.seed, 0xD0A), execution as u64));
        let mut work = job.plan.work(&task.program(), u32::try_from(number).unwrap_or(u32::MAX), drawn);
        let [own, _, total] = task.timeouts;
        let limit = if own > 0 { own } else { total };
        let mut ends = (work.ends != Ends::Never).then_some(work.lasts);
        if limit > 0 && !spec.long_running() && ends.is_none_or(|ends| ends > seconds(limit as f64)) {
            ends = Some(seconds(limit as f64));
            work.ends = Ends::Failed(format!("Execution timed out after {}", go_span(limit)));
        }
        let files = job.plan.files.clone();
        let found = &mut self.executions[execution];
        (found.begun, found.work, found.files) = (Some(at), Some(work), files);
        if let Some(lasts) = ends {
            self.agenda.plan(at + lasts, Step::End(execution));
        }
    }

    /// The program of an execution has ended.
    pub(crate) fn end(&mut self, execution: usize, at: Duration) {
        let found = &self.executions[execution];
        let job = found.job;
        if found.terminal() {
            return;
        }
        let Some(ends) = found.work.as_ref().map(|work| work.ends.clone()) else { return };
        let before = found.compute.0;
        let event = match ends {
            Ends::Never => return,
            Ends::Word(word) => return self.set_state(job, &word, "", state_event(&word), at),
            Ends::Stopped => {
                let _ = self.stop(job, "stopped by somebody else", at);
                return;
            }
            Ends::Failed(why) => {
                self.executions[execution].desired = (2, "execution failed".to_owned());
                self.change(execution, at, Compute::Failed, Some(&why));
                Event::new("Running Execution", why).detail("IsError", "true")
            }
            Ends::Completed => {
                let id = self.executions[execution].id.clone();
                let spec = self.jobs[job].spec();
                self.executions[execution].has_output = true;
                self.executions[execution].published = self.publish(spec.task(), &id);
                let (message, state) = if spec.long_running() {
                    ("execution completed unexpectedly", Compute::Failed)
                } else {
                    ("execution completed", Compute::Completed)
                };
                self.executions[execution].desired = (2, message.to_owned());
                self.change(execution, at, state, (state == Compute::Failed).then_some(message));
                Event::new("Execution", "Completed successfully")
            }
        };
        let change = Some((self.compute_word(before), self.compute_word(self.executions[execution].compute.0)));
        self.note(job, Some(execution), event, at, change);
        self.plan_evaluation(job, at + SOON / 2, Trigger::Other);
    }

    fn publish(&self, task: &super::spec::Task, id: &str) -> Published {
        let publisher = &task.publisher;
        let text = |name: &str| publisher.param(name).cloned().unwrap_or_else(|| json!(""));
        match publisher.kind.to_lowercase().as_str() {
            "local" => Published::Archive,
            "ipfs" => {
                let cid = crate::bacalhau::content_id(mix(self.settings.seed, crate::chance::hash(id.as_bytes())));
                Published::Elsewhere(json!({"Type": "ipfs", "Params": {"CID": cid}}))
            }
            "s3" | "s3managed" => Published::Elsewhere(json!({"Type": "s3", "Params": {
                "Bucket": text("Bucket"), "Key": text("Key"), "Endpoint": text("Endpoint"), "Region": text("Region"),
                "ChecksumSHA256": "", "VersionID": "", "Filter": "",
            }})),
            _ => Published::Nowhere,
        }
    }

    fn cancel(&mut self, execution: usize, why: &str, at: Duration, outcome: &mut Outcome) {
        let before = self.executions[execution].compute.0;
        self.executions[execution].desired = (2, why.to_owned());
        self.change(execution, at, Compute::Cancelled, Some(why));
        outcome.executions.push((execution, Event::new("Scheduling", why), before));
    }

    /// Changes the state of an execution. An end gives its place on the node to the next.
    fn change(&mut self, execution: usize, at: Duration, state: Compute, message: Option<&str>) {
        let modified = self.stamp(at);
        let found = &mut self.executions[execution];
        found.compute.0 = state;
        if let Some(message) = message {
            message.clone_into(&mut found.compute.1);
        }
        found.revision += 1;
        found.modified = modified;
        if !state.terminal() {
            return;
        }
        found.ended = Some(at);
        let node = found.node;
        if std::mem::take(&mut found.placed) {
            self.nodes[node].busy = self.nodes[node].busy.saturating_sub(1);
            let next = self.waiting.iter().position(|waiting| self.executions[*waiting].node == node);
            if let Some(next) = next.and_then(|next| self.waiting.remove(next)) {
                self.agenda.plan(at, Step::Offer(next));
            }
        }
    }
}

fn state_event(state: &str) -> Event {
    Event::new("State Update", state).detail("NewState", state)
}

impl World {
    /// The nodes start again: what ran on them has failed.
    pub(crate) fn restart_nodes(&mut self, now: Duration) {
        let running =
            |execution: &usize| self.executions[*execution].begun.is_some() && !self.executions[*execution].terminal();
        let lost: Vec<usize> = (0..self.executions.len()).filter(running).collect();
        for execution in lost {
            if let Some(work) = self.executions[execution].work.as_mut() {
                work.ends = Ends::Failed("Failing due to node restart".to_owned());
            }
            self.end(execution, now);
        }
    }

    /// The archive that an execution left, and when.
    pub(crate) fn archive(&self, id: &str) -> Option<(bytes::Bytes, Duration)> {
        let execution = &self.executions[*self.execution_ids.get(id)?];
        let ended = execution.ended.filter(|_| execution.published == Published::Archive)?;
        let spec = self.jobs[execution.job].specs.get(usize::try_from(execution.version - 1).ok()?)?;
        let folders: Vec<&str> = spec.task().outputs.iter().map(|(name, _)| name.as_str()).collect();
        let date = self.clock.date(ended).as_second();
        let packed = crate::bacalhau::files::archive(execution.work.as_ref()?, &execution.files, &folders, date);
        Some((packed.ok()?, ended))
    }
}

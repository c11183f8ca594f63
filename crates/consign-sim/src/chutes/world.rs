//! The state of the simulated service and its passage through time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::job::{Instance, Job, JobView, OutputFile};
use super::plan::Plan;
use super::settings::{Account, Chute, Settings};
use super::{json as text, seals};
use crate::chance::{Durations, chance, uuid};
use crate::clock::{Clock, seconds};

/// From verification to the record of the activation.
const ACTIVATION: Duration = Duration::from_secs(1);
/// How long the released runner repeats a report that is answered with 500.
const GIVES_UP: Duration = Duration::from_secs(60);
/// From the request to stop, or the end of a container, to the removal of the instance.
const REMOVAL: Duration = Duration::from_secs(5);

/// Decides what becomes of a job: its arguments, and how many jobs were made before it.
pub(crate) type Script = Arc<dyn Fn(&Value, usize) -> Plan + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// A miner wants the job.
    Seek,
    Verify,
    Activate,
    Report,
    Upload(usize),
    Complete,
    NodeGone,
    NodeLost,
    Billing,
}

/// A step that is to come: when, in which order, of which job, in which round of it, what.
type Planned = (Duration, u64, usize, u32, Step);

/// A report of a runner.
pub(super) struct Report {
    pub(super) status: String,
    pub(super) result: Value,
    pub(super) detail: Option<String>,
    pub(super) names: Vec<String>,
}

pub(crate) struct World {
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) script: Option<Script>,
    pub(super) jobs: Vec<Job>,
    pub(super) by_id: HashMap<String, usize>,
    /// How often each body was used for a creation.
    pub(super) bodies: HashMap<u64, usize>,
    /// The object store: path to content.
    pub(super) store: HashMap<String, Bytes>,
    /// Ids of deleted API keys.
    pub(super) revoked: HashSet<String>,
    /// How many keys were created.
    pub(super) keys_made: u64,
    free: usize,
    queue: VecDeque<usize>,
    agenda: BinaryHeap<Reverse<Planned>>,
    planned: u64,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("jobs", &self.jobs.len()).finish_non_exhaustive()
    }
}

impl World {
    pub(super) fn new(settings: Settings, clock: Clock, script: Option<Script>) -> Self {
        Self {
            free: settings.nodes,
            settings,
            clock,
            script,
            jobs: Vec::new(),
            by_id: HashMap::new(),
            bodies: HashMap::new(),
            store: HashMap::new(),
            revoked: HashSet::new(),
            keys_made: 0,
            queue: VecDeque::new(),
            agenda: BinaryHeap::new(),
            planned: 0,
        }
    }

    pub(super) fn chute(&self, job: usize) -> &Chute {
        &self.settings.chutes[self.jobs[job].chute]
    }

    pub(super) fn account(&self, account: usize) -> &Account {
        &self.settings.accounts[account]
    }

    /// Brings the world up to the present and gives the simulated time.
    pub(super) fn advance(&mut self) -> Duration {
        let now = self.clock.now();
        while let Some(Reverse((at, _, job, round, step))) = self.agenda.peek().copied() {
            if at > now {
                break;
            }
            self.agenda.pop();
            let row = &self.jobs[job];
            if row.round == round && !row.deleted && row.finished.is_none() {
                self.take(step, job, at);
            }
        }
        now
    }

    fn plan(&mut self, at: Duration, job: usize, step: Step) {
        self.planned += 1;
        self.agenda.push(Reverse((at, self.planned, job, self.jobs[job].round, step)));
    }

    pub(super) fn note(&mut self, job: usize, at: Duration, what: &str) {
        self.jobs[job].history.push((at, what.to_owned()));
    }

    /// A time of a job: as its plan says, else drawn.
    fn time(&self, job: usize, planned: Option<f64>, usual: &Durations, place: u64) -> Duration {
        let drawn = || usual.draw(&mut chance(self.settings.seed, job as u64 * 64 + place));
        planned.map_or_else(drawn, seconds)
    }

    /// Adds a job, which a miner will want some time later.
    pub(super) fn add(&mut self, mut job: Job, now: Duration) -> usize {
        let index = self.jobs.len();
        job.id = uuid(&mut chance(self.settings.seed, index as u64 * 64));
        self.by_id.insert(job.id.clone(), index);
        self.jobs.push(job);
        self.note(index, now, "created");
        if self.jobs[index].plan.outcome() != "pending" {
            let wait = self.time(index, self.jobs[index].plan.wait, &self.settings.wait, 1);
            self.plan(now.saturating_add(wait), index, Step::Seek);
        }
        index
    }

    fn take(&mut self, step: Step, job: usize, at: Duration) {
        match step {
            Step::Seek => {
                self.queue.push_back(job);
                self.assign(at);
            }
            Step::Verify => self.verify(job, at),
            Step::Activate => {
                if let Some(instance) = &mut self.jobs[job].instance {
                    instance.active = true;
                }
            }
            Step::Report => self.report_planned(job, at),
            Step::Upload(place) => {
                let file = self.jobs[job].output_files.as_ref().and_then(|files| files.get(place)).cloned();
                let declared = self.jobs[job].plan.declared(true);
                let content = |name: &str| declared.into_iter().find(|(path, _)| path == name)?.1;
                if let Some((file, content)) = file.and_then(|file| content(&file.name).map(|content| (file, content)))
                {
                    self.upload(job, &file.id, content, at);
                }
            }
            Step::Complete => {
                if self.complete(job, at).is_none() {
                    self.plan(at + GIVES_UP, job, Step::NodeGone);
                }
            }
            Step::NodeGone => self.node_gone(job, at),
            Step::NodeLost => {
                self.note(job, at, "node gone");
                self.release(job, at);
            }
            Step::Billing => {
                "billing_termination".clone_into(&mut self.jobs[job].status);
                self.finish(job, at);
            }
        }
    }

    /// Gives waiting jobs to free nodes.
    fn assign(&mut self, at: Duration) {
        while self.free > 0 {
            let Some(job) = self.queue.pop_front() else { return };
            if self.jobs[job].deleted || self.jobs[job].finished.is_some() {
                continue;
            }
            self.free -= 1;
            self.claim(job, at);
        }
    }

    fn claim(&mut self, job: usize, at: Duration) {
        let mut rng = chance(self.settings.seed, job as u64 * 64 + 8 + u64::from(self.jobs[job].round));
        let id = uuid(&mut rng);
        let first = rng.u32(30_000..60_000);
        let chute = self.chute(job);
        let ssh = chute.methods.get(self.jobs[job].method).is_some_and(|method| method.ssh);
        let ports = [(8000, true), (8001, true), (2202, false)].into_iter().filter(|(port, _)| *port != 2202 || ssh);
        let ports: Vec<Value> = ports
            .zip(first..)
            .map(|((port, default), outside)| {
                json!({"proto": "tcp", "internal_port": port, "external_port": outside, "default": default})
            })
            .collect();
        let row = &mut self.jobs[job];
        row.instance = Some(Instance { id, active: false, verified: None });
        row.port_mappings = Some(Value::Array(ports));
        row.on_node = true;
        self.note(job, at, "claimed");
        let launch = self.time(job, self.jobs[job].plan.launch, &self.settings.launch, 2);
        self.plan(at.saturating_add(launch), job, Step::Verify);
    }

    fn verify(&mut self, job: usize, at: Duration) {
        if self.jobs[job].plan.launch_failures > 0 {
            self.jobs[job].plan.launch_failures -= 1;
            self.note(job, at, "launch failed");
            self.release(job, at);
            self.jobs[job].port_mappings = None;
            let wait = self.time(job, self.jobs[job].plan.wait, &self.settings.wait, 1);
            return self.plan(at.saturating_add(wait), job, Step::Seek);
        }
        self.jobs[job].started = Some(at);
        if let Some(instance) = &mut self.jobs[job].instance {
            instance.verified = Some(at);
        }
        self.note(job, at, "verified");
        self.plan(at + ACTIVATION, job, Step::Activate);
        let chute = self.chute(job);
        let timeout = chute.methods.get(self.jobs[job].method).and_then(|method| method.timeout);
        if let Some(life) = chute.shutdown_after {
            self.plan(at + ACTIVATION + Duration::from_secs(life.into()), job, Step::NodeLost);
        }
        if self.settings.external_runner {
            return;
        }
        let work = self.time(job, self.jobs[job].plan.seconds, &self.settings.durations, 3);
        let timeout = timeout.map(|timeout| Duration::from_secs(timeout.into())).filter(|timeout| *timeout < work);
        let end = match self.jobs[job].plan.outcome() {
            "running" => None,
            "timeout" | "node_removed" => Some(Step::NodeGone),
            "node_lost" => Some(Step::NodeLost),
            "billing_termination" => Some(Step::Billing),
            _ => Some(Step::Report),
        };
        match (timeout, end) {
            (Some(timeout), _) => self.plan(at.saturating_add(timeout), job, Step::NodeGone),
            (None, Some(step)) => self.plan(at.saturating_add(work), job, step),
            (None, None) => {}
        }
    }

    /// What the released runner does when the job function has ended.
    fn report_planned(&mut self, job: usize, at: Duration) {
        let plan = self.jobs[job].plan.clone();
        let upload = self.chute(job).methods.get(self.jobs[job].method).is_some_and(|method| method.upload);
        let status = match plan.outcome() {
            "partial_failure" => "complete",
            other => other,
        };
        let detail = match status {
            "error" => Some(format!("Job failed: {}", plan.detail.as_deref().unwrap_or("the job function raised"))),
            "cancelled" => plan.detail.clone().or_else(|| Some("Job was cancelled.".to_owned())),
            _ => plan.detail.clone(),
        };
        let declared = plan.declared(upload);
        let names = declared.iter().map(|(name, _)| name.clone()).collect();
        // What is left out becomes the word "error".
        let result = plan.reported().unwrap_or_else(|| json!("error"));
        let result = text::stored(result).unwrap_or_default();
        self.report(job, Report { status: status.to_owned(), result, detail, names }, at);
        if !self.readable(job) {
            return self.plan(at + GIVES_UP, job, Step::NodeGone);
        }
        let each = plan.upload.map_or(self.settings.upload, seconds);
        let files = self.jobs[job].output_files.as_ref().map_or(0, Vec::len);
        let mut then = at;
        for place in 0..files {
            then = then.saturating_add(each);
            self.plan(then, job, Step::Upload(place));
        }
        self.plan(then.saturating_add(each), job, Step::Complete);
    }

    /// Stores a report; gives the file names in the order in which they were declared.
    pub(super) fn report(&mut self, job: usize, report: Report, at: Duration) {
        let row = &self.jobs[job];
        let day = self.clock.date(row.created).strftime("%Y-%m-%d").to_string();
        let chute = &self.settings.chutes[row.chute].id;
        let mut files: Vec<OutputFile> = Vec::new();
        for name in report.names {
            let id = seals::uuid5(&row.id, &name);
            let path = format!("jobs/{chute}/{day}/{}/outputs/{name}", row.id);
            if files.iter().all(|file| file.id != id) {
                files.push(OutputFile { id, name, path, uploaded: false });
            }
        }
        let pending = report.status == "complete" && !files.is_empty();
        let row = &mut self.jobs[job];
        row.status = if pending { "complete_pending_uploads".to_owned() } else { report.status };
        row.result = report.result;
        row.error_detail = report.detail;
        row.output_files = Some(files);
        self.note(job, at, "reported");
    }

    /// Stores the content of a declared file.
    pub(super) fn upload(&mut self, job: usize, file: &str, content: Bytes, at: Duration) {
        let files = self.jobs[job].output_files.iter_mut().flatten();
        let Some(file) = files.into_iter().find(|other| other.id == file) else { return };
        file.uploaded = true;
        self.store.insert(file.path.clone(), content);
        self.note(job, at, "uploaded");
    }

    /// Closes a job that the runner is done with. `None`: the service trips over it and nothing is stored.
    pub(super) fn complete(&mut self, job: usize, at: Duration) -> Option<()> {
        let row = &mut self.jobs[job];
        let files = row.output_files.iter().flatten();
        let missing: Vec<&str> = files.filter(|file| !file.uploaded).map(|file| file.name.as_str()).collect();
        let complete = row.status.starts_with("complete");
        if !missing.is_empty() {
            let text = format!("Failed to upload files: {}", missing.join(", "));
            if complete {
                "partial_failure".clone_into(&mut row.status);
                row.error_detail = Some(text);
            } else {
                let detail = row.error_detail.as_mut()?;
                detail.push('\n');
                detail.push_str(&text);
            }
        } else if complete && row.output_files.as_ref().is_some_and(|files| !files.is_empty()) {
            "complete".clone_into(&mut row.status);
        }
        row.updated = Some(at);
        self.finish(job, at);
        Some(())
    }

    /// The node removes the instance of a job that has not ended.
    fn node_gone(&mut self, job: usize, at: Duration) {
        self.note(job, at, "node gone");
        "error".clone_into(&mut self.jobs[job].status);
        self.finish(job, at);
    }

    fn finish(&mut self, job: usize, at: Duration) {
        self.jobs[job].finished = Some(at);
        self.note(job, at, "finished");
        self.release(job, at);
    }

    /// Takes a job's instance away; its planned steps become void.
    fn release(&mut self, job: usize, at: Duration) {
        let row = &mut self.jobs[job];
        row.round += 1;
        row.instance = None;
        if std::mem::take(&mut row.on_node) {
            self.free += 1;
            self.assign(at);
        }
    }

    /// Carries a deletion out as far as the service gets: files are gone and an instance is told to stop, which the
    /// node removes some time later. Where deletion is repaired the record goes too.
    pub(super) fn delete(&mut self, job: usize, at: Duration) {
        for file in self.jobs[job].output_files.iter().flatten() {
            self.store.remove(&file.path);
        }
        self.note(job, at, "delete");
        let row = &mut self.jobs[job];
        if self.settings.repaired_delete {
            row.deleted = true;
            row.stop_requested = row.instance.is_some();
            self.release(job, at);
        } else if row.instance.is_some() && !std::mem::replace(&mut row.stop_requested, true) {
            // The runner stops without a report.
            row.round += 1;
            self.plan(at + REMOVAL, job, Step::NodeGone);
        }
    }

    /// A miner gives a job back that it has claimed. Whether the record can be found.
    pub(super) fn give_back(&mut self, job: usize, at: Duration) -> bool {
        if self.jobs[job].instance.is_none() || self.jobs[job].finished.is_some() {
            return false;
        }
        self.note(job, at, "given back");
        self.release(job, at);
        // The new announcement lacks what miners need: nobody takes it.
        true
    }

    /// Whether the service can write the document of a job.
    pub(super) fn readable(&self, job: usize) -> bool {
        let row = &self.jobs[job];
        let chute = self.chute(job);
        (row.result.is_null() || row.result.is_object())
            && text::writable(&row.result)
            && text::writable(&row.args)
            && row.chutes_version.is_some()
            && chute.chutes_version.is_some()
            && !chute.deleted
    }

    /// How many jobs an account has created since midnight (UTC), on one chute and in all.
    pub(super) fn created_today(&self, account: usize, chute: usize, now: Duration) -> (u64, u64) {
        let end = self.clock.end_of_day(now);
        let today = |job: &&Job| job.account == account && !job.deleted && self.clock.end_of_day(job.created) == end;
        self.jobs
            .iter()
            .filter(today)
            .fold((0, 0), |(on_chute, total), job| (on_chute + u64::from(job.chute == chute), total + 1))
    }

    pub(super) fn view(&self, job: usize) -> JobView {
        let row = &self.jobs[job];
        let chute = self.chute(job);
        JobView {
            id: row.id.clone(),
            account: self.account(row.account).name.clone(),
            chute_id: chute.id.clone(),
            method: chute.methods.get(row.method).map(|method| method.name.clone()).unwrap_or_default(),
            args: row.args.clone(),
            phase: row.phase(),
            status: row.status.clone(),
            error_detail: row.error_detail.clone(),
            result: row.result.clone(),
            readable: self.readable(job),
            stop_requested: row.stop_requested,
            files: row
                .output_files
                .as_ref()
                .map(|files| files.iter().map(|file| (file.name.clone(), file.uploaded)).collect()),
            events: row.history.clone(),
            submitted: self.bodies.get(&row.body).copied().unwrap_or(0),
        }
    }
}

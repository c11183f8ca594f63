//! The state of the simulated orchestrator: what can be done to it, and its passage through time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::errors::{ApiError, Refused, bad_request, escaped, not_found};
use super::job::{Compute, Entry, Event, Execution, Job, JobView};
use super::nodes::Node;
use super::settings::{Script, Settings};
use super::spec::{Spec, Submitted};
use super::validate;
use crate::bacalhau::agenda::Agenda;
use crate::bacalhau::plan::Plan;
use crate::chance::{chance, hash, mix, uuid};
use crate::clock::Clock;

/// Time between a change and the scheduler's look at it.
pub(crate) const SOON: Duration = Duration::from_millis(2);

/// What made the scheduler look at a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trigger {
    Register,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// The scheduler looks at a job.
    Evaluate { job: usize, eval: u64, trigger: Trigger },
    /// A node is asked for an execution.
    Offer(usize),
    /// The program of an execution ends.
    End(usize),
}

pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) script: Option<Script>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) executions: Vec<Execution>,
    pub(crate) by_id: BTreeMap<String, usize>,
    /// By namespace and name.
    pub(crate) names: HashMap<(String, String), usize>,
    pub(crate) execution_ids: HashMap<String, usize>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) agenda: Agenda<Step>,
    /// Executions that wait for a place on their node.
    pub(crate) waiting: VecDeque<usize>,
    /// A write that never ends keeps every other from beginning.
    pub(crate) frozen: bool,
    evals: u64,
    last: i64,
    /// How often each body was submitted.
    bodies: HashMap<u64, usize>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("jobs", &self.jobs.len()).finish_non_exhaustive()
    }
}

/// What a submission led to.
pub(crate) struct Put {
    pub(crate) job: usize,
    pub(crate) eval: u64,
    pub(crate) warnings: Vec<String>,
}

impl World {
    pub(crate) fn new(settings: Settings, clock: Clock, script: Option<Script>) -> Self {
        Self {
            nodes: Node::all(&settings),
            settings,
            clock,
            script,
            jobs: Vec::new(),
            executions: Vec::new(),
            by_id: BTreeMap::new(),
            names: HashMap::new(),
            execution_ids: HashMap::new(),
            agenda: Agenda::new(),
            waiting: VecDeque::new(),
            frozen: false,
            evals: 0,
            last: 0,
            bodies: HashMap::new(),
        }
    }

    /// Brings the world up to the present and gives the simulated time. While it is frozen nothing moves.
    pub(crate) fn advance(&mut self) -> Duration {
        let now = self.clock.now();
        while !self.frozen
            && let Some((at, step)) = self.agenda.due(now)
        {
            match step {
                Step::Evaluate { job, eval, trigger } => self.evaluate(job, at, eval, trigger),
                Step::Offer(execution) => self.offer(execution, at),
                Step::End(execution) => self.end(execution, at),
            }
        }
        now
    }

    /// A moment in nanoseconds since 1970; no two things have the same.
    pub(crate) fn stamp(&mut self, at: Duration) -> i64 {
        let date = i64::try_from(self.clock.date(at).as_nanosecond()).unwrap_or(i64::MAX);
        self.last = date.max(self.last.saturating_add(1_043));
        self.last
    }

    /// A new evaluation; the scheduler carries it out soon.
    pub(crate) fn plan_evaluation(&mut self, job: usize, at: Duration, trigger: Trigger) -> u64 {
        self.evals += 1;
        self.agenda.plan(at, Step::Evaluate { job, eval: self.evals, trigger });
        self.evals
    }

    pub(crate) fn eval_id(&self, eval: u64) -> String {
        uuid(&mut chance(mix(self.settings.seed, 0xE7A1), eval))
    }

    fn job_id(&self) -> String {
        format!("j-{}", uuid(&mut chance(mix(self.settings.seed, 0x10B5), self.jobs.len() as u64)))
    }

    /// A job by the name that it has in a namespace, by its id, or by a prefix of its id.
    pub(crate) fn find(&self, name: &str, namespace: &str) -> Result<usize, Refused> {
        if self.settings.version.unique_names() {
            let namespace = if namespace.is_empty() { "default" } else { namespace };
            if let Some(job) = self.names.get(&(namespace.to_owned(), name.to_owned())) {
                return Ok(*job);
            }
        }
        if let Some(job) = self.by_id.get(name) {
            return Ok(*job);
        }
        let mut found = self.by_id.range(name.to_owned()..).take_while(|(id, _)| id.starts_with(name));
        match (found.next(), found.next()) {
            (Some((_, job)), None) => Ok(*job),
            (Some(_), Some(_)) => {
                let message = format!("multiple jobs found for id {name}");
                Err(ApiError::new(500, message, "MultipleJobsFound", "JobStore").hint("Use full job ID").refuse())
            }
            (None, _) => Err(not_found(format!("job not found: {name}"))),
        }
    }

    /// What becomes of a job that was just submitted.
    fn plan(&self, spec: &Spec, index: usize) -> Result<Plan, Refused> {
        let scripted = self.script.as_ref().map(|script| script(&Value::Object(spec.json()), index));
        let labels = spec.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        scripted.unwrap_or_default().amended(labels).map_err(|why| super::errors::api_error(400, &why))
    }

    /// The job that a submission updates. An error if nothing changed, and that is not forced.
    fn existing(&self, job: &Submitted, force: bool) -> Result<Option<usize>, Refused> {
        let existing = self.names.get(&(job.namespace.clone(), job.name.clone())).copied();
        let Some(existing) = existing.filter(|_| self.settings.version.unique_names()) else { return Ok(None) };
        let found = &self.jobs[existing];
        if !force && *found.spec() == job.spec {
            let (name, id) = (&found.name, &found.id);
            let message = format!("no changes detected for new job spec. Job Name: '{name}', Job Id: '{id}'");
            let hint = "Use the --force flag to override this warning";
            return Err(ApiError::new(500, message, "", "Bacalhau").hint(hint).refuse());
        }
        Ok(Some(existing))
    }

    /// What a submission is refused for before anything is written.
    pub(crate) fn refuse_unchanged(&self, job: &Submitted, force: bool) -> Result<(), Refused> {
        let mut job = job.clone();
        job.sanitise();
        self.complete(&mut job);
        self.existing(&job, force).map(|_| ())
    }

    /// Takes a submission: a new job, or a new version of the one with its name.
    pub(crate) fn submit(
        &mut self,
        now: Duration,
        mut job: Submitted,
        force: bool,
        body: &[u8],
    ) -> Result<Put, Refused> {
        let warnings = job.sanitise();
        self.complete(&mut job);
        let plan = self.plan(&job.spec, self.jobs.len())?;
        let body = hash(body);
        if let Some(existing) = self.existing(&job, force)? {
            let found = &self.jobs[existing];
            job.id.clone_from(&found.id);
            self.check(&job)?;
            let spec = Spec { kind: found.spec().kind.clone(), ..job.spec };
            self.renew(existing, spec, "Job update requested by user", Event::new("Submission", "Job updated"), now);
            self.jobs[existing].plan = plan;
            self.jobs[existing].body = body;
            *self.bodies.entry(body).or_default() += 1;
            let eval = self.plan_evaluation(existing, now + SOON, Trigger::Other);
            return Ok(Put { job: existing, eval, warnings });
        }
        self.check(&job)?;
        if self.by_id.contains_key(&job.id) {
            let message = format!("job already exists: {}", job.id);
            return Err(ApiError::new(409, message, "ResourceInUse", "JobStore").refuse());
        }
        *self.bodies.entry(body).or_default() += 1;
        let (number, created) = (self.jobs.len(), self.stamp(now));
        self.by_id.insert(job.id.clone(), number);
        self.names.entry((job.namespace.clone(), job.name.clone())).or_insert(number);
        self.jobs.push(Job {
            id: job.id,
            name: job.name,
            namespace: job.namespace,
            specs: vec![Arc::new(job.spec)],
            plan,
            state: "Pending".to_owned(),
            message: String::new(),
            revision: 1,
            created,
            modified: created + 60,
            begun: now,
            records: vec![Arc::from("null")],
            executions: Vec::new(),
            history: Vec::new(),
            body,
        });
        self.write(number);
        self.note(
            number,
            None,
            Event::new("Submission", "Job submitted"),
            now,
            Some((json!("Undefined"), json!("Pending"))),
        );
        let eval = self.plan_evaluation(number, now + SOON, Trigger::Register);
        Ok(Put { job: number, eval, warnings })
    }

    /// Fills in what a job leaves open.
    pub(crate) fn complete(&self, job: &mut Submitted) {
        if job.id.is_empty() {
            job.id = self.job_id();
        }
        if job.name.is_empty() {
            job.name.clone_from(&job.id);
        }
        for task in &mut job.spec.tasks {
            for (place, default) in ["500m", "512mb"].into_iter().enumerate() {
                if task.resources[place].is_empty() {
                    default.clone_into(&mut task.resources[place]);
                }
            }
            if self.settings.version.at_least(7, 0) {
                task.modernise();
            }
        }
    }

    fn check(&self, job: &Submitted) -> Result<(), Refused> {
        let wrong = validate::stored(job);
        if wrong.is_empty() { Ok(()) } else { Err(bad_request(wrong.join("\n"))) }
    }

    /// Gives a job a new version.
    fn renew(&mut self, job: usize, spec: Spec, message: &str, event: Event, now: Duration) {
        let found = &mut self.jobs[job];
        found.specs.push(Arc::new(spec));
        found.records.push(Arc::from("null"));
        let before = std::mem::replace(&mut found.state, "Pending".to_owned());
        message.clone_into(&mut found.message);
        found.revision += 1;
        self.jobs[job].modified = self.stamp(now);
        self.write(job);
        self.note(job, None, event, now, Some((json!(before), json!("Pending"))));
    }

    /// Stops a job. Gives the evaluation, or nothing if it was stopped already.
    pub(crate) fn stop(&mut self, job: usize, reason: &str, now: Duration) -> Result<Option<u64>, Refused> {
        match self.jobs[job].state.as_str() {
            "Stopped" => return Ok(None),
            "Completed" => {
                return Err(ApiError::new(500, "cannot stop job in state Completed", "", "Bacalhau").refuse());
            }
            "Failed" => {
                let id = &self.jobs[job].id;
                let message = format!("job {id} is in terminal state Failed and cannot transition to Stopped");
                return Err(ApiError::new(500, message, "ConflictJobState", "JobStore").refuse());
            }
            _ => {}
        }
        let event = Event::new("Scheduling", "Job requested to stop before completion").detail("Reason", reason);
        self.set_state(job, "Stopped", reason, event, now);
        Ok(Some(self.plan_evaluation(job, now + SOON, Trigger::Other)))
    }

    /// Runs a version of a job again. Gives the evaluation.
    pub(crate) fn rerun(&mut self, job: usize, version: u64, now: Duration) -> Result<u64, Refused> {
        let found = &self.jobs[job];
        if matches!(found.state.as_str(), "Pending" | "Queued" | "Undefined") {
            let hint = "try to use the job run command instead of the job rerun command";
            let message = format!("cannot rerun job in state {}", found.state);
            return Err(ApiError::new(500, message, "", "Bacalhau").hint(hint).refuse());
        }
        let wanted = if version == 0 { found.version() } else { version };
        let index = usize::try_from(wanted.saturating_sub(1)).unwrap_or(usize::MAX);
        let spec = found.specs.get(index).map(|spec| Spec::clone(spec)).unwrap_or_default();
        let event = Event::new("Submission", "Job rerun requested").detail("Reason", "job rerun");
        self.renew(job, spec, "job rerun", event, now);
        Ok(self.plan_evaluation(job, now + SOON, Trigger::Other))
    }

    /// Changes the state of a job and notes why.
    pub(crate) fn set_state(&mut self, job: usize, state: &str, message: &str, event: Event, at: Duration) {
        let before = std::mem::replace(&mut self.jobs[job].state, state.to_owned());
        message.clone_into(&mut self.jobs[job].message);
        self.jobs[job].revision += 1;
        self.jobs[job].modified = self.stamp(at);
        self.write(job);
        self.note(job, None, event, at, Some((json!(before), json!(state))));
    }

    /// Writes down a job as it is now.
    fn write(&mut self, job: usize) {
        let found = &self.jobs[job];
        let mut record = found.spec().json();
        let mut state = json!({"StateType": found.state});
        if !found.message.is_empty() {
            state["Message"] = json!(found.message);
        }
        let node = self.nodes.first().map_or("node1", |node| node.name.as_str());
        let mut meta = found.spec().meta.clone();
        let instance = format!("{:016x}", mix(self.settings.seed, 0x15)).repeat(4);
        meta.extend([
            ("bacalhau.org/orchestrator.id".to_owned(), node.to_owned()),
            ("bacalhau.org/requester.id".to_owned(), node.to_owned()),
            ("bacalhau.org/server.instance.id".to_owned(), instance),
        ]);
        let more = json!({
            "ID": found.id, "Name": found.name, "Namespace": found.namespace, "State": state, "Meta": meta,
            "Version": found.version(), "Revision": found.revision,
            "CreateTime": found.created, "ModifyTime": found.modified,
        });
        record.extend(more.as_object().cloned().unwrap_or_default());
        let text = Arc::from(escaped(&Value::Object(record).to_string()));
        if let Some(last) = self.jobs[job].records.last_mut() {
            *last = text;
        }
    }

    /// Adds to the history of a job.
    pub(crate) fn note(
        &mut self,
        job: usize,
        execution: Option<usize>,
        event: Event,
        at: Duration,
        change: Option<(Value, Value)>,
    ) {
        let at = self.stamp(at);
        let revision = execution.map_or(self.jobs[job].revision, |execution| self.executions[execution].revision);
        let found = &mut self.jobs[job];
        let (number, version) = (found.history.len() as u64 + 1, found.specs.len() as u64);
        found.history.push(Entry { number, version, execution, event, at, change, revision });
    }

    /// The state of an execution as servers before 1.5 tell it in a history.
    pub(crate) fn compute_word(&self, state: Compute) -> Value {
        json!(state.number(self.settings.version.at_least(6, 0)))
    }

    /// A job as a test sees it.
    pub(crate) fn view(&self, job: &Job) -> JobView {
        JobView {
            id: job.id.clone(),
            name: job.name.clone(),
            namespace: job.namespace.clone(),
            record: serde_json::from_str(&job.record()).unwrap_or_default(),
            state: job.state.clone(),
            message: job.message.clone(),
            version: job.version(),
            executions: job.executions.len(),
            submitted: self.bodies.get(&job.body).copied().unwrap_or(0),
        }
    }
}

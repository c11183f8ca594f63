//! Taking submissions into the world: plans, priorities, dependencies, credit.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::errors::Fields;
use super::job::{Job, State};
use super::plan::Plan;
use super::templates::{Makes, Priority, Template};
use super::world::{Step, World};
use crate::chance::{chance, hash, hex64, mix, uuid};

/// How many jobs one submission may make.
const LARGEST_SUBMISSION: usize = 1000;

#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) id: String,
    pub(crate) at: Duration,
    pub(crate) account: usize,
    pub(crate) jobs: Vec<usize>,
    /// Whether its jobs were paid for.
    pub(crate) charged: bool,
    pub(super) body: u64,
}

/// Why a submission was refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    Fields(Fields),
    NoCredit,
}

impl World {
    /// Puts new jobs into the world; nothing is changed if it refuses.
    pub(crate) fn submit(
        &mut self,
        now: Duration,
        account: usize,
        templates: Vec<Template>,
        body: &[u8],
        charge: bool,
    ) -> Result<usize, Refusal> {
        let total: usize = templates.iter().map(|t| t.quantity).sum();
        if total > LARGEST_SUBMISSION {
            let message = format!("One submission may hold at most {LARGEST_SUBMISSION} jobs.");
            return Err(Refusal::Fields(Fields::one("jobs", message)));
        }
        let depends = dependencies(&templates).map_err(Refusal::Fields)?;
        let plans = self.plans(&templates).map_err(Refusal::Fields)?;
        let cost: f64 = templates.iter().map(|t| t.cost * t.quantity as f64).sum();
        if charge {
            let credit = self.settings.accounts[account].credit;
            if credit.is_some_and(|credit| self.spent[account] + cost > credit) {
                return Err(Refusal::NoCredit);
            }
            self.spent[account] += cost;
        }
        let number = self.submissions.len();
        let id = uuid(&mut chance(mix(self.settings.seed, 0x5EED), number as u64));
        let body = hash(body);
        *self.bodies.entry(body).or_default() += 1;
        let first = self.jobs.len();
        let mut made: Vec<Vec<usize>> = Vec::new();
        let mut plans = plans.into_iter();
        for template in templates {
            let template = Arc::new(template);
            let priority = self.priority(now, &template);
            let jobs = plans.by_ref().take(template.quantity).enumerate();
            let jobs: Vec<usize> = jobs
                .map(|(index, plan)| self.create(now, account, number, &template, index, priority, plan, &id))
                .collect();
            made.push(jobs);
        }
        self.submissions.push(Submission {
            id,
            at: now,
            account,
            jobs: (first..self.jobs.len()).collect(),
            charged: charge,
            body,
        });
        for (template, depends) in depends.iter().enumerate() {
            let before: Vec<usize> = depends.iter().flat_map(|d| made[*d].iter().copied()).collect();
            for job in &made[template] {
                if !before.is_empty() {
                    self.jobs[*job].state = State::Blocked(before.len());
                    before.iter().for_each(|b| self.jobs[*b].dependents.push(*job));
                }
            }
        }
        for job in first..self.jobs.len() {
            self.emit(job, "Initialized", now, Map::new(), false, Some(false));
            if let Some(expires) = self.jobs[job].expires {
                self.plan_step(expires.max(now), job, Step::Expire);
            }
            if !matches!(self.jobs[job].state, State::Blocked(_)) {
                self.begin(job, now);
            }
        }
        self.advance();
        Ok(number)
    }

    /// The plan of each job: chance, then the script, then the job's own properties.
    fn plans(&self, templates: &[Template]) -> Result<Vec<Plan>, Fields> {
        let mut plans = Vec::new();
        for (index, template) in templates.iter().enumerate() {
            for _ in 0..template.quantity {
                let raw = || Value::Object(template.raw.clone());
                let plan =
                    self.script.as_ref().map_or_else(Plan::default, |s| s(&raw(), self.jobs.len() + plans.len()));
                let plan = match template.properties.get("sim") {
                    Some(own) => {
                        plan.amended(own).map_err(|e| Fields::one(&format!("jobs[{index}].properties.sim"), e))?
                    }
                    None => plan,
                };
                plans.push(plan);
            }
        }
        Ok(plans)
    }

    fn priority(&mut self, now: Duration, template: &Template) -> i32 {
        match template.priority {
            Priority::Fixed(priority) => priority,
            Priority::Range(min, max) => {
                let key = hash(Value::Object(template.properties.clone()).to_string().as_bytes());
                let recent = self.recent.entry(key).or_default();
                while recent.front().is_some_and(|at| *at + Duration::from_secs(3600) < now) {
                    recent.pop_front();
                }
                recent.push_back(now);
                min.saturating_add(i32::try_from(recent.len() - 1).unwrap_or(i32::MAX)).min(max)
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // the parts of one job, used once
    fn create(
        &mut self,
        now: Duration,
        account: usize,
        submission: usize,
        template: &Arc<Template>,
        index: usize,
        priority: i32,
        plan: Plan,
        request_id: &str,
    ) -> usize {
        let number = self.jobs.len();
        let mut rng = chance(self.settings.seed, number as u64 * 64 + 63);
        let id = if self.settings.hex_ids { hex64(&mut rng) } else { uuid(&mut rng) };
        let random = u64::from(rng.u32(..));
        let wanted = template.raw.get("params").and_then(|p| p.get("seed")).and_then(Value::as_u64);
        let seed = wanted.map_or(random, |seed| (seed + index as u64) % (1 << 32));
        let pictures = if template.kind.makes == Makes::Blobs { template.batch } else { 0 };
        let blobs: Vec<String> = (0..pictures).map(|_| hex64(&mut rng)).collect();
        for (picture, key) in blobs.iter().enumerate() {
            self.blobs.insert(key.clone(), (number, picture));
        }
        let mut properties = template.properties.clone();
        properties.entry("RequestId").or_insert_with(|| json!(request_id));
        self.by_id.insert(id.clone(), number);
        self.jobs.push(Job {
            id,
            account,
            submission,
            template: template.clone(),
            properties,
            priority,
            plan,
            created: now,
            expires: template.expire_at.map(|date| self.clock.at(date)),
            seed,
            blobs,
            state: State::Unserved,
            attempt: 0,
            begun: 0,
            round: 0,
            dependents: Vec::new(),
            last: None,
            history: Vec::new(),
            waiters: Vec::new(),
            taint: None,
            forgotten: false,
        });
        number
    }
}

/// For each template the indices of those that it depends on.
fn dependencies(templates: &[Template]) -> Result<Vec<Vec<usize>>, Fields> {
    let mut names: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, template) in templates.iter().enumerate() {
        if let Some(name) = &template.name {
            names.entry(name).or_default().push(index);
        }
    }
    let mut errors = Fields::default();
    let mut depends = Vec::new();
    for (index, template) in templates.iter().enumerate() {
        let place = format!("jobs[{index}].dependencies");
        let mut own = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for name in &template.dependencies {
            if !seen.insert(name) {
                errors.add(&place, format!("The dependency {name} is named twice."));
            }
            match names.get(name.as_str()) {
                Some(jobs) => own.extend(jobs.iter().copied()),
                None => errors.add(&place, format!("There is no job named {name}.")),
            }
        }
        depends.push(own.into_iter().collect::<Vec<_>>());
    }
    let mut left: Vec<usize> = (0..depends.len()).collect();
    loop {
        let open: BTreeSet<usize> = left.iter().copied().collect();
        left.retain(|template| depends[*template].iter().any(|d| open.contains(d)));
        if left.is_empty() || left.len() == open.len() {
            break;
        }
    }
    for template in left {
        errors.add(format!("jobs[{template}].dependencies"), "The job depends on itself.");
    }
    if errors.is_empty() { Ok(depends) } else { Err(errors) }
}

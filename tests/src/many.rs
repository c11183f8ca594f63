//! Many jobs watched to their ends on the simulator, in virtual time: for a test and for a bench.
use std::collections::HashMap;
use std::time::Duration;

#[cfg(feature = "civitai")]
use consign::civitai::{Civitai, TextToImage};
use consign::{Event, Job, Jobs, Provider, WaitPolicy};
use consign_sim::Simulator;
#[cfg(feature = "civitai")]
use consign_sim::{Civitai as Sim, Durations};

/// What a run over many jobs showed.
#[derive(Debug, Default)]
pub struct Seen {
    /// How many jobs ended, each counted once.
    pub ends: usize,
    /// How many requests the watch made.
    pub requests: u64,
    /// How late the ends were seen, all together.
    pub late: Duration,
}

#[cfg(feature = "civitai")]
/// A simulator with room for `jobs` at once, of lognormal durations around `median`.
pub fn sim(jobs: usize, median: Duration, sigma: f64) -> Sim {
    let durations = Durations::LogNormal { median, sigma };
    Sim::builder().seed(11).workers(jobs).queue(0, 0).durations(durations).ledger_limit(0).build()
}

#[cfg(feature = "civitai")]
/// Submits `count` jobs of one item each.
pub async fn submit(jobs: &Jobs<Civitai>, count: usize) -> Vec<Job<Civitai>> {
    let mut out = Vec::with_capacity(count);
    for n in 0..count {
        let spec = TextToImage::new("urn:air:sdxl:checkpoint:civitai:101055@128078", format!("cat {n}")).size(64, 64);
        // Without a time limit of its own the service ends a job after ten minutes.
        out.push(jobs.submit(spec.timeout(Duration::from_secs(7 * 86_400))).await.expect("a job"));
    }
    out
}

/// A simulator that many jobs are watched on.
pub trait Place: Simulator {
    /// The simulated time since it was made.
    fn elapsed(&self) -> Duration;
    /// How many requests it has had.
    fn requests(&self) -> u64;
    /// When each job that has ended did, by its id.
    fn ends(&self) -> HashMap<String, Duration>;
}

#[cfg(feature = "civitai")]
impl Place for consign_sim::Civitai {
    fn elapsed(&self) -> Duration {
        Self::elapsed(self)
    }
    fn requests(&self) -> u64 {
        self.ledger().len()
    }
    fn ends(&self) -> HashMap<String, Duration> {
        self.jobs().into_iter().filter_map(|job| Some((job.id, job.events.last()?.0))).collect()
    }
}

#[cfg(feature = "chutes")]
impl Place for consign_sim::Chutes {
    fn elapsed(&self) -> Duration {
        Self::elapsed(self)
    }
    fn requests(&self) -> u64 {
        self.ledger().len()
    }
    fn ends(&self) -> HashMap<String, Duration> {
        self.jobs().into_iter().filter_map(|job| Some((job.id, job.events.last()?.0))).collect()
    }
}

#[cfg(feature = "numind")]
impl Place for consign_sim::NuMind {
    fn elapsed(&self) -> Duration {
        Self::elapsed(self)
    }
    fn requests(&self) -> u64 {
        self.ledger().len()
    }
    fn ends(&self) -> HashMap<String, Duration> {
        self.jobs().into_iter().filter_map(|job| Some((job.id, job.ended?))).collect()
    }
}

#[cfg(feature = "bacalhau")]
impl Place for consign_sim::Bacalhau {
    fn elapsed(&self) -> Duration {
        Self::elapsed(self)
    }
    fn requests(&self) -> u64 {
        self.ledger().len()
    }
    fn ends(&self) -> HashMap<String, Duration> {
        let start = self.now() - self.elapsed();
        let start = start.duration_since(std::time::UNIX_EPOCH).expect("a date of today");
        let ended = |job: &serde_json::Value| Some(Duration::from_nanos(job["ModifyTime"].as_u64()?) - start);
        self.jobs().into_iter().filter_map(|job| Some((job.id, ended(&job.record)?))).collect()
    }
}

/// Watches `all` to their ends.
pub async fn watch<S: Place, P: Provider>(sim: &S, jobs: &Jobs<P>, all: Vec<Job<P>>, policy: WaitPolicy) -> Seen {
    let before = sim.requests();
    let mut seen = Seen::default();
    let mut ended_at = HashMap::new();
    let mut watch = jobs.watch_all_with(all, policy);
    while let Some((index, event)) = watch.next().await {
        if let Event::Ended(finished) = event.expect("no watch breaks") {
            let id = finished.items()[0].id.clone().expect("an id").to_string();
            assert!(ended_at.insert(index, (id, sim.elapsed())).is_none(), "job {index} ended twice");
        }
    }
    seen.requests = sim.requests() - before;
    seen.ends = ended_at.len();
    let truth = sim.ends();
    seen.late = ended_at.values().map(|(id, at)| at.saturating_sub(truth[id])).sum();
    seen
}

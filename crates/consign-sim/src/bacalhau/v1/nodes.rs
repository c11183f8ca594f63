//! The nodes: what they offer, whether a job fits them, and what the API tells of them.

use std::time::Duration;

use serde_json::{Value, json};

use super::job::Compute;
use super::settings::Settings;
use super::validate::{bytes, processors};
use super::world::World;
use crate::bacalhau::selector::Labels;
use crate::clock::seconds;

/// What every node has.
const CPU: f64 = 16.0;
const MEMORY: u64 = 64_000_000_000;
const DISK: u64 = 1_000_000_000_000;

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) labels: Labels,
    /// `APPROVED` or `REJECTED`.
    pub(crate) membership: &'static str,
    /// Executions that run on it.
    pub(crate) busy: usize,
}

impl Node {
    pub(crate) fn all(settings: &Settings) -> Vec<Self> {
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let node = |number: usize| {
            let name = format!("node{number}");
            let own = [label("name", &name), label("os_arch", "amd64"), label("os_type", "linux")];
            let labels = own.into_iter().chain(settings.node_labels.clone()).collect();
            Self { name, labels, membership: "APPROVED", busy: 0 }
        };
        (1..=settings.nodes).map(node).collect()
    }
}

/// What the scheduler thinks of a node for a job.
#[derive(Debug)]
pub(crate) struct Rank {
    pub(crate) node: usize,
    /// The higher, the better.
    rank: i32,
    /// Why it does not fit; empty if it does.
    reason: String,
}

impl Rank {
    pub(crate) fn fits(&self) -> bool {
        self.reason.is_empty()
    }
}

impl World {
    /// The nodes for a job: those that fit first, the best of them at the head.
    pub(crate) fn ranks(&self, job: usize, at: Duration) -> Vec<Rank> {
        let found = &self.jobs[job];
        let absent =
            found.plan.never_placed() || found.plan.queue.is_some_and(|queue| at < found.begun + seconds(queue));
        if absent {
            return Vec::new();
        }
        let approved = (0..self.nodes.len()).filter(|node| self.nodes[*node].membership == "APPROVED");
        let mut all: Vec<Rank> = approved.map(|node| self.rank(job, node)).collect();
        all.sort_by_key(|rank| (!rank.fits(), -rank.rank));
        all
    }

    fn rank(&self, job: usize, node: usize) -> Rank {
        let spec = self.jobs[job].spec();
        let (task, settings) = (spec.task(), &self.settings);
        let unfit = |reason: String| Rank { node, rank: -1, reason };
        let lacks = |wanted: &str, offered: &[String]| {
            let there = wanted.is_empty() || offered.iter().any(|offer| offer.eq_ignore_ascii_case(wanted));
            (!there).then(|| format!("does not support {wanted}, only {}", offered.join(", ")))
        };
        let engine = task.engine.as_ref().map_or("", |engine| engine.kind.as_str());
        let sources = task.inputs.iter().filter_map(|input| input.source.as_ref());
        let missing = lacks(engine, &settings.engines)
            .or_else(|| lacks(&task.publisher.kind, &settings.publishers))
            .or_else(|| sources.map(|source| lacks(&source.kind, &settings.sources)).find_map(|lack| lack));
        if let Some(reason) = missing {
            return unfit(reason);
        }
        let labels = &self.nodes[node].labels;
        if spec.constraints.iter().any(|constraint| constraint.holds(labels) != Some(true)) {
            let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}:{value}")).collect();
            let wanted: Vec<String> =
                spec.constraints.iter().map(|c| format!("{} {} {}", c.key, c.operator, c.values.join("|"))).collect();
            let (labels, wanted) = (labels.join(" "), wanted.join(" "));
            return unfit(format!("labels map[{labels}] don't match required selectors [{wanted}]"));
        }
        let [cpu, memory, disk, gpu] = &task.resources;
        let too_much = processors(cpu).unwrap_or(0.0) > CPU
            || bytes(memory).unwrap_or(0) > MEMORY
            || bytes(disk).unwrap_or(0) > DISK
            || gpu.parse::<u64>().unwrap_or(0) > settings.gpus;
        if too_much {
            let has = format!("CPU: {CPU:.2}, Memory: 64 GB, Disk: 1.0 TB, GPU: {}", settings.gpus);
            return unfit(format!("node busy with available capacity {{{has}}}"));
        }
        let version = self.jobs[job].version();
        let here = self.jobs[job].executions.iter().map(|execution| &self.executions[*execution]);
        let here: Vec<_> = here.filter(|e| e.version == version && e.node == node).collect();
        match here.len() {
            0 => Rank { node, rank: 30, reason: String::new() },
            1 if !here[0].discarded() || here[0].compute.0 == Compute::Completed => unfit("job rejected".to_owned()),
            1 => Rank { node, rank: 0, reason: String::new() },
            _ => unfit("job already executed on this node more than once".to_owned()),
        }
    }

    /// A node as the API tells of it.
    pub(crate) fn node_json(&self, node: &Node, now: Duration) -> Value {
        let date = |at| self.clock.date(at).to_string();
        let connected = "CONNECTED";
        json!({
            "Info": self.node_info(node),
            "Membership": node.membership, "Connection": connected,
            "ConnectionState": {
                "Status": connected, "LastHeartbeat": date(Duration::from_secs(now.as_secs() / 5 * 5)),
                "LastComputeSeqNum": self.executions.len() * 2, "LastOrchestratorSeqNum": self.executions.len() * 3,
                "ConnectedSince": date(Duration::ZERO), "DisconnectedSince": "0001-01-01T00:00:00Z",
            },
        })
    }

    pub(crate) fn node_info(&self, node: &Node) -> Value {
        let mut capacity = json!({"CPU": CPU, "Memory": MEMORY, "Disk": DISK});
        if self.settings.gpus > 0 {
            capacity["GPU"] = json!(self.settings.gpus);
        }
        let lower = |names: &[String]| names.iter().map(|name| name.to_lowercase()).collect::<Vec<_>>();
        let waiting = self.waiting.iter().filter(|e| self.nodes[self.executions[**e].node].name == node.name).count();
        json!({
            "NodeID": node.name, "NodeType": "Compute", "Labels": node.labels,
            "SupportedProtocols": ["bprotocol/v2", "ncl/v1"],
            "ComputeNodeInfo": {
                "ExecutionEngines": lower(&self.settings.engines), "Publishers": lower(&self.settings.publishers),
                "StorageSources": lower(&self.settings.sources),
                "MaxCapacity": capacity, "QueueCapacity": {}, "AvailableCapacity": capacity,
                "MaxJobRequirements": capacity, "RunningExecutions": node.busy, "EnqueuedExecutions": waiting,
                "address": "",
            },
            "BacalhauVersion": self.settings.version.json(),
        })
    }
}

/// Why there are not enough nodes for a job.
pub(crate) fn not_enough(nodes: &[Node], wanted: usize, ranks: &[Rank]) -> String {
    let fitting = ranks.iter().filter(|rank| rank.fits()).count();
    let start =
        format!("not enough nodes to run job. requested: {wanted}, available: {}, suitable: {fitting}.", ranks.len());
    start + &reasons(nodes, ranks)
}

/// The reasons of the nodes, one line for those that have the same.
pub(crate) fn reasons(nodes: &[Node], ranks: &[Rank]) -> String {
    let mut seen: Vec<&str> = Vec::new();
    let mut text = String::new();
    for rank in ranks {
        if seen.contains(&rank.reason.as_str()) {
            continue;
        }
        seen.push(&rank.reason);
        let same = ranks.iter().filter(|other| other.reason == rank.reason).count();
        let who = match same {
            1 => format!("Node {}", nodes[rank.node].name),
            _ => format!("{same} of {} nodes", ranks.len()),
        };
        text += &format!("\n\u{2022} {who}: {}", rank.reason);
    }
    text
}

//! What readers get: jobs, executions and histories, in the form of the server's version.

use serde_json::{Map, Value, json};

use super::errors::escaped;
use super::job::{Entry, Execution, Published};
use super::world::World;

/// Who reads.
pub(crate) struct Reader<'a> {
    /// Base URL of the file server.
    pub(crate) results_url: &'a str,
    /// Whether the reader says that it is older than 1.5.
    pub(crate) old: bool,
}

/// `{"NextToken": …, "Items": […]}`, under the member that this version uses.
pub(crate) fn page(member: &str, token: &str, items: &[String]) -> String {
    format!("{{\"NextToken\":{},\"{member}\":[{}]}}", json!(token), items.join(","))
}

impl World {
    /// The member that a list of jobs, executions, results or history stands in.
    pub(crate) fn list_member(&self, kind: &'static str) -> &'static str {
        if self.settings.version.at_least(4, 0) { "Items" } else { kind }
    }

    /// An execution as JSON text.
    pub(crate) fn execution_json(&self, execution: &Execution, reader: &Reader<'_>) -> String {
        let version = self.settings.version;
        let state = |number: u8, message: &str| {
            if message.is_empty() {
                json!({"StateType": number})
            } else {
                json!({"StateType": number, "Message": message})
            }
        };
        let (compute, message) = &execution.compute;
        let job = &self.jobs[execution.job];
        let mut members = json!({
            "ID": execution.id, "Namespace": job.namespace, "EvalID": self.eval_id(execution.eval), "Name": "",
            "NodeID": self.nodes[execution.node].name, "JobID": job.id,
            "AllocatedResources": {"Tasks": {}},
            "DesiredState": state(execution.desired.0, &execution.desired.1),
            "ComputeState": state(compute.number(version.at_least(6, 0)), message),
            "PublishedResult": published(execution, reader.results_url), "RunOutput": execution.run_output(),
            "PreviousExecution": "", "NextExecution": "", "FollowupEvalID": "",
            "Revision": execution.revision, "CreateTime": execution.created, "ModifyTime": execution.modified,
        });
        if version.unique_names() {
            members["JobVersion"] = json!(execution.version);
        }
        if execution.partition > 0 && version.at_least(6, 0) {
            members["PartitionIndex"] = json!(execution.partition);
        }
        let text = escaped(&members.to_string());
        if version.at_least(5, 0) { format!("{{\"Job\":{},{}", execution.snapshot, &text[1..]) } else { text }
    }

    /// An entry of a history as JSON text.
    pub(crate) fn entry_json(&self, job: usize, entry: &Entry, reader: &Reader<'_>) -> String {
        let version = self.settings.version;
        let date = jiff::Timestamp::from_nanosecond(i128::from(entry.at)).unwrap_or_default().to_string();
        let mut event = json!({"Message": entry.event.message, "Topic": entry.event.topic, "Timestamp": date});
        if !entry.event.details.is_empty() {
            let details = entry.event.details.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
            event["Details"] = Value::Object(details.collect());
        }
        let kind = if entry.execution.is_some() { "ExecutionLevel" } else { "JobLevel" };
        let mut members = json!({"Type": kind, "JobID": self.jobs[job].id, "Time": date});
        let state = if entry.execution.is_some() { "ExecutionState" } else { "JobState" };
        if let Some(execution) = entry.execution {
            members["ExecutionID"] = json!(self.executions[execution].id);
        }
        if version.at_least(5, 0) {
            members["SeqNum"] = json!(entry.number);
            members["Event"] = event;
            if version.unique_names() {
                members["JobVersion"] = json!(entry.version);
            }
            if reader.old {
                members[state] = json!({});
            }
            return escaped(&members.to_string());
        }
        members["NewRevision"] = json!(entry.revision);
        members["Comment"] = json!(entry.event.message);
        if version.at_least(3, 1) {
            members["Event"] = event;
        }
        if let Some(execution) = entry.execution {
            members["NodeID"] = json!(self.nodes[self.executions[execution].node].name);
        }
        if let Some((before, after)) = &entry.change {
            let zero = |value: &Value| *value == json!("Undefined") || *value == json!(0);
            let ends = [("Previous", before), ("New", after)].into_iter().filter(|(_, value)| !zero(value));
            let change: Map<String, Value> = ends.map(|(name, value)| (name.to_owned(), value.clone())).collect();
            members[state] = Value::Object(change);
        }
        escaped(&members.to_string())
    }
}

/// Where the result of an execution is, as readers are told.
pub(crate) fn published(execution: &Execution, results_url: &str) -> Value {
    match &execution.published {
        Published::Nowhere => json!({"Type": ""}),
        Published::Archive => {
            let url = format!("{results_url}/{}.tar.gz", execution.id);
            json!({"Type": "urlDownload", "Params": {"URL": url}})
        }
        Published::Elsewhere(config) => config.clone(),
    }
}

//! What readers of the requester API get, in the form of the server's version.

use serde_json::{Map, Value, json};

use super::world::{Execution, Job, World, date};

impl World {
    pub(crate) fn job_json(&self, job: &Job) -> Value {
        let node = self.nodes.first().map_or("", String::as_str);
        json!({
            "APIVersion": job.api_version,
            "Metadata": {
                "ID": job.id, "CreatedAt": date(job.made), "ClientID": job.client,
                "Requester": {"RequesterNodeID": node, "RequesterPublicKey": "CAASpgIwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQC="},
            },
            "Spec": job.spec.json,
        })
    }

    /// The state of a job. Servers before 0.3.24 had shards.
    pub(crate) fn state_json(&self, job: &Job) -> Value {
        let executions: Vec<Value> =
            job.executions.iter().map(|execution| self.execution_json(&self.executions[*execution])).collect();
        let mut state = json!({
            "JobID": job.id, "State": job.state, "Version": job.version, "CreateTime": date(job.created),
            "UpdateTime": date(job.updated), "TimeoutAt": "0001-01-01T00:00:00Z",
        });
        match self.settings.patch {
            24.. => state["Executions"] = if executions.is_empty() { Value::Null } else { json!(executions) },
            20..=23 => {
                let shard = json!({
                    "JobID": job.id, "ShardIndex": 0, "Executions": executions, "State": old_state(&job.state),
                    "Version": job.version, "CreateTime": date(job.created), "UpdateTime": date(job.updated),
                });
                state["Shards"] = json!({"0": shard});
                state["State"] = json!(old_state(&job.state));
            }
            _ => return self.nodes_json(job),
        }
        state
    }

    fn execution_json(&self, execution: &Execution) -> Value {
        let mut verification = Map::new();
        if execution.verified.is_some() {
            verification.insert("Complete".to_owned(), json!(true));
        }
        if execution.verified == Some(true) {
            verification.insert("Result".to_owned(), json!(true));
        }
        let mut json = json!({
            "JobID": self.jobs[execution.job].id, "NodeId": self.nodes[execution.node],
            "ComputeReference": execution.reference, "State": execution.state, "VerificationResult": verification,
            "PublishedResults": execution.published, "Version": execution.version,
            "CreateTime": date(execution.created), "UpdateTime": date(execution.updated),
        });
        if !execution.status.is_empty() {
            json["Status"] = json!(execution.status);
        }
        if self.settings.patch >= 26 {
            json["AcceptedAskForBid"] = json!(!execution.reference.is_empty());
        }
        if let Some(output) = run_output(execution) {
            json["RunOutput"] = output;
        }
        json
    }

    /// The form of 0.3.19 and older: nodes, then shards.
    fn nodes_json(&self, job: &Job) -> Value {
        let mut nodes = Map::new();
        for execution in job.executions.iter().map(|execution| &self.executions[*execution]) {
            let state = match execution.state {
                "AskForBid" | "AskForBidAccepted" => "Bidding",
                "BidAccepted" => "Running",
                "WaitingVerification" | "ResultAccepted" => "Verifying",
                "Completed" => "Completed",
                "Failed" | "ResultRejected" => "Error",
                _ => "Cancelled",
            };
            let mut shard = self.execution_json(execution);
            shard["State"] = json!(state);
            if let Some(members) = shard.as_object_mut() {
                for gone in ["JobID", "Version", "CreateTime", "UpdateTime"] {
                    members.remove(gone);
                }
                let reference = members.remove("ComputeReference").unwrap_or_default();
                members.insert("ExecutionId".to_owned(), reference);
            }
            nodes.insert(self.nodes[execution.node].clone(), json!({"Shards": {"0": shard}}));
        }
        if nodes.is_empty() { json!({}) } else { json!({"Nodes": nodes}) }
    }

    pub(crate) fn results_json(&self, job: &Job) -> Vec<Value> {
        let done = job.executions.iter().map(|execution| &self.executions[*execution]);
        let done =
            done.filter(|e| e.state == "Completed" && e.verified == Some(true) && e.published.get("CID").is_some());
        done.map(|e| json!({"NodeID": self.nodes[e.node], "Data": e.published})).collect()
    }
}

/// States before 0.3.24.
fn old_state(state: &str) -> &str {
    match state {
        "Queued" => "New",
        "CompletedPartially" => "Completed",
        other => other,
    }
}

/// The output of an execution, once its node told it.
fn run_output(execution: &Execution) -> Option<Value> {
    let work = execution.work.as_ref().filter(|_| execution.has_output && execution.state != "Cancelled")?;
    let cut = |text: &str| {
        let end = (0..=2048.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        (text[..end].to_owned(), end < text.len())
    };
    let ((out, out_cut), (err, err_cut)) = (cut(&work.stdout), cut(&work.stderr));
    Some(json!({
        "stdout": out, "stdouttruncated": out_cut, "stderr": err, "stderrtruncated": err_cut, "exitCode": work.exit,
        "runnerError": "",
    }))
}

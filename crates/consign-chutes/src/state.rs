//! How far a job is: the service tells no status word, so it is inferred from what a job holds.
use crate::types::{Job, JobStatus};

/// How far a job is, as far as its members tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Waiting for a node, or being launched on one.
    Queued,
    /// The method runs, or its outcome was reported and files are being uploaded.
    Running,
    /// Ended with a result, and every declared file is there.
    Succeeded,
    /// Ended without a report, or with declared files missing.
    Failed,
    /// Cancelled from inside. Only a status word tells it.
    Cancelled,
    /// Not to be told: an ended job with a null result, or a status word that is not known here.
    Unknown(Option<String>),
}

impl Job {
    /// Whether the job has ended, in whatever way: `finished_at` is the service's own end mark.
    pub fn is_finished(&self) -> bool {
        self.finished_at.is_some()
    }
    /// Whether its instance was checked, after which the method runs. The job's own `verified` is never set.
    fn is_on_node(&self) -> bool {
        self.instance.as_ref().is_some_and(|instance| instance.verified == Some(true))
    }
    /// How far the job is. A status word decides if there is one, which no known server sends; otherwise what the
    /// members say.
    ///
    /// One case cannot be told: a job whose node went away after all files were uploaded looks as if it succeeded.
    pub fn progress(&self) -> Progress {
        match &self.status {
            Some(word) => self.by_word(word),
            None => self.by_members(),
        }
    }
    fn by_word(&self, word: &JobStatus) -> Progress {
        match (word, self.is_finished()) {
            (JobStatus::Pending, true) => Progress::Failed,
            (JobStatus::Pending, false) if self.is_on_node() => Progress::Running,
            (JobStatus::Pending, false) => Progress::Queued,
            (JobStatus::CompletePendingUploads, false) => Progress::Running,
            (JobStatus::Complete, _) => Progress::Succeeded,
            (JobStatus::PartialFailure | JobStatus::Error | JobStatus::BillingTermination, _) => Progress::Failed,
            (JobStatus::Cancelled, _) => Progress::Cancelled,
            (JobStatus::CompletePendingUploads | JobStatus::Unknown(_), _) => {
                Progress::Unknown(Some(word.as_str().to_owned()))
            }
        }
    }
    fn by_members(&self) -> Progress {
        let files = self.output_files.as_ref().filter(|files| files.is_reported());
        if !self.is_finished() {
            let reported = files.is_some() || self.result.is_some();
            return if reported || self.is_on_node() { Progress::Running } else { Progress::Queued };
        }
        let missing = |files: &crate::wire::OutputFiles| files.values().any(|file| file.uploaded == Some(false));
        match (&self.result, files) {
            (_, Some(files)) if missing(files) => Progress::Failed,
            (Some(result), _) if result.is_object() => Progress::Succeeded,
            (None, None) => Progress::Failed,
            _ => Progress::Unknown(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn progress_follows_the_table_of_members_and_a_status_word_goes_first() {
        let end = "2025-07-20T13:02:11.004210";
        let verified = json!({"instance_id": "i", "verified": true});
        let cases = [
            (json!({}), Progress::Queued),
            (json!({"active": true, "verified": true, "port_mappings": []}), Progress::Queued),
            (json!({"instance": {"verified": false}}), Progress::Queued),
            (json!({"output_files": []}), Progress::Queued),
            (json!({"instance": verified}), Progress::Running),
            (json!({"output_files": {}}), Progress::Running),
            (json!({"result": {}}), Progress::Running),
            (
                json!({"finished_at": end, "result": {"a": 1}, "output_files": {"x": {"uploaded": false}}}),
                Progress::Failed,
            ),
            (json!({"finished_at": end, "result": {}, "output_files": {"x": {"uploaded": true}}}), Progress::Succeeded),
            (json!({"finished_at": end, "result": {}}), Progress::Succeeded),
            (json!({"finished_at": end, "output_files": {}}), Progress::Unknown(None)),
            (json!({"finished_at": end, "output_files": []}), Progress::Failed),
            (json!({"finished_at": end}), Progress::Failed),
            (json!({"finished_at": end, "result": "done"}), Progress::Unknown(None)),
            (json!({"status": "pending"}), Progress::Queued),
            (json!({"status": "pending", "instance": verified}), Progress::Running),
            (json!({"status": "pending", "finished_at": end, "result": {}}), Progress::Failed),
            (json!({"status": "complete_pending_uploads"}), Progress::Running),
            (json!({"status": "complete"}), Progress::Succeeded),
            (json!({"status": "partial_failure"}), Progress::Failed),
            (json!({"status": "error"}), Progress::Failed),
            (json!({"status": "billing_termination"}), Progress::Failed),
            (json!({"status": "cancelled"}), Progress::Cancelled),
            (json!({"status": "preempted"}), Progress::Unknown(Some("preempted".to_owned()))),
            (
                json!({"status": "complete_pending_uploads", "finished_at": end}),
                Progress::Unknown(Some("complete_pending_uploads".to_owned())),
            ),
        ];
        for (mut members, expected) in cases {
            members["job_id"] = json!("j");
            let job: Job = serde_json::from_value(members.clone()).unwrap();
            assert_eq!(job.progress(), expected, "{members}");
            assert_eq!(job.is_finished(), members.get("finished_at").is_some());
        }
    }
}

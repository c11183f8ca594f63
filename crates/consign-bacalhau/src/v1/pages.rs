//! Lists under the two names that they have had: `Items`, and up to 1.3 the name of what they hold.
use super::types::{
    Execution, Job, JobHistory, ListJobExecutionsResponse, ListJobHistoryResponse, ListJobResultsResponse,
    ListJobVersionsResponse, ListJobsResponse, SpecConfig,
};

fn list<T>(items: Option<Vec<T>>, older: Option<Vec<T>>) -> Vec<T> {
    items.or(older).unwrap_or_default()
}

impl ListJobsResponse {
    /// The jobs.
    pub fn into_jobs(self) -> Vec<Job> {
        list(self.items, self.jobs)
    }
}
impl ListJobHistoryResponse {
    /// The entries.
    pub fn into_entries(self) -> Vec<JobHistory> {
        list(self.items, self.history)
    }
}
impl ListJobExecutionsResponse {
    /// The executions.
    pub fn into_executions(self) -> Vec<Execution> {
        list(self.items, self.executions)
    }
}
impl ListJobResultsResponse {
    /// The places.
    pub fn into_results(self) -> Vec<SpecConfig> {
        list(self.items, self.results)
    }
}
impl ListJobVersionsResponse {
    /// The versions, as the job was then.
    pub fn into_versions(self) -> Vec<Job> {
        self.items.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_found_under_both_names() {
        let jobs = |text: &str| serde_json::from_str::<ListJobsResponse>(text).unwrap().into_jobs();
        for (text, n) in [
            (r#"{"NextToken":"","Items":[{"ID":"j-1"},{"ID":"j-2"}]}"#, 2),
            (r#"{"NextToken":"","Jobs":[{"ID":"j-1"}]}"#, 1),
            (r#"{"Items":null,"Jobs":[{"ID":"j-1"}]}"#, 1),
            ("{}", 0),
        ] {
            assert_eq!(jobs(text).len(), n, "{text}");
        }
        let read = serde_json::from_str::<ListJobHistoryResponse>(r#"{"History":[{"Type":"JobLevel"}]}"#).unwrap();
        assert_eq!(read.into_entries().len(), 1);
        let read = serde_json::from_str::<ListJobExecutionsResponse>(r#"{"Executions":[{"ID":"e-1"}]}"#).unwrap();
        assert_eq!(read.into_executions().len(), 1);
        let read = serde_json::from_str::<ListJobResultsResponse>(r#"{"Results":[{"Type":"ipfs"}]}"#).unwrap();
        assert_eq!(read.into_results().len(), 1);
        assert!(ListJobVersionsResponse::default().into_versions().is_empty());
    }
}

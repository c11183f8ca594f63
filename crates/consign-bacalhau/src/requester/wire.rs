//! The places of the requester's wire that have several forms: each is read in every form and written in the one it
//! came in.
use serde::de::{Deserializer, Error as _, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::types::{Job, JobEvent, JobHistory, JobState, JobStatus, JobWithInfo, Metadata, Spec};

/// A job in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ListedJob {
    /// With its state beside it.
    Info(Box<JobWithInfo>),
    /// Bare, up to 0.3.19: its state is in its `Status`.
    Bare(Box<Job>),
}

impl ListedJob {
    /// The job itself.
    pub fn job(&self) -> Option<&Job> {
        match self {
            Self::Info(info) => info.job.as_ref(),
            Self::Bare(job) => Some(job),
        }
    }
    /// The state of the job.
    pub fn state(&self) -> Option<&JobState> {
        match self {
            Self::Info(info) => info.state.as_ref(),
            Self::Bare(job) => job.status.as_ref()?.job_state.as_ref(),
        }
    }
}

/// The members of both forms, so that a long list is read once and not twice.
#[derive(Deserialize)]
struct Either {
    #[serde(rename = "Job")]
    job: Option<Job>,
    #[serde(rename = "State")]
    state: Option<JobState>,
    #[serde(rename = "History")]
    history: Option<Vec<JobHistory>>,
    #[serde(rename = "APIVersion")]
    api_version: Option<String>,
    #[serde(rename = "Metadata")]
    metadata: Option<Metadata>,
    #[serde(rename = "Spec")]
    spec: Option<Spec>,
    #[serde(rename = "Status")]
    status: Option<JobStatus>,
}

impl<'de> Deserialize<'de> for ListedJob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Either { job, state, history, api_version, metadata, spec, status } = Either::deserialize(deserializer)?;
        let bare = job.is_none() && (metadata.is_some() || spec.is_some() || status.is_some());
        Ok(match bare {
            true => Self::Bare(Box::new(Job { api_version, metadata, spec, status })),
            false => Self::Info(Box::new(JobWithInfo { job, state, history })),
        })
    }
}

/// An entry of a history.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Event {
    /// A change of state.
    Change(Box<JobHistory>),
    /// A named event, up to 0.3.19, and in the stream of live events later.
    Named(Box<JobEvent>),
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let read = match serde_json::from_str(text.get()) {
            Ok(Form { named: true }) => serde_json::from_str(text.get()).map(Self::Named),
            Ok(Form { named: false }) => serde_json::from_str(text.get()).map(Self::Change),
            Err(error) => Err(error),
        };
        read.map_err(D::Error::custom)
    }
}

/// What tells the two forms of an entry apart.
#[derive(Deserialize)]
struct Form {
    #[serde(rename = "EventName", default, deserialize_with = "present")]
    named: bool,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn through<T: serde::de::DeserializeOwned + Serialize>(value: &Value) -> (T, Value) {
        let read: T = serde_json::from_str(&value.to_string()).unwrap();
        let back = serde_json::to_value(&read).unwrap();
        (read, back)
    }

    #[test]
    fn a_listed_job_is_read_in_both_forms_and_written_in_its_own() {
        let state = json!({"JobID": "9304", "State": "Completed"});
        let info = json!({"Job": {"Metadata": {"ID": "9304"}}, "State": state});
        let (job, back) = through::<ListedJob>(&info);
        assert_eq!(back, info);
        assert_eq!(job.job().unwrap().metadata.as_ref().unwrap().id.as_deref(), Some("9304"));
        assert_eq!(job.state().unwrap().job_id.as_deref(), Some("9304"));

        let nodes = json!({"Nodes": {"Qm": {"Shards": {"0": {"State": "Completed"}}}}});
        let bare = json!({"APIVersion": "V1beta1", "Metadata": {"ID": "9304"}, "Status": {"JobState": nodes}});
        let (job, back) = through::<ListedJob>(&bare);
        assert_eq!(back, bare);
        assert!(matches!(&job, ListedJob::Bare(_)));
        assert_eq!(job.state().unwrap().nodes.as_ref().unwrap().len(), 1);

        let (job, back) = through::<ListedJob>(&json!({}));
        assert_eq!((job.job(), job.state(), back), (None, None, json!({})));
    }

    #[test]
    fn an_entry_of_a_history_is_read_in_both_forms_and_written_in_its_own() {
        let change = json!({"Type": "JobLevel", "JobID": "9304", "JobState": {}, "NewVersion": 1});
        let (event, back) = through::<Event>(&change);
        assert!(matches!(event, Event::Change(_)) && back == change);
        let named = json!({"EventName": "ResultsPublished", "JobID": "9304", "PublishedResult": {"CID": "Qm"}});
        let (event, back) = through::<Event>(&named);
        assert!(matches!(event, Event::Named(_)) && back == named);
        for bad in ["[1]", "\"x\"", "{\"JobID\":\"\"}"] {
            assert!(serde_json::from_str::<Event>(bad).is_err(), "{bad}");
        }
    }
}

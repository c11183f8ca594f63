//! A job as it was read, to be put once more.
use consign_http::{Delivery, Error, ErrorKind};
use serde_json::Value;

use super::types::{Job, NewJob};

/// What the server sets by itself.
const OWN: [&str; 6] = ["ID", "State", "Version", "Revision", "CreateTime", "ModifyTime"];
/// The server's own data; it drops these names from what is put.
const META: &str = "bacalhau.org/";

impl Job {
    /// The same job as it is put: without what the server set by itself. With its name it updates this job, from 1.8
    /// on; without it, it makes another. A job that was put without a name has its id for one, which is left out.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if the record lacks what a job needs: its type, or the name or engine of a task.
    pub fn to_new(&self) -> Result<NewJob, Error> {
        let bad = |error: serde_json::Error| {
            let what = format!("the record is not enough for a job: {error}");
            Error::new(ErrorKind::Decode, Delivery::NotSent, what).with_source(error)
        };
        let mut value = serde_json::to_value(self).map_err(bad)?;
        if let Value::Object(members) = &mut value {
            members.retain(|name, _| !OWN.contains(&name.as_str()));
            if self.name.as_deref() == self.id.as_deref() {
                members.remove("Name");
            }
        }
        let mut job: NewJob = serde_json::from_value(value).map_err(bad)?;
        if let Some(meta) = &mut job.meta {
            meta.retain(|name, _| !name.starts_with(META));
        }
        for task in &mut job.tasks {
            // Servers write an empty one where there is none.
            task.publisher = task.publisher.take().filter(|publisher| publisher.type_.as_deref() != Some(""));
        }
        Ok(job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_job_that_was_read_can_be_put_again() {
        let read = json!({
            "ID": "j-1", "Name": "j-1", "Namespace": "default", "Type": "batch", "Count": 1,
            "Meta": {"bacalhau.org/orchestrator.id": "n", "note": "x"}, "Labels": {"a": "b"}, "Constraints": [],
            "Tasks": [{"Name": "main", "Engine": {"Type": "docker", "Params": {"Image": "x"}}, "Publisher": {"Type": ""},
                "Resources": {"CPU": "500m"}}],
            "State": {"StateType": "Completed"}, "Version": 3, "Revision": 9, "CreateTime": 1795529683310627864_i64,
        });
        let job: Job = serde_json::from_value(read).unwrap();
        let expected = json!({
            "Namespace": "default", "Type": "batch", "Count": 1, "Meta": {"note": "x"}, "Labels": {"a": "b"},
            "Constraints": [],
            "Tasks": [{"Name": "main", "Engine": {"Type": "docker", "Params": {"Image": "x"}},
                "Resources": {"CPU": "500m"}}],
        });
        assert_eq!(serde_json::to_value(job.to_new().unwrap()).unwrap(), expected);
        let mut named = job.clone();
        named.name = Some("nightly".to_owned());
        assert_eq!(named.to_new().unwrap().name.as_deref(), Some("nightly"));
        assert_eq!(Job::default().to_new().unwrap_err().kind(), ErrorKind::Decode);
    }
}

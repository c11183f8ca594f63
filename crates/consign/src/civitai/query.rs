//! `JobQuery`: which jobs to find, by their properties.
use consign_civitai::types::QueryJobsRequest;
use consign_core::Violations;
use serde::Serialize;

use super::properties::Properties;

/// Which jobs to find: those that have all the given properties. An immutable value. Records that name no
/// job are left out of what is found.
///
/// ```no_run
/// # async fn example(jobs: consign::civitai::Jobs) -> consign::Result<()> {
/// use consign::civitai::JobQuery;
/// let mut found = jobs.query(JobQuery::new().property("userId", 4));
/// while let Some(found) = found.next().await {
///     let found = found?;
///     println!("{} {}", found.job.ticket(), found.snapshot.state());
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobQuery {
    properties: Properties,
    job_type: Option<String>,
    detailed: bool,
}

impl JobQuery {
    /// No filter yet; at least one property is needed.
    pub fn new() -> Self {
        Self::default()
    }
    /// Only jobs whose property `name` equals `value`, any JSON value. Names are case-sensitive; the same
    /// name again replaces.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        self.properties.set(name.into(), value);
        self
    }
    /// Only jobs that have all these properties.
    #[must_use]
    pub fn properties<K: Into<String>, V: Serialize>(self, map: impl IntoIterator<Item = (K, V)>) -> Self {
        map.into_iter().fold(self, |query, (name, value)| query.property(name, value))
    }
    /// Only jobs of this type, such as `TextToImage`. Known from a later client only.
    #[must_use]
    pub fn job_type(mut self, kind: impl Into<String>) -> Self {
        self.job_type = Some(kind.into());
        self
    }
    /// Each job's record includes its definition.
    #[must_use]
    pub fn detailed(mut self) -> Self {
        self.detailed = true;
        self
    }

    pub(crate) fn violations(&self) -> Violations {
        let mut out = Violations::new();
        if self.properties.is_empty() && self.job_type.is_none() {
            out.add("properties", "", "at least one filter");
        }
        if let Some(kind) = self.job_type.as_deref().filter(|kind| kind.trim().is_empty()) {
            out.add("jobType", kind, "a text that is not blank");
        }
        self.properties.check(&mut out);
        out
    }
    pub(crate) fn is_detailed(&self) -> bool {
        self.detailed
    }
    pub(crate) fn to_wire(&self, cursor: Option<&str>) -> QueryJobsRequest {
        let mut wire = QueryJobsRequest::default();
        wire.cursor = cursor.map(str::to_owned);
        wire.properties = (!self.properties.map.is_empty()).then(|| self.properties.map.clone());
        wire.job_type.clone_from(&self.job_type);
        wire
    }
}

//! `JobFilter`: which jobs a list shows.
use std::collections::BTreeMap;

use consign_core::{State, Violations};

use super::check;

/// Which jobs a list shows; by default all, with the requester interface all of one's own.
///
/// ```
/// use consign::{State, bacalhau::JobFilter};
/// let filter = JobFilter::new().label("team", "data").state(State::Running).state(State::Queued).newest_first();
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobFilter {
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) without: Vec<(String, String)>,
    pub(crate) selectors: Vec<String>,
    pub(crate) states: Vec<State>,
    pub(crate) namespace: Option<String>,
    pub(crate) newest_first: bool,
    pub(crate) all_clients: bool,
    pub(crate) page: Option<u32>,
}

impl JobFilter {
    /// All jobs.
    pub fn new() -> Self {
        Self::default()
    }
    /// Only jobs with this label, as [`EngineJob::label`](super::EngineJob::label) set it. Several: all of them.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }
    /// Only jobs without this label.
    #[must_use]
    pub fn without_label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.without.push((name.into(), value.into()));
        self
    }
    /// Only jobs whose labels match, in the words of Kubernetes: `team in (a,b)`, `gpu`, `!gpu`; v1 only.
    #[must_use]
    pub fn selector(mut self, selector: impl Into<String>) -> Self {
        self.selectors.push(selector.into());
        self
    }
    /// Only jobs in this state. Several: any of them. Servers know no such filter, so every job is still read.
    #[must_use]
    pub fn state(mut self, state: State) -> Self {
        self.states.push(state);
        self
    }
    /// Only jobs of this namespace; v1 only. Default: of all.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }
    /// The newest jobs first. Default: the oldest. Jobs that are made meanwhile move the pages then.
    #[must_use]
    pub fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }
    /// Also jobs of other clients; the requester interface only, v1 knows no clients.
    #[must_use]
    pub fn all_clients(mut self) -> Self {
        self.all_clients = true;
        self
    }
    /// How many jobs come with one request, 1 or more; v1 only, the requester interface gives all at once.
    /// Default: 50.
    #[must_use]
    pub fn page_size(mut self, jobs: u32) -> Self {
        self.page = Some(jobs);
        self
    }

    /// Whether a job in this state is shown.
    pub(crate) fn shows(&self, state: &State) -> bool {
        self.states.is_empty() || self.states.iter().any(|wanted| wanted.as_str() == state.as_str())
    }
    /// The selectors of the v1 interface. A label that none can express, such as one with a blank or a comma, is left
    /// to [`JobFilter::fits`].
    pub(crate) fn to_selectors(&self) -> Vec<String> {
        let can = |(name, value): &&(String, String)| check::is_label(name) && check::is_label_value(value);
        let labels = self.labels.iter().filter(can).map(|(name, value)| format!("{name}={value}"));
        let without = self.without.iter().filter(can).map(|(name, value)| format!("{name}!={value}"));
        labels.chain(without).chain(self.selectors.iter().cloned()).collect()
    }
    /// Whether a job of the v1 interface has the labels that are wanted, and none that is not.
    pub(crate) fn fits(&self, labels: Option<&BTreeMap<String, String>>) -> bool {
        let has = |(name, value): &(String, String)| labels.and_then(|all| all.get(name)) == Some(value);
        self.labels.iter().all(has) && !self.without.iter().any(has)
    }
    pub(crate) fn violations(&self, requester: bool) -> Violations {
        let mut out = Violations::new();
        for (name, _) in self.labels.iter().chain(&self.without).filter(|(name, _)| name.trim().is_empty()) {
            out.add("labels", name, "names that are not blank");
        }
        if self.page == Some(0) {
            out.add("limit", 0, "1 or more");
        }
        if requester && !self.selectors.is_empty() {
            out.add("labels", self.selectors.join(", "), "no selectors: the requester interface has none");
        }
        if requester && self.namespace.is_some() {
            out.add("namespace", "", "not set: the requester interface has none");
        }
        out
    }
}

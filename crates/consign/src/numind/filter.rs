//! What a list of jobs can be narrowed by.
use consign_core::{Item, State, Violations};

/// Which jobs are listed. The default leaves none out.
///
/// The server knows the organization only; state and kind are looked at here, page by page. Each page carries whole
/// inputs and outputs, so small pages may be wise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobFilter {
    pub(super) organization: Option<String>,
    pub(super) per_page: Option<i64>,
    state: Option<State>,
    kind: Option<String>,
}

impl JobFilter {
    /// All jobs.
    pub fn new() -> Self {
        Self::default()
    }
    /// Those of an organization, by its id. Unset: the caller's own.
    #[must_use]
    pub fn organization(mut self, id: impl Into<String>) -> Self {
        self.organization = Some(id.into());
        self
    }
    /// Those in this state; of [`State::Unknown`] those with the same word.
    #[must_use]
    pub fn state(mut self, state: State) -> Self {
        self.state = Some(state);
        self
    }
    /// Those of this kind, by the service's word for it (`jobType`), such as `inference`.
    #[must_use]
    pub fn kind(mut self, word: impl Into<String>) -> Self {
        self.kind = Some(word.into());
        self
    }
    /// How many jobs a page has: 1 to 100. Unset: the server decides, 30 at the moment.
    #[must_use]
    pub fn per_page(mut self, jobs: i64) -> Self {
        self.per_page = Some(jobs);
        self
    }

    pub(super) fn violations(&self) -> Violations {
        let mut out = Violations::new();
        if let Some(jobs) = self.per_page.filter(|jobs| !(1..=100).contains(jobs)) {
            out.add("perPage", jobs, "1..=100");
        }
        out
    }
    /// Whether a job is asked for.
    pub(super) fn takes(&self, item: &Item, kind: Option<&str>) -> bool {
        self.state.as_ref().is_none_or(|state| *state == item.state)
            && self.kind.as_deref().is_none_or(|asked| kind.is_some_and(|kind| kind.eq_ignore_ascii_case(asked)))
    }
}

//! Temporary projects: made for one extraction, removed whatever becomes of it.
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use consign_core::{Cx, Delivery, ErrorKind, Result};
use consign_http::{DateTime, Error};
use consign_numind::{v0_2, v0_4};
use tokio::runtime::Handle;

use super::{Api, NuMind, StructuredExtraction, Template};

/// The beginning of their names.
const PREFIX: &str = "consign-temporary-";
/// How often a removal is tried, a second and more apart.
const ATTEMPTS: u32 = 3;
/// How long a removal may hold up what waits for it. The rest is left to a task.
const PATIENCE: Duration = Duration::from_secs(4);

/// A project that is removed when this is dropped, unless it was kept.
pub(super) struct Temporary {
    provider: NuMind,
    /// How it is found if its id never came.
    name: String,
    id: Option<String>,
    done: bool,
    /// Where it is removed if this is dropped outside of a runtime.
    runtime: Option<Handle>,
}

impl Temporary {
    /// Makes one.
    pub(super) async fn create(
        provider: &NuMind,
        spec: &StructuredExtraction,
        template: &Template,
        cx: &Cx,
    ) -> Result<Self, Error> {
        let name = name(provider.client.http().clock().wall());
        let mut this = Self::new(provider, name, None);
        let instructions = spec.instructions.as_deref().unwrap_or_default();
        match provider.create(&this.name, "", template, instructions, cx).await {
            Ok(id) => this.id = Some(id),
            // It was not made, so there is nothing to be removed.
            Err(error) if error.delivery() != Delivery::Unknown => {
                this.done = true;
                return Err(error);
            }
            Err(error) => {
                this.remove().await;
                return Err(error);
            }
        }
        Ok(this)
    }
    /// One that was made before, perhaps by another process.
    pub(super) fn known(provider: &NuMind, id: String) -> Self {
        Self::new(provider, String::new(), Some(id))
    }
    fn new(provider: &NuMind, name: String, id: Option<String>) -> Self {
        Self { provider: provider.clone(), name, id, done: false, runtime: Handle::try_current().ok() }
    }
    pub(super) fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }
    /// Leaves it to the job's end.
    pub(super) fn keep(mut self) -> String {
        self.done = true;
        self.id.take().unwrap_or_default()
    }
    /// Removes it; what takes longer goes on in a task. What cannot be removed is left, and logged: it costs nothing.
    pub(super) async fn remove(mut self) {
        let clock = self.provider.client.http().clock().clone();
        let removal = remove(&self.provider, &self.name, self.id.as_deref());
        let removed = consign_http::timeout(&*clock, PATIENCE, removal).await;
        self.done = removed.is_some();
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let (provider, name, id) = (self.provider.clone(), std::mem::take(&mut self.name), self.id.take());
        if let Some(runtime) = Handle::try_current().ok().or(self.runtime.take()) {
            runtime.spawn(async move { remove(&provider, &name, id.as_deref()).await });
        }
    }
}

async fn remove(provider: &NuMind, name: &str, id: Option<&str>) {
    for attempt in 1..=ATTEMPTS {
        let found = match id {
            // Of its name only a ticket tells, and whoever wrote that is not to have other projects deleted.
            Some(id) if name.is_empty() => match provider.is_temporary(id).await {
                Ok(true) => Ok(Some(id.to_owned())),
                Ok(false) => return,
                Err(error) => Err(error),
            },
            Some(id) => Ok(Some(id.to_owned())),
            None => provider.project_named(name).await,
        };
        let done = match found {
            Ok(Some(id)) => provider.delete(&id).await,
            // What asked for it may still be on its way.
            Ok(None) if attempt < ATTEMPTS => Err(Error::new(ErrorKind::NotFound, Delivery::Rejected, "not there yet")),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => return,
            Err(error) if attempt == ATTEMPTS => {
                tracing::warn!(%error, project = id.unwrap_or(name), "a temporary project could not be removed");
            }
            Err(_) => provider.client.http().clock().sleep(Duration::from_secs(attempt.into())).await,
        }
    }
}

/// A name that nobody else gives.
fn name(now: SystemTime) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{:x}-{:x}-{count:x}", since.as_nanos(), std::process::id())
}

impl NuMind {
    /// Removes temporary projects that were made longer than this ago, and so are of no job that still runs; gives how
    /// many. For what a killed program left behind.
    ///
    /// # Errors
    /// As any call. Not repeated.
    pub async fn remove_temporary_projects(&self, older_than: Duration) -> Result<usize> {
        let now = self.client.http().clock().wall();
        let all = self.client.get_api_structured_extraction(v0_4::GetApiStructuredExtractionOptions::default()).await?;
        let mut removed = 0;
        for project in all.into_value() {
            let ours = project.name.as_deref().is_some_and(|name| name.starts_with(PREFIX));
            let made = project.created_at.as_ref().and_then(DateTime::to_system_time);
            let old = made.and_then(|made| now.duration_since(made).ok()).is_some_and(|age| age > older_than);
            if let Some(id) = project.id.filter(|_| ours && old) {
                self.delete(&id).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Creates a project; gives its id.
    pub(super) async fn create(
        &self,
        name: &str,
        description: &str,
        template: &Template,
        instructions: &str,
        cx: &Cx,
    ) -> Result<String, Error> {
        let (id, lack) = match self.api {
            Api::V0_2 => {
                let body = v0_2::types::CreateProjectRequest::new(name, description, template.json().clone());
                let options = v0_2::PostApiStructuredExtractionOptions::default().call(cx.call());
                let reply = self.old.post_api_structured_extraction(&body, options).await?;
                (reply.value.id.clone(), reply.unusable("the new project has no id"))
            }
            Api::V0_4 => {
                let json = template.json().clone();
                let body = v0_4::types::CreateStructuredProjectRequest::new(name, description, json, instructions);
                let options = v0_4::PostApiStructuredExtractionOptions::default().call(cx.call());
                let reply = self.client.post_api_structured_extraction(&body, options).await?;
                (reply.value.id.clone(), reply.unusable("the new project has no id"))
            }
        };
        id.filter(|id| !id.trim().is_empty()).ok_or(lack)
    }
    /// Deletes a project; one that is gone is deleted.
    pub(super) async fn delete(&self, id: &str) -> Result<(), Error> {
        let options = v0_4::DeleteApiStructuredExtractionStructuredprojectidOptions::default();
        match self.client.delete_api_structured_extraction_structuredprojectid(id, options).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
    /// Whether this is a temporary project that is still there.
    async fn is_temporary(&self, id: &str) -> Result<bool, Error> {
        let options = v0_4::GetApiStructuredExtractionStructuredprojectidOptions::default();
        match self.client.get_api_structured_extraction_structuredprojectid(id, options).await {
            Ok(project) => Ok(project.name.as_deref().is_some_and(|name| name.starts_with(PREFIX))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
    /// The id of the project of this name, if there is one.
    async fn project_named(&self, name: &str) -> Result<Option<String>, Error> {
        let all = self.client.get_api_structured_extraction(v0_4::GetApiStructuredExtractionOptions::default()).await?;
        let found = all.into_value().into_iter().find(|project| project.name.as_deref() == Some(name));
        Ok(found.and_then(|project| project.id))
    }
}

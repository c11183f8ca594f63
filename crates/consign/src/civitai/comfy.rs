//! `Comfy`: a free ComfyUI graph.
use std::fmt;

use consign_core::{Result, Violations};
use serde_json::{Map, Value};

use super::settings::check_range;
use super::template::take;
use super::{JobSettings, shown};

/// A free ComfyUI graph.
///
/// ```
/// use consign::civitai::Comfy;
/// let graph = serde_json::json!({"3": {"class_type": "KSampler", "inputs": {}}});
/// let spec = Comfy::workflow(graph).settings(|s| s.property("userId", 4));
/// assert!(spec.validate().is_ok());
/// ```
#[derive(Clone, PartialEq)]
pub struct Comfy {
    params: Value,
    quantity: Option<i32>,
    settings: JobSettings,
    other: Map<String, Value>,
}

impl Comfy {
    /// A graph in ComfyUI's API format; it goes under `params.workflow`, as the official client sends it.
    pub fn workflow(graph: impl Into<Value>) -> Self {
        Self::params(serde_json::json!({ "workflow": graph.into() }))
    }
    /// The whole `params` object, as you like.
    pub fn params(params: impl Into<Value>) -> Self {
        Self { params: params.into(), quantity: None, settings: JobSettings::new(), other: Map::new() }
    }
    /// How many jobs are made of it, 1 to 100. Unset: 1.
    #[must_use]
    pub fn quantity(mut self, quantity: i32) -> Self {
        self.quantity = Some(quantity);
        self
    }
    /// Changes the settings that every kind of job has.
    #[must_use]
    pub fn settings(mut self, change: impl FnOnce(JobSettings) -> JobSettings) -> Self {
        self.settings = change(self.settings);
        self
    }
    /// Any other member of the template, sent as it is.
    #[must_use]
    pub fn other(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.other.insert(name.into(), value.into());
        self
    }
    /// Whether it can be submitted.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) with every violation: member, value, allowed.
    pub fn validate(&self) -> Result<()> {
        self.violations().into_result().map_err(Into::into)
    }

    pub(crate) fn violations(&self) -> Violations {
        let mut out = Violations::new();
        if !self.params.is_object() {
            out.add("params", &self.params, "a JSON object");
        }
        check_range(&mut out, "quantity", self.quantity.map(f64::from), 1.0..=100.0);
        self.settings.check(&mut out);
        out
    }
    pub(crate) fn weight(&self) -> usize {
        self.quantity.and_then(|q| usize::try_from(q).ok()).unwrap_or(1).max(1)
    }
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let mut out = Map::new();
        out.insert("$type".to_owned(), "comfy".into());
        out.insert("params".to_owned(), self.params.clone());
        if let Some(quantity) = self.quantity {
            out.insert("quantity".to_owned(), quantity.into());
        }
        self.settings.write(&mut out);
        out.extend(self.other.clone());
        out
    }
    pub(crate) fn from_json(mut from: Map<String, Value>) -> Result<Self, String> {
        from.remove("$type");
        Ok(Self {
            settings: JobSettings::read(&mut from)?,
            quantity: take(&mut from, "quantity")?,
            params: from.remove("params").unwrap_or_default(),
            other: from,
        })
    }
    pub(crate) fn job_settings(&self) -> &JobSettings {
        &self.settings
    }
}

/// As it is sent; addresses without their queries, long texts cut short.
impl fmt::Debug for Comfy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Comfy ")?;
        shown::members_of(&self.to_json(), f)
    }
}

//! What can be submitted: extraction by a template, Markdown, and the making of templates.
use consign_core::{Result, Violations};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::input::check_id;
use super::{Api, Input, Settings, Template};

/// Anything that can be submitted. A plain value that can be stored as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Spec {
    /// Values by a template.
    StructuredExtraction(Box<StructuredExtraction>),
    /// Markdown.
    ContentExtraction(Box<ContentExtraction>),
    /// A template.
    TemplateGeneration(Box<TemplateGeneration>),
}

impl Spec {
    /// What is wrong with it for a server of this version.
    pub(super) fn violations(&self, api: Api) -> Violations {
        let mut out = Violations::new();
        match self {
            Self::StructuredExtraction(spec) => spec.check(api, &mut out),
            Self::ContentExtraction(spec) => spec.check(api, &mut out),
            Self::TemplateGeneration(spec) => spec.check(api, &mut out),
        }
        out
    }
}

impl From<StructuredExtraction> for Spec {
    fn from(spec: StructuredExtraction) -> Self {
        Self::StructuredExtraction(Box::new(spec))
    }
}
impl From<&StructuredExtraction> for Spec {
    fn from(spec: &StructuredExtraction) -> Self {
        spec.clone().into()
    }
}
impl From<ContentExtraction> for Spec {
    fn from(spec: ContentExtraction) -> Self {
        Self::ContentExtraction(Box::new(spec))
    }
}
impl From<&ContentExtraction> for Spec {
    fn from(spec: &ContentExtraction) -> Self {
        spec.clone().into()
    }
}
impl From<TemplateGeneration> for Spec {
    fn from(spec: TemplateGeneration) -> Self {
        Self::TemplateGeneration(Box::new(spec))
    }
}
impl From<&TemplateGeneration> for Spec {
    fn from(spec: &TemplateGeneration) -> Self {
        spec.clone().into()
    }
}
impl From<&Spec> for Spec {
    fn from(spec: &Spec) -> Self {
        spec.clone()
    }
}

/// Values taken out of a text or a file, in the shape of a template: that of a project, or one that comes along.
///
/// A template that comes along needs no project where the server takes it so (since version 0.4). Where it does not, and
/// for inputs and examples that are documents, a temporary project is made, and removed again: see [`NuMind`].
///
/// [`NuMind`]: super::NuMind
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StructuredExtraction {
    pub(super) input: Input,
    #[serde(flatten)]
    pub(super) by: By,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) instructions: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) examples: Vec<Example>,
    #[serde(default)]
    pub(super) settings: Settings,
}

/// Where the template is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum By {
    /// In the project of this id.
    Project(String),
    /// Here.
    Template(Template),
}

/// An input with the result that it should have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Example {
    pub(super) input: Input,
    pub(super) result: Value,
}

impl StructuredExtraction {
    /// An extraction by the template of a project, by its id.
    pub fn in_project(id: impl Into<String>, input: impl Into<Input>) -> Self {
        Self::new(By::Project(id.into()), input.into())
    }
    /// An extraction by a template that comes along. By a type: [`extract`](super::extract).
    pub fn with_template(template: impl Into<Template>, input: impl Into<Input>) -> Self {
        Self::new(By::Template(template.into()), input.into())
    }
    fn new(by: By, input: Input) -> Self {
        Self { input, by, instructions: None, examples: Vec::new(), settings: Settings::new() }
    }
    /// What the model should mind, in words. Only with a template that comes along, and servers of version 0.4.
    #[must_use]
    pub fn instructions(mut self, words: impl Into<String>) -> Self {
        self.instructions = Some(words.into());
        self
    }
    /// Adds an example: an input and the result that it should have, in the shape of the template. Only with a template
    /// that comes along; a project has its own.
    #[must_use]
    pub fn example(mut self, input: impl Into<Input>, result: impl Into<Value>) -> Self {
        self.examples.push(Example { input: input.into(), result: result.into() });
        self
    }
    /// Lays these settings over it, in place of those set before.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }
    /// Changes the settings through a closure.
    #[must_use]
    pub fn with_settings(mut self, change: impl FnOnce(Settings) -> Settings) -> Self {
        self.settings = change(self.settings);
        self
    }
    /// Whether it can be submitted to a server of today.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) with every violation: member, value, allowed.
    pub fn validate(&self) -> Result<()> {
        let mut out = Violations::new();
        self.check(Api::V0_4, &mut out);
        out.into_result().map_err(Into::into)
    }

    fn check(&self, api: Api, out: &mut Violations) {
        self.input.check("input", out);
        let comes_along = "only with a template that comes along; a project has its own";
        match &self.by {
            By::Project(id) => {
                check_id(id, "project", out);
                if self.instructions.is_some() {
                    out.add("instructions", "", comes_along);
                }
                if !self.examples.is_empty() {
                    out.add("examples", self.examples.len(), comes_along);
                }
            }
            By::Template(template) => template.check(out),
        }
        if api == Api::V0_2 && self.instructions.is_some() {
            out.add("instructions", "", "not taken by servers of version 0.2");
        }
        for (n, example) in self.examples.iter().enumerate() {
            example.input.check(&format!("examples[{n}].input"), out);
            if !example.result.is_object() {
                out.add(format!("examples[{n}].result"), &example.result, "an object in the shape of the template");
            }
        }
        // Of a text there is nothing to draw, and documents are drawn already.
        let taken = if matches!(self.input, Input::File(_)) { &EXTRACTION[..] } else { &EXTRACTION[1..] };
        self.settings.check(taken, "with a text or a document", api, out);
    }
}

const EXTRACTION: [&str; 12] = [
    "rasterizationDPI",
    "temperature",
    "maxOutputTokens",
    "maxExampleTokenNumber",
    "maxExampleNumber",
    "minExampleSimilarity",
    "enableThinking",
    "thinkingTokenBudget",
    "loopDetection",
    "randomSeed",
    "imageWidth",
    "timeout",
];

/// Markdown made from a file, or from a document of a content project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContentExtraction {
    pub(super) input: Input,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) project: Option<String>,
    #[serde(default)]
    pub(super) settings: Settings,
}

impl ContentExtraction {
    /// Markdown from a file, or a text, which is sent as one; from a document with [`ContentExtraction::project`].
    pub fn new(input: impl Into<Input>) -> Self {
        Self { input: input.into(), project: None, settings: Settings::new() }
    }
    /// In this content project, by its id. A document needs one; with a file, servers of version 0.4 take one.
    #[must_use]
    pub fn project(mut self, id: impl Into<String>) -> Self {
        self.project = Some(id.into());
        self
    }
    /// Lays these settings over it, in place of those set before.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }
    /// Changes the settings through a closure.
    #[must_use]
    pub fn with_settings(mut self, change: impl FnOnce(Settings) -> Settings) -> Self {
        self.settings = change(self.settings);
        self
    }
    /// Whether it can be submitted to a server of today.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) with every violation: member, value, allowed.
    pub fn validate(&self) -> Result<()> {
        let mut out = Violations::new();
        self.check(Api::V0_4, &mut out);
        out.into_result().map_err(Into::into)
    }

    fn check(&self, api: Api, out: &mut Violations) {
        self.input.check("input", out);
        if let Some(id) = &self.project {
            check_id(id, "project", out);
        }
        let taken = match (&self.input, &self.project) {
            (Input::Document(_), None) => {
                out.add("project", "", "the id of a content project, which a document needs");
                &["timeout"][..]
            }
            (Input::Document(_), Some(_)) => &["timeout"],
            (_, project) => {
                if let (Some(id), Api::V0_2) = (project, api) {
                    out.add("project", id, "none with a file: not taken by servers of version 0.2");
                }
                &[
                    "temperature",
                    "rasterizationDPI",
                    "maxOutputTokens",
                    "enableThinking",
                    "thinkingTokenBudget",
                    "loopDetection",
                    "randomSeed",
                    "imageWidth",
                    "timeout",
                ]
            }
        };
        self.settings.check(taken, "for Markdown from this input", api, out);
    }
}

/// A template made by the service, from a description in words, a file or a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateGeneration {
    pub(super) from: Input,
    #[serde(default)]
    pub(super) settings: Settings,
}

impl TemplateGeneration {
    /// A template for what is described in words (some 32,000 characters at most), or for the like of a file or a
    /// document.
    pub fn new(from: impl Into<Input>) -> Self {
        Self { from: from.into(), settings: Settings::new() }
    }
    /// Lays these settings over it, in place of those set before.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }
    /// Changes the settings through a closure.
    #[must_use]
    pub fn with_settings(mut self, change: impl FnOnce(Settings) -> Settings) -> Self {
        self.settings = change(self.settings);
        self
    }
    /// Whether it can be submitted to a server of today.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) with every violation: member, value, allowed.
    pub fn validate(&self) -> Result<()> {
        let mut out = Violations::new();
        self.check(Api::V0_4, &mut out);
        out.into_result().map_err(Into::into)
    }

    fn check(&self, api: Api, out: &mut Violations) {
        self.from.check("from", out);
        let all =
            ["rasterizationDPI", "enableThinking", "thinkingTokenBudget", "loopDetection", "imageWidth", "timeout"];
        let taken = if matches!(self.from, Input::File(_)) { &all[..] } else { &all[1..] };
        self.settings.check(taken, "for a template from this input", api, out);
    }
}

//! What the service keeps: files, documents, projects with their examples.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::model;
use super::settings::Shape;

/// How long files and documents are kept that no example uses.
const KEPT: Duration = Duration::from_secs(14 * 86_400);

#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) bytes: Bytes,
    pub(crate) account: usize,
    pub(crate) organization: Option<String>,
    pub(crate) created: Duration,
}

impl File {
    pub(crate) fn media_type(&self) -> &'static str {
        model::format(&self.bytes).map_or("application/octet-stream", |(media_type, _)| media_type)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) id: String,
    pub(crate) file: File,
    /// The resolution at which its pages became pictures.
    pub(crate) dpi: Option<u64>,
    pub(crate) account: usize,
    pub(crate) organization: Option<String>,
    pub(crate) created: Duration,
    /// An example uses it.
    pub(crate) kept: bool,
}

impl Document {
    /// Its text, if it is text.
    pub(crate) fn text(&self) -> Option<&str> {
        model::format(&self.file.bytes)
            .filter(|(_, text)| *text)
            .and_then(|_| std::str::from_utf8(&self.file.bytes).ok())
    }

    /// `docInfo`, `documentInfo`.
    pub(crate) fn info(&self, shape: Shape) -> Value {
        let name = self.file.name.as_deref();
        if let Some(text) = self.text() {
            let mut info = json!({"type": "text", "documentId": self.id, "fileId": self.file.id, "text": text,
                "possibleTransformations": []});
            if let Some(name) = name {
                info["fileName"] = json!(name);
            }
            return info;
        }
        let rasterized = !self.file.media_type().starts_with("image/");
        let transformations = if rasterized { json!(["changeDPI"]) } else { json!([]) };
        let mut info = json!({"type": "image", "documentId": self.id, "fileId": self.file.id,
            "fileName": name.unwrap_or("document"), "possibleTransformations": transformations});
        if rasterized {
            info["dpi"] = json!(self.dpi.unwrap_or(170));
        }
        if shape != Shape::V0_2 {
            info["partCount"] = json!(1);
        }
        info
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Example {
    pub(crate) id: String,
    /// `documentInfo`, as it was.
    pub(crate) info: Value,
    pub(crate) result: Value,
    pub(crate) created: Duration,
    pub(crate) updated: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct Project {
    pub(crate) id: String,
    /// None: a project for Markdown.
    pub(crate) template: Option<Value>,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) instructions: String,
    pub(crate) account: usize,
    pub(crate) organization: Option<String>,
    pub(crate) settings: Map<String, Value>,
    pub(crate) examples: Vec<Example>,
    /// Its maker speaks the newer generation.
    pub(crate) newer: bool,
    pub(crate) created: Duration,
    pub(crate) updated: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) files: HashMap<String, File>,
    pub(crate) documents: HashMap<String, Document>,
    pub(crate) projects: Vec<Project>,
}

impl Shelf {
    pub(crate) fn file(&self, id: &str, now: Duration) -> Option<&File> {
        let used = || self.documents.values().any(|document| document.kept && document.file.id == id);
        self.files.get(id).filter(|file| file.created.saturating_add(KEPT) > now || used())
    }

    pub(crate) fn document(&self, id: &str, now: Duration) -> Option<&Document> {
        self.documents.get(id).filter(|document| document.kept || document.created.saturating_add(KEPT) > now)
    }

    pub(crate) fn project(&mut self, id: &str, structured: bool) -> Option<&mut Project> {
        self.projects.iter_mut().find(|project| project.id == id && project.template.is_some() == structured)
    }
}

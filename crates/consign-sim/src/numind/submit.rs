//! Submissions: what can be worked on, and the jobs made of it.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use super::api::Work;
use super::errors::{self, Answer, Refused, error, forbidden, invalid, media_type, not_found, quota};
use super::multipart::{self, Part};
use super::settings::Shape;
use super::shelf::{Document, Project};
use super::world::{Kind, Order, Subject, World};
use super::{model, params, plan};

/// What a submission has besides its subject.
struct Frame {
    kind: Kind,
    project: Option<Project>,
    template: Option<Value>,
    examples: Vec<Value>,
    input: Map<String, Value>,
}

impl Frame {
    fn new(kind: Kind, input: Map<String, Value>) -> Self {
        Self { kind, project: None, template: None, examples: Vec::new(), input }
    }
}

impl Work<'_> {
    /// The parameters of a submission that this operation takes; others are ignored.
    fn parameters(&self, names: &[&[&str]]) -> Result<Map<String, Value>, Refused> {
        let mut all = Map::new();
        for name in names.iter().flat_map(|names| names.iter()) {
            let Some(text) = self.query.get(name).filter(|_| params::knows(self.shape, name)) else { continue };
            let value = params::read(self.shape, name, text);
            all.insert((*name).to_owned(), value.ok_or_else(|| invalid(&format!("query parameter {name}")))?);
        }
        self.timeout()?;
        if let Some(text) = self.query.get("timeout") {
            all.insert("timeout".to_owned(), json!(text));
        }
        Ok(all)
    }

    /// The parts of a form.
    fn form(&self) -> Result<Vec<Part>, Refused> {
        let content_type = self.request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if self.media_type() != "multipart/form-data" {
            return Err(media_type());
        }
        let parts = content_type.and_then(|value| multipart::parts(value, self.request.body()));
        parts.ok_or_else(|| invalid("body (malformed multipart/form-data)"))
    }

    /// A submitted file: raw bytes of any media type, or a form with a part named `file`.
    pub(crate) fn bytes(&self, forms: bool) -> Result<(Bytes, Option<String>), Refused> {
        match self.media_type().as_str() {
            "multipart/form-data" if forms => {
                let part = self.form()?.into_iter().find(|part| part.name == "file");
                let part = part.ok_or_else(|| invalid("body (missing part file)"))?;
                Ok((part.bytes, part.file_name))
            }
            "" | "multipart/form-data" | "application/json" => Err(media_type()),
            _ if self.request.body().is_empty() => Err(invalid("body (empty)")),
            _ => Ok((self.request.body().clone(), None)),
        }
    }

    /// A structured project that this account may use.
    fn own_project(&self, world: &mut World, structured: bool) -> Result<Project, Refused> {
        let project = world.shelf.project(self.id(0), structured).ok_or_else(|| not_found("Project"))?.clone();
        let seen = world.sees(self.account, project.account, project.organization.as_deref());
        seen.then_some(project).ok_or_else(|| forbidden("Project"))
    }

    /// Makes a job of a document (or, without one, of bytes) and answers with its id.
    fn order(
        &self,
        world: &mut World,
        now: Duration,
        frame: Frame,
        bytes: &Bytes,
        document: Option<&Document>,
    ) -> Answer {
        let limit = world.settings.accounts[self.account].quota;
        if limit.is_some_and(|limit| world.submitted[self.account] >= limit) {
            return Err(quota());
        }
        let (bytes, script) = plan::scripted(bytes).map_err(|e| invalid(&format!("body (sim: {e})")))?;
        let format = model::format(&bytes);
        let text = match format {
            Some((_, true)) => String::from_utf8_lossy(&bytes).into_owned(),
            Some((media_type, false)) => model::seen(&bytes, media_type),
            None => String::new(),
        };
        let template = frame.template.or_else(|| frame.project.as_ref().and_then(|project| project.template.clone()));
        let mut examples = frame.examples;
        if let Some(project) = &frame.project {
            let most = frame.input.get("maxExampleNumber").or_else(|| project.settings.get("maxExampleNumber"));
            // 0 is no limit in the older form, and none in the newer.
            let newer = self.shape == Shape::V0_4 || project.newer;
            let most = most.and_then(Value::as_u64).filter(|most| *most > 0 || newer);
            let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
            examples.extend(project.examples.iter().take(most).enumerate().map(|(number, example)| {
                let name = example.info.get("fileName").and_then(Value::as_str).unwrap_or("example");
                json!({"exampleId": example.id, "exampleName": name, "tokensCount": 100 + number,
                    "similarity": 0.9 - 0.01 * number as f64})
            }));
        }
        let mut input = frame.input;
        if let Some(document) = document {
            input.insert("documentId".to_owned(), json!(document.id));
        }
        if let Some(project) = &frame.project {
            input.insert("projectId".to_owned(), json!(project.id));
        }
        let subject = Subject {
            text,
            info: document.map(|document| document.info(self.shape)),
            unreadable: format.is_none(),
            bytes,
            template,
            examples,
        };
        let order = Order {
            kind: frame.kind,
            account: self.account,
            organization: frame.project.as_ref().and_then(|project| project.organization.clone()),
            project: frame.project.map(|project| project.id),
            input,
            subject,
            script,
            timeout: self.timeout()?,
        };
        let job = world.submit(now, order).map_err(|e| invalid(&format!("body (sim: {e})")))?;
        let id = world.jobs[job].id.clone();
        self.inner.front.ledger.made(self.entry, std::slice::from_ref(&id));
        Ok(errors::ok(&json!({"jobId": id})))
    }

    pub(crate) fn extract_bytes(&self) -> Answer {
        let input = self.parameters(&[params::EXTRACTION, params::FROM_BYTES])?;
        let (bytes, name) = self.bytes(self.shape != Shape::V0_2)?;
        self.inner.change(|world, now| {
            let project = Some(self.own_project(world, true)?);
            let document = self.shelve(world, now, bytes.clone(), name);
            self.order(world, now, Frame { project, ..Frame::new(Kind::Structured, input) }, &bytes, Some(&document))
        })
    }

    pub(crate) fn extract_text(&self) -> Answer {
        let input = self.parameters(&[params::EXTRACTION])?;
        let text = self.text_member("text")?;
        self.inner.change(|world, now| {
            let project = Some(self.own_project(world, true)?);
            let document = self.shelve(world, now, text.clone(), None);
            self.order(world, now, Frame { project, ..Frame::new(Kind::Structured, input) }, &text, Some(&document))
        })
    }

    pub(crate) fn extract_document(&self) -> Answer {
        let input = self.parameters(&[params::EXTRACTION])?;
        self.inner.change(|world, now| {
            let project = Some(self.own_project(world, true)?);
            let document = self.own_document(world, self.id(1), now)?;
            let bytes = document.file.bytes.clone();
            self.order(world, now, Frame { project, ..Frame::new(Kind::Structured, input) }, &bytes, Some(&document))
        })
    }

    /// Extraction without a project.
    pub(crate) fn extract(&self) -> Answer {
        let parts = self.form()?;
        let part = |name: &str| parts.iter().find(|part| part.name == name);
        let request = part("request").ok_or_else(|| invalid("body (missing part request)"))?;
        let document = part("document").ok_or_else(|| invalid("body (missing part document)"))?;
        let bad = |code: &str, message: &str| error(StatusCode::BAD_REQUEST, code, message);
        let request: Value =
            serde_json::from_slice(&request.bytes).map_err(|e| bad("InvalidRequest", &format!("request: {e}")))?;
        let schema = request.get("schema").filter(|schema| model::is_template(schema));
        let schema = schema.ok_or_else(|| bad("InvalidTemplate", "schema is not a NuExtract template"))?;
        let mut input = self.parameters(&[])?;
        input.insert("schema".to_owned(), schema.clone());
        match request.get("instructions") {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => drop(input.insert("instructions".to_owned(), json!(text))),
            Some(_) => return Err(bad("InvalidRequest", "instructions must be text")),
        }
        match request.get("settings") {
            None | Some(Value::Null) => {}
            Some(Value::Object(settings)) => {
                for (name, value) in settings.iter().filter(|(_, value)| !value.is_null()) {
                    let value = params::read_json(self.shape, name, value);
                    input.insert(name.clone(), value.ok_or_else(|| bad("InvalidSettings", name))?);
                }
            }
            Some(_) => return Err(bad("InvalidRequest", "settings must be an object")),
        }
        let none = Vec::new();
        let examples = match request.get("examples") {
            None | Some(Value::Null) => &none,
            Some(Value::Array(examples)) => examples,
            Some(_) => return Err(bad("InvalidRequest", "examples must be an array")),
        };
        let files = parts.iter().filter(|part| part.name == "exampleFiles").count();
        if files != examples.len() {
            let message = format!("{} examples and {files} example files", examples.len());
            return Err(bad("ExampleCountMismatch", &message));
        }
        if !examples.iter().all(|example| example.get("result").is_some_and(|result| model::fits(schema, result))) {
            return Err(bad("InvalidExample", "an example does not fit the schema"));
        }
        let chosen = examples.iter().enumerate();
        let chosen = chosen.map(|(n, _)| json!({"exampleName": format!("example {n}"), "tokensCount": 100})).collect();
        let frame = Frame { template: Some(schema.clone()), examples: chosen, ..Frame::new(Kind::Structured, input) };
        let (bytes, name) = (document.bytes.clone(), document.file_name.clone());
        self.inner.change(|world, now| {
            let document = self.shelve(world, now, bytes.clone(), name);
            self.order(world, now, frame, &bytes, Some(&document))
        })
    }

    pub(crate) fn markdown_file(&self) -> Answer {
        let input = self.parameters(&[params::MARKDOWN])?;
        let part = self.form()?.into_iter().find(|part| part.name == "file");
        let part = part.ok_or_else(|| invalid("body (missing part file)"))?;
        self.inner.change(|world, now| {
            let document = self.shelve(world, now, part.bytes.clone(), part.file_name);
            self.order(world, now, Frame::new(Kind::Content, input), &part.bytes, Some(&document))
        })
    }

    pub(crate) fn markdown_document(&self) -> Answer {
        let input = self.parameters(&[])?;
        self.inner.change(|world, now| {
            let project = Some(self.own_project(world, false)?);
            let document = self.own_document(world, self.id(1), now)?;
            let bytes = document.file.bytes.clone();
            self.order(world, now, Frame { project, ..Frame::new(Kind::Content, input) }, &bytes, Some(&document))
        })
    }

    pub(crate) fn template_bytes(&self) -> Answer {
        let input = self.parameters(&[params::TEMPLATE, params::RASTER])?;
        let (bytes, name) = self.bytes(false)?;
        self.inner.change(|world, now| {
            let document = self.shelve(world, now, bytes.clone(), name);
            self.order(world, now, Frame::new(Kind::Template, input), &bytes, Some(&document))
        })
    }

    pub(crate) fn template_text(&self) -> Answer {
        let mut input = self.parameters(&[params::TEMPLATE])?;
        let text = self.text_member("description")?;
        input.insert("description".to_owned(), json!(String::from_utf8_lossy(&text)));
        self.inner.change(|world, now| self.order(world, now, Frame::new(Kind::Template, input), &text, None))
    }

    pub(crate) fn template_document(&self) -> Answer {
        let input = self.parameters(&[params::TEMPLATE])?;
        self.inner.change(|world, now| {
            let document = self.own_document(world, self.id(0), now)?;
            let bytes = document.file.bytes.clone();
            self.order(world, now, Frame::new(Kind::Template, input), &bytes, Some(&document))
        })
    }

    /// A text in the JSON body.
    pub(crate) fn text_member(&self, name: &str) -> Result<Bytes, Refused> {
        let members = self.members()?;
        let text =
            members.get(name).and_then(Value::as_str).ok_or_else(|| invalid(&format!("body (missing {name})")))?;
        Ok(Bytes::copy_from_slice(text.as_bytes()))
    }
}

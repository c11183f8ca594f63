//! Submissions: what can be worked on, and the jobs made of it.

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use super::api::Work;
use super::errors::{self, Answer, Refused, error, forbidden, invalid, media_type, not_found, quota};
use super::multipart::{self, Part};
use super::settings::Shape;
use super::shelf::{Document, File, Project};
use super::world::{Kind, Order, Subject, World};
use super::{model, params, plan};
use crate::chance::hash;
use crate::picture;

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
    fn bytes(&self, forms: bool) -> Result<(Bytes, Option<String>), Refused> {
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

    fn own_document(&self, world: &World, id: &str, now: std::time::Duration) -> Result<Document, Refused> {
        let document = world.shelf.document(id, now).ok_or_else(|| not_found("Document"))?;
        let seen = world.sees(self.account, document.account, document.organization.as_deref());
        seen.then(|| document.clone()).ok_or_else(|| forbidden("Document"))
    }

    /// Puts bytes on the shelf as a document.
    fn shelve(&self, world: &mut World, now: std::time::Duration, bytes: Bytes, name: Option<String>) -> Document {
        let file =
            File { id: world.new_id("file"), name, bytes, account: self.account, organization: None, created: now };
        let document = Document {
            id: world.new_id("doc"),
            dpi: None,
            account: self.account,
            organization: None,
            created: now,
            kept: false,
            file: file.clone(),
        };
        world.shelf.files.insert(file.id.clone(), file);
        world.shelf.documents.insert(document.id.clone(), document.clone());
        document
    }

    /// Makes a job of a document (or, without one, of bytes) and answers with its id.
    fn order(
        &self,
        world: &mut World,
        now: std::time::Duration,
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
            let most = most.and_then(Value::as_u64).and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
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
    fn text_member(&self, name: &str) -> Result<Bytes, Refused> {
        let members = self.members()?;
        let text =
            members.get(name).and_then(Value::as_str).ok_or_else(|| invalid(&format!("body (missing {name})")))?;
        Ok(Bytes::copy_from_slice(text.as_bytes()))
    }

    pub(crate) fn upload(&self) -> Answer {
        let name = self.header("x-file-name").ok_or_else(|| invalid("header x-file-name"))?;
        // Which encoding the service reads is not known: UTF-8 if it is that, else Latin-1.
        let name = std::str::from_utf8(name.as_bytes())
            .map_or_else(|_| name.as_bytes().iter().map(|byte| char::from(*byte)).collect(), str::to_owned);
        let (bytes, _) = self.bytes(false)?;
        let organization = self.owner()?;
        self.inner.change(|world, now| {
            let id = world.new_id("file");
            let (name, account) = (Some(name).filter(|name| !name.is_empty()), self.account);
            let file = File { id: id.clone(), name, bytes, account, organization, created: now };
            let answer = self.file_answer(world, &file);
            world.shelf.files.insert(id, file);
            Ok(answer)
        })
    }

    /// The organization of an upload, from its header: of the older generation only.
    fn owner(&self) -> Result<Option<String>, Refused> {
        let value = self.header("x-organization").and_then(|value| value.to_str().ok());
        let Some(id) = value.filter(|_| self.shape != Shape::V0_4) else { return Ok(None) };
        let member = self.inner.with(|world| world.settings.belongs(self.account, id));
        if member { Ok(Some(id.to_owned())) } else { Err(forbidden("Organization")) }
    }

    fn file_answer(&self, world: &World, file: &File) -> http::Response<Bytes> {
        let mut body = json!({"fileId": file.id, "ownerUser": world.settings.accounts[file.account].name,
            "createdAt": world.text(file.created)});
        if let Some(name) = &file.name {
            body["fileName"] = json!(name);
        }
        self.owned(&mut body, file.organization.as_deref(), file.media_type());
        errors::ok(&body)
    }

    fn document_answer(&self, world: &World, document: &Document) -> http::Response<Bytes> {
        let mut body = json!({"docInfo": document.info(self.shape), "createdAt": world.text(document.created),
            "ownerUser": world.settings.accounts[document.account].name});
        self.owned(&mut body, document.organization.as_deref(), document.file.media_type());
        errors::ok(&body)
    }

    fn owned(&self, body: &mut Value, organization: Option<&str>, media_type: &str) {
        if let Some(organization) = organization {
            body["ownerOrganization"] = json!(organization);
        }
        if self.shape != Shape::V0_4 {
            body["contentType"] = json!(media_type);
        }
    }

    fn own_file(&self, world: &World, now: std::time::Duration) -> Result<File, Refused> {
        let file = world.shelf.file(self.id(0), now).ok_or_else(|| not_found("File"))?;
        let seen = world.sees(self.account, file.account, file.organization.as_deref());
        seen.then(|| file.clone()).ok_or_else(|| forbidden("File"))
    }

    pub(crate) fn get_file(&self, content: bool) -> Answer {
        self.inner.look(|world, now| {
            let file = self.own_file(world, now)?;
            Ok(if content { contents(&file) } else { self.file_answer(world, &file) })
        })
    }

    pub(crate) fn convert(&self) -> Answer {
        let members = self.members()?;
        let dpi =
            members.get("rasterizationDPI").and_then(|dpi| params::read_json(self.shape, "rasterizationDPI", dpi));
        let dpi = dpi.ok_or_else(|| invalid("body (rasterizationDPI)"))?;
        if self.shape == Shape::V0_4 || members.contains_key("tokenBudgetType") {
            let budget = members.get("tokenBudgetType").and_then(Value::as_str);
            if !matches!(budget, Some("all-pages" | "per-page")) {
                return Err(invalid("body (tokenBudgetType)"));
            }
        }
        self.inner.change(|world, now| {
            let file = self.own_file(world, now)?;
            if model::format(&file.bytes).is_none() {
                return Err(error(StatusCode::BAD_REQUEST, "UnsupportedFormat", "Unsupported file format"));
            }
            let document = Document {
                id: world.new_id("doc"),
                dpi: dpi.as_u64(),
                account: self.account,
                organization: file.organization.clone(),
                created: now,
                kept: false,
                file,
            };
            let answer = self.document_answer(world, &document);
            world.shelf.documents.insert(document.id.clone(), document);
            Ok(answer)
        })
    }

    pub(crate) fn text_document(&self) -> Answer {
        let text = self.text_member("text")?;
        let organization = self.owner()?;
        self.inner.change(|world, now| {
            let mut document = self.shelve(world, now, text, None);
            document.organization = organization;
            let answer = self.document_answer(world, &document);
            world.shelf.documents.insert(document.id.clone(), document);
            Ok(answer)
        })
    }

    pub(crate) fn get_document(&self, content: bool) -> Answer {
        self.inner.look(|world, now| {
            let document = self.own_document(world, self.id(0), now)?;
            Ok(if content { contents(&document.file) } else { self.document_answer(world, &document) })
        })
    }
}

impl Work<'_> {
    /// A page of a document that is not text. Every document has one.
    pub(crate) fn page_image(&self) -> Answer {
        let part: u32 = self.id(1).parse().map_err(|_| invalid("path parameter partIndex"))?;
        self.inner.look(|world, now| {
            let document = self.own_document(world, self.id(0), now)?;
            if part > 0 || document.text().is_some() {
                return Err(not_found("Part"));
            }
            let drawn = picture::png(hash(&document.file.bytes), 120, 170)
                .map_err(|e| error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &e.to_string()))?;
            Ok(crate::faults::response(StatusCode::OK, "application/octet-stream", drawn))
        })
    }
}

fn contents(file: &File) -> http::Response<Bytes> {
    crate::faults::response(StatusCode::OK, file.media_type(), file.bytes.clone())
}

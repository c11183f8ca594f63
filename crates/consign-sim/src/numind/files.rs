//! Files and documents.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::api::Work;
use super::errors::{self, Answer, Refused, error, forbidden, invalid, not_found};
use super::settings::Shape;
use super::shelf::{Document, File};
use super::world::World;
use super::{model, params};
use crate::chance::hash;
use crate::faults::response;
use crate::picture;

impl Work<'_> {
    pub(crate) fn own_document(&self, world: &World, id: &str, now: Duration) -> Result<Document, Refused> {
        let document = world.shelf.document(id, now).ok_or_else(|| not_found("Document"))?;
        let seen = world.sees(self.account, document.account, document.organization.as_deref());
        seen.then(|| document.clone()).ok_or_else(|| forbidden("Document"))
    }

    /// Puts bytes on the shelf as a document.
    pub(crate) fn shelve(&self, world: &mut World, now: Duration, bytes: Bytes, name: Option<String>) -> Document {
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

    fn file_answer(&self, world: &World, file: &File) -> Response<Bytes> {
        let mut body = json!({"fileId": file.id, "ownerUser": world.settings.accounts[file.account].name,
            "createdAt": world.text(file.created)});
        if let Some(name) = &file.name {
            body["fileName"] = json!(name);
        }
        self.owned(&mut body, file.organization.as_deref(), file.media_type());
        errors::ok(&body)
    }

    fn document_answer(&self, world: &World, document: &Document) -> Response<Bytes> {
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

    fn own_file(&self, world: &World, now: Duration) -> Result<File, Refused> {
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
            Ok(response(StatusCode::OK, "application/octet-stream", drawn))
        })
    }
}

fn contents(file: &File) -> Response<Bytes> {
    response(StatusCode::OK, file.media_type(), file.bytes.clone())
}

//! Projects with their settings and examples.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::api::Work;
use super::errors::{self, Answer, Refused, error, forbidden, invalid, not_found};
use super::settings::Shape;
use super::shelf::{Example, Project};
use super::world::World;
use super::{model, params};

impl Work<'_> {
    /// A project of this account in its place.
    fn project<'w>(&self, world: &'w mut World, structured: bool) -> Result<&'w mut Project, Refused> {
        let found = world.shelf.project(self.id(0), structured).ok_or_else(|| not_found("Project"))?;
        let (owner, organization) = (found.account, found.organization.clone());
        if !world.sees(self.account, owner, organization.as_deref()) {
            return Err(forbidden("Project"));
        }
        world.shelf.project(self.id(0), structured).ok_or_else(|| not_found("Project"))
    }

    fn project_answer(&self, world: &World, project: &Project) -> Value {
        let newer = match self.shape {
            Shape::V0_2 => false,
            Shape::V0_4 => true,
            Shape::Both => project.newer,
        };
        let mut body = json!({"id": project.id, "name": project.name, "description": project.description,
            "ownerUser": world.settings.accounts[project.account].name, "createdAt": world.text(project.created),
            "updatedAt": world.text(project.updated), "settings": params::shown(&project.settings, newer)});
        if let Some(organization) = &project.organization {
            body["ownerOrganization"] = json!(organization);
        }
        if let Some(template) = &project.template {
            body["template"] = template.clone();
            body["lockState"] = json!(false);
            body["shared"] = json!(false);
            if self.shape != Shape::V0_2 {
                body["instructions"] = json!(project.instructions);
            }
        }
        body
    }

    pub(crate) fn projects(&self, structured: bool) -> Answer {
        let organization = self.query.get("organizationId").filter(|_| self.shape != Shape::V0_4);
        let reference = match self.query.get("reference") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(invalid("query parameter reference")),
        };
        self.inner.look(|world, _| {
            if organization.is_some_and(|id| !world.settings.belongs(self.account, id)) {
                return Err(forbidden("Organization"));
            }
            let own = |project: &&Project| {
                // There are no reference projects here.
                !reference
                    && project.template.is_some() == structured
                    && world.sees(self.account, project.account, project.organization.as_deref())
                    && organization.is_none_or(|id| project.organization.as_deref() == Some(id))
            };
            let all = world.shelf.projects.iter().filter(own);
            Ok(errors::ok(&all.map(|project| self.project_answer(world, project)).collect()))
        })
    }

    pub(crate) fn create_project(&self, structured: bool) -> Answer {
        let members = self.members()?;
        let name = text(&members, "name")?.ok_or_else(|| invalid("body (missing name)"))?;
        let description = text(&members, "description")?.ok_or_else(|| invalid("body (missing description)"))?;
        let instructions = text(&members, "instructions")?;
        if structured && self.shape == Shape::V0_4 && instructions.is_none() {
            return Err(invalid("body (missing instructions)"));
        }
        let template = if structured {
            Some(template(&members)?.ok_or_else(|| invalid("body (missing template)"))?)
        } else {
            None
        };
        let organization = text(&members, "ownerOrganization")?;
        self.inner.change(|world, now| {
            if organization.as_ref().is_some_and(|id| !world.settings.belongs(self.account, id)) {
                return Err(forbidden("Organization"));
            }
            let project = Project {
                id: world.new_id(if structured { "sprj" } else { "cprj" }),
                settings: params::defaults(structured),
                template,
                name,
                description,
                newer: instructions.is_some(),
                instructions: instructions.unwrap_or_default(),
                account: self.account,
                organization,
                examples: Vec::new(),
                created: now,
                updated: now,
            };
            let answer = self.project_answer(world, &project);
            world.shelf.projects.push(project);
            Ok(errors::ok(&answer))
        })
    }

    pub(crate) fn get_project(&self) -> Answer {
        self.changed(true, |_, _| Ok(()))
    }

    /// Changes a project, or nothing of it, and answers with it.
    fn changed(&self, structured: bool, change: impl FnOnce(&mut Project, Duration) -> Result<(), Refused>) -> Answer {
        self.inner.change(|world, now| {
            let project = self.project(world, structured)?;
            change(project, now)?;
            let project = project.clone();
            Ok(errors::ok(&self.project_answer(world, &project)))
        })
    }

    pub(crate) fn patch_project(&self, structured: bool) -> Answer {
        let members = self.members()?;
        let (name, description) = (text(&members, "name")?, text(&members, "description")?);
        let instructions = text(&members, "instructions")?;
        let template = if structured { template(&members)? } else { None };
        self.changed(structured, |project, now| {
            project.name = name.unwrap_or_else(|| project.name.clone());
            project.description = description.unwrap_or_else(|| project.description.clone());
            project.newer |= instructions.is_some();
            project.instructions = instructions.unwrap_or_else(|| project.instructions.clone());
            if template.is_some() {
                project.template = template;
            }
            project.updated = now;
            Ok(())
        })
    }

    pub(crate) fn delete_project(&self, structured: bool) -> Answer {
        self.inner.change(|world, _| {
            let id = self.project(world, structured)?.id.clone();
            world.shelf.projects.retain(|project| project.id != id);
            Ok(errors::empty(StatusCode::OK))
        })
    }

    pub(crate) fn patch_settings(&self, structured: bool) -> Answer {
        let members = self.members()?;
        let known = params::defaults(structured);
        let mut patch = Map::new();
        for (name, value) in members.iter().filter(|(name, value)| known.contains_key(*name) && !value.is_null()) {
            let read = params::read_json(self.shape, name, value).filter(|_| params::knows(self.shape, name));
            patch.insert(name.clone(), read.ok_or_else(|| invalid(&format!("body ({name})")))?);
        }
        self.changed(structured, |project, now| {
            project.settings.extend(patch);
            project.updated = now;
            Ok(())
        })
    }

    pub(crate) fn reset_settings(&self, structured: bool) -> Answer {
        self.changed(structured, |project, now| {
            project.settings = params::defaults(structured);
            project.updated = now;
            Ok(())
        })
    }

    pub(crate) fn examples(&self) -> Answer {
        let (skip, per_page) = self.page()?;
        self.inner.change(|world, _| {
            let project = self.project(world, true)?.clone();
            let page = project.examples.iter().skip(skip).take(per_page);
            let items: Vec<Value> = page.map(|example| example_answer(world, &project, example)).collect();
            let total = project.examples.len();
            Ok(errors::ok(&json!({"totalCount": total, "skip": skip, "perPage": per_page, "items": items})))
        })
    }

    /// Makes an example, or replaces the one in the path.
    pub(crate) fn put_example(&self) -> Answer {
        let members = self.members()?;
        let document = text(&members, "documentId")?.ok_or_else(|| invalid("body (missing documentId)"))?;
        let result = members.get("result").filter(|result| result.is_object());
        let result = result.ok_or_else(|| invalid("body (missing result)"))?.clone();
        self.inner.change(|world, now| {
            let replaced = self.ids.get(1).cloned();
            let id = replaced.clone().unwrap_or_else(|| world.new_id("sex"));
            let info = {
                let found = world.shelf.documents.get_mut(&document).filter(|found| found.account == self.account);
                let found = found.ok_or_else(|| not_found("Document"))?;
                found.kept = true;
                found.info(self.shape)
            };
            let project = self.project(world, true)?;
            let mut example = Example { id, info, result, created: now, updated: now };
            match &replaced {
                Some(id) => {
                    let old = project.examples.iter_mut().find(|example| example.id == *id);
                    let old = old.ok_or_else(|| not_found("Example"))?;
                    example.created = old.created;
                    *old = example.clone();
                }
                None => project.examples.push(example.clone()),
            }
            let project = project.clone();
            Ok(errors::ok(&example_answer(world, &project, &example)))
        })
    }

    pub(crate) fn get_example(&self, delete: bool) -> Answer {
        self.inner.change(|world, _| {
            let project = self.project(world, true)?;
            let place = project.examples.iter().position(|example| example.id == self.id(1));
            let place = place.ok_or_else(|| not_found("Example"))?;
            if delete {
                project.examples.remove(place);
                return Ok(errors::empty(StatusCode::OK));
            }
            let project = project.clone();
            Ok(errors::ok(&example_answer(world, &project, &project.examples[place])))
        })
    }
}

fn example_answer(world: &World, project: &Project, example: &Example) -> Value {
    let fits = project.template.as_ref().is_some_and(|template| model::fits(template, &example.result));
    let result = if fits {
        json!({"type": "information", "information": example.result})
    } else {
        json!({"type": "string", "information": example.result.to_string(),
            "error": "The information does not fit the template"})
    };
    json!({"id": example.id, "projectId": project.id, "ownerUser": world.settings.accounts[project.account].name,
        "documentInfo": example.info, "result": result, "createdAt": world.text(example.created),
        "updatedAt": world.text(example.updated)})
}

/// An optional text among the members of a body.
fn text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, Refused> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(invalid(&format!("body ({name})"))),
    }
}

/// An optional template among the members of a body.
fn template(members: &Map<String, Value>) -> Result<Option<Value>, Refused> {
    let refuse = || error(StatusCode::BAD_REQUEST, "InvalidTemplate", "Not a NuExtract template");
    match members.get("template") {
        None | Some(Value::Null) => Ok(None),
        Some(template) if model::is_template(template) => Ok(Some(template.clone())),
        Some(_) => Err(refuse()),
    }
}

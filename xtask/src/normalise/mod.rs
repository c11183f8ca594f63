//! From a document to the model of the generated code: references, null, `allOf`, unions, names, operations.
use serde_json::Value;

mod answers;
mod bodies;
mod components;
mod discriminators;
mod lower;
mod nullable;
mod operations;
mod parameters;
mod reach;
mod resolve;
mod shapes;
mod unions;

use crate::model::Api;
use crate::problem::{Notes, Problem, Result};
use crate::walk;
use components::Components;
use discriminators::Choices;
use lower::Lower;
pub(crate) use lower::{name_of, named, or_null};
pub(crate) use parameters::template;

/// Reads a 3.0 document into the model; what is lost is noted.
///
/// # Errors
/// References that lead nowhere, operations with the same id, and what the message says.
pub fn normalise(mut document: Value, source: &str, notes: Notes) -> Result<(Api, Notes)> {
    resolve::resolve(&mut document)?;
    nullable::unify(&mut document);
    let mut components = Components::new(&document, notes);
    let choices = Choices::find(&mut document, &components);
    components.keep_discriminators(|name| choices.unions.contains_key(name));
    let mut lower = Lower::new(&components, &choices);
    lower.components()?;
    let operations = operations::operations(&mut lower, &document)?;
    let (mut types, names) = (lower.types, lower.names);
    reach::mark(&mut types, &operations, &components, &names);
    let title = walk::text(&document["info"], "title").unwrap_or("").to_owned();
    let api = Api { source: source.to_owned(), title, types, operations };
    if api.operations.is_empty() && api.types.is_empty() {
        return Err(Problem::new("paths", "there is no operation and no schema to generate"));
    }
    Ok((api, components.notes.into_inner()))
}

/// What the tests of this module and of `repair` start from.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::model::{Operation, Shape, Struct, TypeDef};
    use serde_json::json;

    /// The model of a document with these paths and schemas, and the notes.
    pub(crate) fn model(paths: Value, schemas: Value) -> (Api, String) {
        let document = json!({"openapi": "3.0.3", "paths": paths, "components": {"schemas": schemas}});
        let (api, notes) = normalise(document, "test.json", Notes::default()).unwrap();
        (api, notes.text())
    }
    /// The only operation of a document in which it is `POST /x/{id}`.
    pub(crate) fn operation(operation: Value) -> (Operation, String) {
        let (mut api, notes) = model(json!({"/x/{id}": {"parameters": [id()], "post": operation}}), schemas());
        (api.operations.remove(0), notes)
    }
    fn id() -> Value {
        json!({"name": "id", "in": "path", "required": true, "schema": {"type": "string"}})
    }
    fn schemas() -> Value {
        json!({"A": {"type": "object", "properties": {"a": {"type": "string"}}},
            "B": {"type": "object", "properties": {"b": {"type": "string"}}},
            "Text": {"type": "string"}, "State": {"type": "string", "enum": ["on"]}})
    }
    /// The type with this name.
    pub(crate) fn find<'a>(api: &'a Api, name: &str) -> &'a TypeDef {
        api.types.iter().find(|def| def.name == name).unwrap_or_else(|| panic!("no type {name}"))
    }
    /// The struct with this name.
    pub(crate) fn object<'a>(api: &'a Api, name: &str) -> &'a Struct {
        match &find(api, name).shape {
            Shape::Struct(object) => object,
            other => panic!("{name} is {other:?}"),
        }
    }
    /// The fields of a struct with their plain schemas.
    pub(crate) fn fields(api: &Api, name: &str) -> Vec<(String, Value)> {
        object(api, name).members.iter().map(|member| (member.field.clone(), member.schema.clone())).collect()
    }
}

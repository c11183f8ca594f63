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
    let mut types = lower.types;
    reach::mark(&mut types, &operations, &components);
    let title = walk::text(&document["info"], "title").unwrap_or("").to_owned();
    let api = Api { source: source.to_owned(), title, types, operations };
    if api.operations.is_empty() && api.types.is_empty() {
        return Err(Problem::new("paths", "there is no operation and no schema to generate"));
    }
    Ok((api, components.notes.into_inner()))
}

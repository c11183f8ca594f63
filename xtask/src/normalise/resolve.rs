//! References: everything but schemas is put in place of the reference; schemas are left as references to components.
use serde_json::{Map, Value, json};

use crate::names;
use crate::problem::{Problem, Result};
use crate::walk;

/// How many references may lead to one another.
const DEPTH: usize = 16;

/// Puts path items, parameters, bodies, responses and headers in place of the references to them,
/// and makes a component of every schema that is referenced elsewhere in the document.
///
/// # Errors
/// A reference that leads nowhere, to another file, or round in a circle.
pub(super) fn resolve(document: &mut Value) -> Result<()> {
    let original = document.clone();
    let paths = walk::map(&original, "paths");
    let mut resolved = Map::new();
    for (path, item) in paths {
        let mut item = follow(&original, item, path)?.clone();
        in_path_item(&original, path, &mut item)?;
        resolved.insert(path.clone(), item);
    }
    document["paths"] = Value::Object(resolved);
    if let Some(Value::Object(components)) = document.get_mut("components") {
        components.retain(|kind, _| kind == "schemas");
    }
    schema_references(document, &original)
}

fn in_path_item(document: &Value, path: &str, item: &mut Value) -> Result<()> {
    in_list(document, path, item.get_mut("parameters"))?;
    for method in walk::METHODS {
        let Some(operation) = item.get_mut(method) else { continue };
        let place = format!("{} {path}", method.to_uppercase());
        in_list(document, &place, operation.get_mut("parameters"))?;
        if let Some(body) = operation.get_mut("requestBody") {
            *body = follow(document, body, &place)?.clone();
        }
        if let Some(Value::Object(responses)) = operation.get_mut("responses") {
            for response in responses.values_mut() {
                *response = follow(document, response, &place)?.clone();
            }
        }
    }
    Ok(())
}

fn in_list(document: &Value, place: &str, list: Option<&mut Value>) -> Result<()> {
    if let Some(Value::Array(list)) = list {
        for value in list {
            *value = follow(document, value, place)?.clone();
        }
    }
    Ok(())
}

/// What a value or the reference in its place stands for.
fn follow<'a>(document: &'a Value, value: &'a Value, place: &str) -> Result<&'a Value> {
    let mut value = value;
    for _ in 0..DEPTH {
        match walk::text(value, "$ref") {
            Some(reference) => value = target(document, reference, place)?,
            None => return Ok(value),
        }
    }
    Err(Problem::new(place, format!("the reference {} leads round in a circle", value["$ref"])))
}

/// What a reference inside this document leads to.
fn target<'a>(document: &'a Value, reference: &str, place: &str) -> Result<&'a Value> {
    let Some(pointer) = reference.strip_prefix('#') else {
        let what = format!("the reference {reference:?} leads out of the document; bundle it into one file first");
        return Err(Problem::new(place, what));
    };
    let pointer = percent_decoded(pointer);
    document.pointer(&pointer).ok_or_else(|| {
        Problem::new(place, format!("the reference {reference:?} leads nowhere; add its target or remove it"))
    })
}

/// The name of the component a reference leads to.
pub(super) fn component(reference: &str) -> Option<String> {
    let name = reference.strip_prefix("#/components/schemas/")?;
    (!name.contains('/')).then(|| percent_decoded(name).replace("~1", "/").replace("~0", "~"))
}

/// The name of the component that a schema refers to, if it is a reference.
pub(super) fn reference(schema: &Value) -> Option<String> {
    walk::text(schema, "$ref").and_then(component)
}

/// A reference to a component.
pub(super) fn refer(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{}", name.replace('~', "~0").replace('/', "~1").replace('%', "%25")) })
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = (first == b'%').then(|| tail.get(..2)).flatten();
        match code.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Every reference of a schema leads to a component afterwards.
fn schema_references(document: &mut Value, original: &Value) -> Result<()> {
    let mut added: Vec<(String, String)> = Vec::new();
    let mut wrong = None;
    // A component made from a place of the document may hold such references itself.
    for round in 0.. {
        let before = added.len();
        walk::schemas(document, &mut |place, schema| {
            let Some(text) = walk::text(schema, "$ref").map(str::to_owned) else { return };
            if let Err(problem) = target(original, &text, place).map(drop) {
                if !added.iter().any(|(_, name)| component(&text).as_ref() == Some(name)) {
                    wrong.get_or_insert(problem);
                }
                return;
            }
            if component(&text).is_none() {
                let name = place_name(&text, &mut added, original);
                schema["$ref"] = refer(&name)["$ref"].take();
            }
        });
        if let Some(problem) = wrong {
            return Err(problem);
        }
        for (reference, name) in &added[before..] {
            let value = target(original, reference, "")?.clone();
            // Where it stood it is a reference too, so that there is one type and not two.
            let pointer = percent_decoded(reference.trim_start_matches('#'));
            if let Some(place) = document.pointer_mut(&pointer) {
                *place = refer(name);
            }
            document["components"]["schemas"][name] = value;
        }
        if added.len() == before {
            break;
        }
        if round > DEPTH {
            return Err(Problem::new("components", "the references inside the document never end"));
        }
    }
    Ok(())
}

/// The name of the component made for a place of the document.
fn place_name(reference: &str, added: &mut Vec<(String, String)>, original: &Value) -> String {
    if let Some((_, name)) = added.iter().find(|(from, _)| from == reference) {
        return name.clone();
    }
    let decoded = percent_decoded(reference).replace("~1", "/");
    let skip = ["#", "components", "schemas", "properties", "content", "schema", "paths", "responses"];
    let parts: Vec<&str> = decoded.split('/').filter(|part| !skip.contains(part) && !part.is_empty()).collect();
    let wanted = names::type_name(&parts.join(" "));
    let exists = |name: &str, added: &[(String, String)]| {
        original.pointer("/components/schemas").is_some_and(|schemas| schemas.get(name).is_some())
            || added.iter().any(|(_, taken)| taken == name)
    };
    let mut name = wanted.clone();
    let mut number = 2;
    while exists(&name, added) {
        name = format!("{wanted}{number}");
        number += 1;
    }
    added.push((reference.to_owned(), name.clone()));
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_schemas_is_put_in_place() {
        let mut document = json!({
            "paths": {"/a": {"$ref": "#/components/pathItems/A"}},
            "components": {
                "pathItems": {"A": {"parameters": [{"$ref": "#/components/parameters/P"}], "post": {
                    "requestBody": {"$ref": "#/components/requestBodies/B"},
                    "responses": {"200": {"$ref": "#/components/responses/R"}}}}},
                "parameters": {"P": {"name": "p"}},
                "requestBodies": {"B": {"$ref": "#/components/requestBodies/C"}, "C": {"content": {}}},
                "responses": {"R": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/S"}}}}},
                "schemas": {"S": {}}}
        });
        resolve(&mut document).unwrap();
        let item = &document["paths"]["/a"];
        assert_eq!(item["parameters"][0]["name"], "p");
        assert_eq!(item["post"]["requestBody"], json!({"content": {}}));
        let schema = &item["post"]["responses"]["200"]["content"]["application/json"]["schema"];
        assert_eq!(reference(schema).as_deref(), Some("S"));
        assert_eq!(document["components"].as_object().unwrap().len(), 1);
    }

    #[test]
    fn a_schema_referenced_inside_another_becomes_a_component() {
        let mut document = json!({"components": {"schemas": {
            "Job": {"properties": {"state": {"type": "object"}}},
            "B": {"properties": {"y": {"$ref": "#/components/schemas/Job/properties/state"}}}}}});
        resolve(&mut document).unwrap();
        let schemas = &document["components"]["schemas"];
        assert_eq!(reference(&schemas["B"]["properties"]["y"]).as_deref(), Some("JobState"));
        assert_eq!(schemas["Job"]["properties"]["state"], schemas["B"]["properties"]["y"]);
        assert_eq!(schemas["JobState"], json!({"type": "object"}));
    }

    #[test]
    fn references_that_lead_nowhere_are_errors_that_name_the_place() {
        let wrong = |target: &str| {
            let mut document = json!({"components": {"schemas": {"A": {"properties": {"b": {"$ref": target}}}}}});
            resolve(&mut document).unwrap_err().to_string()
        };
        assert!(wrong("#/components/schemas/Gone").starts_with("schema \"A\".b: the reference"));
        assert!(wrong("other.json#/A").contains("bundle it into one file"));
        let mut document = json!({"paths": {"/a": {"get": {"parameters": [{"$ref": "#/components/parameters/P"}]}}},
            "components": {"parameters": {"P": {"$ref": "#/components/parameters/P"}}}});
        assert!(resolve(&mut document).unwrap_err().to_string().contains("GET /a"));
    }

    #[test]
    fn names_are_decoded() {
        assert_eq!(component("#/components/schemas/Span%601").as_deref(), Some("Span`1"));
        assert_eq!(component("#/components/schemas/a~1b").as_deref(), Some("a/b"));
        assert_eq!(component("#/components/schemas/A/properties/x"), None);
        assert_eq!(reference(&refer("a/b%~")).as_deref(), Some("a/b%~"));
    }
}

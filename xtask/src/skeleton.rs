//! The document that the generator gets to see: structs, plain schemas, and operations reduced to their types.
use serde_json::{Map, Value, json};

use crate::model::{Answer, Api, BodyKind, ListForm, Operation, Shape};
use crate::normalise::or_null;

/// Prefix of schemas that carry plain schemas whose Rust type is wanted; they are not generated.
const CARRIER: &str = "XtaskCarrier";

/// The carrier of the type at this position.
pub(crate) fn carrier(index: usize) -> String {
    format!("{CARRIER}{index}")
}

/// The generator's name for the operation at this position.
pub(crate) fn operation(index: usize) -> String {
    format!("o{index}")
}

/// The generator's name for the part at this position of an operation or carrier.
pub(crate) fn part(index: usize) -> String {
    format!("p{index}")
}

/// The document for the generator.
pub(crate) fn document(api: &Api) -> Value {
    let mut schemas = Map::new();
    for (index, def) in api.types.iter().enumerate() {
        match &def.shape {
            Shape::Struct(object) => {
                let members = object.members.iter().map(|member| (member.wire.clone(), member.schema.clone()));
                schemas.insert(def.name.clone(), object_of(members.collect()));
            }
            Shape::Alias(schema) => {
                schemas.insert(carrier(index), parts(&[schema]));
                schemas.insert(def.name.clone(), json!({"type": "string"}));
            }
            Shape::Untagged(forms, _) => {
                let forms: Vec<&Value> = forms.iter().map(|form| &form.schema).collect();
                schemas.insert(carrier(index), parts(&forms));
                schemas.insert(def.name.clone(), json!({"type": "string"}));
            }
            Shape::Enum(..) | Shape::Tagged(_) | Shape::External(_) => {
                schemas.insert(def.name.clone(), json!({"type": "string"}));
            }
        }
    }
    let operations = api.operations.iter().enumerate().map(|(index, one)| path_item(index, one));
    json!({
        "openapi": "3.0.3",
        "info": {"title": "", "version": "0"},
        "paths": operations.collect::<Map<String, Value>>(),
        "components": {"schemas": schemas},
    })
}

/// What stands in place of the types that are not structs, by name.
pub(crate) fn replacements(api: &Api) -> Vec<(String, String)> {
    let replace = |def: &crate::model::TypeDef| match &def.shape {
        Shape::Struct(_) => None,
        Shape::External(path) => Some((def.name.clone(), path.clone())),
        _ => Some((def.name.clone(), format!("types::{}", def.name))),
    };
    api.types.iter().filter_map(replace).collect()
}

/// An object all of whose members have to be there: what is optional is decided afterwards.
fn object_of(members: Map<String, Value>) -> Value {
    if members.is_empty() {
        return json!({"type": "object", "additionalProperties": false});
    }
    let names: Vec<&String> = members.keys().collect();
    let required = json!(names);
    json!({"type": "object", "properties": members, "required": required})
}

fn parts(schemas: &[&Value]) -> Value {
    object_of(schemas.iter().enumerate().map(|(index, schema)| (part(index), (*schema).clone())).collect())
}

fn path_item(index: usize, one: &Operation) -> (String, Value) {
    let mut path = format!("/{}", operation(index));
    let mut parameters = Vec::new();
    for (index, parameter) in one.parameters.iter().enumerate() {
        let name = part(index);
        let schema = match parameter.list {
            Some(ListForm::Repeated | ListForm::Joined(_)) => json!({"type": "array", "items": parameter.schema}),
            None => parameter.schema.clone(),
        };
        if parameter.place == crate::model::In::Path {
            path.push_str(&format!("/{{{name}}}"));
            parameters.push(json!({"name": name, "in": "path", "required": true, "schema": schema}));
        } else {
            parameters.push(json!({"name": name, "in": "query", "required": true, "schema": schema}));
        }
    }
    let content = |schema: &Value| json!({"content": {"application/json": {"schema": schema}}});
    let mut response = json!({"description": ""});
    if let Answer::Json(schema, nullable) = &one.answer {
        response["content"] = content(&or_null(schema.clone(), *nullable))["content"].take();
    }
    let mut item = json!({"operationId": operation(index), "parameters": parameters, "responses": {"200": response}});
    if let Some(BodyKind::Json(schema, _) | BodyKind::Form(schema)) = one.body.as_ref().map(|body| &body.kind) {
        item["requestBody"] = content(schema);
        item["requestBody"]["required"] = json!(true);
    }
    (path, json!({ "post": item }))
}

/// A skeleton with this one operation, or with this one schema and nothing that uses it.
pub(crate) fn only(document: &Value, operation: Option<&str>, schema: Option<&str>) -> Value {
    let mut one = document.clone();
    if let Some(paths) = one["paths"].as_object_mut() {
        paths.retain(|path, _| Some(path.as_str()) == operation);
    }
    if let (Some(schemas), Some(name)) = (one["components"]["schemas"].as_object_mut(), schema) {
        schemas
            .iter_mut()
            .filter(|(other, _)| *other != name)
            .for_each(|(_, value)| *value = json!({"type": "string"}));
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::testing::model;

    #[test]
    fn the_generator_sees_only_plain_schemas_and_numbered_operations() {
        let paths = json!({"/weird/{a}.{b}": {"delete": {"operationId": "x", "parameters": [{"name": "fn", "in": "header", "schema": {"type": "array", "items": {"type": "string"}}}],
            "responses": {"200": {"description": "", "content": {"application/json": {"schema": {"nullable": true, "allOf": [{"$ref": "#/components/schemas/S"}]}}}}}}}});
        let (api, _) = model(
            paths,
            json!({"S": {"properties": {"a": {"type": "string", "minLength": 3}}, "additionalProperties": false},
            "E": {"type": "string", "enum": ["+", "-"]}, "U": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/components/schemas/E"}}]}}),
        );
        let document = document(&api);
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["S"], json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}));
        assert_eq!(schemas["E"], json!({"type": "string"}));
        assert_eq!(schemas[carrier(2)]["properties"]["p1"]["items"], json!({"$ref": "#/components/schemas/E"}));
        let one = &document["paths"]["/o0/{p0}/{p1}"]["post"];
        assert_eq!(
            (&one["operationId"], &one["parameters"][2]["name"], &one["parameters"][2]["in"]),
            (&json!("o0"), &json!("p2"), &json!("query"))
        );
        assert_eq!(one["responses"]["200"]["content"]["application/json"]["schema"]["nullable"], true);
        assert_eq!(
            replacements(&api),
            [("E".to_owned(), "types::E".to_owned()), ("U".to_owned(), "types::U".to_owned())]
        );
    }
}

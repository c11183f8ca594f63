//! Visits every schema of an OpenAPI document by its structure, never by the name of a key alone.
use serde_json::{Map, Value};

/// The methods of a path item, in the order in which operations are generated.
pub(crate) const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

type Visit<'a> = dyn FnMut(&str, &mut Value) + 'a;

/// Calls `visit` with place and value of every schema of the document, inner ones first.
pub(crate) fn schemas(document: &mut Value, visit: &mut Visit<'_>) {
    each(document.get_mut("paths"), |path, item| path_item(path, item, visit));
    let Some(components) = document.get_mut("components") else { return };
    each(components.get_mut("schemas"), |name, value| schema(&format!("schema {name:?}"), value, visit));
    each(components.get_mut("parameters"), |name, value| parameter(&format!("parameter {name:?}"), value, visit));
    each(components.get_mut("headers"), |name, value| parameter(&format!("header {name:?}"), value, visit));
    each(components.get_mut("requestBodies"), |name, value| content(&format!("body {name:?}"), value, visit));
    each(components.get_mut("responses"), |name, value| response(&format!("response {name:?}"), value, visit));
    each(components.get_mut("pathItems"), |name, value| path_item(&format!("path item {name:?}"), value, visit));
}

/// Calls `visit` with place and value of a schema and every schema inside it, inner ones first.
pub(crate) fn schema(place: &str, value: &mut Value, visit: &mut Visit<'_>) {
    for key in ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"] {
        each(value.get_mut(key), |name, value| schema(&format!("{place}.{name}"), value, visit));
    }
    const SINGLE: [&str; 9] = [
        "items",
        "additionalProperties",
        "not",
        "if",
        "then",
        "else",
        "contains",
        "propertyNames",
        "unevaluatedProperties",
    ];
    for key in SINGLE {
        if let Some(inner) = value.get_mut(key) {
            schema(&format!("{place}.{key}"), inner, visit);
        }
    }
    for key in ["allOf", "oneOf", "anyOf", "prefixItems"] {
        let Some(Value::Array(list)) = value.get_mut(key) else { continue };
        for (index, inner) in list.iter_mut().enumerate() {
            schema(&format!("{place}.{key}[{index}]"), inner, visit);
        }
    }
    visit(place, value);
}

fn each(map: Option<&mut Value>, mut with: impl FnMut(&str, &mut Value)) {
    if let Some(Value::Object(map)) = map {
        map.iter_mut().for_each(|(name, value)| with(name, value));
    }
}

fn path_item(place: &str, item: &mut Value, visit: &mut Visit<'_>) {
    parameters(place, item.get_mut("parameters"), visit);
    for method in METHODS {
        let Some(operation) = item.get_mut(method) else { continue };
        let place = match operation.get("operationId").and_then(Value::as_str) {
            Some(id) => format!("operation {id:?}"),
            None => format!("{} {place}", method.to_uppercase()),
        };
        parameters(&place, operation.get_mut("parameters"), visit);
        if let Some(body) = operation.get_mut("requestBody") {
            content(&format!("{place}, body"), body, visit);
        }
        each(operation.get_mut("responses"), |status, value| response(&format!("{place}, {status}"), value, visit));
    }
}

fn parameters(place: &str, list: Option<&mut Value>, visit: &mut Visit<'_>) {
    if let Some(Value::Array(list)) = list {
        list.iter_mut().for_each(|value| parameter(place, value, visit));
    }
}

fn parameter(place: &str, value: &mut Value, visit: &mut Visit<'_>) {
    let place = match value.get("name").and_then(Value::as_str) {
        Some(name) => format!("{place}, parameter {name:?}"),
        None => place.to_owned(),
    };
    if let Some(inner) = value.get_mut("schema") {
        schema(&place, inner, visit);
    }
    content(&place, value, visit);
}

fn response(place: &str, value: &mut Value, visit: &mut Visit<'_>) {
    content(place, value, visit);
    each(value.get_mut("headers"), |name, value| parameter(&format!("{place}, header {name:?}"), value, visit));
}

fn content(place: &str, value: &mut Value, visit: &mut Visit<'_>) {
    each(value.get_mut("content"), |_, media| {
        if let Some(inner) = media.get_mut("schema") {
            schema(place, inner, visit);
        }
    });
}

/// The member `key` of an object as a map; empty if there is none.
pub(crate) fn map<'a>(value: &'a Value, key: &str) -> &'a Map<String, Value> {
    static EMPTY: std::sync::OnceLock<Map<String, Value>> = std::sync::OnceLock::new();
    value.get(key).and_then(Value::as_object).unwrap_or_else(|| EMPTY.get_or_init(Map::new))
}

/// The member `key` of an object as a list; empty if there is none.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The member `key` of an object as text.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// Whether the member `key` of an object is `true`.
pub(crate) fn is_true(value: &Value, key: &str) -> bool {
    value.get(key) == Some(&Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_schema_is_visited_once_and_properties_named_like_keywords_are_not_taken_for_them() {
        let mut document = json!({
            "paths": {"/a": {
                "parameters": [{"name": "p", "in": "query", "schema": {"n": 1}}],
                "post": {"operationId": "a",
                    "requestBody": {"content": {"x/y": {"schema": {"n": 2}}}},
                    "responses": {"200": {"headers": {"H": {"schema": {"n": 3}}}, "content": {"x/y": {"schema": {"n": 4}}}}}}}},
            "components": {
                "schemas": {"S": {"n": 5, "properties": {"allOf": {"n": 6}, "items": {"n": 7, "items": {"n": 8}}},
                    "example": {"items": {"n": 99}}}},
                "parameters": {"P": {"name": "q", "content": {"x/y": {"schema": {"n": 9}}}}},
                "responses": {"R": {"content": {"x/y": {"schema": {"n": 10, "oneOf": [{"n": 11}]}}}}}}
        });
        let mut seen = Vec::new();
        schemas(&mut document, &mut |_, schema| seen.push(schema["n"].as_i64().unwrap()));
        assert_eq!(seen, [1, 2, 4, 3, 6, 8, 7, 5, 9, 11, 10]);
    }
}

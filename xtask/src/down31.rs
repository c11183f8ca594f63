//! OpenAPI 3.1 to 3.0: the keywords of JSON Schema 2020-12 that the rest of the pipeline does not know.
use serde_json::{Map, Value, json};

use crate::problem::Notes;
use crate::walk;

/// Keywords without a counterpart whose loss changes nothing that is generated.
const SILENT: [&str; 7] = ["examples", "$schema", "$id", "$comment", "$anchor", "$dynamicAnchor", "$vocabulary"];
/// Keywords without a counterpart: noted.
const NOTED: [&str; 12] = [
    "if",
    "then",
    "else",
    "dependentSchemas",
    "dependentRequired",
    "propertyNames",
    "unevaluatedProperties",
    "unevaluatedItems",
    "contains",
    "minContains",
    "maxContains",
    "contentSchema",
];

/// Rewrites a 3.1 document as a 3.0 one. A 3.0 document that uses words of 3.1 is read as it is meant.
pub(crate) fn convert(document: &mut Value, notes: &mut Notes) {
    hoist_definitions(document);
    walk::schemas(document, &mut |place, schema| convert_schema(place, schema, notes));
    let Some(root) = document.as_object_mut() else { return };
    root.insert("openapi".to_owned(), json!("3.0.3"));
    if root.remove("webhooks").is_some() {
        notes.add("webhooks", "not generated: a client does not receive calls");
    }
    root.remove("jsonSchemaDialect");
    root.entry("paths").or_insert_with(|| json!({}));
}

/// `$defs` inside a component become components of their own.
fn hoist_definitions(document: &mut Value) {
    let mut moved: Vec<(String, String, Value)> = Vec::new();
    for (name, schema) in walk::map(&document["components"], "schemas") {
        for key in ["$defs", "definitions"] {
            for (inner, value) in walk::map(schema, key) {
                let from = format!("#/components/schemas/{name}/{key}/{inner}");
                moved.push((from, format!("{name}.{inner}"), value.clone()));
            }
        }
    }
    if moved.is_empty() {
        return;
    }
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        for (_, name, value) in &moved {
            schemas.insert(name.clone(), value.clone());
        }
    }
    walk::schemas(document, &mut |_, schema| {
        let Some(reference) = schema.get_mut("$ref") else { return };
        if let Some((_, name, _)) = moved.iter().find(|(from, ..)| reference == from.as_str()) {
            *reference = json!(format!("#/components/schemas/{name}"));
        }
    });
}

fn convert_schema(place: &str, schema: &mut Value, notes: &mut Notes) {
    match schema {
        Value::Bool(true) => *schema = json!({}),
        // `false` beside other members keeps its own meaning in `additionalProperties`.
        Value::Bool(false) if !place.ends_with(".additionalProperties") => *schema = json!({"not": {}}),
        Value::Object(members) => {
            types(place, members, notes);
            constant(members);
            bounds(members);
            content(members);
            arrays(place, members, notes);
            patterns(place, members, notes);
            for key in SILENT {
                members.shift_remove(key);
            }
            members.shift_remove("$defs");
            for key in NOTED {
                if members.shift_remove(key).is_some() {
                    notes.add(place, format_args!("`{key}` is not checked"));
                }
            }
        }
        _ => {}
    }
}

/// `type: [..]` and `type: null`.
fn types(place: &str, members: &mut Map<String, Value>, notes: &mut Notes) {
    match members.get("type").cloned() {
        Some(Value::Array(types)) => {
            let rest: Vec<Value> = types.iter().filter(|name| **name != "null").cloned().collect();
            if rest.len() < types.len() {
                members.insert("nullable".to_owned(), json!(true));
            }
            members.shift_remove("type");
            match rest.as_slice() {
                [] => null(members),
                [one] => {
                    members.insert("type".to_owned(), one.clone());
                }
                _ => split(place, members, &rest, notes),
            }
        }
        Some(Value::String(name)) if name == "null" => {
            members.shift_remove("type");
            null(members);
        }
        _ => {}
    }
}

fn null(members: &mut Map<String, Value>) {
    members.insert("nullable".to_owned(), json!(true));
    members.insert("enum".to_owned(), json!([null]));
}

/// Several types in one schema become a union, each with the keywords that belong to it.
fn split(place: &str, members: &mut Map<String, Value>, types: &[Value], notes: &mut Notes) {
    const OF: [(&str, &[&str]); 4] = [
        ("object", &["properties", "required", "additionalProperties", "patternProperties"]),
        ("array", &["items", "prefixItems"]),
        ("string", &["format", "contentEncoding", "contentMediaType"]),
        ("integer", &[]),
    ];
    if members.contains_key("oneOf") || members.contains_key("anyOf") || members.contains_key("enum") {
        return; // They already say which types there are.
    }
    let union = types.iter().map(|name| {
        let mut one = Map::from_iter([("type".to_owned(), name.clone())]);
        for key in OF.iter().filter(|(of, _)| name == of).flat_map(|(_, keys)| *keys) {
            if let Some(value) = members.get(*key) {
                one.insert((*key).to_owned(), value.clone());
            }
        }
        Value::Object(one)
    });
    let union: Vec<Value> = union.collect();
    OF.iter().flat_map(|(_, keys)| *keys).for_each(|key| drop(members.shift_remove(*key)));
    members.insert("oneOf".to_owned(), Value::Array(union));
    notes.add(place, "several types become a union of them");
}

/// `const` is an enum of one value.
fn constant(members: &mut Map<String, Value>) {
    let Some(value) = members.shift_remove("const") else { return };
    let name = match &value {
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        _ => "",
    };
    if !name.is_empty() {
        members.entry("type").or_insert_with(|| json!(name));
    }
    members.insert("enum".to_owned(), json!([value]));
}

/// Exclusive limits are numbers in 3.1 and marks beside the limit in 3.0.
fn bounds(members: &mut Map<String, Value>) {
    for (exclusive, plain) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        if let Some(limit) = members.get(exclusive).filter(|limit| limit.is_number()).cloned() {
            members.insert(plain.to_owned(), limit);
            members.insert(exclusive.to_owned(), json!(true));
        }
    }
}

/// Encoded and binary text.
fn content(members: &mut Map<String, Value>) {
    let encoding = members.shift_remove("contentEncoding");
    let media = members.shift_remove("contentMediaType");
    let format = match (encoding.as_ref().and_then(Value::as_str), media.as_ref().and_then(Value::as_str)) {
        (Some("base64" | "base64url"), _) => "byte",
        (None, Some(media)) if media != "application/json" && !media.starts_with("text/") => "binary",
        _ => return,
    };
    members.entry("format").or_insert_with(|| json!(format));
}

/// Tuples become plain lists.
fn arrays(place: &str, members: &mut Map<String, Value>, notes: &mut Notes) {
    if members.shift_remove("prefixItems").is_some() {
        members.insert("items".to_owned(), json!({}));
        notes.add(place, "a tuple becomes a list of any values");
    }
}

/// `patternProperties` become a map.
fn patterns(place: &str, members: &mut Map<String, Value>, notes: &mut Notes) {
    let Some(Value::Object(patterns)) = members.shift_remove("patternProperties") else { return };
    let known = members.get("additionalProperties").is_some_and(Value::is_object);
    let mut values = patterns.into_iter().map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(only), None) if !known => members.insert("additionalProperties".to_owned(), only),
        _ => members.insert("additionalProperties".to_owned(), json!({})),
    };
    notes.add(place, "names of members are not checked against a pattern");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down(schema: Value) -> (Value, Vec<String>) {
        let mut document = json!({"openapi": "3.1.0", "components": {"schemas": {"S": schema}}});
        let mut notes = Notes::default();
        convert(&mut document, &mut notes);
        assert_eq!(document["openapi"], "3.0.3");
        (document["components"]["schemas"]["S"].take(), notes.lines().to_vec())
    }

    #[test]
    fn a_3_0_schema_stays_as_it_is() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string", "enum": ["x"], "nullable": true},
            "b": {"type": "number", "minimum": 0, "exclusiveMinimum": true}}, "additionalProperties": false});
        assert_eq!(down(schema.clone()), (schema, vec![]));
    }

    #[test]
    fn type_lists_become_nullable_or_a_union() {
        assert_eq!(down(json!({"type": ["string", "null"]})).0, json!({"nullable": true, "type": "string"}));
        let (schema, notes) =
            down(json!({"type": ["array", "string", "null"], "items": {"type": "string"}, "format": "uri"}));
        assert_eq!(
            schema,
            json!({"nullable": true, "oneOf": [
                {"type": "array", "items": {"type": "string"}}, {"type": "string", "format": "uri"}]})
        );
        assert_eq!(notes, ["schema \"S\": several types become a union of them"]);
        assert_eq!(down(json!({"type": "null"})).0, json!({"nullable": true, "enum": [null]}));
    }

    #[test]
    fn a_constant_becomes_an_enum_of_one_value() {
        assert_eq!(down(json!({"const": "a"})).0, json!({"type": "string", "enum": ["a"]}));
        assert_eq!(down(json!({"const": 3})).0, json!({"type": "integer", "enum": [3]}));
    }

    #[test]
    fn exclusive_limits_become_marks() {
        let (schema, _) = down(json!({"type": "number", "exclusiveMinimum": 0}));
        assert_eq!(schema, json!({"type": "number", "exclusiveMinimum": true, "minimum": 0}));
    }

    #[test]
    fn boolean_schemas_become_objects() {
        let (schema, _) = down(json!({"properties": {"a": true, "b": false}, "additionalProperties": false}));
        assert_eq!(schema, json!({"properties": {"a": {}, "b": {"not": {}}}, "additionalProperties": false}));
    }

    #[test]
    fn tuples_patterns_and_conditions_are_noted() {
        let (schema, notes) = down(json!({"properties": {"t": {"type": "array", "prefixItems": [{}, {}]}},
            "patternProperties": {"^x": {"type": "integer"}}, "if": {}, "then": {}}));
        assert_eq!(schema["properties"]["t"], json!({"type": "array", "items": {}}));
        assert_eq!(schema["additionalProperties"], json!({"type": "integer"}));
        assert_eq!(notes.len(), 4);
    }

    #[test]
    fn encoded_text_gets_a_format() {
        assert_eq!(down(json!({"type": "string", "contentEncoding": "base64"})).0["format"], "byte");
        assert_eq!(down(json!({"type": "string", "contentMediaType": "image/png"})).0["format"], "binary");
    }

    #[test]
    fn definitions_inside_a_component_become_components() {
        let mut document = json!({"openapi": "3.1.0", "components": {"schemas": {"S": {
            "properties": {"a": {"$ref": "#/components/schemas/S/$defs/In"}}, "$defs": {"In": {"type": "string"}}}}}});
        convert(&mut document, &mut Notes::default());
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["S.In"], json!({"type": "string"}));
        assert_eq!(schemas["S"], json!({"properties": {"a": {"$ref": "#/components/schemas/S.In"}}}));
    }
}

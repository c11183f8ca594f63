//! One spelling for "may be null": the mark `nullable`, also beside a reference.
use serde_json::{Map, Value, json};

use crate::walk;

/// Rewrites every spelling of "may be null" in the document.
pub(super) fn unify(document: &mut Value) {
    walk::schemas(document, &mut |_, schema| {
        if let Some(members) = schema.as_object_mut() {
            unify_schema(members);
        }
    });
}

fn unify_schema(members: &mut Map<String, Value>) {
    if members.shift_remove("x-nullable") == Some(json!(true)) {
        members.insert("nullable".to_owned(), json!(true));
    }
    if members.get("nullable") == Some(&json!(false)) {
        members.shift_remove("nullable");
    }
    if let Some(Value::Array(values)) = members.get_mut("enum") {
        let before = values.len();
        values.retain(|value| !value.is_null());
        if values.len() < before {
            members.insert("nullable".to_owned(), json!(true));
        }
    }
    for key in ["oneOf", "anyOf"] {
        union(members, key);
    }
}

/// Whether a schema, already unified, allows nothing but null.
fn only_null(schema: &Value) -> bool {
    schema.get("enum").is_some_and(|values| *values == json!([])) && walk::is_true(schema, "nullable")
}

/// Null as a member of a union is a mark of the union; a union of one other member is that member.
fn union(members: &mut Map<String, Value>, key: &str) {
    let Some(Value::Array(list)) = members.get_mut(key) else { return };
    let before = list.len();
    list.retain(|member| !only_null(member));
    let nullable = list.len() < before || list.iter().any(|member| walk::is_true(member, "nullable"));
    let dropped = list.len() < before;
    let only = if dropped && list.len() == 1 { list.pop() } else { None };
    if nullable {
        members.insert("nullable".to_owned(), json!(true));
    }
    match only {
        Some(Value::Object(only)) => {
            members.shift_remove(key);
            for (name, value) in only {
                if name == "$ref" || !members.contains_key(&name) {
                    members.insert(name, value);
                }
            }
        }
        Some(_) => drop(members.shift_remove(key)),
        None if members.get(key) == Some(&json!([])) => drop(members.shift_remove(key)),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::down31;
    use crate::problem::Notes;

    fn unified(schema: Value) -> Value {
        let mut document = json!({"openapi": "3.1.0", "components": {"schemas": {"S": schema}}});
        down31::convert(&mut document, &mut Notes::default());
        unify(&mut document);
        document["components"]["schemas"]["S"].take()
    }

    #[test]
    fn every_spelling_becomes_the_same_mark() {
        let text = json!({"type": "string", "nullable": true});
        for spelling in [
            json!({"type": "string", "nullable": true}),
            json!({"type": "string", "x-nullable": true}),
            json!({"type": ["string", "null"]}),
            json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
            json!({"oneOf": [{"type": "null"}, {"type": "string"}]}),
            json!({"oneOf": [{"enum": [null]}, {"type": "string"}]}),
        ] {
            assert_eq!(unified(spelling.clone()), text, "{spelling}");
        }
        let list = unified(json!({"type": "string", "enum": ["a", null]}));
        assert_eq!(list, json!({"type": "string", "enum": ["a"], "nullable": true}));
    }

    #[test]
    fn a_reference_or_null_is_a_nullable_reference() {
        let schema =
            unified(json!({"description": "d", "anyOf": [{"$ref": "#/components/schemas/S"}, {"type": "null"}]}));
        assert_eq!(schema, json!({"description": "d", "nullable": true, "$ref": "#/components/schemas/S"}));
    }

    #[test]
    fn a_union_with_null_stays_a_union() {
        let schema = unified(json!({"oneOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]}));
        assert_eq!(schema, json!({"oneOf": [{"type": "string"}, {"type": "integer"}], "nullable": true}));
    }

    #[test]
    fn nullable_false_says_nothing() {
        assert_eq!(unified(json!({"type": "string", "nullable": false})), json!({"type": "string"}));
    }
}

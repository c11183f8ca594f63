//! What can be reached from where: types in request bodies keep unknown members, and members of one direction are optional in the other.
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::components::Components;
use super::resolve;
use crate::model::{Answer, BodyKind, Operation, Shape, TypeDef};

/// Marks the types that can occur in a request body, and makes members that occur only in the other
/// direction optional.
pub(super) fn mark(
    types: &mut [TypeDef],
    operations: &[Operation],
    components: &Components,
    names: &BTreeMap<String, String>,
) {
    let edges: BTreeMap<String, BTreeSet<String>> =
        types.iter().map(|def| (def.name.clone(), inner(def, components, names))).collect();
    let bodies = operations.iter().filter_map(|operation| match &operation.body.as_ref()?.kind {
        BodyKind::Json(schema, _) | BodyKind::Form(schema) => Some(schema),
        BodyKind::Multipart | BodyKind::Raw(_) => None,
    });
    let answers = operations.iter().filter_map(|operation| match &operation.answer {
        Answer::Json(schema, _) => Some(schema),
        _ => None,
    });
    let sent = reach(bodies, &edges);
    let received = reach(answers, &edges);
    for def in types {
        def.sent = sent.contains(&def.name);
        let is_received = received.contains(&def.name) || !def.sent;
        let Shape::Struct(object) = &mut def.shape else { continue };
        for member in object.members.iter_mut().filter(|member| member.required) {
            if (member.only_received && def.sent) || (member.only_sent && is_received) {
                member.required = false;
                let way = if member.only_received { "read" } else { "written" };
                let what = format!("is only {way}, and the type goes both ways, so it is optional");
                components.note(&format!("{}.{}", def.place, member.wire), what);
            }
        }
    }
}

fn reach<'a>(roots: impl Iterator<Item = &'a Value>, edges: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut todo = BTreeSet::new();
    roots.for_each(|schema| references(schema, &mut todo));
    let mut seen = BTreeSet::new();
    while let Some(name) = todo.pop_first() {
        if let Some(next) = edges.get(&name).filter(|_| seen.insert(name)) {
            todo.extend(next.iter().filter(|name| !seen.contains(*name)).cloned());
        }
    }
    seen
}

/// The types a type is made of.
fn inner(def: &TypeDef, components: &Components, names: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    match &def.shape {
        Shape::Struct(object) => object.members.iter().for_each(|member| references(&member.schema, &mut found)),
        Shape::Alias(schema) => references(schema, &mut found),
        Shape::Tagged(union) => found.extend(union.variants.iter().map(|variant| variant.payload.clone())),
        Shape::Untagged(forms, _) => forms.iter().for_each(|form| references(&form.schema, &mut found)),
        Shape::Enum(..) => {}
        // A hand-written type is made of what the document says it is.
        Shape::External(_) => {
            if let Some((component, _)) = names.iter().find(|(_, rust)| **rust == def.name) {
                raw_references(components.get(component), names, &mut found);
            }
        }
    }
    found
}

/// The Rust names in a plain schema.
fn references(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            found.extend(super::name_of(schema).map(str::to_owned));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

/// The types that a schema of the document refers to.
fn raw_references(schema: &Value, names: &BTreeMap<String, String>, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            found.extend(resolve::reference(schema).and_then(|name| names.get(&name).cloned()));
            members.values().for_each(|value| raw_references(value, names, found));
        }
        Value::Array(list) => list.iter().for_each(|value| raw_references(value, names, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{find, model, object};
    use serde_json::{Value, json};

    fn reference(name: &str) -> Value {
        json!({"$ref": format!("#/components/schemas/{name}")})
    }
    fn body(name: &str, answer: &str) -> Value {
        let content = |name: &str| json!({"application/json": {"schema": reference(name)}});
        json!({"/x": {"post": {"operationId": "x", "requestBody": {"content": content(name)},
            "responses": {"200": {"description": "", "content": content(answer)}}}}})
    }

    #[test]
    fn types_are_sent_if_a_body_can_hold_them_also_inside_hand_written_ones() {
        let (api, _) = model(
            body("Body", "Answer"),
            json!({
            "Body": {"x-rust-type": "crate::Body", "oneOf": [reference("Inner"), {"type": "string"}]},
            "Inner": {"properties": {"list": {"type": "array", "items": reference("Deep")}, "pet": reference("Pet")}},
            "Deep": {"properties": {"map": {"additionalProperties": reference("Deep")}}},
            "Pet": {"oneOf": [reference("Cat")], "discriminator": {"propertyName": "kind"}},
            "Cat": {"type": "object", "properties": {"kind": {"type": "string"}}},
            "Answer": {"properties": {"a": {}}}}),
        );
        for (name, sent) in [("Inner", true), ("Deep", true), ("Pet", true), ("Cat", true), ("Answer", false)] {
            assert_eq!(find(&api, name).sent, sent, "{name}");
        }
    }

    #[test]
    fn a_member_of_one_direction_is_optional_in_a_type_of_both() {
        let schema = json!({"required": ["id", "secret"], "properties": {
            "id": {"type": "string", "readOnly": true}, "secret": {"type": "string", "writeOnly": true}}});
        let (api, notes) = model(body("A", "A"), json!({"A": schema}));
        assert!(object(&api, "A").members.iter().all(|member| !member.required));
        assert_eq!(notes.lines().count(), 2);
        let (api, _) = model(body("A", "B"), json!({"A": schema, "B": schema}));
        let required = |name: &str| object(&api, name).members.iter().map(|member| member.required).collect::<Vec<_>>();
        assert_eq!((required("A"), required("B")), (vec![false, true], vec![true, false]));
    }
}

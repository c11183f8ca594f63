//! The schemas of a document, and the view of one without `allOf`.
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::resolve;
use crate::problem::{Notes, Problem, Result};
use crate::walk;

/// How many references may lead to one another.
const DEPTH: usize = 32;
/// Members that say what a value is; the others describe or limit it.
const STRUCTURE: [&str; 11] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "oneOf",
    "anyOf",
    "allOf",
    "enum",
    "$ref",
    "x-rust-type",
];

/// The component schemas by name.
pub(super) struct Components {
    /// In document order.
    pub schemas: Map<String, Value>,
    /// What is lost.
    pub notes: RefCell<Notes>,
    /// Simple views that were asked for before.
    known: RefCell<BTreeMap<String, Rc<Value>>>,
    /// Components whose simple view is being made.
    opening: RefCell<Vec<String>>,
}

impl Components {
    /// The component schemas of a resolved document.
    pub(super) fn new(document: &Value, notes: Notes) -> Self {
        let schemas = document.get("components").map(|components| walk::map(components, "schemas").clone());
        Self {
            schemas: schemas.unwrap_or_default(),
            notes: RefCell::new(notes),
            known: RefCell::default(),
            opening: RefCell::default(),
        }
    }

    /// Forgets the discriminators of components that turned out to be no union by tag.
    pub(super) fn keep_discriminators(&mut self, keep: impl Fn(&str) -> bool) {
        for (name, schema) in &mut self.schemas {
            if let Some(members) = schema.as_object_mut()
                && !keep(name)
            {
                members.shift_remove("discriminator");
            }
        }
        self.known.borrow_mut().clear();
    }

    /// Notes what was lost. Without a place nothing is noted: a schema that is only looked at is noted where it stands.
    pub(super) fn note(&self, place: &str, lost: impl std::fmt::Display) {
        if !place.is_empty() {
            self.notes.borrow_mut().add(place, lost);
        }
    }

    /// The schema with this name; anything if there is none.
    pub(super) fn get(&self, name: &str) -> &Value {
        self.schemas.get(name).unwrap_or(&Value::Null)
    }

    /// The simple view of the schema with this name.
    pub(super) fn component(&self, name: &str) -> Rc<Value> {
        if let Some(known) = self.known.borrow().get(name) {
            return Rc::clone(known);
        }
        if self.opening.borrow().iter().any(|open| open == name) {
            return Rc::new(self.get(name).clone()); // Unions that contain each other.
        }
        self.opening.borrow_mut().push(name.to_owned());
        let (schema, place) = (self.get(name), format!("schema {name:?}"));
        let simple = if self.extends(schema, 0) {
            self.simple(&self.merged(schema, &place, &mut vec![name.to_owned()]), &place)
        } else {
            self.simple(schema, &place)
        };
        let simple = Rc::new(simple);
        self.opening.borrow_mut().pop();
        self.known.borrow_mut().insert(name.to_owned(), Rc::clone(&simple));
        simple
    }

    /// The schema as it is meant: without `allOf`, and a union only where there is a choice.
    pub(super) fn simple(&self, schema: &Value, place: &str) -> Value {
        let mut schema = self.flat(schema, place, &mut Vec::new());
        for _ in 0..DEPTH {
            if schema.get("oneOf").is_none() && schema.get("anyOf").is_none() {
                break;
            }
            let next = self.simple_union(&schema, place);
            if next == schema {
                break;
            }
            schema = self.flat(&next, place, &mut Vec::new());
        }
        schema
    }

    /// A reference followed to the component that is not itself a reference: its name, and whether
    /// null was allowed on the way.
    ///
    /// # Errors
    /// References that lead round in a circle.
    pub(super) fn target(&self, name: &str) -> Result<(String, bool)> {
        let (mut name, mut nullable) = (name.to_owned(), false);
        for _ in 0..DEPTH {
            let schema = self.component(&name);
            nullable |= walk::is_true(&schema, "nullable");
            match resolve::reference(&schema) {
                Some(next) if schema.get("x-rust-type").is_none() && schema.get("discriminator").is_none() => {
                    name = next
                }
                _ => return Ok((name, nullable)),
            }
        }
        Err(Problem::new(format!("schema {name:?}"), "is a reference that leads round in a circle"))
    }

    /// A schema, or the simple view of what it refers to.
    pub(super) fn followed(&self, schema: &Value, place: &str) -> Value {
        let schema = self.simple(schema, place);
        match resolve::reference(&schema).and_then(|name| self.target(&name).ok()) {
            Some((name, _)) => self.component(&name).as_ref().clone(),
            None => schema,
        }
    }

    /// The schema without `allOf`; `within` names the components being opened.
    fn flat(&self, schema: &Value, place: &str, within: &mut Vec<String>) -> Value {
        let Some(parts) = schema.get("allOf").and_then(Value::as_array) else { return schema.clone() };
        let mut own = schema.clone();
        if let Some(own) = own.as_object_mut() {
            own.shift_remove("allOf");
        }
        let mut meaning: Vec<&Value> = parts.iter().filter(|part| !self.says_nothing(part)).collect();
        if meaning.len() == 1 && self.says_nothing(&own) {
            return annotated(self.flat(meaning.remove(0), place, within), parts, &own);
        }
        self.merged(schema, place, within)
    }

    /// Whether a component extends the base of a union by tag, near or far: then it is a type of its own, also if it
    /// adds nothing.
    fn extends(&self, schema: &Value, depth: usize) -> bool {
        let parts = walk::list(schema, "allOf");
        parts.iter().filter_map(resolve::reference).any(|name| {
            let base = self.get(&name);
            let is_base =
                base.get("discriminator").is_some() && base.get("oneOf").is_none() && base.get("anyOf").is_none();
            is_base || (depth < DEPTH && self.extends(base, depth + 1))
        })
    }

    /// All that the parts of an `allOf` say, and what stands beside it.
    fn merged(&self, schema: &Value, place: &str, within: &mut Vec<String>) -> Value {
        let mut own = schema.clone();
        let parts = own.as_object_mut().and_then(|own| own.shift_remove("allOf"));
        let mut merged = json!({});
        for part in parts.as_ref().and_then(Value::as_array).into_iter().flatten() {
            let part = self.expanded(part, place, within);
            self.merge(&mut merged, &part, place);
        }
        self.merge(&mut merged, &own, place);
        for key in ["description", "nullable", "discriminator", "deprecated", "x-rust-type"] {
            match own.get(key) {
                Some(value) => merged[key] = value.clone(),
                None => drop(merged.as_object_mut().and_then(|merged| merged.shift_remove(key))),
            }
        }
        merged
    }

    /// Whether a schema says nothing about what a value is, apart from "an object" or "text".
    fn says_nothing(&self, schema: &Value) -> bool {
        let empty = |value: &Value| value.as_object().is_some_and(Map::is_empty) || *value == json!([]);
        let plain = |key: &str, value: &Value| match key {
            "type" => true,
            "additionalProperties" => value.is_boolean(),
            "properties" | "required" => empty(value),
            _ => false,
        };
        schema.as_object().is_none_or(|members| {
            members.iter().all(|(key, value)| !STRUCTURE.contains(&key.as_str()) || plain(key, value))
        })
    }

    /// A part of an `allOf` without references and `allOf` of its own.
    fn expanded(&self, part: &Value, place: &str, within: &mut Vec<String>) -> Value {
        let Some(name) = resolve::reference(part) else { return self.flat(part, place, within) };
        if within.contains(&name) {
            self.note(place, "contains itself through `allOf`; the inner copy is left out");
            return json!({});
        }
        within.push(name.clone());
        let base = self.flat(self.get(&name), place, within);
        let mut base = if resolve::reference(&base).is_some() { self.expanded(&base, place, within) } else { base };
        within.pop();
        let Some(members) = base.as_object_mut() else { return base };
        members.shift_remove("x-rust-type");
        if members.shift_remove("discriminator").is_some() {
            // The choice among the types that extend this one is not part of what they inherit.
            members.shift_remove("oneOf");
            members.shift_remove("anyOf");
        }
        base
    }

    /// Adds what `part` says to `base`; where both say something, `part` wins.
    fn merge(&self, base: &mut Value, part: &Value, place: &str) {
        let (Some(base), Some(part)) = (base.as_object_mut(), part.as_object()) else { return };
        for (key, value) in part {
            match (key.as_str(), base.get_mut(key)) {
                ("properties", Some(Value::Object(known))) => self.merge_members(known, value, place),
                ("required", Some(Value::Array(known))) => {
                    let more: Vec<Value> =
                        value.as_array().into_iter().flatten().filter(|name| !known.contains(name)).cloned().collect();
                    known.extend(more);
                }
                ("additionalProperties", known) => {
                    if *value != json!(false) || known.is_none() {
                        base.insert(key.clone(), value.clone());
                    }
                }
                ("oneOf" | "anyOf", Some(known)) if known != value => {
                    self.note(place, format_args!("a second `{key}` in one `allOf` is not generated"));
                }
                ("type", Some(known)) if known != value => {
                    self.note(place, format_args!("`allOf` joins {known} and {value}; the last is taken"));
                    base.insert(key.clone(), value.clone());
                }
                _ => drop(base.insert(key.clone(), value.clone())),
            }
        }
    }

    fn merge_members(&self, known: &mut Map<String, Value>, more: &Value, place: &str) {
        for (name, value) in more.as_object().into_iter().flatten() {
            match known.get_mut(name) {
                Some(first) if self.says_nothing(value) && same_type(first, value) => {
                    for (key, value) in value.as_object().into_iter().flatten().filter(|(key, _)| *key != "type") {
                        first[key] = value.clone();
                    }
                }
                Some(first) => {
                    let text = |schema: &Value| walk::text(schema, "type").map(str::to_owned);
                    if let (Some(a), Some(b)) = (text(first), text(value))
                        && a != b
                    {
                        let what = format!(
                            "member {name:?} is {a} in one part of `allOf` and {b} in another; the last is taken"
                        );
                        self.note(place, what);
                    }
                    *first = value.clone();
                }
                None => drop(known.insert(name.clone(), value.clone())),
            }
        }
    }
}

/// Whether the second schema does not name another type than the first.
fn same_type(first: &Value, second: &Value) -> bool {
    second.get("type").is_none_or(|kind| first.get("type") == Some(kind))
}

/// The schema with the descriptions and limits that stood beside it.
fn annotated(mut schema: Value, parts: &[Value], own: &Value) -> Value {
    let Some(members) = schema.as_object_mut() else { return schema };
    for (key, value) in parts.iter().chain([own]).filter_map(Value::as_object).flatten() {
        if !STRUCTURE.contains(&key.as_str()) {
            members.insert(key.clone(), value.clone());
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    fn components(schemas: Value) -> Components {
        Components::new(&json!({"components": {"schemas": schemas}}), Notes::default())
    }

    #[test]
    fn a_single_part_is_that_part_with_what_stands_beside_it() {
        let all = components(json!({}));
        let schema = json!({"allOf": [{"$ref": "#/components/schemas/A"}, {"description": "d"}], "nullable": true});
        assert_eq!(
            all.simple(&schema, ""),
            json!({"$ref": "#/components/schemas/A", "description": "d", "nullable": true})
        );
    }

    #[test]
    fn inherited_members_come_first_and_required_ones_are_joined() {
        let all = components(json!({
            "Base": {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                "additionalProperties": false, "discriminator": {"propertyName": "a"}},
            "Mid": {"allOf": [{"$ref": "#/components/schemas/Base"}, {"properties": {"c": {}}}]}}));
        let schema = json!({"description": "own", "allOf": [{"$ref": "#/components/schemas/Mid"},
            {"required": ["d"], "properties": {"d": {}, "b": {"description": "b"}}}]});
        let flat = all.simple(&schema, "");
        let names: Vec<&String> = flat["properties"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        assert_eq!(flat["properties"]["b"], json!({"type": "string", "description": "b"}));
        assert_eq!((&flat["required"], &flat["description"]), (&json!(["a", "d"]), &json!("own")));
        assert!(flat.get("discriminator").is_none() && flat.get("allOf").is_none());
    }

    #[test]
    fn a_type_that_contains_itself_through_all_of_ends() {
        let all = components(json!({"A": {"allOf": [{"$ref": "#/components/schemas/A"}, {"properties": {"a": {}}}]}}));
        assert_eq!(all.simple(all.get("A"), "schema \"A\"")["properties"], json!({"a": {}}));
        assert!(all.notes.borrow().text().contains("contains itself"));
    }

    #[test]
    fn members_of_different_types_are_noted() {
        let all = components(json!({}));
        let schema =
            json!({"allOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"a": {"type": "integer"}}}]});
        assert_eq!(all.simple(&schema, "x")["properties"]["a"]["type"], "integer");
        assert!(all.notes.borrow().text().contains("x: member \"a\" is string in one part"));
    }

    #[test]
    fn references_to_references_are_followed() {
        let all = components(json!({"A": {"$ref": "#/components/schemas/B"},
            "B": {"allOf": [{"$ref": "#/components/schemas/C"}], "nullable": true}, "C": {"type": "string"},
            "X": {"$ref": "#/components/schemas/X"}}));
        assert_eq!(all.target("A").unwrap(), ("C".to_owned(), true));
        assert_eq!(all.followed(&resolve::refer("A"), ""), json!({"type": "string"}));
        assert!(all.target("X").is_err());
    }
}

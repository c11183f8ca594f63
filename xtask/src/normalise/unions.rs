//! `oneOf` and `anyOf`: left only where there is a choice between forms that a program can tell apart.
use serde_json::{Map, Value, json};

use super::components::Components;
use super::resolve;
use crate::walk;

/// Members of a schema that are about the choice itself.
const CHOICE: [&str; 2] = ["oneOf", "anyOf"];

impl Components {
    /// One step towards the simple view of a schema with `oneOf` or `anyOf`.
    pub(super) fn simple_union(&self, schema: &Value, place: &str) -> Value {
        if schema.get("discriminator").is_some() || schema.get("x-rust-type").is_some() {
            return schema.clone();
        }
        let Some(members) = schema.as_object() else { return schema.clone() };
        let mut own = members.clone();
        CHOICE.iter().for_each(|key| drop(own.shift_remove(*key)));
        let has_own_members = !walk::map(schema, "properties").is_empty();
        let mut forms = self.forms(schema, place);
        let limits = forms.iter().filter(|form| only_limits(form)).count();
        if limits > 0 && (has_own_members || limits < forms.len() || own.contains_key("type")) {
            self.note(place, "which members have to come together is not checked");
            forms.retain(|form| !only_limits(form));
        }
        if forms.iter().any(|form| walk::is_true(form, "nullable")) {
            own.insert("nullable".to_owned(), json!(true));
        }
        if forms.is_empty() {
            return Value::Object(own);
        }
        if has_own_members || forms.len() == 1 {
            return self.joined(own, forms);
        }
        self.one_scalar(&own, &forms, place).unwrap_or_else(|| union(own, self.one_enum(forms, place)))
    }

    /// Several enums without a name among other forms are one.
    fn one_enum(&self, forms: Vec<Value>, place: &str) -> Vec<Value> {
        let known = |form: &Value| is_text(form) && form.get("enum").is_some() && form.get("x-rust-type").is_none();
        let enums: Vec<Value> = forms.iter().filter(|form| known(form)).cloned().collect();
        if enums.len() < 2 {
            return forms;
        }
        let mut joined = Some(self.one_text(&enums, &enums, place));
        forms.into_iter().filter_map(|form| if known(&form) { joined.take() } else { Some(form) }).collect()
    }

    /// The forms of a union; a union inside is opened, the same form twice is one.
    fn forms(&self, schema: &Value, place: &str) -> Vec<Value> {
        let mut forms: Vec<Value> = Vec::new();
        if CHOICE.iter().all(|key| schema.get(*key).is_some()) {
            self.note(place, "`oneOf` beside `anyOf`: each of their forms is allowed");
        }
        for form in CHOICE.iter().flat_map(|key| walk::list(schema, key)) {
            let simple = if only_limits(form) { form.clone() } else { self.simple(form, place) };
            let inner = resolve::reference(&simple).is_none() && simple.get("discriminator").is_none();
            let opened = if inner { walk::list(&simple, "oneOf") } else { &[] };
            let nullable = walk::is_true(&simple, "nullable");
            let list = if opened.is_empty() { std::slice::from_ref(&simple) } else { opened };
            for form in list {
                let mut form = form.clone();
                if nullable && form.is_object() {
                    form["nullable"] = json!(true);
                }
                if !forms.iter().any(|known| same_form(known, &form)) {
                    forms.push(form);
                }
            }
        }
        forms
    }

    /// A choice beside members of its own: every form has those members too.
    fn joined(&self, own: Map<String, Value>, forms: Vec<Value>) -> Value {
        let common = Value::Object(own.clone());
        let join = |form: Value| json!({"allOf": [common.clone(), form]});
        let mut forms: Vec<Value> = forms.into_iter().map(join).collect();
        if let [only] = forms.as_mut_slice() {
            let mut only = only.take();
            for key in ["description", "nullable", "deprecated", "default", "readOnly", "writeOnly"] {
                if let Some(value) = own.get(key) {
                    only[key] = value.clone();
                }
            }
            return only;
        }
        let describes = |key: &String| ["description", "nullable", "deprecated"].contains(&key.as_str());
        union(own.into_iter().filter(|(key, _)| describes(key)).collect(), forms)
    }

    /// A choice between texts, or between numbers, is one of them.
    fn one_scalar(&self, own: &Map<String, Value>, forms: &[Value], place: &str) -> Option<Value> {
        let followed: Vec<Value> = forms.iter().map(|form| self.followed(form, place)).collect();
        if followed.iter().any(anything) {
            self.note(place, "one of the forms allows anything, so every value is kept as it is");
            return Some(with(own, json!({})));
        }
        if forms.iter().zip(&followed).any(|(_, schema)| schema.get("x-rust-type").is_some()) {
            return None;
        }
        if followed.iter().all(is_text) {
            return Some(with(own, self.one_text(forms, &followed, place)));
        }
        let kinds: Vec<&str> = followed.iter().filter_map(|schema| walk::text(schema, "type")).collect();
        if kinds.len() == forms.len() && kinds.iter().all(|kind| matches!(*kind, "integer" | "number")) {
            return Some(with(own, self.one_number(&followed, &kinds, place)));
        }
        (kinds.len() == forms.len() && kinds.iter().all(|kind| *kind == "boolean"))
            .then(|| with(own, json!({"type": "boolean"})))
    }

    /// A choice between numbers: known values are documented.
    fn one_number(&self, followed: &[Value], kinds: &[&str], place: &str) -> Value {
        let name = if kinds.contains(&"number") { "number" } else { "integer" };
        let mut number = json!({ "type": name });
        let values: Vec<Value> = followed.iter().flat_map(|schema| walk::list(schema, "enum")).cloned().collect();
        if followed.iter().all(|schema| schema.get("enum").is_some()) {
            number["enum"] = Value::Array(values);
        } else {
            self.note(place, "a choice between numbers becomes one number type");
        }
        let format = followed[0].get("format");
        if let Some(format) =
            format.filter(|format| followed.iter().all(|schema| schema.get("format") == Some(*format)))
        {
            number["format"] = format.clone();
        }
        number
    }

    /// A choice between texts: known values stay known, since every enum is open.
    fn one_text(&self, forms: &[Value], followed: &[Value], place: &str) -> Value {
        let enums: Vec<usize> = (0..forms.len()).filter(|i| followed[*i].get("enum").is_some()).collect();
        if let [only] = enums.as_slice() {
            return forms[*only].clone();
        }
        if enums.is_empty() {
            let format = followed[0]
                .get("format")
                .filter(|format| followed.iter().all(|schema| schema.get("format") == Some(*format)));
            if format.is_none() && followed.iter().any(|schema| schema.get("format").is_some()) {
                self.note(place, "a choice between formats of text becomes text");
            }
            return format
                .map_or_else(|| json!({"type": "string"}), |format| json!({"type": "string", "format": format}));
        }
        if forms.iter().any(|form| resolve::reference(form).is_some()) {
            self.note(place, "a choice between enums becomes one enum with the values of all");
        }
        let mut values: Vec<Value> = Vec::new();
        for value in followed.iter().flat_map(|schema| walk::list(schema, "enum")) {
            if !values.contains(value) {
                values.push(value.clone());
            }
        }
        let mut joined = json!({"type": "string", "enum": values});
        let describe = |schema: &Value| match (walk::list(schema, "enum"), walk::text(schema, "description")) {
            ([Value::String(value)], Some(text)) => Some((value.clone(), json!(text))),
            _ => None,
        };
        let described: Map<String, Value> = followed.iter().filter_map(describe).collect();
        if !described.is_empty() {
            joined["x-enum-descriptions"] = Value::Object(described);
        }
        joined
    }
}

/// Whether two forms are the same apart from descriptions.
fn same_form(a: &Value, b: &Value) -> bool {
    let bare = |schema: &Value| {
        let mut schema = schema.clone();
        if let Some(members) = schema.as_object_mut() {
            ["description", "title", "nullable", "example"].iter().for_each(|key| drop(members.shift_remove(*key)));
        }
        schema
    };
    bare(a) == bare(b)
}

/// Whether a schema only limits what another one says.
fn only_limits(schema: &Value) -> bool {
    let limit = |key: &String| {
        matches!(key.as_str(), "required" | "not" | "minProperties" | "maxProperties" | "title" | "description")
    };
    schema.as_object().is_some_and(|members| {
        (members.contains_key("required") || members.contains_key("not")) && members.keys().all(limit)
    })
}

/// Whether a schema allows anything.
fn anything(schema: &Value) -> bool {
    const SAYS: [&str; 10] = [
        "type",
        "properties",
        "additionalProperties",
        "items",
        "oneOf",
        "anyOf",
        "enum",
        "$ref",
        "x-rust-type",
        "allOf",
    ];
    SAYS.iter().all(|key| schema.get(*key).is_none())
}

/// Whether a schema is text.
fn is_text(schema: &Value) -> bool {
    match walk::text(schema, "type") {
        Some(name) => name == "string",
        None => {
            let values = walk::list(schema, "enum");
            !values.is_empty() && values.iter().all(Value::is_string)
        }
    }
}

/// A schema with what stood beside the choice.
fn with(own: &Map<String, Value>, mut schema: Value) -> Value {
    if let Some(members) = schema.as_object_mut() {
        for (key, value) in own {
            if key != "type" {
                members.insert(key.clone(), value.clone());
            }
        }
    }
    schema
}

fn union(mut own: Map<String, Value>, forms: Vec<Value>) -> Value {
    own.insert("oneOf".to_owned(), Value::Array(forms));
    Value::Object(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Notes;

    fn simple(schema: Value) -> (Value, String) {
        let document = json!({"components": {"schemas": {
            "Known": {"type": "string", "enum": ["a"]}, "More": {"type": "string", "enum": ["b"]},
            "Cat": {"type": "object", "properties": {"cat": {}}}, "Dog": {"type": "object", "properties": {"dog": {}}}}}});
        let all = Components::new(&document, Notes::default());
        let simple = all.simple(&schema, "x");
        let notes = all.notes.borrow().text();
        (simple, notes)
    }
    fn known(name: &str) -> Value {
        resolve::refer(name)
    }

    #[test]
    fn a_choice_of_one_is_no_choice() {
        let (schema, _) = simple(json!({"description": "d", "anyOf": [known("Cat")]}));
        assert_eq!(schema, json!({"$ref": "#/components/schemas/Cat", "description": "d"}));
    }

    #[test]
    fn a_text_beside_an_enum_is_the_enum_because_enums_are_open() {
        assert_eq!(simple(json!({"anyOf": [{"type": "string"}, known("Known")]})).0, known("Known"));
        let (schema, _) = simple(json!({"anyOf": [{"type": "string", "enum": ["x"]}, {"type": "string"}]}));
        assert_eq!(schema, json!({"type": "string", "enum": ["x"]}));
    }

    #[test]
    fn constants_with_descriptions_become_one_enum() {
        let (schema, notes) = simple(json!({"oneOf": [
            {"type": "string", "enum": ["x"], "description": "first"}, {"type": "string", "enum": ["y"]}]}));
        let described = json!({"type": "string", "enum": ["x", "y"], "x-enum-descriptions": {"x": "first"}});
        assert_eq!((schema, notes.as_str()), (described, ""));
        let (schema, notes) = simple(json!({"oneOf": [known("Known"), known("More")]}));
        assert_eq!(schema["enum"], json!(["a", "b"]));
        assert!(notes.contains("becomes one enum"));
    }

    #[test]
    fn constants_among_other_forms_are_one_form() {
        let (schema, _) = simple(
            json!({"oneOf": [{"type": "string", "enum": ["x"]}, {"type": "integer"}, {"type": "string", "enum": ["y"]}]}),
        );
        assert_eq!(schema, json!({"oneOf": [{"type": "string", "enum": ["x", "y"]}, {"type": "integer"}]}));
    }

    #[test]
    fn numbers_become_one_number_and_anything_wins() {
        assert_eq!(simple(json!({"oneOf": [{"type": "integer"}, {"type": "number"}]})).0, json!({"type": "number"}));
        let (schema, notes) = simple(json!({"oneOf": [{"type": "integer"}, {}], "description": "d"}));
        assert_eq!(schema, json!({"description": "d"}));
        assert!(notes.contains("allows anything"));
    }

    #[test]
    fn required_alternatives_are_limits_and_not_forms() {
        let (schema, notes) = simple(json!({"type": "object", "properties": {"a": {}, "b": {}},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}));
        assert_eq!(schema, json!({"type": "object", "properties": {"a": {}, "b": {}}}));
        assert!(notes.contains("not checked"));
    }

    #[test]
    fn members_beside_a_choice_belong_to_every_form() {
        let (schema, _) =
            simple(json!({"description": "d", "properties": {"id": {}}, "oneOf": [known("Cat"), known("Dog")]}));
        let all = Components::new(
            &json!({"components": {"schemas": {"Cat": {"properties": {"cat": {}}}}}}),
            Notes::default(),
        );
        assert_eq!(schema["description"], "d");
        let cat = all.simple(&schema["oneOf"][0], "");
        assert_eq!(cat["properties"], json!({"id": {}, "cat": {}}));
    }

    #[test]
    fn a_union_inside_a_union_is_opened_and_repeated_forms_are_one() {
        let (schema, _) = simple(json!({"oneOf": [{"type": "integer"},
            {"anyOf": [{"type": "integer", "description": "again"}, known("Cat")]}]}));
        assert_eq!(schema, json!({"oneOf": [{"type": "integer"}, known("Cat")]}));
    }
}

//! Enums and unions: their values and forms, named, and put into the order in which they are tried.
use serde_json::Value;

use super::discriminators::Choice;
use super::lower::{Lower, constant, is_enum, name_of};
use super::resolve;
use crate::model::{EnumValue, Form, Shape, Tagged, TaggedVariant, Test};
use crate::names::{self, Taken};
use crate::problem::Result;
use crate::{docs, walk};

/// What a form of a union by tag writes.
enum Writes {
    /// The tag and its members.
    Tag,
    /// Its members only.
    Members,
    /// Its members; the tag may be one of them.
    Perhaps,
}

impl Lower<'_> {
    /// Text with known values.
    pub(super) fn enumeration(&self, place: &str, schema: &Value) -> Shape {
        let described = schema.get("x-enum-descriptions").or_else(|| schema.get("x-enumDescriptions"));
        let mut taken = Taken::default();
        let mut values: Vec<EnumValue> = Vec::new();
        for (index, value) in walk::list(schema, "enum").iter().enumerate() {
            let wire = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if values.iter().any(|known| known.wire == wire) {
                continue;
            }
            let wanted = names::variant_name(&wire);
            let variant = taken.claim(&wanted);
            if variant != wanted {
                self.components.note(place, format_args!("the value {wire:?} is called {variant}: {wanted} is taken"));
            }
            let text = described.and_then(|all| all.get(&wire).or_else(|| all.get(index))).and_then(Value::as_str);
            let docs = match text {
                Some(text) => docs::markdown(text),
                None => vec![format!("{} on the wire.", docs::code(&wire))],
            };
            values.push(EnumValue { wire, variant, docs });
        }
        Shape::Enum(values, self.catch_all(place, &mut taken, ["Unknown", "Other"]))
    }

    /// The variant for what is not known; it gives way to a known one of its name.
    fn catch_all(&self, place: &str, taken: &mut Taken, names: [&str; 2]) -> String {
        let [wanted, second] = names;
        if !taken.has(wanted) {
            return taken.claim(wanted);
        }
        let got = taken.claim(second);
        self.components.note(place, format_args!("what is not known is called {got}: {wanted} is taken"));
        got
    }

    /// A union by tag.
    pub(super) fn tagged(&mut self, name: &str, place: &str, choice: &Choice) -> Result<Shape> {
        let mut taken = Taken::default();
        let mut variants = Vec::new();
        for (values, schema) in &choice.variants {
            let first = values.first().map(String::as_str).unwrap_or_default();
            let wanted = match resolve::reference(schema) {
                Some(component) if values.len() != 1 => self.rust_name(&component),
                _ => names::variant_name(first),
            };
            let variant = taken.claim(&wanted);
            if variant != wanted {
                self.components.note(place, format_args!("the form {first:?} is called {variant}: {wanted} is taken"));
            }
            let (payload, writes) = self.payload(name, place, &choice.tag, values, schema, &variant)?;
            let (self_tagged, sees_tag) = match writes {
                Writes::Tag => (true, true),
                Writes::Members => (false, false),
                Writes::Perhaps => (false, true),
            };
            variants.push(TaggedVariant { values: values.clone(), variant, payload, self_tagged, sees_tag });
        }
        let unknown = self.catch_all(place, &mut taken, ["Unknown", "Other"]);
        Ok(Shape::Tagged(Tagged { tag: choice.tag.clone(), variants, unknown }))
    }

    /// The type of a form of a union by tag, and what it writes.
    fn payload(
        &mut self,
        union: &str,
        place: &str,
        tag: &str,
        values: &[String],
        schema: &Value,
        variant: &str,
    ) -> Result<(String, Writes)> {
        let Some(component) = resolve::reference(schema) else {
            let hint = walk::text(schema, "title").map_or_else(|| format!("{union} {variant}"), str::to_owned);
            let name = self.claim(&hint, place);
            let value = values.first().cloned().unwrap_or_default();
            let simple = self.components.simple(schema, place);
            self.form_struct(&name, &format!("{place}, form {value:?}"), &simple, (tag.to_owned(), value))?;
            return Ok((name, Writes::Tag));
        };
        let (target, _) = self.components.target(&component)?;
        let schema = self.components.component(&target);
        let own = || self.choices.own_tag(&target).is_some_and(|(own, _)| own == tag);
        let writes = match self.choices.unions.get(&target) {
            _ if schema.get("x-rust-type").is_some() => Writes::Tag,
            Some(inner) if inner.tag == tag => Writes::Tag,
            Some(_) => Writes::Members,
            None if schema.get("oneOf").is_some() => Writes::Perhaps,
            None if own() => Writes::Tag,
            None => Writes::Members,
        };
        Ok((self.rust_name(&target), writes))
    }

    /// A union without a tag: its forms in the order in which they are tried.
    pub(super) fn untagged(&mut self, name: &str, place: &str, schema: &Value) -> Result<Shape> {
        let mut taken = Taken::default();
        let mut forms: Vec<Form> = Vec::new();
        let mut texts: Vec<bool> = Vec::new();
        for schema in walk::list(schema, "oneOf") {
            let wanted = self.form_name(schema, place);
            let variant = taken.claim(&wanted);
            let at = format!("{place}, form {variant}");
            let usage = self.usage(schema, &at, &format!("{name} {variant}"))?;
            if name_of(&usage.schema) == Some(name) || forms.iter().any(|form| form.schema == usage.schema) {
                self.components.note(&at, "is the union itself, or the same Rust type as an earlier form");
                continue;
            }
            if variant != wanted {
                self.components.note(place, format_args!("a form is called {variant}: {wanted} is taken"));
            }
            let test = self.test(&usage.simple, &at);
            texts.push(test == Test::Decode && self.is_text(&usage.simple, &at));
            forms.push(Form { variant, schema: usage.schema, test });
        }
        self.known_first(&texts, &mut forms);
        let other = self.catch_all(place, &mut taken, ["Other", "Unknown"]);
        Ok(Shape::Untagged(in_order(forms), other))
    }

    fn form_name(&self, schema: &Value, place: &str) -> String {
        let simple = self.components.simple(schema, place);
        if let Some(component) = resolve::reference(&simple) {
            return self.rust_name(&component);
        }
        if let Some(title) = walk::text(&simple, "title") {
            return names::type_name(title);
        }
        let name = match walk::text(&simple, "type") {
            Some("string") if is_enum(&simple) => "Value",
            Some("string") if walk::text(&simple, "format") == Some("date-time") => "Time",
            Some("string") => "Text",
            Some("integer") => "Integer",
            Some("number") => "Number",
            Some("boolean") => "Boolean",
            Some("array") => "List",
            _ if walk::map(&simple, "properties").is_empty() => "Map",
            _ => "Object",
        };
        name.to_owned()
    }

    /// What a value has to look like before a form is tried.
    fn test(&self, form: &Value, place: &str) -> Test {
        let schema = self.components.followed(form, place);
        if schema.get("x-rust-type").is_some() && schema.get("properties").is_none() {
            return Test::Decode;
        }
        if let Some(tag) = walk::text(&schema["discriminator"], "propertyName") {
            return Test::Members(vec![tag.to_owned()], vec![]);
        }
        if schema.get("oneOf").is_some() {
            let union = resolve::reference(form).and_then(|name| self.components.target(&name).ok());
            return union.map_or(Test::Decode, |(name, _)| Test::NotOther(self.rust_name(&name)));
        }
        let object = walk::text(&schema, "type") == Some("object") || schema.get("properties").is_some();
        if !object {
            return Test::Decode;
        }
        let (mut names, mut texts) = (Vec::new(), Vec::new());
        for name in walk::list(&schema, "required").iter().filter_map(Value::as_str) {
            let member = self.components.followed(&schema["properties"][name], place);
            match constant(&member) {
                Some(text) => texts.push((name.to_owned(), text.to_owned())),
                None if !walk::is_true(&member, "nullable") => names.push(name.to_owned()),
                None => {}
            }
        }
        Test::Members(names, texts)
    }

    fn is_text(&self, form: &Value, place: &str) -> bool {
        let schema = self.components.followed(form, place);
        schema.get("x-rust-type").is_none() && walk::text(&schema, "type") == Some("string")
    }

    /// An enum before another form of text is only taken for a known value, since every enum is open.
    fn known_first(&self, texts: &[bool], forms: &mut [Form]) {
        let last = texts.iter().rposition(|text| *text).unwrap_or(0);
        for (form, _) in forms.iter_mut().zip(texts).take(last).filter(|(_, text)| **text) {
            let name = name_of(&form.schema).map(str::to_owned);
            let is_enum =
                |name: &String| self.types.iter().any(|def| def.name == *name && matches!(def.shape, Shape::Enum(..)));
            if let Some(name) = name.filter(|name| is_enum(name) || self.is_enum_component(name)) {
                form.test = Test::Known(name);
            }
        }
    }
}

/// Document order, but an object before another that demands less: its required members decide.
fn in_order(mut forms: Vec<Form>) -> Vec<Form> {
    let mut ordered = Vec::new();
    while !forms.is_empty() {
        let next = (0..forms.len()).find(|i| !forms.iter().any(|other| demands_more(&other.test, &forms[*i].test)));
        ordered.push(forms.remove(next.unwrap_or(0)));
    }
    ordered
}

/// Whether a test asks for everything that another asks for, and for something more.
fn demands_more(a: &Test, b: &Test) -> bool {
    let (Test::Members(a, texts_a), Test::Members(b, texts_b)) = (a, b) else { return false };
    let asks = |name: &String, names: &[String], texts: &[(String, String)]| {
        names.contains(name) || texts.iter().any(|(known, _)| known == name)
    };
    b.iter().all(|name| asks(name, a, texts_a))
        && texts_b.iter().all(|text| texts_a.contains(text))
        && (a.len() + texts_a.len() > b.len() + texts_b.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn form(variant: &str, test: Test) -> Form {
        Form { variant: variant.to_owned(), schema: Value::Null, test }
    }
    fn members(names: &[&str]) -> Test {
        Test::Members(names.iter().map(|name| (*name).to_owned()).collect(), vec![])
    }

    fn shape(schemas: Value) -> (Shape, String) {
        let (mut api, notes) = super::super::testing::model(json!({}), schemas);
        (api.types.remove(0).shape, notes)
    }

    #[test]
    fn values_of_an_enum_are_named_described_and_told_apart() {
        let (shape, notes) = shape(
            json!({"E": {"type": "string", "enum": ["a-b", "a_b", "a-b", "Unknown"], "x-enum-descriptions": ["First."]}}),
        );
        let Shape::Enum(values, unknown) = shape else { panic!("{shape:?}") };
        let named: Vec<(&str, &str)> =
            values.iter().map(|value| (value.wire.as_str(), value.variant.as_str())).collect();
        assert_eq!(named, [("a-b", "AB"), ("a_b", "AB2"), ("Unknown", "Unknown")]);
        assert_eq!((unknown.as_str(), values[0].docs[0].as_str()), ("Other", "First."));
        assert_eq!(notes.lines().count(), 2, "{notes}");
    }

    #[test]
    fn forms_of_a_union_are_named_after_their_type_or_title() {
        let (shape, _) = shape(
            json!({"U": {"oneOf": [{"$ref": "#/components/schemas/Job"}, {"type": "string"}, {"type": "integer", "title": "How many"},
            {"type": "array", "items": {"type": "string"}}, {"type": "object", "properties": {"a": {}}}, {"type": "object"}]}, "Job": {"required": ["id"], "properties": {"id": {}}}}),
        );
        let Shape::Untagged(forms, other) = shape else { panic!("{shape:?}") };
        let names: Vec<&str> = forms.iter().map(|form| form.variant.as_str()).collect();
        assert_eq!((names, other.as_str()), (vec!["Job", "Text", "HowMany", "List", "Object", "Map"], "Other"));
    }

    #[test]
    fn an_enum_before_text_is_taken_for_known_values_only() {
        let (shape, _) = shape(
            json!({"U": {"oneOf": [{"$ref": "#/components/schemas/E"}, {"type": "integer"}, {"type": "string", "x-rust-type": "crate::T"}, {"$ref": "#/components/schemas/D"}]},
            "E": {"type": "string", "enum": ["a"]}, "D": {"type": "string", "format": "date-time"}}),
        );
        let Shape::Untagged(forms, _) = shape else { panic!("{shape:?}") };
        let tests: Vec<&Test> = forms.iter().map(|form| &form.test).collect();
        assert_eq!(tests, [&Test::Known("E".to_owned()), &Test::Decode, &Test::Decode, &Test::Decode]);
    }

    #[test]
    fn a_form_without_a_name_is_a_type_that_writes_its_tag() {
        let (mut api, _) = super::super::testing::model(
            json!({}),
            json!({"Pet": {"discriminator": {"propertyName": "kind"}, "oneOf": [
            {"type": "object", "title": "A cat", "properties": {"kind": {"type": "string", "enum": ["cat"]}, "n": {}}}, {"$ref": "#/components/schemas/Dog"}]},
            "Dog": {"type": "object", "properties": {"kind": {"type": "string", "enum": ["dog"]}}}}),
        );
        let Shape::Tagged(union) = api.types.remove(0).shape else { panic!() };
        let variants: Vec<(&str, &str, bool)> =
            union.variants.iter().map(|one| (one.variant.as_str(), one.payload.as_str(), one.self_tagged)).collect();
        assert_eq!(variants, [("Cat", "ACat", true), ("Dog", "Dog", true)]);
        let Shape::Struct(cat) = &api.types[0].shape else { panic!() };
        assert_eq!((cat.tag.clone(), cat.members.len()), (Some(("kind".to_owned(), "cat".to_owned())), 1));
    }

    #[test]
    fn a_union_without_a_tag_behind_a_tag_sees_it_and_does_not_write_it() {
        let (shape, _) = shape(
            json!({"U": {"oneOf": [{"$ref": "#/components/schemas/In"}, {"$ref": "#/components/schemas/A"}], "discriminator": {"propertyName": "t"}},
            "In": {"oneOf": [{"$ref": "#/components/schemas/B"}, {"$ref": "#/components/schemas/C"}]},
            "A": {"type": "object"}, "B": {"type": "object", "required": ["b"], "properties": {"b": {}}}, "C": {"type": "object", "properties": {"c": {}}}}),
        );
        let Shape::Tagged(union) = shape else { panic!("{shape:?}") };
        let writes: Vec<(bool, bool)> = union.variants.iter().map(|one| (one.self_tagged, one.sees_tag)).collect();
        assert_eq!(writes, [(false, true), (true, true)]);
    }

    #[test]
    fn an_object_that_demands_more_is_tried_first_and_everything_else_keeps_its_order() {
        let forms = vec![
            form("open", members(&[])),
            form("text", Test::Decode),
            form("a", members(&["a"])),
            form("ab", members(&["a", "b"])),
            form("c", members(&["c"])),
        ];
        let names: Vec<String> = in_order(forms).into_iter().map(|form| form.variant).collect();
        assert_eq!(names, ["text", "ab", "a", "c", "open"]);
    }
}

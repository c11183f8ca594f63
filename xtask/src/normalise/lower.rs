//! From schemas to named types: every object, enum and union gets a name, everything else stays a plain schema.
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::components::Components;
use super::discriminators::{self, Choice, Choices};
use super::resolve;
use crate::model::{Member, Shape, Struct, TypeDef};
use crate::names::{self, Taken};
use crate::problem::Result;
use crate::{docs, walk};

/// Formats of integers that have a Rust type of their own.
const INTEGERS: [&str; 8] = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"];

/// What a schema is where it is used.
#[derive(Debug)]
pub(super) struct Usage {
    /// A plain schema.
    pub schema: Value,
    /// Whether it may be null.
    pub nullable: bool,
    /// The schema without `allOf`, for its description and limits.
    pub simple: Value,
}

/// Gives names to the types of a document.
pub(super) struct Lower<'a> {
    /// The schemas.
    pub components: &'a Components,
    /// The unions by tag.
    pub choices: &'a Choices,
    /// The types found so far.
    pub types: Vec<TypeDef>,
    /// Rust names of the components.
    pub(super) names: BTreeMap<String, String>,
    taken: Taken,
}

/// A reference to a named type by its Rust name.
pub(crate) fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The Rust name a plain schema refers to.
pub(crate) fn name_of(schema: &Value) -> Option<&str> {
    walk::text(schema, "$ref")?.strip_prefix("#/components/schemas/")
}

impl<'a> Lower<'a> {
    /// Names every component; two names that become the same are noted.
    pub(super) fn new(components: &'a Components, choices: &'a Choices) -> Self {
        let (mut taken, mut names) = (Taken::default(), BTreeMap::new());
        // Names that are valid as they stand go first: they keep theirs.
        let (exact, other): (Vec<_>, Vec<_>) =
            components.schemas.keys().partition(|name| names::type_name(name) == **name);
        for name in exact.into_iter().chain(other) {
            let wanted = names::type_name(name);
            let got = taken.claim(&wanted);
            if got != wanted {
                let what = format!("is called {got}, because another schema is called {wanted}");
                components.note(&format!("schema {name:?}"), what);
            }
            names.insert(name.clone(), got);
        }
        Self { components, choices, types: Vec::new(), names, taken }
    }

    /// Makes a type of every component.
    ///
    /// # Errors
    /// References that lead round in a circle.
    pub(super) fn components(&mut self) -> Result<()> {
        let all = self.components;
        for name in all.schemas.keys() {
            let schema = all.component(name);
            let rust = self.rust_name(name);
            let place = format!("schema {name:?}");
            let reference = resolve::reference(&schema).filter(|_| !names_itself(&schema));
            if let Some(target) = reference {
                let (target, _) = all.target(&target)?;
                let alias = Shape::Alias(named(&self.rust_name(&target)));
                self.push(&rust, &place, &schema, alias);
            } else {
                self.define(&rust, &place, &schema, Some(name))?;
            }
        }
        Ok(())
    }

    /// What a schema is where it is used; `hint` names the type if it needs one.
    ///
    /// # Errors
    /// References that lead round in a circle.
    pub(super) fn usage(&mut self, schema: &Value, place: &str, hint: &str) -> Result<Usage> {
        let mut simple = self.components.simple(schema, place);
        if simple.get("discriminator").is_some()
            && discriminators::choice(self.components, None, &simple, place).is_none()
        {
            drop(simple.as_object_mut().and_then(|members| members.shift_remove("discriminator")));
            simple = self.components.simple(&simple, place);
        }
        let mut nullable = walk::is_true(&simple, "nullable");
        if !names_itself(&simple)
            && let Some(name) = resolve::reference(&simple)
        {
            let (target, also) = self.components.target(&name)?;
            nullable |= also;
            let schema = named(&self.rust_name(&target));
            return Ok(Usage { schema, nullable, simple });
        }
        let schema = match self.plain(&simple, place, hint)? {
            Some(plain) => plain,
            None => {
                let name = self.claim(hint, place);
                self.define(&name, place, &simple, None)?;
                named(&name)
            }
        };
        Ok(Usage { schema, nullable, simple })
    }

    /// The usage as a part of a list or map: null is part of the schema.
    fn part(&mut self, schema: &Value, place: &str, hint: &str) -> Result<Value> {
        let usage = self.usage(schema, place, hint)?;
        Ok(or_null(usage.schema, usage.nullable))
    }

    /// The Rust name of a component.
    pub(super) fn rust_name(&self, component: &str) -> String {
        self.names.get(component).cloned().unwrap_or_else(|| names::type_name(component))
    }

    /// Whether the component with this Rust name is text with known values.
    pub(super) fn is_enum_component(&self, rust: &str) -> bool {
        let found = self.names.iter().find(|(_, name)| *name == rust);
        found.is_some_and(|(component, _)| is_enum(&self.components.component(component)))
    }

    /// A plain schema whose type has another name, by what it is.
    pub(super) fn opened(&self, schema: Value) -> Value {
        let def = name_of(&schema).and_then(|name| self.types.iter().find(|def| def.name == name));
        match def.map(|def| &def.shape) {
            Some(Shape::Alias(inner)) if name_of(inner).is_none() => inner.clone(),
            _ => schema,
        }
    }

    /// A name for a type that has none in the document.
    pub(super) fn claim(&mut self, hint: &str, place: &str) -> String {
        let wanted = names::type_name(hint);
        let got = self.taken.claim(&wanted);
        if got != wanted {
            self.components.note(place, format_args!("its type is called {got}, because another is called {wanted}"));
        }
        got
    }

    /// Defines a named type; its own inner types follow it.
    fn define(&mut self, name: &str, place: &str, schema: &Value, component: Option<&str>) -> Result<()> {
        let index = self.types.len();
        self.push(name, place, schema, Shape::Alias(json!({})));
        let shape = self.shape(name, place, schema, component)?;
        self.types[index].shape = shape;
        Ok(())
    }

    fn push(&mut self, name: &str, place: &str, schema: &Value, shape: Shape) {
        let docs = docs::describe(schema, &format!("{}.", capitalised(place)));
        self.types.push(TypeDef { name: name.to_owned(), place: place.to_owned(), docs, shape, sent: false });
    }

    fn shape(&mut self, name: &str, place: &str, schema: &Value, component: Option<&str>) -> Result<Shape> {
        if let Some(path) = walk::text(schema, "x-rust-type") {
            return Ok(Shape::External(path.to_owned()));
        }
        if let Some(choice) = self.choice(place, schema, component) {
            return self.tagged(name, place, &choice);
        }
        if schema.get("oneOf").is_some() {
            return self.untagged(name, place, schema);
        }
        let tags = component.and_then(|name| self.choices.tags.get(name));
        if tags.is_none()
            && let Some(plain) = self.plain(schema, place, name)?
        {
            return Ok(Shape::Alias(plain));
        }
        if is_enum(schema) {
            return Ok(self.enumeration(place, schema));
        }
        let removed = tags.into_iter().flatten().map(|(tag, _)| tag.clone()).collect::<Vec<_>>();
        let own = component.and_then(|name| self.choices.own_tag(name)).cloned();
        if !removed.is_empty() && own.is_none() {
            self.components.note(place, "stands under several tags; outside the unions it does not write one");
        }
        self.structure(name, place, schema, &removed, own).map(Shape::Struct)
    }

    fn choice(&self, place: &str, schema: &Value, component: Option<&str>) -> Option<Choice> {
        schema.get("discriminator")?;
        match component {
            Some(name) => self.choices.unions.get(name).cloned(),
            None => discriminators::choice(self.components, None, schema, place),
        }
    }

    /// Defines a struct for a form of a union that has no name in the document.
    pub(super) fn form_struct(&mut self, name: &str, place: &str, schema: &Value, tag: (String, String)) -> Result<()> {
        let index = self.types.len();
        self.push(name, place, schema, Shape::Alias(json!({})));
        let removed = [tag.0.clone()];
        self.types[index].shape = Shape::Struct(self.structure(name, place, schema, &removed, Some(tag))?);
        Ok(())
    }

    fn structure(
        &mut self,
        name: &str,
        place: &str,
        schema: &Value,
        removed: &[String],
        tag: Option<(String, String)>,
    ) -> Result<Struct> {
        let required: Vec<&str> = walk::list(schema, "required").iter().filter_map(Value::as_str).collect();
        let properties = walk::map(schema, "properties");
        let fields = self.fields(place, properties);
        let mut members = Vec::new();
        for (wire, member) in properties.iter().filter(|(wire, _)| !removed.contains(wire)) {
            let at = format!("{place}.{wire}");
            let usage = self.usage(member, &at, &format!("{name} {wire}"))?;
            members.push(Member {
                field: fields.get(wire).cloned().unwrap_or_default(),
                required: required.contains(&wire.as_str()),
                nullable: usage.nullable,
                docs: docs::describe(&usage.simple, &format!("The member {}.", docs::code(wire))),
                only_received: walk::is_true(&usage.simple, "readOnly"),
                only_sent: walk::is_true(&usage.simple, "writeOnly"),
                schema: usage.schema,
                wire: wire.clone(),
            });
        }
        for name in
            required.iter().filter(|name| !properties.contains_key(**name) && !removed.iter().any(|tag| tag == *name))
        {
            self.components
                .note(place, format_args!("requires {name:?} without describing it; the member is not generated"));
        }
        Ok(Struct { members, open: self.declares_more(place, schema), tag })
    }

    /// Whether the document itself declares members without a name.
    fn declares_more(&self, place: &str, schema: &Value) -> bool {
        let Some(more) = schema.get("additionalProperties").filter(|more| more.is_object()) else {
            return walk::map(schema, "properties").is_empty();
        };
        if more.as_object().is_some_and(|more| !more.is_empty()) {
            self.components.note(place, "further members are kept as JSON values whatever their declared type");
        }
        true
    }

    /// The fields of the members; a name that is valid as it stands is kept.
    fn fields(&self, place: &str, members: &Map<String, Value>) -> BTreeMap<String, String> {
        let mut taken = Taken::default();
        let mut fields = BTreeMap::new();
        let (exact, other): (Vec<_>, Vec<_>) = members.keys().partition(|wire| names::field_name(wire) == **wire);
        for wire in exact.into_iter().chain(other) {
            let wanted = names::field_name(walk::text(&members[wire], "x-rust-name").unwrap_or(wire));
            let got = taken.claim(&wanted);
            if got != wanted {
                let what = format!("its field is called {got}, because another is called {wanted}");
                self.components.note(&format!("{place}.{wire}"), what);
            }
            let setter = names::setter_name(&got);
            if setter != got {
                let what =
                    format!("its setter, if the type is sent, is called {setter}: every type has a method {got}");
                self.components.note(&format!("{place}.{wire}"), what);
            }
            fields.insert(wire.clone(), got);
        }
        fields
    }

    /// The plain form of a schema; `None` if it needs a name.
    fn plain(&mut self, schema: &Value, place: &str, hint: &str) -> Result<Option<Value>> {
        if names_itself(schema) || schema.get("oneOf").is_some() || is_enum(schema) {
            return Ok(None);
        }
        if !walk::map(schema, "properties").is_empty() {
            return Ok(None);
        }
        let kind =
            walk::text(schema, "type").unwrap_or(if schema.get("additionalProperties").is_some_and(Value::is_object) {
                "object"
            } else if schema.get("items").is_some() {
                "array"
            } else {
                ""
            });
        let plain = match kind {
            "string" => self.text(schema),
            "integer" => self.integer(schema),
            "number" if walk::text(schema, "format") == Some("float") => json!({"type": "number", "format": "float"}),
            "number" => json!({"type": "number", "format": "double"}),
            "boolean" => json!({"type": "boolean"}),
            "array" => {
                let any = json!({});
                let items = schema.get("items").unwrap_or(&any);
                let items = self.part(items, &format!("{place}.items"), &format!("{hint} item"))?;
                json!({"type": "array", "items": items})
            }
            "object" => self.map(schema, place, hint)?,
            other => {
                if !other.is_empty() {
                    self.components.note(place, format_args!("the type {other:?} is not known; any value is kept"));
                } else if schema.get("not").is_some() {
                    self.components.note(place, "`not` is not checked; any value is kept");
                } else if !walk::list(schema, "enum").is_empty() {
                    self.components.note(place, "known values of several types are not generated; any value is kept");
                }
                json!({})
            }
        };
        Ok(Some(plain))
    }

    fn map(&mut self, schema: &Value, place: &str, hint: &str) -> Result<Value> {
        let values = match schema.get("additionalProperties").filter(|more| more.is_object()) {
            Some(values) => self.part(values, &format!("{place}.additionalProperties"), &format!("{hint} value"))?,
            None => json!({}),
        };
        Ok(json!({"type": "object", "additionalProperties": values}))
    }

    fn text(&self, schema: &Value) -> Value {
        match walk::text(schema, "format") {
            Some("date-time") => json!({"type": "string", "format": "date-time"}),
            Some(format) => {
                self.components.note(&format!("format {format:?}"), "is kept as text and not checked");
                json!({"type": "string"})
            }
            None => json!({"type": "string"}),
        }
    }

    fn integer(&self, schema: &Value) -> Value {
        let large =
            schema.get("maximum").is_some_and(|max| max.as_u64().is_some_and(|max| i64::try_from(max).is_err()));
        match walk::text(schema, "format") {
            Some(format) if INTEGERS.contains(&format) => json!({"type": "integer", "format": format}),
            None if large => json!({"type": "integer", "format": "uint64"}),
            None => json!({"type": "integer", "format": "int64"}),
            Some(format) => {
                self.components.note(&format!("format {format:?}"), "is kept as a whole number of 64 bits");
                json!({"type": "integer", "format": "int64"})
            }
        }
    }
}

/// Whether a schema needs a name whatever else it says.
fn names_itself(schema: &Value) -> bool {
    schema.get("x-rust-type").is_some() || schema.get("discriminator").is_some()
}

/// Whether a schema is text with known values.
pub(super) fn is_enum(schema: &Value) -> bool {
    let values = walk::list(schema, "enum");
    match walk::text(schema, "type") {
        Some(kind) => kind == "string" && !values.is_empty(),
        None => !values.is_empty() && values.iter().all(Value::is_string),
    }
}

/// The only text a schema allows.
pub(super) fn constant(schema: &Value) -> Option<&str> {
    match walk::list(schema, "enum") {
        [Value::String(only)] => Some(only),
        _ => None,
    }
}

/// A plain schema that may be null, as the generator reads it.
pub(crate) fn or_null(schema: Value, nullable: bool) -> Value {
    if !nullable || schema == json!({}) {
        return schema;
    }
    if name_of(&schema).is_some() {
        return json!({"nullable": true, "allOf": [schema]});
    }
    let mut members = schema.as_object().cloned().unwrap_or_else(Map::new);
    members.insert("nullable".to_owned(), json!(true));
    Value::Object(members)
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    let escaped = |text: &str| docs::markdown(text).join(" ");
    match chars.next() {
        Some(first) => escaped(&format!("{}{}", first.to_uppercase(), chars.as_str())),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fields, find, model, object};
    use super::*;

    fn schemas(schemas: Value) -> (crate::model::Api, String) {
        model(json!({}), schemas)
    }
    fn plain(schema: Value) -> (Value, String) {
        let (api, notes) = schemas(json!({"S": {"properties": {"a": schema}}}));
        (fields(&api, "S").remove(0).1, notes)
    }

    #[test]
    fn scalars_lose_what_only_limits_them() {
        let text = json!({"type": "string"});
        assert_eq!(
            plain(json!({"type": "string", "minLength": 1, "pattern": "a", "default": "b", "title": "T"})).0,
            text
        );
        assert_eq!(plain(json!({"type": "boolean", "default": true})).0, json!({"type": "boolean"}));
        assert_eq!(plain(json!({"type": "number", "minimum": 0})).0, json!({"type": "number", "format": "double"}));
        assert_eq!(plain(json!({"type": "number", "format": "float"})).0, json!({"type": "number", "format": "float"}));
    }

    #[test]
    fn whole_numbers_are_64_bits_unless_the_document_says_otherwise() {
        let format = |schema: Value| plain(schema).0["format"].as_str().unwrap().to_owned();
        assert_eq!(format(json!({"type": "integer", "minimum": 1})), "int64");
        assert_eq!(format(json!({"type": "integer", "format": "int32"})), "int32");
        assert_eq!(format(json!({"type": "integer", "maximum": u64::MAX})), "uint64");
        let (schema, notes) = plain(json!({"type": "integer", "format": "unix-time"}));
        assert_eq!((schema["format"].as_str(), notes.lines().count()), (Some("int64"), 1));
    }

    #[test]
    fn other_formats_of_text_are_noted_once() {
        let (_, notes) = schemas(json!({"S": {"properties": {
            "a": {"type": "string", "format": "uuid"}, "b": {"type": "string", "format": "uuid"},
            "c": {"type": "string", "format": "date-time"}}}}));
        assert_eq!(notes, "format \"uuid\": is kept as text and not checked\n");
    }

    #[test]
    fn enums_of_numbers_are_plain_and_mixed_ones_are_any_value() {
        assert_eq!(plain(json!({"type": "integer", "enum": [1, 2]})).0["type"], "integer");
        let (schema, notes) = plain(json!({"enum": [1, "a"]}));
        assert_eq!(schema, json!({}));
        assert!(notes.contains("several types"), "{notes}");
    }

    #[test]
    fn objects_without_members_are_free_and_maps_keep_their_values() {
        let map = |values: Value| json!({"type": "object", "additionalProperties": values});
        assert_eq!(plain(json!({"type": "object"})).0, map(json!({})));
        assert_eq!(plain(json!({"additionalProperties": {"type": "string"}})).0, map(json!({"type": "string"})));
        let nullable = json!({"type": "array", "items": {"type": "string", "nullable": true}});
        assert_eq!(plain(nullable.clone()).0, nullable);
        assert_eq!(plain(json!({"type": "file"})).0, json!({}));
        assert_eq!(plain(json!({})).0, json!({}));
    }

    #[test]
    fn inner_objects_enums_and_unions_are_named_after_where_they_stand() {
        let (api, _) = schemas(json!({"Job": {"properties": {
            "state": {"type": "string", "enum": ["a"]},
            "parts": {"type": "array", "items": {"type": "object", "properties": {"n": {}}}},
            "by": {"additionalProperties": {"oneOf": [{"type": "string"}, {"type": "integer"}]}}}}}));
        let names: Vec<&str> = api.types.iter().map(|def| def.name.as_str()).collect();
        assert_eq!(names, ["Job", "JobState", "JobPartsItem", "JobByValue"]);
        assert_eq!(fields(&api, "Job")[1].1, json!({"type": "array", "items": named("JobPartsItem")}));
    }

    #[test]
    fn a_nullable_component_makes_the_places_nullable_where_it_is_used() {
        let (api, _) = schemas(json!({"N": {"type": "string", "nullable": true},
            "S": {"required": ["n"], "properties": {"n": {"$ref": "#/components/schemas/N"},
                "list": {"type": "array", "items": {"$ref": "#/components/schemas/N"}}}}}));
        assert!(object(&api, "S").members[0].nullable && object(&api, "S").members[0].required);
        assert_eq!(fields(&api, "S")[1].1["items"], json!({"nullable": true, "allOf": [named("N")]}));
    }

    #[test]
    fn a_name_for_a_name_leads_to_the_type_itself() {
        let (api, _) = schemas(
            json!({"A": {"$ref": "#/components/schemas/B"}, "B": {"allOf": [{"$ref": "#/components/schemas/C"}]},
            "C": {"properties": {"x": {}}}, "S": {"properties": {"a": {"$ref": "#/components/schemas/A"}}}}),
        );
        assert_eq!(fields(&api, "S")[0].1, named("C"));
        assert!(matches!(&find(&api, "A").shape, Shape::Alias(target) if *target == named("C")));
    }

    #[test]
    fn names_that_become_the_same_are_noted_and_the_exact_one_keeps_its_name() {
        let (api, notes) = schemas(
            json!({"job_state": {"properties": {"fooBar": {}, "foo_bar": {}, "new": {}}}, "JobState": {"type": "string"}}),
        );
        let names: Vec<&str> = api.types.iter().map(|def| def.name.as_str()).collect();
        assert_eq!(names, ["JobState2", "JobState"]);
        let fields: Vec<String> = fields(&api, "JobState2").into_iter().map(|(name, _)| name).collect();
        assert_eq!(fields, ["foo_bar2", "foo_bar", "new"]);
        assert!(
            notes.contains("schema \"job_state\": is called JobState2")
                && notes.contains(".fooBar: its field is called foo_bar2")
        );
        assert!(notes.contains("its setter, if the type is sent, is called set_new"));
    }

    #[test]
    fn a_hand_written_type_stands_wherever_the_schema_is_used() {
        let (api, _) = schemas(json!({"Id": {"type": "string", "nullable": true, "x-rust-type": "consign_http::Id"},
            "S": {"properties": {"id": {"$ref": "#/components/schemas/Id"}, "own": {"type": "string", "x-rust-type": "crate::Own"}}}}));
        assert!(matches!(&find(&api, "Id").shape, Shape::External(path) if path == "consign_http::Id"));
        assert_eq!(fields(&api, "S")[0].1, named("Id"));
        assert!(matches!(&find(&api, "SOwn").shape, Shape::External(path) if path == "crate::Own"));
    }

    #[test]
    fn a_member_can_have_another_name_for_its_field() {
        let members = json!({"path": {"type": "string"}, "Path": {"type": "string", "x-rust-name": "path_of_old"}});
        let (api, notes) = schemas(json!({"S": {"properties": members}}));
        let names: Vec<String> = fields(&api, "S").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["path", "path_of_old"]);
        assert!(!notes.contains("field is called"), "{notes}");
    }

    #[test]
    fn members_that_the_document_declares_without_a_name_are_kept() {
        let (api, notes) = schemas(json!({"A": {"properties": {"a": {}}, "additionalProperties": {"type": "integer"}},
            "B": {"properties": {"b": {}}, "additionalProperties": true}, "C": {"properties": {"c": {}}, "additionalProperties": false},
            "D": {"required": ["gone"], "properties": {"d": {}}}}));
        let open: Vec<bool> = ["A", "B", "C", "D"].iter().map(|name| object(&api, name).open).collect();
        assert_eq!(open, [true, false, false, false]);
        assert!(notes.contains("schema \"A\": further members are kept as JSON values"));
        assert!(notes.contains("schema \"D\": requires \"gone\" without describing it"));
    }
}

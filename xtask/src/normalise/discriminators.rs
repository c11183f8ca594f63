//! `discriminator`: which schemas are unions by tag, which types belong to them, and under which values.
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::components::Components;
use super::resolve;
use crate::walk;

/// A union by tag, before its types have names.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Choice {
    /// The member that holds the tag.
    pub tag: String,
    /// Values of the tag and the schema each stands for, in document order.
    pub variants: Vec<(Vec<String>, Value)>,
}

/// All unions by tag of a document.
#[derive(Debug, Default)]
pub(super) struct Choices {
    /// Components that are such a union.
    pub unions: BTreeMap<String, Choice>,
    /// Components that belong to one: the tags under which they stand, as member name and value.
    pub tags: BTreeMap<String, BTreeSet<(String, String)>>,
}

impl Choices {
    /// Finds the unions of a document whose references are resolved.
    pub(super) fn find(document: &mut Value, components: &Components) -> Self {
        let mut choices = Self::default();
        for (name, schema) in &components.schemas {
            if schema.get("discriminator").is_some()
                && let Some(choice) = choice(components, Some(name), schema, &format!("schema {name:?}"))
            {
                choices.unions.insert(name.clone(), choice);
            }
        }
        let mut inline = Vec::new();
        walk::schemas(document, &mut |place, schema| {
            if schema.get("discriminator").is_some() && !is_component(place) {
                inline.extend(choice(components, None, schema, place));
            }
        });
        for choice in choices.unions.values().chain(&inline) {
            for (values, schema) in &choice.variants {
                let target = resolve::reference(schema).and_then(|name| components.target(&name).ok());
                let Some((name, _)) = target else { continue };
                if choices.unions.contains_key(&name) {
                    continue;
                }
                let tags = choices.tags.entry(name).or_default();
                tags.extend(values.iter().map(|value| (choice.tag.clone(), value.clone())));
            }
        }
        choices
    }

    /// The tag a component writes itself: it stands under this one only.
    pub(super) fn own_tag(&self, component: &str) -> Option<&(String, String)> {
        let tags = self.tags.get(component)?;
        tags.first().filter(|_| tags.len() == 1)
    }
}

fn is_component(place: &str) -> bool {
    place.strip_prefix("schema \"").is_some_and(|rest| rest.ends_with('"') && !rest.contains("\"."))
}

/// The union that a schema with a discriminator is; `None`, with a note, if it is none.
pub(super) fn choice(components: &Components, name: Option<&str>, schema: &Value, place: &str) -> Option<Choice> {
    choice_within(components, name, schema, place, &mut Vec::new())
}

/// The same; `within` names the unions being looked at.
fn choice_within(
    components: &Components,
    name: Option<&str>,
    schema: &Value,
    place: &str,
    within: &mut Vec<String>,
) -> Option<Choice> {
    let tag = walk::text(&schema["discriminator"], "propertyName")?.to_owned();
    within.extend(name.map(str::to_owned));
    let variants = variants(components, name, schema, &tag, place, within);
    let variants = match variants {
        Ok(variants) if variants.is_empty() => {
            components.note(place, "a discriminator without anything to choose from is not used");
            return None;
        }
        Ok(variants) => variants,
        Err(why) => {
            components.note(place, format_args!("the discriminator {tag:?} is not used: {why}"));
            return None;
        }
    };
    Some(Choice { tag, variants })
}

type Variants = Vec<(Vec<String>, Value)>;

fn variants(
    components: &Components,
    name: Option<&str>,
    schema: &Value,
    tag: &str,
    place: &str,
    within: &mut Vec<String>,
) -> Result<Variants, String> {
    let mut found: Variants = Vec::new();
    for (value, target) in walk::map(&schema["discriminator"], "mapping") {
        let target = target.as_str().unwrap_or_default();
        let target = resolve::component(target).unwrap_or_else(|| target.to_owned());
        if !components.schemas.contains_key(&target) {
            return Err(format!("its mapping leads to {target:?}, which does not exist"));
        }
        found.push((vec![value.clone()], payload(components, name, &target)));
    }
    let listed = walk::list(schema, "oneOf").iter().chain(walk::list(schema, "anyOf"));
    let mut all: Vec<Value> = listed.map(|form| components.simple(form, place)).collect();
    if all.is_empty()
        && let Some(name) = name
    {
        all = children(components, name).iter().map(|child| resolve::refer(child)).collect();
    }
    for form in all {
        let target = resolve::reference(&form);
        let refers = |known: &Value| target.is_some() && resolve::reference(known) == target;
        if found.iter().any(|(_, known)| refers(known)) {
            continue;
        }
        if target.is_some() && target.as_deref() == name {
            continue; // A base that lists itself: covered by the unknown variant.
        }
        let values = values_of(components, &form, target.as_deref(), tag, within);
        if values.is_empty() {
            return Err("a form without a name does not say its value".to_owned());
        }
        let form = target.map_or(form, |target| resolve::refer(&target));
        found.push((values, form));
    }
    for (_, form) in &found {
        let followed = components.followed(form, place);
        if !is_object(components, &followed, 0) {
            return Err("not every form is an object".to_owned());
        }
    }
    tell_apart(&mut found);
    once(components, &mut found, place);
    Ok(found.into_iter().flat_map(|(values, form)| one_each(components, values, form)).collect())
}

/// A value stands for the first form that has it.
fn once(components: &Components, found: &mut Variants, place: &str) {
    let mut seen: Vec<String> = Vec::new();
    for (values, _) in found.iter_mut() {
        values.retain(|value| {
            let new = !seen.contains(value);
            if new {
                seen.push(value.clone());
            } else {
                components.note(place, format_args!("the value {value:?} stands for two forms; the first is taken"));
            }
            new
        });
    }
    found.retain(|(values, _)| !values.is_empty());
}

/// An object under several values is a form under each: otherwise it would be unknown which one to write.
fn one_each(components: &Components, values: Vec<String>, form: Value) -> Variants {
    if components.followed(&form, "").get("discriminator").is_some() {
        return vec![(values, form)];
    }
    values.into_iter().map(|value| (vec![value], form.clone())).collect()
}

/// A member inherited from a base may list the values of all; then each form stands under its name.
fn tell_apart(found: &mut Variants) {
    let all: Vec<String> = found.iter().flat_map(|(values, _)| values.clone()).collect();
    for (values, form) in found {
        let repeated = values.len() > 1 && values.iter().any(|value| all.iter().filter(|v| *v == value).count() > 1);
        if repeated && let Some(name) = resolve::reference(form) {
            *values = vec![name];
        }
    }
}

/// What a mapping leads to; a base that maps to itself stands for its own members.
fn payload(components: &Components, name: Option<&str>, target: &str) -> Value {
    if name != Some(target) {
        return resolve::refer(target);
    }
    let mut base = components.get(target).clone();
    if let Some(members) = base.as_object_mut() {
        ["discriminator", "oneOf", "anyOf"].iter().for_each(|key| drop(members.shift_remove(*key)));
        members.insert("title".to_owned(), json!(format!("{target} base")));
    }
    base
}

/// The components that extend this one through `allOf`, near or far.
fn children(components: &Components, base: &str) -> Vec<String> {
    let extends = |schema: &Value, from: &[String]| {
        let parts = walk::list(schema, "allOf");
        parts.iter().filter_map(resolve::reference).any(|name| from.contains(&name))
    };
    let mut found = vec![base.to_owned()];
    loop {
        let more: Vec<String> = components
            .schemas
            .iter()
            .filter(|(name, schema)| !found.contains(name) && extends(schema, &found))
            .map(|(name, _)| name.clone())
            .collect();
        if more.is_empty() {
            break;
        }
        found.extend(more);
    }
    // Document order, not the order of discovery.
    components.schemas.keys().filter(|name| *name != base && found.contains(name)).cloned().collect()
}

/// The values of the tag under which a form stands: what its own member allows, else its name.
fn values_of(
    components: &Components,
    form: &Value,
    name: Option<&str>,
    tag: &str,
    within: &mut Vec<String>,
) -> Vec<String> {
    let schema = components.followed(form, "");
    let known = name.is_some_and(|name| within.iter().any(|open| open == name));
    if !known
        && walk::text(&schema["discriminator"], "propertyName") == Some(tag)
        && let Some(choice) = choice_within(components, name, &schema, "", within)
    {
        return choice.variants.into_iter().flat_map(|(values, _)| values).collect();
    }
    let member = components.followed(&schema["properties"][tag], "");
    let constants: Vec<String> =
        walk::list(&member, "enum").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    match name {
        Some(name) if constants.is_empty() || constants.iter().any(|value| value == name) => vec![name.to_owned()],
        _ => constants,
    }
}

/// Whether every value of a schema is an object.
fn is_object(components: &Components, schema: &Value, depth: usize) -> bool {
    match walk::text(schema, "type") {
        Some(kind) => kind == "object",
        None if schema.get("properties").is_some() || schema.get("discriminator").is_some() => true,
        // Unions that contain each other are not looked at for ever.
        None if depth > 8 => false,
        None => {
            let object = |form| is_object(components, &components.followed(form, ""), depth + 1);
            walk::list(schema, "oneOf").iter().all(object)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Notes;

    fn find(schemas: Value) -> (Choices, String) {
        let mut document = json!({"components": {"schemas": schemas}});
        let components = Components::new(&document, Notes::default());
        let choices = Choices::find(&mut document, &components);
        let notes = components.notes.borrow().text();
        (choices, notes)
    }
    fn values(choices: &Choices, union: &str) -> Vec<(String, String)> {
        let name = |schema: &Value| resolve::reference(schema).unwrap_or_else(|| "inline".to_owned());
        choices.unions[union].variants.iter().map(|(values, schema)| (values.join("|"), name(schema))).collect()
    }
    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }
    fn object(tag: Value) -> Value {
        json!({"type": "object", "properties": {"kind": tag}})
    }

    #[test]
    fn a_mapping_gives_the_values_and_forms_outside_it_their_constant_or_name() {
        let (choices, _) = find(json!({
            "Pet": {"oneOf": [resolve::refer("Cat"), resolve::refer("Dog"), resolve::refer("Cow")],
                "discriminator": {"propertyName": "kind", "mapping": {"c": "#/components/schemas/Cat", "d": "Dog"}}},
            "Cat": object(json!({"type": "string"})), "Dog": object(json!({})),
            "Cow": object(json!({"type": "string", "enum": ["moo"]}))}));
        assert_eq!(values(&choices, "Pet"), pairs(&[("c", "Cat"), ("d", "Dog"), ("moo", "Cow")]));
        assert_eq!(choices.own_tag("Cow"), Some(&("kind".to_owned(), "moo".to_owned())));
    }

    #[test]
    fn a_base_is_a_union_of_all_that_extend_it() {
        let (choices, _) = find(json!({
            "Lion": {"allOf": [resolve::refer("Cat"), {"properties": {"mane": {}}}]},
            "Animal": {"type": "object", "properties": {"kind": {"type": "string"}}, "discriminator": {"propertyName": "kind"}},
            "Cat": {"allOf": [resolve::refer("Animal"), {"properties": {"tail": {}}}]}}));
        assert_eq!(values(&choices, "Animal"), pairs(&[("Lion", "Lion"), ("Cat", "Cat")]));
    }

    #[test]
    fn a_base_that_maps_to_itself_stands_for_its_own_members() {
        let (choices, _) = find(json!({
            "Animal": {"type": "object", "properties": {"kind": {"type": "string"}},
                "discriminator": {"propertyName": "kind", "mapping": {"animal": "#/components/schemas/Animal"}}},
            "Cat": {"allOf": [resolve::refer("Animal")]}}));
        assert_eq!(values(&choices, "Animal"), pairs(&[("animal", "inline"), ("Cat", "Cat")]));
    }

    #[test]
    fn a_type_under_two_values_does_not_write_its_tag_itself() {
        let (choices, _) = find(json!({
            "Pet": {"oneOf": [resolve::refer("Cat")],
                "discriminator": {"propertyName": "kind", "mapping": {"a": "Cat", "b": "Cat"}}},
            "Cat": object(json!({}))}));
        assert_eq!(choices.own_tag("Cat"), None);
        assert_eq!(values(&choices, "Pet"), pairs(&[("a", "Cat"), ("b", "Cat")]));
    }

    #[test]
    fn a_form_that_allows_several_values_stands_under_each() {
        let (choices, _) = find(json!({
            "Pet": {"oneOf": [resolve::refer("Cat"), resolve::refer("Dog")], "discriminator": {"propertyName": "kind"}},
            "Cat": object(json!({"type": "string", "enum": ["a", "b"]})), "Dog": object(json!({}))}));
        assert_eq!(values(&choices, "Pet"), pairs(&[("a", "Cat"), ("b", "Cat"), ("Dog", "Dog")]));
    }

    #[test]
    fn a_value_stands_for_one_form() {
        let (choices, notes) = find(json!({
            "Pet": {"oneOf": [resolve::refer("Cat"), resolve::refer("Dog")], "discriminator": {"propertyName": "kind", "mapping": {"a": "Cat"}}},
            "Cat": object(json!({})), "Dog": object(json!({"type": "string", "enum": ["a"]}))}));
        assert_eq!(values(&choices, "Pet"), pairs(&[("a", "Cat")]));
        assert!(notes.contains("the value \"a\" stands for two forms"));
    }

    #[test]
    fn a_union_of_unions_by_the_same_tag_takes_their_values() {
        let (choices, _) = find(json!({
            "All": {"oneOf": [resolve::refer("Pet"), resolve::refer("Cow")], "discriminator": {"propertyName": "kind"}},
            "Pet": {"oneOf": [resolve::refer("Cat"), resolve::refer("Dog")], "discriminator": {"propertyName": "kind"}},
            "Cat": object(json!({})), "Dog": object(json!({})), "Cow": object(json!({}))}));
        assert_eq!(values(&choices, "All"), pairs(&[("Cat|Dog", "Pet"), ("Cow", "Cow")]));
        assert!(!choices.tags.contains_key("Pet"));
    }

    #[test]
    fn a_list_of_all_values_in_the_base_does_not_name_one_form() {
        let (choices, _) = find(json!({
            "Animal": {"type": "object", "properties": {"kind": {"type": "string", "enum": ["c", "d"]}},
                "discriminator": {"propertyName": "kind"}},
            "Cat": {"allOf": [resolve::refer("Animal")]}, "Dog": {"allOf": [resolve::refer("Animal")]}}));
        assert_eq!(values(&choices, "Animal"), pairs(&[("Cat", "Cat"), ("Dog", "Dog")]));
    }

    #[test]
    fn unions_that_contain_each_other_end() {
        let (choices, notes) = find(json!({
            "U": {"oneOf": [resolve::refer("A")], "discriminator": {"propertyName": "kind"}},
            "A": {"oneOf": [resolve::refer("B"), {"type": "integer"}]}, "B": {"oneOf": [resolve::refer("A"), {"type": "object"}]},
            "D": {"oneOf": [resolve::refer("E")], "discriminator": {"propertyName": "kind"}},
            "E": {"oneOf": [resolve::refer("D")], "discriminator": {"propertyName": "kind"}}}));
        assert!(!choices.unions.contains_key("U") && notes.contains("not every form is an object"), "{notes}");
    }

    #[test]
    fn what_cannot_be_told_apart_is_noted() {
        let (choices, notes) = find(json!({
            "A": {"type": "object", "discriminator": {"propertyName": "kind"}},
            "B": {"oneOf": [{"type": "string"}], "discriminator": {"propertyName": "kind"}},
            "C": {"oneOf": [], "discriminator": {"propertyName": "kind", "mapping": {"x": "Gone"}}}}));
        assert!(choices.unions.is_empty());
        assert_eq!(notes.lines().count(), 3, "{notes}");
        assert!(notes.contains("\"Gone\", which does not exist"));
    }
}

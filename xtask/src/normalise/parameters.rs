//! Parameters: those of the path and the operation together, each as one value or list of plain values.
use serde_json::{Value, json};

use super::lower::Lower;
use super::operations::Place;
use crate::model::{In, ListForm, Parameter};
use crate::names::{self, Taken};
use crate::problem::Result;
use crate::{docs, walk};

/// Arguments and fields that every method has.
const NAMES_TAKEN: [&str; 4] = ["call", "options", "request", "self"];
/// Headers that are not parameters, by the OpenAPI specification.
const HEADERS_IGNORED: [&str; 3] = ["accept", "authorization", "content-type"];

/// The parameters of an operation: those in the path in the order of the template, then the others.
pub(super) fn parameters(lower: &mut Lower<'_>, place: &Place<'_>, has_body: bool) -> Result<Vec<Parameter>> {
    let mut taken = Taken::with(&NAMES_TAKEN);
    if has_body {
        taken.claim("body");
    }
    let declared = declared(place);
    let mut found = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for name in template(place.path) {
        if names.contains(&name) {
            continue; // The same value stands in the path twice.
        }
        names.push(name);
        match declared.iter().find(|value| is(value, "path", name)) {
            Some(value) => found.extend(one(lower, place, value, In::Path, &mut taken)?),
            None => {
                let what = format!("the path has {{{name}}} without a parameter; it is taken as text");
                lower.components.note(&place.name(), what);
                let value = json!({"name": name, "in": "path", "schema": {"type": "string"}});
                found.extend(one(lower, place, &value, In::Path, &mut taken)?);
            }
        }
    }
    for value in &declared {
        let name = walk::text(value, "name").unwrap_or_default();
        let drop = |why: &str| lower.components.note(&place.name(), format_args!("parameter {name:?} {why}"));
        match walk::text(value, "in") {
            Some("query") => found.extend(one(lower, place, value, In::Query, &mut taken)?),
            Some("header") if HEADERS_IGNORED.contains(&name.to_ascii_lowercase().as_str()) => {
                drop("is set by the transport and not generated");
            }
            Some("header") => found.extend(one(lower, place, value, In::Header, &mut taken)?),
            Some("path") if template(place.path).any(|known| known == name) => {}
            Some("path") => drop("is not in the path and not generated"),
            Some("cookie") => drop("is a cookie and not generated"),
            _ => drop("is neither in path, query nor header and not generated"),
        }
    }
    Ok(found)
}

/// The names in a path template, in order.
pub(crate) fn template(path: &str) -> impl Iterator<Item = &str> {
    let path = path.split('#').next().unwrap_or_default();
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

/// The parameters of the path and of the operation; the operation's win.
fn declared(place: &Place<'_>) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for value in walk::list(place.item, "parameters").iter().chain(walk::list(place.operation, "parameters")) {
        let same = |known: &Value| known.get("name") == value.get("name") && known.get("in") == value.get("in");
        match all.iter().position(same) {
            Some(index) => all[index] = value.clone(),
            None => all.push(value.clone()),
        }
    }
    all
}

fn is(value: &Value, place: &str, name: &str) -> bool {
    walk::text(value, "in") == Some(place) && walk::text(value, "name") == Some(name)
}

/// One declared parameter. An object in the query becomes a parameter for each of its members.
fn one(
    lower: &mut Lower<'_>,
    place: &Place<'_>,
    value: &Value,
    within: In,
    taken: &mut Taken,
) -> Result<Vec<Parameter>> {
    let at = format!("{}, parameter {:?}", place.name(), walk::text(value, "name").unwrap_or_default());
    if within == In::Query && value.get("schema").is_some() {
        let simple = lower.components.followed(&value["schema"], &at);
        let members = if is_object(&simple) { members(lower, value, &simple, &at) } else { Vec::new() };
        if !members.is_empty() {
            return members.iter().map(|member| single(lower, place, member, within, taken)).collect();
        }
    }
    Ok(vec![single(lower, place, value, within, taken)?])
}

/// One value or list.
fn single(lower: &mut Lower<'_>, place: &Place<'_>, value: &Value, within: In, taken: &mut Taken) -> Result<Parameter> {
    let wire = walk::text(value, "name").unwrap_or_default();
    let at = format!("{}, parameter {wire:?}", place.name());
    let required = within == In::Path || walk::is_true(value, "required");
    let text = json!({"type": "string"});
    let any = json!({});
    // A parameter described by a media type is a JSON value as text.
    let schema = match (value.get("schema"), walk::map(value, "content").is_empty()) {
        (Some(schema), _) => schema,
        (None, true) => &text,
        (None, false) => &any,
    };
    let simple = lower.components.followed(schema, &at);
    let list = list_form(lower, value, &simple, within, &at);
    let item = if list.is_some() { simple.get("items").unwrap_or(&text) } else { schema };
    let schema = if scalar(lower, item, &at) {
        let usage = lower.usage(item, &at, &format!("{} {wire}", names::type_name(place.id)))?;
        lower.opened(usage.schema)
    } else {
        lower.components.note(&at, "is sent as the text of a JSON value");
        any
    };
    let name = claim(lower, taken, wire, &at);
    Ok(Parameter {
        wire: wire.to_owned(),
        name,
        place: within,
        required,
        schema,
        list,
        docs: described(value, &simple, wire),
    })
}

fn claim(lower: &Lower<'_>, taken: &mut Taken, wire: &str, at: &str) -> String {
    let wanted = names::field_name(wire);
    if !taken.has(&wanted) {
        return taken.claim(&wanted);
    }
    let name = taken.claim(&format!("{wanted}_"));
    lower.components.note(at, format_args!("is called {name}, because {wanted} is taken"));
    name
}

fn described(value: &Value, schema: &Value, wire: &str) -> Vec<String> {
    let mut merged = schema.clone();
    if let (Some(merged), Some(text)) = (merged.as_object_mut(), value.get("description")) {
        merged.insert("description".to_owned(), text.clone());
    }
    if walk::is_true(value, "deprecated") {
        merged["deprecated"] = json!(true);
    }
    docs::describe(&merged, &format!("The parameter {}.", docs::code(wire)))
}

fn is_object(schema: &Value) -> bool {
    walk::text(schema, "type") == Some("object") || schema.get("properties").is_some()
}

/// Whether a value of this schema can be written as plain text.
fn scalar(lower: &Lower<'_>, schema: &Value, at: &str) -> bool {
    let schema = lower.components.followed(schema, at);
    if schema.get("x-rust-type").is_some() {
        return true;
    }
    if schema.get("oneOf").is_some() {
        return walk::list(&schema, "oneOf").iter().all(|form| {
            let form = lower.components.followed(form, at);
            form.get("oneOf").is_none()
                && matches!(walk::text(&form, "type"), Some("string" | "integer" | "number" | "boolean"))
        });
    }
    let plain = matches!(walk::text(&schema, "type"), Some("string" | "integer" | "number" | "boolean"));
    plain || super::lower::is_enum(&schema)
}

/// How a list is written; `None` for a single value.
fn list_form(lower: &Lower<'_>, value: &Value, schema: &Value, within: In, at: &str) -> Option<ListForm> {
    let style = walk::text(value, "style");
    if within == In::Path && matches!(style, Some("label" | "matrix")) {
        lower.components.note(at, format_args!("the style {:?} is not used", style.unwrap_or_default()));
    }
    if walk::text(schema, "type") != Some("array") && schema.get("items").is_none() {
        return None;
    }
    if within != In::Query {
        return Some(ListForm::Joined(','));
    }
    match (style.unwrap_or("form"), value.get("explode")) {
        ("spaceDelimited", explode) if explode != Some(&json!(true)) => Some(ListForm::Joined(' ')),
        ("pipeDelimited", explode) if explode != Some(&json!(true)) => Some(ListForm::Joined('|')),
        (_, Some(Value::Bool(false))) => Some(ListForm::Joined(',')),
        _ => Some(ListForm::Repeated),
    }
}

/// The members of an object in the query, as parameters of their own.
fn members(lower: &Lower<'_>, value: &Value, schema: &Value, at: &str) -> Vec<Value> {
    let wire = walk::text(value, "name").unwrap_or_default();
    let deep = walk::text(value, "style") == Some("deepObject");
    if !deep && value.get("explode") == Some(&json!(false)) {
        return Vec::new();
    }
    let must = walk::is_true(value, "required");
    let member = |(name, inner): (&String, &Value)| {
        let required = must && walk::list(schema, "required").iter().any(|r| r == name);
        let wire = if deep { format!("{wire}[{name}]") } else { name.clone() };
        let mut parameter = json!({"name": wire, "in": "query", "required": required, "schema": inner});
        if let Some(text) = inner.get("description") {
            parameter["description"] = text.clone();
        }
        parameter
    };
    let members: Vec<Value> = walk::map(schema, "properties").iter().map(member).collect();
    if !members.is_empty() {
        lower.components.note(at, "each member of the object is a parameter of its own");
        if schema.get("additionalProperties").is_some_and(Value::is_object) {
            lower.components.note(at, "members without a name are not sent");
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::super::testing::{model, operation};
    use super::*;

    fn with(parameters: Value) -> (Vec<Parameter>, String) {
        let (one, notes) =
            operation(json!({"operationId": "a", "parameters": parameters, "responses": {"200": {"description": ""}}}));
        (one.parameters, notes)
    }
    /// The only parameter beside the one in the path.
    fn only(parameter: Value) -> (Parameter, String) {
        let (mut all, notes) = with(json!([parameter]));
        assert_eq!(all.len(), 2);
        (all.remove(1), notes)
    }

    #[test]
    fn parameters_of_the_operation_replace_those_of_the_path() {
        let (all, _) = with(json!([{"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}},
            {"name": "id", "in": "query", "schema": {"type": "string"}}]));
        assert_eq!((all.len(), all[0].schema["type"].as_str(), all[1].name.as_str()), (2, Some("integer"), "id_"));
    }

    #[test]
    fn those_in_the_path_come_in_the_order_of_the_template() {
        let parameter = |name: &str, place: &str| json!({"name": name, "in": place, "required": true, "schema": {"type": "string"}});
        let paths = json!({"/{b}/{a}/{c}": {"get": {"operationId": "x", "responses": {}, "parameters": [
            parameter("q", "query"), parameter("a", "path"), parameter("b", "path"), parameter("z", "path")]}}});
        let (api, notes) = model(paths, json!({}));
        let names: Vec<&str> = api.operations[0].parameters.iter().map(|parameter| parameter.wire.as_str()).collect();
        assert_eq!(names, ["b", "a", "c", "q"]);
        assert!(notes.contains("{c} without a parameter") && notes.contains("\"z\" is not in the path"));
    }

    #[test]
    fn a_name_that_stands_in_the_path_twice_is_one_parameter() {
        let (api, _) = model(json!({"/{a}/x/{b}/{a}": {"get": {"operationId": "x", "responses": {}}}}), json!({}));
        let names: Vec<&str> = api.operations[0].parameters.iter().map(|parameter| parameter.wire.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn what_is_not_sent_is_noted() {
        let text = json!({"type": "string"});
        let (all, notes) = with(
            json!([{"name": "c", "in": "cookie", "schema": text}, {"name": "Authorization", "in": "header", "schema": text},
            {"name": "content-type", "in": "header", "schema": text}]),
        );
        assert_eq!((all.len(), notes.lines().count()), (1, 3), "{notes}");
    }

    #[test]
    fn lists_are_written_as_their_style_says() {
        let list = |place: &str, style: Value| {
            let mut parameter =
                json!({"name": "l", "in": place, "schema": {"type": "array", "items": {"type": "string"}}});
            style.as_object().unwrap().iter().for_each(|(key, value)| parameter[key] = value.clone());
            only(parameter).0.list
        };
        assert_eq!(list("query", json!({})), Some(ListForm::Repeated));
        assert_eq!(list("query", json!({"explode": false})), Some(ListForm::Joined(',')));
        assert_eq!(list("query", json!({"style": "spaceDelimited"})), Some(ListForm::Joined(' ')));
        assert_eq!(list("query", json!({"style": "pipeDelimited", "explode": true})), Some(ListForm::Repeated));
        assert_eq!(list("header", json!({})), Some(ListForm::Joined(',')));
    }

    #[test]
    fn an_object_in_the_query_is_a_parameter_for_each_member() {
        let schema = json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string", "description": "A."}, "b": {"type": "object"}}});
        let (all, notes) = with(json!([{"name": "o", "in": "query", "required": true, "schema": schema},
            {"name": "d", "in": "query", "style": "deepObject", "schema": schema}]));
        let sent: Vec<(&str, &str, bool)> =
            all[1..].iter().map(|one| (one.wire.as_str(), one.name.as_str(), one.required)).collect();
        assert_eq!(sent, [("a", "a", true), ("b", "b", false), ("d[a]", "d_a", false), ("d[b]", "d_b", false)]);
        assert_eq!((&all[2].schema, all[1].docs[0].as_str()), (&json!({}), "A."));
        assert!(notes.contains("each member of the object"));
    }

    #[test]
    fn what_is_not_plain_is_sent_as_json_text() {
        for parameter in [
            json!({"name": "p", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}}),
            json!({"name": "p", "in": "query", "schema": {"type": "object"}}),
            json!({"name": "p", "in": "header", "schema": {"$ref": "#/components/schemas/A"}}),
        ] {
            let (one, notes) = only(parameter);
            assert_eq!(one.schema, json!({}));
            assert!(notes.contains("text of a JSON value"));
        }
    }

    #[test]
    fn names_of_plain_types_are_opened_and_enums_are_named() {
        assert_eq!(
            only(json!({"name": "p", "in": "query", "schema": {"$ref": "#/components/schemas/Text"}})).0.schema,
            json!({"type": "string"})
        );
        let (one, _) = only(json!({"name": "p", "in": "query", "schema": {"type": "string", "enum": ["a"]}}));
        assert_eq!(one.schema, json!({"$ref": "#/components/schemas/Ap"}));
    }

    #[test]
    fn names_that_are_taken_get_an_underscore() {
        let (one, notes) = only(json!({"name": "call", "in": "query", "schema": {"type": "string"}}));
        assert_eq!((one.name.as_str(), one.wire.as_str()), ("call_", "call"));
        assert!(notes.contains("is called call_"));
        assert_eq!(only(json!({"name": "fn", "in": "query", "schema": {}})).0.name, "fn_");
    }
}

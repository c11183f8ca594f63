//! Request bodies: one media type is chosen, the others are noted.
use serde_json::{Value, json};

use super::lower::Lower;
use super::operations::Place;
use crate::model::{Body, BodyKind};
use crate::names;
use crate::problem::Result;
use crate::{docs, walk};

/// What an operation sends.
pub(super) fn body(lower: &mut Lower<'_>, place: &Place<'_>) -> Result<Option<Body>> {
    let Some(body) = place.operation.get("requestBody") else { return Ok(None) };
    let content = walk::map(body, "content");
    let Some((media, value)) = choose(content.iter()) else {
        lower.components.note(&place.name(), "its body has no media type and is not generated");
        return Ok(None);
    };
    let others: Vec<&str> = content.keys().filter(|other| *other != media).map(String::as_str).collect();
    if !others.is_empty() {
        lower.components.note(&place.name(), format_args!("its body is sent as {media}, not as {}", others.join(", ")));
    }
    let any = json!({});
    let schema = value.get("schema").unwrap_or(&any);
    let at = format!("{}, body", place.name());
    let mut docs = walk::text(body, "description").map(docs::markdown).unwrap_or_default();
    let bare = bare(media);
    let kind = if is_json(&bare) {
        BodyKind::Json(
            usage(lower, schema, &at, place)?,
            if bare == "text/json" { "application/json".to_owned() } else { bare },
        )
    } else if bare == "application/x-www-form-urlencoded" {
        BodyKind::Form(usage(lower, schema, &at, place)?)
    } else if bare.starts_with("multipart/") {
        docs.extend(parts(lower, schema, &at));
        lower.components.note(&at, "the parts of the form are not typed");
        BodyKind::Multipart
    } else {
        BodyKind::Raw(concrete(lower, media, &at))
    };
    Ok(Some(Body { kind, required: walk::is_true(body, "required"), docs }))
}

fn usage(lower: &mut Lower<'_>, schema: &Value, at: &str, place: &Place<'_>) -> Result<Value> {
    let hint = format!("{} Body", names::type_name(place.id));
    Ok(lower.usage(schema, at, &hint)?.schema)
}

/// JSON first, then a form, then parts, then whatever is there.
fn choose<'a>(content: impl Iterator<Item = (&'a String, &'a Value)> + Clone) -> Option<(&'a String, &'a Value)> {
    let rank = |media: &String| {
        let bare = bare(media);
        match bare.as_str() {
            "application/json" => 0,
            "text/json" => 1,
            other if is_json(other) => 2,
            "application/x-www-form-urlencoded" => 3,
            other if other.starts_with("multipart/") => 4,
            _ => 5,
        }
    };
    content.min_by_key(|(media, _)| rank(media))
}

/// A media type without its parameters, in lower case.
pub(super) fn bare(media: &str) -> String {
    media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a media type is JSON.
pub(super) fn is_json(bare: &str) -> bool {
    bare == "application/json" || bare == "text/json" || bare.ends_with("+json")
}

/// A media type that can be sent: one with a wildcard says nothing.
fn concrete(lower: &Lower<'_>, media: &str, at: &str) -> String {
    if !media.contains('*') && media.is_ascii() && !media.contains(char::is_control) {
        return media.trim().to_owned();
    }
    let what = format!("{media} names no media type; `application/octet-stream` is sent");
    lower.components.note(at, what);
    "application/octet-stream".to_owned()
}

/// The parts of a form, in words.
fn parts(lower: &Lower<'_>, schema: &Value, at: &str) -> Vec<String> {
    let schema = lower.components.followed(schema, at);
    let required = walk::list(&schema, "required");
    let mut lines = Vec::new();
    for (name, part) in walk::map(&schema, "properties") {
        let part = lower.components.followed(part, at);
        let optional = if required.iter().any(|r| r == name) { "" } else { " (optional)" };
        let text = walk::text(&part, "description").map(docs::markdown).unwrap_or_default().join(" ");
        let colon = if text.is_empty() { "" } else { ": " };
        lines.push(format!("- {}{optional}{colon}{text}", docs::code(name)));
    }
    if !lines.is_empty() {
        lines.insert(0, "Parts:".to_owned());
        lines.insert(1, String::new());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::testing::operation;
    use super::*;

    fn with(body: Value) -> (Option<Body>, String) {
        let (one, notes) =
            operation(json!({"operationId": "a", "requestBody": body, "responses": {"200": {"description": ""}}}));
        (one.body, notes)
    }
    fn of(media: &str) -> (BodyKind, String) {
        let (body, notes) = with(json!({"content": {media: {"schema": {"$ref": "#/components/schemas/A"}}}}));
        (body.unwrap().kind, notes)
    }

    #[test]
    fn a_body_is_optional_unless_the_document_requires_it() {
        let content = json!({"application/json": {"schema": {}}});
        assert!(!with(json!({"content": content})).0.unwrap().required);
        assert!(with(json!({"content": content, "required": true})).0.unwrap().required);
        let (none, notes) = with(json!({"content": {}}));
        assert!(none.is_none() && notes.contains("no media type"));
    }

    #[test]
    fn json_is_chosen_before_a_form_and_a_form_before_parts() {
        let (body, notes) = with(
            json!({"content": {"multipart/form-data": {}, "text/json": {}, "application/json; charset=utf-8": {}}}),
        );
        assert!(matches!(body.unwrap().kind, BodyKind::Json(_, media) if media == "application/json"));
        assert!(notes.contains("sent as application/json; charset=utf-8, not as multipart/form-data, text/json"));
        let (body, _) = with(json!({"content": {"multipart/form-data": {}, "application/x-www-form-urlencoded": {}}}));
        assert!(matches!(body.unwrap().kind, BodyKind::Form(_)));
    }

    #[test]
    fn every_media_type_is_sent_as_what_it_is() {
        assert!(
            matches!(of("application/merge-patch+json").0, BodyKind::Json(_, media) if media == "application/merge-patch+json")
        );
        assert!(matches!(of("text/json").0, BodyKind::Json(_, media) if media == "application/json"));
        assert!(
            matches!(of("application/octet-stream").0, BodyKind::Raw(media) if media == "application/octet-stream")
        );
        assert!(matches!(of("text/plain").0, BodyKind::Raw(media) if media == "text/plain"));
        let (kind, notes) = of("image/*");
        assert!(
            matches!(kind, BodyKind::Raw(media) if media == "application/octet-stream")
                && notes.contains("image/* names no media type")
        );
    }

    #[test]
    fn the_parts_of_a_form_are_documented() {
        let schema = json!({"required": ["file"], "properties": {"file": {"type": "string", "format": "binary", "description": "It."}, "n": {}}});
        let (body, notes) = with(json!({"content": {"multipart/form-data": {"schema": schema}}}));
        assert_eq!(body.unwrap().docs, ["Parts:", "", "- `file`: It.", "- `n` (optional)"]);
        assert!(notes.contains("the parts of the form are not typed"));
    }

    #[test]
    fn a_body_without_a_schema_is_any_value() {
        let (body, _) = with(json!({"content": {"application/json": {}}}));
        assert!(matches!(body.unwrap().kind, BodyKind::Json(schema, _) if schema == json!({})));
    }
}

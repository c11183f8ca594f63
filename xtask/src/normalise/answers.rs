//! Answers: which statuses are a success, and the one form in which a success comes back.
use serde_json::{Value, json};

use super::bodies::{bare, is_json};
use super::lower::{Lower, name_of};
use super::operations::Place;
use crate::model::Answer;
use crate::names;
use crate::problem::Result;
use crate::{docs, walk};

/// What an operation receives.
pub(super) struct Received {
    pub answer: Answer,
    pub accept: String,
    pub empty: Vec<u16>,
    pub failures: Vec<String>,
}

/// A documented success.
#[derive(Clone, Debug, PartialEq)]
enum Success {
    Nothing,
    Json { media: String, schema: Value },
    Stream(String),
    Bytes(String),
}

/// What an operation receives.
pub(super) fn answer(lower: &mut Lower<'_>, place: &Place<'_>) -> Result<Received> {
    let responses = walk::map(place.operation, "responses");
    let mut successes: Vec<(&str, &Value)> = responses
        .iter()
        .filter(|(status, _)| status.starts_with('2'))
        .map(|(status, response)| (status.as_str(), response))
        .collect();
    if successes.is_empty() {
        match responses.get("default") {
            Some(response) => successes.push(("default", response)),
            None => lower.components.note(&place.name(), "documents no success; any 2xx without a value is one"),
        }
    }
    errors(lower, place, &successes)?;
    let kinds: Vec<(&str, &Value, Success)> =
        successes.iter().map(|(status, response)| (*status, *response, success(lower, place, response))).collect();
    let mut received = combine(lower, place, &kinds)?;
    received.failures = failures(responses, &successes);
    Ok(received)
}

/// The types of documented errors are generated too, for whoever decodes them.
fn errors(lower: &mut Lower<'_>, place: &Place<'_>, successes: &[(&str, &Value)]) -> Result<()> {
    for (status, response) in walk::map(place.operation, "responses") {
        if successes.iter().any(|(known, _)| known == status) {
            continue;
        }
        for (media, value) in walk::map(response, "content") {
            let Some(schema) = value.get("schema").filter(|_| is_json(&bare(media))) else { continue };
            let hint = format!("{} error {status}", names::type_name(place.id));
            lower.usage(schema, &format!("{}, {status}", place.name()), &hint)?;
        }
    }
    Ok(())
}

/// What one documented success carries.
fn success(lower: &Lower<'_>, place: &Place<'_>, response: &Value) -> Success {
    let content = walk::map(response, "content");
    if place.method == "HEAD" || content.is_empty() {
        return Success::Nothing;
    }
    let any = json!({});
    let schema = |value: &Value| value.get("schema").unwrap_or(&any).clone();
    let json = content.iter().find(|(media, _)| is_json(&bare(media)));
    let wild = content.iter().find(|(media, value)| *media == "*/*" && !is_binary(lower, value));
    if let Some((media, value)) = json.or(wild) {
        let others: Vec<&str> = content.keys().filter(|other| *other != media).map(String::as_str).collect();
        if others.iter().any(|other| !is_json(&bare(other))) {
            lower
                .components
                .note(&place.name(), format_args!("answers are read as {media}, not as {}", others.join(", ")));
        }
        let media = if is_json(&bare(media)) { bare(media) } else { "application/json".to_owned() };
        return Success::Json { media, schema: schema(value) };
    }
    let accept: Vec<&str> = content.keys().map(String::as_str).collect();
    let accept = accept.join(", ");
    let many = |(media, value): (&String, &Value)| streams(&bare(media)) || is_binary(lower, value);
    if content.iter().any(many) { Success::Stream(accept) } else { Success::Bytes(accept) }
}

/// Media types whose bodies may be long, or never end.
fn streams(media: &str) -> bool {
    let long = [
        "application/octet-stream",
        "application/x-ndjson",
        "application/jsonl",
        "application/zip",
        "text/event-stream",
    ];
    long.contains(&media) || ["image/", "video/", "audio/"].iter().any(|kind| media.starts_with(kind))
}

fn is_binary(lower: &Lower<'_>, value: &Value) -> bool {
    let schema = value.get("schema").map(|schema| lower.components.followed(schema, ""));
    schema.is_some_and(|schema| walk::text(&schema, "format") == Some("binary"))
}

/// One form for all documented successes.
fn combine(lower: &mut Lower<'_>, place: &Place<'_>, kinds: &[(&str, &Value, Success)]) -> Result<Received> {
    let received =
        |answer, accept: &str| Received { answer, accept: accept.to_owned(), empty: vec![], failures: vec![] };
    let mut carrying: Vec<&Success> = Vec::new();
    for (.., success) in kinds.iter().filter(|(.., success)| *success != Success::Nothing) {
        if !carrying.contains(&success) {
            carrying.push(success);
        }
    }
    match carrying.as_slice() {
        [] => Ok(received(Answer::Empty, "application/json")),
        [Success::Json { media, schema }] => {
            let hint = format!("{} Response", names::type_name(place.id));
            let usage = lower.usage(schema, &format!("{}, answer", place.name()), &hint)?;
            let mut received = received(Answer::Json(usage.schema, usage.nullable), media);
            received.empty = empty(lower, place, kinds);
            Ok(received)
        }
        [Success::Stream(accept)] => Ok(received(Answer::Stream, accept)),
        [Success::Bytes(accept)] => Ok(received(Answer::Bytes, accept)),
        several => {
            if let Some(same) = same_type(lower, place, several)? {
                let mut received = same;
                received.empty = empty(lower, place, kinds);
                return Ok(received);
            }
            let what = "has successes of different forms; the answer is bytes, and its status tells which";
            lower.components.note(&place.name(), what);
            Ok(received(Answer::Bytes, "*/*"))
        }
    }
}

/// Successes that are described differently and are the same named type.
fn same_type(lower: &mut Lower<'_>, place: &Place<'_>, several: &[&Success]) -> Result<Option<Received>> {
    let mut found: Option<(Value, bool, String)> = None;
    for success in several {
        let Success::Json { media, schema } = success else { return Ok(None) };
        let simple = lower.components.simple(schema, &place.name());
        if super::resolve::reference(&simple).is_none() {
            return Ok(None);
        }
        let usage = lower.usage(schema, &place.name(), "")?;
        match &mut found {
            None => found = Some((usage.schema, usage.nullable, media.clone())),
            Some((schema, nullable, _)) if name_of(schema) == name_of(&usage.schema) => *nullable |= usage.nullable,
            Some(_) => return Ok(None),
        }
    }
    Ok(found.map(|(schema, nullable, accept)| Received {
        answer: Answer::Json(schema, nullable),
        accept,
        empty: vec![],
        failures: vec![],
    }))
}

/// The statuses that may come without a body.
fn empty(lower: &Lower<'_>, place: &Place<'_>, kinds: &[(&str, &Value, Success)]) -> Vec<u16> {
    let mut statuses = Vec::new();
    for (status, response, success) in kinds {
        if *success != Success::Nothing && !walk::is_true(response, "x-body-optional") {
            continue;
        }
        match status.parse::<u16>() {
            Ok(status) => statuses.push(status),
            Err(_) => {
                let what = format!("{status} may come without a body; a status has to be named for that");
                lower.components.note(&place.name(), what);
            }
        }
    }
    statuses.sort_unstable();
    statuses
}

/// The documented failures, in words.
fn failures(responses: &serde_json::Map<String, Value>, successes: &[(&str, &Value)]) -> Vec<String> {
    let failure = |status: &String| !status.starts_with("x-") && !successes.iter().any(|(known, _)| known == status);
    let line = |(status, response): (&String, &Value)| {
        let text = walk::text(response, "description").map(docs::markdown).unwrap_or_default().join(" ");
        let status = if status == "default" { "any other".to_owned() } else { status.clone() };
        if text.is_empty() { status } else { format!("{status}: {text}") }
    };
    responses.iter().filter(|(status, _)| failure(status)).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{find, model, operation};
    use super::*;
    use crate::model::Operation;

    fn with(responses: Value) -> (Operation, String) {
        operation(json!({"operationId": "a", "responses": responses}))
    }
    fn json_of(name: &str) -> Value {
        json!({"description": "", "content": {"application/json": {"schema": {"$ref": format!("#/components/schemas/{name}")}}}})
    }
    fn media(media: &str) -> Value {
        json!({"200": {"description": "", "content": {media: {"schema": {"type": "string"}}}}})
    }

    #[test]
    fn the_same_value_under_two_statuses_is_one_answer() {
        let (one, notes) = with(json!({"200": json_of("A"), "202": json_of("A")}));
        assert!(matches!(&one.answer, Answer::Json(schema, false) if name_of(schema) == Some("A")));
        assert_eq!((one.empty.len(), notes.as_str()), (0, ""));
        let wrapped = json!({"description": "", "content": {"application/json": {"schema": {"allOf": [{"$ref": "#/components/schemas/A"}], "description": "d"}}}});
        assert!(matches!(with(json!({"200": json_of("A"), "201": wrapped})).0.answer, Answer::Json(..)));
    }

    #[test]
    fn statuses_without_content_or_with_an_optional_body_may_be_empty() {
        let mut optional = json_of("A");
        optional["x-body-optional"] = json!(true);
        let (one, _) = with(json!({"204": {"description": ""}, "202": optional, "200": json_of("A")}));
        assert_eq!(one.empty, [202, 204]);
        let (one, notes) = with(json!({"200": json_of("A"), "2XX": {"description": ""}}));
        assert!(one.empty.is_empty() && notes.contains("2XX may come without a body"));
    }

    #[test]
    fn successes_of_different_forms_are_bytes() {
        let (one, notes) = with(json!({"200": json_of("A"), "202": json_of("B")}));
        assert!(matches!(one.answer, Answer::Bytes) && notes.contains("different forms"));
        assert_eq!(one.accept, "*/*");
    }

    #[test]
    fn the_default_answer_is_a_success_only_if_there_is_no_other() {
        assert!(matches!(with(json!({"default": json_of("A")})).0.answer, Answer::Json(..)));
        let (one, _) = with(json!({"204": {"description": ""}, "default": json_of("A")}));
        assert!(matches!(one.answer, Answer::Empty));
        let (one, notes) = with(json!({"404": json_of("A")}));
        assert!(matches!(one.answer, Answer::Empty) && notes.contains("documents no success"));
    }

    #[test]
    fn media_types_decide_how_an_answer_comes() {
        for (name, accept) in [
            ("text/event-stream", "text/event-stream"),
            ("application/octet-stream", "application/octet-stream"),
            ("image/png", "image/png"),
        ] {
            let (one, _) = with(media(name));
            assert!(matches!(one.answer, Answer::Stream), "{name}");
            assert_eq!(one.accept, accept);
        }
        assert!(matches!(with(media("text/csv")).0.answer, Answer::Bytes));
        let (one, _) =
            with(json!({"200": {"description": "", "content": {"application/vnd.x+json; v=1": {"schema": {}}}}}));
        assert!(matches!(one.answer, Answer::Json(..)) && one.accept == "application/vnd.x+json");
        assert!(matches!(
            with(json!({"200": {"description": "", "content": {"*/*": {"schema": {"type": "object"}}}}})).0.answer,
            Answer::Json(..)
        ));
        let binary =
            json!({"200": {"description": "", "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}});
        assert!(matches!(with(binary).0.answer, Answer::Stream));
    }

    #[test]
    fn a_stream_beside_json_is_noted() {
        let (one, notes) = with(
            json!({"200": {"description": "", "content": {"text/event-stream": {}, "application/json": {"schema": {}}}}}),
        );
        assert!(matches!(one.answer, Answer::Json(..)) && notes.contains("not as text/event-stream"));
    }

    #[test]
    fn documented_failures_are_told_and_their_types_generated() {
        let error = json!({"description": "No such thing.", "content": {"application/problem+json": {"schema": {"type": "object", "properties": {"why": {}}}}}});
        let paths = json!({"/x": {"get": {"operationId": "getX", "responses": {"200": {"description": ""}, "404": error, "default": {"description": ""}}}}});
        let (api, _) = model(paths, json!({}));
        assert_eq!(api.operations[0].failures, ["404: No such thing.", "any other"]);
        find(&api, "GetXError404");
    }
}

//! Operations: their ids and names, and everything that is said about them.
use std::collections::BTreeMap;

use serde_json::Value;

use super::lower::Lower;
use super::{answers, bodies, parameters};
use crate::model::{Operation, Parameter};
use crate::names::{self, Taken};
use crate::problem::{Problem, Result};
use crate::{docs, walk};

/// Names of the generated client's own methods, and statics of the module of operations.
const METHODS_TAKEN: [&str; 2] = ["from_http", "http"];
const STATICS_TAKEN: [&str; 1] = ["ALL"];

/// An operation where it stands in the document.
pub(super) struct Place<'a> {
    pub id: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    pub item: &'a Value,
    pub operation: &'a Value,
}

impl Place<'_> {
    /// As messages name it.
    pub(super) fn name(&self) -> String {
        format!("operation {:?}", self.id)
    }
}

/// All operations of a document, in its order.
///
/// # Errors
/// Two operations with the same id, and what their parts report.
pub(super) fn operations(lower: &mut Lower<'_>, document: &Value) -> Result<Vec<Operation>> {
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    let (mut methods, mut statics) = (Taken::with(&METHODS_TAKEN), Taken::with(&STATICS_TAKEN));
    let mut options = Taken::default();
    let mut found = Vec::new();
    for (path, item) in walk::map(document, "paths") {
        if !path.starts_with('/') {
            if !path.starts_with("x-") {
                lower.components.note(&format!("path {path:?}"), "does not start with a slash and is not generated");
            }
            continue;
        }
        for method in walk::METHODS {
            let Some(operation) = item.get(method).filter(|operation| operation.is_object()) else { continue };
            let verb = method.to_uppercase();
            let id = id(lower, operation, &verb, path);
            let here = format!("{verb} {path}");
            if let Some(first) = ids.insert(id.clone(), here.clone()) {
                let what = format!("{first} and {here} have the same operationId; give one of them another");
                return Err(Problem::new(format!("operation {id:?}"), what));
            }
            let place = Place { id: &id, method: &verb, path, item, operation };
            let names = Names::claim(lower, &place, &mut methods, &mut statics, &mut options);
            found.push(one(lower, &place, names)?);
        }
    }
    Ok(found)
}

/// The id of an operation; one without gets an id from method and path.
fn id(lower: &Lower<'_>, operation: &Value, verb: &str, path: &str) -> String {
    match walk::text(operation, "operationId").filter(|id| !id.trim().is_empty()) {
        Some(id) => id.to_owned(),
        None => {
            let id = names::field_name(&format!("{} {}", verb.to_lowercase(), path.replace(['/', '{', '}'], " ")));
            lower.components.note(&format!("{verb} {path}"), format_args!("has no operationId; it is called {id:?}"));
            id
        }
    }
}

/// What an operation is called in Rust.
struct Names {
    method: String,
    constant: String,
    options: String,
}

impl Names {
    fn claim(
        lower: &Lower<'_>,
        place: &Place<'_>,
        methods: &mut Taken,
        statics: &mut Taken,
        options: &mut Taken,
    ) -> Self {
        let wanted = names::field_name(place.id);
        let method = methods.claim(&wanted);
        if method != wanted {
            let what = format!("its method is called {method}, because {wanted} is taken");
            lower.components.note(&place.name(), what);
        }
        let constant = statics.claim(&names::static_name(&method));
        let base = if method == wanted { names::type_name(place.id) } else { names::type_name(&method) };
        Self { constant, options: options.claim(&format!("{}Options", base.trim_end_matches('_'))), method }
    }
}

fn one(lower: &mut Lower<'_>, place: &Place<'_>, names: Names) -> Result<Operation> {
    let body = bodies::body(lower, place)?;
    let parameters = parameters::parameters(lower, place, body.is_some())?;
    let path = sent_path(lower, place, &parameters)?;
    let answer = answers::answer(lower, place)?;
    if walk::map(place.operation, "callbacks").keys().next().is_some() {
        lower.components.note(&place.name(), "callbacks are not generated");
    }
    Ok(Operation {
        id: place.id.to_owned(),
        method: place.method.to_owned(),
        path,
        client: walk::text(place.operation, "x-client").map_or_else(|| "Client".to_owned(), names::type_name),
        name: names.method,
        constant: names.constant,
        options: names.options,
        docs: description(place),
        parameters,
        body,
        answer: answer.answer,
        accept: answer.accept,
        empty: answer.empty,
        switches: walk::map(place.operation, "responses").contains_key(answers::SWITCHED),
        failures: answer.failures,
    })
}

/// The path as it is sent: without a fragment, which some documents use to tell two operations of one path apart.
fn sent_path(lower: &Lower<'_>, place: &Place<'_>, parameters: &[Parameter]) -> Result<String> {
    let (path, fragment) = place.path.split_once('#').unwrap_or((place.path, ""));
    if !fragment.is_empty() {
        lower.components.note(&place.name(), format_args!("the fragment {fragment:?} of its path is not sent"));
    }
    if path.contains('?') {
        let what =
            format!("the path {path:?} has a query in it; declare parameters instead, in the document or its overlay");
        return Err(Problem::new(place.name(), what));
    }
    // `{+name}`: a value may be several segments (`x-segments`).
    let several = parameters.iter().filter(|parameter| parameter.several);
    Ok(several
        .fold(path.to_owned(), |path, one| path.replace(&format!("{{{}}}", one.wire), &format!("{{+{}}}", one.wire))))
}

/// Summary and description of an operation.
fn description(place: &Place<'_>) -> Vec<String> {
    let text = |value: &Value, key: &str| walk::text(value, key).map(docs::markdown).unwrap_or_default();
    let mut lines = text(place.operation, "summary");
    if lines.is_empty() {
        lines = text(place.item, "summary");
    }
    let description = text(place.operation, "description");
    if lines.is_empty() {
        lines = description;
    } else if !description.is_empty() && description != lines {
        close_sentence(&mut lines);
        lines.push(String::new());
        lines.extend(description);
    }
    if lines.is_empty() {
        lines.push(format!("The operation {}.", docs::code(place.id)));
    }
    if walk::is_true(place.operation, "deprecated") {
        lines.push(String::new());
        lines.push("Deprecated by the provider.".to_owned());
    }
    lines
}

/// A summary ends like a sentence.
fn close_sentence(lines: &mut [String]) {
    if let Some(last) = lines.last_mut()
        && last.ends_with(|c: char| c.is_alphanumeric() || c == '`' || c == ')')
    {
        last.push('.');
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{model, operation};
    use crate::problem::Notes;
    use serde_json::{Value, json};

    fn ok() -> Value {
        json!({"200": {"description": ""}})
    }

    #[test]
    fn an_operation_without_an_id_is_named_after_method_and_path() {
        let (one, notes) = operation(json!({"responses": ok()}));
        assert_eq!(
            (one.id.as_str(), one.name.as_str(), one.options.as_str()),
            ("post_x_id", "post_x_id", "PostXIdOptions")
        );
        assert!(notes.contains("POST /x/{id}: has no operationId; it is called \"post_x_id\""));
    }

    #[test]
    fn the_same_id_twice_is_an_error_that_names_both() {
        let one = json!({"operationId": "same", "responses": ok()});
        let document = json!({"openapi": "3.0.3", "paths": {"/a": {"get": one}, "/b": {"put": one}}});
        let problem = super::super::normalise(document, "", Notes::default()).unwrap_err().to_string();
        assert_eq!(
            problem,
            "operation \"same\": GET /a and PUT /b have the same operationId; give one of them another"
        );
    }

    #[test]
    fn ids_that_become_the_same_or_are_taken_are_noted() {
        let one = |id: &str| json!({"operationId": id, "responses": ok()});
        let (api, notes) = model(
            json!({"/a": {"get": one("getIt"), "put": one("get_it")}, "/b": {"get": one("all"), "put": one("from_http")}, "/c": {"get": one("match")}}),
            json!({}),
        );
        let names: Vec<(&str, &str)> =
            api.operations.iter().map(|one| (one.name.as_str(), one.constant.as_str())).collect();
        assert_eq!(
            names,
            [
                ("get_it", "GET_IT"),
                ("get_it2", "GET_IT2"),
                ("all", "ALL2"),
                ("from_http2", "FROM_HTTP2"),
                ("match_", "MATCH")
            ]
        );
        assert!(notes.contains("operation \"get_it\": its method is called get_it2"), "{notes}");
    }

    #[test]
    fn a_fragment_is_not_sent_and_a_query_in_the_path_is_an_error() {
        let paths =
            |path: &str| json!({"openapi": "3.0.3", "paths": {path: {"get": {"operationId": "a", "responses": ok()}}}});
        let (api, notes) = super::super::normalise(paths("/a#b"), "", Notes::default()).unwrap();
        assert_eq!(api.operations[0].path, "/a");
        assert!(notes.text().contains("the fragment \"b\""));
        let problem = super::super::normalise(paths("/a?b=c"), "", Notes::default()).unwrap_err();
        assert!(problem.to_string().contains("declare parameters instead"));
    }

    #[test]
    fn summary_and_description_become_documentation() {
        let (one, _) = operation(
            json!({"operationId": "a", "summary": "Does it", "description": "Well.", "deprecated": true, "responses": ok()}),
        );
        assert_eq!(one.docs, ["Does it.", "", "Well.", "", "Deprecated by the provider."]);
        assert_eq!(operation(json!({"operationId": "a", "responses": ok()})).0.docs, ["The operation `a`."]);
    }
}

//! Reads an OpenAPI document and applies the overlay beside it.
use roas_overlay::apply::{Apply, ApplyOptions};
use serde_json::Value;

use crate::problem::{Notes, Problem, Result};
use crate::{down31, walk};

/// A document as text, with the overlay that lies beside it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The path of the document, as messages and the generated file name it: `specs/x/v1.json`.
    pub path: &'a str,
    /// The document.
    pub text: &'a str,
    /// The text of `<api>.overlay.json`, if there is one.
    pub overlay: Option<&'a str>,
}

/// Reads the document, patches it, and makes it OpenAPI 3.0.
///
/// # Errors
/// A text that is not JSON, a version that is not 3.0 or 3.1, an overlay action that matches nothing.
pub fn read(source: &Source<'_>, notes: &mut Notes) -> Result<Value> {
    let mut document = parse(source.text)?;
    supported(&document)?;
    if let Some(overlay) = source.overlay {
        apply(&mut document, overlay)?;
        supported(&document)?;
    }
    down31::convert(&mut document, notes);
    Ok(document)
}

fn parse(text: &str) -> Result<Value> {
    let wrong = |e: serde_json::Error| Problem::new("", format!("is not JSON: {e}; YAML has to be converted first"));
    serde_json::from_str(text).map_err(wrong)
}

/// Refuses what is not OpenAPI 3.0 or 3.1.
fn supported(document: &Value) -> Result<()> {
    if let Some(version) = walk::text(document, "swagger") {
        let what = format!("is a Swagger {version} document; convert it to OpenAPI 3.0 first");
        return Err(Problem::new("", what));
    }
    match walk::text(document, "openapi") {
        Some(version) if version.starts_with("3.0") || version.starts_with("3.1") => {}
        Some(version) => {
            return Err(Problem::new("openapi", format!("version {version} is not supported, only 3.0 and 3.1 are")));
        }
        None => return Err(Problem::new("openapi", "is missing: this is not an OpenAPI document")),
    }
    for key in ["paths", "components"] {
        if document.get(key).is_some_and(|value| !value.is_object()) {
            return Err(Problem::new(key, "is not an object"));
        }
    }
    Ok(())
}

/// Applies an OpenAPI Overlay; an action that matches nothing is an error.
fn apply(document: &mut Value, overlay: &str) -> Result<()> {
    let parsed: Value = serde_json::from_str(overlay).map_err(|e| wrong(format!("is not JSON: {e}")))?;
    match walk::text(&parsed, "overlay") {
        Some(version) if version.starts_with("1.0") => apply_as::<roas_overlay::v1_0::Overlay>(document, parsed),
        Some(version) if version.starts_with("1.1") => apply_as::<roas_overlay::v1_1::Overlay>(document, parsed),
        Some(version) => Err(wrong(format!("version {version} is not supported, only 1.0 and 1.1 are"))),
        None => Err(wrong("is not an OpenAPI Overlay: the member \"overlay\" is missing".to_owned())),
    }
}

fn apply_as<T: Apply + serde::de::DeserializeOwned>(document: &mut Value, overlay: Value) -> Result<()> {
    let overlay: T = serde_json::from_value(overlay).map_err(|e| wrong(format!("cannot be read: {e}")))?;
    match overlay.apply(document, ApplyOptions::ErrorOnZeroMatch.into()) {
        Ok(_) => Ok(()),
        Err(e) => Err(wrong(format!("{e}; every action has to match, so remove it or correct its target"))),
    }
}

fn wrong(what: String) -> Problem {
    Problem::new("overlay", what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_text(text: &str, overlay: Option<&str>) -> Result<Value> {
        read(&Source { path: "specs/x/v1.json", text, overlay }, &mut Notes::default())
    }

    #[test]
    fn other_formats_are_refused_with_what_to_do() {
        let message = |text: &str| read_text(text, None).unwrap_err().to_string();
        assert!(message("openapi: 3.0.0").contains("YAML has to be converted"));
        assert!(message(r#"{"swagger": "2.0"}"#).contains("Swagger 2.0"));
        assert!(message(r#"{"openapi": "4.0.0"}"#).contains("4.0.0 is not supported"));
        assert!(message("{}").contains("not an OpenAPI document"));
        assert!(message(r#"{"openapi": "3.0.3", "paths": []}"#).starts_with("paths: is not an object"));
    }

    #[test]
    fn an_overlay_patches_the_document_before_it_is_converted() {
        let text = r#"{"openapi": "3.1.0", "info": {"title": "a"}}"#;
        for version in ["1.0.0", "1.1.0"] {
            let overlay = json!({"overlay": version, "info": {"title": "o", "version": "1"},
                "actions": [{"target": "$.info", "update": {"title": "b"}}]});
            let document = read_text(text, Some(&overlay.to_string())).unwrap();
            assert_eq!((&document["info"]["title"], &document["openapi"]), (&json!("b"), &json!("3.0.3")));
        }
        assert!(read_text(text, Some("{}")).unwrap_err().to_string().contains("\"overlay\" is missing"));
    }

    #[test]
    fn an_overlay_action_that_matches_nothing_is_an_error_that_names_it() {
        let overlay = json!({"overlay": "1.0.0", "info": {"title": "o", "version": "1"},
            "actions": [{"target": "$.paths['/gone']", "remove": true}]});
        let problem = read_text(r#"{"openapi": "3.0.3"}"#, Some(&overlay.to_string())).unwrap_err();
        assert!(problem.to_string().starts_with("overlay: actions[0]"), "{problem}");
        assert!(problem.to_string().contains("/gone"), "{problem}");
    }
}

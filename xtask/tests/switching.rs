//! Operations that change the protocol of their connection: described, but called by hand-written code.
#![allow(clippy::unwrap_used)]
use serde_json::json;
use xtask::{Source, compile};

#[test]
fn an_operation_that_answers_101_is_described_and_has_options_but_no_method() {
    let document = json!({
        "openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {
            "/plain": {"get": {"operationId": "plain", "responses": {"204": {"description": "d"}}}},
            "/logs/{id}": {"get": {
                "operationId": "logs",
                "parameters": [
                    {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}},
                    {"name": "follow", "in": "query", "schema": {"type": "boolean"}}
                ],
                "responses": {"101": {"description": "Switched."}, "default": {"description": "d"}}
            }}
        }
    });
    let text = document.to_string();
    let code = compile(&Source { path: "specs/t/v1.json", text: &text, overlay: None }).unwrap().code;
    for part in [
        "pub async fn plain(",
        "pub static LOGS: consign_http::Operation",
        "&[&PLAIN, &LOGS]",
        "pub struct LogsOptions {",
        "pub follow: Option<bool>",
        "/// Optional parameters of `logs`.",
    ] {
        assert!(code.contains(part), "{part}\n{code}");
    }
    assert!(!code.contains("fn logs("), "{code}");
}

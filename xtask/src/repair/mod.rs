//! From the generator's types and the model to the file as it is written.
use proc_macro2::TokenStream;
use quote::quote;

mod enums;
mod graph;
mod helpers;
mod methods;
mod options;
mod structs;
mod tidy;
mod unions;

use crate::generate::Generated;
use crate::model::{Api, Shape};
use crate::problem::{Problem, Result};
use graph::Graph;
use tidy::Tidy;

/// The generated module as a syntax tree.
///
/// # Errors
/// A type or method of the model that the generator did not make.
pub fn repair(api: &Api, generated: &Generated) -> Result<syn::File> {
    let graph = Graph::of(api);
    let tidy = Tidy::new(api);
    let mut types = Vec::new();
    let mut hits = 0;
    for (index, def) in api.types.iter().enumerate() {
        let context = structs::Context { def, index, graph: &graph, tidy: &tidy, generated, api };
        types.push(match &def.shape {
            Shape::Struct(object) => structs::structure(&context, object)?,
            Shape::Alias(_) => structs::alias(&context)?,
            Shape::Enum(values, unknown) => enums::enumeration(def, values, unknown),
            Shape::Tagged(union) => unions::tagged(&context, union),
            Shape::Untagged(forms, other) => unions::untagged(&context, forms, other)?,
            Shape::External(_) => quote!(),
        });
        hits += 1;
    }
    let operations = methods::descriptions(api);
    let client = methods::client(api, generated, &tidy)?;
    let options = options::structs(api, generated, &tidy)?;
    let helpers = helpers::helpers(api);
    counted(api, hits, &client.methods)?;
    let (header, docs) = (attributes(), module_docs(api));
    let client = client.tokens;
    let file = quote! {
        #docs
        #header
        #client
        #options
        #operations
        /// The wire types.
        pub mod types {
            #(#types)*
        }
        #helpers
    };
    let fault = |e| Problem::new("", format!("the generated code is not Rust, which is a fault of xtask: {e}"));
    let mut file: syn::File = syn::parse2(file).map_err(fault)?;
    for item in &mut file.items {
        if let syn::Item::Mod(syn::ItemMod { ident, content: Some((_, items)), .. }) = item
            && ident == "types"
        {
            tidy.inside(items);
        }
    }
    Ok(file)
}

/// Every type and every operation of the model has to be in the file.
fn counted(api: &Api, types: usize, methods: &[String]) -> Result<()> {
    if types != api.types.len() {
        return Err(Problem::new("", format!("{} types, but {types} were written", api.types.len())));
    }
    for operation in &api.operations {
        if !methods.contains(&operation.name) {
            return Err(Problem::new(
                format!("operation {:?}", operation.id),
                "was not written; this is a fault of xtask",
            ));
        }
    }
    Ok(())
}

/// Lints of style that generated names and texts cannot always satisfy.
fn attributes() -> TokenStream {
    quote! {
        #![allow(
            clippy::doc_lazy_continuation,
            clippy::doc_overindented_list_items,
            clippy::enum_variant_names,
            clippy::large_enum_variant,
            clippy::new_ret_no_self,
            clippy::should_implement_trait,
            clippy::too_long_first_doc_paragraph,
            clippy::too_many_arguments,
            clippy::type_complexity,
            clippy::upper_case_acronyms,
            clippy::wrong_self_convention
        )]
    }
}

fn module_docs(api: &Api) -> TokenStream {
    let title = crate::docs::markdown(&api.title).join(" ");
    let first =
        if title.is_empty() { "The generated client.".to_owned() } else { format!("{title}: the generated client.") };
    let lines = [
        first.as_str(),
        "",
        "[`Client`] has one method for each operation, [`operations`] describes them, and [`types`] holds the wire types.",
    ];
    let lines = lines.iter().map(|line| if line.is_empty() { String::new() } else { format!(" {line}") });
    quote!(#(#![doc = #lines])*)
}

/// Documentation attributes, one for each line.
pub(crate) fn doc<S: AsRef<str>>(lines: &[S]) -> TokenStream {
    let lines = lines.iter().map(|line| {
        let line = line.as_ref();
        if line.is_empty() { String::new() } else { format!(" {line}") }
    });
    quote!(#(#[doc = #lines])*)
}

/// An identifier; names come from `names` and are always valid.
pub(crate) fn ident(name: &str) -> syn::Ident {
    syn::Ident::new(name, proc_macro2::Span::call_site())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::generate;
    use crate::normalise::testing::model;
    use serde_json::{Value, json};

    /// The generated module without white space between tokens.
    fn code(paths: Value, schemas: Value) -> String {
        let (api, _) = model(paths, schemas);
        let file = repair(&api, &generate(&api).unwrap()).unwrap();
        let text = prettyplease::unparse(&file);
        text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
    }
    fn sent(schema: Value) -> String {
        let body = json!({"content": {"application/json": {"schema": {"$ref": "#/components/schemas/S"}}}});
        code(json!({"/s": {"post": {"operationId": "s", "requestBody": body, "responses": {}}}}), json!({"S": schema}))
    }
    fn has(code: &str, parts: &[&str]) {
        for part in parts {
            assert!(code.contains(part), "{part}\nis not in\n{code}");
        }
    }

    #[test]
    fn a_struct_keeps_its_names_on_the_wire_and_writes_nothing_for_what_is_not_set() {
        let code = code(
            json!({}),
            json!({"S": {"required": ["a", "n"], "properties": {"a": {"type": "string"}, "fooBar": {"type": "array", "items": {}},
            "n": {"type": "string", "nullable": true}}, "additionalProperties": false}}),
        );
        has(
            &code,
            &[
                "#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)] #[non_exhaustive] pub struct S {",
                "/// The member `a`. pub a: String,",
                "#[serde(rename = \"fooBar\", default, skip_serializing_if = \"Option::is_none\")] pub foo_bar: Option<Vec<serde_json::Value>>,",
                "#[serde(default)] pub n: Option<String>,",
            ],
        );
        assert!(!code.contains("deny_unknown_fields") && !code.contains("extra") && !code.contains("impl S"));
    }

    #[test]
    fn a_struct_that_is_sent_has_a_constructor_setters_and_unknown_members() {
        let code = sent(
            json!({"required": ["b", "a"], "properties": {"a": {"type": "string"}, "b": {"type": "integer", "minimum": 1, "maximum": 150, "default": 20}, "c": {"type": "boolean"}}}),
        );
        has(
            &code,
            &[
                "pub fn new(a: impl Into<String>, b: i64) -> Self {",
                "pub fn c(mut self, c: bool) -> Self {",
                "#[serde(flatten)] pub extra:",
                "/// The member `b`. /// /// Limits: 1..=150, default `20`.",
            ],
        );
        assert!(!code.contains("Default, PartialEq, serde"));
        let code = sent(json!({"properties": {"a": {"type": "string"}}}));
        has(
            &code,
            &[
                "#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]",
                "pub fn new() -> Self {",
            ],
        );
    }

    #[test]
    fn a_member_called_extra_keeps_its_name() {
        has(
            &sent(json!({"properties": {"extra": {"type": "string"}}})),
            &["pub extra: Option<String>,", "#[serde(flatten)] pub extra2:"],
        );
    }

    #[test]
    fn types_that_contain_themselves_are_boxed_or_made_new_ones() {
        let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
        let code = code(
            json!({}),
            json!({"Node": {"properties": {"next": reference("Node"), "list": {"type": "array", "items": reference("Node")}}},
            "Tree": {"oneOf": [reference("Branch"), {"type": "string"}]}, "Branch": {"required": ["left"], "properties": {"left": reference("Tree")}},
            "Nested": {"type": "array", "items": reference("Nested")}, "Names": {"type": "array", "items": {"type": "string"}}}),
        );
        has(
            &code,
            &[
                "pub next: Option<Box<Node>>,",
                "pub list: Option<Vec<Node>>,",
                "Branch(Box<Branch>),",
                "pub left: Tree,",
                "#[serde(transparent)] pub struct Nested( /// The value. pub Vec<Nested>, );",
                "pub type Names = Vec<String>;",
            ],
        );
    }

    #[test]
    fn every_method_takes_its_options_last_and_ends_in_one_call() {
        let text = json!({"type": "string"});
        let paths = json!({"/v1/{id}": {"get": {"operationId": "getIt", "parameters": [
            {"name": "id", "in": "path", "required": true, "schema": text}, {"name": "wait", "in": "query", "schema": {"type": "boolean"}},
            {"name": "X-Key", "in": "header", "required": true, "schema": text}], "responses": {"200": {"description": ""}}}}});
        let code = code(paths, json!({}));
        has(
            &code,
            &[
                "pub async fn get_it( &self, id: &str, x_key: &str, options: GetItOptions, ) -> Result<consign_http::Reply<()>, consign_http::Error> {",
                "consign_http::Request::new(&operations::GET_IT, &[&id])? .query_opt(\"wait\", options.wait.as_ref()) .header(\"X-Key\", &x_key) .options(options.call); self.http.empty(request).await",
                "/// Optional parameters of [`Client::get_it`]. #[derive(Clone, Debug, Default)] #[non_exhaustive] pub struct GetItOptions {",
                "pub static GET_IT: consign_http::Operation = consign_http::Operation { id: \"getIt\", method: http::Method::GET, path: \"/v1/{id}\",",
                "/// `GET /v1/{id}`",
                "/// # Errors",
            ],
        );
        assert!(!code.contains("api-version") && !code.contains("reqwest") && !code.contains("progenitor_client"));
    }

    #[test]
    fn a_type_of_the_document_hides_that_of_the_prelude() {
        let code = code(
            json!({}),
            json!({"String": {"properties": {"a": {"type": "string"}}}, "Option": {"properties": {"b": {"$ref": "#/components/schemas/String"}}}}),
        );
        has(
            &code,
            &[
                "pub a: ::std::option::Option<std::string::String>,".replace("::std::option", "std::option").as_str(),
                "pub b: std::option::Option<String>,",
            ],
        );
    }

    #[test]
    fn helpers_are_written_only_where_they_are_used() {
        assert!(!code(json!({}), json!({"S": {"properties": {"a": {}}}})).contains("mod decode"));
        has(&code(json!({}), json!({"E": {"type": "string", "enum": ["a"]}})), &["mod decode", "fn other_case"]);
    }

    #[test]
    fn what_the_generator_did_not_make_is_an_error_that_names_it() {
        let (api, _) = model(json!({}), json!({"S": {"properties": {"a": {}}}}));
        let problem = repair(&api, &Generated::default()).unwrap_err().to_string();
        assert_eq!(problem, "schema \"S\": the generator made no type for \"a\"; this is a fault of xtask");
        let (api, _) = model(
            json!({"/a": {"get": {"operationId": "a", "parameters": [{"name": "q", "in": "query", "schema": {}}], "responses": {}}}}),
            json!({}),
        );
        let problem = repair(&api, &Generated::default()).unwrap_err().to_string();
        assert!(
            problem.starts_with("operation \"a\": the generator made no type for the parameter \"q\""),
            "{problem}"
        );
        let problem = counted(&api, 0, &[]).unwrap_err().to_string();
        assert!(problem.contains("operation \"a\": was not written"), "{problem}");
    }
}

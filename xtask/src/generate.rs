//! Runs the generator over the skeleton and reads its types back.
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use progenitor::{GenerationSettings, Generator};
use serde_json::Value;
use syn::{FnArg, GenericArgument, Item, Pat, PathArguments, ReturnType, Type};

use crate::model::Api;
use crate::problem::{Problem, Result};
use crate::skeleton;

/// The Rust types that the generator made.
#[derive(Debug, Default)]
pub struct Generated {
    /// For each struct the type of each member by its name on the wire.
    pub structs: BTreeMap<String, BTreeMap<String, Type>>,
    /// For each operation its arguments by name, and the type of the value it gives back.
    pub methods: BTreeMap<String, Method>,
}

/// The signature of a generated method.
#[derive(Debug)]
pub struct Method {
    /// By name; the types are owned ones.
    pub arguments: BTreeMap<String, Type>,
    /// Inside the reply.
    pub value: Type,
}

/// Runs the generator.
///
/// # Errors
/// Whatever the generator refuses or panics at, with the operation or schema that caused it.
pub fn generate(api: &Api) -> Result<Generated> {
    let document = skeleton::document(api);
    let replacements = skeleton::replacements(api);
    match run(&document, &replacements) {
        Ok(file) => read(&file),
        Err(message) => Err(culprit(api, &document, &replacements, &message)),
    }
}

/// Finds the operation or schema at which the generator fails.
fn culprit(api: &Api, document: &Value, replacements: &[(String, String)], message: &str) -> Problem {
    let advice = "the generator cannot take it; change it in the document or its overlay";
    for (index, def) in api.types.iter().enumerate() {
        for name in [def.name.clone(), skeleton::carrier(index)] {
            let known = document["components"]["schemas"].get(&name).is_some();
            if known && let Err(message) = run(&skeleton::only(document, None, Some(&name)), replacements) {
                return Problem::new(&def.place, format!("{advice}: {message}"));
            }
        }
    }
    for (one, path) in
        api.operations.iter().zip(document["paths"].as_object().into_iter().flat_map(|paths| paths.keys()))
    {
        if let Err(message) = run(&skeleton::only(document, Some(path), None), replacements) {
            return Problem::new(format!("operation {:?}", one.id), format!("{advice}: {message}"));
        }
    }
    Problem::new("", format!("the generator fails although it takes each operation and schema alone: {message}"))
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps the message of a panic inside the generator instead of printing it; other threads are not affected.
fn hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if QUIET.get() {
                PANIC.with_borrow_mut(|message| *message = Some(info.to_string()));
            } else {
                before(info);
            }
        }));
    });
}

/// Runs `f`; a panic in it becomes its message.
pub(crate) fn quietly<T>(f: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    hook();
    let before = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    QUIET.set(before);
    result.unwrap_or_else(|_| {
        let message = PANIC.with_borrow_mut(Option::take).unwrap_or_default();
        Err(message.lines().collect::<Vec<_>>().join(" "))
    })
}

/// One run of the generator: a file, or why there is none.
fn run(document: &Value, replacements: &[(String, String)]) -> Result<syn::File, String> {
    quietly(|| {
        let api: openapiv3::OpenAPI = serde_json::from_value(document.clone()).map_err(|e| e.to_string())?;
        let tokens = Generator::new(&settings(replacements)).generate_tokens(&api).map_err(|e| e.to_string())?;
        syn::parse2(tokens).map_err(|e| e.to_string())
    })
}

fn settings(replacements: &[(String, String)]) -> GenerationSettings {
    let mut settings = GenerationSettings::new();
    settings.with_map_type("::std::collections::BTreeMap");
    for (name, path) in replacements {
        settings.with_replacement(name, path, std::iter::empty());
    }
    let date = schemars_0_8::schema::SchemaObject {
        instance_type: Some(schemars_0_8::schema::InstanceType::String.into()),
        format: Some("date-time".to_owned()),
        ..Default::default()
    };
    settings.with_conversion(date, "::consign_http::DateTime", std::iter::empty());
    settings
}

fn read(file: &syn::File) -> Result<Generated> {
    let mut generated = Generated::default();
    for item in &file.items {
        match item {
            Item::Mod(module) if module.ident == "types" => {
                let items = module.content.iter().flat_map(|(_, items)| items);
                for item in items {
                    if let Item::Struct(object) = item {
                        generated.structs.insert(object.ident.to_string(), members(object));
                    }
                }
            }
            Item::Impl(block) if block.trait_.is_none() => {
                for item in &block.items {
                    if let syn::ImplItem::Fn(method) = item {
                        generated.methods.insert(method.sig.ident.to_string(), signature(&method.sig)?);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(generated)
}

fn members(object: &syn::ItemStruct) -> BTreeMap<String, Type> {
    let member = |field: &syn::Field| {
        let name = field.ident.as_ref()?.to_string();
        Some((renamed(&field.attrs).unwrap_or(name), field.ty.clone()))
    };
    object.fields.iter().filter_map(member).collect()
}

/// The name in `#[serde(rename = "…")]`.
fn renamed(attributes: &[syn::Attribute]) -> Option<String> {
    let mut name = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        // Other serde attributes end the reading early; the generator writes `rename` first.
        let _ = attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("rename") {
                name = Some(meta.value()?.parse::<syn::LitStr>()?.value());
            } else if meta.input.peek(syn::Token![=]) {
                meta.value()?.parse::<syn::Expr>()?;
            }
            Ok(())
        });
    }
    name
}

fn signature(signature: &syn::Signature) -> Result<Method> {
    let mut arguments = BTreeMap::new();
    for argument in &signature.inputs {
        if let FnArg::Typed(argument) = argument
            && let Pat::Ident(name) = &*argument.pat
        {
            arguments.insert(name.ident.to_string(), owned(&argument.ty));
        }
    }
    let value = match &signature.output {
        ReturnType::Type(_, result) => {
            argument_of(result, "Result").and_then(|reply| argument_of(reply, "ResponseValue"))
        }
        ReturnType::Default => None,
    };
    match value {
        Some(value) => Ok(Method { arguments, value: value.clone() }),
        None => Ok(Method { arguments, value: syn::parse_quote!(()) }),
    }
}

/// The first type argument of a type called `name`.
fn argument_of<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// The type behind a reference; text is `String`.
fn owned(ty: &Type) -> Type {
    match ty {
        Type::Reference(reference) => owned(&reference.elem),
        Type::Path(path) if path.path.is_ident("str") => syn::parse_quote!(::std::string::String),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Member, Shape, Struct, TypeDef};
    use crate::normalise::named;
    use crate::normalise::testing::operation;
    use serde_json::json;

    #[test]
    fn a_panic_becomes_its_message_and_the_next_one_is_printed_again() {
        let message = quietly::<()>(|| panic!("at\nthis")).unwrap_err();
        assert!(message.ends_with("at this"), "{message}");
        assert!(!QUIET.get());
    }

    fn api(types: Vec<TypeDef>) -> Api {
        Api { source: String::new(), title: String::new(), types, operations: Vec::new() }
    }
    fn object(name: &str, schema: Value) -> TypeDef {
        let member = Member {
            wire: "fooBar".to_owned(),
            field: "foo_bar".to_owned(),
            schema,
            required: true,
            nullable: false,
            only_received: false,
            only_sent: false,
            docs: vec![],
        };
        let shape = Shape::Struct(Struct { members: vec![member], ..Struct::default() });
        TypeDef { name: name.to_owned(), place: format!("schema {name:?}"), docs: vec![], shape, sent: false }
    }

    #[test]
    fn the_types_of_members_are_read_by_their_name_on_the_wire() {
        let generated =
            generate(&api(vec![object("A", json!({"type": "array", "items": {"type": "string"}}))])).unwrap();
        let ty = &generated.structs["A"]["fooBar"];
        assert_eq!(*ty, syn::parse_quote!(::std::vec::Vec<::std::string::String>));
    }

    #[test]
    fn a_failure_names_the_schema_that_causes_it() {
        let types = vec![object("Good", json!({"type": "string"})), object("Bad", named("Gone"))];
        let problem = generate(&api(types)).unwrap_err();
        assert_eq!(problem.place, "schema \"Bad\"");
        assert!(problem.message.contains("change it in the document or its overlay"), "{problem}");
    }

    #[test]
    fn a_failure_names_the_operation_that_causes_it() {
        let (good, _) = operation(json!({"operationId": "good", "responses": {}}));
        let (mut bad, _) = operation(json!({"operationId": "bad", "responses": {}}));
        bad.answer = crate::model::Answer::Json(named("Gone"), false);
        let mut api = api(vec![object("A", json!({"type": "string"}))]);
        api.operations = vec![good, bad];
        assert_eq!(generate(&api).unwrap_err().place, "operation \"bad\"");
    }
}

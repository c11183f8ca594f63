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
            clippy::wrong_self_convention,
            clippy::upper_case_acronyms
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

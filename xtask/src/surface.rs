//! The public surface of a generated module as text, for people who review a change of it: signatures, fields, names
//! on the wire, known values; no bodies and no documentation.
use std::collections::BTreeMap;

use quote::{ToTokens, quote};
use syn::{Attribute, Fields, File, ImplItem, Item, Visibility};

/// The surface of a module given as text.
///
/// # Errors
/// A text that is not Rust.
pub fn of_text(text: &str) -> syn::Result<String> {
    Ok(of_file(&syn::parse_file(text)?))
}

/// The surface of a module.
pub fn of_file(file: &File) -> String {
    let mut out = String::new();
    items(&file.items, "", &mut out);
    out
}

fn items(all: &[Item], indent: &str, out: &mut String) {
    let mut impls: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut line = |text: String| out.push_str(&format!("{indent}{}\n", text.trim_end()));
    let mut modules = Vec::new();
    for item in all {
        match item {
            Item::Mod(module) if public(&module.vis) => modules.push(module),
            Item::Struct(object) if public(&object.vis) => {
                line(format!("struct {} {}", object.ident, attributes(&object.attrs)));
                fields(&object.fields).into_iter().for_each(|field| line(format!("    {field}")));
            }
            Item::Enum(choice) if public(&choice.vis) => {
                line(format!("enum {} {}", choice.ident, attributes(&choice.attrs)));
                for variant in &choice.variants {
                    let inner = &variant.fields;
                    line(format!("    {}{}", variant.ident, tight(&quote!(#inner))));
                }
            }
            Item::Type(alias) if public(&alias.vis) => line(format!("type {} = {}", alias.ident, tight(&alias.ty))),
            Item::Static(value) if public(&value.vis) => {
                line(format!("static {}: {} = {}", value.ident, tight(&value.ty), tight(&value.expr)))
            }
            Item::Impl(block) => impls.entry(tight(&block.self_ty)).or_default().extend(implementation(block)),
            _ => {}
        }
    }
    for (name, lines) in impls.into_iter().filter(|(_, lines)| !lines.is_empty()) {
        line(format!("impl {name}"));
        lines.into_iter().for_each(|text| line(format!("    {text}")));
    }
    for module in modules {
        out.push_str(&format!("{indent}mod {}\n", module.ident));
        if let Some((_, inner)) = &module.content {
            items(inner, &format!("{indent}    "), out);
        }
    }
}

/// What an `impl` block adds: the name of its trait, or its public functions and constants.
fn implementation(block: &syn::ItemImpl) -> Vec<String> {
    if let Some((path, _)) = &block.trait_ {
        return vec![format!("+ {}", tight(path))];
    }
    let one = |item: &ImplItem| match item {
        ImplItem::Fn(function) if public(&function.vis) => Some(tight(&function.sig)),
        ImplItem::Const(value) if public(&value.vis) => {
            Some(format!("const {}: {} = {}", value.ident, tight(&value.ty), tight(&value.expr)))
        }
        _ => None,
    };
    block.items.iter().filter_map(one).collect()
}

fn public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn fields(fields: &Fields) -> Vec<String> {
    let one = |field: &syn::Field| {
        let name = field.ident.as_ref().map_or_else(|| "0".to_owned(), ToString::to_string);
        public(&field.vis).then(|| format!("{name}: {} {}", tight(&field.ty), attributes(&field.attrs)))
    };
    fields.iter().filter_map(one).collect()
}

/// Derives, names on the wire, and whether the type may grow.
fn attributes(all: &[Attribute]) -> String {
    let shown = ["serde", "derive", "non_exhaustive", "deprecated"];
    let shown = all.iter().filter(|attribute| shown.iter().any(|name| attribute.path().is_ident(name)));
    shown.map(tight).collect::<Vec<_>>().join(" ")
}

/// Tokens as a person would write them.
fn tight(tokens: &impl ToTokens) -> String {
    let (mut text, literals) = without_literals(&tokens.to_token_stream().to_string());
    for path in [
        ":: std :: option :: ",
        ":: std :: string :: ",
        ":: std :: convert :: ",
        ":: std :: vec :: ",
        ":: std :: boxed :: ",
    ] {
        text = text.replace(path, "");
    }
    const JOINS: [(&str, &str); 16] = [
        (" :: ", "::"),
        (":: ", "::"),
        (" < ", "<"),
        (" > ", "> "),
        (" >", ">"),
        ("& ", "&"),
        (" ,", ","),
        (" ;", ";"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        ("' ", "'"),
        ("# [", "#["),
        (" :", ":"),
        (" . ", "."),
        (" ]", "]"),
    ];
    for (from, to) in JOINS {
        text = text.replace(from, to);
    }
    text = text
        .replace("[ ", "[")
        .replace("> ,", ">,")
        .replace("> )", ">)")
        .replace(",)", ")")
        .replace(",>", ">")
        .replace(",]", "]")
        .replace(", }", " }")
        .replace("->", "-> ")
        .replace("  ", " ");
    let mut literals = literals.into_iter();
    text.chars().map(|c| if c == LITERAL { literals.next().unwrap_or_default() } else { c.to_string() }).collect()
}

/// Replaces every text literal by a mark, and gives the literals in order.
fn without_literals(code: &str) -> (String, Vec<String>) {
    let (mut rest, mut bare, mut literals) = (code, String::new(), Vec::new());
    while let Some(start) = rest.find('"') {
        let mut escaped = false;
        let end = rest[start + 1..].find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let end = end.map_or(rest.len(), |end| start + 1 + end + 1);
        bare.push_str(&rest[..start]);
        bare.push(LITERAL);
        literals.push(rest[start..end].to_owned());
        rest = &rest[end..];
    }
    bare.push_str(rest);
    (bare, literals)
}

/// Stands for a literal while the code around it is shortened.
const LITERAL: char = '\u{1}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_see_is_shown_and_nothing_else() {
        let code = r##"
            //! Docs.
            struct Hidden { a: u8 }
            /// Docs.
            #[derive(Clone)] #[non_exhaustive] #[must_use]
            pub struct Job { /** Docs. */ #[serde(rename = "job  :  \"Id")] pub job_id: Option<Vec<String>>, inner: u8 }
            impl Job { pub fn set(mut self, a: impl Into<String>) -> Self { self } fn hidden(&self) {} }
            pub mod types {
                pub enum State { Done, Unknown(::std::string::String) }
                impl State { pub const KNOWN: &'static [&'static str] = &["done"]; }
                impl From<&str> for State { fn from(text: &str) -> Self { Self::Done } }
                pub type Text = String;
            }
            mod decode { pub fn f() {} }
        "##;
        let expected = r##"
struct Job #[derive(Clone)] #[non_exhaustive]
    job_id: Option<Vec<String>> #[serde(rename = "job  :  \"Id")]
impl Job
    fn set(mut self, a: impl Into<String>) -> Self
mod types
    enum State
        Done
        Unknown(String)
    type Text = String
    impl State
        const KNOWN: &'static [&'static str] = &["done"]
        + From<&str>
"##;
        assert_eq!(of_text(code).unwrap(), expected.trim_start());
        assert!(of_text("pub fn").is_err());
    }
}

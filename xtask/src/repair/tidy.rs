//! Types as a person would write them: `Option<String>` for `::std::option::Option<::std::string::String>`.
use syn::visit_mut::{self, VisitMut};
use syn::{Path, Type};

use crate::model::Api;

/// Names of the prelude that paths are shortened to, unless the document has a type of that name.
const PRELUDE: [&str; 9] = ["Box", "Default", "From", "Into", "Option", "Result", "String", "ToString", "Vec"];
/// Variants of the prelude.
const VARIANTS: [&str; 4] = ["Err", "None", "Ok", "Some"];

/// Shortens the paths of types.
pub(crate) struct Tidy {
    /// Names of the prelude that are free inside `types`.
    free: Vec<&'static str>,
}

impl Tidy {
    pub(crate) fn new(api: &Api) -> Self {
        let all = PRELUDE.into_iter().chain(VARIANTS);
        Self { free: all.filter(|name| !api.types.iter().any(|def| def.name == *name)).collect() }
    }

    /// A type as it is written beside the module `types`.
    pub(crate) fn outside(&self, ty: &Type) -> Type {
        let mut ty = ty.clone();
        Shorten { free: &PRELUDE, inside: false }.visit_type_mut(&mut ty);
        ty
    }

    /// The items of the module `types`, shortened.
    pub(crate) fn inside(&self, items: &mut [syn::Item]) {
        items.iter_mut().for_each(|item| Shorten { free: &self.free, inside: true }.visit_item_mut(item));
    }

    /// A path inside a text, as serde's attributes hold it.
    pub(crate) fn text(&self, path: &str) -> String {
        let name = path.trim_start_matches("::").split("::").nth(2).unwrap_or_default();
        match self.free.contains(&name) {
            true => path.trim_start_matches("::").splitn(3, "::").last().unwrap_or_default().to_owned(),
            false => path.to_owned(),
        }
    }
}

struct Shorten<'a> {
    free: &'a [&'static str],
    inside: bool,
}

impl VisitMut for Shorten<'_> {
    fn visit_expr_path_mut(&mut self, path: &mut syn::ExprPath) {
        match &mut path.qself {
            Some(of) => self.visit_type_mut(&mut of.ty), // The path behind it counts its segments.
            None => self.visit_path_mut(&mut path.path),
        }
    }
    fn visit_type_path_mut(&mut self, path: &mut syn::TypePath) {
        match &mut path.qself {
            Some(of) => self.visit_type_mut(&mut of.ty),
            None => self.visit_path_mut(&mut path.path),
        }
    }
    fn visit_path_mut(&mut self, path: &mut Path) {
        visit_mut::visit_path_mut(self, path);
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let absolute = path.leading_colon.is_some();
        match names.as_slice() {
            ["std", _, _, variant] if absolute && VARIANTS.contains(variant) && self.free.contains(variant) => {
                keep(path, 3)
            }
            ["std", module, name, ..] if absolute && *module != "fmt" && self.free.contains(name) => keep(path, 2),
            ["types", _] if self.inside => keep(path, 1),
            [_, ..] if absolute => path.leading_colon = None,
            _ => {}
        }
    }
}

/// Leaves out the first segments.
fn keep(path: &mut Path, skip: usize) {
    path.leading_colon = None;
    path.segments = std::mem::take(&mut path.segments).into_iter().skip(skip).collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::{ToTokens, quote};

    fn shortened(free: &[&'static str], inside: bool, ty: proc_macro2::TokenStream) -> String {
        let mut ty: Type = syn::parse2(ty).unwrap();
        Shorten { free, inside }.visit_type_mut(&mut ty);
        ty.to_token_stream().to_string().replace(' ', "")
    }

    #[test]
    fn paths_are_shortened_unless_the_document_has_a_type_of_that_name() {
        let ty = || quote!(::std::option::Option<::std::collections::BTreeMap<::std::string::String, types::Job>>);
        let whole = ["Option", "String"];
        assert_eq!(shortened(&whole, false, ty()), "Option<std::collections::BTreeMap<String,types::Job>>");
        assert_eq!(shortened(&["Option"], true, ty()), "Option<std::collections::BTreeMap<std::string::String,Job>>");
    }

    #[test]
    fn a_path_in_a_text_is_shortened_too() {
        let tidy = Tidy { free: vec!["Option"] };
        assert_eq!(tidy.text("::std::option::Option::is_none"), "Option::is_none");
        assert_eq!(Tidy { free: vec![] }.text("::std::option::Option::is_none"), "::std::option::Option::is_none");
    }
}

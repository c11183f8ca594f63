//! Types as a person would write them: `Option<String>` for `::std::option::Option<::std::string::String>`.
use syn::visit_mut::{self, VisitMut};
use syn::{Path, Type};

use crate::model::Api;

/// Names of the prelude that types are shortened to, unless the document has a type of that name.
const SHORT: [&str; 4] = ["Option", "String", "Vec", "Box"];

/// Shortens the paths of types.
pub(crate) struct Tidy {
    /// Names of the prelude that are free inside `types`.
    free: Vec<&'static str>,
}

impl Tidy {
    pub(crate) fn new(api: &Api) -> Self {
        let free = SHORT.into_iter().filter(|name| !api.types.iter().any(|def| def.name == *name)).collect();
        Self { free }
    }

    /// A type as it is written inside the module `types`.
    pub(crate) fn inside(&self, ty: &Type) -> Type {
        let mut ty = ty.clone();
        Shorten { free: &self.free, inside: true }.visit_type_mut(&mut ty);
        ty
    }

    /// A type as it is written beside the module `types`.
    pub(crate) fn outside(&self, ty: &Type) -> Type {
        let mut ty = ty.clone();
        Shorten { free: &SHORT, inside: false }.visit_type_mut(&mut ty);
        ty
    }

    /// A type of the prelude as it is written inside the module `types`.
    pub(crate) fn prelude(&self, path: &str) -> Type {
        let ty: Type = syn::parse_str(path).unwrap_or_else(|_| syn::parse_quote!(()));
        self.inside(&ty)
    }
}

struct Shorten<'a> {
    free: &'a [&'static str],
    inside: bool,
}

impl VisitMut for Shorten<'_> {
    fn visit_path_mut(&mut self, path: &mut Path) {
        visit_mut::visit_path_mut(self, path);
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["std", _, name] if self.free.contains(name) => keep_last(path),
            ["types", _] if self.inside => keep_last(path),
            [_, ..] if path.leading_colon.is_some() => path.leading_colon = None,
            _ => {}
        }
    }
}

fn keep_last(path: &mut Path) {
    if let Some(last) = path.segments.pop() {
        path.leading_colon = None;
        path.segments = std::iter::once(last).collect();
    }
}

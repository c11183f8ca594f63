//! Structs: fields with the generator's types, wire names, constructor and setters; and other names for plain types.
use proc_macro2::TokenStream;
use quote::quote;
use serde_json::Value;
use syn::Type;

use super::graph::Graph;
use super::tidy::Tidy;
use super::{doc, helpers, ident};
use crate::generate::Generated;
use crate::model::{Api, Member, Shape, Struct, TypeDef};
use crate::names::{self, Taken};
use crate::normalise::name_of;
use crate::problem::{Problem, Result};
use crate::skeleton;

/// A type and what is known about the others.
pub(super) struct Context<'a> {
    pub def: &'a TypeDef,
    pub index: usize,
    pub graph: &'a Graph,
    pub tidy: &'a Tidy,
    pub generated: &'a Generated,
    pub api: &'a Api,
}

impl Context<'_> {
    /// The type that the generator gave to a part of this type.
    pub(super) fn part(&self, owner: &str, part: &str) -> Result<Type> {
        let found = self.generated.structs.get(owner).and_then(|members| members.get(part));
        let missing = || {
            Problem::new(&self.def.place, format!("the generator made no type for {part:?}; this is a fault of xtask"))
        };
        found.cloned().ok_or_else(missing)
    }

    /// The same, for a part that the generator only saw beside others.
    pub(super) fn carried(&self, index: usize) -> Result<Type> {
        self.part(&skeleton::carrier(self.index), &skeleton::part(index))
    }
}

/// A member with its field's type.
struct Field<'a> {
    member: &'a Member,
    /// Without the `Option` of a member that may be missing.
    ty: Type,
    optional: bool,
}

/// An object with known members.
pub(super) fn structure(context: &Context<'_>, object: &Struct) -> Result<TokenStream> {
    let def = context.def;
    let mut fields = Vec::new();
    for member in &object.members {
        let ty = context.part(&def.name, &member.wire)?;
        fields.push(Field { member, ty, optional: !member.required || member.nullable });
    }
    let is_none = context.tidy.text("::std::option::Option::is_none");
    let extra = (def.sent || object.open).then(|| extra_name(object));
    let mut lines: Vec<TokenStream> = fields.iter().map(|field| declaration(field, &is_none)).collect();
    if let Some(extra) = &extra {
        lines.push(extra_field(context.api, extra, object));
    }
    let (name, docs) = (ident(&def.name), doc(&def.docs));
    let default = fields.iter().all(|field| field.optional).then(|| quote!(Default,));
    let tag = object.tag.as_ref().map(|(tag, value)| quote!(#[serde(tag = #tag, rename = #value)]));
    let setters = def.sent.then(|| builder(context, &fields, extra.as_deref()));
    Ok(quote! {
        #docs
        #[derive(Clone, Debug, #default PartialEq, serde::Deserialize, serde::Serialize)]
        #tag
        #[non_exhaustive]
        pub struct #name { #(#lines)* }
        #setters
    })
}

/// Another name for a plain type; one that is defined by itself has to be a type of its own.
pub(super) fn alias(context: &Context<'_>) -> Result<TokenStream> {
    let (name, docs, ty) = (ident(&context.def.name), doc(&context.def.docs), context.carried(0)?);
    if !context.graph.names_itself(&context.def.name) {
        return Ok(quote! { #docs pub type #name = #ty; });
    }
    Ok(quote! {
        #docs
        #[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
        #[serde(transparent)]
        pub struct #name(
            /// The value.
            pub #ty,
        );
        impl ::std::convert::From<#ty> for #name {
            fn from(value: #ty) -> Self {
                Self(value)
            }
        }
    })
}

fn declaration(field: &Field<'_>, is_none: &str) -> TokenStream {
    let (member, ty) = (field.member, &field.ty);
    let (name, docs) = (ident(&member.field), doc(&member.docs));
    let rename = (member.field != member.wire).then_some(&member.wire);
    let rename = rename.map(|wire| quote!(rename = #wire,));
    let serde = match (member.required, field.optional) {
        (true, false) => rename.map(|rename| quote!(#[serde(#rename)])),
        (true, true) => Some(quote!(#[serde(#rename default)])),
        (false, _) => Some(quote!(#[serde(#rename default, skip_serializing_if = #is_none)])),
    };
    let ty = if field.optional { quote!(::std::option::Option<#ty>) } else { quote!(#ty) };
    quote! { #docs #serde pub #name: #ty, }
}

/// The field of unknown members; it gives way to a member of that name.
fn extra_name(object: &Struct) -> String {
    let fields: Vec<&str> = object.members.iter().map(|member| member.field.as_str()).collect();
    Taken::with(&fields).claim("extra")
}

fn extra_field(api: &Api, name: &str, object: &Struct) -> TokenStream {
    let name = ident(name);
    let read = object.tag.as_ref().map(|(tag, _)| {
        let from = format!("super::decode::{}", helpers::without(api, tag));
        quote!(, deserialize_with = #from)
    });
    quote! {
        /// Members that are not known here; they are written back as they came.
        #[serde(flatten #read)]
        pub #name: serde_json::Map<::std::string::String, serde_json::Value>,
    }
}

/// Constructor and setters.
fn builder(context: &Context<'_>, fields: &[Field<'_>], extra: Option<&str>) -> TokenStream {
    let name = ident(&context.def.name);
    let required: Vec<&Field<'_>> = fields.iter().filter(|field| !field.optional).collect();
    let arguments = required.iter().map(|field| {
        let (name, taken) = (ident(&field.member.field), taking(context.api, field));
        quote!(#name: #taken)
    });
    let constructor = if required.is_empty() {
        quote! {
            /// A value without any member set.
            pub fn new() -> Self {
                Self::default()
            }
        }
    } else {
        let values = fields.iter().map(|field| {
            let name = ident(&field.member.field);
            match field.optional {
                true => quote!(#name: ::std::option::Option::None),
                false => value(context.api, field).map_or_else(|| quote!(#name), |value| quote!(#name: #value)),
            }
        });
        let extra = extra.map(ident).map(|extra| quote!(, #extra: ::std::default::Default::default()));
        quote! {
            /// A value with the members that have to be there.
            pub fn new(#(#arguments),*) -> Self {
                Self { #(#values),* #extra }
            }
        }
    };
    let setters = fields.iter().map(|field| setter(context.api, field));
    quote! {
        impl #name {
            #constructor
            #(#setters)*
        }
    }
}

fn setter(api: &Api, field: &Field<'_>) -> TokenStream {
    let member = field.member;
    let (method, name, taken) = (ident(&names::setter_name(&member.field)), ident(&member.field), taking(api, field));
    let value = value(api, field).unwrap_or_else(|| quote!(#name));
    let value = if field.optional { quote!(::std::option::Option::Some(#value)) } else { value };
    let text = format!(" Sets {}.", crate::docs::code(&member.wire));
    quote! {
        #[doc = #text]
        #[must_use]
        pub fn #method(mut self, #name: #taken) -> Self {
            self.#name = #value;
            self
        }
    }
}

/// The type of an argument for a field.
fn taking(api: &Api, field: &Field<'_>) -> TokenStream {
    let ty = &field.ty;
    if converts(api, field) { quote!(impl ::std::convert::Into<#ty>) } else { quote!(#ty) }
}

/// How the argument becomes the field's value, if it does not already have its type.
fn value(api: &Api, field: &Field<'_>) -> Option<TokenStream> {
    let name = ident(&field.member.field);
    converts(api, field).then(|| quote!(#name.into()))
}

fn converts(api: &Api, field: &Field<'_>) -> bool {
    let boxed =
        matches!(&field.ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Box"));
    boxed || into(api, &field.member.schema)
}

/// Whether an argument of this plain schema is taken as `impl Into`: text, dates, enums, unions.
pub(super) fn into(api: &Api, schema: &Value) -> bool {
    if let Some(name) = name_of(schema) {
        let def = api.types.iter().find(|def| def.name == name);
        return def.is_some_and(|def| match &def.shape {
            Shape::Struct(_) => false,
            Shape::Alias(schema) => name_of(schema).is_none() && into(api, schema),
            Shape::Enum(..) | Shape::Tagged(_) | Shape::Untagged(..) | Shape::External(_) => true,
        });
    }
    match crate::walk::text(schema, "type") {
        Some(kind) => kind == "string",
        None => true,
    }
}

//! Unions: by tag, where an unknown tag is kept and a bad payload is an error; and by form, where an unknown form is kept.
use proc_macro2::TokenStream;
use quote::quote;
use serde_json::Value;
use syn::Type;

use super::structs::Context;
use super::{doc, ident};
use crate::model::{Api, Form, Shape, Tagged, TaggedVariant, Test};
use crate::normalise::{name_of, named};
use crate::problem::Result;

/// One of several objects, told apart by a tag.
pub(super) fn tagged(context: &Context<'_>, union: &Tagged) -> TokenStream {
    let (name, tag, unknown) = (ident(&context.def.name), &union.tag, ident(&union.unknown));
    let docs = doc(&context.def.docs);
    let told = format!(" Told apart by {}.", crate::docs::code(tag));
    let payloads: Vec<TokenStream> = union.variants.iter().map(|variant| payload(context, variant)).collect();
    let variants = union.variants.iter().zip(&payloads).map(|(variant, payload)| {
        let (values, name) = (values(variant), ident(&variant.variant));
        quote!(#[doc = #values] #name(#payload),)
    });
    let reads = union.variants.iter().map(|variant| {
        let (values, name) = (&variant.values, ident(&variant.variant));
        let map = if variant.sees_tag { quote!(map) } else { quote!(super::decode::untagged(map, #tag)) };
        let (pattern, value) = match values.as_slice() {
            [value] => (quote!(#value), quote!(#value)),
            _ => (quote!(value @ (#(#values)|*)), quote!(value)),
        };
        quote! {
            ::std::option::Option::Some(#pattern) => super::decode::payload(#tag, #value, #map).map(Self::#name),
        }
    });
    let writes = union.variants.iter().map(|variant| {
        let name = ident(&variant.variant);
        match (variant.self_tagged, variant.values.as_slice()) {
            (false, [value]) => quote!(Self::#name(value) => super::decode::with_tag(#tag, #value, value, serializer),),
            _ => quote!(Self::#name(value) => value.serialize(serializer),),
        }
    });
    let names: Vec<String> = union.variants.iter().map(|variant| payload_name(context, variant).to_string()).collect();
    let alone = |index: &usize| names.iter().filter(|name| **name == names[*index]).count() == 1;
    let froms = (0..names.len()).filter(alone).map(|index| {
        let variant = &union.variants[index];
        let (variant_name, inner) = (ident(&variant.variant), payload_name(context, variant));
        from(&name, &variant_name, &inner, is_boxed(context, &variant.payload))
    });
    quote! {
        #docs
        #[doc = ""]
        #[doc = #told]
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum #name {
            #(#variants)*
            /// The tag is missing or not known here; the object is written back as it came.
            #unknown(serde_json::Map<::std::string::String, serde_json::Value>),
        }
        #(#froms)*
        impl serde::Serialize for #name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                match self {
                    #(#writes)*
                    Self::#unknown(map) => map.serialize(serializer),
                }
            }
        }
        impl<'de> serde::Deserialize<'de> for #name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                let map = serde_json::Map::deserialize(deserializer)?;
                let tag = map.get(#tag).and_then(serde_json::Value::as_str).map(str::to_owned);
                match tag.as_deref() {
                    #(#reads)*
                    _ => ::std::result::Result::Ok(Self::#unknown(map)),
                }
            }
        }
    }
}

/// The values of a variant's tag, as documentation.
fn values(variant: &TaggedVariant) -> String {
    let values: Vec<String> = variant.values.iter().map(|value| crate::docs::code(value)).collect();
    format!(" {} on the wire.", values.join(" or "))
}

fn payload_name(context: &Context<'_>, variant: &TaggedVariant) -> TokenStream {
    let def = context.api.types.iter().find(|def| def.name == variant.payload);
    match def.map(|def| &def.shape) {
        Some(Shape::External(path)) => path.parse().unwrap_or_default(),
        _ => {
            let name = ident(&variant.payload);
            quote!(#name)
        }
    }
}

fn payload(context: &Context<'_>, variant: &TaggedVariant) -> TokenStream {
    let inner = payload_name(context, variant);
    if is_boxed(context, &variant.payload) { quote!(::std::boxed::Box<#inner>) } else { inner }
}

fn is_boxed(context: &Context<'_>, inner: &str) -> bool {
    context.graph.leads_back(inner, &context.def.name)
}

fn from(name: &syn::Ident, variant: &syn::Ident, inner: &TokenStream, boxed: bool) -> TokenStream {
    let value = if boxed { quote!(::std::boxed::Box::new(value)) } else { quote!(value) };
    quote! {
        impl ::std::convert::From<#inner> for #name {
            fn from(value: #inner) -> Self {
                Self::#variant(#value)
            }
        }
    }
}

/// One of several forms, tried in order.
pub(super) fn untagged(context: &Context<'_>, forms: &[Form], other: &str) -> Result<TokenStream> {
    let (name, docs, other) = (ident(&context.def.name), doc(&context.def.docs), ident(other));
    let mut types: Vec<Type> = Vec::new();
    for index in 0..forms.len() {
        types.push(context.carried(index)?);
    }
    let boxed: Vec<bool> =
        forms.iter().map(|form| name_of(&form.schema).is_some_and(|inner| is_boxed(context, inner))).collect();
    let variants = forms.iter().zip(&types).zip(&boxed).map(|((form, ty), boxed)| {
        let (docs, variant) = (form_docs(form), ident(&form.variant));
        let ty = if *boxed { quote!(::std::boxed::Box<#ty>) } else { quote!(#ty) };
        quote!(#docs #variant(#ty),)
    });
    let reads = forms.iter().zip(&types).zip(&boxed).map(|((form, ty), boxed)| read(context.api, form, ty, *boxed));
    let writes = forms.iter().map(|form| {
        let variant = ident(&form.variant);
        quote!(Self::#variant(value) => value.serialize(serializer),)
    });
    let froms = froms(context.api, &name, forms, &types, &boxed);
    let display = display(context.api, &name, forms, &other);
    Ok(quote! {
        #docs
        #[doc = ""]
        #[doc = " The forms are tried in this order; a form that is not known here never fails."]
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum #name {
            #(#variants)*
            /// A form that is not known here; it is written back as it came.
            #other(serde_json::Value),
        }
        #froms
        #display
        impl serde::Serialize for #name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                match self {
                    #(#writes)*
                    Self::#other(value) => value.serialize(serializer),
                }
            }
        }
        impl<'de> serde::Deserialize<'de> for #name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                let value = serde_json::Value::deserialize(deserializer)?;
                #(#reads)*
                ::std::result::Result::Ok(Self::#other(value))
            }
        }
    })
}

fn form_docs(form: &Form) -> TokenStream {
    let text = match &form.test {
        Test::Members(names, texts) if !names.is_empty() || !texts.is_empty() => {
            let names = names.iter().map(|name| crate::docs::code(name));
            let texts =
                texts.iter().map(|(name, text)| format!("{} = {}", crate::docs::code(name), crate::docs::code(text)));
            format!("An object with {}.", names.chain(texts).collect::<Vec<_>>().join(", "))
        }
        Test::Members(..) => "An object.".to_owned(),
        Test::Known(_) => "A known value.".to_owned(),
        Test::Decode | Test::NotOther(_) => match crate::walk::text(&form.schema, "type") {
            Some("string") => "Text.".to_owned(),
            Some("integer" | "number") => "A number.".to_owned(),
            Some("boolean") => "Yes or no.".to_owned(),
            Some("array") => "A list.".to_owned(),
            _ => format!("The form {}.", crate::docs::code(&form.variant)),
        },
    };
    doc(&[text])
}

fn read(api: &Api, form: &Form, ty: &Type, boxed: bool) -> TokenStream {
    let variant = ident(&form.variant);
    let value = if boxed { quote!(::std::boxed::Box::new(form)) } else { quote!(form) };
    let (before, after) = match &form.test {
        Test::Decode => (None, None),
        Test::Members(names, texts) => {
            let texts = texts.iter().map(|(name, text)| quote!((#name, #text)));
            (Some(quote!(super::decode::has(&value, &[#(#names),*], &[#(#texts),*]) &&)), None)
        }
        Test::Known(name) => {
            let name = ident(name);
            (Some(quote!(value.as_str().is_some_and(|text| #name::known(text).is_some()) &&)), None)
        }
        Test::NotOther(name) => {
            let other = api.types.iter().find(|def| def.name == *name).and_then(|def| match &def.shape {
                Shape::Untagged(_, other) => Some(ident(other)),
                _ => None,
            });
            let name = ident(name);
            (None, other.map(|other| quote!(&&!matches!(form, #name::#other(_)))))
        }
    };
    quote! {
        if #before let ::std::result::Result::Ok(form) = <#ty as serde::Deserialize>::deserialize(&value) #after {
            return ::std::result::Result::Ok(Self::#variant(#value));
        }
    }
}

/// `From` for each form whose Rust type is not that of another.
fn froms(api: &Api, name: &syn::Ident, forms: &[Form], types: &[Type], boxed: &[bool]) -> TokenStream {
    let plain: Vec<Value> = forms.iter().map(|form| resolved(api, &form.schema)).collect();
    let mut all = TokenStream::new();
    for (index, form) in forms.iter().enumerate() {
        let alone = plain.iter().filter(|other| **other == plain[index]).count() == 1;
        if !alone || plain[index] == serde_json::json!({}) {
            continue;
        }
        let (variant, ty) = (ident(&form.variant), &types[index]);
        all.extend(from(name, &variant, &quote!(#ty), boxed[index]));
        if plain[index] == serde_json::json!({"type": "string"}) {
            all.extend(quote! {
                impl ::std::convert::From<&str> for #name {
                    fn from(value: &str) -> Self {
                        Self::#variant(value.to_owned())
                    }
                }
            });
        }
    }
    all
}

/// A plain schema with the names of other plain schemas opened, to see whether two are the same type.
fn resolved(api: &Api, schema: &Value) -> Value {
    opened(api, schema, 0)
}

fn opened(api: &Api, schema: &Value, depth: usize) -> Value {
    let target = name_of(schema).and_then(|name| api.types.iter().find(|def| def.name == name));
    match target.map(|def| &def.shape) {
        // A plain type that contains itself is a type of its own.
        Some(Shape::Alias(inner)) if depth < 16 => return opened(api, inner, depth + 1),
        Some(Shape::External(path)) => return named(path),
        Some(_) => return schema.clone(),
        None => {}
    }
    let mut schema = schema.clone();
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(key) {
            *inner = opened(api, inner, depth + 1);
        }
    }
    schema
}

/// Whether a plain schema is a single text, number or boolean.
pub(super) fn is_scalar(api: &Api, schema: &Value) -> bool {
    match name_of(schema).and_then(|name| api.types.iter().find(|def| def.name == name)) {
        Some(def) => match &def.shape {
            Shape::Enum(..) => true,
            Shape::Alias(schema) => is_scalar(api, schema),
            _ => false,
        },
        None => matches!(crate::walk::text(schema, "type"), Some("string" | "integer" | "number" | "boolean")),
    }
}

/// A union of scalars can be a parameter.
fn display(api: &Api, name: &syn::Ident, forms: &[Form], other: &syn::Ident) -> Option<TokenStream> {
    if !forms.iter().all(|form| is_scalar(api, &form.schema)) {
        return None;
    }
    let writes = forms.iter().map(|form| {
        let variant = ident(&form.variant);
        quote!(Self::#variant(value) => ::std::fmt::Display::fmt(value, f),)
    });
    Some(quote! {
        impl ::std::fmt::Display for #name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                match self {
                    #(#writes)*
                    Self::#other(value) => ::std::fmt::Display::fmt(value, f),
                }
            }
        }
    })
}

//! Enums of text, open: an unknown value is kept, a known one in another case is the known one.
use proc_macro2::TokenStream;
use quote::quote;

use super::{doc, ident};
use crate::model::{EnumValue, TypeDef};

/// Text with known values.
pub(super) fn enumeration(def: &TypeDef, values: &[EnumValue], unknown: &str) -> TokenStream {
    let (name, docs, unknown) = (ident(&def.name), doc(&def.docs), ident(unknown));
    let variants: Vec<syn::Ident> = values.iter().map(|value| ident(&value.variant)).collect();
    let wires: Vec<&str> = values.iter().map(|value| value.wire.as_str()).collect();
    let described = values.iter().zip(&variants).map(|(value, variant)| {
        let docs = doc(&value.docs);
        quote!(#docs #variant,)
    });
    let conversions = conversions(&name, &unknown);
    quote! {
        #docs
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum #name {
            #(#described)*
            /// A value that is not known here; it is written back as it came.
            #unknown(::std::string::String),
        }
        impl #name {
            /// The known values as they are on the wire.
            pub const KNOWN: &'static [&'static str] = &[#(#wires),*];
            /// The value as it is on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    #(Self::#variants => #wires,)*
                    Self::#unknown(text) => text,
                }
            }
            fn known(text: &str) -> ::std::option::Option<Self> {
                ::std::option::Option::Some(match text {
                    #(#wires => Self::#variants,)*
                    _ => return super::decode::other_case(Self::KNOWN, text).and_then(Self::known),
                })
            }
        }
        #conversions
    }
}

fn conversions(name: &syn::Ident, unknown: &syn::Ident) -> TokenStream {
    quote! {
        impl ::std::convert::From<&str> for #name {
            fn from(text: &str) -> Self {
                Self::known(text).unwrap_or_else(|| Self::#unknown(text.to_owned()))
            }
        }
        impl ::std::convert::From<::std::string::String> for #name {
            fn from(text: ::std::string::String) -> Self {
                Self::known(&text).unwrap_or(Self::#unknown(text))
            }
        }
        impl ::std::str::FromStr for #name {
            type Err = ::std::convert::Infallible;
            fn from_str(text: &str) -> ::std::result::Result<Self, Self::Err> {
                ::std::result::Result::Ok(Self::from(text))
            }
        }
        impl ::std::fmt::Display for #name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl serde::Serialize for #name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
        impl<'de> serde::Deserialize<'de> for #name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                deserializer.deserialize_str(super::decode::Text(::std::marker::PhantomData))
            }
        }
    }
}

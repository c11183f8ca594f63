//! The private functions that generated code calls, each written only into a file that uses it.
use proc_macro2::TokenStream;
use quote::quote;

use crate::model::{Api, BodyKind, ListForm, Shape, TaggedVariant, Test};
use crate::names::{self, Taken};

/// The module `decode` with what this file needs.
pub(super) fn helpers(api: &Api) -> TokenStream {
    let shapes = || api.types.iter().map(|def| &def.shape);
    let enums = shapes().any(|shape| matches!(shape, Shape::Enum(..)));
    let tagged = shapes().any(|shape| matches!(shape, Shape::Tagged(_)));
    let variants = |is: fn(&TaggedVariant) -> bool| {
        shapes().any(|shape| matches!(shape, Shape::Tagged(union) if union.variants.iter().any(is)))
    };
    let (adds_tag, removes_tag) = (variants(|one| !one.self_tagged), variants(|one| !one.sees_tag));
    let has = shapes().any(|shape| match shape {
        Shape::Untagged(forms, _) => forms.iter().any(|form| matches!(form.test, Test::Members(..))),
        _ => false,
    });
    let parameters = || api.operations.iter().flat_map(|operation| &operation.parameters);
    let joined = parameters().any(|parameter| matches!(parameter.list, Some(ListForm::Joined(_))));
    let json = api
        .operations
        .iter()
        .filter_map(|operation| operation.body.as_ref())
        .any(|body| matches!(&body.kind, BodyKind::Json(_, media) if media != "application/json"));
    let parts = [
        (enums, text()),
        (tagged, payload()),
        (removes_tag, untagged()),
        (adds_tag, with_tag()),
        (has, has_members()),
        (joined, join()),
        (json, json_body()),
    ];
    let mut parts: Vec<TokenStream> = parts.into_iter().filter(|(used, _)| *used).map(|(_, part)| part).collect();
    parts.extend(tags(api).into_iter().map(members_without));
    if parts.is_empty() {
        return TokenStream::new();
    }
    quote! {
        mod decode {
            #(#parts)*
        }
    }
}

fn text() -> TokenStream {
    quote! {
        /// Reads text; a known value is not copied.
        pub(super) struct Text<T>(pub(super) std::marker::PhantomData<T>);
        impl<T: for<'a> From<&'a str> + From<String>> serde::de::Visitor<'_> for Text<T> {
            type Value = T;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("text")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
                Ok(text.into())
            }
            fn visit_string<E: serde::de::Error>(self, text: String) -> Result<T, E> {
                Ok(text.into())
            }
        }
        /// The known value that differs from `text` only in its case.
        pub(super) fn other_case(known: &[&'static str], text: &str) -> Option<&'static str> {
            known.iter().copied().find(|known| known.eq_ignore_ascii_case(text) && *known != text)
        }
    }
}

fn payload() -> TokenStream {
    quote! {
        /// Reads the object behind a known tag; an error names the tag.
        pub(super) fn payload<T: serde::de::DeserializeOwned, E: serde::de::Error>(
            tag: &str,
            value: &str,
            map: serde_json::Map<String, serde_json::Value>,
        ) -> Result<T, E> {
            T::deserialize(serde_json::Value::Object(map)).map_err(|e| E::custom(format_args!("{tag} is {value:?}: {e}")))
        }
    }
}

fn untagged() -> TokenStream {
    quote! {
        /// An object without its tag.
        pub(super) fn untagged(
            mut map: serde_json::Map<String, serde_json::Value>,
            tag: &str,
        ) -> serde_json::Map<String, serde_json::Value> {
            map.remove(tag);
            map
        }
    }
}

fn with_tag() -> TokenStream {
    quote! {
        /// Writes an object with its tag in front.
        pub(super) fn with_tag<T: serde::Serialize, S: serde::Serializer>(
            tag: &str,
            value: &str,
            object: &T,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            let members = match serde_json::to_value(object) {
                Ok(serde_json::Value::Object(members)) => members,
                Ok(_) => return Err(serde::ser::Error::custom("an object behind a tag is no object")),
                Err(e) => return Err(serde::ser::Error::custom(e)),
            };
            let mut all = serde_json::Map::new();
            all.insert(tag.to_owned(), value.into());
            all.extend(members.into_iter().filter(|(name, _)| name != tag));
            serde::Serialize::serialize(&all, serializer)
        }
    }
}

fn has_members() -> TokenStream {
    quote! {
        /// Whether a value is an object with these members, and with these texts in these.
        pub(super) fn has(value: &serde_json::Value, members: &[&str], texts: &[(&str, &str)]) -> bool {
            let member = |name: &str| value.get(name).filter(|value| !value.is_null());
            value.is_object()
                && members.iter().all(|name| member(name).is_some())
                && texts.iter().all(|(name, text)| member(name).and_then(serde_json::Value::as_str) == Some(text))
        }
    }
}

/// The tags that types with unknown members write themselves, and the functions that leave them out.
fn tags(api: &Api) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut taken = Taken::default();
    for def in &api.types {
        let Shape::Struct(object) = &def.shape else { continue };
        let Some((tag, _)) = object.tag.as_ref().filter(|_| def.sent || object.open) else { continue };
        if !found.iter().any(|(known, _)| known == tag) {
            let name = taken.claim(&format!("without_{}", names::field_name(tag).trim_end_matches('_')));
            found.push((tag.clone(), name));
        }
    }
    found
}

/// The function of the module `decode` that reads unknown members without this tag.
pub(super) fn without(api: &Api, tag: &str) -> String {
    tags(api).into_iter().find(|(known, _)| known == tag).map(|(_, name)| name).unwrap_or_default()
}

fn members_without((tag, name): (String, String)) -> TokenStream {
    let name = super::ident(&name);
    quote! {
        /// Reads unknown members; the tag is not one.
        pub(super) fn #name<'de, D: serde::Deserializer<'de>>(
            deserializer: D,
        ) -> Result<serde_json::Map<String, serde_json::Value>, D::Error> {
            let mut members: serde_json::Map<String, serde_json::Value> = serde::Deserialize::deserialize(deserializer)?;
            members.remove(#tag);
            Ok(members)
        }
    }
}

fn join() -> TokenStream {
    quote! {
        /// A list as one value.
        pub(super) fn joined<T: std::fmt::Display>(list: &[T], by: char) -> String {
            let mut text = String::new();
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    text.push(by);
                }
                text.push_str(&value.to_string());
            }
            text
        }
    }
}

fn json_body() -> TokenStream {
    quote! {
        /// A body in JSON that is sent under a media type of its own.
        pub(super) fn json<T: serde::Serialize + ?Sized>(
            operation: &'static consign_http::Operation,
            body: &T,
        ) -> Result<Vec<u8>, consign_http::Error> {
            serde_json::to_vec(body).map_err(|e| {
                consign_http::Error::invalid_member("body", "", "a value that can be written as JSON")
                    .with_source(e)
                    .for_operation(operation.id)
            })
        }
    }
}

//! The struct of optional parameters that each operation has.
use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

use super::structs::into;
use super::tidy::Tidy;
use super::{doc, ident};
use crate::generate::Generated;
use crate::model::{Api, Operation, Parameter};
use crate::problem::{Problem, Result};
use crate::skeleton;

/// The type of a parameter's value, owned.
pub(super) fn owned(
    generated: &Generated,
    tidy: &Tidy,
    operation: usize,
    parameter: usize,
    one: &Operation,
) -> Result<Type> {
    let method = generated.methods.get(&skeleton::operation(operation));
    let ty = method.and_then(|method| method.arguments.get(&skeleton::part(parameter)));
    let missing = || {
        let wire = &one.parameters[parameter].wire;
        let what = format!("the generator made no type for the parameter {wire:?}; this is a fault of xtask");
        Problem::new(format!("operation {:?}", one.id), what)
    };
    ty.map(|ty| tidy.outside(ty)).ok_or_else(missing)
}

/// The options structs of all operations.
pub(super) fn structs(api: &Api, generated: &Generated, tidy: &Tidy) -> Result<TokenStream> {
    let mut all = TokenStream::new();
    for (index, operation) in api.operations.iter().enumerate() {
        all.extend(one(api, generated, tidy, index, operation)?);
    }
    Ok(all)
}

fn one(api: &Api, generated: &Generated, tidy: &Tidy, index: usize, operation: &Operation) -> Result<TokenStream> {
    let name = ident(&operation.options);
    // A method that is written by hand may be behind a feature: no link to it.
    let text = match operation.switches {
        true => format!(" Optional parameters of `{}`.", operation.name),
        false => format!(" Optional parameters of [`{}::{}`].", operation.client, operation.name),
    };
    let (mut fields, mut setters) = (Vec::new(), Vec::new());
    for (position, parameter) in operation.parameters.iter().enumerate().filter(|(_, parameter)| !parameter.required) {
        let ty = owned(generated, tidy, index, position, operation)?;
        let (field, docs) = (ident(&parameter.name), doc(&parameter.docs));
        fields.push(quote!(#docs pub #field: Option<#ty>,));
        setters.push(setter(api, parameter, &ty));
    }
    Ok(quote! {
        #[doc = #text]
        #[derive(Clone, Debug, Default)]
        #[non_exhaustive]
        pub struct #name {
            #(#fields)*
            /// What this call sets apart: time limit, further headers.
            pub call: consign_http::CallOptions,
        }
        impl #name {
            #(#setters)*
            /// Sets what this call sets apart.
            #[must_use]
            pub fn call(mut self, call: consign_http::CallOptions) -> Self {
                self.call = call;
                self
            }
        }
    })
}

fn setter(api: &Api, parameter: &Parameter, ty: &Type) -> TokenStream {
    let name = ident(&parameter.name);
    let text = format!(" Sets {}.", crate::docs::code(&parameter.wire));
    let converts = parameter.list.is_none() && into(api, &parameter.schema);
    let method = ident(&crate::names::setter_name(&parameter.name));
    let (taken, value) = match converts {
        true => (quote!(impl Into<#ty>), quote!(#name.into())),
        false => (quote!(#ty), quote!(#name)),
    };
    quote! {
        #[doc = #text]
        #[must_use]
        pub fn #method(mut self, #name: #taken) -> Self {
            self.#name = Some(#value);
            self
        }
    }
}

//! The clients: one method for each operation, and the static descriptions of the operations.
use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

use super::options::owned;
use super::tidy::Tidy;
use super::{doc, ident};
use crate::docs;
use crate::generate::Generated;
use crate::model::{Answer, Api, BodyKind, In, ListForm, Operation, Parameter};
use crate::normalise::template;
use crate::problem::{Problem, Result};
use crate::skeleton;

/// The client and the names of its methods.
pub(super) struct Client {
    pub tokens: TokenStream,
    pub methods: Vec<String>,
}

/// The static descriptions of the operations.
pub(super) fn descriptions(api: &Api) -> TokenStream {
    let statics = api.operations.iter().map(|operation| {
        let (constant, method) = (ident(&operation.constant), ident(&operation.method));
        let (id, path, accept, empty) = (&operation.id, &operation.path, &operation.accept, &operation.empty);
        let empty = empty.iter().map(|status| proc_macro2::Literal::u16_unsuffixed(*status));
        let text = format!(" {}", call(operation));
        quote! {
            #[doc = #text]
            pub static #constant: consign_http::Operation = consign_http::Operation {
                id: #id,
                method: http::Method::#method,
                path: #path,
                accept: #accept,
                empty: &[#(#empty),*],
            };
        }
    });
    let all = api.operations.iter().map(|operation| ident(&operation.constant));
    quote! {
        /// The fixed facts of each operation.
        pub mod operations {
            #(#statics)*
            /// All operations, in the order of the document.
            pub static ALL: &[&consign_http::Operation] = &[#(&#all),*];
        }
    }
}

/// Method and path, as documentation.
fn call(operation: &Operation) -> String {
    docs::code(&format!("{} {}", operation.method, operation.path))
}

/// The client.
pub(super) fn client(api: &Api, generated: &Generated, tidy: &Tidy) -> Result<Client> {
    let mut clients: Vec<(&str, Vec<TokenStream>)> = vec![("Client", Vec::new())];
    let mut names = Vec::new();
    for (index, operation) in api.operations.iter().enumerate().filter(|(_, operation)| !operation.switches) {
        let method = method(generated, tidy, index, operation)?;
        match clients.iter_mut().find(|(name, _)| *name == operation.client) {
            Some((_, methods)) => methods.push(method),
            None => clients.push((&operation.client, vec![method])),
        }
        names.push(operation.name.clone());
    }
    let several = clients.len() > 1;
    let tokens = clients.into_iter().map(|(name, methods)| one_client(name, &methods, several)).collect();
    Ok(Client { tokens, methods: names })
}

fn one_client(name: &str, methods: &[TokenStream], several: bool) -> TokenStream {
    let of = if several { "each of its operations" } else { "each operation" };
    let (name, text) = (ident(name), format!(" One method for {of}. Cheap to clone."));
    quote! {
        #[doc = #text]
        #[derive(Clone, Debug)]
        pub struct #name {
            http: consign_http::Client,
        }
        impl #name {
            /// A client over this transport, base address and credential.
            pub fn from_http(http: consign_http::Client) -> Self {
                Self { http }
            }
            /// What the calls go through.
            pub fn http(&self) -> &consign_http::Client {
                &self.http
            }
            #(#methods)*
        }
    }
}

fn method(generated: &Generated, tidy: &Tidy, index: usize, operation: &Operation) -> Result<TokenStream> {
    let (name, options) = (ident(&operation.name), ident(&operation.options));
    let mut arguments = Vec::new();
    for (position, parameter) in operation.parameters.iter().enumerate().filter(|(_, parameter)| parameter.required) {
        let (argument, ty) = (ident(&parameter.name), owned(generated, tidy, index, position, operation)?);
        let ty = borrowed(&ty);
        arguments.push(quote!(#argument: #ty));
    }
    arguments.extend(body_argument(generated, tidy, index, operation)?);
    let (value, send) = answer(generated, tidy, index, operation)?;
    let request = request(operation)?;
    let docs = method_docs(operation);
    Ok(quote! {
        #docs
        pub async fn #name(&self, #(#arguments,)* options: #options) -> Result<consign_http::Reply<#value>, consign_http::Error> {
            let request = #request;
            #send
        }
    })
}

/// The type of a required argument.
fn borrowed(ty: &Type) -> TokenStream {
    let Type::Path(path) = ty else { return quote!(&#ty) };
    let Some(last) = path.path.segments.last() else { return quote!(&#ty) };
    match last.ident.to_string().as_str() {
        "String" if path.path.segments.len() == 1 => quote!(&str),
        "bool" | "f32" | "f64" | "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" => quote!(#ty),
        "Vec" if path.path.segments.len() == 1 => match &last.arguments {
            syn::PathArguments::AngleBracketed(inner) => {
                let inner = &inner.args;
                quote!(&[#inner])
            }
            _ => quote!(&#ty),
        },
        _ => quote!(&#ty),
    }
}

fn body_argument(
    generated: &Generated,
    tidy: &Tidy,
    index: usize,
    operation: &Operation,
) -> Result<Option<TokenStream>> {
    let Some(body) = &operation.body else { return Ok(None) };
    let ty = match &body.kind {
        BodyKind::Json(..) | BodyKind::Form(_) => {
            let method = generated.methods.get(&skeleton::operation(index));
            let ty = method.and_then(|method| method.arguments.get("body"));
            let missing =
                || Problem::new(format!("operation {:?}", operation.id), "the generator made no type for the body");
            borrowed_body(&tidy.outside(ty.ok_or_else(missing)?))
        }
        BodyKind::Multipart(_) => quote!(consign_http::Form),
        BodyKind::Raw(_) if body.required => quote!(impl Into<consign_http::Body>),
        BodyKind::Raw(_) => quote!(consign_http::Body),
    };
    Ok(Some(if body.required { quote!(body: #ty) } else { quote!(body: Option<#ty>) }))
}

/// The type of a body; unlike other arguments a number or boolean is borrowed too.
fn borrowed_body(ty: &Type) -> TokenStream {
    let borrowed = borrowed(ty);
    if borrowed.to_string().starts_with('&') { borrowed } else { quote!(&#ty) }
}

/// The type of the reply's value, and the call that sends.
fn answer(
    generated: &Generated,
    tidy: &Tidy,
    index: usize,
    operation: &Operation,
) -> Result<(TokenStream, TokenStream)> {
    Ok(match &operation.answer {
        Answer::Json(..) => {
            let method = generated.methods.get(&skeleton::operation(index));
            let missing =
                || Problem::new(format!("operation {:?}", operation.id), "the generator made no type for the answer");
            let value = tidy.outside(&method.ok_or_else(missing)?.value);
            match operation.empty.is_empty() {
                true => (quote!(#value), quote!(self.http.json(request).await)),
                false => (quote!(Option<#value>), quote!(self.http.json_or_empty(request).await)),
            }
        }
        Answer::Empty => (quote!(()), quote!(self.http.empty(request).await)),
        Answer::Stream => (quote!(consign_http::ByteStream), quote!(self.http.stream(request).await)),
        Answer::Bytes => (quote!(bytes::Bytes), quote!(self.http.bytes(request).await)),
    })
}

/// The expression that builds the request.
fn request(operation: &Operation) -> Result<TokenStream> {
    let constant = ident(&operation.constant);
    let (inside, other): (Vec<&Parameter>, Vec<&Parameter>) =
        operation.parameters.iter().partition(|parameter| parameter.place == In::Path);
    // `{+name}` is how a value of several segments is sent.
    let named = |parameter: &Parameter, name: &str| match parameter.several {
        true => name.strip_prefix('+') == Some(&parameter.wire),
        false => name == parameter.wire,
    };
    let argument = |name: &str| {
        let Some(parameter) = inside.iter().find(|parameter| named(parameter, name)) else {
            let what = format!("nothing stands for {{{name}}} of its path {}", operation.path);
            return Err(Problem::new(operation.id.as_str(), what));
        };
        let name = ident(&parameter.name);
        Ok(match parameter.list {
            Some(ListForm::Joined(by)) => quote!(&decode::joined(#name, #by)),
            _ => quote!(&#name),
        })
    };
    let path = template(&operation.path).map(argument).collect::<Result<Vec<_>>>()?;
    let other = other.into_iter().map(send_parameter);
    let body = operation.body.as_ref().map(|body| {
        let required = body.required;
        match (&body.kind, required) {
            (BodyKind::Json(_, media), true) if media == "application/json" => quote!(.json(body)?),
            (BodyKind::Json(_, media), false) if media == "application/json" => quote!(.json_opt(body)?),
            (BodyKind::Json(_, media), true) => quote!(.body(#media, decode::json(&operations::#constant, body)?)),
            (BodyKind::Json(_, media), false) => {
                quote!(.body_opt(#media, body.map(|body| decode::json(&operations::#constant, body)).transpose()?))
            }
            (BodyKind::Form(_), true) => quote!(.form(body)?),
            (BodyKind::Form(_), false) => quote!(.form_opt(body)?),
            (BodyKind::Multipart(_), true) => quote!(.multipart(body)),
            (BodyKind::Multipart(_), false) => quote!(.multipart_opt(body)),
            (BodyKind::Raw(media), true) => quote!(.body(#media, body)),
            (BodyKind::Raw(media), false) => quote!(.body_opt(#media, body)),
        }
    });
    Ok(quote! {
        consign_http::Request::new(&operations::#constant, &[#(#path),*])? #(#other)* #body .options(options.call)
    })
}

/// The call that adds a parameter to the request.
fn send_parameter(parameter: &Parameter) -> TokenStream {
    let (wire, name) = (&parameter.wire, ident(&parameter.name));
    let (one, opt) = match parameter.place {
        In::Header => (quote!(header), quote!(header_opt)),
        _ => (quote!(query), quote!(query_opt)),
    };
    match (parameter.list, parameter.required) {
        (None, true) if parameter.secret => quote!(.query_secret(#wire, &#name)),
        (None, true) => quote!(.#one(#wire, &#name)),
        (None, false) => quote!(.#opt(#wire, options.#name.as_ref())),
        (Some(ListForm::Repeated), true) => quote!(.query_list(#wire, #name)),
        (Some(ListForm::Repeated), false) => quote!(.query_list(#wire, options.#name.as_deref().unwrap_or_default())),
        (Some(ListForm::Joined(by)), true) => quote!(.#one(#wire, &decode::joined(#name, #by))),
        (Some(ListForm::Joined(by)), false) => {
            quote!(.#opt(#wire, options.#name.as_ref().map(|list| decode::joined(list, #by)).as_ref()))
        }
    }
}

/// Description, HTTP call, parameters and errors of a method.
fn method_docs(operation: &Operation) -> TokenStream {
    let mut lines = operation.docs.clone();
    lines.extend([String::new(), call(operation), String::new()]);
    let mut optional = Vec::new();
    for parameter in &operation.parameters {
        if !parameter.required {
            optional.push(docs::code(&parameter.name));
            continue;
        }
        let text: Vec<&str> = parameter.docs.iter().map(String::as_str).filter(|line| !line.is_empty()).collect();
        lines.push(format!("- {}: {}", docs::code(&parameter.name), text.join(" ")));
    }
    if let Some(body) = &operation.body {
        let text: Vec<&str> = body
            .docs
            .iter()
            .map(String::as_str)
            .take_while(|line| *line != "Parts:")
            .filter(|line| !line.is_empty())
            .collect();
        let text = if text.is_empty() { "what is sent.".to_owned() } else { text.join(" ") };
        lines.push(format!("- `body`{}: {text}", if body.required { "" } else { " (may be left out)" }));
    }
    if optional.is_empty() {
        lines.push("- `options`: time limit and further headers of this call.".to_owned());
    } else {
        lines.push(format!("- `options`: {}, and time limit and further headers of this call.", optional.join(", ")));
    }
    if let Some(parts) = operation
        .body
        .as_ref()
        .and_then(|body| body.docs.iter().position(|line| line == "Parts:").map(|at| &body.docs[at..]))
    {
        lines.push(String::new());
        lines.extend(parts.iter().cloned());
    }
    lines.extend([String::new(), "# Errors".to_owned()]);
    lines.push(
        "A value that cannot be sent, a failure on the way, an answer that is no success or cannot be read.".to_owned(),
    );
    if !operation.failures.is_empty() {
        lines.push(String::new());
        lines.extend(operation.failures.iter().map(|failure| format!("- {failure}")));
    }
    doc(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_path_that_nothing_stands_for_is_a_problem_and_not_left_out() {
        let (id, path) = ("get_x".to_owned(), "/x/{+id}".to_owned());
        let text = || String::new();
        let operation = Operation {
            id,
            method: "GET".to_owned(),
            path,
            client: text(),
            name: text(),
            constant: "GET_X".to_owned(),
            options: text(),
            docs: Vec::new(),
            parameters: Vec::new(),
            body: None,
            answer: Answer::Empty,
            accept: text(),
            empty: Vec::new(),
            switches: false,
            failures: Vec::new(),
        };
        let problem = request(&operation).unwrap_err().to_string();
        assert_eq!(problem, "get_x: nothing stands for {+id} of its path /x/{+id}");
    }
}

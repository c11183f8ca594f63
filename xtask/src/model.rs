//! What a document says, in the terms of the generated code: types, operations, their parts.
use serde_json::Value;

/// One generated module.
#[derive(Debug)]
pub struct Api {
    /// The document's path, for the first line of the file.
    pub source: String,
    /// The title of the document.
    pub title: String,
    /// The types, each after the type it was found in.
    pub types: Vec<TypeDef>,
    /// The operations, in document order.
    pub operations: Vec<Operation>,
}

/// A named type.
#[derive(Debug)]
pub struct TypeDef {
    /// Its Rust name.
    pub name: String,
    /// Where it stands in the document: `schema "Job"`.
    pub place: String,
    /// Markdown lines.
    pub docs: Vec<String>,
    /// What it is.
    pub shape: Shape,
    /// Whether it can occur in a request body.
    pub sent: bool,
}

/// What a named type is.
///
/// A schema here is a *plain* one, all that the generator gets to see: a reference to another named
/// type by its Rust name, a scalar, a list or map of plain schemas, or anything.
#[derive(Debug)]
pub enum Shape {
    /// An object with known members.
    Struct(Struct),
    /// Another name for a plain schema.
    Alias(Value),
    /// Text with known values, and the variant for an unknown one.
    Enum(Vec<EnumValue>, String),
    /// One of several objects, told apart by a tag.
    Tagged(Tagged),
    /// One of several forms, tried in order, and the variant for an unknown one.
    Untagged(Vec<Form>, String),
    /// A hand-written type: nothing is generated.
    External(String),
}

/// An object with known members.
#[derive(Debug, Default)]
pub struct Struct {
    /// In document order.
    pub members: Vec<Member>,
    /// Unknown members are kept although the type is only received, because the document declares them.
    pub open: bool,
    /// A tag that the type writes itself, as member name and value: it belongs to a union, under this tag only.
    pub tag: Option<(String, String)>,
}

/// A member of an object.
#[derive(Debug)]
pub struct Member {
    /// Its name on the wire.
    pub wire: String,
    /// The field.
    pub field: String,
    /// A plain schema.
    pub schema: Value,
    /// Whether it has to be there.
    pub required: bool,
    /// Whether it may be null.
    pub nullable: bool,
    /// It occurs in answers only.
    pub only_received: bool,
    /// It occurs in requests only.
    pub only_sent: bool,
    /// Markdown lines.
    pub docs: Vec<String>,
}

/// A known value of an enum.
#[derive(Debug)]
pub struct EnumValue {
    /// On the wire.
    pub wire: String,
    /// In Rust.
    pub variant: String,
    /// Markdown lines, if the document describes the value.
    pub docs: Vec<String>,
}

/// A union whose members are told apart by a tag.
#[derive(Debug)]
pub struct Tagged {
    /// The member that holds the tag.
    pub tag: String,
    /// In document order.
    pub variants: Vec<TaggedVariant>,
    /// The variant for an unknown tag.
    pub unknown: String,
}

/// A member of a tagged union.
#[derive(Debug)]
pub struct TaggedVariant {
    /// Its values of the tag: one, or several if the payload is a union by the same tag itself.
    pub values: Vec<String>,
    /// In Rust.
    pub variant: String,
    /// The Rust name of the payload's type.
    pub payload: String,
    /// Whether the payload writes the tag itself.
    pub self_tagged: bool,
    /// Whether the payload is read from an object that still has the tag.
    pub sees_tag: bool,
}

/// A form of an untagged union.
#[derive(Debug)]
pub struct Form {
    /// In Rust.
    pub variant: String,
    /// A plain schema.
    pub schema: Value,
    /// What a value has to look like before it is tried.
    pub test: Test,
}

/// What decides whether a form of an untagged union is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// Whether it decodes.
    Decode,
    /// These members are there and not null, and these hold the given text; then whether it decodes.
    Members(Vec<String>, Vec<(String, String)>),
    /// The text is a known value of the enum with this Rust name.
    Known(String),
    /// The union with this Rust name decodes it as one of its own forms.
    NotOther(String),
}

/// An operation.
#[derive(Debug)]
pub struct Operation {
    /// `operationId`.
    pub id: String,
    /// `GET`.
    pub method: String,
    /// `/v1/jobs/{jobId}`.
    pub path: String,
    /// The method of the client.
    pub name: String,
    /// The static that describes it.
    pub constant: String,
    /// The struct of its optional parameters.
    pub options: String,
    /// Markdown lines.
    pub docs: Vec<String>,
    /// Path parameters in the order of the template, then the others in document order.
    pub parameters: Vec<Parameter>,
    /// What it sends.
    pub body: Option<Body>,
    /// What it receives.
    pub answer: Answer,
    /// The media type it asks for.
    pub accept: String,
    /// Success statuses that may come without a body although others carry a value.
    pub empty: Vec<u16>,
    /// The documented failures, as text: "404: there is no such job".
    pub failures: Vec<String>,
}

/// Where a parameter is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum In {
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// As a header.
    Header,
}

/// A parameter of an operation.
#[derive(Debug)]
pub struct Parameter {
    /// Its name on the wire.
    pub wire: String,
    /// The argument or field.
    pub name: String,
    /// Where it is sent.
    pub place: In,
    /// Whether it has to be given.
    pub required: bool,
    /// A plain schema; of the items if it is a list.
    pub schema: Value,
    /// How a list is written; `None` for a single value.
    pub list: Option<ListForm>,
    /// Markdown lines.
    pub docs: Vec<String>,
}

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListForm {
    /// The name once for each item.
    Repeated,
    /// The items joined by a separator.
    Joined(char),
}

/// What an operation sends.
#[derive(Debug)]
pub struct Body {
    /// Its form.
    pub kind: BodyKind,
    /// Whether it has to be given.
    pub required: bool,
    /// Markdown lines.
    pub docs: Vec<String>,
}

/// The form of a body.
#[derive(Debug)]
pub enum BodyKind {
    /// A value written as JSON, under this media type.
    Json(Value, String),
    /// A value written as a form.
    Form(Value),
    /// Parts; the named types that some of them hold as JSON.
    Multipart(Vec<Value>),
    /// Bytes or a stream, under this media type.
    Raw(String),
}

/// What a successful answer carries.
#[derive(Debug)]
pub enum Answer {
    /// A value in JSON, perhaps null.
    Json(Value, bool),
    /// Nothing.
    Empty,
    /// Bytes that may be many.
    Stream,
    /// A whole body.
    Bytes,
}

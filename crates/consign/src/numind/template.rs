//! Templates: what an extraction asks for, written by hand or derived from a type.
use std::fmt;

use consign_core::Violations;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error as _};
use serde_json::{Map, Value};

/// The member of a schema that names a leaf of a template, or any part of one, in place of what the type tells.
const EXTENSION: &str = "x-numind";
/// The leaves that a template can name, apart from `region:XX`.
const LEAVES: [&str; 21] = [
    "string",
    "verbatim-string",
    "integer",
    "number",
    "boolean",
    "date-time",
    "date",
    "time",
    "duration",
    "country",
    "currency",
    "language",
    "language-tag",
    "script",
    "url",
    "email-address",
    "phone-number",
    "iban",
    "bic",
    "unit-code",
    "region",
];

/// What an extraction asks for: a JSON object whose leaves name types. `["type"]` and `[{…}]` are lists, `["a", "b"]` is
/// a choice, `[["a", "b"]]` a choice of several, and objects nest.
///
/// [`Template::of`] derives one from a type:
///
/// | in the type | in the template |
/// |---|---|
/// | `String`, `char` | `string` |
/// | whole numbers, other numbers, `bool` | `integer`, `number`, `boolean` |
/// | dates and times of chrono or jiff | `date-time`, `date`, `time` |
/// | formats `duration`, `uri`, `email` | `duration`, `url`, `email-address` |
/// | formats `uuid`, `hostname`, `ipv4` and the like | `verbatim-string` |
/// | enums of two or more names | a choice |
/// | `Vec`, sets | a list; of such an enum a choice of several |
/// | structs | objects |
/// | `Option<T>`, boxes | as `T`: every value of a result may be null |
/// | `#[schemars(extend("x-numind" = "iban"))]` | just that: any leaf, or any JSON |
/// | a format that is the name of a leaf | that leaf |
///
/// What a template cannot say is a violation that names the member: maps, tuples and arrays of a fixed length, lists of
/// lists, enums with data or with one name, any JSON, types that contain themselves.
///
/// The service asks for members in the order of the template. JSON objects of serde_json are in the order of the
/// alphabet unless its feature `preserve_order` is on, which is on for a whole program or not at all: the feature of the
/// same name of this crate turns it on, and members are in the order of a struct's fields.
///
/// ```
/// use consign::numind::Template;
///
/// #[derive(schemars::JsonSchema)]
/// struct Invoice {
///     #[schemars(extend("x-numind" = "verbatim-string"))]
///     number: String,
///     total: Option<f64>,
///     lines: Vec<Line>,
/// }
/// #[derive(schemars::JsonSchema)]
/// struct Line {
///     article: String,
///     pieces: u32,
/// }
///
/// let by_type = Template::of::<Invoice>();
/// let by_hand = Template::new(serde_json::json!({
///     "number": "verbatim-string",
///     "total": "number",
///     "lines": [{"article": "string", "pieces": "integer"}],
/// }));
/// assert_eq!(by_type, by_hand);
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Template {
    json: Value,
    /// What of its type a template cannot say.
    inexpressible: Violations,
}

impl Template {
    /// A template written by hand. It is sent as it is; that it is an object with members is all that is checked.
    pub fn new(json: impl Into<Value>) -> Self {
        Self { json: json.into(), inexpressible: Violations::new() }
    }
    /// The template of a type, by its schema for reading. What cannot be said is reported by
    /// [`Template::validate`] and when it is submitted.
    pub fn of<T: JsonSchema>() -> Self {
        let settings = SchemaSettings::draft2020_12().for_deserialize().with(|settings| {
            settings.inline_subschemas = true;
        });
        let schema: Value = settings.into_generator().into_root_schema_for::<T>().into();
        let mut reader = Reader(Violations::new());
        let json = reader.node(&schema, "").unwrap_or_default();
        if reader.0.is_empty() && !json.is_object() {
            reader.inexpressible("", "a template is a struct");
        }
        Self { json, inexpressible: reader.0 }
    }
    /// The template as it is sent.
    pub fn json(&self) -> &Value {
        &self.json
    }
    /// Whether it can be submitted.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) naming every member that a template cannot express.
    pub fn validate(&self) -> crate::Result<()> {
        let mut out = Violations::new();
        self.check(&mut out);
        out.into_result().map_err(Into::into)
    }

    pub(super) fn check(&self, out: &mut Violations) {
        out.nest("", self.inexpressible.clone());
        if self.inexpressible.is_empty() && self.json.as_object().is_none_or(Map::is_empty) {
            out.add("template", &self.json, "an object with at least one member");
        }
    }
}

impl From<Value> for Template {
    fn from(json: Value) -> Self {
        Self::new(json)
    }
}
impl From<&Template> for Template {
    fn from(template: &Template) -> Self {
        template.clone()
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({})", self.json)
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.inexpressible.is_empty() {
            return Err(S::Error::custom(&self.inexpressible));
        }
        self.json.serialize(serializer)
    }
}
impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::new)
    }
}

/// Reads a schema, and collects what a template cannot say.
struct Reader(Violations);

impl Reader {
    fn inexpressible(&mut self, path: &str, what: &str) {
        let member = if path.is_empty() { "template".to_owned() } else { format!("template.{path}") };
        self.0.add(member, "", what);
    }
    /// The template's part for a schema; `None` if there is none, which is then noted.
    fn node(&mut self, schema: &Value, path: &str) -> Option<Value> {
        if let Some(given) = schema.get(EXTENSION) {
            return Some(given.clone());
        }
        if schema.get("$ref").is_some() {
            self.inexpressible(path, "a type that does not contain itself");
            return None;
        }
        if let Some(choice) = choices(schema) {
            return match choice.len() {
                0 | 1 => {
                    self.inexpressible(path, "a choice of two or more names");
                    None
                }
                _ => Some(choice.into()),
            };
        }
        for word in ["anyOf", "oneOf", "allOf"] {
            if let Some(Value::Array(forms)) = schema.get(word) {
                let mut forms = forms.iter().filter(|form| !is_null(form));
                return match (forms.next(), forms.next()) {
                    (Some(only), None) if schema.get("properties").is_none() => self.node(only, path),
                    _ => {
                        self.inexpressible(path, "one form, not one of several");
                        None
                    }
                };
            }
        }
        let kinds: Vec<&str> = match schema.get("type") {
            Some(Value::String(kind)) => vec![kind],
            Some(Value::Array(kinds)) => {
                kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect()
            }
            _ => Vec::new(),
        };
        match kinds[..] {
            ["string"] => Some(text(schema).into()),
            [leaf @ ("integer" | "number" | "boolean")] => Some(named(schema).unwrap_or(leaf).into()),
            ["array"] => self.list(schema, path),
            ["object"] => self.object(schema, path),
            [] => {
                self.inexpressible(path, "a type of its own, not any JSON");
                None
            }
            _ => {
                self.inexpressible(path, "one type: text, number, boolean, list or struct");
                None
            }
        }
    }
    fn list(&mut self, schema: &Value, path: &str) -> Option<Value> {
        let fixed = schema.get("minItems").is_some_and(|least| Some(least) == schema.get("maxItems"));
        let of = match schema.get("items") {
            Some(of) if schema.get("prefixItems").is_none() && !fixed => of,
            _ => {
                self.inexpressible(path, "a list of any length whose items are alike");
                return None;
            }
        };
        let inner = self.node(of, &format!("{path}[]"))?;
        // A list of names that is not a choice is a list too.
        if inner.is_array() && choices(of).is_none() && of.get(EXTENSION).is_none() {
            self.inexpressible(path, "a list of something else than lists");
            return None;
        }
        Some(Value::Array(vec![inner]))
    }
    fn object(&mut self, schema: &Value, path: &str) -> Option<Value> {
        let open = |word| schema.get(word).is_some_and(|more: &Value| *more != Value::Bool(false));
        let members = schema.get("properties").and_then(Value::as_object).filter(|members| !members.is_empty());
        let (Some(members), false) = (members, open("additionalProperties") || open("patternProperties")) else {
            self.inexpressible(path, "a struct whose members all have names; not a map");
            return None;
        };
        let dot = if path.is_empty() { "" } else { "." };
        let mut out = Map::new();
        for (name, member) in members {
            if let Some(part) = self.node(member, &format!("{path}{dot}{name}")) {
                out.insert(name.clone(), part);
            }
        }
        Some(Value::Object(out))
    }
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null") || schema.get("const") == Some(&Value::Null)
}

/// The names that a schema chooses from; `None` if it is something else.
fn choices(schema: &Value) -> Option<Vec<String>> {
    if let Some(Value::Array(all)) = schema.get("enum") {
        let names = all.iter().filter(|name| !name.is_null());
        return names.map(|name| name.as_str().map(str::to_owned)).collect();
    }
    if let Some(only) = schema.get("const").and_then(Value::as_str) {
        return Some(vec![only.to_owned()]);
    }
    let forms = ["oneOf", "anyOf"].iter().find_map(|word| schema.get(*word)?.as_array())?;
    let mut names = Vec::new();
    for form in forms.iter().filter(|form| !is_null(form)) {
        names.extend(choices(form)?);
    }
    Some(names)
}

/// The leaf for a text.
fn text(schema: &Value) -> &str {
    match schema.get("format").and_then(Value::as_str).unwrap_or_default() {
        "partial-date-time" => "date-time",
        "partial-time" => "time",
        "uri" | "iri" => "url",
        "email" | "idn-email" => "email-address",
        "uuid" | "hostname" | "ip" | "ipv4" | "ipv6" => "verbatim-string",
        _ => named(schema).unwrap_or("string"),
    }
}

/// The leaf that a format names by itself.
fn named(schema: &Value) -> Option<&str> {
    let format = schema.get("format")?.as_str()?;
    (LEAVES.contains(&format) || format.starts_with("region:")).then_some(format)
}

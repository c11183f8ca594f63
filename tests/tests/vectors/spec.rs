//! What a document under `specs/` says: operations, their parameters, and the shape of a value.
use std::collections::BTreeMap;

use serde_json::Value;

pub struct Spec(Value);

/// The shape of a value, with references followed and parents merged.
pub enum Shape<'a> {
    /// Any JSON: compared exactly, `null` included.
    Free,
    /// Known members; `None`: others are not described.
    Object(BTreeMap<&'a str, &'a Value>),
    /// Any names, values of one shape.
    Map(&'a Value),
    List(&'a Value),
    /// Text, perhaps with known values.
    Text(Vec<&'a str>),
    /// A number or a boolean.
    Scalar,
    /// One of several.
    OneOf(Vec<&'a Value>),
}

impl Spec {
    pub fn read(path: &std::path::Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }
    fn operation(&self, id: &str) -> &Value {
        let paths = self.0["paths"].as_object().into_iter().flatten().filter_map(|(_, item)| item.as_object());
        let mut operations = paths.flat_map(|item| item.values());
        operations.find(|operation| operation["operationId"] == id).unwrap_or(&Value::Null)
    }
    /// The type of a query parameter (of its items, for a list): `boolean`, `integer`, `number` or `string`.
    pub fn query_type(&self, id: &str, name: &str) -> &str {
        let parameters = self.operation(id)["parameters"].as_array().into_iter().flatten();
        let mut schemas =
            parameters.filter(|p| p["in"] == "query" && p["name"] == name).map(|p| self.follow(&p["schema"]));
        let schema = schemas.next().unwrap_or(&Value::Null);
        schema["items"]["type"].as_str().or(schema["type"].as_str()).unwrap_or("string")
    }
    pub fn request_schema(&self, id: &str) -> &Value {
        &self.operation(id)["requestBody"]["content"]["application/json"]["schema"]
    }
    /// The schema of a successful answer; `None` if the operation answers nothing.
    pub fn reply_schema(&self, id: &str) -> Option<&Value> {
        let responses = self.operation(id)["responses"].as_object()?;
        let success = responses.iter().filter(|(status, _)| status.starts_with('2'));
        success.map(|(_, response)| &response["content"]["application/json"]["schema"]).find(|schema| !schema.is_null())
    }
    /// Whether an answer with this status may lack the body that the operation gives.
    pub fn body_optional(&self, id: &str, status: u16) -> bool {
        let responses = &self.operation(id)["responses"];
        let response = &responses[status.to_string()];
        response["x-body-optional"] == true || (response.is_object() && response.get("content").is_none())
    }

    fn follow<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match self.name(schema) {
            Some(name) if schema.get("$ref").is_some() => self.follow(&self.0["components"]["schemas"][name]),
            _ => schema,
        }
    }
    /// The component that a schema refers to, directly or as the only parent.
    pub fn name<'a>(&self, schema: &'a Value) -> Option<&'a str> {
        let parents =
            schema["allOf"].as_array().filter(|parents| parents.len() == 1 && schema.get("properties").is_none());
        let schema = parents.map_or(schema, |parents| &parents[0]);
        schema["$ref"].as_str()?.rsplit('/').next()
    }
    /// The shape of `value` by `schema`. The value matters only for a union with a tag.
    pub fn shape<'a>(&'a self, schema: &'a Value, value: &Value) -> Shape<'a> {
        let schema = self.follow(schema);
        for key in ["oneOf", "anyOf"] {
            let Some(forms) = schema[key].as_array() else { continue };
            if let (Some(tag), Some(mapping)) =
                (schema["discriminator"]["propertyName"].as_str(), schema["discriminator"]["mapping"].as_object())
            {
                let target = value[tag].as_str().and_then(|tag| mapping.get(tag)).and_then(Value::as_str);
                let name = target.and_then(|target| target.rsplit('/').next());
                return name.map_or(Shape::Free, |name| self.shape(&self.0["components"]["schemas"][name], value));
            }
            // A union that takes anything describes nothing.
            if forms.iter().any(|form| matches!(self.shape(form, value), Shape::Free)) {
                return Shape::Free;
            }
            return Shape::OneOf(forms.iter().collect());
        }
        if let Some(parents) = schema["allOf"].as_array() {
            return match parents.as_slice() {
                [one] if schema.get("properties").is_none() => self.shape(one, value),
                _ => {
                    let mut members = BTreeMap::new();
                    self.members(schema, &mut members);
                    Shape::Object(members)
                }
            };
        }
        match schema["type"].as_str() {
            Some("object") if schema["properties"].as_object().is_some_and(|p| !p.is_empty()) => {
                let mut members = BTreeMap::new();
                self.members(schema, &mut members);
                Shape::Object(members)
            }
            Some("object") if schema["additionalProperties"].is_object() => Shape::Map(&schema["additionalProperties"]),
            Some("array") => Shape::List(&schema["items"]),
            Some("string") => {
                Shape::Text(schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect())
            }
            Some("integer" | "number" | "boolean") => Shape::Scalar,
            _ => Shape::Free,
        }
    }
    fn members<'a>(&'a self, schema: &'a Value, members: &mut BTreeMap<&'a str, &'a Value>) {
        let schema = self.follow(schema);
        for parent in schema["allOf"].as_array().into_iter().flatten() {
            self.members(parent, members);
        }
        members.extend(
            schema["properties"].as_object().into_iter().flatten().map(|(name, schema)| (name.as_str(), schema)),
        );
    }
    /// The form of a union that `value` has: the right JSON type, and for an object the most known members.
    pub fn choose<'a>(&'a self, forms: &[&'a Value], value: &Value) -> Option<&'a Value> {
        let rank = |form: &Value| match (self.shape(form, value), value) {
            (Shape::Object(members), Value::Object(object)) => {
                Some(1 + object.keys().filter(|name| members.contains_key(name.as_str())).count())
            }
            (Shape::Map(_), Value::Object(_))
            | (Shape::List(_), Value::Array(_))
            | (Shape::Text(_), Value::String(_)) => Some(1),
            (Shape::Scalar, Value::Number(_) | Value::Bool(_)) => Some(1),
            (Shape::OneOf(inner), value) => self.choose(&inner, value).map(|_| 1),
            _ => None,
        };
        // The first of equals.
        forms
            .iter()
            .rev()
            .filter_map(|form| Some((rank(form)?, *form)))
            .max_by_key(|(rank, _)| *rank)
            .map(|(_, form)| form)
    }
    /// Pointers of the members of `value`, and of what is inside it, that `schema` does not describe.
    pub fn undescribed(&self, schema: &Value, value: &Value, at: &str) -> Vec<String> {
        let escape = |name: &str| name.replace('~', "~0").replace('/', "~1");
        match (self.shape(schema, value), value) {
            (Shape::Object(members), Value::Object(object)) => object
                .iter()
                .flat_map(|(name, value)| {
                    let at = format!("{at}/{}", escape(name));
                    match members.get(name.as_str()) {
                        Some(schema) => self.undescribed(schema, value, &at),
                        None => vec![at],
                    }
                })
                .collect(),
            (Shape::Map(item), Value::Object(object)) => object
                .iter()
                .flat_map(|(name, value)| self.undescribed(item, value, &format!("{at}/{}", escape(name))))
                .collect(),
            (Shape::List(item), Value::Array(list)) => list
                .iter()
                .enumerate()
                .flat_map(|(n, value)| self.undescribed(item, value, &format!("{at}/{n}")))
                .collect(),
            (Shape::OneOf(forms), value) => {
                self.choose(&forms, value).map(|form| self.undescribed(form, value, at)).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }
    /// Whether `found` says yes to a value anywhere in `value`, told the component each one is described by.
    pub fn any(&self, schema: &Value, value: &Value, found: &dyn Fn(&str, &Value) -> bool) -> bool {
        if self.name(schema).is_some_and(|name| found(name, value)) {
            return true;
        }
        match (self.shape(schema, value), value) {
            (Shape::Object(members), Value::Object(object)) => {
                object.iter().any(|(name, value)| members.get(name.as_str()).is_some_and(|s| self.any(s, value, found)))
            }
            (Shape::Map(item), Value::Object(object)) => object.values().any(|value| self.any(item, value, found)),
            (Shape::List(item), Value::Array(list)) => list.iter().any(|value| self.any(item, value, found)),
            (Shape::OneOf(forms), value) => self.choose(&forms, value).is_some_and(|form| self.any(form, value, found)),
            _ => false,
        }
    }
}

//! Reading JSON as Go does: names in any case, unknown members ignored, null as absent, its own messages.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::errors::{Refused, api_error};

/// The members of an object, and where it stands.
#[derive(Clone)]
pub(crate) struct Members<'a> {
    members: &'a Map<String, Value>,
    /// The Go type of the whole body.
    root: &'static str,
    path: String,
}

fn mismatch(root: &str, path: &str, wanted: &str, found: &Value) -> Refused {
    let got = match found {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(number) if number.is_f64() && wanted.contains("int") => format!("number {number}"),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(_) => "array".to_owned(),
        Value::Object(_) => "object".to_owned(),
    };
    let place = match path {
        "" => format!("Go value of type apimodels.{root}"),
        path => format!("Go struct field {root}.{path} of type {wanted}"),
    };
    api_error(
        400,
        &format!(
            "code=400, message=Unmarshal type error: expected={wanted}, got={got}, field={path}, offset=0, \
             internal=json: cannot unmarshal {got} into {place}"
        ),
    )
}

impl<'a> Members<'a> {
    /// The members of a body; None if it is null.
    pub(crate) fn of(body: &'a Value, root: &'static str) -> Result<Option<Self>, Refused> {
        match body {
            Value::Null => Ok(None),
            Value::Object(members) => Ok(Some(Self { members, root, path: String::new() })),
            other => Err(mismatch(root, "", &format!("apimodels.{root}"), other)),
        }
    }

    fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A member by its name, in any case.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        let exact = self.members.get(name);
        let found =
            exact.or_else(|| self.members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v));
        found.filter(|value| !value.is_null())
    }

    fn wrong<T>(&self, name: &str, wanted: &str, found: &Value) -> Result<T, Refused> {
        Err(mismatch(self.root, &self.at(name), wanted, found))
    }

    pub(crate) fn text(&self, name: &str) -> Result<String, Refused> {
        match self.get(name) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => self.wrong(name, "string", other),
        }
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refused> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => self.wrong(name, "bool", other),
        }
    }

    pub(crate) fn integer(&self, name: &str, wanted: &str) -> Result<Option<i64>, Refused> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) if number.is_i64() && (wanted != "uint64" || number.is_u64()) => {
                Ok(number.as_i64())
            }
            Some(other) => self.wrong(name, wanted, other),
        }
    }

    pub(crate) fn texts(&self, name: &str) -> Result<BTreeMap<String, String>, Refused> {
        let members = match self.get(name) {
            None => return Ok(BTreeMap::new()),
            Some(Value::Object(members)) => members,
            Some(other) => return self.wrong(name, "map[string]string", other),
        };
        let mut all = BTreeMap::new();
        for (key, value) in members {
            match value {
                Value::Null => all.insert(key.clone(), String::new()),
                Value::String(text) => all.insert(key.clone(), text.clone()),
                other => return self.wrong(name, "string", other),
            };
        }
        Ok(all)
    }

    pub(crate) fn list(&self, name: &str, wanted: &str) -> Result<&'a [Value], Refused> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => self.wrong(name, wanted, other),
        }
    }

    pub(crate) fn strings(&self, name: &str) -> Result<Vec<String>, Refused> {
        let text = |value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Null => Ok(String::new()),
            other => self.wrong(name, "string", other),
        };
        self.list(name, "[]string")?.iter().map(text).collect()
    }

    /// The objects of a list. A null among them makes the server stumble.
    pub(crate) fn objects(&self, name: &str, wanted: &str) -> Result<Vec<Self>, Refused> {
        let object = |value: &'a Value| match value {
            Value::Object(members) => Ok(Self { members, root: self.root, path: self.at(name) }),
            Value::Null => Err(super::errors::unforeseen()),
            other => self.wrong(name, wanted.trim_start_matches("[]*"), other),
        };
        self.list(name, wanted)?.iter().map(object).collect()
    }

    pub(crate) fn object(&self, name: &str, wanted: &str) -> Result<Option<Self>, Refused> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Self { members, root: self.root, path: self.at(name) })),
            Some(other) => self.wrong(name, wanted, other),
        }
    }

    /// The same members as of a type that stands in another in Go.
    pub(crate) fn within(mut self, name: &str) -> Self {
        self.path = self.at(name);
        self
    }

    pub(crate) fn free(&self, name: &str) -> Result<Map<String, Value>, Refused> {
        match self.get(name) {
            None => Ok(Map::new()),
            Some(Value::Object(members)) => Ok(members.clone()),
            Some(other) => self.wrong(name, "map[string]interface {}", other),
        }
    }
}

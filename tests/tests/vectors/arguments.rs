//! From a recorded request to the typed arguments of a method.
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::de::DeserializeOwned;

use crate::line::{Body, Part};

/// What is left of a request to be made into arguments. Taking all of it is checked by [`Arguments::finish`].
pub struct Arguments {
    /// Path values in template order, decoded.
    pub path: Vec<String>,
    pub query: Vec<(String, String)>,
    /// The recorded headers, in lower case: which credential was used. They need not be taken.
    pub headers: BTreeMap<String, Vec<u8>>,
    pub body: Body,
}

impl Arguments {
    /// All values of a repeated key.
    pub fn list(&mut self, name: &str) -> Vec<String> {
        let (ours, others) = std::mem::take(&mut self.query).into_iter().partition(|(found, _)| found == name);
        self.query = others;
        let ours: Vec<(String, String)> = ours;
        ours.into_iter().map(|(_, value)| value).collect()
    }
    /// The value of a key that stands once, read as the argument's type. Empty text stays empty.
    pub fn one<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Option<T>, String> {
        let mut values = self.list(name);
        match (values.pop(), values.len()) {
            (None, _) => Ok(None),
            (Some(text), 0) => text.parse().map(Some).map_err(|error| format!("query {name}={text:?}: {error}")),
            (Some(_), more) => Err(format!("query {name} stands {} times", more + 1)),
        }
    }
    pub fn required(&mut self, name: &str) -> Result<String, String> {
        self.one(name)?.ok_or_else(|| format!("query {name} is missing, which the method requires"))
    }
    /// A boolean, in any case.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, String> {
        let text: Option<String> = self.one(name)?;
        let read =
            |text: String| text.to_lowercase().parse().map_err(|error| format!("query {name}={text:?}: {error}"));
        text.map(read).transpose()
    }
    /// The JSON body, through the argument type's own `Deserialize`.
    pub fn json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, String> {
        match std::mem::replace(&mut self.body, Body::None) {
            Body::None => Ok(None),
            Body::Json(text) => serde_json::from_str(&text).map(Some).map_err(|error| format!("body: {error}")),
            Body::Bytes(_) => Err("the method takes JSON, the body is bytes".to_owned()),
            Body::Parts(_) => Err("the method takes JSON, the body is a form".to_owned()),
        }
    }
    /// A recorded header as text.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }
    /// The parts of a form.
    pub fn parts(&mut self) -> Result<Vec<Part>, String> {
        match std::mem::replace(&mut self.body, Body::None) {
            Body::Parts(parts) => Ok(parts),
            _ => Err("the method takes a form".to_owned()),
        }
    }
    /// # Errors
    /// If a query key or the body has no place among the method's arguments.
    pub fn finish(&self) -> Result<(), String> {
        match (self.query.first(), &self.body) {
            (Some((name, _)), _) => Err(format!("query {name}: the method has no such parameter")),
            (None, Body::None) => Ok(()),
            (None, _) => Err("the method takes no body".to_owned()),
        }
    }
}

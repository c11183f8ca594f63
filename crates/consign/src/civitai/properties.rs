//! Properties of the caller's own: any JSON values, by name.
use std::collections::BTreeMap;

use consign_core::Violations;
use serde::Serialize;
use serde_json::{Map, Value};

/// Properties by name. The same name again replaces.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Properties {
    pub(crate) map: Map<String, Value>,
    /// Those that could not be written as JSON, with the reason.
    unwritable: BTreeMap<String, String>,
}

impl Properties {
    pub(crate) fn set(&mut self, name: String, value: impl Serialize) {
        match serde_json::to_value(value) {
            Ok(value) => {
                self.unwritable.remove(&name);
                self.map.insert(name, value);
            }
            Err(e) => {
                self.map.remove(&name);
                self.unwritable.insert(name, e.to_string());
            }
        }
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty() && self.unwritable.is_empty()
    }
    /// The name of one that cannot be written as JSON.
    pub(crate) fn unwritable(&self) -> Option<&str> {
        self.unwritable.keys().next().map(String::as_str)
    }
    pub(crate) fn check(&self, out: &mut Violations) {
        for name in self.map.keys().filter(|name| name.trim().is_empty()) {
            out.add("properties", name, "names that are not blank");
        }
        for (name, why) in &self.unwritable {
            out.add(format!("properties.{name}"), why, "a value that can be written as JSON");
        }
    }
}

impl From<Map<String, Value>> for Properties {
    fn from(map: Map<String, Value>) -> Self {
        Self { map, unwritable: BTreeMap::new() }
    }
}

//! Where a job stands with each provider: a small map that a page of many jobs can afford.
use std::fmt;
use std::ops::Index;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::types::ProviderJobStatus;

type Entry = (String, ProviderJobStatus);

/// Where a job stands with each provider, by the provider's name, in the order of the answer.
///
/// There are one or two entries as a rule, which a list holds in a fraction of the room of a tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places(Vec<Entry>);

impl Places {
    /// How the job stands with this provider.
    pub fn get(&self, provider: &str) -> Option<&ProviderJobStatus> {
        self.iter().find(|(name, _)| *name == provider).map(|(_, status)| status)
    }
    /// The providers, each with how the job stands there.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &ProviderJobStatus)> {
        self.into_iter()
    }
    /// How many providers there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether there is none: the job is in no queue.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// # Panics
/// If there is no such provider; [`Places::get`] does not.
impl Index<&str> for Places {
    type Output = ProviderJobStatus;
    fn index(&self, provider: &str) -> &ProviderJobStatus {
        #[expect(clippy::panic, reason = "as indexing of the maps of std does")]
        self.get(provider).unwrap_or_else(|| panic!("no provider {provider:?}"))
    }
}
impl<'a> IntoIterator for &'a Places {
    type Item = (&'a str, &'a ProviderJobStatus);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, Entry>, fn(&'a Entry) -> Self::Item>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(name, status)| (name, status))
    }
}
impl FromIterator<Entry> for Places {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}
impl Serialize for Places {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}
impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PlacesVisitor;
        impl<'de> Visitor<'de> for PlacesVisitor {
            type Value = Places;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of providers")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Places, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key()? {
                    // Null is absent.
                    if let Some(status) = map.next_value()? {
                        // A vector that grows by itself starts with room for four.
                        if entries.is_empty() {
                            entries.reserve_exact(1);
                        }
                        entries.push((name, status));
                    }
                }
                Ok(Places(entries))
            }
        }
        deserializer.deserialize_map(PlacesVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_keep_their_order_and_are_found_by_name() {
        let text = r#"{"SaladML":{"support":"Unsupported"},"Civitai":{"support":"Available","queuePosition":{"precedingJobs":3}}}"#;
        let places: Places = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&places).unwrap(), text);
        assert_eq!(places.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["SaladML", "Civitai"]);
        assert_eq!(places["Civitai"].queue_position.as_ref().unwrap().preceding_jobs, Some(3));
        assert_eq!((places.get("OctoML"), places.len(), places.is_empty()), (None, 2, false));
        assert_eq!(places.iter().map(|(name, status)| (name.to_owned(), status.clone())).collect::<Places>(), places);
    }

    #[test]
    fn null_is_absent_and_anything_but_an_object_is_an_error() {
        assert!(serde_json::from_str::<Places>(r#"{"Civitai":null}"#).unwrap().is_empty());
        for bad in ["[]", "\"x\"", "{\"a\":1}", "{\"a\":{}"] {
            assert!(serde_json::from_str::<Places>(bad).is_err(), "{bad}");
        }
    }
}

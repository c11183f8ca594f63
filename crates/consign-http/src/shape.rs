//! Whether a type is read from an object: serde reads structs from arrays too, and an empty array would
//! pass for an answer in which every member is missing.
use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, Error, Visitor};
use serde::forward_to_deserialize_any;

/// Whether `T` is a struct, which JSON has as an object.
pub(crate) fn is_object<T: DeserializeOwned>() -> bool {
    matches!(T::deserialize(Asked), Err(Shape::Object))
}

/// Gives no value; only hears what it is asked for.
struct Asked;

#[derive(Debug)]
enum Shape {
    Object,
    Other,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
impl std::error::Error for Shape {}
impl Error for Shape {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }
}

impl<'de> Deserializer<'de> for Asked {
    type Error = Shape;
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Shape> {
        Err(Shape::Other)
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Shape> {
        Err(Shape::Object)
    }
    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::is_object;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Named {
        #[allow(dead_code, reason = "only its type is asked for")]
        a: Option<u8>,
    }

    #[test]
    fn structs_are_objects_and_nothing_else_is_taken_for_one() {
        assert!(is_object::<Named>());
        assert!(!is_object::<Vec<Named>>());
        assert!(!is_object::<Option<Named>>());
        assert!(!is_object::<serde_json::Value>());
        assert!(!is_object::<String>());
        assert!(!is_object::<(u8, u8)>());
    }
}

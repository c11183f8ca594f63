//! Finds numbers that are not finite in a value: serde_json writes them as null without a word.
use std::fmt;

use consign_http::Violations;
use serde::ser::{self, Serialize, Serializer};

/// The places of numbers that are not finite.
pub(crate) fn check<T: Serialize + ?Sized>(value: &T) -> Violations {
    let mut found = Violations::new();
    // What cannot be walked cannot be written as JSON either, and is reported then.
    let _ = value.serialize(Walk { at: String::new(), found: &mut found });
    found
}

/// A walk over a value. `fmt::Error` only serves as some error of serde.
struct Walk<'a> {
    at: String,
    found: &'a mut Violations,
}

/// A walk over what is in a list or an object.
struct Inside<'a> {
    at: String,
    name: String,
    count: usize,
    found: &'a mut Violations,
}

type Done = Result<(), fmt::Error>;

impl<'a> Walk<'a> {
    fn number(self, number: f64) -> Done {
        if !number.is_finite() {
            let at = if self.at.is_empty() { "arguments" } else { &self.at };
            self.found.add(at, number, "a finite number: JSON has no other");
        }
        Ok(())
    }
    fn inside(self) -> Result<Inside<'a>, fmt::Error> {
        Ok(Inside { at: self.at, name: String::new(), count: 0, found: self.found })
    }
}

impl Inside<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        let at = format!("{}[{}]", self.at, self.count);
        self.count += 1;
        value.serialize(Walk { at, found: self.found })
    }
    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Done {
        let at = if self.at.is_empty() { name.to_owned() } else { format!("{}.{name}", self.at) };
        value.serialize(Walk { at, found: self.found })
    }
}

impl<'a> Serializer for Walk<'a> {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = Inside<'a>;
    type SerializeTuple = Inside<'a>;
    type SerializeTupleStruct = Inside<'a>;
    type SerializeTupleVariant = Inside<'a>;
    type SerializeMap = Inside<'a>;
    type SerializeStruct = Inside<'a>;
    type SerializeStructVariant = Inside<'a>;

    fn serialize_f32(self, v: f32) -> Done {
        self.number(v.into())
    }
    fn serialize_f64(self, v: f64) -> Done {
        self.number(v)
    }
    fn serialize_bool(self, _: bool) -> Done {
        Ok(())
    }
    fn serialize_i8(self, _: i8) -> Done {
        Ok(())
    }
    fn serialize_i16(self, _: i16) -> Done {
        Ok(())
    }
    fn serialize_i32(self, _: i32) -> Done {
        Ok(())
    }
    fn serialize_i64(self, _: i64) -> Done {
        Ok(())
    }
    fn serialize_i128(self, _: i128) -> Done {
        Ok(())
    }
    fn serialize_u8(self, _: u8) -> Done {
        Ok(())
    }
    fn serialize_u16(self, _: u16) -> Done {
        Ok(())
    }
    fn serialize_u32(self, _: u32) -> Done {
        Ok(())
    }
    fn serialize_u64(self, _: u64) -> Done {
        Ok(())
    }
    fn serialize_u128(self, _: u128) -> Done {
        Ok(())
    }
    fn serialize_char(self, _: char) -> Done {
        Ok(())
    }
    fn serialize_str(self, _: &str) -> Done {
        Ok(())
    }
    fn serialize_bytes(self, _: &[u8]) -> Done {
        Ok(())
    }
    fn serialize_none(self) -> Done {
        Ok(())
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Done {
        Ok(())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Done {
        Ok(())
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Done {
        Ok(())
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Done {
        self.inside()?.member(variant, value)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Inside<'a>, fmt::Error> {
        self.inside()
    }
    fn serialize_tuple(self, _: usize) -> Result<Inside<'a>, fmt::Error> {
        self.inside()
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Inside<'a>, fmt::Error> {
        self.inside()
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Inside<'a>, fmt::Error> {
        self.inside()
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Inside<'a>, fmt::Error> {
        self.inside()
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Inside<'a>, fmt::Error> {
        self.inside()
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Inside<'a>, fmt::Error> {
        self.inside()
    }
}

impl ser::SerializeSeq for Inside<'_> {
    type Ok = ();
    type Error = fmt::Error;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.item(value)
    }
    fn end(self) -> Done {
        Ok(())
    }
}
impl ser::SerializeTuple for Inside<'_> {
    type Ok = ();
    type Error = fmt::Error;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.item(value)
    }
    fn end(self) -> Done {
        Ok(())
    }
}
impl ser::SerializeTupleStruct for Inside<'_> {
    type Ok = ();
    type Error = fmt::Error;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.item(value)
    }
    fn end(self) -> Done {
        Ok(())
    }
}
impl ser::SerializeTupleVariant for Inside<'_> {
    type Ok = ();
    type Error = fmt::Error;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.item(value)
    }
    fn end(self) -> Done {
        Ok(())
    }
}
impl ser::SerializeMap for Inside<'_> {
    type Ok = ();
    type Error = fmt::Error;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        let key = serde_json::to_value(key).unwrap_or_default();
        self.name = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        let name = std::mem::take(&mut self.name);
        self.member(&name, value)
    }
    fn end(self) -> Done {
        Ok(())
    }
}
impl ser::SerializeStruct for Inside<'_> {
    type Ok = ();
    type Error = fmt::Error;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Done {
        self.member(name, value)
    }
    fn end(self) -> Done {
        Ok(())
    }
}
impl ser::SerializeStructVariant for Inside<'_> {
    type Ok = ();
    type Error = fmt::Error;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Done {
        self.member(name, value)
    }
    fn end(self) -> Done {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(serde::Serialize)]
    enum Choice {
        One(f32),
        Two(f64, f64),
        Three { x: Option<f64> },
    }
    #[derive(serde::Serialize)]
    struct Deep {
        list: Vec<f64>,
        pair: (u8, f64),
        map: BTreeMap<u8, f64>,
        choices: [Choice; 3],
        fine: f64,
        text: &'static str,
    }

    #[test]
    fn every_number_that_is_not_finite_is_found_with_its_place() {
        let deep = Deep {
            list: vec![1.0, f64::NAN],
            pair: (1, f64::INFINITY),
            map: BTreeMap::from([(3, f64::NEG_INFINITY)]),
            choices: [Choice::One(f32::NAN), Choice::Two(0.0, f64::NAN), Choice::Three { x: Some(f64::NAN) }],
            fine: f64::MAX,
            text: "NaN",
        };
        let found = check(&deep);
        let places: Vec<&str> = found.iter().map(|violation| violation.member.as_str()).collect();
        assert_eq!(places, ["list[1]", "pair[1]", "map.3", "choices[0].One", "choices[1][1]", "choices[2].x"]);
        assert_eq!(check(&f64::NAN).iter().next().map(|violation| violation.member.as_str()), Some("arguments"));
    }
}

//! JSON as the service keeps it: in a database column with its own key order and numbers, written in a model's order.

use serde_json::{Map, Number, Value};

/// A value as it comes back from the database: numbers from 1e16 on as integers, no negative zero. `None`: the
/// database refuses it.
pub(super) fn stored(value: Value) -> Option<Value> {
    Some(match value {
        Value::String(text) if text.contains('\0') => return None,
        Value::Number(number) => Value::Number(number_stored(number)),
        Value::Array(items) => Value::Array(items.into_iter().map(stored).collect::<Option<_>>()?),
        Value::Object(members) => {
            let mut kept = Map::new();
            for (name, value) in members {
                if name.contains('\0') {
                    return None;
                }
                kept.insert(name, stored(value)?);
            }
            Value::Object(kept)
        }
        other => other,
    })
}

fn number_stored(number: Number) -> Number {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else { return number };
    if float == 0.0 {
        return Number::from_f64(0.0).unwrap_or(number);
    }
    if float.abs() < 1e16 {
        return number;
    }
    // The shortest digits, then zeros: what the database makes of an exponent.
    let digits = float.to_string();
    let whole = digits.parse::<u64>().map(Number::from).or_else(|_| digits.parse::<i64>().map(Number::from));
    whole.unwrap_or(number)
}

/// Whether the service can write a stored value: no number from 2^64 on or below -2^63.
pub(super) fn writable(value: &Value) -> bool {
    match value {
        Value::Number(number) => !number.is_f64() || number.as_f64().is_some_and(|float| float.abs() < 1e16),
        Value::Array(items) => items.iter().all(writable),
        Value::Object(members) => members.values().all(writable),
        _ => true,
    }
}

/// The text of a stored value: keys by length, then by their bytes.
pub(super) fn jsonb(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| (name.len(), name.as_bytes()));
            let mut object = Object::new();
            for (name, value) in members {
                object = object.raw(name, &jsonb(value));
            }
            text.push_str(&object.end());
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(jsonb).collect();
            text.push_str(&array(items));
        }
        other => text.push_str(&other.to_string()),
    }
}

/// The text of an array from the texts of its items.
pub(super) fn array(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    format!("[{}]", items.join(","))
}

/// Writes an object whose members stand in the order in which they are added.
#[derive(Debug, Default)]
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A member by the text of its value.
    pub(super) fn raw(mut self, name: &str, text: &str) -> Self {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&Value::from(name).to_string());
        self.0.push(':');
        self.0.push_str(text);
        self
    }

    /// A member by its value, keys in the database's order.
    pub(super) fn put(self, name: &str, value: impl Into<Value>) -> Self {
        let text = jsonb(&value.into());
        self.raw(name, &text)
    }

    pub(super) fn end(self) -> String {
        if self.0.is_empty() { "{}".to_owned() } else { self.0 + "}" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str) -> String {
        jsonb(&stored(serde_json::from_str(text).unwrap()).unwrap())
    }

    #[test]
    fn numbers_come_back_as_the_database_spells_them() {
        for (sent, back) in [
            ("1e3", "1000.0"),
            ("1e18", "1000000000000000000"),
            ("-0.0", "0.0"),
            ("0.1", "0.1"),
            ("1e15", "1000000000000000.0"),
            ("1e16", "10000000000000000"),
            ("12345678901234568.0", "12345678901234568"),
            ("18446744073709551615", "18446744073709551615"),
            ("-9223372036854775808", "-9223372036854775808"),
        ] {
            assert_eq!(round(sent), back, "{sent}");
        }
    }

    #[test]
    fn only_numbers_that_fit_into_64_bits_can_be_written() {
        let fits = |text: &str| writable(&stored(serde_json::from_str(text).unwrap()).unwrap());
        for good in ["18446744073709551615", "-9223372036854775808", "1e19", "9e15", "[{\"a\":1.5}]"] {
            assert!(fits(good), "{good}");
        }
        for bad in ["18446744073709551616", "1e20", "-9223372036854775809", "1e300", "{\"a\":[1e20]}"] {
            assert!(!fits(bad), "{bad}");
        }
        assert_eq!(stored(Value::from("a\0")), None);
    }

    #[test]
    fn keys_stand_by_length_then_by_letter() {
        assert_eq!(
            round(r#"{"epochs":3,"lr":0.1,"_disk_gb":10,"B":{"b":1,"a":2}}"#),
            r#"{"B":{"a":2,"b":1},"lr":0.1,"epochs":3,"_disk_gb":10}"#
        );
    }
}

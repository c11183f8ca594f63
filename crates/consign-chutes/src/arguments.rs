//! Arguments of a job, as the exact text that is signed and sent, and the checks for what breaks the service.
use consign_http::{Error, Violations};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Number, Value};

use crate::finite;

/// Larger numbers are stored by the service, which then cannot give the job back.
const TOO_LARGE: f64 = 18_446_744_073_709_551_616.0;
/// A float at it may have been a smaller whole number, so it is refused too.
const LEAST: f64 = -9_223_372_036_854_775_808.0;
/// Bounds of `_disk_gb`, both excluded.
const DISK: (f64, f64) = (10.0, 1000.0);

/// Keyword arguments of a job method: one JSON object, kept as the text that is signed and sent.
///
/// ```
/// use consign_chutes::wire::JobArguments;
///
/// let arguments = JobArguments::new(&serde_json::json!({"epochs": 3, "lr": 0.1, "_disk_gb": 50}))?;
/// assert_eq!(JobArguments::none().as_str(), "{}");
/// let error = JobArguments::new(&serde_json::json!({"steps": 1e20, "_disk_gb": 10})).unwrap_err();
/// assert_eq!(error.violations().len(), 2);
/// # Ok::<(), consign_chutes::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobArguments(Box<RawValue>);

impl JobArguments {
    /// Arguments from any value that becomes a JSON object: a struct, a map, `json!({…})`. They are checked as by
    /// [`check`](JobArguments::check); besides, a number that is not finite is refused, which JSON would write as null.
    ///
    /// # Errors
    /// [`InvalidRequest`](consign_http::ErrorKind::InvalidRequest) with every violation, or if the value cannot be
    /// written as JSON.
    pub fn new<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        let mut violations = finite::check(value);
        let text = serde_json::value::to_raw_value(value).map_err(|e| {
            Error::invalid_member("arguments", "", "a value that can be written as JSON").with_source(e)
        })?;
        let arguments = Self(text);
        violations.nest("", arguments.check());
        violations.into_result()?;
        Ok(arguments)
    }
    /// No arguments: `{}`.
    pub fn none() -> Self {
        Self(RawValue::from_string("{}".to_owned()).unwrap_or_default())
    }
    /// Arguments as a JSON text, unchecked.
    ///
    /// # Errors
    /// [`InvalidRequest`](consign_http::ErrorKind::InvalidRequest) if the text is no JSON.
    pub fn from_json(text: String) -> Result<Self, Error> {
        let bad = |e| Error::invalid_member("arguments", "", "a JSON text").with_source(e);
        RawValue::from_string(text).map(Self).map_err(bad)
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
    /// What in these arguments breaks the service: some of it only after the job was stored, so that there is a job
    /// which nobody can read.
    ///
    /// - It has to be an object.
    /// - Numbers lie in -2^63 … 2^64 - 1; no text and no name has the character U+0000 in it.
    /// - `_disk_gb` is null or a number above 10 and below 1000 (left out: 10; fractions are cut), `_ssh_public_key`
    ///   null or a text, and `job_status_url` is not there: the runner has an argument of that name.
    pub fn check(&self) -> Violations {
        let mut violations = Violations::new();
        match serde_json::from_str::<Value>(self.as_str()) {
            Ok(Value::Object(members)) => {
                for (name, value) in &members {
                    reserved(name, value, &mut violations);
                    inside(name, value, &mut violations);
                    name_of(name, name, &mut violations);
                }
            }
            Ok(other) => violations.add("arguments", other, "a JSON object"),
            Err(e) => violations.add("arguments", e, "JSON whose numbers and nesting the service can read"),
        }
        violations
    }
}

fn reserved(name: &str, value: &Value, violations: &mut Violations) {
    match (name, value) {
        (_, Value::Null) if name != "job_status_url" => {}
        ("_disk_gb", Value::Number(size)) if size.as_f64().is_some_and(|size| DISK.0 < size && size < DISK.1) => {}
        ("_disk_gb", other) => {
            violations.add(name, other, "a number above 10 and below 1000, in GB; left out it is 10");
        }
        ("_ssh_public_key", Value::String(_)) => {}
        ("_ssh_public_key", other) => violations.add(name, other, "a text"),
        ("job_status_url", other) => violations.add(name, other, "not there: the runner has an argument of this name"),
        _ => {}
    }
}

/// Everything in a value, at any depth.
fn inside(at: &str, value: &Value, violations: &mut Violations) {
    match value {
        Value::Number(number) if !in_range(number) => {
            violations.add(
                at,
                number,
                "a number in -2^63 … 2^64 - 1: the service would store it and never read the job again",
            );
        }
        // The text itself is the caller's, and may be a secret.
        Value::String(text) if text.contains('\0') => violations.add(at, "", "a text without the character U+0000"),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| inside(&format!("{at}[{n}]"), item, violations));
        }
        Value::Object(members) => {
            for (name, value) in members {
                let at = format!("{at}.{name}");
                name_of(&at, name, violations);
                inside(&at, value, violations);
            }
        }
        _ => {}
    }
}

fn name_of(at: &str, name: &str, violations: &mut Violations) {
    if name.contains('\0') {
        violations.add(at, name, "a name without the character U+0000");
    }
}

fn in_range(number: &Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|float| LEAST < float && float < TOO_LARGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[track_caller]
    fn wrong(text: &str) -> Vec<String> {
        let violations = JobArguments::from_json(text.to_owned()).unwrap().check();
        violations.iter().map(|violation| violation.member.clone()).collect()
    }

    #[test]
    fn numbers_that_the_service_can_give_back_pass_and_others_are_all_named() {
        let fine = r#"{"a":18446744073709551615,"b":-9223372036854775808,"c":1e18,"d":-0.0,"e":5e-324,"f":[{}],"g":null,"h":1.8e19}"#;
        assert_eq!(wrong(fine), Vec::<String>::new());
        let bad = r#"{"a":18446744073709551616,"b":-9223372036854775809,"c":1e20,"d":{"e":[1,-1e300]}}"#;
        assert_eq!(wrong(bad), ["a", "b", "c", "d.e[1]"]);
        for unreadable in ["{\"a\":1e400}", "[]", "null", "5", "\"text\""] {
            assert_eq!(wrong(unreadable), ["arguments"], "{unreadable}");
        }
        assert_eq!(wrong(&format!("{{\"a\":{}1{}}}", "[".repeat(500), "]".repeat(500))), ["arguments"]);
    }

    #[test]
    fn the_character_0_is_found_in_texts_and_names() {
        assert_eq!(wrong("{\"a\":\"x\\u0000\",\"b\\u0000\":1,\"c\":{\"d\\u0000\":1}}"), ["a", "b\0", "c.d\0"]);
    }

    #[test]
    fn reserved_members_are_held_to_what_the_service_takes() {
        for fine in ["10.5", "999.9", "11", "null"] {
            assert_eq!(wrong(&format!("{{\"_disk_gb\":{fine}}}")), Vec::<String>::new(), "{fine}");
        }
        for bad in ["10", "1000", "0", "-20", "\"50\"", "true", "[50]"] {
            assert_eq!(wrong(&format!("{{\"_disk_gb\":{bad}}}")), ["_disk_gb"], "{bad}");
        }
        assert_eq!(
            wrong(r#"{"_ssh_public_key":5,"job_status_url":null,"output_dir":"x"}"#),
            ["_ssh_public_key", "job_status_url"]
        );
        assert_eq!(wrong(r#"{"_ssh_public_key":"ssh-ed25519 AAAA"}"#), Vec::<String>::new());
    }

    #[test]
    fn any_serializable_value_is_taken_once_and_sent_as_that_text() {
        #[derive(Serialize)]
        struct Training {
            lr: f64,
            epochs: u32,
        }
        assert_eq!(JobArguments::new(&Training { lr: 0.1, epochs: 3 }).unwrap().as_str(), r#"{"lr":0.1,"epochs":3}"#);
        assert_eq!(JobArguments::new(&BTreeMap::<String, u8>::new()).unwrap().as_str(), "{}");
        let text = "{ \"lr\" : 1e-1 }".to_owned();
        assert_eq!(serde_json::to_string(&JobArguments::from_json(text.clone()).unwrap()).unwrap(), text);
        let error = JobArguments::new(&Training { lr: f64::NAN, epochs: 3 }).unwrap_err();
        assert_eq!(error.violations().iter().map(|v| v.member.as_str()).collect::<Vec<_>>(), ["lr"]);
        assert!(JobArguments::new(&json!([1])).is_err() && JobArguments::new(&5).is_err());
        assert!(JobArguments::new(&BTreeMap::from([((1, 2), 3)])).is_err());
        assert!(JobArguments::from_json("{".to_owned()).is_err());
    }
}

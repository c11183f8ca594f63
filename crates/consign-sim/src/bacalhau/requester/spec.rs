//! Job specifications of the requester API: read, checked, and written as the server does.

use serde_json::{Map, Value, json};

use crate::bacalhau::plan::{Program, inline_data};

/// Names of the enums, the zero value left out.
const ENGINES: &[&str] = &["Noop", "Docker", "Wasm", "Language", "PythonWasm"];
const VERIFIERS: &[&str] = &["Noop", "Deterministic"];
const PUBLISHERS: &[&str] = &["Noop", "Ipfs", "Filecoin", "Estuary", "S3"];
const SOURCES: &[&str] =
    &["IPFS", "URLDownload", "FilecoinUnsealed", "Filecoin", "Estuary", "Inline", "LocalDirectory", "S3", "RepoClone"];
const NETWORKS: &[&str] = &["None", "Full", "HTTP"];

/// A specification: what the server keeps of it, and what the simulator asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spec {
    pub(crate) json: Map<String, Value>,
    pub(crate) concurrency: u64,
    pub(crate) confidence: u64,
    pub(crate) timeout: f64,
}

/// A member by its name, in any case.
pub(crate) fn get<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let exact = members.get(name);
    let found = exact.or_else(|| members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v));
    found.filter(|value| !value.is_null())
}

fn mismatch(found: &Value, place: &str, wanted: &str) -> String {
    let got = match found {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    format!("json: cannot unmarshal {got} into Go struct field {place} of type {wanted}")
}

/// A text member; empty if it is not there.
pub(crate) fn text(members: &Map<String, Value>, name: &str, place: &str) -> Result<String, String> {
    match get(members, name) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(mismatch(other, &format!("{place}.{name}"), "string")),
    }
}

fn object<'a>(
    members: &'a Map<String, Value>,
    name: &str,
    place: &str,
) -> Result<Option<&'a Map<String, Value>>, String> {
    match get(members, name) {
        None => Ok(None),
        Some(Value::Object(inner)) => Ok(Some(inner)),
        Some(other) => Err(mismatch(other, &format!("{place}.{name}"), &format!("model.{name}"))),
    }
}

fn list<'a>(members: &'a Map<String, Value>, name: &str, place: &str) -> Result<&'a [Value], String> {
    match get(members, name) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(mismatch(other, &format!("{place}.{name}"), "[]")),
    }
}

/// An enum by its name. None: it is not there, or has the name of its zero value.
fn named(
    members: &Map<String, Value>,
    name: &str,
    known: &[&'static str],
    unknown: &str,
) -> Result<Option<&'static str>, String> {
    match get(members, name) {
        None => Ok(None),
        Some(Value::String(text)) => {
            let found = known.iter().find(|known| known.eq_ignore_ascii_case(text.trim()));
            found.map(|name| Some(*name)).ok_or_else(|| format!("{unknown} '{text}'"))
        }
        Some(other) => Err(mismatch(other, &format!("Spec.Spec.{name}"), &format!("model.{name}"))),
    }
}

/// Copies members that have a value, under their right names.
fn copy(from: &Map<String, Value>, to: &mut Map<String, Value>, names: &[&str]) {
    for name in names {
        let empty = |value: &Value| match value {
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(inner) => inner.is_empty(),
            Value::Bool(flag) => !flag,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::Null => true,
        };
        if let Some(value) = get(from, name).filter(|value| !empty(value)) {
            to.insert((*name).to_owned(), value.clone());
        }
    }
}

/// A storage specification as the server writes it. Without a known source it has none.
fn storage(value: &Value) -> Result<Map<String, Value>, String> {
    let Value::Object(members) = value else { return Err(mismatch(value, "Spec", "model.StorageSpec")) };
    let mut all = Map::new();
    if let Some(source) = named(members, "StorageSource", SOURCES, "executor: unknown source type")? {
        all.insert("StorageSource".to_owned(), json!(source));
    }
    copy(members, &mut all, &["Name", "CID", "URL", "SourcePath", "path", "Metadata", "S3", "Repo"]);
    Ok(all)
}

impl Spec {
    /// Reads the member `Spec` of a payload.
    pub(crate) fn read(spec: &Map<String, Value>) -> Result<Self, String> {
        let mut all = Map::new();
        for (name, known, unknown) in [
            ("Engine", ENGINES, "executor: unknown engine type"),
            ("Verifier", VERIFIERS, "verifier: unknown type"),
            ("Publisher", PUBLISHERS, "verifier: unknown type"),
        ] {
            if let Some(value) = named(spec, name, known, unknown)? {
                all.insert(name.to_owned(), json!(value));
            }
        }
        let mut part = |name: &str, names: &[&str], always: Value| -> Result<(), String> {
            let mut inner = always.as_object().cloned().unwrap_or_default();
            if let Some(members) = object(spec, name, "Spec")? {
                copy(members, &mut inner, names);
            }
            all.insert(name.to_owned(), Value::Object(inner));
            Ok(())
        };
        part("Docker", &["Image", "Entrypoint", "EnvironmentVariables", "WorkingDirectory"], json!({}))?;
        part(
            "Language",
            &["Language", "LanguageVersion", "DeterministicExecution", "Command", "ProgramPath", "RequirementsPath"],
            json!({"JobContext": {}}),
        )?;
        part(
            "Wasm",
            &["EntryPoint", "Parameters", "EnvironmentVariables", "ImportModules"],
            json!({"EntryModule": {}}),
        )?;
        part("Resources", &["CPU", "Memory", "Disk", "GPU"], json!({"GPU": ""}))?;
        part("Network", &["Domains"], json!({"Type": "None"}))?;
        part("Deal", &["Concurrency", "Confidence", "MinBids"], json!({}))?;
        if let Some(module) = object(spec, "Wasm", "Spec")?.and_then(|wasm| get(wasm, "EntryModule")) {
            all["Wasm"]["EntryModule"] = Value::Object(storage(module)?);
        }
        if let Some(network) = object(spec, "Network", "Spec")? {
            let kind = named(network, "Type", NETWORKS, "model.Network: unknown type")?;
            all["Network"]["Type"] = json!(kind.unwrap_or("None"));
        }
        for name in ["inputs", "outputs"] {
            let volumes: Vec<Value> = list(spec, name, "Spec")?
                .iter()
                .map(|volume| storage(volume).map(Value::Object))
                .collect::<Result<_, _>>()?;
            if !volumes.is_empty() {
                all.insert(name.to_owned(), json!(volumes));
            }
        }
        let annotations = list(spec, "Annotations", "Spec")?;
        if let Some(wrong) = annotations.iter().find(|annotation| !annotation.is_string()) {
            return Err(mismatch(wrong, "Spec.Annotations", "string"));
        }
        copy(spec, &mut all, &["Annotations", "NodeSelectors", "DoNotTrack", "PublisherSpec"]);
        let timeout = match get(spec, "Timeout") {
            None => 0.0,
            Some(Value::Number(number)) => number.as_f64().unwrap_or(0.0),
            Some(other) => return Err(mismatch(other, "Spec.Timeout", "float64")),
        };
        let count = |name: &str| match all["Deal"].get(name) {
            None => Ok(0),
            Some(value) => value.as_i64().ok_or_else(|| mismatch(value, &format!("Deal.{name}"), "int")),
        };
        let (concurrency, confidence) = (count("Concurrency")?, count("Confidence")?);
        count("MinBids")?;
        let mut read = Self { json: all, concurrency: 0, confidence: 0, timeout };
        read.check(spec.is_empty(), concurrency, confidence)?;
        read.concurrency = concurrency.unsigned_abs();
        read.confidence = confidence.unsigned_abs();
        // A node's default, and what comes in place of nonsense.
        if read.timeout <= 0.0 {
            read.timeout = 1800.0;
        }
        let whole = read.timeout.fract() == 0.0;
        let timeout = if whole { json!(read.timeout as i64) } else { json!(read.timeout) };
        read.json.insert("Timeout".to_owned(), timeout);
        Ok(read)
    }

    fn check(&self, empty: bool, concurrency: i64, confidence: i64) -> Result<(), String> {
        if empty {
            return Err("job spec is empty".to_owned());
        }
        if self.json["Deal"].as_object().is_none_or(Map::is_empty) {
            return Err("job deal is empty".to_owned());
        }
        if concurrency <= 0 {
            return Err("concurrency must be >= 1".to_owned());
        }
        if confidence < 0 {
            return Err("confidence must be >= 0".to_owned());
        }
        for (name, what, zero) in [
            ("Engine", "executor", "engineUnknown"),
            ("Verifier", "verifier", "verifierUnknown"),
            ("Publisher", "publisher", "publisherUnknown"),
        ] {
            if !self.json.contains_key(name) {
                return Err(format!("invalid {what} type: {zero}"));
            }
        }
        let domains = self.json["Network"].get("Domains").and_then(Value::as_array).into_iter().flatten();
        for domain in domains.filter_map(Value::as_str) {
            let bare = domain.trim_start_matches('.');
            let named = bare.contains('.') && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
            if !named && bare.parse::<std::net::IpAddr>().is_err() {
                return Err(format!("invalid domain {domain:?}"));
            }
        }
        if confidence > concurrency {
            return Err("the deal confidence cannot be higher than the concurrency".to_owned());
        }
        let inputs = self.json.get("inputs").and_then(Value::as_array).into_iter().flatten();
        if inputs.into_iter().any(|input| input.get("StorageSource").is_none()) {
            return Err("invalid input volume type: storageSourceUnknown".to_owned());
        }
        Ok(())
    }

    pub(crate) fn word(&self, name: &str) -> &str {
        self.json.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn annotations(&self) -> Vec<&str> {
        self.json.get("Annotations").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// What its program does by itself.
    pub(crate) fn program(&self) -> Program {
        if self.word("Engine") != "Wasm" {
            let words = self.json["Docker"].get("Entrypoint").and_then(Value::as_array).into_iter().flatten();
            return Program::command(&words.filter_map(Value::as_str).collect::<Vec<_>>());
        }
        let url = self.json["Wasm"]["EntryModule"].get("URL").and_then(Value::as_str);
        match url.and_then(inline_data) {
            Some(module) => Program::wasm(&module, "/main.wasm"),
            None => Program { lasts: None, ..Program::wasm(b"\0asm", "") },
        }
    }
}

//! Job templates: the kinds, the limits that the service checks, and prices.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::errors::Fields;
use crate::clock::{parse_date, parse_span, seconds};

/// What a kind of job leaves in `result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Makes {
    Blobs,
    Nothing,
    Found,
    Total,
    Location,
    Tags,
    Embedding,
}

/// One kind of template.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) wire: &'static str,
    pub(crate) job_type: &'static str,
    pub(crate) makes: Makes,
    price: f64,
    fields: &'static [Field],
}

#[derive(Debug)]
struct Field {
    name: &'static str,
    shape: Shape,
    null: bool,
    required: bool,
}

#[derive(Debug)]
enum Shape {
    Text,
    Uri,
    Date,
    Span,
    Flag,
    Int(i64, i64),
    Number(f64, f64),
    List,
    Map,
    Words(&'static [&'static str]),
    /// An object with these members.
    Object(&'static [Field]),
    /// An array, or the values of an object, of such objects.
    ListOf(&'static [Field]),
    MapOf(&'static [Field]),
}

const fn may(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, null: true, required: false }
}

const fn set(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, null: false, required: false }
}

const fn must(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, null: false, required: true }
}

const ANY_INT: Shape = Shape::Int(i32::MIN as i64, i32::MAX as i64);
const ANY_NUMBER: Shape = Shape::Number(f64::MIN, f64::MAX);

const SCHEDULERS: &[&str] = &[
    "EulerA",
    "Euler",
    "LMS",
    "Heun",
    "DPM2",
    "DPM2A",
    "DPM2SA",
    "DPM2M",
    "DPMSDE",
    "DPMFast",
    "DPMAdaptive",
    "LMSKarras",
    "DPM2Karras",
    "DPM2AKarras",
    "DPM2SAKarras",
    "DPM2MKarras",
    "DPMSDEKarras",
    "DDIM",
    "PLMS",
    "UniPC",
    "Undefined",
    "LCM",
    "DDPM",
    "DEIS",
    "DPM3MSDE",
];

const COMMON: &[Field] = &[
    may("name", Shape::Text),
    may("providers", Shape::List),
    may("expireAt", Shape::Date),
    may("properties", Shape::Map),
    may("callbackUrl", Shape::Uri),
    set("timeout", Shape::Span),
    may("retries", Shape::Int(0, i32::MAX as i64)),
    may("dependencies", Shape::List),
];

const IMAGE_PARAMS: &[Field] = &[
    may("prompt", Shape::Text),
    may("negativePrompt", Shape::Text),
    set("scheduler", Shape::Words(SCHEDULERS)),
    set("steps", Shape::Int(1, 150)),
    may("cfgScale", Shape::Number(1.0, 30.0)),
    must("width", Shape::Int(64, 2048)),
    must("height", Shape::Int(64, 2048)),
    set("seed", Shape::Int(-1, 4_294_967_295)),
    set("clipSkip", ANY_INT),
];

const NETWORK: &[Field] = &[set("type", Shape::Text), may("strength", ANY_NUMBER), may("triggerWord", Shape::Text)];

const CONTROL_NET: &[Field] = &[
    set("preprocessor", Shape::Text),
    set("weight", ANY_NUMBER),
    set("startStep", ANY_NUMBER),
    set("endStep", ANY_NUMBER),
    may("blobKey", Shape::Text),
    may("imageUrl", Shape::Text),
];

const TEXT_TO_IMAGE: &[Field] = &[
    must("model", Shape::Text),
    must("params", Shape::Object(IMAGE_PARAMS)),
    set("quantity", Shape::Int(1, 100)),
    set("batchSize", Shape::Int(1, 100)),
    may("additionalNetworks", Shape::MapOf(NETWORK)),
    may("controlNets", Shape::ListOf(CONTROL_NET)),
];

const KEY: &[Field] = &[may("key", Shape::Text)];

const fn kind(wire: &'static str, job_type: &'static str, makes: Makes, price: f64, fields: &'static [Field]) -> Kind {
    Kind { wire, job_type, makes, price, fields }
}

/// Every kind by its wire name.
static KINDS: &[Kind] = &[
    kind("textToImage", "TextToImage", Makes::Blobs, 0.0, TEXT_TO_IMAGE),
    kind("comfy", "Comfy", Makes::Nothing, 4.0, &[may("params", Shape::Map), set("quantity", Shape::Int(1, 100))]),
    kind(
        "imageResourceTraining",
        "ImageResourceTraining",
        Makes::Nothing,
        500.0,
        &[
            may("model", Shape::Text),
            may("trainingData", Shape::Uri),
            may("params", Shape::Map),
            may("cost", ANY_NUMBER),
            may("engine", Shape::Text),
        ],
    ),
    kind(
        "copyAsset",
        "CopyAsset",
        Makes::Found,
        0.0,
        &[may("jobId", Shape::Text), may("assetName", Shape::Text), may("destinationUri", Shape::Uri)],
    ),
    kind("clearAssets", "ClearAssets", Makes::Total, 0.0, &[may("jobId", Shape::Text)]),
    kind("blobGet", "GetBlob", Makes::Location, 0.0, &[may("key", Shape::Text), set("duration", Shape::Span)]),
    kind(
        "blobUpload",
        "UploadBlob",
        Makes::Location,
        0.0,
        &[may("key", Shape::Text), set("replace", Shape::Flag), set("duration", Shape::Span)],
    ),
    kind("blobDelete", "DeleteBlob", Makes::Nothing, 0.0, KEY),
    kind("blobPin", "PinBlob", Makes::Nothing, 0.0, KEY),
    kind("blobUnpin", "UnpinBlob", Makes::Nothing, 0.0, KEY),
    kind(
        "prepareModel",
        "PrepareModel",
        Makes::Nothing,
        0.0,
        &[set("baseModel", Shape::Text), may("model", Shape::Text), set("action", Shape::Words(&["Upload", "Pin"]))],
    ),
    kind("mediaTagging", "MediaTagging", Makes::Tags, 0.02, &[must("modelId", ANY_INT), must("mediaUrl", Shape::Uri)]),
    kind(
        "wdTagging",
        "WDTagging",
        Makes::Tags,
        0.01,
        &[must("model", Shape::Text), must("mediaUrl", Shape::Uri), may("threshold", ANY_NUMBER)],
    ),
    kind("movieRating", "MovieRating", Makes::Tags, 0.05, &[must("model", Shape::Text), must("mediaUrl", Shape::Text)]),
    kind(
        "imageTransform",
        "ImageTransform",
        Makes::Blobs,
        0.3,
        &[
            may("imageUrl", Shape::Uri),
            may("blobKey", Shape::Text),
            set("replace", Shape::Flag),
            set("transformer", Shape::Text),
            may("destinationUrl", Shape::Uri),
            may("params", Shape::Map),
        ],
    ),
    kind("imageEmbedding", "ImageEmbedding", Makes::Embedding, 0.01, &[may("imageUrl", Shape::Text)]),
    kind("rebootWorker", "RebootWorker", Makes::Nothing, 0.0, &[]),
];

/// How early a job runs; the lower, the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Priority {
    Fixed(i32),
    Range(i32, i32),
}

/// The priority of jobs that ask for none.
const NORMAL: i32 = 5;

/// A template that was found to be right.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) kind: &'static Kind,
    pub(crate) raw: Map<String, Value>,
    pub(crate) name: Option<String>,
    pub(crate) dependencies: Vec<String>,
    pub(crate) priority: Priority,
    pub(crate) providers: Vec<String>,
    pub(crate) expire_at: Option<Timestamp>,
    pub(crate) timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) callback: Option<String>,
    pub(crate) properties: Map<String, Value>,
    pub(crate) quantity: usize,
    pub(crate) batch: usize,
    /// Of each job.
    pub(crate) cost: f64,
}

/// Reads the body of a submission: one template, or `{"jobs": [...]}`.
pub(crate) fn read(body: &Value) -> Result<Vec<Template>, Fields> {
    let Value::Object(members) = body else {
        return Err(Fields::one("$", "The JSON value could not be converted to a job template."));
    };
    let mut errors = Fields::default();
    let mut templates = Vec::new();
    match members.get("jobs") {
        None => templates.extend(template(body, "", &mut errors)),
        Some(Value::Array(list)) if !list.is_empty() && !members.contains_key("$type") => {
            for (index, item) in list.iter().enumerate() {
                templates.extend(template(item, &format!("jobs[{index}]"), &mut errors));
            }
        }
        Some(_) => errors.add("jobs", "The jobs field must be an array of at least one job template."),
    }
    if errors.is_empty() { Ok(templates) } else { Err(errors) }
}

fn template(value: &Value, path: &str, errors: &mut Fields) -> Option<Template> {
    let Value::Object(raw) = value else {
        errors.add(path, "The JSON value could not be converted to a job template.");
        return None;
    };
    let Some(kind) = raw.get("$type").and_then(Value::as_str).and_then(|t| KINDS.iter().find(|k| k.wire == t)) else {
        errors.add(join(path, "$type"), "The JSON payload must name a known job template in $type.");
        return None;
    };
    let mut own = Fields::default();
    members(raw, COMMON, path, &mut own);
    members(raw, kind.fields, path, &mut own);
    let priority = priority(raw.get("priority")).unwrap_or_else(|message| {
        own.add(join(path, "priority"), message);
        Priority::Fixed(NORMAL)
    });
    let mut words = |name: &str| {
        let list = raw.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let texts: Vec<String> = list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
        if texts.len() != list.len() {
            own.add(join(path, name), "The JSON value could not be converted to System.String.");
        }
        texts
    };
    let (providers, dependencies) = (words("providers"), words("dependencies"));
    if !own.is_empty() {
        errors.extend(own);
        return None;
    }
    let text = |name: &str| raw.get(name).and_then(Value::as_str).map(str::to_owned);
    let count = |name: &str| raw.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let batch = if kind.makes == Makes::Blobs { count("batchSize").unwrap_or(1) } else { 1 };
    Some(Template {
        kind,
        raw: raw.clone(),
        name: text("name").filter(|name| !name.is_empty()),
        dependencies,
        priority,
        providers,
        expire_at: text("expireAt").and_then(|date| parse_date(&date)),
        timeout: raw.get("timeout").and_then(span).unwrap_or(Duration::from_secs(600)),
        retries: count("retries").and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        callback: text("callbackUrl"),
        properties: raw.get("properties").and_then(Value::as_object).cloned().unwrap_or_default(),
        quantity: count("quantity").unwrap_or(1),
        batch,
        cost: price(kind, raw) * batch as f64,
    })
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn members(object: &Map<String, Value>, fields: &[Field], path: &str, errors: &mut Fields) {
    for field in fields {
        let place = join(path, field.name);
        match object.get(field.name) {
            None | Some(Value::Null) if field.required => {
                errors.add(place, format!("The {} field is required.", field.name));
            }
            None => {}
            Some(Value::Null) if field.null => {}
            Some(value) => check(value, field, place, errors),
        }
    }
}

fn check(value: &Value, field: &Field, place: String, errors: &mut Fields) {
    let fits = match &field.shape {
        Shape::Text => value.as_str().is_some_and(|t| !(field.required && t.trim().is_empty())),
        Shape::Uri => value.as_str().is_some_and(|t| t.parse::<http::Uri>().is_ok_and(|uri| uri.scheme().is_some())),
        Shape::Date => value.as_str().is_some_and(|t| parse_date(t).is_some()),
        Shape::Span => span(value).is_some_and(|span| !span.is_zero()),
        Shape::Flag => value.is_boolean(),
        Shape::List => value.is_array(),
        Shape::Map => value.is_object(),
        Shape::Words(words) => value.as_str().is_some_and(|t| words.iter().any(|w| w.eq_ignore_ascii_case(t))),
        Shape::Int(low, high) => match value.as_i64() {
            Some(number) if (*low..=*high).contains(&number) => true,
            Some(_) => {
                errors.add(place, format!("The field {} must be between {low} and {high}.", field.name));
                return;
            }
            None => false,
        },
        Shape::Number(low, high) => match value.as_f64() {
            Some(number) if (*low..=*high).contains(&number) => true,
            Some(_) => {
                errors.add(place, format!("The field {} must be between {low} and {high}.", field.name));
                return;
            }
            None => false,
        },
        Shape::Object(fields) => match value {
            Value::Object(object) => {
                members(object, fields, &place, errors);
                return;
            }
            _ => false,
        },
        Shape::ListOf(fields) => match value {
            Value::Array(list) => {
                list.iter().enumerate().for_each(|(n, item)| nested(item, fields, &format!("{place}[{n}]"), errors));
                return;
            }
            _ => false,
        },
        Shape::MapOf(fields) => match value {
            Value::Object(map) => {
                map.iter().for_each(|(key, item)| nested(item, fields, &format!("{place}[{key}]"), errors));
                return;
            }
            _ => false,
        },
    };
    if !fits {
        errors.add(place, format!("The JSON value of {} could not be converted.", field.name));
    }
}

fn nested(item: &Value, fields: &[Field], place: &str, errors: &mut Fields) {
    match item {
        Value::Object(object) => members(object, fields, place, errors),
        _ => errors.add(place, "The JSON value could not be converted to an object."),
    }
}

/// A span as text, or as the object of the document (`ticks`, else `totalSeconds`).
fn span(value: &Value) -> Option<Duration> {
    match value {
        Value::String(text) => parse_span(text),
        Value::Object(members) => match members.get("ticks") {
            Some(ticks) => ticks.as_u64().map(|t| Duration::from_micros(t / 10) + Duration::from_nanos(t % 10 * 100)),
            None => members.get("totalSeconds")?.as_f64().map(seconds),
        },
        _ => None,
    }
}

fn priority(value: Option<&Value>) -> Result<Priority, &'static str> {
    let wrong = "The JSON value could not be converted to a priority.";
    let int = |value: &Value| value.as_i64().and_then(|n| i32::try_from(n).ok()).ok_or(wrong);
    match value {
        None | Some(Value::Null) => Ok(Priority::Fixed(NORMAL)),
        Some(Value::String(level)) => match level.to_ascii_lowercase().as_str() {
            "high" => Ok(Priority::Fixed(1)),
            "normal" => Ok(Priority::Fixed(NORMAL)),
            "low" => Ok(Priority::Fixed(10)),
            _ => Err(wrong),
        },
        Some(Value::Object(members)) => match (members.get("value"), members.get("min"), members.get("max")) {
            (Some(value), _, _) => int(value).map(Priority::Fixed),
            (None, Some(min), Some(max)) => match (int(min)?, int(max)?) {
                (min, max) if min <= max => Ok(Priority::Range(min, max)),
                _ => Err("The field min must not be above max."),
            },
            _ => Err(wrong),
        },
        Some(number) => int(number).map(Priority::Fixed),
    }
}

/// What one picture or one job costs: pictures by area and steps, each further network a little.
fn price(kind: &Kind, raw: &Map<String, Value>) -> f64 {
    if kind.wire != "textToImage" {
        return raw.get("cost").and_then(Value::as_f64).unwrap_or(kind.price).max(0.0);
    }
    let number = |name: &str, default: f64| {
        raw.get("params").and_then(|params| params.get(name)).and_then(Value::as_f64).unwrap_or(default)
    };
    let area = number("width", 1024.0) * number("height", 1024.0) / 1_048_576.0;
    let networks = raw.get("additionalNetworks").and_then(Value::as_object).map_or(0, Map::len);
    area * number("steps", 20.0) / 30.0 * 2.0 + 0.1 * networks as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn picture(change: impl FnOnce(&mut Value)) -> Result<Vec<Template>, Fields> {
        let mut body =
            json!({"$type": "textToImage", "model": "m", "params": {"prompt": "p", "width": 64, "height": 2048}});
        change(&mut body);
        read(&body)
    }

    #[test]
    fn every_limit_of_the_service_is_checked_and_named_by_its_path() {
        let cases: &[(&str, Value, &str)] = &[
            ("/params/width", json!(63), "params.width"),
            ("/params/height", json!(2049), "params.height"),
            ("/params/steps", json!(151), "params.steps"),
            ("/params/steps", json!(1.5), "params.steps"),
            ("/params/cfgScale", json!(30.5), "params.cfgScale"),
            ("/params/seed", json!(-2), "params.seed"),
            ("/params/scheduler", json!("Best"), "params.scheduler"),
            ("/params/prompt", json!(5), "params.prompt"),
            ("/quantity", json!(101), "quantity"),
            ("/batchSize", json!(0), "batchSize"),
            ("/model", json!(null), "model"),
            ("/params", json!(null), "params"),
            ("/timeout", json!("soon"), "timeout"),
            ("/expireAt", json!("soon"), "expireAt"),
            ("/callbackUrl", json!("not a url"), "callbackUrl"),
            ("/retries", json!(-1), "retries"),
            ("/priority", json!({"min": 3, "max": 2}), "priority"),
            ("/priority", json!("urgent"), "priority"),
            ("/dependencies", json!([1]), "dependencies"),
            ("/additionalNetworks", json!({"a": {"strength": "x"}}), "additionalNetworks[a].strength"),
            ("/controlNets", json!([{"weight": "x"}]), "controlNets[0].weight"),
        ];
        for (pointer, value, path) in cases {
            let errors = picture(|body| {
                let (parent, name) = pointer.rsplit_once('/').unwrap();
                body.pointer_mut(parent).unwrap()[name] = value.clone();
            });
            let text = format!("{:?}", errors.unwrap_err());
            assert!(text.contains(&format!("\"{path}\"")), "{pointer} {value}: {text}");
        }
    }

    #[test]
    fn unknown_members_and_nullable_nulls_are_accepted() {
        let templates = picture(|body| {
            body["baseModel"] = json!("flux.2 D");
            body["colour"] = json!(1);
            body["params"]["prompt"] = json!(null);
            body["params"]["scheduler"] = json!("eulera");
            body["priority"] = json!({"min": 2, "max": 8});
            body["timeout"] = json!({"ticks": 3_000_000_000_u64});
            body["controlNets"] = json!([{"blobKey": null, "imageUrl": null}]);
        });
        let template = templates.unwrap().remove(0);
        assert_eq!(template.priority, Priority::Range(2, 8));
        assert_eq!(template.timeout, Duration::from_secs(300));
    }

    #[test]
    fn lists_name_the_index_of_what_is_wrong() {
        let errors = read(&json!({"jobs": [{"$type": "comfy"}, {"$type": "nothing"}, 5]})).unwrap_err();
        let text = format!("{errors:?}");
        assert!(text.contains("jobs[1].$type") && text.contains("jobs[2]") && !text.contains("jobs[0]"), "{text}");
        for body in [json!({"jobs": []}), json!({"jobs": 5}), json!([]), json!({})] {
            assert!(read(&body).is_err(), "{body}");
        }
    }
}

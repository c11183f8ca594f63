//! Parameters of jobs and settings of projects: what each generation takes, and how it shows it.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::settings::Shape;

/// What extraction takes, besides the resolution, whose name differs.
pub(crate) const EXTRACTION: &[&str] = &[
    "temperature",
    "maxOutputTokens",
    "maxExampleTokenNumber",
    "maxExampleNumber",
    "minExampleSimilarity",
    "enableThinking",
    "thinkingTokenBudget",
    "loopDetection",
    "randomSeed",
    "imageWidth",
];
/// What extraction from bytes takes besides.
pub(crate) const FROM_BYTES: &[&str] = &["dpi"];
/// What template generation takes.
pub(crate) const TEMPLATE: &[&str] = &["enableThinking", "thinkingTokenBudget", "loopDetection", "imageWidth"];
/// What template generation from bytes takes besides.
pub(crate) const RASTER: &[&str] = &["rasterizationDPI"];
/// What Markdown from a file takes.
pub(crate) const MARKDOWN: &[&str] = &[
    "temperature",
    "rasterizationDPI",
    "maxOutputTokens",
    "enableThinking",
    "thinkingTokenBudget",
    "loopDetection",
    "randomSeed",
    "imageWidth",
];

/// The settings that only the newer generation has.
const NEWER: &[&str] = &["enableThinking", "thinkingTokenBudget", "loopDetection", "randomSeed", "imageWidth"];

/// Whether this generation knows a parameter at all; others are ignored.
pub(crate) fn knows(shape: Shape, name: &str) -> bool {
    shape != Shape::V0_2 || !NEWER.contains(&name)
}

/// A parameter from its text. None: it is refused.
pub(crate) fn read(shape: Shape, name: &str, text: &str) -> Option<Value> {
    let (older, newer) = (shape != Shape::V0_4, shape != Shape::V0_2);
    let within = |low: f64, high: f64| text.parse().ok().filter(|n: &f64| (low..=high).contains(n)).map(|n| json!(n));
    let whole = |low: u64, high: u64| text.parse().ok().filter(|n| (low..=high).contains(n)).map(|n: u64| json!(n));
    match name {
        "temperature" => within(0.0, if newer { 2.0 } else { 1.0 }),
        "minExampleSimilarity" => within(0.0, 1.0),
        "maxExampleTokenNumber" => whole(0, 130_000),
        "dpi" | "rasterizationDPI" if newer && text == "automatic" => Some(json!(text)),
        "dpi" | "rasterizationDPI" => whole(1, if newer { 600 } else { 300 }),
        "maxOutputTokens" | "maxExampleNumber" | "thinkingTokenBudget" => {
            let number: Option<u64> = text.parse().ok();
            let unlimited = newer && text == "Unlimited";
            let zero = older || name == "maxExampleNumber";
            let fits = number.map_or(unlimited, |n| n > 0 || zero);
            fits.then(|| number.map_or_else(|| json!(text), |n| json!(n)))
        }
        "enableThinking" | "loopDetection" => text.parse::<bool>().ok().map(|flag| json!(flag)),
        "randomSeed" if text == "random" => Some(json!(text)),
        "randomSeed" => text.parse::<i64>().ok().map(|n| json!(n)),
        "imageWidth" if text == "automatic" || text == "original" => Some(json!(text)),
        "imageWidth" => whole(1, 100_000),
        _ => None,
    }
}

/// A setting from JSON. None: it is refused, for its value or for its type.
pub(crate) fn read_json(shape: Shape, name: &str, value: &Value) -> Option<Value> {
    let as_text = matches!(name, "maxOutputTokens" | "maxExampleNumber" | "thinkingTokenBudget" | "randomSeed");
    let either = matches!(name, "rasterizationDPI" | "imageWidth");
    let text = match (value, shape) {
        (Value::String(_), Shape::V0_2) => return None,
        (Value::String(text), _) if as_text || either => text.clone(),
        (Value::Number(_), Shape::V0_4) if as_text => return None,
        (Value::Number(n), _) => n.to_string(),
        (Value::Bool(flag), _) => flag.to_string(),
        _ => return None,
    };
    read(shape, name, &text)
}

/// A duration as `timeout` has it: `1000ms`, `10s`, `1m`, `1h`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().ok()?;
    let millis: u64 = match text[digits..].trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// The settings of a new project, in the newer form's names.
pub(crate) fn defaults(structured: bool) -> Map<String, Value> {
    let mut all = json!({"temperature": 0.0, "rasterizationDPI": 170, "maxOutputTokens": 0, "enableThinking": false,
        "thinkingTokenBudget": 0, "loopDetection": true, "randomSeed": "random", "imageWidth": "automatic"});
    if structured {
        all["maxExampleTokenNumber"] = json!(32_000);
        all["maxExampleNumber"] = json!(5);
        all["minExampleSimilarity"] = json!(0.0);
    }
    match all {
        Value::Object(all) => all,
        _ => Map::new(),
    }
}

/// Settings as an answer shows them.
pub(crate) fn shown(settings: &Map<String, Value>, newer: bool) -> Value {
    let one = |(name, value): (&String, &Value)| {
        let unlimited = value == &json!("Unlimited") || (value == &json!(0) && name != "maxExampleNumber");
        let value = match name.as_str() {
            "maxOutputTokens" | "thinkingTokenBudget" | "maxExampleNumber" if newer => {
                if unlimited {
                    json!("Unlimited")
                } else {
                    json!(value.to_string())
                }
            }
            "randomSeed" => json!(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            "maxOutputTokens" | "maxExampleNumber" if unlimited => json!(0),
            "rasterizationDPI" if !newer && value.is_string() => json!(170),
            _ => value.clone(),
        };
        (newer || !NEWER.contains(&name.as_str())).then(|| (name.clone(), value))
    };
    Value::Object(settings.iter().filter_map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_generation_takes_its_own_values() {
        let takes = |name, text| [Shape::V0_2, Shape::V0_4, Shape::Both].map(|shape| read(shape, name, text).is_some());
        assert_eq!(takes("temperature", "1.5"), [false, true, true]);
        assert_eq!(takes("temperature", "2.1"), [false; 3]);
        assert_eq!(takes("temperature", "NaN"), [false; 3]);
        assert_eq!(takes("dpi", "300"), [true; 3]);
        assert_eq!(takes("dpi", "301"), [false, true, true]);
        assert_eq!(takes("rasterizationDPI", "automatic"), [false, true, true]);
        assert_eq!(takes("maxOutputTokens", "0"), [true, false, true]);
        assert_eq!(takes("maxOutputTokens", "Unlimited"), [false, true, true]);
        assert_eq!(takes("maxExampleNumber", "0"), [true; 3]);
        assert_eq!(takes("maxExampleTokenNumber", "130001"), [false; 3]);
        assert_eq!(takes("imageWidth", "0"), [false; 3]);
    }

    #[test]
    fn limits_are_numbers_in_the_older_and_texts_in_the_newer_form() {
        let mut settings = defaults(true);
        assert_eq!(shown(&settings, false)["maxOutputTokens"], json!(0));
        assert_eq!(shown(&settings, true)["maxOutputTokens"], json!("Unlimited"));
        assert_eq!(shown(&settings, true)["maxExampleNumber"], json!("5"));
        assert_eq!(shown(&settings, false).get("imageWidth"), None);
        let patch = read_json(Shape::V0_4, "maxOutputTokens", &json!("600"));
        settings.insert("maxOutputTokens".to_owned(), patch.unwrap());
        assert_eq!(shown(&settings, true)["maxOutputTokens"], json!("600"));
        assert_eq!(shown(&settings, false)["maxOutputTokens"], json!(600));
        assert_eq!(read_json(Shape::V0_4, "maxOutputTokens", &json!(600)), None);
        assert_eq!(read_json(Shape::V0_2, "maxOutputTokens", &json!("600")), None);
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("1500ms"), Some(Duration::from_millis(1500)));
        assert_eq!(["10s", "1m", "1h"].map(|t| duration(t).map(|d| d.as_secs())), [Some(10), Some(60), Some(3600)]);
        for text in ["", "10", "s", "1.5s", "-1s", "99999999999999999999s", "18446744073709551615h", "1é"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}

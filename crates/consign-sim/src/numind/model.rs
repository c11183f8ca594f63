//! The simulated model: fills templates from a text, draws templates from descriptions, writes Markdown.

use serde_json::{Map, Value, json};

use crate::chance::hash;

/// Names of types that a leaf of a template can have.
const TYPES: &[&str] = &[
    "string",
    "verbatim-string",
    "integer",
    "number",
    "boolean",
    "date-time",
    "date",
    "time",
    "duration",
    "country",
    "currency",
    "language",
    "language-tag",
    "script",
    "url",
    "email-address",
    "phone-number",
    "iban",
    "bic",
    "unit-code",
];

/// What a file is, from its first bytes: its media type, and whether it is text.
pub(crate) fn format(bytes: &[u8]) -> Option<(&'static str, bool)> {
    let begins = |magic: &[u8]| bytes.starts_with(magic);
    if begins(b"%PDF") {
        Some(("application/pdf", false))
    } else if begins(b"\x89PNG") {
        Some(("image/png", false))
    } else if begins(b"\xff\xd8\xff") {
        Some(("image/jpeg", false))
    } else if begins(b"GIF8") {
        Some(("image/gif", false))
    } else if begins(b"RIFF") {
        Some(("image/webp", false))
    } else if begins(b"II*\0") || begins(b"MM\0*") {
        Some(("image/tiff", false))
    } else if begins(b"PK") {
        Some(("application/vnd.openxmlformats-officedocument.wordprocessingml.document", false))
    } else if begins(b"\xd0\xcf\x11\xe0") {
        Some(("application/msword", false))
    } else if begins(b"{\\rtf") {
        Some(("application/rtf", false))
    } else {
        let text = std::str::from_utf8(bytes).ok()?;
        let printable = |c: char| !c.is_control() || c.is_whitespace() || c == '\u{feff}';
        text.chars().all(printable).then_some(("text/plain", true))
    }
}

/// What the model reads in a document that is not text: it has to be something.
pub(crate) fn seen(bytes: &[u8], media_type: &str) -> String {
    let number = hash(bytes);
    let (month, day) = (number % 12 + 1, number / 12 % 28 + 1);
    let (total, cents) = (number / 400 % 5000 + 1, number / 3000 % 100);
    let kind = media_type.rsplit(['/', '.']).next().unwrap_or("document");
    format!(
        "Sample {kind}\n\nNumber: {}\nDate: 2025-{month:02}-{day:02}\nTotal: {total}.{cents:02}\nCurrency: EUR\n",
        number % 90_000 + 10_000
    )
}

/// Whether JSON is a template: an object whose leaves name types or list choices.
pub(crate) fn is_template(template: &Value) -> bool {
    match template {
        Value::Object(members) => members.values().all(is_node),
        _ => false,
    }
}

fn is_node(node: &Value) -> bool {
    match node {
        Value::String(name) => TYPES.contains(&name.as_str()) || name.starts_with("region:"),
        Value::Object(members) => members.values().all(is_node),
        Value::Array(items) => match items.as_slice() {
            [Value::Array(choices)] => choices.len() > 1 && choices.iter().all(Value::is_string),
            [one] => is_node(one),
            [] => false,
            choices => choices.iter().all(Value::is_string),
        },
        _ => false,
    }
}

/// Whether a result has the form of a template; every leaf may be null.
pub(crate) fn fits(template: &Value, result: &Value) -> bool {
    match (template, result) {
        (_, Value::Null) => true,
        (Value::Object(members), Value::Object(given)) => {
            given.iter().all(|(name, value)| members.get(name).is_some_and(|member| fits(member, value)))
        }
        (Value::Array(items), _) => match (items.as_slice(), result) {
            ([Value::Array(choices)], Value::Array(given)) => given.iter().all(|choice| choices.contains(choice)),
            ([one], Value::Array(given)) => given.iter().all(|item| fits(one, item)),
            ([_] | [], _) => false,
            (choices, choice) => choices.contains(choice),
        },
        (Value::String(name), value) => match name.as_str() {
            "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            _ => value.is_string(),
        },
        _ => false,
    }
}

/// A template without any value found.
pub(crate) fn emptied(template: &Value) -> Value {
    match template {
        Value::Object(members) => members.iter().map(|(name, node)| (name.clone(), emptied(node))).collect(),
        Value::Array(items) if items.len() == 1 => json!([]),
        _ => Value::Null,
    }
}

/// Fills a template from a text. A line `Name: value` serves the member `name`; without one the first
/// fitting thing in the text does, or nothing.
pub(crate) fn fill(template: &Value, name: &str, text: &str) -> Value {
    match template {
        Value::Object(members) => members.iter().map(|(name, node)| (name.clone(), fill(node, name, text))).collect(),
        Value::String(kind) => leaf(kind, name, text),
        Value::Array(items) => match items.as_slice() {
            [Value::Array(choices)] => choices.iter().filter(|choice| names(text, choice)).cloned().collect(),
            [one] => [fill(one, name, text)].into_iter().filter(|item| !item.is_null()).collect(),
            choices => choices.iter().find(|choice| names(text, choice)).cloned().unwrap_or(Value::Null),
        },
        _ => Value::Null,
    }
}

/// Whether a text contains a choice.
fn names(text: &str, choice: &Value) -> bool {
    choice.as_str().is_some_and(|choice| text.to_lowercase().contains(&choice.to_lowercase()))
}

fn leaf(kind: &str, name: &str, text: &str) -> Value {
    let plain = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    let wanted = plain(name);
    let labelled = text.lines().find_map(|line| {
        let (label, value) = line.split_once([':', '='])?;
        (!wanted.is_empty() && plain(label).ends_with(&wanted)).then(|| value.trim())
    });
    let place = labelled.unwrap_or(text);
    let words = || {
        // What ends with a colon is a label.
        let values = place.split_whitespace().filter(|word| !word.ends_with(':'));
        values.map(|word| word.trim_matches([',', ';', '(', ')', '"']))
    };
    let number = || {
        let mut all = place.split(|c: char| !c.is_ascii_digit() && c != '.' && c != '-');
        all.find_map(|part| part.trim_end_matches('.').parse::<f64>().ok())
    };
    let first = |fits: fn(&str) -> bool| words().find(|word| fits(word)).map(|word| json!(word));
    let found = match kind {
        "integer" => number().map(|n| json!(n.trunc() as i64)),
        "number" => number().filter(|n| n.is_finite()).map(|n| json!(n)),
        "boolean" => labelled.map(|value| json!(["yes", "true", "1", "on"].contains(&plain(value).as_str()))),
        "date-time" | "date" => first(|word| word.parse::<jiff::civil::Date>().is_ok() || word.ends_with('Z')),
        "email-address" => first(|word| word.contains('@')),
        "url" => first(|word| word.starts_with("http")),
        "currency" => first(|word| word.len() == 3 && word.bytes().all(|b| b.is_ascii_uppercase())),
        "string" | "verbatim-string" if labelled.is_none() => {
            let capital = |word: &&str| word.chars().next().is_some_and(char::is_uppercase) && word.len() > 2;
            let word = words().find(capital).or_else(|| words().next());
            word.map(|word| json!(word.trim_end_matches('.')))
        }
        _ => labelled.filter(|value| !value.is_empty()).map(|value| json!(value)),
    };
    found.unwrap_or(Value::Null)
}

/// A template from a description: its first five longer words, with types that their names suggest.
pub(crate) fn draw(description: &str) -> Value {
    const SMALL: &[&str] = &[
        "extract", "take", "find", "with", "from", "that", "this", "each", "every", "want", "need", "please", "their",
        "which", "into", "also", "have", "about", "sample",
    ];
    let words = description.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    let mut members = Map::new();
    for word in words.filter(|word| word.chars().count() > 3 && !SMALL.contains(&word.as_str())) {
        if members.len() == 5 {
            break;
        }
        let has = |parts: &[&str]| parts.iter().any(|part| word.contains(part));
        let kind = if has(&["total", "price", "amount", "prix"]) {
            json!("number")
        } else if has(&["count", "quantity", "nights"]) {
            json!("integer")
        } else if has(&["date", "when", "time"]) {
            json!("date-time")
        } else if has(&["number", "name", "identifier"]) {
            json!("verbatim-string")
        } else if has(&["items", "lines"]) {
            json!([{"name": "verbatim-string", "price": "number"}])
        } else {
            json!("string")
        };
        members.insert(word, kind);
    }
    Value::Object(members)
}

/// A text as Markdown.
pub(crate) fn markdown(text: &str) -> String {
    let text = text.trim();
    let (title, rest) = text.split_once('\n').unwrap_or((text, ""));
    if title.starts_with('#') || rest.trim().is_empty() {
        return text.to_owned();
    }
    format!("# {}\n\n{}", title.trim(), rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_from_labels_first_and_from_what_fits_second() {
        let template = json!({"city": "string", "orderNumber": "verbatim-string", "total": "number",
            "paid": "boolean", "currency": ["EUR", "USD"], "options": [["wifi", "spa"]],
            "lines": [{"count": "integer"}], "missing": "iban"});
        assert!(is_template(&template));
        let text = "Invoice: of a Hotel\nOrder number: A-1\nTotal: 12.5 EUR\nPaid: yes\nCount: 3\nIn Zurich with wifi.";
        let result = fill(&template, "", text);
        assert_eq!(
            result,
            json!({"city": "Hotel", "orderNumber": "A-1", "total": 12.5, "paid": true, "currency": "EUR",
                "options": ["wifi"], "lines": [{"count": 3}], "missing": null})
        );
        assert!(fits(&template, &result) && fits(&template, &emptied(&template)));
        assert!(!fits(&template, &json!({"total": "12"})) && !fits(&template, &json!({"town": null})));
        assert!(!fits(&template, &json!({"currency": "CHF"})) && !fits(&template, &json!({"lines": {}})));
    }

    #[test]
    fn what_is_not_a_template_is_told_from_one() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        for wrong in [schema, json!("string"), json!({"a": 1}), json!({"a": []}), json!({"a": [["x"]]})] {
            assert!(!is_template(&wrong), "{wrong}");
        }
        let drawn = draw("Extract the invoice number, the total and the date.");
        assert!(is_template(&drawn));
        assert_eq!(
            drawn,
            json!({"invoice": "string", "number": "verbatim-string", "total": "number", "date": "date-time"})
        );
        assert_eq!(draw("a"), json!({}));
    }

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        assert_eq!(format(b"%PDF-1.7"), Some(("application/pdf", false)));
        assert_eq!(format("Zürich\n".as_bytes()), Some(("text/plain", true)));
        assert_eq!(format(b"\x01\x02"), None);
        assert!(seen(b"%PDF-1.7", "application/pdf").starts_with("Sample pdf\n"));
        assert_eq!(markdown("Title\n\nText"), "# Title\n\nText");
    }
}

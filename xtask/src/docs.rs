//! Descriptions as Rust documentation: Markdown that rustdoc reads without a warning, and limits in words.
use serde_json::Value;

use crate::walk;

/// The description of a schema and its limits as Markdown lines; `otherwise` if it has no description.
pub fn describe(schema: &Value, otherwise: &str) -> Vec<String> {
    let mut lines = walk::text(schema, "description").map(markdown).unwrap_or_default();
    if lines.is_empty() {
        lines.push(otherwise.to_owned());
    }
    let limits = limits(schema);
    if !limits.is_empty() {
        lines.push(String::new());
        lines.push(format!("Limits: {}.", limits.join(", ")));
    }
    lines
}

/// What a schema says about allowed values, in words.
pub fn limits(schema: &Value) -> Vec<String> {
    let mut limits = Vec::new();
    if walk::is_true(schema, "readOnly") {
        limits.push("only received".to_owned());
    }
    if walk::is_true(schema, "writeOnly") {
        limits.push("only sent".to_owned());
    }
    if walk::is_true(schema, "deprecated") {
        limits.push("deprecated".to_owned());
    }
    limits.extend(range(schema, "minimum", "maximum", ""));
    if let Some(step) = schema.get("multipleOf") {
        limits.push(format!("a multiple of {step}"));
    }
    limits.extend(range(schema, "minLength", "maxLength", " characters"));
    limits.extend(range(schema, "minItems", "maxItems", " items"));
    limits.extend(range(schema, "minProperties", "maxProperties", " members"));
    if walk::is_true(schema, "uniqueItems") {
        limits.push("no item twice".to_owned());
    }
    if let Some(pattern) = walk::text(schema, "pattern") {
        limits.push(format!("matches {}", code(pattern)));
    }
    if let Some(format) = walk::text(schema, "format").filter(|format| tells_something(format)) {
        limits.push(format!("format {}", code(format)));
    }
    let values = walk::list(schema, "enum");
    if !values.is_empty() && !values.iter().any(Value::is_string) {
        let values: Vec<String> = values.iter().map(|value| code(&value.to_string())).collect();
        limits.push(format!("one of {}", values.join(", ")));
    }
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        limits.push(format!("default {}", code(&literal(default))));
    }
    limits
}

/// Formats that the Rust type does not show.
fn tells_something(format: &str) -> bool {
    !matches!(format, "int32" | "int64" | "float" | "double" | "date-time" | "string")
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn range(schema: &Value, low: &str, high: &str, unit: &str) -> Option<String> {
    let exclusive = |key: &str| {
        let key = if key == "minimum" { "exclusiveMinimum" } else { "exclusiveMaximum" };
        unit.is_empty() && walk::is_true(schema, key)
    };
    let number = |key: &str| schema.get(key).filter(|value| value.is_number());
    let text = match (number(low), number(high)) {
        (Some(a), Some(b)) if !exclusive(low) && !exclusive(high) => format!("{a}..={b}{unit}"),
        (Some(a), Some(b)) => format!("{}, {}", from(a, exclusive(low)), to(b, exclusive(high))),
        (Some(a), None) => format!("{}{unit}", from(a, exclusive(low))),
        (None, Some(b)) => format!("{}{unit}", to(b, exclusive(high))),
        (None, None) => return None,
    };
    Some(text)
}

fn from(limit: &Value, exclusive: bool) -> String {
    format!("{} {limit}", if exclusive { "above" } else { "at least" })
}

fn to(limit: &Value, exclusive: bool) -> String {
    format!("{} {limit}", if exclusive { "below" } else { "at most" })
}

/// Text as inline code, whatever it contains.
pub fn code(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|c| !reorders(*c)).collect();
    if text.trim().is_empty() {
        return "(empty)".to_owned();
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Characters that change the order of text on the screen; rustc refuses them in comments.
fn reorders(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// A description as Markdown lines that rustdoc takes as they are meant: brackets are no links, angle
/// brackets no HTML, addresses are links, and code is not a test.
pub fn markdown(description: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut fence: Option<String> = None;
    for line in description.replace("\r\n", "\n").replace('\r', "\n").lines() {
        let line: String = line.chars().filter(|c| (!c.is_control() || *c == '\t') && !reorders(*c)).collect();
        let text = line.trim();
        let marks = fence_of(text);
        match (&fence, marks) {
            (Some(open), Some(marks))
                if marks.starts_with(open.as_str()) && text.trim_start_matches(['`', '~']).is_empty() =>
            {
                lines.push(marks.to_owned());
                fence = None;
            }
            (Some(_), _) => lines.push(line.trim_end().replace('\t', "    ")),
            (None, Some(marks)) => {
                lines.push(format!("{marks}text"));
                fence = Some(marks.to_owned());
            }
            (None, None) => lines.push(prose(&line)),
        }
    }
    lines.extend(fence);
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    while lines.first().is_some_and(String::is_empty) {
        lines.remove(0);
    }
    lines
}

/// The marks of a code fence at the start of a line.
fn fence_of(text: &str) -> Option<&str> {
    let mark = text.chars().next().filter(|c| *c == '`' || *c == '~')?;
    let end = text.find(|c| c != mark).unwrap_or(text.len());
    let info = &text[end..];
    (end >= 3 && !(mark == '`' && info.contains('`'))).then(|| &text[..end])
}

/// A line outside a code block. It is never indented so far that it would become one.
fn prose(line: &str) -> String {
    let text = line.trim();
    let indent = (line.len() - line.trim_start().len()).min(2);
    let mut out = if line.trim_start_matches(' ').starts_with('\t') { String::new() } else { " ".repeat(indent) };
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '`' => span(rest, &mut out),
            '[' => link(rest, &mut out),
            'h' => address(rest, text, &mut out),
            _ => 0,
        };
        if taken > 0 {
            rest = &rest[taken..];
            continue;
        }
        if matches!(c, '[' | ']' | '<' | '`') && !out.ends_with('\\') {
            out.push('\\');
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out.trim_end().replace('\t', " ")
}

/// A code span at the start of `rest`, copied as it is.
fn span(rest: &str, out: &mut String) -> usize {
    let ticks = rest.len() - rest.trim_start_matches('`').len();
    let fence = &rest[..ticks];
    let Some(end) = rest[ticks..].find(fence) else { return 0 };
    let length = ticks + end + ticks;
    if rest[length..].starts_with('`') {
        return 0;
    }
    out.push_str(&rest[..length]);
    length
}

/// A link `[text](https://…)` at the start of `rest`.
fn link(rest: &str, out: &mut String) -> usize {
    let Some(close) = rest.find("](") else { return 0 };
    let (text, target) = (&rest[1..close], &rest[close + 2..]);
    let Some(end) = target.find(')') else { return 0 };
    let target = &target[..end];
    let web = target.starts_with("https://") || target.starts_with("http://");
    if !web || target.contains(char::is_whitespace) || text.contains(['[', ']', '`', '<']) || text.is_empty() {
        return 0;
    }
    out.push_str(&format!("[{text}]({target})"));
    close + 2 + end + 1
}

/// A bare address at the start of `rest`.
fn address(rest: &str, line: &str, out: &mut String) -> usize {
    if !(rest.starts_with("https://") || rest.starts_with("http://")) {
        return 0;
    }
    let before = line[..line.len() - rest.len()].chars().next_back();
    if before.is_some_and(char::is_alphanumeric) {
        return 0;
    }
    let stop = |c: char| {
        c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\'' | '`' | '[' | ']' | '{' | '}' | '|' | '\\' | '^')
    };
    let end = rest.find(stop).unwrap_or(rest.len());
    let address = rest[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '*', '_']);
    if address.len() <= "https://".len() {
        return 0;
    }
    if before == Some('<') && rest[address.len()..].starts_with('>') {
        // `\<` was written for the bracket already; the link brings its own.
        out.truncate(out.len() - 2);
        out.push_str(&format!("<{address}>"));
        return address.len() + 1;
    }
    out.push_str(&format!("<{address}>"));
    address.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_are_told_in_words() {
        let cases = [
            (json!({"minimum": 1, "maximum": 150}), "1..=150"),
            (json!({"minimum": 0, "exclusiveMinimum": true}), "above 0"),
            (json!({"minimum": 0, "exclusiveMinimum": true, "maximum": 2}), "above 0, at most 2"),
            (json!({"maxLength": 64}), "at most 64 characters"),
            (json!({"minItems": 1, "maxItems": 9, "uniqueItems": true}), "1..=9 items, no item twice"),
            (json!({"pattern": "^`a$"}), "matches ``^`a$``"),
            (json!({"format": "uuid", "default": "x"}), "format `uuid`, default `x`"),
            (json!({"enum": [1, 2]}), "one of `1`, `2`"),
            (json!({"format": "int32", "default": ""}), "default (empty)"),
        ];
        for (schema, text) in cases {
            assert_eq!(limits(&schema).join(", "), text);
        }
    }

    #[test]
    fn a_description_comes_before_the_limits() {
        let schema = json!({"description": "How many.", "minimum": 1});
        assert_eq!(describe(&schema, "-"), ["How many.", "", "Limits: at least 1."]);
        assert_eq!(describe(&json!({}), "`a`."), ["`a`."]);
    }

    #[test]
    fn brackets_are_escaped_and_real_links_are_kept() {
        let cases = [
            ("a[0] or <b>", r"a\[0\] or \<b>"),
            ("see [here](https://a.b/c) and [there]", r"see [here](https://a.b/c) and \[there\]"),
            ("`[a]` and `<b>`", "`[a]` and `<b>`"),
            ("at https://a.b/c?d=e_f.", "at <https://a.b/c?d=e_f>."),
            ("(http://a.b)", "(<http://a.b>)"),
            ("already <https://a.b/>", "already <https://a.b/>"),
            ("one ` tick", r"one \` tick"),
            ("done \\[x\\]", r"done \[x\]"),
            ("[ref][1]", r"\[ref\]\[1\]"),
        ];
        for (text, expected) in cases {
            assert_eq!(markdown(text), [expected], "{text}");
        }
    }

    #[test]
    fn code_blocks_are_text_and_closed_and_indentation_makes_none() {
        assert_eq!(markdown("a\n```json\n{}\n```\nb"), ["a", "```text", "{}", "```", "b"]);
        assert_eq!(markdown("```\n\topen"), ["```text", "    open", "```"]);
        assert_eq!(markdown("a\n\n    four\n\ttab"), ["a", "", "  four", "tab"]);
        assert_eq!(markdown("\r\na\r\n\u{202E}b\u{0}"), ["a", "b"]);
    }

    #[test]
    fn any_text_can_be_code() {
        assert_eq!((code("a"), code("`a"), code("")), ("`a`".into(), "`` `a ``".into(), "(empty)".into()));
    }
}

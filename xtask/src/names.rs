//! Rust names for the names of a document: cases, keywords, characters that no identifier may hold, clashes.
use std::collections::BTreeSet;

use heck::{ToPascalCase, ToShoutySnakeCase, ToSnakeCase};

/// Words that cannot be identifiers.
const KEYWORDS: &str = " _ abstract as async await become box break const continue crate do dyn else enum extern false \
    final fn for gen if impl in let loop macro match mod move mut override priv pub ref return Self self static struct \
    super trait true try type typeof unsafe unsized use virtual where while yield ";

/// Whether a character may stand inside an identifier.
fn allowed(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric() || (!c.is_ascii() && syn::parse_str::<syn::Ident>(&format!("a{c}")).is_ok())
}

/// An identifier made from `text` in the given case; `lead` goes before a digit.
fn identifier(text: &str, case: fn(&str) -> String, lead: &str) -> String {
    let plain: String =
        text.chars().filter(|c| *c != '\'').map(|c| if allowed(c) { c } else { '-' }).collect::<String>();
    let mut name = case(&plain);
    if !name.chars().next().is_some_and(|c| c == '_' || c.is_ascii_alphabetic() || !c.is_ascii()) {
        name.insert_str(0, lead);
    }
    if syn::parse_str::<syn::Ident>(&name).is_err() || KEYWORDS.contains(&format!(" {name} ")) {
        name.push('_');
    }
    name
}

/// The name of a type. It does not change when it is made into a type name again, so that the
/// generator, which applies its own rule, arrives at the same one.
pub fn type_name(text: &str) -> String {
    let mut name = identifier(text, |s| s.to_pascal_case(), "X");
    for _ in 0..4 {
        let again = identifier(&name, |s| s.to_pascal_case(), "X");
        if again == name {
            break;
        }
        name = again;
    }
    name
}

/// The name of a field, a parameter or a method.
pub fn field_name(text: &str) -> String {
    let signed = text.chars().nth(1).is_some_and(|c| c.is_ascii_digit());
    match text.strip_prefix(['+', '-']).filter(|_| signed) {
        Some(rest) => identifier(rest, |s| s.to_snake_case(), if text.starts_with('+') { "plus" } else { "minus" }),
        None => identifier(text, |s| s.to_snake_case(), "x"),
    }
}

/// The method that sets a field: another name where it would hide a method that every type has.
pub fn setter_name(field: &str) -> String {
    match field {
        "new" | "default" | "clone" => format!("set_{field}"),
        _ => field.to_owned(),
    }
}

/// The name of a static.
pub fn static_name(text: &str) -> String {
    identifier(text, |s| s.to_shouty_snake_case(), "X")
}

/// The name of an enum variant for a value on the wire, which may be any text: `16:9` becomes
/// `V16_9`, `-created` becomes `MinusCreated`, the empty text becomes `Empty`.
pub fn variant_name(value: &str) -> String {
    if value.is_empty() {
        return "Empty".to_owned();
    }
    if !value.chars().any(|c| allowed(c) && c != '_') {
        return value.chars().map(symbol_name).collect();
    }
    let (lead, rest) = match value.as_bytes()[0] {
        b'-' => ("Minus", &value[1..]),
        b'+' => ("Plus", &value[1..]),
        b'!' => ("Not", &value[1..]),
        _ => ("", value),
    };
    if rest.chars().all(|c| c.is_ascii_digit() || !allowed(c)) {
        let digits: Vec<&str> = rest.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
        return format!("{}{}", if lead.is_empty() { "V" } else { lead }, digits.join("_"));
    }
    format!("{lead}{}", identifier(rest, |s| s.to_pascal_case(), if lead.is_empty() { "V" } else { "" }))
}

/// A word for a character that stands alone.
fn symbol_name(c: char) -> String {
    let word = match c {
        '+' => "Plus",
        '-' => "Minus",
        '*' => "Star",
        '/' => "Slash",
        '=' => "Equal",
        '<' => "Less",
        '>' => "Greater",
        '!' => "Not",
        '&' => "And",
        '|' => "Or",
        '.' => "Dot",
        ',' => "Comma",
        '_' => "Underscore",
        ' ' => "Blank",
        '%' => "Percent",
        '~' => "Tilde",
        '#' => "Hash",
        '?' => "Question",
        ':' => "Colon",
        other => return format!("U{:X}", other as u32),
    };
    word.to_owned()
}

/// Names that are taken in one scope.
#[derive(Clone, Debug, Default)]
pub struct Taken(BTreeSet<String>);

impl Taken {
    /// A scope in which these names are taken from the start.
    pub fn with(names: &[&str]) -> Self {
        Self(names.iter().map(|name| (*name).to_owned()).collect())
    }
    /// Takes `wanted`, or `wanted` with the first number from 2 that is free.
    pub fn claim(&mut self, wanted: &str) -> String {
        let base = wanted.trim_end_matches('_');
        let numbered = (2..).map(|n: u64| format!("{base}{n}"));
        let name = std::iter::once(wanted.to_owned()).chain(numbered).find(|name| !self.0.contains(name));
        let name = name.unwrap_or_default();
        self.0.insert(name.clone());
        name
    }
    /// Whether the name is taken.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_name_stays_the_same_when_it_is_made_again() {
        for text in ["foo_bar", "ReadOnlySpan`1", "3DModel", "HTTPError", "v1.Job", "Self", "A1B2c3", "a-é", "", "$"] {
            let name = type_name(text);
            assert_eq!(type_name(&name), name, "{text}");
            assert!(syn::parse_str::<syn::Ident>(&name).is_ok(), "{text}: {name}");
        }
        assert_eq!(type_name("ReadOnlySpan`1"), "ReadOnlySpan1");
    }

    #[test]
    fn keywords_and_digits_become_identifiers() {
        assert_eq!(field_name("type"), "type_");
        assert_eq!(field_name("gen"), "gen_");
        assert_eq!(field_name("3d"), "x3d");
        assert_eq!((field_name("+1"), field_name("-1")), ("plus1".into(), "minus1".into()));
        assert_eq!(field_name("$type"), "type_");
        assert_eq!(field_name("x-Request-ID"), "x_request_id");
        assert_eq!(static_name("v1_jobs"), "V1_JOBS");
        assert_eq!((setter_name("new"), setter_name("old")), ("set_new".into(), "old".into()));
    }

    #[test]
    fn every_text_has_a_variant_name() {
        let cases = [
            ("16:9", "V16_9"),
            ("1.5", "V1_5"),
            ("15", "V15"),
            ("-created", "MinusCreated"),
            ("-1", "Minus1"),
            ("", "Empty"),
            ("+", "Plus"),
            (">=", "GreaterEqual"),
            ("self", "Self_"),
            ("EulerA", "EulerA"),
            ("\u{1F600}", "U1F600"),
            ("2x fast", "V2xFast"),
        ];
        for (value, name) in cases {
            assert_eq!(variant_name(value), name);
            assert!(syn::parse_str::<syn::Ident>(name).is_ok());
        }
    }

    #[test]
    fn a_taken_name_gets_a_number() {
        let mut taken = Taken::with(&["a"]);
        assert_eq!((taken.claim("a"), taken.claim("a"), taken.claim("b")), ("a2".into(), "a3".into(), "b".into()));
        assert_eq!((taken.claim("fn_"), taken.claim("fn_")), ("fn_".into(), "fn2".into()));
    }
}

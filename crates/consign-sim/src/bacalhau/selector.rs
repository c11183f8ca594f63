//! Label selectors as Kubernetes writes them, and the constraints of jobs.

use std::collections::BTreeMap;

/// The labels of a job or a node.
pub(crate) type Labels = BTreeMap<String, String>;

/// One condition on labels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Requirement {
    pub(crate) key: String,
    pub(crate) operator: String,
    pub(crate) values: Vec<String>,
}

impl Requirement {
    /// Whether the labels fulfil it. None: the operator, a name, a value or a number cannot be understood.
    pub(crate) fn holds(&self, labels: &Labels) -> Option<bool> {
        if !is_key(&self.key) || !self.values.iter().all(|value| is_value(value)) {
            return None;
        }
        let found = labels.get(&self.key);
        let among = found.is_some_and(|value| self.values.contains(value));
        Some(match self.operator.as_str() {
            "=" | "==" | "in" => among,
            "!=" | "notin" => !among,
            "exists" => found.is_some(),
            "!" => found.is_none(),
            "gt" | "lt" => {
                let limit: i64 = self.values.first()?.parse().ok()?;
                let greater = self.operator == "gt";
                let number = found.and_then(|value| value.parse::<i64>().ok());
                number.is_some_and(|number| if greater { number > limit } else { number < limit })
            }
            _ => return None,
        })
    }
}

/// Reads conditions such as `env=prod,team in (a,b),gpu,!old,count>3`.
pub(crate) fn parse(text: &str) -> Result<Vec<Requirement>, String> {
    let words = words(text);
    let mut reader = Reader { words: &words, at: 0 };
    let mut all = Vec::new();
    if words.is_empty() {
        return Ok(all);
    }
    loop {
        all.push(reader.requirement().map_err(|why| format!("unable to parse requirement: {why}"))?);
        match reader.take() {
            "" => return Ok(all),
            "," => {}
            other => return Err(format!("found '{other}', expected: ',' or 'end of string'")),
        }
    }
}

/// Words and signs, without the space between them.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let sign = ["!=", "==", "=", "!", ",", "(", ")", ">", "<"].iter().find(|sign| rest.starts_with(**sign));
        let length = sign.map_or_else(
            || rest.find(|c: char| c.is_whitespace() || "=!,()<>".contains(c)).unwrap_or(rest.len()),
            |sign| sign.len(),
        );
        let (word, after) = rest.split_at(length);
        words.push(word);
        rest = after.trim_start();
    }
    words
}

struct Reader<'a> {
    words: &'a [&'a str],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> &'a str {
        self.words.get(self.at).copied().unwrap_or("")
    }

    fn take(&mut self) -> &'a str {
        let word = self.peek();
        self.at += 1;
        word
    }

    fn name(&mut self) -> Result<String, String> {
        match self.take() {
            word if word.is_empty() || "=!,()<>".contains(&word[..1]) => {
                Err(format!("found '{word}', expected: identifier"))
            }
            word => Ok(word.to_owned()),
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.peek() == "!";
        if absent {
            self.at += 1;
        }
        let key = self.name()?;
        if !is_key(&key) {
            return Err(format!("<nil>: Invalid value: \"{key}\": it is not the name of a label"));
        }
        let made = |key, operator: &str, values| Requirement { key, operator: operator.to_owned(), values };
        if absent {
            return Ok(made(key, "!", Vec::new()));
        }
        if matches!(self.peek(), "" | ",") {
            return Ok(made(key, "exists", Vec::new()));
        }
        let operator = self.take();
        match operator {
            "in" | "notin" => Ok(made(key, operator, self.values()?)),
            "=" | "==" | "!=" => {
                let value = if matches!(self.peek(), "" | ",") { String::new() } else { self.name()? };
                Ok(made(key, operator, vec![value]))
            }
            ">" | "<" => {
                let limit = self.name()?;
                if limit.parse::<i64>().is_err() {
                    let rule = "for 'Gt', 'Lt' operators, the value must be an integer";
                    return Err(format!("values[0]: Invalid value: \"{limit}\": {rule}"));
                }
                Ok(made(key, if operator == ">" { "gt" } else { "lt" }, vec![limit]))
            }
            other => Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        match self.take() {
            "(" => {}
            other => return Err(format!("found '{other}' expected: '('")),
        }
        let mut values = Vec::new();
        loop {
            // An empty value stands between two signs.
            values.push(if matches!(self.peek(), "," | ")") { String::new() } else { self.name()? });
            match self.take() {
                "," => {}
                ")" => return Ok(values),
                other => return Err(format!("found '{other}', expected: ',' or ')'")),
            }
        }
    }
}

/// Whether a key is what a label may be named: a prefix like a domain and a slash, then a name.
fn is_key(key: &str) -> bool {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let edges = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    let inner = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    let lower = |text: &str| !text.contains(|c: char| c.is_ascii_uppercase());
    name.len() <= 63
        && edges(name)
        && inner(name, "-_.")
        && prefix.is_none_or(|prefix| edges(prefix) && lower(prefix) && inner(prefix, "-."))
}

/// Whether a value is one that a label may have in a condition: empty, or as a name without a prefix.
fn is_value(value: &str) -> bool {
    value.is_empty() || (!value.contains('/') && is_key(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read_and_match() {
        let labels: Labels = [("env", "prod"), ("team", "a"), ("count", "5"), ("gpu", "")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let matches = |text: &str| parse(text).map(|all| all.iter().all(|r| r.holds(&labels) == Some(true)));
        for text in [
            "",
            "env=prod",
            "env == prod, team in (a, b)",
            "gpu",
            "!old",
            "count>3,count<9",
            "team!=b",
            "team notin (x)",
            "gpu in ()",
            "gpu=",
        ] {
            assert_eq!(matches(text), Ok(true), "{text}");
        }
        for text in ["env=dev", "old", "!gpu", "count>5", "team notin (a)", "env!=prod"] {
            assert_eq!(matches(text), Ok(false), "{text}");
        }
        for text in ["a in (b", "a===b", "a in b", "a b", ",", "=b", "a>x", "A/b=c", "-a"] {
            assert!(matches(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_unknown_operator_and_what_no_label_can_be_cannot_be_judged() {
        for (key, operator, value) in [("a", "like", "b"), ("a", "=", "b c"), ("a b", "=", "c"), ("a", "gt", "1.5")] {
            let odd =
                Requirement { key: key.to_owned(), operator: operator.to_owned(), values: vec![value.to_owned()] };
            assert_eq!(odd.holds(&Labels::new()), None, "{odd:?}");
        }
    }
}

//! Differences between two specifications, as text for people.

use serde_json::Value;

use super::spec::Spec;

/// Lines of both, those that differ marked with `-` and `+`. Empty if nothing differs.
pub(crate) fn text(old: &Spec, new: &Spec) -> String {
    if old == new {
        return String::new();
    }
    let lines = |spec: &Spec| -> Vec<String> {
        let text = format!("{:#}", Value::Object(spec.json()));
        text.lines().map(|line| line.replace("  ", "\t")).collect()
    };
    let (old, new) = (lines(old), lines(new));
    let before = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()) - before;
    let after = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let mut text = "  &models.Job{\n".to_owned();
    let mut put = |sign: &str, lines: &[String]| lines.iter().for_each(|line| text += &format!("{sign} \t{line}\n"));
    put(" ", &old[before.saturating_sub(2)..before]);
    put("-", &old[before..old.len() - after]);
    put("+", &new[before..new.len() - after]);
    put(" ", &old[old.len() - after..(old.len() - after + 2).min(old.len())]);
    text + "  }\n"
}

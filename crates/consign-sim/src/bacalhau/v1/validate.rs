//! What the server checks of a job before it takes it, in its order and its words.

use std::collections::HashSet;

use super::spec::{Port, Spec, Submitted, Task};
use crate::bacalhau::selector::Requirement;

/// The violations that the HTTP layer finds.
pub(crate) fn submission(spec: &Spec) -> Vec<String> {
    let mut all = Vec::new();
    match spec.kind.as_str() {
        "service" | "batch" | "daemon" | "ops" => {}
        "" => all.push("missing job type".to_owned()),
        other => all.push(format!("invalid job type: {other:?}")),
    }
    if spec.count < 0 {
        all.push("job count must be >= 0".to_owned());
    }
    if spec.count > 1 && spec.everywhere() {
        all.push(format!("{} jobs cannot specify count > 1 as they run on all matching nodes", spec.kind));
    }
    if spec.tasks.is_empty() {
        all.push("missing job tasks".to_owned());
    }
    for (index, constraint) in spec.constraints.iter().enumerate() {
        let wrong = self::constraint(constraint);
        if !wrong.is_empty() {
            all.push(format!("constraint {} validation failed: {}", index + 1, wrong.join("\n")));
        }
    }
    for task in &spec.tasks {
        outer(&mut all, task, &self::task(task));
    }
    all
}

/// The violations that the job store finds when it stores a job.
pub(crate) fn stored(job: &Submitted) -> Vec<String> {
    let mut all = Vec::new();
    let mut check = |wrong: bool, what: &str| {
        if wrong {
            all.push(what.to_owned());
        }
    };
    check(job.id.trim().is_empty(), "missing job ID");
    check(job.id.contains(' '), "job ID contains a space");
    check(job.id.contains('\0'), "job ID contains a null character");
    check(job.name.trim().is_empty(), "missing job name");
    check(job.name.contains('\0'), "job Name contains a null character");
    check(job.namespace.trim().is_empty(), "job must be in a namespace");
    all.extend(submission(&job.spec));
    for task in &job.spec.tasks {
        let mut wrong = self::task(task);
        if !task.outputs.is_empty() && task.publisher.kind.is_empty() && task.publisher.params.is_empty() {
            wrong.push("publisher must be set if result paths are set".to_owned());
        }
        let [execution, queue, total] = task.timeouts;
        if total > 0 && execution.saturating_add(queue) > total {
            wrong.push(format!(
                "task timeouts validation failed: execution timeout {} and queue timeout {} should be less than total \
                 timeout {}",
                go_span(if execution > 0 { execution } else { total }),
                go_span(queue),
                go_span(total)
            ));
        }
        outer(&mut all, task, &wrong);
    }
    all
}

fn outer(all: &mut Vec<String>, task: &Task, wrong: &[String]) {
    if !wrong.is_empty() {
        all.push(format!("task {} validation failed: {}", task.name, wrong.join("\n")));
    }
}

fn constraint(constraint: &Requirement) -> Vec<String> {
    let mut all = Vec::new();
    if constraint.key.trim().is_empty() {
        all.push("selector key cannot be blank".to_owned());
    }
    let values = constraint.values.len();
    let wrong = match constraint.operator.as_str() {
        "in" | "notin" => (values == 0).then_some("selector values cannot be empty for In or NotIn operators"),
        "exists" | "!" => (values > 0).then_some("selector values must be empty for Exists or KeyNotInImap operators"),
        _ => (values != 1).then_some("selector values must have exactly one value for other operators"),
    };
    all.extend(wrong.map(str::to_owned));
    all
}

fn task(task: &Task) -> Vec<String> {
    let mut all = Vec::new();
    if task.name.trim().is_empty() {
        all.push("missing task name".to_owned());
    }
    if task.name.contains('\0') {
        all.push("task name cannot contain null characters".to_owned());
    }
    all.extend(task.env.iter().find_map(|(name, value)| variable(name, value)));
    match &task.engine {
        None => all.push("invalid engine: nil spec config".to_owned()),
        Some(engine) if engine.kind.is_empty() => all.push("invalid engine: missing spec type".to_owned()),
        Some(_) => {}
    }
    let mut group = |what: &str, wrong: Vec<String>| {
        if !wrong.is_empty() {
            all.push(format!("{what}: {}", wrong.join("\n")));
        }
    };
    let [execution, queue, total] = task.timeouts;
    let named = [("execution", if execution > 0 { execution } else { total }, execution), ("queue", queue, queue)];
    let timeouts = named.into_iter().chain([("total", total, total)]);
    let negative = timeouts.filter(|(.., value)| *value < 0);
    group(
        "invalid timeouts",
        negative.map(|(name, shown, _)| format!("invalid {name} timeout value: {}", go_span(shown))).collect(),
    );
    group("invalid resources", resources(&task.resources));
    let mut wrong = Vec::new();
    for input in &task.inputs {
        if input.target.is_empty() {
            wrong.push("input source is missing a target".to_owned());
        }
        match &input.source {
            None => wrong.push("invalid input source: nil spec config".to_owned()),
            Some(source) if source.kind.is_empty() => wrong.push("invalid input source: missing spec type".to_owned()),
            Some(_) => {}
        }
    }
    group("invalid input sources", wrong);
    let mut wrong = Vec::new();
    for (name, path) in &task.outputs {
        if path.is_empty() {
            wrong.push("missing path".to_owned());
        }
        if name.is_empty() {
            wrong.push("missing name".to_owned());
        }
        if !path.starts_with('/') {
            wrong.push(format!("result path `{path}` must be absolute"));
        }
    }
    group("invalid output", wrong);
    let inputs = task.inputs.iter().flat_map(|input| [("alias", &input.alias), ("target", &input.target)]);
    all.extend(twice(inputs).map(|(what, text)| format!("input source with {what} '{text}' already exists")));
    let outputs = task.outputs.iter().flat_map(|(name, path)| [("name", name), ("path", path)]);
    all.extend(twice(outputs).map(|(what, text)| match what {
        "name" => format!("result path with name '{text}' already exists"),
        _ => format!("result path '{text}' already exists"),
    }));
    let wrong = network(task);
    if !wrong.is_empty() {
        all.push(format!("invalid network: {}", wrong.join("\n")));
    }
    all
}

/// The first that occurs again.
fn twice<'a>(all: impl Iterator<Item = (&'static str, &'a String)>) -> Option<(&'static str, &'a String)> {
    let mut seen = HashSet::new();
    all.filter(|(_, text)| !text.is_empty()).find(|item| !seen.insert(*item))
}

fn variable(name: &str, value: &str) -> Option<String> {
    let what = format!("environment variable '{name}'");
    if name.is_empty() {
        Some("environment variable name cannot be empty".to_owned())
    } else if name != name.to_uppercase() {
        Some(format!("{what} must be uppercase"))
    } else if !name.starts_with(char::is_alphabetic) {
        Some(format!("{what} must start with a letter"))
    } else if !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        Some(format!("{what} can only contain letters, numbers, and underscores"))
    } else if name.starts_with("BACALHAU_") {
        Some(format!("{what} cannot start with BACALHAU_"))
    } else {
        value.is_empty().then(|| format!("{what} cannot have empty value"))
    }
}

fn resources([cpu, memory, disk, gpu]: &[String; 4]) -> Vec<String> {
    if !gpu.is_empty() && gpu.parse::<u64>().is_err() {
        return vec![format!("invalid GPU value: {gpu}")];
    }
    let mut all = Vec::new();
    match processors(cpu) {
        None => all.push(format!("invalid CPU value: {cpu}")),
        Some(cpu) if cpu < 0.0 => all.push(format!("invalid CPU value: {cpu:.6}")),
        Some(_) => {}
    }
    for (what, value) in [("memory", memory), ("disk", disk)] {
        if bytes(value).is_none() {
            all.push(format!("invalid {what} value: {value}"));
        }
    }
    all
}

/// `500m` or `2` processors; nothing is 0.
pub(crate) fn processors(text: &str) -> Option<f64> {
    if text.is_empty() {
        return Some(0.0);
    }
    let (number, unit) = text.strip_suffix('m').map_or((text, 1.0), |number| (number, 0.001));
    number.parse::<f64>().ok().filter(|n| n.is_finite()).map(|n| n * unit)
}

/// `512mb`, `1gi`, `2.5 gb`: a number of bytes; nothing is 0.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    if text.is_empty() {
        return Some(0);
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(text.len());
    let number: f64 = text[..end].replace(',', "").parse().ok()?;
    let unit = text[end..].trim().to_ascii_lowercase();
    let binary = unit.ends_with("ib") || unit.ends_with('i');
    let power = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" if !binary => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let value = number * if binary { 1024_f64 } else { 1000_f64 }.powi(power);
    (value < 1.8e19).then_some(value as u64)
}

fn network(task: &Task) -> Vec<String> {
    let mut all = Vec::new();
    if !task.domains.is_empty() && task.network != "HTTP" {
        all.push("domains can only be set for HTTP network mode".to_owned());
    }
    for domain in task.domains.iter().filter(|domain| !is_domain(domain)) {
        all.push(format!("invalid domain {domain:?}"));
    }
    if !task.ports.is_empty() {
        if !matches!(task.network, "Host" | "Full" | "Bridge") {
            all.push("ports can only be set for Host or Bridge network modes".to_owned());
            return all;
        }
        ports(task, &mut all);
    }
    all
}

/// Whether there is a domain name in lower case somewhere in a text, or the text is an address.
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        label.split('-').all(part)
    };
    let named = |word: &str| {
        let Some((rest, last)) = word.trim_matches('.').rsplit_once('.') else { return false };
        last.len() > 1 && last.bytes().all(|b| b.is_ascii_lowercase()) && rest.split('.').all(label)
    };
    let between = |c: char| !c.is_ascii_alphanumeric() && !"_.-".contains(c);
    text.split(between).any(named) || text.parse::<std::net::IpAddr>().is_ok()
}

fn ports(task: &Task, all: &mut Vec<String>) {
    let mut seen = HashSet::new();
    for port in &task.ports {
        if let Some(wrong) = self::port(port) {
            all.push(wrong);
            continue;
        }
        if !seen.insert(("name", port.name.clone())) {
            all.push(format!("duplicate port mapping name {:?}", port.name));
        }
        if port.fixed != 0 && !seen.insert(("static", port.fixed.to_string())) {
            all.push(format!("duplicate port mapping static port {}", port.fixed));
        }
        if task.network != "Bridge" && port.target != 0 {
            all.push("target ports cannot be set for Host network mode".to_owned());
        }
        if task.network == "Bridge" && port.target != 0 && !seen.insert(("target", port.target.to_string())) {
            all.push(format!("duplicate port mapping target port {}", port.target));
        }
    }
}

fn port(port: &Port) -> Option<String> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if port.name.is_empty() {
        return Some("port mapping name is required".to_owned());
    }
    if port.name.starts_with(|c: char| c.is_ascii_digit()) || !port.name.chars().all(inner) {
        let rule = "start with letter/underscore and contain only letters, numbers, and underscores";
        return Some(format!("port name must be a valid environment variable name: {rule}"));
    }
    match port.fixed {
        0 => {}
        1..=1023 => return Some(format!("static port {} is in privileged port range (1-1023)", port.fixed)),
        1024..=65535 => {}
        other => return Some(format!("invalid static port {other}: must be between 1024 and 65535")),
    }
    (!(0..=65535).contains(&port.target))
        .then(|| format!("invalid target port {}: must be between 1 and 65535", port.target))
}

/// Whole seconds as Go writes a duration: `0s`, `90` as `1m30s`.
pub(crate) fn go_span(seconds: i64) -> String {
    let (sign, all) = (if seconds < 0 { "-" } else { "" }, seconds.unsigned_abs());
    match (all / 3600, all / 60 % 60, all % 60) {
        (0, 0, s) => format!("{sign}{s}s"),
        (0, m, s) => format!("{sign}{m}m{s}s"),
        (h, m, s) => format!("{sign}{h}h{m}m{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_told_from_other_texts() {
        for domain in ["example.com", ".example.com", "a-b.example.co", "127.0.0.1", "::1", "x example.com"] {
            assert!(is_domain(domain), "{domain}");
        }
        for text in ["Example.COM", "a.b", "example", "-a.example.com", "a b", ""] {
            assert!(!is_domain(text), "{text}");
        }
    }

    #[test]
    fn quantities_are_read() {
        assert_eq!(
            [processors("500m"), processors("2"), processors("lots"), processors("")],
            [Some(0.5), Some(2.0), None, Some(0.0)]
        );
        assert_eq!(
            [bytes("512mb"), bytes("1gi"), bytes("1kib"), bytes("10"), bytes("2.5gb")].map(Option::unwrap_or_default),
            [512_000_000, 1 << 30, 1024, 10, 2_500_000_000]
        );
        assert_eq!([bytes("x"), bytes("1xb"), bytes("gb"), bytes("1i")], [None; 4]);
        assert_eq!([go_span(0), go_span(90), go_span(7200), go_span(-1)], ["0s", "1m30s", "2h0m0s", "-1s"]);
    }
}

//! The rules of both interfaces, checked before anything is sent: servers accept much of what then never runs.
use std::collections::HashSet;
use std::fmt::Display;
use std::time::Duration;

use consign_bacalhau::v1::types::{self, JobType, NetworkType, Operator};
use consign_core::Violations;
use serde_json::{Map, Value};

use super::settings::{Constraint, Settings};
use super::{Api, JobSpec, Publisher, Source, Verifier, requester, wire};

/// A request that is larger is refused, and the connection closed while it is still being sent.
pub(crate) const LARGEST: usize = 10_000_000;
/// What is not data counts at most this much in a first guess.
const REST: usize = 1_000_000;

/// Everything that is wrong with a spec.
pub(crate) fn violations(spec: &JobSpec, api: Api) -> Violations {
    let mut out = Violations::new();
    match spec {
        JobSpec::Raw(object) => {
            raw(object, api, &mut out);
            size(serde_json::to_vec(object).map_or(0, |text| text.len()), &mut out);
            return out;
        }
        JobSpec::Docker(job) => {
            if job.engine.image.trim().is_empty() {
                out.add(engine(api, "Docker", "Image"), &job.engine.image, "the name of an image");
            }
            let folder = job.engine.working_directory.as_deref().filter(|path| !path.starts_with('/'));
            if let Some(path) = folder {
                out.add(engine(api, "Docker", "WorkingDirectory"), path, "an absolute path");
            }
            if api == Api::Requester {
                if job.engine.entrypoint.is_empty() && !job.engine.parameters.is_empty() {
                    let allowed = "only beside an entry point: it takes one command line";
                    out.add("Docker.Parameters", job.engine.parameters.join(" "), allowed);
                }
                not_there(!job.engine.params.is_empty(), "Docker", api, &mut out);
            }
        }
        JobSpec::Wasm(job) => {
            job.engine.module.check(&engine(api, "Wasm", "EntryModule"), &mut out);
            for (n, module) in job.engine.imports.iter().enumerate() {
                module.check(&engine(api, "Wasm", &format!("ImportModules[{n}]")), &mut out);
            }
            if job.engine.entrypoint.as_deref().is_some_and(|function| function.trim().is_empty()) {
                out.add(engine(api, "Wasm", "Entrypoint"), "", "the name of a function");
            }
            if api == Api::Requester {
                not_there(!job.engine.params.is_empty(), "Wasm", api, &mut out);
                let modules = [&job.engine.module].into_iter().chain(&job.engine.imports);
                modules.for_each(|module| source_there(module, "Wasm", api, &mut out));
            }
        }
    }
    if let Some(settings) = spec.settings() {
        match api {
            Api::V1 => v1(settings, &mut out),
            Api::Requester => of_requester(settings, &mut out),
        }
        // Written as JSON a character takes six at most.
        if weight(spec, settings) > (LARGEST - REST) / 6 {
            let text = match api {
                Api::V1 => serde_json::to_vec(&wire::job(spec, None)).map_or(0, |text| text.len()),
                Api::Requester => serde_json::to_vec(&requester::wire::spec(spec, None)).map_or(0, |text| text.len()),
            };
            size(text, &mut out);
        }
    }
    out
}

fn weight(spec: &JobSpec, settings: &Settings) -> usize {
    let inputs: usize = settings.inputs.iter().map(|input| input.source.weight()).sum();
    let texts = settings.labels.iter().chain(&settings.meta).chain(&settings.env);
    let texts: usize = texts.map(|(name, value)| name.len() + value.len()).sum();
    let own: usize = match spec {
        JobSpec::Wasm(job) => [&job.engine.module].into_iter().chain(&job.engine.imports).map(Source::weight).sum(),
        JobSpec::Docker(job) => job.engine.entrypoint.iter().map(String::len).sum(),
        JobSpec::Raw(_) => 0,
    };
    let (words, params) = match spec {
        JobSpec::Wasm(job) => (&job.engine.parameters, &job.engine.params),
        JobSpec::Docker(job) => (&job.engine.parameters, &job.engine.params),
        JobSpec::Raw(_) => return inputs + texts,
    };
    let words: usize = words.iter().map(String::len).sum();
    inputs + texts + own + words + written(params)
}

/// How long parameters are as JSON.
pub(crate) fn written(params: &Map<String, Value>) -> usize {
    params.values().map(|value| value.to_string().len()).sum()
}

fn size(bytes: usize, out: &mut Violations) {
    // The rest of the request, a signature and a key for the one interface, takes little more.
    if bytes > LARGEST - 4096 {
        out.add("job", format_args!("{bytes} bytes"), "at most 10 MB in one request; larger data from a URL or S3");
    }
}

/// Where a parameter of the engine stands.
fn engine(api: Api, engine: &str, name: &str) -> String {
    match api {
        Api::V1 => format!("Tasks[0].Engine.Params.{name}"),
        Api::Requester => format!("{engine}.{name}"),
    }
}

fn raw(object: &Map<String, Value>, api: Api, out: &mut Violations) {
    let value = Value::Object(object.clone());
    let read = match api {
        Api::V1 => serde_json::from_value::<types::NewJob>(value).map(drop),
        Api::Requester => serde_json::from_value::<consign_bacalhau::requester::types::Spec>(value).map(drop),
    };
    if let Err(error) = read {
        let what = if api == Api::V1 { "a Job of the v1 interface" } else { "a Spec of the requester interface" };
        out.add("job", error, what);
    } else if api == Api::Requester && object.is_empty() {
        // The server crashes on it.
        out.add("Spec", "{}", "what is to be run");
    }
}

/// What one of the interfaces has no place for.
fn not_there(set: bool, member: &str, api: Api, out: &mut Violations) {
    if set {
        let name = if api == Api::V1 { "v1" } else { "requester" };
        out.add(member, "", format!("not set: the {name} interface has nothing like it"));
    }
}

fn source_there(source: &Source, member: &str, api: Api, out: &mut Violations) {
    match (source, api) {
        (Source::Other { .. }, Api::Requester) => not_there(true, member, api, out),
        (Source::S3(s3), Api::Requester) => {
            not_there(s3.filter.is_some() || s3.partition.is_some(), member, api, out);
        }
        (Source::Local(local), Api::Requester) => not_there(local.create_as.is_some(), member, api, out),
        _ => {}
    }
}

fn v1(s: &Settings, out: &mut Violations) {
    for (member, text) in [("Name", &s.name), ("Namespace", &s.namespace), ("Tasks[0].Name", &s.task_name)] {
        if text.as_deref().is_some_and(|text| text.trim().is_empty() || text.contains('\0')) {
            out.add(member, text.as_deref().unwrap_or_default(), "not blank, and no null character");
        }
    }
    if let Some(kind @ JobType::Unknown(_)) = &s.kind {
        out.add("Type", kind.as_str(), "batch, service, daemon or ops");
    }
    match (&s.kind, s.count) {
        (Some(JobType::Ops | JobType::Daemon), Some(count @ 2..)) => {
            out.add("Count", count, "0 or 1: such a job runs on every node");
        }
        (None | Some(JobType::Batch), Some(0)) => {
            out.add("Count", 0, "1 or more: with 0 it would end at once, without having run");
        }
        _ => {}
    }
    not_there(s.verifier != Verifier::Noop, "Verifier", Api::V1, out);
    not_there(s.confidence.is_some(), "Deal.Confidence", Api::V1, out);
    not_there(s.min_bids.is_some(), "Deal.MinBids", Api::V1, out);
    not_there(s.do_not_track, "DoNotTrack", Api::V1, out);
    constraints(&s.constraints, "Constraints", out);
    for name in s.labels.keys().filter(|name| name.trim().is_empty()) {
        out.add("Labels", name, "names that are not blank");
    }
    for name in s.meta.keys().filter(|name| name.starts_with("bacalhau.org/")) {
        out.add("Meta", name, "no name that begins with bacalhau.org/: the server drops those");
    }
    for (name, value) in &s.env {
        let member = format!("Tasks[0].Env.{name}");
        if !is_variable(name) || name.starts_with("BACALHAU_") {
            let allowed = "upper-case letters, digits and _, a letter first, not beginning with BACALHAU_";
            out.add(member.clone(), name, allowed);
        }
        if value.is_empty() {
            out.add(member, "", "a value that is not empty");
        }
    }
    inputs(s, "Tasks[0].InputSources", "Target", Api::V1, out);
    outputs(s, "Tasks[0].ResultPaths", out);
    match &s.publisher {
        None if !s.outputs.is_empty() => out.add("Tasks[0].Publisher", "", "a publisher, where there are outputs"),
        Some(Publisher::Filecoin | Publisher::Estuary) => not_there(true, "Tasks[0].Publisher", Api::V1, out),
        Some(Publisher::S3(s3)) => {
            for (name, text) in [("Bucket", &s3.bucket), ("Key", &s3.key)] {
                if text.trim().is_empty() {
                    out.add(format!("Tasks[0].Publisher.Params.{name}"), "", "not blank");
                }
            }
            if s3.encoding.as_deref().is_some_and(|word| !matches!(word, "gzip" | "plain")) {
                let given = s3.encoding.as_deref().unwrap_or_default();
                out.add("Tasks[0].Publisher.Params.Encoding", given, "gzip or plain");
            }
        }
        _ => {}
    }
    resources(s, "Tasks[0].Resources", out);
    network(s, out);
    let whole = |time: Option<Duration>| time.map_or(0, whole_seconds);
    let parts = whole(s.execution_timeout).saturating_add(whole(s.queue_timeout));
    if s.total_timeout.is_some_and(|total| whole_seconds(total) > 0 && parts > whole_seconds(total)) {
        let given = format!("{} s", whole(s.total_timeout));
        out.add("Tasks[0].Timeouts.TotalTimeout", given, format!("at least the two others together, {parts} s"));
    }
}

fn of_requester(s: &Settings, out: &mut Violations) {
    let api = Api::Requester;
    not_there(s.name.is_some(), "Name", api, out);
    not_there(s.namespace.is_some(), "Namespace", api, out);
    not_there(s.kind.as_ref().is_some_and(|kind| *kind != JobType::Batch), "Type", api, out);
    not_there(s.task_name.is_some(), "Tasks[0].Name", api, out);
    not_there(s.priority.is_some(), "Priority", api, out);
    not_there(!s.meta.is_empty(), "Meta", api, out);
    not_there(s.queue_timeout.is_some(), "QueueTimeout", api, out);
    not_there(s.total_timeout.is_some(), "TotalTimeout", api, out);
    not_there(!s.network.ports.is_empty(), "Network.Ports", api, out);
    not_there(s.force, "Force", api, out);
    let count = s.count.unwrap_or(1);
    if count == 0 {
        out.add("Deal.Concurrency", count, "1 or more");
    }
    if let Some(confidence) = s.confidence.filter(|confidence| *confidence > count) {
        out.add("Deal.Confidence", confidence, format!("at most the count, {count}"));
    }
    if s.verifier == Verifier::Deterministic && count == 1 {
        out.add("Verifier", "Deterministic", "Noop, or a count above 1: on one node every job fails with it");
    }
    constraints(&s.constraints, "NodeSelectors", out);
    for name in s.labels.keys().filter(|name| name.trim().is_empty()) {
        out.add("Annotations", name, "names that are not blank");
    }
    for name in s.env.keys().filter(|name| name.is_empty() || name.contains(['=', '\0'])) {
        out.add("EnvironmentVariables", name, "names that are not empty, without =");
    }
    inputs(s, "inputs", "path", api, out);
    outputs(s, "outputs", out);
    if matches!(s.publisher, Some(Publisher::Local | Publisher::S3(_) | Publisher::S3Managed)) {
        not_there(true, "Publisher", api, out);
    }
    resources(s, "Resources", out);
    let net = &s.network;
    if let Some(kind) = net.kind.as_ref()
        && !matches!(kind, NetworkType::None | NetworkType::Full | NetworkType::Http)
    {
        out.add("Network.Type", kind.as_str(), "None, Full or HTTP");
    }
    domains(s, "Network", out);
}

fn constraints(constraints: &[Constraint], member: &str, out: &mut Violations) {
    for (n, Constraint { key, operator, values }) in constraints.iter().enumerate() {
        if !is_label(key) {
            let allowed =
                "the name of a label: at most 63 letters, digits, - _ and ., perhaps after a domain and a slash";
            out.add(format!("{member}[{n}].Key"), key, allowed);
        }
        let (fits, allowed) = match operator {
            Operator::Unknown(word) => {
                let allowed = "=, ==, !=, in, notin, exists, !, gt or lt: with another the job would wait for ever";
                out.add(format!("{member}[{n}].Operator"), word, allowed);
                continue;
            }
            Operator::In | Operator::Notin => (!values.is_empty(), "at least one value"),
            Operator::Exists | Operator::Not => (values.is_empty(), "no value"),
            _ => (values.len() == 1, "one value"),
        };
        if !fits {
            out.add(format!("{member}[{n}].Values"), values.join(", "), allowed);
        }
        // Servers take these, and no node ever fits.
        let number = matches!(operator, Operator::Gt | Operator::Lt);
        for value in values {
            if !is_label_value(value) {
                let allowed = "at most 63 letters, digits, - _ and ., a letter or digit at both ends";
                out.add(format!("{member}[{n}].Values"), value, allowed);
            } else if number && value.parse::<i64>().is_err() {
                out.add(format!("{member}[{n}].Values"), value, "a whole number");
            }
        }
    }
}

fn inputs(s: &Settings, member: &str, target: &str, api: Api, out: &mut Violations) {
    let (mut targets, mut aliases) = (HashSet::new(), HashSet::new());
    for (n, input) in s.inputs.iter().enumerate() {
        let member = format!("{member}[{n}]");
        if input.target.trim().is_empty() {
            out.add(format!("{member}.{target}"), &input.target, "a path");
        } else if !targets.insert(&input.target) {
            out.add(format!("{member}.{target}"), &input.target, "a path that no other input has");
        }
        if let Some(alias) = &input.alias {
            if api == Api::Requester {
                not_there(true, &format!("{member}.Alias"), api, out);
            } else if alias.trim().is_empty() || !aliases.insert(alias) {
                out.add(format!("{member}.Alias"), alias, "a name that no other input has");
            }
        }
        let source = if api == Api::V1 { format!("{member}.Source") } else { member };
        input.source.check(&source, out);
        source_there(&input.source, &source, api, out);
    }
}

fn outputs(s: &Settings, member: &str, out: &mut Violations) {
    let (mut names, mut paths) = (HashSet::new(), HashSet::new());
    for (n, output) in s.outputs.iter().enumerate() {
        if output.name.trim().is_empty() || !names.insert(&output.name) {
            out.add(format!("{member}[{n}].Name"), &output.name, "a name that no other output has");
        }
        if !output.path.starts_with('/') || !paths.insert(&output.path) {
            out.add(format!("{member}[{n}].Path"), &output.path, "an absolute path that no other output has");
        }
    }
}

fn resources(s: &Settings, member: &str, out: &mut Violations) {
    if let Some(cpu) = s.cpu.as_deref().filter(|text| !is_cpu(text)) {
        out.add(format!("{member}.CPU"), cpu, "cores such as 2 or 0.5, or thousandths such as 500m");
    }
    for (name, size) in [("Memory", &s.memory), ("Disk", &s.disk)] {
        if let Some(size) = size.as_deref().filter(|text| !is_size(text)) {
            out.add(format!("{member}.{name}"), size, "a number with a unit: 512Mb, 2GB, 1Gi");
        }
    }
}

fn network(s: &Settings, out: &mut Violations) {
    let member = "Tasks[0].Network";
    if let Some(NetworkType::Unknown(word)) = &s.network.kind {
        out.add(format!("{member}.Type"), word, "Default, None, Host, Full, HTTP or Bridge");
    }
    domains(s, member, out);
    let kind = s.network.kind.as_ref();
    let (host, bridge) =
        (matches!(kind, Some(NetworkType::Host | NetworkType::Full)), matches!(kind, Some(NetworkType::Bridge)));
    let mut names = HashSet::new();
    for (n, port) in s.network.ports.iter().enumerate() {
        let member = format!("{member}.Ports[{n}]");
        let mut bad = |name: &str, value: &dyn Display, allowed| out.add(format!("{member}{name}"), value, allowed);
        if !host && !bridge {
            bad("", &port.name, "ports only with the network Host, Full or Bridge");
        }
        if !is_port_name(&port.name) || !names.insert(&port.name) {
            bad(".Name", &port.name, "the name of an environment variable that no other port has");
        }
        if let Some(fixed) = port.fixed.filter(|port| *port < 1024) {
            bad(".Static", &fixed, "1024 to 65535");
        }
        match port.target {
            Some(target) if host => bad(".Target", &target, "not set with the network Host: it has the node's ports"),
            Some(0) => bad(".Target", &0, "1 to 65535"),
            _ => {}
        }
    }
}

fn domains(s: &Settings, member: &str, out: &mut Violations) {
    let domains = &s.network.domains;
    if !domains.is_empty() && s.network.kind != Some(NetworkType::Http) {
        out.add(format!("{member}.Domains"), domains.join(", "), "hosts only with the network HTTP");
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    for domain in domains.iter().filter(|domain| domain.is_empty() || !domain.chars().all(fits)) {
        out.add(format!("{member}.Domains"), domain, "names of hosts or IP addresses");
    }
}

/// The name of an environment variable as the v1 interface takes it.
fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// The name of an environment variable, as ports have it: in any case.
fn is_port_name(name: &str) -> bool {
    let fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    fits && !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Letters, digits, `-`, `_` and `.`, a letter or digit at both ends, at most 63.
fn is_label_name(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    fits && text.len() <= 63 && text.starts_with(edge) && text.ends_with(edge)
}

/// The name of a label by the rules of selectors: a name, perhaps after a domain and a slash.
pub(crate) fn is_label(key: &str) -> bool {
    let Some((domain, name)) = key.split_once('/') else { return is_label_name(key) };
    let part = |part: &str| {
        let fits = part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        fits && !part.is_empty() && !part.starts_with('-') && !part.ends_with('-')
    };
    domain.len() <= 253 && domain.split('.').all(part) && is_label_name(name)
}

/// The value of a label by the rules of selectors; it may be empty.
pub(crate) fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_label_name(value)
}

/// A number above 0: digits, perhaps with a point.
fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && text.parse().is_ok_and(|n: f64| n > 0.0 && n.is_finite())
}

fn is_cpu(text: &str) -> bool {
    is_number(text.strip_suffix('m').unwrap_or(text))
}

fn is_size(text: &str) -> bool {
    let start = text.find(|c: char| c.is_ascii_alphabetic() || c == ' ').unwrap_or(text.len());
    let (number, unit) = text.split_at(start);
    let unit = unit.trim_start().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let unit = unit.strip_suffix('i').filter(|unit| !unit.is_empty()).unwrap_or(unit);
    is_number(number) && matches!(unit, "" | "k" | "m" | "g" | "t" | "p" | "e")
}

/// Whether a text is an `http` or `https` address with a host.
pub(crate) fn is_web_address(url: &str) -> bool {
    let known = |scheme: &&str| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let rest = url.split_once("://").filter(|(scheme, _)| known(scheme)).map(|(_, rest)| rest);
    let sane = !url.contains(|c: char| c.is_whitespace() || c.is_control());
    sane && rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']))
}

/// A duration in whole seconds, rounded up.
pub(crate) fn whole_seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_with_their_units_are_told_from_other_texts() {
        for good in ["512Mb", "2GB", "1Gi", "1.5 GiB", "100", "1tb", "64k", "7 B"] {
            assert!(is_size(good), "{good}");
        }
        for bad in ["", "Mb", "much", "-1Gb", "1 Zb", "1ib", "0Mb", "1..5Gb", "NaN", "1Mbit"] {
            assert!(!is_size(bad), "{bad}");
        }
        for good in ["500m", "2", "0.5", "1500m"] {
            assert!(is_cpu(good), "{good}");
        }
        for bad in ["", "m", "two", "-1", "0", "1e3", "5mm", "inf"] {
            assert!(!is_cpu(bad), "{bad}");
        }
    }

    #[test]
    fn an_address_of_the_web_has_a_scheme_and_a_host() {
        for good in ["http://a", "https://example.com/x?y=1", "HTTPS://EXAMPLE.COM/"] {
            assert!(is_web_address(good), "{good}");
        }
        for bad in ["", "http://", "https:///x", "ftp://a", "example.com", "http://a b"] {
            assert!(!is_web_address(bad), "{bad}");
        }
    }
}

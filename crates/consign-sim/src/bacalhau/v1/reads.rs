//! The operations that change nothing.

use std::cmp::Reverse;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{NO_PAD, STANDARD as BASE64};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::answers::{Reader, page, published};
use super::api::{Answer, Work};
use super::errors::{self, ApiError, Refused, api_error, bad_request, escaped, not_found, unforeseen};
use super::job::{Compute, Published};
use super::route::Target;
use super::world::World;
use crate::bacalhau::selector::{self, Labels};
use crate::faults::response;

/// The spelling of tokens; as lenient as the server's.
const TOKEN: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

/// How many entries of a history a page has.
const HISTORY_PAGE: u64 = 100;

const U32: u64 = u32::MAX as u64;

/// JSON text as an answer.
fn text(body: &str) -> Answer {
    Ok(response(StatusCode::OK, "application/json", body.to_owned() + "\n"))
}

fn json_answer(body: &Value) -> Response<Bytes> {
    errors::json(StatusCode::OK, body)
}

/// A paging token: order, direction, limit, offset.
struct Token {
    order: String,
    reverse: bool,
    limit: u64,
    offset: u64,
}

impl Token {
    fn write(&self) -> String {
        let direction = if self.reverse { 'Y' } else { 'N' };
        TOKEN.encode(format!("{}:{direction}:{}:{}", self.order, self.limit, self.offset))
    }

    fn read(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{why}: invalid paging token: {text}");
        let decoded = TOKEN.decode(text).map_err(|_| wrong("failed to decode paging token"))?;
        let decoded = String::from_utf8_lossy(&decoded).into_owned();
        let parts: Vec<&str> = decoded.split(':').collect();
        let [order, reverse, limit, offset] = parts[..] else { return Err(wrong("invalid number of parts")) };
        let number = |text: &str| text.parse::<u32>().map(u64::from).map_err(|_| wrong("malformed token"));
        Ok(Self { order: order.to_owned(), reverse: reverse == "Y", limit: number(limit)?, offset: number(offset)? })
    }
}

/// Answers an operation that changes nothing.
pub(crate) fn read(work: &Work<'_>, target: Target) -> Answer {
    match target {
        Target::List => list(work),
        Target::Get(id) => get(work, &id),
        Target::History(id) => history(work, &id),
        Target::Executions(id) => executions(work, &id),
        Target::Versions(id) => work.inner.look(|world, _| {
            let job = world.find(&id, &work.query.text("namespace"))?;
            let records: Vec<String> = world.jobs[job].records.iter().map(|record| record.to_string()).collect();
            text(&page("Items", "", &records))
        }),
        Target::Results(id) => results(work, &id),
        Target::NodeList => nodes(work),
        Target::NodeGet(id) => work.inner.look(|world, now| {
            let mut found = world.nodes.iter().filter(|node| node.name.starts_with(&id) && !node.membership.is_empty());
            let exact = world.nodes.iter().find(|node| node.name == id && !node.membership.is_empty());
            match exact.or_else(|| found.next()) {
                Some(node) => Ok(json_answer(&json!({"Node": world.node_json(node, now)}))),
                None => Err(ApiError::new(404, format!("node not found: {id}"), "NotFound", "NodesManager").refuse()),
            }
        }),
        other => Ok(json_answer(&agent(work, other)?)),
    }
}

fn agent(work: &Work<'_>, target: Target) -> Result<Value, Refused> {
    work.inner.look(|world, now| {
        let settings = &world.settings;
        let phrase = || json!({"type": "challenge", "params": {"InputPhrase": BASE64.encode(super::PHRASE)}});
        Ok(match target {
            Target::Alive => json!({"Status": "OK"}),
            Target::Version => settings.version.json(),
            Target::AgentNode => world.nodes.first().map_or(Value::Null, |node| world.node_info(node)),
            Target::AgentDebug => {
                let active: Vec<&str> =
                    world.jobs.iter().filter(|job| job.state == "Running").map(|job| job.id.as_str()).collect();
                let nodes: Vec<Value> = world.nodes.iter().map(|node| world.node_json(node, now)).collect();
                json!({"ActiveJobs": active, "DiscoveredNodes": nodes})
            }
            Target::AgentConfig => json!({"config": {"API": {"Host": "127.0.0.1"}, "NameProvider": "uuid"}}),
            Target::AuthConfig => json!({"Version": "1.0.0", "Config": {}}),
            Target::AuthMethods if settings.users.is_empty() => {
                json!({"NextToken": "", "Methods": {"clientkey": phrase()}})
            }
            Target::AuthMethods => json!({"NextToken": "", "Methods": {}}),
            Target::AuthMethod(name) if name == "clientkey" && settings.users.is_empty() => phrase(),
            _ => return Err(errors::no_route()),
        })
    })
}

fn reader<'a>(work: &Work<'a>) -> Reader<'a> {
    let old = work.client_version().is_some_and(|told| told < "v1.5.");
    Reader { results_url: work.results_url, old }
}

fn list(work: &Work<'_>) -> Answer {
    let query = &work.query;
    let mut order = query.text("order_by");
    let (mut limit, mut reverse, mut offset) = (query.number("limit", U32)?, query.flag("reverse")?, 0);
    let token = query.text("next_token");
    if !token.is_empty() {
        let token = Token::read(&token).map_err(|why| api_error(400, &why))?;
        (order, reverse, limit, offset) = (token.order, token.reverse, token.limit, token.offset);
    }
    let labels: Vec<&str> = query.all("labels").collect();
    let wanted = selector::parse(&labels.join(",")).map_err(|why| api_error(400, &why))?;
    let namespace = query.text("namespace");
    work.inner.look(|world, _| {
        let fits = |job: &&super::job::Job| {
            (namespace.is_empty() || namespace == "*" || job.namespace == namespace)
                && wanted.iter().all(|requirement| requirement.holds(&job.spec().labels as &Labels) == Some(true))
        };
        let mut jobs: Vec<_> = world.jobs.iter().filter(fits).collect();
        let key = |job: &&super::job::Job| if order == "modified_at" { job.modified } else { job.created };
        match order.as_str() {
            "" | "created_at" | "modified_at" if reverse => jobs.sort_by_key(|job| Reverse(key(job))),
            "" | "created_at" | "modified_at" => jobs.sort_by_key(key),
            _ => return Err(unforeseen()),
        }
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX).min(jobs.len());
        let rest = &jobs[skipped..];
        let most = if limit == 0 { rest.len() } else { usize::try_from(limit).unwrap_or(usize::MAX).min(rest.len()) };
        let next = (rest.len() > most).then(|| Token { order: order.clone(), reverse, limit, offset: offset + limit });
        let items: Vec<String> = rest[..most].iter().map(|job| job.record().to_string()).collect();
        text(&page(world.list_member("Jobs"), &next.map_or_else(String::new, |token| token.write()), &items))
    })
}

fn get(work: &Work<'_>, id: &str) -> Answer {
    let query = &work.query;
    let version = query.number("job_version", u64::MAX)?;
    query.number("limit", U32)?;
    let include = query.text("include");
    let reader = reader(work);
    work.inner.look(|world, _| {
        let number = world.find(id, &query.text("namespace"))?;
        let job = &world.jobs[number];
        let version = if world.settings.version.at_least(9, 0) { version } else { 0 };
        let latest = if version == 0 { job.version() } else { version };
        let record = usize::try_from(latest - 1).ok().and_then(|index| job.records.get(index));
        let Some(record) = record else {
            return Err(not_found(format!("job version {version} not found for job {}", job.id)));
        };
        let mut body = format!("{{\"Job\":{record}");
        let wants =
            |what: &str| include.split(',').any(|part| part.trim() == what) && world.settings.version.at_least(3, 0);
        if wants("history") {
            let entries = job.history.iter().filter(|entry| entry.version == latest).take(100);
            let entries: Vec<String> = entries.map(|entry| world.entry_json(number, entry, &reader)).collect();
            body += &format!(",\"History\":{}", page(world.list_member("History"), "", &entries));
        }
        if wants("executions") {
            let all = job.executions.iter().map(|execution| &world.executions[*execution]);
            let all = all.filter(|execution| execution.version == latest);
            let all: Vec<String> = all.map(|execution| world.execution_json(execution, &reader)).collect();
            body += &format!(",\"Executions\":{}", page(world.list_member("Executions"), "", &all));
        }
        text(&(body + "}"))
    })
}

fn history(work: &Work<'_>, id: &str) -> Answer {
    let query = &work.query;
    let (own, version) = (query.number("limit", U32)?, query.number("job_version", u64::MAX)?);
    let (since, every) = (query.integer("since")?, query.flag("all_job_versions")?);
    let wrong = |member: &str, tag: &str| {
        let place = format!("Key: 'ListJobHistoryRequest.{member}' Error:Field validation for '{member}'");
        api_error(400, &format!("{place} failed on the '{tag}' tag"))
    };
    if since < 0 {
        return Err(wrong("Since", "min"));
    }
    let kind = query.text("event_type");
    if !["", "all", "job", "execution"].contains(&kind.as_str()) {
        return Err(wrong("EventType", "oneof"));
    }
    let (wanted, token) = (query.text("execution_id"), query.text("next_token"));
    let reader = reader(work);
    work.inner.look(|world, _| {
        let number = world.find(id, &query.text("namespace"))?;
        let job = &world.jobs[number];
        let paged = world.settings.version.at_least(5, 0);
        let (mut offset, mut limit) = (0, HISTORY_PAGE);
        if !token.is_empty() && paged {
            let token = Token::read(&token).map_err(|why| bad_request(format!("invalid next token: {why}")))?;
            offset = token.offset;
            limit = if token.limit == 0 { limit } else { token.limit };
        }
        limit = if own == 0 { limit } else { own };
        let name = |execution: usize| world.executions[execution].id.as_str();
        let fits = |entry: &&super::job::Entry| {
            let in_version = match version {
                0 => every || entry.version == job.version(),
                version => entry.version == version,
            };
            in_version
                && (wanted.is_empty() || entry.execution.is_some_and(|e| name(e).starts_with(&wanted)))
                && entry.at.div_euclid(1_000_000_000) >= since
                && (kind != "job" || entry.execution.is_none())
                && (kind != "execution" || entry.execution.is_some())
        };
        let mut found = job.history.iter().filter(|entry| entry.number >= offset).filter(fits);
        let most = if paged { usize::try_from(limit).unwrap_or(usize::MAX) } else { usize::MAX };
        let taken: Vec<_> = found.by_ref().take(most).collect();
        let last = taken.last().map(|entry| entry.number);
        // Looks for more among all entries, not only among those that fit.
        let full = taken.len() == most;
        let more = full && last.is_some_and(|last| last < job.history.len() as u64);
        let goes_on = if more {
            true
        } else if wanted.is_empty() {
            !job.terminal()
        } else {
            let execution = world.execution_ids.get(&wanted).filter(|e| world.executions[**e].job == number);
            match execution {
                None => return Err(not_found(format!("execution not found: {wanted}"))),
                Some(execution) => !world.executions[*execution].terminal(),
            }
        };
        let next = last.map_or(offset, |last| last + 1);
        let token = Token { order: String::new(), reverse: false, limit: own, offset: next };
        let token = if goes_on && paged { token.write() } else { String::new() };
        let entries: Vec<String> = taken.into_iter().map(|entry| world.entry_json(number, entry, &reader)).collect();
        text(&page(world.list_member("History"), &token, &entries))
    })
}

fn executions(work: &Work<'_>, id: &str) -> Answer {
    let query = &work.query;
    let (limit, version) = (query.number("limit", U32)?, query.number("job_version", u64::MAX)?);
    let (reverse, every) = (query.flag("reverse")?, query.flag("all_job_versions")?);
    let (order, namespace) = (query.text("order_by"), query.text("namespace"));
    let reader = reader(work);
    work.inner.look(|world, _| {
        let job = &world.jobs[world.find(id, &namespace)?];
        let all = job.executions.iter().map(|execution| &world.executions[*execution]);
        let mut all: Vec<_> = all
            .filter(|e| namespace.is_empty() || job.namespace == namespace || !e.id.starts_with("e-"))
            .filter(|e| match version {
                0 => every || e.version == job.version(),
                version => e.version == version,
            })
            .collect();
        match order.as_str() {
            "" | "created_at" | "create_time" => all.sort_by_key(|e| e.created),
            "modified_at" | "modify_time" => all.sort_by_key(|e| e.modified),
            // Not sorted: as they lie in the store.
            _ => all.sort_by(|a, b| a.id.cmp(&b.id)),
        }
        if reverse {
            all.reverse();
        }
        if limit > 0 {
            all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        let all: Vec<String> = all.into_iter().map(|execution| world.execution_json(execution, &reader)).collect();
        text(&page(world.list_member("Executions"), "", &all))
    })
}

/// What the completed executions of the latest version published.
fn published_by(world: &World, job: usize, results_url: &str) -> Vec<String> {
    let found = &world.jobs[job];
    let all = found.executions.iter().map(|execution| &world.executions[*execution]);
    all.filter(|e| e.version == found.version() && e.compute.0 == Compute::Completed)
        .filter(|e| e.published != Published::Nowhere)
        .map(|e| published(e, results_url).to_string())
        .collect()
}

fn results(work: &Work<'_>, id: &str) -> Answer {
    work.inner.look(|world, _| {
        let job = world.find(id, &work.query.text("namespace"))?;
        if world.jobs[job].spec().long_running() {
            return Err(unforeseen());
        }
        text(&page(world.list_member("Results"), "", &published_by(world, job, work.results_url)))
    })
}

fn nodes(work: &Work<'_>) -> Answer {
    let query = &work.query;
    let (limit, reverse, order) = (query.number("limit", U32)?, query.flag("reverse")?, query.text("order_by"));
    let labels: Vec<&str> = query.all("labels").collect();
    let wanted = selector::parse(&labels.join(",")).map_err(|why| api_error(400, &why))?;
    let known = ["", "id", "type", "available_cpu", "available_memory", "available_disk", "available_gpu"];
    if !known.contains(&order.as_str()) && !["approval", "status"].contains(&order.as_str()) {
        return Err(api_error(400, "invalid order_by"));
    }
    let (approval, status) = (query.text("filter-approval"), query.text("filter-status"));
    work.inner.look(|world, now| {
        let fits = |node: &&super::nodes::Node| {
            !node.membership.is_empty()
                && (approval.is_empty() || node.membership.eq_ignore_ascii_case(&approval))
                && (status.is_empty() || status.eq_ignore_ascii_case("CONNECTED"))
                && wanted.iter().all(|requirement| requirement.holds(&node.labels) == Some(true))
        };
        let mut nodes: Vec<_> = world.nodes.iter().filter(fits).collect();
        if matches!(order.as_str(), "approval" | "status") {
            nodes.sort_by_key(|node| node.membership);
        }
        if reverse {
            nodes.reverse();
        }
        if limit > 0 {
            nodes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        let nodes: Vec<String> =
            nodes.into_iter().map(|node| escaped(&world.node_json(node, now).to_string())).collect();
        text(&page("Nodes", "", &nodes))
    })
}

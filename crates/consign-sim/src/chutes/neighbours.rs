//! The neighbours of the job operations: chutes, the own account, API keys, and what miners ask.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value};

use super::answers::{self, Answer, Refused, invalid, missing, not_found, ok, refuse, unprocessable};
use super::api::{Work, visible};
use super::auth::Demand;
use super::json::{Object, array};
use super::seals;
use super::settings::{Key, Scope};
use super::world::World;
use crate::chance::{chance, uuid};

const NO_CHUTE: &str = "Chute not found, or does not belong to you";
const NO_KEY: &str = "API key not found, or does not belong to you";
/// What an API key's name may not be.
const BAD_NAME: &str = "API key name should start with alphanumeric character and contain up to 32 total allowed \
                        characters (letters, numbers, dashes, underscores, or spaces)";

/// Query parameters of a type; wrong ones are collected.
struct Query<'a> {
    work: &'a Work<'a>,
    wrong: Vec<String>,
}

impl Query<'_> {
    fn flag(&mut self, name: &str) -> bool {
        let Some(text) = self.work.query(name) else { return false };
        match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" | "on" | "yes" | "y" => true,
            "false" | "f" | "0" | "off" | "no" | "n" => false,
            _ => {
                let message = "Input should be a valid boolean, unable to interpret input";
                self.wrong.push(invalid("bool_parsing", "query", name, message, &text.into(), None));
                false
            }
        }
    }

    fn count(&mut self, name: &str, default: u32) -> u32 {
        let Some(text) = self.work.query(name) else { return default };
        text.trim().parse().unwrap_or_else(|_| {
            let message = "Input should be a valid integer, unable to parse string as an integer";
            self.wrong.push(invalid("int_parsing", "query", name, message, &text.into(), None));
            default
        })
    }
}

/// A page of a list: which items to skip, how many to take, and what the answer says of it.
fn page(query: &mut Query<'_>) -> (usize, usize, u32, u32) {
    let (page, limit) = (query.count("page", 0), query.count("limit", 25));
    let take = if limit == 0 { 25 } else { limit as usize };
    ((page as usize).saturating_mul(take), take, page, limit)
}

pub(super) fn list_chutes(work: &Work<'_>) -> Answer {
    let mut query = Query { work, wrong: Vec::new() };
    let everything = query.flag("include_public");
    query.flag("include_schemas");
    let (skip, take, page, limit) = page(&mut query);
    if !query.wrong.is_empty() {
        return Err(unprocessable(query.wrong));
    }
    let text = |name: &str| work.query(name).map(|text| text.to_lowercase()).filter(|text| !text.trim().is_empty());
    let (name, exclude, slug) = (text("name"), text("exclude"), text("slug"));
    let template = text("template").filter(|template| template != "other");
    work.inner.change(|world, now| {
        let account = work.caller(world, now, Demand { optional: true, ..Demand::purpose("chutes") })?;
        let fits = |index: &usize| {
            let chute = &world.settings.chutes[*index];
            let (shown, own) =
                (chute.name.to_lowercase(), account.is_some_and(|a| world.account(a).name == chute.owner));
            let listed = own || (chute.public && (everything || account.is_none()));
            !chute.deleted
                && listed
                && name.as_ref().is_none_or(|part| shown.contains(part))
                && exclude.as_ref().is_none_or(|part| !shown.contains(part))
                && slug.as_ref().is_none_or(|slug| chute.slug().to_lowercase() == *slug)
                && template.is_none()
        };
        let found: Vec<usize> = (0..world.settings.chutes.len()).filter(fits).collect();
        // No chute here has cords: job methods exclude them.
        let cords = seals::uuid5("6ba7b812-9dad-11d1-80b4-00c04fd430c8", "[]");
        let items: Vec<String> =
            found.iter().skip(skip).take(take).map(|index| answers::chute(world, *index, Some(&cords))).collect();
        let references = if items.is_empty() { Object::new() } else { Object::new().raw(&cords, "[]") };
        let document = Object::new().put("total", found.len()).put("page", page).put("limit", limit);
        Ok(ok(document.raw("items", &array(items)).raw("cord_refs", &references.end()).end()))
    })
}

pub(super) fn get_chute(work: &Work<'_>, name: &str) -> Answer {
    work.inner.change(|world, now| {
        let account = work.caller(world, now, Demand { optional: true, ..Demand::purpose("chutes") })?;
        let chutes = world.settings.chutes.iter();
        let index = chutes.enumerate().find_map(|(index, chute)| {
            let meant = chute.id == name || chute.name.eq_ignore_ascii_case(name);
            (meant && visible(world, index, account)).then_some(index)
        });
        index.map(|index| ok(answers::chute(world, index, None))).ok_or_else(|| not_found(NO_CHUTE))
    })
}

/// The body of a route with a model.
fn model(work: &Work<'_>) -> Result<Map<String, Value>, Refused> {
    match serde_json::from_slice(work.request.body()) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => {
            let message = "Input should be a valid dictionary or object to extract fields from";
            let item = Object::new().put("type", "model_attributes_type").put("loc", vec!["body"]).put("msg", message);
            Err(unprocessable(vec![item.end()]))
        }
        Err(_) => {
            let item =
                Object::new().put("type", "json_invalid").put("loc", vec!["body"]).put("msg", "JSON decode error");
            Err(unprocessable(vec![item.end()]))
        }
    }
}

/// A text member of a body; what is wrong is collected.
fn text(members: &Map<String, Value>, name: &str, wrong: &mut Vec<String>) -> String {
    match members.get(name) {
        None => wrong.push(missing("body", name)),
        Some(Value::String(text)) => return text.clone(),
        Some(other) => {
            wrong.push(invalid("string_type", "body", name, "Input should be a valid string", other, None));
        }
    }
    String::new()
}

pub(super) fn share(work: &Work<'_>) -> Answer {
    work.inner.change(|world, now| {
        let account = work.account(world, now, Demand::default())?;
        let (members, mut wrong) = (model(work)?, Vec::new());
        let name = text(&members, "chute_id_or_name", &mut wrong);
        let user = text(&members, "user_id_or_name", &mut wrong);
        if !wrong.is_empty() {
            return Err(unprocessable(wrong));
        }
        let owner = world.account(account).name.clone();
        let own = world.settings.chutes.iter().position(|chute| {
            chute.owner == owner && !chute.deleted && (chute.id == name || chute.name.eq_ignore_ascii_case(&name))
        });
        let chute =
            own.ok_or_else(|| not_found(format!("Did not find target chute {name}, or it does not belong to you")))?;
        let bad = |detail: &str| refuse(StatusCode::BAD_REQUEST, detail);
        if world.settings.chutes[chute].public {
            return Err(bad("Chute is public, no need to share."));
        }
        let meant = |other: &super::settings::Account| other.user_id == user || other.name.eq_ignore_ascii_case(&user);
        let other = world.settings.accounts.iter().position(meant);
        let other = other.ok_or_else(|| not_found("Could not find target user to share with"))?;
        if other == account {
            return Err(bad("Cannot share a chute with yourself"));
        }
        let with = world.account(other).name.clone();
        let chute = &mut world.settings.chutes[chute];
        if !chute.shared.contains(&other) {
            chute.shared.push(other);
        }
        let (chute, user) = (answers::python(&chute.name), answers::python(&with));
        let status = format!("Successfully shared chute.name={chute} with user.username={user}");
        Ok(ok(Object::new().put("status", status).end()))
    })
}

pub(super) fn me(work: &Work<'_>) -> Answer {
    work.inner.change(|world, now| {
        let account = work.account(world, now, Demand::purpose("me"))?;
        Ok(ok(answers::me(world, account)))
    })
}

/// Quotas of invocations; those of jobs are shown nowhere.
pub(super) fn quotas(work: &Work<'_>) -> Answer {
    work.inner.change(|world, now| {
        work.account(world, now, Demand::default())?;
        Ok(ok(Object::new().put("*", 200).end()))
    })
}

pub(super) fn quota_usage(work: &Work<'_>, _chute: &str) -> Answer {
    work.inner.change(|world, now| {
        work.account(world, now, Demand::default())?;
        Ok(ok(Object::new().put("quota", 200).put("used", 0.0).end()))
    })
}

pub(super) fn create_key(work: &Work<'_>) -> Answer {
    work.inner.change(|world, now| {
        let account = work.account(world, now, Demand::default())?;
        let (members, mut wrong) = (model(work)?, Vec::new());
        let admin = match members.get("admin") {
            None => {
                wrong.push(missing("body", "admin"));
                false
            }
            Some(Value::Bool(admin)) => *admin,
            Some(other) => {
                let message = "Input should be a valid boolean";
                wrong.push(invalid("bool_type", "body", "admin", message, other, None));
                false
            }
        };
        let name = text(&members, "name", &mut wrong);
        let scopes = scopes(members.get("scopes"), &mut wrong);
        if !wrong.is_empty() {
            return Err(unprocessable(wrong));
        }
        let bad = |why: &str| refuse(StatusCode::BAD_REQUEST, format!("Invalid request: {why}"));
        let allowed = |c: char| {
            let simple = c.is_ascii_alphanumeric() || c.is_whitespace() || matches!(c, '$' | '_' | '.' | '-');
            simple || ('\u{80}'..='\u{ffff}').contains(&c)
        };
        if !(1..=24).contains(&name.chars().count()) || !name.chars().all(allowed) {
            return Err(bad(BAD_NAME));
        }
        if !admin && scopes.iter().any(|(kind, ..)| !["images", "chutes", "invocations"].contains(&kind.as_str())) {
            return Err(bad("Invalid object_type, must be one of images, chutes, invocations"));
        }
        if world.account(account).keys.iter().any(|key| key.name == name) {
            return Err(refuse(StatusCode::CONFLICT, "An API key already exists with this name"));
        }
        world.keys_made += 1;
        let mut rng = chance(world.settings.seed, (1 << 40) + world.keys_made);
        let (id, user_id) = (uuid(&mut rng), world.account(account).user_id.clone());
        let secret: String = (0..32).map(|_| rng.alphanumeric()).collect();
        let secret = format!("cpk_{}.{}.{secret}", id.replace('-', ""), user_id.replace('-', ""));
        let scopes = if admin { Vec::new() } else { scopes };
        let scopes = scopes
            .into_iter()
            .map(|(object_type, object_id, action)| Scope { id: uuid(&mut rng), object_type, object_id, action })
            .collect();
        let key = Key { id, secret: secret.clone(), name, admin, scopes, created: now };
        let document = answers::key(world, &user_id, &key).put("secret_key", secret).end();
        world.settings.accounts[account].keys.push(key);
        Ok(ok(document))
    })
}

type ScopeArguments = (String, Option<String>, Option<String>);

fn scopes(value: Option<&Value>, wrong: &mut Vec<String>) -> Vec<ScopeArguments> {
    let items = match value {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(items)) => items,
        Some(other) => {
            wrong.push(invalid("list_type", "body", "scopes", "Input should be a valid list", other, None));
            return Vec::new();
        }
    };
    let read = |item: &Value| {
        let text = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
        let action = text("action").filter(|word| ["read", "write", "delete", "invoke"].contains(&word.as_str()));
        let known = item.get("action").is_none_or(Value::is_null) || action.is_some();
        known.then_some((text("object_type")?, text("object_id"), action))
    };
    let all: Option<Vec<ScopeArguments>> = items.iter().map(read).collect();
    all.unwrap_or_else(|| {
        wrong.push(missing("body", "scopes"));
        Vec::new()
    })
}

pub(super) fn list_keys(work: &Work<'_>) -> Answer {
    let mut query = Query { work, wrong: Vec::new() };
    let (skip, take, page, limit) = page(&mut query);
    if !query.wrong.is_empty() {
        return Err(unprocessable(query.wrong));
    }
    work.inner.change(|world, now| {
        let account = work.account(world, now, Demand::purpose("api_keys"))?;
        let account = world.account(account);
        let keys = account.keys.iter().skip(skip).take(take);
        let items = array(keys.map(|key| answers::key(world, &account.user_id, key).end()));
        let document = Object::new().put("total", account.keys.len()).put("page", page).put("limit", limit);
        Ok(ok(document.raw("items", &items).put("cord_refs", Value::Null).end()))
    })
}

pub(super) fn get_key(work: &Work<'_>, id: &str) -> Answer {
    work.inner.change(|world, now| {
        let account = work.account(world, now, Demand::purpose("api_keys"))?;
        let account = world.account(account);
        let key = account.keys.iter().find(|key| key.id == id);
        let key = key.ok_or_else(|| not_found(format!("API key with id {id} not found or doesn't belong to you")))?;
        Ok(ok(answers::key(world, &account.user_id, key).end()))
    })
}

pub(super) fn delete_key(work: &Work<'_>, id: &str) -> Answer {
    work.inner.change(|world, now| {
        let account = work.account(world, now, Demand::purpose("api_keys"))?;
        let keys = &mut world.settings.accounts[account].keys;
        let place = keys.iter().position(|key| key.id == id).ok_or_else(|| not_found(NO_KEY))?;
        keys.remove(place);
        world.revoked.insert(id.to_owned());
        Ok(ok(Object::new().put("api_key_id", id).put("deleted", true).end()))
    })
}

/// A miner's routes also answer to any API key with all rights, as those of the public server do.
fn miner(work: &Work<'_>, world: &World, now: Duration) -> Result<usize, Refused> {
    work.account(world, now, Demand { miner: true, ..Demand::purpose("miner") })
}

/// Every job that no instance has, whoever created it: lines of events, without a content type.
pub(super) fn miner_jobs(work: &Work<'_>) -> Answer {
    work.inner.change(|world, now| {
        miner(work, world, now)?;
        let jobs = (0..world.jobs.len()).filter(|job| world.jobs[*job].instance.is_none() && !world.jobs[*job].deleted);
        let lines: String = jobs.map(|job| format!("data: {}\n\n", answers::miner_row(world, job))).collect();
        Ok(Response::new(Bytes::from(lines)))
    })
}

/// The nodes belong to the first registered miner, or to whoever signs where no accounts were set up.
pub(super) fn release_job(work: &Work<'_>, id: &str) -> Answer {
    work.inner.change(|world, now| {
        let account = miner(work, world, now)?;
        let hotkey = work.request.headers().contains_key("x-chutes-hotkey");
        let owner = world.settings.accounts.iter().position(|other| other.miner).unwrap_or(0);
        let job = world.by_id.get(id).copied().filter(|job| hotkey && account == owner && !world.jobs[*job].deleted);
        if job.is_some_and(|job| world.give_back(job, now)) {
            return Ok(ok("null".to_owned()));
        }
        let text = format!("job_id={} not found or is not associated with your miner", answers::python(id));
        Err(not_found(text))
    })
}

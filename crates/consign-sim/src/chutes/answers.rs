//! The forms in which the service answers: documents of jobs, chutes and accounts, dates, refusals.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::json::{Object, array, jsonb};
use super::settings::{Chute, Key};
use super::world::World;
use crate::chance::{chance, hash, uuid};
use crate::clock::Clock;
use crate::faults::response;

/// An answer that refuses.
pub(super) type Refused = Box<Response<Bytes>>;
/// An answer, or a refusal on the way to it.
pub(super) type Answer = Result<Response<Bytes>, Refused>;

/// 200 with the text of some JSON.
pub(super) fn ok(text: String) -> Response<Bytes> {
    response(StatusCode::OK, "application/json", text)
}

/// A refusal with a text.
pub(super) fn refuse(status: StatusCode, detail: impl Into<Value>) -> Refused {
    Box::new(response(status, "application/json", Object::new().put("detail", detail).end()))
}

pub(super) fn not_found(detail: impl Into<Value>) -> Refused {
    refuse(StatusCode::NOT_FOUND, detail)
}

pub(super) fn unauthorized(detail: impl Into<Value>) -> Refused {
    refuse(StatusCode::UNAUTHORIZED, detail)
}

/// What the framework answers when a handler trips.
pub(super) fn tripped() -> Refused {
    Box::new(response(StatusCode::INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", "Internal Server Error"))
}

/// One item of a list of validation errors.
pub(super) fn missing(place: &str, name: &str) -> String {
    invalid("missing", place, name, "Field required", &Value::Null, None)
}

pub(super) fn invalid(
    kind: &str,
    place: &str,
    name: &str,
    message: &str,
    input: &Value,
    context: Option<&str>,
) -> String {
    let item = Object::new().put("type", kind).put("loc", json!([place, name])).put("msg", message);
    let item = item.put("input", input.clone());
    match context {
        Some(context) => item.raw("ctx", context).end(),
        None => item.end(),
    }
}

/// 422 with validation errors.
pub(super) fn unprocessable(items: Vec<String>) -> Refused {
    let text = Object::new().raw("detail", &array(items)).end();
    Box::new(response(StatusCode::UNPROCESSABLE_ENTITY, "application/json", text))
}

/// A date without an offset, as job times are written.
pub(super) fn plain_date(clock: &Clock, at: Duration) -> String {
    let date = clock.date(at);
    let text = date.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    match date.subsec_nanosecond().max(0) / 1000 {
        0 => text,
        micros => format!("{text}.{micros:06}"),
    }
}

/// A date with an offset.
pub(super) fn date(clock: &Clock, at: Duration) -> String {
    plain_date(clock, at) + "Z"
}

/// The document of a job. `urls`: where each file is to be uploaded, after a report. Fails if it cannot be written.
pub(super) fn job(world: &World, job: usize, urls: &[(String, String)]) -> Result<String, Refused> {
    if !world.readable(job) {
        return Err(tripped());
    }
    let row = &world.jobs[job];
    let chute = world.chute(job);
    let day = |at: Option<Duration>| at.map(|at| plain_date(&world.clock, at));
    let files = match &row.output_files {
        None => Value::Null,
        Some(files) => files
            .iter()
            .map(|file| (file.id.clone(), json!({"filename": file.name, "path": file.path, "uploaded": file.uploaded})))
            .collect(),
    };
    let instance = row.instance.as_ref().map_or_else(
        || "null".to_owned(),
        |instance| instance_document(&world.clock, &instance.id, instance.active, instance.verified),
    );
    let urls = urls.iter().fold(Object::new(), |object, (name, url)| object.put(name, url.as_str()));
    let document = Object::new()
        .put("job_id", row.id.as_str())
        .put("user_id", world.account(row.account).user_id.as_str())
        .put("chute_id", chute.id.as_str())
        .put("version", row.version.as_str())
        .put("chutes_version", row.chutes_version.as_deref())
        .put("method", method_name(chute, row.method))
        .put("instance_id", row.instance.as_ref().map(|instance| instance.id.as_str()))
        .put("active", false)
        .put("verified", false)
        .put("last_queried_at", Value::Null)
        .put("created_at", plain_date(&world.clock, row.created))
        .put("updated_at", day(row.updated))
        .put("finished_at", day(row.finished))
        .put("job_args", row.args.clone())
        .put("result", row.result.clone())
        .put("output_files", files)
        .put("host", Value::Null)
        .put("port_mappings", row.port_mappings.clone())
        .raw("chute", &minimal_chute(chute))
        .raw("instance", &instance)
        .raw("output_storage_urls", &urls.end());
    let document = if world.settings.server_id { document.put("server_id", Value::Null) } else { document };
    let document = if world.settings.exposed_status {
        document.put("status", row.status.as_str()).put("error_detail", row.error_detail.as_deref())
    } else {
        document
    };
    Ok(document.end())
}

pub(super) fn method_name(chute: &Chute, method: usize) -> &str {
    chute.methods.get(method).map_or("", |method| method.name.as_str())
}

fn instance_document(clock: &Clock, id: &str, active: bool, verified: Option<Duration>) -> String {
    Object::new()
        .put("instance_id", id)
        .put("region", "n/a")
        .put("active", active)
        .put("verified", verified.is_some())
        .put("last_verified_at", verified.map(|at| date(clock, at)))
        .end()
}

/// Id, name and tag of a chute's image.
fn image(chute: &Chute) -> Object {
    Object::new().put("image_id", uuid(&mut chance(hash(chute.id.as_bytes()), 2))).put("name", "trainer")
}

fn minimal_chute(chute: &Chute) -> String {
    let image = image(chute).put("tag", "2.1.0").put("public", true).put("patch_version", "initial");
    Object::new()
        .put("chute_id", chute.id.as_str())
        .put("name", chute.name.as_str())
        .put("public", chute.public)
        .put("version", chute.version.as_str())
        .put("slug", chute.slug())
        .put("chutes_version", chute.chutes_version.as_deref())
        .put("preemptible", true)
        .raw("image", &image.end())
        .end()
}

/// A job's row as miners see it.
pub(super) fn miner_row(world: &World, job: usize) -> String {
    let row = &world.jobs[job];
    let day = |at: Option<Duration>| at.map(|at| plain_date(&world.clock, at));
    let files = row.output_files.as_ref().map(|files| -> Value {
        let entry = |file: &super::job::OutputFile| {
            (file.id.clone(), json!({"filename": file.name, "path": file.path, "uploaded": file.uploaded}))
        };
        files.iter().map(entry).collect()
    });
    Object::new()
        .put("job_id", row.id.as_str())
        .put("user_id", world.account(row.account).user_id.as_str())
        .put("chute_id", world.chute(job).id.as_str())
        .put("version", row.version.as_str())
        .put("chutes_version", row.chutes_version.as_deref())
        .put("method", method_name(world.chute(job), row.method))
        .put("miner_uid", Value::Null)
        .put("miner_hotkey", Value::Null)
        .put("miner_coldkey", Value::Null)
        .put("instance_id", Value::Null)
        .put("active", false)
        .put("verified", false)
        .put("last_queried_at", Value::Null)
        .put("created_at", plain_date(&world.clock, row.created))
        .put("updated_at", day(row.updated))
        .put("started_at", day(row.started))
        .put("finished_at", day(row.finished))
        .put("job_args", row.args.clone())
        .put("node_selector", Value::Null)
        .put("status", row.status.as_str())
        .put("result", row.result.clone())
        .put("error_detail", row.error_detail.as_deref())
        .put("output_files", files)
        .put("miner_terminated", false)
        .put("port_mappings", row.port_mappings.clone())
        .put("miner_history", json!([]))
        .put("compute_multiplier", 1.0)
        .end()
}

fn user(world: &World, name: &str) -> String {
    let known = world.settings.accounts.iter().find(|account| account.name == name);
    let id = known.map_or_else(|| uuid(&mut chance(hash(name.as_bytes()), 0)), |account| account.user_id.clone());
    Object::new()
        .put("username", name)
        .put("user_id", id)
        .put("logo_id", Value::Null)
        .put("created_at", date(&world.clock, Duration::ZERO))
        .put("logo", Value::Null)
        .end()
}

/// The document of a chute. In a list the cords stand elsewhere, under the id `cords`.
pub(super) fn chute(world: &World, index: usize, cords: Option<&str>) -> String {
    let chute = &world.settings.chutes[index];
    let created = date(&world.clock, Duration::ZERO);
    let user = user(world, &chute.owner);
    let gpus = json!(["a100", "h100", "4090", "l40s"]);
    let image = image(chute)
        .put("readme", "")
        .put("tag", "2.1.0")
        .put("public", true)
        .put("status", "built and pushed")
        .put("created_at", created.as_str())
        .put("build_started_at", Value::Null)
        .put("build_completed_at", Value::Null)
        .raw("user", &user)
        .put("logo_id", Value::Null)
        .put("patch_version", "initial")
        .put("logo", Value::Null);
    let method = |method: &super::settings::Method| {
        let ports = if method.ssh {
            let ssh = Object::new().put("name", "ssh").put("port", 2202).put("default", true).put("proto", "tcp");
            array([ssh.end()])
        } else {
            "[]".to_owned()
        };
        let document = Object::new().put("name", method.name.as_str()).put("upload", method.upload);
        document.put("timeout", method.timeout).raw("ports", &ports).put("disk_gb", 10).end()
    };
    let selector = Object::new()
        .put("dynamic", false)
        .put("exclude", Value::Null)
        .put("include", Value::Null)
        .put("gpu_count", 1)
        .put("min_vram_gb_per_gpu", 24)
        .put("compute_multiplier", 0.055_555_555_555_555_55)
        .put("supported_gpus", gpus.clone());
    let price =
        Object::new().raw("usd", &Object::new().put("hour", 0.25).put("second", 6.944_444_444_444_444e-5).end()).raw(
            "tao",
            &Object::new().put("hour", 0.000_714_285_714_285_714_3).put("second", 1.984_126_984_126_984_1e-7).end(),
        );
    let instances = world.jobs.iter().filter(|job| job.chute == index).filter_map(|job| job.instance.as_ref());
    let instances = array(instances.map(|i| instance_document(&world.clock, &i.id, i.active, i.verified)));
    let hot = world.jobs.iter().any(|job| job.chute == index && job.instance.as_ref().is_some_and(|i| i.active));
    Object::new()
        .put("chute_id", chute.id.as_str())
        .put("name", chute.name.as_str())
        .put("tagline", "")
        .put("readme", "")
        .put("public", chute.public)
        .put("version", chute.version.as_str())
        .put("tool_description", Value::Null)
        .put("slug", chute.slug())
        .put("standard_template", Value::Null)
        .raw("cords", if cords.is_some() { "null" } else { "[]" })
        .raw("jobs", &array(chute.methods.iter().map(method)))
        .put("cord_ref_id", cords)
        .put("created_at", created.as_str())
        .put("updated_at", created.as_str())
        .raw("image", &image.end())
        .raw("user", &user)
        .put("supported_gpus", gpus)
        .raw("node_selector", &selector.end())
        .put("invocation_count", 0)
        .raw("current_estimated_price", &price.end())
        .raw("instances", &instances)
        .put("logo_id", Value::Null)
        .put("openrouter", false)
        .put("chutes_version", chute.chutes_version.as_deref())
        .put("revision", Value::Null)
        .put("concurrency", 1)
        .put("boost", Value::Null)
        .put("max_instances", Value::Null)
        .put("scaling_threshold", Value::Null)
        .put("shutdown_after_seconds", chute.shutdown_after)
        .put("preemptible", true)
        .put("logo", Value::Null)
        .put("hot", hot)
        .end()
}

/// The document of the own account.
pub(super) fn me(world: &World, account: usize) -> String {
    let account = world.account(account);
    // Accounts made with a browser have a hotkey of the service's.
    let hotkey = account.hotkeys.first().map_or("5DtDLm5rQHShDqojQpsvcN8tRXHVFaecfDoRet1SU6BFD9Fi", String::as_str);
    Object::new()
        .put("username", account.name.as_str())
        .put("user_id", account.user_id.as_str())
        .put("logo_id", Value::Null)
        .put("created_at", date(&world.clock, Duration::ZERO))
        .put("hotkey", hotkey)
        .put("coldkey", hotkey)
        .put("payment_address", "5C4hrfjw9DjXZTzV3MwzrrAr9P1MJhSrvWGWqi1eSuyUpnhM")
        .put("permissions_bitmask", 0)
        .put("balance", account.balance)
        .put("logo", Value::Null)
        .put("permissions", json!([]))
        .end()
}

/// The document of an API key.
pub(super) fn key(world: &World, user_id: &str, key: &Key) -> Object {
    let scope = |scope: &super::settings::Scope| {
        Object::new()
            .put("scope_id", scope.id.as_str())
            .put("object_type", scope.object_type.as_str())
            .put("object_id", scope.object_id.as_deref())
            .put("method", Value::Null)
            .end()
    };
    Object::new()
        .put("api_key_id", key.id.as_str())
        .put("user_id", user_id)
        .put("admin", key.admin)
        .put("name", key.name.as_str())
        .put("created_at", plain_date(&world.clock, key.created))
        .put("last_used_at", Value::Null)
        .raw("scopes", &array(key.scopes.iter().map(scope)))
}

/// A text as Python writes it in `{name=}`.
pub(super) fn python(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut shown = String::from(quote);
    for letter in text.chars() {
        match letter {
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            letter if letter == quote => shown.extend(['\\', letter]),
            letter if letter.is_control() => shown.push_str(&format!("\\x{:02x}", u32::from(letter))),
            letter => shown.push(letter),
        }
    }
    shown.push(quote);
    shown
}

/// A JSON value as Python writes it.
pub(super) fn python_value(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text.clone(),
        other => jsonb(other),
    }
}

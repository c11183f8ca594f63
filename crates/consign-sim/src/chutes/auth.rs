//! Who calls: API keys, session tokens, hotkey signatures, and the tokens of runners.

use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request};
use serde_json::json;

use super::answers::{Refused, not_found, python, unauthorized};
use super::seals;
use super::settings::{Account, Key};
use super::world::World;
use crate::faults::Faults;

const NOBODY: &str = "Can't find a user with that api key in our db :(";
const BAD_KEY: &str = "Invalid token or user not found";
const BAD_SESSION: &str = "Invalid token.";
/// How long a session token is valid.
const SESSION: u64 = 7 * 86_400;
/// How far a nonce may lie from the service's clock, in seconds.
const WINDOW: f64 = 600.0;

/// What a route demands of its caller.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Demand {
    /// The word that stands in the signed message in place of the body's hash.
    pub(super) purpose: Option<&'static str>,
    /// Callers without any credential are let in.
    pub(super) optional: bool,
    /// Hotkeys have to be those of miners.
    pub(super) miner: bool,
}

impl Demand {
    pub(super) fn purpose(word: &'static str) -> Self {
        Self { purpose: Some(word), ..Self::default() }
    }
}

/// The text of a header; none if it is empty. Blanks around it are taken away by the server that reads a connection.
fn header<'a>(request: &'a Request<Bytes>, name: &str) -> Option<&'a str> {
    let value = request.headers().get(name)?.to_str().ok()?;
    (!value.is_empty()).then_some(value)
}

/// The account that calls. `None`: nobody, where that is allowed.
pub(super) fn caller(
    world: &World,
    faults: &Faults,
    request: &Request<Bytes>,
    demand: Demand,
    now: Duration,
) -> Result<Option<usize>, Refused> {
    let nonce = header(request, "x-chutes-nonce");
    let signed = header(request, "x-chutes-hotkey").zip(header(request, "x-chutes-signature"));
    if let Some((hotkey, signature)) = signed.filter(|_| nonce.is_some() || !world.settings.strict_hotkeys) {
        let account = by_hotkey(world, request, demand, now, (hotkey, nonce.unwrap_or_default(), signature))?;
        if faults.refuses(hotkey) {
            return Err(unauthorized(format!("Could not find user with hotkey: {hotkey}")));
        }
        return Ok(Some(account));
    }
    let value = header(request, AUTHORIZATION.as_str());
    let token = value.and_then(|value| value.rsplit(' ').next()).filter(|token| !token.is_empty());
    let Some((value, token)) = value.zip(token) else {
        return if demand.optional { Ok(None) } else { Err(unauthorized(NOBODY)) };
    };
    let bearer = value.get(..7).is_some_and(|word| word.eq_ignore_ascii_case("bearer "));
    let account = if bearer && !token.starts_with("cpk_") {
        by_session(world, token, now)?
    } else {
        by_key(world, request, token)?
    };
    if faults.refuses(token) {
        return Err(unauthorized(BAD_KEY));
    }
    Ok(Some(account))
}

/// Whether a text has the form of an API key.
fn well_formed(key: &str) -> bool {
    let hex = |part: &str| part.len() == 32 && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut parts = key.strip_prefix("cpk_").unwrap_or_default().split('.');
    let (id, user, secret) = (parts.next(), parts.next(), parts.next());
    let secret = secret.is_some_and(|part| part.len() == 32 && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    id.is_some_and(hex) && user.is_some_and(hex) && secret && parts.next().is_none()
}

fn by_key(world: &World, request: &Request<Bytes>, token: &str) -> Result<usize, Refused> {
    if !well_formed(token) {
        return Err(unauthorized("Missing or invalid authorization header(s)"));
    }
    let known = world
        .settings
        .accounts
        .iter()
        .enumerate()
        .find_map(|(index, account)| account.keys.iter().find(|key| key.secret == token).map(|key| (index, key)));
    let id = seals::dashed(token.get(4..36).unwrap_or_default());
    match known {
        Some((account, key)) if grants(key, request) => Ok(account),
        None if !world.settings.closed && !world.revoked.contains(&id) => Ok(0),
        _ => Err(unauthorized(BAD_KEY)),
    }
}

/// Whether a key's scopes allow a request. The service compares the last segment of the path with the kind of object.
fn grants(key: &Key, request: &Request<Bytes>) -> bool {
    let segments: Vec<&str> = request.uri().path().split('/').collect();
    let kind = segments.last().copied().unwrap_or_default();
    let object = if segments.len() == 3 && !kind.is_empty() { kind } else { "__list_or_invalid__" };
    let action = match *request.method() {
        Method::POST | Method::PUT | Method::PATCH => "write",
        Method::DELETE => "delete",
        _ => "read",
    };
    key.admin
        || key.scopes.iter().any(|scope| {
            scope.object_type == kind
                && scope.object_id.as_deref().is_none_or(|id| id == object)
                && scope.action.as_deref().is_none_or(|word| word == action)
        })
}

/// The secret of an account's session tokens.
fn session_secret(world: &World, account: &Account) -> String {
    seals::sha256(format!("{}:{}", account.user_id, world.settings.secret).as_bytes())
}

/// A session token as a login gives it.
pub(super) fn session_token(world: &World, account: usize, now: Duration) -> String {
    let account = world.account(account);
    let issued = u64::try_from(world.clock.date(now).as_second()).unwrap_or(0);
    let claims = json!({"exp": issued + SESSION, "sub": account.user_id, "iat": issued, "salted": true});
    seals::sign_token(&claims.to_string(), &session_secret(world, account))
}

fn by_session(world: &World, token: &str, now: Duration) -> Result<usize, Refused> {
    let user = seals::unverified_claims(token).and_then(|claims| claims["sub"].as_str().map(str::to_owned));
    let account = user.and_then(|user| world.settings.accounts.iter().position(|account| account.user_id == user));
    let account = account.ok_or_else(|| unauthorized(BAD_SESSION))?;
    let secret = session_secret(world, world.account(account));
    let claims = seals::claims(token, &secret).ok_or_else(|| unauthorized(BAD_SESSION))?;
    if claims["exp"].as_i64().is_some_and(|end| end <= world.clock.date(now).as_second()) {
        return Err(unauthorized("Token expired."));
    }
    Ok(account)
}

/// Whether a nonce is whole seconds near the service's clock, or near that of clients where simulated time is faster.
fn timely(world: &World, nonce: &str, now: Duration) -> bool {
    let Some(nonce) = nonce.bytes().all(|b| b.is_ascii_digit()).then(|| nonce.parse::<u64>().ok()).flatten() else {
        return false;
    };
    let near = |date: jiff::Timestamp| {
        let clock = date.as_second() as f64 + f64::from(date.subsec_nanosecond()) / 1e9;
        (clock - nonce as f64).abs() < WINDOW
    };
    near(world.clock.date(now)) || near(world.clock.unhurried())
}

fn by_hotkey(
    world: &World,
    request: &Request<Bytes>,
    demand: Demand,
    now: Duration,
    (hotkey, nonce, signature): (&str, &str, &str),
) -> Result<usize, Refused> {
    if !timely(world, nonce, now) {
        return Err(unauthorized("Invalid nonce!"));
    }
    let hashed = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    let third = match demand.purpose {
        Some(word) => word.to_owned(),
        None if hashed => seals::sha256(request.body()),
        None => return Err(unauthorized("Either payload_str or purpose must be provided")),
    };
    let message = format!("{hotkey}:{nonce}:{third}");
    let bytes = seals::from_hex(signature).map_err(|place| {
        let why = format!("non-hexadecimal number found in fromhex() arg at position {place}");
        unauthorized(format!("Invalid signature: {signature}, with error: {why}"))
    })?;
    if !seals::signed_by(hotkey, &message, &bytes) {
        let text = format!("Invalid request signature for hotkey {hotkey}. Message: {message}");
        return Err(unauthorized(text));
    }
    let registered = |account: &Account| account.hotkeys.iter().any(|own| own == hotkey);
    let account = world.settings.accounts.iter().position(registered).or((!world.settings.closed).then_some(0));
    if demand.miner && world.settings.closed && !account.is_some_and(|account| world.account(account).miner) {
        return Err(unauthorized("Hotkey is not registered on netuid 64"));
    }
    account.ok_or_else(|| unauthorized(format!("Could not find user with hotkey: {hotkey}")))
}

/// A token for the runner of a job: for one file, or for the job.
pub(super) fn runner_token(world: &World, job: &str, file: Option<&str>, now: Duration) -> String {
    let claims =
        super::json::Object::new().put("sub", job).put("iat", world.clock.date(now).as_second()).put("iss", "chutes");
    let claims = match file {
        Some(name) if !name.is_empty() => claims.put("filename", name),
        _ => claims,
    };
    seals::sign_token(&claims.end(), &world.settings.secret)
}

/// The job of a runner's token, which for an upload has to be that of the file. The files of a job that was given
/// none are not looked at here.
pub(super) fn runner(
    world: &World,
    faults: &Faults,
    job: &str,
    token: &str,
    file: Option<&str>,
    now: Duration,
) -> Result<usize, Refused> {
    let wrong = || unauthorized("Missing or invalid JWT");
    let claims = seals::claims(token, &world.settings.secret).filter(|_| !faults.refuses(token)).ok_or_else(wrong)?;
    let issued = claims["iat"].as_f64().ok_or_else(wrong)?;
    let file = file.filter(|name| !name.is_empty());
    if claims["iss"] != "chutes"
        || claims["sub"] != job
        || issued > world.clock.date(now).as_second() as f64 + 1.0
        || file.is_some_and(|name| claims["filename"] != name)
    {
        return Err(wrong());
    }
    let Some(index) = world.by_id.get(job).copied().filter(|index| !world.jobs[*index].deleted) else {
        return Err(unauthorized(format!("job_id={} not found!", python(job))));
    };
    let files = world.jobs[index].output_files.as_deref().unwrap_or_default();
    if let Some(name) = file
        && !files.is_empty()
        && files.iter().all(|other| other.name != name)
    {
        let text = format!("job_id={} did not have any output file with filename={}", python(job), python(name));
        return Err(unauthorized(text));
    }
    Ok(index)
}

/// A job of an account by its id.
pub(super) fn own_job(world: &World, account: usize, id: &str) -> Result<usize, Refused> {
    let job = world.by_id.get(id).copied();
    job.filter(|job| world.jobs[*job].account == account && !world.jobs[*job].deleted)
        .ok_or_else(|| not_found("Job not found, or does not belong to you"))
}

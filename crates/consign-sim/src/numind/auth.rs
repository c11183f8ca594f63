//! Who asks: API keys, and access tokens from the two token endpoints.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};

use super::errors::{self, Answer, Refused, error, invalid};
use super::query::Query;
use super::world::World;
use crate::faults::{Faults, response};

/// How long a refresh token is said to be valid.
const REFRESH_LIFE: u64 = 1800;

/// Tokens that were handed out.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// Account and end.
    access: HashMap<String, (usize, Duration)>,
    refresh: HashMap<String, usize>,
}

/// The account whose token came with a request.
pub(crate) fn account(world: &World, now: Duration, headers: &HeaderMap, faults: &Faults) -> Result<usize, Refused> {
    let refuse = |message: &str| error(StatusCode::UNAUTHORIZED, "Unauthorized", message);
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, token) = value.and_then(|value| value.split_once(' ')).ok_or_else(|| refuse("Missing token"))?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(refuse("Missing token"));
    }
    if faults.refuses(token) {
        return Err(refuse("Invalid token"));
    }
    match world.tokens.access.get(token) {
        Some((account, until)) if *until > now => Ok(*account),
        Some(_) => Err(refuse("Token expired")),
        None => holder(world, token).ok_or_else(|| refuse("Invalid token")),
    }
}

/// The account that was set up with a token.
fn holder(world: &World, token: &str) -> Option<usize> {
    let takes = |tokens: &[String]| tokens.is_empty() || tokens.iter().any(|t| t == token);
    world.settings.accounts.iter().position(|account| !token.is_empty() && takes(&account.tokens))
}

/// New tokens for whoever holds this refresh token or code: access and refresh token, life of the first.
fn grant(world: &mut World, now: Duration, held: &str) -> Option<(String, String, u64)> {
    let account = world.tokens.refresh.get(held).copied().or_else(|| holder(world, held))?;
    let access = format!("access-{}", world.new_secret());
    let refresh = format!("refresh-{}", world.new_secret());
    let life = world.settings.token_life;
    world.tokens.access.insert(access.clone(), (account, now.saturating_add(life)));
    world.tokens.refresh.insert(refresh.clone(), account);
    Some((access, refresh, life.as_secs()))
}

/// `GET /api/auth`: the address of the login page.
pub(crate) fn login_page(query: &Query<'_>) -> Answer {
    let back = query.get("redirectUri").ok_or_else(|| invalid("query parameter redirectUri"))?;
    let url = format!("/realms/extract-platform/protocol/openid-connect/auth?redirect_uri={back}");
    Ok(response(StatusCode::OK, "text/plain; charset=UTF-8", url))
}

/// `POST /api/auth/token`: the service's own form.
pub(crate) fn platform(world: &mut World, now: Duration, body: &Bytes) -> Answer {
    let json: Value = serde_json::from_slice(body).map_err(|_| invalid("body"))?;
    let member = |name: &str| json.get(name).and_then(Value::as_str);
    let held = match member("type") {
        Some("ai.numind.extract.shared.TokenCodeRequest") => member("redirectUri").and(member("code")),
        Some("ai.numind.extract.shared.TokenRefreshRequest") => member("token"),
        _ => None,
    };
    let held = held.ok_or_else(|| invalid("body"))?;
    let granted = grant(world, now, held);
    let (token, refresh, life) =
        granted.ok_or_else(|| error(StatusCode::UNAUTHORIZED, "Unauthorized", "Invalid token"))?;
    Ok(errors::ok(&json!({"token": token, "expiresIn": life, "refreshToken": refresh,
        "refreshExpiresIn": REFRESH_LIFE})))
}

/// The token URL of OAuth.
pub(crate) fn openid(world: &mut World, now: Duration, body: &Bytes) -> Response<Bytes> {
    let text = String::from_utf8_lossy(body);
    let form = Query::new(&text);
    let refuse = |status, code: &str, text: &str| {
        errors::with_status(status, &json!({"error": code, "error_description": text}))
    };
    if form.get("client_id").is_none_or(str::is_empty) {
        return refuse(StatusCode::UNAUTHORIZED, "invalid_client", "Invalid client or Invalid client credentials");
    }
    let held = match form.get("grant_type") {
        Some("refresh_token") => form.get("refresh_token"),
        Some("authorization_code") => form.get("code"),
        _ => return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type", "Unsupported grant_type"),
    };
    let Some((access, refresh, life)) = held.and_then(|held| grant(world, now, held)) else {
        return refuse(StatusCode::BAD_REQUEST, "invalid_grant", "Invalid refresh token");
    };
    errors::ok(&json!({"access_token": access, "expires_in": life, "refresh_token": refresh,
        "refresh_expires_in": REFRESH_LIFE, "token_type": "Bearer", "scope": "openid profile email"}))
}

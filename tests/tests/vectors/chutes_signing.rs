//! The sections of Chutes' signing file: keys, messages, signatures, addresses, API keys, file ids, runner tokens, and
//! through the simulator whole requests, nonces and `Authorization` headers.
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use consign_chutes::{Address, ApiKey, Hotkey, JobToken, file_id, hotkey};
use consign_sim::chutes::{Chute, Method};
use serde_json::Value;

use crate::chutes::from_hex;
use crate::report::{Outcome, Report, Row};

const FILE: &str = "chutes-signing.json";
/// What is no list of cases, or not released.
const OTHERS: [&str; 3] = ["provider", "about", "unreleased_v2"];

/// Every case of the file as one row, counted through.
pub fn cases(folder: &Path) -> Report {
    let text = std::fs::read_to_string(folder.join(FILE)).map_err(|error| format!("{FILE}: {error}"));
    let file = text.and_then(|text| serde_json::from_str::<Value>(&text).map_err(|error| format!("{FILE}: {error}")));
    let rows = file.map(|file| {
        let mut rows = Vec::new();
        for (section, cases) in file.as_object().into_iter().flatten() {
            if OTHERS.contains(&section.as_str()) {
                continue;
            }
            for case in cases.as_array().into_iter().flatten() {
                let mut row = Row::new(FILE, rows.len() + 1);
                let outcome = check(section, case, &file["keys"][0]);
                row.why = outcome.err().map(|why| format!("{section}: {why} in {case}")).into_iter().collect();
                if row.why.is_empty() {
                    let refused = ["valid", "plain_verify", "accepted"].iter().any(|name| case[*name] == false);
                    row.outcome = if refused { Outcome::Refused } else { Outcome::Decoded };
                }
                rows.push(row);
            }
        }
        rows
    });
    Report { file: FILE.to_owned(), rows }
}

/// Checks one case; `key` is the first of the file's keys.
fn check(section: &str, case: &Value, key: &Value) -> Result<(), String> {
    let text = |name: &str| case[name].as_str().unwrap_or_default();
    let same = |what: &str, found: &str, expected: &str| match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: expected {expected:?}, found {found:?}")),
    };
    let valid = |found: bool, name: &str| match case[name].as_bool() == Some(found) {
        true => Ok(()),
        false => Err(format!("expected {name} {}, found {found}", case[name])),
    };
    let public = || from_hex(text("public_key_hex")).and_then(|key| <[u8; 32]>::try_from(key).ok());
    let verified = |message: &str| {
        let signature = from_hex(text("signature_hex")).unwrap_or_default();
        public().is_some_and(|key| hotkey::verify(&key, message.as_bytes(), &signature))
    };
    match section {
        "keys" => {
            let key = Hotkey::from_seed_hex(text("seed_hex")).map_err(|error| error.to_string())?;
            same("address", key.address().as_str(), text("ss58_address"))?;
            same("public key", &to_hex(key.address().public_key()), text("public_key_hex"))?;
            let ours = key.sign(b"message").map_err(|error| error.to_string())?;
            valid_signature(&key, &ours)
        }
        "messages" => {
            let third = match case["purpose"].as_str() {
                Some(word) => word.to_owned(),
                None => hotkey::body_hash(text("body_utf8").as_bytes()),
            };
            if case.get("body_sha256_hex").is_some() {
                same("hash", &third, text("body_sha256_hex"))?;
            }
            same("message", &hotkey::message(text("hotkey"), text("nonce"), &third), text("message"))
        }
        "verify" => valid(verified(text("message")), "valid"),
        "bytes_wrapped" => {
            valid(verified(text("message")), "plain_verify")?;
            if verified(text("signed_text")) { Ok(()) } else { Err("the wrapped text does not verify".to_owned()) }
        }
        "ss58" => match text("address").parse::<Address>() {
            Ok(address) => {
                valid(true, "valid")?;
                valid(address.is_registrable(), "bittensor")?;
                same("network", &address.network().to_string(), &case["prefix"].to_string())?;
                same("public key", &to_hex(address.public_key()), text("public_key_hex"))
            }
            Err(_) => valid(false, "valid"),
        },
        "api_keys" => match ApiKey::new(text("value")) {
            Ok(key) => {
                valid(true, "valid")?;
                same("id", &key.id(), text("api_key_id"))?;
                same("user", &key.user_id(), text("user_id"))
            }
            Err(_) => valid(false, "valid"),
        },
        "file_ids" => same("id", &file_id(text("job_id"), text("filename")).unwrap_or_default(), text("file_id")),
        "job_tokens" => {
            let claims = JobToken::new(text("token")).claims().ok_or("no claims")?;
            let expected = &case["claims"];
            same("job", &claims.job_id, expected["sub"].as_str().unwrap_or_default())?;
            same("issuer", &claims.issuer, expected["iss"].as_str().unwrap_or_default())?;
            same("file", claims.filename.as_deref().unwrap_or("-"), expected["filename"].as_str().unwrap_or("-"))?;
            let issued = claims.issued().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
            same("issued", &issued.to_string(), &expected["iat"].to_string())
        }
        "requests" => {
            let headers = case["headers"].as_object().into_iter().flatten();
            let headers: Vec<_> = headers.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or("?"))).collect();
            let (status, detail) = ask(case, text("method"), text("path"), &headers, text("body_utf8"))?;
            same("status", &status.to_string(), &case["status"].to_string())?;
            valid(status == 200, "accepted")?;
            let start = text("note").strip_prefix("detail starts with '").and_then(|rest| rest.strip_suffix('\''));
            match start {
                Some(start) if !detail.starts_with(start) => Err(format!("found {detail:?}")),
                _ if case.get("detail").is_none() => Ok(()),
                _ => same("detail", &detail, text("detail")),
            }
        }
        "nonces" => {
            let key = Hotkey::from_seed_hex(key["seed_hex"].as_str().unwrap_or_default()).map_err(|e| e.to_string())?;
            let (address, nonce) = (key.address().as_str(), text("nonce"));
            let message = hotkey::message(address, nonce, &hotkey::body_hash(b"{}"));
            let signature = to_hex(&key.sign(message.as_bytes()).map_err(|error| error.to_string())?);
            let headers =
                [("x-chutes-hotkey", address), ("x-chutes-nonce", nonce), ("x-chutes-signature", signature.as_str())];
            let (status, detail) = ask(case, "POST", "/jobs/a/train", &headers, "{}")?;
            valid(status == 200, "valid")?;
            same("detail", &detail, if status == 200 { "" } else { "Invalid nonce!" })
        }
        "authorization_headers" => {
            let (status, detail) = ask(case, "GET", "/users/me", &[("authorization", text("header"))], "")?;
            let (expected, why) = match text("read_as") {
                "session_token" => ("401", "Invalid token."),
                _ if text("header").rsplit(' ').next().is_some_and(|word| ApiKey::new(word).is_ok()) => ("200", ""),
                _ => ("401", "Missing or invalid authorization header(s)"),
            };
            same("status", &status.to_string(), expected)?;
            same("detail", &detail, why)
        }
        _ => Err("a section that nobody checks".to_owned()),
    }
}

/// Asks a simulator whose clock stands at the case's `now` and which has the chute of the path; gives the status and the `detail` of the answer.
fn ask(case: &Value, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Result<(u16, String), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let now = UNIX_EPOCH + Duration::from_secs(case["now"].as_u64().unwrap_or_default());
        let mut segments = path.split('/').skip(2);
        let chute = Chute::new(segments.next().unwrap_or_default(), "acme/trainer");
        let chute = chute.method(Method::new(segments.next().unwrap_or_default()));
        let sim = consign_sim::Chutes::builder().start(now).chute(chute).build();
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", consign_sim::Chutes::URL));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::from(body.to_owned())).map_err(|error| error.to_string())?;
        let answer = sim.handle(request).await.map_err(|error| error.to_string())?;
        let detail = serde_json::from_slice(answer.body()).unwrap_or(Value::Null)["detail"].as_str().map(str::to_owned);
        Ok((answer.status().as_u16(), detail.unwrap_or_default()))
    })
}

fn valid_signature(key: &Hotkey, signature: &[u8]) -> Result<(), String> {
    let right = hotkey::verify(key.address().public_key(), b"message", signature);
    let wrong = hotkey::verify(key.address().public_key(), b"massage", signature);
    if right && !wrong { Ok(()) } else { Err("our own signature does not verify".to_owned()) }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

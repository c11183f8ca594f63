//! Bacalhau's recorded keys and signatures: every section of the file is judged.
use consign_bacalhau::requester::{CancelEnvelope, SubmitEnvelope};
use consign_bacalhau::{Identity, PublicKey};
use serde_json::Value;

use crate::report::{Outcome, Report, Row};

const FILE: &str = "bacalhau-signing.json";

/// The recorded keys.
pub fn identities() -> Result<Vec<Identity>, String> {
    let recorded = recorded()?;
    let keys = recorded["keys"].as_array().into_iter().flatten();
    keys.map(|key| identity(key, "private_key_pem_pkcs1")).collect()
}

fn recorded() -> Result<Value, String> {
    let path = crate::folder().join(FILE);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn identity(key: &Value, form: &str) -> Result<Identity, String> {
    Identity::from_pem(text(key, form)?).map_err(|error| format!("{form}: {error}"))
}

fn text<'a>(of: &'a Value, name: &str) -> Result<&'a str, String> {
    of[name].as_str().ok_or_else(|| format!("{name} is no text"))
}

/// Judges every entry of the file; an entry counts as a line.
pub fn signing() -> Report {
    let rows = recorded().map(|recorded| {
        let mut rows = Vec::new();
        let sections = recorded.as_object().into_iter().flatten();
        for (section, entries) in sections.filter(|(name, _)| !matches!(name.as_str(), "provider" | "about")) {
            for entry in entries.as_array().unwrap_or(&vec![entries.clone()]) {
                let mut row = Row::new(FILE, rows.len() + 1);
                let judged = match section.as_str() {
                    "keys" => key(entry).map(|()| Outcome::Decoded),
                    "vectors" => vector(&recorded, entry).map(|()| Outcome::Sent),
                    "rejected" => rejected(&recorded, entry).map(|()| Outcome::Refused),
                    _ => Err(format!("there is no rule for the section {section:?}")),
                };
                match judged {
                    Ok(outcome) => row.outcome = outcome,
                    Err(why) => row = row.failed(format!("{section} {}: {why}", entry["name"])),
                }
                rows.push(row);
            }
        }
        rows
    });
    Report { file: FILE.to_owned(), rows }
}

fn must(right: bool, what: &str) -> Result<(), String> {
    if right { Ok(()) } else { Err(what.to_owned()) }
}

/// Both forms of a key give the same identifier and public key.
fn key(key: &Value) -> Result<(), String> {
    let public = PublicKey::from_base64(text(key, "client_public_key")?).map_err(|error| error.to_string())?;
    must(public.client_id() == text(key, "client_id")?, "another identifier from the public key")?;
    for form in ["private_key_pem_pkcs1", "private_key_pem_pkcs8"] {
        let identity = identity(key, form)?;
        must(identity.client_id() == public.client_id(), "another identifier")?;
        must(*identity.public_key() == public, "another public key")?;
    }
    let longer = text(key, "public_key_spki_der_base64")?;
    must(PublicKey::from_base64(longer).is_err(), "SubjectPublicKeyInfo was taken")
}

fn signer(recorded: &Value, entry: &Value) -> Result<Identity, String> {
    let keys = recorded["keys"].as_array().into_iter().flatten();
    let key = keys.into_iter().find(|key| key["name"] == entry["key"]).ok_or("there is no such key")?;
    identity(key, "private_key_pem_pkcs1")
}

/// The signature is reproduced and holds; the request holds the payload byte by byte.
fn vector(recorded: &Value, entry: &Value) -> Result<(), String> {
    let identity = signer(recorded, entry)?;
    let (payload, signature) = (text(entry, "payload")?, text(entry, "signature")?);
    must(entry["valid"] == true, "it is not said to be valid")?;
    let ours = identity.sign(payload.as_bytes()).map_err(|error| error.to_string())?;
    must(ours == signature, "another signature")?;
    must(identity.public_key().verifies(payload.as_bytes(), signature), "the signature does not hold")?;
    let Some(body) = entry["request_body"].as_str() else { return Ok(()) };
    let back = match text(entry, "request_path")? {
        "/requester/submit" => {
            let read: SubmitEnvelope = serde_json::from_str(body).map_err(|error| error.to_string())?;
            must(read.payload_text() == payload && read.signature() == signature, "another payload")?;
            let again = SubmitEnvelope::sign_text(&identity, payload, read.member());
            serde_json::to_string(&again.map_err(|error| error.to_string())?)
        }
        "/requester/cancel" => {
            let read: CancelEnvelope = serde_json::from_str(body).map_err(|error| error.to_string())?;
            must(read.payload_text() == payload && read.signature() == signature, "another payload")?;
            let again = CancelEnvelope::sign_text(&identity, payload, read.member());
            serde_json::to_string(&again.map_err(|error| error.to_string())?)
        }
        other => return Err(format!("there is no operation at {other}")),
    };
    must(back.is_ok_and(|back| back == body), "the request is not the recorded one")
}

fn rejected(recorded: &Value, entry: &Value) -> Result<(), String> {
    must(entry["valid"] == false, "it is said to be valid")?;
    let identity = signer(recorded, entry)?;
    if let Some(id) = entry["client_id"].as_str() {
        return must(identity.client_id() != id, "this identifier was taken");
    }
    let (payload, signature) = (text(entry, "payload")?, text(entry, "signature")?);
    let key = match entry["client_public_key"].as_str() {
        Some(text) => PublicKey::from_base64(text).ok(),
        None => Some(identity.public_key().clone()),
    };
    must(!key.is_some_and(|key| key.verifies(payload.as_bytes(), signature)), "it holds, although it must not")
}

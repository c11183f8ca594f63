//! API keys, session tokens and hotkey signatures.
use std::time::{Duration, UNIX_EPOCH};

use consign_sim::Chutes;
use consign_sim::chutes::{Account, Builder, Chute, Method};
use serde_json::json;

use crate::common::*;

const OTHER: &str =
    "cpk_0000000000000000000000000000000b.0000000000000000000000000000000b.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const SCOPED: &str =
    "cpk_0000000000000000000000000000000c.0000000000000000000000000000000a.cccccccccccccccccccccccccccccccc";
const ALICE: &str = "5GU8rCYVSoDSPicbeyas1J5tZJa34R6MwAqT8ZbxWvsQX1fM";
/// Of the messages `ALICE:1752998411:chutes`, `ALICE:1752998444:api_keys` and, by carol, `CAROL:1752998409:miner`.
const CHUTES: &str = "0810b8e692872d5d11820fa4232d8dca37fb362cf063082be403ee992855147fd2d26ad2af743111ee95b1231d8d48ebf2af8269e8167e6a7f861f53842fb98d";
const KEYS: &str = "00867d00acb0802931fc85eba8748da43d0089282af18a4f4faa991f19c23f5e71947c6f7e15e0dc705d80112c8b574d337df6e2afd2e8b564f9918e1630c289";
const CAROL: &str = "5ERWTHN8kgVi7tVBdp6oW3CeQ5fRdwVwQeWru8asvwm3BbS2";
const MINER: &str = "0438632599fd8b4fc948ede7ca27e75d16efea29472cc53da07bf49a8c92912821ac93cc37c80bd995468758c303bf893dd329e49e3d8e8dffe69fac5217a784";

fn accounts() -> Builder {
    let alice = Account::new("alice").key(Chutes::KEY).scoped_key(SCOPED, "chutes").hotkey(ALICE).balance(12.5);
    exact()
        .start(UNIX_EPOCH + Duration::from_secs(1_752_998_411))
        .account(alice)
        .account(Account::new("bob").key(OTHER))
}

fn signed<'a>(hotkey: &'a str, nonce: &'a str, signature: &'a str) -> [(&'static str, &'a str); 3] {
    [("x-chutes-hotkey", hotkey), ("x-chutes-nonce", nonce), ("x-chutes-signature", signature)]
}

#[tokio::test(start_paused = true)]
async fn each_account_has_its_own_jobs_and_unknown_keys_have_none() {
    let sim = accounts().build();
    let id = created(&sim, "{}").await;
    let bearer = format!("Bearer {OTHER}");
    let other = send(&sim, &format!("GET /jobs/{id}"), &[("authorization", &bearer)], "").await;
    assert_eq!(other.refusal(), (404, "Job not found, or does not belong to you".to_owned()));
    for (value, status, detail) in [
        (format!("Bearer {}", OTHER.replace('b', "a")), 401, "Invalid token or user not found"),
        (format!("Bearer {}d", &Chutes::KEY[..101]), 401, "Invalid token or user not found"),
        (format!("Bearer {SCOPED}"), 401, "Invalid token or user not found"),
        ("cpk_1".to_owned(), 401, "Missing or invalid authorization header(s)"),
        ("Bearer ".to_owned(), 401, "Can't find a user with that api key in our db :("),
        (format!("Basic {}", Chutes::KEY), 200, ""),
        (Chutes::KEY.to_owned(), 200, ""),
    ] {
        let answer = send(&sim, &format!("GET /jobs/{id}"), &[("authorization", &value)], "").await;
        match status {
            200 => assert_eq!(answer.ok()["job_id"], id.as_str()),
            _ => assert_eq!(answer.refusal(), (status, detail.to_owned()), "{value}"),
        }
    }
    assert_eq!(sim.job(&id).unwrap().account, "alice");
}

#[tokio::test(start_paused = true)]
async fn a_scoped_key_reaches_only_a_path_that_ends_like_its_kind_of_object() {
    let sim = accounts().chute(Chute::new("c", "alice/c").method(Method::new("chutes"))).build();
    let bearer = format!("Bearer {SCOPED}");
    for path in ["/users/me", "/chutes/", "/chutes/c", "/api_keys/"] {
        assert_eq!(send(&sim, &format!("GET {path}"), &[("authorization", &bearer)], "").await.status, 401, "{path}");
    }
    send(&sim, "POST /jobs/c/chutes", &[("authorization", &bearer)], "{}").await.ok();
}

#[tokio::test(start_paused = true)]
async fn a_session_token_is_good_for_seven_days_and_only_as_it_was_signed() {
    let sim = accounts().build();
    let token = sim.session_token("bob").unwrap();
    assert_eq!(sim.session_token("nobody"), None);
    let me = |value: String| {
        let sim = sim.clone();
        async move { send(&sim, "GET /users/me", &[("authorization", &value)], "").await }
    };
    assert_eq!(me(format!("bEARER {token}")).await.ok()["username"], "bob");
    assert_eq!(me(token.clone()).await.refusal().1, "Missing or invalid authorization header(s)");
    for wrong in [format!("{}A", &token[..token.len() - 1]), "a.b.c".to_owned(), "x".to_owned()] {
        assert_eq!(me(format!("Bearer {wrong}")).await.refusal(), (401, "Invalid token.".to_owned()), "{wrong}");
    }
    pass(7 * 86_400 - 1).await;
    me(format!("Bearer {token}")).await.ok();
    pass(1).await;
    assert_eq!(me(format!("Bearer {token}")).await.refusal(), (401, "Token expired.".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_signature_counts_for_the_word_of_its_route_within_ten_minutes() {
    let sim = accounts().build();
    let list = "GET /chutes/?include_public=False";
    assert_eq!(send(&sim, list, &signed(ALICE, "1752998411", CHUTES), "").await.status, 200);
    // Replayed, and for another route with the same word.
    assert_eq!(send(&sim, "GET /chutes/x", &signed(ALICE, "1752998411", CHUTES), "").await.status, 404);
    let keys = send(&sim, "GET /api_keys/", &signed(ALICE, "1752998444", KEYS), "").await.ok();
    assert_eq!(keys["total"], 2);
    let wrong = send(&sim, "GET /api_keys/", &signed(ALICE, "1752998411", CHUTES), "").await;
    let text = format!("Invalid request signature for hotkey {ALICE}. Message: {ALICE}:1752998411:api_keys");
    assert_eq!(wrong.refusal(), (401, text));
    for (hotkey, signature) in [(ALICE, "00"), ("nobody", CHUTES)] {
        let answer = send(&sim, list, &signed(hotkey, "1752998411", signature), "").await;
        assert!(answer.refusal().1.starts_with("Invalid request signature for hotkey"), "{answer:?}");
    }
    let prefixed = send(&sim, list, &signed(ALICE, "1752998411", &format!("0x{CHUTES}")), "").await;
    assert!(prefixed.refusal().1.ends_with("non-hexadecimal number found in fromhex() arg at position 1"));
    pass(600).await;
    let late = send(&sim, list, &signed(ALICE, "1752998411", CHUTES), "").await;
    assert_eq!(late.refusal(), (401, "Invalid nonce!".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_creation_is_signed_over_its_body_to_the_byte() {
    let sim = accounts().build();
    let signature = "d0f2d0684060054d526a95f7e70fe2b9bc76922558955eb315a96921772c90461748e7003bf21e3d3a4e85d06f9b06c88deec638c13d2adff43432c2ed15ed82";
    let headers = signed(ALICE, "1752998403", signature);
    let path = format!("POST /jobs/{}/train", Chutes::CHUTE);
    let job = send(&sim, &path, &headers, r#"{"epochs":3,"lr":0.1}"#).await.ok();
    assert_eq!(sim.job(job["job_id"].as_str().unwrap()).unwrap().account, "alice");
    let changed = send(&sim, &path, &headers, r#"{"epochs":3,"lr":0.1} "#).await.refusal();
    assert!(changed.0 == 401 && changed.1.starts_with("Invalid request signature for hotkey"), "{changed:?}");
    assert!(sim.ledger().entries().iter().all(|entry| entry.credentials));
}

#[tokio::test(start_paused = true)]
async fn a_simulator_in_a_hurry_takes_the_nonces_of_clients_that_are_in_none() {
    let sim = accounts().speed(1e6).build();
    pass(500).await;
    assert_eq!(send(&sim, "GET /chutes/", &signed(ALICE, "1752998411", CHUTES), "").await.status, 200);
    pass(100).await;
    assert_eq!(send(&sim, "GET /chutes/", &signed(ALICE, "1752998411", CHUTES), "").await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn hotkeys_win_over_keys_and_only_registered_ones_have_an_account() {
    let sim = accounts().build();
    let bearer = format!("Bearer {}", Chutes::KEY);
    let mut headers = signed(CAROL, "1752998409", MINER).to_vec();
    let miners = "GET /miner/jobs/";
    let answer = send(&sim, miners, &headers, "").await;
    assert_eq!(answer.refusal(), (401, "Hotkey is not registered on netuid 64".to_owned()));
    headers.push(("authorization", &bearer));
    assert_eq!(send(&sim, miners, &headers, "").await.status, 401);
    headers.remove(2);
    assert_eq!(send(&sim, miners, &headers, "").await.status, 200);
    // Bodyless job routes have no word: no signature can be right, though the key would be.
    let mut headers = signed(ALICE, "1752998411", CHUTES).to_vec();
    headers.push(("authorization", &bearer));
    for what in ["GET /jobs/x", "DELETE /jobs/x", "GET /jobs/x/download/y", "GET /users/me/quotas"] {
        let answer = send(&sim, what, &headers, "").await;
        assert_eq!(answer.refusal(), (401, "Either payload_str or purpose must be provided".to_owned()), "{what}");
    }
    headers.remove(1);
    assert_eq!(send(&sim, "GET /jobs/x", &headers, "").await.refusal().1, "Invalid nonce!");
    let strict = accounts().strict_hotkeys().build();
    assert_eq!(send(&strict, "GET /jobs/x", &headers, "").await.status, 404);
    let unknown = exact()
        .start(UNIX_EPOCH + Duration::from_secs(1_752_998_411))
        .account(Account::new("bob").hotkey(CAROL).miner())
        .build();
    let answer = send(&unknown, "GET /chutes/", &signed(ALICE, "1752998411", CHUTES), "").await;
    assert_eq!(answer.refusal(), (401, format!("Could not find user with hotkey: {ALICE}")));
    assert_eq!(send(&unknown, miners, &signed(CAROL, "1752998409", MINER), "").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn after_a_rotation_only_the_new_key_is_accepted() {
    let sim = exact().build();
    sim.faults().require_token(OTHER);
    assert_eq!(read(&sim, "x").await.refusal(), (401, "Invalid token or user not found".to_owned()));
    let bearer = format!("Bearer {OTHER}");
    assert_eq!(send(&sim, "GET /jobs/x", &[("authorization", &bearer)], "").await.status, 404);
    let me = send(&sim, "GET /users/me", &[("authorization", &bearer)], "").await.ok();
    assert_eq!((&me["username"], &me["balance"]), (&json!("acme"), &json!(0.0)));
}

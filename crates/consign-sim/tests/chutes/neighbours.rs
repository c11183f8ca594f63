//! The neighbours of the job operations.
use consign_sim::Chutes;
use consign_sim::chutes::{Account, Chute, Method, Phase};
use serde_json::json;

use crate::common::*;

const BOB: &str =
    "cpk_0000000000000000000000000000000b.0000000000000000000000000000000b.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

#[tokio::test(start_paused = true)]
async fn chutes_are_listed_read_and_shared() {
    let private = Chute::new("c-1", "acme/secret").method(Method::new("run")).private();
    let (acme, bob) = (Account::new("acme").key(Chutes::KEY), Account::new("bob").key(BOB));
    let sim = exact().account(acme).account(bob).chute(private).build();
    let bob = format!("Bearer {BOB}");
    let list = |query: &str, who: &str| {
        let (sim, what, who) = (sim.clone(), format!("GET /chutes/{query}"), who.to_owned());
        async move { send(&sim, &what, &[("authorization", &who)], "").await.ok() }
    };
    let own = format!("Bearer {}", Chutes::KEY);
    let names = |page: &serde_json::Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|chute| chute["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = list("", &own).await;
    assert_eq!(
        (names(&all), &all["total"], &all["limit"]),
        (vec!["acme/fine-tune".into(), "acme/secret".into()], &json!(2), &json!(25))
    );
    let cords = all["items"][0]["cord_ref_id"].as_str().unwrap();
    assert_eq!(all["cord_refs"][cords], json!([]));
    assert_eq!(names(&list("?name=SEC", &own).await), ["acme/secret"]);
    assert_eq!(names(&list("?exclude=sec&limit=1", &own).await), ["acme/fine-tune"]);
    assert_eq!(names(&list("?page=1&limit=1", &own).await), ["acme/secret"]);
    assert_eq!(list("", &bob).await["total"], 0);
    assert_eq!(names(&list("?include_public=True", &bob).await), ["acme/fine-tune"]);
    assert_eq!(names(&list("", "").await), ["acme/fine-tune"]);

    let hidden = send(&sim, "GET /chutes/c-1", &[("authorization", &bob)], "").await;
    assert_eq!(hidden.refusal(), (404, "Chute not found, or does not belong to you".to_owned()));
    let share = r#"{"chute_id_or_name":"acme/secret","user_id_or_name":"BOB"}"#;
    assert_eq!(send(&sim, "POST /chutes/share", &[("authorization", &bob)], share).await.status, 404);
    let shared = ask(&sim, "POST /chutes/share", share).await.ok();
    assert_eq!(shared["status"], "Successfully shared chute.name='acme/secret' with user.username='bob'");
    let chute = send(&sim, "GET /chutes/acme/secret", &[("authorization", &bob)], "").await.ok();
    assert_eq!(chute["jobs"], json!([{"name": "run", "upload": true, "timeout": null, "ports": [], "disk_gb": 10}]));
    send(&sim, "POST /jobs/c-1/run", &[("authorization", &bob)], "{}").await.ok();
    let public = format!(r#"{{"chute_id_or_name":"{}","user_id_or_name":"bob"}}"#, Chutes::CHUTE);
    assert_eq!(ask(&sim, "POST /chutes/share", &public).await.status, 400);
    let wrong = ask(&sim, "POST /chutes/share", r#"{"user_id_or_name":7}"#).await;
    assert_eq!(wrong.status, 422);
    assert_eq!(wrong.json()["detail"][0]["loc"], json!(["body", "chute_id_or_name"]));
    assert_eq!(wrong.json()["detail"][1]["type"], "string_type");
    assert_eq!(ask(&sim, "GET /chutes/?limit=x", "").await.json()["detail"][0]["type"], "int_parsing");
}

#[tokio::test(start_paused = true)]
async fn keys_are_created_used_listed_and_deleted() {
    let sim = exact().build();
    let key = ask(&sim, "POST /api_keys/", r#"{"name":"jobs","admin":true}"#).await.ok();
    let (id, secret) = (key["api_key_id"].as_str().unwrap(), key["secret_key"].as_str().unwrap());
    assert_eq!((secret.len(), &key["scopes"], &key["last_used_at"]), (102, &json!([]), &json!(null)));
    assert_eq!(&secret[4..36], id.replace('-', ""));
    let scoped = r#"{"name":"images only","admin":false,"scopes":[{"object_type":"images","action":"read"}]}"#;
    let scoped = ask(&sim, "POST /api_keys/", scoped).await.ok();
    assert_eq!((&scoped["scopes"][0]["object_type"], &scoped["scopes"][0]["method"]), (&json!("images"), &json!(null)));
    let use_key = |secret: &str| {
        let (sim, value) = (sim.clone(), format!("Bearer {secret}"));
        async move { send(&sim, "GET /users/me", &[("authorization", &value)], "").await.status }
    };
    assert_eq!(use_key(secret).await, 200);
    assert_eq!(use_key(scoped["secret_key"].as_str().unwrap()).await, 401);
    let listed = ask(&sim, "GET /api_keys/?limit=1&page=1", "").await.ok();
    assert_eq!((&listed["total"], &listed["items"][0]["name"]), (&json!(2), &json!("images only")));
    assert!(ask(&sim, &format!("GET /api_keys/{id}"), "").await.ok().get("secret_key").is_none());
    for (body, refusal) in [
        (r#"{"name":"jobs","admin":true}"#, (409, "An API key already exists with this name")),
        (
            r#"{"name":"x","admin":false,"scopes":[{"object_type":"jobs"}]}"#,
            (400, "Invalid request: Invalid object_type, must be one of images, chutes, invocations"),
        ),
    ] {
        assert_eq!(ask(&sim, "POST /api_keys/", body).await.refusal(), (refusal.0, refusal.1.to_owned()));
    }
    assert_eq!(ask(&sim, "POST /api_keys/", r#"{"name":"a name of 25 characters!","admin":true}"#).await.status, 400);
    assert_eq!(ask(&sim, "POST /api_keys/", "{}").await.json()["detail"].as_array().unwrap().len(), 2);
    assert_eq!(ask(&sim, &format!("DELETE /api_keys/{id}"), "").await.ok(), json!({"api_key_id": id, "deleted": true}));
    assert_eq!(use_key(secret).await, 401);
    assert_eq!(ask(&sim, &format!("DELETE /api_keys/{id}"), "").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn miners_see_every_job_without_an_instance_and_users_their_account() {
    let sim = exact().build();
    let failed = created(&sim, r#"{"sim":{"outcome":"error","detail":"oom"}}"#).await;
    pass(100).await;
    let running = created(&sim, r#"{"sim":{"outcome":"running"}}"#).await;
    let waiting = created(&sim, r#"{"sim":{"outcome":"pending"}}"#).await;
    pass(10).await;
    let answer = ask(&sim, "GET /miner/jobs/", "").await;
    assert!(!answer.headers.contains_key("content-type"));
    let rows: Vec<serde_json::Value> = answer
        .text()
        .split("\n\n")
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .collect();
    let ids: Vec<_> = rows.iter().map(|row| row["job_id"].as_str().unwrap()).collect();
    assert_eq!(ids, [failed.as_str(), &waiting]);
    assert_eq!((&rows[0]["status"], &rows[0]["error_detail"]), (&json!("error"), &json!("Job failed: oom")));
    let keyed = ask(&sim, &format!("DELETE /miner/jobs/{running}"), "").await;
    assert_eq!(keyed.refusal(), (404, format!("job_id='{running}' not found or is not associated with your miner")));
    assert_eq!(sim.job(&running).unwrap().phase, Phase::Running);
    assert_eq!(ask(&sim, "GET /ping", "").await.ok(), json!({"message": "pong"}));
    assert_eq!(ask(&sim, "GET /users/me/quotas", "").await.ok(), json!({"*": 200}));
    assert_eq!(ask(&sim, "GET /users/me/quota_usage/x", "").await.ok()["quota"], 200);
}

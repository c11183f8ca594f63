//! Forms of refusal, users, limits, faults.
use consign_sim::{Bacalhau, Fault};
use serde_json::{Value, json};

use crate::common::*;

async fn refused(sim: &Bacalhau, job: Value) -> (u16, String, String) {
    tell(sim, &format!("PUT {JOBS}"), &json!({"Job": job})).await.refusal()
}

#[tokio::test(start_paused = true)]
async fn every_violation_is_told_at_once() {
    let sim = Bacalhau::new();
    let wrong = json!({"Type": "nope", "Count": -1, "Tasks": []});
    assert_eq!(refused(&sim, wrong).await.2, "invalid job type: \"nope\"\njob count must be >= 0\nmissing job tasks");
    for (more, message) in [
        (json!({"task/Resources": {"CPU": "lots"}}), "invalid resources: invalid CPU value: lots"),
        (json!({"task/Env": {"a": "b"}}), "environment variable 'a' must be uppercase"),
        (json!({"task/Engine": null}), "invalid engine: nil spec config"),
        (
            json!({"task/Network": {"Type": "None", "Domains": ["example.com"]}}),
            "invalid network: domains can only be set for HTTP network mode",
        ),
        (json!({"task/ResultPaths": [{"Name": "a", "Path": "x"}]}), "invalid output: result path `x` must be absolute"),
        (
            json!({"task/Timeouts": {"ExecutionTimeout": 5, "TotalTimeout": 4}}),
            "task timeouts validation failed: execution timeout 5s and queue timeout 0s should be less than total timeout 4s",
        ),
    ] {
        assert_eq!(refused(&sim, wasm("hello", more)).await.2, format!("task main validation failed: {message}"));
    }
    let (status, code, message) = refused(&sim, wasm("hello", json!({"Labels": {"a": 5}}))).await;
    assert_eq!((status, code.as_str()), (400, "InternalError"));
    assert!(message.contains("expected=string, got=number, field=Job.alias.Labels"), "{message}");
    assert_eq!(refused(&sim, wasm("hello", json!({"Name": "  "}))).await.1, "BadRequest");
    assert_eq!(sim.ledger().submissions(), 0);
}

#[tokio::test(start_paused = true)]
async fn ignored_members_are_warned_of() {
    let sim = Bacalhau::new();
    let more = json!({"ID": "j-mine", "Version": 3, "State": {"StateType": "Running"}, "Meta": {"bacalhau.org/x": "y", "k": "v"}});
    let put = tell(&sim, &format!("PUT {JOBS}"), &json!({"job": wasm("hello", more)})).await.ok();
    assert_eq!(
        put["Warnings"],
        json!([
            "job state is ignored when submitting a job",
            "job version is ignored when submitting a job",
            "job ID is ignored when submitting a batch job",
            "job meta key \"bacalhau.org/x\" is reserved and will be ignored",
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn bodies_without_a_type_or_too_large_are_refused() {
    let sim = Bacalhau::new();
    let place = format!("PUT {JOBS}");
    let bare = try_send(&sim, &place, &[], json!({"Job": wasm("hello", json!({}))}).to_string()).await.unwrap();
    assert_eq!(
        bare.refusal(),
        (400, "InternalError".to_owned(), "code=415, message=Unsupported Media Type".to_owned())
    );
    let broken = try_send(&sim, &place, &[("content-type", "application/json")], "{nope").await.unwrap();
    assert!(
        broken.refusal().2.starts_with("code=400, message=Syntax error: offset=2, error=invalid character 'n'"),
        "{broken:?}"
    );
    assert_eq!(ask(&sim, &place).await.refusal().2, "empty/nil job");
    let large = wasm("hello", json!({"Meta": {"x": "y".repeat(10 << 20)}}));
    assert_eq!(refused(&sim, large).await.0, 413);
}

#[tokio::test(start_paused = true)]
async fn refusals_name_the_request_and_hint_at_routes() {
    let sim = Bacalhau::new();
    let unknown = try_send(&sim, &format!("GET {JOBS}/nope"), &[("x-request-id", "abc")], "").await.unwrap();
    assert_eq!((unknown.json()["RequestID"].clone(), unknown.header("x-request-id")), (json!("abc"), "abc"));
    assert_eq!(unknown.json()["Component"], "JobStore");
    let route = ask(&sim, "PATCH /api/v1/orchestrator/jobs").await;
    assert_eq!((route.status, &route.json()["Component"]), (404, &json!("APIServer")));
    assert!(route.json()["Details"]["cli_usage"].is_string());
    let old = try_send(&sim, "GET /api/v1/agent/alive", &[("x-bacalhau-git-version", "v1.3.0")], "").await.unwrap();
    assert_eq!((old.status, &old.json()["MinVersion"]), (403, &json!("1.4.0")));
    for (query, status) in [
        ("limit=x", 400),
        ("reverse=maybe", 400),
        ("order_by=id", 500),
        ("next_token=zzz", 400),
        ("labels=a+in+(b", 400),
    ] {
        assert_eq!(ask(&sim, &format!("GET {JOBS}?{query}")).await.status, status, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn users_show_a_password_or_a_key_and_need_the_capability() {
    let sim = Bacalhau::builder()
        .user("Alice", "alice", "password-1", &["*"])
        .api_key("Reader", "key-0123456789", &["read:job"])
        .build();
    let with =
        async |what: &str, credential: &str| try_send(&sim, what, &[("authorization", credential)], "").await.unwrap();
    let list = format!("GET {JOBS}");
    let reason =
        |answer: &Answer| (answer.status, answer.json()["Details"]["reason"].as_str().unwrap_or_default().to_owned());
    assert_eq!(reason(&ask(&sim, &list).await), (401, "Missing Authorization header".to_owned()));
    assert_eq!(with(&list, "Basic YWxpY2U6cGFzc3dvcmQtMQ==").await.status, 200);
    assert_eq!(with(&list, "Bearer key-0123456789").await.status, 200);
    for (credential, why) in [
        ("Bearer other", "invalid API key"),
        ("Basic YWxpY2U6eA==", "invalid basic auth credentials"),
        ("Basic !!!", "failed to decode basic auth credentials"),
        ("Token x", "unsupported authentication method"),
    ] {
        assert_eq!(reason(&with(&list, credential).await), (401, why.to_owned()));
    }
    let forbidden = reason(&with(&format!("PUT {JOBS}"), "Bearer key-0123456789").await);
    assert_eq!(forbidden, (403, "user 'Reader' does not have the required capability 'write:job'".to_owned()));
    assert_eq!(ask(&sim, "GET /api/v1/agent/alive").await.status, 200);
    let entry = sim.ledger().of("list").into_iter().nth(1).unwrap();
    assert_eq!((entry.account.as_deref(), entry.headers["authorization"].to_str().unwrap()), (Some("Alice"), "..."));
}

#[tokio::test(start_paused = true)]
async fn faults_strike_and_a_lost_reply_made_a_job() {
    let sim = Bacalhau::new();
    sim.faults().once("put", Fault::lose_reply());
    let body = json!({"Job": wasm("hello", json!({}))}).to_string();
    let broken =
        try_send(&sim, &format!("PUT {JOBS}"), &[("content-type", "application/json")], body).await.unwrap_err();
    assert!(broken.request_was_processed);
    assert_eq!(sim.jobs().len(), 1);
    sim.faults().once("list", Fault::html(502));
    assert_eq!(ask(&sim, &format!("GET {JOBS}")).await.status, 502);
    sim.faults().require_token("new");
    assert_eq!(ask(&sim, &format!("GET {JOBS}")).await.status, 401);
}

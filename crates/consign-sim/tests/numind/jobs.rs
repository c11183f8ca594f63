//! Jobs: submissions, lists, ends, results, cancelling, and who may see them.
use std::time::Duration;

use consign_sim::NuMind;
use consign_sim::numind::{Plan, Shape};
use serde_json::{Value, json};

use crate::common::*;

fn inner(record: &Value, member: &str) -> Value {
    serde_json::from_str(record[member].as_str().unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_job_is_pending_then_running_then_completed_with_its_result_as_text() {
    let sim = NuMind::builder().start(std::time::UNIX_EPOCH + Duration::from_nanos(1_766_052_000_512_345_678)).build();
    let project = project(&sim, &json!({"city": "string", "nights": "integer"})).await;
    let what = format!("POST /api/structured-extraction/{project}/jobs/text?temperature=0.1&timeout=90s");
    let text = "sim: {\"pending\": 0.488, \"seconds\": 8}\nCity: Nice\nNights: 7";
    let id = tell(&sim, &what, &json!({"text": text})).await.job_id();
    let first = record(&sim, &id).await;
    let created = json!("2025-12-18T10:00:00.512Z");
    assert_eq!([&first["status"], &first["createdAt"], &first["startedAt"]], [&json!("pending"), &created, &created]);
    assert!(first.get("completedAt").is_none() && first.get("outputData").is_none());
    pause(1.0).await;
    let running = status(&sim, &id).await;
    assert_eq!([&running["status"], &running["startedAt"]], [&json!("running"), &json!("2025-12-18T10:00:01Z")]);
    assert_eq!((&running["timeoutSeconds"], running.get("inputData")), (&json!(90), None));
    let early = ask(&sim, &format!("GET /api/structured-extraction/jobs/{id}")).await;
    assert_eq!(early.refusal(), (400, "JobNotCompleted".to_owned()));
    pause(8.0).await;
    let done = record(&sim, &id).await;
    assert_eq!([&done["status"], &done["completedAt"]], [&json!("completed"), &json!("2025-12-18T10:00:09Z")]);
    assert_eq!(inner(&done, "inputData")["temperature"], 0.1);
    let typed = ask(&sim, &format!("GET /api/structured-extraction/jobs/{id}")).await.ok();
    assert_eq!(inner(&done, "outputData"), typed);
    assert_eq!(typed["result"], json!({"city": "Nice", "nights": 7}));
    assert_eq!(typed["documentInfo"]["type"], "text");
    assert_eq!(
        typed["totalTokens"].as_u64(),
        Some(typed["inputTokens"].as_u64().unwrap() + typed["outputTokens"].as_u64().unwrap())
    );
    // The result of another kind is not there.
    assert_eq!(ask(&sim, &format!("GET /api/content-extraction/jobs/{id}")).await.status, 404);
    let entry = sim.ledger().entries().into_iter().find(|entry| !entry.made.is_empty()).unwrap();
    assert_eq!((entry.made, sim.ledger().submissions()), (vec![id], 1));
}

#[tokio::test(start_paused = true)]
async fn every_way_to_submit_makes_a_job_whose_result_is_made_of_what_was_sent() {
    let sim = NuMind::new();
    let project = project(&sim, &json!({"city": "string"})).await;
    let content = json!({"name": "md", "description": ""});
    let content = tell(&sim, "POST /api/content-extraction", &content).await.ok()["id"].as_str().unwrap().to_owned();
    let document = tell(&sim, "POST /api/documents/text", &json!({"text": "City: Bern\n\nend"})).await.ok();
    let document = document["docInfo"]["documentId"].as_str().unwrap();
    let bytes = [("content-type", "application/octet-stream")];
    let (file_type, file) = form(&[("file", Some("a.txt"), b"City: Bern\n\nend")]);
    let file_type = [("content-type", file_type)];
    let (request_type, request) = form(&[
        ("request", None, br#"{"schema": {"city": "string"}, "settings": {"maxOutputTokens": "500"}}"#),
        ("document", Some("document"), b"City: Bern"),
    ]);
    let at = |rest: &str| format!("POST /api/structured-extraction/{project}/jobs{rest}");
    let jobs = [
        ("structured", send(&sim, &at("?dpi=automatic"), &bytes, "City: Bern").await),
        ("structured", send(&sim, &at(""), &file_type, file.clone()).await),
        ("structured", tell(&sim, &at("/text"), &json!({"text": "City: Bern"})).await),
        ("structured", ask(&sim, &at(&format!("/document/{document}"))).await),
        (
            "structured",
            send(&sim, "POST /api/structured-extraction/jobs", &[("content-type", request_type)], request).await,
        ),
        ("content", send(&sim, "POST /api/content-extraction/jobs", &file_type, file).await),
        ("content", ask(&sim, &format!("POST /api/content-extraction/{content}/jobs/document/{document}")).await),
        ("template", send(&sim, "POST /api/template-generation/jobs", &bytes, "City: Bern").await),
        (
            "template",
            tell(&sim, "POST /api/template-generation/jobs/text", &json!({"description": "City: Bern"})).await,
        ),
        ("template", ask(&sim, &format!("POST /api/template-generation/jobs/document/{document}")).await),
    ];
    pause(60.0).await;
    for (number, (kind, answer)) in jobs.iter().enumerate() {
        let part = if *kind == "template" { "template-generation" } else { &format!("{kind}-extraction") };
        let typed = ask(&sim, &format!("GET /api/{part}/jobs/{}", answer.job_id())).await.ok();
        let expected = match *kind {
            "structured" => json!({"city": "Bern"}),
            "content" => json!("# City: Bern\n\nend"),
            _ => json!({"city": "string", "bern": "string"}),
        };
        assert_eq!(typed["result"], expected, "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_script_says_how_a_job_ends_and_a_line_in_the_submission_wins_over_it() {
    let sim = NuMind::new();
    sim.script(|submission, number| {
        assert_eq!((submission["kind"].as_str(), number == 0), (Some("template"), true));
        assert_eq!(submission["text"], "The total of an invoice.");
        Plan::fail("Broken", "it broke").seconds(3.0)
    });
    let failed = job(&sim, &json!({"pending": 0})).await;
    sim.script(|_, _| Plan::fail("Broken", "it broke").with_output(json!({})).seconds(3.0));
    let lost = job(&sim, &json!({"pending": 0})).await;
    let archived = job(&sim, &json!({"outcome": "archived", "output": {"a": "string"}, "pending": 0})).await;
    pause(3.0).await;
    let failed = record(&sim, &failed).await;
    assert_eq!([&failed["errorCode"], &failed["errorMessage"]], [&json!("Broken"), &json!("it broke")]);
    assert_eq!(record(&sim, &lost).await.get("outputData"), None);
    let archived = record(&sim, &archived).await;
    assert_eq!(
        (&archived["status"], &inner(&archived, "outputData")["result"]),
        (&json!("archived"), &json!({"a": "string"}))
    );
    let wrong = json!({"description": "sim: {\"second\": 3}\nx"});
    let wrong = tell(&sim, "POST /api/template-generation/jobs/text", &wrong).await;
    assert_eq!((wrong.status, wrong.header("content-type")), (400, "text/plain; charset=UTF-8"));
    assert_eq!(wrong.text(), "Invalid value for: body (sim: second is not a member of it)");
}

#[tokio::test(start_paused = true)]
async fn a_result_that_does_not_fit_is_emptied_and_comes_with_206() {
    let sim = NuMind::new();
    sim.script(|_, _| Plan::complete().invalid("InvalidJson", "Unexpected end of JSON").seconds(1.0));
    let project = project(&sim, &json!({"city": "string", "lines": [{"n": "integer"}]})).await;
    let what = format!("POST /api/structured-extraction/{project}/jobs/text");
    let id = tell(&sim, &what, &json!({"text": "City: Bern"})).await.job_id();
    let (file_type, file) = form(&[("file", None, b"x")]);
    let markdown = send(&sim, "POST /api/content-extraction/jobs", &[("content-type", file_type)], file).await.job_id();
    pause(3.0).await;
    let typed = ask(&sim, &format!("GET /api/structured-extraction/jobs/{id}")).await;
    assert_eq!((typed.status, &typed.json()["result"]), (206, &json!({"city": null, "lines": []})));
    assert_eq!(typed.json()["error"], json!({"errorCode": "InvalidJson", "message": "Unexpected end of JSON"}));
    assert_eq!(record(&sim, &id).await["status"], "completed");
    let typed = ask(&sim, &format!("GET /api/content-extraction/jobs/{markdown}")).await;
    assert_eq!((typed.status, typed.json().get("result")), (206, None));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_takes_too_long_ends_as_timeout_and_may_have_output() {
    let sim = NuMind::builder().shape(Shape::V0_4).build();
    let text = "POST /api/template-generation/jobs/text?timeout=10s";
    let id = tell(&sim, text, &json!({"description": "sim: {\"seconds\": 3600, \"pending\": 0}\nx"})).await.job_id();
    // The service raises short timeouts to five minutes.
    pause(299.0).await;
    assert_eq!(status(&sim, &id).await["status"], "running");
    pause(2.0).await;
    assert_eq!(status(&sim, &id).await["status"], "timeout");
    let result = format!("GET /api/template-generation/jobs/{id}");
    assert_eq!(ask(&sim, &result).await.refusal(), (400, "JobTimeout".to_owned()));
    let late = job(&sim, &json!({"outcome": "timeout", "seconds": 44, "output": {"a": "string"}, "bare": true})).await;
    pause(45.0).await;
    let late_record = record(&sim, &late).await;
    assert_eq!(inner(&late_record, "outputData"), json!({"a": "string"}));
    assert_eq!(ask(&sim, &format!("GET /api/template-generation/jobs/{late}")).await.status, 206);
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_refused_at_the_door_and_on_the_result_of_a_job_that_failed_on_it() {
    let sim = NuMind::builder().quota(1).build();
    let id = job(&sim, &json!({"outcome": "failed", "code": "QuotaExceeded", "message": "upgrade your plan"})).await;
    pause(60.0).await;
    let result = ask(&sim, &format!("GET /api/template-generation/jobs/{id}")).await;
    assert_eq!(result.refusal(), (403, "QuotaExceeded".to_owned()));
    let second = tell(&sim, "POST /api/template-generation/jobs/text", &json!({"description": "x"})).await;
    assert_eq!(second.refusal(), (403, "QuotaExceeded".to_owned()));
    assert_eq!((sim.jobs().len(), sim.ledger().submissions()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn cancelling_takes_until_the_next_heartbeat_and_does_nothing_to_an_ended_job() {
    let sim = NuMind::new();
    let cancel = async |id: &str| ask(&sim, &format!("POST /api/jobs/{id}/cancel")).await;
    let long = job(&sim, &json!({"pending": 0, "seconds": 600})).await;
    let short = job(&sim, &json!({"pending": 0, "seconds": 18})).await;
    let waiting = job(&sim, &json!({"pending": 100})).await;
    pause(13.0).await;
    for id in [&long, &short, &waiting] {
        let answer = cancel(id).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0));
    }
    let word = async |id: &str| status(&sim, id).await["status"].as_str().unwrap().to_owned();
    assert_eq!([word(&long).await, word(&short).await, word(&waiting).await], ["running", "running", "cancelled"]);
    let (text, _) = drain(stream(&sim, &long).await).await;
    let (_, name, data) = last_event(&text);
    assert_eq!((name, &data["status"], sim.elapsed()), ("result", &json!("cancelled"), Duration::from_secs(20)));
    // It was done before its heartbeat came.
    assert_eq!(word(&short).await, "completed");
    assert_eq!((cancel(&short).await.status, word(&short).await), (200, "completed".to_owned()));
    assert_eq!(cancel("none").await.refusal(), (404, "JobNotFound".to_owned()));
    let result = ask(&sim, &format!("GET /api/template-generation/jobs/{long}")).await;
    assert_eq!(result.status, 400);
}

#[tokio::test(start_paused = true)]
async fn children_share_the_fate_of_their_parent_and_are_not_cancelled_alone() {
    let sim = NuMind::builder().cancel_word("canceled").build();
    let id = job(&sim, &json!({"pending": 0, "seconds": 60, "children": 2, "repairs": 1})).await;
    let child = sim.job(&id).unwrap().children[1].clone();
    let refused = ask(&sim, &format!("POST /api/jobs/{child}/cancel")).await;
    assert_eq!(refused.refusal(), (400, "ChildJob".to_owned()));
    assert_eq!(ask(&sim, &format!("GET /api/jobs/{id}/reports")).await.ok(), json!([]));
    ask(&sim, &format!("POST /api/jobs/{id}/cancel")).await;
    pause(10.0).await;
    let status = status(&sim, &child).await;
    assert_eq!([&status["id"], &status["status"]], [&json!(child), &json!("canceled")]);
    let reports = ask(&sim, &format!("GET /api/jobs/{id}/reports")).await.ok();
    assert_eq!([&reports[1]["jobId"], &reports[1]["parentJobId"]], [&json!(child), &json!(id)]);
    assert_eq!(reports[0]["report"]["repairs"].as_array().unwrap().len(), 1);
    assert_eq!(ask(&sim, "GET /api/jobs").await.ok()["totalCount"], 1);
}

#[tokio::test(start_paused = true)]
async fn lists_are_paged_newest_first_and_parameters_that_cannot_be_read_are_named() {
    let sim = NuMind::new();
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.insert(0, job(&sim, &json!({})).await);
    }
    let page = ask(&sim, "GET /api/jobs?skip=3&perPage=3").await.ok();
    assert_eq!([&page["totalCount"], &page["skip"], &page["perPage"]], [7, 3, 3]);
    let shown: Vec<&str> = page["items"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
    assert_eq!(shown, ids[3..6]);
    assert_eq!(ask(&sim, "GET /api/jobs?skip=7").await.ok()["items"], json!([]));
    assert_eq!(ask(&sim, "GET /api/jobs").await.ok()["perPage"], 30);
    let owned = job(&sim, &json!({"organization": "org-5"})).await;
    let page = ask(&sim, "GET /api/jobs?organization=org-5").await.ok();
    assert_eq!([&page["totalCount"], &page["items"][0]["id"]], [&json!(1), &json!(owned)]);
    let wrong = [
        ("jobs?skip=-1", "query parameter skip"),
        ("jobs?skip=", "query parameter skip"),
        ("jobs?perPage=0", "query parameter perPage"),
        ("jobs?perPage=101", "query parameter perPage"),
    ];
    for (what, message) in wrong {
        let answer = ask(&sim, &format!("GET /api/{what}")).await;
        assert_eq!((answer.status, answer.text()), (400, format!("Invalid value for: {message}").as_str()));
    }
    let answer = tell(&sim, "POST /api/template-generation/jobs/text?timeout=10", &json!({"description": "x"})).await;
    assert_eq!(answer.text(), "Invalid value for: query parameter timeout");
}

#[tokio::test(start_paused = true)]
async fn tokens_belong_to_accounts_accounts_to_organizations_and_each_sees_its_own() {
    let sim = NuMind::builder()
        .account("ann", &["key-ann"], None)
        .account("bob", &["key-bob"], None)
        .account("cid", &["key-cid"], None)
        .organization("org/1 +", &["ann", "bob"])
        .build();
    let ann = ("authorization", "Bearer key-ann");
    let bob = ("authorization", "bearer key-bob");
    let cid = ("authorization", "Bearer key-cid");
    let json_type = ("content-type", "application/json");
    let body = json!({"name": "p", "description": "", "template": {"a": "string"}, "ownerOrganization": "org/1 +"});
    let project = send(&sim, "POST /api/structured-extraction", &[ann, json_type], body.to_string()).await.ok();
    let project = project["id"].as_str().unwrap();
    let what = format!("POST /api/structured-extraction/{project}/jobs/text");
    let shared = send(&sim, &what, &[bob, json_type], r#"{"text": "x"}"#).await.job_id();
    let own = "POST /api/template-generation/jobs/text";
    let own = send(&sim, own, &[bob, json_type], r#"{"description": "x"}"#).await.job_id();
    let see = async |who: (&'static str, &'static str), id: &str| {
        send(&sim, &format!("GET /api/jobs/{id}/status"), &[who], "").await
    };
    assert_eq!(see(ann, &shared).await.ok()["ownerOrganization"], "org/1 +");
    assert_eq!(see(ann, &own).await.refusal(), (403, "Forbidden".to_owned()));
    assert_eq!(see(cid, &shared).await.refusal(), (403, "Forbidden".to_owned()));
    let list = "GET /api/jobs?organization=org%2F1+%2B";
    assert_eq!(send(&sim, list, &[ann], "").await.ok()["totalCount"], 1);
    assert_eq!(send(&sim, list, &[cid], "").await.status, 403);
    assert_eq!(send(&sim, "GET /api/jobs", &[bob], "").await.ok()["totalCount"], 2);
    assert_eq!(send(&sim, "GET /api/jobs", &[ann], "").await.ok()["totalCount"], 0);
    for wrong in ["Bearer key-eve", "Bearer ", "Basic key-ann"] {
        let answer = send(&sim, "GET /api/jobs", &[("authorization", wrong)], "").await;
        assert_eq!(answer.refusal(), (401, "Unauthorized".to_owned()), "{wrong}");
    }
    assert_eq!(send(&sim, "GET /api/ping", &[("authorization", "")], "").await.text(), "pong");
    sim.faults().require_token("key-ann");
    assert_eq!(send(&sim, "GET /api/jobs", &[bob], "").await.status, 401);
    assert!(sim.ledger().entries().iter().all(|entry| !format!("{entry:?}").contains("key-")));
}

#[tokio::test(start_paused = true)]
async fn both_token_endpoints_hand_out_tokens_that_expire() {
    let sim = NuMind::builder().account("ann", &["refresh-ann"], None).build();
    let form = [("content-type", "application/x-www-form-urlencoded"), ("authorization", "")];
    let openid = "POST /realms/extract-platform/protocol/openid-connect/token";
    let body = "grant_type=refresh_token&client_id=c&refresh_token=refresh-ann";
    let first = send(&sim, openid, &form, body).await.ok();
    assert_eq!([&first["expires_in"], &first["token_type"]], [&json!(300), &json!("Bearer")]);
    let list = async |token: &Value| {
        let value = format!("Bearer {}", token.as_str().unwrap());
        send(&sim, "GET /api/jobs", &[("authorization", &value)], "").await.status
    };
    assert_eq!(list(&first["access_token"]).await, 200);
    pause(301.0).await;
    assert_eq!(list(&first["access_token"]).await, 401);
    let platform = json!({"type": "ai.numind.extract.shared.TokenRefreshRequest", "token": first["refresh_token"]});
    let second = tell(&sim, "POST /api/auth/token", &platform).await.ok();
    assert_eq!((list(&second["token"]).await, &second["expiresIn"]), (200, &json!(300)));
    let wrong = send(&sim, openid, &form, "grant_type=refresh_token&client_id=c&refresh_token=eve").await;
    assert_eq!((wrong.status, &wrong.json()["error"]), (400, &json!("invalid_grant")));
    assert_eq!(tell(&sim, "POST /api/auth/token", &json!({"token": "x"})).await.text(), "Invalid value for: body");
}

#[tokio::test(start_paused = true)]
async fn the_older_generation_lacks_what_came_later() {
    let sim = NuMind::builder().shape(Shape::V0_2).build();
    let id = job(&sim, &json!({})).await;
    assert_eq!(ask(&sim, &format!("POST /api/jobs/{id}/cancel")).await.status, 404);
    assert_eq!(ask(&sim, "POST /api/structured-extraction/jobs").await.status, 404);
    assert_eq!(status(&sim, &id).await.get("timeoutSeconds"), None);
    assert_eq!(ask(&sim, "GET /api/inference-status").await.ok()["nuextract"]["waiting"], 0);
    let template = ask(&sim, "GET /api/version").await.ok();
    assert_eq!(template["name"], "nuextract-platform");
    let newer = NuMind::builder().shape(Shape::V0_4).build();
    let id = job(&newer, &json!({})).await;
    assert!(id.starts_with("job_01"), "{id}");
    assert_eq!(ask(&newer, "GET /api/inference-status").await.ok()["inference"]["waiting"], 0);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_makes_the_same_run() {
    let run = async |seed| {
        let sim = NuMind::builder().seed(seed).workers(2).build();
        for _ in 0..6 {
            job(&sim, &json!({})).await;
        }
        pause(120.0).await;
        ask(&sim, "GET /api/jobs").await.ok()
    };
    let first = run(7).await;
    assert_eq!(first, run(7).await);
    assert_ne!(first, run(8).await);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_word_without_a_mark_of_the_end_goes_on() {
    let sim = NuMind::new();
    let id = job(&sim, &json!({"pending": 0, "seconds": 1, "outcome": "hibernating", "ended": false})).await;
    pause(2.0).await;
    let now = status(&sim, &id).await;
    assert_eq!((&now["status"], now.get("completedAt")), (&json!("hibernating"), None));
    let mut open = stream(&sim, &id).await;
    assert!(tokio::time::timeout(Duration::from_secs(31), open.recv()).await.unwrap().is_some());
}

//! Jobs from creation to their end: documents, checks in their order, and everything that answers 500.
use std::time::Duration;

use consign_sim::chutes::{Chute, Method, Phase, Plan};
use consign_sim::{Chutes, Fault};
use serde_json::{Value, json};

use crate::common::*;

const FILES: &str = r#"{"lr":0.1,"epochs":3,"sim":{"result":{"accuracy":0.91},"files":{"out/a.txt":"text","b.bin":{"base64":"AAEC/w=="}}}}"#;

#[tokio::test(start_paused = true)]
async fn a_job_is_claimed_run_reported_uploaded_and_closed() {
    let sim = exact().build();
    let new = create(&sim, FILES).await.ok();
    let id = new["job_id"].as_str().unwrap();
    assert_eq!((&new["created_at"], &new["job_args"]["_disk_gb"]), (&json!("2025-07-20T12:00:00"), &json!(10)));
    assert_eq!(
        (&new["instance"], &new["port_mappings"], &new["output_files"]),
        (&json!(null), &json!(null), &json!(null))
    );
    assert_eq!(new["output_storage_urls"], json!({}));

    pass(2).await;
    let launching = read(&sim, id).await.ok();
    assert_eq!(launching["instance"]["verified"], false);
    assert_eq!(launching["instance_id"], launching["instance"]["instance_id"]);
    assert_eq!(launching["port_mappings"][2]["internal_port"], 2202);
    pass(3).await;
    let running = read(&sim, id).await.ok();
    assert_eq!((&running["instance"]["verified"], &running["instance"]["active"]), (&json!(true), &json!(false)));
    assert_eq!(running["instance"]["last_verified_at"], "2025-07-20T12:00:05Z");
    pass(1).await;
    assert_eq!(read(&sim, id).await.ok()["instance"]["active"], true);
    pass(9).await;
    let reported = read(&sim, id).await.ok();
    assert_eq!((&reported["result"], &reported["finished_at"]), (&json!({"accuracy": 0.91}), &json!(null)));
    let uploaded = |document: &Value| {
        document["output_files"].as_object().unwrap().values().filter(|file| file["uploaded"] == true).count()
    };
    assert_eq!(uploaded(&reported), 0);
    pass(1).await;
    assert_eq!(uploaded(&read(&sim, id).await.ok()), 1);
    pass(2).await;
    let done = read(&sim, id).await.ok();
    assert_eq!((uploaded(&done), &done["finished_at"]), (2, &json!("2025-07-20T12:00:18")));
    assert_eq!((&done["updated_at"], &done["instance"]), (&done["finished_at"], &json!(null)));
    assert!(done["port_mappings"].is_array() && done["active"] == false && done["verified"] == false);
    assert_eq!(events(&sim, id), ["created", "claimed", "verified", "reported", "uploaded", "uploaded", "finished"]);
    assert_eq!(sim.job(id).unwrap().status, "complete");

    for (file, entry) in done["output_files"].as_object().unwrap() {
        let name = entry["filename"].as_str().unwrap();
        let got = ask(&sim, &format!("GET /jobs/{id}/download/{file}"), "").await;
        let expected: &[u8] = if name == "b.bin" { &[0, 1, 2, 255] } else { b"text" };
        assert_eq!(
            (got.status, &got.body[..], got.header("content-type")),
            (200, expected, "application/octet-stream")
        );
        assert_eq!(got.header("content-disposition"), format!("attachment; filename=\"{name}\""));
        assert_eq!(entry["path"], format!("jobs/{}/2025-07-20/{id}/outputs/{name}", Chutes::CHUTE));
    }
}

#[tokio::test(start_paused = true)]
async fn members_stand_in_the_model_s_order_and_those_of_the_database_by_length() {
    let sim = exact().build();
    let text = create(&sim, r#"{"epochs":3,"lr":1e3,"big":1e18,"zero":-0.0}"#).await.text().to_owned();
    assert!(
        text.contains(r#""job_args":{"lr":1000.0,"big":1000000000000000000,"zero":0.0,"epochs":3,"_disk_gb":10}"#),
        "{text}"
    );
    let order = ["job_id", "user_id", "chute_id", "version", "chutes_version", "method", "instance_id", "active"];
    let places: Vec<_> = order.iter().map(|name| text.find(&format!("\"{name}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");
    assert!(text.ends_with(r#""instance":null,"output_storage_urls":{}}"#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_documents_and_another_seed_others() {
    let run = |seed| async move {
        let sim = Chutes::builder().seed(seed).build();
        let id = created(&sim, "{}").await;
        pass(2).await;
        read(&sim, &id).await.text().to_owned()
    };
    assert_eq!(run(3).await, run(3).await);
    assert_ne!(run(3).await, run(4).await);
}

#[tokio::test(start_paused = true)]
async fn every_outcome_leaves_the_record_that_the_service_leaves() {
    let sim = exact().build();
    for (outcome, status, readable, finished) in [
        (r#"{"result":null}"#, "complete", true, true),
        (r#"{"outcome":"partial_failure","files":{"a":"1","b":"2"}}"#, "partial_failure", true, true),
        (r#"{"outcome":"partial_failure"}"#, "partial_failure", true, true),
        (r#"{"outcome":"error","result":null,"detail":"oom"}"#, "error", true, true),
        (r#"{"outcome":"error","detail":"oom"}"#, "error", false, true),
        (r#"{"outcome":"cancelled"}"#, "error", false, true),
        (r#"{"result":"done"}"#, "error", false, true),
        (r#"{"outcome":"timeout"}"#, "error", true, true),
        (r#"{"outcome":"billing_termination"}"#, "billing_termination", true, true),
        (r#"{"outcome":"node_lost"}"#, "pending", true, false),
        (r#"{"outcome":"pending"}"#, "pending", true, false),
        (r#"{"outcome":"running"}"#, "pending", true, false),
        (r#"{"outcome":"preempted","result":{}}"#, "preempted", true, true),
    ] {
        let id = created(&sim, &format!(r#"{{"sim":{outcome}}}"#)).await;
        pass(200).await;
        let job = sim.job(&id).unwrap();
        assert_eq!(
            (job.status.as_str(), job.readable, job.phase == Phase::Finished),
            (status, readable, finished),
            "{outcome}"
        );
        let answer = read(&sim, &id).await;
        if readable {
            assert_eq!(answer.ok()["finished_at"].is_string(), finished, "{outcome}");
        } else {
            answer.tripped();
        }
    }
    assert!(sim.jobs()[4].error_detail.as_deref() == Some("Job failed: oom"));
    let lost = read(&sim, &sim.jobs()[9].id).await.ok();
    assert!(lost["instance"].is_null() && lost["port_mappings"].is_array());
    let timeout = read(&sim, &sim.jobs()[7].id).await.ok();
    assert!(timeout["result"].is_null() && timeout["output_files"].is_null() && timeout["updated_at"].is_null());
}

#[tokio::test(start_paused = true)]
async fn a_failed_job_can_be_read_until_its_runner_reports_and_never_after() {
    let sim = exact().build();
    let id = created(&sim, r#"{"sim":{"outcome":"error","files":{"a":"1"}}}"#).await;
    pass(14).await;
    read(&sim, &id).await.ok();
    pass(1).await;
    read(&sim, &id).await.tripped();
    // Nobody can tell: the runner repeats its report, gives up, and the node removes the instance.
    assert_eq!(sim.job(&id).unwrap().phase, Phase::Reported);
    pass(60).await;
    assert_eq!(sim.job(&id).unwrap().phase, Phase::Finished);
    assert_eq!(sim.job(&id).unwrap().files.unwrap(), [("a".to_owned(), false)]);
    read(&sim, &id).await.tripped();
}

#[tokio::test(start_paused = true)]
async fn checks_come_in_the_order_credential_chute_quota_body_disk() {
    let private = Chute::new("c-private", "other/private").method(Method::new("train")).private();
    let sim = exact().chute(private).quota("*", 1).build();
    let path = format!("POST /jobs/{}/train", Chutes::CHUTE);
    let bad = r#"{"_disk_gb":10}"#;
    let no_key = send(&sim, "POST /jobs/x/y", &[("authorization", "")], "").await;
    assert_eq!(no_key.refusal(), (401, "Can't find a user with that api key in our db :(".to_owned()));
    for (chute, method) in
        [("x", "train"), (Chutes::CHUTE, "Train"), ("acme/fine-tune", "train"), ("c-private", "train")]
    {
        let answer = ask(&sim, &format!("POST /jobs/{}/{method}", chute.replace('/', "%2f")), "").await;
        let detail = if chute.contains('/') {
            "No matching chute found!".to_owned()
        } else {
            format!("Chute {chute} not found")
        };
        assert_eq!(answer.refusal(), (404, detail));
    }
    ask(&sim, &path, "").await.tripped();
    ask(&sim, &path, "[]").await.tripped();
    assert_eq!(ask(&sim, &path, bad).await.refusal(), (400, "Invalid disk size specified: 10".to_owned()));
    assert_eq!(sim.ledger().submissions(), 0);
    create(&sim, "{}").await.ok();
    let full = "Daily job quota exceeded: chute_job_count=1 total_job_count=1 of job_quota=1 and total_quota=1";
    assert_eq!(ask(&sim, &path, "").await.refusal(), (429, full.to_owned()));
    assert!(!ask(&sim, &path, "").await.headers.contains_key("retry-after"));
    pass(12 * 3600).await;
    create(&sim, "{}").await.ok();
}

#[tokio::test(start_paused = true)]
async fn quotas_count_for_each_chute_and_for_all_together() {
    let other = Chute::new("c-2", "acme/other").method(Method::new("train"));
    let sim = exact().chute(other).quota(Chutes::CHUTE, 1).quota("global", 3).quota("c-2", 9).build();
    create(&sim, "{}").await.ok();
    assert_eq!(create(&sim, "{}").await.status, 429);
    for _ in 0..2 {
        ask(&sim, "POST /jobs/c-2/train", "{}").await.ok();
    }
    let full = "Daily job quota exceeded: chute_job_count=2 total_job_count=3 of job_quota=9 and total_quota=3";
    assert_eq!(ask(&sim, "POST /jobs/c-2/train", "{}").await.refusal().1, full);
    let none = Chutes::builder().quota("global", 5).build();
    let zero = "Daily job quota exceeded: chute_job_count=0 total_job_count=0 of job_quota=0 and total_quota=5";
    assert_eq!(create(&none, "{}").await.refusal().1, zero);
}

#[tokio::test(start_paused = true)]
async fn the_disk_size_lies_strictly_between_10_and_1000() {
    let sim = exact().build();
    for (asked, stored) in [("null", 10), ("10.5", 10), ("11", 11), ("999.9", 999), ("50", 50)] {
        assert_eq!(create(&sim, &format!(r#"{{"_disk_gb":{asked}}}"#)).await.ok()["job_args"]["_disk_gb"], stored);
    }
    for (asked, shown) in [
        ("10", "10"),
        ("1000", "1000"),
        ("0", "0"),
        ("-1", "-1"),
        ("true", "True"),
        ("\"50\"", "50"),
        ("1000.0", "1000.0"),
    ] {
        let answer = create(&sim, &format!(r#"{{"_disk_gb":{asked}}}"#)).await;
        assert_eq!(answer.refusal(), (400, format!("Invalid disk size specified: {shown}")));
    }
}

#[tokio::test(start_paused = true)]
async fn numbers_that_do_not_fit_make_a_job_that_runs_and_can_never_be_read() {
    let sim = exact().build();
    for args in [r#"{"x":18446744073709551616}"#, r#"{"x":1e20}"#, r#"{"x":[{"y":-9223372036854775809}]}"#] {
        create(&sim, args).await.tripped();
    }
    assert_eq!((sim.ledger().submissions(), sim.jobs().len()), (3, 3));
    pass(60).await;
    for job in sim.jobs() {
        assert_eq!((job.phase, job.readable), (Phase::Reported, false));
        read(&sim, &job.id).await.tripped();
    }
    for args in [r#"{"x":1e400}"#, r#"{"x":NaN}"#, "{\"x\":\"a\\u0000\"}", r#"{"x":"\ud800"}"#, "null", "7", "{", ""] {
        create(&sim, args).await.tripped();
    }
    assert_eq!(sim.jobs().len(), 3);
    create(&sim, r#"{"x":18446744073709551615,"y":-9223372036854775808}"#).await.ok();
}

#[tokio::test(start_paused = true)]
async fn deletion_answers_500_removes_files_stops_the_instance_and_keeps_the_record() {
    let sim = exact().build();
    let (done, running) = (created(&sim, FILES).await, created(&sim, "{}").await);
    let waiting = created(&sim, r#"{"sim":{"wait":500}}"#).await;
    pass(10).await;
    ask(&sim, &format!("DELETE /jobs/{running}"), "").await.tripped();
    ask(&sim, &format!("DELETE /jobs/{waiting}"), "").await.tripped();
    assert!(sim.job(&running).unwrap().stop_requested && !sim.job(&waiting).unwrap().stop_requested);
    assert!(read(&sim, &running).await.ok()["finished_at"].is_null());
    pass(10).await;
    let stopped = read(&sim, &running).await.ok();
    assert!(stopped["finished_at"].is_string() && stopped["result"].is_null() && stopped["output_files"].is_null());

    let file = read(&sim, &done).await.ok()["output_files"].as_object().unwrap().keys().next().unwrap().clone();
    assert_eq!(ask(&sim, &format!("GET /jobs/{done}/download/{file}"), "").await.status, 200);
    ask(&sim, &format!("DELETE /jobs/{done}"), "").await.tripped();
    ask(&sim, &format!("GET /jobs/{done}/download/{file}"), "").await.tripped();
    assert_eq!(read(&sim, &done).await.ok()["output_files"][&file]["uploaded"], true);
    // A job that nobody had taken stays on offer.
    pass(600).await;
    assert!(read(&sim, &waiting).await.ok()["result"].is_object());
    let missing = ask(&sim, "DELETE /jobs/nope", "").await;
    assert_eq!(missing.refusal(), (404, "Job nope not found or does not belong to you".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_repaired_deletion_answers_200_and_the_record_is_gone() {
    let sim = exact().workers(1).repaired_delete().build();
    let (first, second) = (created(&sim, "{}").await, created(&sim, "{}").await);
    pass(6).await;
    let deleted = ask(&sim, &format!("DELETE /jobs/{first}"), "").await.ok();
    assert_eq!(deleted, json!({"deleted": true, "job_id": first}));
    assert_eq!(read(&sim, &first).await.refusal(), (404, "Job not found, or does not belong to you".to_owned()));
    assert_eq!(ask(&sim, &format!("DELETE /jobs/{first}"), "").await.status, 404);
    let token = sim.job_token(&first);
    let gone = ask(&sim, &format!("PUT /jobs/{first}?token={token}"), "").await;
    assert_eq!(gone.refusal(), (401, format!("job_id='{first}' not found!")));
    // The only node is free for the next.
    assert_eq!(sim.job(&second).unwrap().phase, Phase::Launching);
}

#[tokio::test(start_paused = true)]
async fn downloads_trip_where_the_service_s_do() {
    let sim = exact().build();
    let files = r#"{"sim":{"files":{"naïve.txt":"1","日本.txt":"2","a\"b":"3","x\ny":"4"},"missing":["later"]}}"#;
    let id = created(&sim, files).await;
    let path = |file: &str| format!("GET /jobs/{id}/download/{file}");
    ask(&sim, &path("x"), "").await.tripped();
    pass(60).await;
    let unknown = format!("Job output file not found job_id='{id}' file_id='x'");
    assert_eq!(ask(&sim, &path("x"), "").await.refusal(), (404, unknown));
    let document = read(&sim, &id).await.ok();
    assert_eq!(sim.job(&id).unwrap().status, "partial_failure");
    for (file, entry) in document["output_files"].as_object().unwrap() {
        let Ok(answer) = try_send(&sim, &path(file), &[], "").await else {
            // No server can write a line break into a header.
            assert_eq!(entry["filename"], "x\ny");
            continue;
        };
        match entry["filename"].as_str().unwrap() {
            "naïve.txt" => {
                assert_eq!(answer.headers["content-disposition"].as_bytes(), b"attachment; filename=\"na\xefve.txt\"")
            }
            "a\"b" => assert_eq!(answer.header("content-disposition"), "attachment; filename=\"a\"b\""),
            name => {
                assert_ne!(name, "x\ny");
                answer.tripped();
            }
        }
    }
    assert_eq!(ask(&sim, "GET /jobs/nope/download/x", "").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn one_node_takes_one_job_at_a_time_and_failed_launches_are_tried_again() {
    let sim = exact().workers(1).build();
    let first = created(&sim, r#"{"sim":{"launchFailures":2}}"#).await;
    pass(1).await;
    let second = created(&sim, "{}").await;
    pass(4).await;
    assert!(read(&sim, &first).await.ok()["port_mappings"].is_null());
    assert_eq!(sim.job(&second).unwrap().phase, Phase::Launching);
    pass(80).await;
    assert!(sim.jobs().iter().all(|job| job.phase == Phase::Finished));
    assert_eq!(
        events(&sim, &first)[..6],
        ["created", "claimed", "launch failed", "claimed", "launch failed", "claimed"]
    );
    let idle = Chutes::builder().workers(0).build();
    let id = created(&idle, "{}").await;
    pass(100_000).await;
    assert_eq!(idle.job(&id).unwrap().phase, Phase::Pending);
}

#[tokio::test(start_paused = true)]
async fn timeouts_lives_of_instances_and_deleted_chutes_leave_their_marks() {
    let short = Chute::new("c-1", "acme/short").method(Method::new("run").timeout(30)).shutdown_after(20);
    let old = Chute::new("c-2", "acme/old").method(Method::new("run")).chutes_version(None);
    let sim = exact().chute(short).chute(old).build();
    let lost = ask(&sim, "POST /jobs/c-1/run", r#"{"sim":{"seconds":25}}"#).await.ok();
    pass(100).await;
    assert_eq!(sim.jobs()[0].phase, Phase::Lost);
    assert!(read(&sim, lost["job_id"].as_str().unwrap()).await.ok()["instance"].is_null());
    let long = created(&sim, r#"{"sim":{"seconds":5000}}"#).await;
    pass(3605).await;
    assert_eq!((sim.job(&long).unwrap().phase, sim.job(&long).unwrap().files), (Phase::Finished, None));
    ask(&sim, "POST /jobs/c-2/run", "{}").await.tripped();
    read(&sim, &long).await.ok();
    sim.delete_chute(Chutes::CHUTE);
    read(&sim, &long).await.tripped();
    assert_eq!(create(&sim, "{}").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn scripts_of_the_test_come_first_and_the_job_s_own_wins() {
    let sim = exact()
        .script(|args, index| Plan::fail("oom").seconds(1.0).result(json!({"n": index, "lr": args["lr"]})))
        .build();
    let scripted = created(&sim, r#"{"lr":1}"#).await;
    let own = created(&sim, r#"{"sim":{"outcome":"complete","files":{"a":"1"}}}"#).await;
    pass(30).await;
    assert_eq!(read(&sim, &scripted).await.ok()["result"], json!({"n": 0, "lr": 1}));
    assert_eq!(
        (sim.job(&scripted).unwrap().status, sim.job(&own).unwrap().status),
        ("error".to_owned(), "complete".to_owned())
    );
    sim.script(|_, _| Plan::end("pending"));
    let last = created(&sim, "{}").await;
    pass(1000).await;
    assert_eq!(sim.job(&last).unwrap().phase, Phase::Pending);
    for (wrong, why) in [
        ("7", "sim: must be an object"),
        (r#"{"outcom":"error"}"#, "sim: outcom is not a member of it"),
        (r#"{"files":["a"]}"#, "sim: files has a wrong value"),
        (r#"{"files":{"a":{"base64":"?"}}}"#, "sim: files has a wrong value"),
    ] {
        assert_eq!(create(&sim, &format!(r#"{{"sim":{wrong}}}"#)).await.refusal(), (400, why.to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn forms_of_other_servers_can_be_set() {
    let sim = exact().exposed_status().server_id().build();
    let new = create(&sim, "{}").await.ok();
    assert_eq!(
        (&new["status"], &new["error_detail"], &new["server_id"]),
        (&json!("pending"), &json!(null), &json!(null))
    );
    assert!(create(&Chutes::new(), "{}").await.ok().get("server_id").is_none());
}

#[tokio::test(start_paused = true)]
async fn faults_and_rate_limits_stand_before_the_work() {
    let sim = exact().build();
    sim.faults().once(consign_sim::chutes::operation::CREATE_JOB, Fault::lose_reply());
    let path = format!("POST /jobs/{}/train", Chutes::CHUTE);
    assert!(try_send(&sim, &path, &[], "{}").await.unwrap_err().request_was_processed);
    create(&sim, "{}").await.ok();
    assert_eq!((sim.ledger().submissions(), sim.jobs()[0].submitted), (2, 2));
    assert_eq!(create(&sim, r#"{"a":1}"#).await.ok()["job_args"]["a"], 1);
    assert_eq!(sim.jobs()[2].submitted, 1);
    sim.faults().rate_limit(1, Duration::from_secs(60));
    ask(&sim, "GET /ping", "").await.ok();
    assert_eq!(ask(&sim, "GET /ping", "").await.status, 429);
    pass(60).await;
    ask(&sim, "GET /ping", "").await.ok();
    let entry = &sim.ledger().of("create_job")[0];
    assert!(entry.credentials && entry.account.as_deref() == Some("acme") && entry.made.len() == 1);
    assert!(!format!("{entry:?}").contains("cpk_"));
}

#[tokio::test(start_paused = true)]
async fn slashes_count_and_unknown_paths_are_no_chutes() {
    let sim = exact().build();
    let id = created(&sim, "{}").await;
    for what in [
        format!("GET /jobs/{id}/"),
        "GET /jobs/".to_owned(),
        "GET /chutes".to_owned(),
        "GET /api_keys".to_owned(),
        "PATCH /jobs/x".to_owned(),
        "GET /nothing".to_owned(),
        "GET /".to_owned(),
        format!("POST /jobs/{id}/download/x"),
    ] {
        assert_eq!(ask(&sim, &what, "").await.refusal(), (404, "No matching chute found!".to_owned()), "{what}");
    }
    assert_eq!(ask(&sim, "OPTIONS /jobs/x", "").await.refusal(), (405, "Method Not Allowed".to_owned()));
    assert_eq!(read(&sim, "no-uuid").await.refusal().1, "Job not found, or does not belong to you");
}

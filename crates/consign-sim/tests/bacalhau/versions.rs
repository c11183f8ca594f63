//! Names, versions, reruns, and servers of other versions.
use std::time::Duration;

use consign_sim::Bacalhau;
use serde_json::{Value, json};

use crate::common::*;

#[tokio::test(start_paused = true)]
async fn a_name_is_updated_and_an_unchanged_job_is_refused() {
    let sim = Bacalhau::new();
    let named = |module: &str| wasm(module, json!({"Name": "nightly"}));
    let id = put(&sim, named("hello")).await;
    pass(1.0).await;
    let place = format!("PUT {JOBS}");
    let same = tell(&sim, &place, &json!({"Job": named("hello")})).await;
    assert!(same.refusal().2.starts_with("no changes detected for new job spec. Job Name: 'nightly'"), "{same:?}");
    assert_eq!(same.json()["Hint"], "Use the --force flag to override this warning");
    let forced = tell(&sim, &place, &json!({"Job": named("hello"), "Force": true})).await.ok();
    assert_eq!(forced["JobID"], json!(id));
    pass(1.0).await;
    assert_eq!(put(&sim, named("exit3")).await, id);
    let job = get(&sim, "nightly").await;
    assert_eq!((&job["Version"], &job["State"]["Message"]), (&json!(3), &json!("Job update requested by user")));
    pass(1.0).await;
    let versions = ask(&sim, &format!("GET {JOBS}/nightly/versions")).await.ok();
    let revisions: Vec<_> = versions["Items"].as_array().unwrap().iter().map(|job| job["Revision"].clone()).collect();
    assert_eq!(revisions, [3, 6, 9]);
    assert_eq!(executions(&sim, &id).await.len(), 1);
    let all = ask(&sim, &format!("GET {JOBS}/{id}/executions?all_job_versions=true")).await.ok();
    assert_eq!(all["Items"].as_array().unwrap().len(), 3);
    let first = ask(&sim, &format!("GET {JOBS}/nightly?job_version=1")).await.ok();
    assert_eq!(first["Job"]["Version"], 1);
    let unknown = ask(&sim, &format!("GET {JOBS}/nightly?job_version=9")).await.refusal();
    assert_eq!(unknown, (404, "NotFound".to_owned(), format!("job version 9 not found for job {id}")));
}

#[tokio::test(start_paused = true)]
async fn an_update_replaces_what_runs() {
    let sim = Bacalhau::new();
    let id = put(&sim, wasm("spin", json!({"Name": "n"}))).await;
    pass(1.0).await;
    put(&sim, wasm("hello", json!({"Name": "n"}))).await;
    pass(1.0).await;
    assert_eq!(state(&sim, &id).await, "Completed");
    assert_eq!(
        history(&sim, &id).await[4..7],
        [
            "Job Submission: Job updated",
            "Execution Scheduling: Execution stopped for job update",
            "Execution Scheduling: Requested execution on node1",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_rerun_makes_a_version_and_brings_a_job_back() {
    let sim = Bacalhau::new();
    let id = put(&sim, wasm("hello", json!({}))).await;
    let early = tell(&sim, &format!("PUT {JOBS}/{id}/rerun"), &json!({})).await.refusal();
    assert_eq!(early.2, "cannot rerun job in state Pending");
    pass(1.0).await;
    let again = tell(&sim, &format!("PUT {JOBS}/{id}/rerun"), &json!({"JobVersion": 1, "Reason": "x"})).await.ok();
    assert_eq!((&again["JobID"], &again["JobVersion"]), (&json!(id), &json!(2)));
    assert_eq!(get(&sim, &id).await["State"], json!({"StateType": "Pending", "Message": "job rerun"}));
    pass(1.0).await;
    assert_eq!(state(&sim, &id).await, "Completed");
    assert_eq!(ask(&sim, &format!("PUT {JOBS}/{id}/rerun")).await.ok()["JobVersion"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_rerun_of_what_is_not_there_freezes_every_write_and_no_read() {
    let sim = Bacalhau::new();
    let id = put(&sim, wasm("spin", json!({}))).await;
    let first = tell(&sim, &format!("PUT {JOBS}/{id}/rerun"), &json!({"JobVersion": 7})).await.refusal();
    assert_eq!(first, (400, "BadRequest".to_owned(), format!("job version 7 not found for job {id}")));
    for (what, body) in [
        (format!("PUT {JOBS}"), json!({"Job": wasm("hello", json!({}))})),
        (format!("DELETE {JOBS}/{id}"), json!({})),
        (format!("PUT {JOBS}/{id}/rerun"), json!({})),
    ] {
        let before = sim.elapsed();
        let answer = tell(&sim, &what, &body).await;
        assert_eq!((answer.status, answer.text()), (503, "Server Timeout!"));
        assert_eq!(sim.elapsed() - before, Duration::from_secs(30));
    }
    assert_eq!(state(&sim, &id).await, "Pending", "nothing moves any more");
    assert_eq!(sim.ledger().submissions(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_difference_is_told_and_no_difference_is_an_empty_text() {
    let sim = Bacalhau::new();
    put(&sim, wasm("hello", json!({"Name": "n"}))).await;
    let diff = async |job: Value| tell(&sim, &format!("PUT {JOBS}/diff"), &json!({"Job": job})).await;
    assert_eq!(diff(wasm("hello", json!({"Name": "n"}))).await.ok(), json!({"Diff": "", "Warnings": null}));
    let text = diff(wasm("hello", json!({"Name": "n", "Priority": 5}))).await.ok()["Diff"].as_str().unwrap().to_owned();
    assert!(text.contains("- \t\t\"Priority\": 0") && text.contains("+ \t\t\"Priority\": 5"), "{text}");
    assert_eq!(diff(wasm("hello", json!({}))).await.refusal().2, "invalid job spec: name is missing");
    let unknown = diff(wasm("hello", json!({"Name": "x"}))).await.refusal();
    assert_eq!((unknown.0, unknown.2.as_str()), (404, "job name index not found: x:default"));
}

#[tokio::test(start_paused = true)]
async fn older_servers_name_lists_and_number_states_in_their_own_way() {
    let completed = async |version: &str| {
        let sim = Bacalhau::builder().version(version).build();
        let id = put(&sim, wasm("hello", json!({}))).await;
        pass(1.0).await;
        (sim, id)
    };
    for (version, member, number) in
        [("1.3.1", "Executions", 7), ("1.4.0", "Items", 7), ("1.5.2", "Items", 7), ("1.6.0", "Items", 9)]
    {
        let (sim, id) = completed(version).await;
        let page = ask(&sim, &format!("GET {JOBS}/{id}/executions")).await.ok();
        assert_eq!(page[member][0]["ComputeState"]["StateType"], number, "{version}: {page}");
    }
    let (sim, id) = completed("1.3.0").await;
    let list = ask(&sim, &format!("GET {JOBS}")).await;
    assert_eq!((list.ok()["Jobs"][0]["ID"].clone(), list.header("x-bacalhau-git-version")), (json!(id), "v1.3.0"));
    let history = ask(&sim, &format!("GET {JOBS}/{id}/history")).await.ok();
    let entry = &history["History"][2];
    assert_eq!(
        (&entry["JobState"], &entry["SeqNum"], &entry["Event"]),
        (&json!({"Previous": "Pending", "New": "Running"}), &json!(null), &json!(null))
    );
    let (sim, _) = completed("1.7.0").await;
    let twice =
        [put(&sim, wasm("hello", json!({"Name": "n"}))).await, put(&sim, wasm("hello", json!({"Name": "n"}))).await];
    assert_ne!(twice[0], twice[1], "names are not unique yet");
    assert_eq!(ask(&sim, &format!("PUT {JOBS}/n/rerun")).await.refusal().0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_module_in_the_engine_runs_on_every_server_and_newer_ones_move_it() {
    for (version, place) in [("1.4.0", json!(null)), ("1.9.3", json!("/wasm/entry.wasm"))] {
        let sim = Bacalhau::builder().version(version).build();
        let source = json!({"Source": {"Type": "inline", "Params": {"URL": module("hello")}}});
        let engine = json!({"Type": "wasm", "Params": {"EntryModule": source, "EntryPoint": "_start"}});
        let id = put(&sim, wasm("hello", json!({"task/Engine": engine, "task/InputSources": []}))).await;
        pass(1.0).await;
        let job = get(&sim, &id).await;
        assert_eq!(
            (&job["State"]["StateType"], &job["Tasks"][0]["InputSources"][0]["Target"]),
            (&json!("Completed"), &place)
        );
    }
}

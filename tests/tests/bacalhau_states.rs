//! Records of both interfaces as states, each word, and why a job failed.
use consign::bacalhau::{Requester, ServerVersion};
use consign::{Jobs, Outcome, Reason, Snapshot, State};
use consign_tests::bacalhau::{json, scripted, scripted_requester};
use serde_json::{Value, json};

const ID: &str = "9304c616-291f-41ad-b862-54e133c0149e";

/// What a look at a v1 server of this version shows of this answer.
async fn seen(answer: Value, version: &'static str) -> Snapshot<consign::bacalhau::Bacalhau> {
    let jobs = scripted(move |request| {
        assert_eq!(request.uri().query(), Some("include=executions"));
        let mut answer = json(200, &answer);
        answer.headers_mut().insert("x-bacalhau-git-version", version.parse().unwrap());
        answer
    });
    jobs.attach(consign::bacalhau::Bacalhau::ticket_of_job("j-1")).unwrap().look().await.unwrap()
}

fn job(state: &str, message: &str, executions: Value) -> Value {
    json!({"Job": {"ID": "j-1", "Type": "batch", "State": {"StateType": state, "Message": message}},
        "Executions": {"NextToken": "", "Items": executions}})
}

fn execution(id: &str, state: u8, message: &str, made: u64) -> Value {
    json!({"ID": id, "NodeID": "n", "ComputeState": {"StateType": state, "Message": message}, "CreateTime": made,
        "Job": {"ID": "j-1", "State": {"StateType": "Pending"}},
        "RunOutput": {"Stdout": "so", "stderr": "se", "ExitCode": 3}})
}

/// What a look at a requester shows of these answers to `states` and `events`.
async fn seen_old(state: Value, events: Value) -> Snapshot<Requester> {
    let requester = scripted_requester(move |request| match request.uri().path() {
        "/requester/states" => json(200, &json!({"state": state})),
        "/requester/events" => json(200, &json!({"events": events})),
        other => panic!("{other}"),
    });
    let jobs = Jobs::new(requester.build().unwrap());
    jobs.attach(Requester::ticket_of_job(ID)).unwrap().look().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_word_of_the_v1_interface_is_a_state() {
    for (word, state, finished) in [
        ("Pending", "queued", false),
        ("Queued", "queued", false),
        ("Running", "running", false),
        ("running", "running", false),
        ("Completed", "succeeded", true),
        ("Failed", "failed", true),
        ("Stopped", "cancelled", true),
        ("Undefined", "unknown", false),
        ("Frozen", "unknown", false),
        ("", "unknown", false),
    ] {
        let snapshot = seen(job(word, "", json!([])), "v1.9.3").await;
        assert_eq!((snapshot.state().as_str(), snapshot.finished()), (state, finished), "{word}");
        assert_eq!(snapshot.items().len(), 1);
    }
    let snapshot = seen(json!({"Job": {"ID": "j-1"}}), "v1.9.3").await;
    assert_eq!((snapshot.state(), snapshot.finished()), (State::Unknown("".into()), false));
}

#[tokio::test(start_paused = true)]
async fn a_failure_leads_with_the_reason_of_the_last_failed_execution() {
    let nodes = "not enough nodes to run job. requested: 1, available: 1";
    // Listed newest first; the one that counts is the one made last.
    let executions = json!([
        execution("e-2", 10, "Execution timed out after 2s", 2),
        execution("e-1", 10, "first try", 1),
        execution("e-3", 8, "bid rejected", 3),
    ]);
    let snapshot = seen(job("Failed", nodes, executions), "v1.9.3").await;
    let Some(Outcome::Failed(failure)) = snapshot.outcome() else { panic!("{snapshot:?}") };
    assert_eq!(failure.message.as_deref(), Some(&*format!("Execution timed out after 2s (job: {nodes})")));
    assert_eq!((failure.reason, failure.word.as_deref()), (Reason::TimedOut, Some("Failed")));
    // Without one, the job's own words are all there is.
    let snapshot = seen(job("Failed", nodes, json!([])), "v1.9.3").await;
    assert_eq!(snapshot.items()[0].message.as_deref(), Some(nodes));
    let snapshot = seen(job("Failed", "Job timed out. Job took longer than 3s", json!([])), "v1.9.3").await;
    assert_eq!(snapshot.items()[0].reason, Some(Reason::TimedOut));
    let snapshot = seen(job("Stopped", "no longer needed", json!([])), "v1.9.3").await;
    assert_eq!(snapshot.items()[0].message.as_deref(), Some("no longer needed"));
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_of_the_job_is_told_from_other_timeouts() {
    let pull = json!([execution("e-1", 10, "failed to pull image: dial tcp 10.0.0.1:443: i/o timeout", 1)]);
    let snapshot = seen(job("Failed", "not enough nodes to run job", pull), "v1.9.3").await;
    assert_eq!(snapshot.items()[0].reason, Some(Reason::Failed));
    // It was tried, failed, and was being tried again when its time was over.
    let tried = json!([execution("e-1", 10, "wasm error: unreachable", 1), execution("e-2", 11, "", 2)]);
    let snapshot = seen(job("Failed", "Job timed out. Job took longer than 3s", tried), "v1.9.3").await;
    assert_eq!(snapshot.items()[0].reason, Some(Reason::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn numbers_of_execution_states_are_read_by_the_servers_version() {
    for (version, completed, failed) in [("v1.9.3", 9, 10), ("v1.6.0", 9, 10), ("v1.5.1", 7, 8), ("v0.0.0-abc", 9, 10)]
    {
        let executions = json!([execution("e-1", completed, "Running", 1), execution("e-2", failed, "trap", 2)]);
        let snapshot = seen(job("Completed", "", executions), version).await;
        let record = snapshot.raw().unwrap();
        assert_eq!(record.version, ServerVersion::read(version));
        let states: Vec<_> = record.executions.iter().map(|e| record.state_of(e).as_str()).collect();
        assert_eq!(states, ["Completed", "Failed"], "{version}");
        assert_eq!(snapshot.items()[0].message.as_deref(), Some("the program ended with the exit code 3"));
        let lines: Vec<_> = <consign::bacalhau::Bacalhau as consign::Provider>::logged(&snapshot);
        assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["so", "se", "so", "se"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_was_seen_holds_for_answers_that_name_none() {
    let jobs = scripted(|request| match request.uri().path() {
        "/api/v1/agent/version" => json(200, &json!({"GitVersion": "v1.5.1"})),
        _ => json(200, &job("Completed", "", json!([execution("e-1", 7, "", 1)]))),
    });
    jobs.provider().server_version().await.unwrap();
    let snapshot = jobs.attach(consign::bacalhau::Bacalhau::ticket_of_job("j-1")).unwrap().look().await.unwrap();
    let record = snapshot.raw().unwrap();
    assert_eq!(record.state_of(&record.executions[0]).as_str(), "Completed");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_give_executions_with_the_job_is_asked_for_them_at_the_end() {
    let jobs = scripted(|request| match request.uri().path() {
        "/api/v1/orchestrator/jobs/j-1" => json(200, &json!({"Job": {"ID": "j-1", "State": {"StateType": "Failed"}}})),
        "/api/v1/orchestrator/jobs/j-1/executions" => {
            json(200, &json!({"Executions": [execution("e-1", 8, "image missing", 1)]}))
        }
        other => panic!("{other}"),
    });
    let job = jobs.attach(consign::bacalhau::Bacalhau::ticket_of_job("j-1")).unwrap();
    let snapshot = job.look().await.unwrap();
    assert_eq!(snapshot.raw().unwrap().executions.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_word_of_the_requester_is_a_state() {
    for (word, state, finished) in [
        ("New", "queued", false),
        ("Queued", "queued", false),
        ("InProgress", "running", false),
        ("Completed", "succeeded", true),
        ("CompletedPartially", "succeeded", true),
        ("Error", "failed", true),
        ("PartialError", "failed", true),
        ("Cancelled", "cancelled", true),
        ("Odd", "unknown", false),
    ] {
        for runs in [json!({"Executions": null}), json!({"Shards": {"0": {"State": "InProgress", "Executions": []}}})] {
            let mut answer = json!({"JobID": ID, "State": word});
            answer.as_object_mut().unwrap().extend(runs.as_object().unwrap().clone());
            let snapshot = seen_old(answer, json!([])).await;
            assert_eq!((snapshot.state().as_str(), snapshot.finished()), (state, finished), "{word}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn up_to_0_3_19_the_state_is_that_of_all_shards_together() {
    let nodes = |states: &[&str]| {
        let shards = |state: &str| json!({"Shards": {"0": {"State": state, "Status": format!("said {state}")}}});
        let nodes: serde_json::Map<_, _> =
            states.iter().enumerate().map(|(n, state)| (format!("n{n}"), shards(state))).collect();
        json!({"Nodes": nodes})
    };
    for (states, state, finished) in [
        (&["Cancelled", "Running"][..], "running", false),
        (&["Completed", "Verifying"], "running", false),
        (&["Waiting", "Error"], "running", false),
        (&["Cancelled", "Completed", "Error"], "succeeded", true),
        (&["Cancelled", "Error"], "failed", true),
        (&["Cancelled", "Bidding"], "queued", false),
        (&["Cancelled", "Cancelled"], "cancelled", true),
        (&["Odd"], "unknown", false),
        (&[], "queued", false),
    ] {
        let snapshot = seen_old(nodes(states), json!([])).await;
        assert_eq!((snapshot.state().as_str(), snapshot.finished()), (state, finished), "{states:?}");
    }
    assert_eq!(seen_old(json!({}), json!([])).await.state(), State::Queued);
    let failed = seen_old(nodes(&["Error"]), json!([])).await;
    assert_eq!(failed.items()[0].message.as_deref(), Some("said Error"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_requester_leads_with_the_execution_and_keeps_the_jobs_last_words() {
    let runs = json!([
        {"State": "Failed", "NodeId": "n1", "ComputeReference": "e-1", "Status": "first try"},
        {"State": "Failed", "NodeId": "n1", "ComputeReference": "e-2", "Status": "wasm error: unreachable"},
        {"State": "AskForBidRejected", "NodeId": "n2", "Status": "busy"},
    ]);
    let events = json!([
        {"Type": "JobLevel", "JobState": {}, "Comment": "Job created"},
        {"Type": "JobLevel", "JobState": {"Previous": "InProgress", "New": "Error"}, "Comment": "node n1 failed due to: wasm error: unreachable"},
        {"Type": "ExecutionLevel", "ExecutionState": {"New": "Failed"}, "Comment": "not the job's"},
    ]);
    let snapshot = seen_old(json!({"JobID": ID, "State": "Error", "Executions": runs}), events).await;
    let message = snapshot.items()[0].message.as_deref();
    assert_eq!(message, Some("wasm error: unreachable (job: node n1 failed due to: …)"));
    let refused = json!([{"State": "AskForBidRejected", "NodeId": "n2", "Status": "Docker installed: false"}]);
    let first = json!([{"Type": "JobLevel", "JobState": {}, "Comment": "Job created"}]);
    let snapshot = seen_old(json!({"JobID": ID, "State": "Error", "Executions": refused}), first).await;
    assert_eq!(snapshot.items()[0].message.as_deref(), Some("Docker installed: false"));
}

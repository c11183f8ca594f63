//! What becomes of jobs: executions, retries, queues, ends, versions.
use consign_sim::Bacalhau;
use consign_sim::bacalhau::Plan;
use serde_json::{Value, json};

use crate::common::*;

#[tokio::test(start_paused = true)]
async fn a_module_runs_and_its_job_completes_with_the_output_known() {
    let sim = Bacalhau::builder().seed(7).build();
    let id = put(&sim, wasm("hello", json!({"Labels": {"env": "prod"}}))).await;
    assert_eq!(state(&sim, &id).await, "Pending");
    pass(1.0).await;
    let job = get(&sim, &id).await;
    assert_eq!(job["State"], json!({"StateType": "Completed"}));
    assert_eq!((&job["Name"], &job["Version"], &job["Revision"]), (&json!(id), &json!(1), &json!(3)));
    assert_eq!(job["Tasks"][0]["Resources"], json!({"CPU": "100m", "Memory": "64mb"}));
    assert_eq!(job["Meta"]["bacalhau.org/requester.id"], "node1");
    let execution = executions(&sim, &id).await.remove(0);
    assert_eq!(execution["ComputeState"], json!({"StateType": 9, "Message": "Running"}));
    assert_eq!(execution["DesiredState"], json!({"StateType": 2, "Message": "execution completed"}));
    assert_eq!(execution["RunOutput"]["Stdout"], "hello from wasm\n");
    // The copy in the execution is that of the beginning.
    assert_eq!(execution["Job"]["State"], json!({"StateType": "Pending"}));
    assert_eq!(
        history(&sim, &id).await,
        [
            "Job Submission: Job submitted",
            "Execution Scheduling: Requested execution on node1",
            "Job State Update: Running",
            "Execution Execution: Running",
            "Execution Execution: Completed successfully",
            "Job State Update: Completed",
        ]
    );
    assert_eq!(sim.ledger().submissions(), 1);
    assert_eq!(sim.ledger().of("put")[0].made, [id.as_str()]);
    let view = sim.job(&id).unwrap();
    assert_eq!((view.state.as_str(), view.executions, view.submitted), ("Completed", 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_code_of_exit_is_no_failure() {
    let sim = Bacalhau::new();
    let id = put(&sim, wasm("exit3", json!({}))).await;
    pass(1.0).await;
    assert_eq!(state(&sim, &id).await, "Completed");
    let output = &executions(&sim, &id).await[0]["RunOutput"];
    assert_eq!(
        (&output["Stdout"], &output["stderr"], &output["ExitCode"]),
        (&json!("out\n"), &json!("err\n"), &json!(3))
    );
}

#[tokio::test(start_paused = true)]
async fn a_trap_is_tried_twice_and_the_reason_stands_only_in_the_executions() {
    let sim = Bacalhau::new();
    let id = put(&sim, wasm("trap", json!({}))).await;
    pass(1.0).await;
    let job = get(&sim, &id).await;
    let message = "not enough nodes to run job. requested: 1, available: 1, suitable: 0.\n\
                   \u{2022} Node node1: job already executed on this node more than once";
    assert_eq!(job["State"], json!({"StateType": "Failed", "Message": message}));
    let all = executions(&sim, &id).await;
    assert_eq!(all.len(), 2);
    for execution in all {
        assert_eq!(execution["ComputeState"]["StateType"], 10);
        assert!(execution["ComputeState"]["Message"].as_str().unwrap().starts_with("wasm error: unreachable"));
        assert_eq!(
            (&execution["RunOutput"]["Stdout"], &execution["PublishedResult"]),
            (&json!(""), &json!({"Type": ""}))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn other_nodes_are_tried_before_the_same_one_again() {
    let sim = Bacalhau::builder().nodes(2).build();
    let id = put(&sim, docker(json!({"sim.failures": "3", "sim.seconds": "1"}))).await;
    pass(10.0).await;
    assert_eq!(state(&sim, &id).await, "Completed");
    let nodes: Vec<Value> =
        executions(&sim, &id).await.into_iter().map(|execution| execution["NodeID"].clone()).collect();
    assert_eq!(nodes, ["node1", "node2", "node1", "node2"]);
}

#[tokio::test(start_paused = true)]
async fn a_job_is_stopped_with_the_reason_of_the_body_and_only_once() {
    let sim = Bacalhau::new();
    let id = put(&sim, wasm("spin", json!({}))).await;
    pass(5.0).await;
    let execution = executions(&sim, &id).await.remove(0);
    assert_eq!(
        (state(&sim, &id).await.as_str(), &execution["ComputeState"]),
        ("Running", &json!({"StateType": 5, "Message": "Running"}))
    );
    let stop = format!("DELETE {JOBS}/{id}?reason=not+read");
    let stopped = tell(&sim, &stop, &json!({"reason": "no longer needed"})).await.ok();
    assert_eq!(stopped["EvaluationID"].as_str().unwrap().len(), 36);
    assert_eq!(get(&sim, &id).await["State"], json!({"StateType": "Stopped", "Message": "no longer needed"}));
    pass(0.1).await;
    let execution = executions(&sim, &id).await.remove(0);
    assert_eq!(execution["ComputeState"]["StateType"], 11);
    assert_eq!(ask(&sim, &stop).await.ok(), json!({"EvaluationID": ""}));
    let done = put(&sim, wasm("hello", json!({}))).await;
    pass(1.0).await;
    let refused = ask(&sim, &format!("DELETE {JOBS}/{done}")).await.refusal();
    assert_eq!(refused, (500, String::new(), "cannot stop job in state Completed".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn timeouts_of_an_execution_and_of_a_job_are_told_apart() {
    let sim = Bacalhau::new();
    let slow = put(&sim, wasm("spin", json!({"task/Timeouts": {"ExecutionTimeout": 2}}))).await;
    let total = put(&sim, wasm("spin", json!({"task/Timeouts": {"TotalTimeout": 3}}))).await;
    pass(2.5).await;
    assert_eq!(executions(&sim, &slow).await[0]["ComputeState"]["Message"], "Execution timed out after 2s");
    assert_eq!(state(&sim, &slow).await, "Running");
    pass(2.5).await;
    assert_eq!(state(&sim, &slow).await, "Failed");
    let job = get(&sim, &total).await;
    assert_eq!(job["State"]["Message"], "Job timed out. Job took longer than 3s");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_no_node_fits_fails_at_once_or_waits_in_the_queue() {
    let sim = Bacalhau::builder().engines(&["wasm"]).build();
    let now = put(&sim, docker(json!({}))).await;
    let mut later = docker(json!({}));
    amend(&mut later, json!({"task/Timeouts": {"QueueTimeout": 90}}));
    let later = put(&sim, later).await;
    pass(1.0).await;
    assert_eq!((state(&sim, &now).await.as_str(), state(&sim, &later).await.as_str()), ("Failed", "Queued"));
    let message = get(&sim, &later).await["State"]["Message"].clone();
    assert!(message.as_str().unwrap().ends_with("Node node1: does not support docker, only wasm"), "{message}");
    // The scheduler looks once a minute.
    pass(100.0).await;
    assert_eq!(state(&sim, &later).await, "Queued");
    pass(30.0).await;
    assert_eq!(state(&sim, &later).await, "Failed");
}

#[tokio::test(start_paused = true)]
async fn constraints_choose_nodes_and_one_that_is_not_understood_waits_for_ever() {
    let sim = Bacalhau::builder().node_label("region", "eu").build();
    let constraint = |operator: &str, values: &[&str]| {
        wasm("hello", json!({"Constraints": [{"Key": "region", "Operator": operator, "Values": values}]}))
    };
    let fits = put(&sim, constraint("in", &["eu", "us"])).await;
    let not = put(&sim, constraint("!=", &["eu"])).await;
    let never = put(&sim, constraint("like", &["eu"])).await;
    pass(600.0).await;
    assert_eq!(state(&sim, &fits).await, "Completed");
    assert!(
        get(&sim, &not).await["State"]["Message"]
            .as_str()
            .unwrap()
            .contains("don't match required selectors [region != eu]")
    );
    assert_eq!(state(&sim, &never).await, "Pending");
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_job_has_its_own_end() {
    let sim = Bacalhau::builder().nodes(2).build();
    let ops = put(&sim, wasm("hello", json!({"Type": "ops", "Count": 0}))).await;
    let failing = put(&sim, wasm("trap", json!({"Type": "ops", "Count": 0}))).await;
    let daemon = put(&sim, wasm("spin", json!({"Type": "daemon", "Count": 0}))).await;
    let service = put(&sim, wasm("hello", json!({"Type": "service"}))).await;
    let many = put(&sim, wasm("hello", json!({"Count": 2}))).await;
    let none = put(&sim, wasm("hello", json!({"Count": 0}))).await;
    pass(2.0).await;
    assert_eq!((state(&sim, &ops).await.as_str(), executions(&sim, &ops).await.len()), ("Completed", 2));
    assert_eq!(get(&sim, &failing).await["State"]["Message"], "Job failed because one or more executions failed");
    assert_eq!((state(&sim, &daemon).await.as_str(), executions(&sim, &daemon).await.len()), ("Running", 2));
    let ended = &executions(&sim, &service).await[0];
    assert_eq!(ended["ComputeState"]["Message"], "execution completed unexpectedly");
    let parts: Vec<Value> = executions(&sim, &many).await.iter().map(|e| e["PartitionIndex"].clone()).collect();
    assert_eq!(parts, [Value::Null, json!(1)]);
    assert_eq!((state(&sim, &none).await.as_str(), executions(&sim, &none).await.len()), ("Completed", 0));
}

#[tokio::test(start_paused = true)]
async fn labels_and_scripts_say_what_becomes_of_a_job() {
    let sim = Bacalhau::builder()
        .script(|_, index| if index == 0 { Plan::fail("out of memory") } else { Plan::default() })
        .build();
    let scripted = put(&sim, docker(json!({"sim.seconds": "1"}))).await;
    let failing =
        put(&sim, docker(json!({"sim.outcome": "failed", "sim.message": "disk full", "sim.seconds": "1"}))).await;
    let odd = put(&sim, docker(json!({"sim.outcome": "Suspended", "sim.seconds": "1"}))).await;
    let never = put(&sim, docker(json!({"sim.outcome": "running"}))).await;
    let queued = put(&sim, docker(json!({"sim.queue": "30", "sim.seconds": "1"}))).await;
    let stopped = put(&sim, docker(json!({"sim.outcome": "stopped", "sim.seconds": "1"}))).await;
    let spoken = put(&sim, docker(json!({"sim.stdout": "a\nb\n", "sim.exit": "4", "sim.seconds": "1"}))).await;
    pass(20.0).await;
    for (id, why) in [(&scripted, "out of memory"), (&failing, "disk full")] {
        assert_eq!(executions(&sim, id).await[1]["ComputeState"]["Message"], why);
    }
    let mut states = Vec::new();
    for id in [&odd, &never, &queued, &stopped] {
        states.push(state(&sim, id).await);
    }
    assert_eq!(states, ["Suspended", "Running", "Queued", "Stopped"]);
    let output = &executions(&sim, &spoken).await[0]["RunOutput"];
    assert_eq!((&output["Stdout"], &output["ExitCode"]), (&json!("a\nb\n"), &json!(4)));
    pass(20.0).await;
    assert_eq!(state(&sim, &queued).await, "Completed");
    let wrong = tell(&sim, &format!("PUT {JOBS}"), &json!({"Job": docker(json!({"sim.second": "1"}))})).await;
    assert_eq!(wrong.refusal().0, 400);
}

#[tokio::test(start_paused = true)]
async fn without_free_workers_jobs_wait() {
    let sim = Bacalhau::builder().workers(1).build();
    let first = put(&sim, docker(json!({"sim.seconds": "5"}))).await;
    let second = put(&sim, docker(json!({"sim.seconds": "5"}))).await;
    pass(1.0).await;
    assert_eq!((state(&sim, &first).await.as_str(), state(&sim, &second).await.as_str()), ("Running", "Pending"));
    pass(5.0).await;
    assert_eq!((state(&sim, &first).await.as_str(), state(&sim, &second).await.as_str()), ("Completed", "Running"));
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_the_node_fails_what_runs_and_starts_it_anew() {
    let sim = Bacalhau::new();
    let id = put(&sim, wasm("spin", json!({}))).await;
    pass(1.0).await;
    sim.restart_node();
    pass(1.0).await;
    let all = executions(&sim, &id).await;
    assert_eq!((state(&sim, &id).await.as_str(), all.len()), ("Running", 2));
    assert_eq!(all[0]["ComputeState"]["Message"], "Failing due to node restart");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_makes_the_same_run() {
    let run = async |seed| {
        let sim = Bacalhau::builder().seed(seed).build();
        let id = put(&sim, docker(json!({}))).await;
        pass(60.0).await;
        (id.clone(), get(&sim, &id).await)
    };
    assert_eq!(run(3).await, run(3).await);
    assert_ne!(run(3).await.0, run(4).await.0);
}

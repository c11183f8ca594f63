//! The runner's side of Chutes: the outcome is always reported, in a form that its creator can read, and files follow.
use std::future::pending;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use consign::chutes::{FinishJob, Job, JobToken, ReportedResult, Runner};
use consign::{Delivery, ErrorKind, Outcome, Reason, RetryPolicy, State, transport};
use consign_sim::chutes::operation::{COMPLETE_JOB, FINISH_JOB, UPLOAD_JOB_FILE};
use consign_sim::{Chutes as Sim, Fault, Rule};
use consign_tests::chutes::{jobs, runner, runner_of, train};
use serde_json::{Value, json};

/// A service with a job that runs on a node, and nobody reports but the test.
async fn running() -> (Sim, Job, Runner) {
    let sim = Sim::builder().external_runner().build();
    let job = jobs(&sim).submit(train()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(job.look().await.unwrap().state(), State::Running);
    let runner = runner(&sim, job.ticket().data());
    (sim, job, runner)
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}

/// The simulator's only job: status, detail, whether it has ended.
fn stored(sim: &Sim) -> (String, Option<String>, bool) {
    let job = sim.jobs().remove(0);
    (job.status, job.error_detail, job.events.iter().any(|(_, what)| what == "finished"))
}

#[tokio::test(start_paused = true)]
async fn a_job_that_succeeds_is_reported_with_its_result_and_every_file_below_its_folder() {
    let (sim, job, runner) = running().await;
    let big = "x".repeat(300_000);
    let out = folder(&[
        ("model.bin", &big),
        ("checkpoints/epoch 1.json", "{}"),
        ("a/b/c.txt", ""),
        ("r\u{e9}sum\u{e9}.txt", "text"),
    ]);
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/passwd", out.path().join("link")).unwrap();
    let reported = runner.run(out.path(), async { Ok::<_, String>(json!({"accuracy": 0.91})) }).await.unwrap();
    assert_eq!((reported.status.as_str(), reported.missing.len()), ("complete", 0));
    assert_eq!(reported.uploaded, ["a/b/c.txt", "checkpoints/epoch 1.json", "model.bin", "r\u{e9}sum\u{e9}.txt"]);
    let outputs = job.wait().await.unwrap().into_result().unwrap();
    assert_eq!(outputs.result(), Some(&json!({"accuracy": 0.91})));
    assert_eq!(outputs.files().len(), 4);
    assert_eq!(outputs.file("model.bin").unwrap().bytes(1 << 20).await.unwrap(), big);
    // No credential but the tokens, which are in no target that the ledger shows to others.
    assert!(sim.ledger().of(UPLOAD_JOB_FILE).iter().all(|entry| !entry.credentials));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_returns_nothing_or_fails_or_panics_can_still_be_read() {
    let none = Path::new("/nowhere/at/all");
    for ends in ["nothing", "error", "panic", "panic with text"] {
        let (sim, job, runner) = running().await;
        let work = async move {
            match ends {
                "nothing" => Ok(()),
                "error" => Err("out of memory".to_owned()),
                "panic" => panic!("it broke"),
                _ => panic!("it broke: {ends}"),
            }
        };
        let reported = runner.run(none, work).await.unwrap();
        let (status, detail, ended) = stored(&sim);
        assert!(ended && sim.jobs()[0].readable && sim.jobs()[0].result == Value::Null, "{ends}");
        assert_eq!(reported.status, status);
        match ends {
            "nothing" => assert_eq!((status.as_str(), detail), ("complete", None)),
            "error" => assert_eq!((status.as_str(), detail.as_deref()), ("error", Some("out of memory"))),
            _ => assert!(detail.unwrap().starts_with("the job panicked: it broke")),
        }
        let done = job.wait().timeout(Duration::from_secs(3600)).await.unwrap();
        assert_eq!(*done.outcome(), Outcome::Unknown("null result".into()), "{ends}");
        let error = done.into_result().unwrap_err().to_string();
        assert!(error.contains("the method returned nothing, or its failure"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_would_make_the_job_unreadable_is_not_sent() {
    let (sim, _, runner) = running().await;
    let mut report = runner.report();
    for bad in [json!("done"), json!(5), json!([1]), json!({"a": 1e20}), json!({"a": ["x\0"]}), json!(true)] {
        let error = report.success(&bad).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidRequest, Delivery::NotSent), "{bad}");
        assert!(error.to_string().contains("result"), "{error}");
    }
    let error = report.success(&std::collections::BTreeMap::from([("lr", f64::NAN)])).await.unwrap_err();
    assert!(error.to_string().contains("result.lr"), "{error}");
    for result in [ReportedResult::Absent, ReportedResult::Value(json!("done"))] {
        let mut bare = FinishJob::failed("x");
        bare.result = result;
        assert_eq!(runner.finish(&bare).await.unwrap_err().delivery(), Delivery::NotSent);
    }
    assert_eq!(sim.ledger().count(FINISH_JOB), 0);
    // The guard is as it was; names that are reserved in arguments are free in results.
    let reported = report.success(&json!({"_disk_gb": 5, "job_status_url": "x"})).await.unwrap();
    assert_eq!((reported.status.as_str(), stored(&sim).2), ("complete", true));
    assert_eq!(report.failure("late").await.unwrap_err().kind(), ErrorKind::Conflict);
    drop(report);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((sim.ledger().count(FINISH_JOB), stored(&sim).0.as_str()), (1, "complete"));
    // Whoever runs a job with such a result gets it reported as failed, and is told.
    let (sim, _, runner) = running().await;
    let error = runner.run("/nowhere", async { Ok::<_, String>("done") }).await.unwrap_err();
    assert_eq!((error.kind(), stored(&sim).0.as_str()), (ErrorKind::InvalidRequest, "error"));
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_goes_away_reports_all_the_same() {
    // Dropped.
    let (sim, _, runner) = running().await;
    let out = folder(&[("_chute.log", "it began")]);
    drop(runner.report().folder(out.path()));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(stored(&sim), ("error".to_owned(), Some("the runner went away without a report".to_owned()), true));
    assert_eq!(sim.jobs()[0].files.as_deref(), Some(&[("_chute.log".to_owned(), true)][..]));

    // In a task that panics.
    let (sim, _, runner) = running().await;
    let task = tokio::spawn(async move {
        let _report = runner.report();
        panic!("it broke");
    });
    task.await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(stored(&sim), ("error".to_owned(), Some("the job panicked".to_owned()), true));

    // The future of a job that is dropped while it works.
    let (sim, _, runner) = running().await;
    let work = runner.run("/nowhere", pending::<Result<(), String>>());
    tokio::time::timeout(Duration::from_secs(60), work).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((stored(&sim).0.as_str(), stored(&sim).2), ("error", true));

    // On a thread without a runtime: the one it was made in does it.
    let (sim, _, runner) = running().await;
    let report = runner.report();
    std::thread::spawn(move || drop(report)).join().unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((stored(&sim).0.as_str(), stored(&sim).2), ("error", true));
}

#[tokio::test(start_paused = true)]
async fn a_report_that_is_dropped_in_the_middle_is_brought_to_its_end_as_it_began() {
    let (sim, job, runner) = running().await;
    let out = folder(&[("a", "1"), ("b", "2")]);
    sim.faults().add(Rule::new(Fault::delay(Duration::from_secs(20))).on(UPLOAD_JOB_FILE).always());
    let mut report = runner.report().folder(out.path());
    tokio::time::timeout(Duration::from_secs(5), report.success(&json!({"ok": true}))).await.unwrap_err();
    drop(report);
    let done = job.wait().timeout(Duration::from_secs(3600)).await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Done, "not as failed");
    assert_eq!(done.outputs().files().iter().filter(|file| file.is_uploaded()).count(), 2);
    assert_eq!(sim.ledger().count(FINISH_JOB), 1);
}

#[tokio::test(start_paused = true)]
async fn each_step_is_repeated_and_a_lost_answer_does_no_harm() {
    let faults = [
        ("lost", Fault::lose_reply()),
        ("reset", Fault::drop_before()),
        ("502", Fault::html(502)),
        ("429", Fault::status(429).retry_after(3)),
        ("500 though stored", Fault::text(500, "Internal Server Error").after_processing()),
    ];
    for operation in [FINISH_JOB, UPLOAD_JOB_FILE, COMPLETE_JOB] {
        for (name, fault) in &faults {
            let (sim, job, runner) = running().await;
            let out = folder(&[("a.bin", "1234")]);
            sim.faults().add(Rule::new(fault.clone()).on(operation).times(2));
            let reported = runner.run(out.path(), async { Ok::<_, String>(json!({})) }).await;
            let reported = reported.unwrap_or_else(|error| panic!("{operation} {name}: {error}"));
            assert_eq!((reported.uploaded.len(), reported.missing.len()), (1, 0), "{operation} {name}");
            assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Done, "{operation} {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_uploaded_is_told_and_the_job_is_closed() {
    let (sim, job, runner) = running().await;
    let out = folder(&[("a", "1"), ("b", "2")]);
    let report = runner.report().folder(out.path()).file("extra/c", "/nowhere/at/all");
    sim.faults().once(UPLOAD_JOB_FILE, Fault::json(401, &json!({"detail": "Missing or invalid JWT"})));
    let mut report = report;
    let reported = report.success(&()).await.unwrap();
    let mut missing: Vec<_> = reported.missing.iter().map(|(name, error)| (name.as_str(), error.kind())).collect();
    missing.sort_by_key(|(name, _)| name.len());
    assert_eq!((reported.uploaded.len(), missing.len(), missing[1]), (1, 2, ("extra/c", ErrorKind::Io)));
    assert_eq!(missing[0].1, ErrorKind::Unauthorized);
    assert_eq!(stored(&sim).0, "partial_failure");
    let Outcome::Failed(failure) = job.wait().await.unwrap().outcome().clone() else { panic!("it is partial") };
    assert_eq!(failure.reason, Reason::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ended_otherwise_refuses_the_report_once() {
    let (sim, _, runner) = running().await;
    runner.run("/nowhere", async { Ok::<_, String>(()) }).await.unwrap();
    let error = runner.run("/nowhere", async { Ok::<_, String>(()) }).await.unwrap_err();
    assert_eq!((error.status(), error.message()), (Some(400), "Job already finished"));
    assert_eq!(runner.complete().await.unwrap_err().status(), Some(400));
    let sent = sim.ledger().len();
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(sim.ledger().len(), sent, "nothing goes on in the background");
}

#[tokio::test(start_paused = true)]
async fn an_outage_at_the_end_keeps_the_report_for_another_try() {
    let (sim, _, runner) = running().await;
    sim.faults().add(Rule::new(Fault::drop_before()).on(FINISH_JOB).times(8));
    let mut report = runner.report();
    let error = report.success(&json!({"a": 1})).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Transport, 7));
    // What is dropped now is still a success.
    drop(report);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((stored(&sim).0.as_str(), &sim.jobs()[0].result), ("complete", &json!({"a": 1})));
}

#[tokio::test(start_paused = true)]
async fn tokens_go_to_one_host_and_are_shown_nowhere() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let serve = transport::from_fn(move |request: http::Request<Bytes>| {
        log.lock()
            .unwrap()
            .push((request.uri().host().unwrap().to_owned(), request.headers().contains_key("authorization")));
        let echo = request.uri().to_string();
        async move {
            let body = if echo.contains("/upload") {
                json!({"detail": format!("refused: {echo}")})
            } else {
                json!({"job_id": "j", "output_storage_urls": {"a": "https://elsewhere.example/jobs/j/upload?token=file.s3cret.token"}})
            };
            let status = if echo.contains("/upload") { 401 } else { 200 };
            Ok(http::Response::builder().status(status).body(body.to_string().into()).unwrap())
        }
    });
    let url = "https://jobs.example/jobs/j?token=job.s3cret.token";
    let builder = Runner::builder(url).transport(serve).retry(RetryPolicy::never());
    let shown = format!("{builder:?}");
    let runner = builder.build().unwrap();
    let out = folder(&[("a", "1")]);
    let reported = runner.run(out.path(), async { Ok::<_, String>(()) }).await.unwrap();
    let hosts = seen.lock().unwrap().clone();
    assert_eq!(hosts, vec![("jobs.example".to_owned(), false); 3]);
    let shown = format!("{shown} {runner:?} {:?} {reported:?} {}", runner.report(), reported.missing[0].1);
    assert!(shown.contains("refused") && !shown.contains("s3cret"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn the_three_calls_can_be_made_one_by_one() {
    let (sim, job, _) = running().await;
    let runner = runner_of(&sim, &sim.job_status_url(job.ticket().data())).build().unwrap();
    assert_eq!(runner.job_id(), job.ticket().data());
    let report = FinishJob::complete(None).output_filenames(["a.txt"]);
    let record = runner.finish(&report).await.unwrap();
    let token: JobToken = record.output_storage_urls.unwrap()["a.txt"].token().unwrap();
    let file = runner.upload(&token, "a.txt", "text").await.unwrap();
    assert_eq!((file.uploaded, file.filename.as_deref()), (Some(true), Some("a.txt")));
    let error = runner.upload(&token, "b.txt", "text").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    runner.complete().await.unwrap();
    assert_eq!(stored(&sim).0, "complete");
    for bad in ["", "https://h/jobs/", "https://h/jobs/a?token=", "ftp://h/jobs/a?s3cret"] {
        let error = Runner::from_status_url(bad).unwrap_err();
        assert!(error.kind() == ErrorKind::Config && !error.to_string().contains("s3cret"), "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_of_a_failure_is_reported_whatever_characters_are_in_it() {
    let (sim, job, runner) = running().await;
    let out = folder(&[("a", "1")]);
    let mut report = runner.report().folder(out.path()).file("b\0", out.path().join("a"));
    let reported = report.failure("exit status 1: \0core\0 dumped").await.unwrap();
    assert_eq!(stored(&sim), ("error".to_owned(), Some("exit status 1: \u{fffd}core\u{fffd} dumped".to_owned()), true));
    assert_eq!(reported.uploaded, ["a"]);
    let missing: Vec<_> = reported.missing.iter().map(|(name, error)| (name.as_str(), error.kind())).collect();
    assert_eq!(missing, [("b\0", ErrorKind::InvalidRequest)]);
    assert_eq!(sim.ledger().count(FINISH_JOB), 1);
    assert!(job.wait().timeout(Duration::from_secs(3600)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_report_made_by_hand_is_held_to_what_the_service_can_give_back() {
    let (sim, _, runner) = running().await;
    let members = |value: Value| value.as_object().cloned();
    let bad = [
        (FinishJob::complete(members(json!({"a": [1e20]}))), "result.a[0]"),
        (FinishJob::complete(members(json!({"a": "x\0"}))), "result.a"),
        (FinishJob::failed("x\0"), "detail"),
        (FinishJob::failed("x").output_filenames(["a", "b\0"]), "output_filenames[1]"),
    ];
    for (report, member) in bad {
        let error = runner.finish(&report).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidRequest, Delivery::NotSent), "{report:?}");
        assert!(error.to_string().contains(member), "{error}");
    }
    assert_eq!(sim.ledger().count(FINISH_JOB), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_does_not_show_the_tokens_of_the_files_in_it() {
    let serve = transport::from_fn(move |_: http::Request<Bytes>| async move {
        let urls = json!({"a": "https://elsewhere.example/jobs/j/upload?token=file.s3cret.token"});
        let body = json!({"job_id": "j", "output_files": [1], "output_storage_urls": urls});
        Ok(http::Response::builder().status(200).body(body.to_string().into()).unwrap())
    });
    let url = "https://jobs.example/jobs/j?token=job.s3cret.token";
    let runner = Runner::builder(url).transport(serve).retry(RetryPolicy::never()).build().unwrap();
    let error = runner.finish(&FinishJob::failed("x")).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Decode, Some(200)));
    assert!(!format!("{error} {error:?} {}", error.http().body()).contains("s3cret"), "{}", error.http().body());
    // Nor does an address show the password that somebody put into it.
    let builder = Runner::builder("https://u:s3cret@jobs.example/jobs/j?token=t");
    let shown = format!("{builder:?}");
    assert!(!format!("{shown} {}", builder.build().unwrap_err()).contains("s3cret"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_end_was_never_heard_of_is_reported_all_the_same_at_the_next_try() {
    let (sim, job, runner) = running().await;
    sim.faults().add(Rule::new(Fault::lose_reply()).on(COMPLETE_JOB).times(1));
    sim.faults().add(Rule::new(Fault::drop_before()).on(COMPLETE_JOB).times(6));
    let mut report = runner.report();
    report.success(&json!({"a": 1})).await.unwrap_err();
    assert!(stored(&sim).2);
    assert_eq!(report.success(&json!({"a": 1})).await.unwrap().status, "complete");
    assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Done);
}

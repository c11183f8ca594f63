//! Bacalhau when things go wrong: lost replies, timeouts of the server, gateways, and what a server may not do to us.
use std::time::Duration;

use consign::bacalhau::Bacalhau;
use consign::{Delivery, ErrorKind, Outcome, RetryPolicy, State};
use consign_sim::bacalhau::operation::{GET, HISTORY, LIST, LOGS, PUT, STOP, VERSION};
use consign_sim::bacalhau::{Bacalhau as Sim, Plan};
use consign_sim::{Fault, Rule};
use consign_tests::bacalhau::{builder, echo, hello, jobs, json, scripted};
use serde_json::json;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
/// A job of some time.
fn lasting(seconds: f64) -> Sim {
    Sim::builder().script(move |_, _| Plan::succeed().seconds(seconds).stdout("one\ntwo\nthree\n")).build()
}

#[tokio::test(start_paused = true)]
async fn a_submission_whose_fate_is_unknown_is_never_repeated_and_a_name_finds_it() {
    let unclear = || {
        [
            Fault::lose_reply(),
            Fault::text(503, "Server Timeout!").after_processing(),
            Fault::html(502).after_processing(),
            Fault::status(500).after_processing(),
        ]
    };
    for fault in unclear() {
        let sim = lasting(5.0);
        sim.faults().once(PUT, fault);
        let error = jobs(&sim).submit(echo("x").name("nightly").namespace("team")).await.unwrap_err();
        assert_eq!(error.delivery(), Delivery::Unknown, "{error}");
        assert_eq!(sim.ledger().submissions(), 1);
        assert!(error.to_string().contains("its name"), "{error}");
        // What may be there is found by the ticket that the error carries.
        let job = jobs(&sim).attach(error.ticket().unwrap().clone()).unwrap();
        assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Done);
    }
    for fault in unclear() {
        let sim = lasting(5.0);
        sim.faults().once(PUT, fault);
        let error = jobs(&sim).submit(echo("x")).await.unwrap_err();
        assert_eq!((error.delivery(), error.ticket(), sim.jobs().len()), (Delivery::Unknown, None, 1));
        assert!(error.to_string().contains("list jobs"), "{error}");
        // A server that finds no job by its name is known before the job is sent.
        let old = Sim::builder().version("1.7.0").build();
        old.faults().once(PUT, Fault::lose_reply());
        let error = jobs(&old).submit(echo("x").name("nightly")).await.unwrap_err();
        assert_eq!((error.delivery(), error.ticket(), old.jobs().len()), (Delivery::Unknown, None, 1));
        assert!(error.to_string().contains("list jobs"), "{error}");
        // Nor is a name of use that no path leads to.
        for (namespace, name) in [("default", "a/b"), ("default", ".."), ("a&name=b", "c")] {
            sim.faults().once(PUT, Fault::lose_reply());
            let error = jobs(&sim).submit(echo("x").namespace(namespace).name(name)).await.unwrap_err();
            assert_eq!((error.delivery(), error.ticket()), (Delivery::Unknown, None), "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_submission_that_surely_did_nothing_is_sent_again() {
    let sim = lasting(1.0);
    sim.faults().once(PUT, Fault::text(429, "You have reached maximum request limit.").retry_after(2));
    jobs(&sim).submit(echo("x")).await.unwrap();
    assert_eq!((sim.jobs().len(), sim.ledger().count(PUT)), (1, 2));
    assert!(sim.elapsed() >= secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_version_that_cannot_be_had_leaves_the_job_unsent() {
    let sim = Sim::new();
    sim.faults().add(Rule::new(Fault::status(500)).on(VERSION).always());
    let jobs = builder(&sim).retry(RetryPolicy::never()).build();
    let error = jobs.submit(hello()).await.unwrap_err();
    assert_eq!((error.delivery(), sim.ledger().count(PUT)), (Delivery::NotSent, 0), "{error}");
    // A container has the same form for all.
    jobs.submit(echo("x")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_id_in_an_answer_that_is_broken_elsewhere_is_not_lost() {
    let sim = lasting(1.0);
    sim.faults().once(PUT, Fault::edit_json(|body| body["Warnings"] = json!({"not": "a list"})));
    let job = jobs(&sim).submit(echo("x")).await.unwrap();
    assert_eq!(job.ticket().data(), format!("id={}", sim.jobs()[0].id));
    for change in [json!(null), json!("")] {
        let value = change.clone();
        sim.faults().once(PUT, Fault::edit_json(move |body| body["JobID"] = value.clone()));
        let error = jobs(&sim).submit(echo("x")).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Decode, Delivery::Unknown), "{change}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_lives_through_an_outage_and_a_job_that_is_not_readable_ends_it() {
    let sim = lasting(400.0);
    let job = jobs(&sim).submit(echo("x")).await.unwrap();
    sim.faults().add(Rule::new(Fault::html(502)).on(GET).between(secs(20), secs(300)));
    assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Done);
    for answer in ["<html>login</html>", "{}", "{\"Job\":{}}", "{\"Job\":{\"ID\":\"\"}}", "[1", ""] {
        let sim = lasting(400.0);
        let job = jobs(&sim).submit(echo("x")).await.unwrap();
        sim.faults().add(Rule::new(Fault::text(200, answer)).on(GET).always());
        let error = job.wait().await.unwrap_err();
        assert_eq!((error.kind(), error.ticket()), (ErrorKind::Unreadable, Some(job.ticket())), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_may_have_arrived_is_sent_again_and_is_one_stop() {
    let sim = Sim::builder().script(|_, _| Plan::end("running")).build();
    let jobs = jobs(&sim);
    let job = jobs.submit(echo("x")).await.unwrap();
    sim.faults().once(STOP, Fault::lose_reply());
    job.cancel().await.unwrap();
    assert_eq!(sim.ledger().count(STOP), 2);
    assert_eq!(job.look().await.unwrap().state(), State::Cancelled);
    sim.faults().once(STOP, Fault::text(503, "Server Timeout!"));
    let error = jobs.provider().stop(job.ticket(), "x").await.unwrap_err();
    assert_eq!((error.delivery(), error.ticket()), (Delivery::Unknown, Some(job.ticket())));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_breaks_goes_on_and_gives_nothing_twice() {
    let sim = lasting(90.0);
    let job = jobs(&sim).submit(echo("x")).await.unwrap();
    sim.faults().once(LOGS, Fault::status(502));
    sim.faults().add(Rule::new(Fault::text(200, "")).on(LOGS).skip(1).times(1));
    let (mut text, mut logs) = (String::new(), job.logs());
    while let Some(line) = logs.next().await {
        text.push_str(&line.unwrap().text);
    }
    assert_eq!(text, "one\ntwo\nthree\n");
    // A node that starts again runs the job anew: that is another log.
    let sim = Sim::builder().script(|_, _| Plan::succeed().seconds(60.0).stdout("a\nb\n")).build();
    let job = jobs(&sim).submit(echo("x")).await.unwrap();
    let mut logs = job.logs();
    let mut pieces = vec![logs.next().await.unwrap().unwrap()];
    sim.restart_node();
    while let Some(line) = logs.next().await {
        pieces.push(line.unwrap());
    }
    let runs: std::collections::BTreeSet<_> = pieces.iter().map(|line| line.item.clone()).collect();
    assert_eq!(runs.len(), 2, "{pieces:?}");
    let last = pieces.last().unwrap().item.clone();
    let second: String = pieces.iter().filter(|line| line.item == last).map(|line| &*line.text).collect();
    assert_eq!(second, "a\nb\n");
}

#[tokio::test(start_paused = true)]
async fn a_history_bears_a_few_failures_and_names_its_job_when_it_gives_up() {
    let sim = lasting(60.0);
    let jobs = jobs(&sim);
    let job = jobs.submit(echo("x")).await.unwrap();
    sim.faults().add(Rule::new(Fault::status(502)).on(HISTORY).skip(1).times(4));
    let mut history = jobs.provider().history(job.ticket()).unwrap();
    let mut entries = 0;
    while let Some(entry) = history.next().await {
        entry.unwrap();
        entries += 1;
    }
    assert!(entries > 3);
    sim.faults().add(Rule::new(Fault::status(502)).on(HISTORY).always());
    let mut history = jobs.provider().history(job.ticket()).unwrap();
    let error = history.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::Gateway, Some(job.ticket())));
    assert!(history.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_history_whose_pages_overlap_gives_each_entry_once() {
    let jobs = scripted(|request| {
        let entry = |n: u64| json!({"SeqNum": n, "Type": "JobLevel"});
        match request.uri().query().unwrap_or_default().contains("next_token=a") {
            false => json(200, &json!({"NextToken": "a", "Items": [entry(1), entry(2)]})),
            true => json(200, &json!({"NextToken": "", "Items": [entry(2), entry(3)]})),
        }
    });
    let mut history = jobs.provider().history(&Bacalhau::ticket_of_job("j-1")).unwrap();
    let mut numbers = Vec::new();
    while let Some(entry) = history.next().await {
        numbers.push(entry.unwrap().seq_num.unwrap());
    }
    assert_eq!(numbers, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn pages_that_go_in_circles_are_noticed() {
    let sim = lasting(1.0);
    let jobs = jobs(&sim);
    jobs.submit(echo("x")).await.unwrap();
    sim.faults().add(Rule::new(Fault::edit_json(|body| body["NextToken"] = json!("again"))).on(LIST).always());
    let mut found = jobs.list(Default::default());
    assert!(found.next().await.unwrap().is_ok());
    assert!(found.next().await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn nothing_that_a_server_says_makes_it_panic_or_reach_elsewhere() {
    let odd = [
        json!({"Job": {"ID": "../../x", "State": {"StateType": "Completed"}}, "Executions": {"Items": [
            {"ID": "../../x", "ComputeState": {"StateType": 9}, "RunOutput": null, "PublishedResult":
                {"Type": "urlDownload", "Params": {"URL": "file:///etc/passwd"}}},
            {"ComputeState": {"StateType": -1}, "CreateTime": -9},
            {"ID": null, "ComputeState": null, "PublishedResult": {"Type": "urlDownload", "Params": {"url": 7}}},
        ]}}),
        json!({"Job": {"ID": "j-1", "State": {"StateType": "Failed", "Message": "\u{1b}[31m\0"}, "Revision": u64::MAX,
            "ModifyTime": i64::MIN}, "Executions": {"Items": null}}),
    ];
    for answer in odd {
        let jobs = scripted(move |request| {
            assert!(request.uri().path().starts_with("/api/v1/orchestrator/jobs/"), "{}", request.uri());
            json(200, &answer)
        });
        let job = jobs.attach(Bacalhau::ticket_of_job("j-1")).unwrap();
        let done = job.wait().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        for archive in done.outputs().archives() {
            assert!(archive.save_to(folder.path()).await.is_err());
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut logs = job.logs();
        while logs.next().await.is_some() {}
    }
    for id in ["..", ".", "a/b", "j-1?x=1", "é%2f", "\n"] {
        let jobs = scripted(|_| json(200, &json!({"Job": {"ID": "j-1"}})));
        let looked = jobs.attach(Bacalhau::ticket_of_job(id)).unwrap().look().await;
        if let Err(error) = looked {
            assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidRequest, Delivery::NotSent), "{id:?}");
        }
    }
}

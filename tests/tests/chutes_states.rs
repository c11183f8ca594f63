//! Chutes tells no status: the state of a job as it follows from its record, and what waits make of records that lie.
use std::time::Duration;

use consign::chutes::{Chutes, Jobs};
use consign::{ErrorKind, Event, Outcome, Reason, State};
use consign_sim::chutes::Plan;
use consign_sim::chutes::operation::GET_JOB;
use consign_sim::{Chutes as Sim, Fault, Rule};
use consign_tests::chutes::{answers, builder, jobs, train};
use serde_json::{Value, json};

const ID: &str = "0b8e6c0e-7a53-4c64-9d57-5a1f6f1f0a01";
const END: &str = "2025-07-20T13:02:11.004210";

fn record(members: Value) -> (u16, &'static str, String) {
    let mut record =
        json!({"job_id": ID, "chute_id": Sim::CHUTE, "method": "train", "created_at": "2025-07-20T12:00:00"});
    record.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    (200, "application/json", record.to_string())
}

fn unreadable() -> (u16, &'static str, String) {
    (500, "text/plain; charset=utf-8", "Internal Server Error".to_owned())
}

fn job(jobs: &Jobs) -> consign::chutes::Job {
    jobs.attach(Chutes::ticket_of_job(ID)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_state_follows_from_what_a_record_holds() {
    let node = |verified: bool| json!({"instance_id": "i", "verified": verified});
    let file = |uploaded: bool| json!({"f": {"filename": "a.bin", "path": "p", "uploaded": uploaded}});
    // Members, state, finished, reason, a part of the message.
    let table = [
        (json!({}), "queued", false, None, ""),
        (json!({"active": true, "verified": true}), "queued", false, None, ""),
        (json!({"instance": node(false)}), "queued", false, None, "being launched"),
        (json!({"port_mappings": [{"internal_port": 8000}]}), "queued", false, None, "lost its node"),
        (json!({"output_files": []}), "queued", false, None, ""),
        (json!({"instance": node(true)}), "running", false, None, ""),
        (json!({"output_files": {}}), "running", false, None, ""),
        (json!({"result": {"a": 1}}), "running", false, None, ""),
        (json!({"finished_at": END, "result": {}, "output_files": file(true)}), "succeeded", true, None, ""),
        (json!({"finished_at": "2025-07-20 13:02:11", "result": {}}), "succeeded", true, None, ""),
        (
            json!({"finished_at": END, "result": {}, "output_files": file(false)}),
            "failed",
            true,
            Some(Reason::Failed),
            "1 of 1 declared files were not uploaded: a.bin",
        ),
        (json!({"finished_at": END}), "failed", true, Some(Reason::Lost), "nobody reported"),
        (json!({"finished_at": END, "output_files": []}), "failed", true, Some(Reason::Lost), "nobody reported"),
        (json!({"finished_at": END, "output_files": {}}), "unknown", true, None, "null result"),
        (json!({"finished_at": END, "result": "done"}), "unknown", true, None, "null result"),
        (json!({"status": "pending", "instance": node(true)}), "running", false, None, ""),
        (json!({"status": "pending", "finished_at": END, "result": {}}), "failed", true, Some(Reason::Failed), ""),
        (json!({"status": "complete", "finished_at": END}), "succeeded", true, None, ""),
        (
            json!({"status": "partial_failure", "finished_at": END, "output_files": file(false)}),
            "failed",
            true,
            Some(Reason::Failed),
            "a.bin",
        ),
        (
            json!({"status": "error", "error_detail": "out of memory", "finished_at": END}),
            "failed",
            true,
            Some(Reason::Failed),
            "out of memory",
        ),
        (json!({"status": "billing_termination", "finished_at": END}), "failed", true, Some(Reason::Quota), "balance"),
        (json!({"status": "cancelled", "finished_at": END}), "cancelled", true, None, ""),
        (json!({"status": "preempted", "finished_at": END}), "unknown", true, None, ""),
        (json!({"status": "preempted"}), "unknown", false, None, ""),
    ];
    for (members, state, finished, reason, message) in table {
        let jobs = answers(vec![record(members.clone())]);
        let look = job(&jobs).look().await.unwrap();
        let item = &look.items()[0];
        assert_eq!((look.state().as_str(), look.finished(), item.reason), (state, finished, reason), "{members}");
        assert!(item.message.as_deref().unwrap_or_default().contains(message), "{members}: {:?}", item.message);
        assert_eq!(item.id.as_deref(), Some(ID));
        assert_eq!(&*look.raw().unwrap().job_id, ID);
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_the_service_cannot_give_is_unknown_and_not_finished() {
    let jobs = answers(vec![unreadable()]);
    let look = job(&jobs).look().await.unwrap();
    assert_eq!((look.state().as_str(), look.finished(), look.outcome()), ("unknown", false, None));
    assert!(look.raw().is_none() && look.items()[0].message.as_deref().unwrap().contains("its method failed"));
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_job_that_cannot_be_read_ends_with_its_ticket_after_a_few_looks() {
    let sim = Sim::builder().script(|_, _| Plan::fail("out of memory").seconds(5.0)).build();
    let jobs = jobs(&sim);
    let job = jobs.submit(train()).await.unwrap();
    let error = job.wait().await.unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::Unreadable, Some(job.ticket())));
    assert_eq!(error.last_state().map(State::as_str), Some("unknown"));
    assert!(error.to_string().contains("most often its method failed"), "{error}");
    let looks = sim.ledger().of(GET_JOB);
    let failed = looks.iter().filter(|look| look.status.is_some_and(|status| status == 500)).count();
    assert_eq!(failed, 5);
    assert!(sim.elapsed() < Duration::from_secs(40), "{:?}", sim.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_record_that_can_be_read_again_goes_on() {
    let mut all = vec![record(json!({}))];
    all.extend((0..4).map(|_| unreadable()));
    all.push(record(json!({"instance": {"instance_id": "i", "verified": true}})));
    all.extend((0..4).map(|_| unreadable()));
    all.push(record(json!({"finished_at": END, "result": {"a": 1}})));
    let jobs = answers(all);
    let done = job(&jobs).wait().await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Done);
    assert_eq!(done.into_result().unwrap().result(), Some(&json!({"a": 1})));
}

#[tokio::test(start_paused = true)]
async fn an_outage_in_front_of_the_service_is_sat_out() {
    let sim = Sim::builder().script(|_, _| Plan::complete().seconds(5.0)).build();
    let jobs = jobs(&sim);
    let job = jobs.submit(train()).await.unwrap();
    let (from, until) = (sim.elapsed(), sim.elapsed() + Duration::from_secs(600));
    for fault in [Fault::html(502), Fault::text(500, ""), Fault::html(500)] {
        sim.faults().add(Rule::new(fault).on(GET_JOB).times(3));
    }
    sim.faults().add(Rule::new(Fault::html(503)).on(GET_JOB).always().between(from, until));
    assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Done);
    assert!(sim.elapsed() >= until);
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_word_is_new_and_that_shows_no_life_does_not_wait_for_ever() {
    let jobs = answers(vec![record(json!({"status": "preempted"}))]);
    let error = job(&jobs).wait().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.last_state().unwrap()),
        (ErrorKind::Unreadable, &State::Unknown("preempted".into()))
    );
    // With its end mark it has ended, whatever the word.
    let jobs = answers(vec![record(json!({"status": "preempted", "finished_at": END}))]);
    assert_eq!(*job(&jobs).wait().await.unwrap().outcome(), Outcome::Unknown("preempted".into()));
}

/// What a wait says of a job.
enum Said {
    Ended(Outcome),
    Failed(Reason),
    Broken(ErrorKind),
}
use Said::{Broken, Ended, Failed};

#[tokio::test(start_paused = true)]
async fn every_end_of_the_simulated_service_is_seen_once() {
    // What becomes of a job, and what a wait says of it.
    let table = [
        (Plan::complete().file("a", "x"), Ended(Outcome::Done)),
        (Plan::complete().result(Value::Null), Ended(Outcome::Unknown("null result".into()))),
        (Plan::end("partial_failure").file("a", "x"), Failed(Reason::Failed)),
        (Plan::end("node_removed"), Failed(Reason::Lost)),
        (Plan::end("timeout"), Failed(Reason::Lost)),
        (Plan::end("billing_termination"), Failed(Reason::Lost)),
        (Plan::end("cancelled"), Broken(ErrorKind::Unreadable)),
        (Plan::complete().result("done"), Broken(ErrorKind::Unreadable)),
        (Plan::fail("x"), Broken(ErrorKind::Unreadable)),
        (Plan::end("running"), Broken(ErrorKind::Deadline)),
        (Plan::end("pending"), Broken(ErrorKind::Deadline)),
        (Plan::end("node_lost"), Broken(ErrorKind::Deadline)),
    ];
    for (plan, expected) in table {
        let shown = format!("{plan:?}");
        let sim = Sim::builder().script(move |_, _| plan.clone().seconds(3.0)).build();
        let jobs = builder(&sim).spacing(Duration::ZERO).build();
        let mut watch = jobs.submit(train()).await.unwrap().wait().timeout(Duration::from_secs(300)).watch();
        let (mut ends, mut errors) = (Vec::new(), Vec::new());
        while let Some(event) = watch.next().await {
            match event {
                Ok(Event::Ended(finished)) => ends.push(finished.outcome().clone()),
                Ok(_) => assert!(ends.is_empty()),
                Err(error) => errors.push(error),
            }
        }
        match expected {
            Failed(reason) => {
                let [Outcome::Failed(failure)] = &ends[..] else { panic!("{shown}: {ends:?}") };
                assert_eq!(failure.reason, reason, "{shown}");
            }
            Ended(outcome) => assert_eq!(ends, [outcome], "{shown}"),
            Broken(kind) => {
                assert_eq!((ends.len(), errors.len(), errors[0].kind()), (0, 1, kind), "{shown}: {errors:?}");
                assert!(errors[0].ticket().is_some());
            }
        }
    }
}

//! Bacalhau's requester interface through the facade: signed submissions, states, lists, logs, and its odd errors.
use std::time::Duration;

use consign::bacalhau::{Event, JobFilter, Requester, RequesterBuilder, Verifier, short_id};
use consign::{Delivery, ErrorKind, Jobs, Outcome, State, Ticket};
use consign_http::TokioClock;
use consign_sim::bacalhau::operation::{CANCEL, LIST, STATES, SUBMIT, VERSION};
use consign_sim::bacalhau::{Plan, Requester as Sim};
use consign_sim::{Fault, Rule};
use consign_tests::bacalhau::{echo, hello, identity, json, scripted_requester};
use consign_tests::in_process::{keep_listening, wire};
use serde_json::json;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
fn settings(sim: &Sim) -> RequesterBuilder {
    keep_listening();
    Requester::builder().base_url(Sim::URL).transport(wire(sim)).clock(TokioClock::starting_at(sim.now()))
}
fn jobs(sim: &Sim) -> Jobs<Requester> {
    Jobs::builder(settings(sim).identity(identity()).build().unwrap()).seed(1).build()
}

#[tokio::test(start_paused = true)]
async fn a_signed_job_from_submitting_to_its_output() {
    for version in ["0.3.24", "0.3.25", "0.3.26"] {
        let sim = Sim::builder()
            .version(version)
            .script(|_, _| Plan::succeed().seconds(10.0).stdout("hi\n").exit_code(3))
            .build();
        let job = jobs(&sim).submit(echo("hi").output("outputs", "/outputs").label("team", "data")).await.unwrap();
        assert_eq!(job.ticket().data(), format!("id={}", sim.jobs()[0].id), "{version}");
        assert_eq!(sim.jobs()[0].client, identity().client_id());
        let done = job.wait().timeout(secs(600)).await.unwrap();
        assert_eq!(*done.outcome(), Outcome::Done, "{version}");
        let results = done.into_result().unwrap();
        assert_eq!((results.exit_code(), results.stdout()), (Some(3), "hi\n"));
        assert_eq!(results.completed().next().unwrap().published.as_ref().unwrap().kind, "IPFS");
        assert_eq!(sim.ledger().count(VERSION), 1, "the version is asked for once");
        assert_eq!((sim.ledger().submissions(), sim.jobs()[0].submitted), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_key_jobs_are_read_and_nothing_is_sent_that_needs_one() {
    let sim = Sim::builder().script(|_, _| Plan::end("running")).build();
    let job = jobs(&sim).submit(echo("x")).await.unwrap();
    let reader = Jobs::builder(settings(&sim).build().unwrap()).seed(1).build();
    let seen = reader.attach(job.ticket().clone()).unwrap();
    assert_eq!(seen.look().await.unwrap().items()[0].id.as_deref(), Some(&*sim.jobs()[0].id));
    for error in [reader.submit(echo("x")).await.unwrap_err(), seen.cancel().await.unwrap_err()] {
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Config, Delivery::NotSent), "{error}");
        assert!(error.to_string().contains("user_id.pem"), "{error}");
    }
    assert_eq!((sim.ledger().count(SUBMIT), sim.ledger().count(CANCEL)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_job_for_which_no_node_was_found_is_there_and_failed() {
    let requester = scripted_requester(|request| match request.uri().path() {
        "/version" => json(200, &json!({"build_version_info": {"gitversion": "v0.3.25"}})),
        "/requester/submit" => http::Response::builder()
            .status(500)
            .header("x-bacalhau-job-id", "9304c616-291f-41ad-b862-54e133c0149e")
            .body("not enough nodes to run job. requested: 1, available: 0\n".into())
            .unwrap(),
        "/requester/states" => {
            json(200, &json!({"state": {"JobID": "9304c616-291f-41ad-b862-54e133c0149e", "State": "Error"}}))
        }
        "/requester/events" => json(
            200,
            &json!({"events": [
            {"Type": "JobLevel", "JobState": {"New": "Error"}, "Comment": "not enough nodes to run job"}]}),
        ),
        other => panic!("{other}"),
    });
    let job = Jobs::new(requester.identity(identity()).build().unwrap()).submit(echo("x")).await.unwrap();
    assert_eq!(job.ticket().data(), "id=9304c616-291f-41ad-b862-54e133c0149e");
    let done = job.wait().await.unwrap();
    let Outcome::Failed(failure) = done.outcome() else { panic!("{done:?}") };
    assert_eq!(failure.message.as_deref(), Some("not enough nodes to run job"));
}

#[tokio::test(start_paused = true)]
async fn a_submission_whose_answer_is_lost_is_not_sent_again() {
    let sim = Sim::new();
    sim.faults().once(SUBMIT, Fault::lose_reply());
    let error = jobs(&sim).submit(echo("x")).await.unwrap_err();
    assert_eq!((error.delivery(), sim.jobs().len()), (Delivery::Unknown, 1));
    assert!(error.to_string().contains("list jobs"), "{error}");
    // Which envelope a server wants is known before anything is sent.
    let sim = Sim::new();
    sim.faults().add(Rule::new(Fault::status(500)).on(VERSION).always());
    let error = jobs(&sim).submit(echo("x")).await.unwrap_err();
    assert_eq!((error.delivery(), sim.ledger().count(SUBMIT)), (Delivery::NotSent, 0), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_job_is_cancelled_with_a_reason_by_its_own_client_only() {
    let sim = Sim::builder().script(|_, _| Plan::end("running")).build();
    let jobs = jobs(&sim);
    let job = jobs.submit(echo("x")).await.unwrap();
    tokio::time::sleep(secs(5)).await;
    let stopped = jobs.provider().stop(job.ticket(), "no longer needed").await.unwrap();
    assert_eq!((stopped.state(), stopped.finished()), (State::Cancelled, true));
    let done = job.wait().await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Cancelled);
    assert_eq!(done.items()[0].message.as_deref(), Some("no longer needed"));
    let error = jobs.provider().stop(job.ticket(), "again").await.unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::Conflict, Some(job.ticket())));
    let missing = jobs.attach(Requester::ticket_of_job("00000000-0000-4000-8000-000000000000")).unwrap();
    assert_eq!(missing.cancel().await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(missing.look().await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_whose_answer_is_lost_is_no_conflict_with_itself() {
    let sim = Sim::builder().script(|_, _| Plan::end("running")).build();
    let job = jobs(&sim).submit(echo("x")).await.unwrap();
    tokio::time::sleep(secs(5)).await;
    sim.faults().once(CANCEL, Fault::lose_reply());
    job.cancel().await.unwrap();
    assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_short_id_is_enough_for_everything_that_is_done_with_a_job() {
    let sim = Sim::builder().version("0.3.26").script(|_, _| Plan::end("running").stdout("hi\n")).build();
    let jobs = jobs(&sim);
    jobs.submit(echo("x")).await.unwrap();
    tokio::time::sleep(secs(5)).await;
    let id = sim.jobs()[0].id.clone();
    let job = jobs.attach(Requester::ticket_of_job(short_id(&id))).unwrap();
    assert_eq!(job.look().await.unwrap().items()[0].id.as_deref(), Some(&*id));
    assert_eq!(job.logs().next().await.unwrap().unwrap().text, "hi\n");
    assert!(jobs.provider().results(job.ticket()).await.unwrap().is_empty());
    job.cancel().await.unwrap();
    assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Cancelled);
    let mut history = jobs.provider().history(job.ticket()).unwrap();
    let mut entries = 0;
    while let Some(entry) = history.next().await {
        entry.unwrap();
        entries += 1;
    }
    assert!(entries > 2);
}

#[tokio::test(start_paused = true)]
async fn a_list_shows_ones_own_jobs_narrowed_by_labels_and_states() {
    let sim = Sim::new();
    let jobs = jobs(&sim);
    for n in 0..6 {
        let spec = echo("x").label("team", if n % 2 == 0 { "a" } else { "b" }).label("n", n.to_string());
        let outcome = if n > 3 { "running" } else { "completed" };
        jobs.submit(spec.label("sim.outcome", outcome).label("sim.seconds", "1")).await.unwrap();
        tokio::time::sleep(secs(2)).await;
    }
    tokio::time::sleep(secs(20)).await;
    let count = async |filter: JobFilter| jobs.list(filter).collect().await.unwrap().len();
    assert_eq!(count(JobFilter::new()).await, 6);
    assert_eq!(count(JobFilter::new().label("team", "a")).await, 3);
    assert_eq!(count(JobFilter::new().label("team", "a").label("n", "1")).await, 0);
    assert_eq!(count(JobFilter::new().without_label("team", "a")).await, 3);
    assert_eq!(count(JobFilter::new().state(State::Succeeded)).await, 4);
    let newest = jobs.list(JobFilter::new().newest_first()).collect().await.unwrap();
    assert_eq!(newest[0].job.ticket().data(), format!("id={}", sim.jobs()[5].id));
    assert_eq!(sim.ledger().count(LIST), 6, "all come at once");
    let stranger = Jobs::builder(settings(&sim).build().unwrap()).seed(1).build();
    assert_eq!(stranger.list(JobFilter::new().all_clients()).collect().await.unwrap().len(), 6);
    for filter in [JobFilter::new().selector("a"), JobFilter::new().namespace("a")] {
        assert_eq!(jobs.list(filter).collect().await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    }
    let id = &sim.jobs()[2].id;
    assert_eq!(jobs.provider().resolve(short_id(id)).await.unwrap(), Requester::ticket_of_job(id));
    let short = jobs.attach(Requester::ticket_of_job(short_id(id))).unwrap();
    assert_eq!(short.look().await.unwrap().items()[0].id.as_deref(), Some(&**id));
}

#[tokio::test(start_paused = true)]
async fn output_comes_as_a_log_or_at_the_end_by_the_servers_version() {
    for version in ["0.3.25", "0.3.26", "1.0.3"] {
        let sim = Sim::builder().version(version).script(|_, _| Plan::succeed().seconds(30.0).stdout("a\nb\n")).build();
        let job = jobs(&sim).submit(echo("x")).await.unwrap();
        let (mut text, mut logs) = (String::new(), job.logs());
        while let Some(line) = logs.next().await {
            let line = line.unwrap();
            assert!(line.item.is_some());
            text.push_str(&line.text);
        }
        assert_eq!(text, "a\nb\n", "{version}");
        assert!(sim.elapsed() < secs(90), "{version}: {:?}", sim.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn the_history_is_followed_to_the_end_of_the_job() {
    let sim = Sim::builder().script(|_, _| Plan::succeed().seconds(60.0)).build();
    let jobs = jobs(&sim);
    let job = jobs.submit(hello()).await.unwrap();
    let mut history = jobs.provider().history(job.ticket()).unwrap();
    let mut words = Vec::new();
    while let Some(entry) = history.next().await {
        if let Event::Change(change) = entry.unwrap()
            && let Some(state) = change.job_state
        {
            words.push(state.new.map_or_else(|| "New".to_owned(), |new| new.as_str().to_owned()));
        }
    }
    assert_eq!(words.first().map(String::as_str), Some("New"));
    assert_eq!(words.last().map(String::as_str), Some("Completed"));
    assert!(sim.ledger().count(STATES) < 20);
    assert!(jobs.provider().results(job.ticket()).await.unwrap().is_empty(), "it published nowhere");
}

#[tokio::test(start_paused = true)]
async fn a_spec_that_could_only_fail_is_refused_before_it_is_sent() {
    let sim = Sim::new();
    let error = jobs(&sim).submit(echo("x").verifier(Verifier::Deterministic)).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidRequest, Delivery::NotSent));
    for (data, version) in [("id=", 1), ("x", 1), ("id=9304c616-291f-41ad-b862-54e133c0149e", 2)] {
        let job = jobs(&sim).attach(Ticket::new("bacalhau-requester", version, data)).unwrap();
        assert_eq!(job.look().await.unwrap_err().delivery(), Delivery::NotSent);
    }
    assert!(sim.ledger().is_empty());
}

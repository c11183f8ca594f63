//! Chutes through the facade: from submitting to files on disk, cancelling, quotas, credentials, and its neighbours.
use std::io::Write;
use std::time::Duration;

use consign::chutes::{ChuteJob, Chutes, Deletion, Hotkey, JobQuota, Jobs, ListChutesOptions};
use consign::{Caps, Delivery, DynJobs, ErrorKind, Event, Outcome, Provider, Reason, Retry, State, Ticket};
use consign_sim::chutes::operation::{CREATE_JOB, DELETE_JOB, GET_JOB};
use consign_sim::chutes::{Account, Plan};
use consign_sim::{Chutes as Sim, Fault, Rule};
use consign_tests::chutes::{jobs, provider, train};
use consign_tests::env::{self, MARK};
use serde_json::json;

fn lasting(seconds: f64) -> Sim {
    Sim::builder().script(move |_, _| Plan::complete().wait(1.0).launch(1.0).seconds(seconds)).build()
}

#[tokio::test(start_paused = true)]
async fn a_job_from_its_arguments_to_its_result_and_files() {
    let sim = Sim::new();
    let plan = json!({"seconds": 30, "result": {"accuracy": 0.91}, "files": {"out/model.bin": "weights"}});
    let job = jobs(&sim).submit(train().arg("epochs", 3).arg("sim", plan)).await.unwrap();
    assert_eq!(job.first().unwrap().state(), State::Queued);
    let text = job.ticket().to_string();
    assert_eq!(text, format!("consign:1:chutes:{}", sim.jobs()[0].id));

    let done = job.wait().timeout(Duration::from_secs(600)).await.unwrap();
    assert_eq!(done.snapshot().raw().unwrap().method.as_deref(), Some("train"));
    let outputs = done.into_result().unwrap();
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Trained {
        accuracy: f64,
    }
    assert_eq!(outputs.result_as::<Trained>().unwrap(), Trained { accuracy: 0.91 });
    assert_eq!(outputs.result_as::<Vec<u8>>().unwrap_err().kind(), ErrorKind::Decode);
    let folder = tempfile::tempdir().unwrap();
    let paths = outputs.save_all(folder.path()).await.unwrap();
    assert_eq!(paths, [folder.path().join("out/model.bin")]);
    assert_eq!(std::fs::read(&paths[0]).unwrap(), b"weights");
    assert_eq!((sim.ledger().submissions(), sim.jobs()[0].submitted), (1, 1));

    // Another process finds it by its ticket.
    let again = jobs(&sim).attach(text.parse().unwrap()).unwrap();
    assert_eq!(again.look().await.unwrap().state(), State::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_watch_shows_the_way_and_looks_at_most_once_a_second() {
    let sim = lasting(20.0);
    let jobs = jobs(&sim);
    let mut watch = jobs.submit(train()).await.unwrap().watch();
    let mut seen = Vec::new();
    while let Some(event) = watch.next().await {
        if let Event::Item { item, .. } = event.unwrap() {
            seen.push(item.state);
        }
    }
    seen.dedup();
    assert_eq!(seen, [State::Queued, State::Running, State::Succeeded]);
    let times: Vec<Duration> = sim.ledger().entries().iter().map(|entry| entry.at).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(1)), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn many_jobs_are_submitted_and_watched_with_one_request_a_second() {
    let sim = Sim::builder().workers(100).script(|_, _| Plan::complete().seconds(30.0)).build();
    let jobs = jobs(&sim);
    let made = jobs.submit_all((0..30).map(|n| train().arg("n", n))).await;
    let made: Vec<_> = made.into_iter().map(|one| one.unwrap().job).collect();
    let mut watch = jobs.watch_all(made);
    let mut ends = 0;
    while let Some((_, event)) = watch.next().await {
        ends += usize::from(matches!(event.unwrap(), Event::Ended(_)));
    }
    let entries = sim.ledger().entries();
    assert_eq!((ends, sim.jobs().len(), sim.ledger().count(CREATE_JOB)), (30, 30, 30));
    assert!(entries.windows(2).all(|pair| pair[1].at - pair[0].at >= Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn a_running_job_that_is_cancelled_ends_as_cancelled() {
    let sim = lasting(600.0);
    let jobs = jobs(&sim);
    let job = jobs.submit(train()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    job.cancel().await.unwrap();
    assert_eq!((sim.ledger().count(DELETE_JOB), sim.jobs()[0].stop_requested), (1, true));
    let done = job.wait().await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Cancelled);
    assert_eq!(job.look().await.unwrap().state(), State::Cancelled);
    // Who did not ask for it sees a job that nobody accounts for.
    let other = jobs.attach(job.ticket().clone()).unwrap().wait().await.unwrap();
    let Outcome::Failed(failure) = other.outcome() else { panic!("{other:?}") };
    assert_eq!(failure.reason, Reason::Lost);
}

#[tokio::test(start_paused = true)]
async fn where_deleting_works_the_job_is_gone_and_counts_as_cancelled() {
    let sim = Sim::builder().repaired_delete().script(|_, _| Plan::complete().seconds(600.0)).build();
    let jobs = jobs(&sim);
    let job = jobs.submit(train()).await.unwrap();
    job.cancel().await.unwrap();
    assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Cancelled);
    let error = jobs.attach(job.ticket().clone()).unwrap().cancel().await.unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::NotFound, Some(job.ticket())));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_says_whether_the_record_is_gone_or_the_job_was_told_to_stop() {
    let sim = lasting(600.0);
    let jobs = jobs(&sim);
    let job = jobs.submit(train()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let Deletion::StopRequested(snapshot) = jobs.provider().delete(job.ticket()).await.unwrap() else {
        panic!("the record stays")
    };
    assert_eq!((snapshot.state(), sim.ledger().count(GET_JOB)), (State::Running, 1));
    let unknown = jobs.provider().delete(&Chutes::ticket_of_job("nothing")).await.unwrap_err();
    assert_eq!(
        (unknown.kind(), unknown.message()),
        (ErrorKind::NotFound, "Job nothing not found or does not belong to you")
    );

    let repaired = Sim::builder().repaired_delete().build();
    let jobs = self::jobs(&repaired);
    let job = jobs.submit(train()).await.unwrap();
    assert!(matches!(jobs.provider().delete(job.ticket()).await.unwrap(), Deletion::Deleted));
    assert_eq!(repaired.ledger().count(GET_JOB), 0);
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_told_in_figures_and_not_tried_again_before_midnight() {
    let sim = Sim::builder().quota(Sim::CHUTE, 2).quota("global", 10).build();
    let jobs = jobs(&sim);
    for _ in 0..2 {
        jobs.submit(train()).await.unwrap();
    }
    let error = jobs.submit(train()).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::QuotaExceeded, Delivery::Rejected));
    let quota = JobQuota::of(error.http()).unwrap();
    assert_eq!((quota.chute_job_count, quota.total_job_count, quota.job_quota, quota.total_quota), (2, 2, 2, 10));
    let midnight = std::time::UNIX_EPOCH + Duration::from_secs(1_753_012_800 + 12 * 3600);
    assert_eq!((error.retry(), sim.ledger().count(CREATE_JOB)), (Retry::NotBefore(midnight), 3));
    // An account without any quota need not wait for midnight.
    let none = Sim::builder().quota("global", 10).build();
    let error = self::jobs(&none).submit(train()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::QuotaExceeded, Retry::Never));
    assert!(JobQuota::of(error.http()).unwrap().is_zero() && error.to_string().contains("ask the service"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_chute_or_method_is_explained_because_the_service_has_one_text_for_both() {
    let sim = Sim::new();
    for spec in [ChuteJob::new("nowhere", "train"), ChuteJob::new(Sim::CHUTE, "Train")] {
        let error = jobs(&sim).submit(&spec).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::NotFound, Delivery::Rejected));
        assert!(error.message() == format!("Chute {} not found", spec.chute_id()), "{error}");
        assert!(error.to_string().contains("has no job method of this name"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hotkey_signs_what_it_can_and_is_refused_here_where_it_cannot_work() {
    let hotkey = Hotkey::from_seed(&[7; 32]).unwrap();
    let sim = Sim::builder().account(Account::new("me").hotkey(hotkey.address().as_str()).key(Sim::KEY)).build();
    let signing = Jobs::new(provider(&sim).hotkey(hotkey).build().unwrap());
    let job = signing.submit(train().arg("a", "ü")).await.unwrap();
    let created = &sim.ledger().of(CREATE_JOB)[0];
    let signed = |name| created.headers.contains_key(name);
    assert!(!signed("authorization") && signed("x-chutes-signature"), "{created:?}");
    for error in [job.look().await.unwrap_err(), job.wait().await.unwrap_err(), job.cancel().await.unwrap_err()] {
        assert_eq!(
            (error.kind(), error.delivery(), error.ticket()),
            (ErrorKind::Config, Delivery::NotSent, Some(job.ticket()))
        );
    }
    assert_eq!(sim.ledger().len(), 1);
    assert_eq!(signing.provider().account().await.unwrap().username.as_deref(), Some("me"));
    // The key of the same account reads what the hotkey submitted.
    let reading = jobs(&sim).attach(job.ticket().clone()).unwrap();
    assert_eq!(*reading.wait().await.unwrap().outcome(), Outcome::Done);
}

#[tokio::test(start_paused = true)]
async fn a_session_token_does_everything_and_the_last_credential_holds() {
    let sim = Sim::new();
    let token = sim.session_token("acme").unwrap();
    let jobs = Jobs::new(provider(&sim).session_token(token).build().unwrap());
    let job = jobs.submit(train()).await.unwrap();
    assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Done);
    let bad = provider(&sim).api_key("cpk_wrong").build().unwrap_err();
    assert_eq!((bad.kind(), bad.to_string().contains("wrong")), (ErrorKind::Config, false));
    assert!(provider(&sim).api_key("cpk_wrong").api_key(Sim::KEY).build().is_ok());
    let none = Chutes::builder().build().unwrap_err();
    assert!(none.kind() == ErrorKind::Config && none.to_string().contains("CHUTES_API_KEY"), "{none}");
}

#[tokio::test(start_paused = true)]
async fn what_is_beside_jobs_is_there() {
    let sim = Sim::new();
    let chutes = provider(&sim).build().unwrap();
    chutes.ping().await.unwrap();
    let chute = chutes.chute("acme/fine-tune").await.unwrap();
    assert_eq!(chute.chute_id.as_deref(), Some(Sim::CHUTE));
    let methods: Vec<_> = chute.jobs.iter().flatten().filter_map(|method| method.name.as_deref()).collect();
    assert_eq!(methods, ["train", "evaluate"]);
    assert_eq!(chutes.chute("acme/nothing").await.unwrap_err().kind(), ErrorKind::NotFound);
    let page = chutes.chutes(ListChutesOptions::default().include_public(true)).await.unwrap();
    assert_eq!(page.items.unwrap().len(), 1);
    assert_eq!(chutes.account().await.unwrap().username.as_deref(), Some("acme"));
}

#[tokio::test(start_paused = true)]
async fn tickets_that_lead_nowhere_are_refused_before_anything_is_sent() {
    let sim = Sim::new();
    let jobs = jobs(&sim);
    for ticket in [Chutes::ticket_of_job(" "), Ticket::new("chutes", 2, "x")] {
        let error = jobs.attach(ticket.clone()).unwrap().look().await.unwrap_err();
        assert_eq!((error.kind(), error.ticket()), (ErrorKind::InvalidRequest, Some(&ticket)));
    }
    assert!(jobs.attach(Ticket::new("civitai", 1, "id=x")).is_err());
    let job = jobs.attach(Chutes::ticket_of_job("..")).unwrap();
    assert_eq!(job.look().await.unwrap_err().delivery(), Delivery::NotSent);
    assert_eq!(job.cancel().item("another").await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    assert!(sim.ledger().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_program_that_knows_the_provider_only_at_run_time_can_do_the_same() {
    let sim = lasting(600.0);
    let jobs = DynJobs::from(jobs(&sim));
    assert_eq!(jobs.caps(), Chutes::CAPS);
    assert_eq!(Chutes::CAPS, Caps::NONE.cancel().outputs().spacing(Duration::from_secs(1)));
    let job = jobs.submit_json(serde_json::to_value(train()).unwrap()).await.unwrap();
    assert_eq!(jobs.submit_json(json!({"chute": "x"})).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    tokio::time::sleep(Duration::from_secs(10)).await;
    job.cancel(true).await.unwrap();
    assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Cancelled);
}

/// What another process with these variables says; a process's own variables cannot be changed safely.
fn from_env(variables: &[(&str, &str)]) -> String {
    env::told(&["CHUTES_API_KEY", "CHUTES_API_URL"], variables)
}

#[test]
#[ignore = "run by the tests beside it, in a process of its own"]
fn tell_what_the_environment_gives() {
    let said = match Jobs::from_env() {
        Ok(jobs) => format!("{} {jobs:?}", jobs.provider().client().http().base_url()),
        Err(error) => format!("{:?} {:?} {error}", error.kind(), error.delivery()),
    };
    writeln!(std::io::stdout(), "\n{MARK}{}", said.replace('\n', "\\n")).unwrap();
}

#[test]
fn the_environment_gives_the_credential_and_perhaps_the_address() {
    let key = ("CHUTES_API_KEY", Sim::KEY);
    let good = [
        (vec![key], "https://api.chutes.ai "),
        (vec![("CHUTES_API_KEY", "eyJhbGciOiJIUzI1NiJ9.e30.s3cret")], "https://api.chutes.ai "),
        (vec![key, ("CHUTES_API_URL", "http://127.0.0.1:8080/")], "http://127.0.0.1:8080 "),
        (vec![key, ("CHUTES_API_URL", " ")], "https://api.chutes.ai "),
    ];
    for (variables, used) in good {
        let said = from_env(&variables);
        assert!(said.starts_with(used) && !said.contains("cpk_") && !said.contains("s3cret"), "{said}");
    }
    let bad = [
        (vec![], "CHUTES_API_KEY is not set"),
        (vec![("CHUTES_API_KEY", "  ")], "CHUTES_API_KEY is not set"),
        (vec![("CHUTES_API_KEY", "cpk_s3cret")], "CHUTES_API_KEY: the API key is not of the form"),
        (vec![("CHUTES_API_KEY", "s3cret token")], "CHUTES_API_KEY: the token has a blank"),
        (vec![key, ("CHUTES_API_URL", "api.chutes.ai")], "CHUTES_API_URL"),
        (vec![key, ("CHUTES_API_URL", "https://u:s3cret@a.example")], "CHUTES_API_URL"),
    ];
    for (variables, what) in bad {
        let said = from_env(&variables);
        assert!(said.starts_with("Config NotSent ") && said.contains(what) && !said.contains("s3cret"), "{said}");
    }
}

#[test]
fn nothing_that_is_printed_shows_a_credential() {
    let sim =
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async { Sim::new() });
    let builder = provider(&sim);
    let shown = format!(
        "{builder:?} {:?}",
        Chutes::builder().base_url("https://u:s3cret@host?x").session_token("s3cret-token")
    );
    assert!(!shown.contains("cpk_") && !shown.contains("s3cret"), "{shown}");
    let chutes = builder.build().unwrap();
    assert!(!format!("{chutes:?} {:?}", Jobs::new(chutes.clone())).contains("cpk_"));
}

#[tokio::test(start_paused = true)]
async fn every_error_about_a_job_carries_its_ticket() {
    let sim = lasting(5.0);
    let jobs = jobs(&sim);
    let job = jobs.submit(train()).await.unwrap();
    let outputs = job.wait().await.unwrap().into_result().unwrap();
    let error = outputs.result_as::<Vec<u8>>().unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::Decode, Some(job.ticket())));
    let nobody = Chutes::ticket_of_job("nobody");
    let error = jobs.provider().delete(&nobody).await.unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::NotFound, Some(&nobody)));
    sim.faults().add(Rule::new(Fault::html(502)).on(GET_JOB).always());
    let error = jobs.provider().delete(job.ticket()).await.unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::Gateway, Some(job.ticket())));
}

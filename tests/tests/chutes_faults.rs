//! Chutes when things go wrong: no job is paid for twice, none is lost, and no secret is told.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use consign::chutes::{Chutes, Jobs};
use consign::{BoxFuture, Credentials, Delivery, ErrorKind, HttpClient, Outcome, Retry, Token, transport};
use consign_sim::chutes::Plan;
use consign_sim::chutes::operation::{CREATE_JOB, DELETE_JOB, GET_JOB};
use consign_sim::{Chutes as Sim, Fault, Rule};
use consign_tests::chutes::{answers, jobs, provider, train};
use serde_json::json;

fn quick() -> Sim {
    Sim::builder().script(|_, _| Plan::complete().wait(1.0).launch(1.0).seconds(5.0)).build()
}

#[tokio::test(start_paused = true)]
async fn a_submission_whose_fate_is_unknown_is_never_repeated() {
    let internal = || Fault::text(500, "Internal Server Error");
    // Fault, kind, jobs that exist afterwards.
    let table = [
        ("reply lost", Fault::lose_reply(), ErrorKind::Transport, 1),
        ("reset after the request", Fault::drop_before(), ErrorKind::Transport, 0),
        ("no answer", Fault::hang(), ErrorKind::Timeout, 0),
        ("answer lost in time", Fault::hang_after(), ErrorKind::Timeout, 1),
        ("500", internal(), ErrorKind::Server, 0),
        ("500 though stored", internal().after_processing(), ErrorKind::Server, 1),
        ("502 page", Fault::html(502).after_processing(), ErrorKind::Gateway, 1),
        ("503", Fault::status(503).retry_after(5), ErrorKind::Gateway, 0),
        ("504", Fault::html(504), ErrorKind::Gateway, 0),
        ("408", Fault::status(408), ErrorKind::Timeout, 0),
        (
            "page with 200",
            Fault::edit(|r| *r.body_mut() = "<html></html>".into()).after_processing(),
            ErrorKind::Decode,
            1,
        ),
        ("nothing with 200", Fault::edit(|r| *r.body_mut() = Bytes::new()), ErrorKind::Decode, 1),
        ("an empty id", Fault::edit_json(|v| v["job_id"] = json!("")), ErrorKind::Decode, 1),
    ];
    for (name, fault, kind, made) in table {
        let sim = quick();
        sim.faults().add(Rule::new(fault).on(CREATE_JOB).always());
        let error = jobs(&sim).submit(train()).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (kind, Delivery::Unknown), "{name}: {error}");
        assert_eq!((sim.ledger().count(CREATE_JOB), sim.jobs().len()), (1, made), "{name}");
        assert!(error.to_string().contains("the job may exist"), "{name}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_submission_that_surely_started_nothing_is_repeated() {
    let sim = quick();
    sim.faults().add(Rule::new(Fault::status(429).retry_after(7)).on(CREATE_JOB).times(2));
    let job = jobs(&sim).submit(train()).await.unwrap();
    assert_eq!((sim.ledger().count(CREATE_JOB), sim.jobs().len()), (3, 1));
    assert!(sim.elapsed() >= Duration::from_secs(14), "a pause that was asked for is kept");
    assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Done);
    // A ban of the balancer in front is not sat out.
    let banned = quick();
    banned.faults().add(Rule::new(Fault::html(429).header("retry-after", "86400")).on(CREATE_JOB).always());
    let error = jobs(&banned).submit(train()).await.unwrap_err();
    assert_eq!((error.kind(), banned.ledger().count(CREATE_JOB)), (ErrorKind::RateLimited, 1));
    assert!(matches!(error.retry(), Retry::NotBefore(_)));
}

#[tokio::test(start_paused = true)]
async fn a_refused_submission_keeps_the_services_words() {
    for (status, detail, kind) in [
        (400, "Invalid disk size specified: 10", ErrorKind::InvalidRequest),
        (401, "Can't find a user with that api key in our db :(", ErrorKind::Unauthorized),
        (404, "Chute x not found", ErrorKind::NotFound),
    ] {
        let sim = quick();
        sim.faults().once(CREATE_JOB, Fault::json(status, &json!({"detail": detail})));
        let error = jobs(&sim).submit(train()).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery(), error.message()), (kind, Delivery::Rejected, detail));
        assert_eq!(sim.ledger().count(CREATE_JOB), 1);
    }
    let list = json!({"detail": [{"type": "missing", "loc": ["query", "token"], "msg": "Field required"}]});
    let sim = quick();
    sim.faults().once(CREATE_JOB, Fault::json(422, &list));
    let error = jobs(&sim).submit(train()).await.unwrap_err();
    assert_eq!(error.fields(), [("query.token".to_owned(), vec!["Field required".to_owned()])]);
}

#[tokio::test(start_paused = true)]
async fn an_id_in_an_answer_that_cannot_be_read_is_not_lost() {
    for fault in [
        Fault::edit_json(|v| v["output_files"] = json!(5)),
        Fault::edit_json(|v| v["job_args"] = json!("x")),
        Fault::truncate(100),
    ] {
        let sim = quick();
        sim.faults().once(CREATE_JOB, fault);
        let job = jobs(&sim).submit(train()).await.unwrap();
        assert_eq!(job.ticket().data(), sim.jobs()[0].id);
        assert!(job.first().is_none());
        assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Done);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_sits_out_what_says_nothing_about_the_job() {
    let table = [
        ("reset", Fault::drop_before()),
        ("reply lost", Fault::lose_reply()),
        ("cut", Fault::cut_reply(20)),
        ("hang", Fault::hang()),
        ("502 page", Fault::html(502)),
        ("429", Fault::status(429).retry_after(20)),
        ("page with 200", Fault::edit(|r| *r.body_mut() = "<html></html>".into())),
        ("truncated", Fault::truncate(50)),
        ("404 for a moment", Fault::json(404, &json!({"detail": "Job not found, or does not belong to you"}))),
    ];
    for (name, fault) in table {
        let sim = quick();
        let job = jobs(&sim).submit(train()).await.unwrap();
        sim.faults().add(Rule::new(fault).on(GET_JOB).times(2));
        let done = job.wait().await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(*done.outcome(), Outcome::Done, "{name}");
        assert_eq!(sim.jobs().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_goes_after_it_was_seen_is_gone_and_one_never_seen_is_an_error() {
    let sim = quick();
    let job = jobs(&sim).submit(train()).await.unwrap();
    job.look().await.unwrap();
    sim.faults().add(Rule::new(Fault::json(404, &json!({"detail": "x"}))).on(GET_JOB).skip(1).always());
    let Outcome::Failed(failure) = job.wait().await.unwrap().outcome().clone() else { panic!("it is gone") };
    assert_eq!(failure.reason, consign::Reason::Lost);
    let error = jobs(&sim).attach(Chutes::ticket_of_job("nothing")).unwrap().wait().await.unwrap_err();
    assert_eq!((error.kind(), error.ticket().is_some()), (ErrorKind::NotFound, true));
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_by_its_deadline_with_the_ticket_and_one_last_look() {
    let sim = Sim::builder().script(|_, _| Plan::end("running")).build();
    let job = jobs(&sim).submit(train()).await.unwrap();
    let error = job.wait().timeout(Duration::from_secs(120)).await.unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::Deadline, Some(job.ticket())));
    assert!(sim.elapsed() <= Duration::from_secs(120));
    assert!(sim.ledger().of(GET_JOB).last().unwrap().at >= Duration::from_secs(115));
}

/// A login whose session can be renewed.
#[derive(Debug)]
struct Login(Mutex<String>, String);

impl Credentials for Login {
    fn token(&self) -> BoxFuture<'_, Result<Token, consign_http::Error>> {
        let token = self.0.lock().unwrap().clone();
        Box::pin(async { Token::new(token) })
    }
    fn renew<'a>(&'a self, _: &'a Token) -> BoxFuture<'a, Result<Option<Token>, consign_http::Error>> {
        self.1.clone_into(&mut self.0.lock().unwrap());
        Box::pin(async { Token::new(self.1.clone()).map(Some) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_expires_in_the_middle_of_a_wait_is_renewed() {
    let sim = Sim::builder().script(|_, _| Plan::complete().seconds(60.0)).build();
    let first = sim.session_token("acme").unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let second = sim.session_token("acme").unwrap();
    assert_ne!(first, second);
    let login = Login(Mutex::new(first), second.clone());
    let jobs = Jobs::new(provider(&sim).credentials(login).build().unwrap());
    let job = jobs.submit(train()).await.unwrap();
    job.look().await.unwrap();
    sim.faults().require_token(second);
    assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Done);
    // One that cannot be renewed ends the wait at once.
    let job = self::jobs(&sim).attach(job.ticket().clone()).unwrap();
    let error = job.wait().await.unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::Unauthorized, Some(job.ticket())));
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_is_repeated_until_the_service_takes_it() {
    let sim = Sim::builder().script(|_, _| Plan::end("running")).build();
    let job = jobs(&sim).submit(train()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    for fault in [Fault::html(502), Fault::lose_reply(), Fault::status(429)] {
        sim.faults().once(DELETE_JOB, fault);
    }
    job.cancel().await.unwrap();
    assert_eq!(sim.ledger().count(DELETE_JOB), 4);
    assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn when_the_look_after_a_deletion_fails_it_is_not_known_what_became_of_the_job() {
    let sim = Sim::builder().script(|_, _| Plan::end("running")).build();
    let jobs = jobs(&sim);
    let job = jobs.submit(train()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    sim.faults().once(GET_JOB, Fault::json(401, &json!({"detail": "Token expired."})));
    let error = jobs.provider().delete(job.ticket()).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Unauthorized, Delivery::Unknown));
    // Through the job nothing is read, and it counts as cancelled from then on.
    job.cancel().await.unwrap();
    assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_wait_or_a_watch_sends_nothing_more() {
    let sim = Sim::builder().script(|_, _| Plan::end("running")).build();
    let job = jobs(&sim).submit(train()).await.unwrap();
    let mut watch = job.watch();
    let followed = async { while watch.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(20), followed).await.unwrap_err();
    drop(watch);
    let sent = sim.ledger().len();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(sim.ledger().len(), sent);
}

#[tokio::test(start_paused = true)]
async fn answers_without_end_or_of_any_kind_neither_panic_nor_fill_the_memory() {
    let deep = format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000));
    let bodies = [
        "",
        "null",
        "[]",
        "5",
        "\"x\"",
        "{}",
        "{\"job_id\":null}",
        "{\"job_id\":\"\"}",
        "\u{feff}{}",
        "{\"job_id\":\"x\",\"finished_at\":5}",
        &deep,
    ];
    for body in bodies {
        let jobs = answers(vec![(200, "application/json", body.to_owned())]);
        let error = jobs.attach(Chutes::ticket_of_job("x")).unwrap().wait().await.unwrap_err();
        assert_eq!((error.kind(), error.ticket().is_some()), (ErrorKind::Unreadable, true), "{body:.40}: {error}");
    }
    let endless = transport::from_fn(|_: http::Request<Bytes>| async {
        Ok(http::Response::new(Bytes::from(vec![b' '; 65 << 20])))
    });
    let client =
        consign_chutes::Client::from_http(HttpClient::builder(Sim::URL).unwrap().transport(endless).build().unwrap());
    let error = Jobs::new(Chutes::from_client(client)).submit(train()).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::TooLarge, Delivery::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_repeats_the_key_does_not_get_it_shown() {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = count.clone();
    let echo = transport::from_fn(move |request: http::Request<Bytes>| {
        seen.fetch_add(1, Ordering::Relaxed);
        let key = request.headers()["authorization"].to_str().unwrap().to_owned();
        async move {
            let answer = http::Response::builder().status(400).header("x-echo", &key);
            Ok(answer.body(json!({"detail": format!("what is {key}?")}).to_string().into()).unwrap())
        }
    });
    let chutes = Chutes::builder().base_url(Sim::URL).api_key(Sim::KEY).transport(echo).build().unwrap();
    let error = Jobs::new(chutes).submit(train()).await.unwrap_err();
    assert_eq!(count.load(Ordering::Relaxed), 1);
    let shown = format!("{error} {error:?} {} {:?}", error.body(), error.http().headers());
    assert!(shown.contains("[redacted]") && !shown.contains(Sim::KEY), "{shown}");
}

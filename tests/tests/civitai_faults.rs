//! What goes wrong between the facade and Civitai, call by call: the error's kind, whether a repeat is safe, how often
//! the service was asked, and what became of the job.
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use consign::civitai::{Civitai, JobQuery, Jobs, TextToImage};
use consign::{
    BoxFuture, Credentials, Delivery, Error, ErrorKind, Event, Mode, Outcome, Retry, State, Token, TokioClock,
};
use consign_sim::civitai::operation::{CANCEL, GET, GET_JOB, QUERY, SUBMIT, TAINT};
use consign_sim::{Civitai as Sim, Fault, Plan, RetryAfter, Rule};
use consign_tests::in_process::{jobs, wire};
use serde_json::{Value, json};

const MODEL: &str = "urn:air:sdxl:checkpoint:civitai:101055@128078";

fn cat() -> TextToImage {
    TextToImage::new(MODEL, "a cat").size(64, 64).timeout("01:00:00")
}

/// A simulator whose jobs work this long.
fn sim(seconds: f64) -> Sim {
    Sim::builder().seed(1).script(move |_, _| Plan::succeed().seconds(seconds).queue(0)).build()
}

/// A success with this body.
fn json_200(body: &str) -> Fault {
    Fault::text(200, body).header("content-type", "application/json")
}

fn huge() -> Fault {
    Fault::edit(|reply| *reply.body_mut() = Bytes::from(vec![b' '; (64 << 20) + 1]))
}

fn moved() -> Fault {
    Fault::empty(302).header("location", "https://elsewhere.example/login?next=s3cret")
}

#[tokio::test(start_paused = true)]
async fn a_submission_is_repeated_only_if_it_was_surely_refused() {
    use Delivery::{Rejected, Unknown};
    use ErrorKind::*;
    let buzz = || Fault::json(403, &json!({"error": "Insufficient Buzz"}));
    // Fault, kind, delivery, requests, jobs made.
    let table: Vec<(&str, Fault, ErrorKind, Delivery, u64, usize)> = vec![
        ("reset before it was read", Fault::drop_before(), Transport, Unknown, 1, 0),
        ("reply lost", Fault::lose_reply(), Transport, Unknown, 1, 1),
        ("reply cut", Fault::cut_reply(20), Transport, Unknown, 1, 1),
        ("reply truncated", Fault::truncate(20), Decode, Unknown, 1, 1),
        ("no answer", Fault::hang(), Timeout, Unknown, 1, 0),
        ("no answer though accepted", Fault::hang_after(), Timeout, Unknown, 1, 1),
        ("400", Fault::status(400), InvalidRequest, Rejected, 1, 0),
        ("401", Fault::status(401), Unauthorized, Rejected, 1, 0),
        ("401 without a body", Fault::empty(401), Unauthorized, Rejected, 1, 0),
        ("402", Fault::status(402), InsufficientCredit, Rejected, 1, 0),
        ("403", Fault::status(403), Forbidden, Rejected, 1, 0),
        ("403 for Buzz", buzz(), InsufficientCredit, Rejected, 1, 0),
        ("404", Fault::status(404), NotFound, Rejected, 1, 0),
        ("408", Fault::status(408), Timeout, Unknown, 1, 0),
        ("409", Fault::status(409), Conflict, Rejected, 1, 0),
        ("413", Fault::status(413), Status, Rejected, 1, 0),
        ("425", Fault::status(425), RateLimited, Rejected, 5, 0),
        ("429", Fault::status(429), RateLimited, Rejected, 5, 0),
        ("429 for a while", Fault::status(429).retry_after(10), RateLimited, Rejected, 5, 0),
        ("429 for too long", Fault::status(429).retry_after(7200), RateLimited, Rejected, 1, 0),
        ("500", Fault::status(500), Server, Unknown, 1, 0),
        ("500 though accepted", Fault::status(500).after_processing(), Server, Unknown, 1, 1),
        ("502 page", Fault::html(502), Gateway, Unknown, 1, 0),
        ("503 for a while", Fault::status(503).retry_after(5), Gateway, Unknown, 1, 0),
        ("504 text", Fault::text(504, "upstream request timeout"), Gateway, Unknown, 1, 0),
        ("504 though accepted", Fault::html(504).after_processing(), Gateway, Unknown, 1, 1),
        ("a redirect", moved(), Status, Rejected, 1, 0),
        ("a web page with 200", Fault::html(200), Decode, Unknown, 1, 0),
        ("an error with 200", json_200(r#"{"error":"Insufficient Buzz"}"#), Decode, Unknown, 1, 0),
        ("202 without a body", Fault::empty(202).after_processing(), Decode, Unknown, 1, 1),
        ("200 without a body", Fault::empty(200).after_processing(), Decode, Unknown, 1, 1),
        ("200 with {}", json_200("{}").after_processing(), Decode, Unknown, 1, 1),
        ("200 with null", json_200("null").after_processing(), Decode, Unknown, 1, 1),
        ("200 with []", json_200("[]").after_processing(), Decode, Unknown, 1, 1),
        ("jobs without ids", json_200(r#"{"token":"","jobs":[{"cost":1}]}"#).after_processing(), Decode, Unknown, 1, 1),
        ("an answer beyond all bounds", huge(), TooLarge, Unknown, 1, 1),
    ];
    for (name, fault, kind, delivery, requests, made) in table {
        let sim = sim(5.0);
        sim.faults().add(Rule::new(fault).on(SUBMIT).always());
        let error = jobs(&sim).submit(cat()).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (kind, delivery), "{name}: {error}");
        assert_eq!((sim.ledger().count(SUBMIT), sim.jobs().len()), (requests, made), "{name}: {error}");
        assert!(error.attempts() as u64 == requests, "{name}: {} attempts", error.attempts());
        let text = error.to_string();
        assert!(!text.contains("s3cret"), "{text}");
        // Where the job may exist the error says what to do before another try.
        let warned = text.contains("before sending it again") || text.contains("before submitting it again");
        assert_eq!(warned, delivery == Unknown && kind != TooLarge, "{name}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_kept_from_an_answer_that_cannot_be_read_to_its_end() {
    let table = [
        (r#"{"token":"abc","jobs":[{"jobId":"#, Some("abc")),
        (r#"{"token":"abc","jobs":[{"cost":"free","properties":{"token":"not this"}}]}"#, Some("abc")),
        (r#"{"jobs":[{"cost":"free","properties":{"token":"not this"}}],"token":"abc"}"#, Some("abc")),
        (r#"{"jobs":[{"cost":"free","properties":{"token":"not this"}}]}"#, None),
        (r#"{"jobs":[{"properties":{"token":"not this"}"#, None),
        (r#"{"token":"ab"#, None),
        (r#"{"token":" ","jobs":5}"#, None),
        (r#"{"token":7,"jobs":[]}"#, None),
        (r#"<html><script>{"token":"csrf"}</script>"#, None),
    ];
    for (body, token) in table {
        let sim = sim(5.0);
        sim.faults().once(SUBMIT, json_200(body));
        match (jobs(&sim).submit(cat()).await, token) {
            (Ok(job), Some(token)) => assert_eq!(*job.ticket(), Civitai::ticket_of_token(token), "{body}"),
            (Err(error), None) => assert_eq!((error.kind(), error.delivery()), (ErrorKind::Decode, Delivery::Unknown)),
            (made, _) => panic!("{body}: {made:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_submission_that_lacks_something_is_used_as_far_as_it_goes() {
    type Change = fn(&mut Value);
    let table: [(&str, Change); 7] = [
        ("one unreadable job", |body| body["jobs"][1]["cost"] = json!("free")),
        ("no token", |body| drop(body.as_object_mut().unwrap().remove("token"))),
        ("a null token", |body| body["token"] = Value::Null),
        ("no jobs", |body| drop(body.as_object_mut().unwrap().remove("jobs"))),
        ("null jobs", |body| body["jobs"] = Value::Null),
        ("null members", |body| {
            body["jobs"].as_array_mut().unwrap().iter_mut().for_each(|job| {
                *job = json!({"jobId": job["jobId"], "cost": null, "properties": null, "result": null, "scheduled": null});
            });
        }),
        ("unknown members", |body| {
            body["new"] = json!({"a": [1]});
            body["jobs"][0]["serviceProviders"] = json!({"Brandnew": {"support": "Maybe", "x": 1}});
        }),
    ];
    for (name, change) in table {
        let sim = sim(5.0);
        sim.faults().once(SUBMIT, Fault::edit_json(change));
        let job = jobs(&sim).submit(cat().quantity(2)).await.unwrap();
        assert_eq!(sim.faults().pending(), 0);
        // Whatever the ticket was made of, it finds the job again, in another process too.
        let again = jobs(&sim).attach(job.ticket().to_string().parse().unwrap()).unwrap();
        let done = again.wait().await.unwrap();
        assert_eq!((done.outcome(), done.items().len()), (&Outcome::Done, 2), "{name}");
        assert_eq!(done.outputs().images().len(), 2, "{name}");
        again.taint("bad").await.unwrap();
        again.cancel().await.unwrap();
        assert!(sim.jobs().iter().all(|job| job.tainted.is_some()), "{name}");
    }
}

/// Faults that a repeat may cure.
fn passing() -> Vec<(&'static str, Fault, ErrorKind)> {
    use ErrorKind::*;
    vec![
        ("reset", Fault::drop_before(), Transport),
        ("reply lost", Fault::lose_reply(), Transport),
        ("reply cut", Fault::cut_reply(1), Transport),
        ("no answer", Fault::hang(), Timeout),
        ("408", Fault::status(408), Timeout),
        ("425", Fault::status(425), RateLimited),
        ("429", Fault::status(429).retry_after(3), RateLimited),
        ("500", Fault::status(500), Server),
        ("502", Fault::html(502), Gateway),
        ("503", Fault::status(503), Gateway),
        ("504", Fault::text(504, "upstream request timeout"), Gateway),
        ("a web page with 200", Fault::html(200), Decode),
    ]
}

/// Faults that a repeat does not cure.
fn lasting() -> Vec<(&'static str, Fault, ErrorKind)> {
    use ErrorKind::*;
    vec![
        ("400", Fault::status(400), InvalidRequest),
        ("401", Fault::empty(401), Unauthorized),
        ("403", Fault::status(403), Forbidden),
        ("404", Fault::status(404), NotFound),
        ("409", Fault::status(409), Conflict),
        ("a redirect", moved(), Status),
        ("429 for too long", Fault::status(429).retry_after(86_400), RateLimited),
    ]
}

/// Runs a call against each fault, once and always, and compares kind and number of requests.
async fn every_fault<F: Future<Output = Result<(), Error>>>(
    operation: &str,
    call: impl Fn(Sim, consign::civitai::Job) -> F,
) {
    for (always, faults, requests) in [(false, passing(), 2), (true, passing(), 5), (true, lasting(), 1)] {
        for (name, fault, kind) in faults {
            let sim = sim(50.0);
            let job = jobs(&sim).submit(cat().property("run", 1)).await.unwrap();
            let rule = Rule::new(fault).on(operation);
            sim.faults().add(if always { rule.always() } else { rule });
            let done = call(sim.clone(), job).await;
            assert_eq!(sim.ledger().count(operation), requests, "{operation}, {name}: {done:?}");
            match done {
                Ok(()) => assert!(!always, "{operation}, {name}"),
                Err(error) => {
                    assert!(always, "{operation}, {name}: {error}");
                    assert_eq!(
                        (error.kind(), u64::from(error.attempts())),
                        (kind, requests),
                        "{operation}, {name}: {error}"
                    );
                    let not_before = matches!(error.retry(), Retry::NotBefore(_));
                    assert_eq!(not_before, name == "429 for too long", "{operation}, {name}: {error}");
                    assert!(!error.to_string().contains("s3cret"));
                }
            }
            assert_eq!(sim.ledger().submissions(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_is_repeated_where_that_may_help() {
    every_fault(GET, |_, job| async move {
        job.look().await.map(drop).inspect_err(|e| assert_eq!(e.ticket(), Some(job.ticket())))
    })
    .await;
    every_fault(GET_JOB, |sim, _| async move {
        let ticket = Civitai::ticket_of_job(&sim.jobs()[0].id);
        jobs(&sim).attach(ticket)?.look().await.map(drop)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_is_repeated_where_that_may_help_and_is_then_done() {
    every_fault(CANCEL, |sim, job| async move {
        let done = job.cancel().await;
        let cancelled = sim.jobs()[0].events.last().unwrap().1 == "Deleted";
        assert!(cancelled || done.is_err());
        done.inspect_err(|e| assert_eq!(e.ticket(), Some(job.ticket())))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn tainting_is_repeated_where_that_may_help_and_is_then_done() {
    every_fault(TAINT, |sim, job| async move {
        let done = job.taint("blurred").await;
        assert!(sim.jobs()[0].tainted.is_some() || done.is_err());
        done.inspect_err(|e| assert_eq!(e.ticket(), Some(job.ticket())))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_query_is_repeated_where_that_may_help() {
    every_fault(QUERY, |sim, _| async move {
        let found = jobs(&sim).query(JobQuery::new().property("run", 1)).collect().await?;
        assert_eq!(found.len(), 1);
        Ok(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_price_that_cannot_be_had_leaves_no_doubt_that_nothing_was_submitted() {
    let others =
        [("202 without a body", Fault::empty(202), ErrorKind::Decode), ("{}", json_200("{}"), ErrorKind::Decode)];
    for (name, fault, kind) in passing().into_iter().chain(lasting()).chain(others) {
        let sim = sim(5.0);
        sim.faults().add(Rule::new(fault).on(SUBMIT).always());
        let error = jobs(&sim).submit(cat()).max_cost(1e9).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert_ne!(error.delivery(), Delivery::Unknown, "{name}: {error}");
        assert!(sim.jobs().is_empty() && sim.ledger().of(SUBMIT).iter().all(|e| e.target.contains("whatif=true")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_bears_what_says_nothing_about_the_job_and_ends_once() {
    let other = [
        ("half-open", Fault::hang_after(), ErrorKind::Timeout),
        ("truncated", Fault::truncate(30), ErrorKind::Decode),
        ("an error with 200", json_200(r#"{"title":"Too Many Requests","status":429}"#), ErrorKind::Decode),
        ("202 without a body", Fault::empty(202), ErrorKind::Timeout),
        ("404", Fault::status(404), ErrorKind::NotFound),
        ("too large", huge(), ErrorKind::TooLarge),
    ];
    for (name, fault, kind) in passing().into_iter().chain(other) {
        for hold in [true, false] {
            let sim = sim(300.0);
            sim.faults().add(Rule::new(fault.clone()).on(GET).times(2));
            let job = jobs(&sim).submit(cat()).await.unwrap();
            let call = if hold { job.wait() } else { job.wait().poll_only() };
            let mut watch = call.watch();
            let (mut ends, mut troubles) = (0, Vec::new());
            while let Some(event) = watch.next().await {
                match event.unwrap_or_else(|e| panic!("{name}, hold {hold}: {e}")) {
                    Event::Ended(done) => ends += u32::from(*done.outcome() == Outcome::Done),
                    Event::Trouble { error, .. } => troubles.push(error.kind()),
                    _ => {}
                }
            }
            assert_eq!((ends, sim.faults().pending()), (1, 0), "{name}, hold {hold}");
            assert!(troubles.iter().all(|k| *k == kind), "{name}, hold {hold}: {troubles:?}");
            let ended = sim.jobs()[0].events.last().unwrap().0;
            assert!(
                sim.elapsed() - ended <= Duration::from_secs(31),
                "{name}, hold {hold}: {:?}",
                sim.elapsed() - ended
            );
            assert!(sim.ledger().count(GET) <= 40, "{name}, hold {hold}: {}", sim.ledger().count(GET));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_the_ticket_where_going_on_is_of_no_use() {
    let other = [
        ("never readable", Fault::truncate(30), ErrorKind::Unreadable, 5),
        ("never found", Fault::status(404), ErrorKind::NotFound, 5),
        ("always an error with 200", json_200(r#"{"error":"gone fishing"}"#), ErrorKind::Unreadable, 5),
        ("no state and no sign of life", json_200(r#"{"token":"t","jobs":[]}"#), ErrorKind::Unreadable, 5),
        ("400", Fault::status(400), ErrorKind::InvalidRequest, 1),
        ("401", Fault::empty(401), ErrorKind::Unauthorized, 1),
        ("403", Fault::status(403), ErrorKind::Forbidden, 1),
        ("a redirect", moved(), ErrorKind::Status, 1),
        ("429 for a day", Fault::status(429).retry_after(86_400), ErrorKind::RateLimited, 1),
    ];
    for (name, fault, kind, requests) in other {
        let sim = sim(300.0);
        sim.faults().add(Rule::new(fault).on(GET).always());
        let job = jobs(&sim).submit(cat()).await.unwrap();
        let error = job.wait().await.unwrap_err();
        assert_eq!((error.kind(), error.ticket()), (kind, Some(job.ticket())), "{name}: {error}");
        assert_eq!((error.last_state().is_some(), sim.ledger().count(GET)), (true, requests), "{name}: {error}");
        assert_eq!(error.to_string().contains("gone fishing"), name.contains("error with 200"), "{error}");
        // The job goes on and can be waited for again.
        sim.faults().clear();
        assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Done, "{name}");
    }
}

/// Gives the first token until it is refused, and then the second.
#[derive(Debug, Default)]
struct TwoTokens {
    renewals: Arc<AtomicU32>,
    second: bool,
}

impl Credentials for TwoTokens {
    fn token(&self) -> BoxFuture<'_, Result<Token, consign_http::Error>> {
        let name = if self.renewals.load(Ordering::SeqCst) > 0 { "second-token-2" } else { "first-token-1" };
        Box::pin(async move { Token::new(name) })
    }
    fn renew<'a>(&'a self, _: &'a Token) -> BoxFuture<'a, Result<Option<Token>, consign_http::Error>> {
        self.renewals.fetch_add(1, Ordering::SeqCst);
        let newer = self.second.then(|| Token::new("second-token-2")).transpose();
        Box::pin(async move { newer })
    }
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_expires_in_the_middle_of_a_wait_is_renewed_there() {
    for second in [true, false] {
        let sim = sim(400.0);
        let renewals = Arc::new(AtomicU32::new(0));
        let source = TwoTokens { renewals: renewals.clone(), second };
        let civitai = Civitai::builder().base_url("http://civitai.invalid").credentials(source).transport(wire(&sim));
        let jobs = Jobs::new(civitai.clock(TokioClock::starting_at(sim.now())).build().unwrap());
        let job = jobs.submit(cat()).await.unwrap();
        let (waited, ()) = tokio::join!(job.wait(), async {
            tokio::time::sleep(Duration::from_secs(150)).await;
            sim.faults().require_token("second-token-2");
        });
        assert_eq!(renewals.load(Ordering::SeqCst), 1);
        match waited {
            Ok(done) => assert!(second && *done.outcome() == Outcome::Done),
            Err(error) => {
                assert_eq!(
                    (second, error.kind(), error.ticket()),
                    (false, ErrorKind::Unauthorized, Some(job.ticket()))
                );
                assert_eq!(error.last_state(), Some(&State::Running));
                assert!(!format!("{error} {error:?}").contains("-token-"), "{error:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_not_found_right_after_it_was_submitted_is_looked_for_again() {
    let sim = sim(20.0);
    sim.faults().add(Rule::new(Fault::status(404)).on(GET).times(4));
    let job = jobs(&sim).submit(cat()).await.unwrap();
    assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Done);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_vanishes_was_cancelled_by_us_or_is_gone() {
    for ours in [true, false] {
        let sim =
            Sim::builder().seed(1).forget_deleted().script(|_, _| Plan::succeed().seconds(500.0).queue(0)).build();
        let jobs = jobs(&sim);
        let job = jobs.submit(cat().quantity(2)).await.unwrap();
        let other = jobs.attach(job.ticket().clone()).unwrap();
        let (waited, ()) = tokio::join!(job.wait().poll_only(), async {
            tokio::time::sleep(Duration::from_secs(100)).await;
            if ours { job.cancel().await.unwrap() } else { other.cancel().await.unwrap() }
        });
        let done = waited.unwrap();
        assert_eq!(done.snapshot().state(), if ours { State::Cancelled } else { State::Gone });
        assert_eq!((done.items().len(), done.snapshot().finished()), (2, true));
        assert!(done.into_result().unwrap_err().ticket().is_some());
        // Cancelling what is gone says so, and cancelling twice is no harm where the service remembers.
        assert_eq!(job.cancel().await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_that_goes_backwards_is_reported_and_is_no_end() {
    let sim = sim(60.0);
    let back = Fault::edit_json(|body| {
        body["jobs"][0]["lastEvent"] = json!({"type": "Initialized", "jobHasCompleted": false, "dateTime": "d"});
    });
    sim.faults().add(Rule::new(back).on(GET).skip(3).times(3));
    let job = jobs(&sim).submit(cat()).await.unwrap();
    let mut watch = job.watch();
    let (mut states, mut ends) = (Vec::new(), 0);
    while let Some(event) = watch.next().await {
        match event.unwrap() {
            Event::Item { item, .. } => states.push(item.state.to_string()),
            Event::Ended(done) => ends += u32::from(*done.outcome() == Outcome::Done),
            _ => {}
        }
    }
    states.dedup();
    assert_eq!(states, ["running", "queued", "running", "succeeded"]);
    assert_eq!(ends, 1);
}

#[tokio::test(start_paused = true)]
async fn a_ten_minute_outage_is_survived_and_told() {
    for fault in [Fault::html(503), Fault::drop_before(), Fault::hang(), Fault::status(429), Fault::status(500)] {
        for hold in [true, false] {
            let sim = sim(700.0);
            let (from, until) = (Duration::from_secs(60), Duration::from_secs(660));
            sim.faults().add(Rule::new(fault.clone()).between(from, until));
            let job = jobs(&sim).submit(cat()).await.unwrap();
            let mut watch = if hold { job.wait().watch() } else { job.watch() };
            let (mut troubles, mut ends) = (0, 0);
            while let Some(event) = watch.next().await {
                match event.unwrap() {
                    Event::Trouble { error, pause } => {
                        assert!(error.ticket().is_some() && pause <= Duration::from_secs(40), "{error} {pause:?}");
                        troubles += 1;
                    }
                    Event::Ended(done) => ends += u32::from(*done.outcome() == Outcome::Done),
                    _ => {}
                }
            }
            assert!(ends == 1 && troubles >= 5, "{fault:?}, hold {hold}: {troubles} troubles");
            let ended = sim.jobs()[0].events.last().unwrap().0;
            assert!(sim.elapsed() - ended < Duration::from_secs(60), "{fault:?}: {:?} late", sim.elapsed() - ended);
            let asked = sim.ledger().count(GET);
            assert!(asked < 60, "{fault:?}, hold {hold}: {asked} requests");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_used_up_daily_quota_ends_the_wait_with_the_time_to_come_back() {
    for form in [RetryAfter::Seconds, RetryAfter::Date] {
        let sim = sim(900.0);
        let job = jobs(&sim).submit(cat()).await.unwrap();
        sim.faults().daily_quota(3);
        sim.faults().retry_after(form);
        let error = job.wait().poll_only().await.unwrap_err();
        assert_eq!((error.kind(), error.ticket()), (ErrorKind::RateLimited, Some(job.ticket())));
        let Retry::NotBefore(at) = error.retry() else { panic!("{error}") };
        let left = at.duration_since(sim.now()).unwrap();
        assert!(left > Duration::from_secs(80_000) && left <= Duration::from_secs(86_400), "{left:?}");
        assert_eq!(sim.ledger().count(GET), 4);
        // Done as told, it goes on.
        tokio::time::sleep(left + Duration::from_secs(1)).await;
        assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Done);
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_is_never_undercut_and_an_absurd_one_does_no_harm() {
    let wait = |text: &str| Fault::status(429).header("retry-after", text);
    // Header, and the least time until the next request; none: it ends the wait.
    let table = [
        ("45", Some(45)),
        ("0", Some(0)),
        (" 45 ", Some(45)),
        ("45.5", Some(46)),
        ("Wed, 01 Jan 2025 00:05:00 GMT", Some(200)),
        ("Wed, 01 Jan 1997 00:05:00 GMT", Some(0)),
        ("-5", Some(0)),
        ("soon", Some(0)),
        ("", Some(0)),
        ("99999999999999999999", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
    ];
    for (text, least) in table {
        let sim = sim(900.0);
        sim.faults().add(Rule::new(wait(text)).on(GET).skip(2).times(1));
        let job = jobs(&sim).submit(cat()).await.unwrap();
        let waited = job.wait().poll_only().await;
        let at: Vec<_> = sim.ledger().of(GET).iter().map(|e| e.at).collect();
        match (waited, least) {
            (Ok(done), Some(least)) => {
                assert_eq!(*done.outcome(), Outcome::Done);
                assert!(at[3] - at[2] >= Duration::from_secs(least), "{text:?}: {:?}", at[3] - at[2]);
            }
            (Err(error), None) => assert!(matches!(error.retry(), Retry::NotBefore(_)) && at.len() == 3, "{error}"),
            (waited, _) => panic!("{text:?}: {waited:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn half_open_connections_cost_a_look_its_time_limit_and_no_more() {
    let sim = sim(200.0);
    sim.faults().add(Rule::new(Fault::hang()).on(GET).times(3));
    let job = jobs(&sim).submit(cat()).await.unwrap();
    let done = job.wait().poll_only().await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Done);
    let at: Vec<_> = sim.ledger().of(GET).iter().map(|e| e.at).collect();
    for pair in at.windows(2).take(3) {
        let gap = pair[1] - pair[0];
        assert!(gap >= Duration::from_secs(30) && gap < Duration::from_secs(70), "{gap:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_one_job_by_its_id_polls_and_sees_the_end() {
    let sim = sim(300.0);
    jobs(&sim).submit(cat().quantity(2)).await.unwrap();
    let id = sim.jobs()[1].id.clone();
    let job = jobs(&sim).attach(Civitai::ticket_of_job(&id)).unwrap();
    let mut watch = job.wait().watch();
    let (mut modes, mut ends) = (Vec::new(), 0);
    while let Some(event) = watch.next().await {
        match event.unwrap() {
            Event::Mode(mode) => modes.push(mode),
            Event::Ended(done) => ends += u32::from(done.items()[0].id.as_deref() == Some(&*id)),
            _ => {}
        }
    }
    assert_eq!((modes, ends), (vec![Mode::Poll], 1));
    let targets: Vec<_> = sim.ledger().of(GET_JOB).into_iter().map(|e| e.target).collect();
    assert!(targets.len() < 30 && targets.iter().all(|t| !t.contains("wait")), "{targets:?}");
}

#[tokio::test(start_paused = true)]
async fn tickets_and_ids_that_lead_nowhere_are_refused_before_anything_is_sent() {
    let sim = sim(5.0);
    let jobs = jobs(&sim);
    for ticket in [
        Civitai::ticket_of_job(""),
        Civitai::ticket_of_job("  "),
        Civitai::ticket_of_job(".."),
        Civitai::ticket_of_token(""),
        Civitai::ticket_of_token(" \n"),
        "consign:1:civitai:ids=[]".parse().unwrap(),
        "consign:1:civitai:ids=x".parse().unwrap(),
        "consign:1:civitai:nothing".parse().unwrap(),
        "consign:2:civitai:token=t".parse().unwrap(),
    ] {
        let job = jobs.attach(ticket.clone()).unwrap();
        for error in [
            job.look().await.unwrap_err(),
            job.wait().await.unwrap_err(),
            job.cancel().await.unwrap_err(),
            job.taint("x").await.unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidRequest, Delivery::NotSent), "{error}");
            assert_eq!(error.ticket(), Some(&ticket));
        }
    }
    let job = jobs.attach(Civitai::ticket_of_token("t")).unwrap();
    assert_eq!(job.cancel().item("").await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    assert!(sim.ledger().is_empty());
    // An id of any form is one path value, whatever is in it.
    for id in ["a/../b", "a,b", "a%2Fb", "ü?x=1#y", "[\"a\"]"] {
        let error = jobs.attach(Civitai::ticket_of_job(id)).unwrap().look().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{id}");
    }
    assert_eq!(sim.ledger().count(GET_JOB), 5);
}

//! What goes wrong between the facade and NuMind: submissions whose fate is unclear, streams that break in every way,
//! outages, tokens; the error's kind, whether a repeat is safe, how often the service was asked.
use std::time::Duration;

use bytes::Bytes;
use consign::numind::{Jobs, NuMind, OAuth, StructuredExtraction, TemplateGeneration};
use consign::{BoxFuture, Credentials, Delivery, Error, ErrorKind, Event, Finished, Mode, Outcome, Retry, Token};
use consign_http::{Body, ByteStream, Transport};
use consign_sim::numind::{Plan, StreamFault, operation as op};
use consign_sim::{Fault, NuMind as Sim, Rule};
use consign_tests::in_process::wire;
use consign_tests::numind::{at, simulated};
use serde_json::json;

fn spec() -> TemplateGeneration {
    TemplateGeneration::new("the number of an invoice")
}

/// A simulator whose jobs work this long.
fn sim(seconds: f64) -> Sim {
    Sim::builder().seed(1).script(move |_, _| Plan::complete().pending(0.0).seconds(seconds)).build()
}

fn json_200(body: &str) -> Fault {
    Fault::text(200, body).header("content-type", "application/json")
}

#[tokio::test(start_paused = true)]
async fn a_submission_is_repeated_only_if_it_was_surely_refused() {
    use Delivery::{Rejected, Unknown};
    use ErrorKind::*;
    let quota = || Fault::json(403, &json!({"code": "QuotaExceeded", "message": "Upgrade"}));
    // Fault, kind, delivery, requests, jobs made.
    let table: Vec<(&str, Fault, ErrorKind, Delivery, u64, usize)> = vec![
        ("reset before it was read", Fault::drop_before(), Transport, Unknown, 1, 0),
        ("reply lost", Fault::lose_reply(), Transport, Unknown, 1, 1),
        ("reply cut", Fault::cut_reply(5), Transport, Unknown, 1, 1),
        ("reply truncated", Fault::truncate(5), Decode, Unknown, 1, 1),
        ("no answer", Fault::hang(), Timeout, Unknown, 1, 0),
        ("no answer though accepted", Fault::hang_after(), Timeout, Unknown, 1, 1),
        (
            "400 in words",
            Fault::text(400, "Invalid value for: query parameter timeout"),
            InvalidRequest,
            Rejected,
            1,
            0,
        ),
        ("401", Fault::status(401), Unauthorized, Rejected, 1, 0),
        ("402", Fault::status(402), InsufficientCredit, Rejected, 1, 0),
        ("403", Fault::status(403), Forbidden, Rejected, 1, 0),
        ("403 for the quota", quota(), InsufficientCredit, Rejected, 1, 0),
        ("404", Fault::status(404), NotFound, Rejected, 1, 0),
        ("413", Fault::status(413), Status, Rejected, 1, 0),
        ("429", Fault::status(429), RateLimited, Rejected, 5, 0),
        ("429 for a while", Fault::status(429).retry_after(10), RateLimited, Rejected, 5, 0),
        ("429 for too long", Fault::status(429).retry_after(7200), RateLimited, Rejected, 1, 0),
        ("500 without a word", Fault::empty(500), Server, Unknown, 1, 0),
        ("500 though accepted", Fault::status(500).after_processing(), Server, Unknown, 1, 1),
        ("502 page", Fault::html(502), Gateway, Unknown, 1, 0),
        ("a web page with 200", Fault::html(200), Decode, Unknown, 1, 0),
        ("200 without a body", Fault::empty(200).after_processing(), Decode, Unknown, 1, 1),
        ("200 with {}", json_200("{}").after_processing(), Decode, Unknown, 1, 1),
        ("200 with null", json_200("null").after_processing(), Decode, Unknown, 1, 1),
        ("an empty job id", json_200(r#"{"jobId":""}"#).after_processing(), Decode, Unknown, 1, 1),
    ];
    for (name, fault, kind, delivery, requests, made) in table {
        let sim = sim(5.0);
        sim.faults().add(Rule::new(fault).on(op::TEMPLATE_TEXT).always());
        let error = at(&sim).submit(spec()).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (kind, delivery), "{name}: {error}");
        assert_eq!((sim.ledger().count(op::TEMPLATE_TEXT), sim.jobs().len()), (requests, made), "{name}: {error}");
        let text = error.to_string();
        let warned = text.contains("before sending it again") || text.contains("before submitting it again");
        assert_eq!(warned, delivery == Unknown, "{name}: {text}");
        assert!(!text.contains("nm.test.token"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_extraction_without_a_project_is_not_tried_another_way_when_its_fate_is_unclear() {
    for fault in [Fault::lose_reply(), Fault::status(500).after_processing(), Fault::status(400), Fault::status(403)] {
        let sim = sim(5.0);
        sim.faults().add(Rule::new(fault).on(op::EXTRACT).always());
        let spec = StructuredExtraction::with_template(json!({"number": "string"}), "Invoice 17");
        at(&sim).submit(spec).await.unwrap_err();
        assert!(sim.jobs().len() <= 1 && sim.projects().is_empty());
        assert_eq!((sim.ledger().count(op::EXTRACT), sim.ledger().count(op::CREATE_PROJECT)), (1, 0));
    }
}

/// How a wait went: its end, the modes on the way.
async fn follow(jobs: &Jobs) -> (Finished<consign::numind::NuMind>, Vec<Mode>) {
    let job = jobs.submit(spec()).await.unwrap();
    let mut watch = job.wait().watch();
    let (mut modes, mut end) = (Vec::new(), None);
    while let Some(event) = watch.next().await {
        match event.unwrap() {
            Event::Mode(mode) => modes.push(mode),
            Event::Ended(finished) => assert!(end.replace(finished).is_none(), "the end comes once"),
            _ => {}
        }
    }
    (end.expect("an end"), modes)
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_in_any_way_costs_neither_the_end_nor_much_time() {
    let s = Duration::from_secs;
    let table: Vec<(&str, StreamFault, Duration)> = vec![
        ("cut at once", StreamFault::cut(s(0)), s(30)),
        ("cut in the middle", StreamFault::cut(s(100)), s(30)),
        ("ended at once", StreamFault::end(s(0)), s(30)),
        ("ended in the middle", StreamFault::end(s(100)), s(30)),
        ("silent from the start", StreamFault::silence(s(0)), s(95)),
        ("silent in the middle", StreamFault::silence(s(250)), s(95)),
        ("an error in the middle", StreamFault::error(s(100), "InternalError", "try again later"), s(30)),
        ("cut in the last event", StreamFault::cut_in_result(20), s(30)),
        ("ended in the last event", StreamFault::end_in_result(20), s(30)),
        ("ended before the last event", StreamFault::end_in_result(0), s(30)),
    ];
    for (name, fault, late) in table {
        for streams in [vec![fault], vec![fault; 2], vec![fault; 100]] {
            let sim = sim(300.0);
            let (n, kept) = (streams.len(), streams);
            sim.script(move |_, _| Plan::complete().pending(0.0).seconds(300.0).streams(kept.clone()));
            let (finished, modes) = follow(&at(&sim)).await;
            assert_eq!(*finished.outcome(), Outcome::Done, "{name} x {n}");
            assert_eq!(modes[..2], [Mode::Events, Mode::Poll], "{name} x {n}");
            let after = sim.elapsed() - sim.jobs()[0].ended.unwrap();
            assert!(after <= late, "{name} x {n}: {after:?} after the end");
            assert!(sim.ledger().len() <= 80, "{name} x {n}: {} requests", sim.ledger().len());
            assert!(sim.ledger().count(op::STREAM) <= 8, "{name} x {n}: {} streams", sim.ledger().count(op::STREAM));
            tokio::time::sleep(s(1)).await;
            assert_eq!(sim.open_streams(), 0, "{name} x {n}");
            if n < 100 {
                finished.into_result().unwrap().template().unwrap();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pings_alone_keep_a_stream_open_for_hours() {
    let sim = Sim::builder().seed(1).timeout(Duration::from_secs(36_000)).build();
    sim.script(|_, _| Plan::complete().pending(0.0).seconds(20_000.0));
    let (finished, modes) = follow(&at(&sim)).await;
    assert_eq!((finished.outcome(), modes), (&Outcome::Done, vec![Mode::Events]));
    // The status is asked now and then whether the stream keeps anything back.
    assert_eq!((sim.ledger().count(op::STREAM), sim.ledger().len()), (1, 3 + 33));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_refused_or_is_none_is_followed_by_polls() {
    let faults = [
        Fault::status(500),
        Fault::html(200),
        Fault::status(403),
        Fault::status(404),
        Fault::status(406),
        Fault::hang(),
        Fault::json(200, &json!({"code": "InternalError", "message": "later"})),
    ];
    for fault in faults {
        let sim = sim(300.0);
        let name = format!("{fault:?}");
        sim.faults().add(Rule::new(fault).on(op::STREAM).times(1));
        let (finished, modes) = follow(&at(&sim)).await;
        assert_eq!((finished.outcome(), &modes[..2]), (&Outcome::Done, &[Mode::Events, Mode::Poll][..]), "{name}");
        finished.into_result().unwrap().template().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_ten_minutes_is_waited_out() {
    for fault in [Fault::drop_before(), Fault::html(502), Fault::status(429)] {
        let sim = sim(60.0);
        let window = (Duration::from_secs(10), Duration::from_secs(610));
        sim.faults().add(Rule::new(fault).always().between(window.0, window.1));
        let job = at(&sim).submit(spec()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(11)).await;
        let before = sim.ledger().len();
        let done = job.wait().await.unwrap();
        assert_eq!(*done.outcome(), Outcome::Done);
        done.into_result().unwrap().template().unwrap();
        assert!(sim.ledger().len() - before <= 60, "{}", sim.ledger().len() - before);
        assert!(sim.elapsed() < Duration::from_secs(700), "{:?}", sim.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_vanishes_is_gone_and_one_that_never_was_is_not_found() {
    let sim = sim(300.0);
    let jobs = at(&sim);
    let job = jobs.submit(spec()).await.unwrap();
    sim.faults().add(Rule::new(Fault::status(404)).on(op::STATUS).skip(1).always());
    sim.faults().add(Rule::new(Fault::status(404)).on(op::STREAM).always());
    let done = job.wait().await.unwrap();
    assert!(matches!(done.outcome(), Outcome::Failed(f) if f.reason == consign::Reason::Lost), "{:?}", done.outcome());
    let never = jobs.attach(consign::numind::NuMind::ticket_of_job("nobody")).unwrap().wait().await.unwrap_err();
    assert_eq!((never.kind(), never.attempts(), never.ticket().is_some()), (ErrorKind::NotFound, 5, true), "{never}");
}

#[tokio::test(start_paused = true)]
async fn a_word_that_nobody_knows_does_not_end_a_wait_and_does_not_hold_it_for_ever() {
    let sim = sim(1.0);
    sim.script(|_, _| Plan::end("archived").pending(0.0).seconds(30.0));
    let (finished, _) = follow(&at(&sim)).await;
    assert_eq!(*finished.outcome(), Outcome::Unknown("archived".into()));
    sim.script(|_, _| Plan::end("hibernating").open_end().pending(0.0).seconds(30.0));
    let job = at(&sim).submit(spec()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let error = job.wait().poll_only().await.unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::Unreadable, Some(job.ticket())));
}

/// Tokens that a server refuses one after the other.
#[derive(Debug)]
struct Renewed;
impl Credentials for Renewed {
    fn token(&self) -> BoxFuture<'_, Result<Token, consign_http::Error>> {
        Box::pin(async { Token::new("token-one") })
    }
    fn renew<'a>(&'a self, refused: &'a Token) -> BoxFuture<'a, Result<Option<Token>, consign_http::Error>> {
        let _ = refused;
        Box::pin(async { Token::new("token-two").map(Some) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_in_the_middle_of_a_wait_is_renewed() {
    let sim = sim(300.0);
    sim.faults().require_token("token-one");
    let jobs = Jobs::new(simulated(&sim, |builder| builder.credentials(Renewed)));
    let job = jobs.submit(spec()).await.unwrap();
    sim.faults().require_token("token-two");
    let done = job.wait().await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Done);
    assert!(!format!("{jobs:?} {:?}", jobs.provider()).contains("token-"));
}

#[tokio::test(start_paused = true)]
async fn a_fixed_key_that_is_refused_ends_the_wait_at_once_with_the_ticket() {
    let sim = sim(300.0);
    let job = at(&sim).submit(spec()).await.unwrap();
    sim.faults().require_token("another-token");
    let error: Error = job.wait().await.unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::Unauthorized, Some(job.ticket())));
    assert_eq!(error.retry(), Retry::Never);
    assert!(!format!("{error} {error:?}").contains("nm.test.token"));
}

#[tokio::test(start_paused = true)]
async fn a_login_is_a_source_of_tokens() {
    let sim = sim(1000.0);
    let login = OAuth::of_platform("http://numind.invalid", "r3fresh-token").unwrap().transport(wire(&sim));
    let jobs = Jobs::new(simulated(&sim, |builder| builder.credentials(login)));
    let job = jobs.submit(spec()).await.unwrap();
    let done = job.wait().poll_only().await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Done);
    let renewals = sim.ledger().count(op::TOKEN);
    assert!((3..=6).contains(&renewals), "{renewals} renewals in 1000 s");
    sim.faults().add(Rule::new(Fault::status(401)).on(op::TOKEN).always());
    tokio::time::sleep(Duration::from_secs(600)).await;
    let error = jobs.submit(spec()).await.unwrap_err();
    assert!(error.to_string().contains("the access token cannot be renewed"), "{error}");
    assert!(!format!("{error} {error:?} {jobs:?}").contains("r3fresh"));
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_is_used_up_is_told_at_the_submission() {
    let sim = Sim::builder().seed(1).quota(1).build();
    let jobs = at(&sim);
    jobs.submit(spec()).await.unwrap();
    let error = jobs.submit(spec()).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::InsufficientCredit, Delivery::Rejected));
    assert_eq!(sim.ledger().count(op::TEMPLATE_TEXT), 2);
}

/// One token until it is refused, then another.
#[derive(Debug, Default)]
struct Current(std::sync::atomic::AtomicBool);
impl Credentials for Current {
    fn token(&self) -> BoxFuture<'_, Result<Token, consign_http::Error>> {
        let renewed = self.0.load(std::sync::atomic::Ordering::Relaxed);
        Box::pin(async move { Token::new(if renewed { "token-two" } else { "token-one" }) })
    }
    fn renew<'a>(&'a self, _: &'a Token) -> BoxFuture<'a, Result<Option<Token>, consign_http::Error>> {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        Box::pin(async { Token::new("token-two").map(Some) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_to_a_form_is_renewed_and_the_form_is_made_again() {
    let sim = sim(30.0);
    sim.faults().require_token("token-two");
    let jobs = Jobs::new(simulated(&sim, |builder| builder.credentials(Current::default())));
    let spec = StructuredExtraction::with_template(json!({"number": "string"}), "Invoice 17");
    let done = jobs.submit(spec).await.unwrap().wait().await.unwrap();
    assert_eq!((done.outcome(), sim.ledger().count(op::EXTRACT), sim.jobs().len()), (&Outcome::Done, 2, 1));
    // Where there is no newer one, once is enough.
    let sim = self::sim(30.0);
    sim.faults().require_token("another");
    let spec = StructuredExtraction::with_template(json!({"number": "string"}), "Invoice 17");
    let error = at(&sim).submit(spec).await.unwrap_err();
    assert_eq!((error.kind(), error.retry(), sim.ledger().len()), (ErrorKind::Unauthorized, Retry::Never, 1));
}

/// A service whose streams go on with signs of life after the job's end, which its status tells.
#[derive(Debug)]
struct Deaf(tokio::time::Instant);
impl Transport for Deaf {
    fn send(
        &self,
        request: http::Request<Body>,
    ) -> BoxFuture<'_, Result<http::Response<ByteStream>, consign_http::Error>> {
        let word = if self.0.elapsed() < Duration::from_secs(3000) { "running" } else { "completed" };
        let record = json!({"id": "a", "status": word, "outputData": "{}"}).to_string();
        let answer = http::Response::builder();
        let answer = match request.uri().path().ends_with("/stream") {
            true => {
                let pings = futures_util::stream::unfold((), |()| async {
                    tokio::time::sleep(Duration::from_secs(30)).await;
                    Some((Ok(Bytes::from_static(b"event: ping\ndata: \n\n")), ()))
                });
                answer.header("content-type", "text/event-stream").body(ByteStream::new(pings))
            }
            false => answer.header("content-type", "application/json").body(ByteStream::from_bytes(record.into())),
        };
        Box::pin(async move { Ok(answer.unwrap()) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_tells_the_end_does_not_hold_a_wait_for_ever() {
    let began = tokio::time::Instant::now();
    let numind = NuMind::builder().api_key("key").transport(Deaf(began)).build().unwrap();
    let job = Jobs::new(numind).attach(NuMind::ticket_of_job("a")).unwrap();
    let done = job.wait().timeout(Duration::from_secs(36_000)).await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Done);
    assert!(done.outputs().json().is_ok());
    assert!(began.elapsed() < Duration::from_secs(3000 + 700), "{:?}", began.elapsed());
}

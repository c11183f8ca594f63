//! NuMind's records as states: the whole derivation table, how the end is learnt, and what a job gave.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use consign::numind::{Api, NuMind, Record};
use consign::{ErrorKind, Item, Outcome, Reason, State};
use consign_tests::numind::{Asked, events, jobs, json, provider};
use serde_json::{Value, json as value};

/// A wait that goes wrong is not to go on for ever.
const HOUR: Duration = Duration::from_secs(3600);

fn record(status: &str, more: Value) -> Value {
    let mut record = value!({
        "id": "a", "jobType": "inference", "status": status, "ownerUser": "u", "inputData": "{}",
        "startedAt": "2026-01-31T12:00:00Z", "createdAt": "2026-01-31T12:00:00Z", "updatedAt": "2026-01-31T12:00:01Z",
    });
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

fn is_stream(asked: &Asked) -> bool {
    asked.line.ends_with("/stream")
}

/// What a look at a job shows, whose status and stream tell the same.
async fn look(record: Value) -> Item {
    let (jobs, _) = jobs(move |asked| match is_stream(asked) {
        true => events(&[("result", &record)]),
        false => json(&record),
    });
    let snapshot = jobs.attach(NuMind::ticket_of_job("a")).unwrap().look().await.unwrap();
    snapshot.items()[0].clone()
}

#[tokio::test(start_paused = true)]
async fn each_word_with_and_without_an_end_mark_has_its_state() {
    let table = [
        ("created", "queued", false, None),
        ("pending", "queued", false, None),
        ("queued", "queued", false, None),
        ("running", "running", false, None),
        ("Running", "running", false, None),
        ("completed", "succeeded", true, None),
        ("COMPLETED", "succeeded", true, None),
        ("failed", "failed", true, Some(Reason::Failed)),
        ("timeout", "failed", true, Some(Reason::TimedOut)),
        ("cancelled", "cancelled", true, None),
        ("canceled", "cancelled", true, None),
        ("hibernating", "unknown", false, None),
        ("", "unknown", false, None),
    ];
    for (word, state, finished, reason) in table {
        let item = look(record(word, value!({}))).await;
        assert_eq!((item.state.as_str(), item.finished, item.reason), (state, finished, reason), "{word:?}");
        // The end mark decides only whether a word that is not known is an end.
        let item = look(record(word, value!({"completedAt": "2026-01-31T12:00:02Z"}))).await;
        assert_eq!((item.state.as_str(), item.finished), (state, finished || state == "unknown"), "{word:?} and ended");
        assert_eq!(item.pulse.as_deref(), Some("2026-01-31T12:00:01Z"));
    }
    let item = look(record("hibernating", value!({}))).await;
    assert_eq!(item.state, State::Unknown("hibernating".into()));
    assert_eq!(item.word.as_deref(), Some("hibernating"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_has_its_code_its_words_and_its_kind() {
    let failed = |code: Value, message: Value| record("failed", value!({"errorCode": code, "errorMessage": message}));
    let table = [
        (failed(value!("QuotaExceeded"), value!("Upgrade your plan")), Reason::Quota, "Upgrade your plan"),
        (failed(value!("JobTimeout"), value!("Too long")), Reason::TimedOut, "Too long"),
        (failed(value!("ModelError"), value!("Billing quota exceeded")), Reason::Quota, "Billing quota exceeded"),
        (failed(value!(413), value!("Request Entity Too Large")), Reason::Failed, "Request Entity Too Large"),
        (failed(value!("ModelError"), value!(" ")), Reason::Failed, "ModelError"),
        (record("timeout", value!({"errorMessage": "an hour"})), Reason::TimedOut, "an hour"),
    ];
    for (record, reason, message) in table {
        let item = look(record.clone()).await;
        assert_eq!((item.reason, item.message.as_deref()), (Some(reason), Some(message)), "{record}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_status_tells_the_end_and_the_stream_its_reason_and_its_output() {
    let done = record("completed", value!({"outputData": "{\"result\":{\"a\":1}}"}));
    let (jobs, ledger) = jobs(move |asked| match is_stream(asked) {
        true => events(&[("ping", &Value::Null), ("result", &done)]),
        false => json(&record("completed", value!({"timeoutSeconds": 3600}))),
    });
    let job = jobs.attach(NuMind::ticket_of_job("a")).unwrap();
    let output = job.outputs().await.unwrap();
    assert_eq!(output.json().unwrap(), value!({"result": {"a": 1}}));
    assert_eq!(ledger.lines(), ["GET /api/jobs/a/status", "GET /api/jobs/a/stream"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_streams_is_asked_for_the_record_itself() {
    let done = record("failed", value!({"errorMessage": "unreadable file"}));
    let (jobs, ledger) = jobs(move |asked| match asked.line.as_str() {
        "GET /api/jobs/a/status" => json(&record("failed", value!({}))),
        "GET /api/jobs/a" => json(&done),
        _ => (404, "text/plain", "no such path".to_owned()),
    });
    let done = jobs.attach(NuMind::ticket_of_job("a")).unwrap().wait().timeout(HOUR).await.unwrap();
    assert!(matches!(done.outcome(), Outcome::Failed(f) if f.message.as_deref() == Some("unreadable file")));
    assert_eq!(ledger.lines(), ["GET /api/jobs/a/status", "GET /api/jobs/a/stream", "GET /api/jobs/a"]);
}

#[tokio::test(start_paused = true)]
async fn an_end_whose_record_nobody_gives_is_still_an_end() {
    let (jobs, _) = jobs(|asked| match asked.line.as_str() {
        "GET /api/jobs/a/status" => json(&record("completed", value!({}))),
        _ => (404, "text/plain", "no such path".to_owned()),
    });
    let done = jobs.attach(NuMind::ticket_of_job("a")).unwrap().wait().timeout(HOUR).await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Done);
    let error = done.into_result().unwrap().extraction::<Value>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.ticket(), Some(&NuMind::ticket_of_job("a")));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_for_a_moment_is_asked_for_again() {
    let seen = AtomicUsize::new(0);
    let done = record("completed", value!({"outputData": "{\"result\":{\"a\":1}}"}));
    let (jobs, _) = jobs(move |asked| match asked.line.as_str() {
        "GET /api/jobs/a/status" => json(&record("completed", value!({}))),
        "GET /api/jobs/a/stream" if seen.fetch_add(1, Ordering::Relaxed) > 0 => events(&[("result", &done)]),
        _ => (500, "text/plain", String::new()),
    });
    let done = jobs.attach(NuMind::ticket_of_job("a")).unwrap().wait().timeout(HOUR).await.unwrap();
    assert_eq!(done.into_result().unwrap().json().unwrap()["result"], value!({"a": 1}));
}

#[tokio::test(start_paused = true)]
async fn a_stream_refused_for_a_used_up_quota_is_the_reason_of_the_failure() {
    let (jobs, _) = jobs(|asked| match asked.line.as_str() {
        "GET /api/jobs/a/status" => json(&record("failed", value!({}))),
        _ => (403, "application/json", value!({"code": "QuotaExceeded", "message": "Upgrade"}).to_string()),
    });
    let done = jobs.attach(NuMind::ticket_of_job("a")).unwrap().wait().timeout(HOUR).await.unwrap();
    let Outcome::Failed(failure) = done.outcome() else { panic!("{:?}", done.outcome()) };
    assert_eq!((failure.reason, failure.message.as_deref()), (Reason::Quota, Some("Upgrade")));
}

#[tokio::test(start_paused = true)]
async fn an_error_in_place_of_the_record_is_a_failure() {
    let refusal = value!({"code": 413, "message": "Request Entity Too Large"});
    let (jobs, _) = jobs(move |asked| match is_stream(asked) {
        true => events(&[("result", &refusal)]),
        false => json(&record("running", value!({}))),
    });
    let done = jobs.attach(NuMind::ticket_of_job("a")).unwrap().wait().timeout(HOUR).await.unwrap();
    let Outcome::Failed(failure) = done.outcome() else { panic!("{:?}", done.outcome()) };
    assert_eq!(failure.message.as_deref(), Some("Request Entity Too Large"));
    assert_eq!((failure.word.as_deref(), failure.item.as_deref()), (Some("413"), Some("a")));
    assert!(matches!(done.snapshot().raw(), Some(Record::Refused(_))));
}

#[tokio::test(start_paused = true)]
async fn an_error_event_that_tells_of_no_time_left_is_the_end_and_keeps_what_there_is() {
    let error = value!({"code": "JobTimeout", "message": "Job execution timed out"});
    let late = record("timeout", value!({"outputData": "{\"result\":{\"a\":1}}"}));
    for has_record in [true, false] {
        let (error, late) = (error.clone(), late.clone());
        let (jobs, _) = jobs(move |asked| match asked.line.as_str() {
            "GET /api/jobs/a/stream" => events(&[("error", &error)]),
            "GET /api/jobs/a/status" => json(&record("running", value!({}))),
            "GET /api/jobs/a" if has_record => json(&late),
            _ => (404, "text/plain", String::new()),
        });
        let done = jobs.attach(NuMind::ticket_of_job("a")).unwrap().wait().timeout(HOUR).await.unwrap();
        assert!(matches!(done.outcome(), Outcome::Failed(f) if f.reason == Reason::TimedOut), "{:?}", done.outcome());
        let output = done.outputs().extraction::<Value>();
        assert_eq!(output.ok().map(|output| output.into_value()), has_record.then(|| value!({"a": 1})));
    }
}

#[tokio::test(start_paused = true)]
async fn another_error_event_is_no_end_although_the_job_succeeds_later() {
    let looks = AtomicUsize::new(0);
    let done = record("completed", value!({"outputData": "{\"result\":{}}"}));
    let error = value!({"code": "InternalError", "message": "An error occurred"});
    let (jobs, _) = jobs(move |asked| match is_stream(asked) {
        true if looks.load(Ordering::Relaxed) < 3 => events(&[("error", &error)]),
        true => events(&[("result", &done)]),
        false if looks.fetch_add(1, Ordering::Relaxed) < 3 => json(&record("running", value!({}))),
        false => json(&record("completed", value!({}))),
    });
    let done = jobs.attach(NuMind::ticket_of_job("a")).unwrap().wait().timeout(HOUR).await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Done);
}

#[tokio::test(start_paused = true)]
async fn a_status_that_tells_of_success_is_believed_before_a_stream_that_tells_of_an_error() {
    let error = value!({"code": "JobTimeout", "message": "Job execution timed out"});
    let done = record("completed", value!({"outputData": "{\"result\":{\"a\":1}}"}));
    for has_record in [true, false] {
        let (error, done) = (error.clone(), done.clone());
        let (jobs, _) = jobs(move |asked| match asked.line.as_str() {
            "GET /api/jobs/a/stream" => events(&[("result", &error)]),
            "GET /api/jobs/a/status" => json(&record("completed", value!({}))),
            "GET /api/jobs/a" if has_record => json(&done),
            _ => (404, "text/plain", String::new()),
        });
        let done = jobs.attach(NuMind::ticket_of_job("a")).unwrap().wait().timeout(HOUR).await.unwrap();
        assert_eq!(*done.outcome(), Outcome::Done);
        assert_eq!(done.outputs().json().is_ok(), has_record);
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_whose_word_is_not_known_is_told_as_such() {
    let ended = record("archived", value!({"completedAt": "2026-01-31T12:00:02Z"}));
    let (jobs, _) = jobs(move |asked| match is_stream(asked) {
        true => events(&[("result", &ended)]),
        false => json(&record("running", value!({}))),
    });
    let done = jobs.attach(NuMind::ticket_of_job("a")).unwrap().wait().timeout(HOUR).await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Unknown("archived".into()));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_with_the_record_in_place_of_a_stream_is_understood() {
    let done = record("completed", value!({"outputData": {"result": {"a": 1}}}));
    let (jobs, _) = jobs(move |_| json(&done));
    let done = jobs.attach(NuMind::ticket_of_job("a")).unwrap().wait().timeout(HOUR).await.unwrap();
    assert_eq!(done.into_result().unwrap().extraction::<Value>().unwrap().into_value(), value!({"a": 1}));
}

#[tokio::test(start_paused = true)]
async fn the_ticket_is_checked_before_anything_is_sent() {
    let (numind, ledger) = provider(|builder| builder.api(Api::V0_2), |_| (500, "text/plain", String::new()));
    let jobs = consign::Jobs::new(numind);
    for (version, data) in
        [(1, "id="), (1, "id=  "), (1, "x"), (2, "id=a"), (1, "in=a"), (1, "in=[\"a\"]"), (1, "id=..")]
    {
        let ticket = consign::Ticket::new("numind", version, data);
        let error = jobs.attach(ticket.clone()).unwrap().look().await.unwrap_err();
        assert_eq!((error.kind(), error.ticket()), (ErrorKind::InvalidRequest, Some(&ticket)), "{data}");
    }
    assert!(jobs.attach(consign::Ticket::new("civitai", 1, "id=a")).is_err());
    assert!(ledger.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_end_is_told_soon_although_its_record_fails_to_come_each_time() {
    let page = "<html><body>no streams here</body></html>";
    let refusals = [
        (502, "text/html", page),
        (200, "text/html", page),
        (500, "text/plain", ""),
        (200, "text/event-stream", ":\n\n"),
    ];
    for (refusal, gone) in refusals.iter().flat_map(|refusal| [(*refusal, 404), (*refusal, 500)]) {
        let (jobs, _) = jobs(move |asked| match asked.line.as_str() {
            "GET /api/jobs/a/status" => json(&record("completed", value!({}))),
            "GET /api/jobs/a/stream" => (refusal.0, refusal.1, refusal.2.to_owned()),
            _ => (gone, "text/plain", String::new()),
        });
        let began = tokio::time::Instant::now();
        let done = jobs.attach(NuMind::ticket_of_job("a")).unwrap().wait().timeout(HOUR).await;
        let done = done.unwrap_or_else(|error| panic!("{refusal:?} {gone}: {error}"));
        assert_eq!(*done.outcome(), Outcome::Done, "{refusal:?} {gone}");
        assert!(began.elapsed() < Duration::from_secs(30), "{refusal:?} {gone}: after {:?}", began.elapsed());
        assert_eq!(done.into_result().unwrap().json().unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_job_had_made_when_its_time_was_over_comes_from_a_stream_that_is_opened_anew() {
    let opened = AtomicUsize::new(0);
    let error = value!({"code": "JobTimeout", "message": "Job execution timed out"});
    let late = record("timeout", value!({"outputData": "{\"result\":{\"a\":1}}"}));
    let (jobs, ledger) = jobs(move |asked| match asked.line.as_str() {
        "GET /api/jobs/a/stream" if opened.fetch_add(1, Ordering::Relaxed) == 0 => events(&[("error", &error)]),
        "GET /api/jobs/a/stream" => events(&[("result", &late)]),
        "GET /api/jobs/a/status" => json(&record("running", value!({}))),
        _ => (404, "text/plain", String::new()),
    });
    let done = jobs.attach(NuMind::ticket_of_job("a")).unwrap().wait().timeout(HOUR).await.unwrap();
    assert!(matches!(done.outcome(), Outcome::Failed(f) if f.reason == Reason::TimedOut), "{:?}", done.outcome());
    assert_eq!(done.outputs().extraction::<Value>().unwrap().into_value(), value!({"a": 1}));
    assert_eq!(ledger.all().len(), 4);
}

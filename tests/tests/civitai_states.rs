//! Civitai's records as states: the whole derivation table, what there is to fetch, and webhook bodies.
use std::time::Duration;

use consign::civitai::{Civitai, Images, Webhook};
use consign::{ErrorKind, Item, Outcome, Reason, State};
use consign_sim::civitai::{EndMark, Shape};
use consign_sim::{Civitai as Sim, Plan};
use consign_tests::in_process;
use consign_tests::scripted;
use serde_json::{Value, json};

const MODEL: &str = "urn:air:sdxl:checkpoint:civitai:101055@128078";

/// What one look at a record shows.
async fn look(record: &Value) -> Item {
    let jobs = scripted::json(&json!({"token": "t", "jobs": [record]}));
    let snapshot = jobs.attach(Civitai::ticket_of_token("t")).unwrap().look().await.unwrap();
    snapshot.items()[0].clone()
}

fn with_event(word: &str, over: Option<bool>, scheduled: Option<bool>) -> Value {
    let mut event = json!({"type": word, "dateTime": "2025-01-01T00:00:00Z"});
    if let Some(over) = over {
        event["jobHasCompleted"] = over.into();
    }
    json!({"jobId": "a", "lastEvent": event, "scheduled": scheduled})
}

#[tokio::test]
async fn each_event_with_each_end_mark_has_its_state() {
    use Reason::{Expired, Failed};
    const ABSENT: Option<bool> = None;
    const YES: Option<bool> = Some(true);
    const NO: Option<bool> = Some(false);
    // Event, end mark: state, ended, reason.
    let table = [
        ("Initialized", ABSENT, "queued", false, None),
        ("Initialized", NO, "queued", false, None),
        ("Initialized", YES, "unknown", true, None),
        ("Claimed", ABSENT, "running", false, None),
        ("Claimed", NO, "running", false, None),
        ("Claimed", YES, "unknown", true, None),
        ("Updated", ABSENT, "running", false, None),
        ("Updated", NO, "running", false, None),
        ("Updated", YES, "unknown", true, None),
        ("Rejected", ABSENT, "queued", false, None),
        ("Rejected", NO, "queued", false, None),
        ("Rejected", YES, "failed", true, Some(Failed)),
        ("LateRejected", ABSENT, "queued", false, None),
        ("LateRejected", NO, "queued", false, None),
        ("LateRejected", YES, "failed", true, Some(Failed)),
        ("ClaimExpired", ABSENT, "queued", false, None),
        ("ClaimExpired", NO, "queued", false, None),
        ("ClaimExpired", YES, "failed", true, Some(Expired)),
        ("Succeeded", ABSENT, "succeeded", true, None),
        ("Succeeded", NO, "succeeded", true, None),
        ("Succeeded", YES, "succeeded", true, None),
        ("Failed", ABSENT, "failed", true, Some(Failed)),
        ("Failed", NO, "queued", false, None),
        ("Failed", YES, "failed", true, Some(Failed)),
        ("Expired", ABSENT, "failed", true, Some(Expired)),
        ("Expired", NO, "failed", true, Some(Expired)),
        ("Expired", YES, "failed", true, Some(Expired)),
        ("Deleted", ABSENT, "cancelled", true, None),
        ("Deleted", NO, "cancelled", true, None),
        ("Deleted", YES, "cancelled", true, None),
        ("Canceled", ABSENT, "cancelled", true, None),
        ("Canceled", NO, "cancelled", true, None),
        ("Canceled", YES, "cancelled", true, None),
        ("Evaporated", ABSENT, "unknown", false, None),
        ("Evaporated", NO, "unknown", false, None),
        ("Evaporated", YES, "unknown", true, None),
    ];
    for (word, over, state, finished, reason) in table {
        // Only for an unknown event, which is work while the job is scheduled, does the flag matter.
        for scheduled in [ABSENT, YES, NO] {
            for word in [word.to_owned(), word.to_lowercase()] {
                let item = look(&with_event(&word, over, scheduled)).await;
                let works = scheduled == YES && state == "unknown" && !finished;
                let state = if works { "running" } else { state };
                let seen = (item.state.as_str(), item.finished, item.reason);
                assert_eq!(seen, (state, finished, reason), "{word} {over:?} {scheduled:?}");
                assert_eq!(item.word.as_deref().map(str::to_lowercase), Some(word.to_lowercase()));
            }
        }
    }
    let unknown = look(&with_event("Evaporated", YES, NO)).await;
    assert_eq!(unknown.state, State::Unknown("Evaporated".into()));
}

#[tokio::test]
async fn without_an_event_the_blobs_decide_then_the_queue() {
    let there = json!({"blobKey": "K", "available": true, "blobUrl": "https://b.example/K"});
    let not_there = json!({"blobKey": "L", "available": false});
    let table = [
        (json!({"result": [there], "scheduled": false}), "succeeded", true),
        (json!({"result": there}), "succeeded", true),
        (json!({"result": [there, there], "scheduled": true, "lastEvent": null}), "succeeded", true),
        (json!({"result": [there, not_there], "scheduled": true}), "queued", false),
        (json!({"result": [there, not_there], "scheduled": false}), "unknown", false),
        (json!({"result": [there, {"blobKey": "M"}]}), "unknown", false),
        (json!({"result": [there, {"blobKey": "M", "available": null}]}), "unknown", false),
        (json!({"result": [], "scheduled": true}), "queued", false),
        (json!({"result": [], "scheduled": false}), "unknown", false),
        (json!({"result": not_there, "scheduled": true}), "queued", false),
        (json!({"result": {"tags": {"cat": 0.9}}, "scheduled": false}), "unknown", false),
        (json!({"scheduled": true}), "queued", false),
        (json!({"scheduled": false}), "unknown", false),
        (json!({}), "unknown", false),
        (json!({"result": null, "scheduled": null, "serviceProviders": null}), "unknown", false),
        // An event that says nothing is still an event.
        (json!({"lastEvent": {}, "scheduled": true}), "running", false),
        (json!({"lastEvent": {"jobHasCompleted": true}, "result": [there]}), "unknown", true),
    ];
    for (mut record, state, finished) in table {
        record["jobId"] = "a".into();
        let item = look(&record).await;
        assert_eq!((item.state.as_str(), item.finished), (state, finished), "{record}");
    }
}

#[tokio::test]
async fn the_states_of_the_items_make_that_of_the_job() {
    let record = |word: &str, over| with_event(word, Some(over), None);
    let table = [
        (vec![], "unknown", false),
        (vec![record("Succeeded", true), record("Succeeded", true)], "succeeded", true),
        (vec![record("Succeeded", true), record("Failed", true)], "partial", true),
        (vec![record("Expired", true), record("Failed", true)], "failed", true),
        (vec![record("Succeeded", true), record("Initialized", false)], "running", false),
        (vec![record("Initialized", false), record("Claimed", false)], "running", false),
        (vec![record("Initialized", false), record("Evaporated", false)], "queued", false),
        (vec![record("Evaporated", false)], "unknown", false),
        (vec![record("Deleted", true), record("Canceled", true)], "cancelled", true),
    ];
    for (records, state, finished) in table {
        for jobs in [json!({"token": "t", "jobs": records}), json!({"jobs": records})] {
            let jobs = scripted::json(&jobs);
            let snapshot = jobs.attach(Civitai::ticket_of_token("t")).unwrap().look().await.unwrap();
            assert_eq!((snapshot.state().as_str(), snapshot.finished()), (state, finished), "{records:?}");
        }
    }
    for empty in [json!({}), json!({"token": null, "jobs": null}), json!({"token": "t"})] {
        let snapshot = scripted::json(&empty).attach(Civitai::ticket_of_token("t")).unwrap().look().await.unwrap();
        assert!(!snapshot.finished() && snapshot.state().as_str() == "unknown");
    }
}

#[tokio::test]
async fn the_reason_is_the_first_of_error_message_and_reason_that_says_something() {
    let table = [
        (json!({"error": "E", "message": "M", "reason": "R"}), Some("E")),
        (json!({"error": null, "message": "M", "reason": "R"}), Some("M")),
        (json!({"error": " ", "message": "", "reason": "R"}), Some("R")),
        (json!({"error": {"code": 7}}), Some("{\"code\":7}")),
        (json!({"error": false}), Some("false")),
        (json!({"status": "x"}), None),
        (json!(null), None),
    ];
    for (context, said) in table {
        let mut record = with_event("Failed", Some(true), None);
        record["lastEvent"]["context"] = context.clone();
        assert_eq!(look(&record).await.message.as_deref(), said, "{context}");
    }
}

#[tokio::test]
async fn queue_place_start_progress_and_cost_are_read_where_they_are_told() {
    let place = |ahead: i32, start: &str| json!({"support": "Available", "queuePosition": {"precedingJobs": ahead, "estimatedStartDuration": start}});
    let queued = json!({"jobId": "a", "scheduled": true, "cost": 1.2000000000000002, "serviceProviders":
        {"A": place(7, "00:01:00"), "B": place(3, "00:00:12"), "C": {"support": "Unsupported"}, "D": {"queuePosition": null}}});
    let item = look(&queued).await;
    assert_eq!(
        (item.queue_position, item.starts_in, item.cost),
        (Some(3), Some(Duration::from_secs(12)), Some(1.2000000000000002))
    );
    let item = look(&json!({"jobId": "a", "scheduled": true, "position": 4})).await;
    assert_eq!(item.queue_position, Some(4));
    let odd = json!({"jobId": "a", "scheduled": true, "serviceProviders": {"A": place(-2, "-00:00:01")}});
    assert_eq!((look(&odd).await.queue_position, look(&odd).await.starts_in), (None, None));
    for (progress, read) in [(json!(0.25), Some(0.25)), (json!(1), Some(1.0)), (json!(7), None), (json!("x"), None)] {
        let mut record = with_event("Updated", Some(false), None);
        record["lastEvent"]["context"] = json!({"progress": progress});
        record["lastEvent"]["cost"] = json!(2);
        let item = look(&record).await;
        assert_eq!((item.progress, item.cost, item.queue_position), (read, Some(2.0), None));
    }
}

/// What there is to fetch of a finished job with these records.
async fn outputs(records: Value) -> Images {
    let jobs = scripted::json(&json!({"token": "t", "jobs": records}));
    jobs.attach(Civitai::ticket_of_token("t")).unwrap().outputs().await.unwrap()
}

#[tokio::test]
async fn every_blob_of_every_item_is_there_in_either_form_and_other_results_are_kept_as_json() {
    let blob = |key: &str| json!({"blobKey": key, "available": true, "blobUrl": format!("https://b.example/{key}?sig=s3cret")});
    let mut table = json!([
        {"jobId": "one", "result": blob("A")},
        {"jobId": "two", "result": [blob("B"), blob("C")]},
        {"jobId": "none", "result": []},
        {"jobId": "null", "result": null},
        {"jobId": "tags", "result": {"tags": {"cat": 0.9}, "at": "https://b.example/x?sig=s3cret"}},
        {"jobId": "list", "result": [blob("D"), 5]},
        {"result": [blob("E")]},
        {"jobId": "failed", "result": [{"blobKey": "F", "available": false}]},
    ]);
    table[7]["lastEvent"] = json!({"type": "Failed"});
    let images = outputs(table).await;
    let seen: Vec<_> = images.images().iter().map(|i| (i.item(), i.blob_key())).collect();
    let expected = [(Some("one"), Some("A")), (Some("two"), Some("B")), (Some("two"), Some("C")), (None, Some("E"))];
    assert_eq!(seen, expected);
    assert_eq!(images.images()[2].url().await.unwrap(), "https://b.example/C?sig=s3cret");
    let results: Vec<_> = images.results().iter().map(|(item, _)| item.as_deref()).collect();
    assert_eq!(results, [Some("tags"), Some("list")]);
    assert_eq!(images.results()[0].1["tags"]["cat"], json!(0.9));
    let text = format!("{images:?}");
    assert!(text.contains("tags") && !text.contains("s3cret"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_picture_that_is_not_there_yet_is_waited_for_a_little() {
    let spec = || consign::civitai::TextToImage::new(MODEL, "a cat").size(64, 64).quantity(2);
    let plan = |lag: f64| move |_: &Value, _: usize| Plan::succeed().seconds(3.0).blob_lag(lag);
    let sim = Sim::builder().seed(1).script(plan(10.0)).build();
    let done = in_process::jobs(&sim).submit(spec()).await.unwrap().wait().await.unwrap();
    let images = done.into_result().unwrap();
    assert_eq!(images.images().len(), 2, "they are announced before they are there");
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(images.save_all(folder.path()).await.unwrap().len(), 2);

    let sim = Sim::builder().seed(1).script(plan(7200.0)).build();
    let done = in_process::jobs(&sim).submit(spec()).await.unwrap().wait().await.unwrap();
    let (start, before) = (sim.elapsed(), sim.ledger().len());
    let error = done.outputs().images()[0].save_to(folder.path()).await.unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::NotFound, Some(done.job().ticket())));
    assert!(error.to_string().contains("not where it can be fetched"), "{error}");
    assert!(sim.elapsed() - start < Duration::from_secs(40) && sim.ledger().len() - before <= 6);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left of the failed one");
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_that_is_followed_by_another_is_not_an_end() {
    let sim = Sim::builder().seed(1).script(|_, _| Plan::fail("flaky").failures(2).seconds(5.0).queue(0)).build();
    let spec = consign::civitai::TextToImage::new(MODEL, "a cat").retries(2);
    let done = in_process::jobs(&sim).submit(spec).await.unwrap().wait().poll_only().await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Done);
    assert_eq!(sim.jobs()[0].attempts, 3);
}

#[tokio::test(start_paused = true)]
async fn an_older_service_without_events_is_waited_for_too() {
    let mut as_collection = Shape::older();
    as_collection.job_as_collection = true;
    for shape in [Shape::older(), as_collection] {
        let sim = Sim::builder().seed(1).shape(shape).build();
        let job = in_process::jobs(&sim).submit(consign::civitai::TextToImage::new(MODEL, "a cat")).await.unwrap();
        let id = job.first().unwrap().items()[0].id.clone().unwrap();
        let by_id = in_process::jobs(&sim).attach(Civitai::ticket_of_job(&id)).unwrap();
        assert_eq!(*by_id.wait().await.unwrap().outcome(), Outcome::Done);
        assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Done);
    }
}

#[tokio::test(start_paused = true)]
async fn webhook_bodies_of_a_simulated_job_lead_back_to_it() {
    let sim = Sim::builder().seed(1).script(|_, _| Plan::fail("broken").mark(EndMark::Ended)).build();
    let jobs = in_process::jobs(&sim);
    let spec = consign::civitai::TextToImage::new(MODEL, "a cat").callback_url("https://a.example/?s=secret");
    jobs.submit(spec).await.unwrap().wait().await.unwrap();
    let hooks: Vec<Webhook> =
        sim.webhooks().iter().map(|hook| Webhook::parse(hook.body.to_string().as_bytes()).unwrap()).collect();
    let states: Vec<_> = hooks.iter().map(|hook| hook.item().state.as_str()).collect();
    assert_eq!(states, ["queued", "running", "running", "running", "running", "failed"]);
    let last = hooks.last().unwrap();
    assert_eq!((last.item().reason, last.item().message.as_deref()), (Some(Reason::Failed), Some("broken")));
    let mut keys: Vec<_> = hooks.iter().map(Webhook::key).collect();
    keys.dedup();
    assert_eq!(keys.len(), hooks.len());
    let job = jobs.attach(last.ticket().unwrap()).unwrap();
    assert_eq!(job.look().await.unwrap().state(), State::Failed);
}

#[test]
fn webhook_bodies_are_read_in_both_forms_and_anything_else_is_refused() {
    let parse = |json: Value| Webhook::parse(json.to_string().as_bytes());
    let event =
        parse(json!({"jobId": "a", "type": "Succeeded", "dateTime": "d", "context": {"url": "https://x/?s=s3cret"},
        "claimDuration": "00:00:01", "new": 1}));
    assert!(matches!(&event, Ok(Webhook::Event(_))));
    let status = parse(json!({"jobId": "a", "scheduled": true, "type": null,
        "result": [{"blobKey": "k", "available": true, "blobUrl": "https://b/?sig=s3cret"}]}));
    assert!(matches!(&status, Ok(Webhook::Status(_))));
    for hook in [event.unwrap(), status.unwrap()] {
        assert_eq!(hook.job_id(), Some("a"));
        assert!(hook.item().finished);
        assert!(!format!("{hook:?}").contains("s3cret"), "{hook:?}");
    }
    assert_eq!(parse(json!({"type": "Updated", "jobHasCompleted": false})).unwrap().key(), "/Updated/");
    let with_event = json!({"jobId": "a", "scheduled": false, "lastEvent": {"type": "Expired", "dateTime": "d"}});
    assert_eq!(parse(with_event).unwrap().key(), "a/Expired/d");
    assert_eq!(parse(json!({"jobId": "a", "scheduled": true})).unwrap().key(), "a/queued/");
    let table = [
        "",
        "null",
        "[]",
        "5",
        "{}",
        "{",
        "\"Succeeded\"",
        r#"{"type":"Succeeded"}"#,
        r#"{"jobId":"a"}"#,
        r#"{"type":5,"dateTime":"d"}"#,
        r#"{"scheduled":"yes"}"#,
        r#"{"jobId":"","scheduled":true}"#,
    ];
    for body in table {
        let error = Webhook::parse(body.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{body}");
        assert!(error.to_string().contains("webhook body: "), "{error}");
    }
}

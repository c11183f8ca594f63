//! The facade on a simulated Civitai, in virtual time: submit, wait, watch, query, cancel, taint, download.
use std::time::{Duration, SystemTime};

use consign::civitai::{Civitai, Comfy, JobQuery, TextToImage};
use consign::{Delivery, ErrorKind, Event, Mode, Outcome, Reason, Retry, State};
use consign_sim::civitai::Shape;
use consign_sim::{Civitai as Sim, Fault, Plan, Rule};
use consign_tests::in_process::{builder, jobs};
use serde_json::json;

const MODEL: &str = "urn:air:sdxl:checkpoint:civitai:101055@128078";

fn cat() -> TextToImage {
    TextToImage::new(MODEL, "a curious cat").size(64, 64)
}

#[tokio::test(start_paused = true)]
async fn a_job_of_four_pictures_goes_from_submission_to_files() {
    let sim = Sim::builder().seed(1).build();
    let folder = tempfile::tempdir().unwrap();
    let job = jobs(&sim).submit(cat().quantity(4)).await.unwrap();
    assert_eq!(job.first().unwrap().items().len(), 4);

    let done = job.wait().timeout(Duration::from_secs(600)).await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Done);
    let result = done.into_result().unwrap();
    let paths = result.save_all(folder.path()).await.unwrap();

    assert_eq!(paths.len(), 4);
    for path in &paths {
        let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(path).unwrap()));
        let info = decoder.read_info().unwrap();
        assert_eq!((info.info().width, info.info().height), (64, 64));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4, "nothing else is left in the folder");
    assert_eq!((sim.ledger().submissions(), sim.ledger().leaks()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_held_wait_needs_few_requests_and_sees_the_end_at_once() {
    let sim = Sim::builder().seed(1).script(|_, _| Plan::succeed().seconds(500.0).queue(0)).build();
    let job = jobs(&sim).submit(cat()).await.unwrap();
    let done = job.wait().await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Done);
    let ended = sim.jobs()[0].events.last().unwrap().0;
    assert!(sim.elapsed() - ended < Duration::from_millis(1), "{:?} after the end", sim.elapsed() - ended);
    assert!(sim.ledger().count("v1_consumer_jobs_get") <= 6, "{}", sim.ledger().count("v1_consumer_jobs_get"));
}

#[tokio::test(start_paused = true)]
async fn a_wait_falls_back_to_polling_when_the_hold_is_cut_and_says_so() {
    for fault in [Fault::status(504), Fault::text(504, "upstream request timeout"), Fault::hang()] {
        let sim = Sim::builder().seed(1).script(|_, _| Plan::succeed().seconds(300.0).queue(0)).build();
        sim.faults().add(Rule::new(fault).on("v1_consumer_jobs_get").times(1));
        let job = jobs(&sim).submit(cat()).await.unwrap();
        let mut watch = job.wait().watch();
        let (mut modes, mut ends) = (Vec::new(), 0);
        while let Some(event) = watch.next().await {
            match event.unwrap() {
                Event::Mode(mode) => modes.push(mode),
                Event::Ended(finished) => {
                    assert_eq!(*finished.outcome(), Outcome::Done);
                    ends += 1;
                }
                _ => {}
            }
        }
        assert_eq!(modes[..2], [Mode::LongPoll, Mode::Poll]);
        assert_eq!(ends, 1);
        let targets: Vec<_> = sim.ledger().of("v1_consumer_jobs_get").into_iter().map(|e| e.target).collect();
        assert!(targets[0].contains("wait=true") && !targets[1].contains("wait=true"), "{targets:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_item_is_seen_with_its_reason_and_the_others_keep_their_results() {
    let sim = Sim::builder().seed(1).build();
    sim.script(|_, n| {
        if n == 1 { Plan::fail("the worker ran out of memory").seconds(2.0) } else { Plan::succeed().seconds(9.0) }
    });
    let job = jobs(&sim).submit(cat().quantity(3)).await.unwrap();
    let mut watch = job.watch();
    let mut failed_before_the_end = false;
    let done = loop {
        match watch.next().await.unwrap().unwrap() {
            Event::Item { index: 1, item } if item.finished => {
                assert_eq!((item.state.clone(), item.reason), (State::Failed, Some(Reason::Failed)));
                assert_eq!(item.message.as_deref(), Some("the worker ran out of memory"));
                failed_before_the_end = true;
            }
            Event::Ended(done) => break done,
            _ => {}
        }
    };
    assert!(failed_before_the_end);
    assert_eq!(*done.outcome(), Outcome::Partial);
    assert_eq!(done.outputs().images().len(), 2);
    let error = done.into_result().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::JobFailed);
    assert!(error.to_string().contains("2 of 3 items succeeded: the worker ran out of memory"), "{error}");
    assert_eq!(error.ticket(), Some(job.ticket()));
}

#[tokio::test(start_paused = true)]
async fn every_end_of_a_job_is_told_apart() {
    let table = [
        ("Failed", "failed", Some(Reason::Failed)),
        ("Expired", "failed", Some(Reason::Expired)),
        ("Canceled", "cancelled", None),
        ("Deleted", "cancelled", None),
        ("Rejected", "failed", Some(Reason::Failed)),
        ("LateRejected", "failed", Some(Reason::Failed)),
        ("ClaimExpired", "failed", Some(Reason::Expired)),
        ("Evaporated", "unknown", None),
    ];
    for (word, state, reason) in table {
        let sim = Sim::builder().seed(1).script(move |_, _| Plan::end(word).seconds(3.0)).build();
        let job = jobs(&sim).submit(cat()).await.unwrap();
        let done = job.wait().timeout(Duration::from_secs(600)).await.unwrap();
        let item = &done.items()[0];
        assert_eq!((item.state.as_str(), item.reason), (state, reason), "{word}");
        assert_eq!(item.word.as_deref(), Some(word));
        assert!(done.snapshot().finished());
    }
}

#[tokio::test(start_paused = true)]
async fn both_generations_of_answers_are_understood() {
    for shape in [Shape::default(), Shape::older()] {
        let sim = Sim::builder().seed(1).shape(shape).build();
        let job = jobs(&sim).submit(cat().quantity(2)).await.unwrap();
        let done = job.wait().await.unwrap();
        assert_eq!(done.outputs().images().len(), 2, "{shape:?}");
        let id = done.items()[0].id.clone().unwrap();
        let single = jobs(&sim).attach(Civitai::ticket_of_job(&id)).unwrap().look().await.unwrap();
        assert_eq!(single.state(), State::Succeeded);
    }
}

#[tokio::test(start_paused = true)]
async fn a_ticket_finds_the_job_again_in_another_process() {
    let sim = Sim::builder().seed(1).build();
    let text = jobs(&sim).submit(cat()).await.unwrap().ticket().to_string();
    let again = jobs(&sim).attach(text.parse().unwrap()).unwrap();
    assert_eq!(*again.wait().await.unwrap().outcome(), Outcome::Done);
    let error = jobs(&sim).attach("consign:1:chutes:x".parse().unwrap()).unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidRequest, Delivery::NotSent));
}

#[tokio::test(start_paused = true)]
async fn the_price_is_told_without_submitting_and_a_cap_refuses_before_sending() {
    let sim = Sim::builder().seed(1).build();
    let jobs = jobs(&sim);
    let price = jobs.price(cat().quantity(3)).await.unwrap();
    assert_eq!((price.items.len(), price.unit), (3, "Buzz"));
    let error = jobs.submit(cat().quantity(3)).max_cost(price.total / 2.0).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::OverBudget, Delivery::NotSent));
    let error = jobs.submit(cat()).max_cost(f64::NAN).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OverBudget);
    assert_eq!((sim.ledger().submissions(), sim.jobs().len()), (0, 0));
    jobs.submit(cat().quantity(3)).max_cost(price.total).await.unwrap();
    assert_eq!(sim.ledger().submissions(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unclear_submission_is_reported_as_such_and_never_repeated() {
    for fault in
        [Fault::lose_reply(), Fault::hang_after(), Fault::status(500), Fault::status(504), Fault::drop_before()]
    {
        let sim = Sim::builder().seed(1).build();
        sim.faults().add(Rule::new(fault).on("v1_consumer_jobs_post").always());
        let error = jobs(&sim).submit(cat()).await.unwrap_err();
        assert_eq!(error.delivery(), Delivery::Unknown, "{error}");
        assert_eq!(sim.ledger().count("v1_consumer_jobs_post"), 1, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_submission_that_was_surely_refused_is_tried_again_after_the_pause_asked_for() {
    let sim = Sim::builder().seed(1).build();
    sim.faults().add(Rule::new(Fault::status(429).retry_after(7)).on("v1_consumer_jobs_post").times(2));
    let job = jobs(&sim).submit(cat()).await.unwrap();
    assert!(sim.elapsed() >= Duration::from_secs(14));
    assert_eq!((sim.ledger().count("v1_consumer_jobs_post"), sim.ledger().submissions()), (3, 1));
    assert!(job.first().is_some());

    sim.faults().add(Rule::new(Fault::status(429).retry_after(7200)).on("v1_consumer_jobs_post").times(1));
    let error = jobs(&sim).submit(cat()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert!(matches!(error.retry(), Retry::NotBefore(at) if at >= sim.now() + Duration::from_secs(7199)));
}

#[tokio::test(start_paused = true)]
async fn a_batch_goes_under_one_token_and_each_spec_knows_its_items() {
    let sim = Sim::builder().seed(1).build();
    let jobs = jobs(&sim);
    let batch = jobs.submit_batch([cat().quantity(2), cat().prompt("a dog")]).await.unwrap();
    assert_eq!(batch.first().unwrap().items().len(), 3);
    assert_eq!(sim.ledger().submissions(), 1);
    let entry = &sim.ledger().of("v1_consumer_jobs_post")[0];
    assert!(serde_json::from_slice::<serde_json::Value>(&entry.body).unwrap()["jobs"].is_array());

    let error = jobs.submit_batch([cat(), cat().steps(0), cat().size(10, 64)]).await.unwrap_err();
    let members: Vec<_> = error.violations().iter().map(|v| v.member.as_str()).collect();
    assert_eq!(members, ["jobs[1].params.steps", "jobs[2].params.width"]);
    assert_eq!(jobs.submit_batch(Vec::<TextToImage>::new()).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    assert_eq!(sim.ledger().submissions(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_specs_are_split_at_what_a_token_holds_and_each_gets_its_outcome() {
    let sim = Sim::builder().seed(1).build();
    let specs = (0..45).map(|n| if n == 7 { cat().steps(0) } else { cat().prompt(format!("cat {n}")).quantity(5) });
    let outcomes = jobs(&sim).submit_all(specs).concurrency(2).await;
    assert_eq!(outcomes.len(), 45);
    for (n, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Err(error) => assert_eq!((n, error.kind()), (7, ErrorKind::InvalidRequest)),
            Ok(made) => {
                let items = made.items.clone().unwrap();
                assert_eq!(items.len(), 5);
                for item in &made.job.first().unwrap().items()[items] {
                    let view = sim.job(item.id.as_deref().unwrap()).unwrap();
                    assert_eq!(view.template["params"]["prompt"], json!(format!("cat {n}")));
                }
            }
        }
    }
    // 44 specs of 5 items, at most 100 items a token.
    assert_eq!(sim.ledger().submissions(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_query_gives_the_jobs_of_all_pages_once() {
    let sim = Sim::builder().seed(1).page_size(4).build();
    let jobs = jobs(&sim);
    for n in 0..10 {
        jobs.submit(cat().property("run", 7).property("odd", n % 2 == 1)).await.unwrap();
    }
    let all = jobs.query(JobQuery::new().property("run", 7)).collect().await.unwrap();
    assert_eq!(all.len(), 10);
    let odd = jobs
        .query(JobQuery::new().properties([("run", json!(7)), ("odd", json!(true))]).detailed())
        .collect()
        .await
        .unwrap();
    assert_eq!(odd.len(), 5);
    assert!(odd[0].snapshot.raw().unwrap().jobs.as_ref().unwrap()[0].job.is_some());
    assert_eq!(*odd[0].job.wait().await.unwrap().outcome(), Outcome::Done);
    let error = jobs.query(JobQuery::new()).next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidRequest, Delivery::NotSent));
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_repeats_ends_the_query_with_an_error() {
    let sim = Sim::builder().seed(1).page_size(1).build();
    let jobs = jobs(&sim);
    for _ in 0..3 {
        jobs.submit(cat().property("run", 1)).await.unwrap();
    }
    let first = std::sync::OnceLock::new();
    let circle = Fault::edit_json(move |page| page["cursor"] = first.get_or_init(|| page["cursor"].clone()).clone());
    sim.faults().add(Rule::new(circle).on("v1_consumer_jobs_query_post").always());
    let mut pages = jobs.query(JobQuery::new().property("run", 1));
    let mut last = None;
    while let Some(found) = pages.next().await {
        last = Some(found);
    }
    assert_eq!(last.unwrap().unwrap_err().kind(), ErrorKind::Decode);
    assert!(sim.ledger().count("v1_consumer_jobs_query_post") <= 3);
}

#[tokio::test(start_paused = true)]
async fn cancelling_reaches_the_job_or_one_item_and_force_is_always_sent() {
    let sim = Sim::builder().seed(1).script(|_, _| Plan::succeed().seconds(100.0).queue(0)).build();
    let job = jobs(&sim).submit(cat().quantity(2)).await.unwrap();
    let first = job.first().unwrap().items()[0].id.clone().unwrap();
    job.cancel().item(&*first).await.unwrap();
    assert_eq!(job.look().await.unwrap().items()[0].state, State::Cancelled);
    job.cancel().await.unwrap();
    assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Cancelled);
    assert!(sim.ledger().of("v1_consumer_jobs_delete")[0].target.contains("force=true"));
    job.cancel().force(false).await.unwrap();
    assert!(sim.ledger().of("v1_consumer_jobs_delete")[1].target.contains("force=false"));
}

#[tokio::test(start_paused = true)]
async fn tainting_reaches_a_job_an_item_or_all_with_a_property() {
    let sim = Sim::builder().seed(1).build();
    let jobs = jobs(&sim);
    let job = jobs.submit(cat().quantity(2).property("run", 3)).await.unwrap();
    let first = job.first().unwrap().items()[0].id.clone().unwrap();
    job.taint("blurred").context("score", 0.12).item(&*first).await.unwrap();
    assert!(sim.job(&first).unwrap().tainted.is_some());
    job.taint("blurred").await.unwrap();
    assert!(sim.jobs().iter().all(|j| j.tainted.is_some()));
    let run = json!({"run": 3}).as_object().unwrap().clone();
    let count = jobs.provider().taint_by_properties(run, &Default::default()).await.unwrap();
    assert_eq!(count, 2);
    let error = jobs.provider().taint_by_properties(Default::default(), &Default::default()).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::NotSent);
}

#[tokio::test(start_paused = true)]
async fn an_expired_url_is_renewed_by_reading_the_job_again() {
    let sim = Sim::builder().seed(1).url_life(Duration::from_secs(60)).build();
    let folder = tempfile::tempdir().unwrap();
    let done = jobs(&sim).submit(cat()).await.unwrap().wait().await.unwrap();
    let result = done.into_result().unwrap();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    result.images()[0].save_to(folder.path()).await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_download_that_breaks_off_is_resumed_and_one_that_is_no_picture_leaves_nothing() {
    let sim = Sim::builder().seed(1).build();
    let folder = tempfile::tempdir().unwrap();
    let done = jobs(&sim).submit(cat().size(512, 512)).await.unwrap().wait().await.unwrap();
    let result = done.into_result().unwrap();
    let whole = result.images()[0].bytes(1 << 24).await.unwrap();

    sim.faults().add(Rule::new(Fault::cut_reply(1000)).on("blob").times(1));
    let path = result.images()[0].save_to(folder.path()).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    let last = sim.ledger().of("blob").pop().unwrap();
    assert!(last.headers["range"].to_str().unwrap().starts_with("bytes="), "{:?}", last.headers);

    std::fs::remove_file(path).unwrap();
    sim.faults().add(Rule::new(Fault::not_a_picture()).on("blob").times(1));
    let error = result.images()[0].save_to(folder.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.to_string().contains("not a picture"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(result.images()[0].bytes(100).await.unwrap_err().kind(), ErrorKind::TooLarge);
}

#[tokio::test(start_paused = true)]
async fn coverage_and_consumption_are_asked_from_the_provider() {
    let sim = Sim::builder().seed(1).coverage(MODEL, "Available", 3).build();
    let jobs = jobs(&sim);
    let models: Vec<String> =
        (1..=120).map(|n| format!("urn:air:sdxl:lora:civitai:{n}@1")).chain([MODEL.to_owned()]).collect();
    let coverage = jobs.provider().coverage(models).await.unwrap();
    assert_eq!(coverage.len(), 121);
    assert_eq!(coverage[MODEL].workers, Some(3));
    assert_eq!(sim.ledger().count("v1_consumer_coverage_get"), 3);
    let error = jobs.provider().coverage(["urn:air:sdxl:lora:civitai:x@1", MODEL]).await.unwrap_err();
    assert_eq!(error.violations().iter().next().unwrap().member, "model[0]");
    assert!(jobs.provider().coverage(Vec::<&str>::new()).await.is_err());

    jobs.submit(cat().quantity(2)).await.unwrap().wait().await.unwrap();
    let used = jobs.provider().consumption(None, None).await.unwrap();
    assert_eq!(used.images, Some(2));
    let error = jobs.provider().consumption(Some(sim.now()), Some(SystemTime::UNIX_EPOCH)).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::NotSent);
}

#[tokio::test(start_paused = true)]
async fn errors_name_what_a_person_can_act_on() {
    let sim = Sim::builder().seed(1).credit(0.5).build();
    let error = jobs(&sim).submit(cat().size(1024, 1024).quantity(10)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status(), error.delivery()),
        (ErrorKind::InsufficientCredit, Some(403), Delivery::Rejected)
    );
    assert!(error.to_string().contains("Insufficient Buzz"), "{error}");

    let sim = Sim::builder().seed(1).build();
    let missing = Civitai::ticket_of_job("00000000-0000-4000-8000-000000000000");
    let error = jobs(&sim).attach(missing.clone()).unwrap().look().await.unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::NotFound, Some(&missing)));

    sim.faults().require_token("another");
    let error = jobs(&sim).submit(cat()).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Unauthorized, Delivery::Rejected));
    assert!(!format!("{error} {error:?}").contains("test-token"));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait_with_the_ticket_and_the_last_state() {
    let sim = Sim::builder().seed(1).script(|_, _| Plan::succeed().seconds(5000.0).queue(0)).build();
    let job = jobs(&sim).submit(cat()).await.unwrap();
    let start = sim.elapsed();
    let error = job.wait().timeout(Duration::from_secs(200)).await.unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::Deadline, Some(job.ticket())));
    assert_eq!(error.last_state(), Some(&State::Running));
    let waited = sim.elapsed() - start;
    assert!(waited >= Duration::from_secs(195) && waited <= Duration::from_secs(200), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn other_kinds_of_jobs_go_through_the_same_calls() {
    let sim = Sim::builder().seed(1).build();
    let jobs = jobs(&sim);
    let comfy =
        Comfy::workflow(json!({"3": {"class_type": "KSampler", "inputs": {}}})).settings(|s| s.property("a", 1));
    assert_eq!(*jobs.submit(&comfy).await.unwrap().wait().await.unwrap().outcome(), Outcome::Done);
    let raw = json!({"$type": "copyAsset", "jobId": "j", "assetName": "a", "destinationUri": "https://example.com/x"});
    let done = jobs.submit(raw.as_object().unwrap().clone()).await.unwrap().wait().await.unwrap();
    assert!(done.outputs().results()[0].1.get("found").is_some());
    let error = jobs.submit(serde_json::Map::new()).await.unwrap_err();
    assert_eq!(error.violations().iter().next().unwrap().member, "$type");
}

#[tokio::test(start_paused = true)]
async fn options_of_a_handle_reach_every_call() {
    let sim = Sim::builder().seed(1).build();
    let call = consign::CallOptions::new().header("x-trace", "t-1").timeout(Duration::from_secs(5));
    let jobs = jobs(&sim).with_options(call);
    let job = jobs.submit(cat()).await.unwrap();
    job.look().await.unwrap();
    assert!(sim.ledger().entries().iter().all(|e| e.headers["x-trace"] == "t-1"));
    sim.faults().add(Rule::new(Fault::hang()).on("v1_consumer_jobs_job_id_get").always());
    let slow = builder(&sim).retry(consign::RetryPolicy::never()).build();
    let slow = slow.with_options(consign::CallOptions::new().timeout(Duration::from_secs(5)));
    let start = sim.elapsed();
    let id = job.first().unwrap().items()[0].id.clone().unwrap();
    let error = slow.attach(Civitai::ticket_of_job(&id)).unwrap().look().await.unwrap_err();
    assert_eq!((error.kind(), sim.elapsed() - start), (ErrorKind::Timeout, Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn pages_with_repeats_and_records_without_ids_give_each_job_once() {
    let sim = Sim::builder().seed(1).page_size(2).build();
    let jobs = jobs(&sim);
    for n in 0..5 {
        jobs.submit(cat().property("run", n / 5)).await.unwrap();
    }
    let twice = Fault::edit_json(|page| {
        let list = page["jobs"].as_array_mut().unwrap();
        list.push(list[0].clone());
        list.push(json!({"cost": 1.0}));
    });
    sim.faults().add(Rule::new(twice).on("v1_consumer_jobs_query_post").always());
    let found = jobs.query(JobQuery::new().property("run", 0)).collect().await.unwrap();
    let mut ids: Vec<_> = found.iter().map(|f| f.job.ticket().to_string()).collect();
    ids.dedup();
    assert_eq!((found.len(), ids.len(), sim.ledger().count("v1_consumer_jobs_query_post")), (5, 5, 3));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_got_no_token_is_cancelled_item_by_item_whatever_is_gone_already() {
    let sim = Sim::builder().seed(1).forget_deleted().script(|_, _| Plan::succeed().seconds(900.0).queue(0)).build();
    sim.faults().once("v1_consumer_jobs_post", Fault::edit_json(|body| body["token"] = json!(null)));
    let job = jobs(&sim).submit(cat().quantity(3)).await.unwrap();
    let ids: Vec<_> = sim.jobs().into_iter().map(|job| job.id).collect();
    job.cancel().item(&*ids[0]).await.unwrap();
    // The reply to the second is lost; the repeat finds two gone and cancels the third all the same.
    sim.faults().add(Rule::new(Fault::lose_reply()).on("v1_consumer_jobs_job_id_delete").skip(1).times(1));
    job.cancel().await.unwrap();
    assert!(sim.jobs().iter().all(|job| job.events.last().unwrap().1 == "Deleted"));
    assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Cancelled);
    let error = job.cancel().await.unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::NotFound, Some(job.ticket())));
}

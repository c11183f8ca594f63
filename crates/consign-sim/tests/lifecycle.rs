//! Jobs from submission to their end, in virtual time and without sockets.

mod common;

use std::time::{Duration, UNIX_EPOCH};

use common::*;
use consign_sim::civitai::{EndMark, Phase};
use consign_sim::{Civitai, Durations, Plan};
use serde_json::{Value, json};

/// A simulator in which a job works exactly ten seconds and finds nobody ahead.
fn exact() -> consign_sim::civitai::Builder {
    Civitai::builder().seed(7).queue(0, 0).durations(Durations::Fixed(Duration::from_secs(10)))
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_picture_is_submitted_waited_for_and_fetched() {
    let sim = Civitai::builder().seed(7).build();
    let submitted = post(&sim, "jobs", &picture(json!({}))).await.ok();
    let job = &submitted["jobs"][0];
    assert_eq!(job["scheduled"], true);
    assert_eq!(job["result"][0]["available"], false);
    assert!(job.get("lastEvent").is_none());
    let token = encode(submitted["token"].as_str().unwrap());

    let done = get(&sim, &format!("jobs?token={token}&wait=true")).await.ok();
    let job = &done["jobs"][0];
    assert_eq!((&job["lastEvent"]["type"], &job["lastEvent"]["jobHasCompleted"]), (&json!("Succeeded"), &json!(true)));
    assert_eq!((&job["scheduled"], &job["serviceProviders"]), (&json!(false), &json!({})));
    let id = job["jobId"].as_str().unwrap();
    assert_eq!(events(&sim, id), ["Initialized", "Claimed", "Updated", "Updated", "Updated", "Succeeded"]);

    let url = job["result"][0]["blobUrl"].as_str().unwrap();
    let blob = fetch(&sim, url, &[]).await;
    assert_eq!(blob.status, 200);
    assert_eq!(size(&blob.body), (512, 256));
    assert_eq!((sim.ledger().submissions(), sim.ledger().leaks(), sim.ledger().len()), (1, 0, 3));
    assert!(sim.elapsed() < Duration::from_secs(100));
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_ids_times_and_pictures() {
    let run = |seed| async move {
        let sim = Civitai::builder().seed(seed).build();
        let (token, ids) = submit(&sim, picture(json!({"quantity": 3, "params": {"width": 64, "height": 64}}))).await;
        let done = get(&sim, &format!("jobs?token={token}&wait=true")).await.ok();
        let url = done["jobs"][2]["result"][0]["blobUrl"].as_str().unwrap().to_owned();
        (ids, done, fetch(&sim, &url, &[]).await.body)
    };
    let (first, again, other) = (run(7).await, run(7).await, run(8).await);
    assert_eq!(first, again);
    assert_ne!(first.0, other.0);
    assert_ne!(first.2, other.2);
}

#[tokio::test(start_paused = true)]
async fn progress_and_durations_follow_the_clock() {
    let sim = exact().start(UNIX_EPOCH + Duration::from_secs(1_700_000_000)).build();
    let (_, ids) = submit(&sim, picture(json!({"properties": {"userId": 4}}))).await;
    let read = || async { get(&sim, &format!("jobs/{}", ids[0])).await.ok() };
    pass(3).await;
    let event = read().await["lastEvent"].clone();
    assert_eq!((&event["type"], &event["context"]["progress"]), (&json!("Updated"), &json!(0.25)));
    assert_eq!((&event["jobHasCompleted"], &event["claimHasCompleted"]), (&json!(false), &json!(false)));
    assert_eq!(event["jobProperties"]["userId"], 4);
    assert_eq!(event["jobType"], "TextToImage");
    assert_eq!(event["dateTime"], "2023-11-14T22:13:22.5000000Z");
    assert_eq!(event["claimDuration"], "00:00:02.5000000");
    pass(7).await;
    let event = read().await["lastEvent"].clone();
    assert_eq!((&event["type"], &event["claimDuration"]), (&json!("Succeeded"), &json!("00:00:10")));
    assert_eq!(sim.now(), UNIX_EPOCH + Duration::from_secs(1_700_000_010));
}

#[tokio::test(start_paused = true)]
async fn queue_places_count_down_to_the_start() {
    let sim = exact().workers(1).place(Duration::from_secs(10)).build();
    let (_, ids) = submit(&sim, picture(json!({"properties": {"sim": {"queue": 5}}}))).await;
    let mut places = Vec::new();
    loop {
        let status = get(&sim, &format!("jobs/{}", ids[0])).await.ok();
        assert_eq!(status["scheduled"], true);
        let Some(place) = status["serviceProviders"]["Civitai"].get("queuePosition") else { break };
        assert!(place["estimatedStartDuration"].as_str().unwrap().starts_with("00:00:"));
        assert_eq!(status["serviceProviders"]["SaladML"]["support"], "Unsupported");
        places.push(place["precedingJobs"].as_u64().unwrap());
        pass(2).await;
    }
    assert_eq!(places[0], 5);
    assert!(places.is_sorted_by(|a, b| a >= b), "{places:?}");
    assert_eq!(places.last(), Some(&1));
    assert_eq!(sim.jobs()[0].phase, Phase::Claimed);
}

#[tokio::test(start_paused = true)]
async fn one_worker_takes_jobs_by_priority_in_every_form_then_by_arrival() {
    let sim = exact().workers(1).build();
    submit(&sim, picture(json!({"priority": 0}))).await;
    let forms = [
        json!(null),
        json!("Low"),
        json!("high"),
        json!({"value": 3}),
        json!({"min": 4, "max": 8}),
        json!({"min": 4, "max": 4}),
        json!(2),
    ];
    let mut ids = Vec::new();
    for priority in forms {
        ids.extend(submit(&sim, picture(json!({"priority": priority}))).await.1);
    }
    let behind = get(&sim, &format!("jobs/{}", ids[1])).await.ok();
    assert_eq!(behind["serviceProviders"]["Civitai"]["queuePosition"]["precedingJobs"], 6);
    pass(100).await;
    let ended = |id: &String| sim.job(id).unwrap().events.last().unwrap().0.as_secs();
    assert_eq!(ids.iter().map(ended).collect::<Vec<_>>(), [70, 80, 20, 40, 50, 60, 30]);
}

#[tokio::test(start_paused = true)]
async fn a_priority_range_rises_with_recent_jobs_of_the_same_properties() {
    let sim = exact().build();
    for properties in
        [json!({"user": 1}), json!({"user": 1}), json!({"user": 2}), json!({"user": 1}), json!({"user": 1})]
    {
        submit(&sim, picture(json!({"priority": {"min": 2, "max": 4}, "properties": properties}))).await;
    }
    assert_eq!(sim.jobs().iter().map(|job| job.priority).collect::<Vec<_>>(), [2, 3, 2, 4, 4]);
    pass(3 * 3600).await;
    submit(&sim, picture(json!({"priority": {"min": 2, "max": 4}, "properties": {"user": 1}}))).await;
    assert_eq!(sim.jobs()[5].priority, 2);
}

#[tokio::test(start_paused = true)]
async fn lists_quantities_and_batches_make_jobs_and_blobs_under_one_token() {
    let sim = exact().build();
    let list = json!({"jobs": [picture(json!({"quantity": 2})), picture(json!({"batchSize": 3})), {"$type": "comfy"}]});
    let answer = post(&sim, "jobs?wait=true", &list).await.ok();
    let jobs = answer["jobs"].as_array().unwrap();
    let blobs = |job: &Value| job["result"].as_array().map(Vec::len);
    assert_eq!(jobs.iter().map(blobs).collect::<Vec<_>>(), [Some(1), Some(1), Some(3), None]);
    assert_eq!(jobs[2]["cost"].as_f64().unwrap(), 3.0 * jobs[0]["cost"].as_f64().unwrap());
    let mut pictures = Vec::new();
    for blob in jobs[..3].iter().flat_map(|job| job["result"].as_array().unwrap()) {
        pictures.push(fetch(&sim, blob["blobUrl"].as_str().unwrap(), &[]).await.body);
    }
    // The second of a quantity has the seed after the first's, as has the second of a batch.
    assert_ne!(pictures[0], pictures[1]);
    assert_eq!((&pictures[0], &pictures[1]), (&pictures[2], &pictures[3]));
    assert_eq!(sim.ledger().entries()[0].made.len(), 4);
    assert_eq!(sim.ledger().submissions(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_is_held_until_the_end_or_answered_with_202_at_the_limit() {
    let sim = exact().hold(Duration::from_secs(30)).build();
    let start = tokio::time::Instant::now();
    let (token, _) = submit(&sim, picture(json!({"properties": {"sim": {"seconds": 45}}}))).await;
    let first = get(&sim, &format!("jobs?token={token}&wait=true")).await;
    assert_eq!((first.status, start.elapsed().as_secs()), (202, 30));
    assert_eq!(first.json()["jobs"][0]["lastEvent"]["type"], "Updated");
    let second = get(&sim, &format!("jobs?token={token}&wait=true")).await;
    assert_eq!((second.status, start.elapsed().as_secs()), (200, 45));
    let third = get(&sim, &format!("jobs?token={token}&wait=true")).await;
    assert_eq!((third.status, start.elapsed().as_secs()), (200, 45));
    let posted = post(&sim, "jobs?wait=true", &picture(json!({}))).await;
    assert_eq!((posted.status, start.elapsed().as_secs()), (200, 55));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_job_ends_the_wait_for_it_at_once() {
    let sim = exact().build();
    let (token, ids) = submit(&sim, picture(json!({"properties": {"sim": {"seconds": 90}}}))).await;
    let (waiting, path) = (sim.clone(), format!("jobs?token={token}&wait=true"));
    let wait = tokio::spawn(async move { get(&waiting, &path).await.ok() });
    pass(5).await;
    assert_eq!(delete(&sim, &format!("jobs/{}", ids[0])).await.status, 200);
    assert_eq!(wait.await.unwrap()["jobs"][0]["lastEvent"]["type"], "Deleted");
    assert_eq!(sim.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_leaves_nothing_behind() {
    let sim = exact().build();
    let (token, _) = submit(&sim, picture(json!({}))).await;
    let path = format!("jobs?token={token}&wait=true");
    assert!(tokio::time::timeout(Duration::from_secs(2), get(&sim, &path)).await.is_err());
    let entries = sim.ledger().of("v1_consumer_jobs_get");
    assert_eq!((entries.len(), entries[0].status), (1, None));
    assert_eq!(get(&sim, &path).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_failing_job_is_tried_again_as_often_as_it_asks() {
    let sim = exact().build();
    let plan = json!({"outcome": "Failed", "message": "out of memory"});
    let (token, ids) = submit(&sim, picture(json!({"retries": 2, "properties": {"sim": plan}}))).await;
    pass(10).await;
    let event = get(&sim, &format!("jobs/{}", ids[0])).await.ok();
    assert_eq!(
        (&event["lastEvent"]["type"], &event["lastEvent"]["jobHasCompleted"]),
        (&json!("Failed"), &json!(false))
    );
    assert_eq!((&event["scheduled"], &event["lastEvent"]["claimHasCompleted"]), (&json!(true), &json!(true)));
    let done = get(&sim, &format!("jobs?token={token}&wait=true")).await.ok();
    let last = &done["jobs"][0]["lastEvent"];
    assert_eq!(
        (&last["type"], &last["retryAttempt"], &last["jobHasCompleted"]),
        (&json!("Failed"), &json!(2), &json!(true))
    );
    assert_eq!(last["context"]["error"], "out of memory");
    assert_eq!(done["jobs"][0]["result"][0]["available"], false);
    let tries = events(&sim, &ids[0]).into_iter().filter(|word| word == "Claimed").count();
    assert_eq!((tries, sim.jobs()[0].attempts), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_retry_can_succeed() {
    let sim = exact().script(|_, _| Plan::end("LateRejected").failures(1).updates(0)).build();
    let (token, ids) = submit(&sim, picture(json!({"retries": 1}))).await;
    let done = get(&sim, &format!("jobs?token={token}&wait=true")).await.ok();
    assert_eq!(done["jobs"][0]["lastEvent"]["type"], "Succeeded");
    assert_eq!(done["jobs"][0]["lastEvent"]["retryAttempt"], 1);
    assert_eq!(events(&sim, &ids[0]), ["Initialized", "Claimed", "LateRejected", "Claimed", "Succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_too_slow_loses_its_claim() {
    let sim = exact().build();
    let plan = json!({"seconds": 60, "updates": 0});
    let template = picture(json!({"timeout": "00:00:20", "retries": 1, "properties": {"sim": plan}}));
    let (token, ids) = submit(&sim, template).await;
    let done = get(&sim, &format!("jobs?token={token}&wait=true")).await.ok();
    assert_eq!(events(&sim, &ids[0]), ["Initialized", "Claimed", "ClaimExpired", "Claimed", "ClaimExpired"]);
    assert_eq!(done["jobs"][0]["lastEvent"]["jobHasCompleted"], true);
    assert_eq!(sim.elapsed().as_secs(), 41);
}

#[tokio::test(start_paused = true)]
async fn a_job_expires_at_its_date_wherever_it_is() {
    let sim = exact().workers(1).build();
    let at = |second: u32| json!({"expireAt": format!("2025-01-01T00:00:{second:02}Z"), "properties": {"sim": {"seconds": 30}}});
    let (_, claimed) = submit(&sim, picture(at(10))).await;
    let (_, queued) = submit(&sim, picture(at(5))).await;
    let (_, past) = submit(&sim, picture(json!({"expireAt": "2020-01-01T00:00:00+01:00"}))).await;
    assert_eq!(events(&sim, &past[0]).last().unwrap(), "Expired");
    pass(60).await;
    let end = |ids: &[String]| sim.job(&ids[0]).unwrap().events.last().map(|(at, word)| (at.as_secs(), word.clone()));
    assert_eq!(end(&claimed), Some((10, "Expired".to_owned())));
    assert_eq!(end(&queued), Some((5, "Expired".to_owned())));
    assert_eq!(sim.jobs()[1].attempts, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dependent_job_starts_after_the_others_and_fails_with_them() {
    let sim = exact().build();
    let named = |name: &str, more: Value| {
        let mut template = picture(more);
        template["name"] = json!(name);
        template
    };
    let list = json!({"jobs": [
        picture(json!({"dependencies": ["a", "b"]})),
        named("a", json!({"quantity": 2})),
        named("b", json!({})),
        named("bad", json!({"properties": {"sim": {"outcome": "Failed"}}})),
        named("next", json!({"dependencies": ["bad"]})),
        picture(json!({"dependencies": ["next"]})),
    ]});
    let submitted = post(&sim, "jobs", &list).await.ok();
    assert_eq!(sim.jobs()[0].phase, Phase::Blocked);
    assert_eq!(
        (&submitted["jobs"][0]["scheduled"], &submitted["jobs"][0]["serviceProviders"]),
        (&json!(true), &json!({}))
    );
    let token = encode(submitted["token"].as_str().unwrap());
    let done = get(&sim, &format!("jobs?token={token}&wait=true&detailed=true")).await.ok();
    assert_eq!(sim.elapsed().as_secs(), 20);
    let word = |n: usize| done["jobs"][n]["lastEvent"]["type"].as_str().unwrap();
    assert_eq!(
        (0..7).map(word).collect::<Vec<_>>(),
        ["Succeeded", "Succeeded", "Succeeded", "Succeeded", "Failed", "Failed", "Failed"]
    );
    assert!(done["jobs"][6]["lastEvent"]["context"]["error"].as_str().unwrap().contains("dependency"));
    assert_eq!(done["jobs"][0]["job"]["dependencies"].as_array().unwrap().len(), 3);
    assert_eq!(sim.jobs()[5].attempts, 0);
}

#[tokio::test(start_paused = true)]
async fn dependencies_that_cannot_be_met_are_refused() {
    let sim = exact().build();
    let cases = [
        json!({"jobs": [picture(json!({"dependencies": ["nobody"]}))]}),
        json!({"jobs": [picture(json!({"name": "a", "dependencies": ["a"]}))]}),
        json!({"jobs": [
            picture(json!({"name": "a", "dependencies": ["b"]})), picture(json!({"name": "b", "dependencies": ["a"]})),
        ]}),
        json!({"jobs": [picture(json!({"name": "a"})), picture(json!({"dependencies": ["a", "a"]}))]}),
    ];
    for body in cases {
        let answer = post(&sim, "jobs", &body).await;
        assert_eq!(answer.status, 400, "{body}");
        let errors = answer.json()["errors"].as_object().unwrap().clone();
        assert!(errors.keys().all(|path| path.ends_with(".dependencies")), "{errors:?}");
    }
    assert!(sim.jobs().is_empty());
    assert_eq!(sim.ledger().submissions(), 0);
}

#[tokio::test(start_paused = true)]
async fn every_outcome_can_be_asked_for() {
    let sim = exact().build();
    for word in ["Failed", "Expired", "Canceled", "Deleted", "Rejected", "LateRejected", "ClaimExpired", "Suspended"] {
        let plan = json!({"outcome": word, "seconds": 3, "message": "because"});
        let (token, _) = submit(&sim, picture(json!({"properties": {"sim": plan}}))).await;
        let job = get(&sim, &format!("jobs?token={token}&wait=true")).await.ok()["jobs"][0].clone();
        let last = &job["lastEvent"];
        assert_eq!((&last["type"], &last["jobHasCompleted"]), (&json!(word), &json!(true)), "{job}");
        assert_eq!((&job["scheduled"], &job["result"][0]["available"]), (&json!(false), &json!(false)));
        assert!(last["context"].as_object().unwrap().values().any(|value| value == "because"), "{last}");
    }
    let (token, _) =
        submit(&sim, picture(json!({"properties": {"sim": {"outcome": "Failed", "completed": null}}}))).await;
    let job = get(&sim, &format!("jobs?token={token}&wait=true")).await.ok()["jobs"][0].clone();
    assert_eq!((&job["lastEvent"]["type"], job["lastEvent"].get("jobHasCompleted")), (&json!("Failed"), None));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_word_that_is_no_end_stays_for_ever() {
    let sim = exact().build();
    let plan = json!({"outcome": "Suspended", "completed": false});
    let (token, _) = submit(&sim, picture(json!({"properties": {"sim": plan}}))).await;
    let answer = get(&sim, &format!("jobs?token={token}&wait=true")).await;
    assert_eq!(answer.status, 202);
    let job = answer.json()["jobs"][0].clone();
    assert_eq!((&job["lastEvent"]["type"], &job["scheduled"]), (&json!("Suspended"), &json!(true)));
    assert_eq!(sim.jobs()[0].phase, Phase::Stuck);
    delete(&sim, &format!("jobs?token={token}")).await.ok_empty();
    assert_eq!(sim.jobs()[0].phase, Phase::Ended);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_that_is_no_end_goes_back_to_the_queue() {
    let sim = exact().script(|_, _| Plan::end("Rejected").mark(EndMark::NotEnded).updates(0)).build();
    let (token, ids) = submit(&sim, picture(json!({}))).await;
    let status = get(&sim, &format!("jobs/{}", ids[0])).await.ok();
    assert_eq!((&status["lastEvent"]["type"], &status["scheduled"]), (&json!("Rejected"), &json!(true)));
    get(&sim, &format!("jobs?token={token}&wait=true")).await.ok();
    assert_eq!(events(&sim, &ids[0]), ["Initialized", "Rejected", "Claimed", "Succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn a_script_sees_templates_and_numbers_and_properties_come_after() {
    let sim = exact().build();
    sim.script(|template, index| match template["params"]["prompt"].as_str() {
        Some("bad") => Plan::fail("scripted").context("index", index),
        _ => Plan::succeed().seconds(1.0),
    });
    let mut bad = picture(json!({}));
    bad["params"]["prompt"] = json!("bad");
    submit(&sim, picture(json!({}))).await;
    let (token, _) = submit(&sim, bad.clone()).await;
    let job = get(&sim, &format!("jobs?token={token}&wait=true")).await.ok()["jobs"][0].clone();
    assert_eq!(job["lastEvent"]["context"]["error"], "scripted");
    assert_eq!(job["lastEvent"]["context"]["index"], 1);
    bad["properties"] = json!({"sim": {"outcome": "Succeeded"}});
    let (token, _) = submit(&sim, bad).await;
    let job = get(&sim, &format!("jobs?token={token}&wait=true")).await.ok()["jobs"][0].clone();
    assert_eq!(job["lastEvent"]["type"], "Succeeded");
    let wrong = post(&sim, "jobs", &picture(json!({"properties": {"sim": {"colour": 1}}}))).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.json()["errors"]["jobs[0].properties.sim"][0].as_str().unwrap().contains("colour"));
}

#[tokio::test(start_paused = true)]
async fn providers_without_workers_never_take_a_job() {
    let sim = exact().provider("SaladML", 1).build();
    let (_, other) = submit(&sim, picture(json!({"providers": ["OctoML"]}))).await;
    let (_, salad) = submit(&sim, picture(json!({"providers": ["SaladML"]}))).await;
    pass(60).await;
    let status = get(&sim, &format!("jobs/{}", other[0])).await.ok();
    assert_eq!(status["serviceProviders"], json!({"OctoML": {"support": "Unavailable"}}));
    assert_eq!(status["scheduled"], true);
    let status = get(&sim, &format!("jobs/{}", salad[0])).await.ok();
    assert_eq!(status["lastEvent"]["provider"], "SaladML");
}

#[tokio::test(start_paused = true)]
async fn webhooks_are_kept_as_events_and_never_sent() {
    let sim = exact().build();
    let url = "https://hooks.example.com/civitai?secret=s";
    submit(&sim, picture(json!({"callbackUrl": url, "properties": {"userId": 4}}))).await;
    submit(&sim, picture(json!({}))).await;
    pass(20).await;
    let hooks = sim.webhooks();
    let words: Vec<&str> = hooks.iter().map(|hook| hook.body["type"].as_str().unwrap()).collect();
    assert_eq!(words, ["Initialized", "Claimed", "Updated", "Updated", "Updated", "Succeeded"]);
    assert!(hooks.iter().all(|hook| hook.url == url && hook.body["jobProperties"]["userId"] == 4));
    assert!(hooks.iter().all(|hook| hook.body["jobHasCompleted"].is_boolean()));
    assert_eq!(hooks[5].at.as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn blobs_can_come_later_than_the_end() {
    let sim = exact().build();
    let (token, ids) = submit(&sim, picture(json!({"properties": {"sim": {"blobLag": 5}}}))).await;
    let done = get(&sim, &format!("jobs?token={token}&wait=true")).await.ok();
    assert_eq!(done["jobs"][0]["lastEvent"]["type"], "Succeeded");
    assert_eq!(done["jobs"][0]["result"][0]["available"], false);
    pass(5).await;
    assert_eq!(get(&sim, &format!("jobs/{}", ids[0])).await.ok()["result"][0]["available"], true);
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_template_runs_and_leaves_its_kind_of_result() {
    let sim = exact().build();
    let first = post(&sim, "jobs?wait=true", &picture(json!({"batchSize": 2}))).await.ok();
    let (id, key) = (&first["jobs"][0]["jobId"], &first["jobs"][0]["result"][0]["blobKey"]);
    let url = "https://example.com/a.png";
    let cases = [
        (json!({"$type": "comfy", "params": {"workflow": {}}}), "Comfy", json!(null)),
        (
            json!({"$type": "imageResourceTraining", "model": "m", "trainingData": url}),
            "ImageResourceTraining",
            json!(null),
        ),
        (json!({"$type": "copyAsset", "jobId": id, "assetName": "a"}), "CopyAsset", json!({"found": true})),
        (json!({"$type": "copyAsset", "jobId": "nobody"}), "CopyAsset", json!({"found": false, "fileSize": 0})),
        (json!({"$type": "clearAssets", "jobId": id}), "ClearAssets", json!({"total": 2})),
        (json!({"$type": "blobGet", "key": key}), "GetBlob", json!({"exist": true})),
        (json!({"$type": "blobGet", "key": "none"}), "GetBlob", json!({"exist": false})),
        (json!({"$type": "blobUpload"}), "UploadBlob", json!({"exist": false})),
        (json!({"$type": "blobPin", "key": key}), "PinBlob", json!(null)),
        (json!({"$type": "blobUnpin", "key": key}), "UnpinBlob", json!(null)),
        (json!({"$type": "blobDelete", "key": key}), "DeleteBlob", json!(null)),
        (json!({"$type": "prepareModel", "baseModel": "SDXL", "action": "Pin"}), "PrepareModel", json!(null)),
        (json!({"$type": "mediaTagging", "modelId": 1, "mediaUrl": url}), "MediaTagging", json!({})),
        (json!({"$type": "wdTagging", "model": "m", "mediaUrl": url}), "WDTagging", json!({})),
        (json!({"$type": "movieRating", "model": "m", "mediaUrl": url}), "MovieRating", json!({})),
        (json!({"$type": "imageTransform", "imageUrl": url, "transformer": "Canny"}), "ImageTransform", json!([])),
        (json!({"$type": "imageEmbedding", "imageUrl": url}), "ImageEmbedding", json!({})),
        (json!({"$type": "rebootWorker"}), "RebootWorker", json!(null)),
    ];
    for (template, kind, result) in cases {
        let answer = post(&sim, "jobs?wait=true&detailed=true", &template).await.ok();
        let job = &answer["jobs"][0];
        assert_eq!((&job["lastEvent"]["jobType"], &job["job"]["type"]), (&json!(kind), &json!(kind)));
        match &result {
            Value::Object(members) => {
                assert!(members.iter().all(|(name, value)| job["result"][name] == *value), "{template} {job}");
                assert!(!job["result"].as_object().unwrap().is_empty());
            }
            Value::Array(_) => assert_eq!(job["result"][0]["available"], true, "{template}"),
            _ => assert!(job.get("result").is_none(), "{template}"),
        }
    }
    // The blob was deleted.
    let status = get(&sim, &format!("jobs/{}", id.as_str().unwrap())).await.ok();
    let available = |n: usize| status["result"][n]["available"].as_bool().unwrap();
    assert_eq!((available(0), available(1)), (false, true));
}

#[tokio::test(start_paused = true)]
async fn a_planned_result_takes_the_place_of_the_usual_one() {
    let sim = exact().script(|_, _| Plan::succeed().result(json!({"pages": [1, 2]}))).build();
    let answer = post(&sim, "jobs?wait=true", &json!({"$type": "comfy"})).await.ok();
    assert_eq!(answer["jobs"][0]["result"], json!({"pages": [1, 2]}));
}

#[tokio::test(start_paused = true)]
async fn a_week_of_work_passes_in_no_time() {
    let real = std::time::Instant::now();
    let sim = exact().durations(Durations::Fixed(Duration::from_secs(7 * 86_400))).build();
    let (_, ids) = submit(&sim, picture(json!({"timeout": "8.00:00:00"}))).await;
    pass(7 * 86_400).await;
    let event = get(&sim, &format!("jobs/{}", ids[0])).await.ok()["lastEvent"].clone();
    assert_eq!((&event["type"], &event["jobDuration"]), (&json!("Succeeded"), &json!("7.00:00:00")));
    assert!(real.elapsed() < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn speed_multiplies_the_time_of_the_simulator_only() {
    let sim = exact().speed(100.0).build();
    let start = tokio::time::Instant::now();
    post(&sim, "jobs?wait=true", &picture(json!({}))).await.ok();
    let passed = start.elapsed();
    assert!((100..110).contains(&passed.as_millis()), "{passed:?}");
    assert!((10..11).contains(&sim.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_waits_are_held_at_once() {
    let sim = Civitai::builder().workers(2000).build();
    let mut waits = tokio::task::JoinSet::new();
    for n in 0..10_000 {
        let (token, _) = submit(&sim, picture(json!({"properties": {"n": n}}))).await;
        let sim = sim.clone();
        waits.spawn(async move { get(&sim, &format!("jobs?token={token}&wait=true")).await });
    }
    let mut done = 0;
    while let Some(answer) = waits.join_next().await {
        done += usize::from(answer.unwrap().status == 200);
    }
    assert_eq!(done, 10_000);
    assert_eq!(sim.ledger().submissions(), 10_000);
}

//! Jobs from submission to their end, in virtual time and without sockets.

mod common;

use std::time::Duration;

use common::*;
use consign_sim::Civitai;
use serde_json::json;

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
    assert_eq!(job["scheduled"], false);
    assert_eq!(sim.job(job["jobId"].as_str().unwrap()).unwrap().events.len(), 6);

    let url = job["result"][0]["blobUrl"].as_str().unwrap();
    let blob = fetch(&sim, url, &[]).await;
    assert_eq!(blob.status, 200);
    assert_eq!(size(&blob.body), (512, 256));
    assert_eq!((sim.ledger().submissions(), sim.ledger().leaks(), sim.ledger().len()), (1, 0, 3));
    assert!(sim.elapsed() < Duration::from_secs(100));
}

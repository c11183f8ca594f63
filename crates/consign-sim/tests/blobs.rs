//! The blob host: signed URLs, ranges, and what it refuses.
#![allow(clippy::unwrap_used)] // a panic in a test is a report

mod common;

use std::time::Duration;

use common::*;
use consign_sim::{Civitai, Fault, Rule};
use http::Method;
use serde_json::json;

/// A simulator with one finished picture, the id of its job, and its URL.
async fn finished() -> (Civitai, String, String) {
    let sim = Civitai::builder().seed(7).build();
    let done = post(&sim, "jobs?wait=true", &picture(json!({}))).await.ok();
    let id = done["jobs"][0]["jobId"].as_str().unwrap().to_owned();
    (sim, id, done["jobs"][0]["result"][0]["blobUrl"].as_str().unwrap().to_owned())
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_url_expires_after_an_hour_and_reading_the_job_gives_a_fresh_one() {
    let (sim, id, url) = finished().await;
    assert!(url.starts_with(Civitai::BLOB_URL));
    tokio::time::sleep(Duration::from_secs(3590)).await;
    assert_eq!(fetch(&sim, &url, &[]).await.status, 200);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let expired = fetch(&sim, &url, &[]).await;
    assert_eq!((expired.status, expired.header("content-type")), (403, "application/xml"));
    assert!(text(&expired).contains("<Code>AccessDenied</Code><Message>Request has expired"));
    let status = get(&sim, &format!("jobs/{id}")).await.ok();
    let fresh = &status["result"][0];
    assert_ne!(fresh["blobUrl"], url.as_str());
    assert_eq!(fetch(&sim, fresh["blobUrl"].as_str().unwrap(), &[]).await.status, 200);
    let until = fresh["blobUrlExpirationDate"].as_str().unwrap();
    assert!(until.starts_with("2025-01-01T02:00:") && until.len() == 28, "{until}");
}

#[tokio::test(start_paused = true)]
async fn a_changed_url_is_forged_and_an_unknown_blob_is_not_there() {
    let (sim, _, url) = finished().await;
    let changed = [url.replace("X-Amz-Expires=3600", "X-Amz-Expires=9999"), url.replacen("invalid/", "invalid/0", 1)];
    for url in changed {
        let answer = fetch(&sim, &url, &[]).await;
        assert_eq!(answer.status, 403);
        assert!(text(&answer).contains("SignatureDoesNotMatch"));
    }
    let bare = fetch(&sim, url.split('?').next().unwrap(), &[]).await;
    assert_eq!(bare.status, 403);
    // A blob that is not ready yet: its key is known, but nothing signs it; blobGet does.
    let body = json!({"$type": "blobGet", "key": "none"});
    let done = post(&sim, "jobs?wait=true", &body).await.ok();
    let uri = done["jobs"][0]["result"]["location"]["uri"].as_str().unwrap();
    let missing = fetch(&sim, uri, &[]).await;
    assert!(missing.status == 404 && text(&missing).contains("NoSuchKey"));
    assert_eq!(send(&sim, Method::PUT, &url, &[], "x").await.unwrap().status, 405);
}

#[tokio::test(start_paused = true)]
async fn credentials_are_refused_and_noted_as_a_leak() {
    let (sim, _, url) = finished().await;
    let answer = fetch(&sim, &url, &[("authorization", "Bearer secret")]).await;
    assert_eq!(answer.status, 400);
    assert!(text(&answer).contains("<Code>InvalidArgument</Code>"));
    assert_eq!(sim.ledger().leaks(), 1);
    let entry = sim.ledger().of("blob").remove(0);
    assert!(entry.credentials && !entry.accepted);
    assert_eq!(entry.headers["authorization"], "...");
}

#[tokio::test(start_paused = true)]
async fn parts_are_sent_while_the_version_is_the_same() {
    let (sim, _, url) = finished().await;
    let whole = fetch(&sim, &url, &[]).await;
    let (file, etag) = (whole.body.clone(), whole.header("etag").to_owned());
    assert_eq!((whole.header("accept-ranges"), whole.header("content-type")), ("bytes", "image/png"));
    let part = fetch(&sim, &url, &[("range", "bytes=10-"), ("if-range", &etag)]).await;
    assert_eq!((part.status, &part.body[..]), (206, &file[10..]));
    assert_eq!(part.header("content-range"), format!("bytes 10-{}/{}", file.len() - 1, file.len()));
    let other = fetch(&sim, &url, &[("range", "bytes=10-"), ("if-range", "\"other\"")]).await;
    assert_eq!((other.status, other.body.len()), (200, file.len()));
    let beyond = fetch(&sim, &url, &[("range", "bytes=9999999-")]).await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, format!("bytes */{}", file.len()).as_str()));
    let head = send(&sim, Method::HEAD, &url, &[], "").await.unwrap();
    assert_eq!(
        (head.status, head.body.len(), head.header("content-length")),
        (200, 0, file.len().to_string().as_str())
    );
}

#[tokio::test(start_paused = true)]
async fn the_host_can_misbehave_in_every_way() {
    let (sim, _, url) = finished().await;
    let whole = fetch(&sim, &url, &[]).await;
    let range = [("range", "bytes=10-"), ("if-range", whole.header("etag"))];
    let with = async |fault: Fault| {
        sim.faults().add(Rule::new(fault).on("blob"));
        fetch(&sim, &url, &range).await
    };
    assert_eq!(with(Fault::ignore_range()).await.body, whole.body);
    let other = with(Fault::other_version()).await;
    assert_eq!(other.status, 200);
    assert_ne!((other.header("etag"), &other.body), (whole.header("etag"), &whole.body));
    assert_eq!(size(&other.body), (512, 256));
    assert_eq!(with(Fault::expired_url()).await.status, 403);
    assert_eq!(with(Fault::truncate(3)).await.body, whole.body[10..13]);
    sim.faults().add(Rule::new(Fault::not_a_picture()).on("blob"));
    let page = fetch(&sim, &url, &[]).await;
    assert_eq!((page.status, page.header("content-type")), (200, "image/png"));
    assert!(text(&page).starts_with("<html>"));
    sim.faults().add(Rule::new(Fault::cut_reply(100)).on("blob"));
    let broken = send(&sim, Method::GET, &url, &[], "").await.unwrap_err();
    let received = broken.received.unwrap();
    assert_eq!((received.status().as_u16(), received.body().len()), (200, 100));
    assert_eq!(broken.announced, whole.body.len() as u64);
    assert_eq!(sim.faults().pending(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_large_picture_has_its_size() {
    let sim = Civitai::builder().seed(7).build();
    let body = picture(json!({"params": {"prompt": "p", "width": 2048, "height": 1024}}));
    let done = post(&sim, "jobs?wait=true", &body).await.ok();
    let blob = fetch(&sim, done["jobs"][0]["result"][0]["blobUrl"].as_str().unwrap(), &[]).await;
    assert_eq!(size(&blob.body), (2048, 1024));
}

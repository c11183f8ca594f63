//! Faults in the process: what a client meets, and what the simulator did nevertheless.

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::*;
use consign_sim::civitai::operation::{GET, SUBMIT};
use consign_sim::{Civitai, Fault, RetryAfter, Rule};
use http::Method;
use serde_json::json;

fn get_path(token: &str) -> String {
    format!("jobs?token={token}")
}

#[tokio::test(start_paused = true)]
async fn a_fault_before_the_work_changes_nothing_and_one_after_it_hides_what_was_done() {
    let sim = Civitai::new();
    let body = picture(json!({}));
    let submit = async |fault: Fault| {
        sim.faults().once(SUBMIT, fault);
        try_call(&sim, Method::POST, "jobs", Some(&body)).await
    };
    let dropped = submit(Fault::drop_before()).await.unwrap_err();
    assert!(!dropped.request_was_processed && dropped.received.is_none());
    assert_eq!(submit(Fault::status(503)).await.unwrap().status, 503);
    assert_eq!((sim.ledger().submissions(), sim.jobs().len()), (0, 0));

    let lost = submit(Fault::lose_reply()).await.unwrap_err();
    assert!(lost.request_was_processed && lost.received.is_none());
    let cut = submit(Fault::cut_reply(7)).await.unwrap_err();
    assert_eq!(cut.received.unwrap().body().len(), 7);
    let gateway = submit(Fault::html(504).after_processing()).await.unwrap();
    assert_eq!((gateway.status, gateway.header("content-type")), (504, "text/html; charset=UTF-8"));
    assert_eq!((sim.ledger().submissions(), sim.jobs().len(), sim.jobs()[0].submitted), (3, 3, 3));

    let entries = sim.ledger().entries();
    let seen: Vec<_> = entries.iter().map(|e| (e.fault.unwrap(), e.accepted, e.status.map(|s| s.as_u16()))).collect();
    assert_eq!(
        seen,
        [
            ("drop before", false, None),
            ("reply", false, Some(503)),
            ("lose reply", true, None),
            ("cut reply", true, Some(200)),
            ("reply", true, Some(504)),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_wrong_answer_can_be_given() {
    let sim = Civitai::new();
    let (token, _) = submit(&sim, picture(json!({}))).await;
    let read = async |fault: Fault| {
        sim.faults().once(GET, fault);
        get(&sim, &get_path(&token)).await
    };
    let page = read(Fault::html(200)).await;
    assert!(page.status == 200 && page.body.starts_with(b"<html>"));
    let plain = read(Fault::text(504, "upstream request timeout")).await;
    assert_eq!((plain.status, &plain.body[..]), (504, &b"upstream request timeout"[..]));
    let empty = read(Fault::empty(200)).await;
    assert_eq!((empty.status, empty.body.len()), (200, 0));
    let error = read(Fault::json(200, &json!({"error": "overloaded"}))).await;
    assert_eq!((error.status, error.json()), (200, json!({"error": "overloaded"})));
    let busy = read(Fault::status(503).retry_after(30).header("x-region", "eu").header("bad name", "x")).await;
    assert_eq!((busy.header("retry-after"), busy.header("x-region")), ("30", "eu"));
    let half = read(Fault::truncate(40)).await;
    assert_eq!((half.status, half.body.len()), (200, 40));
    let strange = read(Fault::edit_json(|body| body["jobs"][0]["lastEvent"]["type"] = json!("Suspended"))).await;
    assert_eq!(strange.ok()["jobs"][0]["lastEvent"]["type"], "Suspended");
    let edited = read(Fault::edit(|reply| *reply.status_mut() = http::StatusCode::IM_A_TEAPOT)).await;
    assert_eq!(edited.status, 418);
    let own =
        read(Fault::reply(http::Response::builder().status(307).header("location", "/").body(Bytes::new()).unwrap()));
    assert_eq!(own.await.header("location"), "/");
    assert_eq!(read(Fault::status(9999)).await.status, 500);
    assert_eq!(get(&sim, &get_path(&token)).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn delays_pass_in_simulated_time_and_combine_with_other_faults() {
    let sim = Civitai::builder().speed(10.0).build();
    let start = tokio::time::Instant::now();
    sim.faults().once(GET, Fault::delay(Duration::from_secs(5)).and(Fault::status(500)));
    assert_eq!(get(&sim, "jobs?token=x").await.status, 500);
    assert_eq!(start.elapsed().as_millis(), 500);
    sim.faults().once(SUBMIT, Fault::slow_reply(Duration::from_secs(20)));
    post(&sim, "jobs", &picture(json!({}))).await.ok();
    assert_eq!(start.elapsed().as_millis(), 2500);
    assert!(sim.jobs()[0].events.last().unwrap().0 > Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_request_can_hang_before_or_after_it_was_carried_out() {
    let sim = Civitai::new();
    for (fault, made) in [(Fault::hang(), 0), (Fault::hang_after(), 1)] {
        sim.faults().once(SUBMIT, fault);
        let body = picture(json!({}));
        let submit = post(&sim, "jobs", &body);
        assert!(tokio::time::timeout(Duration::from_secs(3600), submit).await.is_err());
        assert_eq!(sim.ledger().submissions(), made);
    }
}

#[tokio::test(start_paused = true)]
async fn rules_choose_by_operation_count_and_time() {
    let sim = Civitai::new();
    let (token, _) = submit(&sim, picture(json!({}))).await;
    sim.faults().add(Rule::new(Fault::status(500)).on(GET).skip(1).times(2));
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(get(&sim, &get_path(&token)).await.status);
    }
    assert_eq!(seen, [200, 500, 500, 200]);
    // An outage of ten minutes.
    sim.faults().add(Rule::new(Fault::html(502)).between(Duration::from_secs(60), Duration::from_secs(660)));
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(get(&sim, &get_path(&token)).await.status);
        tokio::time::sleep(Duration::from_secs(200)).await;
    }
    assert_eq!(seen, [200, 502, 502, 502, 200]);
    sim.faults().clear();
    assert_eq!(sim.faults().pending(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_can_be_rotated_in_the_middle() {
    let sim = Civitai::new();
    let (token, _) = submit(&sim, picture(json!({}))).await;
    sim.faults().require_token("fresh");
    assert_eq!(get(&sim, &get_path(&token)).await.status, 401);
    let uri = format!("{}/v1/consumer/{}", Civitai::URL, get_path(&token));
    let fresh = send(&sim, Method::GET, &uri, &[("authorization", "Bearer fresh")], "").await.unwrap();
    assert_eq!(fresh.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_burst_over_the_limit_is_refused_until_the_window_ends() {
    let sim = Civitai::new();
    let (token, _) = submit(&sim, picture(json!({}))).await;
    sim.faults().rate_limit(2, Duration::from_secs(10));
    let ask = async || get(&sim, &get_path(&token)).await;
    assert_eq!([ask().await.status, ask().await.status], [200, 200]);
    let refused = ask().await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "10"));
    assert_eq!(refused.json()["title"], "Too Many Requests");
    sim.faults().retry_after(RetryAfter::Text("soon".to_owned()));
    assert_eq!(ask().await.header("retry-after"), "soon");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(ask().await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_daily_quota_lasts_until_midnight() {
    let sim = Civitai::new();
    sim.faults().daily_quota(1);
    sim.faults().retry_after(RetryAfter::Date);
    post(&sim, "jobs", &picture(json!({}))).await.ok();
    let refused = post(&sim, "jobs", &picture(json!({}))).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "Thu, 02 Jan 2025 00:00:00 GMT"));
    assert_eq!(refused.json()["detail"], "Daily quota exceeded");
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    assert_eq!(post(&sim, "jobs", &picture(json!({}))).await.status, 200);
    assert_eq!(sim.ledger().submissions(), 2);
}

#[tokio::test(start_paused = true)]
async fn states_can_go_backwards_for_a_reader() {
    let sim = Civitai::builder().queue(0, 0).build();
    let (token, _) = submit(&sim, picture(json!({}))).await;
    get(&sim, &format!("{}&wait=true", get_path(&token))).await.ok();
    sim.faults().once(
        GET,
        Fault::edit_json(|body| {
            let job = &mut body["jobs"][0];
            job["scheduled"] = json!(true);
            job["lastEvent"]["type"] = json!("Claimed");
            job["lastEvent"]["jobHasCompleted"] = json!(false);
        }),
    );
    let word = async || get(&sim, &get_path(&token)).await.ok()["jobs"][0]["lastEvent"]["type"].clone();
    assert_eq!([word().await, word().await], ["Claimed", "Succeeded"]);
}

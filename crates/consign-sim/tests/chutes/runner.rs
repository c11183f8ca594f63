//! The runner's side, with the test as the runner.
use consign_sim::Chutes;
use consign_sim::chutes::Phase;
use serde_json::{Value, json};

use crate::common::*;

const MULTIPART: &str = "multipart/form-data; boundary=b";

fn form(path: &str, content: &str) -> String {
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\nContent-Type: text/plain\r\n\r\n{content}\r\n\
         --b\r\nContent-Disposition: form-data; name=\"path\"\r\n\r\n{path}\r\n--b--\r\n"
    )
}

async fn external() -> (Chutes, String, String) {
    let sim = exact().external_runner().build();
    let id = created(&sim, "{}").await;
    pass(60).await;
    assert_eq!(sim.job(&id).unwrap().phase, Phase::Running);
    let token = sim.job_token(&id);
    (sim, id, token)
}

async fn finish(sim: &Chutes, id: &str, token: &str, report: &Value) -> Answer {
    ask(sim, &format!("POST /jobs/{id}?token={token}"), &report.to_string()).await
}

async fn upload(sim: &Chutes, id: &str, url: &Value, path: &str, content: &str) -> Answer {
    let token = url.as_str().unwrap().split_once("?token=").unwrap().1;
    send(
        sim,
        &format!("PUT /jobs/{id}/upload?token={token}"),
        &[("content-type", MULTIPART), ("authorization", "")],
        &form(path, content),
    )
    .await
}

#[tokio::test(start_paused = true)]
async fn a_runner_reports_uploads_and_closes() {
    let (sim, id, token) = external().await;
    let url = sim.job_status_url(&id);
    assert_eq!(url, format!("https://api.chutes.ai/jobs/{id}?token={token}"));
    let report = json!({"status": "complete", "result": {"n": 1}, "output_filenames": ["a.txt", "d/b c.txt", "a.txt"]});
    let answer = finish(&sim, &id, &token, &report).await.ok();
    let urls = answer["output_storage_urls"].as_object().unwrap();
    assert_eq!(urls.keys().collect::<Vec<_>>(), ["a.txt", "d/b c.txt"]);
    assert!(urls["a.txt"].as_str().unwrap().starts_with(&format!("https://api.chutes.ai/jobs/{id}/upload?token=ey")));
    assert_eq!(sim.job(&id).unwrap().status, "complete_pending_uploads");
    for (name, content) in [("a.txt", "one"), ("d/b c.txt", "two"), ("a.txt", "three")] {
        let done = upload(&sim, &id, &urls[name], name, content).await.ok();
        assert_eq!(
            (&done["status"], &done["filename"], &done["uploaded"]),
            (&json!("success"), &json!(name), &json!(true))
        );
        let file = done["file_id"].as_str().unwrap();
        let got = ask(&sim, &format!("GET /jobs/{id}/download/{file}"), "").await;
        assert_eq!(got.text(), content);
    }
    let done = ask(&sim, &format!("PUT /jobs/{id}?token={token}"), r#"{"status":"done"}"#).await.ok();
    assert!(done["finished_at"].is_string() && done["instance"].is_null());
    assert_eq!(sim.job(&id).unwrap().status, "complete");
    for answer in [
        finish(&sim, &id, &token, &report).await,
        upload(&sim, &id, &urls["a.txt"], "a.txt", "x").await,
        ask(&sim, &format!("PUT /jobs/{id}?token={token}"), "").await,
    ] {
        assert_eq!(answer.refusal(), (400, "Job already finished".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_without_a_proper_result_is_stored_and_answers_500() {
    for report in [
        json!({"status": "error", "detail": "Job failed: oom", "output_filenames": ["_chute.log"]}),
        json!({"status": "complete", "result": "done"}),
        json!({"status": "complete", "result": [1]}),
        json!({"status": "complete", "result": {"x": 1e20}}),
        json!({}),
    ] {
        let (sim, id, token) = external().await;
        finish(&sim, &id, &token, &report).await.tripped();
        read(&sim, &id).await.tripped();
        let job = sim.job(&id).unwrap();
        assert_eq!((job.phase, job.readable), (Phase::Reported, false));
        assert_eq!(job.status, report["status"].as_str().unwrap_or("error"));
        // Another report repairs the record.
        finish(&sim, &id, &token, &json!({"status": "error", "result": null})).await.ok();
        read(&sim, &id).await.ok();
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_that_is_no_report_changes_nothing() {
    let (sim, id, token) = external().await;
    for body in [
        "",
        "[]",
        "7",
        "{",
        r#"{"status":7}"#,
        r#"{"output_filenames":null}"#,
        r#"{"output_filenames":[7]}"#,
        r#"{"detail":7}"#,
    ] {
        ask(&sim, &format!("POST /jobs/{id}?token={token}"), body).await.tripped();
    }
    assert_eq!((sim.job(&id).unwrap().phase, sim.job(&id).unwrap().status.as_str()), (Phase::Running, "pending"));
    let letters = finish(&sim, &id, &token, &json!({"result": null, "output_filenames": "ab"})).await.ok();
    assert_eq!(letters["output_files"].as_object().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn only_the_right_token_opens_a_job_and_a_file() {
    let (sim, id, token) = external().await;
    let other = created(&sim, "{}").await;
    let report = json!({"status": "complete", "result": null, "output_filenames": ["a"]});
    let bad = (401, "Missing or invalid JWT".to_owned());
    let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
    for wrong in ["x", "", &sim.job_token(&other), &token[..token.len() - 2], unsigned.as_str()] {
        assert_eq!(finish(&sim, &id, wrong, &report).await.refusal(), bad, "{wrong}");
    }
    let none = ask(&sim, &format!("POST /jobs/{id}"), "{}").await;
    assert_eq!(none.status, 422);
    assert_eq!(
        none.text(),
        r#"{"detail":[{"type":"missing","loc":["query","token"],"msg":"Field required","input":null}]}"#
    );
    let missing = "0b8e6c0e-7a53-4c64-9d57-5a1f6f1f0b63";
    let gone = finish(&sim, missing, &sim.job_token(missing), &report).await;
    assert_eq!(gone.refusal(), (401, format!("job_id='{missing}' not found!")));

    let urls = finish(&sim, &id, &token, &report).await.ok()["output_storage_urls"].clone();
    let with_job_token = json!(format!("?token={token}"));
    assert_eq!(upload(&sim, &id, &with_job_token, "a", "x").await.refusal(), bad);
    assert_eq!(upload(&sim, &id, &urls["a"], "b", "x").await.refusal(), bad);
    // The token of a file is good for the rest too, as on the service.
    let file_token = urls["a"].as_str().unwrap().split_once("token=").unwrap().1;
    let again = finish(&sim, &id, file_token, &json!({"result": null, "output_filenames": ["b"]})).await.ok();
    assert_eq!(again["output_files"].as_object().unwrap().len(), 1);
    let undeclared = upload(&sim, &id, &urls["a"], "a", "x").await;
    assert_eq!(undeclared.refusal(), (401, format!("job_id='{id}' did not have any output file with filename='a'")));
    finish(&sim, &id, &token, &json!({"result": null})).await.ok();
    assert_eq!(
        upload(&sim, &id, &urls["a"], "a", "x").await.refusal(),
        (404, "File a not found in job output files".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn an_upload_before_the_report_trips_and_a_form_lists_what_it_lacks() {
    let (sim, id, token) = external().await;
    let urls = finish(&sim, &id, &token, &json!({"result": null, "output_filenames": ["a"]})).await.ok()["output_storage_urls"].clone();
    let early = created(&sim, "{}").await;
    let target = |id: &str| format!("PUT /jobs/{id}/upload?token={}", sim.job_token(id));
    // A path that is empty counts as none; then nothing is compared with the token.
    let content = |body: &str| (MULTIPART.to_owned(), body.to_owned());
    let locations = |answer: &Answer| -> Vec<Value> {
        answer.json()["detail"].as_array().unwrap().iter().map(|item| item["loc"].clone()).collect()
    };
    for ((media, body), expected) in [
        (content("--b--\r\n"), json!([["body", "file"], ["body", "path"]])),
        (content(&form("", "x")), json!([["body", "path"]])),
        (("text/plain".to_owned(), "x".to_owned()), json!([["body", "file"], ["body", "path"]])),
        (
            content("--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--b--\r\n"),
            json!([["body", "file"], ["body", "path"]]),
        ),
    ] {
        let answer = send(&sim, &target(&id), &[("content-type", &media)], &body).await;
        assert_eq!((answer.status, json!(locations(&answer))), (422, expected), "{body}");
    }
    let all = send(&sim, &format!("PUT /jobs/{id}/upload"), &[("content-type", MULTIPART)], "--b--").await;
    assert_eq!(locations(&all).len(), 3);
    assert_eq!(send(&sim, &target(&id), &[("content-type", MULTIPART)], "--c").await.status, 400);
    assert_eq!(send(&sim, &target(&id), &[("content-type", "multipart/form-data")], "").await.status, 400);
    assert_eq!(upload(&sim, &early, &urls["a"], "a", "x").await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn files_that_never_came_make_a_partial_failure_or_a_longer_error_text() {
    let (sim, id, token) = external().await;
    finish(&sim, &id, &token, &json!({"status": "complete", "result": {}, "output_filenames": ["a", "b"]})).await.ok();
    ask(&sim, &format!("PUT /jobs/{id}?token={token}"), "").await.ok();
    let job = sim.job(&id).unwrap();
    assert_eq!(
        (job.status.as_str(), job.error_detail.as_deref()),
        ("partial_failure", Some("Failed to upload files: a, b"))
    );

    let id = created(&sim, "{}").await;
    let token = sim.job_token(&id);
    finish(&sim, &id, &token, &json!({"status": "error", "result": null, "output_filenames": ["a"]})).await.ok();
    ask(&sim, &format!("PUT /jobs/{id}?token={token}"), "").await.tripped();
    assert!(read(&sim, &id).await.ok()["finished_at"].is_null());
    finish(&sim, &id, &token, &json!({"status": "error", "result": null, "detail": "oom", "output_filenames": ["a"]}))
        .await
        .ok();
    ask(&sim, &format!("PUT /jobs/{id}?token={token}"), "").await.ok();
    assert_eq!(sim.job(&id).unwrap().error_detail.as_deref(), Some("oom\nFailed to upload files: a"));
    // The end of an unreadable job is stored, and its answer fails.
    let id = created(&sim, "{}").await;
    let token = sim.job_token(&id);
    finish(&sim, &id, &token, &json!({"status": "error"})).await.tripped();
    ask(&sim, &format!("PUT /jobs/{id}?token={token}"), "").await.tripped();
    assert_eq!(sim.job(&id).unwrap().phase, Phase::Finished);
}

#[tokio::test(start_paused = true)]
async fn tokens_are_signed_with_the_secret_that_was_set_and_never_expire() {
    let (one, two) = (exact().secret("s").external_runner().build(), exact().build());
    let id = created(&one, "{}").await;
    let token = one.job_token(&id);
    assert_ne!(token, two.job_token(&id));
    pass(400 * 86_400).await;
    finish(&one, &id, &token, &json!({"result": null})).await.ok();
}

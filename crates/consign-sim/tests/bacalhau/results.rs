//! Results, and the file server of the node.
use std::io::Read as _;

use consign_sim::bacalhau::Plan;
use consign_sim::{Bacalhau, Fault, Rule};
use serde_json::json;

use crate::common::*;

async fn finished(plan: Plan) -> (Bacalhau, String, String) {
    let sim = Bacalhau::builder().script(move |_, _| plan.clone()).build();
    let id = put(&sim, wasm("exit3", json!({}))).await;
    let none = ask(&sim, &format!("GET {JOBS}/{id}/results")).await.ok();
    assert_eq!(none, json!({"NextToken": "", "Items": []}));
    pass(30.0).await;
    let results = ask(&sim, &format!("GET {JOBS}/{id}/results")).await.ok();
    assert_eq!(results["Items"][0]["Type"], "urlDownload");
    (sim, id, results["Items"][0]["Params"]["URL"].as_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn an_archive_holds_the_output_the_code_and_the_files() {
    let (sim, id, url) = finished(Plan::default().file("outputs/a.txt", "alpha")).await;
    assert!(url.starts_with(Bacalhau::RESULTS_URL) && url.ends_with(".tar.gz"), "{url}");
    let archive = ask(&sim, &format!("GET {url}")).await;
    assert_eq!((archive.status, archive.header("content-type"), archive.header("etag")), (200, "application/gzip", ""));
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(&archive.body[..]).read_to_end(&mut tar).unwrap();
    let mut files = Vec::new();
    let mut rest = &tar[..];
    while rest[0] != 0 {
        let text = |from: usize, length: usize| {
            std::str::from_utf8(&rest[from..from + length]).unwrap().trim_end_matches('\0')
        };
        let size = usize::from_str_radix(text(124, 12), 8).unwrap();
        files.push((text(0, 100).to_owned(), String::from_utf8(rest[512..512 + size].to_vec()).unwrap()));
        rest = &rest[512 + size.div_ceil(512) * 512..];
    }
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    assert_eq!(
        files,
        [
            file(".", ""),
            file("exitCode", "3"),
            file("outputs/a.txt", "alpha"),
            file("stderr", "err\n"),
            file("stdout", "out\n")
        ]
    );
    assert_eq!(executions(&sim, &id).await[0]["PublishedResult"]["Params"]["URL"], json!(url));
}

#[tokio::test(start_paused = true)]
async fn the_file_server_answers_ranges_and_notes_credentials() {
    let (sim, _, url) = finished(Plan::default()).await;
    let get = format!("GET {url}");
    let whole = ask(&sim, &get).await;
    let modified = whole.header("last-modified").to_owned();
    let part = try_send(&sim, &get, &[("range", "bytes=10-"), ("if-range", &modified)], "").await.unwrap();
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[10..]));
    assert_eq!(part.header("content-range"), format!("bytes 10-{}/{}", whole.body.len() - 1, whole.body.len()));
    let other = try_send(&sim, &get, &[("range", "bytes=10-"), ("if-range", "\"x\"")], "").await.unwrap();
    assert_eq!((other.status, other.body.len()), (200, whole.body.len()));
    let beyond = try_send(&sim, &get, &[("range", "bytes=99999-")], "").await.unwrap();
    assert_eq!(beyond.status, 416);
    let missing = ask(&sim, &format!("GET {}/e-none.tar.gz", Bacalhau::RESULTS_URL)).await;
    assert_eq!((missing.status, missing.text()), (404, "404 page not found\n"));
    assert_eq!(sim.ledger().leaks(), 0);
    try_send(&sim, &get, &[("authorization", "Bearer x")], "").await.unwrap();
    assert_eq!(sim.ledger().leaks(), 1);
    sim.faults().add(Rule::new(Fault::other_version()).on("blob"));
    assert_ne!(ask(&sim, &get).await.body, whole.body);
}

#[tokio::test(start_paused = true)]
async fn results_of_other_publishers_and_of_failed_jobs() {
    let sim = Bacalhau::new();
    let with = |publisher: serde_json::Value| wasm("hello", json!({"task/Publisher": publisher}));
    let s3 = put(&sim, with(json!({"Type": "s3", "Params": {"Bucket": "b", "Key": "k"}}))).await;
    let ipfs = put(&sim, with(json!({"Type": "ipfs"}))).await;
    let nothing = put(&sim, with(json!(null))).await;
    let failed = put(&sim, wasm("trap", json!({}))).await;
    let service = put(&sim, wasm("spin", json!({"Type": "service"}))).await;
    pass(5.0).await;
    let results = async |id: &str| ask(&sim, &format!("GET {JOBS}/{id}/results")).await;
    assert_eq!(results(&s3).await.ok()["Items"][0]["Params"]["Bucket"], "b");
    assert!(results(&ipfs).await.ok()["Items"][0]["Params"]["CID"].as_str().unwrap().starts_with("Qm"));
    assert_eq!(
        [results(&nothing).await.ok()["Items"].clone(), results(&failed).await.ok()["Items"].clone()],
        [json!([]), json!([])]
    );
    assert_eq!(
        results(&service).await.refusal(),
        (500, "InternalError".to_owned(), "Internal server error".to_owned())
    );
}

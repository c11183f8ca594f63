//! The hand-written baseline of the benches: plain serde structs for a Civitai page, as one would
//! write them for oneself, with the members of the wire and nothing more.
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
pub struct Collection {
    pub token: Option<String>,
    pub jobs: Option<Vec<Status>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub job_id: Option<String>,
    pub cost: Option<f64>,
    pub properties: Option<Map<String, Value>>,
    pub result: Option<Vec<Blob>>,
    pub last_event: Option<Event>,
    pub service_providers: Option<BTreeMap<String, Provider>>,
    pub scheduled: Option<bool>,
    pub job: Option<Map<String, Value>>,
    pub position: Option<i32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blob {
    pub blob_key: Option<String>,
    pub available: Option<bool>,
    pub blob_url: Option<String>,
    pub blob_url_expiration_date: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    pub job_id: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub date_time: Option<String>,
    pub provider: Option<String>,
    pub worker_id: Option<String>,
    pub context: Option<Map<String, Value>>,
    pub claim_duration: Option<String>,
    pub job_duration: Option<String>,
    pub retry_attempt: Option<i32>,
    pub cost: Option<f64>,
    pub job_properties: Option<Map<String, Value>>,
    pub job_type: Option<String>,
    pub job_priority: Option<i32>,
    pub claim_has_completed: Option<bool>,
    pub job_has_completed: Option<bool>,
    pub service_provider: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    pub support: Option<String>,
    pub queue_position: Option<Queue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    pub preceding_jobs: Option<i32>,
    pub preceding_cost: Option<f64>,
    pub throughput_rate: Option<f64>,
    pub worker_id: Option<String>,
    pub estimated_start_duration: Option<String>,
    pub estimated_start_date: Option<String>,
}

/// A page of `jobs` jobs, half of them finished, as the service writes it.
pub fn page(jobs: usize) -> Vec<u8> {
    let all: Vec<String> = (0..jobs).map(|n| if n % 2 == 0 { finished(n) } else { queued(n) }).collect();
    format!("{{\"token\":\"eyJKb2JzIjpbXX0=\",\"jobs\":[{}]}}", all.join(",")).into_bytes()
}

/// The id of the `n`-th job; its last twelve characters are the number.
pub fn id(n: usize) -> String {
    format!("fa9423b1-9d81-48df-bb77-{n:012}")
}

/// A job that made its picture.
pub fn finished(n: usize) -> String {
    let id = id(n);
    format!(
        r#"{{"jobId":"{id}","cost":2.0,"properties":{{"userId":4}},"result":[{{"blobKey":"D4A2F1AA82E6639148D0C889C510C2C8A4F5C2E0D267191FDAA5D80957FCA18B","available":true,"blobUrl":"https://blobs.example.net/D4A2?sig=abcdef&exp=1717876561","blobUrlExpirationDate":"2024-06-08T19:56:01.8499363Z"}}],"lastEvent":{{"jobId":"{id}","type":"Succeeded","dateTime":"2024-06-08T18:55:58.1234567Z","provider":"Civitai","workerId":"Civitai-543","context":{{"seed":1234567}},"claimDuration":"00:00:02.7742373","jobDuration":"00:00:03.3546774","retryAttempt":0,"cost":2.0,"jobProperties":{{"userId":4}},"jobType":"TextToImage","jobPriority":5,"claimHasCompleted":true,"jobHasCompleted":true}},"serviceProviders":{{}},"scheduled":false}}"#
    )
}

/// A job in the queue.
pub fn queued(n: usize) -> String {
    let id = id(n);
    format!(
        r#"{{"jobId":"{id}","cost":2.0,"properties":{{"userId":4}},"result":[{{"blobKey":"1E7427E0CD13EC240389EFB9A9C25EB29DC3B4AB74A973F132D6A6DB076C8B21","available":false}}],"lastEvent":{{"jobId":"{id}","type":"Initialized","dateTime":"2024-06-08T18:55:50.1234567Z","provider":"Civitai","workerId":null,"context":null,"claimDuration":null,"jobDuration":null,"retryAttempt":0,"cost":2.0,"jobProperties":{{"userId":4}},"jobType":"TextToImage","jobPriority":5,"claimHasCompleted":false,"jobHasCompleted":false}},"serviceProviders":{{"Civitai":{{"support":"Available","queuePosition":{{"precedingJobs":3,"precedingCost":6.0,"throughputRate":1.5,"workerId":null,"estimatedStartDuration":"00:00:12","estimatedStartDate":"2024-06-08T18:56:10Z"}}}}}},"scheduled":true}}"#
    )
}

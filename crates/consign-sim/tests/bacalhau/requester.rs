//! The requester API: signed envelopes, states, lists, histories, logs.
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use consign_sim::Requester;
use consign_sim::bacalhau::Plan;
use futures_util::{SinkExt as _, StreamExt as _};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::common::{Answer, module, pass, try_send};
use crate::logs::socket;

/// Somebody with a key.
struct Client {
    key: RsaKeyPair,
    id: String,
    public: String,
}

fn client(pem: &str) -> Client {
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let key = RsaKeyPair::from_der(&BASE64.decode(der).unwrap()).unwrap();
    let modulus = PublicKeyComponents::<Vec<u8>>::from(key.public()).n;
    let id = digest(&SHA256, &modulus).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let public = BASE64.encode(key.public_key());
    Client { key, id, public }
}

fn alice() -> Client {
    client(include_str!("key-a.pem"))
}

impl Client {
    fn signature(&self, text: &str) -> String {
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        BASE64.encode(signature)
    }

    /// A signed envelope, its payload under this name.
    fn envelope(&self, member: &str, payload: &str) -> String {
        let signature = self.signature(payload);
        format!("{{\"{member}\": {payload} ,\"signature\":\"{signature}\",\"client_public_key\":\"{}\"}}", self.public)
    }

    async fn try_submit(&self, sim: &Requester, spec: Value) -> Answer {
        let payload = json!({"ClientID": self.id, "APIVersion": "V1beta1", "Spec": spec}).to_string();
        post(sim, "submit", self.envelope("job_create_payload", &payload)).await
    }

    async fn submit(&self, sim: &Requester, spec: Value) -> String {
        let answer = self.try_submit(sim, spec).await;
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        answer.ok()["job"]["Metadata"]["ID"].as_str().unwrap().to_owned()
    }

    async fn cancel(&self, sim: &Requester, id: &str) -> Answer {
        let payload = format!("{{\"ClientID\":\"{}\",  \"JobID\":\"{id}\",\"Reason\":\"no longer needed\"}}", self.id);
        post(sim, "cancel", self.envelope("payload", &payload)).await
    }
}

async fn post(sim: &Requester, what: &str, body: String) -> Answer {
    try_send(sim, &format!("POST /requester/{what}"), &[], body).await.unwrap()
}

async fn read(sim: &Requester, what: &str, id: &str) -> Value {
    post(sim, what, json!({"client_id": "x", "job_id": id}).to_string()).await.ok()
}

fn wasm(name: &str) -> Value {
    json!({
        "Engine": "wasm", "Verifier": "Noop", "Publisher": "Ipfs", "Deal": {"Concurrency": 1},
        "Wasm": {"EntryModule": {"StorageSource": "Inline", "URL": module(name)}, "EntryPoint": "_start"},
    })
}

fn docker(annotations: &[&str]) -> Value {
    json!({
        "Engine": "Docker", "Verifier": "Noop", "Publisher": "Noop", "Deal": {"Concurrency": 1},
        "Docker": {"Image": "ubuntu", "Entrypoint": ["echo", "hi"]}, "Annotations": annotations,
    })
}

#[tokio::test(start_paused = true)]
async fn a_signed_job_runs_and_is_told_as_the_server_tells_it() {
    let sim = Requester::builder().seed(7).build();
    let me = alice();
    let made = me.try_submit(&sim, wasm("hello")).await;
    let job = made.ok()["job"].clone();
    let id = job["Metadata"]["ID"].as_str().unwrap().to_owned();
    assert_eq!((made.header("x-bacalhau-job-id"), made.header("x-bacalhau-client-id")), (id.as_str(), me.id.as_str()));
    assert_eq!(
        (&job["Spec"]["Engine"], &job["Spec"]["Timeout"], &job["Spec"]["Docker"]),
        (&json!("Wasm"), &json!(1800), &json!({}))
    );
    assert_eq!(read(&sim, "states", &id).await["state"]["Executions"], json!(null));
    assert_eq!(read(&sim, "results", &id).await, json!({"results": []}));
    pass(1.0).await;
    let state = read(&sim, "states", &id).await["state"].clone();
    assert_eq!((&state["State"], &state["Version"]), (&json!("Completed"), &json!(5)));
    let execution = &state["Executions"][0];
    assert_eq!((&execution["State"], &execution["Version"]), (&json!("Completed"), &json!(6)));
    assert_eq!(
        (&execution["RunOutput"]["stdout"], &execution["VerificationResult"]),
        (&json!("hello from wasm\n"), &json!({"Complete": true, "Result": true}))
    );
    assert!(execution["CreateTime"].as_str() > execution["UpdateTime"].as_str(), "the wrong way round: {execution}");
    let result = read(&sim, "results", &id).await["results"][0].clone();
    assert_eq!(result["Data"]["Name"], format!("job-{id}-host-{}", result["NodeID"].as_str().unwrap()));
    let events = read(&sim, "events", &id).await["events"].as_array().unwrap().clone();
    assert_eq!((&events[0]["JobState"], &events[0]["Comment"]), (&json!({}), &json!("Job created")));
    let words: Vec<&str> = events
        .iter()
        .map(|event| {
            let change = if event["Type"] == "JobLevel" { &event["JobState"] } else { &event["ExecutionState"] };
            change["New"].as_str().unwrap_or("New")
        })
        .collect();
    assert_eq!(
        words,
        [
            "New",
            "Queued",
            "New",
            "InProgress",
            "AskForBid",
            "AskForBidAccepted",
            "BidAccepted",
            "WaitingVerification",
            "ResultAccepted",
            "Completed",
            "Completed"
        ]
    );
    assert_eq!((sim.ledger().submissions(), sim.jobs()[0].submitted), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn signatures_are_verified_over_the_text_as_it_came() {
    let sim = Requester::new();
    let me = alice();
    let payload = json!({"ClientID": me.id, "APIVersion": "V1beta1", "Spec": wasm("hello")}).to_string();
    let good = me.envelope("job_create_payload", &payload);
    let message = async |body: String| post(&sim, "submit", body).await.refusal();
    let changed = message(good.replace("V1beta1", "V1beta2")).await;
    assert_eq!(
        changed,
        (
            400,
            "error-unknown-server-error".to_owned(),
            "client's signature is invalid: crypto/rsa: verification error".to_owned()
        )
    );
    let broken = message(good.replace("\"signature\":\"", "\"signature\":\"!")).await;
    assert!(broken.2.contains("failed to decode signature: illegal base64 data at input byte 0"), "{broken:?}");
    let other = payload.replace(&me.id, &"0".repeat(64));
    assert_eq!(
        message(me.envelope("job_create_payload", &other)).await.2,
        "client's public key does not match client ID"
    );
    let nobody = payload.replace(&me.id, "");
    assert_eq!(
        message(me.envelope("job_create_payload", &nobody)).await.2,
        "job create payload must contain a client ID"
    );
    assert!(message(me.envelope("job_create_payload", "[1, 2]")).await.2.starts_with("json: cannot unmarshal array"));
    assert_eq!(sim.ledger().submissions(), 0);
    assert_eq!(post(&sim, "submit", good).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_envelope_of_another_version_closes_the_connection() {
    let me = alice();
    let payload = json!({"ClientID": me.id, "APIVersion": "V1beta1", "Spec": wasm("hello")}).to_string();
    for (version, taken) in [
        ("0.3.24", "job_create_payload"),
        ("0.3.25", "job_create_payload"),
        ("0.3.26", "payload"),
        ("0.3.29", "payload"),
    ] {
        let sim = Requester::builder().version(version).build();
        for member in ["job_create_payload", "payload", "data"] {
            let sent = try_send(&sim, "POST /requester/submit", &[], me.envelope(member, &payload)).await;
            assert_eq!(sent.is_ok(), member == taken, "{version} {member}");
            if let Err(broken) = sent {
                assert!(!broken.request_was_processed && broken.received.is_none());
            }
        }
        assert_eq!(sim.ledger().submissions(), 1);
        assert_eq!(sim.ledger().of("submit").iter().filter(|entry| entry.accepted).count(), 1);
    }
    let sim = Requester::new();
    let without = json!({"ClientID": me.id, "APIVersion": "V1beta1"}).to_string();
    let sent = try_send(&sim, "POST /requester/submit", &[], me.envelope("job_create_payload", &without)).await;
    assert!(sent.is_err(), "a missing specification crashes the handler");
}

#[tokio::test(start_paused = true)]
async fn only_the_owner_cancels_and_only_once() {
    let sim = Requester::new();
    let me = alice();
    let id = me.submit(&sim, wasm("spin")).await;
    pass(1.0).await;
    let other = client(include_str!("key-b.pem")).cancel(&sim, &id).await;
    assert!(other.status == 403 && other.refusal().2.starts_with("mismatched client id"), "{other:?}");
    let state = me.cancel(&sim, &id).await.ok()["state"].clone();
    assert_eq!((&state["State"], &state["Executions"][0]["State"]), (&json!("Cancelled"), &json!("Cancelled")));
    assert_eq!(state["Executions"][0]["Status"], "no longer needed");
    assert!(state["Executions"][0].get("RunOutput").is_none());
    let again = me.cancel(&sim, &id).await;
    assert_eq!((again.status, again.text()), (500, format!("job {id} is already in a terminal state\n").as_str()));
    let short = me.cancel(&sim, &id[..8]).await;
    assert_eq!((short.status, short.text()), (500, format!("job not found: {}\n", &id[..8]).as_str()));
    let unknown = me.cancel(&sim, "00000000-0000-4000-8000-000000000000").await;
    assert_eq!((unknown.status, &unknown.json()["Code"]), (400, &json!("error-job-not-found")));
    let events = read(&sim, "events", &id).await["events"].as_array().unwrap().clone();
    let job = events.iter().rev().find(|event| event["Type"] == "JobLevel").unwrap();
    assert_eq!(job["Comment"], "no longer needed");
}

#[tokio::test(start_paused = true)]
async fn failures_have_their_reason_in_the_execution() {
    let sim = Requester::builder().engines(&["Wasm"]).build();
    let me = alice();
    let trap = me.submit(&sim, wasm("trap")).await;
    let mut slow = wasm("spin");
    slow["Timeout"] = json!(2);
    let slow = me.submit(&sim, slow).await;
    let refused = me.submit(&sim, docker(&[])).await;
    let mut judged = wasm("hello");
    judged["Verifier"] = json!("Deterministic");
    let judged = me.submit(&sim, judged).await;
    pass(10.0).await;
    for (id, count, state, why) in [
        (&trap, 2, "Failed", "wasm error: unreachable\nwasm stack trace:\n\t._start()"),
        (&slow, 2, "Failed", "execution timed out after 2s"),
        (&refused, 1, "AskForBidRejected", "Docker installed: false"),
    ] {
        let told = read(&sim, "states", id).await["state"].clone();
        assert_eq!((&told["State"], told["Executions"].as_array().unwrap().len()), (&json!("Error"), count));
        let last = &told["Executions"][count - 1];
        assert_eq!((&last["State"], &last["Status"]), (&json!(state), &json!(why)));
    }
    let told = read(&sim, "states", &judged).await["state"].clone();
    assert_eq!((&told["State"], &told["Executions"][0]["State"]), (&json!("Error"), &json!("ResultRejected")));
    let mut two = wasm("hello");
    two["Deal"]["Concurrency"] = json!(2);
    let none = me.try_submit(&sim, two).await;
    assert_eq!((none.status, none.text()), (500, "not enough nodes to run job. requested: 2, available: 1\n"));
    let id = none.header("x-bacalhau-job-id").to_owned();
    assert_eq!(sim.job(&id).unwrap().state, "Error");
    assert_eq!(read(&sim, "states", &id).await["state"]["Executions"], json!(null));
}

#[tokio::test(start_paused = true)]
async fn specifications_are_checked_in_the_order_of_the_server() {
    let sim = Requester::new();
    let me = alice();
    let with = |name: &str, value: Value| {
        let mut spec = wasm("hello");
        spec[name] = value;
        spec
    };
    for (spec, why) in [
        (json!({}), "job spec is empty"),
        (with("Deal", json!({})), "job deal is empty"),
        (
            with("Deal", json!({"Concurrency": 1, "Confidence": 2})),
            "the deal confidence cannot be higher than the concurrency",
        ),
        (with("Engine", json!("Nope")), "executor: unknown engine type 'Nope'"),
        (with("Engine", json!(null)), "invalid executor type: engineUnknown"),
        (with("Publisher", json!("x")), "verifier: unknown type 'x'"),
        (with("inputs", json!([{"path": "/a"}])), "invalid input volume type: storageSourceUnknown"),
        (with("Annotations", json!(["sim.nope=1"])), "label sim.nope is not one that the simulator knows"),
    ] {
        let answer = me.try_submit(&sim, spec).await;
        assert_eq!(answer.refusal(), (400, "error-unknown-server-error".to_owned(), why.to_owned()));
        assert_eq!(
            (answer.header("content-type"), answer.json()["Code"].clone()),
            ("text/plain; charset=utf-8", json!("error-unknown-server-error"))
        );
    }
    let number = me.try_submit(&sim, with("Engine", json!(2))).await.refusal();
    assert!(number.2.starts_with("json: cannot unmarshal number"), "{number:?}");
    let body = me.envelope("job_create_payload", "{}");
    let header = try_send(&sim, "POST /requester/submit", &[("x-bacalhau-job-id", "x")], body).await.unwrap();
    assert_eq!(header.refusal().2, "rejecting job because HTTP header X-Bacalhau-Job-ID was set");
}

#[tokio::test(start_paused = true)]
async fn a_list_is_cut_before_it_is_sorted() {
    let sim = Requester::new();
    let me = alice();
    let mut made = Vec::new();
    for number in 0..8 {
        made.push(me.submit(&sim, docker(&["demo", if number % 2 == 0 { "even" } else { "odd" }])).await);
        pass(1.0).await;
    }
    let list = async |body: Value| {
        let jobs = post(&sim, "list", body.to_string()).await.ok()["jobs"].as_array().unwrap().clone();
        jobs.iter().map(|job| job["Job"]["Metadata"]["ID"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list(json!({"sort_by": "created_at"})).await, made);
    let mut reversed = made.clone();
    reversed.reverse();
    assert_eq!(list(json!({"sort_by": "created_at", "sort_reverse": true, "max_jobs": 0})).await, reversed);
    let mut cuts = Vec::new();
    for _ in 0..6 {
        cuts.push(list(json!({"sort_by": "created_at", "max_jobs": 2})).await);
    }
    assert!(cuts.iter().all(|cut| cut.len() == 2) && cuts.iter().any(|cut| *cut != made[..2]), "{cuts:?}");
    assert_eq!(list(json!({"include_tags": ["odd"]})).await.len(), 4);
    assert_eq!(list(json!({"exclude_tags": ["odd"]})).await.len(), 4);
    assert_eq!(list(json!({"client_id": "nobody"})).await.len(), 0);
    assert_eq!(list(json!({"client_id": "nobody", "return_all": true})).await.len(), 8);
    assert_eq!(list(json!({"id": made[3][..8], "client_id": "nobody"})).await, [made[3].clone()]);
    let missing = post(&sim, "list", json!({"id": "00000000"}).to_string()).await;
    assert_eq!((missing.status, missing.refusal().2.as_str()), (400, "Job not found. ID: 00000000"));
}

#[tokio::test(start_paused = true)]
async fn reads_of_unknown_jobs_are_plain_text() {
    let sim = Requester::new();
    let body = json!({"job_id": "none"}).to_string();
    for (what, text) in [
        ("states", "Job not found. ID: none\n"),
        ("results", "Job not found. ID: none\n"),
        ("events", "job not found: none\n"),
    ] {
        let answer = post(&sim, what, body.clone()).await;
        assert_eq!((answer.status, answer.text()), (500, text));
    }
    let empty = post(&sim, "states", String::new()).await;
    assert_eq!((empty.status, empty.text()), (400, "EOF\n"));
    let version = try_send(&sim, "POST /version", &[], "{}").await.unwrap().ok();
    assert_eq!(version["build_version_info"]["gitversion"], "v0.3.25");
    assert_eq!(try_send(&sim, "GET /livez", &[], "").await.unwrap().text(), "OK");
    assert_eq!(try_send(&sim, "GET /requester/debug", &[], "").await.unwrap().status, 404);
}

#[tokio::test(start_paused = true)]
async fn older_servers_have_shards_or_nodes() {
    let me = alice();
    let state = async |version: &str| {
        let sim = Requester::builder().version(version).build();
        let id = me.submit(&sim, docker(&["sim.seconds=1"])).await;
        pass(0.5).await;
        read(&sim, "states", &id).await["state"].clone()
    };
    let shards = state("0.3.22").await;
    assert_eq!(shards["Shards"]["0"]["Executions"][0]["State"], "BidAccepted");
    let nodes = state("0.3.18").await;
    let (_, node) = nodes["Nodes"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(node["Shards"]["0"]["State"], "Running");
}

#[tokio::test(start_paused = true)]
async fn output_and_histories_come_over_sockets() {
    let sim =
        Requester::builder().version("0.3.26").script(|_, _| Plan::default().seconds(3.0).stdout("a\nb\n")).build();
    let me = alice();
    let payload = json!({"ClientID": me.id, "APIVersion": "V1beta1", "Spec": docker(&[])}).to_string();
    let id = post(&sim, "submit", me.envelope("payload", &payload)).await.ok()["job"]["Metadata"]["ID"]
        .as_str()
        .unwrap()
        .to_owned();
    pass(1.5).await;
    let execution = read(&sim, "states", &id).await["state"]["Executions"][0]["ComputeReference"].clone();
    let wanted = json!({"ClientID": me.id, "JobID": id, "ExecutionID": execution, "WithHistory": true, "Follow": true})
        .to_string();
    let mut logs = socket(&sim, "/requester/logs").await;
    logs.send(Message::text(me.envelope("payload", &wanted))).await.unwrap();
    let mut told = Vec::new();
    while let Some(Ok(Message::Text(text))) = logs.next().await {
        told.push(serde_json::from_str::<Value>(text.as_str()).unwrap());
    }
    assert_eq!(told, [json!({"Tag": 1, "Data": "a\n"}), json!({"Tag": 1, "Data": "b\n"})]);
    let mut events = socket(&sim, &format!("/requester/websocket/events?job_id={id}")).await;
    let first = events.next().await.unwrap().unwrap().into_text().unwrap();
    assert!(first.as_str().contains("Job created"), "{first}");
    let mut refused = socket(&sim, "/requester/logs").await;
    refused.send(Message::text("{}")).await.unwrap();
    let close = refused.next().await;
    assert!(!matches!(close, Some(Ok(Message::Text(_)))), "{close:?}");
}

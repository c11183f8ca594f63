//! Each operation of Bacalhau's requester client against a mock server: what is sent, what is decoded, and every form
//! of error.
use consign_bacalhau::requester::{
    CancelEnvelope, CancelOptions, Client, DebugOptions, Event, EventsOptions, HealthzOptions, IdOptions, ListOptions,
    ListedJob, LivezOptions, LogzOptions, NodeInfoOptions, PayloadMember, PeersOptions, ReadyzOptions, ResultsOptions,
    StatesOptions, SubmitEnvelope, SubmitOptions, VarzOptions, error_body, types,
};
use consign_bacalhau::{Delivery, Error, ErrorKind, Identity, Retry, ServerVersion, set_time};
use httpmock::Method::{GET, POST};
use httpmock::{Mock, MockServer, Then, When};
use serde_json::{Value, json};

const ID: &str = "9304c616-291f-41ad-b862-54e133c0149e";

fn client(server: &MockServer) -> Client {
    Client::new(&server.base_url()).unwrap()
}

fn identity() -> Identity {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/bacalhau-signing.json");
    let recorded: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    Identity::from_pem(recorded["keys"][0]["private_key_pem_pkcs8"].as_str().unwrap()).unwrap()
}

fn payload(identity: &Identity) -> types::JobCreatePayload {
    let docker =
        types::JobSpecDocker::new().image("ubuntu").entrypoint(vec!["echo".to_owned(), "é <b> & \"".to_owned()]);
    let output = types::StorageSpec::new().storage_source("IPFS").name("outputs").path("/outputs");
    let spec = types::Spec::new()
        .engine(types::Engine::Docker)
        .verifier(types::Verifier::Noop)
        .publisher(types::Publisher::Ipfs)
        .docker(docker)
        .timeout(0.5)
        .outputs(vec![output])
        .deal(types::Deal::new().concurrency(1));
    types::JobCreatePayload::new(identity.client_id(), "V1beta1", spec)
}

fn envelope(member: PayloadMember) -> SubmitEnvelope {
    let identity = identity();
    SubmitEnvelope::sign(&identity, &payload(&identity), member).unwrap()
}

/// A mock of a POST, whose answers are JSON under the media type of text.
fn post<'a>(server: &'a MockServer, path: &str, body: Value, answer: Value) -> Mock<'a> {
    server.mock(|when: When, then: Then| {
        when.method(POST).path(path).header("content-type", "application/json").json_body(body);
        then.status(200).header("content-type", "text/plain; charset=utf-8").body(format!("{answer}\n"));
    })
}

#[tokio::test]
async fn the_bytes_that_were_signed_arrive_under_the_name_of_the_version() {
    for (version, name) in [("v0.3.25", "job_create_payload"), ("v0.3.26", "payload"), ("v1.3.2", "payload")] {
        let server = MockServer::start_async().await;
        let envelope = envelope(PayloadMember::for_submit(ServerVersion::read(version)));
        let whole = format!(
            r#"{{"{name}":{},"signature":"{}","client_public_key":"{}"}}"#,
            envelope.payload_text(),
            envelope.signature(),
            identity().public_key()
        );
        let submit = server.mock(|when, then| {
            when.method(POST).path("/requester/submit").body(whole);
            let job = json!({"Metadata": {"ID": ID, "Requester": {}}, "Spec": {"Engine": "Docker", "Timeout": 1800}});
            then.status(200).header("content-type", "text/plain").body(json!({"job": job}).to_string());
        });
        let reply = client(&server).submit(&envelope, SubmitOptions::default()).await.unwrap();
        submit.assert();
        let job = reply.into_value().job.unwrap();
        assert_eq!(job.metadata.unwrap().id.as_deref(), Some(ID));
        assert!(envelope.is_genuine());
    }
}

#[tokio::test]
async fn a_job_is_cancelled_with_a_signed_request() {
    let server = MockServer::start_async().await;
    let identity = identity();
    let payload = types::JobCancelPayload::new(identity.client_id(), ID).reason("no longer needed");
    let envelope = CancelEnvelope::sign(&identity, &payload, PayloadMember::for_cancel(None)).unwrap();
    assert!(envelope.signature().starts_with("Ld/Rk1EXJ7wLVPK/eD0TnuBvYwoJSjfZ"));
    let body = json!({
        "payload": {"ClientID": identity.client_id(), "JobID": ID, "Reason": "no longer needed"},
        "signature": envelope.signature(), "client_public_key": identity.public_key().as_str()
    });
    let cancel = post(&server, "/requester/cancel", body, json!({"state": {"JobID": ID, "State": "cancelled"}}));
    let reply = client(&server).cancel(&envelope, CancelOptions::default()).await.unwrap();
    cancel.assert();
    assert_eq!(reply.into_value().state.unwrap().state, Some(types::JobStateType::Cancelled));
}

#[tokio::test]
async fn lists_are_read_in_both_forms() {
    let server = MockServer::start_async().await;
    let body = json!({
        "client_id": "c", "include_tags": ["a"], "exclude_tags": [], "max_jobs": 5, "return_all": false,
        "sort_by": "created_at", "sort_reverse": true
    });
    let answer = json!({"jobs": [
        {"Job": {"Metadata": {"ID": ID}}, "State": {"JobID": ID, "Executions": null, "State": "Queued"}},
        {"Metadata": {"ID": ID}, "Status": {"JobState": {"Nodes": {"n": {"Shards": {"0": {"State": "Bidding"}}}}}}}
    ], "next": "unknown here"});
    let list = post(&server, "/requester/list", body, answer);
    let request = types::ListRequest::new()
        .client_id("c")
        .include_tags(vec!["a".to_owned()])
        .exclude_tags(vec![])
        .max_jobs(5)
        .return_all(false)
        .sort_by("created_at")
        .sort_reverse(true);
    let jobs = client(&server).list(&request, ListOptions::default()).await.unwrap().into_value().jobs.unwrap();
    list.assert();
    assert!(matches!(jobs[..], [ListedJob::Info(_), ListedJob::Bare(_)]));
    assert_eq!(jobs[0].state().unwrap().state, Some(types::JobStateType::Queued));
    let nodes = jobs[1].state().unwrap().nodes.as_ref().unwrap();
    assert_eq!(nodes["n"].shards.as_ref().unwrap()["0"].state, Some(types::ShardStateType::Bidding));
    for job in &jobs {
        assert_eq!(job.job().unwrap().metadata.as_ref().unwrap().id.as_deref(), Some(ID));
    }
}

#[tokio::test]
async fn states_are_read_as_executions_shards_and_nodes() {
    let execution = json!({
        "JobID": ID, "NodeId": "n", "ComputeReference": "", "State": "WaitingVerification", "VerificationResult": {},
        "PublishedResults": {"CID": "Qm"}, "RunOutput": {"stdout": "hi\n", "exitCode": -1}, "Version": 6,
        "CreateTime": "2023-03-22T10:00:02.123456789Z"
    });
    let shapes = [
        json!({"JobID": ID, "Executions": [execution], "State": "InProgress", "TimeoutAt": "0001-01-01T00:00:00Z"}),
        json!({"JobID": ID, "Shards": {"0": {"Executions": [execution], "State": "InProgress"}}, "State": "InProgress"}),
        json!({"Nodes": {"n": {"Shards": {"0": {"NodeId": "n", "State": "Verifying"}}}}}),
        json!({}),
    ];
    for shape in shapes {
        let server = MockServer::start_async().await;
        let body = json!({"client_id": "", "job_id": ID});
        let states = post(&server, "/requester/states", body, json!({"state": shape}));
        let request = types::StateRequest::new().client_id("").job_id(ID);
        let state =
            client(&server).states(&request, StatesOptions::default()).await.unwrap().into_value().state.unwrap();
        states.assert();
        assert_eq!(serde_json::to_value(&state).unwrap(), shape);
        let shards = state.shards.iter().flatten().flat_map(|(_, shard)| shard.executions.iter().flatten());
        for found in state.executions.iter().flatten().chain(shards) {
            let state = found.state.as_ref().unwrap();
            assert!(*state == types::ExecutionStateType::WaitingVerification && !state.is_terminal());
        }
        assert_eq!(state.timeout_at.as_ref().and_then(set_time), None);
    }
}

#[tokio::test]
async fn results_and_events_are_read_in_every_form() {
    let server = MockServer::start_async().await;
    let body = json!({"job_id": ID});
    let data = json!({"StorageSource": "Torrent", "Name": "y", "CID": "Qm", "Metadata": {"k": "v"}});
    let results = post(&server, "/requester/results", body, json!({"results": [{"NodeID": "n", "Data": data}]}));
    let request = types::StateRequest::new().job_id(ID);
    let found = client(&server).results(&request, ResultsOptions::default()).await.unwrap().into_value().results;
    results.assert();
    let data = found.unwrap().remove(0).data.unwrap();
    assert_eq!(data.storage_source, Some(types::StorageSource::Unknown("Torrent".to_owned())));

    let filters = json!({"since": 1675000000, "exclude_execution_level": true});
    let body = json!({"client_id": "c", "job_id": ID, "filters": filters});
    let answer = json!({"events": [
        {"Type": "JobLevel", "JobID": ID, "JobState": {"Previous": "Queued"}, "NewVersion": 3},
        {"Type": "ExecutionLevel", "JobID": ID, "ExecutionState": {"New": "AskForBid"}, "NewVersion": 1},
        {"EventName": "ResultsProposed", "JobID": ID, "Status": "s", "RunOutput": {"exitCode": 0}}
    ]});
    let events = post(&server, "/requester/events", body, answer.clone());
    let filters = types::EventFilters::new().since(1_675_000_000).exclude_execution_level(true);
    let request = types::EventsRequest::new().client_id("c").job_id(ID).filters(filters);
    let reply = client(&server).events(&request, EventsOptions::default()).await.unwrap();
    events.assert();
    assert_eq!(serde_json::to_value(&reply.value).unwrap(), answer);
    let found = reply.into_value().events.unwrap();
    assert!(matches!(found[..], [Event::Change(_), Event::Change(_), Event::Named(_)]));
}

#[tokio::test]
async fn the_node_tells_of_itself() {
    let server = MockServer::start_async().await;
    let version = json!({"build_version_info": {"major": "0", "gitversion": "v0.3.25"}});
    let asked = post(&server, "/version", json!({"client_id": ""}), version);
    let mut mocks = vec![asked];
    for (path, answer) in [
        ("/livez", "OK"),
        ("/readyz", "READY"),
        ("/id", "QmNode"),
        ("/logz", "a\nb\n"),
        (
            "/node_info",
            r#"{"NodeType":1,"PeerInfo":{"ID":"Qm","Addrs":[]},"ComputeNodeInfo":{"ExecutionEngines":["wasm"]}}"#,
        ),
        ("/peers", r#"[{"ID":"Qm","Addrs":["/ip4/127.0.0.1"]}]"#),
        ("/healthz", r#"{"FreeSpace":{"root":{"All":100,"Free":50}}}"#),
        ("/varz", r#"{"any":"thing"}"#),
        ("/requester/debug", r#"[1]"#),
    ] {
        mocks.push(server.mock(|when, then| {
            when.method(GET).path(path);
            then.status(200).header("content-type", "text/plain").body(answer);
        }));
    }
    let client = client(&server);
    assert_eq!(client.server_version().await.unwrap(), Some(ServerVersion::new(0, 3, 25)));
    assert_eq!(&client.livez(LivezOptions::default()).await.unwrap()[..], b"OK");
    assert_eq!(&client.readyz(ReadyzOptions::default()).await.unwrap()[..], b"READY");
    assert_eq!(&client.id(IdOptions::default()).await.unwrap()[..], b"QmNode");
    assert_eq!(&client.logz(LogzOptions::default()).await.unwrap()[..], b"a\nb\n");
    let node = client.node_info(NodeInfoOptions::default()).await.unwrap().into_value();
    assert_eq!(node.compute_node_info.unwrap().execution_engines.unwrap(), [types::Engine::Wasm]);
    assert_eq!(client.peers(PeersOptions::default()).await.unwrap()[0].id.as_deref(), Some("Qm"));
    let health = client.healthz(HealthzOptions::default()).await.unwrap().into_value();
    assert_eq!(health.free_space.unwrap().root.unwrap().free, Some(50));
    assert_eq!(client.varz(VarzOptions::default()).await.unwrap()["any"], "thing");
    assert_eq!(client.debug(DebugOptions::default()).await.unwrap()[0], 1);
    mocks.iter().for_each(|mock| assert_eq!(mock.calls(), 1));
}

async fn answered(status: u16, body: &str) -> Error {
    let server = MockServer::start_async().await;
    server.mock(|_, then| {
        then.status(status)
            .header("content-type", "text/plain; charset=utf-8")
            .header("x-bacalhau-job-id", ID)
            .body(body);
    });
    let envelope = envelope(PayloadMember::JobCreatePayload);
    client(&server).submit(&envelope, SubmitOptions::default()).await.unwrap_err()
}

#[tokio::test]
async fn every_form_of_error_gives_kind_delivery_and_words() {
    let form = |code: &str, message: &str| {
        json!({"Code": code, "Message": message, "Details": {"id": ID}, "Err": message}).to_string() + "\n"
    };
    let cases = [
        (400, form("error-unknown-server-error", "concurrency"), ErrorKind::InvalidRequest, Delivery::Rejected),
        (400, form("error-job-not-found", "Job not found"), ErrorKind::NotFound, Delivery::Rejected),
        (400, "EOF\n".to_owned(), ErrorKind::InvalidRequest, Delivery::Rejected),
        (403, form("error-unknown-server-error", "mismatched"), ErrorKind::Forbidden, Delivery::Rejected),
        (404, "404 page not found\n".to_owned(), ErrorKind::Unsupported, Delivery::Rejected),
        (410, "\"gone for good\"\n".to_owned(), ErrorKind::Unsupported, Delivery::Rejected),
        (429, "You have reached maximum request limit.".to_owned(), ErrorKind::RateLimited, Delivery::Rejected),
        (500, "Job not found. ID: x\n".to_owned(), ErrorKind::NotFound, Delivery::Rejected),
        (500, "job x is already in a terminal state\n".to_owned(), ErrorKind::Conflict, Delivery::Rejected),
        (500, "anything\n".to_owned(), ErrorKind::Server, Delivery::Unknown),
        (503, "Server Timeout!".to_owned(), ErrorKind::Gateway, Delivery::Unknown),
        (502, "<html>x</html>".to_owned(), ErrorKind::Gateway, Delivery::Unknown),
    ];
    for (status, body, kind, delivery) in cases {
        let error = answered(status, &body).await;
        assert_eq!((error.kind(), error.delivery()), (kind, delivery), "{status} {body}");
        assert_eq!((error.status(), error.operation(), error.body()), (Some(status), Some("submit"), body.as_str()));
    }
    let error = answered(400, &form("error-job-not-found", "Job not found")).await;
    assert_eq!(error_body(&error).unwrap().details.unwrap()["id"], ID);
}

#[tokio::test]
async fn a_job_for_which_no_node_fits_exists_and_its_id_is_in_the_headers() {
    let error = answered(500, "not enough nodes to run job. requested: 1, available: 0\n").await;
    assert_eq!(
        (error.kind(), error.delivery(), error.retry()),
        (ErrorKind::JobFailed, Delivery::Unknown, Retry::Never)
    );
    assert_eq!(error.headers()["x-bacalhau-job-id"], ID);
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_may_have_acted() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut some = [0; 512];
        tokio::io::AsyncReadExt::read(&mut stream, &mut some).await.unwrap();
    });
    let envelope = envelope(PayloadMember::Payload);
    let error = Client::new(&url).unwrap().submit(&envelope, SubmitOptions::default()).await.unwrap_err();
    server.await.unwrap();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Transport, Delivery::Unknown));
}

#[tokio::test]
async fn a_success_that_cannot_be_used_is_an_error_that_may_have_acted() {
    for body in ["", "<!doctype html><p>hello", "{\"job\":", r#"{"job":{"Metadata":{"ID":""}}}"#] {
        let error = answered(200, body).await;
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Decode, Delivery::Unknown), "{body}");
    }
}

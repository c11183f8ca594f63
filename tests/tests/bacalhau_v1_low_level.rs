//! Each operation of Bacalhau's v1 client against a mock server: what is sent, what is decoded, and every form of
//! error.
use consign_bacalhau::v1::{
    AgentConfigOptions, AgentDebugOptions, AgentNodeOptions, AliveOptions, AuthLoginOptions, AuthMethodOptions,
    AuthMethodsOptions, AuthconfigOptions, Client, DiffOptions, ExecutionState, ExecutionsOptions, GetOptions,
    HistoryOptions, ListOptions, NodeGetOptions, NodeListOptions, NodePutOptions, Numbering, PutOptions, RerunOptions,
    ResultsOptions, StopOptions, VersionOptions, VersionsOptions, client_key_proof, error_body, types,
};
use consign_bacalhau::{CallOptions, Delivery, Error, ErrorKind, Identity, Retry, ServerVersion, Token};
use httpmock::Method::{DELETE, GET, POST, PUT};
use httpmock::{Mock, MockServer, Then, When};
use serde_json::{Value, json};

const KEY: &str = "0123456789abcdefghij-key";
const JOBS: &str = "/api/v1/orchestrator/jobs";
const ID: &str = "j-9304c616-291f-41ad-b862-54e133c0149e";

fn client(server: &MockServer) -> Client {
    let builder = Client::builder(&server.base_url()).unwrap().token(Token::new(KEY).unwrap());
    Client::from_http(builder.build().unwrap())
}

/// A mock that wants the key.
fn mock<'a>(server: &'a MockServer, what: impl FnOnce(When, Then)) -> Mock<'a> {
    server.mock(|when, then| what(when.header("authorization", format!("Bearer {KEY}")), then))
}

fn new_job() -> types::NewJob {
    let params = json!({"Image": "ubuntu", "Entrypoint": ["date"]});
    let engine = types::NewSpecConfig::new().type_("docker").params(params.as_object().unwrap().clone());
    let task = types::NewTask::new("main", engine)
        .publisher(types::NewSpecConfig::new().type_("local"))
        .resources(types::NewResources::new().cpu("500m"))
        .network(types::NewNetwork::new().type_(types::NetworkType::None))
        .timeouts(types::NewTimeouts::new().execution_timeout(60));
    let constraint = types::NewConstraint::new().key("gpu").operator(types::Operator::Exists);
    types::NewJob::new(types::JobType::Batch, vec![task]).name("demo").count(1).constraints(vec![constraint])
}

fn new_job_json() -> Value {
    json!({
        "Name": "demo", "Type": "batch", "Count": 1, "Constraints": [{"Key": "gpu", "Operator": "exists"}],
        "Tasks": [{
            "Name": "main", "Engine": {"Type": "docker", "Params": {"Image": "ubuntu", "Entrypoint": ["date"]}},
            "Publisher": {"Type": "local"}, "Resources": {"CPU": "500m"}, "Network": {"Type": "None"},
            "Timeouts": {"ExecutionTimeout": 60}
        }]
    })
}

fn job() -> Value {
    json!({
        "ID": ID, "Name": "demo", "Namespace": "default", "Type": "batch", "Priority": 0, "Count": 1,
        "Constraints": [], "Meta": {"bacalhau.org/requester.id": "n-1"}, "Labels": {},
        "Tasks": [{"Name": "main", "Engine": {"Type": "wasm"}, "Publisher": {"Type": ""}, "Resources": {},
            "Network": {"Type": "Default"}, "Timeouts": {}}],
        "State": {"StateType": "Running", "Message": "m"}, "Version": 1, "Revision": 2,
        "CreateTime": 1795529683310627864_i64, "ModifyTime": 1795529683332867841_i64, "Owner": "unknown here"
    })
}

#[tokio::test]
async fn a_job_is_put_and_the_warnings_are_read() {
    let server = MockServer::start_async().await;
    let put = mock(&server, |when, then| {
        let body = json!({"Job": new_job_json(), "Force": true});
        when.method(PUT).path(JOBS).header("content-type", "application/json").json_body(body);
        then.status(200)
            .header("x-bacalhau-git-version", "v1.9.3")
            .json_body(json!({"JobID": ID, "EvaluationID": "e", "Warnings": ["w"]}));
    });
    let request = types::PutJobRequest::new(new_job()).force(true);
    let reply = client(&server).put(&request, PutOptions::default()).await.unwrap();
    put.assert();
    assert_eq!((reply.job_id.as_deref(), reply.warnings.as_deref()), (Some(ID), Some(&["w".to_owned()][..])));
    assert_eq!(ServerVersion::of(reply.headers()), Some(ServerVersion::new(1, 9, 3)));
}

#[tokio::test]
async fn a_job_is_compared_with_the_stored_one() {
    let server = MockServer::start_async().await;
    let diff = mock(&server, |when, then| {
        when.method(PUT).path(format!("{JOBS}/diff")).json_body(json!({"Job": new_job_json()}));
        then.status(200).json_body(json!({"Diff": "+ a", "Warnings": null}));
    });
    let reply = client(&server).diff(&types::DiffJobRequest::new(new_job()), DiffOptions::default()).await.unwrap();
    diff.assert();
    assert_eq!((reply.diff.as_deref(), reply.warnings.as_ref()), (Some("+ a"), None));
}

#[tokio::test]
async fn jobs_are_listed_with_every_parameter_and_under_both_names() {
    let server = MockServer::start_async().await;
    let list = mock(&server, |when, then| {
        when.method(GET).path(JOBS).is_true(|request| {
            let query = request.uri().query().unwrap_or_default().to_owned();
            query == "namespace=%2A&limit=2&next_token=t&order_by=created_at&reverse=true&labels=env%3Dprod&labels=gpu"
        });
        then.status(200).json_body(json!({"NextToken": "n", "Items": [job()]}));
    });
    let options = ListOptions::default().namespace("*").limit(2).next_token("t").order_by("created_at").reverse(true);
    let options = options.labels(vec!["env=prod".to_owned(), "gpu".to_owned()]);
    let reply = client(&server).list(options).await.unwrap();
    list.assert();
    assert_eq!(reply.next_token.as_deref(), Some("n"));
    let raw: Value = serde_json::from_slice(reply.raw()).unwrap();
    assert_eq!(raw["Items"][0]["Owner"], "unknown here");
    let jobs = reply.into_value().into_jobs();
    assert_eq!(jobs[0].create_time.unwrap().0, 1_795_529_683_310_627_864);
    assert_eq!(jobs[0].state.as_ref().unwrap().state_type, Some(types::JobStateType::Running));

    let server = MockServer::start_async().await;
    let old = mock(&server, |when, then| {
        when.method(GET).path(JOBS).is_true(|request| request.uri().query().is_none());
        then.status(200).json_body(json!({"NextToken": "", "Jobs": [job(), job()]}));
    });
    let reply = client(&server).list(ListOptions::default()).await.unwrap();
    old.assert();
    assert_eq!(reply.into_value().into_jobs().len(), 2);
}

#[tokio::test]
async fn a_job_is_read_by_its_name_in_the_one_spelling_that_finds_it() {
    let server = MockServer::start_async().await;
    let get = mock(&server, |when, then| {
        when.method(GET).is_true(|request| {
            request.uri().to_string().ends_with(
                "/jobs/team:a+b%20%28x%29%21?include=history%2Cexecutions&namespace=n&job_version=2&limit=10",
            )
        });
        then.status(200).json_body(json!({
            "Job": job(), "History": {"NextToken": "", "Items": [{"SeqNum": 1, "Type": "JobLevel"}]},
            "Executions": {"NextToken": "", "Items": null}
        }));
    });
    let options = GetOptions::default().include("history,executions").namespace("n").job_version(2).limit(10);
    let reply = client(&server).get("team:a+b (x)!", options).await.unwrap().into_value();
    get.assert();
    assert_eq!(reply.job.unwrap().id.as_deref(), Some(ID));
    assert_eq!(reply.history.unwrap().into_entries()[0].seq_num, Some(1));
    assert!(reply.executions.unwrap().into_executions().is_empty());

    for bad in ["", ".", ".."] {
        let error = client(&server).get(bad, GetOptions::default()).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidRequest, Delivery::NotSent));
    }
}

#[tokio::test]
async fn a_job_is_stopped_with_the_reason_in_the_body_or_without_one() {
    let server = MockServer::start_async().await;
    let stop = mock(&server, |when, then| {
        when.method(DELETE).path(format!("{JOBS}/{ID}")).json_body(json!({"reason": "no longer needed & done"}));
        then.status(200).json_body(json!({"EvaluationID": "e"}));
    });
    let reason = types::StopJobRequest::new().reason("no longer needed & done");
    let reply = client(&server).stop(ID, Some(&reason), StopOptions::default()).await.unwrap();
    stop.assert();
    assert_eq!(reply.evaluation_id.as_deref(), Some("e"));

    let server = MockServer::start_async().await;
    let bare = mock(&server, |when, then| {
        when.method(DELETE)
            .query_param("namespace", "n")
            .is_true(|request| request.body_ref().is_empty() && request.headers().get("content-type").is_none());
        then.status(200).json_body(json!({"EvaluationID": ""}));
    });
    client(&server).stop(ID, None, StopOptions::default().namespace("n")).await.unwrap();
    bare.assert();
}

#[tokio::test]
async fn history_is_read_as_every_version_writes_it() {
    let server = MockServer::start_async().await;
    let history = mock(&server, |when, then| {
        when.method(GET)
            .path(format!("{JOBS}/{ID}/history"))
            .query_param("since", "1700000000")
            .query_param("event_type", "all")
            .query_param("execution_id", "e-1")
            .query_param("node_id", "")
            .query_param("all_job_versions", "false");
        then.status(200).json_body(json!({"NextToken": "", "History": [
            {"Type": "JobLevel", "JobID": ID, "NodeID": "n", "NewRevision": 2, "Comment": "c",
                "JobState": {"Previous": "Pending", "New": "Running"}, "Time": "2023-11-14T22:13:20.123456789Z"},
            {"Type": "ExecutionLevel", "ExecutionState": {"Previous": 5, "New": 7}}]}));
    });
    let options = HistoryOptions::default().since(1_700_000_000).event_type("all").execution_id("e-1").node_id("");
    let reply = client(&server).history(ID, options.all_job_versions(false)).await.unwrap();
    history.assert();
    let entries = reply.into_value().into_entries();
    assert_eq!(entries[0].time.as_ref().unwrap().as_str(), "2023-11-14T22:13:20.123456789Z");
    assert_eq!(entries[0].job_state.as_ref().unwrap().new, Some(types::JobStateType::Running));
    let change = entries[1].execution_state.as_ref().unwrap();
    assert_eq!(change.new.as_ref().unwrap().state(Numbering::UpTo1_5), ExecutionState::Completed);
}

#[tokio::test]
async fn executions_are_read_with_every_member() {
    let server = MockServer::start_async().await;
    let executions = mock(&server, |when, then| {
        when.method(GET)
            .path(format!("{JOBS}/{ID}/executions"))
            .query_param("order_by", "modify_time")
            .query_param("reverse", "true")
            .query_param("limit", "1");
        then.status(200).json_body(json!({"NextToken": "", "Items": [{
            "ID": "e-1", "JobID": ID, "Job": job(), "JobVersion": 1, "PartitionIndex": 3,
            "AllocatedResources": {"Tasks": {"main": {"CPU": 0.5, "Memory": 512000000, "GPUs": [{"Index": 0}]}}},
            "DesiredState": {"StateType": 2}, "ComputeState": {"StateType": 9, "Details": {"IsError": "true"}},
            "PublishedResult": {"Type": "urlDownload", "Params": {"URL": "http://127.0.0.1/x"}},
            "RunOutput": {"Stdout": "out\n", "StdoutTruncated": false, "stderr": "err\n", "ExitCode": 3},
            "Revision": 6, "CreateTime": 1}, {"ComputeState": {"StateType": 42}, "RunOutput": null}]}));
    });
    let options = ExecutionsOptions::default().limit(1).order_by("modify_time").reverse(true);
    let found = client(&server).executions(ID, options).await.unwrap().into_value().into_executions();
    executions.assert();
    let state = |n: usize| found[n].compute_state.as_ref().unwrap().state_type.as_ref().unwrap();
    assert_eq!(state(0).state(Numbering::Since1_6), ExecutionState::Completed);
    assert_eq!(state(0).state(Numbering::UpTo1_5), ExecutionState::Cancelled);
    assert_eq!(state(1).state(Numbering::Since1_6), ExecutionState::Unknown);
    let output = found[0].run_output.as_ref().unwrap();
    assert_eq!((output.exit_code, output.stderr.as_deref()), (Some(3), Some("err\n")));
    let resources = found[0].allocated_resources.as_ref().unwrap().tasks.as_ref().unwrap();
    assert_eq!((resources["main"].cpu, resources["main"].memory), (Some(0.5), Some(512_000_000)));
}

#[tokio::test]
async fn versions_and_results_are_read_and_a_job_is_run_again() {
    let server = MockServer::start_async().await;
    let versions = mock(&server, |when, then| {
        when.method(GET).path(format!("{JOBS}/{ID}/versions")).query_param("namespace", "n");
        then.status(200).json_body(json!({"NextToken": "", "Items": [job(), job()]}));
    });
    let results = mock(&server, |when, then| {
        when.method(GET).path(format!("{JOBS}/{ID}/results"));
        then.status(200).json_body(json!({"Items": [{"Type": "ipfs", "Params": {"CID": "Qm"}}, {"Type": "torrent"}]}));
    });
    let rerun = mock(&server, |when, then| {
        let body = json!({"JobVersion": 2, "Reason": "again"});
        when.method(PUT).path(format!("{JOBS}/{ID}/rerun")).json_body(body);
        then.status(200).json_body(json!({"JobID": ID, "JobVersion": 4, "EvaluationID": "e", "Warnings": null}));
    });
    let client = client(&server);
    let found = client.versions(ID, VersionsOptions::default().namespace("n")).await.unwrap();
    assert_eq!(found.into_value().into_versions().len(), 2);
    let found = client.results(ID, ResultsOptions::default()).await.unwrap().into_value().into_results();
    assert_eq!(found[0].params.as_ref().unwrap()["CID"], "Qm");
    let body = types::RerunJobRequest::new().job_version(2).reason("again");
    assert_eq!(client.rerun(ID, Some(&body), RerunOptions::default()).await.unwrap().job_version, Some(4));
    versions.assert();
    results.assert();
    rerun.assert();
}

#[tokio::test]
async fn nodes_are_listed_read_and_managed() {
    let node = json!({
        "Info": {"NodeID": "n-1", "NodeType": "Compute", "ComputeNodeInfo": {"ExecutionEngines": ["wasm"],
            "MaxCapacity": {"CPU": 1.6, "Memory": 20221201612_u64}, "address": ""}},
        "Membership": "APPROVED", "Connection": "CONNECTED",
        "ConnectionState": {"Status": "CONNECTED", "DisconnectedSince": "0001-01-01T00:00:00Z"}
    });
    let server = MockServer::start_async().await;
    let list = mock(&server, |when, then| {
        when.method(GET)
            .path("/api/v1/orchestrator/nodes")
            .query_param("filter-approval", "approved")
            .query_param("filter-status", "connected")
            .query_param("order_by", "available_cpu")
            .query_param("labels", "a=b");
        then.status(200).json_body(json!({"NextToken": "", "Nodes": [node]}));
    });
    let get = mock(&server, |when, then| {
        when.method(GET).path("/api/v1/orchestrator/nodes/n-1");
        then.status(200).json_body(json!({"Node": node}));
    });
    let put = mock(&server, |when, then| {
        let body = json!({"Action": "reject", "Message": "m"});
        when.method(PUT).path("/api/v1/orchestrator/nodes/n-1").json_body(body);
        then.status(200).json_body(json!({"Success": true}));
    });
    let client = client(&server);
    let options = NodeListOptions::default().filter_approval("approved").filter_status("connected");
    let options = options.order_by("available_cpu").labels(vec!["a=b".to_owned()]);
    let nodes = client.node_list(options).await.unwrap().into_value().nodes.unwrap();
    assert_eq!(nodes[0].membership, Some(types::Membership::Approved));
    let found = client.node_get("n-1", NodeGetOptions::default()).await.unwrap().into_value().node.unwrap();
    let since = found.connection_state.unwrap().disconnected_since.unwrap();
    assert_eq!(consign_bacalhau::set_time(&since), None);
    let body = types::PutNodeRequest::new(types::NodeAction::Reject).message("m");
    assert_eq!(client.node_put("n-1", &body, NodePutOptions::default()).await.unwrap().success, Some(true));
    list.assert();
    get.assert();
    put.assert();
}

#[tokio::test]
async fn the_agent_tells_of_itself() {
    let server = MockServer::start_async().await;
    let mocks: Vec<Mock<'_>> = [
        ("alive", json!({"Status": "OK"})),
        ("version", json!({"GitVersion": "v1.5.2", "Major": "1"})),
        ("node", json!({"NodeID": "n-1", "Info": {"NodeID": "n-1"}})),
        ("debug", json!([{"component": "c", "info": 1}])),
        ("config", json!({"config": {"API": {"Port": 1234}}})),
        ("authconfig", json!({"Version": "1.0.0", "Config": {"Scopes": ["a"], "PollingInterval": 5}})),
    ]
    .into_iter()
    .map(|(name, answer)| {
        mock(&server, |when, then| {
            when.method(GET).path(format!("/api/v1/agent/{name}"));
            then.status(200).json_body(answer);
        })
    })
    .collect();
    let client = client(&server);
    assert_eq!(client.alive(AliveOptions::default()).await.unwrap().status.as_deref(), Some("OK"));
    assert_eq!(client.version(VersionOptions::default()).await.unwrap().major.as_deref(), Some("1"));
    assert_eq!(client.server_version().await.unwrap(), Some(ServerVersion::new(1, 5, 2)));
    assert_eq!(client.agent_node(AgentNodeOptions::default()).await.unwrap().node_id.as_deref(), Some("n-1"));
    assert_eq!(client.agent_debug(AgentDebugOptions::default()).await.unwrap()[0]["component"], "c");
    let config = client.agent_config(AgentConfigOptions::default()).await.unwrap().into_value().config.unwrap();
    assert_eq!(config["API"]["Port"], 1234);
    let config = client.authconfig(AuthconfigOptions::default()).await.unwrap().into_value().config.unwrap();
    assert_eq!(config.polling_interval, Some(5));
    mocks.iter().for_each(|mock| assert!(mock.calls() >= 1));
}

#[tokio::test]
async fn a_token_is_had_for_the_proof_of_a_key() {
    let server = MockServer::start_async().await;
    let way = json!({"type": "challenge", "params": {"InputPhrase": "bm9kZTE="}});
    let methods = server.mock(|when, then| {
        when.method(GET).path("/api/v1/auth");
        then.status(200).json_body(json!({"NextToken": "", "Methods": {"clientkey": way}}));
    });
    let method = server.mock(|when, then| {
        when.method(GET).path("/api/v1/auth/clientkey");
        then.status(200).json_body(way.clone());
    });
    let login = server.mock(|when, then| {
        when.method(POST).path("/api/v1/auth/clientkey").is_true(|request| {
            let body: Value = serde_json::from_slice(request.body_ref()).unwrap();
            body["Name"] == "clientkey" && body["MethodData"].as_str().is_some_and(|data| data.len() > 900)
        });
        then.status(200).json_body(json!({"Authentication": {"success": true, "token": "a.b.c"}}));
    });
    let client = Client::new(&server.base_url()).unwrap();
    let ways = client.auth_methods(AuthMethodsOptions::default()).await.unwrap().into_value().methods.unwrap();
    let one = client.auth_method("clientkey", AuthMethodOptions::default()).await.unwrap().into_value();
    assert_eq!(ways["clientkey"], one);
    let (identity, _) = Identity::generate().unwrap();
    let proof = client_key_proof("clientkey", &one, &identity).unwrap();
    let reply = client.auth_login("clientkey", &proof, AuthLoginOptions::default()).await.unwrap().into_value();
    assert_eq!(reply.authentication.unwrap().token.as_deref(), Some("a.b.c"));
    methods.assert();
    method.assert();
    login.assert();
}

#[tokio::test]
async fn a_user_name_and_password_are_sent_as_basic_and_appear_in_no_error() {
    let server = MockServer::start_async().await;
    let basic = server.mock(|when, then| {
        when.header("authorization", "Basic YW5uOm9wZW4gc2VzYW1l");
        then.status(401).body("no: open sesame, YW5uOm9wZW4gc2VzYW1l");
    });
    let builder = Client::builder(&server.base_url()).unwrap().token(Token::basic("ann", "open sesame").unwrap());
    let client = Client::from_http(builder.build().unwrap());
    let error = client.alive(AliveOptions::default()).await.unwrap_err();
    basic.assert();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    let shown = format!("{error} {error:?} {} {client:?}", error.body());
    assert!(!shown.contains("sesame") && !shown.contains("YW5u"), "{shown}");
}

async fn answered(status: u16, body: &str) -> Error {
    let server = MockServer::start_async().await;
    mock(&server, |_, then| drop(then.status(status).body(body)));
    let request = types::PutJobRequest::new(new_job());
    client(&server).put(&request, PutOptions::default()).await.unwrap_err()
}

#[tokio::test]
async fn every_form_of_error_gives_kind_delivery_and_words() {
    let form = |message: &str, code: &str, component: &str| {
        let body = json!({"Status": 0, "Message": message, "RequestID": "", "Code": code, "Component": component});
        body.to_string()
    };
    let cases = [
        (400, form("bad type\nno tasks", "InternalError", "APIServer"), ErrorKind::InvalidRequest, Delivery::Rejected),
        (401, form("m", "Unauthorized", "Authorizer"), ErrorKind::Unauthorized, Delivery::Rejected),
        (403, form("m", "Forbidden", "Authorizer"), ErrorKind::Forbidden, Delivery::Rejected),
        (403, json!({"Error": "m", "MinVersion": "1.4.0"}).to_string(), ErrorKind::Forbidden, Delivery::Rejected),
        (404, form("m", "NotFound", "JobStore"), ErrorKind::NotFound, Delivery::Rejected),
        (404, form("m", "NotFound", "APIServer"), ErrorKind::Unsupported, Delivery::Rejected),
        (409, form("m", "ResourceInUse", "JobStore"), ErrorKind::Conflict, Delivery::Rejected),
        (413, form("m", "InternalError", "APIServer"), ErrorKind::InvalidRequest, Delivery::Rejected),
        (429, "m".to_owned(), ErrorKind::RateLimited, Delivery::Rejected),
        (500, form("m", "ConflictJobState", "JobStore"), ErrorKind::Conflict, Delivery::Rejected),
        (500, form("m", "", "Bacalhau"), ErrorKind::Conflict, Delivery::Rejected),
        (500, form("m", "InternalError", "Unknown"), ErrorKind::Server, Delivery::Unknown),
        (502, "<html><title>m</title></html>".to_owned(), ErrorKind::Gateway, Delivery::Unknown),
        (503, "Server Timeout!".to_owned(), ErrorKind::Gateway, Delivery::Unknown),
        (500, String::new(), ErrorKind::Server, Delivery::Unknown),
        (301, String::new(), ErrorKind::Status, Delivery::Rejected),
    ];
    for (status, body, kind, delivery) in cases {
        let error = answered(status, &body).await;
        assert_eq!((error.kind(), error.delivery()), (kind, delivery), "{status} {body}");
        assert_eq!((error.status(), error.operation(), error.body()), (Some(status), Some("put"), body.as_str()));
        let final_ = delivery == Delivery::Rejected && kind != ErrorKind::RateLimited;
        assert_eq!(error.retry() == Retry::Never, final_, "{status} {body}");
    }
    let error = answered(404, &form("m", "NotFound", "JobStore")).await;
    assert_eq!(error_body(&error).unwrap().component.as_deref(), Some("JobStore"));
}

#[tokio::test]
async fn a_success_that_cannot_be_used_is_an_error_that_may_have_acted() {
    for body in ["", "<!doctype html><p>hello", "{\"JobID\":", "{\"JobID\":\"\"}", "12"] {
        let error = answered(200, body).await;
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Decode, Delivery::Unknown), "{body}");
        assert_eq!(error.status(), Some(200));
    }
    let server = MockServer::start_async().await;
    mock(&server, |_, then| drop(then.status(200).body("{\"JobID\":null}")));
    let request = types::PutJobRequest::new(new_job());
    let options = PutOptions::default().call(CallOptions::new().header("x-request-id", "r-1"));
    assert_eq!(client(&server).put(&request, options).await.unwrap().job_id, None);
}

//! Each operation of the Chutes clients against a mock server: what is sent, what is decoded, and every form of error.
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use consign_chutes::wire::{FinishJob, JobArguments};
use consign_chutes::{
    ApiKey, CallOptions, Client, CompleteJobOptions, CreateApiKeyOptions, CreateJobOptions, DeleteApiKeyOptions,
    DeleteJobOptions, Delivery, DownloadOutputFileOptions, Error, ErrorKind, FinishJobOptions, GetApiKeyOptions,
    GetChuteOptions, GetJobOptions, GetMeOptions, Hotkey, JobQuota, ListApiKeysOptions, ListChutesOptions,
    ListMinerJobsOptions, PingOptions, Progress, ReleaseMinerJobOptions, Retry, Runner, ServerFault, ShareChuteOptions,
    UploadJobFileOptions, hotkey, types, upload_form, wire,
};
use consign_http::{ByteStream, TokioClock};
use httpmock::Method::{DELETE, GET, POST, PUT};
use httpmock::{Mock, MockServer, Then, When};
use serde_json::{Value, json};

const KEY: &str =
    "cpk_854d4189baa65d29aeb9fcda2eab890a.39e40833dec8509db8e0a0a531ea6390.UTJGQ2ABPQGM77RO7ZIJaZ09bY18cX27";
const SEED: &str = "df169a9b835fa3c5b3253258adb82ceb53438005b559b8003bfc4ded8dd54606";
const ADDRESS: &str = "5GU8rCYVSoDSPicbeyas1J5tZJa34R6MwAqT8ZbxWvsQX1fM";
const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.e30.sesame-sesame";

fn client(server: &MockServer) -> Client {
    let builder = Client::builder(&server.base_url()).unwrap().token(ApiKey::new(KEY).unwrap().token().unwrap());
    Client::from_http(builder.build().unwrap())
}

fn runner(server: &MockServer) -> Runner {
    Runner::from_http(Runner::builder(&server.base_url()).unwrap().build().unwrap())
}

/// A client that signs, and whose clock shows this time.
fn signing(server: &MockServer, now: SystemTime) -> Client {
    let builder = Client::builder(&server.base_url()).unwrap().clock(Arc::new(TokioClock::starting_at(now)));
    let signer = Arc::new(Hotkey::from_seed_hex(SEED).unwrap());
    Client::from_http(builder.signer(signer).build().unwrap())
}

/// A mock that wants the API key.
fn mock<'a>(server: &'a MockServer, what: impl FnOnce(When, Then)) -> Mock<'a> {
    server.mock(|when, then| what(when.header("authorization", format!("Bearer {KEY}")), then))
}

fn job() -> Value {
    json!({
        "job_id": "j", "user_id": "u", "chute_id": "c", "method": "train", "active": false, "verified": false,
        "created_at": "2025-07-20T12:34:56.789012", "updated_at": null, "finished_at": null,
        "job_args": {"lr": 0.1, "big": 18_446_744_073_709_551_615_u64, "_disk_gb": 10}, "result": null,
        "output_files": {"f": {"filename": "a/b.txt", "path": "jobs/c/x/j/outputs/a/b.txt", "uploaded": true}},
        "port_mappings": [{"proto": "tcp", "internal_port": 2202, "external_port": 31236, "default": false}],
        "chute": {"chute_id": "c", "name": "acme/fine-tune", "image": {"image_id": "i", "patch_version": null}},
        "instance": {"instance_id": "i", "verified": true, "last_verified_at": "2025-07-20T12:41:02.500000Z"},
        "output_storage_urls": {}, "server_id": null, "queue": {"position": 4}
    })
}

#[tokio::test]
async fn a_job_is_created_with_the_arguments_as_they_were_written() {
    let server = MockServer::start_async().await;
    let create = mock(&server, |when, then| {
        when.method(POST)
            .path("/jobs/c-1/train%20it")
            .header("content-type", "application/json")
            .body("{\"lr\":0.1,\"epochs\":3}");
        then.status(200).json_body(job());
    });
    let arguments = JobArguments::from_json("{\"lr\":0.1,\"epochs\":3}".to_owned()).unwrap();
    let options = CreateJobOptions::default();
    let reply = client(&server).create_job("c-1", "train it", &arguments, options).await.unwrap();
    create.assert();
    assert_eq!((reply.job_id.as_str(), reply.progress()), ("j", Progress::Running));
}

#[tokio::test]
async fn a_job_is_read_with_every_member_and_deleted() {
    let server = MockServer::start_async().await;
    let get = mock(&server, |when, then| drop((when.method(GET).path("/jobs/j"), then.status(200).json_body(job()))));
    let reply = client(&server).get_job("j", GetJobOptions::default()).await.unwrap();
    get.assert();
    assert_eq!(serde_json::from_slice::<Value>(reply.raw()).unwrap(), job());
    let read = reply.into_value();
    assert_eq!(read.created_at.as_ref().unwrap().as_str(), "2025-07-20T12:34:56.789012");
    assert!(read.created_at.unwrap().to_system_time().is_some());
    assert_eq!(read.job_args.unwrap()["big"], json!(18_446_744_073_709_551_615_u64));
    assert_eq!(read.output_files.unwrap()["f"].filename.as_deref(), Some("a/b.txt"));
    assert_eq!(read.port_mappings.unwrap()[0].external_port, Some(31236));
    assert_eq!(read.chute.unwrap().image.unwrap().image_id.as_deref(), Some("i"));

    let deleted = mock(&server, |when, then| {
        when.method(DELETE).path("/jobs/j").is_true(|request| request.body_ref().is_empty());
        then.status(200).json_body(json!({"deleted": true, "job_id": "j"}));
    });
    let reply = client(&server).delete_job("j", DeleteJobOptions::default()).await.unwrap();
    deleted.assert();
    assert_eq!((reply.deleted, reply.job_id.as_deref()), (Some(true), Some("j")));
}

#[tokio::test]
async fn an_output_file_is_downloaded_as_a_stream_with_the_name_that_the_server_gives() {
    let server = MockServer::start_async().await;
    mock(&server, |when, then| {
        when.method(GET).path("/jobs/j/download/f").header("accept", "application/octet-stream");
        let name = "attachment; filename=\"../../etc/passwd\"";
        then.status(200)
            .header("content-type", "application/octet-stream")
            .header("content-disposition", name)
            .body([0, 1, 2, 255]);
    });
    let reply = client(&server).download_output_file("j", "f", DownloadOutputFileOptions::default()).await.unwrap();
    assert_eq!(reply.headers()["content-disposition"], "attachment; filename=\"../../etc/passwd\"");
    assert_eq!(reply.into_value().collect(100).await.unwrap(), [0, 1, 2, 255].as_slice());
}

#[tokio::test]
async fn a_report_is_sent_with_the_jobs_token_and_no_credential() {
    let server = MockServer::start_async().await;
    let mut answer = job();
    answer["output_storage_urls"] = json!({"a/b.txt": "https://api.chutes.ai/jobs/j/upload?token=file-token"});
    let finish =
        server.mock(|when, then| {
            when.method(POST).path("/jobs/j").query_param("token", TOKEN).header_missing("authorization").json_body(
                json!({"status": "error", "result": null, "detail": "bad", "output_filenames": ["a/b.txt"]}),
            );
            then.status(200).json_body(answer);
        });
    let report = FinishJob::failed("bad").output_filenames(["a/b.txt"]);
    let reply = runner(&server).finish_job("j", TOKEN, &report, FinishJobOptions::default()).await.unwrap();
    finish.assert();
    assert!(!format!("{reply:?}").contains("file-token"));
    let url = &reply.output_storage_urls.as_ref().unwrap()["a/b.txt"];
    assert_eq!(url.token().unwrap().expose(), "file-token");

    let complete = server.mock(|when, then| {
        when.method(PUT).path("/jobs/j").query_param("token", TOKEN).json_body(json!({"status": "done"}));
        then.status(200).json_body(job());
    });
    let body = types::CompleteJob::new().status("done");
    runner(&server).complete_job("j", TOKEN, Some(&body), CompleteJobOptions::default()).await.unwrap();
    complete.assert();
    let bare = server.mock(|when, then| {
        when.method(PUT)
            .path("/jobs/k")
            .header_missing("content-type")
            .is_true(|request| request.body_ref().is_empty());
        then.status(200).json_body(job());
    });
    runner(&server).complete_job("k", TOKEN, None, CompleteJobOptions::default()).await.unwrap();
    bare.assert();
}

#[tokio::test]
async fn a_file_is_uploaded_as_a_form_of_file_and_path_from_bytes_or_a_stream() {
    let server = MockServer::start_async().await;
    let upload = server.mock(|when, then| {
        when.method(PUT)
            .path("/jobs/j/upload")
            .query_param("token", TOKEN)
            .header_prefix("content-type", "multipart/form-data; boundary=")
            .is_true(|request| {
                let body = String::from_utf8_lossy(request.body_ref()).into_owned();
                let (file, path) = body.split_at(body.find("name=\"path\"").unwrap_or_default());
                file.contains("name=\"file\"; filename=\"%C3%A9poch%201.json\"")
                    && file.contains("application/json\r\n\r\n{\"loss\": 0.5}\r\n")
                    && path.contains("text/plain; charset=utf-8\r\n\r\nlogs/époch 1.json\r\n")
            });
        then.status(200)
            .json_body(json!({"status": "success", "filename": "logs/époch 1.json", "file_id": "f", "uploaded": true}));
    });
    let name = "logs/époch 1.json";
    for content in
        [consign_chutes::Body::from("{\"loss\": 0.5}"), ByteStream::from_bytes("{\"loss\": 0.5}".into()).into()]
    {
        let form = upload_form(name, None, content).unwrap();
        let reply = runner(&server).upload_job_file("j", TOKEN, form, UploadJobFileOptions::default()).await.unwrap();
        assert_eq!((reply.uploaded, reply.file_id.as_deref()), (Some(true), Some("f")));
    }
    upload.assert_calls(2);
    assert_eq!(upload_form("x", Some("no media type"), "").unwrap_err().kind(), ErrorKind::InvalidRequest);
}

#[tokio::test]
async fn chutes_are_listed_read_by_owner_and_name_and_shared() {
    let server = MockServer::start_async().await;
    let chute = json!({"chute_id": "c", "name": "acme/fine tune", "cords": null, "created_at": "2025-07-18T09:12:44.120391Z",
        "jobs": [{"name": "train", "upload": true, "timeout": null, "ports": [{"name": "ssh", "port": 2202}], "disk_gb": 10}],
        "current_estimated_price": {"usd": {"second": 6.944444444444444e-5}}, "tee": true});
    let list = mock(&server, |when, then| {
        when.method(GET)
            .path("/chutes/")
            .query_param("include_public", "true")
            .query_param("name", "fine tune")
            .query_param("page", "0");
        then.status(200)
            .json_body(json!({"total": 1, "page": 0, "limit": 25, "items": [chute], "cord_refs": {"r": []}}));
    });
    let options = ListChutesOptions::default().include_public(true).name("fine tune").page(0);
    let reply = client(&server).list_chutes(options).await.unwrap();
    list.assert();
    let first = &reply.items.as_ref().unwrap()[0];
    assert_eq!(first.jobs.as_ref().unwrap()[0].name.as_deref(), Some("train"));
    assert_eq!(first.current_estimated_price.as_ref().unwrap()["usd"]["second"], json!(6.944444444444444e-5));

    let get = mock(&server, |when, then| {
        drop((when.method(GET).path("/chutes/acme/fine%20tune"), then.status(200).json_body(chute.clone())))
    });
    let read = client(&server).get_chute("acme/fine tune", GetChuteOptions::default()).await.unwrap();
    get.assert();
    assert_eq!(read.chute_id.as_deref(), Some("c"));
    let error = client(&server).get_chute("acme/..", GetChuteOptions::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidRequest, Delivery::NotSent));

    let share = mock(&server, |when, then| {
        when.method(POST).path("/chutes/share").json_body(json!({"chute_id_or_name": "c", "user_id_or_name": "bob"}));
        then.status(200).body("anything");
    });
    client(&server).share_chute(&types::ShareChute::new("c", "bob"), ShareChuteOptions::default()).await.unwrap();
    share.assert();
}

#[tokio::test]
async fn the_account_and_its_keys_are_read_made_and_deleted() {
    let server = MockServer::start_async().await;
    mock(&server, |when, then| {
        when.method(GET).path("/users/me");
        then.status(200)
            .json_body(json!({"username": "acme", "balance": 0.1, "permissions": [], "permissions_bitmask": 0}));
    });
    let me = client(&server).get_me(GetMeOptions::default()).await.unwrap();
    assert_eq!((me.username.as_deref(), me.balance), (Some("acme"), Some(0.1)));

    let key =
        json!({"api_key_id": "k", "admin": true, "name": "jobs", "created_at": "2025-07-20T12:34:56", "scopes": null});
    let mut made = key.clone();
    made["secret_key"] = json!(KEY);
    let create = mock(&server, |when, then| {
        let scopes = json!([{"object_type": "chutes", "action": "read"}]);
        when.method(POST).path("/api_keys/").json_body(json!({"name": "jobs", "admin": true, "scopes": scopes}));
        then.status(200).json_body(made);
    });
    let scope = types::NewScope::new("chutes").action(types::ScopeAction::Read);
    let body = types::CreateApiKey::new("jobs", true).scopes(vec![scope]);
    let reply = client(&server).create_api_key(&body, CreateApiKeyOptions::default()).await.unwrap();
    create.assert();
    assert!(!format!("{reply:?}").contains("UTJGQ2"));
    assert_eq!(reply.secret_key.as_ref().unwrap().api_key().unwrap().id(), "854d4189-baa6-5d29-aeb9-fcda2eab890a");

    mock(&server, |when, then| {
        when.method(GET).path("/api_keys/").query_param("limit", "1").query_param("page", "2");
        then.status(200).json_body(json!({"total": 3, "page": 2, "limit": 1, "items": [key]}));
    });
    let page = client(&server).list_api_keys(ListApiKeysOptions::default().limit(1).page(2)).await.unwrap();
    assert_eq!((page.total, page.items.as_ref().unwrap()[0].admin), (Some(3), Some(true)));
    mock(&server, |when, then| drop((when.method(GET).path("/api_keys/k"), then.status(200).json_body(key.clone()))));
    assert_eq!(
        client(&server).get_api_key("k", GetApiKeyOptions::default()).await.unwrap().name.as_deref(),
        Some("jobs")
    );
    mock(&server, |when, then| {
        when.method(DELETE).path("/api_keys/k");
        then.status(200).json_body(json!({"api_key_id": "k", "deleted": true}));
    });
    let gone = client(&server).delete_api_key("k", DeleteApiKeyOptions::default()).await.unwrap();
    assert_eq!(gone.deleted, Some(true));
}

#[tokio::test]
async fn a_miner_lists_and_gives_back_jobs_and_anybody_pings() {
    let server = MockServer::start_async().await;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_752_998_400);
    let list = server.mock(|when, then| {
        when.method(GET).path("/miner/jobs/").header("x-chutes-hotkey", ADDRESS).header("x-chutes-nonce", "1752998400");
        then.status(200)
            .body("data: {\"job_id\":\"j\",\"status\":\"pending\",\"error_detail\":null,\"miner_uid\":1}\n\n");
    });
    let reply = signing(&server, now).list_miner_jobs(ListMinerJobsOptions::default()).await.unwrap();
    let jobs = wire::miner_jobs(&reply.into_value().collect(1000).await.unwrap()).unwrap();
    list.assert();
    assert_eq!((jobs[0].job_id.as_str(), &jobs[0].status), ("j", &Some(types::JobStatus::Pending)));

    let release = server.mock(|when, then| drop((when.method(DELETE).path("/miner/jobs/j"), then.status(200))));
    signing(&server, now).release_miner_job("j", ReleaseMinerJobOptions::default()).await.unwrap();
    release.assert();
    let ping = server.mock(|when, then| {
        when.method(GET).path("/ping").header_missing("x-chutes-signature");
        then.status(200).json_body(json!({"message": "pong"}));
    });
    let pong = signing(&server, now).ping(PingOptions::default()).await.unwrap();
    ping.assert();
    assert_eq!(pong.message.as_deref(), Some("pong"));
}

#[tokio::test]
async fn a_hotkey_signs_the_body_that_is_sent_and_refuses_to_read_jobs() {
    let server = MockServer::start_async().await;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_752_998_400);
    let create = server.mock(|when, then| {
        when.method(POST).path("/jobs/c/train").header_missing("authorization").is_true(|request| {
            let header = |name: &str| request.headers().get(name).unwrap().to_str().unwrap().to_owned();
            let message = hotkey::message(ADDRESS, "1752998400", &hotkey::body_hash(request.body_ref()));
            let hex = header("x-chutes-signature");
            let signature: Vec<u8> = (0..64).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect();
            let key = ADDRESS.parse::<consign_chutes::Address>().unwrap();
            header("x-chutes-nonce") == "1752998400" && hotkey::verify(key.public_key(), message.as_bytes(), &signature)
        });
        then.status(200).json_body(job());
    });
    let client = signing(&server, now);
    let arguments = JobArguments::new(&json!({"epochs": 3})).unwrap();
    client.create_job("c", "train", &arguments, CreateJobOptions::default()).await.unwrap();
    create.assert();
    let errors = [
        client.get_job("j", GetJobOptions::default()).await.unwrap_err(),
        client.delete_job("j", DeleteJobOptions::default()).await.unwrap_err(),
        client.download_output_file("j", "f", DownloadOutputFileOptions::default()).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Config, Delivery::NotSent));
        assert!(error.to_string().contains("API key"), "{error}");
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_named_with_the_difference() {
    let server = MockServer::start_async().await;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_752_998_400);
    server.mock(|when, then| {
        when.method(POST);
        then.status(401).header("date", "Sun, 20 Jul 2025 09:00:00 GMT").json_body(json!({"detail": "Invalid nonce!"}));
    });
    let arguments = JobArguments::none();
    let error = signing(&server, now).create_job("c", "m", &arguments, CreateJobOptions::default()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery(), error.retry()),
        (ErrorKind::Unauthorized, Delivery::Rejected, Retry::Never)
    );
    assert_eq!(error.message(), "Invalid nonce!: the clock here is 3600 s behind the service's");
    assert!(error.to_string().contains("set the clock"), "{error}");
}

/// Every form of error that the fact sheet names: status, media type, body; kind, delivery, message.
#[tokio::test]
async fn every_form_of_error_is_read() {
    let text = "text/plain; charset=utf-8";
    let json = "application/json";
    let missing = r#"{"detail":[{"type":"missing","loc":["query","token"],"msg":"Field required","input":null}]}"#;
    let cases = [
        (
            400,
            json,
            r#"{"detail":"Invalid disk size specified: 10"}"#,
            ErrorKind::InvalidRequest,
            Delivery::Rejected,
            "Invalid disk size specified: 10",
        ),
        (
            401,
            json,
            r#"{"detail":"Can't find a user with that api key in our db :("}"#,
            ErrorKind::Unauthorized,
            Delivery::Rejected,
            "Can't find a user with that api key in our db :(",
        ),
        (
            402,
            json,
            r#"{"detail":"Account balance is $0.00"}"#,
            ErrorKind::InsufficientCredit,
            Delivery::Rejected,
            "Account balance is $0.00",
        ),
        (
            404,
            json,
            r#"{"detail":"Job not found, or does not belong to you"}"#,
            ErrorKind::NotFound,
            Delivery::Rejected,
            "Job not found, or does not belong to you",
        ),
        (
            404,
            json,
            r#"{"detail":"No matching chute found!"}"#,
            ErrorKind::NotFound,
            Delivery::Rejected,
            "No matching chute found!",
        ),
        (
            409,
            json,
            r#"{"detail":"An API key already exists with this name"}"#,
            ErrorKind::Conflict,
            Delivery::Rejected,
            "An API key already exists with this name",
        ),
        (422, json, missing, ErrorKind::InvalidRequest, Delivery::Rejected, "query.token: Field required"),
        (
            429,
            "text/html",
            "<html><body>429 Too Many Requests</body></html>",
            ErrorKind::RateLimited,
            Delivery::Rejected,
            "<html><body>429 Too Many Requests</body></html>",
        ),
        (500, text, "Internal Server Error", ErrorKind::Server, Delivery::Unknown, "Internal Server Error"),
        (
            502,
            "text/html",
            "<html><head><title>502 Bad Gateway</title></head></html>",
            ErrorKind::Gateway,
            Delivery::Unknown,
            "<html><head><title>502 Bad Gateway</title></head></html>",
        ),
        (503, text, "", ErrorKind::Gateway, Delivery::Unknown, "no reason given"),
        (
            200,
            "text/html",
            "<html>hello</html>",
            ErrorKind::Decode,
            Delivery::Unknown,
            "a web page instead of an answer: <html>hello</html>",
        ),
        (
            200,
            json,
            r#"{"job_id":""}"#,
            ErrorKind::Decode,
            Delivery::Unknown,
            "at job_id: an identifier is empty at line 1 column 13",
        ),
        (
            200,
            json,
            r#"{"user_id":"u"}"#,
            ErrorKind::Decode,
            Delivery::Unknown,
            "missing field `job_id` at line 1 column 15",
        ),
        (200, json, "", ErrorKind::Decode, Delivery::Unknown, "an empty body where a value is needed"),
        (
            200,
            json,
            r#"{"job_id":"j","#,
            ErrorKind::Decode,
            Delivery::Unknown,
            "at ?: EOF while parsing a value at line 1 column 14",
        ),
    ];
    for (status, media, body, kind, delivery, message) in cases {
        let server = MockServer::start_async().await;
        server
            .mock(|when, then| drop((when.method(GET), then.status(status).header("content-type", media).body(body))));
        let error = client(&server).get_job("j", GetJobOptions::default()).await.unwrap_err();
        assert_eq!((error.status(), error.kind(), error.delivery()), (Some(status), kind, delivery), "{body}");
        assert_eq!((error.message(), error.operation()), (message, Some("get_job")));
        assert_eq!(error.body(), body);
    }
}

#[tokio::test]
async fn quotas_come_as_figures_and_the_500s_by_what_they_mean() {
    let server = MockServer::start_async().await;
    let detail = "Daily job quota exceeded: chute_job_count=0 total_job_count=0 of job_quota=0 and total_quota=0";
    mock(&server, |when, then| drop((when.method(POST), then.status(429).json_body(json!({"detail": detail})))));
    let arguments = JobArguments::none();
    let error = client(&server).create_job("c", "m", &arguments, CreateJobOptions::default()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery(), error.retry()),
        (ErrorKind::QuotaExceeded, Delivery::Rejected, Retry::Never)
    );
    assert!(JobQuota::of(&error).unwrap().is_zero());

    let server = MockServer::start_async().await;
    server.mock(|when, then| {
        when.is_true(|_| true);
        then.status(500).header("content-type", "text/plain; charset=utf-8").body("Internal Server Error");
    });
    let (user, runner) = (client(&server), runner(&server));
    let report = FinishJob::complete(None);
    let form = upload_form("a", None, "x").unwrap();
    let errors: [(Error, ServerFault); 7] = [
        (user.create_job("c", "m", &arguments, Default::default()).await.unwrap_err(), ServerFault::CreatedUnreadable),
        (user.get_job("j", Default::default()).await.unwrap_err(), ServerFault::Unreadable),
        (user.delete_job("j", Default::default()).await.unwrap_err(), ServerFault::StopRequested),
        (user.download_output_file("j", "f", Default::default()).await.unwrap_err(), ServerFault::FileMissing),
        (runner.finish_job("j", TOKEN, &report, Default::default()).await.unwrap_err(), ServerFault::StoredUnanswered),
        (
            runner.upload_job_file("j", TOKEN, form, Default::default()).await.unwrap_err(),
            ServerFault::StoredUnanswered,
        ),
        (runner.complete_job("j", TOKEN, None, Default::default()).await.unwrap_err(), ServerFault::StoredUnanswered),
    ];
    for (error, fault) in errors {
        assert_eq!((ServerFault::of(&error), error.delivery()), (Some(fault), Delivery::Unknown), "{error}");
    }
}

#[tokio::test]
async fn no_credential_or_token_is_in_an_error_that_repeats_it() {
    let server = MockServer::start_async().await;
    server.mock(|when, then| {
        when.is_true(|_| true);
        let page = format!("<html>no page /jobs/j?token={TOKEN} for {KEY}</html>");
        then.status(404).header("content-type", "text/html").header("x-echo", TOKEN).body(page);
    });
    let options = GetJobOptions::default().call(CallOptions::new().timeout(Duration::from_secs(5)));
    let user = client(&server).get_job("j", options).await.unwrap_err();
    assert!(!format!("{user} {user:?} {:?} {}", user.headers(), user.body()).contains("UTJGQ2"));
    let report = FinishJob::complete(None);
    let error = runner(&server).finish_job("j", TOKEN, &report, FinishJobOptions::default()).await.unwrap_err();
    assert!(!format!("{error} {error:?} {:?} {}", error.headers(), error.body()).contains("sesame"));
}

#[tokio::test]
async fn an_answer_with_secrets_in_it_that_cannot_be_read_is_not_shown() {
    let server = MockServer::start();
    let made = json!({"api_key_id": 5, "secret_key": "cpk_s3cret", "name": [{}]});
    mock(&server, |when, then| {
        when.method("POST").path("/api_keys/");
        then.status(200).json_body(made);
    });
    let error =
        client(&server).create_api_key(&types::CreateApiKey::new("ci", true), Default::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Decode, Some(200)));
    assert!(!format!("{error} {error:?} {}", error.body()).contains("s3cret"), "{error:?} {}", error.body());
}

//! Each operation of the Civitai client against a mock server: what is sent, what is decoded, and every form of error.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the report")]

use std::time::Duration;

use consign_civitai::wire::{JobResult, SubmitBody};
use consign_civitai::{
    CallOptions, Client, Delivery, Error, ErrorKind, Retry, Token, V1ConsumerConsumptionGetOptions,
    V1ConsumerCoverageGetOptions, V1ConsumerJobsDeleteOptions, V1ConsumerJobsGetOptions,
    V1ConsumerJobsJobIdDeleteOptions, V1ConsumerJobsJobIdGetOptions, V1ConsumerJobsJobIdPutOptions,
    V1ConsumerJobsPostOptions, V1ConsumerJobsPutOptions, V1ConsumerJobsQueryPostOptions, V1ConsumerRequestsGetOptions,
    types,
};
use httpmock::Method::{DELETE, GET, POST, PUT};
use httpmock::{Mock, MockServer, Then, When};
use serde_json::{Value, json};

const TOKEN: &str = "civ-secret-0123456789";

fn client(server: &MockServer) -> Client {
    let builder = Client::builder(&server.base_url()).unwrap().token(Token::new(TOKEN).unwrap());
    Client::from_http(builder.build().unwrap())
}

/// A mock that wants the token and no other headers of its own.
fn mock<'a>(server: &'a MockServer, what: impl FnOnce(When, Then)) -> Mock<'a> {
    server.mock(|when, then| what(when.header("authorization", format!("Bearer {TOKEN}")), then))
}

fn template() -> types::JobTemplate {
    let params = types::ImageJobParams::new(1024, 768).prompt("a curious cat").steps(30).seed(-1);
    let request = types::TextToImageJobRequest::new().model("urn:air:sdxl:checkpoint:civitai:1@2").params(params);
    types::JobTemplate::TextToImage(request)
}

fn template_json() -> Value {
    json!({
        "$type": "textToImage", "model": "urn:air:sdxl:checkpoint:civitai:1@2",
        "params": {"prompt": "a curious cat", "steps": 30, "width": 1024, "height": 768, "seed": -1}
    })
}

fn collection() -> Value {
    json!({"token": "eyJKb2JzIjpbIi4uLiJdfQ==", "jobs": [{
        "jobId": "fa9423b1", "cost": 1.2000000000000002, "scheduled": false, "properties": {"userId": 4, "n": null},
        "result": [{"blobKey": "D4A2", "available": true, "blobUrl": "https://b.example/D4A2"}],
        "lastEvent": {"type": "Succeeded", "dateTime": "2024-06-08T18:55:58.1234567Z", "provider": "NewGrid",
            "claimDuration": "00:00:02.7742373", "jobHasCompleted": true, "context": {"steps": 20}},
        "serviceProviders": {"Civitai": {"support": "available", "queuePosition": {"precedingJobs": 3}}}
    }]})
}

#[tokio::test]
async fn one_template_is_submitted_bare_and_several_as_a_list() {
    let server = MockServer::start_async().await;
    let bare = mock(&server, |when, then| {
        when.method(POST)
            .path("/v1/consumer/jobs")
            .query_param("wait", "true")
            .query_param("whatif", "false")
            .header("content-type", "application/json")
            .header("accept", "application/json")
            .json_body(template_json());
        then.status(200).json_body(collection());
    });
    let options = V1ConsumerJobsPostOptions::default().wait(true).whatif(false);
    let reply = client(&server).v1_consumer_jobs_post(Some(&template().into()), options).await.unwrap();
    bare.assert();
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.value.as_ref().unwrap().token.as_deref(), Some("eyJKb2JzIjpbIi4uLiJdfQ=="));

    let list = mock(&server, |when, then| {
        when.method(POST).json_body(json!({"jobs": [template_json(), template_json()]}));
        then.status(202).json_body(collection());
    });
    let body = SubmitBody::from(vec![template(), template()]);
    let reply = client(&server).v1_consumer_jobs_post(Some(&body), V1ConsumerJobsPostOptions::default()).await.unwrap();
    list.assert();
    assert_eq!(reply.status(), 202);
    assert_eq!(reply.value.as_ref().unwrap().jobs.as_ref().unwrap().len(), 1);
}

#[tokio::test]
async fn a_submission_may_be_answered_202_without_a_body_and_sent_without_one() {
    let server = MockServer::start_async().await;
    let empty = mock(&server, |when, then| {
        when.method(POST).path("/v1/consumer/jobs").is_true(|request| {
            request.body_ref().is_empty()
                && request.query_params().is_empty()
                && request.headers().get("content-type").is_none()
        });
        then.status(202);
    });
    let reply = client(&server).v1_consumer_jobs_post(None, V1ConsumerJobsPostOptions::default()).await.unwrap();
    empty.assert();
    assert_eq!(reply.value, None);

    // A 200 without a body is no answer.
    let server = MockServer::start_async().await;
    mock(&server, |when, then| drop((when.method(POST), then.status(200))));
    let error = client(&server).v1_consumer_jobs_post(None, V1ConsumerJobsPostOptions::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Decode, Some(200)));
}

#[tokio::test]
async fn jobs_of_a_token_are_read_with_every_member() {
    let server = MockServer::start_async().await;
    let token = "ab+c/d==&e=f%20g#h i";
    let get = mock(&server, |when, then| {
        when.method(GET)
            .path("/v1/consumer/jobs")
            .query_param("token", token)
            .query_param("detailed", "true")
            .query_param("wait", "true");
        then.status(200).json_body(collection());
    });
    let options = V1ConsumerJobsGetOptions::default().wait(true).detailed(true);
    let reply = client(&server).v1_consumer_jobs_get(token, options).await.unwrap();
    get.assert();
    let raw: Value = serde_json::from_slice(reply.raw()).unwrap();
    assert_eq!(raw, collection());
    let jobs = reply.into_value().unwrap().jobs.unwrap();
    let [job] = jobs.as_slice() else { panic!("{jobs:?}") };
    assert_eq!(job.job_id.as_deref(), Some("fa9423b1"));
    assert_eq!((job.cost, job.scheduled), (Some(1.2000000000000002), Some(false)));
    assert_eq!(job.properties.as_ref().unwrap()["n"], Value::Null);
    let event = job.last_event.as_ref().unwrap();
    assert_eq!(event.type_, Some(types::JobEventType::Succeeded));
    assert_eq!(event.provider.as_ref().unwrap().as_str(), "NewGrid");
    assert_eq!(event.claim_duration.as_ref().unwrap().parse().unwrap().ticks(), 27_742_373);
    let Some(JobResult::Blobs(blobs)) = &job.result else { panic!("{:?}", job.result) };
    assert!(blobs[0].is_available());
    let place = &job.service_providers.as_ref().unwrap()["Civitai"];
    assert_eq!(place.support, Some(types::JobSupport::Available));
    assert_eq!(place.queue_position.as_ref().unwrap().preceding_jobs, Some(3));
}

#[tokio::test]
async fn jobs_are_tainted_by_token_and_by_properties() {
    let server = MockServer::start_async().await;
    let put = mock(&server, |when, then| {
        when.method(PUT)
            .path("/v1/consumer/jobs")
            .query_param("token", "t")
            .json_body(json!({"reason": "blurry", "properties": {"userId": 4}}));
        then.status(200).json_body(json!({"jobs": 2}));
    });
    let properties = json!({"userId": 4}).as_object().unwrap().clone();
    let body = types::TaintJobsRequest::new().reason("blurry").properties(properties);
    let options = V1ConsumerJobsPutOptions::default().token("t");
    let reply = client(&server).v1_consumer_jobs_put(Some(&body), options).await.unwrap();
    put.assert();
    assert_eq!(reply.jobs, Some(2));
}

#[tokio::test]
async fn jobs_of_a_token_are_cancelled_and_any_success_will_do() {
    for (status, body) in [(200, ""), (200, "{\"ignored\":1}"), (204, "")] {
        let server = MockServer::start_async().await;
        let delete = mock(&server, |when, then| {
            when.method(DELETE).path("/v1/consumer/jobs").query_param("token", "t").query_param("force", "false");
            then.status(status).body(body);
        });
        let options = V1ConsumerJobsDeleteOptions::default().force(false);
        client(&server).v1_consumer_jobs_delete("t", options).await.unwrap();
        delete.assert();
    }
}

#[tokio::test]
async fn one_job_is_read_bare_or_from_a_collection() {
    let bare = collection()["jobs"][0].clone();
    for answer in [bare, collection()] {
        let server = MockServer::start_async().await;
        let get = mock(&server, |when, then| {
            when.method(GET).path("/v1/consumer/jobs/fa9423b1").query_param("detailed", "false");
            then.status(200).json_body(answer);
        });
        let options = V1ConsumerJobsJobIdGetOptions::default().detailed(false);
        let reply = client(&server).v1_consumer_jobs_job_id_get("fa9423b1", options).await.unwrap();
        get.assert();
        assert_eq!(reply.into_value().into_status("fa9423b1").unwrap().job_id.as_deref(), Some("fa9423b1"));
    }
}

#[tokio::test]
async fn one_job_is_tainted_with_and_without_a_body() {
    let server = MockServer::start_async().await;
    let with = mock(&server, |when, then| {
        when.method(PUT).path("/v1/consumer/jobs/a").json_body(json!({"reason": "r", "context": {"k": null}}));
        then.status(204);
    });
    let context = json!({"k": null}).as_object().unwrap().clone();
    let body = types::TaintJobRequest::new().reason("r").context(context);
    let options = V1ConsumerJobsJobIdPutOptions::default;
    client(&server).v1_consumer_jobs_job_id_put("a", Some(&body), options()).await.unwrap();
    with.assert();
    let without = mock(&server, |when, then| {
        when.method(PUT).path("/v1/consumer/jobs/b").is_true(|request| request.body_ref().is_empty());
        then.status(200);
    });
    client(&server).v1_consumer_jobs_job_id_put("b", None, options()).await.unwrap();
    without.assert();
}

#[tokio::test]
async fn one_job_is_cancelled_and_its_id_stays_one_path_segment() {
    let server = MockServer::start_async().await;
    let delete = mock(&server, |when, then| {
        when.method(DELETE)
            .is_true(|request| request.uri().path() == "/v1/consumer/jobs/a%2Fb%3Fc")
            .query_param("force", "true");
        then.status(200);
    });
    let options = V1ConsumerJobsJobIdDeleteOptions::default().force(true);
    client(&server).v1_consumer_jobs_job_id_delete("a/b?c", options).await.unwrap();
    delete.assert();
    for bad in ["", ".", ".."] {
        let options = V1ConsumerJobsJobIdDeleteOptions::default();
        let error = client(&server).v1_consumer_jobs_job_id_delete(bad, options).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidRequest, Delivery::NotSent), "{bad:?}");
    }
    delete.assert();
}

#[tokio::test]
async fn jobs_are_found_by_properties_a_page_at_a_time() {
    let server = MockServer::start_async().await;
    let query = mock(&server, |when, then| {
        when.method(POST).path("/v1/consumer/jobs/query").query_param("detailed", "true").json_body(
            json!({"cursor": "c1", "properties": {"env": "prod", "list": [1, null]}, "jobType": "TextToImage"}),
        );
        then.status(200).json_body(json!({"cursor": "c2", "jobs": collection()["jobs"], "total": 1}));
    });
    let properties = json!({"env": "prod", "list": [1, null]}).as_object().unwrap().clone();
    let body = types::QueryJobsRequest::new().cursor("c1").properties(properties).job_type("TextToImage");
    let options = V1ConsumerJobsQueryPostOptions::default().detailed(true);
    let page = client(&server).v1_consumer_jobs_query_post(Some(&body), options).await.unwrap();
    query.assert();
    assert_eq!(page.cursor.as_deref(), Some("c2"));
    assert_eq!(page.jobs.as_ref().unwrap().len(), 1);
}

#[tokio::test]
async fn coverage_repeats_the_key_and_keeps_the_names_as_asked() {
    let server = MockServer::start_async().await;
    let get = mock(&server, |when, then| {
        when.method(GET).path("/v1/consumer/coverage").is_true(|request| {
            request.uri().query() == Some("model=urn%3Aair%3Asd1%3Alora%3Acivitai%3A1%402&model=%40civitai%2F3")
        });
        then.status(200).json_body(json!({"@civitai/3": {"availability": "Degraded", "workers": 2}, "x": {}}));
    });
    let models = ["urn:air:sd1:lora:civitai:1@2".to_owned(), "@civitai/3".to_owned()];
    let options = V1ConsumerCoverageGetOptions::default();
    let reply = client(&server).v1_consumer_coverage_get(&models, options).await.unwrap();
    get.assert();
    assert_eq!(reply["@civitai/3"].availability, Some(types::WorkerAssetAvailability::Degraded));
    assert_eq!(reply["x"].workers, None);
}

#[tokio::test]
async fn consumption_sends_dates_as_they_are_given() {
    let server = MockServer::start_async().await;
    let get = mock(&server, |when, then| {
        when.method(GET)
            .path("/v1/consumer/consumption")
            .query_param("startDate", "2024-06-01T00:00:00+02:00")
            .query_param_missing("endDate");
        then.status(200).json_body(json!({"images": 3, "totalCost": 7, "startDate": "2024-06-01T00:00:00.1234567Z"}));
    });
    let options = V1ConsumerConsumptionGetOptions::default().start_date("2024-06-01T00:00:00+02:00");
    let reply = client(&server).v1_consumer_consumption_get(options).await.unwrap();
    get.assert();
    assert_eq!((reply.images, reply.total_cost), (Some(3), Some(7.0)));
    assert_eq!(reply.start_date.as_ref().unwrap().as_str(), "2024-06-01T00:00:00.1234567Z");
    assert_eq!(reply.end_date, None);
}

#[tokio::test]
async fn past_requests_are_listed() {
    let server = MockServer::start_async().await;
    let get = mock(&server, |when, then| {
        when.method(GET).path("/v1/consumer/requests").query_param("cursor", "c").query_param("take", "5");
        then.status(200).json_body(json!({"cursor": {"nextDateTime": "2024-06-08T18:00:00Z", "nextId": null}, "requests": [
            {"dateTime": "2024-06-08T18:55:50Z", "jobs": [{"job": {"type": "Unheard"}, "lastEvent": {"type": "Suspended"}}]}
        ]}));
    });
    let options = V1ConsumerRequestsGetOptions::default().cursor("c").take(5);
    let reply = client(&server).v1_consumer_requests_get(options).await.unwrap();
    get.assert();
    let jobs = reply.requests.as_ref().unwrap()[0].jobs.as_ref().unwrap();
    assert_eq!(jobs[0].job.as_ref().unwrap()["type"], "Unheard");
    let word = jobs[0].last_event.as_ref().unwrap().type_.as_ref().unwrap();
    assert_eq!(word, &types::JobEventType::Unknown("Suspended".to_owned()));
}

#[tokio::test]
async fn a_template_of_every_kind_is_read_by_its_tag_and_written_back() {
    let kinds = [
        json!({"$type": "comfy", "params": {"workflow": {"1": {"inputs": {"x": null}}}}, "quantity": 2}),
        json!({"$type": "imageResourceTraining", "model": "m", "trainingData": "https://e.example/d.zip", "params": {"lr": 0.0005}, "engine": "e", "cost": 1.5}),
        json!({"$type": "blobUpload", "key": "k", "replace": true, "duration": "00:05:00"}),
        json!({"$type": "blobGet", "key": "k", "duration": "00:05:00"}),
        json!({"$type": "blobPin", "key": "k"}),
        json!({"$type": "blobUnpin", "key": "k"}),
        json!({"$type": "blobDelete", "key": "k"}),
        json!({"$type": "imageTransform", "blobKey": "k", "transformer": "Canny", "params": {"a": null}, "replace": false}),
        json!({"$type": "copyAsset", "jobId": "j", "assetName": "a", "destinationUri": "https://e.example"}),
        json!({"$type": "clearAssets", "jobId": "j"}),
        json!({"$type": "wdTagging", "model": "m", "mediaUrl": "https://e.example", "threshold": 0.5}),
        json!({"$type": "mediaTagging", "modelId": 1, "mediaUrl": "https://e.example"}),
        json!({"$type": "movieRating", "model": "m", "mediaUrl": "https://e.example"}),
        json!({"$type": "prepareModel", "baseModel": "SDXL", "model": "m", "action": "Pin"}),
        json!({"$type": "imageEmbedding", "imageUrl": "https://e.example"}),
        json!({"$type": "rebootWorker", "retries": 1}),
        template_json(),
        json!({"$type": "notKnownYet", "anything": [1, null]}),
    ];
    for kind in kinds {
        let read: types::JobTemplate =
            serde_json::from_value(kind.clone()).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(matches!(read, types::JobTemplate::Unknown(_)), kind["$type"] == "notKnownYet", "{kind}");
        assert_eq!(serde_json::to_value(&read).unwrap(), kind);
    }
}

#[tokio::test]
async fn every_form_of_priority_is_read_and_written_back() {
    for priority in [json!(5), json!({"min": 2, "max": 8}), json!({"value": 3}), json!("High"), json!("low")] {
        let template = json!({"$type": "textToImage", "priority": priority});
        let read: types::JobTemplate = serde_json::from_value(template.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), template);
    }
}

/// The error of a call that is answered so.
async fn answered(status: u16, media: &str, headers: &[(&str, &str)], body: &str) -> Error {
    let server = MockServer::start_async().await;
    let put = mock(&server, |when, then| {
        when.method(PUT).path("/v1/consumer/jobs");
        let then = then.status(status).body(body);
        let then = if media.is_empty() { then } else { then.header("content-type", media) };
        headers.iter().fold(then, |then, (name, value)| then.header(*name, *value));
    });
    let options = V1ConsumerJobsPutOptions::default();
    let error = client(&server).v1_consumer_jobs_put(None, options).await.unwrap_err();
    put.assert();
    assert_eq!(error.status(), Some(status));
    assert_eq!(error.operation(), Some("v1_consumer_jobs_put"));
    assert!(!format!("{error} {error:?}").contains(TOKEN));
    error
}

const PROBLEM: &str = "application/problem+json";

#[tokio::test]
async fn a_problem_document_gives_its_detail_else_its_title() {
    let error =
        answered(404, PROBLEM, &[("x-request-id", "r-1")], r#"{"title":"Not Found","status":404,"traceId":"00-77"}"#)
            .await;
    assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, "Not Found"));
    assert_eq!((error.delivery(), error.retry()), (Delivery::Rejected, Retry::Never));
    assert_eq!(error.request_id(), Some("r-1"));
    assert!(error.body().contains("00-77"));
    let error = answered(400, PROBLEM, &[], r#"{"title":"Bad Request","detail":"The token is malformed"}"#).await;
    assert_eq!((error.kind(), error.message()), (ErrorKind::InvalidRequest, "The token is malformed"));
}

#[tokio::test]
async fn a_validation_answer_names_the_members() {
    let body = r#"{"title":"One or more validation errors occurred.","errors":{"params.width":["must be between 64 and 2048."]}}"#;
    let error = answered(400, PROBLEM, &[], body).await;
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(error.message(), "params.width: must be between 64 and 2048.");
    assert_eq!(error.fields(), [("params.width".to_owned(), vec!["must be between 64 and 2048.".to_owned()])]);
}

#[tokio::test]
async fn a_model_state_names_the_members_too() {
    let body = json!({"token": {"rawValue": "x", "errors": [{"exception": null, "errorMessage": "The token is invalid"}],
        "validationState": "Invalid", "isContainerNode": false, "children": null}});
    let error = answered(400, "application/json", &[], &body.to_string()).await;
    assert_eq!((error.kind(), error.message()), (ErrorKind::InvalidRequest, "token: The token is invalid"));
    assert_eq!(error.fields()[0].0, "token");
}

#[tokio::test]
async fn missing_credit_is_its_own_kind() {
    let error = answered(403, "application/json", &[], r#"{"error":"Insufficient Buzz"}"#).await;
    assert_eq!((error.kind(), error.message()), (ErrorKind::InsufficientCredit, "Insufficient Buzz"));
    assert_eq!(
        answered(402, PROBLEM, &[], r#"{"title":"Payment Required"}"#).await.kind(),
        ErrorKind::InsufficientCredit
    );
    assert_eq!(answered(403, PROBLEM, &[], r#"{"title":"Forbidden"}"#).await.kind(), ErrorKind::Forbidden);
}

#[tokio::test]
async fn an_array_in_place_of_an_object_is_no_empty_answer() {
    let error = answered(200, "application/json", &[], " []").await;
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.to_string().contains("an array where an object belongs"), "{error}");
}

#[tokio::test]
async fn a_gateways_page_is_an_error_with_every_status() {
    let page = "<html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>";
    let error = answered(502, "text/html", &[], page).await;
    assert_eq!(
        (error.kind(), error.delivery(), error.retry()),
        (ErrorKind::Gateway, Delivery::Unknown, Retry::Backoff)
    );
    assert!(error.message().contains("502 Bad Gateway"));
    let error = answered(200, "text/html; charset=utf-8", &[], page).await;
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Decode, Delivery::Unknown));
    assert!(error.body().contains("cloudflare"));
    let error = answered(504, "text/plain", &[], "upstream request timeout").await;
    assert_eq!((error.kind(), error.message()), (ErrorKind::Gateway, "upstream request timeout"));
}

#[tokio::test]
async fn an_empty_401_is_unauthorized() {
    let error = answered(401, "", &[], "").await;
    assert_eq!((error.kind(), error.delivery(), error.body()), (ErrorKind::Unauthorized, Delivery::Rejected, ""));
}

#[tokio::test]
async fn truncated_json_is_a_decode_error_that_keeps_the_text() {
    let error = answered(200, "application/json", &[("x-kept", "1")], r#"{"jobs": 2"#).await;
    assert_eq!((error.kind(), error.delivery(), error.retry()), (ErrorKind::Decode, Delivery::Unknown, Retry::Never));
    assert_eq!(error.body(), r#"{"jobs": 2"#);
    assert_eq!(error.headers()["x-kept"], "1");
    let error = answered(200, "application/json", &[], r#"{"jobs": "two"}"#).await;
    assert!(error.message().contains("jobs"), "{}", error.message());
}

#[tokio::test]
async fn a_rate_limit_says_how_long_to_wait() {
    let error = answered(429, PROBLEM, &[("retry-after", "7")], r#"{"title":"Too Many Requests"}"#).await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::RateLimited, Retry::After(Duration::from_secs(7))));
    assert_eq!(answered(429, PROBLEM, &[], "{}").await.retry(), Retry::Backoff);
}

#[tokio::test]
async fn one_call_may_have_its_own_headers_and_limit() {
    let server = MockServer::start_async().await;
    let get = mock(&server, |when, then| {
        when.method(GET).header("x-trace", "1");
        then.status(200).json_body(json!({}));
    });
    let call = CallOptions::new().header("x-trace", "1").timeout(Duration::from_secs(20));
    client(&server).v1_consumer_consumption_get(V1ConsumerConsumptionGetOptions::default().call(call)).await.unwrap();
    get.assert();
}

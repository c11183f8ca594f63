//! The operations of 0.2.0.
use consign_numind::v0_2::*;
use consign_numind::wire::LooseText;
use consign_numind::{JobEvent, Part};
use httpmock::Method::{DELETE, GET, PATCH, POST, PUT};
use httpmock::MockServer;
use serde_json::{Value, json};

use crate::{answers, extraction, http, job, mock, started, takes, takes_bytes, takes_form};

const SUBMIT: &str = "/api/structured-extraction/p%2F1/jobs";

async fn server() -> (MockServer, Client) {
    let server = MockServer::start_async().await;
    let client = Client::from_http(http(&server));
    (server, client)
}

fn project() -> Value {
    json!({
        "id": "p", "name": "orders", "description": "", "template": {"a": ["x", "y"]}, "ownerUser": "u",
        "createdAt": "2025-12-18T09:00:00Z", "updatedAt": "2025-12-18T09:00:00Z", "lockState": false, "shared": true,
        "settings": {"temperature": 0.2, "rasterizationDPI": 170, "maxOutputTokens": "Unlimited", "maxExampleNumber": 0}
    })
}

fn example() -> Value {
    json!({"id": "e", "projectId": "p", "ownerUser": "u", "createdAt": "c", "updatedAt": "u",
        "documentInfo": {"type": "image", "documentId": "d", "fileId": "f", "fileName": "a.pdf", "dpi": 170},
        "result": {"type": "information", "information": {"a": null}}})
}

#[tokio::test]
async fn jobs_are_listed_a_page_at_a_time() {
    let (server, client) = server().await;
    let page =
        json!({"totalCount": 2, "skip": 0, "perPage": 30, "items": [job("completed"), job("archived")], "next": 1});
    let list = answers(&server, GET, "/api/jobs", "organization=R%26D%20%2B1&skip=0&perPage=300", page);
    let options = GetApiJobsOptions::default().organization("R&D +1").skip(0).per_page(300);
    let reply = client.get_api_jobs(options).await.unwrap();
    list.assert();
    assert!(reply.raw().windows(6).any(|word| word == b"\"next\""));
    let page = reply.into_value();
    assert_eq!((page.total_count, page.skip, page.per_page), (Some(2), Some(0), Some(30)));
    let items = page.items.unwrap();
    assert_eq!(items[0].status, Some(types::JobStatus::Completed));
    assert_eq!(items[0].created_at.as_ref().unwrap().as_str(), "2025-12-18T10:00:00.512Z");
    assert_eq!(items[1].status.as_ref().unwrap().as_str(), "archived");
    for empty in [json!({"totalCount": 0}), json!({"items": null}), json!({"items": []})] {
        let (server, client) = self::server().await;
        answers(&server, GET, "/api/jobs", "", empty);
        let page = client.get_api_jobs(GetApiJobsOptions::default()).await.unwrap().into_value();
        assert!(page.items.unwrap_or_default().is_empty());
    }
}

#[tokio::test]
async fn a_job_is_read_with_its_output_as_text_or_as_a_value() {
    let (server, client) = server().await;
    let get = answers(&server, GET, "/api/jobs/a%2F..%2Fb", "", job("COMPLETED"));
    let found = client.get_api_jobs_jobid("a/../b", GetApiJobsJobidOptions::default()).await.unwrap().into_value();
    get.assert();
    assert_eq!(found.status, Some(types::JobStatus::Completed));
    let output: types::ExtractionResponse = found.output_data.unwrap().parse().unwrap();
    assert_eq!((&output.result.unwrap()["city"], output.total_tokens), (&json!("Nice"), Some(653)));

    let (server, client) = self::server().await;
    let bare = json!({"id": "j", "outputData": {"result": {"city": "Nice"}}, "errorCode": 413, "errorMessage": null});
    answers(&server, GET, "/api/jobs/j", "", bare.clone());
    let found = client.get_api_jobs_jobid("j", GetApiJobsJobidOptions::default()).await.unwrap().into_value();
    let output: Value = found.output_data.as_ref().unwrap().parse().unwrap();
    assert_eq!((&output["result"]["city"], &found.error_code), (&json!("Nice"), &Some(LooseText::Value(413.into()))));
    let back = serde_json::to_value(&found).unwrap();
    assert_eq!((&back["outputData"], &back["errorCode"]), (&bare["outputData"], &bare["errorCode"]));
}

#[tokio::test]
async fn every_member_of_an_answer_may_be_null() {
    let nulls: serde_json::Map<_, _> =
        job("running").as_object().unwrap().keys().map(|name| (name.clone(), Value::Null)).collect();
    let (server, client) = server().await;
    answers(&server, GET, "/api/jobs/j/status", "", nulls.into());
    let found = client.get_api_jobs_jobid_status("j", GetApiJobsJobidStatusOptions::default()).await.unwrap();
    assert_eq!(found.value, types::JobStatusResponse::default());
    let submitted =
        mock(&server, POST, "/api/template-generation/jobs/document/d", "timeout=1500ms", None, |_, then| {
            then.status(200).json_body(json!({"jobId": null}));
        });
    let options = PostApiTemplateGenerationJobsDocumentDocumentidOptions::default().timeout("1500ms");
    let reply = client.post_api_template_generation_jobs_document_documentid("d", options).await.unwrap();
    submitted.assert();
    assert_eq!(reply.job_id, None);
}

#[tokio::test]
async fn the_stream_asks_for_events_and_ends_with_the_result() {
    let (server, client) = server().await;
    let body = format!(
        "data: \nevent: ping\n\n: still there\n\ndata: {}\nevent: result\n\nevent: ping\ndata:\n\n",
        job("failed")
    );
    let stream = mock(&server, GET, "/api/jobs/j/stream", "", None, |when, then| {
        when.header("accept", "text/event-stream");
        then.status(200).header("content-type", "text/event-stream;charset=utf-8").body(body);
    });
    let mut events = client.job_events("j", GetApiJobsJobidStreamOptions::default()).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap(), JobEvent::Ping);
    let JobEvent::Result(found) = events.next().await.unwrap().unwrap() else { panic!("no result") };
    assert_eq!((found.status, found.id.as_deref()), (Some(types::JobStatus::Failed), Some("2b7e1f60")));
    assert!(events.next().await.is_none());
    stream.assert();
}

#[tokio::test]
async fn bytes_texts_documents_and_files_are_submitted_to_a_project() {
    let (server, client) = server().await;
    let query = "temperature=0.3&dpi=150&maxOutputTokens=600&maxExampleTokenNumber=32000&maxExampleNumber=5&minExampleSimilarity=0.25&timeout=60s";
    let bytes = takes_bytes(&server, SUBMIT, query, b"%PDF\x00\xff", started());
    let options = PostApiStructuredExtractionStructuredextractionprojectidJobsOptions::default()
        .temperature(0.3)
        .dpi(150)
        .max_output_tokens(600)
        .max_example_token_number(32000)
        .max_example_number(5)
        .min_example_similarity(0.25)
        .timeout("60s");
    let submit = client.post_api_structured_extraction_structuredextractionprojectid_jobs(
        "p/1",
        &b"%PDF\x00\xff"[..],
        options.clone(),
    );
    assert_eq!(submit.await.unwrap().job_id.as_deref(), Some("job_01kq3v9zrte8fbn7c2h4m6x0ya"));
    bytes.assert();

    let parts = &["name=\"file\"; filename=\"a.pdf\"", "application/pdf", "%PDF-1.4", "--"];
    let form = takes_form(&server, SUBMIT, query, parts, started());
    let file = Part::bytes(&b"%PDF-1.4"[..]).file_name("a.pdf").media_type("application/pdf").unwrap();
    assert!(client.submit_file("p/1", file, options).await.unwrap().job_id.is_some());
    form.assert();

    let path = "/api/structured-extraction/p/jobs/text";
    let text = takes(&server, POST, path, "maxOutputTokens=0&timeout=10s", json!({"text": "Zoë"}), started());
    let options = PostApiStructuredExtractionStructuredextractionprojectidJobsTextOptions::default()
        .max_output_tokens(0)
        .timeout("10s");
    let body = types::TextRequest::new("Zoë");
    client.post_api_structured_extraction_structuredextractionprojectid_jobs_text("p", &body, options).await.unwrap();
    text.assert();

    let path = "/api/structured-extraction/p/jobs/document/d";
    let document = answers(&server, POST, path, "temperature=0&minExampleSimilarity=1", started());
    let options = PostApiStructuredExtractionStructuredextractionprojectidJobsDocumentDocumentidOptions::default()
        .temperature(0.0)
        .min_example_similarity(1.0);
    client
        .post_api_structured_extraction_structuredextractionprojectid_jobs_document_documentid("p", "d", options)
        .await
        .unwrap();
    document.assert();
}

#[tokio::test]
async fn templates_and_markdown_are_submitted() {
    let (server, client) = server().await;
    let bytes =
        takes_bytes(&server, "/api/template-generation/jobs", "rasterizationDPI=170&timeout=1h", b"PK", started());
    let options = PostApiTemplateGenerationJobsOptions::default().rasterization_dpi(170).timeout("1h");
    client.post_api_template_generation_jobs("PK", options).await.unwrap();
    bytes.assert();

    let wanted = json!({"description": "n° 1 — “x”"});
    let text = takes(&server, POST, "/api/template-generation/jobs/text", "", wanted, started());
    let body = types::TemplateRequest::new("n° 1 — “x”");
    client.post_api_template_generation_jobs_text(&body, Default::default()).await.unwrap();
    text.assert();

    let parts = &["name=\"file\"; filename=\"a.png\"", "PNG", "--"];
    let query = "temperature=0.1&rasterizationDPI=100&maxOutputTokens=9&timeout=1m";
    let form = takes_form(&server, "/api/content-extraction/jobs", query, parts, started());
    let options = PostApiContentExtractionJobsOptions::default()
        .temperature(0.1)
        .rasterization_dpi(100)
        .max_output_tokens(9)
        .timeout("1m");
    let file = Part::bytes("PNG").file_name("a.png");
    client.post_api_content_extraction_jobs(consign_numind::file_form(file), options).await.unwrap();
    form.assert();

    let document = answers(&server, POST, "/api/content-extraction/c/jobs/document/d", "", started());
    client
        .post_api_content_extraction_contentextractionprojectid_jobs_document_documentid("c", "d", Default::default())
        .await
        .unwrap();
    document.assert();
}

#[tokio::test]
async fn typed_results_are_read_and_206_marks_one_that_did_not_fit() {
    let (server, client) = server().await;
    let get = answers(&server, GET, "/api/structured-extraction/jobs/j", "", extraction());
    let reply =
        client.get_api_structured_extraction_jobs_structuredextractionjobid("j", Default::default()).await.unwrap();
    get.assert();
    assert_eq!((reply.status().as_u16(), reply.logprobs), (200, Some(-0.0831)));
    assert_eq!(reply.result.as_ref().unwrap()["nights"], Value::Null);
    let Some(types::DocumentInfo::Text(text)) = &reply.document_info else { panic!("{:?}", reply.document_info) };
    assert_eq!(text.text.as_deref(), Some("Nice"));

    let template =
        json!({"result": {}, "rawModelOutput": "no", "error": {"message": "m", "errorCode": "InvalidTemplate"}});
    mock(&server, GET, "/api/template-generation/jobs/t", "", None, |_, then| {
        drop(then.status(206).json_body(template))
    });
    let reply = client.get_api_template_generation_jobs_templatejobid("t", Default::default()).await.unwrap();
    assert_eq!(reply.status().as_u16(), 206);
    assert_eq!(reply.error.as_ref().unwrap().error_code.as_deref(), Some("InvalidTemplate"));
    assert_eq!(reply.result, Some(json!({})));

    let markdown = json!({"result": "# T", "thinkingTrace": "…", "outputTokens": 12, "randomSeed": 7});
    answers(&server, GET, "/api/content-extraction/jobs/m", "", markdown);
    let reply = client.get_api_content_extraction_jobs_contentextractionjobid("m", Default::default()).await.unwrap();
    assert_eq!((reply.result.as_deref(), reply.output_tokens), (Some("# T"), Some(12)));
}

#[tokio::test]
async fn projects_are_created_listed_read_changed_and_deleted() {
    let (server, client) = server().await;
    let wanted = json!({"name": "orders", "description": "", "template": {"a": ["x", "y"]}, "ownerOrganization": "o"});
    let create = takes(&server, POST, "/api/structured-extraction", "", wanted, project());
    let body = types::CreateProjectRequest::new("orders", "", json!({"a": ["x", "y"]})).owner_organization("o");
    let reply = client.post_api_structured_extraction(&body, Default::default()).await.unwrap();
    create.assert();
    let settings = reply.settings.as_ref().unwrap();
    assert_eq!(settings.rasterization_dpi, Some(types::Setting::Number(170)));
    assert_eq!(settings.max_output_tokens, Some(types::Setting::Text("Unlimited".to_owned())));

    let query = "organizationId=o&reference=false";
    let list = answers(&server, GET, "/api/structured-extraction", query, json!([project()]));
    let options = GetApiStructuredExtractionOptions::default().organization_id("o").reference(false);
    assert_eq!(client.get_api_structured_extraction(options).await.unwrap().len(), 1);
    list.assert();

    let get = answers(&server, GET, "/api/structured-extraction/p", "", project());
    let reply = client.get_api_structured_extraction_structuredextractionprojectid("p", Default::default()).await;
    assert_eq!(reply.unwrap().template, Some(json!({"a": ["x", "y"]})));
    get.assert();

    let patch = takes(&server, PATCH, "/api/structured-extraction/p", "", json!({"name": "renamed"}), project());
    let body = types::UpdateProjectRequest::new().name("renamed");
    client.patch_api_structured_extraction_structuredextractionprojectid("p", &body, Default::default()).await.unwrap();
    patch.assert();

    let wanted = json!({"temperature": 0.0, "degradedMode": "Accept"});
    let settings = takes(&server, PATCH, "/api/structured-extraction/p/settings", "", wanted, project());
    let body = types::UpdateProjectSettingsRequest::new().temperature(0.0).degraded_mode("Accept");
    client
        .patch_api_structured_extraction_structuredextractionprojectid_settings("p", &body, Default::default())
        .await
        .unwrap();
    settings.assert();

    let reset = answers(&server, POST, "/api/structured-extraction/p/reset-settings", "", project());
    client
        .post_api_structured_extraction_structuredextractionprojectid_reset_settings("p", Default::default())
        .await
        .unwrap();
    reset.assert();

    let delete = mock(&server, DELETE, "/api/structured-extraction/p", "", None, |_, then| drop(then.status(200)));
    client.delete_api_structured_extraction_structuredextractionprojectid("p", Default::default()).await.unwrap();
    delete.assert();
}

#[tokio::test]
async fn examples_are_listed_added_read_replaced_and_deleted() {
    let (server, client) = server().await;
    const ALL: &str = "/api/structured-extraction/p/examples";
    const ONE: &str = "/api/structured-extraction/p/examples/e";
    let list = answers(&server, GET, ALL, "skip=5&perPage=50", json!({"totalCount": 6, "items": [example()]}));
    let options =
        GetApiStructuredExtractionStructuredextractionprojectidExamplesOptions::default().skip(5).per_page(50);
    let page = client.get_api_structured_extraction_structuredextractionprojectid_examples("p", options).await.unwrap();
    list.assert();
    let [found] = page.items.as_ref().unwrap().as_slice() else { panic!("{page:?}") };
    let Some(types::InformationResponse::Information(valid)) = &found.result else { panic!("{found:?}") };
    assert_eq!(valid.information, Some(json!({"a": null})));

    let body = types::CreateOrUpdateExampleRequest::new("d", json!({"place": {"name": null}, "n": 3}));
    let wanted = json!({"documentId": "d", "result": {"place": {"name": null}, "n": 3}});
    let add = takes(&server, POST, ALL, "", wanted.clone(), example());
    client
        .post_api_structured_extraction_structuredextractionprojectid_examples("p", &body, Default::default())
        .await
        .unwrap();
    add.assert();
    let get = answers(&server, GET, ONE, "", example());
    client
        .get_api_structured_extraction_structuredextractionprojectid_examples_structuredextractionexampleid(
            "p",
            "e",
            Default::default(),
        )
        .await
        .unwrap();
    get.assert();
    let put = takes(&server, PUT, ONE, "", wanted, example());
    client
        .put_api_structured_extraction_structuredextractionprojectid_examples_structuredextractionexampleid(
            "p",
            "e",
            &body,
            Default::default(),
        )
        .await
        .unwrap();
    put.assert();
    let delete = mock(&server, DELETE, ONE, "", None, |_, then| drop(then.status(204)));
    client
        .delete_api_structured_extraction_structuredextractionprojectid_examples_structuredextractionexampleid(
            "p",
            "e",
            Default::default(),
        )
        .await
        .unwrap();
    delete.assert();
}

#[tokio::test]
async fn files_and_documents_are_uploaded_converted_and_read() {
    let (server, client) = server().await;
    let file = json!({"fileId": "f", "fileName": "a b.pdf", "ownerUser": "u", "contentType": "application/pdf", "createdAt": "c"});
    let document = json!({"docInfo": {"type": "video", "frames": 3}, "ownerUser": "u", "createdAt": "c"});
    let upload = mock(&server, POST, "/api/files", "", None, |when, then| {
        when.header("x-file-name", "a b.pdf").header("x-organization", "o").is_true(|r| r.body_ref() == b"PDF");
        then.status(200).json_body(file.clone());
    });
    let options = PostApiFilesOptions::default().x_organization("o");
    assert_eq!(client.post_api_files("a b.pdf", "PDF", options).await.unwrap().file_id.as_deref(), Some("f"));
    upload.assert();
    // A name may be empty. (One that is not ASCII goes as UTF-8: the vectors have it.)
    let upload = mock(&server, POST, "/api/files", "", None, |when, then| {
        when.is_true(|request| request.headers().get("x-file-name").is_some_and(|name| name.is_empty()));
        then.status(200).json_body(file.clone());
    });
    client.post_api_files("", "", PostApiFilesOptions::default()).await.unwrap();
    upload.assert();
    let get = answers(&server, GET, "/api/files/f", "", file.clone());
    let reply = client.get_api_files_fileid("f", Default::default()).await.unwrap();
    assert_eq!(reply.content_type.as_deref(), Some("application/pdf"));
    get.assert();

    let path = "/api/files/f/convert-to-document";
    let convert = takes(&server, POST, path, "", json!({"rasterizationDPI": 170}), document.clone());
    let body = types::ConvertRequest::new(170);
    let reply = client.post_api_files_fileid_convert_to_document("f", &body, Default::default()).await.unwrap();
    convert.assert();
    // A kind that is not known is kept whole.
    let Some(types::DocumentInfo::Unknown(kind)) = &reply.doc_info else { panic!("{:?}", reply.doc_info) };
    assert_eq!(kind["frames"], 3);

    let text = mock(&server, POST, "/api/documents/text", "", Some(json!({"text": "hello"})), |when, then| {
        when.header("x-organization", "o");
        then.status(200).json_body(document.clone());
    });
    let options = PostApiDocumentsTextOptions::default().x_organization("o");
    client.post_api_documents_text(&types::TextRequest::new("hello"), options).await.unwrap();
    text.assert();
    answers(&server, GET, "/api/documents/d", "", document);
    client.get_api_documents_documentid("d", Default::default()).await.unwrap();

    for path in ["/api/files/f/content", "/api/documents/d/content"] {
        mock(&server, GET, path, "", None, |when, then| {
            when.header("accept", "application/octet-stream");
            then.status(200).header("content-type", "application/pdf").body(&b"%PDF\x00\xff"[..]);
        });
    }
    let content = client.get_api_files_fileid_content("f", Default::default()).await.unwrap().into_value();
    assert_eq!(&content.collect(99).await.unwrap()[..], b"%PDF\x00\xff");
    let content = client.get_api_documents_documentid_content("d", Default::default()).await.unwrap().into_value();
    assert_eq!(&content.collect(99).await.unwrap()[..], b"%PDF\x00\xff");
}

#[tokio::test]
async fn the_service_tells_of_itself() {
    let (server, client) = server().await;
    mock(&server, GET, "/api/ping", "", None, |_, then| {
        drop(then.status(200).header("content-type", "text/plain").body("pong"))
    });
    assert_eq!(&client.get_api_ping(Default::default()).await.unwrap()[..], b"pong");
    answers(&server, GET, "/api/health", "", json!({"services": [{"name": "db", "status": "up", "count": 2}]}));
    let health = client.get_api_health(Default::default()).await.unwrap().into_value();
    assert_eq!(health.services.unwrap()[0].count, Some(2));
    answers(
        &server,
        GET,
        "/api/version",
        "",
        json!({"name": "n", "buildVersion": "1d05", "buildTime": "2025-12-18T12:00:00Z"}),
    );
    let version = client.get_api_version(Default::default()).await.unwrap();
    assert_eq!(version.build_version.as_deref(), Some("1d05"));
    let load = json!({"nuextract": {"running": 2, "waiting": 0}, "numarkdown": {"running": null}});
    answers(&server, GET, "/api/inference-status", "", load);
    let load = client.get_api_inference_status(Default::default()).await.unwrap();
    assert_eq!((load["nuextract"].running, load["numarkdown"].running), (Some(2), None));
}

#[tokio::test]
async fn logins_and_keys_are_handled_and_no_secret_shows_itself() {
    let (server, client) = server().await;
    let page = mock(&server, GET, "/api/auth", "redirectUri=http%3A%2F%2Flocalhost%3A5173", None, |_, then| {
        then.status(200).header("content-type", "text/plain").body("https://login.example.com/?client_id=x");
    });
    let place = client.get_api_auth("http://localhost:5173", Default::default()).await.unwrap();
    page.assert();
    assert!(place.starts_with(b"https://login"));
    let wanted = json!({"type": "ai.numind.extract.shared.TokenRefreshRequest", "token": "sesame-1"});
    let tokens = json!({"token": "sesame-2", "expiresIn": 300, "refreshToken": "sesame-3", "refreshExpiresIn": 1800});
    let refresh = takes(&server, POST, "/api/auth/token", "", wanted, tokens);
    let body = types::TokenRequest::from(types::TokenRefreshRequest::new("sesame-1"));
    let reply = client.post_api_auth_token(&body, Default::default()).await.unwrap();
    refresh.assert();
    assert_eq!(reply.token.as_ref().unwrap().expose(), "sesame-2");
    let code = types::TokenRequest::from(types::TokenCodeRequest::new("sesame-4", "http://localhost"));
    let sent = json!({"type": "ai.numind.extract.shared.TokenCodeRequest", "code": "sesame-4", "redirectUri": "http://localhost"});
    assert_eq!(serde_json::to_value(&code).unwrap(), sent);

    let key = json!({"id": "k", "name": "n", "token": "sesame-5", "userId": "u", "createdAt": "c", "expiresAt": "e"});
    answers(&server, GET, "/api/auth/api-keys", "", json!([key]));
    let keys = client.get_api_auth_api_keys(Default::default()).await.unwrap();
    takes(&server, POST, "/api/auth/api-keys", "", json!({"name": "n", "maybeOrga": "o"}), key.clone());
    let made = client
        .post_api_auth_api_keys(&types::CreateApiKey::new("n").maybe_orga("o"), Default::default())
        .await
        .unwrap();
    takes(&server, PUT, "/api/auth/api-keys/k", "", json!({"name": "m"}), key);
    client.put_api_auth_api_keys_apikeyid("k", &types::UpdateApiKey::new("m"), Default::default()).await.unwrap();
    let delete = mock(&server, DELETE, "/api/auth/api-keys/k", "", None, |_, then| drop(then.status(200)));
    client.delete_api_auth_api_keys_apikeyid("k", Default::default()).await.unwrap();
    delete.assert();
    let shown = format!("{body:?} {code:?} {:?} {:?} {:?}", reply.value, keys.value, made.value);
    assert!(!shown.contains("sesame"), "{shown}");
}

#[tokio::test]
async fn keys_in_an_answer_that_cannot_be_read_are_not_shown() {
    let (server, client) = server().await;
    answers(&server, GET, "/api/auth/api-keys", "", json!([{"id": "k", "token": "sesame-5", "name": {}}]));
    let error = client.get_api_auth_api_keys(Default::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (consign_numind::ErrorKind::Decode, Some(200)));
    assert!(!format!("{error} {error:?} {}", error.body()).contains("sesame"), "{error:?} {}", error.body());
}

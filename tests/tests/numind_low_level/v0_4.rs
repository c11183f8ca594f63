//! The operations of 0.4.2: what differs from 0.2.0, and each of the others once.
use consign_numind::v0_4::*;
use consign_numind::{ErrorKind, JobEvent, Part};
use httpmock::Method::{DELETE, GET, PATCH, POST, PUT};
use httpmock::MockServer;
use serde_json::{Value, json};

use crate::{answers, extraction, http, job, mock, started, takes, takes_bytes, takes_form};

async fn server() -> (MockServer, Client) {
    let server = MockServer::start_async().await;
    let client = Client::from_http(http(&server));
    (server, client)
}

fn project() -> Value {
    json!({"id": "sprj_1", "template": {"a": "string"}, "instructions": "", "settings": {
        "temperature": 1.5, "rasterizationDPI": "automatic", "maxOutputTokens": "4096", "maxExampleNumber": "0",
        "thinkingTokenBudget": "Unlimited", "randomSeed": "random", "imageWidth": 1024, "loopDetection": true}})
}

#[tokio::test]
async fn a_job_is_stopped_and_its_repairs_are_read() {
    let (server, client) = server().await;
    let cancel = mock(&server, POST, "/api/jobs/j/cancel", "", None, |when, then| {
        when.is_true(|request| request.body_ref().is_empty());
        then.status(200);
    });
    client.post_api_jobs_jobid_cancel("j", Default::default()).await.unwrap();
    cancel.assert();
    let report = json!([{"jobId": "j", "jobType": "structured-inference", "jobIndex": 0, "report": {
        "repairs": [{"sequence": 1, "code": "TypeCoercion", "path": "$.total", "before": "\"12\"", "details": {"a": "b"}}],
        "error": {"code": "InvalidJson", "details": null}, "usedFallback": true}}]);
    answers(&server, GET, "/api/jobs/j/reports", "", report);
    let reports = client.get_api_jobs_jobid_reports("j", Default::default()).await.unwrap();
    let report = reports[0].report.as_ref().unwrap();
    assert_eq!(report.repairs.as_ref().unwrap()[0].code.as_deref(), Some("TypeCoercion"));
    assert_eq!((report.used_fallback, report.error.as_ref().unwrap().details.is_none()), (Some(true), true));
}

#[tokio::test]
async fn jobs_are_listed_read_and_followed() {
    let (server, client) = server().await;
    let list = mock(&server, GET, "/api/jobs", "organization=o&skip=90&perPage=100", None, |when, then| {
        when.header("x-organization-id", "org");
        then.status(200).json_body(json!({"totalCount": 91, "items": [job("completed")]}));
    });
    let options = GetApiJobsOptions::default().x_organization_id("org").organization("o").skip(90).per_page(100);
    assert_eq!(client.get_api_jobs(options).await.unwrap().items.as_ref().unwrap().len(), 1);
    list.assert();
    let mut status = job("running");
    status["timeoutSeconds"] = json!(3600);
    answers(&server, GET, "/api/jobs/j/status", "", status);
    let status = client.get_api_jobs_jobid_status("j", Default::default()).await.unwrap();
    assert_eq!((status.timeout_seconds, status.status.clone()), (Some(3600), Some(types::JobStatus::Running)));
    mock(&server, GET, "/api/jobs/j/stream", "", None, |when, then| {
        when.header("accept", "text/event-stream");
        let body = "event: error\ndata: {\"code\":\"JobTimeout\",\"message\":\"m\"}\n\n";
        then.status(200).header("content-type", "text/event-stream").body(body);
    });
    let mut events = client.job_events("j", Default::default()).await.unwrap();
    let JobEvent::Error(error) = events.next().await.unwrap().unwrap() else { panic!("no error") };
    assert!(error.is(consign_numind::JOB_TIMEOUT));
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn an_extraction_needs_no_project_and_as_many_files_as_examples() {
    let (server, client) = server().await;
    let parts = &[
        "name=\"request\"",
        "application/json",
        "\"schema\":{\"city\":\"string\"}",
        "\"maxOutputTokens\":\"4096\"",
        "name=\"document\"; filename=\"a.txt\"",
        "Nice",
        "name=\"exampleFiles\"; filename=\"b.txt\"",
        "Gênes",
        "--",
    ];
    let submit = takes_form(&server, "/api/structured-extraction/jobs", "timeout=10m", parts, started());
    let settings = types::ExtractionSettings::new().max_output_tokens("4096");
    let request = types::StructuredExtractionRequest::new(json!({"city": "string"}))
        .instructions("In French.")
        .settings(settings)
        .examples(vec![types::ExtractionExample::new(json!({"city": "Gênes"}))]);
    let document = || Part::bytes("Nice").file_name("a.txt");
    let form = request.form(document(), [Part::bytes("Gênes").file_name("b.txt")]).unwrap();
    let options = PostApiStructuredExtractionJobsOptions::default().timeout("10m");
    assert!(client.post_api_structured_extraction_jobs(form, options).await.unwrap().job_id.is_some());
    submit.assert();
    let error = request.form(document(), []).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.to_string().contains("exampleFiles"), "{error}");
}

#[tokio::test]
async fn every_setting_of_a_submission_is_sent_as_text() {
    let (server, client) = server().await;
    const QUERY: &str = "temperature=1.5&maxOutputTokens=Unlimited&maxExampleTokenNumber=0&maxExampleNumber=0&minExampleSimilarity=0.5&enableThinking=false&thinkingTokenBudget=64&loopDetection=true&randomSeed=random&imageWidth=original&timeout=5m";
    let with_dpi: &'static str = format!("dpi=automatic&{QUERY}").leak();
    let options = PostApiStructuredExtractionStructuredprojectidJobsOptions::default()
        .dpi("automatic")
        .temperature(1.5)
        .max_output_tokens("Unlimited")
        .max_example_token_number(0)
        .max_example_number("0")
        .min_example_similarity(0.5)
        .enable_thinking(false)
        .thinking_token_budget("64")
        .loop_detection(true)
        .random_seed("random")
        .image_width("original")
        .timeout("5m");
    let bytes = takes_bytes(&server, "/api/structured-extraction/p/jobs", with_dpi, b"%PDF", started());
    client.post_api_structured_extraction_structuredprojectid_jobs("p", "%PDF", options.clone()).await.unwrap();
    bytes.assert();
    let parts = &["name=\"file\"; filename=\"a.pdf\"", "%PDF"];
    let form = takes_form(&server, "/api/structured-extraction/q/jobs", with_dpi, parts, started());
    client.submit_file("q", Part::bytes("%PDF").file_name("a.pdf"), options).await.unwrap();
    form.assert();

    let text = takes(&server, POST, "/api/structured-extraction/p/jobs/text", QUERY, json!({"text": "t"}), started());
    let mut options =
        PostApiStructuredExtractionStructuredprojectidJobsTextOptions::default().temperature(1.5).timeout("5m");
    (options.max_output_tokens, options.max_example_number) = (Some("Unlimited".into()), Some("0".into()));
    (options.max_example_token_number, options.min_example_similarity) = (Some(0), Some(0.5));
    (options.enable_thinking, options.loop_detection) = (Some(false), Some(true));
    (options.thinking_token_budget, options.random_seed) = (Some("64".into()), Some("random".into()));
    options.image_width = Some("original".into());
    let body = types::TextRequest::new("t");
    client.post_api_structured_extraction_structuredprojectid_jobs_text("p", &body, options).await.unwrap();
    text.assert();
    let document = answers(&server, POST, "/api/structured-extraction/p/jobs/document/d", "imageWidth=512", started());
    let options =
        PostApiStructuredExtractionStructuredprojectidJobsDocumentDocumentidOptions::default().image_width("512");
    client
        .post_api_structured_extraction_structuredprojectid_jobs_document_documentid("p", "d", options)
        .await
        .unwrap();
    document.assert();
}

#[tokio::test]
async fn templates_and_markdown_are_submitted() {
    let (server, client) = server().await;
    let query = "rasterizationDPI=200&enableThinking=true&timeout=1m";
    let bytes = takes_bytes(&server, "/api/template-generation/jobs", query, b"PK", started());
    let options =
        PostApiTemplateGenerationJobsOptions::default().rasterization_dpi("200").enable_thinking(true).timeout("1m");
    client.post_api_template_generation_jobs("PK", options).await.unwrap();
    bytes.assert();
    takes(&server, POST, "/api/template-generation/jobs/text", "", json!({"description": "d"}), started());
    let body = types::TemplateRequest::new("d");
    client.post_api_template_generation_jobs_text(&body, Default::default()).await.unwrap();
    answers(&server, POST, "/api/template-generation/jobs/document/d", "", started());
    client.post_api_template_generation_jobs_document_documentid("d", Default::default()).await.unwrap();
    let query = "projectId=c&temperature=2&rasterizationDPI=600&maxOutputTokens=9&randomSeed=-1&timeout=1m";
    let form = takes_form(&server, "/api/content-extraction/jobs", query, &["name=\"file\"", "PNG"], started());
    let options = PostApiContentExtractionJobsOptions::default()
        .project_id("c")
        .temperature(2.0)
        .rasterization_dpi("600")
        .max_output_tokens("9")
        .random_seed("-1")
        .timeout("1m");
    let file = consign_numind::file_form(Part::bytes("PNG").file_name("a.png"));
    client.post_api_content_extraction_jobs(file, options).await.unwrap();
    form.assert();
    answers(&server, POST, "/api/content-extraction/c/jobs/document/d", "timeout=1m", started());
    let options = PostApiContentExtractionContentprojectidJobsDocumentDocumentidOptions::default().timeout("1m");
    client.post_api_content_extraction_contentprojectid_jobs_document_documentid("c", "d", options).await.unwrap();
}

#[tokio::test]
async fn typed_results_have_the_newer_members() {
    let (server, client) = server().await;
    let mut result = extraction();
    result["outputTokenProbability"] = json!(0.974);
    result["randomSeed"] = json!(i64::MAX);
    result["isTruncated"] = json!(true);
    result["selectedExamples"] = json!([{"exampleName": "n", "tokensCount": 3, "similarity": null}]);
    mock(&server, GET, "/api/structured-extraction/jobs/j", "", None, |_, then| {
        drop(then.status(206).json_body(result))
    });
    let reply =
        client.get_api_structured_extraction_jobs_structuredextractionjobid("j", Default::default()).await.unwrap();
    assert_eq!((reply.status().as_u16(), reply.is_truncated), (206, Some(true)));
    assert_eq!((reply.output_token_probability, reply.random_seed), (Some(0.974), Some(i64::MAX)));
    assert_eq!(reply.selected_examples.as_ref().unwrap()[0].tokens_count, Some(3));
    answers(&server, GET, "/api/template-generation/jobs/t", "", json!({"result": {"a": "string"}}));
    let reply = client.get_api_template_generation_jobs_templatejobid("t", Default::default()).await.unwrap();
    assert_eq!(reply.result, Some(json!({"a": "string"})));
    answers(&server, GET, "/api/content-extraction/jobs/m", "", json!({"result": "# T", "isTruncated": false}));
    let reply = client.get_api_content_extraction_jobs_contentextractionjobid("m", Default::default()).await.unwrap();
    assert_eq!((reply.result.as_deref(), reply.is_truncated), (Some("# T"), Some(false)));
}

#[tokio::test]
async fn projects_have_instructions_and_settings_of_both_forms() {
    let (server, client) = server().await;
    let wanted = json!({"name": "n", "description": "", "template": {"a": "string"}, "instructions": ""});
    let create = takes(&server, POST, "/api/structured-extraction", "", wanted, project());
    let body = types::CreateStructuredProjectRequest::new("n", "", json!({"a": "string"}), "");
    let reply = client.post_api_structured_extraction(&body, Default::default()).await.unwrap();
    create.assert();
    let settings = reply.settings.as_ref().unwrap();
    assert_eq!(settings.image_width, Some(types::Setting::Number(1024)));
    assert_eq!(settings.max_output_tokens, Some(types::Setting::Text("4096".to_owned())));
    answers(&server, GET, "/api/structured-extraction", "", json!([project(), project()]));
    assert_eq!(client.get_api_structured_extraction(Default::default()).await.unwrap().len(), 2);
    answers(&server, GET, "/api/structured-extraction/p", "", project());
    client.get_api_structured_extraction_structuredprojectid("p", Default::default()).await.unwrap();
    let patch =
        takes(&server, PATCH, "/api/structured-extraction/p", "", json!({"instructions": "Sois bref."}), project());
    let body = types::UpdateStructuredProjectRequest::new().instructions("Sois bref.");
    client.patch_api_structured_extraction_structuredprojectid("p", &body, Default::default()).await.unwrap();
    patch.assert();
    let wanted = json!({"rasterizationDPI": 200, "imageWidth": "automatic", "enableThinking": false});
    let patch = takes(&server, PATCH, "/api/structured-extraction/p/settings", "", wanted, project());
    let body =
        types::StructuredSettingsPatch::new().rasterization_dpi(200).image_width("automatic").enable_thinking(false);
    client.patch_api_structured_extraction_structuredprojectid_settings("p", &body, Default::default()).await.unwrap();
    patch.assert();
    answers(&server, POST, "/api/structured-extraction/p/reset-settings", "", project());
    client.post_api_structured_extraction_structuredprojectid_reset_settings("p", Default::default()).await.unwrap();
    let delete = mock(&server, DELETE, "/api/structured-extraction/p", "", None, |_, then| drop(then.status(200)));
    client.delete_api_structured_extraction_structuredprojectid("p", Default::default()).await.unwrap();
    delete.assert();
}

#[tokio::test]
async fn examples_are_listed_added_read_replaced_and_deleted() {
    let (server, client) = server().await;
    const ALL: &str = "/api/structured-extraction/p/examples";
    const ONE: &str = "/api/structured-extraction/p/examples/e";
    let example = json!({"id": "e", "result": {"type": "string", "information": "x", "error": "does not fit"}});
    answers(&server, GET, ALL, "skip=0&perPage=10", json!({"items": [example]}));
    let options = GetApiStructuredExtractionStructuredprojectidExamplesOptions::default().skip(0).per_page(10);
    let page = client.get_api_structured_extraction_structuredprojectid_examples("p", options).await.unwrap();
    let Some(types::InformationResponse::String(bad)) = &page.items.as_ref().unwrap()[0].result else { panic!() };
    assert_eq!(bad.error.as_deref(), Some("does not fit"));
    let body = types::CreateOrUpdateStructuredExampleRequest::new("d", json!({"a": 1}));
    takes(&server, POST, ALL, "", json!({"documentId": "d", "result": {"a": 1}}), example.clone());
    client.post_api_structured_extraction_structuredprojectid_examples("p", &body, Default::default()).await.unwrap();
    answers(&server, GET, ONE, "", example.clone());
    client
        .get_api_structured_extraction_structuredprojectid_examples_structuredexampleid("p", "e", Default::default())
        .await
        .unwrap();
    takes(&server, PUT, ONE, "", json!({"documentId": "d", "result": {"a": 1}}), example);
    client
        .put_api_structured_extraction_structuredprojectid_examples_structuredexampleid(
            "p",
            "e",
            &body,
            Default::default(),
        )
        .await
        .unwrap();
    let delete = mock(&server, DELETE, ONE, "", None, |_, then| drop(then.status(200)));
    client
        .delete_api_structured_extraction_structuredprojectid_examples_structuredexampleid("p", "e", Default::default())
        .await
        .unwrap();
    delete.assert();
}

#[tokio::test]
async fn files_documents_and_the_service_itself_are_reached() {
    let (server, client) = server().await;
    let upload = mock(&server, POST, "/api/files", "", None, |when, then| {
        when.header("x-file-name", "a b.pdf").header("x-organization-id", "org");
        then.status(200).json_body(json!({"fileId": "f"}));
    });
    let options = PostApiFilesOptions::default().x_organization_id("org");
    client.post_api_files("a b.pdf", "PDF", options).await.unwrap();
    upload.assert();
    answers(&server, GET, "/api/files/f", "", json!({"fileId": "f"}));
    client.get_api_files_fileid("f", Default::default()).await.unwrap();
    let document = json!({"docInfo": {"type": "image", "documentId": "d", "partCount": 2, "dpi": 600}});
    let wanted = json!({"rasterizationDPI": "automatic", "tokenBudgetType": "all-pages", "imageWidth": "automatic"});
    takes(&server, POST, "/api/files/f/convert-to-document", "", wanted, document.clone());
    let body = types::ConvertRequest::new("automatic", types::TokenBudget::AllPages).image_width("automatic");
    let reply = client.post_api_files_fileid_convert_to_document("f", &body, Default::default()).await.unwrap();
    let Some(types::DocumentInfo::Image(image)) = &reply.doc_info else { panic!("{:?}", reply.doc_info) };
    assert_eq!((image.part_count, image.dpi), (Some(2), Some(600)));
    takes(&server, POST, "/api/documents/text", "", json!({"text": "t"}), document.clone());
    client.post_api_documents_text(&types::TextRequest::new("t"), Default::default()).await.unwrap();
    answers(&server, GET, "/api/documents/d", "", document);
    client.get_api_documents_documentid("d", Default::default()).await.unwrap();
    for path in ["/api/files/f/content", "/api/documents/d/parts/1/image"] {
        mock(&server, GET, path, "", None, |_, then| drop(then.status(200).body("bytes")));
    }
    let content = client.get_api_files_fileid_content("f", Default::default()).await.unwrap().into_value();
    assert_eq!(&content.collect(9).await.unwrap()[..], b"bytes");
    let page = client.get_api_documents_documentid_parts_partindex_image("d", 1, Default::default()).await.unwrap();
    assert_eq!(&page.into_value().collect(9).await.unwrap()[..], b"bytes");

    mock(&server, GET, "/api/ping", "", None, |_, then| drop(then.status(200).body("pong")));
    assert_eq!(&client.get_api_ping(Default::default()).await.unwrap()[..], b"pong");
    answers(&server, GET, "/api/health", "", json!({"services": null}));
    assert_eq!(client.get_api_health(Default::default()).await.unwrap().services, None);
    answers(&server, GET, "/api/version", "", json!({"name": "n"}));
    assert_eq!(client.get_api_version(Default::default()).await.unwrap().name.as_deref(), Some("n"));
    answers(&server, GET, "/api/inference-status", "", json!({"inference": {"running": 1, "waiting": 2}}));
    let load = client.get_api_inference_status(Default::default()).await.unwrap();
    assert_eq!(load.inference.as_ref().unwrap().waiting, Some(2));
}

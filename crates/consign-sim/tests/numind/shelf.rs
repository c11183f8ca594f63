//! Projects, examples, files and documents.
use consign_sim::NuMind;
use consign_sim::numind::Shape;
use serde_json::{Value, json};

use crate::common::*;

#[tokio::test(start_paused = true)]
async fn a_project_shows_its_settings_as_the_generation_of_its_maker_does() {
    let sim = NuMind::new();
    let older = project(&sim, &json!({"a": "string"})).await;
    let body = json!({"name": "n", "description": "", "template": {"a": "date"}, "instructions": ""});
    let newer = tell(&sim, "POST /api/structured-extraction", &body).await.ok();
    let shown = ask(&sim, &format!("GET /api/structured-extraction/{older}")).await.ok();
    assert_eq!([&shown["settings"]["maxOutputTokens"], &shown["settings"]["maxExampleNumber"]], [0, 5]);
    assert_eq!(shown["settings"].get("imageWidth"), None);
    assert_eq!(newer["settings"]["maxOutputTokens"], "Unlimited");
    assert_eq!(newer["settings"]["imageWidth"], "automatic");
    let settings = format!("PATCH /api/structured-extraction/{older}/settings");
    let patched =
        tell(&sim, &settings, &json!({"temperature": 0.7, "maxOutputTokens": 600, "degradedMode": "Accept"})).await;
    assert_eq!(
        [&patched.ok()["settings"]["temperature"], &patched.ok()["settings"]["maxOutputTokens"]],
        [&json!(0.7), &json!(600)]
    );
    assert_eq!(
        tell(&sim, &settings, &json!({"temperature": 2.5})).await.text(),
        "Invalid value for: body (temperature)"
    );
    let reset = ask(&sim, &format!("POST /api/structured-extraction/{older}/reset-settings")).await.ok();
    assert_eq!(reset["settings"]["temperature"], 0.0);
}

#[tokio::test(start_paused = true)]
async fn projects_are_listed_changed_and_deleted_and_jobs_keep_their_template() {
    let sim = NuMind::new();
    let id = project(&sim, &json!({"city": "string"})).await;
    let text = format!("POST /api/structured-extraction/{id}/jobs/text");
    let job = tell(&sim, &text, &json!({"text": "City: Bern"})).await.job_id();
    let change = json!({"name": "other", "template": {"town": "string"}});
    let changed = tell(&sim, &format!("PATCH /api/structured-extraction/{id}"), &change).await.ok();
    assert_eq!([&changed["name"], &changed["template"]], [&json!("other"), &json!({"town": "string"})]);
    assert_eq!(ask(&sim, "GET /api/structured-extraction?reference=false").await.ok().as_array().unwrap().len(), 1);
    assert_eq!(sim.projects(), [(id.clone(), "other".to_owned())]);
    let gone = ask(&sim, &format!("DELETE /api/structured-extraction/{id}")).await;
    assert_eq!((gone.status, gone.body.len()), (200, 0));
    assert_eq!(tell(&sim, &text, &json!({"text": "x"})).await.refusal(), (404, "ProjectNotFound".to_owned()));
    pause(60.0).await;
    let typed = ask(&sim, &format!("GET /api/structured-extraction/jobs/{job}")).await.ok();
    assert_eq!(typed["result"], json!({"city": "Bern"}));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_template_makes_no_project() {
    let sim = NuMind::new();
    let create = async |body: Value| tell(&sim, "POST /api/structured-extraction", &body).await;
    let schema = json!({"type": "object", "properties": {}});
    let answer = create(json!({"name": "n", "description": "", "template": schema})).await;
    assert_eq!(answer.refusal(), (400, "InvalidTemplate".to_owned()));
    let answer = create(json!({"name": "n", "template": {"a": "string"}})).await;
    assert_eq!(answer.text(), "Invalid value for: body (missing description)");
    let answer = send(&sim, "POST /api/structured-extraction", &[("content-type", "application/json")], "{").await;
    assert!(answer.status == 400 && answer.text().starts_with("Invalid value for: body ("));
    let answer = send(&sim, "POST /api/structured-extraction", &[("content-type", "text/plain")], "{}").await;
    assert_eq!(answer.refusal(), (415, "UnsupportedMediaType".to_owned()));
    assert_eq!(sim.projects(), []);
}

#[tokio::test(start_paused = true)]
async fn examples_are_kept_with_their_documents_and_named_in_results() {
    let sim = NuMind::new();
    let id = project(&sim, &json!({"city": "string"})).await;
    let document = tell(&sim, "POST /api/documents/text", &json!({"text": "Bern"})).await.ok();
    let document = &document["docInfo"]["documentId"];
    let base = format!("/api/structured-extraction/{id}/examples");
    let body = json!({"documentId": document, "result": {"city": "Bern"}});
    let example = tell(&sim, &format!("POST {base}"), &body).await.ok();
    assert_eq!(example["result"], json!({"type": "information", "information": {"city": "Bern"}}));
    let one = format!("{base}/{}", example["id"].as_str().unwrap());
    let changed = tell(&sim, &format!("PUT {one}"), &json!({"documentId": document, "result": {"city": 3}})).await.ok();
    assert_eq!([&changed["id"], &changed["result"]["type"]], [&example["id"], &json!("string")]);
    let page = ask(&sim, &format!("GET {base}?perPage=1")).await.ok();
    assert_eq!([&page["totalCount"], &page["items"][0]], [&json!(1), &changed]);
    let job =
        tell(&sim, &format!("POST /api/structured-extraction/{id}/jobs/text"), &json!({"text": "x"})).await.job_id();
    pause(15.0 * 86_400.0).await;
    let typed = ask(&sim, &format!("GET /api/structured-extraction/jobs/{job}")).await.ok();
    assert_eq!(typed["selectedExamples"][0]["exampleId"], example["id"]);
    // Two weeks later the document of the example is still there, that of the job is not.
    let get = async |id: &Value| ask(&sim, &format!("GET /api/documents/{}", id.as_str().unwrap())).await.status;
    assert_eq!(get(document).await, 200);
    assert_eq!(get(&typed["documentInfo"]["documentId"]).await, 404);
    assert_eq!(ask(&sim, &format!("DELETE {one}")).await.status, 200);
    assert_eq!(ask(&sim, &format!("GET {one}")).await.refusal(), (404, "ExampleNotFound".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn files_become_documents_and_give_their_bytes_back() {
    let sim = NuMind::new();
    let octets = ("content-type", "application/octet-stream");
    let upload = async |name: &[u8], bytes: &'static [u8]| {
        let request = http::Request::post(format!("{}/api/files", NuMind::URL)).header("authorization", "Bearer k");
        let request = request.header("x-file-name", name).header("content-type", "application/octet-stream");
        let response = sim.handle(request.body(bytes.into()).unwrap()).await.unwrap();
        serde_json::from_slice::<Value>(response.body()).unwrap()
    };
    let file = upload(b"a b.pdf", b"%PDF-1.7 \xff").await;
    assert_eq!([&file["fileName"], &file["contentType"]], ["a b.pdf", "application/pdf"]);
    assert_eq!(upload("é.pdf".as_bytes(), b"%PDF").await["fileName"], "é.pdf");
    assert_eq!(upload(b"\xe9.pdf", b"%PDF").await["fileName"], "é.pdf");
    let id = file["fileId"].as_str().unwrap();
    let content = ask(&sim, &format!("GET /api/files/{id}/content")).await;
    assert_eq!((&content.body[..], content.header("content-type")), (&b"%PDF-1.7 \xff"[..], "application/pdf"));
    let convert = format!("POST /api/files/{id}/convert-to-document");
    let document = tell(&sim, &convert, &json!({"rasterizationDPI": 300})).await.ok();
    assert_eq!([&document["docInfo"]["type"], &document["docInfo"]["dpi"]], [&json!("image"), &json!(300)]);
    let newer = json!({"rasterizationDPI": "automatic", "tokenBudgetType": "all-pages", "imageWidth": "automatic"});
    let document = tell(&sim, &convert, &newer).await.ok();
    assert_eq!(document["docInfo"]["partCount"], 1);
    let pages = format!("GET /api/documents/{}/parts", document["docInfo"]["documentId"].as_str().unwrap());
    assert!(ask(&sim, &format!("{pages}/0/image")).await.body.starts_with(b"\x89PNG"));
    assert_eq!(ask(&sim, &format!("{pages}/1/image")).await.refusal(), (404, "PartNotFound".to_owned()));
    assert_eq!(tell(&sim, &convert, &json!({"rasterizationDPI": 0})).await.status, 400);
    let nameless = send(&sim, "POST /api/files", &[octets], "x").await;
    assert_eq!(nameless.text(), "Invalid value for: header x-file-name");
    assert_eq!(ask(&sim, "GET /api/files/none").await.refusal(), (404, "FileNotFound".to_owned()));
    // A format that nobody reads is accepted, and the job fails.
    let project = project(&sim, &json!({"a": "string"})).await;
    let job = send(&sim, &format!("POST /api/structured-extraction/{project}/jobs"), &[octets], &b"\x01\x02"[..]).await;
    pause(60.0).await;
    assert_eq!(record(&sim, &job.job_id()).await["errorCode"], "UnsupportedFormat");
}

#[tokio::test(start_paused = true)]
async fn extraction_without_a_project_counts_its_examples_and_checks_them() {
    let sim = NuMind::builder().shape(Shape::V0_4).build();
    let extract = async |request: &Value, files: usize| {
        let request = request.to_string();
        let mut parts = vec![("request", None, request.as_bytes()), ("document", Some("document"), &b"City: Bern"[..])];
        parts.extend(std::iter::repeat_n(("exampleFiles", Some("e"), &b"x"[..]), files));
        let (content_type, body) = form(&parts);
        send(&sim, "POST /api/structured-extraction/jobs?timeout=10m", &[("content-type", content_type)], body).await
    };
    let schema = json!({"city": "string"});
    let one = json!([{"result": {"city": null}}]);
    let id = extract(&json!({"schema": schema, "examples": one}), 1).await.job_id();
    pause(60.0).await;
    let typed = ask(&sim, &format!("GET /api/structured-extraction/jobs/{id}")).await.ok();
    assert_eq!((&typed["result"], typed["selectedExamples"].as_array().unwrap().len()), (&json!({"city": "Bern"}), 1));
    let code = async |request: Value, files| extract(&request, files).await.refusal();
    let refused = |code: &str| (400, code.to_owned());
    assert_eq!(code(json!({"schema": schema, "examples": one}), 0).await, refused("ExampleCountMismatch"));
    let unfit = json!([{"result": {"town": "Bern"}}]);
    assert_eq!(code(json!({"schema": schema, "examples": unfit}), 1).await, refused("InvalidExample"));
    assert_eq!(code(json!({"schema": {"a": 1}}), 0).await, refused("InvalidTemplate"));
    let settings = json!({"maxOutputTokens": 500});
    assert_eq!(code(json!({"schema": schema, "settings": settings}), 0).await, refused("InvalidSettings"));
}

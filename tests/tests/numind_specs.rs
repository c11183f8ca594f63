//! NuMind's specs: which values are refused, which request each becomes, and what is stored of them.
use std::time::Duration;

use consign::numind::{
    Api, ContentExtraction, Dpi, File, ImageWidth, Input, Limit, NuMindBuilder, Seed, Settings, Spec,
    StructuredExtraction, Template, TemplateGeneration, Upload,
};
use consign::{Delivery, ErrorKind, Jobs, Violations};
use consign_tests::numind::{Asked, jobs, json, provider};
use serde_json::{Value, json as value};

fn list(violations: &Violations) -> Vec<(String, String, String)> {
    violations.iter().map(|v| (v.member.clone(), v.value.clone(), v.allowed.clone())).collect()
}

/// What is wrong with settings of an extraction from a file.
fn wrong(settings: Settings) -> Vec<(String, String, String)> {
    let spec = StructuredExtraction::in_project("p", File::new("%PDF")).settings(settings);
    spec.validate().map_or_else(|error| list(error.violations()), |()| Vec::new())
}

/// What is wrong with a spec for a server of version 0.2, which is found before anything is sent.
async fn wrong_for_old(spec: impl Into<Spec>) -> Vec<String> {
    let (numind, ledger) = provider(|builder| builder.api(Api::V0_2), |_| json(&value!({"jobId": "a", "id": "p"})));
    let sent = Jobs::new(numind).submit(spec).await;
    let Err(error) = sent else { return Vec::new() };
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidRequest, Delivery::NotSent));
    assert!(ledger.all().is_empty());
    error.violations().iter().map(|v| v.member.clone()).collect()
}

/// The requests that a spec becomes.
async fn sent_by(set: impl FnOnce(NuMindBuilder) -> NuMindBuilder, spec: impl Into<Spec>) -> Vec<Asked> {
    let (numind, ledger) = provider(set, |asked| match asked.line.as_str() {
        "POST /api/structured-extraction" => json(&value!({"id": "made"})),
        "POST /api/files" => json(&value!({"fileId": "f"})),
        line if line.starts_with("POST /api/documents") || line.ends_with("/convert-to-document") => {
            json(&value!({"docInfo": {"type": "text", "documentId": "d"}}))
        }
        _ => json(&value!({"jobId": "a"})),
    });
    Jobs::new(numind).submit(spec).await.unwrap();
    ledger.all()
}

async fn sent(spec: impl Into<Spec>) -> Asked {
    sent_by(|builder| builder, spec).await.remove(0)
}

fn template() -> Template {
    Template::new(value!({"total": "number"}))
}

#[test]
fn every_setting_takes_its_range_and_refuses_what_is_below_above_or_no_number() {
    let good = [
        Settings::new().temperature(0.0),
        Settings::new().temperature(2.0),
        Settings::new().rasterization_dpi(1),
        Settings::new().rasterization_dpi(600),
        Settings::new().rasterization_dpi(Dpi::Automatic),
        Settings::new().max_output_tokens(1),
        Settings::new().max_output_tokens(Limit::Unlimited),
        Settings::new().max_example_token_number(0),
        Settings::new().max_example_token_number(130_000),
        Settings::new().max_example_number(0),
        Settings::new().min_example_similarity(1.0),
        Settings::new().thinking_token_budget(u64::MAX),
        Settings::new().random_seed(i64::MIN),
        Settings::new().image_width(1),
        Settings::new().timeout(Duration::from_millis(1)),
    ];
    for settings in good {
        assert_eq!(wrong(settings.clone()), [], "{settings:?}");
    }
    let bad = [
        (Settings::new().temperature(2.01), "temperature", "2.01", "0..=2"),
        (Settings::new().temperature(-0.1), "temperature", "-0.1", "0..=2"),
        (Settings::new().temperature(f64::NAN), "temperature", "NaN", "0..=2"),
        (Settings::new().min_example_similarity(1.1), "minExampleSimilarity", "1.1", "0..=1"),
        (Settings::new().min_example_similarity(f64::INFINITY), "minExampleSimilarity", "inf", "0..=1"),
        (Settings::new().rasterization_dpi(0), "rasterizationDPI", "0", "1..=600"),
        (Settings::new().rasterization_dpi(601), "rasterizationDPI", "601", "1..=600"),
        (Settings::new().max_output_tokens(0), "maxOutputTokens", "0", "1 or more, or Limit::Unlimited"),
        (Settings::new().thinking_token_budget(0), "thinkingTokenBudget", "0", "1 or more, or Limit::Unlimited"),
        (Settings::new().max_example_token_number(-1), "maxExampleTokenNumber", "-1", "0..=130000"),
        (Settings::new().max_example_token_number(130_001), "maxExampleTokenNumber", "130001", "0..=130000"),
        (Settings::new().image_width(0), "imageWidth", "0", "1 or more"),
        (Settings::new().timeout(Duration::ZERO), "timeout", "0ns", "1 ms or more"),
    ];
    for (settings, member, given, allowed) in bad {
        assert_eq!(wrong(settings), [(member.to_owned(), given.to_owned(), allowed.to_owned())]);
    }
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once_and_nothing_is_sent() {
    let (jobs, ledger) = jobs(|_| json(&value!({"jobId": "a"})));
    let spec = StructuredExtraction::in_project("..", " ")
        .instructions("short")
        .example("", value!([1]))
        .with_settings(|s| s.temperature(9.0).rasterization_dpi(170).image_width(0));
    let error = jobs.submit(&spec).await.unwrap_err();
    let members: Vec<&str> = error.violations().iter().map(|v| v.member.as_str()).collect();
    let expected = [
        "input",
        "project",
        "instructions",
        "examples",
        "examples[0].input",
        "examples[0].result",
        "temperature",
        "imageWidth",
        "rasterizationDPI",
    ];
    assert_eq!(members, expected);
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(ledger.all().is_empty());
}

#[test]
fn inputs_and_templates_that_say_nothing_are_refused() {
    let wrong = |spec: StructuredExtraction| list(spec.validate().unwrap_err().violations()).remove(0).0;
    assert_eq!(wrong(StructuredExtraction::in_project("p", File::new(""))), "input");
    assert_eq!(wrong(StructuredExtraction::in_project("p", Input::document("."))), "input");
    assert_eq!(wrong(StructuredExtraction::in_project("p", File::new("a").media_type("pdf"))), "input.mediaType");
    for empty in [value!({}), value!([]), value!("string"), Value::Null] {
        assert_eq!(wrong(StructuredExtraction::with_template(empty, "text")), "template");
    }
    let error = ContentExtraction::new(Input::document("d")).validate().unwrap_err();
    assert_eq!(list(error.violations())[0].0, "project");
    let settings = Settings::new().temperature(0.5);
    let error = TemplateGeneration::new("an invoice").settings(settings).validate().unwrap_err();
    assert_eq!(list(error.violations())[0].2, "not taken for a template from this input");
}

#[tokio::test]
async fn servers_of_version_0_2_have_narrower_ranges_and_fewer_settings() {
    let file = || StructuredExtraction::in_project("p", File::new("%PDF"));
    let cases: [(Settings, &str); 10] = [
        (Settings::new().temperature(1.5), "temperature"),
        (Settings::new().rasterization_dpi(301), "rasterizationDPI"),
        (Settings::new().rasterization_dpi(Dpi::Automatic), "rasterizationDPI"),
        (Settings::new().max_example_number(0), "maxExampleNumber"),
        (Settings::new().enable_thinking(true), "enableThinking"),
        (Settings::new().thinking_token_budget(5), "thinkingTokenBudget"),
        (Settings::new().loop_detection(true), "loopDetection"),
        (Settings::new().random_seed(Seed::Random), "randomSeed"),
        (Settings::new().image_width(ImageWidth::Original), "imageWidth"),
        (Settings::new().max_output_tokens(0), "maxOutputTokens"),
    ];
    for (settings, member) in cases {
        assert_eq!(wrong_for_old(file().settings(settings)).await, [member]);
    }
    let words = StructuredExtraction::with_template(template(), "text").instructions("short");
    assert_eq!(wrong_for_old(words).await, ["instructions"]);
    assert_eq!(wrong_for_old(ContentExtraction::new(File::new("%PDF")).project("p")).await, ["project"]);
    assert_eq!(wrong_for_old(file().settings(Settings::new().temperature(1.0).rasterization_dpi(300))).await, [""; 0]);
}

#[tokio::test]
async fn each_kind_of_input_has_its_request() {
    let all = Settings::new()
        .temperature(0.5)
        .max_output_tokens(Limit::Unlimited)
        .max_example_token_number(1000)
        .max_example_number(0)
        .min_example_similarity(0.25)
        .enable_thinking(true)
        .thinking_token_budget(2000)
        .loop_detection(false)
        .random_seed(-7)
        .image_width(ImageWidth::Automatic)
        .timeout(Duration::from_millis(90_500));
    let query = "temperature=0.5&maxOutputTokens=Unlimited&maxExampleTokenNumber=1000&maxExampleNumber=0\
        &minExampleSimilarity=0.25&enableThinking=true&thinkingTokenBudget=2000&loopDetection=false&randomSeed=-7\
        &imageWidth=automatic&timeout=90500ms";

    let text = sent(StructuredExtraction::in_project("p/1", "Zürich").settings(all.clone())).await;
    assert_eq!(text.line, format!("POST /api/structured-extraction/p%2F1/jobs/text?{query}"));
    assert_eq!(text.json(), value!({"text": "Zürich"}));

    let document = sent(StructuredExtraction::in_project("p", Input::document("d")).settings(all.clone())).await;
    assert_eq!(document.line, format!("POST /api/structured-extraction/p/jobs/document/d?{query}"));
    assert!(document.body.is_empty());

    let file = File::new("%PDF-1.7").name("Rechnung März.pdf");
    let file = sent(StructuredExtraction::in_project("p", file).settings(all.rasterization_dpi(Dpi::Automatic))).await;
    assert_eq!(file.line, format!("POST /api/structured-extraction/p/jobs?dpi=automatic&{query}"));
    assert!(file.media.starts_with("multipart/form-data"));
    for part in ["name=\"file\"; filename=\"Rechnung_M_rz.pdf\"", "application/pdf", "%PDF-1.7"] {
        assert!(file.text().contains(part), "{}", file.text());
    }

    let markdown = ContentExtraction::new("# A").project("p").with_settings(|s| s.rasterization_dpi(300));
    let markdown = sent(markdown).await;
    assert_eq!(markdown.line, "POST /api/content-extraction/jobs?projectId=p&rasterizationDPI=300");
    assert!(markdown.text().contains("filename=\"file.txt\"") && markdown.text().contains("text/plain"));
    let markdown = ContentExtraction::new(Input::document("d")).project("p");
    let markdown = sent(markdown.with_settings(|s| s.timeout(Duration::from_secs(60)))).await;
    assert_eq!(markdown.line, "POST /api/content-extraction/p/jobs/document/d?timeout=60s");

    let template = sent(TemplateGeneration::new("an invoice").with_settings(|s| s.enable_thinking(true))).await;
    assert_eq!(template.line, "POST /api/template-generation/jobs/text?enableThinking=true");
    assert_eq!(template.json(), value!({"description": "an invoice"}));
    let template = sent(TemplateGeneration::new(File::new("x").name("a.pdf"))).await;
    assert_eq!((template.line.as_str(), &template.body[..]), ("POST /api/template-generation/jobs", &b"x"[..]));
    assert_eq!(template.media, "application/octet-stream");
    let template = sent(TemplateGeneration::new(Input::document("d"))).await;
    assert_eq!(template.line, "POST /api/template-generation/jobs/document/d");
}

#[tokio::test]
async fn a_file_goes_bare_or_as_a_form() {
    let spec = StructuredExtraction::in_project("p", File::new("%PDF-1.7").name("a.pdf"));
    type Set = fn(NuMindBuilder) -> NuMindBuilder;
    let forms: [(Set, bool); 4] = [
        (|b| b, true),
        (|b| b.api(Api::V0_2), false),
        (|b| b.upload(Upload::Bare), false),
        (|b| b.api(Api::V0_2).upload(Upload::Form), true),
    ];
    for (set, as_form) in forms {
        let asked = sent_by(set, &spec).await.remove(0);
        assert_eq!(asked.media.starts_with("multipart/form-data"), as_form);
        assert_eq!(asked.media == "application/octet-stream" && asked.body == "%PDF-1.7", !as_form);
    }
}

#[tokio::test]
async fn a_server_that_turns_out_to_be_old_gets_files_as_old_ones_take_them() {
    let (jobs, ledger) = jobs(|asked| match asked.line.as_str() {
        "POST /api/structured-extraction/jobs" => (405, "text/plain", "Method not allowed".to_owned()),
        "POST /api/structured-extraction" => json(&value!({"id": "made"})),
        _ => json(&value!({"jobId": "a"})),
    });
    let spec = StructuredExtraction::with_template(template(), File::new("%PDF-1.7").name("a.pdf"));
    jobs.submit(&spec).await.unwrap();
    let last = ledger.all().pop().unwrap();
    assert_eq!(
        (last.line.as_str(), last.media.as_str()),
        ("POST /api/structured-extraction/made/jobs", "application/octet-stream")
    );
}

#[tokio::test]
async fn no_limit_is_a_word_to_servers_of_today_and_a_zero_to_older_ones() {
    let spec = StructuredExtraction::in_project("p", "text").with_settings(|s| s.max_output_tokens(Limit::Unlimited));
    assert!(sent(&spec).await.line.ends_with("?maxOutputTokens=Unlimited"));
    let old = sent_by(|builder| builder.api(Api::V0_2), &spec).await.remove(0);
    assert!(old.line.ends_with("?maxOutputTokens=0"));
}

#[tokio::test]
async fn a_template_that_comes_along_is_one_request_with_its_examples() {
    let spec = StructuredExtraction::with_template(template(), File::new("%PDF").name("b.pdf"))
        .instructions("in euros")
        .example("2 euros", value!({"total": 2}))
        .example(File::new("PNG").media_type("image/png"), value!({"total": 3}))
        .with_settings(|s| s.rasterization_dpi(200).max_output_tokens(50).timeout(Duration::from_secs(600)));
    let all = sent_by(|builder| builder, &spec).await;
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].line, "POST /api/structured-extraction/jobs?timeout=600s");
    let body = all[0].text();
    let request = body.split("\r\n\r\n").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap();
    let expected = value!({
        "schema": {"total": "number"}, "instructions": "in euros",
        "settings": {"rasterizationDPI": "200", "maxOutputTokens": "50"},
        "examples": [{"result": {"total": 2}}, {"result": {"total": 3}}],
    });
    assert_eq!(serde_json::from_str::<Value>(request).unwrap(), expected);
    for part in
        ["name=\"document\"; filename=\"b.pdf\"", "filename=\"example-1.txt\"", "filename=\"example-2\"", "image/png"]
    {
        assert!(body.contains(part), "{part} in {body}");
    }
}

#[tokio::test]
async fn a_document_needs_a_project_which_gets_the_template_and_the_examples() {
    let spec = StructuredExtraction::with_template(template(), Input::document("d0"))
        .instructions("in euros")
        .example("2 euros", value!({"total": 2}))
        .example(File::new("PNG").name("b.png"), value!({"total": 3}))
        .example(Input::document("d2"), value!({"total": 4}));
    let all = sent_by(|builder| builder, &spec).await;
    let lines: Vec<&str> = all.iter().map(|asked| asked.line.as_str()).collect();
    let expected = [
        "POST /api/structured-extraction",
        "POST /api/documents/text",
        "POST /api/structured-extraction/made/examples",
        "POST /api/files",
        "POST /api/files/f/convert-to-document",
        "POST /api/structured-extraction/made/examples",
        "POST /api/structured-extraction/made/examples",
        "POST /api/structured-extraction/made/jobs/document/d0",
    ];
    assert_eq!(lines, expected);
    let project = all[0].json();
    assert_eq!((&project["template"], &project["instructions"]), (&value!({"total": "number"}), &value!("in euros")));
    assert!(project["name"].as_str().unwrap().starts_with("consign-temporary-"));
    assert_eq!(all[4].json(), value!({"rasterizationDPI": 170, "tokenBudgetType": "all-pages"}));
    assert_eq!(all[6].json(), value!({"documentId": "d2", "result": {"total": 4}}));
}

#[test]
fn a_spec_is_stored_and_read_back_as_it_was() {
    let file = File::new(&b"\x00\xff%PDF"[..]).name("Zürich.pdf").media_type("application/pdf");
    let settings = Settings::new()
        .temperature(0.3)
        .rasterization_dpi(Dpi::Automatic)
        .max_output_tokens(Limit::Unlimited)
        .max_example_number(3)
        .random_seed(Seed::Random)
        .image_width(ImageWidth::Original)
        .timeout(Duration::from_millis(1500));
    let specs: [Spec; 5] = [
        StructuredExtraction::in_project("p", file.clone()).settings(settings.clone()).into(),
        StructuredExtraction::with_template(template(), "text")
            .instructions("short")
            .example(file.clone(), value!({"total": null}))
            .into(),
        ContentExtraction::new(Input::document("d")).project("p").into(),
        ContentExtraction::new(file).settings(settings).into(),
        TemplateGeneration::new("an invoice").into(),
    ];
    for spec in specs {
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<Spec>(&text).unwrap(), spec, "{text}");
    }
    let stored = serde_json::to_value(Spec::from(TemplateGeneration::new("an invoice"))).unwrap();
    assert_eq!(stored, value!({"templateGeneration": {"from": {"text": "an invoice"}, "settings": {}}}));
    let unwritable = TemplateGeneration::new("a").with_settings(|s| s.temperature(f64::NAN));
    assert!(serde_json::to_string(&Spec::from(unwritable)).is_err());
}

#[test]
fn what_is_shown_of_a_spec_is_not_what_is_in_its_documents() {
    let spec = StructuredExtraction::with_template(template(), "the patient's name")
        .example(File::new("a secret"), value!({"total": 1}));
    let shown = format!("{:?}", Spec::from(spec));
    assert!(!shown.contains("patient") && !shown.contains("secret") && shown.contains("Text(18 bytes)"), "{shown}");
}

#[test]
fn a_file_is_read_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Rechnung für März.PDF");
    std::fs::write(&path, "%PDF").unwrap();
    let file = File::open(&path).unwrap();
    assert_eq!(file, File::new("%PDF").name("Rechnung für März.PDF"));
    assert_eq!(Input::open(&path).unwrap(), Input::File(file));
    let error = File::open(folder.path().join("none.pdf")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("none.pdf"));
}

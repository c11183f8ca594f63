//! Tests of the runner itself: a line that is wrong has to be reported as failed, a right one beside it as right.
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::civitai::Civitai;
use crate::compare;
use crate::report::{self, Outcome, Report};
use crate::run;

/// A folder with one file of these lines.
fn folder(file: &str, lines: &[Value]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(folder.path().join(file), text).unwrap();
    let path = folder.path().to_owned();
    (folder, path)
}

fn requests(lines: &[Value]) -> Report {
    let (_kept, path) = folder("civitai.jsonl", lines);
    run::requests::<Civitai>(&path)
}

fn responses(lines: &[Value]) -> Report {
    let (_kept, path) = folder("civitai-responses.jsonl", lines);
    run::responses::<Civitai>(&path)
}

/// A request line that is right.
fn submit() -> Value {
    json!({
        "provider": "civitai", "operation": "a label only", "client": "c", "client_call": "c",
        "request": {
            "method": "POST", "path": "/v1/consumer/jobs",
            "query": [["wait", "True"]], "raw_query": "wait=true",
            "headers": {"content-type": "application/json; charset=utf-8", "accept": "x/y"},
            "body": {
                "$type": "textToImage", "model": "m", "priority": {"min": 1, "max": 2}, "timeout": "00:05:00",
                "params": {"prompt": null, "width": 64, "height": 64, "cfgScale": 7, "seed": 4294967295_i64},
                "additionalNetworks": {"a/b": {"strength": 1}}, "controlNets": [{"imageUrl": null, "weight": 0.1}],
                "properties": {"n": null, "big": 9007199254740993_i64, "x": 1.2000000000000002}
            }
        }
    })
}

/// A response line that is right.
fn status() -> Value {
    json!({
        "provider": "civitai", "operation": "v1_consumer_jobs_get", "status": 200,
        "body": {"token": "t", "unknown": 1, "jobs": [{
            "jobId": "a", "cost": 2, "scheduled": true, "result": [{"blobKey": "k", "available": false, "blobUrl": null}],
            "lastEvent": {"type": "claimed", "jobDuration": {"ticks": 10_000_000}, "context": {"a": null}},
            "serviceProviders": {"Civitai": {"support": "Available", "queuePosition": null, "region": "eu"}}
        }]},
        "expect": {"state": "running", "finished": false}
    })
}

/// The line with one place changed; `null` removes it.
fn with(mut line: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let place = line.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}"));
    match (place, value) {
        (Value::Object(members), Value::Null) => drop(members.remove(name)),
        (Value::Array(items), value) => items[name.parse::<usize>().unwrap()] = value,
        (place, value) => place[name] = value,
    }
    line
}

#[track_caller]
fn assert_all(report: &Report, outcome: Outcome) {
    for row in report.rows() {
        assert_eq!(row.outcome, outcome, "line {}: {:?}", row.line, row.why);
    }
}

#[test]
fn right_requests_are_sent_and_right_answers_decoded() {
    let exact = json!({"provider": "civitai", "exact_path": true, "request": {"method": "GET", "path": "/v1/consumer/jobs/a%2Fb"}});
    let text = with(with(submit(), "/request/body", json!(null)), "/request/body_text", json!("{ \"jobs\" : [ ] }"));
    let report = requests(&[submit(), exact, text]);
    assert_all(&report, Outcome::Sent);
    assert_eq!(report.summary(), "civitai.jsonl: 3 lines, 3 sent, 0 decoded, 0 refused, 0 quirks, 0 failed");
    let sent = report.rows()[0].sent.as_ref().unwrap();
    assert_eq!((sent["method"].as_str(), sent["target"].as_str()), (Some("POST"), Some("/v1/consumer/jobs?wait=true")));
    assert!(sent["headers"]["authorization"].as_str().unwrap().starts_with("Bearer "));

    let report = responses(&[status()]);
    assert_all(&report, Outcome::Decoded);
    assert_eq!(report.rows()[0].state.as_deref(), Some("running"));
    assert_eq!(report.rows()[0].encoded.as_ref().unwrap()["jobs"][0]["result"][0]["blobUrl"], json!(null));
}

#[test]
fn every_wrong_request_fails() {
    let wrong = [
        with(submit(), "/provider", json!("numind")),
        with(submit(), "/request/method", json!("PATCH")),
        with(submit(), "/request/path", json!("/v2/consumer/jobs")),
        with(submit(), "/request/path", json!("/v1/consumer/jobs/")),
        with(submit(), "/request/query", json!([["wait", "yes"]])),
        with(submit(), "/request/query", json!([["wait", "true"], ["wait", "true"]])),
        with(submit(), "/request/query", json!([["wait", "true"], ["force", "true"]])),
        with(submit(), "/request/query", json!([["Wait", "true"]])),
        with(submit(), "/request/raw_query", json!("wait=false")),
        with(submit(), "/request/headers/content-type", json!("text/json")),
        with(submit(), "/request/headers/content-type", json!(null)),
        with(submit(), "/request/headers/x-extra", json!("1")),
        with(submit(), "/request/header_bytes_base64", json!({"x-extra": "4A=="})),
        with(submit(), "/request/body/unknown", json!(1)),
        with(submit(), "/request/body/params/unknown", json!(1)),
        with(submit(), "/request/body/additionalNetworks", json!({"a/b": {"unknown": 1}})),
        with(submit(), "/request/body/controlNets/0", json!({"unknown": 1})),
        with(submit(), "/request/body/priority", json!({"min": 1, "max": 2, "unknown": 1})),
        with(submit(), "/request/body/params/width", json!("wide")),
        with(submit(), "/request/body", json!({"jobs": [], "unknown": 1})),
        with(with(submit(), "/request/body", json!(null)), "/request/body_text", json!("{")),
        with(with(submit(), "/request/body", json!(null)), "/request/body_base64", json!("AAAA")),
        with(submit(), "/request/multipart", json!([])),
        json!({"provider": "civitai", "request": {"method": "GET", "path": "/v1/consumer/jobs"}}),
        json!({"provider": "civitai", "request": {"method": "GET", "path": "/v1/consumer/jobs/.."}}),
        json!({"provider": "civitai", "request": {"method": "GET", "path": "/v1/consumer/jobs/a", "body": {}}}),
        json!({"provider": "civitai", "exact_path": true, "request": {"method": "GET", "path": "/v1/consumer/jobs/%61"}}),
        json!({"provider": "civitai"}),
        json!("a line"),
    ];
    let report = requests(&wrong);
    assert_eq!(report.rows().len(), wrong.len());
    assert_all(&report, Outcome::Failed);
    assert!(report.rows().iter().all(|row| !row.why.is_empty()));
    let extra: Vec<_> = report.rows().iter().flat_map(|row| row.extra.clone()).collect();
    let found = [
        "/unknown",
        "/params/unknown",
        "/additionalNetworks/a~1b/unknown",
        "/controlNets/0/unknown",
        "/priority/unknown",
    ];
    assert_eq!(extra, [&found[..], &["/unknown"]].concat());
}

#[test]
fn what_was_sent_is_compared_with_the_line_in_every_part() {
    use crate::compare::{Compare, Side};
    let spec = crate::spec::Spec::read(&crate::root().join("specs/civitai/v1.json"));
    let special = <Civitai as run::Provider>::SPECIAL;
    let body = submit()["request"]["body"].clone();
    let differences = |sent: &Value| {
        let mut compare = Compare { spec: &spec, side: Side::Request, special, differences: Vec::new() };
        compare.walk(spec.request_schema("v1_consumer_jobs_post"), &body, sent, "");
        compare.differences
    };
    let equal = [
        body.clone(),
        with(body.clone(), "/params/prompt", json!(null)),
        with(body.clone(), "/params/cfgScale", json!(7.0)),
        with(body.clone(), "/controlNets/0", json!({"weight": 0.1})),
    ];
    for sent in &equal {
        assert_eq!(differences(sent), Vec::<String>::new(), "{sent}");
    }
    let changed = [
        with(body.clone(), "/model", json!("n")),
        with(body.clone(), "/model", json!(null)),
        with(body.clone(), "/params/seed", json!(4294967296_i64)),
        with(body.clone(), "/params/prompt", json!("p")),
        with(body.clone(), "/properties/n", json!(null)),
        with(body.clone(), "/properties/big", json!(9007199254740992_i64)),
        with(body.clone(), "/properties/x", json!(1.2)),
        with(body.clone(), "/controlNets", json!([])),
        with(body.clone(), "/priority", json!(1)),
        with(body.clone(), "/timeout", json!("00:05:01")),
        with(body.clone(), "/$type", json!("TextToImage")),
        with(body.clone(), "/new", json!(1)),
        json!([body]),
    ];
    for sent in &changed {
        assert!(!differences(sent).is_empty(), "{sent}");
    }
}

#[test]
fn every_wrong_answer_fails() {
    let wrong = [
        with(status(), "/operation", json!("v1_consumer_jobs_list")),
        with(status(), "/expect/state", json!("queued")),
        with(status(), "/expect/finished", json!(true)),
        with(status(), "/expect/decode", json!("error")),
        with(status(), "/body/jobs", json!(5)),
        with(status(), "/body/jobs/0/cost", json!("free")),
        // An empty id has to be refused, so it cannot have a state.
        with(status(), "/body/jobs/0/jobId", json!("")),
        with(with(status(), "/status", json!(401)), "/expect", json!({"decode": "ok"})),
        with(with(status(), "/body", json!(null)), "/expect", json!({"decode": "ok"})),
    ];
    let report = responses(&wrong);
    assert_eq!(report.rows().len(), wrong.len());
    assert_all(&report, Outcome::Failed);
}

#[test]
fn answers_that_have_to_be_refused_are() {
    let bare = |value: Value| with(value, "/expect", json!(null));
    let lines = [
        with(bare(status()), "/body/jobs/0/jobId", json!("")),
        with(bare(status()), "/body", json!(null)),
        with(bare(status()), "/body", json!("{\"token\": ")),
        with(with(bare(status()), "/body", json!("<html>hello</html>")), "/content_type", json!("text/html")),
        with(with(bare(status()), "/status", json!(503)), "/headers", json!({"retry-after": "3"})),
        with(bare(status()), "/status", json!(302)),
    ];
    let report = responses(&lines);
    assert_all(&report, Outcome::Refused);
    let kinds: Vec<_> = report.rows().iter().map(|row| row.error.as_ref().unwrap()["kind"].clone()).collect();
    assert_eq!(kinds, ["Decode", "Decode", "Decode", "Decode", "Gateway", "Status"]);
}

#[test]
fn an_encoded_value_has_to_match_what_was_received() {
    use crate::compare::{Compare, Side};
    let spec = crate::spec::Spec::read(&crate::root().join("specs/civitai/v1.json"));
    let special = <Civitai as run::Provider>::SPECIAL;
    let body = status()["body"].clone();
    let schema = spec.reply_schema("v1_consumer_jobs_get").unwrap();
    let differences = |encoded: &Value| {
        let mut compare = Compare { spec: &spec, side: Side::Reply, special, differences: Vec::new() };
        compare.walk(schema, &body, encoded, "");
        compare.differences
    };
    let span = with(body.clone(), "/jobs/0/lastEvent/jobDuration", json!("00:00:01"));
    for equal in [
        span.clone(),
        with(span.clone(), "/unknown", json!(null)),
        with(span.clone(), "/jobs/0/lastEvent/type", json!("Claimed")),
        with(span.clone(), "/jobs/0/cost", json!(2.0)),
    ] {
        assert_eq!(differences(&equal), Vec::<String>::new());
    }
    for changed in [
        body.clone(),
        with(span.clone(), "/token", json!(null)),
        with(span.clone(), "/unknown", json!(2)),
        with(span.clone(), "/invented", json!(2)),
        with(span.clone(), "/jobs/0/scheduled", json!(null)),
        with(span.clone(), "/jobs/0/result", body["jobs"][0]["result"][0].clone()),
        with(span.clone(), "/jobs/0/result/0/blobUrl", json!(null)),
        with(span.clone(), "/jobs/0/lastEvent/context", json!({})),
        with(span.clone(), "/jobs/0/lastEvent/type", json!("Updated")),
        with(span.clone(), "/jobs/0/lastEvent/jobDuration", json!("00:00:02")),
        with(span.clone(), "/jobs/0/serviceProviders", json!({})),
        body["jobs"][0].clone(),
    ] {
        assert!(!differences(&changed).is_empty(), "{changed}");
    }
}

#[test]
fn quirks_are_left_out_and_a_missing_file_is_an_error() {
    let quirk = with(with(submit(), "/quirk", json!("odd")), "/request/path", json!("/nowhere"));
    let report = requests(&[quirk]);
    assert_eq!(report.summary(), "civitai.jsonl: 1 lines, 0 sent, 0 decoded, 0 refused, 1 quirks, 0 failed");
    let nothing = tempfile::tempdir().unwrap();
    assert!(run::requests::<Civitai>(nothing.path()).rows.is_err());
}

#[test]
fn the_report_has_one_line_for_each_vector_and_keeps_those_of_other_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.jsonl");
    report::write(&path, &requests(&[submit(), json!("broken")]));
    report::write(&path, &responses(&[status()]));
    report::write(&path, &requests(&[submit()]));
    let text = std::fs::read_to_string(&path).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found: Vec<_> =
        rows.iter().map(|row| (row["file"].as_str().unwrap(), row["outcome"].as_str().unwrap())).collect();
    assert_eq!(found, [("civitai-responses.jsonl", "decoded"), ("civitai.jsonl", "sent")]);
    for member in ["file", "line", "outcome", "sent", "encoded", "extra", "error", "state", "finished"] {
        assert!(rows[0].get(member).is_some(), "{member}");
    }
}

#[test]
fn wrong_requests_of_chutes_fail_by_form_report_and_signature() {
    let lines = std::fs::read_to_string(crate::root().join("tests/vectors/chutes.jsonl")).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let named = |name: &str, member: &str| {
        let mut found = lines.iter().filter(|line| line["operation"] == name && line.pointer(member).is_some());
        found.next().unwrap_or_else(|| panic!("{name} {member}")).clone()
    };
    let (finish, upload) =
        (named("finish_job", "/request/body/result"), named("upload_job_file", "/request/multipart"));
    let (signed, chutes) = (named("create_job", "/signed_message"), named("list_chutes", "/signed_message"));
    let read = named("get_job", "/request");
    let hotkey = signed["request"]["headers"].clone();
    let body = |line: Value, text: &str| with(line, "/request/body_text", json!(text));
    let wrong = [
        body(finish.clone(), r#"{"status":"complete","result":null,"unknown":1}"#),
        body(finish.clone(), r#"{"status":5}"#),
        with(finish, "/request/query", json!([])),
        with(upload.clone(), "/request/multipart", json!(null)),
        with(upload.clone(), "/request/multipart/0", json!({"name": "file"})),
        with(upload.clone(), "/request/headers/content-type", json!("application/json")),
        with(upload, "/request/query", json!([["token", "a"], ["more", "b"]])),
        body(signed.clone(), r#"{"epochs":3, "lr":0.1}"#),
        with(signed.clone(), "/signed_message", json!("5GU8:1752998403:chutes")),
        with(signed.clone(), "/request/headers/x-chutes-nonce", json!("1752998404")),
        with(signed, "/request/headers/x-chutes-hotkey", json!("5C4hrfjw9DjXZTzV3MwzrrAr9P1MJhSrvWGWqi1eSuyUpnhM")),
        with(chutes.clone(), "/request/query", json!([["page", "first"]])),
        with(chutes, "/request/path", json!("/chutes")),
        with(read, "/request/headers", hotkey),
    ];
    let text: Vec<Value> = wrong.to_vec();
    let (_kept, path) = folder("chutes.jsonl", &text);
    let report = run::requests::<crate::chutes::Chutes>(&path);
    assert_eq!(report.rows().len(), wrong.len());
    assert_all(&report, Outcome::Failed);
}

#[test]
fn a_report_without_a_result_is_not_one_with_null() {
    use crate::compare::{Compare, Side};
    let spec = crate::spec::Spec::read(&crate::root().join("specs/chutes/api.json"));
    let special = <crate::chutes::Chutes as run::Provider>::SPECIAL;
    let differences = |expected: Value, sent: Value| {
        let mut compare = Compare { spec: &spec, side: Side::Request, special, differences: Vec::new() };
        compare.walk(spec.request_schema("finish_job"), &expected, &sent, "");
        compare.differences.len()
    };
    let null = json!({"status": "error", "result": null});
    assert_eq!(differences(null.clone(), json!({"status": "error"})), 1);
    assert_eq!(differences(json!({"status": "error", "detail": null}), json!({"status": "error"})), 0);
    assert_eq!(differences(null.clone(), null), 0);
    assert_eq!(differences(json!({"result": {"a": null}}), json!({"result": {}})), 1);
}

#[test]
fn the_parts_of_a_form_are_compared_by_order_name_bytes_and_media_type() {
    use crate::line::RequestLine;
    use crate::server::Sent;
    let spec = crate::spec::Spec::read(&crate::root().join("specs/chutes/api.json"));
    let special = <crate::chutes::Chutes as run::Provider>::SPECIAL;
    let line: RequestLine = serde_json::from_value(json!({"provider": "chutes", "request": {
        "method": "PUT", "path": "/jobs/j/upload", "headers": {"content-type": "multipart/form-data; boundary=any"},
        "multipart": [
            {"name": "file", "filename": "a%20b", "content_type": "text/csv", "body_base64": "YSxiCg=="},
            {"name": "path", "content_type": "text/plain; charset=utf-8", "text": "x/a b"}
        ]
    }}))
    .unwrap();
    let differences = |parts: &[&str], end: &str| {
        let body: String =
            parts.iter().map(|part| format!("--b\r\nContent-Disposition: form-data; {part}\r\n")).collect();
        let media = ("content-type".to_owned(), b"multipart/form-data; boundary=b".to_vec());
        let (method, target, body) =
            ("PUT".to_owned(), "/jobs/j/upload".to_owned(), format!("{body}--b{end}\r\n").into_bytes());
        let sent = Sent { method, target, headers: vec![media], body };
        let operation = &consign_chutes::operations::UPLOAD_JOB_FILE;
        compare::request(&spec, special, operation, &line.request, false, &sent).unwrap().len()
    };
    let file = "name=\"file\"; filename=\"other\"\r\nContent-Type: text/csv\r\n\r\na,b\n";
    let path = "name=\"path\"\r\ncontent-type: text/plain\r\n\r\nx/a b";
    assert_eq!(differences(&[file, path], "--"), 0);
    assert_eq!(differences(&[path, file], "--"), 1);
    assert_eq!(differences(&[file], "--"), 1);
    assert_eq!(differences(&[file, path], ""), 1);
    for wrong in [
        file.replace("; filename=\"other\"", ""),
        file.replace("csv", "plain"),
        file.replace("a,b", "a,c"),
        file.replace("\"file\"", "\"data\""),
    ] {
        assert_eq!(differences(&[&wrong, path], "--"), 1, "{wrong}");
    }
}

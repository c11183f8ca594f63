//! Tests of the runner itself on Bacalhau's lines: a wrong one has to be reported as failed, a right one beside it as
//! right.
use serde_json::{Value, json};

use crate::bacalhau::Bacalhau;
use crate::report::{Outcome, Report};
use crate::{folder, run};

/// The recorded lines of a file.
fn recorded(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn judge(file: &str, lines: &[Value], run: fn(&std::path::Path) -> Report) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(folder.path().join(file), text).unwrap();
    run(folder.path())
}

fn requests(lines: &[Value]) -> Report {
    judge("bacalhau.jsonl", lines, run::requests::<Bacalhau>)
}

fn responses(lines: &[Value]) -> Report {
    judge("bacalhau-responses.jsonl", lines, run::responses::<Bacalhau>)
}

#[track_caller]
fn assert_all(report: &Report, outcome: Outcome) {
    for row in report.rows() {
        assert_eq!(row.outcome, outcome, "line {}: {:?}", row.line, row.why);
    }
}

/// A signed submission, with a part of its text replaced.
fn submission(from: &str, to: &str) -> Value {
    let mut line = recorded("bacalhau.jsonl").into_iter().find(|line| line["operation"] == "submit").unwrap();
    let text = line["request"]["body_text"].as_str().unwrap();
    assert!(text.contains(from), "{from}");
    line["request"]["body_text"] = json!(text.replacen(from, to, 1));
    line
}

#[test]
fn every_wrong_signed_request_fails() {
    assert_all(&requests(&[submission("ubuntu", "ubuntu")]), Outcome::Sent);
    let wrong = [
        // One blank less in what is signed.
        submission("\"Spec\": {", "\"Spec\":{"),
        submission("ubuntu", "Ubuntu"),
        submission("\"Concurrency\": 1", "\"Concurrency\": 2"),
        submission("\"signature\": \"A", "\"signature\": \"B"),
        submission("\"client_public_key\": \"MIIB", "\"client_public_key\": \"MIIC"),
        submission("\"job_create_payload\"", "\"data\""),
        submission("\"signature\"", "\"sign\""),
        submission("{\"client_public_key\"", "{\"more\": 1, \"client_public_key\""),
        json!({"provider": "bacalhau", "api": "requester", "request": {"method": "POST", "path": "/requester/submit"}}),
        json!({"provider": "bacalhau", "api": "v1", "request": {"method": "POST", "path": "/requester/list", "body": {}}}),
        json!({"provider": "bacalhau", "request": {"method": "POST", "path": "/requester/list", "body": {}}}),
    ];
    let report = requests(&wrong);
    assert_eq!(report.rows().len(), wrong.len());
    assert_all(&report, Outcome::Failed);
}

#[test]
fn what_a_request_has_beyond_its_type_fails_and_is_named() {
    let put = |job: Value| {
        let body = json!({"Job": job});
        let headers = json!({"content-type": "application/json"});
        let request = json!({"method": "PUT", "path": "/api/v1/orchestrator/jobs", "headers": headers, "body": body});
        json!({"provider": "bacalhau", "api": "v1", "request": request})
    };
    let right =
        json!({"Type": "batch", "Tasks": [{"Name": "m", "Engine": {"Type": "docker", "Params": {"Any": null}}}]});
    assert_all(&requests(&[put(right.clone())]), Outcome::Sent);
    let with = |pointer: &str| {
        let mut job = right.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        job.pointer_mut(parent).unwrap()[name] = json!(1);
        put(job)
    };
    let report =
        requests(&[with("/Odd"), with("/Tasks/0/Odd"), with("/Tasks/0/Engine/Odd"), put(json!({"Type": "batch"}))]);
    assert_all(&report, Outcome::Failed);
    let extra: Vec<_> = report.rows().iter().flat_map(|row| row.extra.clone()).collect();
    assert_eq!(extra, ["/Job/Odd", "/Job/Tasks/0/Odd", "/Job/Tasks/0/Engine/Odd"]);
}

#[test]
fn messages_of_a_log_are_judged_by_what_they_hold() {
    let line = |body: Value| json!({"provider": "bacalhau", "api": "v1", "operation": "logs_frame", "status": 101, "body": body});
    let output = json!({"value": {"Type": 1, "Line": "a\n"}});
    assert_all(&responses(&[line(output.clone())]), Outcome::Decoded);
    let error = json!({"error": "job not found: x", "value": {"Type": 0, "Line": ""}});
    assert_all(&responses(&[line(error), line(json!("no json")), line(json!({}))]), Outcome::Refused);
    let mut refused = line(output.clone());
    refused["expect"] = json!({"decode": "error"});
    let mut other = output;
    other["value"]["Line"] = json!(7);
    assert_all(&responses(&[refused, line(other)]), Outcome::Failed);
}

#[test]
fn every_wrong_answer_fails() {
    let get = |job: Value| {
        let body = json!({"Job": job});
        json!({"provider": "bacalhau", "api": "v1", "operation": "get", "status": 200, "body": body})
    };
    let right = json!({"ID": "j-1", "State": {"StateType": "Running"}, "CreateTime": 1795529683310627864_i64});
    let mut running = get(right.clone());
    running["expect"] = json!({"state": "running", "finished": false});
    assert_all(&responses(&[running.clone()]), Outcome::Decoded);
    assert_all(&responses(&[get(json!({"ID": ""}))]), Outcome::Refused);
    let mut state = running.clone();
    state["expect"]["state"] = json!("queued");
    let mut operation = running.clone();
    operation["operation"] = json!("fetch");
    let mut api = running;
    api["api"] = json!("requester");
    let mut number = right;
    number["CreateTime"] = json!("soon");
    assert_all(&responses(&[state, operation, api, get(number)]), Outcome::Failed);
}

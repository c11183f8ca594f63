//! Specs of Chutes: arguments from any value, everything that breaks the service found before sending, stored and read.
use std::collections::BTreeMap;

use consign::chutes::{ChuteJob, Jobs};
use consign::{Delivery, ErrorKind};
use consign_sim::Chutes as Sim;
use consign_tests::chutes::{jobs, train};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

fn wrong(spec: &ChuteJob) -> Vec<String> {
    spec.violations().iter().map(|violation| violation.member.clone()).collect()
}

#[derive(Serialize)]
struct Training {
    epochs: u32,
    lr: f64,
    tags: Vec<String>,
}

#[tokio::test(start_paused = true)]
async fn arguments_from_any_value_arrive_as_they_are() {
    let sim = Sim::new();
    let training = Training { epochs: 3, lr: 0.1, tags: vec!["a".to_owned(), "ünï".to_owned()] };
    let spec = train()
        .args(&training)
        .args(&json!({"epochs": 4, "limits": {"low": -9_223_372_036_854_775_808_i64, "high": u64::MAX, "none": null}}))
        .arg("name", "cats")
        .disk_gb(50)
        .ssh_public_key("ssh-ed25519 AAAA");
    assert_eq!(wrong(&spec), Vec::<String>::new());
    jobs(&sim).submit(&spec).await.unwrap();
    let expected = json!({
        "epochs": 4, "lr": 0.1, "tags": ["a", "ünï"], "name": "cats", "_disk_gb": 50,
        "_ssh_public_key": "ssh-ed25519 AAAA",
        "limits": {"low": -9_223_372_036_854_775_808_i64, "high": u64::MAX, "none": null},
    });
    assert_eq!(sim.jobs()[0].args, expected);
    assert_eq!(Value::Object(spec.arguments().clone()), expected);
    // Nothing at all is an empty object.
    jobs(&sim).submit(train()).await.unwrap();
    assert_eq!(sim.jobs()[1].args, json!({"_disk_gb": 10}));
}

#[test]
fn what_breaks_the_service_is_found_and_all_of_it_at_once() {
    let surrogate = || RawValue::from_string(r#"{"a": "\ud800"}"#.to_owned()).unwrap();
    let cases: Vec<(ChuteJob, &[&str])> = vec![
        (train().arg("a", 18_446_744_073_709_551_616.0), &["a"]),
        (train().arg("a", -1e19), &["a"]),
        (train().arg("a", f64::NAN).arg("b", f32::INFINITY), &["a", "b"]),
        (train().args(&json!({"a": {"b": [1, 1e300]}, "c\0": 1, "d": "x\0"})), &["a.b[1]", "c\0", "d"]),
        (train().args(&json!([1])), &["arguments"]),
        (train().args(&5).args("text"), &["arguments", "arguments"]),
        (train().args(&BTreeMap::from([((1, 2), 3)])), &["arguments"]),
        (train().args(&BTreeMap::from([("a", u128::MAX)])), &["arguments"]),
        (train().args(&surrogate()), &["arguments"]),
        (train().disk_gb(10), &["_disk_gb"]),
        (train().disk_gb(1000), &["_disk_gb"]),
        (train().arg("_disk_gb", "50"), &["_disk_gb"]),
        (train().arg("_disk_gb", true), &["_disk_gb"]),
        (train().arg("_ssh_public_key", 5), &["_ssh_public_key"]),
        (train().arg("job_status_url", "x").arg("output_dir", "/tmp"), &["output_dir", "job_status_url"]),
        (ChuteJob::new("", " "), &["chute_id", "method"]),
        (ChuteJob::new("acme/fine-tune", "train/x"), &["chute_id", "method"]),
        (
            ChuteJob::new("a b", "train").arg("a", 1e20).arg("b", f64::NAN).disk_gb(5),
            &["chute_id", "b", "_disk_gb", "a"],
        ),
    ];
    for (spec, expected) in cases {
        // The order of a JSON object's members is that of their names, or of their coming.
        let (mut found, mut expected) = (wrong(&spec), expected.to_vec());
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{spec:?}");
    }
    for fine in [train().disk_gb(11), train().disk_gb(999), train().arg("_disk_gb", 10.5), train().arg("a", 1.8e19)] {
        assert_eq!(wrong(&fine), Vec::<String>::new(), "{fine:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_spec_that_breaks_rules_is_not_sent() {
    let sim = Sim::new();
    let error = jobs(&sim).submit(train().arg("steps", 1e20).disk_gb(10)).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidRequest, Delivery::NotSent));
    assert_eq!(error.violations().len(), 2);
    assert!(error.to_string().contains("steps") && error.to_string().contains("above 10 and below 1000"), "{error}");
    assert!(sim.ledger().is_empty());
}

#[test]
fn a_preset_can_be_corrected_but_not_what_json_could_not_hold() {
    let preset = train().arg("steps", 1e20).arg("lr", 0.5);
    assert_eq!(wrong(&preset), ["steps"]);
    let good = preset.clone().arg("steps", 100);
    assert_eq!(wrong(&good), Vec::<String>::new());
    assert_eq!(good.arguments()["lr"], 0.5);
    // Written as null it would be another value.
    assert_eq!(wrong(&train().arg("lr", f64::NAN).arg("steps", 1)), ["lr"]);
}

#[test]
fn a_spec_is_stored_and_read_back_the_same_also_an_invalid_one() {
    for spec in [
        train(),
        train().args(&json!({"a": [1, 2.5, null, {"b": u64::MAX}]})).disk_gb(20),
        ChuteJob::new("", "").arg("a", f64::NAN).args(&5).arg("b", 1e300),
    ] {
        let text = serde_json::to_string(&spec).unwrap();
        let back: ChuteJob = serde_json::from_str(&text).unwrap();
        assert_eq!(back, spec);
        assert_eq!(back.violations(), spec.violations(), "{text}");
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
    }
    assert_eq!(
        serde_json::to_value(train().arg("a", 1)).unwrap(),
        json!({"chute_id": Sim::CHUTE, "method": "train", "args": {"a": 1}})
    );
    let short: ChuteJob = serde_json::from_value(json!({"chute_id": "c", "method": "m"})).unwrap();
    assert_eq!(short, ChuteJob::new("c", "m"));
    for bad in [
        json!({"chute_id": "c"}),
        json!({"chute_id": "c", "method": "m", "arguments": {}}),
        json!({"chute_id": 5, "method": "m"}),
    ] {
        assert!(serde_json::from_value::<ChuteJob>(bad).is_err());
    }
}

#[test]
fn a_spec_shows_the_names_of_its_arguments_and_not_their_values() {
    let text = format!("{:?}", train().arg("password", "s3cret").args(&json!({"bad": "s3cret\0"})));
    assert!(text.contains("password") && text.contains("train") && !text.contains("s3cret"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn ids_and_methods_that_could_lead_elsewhere_are_not_sent() {
    let sim = Sim::new();
    let jobs: Jobs = jobs(&sim);
    for (chute, method) in [("..", "train"), (".", "train"), (Sim::CHUTE, ".."), ("a/b", "c"), ("a?b", "../x")] {
        let error = jobs.submit(ChuteJob::new(chute, method)).await.unwrap_err();
        assert_eq!(error.delivery(), Delivery::NotSent, "{chute} {method}: {error}");
    }
    assert!(sim.ledger().is_empty());
    // What is odd but harmless reaches the service as one part of the path, which does not know it.
    let error = jobs.submit(ChuteJob::new("a?b#c%2e", "tr&n")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(sim.ledger().entries()[0].target, "/jobs/a%3Fb%23c%252e/tr&n");
}

#[test]
fn a_text_that_is_refused_is_named_by_its_place_and_not_shown() {
    let error = train().args(&json!({"login": {"password": "s3cret\0"}})).violations().to_string();
    assert!(error.contains("login.password") && !error.contains("s3cret"), "{error}");
}

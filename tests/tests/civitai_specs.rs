//! Civitai's specs: which values are refused, and how each setting is written.
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use consign::civitai::{
    AdditionalNetwork, Air, Comfy, ControlNet, ImageParams, ImageSource, JobQuery, JobSettings, Model, Priority,
    PriorityLevel, Scheduler, Template, TextToImage, TimeSpan, scheduler_from_alias,
};
use consign::{Delivery, Error, ErrorKind, Violations};
use consign_sim::Civitai as Sim;
use consign_tests::in_process::jobs;
use serde_json::{Map, Value, json};

const MODEL: &str = "urn:air:sdxl:checkpoint:civitai:101055@128078";
const LORA: &str = "urn:air:sdxl:lora:civitai:328553@368189";

fn cat() -> TextToImage {
    TextToImage::new(MODEL, "a cat")
}

/// What is wrong with a spec: member, value, allowed.
fn wrong(spec: &TextToImage) -> Vec<(String, String, String)> {
    spec.validate().map_or_else(|error| list(error.violations()), |()| Vec::new())
}

fn list(violations: &Violations) -> Vec<(String, String, String)> {
    violations.iter().map(|v| (v.member.clone(), v.value.clone(), v.allowed.clone())).collect()
}

/// The body that a simulator received for a spec.
async fn sent(spec: impl Into<Template>) -> Value {
    let sim = Sim::new();
    // Some settings make no sense to the simulator; what counts here is how they are written.
    let _ = jobs(&sim).submit(spec).await;
    serde_json::from_slice(&sim.ledger().of("v1_consumer_jobs_post")[0].body).unwrap()
}

#[test]
fn every_setting_takes_its_range_and_refuses_what_is_below_above_or_no_number() {
    fn numbers<T>(set: fn(TextToImage, T) -> TextToImage, good: &[T], bad: &[T], member: &str, allowed: &str)
    where
        T: Copy + std::fmt::Display,
    {
        for value in good {
            assert_eq!(wrong(&set(cat(), *value)), [], "{member} {value}");
        }
        for value in bad {
            let all = wrong(&set(cat(), *value));
            assert_eq!(all.len(), 1, "{member} {value}: {all:?}");
            assert_eq!((all[0].0.as_str(), all[0].1.as_str()), (member, value.to_string().as_str()));
            assert_eq!(all[0].2, allowed, "{member} {value}");
        }
    }
    const NAN: f64 = f64::NAN;
    const INF: f64 = f64::INFINITY;
    let sides = "64..=2048 and a multiple of 8";
    numbers(
        |s, n| s.size(n, 512),
        &[64, 512, 2048],
        &[0, -64, 56, 63, 65, 100, 2049, 2056, i32::MAX],
        "params.width",
        sides,
    );
    numbers(|s, n| s.size(512, n), &[64, 1440, 2048], &[0, 60, 2056, i32::MIN], "params.height", sides);
    numbers(|s, n| s.steps(n), &[1, 20, 100], &[0, -1, 101, i32::MAX], "params.steps", "1..=100");
    numbers(|s, n| s.server_limits().steps(n), &[1, 101, 150], &[0, 151], "params.steps", "1..=150");
    numbers(
        |s, n| s.cfg_scale(n),
        &[1.0, 7.5, 30.0],
        &[0.99, -1.0, 30.01, NAN, INF, -INF],
        "params.cfgScale",
        "1..=30",
    );
    let most = 4_294_967_295;
    numbers(|s, n| s.seed(n), &[-1, 0, most], &[-2, most + 1, i64::MAX], "params.seed", "-1..=4294967295");
    numbers(|s, n| s.clip_skip(n), &[1, 12], &[0, 13, -1], "params.clipSkip", "1..=12");
    numbers(|s, n| s.quantity(n), &[1, 10], &[0, -1, 11, 100], "quantity", "1..=10");
    numbers(|s, n| s.server_limits().quantity(n), &[1, 11, 100], &[0, 101], "quantity", "1..=100");
    numbers(|s, n| s.batch_size(n), &[1, 4, i64::MAX], &[0, -1], "batchSize", "1 or more");
    numbers(|s, n| s.retries(n), &[0, 3, i32::MAX], &[-1], "retries", "0 or more");
    numbers(
        |s, n| s.source_image("https://a.example/x.png", n),
        &[0.0, 0.5, 1.0],
        &[-0.1, 1.1, NAN],
        "params.strength",
        "0..=1",
    );

    let network = format!("additionalNetworks[{LORA}]");
    let (strength, clip) = (format!("{network}.strength"), format!("{network}.clipStrength"));
    let finite = "a finite number, usually 0..=2";
    numbers(
        |s, n| s.additional_network(LORA, |l| l.strength(n)),
        &[-3.0, 0.0, 0.8, 5.0],
        &[NAN, INF],
        &strength,
        finite,
    );
    numbers(|s, n| s.additional_network(LORA, |l| l.clip_strength(n)), &[0.0, 2.0], &[-0.1, 2.1, NAN], &clip, "0..=2");

    fn net(spec: TextToImage, change: impl FnOnce(ControlNet) -> ControlNet) -> TextToImage {
        spec.control_net(|c| change(c.blob_key("D4A2")))
    }
    numbers(|s, n| net(s, |c| c.weight(n)), &[0.0, 1.0, 2.0], &[-0.1, 2.1, NAN], "controlNets[0].weight", "0..=2");
    numbers(|s, n| net(s, |c| c.start_step(n)), &[0.0, 1.0], &[-0.1, 1.1, NAN], "controlNets[0].startStep", "0..=1");
    numbers(|s, n| net(s, |c| c.end_step(n)), &[0.0, 1.0], &[-0.1, 1.1, INF], "controlNets[0].endStep", "0..=1");
}

#[test]
fn what_is_blank_malformed_or_contradictory_is_refused_with_its_name() {
    let net = |change: fn(ControlNet) -> ControlNet| cat().control_net(change);
    let key = |key: &str| cat().additional_network(key, |n| n);
    let none = HashMap::from([((1, 2), 3)]);
    let table: Vec<(TextToImage, &str, &str)> = vec![
        (cat().model(""), "model", "required: an AIR"),
        (cat().model("  "), "model", "required: an AIR"),
        (cat().model(Model::raw(" ")), "model", "required: an AIR"),
        (cat().model("urn:air:sdxl:checkpoint:civitai:abc@1"), "model", "whole number from 1"),
        (cat().model("not an air"), "model", "an AIR identifier"),
        (cat().model("@civitai/"), "model", "an AIR identifier"),
        (cat().model("@civitai/12x"), "model", "an AIR identifier"),
        (cat().prompt(""), "params.prompt", "not blank"),
        (cat().prompt(" \n\t"), "params.prompt", "not blank"),
        (cat().source_image(" ", 0.5), "params.image", "a URL or image data"),
        (cat().with_params(|p| p.strength(0.5)), "params.strength", "only together with a source image"),
        (key(""), "additionalNetworks[]", "required: an AIR"),
        (key("lora"), "additionalNetworks[lora]", "an AIR identifier"),
        (key("@civitai/128713"), "additionalNetworks[@civitai/128713]", "an AIR identifier"),
        (
            cat().additional_network("civitai:1@2", |n| n.trigger_word(" ")),
            "additionalNetworks[civitai:1@2].triggerWord",
            "not blank",
        ),
        (net(|c| c), "controlNets[0]", "exactly one of imageUrl, blobKey and image"),
        (net(|c| c.image_url("")), "controlNets[0].imageUrl", "an absolute http or https URL"),
        (net(|c| c.image_url("file:///etc/passwd")), "controlNets[0].imageUrl", "an absolute http or https URL"),
        (net(|c| c.image_url("/pose.png")), "controlNets[0].imageUrl", "an absolute http or https URL"),
        (net(|c| c.blob_key(" ")), "controlNets[0].blobKey", "not blank"),
        (net(|c| c.inline_image("")), "controlNets[0].image", "not blank"),
        (net(|c| c.blob_key("a").start_step(0.8).end_step(0.2)), "controlNets[0].startStep", "not above endStep, 0.2"),
        (cat().priority(Priority::Range { min: 8, max: 2 }), "priority", "min must not be above max"),
        (cat().callback_url(""), "callbackUrl", "an absolute http or https URL"),
        (cat().callback_url("hooks.example.com"), "callbackUrl", "an absolute http or https URL"),
        (cat().callback_url("ftp://hooks.example.com"), "callbackUrl", "an absolute http or https URL"),
        (cat().callback_url("https://"), "callbackUrl", "an absolute http or https URL"),
        (cat().callback_url("https:///path"), "callbackUrl", "an absolute http or https URL"),
        (cat().callback_url("https://:443/"), "callbackUrl", "an absolute http or https URL"),
        (cat().callback_url("https://u@/"), "callbackUrl", "an absolute http or https URL"),
        (cat().callback_url("https://a.example/x y"), "callbackUrl", "an absolute http or https URL"),
        (cat().timeout(Duration::ZERO), "timeout", "more than 0"),
        (cat().timeout("00:00:00"), "timeout", "more than 0"),
        (cat().timeout(TimeSpan::from_ticks(-1)), "timeout", "more than 0"),
        (cat().timeout(Duration::MAX), "timeout", "a duration, or text HH:mm:ss"),
        (cat().timeout(""), "timeout", "text HH:mm:ss"),
        (cat().timeout("5"), "timeout", "text HH:mm:ss"),
        (cat().timeout("00:05"), "timeout", "text HH:mm:ss"),
        (cat().timeout("24:00:00"), "timeout", "up to 23:59:59"),
        (cat().timeout("00:60:00"), "timeout", "text HH:mm:ss"),
        (cat().timeout("1.00:00:00"), "timeout", "text HH:mm:ss"),
        (cat().timeout("00:00:01.5"), "timeout", "text HH:mm:ss"),
        (cat().timeout("00:0５:00"), "timeout", "text HH:mm:ss"),
        (cat().expire_at("tomorrow"), "expireAt", "a date and time"),
        (cat().property("", 1), "properties", "not blank"),
        (cat().property(" ", 1), "properties", "not blank"),
        (cat().property("map", &none), "properties.map", "can be written as JSON"),
        (cat().name(" "), "name", "not blank"),
        (cat().depends_on(["a", "b", "a"]), "dependencies", "each name once"),
        (cat().depends_on([""]), "dependencies", "not blank"),
    ];
    for (spec, member, allowed) in table {
        let all = wrong(&spec);
        assert_eq!(all.len(), 1, "{spec:?}: {all:?}");
        assert_eq!(all[0].0, member, "{spec:?}");
        assert!(all[0].2.contains(allowed), "{member}: {}", all[0].2);
    }
    let missing = TextToImage::new(MODEL, "x").with_params(|_| ImageParams::new());
    assert_eq!(wrong(&missing), [("params.prompt".into(), "".into(), "required".into())]);
    let two: Template =
        serde_json::from_value(json!({"$type": "textToImage", "model": MODEL, "params": {"prompt": "x"},
        "controlNets": [{"imageUrl": "https://a.example/x.png", "blobKey": "k"}]}))
        .unwrap();
    let Template::TextToImage(two) = two else { panic!("{two:?}") };
    assert_eq!(wrong(&two)[0].1, "2 pictures");
}

#[tokio::test(start_paused = true)]
async fn all_violations_are_told_at_once_and_nothing_is_sent() {
    let sim = Sim::new();
    let bad = TextToImage::new("", "")
        .size(1, 2)
        .steps(0)
        .cfg_scale(f64::NAN)
        .quantity(0)
        .additional_network("x", |n| n.strength(f64::INFINITY).trigger_word(""))
        .control_net(|c| c.weight(9.0))
        .retries(-1)
        .timeout("soon")
        .property("", 1);
    let error = jobs(&sim).submit(&bad).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery(), error.attempts()), (ErrorKind::InvalidRequest, Delivery::NotSent, 0));
    let members: Vec<_> = error.violations().iter().map(|v| v.member.as_str()).collect();
    let expected = [
        "model",
        "params.prompt",
        "params.width",
        "params.height",
        "params.steps",
        "params.cfgScale",
        "quantity",
        "additionalNetworks[x]",
        "additionalNetworks[x].strength",
        "additionalNetworks[x].triggerWord",
        "controlNets[0]",
        "controlNets[0].weight",
        "properties",
        "timeout",
        "retries",
    ];
    assert_eq!(members, expected);
    let text = error.to_string();
    assert!(text.contains("params.steps = \"0\": 1..=100") && text.contains("nothing was sent"), "{text}");
    assert_eq!(jobs(&sim).price(&bad).await.unwrap_err().violations().len(), expected.len());
    assert!(sim.ledger().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_spec_without_settings_sends_nothing_but_what_the_service_needs() {
    let expected = json!({"$type": "textToImage", "model": MODEL,
        "params": {"prompt": "a cat", "width": 1024, "height": 1024}});
    assert_eq!(sent(cat()).await, expected);
    // Empty collections are left out.
    let empty = cat().providers(Vec::<&str>::new()).depends_on(Vec::<String>::new());
    assert_eq!(sent(empty.properties(Vec::<(String, i32)>::new())).await, expected);
    assert_eq!(sent(cat().settings(JobSettings::new()).params(ImageParams::new())).await, expected);
    let comfy = Comfy::workflow(json!({"3": {"class_type": "KSampler"}}));
    assert_eq!(sent(comfy).await, json!({"$type": "comfy", "params": {"workflow": {"3": {"class_type": "KSampler"}}}}));
}

#[tokio::test(start_paused = true)]
async fn an_unset_size_follows_the_models_family() {
    let table = [
        ("urn:air:sd1:checkpoint:civitai:1@2", 512),
        ("URN:AIR:SD1:Checkpoint:Civitai:1@2", 512),
        ("urn:air:sd15:checkpoint:civitai:1@2", 512),
        ("urn:air:sd2:checkpoint:civitai:1@2", 768),
        ("urn:air:sdxl:checkpoint:civitai:1@2", 1024),
        ("urn:air:flux1:checkpoint:civitai:1@2", 1024),
        ("urn:air:pony:checkpoint:civitai:1@2", 1024),
        ("civitai:1@2", 1024),
        ("@civitai/128713", 1024),
    ];
    for (model, side) in table {
        let body = sent(cat().model(model)).await;
        assert_eq!((&body["model"], &body["params"]["width"]), (&json!(model), &json!(side)), "{model}");
        assert_eq!(body["params"]["height"], json!(side), "{model}");
    }
    assert_eq!(sent(cat().model(Model::raw("anything"))).await["model"], json!("anything"));
    let size = sent(cat().model("urn:air:sd1:checkpoint:civitai:1@2").size(640, 832)).await["params"].take();
    assert_eq!((&size["width"], &size["height"]), (&json!(640), &json!(832)));
}

#[tokio::test(start_paused = true)]
async fn every_setting_is_written_as_the_service_reads_it() {
    let expiry = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    let table: Vec<(TextToImage, &str, Value)> = vec![
        (cat().negative_prompt("dog"), "/params/negativePrompt", json!("dog")),
        (cat().steps(30), "/params/steps", json!(30)),
        (cat().cfg_scale(7.5), "/params/cfgScale", json!(7.5)),
        (cat().seed(4_294_967_295), "/params/seed", json!(4_294_967_295_u32)),
        (cat().seed(-1), "/params/seed", json!(-1)),
        (cat().clip_skip(2), "/params/clipSkip", json!(2)),
        (cat().scheduler("EulerA"), "/params/scheduler", json!("EulerA")),
        (cat().source_image("https://a.example/x.png", 0.5), "/params/image", json!("https://a.example/x.png")),
        (cat().source_image("https://a.example/x.png", 0.5), "/params/strength", json!(0.5)),
        (cat().with_params(|p| p.other("tiling", true)), "/params/tiling", json!(true)),
        (cat().quantity(4), "/quantity", json!(4)),
        (cat().batch_size(2), "/batchSize", json!(2)),
        (cat().base_model("flux.2 D"), "/baseModel", json!("flux.2 D")),
        (cat().priority(5), "/priority", json!(5)),
        (cat().priority(2..=8), "/priority", json!({"min": 2, "max": 8})),
        (cat().priority(PriorityLevel::High), "/priority", json!("high")),
        (cat().priority(PriorityLevel::Normal), "/priority", json!("normal")),
        (cat().priority(PriorityLevel::Low), "/priority", json!("low")),
        (cat().priority(Priority::Raw(json!({"value": 3}))), "/priority", json!({"value": 3})),
        (cat().callback_url("https://a.example/?s=1"), "/callbackUrl", json!("https://a.example/?s=1")),
        (cat().retries(0), "/retries", json!(0)),
        (cat().timeout(Duration::from_secs(300)), "/timeout", json!("00:05:00")),
        (cat().timeout(Duration::from_millis(1500)), "/timeout", json!("00:00:02")),
        (cat().timeout(Duration::from_secs(86_400)), "/timeout", json!("1.00:00:00")),
        (cat().timeout("01:02:03"), "/timeout", json!("01:02:03")),
        (cat().timeout(String::from("23:59:59")), "/timeout", json!("23:59:59")),
        (cat().timeout(TimeSpan::from_ticks(3_000_000_000)), "/timeout", json!("00:05:00")),
        (cat().expire_at("2030-01-31T12:00:00+01:00"), "/expireAt", json!("2030-01-31T12:00:00+01:00")),
        (cat().expire_at(expiry), "/expireAt", json!("2030-03-17T17:46:40Z")),
        (cat().providers(["Civitai", "SaladML"]), "/providers", json!(["Civitai", "SaladML"])),
        (cat().name("first"), "/name", json!("first")),
        (cat().depends_on(["first", "second"]), "/dependencies", json!(["first", "second"])),
        (cat().property("a", 1).property("a", [1, 2]), "/properties", json!({"a": [1, 2]})),
        (cat().property("none", ()), "/properties", json!({"none": null})),
        (cat().properties([("env", "prod"), ("tier", "free")]), "/properties", json!({"env": "prod", "tier": "free"})),
        (cat().other("creatorTip", 0.25), "/creatorTip", json!(0.25)),
    ];
    for (spec, place, expected) in table {
        let mut body = sent(&spec).await;
        assert_eq!(body.pointer(place), Some(&expected), "{place}");
        // And nothing else is.
        let extra = cat().with_params(|p| p.size(1024, 1024));
        let (plain, top) = (sent(extra).await, place.split('/').nth(1).unwrap());
        if top == "params" {
            let params = body["params"].as_object_mut().unwrap();
            params.retain(|name, _| {
                !["/params/image", "/params/strength"].contains(&place) || !["image", "strength"].contains(&&**name)
            });
            params.remove(place.rsplit('/').next().unwrap());
        } else {
            body.as_object_mut().unwrap().remove(top);
        }
        assert_eq!(body, plain, "{place}");
    }
}

#[test]
fn a_time_from_now_is_a_date_and_never_overflows() {
    for time in [Duration::from_secs(60), Duration::MAX] {
        let spec = cat().with_settings(|s| s.expire_in(time));
        let text = Template::from(&spec).to_json()["expireAt"].as_str().unwrap().to_owned();
        assert!(consign::DateTime::from(text.as_str()).to_system_time().unwrap() > SystemTime::now(), "{text}");
        assert_eq!(wrong(&spec), []);
    }
}

#[test]
fn parameters_by_value_through_a_closure_and_one_by_one_are_the_same() {
    let one_by_one =
        cat().negative_prompt("dog").size(640, 640).steps(9).cfg_scale(2.0).seed(7).clip_skip(2).scheduler("lms");
    let value = ImageParams::new().negative_prompt("dog").size(640, 640).steps(9).cfg_scale(2.0).seed(7).clip_skip(2);
    let value = value.scheduler("lms");
    let closure = cat().with_params(|p| {
        p.negative_prompt("dog").size(640, 640).steps(9).cfg_scale(2.0).seed(7).clip_skip(2).scheduler("lms")
    });
    assert_eq!(cat().params(value.clone()), one_by_one);
    assert_eq!(closure, one_by_one);
    // A value lies over what was set before and leaves the rest; a later setter wins.
    let spec = cat().steps(5).params(value).steps(6);
    assert_eq!(spec, one_by_one.steps(6));
}

#[test]
fn a_preset_stays_as_it_was_when_specs_are_made_of_it() {
    let preset = cat().steps(20).property("a", 1).additional_network(LORA, |n| n.strength(0.5));
    let before = preset.clone();
    let special = preset.clone().steps(30).prompt("a dog").property("a", 2).additional_network(LORA, |n| n).quantity(3);
    assert_eq!(preset, before);
    assert_ne!(special, before);
    assert_eq!(Template::from(&special).to_json()["properties"], json!({"a": 2}));
    assert_eq!(Template::from(&special).to_json()["additionalNetworks"], json!({LORA: {}}));
    let send = |spec: TextToImage| std::thread::spawn(move || spec.validate().is_ok());
    assert!(send(special).join().unwrap());
}

#[tokio::test(start_paused = true)]
async fn additional_networks_are_given_by_value_by_closure_and_by_any_form_of_air() {
    let value = AdditionalNetwork::new().strength(0.8).trigger_word("cat").clip_strength(0.5).network_type("Lora");
    let by_closure =
        cat().additional_network(LORA, |n| n.strength(0.8).trigger_word("cat").clip_strength(0.5).network_type("Lora"));
    let by_value = cat().additional_network_value(LORA.parse::<Air>().unwrap(), value.clone());
    assert_eq!(by_closure, by_value);
    let written = json!({"strength": 0.8, "triggerWord": "cat", "clipStrength": 0.5, "type": "Lora"});
    assert_eq!(sent(by_value).await["additionalNetworks"], json!({LORA: written}));

    let short: Air = "civitai:58390@62833".parse().unwrap();
    let spec = cat().additional_network("civitai:58390@62833", |n| n.strength(1.0)).additional_network(&short, |n| n);
    assert_eq!(
        sent(&spec).await["additionalNetworks"],
        json!({"civitai:58390@62833": {}}),
        "the same key again replaces"
    );
    let spec = cat().additional_network(LORA.to_uppercase(), |n| n.strength(1.0)).additional_network(LORA, |n| n);
    assert_eq!(sent(&spec).await["additionalNetworks"], json!({LORA: {}}), "and so does another spelling of it");
    let spec = cat().additional_network(Model::raw("my lora"), |n| n);
    assert_eq!(sent(spec).await["additionalNetworks"], json!({"my lora": {}}));
}

#[tokio::test(start_paused = true)]
async fn control_nets_are_given_by_value_and_by_closure_and_the_last_picture_counts() {
    let value = ControlNet::new()
        .image_url("https://a.example/p.png")
        .preprocessor("Canny")
        .weight(0.7)
        .start_step(0.1)
        .end_step(0.9);
    let by_closure = cat().control_net(|c| {
        c.blob_key("X")
            .inline_image("Y")
            .image_url("https://a.example/p.png")
            .preprocessor("canny")
            .weight(0.7)
            .start_step(0.1)
            .end_step(0.9)
    });
    assert_eq!(cat().control_net_value(value), by_closure);
    let others = by_closure
        .control_net(|c| c.image(ImageSource::BlobKey("D4A2".into())).model("canny-v2"))
        .control_net(|c| c.inline_image("data:image/png;base64,AAAA").preprocessor("openpose"));
    let expected = json!([
        {"imageUrl": "https://a.example/p.png", "preprocessor": "Canny", "weight": 0.7, "startStep": 0.1, "endStep": 0.9},
        {"blobKey": "D4A2", "model": "canny-v2"},
        {"image": "data:image/png;base64,AAAA", "preprocessor": "openpose"},
    ]);
    assert_eq!(sent(others).await["controlNets"], expected);
}

#[test]
fn samplers_go_by_their_names_in_any_case_and_by_the_names_of_another_client() {
    let table = [
        ("Euler", "euler", "Euler"),
        ("EulerAncestral", "euler_a", "EulerA"),
        ("LinearMultistep", "lms", "LMS"),
        ("Heun", "heun", "Heun"),
        ("DpmSolver2", "dpm_2", "DPM2"),
        ("DpmSolver2Ancestral", "dpm_2_a", "DPM2A"),
        ("DpmPlusPlus2SAncestral", "dpmpp_2s_a", "DPM2SA"),
        ("DpmPlusPlus2M", "dpmpp_2m", "DPM2M"),
        ("DpmPlusPlusSde", "dpmpp_sde", "DPMSDE"),
        ("DpmPlusPlus3MSde", "dpmpp_3m_sde", "DPM3MSDE"),
        ("Ddim", "ddim", "DDIM"),
        ("Plms", "plms", "PLMS"),
        ("UniPc", "uni_pc", "UniPC"),
        ("Ddpm", "ddpm", "DDPM"),
        ("Lcm", "lcm", "LCM"),
    ];
    let written = |name: &str| Template::from(cat().scheduler(name)).to_json()["params"]["scheduler"].clone();
    for (name, wire, official) in table {
        for alias in [name, wire, &name.to_uppercase(), official] {
            assert_eq!(written(alias), json!(official), "{alias}");
        }
        assert_eq!(scheduler_from_alias(wire), Some(Scheduler::from(official)));
    }
    for official in ["LMSKarras", "DPM2MKarras", "DPMSDEKarras", "Undefined", "DEIS", "DPMAdaptive"] {
        assert_eq!(written(official), json!(official));
        assert_eq!(written(&official.to_lowercase()), json!(official));
    }
    // Those without an official value, and new ones, are sent as they are.
    for name in ["DpmPlusPlus2MSde", "DpmPlusPlus2MSdeKarras", "DpmPlusPlus3MSdeKarras", "UniPcBh2", "Brand-New"] {
        assert_eq!(scheduler_from_alias(name), None, "{name}");
        assert_eq!(written(name), json!(name));
        assert_eq!(wrong(&cat().scheduler(name)), []);
    }
}

#[test]
fn other_kinds_of_jobs_are_checked_for_what_is_needed() {
    let violations = |error: Error| list(error.violations());
    assert_eq!(violations(Comfy::params(json!(5)).validate().unwrap_err())[0].0, "params");
    for (quantity, good) in [(0, false), (1, true), (100, true), (101, false)] {
        assert_eq!(Comfy::workflow(json!({})).quantity(quantity).validate().is_ok(), good, "{quantity}");
    }
    let spec = Comfy::workflow(json!({})).settings(|s| s.retries(-1).priority(Priority::Range { min: 3, max: 1 }));
    let members: Vec<_> = violations(spec.validate().unwrap_err()).into_iter().map(|v| v.0).collect();
    assert_eq!(members, ["priority", "retries"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_names_the_spec_that_is_wrong_and_knows_what_one_token_holds() {
    let sim = Sim::new();
    let jobs = jobs(&sim);
    let raw: Map<String, Value> = json!({"$type": "", "callbackUrl": "x"}).as_object().unwrap().clone();
    let specs: Vec<Template> = vec![cat().into(), cat().steps(0).into(), Comfy::params(json!(1)).into(), raw.into()];
    let error = jobs.submit_batch(specs).await.unwrap_err();
    let members: Vec<_> = error.violations().iter().map(|v| v.member.as_str()).collect();
    assert_eq!(members, ["jobs[1].params.steps", "jobs[2].params", "jobs[3].$type"]);
    let error = jobs.submit_batch((0..11).map(|_| cat().quantity(10))).await.unwrap_err();
    assert_eq!(list(error.violations())[0], ("jobs".into(), "110 items".into(), "at most 100 under one ticket".into()));
    assert!(sim.ledger().is_empty());
    jobs.submit_batch((0..10).map(|n| cat().prompt(format!("cat {n}")).quantity(10))).await.unwrap();
    let body: Value = serde_json::from_slice(&sim.ledger().entries()[0].body).unwrap();
    let prompts: Vec<_> = body["jobs"].as_array().unwrap().iter().map(|j| j["params"]["prompt"].clone()).collect();
    assert_eq!(prompts, (0..10).map(|n| json!(format!("cat {n}"))).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_query_is_a_value_and_is_checked_before_it_is_sent() {
    let sim = Sim::new();
    let jobs = jobs(&sim);
    let base = JobQuery::new().property("userId", 4);
    let narrow = base.clone().property("env", "prod").properties([("n", json!(null)), ("deep", json!({"a": [1]}))]);
    assert_ne!(base, narrow);
    jobs.query(narrow.job_type("TextToImage").detailed()).collect().await.unwrap();
    let entry = &sim.ledger().entries()[0];
    let body: Value = serde_json::from_slice(&entry.body).unwrap();
    let properties = json!({"userId": 4, "env": "prod", "n": null, "deep": {"a": [1]}});
    assert_eq!(body, json!({"properties": properties, "jobType": "TextToImage"}));
    assert!(entry.target.ends_with("?detailed=true"), "{}", entry.target);

    let key = HashMap::from([((1, 2), 3)]);
    let repaired = JobQuery::new().property("k", &key).property("k", 1);
    assert_eq!(jobs.query(repaired).collect().await.unwrap().len(), 0);
    let table = [
        (JobQuery::new(), "properties"),
        (JobQuery::new().property(" ", 1), "properties"),
        (JobQuery::new().property("k", &key), "properties.k"),
        (JobQuery::new().job_type(" "), "jobType"),
    ];
    for (query, member) in table {
        let error = jobs.query(query).collect().await.unwrap_err();
        assert_eq!((list(error.violations())[0].0.as_str(), error.delivery()), (member, Delivery::NotSent));
    }
    assert_eq!(sim.ledger().len(), 2);
}

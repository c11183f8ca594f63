//! Specs of Bacalhau: every broken rule at once, each interface's own words, and a stored form without loss.
use std::sync::{Arc, Mutex};
use std::time::Duration;

use consign::bacalhau::{Api, DockerJob, Input, JobSpec, Port, Publisher, Source, Verifier, WasmJob};
use consign::{ErrorKind, Jobs, Provider};
use consign_tests::bacalhau::{echo, hello, identity, json, scripted, scripted_requester};
use serde_json::{Map, Value, json};

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The members that break a rule.
fn wrong(spec: impl Into<JobSpec>, api: Api) -> Vec<String> {
    let violations = match api {
        Api::V1 => consign::bacalhau::Bacalhau::validate(&spec.into()),
        Api::Requester => consign::bacalhau::Requester::validate(&spec.into()),
    };
    violations.iter().map(|v| v.member.clone()).collect()
}

/// What a v1 server of this version is sent for a spec.
async fn sent(spec: impl Into<JobSpec>, version: &'static str) -> Value {
    let seen = Arc::new(Mutex::new(Value::Null));
    let keep = seen.clone();
    let jobs = scripted(move |request| {
        if request.uri().path() == "/api/v1/agent/version" {
            return json(200, &json!({"GitVersion": version}));
        }
        assert_eq!((request.method().as_str(), request.uri().path()), ("PUT", "/api/v1/orchestrator/jobs"));
        *keep.lock().unwrap() = serde_json::from_slice(request.body()).unwrap();
        json(200, &json!({"JobID": "j-1", "EvaluationID": "e", "Warnings": null}))
    });
    jobs.submit(spec).await.unwrap();
    let mut body = seen.lock().unwrap();
    body.take()
}

/// What a requester of this version is sent for a spec: the envelope.
async fn sent_to_requester(spec: impl Into<JobSpec>, version: &'static str) -> Value {
    let seen = Arc::new(Mutex::new(Value::Null));
    let keep = seen.clone();
    let requester = scripted_requester(move |request| {
        if request.uri().path() == "/version" {
            return json(200, &json!({"build_version_info": {"gitversion": version}}));
        }
        assert_eq!(request.uri().path(), "/requester/submit");
        *keep.lock().unwrap() = serde_json::from_slice(request.body()).unwrap();
        json(200, &json!({"job": {"Metadata": {"ID": "9304c616-291f-41ad-b862-54e133c0149e"}}}))
    });
    Jobs::new(requester.identity(identity()).build().unwrap()).submit(spec).await.unwrap();
    let mut body = seen.lock().unwrap();
    body.take()
}

#[test]
fn every_broken_rule_is_told_at_once_and_nothing_is_sent() {
    let spec = DockerJob::new(" ")
        .working_directory("here")
        .name(" ")
        .job_type("Batch job")
        .constraint("", "is", &["x"])
        .constraint("gpu", "in", &[])
        .constraint("gpu", "exists", &["x"])
        .constraint("gpu", "gt", &["1", "2"])
        .meta("bacalhau.org/x", "y")
        .env("lower", "x")
        .env("BACALHAU_X", "x")
        .env("EMPTY", "")
        .input("/in", Source::url("ftp://example.com"))
        .input("/in", Source::ipfs("not a cid"))
        .input("", Source::s3("", ""))
        .input("/local", Source::local("relative"))
        .input("/data", Source::Inline("plain".to_owned()))
        .output("o", "relative")
        .output("o", "/o")
        .cpu("two")
        .memory("512")
        .memory("much")
        .disk("1Zb")
        .http_to(["exa mple"])
        .port(Port::new("1st").fixed(80))
        .execution_timeout(secs(10))
        .queue_timeout(secs(5))
        .total_timeout(secs(14))
        .verifier(Verifier::Deterministic)
        .confidence(2)
        .min_bids(1)
        .do_not_track();
    let expected = [
        "Tasks[0].Engine.Params.Image",
        "Tasks[0].Engine.Params.WorkingDirectory",
        "Name",
        "Type",
        "Verifier",
        "Deal.Confidence",
        "Deal.MinBids",
        "DoNotTrack",
        "Constraints[0].Key",
        "Constraints[0].Operator",
        "Constraints[1].Values",
        "Constraints[2].Values",
        "Constraints[3].Values",
        "Meta",
        "Tasks[0].Env.BACALHAU_X",
        "Tasks[0].Env.EMPTY",
        "Tasks[0].Env.lower",
        "Tasks[0].InputSources[0].Source",
        "Tasks[0].InputSources[1].Target",
        "Tasks[0].InputSources[1].Source",
        "Tasks[0].InputSources[2].Target",
        "Tasks[0].InputSources[2].Source.Bucket",
        "Tasks[0].InputSources[2].Source.Key",
        "Tasks[0].InputSources[3].Source.SourcePath",
        "Tasks[0].InputSources[4].Source",
        "Tasks[0].ResultPaths[0].Path",
        "Tasks[0].ResultPaths[1].Name",
        "Tasks[0].Publisher",
        "Tasks[0].Resources.CPU",
        "Tasks[0].Resources.Memory",
        "Tasks[0].Resources.Disk",
        "Tasks[0].Network.Domains",
        "Tasks[0].Network.Ports[0]",
        "Tasks[0].Network.Ports[0].Name",
        "Tasks[0].Network.Ports[0].Static",
        "Tasks[0].Timeouts.TotalTimeout",
    ];
    assert_eq!(wrong(&spec, Api::V1), expected);
    let error = spec.validate(Api::V1).unwrap_err();
    assert_eq!((error.kind(), error.violations().len()), (ErrorKind::InvalidRequest, expected.len()));
}

#[test]
fn what_each_interface_takes_is_told_from_what_it_cannot_express() {
    let plain = || echo("x").label("a", "b").env("A", "b").cpu("1").gpu(1);
    assert!(wrong(plain(), Api::V1).is_empty() && wrong(plain(), Api::Requester).is_empty());
    // Of v1 only.
    let v1 = plain()
        .name("n")
        .namespace("s")
        .job_type("ops")
        .task_name("t")
        .priority(1)
        .meta("a", "b")
        .queue_timeout(secs(1))
        .total_timeout(secs(1))
        .network("Host")
        .port(Port::new("A"))
        .force()
        .publisher(Publisher::Local)
        .param("Shm", "1g")
        .input_value(Input::new("/a", Source::url("http://a")).alias("x"));
    assert!(wrong(&v1, Api::V1).is_empty(), "{:?}", wrong(&v1, Api::V1));
    let told = wrong(&v1, Api::Requester);
    let expected = [
        "Docker",
        "Name",
        "Namespace",
        "Type",
        "Tasks[0].Name",
        "Priority",
        "Meta",
        "QueueTimeout",
        "TotalTimeout",
        "Network.Ports",
        "Force",
        "inputs[0].Alias",
        "Publisher",
        "Network.Type",
    ];
    assert_eq!(told, expected);
    // Of the requester only: also names of variables that v1 refuses, and other rules on numbers.
    let old = || echo("x").env("lower", "").output("o", "/o").publisher(Publisher::Estuary);
    assert!(wrong(old().count(2).confidence(2).verifier(Verifier::Deterministic), Api::Requester).is_empty());
    assert_eq!(wrong(old(), Api::V1).len(), 3);
    assert_eq!(wrong(old().verifier(Verifier::Deterministic), Api::Requester), ["Verifier"]);
    assert_eq!(wrong(old().confidence(2), Api::Requester), ["Deal.Confidence"]);
    assert_eq!(wrong(old().count(0), Api::Requester), ["Deal.Concurrency"]);
    assert_eq!(wrong(old().env("a=b", ""), Api::Requester), ["EnvironmentVariables"]);
    let no_entry = DockerJob::new("ubuntu").parameters(["date"]);
    assert_eq!(wrong(&no_entry, Api::Requester), ["Docker.Parameters"]);
    assert!(wrong(no_entry, Api::V1).is_empty());
}

#[test]
fn counts_ports_and_networks_have_their_own_rules() {
    let counted = |kind: &str, count| wrong(echo("x").job_type(kind).count(count), Api::V1).len();
    for (kind, count, bad) in
        [("batch", 0, 1), ("batch", 3, 0), ("service", 0, 0), ("daemon", 1, 0), ("ops", 2, 1), ("ops", 0, 0)]
    {
        assert_eq!(counted(kind, count), bad, "{kind} {count}");
    }
    let host = |port| wrong(echo("x").network("Host").port(port), Api::V1);
    assert!(host(Port::new("WEB").fixed(8080)).is_empty());
    assert_eq!(host(Port::new("WEB").target(80)), ["Tasks[0].Network.Ports[0].Target"]);
    let bridge = |port| wrong(echo("x").network("Bridge").port(port), Api::V1);
    assert!(bridge(Port::new("WEB").target(80).host_network("127.0.0.1")).is_empty());
    assert!(wrong(echo("x").http_to(["example.com", ".example.org", "10.0.0.1"]), Api::V1).is_empty());
    let mut twice = echo("x").network("Bridge").port(Port::new("WEB")).port(Port::new("WEB"));
    assert_eq!(wrong(&twice, Api::V1), ["Tasks[0].Network.Ports[1].Name"]);
    twice = twice.network("Fast");
    assert!(wrong(&twice, Api::V1).contains(&"Tasks[0].Network.Type".to_owned()));
}

#[test]
fn a_port_is_named_as_any_environment_variable() {
    let named = |name: &str| wrong(echo("x").network("Bridge").port(Port::new(name)), Api::V1);
    for good in ["http", "_web", "Web_2"] {
        assert!(named(good).is_empty(), "{good}");
    }
    for bad in ["", "2web", "web-2", "wéb"] {
        assert_eq!(named(bad), ["Tasks[0].Network.Ports[0].Name"], "{bad}");
    }
}

#[test]
fn a_constraint_that_no_node_could_ever_fulfil_is_refused() {
    let told = |key: &str, operator: &str, values: &[&str]| {
        let spec = echo("x").constraint(key, operator, values);
        (wrong(&spec, Api::V1), wrong(&spec, Api::Requester))
    };
    for (key, operator, values) in [
        ("kubernetes.io/arch", "=", &["amd64"][..]),
        ("GPU-Model", "in", &["a100", "H100_80.g"]),
        ("gpu", "!=", &[""]),
        ("memory", "gt", &["16"]),
        ("gpu", "exists", &[]),
    ] {
        assert_eq!(told(key, operator, values), (vec![], vec![]), "{key} {operator} {values:?}");
    }
    let long = "x".repeat(64);
    for (key, operator, values, member) in [
        ("g pu", "exists", &[][..], "Key"),
        ("Arch.io/x", "exists", &[], "Key"),
        (&*long, "exists", &[], "Key"),
        ("gpu", "=", &["a b"], "Values"),
        ("gpu", "in", &["a", "b,c"], "Values"),
        ("gpu", "=", &["-a"], "Values"),
        ("gpu", "=", &[&*long], "Values"),
        ("memory", "gt", &["1.5"], "Values"),
        ("memory", "lt", &["many"], "Values"),
    ] {
        let expected = (vec![format!("Constraints[0].{member}")], vec![format!("NodeSelectors[0].{member}")]);
        assert_eq!(told(key, operator, values), expected, "{key} {operator} {values:?}");
    }
}

#[test]
fn data_that_a_node_cannot_read_is_refused() {
    let told = |source: Source| wrong(echo("x").input("/in", source), Api::V1);
    let inline = |url: &str| told(Source::Inline(url.to_owned()));
    let charset = Source::bytes("text/plain; charset=utf-8", "x");
    assert_eq!(charset, Source::Inline("data:text/plain;charset=utf-8;base64,eA==".to_owned()));
    for good in [charset, Source::bytes("", "x"), Source::text("")] {
        assert!(told(good.clone()).is_empty(), "{good:?}");
    }
    assert!(inline("data:,hello%20world").is_empty() && inline("data:;base64,eA==").is_empty());
    for bad in ["data:text/plain", "data:text/plain,hello world", "data:text,x", "data:text/plain; a=b,x", "http://a"] {
        assert_eq!(inline(bad), ["Tasks[0].InputSources[0].Source"], "{bad}");
    }
}

#[test]
fn sources_that_are_spelt_in_an_unusual_way_are_taken() {
    let base64 = "uAXASIOnwsKTzY3lR0BT_Z-1";
    for good in
        [Source::url("HTTPS://Example.com/X"), Source::ipfs(base64), Source::local("D:\\data"), Source::local("d:/x")]
    {
        assert!(wrong(echo("x").input("/in", good.clone()), Api::V1).is_empty(), "{good:?}");
    }
    for bad in [Source::url("://a"), Source::ipfs("a/b"), Source::local("D:data"), Source::local("")] {
        assert_eq!(wrong(echo("x").input("/in", bad.clone()), Api::V1).len(), 1, "{bad:?}");
    }
}

#[test]
fn what_grows_when_it_is_written_as_json_counts_as_it_is_sent() {
    let quotes = echo("x").label("note", "\"".repeat(6_000_000));
    let params = || echo("x").param("Blob", "x".repeat(11_000_000));
    let other =
        Source::Other { kind: "mine".into(), params: Map::from_iter([("Blob".into(), "x".repeat(11_000_000).into())]) };
    for spec in [quotes, params(), echo("x").input("/a", other)] {
        assert_eq!(wrong(spec, Api::V1), ["job"]);
    }
}

#[test]
fn a_request_of_more_than_ten_megabytes_is_refused_before_it_is_sent() {
    let with = |bytes: usize| echo("x").input("/a", Source::bytes("text/plain", vec![b'x'; bytes]));
    for api in [Api::V1, Api::Requester] {
        assert!(wrong(with(7_400_000), api).is_empty(), "{api:?}");
        assert_eq!(wrong(with(7_500_000), api), ["job"], "{api:?}");
        let module = WasmJob::new(Source::wasm(vec![0; 7_500_000]));
        assert_eq!(wrong(module, api), ["job"], "{api:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_is_sent_in_the_words_of_the_v1_interface() {
    let Source::S3(mut s3) = Source::s3("bucket", "data/*") else { unreachable!() };
    s3.region = Some("eu-1".into());
    let spec = DockerJob::new("ubuntu:24.04")
        .entrypoint(["/bin/sh", "-c"])
        .parameters(["sort"])
        .working_directory("/work")
        .name("sorting")
        .namespace("team")
        .priority(3)
        .count(2)
        .constraint("gpu", "exists", &[])
        .constraint("zone", "in", &["a", "b"])
        .label("team", "data")
        .meta("note", "x")
        .env("A", "b")
        .input("/u", Source::url("https://example.com/x?sig=1"))
        .input_value(Input::new("/i", Source::text("hi")).alias("words"))
        .input("/s", Source::S3(s3))
        .input("/f", Source::ipfs("QmYjtig7VJQ6XsnUjqqJvj7QaMcCAwtrgNdahSiFofrE7o"))
        .input("/l", Source::local("/data"))
        .output("outputs", "/outputs")
        .publisher(Publisher::s3("bucket", "{jobID}"))
        .cpu("500m")
        .memory("512Mb")
        .disk("1GB")
        .gpu(1)
        .http_to(["example.com"])
        .execution_timeout(Duration::from_millis(1500))
        .queue_timeout(secs(0))
        .total_timeout(secs(60))
        .force();
    let task = json!({
        "Name": "main",
        "Engine": {"Type": "docker", "Params": {
            "Image": "ubuntu:24.04", "Entrypoint": ["/bin/sh", "-c"], "Parameters": ["sort"], "WorkingDirectory": "/work",
        }},
        "Publisher": {"Type": "s3", "Params": {"Bucket": "bucket", "Key": "{jobID}"}},
        "Env": {"A": "b"},
        "InputSources": [
            {"Target": "/u", "Source": {"Type": "urlDownload", "Params": {"URL": "https://example.com/x?sig=1"}}},
            {"Target": "/i", "Alias": "words", "Source": {"Type": "inline", "Params": {"URL": "data:text/plain;base64,aGk="}}},
            {"Target": "/s", "Source": {"Type": "s3", "Params": {"Bucket": "bucket", "Key": "data/*", "Region": "eu-1"}}},
            {"Target": "/f", "Source": {"Type": "ipfs", "Params": {"CID": "QmYjtig7VJQ6XsnUjqqJvj7QaMcCAwtrgNdahSiFofrE7o"}}},
            {"Target": "/l", "Source": {"Type": "local", "Params": {"SourcePath": "/data"}}},
        ],
        "ResultPaths": [{"Name": "outputs", "Path": "/outputs"}],
        "Resources": {"CPU": "500m", "Memory": "512Mb", "Disk": "1GB", "GPU": "1"},
        "Network": {"Type": "HTTP", "Domains": ["example.com"]},
        "Timeouts": {"ExecutionTimeout": 2, "QueueTimeout": 0, "TotalTimeout": 60},
    });
    let expected = json!({"Force": true, "Job": {
        "Name": "sorting", "Namespace": "team", "Type": "batch", "Priority": 3, "Count": 2,
        "Constraints": [{"Key": "gpu", "Operator": "exists"}, {"Key": "zone", "Operator": "in", "Values": ["a", "b"]}],
        "Meta": {"note": "x"}, "Labels": {"team": "data"}, "Tasks": [task],
    }});
    assert_eq!(sent(&spec, "v1.9.3").await, expected);
    // An older server knows local folders by another name.
    let old = sent(&spec, "v1.6.0").await;
    assert_eq!(old["Job"]["Tasks"][0]["InputSources"][4]["Source"]["Type"], "localDirectory");
}

#[tokio::test(start_paused = true)]
async fn a_module_is_an_input_or_a_parameter_by_the_servers_version() {
    let spec = WasmJob::new(Source::url("https://example.com/m.wasm"))
        .parameters(["a"])
        .import(Source::ipfs("Qm1"))
        .env("A", "b")
        .input("/in", Source::text("x"));
    let new = sent(&spec, "v1.7.0").await;
    let task = &new["Job"]["Tasks"][0];
    assert_eq!(
        task["Engine"],
        json!({"Type": "wasm", "Params": {"EntryModule": "/wasm/entry.wasm", "Entrypoint": "_start", "Parameters": ["a"],
            "ImportModules": ["/wasm/imports/module_0.wasm"]}})
    );
    let targets: Vec<_> =
        task["InputSources"].as_array().unwrap().iter().map(|i| i["Target"].as_str().unwrap()).collect();
    assert_eq!(targets, ["/wasm/entry.wasm", "/wasm/imports/module_0.wasm", "/in"]);
    assert_eq!(sent(&spec, "v0.0.0-xxxxxxx").await, new);
    let old = sent(&spec, "v1.6.9").await;
    let module = json!({"Source": {"Type": "urlDownload", "Params": {"URL": "https://example.com/m.wasm"}},
        "Target": "/wasm/entry.wasm"});
    assert_eq!(
        old["Job"]["Tasks"][0]["Engine"]["Params"],
        json!({"EntryModule": module, "EntryPoint": "_start", "Parameters": ["a"],
            "ImportModules": [{"Source": {"Type": "ipfs", "Params": {"CID": "Qm1"}},
                "Target": "/wasm/imports/module_0.wasm"}]})
    );
    assert_eq!(old["Job"]["Tasks"][0]["InputSources"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_spec_is_sent_to_a_requester_in_the_words_of_its_version() {
    let spec = DockerJob::new("ubuntu")
        .entrypoint(["date"])
        .parameters(["-u"])
        .env("lower", "x")
        .label("team", "data")
        .label("fast", "")
        .constraint("zone", "=", &["a"])
        .input("/in", Source::ipfs("Qm1"))
        .output("outputs", "/outputs")
        .count(3)
        .confidence(2)
        .gpu(1)
        .network("Full")
        .execution_timeout(Duration::from_millis(1500));
    let envelope = sent_to_requester(&spec, "v0.3.25").await;
    let payload = &envelope["job_create_payload"];
    assert_eq!(
        (payload["ClientID"].as_str(), &payload["APIVersion"]),
        (Some(identity().client_id()), &json!("V1beta1"))
    );
    assert_eq!(
        payload["Spec"],
        json!({
            "Engine": "Docker", "Verifier": "Noop", "Publisher": "Ipfs",
            "Docker": {"Image": "ubuntu", "Entrypoint": ["date", "-u"], "EnvironmentVariables": ["lower=x"]},
            "Resources": {"GPU": "1"}, "Network": {"Type": "Full"}, "Timeout": 1.5,
            "inputs": [{"StorageSource": "IPFS", "CID": "Qm1", "path": "/in"}],
            "outputs": [{"StorageSource": "IPFS", "Name": "outputs", "path": "/outputs"}],
            "Annotations": ["fast", "team=data"],
            "NodeSelectors": [{"Key": "zone", "Operator": "=", "Values": ["a"]}],
            "Deal": {"Concurrency": 3, "Confidence": 2},
        })
    );
    let wasm = sent_to_requester(hello(), "v0.3.26").await;
    let module = &wasm["payload"]["Spec"]["Wasm"];
    assert_eq!((&module["EntryPoint"], &module["EntryModule"]["StorageSource"]), (&json!("_start"), &json!("Inline")));
    assert_eq!(wasm["payload"]["Spec"]["Publisher"], "Noop");
    let late = sent_to_requester(&spec, "v1.0.4").await;
    assert_eq!(late["payload"]["APIVersion"], "V1beta2");
    let late = &late["payload"]["Spec"];
    assert_eq!((&late["EngineSpec"]["Type"], &late["PublisherSpec"]["Type"]), (&json!("docker"), &json!("ipfs")));
    assert_eq!(late["EngineSpec"]["Params"]["Image"], "ubuntu");
    assert!(late["Engine"].is_null() && late["Verifier"].is_null() && late["Docker"].is_null());
}

#[tokio::test(start_paused = true)]
async fn a_size_is_spelt_as_a_requester_reads_it() {
    for (given, wanted) in [
        ("512Mb", "512MB"),
        ("1 Gi", "1G"),
        ("64000k", "64000K"),
        ("100", "100"),
        ("1.5 GiB", "1610612736B"),
        ("0.5k", "512B"),
        ("0.25", "1B"),
    ] {
        let envelope = sent_to_requester(echo("x").memory(given).disk(given), "v0.3.25").await;
        let resources = &envelope["job_create_payload"]["Spec"]["Resources"];
        assert_eq!((&resources["Memory"], &resources["Disk"]), (&json!(wanted), &json!(wanted)), "{given}");
    }
}

#[test]
fn a_stored_spec_is_read_back_without_loss_and_unknown_members_are_an_error() {
    let Source::Local(mut local) = Source::local("/d") else { unreachable!() };
    local.read_write = true;
    let specs: Vec<JobSpec> = vec![
        echo("x").into(),
        echo("x")
            .parameters(["a"])
            .working_directory("/w")
            .param("Shm", 1)
            .name("n")
            .job_type("ops")
            .count(2)
            .constraint("a", "!", &[])
            .label("a", "b")
            .env("A", "b")
            .input("/l", Source::Local(local))
            .output("o", "/o")
            .publisher(Publisher::s3("b", "k"))
            .gpu(2)
            .http_to(["a"])
            .port(Port::new("A").fixed(2000).target(3))
            .execution_timeout(Duration::from_millis(1500))
            .verifier(Verifier::Deterministic)
            .confidence(3)
            .force()
            .into(),
        hello().entrypoint("run").import(Source::s3("b", "k")).into(),
        JobSpec::Raw(json!({"Type": "batch", "Tasks": [], "x": null}).as_object().unwrap().clone()),
        JobSpec::Raw(json!({"engine": "docker", "$raw": 1}).as_object().unwrap().clone()),
    ];
    for spec in specs {
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<JobSpec>(&text).unwrap(), spec, "{text}");
    }
    let by_hand = json!({"engine": "docker", "image": "ubuntu", "entrypoint": ["date"], "memory": "1Gb",
        "executionTimeout": 60, "inputs": [{"target": "/in", "source": {"url": "https://example.com/x"}}],
        "publisher": "local", "outputs": [{"name": "o", "path": "/o"}]});
    let spec = DockerJob::new("ubuntu")
        .entrypoint(["date"])
        .memory("1Gb")
        .execution_timeout(secs(60))
        .input("/in", Source::url("https://example.com/x"))
        .publisher(Publisher::Local)
        .output("o", "/o");
    assert_eq!(serde_json::from_value::<JobSpec>(by_hand.clone()).unwrap(), spec.into());
    for (member, value) in [("imgae", json!("x")), ("module", json!("x")), ("count", json!(-1)), ("image", json!(1))] {
        let mut other = by_hand.clone();
        other[member] = value;
        assert!(serde_json::from_value::<JobSpec>(other).is_err(), "{member}");
    }
    let error = serde_json::from_value::<JobSpec>(json!({"engine": "docker", "image": "x", "imgae": "x"})).unwrap_err();
    assert!(error.to_string().contains("imgae"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_raw_job_is_sent_as_it_is_and_has_to_be_one() {
    let job = json!({"Type": "batch", "Tasks": [{"Name": "t", "Engine": {"Type": "mine", "Params": {"x": [1, null]}}}], "New": 7});
    let raw = JobSpec::Raw(job.as_object().unwrap().clone());
    let body = sent(&raw, "v1.9.3").await;
    assert_eq!(body["Job"]["Tasks"][0]["Engine"], json!({"Type": "mine", "Params": {"x": [1, null]}}));
    assert_eq!(body["Job"]["New"], 7);
    let empty = || JobSpec::Raw(Map::new());
    assert_eq!(
        (wrong(empty(), Api::V1), wrong(empty(), Api::Requester)),
        (vec!["job".into()], vec!["Spec".to_owned()])
    );
}

#[test]
fn what_may_be_secret_is_not_shown() {
    let spec = echo("x")
        .env("TOKEN", "s3cret-value")
        .param("EnvironmentVariables", vec!["TOKEN=s3cret-value"])
        .input("/a", Source::url("https://user:pass1234@example.com/x?sig=signature1"))
        .input("/b", Source::bytes("text/plain", "much data ".repeat(1000)));
    let shown = format!("{spec:?} {:?}", JobSpec::from(&spec));
    for secret in ["s3cret-value", "pass1234", "signature1", "bXVjaC"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("TOKEN") && shown.contains("example.com/x") && shown.len() < 4000, "{shown}");
}

#[test]
fn a_folder_is_packed_the_same_each_time_and_links_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    std::fs::write(folder.path().join("sub/b.txt"), "b").unwrap();
    std::fs::write(folder.path().join("a.txt"), "a").unwrap();
    let source = Source::folder(folder.path()).unwrap();
    assert_eq!(source, Source::folder(folder.path()).unwrap());
    let Source::Inline(url) = source else { panic!("inline data") };
    let data = url.strip_prefix("data:application/gzip;base64,").unwrap();
    use base64::Engine as _;
    let packed = base64::prelude::BASE64_STANDARD.decode(data).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&packed[..]));
    let names = archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().display().to_string());
    let names: Vec<_> = names.collect();
    assert_eq!(names, ["a.txt", "sub", "sub/b.txt"]);
    let missing = Source::folder(folder.path().join("none")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Io);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        assert_eq!(Source::folder(folder.path()).unwrap_err().kind(), ErrorKind::InvalidRequest);
    }
}

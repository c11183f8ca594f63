//! Output files of Chutes: whole, in parallel, under names that stay in the folder, fetched from the service alone.
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use consign::chutes::{Chutes, Outputs};
use consign::{DynJobs, ErrorKind, Jobs, transport};
use consign_sim::chutes::Plan;
use consign_sim::chutes::operation::DOWNLOAD_OUTPUT_FILE as DOWNLOAD;
use consign_sim::{Chutes as Sim, Fault, Rule};
use consign_tests::chutes::{answers, builder, jobs, train};
use serde_json::json;

fn sim(files: &[(&str, &str)]) -> Sim {
    let plan = files.iter().fold(Plan::complete().seconds(3.0), |plan, (name, content)| {
        plan.file(*name, Bytes::from((*content).to_owned()))
    });
    Sim::builder().seed(1).script(move |_, _| plan.clone()).build()
}

async fn outputs(jobs: &Jobs<Chutes>) -> Outputs {
    jobs.submit(train()).await.unwrap().wait().await.unwrap().into_result().unwrap()
}

/// Every file below a folder, by its path relative to it.
fn below(folder: &Path) -> BTreeSet<String> {
    let (mut found, mut folders) = (BTreeSet::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[tokio::test(start_paused = true)]
async fn all_files_are_saved_in_their_folders_with_their_contents() {
    let files = [
        ("model.safetensors", "weights"),
        ("checkpoints/epoch 1.json", "{}"),
        ("a/b/c", ""),
        ("_chute.log.1", "log"),
        ("r\u{e9}sum\u{e9}.txt", "text"),
    ];
    let (sim, folder) = (sim(&files), tempfile::tempdir().unwrap());
    let outputs = outputs(&jobs(&sim)).await;
    let paths = outputs.save_all(folder.path().join("out")).await.unwrap();
    assert_eq!(paths.len(), 5);
    for (file, path) in outputs.files().iter().zip(&paths) {
        assert_eq!(*path, folder.path().join("out").join(file.name()));
    }
    for (name, content) in files {
        assert_eq!(std::fs::read_to_string(folder.path().join("out").join(name)).unwrap(), content);
        assert_eq!(outputs.file(name).unwrap().bytes(100).await.unwrap(), content.as_bytes());
    }
    assert_eq!(below(folder.path()).len(), 5, "nothing else is left");
    // The same again replaces them; one alone goes where it is told.
    assert_eq!(outputs.save_all(folder.path().join("out")).await.unwrap(), paths);
    let own = folder.path().join("own.json");
    assert_eq!(outputs.file("checkpoints/epoch 1.json").unwrap().save_as(&own).await.unwrap(), own);
}

#[tokio::test(start_paused = true)]
async fn no_name_leaves_the_folder_on_any_system_and_no_two_become_one_file() {
    let hostile = [
        "../../escaped",
        "/etc/passwd",
        "a/../../escaped",
        "..",
        ".",
        "a//b",
        "C:\\Windows\\win.ini",
        "C:/x",
        "..\\escaped",
        "\\\\host\\share\\x",
        "CON",
        "nul.txt",
        "a/COM1",
        "file.txt::$DATA",
        "trailing. . ",
        ".ssh/authorized_keys",
        "quo\"te",
        "a/b.",
        "tab\t",
        "Case.txt",
        "case.TXT",
        "both",
        "both/inner",
        "Both/other",
        "plain.txt",
        "plain/x.txt",
    ];
    let files: Vec<(&str, &str)> = hostile.iter().map(|name| (*name, *name)).collect();
    let (sim, outer) = (sim(&files), tempfile::tempdir().unwrap());
    let folder = outer.path().join("deep/er/out");
    let outputs = outputs(&jobs(&sim)).await;
    assert_eq!(outputs.files().len(), hostile.len());
    let paths = outputs.save_all(&folder).await.unwrap();
    for (file, path) in outputs.files().iter().zip(&paths) {
        assert_eq!(std::fs::read_to_string(path).unwrap(), file.name(), "{}", path.display());
        let inner = path.strip_prefix(&folder).unwrap();
        for part in inner.components() {
            let Component::Normal(part) = part else { panic!("{}", path.display()) };
            let part = part.to_str().unwrap();
            assert!(!part.contains(['\\', ':', '*', '?', '"', '<', '>', '|', '\t']), "{part}");
            assert!(!part.ends_with(['.', ' ']) && !part.starts_with('.'), "{part}");
            let stem = part.split('.').next().unwrap().to_ascii_uppercase();
            assert!(!["CON", "NUL", "COM1"].contains(&stem.as_str()), "{part}");
        }
    }
    // Also where letters' case does not tell names apart, and a file is no folder.
    let lower: BTreeSet<String> = below(&folder).into_iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(lower.len(), hostile.len());
    assert!(lower.iter().all(|name| !lower.iter().any(|other| other.starts_with(&format!("{name}/")))), "{lower:?}");
    assert!(lower.contains("plain.txt") && lower.contains("plain/x.txt"));
    assert_eq!(below(outer.path()).len(), hostile.len(), "nothing outside");
}

#[tokio::test(start_paused = true)]
async fn files_come_a_few_at_a_time_each_with_the_credential_and_from_the_service_alone() {
    let under_way = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let hosts = Arc::new(Mutex::new(Vec::new()));
    let (count, seen) = (under_way.clone(), hosts.clone());
    let serve = transport::from_fn(move |request: http::Request<Bytes>| {
        let (count, path) = (count.clone(), request.uri().path().to_owned());
        let credential = request.headers().get("authorization").is_some();
        seen.lock().unwrap().push((request.uri().host().unwrap().to_owned(), credential));
        async move {
            if !path.contains("/download/") {
                let files: serde_json::Map<_, _> = (0..20)
                    .map(|n| (format!("id{n}"), json!({"filename": format!("https://elsewhere.example/{n}"), "path": "https://elsewhere.example/x?sig=1", "uploaded": true})))
                    .collect();
                let record = json!({"job_id": "j", "finished_at": "2025-07-20T13:02:11", "result": {}, "output_files": files, "output_storage_urls": {"x": "https://elsewhere.example/"}});
                return Ok(http::Response::new(record.to_string().into()));
            }
            let now = count.0.fetch_add(1, Ordering::Relaxed) + 1;
            count.1.fetch_max(now, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(10)).await;
            count.0.fetch_sub(1, Ordering::Relaxed);
            Ok(http::Response::builder()
                .header("content-type", "application/octet-stream")
                .body(Bytes::from_static(b"x"))
                .unwrap())
        }
    });
    let chutes = Chutes::builder().base_url(Sim::URL).api_key(Sim::KEY).transport(serve).build().unwrap();
    let jobs = Jobs::builder(chutes).spacing(Duration::ZERO).build();
    let outputs = jobs.attach(Chutes::ticket_of_job("j")).unwrap().outputs().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(outputs.save_all(folder.path()).await.unwrap().len(), 20);
    assert_eq!(under_way.1.load(Ordering::Relaxed), 4);
    let hosts = hosts.lock().unwrap();
    assert_eq!(hosts.len(), 21);
    assert!(hosts.iter().all(|(host, credential)| host == "chutes.invalid" && *credential), "{hosts:?}");
}

#[tokio::test(start_paused = true)]
async fn downloads_take_turns_with_everything_else_by_default() {
    let sim = sim(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("e", "5")]);
    let folder = tempfile::tempdir().unwrap();
    outputs(&jobs(&sim)).await.save_all(folder.path()).await.unwrap();
    let times: Vec<Duration> = sim.ledger().entries().iter().map(|entry| entry.at).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(1)), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_once_costs_a_repeat_and_the_file_is_whole() {
    let table = [
        ("reset", vec![Fault::drop_before()]),
        ("reply lost", vec![Fault::lose_reply()]),
        ("cut before the first byte", vec![Fault::cut_reply(0)]),
        ("cut twice", vec![Fault::cut_reply(100), Fault::cut_reply(200)]),
        ("host silent", vec![Fault::hang()]),
        ("429", vec![Fault::status(429).retry_after(5)]),
        ("500", vec![Fault::text(500, "Internal Server Error")]),
        ("503 page", vec![Fault::html(503)]),
        ("page with 200", vec![Fault::html(502), Fault::status(408)]),
    ];
    let content = "0123456789".repeat(100);
    for (name, faults) in table {
        let (sim, folder) = (sim(&[("a.txt", &content)]), tempfile::tempdir().unwrap());
        let outputs = outputs(&jobs(&sim)).await;
        let requests = faults.len() as u64 + 1;
        for fault in faults {
            sim.faults().once(DOWNLOAD, fault);
        }
        let paths = outputs.save_all(folder.path()).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(std::fs::read_to_string(&paths[0]).unwrap(), content, "{name}");
        assert_eq!((below(folder.path()).len(), sim.ledger().count(DOWNLOAD)), (1, requests), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_always_leaves_nothing_behind_and_says_what_it_was() {
    use ErrorKind::*;
    // Fault, kind, how many requests.
    let table = [
        ("reset", Fault::drop_before(), Transport, 5),
        ("always cut", Fault::cut_reply(3), Transport, 5),
        ("500", Fault::text(500, "Internal Server Error"), Server, 5),
        ("404", Fault::json(404, &json!({"detail": "Job output file not found job_id='x' file_id='y'"})), NotFound, 1),
        ("401", Fault::json(401, &json!({"detail": "Invalid token or user not found"})), Unauthorized, 1),
        ("429 for a day", Fault::status(429).retry_after(86_400), RateLimited, 1),
        ("a redirect", Fault::empty(302).header("location", "https://elsewhere.example/"), Status, 1),
        ("a part that was not asked for", Fault::text(206, "ab"), Decode, 1),
    ];
    for (name, fault, kind, requests) in table {
        let (sim, folder) = (sim(&[("a.txt", "0123456789")]), tempfile::tempdir().unwrap());
        let outputs = outputs(&jobs(&sim)).await;
        sim.faults().add(Rule::new(fault).on(DOWNLOAD).always());
        let error = outputs.save_all(folder.path()).await.unwrap_err();
        assert_eq!((error.kind(), sim.ledger().count(DOWNLOAD)), (kind, requests), "{name}: {error}");
        assert!(error.ticket().is_some() && !error.to_string().contains("cpk_"), "{name}: {error}");
        assert_eq!(below(folder.path()), BTreeSet::new(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_there_says_why() {
    // Declared, never uploaded: known from the record, so nothing is asked for it.
    let plan = Plan::complete().file("there", "x").missing("not there");
    let partial = Sim::builder().script(move |_, _| plan.clone().seconds(1.0)).build();
    let done = jobs(&partial).submit(train()).await.unwrap().wait().await.unwrap();
    let (outputs, folder) = (done.outputs(), tempfile::tempdir().unwrap());
    assert_eq!(
        outputs.files().iter().map(|f| (f.name(), f.is_uploaded())).collect::<Vec<_>>(),
        [("not there", false), ("there", true)]
    );
    let before = partial.ledger().len();
    let error = outputs.file("not there").unwrap().save_to(folder.path()).await.unwrap_err();
    assert_eq!((error.kind(), partial.ledger().len()), (ErrorKind::NotFound, before), "{error}");
    // What is there is saved, also of a job that did not succeed.
    assert_eq!(outputs.save_all(folder.path()).await.unwrap(), [folder.path().join("there")]);
    assert_eq!(done.into_result().unwrap_err().kind(), ErrorKind::JobFailed);

    // A name outside Latin-1 cannot stand in the service's header.
    let odd = sim(&[("猫.txt", "x")]);
    let outputs = self::outputs(&jobs(&odd)).await;
    let error = outputs.files()[0].bytes(10).await.unwrap_err();
    assert_eq!((error.kind(), odd.ledger().count(DOWNLOAD)), (ErrorKind::Server, 1));
    assert!(error.to_string().contains("cannot send a file with this name"), "{error}");

    // Deleted since.
    let gone = sim(&[("a", "x")]);
    let jobs = jobs(&gone);
    let job = jobs.submit(train()).await.unwrap();
    let outputs = job.wait().await.unwrap().into_result().unwrap();
    job.cancel().await.unwrap();
    let error = outputs.files()[0].bytes(10).await.unwrap_err();
    assert!(error.to_string().contains("removed when its job was deleted"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_file_can_be_had_before_its_job_ends_and_only_up_to_the_bound() {
    let plan = Plan::complete().file("a", "0123456789").file("b", "x").upload(50.0).seconds(1.0);
    let sim = Sim::builder().script(move |_, _| plan.clone()).build();
    let job = builder(&sim).build().submit(train()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(80)).await;
    let outputs = job.outputs().await.unwrap();
    let file = outputs.files().iter().find(|file| file.is_uploaded()).unwrap();
    assert_eq!(file.bytes(10).await.unwrap(), "0123456789");
    assert_eq!(file.bytes(9).await.unwrap_err().kind(), ErrorKind::TooLarge);
    assert!(!job.look().await.unwrap().finished());
}

#[tokio::test(start_paused = true)]
async fn files_are_general_artifacts_too_without_an_address_that_works_for_others() {
    let (sim, folder) = (sim(&[("x/a.txt", "1"), ("b", "2")]), tempfile::tempdir().unwrap());
    let job = DynJobs::from(jobs(&sim)).submit::<Chutes>(train()).await.unwrap();
    let done = job.wait().await.unwrap();
    let mut saved: Vec<PathBuf> = Vec::new();
    for artifact in done.artifacts() {
        assert_eq!(artifact.url().await.unwrap_err().kind(), ErrorKind::Unsupported);
        saved.push(artifact.save_to(folder.path()).await.unwrap());
    }
    assert_eq!(saved, [folder.path().join("b"), folder.path().join("x/a.txt")]);
}

#[tokio::test(start_paused = true)]
async fn a_name_made_to_look_like_another_files_with_its_id_does_not_take_its_place() {
    let id = |n: u8| format!("00000000-0000-5000-8000-00000000000{n}");
    let file = |name: &str| json!({"filename": name, "path": name, "uploaded": true});
    let files = json!({
        id(1): file("Model"), id(2): file("model"), id(3): file(&format!("{}-Model", id(1))),
        id(4): file(&format!("{}-MODEL", id(2)).to_uppercase()),
    });
    let record = json!({"job_id": "j", "finished_at": "2025-07-20T12:34:56", "result": {}, "output_files": files});
    let content = (200, "application/octet-stream", "content".to_owned());
    let jobs = answers(vec![(200, "application/json", record.to_string()), content]);
    let outputs = jobs.attach(Chutes::ticket_of_job("j")).unwrap().outputs().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let paths = outputs.save_all(folder.path()).await.unwrap();
    let lower: BTreeSet<String> = paths.iter().map(|path| path.to_str().unwrap().to_lowercase()).collect();
    assert_eq!((lower.len(), below(folder.path()).len()), (4, 4), "{paths:?}");
}

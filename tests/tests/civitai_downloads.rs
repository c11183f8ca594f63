//! Fetching Civitai's pictures when hosts, answers and folders misbehave: whole files or none, and never elsewhere.
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use consign::civitai::{Images, TextToImage};
use consign::{Error, ErrorKind};
use consign_sim::civitai::operation::{BLOB, GET};
use consign_sim::{Civitai as Sim, Fault, Plan, Rule};
use consign_tests::in_process::jobs;
use serde_json::{Value, json};

const MODEL: &str = "urn:air:sdxl:checkpoint:civitai:101055@128078";

fn sim() -> Sim {
    Sim::builder().seed(1).url_life(Duration::from_secs(600)).script(|_, _| Plan::succeed().seconds(3.0)).build()
}

/// The pictures of a finished job of `quantity` items.
async fn images(sim: &Sim, quantity: i32) -> Images {
    let spec = TextToImage::new(MODEL, "a cat").size(256, 256).quantity(quantity);
    jobs(sim).submit(spec).await.unwrap().wait().await.unwrap().into_result().unwrap()
}

fn names(folder: &Path) -> BTreeSet<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_once_costs_a_repeat_and_the_file_is_whole() {
    let table = [
        ("reset", vec![Fault::drop_before()]),
        ("reply lost", vec![Fault::lose_reply()]),
        ("cut before the first byte", vec![Fault::cut_reply(0)]),
        ("cut within the first bytes", vec![Fault::cut_reply(5)]),
        ("cut twice", vec![Fault::cut_reply(1000), Fault::cut_reply(2000)]),
        ("host silent", vec![Fault::hang()]),
        ("408", vec![Fault::status(408)]),
        ("429", vec![Fault::status(429).retry_after(5)]),
        ("500", vec![Fault::status(500)]),
        ("503 page", vec![Fault::html(503)]),
        ("URL expired", vec![Fault::expired_url()]),
        ("404", vec![Fault::status(404)]),
        ("Range ignored", vec![Fault::cut_reply(1000), Fault::ignore_range()]),
        ("expired in between", vec![Fault::cut_reply(1000), Fault::expired_url()]),
        ("range refused", vec![Fault::cut_reply(1000), Fault::status(416)]),
    ];
    for (name, faults) in table {
        let (sim, folder) = (sim(), tempfile::tempdir().unwrap());
        let images = images(&sim, 1).await;
        let whole = images.images()[0].bytes(1 << 24).await.unwrap();
        let before = sim.ledger().count(BLOB);
        // A range that is ignored is answered with the whole.
        let requests = faults.len() as u64 + u64::from(name != "Range ignored");
        for fault in faults {
            sim.faults().once(BLOB, fault);
        }
        let path = images.images()[0].save_to(folder.path()).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(std::fs::read(&path).unwrap(), whole, "{name}");
        assert_eq!((names(folder.path()).len(), sim.faults().pending()), (1, 0), "{name}");
        assert_eq!(sim.ledger().count(BLOB) - before, requests, "{name}");
        assert_eq!(sim.ledger().leaks(), 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_version_in_the_middle_starts_the_file_over() {
    let (sim, folder) = (sim(), tempfile::tempdir().unwrap());
    let images = images(&sim, 1).await;
    let first = images.images()[0].bytes(1 << 24).await.unwrap();
    sim.faults().once(BLOB, Fault::cut_reply(1000));
    sim.faults().once(BLOB, Fault::other_version());
    let path = images.images()[0].save_to(folder.path()).await.unwrap();
    let saved = std::fs::read(path).unwrap();
    assert_ne!(saved, first);
    let decoded = png::Decoder::new(std::io::Cursor::new(saved)).read_info().unwrap().next_frame(&mut vec![0; 1 << 20]);
    assert!(decoded.is_ok(), "one version, not a mixture");
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_always_leaves_nothing_behind() {
    use ErrorKind::*;
    let other = |status: u16, body: &str| Fault::text(status, body).header("etag", "\"x\"");
    let table = [
        ("reset", Fault::drop_before(), Transport),
        ("always cut", Fault::cut_reply(1000), Transport),
        ("host silent", Fault::hang(), Timeout),
        ("500", Fault::status(500), Server),
        ("503 page", Fault::html(503), Gateway),
        ("429 for a day", Fault::status(429).retry_after(86_400), RateLimited),
        ("403 for ever", Fault::expired_url(), Forbidden),
        ("401", Fault::empty(401), Unauthorized),
        ("404", Fault::status(404), NotFound),
        ("410", Fault::status(410), NotFound),
        ("a redirect", Fault::empty(302).header("location", "https://elsewhere.example/"), Status),
        ("no picture", Fault::not_a_picture(), Decode),
        ("nothing", Fault::empty(200), Decode),
        ("204", Fault::empty(204), Status),
        ("a few bytes", other(200, "ab"), Decode),
        ("a part that was not asked for", other(206, "ab"), Decode),
        (
            "compressed",
            Fault::edit(|r| drop(r.headers_mut().insert("content-encoding", "gzip".parse().unwrap()))),
            Decode,
        ),
    ];
    for (name, fault, kind) in table {
        let (sim, folder) = (sim(), tempfile::tempdir().unwrap());
        let images = images(&sim, 1).await;
        let whole = images.images()[0].bytes(1 << 24).await.unwrap();
        let path = images.images()[0].save_to(folder.path()).await.unwrap();
        sim.faults().add(Rule::new(fault).on(BLOB).always());
        let check = |error: Error| {
            assert_eq!(error.kind(), kind, "{name}: {error}");
            assert!(error.ticket().is_some() && !error.to_string().contains("X-Amz"), "{name}: {error}");
        };
        check(images.images()[0].save_to(folder.path()).await.unwrap_err());
        check(images.images()[0].save_as(folder.path().join("other.png")).await.unwrap_err());
        check(images.images()[0].bytes(1 << 24).await.unwrap_err());
        assert_eq!(names(folder.path()).len(), 1, "{name}");
        assert_eq!(std::fs::read(path).unwrap(), whole, "{name}: the file that was there is as it was");
        assert!(sim.ledger().count(BLOB) <= 3 * 6, "{name}: {}", sim.ledger().count(BLOB));
    }
}

#[tokio::test(start_paused = true)]
async fn a_picture_is_kept_in_memory_only_up_to_the_bound() {
    let sim = sim();
    let images = images(&sim, 1).await;
    let whole = images.images()[0].bytes(usize::MAX).await.unwrap();
    assert_eq!(images.images()[0].bytes(whole.len()).await.unwrap(), whole);
    for bound in [0, 10, whole.len() - 1] {
        assert_eq!(images.images()[0].bytes(bound).await.unwrap_err().kind(), ErrorKind::TooLarge);
    }
}

#[tokio::test(start_paused = true)]
async fn addresses_that_a_service_should_not_give_are_not_followed_and_get_no_token() {
    let long = format!("http://blobs.civitai.invalid/{}", "a".repeat(100_000));
    let table = [
        "file:///etc/passwd",
        "ftp://blobs.civitai.invalid/x",
        "http://user:pa55word@blobs.civitai.invalid/x",
        "https://pa55word@blobs.civitai.invalid/x",
        "not a url",
        "/x",
        "//blobs.civitai.invalid/x",
        "http://",
        "http:///x",
        "http://[::1",
        "http://a b/",
        "data:image/png;base64,iVBORw0KGgo=",
        "javascript:alert(1)",
        "http://blobs.civitai.invalid/x\r\nAuthorization: pa55word",
        &long,
    ];
    for url in table {
        let (sim, folder) = (sim(), tempfile::tempdir().unwrap());
        let place = url.to_owned();
        let edit = Fault::edit_json(move |body| body["jobs"][0]["result"][0]["blobUrl"] = place.clone().into());
        sim.faults().add(Rule::new(edit).on(GET).always());
        let images = images(&sim, 1).await;
        let error = images.images()[0].save_to(folder.path()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Decode | ErrorKind::Forbidden), "{url:.60}: {error}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("pa55word") && text.len() < 2000, "{text:.300}");
        assert!(names(folder.path()).is_empty(), "{url:.60}");
        assert!(url == long || sim.ledger().count(BLOB) == 0, "{url:.60}");
    }
    // The address of the interface itself is a stranger's too.
    let sim = sim();
    let edit = Fault::edit_json(|body| {
        body["jobs"][0]["result"][0]["blobUrl"] = "http://civitai.invalid/v1/consumer/consumption".into();
    });
    sim.faults().add(Rule::new(edit).on(GET).always());
    let error = images(&sim, 1).await.images()[0].bytes(1 << 20).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(sim.ledger().of("v1_consumer_consumption_get").iter().all(|entry| !entry.credentials));
}

#[tokio::test(start_paused = true)]
async fn job_ids_of_any_form_become_files_in_the_folder_and_never_one_for_two() {
    let table = [
        "../../escape",
        "/etc/passwd",
        "..\\..\\x",
        "C:\\Windows\\x",
        "a/b",
        "a\u{0}b",
        "NUL",
        "con.png",
        "..",
        ".",
        " ",
        "x.exe",
        "\u{202e}gnp.exe",
        "ünï",
        "a:b",
        ".hidden",
        "trailing.",
    ];
    for id in table {
        let (sim, folder) = (sim(), tempfile::tempdir().unwrap());
        let inner = folder.path().join("inner");
        let named = id.to_owned();
        let edit = Fault::edit_json(move |body| {
            body["jobs"].as_array_mut().unwrap().iter_mut().for_each(|job| job["jobId"] = named.clone().into());
        });
        sim.faults().add(Rule::new(edit).on(GET).always());
        let images = images(&sim, 3).await;
        assert_eq!(images.images()[0].item(), Some(id));
        let paths = images.save_all(&inner).await.unwrap();
        assert_eq!((names(folder.path()).len(), names(&inner).len()), (1, 3), "{id:?}: {paths:?}");
        for path in paths {
            assert_eq!(path.parent(), Some(&*inner), "{id:?}");
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(!name.starts_with('.') && !name.contains(['/', '\\', ':', '\0', '\u{202e}']), "{name:?}");
        }
    }
    let long = "é".repeat(5000);
    let (sim, folder) = (sim(), tempfile::tempdir().unwrap());
    sim.faults()
        .add(Rule::new(Fault::edit_json(move |body| body["jobs"][0]["jobId"] = long.clone().into())).on(GET).always());
    let path = images(&sim, 1).await.images()[0].save_to(folder.path()).await.unwrap();
    assert!(path.file_name().unwrap().len() < 200);
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_cannot_be_written_is_named_and_nothing_is_lost() {
    let (sim, folder) = (sim(), tempfile::tempdir().unwrap());
    let images = images(&sim, 1).await;
    let image = &images.images()[0];
    let file = folder.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    let taken = folder.path().join("taken");
    std::fs::create_dir_all(taken.join("full")).unwrap();
    let failures = [
        (image.save_to(&file).await, &file),
        (image.save_to(file.join("below")).await, &file),
        (image.save_as(folder.path().join("missing/picture.png")).await, &folder.path().join("missing")),
        (image.save_as(&taken).await, &taken),
    ];
    for (result, named) in failures {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.ticket().is_some()), (ErrorKind::Io, true), "{error}");
        assert!(error.to_string().contains(named.to_str().unwrap()), "{error}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(names(folder.path()), BTreeSet::from(["file".to_owned(), "taken".to_owned()]));
    assert_eq!(names(&taken).len(), 1);
    // Folders that are missing are made.
    let path = image.save_to(folder.path().join("a/b/c")).await.unwrap();
    assert!(path.exists());
}

#[tokio::test(start_paused = true)]
async fn a_download_that_is_dropped_leaves_nothing_and_asks_no_more() {
    let (sim, folder) = (sim(), tempfile::tempdir().unwrap());
    let images = images(&sim, 1).await;
    sim.faults().once(BLOB, Fault::cut_reply(1000));
    sim.faults().add(Rule::new(Fault::hang()).on(BLOB).always());
    let save = images.images()[0].save_to(folder.path());
    assert!(tokio::time::timeout(Duration::from_secs(20), save).await.is_err());
    let asked = sim.ledger().len();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(names(folder.path()).is_empty());
    assert_eq!((asked, sim.ledger().len()), (sim.ledger().len(), asked));
}

#[tokio::test(start_paused = true)]
async fn a_picture_that_the_job_does_not_have_any_more_is_not_replaced_by_another() {
    let sim = sim();
    let images = images(&sim, 1).await;
    tokio::time::sleep(Duration::from_secs(700)).await;
    let other = |change: fn(&mut Value)| Rule::new(Fault::edit_json(change)).on(GET).times(1);
    sim.faults().add(other(|body| body["jobs"][0]["result"][0]["blobKey"] = "ANOTHER".into()));
    let error = images.images()[0].bytes(1 << 20).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("not in the job's record"), "{error}");
    sim.faults().add(other(|body| {
        body["jobs"][0]["result"] = json!([{"blobKey": body["jobs"][0]["result"][0]["blobKey"], "available": false}])
    }));
    let start = sim.elapsed();
    let error = images.images()[0].bytes(1 << 20).await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::NotFound && sim.elapsed() == start,
        "what was there once is not waited for: {error}"
    );
    assert_eq!(sim.ledger().count(BLOB), 0);
    assert!(images.images()[0].bytes(1 << 20).await.is_ok());
}

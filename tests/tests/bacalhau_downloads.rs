//! Results of Bacalhau: downloaded without a credential, unpacked inside of one folder, all of it or nothing.
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use consign::ErrorKind;
use consign::bacalhau::{Archive, Bacalhau, Publisher, Results};
use consign_sim::bacalhau::{Bacalhau as Sim, Plan};
use consign_sim::{Fault, Rule};
use consign_tests::bacalhau::{echo, jobs, json, provider, scripted};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use tar::{EntryType, Header};

/// One entry of an archive, whatever its name.
fn entry(name: impl AsRef<[u8]>, kind: EntryType, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    let (bytes, name) = (&mut header.as_old_mut().name, name.as_ref());
    bytes[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o777);
    header.as_old_mut().linkname[..11].copy_from_slice(b"/etc/passwd");
    header.set_cksum();
    let mut out = header.as_bytes().to_vec();
    out.extend_from_slice(content);
    out.resize(out.len().div_ceil(512) * 512, 0);
    out
}
fn file(name: &str, content: &str) -> Vec<u8> {
    entry(name, EntryType::Regular, content.as_bytes())
}
fn packed(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    for part in entries {
        out.write_all(part).unwrap();
    }
    out.write_all(&[0; 1024]).unwrap();
    out.finish().unwrap()
}

/// The results of a job whose node serves this.
async fn results(archive: Vec<u8>) -> Results {
    let archive = Bytes::from(archive);
    let jobs = scripted(move |request| match request.uri().host() {
        Some("node.invalid") => {
            assert!(request.headers().get("authorization").is_none());
            http::Response::builder().header("content-type", "application/gzip").body(archive.clone()).unwrap()
        }
        _ => json(
            200,
            &json!({"Job": {"ID": "j-1", "State": {"StateType": "Completed"}}, "Executions": {"Items": [
                {"ID": "e-1", "ComputeState": {"StateType": 9}, "PublishedResult": {"Type": "urlDownload",
                    "Params": {"URL": "http://node.invalid/e-1.tar.gz"}}},
            ]}}),
        ),
    });
    jobs.attach(Bacalhau::ticket_of_job("j-1")).unwrap().outputs().await.unwrap()
}

/// The kind and the words of the error of unpacking, after which the folder is empty.
async fn refused(archive: Vec<u8>, change: impl Fn(Archive) -> Archive) -> (ErrorKind, String) {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("out");
    let results = results(archive).await;
    let error = change(results.archives().next().unwrap().clone()).save_to(&inner).await.unwrap_err();
    assert_eq!(tree(folder.path()), [inner], "{error}");
    assert_eq!(error.ticket(), Some(&Bacalhau::ticket_of_job("j-1")), "{error}");
    (error.kind(), error.message().to_owned())
}

/// Everything below a folder.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        all.push(path.clone());
        if path.is_dir() {
            all.extend(tree(&path));
        }
    }
    all.sort();
    all
}

#[tokio::test(start_paused = true)]
async fn results_of_a_job_are_unpacked_into_a_folder_of_its_execution() {
    let sim = Sim::builder().script(|_, _| Plan::succeed().file("outputs/deep/a.txt", "content")).build();
    let spec = echo("word").output("outputs", "/outputs").publisher(Publisher::Local);
    let done = jobs(&sim).submit(spec).await.unwrap().wait().await.unwrap();
    let results = done.into_result().unwrap();
    assert_eq!((results.exit_code(), results.stdout()), (Some(0), "word\n"));
    let folder = tempfile::tempdir().unwrap();
    let saved = results.save_all(folder.path()).await.unwrap();
    let [unpacked] = &saved[..] else { panic!("{saved:?}") };
    assert_eq!(unpacked.folder, folder.path().join(&results.executions()[0].id));
    assert!(unpacked.left_out.is_empty());
    for (name, content) in [("stdout", "word\n"), ("exitCode", "0"), ("outputs/deep/a.txt", "content")] {
        assert!(unpacked.files.contains(&unpacked.folder.join(name)), "{unpacked:?}");
        assert_eq!(std::fs::read_to_string(unpacked.folder.join(name)).unwrap(), content);
    }
    // Once more: files are replaced, others stay.
    std::fs::write(unpacked.folder.join("stdout"), "other").unwrap();
    std::fs::write(unpacked.folder.join("mine"), "mine").unwrap();
    results.save_all(folder.path()).await.unwrap();
    assert_eq!(std::fs::read_to_string(unpacked.folder.join("stdout")).unwrap(), "word\n");
    assert_eq!(std::fs::read_to_string(unpacked.folder.join("mine")).unwrap(), "mine");
    let hidden = tree(folder.path()).iter().any(|path| path.to_str().unwrap().contains(".part"));
    assert!(!hidden);
    let path = results.archives().next().unwrap().download_to(folder.path()).await.unwrap();
    assert!(path.to_str().unwrap().ends_with(".tar.gz") && path.exists());
}

#[tokio::test(start_paused = true)]
async fn a_name_that_climbs_out_is_an_error_and_leaves_nothing() {
    for name in ["../x", "a/../../x", "/etc/x", "..", "a/.."] {
        let (kind, message) = refused(packed(&[file("ok", "x"), file(name, "x")]), |a| a).await;
        assert_eq!(kind, ErrorKind::Decode);
        assert!(message.contains("leads out") && message.contains(name), "{message}");
    }
    // Also where the name comes in a header of its own.
    let long = entry("././@LongLink", EntryType::GNULongName, b"../../x\0");
    assert_eq!(refused(packed(&[long, file("y", "x")]), |a| a).await.0, ErrorKind::Decode);
    let pax = entry("pax", EntryType::XHeader, b"13 path=../x\n");
    assert_eq!(refused(packed(&[pax, file("y", "x")]), |a| a).await.0, ErrorKind::Decode);
}

#[tokio::test(start_paused = true)]
async fn links_and_devices_are_left_out_and_nothing_is_written_through_them() {
    let folder = tempfile::tempdir().unwrap();
    let archive = packed(&[
        entry("link", EntryType::Symlink, b""),
        file("link/x", "inside"),
        entry("hard", EntryType::Link, b""),
        entry("dev", EntryType::Char, b""),
        entry("fifo", EntryType::Fifo, b""),
        entry("dir/", EntryType::Directory, b""),
        file("dir/a", "a"),
    ]);
    let results = results(archive).await;
    let unpacked = results.archives().next().unwrap().save_to(folder.path()).await.unwrap();
    assert_eq!(unpacked.left_out, ["link", "hard", "dev", "fifo"]);
    assert_eq!(std::fs::read_to_string(unpacked.folder.join("link/x")).unwrap(), "inside");
    assert!(!std::fs::symlink_metadata(unpacked.folder.join("link")).unwrap().is_symlink());
    assert_eq!(unpacked.files.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn names_of_other_systems_become_harmless_and_stay_apart() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["CON", "a:b", "a*b", "..\\..\\x", "C:\\x", "trailing.", "nul.txt", ".hidden"];
    let archive = packed(&names.map(|name| file(name, name)));
    let results = results(archive).await;
    let unpacked = results.archives().next().unwrap().save_to(folder.path()).await.unwrap();
    assert_eq!(unpacked.files.len(), names.len());
    for (path, name) in unpacked.files.iter().zip(names) {
        assert_eq!(path.parent(), Some(&*unpacked.folder));
        let own = path.file_name().unwrap().to_str().unwrap();
        assert!(!own.contains([':', '\\', '*']) && !own.ends_with('.'), "{own}");
        assert!(!matches!(own.split('.').next().unwrap(), "CON" | "nul"), "{own}");
        assert_eq!(std::fs::read_to_string(path).unwrap(), name);
    }
}

#[tokio::test(start_paused = true)]
async fn names_that_are_no_text_stay_apart_and_long_ones_are_told_in_short() {
    let folder = tempfile::tempdir().unwrap();
    let long = |kind| entry("././@LongLink", kind, &[b'x'; 60_000]);
    let archive = packed(&[
        entry(b"caf\xe9.txt", EntryType::Regular, b"1"),
        entry(b"caf\xe8.txt", EntryType::Regular, b"2"),
        long(EntryType::GNULongName),
        entry("link", EntryType::Symlink, b""),
    ]);
    let results = results(archive).await;
    let unpacked = results.archives().next().unwrap().save_to(folder.path()).await.unwrap();
    let names: Vec<_> = unpacked.files.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["caf%E9.txt", "caf%E8.txt"]);
    assert_eq!(unpacked.left_out.iter().map(String::len).collect::<Vec<_>>(), [240]);
    let climbing = entry("././@LongLink", EntryType::GNULongName, &"../".repeat(20_000).into_bytes());
    assert!(refused(packed(&[climbing, file("y", "x")]), |a| a).await.1.len() < 500);
}

#[tokio::test(start_paused = true)]
async fn an_archive_that_explodes_is_stopped_at_its_limits() {
    let zeros = entry("zeros", EntryType::Regular, &vec![0; 8 << 20]);
    let bomb = packed(&[zeros]);
    assert!(bomb.len() < 20_000);
    let (kind, message) = refused(bomb, |a| a.largest(1 << 20)).await;
    assert_eq!(kind, ErrorKind::TooLarge, "{message}");
    // In what is left out, too, and in a header that is never shown.
    for hidden in [EntryType::Symlink, EntryType::GNULongName, EntryType::XHeader, EntryType::XGlobalHeader] {
        let (kind, message) = refused(packed(&[entry("x", hidden, &vec![0; 8 << 20])]), |a| a.largest(1 << 20)).await;
        assert!(matches!(kind, ErrorKind::TooLarge | ErrorKind::Decode), "{hidden:?}: {message}");
    }
    let many: Vec<_> = (0..50).map(|n| file(&format!("f{n}"), "")).collect();
    assert_eq!(refused(packed(&many), |a| a.most_entries(49)).await.0, ErrorKind::TooLarge);
    // Folders count, also those that only stand in a name.
    let deep: Vec<_> = (0..10).map(|n| file(&format!("{n}/a/b/c/d/e"), "")).collect();
    assert_eq!(refused(packed(&deep), |a| a.most_entries(59)).await.0, ErrorKind::TooLarge);
    let folder = tempfile::tempdir().unwrap();
    let all = results(packed(&deep)).await;
    let archive = all.archives().next().unwrap().clone().most_entries(60);
    assert_eq!(archive.save_to(folder.path()).await.unwrap().files.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_whole_archive_is_an_error_and_leaves_nothing() {
    let good = packed(&[file("a", &"content".repeat(1000)), file("b", "b")]);
    let mut wrong_sum = good.clone();
    let end = wrong_sum.len() - 6;
    wrong_sum[end] ^= 1;
    let mut no_tar = GzEncoder::new(Vec::new(), Compression::fast());
    no_tar.write_all(&[7; 2000]).unwrap();
    let cases = [
        ("cut", good[..good.len() / 2].to_vec()),
        ("cut before its sum", good[..good.len() - 8].to_vec()),
        ("another sum", wrong_sum),
        ("no tar", no_tar.finish().unwrap()),
        ("a web page", b"<html>login</html> and more".to_vec()),
        ("twice", packed(&[file("a", "x"), file("a", "y")])),
        ("nothing", Vec::new()),
    ];
    for (name, archive) in cases {
        let (kind, message) = refused(archive, |a| a).await;
        assert_eq!(kind, ErrorKind::Decode, "{name}: {message}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_stands_in_the_way_is_found_before_anything_is_replaced() {
    for (in_the_way, archive) in [("e-1/b", ["a", "b"]), ("e-1/c/b", ["a", "c/b"])] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join(in_the_way)).unwrap();
        std::fs::write(folder.path().join("e-1/a"), "mine").unwrap();
        let before = tree(folder.path());
        let all = results(packed(&archive.map(|name| file(name, "new")))).await;
        let error = all.archives().next().unwrap().save_to(folder.path()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert_eq!(tree(folder.path()), before);
        assert_eq!(std::fs::read_to_string(folder.path().join("e-1/a")).unwrap(), "mine");
    }
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_link_that_is_there_already_is_not_followed() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let archive = packed(&[file("dir/a", "a")]);
    std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("e-1")).unwrap();
    let all = results(archive.clone()).await;
    let error = all.archives().next().unwrap().save_to(folder.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    std::fs::remove_file(folder.path().join("e-1")).unwrap();
    std::fs::create_dir(folder.path().join("e-1")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("e-1/dir")).unwrap();
    let error = all.archives().next().unwrap().save_to(folder.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(tree(elsewhere.path()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_address_that_works_no_more_is_asked_for_again_and_signed_ones_only_when_needed() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let archive = Bytes::from(packed(&[file("a", "a")]));
    let jobs = scripted(move |request| match (request.uri().host(), request.uri().path()) {
        (Some("store.invalid"), "/new") => http::Response::new(archive.clone()),
        (Some("node.invalid" | "store.invalid"), _) => {
            http::Response::builder().status(403).body(Bytes::new()).unwrap()
        }
        (_, path) if path.ends_with("/results") => {
            counter.fetch_add(1, Ordering::Relaxed);
            json(
                200,
                &json!({"Items": [
                    {"Type": "s3PreSigned", "Params": {"PreSignedURL": "http://store.invalid/old"}},
                    {"Type": "s3PreSigned", "Params": {"PreSignedURL": "http://store.invalid/new"}},
                {"Type": "urlDownload", "Params": {"URL": "http://store.invalid/new"}},
                ]}),
            )
        }
        _ => json(
            200,
            &json!({"Job": {"ID": "j-1", "State": {"StateType": "Completed"}}, "Executions": {"Items": [
                {"ID": "e-1", "CreateTime": 2, "ComputeState": {"StateType": 9}, "PublishedResult": {"Type": "ipfs", "Params": {"CID": "Qm"}}},
                {"ID": "e-0", "CreateTime": 3, "ComputeState": {"StateType": 10}, "PublishedResult": {"Type": ""}},
                {"ID": "e-2", "CreateTime": 1, "ComputeState": {"StateType": 9}, "PublishedResult": {"Type": "s3managed"}},
                {"ID": "e-3", "CreateTime": 4, "ComputeState": {"StateType": 9}, "PublishedResult": {"Type": "urlDownload",
                    "Params": {"url": "http://node.invalid/gone"}}},
            ]}}),
        ),
    });
    let results = jobs.attach(Bacalhau::ticket_of_job("j-1")).unwrap().outputs().await.unwrap();
    let ids: Vec<_> = results.executions().iter().map(|execution| execution.id.as_str()).collect();
    assert_eq!(ids, ["e-2", "e-1", "e-0", "e-3"]);
    assert_eq!(results.executions()[1].published.as_ref().unwrap().kind, "ipfs");
    assert_eq!(results.archives().count(), 2, "only two can be downloaded");
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    let folder = tempfile::tempdir().unwrap();
    let saved = results.save_all(folder.path()).await.unwrap();
    assert_eq!(saved.iter().map(|unpacked| unpacked.files.len()).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn the_users_credential_never_goes_to_the_node_that_has_the_results() {
    let sim = Sim::builder().api_key("Bob", "bob-api-key-0123456789", &["*"]).build();
    let bacalhau = provider(&sim).token("bob-api-key-0123456789").build().unwrap();
    let jobs = consign::Jobs::builder(bacalhau).seed(1).build();
    let done = jobs.submit(echo("x").publisher(Publisher::Local)).await.unwrap().wait().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(done.outputs().save_all(folder.path()).await.unwrap().len(), 1);
    assert!(sim.ledger().count("blob") > 0);
    assert_eq!(sim.ledger().leaks(), 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_download_leaves_nothing_behind() {
    let sim = Sim::new();
    let done = jobs(&sim).submit(echo("x").publisher(Publisher::Local)).await.unwrap().wait().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for fault in [Fault::hang(), Fault::hang_after()] {
        sim.faults().once("blob", fault);
        let results = done.outputs();
        let saving = results.save_all(folder.path());
        assert!(tokio::time::timeout(std::time::Duration::from_secs(20), saving).await.is_err());
        assert!(tree(folder.path()).is_empty());
    }
    // Nor does one that breaks for good.
    sim.faults().add(Rule::new(Fault::status(500)).on("blob").always());
    let error = done.outputs().save_all(folder.path()).await.unwrap_err();
    assert_eq!((error.kind(), error.ticket().is_some()), (ErrorKind::Server, true));
    assert!(tree(folder.path()).is_empty());
}

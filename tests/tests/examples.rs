//! The examples do what they say, on simulators in the process and in virtual time.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each example is a program of its own, of which a test calls one function"
)]

/// The text that `run` writes.
fn told(out: Vec<u8>) -> String {
    String::from_utf8(out).unwrap()
}

#[cfg(feature = "civitai")]
#[path = "../../crates/consign/examples/civitai_batch.rs"]
mod civitai_batch;

#[cfg(feature = "civitai")]
#[tokio::test(start_paused = true)]
async fn a_batch_of_pictures_is_made_under_one_ticket_and_saved() {
    let sim = consign_sim::Civitai::builder().seed(11).build();
    let (folder, mut out) = (tempfile::tempdir().unwrap(), Vec::new());
    civitai_batch::run(&consign_tests::in_process::jobs(&sim), folder.path(), &mut out).await.unwrap();
    let told = told(out);
    assert_eq!(told.lines().filter(|line| line.contains(": succeeded, ")).count(), 3, "{told}");
    assert!(told.contains("a lighthouse in a storm: succeeded"), "{told}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    assert_eq!(sim.ledger().submissions(), 1);
}

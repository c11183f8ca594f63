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

#[cfg(feature = "chutes")]
#[path = "../../crates/consign/examples/chutes_outputs.rs"]
mod chutes_outputs;

#[cfg(feature = "chutes")]
#[tokio::test(start_paused = true)]
async fn the_outputs_of_a_chute_are_all_downloaded_into_their_folders() {
    let sim = consign_sim::Chutes::builder().seed(5).build();
    let (folder, mut out) = (tempfile::tempdir().unwrap(), Vec::new());
    let jobs = consign_tests::chutes::jobs(&sim);
    let method = (consign_sim::Chutes::CHUTE, "train");
    chutes_outputs::run(&jobs, method, &chutes_outputs::simulated(), folder.path(), &mut out).await.unwrap();
    let told = told(out);
    assert!(told.contains("succeeded") && told.contains("\"accuracy\": 0.91"), "{told}");
    for (name, content) in
        [("model.bin", "weights"), ("checkpoints/epoch 1.json", "{}"), ("checkpoints/epoch 2.json", "{}")]
    {
        assert_eq!(std::fs::read_to_string(folder.path().join(name)).unwrap(), content);
        assert!(told.contains(&format!("{}", folder.path().join(name).display())), "{told}");
    }
    assert_eq!(sim.ledger().submissions(), 1);
}

#[cfg(feature = "bacalhau")]
#[path = "../../crates/consign/examples/bacalhau_logs.rs"]
mod bacalhau_logs;

#[cfg(feature = "bacalhau")]
#[tokio::test(start_paused = true)]
async fn a_job_with_logs_shows_what_it_prints_and_saves_its_results() {
    let sim = bacalhau_logs::simulator();
    let (folder, mut out) = (tempfile::tempdir().unwrap(), Vec::new());
    bacalhau_logs::run(&consign_tests::bacalhau::jobs(&sim), folder.path(), &mut out).await.unwrap();
    let told = told(out);
    for line in ["  line 1\n", "  line 3\n", "! almost done\n", "exit code Some(0)\n"] {
        assert_eq!(told.matches(line).count(), 1, "{told}");
    }
    let file = told.lines().find(|line| line.ends_with("outputs/date.txt")).unwrap();
    assert_eq!(std::fs::read_to_string(file).unwrap(), "today\n");
}

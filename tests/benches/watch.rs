//! Ten thousand jobs watched to their ends from one task, on the simulator in virtual time: requests
//! a job, how late an end is seen, and memory a job; held where there is room, and polled only.
use std::time::Duration;

use consign::WaitPolicy;

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    println!("{:<22} {:>8} {:>13} {:>11} {:>11}", "10,000 jobs", "ends", "requests/job", "late, mean", "bytes/job");
    for (name, policy) in [
        ("32 held, others polled", WaitPolicy::default()),
        ("polled only", WaitPolicy::default().hold(false)),
    ] {
        let seen = consign_tests::many::watch(10_000, policy, Duration::from_secs(1200)).await;
        println!(
            "{name:<22} {:>8} {:>13.1} {:>10.1}s {:>11}",
            seen.ends,
            seen.requests as f64 / 10_000.0,
            seen.late.as_secs_f64() / seen.ends as f64,
            seen.bytes / 10_000
        );
    }
}

//! What a watch holds in memory does not grow with what it has seen: I6. Apart from the others because it counts
//! every allocation of its thread.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic in a test is its report")]

#[path = "engine/fake.rs"]
#[allow(dead_code, reason = "only a part of it is needed here")]
mod fake;

use std::time::Duration;

use consign_core::{Jobs, Ticket};

use fake::{Polled, now, queued};

/// Bytes a job that 500 watched jobs hold after they were watched for so long.
fn held_after(time: Duration) -> i64 {
    const JOBS: usize = 500;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (jobs, world): (Jobs<Polled>, _) = runtime.block_on(async { fake::jobs() });
    // Every look brings news.
    world.play(|seen| {
        let mut items = queued();
        items[0].queue_position = Some(seen.n as u32);
        items[0].message = Some("somewhere in the queue".into());
        now(items)
    });
    let mut kept = None;
    let counted = allocation_counter::measure(|| {
        runtime.block_on(async {
            let all = (0..JOBS).map(|n| jobs.attach(Ticket::new("fake", 1, n.to_string())).unwrap());
            let mut watch = jobs.watch_all(all);
            let _ = tokio::time::timeout(time, async { while watch.next().await.is_some() {} }).await;
            // What the test keeps for itself is not the watch's.
            *world.looks.lock().unwrap() = Vec::new();
            kept = Some(watch);
        });
    });
    drop(kept);
    counted.bytes_current / JOBS as i64
}

#[test]
fn a_watched_job_takes_less_than_a_kibibyte_however_long_it_is_watched() {
    let (short, long) = (held_after(Duration::from_secs(60)), held_after(Duration::from_secs(3000)));
    assert!(short < 1024 && long < 1024, "{short} and {long} bytes");
    assert!(long - short < 64, "{short} bytes after a minute, {long} after fifty");
}

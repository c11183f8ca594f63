//! Ten thousand jobs watched to their ends from one task, on the simulator in virtual time: requests
//! a job, how late an end is seen, and the memory that a watched job takes.
use std::time::Duration;

use bytes::Bytes;
use consign::civitai::Civitai;
use consign::{Jobs, WaitPolicy};
use consign_tests::{in_process, many, plain};

const JOBS: usize = 10_000;

fn main() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().expect("a runtime")
    };
    println!("{:<30} {:>8} {:>13} {:>11}", "10,000 jobs of Civitai", "ends", "requests/job", "late, mean");
    for (median, sigma) in [(20, 0.8), (1200, 1.0)] {
        for (way, policy) in [("32 held", WaitPolicy::default()), ("polled", WaitPolicy::default().hold(false))] {
            let seen = runtime().block_on(async {
                let sim = many::sim(JOBS, Duration::from_secs(median), sigma);
                let jobs = in_process::jobs(&sim);
                let all = many::submit(&jobs, JOBS).await;
                many::watch(&sim, &jobs, all, policy).await
            });
            println!(
                "{:<30} {:>8} {:>13.1} {:>10.1}s",
                format!("median {median} s, σ {sigma}, {way}"),
                seen.ends,
                seen.requests as f64 / JOBS as f64,
                seen.late.as_secs_f64() / seen.ends as f64
            );
        }
    }
    println!("memory of a polled job that was found by its ticket: {} bytes", memory(&runtime()) / JOBS as i64);
}

/// What ten thousand polled jobs hold after each has been looked at, in bytes.
fn memory(runtime: &tokio::runtime::Runtime) -> i64 {
    // A service that always answers the same queued job, so that only the watch can grow.
    let queued = Bytes::from(plain::page(2)).to_vec();
    let queued: Bytes =
        String::from_utf8(queued).expect("text").replace("\"available\":true", "\"available\":false").into();
    let service = consign_http::transport::from_fn(move |_: http::Request<Bytes>| {
        let queued = queued.clone();
        async move { Ok(http::Response::new(queued)) }
    });
    let jobs = runtime.block_on(async {
        let civitai = Civitai::builder().base_url("http://civitai.invalid").token("token").transport(service).build();
        Jobs::new(civitai.expect("a provider"))
    });
    let mut kept = None;
    let counted = allocation_counter::measure(|| {
        runtime.block_on(async {
            let tickets = (0..JOBS).map(|n| Civitai::ticket_of_job(&format!("fa9423b1-9d81-48df-bb77-{n:012}")));
            let all: Vec<_> = tickets.map(|t| jobs.attach(t).expect("a job")).collect();
            let mut watch = jobs.watch_all_with(all, WaitPolicy::default().hold(false));
            let _ =
                tokio::time::timeout(Duration::from_secs(120), async { while watch.next().await.is_some() {} }).await;
            kept = Some(watch);
        });
    });
    drop(kept);
    counted.bytes_current
}

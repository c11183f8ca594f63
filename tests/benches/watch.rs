//! Ten thousand jobs watched to their ends from one task, on the simulator in virtual time: requests
//! a job, how late an end is seen, and the memory that a watched job takes.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use consign::bacalhau::DockerJob;
use consign::civitai::Civitai;
use consign::numind::ContentExtraction;
use consign::{Job, Jobs, WaitPolicy};
use consign_sim::Durations;
use consign_tests::many::Seen;
use consign_tests::{in_process, many, measured, plain};

const JOBS: usize = 10_000;

fn main() {
    if !measured::asked() {
        return;
    }
    let (polled, held) = (WaitPolicy::default().hold(false), WaitPolicy::default());
    println!("{:<34} {:>9} {:>12} {:>10} {:>16}", "jobs", "ends seen", "requests/job", "late", "on the processor");
    // Long jobs are looked at ten times as often; fewer of them show the same.
    for (count, median, sigma, way, policy) in
        [(JOBS, 20, 0.8, "polled", polled), (JOBS, 20, 0.8, "32 held", held), (JOBS / 4, 1200, 1.0, "polled", polled)]
    {
        let start = measured::on_processor();
        let seen = runtime().block_on(async {
            let sim = many::sim(count, Duration::from_secs(median), sigma);
            let jobs = in_process::jobs(&sim);
            let all = many::submit(&jobs, count).await;
            many::watch(&sim, &jobs, all, policy).await
        });
        tell(&format!("civitai, {count} of {median} s, {way}"), count, &seen, start);
    }
    others();
    measured::judge("bytes a polled job, found by its ticket", memory(false), 1024.0);
    measured::judge("bytes a polled job, just submitted", memory(true), 1024.0);
}

fn tell(name: &str, count: usize, seen: &Seen, start: Duration) {
    let (requests, late) = (seen.requests as f64 / count as f64, seen.late.as_secs_f64() / seen.ends as f64);
    let taken = (measured::on_processor() - start).as_secs_f64();
    println!("{name:<34} {:>9} {requests:>12.1} {late:>8.1} s {taken:>14.1} s", seen.ends);
    assert_eq!(seen.ends, count, "every end is seen");
}

/// Ten thousand jobs of 20 s of each other provider, by the ways of looking that it has.
fn others() {
    let durations = Durations::LogNormal { median: Duration::from_secs(20), sigma: 0.8 };
    let polled = WaitPolicy::default().hold(false);
    let start = measured::on_processor();
    let seen = runtime().block_on(async {
        let sim = consign_sim::Bacalhau::builder().seed(11).workers(JOBS).durations(durations).ledger_limit(0);
        let sim = sim.build();
        let jobs = consign_tests::bacalhau::jobs(&sim);
        let mut all = Vec::with_capacity(JOBS);
        for _ in 0..JOBS {
            let spec = DockerJob::new("busybox").cpu("1m").memory("1Mb").execution_timeout(Duration::from_secs(86_400));
            all.push(jobs.submit(spec).await.expect("a job"));
        }
        many::watch(&sim, &jobs, all, polled).await
    });
    tell(&format!("bacalhau, {JOBS} of 20 s, polled"), JOBS, &seen, start);

    let hour = Duration::from_secs(3600);
    for (count, spaced, policy) in [(JOBS, false, polled), (JOBS / 100, true, WaitPolicy::default().outage(hour))] {
        let start = measured::on_processor();
        let seen = runtime().block_on(async {
            let sim = consign_sim::Chutes::builder().seed(11).workers(count).durations(durations).ledger_limit(0);
            let sim = sim.build();
            let jobs = consign_tests::chutes::builder(&sim);
            let jobs = if spaced { jobs } else { jobs.spacing(Duration::ZERO) }.build();
            let mut all = Vec::with_capacity(count);
            for _ in 0..count {
                all.push(jobs.submit(consign_tests::chutes::train()).await.expect("a job"));
            }
            many::watch(&sim, &jobs, all, policy).await
        });
        let way = if spaced { "1 request/s" } else { "polled" };
        tell(&format!("chutes, {count} of 20 s, {way}"), count, &seen, start);
    }

    for (way, policy) in [("polled", polled), ("32 streams", WaitPolicy::default())] {
        let start = measured::on_processor();
        let seen = runtime().block_on(async {
            let sim = consign_sim::NuMind::builder().seed(11).workers(JOBS).durations(durations).ledger_limit(0);
            let sim = sim.build();
            let jobs = consign_tests::numind::at(&sim);
            let mut all = Vec::with_capacity(JOBS);
            for _ in 0..JOBS {
                all.push(jobs.submit(ContentExtraction::new("a line")).await.expect("a job"));
            }
            many::watch(&sim, &jobs, all, policy).await
        });
        tell(&format!("numind, {JOBS} of 20 s, {way}"), JOBS, &seen, start);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
}

/// What each of ten thousand jobs holds between two looks, in bytes: its ticket and handle, its place in
/// the watch, and what was last seen of it.
fn memory(submitted: bool) -> f64 {
    // A service whose jobs stay in the queue, so that only the watch can grow.
    let made = AtomicUsize::new(0);
    let service = consign_http::transport::from_fn(move |request: http::Request<Bytes>| {
        // Ids and tokens end in the job's number.
        let address = request.uri().to_string();
        let number = address.get(address.len().saturating_sub(12)..).and_then(|text| text.parse().ok());
        let job = number.unwrap_or_else(|| made.fetch_add(1, Ordering::Relaxed));
        let answer = if request.uri().path().ends_with("/jobs") {
            let token = format!("eyJKb2JzIjpbImZhOTQyM2IxLTlkODEtNDhkZi1iYjc3LTkwOTNlNWEwMzUy{job:012}");
            format!(r#"{{"token":"{token}","jobs":[{}]}}"#, plain::queued(job))
        } else {
            plain::queued(job)
        };
        async move { Ok(http::Response::new(answer.into())) }
    });
    let runtime = runtime();
    let jobs = runtime.block_on(async {
        let civitai = Civitai::builder().base_url("http://civitai.invalid").token("token").transport(service).build();
        Jobs::new(civitai.expect("a provider"))
    });
    let mut kept = None;
    let counted = allocation_counter::measure(|| {
        runtime.block_on(async {
            let found = |n| jobs.attach(Civitai::ticket_of_job(&plain::id(n))).expect("a job");
            let all: Vec<Job<Civitai>> =
                if submitted { many::submit(&jobs, JOBS).await } else { (0..JOBS).map(found).collect() };
            let mut watch = jobs.watch_all_with(all, WaitPolicy::default().hold(false));
            let drain = async { while watch.next().await.is_some() {} };
            let _ = tokio::time::timeout(Duration::from_secs(120), drain).await;
            assert_eq!(watch.open(), JOBS, "every job goes on");
            kept = Some(watch);
        });
    });
    drop(kept);
    counted.bytes_current as f64 / JOBS as f64
}

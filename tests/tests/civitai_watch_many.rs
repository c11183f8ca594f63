//! Thousands of jobs at once on the simulator, in virtual time: every end seen once, few requests, few connections.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use consign::civitai::Civitai;
use consign::{BoxFuture, Event, Jobs, Outcome, Pace, TokioClock, Transport, WaitPolicy};
use consign_http::{Body, ByteStream, Error};
use consign_sim::civitai::operation::GET;
use consign_sim::{Civitai as Sim, Fault, Plan, Rule};
use consign_tests::in_process::{Wire, wire};
use consign_tests::many;

const JOBS: usize = 10_000;

/// Counts how many requests are under way at once, in all and held by the server.
#[derive(Clone, Debug)]
struct Counted {
    wire: Arc<Wire<consign_sim::Civitai>>,
    all: Arc<Gauge>,
    held: Arc<Gauge>,
}

#[derive(Debug, Default)]
struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// One request under way; also one that is dropped is over.
struct UnderWay<'a>(&'a Gauge);

impl Gauge {
    fn enter(&self) -> UnderWay<'_> {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        UnderWay(self)
    }
    fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Transport for Counted {
    fn send(&self, request: http::Request<Body>) -> BoxFuture<'_, Result<http::Response<ByteStream>, Error>> {
        Box::pin(async move {
            let _all = self.all.enter();
            let held = request.uri().query().is_some_and(|query| query.contains("wait=true"));
            let _held = held.then(|| self.held.enter());
            self.wire.send(request).await
        })
    }
}

fn counted(sim: &Sim) -> (Jobs<Civitai>, Counted) {
    let counted = Counted { wire: wire(sim).into(), all: Arc::default(), held: Arc::default() };
    let civitai = Civitai::builder().base_url("http://civitai.invalid").token("test-token");
    let civitai = civitai.transport(counted.clone()).clock(TokioClock::starting_at(sim.now())).build().unwrap();
    (Jobs::builder(civitai).seed(1).build(), counted)
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_jobs_are_watched_to_their_ends_from_one_task() {
    // Policy, how many jobs, requests a job, mean delay, connections held.
    let polled = WaitPolicy::default().hold(false);
    let rarely = WaitPolicy::default().pace(Pace::fixed(Duration::from_secs(30)));
    let table = [
        (rarely, JOBS, 2.5, 20.0, 32),
        (polled, JOBS / 10, 10.0, 3.5, 0),
        (WaitPolicy::default(), JOBS / 10, 10.0, 3.5, 32),
    ];
    for (policy, count, requests, late, held) in table {
        let sim = many::sim(count, Duration::from_secs(20), 0.8);
        let (jobs, counted) = counted(&sim);
        let all = many::submit(&jobs, count).await;
        let seen = many::watch(&sim, &jobs, all, policy).await;
        assert_eq!(seen.ends, count, "every end is seen, and once");
        let each = seen.requests as f64 / count as f64;
        let delay = seen.late.as_secs_f64() / count as f64;
        assert!(each <= requests && delay <= late, "{each} requests a job, {delay} s late");
        assert!(counted.all.most() <= 64 && counted.held.most() <= held, "{counted:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_waits_at_once_end_each_with_its_own_job() {
    for (hold, count, requests) in [(true, JOBS, 1.6), (false, JOBS / 10, 10.0)] {
        let sim = many::sim(count, Duration::from_secs(20), 0.8);
        let (jobs, counted) = counted(&sim);
        let all = many::submit(&jobs, count).await;
        let before = sim.ledger().len();
        let waits = all.iter().map(|job| async move {
            let wait = if hold { job.wait() } else { job.wait().poll_only() };
            let done = wait.await.unwrap();
            assert_eq!((done.outcome(), done.job().ticket()), (&Outcome::Done, job.ticket()));
            assert_eq!(done.items()[0].id, job.first().unwrap().items()[0].id);
        });
        futures_util::future::join_all(waits).await;
        let each = (sim.ledger().len() - before) as f64 / count as f64;
        assert!(each <= requests, "{each} requests a wait");
        assert_eq!(counted.held.most() > 0, hold);
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_in_the_middle_costs_no_end_and_no_storm() {
    for (fault, storm) in [(Fault::html(503), 40), (Fault::status(429).retry_after(30), 40), (Fault::hang(), 40)] {
        let jobs_here = 200;
        let sim = many::sim(jobs_here, Duration::from_secs(120), 0.5);
        let (jobs, counted) = counted(&sim);
        let all = many::submit(&jobs, jobs_here).await;
        let (from, until) = (Duration::from_secs(60), Duration::from_secs(360));
        sim.faults().add(Rule::new(fault.clone()).on(GET).between(from, until));
        let seen = many::watch(&sim, &jobs, all, WaitPolicy::default()).await;
        let each = seen.requests / jobs_here as u64;
        assert!(seen.ends == jobs_here && each <= storm, "{fault:?}: {} ends, {each} requests a job", seen.ends);
        assert!(counted.all.most() <= 64, "{counted:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_job_that_breaks_or_is_watched_twice_does_not_disturb_the_others() {
    let sim = Sim::builder().seed(1).script(|_, n| Plan::succeed().seconds(20.0 + n as f64).queue(0)).build();
    let (jobs, _) = counted(&sim);
    let mut all = many::submit(&jobs, 5).await;
    all.push(all[0].clone());
    all.push(jobs.attach(Civitai::ticket_of_job("no-such-job")).unwrap());
    all.push(jobs.attach(Civitai::ticket_of_token("")).unwrap());
    let mut watch = jobs.watch_all(all);
    assert_eq!(watch.open(), 8);
    let mut over = Vec::new();
    while let Some((index, event)) = watch.next().await {
        match event {
            Ok(Event::Ended(done)) => over.push((index, *done.outcome() == Outcome::Done)),
            Ok(_) => {}
            Err(error) => {
                assert!(error.ticket().is_some(), "{error}");
                over.push((index, false));
            }
        }
    }
    assert_eq!(watch.open(), 0);
    over.sort_unstable();
    let expected = [(0, true), (1, true), (2, true), (3, true), (4, true), (5, true), (6, false), (7, false)];
    assert_eq!(over, expected);
    assert!(jobs.watch_all([]).next().await.is_none(), "no jobs, no events");
    // A pace of nothing does not make a storm either.
    let all = many::submit(&jobs, 3).await;
    let before = sim.ledger().len();
    let eager = WaitPolicy::default().hold(false).pace(Pace::fixed(Duration::ZERO));
    let start = sim.elapsed();
    assert_eq!(many::watch(&sim, &jobs, all, eager).await.ends, 3);
    let most = 3 * eager.pace.most_looks(sim.elapsed() - start);
    assert!(sim.ledger().len() - before <= most);
}

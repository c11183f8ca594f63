//! A bound on how often a provider is asked: calls, waits and watches take turns, and deadlines still hold.
use consign_core::{Error, ErrorKind, Job, Jobs, Outcome, Reason, State, Ticket};
use futures_util::future::join_all;

use crate::fake::*;

fn attach(jobs: &Jobs<Polled>, n: usize) -> Vec<Job<Polled>> {
    (0..n).map(|n| jobs.attach(Ticket::new("fake", 1, n.to_string())).unwrap()).collect()
}

#[track_caller]
fn assert_apart(world: &World, apart: u64) {
    let times = world.times();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= apart), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn many_jobs_take_turns_whether_one_task_watches_them_or_each_is_waited_for() {
    let (jobs, world) = spaced(secs(1));
    world.play(|seen| Act::Now(Ok(if seen.n < 2 { running() } else { done() })));
    let all = attach(&jobs, 30);
    let (one_task, waits) = all.split_at(20);
    let watch = async {
        let mut watch = jobs.watch_all(one_task.to_vec());
        while let Some((_, event)) = watch.next().await {
            event.unwrap();
        }
    };
    let ((), waited) = tokio::join!(watch, join_all(waits.iter().map(|job| job.wait().into_future())));
    assert!(waited.into_iter().all(|finished| *finished.unwrap().outcome() == Outcome::Done));
    assert_apart(&world, 1000);
    // Nobody is looked at twice while another waits for the first time, and no turn is left unused.
    let tickets: Vec<_> = world.looks.lock().unwrap().iter().map(|look| look.ticket.clone()).collect();
    assert!((0..30).all(|n| tickets[..60].contains(&n.to_string())), "{tickets:?}");
    assert_eq!(world.times().len(), 90);
    assert!(world.now() < secs(92), "{:?}", world.now());
}

#[tokio::test(start_paused = true)]
async fn calls_and_their_repeats_take_turns_too() {
    let (jobs, world) = spaced::<0>(secs(3));
    let broken = || Error::new(ErrorKind::Transport, consign_core::Delivery::NotSent, "no connection");
    world.submits.lock().unwrap().push_back(Act::Now(Err(broken())));
    let job = jobs.submit(spec(1)).await.unwrap();
    assert_eq!((world.now(), world.requests()), (secs(3), 2));
    job.cancel().await.unwrap();
    job.look().await.unwrap();
    assert_eq!((world.now(), world.requests()), (secs(9), 4));
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_by_its_deadline_although_its_turn_does_not_come() {
    let (jobs, world) = spaced(secs(1));
    world.script(vec![Act::Now(Ok(running()))]);
    let all = attach(&jobs, 50);
    let waited = join_all(all.iter().map(|job| job.wait().timeout(secs(20)).into_future())).await;
    assert_eq!(world.now(), secs(20));
    for result in waited {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.ticket().is_some()), (ErrorKind::Deadline, true), "{error}");
    }
    assert_apart(&world, 1000);
    assert!((19..=21).contains(&world.times().len()), "{:?}", world.times());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_bounded_unless_it_is_asked_for() {
    let (jobs, world) = jobs();
    world.script(vec![Act::Now(Ok(done()))]);
    join_all(attach(&jobs, 50).iter().map(|job| job.wait().into_future())).await;
    assert_eq!(world.times(), vec![0; 50]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_nobody_accounts_for_is_cancelled_only_if_that_was_asked_for_here() {
    let (jobs, world) = jobs::<0>();
    let mut lost = item(State::Failed, true);
    lost.reason = Some(Reason::Lost);
    world.script(vec![Act::Now(Ok(vec![lost]))]);
    let job = jobs.submit(spec(1)).await.unwrap();
    let Outcome::Failed(failure) = job.wait().await.unwrap().outcome().clone() else { panic!("it failed") };
    assert_eq!((failure.reason, job.look().await.unwrap().state()), (Reason::Lost, State::Failed));
    job.cancel().await.unwrap();
    assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Cancelled);
    assert_eq!(job.look().await.unwrap().state(), State::Cancelled);
    // Another failure has its own account.
    world.script(vec![Act::Now(Ok(vec![item(State::Failed, true)]))]);
    assert_eq!(job.look().await.unwrap().state(), State::Failed);
}

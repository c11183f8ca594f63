//! A wait returns by its deadline, with one last look before it: I7.
use std::time::Duration;

use consign_core::{Delivery, Error, ErrorKind, Jobs, Provider, Retry, State, Ticket};
use tokio::time::Instant;

use crate::fake::*;

fn late<P: Provider>(result: Result<consign_core::Finished<P>, Error>) -> Error {
    let error = result.expect_err("too late");
    assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
    assert!(error.ticket().is_some(), "{error}");
    error
}

#[tokio::test(start_paused = true)]
async fn the_last_look_starts_a_tenth_or_five_seconds_before_the_deadline() {
    for (limit, last) in [(1, 900), (10, 9000), (50, 45_000), (100, 95_000), (10_000, 9_995_000)] {
        let (jobs, world) = jobs::<0>();
        world.script(vec![now(running())]);
        let error = late(jobs.submit(spec(1)).await.unwrap().wait().timeout(secs(limit)).await);
        assert_eq!(*world.times().last().unwrap(), last, "{limit} s");
        assert_eq!(error.last_state(), Some(&State::Running));
        assert!(error.to_string().contains("can be waited for again"), "{error}");
        assert!(world.now() <= secs(limit));
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_look_is_cut_at_the_deadline_and_one_before_it_makes_room() {
    for hold in [false, true] {
        let (jobs, world): (Jobs<Held>, _) = jobs();
        world.play(|_| Act::Hang);
        let wait = jobs.attach(Ticket::new("fake", 1, "a")).unwrap().wait().timeout(secs(90));
        let error = late(if hold { wait.await } else { wait.poll_only().await });
        assert_eq!(world.now(), secs(90));
        assert_eq!(world.times(), [0, 85_000]);
        assert!(matches!(error.last_state(), Some(State::Unknown(_))));
        assert_eq!(world.under_way(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_is_cut_for_the_last_look_is_no_trouble_and_no_step_down() {
    let (jobs, world): (Jobs<Held>, _) = jobs();
    world.play(|seen| if seen.hold.is_some() { Act::Hang } else { now(done()) });
    let watch = jobs.submit(spec(1)).await.unwrap().wait().timeout(secs(60)).watch();
    assert_eq!(story(watch).await, ["LongPoll", "queued", "succeeded", "ended: Done"]);
    assert_eq!(world.times(), [0, 55_000]);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_only_the_last_look_sees_counts() {
    let (jobs, world) = jobs::<0>();
    world.play(|seen| now(if seen.at >= secs(95) { done() } else { running() }));
    jobs.submit(spec(1)).await.unwrap().wait().timeout(secs(100)).await.unwrap();
    // It may take its time, as long as it is in time.
    world.play(|seen| match seen.at.as_secs() {
        190.. => Act::After(Duration::from_millis(4999), Ok(done())),
        _ => now(running()),
    });
    jobs.submit(spec(1)).await.unwrap().wait().timeout(secs(100)).await.unwrap();
    assert!(world.now() < secs(200));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_now_or_past_sends_nothing_and_returns_at_once() {
    let (jobs, world) = jobs::<0>();
    let job = jobs.submit(spec(1)).await.unwrap();
    late(job.wait().timeout(Duration::ZERO).await);
    tokio::time::advance(secs(1000)).await;
    let now = jobs.provider().http().clock().now();
    late(job.wait().deadline(now).await);
    let error = late(job.wait().deadline(now - secs(900)).await);
    assert!(!error.to_string().contains("the last look failed"), "{error}");
    assert_eq!((world.times().len(), error.last_state()), (0, Some(&State::Queued)));
    // The shortest one that is none of these.
    late(job.wait().timeout(Duration::from_nanos(1)).await);
}

#[tokio::test(start_paused = true)]
async fn a_limit_beyond_what_the_clock_can_count_is_no_limit() {
    for limit in [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_secs(1 << 60)] {
        let (jobs, world) = jobs::<0>();
        world.play(|seen| now(if seen.at >= secs(40_000) { done() } else { running() }));
        jobs.submit(spec(1)).await.unwrap().wait().timeout(limit).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_last_look_that_fails_says_so_and_keeps_what_the_server_asked() {
    let (jobs, world) = jobs::<0>();
    world.play(|seen| if seen.at >= secs(95) { fail(answer(429, "30")) } else { now(running()) });
    let error = late(jobs.submit(spec(1)).await.unwrap().wait().timeout(secs(100)).await);
    assert!(matches!(error.retry(), Retry::NotBefore(_)), "{error}");
    world.play(|seen| if seen.at >= secs(190) { fail(status(502)) } else { now(running()) });
    let error = late(jobs.submit(spec(1)).await.unwrap().wait().timeout(secs(100)).await);
    assert!(error.to_string().contains("the last look failed"), "{error}");
    // One that shows that no wait will help is told as what it is.
    world.play(|seen| if seen.at >= secs(285) { fail(status(401)) } else { now(running()) });
    let error = jobs.submit(spec(1)).await.unwrap().wait().timeout(secs(100)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
}

#[tokio::test(start_paused = true)]
async fn a_job_not_found_in_the_last_look_is_not_asked_for_again() {
    let (jobs, world) = jobs::<0>();
    world.script(vec![fail(status(404))]);
    let before = Instant::now();
    late(jobs.submit(spec(1)).await.unwrap().wait().timeout(secs(5)).await);
    assert_eq!(*world.times().last().unwrap(), 4500);
    assert!(world.times().len() <= 3 && before.elapsed() <= secs(5));
}

#[tokio::test(start_paused = true)]
async fn in_an_outage_the_deadline_holds_all_the_same() {
    for act in [Act::Hang, fail(broken(ErrorKind::Transport, Delivery::NotSent)), fail(answer(503, "2"))] {
        let (jobs, world): (Jobs<Held>, _) = jobs();
        world.script(vec![act]);
        let result = jobs.submit(spec(1)).await.unwrap().wait().timeout(secs(300)).await;
        assert!(result.is_err() && world.now() <= secs(300), "{:?}", world.now());
    }
}

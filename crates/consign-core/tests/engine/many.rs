//! Ten thousand jobs from one task: ends, places, pauses, fairness.
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use consign_core::{Delivery, ErrorKind, Event, Job, Jobs, Mode, Outcome, Pace, Retry, Ticket, WaitPolicy};

use crate::fake::*;

fn attach<const HOLD: u64>(jobs: &Jobs<Fake<HOLD>>, n: usize) -> Vec<Job<Fake<HOLD>>> {
    (0..n).map(|n| jobs.attach(Ticket::new("fake", 1, n.to_string())).unwrap()).collect()
}

/// When job `n` of the tests here ends: spread over three minutes.
fn lasts(ticket: &str) -> Duration {
    let n: u64 = ticket.parse().unwrap();
    Duration::from_millis(n * 7919 % 180_000)
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_jobs_are_followed_to_every_end_from_one_task() {
    const JOBS: usize = 10_000;
    let (jobs, world): (Jobs<Held>, _) = jobs();
    world.play(|seen| {
        let left = lasts(&seen.ticket).saturating_sub(seen.at);
        match seen.hold {
            Some(hold) if left <= hold => Act::After(left, Ok(done())),
            Some(hold) => Act::After(hold, Ok(running())),
            None => Act::After(Duration::from_millis(50), Ok(if left.is_zero() { done() } else { running() })),
        }
    });
    let mut watch = jobs.watch_all(attach(&jobs, JOBS));
    let (mut ends, mut begun, mut late) = (vec![0; JOBS], vec![false; JOBS], Duration::ZERO);
    while let Some((index, event)) = watch.next().await {
        match event.unwrap() {
            Event::Mode(Mode::LongPoll) if !begun[index] => begun[index] = true,
            Event::Ended(finished) => {
                assert_eq!(finished.job().ticket().data(), index.to_string());
                assert!(begun[index] && finished.outcome() == &Outcome::Done);
                ends[index] += 1;
                late = late.max(world.now().saturating_sub(lasts(finished.job().ticket().data())));
            }
            _ => assert_eq!(ends[index], 0, "an event after the end"),
        }
    }
    assert!(ends.iter().all(|n| *n == 1));
    assert_eq!((watch.open(), world.under_way()), (0, 0));
    // Within one pause of each end, and no more than so many at once.
    assert!(late < secs(35), "{late:?}");
    assert!(world.most_held.load(Ordering::Relaxed) <= 32);
    assert!(world.most_in_flight.load(Ordering::Relaxed) <= 64);
    // Of ten thousand records a handful lived at once.
    assert!(world.most_raws.load(Ordering::Relaxed) <= 64 + 1);
    let looks = world.looks.lock().unwrap().iter().fold(HashMap::<_, u64>::new(), |mut all, l| {
        *all.entry(l.ticket.clone()).or_default() += 1;
        all
    });
    let most = Pace::default().most_looks(secs(220));
    assert!(looks.values().all(|n| *n <= most));
}

#[tokio::test(start_paused = true)]
async fn each_job_begins_with_its_mode_and_one_that_had_ended_costs_no_look() {
    let (jobs, world) = jobs::<0>();
    world.submits.lock().unwrap().extend([now(done()), now(running()), now(done())]);
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(jobs.submit(spec(1)).await.unwrap());
    }
    world.script(vec![now(done())]);
    let mut watch = jobs.watch_all(all);
    assert_eq!(watch.open(), 3);
    let mut story = Vec::new();
    while let Some((index, event)) = watch.next().await {
        story.push(match event.unwrap() {
            Event::Mode(_) => format!("{index} mode"),
            Event::Item { item, .. } => format!("{index} {}", item.state),
            Event::Ended(_) => format!("{index} ended"),
            other => format!("{other:?}"),
        });
    }
    let expected = ["0 mode", "0 succeeded", "0 ended", "1 mode", "1 running", "2 mode", "2 succeeded", "2 ended"];
    assert_eq!(story[..8], expected);
    assert_eq!(story[8..], ["1 succeeded", "1 ended"]);
    assert_eq!((world.times().len(), watch.open()), (1, 0));
    assert!(watch.next().await.is_none());
    assert!(jobs.watch_all(Vec::new()).next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_one_job_is_asked_for_is_kept_by_all() {
    let (jobs, world) = jobs::<0>();
    world.play(|seen| match seen.at.as_secs() {
        100..110 => fail(answer(429, "200")),
        at => now(if at > 600 { done() } else { running() }),
    });
    let mut watch = jobs.watch_all(attach(&jobs, 500));
    while let Some((_, event)) = watch.next().await {
        event.unwrap();
    }
    let times = world.times();
    let refused = *times.iter().find(|t| **t >= 100_000).unwrap();
    let knocked = times.iter().filter(|t| (refused..refused + 200_000).contains(t)).count();
    // Those that were already under way when the first was refused.
    assert!(knocked <= 64, "{knocked}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_too_long_for_the_policy_ends_all_waits_and_nothing_more_is_sent() {
    let (jobs, world) = jobs::<0>();
    world.play(|seen| if seen.at >= secs(60) { fail(answer(429, "86400")) } else { now(running()) });
    let mut watch = jobs.watch_all(attach(&jobs, 500));
    let mut ended = vec![false; 500];
    while let Some((index, event)) = watch.next().await {
        let Err(error) = event else { continue };
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert!(matches!(error.retry(), Retry::NotBefore(_)), "{error}");
        assert_eq!(error.ticket().unwrap().data(), index.to_string());
        assert_eq!(error.last_state(), Some(&consign_core::State::Running));
        assert!(!std::mem::replace(&mut ended[index], true));
    }
    assert!(ended.iter().all(|e| *e));
    assert!(world.times().iter().filter(|t| **t >= 60_000).count() <= 64);
}

#[tokio::test(start_paused = true)]
async fn held_looks_never_take_the_last_place_from_those_that_poll() {
    let (jobs, world): (Jobs<Held>, _) = jobs();
    world.play(|seen| match seen.hold {
        Some(hold) => Act::After(hold, Ok(running())),
        None => now(if seen.at > secs(50) { done() } else { running() }),
    });
    let policy = WaitPolicy::default().under_way(1000, 4);
    let mut watch = jobs.watch_all_with(attach(&jobs, 50), policy);
    let mut ends = 0;
    while ends < 46
        && let Some((_, event)) = watch.next().await
    {
        ends += u32::from(matches!(event.unwrap(), Event::Ended(_)));
    }
    assert!(world.now() < secs(100), "{:?}", world.now());
    assert_eq!(world.most_held.load(Ordering::Relaxed), 3);
    // With places for everybody all may be held.
    let (jobs, world): (Jobs<Held>, _) = crate::fake::jobs();
    world.play(|_| Act::After(secs(20), Ok(done())));
    let mut watch = jobs.watch_all_with(attach(&jobs, 4), policy);
    while watch.next().await.is_some() {}
    assert_eq!((world.most_held.load(Ordering::Relaxed), world.now()), (4, secs(20)));
}

#[tokio::test(start_paused = true)]
async fn a_held_place_that_becomes_free_is_taken_again() {
    let (jobs, world): (Jobs<Held>, _) = jobs();
    world.play(|seen| match (seen.at.as_secs(), seen.hold) {
        (600.., _) => now(done()),
        (_, Some(_)) => Act::After(secs(10), Ok(running())),
        (_, None) => now(running()),
    });
    let mut watch = jobs.watch_all_with(attach(&jobs, 40), WaitPolicy::default().under_way(4, 64));
    while let Some((_, event)) = watch.next().await {
        event.unwrap();
    }
    // Four places, held for ten seconds each, for ten minutes.
    let held = world.looks.lock().unwrap().iter().filter(|l| l.hold.is_some()).count();
    assert!(held >= 200, "{held}");
}

#[tokio::test(start_paused = true)]
async fn no_places_at_all_still_make_progress() {
    let (jobs, world): (Jobs<Held>, _) = jobs();
    world.play(|seen| now(if seen.n == 2 { done() } else { running() }));
    let mut policy = WaitPolicy::default();
    (policy.held, policy.concurrent) = (0, 0);
    let mut watch = jobs.watch_all_with(attach(&jobs, 20), policy);
    while let Some((_, event)) = watch.next().await {
        event.unwrap();
    }
    assert_eq!((world.times().len(), world.most_in_flight.load(Ordering::Relaxed)), (60, 1));
}

#[tokio::test(start_paused = true)]
async fn one_job_that_breaks_stops_no_other_and_every_event_names_its_own() {
    let (jobs, world) = jobs::<0>();
    world.play(|seen| match (seen.ticket.parse::<usize>().unwrap() % 3, seen.n) {
        (0, 3) => fail(status(401)),
        (1, 2) => fail(broken(ErrorKind::Transport, Delivery::NotSent)),
        (_, 5) => now(vec![item(consign_core::State::Succeeded, true); 3]),
        _ => now(running()),
    });
    let mut watch = jobs.watch_all(attach(&jobs, 30));
    let mut last = [""; 30];
    while let Some((index, event)) = watch.next().await {
        let word = match &event {
            Ok(Event::Ended(finished)) => {
                assert_eq!(finished.job().ticket().data(), index.to_string());
                "ended"
            }
            Ok(Event::Trouble { error, .. }) | Err(error) => {
                assert_eq!(error.ticket().unwrap().data(), index.to_string());
                if event.is_err() { "broke" } else { "trouble" }
            }
            _ => "other",
        };
        assert!(!matches!(last[index], "ended" | "broke"), "{index}: {word} after {}", last[index]);
        last[index] = word;
    }
    for (index, word) in last.iter().enumerate() {
        assert_eq!(*word, if index % 3 == 0 { "broke" } else { "ended" }, "{index}");
    }
}

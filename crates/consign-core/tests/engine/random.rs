//! Random services against the rules that hold for every wait.
use std::sync::{Arc, Mutex};
use std::time::Duration;

use consign_core::{Delivery, Error, ErrorKind, Event, Item, Jobs, Pace, Retry, State, Ticket, WaitPolicy};
use fastrand::Rng;

use crate::fake::*;

fn random_error(chance: &mut Rng) -> Error {
    match chance.u8(0..10) {
        0 => broken(ErrorKind::Transport, Delivery::NotSent),
        1 => broken(ErrorKind::Transport, Delivery::Unknown),
        2 => broken(ErrorKind::Timeout, Delivery::Unknown),
        3 => broken(ErrorKind::Decode, Delivery::Unknown),
        4 => status(404),
        5 => answer(429, &chance.u32(0..100).to_string()),
        6 => answer(503, &chance.u32(0..2000).to_string()),
        7 => status([401, 403, 409, 302][chance.usize(0..4)]),
        _ => status([408, 425, 429, 500, 502, 504][chance.usize(0..6)]),
    }
}

fn random_items(chance: &mut Rng) -> Vec<Item> {
    let states = [State::Queued, State::Running, State::Succeeded, State::Failed, State::Unknown("Odd".into())];
    (0..chance.usize(0..4)).map(|_| item(chance.choice(&states).unwrap().clone(), chance.u8(0..4) == 0)).collect()
}

fn random_act(chance: &mut Rng, calm: bool) -> Act {
    let answer = match chance.u8(0..10) {
        0..3 if !calm => Err(random_error(chance)),
        0..4 => Ok(random_items(chance)),
        _ => Ok(running()),
    };
    match chance.u8(0..6) {
        0 if !calm => Act::Hang,
        1..3 => Act::After(Duration::from_millis(chance.u64(0..130_000)), answer),
        _ => Act::Now(answer),
    }
}

/// What one random wait did with one random service.
async fn wait_once<const HOLD: u64>(seed: u64) {
    let mut chance = Rng::with_seed(seed);
    let (jobs, world): (Jobs<Fake<HOLD>>, _) = jobs();
    let calm = chance.bool();
    let pace = match chance.u8(0..3) {
        0 => Pace::default(),
        1 => Pace::fixed(Duration::from_millis(chance.u64(0..60_000))),
        _ => Pace::growing(secs(1), secs(chance.u64(1..100)), chance.f64()),
    };
    let policy = WaitPolicy::default().pace(pace).patience(chance.u32(1..8)).hold(chance.bool());
    let limit = secs(chance.u64(1..5000));
    // The service is a function of the look, so that it can be asked again what it had said.
    let said: Arc<Mutex<Vec<(Duration, Act)>>> = Arc::default();
    let (keep, dice) = (said.clone(), Mutex::new(chance));
    world.play(move |seen| {
        let act = random_act(&mut dice.lock().unwrap(), calm);
        keep.lock().unwrap().push((seen.at, act.clone()));
        act
    });
    let mut watch = jobs.attach(Ticket::new("fake", 1, "a")).unwrap().wait().policy(policy).timeout(limit).watch();
    let (mut first, mut ends, mut end) = (true, 0, None);
    while let Some(event) = watch.next().await {
        assert_eq!(
            (std::mem::take(&mut first), ends),
            (matches!(event, Ok(Event::Mode(_))) && world.times().is_empty(), 0)
        );
        if matches!(event, Ok(Event::Ended(_)) | Err(_)) {
            ends += 1;
            end = Some(event);
        }
    }
    let (looks, elapsed) = (world.times().len() as u64, world.now());
    assert_eq!((ends, watch.next().await.is_none(), world.under_way()), (1, true, 0), "exactly one end");
    assert!(elapsed <= limit, "over by its deadline: {elapsed:?} of {limit:?}");
    assert!(looks <= pace.most_looks(elapsed), "{looks} looks in {elapsed:?} at {pace:?}");
    let said = said.lock().unwrap();
    for pair in said.windows(2) {
        if let (at, Act::Now(Err(error)) | Act::After(_, Err(error))) = &pair[0]
            && let Retry::After(asked) = error.retry()
            && (matches!(pair[0].1, Act::Now(_)))
        {
            assert!(pair[1].0 >= *at + asked, "a pause of {asked:?} was undercut");
        }
    }
    match end.unwrap() {
        Ok(Event::Ended(finished)) => {
            let gone = finished.items().iter().any(|i| i.state == State::Gone);
            let Some((_, Act::Now(last) | Act::After(_, last))) = said.last() else {
                panic!("ended without an answer")
            };
            match last {
                Ok(items) => assert!(!gone && !items.is_empty() && items.iter().all(|i| i.finished)),
                Err(error) => assert!(gone && error.kind() == ErrorKind::NotFound, "{error}"),
            }
        }
        Err(error) => assert!(error.ticket().is_some() && error.last_state().is_some(), "{error}"),
        Ok(_) => unreachable!(),
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_a_service_does_a_wait_ends_once_in_time_within_its_bounds_and_for_a_reason() {
    for seed in 0..800 {
        wait_once::<0>(seed).await;
        wait_once::<100>(seed).await;
        wait_once::<4>(seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_a_service_does_a_watch_over_many_ends_each_job_once() {
    for seed in 0..60 {
        let (jobs, world): (Jobs<Held>, _) = jobs();
        let dice = Mutex::new(Rng::with_seed(seed));
        // No endless silence: nobody set a deadline here.
        world.play(move |_| match random_act(&mut dice.lock().unwrap(), false) {
            Act::Hang => now(done()),
            act => act,
        });
        let all = (0..50).map(|n| jobs.attach(Ticket::new("fake", 1, n.to_string())).unwrap());
        let mut watch = jobs.watch_all_with(all, WaitPolicy::default().under_way(4, 9));
        let mut ends = [0; 50];
        while let Some((index, event)) = watch.next().await {
            assert_eq!(ends[index], 0, "an event after the end");
            match event {
                Ok(Event::Ended(finished)) => {
                    assert_eq!(finished.job().ticket().data(), index.to_string());
                    ends[index] += 1;
                }
                Err(error) => {
                    assert_eq!(error.ticket().unwrap().data(), index.to_string());
                    ends[index] += 1;
                }
                Ok(_) => {}
            }
        }
        assert!(ends.iter().all(|n| *n == 1));
        assert_eq!(world.under_way(), 0);
    }
}

//! How a wait ends and what it bears: I3, I4, I5.
use std::time::Duration;

use consign_core::{Delivery, ErrorKind, Event, Outcome, Pace, Retry, State, Ticket, WaitPolicy};

use crate::fake::*;

fn ticket(id: &str) -> Ticket {
    Ticket::new("fake", 1, id)
}

#[tokio::test(start_paused = true)]
async fn a_wait_sees_the_end_within_one_pause_and_with_no_more_looks_than_its_pace_allows() {
    for lasts in [1, 20, 100, 600, 7200] {
        let (jobs, world) = jobs::<0>();
        world.play(move |seen| now(if seen.at >= secs(lasts) { done() } else { running() }));
        let job = jobs.submit(spec(1)).await.unwrap();
        let finished = job.wait().await.unwrap();
        assert_eq!(finished.outcome(), &Outcome::Done);
        let pace = Pace::default();
        let late = world.now() - secs(lasts);
        assert!(late <= pace.pause(world.now()).mul_f64(1.1), "{lasts} s: seen {late:?} late");
        let looks = world.times().len() as u64;
        assert!(looks <= pace.most_looks(world.now()), "{lasts} s: {looks} looks");
    }
}

#[tokio::test(start_paused = true)]
async fn looks_come_at_the_pace_shortened_or_lengthened_by_a_tenth_at_most() {
    let (jobs, world) = jobs::<0>();
    world.play(|seen| now(if seen.n == 40 { done() } else { running() }));
    jobs.submit(spec(1)).await.unwrap().wait().await.unwrap();
    let (pace, mut last) = (Pace::default(), Duration::ZERO);
    for at in world.times().into_iter().map(Duration::from_millis) {
        let (paused, usual) = (at - last, pace.pause(last));
        let rounding = Duration::from_millis(2);
        assert!(paused + rounding >= usual.mul_f64(0.9) && paused <= usual.mul_f64(1.1) + rounding, "{last:?} {at:?}");
        last = at;
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_is_reported_once_and_last() {
    let (jobs, world) = jobs::<0>();
    world.script(vec![now(running()), now(done()), now(running()), now(done())]);
    let story = story(jobs.submit(spec(1)).await.unwrap().watch()).await;
    assert_eq!(story, ["Poll", "queued", "running", "succeeded", "ended: Done"]);
    assert_eq!(world.times().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_had_ended_when_it_was_submitted_needs_no_look() {
    let (jobs, world) = jobs::<0>();
    world.submits.lock().unwrap().push_back(now(done()));
    let job = jobs.submit(spec(1)).await.unwrap();
    assert_eq!(story(job.watch()).await, ["Poll", "succeeded", "ended: Done"]);
    let finished = job.wait().timeout(Duration::ZERO).await.unwrap();
    assert!(finished.snapshot().raw().is_some());
    assert_eq!(finished.into_result().unwrap(), 1);
    assert_eq!(world.times().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn neither_a_job_nor_a_watch_keeps_a_raw_record_before_the_end() {
    let raws = |world: &World| world.raws.load(std::sync::atomic::Ordering::Relaxed);
    let (jobs, world) = jobs::<0>();
    world.play(|seen| now(if seen.n == 3 { done() } else { running() }));
    let job = jobs.submit(spec(1)).await.unwrap();
    assert_eq!(raws(&world), 0);
    let mut watch = job.watch();
    let mut finished = None;
    while let Some(event) = watch.next().await {
        match event.unwrap() {
            Event::Ended(end) => finished = Some(end),
            // The end comes from the same look, and waits behind it.
            Event::Item { item, .. } if item.finished => {}
            _ => assert_eq!(raws(&world), 0),
        }
    }
    assert_eq!(raws(&world), 1);
    drop(finished);
    assert_eq!(raws(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn errors_unknown_words_and_states_going_backwards_are_no_ends() {
    let (jobs, world) = jobs::<0>();
    let mut acts = vec![now(running()), now(word("Paused", false)), now(queued()), now(running())];
    acts.extend([500, 502, 503, 504, 408, 429, 425].map(|s| fail(status(s))));
    acts.push(fail(broken(ErrorKind::Decode, Delivery::Unknown)));
    acts.push(fail(broken(ErrorKind::Transport, Delivery::NotSent)));
    acts.push(fail(broken(ErrorKind::TooLarge, Delivery::Unknown)));
    // A good word without the end mark is none either.
    acts.push(now(vec![item(State::Succeeded, false)]));
    acts.push(now(done()));
    let looks = acts.len();
    world.script(acts);
    let story = story(jobs.submit(spec(1)).await.unwrap().watch()).await;
    assert_eq!(story.iter().filter(|s| s.starts_with("trouble")).count(), 10);
    assert_eq!(story.last().unwrap(), "ended: Done");
    assert_eq!(world.times().len(), looks);
}

#[tokio::test(start_paused = true)]
async fn the_providers_own_end_mark_ends_the_wait_also_beside_an_unknown_word() {
    let (jobs, world) = jobs::<0>();
    world.script(vec![now(running()), now(word("Vaporised", true))]);
    let finished = jobs.submit(spec(1)).await.unwrap().wait().await.unwrap();
    assert_eq!(finished.outcome(), &Outcome::Unknown("Vaporised".into()));
    let error = finished.into_result().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::JobFailed);
    assert!(error.to_string().contains("Vaporised") && error.ticket().is_some(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_stays_unreadable_for_five_looks_ends_the_wait_with_its_ticket() {
    let bad = || fail(broken(ErrorKind::Decode, Delivery::Unknown));
    let (jobs, world) = jobs::<0>();
    // Four in a row are borne, whatever is between them that says nothing of the record.
    world.script(vec![bad(), bad(), fail(status(500)), bad(), bad(), now(running()), bad()]);
    let error = jobs.submit(spec(1)).await.unwrap().wait().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Unreadable, 5));
    assert_eq!((error.ticket(), error.last_state()), (Some(&ticket("job-1")), Some(&State::Running)));
    assert_eq!(world.times().len(), 6 + 5);
    // Patience counts, also when it is set to what makes no sense.
    for (patience, looks) in [(2, 2), (0, 1)] {
        world.script(vec![bad()]);
        let before = world.times().len();
        let policy = WaitPolicy::default().patience(patience);
        assert!(jobs.attach(ticket("a")).unwrap().wait().policy(policy).await.is_err());
        assert_eq!(world.times().len() - before, looks);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_word_without_a_sign_of_life_ends_the_wait_and_with_one_it_does_not() {
    let (jobs, world) = jobs::<0>();
    for still in
        [word("Paused", false), vec![], vec![item(State::Succeeded, true), item(State::Unknown("".into()), false)]]
    {
        world.script(vec![now(still)]);
        let before = world.times().len();
        let error = jobs.attach(ticket(&format!("still-{before}"))).unwrap().wait().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreadable);
        assert!(error.ticket().is_some() && error.to_string().contains("may go on"), "{error}");
        assert_eq!(world.times().len() - before, 5);
    }
    world.play(|seen| {
        let mut items = word("Paused", false);
        items[0].pulse = Some(seen.n.to_string().into());
        now(if seen.n == 60 { done() } else { items })
    });
    assert!(jobs.attach(ticket("alive")).unwrap().wait().await.is_ok());
    // A job that waits or runs may do so unchanged for ever.
    world.play(|seen| now(if seen.n == 300 { done() } else { queued() }));
    assert!(jobs.attach(ticket("patient")).unwrap().wait().await.is_ok());
    // A field set to nonsense does not end a lively job.
    let mut policy = WaitPolicy::default();
    policy.patience = 0;
    world.script(vec![now(running()), now(done())]);
    assert!(jobs.attach(ticket("lively")).unwrap().wait().policy(policy).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_404_is_borne_right_after_submit_and_an_end_after_the_job_was_seen() {
    let (jobs, world) = jobs::<0>();
    world.script(vec![fail(status(404)), fail(status(404)), now(done())]);
    assert!(jobs.submit(spec(1)).await.unwrap().wait().await.is_ok());

    world.script(vec![now(running()), fail(status(404))]);
    let finished = jobs.submit(spec(1)).await.unwrap().wait().await.unwrap();
    assert_eq!(finished.items()[0].state, State::Gone);
    assert!(matches!(finished.outcome(), Outcome::Failed(f) if f.reason == consign_core::Reason::Lost));

    let job = jobs.submit(spec(1)).await.unwrap();
    job.cancel().await.unwrap();
    assert_eq!(job.wait().await.unwrap().outcome(), &Outcome::Cancelled);

    world.script(vec![fail(status(404))]);
    let error = jobs.attach(ticket("never-was")).unwrap().wait().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::NotFound, 5));
    assert_eq!(error.ticket(), Some(&ticket("never-was")));
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_whose_reply_was_lost_still_makes_a_404_mean_cancelled() {
    let (jobs, world) = jobs::<0>();
    let lost = || Err(broken(ErrorKind::Transport, Delivery::Unknown));
    world.script(vec![fail(status(404))]);
    // The first attempt did it, the second finds nothing left.
    world.calls.lock().unwrap().extend([lost(), Err(status(404))]);
    let job = jobs.submit(spec(1)).await.unwrap();
    job.cancel().await.unwrap();
    assert_eq!(job.wait().await.unwrap().outcome(), &Outcome::Cancelled);

    world.calls.lock().unwrap().extend((0..5).map(|_| lost()));
    let job = jobs.submit(spec(1)).await.unwrap();
    let error = job.cancel().await.unwrap_err();
    assert_eq!((error.attempts(), error.ticket()), (5, Some(job.ticket())));
    assert_eq!(job.wait().await.unwrap().outcome(), &Outcome::Cancelled);

    // One that surely did nothing changes nothing, and a first 404 is the caller's to know.
    world.calls.lock().unwrap().push_back(Err(status(404)));
    let job = jobs.submit(spec(1)).await.unwrap();
    assert_eq!(job.cancel().await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(job.wait().await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_get_better_breaks_the_wait_at_once_with_its_ticket() {
    for code in [400, 401, 402, 403, 405, 409, 302] {
        let (jobs, world) = jobs::<0>();
        world.script(vec![now(running()), fail(status(code))]);
        let error = jobs.submit(spec(1)).await.unwrap().wait().await.unwrap_err();
        assert_eq!((error.status(), error.last_state()), (Some(code), Some(&State::Running)));
        assert!(error.ticket().is_some());
        assert_eq!(world.times().len(), 2, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_is_never_undercut() {
    for code in [429, 503, 500, 408] {
        let (jobs, world) = jobs::<0>();
        world.script(vec![fail(answer(code, "300")), fail(answer(code, "1")), now(done())]);
        jobs.attach(ticket("a")).unwrap().wait().await.unwrap();
        let times = world.times();
        assert!(times[1] - times[0] >= 300_000 && times[2] - times[1] >= 1000, "{code}: {times:?}");
        assert!(times[1] - times[0] <= 330_000, "{code}: {times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_too_long_to_sit_out_ends_the_wait_and_says_until_when() {
    let absurd = [secs(601), secs(86_400), secs(u64::from(u32::MAX)), Duration::MAX];
    for asked in absurd {
        let (jobs, world) = jobs::<0>();
        world.script(vec![fail(pause(asked))]);
        let error = jobs.attach(ticket("a")).unwrap().wait().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        let Retry::NotBefore(at) = error.retry() else { panic!("{error}") };
        assert!(at > std::time::SystemTime::now() + secs(500) && error.ticket().is_some());
        assert_eq!((world.times().len(), world.now()), (1, Duration::ZERO));
    }
    // So does one that reaches beyond the deadline, even if the policy would sit it out.
    let (jobs, world) = jobs::<0>();
    world.script(vec![fail(pause(secs(60)))]);
    let error = jobs.attach(ticket("a")).unwrap().wait().timeout(secs(50)).await.unwrap_err();
    assert!(matches!(error.retry(), Retry::NotBefore(_)), "{error}");
    assert_eq!(world.now(), Duration::ZERO);
    // And whoever asks for endless patience gets it.
    world.script(vec![fail(pause(Duration::MAX))]);
    let policy = WaitPolicy::default().longest_pause(Duration::MAX);
    let wait = jobs.attach(ticket("b")).unwrap().wait().policy(policy);
    assert!(tokio::time::timeout(secs(86_400), wait.into_future()).await.is_err());
    assert_eq!(world.times().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_ten_minute_outage_is_borne_with_few_looks_and_the_end_seen_soon_after() {
    for error in [broken(ErrorKind::Transport, Delivery::NotSent), status(502), status(503)] {
        let (jobs, world) = jobs::<0>();
        world.play(move |seen| match seen.at.as_secs() {
            0..30 => now(running()),
            30..630 => fail(error.clone()),
            _ => now(done()),
        });
        jobs.submit(spec(1)).await.unwrap().wait().await.unwrap();
        assert!(world.now() < secs(630 + 31), "seen at {:?}", world.now());
        assert!(world.times().len() < 50);
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_without_end_breaks_the_wait_after_an_hour_whatever_the_server_asks() {
    for error in [broken(ErrorKind::Transport, Delivery::NotSent), status(503), answer(503, "5"), answer(429, "60")] {
        let (jobs, world) = jobs::<0>();
        let kind = error.kind();
        world.script(vec![now(running()), fail(error)]);
        let error = jobs.submit(spec(1)).await.unwrap().wait().await.unwrap_err();
        assert_eq!((error.kind(), error.last_state()), (kind, Some(&State::Running)));
        assert_eq!(error.attempts() as usize, world.times().len() - 1);
        assert!((3600..3700).contains(&world.now().as_secs()), "{:?}", world.now());
    }
}

#[tokio::test(start_paused = true)]
async fn no_pace_and_no_policy_is_too_odd_to_wait_with() {
    let zero = Duration::ZERO;
    for pace in [Pace::fixed(zero), Pace::growing(Duration::MAX, zero, f64::NAN), Pace::growing(zero, zero, f64::MAX)] {
        let (jobs, world) = jobs::<0>();
        world.script(vec![now(running()), fail(status(500)), now(running()), now(done())]);
        let wait = jobs.submit(spec(1)).await.unwrap().wait().pace(pace);
        let _ = tokio::time::timeout(secs(3600), wait.into_future()).await;
        let looks = world.times().len() as u64;
        assert!(looks <= pace.most_looks(world.now()), "{pace:?}: {looks} looks in {:?}", world.now());
    }
}

#[tokio::test(start_paused = true)]
async fn every_error_about_a_job_carries_its_ticket() {
    let (jobs, world) = jobs::<0>();
    let job = jobs.submit(spec(1)).await.unwrap();
    for code in [400, 401, 404, 429, 500] {
        world.script(vec![fail(status(code))]);
        world.calls.lock().unwrap().extend((0..10).map(|_| Err(status(code))));
        let errors = [
            job.look().await.map(drop).unwrap_err(),
            job.outputs().await.map(drop).unwrap_err(),
            job.wait().timeout(secs(20)).await.map(drop).unwrap_err(),
            job.cancel().await.unwrap_err(),
            job.taint("bad").await.unwrap_err(),
        ];
        world.calls.lock().unwrap().clear();
        for error in errors {
            assert_eq!(error.ticket(), Some(job.ticket()), "{error}");
            assert!(error.to_string().contains("job consign:1:fake:job-1"), "{error}");
        }
    }
}

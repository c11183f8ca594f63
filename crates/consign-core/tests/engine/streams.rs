//! Event streams as the highest rung: followed, stepped down from, and given up.
use std::time::Duration;

use consign_core::{Delivery, Error, ErrorKind, Pace, WaitPolicy};

use crate::fake::*;

/// The story of a job with an event stream, found by its ticket, and how each look was made: `s` for
/// streams, `p` polled.
async fn told(play: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> (Vec<String>, String, Duration) {
    let (jobs, world) = streamed::<0>();
    world.play(play);
    let ticket = jobs.submit(spec(1)).await.unwrap().ticket().clone();
    let story = story(jobs.attach(ticket).unwrap().watch()).await;
    let looks = world.looks.lock().unwrap();
    (story, looks.iter().map(|l| if l.events { 's' } else { 'p' }).collect(), world.now())
}

#[tokio::test(start_paused = true)]
async fn a_stream_shows_the_end_at_once_after_a_first_look_at_what_there_is() {
    let (story, looks, at) = told(|seen| match seen.events {
        true => Act::After(secs(3000), Ok(done())),
        false => now(running()),
    })
    .await;
    assert_eq!(story, ["Events", "running", "succeeded", "ended: Done"]);
    assert_eq!((looks.as_str(), at), ("ps", secs(3000)));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_just_submitted_is_followed_at_once() {
    let (jobs, world) = streamed::<0>();
    world.play(|_| Act::After(secs(40), Ok(done())));
    jobs.submit(spec(1)).await.unwrap().wait().await.unwrap();
    let looks = world.looks.lock().unwrap();
    assert_eq!((looks.len(), looks[0].events, world.now()), (1, true, secs(40)));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_without_the_jobs_end_is_followed_by_a_look_and_opened_again() {
    let lost = || broken(ErrorKind::Transport, Delivery::Unknown);
    for (error, second) in [(lost(), true), (broken(ErrorKind::Timeout, Delivery::Unknown), true), (status(500), false)]
    {
        let (story, looks, _) = told(move |seen| match (seen.events, seen.n) {
            (true, 1) => Act::After(secs(if second { 90 } else { 0 }), Err(error.clone())),
            (true, _) => Act::After(secs(30), Ok(done())),
            (false, _) => now(running()),
        })
        .await;
        let trouble = if second { None } else { Some("trouble: server error") };
        let mut expected = vec!["Events", "running", "Poll"];
        expected.extend(trouble);
        expected.extend(["Events", "succeeded", "ended: Done"]);
        assert_eq!((story, looks.as_str()), (expected.into_iter().map(str::to_owned).collect(), "psps"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_stream_says_against_a_job_is_no_end_before_a_look_has_said_so_too() {
    for kind in [ErrorKind::JobFailed, ErrorKind::QuotaExceeded, ErrorKind::Server, ErrorKind::Forbidden] {
        let (story, looks, _) = told(move |seen| match (seen.events, seen.at.as_secs()) {
            (true, _) => fail(broken(kind, Delivery::Rejected)),
            (false, 0..60) => now(running()),
            (false, _) => now(done()),
        })
        .await;
        assert_eq!(story.last().unwrap(), "ended: Done", "{kind:?}");
        assert!(looks.starts_with("pspspspppp"), "{looks}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_a_stream_and_closes_it_again_and_again_is_polled_for_good_at_the_usual_pace() {
    let answers: [fn() -> Result<_, Error>; 3] =
        [|| Ok(running()), || Err(broken(ErrorKind::Transport, Delivery::Unknown)), || Err(status(200))];
    for answer in answers {
        let (story, looks, at) = told(move |seen| match (seen.events, seen.at.as_secs()) {
            (_, 3600..) => now(done()),
            (true, _) => Act::Now(answer()),
            (false, _) => now(running()),
        })
        .await;
        assert!(looks.starts_with("pspspspp") && !looks[7..].contains('s'), "{looks}");
        assert!(looks.len() as u64 <= Pace::default().most_looks(at));
        assert_eq!(story.iter().filter(|s| *s == "Events").count(), 3, "{story:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn below_a_stream_that_does_not_hold_come_held_looks() {
    let (jobs, world) = streamed::<100>();
    world.play(|seen| match (seen.events, seen.hold) {
        (true, _) => fail(broken(ErrorKind::Transport, Delivery::Unknown)),
        (_, Some(_)) => Act::After(secs(80), Ok(done())),
        _ => now(running()),
    });
    let story = story(jobs.submit(spec(1)).await.unwrap().wait().watch()).await;
    let modes: Vec<_> = story.iter().filter(|s| ["Events", "LongPoll", "Poll"].contains(&s.as_str())).collect();
    assert_eq!(modes, ["Events", "Poll", "Events", "Poll", "Events", "Poll", "LongPoll"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_cut_for_the_last_look_before_a_deadline() {
    let (jobs, world) = streamed::<0>();
    world.play(|seen| if seen.events { Act::Hang } else { now(running()) });
    let job = jobs.submit(spec(1)).await.unwrap();
    let error = job.wait().timeout(secs(100)).await.unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::Deadline, Some(job.ticket())));
    assert_eq!(world.times(), [0, 95_000]);
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_no_holds_gets_no_stream_either() {
    let (jobs, world) = streamed::<0>();
    world.play(|seen| now(if seen.n >= 5 { done() } else { running() }));
    let job = jobs.submit(spec(1)).await.unwrap();
    job.wait().poll_only().await.unwrap();
    job.wait().policy(WaitPolicy::default().hold(false)).await.unwrap();
    assert!(world.looks.lock().unwrap().iter().all(|l| !l.events));
}

#[tokio::test(start_paused = true)]
async fn of_many_jobs_only_so_many_are_streamed_and_the_rest_polls() {
    let (jobs, world) = streamed::<0>();
    world.play(|seen| match (seen.events, seen.at.as_secs()) {
        (true, at) => Act::After(secs(600_u64.saturating_sub(at)), Ok(done())),
        (false, 600..) => now(done()),
        (false, _) => now(running()),
    });
    let mut all = Vec::new();
    for _ in 0..100 {
        all.push(jobs.submit(spec(1)).await.unwrap());
    }
    let mut watch = jobs.watch_all(all);
    let mut ends = 0;
    while let Some((_, event)) = watch.next().await {
        ends += usize::from(matches!(event.unwrap(), consign_core::Event::Ended(_)));
    }
    assert_eq!(ends, 100);
    assert_eq!(world.most_held.load(std::sync::atomic::Ordering::Relaxed), 32);
    let looks = world.looks.lock().unwrap();
    assert!(looks.len() as u64 <= 100 * Pace::default().most_looks(secs(630)), "{}", looks.len());
    assert_eq!(looks.iter().filter(|l| l.events && l.at < secs(600)).count(), 32);
}

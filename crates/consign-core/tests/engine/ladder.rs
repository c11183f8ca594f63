//! From holding to polling and back, each step visible.
use std::time::Duration;

use consign_core::{Delivery, ErrorKind, Jobs, Pace, WaitPolicy};

use crate::fake::*;

/// The story of a held job whose looks are played by `play`, and how each look was made: `h` held, `p` polled.
async fn told(play: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> (Vec<String>, String, Duration) {
    let (jobs, world): (Jobs<Held>, _) = jobs();
    world.play(play);
    let story = story(jobs.submit(spec(1)).await.unwrap().wait().watch()).await;
    let looks = world.looks.lock().unwrap();
    (story, looks.iter().map(|l| if l.hold.is_some() { 'h' } else { 'p' }).collect(), world.now())
}

#[tokio::test(start_paused = true)]
async fn a_held_look_sees_the_end_at_once() {
    let (story, looks, at) = told(|_| Act::After(secs(70), Ok(done()))).await;
    assert_eq!(story, ["LongPoll", "queued", "succeeded", "ended: Done"]);
    assert_eq!((looks.as_str(), at), ("h", secs(70)));
}

#[tokio::test(start_paused = true)]
async fn a_look_that_was_held_to_the_servers_limit_is_held_again_at_once() {
    let (story, looks, at) = told(|seen| Act::After(secs(60), Ok(if seen.n == 3 { done() } else { running() }))).await;
    assert_eq!(story, ["LongPoll", "queued", "running", "succeeded", "ended: Done"]);
    assert_eq!((looks.as_str(), at), ("hhhh", secs(240)));
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_is_cut_after_it_had_held_is_followed_by_one_look_and_then_held_again() {
    for error in
        [status(504), broken(ErrorKind::Timeout, Delivery::Unknown), broken(ErrorKind::Transport, Delivery::Unknown)]
    {
        let (story, looks, at) = told(move |seen| match seen.n {
            0 => Act::After(secs(60), Err(error.clone())),
            1 => now(running()),
            _ => Act::After(secs(5), Ok(done())),
        })
        .await;
        assert_eq!(story, ["LongPoll", "queued", "Poll", "running", "LongPoll", "succeeded", "ended: Done"]);
        assert_eq!((looks.as_str(), at.as_secs()), ("hph", 67));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_hangs_is_cut_at_the_providers_limit() {
    let (_, looks, at) = told(|seen| if seen.hold.is_some() { Act::Hang } else { now(done()) }).await;
    assert_eq!((looks.as_str(), at), ("hp", secs(100)));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_closes_again_and_again_is_polled_for_good() {
    let answers = [|| Ok(queued()), || Err(status(504)), || Err(broken(ErrorKind::Transport, Delivery::Unknown))];
    for answer in answers {
        let (story, looks, _) = told(move |seen| match (seen.hold, seen.n) {
            (_, 20) => now(done()),
            (Some(_), _) => Act::Now(answer()),
            (None, _) => now(queued()),
        })
        .await;
        assert_eq!(looks, format!("hphph{}", "p".repeat(16)), "{story:?}");
        assert_eq!(story.iter().filter(|s| *s == "Poll").count(), 3);
        assert_eq!(story.iter().filter(|s| *s == "LongPoll").count(), 3);
        assert_eq!(story.last().unwrap(), "ended: Done");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_cost_a_wait_its_holds() {
    for error in [broken(ErrorKind::Transport, Delivery::NotSent), status(502)] {
        let (_, looks, _) = told(move |seen| match (seen.at.as_secs(), seen.hold) {
            // Three outages, each met by a hold, and then a service that holds.
            (0..60 | 200..260 | 400..460, _) => fail(error.clone()),
            (700.., _) => now(done()),
            (_, Some(_)) => Act::After(secs(50), Ok(running())),
            (_, None) => now(running()),
        })
        .await;
        assert!(looks.ends_with("hh") && looks.len() < 60, "{looks}");
    }
}

#[tokio::test(start_paused = true)]
async fn outages_that_always_meet_a_hold_do_not_cost_a_wait_its_holds_either() {
    let (_, looks, _) = told(|seen| match (seen.n, seen.hold) {
        // The hold fails and a plain look too: that says nothing about holding.
        (0..15, _) if seen.n % 3 < 2 => fail(status(502)),
        (0..15, _) | (_, None) => now(running()),
        _ => Act::After(secs(50), Ok(done())),
    })
    .await;
    assert_eq!(looks, format!("{}h", "hpp".repeat(5)));
}

#[tokio::test(start_paused = true)]
async fn an_early_answer_with_news_is_no_cut_and_comes_no_faster_than_the_pace() {
    let (story, looks, at) = told(|seen| {
        let mut items = queued();
        items[0].queue_position = Some(1000 - seen.n as u32);
        now(if seen.n == 40 { done() } else { items })
    })
    .await;
    assert!(!story.contains(&"Poll".to_owned()) && looks == "h".repeat(41), "{looks}");
    assert!(looks.len() as u64 <= Pace::default().most_looks(at));
    assert!(at > secs(300), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn holds_keep_to_the_shortest_pause_that_the_caller_set() {
    let (jobs, world): (Jobs<Held>, _) = jobs();
    world.play(|seen| Act::After(secs(6), Ok(if seen.at >= secs(600) { done() } else { running() })));
    let pace = Pace::fixed(secs(30));
    jobs.submit(spec(1)).await.unwrap().wait().pace(pace).await.unwrap();
    assert!(world.times().len() as u64 <= pace.most_looks(world.now()), "{:?}", world.times());
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_no_holds_gets_none() {
    let (jobs, world): (Jobs<Held>, _) = jobs();
    world.play(|seen| now(if seen.n >= 5 { done() } else { running() }));
    let job = jobs.submit(spec(1)).await.unwrap();
    assert_eq!(story(job.wait().poll_only().watch()).await[0], "Poll");
    job.wait().policy(WaitPolicy::default().hold(false)).await.unwrap();
    assert!(world.looks.lock().unwrap().iter().all(|l| l.hold.is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_provider_with_short_holds_is_held_all_the_same() {
    let (jobs, world): (Jobs<Fake<3>>, _) = jobs();
    world.play(|seen| Act::After(secs(3), Ok(if seen.at >= secs(60) { done() } else { running() })));
    let story = story(jobs.submit(spec(1)).await.unwrap().wait().watch()).await;
    assert_eq!(story, ["LongPoll", "queued", "running", "succeeded", "ended: Done"]);
    assert!(world.looks.lock().unwrap().iter().all(|l| l.hold == Some(secs(3))));
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_was_asked_for_is_no_step_down() {
    let (story, looks, at) = told(|seen| match seen.n {
        0 => fail(answer(429, "40")),
        _ => Act::After(secs(10), Ok(done())),
    })
    .await;
    assert_eq!(story, ["LongPoll", "queued", "trouble: rate limited", "succeeded", "ended: Done"]);
    assert_eq!(looks, "hh");
    assert!(at >= secs(50));
}

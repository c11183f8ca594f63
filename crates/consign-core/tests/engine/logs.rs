//! Logs: over connections that break, stay silent, repeat themselves or never come to be, each job's log is given once.
use std::time::Duration;

use consign_core::{Delivery, ErrorKind, JobLogs, LogLine, LogStream, Retry, State, WaitPolicy};
use futures_util::StreamExt as _;

use crate::fake::*;

/// A piece of the standard output of the item `e-1`.
fn out(text: &str) -> LogLine {
    LogLine::new(Some("e-1"), LogStream::Stdout, text)
}
/// A connection that gives these pieces, and then goes on or ends.
fn log(texts: &[&str], then: Then) -> Log {
    Log::Lines(texts.iter().map(|text| (secs(0), out(text))).collect(), then)
}

/// Everything that comes, and when the stream ended.
async fn all(world: &World, mut logs: JobLogs<Polled>) -> (Vec<String>, Duration) {
    let mut texts = Vec::new();
    while let Some(line) = logs.next().await {
        texts.push(match line {
            Ok(line) => line.text,
            Err(error) => {
                assert!(error.ticket().is_some(), "{error}");
                format!("broke: {}", error.kind().as_str())
            }
        });
    }
    assert!(logs.next().await.is_none(), "nothing follows the end");
    (texts, world.now())
}

/// Looks that show a running job, and from `end` on one that has ended.
fn ends_at(world: &World, end: Duration) {
    world.play(move |seen| now(if seen.at >= end { done() } else { running() }));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_closed_at_the_end_of_its_job_is_given_whole_and_once() {
    let (jobs, world) = jobs::<0>();
    ends_at(&world, secs(0));
    world.log(vec![log(&["one\n", "two\n"], Then::Close)]);
    world.logged(vec![out("one\n")]);
    let job = jobs.submit(spec(1)).await.unwrap();
    let (texts, ended) = all(&world, job.logs()).await;
    assert_eq!(texts, ["one\n", "two\n"]);
    assert!(ended < secs(3), "{ended:?}");
    assert_eq!(world.opened(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_breaks_is_opened_again_and_nothing_comes_twice() {
    let (jobs, world) = jobs::<0>();
    ends_at(&world, secs(60));
    world.log(vec![
        log(&["one\n", "tw"], Then::Break),
        Log::Refuse(broken(ErrorKind::Transport, Delivery::Unknown)),
        log(&["one\ntwo\n", "three\n"], Then::Close),
        log(&["one\n", "two\nthree\nfour\n"], Then::Silent),
    ]);
    let job = jobs.submit(spec(1)).await.unwrap();
    let (texts, ended) = all(&world, job.logs()).await;
    assert_eq!(texts.concat(), "one\ntwo\nthree\nfour\n");
    assert!((secs(60)..secs(95)).contains(&ended), "{ended:?}");
    assert_eq!(world.opened(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_silent_log_ends_with_its_job_and_gives_what_the_record_holds() {
    let (jobs, world) = jobs::<0>();
    ends_at(&world, secs(30));
    world.log(vec![log(&[], Then::Silent)]);
    world.logged(vec![out("hello\n"), LogLine::new(Some("e-1"), LogStream::Stderr, "oh\n")]);
    let job = jobs.submit(spec(1)).await.unwrap();
    let (texts, ended) = all(&world, job.logs()).await;
    assert_eq!(texts, ["hello\n", "oh\n"]);
    assert!((secs(30)..secs(42)).contains(&ended), "{ended:?}");
    assert_eq!(world.opened(), 1, "a silent log is no broken one");
}

#[tokio::test(start_paused = true)]
async fn what_was_given_is_not_given_again_from_the_record() {
    let (jobs, world) = jobs::<0>();
    ends_at(&world, secs(10));
    world.log(vec![log(&["hello\nwo"], Then::Silent)]);
    world.logged(vec![out("hello\nworld\n"), LogLine::new(Some("e-2"), LogStream::Stdout, "other\n")]);
    let job = jobs.submit(spec(1)).await.unwrap();
    let (texts, _) = all(&world, job.logs()).await;
    assert_eq!(texts, ["hello\nwo", "rld\n", "other\n"]);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_not_there_yet_is_waited_for() {
    let (jobs, world) = jobs::<0>();
    ends_at(&world, secs(40));
    let missing = || Log::Refuse(status(404));
    world.log(vec![missing(), missing(), missing(), log(&["late\n"], Then::Close)]);
    let job = jobs.submit(spec(1)).await.unwrap();
    let (texts, ended) = all(&world, job.logs()).await;
    assert_eq!(texts, ["late\n"]);
    assert!(ended >= secs(40));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_shows_no_logs_still_gives_the_record_at_the_end() {
    let (jobs, world) = jobs::<0>();
    ends_at(&world, secs(20));
    world.log(vec![Log::Refuse(broken(ErrorKind::Unsupported, Delivery::NotSent))]);
    world.logged(vec![out("at last\n")]);
    let job = jobs.submit(spec(1)).await.unwrap();
    let (texts, ended) = all(&world, job.logs()).await;
    assert_eq!(texts, ["at last\n"]);
    assert!(ended >= secs(20));
    assert_eq!(world.opened(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_was_cut_when_the_job_ended_is_read_once_more() {
    let (jobs, world) = jobs::<0>();
    ends_at(&world, secs(0));
    world.log(vec![log(&["one\n"], Then::Break), log(&["one\n", "long rest\n"], Then::Close)]);
    world.logged(vec![out("one\n")]);
    let job = jobs.submit(spec(1)).await.unwrap();
    let (texts, _) = all(&world, job.logs()).await;
    assert_eq!(texts, ["one\n", "long rest\n"]);
    assert_eq!(*world.follows.lock().unwrap(), [true, false]);
}

#[tokio::test(start_paused = true)]
async fn without_following_the_log_ends_where_it_is_now() {
    let (jobs, world) = jobs::<0>();
    world.play(|_| now(running()));
    let job = jobs.submit(spec(1)).await.unwrap();
    world.log(vec![log(&["so far\n"], Then::Close)]);
    assert_eq!(all(&world, job.logs().follow(false)).await.0, ["so far\n"]);
    world.log(vec![log(&["so far\n"], Then::Silent)]);
    assert_eq!(all(&world, job.logs().follow(false)).await.0, ["so far\n"]);
    world.log(vec![Log::Refuse(status(404))]);
    assert!(all(&world, job.logs().follow(false)).await.0.is_empty());
    // Of a job that has ended it is the record.
    world.play(|_| now(done()));
    world.logged(vec![out("all\n")]);
    assert_eq!(all(&world, job.logs().follow(false)).await.0, ["all\n"]);
    assert!(world.follows.lock().unwrap().iter().all(|follow| !follow));
    // What fails is tried again, and not for ever.
    world.log(vec![Log::Refuse(status(503))]);
    let before = world.opened();
    assert_eq!(all(&world, job.logs().follow(false)).await.0, ["broke: gateway"]);
    assert_eq!(world.opened() - before, 5);
}

#[tokio::test(start_paused = true)]
async fn looks_keep_the_pace_of_the_wait_and_begin_when_the_log_falls_silent() {
    let (jobs, world) = jobs::<0>();
    ends_at(&world, secs(600));
    // A piece a second for a minute.
    let pieces = (0..60).map(|n| (secs(1), out(&format!("{n}\n")))).collect();
    world.log(vec![Log::Lines(pieces, Then::Silent)]);
    let job = jobs.submit(spec(1)).await.unwrap();
    let (texts, ended) = all(&world, job.logs()).await;
    assert_eq!(texts.len(), 60);
    assert!(ended < secs(640), "{ended:?}");
    let times = world.times();
    let talking = times.iter().filter(|at| (1_500..60_000).contains(*at)).count();
    assert_eq!(talking, 0, "{times:?}");
    assert!(times.len() as u64 <= WaitPolicy::default().pace.most_looks(ended), "{times:?}");
    assert!(times.len() < 40, "{times:?}");
    // A connection that may be dead is opened anew, ever more rarely.
    assert!((2..8).contains(&world.opened()), "{}", world.opened());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_closes_at_once_is_asked_with_growing_pauses() {
    let (jobs, world) = jobs::<0>();
    ends_at(&world, secs(600));
    world.log(vec![log(&["x"], Then::Close)]);
    let job = jobs.submit(spec(1)).await.unwrap();
    let (texts, _) = all(&world, job.logs()).await;
    assert_eq!(texts, ["x"]);
    assert!(world.opened() < 50, "{}", world.opened());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_get_better_ends_the_stream_with_the_job_named() {
    let (jobs, world) = jobs::<0>();
    ends_at(&world, secs(600));
    let job = jobs.submit(spec(1)).await.unwrap();
    for (refused, told) in [
        (status(401), "unauthorized"),
        (status(403), "forbidden"),
        (pause(secs(86_400)), "rate limited"),
        (broken(ErrorKind::Config, Delivery::NotSent), "bad setting"),
    ] {
        world.log(vec![Log::Refuse(refused)]);
        assert_eq!(all(&world, job.logs()).await.0, [format!("broke: {told}")]);
    }
    world.log(vec![Log::Refuse(pause(secs(86_400)))]);
    let error = job.logs().next().await.unwrap().unwrap_err();
    assert!(matches!(error.retry(), Retry::NotBefore(_)));
    // A job of which nothing is known is not waited for either.
    world.play(|_| now(word("Odd", false)));
    world.log(vec![log(&[], Then::Silent)]);
    assert_eq!(all(&world, job.logs()).await.0, ["broke: job unreadable"]);
    world.play(|_| fail(status(404)));
    assert_eq!(all(&world, job.logs()).await.0, ["broke: not found"]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_server_asks_for_is_kept() {
    let (jobs, world) = jobs::<0>();
    ends_at(&world, secs(300));
    world.log(vec![Log::Refuse(answer(429, "120")), log(&["x"], Then::Close)]);
    let job = jobs.submit(spec(1)).await.unwrap();
    let mut logs = job.logs();
    assert_eq!(logs.next().await.unwrap().unwrap().text, "x");
    assert!(world.now() >= secs(120), "{:?}", world.now());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_stream_or_a_wait_for_its_next_piece_loses_and_leaves_nothing() {
    let (jobs, world) = jobs::<0>();
    ends_at(&world, secs(600));
    let pieces = (0..20).map(|n| (secs(3), out(&format!("{n}\n")))).collect();
    world.log(vec![Log::Lines(pieces, Then::Silent)]);
    let job = jobs.submit(spec(1)).await.unwrap();
    let mut logs = job.logs();
    let mut texts = Vec::new();
    while texts.len() < 10 {
        // Given up again and again, also in the middle of a look.
        if let Ok(line) = tokio::time::timeout(Duration::from_millis(700), logs.next()).await {
            texts.push(line.unwrap().unwrap().text);
        }
    }
    assert_eq!(texts, (0..10).map(|n| format!("{n}\n")).collect::<Vec<_>>());
    drop(logs);
    let before = world.requests() + world.opened();
    tokio::time::sleep(secs(300)).await;
    assert_eq!(world.requests() + world.opened(), before);
    assert_eq!(world.open_logs(), 0);
    assert_eq!(world.under_way(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_failed_gives_its_log_too_and_one_known_to_have_ended_is_not_looked_at() {
    let (jobs, world) = jobs::<0>();
    world.play(|_| now(vec![item(State::Failed, true)]));
    world.log(vec![Log::Refuse(status(404))]);
    world.logged(vec![out("until then\n")]);
    let job = jobs.submit(spec(1)).await.unwrap();
    assert_eq!(all(&world, job.logs()).await.0, ["until then\n"]);

    world.submits.lock().unwrap().push_back(now(done()));
    let job = jobs.submit(spec(1)).await.unwrap();
    let before = world.times().len();
    world.log(vec![log(&["until then\n"], Then::Close)]);
    let texts: Vec<_> = job.logs().map(|line| line.unwrap().text).collect().await;
    assert_eq!(texts, ["until then\n"]);
    assert_eq!(world.times().len(), before);
}

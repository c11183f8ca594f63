//! Steps: waiting by each rung of the ladder, watching, many at once, deadlines, dropping.
use std::time::Duration;

use consign::{Caps, DynJob, ErrorKind, Event, Job, Mode, Outcome, Pace, Result, WaitPolicy, Watch};

use super::{Bench, Checked, Step, Subject, expect, refused};

/// More than any job of the suite takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

pub(super) fn steps<P: Subject>() -> Vec<Step<P>> {
    vec![
        Step { name: "a wait takes the highest rung there is, and sees the end", run: |b| Box::pin(best(b)) },
        Step { name: "a wait that only polls sees the end", run: |b| Box::pin(polled(b)) },
        Step { name: "a watch tells how it looks first, and the end once and last", run: |b| Box::pin(watched(b)) },
        Step { name: "many jobs are followed in one stream to one end each", run: |b| Box::pin(many(b)) },
        Step { name: "jobs without their types are followed in one stream too", run: |b| Box::pin(erased(b)) },
        Step { name: "a wait for a job that has ended is over at once, again and again", run: |b| Box::pin(again(b)) },
        Step { name: "a deadline ends the wait and not the job", run: |b| Box::pin(deadline(b)) },
        Step { name: "a wait that is dropped leaves the job alone", run: |b| Box::pin(dropped(b)) },
    ]
}

/// The highest rung that a job of the provider has.
fn top<P: Subject>(job: &Job<P>) -> Mode {
    match (P::CAPS, P::hold(job.ticket())) {
        (Caps { events: true, .. }, _) => Mode::Events,
        (_, Some(_)) => Mode::LongPoll,
        _ => Mode::Poll,
    }
}

/// A pace for short jobs.
fn pace() -> Pace {
    Pace::fixed(Duration::from_secs(1))
}

/// Follows `watch` to its end: the ways of looking, the number of items told, the ends.
async fn followed<P: Subject>(mut watch: Watch<P>) -> Checked<(Vec<Mode>, usize, Vec<Outcome>)> {
    let (mut modes, mut items, mut ends, mut first) = (Vec::new(), 0, Vec::new(), true);
    while let Some(event) = watch.next().await {
        let event = event?;
        let is_mode = matches!(event, Event::Mode(_));
        expect(!first || is_mode, || format!("the first event is {event:?}"))?;
        expect(ends.is_empty(), || format!("after the end came {event:?}"))?;
        first = false;
        match event {
            Event::Mode(mode) => modes.push(mode),
            Event::Item { .. } => items += 1,
            Event::Ended(finished) => ends.push(finished.outcome().clone()),
            _ => {}
        }
    }
    expect(watch.next().await.is_none(), || "something came after the last".to_owned())?;
    Ok((modes, items, ends))
}

async fn best<P: Subject>(bench: &Bench<P>) -> Checked {
    let job = bench.submit(P::good()).await?;
    let (modes, _, ends) = followed(job.wait().pace(pace()).timeout(PATIENCE).watch()).await?;
    expect(modes[0] == top(&job), || format!("{modes:?}"))?;
    expect(ends == [Outcome::Done], || format!("{ends:?}"))?;
    Ok(true)
}

async fn polled<P: Subject>(bench: &Bench<P>) -> Checked {
    let job = bench.submit(P::good()).await?;
    let (modes, _, ends) = followed(job.wait().poll_only().pace(pace()).timeout(PATIENCE).watch()).await?;
    expect(modes == [Mode::Poll] && ends == [Outcome::Done], || format!("{modes:?} {ends:?}"))?;
    Ok(true)
}

async fn watched<P: Subject>(bench: &Bench<P>) -> Checked {
    let job = bench.submit(P::good()).await?;
    // Found by its ticket, so that nothing is known of it.
    let (_, items, ends) = followed(bench.jobs.attach(job.ticket().clone())?.watch()).await?;
    expect(items > 0 && ends == [Outcome::Done], || format!("{items} items, {ends:?}"))?;
    Ok(true)
}

async fn many<P: Subject>(bench: &Bench<P>) -> Checked {
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(bench.submit(P::good()).await?);
    }
    let mut ends = [0; 5];
    let mut all = bench.jobs.watch_all_with(jobs, WaitPolicy::default().pace(pace()).under_way(2, 3));
    while let Some((index, event)) = all.next().await {
        ends[index] += usize::from(matches!(event?, Event::Ended(_)));
    }
    expect(ends == [1; 5], || format!("{ends:?}"))?;
    Ok(true)
}

async fn erased<P: Subject>(bench: &Bench<P>) -> Checked {
    let (a, b) = (bench.submit(P::good()).await?, bench.submit(P::good()).await?);
    let mut ends = [0; 2];
    let mut all = DynJob::watch_all([DynJob::from(a), DynJob::from(b)]);
    while let Some((index, event)) = all.next().await {
        ends[index] += usize::from(matches!(event?, consign::DynEvent::Ended(_)));
    }
    expect(ends == [1; 2], || format!("{ends:?}"))?;
    Ok(true)
}

async fn again<P: Subject>(bench: &Bench<P>) -> Checked {
    let job = bench.submit(P::good()).await?;
    job.wait().pace(pace()).timeout(PATIENCE).await?;
    for _ in 0..2 {
        let (_, _, ends) = followed(bench.jobs.attach(job.ticket().clone())?.wait().timeout(PATIENCE).watch()).await?;
        expect(ends == [Outcome::Done], || format!("{ends:?}"))?;
    }
    Ok(true)
}

async fn deadline<P: Subject>(bench: &Bench<P>) -> Checked {
    let job = bench.submit(P::long()).await?;
    let clock = bench.jobs.provider().http().clock().clone();
    for poll_only in [false, true] {
        let began = clock.now();
        let wait = job.wait().timeout(Duration::from_secs(3));
        let done: Result<_> = if poll_only { wait.poll_only().await } else { wait.await };
        let took = clock.now() - began;
        expect(took <= Duration::from_millis(3500), || format!("the wait took {took:?}"))?;
        let error = refused("the wait", done, ErrorKind::Deadline, consign::Delivery::Unknown)?;
        expect(error.ticket() == Some(job.ticket()), || format!("no ticket in: {error}"))?;
        expect(error.last_state().is_some(), || format!("no state in: {error}"))?;
    }
    let seen = job.look().await?;
    expect(!seen.finished(), || format!("the job ended: {}", seen.state()))?;
    Ok(true)
}

async fn dropped<P: Subject>(bench: &Bench<P>) -> Checked {
    let job = bench.submit(P::long()).await?;
    let clock = bench.jobs.provider().http().clock().clone();
    let wait = std::future::IntoFuture::into_future(job.wait());
    let cut = consign_http::timeout(&*clock, Duration::from_secs(2), wait).await;
    expect(cut.is_none(), || "the long job ended".to_owned())?;
    let seen = job.look().await?;
    expect(!seen.finished(), || format!("the job ended: {}", seen.state()))?;
    Ok(true)
}

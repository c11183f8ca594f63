//! Dropping any future, at any of its await points, sends nothing more and leaves nothing behind: I8.
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use consign_core::{Delivery, ErrorKind, Jobs, Ticket};

use crate::fake::*;

/// Polls a future so many times and then lets it go; `None`: it was not ready before.
struct Polls<F>(Option<Pin<Box<F>>>, usize);

impl<F: Future> Future for Polls<F> {
    type Output = Option<F::Output>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.1 == 0 {
            this.0 = None;
            return Poll::Ready(None);
        }
        this.1 -= 1;
        this.0.as_mut().unwrap().as_mut().poll(cx).map(Some)
    }
}

/// Runs `make`'s future, dropped after 0, 1, 2, … polls until it is ready, each time in a world of its own.
async fn dropped_everywhere<F, T>(make: impl Fn(Jobs<Held>, Arc<World>) -> F)
where
    F: Future<Output = T>,
{
    for polls in 0.. {
        assert!(polls < 200, "it never ends");
        let (jobs, world) = jobs();
        let ready = Polls(Some(Box::pin(make(jobs, world.clone()))), polls).await.is_some();
        let requests = world.requests();
        assert_eq!(world.under_way(), 0, "after {polls} polls something is still under way");
        tokio::time::sleep(secs(100_000)).await;
        assert_eq!(world.requests(), requests, "after {polls} polls something more was sent");
        assert_eq!(world.raws.load(std::sync::atomic::Ordering::Relaxed), 0, "after {polls} polls a record is kept");
        if ready {
            return;
        }
    }
}

fn acts() -> Vec<Act> {
    let slow = |answer| Act::After(secs(2), answer);
    vec![
        slow(Err(status(404))),
        slow(Err(status(504))),
        slow(Err(answer(429, "3"))),
        slow(Ok(running())),
        Act::After(secs(30), Err(broken(ErrorKind::Timeout, Delivery::Unknown))),
        slow(Ok(running())),
        slow(Ok(done())),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_wait_can_be_dropped_at_every_await() {
    dropped_everywhere(|jobs, world| async move {
        world.script(acts());
        let job = jobs.attach(Ticket::new("fake", 1, "a")).unwrap();
        job.wait().timeout(secs(300)).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_over_many_can_be_dropped_at_every_await() {
    dropped_everywhere(|jobs, world| async move {
        world.script(acts());
        let all: Vec<_> = (0..5).map(|n| jobs.attach(Ticket::new("fake", 1, n.to_string())).unwrap()).collect();
        let mut watch = jobs.watch_all(all);
        while watch.next().await.is_some() {}
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn submissions_can_be_dropped_at_every_await() {
    let script = |world: &World| {
        let slow = || Act::After(secs(1), Ok(vec![item(consign_core::State::Queued, false); 4]));
        world.submits.lock().unwrap().extend([Act::After(secs(1), Err(status(429))), slow(), slow()]);
    };
    dropped_everywhere(|jobs, world| async move {
        script(&world);
        jobs.submit(spec(4)).max_cost(9.0).await.unwrap();
    })
    .await;
    dropped_everywhere(|jobs, world| async move {
        script(&world);
        assert!(jobs.submit_all(vec![spec(4); 6]).concurrency(2).max_cost(99.0).await.iter().all(Result::is_ok));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn reads_cancellations_and_queries_can_be_dropped_at_every_await() {
    dropped_everywhere(|jobs, world| async move {
        world.script(vec![fail(status(500)), Act::After(secs(1), Err(status(503))), now(running())]);
        world.calls.lock().unwrap().extend([Err(status(500)), Err(status(502)), Ok(()), Err(status(500))]);
        let job = jobs.attach(Ticket::new("fake", 1, "a")).unwrap();
        job.look().await.unwrap();
        job.cancel().await.unwrap();
        job.taint("bad").await.unwrap();
        world.pages.lock().unwrap().extend([
            Ok((vec!["a"], Some("1".to_owned()))),
            Err(status(503)),
            Ok((vec!["b"], None)),
        ]);
        assert_eq!(jobs.query(()).collect().await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_set_up_and_not_awaited_does_nothing() {
    let (jobs, world): (Jobs<Held>, _) = jobs();
    let job = jobs.attach(Ticket::new("fake", 1, "a")).unwrap();
    drop((jobs.submit(spec(1)), jobs.submit_all([spec(1)]), job.wait(), job.cancel(), job.taint("x"), jobs.query(())));
    drop((job.wait().watch(), jobs.watch_all([job.clone()]), job.look(), job.outputs()));
    let mut watch = pin!(job.wait().watch());
    assert!(watch.next().await.is_some(), "the mode comes without a look");
    assert_eq!(world.requests(), 0);
}

//! Providers chosen at run time: the same answers as with their types, and those types back.
use consign_core::{
    BoxFuture, Caps, Cx, Delivery, DynEvent, DynJob, DynJobs, ErrorKind, Job, Jobs, Look, Outcome, Provider, Result,
    Snapshot, State, Submitted, Ticket, Violations,
};
use serde_json::json;

use crate::fake::*;

/// A provider that can do nothing but what every provider can.
struct Bare(consign_http::Client);

impl Provider for Bare {
    const NAME: &'static str = "bare";
    const CAPS: Caps = Caps::NONE;
    type Spec = String;
    type Raw = ();
    type Output = ();
    type Query = ();
    type Filter = ();
    fn http(&self) -> &consign_http::Client {
        &self.0
    }
    fn validate(_: &String) -> Violations {
        Violations::new()
    }
    fn submit<'a>(&'a self, specs: &'a [String], _: &'a Cx) -> BoxFuture<'a, Result<Submitted<Self>>> {
        let ticket = Ticket::new(Self::NAME, 1, specs[0].clone());
        Box::pin(std::future::ready(Ok(Submitted { ticket, snapshot: None })))
    }
    fn look<'a>(&'a self, _: &'a Ticket, _: Look, _: &'a Cx) -> BoxFuture<'a, Result<Snapshot<Self>>> {
        Box::pin(std::future::ready(Ok(Snapshot::new(done(), ()))))
    }
    fn outputs(_: &Job<Self>, _: &Snapshot<Self>) {}
}

fn bare() -> DynJobs {
    let nowhere = consign_http::transport::from_fn(|_: http::Request<bytes::Bytes>| async { panic!("a request") });
    let client = consign_http::Client::builder("https://api.example.com").unwrap().transport(nowhere);
    Jobs::new(Bare(client.build().unwrap())).into()
}

#[tokio::test(start_paused = true)]
async fn a_job_of_a_provider_known_only_at_run_time_is_waited_for_like_any_other() {
    let (typed, world): (Jobs<Held>, _) = jobs();
    world.play(|seen| if seen.hold.is_some() { Act::After(secs(70), Ok(done())) } else { now(running()) });
    let jobs = DynJobs::from(typed);
    let job = jobs.submit_json(json!({"weight": 1, "wrong": 0})).await.unwrap();
    assert_eq!(job.look().await.unwrap().state(), State::Running);
    let late = job.wait().timeout(secs(10)).await.unwrap_err();
    assert_eq!((late.kind(), late.ticket()), (ErrorKind::Deadline, Some(job.ticket())));
    let finished = job.wait().await.unwrap();
    assert_eq!(finished.outcome(), &Outcome::Done);
    assert!(finished.downcast::<Held>().is_some_and(|f| f.snapshot().raw().is_some()));
    assert!(finished.downcast::<Bare>().is_none() && job.typed::<Held>().is_some());
    job.cancel(true).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_the_provider_is_refused_before_any_request() {
    let (typed, world): (Jobs<Polled>, _) = jobs();
    let jobs = DynJobs::from(typed);
    let error = jobs.submit_json(json!({"weight": "heavy"})).await.unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidRequest && error.to_string().contains("a spec of fake"), "{error}");
    assert_eq!(jobs.submit_json(json!({"weight": 1, "wrong": 2})).await.unwrap_err().violations().len(), 2);
    assert_eq!(jobs.submit::<Bare>("x").await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    let both = [jobs, bare()];
    let ticket = |name| Ticket::new(name, 1, "x");
    assert_eq!(DynJobs::attach_among(&both, ticket("bare")).unwrap().ticket().provider(), "bare");
    let error = DynJobs::attach_among(&both, ticket("other")).unwrap_err();
    assert!(error.to_string().contains("a ticket of one of fake, bare"), "{error}");
    let error = both[1].attach(ticket("bare")).unwrap().cancel(true).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Unsupported, Delivery::NotSent));
    assert!(error.to_string().contains("bare has no operation to cancel a job"), "{error}");
    assert_eq!(world.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn jobs_of_several_providers_are_followed_in_one_stream_each_to_its_end() {
    let (polled, slow): (Jobs<Polled>, _) = jobs();
    let (held, quick): (Jobs<Held>, _) = jobs();
    slow.play(|seen| now(if seen.at > secs(100) { done() } else { running() }));
    quick.play(|_| Act::After(secs(20), Ok(word("Vaporised", true))));
    let families: [DynJobs; 3] = [polled.into(), held.into(), bare()];
    let job = |n: usize| {
        let family = &families[n % 3];
        family.attach(Ticket::new(family.provider(), 1, n.to_string())).unwrap()
    };
    let mut watch = DynJob::watch_all((0..30).map(job));
    let mut ends = vec![None; 30];
    while let Some((index, event)) = watch.next().await {
        assert!(ends[index].is_none(), "an event after the end");
        if let DynEvent::Ended(finished) = event.unwrap() {
            assert_eq!(finished.job().ticket().data(), index.to_string());
            ends[index] = Some(finished.outcome().clone());
        }
    }
    for (index, end) in ends.into_iter().enumerate() {
        let expected = if index % 3 == 1 { Outcome::Unknown("Vaporised".into()) } else { Outcome::Done };
        assert_eq!(end, Some(expected), "{index}");
    }
    assert!(DynJob::watch_all([]).next().await.is_none());
}

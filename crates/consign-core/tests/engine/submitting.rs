//! Submissions: never repeated blindly (I1), tickets at once (I2), batches, caps, many specs.
use std::time::Duration;

use consign_core::{Delivery, ErrorKind, Jobs, Retry, RetryPolicy, State};

use crate::fake::*;

#[tokio::test(start_paused = true)]
async fn a_submission_is_repeated_only_if_the_one_before_surely_started_nothing() {
    use Delivery::{NotSent, Unknown};
    let table = [
        // What the first attempt met, and whether there is a second one.
        (broken(ErrorKind::Transport, NotSent), true),
        (broken(ErrorKind::Timeout, NotSent), true),
        (status(429), true),
        (answer(429, "20"), true),
        (status(425), true),
        (broken(ErrorKind::Transport, Unknown), false),
        (broken(ErrorKind::Timeout, Unknown), false),
        (broken(ErrorKind::Decode, Unknown), false),
        (status(408), false),
        (status(500), false),
        (status(502), false),
        (status(503), false),
        (answer(503, "1"), false),
        (status(504), false),
        (status(400), false),
        (status(401), false),
        (status(402), false),
        (status(302), false),
    ];
    for (error, repeated) in table {
        let (jobs, world) = jobs::<0>();
        world.submits.lock().unwrap().push_back(fail(error.clone()));
        let result = jobs.submit(spec(1)).await;
        assert_eq!(world.submitted.lock().unwrap().len(), 1 + usize::from(repeated), "{error}");
        match result {
            Ok(job) => assert!(repeated && job.ticket().data() == "job-2", "{error}"),
            Err(told) => {
                assert_eq!((told.kind(), told.delivery()), (error.kind(), error.delivery()));
                assert!(!repeated, "{error}");
                let unclear = told.to_string().contains("may have acted") || told.delivery() == Delivery::Rejected;
                assert!(unclear, "{told}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unclear_submission_after_clear_ones_is_the_last() {
    let (jobs, world) = jobs::<0>();
    let unclear = broken(ErrorKind::Transport, Delivery::Unknown);
    world.submits.lock().unwrap().extend([status(429), status(429), unclear].map(fail));
    let error = jobs.submit(spec(1)).await.unwrap_err();
    assert_eq!((error.delivery(), error.attempts()), (Delivery::Unknown, 3));
    assert_eq!(world.submitted.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn repeats_are_bounded_by_the_policy_and_by_the_budget_of_all_calls_together() {
    let (jobs, world) = jobs::<0>();
    let refuse = |n| world.submits.lock().unwrap().extend((0..n).map(|_| fail(status(429))));
    refuse(1000);
    let error = jobs.submit(spec(1)).await.unwrap_err();
    assert_eq!((error.attempts(), world.submitted.lock().unwrap().len()), (5, 5));
    for _ in 0..100 {
        assert!(jobs.submit(spec(1)).await.is_err());
    }
    // 101 calls and a budget of 50 repeats.
    assert_eq!(world.submitted.lock().unwrap().len(), 101 + 50);
    let never = Jobs::builder(Polled::new(consign_http::transport::from_fn(|_: http::Request<bytes::Bytes>| async {
        Ok(http::Response::default())
    })));
    let never = never.retry(RetryPolicy::never()).build();
    assert!(never.submit(spec(1)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_repeat_waits_as_long_as_the_server_asks_and_gives_up_if_that_is_too_long() {
    let (jobs, world) = jobs::<0>();
    world.submits.lock().unwrap().push_back(fail(answer(429, "37")));
    jobs.submit(spec(1)).await.unwrap();
    assert!((37..40).contains(&world.now().as_secs()), "{:?}", world.now());
    for asked in [secs(61), secs(u64::from(u32::MAX)), Duration::MAX] {
        let before = world.now();
        world.submits.lock().unwrap().push_back(fail(pause(asked)));
        let error = jobs.submit(spec(1)).await.unwrap_err();
        assert!(matches!(error.retry(), Retry::NotBefore(_)), "{error}");
        assert!(error.to_string().contains("not before"), "{error}");
        assert_eq!(world.now(), before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_is_known_by_its_ticket_from_the_answer_on() {
    let (jobs, world) = jobs::<0>();
    let job = jobs.submit(spec(3)).await.unwrap();
    assert_eq!(job.first().unwrap().items().len(), 3);
    assert_eq!(job.ticket().to_string(), "consign:1:fake:job-1");
    // The same job in another process.
    let again = jobs.attach(job.ticket().to_string().parse().unwrap()).unwrap();
    world.script(vec![now(done())]);
    assert_eq!(again.wait().await.unwrap().job().ticket(), job.ticket());
    let error = jobs.attach(consign_core::Ticket::new("other", 1, "x")).unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidRequest && error.to_string().contains("a ticket of fake"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn every_violation_of_every_spec_is_told_before_anything_is_sent() {
    let (jobs, world) = jobs::<0>();
    let wrong = |n| Spec { weight: 1, wrong: n };
    assert_eq!(jobs.submit(wrong(3)).await.unwrap_err().violations().len(), 3);
    let error = jobs.submit_batch([wrong(1), spec(1), wrong(2)]).await.unwrap_err();
    let members: Vec<_> = error.violations().iter().map(|v| v.member.clone()).collect();
    assert_eq!(members, ["jobs[0].member0", "jobs[2].member0", "jobs[2].member1"]);
    assert_eq!(jobs.price(wrong(1)).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    assert_eq!(jobs.submit_batch(Vec::<Spec>::new()).await.unwrap_err().violations().len(), 1);
    assert_eq!(world.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_more_items_than_one_ticket_holds_is_refused_before_sending() {
    let (jobs, world) = jobs::<0>();
    for specs in [vec![spec(1); 5], vec![spec(3), spec(2)], vec![spec(5)], vec![spec(usize::MAX), spec(2)]] {
        let error = jobs.submit_batch(specs).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidRequest, Delivery::NotSent));
        assert!(error.to_string().contains("at most 4 under one ticket"), "{error}");
    }
    assert_eq!(world.requests(), 0);
    assert_eq!(jobs.submit_batch([spec(3), spec(1)]).await.unwrap().first().unwrap().items().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_spending_cap_refuses_before_submitting() {
    let (jobs, world) = jobs::<0>();
    for cap in [1.0, 0.0, -1.0, f64::NAN] {
        let error = jobs.submit(spec(2)).max_cost(cap).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::OverBudget, Delivery::NotSent));
    }
    world.calls.lock().unwrap().push_back(Err(status(403)));
    assert_eq!(jobs.submit(spec(2)).max_cost(9.0).await.unwrap_err().kind(), ErrorKind::Forbidden);
    assert_eq!(world.submitted.lock().unwrap().len(), 0);
    jobs.submit(spec(2)).max_cost(2.0).await.unwrap();
    let outcomes = jobs.submit_all([spec(2), Spec { weight: 1, wrong: 1 }, spec(3)]).max_cost(4.0).await;
    let kinds: Vec<_> = outcomes.iter().map(|o| o.as_ref().unwrap_err().kind()).collect();
    assert_eq!(kinds, [ErrorKind::OverBudget, ErrorKind::InvalidRequest, ErrorKind::OverBudget]);
    assert_eq!(world.submitted.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_specs_are_split_at_what_a_ticket_holds_and_each_gets_its_outcome() {
    let (jobs, world) = jobs::<0>();
    let specs = vec![spec(2), spec(1), Spec { weight: 1, wrong: 2 }, spec(1), spec(3), spec(2), spec(9), spec(4)];
    let outcomes = jobs.submit_all(specs).await;
    let told: Vec<_> = outcomes
        .iter()
        .map(|o| o.as_ref().map(|s| (s.job.ticket().data().to_owned(), s.items.clone())).map_err(|e| e.kind()))
        .collect();
    let at = |job: &str, items| Ok((job.to_owned(), Some(items)));
    let wrong = || Err(ErrorKind::InvalidRequest);
    let expected = [
        at("job-1", 0..2),
        at("job-1", 2..3),
        wrong(),
        at("job-1", 3..4),
        at("job-2", 0..3),
        at("job-3", 0..2),
        wrong(),
        at("job-4", 0..4),
    ];
    assert_eq!(told, expected);
    assert_eq!(*world.submitted.lock().unwrap(), [3, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn of_many_submissions_only_a_few_are_under_way_and_a_failed_one_stops_no_other() {
    let (jobs, world) = jobs::<0>();
    let items = || vec![item(State::Queued, false); 4];
    world.submits.lock().unwrap().extend((0..20).map(|n| match n {
        7 => fail(status(500)),
        _ => Act::After(secs(1), Ok(items())),
    }));
    let mut all = jobs.submit_all(vec![spec(4); 20]).concurrency(3);
    let (mut good, mut bad) = (0, Vec::new());
    while let Some((index, outcome)) = all.next().await {
        match outcome {
            Ok(_) => good += 1,
            Err(error) => bad.push((index, error.delivery())),
        }
    }
    assert!(all.next().await.is_none());
    assert_eq!((good, bad), (19, vec![(7, Delivery::Unknown)]));
    assert_eq!(world.most_in_flight.load(std::sync::atomic::Ordering::Relaxed), 3);
    assert_eq!(jobs.submit_all(Vec::<Spec>::new()).await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_tell_whose_items_are_whose_says_so() {
    let (jobs, world) = jobs::<0>();
    world.submits.lock().unwrap().push_back(now(queued()));
    let outcomes = jobs.submit_all([spec(2), spec(2)]).await;
    assert!(outcomes.iter().all(|o| o.as_ref().unwrap().items.is_none()));
}

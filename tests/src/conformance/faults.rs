//! Steps with faults, on the simulator only: every kind of error, lost answers, outages.
use consign::{Delivery, Error, ErrorKind, Outcome, Retry};
use consign_sim::{Fault, Rule};

use super::waits::PATIENCE;
use super::{Bench, Checked, Step, Subject, expect};

pub(super) fn steps<P: Subject>() -> Vec<Step<P>> {
    vec![
        Step {
            name: "each unsuccessful answer to a look has its kind, and carries the ticket",
            run: |b| Box::pin(kinds(b)),
        },
        Step { name: "a submission whose answer was lost is not repeated", run: |b| Box::pin(lost(b)) },
        Step { name: "a submission that surely did not arrive is repeated", run: |b| Box::pin(repeated(b)) },
        Step { name: "a wait survives a short outage of every kind", run: |b| Box::pin(outage(b)) },
        Step { name: "a wait for what stays unreadable ends, with the ticket", run: |b| Box::pin(unreadable(b)) },
    ]
}

/// Answers that are no success, and the kind that each has.
fn table() -> Vec<(&'static str, Fault, ErrorKind)> {
    vec![
        ("400", Fault::status(400), ErrorKind::InvalidRequest),
        ("401", Fault::status(401), ErrorKind::Unauthorized),
        ("402", Fault::status(402), ErrorKind::InsufficientCredit),
        ("403", Fault::status(403), ErrorKind::Forbidden),
        ("408", Fault::status(408), ErrorKind::Timeout),
        ("409", Fault::status(409), ErrorKind::Conflict),
        ("429", Fault::status(429).retry_after(3600), ErrorKind::RateLimited),
        ("500", Fault::status(500), ErrorKind::Server),
        ("503", Fault::status(503), ErrorKind::Gateway),
        ("504 with a page", Fault::html(504), ErrorKind::Gateway),
        ("502 with a page", Fault::html(502), ErrorKind::Gateway),
        ("200 with a page", Fault::html(200), ErrorKind::Decode),
        ("a truncated answer", Fault::truncate(9), ErrorKind::Decode),
        ("no answer", Fault::hang(), ErrorKind::Timeout),
        ("a refused connection", Fault::drop_before(), ErrorKind::Transport),
        ("a lost answer", Fault::lose_reply(), ErrorKind::Transport),
    ]
}

async fn kinds<P: Subject>(bench: &Bench<P>) -> Checked {
    let Some(faults) = &bench.faults else { return Ok(false) };
    let job = bench.submit(P::long()).await?;
    for (what, fault, kind) in table() {
        faults.add(Rule::new(fault).on(P::LOOK).always());
        let done = job.look().await;
        faults.clear();
        let error = done.err().ok_or_else(|| format!("{what}: a look succeeded"))?;
        expect(error.kind() == kind, || format!("{what}: {:?}: {error}", error.kind()))?;
        expect(error.ticket() == Some(job.ticket()), || format!("{what}: no ticket in: {error}"))?;
        let waits = matches!(error.retry(), Retry::NotBefore(_));
        expect(waits == (what == "429"), || format!("{what}: {:?}", error.retry()))?;
    }
    Ok(true)
}

async fn lost<P: Subject>(bench: &Bench<P>) -> Checked {
    let Some(faults) = &bench.faults else { return Ok(false) };
    for fault in [Fault::lose_reply(), Fault::cut_reply(3), Fault::html(502).after_processing()] {
        // A second send would succeed, and be seen.
        faults.add(Rule::new(fault).on(P::SUBMIT).times(1));
        let error: Error = match bench.jobs.submit(P::good()).await {
            Ok(job) => return Err(format!("a submission without an answer gave {}", job.ticket()).into()),
            Err(error) => error,
        };
        expect(error.delivery() == Delivery::Unknown, || format!("{:?}: {error}", error.delivery()))?;
        expect(error.attempts() <= 1, || format!("{} attempts: {error}", error.attempts()))?;
    }
    Ok(true)
}

async fn repeated<P: Subject>(bench: &Bench<P>) -> Checked {
    let Some(faults) = &bench.faults else { return Ok(false) };
    faults.add(Rule::new(Fault::status(429).retry_after(2)).on(P::SUBMIT).times(2));
    bench.submit(P::good()).await?;
    expect(faults.pending() == 0, || "the answers were not used up".to_owned())?;
    Ok(true)
}

async fn outage<P: Subject>(bench: &Bench<P>) -> Checked {
    let Some(faults) = &bench.faults else { return Ok(false) };
    let bad = [Fault::status(500), Fault::html(502), Fault::drop_before(), Fault::lose_reply(), Fault::truncate(9)];
    for fault in bad {
        let job = bench.submit(P::good()).await?;
        faults.add(Rule::new(fault).on(P::LOOK).times(3));
        let done = job.wait().poll_only().timeout(PATIENCE).await?;
        expect(*done.outcome() == Outcome::Done, || format!("{:?}", done.outcome()))?;
        expect(faults.pending() == 0, || "the faults were not met".to_owned())?;
    }
    Ok(true)
}

async fn unreadable<P: Subject>(bench: &Bench<P>) -> Checked {
    let Some(faults) = &bench.faults else { return Ok(false) };
    let job = bench.submit(P::good()).await?;
    faults.add(Rule::new(Fault::truncate(9)).on(P::LOOK).always());
    let error = job.wait().poll_only().await.err().ok_or_else(|| "the wait ended well".to_owned())?;
    expect(error.kind() == ErrorKind::Unreadable, || format!("{error}"))?;
    expect(error.ticket() == Some(job.ticket()), || format!("no ticket in: {error}"))?;
    Ok(true)
}

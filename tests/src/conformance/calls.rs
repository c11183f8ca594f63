//! Steps: submit, find again, look, price, batch, list, query, taint, and calls that are refused.
use consign::{Cx, Delivery, DynJobs, ErrorKind, TaintReason, Ticket};

use super::{Bench, Checked, Step, Subject, expect, refused};

pub(super) fn steps<P: Subject>() -> Vec<Step<P>> {
    vec![
        Step { name: "a submission gives a ticket that finds the job again", run: |b| Box::pin(found_again(b)) },
        Step { name: "a spec survives being stored, and is submitted without its type", run: |b| Box::pin(stored(b)) },
        Step { name: "all violations come at once, and nothing is sent", run: |b| Box::pin(invalid(b)) },
        Step { name: "a job that does not exist is not found", run: |b| Box::pin(unknown(b)) },
        Step { name: "a ticket of somebody else's is refused", run: |b| Box::pin(foreign(b)) },
        Step { name: "an unknown credential is refused", run: |b| Box::pin(stranger(b)) },
        Step { name: "where nobody listens nothing is sent", run: |b| Box::pin(nowhere(b)) },
        Step { name: "what the provider cannot do is refused before any request", run: |b| Box::pin(unsupported(b)) },
        Step { name: "a price is told without submitting", run: |b| Box::pin(price(b)) },
        Step { name: "several specs go together under one ticket", run: |b| Box::pin(batch(b)) },
        Step { name: "a list has the job, and each job once", run: |b| Box::pin(list(b)) },
        Step { name: "a query has the job, and each job once", run: |b| Box::pin(query(b)) },
        Step { name: "a job is marked as bad", run: |b| Box::pin(taint(b)) },
    ]
}

async fn found_again<P: Subject>(bench: &Bench<P>) -> Checked {
    let job = bench.submit(P::good()).await?;
    let text = job.ticket().to_string();
    expect(text.starts_with("consign:"), || format!("the ticket reads {text}"))?;
    let ticket: Ticket = text.parse().map_err(|e| format!("the ticket {text} does not parse: {e}"))?;
    let again = bench.jobs.attach(ticket)?;
    let seen = again.look().await?;
    expect(!seen.items().is_empty() && seen.raw().is_some(), || "a look shows nothing".to_owned())?;
    let ids = |job: &consign::Job<P>| job.ticket().to_string();
    expect(ids(&again) == ids(&job), || "the ticket changed".to_owned())?;
    Ok(true)
}

async fn stored<P: Subject>(bench: &Bench<P>) -> Checked {
    let json = serde_json::to_value(P::good()).map_err(|e| e.to_string())?;
    let again: P::Spec = serde_json::from_value(json.clone()).map_err(|e| e.to_string())?;
    let twice = serde_json::to_value(&again).map_err(|e| e.to_string())?;
    expect(twice == json, || format!("{json} came back as {twice}"))?;
    let job = DynJobs::new(bench.jobs.clone()).submit_json(json).await?;
    let typed = job.typed::<P>().cloned().ok_or_else(|| "the job lost its type".to_owned())?;
    bench.submitted.lock().unwrap().push(typed);
    let wrong = DynJobs::new(bench.jobs.clone()).submit_json(serde_json::Value::Null).await;
    refused("a spec that is none", wrong, ErrorKind::InvalidRequest, Delivery::NotSent)?;
    Ok(true)
}

async fn invalid<P: Subject>(bench: &Bench<P>) -> Checked {
    let done = bench.jobs.submit(P::wrong()).await;
    let error = refused("a wrong spec", done, ErrorKind::InvalidRequest, Delivery::NotSent)?;
    expect(error.violations().iter().count() >= 2, || format!("not all violations: {error}"))?;
    Ok(true)
}

async fn unknown<P: Subject>(bench: &Bench<P>) -> Checked {
    let ticket = P::nobody();
    let error = bench.jobs.attach(ticket.clone())?.look().await.err();
    let error = error.ok_or_else(|| "a job that does not exist was found".to_owned())?;
    expect(error.kind() == ErrorKind::NotFound, || format!("{error}"))?;
    expect(error.ticket() == Some(&ticket), || format!("no ticket in: {error}"))?;
    Ok(true)
}

async fn foreign<P: Subject>(bench: &Bench<P>) -> Checked {
    let ticket = Ticket::new("somebody-else", 1, "x");
    let done = bench.jobs.attach(ticket);
    refused("somebody else's ticket", done, ErrorKind::InvalidRequest, Delivery::NotSent)?;
    let odd = Ticket::new(P::NAME, 999, "x");
    let done = bench.jobs.attach(odd)?.look().await;
    refused("a ticket of a later version", done.map(|_| ()), ErrorKind::InvalidRequest, Delivery::NotSent)?;
    Ok(true)
}

async fn stranger<P: Subject>(bench: &Bench<P>) -> Checked {
    let Some(jobs) = &bench.stranger else { return Ok(false) };
    let done = jobs.submit(P::good()).await;
    refused("a submission", done, ErrorKind::Unauthorized, Delivery::Rejected)?;
    let error = jobs.attach(P::nobody())?.look().await.err();
    let error = error.ok_or_else(|| "a look succeeded".to_owned())?;
    expect(error.kind() == ErrorKind::Unauthorized, || format!("{error}"))?;
    Ok(true)
}

async fn nowhere<P: Subject>(bench: &Bench<P>) -> Checked {
    refused("a submission", bench.nowhere.submit(P::good()).await, ErrorKind::Transport, Delivery::NotSent)?;
    Ok(true)
}

async fn unsupported<P: Subject>(bench: &Bench<P>) -> Checked {
    let (provider, cx, ticket, caps) = (bench.nowhere.provider(), Cx::default(), P::nobody(), P::CAPS);
    let mut missing = Vec::new();
    if !caps.cancel {
        missing.push(provider.cancel(&ticket, None, true, &cx).await);
    }
    if !caps.taint {
        missing.push(provider.taint(&ticket, None, &TaintReason::default(), &cx).await);
    }
    if !caps.price {
        missing.push(provider.price(&[P::good()], &cx).await.map(|_| ()));
    }
    if !caps.list {
        missing.push(provider.list(&P::Filter::default(), None, &cx).await.map(|_| ()));
    }
    if !caps.logs {
        missing.push(provider.logs(&ticket, true, &cx).await.map(|_| ()));
    }
    if !caps.logs {
        let mut lines = consign::DynJob::from(bench.nowhere.attach(ticket.clone())?).logs(true);
        let first = lines.next().await;
        missing.push(first.ok_or_else(|| "no log and no error".to_owned())?.map(|_| ()));
    }
    for done in missing {
        refused("an operation that is not there", done, ErrorKind::Unsupported, Delivery::NotSent)?;
    }
    Ok(true)
}

async fn price<P: Subject>(bench: &Bench<P>) -> Checked {
    if !P::CAPS.price {
        return Ok(false);
    }
    let price = bench.jobs.provider().price(&[P::good()], &Cx::default()).await?;
    expect(price.total > 0.0 && !price.unit.is_empty(), || format!("{price:?}"))?;
    Ok(true)
}

async fn batch<P: Subject>(bench: &Bench<P>) -> Checked {
    if P::CAPS.batch.is_none() {
        return Ok(false);
    }
    let made = bench.jobs.provider().submit(&[P::good(), P::good()], &Cx::default()).await?;
    let job = bench.jobs.attach(made.ticket)?;
    bench.submitted.lock().unwrap().push(job.clone());
    let done = job.wait().timeout(super::waits::PATIENCE).await?;
    expect(done.items().len() == 2, || format!("{} items", done.items().len()))?;
    Ok(true)
}

async fn list<P: Subject>(bench: &Bench<P>) -> Checked {
    if !P::CAPS.list {
        return Ok(false);
    }
    let job = bench.submit(P::good()).await?;
    let (mut pages, mut found) = (DynJobs::new(bench.jobs.clone()).list(), Vec::new());
    while let Some(next) = pages.next().await {
        found.push(next?.job.ticket().to_string());
    }
    once(found, &job.ticket().to_string())
}

async fn query<P: Subject>(bench: &Bench<P>) -> Checked {
    let (true, Some(query)) = (P::CAPS.query, P::question()) else { return Ok(false) };
    let job = bench.submit(P::good()).await?;
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = bench.jobs.provider().query(&query, cursor.as_deref(), &Cx::default()).await?;
        found.extend(page.jobs.iter().flat_map(|(_, seen)| seen.items().iter().filter_map(|i| i.id.clone())));
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    let seen = job.look().await?;
    let id = seen.items()[0].id.clone().ok_or_else(|| "no id".to_owned())?;
    once(found.into_iter().map(String::from).collect(), &id)
}

/// Whether `found` has `wanted`, and everything once.
fn once(mut found: Vec<String>, wanted: &str) -> Checked {
    expect(found.iter().any(|f| f == wanted), || format!("{wanted} is not among {} jobs", found.len()))?;
    let all = found.len();
    found.sort();
    found.dedup();
    expect(found.len() == all, || format!("{} jobs came more than once", all - found.len()))?;
    Ok(true)
}

async fn taint<P: Subject>(bench: &Bench<P>) -> Checked {
    if !P::CAPS.taint {
        return Ok(false);
    }
    let job = bench.submit(P::good()).await?;
    job.wait().timeout(super::waits::PATIENCE).await?;
    let reason = TaintReason { reason: Some("a test".to_owned()), ..TaintReason::default() };
    bench.jobs.provider().taint(job.ticket(), None, &reason, &Cx::default()).await?;
    Ok(true)
}

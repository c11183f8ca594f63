//! Steps: how jobs end, what they leave behind, and what they print.
use consign::{DynFinished, DynJob, ErrorKind, Finished, Outcome, State};

use super::waits::PATIENCE;
use super::{Bench, Checked, Step, Subject, expect};

pub(super) fn steps<P: Subject>() -> Vec<Step<P>> {
    vec![
        Step { name: "a failed job is no failed wait, and says why it failed", run: |b| Box::pin(failed(b)) },
        Step { name: "a cancelled job ends so", run: |b| Box::pin(cancelled(b)) },
        Step { name: "a job that does not exist cannot be cancelled", run: |b| Box::pin(cancel_nobody(b)) },
        Step { name: "what a job made is fetched, as files", run: |b| Box::pin(outputs(b)) },
        Step { name: "a log has what the job prints, once, and ends with it", run: |b| Box::pin(logs(b)) },
    ]
}

async fn failed<P: Subject>(bench: &Bench<P>) -> Checked {
    let Some(spec) = P::bad(bench.live) else { return Ok(false) };
    let job = bench.submit(spec).await?;
    let done: Finished<P> = job.wait().timeout(PATIENCE).await?;
    let Outcome::Failed(failure) = done.outcome() else { return Err(format!("{:?}", done.outcome()).into()) };
    let said = failure.message.as_deref().unwrap_or_default();
    expect(said.contains(P::complaint()), || format!("the reason is {said:?}"))?;
    expect(done.items().iter().all(|i| i.state == State::Failed && i.finished), || format!("{:?}", done.items()))?;
    Ok(true)
}

async fn cancelled<P: Subject>(bench: &Bench<P>) -> Checked {
    if !P::CAPS.cancel {
        return Ok(false);
    }
    let job = bench.submit(P::long()).await?;
    DynJob::from(job.clone()).cancel(true).await?;
    let done = job.wait().timeout(PATIENCE).await?;
    expect(*done.outcome() == Outcome::Cancelled, || format!("{:?}", done.outcome()))?;
    Ok(true)
}

async fn cancel_nobody<P: Subject>(bench: &Bench<P>) -> Checked {
    if !P::CAPS.cancel {
        return Ok(false);
    }
    let ticket = P::nobody();
    let done = DynJob::from(bench.jobs.attach(ticket.clone())?).cancel(true).await;
    let error = done.err().ok_or_else(|| "a job that does not exist was cancelled".to_owned())?;
    expect(error.kind() == ErrorKind::NotFound, || format!("{error}"))?;
    expect(error.ticket() == Some(&ticket), || format!("no ticket in: {error}"))?;
    Ok(true)
}

async fn outputs<P: Subject>(bench: &Bench<P>) -> Checked {
    if !P::CAPS.outputs || !P::FILES {
        return Ok(false);
    }
    let job = bench.submit(P::good()).await?;
    let done: DynFinished = DynJob::from(job).wait().timeout(PATIENCE).await?;
    expect(!done.artifacts().is_empty(), || "there is nothing to fetch".to_owned())?;
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    for artifact in done.artifacts() {
        let path = artifact.save_to(folder.path()).await?;
        let inside = path.canonicalize().map_err(|e| e.to_string())?;
        let root = folder.path().canonicalize().map_err(|e| e.to_string())?;
        expect(inside.starts_with(&root), || format!("{} is outside", inside.display()))?;
        let size = std::fs::metadata(&inside).map_err(|e| e.to_string())?.len();
        expect(size > 0, || format!("{} is empty", inside.display()))?;
    }
    Ok(true)
}

async fn logs<P: Subject>(bench: &Bench<P>) -> Checked {
    if !P::CAPS.logs {
        return Ok(false);
    }
    let job = DynJob::from(bench.submit(P::good()).await?);
    for follow in [true, false] {
        let (mut lines, mut text) = (job.logs(follow), String::new());
        while let Some(line) = lines.next().await {
            text += &line?.text;
        }
        // Without following, a log that the server cannot show is empty.
        let times = text.matches(P::printed()).count();
        expect(times == 1 || (!follow && times == 0), || format!("follow {follow}: {text:?}"))?;
    }
    let seen = job.look().await?;
    expect(seen.finished(), || "the log ended before the job".to_owned())?;
    Ok(true)
}

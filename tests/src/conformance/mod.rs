//! One suite for every provider, chosen by its capabilities: against the simulator, or a real server.
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use consign::{Delivery, Error, ErrorKind, Job, Jobs, Provider, RetryPolicy, Ticket, WaitPolicy};
use consign_http::BoxFuture;
use consign_sim::Faults;

mod calls;
mod ends;
mod faults;
mod waits;

#[cfg(feature = "bacalhau")]
mod bacalhau;
#[cfg(feature = "chutes")]
mod chutes;
#[cfg(feature = "civitai")]
mod civitai;
#[cfg(feature = "bacalhau")]
pub(crate) mod modules;
#[cfg(feature = "numind")]
mod numind;

/// A step that takes longer does not hold.
const LONGEST_STEP: Duration = Duration::from_secs(900);

/// What the suite has to know of a provider. Specs are to be cheap: they may run for real.
pub trait Subject: Provider {
    /// A job that ends well within seconds.
    fn good() -> Self::Spec;
    /// A job that fails by itself; `None` where only a simulator can make one and `live` is a real server.
    fn bad(live: bool) -> Option<Self::Spec>;
    /// What the reason of [`Subject::bad`]'s failure contains.
    fn complaint() -> &'static str;
    /// A job that goes on for a minute at least.
    fn long() -> Self::Spec;
    /// A spec that breaks two rules or more.
    fn wrong() -> Self::Spec;
    /// The ticket of a job that does not exist, well formed.
    fn nobody() -> Ticket;
    /// The question that finds `job`, made of [`Subject::good`]; only with `Caps::query`.
    fn question() -> Option<Self::Query> {
        None
    }
    /// What a log of [`Subject::good`] has to contain; only with `Caps::logs`.
    fn printed() -> &'static str {
        ""
    }
    /// Whether [`Subject::good`] makes files.
    const FILES: bool = true;
    /// The simulator's name for the operation of a plain look.
    const LOOK: &'static str;
    /// The simulator's name for the operation of a submission.
    const SUBMIT: &'static str;
}

/// A provider under test.
pub struct Bench<P: Provider> {
    /// Its jobs.
    pub jobs: Jobs<P>,
    /// The same server with a credential that it does not know; `None` where it asks for none.
    pub stranger: Option<Jobs<P>>,
    /// The same provider where nobody listens.
    pub nowhere: Jobs<P>,
    /// The simulator's faults; `None` on a real server.
    pub faults: Option<Faults>,
    /// A server that may not be a simulator.
    pub live: bool,
    submitted: Arc<Mutex<Vec<Job<P>>>>,
}

/// Why a step of the suite is not as it should be.
#[derive(Debug)]
pub struct Wrong(String);

/// What a step of the suite gives; `Ok(false)`: it does not apply here.
pub type Checked<T = bool> = Result<T, Wrong>;

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Self(format!("an error: {error}"))
    }
}
impl From<String> for Wrong {
    fn from(what: String) -> Self {
        Self(what)
    }
}

/// Fails the step unless `holds`.
fn expect(holds: bool, what: impl FnOnce() -> String) -> Checked<()> {
    if holds { Ok(()) } else { Err(Wrong(what())) }
}

/// The error of a call that must not succeed, of this kind and delivery.
fn refused<T>(what: &str, done: Result<T, Error>, kind: ErrorKind, delivery: Delivery) -> Checked<Error> {
    let error = done.err().ok_or_else(|| Wrong(format!("{what}: succeeded")))?;
    let found = (error.kind(), error.delivery());
    expect(found == (kind, delivery), || format!("{what}: {found:?}, expected {:?}: {error}", (kind, delivery)))?;
    Ok(error)
}

/// One step of the suite.
pub struct Step<P: Subject> {
    /// What holds, as a sentence.
    pub name: &'static str,
    run: for<'a> fn(&'a Bench<P>) -> BoxFuture<'a, Checked>,
}

/// How a step went.
#[derive(Debug)]
pub enum Went {
    /// It holds.
    Well,
    /// It does not apply to the provider, or to this server.
    NotHere,
    /// It does not hold.
    Badly(Wrong),
}

impl<P: Subject> Bench<P> {
    /// A bench; `live`: on a server that may not be a simulator.
    pub fn new(provider: P, nowhere: P, live: bool) -> Self {
        let jobs = Jobs::builder(provider).seed(1).wait(WaitPolicy::default()).build();
        let nowhere = Jobs::builder(nowhere).retry(RetryPolicy::never()).build();
        Self { jobs, stranger: None, nowhere, faults: None, live, submitted: Arc::default() }
    }
    /// With faults that the suite may set.
    #[must_use]
    pub fn faults(mut self, faults: &Faults) -> Self {
        self.faults = Some(faults.clone());
        self
    }
    /// With a credential that the server does not know.
    #[must_use]
    pub fn stranger(mut self, provider: P) -> Self {
        self.stranger = Some(Jobs::new(provider));
        self
    }

    /// Submits, and remembers the job so that none is left running.
    async fn submit(&self, spec: P::Spec) -> Result<Job<P>, Error> {
        let job = self.jobs.submit(spec).await?;
        self.submitted.lock().unwrap().push(job.clone());
        Ok(job)
    }
    /// Runs every step; each is given to `report` with how it went and how long it took.
    pub async fn run(&self, mut report: impl FnMut(&'static str, &Went, Duration)) -> usize {
        let (mut bad, clock) = (0, self.jobs.provider().http().clock().clone());
        for step in steps::<P>() {
            let began = clock.now();
            let went = match consign_http::timeout(&*clock, LONGEST_STEP, (step.run)(self)).await {
                Some(Ok(true)) => Went::Well,
                Some(Ok(false)) => Went::NotHere,
                Some(Err(wrong)) => Went::Badly(wrong),
                None => Went::Badly(Wrong(format!("no end within {LONGEST_STEP:?}"))),
            };
            bad += usize::from(matches!(went, Went::Badly(_)));
            if let Some(faults) = &self.faults {
                faults.clear();
            }
            self.leave_nothing_running().await;
            report(step.name, &went, clock.now() - began);
        }
        bad
    }
    async fn leave_nothing_running(&self) {
        let jobs = std::mem::take(&mut *self.submitted.lock().unwrap());
        for job in jobs.into_iter().filter(|_| P::CAPS.cancel) {
            if !job.look().await.is_ok_and(|seen| seen.finished()) {
                // It may have ended meanwhile.
                let _ = consign::DynJob::from(job).cancel(true).await;
            }
        }
    }
}

impl<P: Provider> fmt::Debug for Bench<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").field("provider", &P::NAME).field("live", &self.live).finish_non_exhaustive()
    }
}

/// The suite.
pub fn steps<P: Subject>() -> Vec<Step<P>> {
    [calls::steps(), waits::steps(), ends::steps(), faults::steps()].into_iter().flatten().collect()
}

//! `Jobs`: a provider with its policies, where every call begins.
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use consign_http::{CallOptions, Clock, Retry, Transport};

#[cfg(doc)]
use consign_http::ErrorKind;

use crate::policy::{Budget, Repeat, not_before, scaled};
use crate::turns::Turns;
use crate::{
    Batch, Cx, Error, FromEnv, Job, List, Pages, Price, Priced, Provider, Query, Result, RetryPolicy, SubmitAll,
    SubmitCall, Ticket, WaitPolicy, WatchAll,
};

/// The jobs of one provider: submit, find again, watch. Clones are cheap and share everything.
pub struct Jobs<P: Provider> {
    pub(crate) shared: Arc<Shared<P>>,
    pub(crate) cx: Arc<Cx>,
}

pub(crate) struct Shared<P: Provider> {
    pub(crate) provider: P,
    pub(crate) clock: Arc<dyn Clock>,
    /// For downloads from other hosts: it holds no credential.
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) retry: RetryPolicy,
    pub(crate) wait: WaitPolicy,
    chance: Mutex<fastrand::Rng>,
    budget: Budget,
    pub(crate) turns: Arc<Turns>,
}

/// Settings of [`Jobs`] being made.
#[derive(Debug)]
pub struct JobsBuilder<P> {
    provider: P,
    retry: RetryPolicy,
    wait: WaitPolicy,
    seed: Option<u64>,
    spacing: Duration,
}

impl<P: Provider> Jobs<P> {
    /// The jobs of `provider`, with default policies.
    pub fn new(provider: P) -> Self {
        Self::builder(provider).build()
    }
    /// The jobs of `provider`, with policies to be set.
    pub fn builder(provider: P) -> JobsBuilder<P> {
        let (retry, wait) = (RetryPolicy::default(), WaitPolicy::default());
        JobsBuilder { provider, retry, wait, seed: None, spacing: P::CAPS.spacing }
    }
    /// The provider, for what only it has.
    pub fn provider(&self) -> &P {
        &self.shared.provider
    }
    /// The same jobs; the calls of the handle that is given back, and of the jobs that come from it,
    /// have these options: time limit and extra headers.
    #[must_use]
    pub fn with_options(&self, call: CallOptions) -> Self {
        Self { shared: self.shared.clone(), cx: Arc::new(Cx::new(call)) }
    }
    /// Submits one spec. Nothing happens until the call is awaited.
    ///
    /// ```text
    /// let job = jobs.submit(&spec).await?;
    /// ```
    /// A submission is repeated only when the one before surely started nothing.
    pub fn submit(&self, spec: impl Into<P::Spec>) -> SubmitCall<P> {
        SubmitCall::new(self.clone(), vec![spec.into()])
    }
    /// Submits many specs, a few submissions at a time: those that the provider takes together go
    /// together, as many as one ticket can hold. Each spec gets its own outcome.
    pub fn submit_all<S: Into<P::Spec>>(&self, specs: impl IntoIterator<Item = S>) -> SubmitAll<P> {
        SubmitAll::new(self.clone(), specs.into_iter().map(Into::into).collect())
    }
    /// Finds a job again by its ticket. Sends nothing.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if the ticket is another provider's.
    pub fn attach(&self, ticket: Ticket) -> Result<Job<P>> {
        if ticket.provider() != P::NAME {
            let allowed = format!("a ticket of {}", P::NAME);
            let error: Error = consign_http::Error::invalid_member("ticket", &ticket, &allowed).into();
            return Err(error.with_ticket(&ticket));
        }
        Ok(Job::new(self.clone(), ticket, None))
    }
    /// Follows many jobs from one task, to the end of each.
    pub fn watch_all(&self, jobs: impl IntoIterator<Item = Job<P>>) -> WatchAll<P> {
        self.watch_all_with(jobs, self.shared.wait)
    }
    /// As [`Jobs::watch_all`], with another policy.
    pub fn watch_all_with(&self, jobs: impl IntoIterator<Item = Job<P>>, policy: WaitPolicy) -> WatchAll<P> {
        WatchAll::new(self.shared.clone(), jobs, policy)
    }
}

impl<P: Batch> Jobs<P> {
    /// Submits several specs as one job: one ticket, the items of all, in order.
    pub fn submit_batch<S: Into<P::Spec>>(&self, specs: impl IntoIterator<Item = S>) -> SubmitCall<P> {
        SubmitCall::new(self.clone(), specs.into_iter().map(Into::into).collect())
    }
}

impl<P: Priced> Jobs<P> {
    /// The price of a spec, without submitting it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] with every violation, before anything is sent; otherwise as any read.
    pub async fn price(&self, spec: impl Into<P::Spec>) -> Result<Price> {
        let specs = [spec.into()];
        crate::submit::validate::<P>(&specs)?;
        self.price_of(&specs).await
    }
    pub(crate) async fn price_of(&self, specs: &[P::Spec]) -> Result<Price> {
        self.shared.call(Repeat::Always, || self.shared.provider.price(specs, &self.cx)).await
    }
}

impl<P: Query> Jobs<P> {
    /// The jobs that match, over all pages, as a stream.
    pub fn query(&self, query: P::Query) -> Pages<P> {
        Pages::of_query(self.clone(), query)
    }
}

impl<P: List> Jobs<P> {
    /// The caller's jobs, over all pages, as a stream; `P::Filter::default()` leaves none out.
    pub fn list(&self, filter: P::Filter) -> Pages<P> {
        Pages::of_list(self.clone(), filter)
    }
}

impl<P: FromEnv> Jobs<P> {
    /// The jobs of the provider that the environment describes.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the variable that is missing or malformed.
    pub fn from_env() -> Result<Self> {
        P::from_env().map(Self::new)
    }
}

impl<P: Provider> Shared<P> {
    /// A number in 0..1.
    pub(crate) fn chance(&self) -> f64 {
        self.chance.lock().unwrap_or_else(std::sync::PoisonError::into_inner).f64()
    }
    /// Runs a call, again where that is safe, makes sense, and the budget allows it.
    pub(crate) async fn call<T, F: Future<Output = Result<T>>>(
        &self,
        repeat: Repeat,
        mut send: impl FnMut() -> F,
    ) -> Result<T> {
        let mut attempt = 1;
        loop {
            self.turns.wait(&*self.clock).await;
            let error = match send().await {
                Ok(value) => {
                    self.budget.succeeded();
                    return Ok(value);
                }
                Err(error) => error,
            };
            let error = if attempt > 1 { error.with_attempts(attempt) } else { error };
            if !repeat.allows(&error) {
                return Err(error);
            }
            let own = self.retry.pause(attempt, self.chance());
            let pause = match error.retry() {
                // Never less than asked; chance only adds, so that not all come back at once.
                Retry::After(asked) if asked <= self.retry.longest_pause => asked.saturating_add(scaled(own, 0.1)),
                Retry::After(asked) => return Err(error.with_retry(not_before(self.clock.wall(), asked))),
                _ => own,
            };
            if attempt >= self.retry.attempts || !self.budget.take() {
                return Err(error);
            }
            tracing::debug!(%error, attempt, ?pause, "trying again");
            self.clock.sleep(pause).await;
            attempt += 1;
        }
    }
}

impl<P: Provider> JobsBuilder<P> {
    /// When failed calls are tried again.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }
    /// How waits go about their looks.
    #[must_use]
    pub fn wait(mut self, policy: WaitPolicy) -> Self {
        self.wait = policy;
        self
    }
    /// The least time between the beginnings of two requests, over all the calls, waits and watches of these
    /// jobs; zero bounds nothing. Default: the provider's [`Caps::spacing`](crate::Caps::spacing).
    ///
    /// Many jobs then take turns: a hundred of them with a second between two requests are each looked at every
    /// hundred seconds. A look whose turn does not come before the deadline of its wait is left out.
    #[must_use]
    pub fn spacing(mut self, apart: Duration) -> Self {
        self.spacing = apart;
        self
    }
    /// Makes chance (the spread of pauses) repeatable, for tests.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
    /// The jobs.
    pub fn build(self) -> Jobs<P>
    where
        P: Provider,
    {
        let http = self.provider.http();
        let (clock, transport) = (http.clock().clone(), http.transport().clone());
        let chance = self.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let shared = Shared {
            clock,
            transport,
            retry: self.retry,
            wait: self.wait,
            chance: Mutex::new(chance),
            budget: Budget::new(),
            turns: Arc::new(Turns::new(self.spacing)),
            provider: self.provider,
        };
        Jobs { shared: Arc::new(shared), cx: Arc::default() }
    }
}

impl<P: Provider> Clone for Jobs<P> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), cx: self.cx.clone() }
    }
}
impl<P: Provider> fmt::Debug for Jobs<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs")
            .field("provider", &P::NAME)
            .field("http", self.shared.provider.http())
            .finish_non_exhaustive()
    }
}

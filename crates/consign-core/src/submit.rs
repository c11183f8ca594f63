//! Submitting: one job, or many specs with an outcome for each.
use std::collections::VecDeque;
use std::fmt;
use std::future::IntoFuture;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use consign_http::{BoxFuture, Delivery, ErrorKind, Violations};
use futures_core::Stream;
use futures_util::stream::FuturesUnordered;

use crate::policy::Repeat;
use crate::{Error, Job, Jobs, Priced, Provider, Result};

/// Every violation of every spec; with several specs each member is named `jobs[N].…`. More items than
/// one ticket holds are one too.
pub(crate) fn validate<P: Provider>(specs: &[P::Spec]) -> Result<()> {
    let mut all = Violations::new();
    match specs {
        [] => all.add("jobs", "", "at least one"),
        [one] => all = P::validate(one),
        many => many.iter().enumerate().for_each(|(n, spec)| all.nest(&format!("jobs[{n}]."), P::validate(spec))),
    }
    let items = specs.iter().map(P::weight).fold(0, usize::saturating_add);
    if let Some(most) = P::CAPS.batch.filter(|most| items > *most) {
        all.add("jobs", format_args!("{items} items"), format!("at most {most} under one ticket"));
    }
    all.into_result().map_err(Error::from)
}

/// Finds out what a submission would cost. Set only by those who know that the provider can.
type PriceCheck<P> = for<'a> fn(&'a Jobs<P>, &'a [<P as Provider>::Spec]) -> BoxFuture<'a, Result<f64>>;

struct Cap<P: Provider> {
    most: f64,
    price: PriceCheck<P>,
}

impl<P: Priced> Cap<P> {
    fn new(most: f64) -> Self {
        Self { most, price: |jobs, specs| Box::pin(async move { jobs.price_of(specs).await.map(|price| price.total) }) }
    }
}

impl<P: Provider> Cap<P> {
    /// Refuses a price above the cap, a price that is no number, and a cap that is none.
    fn check(&self, price: f64) -> Result<()> {
        if price <= self.most {
            return Ok(());
        }
        let what = format!("the price is {price:.2}, the cap {:.2}", self.most);
        Err(Error::new(ErrorKind::OverBudget, Delivery::NotSent, what))
    }
}

/// A submission being set up; await it.
#[must_use = "nothing happens until it is awaited"]
pub struct SubmitCall<P: Provider> {
    jobs: Jobs<P>,
    specs: Vec<P::Spec>,
    cap: Option<Cap<P>>,
}

impl<P: Provider> SubmitCall<P> {
    pub(crate) fn new(jobs: Jobs<P>, specs: Vec<P::Spec>) -> Self {
        Self { jobs, specs, cap: None }
    }
}

impl<P: Priced> SubmitCall<P> {
    /// Asks for the price first and submits only if it is at most `most`, in the provider's unit.
    /// Above it the call ends with [`ErrorKind::OverBudget`] and nothing was submitted.
    pub fn max_cost(mut self, most: f64) -> Self {
        self.cap = Some(Cap::new(most));
        self
    }
}

impl<P: Provider> IntoFuture for SubmitCall<P> {
    type Output = Result<Job<P>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] with every violation, before anything is sent;
    /// [`ErrorKind::OverBudget`] above the cap; [`ErrorKind::InsufficientCredit`],
    /// [`ErrorKind::Unauthorized`] and whatever else the server says. When
    /// [`Error::delivery`] is [`Delivery::Unknown`] the job may exist: look before submitting again.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            validate::<P>(&self.specs)?;
            if let Some(cap) = &self.cap {
                cap.check((cap.price)(&self.jobs, &self.specs).await?)?;
            }
            send(&self.jobs, &self.specs).await
        })
    }
}

async fn send<P: Provider>(jobs: &Jobs<P>, specs: &[P::Spec]) -> Result<Job<P>> {
    let shared = &jobs.shared;
    let made = shared.call(Repeat::IfNotAccepted, || shared.provider.submit(specs, &jobs.cx)).await;
    let made = made.inspect_err(|error| tracing::warn!(%error, specs = specs.len(), "submission failed"))?;
    let job = Job::new(jobs.clone(), made.ticket, made.snapshot);
    job.span().in_scope(|| tracing::info!(items = job.first().map_or(0, |s| s.items().len()), "submitted"));
    Ok(job)
}

impl<P: Provider> fmt::Debug for SubmitCall<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitCall").field("specs", &self.specs.len()).finish_non_exhaustive()
    }
}

/// What became of one spec of a [`SubmitAll`].
#[non_exhaustive]
pub struct SubmittedSpec<P: Provider> {
    /// The job that the spec went into, perhaps with others.
    pub job: Job<P>,
    /// Which of the job's items are this spec's; `None` if the answer does not tell.
    pub items: Option<Range<usize>>,
}

impl<P: Provider> fmt::Debug for SubmittedSpec<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmittedSpec").field("job", &self.job).field("items", &self.items).finish()
    }
}

/// Many specs being submitted: a stream of outcomes as they come, each with its spec's index; or,
/// awaited as a whole, all outcomes in the order of the specs.
///
/// A spec that breaks rules gets its error without being sent; the others go on. Prefer the stream,
/// and store each ticket as it comes: a future that is dropped cannot tell what it had submitted.
#[must_use = "nothing happens until it is awaited"]
pub struct SubmitAll<P: Provider> {
    jobs: Jobs<P>,
    concurrency: usize,
    total: usize,
    chunks: VecDeque<Vec<(usize, P::Spec)>>,
    cap: Option<Cap<P>>,
    checking: Option<BoxFuture<'static, Result<()>>>,
    flights: FuturesUnordered<BoxFuture<'static, Vec<Outcome<P>>>>,
    ready: VecDeque<Outcome<P>>,
}

type Outcome<P> = (usize, Result<SubmittedSpec<P>>);

impl<P: Provider> SubmitAll<P> {
    pub(crate) fn new(jobs: Jobs<P>, specs: Vec<P::Spec>) -> Self {
        let total = specs.len();
        let most = P::CAPS.batch.unwrap_or(1).max(1);
        let (mut chunks, mut ready) = (VecDeque::<Vec<_>>::new(), VecDeque::new());
        let mut room = 0;
        for (index, spec) in specs.into_iter().enumerate() {
            if let Err(error) = validate::<P>(std::slice::from_ref(&spec)) {
                ready.push_back((index, Err(error)));
                continue;
            }
            let weight = if P::CAPS.batch.is_some() { P::weight(&spec) } else { most };
            match chunks.back_mut() {
                Some(chunk) if weight <= room => {
                    room -= weight;
                    chunk.push((index, spec));
                }
                _ => {
                    room = most.saturating_sub(weight);
                    chunks.push_back(vec![(index, spec)]);
                }
            }
        }
        Self { jobs, concurrency: 4, total, chunks, cap: None, checking: None, flights: FuturesUnordered::new(), ready }
    }
    /// How many submissions may be under way at once. Default: 4.
    pub fn concurrency(mut self, submissions: usize) -> Self {
        self.concurrency = submissions.max(1);
        self
    }
    /// The next outcome, with the index of its spec; `None` after the last.
    pub async fn next(&mut self) -> Option<(usize, Result<SubmittedSpec<P>>)> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
    fn launch(&mut self, chunk: Vec<(usize, P::Spec)>) {
        let jobs = self.jobs.clone();
        self.flights.push(Box::pin(async move {
            let (indices, specs): (Vec<usize>, Vec<P::Spec>) = chunk.into_iter().unzip();
            let weights: Vec<usize> = specs.iter().map(P::weight).collect();
            let made = send(&jobs, &specs).await;
            let items = made.as_ref().ok().and_then(|job| job.first()).map_or(0, |s| s.items().len());
            let told = items == weights.iter().sum::<usize>();
            let mut start = 0;
            let outcome = |(index, weight): (usize, usize)| {
                let range = start..start + weight;
                start += weight;
                (index, made.clone().map(|job| SubmittedSpec { job, items: told.then_some(range) }))
            };
            indices.into_iter().zip(weights).map(outcome).collect()
        }));
    }
}

impl<P: Priced> SubmitAll<P> {
    /// Asks for all prices first and submits only if together they are at most `most`, in the
    /// provider's unit. Above it every spec ends with [`ErrorKind::OverBudget`].
    pub fn max_cost(mut self, most: f64) -> Self {
        self.cap = Some(Cap::new(most));
        self
    }
}

impl<P: Provider> Stream for SubmitAll<P> {
    type Item = (usize, Result<SubmittedSpec<P>>);
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(cap) = this.cap.take() {
            let jobs = this.jobs.clone();
            let chunks: Vec<Vec<P::Spec>> =
                this.chunks.iter().map(|chunk| chunk.iter().map(|(_, spec)| spec.clone()).collect()).collect();
            this.checking = Some(Box::pin(async move {
                let mut sum = 0.0;
                for chunk in &chunks {
                    sum += (cap.price)(&jobs, chunk).await?;
                }
                cap.check(sum)
            }));
        }
        if let Some(checking) = &mut this.checking {
            let Poll::Ready(checked) = checking.as_mut().poll(cx) else { return Poll::Pending };
            this.checking = None;
            if let Err(error) = checked {
                let refused = std::mem::take(&mut this.chunks).into_iter().flatten();
                this.ready.extend(refused.map(|(index, _)| (index, Err(error.clone()))));
            }
        }
        loop {
            if let Some(outcome) = this.ready.pop_front() {
                return Poll::Ready(Some(outcome));
            }
            while this.flights.len() < this.concurrency
                && let Some(chunk) = this.chunks.pop_front()
            {
                this.launch(chunk);
            }
            match Pin::new(&mut this.flights).poll_next(cx) {
                Poll::Ready(Some(outcomes)) => this.ready.extend(outcomes),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<P: Provider> IntoFuture for SubmitAll<P> {
    type Output = Vec<Result<SubmittedSpec<P>>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;
    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut all: Vec<Option<Result<SubmittedSpec<P>>>> = (0..self.total).map(|_| None).collect();
            while let Some((index, outcome)) = self.next().await {
                all[index] = Some(outcome);
            }
            all.into_iter().flatten().collect()
        })
    }
}

impl<P: Provider> fmt::Debug for SubmitAll<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitAll").field("specs", &self.total).finish_non_exhaustive()
    }
}

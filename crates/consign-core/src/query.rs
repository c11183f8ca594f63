//! Queries over all pages, as a stream that notices a server that goes in circles.
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use consign_http::{BoxFuture, Delivery, ErrorKind};
use futures_core::Stream;

use crate::policy::Repeat;
use crate::{Error, Job, Jobs, Page, Provider, Query, Result, Snapshot, Ticket};

/// A job that a query found, and what the page showed of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Found<P: Provider> {
    /// The job.
    pub job: Job<P>,
    /// What the page showed.
    pub snapshot: Snapshot<P>,
}

/// The jobs that match a query: a stream over all pages. A job that comes again on a later page is
/// given once; a cursor that comes again ends the stream with an error.
pub struct Pages<P: Query> {
    jobs: Jobs<P>,
    query: P::Query,
    ready: VecDeque<(Ticket, Snapshot<P>)>,
    flight: Option<BoxFuture<'static, Result<Page<P>>>>,
    next: Option<Option<String>>,
    cursors: HashSet<String>,
    given: HashSet<Ticket>,
}

impl<P: Query> Pages<P> {
    pub(crate) fn new(jobs: Jobs<P>, query: P::Query) -> Self {
        Self {
            jobs,
            query,
            ready: VecDeque::new(),
            flight: None,
            next: Some(None),
            cursors: HashSet::new(),
            given: HashSet::new(),
        }
    }
    /// The next job; `None` after the last.
    ///
    /// # Errors
    /// As any read, after the repeats that the policy allows; [`ErrorKind::Decode`] if the server
    /// gives a cursor twice. An error ends the stream.
    pub async fn next(&mut self) -> Option<Result<Found<P>>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
    /// All jobs at once.
    ///
    /// # Errors
    /// As [`Pages::next`].
    pub async fn collect(mut self) -> Result<Vec<Found<P>>> {
        let mut all = Vec::new();
        while let Some(found) = self.next().await {
            all.push(found?);
        }
        Ok(all)
    }
    fn fetch(&mut self, cursor: Option<String>) {
        let (jobs, query) = (self.jobs.clone(), self.query.clone());
        self.flight = Some(Box::pin(async move {
            let shared = &jobs.shared;
            shared.call(Repeat::Always, || shared.provider.query(&query, cursor.as_deref(), &jobs.cx)).await
        }));
    }
    fn land(&mut self, page: Page<P>) -> Result<()> {
        self.ready.extend(page.jobs);
        if let Some(cursor) = page.next.filter(|c| !c.is_empty()) {
            if !self.cursors.insert(cursor.clone()) {
                let what = format!("the server gave the cursor {cursor:?} again; the pages go in circles");
                return Err(Error::new(ErrorKind::Decode, Delivery::Unknown, what));
            }
            self.next = Some(Some(cursor));
        }
        Ok(())
    }
}

impl<P: Query> Stream for Pages<P> {
    type Item = Result<Found<P>>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            while let Some((ticket, snapshot)) = this.ready.pop_front() {
                if this.given.insert(ticket.clone()) {
                    let job = Job::new(this.jobs.clone(), ticket, None);
                    return Poll::Ready(Some(Ok(Found { job, snapshot })));
                }
            }
            if let Some(flight) = &mut this.flight {
                let Poll::Ready(page) = flight.as_mut().poll(cx) else { return Poll::Pending };
                this.flight = None;
                if let Err(error) = page.and_then(|page| this.land(page)) {
                    (this.next, this.ready) = (None, VecDeque::new());
                    return Poll::Ready(Some(Err(error)));
                }
                continue;
            }
            match this.next.take() {
                Some(cursor) => this.fetch(cursor),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<P: Query> fmt::Debug for Pages<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("query", &self.query).finish_non_exhaustive()
    }
}

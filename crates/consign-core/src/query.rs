//! Queries and lists over all pages, as a stream that notices a server that goes in circles.
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use consign_http::{BoxFuture, Delivery, ErrorKind};
use futures_core::Stream;

use crate::policy::Repeat;
use crate::{Error, Job, Jobs, Page, Provider, Result, Snapshot, Ticket};

/// A job that a query or a list found, and what the page showed of it.
#[non_exhaustive]
pub struct Found<P: Provider> {
    /// The job.
    pub job: Job<P>,
    /// What the page showed.
    pub snapshot: Snapshot<P>,
}

impl<P: Provider> fmt::Debug for Found<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").field("job", &self.job).field("snapshot", &self.snapshot).finish()
    }
}

/// How many pages in a row may bring no job that was not there before.
const BARREN_PAGES: u32 = 100;

/// The jobs that match a query, or of a list: a stream over all pages. A job that comes again on a later page is
/// given once; a cursor that comes again, or 100 pages in a row without a new job, end the stream with
/// an error. It remembers a few bytes for each job and page.
pub struct Pages<P: Provider> {
    jobs: Jobs<P>,
    asked: Asked<P>,
    ready: VecDeque<(Ticket, Snapshot<P>)>,
    flight: Option<BoxFuture<'static, Result<Page<P>>>>,
    next: Option<Option<String>>,
    /// An error to be given after what is ready.
    fault: Option<Error>,
    cursors: Seen,
    given: Seen,
    barren: u32,
}

/// What is asked for, on each page.
enum Asked<P: Provider> {
    Query(Arc<P::Query>),
    List(Arc<P::Filter>),
}

impl<P: Provider> Asked<P> {
    async fn page(&self, jobs: &Jobs<P>, cursor: Option<&str>) -> Result<Page<P>> {
        match self {
            Self::Query(query) => jobs.shared.provider.query(query, cursor, &jobs.cx).await,
            Self::List(filter) => jobs.shared.provider.list(filter, cursor, &jobs.cx).await,
        }
    }
}

impl<P: Provider> Clone for Asked<P> {
    fn clone(&self) -> Self {
        match self {
            Self::Query(query) => Self::Query(query.clone()),
            Self::List(filter) => Self::List(filter.clone()),
        }
    }
}

/// What was seen before, by hash: a listing may be long.
#[derive(Default)]
struct Seen {
    hashes: HashSet<u64>,
    hasher: std::hash::RandomState,
}

impl Seen {
    /// Whether `value` is new.
    fn add(&mut self, value: impl Hash) -> bool {
        self.hashes.insert(self.hasher.hash_one(value))
    }
}

impl<P: Provider> Pages<P> {
    pub(crate) fn of_query(jobs: Jobs<P>, query: P::Query) -> Self {
        Self::new(jobs, Asked::Query(Arc::new(query)))
    }
    pub(crate) fn of_list(jobs: Jobs<P>, filter: P::Filter) -> Self {
        Self::new(jobs, Asked::List(Arc::new(filter)))
    }
    fn new(jobs: Jobs<P>, asked: Asked<P>) -> Self {
        Self {
            jobs,
            asked,
            ready: VecDeque::new(),
            flight: None,
            next: Some(None),
            fault: None,
            cursors: Seen::default(),
            given: Seen::default(),
            barren: 0,
        }
    }
    /// The next job; `None` after the last.
    ///
    /// # Errors
    /// As any read, after the repeats that the policy allows; [`ErrorKind::Decode`] if the pages go in
    /// circles. An error comes after everything that was found before it, and ends the stream.
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
        let (jobs, asked) = (self.jobs.clone(), self.asked.clone());
        self.flight =
            Some(Box::pin(
                async move { jobs.shared.call(Repeat::Always, || asked.page(&jobs, cursor.as_deref())).await },
            ));
    }
    fn land(&mut self, page: Page<P>) {
        let new = page.jobs.into_iter().filter(|(ticket, _)| self.given.add(ticket));
        let before = self.ready.len();
        self.ready.extend(new);
        let filtered = page.filtered.iter().filter(|ticket| self.given.add(ticket)).count();
        let news = self.ready.len() > before || filtered > 0;
        self.barren = if news { 0 } else { self.barren + 1 };
        let Some(cursor) = page.next.filter(|c| !c.is_empty()) else { return };
        let fault = if !self.cursors.add(&cursor) {
            format!("the server gave the cursor {cursor:.60} again; the pages go in circles")
        } else if self.barren >= BARREN_PAGES {
            format!("{BARREN_PAGES} pages in a row brought no new job; the pages go in circles")
        } else {
            self.next = Some(Some(cursor));
            return;
        };
        self.fault = Some(Error::new(ErrorKind::Decode, Delivery::Unknown, fault));
    }
}

impl<P: Provider> Stream for Pages<P> {
    type Item = Result<Found<P>>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some((ticket, snapshot)) = this.ready.pop_front() {
                let job = Job::new(this.jobs.clone(), ticket, None);
                return Poll::Ready(Some(Ok(Found { job, snapshot })));
            }
            if let Some(fault) = this.fault.take() {
                return Poll::Ready(Some(Err(fault)));
            }
            if let Some(flight) = &mut this.flight {
                let Poll::Ready(page) = flight.as_mut().poll(cx) else { return Poll::Pending };
                this.flight = None;
                match page {
                    Ok(page) => this.land(page),
                    Err(error) => this.fault = Some(error),
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

impl<P: Provider> fmt::Debug for Pages<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Pages");
        match &self.asked {
            Asked::Query(query) => out.field("query", query),
            Asked::List(filter) => out.field("filter", filter),
        };
        out.finish_non_exhaustive()
    }
}

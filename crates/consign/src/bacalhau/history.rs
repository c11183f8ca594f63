//! What happened to a job, as a stream that goes on while the job does.
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use consign_bacalhau::ServerVersion;
use consign_bacalhau::requester::{Event, EventsOptions, StatesOptions, types as old};
use consign_bacalhau::v1::types::JobHistory;
use consign_bacalhau::v1::{Client, GetOptions, HistoryOptions};
use consign_core::{Result, Ticket};
use consign_http::{BoxFuture, Clock, Error, Retry};
use futures_core::Stream;

/// The first pause between two requests that bring nothing new; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(10);
/// How many failures in a row are borne.
const BORNE: u32 = 5;
/// How many entries come with one request.
const PAGE: i64 = 100;

/// The history of a job: entries as they come, oldest first. It ends when the job has, or with an error. Nothing
/// happens between polls.
pub struct History<T>(Pin<Box<dyn Stream<Item = Result<T>> + Send>>);

/// Where entries come from.
pub(crate) trait Entries<T>: Send {
    /// Those that were not given before, and whether there will be no more.
    fn more(&mut self) -> BoxFuture<'_, Result<(Vec<T>, bool), Error>>;
}

struct Tail<T> {
    entries: Box<dyn Entries<T>>,
    clock: Arc<dyn Clock>,
    ticket: Ticket,
    ready: VecDeque<T>,
    over: bool,
    quiet: u32,
    failures: u32,
}

impl<T: Send + 'static> History<T> {
    pub(crate) fn new(entries: Box<dyn Entries<T>>, clock: Arc<dyn Clock>, ticket: Ticket) -> Self {
        let tail = Tail { entries, clock, ticket, ready: VecDeque::new(), over: false, quiet: 0, failures: 0 };
        Self(Box::pin(futures_util::stream::unfold(tail, |mut tail| async move {
            let next = tail.next().await;
            next.map(|entry| (entry, tail))
        })))
    }
    /// The next entry; `None` after the last.
    ///
    /// # Errors
    /// As any read, after five failures in a row where a repeat makes sense. It ends the stream.
    pub async fn next(&mut self) -> Option<Result<T>> {
        std::future::poll_fn(|cx| self.0.as_mut().poll_next(cx)).await
    }
}

impl<T> Tail<T> {
    async fn next(&mut self) -> Option<Result<T>> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Some(Ok(entry));
            }
            if self.over {
                return None;
            }
            match self.entries.more().await {
                Ok((entries, over)) => {
                    (self.failures, self.over) = (0, over);
                    if entries.is_empty() && !over {
                        self.clock.sleep(pause(self.quiet)).await;
                        self.quiet = self.quiet.saturating_add(1);
                    } else {
                        self.quiet = 0;
                    }
                    self.ready.extend(entries);
                }
                Err(error) => {
                    self.failures += 1;
                    let asked = match error.retry() {
                        Retry::Backoff if self.failures <= BORNE => pause(self.failures),
                        Retry::After(asked) if self.failures <= BORNE && asked <= LONGEST * 6 => asked,
                        _ => {
                            self.over = true;
                            return Some(Err(consign_core::Error::from(error.on_read()).with_ticket(&self.ticket)));
                        }
                    };
                    self.clock.sleep(asked).await;
                }
            }
        }
    }
}

/// The pause after this many requests without news.
fn pause(quiet: u32) -> Duration {
    PAUSE.saturating_mul(1 << quiet.min(10)).min(LONGEST)
}

impl<T> Stream for History<T> {
    type Item = Result<T>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}
impl<T> fmt::Debug for History<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").finish_non_exhaustive()
    }
}

/// Entries of the v1 interface. Its token is a cursor: while the job goes on there always is one.
pub(crate) struct V1 {
    client: Client,
    id: String,
    namespace: Option<String>,
    token: Option<String>,
    /// The number of the last entry, from 1.5 on.
    last: Option<u64>,
    /// How many were given, before.
    given: usize,
}

impl V1 {
    pub(crate) fn new(client: Client, id: &str, namespace: Option<&str>) -> Self {
        Self { client, id: id.into(), namespace: namespace.map(Into::into), token: None, last: None, given: 0 }
    }
}

impl Entries<JobHistory> for V1 {
    fn more(&mut self) -> BoxFuture<'_, Result<(Vec<JobHistory>, bool), Error>> {
        Box::pin(async move {
            let mut options = HistoryOptions::default();
            (options.namespace, options.next_token) = (self.namespace.clone(), self.token.clone());
            options.limit = Some(PAGE);
            let reply = self.client.history(&self.id, options).await?;
            let paged = ServerVersion::of(reply.headers()).is_none_or(|v| v >= ServerVersion::new(1, 5, 0));
            let mut answer = reply.into_value();
            let token = answer.next_token.take().filter(|token| !token.is_empty());
            let mut entries = answer.into_entries();
            if !paged {
                // All of it each time, and no word on whether more will come.
                let new = entries.split_off(self.given.min(entries.len()));
                self.given += new.len();
                let mut options = GetOptions::default();
                options.namespace.clone_from(&self.namespace);
                let over = new.is_empty() && {
                    let job = self.client.get(&self.id, options).await?.into_value().job;
                    job.and_then(|job| job.state?.state_type).is_some_and(|state| state.is_terminal())
                };
                return Ok((new, over));
            }
            let last = self.last;
            entries.retain(|entry| entry.seq_num.is_none_or(|n| last.is_none_or(|last| n > last)));
            self.last = entries.iter().filter_map(|entry| entry.seq_num).max().or(last);
            let over = token.is_none();
            self.token = token;
            Ok((entries, over))
        })
    }
}

/// Entries of the requester interface, which gives all of them each time.
pub(crate) struct Requester {
    pub(crate) client: consign_bacalhau::requester::Client,
    pub(crate) client_id: String,
    pub(crate) id: String,
    pub(crate) given: usize,
}

impl Entries<Event> for Requester {
    fn more(&mut self) -> BoxFuture<'_, Result<(Vec<Event>, bool), Error>> {
        Box::pin(async move {
            self.id = super::requester::full(&self.client, &self.client_id, &self.id).await?;
            // The state first, so that the events which came with the end are not missed.
            let request = old::StateRequest::new().client_id(&*self.client_id).job_id(&*self.id);
            let state = self.client.states(&request, StatesOptions::default()).await?.into_value().state;
            let over = state.is_some_and(|state| super::requester::status::read(&state).1);
            let request = old::EventsRequest::new().client_id(&*self.client_id).job_id(&*self.id);
            let reply = self.client.events(&request, EventsOptions::default()).await?;
            let mut events = reply.into_value().events.unwrap_or_default();
            let new = events.split_off(self.given.min(events.len()));
            self.given += new.len();
            Ok((new, over))
        })
    }
}

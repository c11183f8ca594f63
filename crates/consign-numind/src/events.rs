//! The event stream of a job, typed: pings, the result, errors; and the loss of a stream that ended too early.
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use consign_http::sse::{Event, EventStream, MAX_EVENT};
use consign_http::{ByteStream, Delivery, Error, ErrorKind, Reply, Retry};
use futures_core::Stream;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::wire::ErrorBody;

/// The `operationId` of the stream, the same in all versions.
const STREAM: &str = "get_api_jobs_jobid_stream";

/// What happens on the event stream of a job; `J` is the job's record.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum JobEvent<J> {
    /// A sign of life, every 30 s while the job goes on.
    Ping,
    /// The job has ended, well or badly: its `status` tells which. It is the last event.
    Result(Box<J>),
    /// The job has ended, and in place of its record there is an error. It is the last event.
    Refused(ErrorBody),
    /// The service cannot go on: [`JOB_TIMEOUT`](crate::JOB_TIMEOUT) if the job ran out of time; after any other code
    /// the job may still run, or have ended. It is the last event.
    Error(ErrorBody),
    /// An event of a kind that is not known here.
    Other(Event),
}

/// The events of one job, as they arrive. It ends after the first [`Result`](JobEvent::Result),
/// [`Refused`](JobEvent::Refused) or [`Error`](JobEvent::Error), and lets the connection go; a stream that ends
/// without one of them ends with an error of kind [`ErrorKind::Transport`]. Opening it again is safe: a job that has
/// ended answers at once.
///
/// It fails with [`ErrorKind::Timeout`] when not one byte, not even of a ping, arrives for the idle limit (90 s with
/// [`builder`](crate::builder)). Dropping it sends nothing.
pub struct JobEvents<J> {
    /// `None` when it is over.
    events: Option<Source>,
    record: PhantomData<fn() -> J>,
}

enum Source {
    Stream(Box<EventStream>),
    /// A server that answered with the record itself.
    Record(Bytes),
}

impl<J: DeserializeOwned> JobEvents<J> {
    /// The events of an answer to `get_api_jobs_jobid_stream`. An answer that is the job's record as JSON gives one
    /// event, its result; one that is an error as JSON gives that, as an [`Error`](JobEvent::Error).
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if the answer is neither; and what reading a record reports.
    pub async fn read(reply: Reply<ByteStream>) -> Result<Self, Error> {
        let media = reply.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let source = match media.as_str() {
            "" | "text/event-stream" => Source::Stream(Box::new(EventStream::new(reply.into_value()))),
            json if json == "application/json" || json.ends_with("+json") => {
                let body = reply.into_value().collect(MAX_EVENT).await.map_err(on_stream)?;
                Source::Record(body)
            }
            other => return Err(on_stream(reply.unusable(format!("{other:?} in place of an event stream")))),
        };
        Ok(Self { events: Some(source), record: PhantomData })
    }
    /// The same with another bound of an event's size, in bytes. Default: 64 MiB.
    #[must_use]
    pub fn max_event(mut self, bytes: usize) -> Self {
        self.events = self.events.map(|source| match source {
            Source::Stream(stream) => Source::Stream(Box::new(stream.max_event(bytes))),
            record => record,
        });
        self
    }
    /// The next event; `None` after the last.
    ///
    /// # Errors
    /// The stream broke off, stayed silent, or ended without a last event; an event that cannot be read or is larger
    /// than the bound. After an error it is over.
    pub async fn next(&mut self) -> Option<Result<JobEvent<J>, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<J: DeserializeOwned> Stream for JobEvents<J> {
    type Item = Result<JobEvent<J>, Error>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let event = match &mut self.events {
            None => return Poll::Ready(None),
            // Outside of a stream an error tells nothing of the job.
            Some(Source::Record(body)) => record(body).map(|event| match event {
                JobEvent::Refused(error) => JobEvent::Error(error),
                other => other,
            }),
            Some(Source::Stream(stream)) => match Pin::new(&mut **stream).poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(event)) => event.and_then(typed),
                Poll::Ready(None) => Err(lost()),
            },
        };
        if !matches!(event, Ok(JobEvent::Ping | JobEvent::Other(_))) {
            self.events = None;
        }
        Poll::Ready(Some(event.map_err(on_stream)))
    }
}

impl<J> fmt::Debug for JobEvents<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobEvents").field("over", &self.events.is_none()).finish_non_exhaustive()
    }
}

fn on_stream(error: Error) -> Error {
    error.for_operation(STREAM).on_read()
}

fn lost() -> Error {
    let what = "the event stream ended before the job did";
    Error::new(ErrorKind::Transport, Delivery::Unknown, what).with_retry(Retry::Backoff).with_advice("open it again")
}

fn typed<J: DeserializeOwned>(event: Event) -> Result<JobEvent<J>, Error> {
    match event.event.as_str() {
        "ping" => Ok(JobEvent::Ping),
        "result" => record(event.data.as_bytes()),
        // What cannot be read is still an error, and its text the reason.
        "error" => Ok(JobEvent::Error(serde_json::from_str(&event.data).unwrap_or_else(|_| {
            let message = Some(event.data).filter(|text| !text.trim().is_empty()).map(Into::into);
            ErrorBody { code: None, message }
        }))),
        _ => Ok(JobEvent::Other(event)),
    }
}

/// The record of a job that has ended, or an error in its place.
fn record<J: DeserializeOwned>(json: &[u8]) -> Result<JobEvent<J>, Error> {
    let bad = |what: serde_json::Error| {
        let error = Error::new(ErrorKind::Decode, Delivery::Unknown, format!("the job's record: {what}"));
        error.with_source(what)
    };
    let form: Form = serde_json::from_slice(json).map_err(bad)?;
    if form.id.is_none() && form.status.is_none() {
        return match form.code.is_some() || form.message.is_some() {
            true => serde_json::from_slice(json).map(JobEvent::Refused).map_err(bad),
            false => Err(bad(serde::de::Error::custom("neither a job nor an error"))),
        };
    }
    serde_json::from_slice(json).map(|job| JobEvent::Result(Box::new(job))).map_err(bad)
}

/// Which of the members that tell a job from an error an object has.
#[derive(Deserialize)]
struct Form {
    id: Option<IgnoredAny>,
    status: Option<IgnoredAny>,
    code: Option<IgnoredAny>,
    message: Option<IgnoredAny>,
}

#[cfg(feature = "v0_2")]
impl crate::v0_2::Client {
    /// Follows a job to its end: the events of [`get_api_jobs_jobid_stream`](Self::get_api_jobs_jobid_stream), typed.
    ///
    /// # Errors
    /// As there, and [`ErrorKind::Decode`] for an answer that is neither an event stream nor a job's record.
    pub async fn job_events(
        &self,
        job_id: &str,
        options: crate::v0_2::GetApiJobsJobidStreamOptions,
    ) -> Result<JobEvents<crate::v0_2::types::JobResponse>, Error> {
        JobEvents::read(self.get_api_jobs_jobid_stream(job_id, options).await?).await
    }
}

#[cfg(feature = "v0_4")]
impl crate::v0_4::Client {
    /// Follows a job to its end: the events of [`get_api_jobs_jobid_stream`](Self::get_api_jobs_jobid_stream), typed.
    ///
    /// # Errors
    /// As there, and [`ErrorKind::Decode`] for an answer that is neither an event stream nor a job's record.
    pub async fn job_events(
        &self,
        job_id: &str,
        options: crate::v0_4::GetApiJobsJobidStreamOptions,
    ) -> Result<JobEvents<crate::v0_4::types::JobResponse>, Error> {
        JobEvents::read(self.get_api_jobs_jobid_stream(job_id, options).await?).await
    }
}

#[cfg(test)]
mod tests;

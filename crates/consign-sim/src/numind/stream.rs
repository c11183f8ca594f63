//! The event stream of a job: pings until it ends, then its record; and what can go wrong with it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::world::Which;
use super::{Inner, answers};
use crate::clock::seconds;
use crate::live::Chunk;

/// What happens to one event stream, in simulated time since it was opened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StreamFault {
    stop: Stop,
    /// Bytes a chunk has at most.
    chunk: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stop {
    Never,
    Silence(Duration),
    Cut(Duration),
    End(Duration),
    Error(Duration, &'static str, &'static str),
    CutIn(usize),
    EndIn(usize),
    Instead(&'static str, &'static str),
}

impl StreamFault {
    const fn new(stop: Stop) -> Self {
        Self { stop, chunk: usize::MAX }
    }

    /// Nothing happens to it.
    pub const fn none() -> Self {
        Self::new(Stop::Never)
    }

    /// From then on nothing more comes, not even pings; the connection stays open.
    pub const fn silence(after: Duration) -> Self {
        Self::new(Stop::Silence(after))
    }

    /// The connection breaks then, at once for a stream that is accepted and then closed.
    pub const fn cut(after: Duration) -> Self {
        Self::new(Stop::Cut(after))
    }

    /// The body ends cleanly then, without a result.
    pub const fn end(after: Duration) -> Self {
        Self::new(Stop::End(after))
    }

    /// An `error` event comes then, and the body ends; the job goes on.
    pub const fn error(after: Duration, code: &'static str, message: &'static str) -> Self {
        Self::new(Stop::Error(after, code, message))
    }

    /// The connection breaks after this many bytes of the last event.
    pub const fn cut_in_result(bytes: usize) -> Self {
        Self::new(Stop::CutIn(bytes))
    }

    /// The body ends cleanly after this many bytes of the last event: with 0 the job ends and its stream
    /// says nothing of it.
    pub const fn end_in_result(bytes: usize) -> Self {
        Self::new(Stop::EndIn(bytes))
    }

    /// In place of the last event comes one with this name and data: a `result` that is no job record.
    pub const fn last_event(name: &'static str, data: &'static str) -> Self {
        Self::new(Stop::Instead(name, data))
    }

    /// The body comes in chunks of this many bytes, at least 1.
    #[must_use]
    pub const fn in_chunks(mut self, bytes: usize) -> Self {
        self.chunk = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// Reads `none`, `silence 5`, `cut 5`, `end 0`, `error 5` (seconds), `cut-in 9`, `end-in 9` (bytes), each of
    /// them perhaps followed by `chunks 7`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let mut fault = Self::none();
        while let Some(word) = words.next() {
            if word == "none" {
                continue;
            }
            let number = words.next()?;
            let after = || number.parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0).map(seconds);
            let bytes = || number.parse::<usize>().ok();
            match word {
                "silence" => fault.stop = Stop::Silence(after()?),
                "cut" => fault.stop = Stop::Cut(after()?),
                "end" => fault.stop = Stop::End(after()?),
                "error" => fault.stop = Stop::Error(after()?, "InternalError", "An error occurred, try again later"),
                "cut-in" => fault.stop = Stop::CutIn(bytes()?),
                "end-in" => fault.stop = Stop::EndIn(bytes()?),
                "chunks" => fault = fault.in_chunks(bytes()?),
                _ => return None,
            }
        }
        Some(fault)
    }

    /// When it strikes, if a time says so.
    fn after(&self) -> Option<Duration> {
        match self.stop {
            Stop::Silence(after) | Stop::Cut(after) | Stop::End(after) | Stop::Error(after, ..) => Some(after),
            Stop::Never | Stop::CutIn(_) | Stop::EndIn(_) | Stop::Instead(..) => None,
        }
    }
}

/// How events are written. All forms say the same by the rules of event streams, except `BarePing`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamForm {
    /// The event's name first, lines end with LF, a ping has an empty `data` line.
    #[default]
    Plain,
    /// The data first, as the library writes that the service is thought to use.
    DataFirst,
    /// Lines end with CR LF.
    Crlf,
    /// Lines end with CR.
    Cr,
    /// A ping has no `data` line, and so is no event.
    BarePing,
    /// With comments, ids, retry times and unknown events in between, and JSON over many lines.
    Noisy,
}

impl StreamForm {
    fn event(self, name: &str, data: &str) -> String {
        let end = match self {
            Self::Crlf => "\r\n",
            Self::Cr => "\r",
            Self::Plain | Self::DataFirst | Self::BarePing | Self::Noisy => "\n",
        };
        match self {
            Self::DataFirst => format!("data: {data}{end}event: {name}{end}{end}"),
            Self::BarePing if data.is_empty() => format!("event: {name}{end}{end}"),
            Self::Noisy => {
                let json = serde_json::from_str::<Value>(data);
                let lines = json.map_or_else(|_| data.to_owned(), |json| format!("{json:#}"));
                let lines = lines.replace('\n', "\ndata:");
                let noise = ": keep-alive\n\nevent: progress\ndata: {\"percent\": 40}\n\nretry: 3000\nid: 1\n";
                format!("{noise}event: {name}\ndata:{lines}\n\n")
            }
            _ => format!("event: {name}{end}data: {data}{end}{end}"),
        }
    }
}

/// Opens the stream of a job.
pub(crate) fn open(inner: &Arc<Inner>, job: Which, fault: StreamFault) -> Receiver<Chunk> {
    let (chunks, receiver) = channel(16);
    let stream = Stream { inner: inner.clone(), job, fault, chunks };
    let watching = Inner::watch(inner);
    tokio::spawn(async move {
        // Whoever stopped reading needs no more of it.
        let _ = stream.run().await;
        drop(watching);
    });
    receiver
}

struct Stream {
    inner: Arc<Inner>,
    job: Which,
    fault: StreamFault,
    chunks: Sender<Chunk>,
}

/// Nobody reads any more.
struct Gone;

impl Stream {
    async fn run(&self) -> Result<(), Gone> {
        let clock = &self.inner.front.clock;
        let opened = clock.now();
        let (pause, form, end) = self.inner.with(|w| {
            (w.settings.ping.max(Duration::from_millis(1)), w.settings.form, w.jobs[self.job.job].end.clone())
        });
        let strikes = self.fault.after().map(|after| opened.saturating_add(after));
        let mut ping = opened.saturating_add(pause);
        loop {
            let ending = end.notified();
            let mut ending = std::pin::pin!(ending);
            ending.as_mut().enable();
            let (now, ended) = self.inner.look(|world, now| (now, world.jobs[self.job.job].ended));
            // What is late comes in the order in which it was due.
            let struck = strikes.filter(|at| *at <= now && ended.is_none_or(|ended| *at <= ended.max(opened)));
            if ping <= now && struck.or(ended).is_none_or(|at| ping <= at) {
                self.send(&form.event("ping", "")).await?;
                ping = ping.saturating_add(pause);
                continue;
            }
            if struck.is_some() {
                return self.strike(form).await;
            }
            if ended.is_some() {
                return self.last(opened, form).await;
            }
            tokio::select! {
                () = ending => {}
                () = clock.sleep_until(strikes.map_or(ping, |at| at.min(ping))) => {}
                () = self.chunks.closed() => return Err(Gone),
            }
        }
    }

    async fn strike(&self, form: StreamForm) -> Result<(), Gone> {
        match self.fault.stop {
            Stop::Silence(_) => self.chunks.closed().await,
            Stop::Cut(_) => self.chunks.send(Chunk::Break).await.map_err(|_| Gone)?,
            Stop::Error(_, code, message) => {
                let data = json!({"code": code, "message": message}).to_string();
                self.send(&form.event("error", &data)).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The end of the job: its record, or that its time is over.
    async fn last(&self, opened: Duration, form: StreamForm) -> Result<(), Gone> {
        let event = self.inner.look(|world, _| {
            let job = &world.jobs[self.job.job];
            if job.word == "timeout" && job.ended.is_some_and(|ended| ended > opened) {
                let message = "Job did not complete within the allotted time";
                form.event("error", &json!({"code": "JobTimeout", "message": message}).to_string())
            } else {
                form.event("result", &answers::record(world, self.job).to_string())
            }
        });
        match self.fault.stop {
            Stop::CutIn(bytes) => {
                self.send_bytes(&event.as_bytes()[..bytes.min(event.len())]).await?;
                self.chunks.send(Chunk::Break).await.map_err(|_| Gone)
            }
            Stop::EndIn(bytes) => self.send_bytes(&event.as_bytes()[..bytes.min(event.len())]).await,
            Stop::Instead(name, data) => self.send(&form.event(name, data)).await,
            _ => self.send(&event).await,
        }
    }

    async fn send(&self, event: &str) -> Result<(), Gone> {
        self.send_bytes(event.as_bytes()).await
    }

    async fn send_bytes(&self, bytes: &[u8]) -> Result<(), Gone> {
        let all = Bytes::copy_from_slice(bytes);
        let mut at = 0;
        while at < all.len() {
            let end = all.len().min(at.saturating_add(self.fault.chunk));
            self.chunks.send(Chunk::Bytes(all.slice(at..end))).await.map_err(|_| Gone)?;
            at = end;
        }
        Ok(())
    }
}

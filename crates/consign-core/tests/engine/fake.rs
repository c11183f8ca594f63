//! A provider whose every answer is played by the test, and which keeps what was asked and when.
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use consign_core::{
    Batch, BoxFuture, Cancel, Caps, Cx, Delivery, Error, ErrorKind, Event, Item, Job, Jobs, List, LogLine, LogLines,
    Logs, Look, Outputs, Page, Price, Priced, Provider, Query, Result, Retry, Snapshot, State, Submitted, Taint,
    TaintReason, Ticket, Violations, Watch,
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// What the provider does when it is asked.
#[derive(Clone)]
pub(crate) enum Act<T = Vec<Item>> {
    /// Answers at once.
    Now(Result<T>),
    /// Answers after a while.
    After(Duration, Result<T>),
    /// Never answers.
    Hang,
}

/// One connection to a log.
#[derive(Clone)]
pub(crate) enum Log {
    /// These pieces, each after a pause.
    Lines(Vec<(Duration, LogLine)>, Then),
    /// None comes to be.
    Refuse(Error),
}

/// What comes after the last piece.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Then {
    /// The end.
    Close,
    /// An error.
    Break,
    /// Nothing.
    Silent,
}

/// One look, as the provider saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) ticket: String,
    /// Which look at this job it is, from 0.
    pub(crate) n: usize,
    /// Since the provider was made.
    pub(crate) at: Duration,
    pub(crate) hold: Option<Duration>,
    /// It follows the event stream.
    pub(crate) events: bool,
}

/// The ids on a page of a query, and where the next one begins.
pub(crate) type PageAnswer = Result<(Vec<&'static str>, Option<String>)>;

type Play = dyn Fn(&Seen) -> Act + Send + Sync;

/// What the test and the provider share.
pub(crate) struct World {
    start: Instant,
    play: Mutex<Arc<Play>>,
    pub(crate) looks: Mutex<Vec<Seen>>,
    counts: Mutex<HashMap<String, usize>>,
    pub(crate) submits: Mutex<VecDeque<Act>>,
    /// How many specs each submission had.
    pub(crate) submitted: Mutex<Vec<usize>>,
    /// Answers to cancellations, taints and price questions, in turn; when none is left they succeed.
    pub(crate) calls: Mutex<VecDeque<Result<()>>>,
    pub(crate) called: AtomicUsize,
    pub(crate) pages: Mutex<VecDeque<PageAnswer>>,
    pub(crate) paged: Mutex<Vec<Option<String>>>,
    logs: Mutex<VecDeque<Log>>,
    logged: Mutex<Vec<LogLine>>,
    /// Whether each connection to a log was to follow it.
    pub(crate) follows: Mutex<Vec<bool>>,
    open_logs: Arc<AtomicUsize>,
    in_flight: AtomicUsize,
    pub(crate) most_in_flight: AtomicUsize,
    pub(crate) most_held: AtomicUsize,
    held: AtomicUsize,
    /// Raw records that somebody still has.
    pub(crate) raws: Arc<AtomicUsize>,
    pub(crate) most_raws: AtomicUsize,
}

/// A raw record; counts itself.
#[derive(Debug)]
pub(crate) struct Raw(Arc<AtomicUsize>, Vec<LogLine>);

impl Raw {
    fn new(world: &World) -> Self {
        let now = world.raws.fetch_add(1, Ordering::Relaxed) + 1;
        world.most_raws.fetch_max(now, Ordering::Relaxed);
        Self(world.raws.clone(), world.logged.lock().unwrap().clone())
    }
}
impl Drop for Raw {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts a request while it is under way.
struct Flight<'a>(&'a World, bool);

impl<'a> Flight<'a> {
    fn new(world: &'a World, held: bool) -> Self {
        let now = world.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        world.most_in_flight.fetch_max(now, Ordering::Relaxed);
        if held {
            let now = world.held.fetch_add(1, Ordering::Relaxed) + 1;
            world.most_held.fetch_max(now, Ordering::Relaxed);
        }
        Self(world, held)
    }
}
impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        if self.1 {
            self.0.held.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl World {
    pub(crate) fn play(&self, play: impl Fn(&Seen) -> Act + Send + Sync + 'static) {
        *self.play.lock().unwrap() = Arc::new(play);
    }
    /// Plays `acts` for every job, the last again and again.
    pub(crate) fn script(&self, acts: Vec<Act>) {
        self.play(move |seen| acts[seen.n.min(acts.len() - 1)].clone());
    }
    /// The connections to a log that come next, the last again and again.
    pub(crate) fn log(&self, logs: Vec<Log>) {
        *self.logs.lock().unwrap() = logs.into();
    }
    /// What each record from now on holds of the log.
    pub(crate) fn logged(&self, lines: Vec<LogLine>) {
        *self.logged.lock().unwrap() = lines;
    }
    /// How often a log was opened.
    pub(crate) fn opened(&self) -> usize {
        self.follows.lock().unwrap().len()
    }
    /// How many logs are open.
    pub(crate) fn open_logs(&self) -> usize {
        self.open_logs.load(Ordering::Relaxed)
    }
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }
    /// When each look came, in milliseconds.
    pub(crate) fn times(&self) -> Vec<u64> {
        self.looks.lock().unwrap().iter().map(|l| l.at.as_millis() as u64).collect()
    }
    /// Every request of any kind so far.
    pub(crate) fn requests(&self) -> usize {
        self.looks.lock().unwrap().len()
            + self.submitted.lock().unwrap().len()
            + self.paged.lock().unwrap().len()
            + self.called.load(Ordering::Relaxed)
    }
    pub(crate) fn under_way(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
    async fn act<T>(&self, act: Act<T>, held: bool) -> Result<T> {
        let _flight = Flight::new(self, held);
        match act {
            Act::Now(answer) => answer,
            Act::After(time, answer) => {
                tokio::time::sleep(time).await;
                answer
            }
            Act::Hang => std::future::pending().await,
        }
    }
    fn call(&self) -> Result<()> {
        self.called.fetch_add(1, Ordering::Relaxed);
        self.calls.lock().unwrap().pop_front().unwrap_or(Ok(()))
    }
}

/// The provider; `HOLD`: for how many seconds it can hold a look, 0 for not at all; `EVENTS`: its jobs
/// have event streams.
pub(crate) struct Fake<const HOLD: u64, const EVENTS: bool = false> {
    http: consign_http::Client,
    world: Arc<World>,
}

pub(crate) type Polled = Fake<0>;
pub(crate) type Held = Fake<100>;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) weight: usize,
    pub(crate) wrong: u32,
}

/// A list without the jobs whose ids begin so.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) without: char,
}
impl Default for Filter {
    fn default() -> Self {
        Self { without: '-' }
    }
}

/// A spec of so many items.
pub(crate) fn spec(weight: usize) -> Spec {
    Spec { weight, wrong: 0 }
}

impl<const HOLD: u64, const EVENTS: bool> Fake<HOLD, EVENTS> {
    pub(crate) fn new(transport: impl consign_http::Transport) -> Self {
        keep_listening();
        let http = consign_http::Client::builder("https://api.example.com").unwrap().transport(transport);
        let world = World {
            start: Instant::now(),
            play: Mutex::new(Arc::new(|_: &Seen| Act::Now(Ok(queued())))),
            looks: Mutex::default(),
            counts: Mutex::default(),
            submits: Mutex::default(),
            submitted: Mutex::default(),
            calls: Mutex::default(),
            called: AtomicUsize::new(0),
            pages: Mutex::default(),
            paged: Mutex::default(),
            logs: Mutex::default(),
            logged: Mutex::default(),
            follows: Mutex::default(),
            open_logs: Arc::default(),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
            most_held: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            raws: Arc::default(),
            most_raws: AtomicUsize::new(0),
        };
        Self { http: http.build().unwrap(), world: Arc::new(world) }
    }
}

/// Jobs of a fake provider with a fixed seed, and its world.
pub(crate) fn jobs<const HOLD: u64>() -> (Jobs<Fake<HOLD>>, Arc<World>) {
    made()
}

/// The same, with at least this long between two requests.
pub(crate) fn spaced<const HOLD: u64>(apart: Duration) -> (Jobs<Fake<HOLD>>, Arc<World>) {
    let (fake, world) = fake();
    (Jobs::builder(fake).seed(7).spacing(apart).build(), world)
}

/// The same with event streams.
pub(crate) fn streamed<const HOLD: u64>() -> (Jobs<Fake<HOLD, true>>, Arc<World>) {
    made()
}

fn made<const HOLD: u64, const EVENTS: bool>() -> (Jobs<Fake<HOLD, EVENTS>>, Arc<World>) {
    let (fake, world) = fake();
    (Jobs::builder(fake).seed(7).build(), world)
}

fn fake<const HOLD: u64, const EVENTS: bool>() -> (Fake<HOLD, EVENTS>, Arc<World>) {
    let nowhere = consign_http::transport::from_fn(|_: http::Request<bytes::Bytes>| async move {
        Err(consign_http::Error::new(ErrorKind::Transport, Delivery::NotSent, "there is no network here"))
    });
    let fake = Fake::new(nowhere);
    let world = fake.world.clone();
    (fake, world)
}

impl<const HOLD: u64, const EVENTS: bool> Provider for Fake<HOLD, EVENTS> {
    const NAME: &'static str = "fake";
    const CAPS: Caps = {
        let caps = Caps::NONE.batch(4).cancel().taint().query().list().price().outputs().logs();
        let caps = if EVENTS { caps.events() } else { caps };
        if HOLD > 0 { caps.long_poll(Duration::from_secs(HOLD)) } else { caps }
    };
    type Spec = Spec;
    type Raw = Raw;
    type Output = usize;
    type Query = ();
    type Filter = Filter;

    fn http(&self) -> &consign_http::Client {
        &self.http
    }
    fn validate(spec: &Spec) -> Violations {
        let mut violations = Violations::new();
        (0..spec.wrong).for_each(|n| violations.add(format!("member{n}"), "bad", "good"));
        violations
    }
    fn weight(spec: &Spec) -> usize {
        spec.weight
    }
    fn submit<'a>(&'a self, specs: &'a [Spec], _: &'a Cx) -> BoxFuture<'a, Result<Submitted<Self>>> {
        Box::pin(async move {
            let world = &*self.world;
            let n = {
                let mut submitted = world.submitted.lock().unwrap();
                submitted.push(specs.len());
                submitted.len()
            };
            let weight: usize = specs.iter().map(|s| s.weight).sum();
            let usual = Act::Now(Ok((0..weight).map(|_| item(State::Queued, false)).collect()));
            let act = world.submits.lock().unwrap().pop_front().unwrap_or(usual);
            let items = world.act(act, false).await?;
            let ticket = Ticket::new(Self::NAME, 1, format!("job-{n}"));
            Ok(Submitted { ticket, snapshot: Some(Snapshot::new(items, Raw::new(world))) })
        })
    }
    fn look<'a>(&'a self, ticket: &'a Ticket, look: Look, _: &'a Cx) -> BoxFuture<'a, Result<Snapshot<Self>>> {
        Box::pin(async move {
            let world = &*self.world;
            let hold = if let Look::Hold(hold) = look { Some(hold) } else { None };
            let n = {
                let mut counts = world.counts.lock().unwrap();
                let count = counts.entry(ticket.data().to_owned()).or_default();
                *count += 1;
                *count - 1
            };
            let seen =
                Seen { ticket: ticket.data().to_owned(), n, at: world.now(), hold, events: look == Look::Events };
            world.looks.lock().unwrap().push(seen.clone());
            let play = world.play.lock().unwrap().clone();
            let items = world.act(play(&seen), look != Look::Now).await?;
            Ok(Snapshot::new(items, Raw::new(world)))
        })
    }
    fn price<'a>(&'a self, specs: &'a [Spec], _: &'a Cx) -> BoxFuture<'a, Result<Price>> {
        Box::pin(async move {
            self.world.call()?;
            Ok(Price::new(specs.iter().map(|s| s.weight as f64).collect(), "coins"))
        })
    }
    fn cancel<'a>(&'a self, _: &'a Ticket, _: Option<&'a str>, _: bool, _: &'a Cx) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.world.call() })
    }
    fn taint<'a>(
        &'a self,
        _: &'a Ticket,
        _: Option<&'a str>,
        _: &'a TaintReason,
        _: &'a Cx,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.world.call() })
    }
    fn query<'a>(&'a self, _: &'a (), cursor: Option<&'a str>, _: &'a Cx) -> BoxFuture<'a, Result<Page<Self>>> {
        Box::pin(async move {
            self.world.paged.lock().unwrap().push(cursor.map(str::to_owned));
            let (ids, next) = self.world.pages.lock().unwrap().pop_front().expect("no more pages")?;
            let found = |id| (Ticket::new(Self::NAME, 1, id), Snapshot::new(queued(), Raw::new(&self.world)));
            Ok(Page::new(ids.into_iter().map(found).collect(), next))
        })
    }
    fn list<'a>(
        &'a self,
        filter: &'a Filter,
        cursor: Option<&'a str>,
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<Page<Self>>> {
        Box::pin(async move {
            let mut page = self.query(&(), cursor, cx).await?;
            let (out, jobs) = page.jobs.into_iter().partition(|(ticket, _)| ticket.data().starts_with(filter.without));
            page.jobs = jobs;
            let out: Vec<(Ticket, _)> = out;
            Ok(page.filtered(out.into_iter().map(|(ticket, _)| ticket)))
        })
    }
    fn logs<'a>(&'a self, _: &'a Ticket, follow: bool, _: &'a Cx) -> BoxFuture<'a, Result<LogLines>> {
        Box::pin(async move {
            self.world.follows.lock().unwrap().push(follow);
            let log = {
                let mut logs = self.world.logs.lock().unwrap();
                if logs.len() > 1 { logs.pop_front() } else { logs.front().cloned() }
            };
            let (lines, then) = match log.expect("a log") {
                Log::Refuse(error) => return Err(error),
                Log::Lines(lines, then) => (lines, then),
            };
            let state = (VecDeque::from(lines), then, OpenLog::new(&self.world.open_logs));
            let stream = futures_util::stream::unfold(state, |(mut lines, then, open)| async move {
                if let Some((pause, line)) = lines.pop_front() {
                    tokio::time::sleep(pause).await;
                    return Some((Ok(line), (lines, then, open)));
                }
                match then {
                    Then::Close => None,
                    Then::Break => {
                        Some((Err(broken(ErrorKind::Transport, Delivery::Unknown)), (lines, Then::Close, open)))
                    }
                    Then::Silent => std::future::pending().await,
                }
            });
            let lines: LogLines = Box::pin(stream);
            Ok(lines)
        })
    }
    fn logged(snapshot: &Snapshot<Self>) -> Vec<LogLine> {
        snapshot.raw().map(|raw| raw.1.clone()).unwrap_or_default()
    }
    fn outputs(_: &Job<Self>, snapshot: &Snapshot<Self>) -> usize {
        snapshot.items().len()
    }
}

impl<const HOLD: u64, const EVENTS: bool> Batch for Fake<HOLD, EVENTS> {}
impl<const HOLD: u64, const EVENTS: bool> Cancel for Fake<HOLD, EVENTS> {}
impl<const HOLD: u64, const EVENTS: bool> Taint for Fake<HOLD, EVENTS> {}
impl<const HOLD: u64, const EVENTS: bool> Query for Fake<HOLD, EVENTS> {}
impl<const HOLD: u64, const EVENTS: bool> List for Fake<HOLD, EVENTS> {}
impl<const HOLD: u64, const EVENTS: bool> Priced for Fake<HOLD, EVENTS> {}
impl<const HOLD: u64, const EVENTS: bool> Outputs for Fake<HOLD, EVENTS> {}
impl<const HOLD: u64, const EVENTS: bool> Logs for Fake<HOLD, EVENTS> {}

/// Counts a connection to a log while it is open.
struct OpenLog(Arc<AtomicUsize>);

impl OpenLog {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}
impl Drop for OpenLog {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn item(state: State, finished: bool) -> Item {
    Item::new(Some("item"), state, finished)
}
pub(crate) fn queued() -> Vec<Item> {
    vec![item(State::Queued, false)]
}
pub(crate) fn running() -> Vec<Item> {
    vec![item(State::Running, false)]
}
pub(crate) fn done() -> Vec<Item> {
    vec![item(State::Succeeded, true)]
}
pub(crate) fn word(word: &str, finished: bool) -> Vec<Item> {
    vec![item(State::Unknown(word.into()), finished)]
}
pub(crate) fn now(items: Vec<Item>) -> Act {
    Act::Now(Ok(items))
}
pub(crate) fn fail<T>(error: Error) -> Act<T> {
    Act::Now(Err(error))
}
pub(crate) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A call that no answer came to.
pub(crate) fn broken(kind: ErrorKind, delivery: Delivery) -> Error {
    Error::new(kind, delivery, "the script says so")
}
/// An unsuccessful answer.
pub(crate) fn status(status: u16) -> Error {
    answer(status, "")
}
/// An unsuccessful answer that asks for a pause.
pub(crate) fn answer(status: u16, retry_after: &str) -> Error {
    let mut headers = http::HeaderMap::new();
    if !retry_after.is_empty() {
        headers.insert("retry-after", retry_after.parse().unwrap());
    }
    let status = http::StatusCode::from_u16(status).unwrap();
    let failure = consign_http::Failure { status, headers: &headers, body: b"" };
    consign_http::Error::answer(&failure, None, SystemTime::now()).into()
}
/// As [`answer`] with 429, with any pause at all.
pub(crate) fn pause(pause: Duration) -> Error {
    let error = consign_http::Error::new(ErrorKind::RateLimited, Delivery::Rejected, "slowly");
    error.with_retry(Retry::After(pause)).into()
}

/// What a watch reported, in short words; the last is how it ended.
pub(crate) async fn story<P: Provider>(mut watch: Watch<P>) -> Vec<String> {
    let mut story = Vec::new();
    while let Some(event) = watch.next().await {
        story.push(match event {
            Ok(Event::Mode(mode)) => format!("{mode:?}"),
            Ok(Event::Item { item, .. }) => item.state.to_string(),
            Ok(Event::Trouble { error, .. }) => format!("trouble: {}", error.kind().as_str()),
            Ok(Event::Ended(finished)) => format!("ended: {:?}", finished.outcome()),
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("broke: {}", error.kind().as_str()),
        });
    }
    assert!(watch.next().await.is_none(), "nothing follows the end");
    story
}

/// Keeps tracing from remembering, for the whole process, that nobody listens: a test in another
/// thread may be about to. Without it a listener can miss what is logged while tests begin at once.
pub(crate) fn keep_listening() {
    struct Deaf;
    impl tracing::Subscriber for Deaf {
        fn register_callsite(&self, _: &'static tracing::Metadata<'static>) -> tracing::subscriber::Interest {
            tracing::subscriber::Interest::sometimes()
        }
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            false
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {}
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }
    // Only the first succeeds, and one is enough.
    let _ = tracing::subscriber::set_global_default(Deaf);
}

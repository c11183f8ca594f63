//! Faults that tests put in the way of requests: wrong answers, lost replies, limits, other tokens.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::ledger::BLOB;
use crate::numind::StreamFault;

type Edit = Arc<dyn Fn(&mut Response<Bytes>) + Send + Sync>;

/// What happens to one request. Several can be combined with [`and`](Self::and); each constructor
/// says when its part takes place.
#[derive(Clone)]
pub struct Fault {
    pub(crate) name: &'static str,
    pub(crate) actions: Vec<Action>,
}

#[derive(Clone)]
pub(crate) enum Action {
    /// Before the work.
    Reply(Response<Bytes>),
    Delay(Duration),
    Drop,
    Hang,
    Twist(Twist),
    /// After the work.
    Replace(Response<Bytes>),
    Slow(Duration),
    Lose,
    Cut(usize),
    Hold,
    Edit(Edit),
}

/// Ways in which a blob host or an event stream can misbehave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Twist {
    IgnoreRange,
    OtherVersion,
    ExpiredUrl,
    NotAPicture,
    /// Breaks a log after this many messages.
    CutLog(usize),
    /// Ends a log cleanly after this many messages.
    EndLog(usize),
    Stream(StreamFault),
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fault({}, {} actions)", self.name, self.actions.len())
    }
}

impl Fault {
    fn one(name: &'static str, action: Action) -> Self {
        Self { name, actions: vec![action] }
    }

    /// Answers with this response; the request is not carried out.
    pub fn reply(response: Response<Bytes>) -> Self {
        Self::one("reply", Action::Reply(response))
    }

    /// Answers with this status and a short problem document. A number that is no status becomes 500.
    pub fn status(status: u16) -> Self {
        let status = code(status);
        let title = status.canonical_reason().unwrap_or("Error");
        let body = json!({"type": "about:blank", "title": title, "status": status.as_u16()});
        Self::reply(response(status, "application/problem+json; charset=utf-8", body.to_string()))
    }

    /// Answers with this status and JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::reply(response(code(status), "application/json; charset=utf-8", body.to_string()))
    }

    /// Answers with this status and plain text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self::reply(response(code(status), "text/plain", body.into()))
    }

    /// Answers with the HTML page of a gateway, with any status, 200 too.
    pub fn html(status: u16) -> Self {
        let (status, reason) = (code(status), code(status).canonical_reason().unwrap_or("Error"));
        let title = format!("{} {reason}", status.as_u16());
        let page = format!("<html><head><title>{title}</title></head><body><h1>{title}</h1>gateway</body></html>");
        Self::reply(response(status, "text/html; charset=UTF-8", page))
    }

    /// Answers with this status and without a body.
    pub fn empty(status: u16) -> Self {
        let mut reply = Response::new(Bytes::new());
        *reply.status_mut() = code(status);
        Self::reply(reply)
    }

    /// Adds a header to the answers of this fault. Names and values that HTTP does not allow are left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        for action in &mut self.actions {
            if let (Action::Reply(reply) | Action::Replace(reply), Ok(name), Ok(value)) =
                (action, name.parse::<HeaderName>(), HeaderValue::from_str(value))
            {
                reply.headers_mut().append(name, value);
            }
        }
        self
    }

    /// Adds `Retry-After` in seconds to the answers of this fault.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header("retry-after", &seconds.to_string())
    }

    /// The request is carried out first, and only then is its answer replaced by that of this fault.
    #[must_use]
    pub fn after_processing(mut self) -> Self {
        for action in &mut self.actions {
            *action = match action.clone() {
                Action::Reply(reply) => Action::Replace(reply),
                Action::Delay(time) => Action::Slow(time),
                Action::Drop => Action::Lose,
                Action::Hang => Action::Hold,
                other => other,
            };
        }
        self
    }

    /// Waits (simulated time) before the request is carried out.
    pub fn delay(time: Duration) -> Self {
        Self::one("delay", Action::Delay(time))
    }

    /// Carries the request out, then waits (simulated time) with the reply.
    pub fn slow_reply(time: Duration) -> Self {
        Self::one("slow reply", Action::Slow(time))
    }

    /// Breaks the connection; the request is not carried out.
    pub fn drop_before() -> Self {
        Self::one("drop before", Action::Drop)
    }

    /// Carries the request out, then breaks the connection without a byte of the reply.
    pub fn lose_reply() -> Self {
        Self::one("lose reply", Action::Lose)
    }

    /// Carries the request out and breaks the connection after this many bytes of the reply's body.
    pub fn cut_reply(bytes: usize) -> Self {
        Self::one("cut reply", Action::Cut(bytes))
    }

    /// Never answers and never carries the request out; the connection stays open.
    pub fn hang() -> Self {
        Self::one("hang", Action::Hang)
    }

    /// Carries the request out and never answers.
    pub fn hang_after() -> Self {
        Self::one("hang after", Action::Hold)
    }

    /// Carries the request out and changes the reply in any way.
    pub fn edit(change: impl Fn(&mut Response<Bytes>) + Send + Sync + 'static) -> Self {
        Self::one("edit", Action::Edit(Arc::new(change)))
    }

    /// Carries the request out and changes the JSON of the reply; replies without JSON stay as they are.
    pub fn edit_json(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::edit(move |reply| {
            if let Ok(mut body) = serde_json::from_slice(reply.body()) {
                change(&mut body);
                *reply.body_mut() = Bytes::from(body.to_string());
            }
        })
    }

    /// Carries the request out and ends the reply's body after this many bytes, as if it were whole.
    pub fn truncate(bytes: usize) -> Self {
        Self::edit(move |reply| {
            let keep = bytes.min(reply.body().len());
            *reply.body_mut() = reply.body().slice(..keep);
        })
    }

    /// Blob host: ignores `Range` and sends the whole.
    pub fn ignore_range() -> Self {
        Self::one("ignore range", Action::Twist(Twist::IgnoreRange))
    }

    /// Blob host: has another version under the same name, with another `ETag` and other bytes.
    pub fn other_version() -> Self {
        Self::one("other version", Action::Twist(Twist::OtherVersion))
    }

    /// Blob host: treats the signed URL as expired.
    pub fn expired_url() -> Self {
        Self::one("expired URL", Action::Twist(Twist::ExpiredUrl))
    }

    /// Blob host: sends a page of HTML with status 200 and the media type of a picture.
    pub fn not_a_picture() -> Self {
        Self::one("not a picture", Action::Twist(Twist::NotAPicture))
    }

    /// Bacalhau: the log that the request opens breaks after this many messages, without a close.
    pub fn cut_log(messages: usize) -> Self {
        Self::one("cut log", Action::Twist(Twist::CutLog(messages)))
    }

    /// Bacalhau: the log that the request opens is closed after this many messages, as if it were whole.
    pub fn end_log(messages: usize) -> Self {
        Self::one("end log", Action::Twist(Twist::EndLog(messages)))
    }

    /// NuMind: something happens to the event stream that the request opens.
    pub fn stream(fault: StreamFault) -> Self {
        Self::one("stream", Action::Twist(Twist::Stream(fault)))
    }

    /// Both, in this order. The name of the first stays.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.actions.extend(other.actions);
        self
    }
}

/// When a fault strikes. By default: at the next request for any operation except a blob, once.
#[derive(Clone, Debug)]
pub struct Rule {
    fault: Fault,
    operation: Option<String>,
    skip: u32,
    left: Option<u32>,
    window: Option<(Duration, Duration)>,
}

impl Rule {
    /// A rule for this fault.
    pub fn new(fault: Fault) -> Self {
        Self { fault, operation: None, skip: 0, left: Some(1), window: None }
    }

    /// Only requests for this operation: an operation id such as `v1_consumer_jobs_get`, or `blob`.
    #[must_use]
    pub fn on(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_owned());
        self
    }

    /// Lets this many matching requests pass first.
    #[must_use]
    pub fn skip(mut self, requests: u32) -> Self {
        self.skip = requests;
        self
    }

    /// Strikes this many times instead of once.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.left = Some(times);
        self
    }

    /// Strikes every time.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.left = None;
        self
    }

    /// Strikes every time between two moments, in simulated time since the start: an outage.
    #[must_use]
    pub fn between(mut self, from: Duration, until: Duration) -> Self {
        self.window = Some((from, until));
        self.always()
    }

    /// Whether the rule takes this request; counts down.
    fn takes(&mut self, operation: &str, now: Duration) -> bool {
        let matches = match &self.operation {
            Some(wanted) => wanted == operation,
            None => operation != BLOB,
        };
        if !matches || self.left == Some(0) || self.window.is_some_and(|(from, until)| now < from || now >= until) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.left = self.left.map(|n| n - 1);
        true
    }
}

/// How a refusal over a limit says when to come back.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum RetryAfter {
    /// `Retry-After` in whole seconds, rounded up.
    #[default]
    Seconds,
    /// `Retry-After` as a date of the simulated clock.
    Date,
    /// No such header.
    Absent,
    /// `Retry-After` with this text, sensible or not.
    Text(String),
}

#[derive(Debug)]
struct Limit {
    requests: u32,
    /// None: until the end of the day (UTC).
    window: Option<Duration>,
    ends: Duration,
    used: u32,
}

#[derive(Debug, Default)]
struct Inner {
    rules: Vec<Rule>,
    limits: Vec<Limit>,
    retry_after: RetryAfter,
    token: Option<String>,
}

/// The faults of one simulator; clones are handles on the same ones. Each request meets at most one
/// rule: the oldest that takes it.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    inner: Arc<Mutex<Inner>>,
}

impl Faults {
    fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a rule.
    pub fn add(&self, rule: Rule) {
        self.with(|f| f.rules.push(rule));
    }

    /// The next request for `operation` meets this fault.
    pub fn once(&self, operation: &str, fault: Fault) {
        self.add(Rule::new(fault).on(operation));
    }

    /// How many rules can still strike. A test whose faults all had to strike asserts zero.
    pub fn pending(&self) -> usize {
        self.with(|f| f.rules.iter().filter(|r| r.left != Some(0)).count())
    }

    /// Takes back every rule and limit and the demand for a token.
    pub fn clear(&self) {
        self.with(|f| *f = Inner::default());
    }

    /// From now on only this token is accepted; every other gets 401, as after a rotation.
    pub fn require_token(&self, token: impl Into<String>) {
        self.with(|f| f.token = Some(token.into()));
    }

    /// Accepts at most this many requests (blobs apart) in each window; the others get 429. The
    /// windows follow each other from the first request on.
    pub fn rate_limit(&self, requests: u32, window: Duration) {
        self.with(|f| f.limits.push(Limit { requests, window: Some(window), ends: Duration::ZERO, used: 0 }));
    }

    /// Accepts at most this many requests (blobs apart) in a day, which ends at midnight UTC of the
    /// simulated clock; the others get 429.
    pub fn daily_quota(&self, requests: u32) {
        self.with(|f| f.limits.push(Limit { requests, window: None, ends: Duration::ZERO, used: 0 }));
    }

    /// How refusals over a limit say when to come back.
    pub fn retry_after(&self, form: RetryAfter) {
        self.with(|f| f.retry_after = form);
    }

    /// The fault for a request that just came.
    pub(crate) fn strike(&self, operation: &str, now: Duration) -> Option<Fault> {
        self.with(|f| f.rules.iter_mut().find_map(|r| r.takes(operation, now).then(|| r.fault.clone())))
    }

    /// Whether a token that the wire would take is refused nevertheless.
    pub(crate) fn refuses(&self, token: &str) -> bool {
        self.with(|f| f.token.as_deref().is_some_and(|wanted| wanted != token))
    }

    /// Counts a request against the limits; gives the refusal if one is exceeded.
    pub(crate) fn over_limit(&self, clock: &Clock, now: Duration) -> Option<Response<Bytes>> {
        self.with(|f| {
            for limit in &mut f.limits {
                if now >= limit.ends {
                    limit.used = 0;
                    limit.ends =
                        limit.window.map_or_else(|| clock.end_of_day(now), |window| now.saturating_add(window));
                }
            }
            let Some(limit) = f.limits.iter().find(|limit| limit.used >= limit.requests) else {
                f.limits.iter_mut().for_each(|limit| limit.used += 1);
                return None;
            };
            let left = limit.ends.saturating_sub(now);
            let whole = left.as_secs() + u64::from(left.subsec_nanos() > 0);
            let wait = match &f.retry_after {
                RetryAfter::Seconds => Some(whole.to_string()),
                RetryAfter::Date => Some(clock.http_date(now + Duration::from_secs(whole))),
                RetryAfter::Absent => None,
                RetryAfter::Text(text) => Some(text.clone()),
            };
            let mut body = json!({"type": "about:blank", "title": "Too Many Requests", "status": 429});
            if limit.window.is_none() {
                body["detail"] = json!("Daily quota exceeded");
            }
            let refusal = (StatusCode::TOO_MANY_REQUESTS, "application/problem+json; charset=utf-8");
            let mut reply = response(refusal.0, refusal.1, body.to_string());
            if let Some(value) = wait.and_then(|text| HeaderValue::from_str(&text).ok()) {
                reply.headers_mut().insert(RETRY_AFTER, value);
            }
            Some(reply)
        })
    }
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A response with a body of one media type.
pub(crate) fn response(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_strike_in_order_each_as_often_as_it_says() {
        let faults = Faults::default();
        faults.add(Rule::new(Fault::status(503)).on("get").skip(1).times(2));
        faults.once("get", Fault::lose_reply());
        faults.add(Rule::new(Fault::hang()).between(Duration::from_secs(5), Duration::from_secs(6)));
        let strike = |op: &str, at| faults.strike(op, Duration::from_secs(at)).map(|f| f.name);
        assert_eq!(strike("put", 0), None);
        assert_eq!(strike("get", 0), Some("lose reply"));
        assert_eq!([strike("get", 0), strike("get", 0), strike("get", 0)], [Some("reply"), Some("reply"), None]);
        assert_eq!(
            [strike("put", 5), strike("put", 5), strike("blob", 5), strike("put", 6)],
            [Some("hang"), Some("hang"), None, None]
        );
        assert_eq!(faults.pending(), 1);
    }

    #[test]
    fn limits_count_in_windows_and_say_when_to_come_back() {
        let clock = Clock::new("2024-06-08T23:59:00Z".parse().unwrap(), 1.0);
        let faults = Faults::default();
        faults.rate_limit(2, Duration::from_secs(10));
        faults.daily_quota(3);
        let ask = |at| {
            let reply = faults.over_limit(&clock, Duration::from_millis(at))?;
            Some(reply.headers().get("retry-after").map(|v| v.to_str().unwrap().to_owned()))
        };
        let wait = |text: &str| Some(Some(text.to_owned()));
        assert_eq!([ask(0), ask(0), ask(500)], [None, None, wait("10")]);
        assert_eq!([ask(10_000), ask(10_000)], [None, wait("50")]);
        faults.retry_after(RetryAfter::Date);
        assert_eq!(ask(20_000), wait("Sun, 09 Jun 2024 00:00:00 GMT"));
        faults.retry_after(RetryAfter::Absent);
        assert_eq!(ask(20_000), Some(None));
        assert_eq!(ask(60_000), None);
    }
}

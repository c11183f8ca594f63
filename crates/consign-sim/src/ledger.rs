//! The ledger: what was asked of a simulator and what it did about it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

/// One request that reached the simulator.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Simulated time since the start, when the request came.
    pub at: Duration,
    /// Its method.
    pub method: Method,
    /// Path and query as they came.
    pub target: String,
    /// The operation that it was for: an operation id of the wire, `blob` for a blob, or `unknown`.
    pub operation: &'static str,
    /// Headers. The value of `Authorization` is replaced by three dots: a ledger holds no secret.
    pub headers: HeaderMap,
    /// Whether an `Authorization` header came with it.
    pub credentials: bool,
    /// The account that it was made for, once the credentials were accepted.
    pub account: Option<String>,
    /// The body as it came.
    pub body: Bytes,
    /// Whether the operation was carried out, also if the reply was lost afterwards. A request that
    /// was refused (a status from 400 on) by the wire's own rules was not.
    pub accepted: bool,
    /// What it made: ids of new jobs.
    pub made: Vec<String>,
    /// Status of the reply that was sent. None: none yet, or the connection broke instead.
    pub status: Option<StatusCode>,
    /// The name of the fault that was put in its way.
    pub fault: Option<&'static str>,
}

/// All requests so far, exact for counting. It is shared: clones of a simulator see one ledger.
#[derive(Debug)]
pub struct Ledger {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    entries: VecDeque<Entry>,
    first: u64,
    limit: usize,
    counts: BTreeMap<&'static str, u64>,
    submissions: u64,
    leaks: u64,
}

impl Ledger {
    pub(crate) fn new(limit: usize) -> Self {
        let (entries, counts) = (VecDeque::new(), BTreeMap::new());
        Self { inner: Mutex::new(Inner { entries, first: 0, limit, counts, submissions: 0, leaks: 0 }) }
    }

    fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every request in the order of arrival; only the newest if a limit was set.
    pub fn entries(&self) -> Vec<Entry> {
        self.with(|l| l.entries.iter().cloned().collect())
    }

    /// The requests for one operation (an operation id, `blob`, or `unknown`), refused ones too.
    pub fn of(&self, operation: &str) -> Vec<Entry> {
        self.with(|l| l.entries.iter().filter(|e| e.operation == operation).cloned().collect())
    }

    /// How many requests there were for one operation, refused ones too.
    pub fn count(&self, operation: &str) -> u64 {
        self.with(|l| l.counts.get(operation).copied().unwrap_or(0))
    }

    /// How many requests there were in all, refused ones and blobs too.
    pub fn len(&self) -> u64 {
        self.with(|l| l.counts.values().sum())
    }

    /// Whether there was no request at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many submissions were accepted, that is, made jobs; also those whose reply was lost.
    pub fn submissions(&self) -> u64 {
        self.with(|l| l.submissions)
    }

    /// How many requests for blobs carried credentials that the blob host must never see.
    pub fn leaks(&self) -> u64 {
        self.with(|l| l.leaks)
    }

    /// Notes a request and gives the number by which the entry can be completed.
    pub(crate) fn open(&self, at: Duration, operation: &'static str, request: &http::Request<Bytes>) -> u64 {
        let mut headers = request.headers().clone();
        let credentials = headers.contains_key(header::AUTHORIZATION);
        if credentials {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static("..."));
        }
        let target = request.uri().path_and_query().map_or("/", |t| t.as_str()).to_owned();
        let (method, body) = (request.method().clone(), request.body().clone());
        let entry = Entry {
            at,
            method,
            target,
            operation,
            headers,
            credentials,
            account: None,
            body,
            accepted: false,
            made: Vec::new(),
            status: None,
            fault: None,
        };
        self.with(|l| {
            *l.counts.entry(operation).or_default() += 1;
            l.leaks += u64::from(credentials && operation == BLOB);
            l.entries.push_back(entry);
            while l.entries.len() > l.limit {
                l.entries.pop_front();
                l.first += 1;
            }
            l.first + l.entries.len() as u64 - 1
        })
    }

    /// Completes an entry, if it is still kept.
    pub(crate) fn amend(&self, number: u64, change: impl FnOnce(&mut Entry)) {
        self.with(|l| {
            let place = number.checked_sub(l.first).and_then(|n| usize::try_from(n).ok());
            if let Some(entry) = place.and_then(|n| l.entries.get_mut(n)) {
                change(entry);
            }
        });
    }

    /// Notes that a request made jobs.
    pub(crate) fn made(&self, number: u64, ids: &[String]) {
        self.with(|l| l.submissions += 1);
        self.amend(number, |entry| {
            entry.accepted = true;
            entry.made = ids.to_vec();
        });
    }
}

/// Operation name of requests to the blob host.
pub(crate) const BLOB: &str = "blob";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_forgets_old_entries_and_keeps_the_counts_exact() {
        let ledger = Ledger::new(2);
        let request =
            |secret: &str| http::Request::get("/a?b=c").header("authorization", secret).body(Bytes::new()).unwrap();
        for _ in 0..3 {
            ledger.open(Duration::ZERO, "one", &request("Bearer secret"));
        }
        let last = ledger.open(Duration::ZERO, BLOB, &request("Bearer secret"));
        ledger.made(last, &["j1".to_owned()]);
        ledger.made(0, &["forgotten".to_owned()]);
        assert_eq!((ledger.count("one"), ledger.len(), ledger.submissions(), ledger.leaks()), (3, 4, 2, 1));
        let entries = ledger.entries();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[1].made, ["j1"]);
        assert!(!format!("{entries:?}").contains("secret"));
    }
}

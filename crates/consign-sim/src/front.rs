//! What happens around one request on every wire: the ledger, the faults, the date.

use std::fmt;
use std::future::Future;

use bytes::Bytes;
use http::header::DATE;
use http::{HeaderValue, Request, Response};

use crate::clock::Clock;
use crate::faults::{Action, Faults, Twist};
use crate::ledger::{BLOB, Ledger};

/// The connection broke instead of an answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Broken {
    /// Whether the simulator carried the request out before.
    pub request_was_processed: bool,
    /// What arrived of the answer: status, headers, and the first bytes of the body. None: not a byte.
    pub received: Option<Box<Response<Bytes>>>,
    /// Length of the body that the headers announced.
    pub announced: u64,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = if self.request_was_processed { "after" } else { "before" };
        write!(f, "the simulator broke the connection {when} it carried out the request")
    }
}

impl std::error::Error for Broken {}

/// What every wire shares.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) clock: Clock,
    pub(crate) ledger: Ledger,
    pub(crate) faults: Faults,
}

/// What the work on one request needs to know of it.
pub(crate) struct Call {
    /// Number of its ledger entry.
    pub(crate) entry: u64,
    pub(crate) twist: Option<Twist>,
}

impl Front {
    /// Takes one request through the ledger, the faults and `work`.
    pub(crate) async fn serve<F, R>(
        &self,
        operation: &'static str,
        request: Request<Bytes>,
        work: F,
    ) -> Result<Response<Bytes>, Broken>
    where
        F: FnOnce(Request<Bytes>, Call) -> R,
        R: Future<Output = Response<Bytes>>,
    {
        let now = self.clock.now();
        let entry = self.ledger.open(now, operation, &request);
        let fault = self.faults.strike(operation, now);
        let actions = fault.map_or_else(Vec::new, |fault| {
            self.ledger.amend(entry, |e| e.fault = Some(fault.name));
            fault.actions
        });
        let mut call = Call { entry, twist: None };
        for action in &actions {
            match action {
                Action::Reply(reply) => return Ok(self.close(entry, reply.clone())),
                Action::Delay(time) => self.clock.sleep_until(self.clock.now().saturating_add(*time)).await,
                Action::Drop => return Err(Broken { request_was_processed: false, received: None, announced: 0 }),
                Action::Hang => std::future::pending().await,
                Action::Twist(twist) => call.twist = Some(*twist),
                _ => {}
            }
        }
        if operation != BLOB
            && let Some(refusal) = self.faults.over_limit(&self.clock, self.clock.now())
        {
            return Ok(self.close(entry, refusal));
        }
        let mut reply = work(request, call).await;
        self.ledger.amend(entry, |e| e.accepted |= reply.status().as_u16() < 400);
        for action in actions {
            match action {
                Action::Replace(other) => reply = other,
                Action::Slow(time) => self.clock.sleep_until(self.clock.now().saturating_add(time)).await,
                Action::Lose => return Err(Broken { request_was_processed: true, received: None, announced: 0 }),
                Action::Cut(bytes) => {
                    let announced = reply.body().len() as u64;
                    let kept = bytes.min(reply.body().len());
                    *reply.body_mut() = reply.body().slice(..kept);
                    let received = Some(Box::new(self.close(entry, reply)));
                    return Err(Broken { request_was_processed: true, received, announced });
                }
                Action::Hold => std::future::pending().await,
                Action::Edit(change) => change(&mut reply),
                _ => {}
            }
        }
        Ok(self.close(entry, reply))
    }

    fn close(&self, entry: u64, mut reply: Response<Bytes>) -> Response<Bytes> {
        self.ledger.amend(entry, |e| e.status = Some(reply.status()));
        if let Ok(date) = HeaderValue::from_str(&self.clock.http_date(self.clock.now())) {
            reply.headers_mut().entry(DATE).or_insert(date);
        }
        reply
    }
}

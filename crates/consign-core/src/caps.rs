//! What a provider can do: as data, and as marker traits so that misuse does not compile.
use std::time::Duration;

use crate::Provider;

/// What a provider can do, as data. The marker traits say the same to the compiler; a test holds both together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caps {
    /// The server has a stream of events for each job, which tells its end at once.
    pub events: bool,
    /// A read can be held by the server until the job ends, at most this long.
    pub long_poll: Option<Duration>,
    /// Several specs go into one submission, at most this many items under one ticket.
    pub batch: Option<usize>,
    /// Jobs can be cancelled.
    pub cancel: bool,
    /// Jobs can be marked as bad.
    pub taint: bool,
    /// Jobs can be found by the caller's own properties.
    pub query: bool,
    /// The caller's jobs can be listed.
    pub list: bool,
    /// The price can be had without submitting.
    pub price: bool,
    /// Results can be had: as files, or as a value of the provider's own type.
    pub outputs: bool,
    /// What jobs print can be read while they run.
    pub logs: bool,
    /// The least time between two requests, unless [`JobsBuilder::spacing`](crate::JobsBuilder::spacing) says
    /// otherwise: what the service bears from one client. Zero: no bound.
    pub spacing: Duration,
}

impl Caps {
    /// Submit, look and wait: what every provider can do.
    pub const NONE: Self = Self {
        events: false,
        long_poll: None,
        batch: None,
        cancel: false,
        taint: false,
        query: false,
        list: false,
        price: false,
        outputs: false,
        logs: false,
        spacing: Duration::ZERO,
    };
    /// With a stream of events for each job.
    #[must_use]
    pub const fn events(mut self) -> Self {
        self.events = true;
        self
    }
    /// With reads that the server holds for at most `hold`.
    #[must_use]
    pub const fn long_poll(mut self, hold: Duration) -> Self {
        self.long_poll = Some(hold);
        self
    }
    /// With several specs in one submission, at most `items` under one ticket.
    #[must_use]
    pub const fn batch(mut self, items: usize) -> Self {
        self.batch = Some(items);
        self
    }
    /// With [`Cancel`].
    #[must_use]
    pub const fn cancel(mut self) -> Self {
        self.cancel = true;
        self
    }
    /// With at least this long between two requests.
    #[must_use]
    pub const fn spacing(mut self, apart: Duration) -> Self {
        self.spacing = apart;
        self
    }
    /// With [`Taint`].
    #[must_use]
    pub const fn taint(mut self) -> Self {
        self.taint = true;
        self
    }
    /// With [`Query`].
    #[must_use]
    pub const fn query(mut self) -> Self {
        self.query = true;
        self
    }
    /// With [`List`].
    #[must_use]
    pub const fn list(mut self) -> Self {
        self.list = true;
        self
    }
    /// With [`Priced`].
    #[must_use]
    pub const fn price(mut self) -> Self {
        self.price = true;
        self
    }
    /// With [`Outputs`].
    #[must_use]
    pub const fn outputs(mut self) -> Self {
        self.outputs = true;
        self
    }
    /// With [`Logs`].
    #[must_use]
    pub const fn logs(mut self) -> Self {
        self.logs = true;
        self
    }
}

/// The provider takes several specs in one submission.
pub trait Batch: Provider {}
/// The provider can cancel jobs.
pub trait Cancel: Provider {}
/// The provider can mark jobs as bad.
pub trait Taint: Provider {}
/// The provider can find jobs by the caller's own properties.
pub trait Query: Provider {}
/// The provider can list the caller's jobs.
pub trait List: Provider {}
/// The provider tells a price without submitting.
pub trait Priced: Provider {}
/// The provider's results can be had: as files, or as a value of its own type.
pub trait Outputs: Provider {}
/// The provider shows what jobs print while they run.
pub trait Logs: Provider {}

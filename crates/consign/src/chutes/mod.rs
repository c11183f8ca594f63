//! Chutes: jobs of deployed chutes on GPU nodes, for those who submit them and for those who run them.
//!
//! - [`ChuteJob`] describes a run: chute, method, arguments from any value, checked for what breaks the service.
//! - `Jobs::<Chutes>` submits, waits, cancels and downloads, with at most one request a second.
//! - [`Chutes`] itself has what only this provider has: deletion with its uncertain answer, chutes, the account.
//! - [`Runner`] is the other side: it reports a job's outcome and uploads its files, whatever happens.
//!
//! `Jobs::from_env` reads the key from `CHUTES_API_KEY`; it has to be one made with `admin`.
//!
//! **States** are inferred: the service tells no status word. A record that it cannot give, which is what becomes of
//! most failed jobs, is [`State::Unknown`](crate::State::Unknown) and not finished; a wait ends after a few of them in
//! a row with [`Unreadable`](crate::ErrorKind::Unreadable) and the ticket.
//!
//! **Quotas.** An account without a quota of jobs, as all new ones are, gets
//! [`QuotaExceeded`](crate::ErrorKind::QuotaExceeded); [`JobQuota::of`] an error's [`http`](crate::Error::http) has
//! the figures. There is no way to ask for them.
//!
//! **Cancelling** is deleting, and the service has a fault there. `job.cancel()` is `Ok` when the job was deleted or
//! told to stop; [`Chutes::delete`] tells which. A wait after it ends as [`Cancelled`](crate::Outcome::Cancelled) when
//! the record is gone, or ends without anybody's report; it ends as reported if a report came first. A job that no
//! node had taken may stay in the queue, and so may a wait for it: give it a deadline.
//!
//! The low-level clients, every operation of the wire, are [`Chutes::client`] and [`Runner::client`].
mod builder;
mod chute_job;
mod outputs;
mod provider;
mod report;
mod runner;
mod status;

pub use builder::ChutesBuilder;
pub use chute_job::ChuteJob;
pub use consign_chutes::wire::{FinishJob, Outcome as ReportedResult};
pub use consign_chutes::{ApiKey, Hotkey, JobQuota, JobToken, ListChutesOptions, ServerFault, types};
pub use outputs::{OutputFile, Outputs};
pub use provider::{Chutes, Deletion};
pub use report::{Report, Reported};
pub use runner::{Runner, RunnerBuilder};

/// A job of Chutes.
pub type Job = crate::Job<Chutes>;
/// The jobs of Chutes.
pub type Jobs = crate::Jobs<Chutes>;
/// What a look at a job of Chutes showed.
pub type Snapshot = crate::Snapshot<Chutes>;
/// A finished job of Chutes.
pub type Finished = crate::Finished<Chutes>;

//! The job engine of consign: submit, wait, watch, cancel and download, without any provider in it.
//!
//! A provider is an implementation of [`Provider`]; its users see [`Jobs`] and [`Job`]. Waiting is a
//! pure state machine over what each look at a job showed, driven by one task for one job or for
//! thousands. Time, chance and transport come from the provider's HTTP client, so everything here
//! runs in virtual time against a simulator.
//!
//! Rules that hold everywhere:
//! - a submission whose fate is unknown is never repeated; [`Error::delivery`] says so;
//! - an error that belongs to a job carries its [`Ticket`];
//! - a failed job is not a failed wait: [`Finished`] tells how it ended, `Err` means the wait broke;
//! - dropping a future sends nothing more and leaves nothing behind.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod caps;
mod download;
mod dynamic;
mod error;
mod file_name;
mod job;
mod jobs;
mod logs;
mod policy;
mod provider;
mod query;
mod sink;
mod state;
mod submit;
mod ticket;
mod track;
mod turns;
mod watch;

pub use caps::{Batch, Cancel, Caps, List, Logs, Outputs, Priced, Query, Taint};
pub use consign_http::{BoxFuture, CallOptions, Clock, Delivery, ErrorKind, Retry, Violation, Violations};
pub use download::{Artifact, ContentCheck, Locate, Location, Open};
pub use dynamic::{
    DynEvent, DynFinished, DynFound, DynJob, DynJobs, DynLogs, DynPages, DynSnapshot, DynWaitCall, DynWatch,
    DynWatchAll,
};
pub use error::{Error, Result};
pub use file_name::safe_and_distinct as safe_file_name;
pub use job::{CancelCall, Job, TaintCall, WaitCall};
pub use jobs::{Jobs, JobsBuilder};
pub use logs::JobLogs;
pub use policy::{Pace, RetryPolicy, WaitPolicy};
pub use provider::{Cx, FromEnv, LogLine, LogLines, LogStream, Look, Page, Price, Provider, Submitted, TaintReason};
pub use query::{Found, Pages};
pub use state::{Failure, Finished, Item, Outcome, Reason, Snapshot, State};
pub use submit::{SubmitAll, SubmitCall, SubmittedSpec};
pub use ticket::{BadTicket, Ticket};
pub use watch::{Event, Mode, Watch, WatchAll};

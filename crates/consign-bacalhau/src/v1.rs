//! The v1 interface, servers 1.1 and newer: `j-` and a UUID as job ids, no credential unless the server wants one.
mod auth;
mod client;
mod error;
mod job;
mod logs;
mod pages;
mod state;
mod time;

pub use crate::generated::v1::*;
pub use auth::{CLIENT_KEY, client_key_proof};
pub use client::{HTTPS_VARIABLE, KEY_VARIABLE, PASSWORD_VARIABLE, USER_VARIABLE};
pub use error::{error_body, read_error};
pub use logs::read_frame;
pub use state::{ExecutionState, ExecutionStateNumber, Numbering};
pub use time::UnixNanos;

impl types::JobStateType {
    /// Whether a job in this state has ended. A name that is not known has not; and an update or a rerun brings an
    /// ended job back.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Stopped)
    }
}

//! The simulated wires of Bacalhau: v1 and requester.
#![allow(clippy::unwrap_used, clippy::panic)] // a panic in a test is a report

mod common;
mod errors;
mod jobs;
mod logs;
mod reads;
mod requester;
mod results;
mod sockets;
mod versions;

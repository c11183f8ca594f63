//! The NuMind simulator, asked in the process and over sockets.
// A panic in a test is a report.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;
mod jobs;
mod program;
mod shelf;
mod streams;

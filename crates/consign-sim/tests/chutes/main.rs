//! The simulated Chutes, in the process and in virtual time.
#![allow(clippy::unwrap_used, clippy::panic)] // a panic in a test is a report

mod common;
mod credentials;
mod jobs;
mod neighbours;
mod program;
mod runner;

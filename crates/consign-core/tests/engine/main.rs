//! The engine against a provider that plays scripts, in virtual time: each invariant as far as the engine carries it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic in a test is its report")]

mod deadlines;
mod dropping;
mod dynamic;
mod fake;
mod files;
mod ladder;
mod logs;
mod many;
mod pages;
mod random;
mod secrets;
mod streams;
mod submitting;
mod turns;
mod waiting;

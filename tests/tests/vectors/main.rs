//! The vector runner: recorded requests are sent again, recorded answers decoded, through the low-level clients.
//!
//! It reads the folder named by `CONSIGN_VECTORS`, else `tests/vectors`, and writes one JSON line for each vector to
//! the file named by `CONSIGN_VECTORS_REPORT`. A relative name counts from the workspace's root. Each provider has one
//! module here, which knows how its methods are called.
#![allow(unreachable_pub, reason = "in a test program pub means shared between its modules")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a panic in a test is the report")]

mod arguments;
mod bacalhau;
mod bacalhau_broken;
mod bacalhau_signing;
mod broken;
mod chutes;
mod chutes_signing;
mod civitai;
mod compare;
mod line;
mod numind;
mod numind_v0_2;
mod numind_v0_4;
mod report;
mod run;
mod server;
mod spec;
mod streams;

use std::path::{Path, PathBuf};

use bacalhau::Bacalhau;
use chutes::Chutes;
use civitai::Civitai;
use numind::NuMind;

#[test]
fn bacalhau_requests() {
    report::conclude(&run::requests::<Bacalhau>(&folder()));
}

#[test]
fn bacalhau_responses() {
    report::conclude(&run::responses::<Bacalhau>(&folder()));
}

#[test]
fn bacalhau_signing() {
    report::conclude(&bacalhau_signing::signing());
}

#[test]
fn civitai_requests() {
    report::conclude(&run::requests::<Civitai>(&folder()));
}

#[test]
fn civitai_responses() {
    report::conclude(&run::responses::<Civitai>(&folder()));
}

#[test]
fn numind_requests() {
    report::conclude(&run::requests::<NuMind>(&folder()));
}

#[test]
fn numind_responses() {
    report::conclude(&run::responses::<NuMind>(&folder()));
}

#[test]
fn numind_streams() {
    report::conclude(&streams::streams(&folder()));
}

#[test]
fn chutes_requests() {
    report::conclude(&run::requests::<Chutes>(&folder()));
}

#[test]
fn chutes_responses() {
    report::conclude(&run::responses::<Chutes>(&folder()));
}

#[test]
fn chutes_signing() {
    report::conclude(&chutes_signing::cases(&folder()));
}

/// Where the vectors are.
fn folder() -> PathBuf {
    match std::env::var_os("CONSIGN_VECTORS") {
        Some(name) => root().join(name),
        None => root().join("tests/vectors"),
    }
}

/// The workspace's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in a workspace")
}

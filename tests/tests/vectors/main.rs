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
mod civitai;
mod compare;
mod line;
mod report;
mod run;
mod server;
mod spec;

use std::path::{Path, PathBuf};

use bacalhau::Bacalhau;
use civitai::Civitai;

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

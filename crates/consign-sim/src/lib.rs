//! Simulator of job API wires for tests and demonstrations: a library and a binary.
//!
//! A simulator is a server with state: it accepts jobs, moves them through queue and workers under a
//! clock that a test controls, and answers as the real service does, its mistakes included. It is
//! written from descriptions of the wires and shares no code with any client.
//!
//! # A test in three lines
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sim = consign_sim::Civitai::new();
//! let server = sim.serve("127.0.0.1:0").await?; // stops when it is dropped
//! // … let the code under test talk to server.url() …
//! assert_eq!(sim.ledger().submissions(), 0);
//! # assert!(server.url().starts_with("http://127.0.0.1:"));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod chance;
pub mod civitai;
mod clock;
mod faults;
mod front;
mod ledger;
mod serve;

pub use chance::Durations;
pub use civitai::{Civitai, Plan};
pub use faults::{Fault, Faults, RetryAfter, Rule};
pub use front::Broken;
pub use ledger::{Entry, Ledger};

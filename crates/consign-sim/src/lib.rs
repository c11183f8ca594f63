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
//!
//! # In the process, in virtual time
//!
//! [`Civitai::handle`] is a function from request to response; give it to a client whose transport can
//! be replaced. The simulated clock follows tokio's, so with a paused clock
//! (`#[tokio::test(start_paused = true)]`) hours pass in no time.
//!
//! ```
//! use bytes::Bytes;
//! use consign_sim::{Civitai, Fault, Plan};
//! use consign_sim::civitai::operation::SUBMIT;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sim = Civitai::builder().seed(7).speed(1000.0).build();
//! sim.script(|_template, _index| Plan::fail("out of memory").seconds(3.0));
//! sim.faults().once(SUBMIT, Fault::lose_reply());
//!
//! let submit = || {
//!     http::Request::post(format!("{}/v1/consumer/jobs?wait=true", Civitai::URL))
//!         .header("authorization", "Bearer anything")
//!         .header("content-type", "application/json")
//!         .body(Bytes::from_static(br#"{"$type": "comfy", "params": {}}"#))
//! };
//! let broken = sim.handle(submit()?).await.unwrap_err();
//! assert!(broken.request_was_processed);
//! assert_eq!(sim.handle(submit()?).await?.status(), 200);
//! // The client saw one answer, the service made two jobs.
//! assert_eq!(sim.ledger().submissions(), 2);
//! assert_eq!(sim.jobs()[0].submitted, 2);
//! # Ok(())
//! # }
//! ```
//!
//! What becomes of jobs is told in [`bacalhau`], [`chutes`], [`civitai`] and [`numind`]; what can go wrong on the
//! way in [`Fault`] and [`Rule`]. Answers that go on while they are read carry them as [`live`] tells.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod bacalhau;
mod chance;
pub mod chutes;
pub mod civitai;
mod clock;
mod faults;
mod front;
mod ledger;
pub mod live;
pub mod numind;
mod picture;
mod range;
mod serve;

pub use bacalhau::{Bacalhau, Requester};
pub use chance::Durations;
pub use chutes::Chutes;
pub use civitai::{Civitai, Plan};
pub use faults::{Fault, Faults, RetryAfter, Rule};
pub use front::Broken;
pub use ledger::{Entry, Ledger};
pub use numind::NuMind;

/// A simulator that a transport in the process can talk to.
pub trait Simulator: Clone + std::fmt::Debug + Send + Sync + 'static {
    /// Answers one request. What an answer may carry besides its bytes is told in [`live`].
    ///
    /// # Errors
    /// The connection broke, as a fault asked for.
    fn handle(
        &self,
        request: http::Request<bytes::Bytes>,
    ) -> impl Future<Output = Result<http::Response<bytes::Bytes>, Broken>> + Send;
    /// The simulated date.
    fn now(&self) -> std::time::SystemTime;
}

//! One facade over the job APIs of AI and compute clouds: submit, wait, watch, cancel, download.
//!
//! Each provider is a module behind a feature of its name; none is on by default. The calls are the
//! same everywhere, and each provider's own features stay typed in its module.
//!
//! | module | what runs there |
//! |---|---|
//! | `bacalhau` | containers and WebAssembly modules, by the orchestrator's interface (v1) or the older requester |
//! | `chutes` | job methods of deployed chutes; the runner's side too |
//! | `civitai` | picture generation |
//! | `numind` | typed extraction, Markdown and templates out of documents |
//!
//! ```no_run
//! # #[cfg(feature = "civitai")] mod example {
//! use std::time::Duration;
//! use consign::{Jobs, civitai::{Civitai, TextToImage}};
//!
//! # pub async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let jobs = Jobs::<Civitai>::from_env()?; // CIVITAI_API_TOKEN
//! let spec = TextToImage::new("urn:air:sdxl:checkpoint:civitai:101055@128078", "a curious cat")
//!     .negative_prompt("blurred").size(1216, 832).steps(30).cfg_scale(7.5).quantity(4);
//! let job = jobs.submit(&spec).await?;
//! println!("{}", job.ticket()); // store it: it finds the job again, in any process
//! let done = job.wait().timeout(Duration::from_secs(600)).await?;
//! for image in done.into_result()?.images() {
//!     println!("{}", image.save_to("out/").await?.display());
//! }
//! # Ok(()) }
//! # }
//! ```
//!
//! A program can choose its provider at run time: [`DynJobs`] submits typed specs or JSON, [`DynJob`]s of
//! several providers are held in one list and followed in one stream, and a [`Ticket`] finds a job again.
//!
//! What holds on every provider:
//! - A submission whose fate is unknown is never repeated: [`Error::delivery`] says so.
//! - Every error that belongs to a job carries its [`Ticket`].
//! - `Err` from a wait means that the wait broke; how the job ended is in [`Finished`].
//! - Specs are plain values; all violated rules are reported at once, before anything is sent.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(feature = "bacalhau")]
pub mod bacalhau;
#[cfg(feature = "chutes")]
pub mod chutes;
#[cfg(feature = "civitai")]
pub mod civitai;
#[cfg(feature = "numind")]
pub mod numind;
#[cfg(any(feature = "bacalhau", feature = "chutes", feature = "civitai", feature = "numind"))]
mod set_up;

pub use consign_core::*;
/// Credentials, transports and network settings, for the providers' builders.
pub use consign_http::{
    Body, ByteStream, Client as HttpClient, Credentials, DateTime, Network, NetworkSettings, Token, TokioClock,
    Transport, transport,
};

//! Typed low-level client of the Chutes jobs API, for users and for runners: every operation of the wire, nothing
//! more. For submitting, waiting and downloading in a few lines there is the crate `consign`.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use consign_chutes::wire::JobArguments;
//! use consign_chutes::{Client, CreateJobOptions, DownloadOutputFileOptions, GetChuteOptions, GetJobOptions};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = Client::from_env()?; // CHUTES_API_KEY: a key made with `admin`
//!     let chute = client.get_chute("acme/fine-tune", GetChuteOptions::default()).await?;
//!     let chute_id = chute.chute_id.as_deref().ok_or("a chute without an id")?;
//!
//!     let arguments = JobArguments::new(&serde_json::json!({"epochs": 3, "lr": 0.1, "_disk_gb": 50}))?;
//!     let mut job = client.create_job(chute_id, "train", &arguments, CreateJobOptions::default()).await?;
//!     while !job.is_finished() {
//!         tokio::time::sleep(Duration::from_secs(10)).await;
//!         job = client.get_job(&job.job_id, GetJobOptions::default()).await?;
//!     }
//!     println!("{:?}: {:?}", job.progress(), job.result);
//!     for (file_id, file) in job.output_files.iter().flat_map(|files| files.iter()) {
//!         let options = DownloadOutputFileOptions::default();
//!         let bytes = client.download_output_file(&job.job_id, file_id, options).await?.into_value();
//!         println!("{:?}: {} bytes", file.filename, bytes.collect(1 << 30).await?.len());
//!     }
//!     Ok(())
//! }
//! ```
//!
//! - [`Client`] is the user's side, [`Runner`] the side of the process that runs a job; each has one method for each
//!   of its operations. Path values, required parameters and the body are arguments; optional parameters are in one
//!   struct for each operation, which also takes the call's own time limit.
//! - [`types`] are the wire types. Every enumeration is open, unknown members never fail, `null` and absent are the
//!   same, except in a [`wire::FinishJob`]. Dates keep their text; one without an offset is UTC.
//! - The service tells no status word: [`Job::progress`](types::Job::progress) infers it. A job whose method failed
//!   usually cannot be read at all; [`ServerFault`] says what a 500 means, and [`JobQuota`] what a quota error counts.
//! - An API key ([`ApiKey`]) or a session token does everything; a [`Hotkey`] signs what the service takes signatures
//!   for.
//! - A [`Reply`] derefs to its value and keeps status, headers and the raw bytes. An [`Error`] says what kind of thing
//!   went wrong, whether the server may have acted on the request, and when a repeat makes sense.
//! - Nothing is repeated by itself: the interface has no idempotency key, and a creation that failed with a 5xx may
//!   have made a job.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod address;
mod api_key;
mod arguments;
mod client;
mod error;
mod file_id;
mod finite;
#[rustfmt::skip]
mod generated;
pub mod hotkey;
pub mod runner;
mod state;
pub mod wire;

pub use address::Address;
pub use api_key::ApiKey;
pub use client::{API_KEY_VARIABLE, BASE_URL_VARIABLE, PRODUCTION};
pub use consign_http::{
    Body, ByteStream, CallOptions, ClientBuilder, DateTime, Delivery, Error, ErrorKind, Form, Id, Part, Reply, Retry,
    Token,
};
pub use error::{JobQuota, ServerFault, read_error};
pub use file_id::file_id;
pub use generated::api::*;
pub use hotkey::Hotkey;
pub use runner::{JobToken, StatusUrl, upload_form};
pub use state::Progress;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

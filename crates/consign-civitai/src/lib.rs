//! Typed low-level client of the Civitai orchestration jobs API (consumer v1): every operation of the wire, nothing
//! more. For submitting, waiting and downloading in a few lines there is the crate `consign`.
//!
//! ```no_run
//! use consign_civitai::{Air, Client, Error, V1ConsumerJobsGetOptions, V1ConsumerJobsPostOptions, types};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = Client::from_env()?; // CIVITAI_API_TOKEN
//!     let model = Air::civitai("sdxl", "checkpoint", 101055, 128078)?;
//!     let params = types::ImageJobParams::new(1024, 1024).prompt("a curious cat").steps(30);
//!     let template = types::TextToImageJobRequest::new().model(model.to_string()).params(params).quantity(2);
//!
//!     let options = V1ConsumerJobsPostOptions::default().wait(true);
//!     let body = types::JobTemplate::TextToImage(template).into();
//!     let submitted = client.v1_consumer_jobs_post(Some(&body), options).await?;
//!     let token = submitted.into_value().and_then(|jobs| jobs.token).ok_or("no token")?;
//!
//!     let options = V1ConsumerJobsGetOptions::default().wait(true);
//!     let status = client.v1_consumer_jobs_get(&token, options).await?;
//!     for job in status.into_value().and_then(|jobs| jobs.jobs).unwrap_or_default() {
//!         for blob in job.result.iter().flat_map(|result| result.blobs()) {
//!             println!("{:?} {:?}", job.job_id, blob.blob_url);
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! - [`Client`] has one method for each operation. Path values, required parameters and the body are arguments;
//!   optional parameters are in one struct for each operation, which also takes the call's own time limit.
//! - [`types`] are the wire types. Every enumeration is open, unknown members never fail, `null` and absent are the
//!   same. Dates and time spans keep their text; [`Air`] and [`TimeSpan`] read and write such texts.
//! - A [`Reply`] derefs to its value and keeps status, headers and the raw bytes. An [`Error`] says what kind of thing
//!   went wrong, whether the server may have acted on the request, and when a repeat makes sense.
//! - Nothing is repeated by itself: the interface has no idempotency key.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod air;
mod client;
mod error;
#[rustfmt::skip]
mod generated;
mod places;
mod time_span;
pub mod wire;

pub use air::{Air, AirBuilder, AirError, AirErrorKind};
pub use client::{BASE_URL_VARIABLE, DEVELOPMENT, PRODUCTION, TOKEN_VARIABLE};
pub use consign_http::{CallOptions, ClientBuilder, DateTime, Delivery, Error, ErrorKind, Id, Reply, Retry, Token};
pub use error::read_error;
pub use generated::v1::*;
pub use time_span::{TimeSpan, TimeSpanError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

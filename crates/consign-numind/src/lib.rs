//! Typed low-level client of NuMind's NuExtract platform: every job operation of its interface, the event stream,
//! and nothing more. For submitting, waiting and decoding in a few lines there is the crate `consign`.
//!
//! ```no_run
//! use consign_numind::v0_2::{
//!     Client, GetApiJobsJobidStreamOptions, PostApiTemplateGenerationJobsTextOptions, types,
//! };
//! use consign_numind::{Error, JobEvent};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = Client::from_env()?; // NUMIND_API_KEY or NUEXTRACT_API_KEY
//!     let wanted = types::TemplateRequest::new("Take number, date and total from an invoice.");
//!     let options = PostApiTemplateGenerationJobsTextOptions::default().timeout("10m");
//!     let submitted = client.post_api_template_generation_jobs_text(&wanted, options).await?;
//!     let job_id = submitted.into_value().job_id.ok_or("no job id")?;
//!
//!     let mut events = client.job_events(&job_id, GetApiJobsJobidStreamOptions::default()).await?;
//!     while let Some(event) = events.next().await {
//!         match event? {
//!             JobEvent::Result(job) if job.status == Some(types::JobStatus::Completed) => {
//!                 let output = job.output_data.ok_or("no output")?;
//!                 let template: types::TemplateResponse = output.parse()?;
//!                 println!("{:?}", template.result);
//!             }
//!             JobEvent::Result(job) => println!("{:?}: {:?}", job.status, job.error_message),
//!             JobEvent::Refused(error) | JobEvent::Error(error) => println!("{error}"),
//!             _ => println!("still at it"),
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! - [`v0_2`] and [`v0_4`] are the interface as the provider's clients of versions 0.2.0 and 0.4.2 see it, each behind
//!   the feature of its name; both are on. The service is one: a client of either over the same
//!   [`http`](v0_2::Client::http) adds what the other lacks. Only `v0_2` has `get_api_jobs_jobid`, which tells why a
//!   job failed; only `v0_4` has cancelling, repair reports and extraction without a project.
//! - A `Client` has one method for each operation, named as in the provider's Python client. Path values, required
//!   parameters and the body are arguments; optional parameters are in one struct for each operation, which also takes
//!   the call's own time limit. `job_events` and `submit_file` come on top.
//! - `types` are the wire types. Every enumeration is open, unknown members never fail, `null` and absent are the
//!   same, no member of an answer is taken for granted. Templates and results are free-form JSON.
//! - A [`Reply`] derefs to its value and keeps status, headers and the raw bytes. An [`Error`] says what kind of thing
//!   went wrong, whether the server may have acted on the request, and when a repeat makes sense.
//! - Nothing is repeated by itself, but for one thing: a call that is answered 401 is sent again with a renewed token
//!   of [`OAuth`]. The interface has no idempotency key: a repeated submission is another job.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(any(feature = "v0_2", feature = "v0_4")), allow(dead_code, unused_imports))]

mod client;
mod error;
mod events;
mod forms;
#[rustfmt::skip]
mod generated;
mod oauth;
pub mod wire;

pub use client::{BASE_URL_VARIABLES, PRODUCTION, TOKEN_VARIABLES, builder};
pub use consign_http::sse::Event;
pub use consign_http::{
    Body, ByteStream, CallOptions, ClientBuilder, DateTime, Delivery, Error, ErrorKind, Form, Id, Part, Reply, Retry,
    Token,
};
pub use error::{JOB_NOT_COMPLETED, JOB_TIMEOUT, QUOTA_EXCEEDED, error_code, read_error};
pub use events::{JobEvent, JobEvents};
pub use forms::file_form;
#[cfg(feature = "v0_2")]
pub use generated::v0_2;
#[cfg(feature = "v0_4")]
pub use generated::v0_4;
pub use oauth::{OAuth, TOKEN_URL};

#[cfg(all(doctest, feature = "v0_2", feature = "v0_4"))]
#[doc = include_str!("../README.md")]
mod readme {}

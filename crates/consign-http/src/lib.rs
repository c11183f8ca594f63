//! What the consign clients share: transport, request building, errors, clocks and credentials.
//!
//! A low-level crate describes its operations ([`Operation`]), builds a [`Request`] for each call
//! and ends in one call of a [`Client`], which adds the credential, keeps the time limit, bounds the
//! body and turns everything that can go wrong into one [`Error`]. An [`Error`] knows what a caller
//! needs to act: its [`ErrorKind`], whether the server may have seen the request ([`Delivery`]) and
//! when a repeat makes sense ([`Retry`]).
//!
//! Three things are injected, so that a test can run in virtual time and without a socket: the
//! [`Transport`], the [`Clock`] and the [`Credentials`]; or a [`Signer`], where the credential depends on
//! what is sent.
//!
//! ```
//! use consign_http::{Client, Error, Operation, Request, Token, transport};
//!
//! static PING: Operation = Operation {
//!     id: "ping", method: http::Method::GET, path: "/v1/ping/{name}", accept: "application/json", empty: &[],
//! };
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
//! let server = transport::from_fn(|request: http::Request<bytes::Bytes>| async move {
//!     assert_eq!(request.uri().path(), "/v1/ping/a%20b");
//!     Ok(http::Response::new(bytes::Bytes::from_static(b"{\"pong\":true}")))
//! });
//! let client = Client::builder("https://api.example.com")?.token(Token::new("secret")?).transport(server).build()?;
//! let reply = client.json::<serde_json::Value>(Request::new(&PING, &[&"a b"])?).await?;
//! assert_eq!(reply["pong"], true);
//! # Ok(()) }
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod auth;
mod body;
mod client;
mod clock;
mod error;
mod failure;
mod network;
mod request;
mod shape;
#[cfg(feature = "sse")]
pub mod sse;
pub mod transport;
mod upgrade;
mod violations;
mod wire;

pub use auth::{Credentials, Signer, Token, Unsigned};
pub use body::{Body, ByteStream};
#[cfg(feature = "multipart")]
pub use body::{Form, Part};
pub use client::{Client, ClientBuilder, Reply};
pub use clock::{Clock, TokioClock, sleep_until, timeout};
pub use error::{Delivery, Error, ErrorKind, Retry};
pub use failure::{ErrorDetail, ErrorReader, Failure};
pub use network::{Network, NetworkSettings};
pub use request::{CallOptions, Operation, Request};
pub use transport::Transport;
pub use upgrade::{Duplex, Upgraded};
pub use violations::{Violation, Violations};
pub use wire::{DateTime, Id};

/// A boxed future that can move between threads, as the object-safe traits here return it.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn std::future::Future<Output = T> + Send + 'a>>;
/// What the calls of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

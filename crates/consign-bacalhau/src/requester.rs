//! The requester interface, servers up to 1.3.x: bare UUIDs as job ids, signed requests, answers of many shapes.
//!
//! ```no_run
//! use consign_bacalhau::requester::{Client, PayloadMember, StatesOptions, SubmitEnvelope, SubmitOptions, types};
//! use consign_bacalhau::Identity;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = Client::new("http://127.0.0.1:1234")?;
//!     let identity = Identity::load()?; // user_id.pem of the provider's own clients
//!     let docker = types::JobSpecDocker::new().image("ubuntu").entrypoint(vec!["date".to_owned()]);
//!     let spec = types::Spec::new()
//!         .engine(types::Engine::Docker)
//!         .verifier(types::Verifier::Noop)
//!         .publisher(types::Publisher::Noop)
//!         .docker(docker)
//!         .deal(types::Deal::new().concurrency(1));
//!     let payload = types::JobCreatePayload::new(identity.client_id(), "V1beta1", spec);
//!
//!     // Which name the payload has depends on the server's version; a wrong one is answered with a closed connection.
//!     let member = PayloadMember::for_submit(client.server_version().await?);
//!     let envelope = SubmitEnvelope::sign(&identity, &payload, member)?;
//!     let job = client.submit(&envelope, SubmitOptions::default()).await?.into_value().job.ok_or("no job")?;
//!
//!     let id = job.metadata.and_then(|metadata| metadata.id).ok_or("no id")?;
//!     let request = types::StateRequest::new().client_id(identity.client_id()).job_id(id.as_str());
//!     println!("{:?}", client.states(&request, StatesOptions::default()).await?.state);
//!     Ok(())
//! }
//! ```
mod client;
mod envelope;
mod error;
#[cfg(feature = "logs")]
mod follow;
mod wire;

pub use crate::generated::requester::*;
pub use client::BOOTSTRAP;
pub use envelope::{CancelEnvelope, Envelope, LogsEnvelope, PayloadMember, SubmitEnvelope};
pub use error::{error_body, read_error};
pub use wire::{Event, ListedJob};

impl types::LogsPayload {
    /// A request for the output of an execution, without what was written before, to its present end.
    pub fn new(client_id: impl Into<String>, job_id: impl Into<String>, execution_id: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            job_id: job_id.into(),
            execution_id: execution_id.into(),
            with_history: None,
            follow: None,
        }
    }
}

impl types::ExecutionStateType {
    /// Whether an execution in this state has ended. A name that is not known has not.
    pub fn is_terminal(&self) -> bool {
        use types::ExecutionStateType as State;
        matches!(
            self,
            State::AskForBidRejected
                | State::BidRejected
                | State::ResultRejected
                | State::Completed
                | State::Failed
                | State::Cancelled
                | State::Canceled
        )
    }
}

impl types::JobStateType {
    /// Whether a job in this state has ended. A name that is not known has not.
    pub fn is_terminal(&self) -> bool {
        use types::JobStateType as State;
        matches!(
            self,
            State::Completed | State::CompletedPartially | State::Error | State::Cancelled | State::PartialError
        )
    }
}

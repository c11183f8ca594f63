//! Civitai: picture generation through the orchestration consumer API (v1).
//!
//! - [`TextToImage`] and [`Comfy`] describe work; [`Template`] takes either, or a raw JSON object.
//! - `Jobs::<Civitai>` submits, waits, cancels, taints, queries and downloads.
//! - [`Civitai`] itself has what only this provider has: coverage, consumption, taint by properties.
//! - [`Webhook`] reads the bodies that Civitai posts to a callback URL.
//!
//! `Jobs::from_env` reads the token from `CIVITAI_API_TOKEN`.
//!
//! The low-level client, every operation of the wire, is [`Civitai::client`].
mod builder;
mod comfy;
mod control_net;
mod images;
mod model;
mod network;
mod params;
mod properties;
mod provider;
mod query;
mod settings;
mod shown;
mod status;
mod template;
mod text_to_image;
mod webhook;

pub use builder::CivitaiBuilder;
pub use comfy::Comfy;
pub use consign_civitai::types::{JobEvent, JobStatus, JobStatusCollection, ProviderAssetAvailability, Scheduler};
pub use consign_civitai::{Air, AirError, TimeSpan, types};
pub use control_net::{ControlNet, ImageSource};
pub use images::{Image, Images};
pub use model::Model;
pub use network::AdditionalNetwork;
pub use params::{ImageParams, scheduler_from_alias};
pub use provider::{Civitai, Consumption};
pub use query::JobQuery;
pub use settings::{JobSettings, Priority, PriorityLevel, Timeout};
pub use template::Template;
pub use text_to_image::TextToImage;
pub use webhook::Webhook;

/// A job of Civitai.
pub type Job = crate::Job<Civitai>;
/// The jobs of Civitai.
pub type Jobs = crate::Jobs<Civitai>;
/// What a look at a job of Civitai showed.
pub type Snapshot = crate::Snapshot<Civitai>;
/// A finished job of Civitai.
pub type Finished = crate::Finished<Civitai>;

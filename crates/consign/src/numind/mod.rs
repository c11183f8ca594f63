//! NuMind: values, Markdown and templates out of documents and texts, by the NuExtract platform.
//!
//! - [`extract`] asks for a type of yours and gives one; [`StructuredExtraction`] asks by a [`Template`] or a project.
//! - [`ContentExtraction`] makes Markdown, [`TemplateGeneration`] templates.
//! - `Jobs::<NuMind>` submits, waits over the event stream, lists, cancels; [`Output`] reads what a job gave.
//! - [`NuMind`] itself has files, documents, projects, results of ended jobs and reports.
//!
//! `Jobs::from_env` reads the key from `NUMIND_API_KEY` or `NUEXTRACT_API_KEY`.
//!
//! The low-level clients, every operation of the wire, are [`NuMind::client`] and [`NuMind::client_v0_2`].
mod builder;
mod extract;
mod files;
mod filter;
mod input;
mod outputs;
mod provider;
mod send;
mod settings;
mod specs;
mod status;
mod template;
mod temporary;

pub use builder::NuMindBuilder;
pub use consign_numind::{OAuth, v0_2, v0_4};
pub use extract::{Extract, extract};
pub use filter::JobFilter;
pub use input::{File, Input};
pub use outputs::{Content, Extracted, GeneratedTemplate, Output, Tokens};
pub use provider::{Api, NuMind, Upload};
/// For [`extract`]; derive with a `schemars` of your own, version 1.
pub use schemars::JsonSchema;
pub use settings::{Dpi, ImageWidth, Limit, Seed, Settings};
pub use specs::{ContentExtraction, Spec, StructuredExtraction, TemplateGeneration};
pub use status::Record;
pub use template::Template;

/// A job of NuMind.
pub type Job = crate::Job<NuMind>;
/// The jobs of NuMind.
pub type Jobs = crate::Jobs<NuMind>;
/// What a look at a job of NuMind showed.
pub type Snapshot = crate::Snapshot<NuMind>;
/// A finished job of NuMind.
pub type Finished = crate::Finished<NuMind>;

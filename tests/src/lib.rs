//! What the test targets of this package share; and the code of the documents, compiled.

#[cfg(feature = "bacalhau")]
pub mod bacalhau;
#[cfg(all(feature = "bacalhau", feature = "civitai"))]
pub mod bare;
#[cfg(feature = "chutes")]
pub mod chutes;
pub mod conformance;
pub mod env;
pub mod in_process;
pub mod many;
pub mod measured;
#[cfg(feature = "numind")]
pub mod numind;
pub mod plain;
#[cfg(feature = "civitai")]
pub mod scripted;

#[cfg(all(doctest, feature = "bacalhau", feature = "chutes", feature = "civitai", feature = "numind"))]
#[doc = include_str!("../../README.md")]
mod readme {}

#[cfg(all(doctest, feature = "bacalhau", feature = "chutes", feature = "civitai", feature = "numind"))]
#[doc = include_str!("../../docs/from-other-clients.md")]
mod from_other_clients {}

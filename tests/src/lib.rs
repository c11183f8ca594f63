//! What the test targets of this package share; and the code of the documents, compiled.

pub mod bare;
pub mod in_process;
pub mod many;
pub mod measured;
pub mod plain;
pub mod scripted;

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

#[cfg(doctest)]
#[doc = include_str!("../../docs/from-other-clients.md")]
mod from_other_clients {}

//! Maintainer commands of the workspace.
fn main() {}

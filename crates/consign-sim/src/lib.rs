//! Simulator of job API wires for tests and demonstrations: a library and a binary.

//! Bacalhau: container and WebAssembly jobs through the orchestrator API (v1) and the older requester API.

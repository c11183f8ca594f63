//! The simulated Bacalhau: the orchestrator API (v1) and the older requester API.

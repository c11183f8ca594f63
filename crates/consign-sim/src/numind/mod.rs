//! The simulated NuMind API.

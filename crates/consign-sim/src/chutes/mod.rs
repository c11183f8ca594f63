//! The simulated Chutes jobs API.

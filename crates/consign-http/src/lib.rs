//! What the consign clients share: transport, request building, errors, clocks and credentials.

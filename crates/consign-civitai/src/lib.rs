//! Typed low-level client of the Civitai orchestration jobs API (consumer v1).

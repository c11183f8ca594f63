//! Additional networks: LoRA, embedding, VAE and the like.
use consign_civitai::types::{AssetType, ImageJobNetworkParams};
use consign_core::Violations;

use super::settings::check_range;

/// How an additional network takes part. Nothing is required: the server takes a strength of 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdditionalNetwork {
    pub(crate) wire: ImageJobNetworkParams,
}

impl AdditionalNetwork {
    /// A network with the server's defaults.
    pub fn new() -> Self {
        Self::default()
    }
    /// The weight: any finite number; usual are 0 to 2, negative ones are allowed. Unset: 1.
    #[must_use]
    pub fn strength(mut self, strength: f64) -> Self {
        self.wire.strength = Some(strength);
        self
    }
    /// The word that triggers an embedding; not blank.
    #[must_use]
    pub fn trigger_word(mut self, word: impl Into<String>) -> Self {
        self.wire.trigger_word = Some(word.into());
        self
    }
    /// The weight in the text encoder, 0 to 2. Known from a third-party client only.
    #[must_use]
    pub fn clip_strength(mut self, strength: f64) -> Self {
        self.wire.clip_strength = Some(strength);
        self
    }
    /// The kind of network. Not needed: the server reads it from the AIR.
    #[must_use]
    pub fn network_type(mut self, kind: impl Into<AssetType>) -> Self {
        self.wire.type_ = Some(kind.into());
        self
    }

    pub(crate) fn check(&self, prefix: &str, out: &mut Violations) {
        if let Some(strength) = self.wire.strength.filter(|s| !s.is_finite()) {
            out.add(format!("{prefix}.strength"), strength, "a finite number, usually 0..=2");
        }
        check_range(out, &format!("{prefix}.clipStrength"), self.wire.clip_strength, 0.0..=2.0);
        if let Some(word) = self.wire.trigger_word.as_deref().filter(|w| w.trim().is_empty()) {
            out.add(format!("{prefix}.triggerWord"), word, "a word that is not blank");
        }
    }
}

//! Control nets: a picture that guides the drawing.
use std::fmt;

use consign_civitai::types::{ImageJobControlNet, ImageTransformer};
use consign_core::Violations;

use super::settings::{check_range, is_web_url};
use super::shown::{self, Shown};
use super::text_to_image::json;

/// Where a control net's picture is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageSource {
    /// On the web.
    Url(String),
    /// Already stored by the service, under this key.
    BlobKey(String),
    /// Inline: base64 or a data URL. Known from a third-party client only.
    Inline(String),
}

/// An address without its query, which may be signed; inline data by its length.
impl fmt::Debug for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => write!(f, "Url({:?})", shown::url(url)),
            Self::BlobKey(key) => write!(f, "BlobKey({key:?})"),
            Self::Inline(data) => write!(f, "Inline({} bytes)", data.len()),
        }
    }
}

/// A picture that guides the drawing. Exactly one source is needed; setting another replaces it.
#[derive(Clone, Default, PartialEq)]
pub struct ControlNet {
    pub(crate) wire: ImageJobControlNet,
}

impl ControlNet {
    /// A control net without a picture yet.
    pub fn new() -> Self {
        Self::default()
    }
    /// With a picture on the web: an absolute `http` or `https` URL.
    #[must_use]
    pub fn image_url(self, url: impl Into<String>) -> Self {
        self.image(ImageSource::Url(url.into()))
    }
    /// With a picture that the service has stored.
    #[must_use]
    pub fn blob_key(self, key: impl Into<String>) -> Self {
        self.image(ImageSource::BlobKey(key.into()))
    }
    /// With an inline picture: base64 or a data URL. Known from a third-party client only.
    #[must_use]
    pub fn inline_image(self, data: impl Into<String>) -> Self {
        self.image(ImageSource::Inline(data.into()))
    }
    /// With a picture from anywhere; it replaces the one before.
    #[must_use]
    pub fn image(mut self, source: ImageSource) -> Self {
        (self.wire.image_url, self.wire.blob_key, self.wire.image) = match source {
            ImageSource::Url(url) => (Some(url), None, None),
            ImageSource::BlobKey(key) => (None, Some(key), None),
            ImageSource::Inline(data) => (None, None, Some(data)),
        };
        self
    }
    /// What is drawn out of the picture first: edges, depth, … An unknown name is sent as it is.
    #[must_use]
    pub fn preprocessor(mut self, preprocessor: impl Into<ImageTransformer>) -> Self {
        self.wire.preprocessor = Some(preprocessor.into());
        self
    }
    /// How strongly it guides, 0 to 2. Unset: 1.
    #[must_use]
    pub fn weight(mut self, weight: f64) -> Self {
        self.wire.weight = Some(weight);
        self
    }
    /// From which part of the run it guides, 0 to 1 and not above the end.
    #[must_use]
    pub fn start_step(mut self, fraction: f64) -> Self {
        self.wire.start_step = Some(fraction);
        self
    }
    /// Up to which part of the run it guides, 0 to 1.
    #[must_use]
    pub fn end_step(mut self, fraction: f64) -> Self {
        self.wire.end_step = Some(fraction);
        self
    }
    /// The control net's model. Known from a third-party client only; the service documents no such member.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.wire.extra.insert("model".to_owned(), model.into().into());
        self
    }

    pub(crate) fn check(&self, prefix: &str, out: &mut Violations) {
        let sources = [&self.wire.image_url, &self.wire.blob_key, &self.wire.image];
        let given: Vec<&String> = sources.into_iter().flatten().collect();
        if given.len() != 1 {
            out.add(prefix, format!("{} pictures", given.len()), "exactly one of imageUrl, blobKey and image");
        }
        if let Some(url) = self.wire.image_url.as_deref().filter(|url| !is_web_url(url)) {
            out.add(format!("{prefix}.imageUrl"), shown::url(url), "an absolute http or https URL");
        }
        for (member, text) in [("blobKey", &self.wire.blob_key), ("image", &self.wire.image)] {
            if let Some(text) = text.as_deref().filter(|t| t.trim().is_empty()) {
                out.add(format!("{prefix}.{member}"), text, "a text that is not blank");
            }
        }
        check_range(out, &format!("{prefix}.weight"), self.wire.weight, 0.0..=2.0);
        check_range(out, &format!("{prefix}.startStep"), self.wire.start_step, 0.0..=1.0);
        check_range(out, &format!("{prefix}.endStep"), self.wire.end_step, 0.0..=1.0);
        if let (Some(start), Some(end)) = (self.wire.start_step, self.wire.end_step)
            && start > end
        {
            out.add(format!("{prefix}.startStep"), start, format!("not above endStep, {end}"));
        }
    }
}

/// As it is written into a template; the picture's address without its query, inline data cut short.
impl fmt::Debug for ControlNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ControlNet {:?}", Shown(&json(&self.wire)))
    }
}

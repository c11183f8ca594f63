//! `Model`: the name of a model or another resource.
use consign_civitai::Air;
use consign_core::Violations;

/// A model or another resource, as it is named to Civitai: an AIR, as text or as an [`Air`]; for a model
/// also the older `@civitai/VERSION`. Text is checked when the spec is, and sent as it was given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Model {
    text: String,
    checked: bool,
}

impl Model {
    /// A name that is sent as it is. Only a blank one is refused.
    pub fn raw(text: impl Into<String>) -> Self {
        Self { text: text.into(), checked: false }
    }
    /// The name as it is sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// The name as an AIR, if it is one.
    pub fn air(&self) -> Option<Air> {
        self.text.parse().ok()
    }
    /// Whether it is sent without a check.
    pub(crate) fn is_raw(&self) -> bool {
        !self.checked
    }
    /// Whether both name the same thing, perhaps written differently.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.text == other.text || self.air().is_some_and(|air| other.air() == Some(air))
    }
    /// Adds a violation unless it is an AIR or the older `@civitai/VERSION`.
    pub(crate) fn check(&self, member: &str, out: &mut Violations) {
        let version = self.text.strip_prefix("@civitai/").unwrap_or("");
        if version.is_empty() || !version.bytes().all(|b| b.is_ascii_digit()) {
            self.check_air(member, out);
        }
    }
    /// Adds a violation unless it is an AIR.
    pub(crate) fn check_air(&self, member: &str, out: &mut Violations) {
        if self.text.trim().is_empty() {
            out.add(member, &self.text, "required: an AIR such as urn:air:sdxl:checkpoint:civitai:101055@128078");
        } else if self.checked
            && let Err(e) = self.text.parse::<Air>()
        {
            out.add(member, &self.text, format!("an AIR identifier ({e})"));
        }
    }
}

impl From<&str> for Model {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), checked: true }
    }
}
impl From<String> for Model {
    fn from(text: String) -> Self {
        Self { text, checked: true }
    }
}
impl From<Air> for Model {
    fn from(air: Air) -> Self {
        Self::from(&air)
    }
}
/// Without an ecosystem (`civitai:58390@62833`) it is written as the service's own samples do: without
/// `urn:air:` in front.
impl From<&Air> for Model {
    fn from(air: &Air) -> Self {
        let text = air.to_string();
        match text.strip_prefix("urn:air:") {
            Some(short) if air.ecosystem().is_none() => Self::from(short),
            _ => Self::from(text),
        }
    }
}

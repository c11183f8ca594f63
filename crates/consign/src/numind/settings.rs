//! How the service works on a submission: chance, limits, resolution, time.
use std::time::Duration;

use consign_core::Violations;
use serde::{Deserialize, Serialize, Serializer, ser::Error as _};

use super::Api;

/// The most tokens that the examples of a project may take in a prompt.
const MOST_EXAMPLE_TOKENS: i64 = 130_000;

/// A number of tokens or of examples, or as many as there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Limit {
    /// At most this many.
    At(u64),
    /// No limit.
    Unlimited,
}

impl From<u64> for Limit {
    fn from(most: u64) -> Self {
        Self::At(most)
    }
}

impl Limit {
    fn text(self, api: Api) -> String {
        match (self, api) {
            (Self::At(most), _) => most.to_string(),
            (Self::Unlimited, Api::V0_2) => "0".to_owned(),
            (Self::Unlimited, Api::V0_4) => "Unlimited".to_owned(),
        }
    }
}

/// The resolution at which pages are drawn, in dots an inch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Dpi {
    /// The service decides.
    Automatic,
    /// This many.
    At(u32),
}

impl From<u32> for Dpi {
    fn from(dpi: u32) -> Self {
        Self::At(dpi)
    }
}

/// The width to which pictures are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ImageWidth {
    /// The service decides.
    Automatic,
    /// They stay as they are.
    Original,
    /// This many pixels.
    Pixels(u32),
}

impl From<u32> for ImageWidth {
    fn from(pixels: u32) -> Self {
        Self::Pixels(pixels)
    }
}

/// Where chance begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Seed {
    /// Anew for each job.
    Random,
    /// The same each time.
    At(i64),
}

impl From<i64> for Seed {
    fn from(seed: i64) -> Self {
        Self::At(seed)
    }
}

/// Settings of a submission. A plain value: keep it and use it for many specs. What is not set is the project's value,
/// or the service's.
///
/// Not every submission takes every setting; one that is set where it is not taken is a violation, not ignored.
/// Thinking, loops, seed and width are known to servers of version 0.4 only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "finite")]
    temperature: Option<f64>,
    #[serde(rename = "rasterizationDPI", default, skip_serializing_if = "Option::is_none")]
    rasterization_dpi: Option<Dpi>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<Limit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_example_token_number: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_example_number: Option<Limit>,
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "finite")]
    min_example_similarity: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enable_thinking: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thinking_token_budget: Option<Limit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    loop_detection: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    random_seed: Option<Seed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image_width: Option<ImageWidth>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<Duration>,
}

/// A number that JSON can hold.
fn finite<S: Serializer>(number: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) if !number.is_finite() => Err(S::Error::custom("a number that JSON cannot hold")),
        number => number.serialize(serializer),
    }
}

impl Settings {
    /// Nothing set.
    pub fn new() -> Self {
        Self::default()
    }
    /// How much chance there is in the answer: 0 to 2, and to 1 for servers of version 0.2. Markdown: 0 if unset.
    #[must_use]
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.temperature = Some(temperature);
        self
    }
    /// The resolution at which pages of PDF and office files are drawn: 1 to 600 dots an inch or
    /// [`Dpi::Automatic`]; for servers of version 0.2 1 to 300. Pictures and texts are left as they are.
    #[must_use]
    pub fn rasterization_dpi(mut self, dpi: impl Into<Dpi>) -> Self {
        self.rasterization_dpi = Some(dpi.into());
        self
    }
    /// The longest answer, in tokens: 1 or more, or [`Limit::Unlimited`].
    #[must_use]
    pub fn max_output_tokens(mut self, most: impl Into<Limit>) -> Self {
        self.max_output_tokens = Some(most.into());
        self
    }
    /// How many tokens the project's examples may take: 0 to 130,000.
    #[must_use]
    pub fn max_example_token_number(mut self, most: i64) -> Self {
        self.max_example_token_number = Some(most);
        self
    }
    /// How many of the examples are used: 0 for none, or [`Limit::Unlimited`]. For servers of version 0.2 1 or more,
    /// because they take 0 for no limit.
    #[must_use]
    pub fn max_example_number(mut self, most: impl Into<Limit>) -> Self {
        self.max_example_number = Some(most.into());
        self
    }
    /// How similar an example must be to be used: 0 for any, to 1 for the same.
    #[must_use]
    pub fn min_example_similarity(mut self, least: f64) -> Self {
        self.min_example_similarity = Some(least);
        self
    }
    /// Whether the model thinks before it answers.
    #[must_use]
    pub fn enable_thinking(mut self, thinks: bool) -> Self {
        self.enable_thinking = Some(thinks);
        self
    }
    /// How long it may think, in tokens: 1 or more, or [`Limit::Unlimited`].
    #[must_use]
    pub fn thinking_token_budget(mut self, most: impl Into<Limit>) -> Self {
        self.thinking_token_budget = Some(most.into());
        self
    }
    /// Whether an answer that goes in circles is stopped.
    #[must_use]
    pub fn loop_detection(mut self, detects: bool) -> Self {
        self.loop_detection = Some(detects);
        self
    }
    /// Where chance begins.
    #[must_use]
    pub fn random_seed(mut self, seed: impl Into<Seed>) -> Self {
        self.random_seed = Some(seed.into());
        self
    }
    /// The width to which pictures are scaled, 1 pixel or more.
    #[must_use]
    pub fn image_width(mut self, width: impl Into<ImageWidth>) -> Self {
        self.image_width = Some(width.into());
        self
    }
    /// How long the job may run, more than 0, to the millisecond. It is the job's limit, not the call's. Unset: the
    /// server decides, an hour at the moment; it raises what is under 5 minutes.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Adds what is wrong with them for a server of this version, and those that are not in `taken`.
    pub(super) fn check(&self, taken: &[&str], by: &str, api: Api, out: &mut Violations) {
        let old = api == Api::V0_2;
        let hottest = if old { 1.0 } else { 2.0 };
        range(out, "temperature", self.temperature, hottest);
        range(out, "minExampleSimilarity", self.min_example_similarity, 1.0);
        match self.rasterization_dpi {
            Some(Dpi::At(dpi)) if !(1..=if old { 300 } else { 600 }).contains(&dpi) => {
                out.add("rasterizationDPI", dpi, if old { "1..=300" } else { "1..=600" });
            }
            Some(Dpi::Automatic) if old => out.add("rasterizationDPI", "automatic", "1..=300"),
            _ => {}
        }
        for (name, limit) in
            [("maxOutputTokens", self.max_output_tokens), ("thinkingTokenBudget", self.thinking_token_budget)]
        {
            if limit == Some(Limit::At(0)) {
                out.add(name, 0, "1 or more, or Limit::Unlimited");
            }
        }
        if old && self.max_example_number == Some(Limit::At(0)) {
            out.add("maxExampleNumber", 0, "1 or more: 0 is no limit for servers of version 0.2");
        }
        if let Some(tokens) = self.max_example_token_number.filter(|n| !(0..=MOST_EXAMPLE_TOKENS).contains(n)) {
            out.add("maxExampleTokenNumber", tokens, format!("0..={MOST_EXAMPLE_TOKENS}"));
        }
        if self.image_width == Some(ImageWidth::Pixels(0)) {
            out.add("imageWidth", 0, "1 or more");
        }
        if self.timeout.is_some_and(|limit| limit.as_millis() == 0) {
            out.add("timeout", format!("{:?}", self.timeout.unwrap_or_default()), "1 ms or more");
        }
        let new = ["enableThinking", "thinkingTokenBudget", "loopDetection", "randomSeed", "imageWidth"];
        for (name, value) in self.set() {
            if !taken.contains(&name) {
                out.add(name, value, format!("not taken {by}"));
            } else if old && new.contains(&name) {
                out.add(name, value, "not taken by servers of version 0.2");
            }
        }
    }
    /// The names of what is set, and the values for people.
    fn set(&self) -> impl Iterator<Item = (&'static str, String)> {
        fn shown<T: std::fmt::Debug>(value: &Option<T>) -> Option<String> {
            value.as_ref().map(|value| format!("{value:?}"))
        }
        let all = [
            ("temperature", shown(&self.temperature)),
            ("rasterizationDPI", shown(&self.rasterization_dpi)),
            ("maxOutputTokens", shown(&self.max_output_tokens)),
            ("maxExampleTokenNumber", shown(&self.max_example_token_number)),
            ("maxExampleNumber", shown(&self.max_example_number)),
            ("minExampleSimilarity", shown(&self.min_example_similarity)),
            ("enableThinking", shown(&self.enable_thinking)),
            ("thinkingTokenBudget", shown(&self.thinking_token_budget)),
            ("loopDetection", shown(&self.loop_detection)),
            ("randomSeed", shown(&self.random_seed)),
            ("imageWidth", shown(&self.image_width)),
            ("timeout", shown(&self.timeout)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// As they are sent to a server of this version.
    pub(super) fn wire(&self, api: Api) -> Wire {
        let limit = |limit: Option<Limit>| limit.map(|limit| limit.text(api));
        Wire {
            temperature: self.temperature,
            rasterization_dpi: self.dpi(),
            max_output_tokens: limit(self.max_output_tokens),
            max_example_token_number: self.max_example_token_number,
            max_example_number: limit(self.max_example_number),
            min_example_similarity: self.min_example_similarity,
            enable_thinking: self.enable_thinking,
            thinking_token_budget: limit(self.thinking_token_budget),
            loop_detection: self.loop_detection,
            random_seed: self.random_seed.map(|seed| match seed {
                Seed::Random => "random".to_owned(),
                Seed::At(seed) => seed.to_string(),
            }),
            image_width: self.image_width.map(|width| match width {
                ImageWidth::Automatic => "automatic".to_owned(),
                ImageWidth::Original => "original".to_owned(),
                ImageWidth::Pixels(pixels) => pixels.to_string(),
            }),
            timeout: self.timeout.map(|limit| match limit.subsec_millis() {
                0 => format!("{}s", limit.as_secs()),
                _ => format!("{}ms", limit.as_millis()),
            }),
        }
    }
    pub(super) fn resolution(&self) -> Option<Dpi> {
        self.rasterization_dpi
    }
    fn dpi(&self) -> Option<String> {
        self.rasterization_dpi.map(|dpi| match dpi {
            Dpi::Automatic => "automatic".to_owned(),
            Dpi::At(dpi) => dpi.to_string(),
        })
    }
}

/// Adds a violation if a number is not in `0..=most`, or is no number.
fn range(out: &mut Violations, member: &str, value: Option<f64>, most: f64) {
    if let Some(value) = value
        && !(0.0..=most).contains(&value)
    {
        out.add(member, value, format!("0..={most}"));
    }
}

/// Settings as texts of the wire.
pub(super) struct Wire {
    pub(super) temperature: Option<f64>,
    pub(super) rasterization_dpi: Option<String>,
    pub(super) max_output_tokens: Option<String>,
    pub(super) max_example_token_number: Option<i64>,
    pub(super) max_example_number: Option<String>,
    pub(super) min_example_similarity: Option<f64>,
    pub(super) enable_thinking: Option<bool>,
    pub(super) thinking_token_budget: Option<String>,
    pub(super) loop_detection: Option<bool>,
    pub(super) random_seed: Option<String>,
    pub(super) image_width: Option<String>,
    pub(super) timeout: Option<String>,
}

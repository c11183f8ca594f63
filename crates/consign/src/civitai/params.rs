//! `ImageParams`: what to draw and how, as one reusable value.
use std::fmt;

use consign_civitai::types::{ImageJobParams, Scheduler};
use consign_core::Violations;
use serde_json::{Map, Value};

use super::Model;
use super::settings::check_range;
use super::shown;
use super::text_to_image::json;

/// What to draw and how. A plain value: keep half-filled ones as presets and use them with
/// [`TextToImage::params`](super::TextToImage::params).
///
/// ```
/// use consign::civitai::{ImageParams, TextToImage};
/// let house_style = ImageParams::new().negative_prompt("blurred").size(1216, 832).steps(30).cfg_scale(7.5);
/// let spec = TextToImage::new("urn:air:sdxl:checkpoint:civitai:101055@128078", "a cat").params(house_style.clone());
/// assert!(spec.validate().is_ok());
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct ImageParams {
    prompt: Option<String>,
    negative_prompt: Option<String>,
    scheduler: Option<Scheduler>,
    steps: Option<i32>,
    cfg_scale: Option<f64>,
    size: Option<(i32, i32)>,
    seed: Option<i64>,
    clip_skip: Option<i32>,
    image: Option<String>,
    strength: Option<f64>,
    other: Map<String, Value>,
}

impl ImageParams {
    /// Nothing set.
    pub fn new() -> Self {
        Self::default()
    }
    /// What to draw. Required.
    #[must_use]
    pub fn prompt(mut self, text: impl Into<String>) -> Self {
        self.prompt = Some(text.into());
        self
    }
    /// What not to draw.
    #[must_use]
    pub fn negative_prompt(mut self, text: impl Into<String>) -> Self {
        self.negative_prompt = Some(text.into());
        self
    }
    /// Width and height in pixels: each 64 to 2048 and a multiple of 8. Unset: 512 × 512 for models of
    /// the ecosystems sd1 and sd15, 768 × 768 for sd2, 1024 × 1024 for all others.
    #[must_use]
    pub fn size(mut self, width: i32, height: i32) -> Self {
        self.size = Some((width, height));
        self
    }
    /// How many steps: 1 to 100 (the server takes 150, see
    /// [`TextToImage::server_limits`](super::TextToImage::server_limits)). Unset: the server takes 20.
    #[must_use]
    pub fn steps(mut self, steps: i32) -> Self {
        self.steps = Some(steps);
        self
    }
    /// How closely to follow the prompt: 1 to 30. Unset: the server takes 7.
    #[must_use]
    pub fn cfg_scale(mut self, scale: f64) -> Self {
        self.cfg_scale = Some(scale);
        self
    }
    /// The seed: 0 to 4294967295, or -1 for a random one. Unset: random.
    #[must_use]
    pub fn seed(mut self, seed: i64) -> Self {
        self.seed = Some(seed);
        self
    }
    /// How many of the text encoder's last layers to leave out: 1 to 12.
    #[must_use]
    pub fn clip_skip(mut self, layers: i32) -> Self {
        self.clip_skip = Some(layers);
        self
    }
    /// The sampler: a [`Scheduler`], its wire name, or a known alias (`dpmpp_2m`, `EulerAncestral`), see
    /// [`scheduler_from_alias`]. An unknown name is sent as it is. Unset: the server decides.
    #[must_use]
    pub fn scheduler(mut self, scheduler: impl Into<Scheduler>) -> Self {
        let given: Scheduler = scheduler.into();
        self.scheduler = Some(scheduler_from_alias(given.as_str()).unwrap_or(given));
        self
    }
    /// A picture to start from (a URL or base64 data), and how far to move away from it, 0 to 1.
    /// Known from a third-party client only; the service does not document it.
    #[must_use]
    pub fn source_image(mut self, image: impl Into<String>, strength: f64) -> Self {
        self.image = Some(image.into());
        self.strength = Some(strength);
        self
    }
    /// How far to move away from the source picture, 0 to 1.
    #[must_use]
    pub fn strength(mut self, strength: f64) -> Self {
        self.strength = Some(strength);
        self
    }
    /// Any other member of `params`, sent as it is.
    #[must_use]
    pub fn other(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.other.insert(name.into(), value.into());
        self
    }

    /// These parameters, with everything that `over` sets in its place.
    #[must_use]
    pub(crate) fn overlaid(self, over: Self) -> Self {
        let mut other = self.other;
        other.extend(over.other);
        Self {
            prompt: over.prompt.or(self.prompt),
            negative_prompt: over.negative_prompt.or(self.negative_prompt),
            scheduler: over.scheduler.or(self.scheduler),
            steps: over.steps.or(self.steps),
            cfg_scale: over.cfg_scale.or(self.cfg_scale),
            size: over.size.or(self.size),
            seed: over.seed.or(self.seed),
            clip_skip: over.clip_skip.or(self.clip_skip),
            image: over.image.or(self.image),
            strength: over.strength.or(self.strength),
            other,
        }
    }

    pub(crate) fn check(&self, most_steps: i32, out: &mut Violations) {
        match self.prompt.as_deref() {
            None => out.add("params.prompt", "", "required"),
            Some(text) if text.trim().is_empty() => out.add("params.prompt", text, "a text that is not blank"),
            Some(_) => {}
        }
        if let Some((width, height)) = self.size {
            for (member, value) in [("params.width", width), ("params.height", height)] {
                if !(64..=2048).contains(&value) || value % 8 != 0 {
                    out.add(member, value, "64..=2048 and a multiple of 8");
                }
            }
        }
        check_range(out, "params.steps", self.steps.map(f64::from), 1.0..=f64::from(most_steps));
        check_range(out, "params.cfgScale", self.cfg_scale, 1.0..=30.0);
        if let Some(seed) = self.seed.filter(|s| !(-1..=4_294_967_295).contains(s)) {
            out.add("params.seed", seed, "-1..=4294967295");
        }
        check_range(out, "params.clipSkip", self.clip_skip.map(f64::from), 1.0..=12.0);
        check_range(out, "params.strength", self.strength, 0.0..=1.0);
        match (&self.image, self.strength) {
            (Some(image), _) if image.trim().is_empty() => out.add("params.image", image, "a URL or image data"),
            (None, Some(strength)) => out.add("params.strength", strength, "only together with a source image"),
            _ => {}
        }
    }

    /// As it is sent. The server requires a size, so an unset one comes from the model.
    pub(crate) fn to_json(&self, model: &Model) -> Map<String, Value> {
        let (width, height) = self.size.unwrap_or_else(|| size_for(model));
        let mut out = self.stored();
        out.insert("width".to_owned(), width.into());
        out.insert("height".to_owned(), height.into());
        out
    }
    /// As it is set, without a size if none is.
    pub(crate) fn stored(&self) -> Map<String, Value> {
        let (width, height) = self.size.unwrap_or_default();
        let mut wire = ImageJobParams::new(width, height);
        wire.prompt.clone_from(&self.prompt);
        wire.negative_prompt.clone_from(&self.negative_prompt);
        wire.scheduler.clone_from(&self.scheduler);
        wire.steps = self.steps;
        wire.cfg_scale = self.cfg_scale;
        wire.seed = self.seed;
        wire.clip_skip = self.clip_skip;
        wire.image.clone_from(&self.image);
        wire.strength = self.strength;
        wire.extra.clone_from(&self.other);
        let Value::Object(mut out) = json(&wire) else { return Map::new() };
        if self.size.is_none() {
            out.retain(|name, _| name != "width" && name != "height");
        }
        out
    }
    /// Reads what [`ImageParams::stored`] or [`ImageParams::to_json`] wrote.
    pub(crate) fn from_json(mut from: Map<String, Value>) -> Result<Self, String> {
        let sized = ["width", "height"].iter().any(|name| from.get(*name).is_some_and(|side| !side.is_null()));
        if !sized {
            from.insert("width".to_owned(), 0.into());
            from.insert("height".to_owned(), 0.into());
        }
        let wire: ImageJobParams = serde_json::from_value(from.into()).map_err(|e| format!("params: {e}"))?;
        let mut other = wire.extra;
        if let Some(base_model) = wire.base_model {
            other.insert("baseModel".to_owned(), base_model.into());
        }
        Ok(Self {
            prompt: wire.prompt,
            negative_prompt: wire.negative_prompt,
            scheduler: wire.scheduler,
            steps: wire.steps,
            cfg_scale: wire.cfg_scale,
            size: sized.then_some((wire.width, wire.height)),
            seed: wire.seed,
            clip_skip: wire.clip_skip,
            image: wire.image,
            strength: wire.strength,
            other,
        })
    }
    /// The numbers that JSON could not hold if they were not finite.
    pub(crate) fn numbers(&self) -> [(&'static str, Option<f64>); 2] {
        [("params.cfgScale", self.cfg_scale), ("params.strength", self.strength)]
    }
}

/// As it is set; addresses without their queries, long texts cut short.
impl fmt::Debug for ImageParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ImageParams ")?;
        shown::members_of(&self.stored(), f)
    }
}

fn size_for(model: &Model) -> (i32, i32) {
    let side = match model.air().as_ref().and_then(|air| air.ecosystem()) {
        Some("sd1" | "sd15") => 512,
        Some("sd2") => 768,
        _ => 1024,
    };
    (side, side)
}

/// The official value for a sampler's name in another client: the names of the C# library and its
/// ComfyUI-like wire forms, in any case. `None` if there is none: so for its `DpmPlusPlus2MSde`,
/// `DpmPlusPlus2MSdeKarras`, `DpmPlusPlus3MSdeKarras` and `UniPcBh2`.
///
/// ```
/// use consign::civitai::{Scheduler, scheduler_from_alias};
/// assert_eq!(scheduler_from_alias("EulerAncestral"), Some(Scheduler::from("EulerA")));
/// assert_eq!(scheduler_from_alias("UniPcBh2"), None);
/// ```
pub fn scheduler_from_alias(name: &str) -> Option<Scheduler> {
    let official = match name.to_ascii_lowercase().as_str() {
        "euler" => "Euler",
        "euler_a" | "eulerancestral" => "EulerA",
        "lms" | "linearmultistep" => "LMS",
        "heun" => "Heun",
        "dpm_2" | "dpmsolver2" => "DPM2",
        "dpm_2_a" | "dpmsolver2ancestral" => "DPM2A",
        "dpmpp_2s_a" | "dpmplusplus2sancestral" => "DPM2SA",
        "dpmpp_2m" | "dpmplusplus2m" => "DPM2M",
        "dpmpp_sde" | "dpmplusplussde" => "DPMSDE",
        "dpmpp_3m_sde" | "dpmplusplus3msde" => "DPM3MSDE",
        "ddim" => "DDIM",
        "plms" => "PLMS",
        "uni_pc" | "unipc" => "UniPC",
        "ddpm" => "DDPM",
        "lcm" => "LCM",
        _ => return None,
    };
    Some(Scheduler::from(official))
}

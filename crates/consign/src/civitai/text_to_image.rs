//! `TextToImage`: pictures from a prompt.
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use consign_civitai::types::{self, ImageJobControlNet, ImageJobNetworkParams, Scheduler};
use consign_core::{Result, Violations};
use consign_http::DateTime;
use serde::Serialize;
use serde_json::{Map, Value};

use super::settings::check_range;
use super::template::take;
use super::{AdditionalNetwork, ControlNet, ImageParams, JobSettings, Model, Priority, Timeout, shown};

/// Pictures from a prompt. A plain value: clone it, share it, keep half-filled ones as presets.
/// Setters never fail; [`TextToImage::validate`] and submitting report everything that is wrong at once.
///
/// ```
/// use consign::civitai::TextToImage;
/// let spec = TextToImage::new("urn:air:sdxl:checkpoint:civitai:101055@128078", "a curious cat")
///     .negative_prompt("blurred")
///     .size(1216, 832)
///     .steps(30)
///     .additional_network("urn:air:sdxl:lora:civitai:328553@368189", |n| n.strength(0.8))
///     .control_net(|c| c.image_url("https://example.com/pose.png").preprocessor("Canny").weight(0.7))
///     .quantity(4)
///     .property("userId", 4);
/// assert!(spec.validate().is_ok());
///
/// let error = spec.size(100, 5000).steps(0).validate().unwrap_err();
/// let wrong: Vec<_> = error.violations().iter().map(|v| v.member.as_str()).collect();
/// assert_eq!(wrong, ["params.width", "params.height", "params.steps"]);
/// ```
#[derive(Clone, PartialEq)]
pub struct TextToImage {
    model: Model,
    params: ImageParams,
    settings: JobSettings,
    quantity: Option<i32>,
    batch_size: Option<i64>,
    base_model: Option<String>,
    networks: BTreeMap<Model, AdditionalNetwork>,
    control_nets: Vec<ControlNet>,
    other: Map<String, Value>,
    server_limits: bool,
}

impl TextToImage {
    /// Pictures of `prompt` by `model`: an AIR ([`Air`](super::Air) or text), the older
    /// `@civitai/VERSION`, or anything as [`Model::raw`].
    pub fn new(model: impl Into<Model>, prompt: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            params: ImageParams::new().prompt(prompt),
            settings: JobSettings::new(),
            quantity: None,
            batch_size: None,
            base_model: None,
            networks: BTreeMap::new(),
            control_nets: Vec::new(),
            other: Map::new(),
            server_limits: false,
        }
    }
    /// With another model.
    #[must_use]
    pub fn model(mut self, model: impl Into<Model>) -> Self {
        self.model = model.into();
        self
    }
    /// With another prompt.
    #[must_use]
    pub fn prompt(self, text: impl Into<String>) -> Self {
        self.with_params(|p| p.prompt(text))
    }
    /// What not to draw.
    #[must_use]
    pub fn negative_prompt(self, text: impl Into<String>) -> Self {
        self.with_params(|p| p.negative_prompt(text))
    }
    /// Width and height in pixels, see [`ImageParams::size`].
    #[must_use]
    pub fn size(self, width: i32, height: i32) -> Self {
        self.with_params(|p| p.size(width, height))
    }
    /// How many steps, 1 to 100, see [`ImageParams::steps`].
    #[must_use]
    pub fn steps(self, steps: i32) -> Self {
        self.with_params(|p| p.steps(steps))
    }
    /// How closely to follow the prompt, 1 to 30, see [`ImageParams::cfg_scale`].
    #[must_use]
    pub fn cfg_scale(self, scale: f64) -> Self {
        self.with_params(|p| p.cfg_scale(scale))
    }
    /// The seed, -1 for a random one, see [`ImageParams::seed`].
    #[must_use]
    pub fn seed(self, seed: i64) -> Self {
        self.with_params(|p| p.seed(seed))
    }
    /// How many of the text encoder's last layers to leave out, 1 to 12.
    #[must_use]
    pub fn clip_skip(self, layers: i32) -> Self {
        self.with_params(|p| p.clip_skip(layers))
    }
    /// The sampler, see [`ImageParams::scheduler`].
    #[must_use]
    pub fn scheduler(self, scheduler: impl Into<Scheduler>) -> Self {
        self.with_params(|p| p.scheduler(scheduler))
    }
    /// A picture to start from, see [`ImageParams::source_image`].
    #[must_use]
    pub fn source_image(self, image: impl Into<String>, strength: f64) -> Self {
        self.with_params(|p| p.source_image(image, strength))
    }
    /// Lays a reusable value over the parameters: what it sets replaces what was set before.
    #[must_use]
    pub fn params(mut self, params: ImageParams) -> Self {
        self.params = self.params.overlaid(params);
        self
    }
    /// Changes the parameters through a closure.
    #[must_use]
    pub fn with_params(mut self, change: impl FnOnce(ImageParams) -> ImageParams) -> Self {
        self.params = change(self.params);
        self
    }
    /// How many jobs are made of it, 1 to 10 (the server takes 100, see [`TextToImage::server_limits`]).
    /// Each is an item of the facade's job. Unset: 1.
    #[must_use]
    pub fn quantity(mut self, quantity: i32) -> Self {
        self.quantity = Some(quantity);
        self
    }
    /// How many pictures each job makes, 1 or more. Unset: 1.
    #[must_use]
    pub fn batch_size(mut self, pictures: i64) -> Self {
        self.batch_size = Some(pictures);
        self
    }
    /// The family of the model, such as `SDXL`. Not needed: the server reads it from the model.
    #[must_use]
    pub fn base_model(mut self, family: impl Into<String>) -> Self {
        self.base_model = Some(family.into());
        self
    }
    /// Adds a LoRA, embedding, VAE or the like: by AIR or by the short key `civitai:58390@62833`. The same
    /// AIR again replaces, also if it is written differently.
    ///
    /// ```
    /// # use consign::civitai::{AdditionalNetwork, TextToImage};
    /// # let spec = TextToImage::new("urn:air:sd1:checkpoint:civitai:4384@128713", "a cat");
    /// let by_closure = spec.clone().additional_network("civitai:58390@62833", |n| n.strength(0.8));
    /// let by_value = spec.additional_network_value("civitai:58390@62833", AdditionalNetwork::new().strength(0.8));
    /// assert_eq!(by_closure, by_value);
    /// ```
    #[must_use]
    pub fn additional_network(
        self,
        key: impl Into<Model>,
        change: impl FnOnce(AdditionalNetwork) -> AdditionalNetwork,
    ) -> Self {
        self.additional_network_value(key, change(AdditionalNetwork::new()))
    }
    /// As [`TextToImage::additional_network`], with a finished value.
    #[must_use]
    pub fn additional_network_value(mut self, key: impl Into<Model>, network: AdditionalNetwork) -> Self {
        let key = key.into();
        self.networks.retain(|other, _| !other.is_same(&key));
        self.networks.insert(key, network);
        self
    }
    /// Adds a control net through a closure. They apply in the order in which they are added.
    #[must_use]
    pub fn control_net(self, change: impl FnOnce(ControlNet) -> ControlNet) -> Self {
        self.control_net_value(change(ControlNet::new()))
    }
    /// As [`TextToImage::control_net`], with a finished value.
    #[must_use]
    pub fn control_net_value(mut self, control_net: ControlNet) -> Self {
        self.control_nets.push(control_net);
        self
    }
    /// Any other member of the template, sent as it is.
    #[must_use]
    pub fn other(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.other.insert(name.into(), value.into());
        self
    }
    /// Checks against the server's own limits, which are wider than the usual ones: 150 steps
    /// instead of 100, a quantity of 100 instead of 10.
    #[must_use]
    pub fn server_limits(mut self) -> Self {
        self.server_limits = true;
        self
    }

    /// Lays the settings that every kind of job has over this one, in place of those set before.
    #[must_use]
    pub fn settings(mut self, settings: JobSettings) -> Self {
        self.settings = settings;
        self
    }
    /// Changes the settings that every kind of job has through a closure.
    #[must_use]
    pub fn with_settings(mut self, change: impl FnOnce(JobSettings) -> JobSettings) -> Self {
        self.settings = change(self.settings);
        self
    }
    /// When it runs, relative to others, see [`JobSettings::priority`].
    #[must_use]
    pub fn priority(self, priority: impl Into<Priority>) -> Self {
        self.with_settings(|s| s.priority(priority))
    }
    /// Where status updates are posted to, see [`JobSettings::callback_url`].
    #[must_use]
    pub fn callback_url(self, url: impl Into<String>) -> Self {
        self.with_settings(|s| s.callback_url(url))
    }
    /// How often the server tries again, see [`JobSettings::retries`].
    #[must_use]
    pub fn retries(self, retries: i32) -> Self {
        self.with_settings(|s| s.retries(retries))
    }
    /// How long the job may run: a [`Duration`] or text `HH:mm:ss`, see [`JobSettings::timeout`].
    #[must_use]
    pub fn timeout(self, timeout: impl Into<Timeout>) -> Self {
        self.with_settings(|s| s.timeout(timeout))
    }
    /// The job is dropped after this date, see [`JobSettings::expire_at`].
    #[must_use]
    pub fn expire_at(self, date: impl Into<DateTime>) -> Self {
        self.with_settings(|s| s.expire_at(date))
    }
    /// The job is dropped this long from now.
    #[must_use]
    pub fn expire_in(self, time: Duration) -> Self {
        self.with_settings(|s| s.expire_in(time))
    }
    /// Which compute providers may run it, see [`JobSettings::providers`].
    #[must_use]
    pub fn providers<T: Into<types::Provider>>(self, providers: impl IntoIterator<Item = T>) -> Self {
        self.with_settings(|s| s.providers(providers))
    }
    /// A name that others can depend on, see [`JobSettings::name`].
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        self.with_settings(|s| s.name(name))
    }
    /// Which jobs of the same submission go before, see [`JobSettings::depends_on`].
    #[must_use]
    pub fn depends_on<T: Into<String>>(self, names: impl IntoIterator<Item = T>) -> Self {
        self.with_settings(|s| s.depends_on(names))
    }
    /// Adds a property of your own, see [`JobSettings::property`].
    #[must_use]
    pub fn property(self, name: impl Into<String>, value: impl Serialize) -> Self {
        self.with_settings(|s| s.property(name, value))
    }
    /// Adds properties from a map, see [`JobSettings::properties`].
    #[must_use]
    pub fn properties<K: Into<String>, V: Serialize>(self, map: impl IntoIterator<Item = (K, V)>) -> Self {
        self.with_settings(|s| s.properties(map))
    }

    /// Whether it can be submitted.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) with every violation: member, value, allowed.
    pub fn validate(&self) -> Result<()> {
        self.violations().into_result().map_err(Into::into)
    }

    pub(crate) fn violations(&self) -> Violations {
        let mut out = Violations::new();
        let (most_steps, most_quantity) = if self.server_limits { (150, 100.0) } else { (100, 10.0) };
        self.model.check("model", &mut out);
        self.params.check(most_steps, &mut out);
        check_range(&mut out, "quantity", self.quantity.map(f64::from), 1.0..=most_quantity);
        if let Some(size) = self.batch_size.filter(|n| *n < 1) {
            out.add("batchSize", size, "1 or more");
        }
        for (key, network) in &self.networks {
            let member = member(key);
            key.check_air(&member, &mut out);
            network.check(&member, &mut out);
        }
        for (n, control_net) in self.control_nets.iter().enumerate() {
            control_net.check(&format!("controlNets[{n}]"), &mut out);
        }
        self.settings.check(&mut out);
        out
    }
    /// How many items it becomes.
    pub(crate) fn weight(&self) -> usize {
        self.quantity.and_then(|q| usize::try_from(q).ok()).unwrap_or(1).max(1)
    }

    /// As it is sent.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        self.write(self.params.to_json(&self.model))
    }
    /// As it is set, for storing.
    pub(crate) fn stored(&self) -> Map<String, Value> {
        self.write(self.params.stored())
    }
    fn write(&self, params: Map<String, Value>) -> Map<String, Value> {
        let mut out = Map::new();
        let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
        put("$type", "textToImage".into());
        put("model", self.model.as_str().into());
        put("params", params.into());
        if let Some(quantity) = self.quantity {
            put("quantity", quantity.into());
        }
        if let Some(batch_size) = self.batch_size {
            put("batchSize", batch_size.into());
        }
        if let Some(base_model) = &self.base_model {
            put("baseModel", base_model.as_str().into());
        }
        if !self.networks.is_empty() {
            let networks = self.networks.iter().map(|(key, network)| (key.as_str().to_owned(), json(&network.wire)));
            put("additionalNetworks", Value::Object(networks.collect()));
        }
        if !self.control_nets.is_empty() {
            put("controlNets", self.control_nets.iter().map(|c| json(&c.wire)).collect());
        }
        self.settings.write(&mut out);
        out.extend(self.other.clone());
        out
    }

    /// Reads a template of this kind; what it does not know stays in `other`. `unchecked` is what
    /// [`TextToImage::unchecked`] gave.
    pub(crate) fn from_json(mut from: Map<String, Value>, unchecked: &[String]) -> Result<Self, String> {
        from.remove("$type");
        let name = |text: String, member: &str| {
            if unchecked.iter().any(|what| what == member) { Model::raw(text) } else { Model::from(text) }
        };
        let settings = JobSettings::read(&mut from)?;
        let params: Option<Map<_, _>> = take(&mut from, "params")?;
        let networks: Option<BTreeMap<String, ImageJobNetworkParams>> = take(&mut from, "additionalNetworks")?;
        let control_nets: Option<Vec<ImageJobControlNet>> = take(&mut from, "controlNets")?;
        let network = |(key, wire): (String, _)| {
            let member = member(&Model::raw(key.as_str()));
            (name(key, &member), AdditionalNetwork { wire })
        };
        Ok(Self {
            model: name(take(&mut from, "model")?.unwrap_or_default(), "model"),
            params: params.map_or_else(|| Ok(ImageParams::new()), ImageParams::from_json)?,
            settings,
            quantity: take(&mut from, "quantity")?,
            batch_size: take(&mut from, "batchSize")?,
            base_model: take(&mut from, "baseModel")?,
            networks: networks.into_iter().flatten().map(network).collect(),
            control_nets: control_nets.into_iter().flatten().map(|wire| ControlNet { wire }).collect(),
            other: from,
            server_limits: unchecked.iter().any(|what| what == "limits"),
        })
    }
    /// What is sent without a check, so that a stored spec is read back as it was.
    pub(crate) fn unchecked(&self) -> Vec<String> {
        let limits = self.server_limits.then(|| "limits".to_owned());
        let model = self.model.is_raw().then(|| "model".to_owned());
        let networks = self.networks.keys().filter(|key| key.is_raw()).map(member);
        limits.into_iter().chain(model).chain(networks).collect()
    }
    /// A member that JSON cannot hold.
    pub(crate) fn unwritable(&self) -> Option<String> {
        let mut numbers: Vec<(String, Option<f64>)> = Vec::new();
        numbers.extend(self.params.numbers().map(|(name, number)| (name.to_owned(), number)));
        for (key, AdditionalNetwork { wire }) in &self.networks {
            numbers.extend([wire.strength, wire.clip_strength].map(|number| (member(key), number)));
        }
        for (n, ControlNet { wire }) in self.control_nets.iter().enumerate() {
            let all = [wire.weight, wire.start_step, wire.end_step];
            numbers.extend(all.map(|number| (format!("controlNets[{n}]"), number)));
        }
        let bad = numbers.into_iter().find(|(_, number)| number.is_some_and(|number| !number.is_finite()));
        bad.map(|(member, _)| member).or_else(|| self.settings.unwritable())
    }
    pub(crate) fn job_settings(&self) -> &JobSettings {
        &self.settings
    }
}

/// As it is set; addresses without their queries, long texts cut short.
impl fmt::Debug for TextToImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TextToImage ")?;
        shown::members_of(&self.stored(), f)
    }
}

/// A network's place in the template.
fn member(key: &Model) -> String {
    format!("additionalNetworks[{}]", key.as_str())
}

/// A wire value as JSON. Wire values hold text, numbers and lists only, which can always be written.
pub(crate) fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

//! What every kind of job has: priority, callback, retries, timeout, properties, dependencies.
use std::time::{Duration, SystemTime};

use consign_civitai::{Air, TimeSpan, types};
use consign_core::Violations;
use consign_http::DateTime;
use serde::Serialize;
use serde_json::{Map, Value};

/// A model, as it is named to Civitai.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    text: String,
    checked: bool,
}

impl Model {
    /// A name that is sent as it is, without a check.
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
    /// An AIR, or the older `@civitai/VERSION`.
    pub(crate) fn check(&self, member: &str, out: &mut Violations) {
        if !self.checked {
            return;
        }
        if self.text.trim().is_empty() {
            out.add(member, &self.text, "an AIR identifier such as urn:air:sdxl:checkpoint:civitai:101055@128078");
            return;
        }
        let older =
            self.text.strip_prefix("@civitai/").is_some_and(|v| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()));
        if !older && let Err(e) = self.text.parse::<Air>() {
            out.add(member, &self.text, format!("an AIR identifier: {e}"));
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
        Self { text: air.to_string(), checked: true }
    }
}
impl From<&Air> for Model {
    fn from(air: &Air) -> Self {
        Self { text: air.to_string(), checked: true }
    }
}

/// When a job runs, relative to others: lower numbers run earlier.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Priority {
    /// A fixed number.
    Fixed(i32),
    /// The server picks a number in the range, by how many recent requests have the same properties.
    Range {
        /// The lowest number.
        min: i32,
        /// The highest number.
        max: i32,
    },
    /// A level in words.
    Level(PriorityLevel),
    /// Any JSON, sent as it is.
    Raw(Value),
}

/// A priority in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorityLevel {
    /// Before the others.
    High,
    /// As most.
    Normal,
    /// After the others.
    Low,
}

impl From<i32> for Priority {
    fn from(value: i32) -> Self {
        Self::Fixed(value)
    }
}
impl From<PriorityLevel> for Priority {
    fn from(level: PriorityLevel) -> Self {
        Self::Level(level)
    }
}
impl From<std::ops::RangeInclusive<i32>> for Priority {
    fn from(range: std::ops::RangeInclusive<i32>) -> Self {
        Self::Range { min: *range.start(), max: *range.end() }
    }
}

impl Priority {
    fn to_json(&self) -> Value {
        match self {
            Self::Fixed(value) => (*value).into(),
            Self::Range { min, max } => serde_json::json!({ "min": min, "max": max }),
            Self::Level(PriorityLevel::High) => "high".into(),
            Self::Level(PriorityLevel::Normal) => "normal".into(),
            Self::Level(PriorityLevel::Low) => "low".into(),
            Self::Raw(json) => json.clone(),
        }
    }
}

/// How long a job may run: a [`Duration`], or text `HH:mm:ss`.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeout(Result<TimeSpan, String>);

/// Sent in whole seconds, rounded up.
impl From<Duration> for Timeout {
    fn from(duration: Duration) -> Self {
        let seconds = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
        Self(TimeSpan::try_from(Duration::from_secs(seconds)).map_err(|_| format!("{duration:?}")))
    }
}
impl From<TimeSpan> for Timeout {
    fn from(span: TimeSpan) -> Self {
        Self(Ok(span))
    }
}
impl From<&str> for Timeout {
    fn from(text: &str) -> Self {
        let plain = text.len() == 8
            && text.bytes().enumerate().all(|(n, b)| if n % 3 == 2 { b == b':' } else { b.is_ascii_digit() });
        Self(text.parse().ok().filter(|_| plain).ok_or_else(|| text.to_owned()))
    }
}
impl From<String> for Timeout {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

/// What every kind of job has. A plain value: keep it and use it for many specs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobSettings {
    pub(crate) name: Option<String>,
    pub(crate) priority: Option<Priority>,
    pub(crate) providers: Vec<types::Provider>,
    pub(crate) expire_at: Option<DateTime>,
    pub(crate) properties: Map<String, Value>,
    pub(crate) callback_url: Option<String>,
    pub(crate) timeout: Option<Timeout>,
    pub(crate) retries: Option<i32>,
    pub(crate) dependencies: Vec<String>,
    /// Properties that could not be written as JSON, by name, with the reason.
    unwritable: Vec<(String, String)>,
}

impl JobSettings {
    /// Nothing set: the server's defaults hold.
    pub fn new() -> Self {
        Self::default()
    }
    /// A name by which other jobs of the same submission can depend on this one.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
    /// When it runs, relative to others. Unset: the server decides.
    #[must_use]
    pub fn priority(mut self, priority: impl Into<Priority>) -> Self {
        self.priority = Some(priority.into());
        self
    }
    /// Only these compute providers may run it. Unset: all.
    #[must_use]
    pub fn providers<T: Into<types::Provider>>(mut self, providers: impl IntoIterator<Item = T>) -> Self {
        self.providers = providers.into_iter().map(Into::into).collect();
        self
    }
    /// The job is dropped after this date.
    #[must_use]
    pub fn expire_at(mut self, date: impl Into<DateTime>) -> Self {
        self.expire_at = Some(date.into());
        self
    }
    /// The job is dropped this long from now.
    #[must_use]
    pub fn expire_in(self, time: Duration) -> Self {
        self.expire_at(SystemTime::now() + time)
    }
    /// Adds a property of your own: any JSON value, searchable, echoed in the job's record.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        let name = name.into();
        match serde_json::to_value(value) {
            Ok(value) => {
                self.unwritable.retain(|(n, _)| *n != name);
                self.properties.insert(name, value);
            }
            Err(e) => self.unwritable.push((name, e.to_string())),
        }
        self
    }
    /// Adds properties from a map; those of the same name are replaced.
    #[must_use]
    pub fn properties<K: Into<String>, V: Serialize>(self, map: impl IntoIterator<Item = (K, V)>) -> Self {
        map.into_iter().fold(self, |settings, (name, value)| settings.property(name, value))
    }
    /// Civitai posts status updates to this address; read them with [`Webhook`](super::Webhook).
    #[must_use]
    pub fn callback_url(mut self, url: impl Into<String>) -> Self {
        self.callback_url = Some(url.into());
        self
    }
    /// How often the server tries again before it gives up. Unset: 0.
    #[must_use]
    pub fn retries(mut self, retries: i32) -> Self {
        self.retries = Some(retries);
        self
    }
    /// How long the job may run: a [`Duration`] or text `HH:mm:ss`. Unset: 10 minutes.
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Timeout>) -> Self {
        self.timeout = Some(timeout.into());
        self
    }
    /// Runs only after the jobs of these names, in the same submission, have ended.
    #[must_use]
    pub fn depends_on<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.dependencies = names.into_iter().map(Into::into).collect();
        self
    }

    pub(crate) fn check(&self, out: &mut Violations) {
        if let Some(Priority::Range { min, max }) = &self.priority
            && min > max
        {
            out.add("priority", format!("{min}..={max}"), "min must not be above max");
        }
        if let Some(date) = &self.expire_at
            && date.to_system_time().is_none()
        {
            out.add("expireAt", date, "a date and time such as 2026-01-31T12:00:00Z");
        }
        for name in self.properties.keys().filter(|name| name.trim().is_empty()) {
            out.add("properties", name, "names that are not blank");
        }
        for (name, why) in &self.unwritable {
            out.add(format!("properties.{name}"), why, "a value that can be written as JSON");
        }
        if let Some(url) = &self.callback_url
            && !is_web_url(url)
        {
            out.add("callbackUrl", url, "an absolute http or https URL");
        }
        match &self.timeout {
            Some(Timeout(Err(text))) => out.add("timeout", text, "a duration, or text HH:mm:ss"),
            Some(Timeout(Ok(span))) if span.ticks() <= 0 => out.add("timeout", span, "more than 0"),
            _ => {}
        }
        if let Some(retries) = self.retries.filter(|r| *r < 0) {
            out.add("retries", retries, "0 or more");
        }
        for (n, name) in self.dependencies.iter().enumerate() {
            if self.dependencies[..n].contains(name) {
                out.add("dependencies", name, "each name once");
            }
            if name.trim().is_empty() {
                out.add("dependencies", name, "names that are not blank");
            }
        }
    }

    /// Writes the members that are set into a template.
    pub(crate) fn write(&self, out: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                out.insert(name.to_owned(), value);
            }
        };
        put("name", self.name.clone().map(Value::from));
        put("priority", self.priority.as_ref().map(Priority::to_json));
        let providers: Vec<_> = self.providers.iter().map(types::Provider::as_str).collect();
        put("providers", (!providers.is_empty()).then(|| providers.into()));
        put("expireAt", self.expire_at.as_ref().map(|d| d.as_str().into()));
        put("properties", (!self.properties.is_empty()).then(|| self.properties.clone().into()));
        put("callbackUrl", self.callback_url.clone().map(Value::from));
        let timeout = self.timeout.as_ref().and_then(|t| t.0.as_ref().ok());
        put("timeout", timeout.map(|span| span.to_string().into()));
        put("retries", self.retries.map(Value::from));
        put("dependencies", (!self.dependencies.is_empty()).then(|| self.dependencies.clone().into()));
    }

    /// Takes the members it knows out of a template; what it cannot read stays there.
    pub(crate) fn read(from: &mut Map<String, Value>) -> Self {
        let mut take = |name: &str, fits: fn(&Value) -> bool| match from.get(name) {
            Some(Value::Null) => {
                from.remove(name);
                None
            }
            Some(value) if fits(value) => from.remove(name),
            _ => None,
        };
        let texts = |value: Value| {
            value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        let all_texts = |value: &Value| value.as_array().is_some_and(|a| a.iter().all(Value::is_string));
        let text = |value: Value| value.as_str().map(str::to_owned);
        let small = |value: &Value| value.as_i64().is_some_and(|n| i32::try_from(n).is_ok());
        Self {
            name: take("name", Value::is_string).and_then(text),
            priority: take("priority", |_| true).map(read_priority),
            providers: take("providers", all_texts)
                .map(texts)
                .unwrap_or_default()
                .iter()
                .map(|p| p.as_str().into())
                .collect(),
            expire_at: take("expireAt", Value::is_string).and_then(text).map(DateTime::from),
            properties: take("properties", Value::is_object).and_then(|v| v.as_object().cloned()).unwrap_or_default(),
            callback_url: take("callbackUrl", Value::is_string).and_then(text),
            timeout: take("timeout", Value::is_string).and_then(text).map(|t| match t.parse::<TimeSpan>() {
                Ok(span) => span.into(),
                Err(_) => Timeout::from(t),
            }),
            retries: take("retries", small).and_then(|v| v.as_i64()).and_then(|n| i32::try_from(n).ok()),
            dependencies: take("dependencies", all_texts).map(texts).unwrap_or_default(),
            unwritable: Vec::new(),
        }
    }
}

fn read_priority(json: Value) -> Priority {
    let number = |v: &Value| v.as_i64().and_then(|n| i32::try_from(n).ok());
    let level = json.as_str().map(str::to_ascii_lowercase);
    match (number(&json), level.as_deref()) {
        (Some(n), _) => Priority::Fixed(n),
        (_, Some("high")) => Priority::Level(PriorityLevel::High),
        (_, Some("normal")) => Priority::Level(PriorityLevel::Normal),
        (_, Some("low")) => Priority::Level(PriorityLevel::Low),
        _ => match (json.get("min").and_then(number), json.get("max").and_then(number), json.as_object().map(Map::len))
        {
            (Some(min), Some(max), Some(2)) => Priority::Range { min, max },
            _ => Priority::Raw(json),
        },
    }
}

/// An absolute http or https URL with a host.
pub(crate) fn is_web_url(url: &str) -> bool {
    let rest = ["https://", "http://"].iter().find_map(|scheme| {
        let start = url.get(..scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then(|| &url[scheme.len()..])
    });
    rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or("");
        !host.is_empty()
            && !host.starts_with(':')
            && !url.bytes().any(|b| b.is_ascii_whitespace() || b.is_ascii_control())
    })
}

/// Adds a violation if a number is outside its range, or is no finite number.
pub(crate) fn check_range(
    out: &mut Violations,
    member: &str,
    value: Option<f64>,
    range: std::ops::RangeInclusive<f64>,
) {
    if let Some(value) = value
        && !range.contains(&value)
    {
        out.add(member, value, format!("{}..={}", range.start(), range.end()));
    }
}

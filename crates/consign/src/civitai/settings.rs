//! What every kind of job has: priority, callback, retries, timeout, properties, dependencies.
use std::fmt;
use std::time::{Duration, SystemTime};

use consign_civitai::wire::TimeSpanText;
use consign_civitai::{TimeSpan, types};
use consign_core::Violations;
use consign_http::DateTime;
use serde::Serialize;
use serde_json::{Map, Value};

use super::properties::Properties;
use super::shown;
use super::template::take;

/// Stands for a time that the clock cannot count to: a hundred years.
const FAR: Duration = Duration::from_secs(100 * 365 * 86_400);

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

/// How long a job may run, more than 0: a [`Duration`], a [`TimeSpan`], or text `HH:mm:ss` up to `23:59:59`.
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
#[derive(Clone, Default, PartialEq)]
pub struct JobSettings {
    name: Option<String>,
    priority: Option<Priority>,
    providers: Vec<types::Provider>,
    expire_at: Option<DateTime>,
    properties: Properties,
    callback_url: Option<String>,
    timeout: Option<Timeout>,
    retries: Option<i32>,
    dependencies: Vec<String>,
}

impl JobSettings {
    /// Nothing set: the server's defaults hold.
    pub fn new() -> Self {
        Self::default()
    }
    /// A name by which other jobs of the same submission can depend on this one; not blank.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
    /// When it runs, relative to others: a number, a range `2..=8`, or a level. Unset: the server decides.
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
    /// The job is dropped after this date: a [`SystemTime`], or text such as `2026-01-31T12:00:00Z`.
    /// Unset: the server decides.
    #[must_use]
    pub fn expire_at(mut self, date: impl Into<DateTime>) -> Self {
        self.expire_at = Some(date.into());
        self
    }
    /// The job is dropped this long from now: from this call, not from the submission, by this
    /// machine's clock. In a preset that is kept for long use [`JobSettings::expire_at`].
    #[must_use]
    pub fn expire_in(self, time: Duration) -> Self {
        let now = SystemTime::now();
        self.expire_at(now.checked_add(time).unwrap_or(now + FAR))
    }
    /// Adds a property of your own: any JSON value under a name that is not blank. It is echoed in the
    /// job's record and can be searched for with [`JobQuery`](super::JobQuery); it is also what finds a
    /// job whose submission broke off. The same name again replaces.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        self.properties.set(name.into(), value);
        self
    }
    /// Adds properties from a map; those of the same name are replaced.
    #[must_use]
    pub fn properties<K: Into<String>, V: Serialize>(self, map: impl IntoIterator<Item = (K, V)>) -> Self {
        map.into_iter().fold(self, |settings, (name, value)| settings.property(name, value))
    }
    /// Civitai posts status updates to this absolute `http` or `https` URL; read them with
    /// [`Webhook`](super::Webhook). Put a secret into its query and check it there: updates have no
    /// signature. The query is shown nowhere.
    #[must_use]
    pub fn callback_url(mut self, url: impl Into<String>) -> Self {
        self.callback_url = Some(url.into());
        self
    }
    /// How often the server tries again before it gives up: 0 or more. Unset: 0.
    #[must_use]
    pub fn retries(mut self, retries: i32) -> Self {
        self.retries = Some(retries);
        self
    }
    /// How long the job may run, more than 0: a [`Duration`] or text `HH:mm:ss`. Unset: 10 minutes.
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Timeout>) -> Self {
        self.timeout = Some(timeout.into());
        self
    }
    /// Runs only after the jobs of these names, in the same submission, have ended; each name once.
    #[must_use]
    pub fn depends_on<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.dependencies = names.into_iter().map(Into::into).collect();
        self
    }

    pub(crate) fn check(&self, out: &mut Violations) {
        if let Some(name) = self.name.as_deref().filter(|name| name.trim().is_empty()) {
            out.add("name", name, "a name that is not blank");
        }
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
        self.properties.check(out);
        if let Some(url) = &self.callback_url
            && !is_web_url(url)
        {
            out.add("callbackUrl", shown::url(url), "an absolute http or https URL");
        }
        match &self.timeout {
            Some(Timeout(Err(text))) => out.add("timeout", text, "a duration, or text HH:mm:ss up to 23:59:59"),
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
        put("properties", (!self.properties.map.is_empty()).then(|| self.properties.map.clone().into()));
        put("callbackUrl", self.callback_url.clone().map(Value::from));
        // A text that is no time is refused by `check`; here it only must not get lost.
        let timeout = self.timeout.as_ref().map(|t| t.0.as_ref().map_or_else(Clone::clone, TimeSpan::to_string));
        put("timeout", timeout.map(Value::from));
        put("retries", self.retries.map(Value::from));
        put("dependencies", (!self.dependencies.is_empty()).then(|| self.dependencies.clone().into()));
    }

    /// Takes the members it knows out of a template.
    pub(crate) fn read(from: &mut Map<String, Value>) -> Result<Self, String> {
        let timeout = take::<TimeSpanText>(from, "timeout")?;
        Ok(Self {
            name: take(from, "name")?,
            priority: take(from, "priority")?.map(read_priority),
            providers: take(from, "providers")?.unwrap_or_default(),
            expire_at: take(from, "expireAt")?,
            properties: take::<Map<_, _>>(from, "properties")?.unwrap_or_default().into(),
            callback_url: take(from, "callbackUrl")?,
            timeout: timeout.map(|text| text.parse().map_or_else(|_| Timeout::from(text.as_str()), Timeout::from)),
            retries: take(from, "retries")?,
            dependencies: take(from, "dependencies")?.unwrap_or_default(),
        })
    }
    /// A setting that JSON cannot hold.
    pub(crate) fn unwritable(&self) -> Option<String> {
        self.properties.unwritable().map(|name| format!("properties.{name}"))
    }
    /// The address that status updates are posted to.
    pub(crate) fn callback(&self) -> Option<&str> {
        self.callback_url.as_deref()
    }
}

/// As it is written into a template; the callback's address without its query.
impl fmt::Debug for JobSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut members = Map::new();
        self.write(&mut members);
        f.write_str("JobSettings ")?;
        shown::members_of(&members, f)
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
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
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

//! What every kind of job has: inputs, outputs, resources, network, time limits, constraints, labels.
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use consign_bacalhau::v1::types::{JobType, NetworkType, Operator};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};

use super::{Input, Publisher};

/// What a node has to be like: a label of it, an operator and values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Constraint {
    pub(crate) key: String,
    pub(crate) operator: Operator,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) values: Vec<String>,
}

/// A folder or file of the job that is kept as a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) path: String,
}

/// A port of the job; [`Port::new`] makes one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Port {
    pub(crate) name: String,
    #[serde(default, rename = "static", skip_serializing_if = "Option::is_none")]
    pub(crate) fixed: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host_network: Option<String>,
}

impl Port {
    /// A port that the node picks. The job finds its number in the environment variable `BACALHAU_HOST_PORT_` and this
    /// name, and that inside of the container in `BACALHAU_PORT_` and this name. A name is letters, digits and `_`, no
    /// digit first.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), fixed: None, target: None, host_network: None }
    }
    /// This port of the node, 1024 to 65535.
    #[must_use]
    pub fn fixed(mut self, port: u16) -> Self {
        self.fixed = Some(port);
        self
    }
    /// The port inside of the container; not with the network `Host`.
    #[must_use]
    pub fn target(mut self, port: u16) -> Self {
        self.target = Some(port);
        self
    }
    /// The address of the node on which it listens.
    #[must_use]
    pub fn host_network(mut self, address: impl Into<String>) -> Self {
        self.host_network = Some(address.into());
        self
    }
}

/// How the results of several nodes are compared; the requester API only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Verifier {
    /// Not at all.
    #[default]
    Noop,
    /// They have to be the same on as many nodes as the confidence says. With a count of 1 every job would fail.
    Deterministic,
}

/// The network that a job sees.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct NetworkAccess {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<NetworkType>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) domains: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) ports: Vec<Port>,
}

/// What every kind of job has; its setters are those of [`EngineJob`](super::EngineJob).
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Settings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<JobType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) task_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) priority: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) constraints: Vec<Constraint>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) meta: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) env: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) inputs: Vec<Input>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) outputs: Vec<Output>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) publisher: Option<Publisher>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) disk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gpu: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) network: NetworkAccess,
    #[serde(skip_serializing_if = "Option::is_none", with = "seconds")]
    pub(crate) execution_timeout: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none", with = "seconds")]
    pub(crate) queue_timeout: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none", with = "seconds")]
    pub(crate) total_timeout: Option<Duration>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) verifier: Verifier,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) confidence: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min_bids: Option<u32>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) do_not_track: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) force: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The members that are set; values of the environment may be secret, so only their names.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Settings");
        out.field("name", &self.name).field("namespace", &self.namespace).field("type", &self.kind);
        out.field("count", &self.count).field("labels", &self.labels).field("constraints", &self.constraints);
        out.field("env", &self.env.keys().collect::<Vec<_>>()).field("inputs", &self.inputs);
        out.field("outputs", &self.outputs).field("publisher", &self.publisher).field("network", &self.network);
        out.finish_non_exhaustive()
    }
}

/// Durations as seconds.
mod seconds {
    use super::*;

    pub(super) fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(time) if time.subsec_nanos() == 0 => time.as_secs().serialize(serializer),
            Some(time) => time.as_secs_f64().serialize(serializer),
            None => serializer.serialize_none(),
        }
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(deserializer)?;
        let duration = |seconds: f64| Duration::try_from_secs_f64(seconds).map_err(D::Error::custom);
        seconds.map(duration).transpose()
    }
}

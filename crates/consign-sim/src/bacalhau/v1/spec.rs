//! Jobs as they are submitted: read, made uniform, written again.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::decode::Members;
use super::errors::{Refused, api_error};
use crate::bacalhau::plan::{Program, inline_data};
use crate::bacalhau::selector::Requirement;

/// An engine, a source or a publisher.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Config {
    pub(crate) kind: String,
    pub(crate) params: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Input {
    pub(crate) source: Option<Config>,
    pub(crate) alias: String,
    pub(crate) target: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) fixed: i64,
    pub(crate) target: i64,
    pub(crate) network: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) engine: Option<Config>,
    pub(crate) publisher: Config,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) meta: BTreeMap<String, String>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) outputs: Vec<(String, String)>,
    /// CPU, memory, disk, GPU.
    pub(crate) resources: [String; 4],
    pub(crate) network: &'static str,
    pub(crate) domains: Vec<String>,
    pub(crate) ports: Vec<Port>,
    /// Execution, queue and total timeout, in seconds.
    pub(crate) timeouts: [i64; 3],
}

/// The part of a job that its submitter says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spec {
    pub(crate) kind: String,
    pub(crate) priority: i64,
    pub(crate) count: i64,
    pub(crate) constraints: Vec<Requirement>,
    pub(crate) meta: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) tasks: Vec<Task>,
}

/// A job as it came.
#[derive(Clone, Debug)]
pub(crate) struct Submitted {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) spec: Spec,
    /// Members that the server ignores, of those that it warns of.
    pub(crate) ignored: Vec<&'static str>,
}

/// The names of networks, in the order of the server's constants.
const NETWORKS: [&str; 6] = ["Default", "None", "Host", "Full", "HTTP", "Bridge"];

fn config(members: &Members<'_>, name: &str) -> Result<Option<Config>, Refused> {
    let Some(config) = members.object(name, "models.SpecConfig")? else { return Ok(None) };
    Ok(Some(Config { kind: config.text("Type")?.trim().to_owned(), params: config.free("Params")? }))
}

impl Config {
    /// A parameter by its name, in any case.
    pub(crate) fn param(&self, name: &str) -> Option<&Value> {
        let exact = self.params.get(name);
        exact.or_else(|| self.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
    }

    pub(crate) fn is(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind)
    }

    fn texts(&self, name: &str) -> Vec<&str> {
        self.param(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    pub(crate) fn json(&self) -> Value {
        if self.params.is_empty() {
            json!({"Type": self.kind})
        } else {
            json!({"Type": self.kind, "Params": self.params})
        }
    }
}

impl Task {
    fn read(task: &Members<'_>) -> Result<Self, Refused> {
        let inputs = task.objects("InputSources", "[]*models.InputSource")?;
        let outputs = task.objects("ResultPaths", "[]*models.ResultPath")?;
        let trimmed = |text: String| text.trim().to_owned();
        let mut read = Self {
            name: task.text("Name")?,
            engine: config(task, "Engine")?,
            publisher: config(task, "Publisher")?.unwrap_or_default(),
            env: task.texts("Env")?,
            meta: task.texts("Meta")?,
            network: NETWORKS[0],
            ..Self::default()
        };
        for input in &inputs {
            let (alias, target) = (trimmed(input.text("Alias")?), trimmed(input.text("Target")?));
            read.inputs.push(Input { source: config(input, "Source")?, alias, target });
        }
        for output in &outputs {
            read.outputs.push((trimmed(output.text("Name")?), trimmed(output.text("Path")?)));
        }
        if let Some(resources) = task.object("Resources", "models.ResourcesConfig")? {
            for (place, name) in ["CPU", "Memory", "Disk", "GPU"].into_iter().enumerate() {
                read.resources[place] = resources.text(name)?.to_lowercase().replace([' ', '\n'], "");
            }
        }
        if let Some(network) = task.object("Network", "models.NetworkConfig")? {
            let name = network.text("Type")?;
            let known = NETWORKS.into_iter().find(|known| known.eq_ignore_ascii_case(name.trim()) || name.is_empty());
            read.network = known.ok_or_else(|| {
                let why = format!("models.Network: unknown type '{name}'");
                api_error(400, &format!("code=400, message={why}, internal={why}"))
            })?;
            read.domains = network.strings("Domains")?;
            for port in network.objects("Ports", "[]*models.Port")? {
                read.ports.push(Port {
                    name: port.text("Name")?,
                    fixed: port.integer("Static", "int")?.unwrap_or(0),
                    target: port.integer("Target", "int")?.unwrap_or(0),
                    network: port.text("HostNetwork")?,
                });
            }
        }
        if let Some(timeouts) = task.object("Timeouts", "models.TimeoutConfig")? {
            for (place, name) in ["ExecutionTimeout", "QueueTimeout", "TotalTimeout"].into_iter().enumerate() {
                read.timeouts[place] = timeouts.integer(name, "int64")?.unwrap_or(0);
            }
        }
        Ok(read)
    }

    fn json(&self) -> Value {
        let engine = self.engine.clone().unwrap_or_default().json();
        let mut task = json!({"Name": self.name, "Engine": engine, "Publisher": self.publisher.json()});
        if !self.env.is_empty() {
            task["Env"] = json!(self.env);
        }
        if !self.meta.is_empty() {
            task["Meta"] = json!(self.meta);
        }
        if !self.inputs.is_empty() {
            let source = |input: &Input| input.source.as_ref().map_or(Value::Null, Config::json);
            let json = |i: &Input| json!({"Source": source(i), "Alias": i.alias, "Target": i.target});
            task["InputSources"] = self.inputs.iter().map(json).collect();
        }
        if !self.outputs.is_empty() {
            task["ResultPaths"] = self.outputs.iter().map(|(name, path)| json!({"Name": name, "Path": path})).collect();
        }
        task["Resources"] = filled([
            ("CPU", text(&self.resources[0])),
            ("Memory", text(&self.resources[1])),
            ("Disk", text(&self.resources[2])),
            ("GPU", text(&self.resources[3])),
        ]);
        let domains = (!self.domains.is_empty()).then(|| json!(self.domains));
        let port = |port: &Port| {
            filled([
                ("Name", Some(json!(port.name))),
                ("Static", number(port.fixed)),
                ("Target", number(port.target)),
                ("HostNetwork", text(&port.network)),
            ])
        };
        let ports = (!self.ports.is_empty()).then(|| self.ports.iter().map(port).collect());
        task["Network"] = filled([("Type", Some(json!(self.network))), ("Domains", domains), ("Ports", ports)]);
        task["Timeouts"] = filled([
            ("ExecutionTimeout", number(self.timeouts[0])),
            ("QueueTimeout", number(self.timeouts[1])),
            ("TotalTimeout", number(self.timeouts[2])),
        ]);
        task
    }

    /// The kind of the engine, in lower case.
    pub(crate) fn engine_kind(&self) -> String {
        self.engine.as_ref().map(|engine| engine.kind.to_lowercase()).unwrap_or_default()
    }

    /// What its program does by itself.
    pub(crate) fn program(&self) -> Program {
        let Some(engine) = &self.engine else { return Program::default() };
        if !engine.is("wasm") {
            let words: Vec<&str> = engine.texts("Entrypoint").into_iter().chain(engine.texts("Parameters")).collect();
            return Program::command(&words);
        }
        let entry = engine.param("EntryModule");
        // Servers before 1.7: the input itself.
        if let Some(entry) = entry.filter(|entry| entry.is_object()) {
            let input = input(entry, "/wasm/entry.wasm");
            return module(&input);
        }
        let place = entry.and_then(Value::as_str).unwrap_or_default();
        let input = self.inputs.iter().find(|input| input.target == place && !place.is_empty());
        input.map_or_else(|| Program::missing_module(place), module)
    }

    /// Takes a module that is written as in servers before 1.7 out of the engine and into the inputs.
    pub(crate) fn modernise(&mut self) {
        let Some(engine) = self.engine.as_mut().filter(|engine| engine.is("wasm")) else { return };
        let Some(entry) = engine.param("EntryModule").filter(|value| value.is_object()) else { return };
        let mut moved = vec![input(entry, "/wasm/entry.wasm")];
        let imports = engine.param("ImportModules").and_then(Value::as_array).cloned().unwrap_or_default();
        let place = |index: usize| format!("/wasm/imports/module_{index}.wasm");
        moved.extend(imports.iter().enumerate().map(|(index, value)| input(value, &place(index))));
        let mut params = Map::new();
        params.insert("EntryModule".to_owned(), json!(moved[0].target));
        for (name, from) in [("Entrypoint", "EntryPoint"), ("Parameters", "Parameters")] {
            if let Some(value) = engine.param(from) {
                params.insert(name.to_owned(), value.clone());
            }
        }
        if moved.len() > 1 {
            params.insert("ImportModules".to_owned(), moved[1..].iter().map(|input| json!(input.target)).collect());
        }
        engine.params = params;
        self.inputs.extend(moved);
    }
}

/// An input that stands in the parameters of an engine; `place` is where it is mounted unless it says so.
fn input(value: &Value, place: &str) -> Input {
    let source = value.get("Source").and_then(Value::as_object);
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let kind = source.and_then(|source| source.get("Type")).and_then(Value::as_str).unwrap_or_default().to_owned();
    let params = source.and_then(|source| source.get("Params")).and_then(Value::as_object).cloned().unwrap_or_default();
    let target = Some(text("Target")).filter(|target| !target.is_empty()).unwrap_or(place).to_owned();
    Input { source: Some(Config { kind, params }), alias: text("Alias").to_owned(), target }
}

/// What the module of an input does.
fn module(input: &Input) -> Program {
    let source = input.source.as_ref().filter(|source| source.is("inline"));
    let url = source.and_then(|source| source.param("URL")).and_then(Value::as_str);
    match url.and_then(inline_data) {
        Some(module) => Program::wasm(&module, &input.target),
        // What lies elsewhere is not fetched.
        None => Program { lasts: None, ..Program::wasm(b"\0asm", &input.target) },
    }
}

fn text(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| json!(text))
}

fn number(number: i64) -> Option<Value> {
    (number != 0).then(|| json!(number))
}

/// An object of the members that have a value.
fn filled<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let filled = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(filled.collect())
}

impl Submitted {
    /// Reads the member `Job` of a body. None: there is none.
    pub(crate) fn read(body: &Members<'_>) -> Result<Option<Self>, Refused> {
        let Some(whole) = body.object("Job", "models.job")? else { return Ok(None) };
        let count = whole.integer("Count", "int")?;
        let job = whole.within("alias");
        let kind = job.text("Type")?;
        let mut constraints = Vec::new();
        for constraint in job.objects("Constraints", "[]*models.LabelSelectorRequirement")? {
            constraints.push(Requirement {
                key: constraint.text("Key")?,
                operator: constraint.text("Operator")?,
                values: constraint.strings("Values")?,
            });
        }
        let mut ignored = Vec::new();
        let state =
            job.object("State", "models.State[github.com/bacalhau-project/bacalhau/pkg/models.JobStateType]")?;
        let known = ["Pending", "Queued", "Running", "Completed", "Failed", "Stopped"];
        let word = state.map_or(Ok(String::new()), |state| state.text("StateType"))?;
        if known.iter().any(|known| known.eq_ignore_ascii_case(word.trim())) {
            ignored.push("state");
        }
        for (what, name, go) in [
            ("revision", "Revision", "uint64"),
            ("version", "Version", "uint64"),
            ("create time", "CreateTime", "int64"),
            ("modify time", "ModifyTime", "int64"),
        ] {
            if job.integer(name, go)?.unwrap_or(0) != 0 {
                ignored.push(what);
            }
        }
        let tasks = job.objects("Tasks", "[]*models.Task")?;
        let one_by_default = matches!(kind.as_str(), "batch" | "service");
        let spec = Spec {
            priority: job.integer("Priority", "int")?.unwrap_or(0),
            count: count.unwrap_or(i64::from(one_by_default)),
            constraints,
            meta: job.texts("Meta")?,
            labels: job.texts("Labels")?,
            tasks: tasks.iter().map(Task::read).collect::<Result<_, _>>()?,
            kind,
        };
        let (id, name, namespace) = (job.text("ID")?, job.text("Name")?, job.text("Namespace")?);
        Ok(Some(Self { id, name, namespace, spec, ignored }))
    }

    /// Makes the job uniform and drops what a submitter cannot set. Gives the warnings.
    pub(crate) fn sanitise(&mut self) -> Vec<String> {
        if self.namespace.is_empty() {
            "default".clone_into(&mut self.namespace);
        }
        if self.name.is_empty() {
            self.name.clone_from(&self.id);
        }
        let spec = &mut self.spec;
        if matches!(spec.kind.as_str(), "daemon" | "ops") {
            spec.count = 0;
        }
        let mut warnings: Vec<String> =
            self.ignored.iter().map(|what| format!("job {what} is ignored when submitting a job")).collect();
        if matches!(spec.kind.as_str(), "batch" | "ops") && !self.id.is_empty() {
            warnings.push("job ID is ignored when submitting a batch job".to_owned());
            self.id.clear();
        }
        if spec.tasks.len() > 1 {
            warnings.push("only one task is supported per job".to_owned());
            spec.tasks.truncate(1);
        }
        for domain in spec.tasks.iter_mut().flat_map(|task| &mut task.domains) {
            *domain = domain.to_lowercase().trim().to_owned();
        }
        spec.meta.retain(|key, _| {
            let reserved = key.starts_with("bacalhau.org/");
            if reserved {
                warnings.push(format!("job meta key \"{key}\" is reserved and will be ignored"));
            }
            !reserved
        });
        warnings
    }
}

impl Spec {
    /// The one task that is used.
    pub(crate) fn task(&self) -> &Task {
        static NONE: LazyLock<Task> = LazyLock::new(Task::default);
        self.tasks.first().unwrap_or(&NONE)
    }

    /// Whether it runs until it is stopped.
    pub(crate) fn long_running(&self) -> bool {
        matches!(self.kind.as_str(), "service" | "daemon")
    }

    /// Whether it runs once on every node that fits.
    pub(crate) fn everywhere(&self) -> bool {
        matches!(self.kind.as_str(), "ops" | "daemon")
    }

    /// Its members of a job.
    pub(crate) fn json(&self) -> Map<String, Value> {
        let constraint = |c: &Requirement| {
            let values = (!c.values.is_empty()).then(|| json!(c.values));
            filled([("Key", Some(json!(c.key))), ("Operator", Some(json!(c.operator))), ("Values", values)])
        };
        let members = json!({
            "Type": self.kind, "Priority": self.priority, "Count": self.count,
            "Constraints": self.constraints.iter().map(constraint).collect::<Vec<_>>(),
            "Meta": self.meta, "Labels": self.labels,
            "Tasks": self.tasks.iter().map(Task::json).collect::<Vec<_>>(),
        });
        match members {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }
}

//! How Bacalhau's methods are called, for the vector runner.
use consign::Jobs;
use consign::bacalhau::Requester;
use consign_bacalhau::requester::{self, Envelope, PayloadMember};
use consign_bacalhau::{Identity, v1};
use consign_http::{Error, Operation};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::bacalhau_signing::identities;
use crate::compare::Special;
use crate::line::Body;
use crate::run::{Called, Provider, Replied, no_arguments};
use crate::server::Sent;
use crate::spec::Spec;

pub struct Bacalhau;

impl Provider for Bacalhau {
    const NAME: &'static str = "bacalhau";
    const ID: &'static str = "JobId";
    const SPECIAL: Special = |_, _, _| None;

    fn document(api: Option<&str>) -> Option<&'static str> {
        match api {
            Some("requester") => Some("specs/bacalhau/requester.json"),
            Some("v1") => Some("specs/bacalhau/v1.json"),
            _ => None,
        }
    }
    fn operations(api: Option<&str>) -> &'static [&'static Operation] {
        match api {
            Some("requester") => requester::operations::ALL,
            Some("v1") => v1::operations::ALL,
            _ => &[],
        }
    }
    async fn call(url: &str, operation: &'static Operation, a: Arguments) -> Result<Called, String> {
        match operation.path.starts_with("/api/v1/") {
            true => call_v1(url, operation, a).await,
            false => call_requester(url, operation, a).await,
        }
    }
    fn arguments(operation: &Operation, body: &Value) -> Arguments {
        let mut arguments = no_arguments();
        let id = [&body["Job"]["ID"], &body["JobID"]].iter().find_map(|id| id.as_str()).filter(|id| !id.is_empty());
        if operation.path.contains('{') {
            arguments.path.push(id.unwrap_or("a-job").to_owned());
        }
        let json = |value: Value| Body::Json(value.to_string());
        arguments.body = match (operation.path, operation.id) {
            ("/requester/submit", _) => signed::<requester::types::JobCreatePayload>(
                json!({"ClientID": "c", "APIVersion": "V1beta1", "Spec": {}}),
                PayloadMember::JobCreatePayload,
            ),
            ("/requester/cancel", _) => signed::<requester::types::JobCancelPayload>(
                json!({"ClientID": "c", "JobID": "j"}),
                PayloadMember::Payload,
            ),
            (_, "put" | "diff") => json(json!({"Job": {"Type": "batch", "Tasks": []}})),
            (_, "node_put") => json(json!({"Action": "approve"})),
            (_, "auth_login") => json(json!({"Name": "clientkey", "MethodData": ""})),
            (_, "list" | "states" | "results" | "events" | "version") if operation.method == "POST" => json(json!({})),
            _ => Body::None,
        };
        arguments
    }
    /// By the forms of the fact sheet: `Message`, else `Err` or `Error`; broken rules stand one in a line.
    fn words(body: &Value) -> Vec<String> {
        let text = |name: &str| body[name].as_str().filter(|text| !text.trim().is_empty());
        let message = ["Message", "Err", "Error"].iter().find_map(|name| text(name));
        let reason = body["Details"]["reason"].as_str();
        message.into_iter().flat_map(str::lines).chain(reason).map(str::to_owned).collect()
    }
    fn frame(operation: &str, text: &str) -> Option<(Value, Result<(), Error>)> {
        let encoded = serde_json::from_str::<v1::types::LogFrame>(text).ok();
        let encoded = encoded.and_then(|frame| serde_json::to_value(frame).ok()).unwrap_or_default();
        (operation == "logs_frame").then(|| (encoded, v1::read_frame(text).map(|_| ())))
    }
    /// What was signed has to arrive byte by byte, with a signature that holds.
    fn arrived(operation: &Operation, recorded: &Body, sent: &Sent) -> Vec<String> {
        let Body::Json(recorded) = recorded else { return Vec::new() };
        match operation.path {
            "/requester/submit" => arrived::<requester::types::JobCreatePayload>(recorded, &sent.body),
            "/requester/cancel" => arrived::<requester::types::JobCancelPayload>(recorded, &sent.body),
            _ => Vec::new(),
        }
    }
    async fn state(url: &str, operation: &Operation, body: &Value) -> Option<Result<(String, bool), String>> {
        let look = async {
            match (operation.path, operation.id) {
                ("/requester/states", _) => {
                    let jobs = Jobs::new(old(url, None));
                    let ticket = Requester::ticket_of_job(body["state"]["JobID"].as_str().unwrap_or(A_JOB));
                    Ok(Some(seen(&jobs.attach(ticket)?.look().await?)))
                }
                ("/requester/cancel", _) => {
                    let identity = identities().expect("the recorded keys").remove(0);
                    let ticket = Requester::ticket_of_job(A_JOB);
                    Ok(Some(seen(&old(url, Some(identity)).stop(&ticket, "no longer needed").await?)))
                }
                (_, "get") => {
                    let id = &Self::arguments(operation, body).path[0];
                    let client = v1::Client::new(url).expect("a loopback address");
                    let jobs = Jobs::new(consign::bacalhau::Bacalhau::from_client(client));
                    let ticket = consign::bacalhau::Bacalhau::ticket_of_job(id);
                    Ok(Some(seen(&jobs.attach(ticket)?.look().await?)))
                }
                _ => Ok(None),
            }
        };
        look.await.map_err(|error: consign::Error| error.to_string()).transpose()
    }
}

/// A full id, for answers that name none.
const A_JOB: &str = "9304c616-291f-41ad-b862-54e133c0149e";

fn old(url: &str, identity: Option<Identity>) -> Requester {
    Requester::from_client(requester::Client::new(url).expect("a loopback address"), identity)
}

/// What a look showed.
fn seen<P: consign::Provider>(snapshot: &consign::Snapshot<P>) -> (String, bool) {
    (snapshot.state().as_str().to_owned(), snapshot.finished())
}

async fn call_requester(url: &str, operation: &'static Operation, mut a: Arguments) -> Result<Called, String> {
    use requester::*;
    let client = Client::new(url).map_err(|error| error.to_string())?;
    let called = match operation.id {
        "submit" => {
            let (body, extra): (SubmitEnvelope, _) = envelope(&mut a, "JobCreatePayload")?;
            Called::new(extra, client.submit(&body, SubmitOptions::default()).await)
        }
        "cancel" => {
            let (body, extra): (CancelEnvelope, _) = envelope(&mut a, "JobCancelPayload")?;
            Called::new(extra, client.cancel(&body, CancelOptions::default()).await)
        }
        "list" => {
            let (body, extra): (types::ListRequest, _) = required(&mut a, "requester", "list")?;
            Called::new(extra, client.list(&body, ListOptions::default()).await)
        }
        "states" => {
            let (body, extra): (types::StateRequest, _) = required(&mut a, "requester", "states")?;
            Called::new(extra, client.states(&body, StatesOptions::default()).await)
        }
        "results" => {
            let (body, extra): (types::StateRequest, _) = required(&mut a, "requester", "results")?;
            Called::new(extra, client.results(&body, ResultsOptions::default()).await)
        }
        "events" => {
            let (body, extra): (types::EventsRequest, _) = required(&mut a, "requester", "events")?;
            Called::new(extra, client.events(&body, EventsOptions::default()).await)
        }
        "version" => {
            let (body, extra): (types::VersionRequest, _) = required(&mut a, "requester", "version")?;
            Called::new(extra, client.version(&body, VersionOptions::default()).await)
        }
        "livez" => text(client.livez(LivezOptions::default()).await),
        "readyz" => text(client.readyz(ReadyzOptions::default()).await),
        "id" => text(client.id(IdOptions::default()).await),
        "logz" => text(client.logz(LogzOptions::default()).await),
        "node_info" => Called::new(Vec::new(), client.node_info(NodeInfoOptions::default()).await),
        "peers" => Called::new(Vec::new(), client.peers(PeersOptions::default()).await),
        "healthz" => Called::new(Vec::new(), client.healthz(HealthzOptions::default()).await),
        "varz" => Called::new(Vec::new(), client.varz(VarzOptions::default()).await),
        "debug" => Called::new(Vec::new(), client.debug(DebugOptions::default()).await),
        "logs" => {
            let identity = identities()?.remove(0);
            let payload = types::LogsPayload::new(identity.client_id(), "j", "e");
            let envelope = LogsEnvelope::sign(&identity, &payload, PayloadMember::Payload);
            let envelope = envelope.map_err(|error| error.to_string())?;
            socket(client.logs(&envelope, LogsOptions::default()).await)
        }
        "websocket_events" => {
            let mut options = WebsocketEventsOptions::default();
            options.job_id = a.one("job_id")?;
            socket(client.websocket_events(options).await)
        }
        other => return Err(format!("the runner cannot call {other}")),
    };
    a.finish()?;
    Ok(called)
}

async fn call_v1(url: &str, operation: &'static Operation, mut a: Arguments) -> Result<Called, String> {
    use v1::*;
    let client = Client::new(url).map_err(|error| error.to_string())?;
    let id = a.path.first().cloned().unwrap_or_default();
    // Every parameter is taken before anything is sent, so that one without a place fails the line.
    let called = match operation.id {
        "put" => {
            let (body, extra): (types::PutJobRequest, _) = required(&mut a, "v1", "put")?;
            Called::new(extra, client.put(&body, PutOptions::default()).await)
        }
        "diff" => {
            let (body, extra): (types::DiffJobRequest, _) = required(&mut a, "v1", "diff")?;
            Called::new(extra, client.diff(&body, DiffOptions::default()).await)
        }
        "list" => {
            let mut o = ListOptions::default();
            (o.namespace, o.limit, o.next_token) = (a.one("namespace")?, a.one("limit")?, a.one("next_token")?);
            (o.order_by, o.reverse) = (a.one("order_by")?, a.flag("reverse")?);
            o.labels = Some(a.list("labels"));
            a.finish()?;
            Called::new(Vec::new(), client.list(o).await)
        }
        "get" => {
            let mut o = GetOptions::default();
            (o.include, o.namespace, o.limit) = (a.one("include")?, a.one("namespace")?, a.one("limit")?);
            o.job_version = a.one("job_version")?;
            a.finish()?;
            Called::new(Vec::new(), client.get(&id, o).await)
        }
        "stop" => {
            let mut o = StopOptions::default();
            o.namespace = a.one("namespace")?;
            let (body, extra) = optional::<types::StopJobRequest>(&mut a, "v1", "stop")?;
            Called::new(extra, client.stop(&id, body.as_ref(), o).await)
        }
        "rerun" => {
            let (body, extra) = optional::<types::RerunJobRequest>(&mut a, "v1", "rerun")?;
            Called::new(extra, client.rerun(&id, body.as_ref(), RerunOptions::default()).await)
        }
        "history" => {
            let mut o = HistoryOptions::default();
            (o.namespace, o.limit, o.next_token) = (a.one("namespace")?, a.one("limit")?, a.one("next_token")?);
            (o.since, o.event_type) = (a.one("since")?, a.one("event_type")?);
            (o.execution_id, o.node_id) = (a.one("execution_id")?, a.one("node_id")?);
            (o.job_version, o.all_job_versions) = (a.one("job_version")?, a.flag("all_job_versions")?);
            a.finish()?;
            Called::new(Vec::new(), client.history(&id, o).await)
        }
        "executions" => {
            let mut o = ExecutionsOptions::default();
            (o.namespace, o.limit, o.next_token) = (a.one("namespace")?, a.one("limit")?, a.one("next_token")?);
            (o.order_by, o.reverse) = (a.one("order_by")?, a.flag("reverse")?);
            (o.job_version, o.all_job_versions) = (a.one("job_version")?, a.flag("all_job_versions")?);
            a.finish()?;
            Called::new(Vec::new(), client.executions(&id, o).await)
        }
        "versions" => {
            let mut o = VersionsOptions::default();
            (o.namespace, o.limit, o.next_token) = (a.one("namespace")?, a.one("limit")?, a.one("next_token")?);
            (o.order_by, o.reverse) = (a.one("order_by")?, a.flag("reverse")?);
            a.finish()?;
            Called::new(Vec::new(), client.versions(&id, o).await)
        }
        "results" => {
            let mut o = ResultsOptions::default();
            o.namespace = a.one("namespace")?;
            a.finish()?;
            Called::new(Vec::new(), client.results(&id, o).await)
        }
        "logs" => {
            let mut o = LogsOptions::default();
            (o.execution_id, o.follow, o.tail) = (a.one("execution_id")?, a.flag("follow")?, a.flag("tail")?);
            (o.namespace, o.job_version) = (a.one("namespace")?, a.one("job_version")?);
            o.all_job_versions = a.flag("all_job_versions")?;
            a.finish()?;
            socket(client.logs(&id, o).await)
        }
        "node_list" => {
            let mut o = NodeListOptions::default();
            (o.limit, o.next_token, o.order_by) = (a.one("limit")?, a.one("next_token")?, a.one("order_by")?);
            (o.reverse, o.labels) = (a.flag("reverse")?, Some(a.list("labels")));
            (o.filter_approval, o.filter_status) = (a.one("filter-approval")?, a.one("filter-status")?);
            a.finish()?;
            Called::new(Vec::new(), client.node_list(o).await)
        }
        "node_get" => Called::new(Vec::new(), client.node_get(&id, NodeGetOptions::default()).await),
        "node_put" => {
            let (body, extra): (types::PutNodeRequest, _) = required(&mut a, "v1", "node_put")?;
            Called::new(extra, client.node_put(&id, &body, NodePutOptions::default()).await)
        }
        "alive" => Called::new(Vec::new(), client.alive(AliveOptions::default()).await),
        "version" => Called::new(Vec::new(), client.version(VersionOptions::default()).await),
        "agent_node" => Called::new(Vec::new(), client.agent_node(AgentNodeOptions::default()).await),
        "agent_debug" => Called::new(Vec::new(), client.agent_debug(AgentDebugOptions::default()).await),
        "agent_config" => Called::new(Vec::new(), client.agent_config(AgentConfigOptions::default()).await),
        "authconfig" => Called::new(Vec::new(), client.authconfig(AuthconfigOptions::default()).await),
        "auth_methods" => Called::new(Vec::new(), client.auth_methods(AuthMethodsOptions::default()).await),
        "auth_method" => Called::new(Vec::new(), client.auth_method(&id, AuthMethodOptions::default()).await),
        "auth_login" => {
            let (body, extra): (types::AuthRequest, _) = required(&mut a, "v1", "auth_login")?;
            Called::new(extra, client.auth_login(&id, &body, AuthLoginOptions::default()).await)
        }
        other => return Err(format!("the runner cannot call {other}")),
    };
    a.finish()?;
    Ok(called)
}

/// A reply that is text.
fn text(reply: Result<consign_http::Reply<bytes::Bytes>, Error>) -> Called {
    Called::new(Vec::new(), reply.map(|reply| reply.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())))
}

/// A connection that stands: nothing was answered yet.
fn socket<T>(opened: Result<T, Error>) -> Called {
    let reply = opened.map(|_| Replied { encoded: Value::Null, raw: bytes::Bytes::new() });
    Called { extra: Vec::new(), reply }
}

/// A body, and the members of it that its type keeps in `extra`.
fn optional<T>(a: &mut Arguments, api: &str, operation: &str) -> Result<(Option<T>, Vec<String>), String>
where
    T: DeserializeOwned + std::fmt::Debug,
{
    let given = a.body.clone();
    let body: Option<T> = a.json()?;
    a.finish()?;
    let spec = spec(api);
    let extra = match (&body, &given) {
        (Some(body), Body::Json(text)) => unknown(&spec, spec.request_schema(operation), text, body)?,
        _ => Vec::new(),
    };
    Ok((body, extra))
}

fn required<T>(a: &mut Arguments, api: &str, operation: &str) -> Result<(T, Vec<String>), String>
where
    T: DeserializeOwned + std::fmt::Debug,
{
    let (body, extra) = optional(a, api, operation)?;
    Ok((body.ok_or("the method needs a body")?, extra))
}

/// Pointers of the members that the document does not describe: they are in some `extra`. That the types have nothing
/// else there shows in their debug text.
fn unknown(spec: &Spec, schema: &Value, text: &str, typed: &dyn std::fmt::Debug) -> Result<Vec<String>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut found = spec.undescribed(schema, &value, "");
    let shown = format!("{typed:?}");
    let filled = shown.matches("extra: {").count() > shown.matches("extra: {}").count();
    if filled && found.is_empty() {
        found.push(String::new());
    }
    Ok(found)
}

/// The recorded envelope, signed anew with the key whose public half it carries: the signature has to be the same.
fn envelope<P>(a: &mut Arguments, payload: &str) -> Result<(Envelope<P>, Vec<String>), String>
where
    P: DeserializeOwned + std::fmt::Debug,
{
    let recorded: Envelope<P> = a.json()?.ok_or("the method needs a body")?;
    a.finish()?;
    let found = identities()?;
    let identity = found.iter().find(|known| known.public_key().as_str() == recorded.client_public_key());
    let identity = identity.ok_or("no recorded key has the public key of this line")?;
    let text = recorded.payload_text();
    let mut signed = Envelope::<P>::sign_text(identity, text, recorded.member()).map_err(|error| error.to_string())?;
    if signed.signature() != recorded.signature() {
        return Err("the signature is not the recorded one".to_owned());
    }
    if signed.payload_text() != text || !signed.is_genuine() {
        return Err("the payload is not the text that was signed".to_owned());
    }
    signed.extra.clone_from(&recorded.extra);
    let spec = spec("requester");
    let typed = signed.payload().map_err(|error| format!("payload: {error}"))?;
    let schema = json!({"$ref": format!("#/components/schemas/{payload}")});
    let mut extra: Vec<String> = recorded.extra.keys().map(|name| format!("/{name}")).collect();
    let inside = unknown(&spec, &schema, text, &typed)?;
    extra.extend(inside.into_iter().map(|at| format!("/{}{at}", recorded.member().as_str())));
    Ok((signed, extra))
}

/// An envelope for a call whose answer matters.
fn signed<P>(payload: Value, member: PayloadMember) -> Body
where
    P: DeserializeOwned + Serialize,
{
    let identity: Identity = identities().expect("the recorded keys").remove(0);
    let envelope = Envelope::<P>::sign_text(&identity, &payload.to_string(), member).expect("an envelope");
    Body::Json(serde_json::to_string(&envelope).expect("an envelope is JSON"))
}

fn arrived<P>(recorded: &str, sent: &[u8]) -> Vec<String> {
    let read = |text: &[u8]| serde_json::from_slice::<Envelope<P>>(text).map_err(|error| error.to_string());
    match (read(recorded.as_bytes()), read(sent)) {
        (Ok(recorded), Ok(sent)) if recorded.payload_text() != sent.payload_text() => {
            vec!["the payload's bytes are not the recorded ones".to_owned()]
        }
        (Ok(_), Ok(sent)) if !sent.is_genuine() => vec!["the signature does not hold".to_owned()],
        (Ok(_), Ok(_)) => Vec::new(),
        (recorded, sent) => {
            [recorded.err(), sent.err()].into_iter().flatten().map(|error| format!("envelope: {error}")).collect()
        }
    }
}

fn spec(api: &str) -> Spec {
    Spec::read(&crate::root().join(format!("specs/bacalhau/{api}.json")))
}

//! The operations: from a request to what is done and answered.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, VARY};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::decode::Members;
use super::errors::{self, ApiError, Refused, api_error, bad_request, unforeseen};
use super::query::Query;
use super::route::Target;
use super::spec::Submitted;
use super::{Inner, auth, diff, reads, validate};
use crate::bacalhau::sign;
use crate::chance::{chance, mix, uuid};
use crate::faults::{Twist, response};
use crate::front::Call;

/// The largest body that is taken.
const LARGEST: usize = 10 << 20;

/// How long the server works on a request at most.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An answer, or a refusal on the way to it.
pub(crate) type Answer = Result<Response<Bytes>, Refused>;

/// What one operation works with.
pub(crate) struct Work<'a> {
    pub(crate) inner: &'a Arc<Inner>,
    pub(crate) entry: u64,
    pub(crate) twist: Option<Twist>,
    pub(crate) request: &'a Request<Bytes>,
    pub(crate) query: Query,
    pub(crate) results_url: &'a str,
}

/// Carries out one request.
pub(crate) async fn answer(
    inner: &Arc<Inner>,
    call: Call,
    target: Target,
    request: Request<Bytes>,
    results_url: &str,
) -> Response<Bytes> {
    let reads = matches!(*request.method(), Method::GET | Method::DELETE);
    let query = Query::new(request.uri().query().filter(|_| reads).unwrap_or_default());
    let pretty = Query::new(request.uri().query().unwrap_or_default()).has("pretty");
    let id = request.headers().get("x-request-id").cloned();
    let Call { entry, twist } = call;
    let work = Work { inner, entry, twist, request: &request, query, results_url };
    let mut reply = work.carry_out(target).await.unwrap_or_else(|refusal| *refusal);
    let version = inner.with(|world| world.settings.version);
    if reply.status().as_u16() >= 400 && !version.at_least(6, 0) {
        work.shorten(&mut reply, version.at_least(4, 0));
    }
    work.finish(&mut reply, id, pretty);
    reply
}

impl Work<'_> {
    async fn carry_out(&self, target: Target) -> Answer {
        if self.request.body().len() > LARGEST {
            return Err(api_error(413, "Request Entity Too Large"));
        }
        let path = self.request.uri().path();
        let user = self.inner.with(|world| {
            let refused = |token: &str| self.inner.front.faults.refuses(token);
            auth::authorize(&world.settings, self.request.method(), path, self.request.headers(), refused)
        })?;
        self.inner.front.ledger.amend(self.entry, |entry| entry.account = user);
        self.check_client()?;
        match target {
            Target::Put => self.put().await,
            Target::Stop(id) => self.stop(&id).await,
            Target::Rerun(id) => self.rerun(&id).await,
            Target::Diff => self.diff(),
            Target::Redirect(to) => {
                let mut reply = errors::json(StatusCode::MOVED_PERMANENTLY, &Value::Null);
                reply.body_mut().clear();
                reply.headers_mut().remove(CONTENT_TYPE);
                reply.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
                Ok(reply)
            }
            Target::NodePut(id) => self.node_put(&id),
            Target::Logs(id) => super::logs::open(self, &id),
            Target::AuthLogin(name) => self.auth_login(&name),
            Target::Unknown => Err(errors::no_route()),
            other => reads::read(self, other),
        }
    }

    /// Servers from 1.4 on turn old clients away, if these tell their version.
    fn check_client(&self) -> Result<(), Refused> {
        let version = self.inner.with(|world| world.settings.version);
        let Some(told) = self.client_version().filter(|_| version.at_least(4, 0)) else { return Ok(()) };
        let mut parts = told
            .trim_start_matches('v')
            .splitn(3, '.')
            .map(|part| part.split(['-', '+']).next().unwrap_or_default().parse::<u32>());
        let (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) = (parts.next(), parts.next(), parts.next()) else {
            let body = json!({"Error": format!("Invalid client version {told}")});
            return Err(Box::new(errors::json(StatusCode::BAD_REQUEST, &body)));
        };
        if (major, minor) >= (1, 4) {
            return Ok(());
        }
        let body = json!({
            "Error": "Client version is outdated. Update your client", "MinVersion": "1.4.0",
            "ClientVersion": format!("{major}.{minor}.{patch}"),
            "ServerVersion": version.tag().trim_start_matches('v'),
        });
        Err(Box::new(errors::json(StatusCode::FORBIDDEN, &body)))
    }

    /// The version that a client says it has, unless it is a development build.
    pub(crate) fn client_version(&self) -> Option<&str> {
        let told = self.request.headers().get("x-bacalhau-git-version")?.to_str().ok()?;
        (!told.is_empty() && !told.contains("xxxxxxx")).then_some(told)
    }

    /// The body as JSON. Null if there is none.
    fn body(&self) -> Result<Value, Refused> {
        let body = self.request.body();
        if body.is_empty() {
            return Ok(Value::Null);
        }
        let media = self.request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
            return Err(api_error(400, "code=415, message=Unsupported Media Type"));
        }
        serde_json::from_slice(body).map_err(|error| {
            let offset = error.column();
            let found = body.get(offset.saturating_sub(1)).map_or(' ', |byte| char::from(*byte));
            let why = match error.classify() {
                serde_json::error::Category::Eof => "unexpected EOF".to_owned(),
                _ => format!("invalid character '{found}' looking for beginning of object key string"),
            };
            let message = format!("code=400, message=Syntax error: offset={offset}, error={why}, internal={why}");
            api_error(400, &message)
        })
    }

    /// Ends in the server's own time limit while writes are frozen.
    async fn wait_for_writes(&self) -> Result<(), Refused> {
        if !self.inner.with(|world| world.frozen) {
            return Ok(());
        }
        let clock = &self.inner.front.clock;
        clock.sleep_until(clock.now() + TIMEOUT).await;
        Err(Box::new(response(StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", "Server Timeout!")))
    }

    /// A job from a body, checked as the HTTP layer does.
    fn submitted(&self, body: &Value, root: &'static str) -> Result<(Submitted, bool), Refused> {
        let missing = || api_error(400, "empty/nil job");
        let members = Members::of(body, root)?.ok_or_else(missing)?;
        let force = root == "PutJobRequest" && members.flag("Force")?;
        let Some(job) = Submitted::read(&members)? else {
            return Err(if root == "PutJobRequest" { missing() } else { unforeseen() });
        };
        if root != "PutJobRequest" && job.name.trim().is_empty() {
            return Err(api_error(400, "invalid job spec: name is missing"));
        }
        let wrong = validate::submission(&job.spec);
        if wrong.is_empty() { Ok((job, force)) } else { Err(api_error(400, &wrong.join("\n"))) }
    }

    async fn put(&self) -> Answer {
        let body = self.body()?;
        let (job, force) = self.submitted(&body, "PutJobRequest")?;
        self.inner.look(|world, _| world.refuse_unchanged(&job, force))?;
        self.wait_for_writes().await?;
        self.inner.change(|world, now| {
            let put = world.submit(now, job, force, self.request.body())?;
            let id = world.jobs[put.job].id.clone();
            self.inner.front.ledger.made(self.entry, std::slice::from_ref(&id));
            let warnings = if put.warnings.is_empty() { Value::Null } else { json!(put.warnings) };
            let body = json!({"JobID": id, "EvaluationID": world.eval_id(put.eval), "Warnings": warnings});
            Ok(errors::json(StatusCode::OK, &body))
        })
    }

    async fn stop(&self, id: &str) -> Answer {
        let body = self.body()?;
        let (mut reason, mut namespace) = (String::new(), self.query.text("namespace"));
        if let Some(members) = Members::of(&body, "StopJobRequest")? {
            reason = members.text("reason")?;
            let own = members.text("Namespace")?;
            if !own.is_empty() {
                namespace = own;
            }
        }
        self.wait_for_writes().await?;
        self.inner.change(|world, now| {
            let job = world.find(id, &namespace)?;
            let eval = world.stop(job, &reason, now)?;
            let eval = eval.map_or_else(String::new, |eval| world.eval_id(eval));
            Ok(errors::json(StatusCode::OK, &json!({"EvaluationID": eval})))
        })
    }

    async fn rerun(&self, id: &str) -> Answer {
        let body = self.body()?;
        let (mut version, mut namespace) = (0, String::new());
        if let Some(members) = Members::of(&body, "RerunJobRequest")? {
            version = members.integer("JobVersion", "uint64")?.unwrap_or(0).unsigned_abs();
            namespace = members.text("Namespace")?;
            members.text("Reason")?;
        }
        self.wait_for_writes().await?;
        self.inner.change(|world, now| {
            // The write that looks for the job never ends if it does not find it.
            let message = match world.find(id, &namespace) {
                Err(refusal) => {
                    let body: Value = serde_json::from_slice(refusal.body()).unwrap_or_default();
                    Err(body["Message"].as_str().unwrap_or_default().to_owned())
                }
                Ok(job) if version > world.jobs[job].version() => {
                    Err(format!("job version {version} not found for job {}", world.jobs[job].id))
                }
                Ok(job) => Ok(job),
            };
            let job = message.map_err(|message| {
                world.frozen = true;
                bad_request(message)
            })?;
            let eval = world.rerun(job, version, now)?;
            let body = json!({
                "EvaluationID": world.eval_id(eval), "JobID": world.jobs[job].id,
                "JobVersion": world.jobs[job].version(), "Warnings": null,
            });
            Ok(errors::json(StatusCode::OK, &body))
        })
    }

    fn diff(&self) -> Answer {
        let body = self.body()?;
        let (mut job, _) = self.submitted(&body, "DiffJobRequest")?;
        let warnings = job.sanitise();
        self.inner.look(|world, _| {
            world.complete(&mut job);
            let key = (job.namespace.clone(), job.name.clone());
            let Some(existing) = world.names.get(&key) else {
                return Err(errors::not_found(format!("job name index not found: {}:{}", job.name, job.namespace)));
            };
            let text = diff::text(&world.jobs[*existing].spec(), &job.spec);
            let warnings = if warnings.is_empty() { Value::Null } else { json!(warnings) };
            Ok(errors::json(StatusCode::OK, &json!({"Diff": text, "Warnings": warnings})))
        })
    }

    fn node_put(&self, id: &str) -> Answer {
        let body = self.body()?;
        let action =
            Members::of(&body, "PutNodeRequest")?.map_or(Ok(String::new()), |members| members.text("Action"))?;
        self.inner.change(|world, _| {
            if !["approve", "reject", "delete"].contains(&action.as_str()) {
                return Err(unforeseen());
            }
            let Some(index) = world.nodes.iter().position(|node| node.name == id) else {
                let message = format!("node not found: {id}");
                return Err(ApiError::new(404, message, "NotFound", "NodesManager").refuse());
            };
            let node = &mut world.nodes[index];
            let (to, word) = match action.as_str() {
                "approve" => ("APPROVED", "approved"),
                "reject" => ("REJECTED", "rejected"),
                _ => ("", ""),
            };
            if node.membership == to {
                let message = format!("node {id} already {word}");
                return Err(ApiError::new(409, message, "ConflictNodeState", "NodesManager").refuse());
            }
            node.membership = to;
            Ok(errors::json(StatusCode::OK, &json!({"Success": true})))
        })
    }

    /// Servers before 1.6 say less of an error.
    fn shorten(&self, reply: &mut Response<Bytes>, structured: bool) {
        let Ok(Value::Object(mut body)) = serde_json::from_slice(reply.body()) else { return };
        if !body.contains_key("Message") {
            return;
        }
        body.remove("Hint");
        body.remove("Details");
        if !structured {
            let message = body.remove("Message").unwrap_or_default();
            body.clear();
            body.insert("message".to_owned(), message);
        }
        *reply.body_mut() = Bytes::from(errors::escaped(&Value::Object(body).to_string()) + "\n");
    }

    /// Adds what every answer has.
    fn finish(&self, reply: &mut Response<Bytes>, id: Option<HeaderValue>, pretty: bool) {
        let version = self.inner.with(|world| world.settings.version);
        let json = reply.headers().get(CONTENT_TYPE).is_some_and(|media| media == "application/json");
        let told = id.as_ref().and_then(|id| id.to_str().ok()).filter(|_| reply.status().as_u16() >= 400);
        if json
            && (pretty || told.is_some())
            && let Ok(mut body) = serde_json::from_slice::<Value>(reply.body())
        {
            if let (Some(told), Some(member)) = (told, body.get_mut("RequestID")) {
                *member = json!(told);
            }
            let text = if pretty { format!("{body:#}") } else { body.to_string() };
            *reply.body_mut() = Bytes::from(errors::escaped(&text) + "\n");
        }
        let seed = self.inner.with(|world| world.settings.seed);
        let headers = reply.headers_mut();
        let made = || uuid(&mut chance(mix(seed, 0x1D), self.entry)).replace('-', "");
        let id = id.or_else(|| HeaderValue::from_str(&made()).ok());
        let own = [
            ("x-bacalhau-git-version", HeaderValue::from_str(&version.tag()).ok()),
            ("x-bacalhau-git-commit", HeaderValue::from_str(&"0".repeat(40)).ok()),
            ("x-bacalhau-build-date", Some(HeaderValue::from_static("2026-01-01 00:00:00 +0000 UTC"))),
            ("x-bacalhau-build-os", Some(HeaderValue::from_static("linux"))),
            ("x-bacalhau-arch", Some(HeaderValue::from_static("amd64"))),
            ("x-request-id", id),
        ];
        headers.extend(own.into_iter().filter_map(|(name, value)| Some((http::HeaderName::from_static(name), value?))));
        headers.insert(VARY, HeaderValue::from_static("Origin"));
    }

    /// The older scheme: whoever signs the phrase of the node gets a token.
    fn auth_login(&self, name: &str) -> Answer {
        let body = self.body()?;
        let (users, seed) = self.inner.with(|world| (world.settings.users.is_empty(), world.settings.seed));
        if name != "clientkey" || !users {
            return Err(errors::no_route());
        }
        let data =
            Members::of(&body, "AuthnRequest")?.map_or(Ok(String::new()), |members| members.text("MethodData"))?;
        let data: Value =
            BASE64.decode(data).ok().and_then(|data| serde_json::from_slice(&data).ok()).ok_or_else(|| {
                ApiError::new(
                    500,
                    "invalid authentication data: unexpected end of JSON input",
                    "InternalError",
                    "APIServer",
                )
                .refuse()
            })?;
        let text = |name: &str| data[name].as_str().unwrap_or_default();
        let proof = sign::verify(super::PHRASE.as_bytes(), text("PhraseSignature"), text("PublicKey"));
        let (status, answer) = match proof {
            Ok(()) => {
                let token = uuid(&mut chance(mix(seed, 0x70CE), self.entry));
                (StatusCode::OK, json!({"success": true, "token": token}))
            }
            Err(why) => (StatusCode::UNAUTHORIZED, json!({"success": false, "reason": why})),
        };
        Ok(errors::json(status, &json!({"Authentication": answer})))
    }
}

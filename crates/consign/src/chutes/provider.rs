//! The adapter: Chutes' operations as the engine's.
use std::time::Duration;

use consign_chutes::types::{self, Account, Chute, ChutePage};
use consign_chutes::{
    Client, CreateJobOptions, DeleteJobOptions, GetChuteOptions, GetJobOptions, GetMeOptions, JobQuota,
    ListChutesOptions, PingOptions, ServerFault,
};
use consign_core::{
    Artifact, BoxFuture, CallOptions, Cancel, Caps, Cx, Delivery, ErrorKind, Look, Provider, Result, Retry, Snapshot,
    Submitted, Ticket, Violations,
};
use consign_http::{Error, Id};

use super::{ChuteJob, ChutesBuilder, Job, Outputs, status};

/// The least time between two requests: what stands in front of the service bears about 60 in a minute, and bans
/// who asks more often, for up to a day.
const SPACING: Duration = Duration::from_secs(1);
/// What to do when a creation failed in a way that may have made a job.
const LOST: &str = "the job may exist, and cannot be looked for: the service has no list of jobs; a repeat may make \
                    another";
/// What a 404 of a creation may mean: the service has one text for all of it.
const NO_METHOD: &str = "the chute is unknown, or not shared with this account, or has no job method of this name: \
                         compare with the `jobs` of the chute";

/// The Chutes jobs API.
#[derive(Clone, Debug)]
pub struct Chutes {
    client: Client,
}

/// What became of a deletion.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Deletion {
    /// The record is gone.
    Deleted,
    /// The service removed the output files and told the job's node to stop, if it has one; the record is still
    /// there. What the last look showed stands beside it. A job without a node may still be taken by one.
    StopRequested(Snapshot<Chutes>),
}

impl Chutes {
    /// The production service.
    pub const BASE_URL: &'static str = consign_chutes::PRODUCTION;

    /// The production service with an API key (`cpk_…`), one made with `admin`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the key has another form.
    pub fn new(api_key: impl Into<String>) -> Result<Self> {
        Self::builder().api_key(api_key).build()
    }
    /// Settings: address, credential, network.
    pub fn builder() -> ChutesBuilder {
        ChutesBuilder::default()
    }
    /// With a low-level client of your own making; its time limits hold.
    pub fn from_client(client: Client) -> Self {
        Self { client }
    }
    /// The low-level client: every operation of the wire.
    pub fn client(&self) -> &Client {
        &self.client
    }
    /// The ticket of a job, by its id. A blank one is refused when the ticket is used.
    pub fn ticket_of_job(id: &str) -> Ticket {
        Ticket::new(Self::NAME, 1, id)
    }

    /// Deletes a job: the service removes its output files and tells its node to stop.
    ///
    /// The service answers with a 500 whatever happened, and keeps the record. The job is then read again, a second
    /// later: if it is not found it was deleted. Not repeated; `job.cancel()` is, and leaves the reading to looks.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for an unknown job; otherwise as any call.
    /// [`Delivery::Unknown`] if the service may have deleted it all the same.
    pub async fn delete(&self, ticket: &Ticket) -> Result<Deletion> {
        let deleted = self.delete_by_id(id_of(ticket)?).await;
        deleted.map_err(|error| consign_core::Error::from(error).with_ticket(ticket))
    }
    async fn delete_by_id(&self, id: &str) -> Result<Deletion, Error> {
        match self.client.delete_job(id, DeleteJobOptions::default()).await {
            Ok(_) => return Ok(Deletion::Deleted),
            Err(error) if ServerFault::of(&error) == Some(ServerFault::StopRequested) => {}
            Err(error) => return Err(error),
        }
        self.client.http().clock().sleep(SPACING).await;
        match self.read(id, CallOptions::new()).await {
            Ok(snapshot) => Ok(Deletion::StopRequested(snapshot)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Deletion::Deleted),
            // Whatever this says of the second request, the first one was acted upon.
            Err(error) => Err(error.with_delivery(Delivery::Unknown)),
        }
    }
    /// A chute, by its id or as `owner/name`; its `chute_id` and `jobs` (methods) are what a [`ChuteJob`] needs.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none, or it is not shared with this account; otherwise as any call. Not
    /// repeated.
    pub async fn chute(&self, id_or_name: &str) -> Result<Chute> {
        Ok(self.client.get_chute(id_or_name, GetChuteOptions::default()).await?.into_value())
    }
    /// A page of chutes, from 0; the service keeps such answers for up to a minute.
    ///
    /// # Errors
    /// As any call. Not repeated.
    pub async fn chutes(&self, options: ListChutesOptions) -> Result<ChutePage> {
        Ok(self.client.list_chutes(options).await?.into_value())
    }
    /// The account, with its balance in US dollars.
    ///
    /// # Errors
    /// As any call. Not repeated.
    pub async fn account(&self) -> Result<Account> {
        Ok(self.client.get_me(GetMeOptions::default()).await?.into_value())
    }
    /// Asks whether the service is there.
    ///
    /// # Errors
    /// Whatever the answer is in its place; 503 when its database is away. Not repeated.
    pub async fn ping(&self) -> Result<()> {
        self.client.ping(PingOptions::default()).await?;
        Ok(())
    }

    async fn read(&self, id: &str, call: CallOptions) -> Result<Snapshot<Self>, Error> {
        match self.client.get_job(id, GetJobOptions::default().call(call)).await {
            Ok(reply) => Ok(snapshot(reply.into_value())),
            Err(error) if ServerFault::of(&error) == Some(ServerFault::Unreadable) => {
                Ok(Snapshot::bare(vec![status::unreadable(id)]))
            }
            Err(error) => Err(error),
        }
    }
    /// What an unsuccessful creation means.
    fn not_created(&self, error: Error) -> Error {
        if let Some(quota) = JobQuota::of(&error) {
            return match quota.renewed(self.client.http().clock().wall()) {
                Some(midnight) => error.with_retry(Retry::NotBefore(midnight)),
                None => error.with_advice("no job is allowed on any day: ask the service for a quota of jobs"),
            };
        }
        match (error.kind(), error.delivery()) {
            (ErrorKind::NotFound, _) => error.with_advice(NO_METHOD),
            (_, Delivery::Unknown) => error.with_advice(LOST),
            _ => error,
        }
    }
}

fn snapshot(job: types::Job) -> Snapshot<Chutes> {
    Snapshot::new(vec![status::item(&job)], job)
}

fn id_of(ticket: &Ticket) -> Result<&str> {
    let bad = |allowed| Err(Error::invalid_member("ticket", ticket, allowed).into());
    match (ticket.version(), ticket.data()) {
        (1, id) if id.trim().is_empty() => bad("a job id that is not blank"),
        (1, id) => Ok(id),
        _ => bad("a ticket that this version of consign made"),
    }
}

/// The id in the beginning of a successful answer that cannot be read as a whole.
fn id_in(error: &Error) -> Option<Id> {
    let read = error.kind() == ErrorKind::Decode && error.status().is_some_and(|s| (200..300).contains(&s));
    let body = Some(error.body()).filter(|_| read)?;
    let id = match serde_json::from_str::<serde_json::Map<_, _>>(body) {
        Ok(answer) => answer.get("job_id").cloned()?,
        // Cut short: the service writes the id first.
        Err(_) => {
            let rest = body.trim_start().strip_prefix("{\"job_id\":")?;
            serde_json::Deserializer::from_str(rest).into_iter().next()?.ok()?
        }
    };
    serde_json::from_value(id).ok()
}

impl Provider for Chutes {
    const NAME: &'static str = "chutes";
    const CAPS: Caps = Caps::NONE.cancel().outputs().spacing(SPACING);
    type Spec = ChuteJob;
    type Raw = types::Job;
    type Output = Outputs;
    type Query = ();
    type Filter = ();

    fn http(&self) -> &consign_http::Client {
        self.client.http()
    }
    fn validate(spec: &ChuteJob) -> Violations {
        spec.violations()
    }
    fn submit<'a>(&'a self, specs: &'a [ChuteJob], cx: &'a Cx) -> BoxFuture<'a, Result<Submitted<Self>>> {
        Box::pin(async move {
            let [spec] = specs else {
                return Err(Error::invalid_member("jobs", specs.len(), "one in a submission").into());
            };
            let options = CreateJobOptions::default().call(cx.call());
            match self.client.create_job(spec.chute_id(), spec.method(), &spec.wire()?, options).await {
                Ok(reply) => {
                    let ticket = Self::ticket_of_job(&reply.job_id);
                    Ok(Submitted { ticket, snapshot: Some(snapshot(reply.into_value())) })
                }
                // The job is there, so its id is worth more than the rest of an answer that cannot be read.
                Err(error) => match id_in(&error) {
                    Some(id) => Ok(Submitted { ticket: Self::ticket_of_job(&id), snapshot: None }),
                    None => Err(self.not_created(error).into()),
                },
            }
        })
    }
    fn look<'a>(&'a self, ticket: &'a Ticket, _: Look, cx: &'a Cx) -> BoxFuture<'a, Result<Snapshot<Self>>> {
        Box::pin(async move { Ok(self.read(id_of(ticket)?, cx.call()).await?) })
    }
    /// There is one way to cancel, so `force` changes nothing; a job has one item.
    fn cancel<'a>(
        &'a self,
        ticket: &'a Ticket,
        item: Option<&'a str>,
        _: bool,
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if let Some(item) = item.filter(|item| *item != ticket.data()) {
                return Err(Error::invalid_member("item", item, "the job's id: it has one item").into());
            }
            // What the record shows after it changes nothing here; looks at the job read that.
            match self.client.delete_job(id_of(ticket)?, DeleteJobOptions::default().call(cx.call())).await {
                Err(error) if ServerFault::of(&error) != Some(ServerFault::StopRequested) => Err(error.into()),
                _ => Ok(()),
            }
        })
    }
    fn outputs(job: &Job, snapshot: &Snapshot<Self>) -> Outputs {
        Outputs::of(job, snapshot)
    }
    fn artifacts(job: &Job, snapshot: &Snapshot<Self>) -> Vec<Artifact> {
        Outputs::of(job, snapshot).artifacts().cloned().collect()
    }
}

impl Cancel for Chutes {}
impl consign_core::Outputs for Chutes {}

//! [`Runner`]: the side of the process that runs a job; it reports the outcome and uploads the files.
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use consign_chutes::types::{self, CompleteJob, UploadedFile};
use consign_chutes::wire::{FinishJob, JobArguments};
use consign_chutes::{
    CompleteJobOptions, FinishJobOptions, JobToken, Runner as Client, StatusUrl, UploadJobFileOptions, upload_form,
};
use consign_core::{Delivery, Error, Result, Retry, RetryPolicy, Violations};
use consign_http::{Body, ByteStream, Clock, NetworkSettings, Transport};
use futures_util::stream;
use tokio::io::AsyncReadExt;

use crate::set_up::Connection;

/// How much of a file is read at once, in bytes.
const CHUNK: usize = 64 << 10;

/// The runner's side of one job. Its token is sent to one address: the one it was given with, unless another was set.
///
/// [`Runner::run`] runs a job and reports how it ended, whatever happens; [`Runner::report`] is the same as a guard,
/// for jobs that are no future. The three calls are here too: [`finish`](Runner::finish), [`upload`](Runner::upload),
/// [`complete`](Runner::complete). Each may be sent twice without harm, so all of them are repeated.
///
/// ```no_run
/// use consign::chutes::Runner;
///
/// # async fn train() -> Result<serde_json::Value, std::io::Error> { Ok(serde_json::json!({"accuracy": 0.91})) }
/// # async fn run(job_status_url: &str) -> consign::Result<()> {
/// let runner = Runner::from_status_url(job_status_url)?;
/// let reported = runner.run("/outputs", train()).await?;
/// for (name, error) in &reported.missing {
///     println!("{name} was not uploaded: {error}");
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Runner {
    client: Client,
    job_id: String,
    token: JobToken,
    retry: RetryPolicy,
}

/// Settings of a [`Runner`] being made.
pub struct RunnerBuilder {
    job: Result<StatusUrl, consign_http::Error>,
    base_url: Option<String>,
    connection: Connection,
    retry: RetryPolicy,
}

impl Runner {
    /// The runner of the job whose address, `job_status_url`, the node was given:
    /// `https://HOST/jobs/ID?token=TOKEN`. The host in it is the one that is called.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) if it is something else. The message does not repeat it.
    pub fn from_status_url(url: &str) -> Result<Self> {
        Self::builder(url).build()
    }
    /// Settings of a runner of the job with this address: another host, network.
    pub fn builder(status_url: &str) -> RunnerBuilder {
        RunnerBuilder {
            job: StatusUrl::parse(status_url),
            base_url: None,
            connection: Connection::default(),
            retry: RetryPolicy::default().attempts(7).pauses(Duration::from_secs(1), Duration::from_secs(30)),
        }
    }
    /// The low-level client: every operation of the wire. It holds no credential.
    pub fn client(&self) -> &Client {
        &self.client
    }
    /// The id of the job.
    pub fn job_id(&self) -> &str {
        &self.job_id
    }

    /// Reports the outcome and declares the output files; gives the job's record, with an address for each file in
    /// `output_storage_urls`. May be repeated until the job is completed; each time no file counts as uploaded.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest), before anything is sent, if the result is neither an
    /// object nor an explicit null, or holds a number outside -2^63 … 2^64 - 1: the service would store it and could
    /// never give the job back. Also for the character U+0000 anywhere: the service would store nothing. Otherwise as any call, after the repeats. A job that has ended already is refused with 400.
    pub async fn finish(&self, report: &FinishJob) -> Result<types::Job> {
        let mut bad = Violations::new();
        if !report.result.keeps_readable() {
            bad.add("result", "", "an object or an explicit null: anything else makes the job unreadable");
        }
        // Maps of texts and JSON can always be written.
        bad.nest("", JobArguments::from_json(serde_json::to_string(report).unwrap_or_default())?.check());
        bad.into_result()?;
        let send = || async {
            let options = FinishJobOptions::default();
            self.client.finish_job(&self.job_id, self.token.expose(), report, options).await
        };
        Ok(self.repeated(send).await?.into_value())
    }
    /// Uploads a declared file from memory. `token` is the file's own, from its address
    /// ([`token`](consign_chutes::wire::UploadUrl::token)); the address's host is not called. A repeat overwrites.
    ///
    /// # Errors
    /// As any call, after the repeats; 401 if the token is another file's, or the file was not declared.
    pub async fn upload(&self, token: &JobToken, name: &str, content: impl Into<Bytes>) -> Result<UploadedFile> {
        let content = content.into();
        self.repeated(|| self.upload_once(token, name, Ok(Body::from(content.clone())))).await
    }
    /// Uploads a declared file from disk, read as it is sent; otherwise as [`Runner::upload`].
    ///
    /// # Errors
    /// As [`Runner::upload`]; [`Io`](crate::ErrorKind::Io) naming the path if it cannot be opened.
    pub async fn upload_file(&self, token: &JobToken, name: &str, path: impl AsRef<Path>) -> Result<UploadedFile> {
        let path = path.as_ref();
        self.repeated(|| async {
            let file = tokio::fs::File::open(path).await.map_err(|e| Error::io("read", path, e));
            self.upload_once(token, name, file.map(contents)).await
        })
        .await
    }
    async fn upload_once(&self, token: &JobToken, name: &str, content: Result<Body>) -> Result<UploadedFile> {
        let form = upload_form(name, None, content?)?;
        let options = UploadJobFileOptions::default();
        Ok(self.client.upload_job_file(&self.job_id, token.expose(), form, options).await?.into_value())
    }
    /// Closes the job: the service sets its end mark and removes the instance that runs it.
    ///
    /// # Errors
    /// As any call, after the repeats. A job that has ended already is refused with 400, unless an attempt before
    /// may have ended it.
    pub async fn complete(&self) -> Result<()> {
        let unclear = std::sync::atomic::AtomicBool::new(false);
        let order = std::sync::atomic::Ordering::Relaxed;
        let (body, options) = (CompleteJob::new().status("done"), CompleteJobOptions::default);
        let send = || async {
            let sent = self.client.complete_job(&self.job_id, self.token.expose(), Some(&body), options()).await;
            unclear.fetch_or(sent.as_ref().is_err_and(|error| error.delivery() == Delivery::Unknown), order);
            sent
        };
        match self.repeated(send).await {
            Err(error) if error.status() == Some(400) && unclear.load(order) => Ok(()),
            done => done.map(drop),
        }
    }

    /// Sends until it succeeds, is refused, or the attempts are used up.
    async fn repeated<T, E: Into<Error>, F>(&self, mut send: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T, E>>,
    {
        let mut attempt = 1;
        loop {
            let error = match send().await {
                Ok(value) => return Ok(value),
                Err(error) => error.into().with_attempts(attempt),
            };
            let own = self.retry.pause(attempt, 1.0);
            let pause = match error.retry() {
                Retry::Backoff => own,
                Retry::After(asked) if asked <= self.retry.longest_pause => asked.max(own),
                _ => return Err(error),
            };
            if attempt >= self.retry.attempts {
                return Err(error);
            }
            self.client.http().clock().sleep(pause).await;
            attempt += 1;
        }
    }
}

/// What is in a file, read as it is asked for.
fn contents(file: tokio::fs::File) -> Body {
    let chunks = stream::try_unfold(file, |mut file| async move {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        match file.read_buf(&mut chunk).await {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some((chunk.freeze(), file))),
            Err(e) => {
                let what = format!("cannot read the file that is uploaded: {e}");
                Err(consign_http::Error::new(crate::ErrorKind::Io, Delivery::Unknown, what).with_source(e))
            }
        }
    });
    Body::Stream(ByteStream::new(chunks))
}

impl RunnerBuilder {
    /// Another address than the one the job's token came with: scheme, host and port. Every call goes there.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }
    /// Another transport than the network, such as a simulator in the process.
    #[must_use]
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.connection.transport = Some(Arc::new(transport));
        self
    }
    /// Proxy, certificates, User-Agent. Not used with another transport.
    #[must_use]
    pub fn network(mut self, settings: NetworkSettings) -> Self {
        self.connection.network = settings;
        self
    }
    /// Another clock, for tests.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.connection.clock = Some(Arc::new(clock));
        self
    }
    /// When failed calls are tried again. Default: 7 attempts, with pauses from 1 s to 30 s.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }
    /// The runner.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) if the job's address, another address or the network settings cannot be
    /// used.
    pub fn build(self) -> Result<Runner> {
        let job = self.job?;
        let http = Client::builder(self.base_url.as_deref().unwrap_or(&job.base_url))?;
        let client = Client::from_http(self.connection.build(http)?);
        Ok(Runner { client, job_id: job.job_id, token: job.token, retry: self.retry })
    }
}

impl fmt::Debug for RunnerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RunnerBuilder");
        out.field("job", &self.job)
            .field("network", &self.connection.network)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

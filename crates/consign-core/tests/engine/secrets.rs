//! No secret in any text, and each job's log in its own span: I9.
use std::io::Write;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use consign_core::{Artifact, BoxFuture, CallOptions, Jobs, Locate, Location, Result};
use consign_http::transport;

use crate::fake::*;

/// Everything that is logged in this thread while it lives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn log() -> (Log, impl Drop) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let dispatch: tracing::Dispatch = subscriber.into();
    (log, tracing::dispatcher::set_default(&dispatch))
}

const SIGNED: &str = "https://user-hunter2.example/hunter2/file?sig=hunter2";

struct At(&'static str);

impl Locate for At {
    fn locate(&self, _: bool) -> BoxFuture<'_, Result<Location>> {
        Box::pin(std::future::ready(Ok(Location { url: self.0.to_owned(), expires: None })))
    }
}

#[tokio::test(start_paused = true)]
async fn a_signed_address_is_in_no_error_no_log_and_no_debug_output() {
    let (log, _guard) = log();
    // The host repeats the signature in everything it says.
    let host = transport::from_fn(|request: http::Request<Bytes>| async move {
        assert!(!request.headers().contains_key("authorization"));
        let status = if request.uri().path() == "/redirect" { 302 } else { 403 };
        let answer = http::Response::builder().status(status).header("location", SIGNED).header("x-sig", "hunter2");
        Ok(answer.body(Bytes::from("<Error>SignatureDoesNotMatch hunter2</Error>")).unwrap())
    });
    let jobs = Jobs::new(Polled::new(host));
    let job = jobs.submit(spec(1)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for url in [
        "https://blobs.example/hunter2/file?sig=hunter2",
        "https://user:hunter2@blobs.example/file",
        "ftp://blobs.example/hunter2",
        "not a url hunter2",
        "https://blobs.example/redirect?sig=hunter2",
    ] {
        let artifact = Artifact::new(&job, "picture", Arc::new(At(url)));
        let location = At(url).locate(false).await.unwrap();
        let errors = [artifact.save_to(folder.path()).await.map(drop), artifact.bytes(9).await.map(drop)];
        for error in errors.map(Result::unwrap_err) {
            let shown = format!("{error} {error:?} {} {artifact:?} {location:?}", error.body());
            assert!(!shown.contains("hunter2") || url.contains("redirect"), "{shown}");
            assert!(!shown.contains("sig=") && !shown.contains("/hunter2"), "{shown}");
            assert_eq!(error.ticket(), Some(job.ticket()));
        }
    }
    let log = log.0.lock().unwrap();
    let log = String::from_utf8_lossy(&log);
    assert!(log.contains("not fetched") && !log.contains("sig=") && !log.contains("/hunter2"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn everything_about_a_job_is_logged_inside_its_span() {
    let (log, _guard) = log();
    let (jobs, world): (Jobs<Held>, _) = jobs();
    let jobs = jobs.with_options(CallOptions::new().header("x-key", "hunter2"));
    let job = jobs.submit(spec(1)).await.unwrap();
    // What the provider logs while it is asked belongs to the job too.
    world.play(|seen| {
        tracing::info!("provider-look");
        if seen.n == 1 {
            fail(status(500))
        } else {
            Act::After(secs(6), Ok(if seen.n > 2 { done() } else { running() }))
        }
    });
    job.wait().await.unwrap();
    world.calls.lock().unwrap().push_back(Err(status(503)));
    job.cancel().await.unwrap();
    job.look().await.unwrap();
    let mut watch = jobs.watch_all([job.clone()]);
    while watch.next().await.is_some() {}
    let host = transport::from_fn(|_: http::Request<Bytes>| async { Ok(http::Response::new(Bytes::from("content"))) });
    let jobs = Jobs::new(Polled::new(host));
    let other = jobs.submit(spec(1)).await.unwrap();
    Artifact::new(&other, "picture", Arc::new(At("https://blobs.example/x"))).bytes(99).await.unwrap();

    let log = log.0.lock().unwrap();
    let log = String::from_utf8_lossy(&log);
    let said = ["submitted", "item", "look failed", "ended", "trying again", "cancelled", "provider-look", "fetched"];
    for words in said {
        let lines: Vec<_> = log.lines().filter(|line| line.contains(words)).collect();
        assert!(!lines.is_empty(), "nothing says {words:?} in {log}");
        for line in lines {
            assert!(line.contains("job{provider=\"fake\" ticket=consign:1:fake:job-1}"), "{line}");
        }
    }
    assert!(!log.contains("hunter2"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn options_of_calls_show_no_header() {
    let (jobs, _): (Jobs<Polled>, _) = jobs();
    let jobs = jobs.with_options(CallOptions::new().header("x-key", "hunter2"));
    let job = jobs.submit(spec(1)).await.unwrap();
    let cx = consign_core::Cx::new(CallOptions::new().header("x-key", "hunter2"));
    let shown = format!("{jobs:?} {job:?} {:?} {:?} {cx:?} {:?}", job.wait(), job.cancel(), jobs.submit(spec(1)));
    assert!(!shown.contains("hunter2"), "{shown}");
}

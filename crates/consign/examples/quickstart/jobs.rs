//! The job that each provider gets, and where it runs.
use std::any::Any;
use std::time::Duration;

use consign::bacalhau::{Bacalhau, DockerJob, Publisher};
use consign::chutes::{ChuteJob, Chutes};
use consign::civitai::{Civitai, TextToImage};
use consign::numind::{JsonSchema, NuMind, extract};
use consign::{DynFinished, DynJob, FromEnv, Jobs, Pace, Provider, WaitPolicy};
use serde::Deserialize;
use serde_json::json;

use crate::Done;

/// The providers, in the order in which they are started.
pub(crate) const NAMES: [&str; 4] = ["bacalhau", "chutes", "civitai", "numind"];

/// A submitted job.
pub(crate) struct Started {
    pub(crate) provider: &'static str,
    pub(crate) job: DynJob,
    /// How many requests the simulator saw; `None` for a real service.
    pub(crate) requests: Option<Box<dyn Fn() -> u64>>,
    /// What the job gave, if that is not files.
    pub(crate) result: fn(&DynFinished) -> Option<String>,
    /// The simulator's server stops when this is dropped.
    _server: Box<dyn Any>,
}

/// A provider, and the simulator that stands behind it.
struct Place<P> {
    provider: P,
    requests: Option<Box<dyn Fn() -> u64>>,
    server: Box<dyn Any>,
}

impl<P: FromEnv> Place<P> {
    fn live() -> Done<Self> {
        Ok(Self { provider: P::from_env()?, requests: None, server: Box::new(()) })
    }
}

/// Submits a job to this provider.
pub(crate) async fn start(provider: &'static str, live: bool) -> Done<Started> {
    match provider {
        "bacalhau" => bacalhau(live).await,
        "chutes" => chutes(live).await,
        "civitai" => civitai(live).await,
        _ => numind(live).await,
    }
}

/// Jobs that are looked at often enough to see something of them.
fn jobs<P: Provider>(provider: P, hold: bool) -> Jobs<P> {
    let pace = Pace::growing(Duration::from_millis(300), Duration::from_secs(5), 0.1);
    Jobs::builder(provider).wait(WaitPolicy::default().pace(pace).hold(hold)).build()
}

/// A container that prints a line; its output is published as an archive. For real, at `BACALHAU_API_HOST`.
async fn bacalhau(live: bool) -> Done<Started> {
    let place = if live {
        Place::live()?
    } else {
        let sim = consign_sim::Bacalhau::builder().seed(7).build();
        let server = sim.serve("127.0.0.1:0").await?;
        let provider = Bacalhau::new(server.url())?;
        Place { provider, requests: Some(Box::new(move || sim.ledger().len())), server: Box::new(server) }
    };
    let echo = DockerJob::new("busybox:1.36")
        .entrypoint(["echo", "hello from a container"])
        .publisher(Publisher::Local)
        .queue_timeout(Duration::from_secs(60));
    let job = jobs(place.provider, false).submit(echo).await?.into();
    let result = |finished: &DynFinished| {
        let results = finished.downcast::<Bacalhau>()?.outputs();
        Some(format!("exit code {}, {:?}", results.exit_code()?, results.stdout().trim_end()))
    };
    Ok(Started { provider: "bacalhau", job, requests: place.requests, result, _server: place.server })
}

/// Four pictures of a cat. It is polled: a look that the server holds shows nothing on the way.
async fn civitai(live: bool) -> Done<Started> {
    let place = if live {
        Place::live()?
    } else {
        let sim = consign_sim::Civitai::builder().seed(7).workers(2).build();
        let server = sim.serve("127.0.0.1:0").await?;
        let provider = Civitai::builder().base_url(server.url()).token("quickstart").build()?;
        Place { provider, requests: Some(Box::new(move || sim.ledger().len())), server: Box::new(server) }
    };
    let cats = TextToImage::new("urn:air:sdxl:checkpoint:civitai:101055@128078", "a curious cat on a windowsill")
        .negative_prompt("blurred")
        .size(512, 512)
        .steps(25)
        .cfg_scale(7.5)
        .quantity(4);
    let jobs = jobs(place.provider, false);
    let price = jobs.price(&cats).await?;
    // Refused before it is sent if it costs more than it did a moment ago.
    let job = jobs.submit(&cats).max_cost(price.total).await?.into();
    Ok(Started { provider: "civitai", job, requests: place.requests, result: |_| None, _server: place.server })
}

/// A run of a chute that leaves files behind. There is one on the simulator; for real it has to be one's own.
async fn chutes(live: bool) -> Done<Started> {
    let (place, chute, method) = if live {
        let own = |name: &str| std::env::var(name).map_err(|_| format!("{name} names no chute of yours"));
        (Place::live()?, own("CHUTES_CHUTE_ID")?, own("CHUTES_METHOD")?)
    } else {
        let sim = consign_sim::Chutes::builder().seed(7).build();
        let server = sim.serve("127.0.0.1:0").await?;
        let provider = Chutes::builder().base_url(server.url()).api_key(consign_sim::Chutes::KEY).build()?;
        let requests: Box<dyn Fn() -> u64> = Box::new(move || sim.ledger().len());
        let place = Place { provider, requests: Some(requests), server: Box::new(server) };
        (place, consign_sim::Chutes::CHUTE.to_owned(), "train".to_owned())
    };
    let mut run = ChuteJob::new(chute, method).arg("epochs", 3).disk_gb(20);
    if !live {
        let files = json!({"metrics.json": "{\"loss\": 0.12}", "model.safetensors": "weights"});
        run = run.arg("sim", json!({"seconds": 4, "files": files}));
    }
    let job = jobs(place.provider, false).submit(run).await?.into();
    Ok(Started { provider: "chutes", job, requests: place.requests, result: |_| None, _server: place.server })
}

/// What is asked of a text: the names of the fields are the question.
#[derive(Debug, Deserialize, JsonSchema)]
struct Invoice {
    seller: String,
    total: f64,
}

/// A typed extraction, followed over its event stream.
async fn numind(live: bool) -> Done<Started> {
    let place = if live {
        Place::live()?
    } else {
        let sim = consign_sim::NuMind::builder().seed(7).build();
        let server = sim.serve("127.0.0.1:0").await?;
        let provider = NuMind::builder().base_url(server.url()).api_key("quickstart").build()?;
        Place { provider, requests: Some(Box::new(move || sim.ledger().len())), server: Box::new(server) }
    };
    let mut text = "Invoice 7. Acme Ltd. charges 12.50 for two test cards.".to_owned();
    if !live {
        let sim = json!({"seconds": 3, "output": {"seller": "Acme Ltd.", "total": 12.5}});
        text = format!("sim: {sim}\n{text}");
    }
    let job = jobs(place.provider, true).submit(extract::<Invoice>(text)).await?.into();
    let result = |finished: &DynFinished| {
        let output = finished.downcast::<NuMind>()?.outputs();
        let invoice = output.extraction::<Invoice>().ok()?.into_value();
        Some(format!("seller {:?}, total {}", invoice.seller, invoice.total))
    };
    Ok(Started { provider: "numind", job, requests: place.requests, result, _server: place.server })
}

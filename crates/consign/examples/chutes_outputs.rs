//! The outputs of a chute: a job with typed arguments, its typed result, and every file it made, each in its folder.
//!
//! `cargo run --example chutes_outputs` runs it on a simulator in the process; with `--live CHUTE_ID METHOD` on the real
//! service, with the API key from `CHUTES_API_KEY`.
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use consign::chutes::{ChuteJob, Chutes, JobQuota, Jobs};
use consign::{Event, Outcome};
use serde::Serialize;
use serde_json::{Value, json};

const FOLDER: &str = "target/chutes_outputs";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, out) = (Path::new(FOLDER), &mut std::io::stdout());
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            let sim = consign_sim::Chutes::builder().seed(5).speed(5.0).build();
            let server = sim.serve("127.0.0.1:0").await?;
            let jobs = Chutes::builder().base_url(server.url()).api_key(consign_sim::Chutes::KEY).build()?;
            run(&Jobs::new(jobs), (consign_sim::Chutes::CHUTE, "train"), &simulated(), folder, out).await
        }
        ["--live", chute, method] => run(&Jobs::from_env()?, (chute, method), &json!({}), folder, out).await,
        _ => Ok(writeln!(out, "usage: cargo run --example chutes_outputs [-- --live CHUTE_ID METHOD]")?),
    }
}

/// An argument that tells the simulator what the job makes.
pub(crate) fn simulated() -> Value {
    let files = json!({"model.bin": "weights", "checkpoints/epoch 1.json": "{}", "checkpoints/epoch 2.json": "{}"});
    json!({"sim": {"seconds": 10, "result": {"accuracy": 0.91}, "files": files}})
}

/// What the job method takes.
#[derive(Serialize)]
struct Training {
    epochs: u32,
    learning_rate: f64,
}

/// Runs the job, and tells what became of it.
pub(crate) async fn run(
    jobs: &Jobs,
    (chute, method): (&str, &str),
    more: &Value,
    folder: &Path,
    out: &mut dyn Write,
) -> Result<(), Box<dyn Error>> {
    // Arguments from any value, checked for what breaks the service.
    let spec = ChuteJob::new(chute, method).args(&Training { epochs: 2, learning_rate: 0.1 }).args(more).disk_gb(50);
    let job = match jobs.submit(&spec).await {
        Ok(job) => job,
        Err(error) => {
            // A quota is told in figures.
            if let Some(quota) = JobQuota::of(error.http()) {
                writeln!(out, "{} of {} jobs used today", quota.chute_job_count, quota.job_quota)?;
            }
            return Err(error.into());
        }
    };
    writeln!(out, "{}", job.ticket())?;

    let mut watch = job.wait().timeout(Duration::from_secs(3600)).watch();
    while let Some(event) = watch.next().await {
        match event? {
            Event::Item { item, .. } => {
                let message = item.message.map(|message| format!(": {message}")).unwrap_or_default();
                writeln!(out, "{}{message}", item.state)?;
            }
            Event::Ended(done) => {
                // Also of a job that failed: what there is.
                let outputs = done.outputs();
                if *done.outcome() == Outcome::Done {
                    writeln!(out, "{:#}", outputs.result().cloned().unwrap_or_default())?;
                }
                for path in outputs.save_all(folder).await? {
                    writeln!(out, "{}", path.display())?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

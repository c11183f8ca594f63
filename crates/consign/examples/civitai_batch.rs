//! A picture batch: several prompts as one job, at a price known before, every picture saved.
//!
//! `cargo run --example civitai_batch` makes the pictures on a simulator in the process; with `--live` on the real
//! service, with the token from `CIVITAI_API_TOKEN`, for Buzz.
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use consign::civitai::{Civitai, Jobs, TextToImage};

const FOLDER: &str = "target/civitai_batch";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, out) = (Path::new(FOLDER), &mut std::io::stdout());
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            let sim = consign_sim::Civitai::builder().seed(11).build();
            let server = sim.serve("127.0.0.1:0").await?;
            let jobs = Jobs::new(Civitai::builder().base_url(server.url()).token("example").build()?);
            run(&jobs, folder, out).await
        }
        ["--live"] => run(&Jobs::from_env()?, folder, out).await,
        _ => Ok(writeln!(out, "usage: cargo run --example civitai_batch [-- --live]")?),
    }
}

/// Makes the pictures, and tells what became of them.
pub(crate) async fn run(jobs: &Jobs, folder: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    // What they have in common is a spec of its own, half filled.
    let common = TextToImage::new("urn:air:sdxl:checkpoint:civitai:101055@128078", "")
        .negative_prompt("blurred, text")
        .size(512, 512)
        .steps(20);
    let prompts = ["a lighthouse at dawn", "a lighthouse in a storm", "a lighthouse under stars"];
    let specs: Vec<_> = prompts.iter().map(|prompt| common.clone().prompt(*prompt)).collect();

    // One submission, one ticket, three items; refused before it is sent if it costs more.
    let job = jobs.submit_batch(specs).max_cost(10.0).await?;
    writeln!(out, "{}", job.ticket())?;
    let done = job.wait().timeout(Duration::from_secs(900)).await?;
    for (item, prompt) in done.items().iter().zip(prompts) {
        writeln!(out, "{prompt}: {}, {:.2} Buzz", item.state, item.cost.unwrap_or_default())?;
    }
    // Also when some of them failed: what there is.
    for image in done.outputs().images() {
        writeln!(out, "{}", image.save_to(folder).await?.display())?;
    }
    Ok(())
}

//! A job with logs: what it prints as it prints it, how it ended, and its results unpacked.
//!
//! `cargo run --example bacalhau_logs` runs it on a simulator in the process; with `--live` on the server that
//! `BACALHAU_API_HOST` and the other variables name. Where no node has Docker, a WebAssembly module takes the
//! container's place.
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use consign::bacalhau::{Bacalhau, DockerJob, JobSpec, Jobs, Publisher, Source, WasmJob};
use consign::{FromEnv, LogStream};
use consign_sim::bacalhau::Plan;

const FOLDER: &str = "target/bacalhau_logs";
/// What the container runs.
const SCRIPT: &str = "for n in 1 2 3; do echo line $n; sleep 1; done; echo almost done >&2; date > /outputs/date.txt";
/// A module that prints `hello from wasm`.
const MODULE: &str = "AGFzbQEAAAABEANgBH9/f38Bf2ABfwBgAAACRgIWd2FzaV9zbmFwc2hvdF9wcmV2aWV3MQhmZF93cml0ZQAAFndhc2lfc25hcHNob3Rf\
    cHJldmlldzEJcHJvY19leGl0AAEDAgECBQMBAAEHEwIGbWVtb3J5AgAGX3N0YXJ0AAIKIgEgAEEAQcAANgIAQQRBEDYCAEEBQQBBAUEQ\
    EAAaQQAQAQsLFwEAQcAACxBoZWxsbyBmcm9tIHdhc20KACUEbmFtZQEeAwAIZmRfd3JpdGUBCXByb2NfZXhpdAIGX3N0YXJ0";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, out) = (Path::new(FOLDER), &mut std::io::stdout());
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            let server = simulator().serve("127.0.0.1:0").await?;
            run(&Jobs::new(Bacalhau::new(server.url())?), folder, out).await
        }
        ["--live"] => run(&Jobs::new(Bacalhau::from_env()?), folder, out).await,
        _ => Ok(writeln!(out, "usage: cargo run --example bacalhau_logs [-- --live]")?),
    }
}

/// A server whose one container writes what the script would.
pub(crate) fn simulator() -> consign_sim::Bacalhau {
    let plan = || Plan::succeed().seconds(3.0).stdout("line 1\nline 2\nline 3\n").stderr("almost done\n");
    consign_sim::Bacalhau::builder().script(move |_, _| plan().file("outputs/date.txt", "today\n")).build()
}

/// Runs a job and tells what it prints.
pub(crate) async fn run(jobs: &Jobs, folder: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let nodes = jobs.provider().nodes().await?;
    let engines =
        nodes.iter().filter_map(|node| node.info.as_ref()?.compute_node_info.as_ref()?.execution_engines.as_ref());
    let spec: JobSpec = if engines.flatten().any(|engine| engine == "docker") {
        let container = DockerJob::new("ubuntu:24.04").entrypoint(["/bin/sh", "-c", SCRIPT]);
        container.output("outputs", "/outputs").publisher(Publisher::Local).memory("256Mb").into()
    } else {
        let module = Source::Inline(format!("data:application/wasm;base64,{MODULE}"));
        WasmJob::new(module).publisher(Publisher::Local).memory("64Mb").into()
    };

    let job = jobs.submit(&spec).await?;
    writeln!(out, "{}", job.ticket())?;
    // The stream connects again where it breaks, and ends by itself when the job has.
    let mut logs = job.logs();
    while let Some(line) = logs.next().await {
        let line = line?;
        let mark = if line.stream == LogStream::Stderr { "! " } else { "  " };
        write!(out, "{mark}{}", line.text)?;
    }

    let done = job.wait().timeout(Duration::from_secs(300)).await?;
    let results = done.into_result()?;
    writeln!(out, "exit code {:?}", results.exit_code())?;
    for unpacked in results.save_all(folder).await? {
        for file in unpacked.files {
            writeln!(out, "{}", file.display())?;
        }
    }
    Ok(())
}

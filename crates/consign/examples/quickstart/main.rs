//! One job on each provider at once, from submitting to results: on simulators in the process, or for real.
//!
//! `cargo run --example quickstart` needs no account and no network. `--provider NAME` runs one of them;
//! with `--live` as well it does the same against the real service, which may cost.
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use consign::{DynEvent, DynFinished, DynJob, Mode};

mod jobs;
mod screen;

use jobs::Started;
use screen::Screen;

const FOLDER: &str = "target/quickstart";

type Done<T> = Result<T, Box<dyn Error>>;

/// What the arguments ask for.
struct Asked {
    providers: Vec<&'static str>,
    live: bool,
}

fn usage() -> String {
    format!(
        "usage: cargo run --example quickstart [-- [--provider NAME] [--live]]

  (nothing)        one job on each provider, each on a simulator in the process: no account, no network
  --provider NAME  only on this one: {}
  --live           with --provider: on the real service, with the credential from its own variable; may cost",
        jobs::NAMES.join(", ")
    )
}

/// Reads the arguments; `None`: help is asked for.
fn asked(mut args: impl Iterator<Item = String>) -> Result<Option<Asked>, String> {
    let (mut provider, mut live) = (None, false);
    while let Some(argument) = args.next() {
        let name = match argument.as_str() {
            "--help" | "-h" => return Ok(None),
            "--live" => {
                live = true;
                continue;
            }
            "--provider" => args.next().ok_or_else(|| format!("--provider needs a name\n{}", usage()))?,
            other => match other.strip_prefix("--provider=") {
                Some(name) => name.to_owned(),
                None => return Err(format!("unknown argument {other:?}\n{}", usage())),
            },
        };
        if provider.is_some() {
            return Err(format!("--provider comes once; without it all run\n{}", usage()));
        }
        let known = jobs::NAMES.into_iter().find(|known| *known == name);
        provider = Some(known.ok_or_else(|| format!("there is no provider {name:?}\n{}", usage()))?);
    }
    match provider {
        None if live => Err(format!("--live needs --provider\n{}", usage())),
        None => Ok(Some(Asked { providers: jobs::NAMES.to_vec(), live })),
        Some(one) => Ok(Some(Asked { providers: vec![one], live })),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nowhere else to complain.
            let _ = writeln!(std::io::stderr(), "quickstart: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Done<()> {
    let mut out = std::io::stdout();
    let Some(asked) = asked(std::env::args().skip(1))? else { return Ok(writeln!(out, "{}", usage())?) };
    let mut started = Vec::new();
    for provider in asked.providers {
        let job = jobs::start(provider, asked.live).await?;
        writeln!(out, "{provider:<9} submitted, ticket {}", short(job.job.ticket().to_string(), 80))?;
        started.push(job);
    }
    let finished = tokio::select! {
        finished = follow(&started) => finished?,
        _ = tokio::signal::ctrl_c() => return cancel(&started).await,
    };
    let mut lines = vec![row(["provider", "item", "state", "followed by", "cost", "seconds", "result"])];
    let mut files = 0;
    for (job, end) in started.iter().zip(&finished) {
        let saved = save(&end.finished, &Path::new(FOLDER).join(job.provider)).await?;
        files += saved.len();
        lines.extend(rows(job, end, &saved));
    }
    writeln!(out, "\n{}", lines.join("\n"))?;
    let folder = std::fs::canonicalize(FOLDER).unwrap_or_else(|_| PathBuf::from(FOLDER));
    if files > 0 {
        let are = if files == 1 { "file is" } else { "files are" };
        writeln!(out, "{files} {are} in {}", folder.display())?;
    }
    let requests: u64 = started.iter().filter_map(|job| job.requests.as_ref()).map(|count| count()).sum();
    if requests > 0 {
        writeln!(out, "the simulators saw {requests} requests")?;
    }
    Ok(())
}

/// Whether there is a terminal that bars can be drawn on.
fn can_draw() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// How one job ended.
struct End {
    finished: DynFinished,
    mode: Option<Mode>,
    /// When each item did, by its place.
    after: BTreeMap<usize, Duration>,
}

/// Follows all jobs to their ends, in one stream.
async fn follow(started: &[Started]) -> Done<Vec<End>> {
    let (began, screen) = (Instant::now(), Screen::new(can_draw()));
    let (mut modes, mut after) = (vec![None; started.len()], vec![BTreeMap::new(); started.len()]);
    let mut ends: Vec<Option<End>> = started.iter().map(|_| None).collect();
    let mut events = DynJob::watch_all(started.iter().map(|job| job.job.clone()));
    while let Some((n, event)) = events.next().await {
        let provider = started[n].provider;
        match event.map_err(|error| format!("{provider}: {error}"))? {
            DynEvent::Mode(mode) => modes[n] = modes[n].or(Some(mode)),
            DynEvent::Item { index, item } => {
                if item.finished {
                    after[n].entry(index).or_insert_with(|| began.elapsed());
                }
                screen.show(provider, index, &item, began.elapsed());
            }
            DynEvent::Trouble { error, pause } => {
                screen.note(&format!("{provider}: {error}; looking again in {pause:.1?}"));
            }
            DynEvent::Ended(finished) => {
                ends[n] = Some(End { finished, mode: modes[n], after: std::mem::take(&mut after[n]) });
            }
            _ => {}
        }
    }
    screen.finish();
    ends.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| "a watch ended early".into())
}

/// Cancels every job; a second Ctrl-C does not wait for that.
async fn cancel(started: &[Started]) -> Done<()> {
    let mut err = std::io::stderr();
    writeln!(err, "\ninterrupted: cancelling; once more leaves the jobs alone")?;
    let all = async {
        for job in started {
            let said = match job.job.cancel(true).await {
                Ok(()) => "cancelled".to_owned(),
                Err(error) => error.to_string(),
            };
            writeln!(std::io::stderr(), "{}: {said}", job.provider)?;
        }
        Done::Ok(())
    };
    tokio::select! {
        done = all => done?,
        _ = tokio::signal::ctrl_c() => writeln!(err, "the jobs may go on")?,
    }
    std::process::exit(130);
}

/// Saves what there is, also of a job that was only partly successful.
async fn save(finished: &DynFinished, folder: &Path) -> Done<Vec<String>> {
    let mut names = Vec::new();
    for artifact in finished.artifacts() {
        let path = artifact.save_to(folder).await?;
        names.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    }
    Ok(names)
}

/// A line for each item of a job.
fn rows(job: &Started, end: &End, files: &[String]) -> Vec<String> {
    let mode = match end.mode {
        Some(Mode::Events) => "events",
        Some(Mode::LongPoll) => "long poll",
        _ => "poll",
    };
    let items = end.finished.items();
    let results = (job.result)(&end.finished).map(|text| vec![text]).unwrap_or_else(|| files.to_vec());
    let mut lines = Vec::new();
    for (n, item) in items.iter().enumerate() {
        let id = short(item.id.as_deref().unwrap_or("-").to_owned(), 14);
        let cost = item.cost.map_or("-".to_owned(), |c| format!("{c:.2}"));
        let after = end.after.get(&n).map_or("-".to_owned(), |t| format!("{:.1}", t.as_secs_f64()));
        // As many results as items: one each. Else the first item has them all.
        let result = match (results.len() == items.len(), n, &item.message) {
            (true, ..) => results[n].clone(),
            (false, 0, _) if !results.is_empty() => results.join(", "),
            (_, _, Some(message)) => message.to_string(),
            _ => "-".to_owned(),
        };
        lines.push(row([job.provider, &id, item.state.as_str(), mode, &cost, &after, &short(result, 60)]));
    }
    lines
}

fn row([provider, item, state, mode, cost, seconds, result]: [&str; 7]) -> String {
    format!("{provider:<9}  {item:<14}  {state:<10}  {mode:<11}  {cost:>5}  {seconds:>7}  {result}")
}

/// At most so many characters of `text`.
fn short(text: String, most: usize) -> String {
    if text.chars().count() <= most {
        return text;
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

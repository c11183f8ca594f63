//! Four pictures, from submitting to files on disk: on a simulator in the process, or for real.
//!
//! `cargo run --example quickstart` needs no account and no network. With `--live` and a token in
//! `CIVITAI_API_TOKEN` it does the same against the real service, which costs Buzz.
use std::collections::HashMap;
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use consign::civitai::{Civitai, Image, TextToImage};
use consign::{Event, Finished, Item, Job, Jobs, Pace, State};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

const FOLDER: &str = "target/quickstart";
const USAGE: &str = "usage: cargo run --example quickstart [-- --live]

  (nothing)  starts a simulator in the process: no account, no network
  --live     uses the real service; the token is read from CIVITAI_API_TOKEN; costs Buzz";

type Done<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Done<()> {
    let mut out = std::io::stdout().lock();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let live = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => false,
        ["--live"] => true,
        ["--help" | "-h"] => return Ok(writeln!(out, "{USAGE}")?),
        other => return Err(format!("unknown argument {:?}\n{USAGE}", other.join(" ")).into()),
    };
    // Without --live a server of its own stands in for the service, on a port of its own.
    let sim = consign_sim::Civitai::builder().seed(7).workers(2).build();
    let server = if live { None } else { Some(sim.serve("127.0.0.1:0").await?) };
    let jobs = match &server {
        None => Jobs::<Civitai>::from_env()?,
        Some(server) => Jobs::new(Civitai::builder().base_url(server.url()).token("quickstart").build()?),
    };

    let spec = TextToImage::new("urn:air:sdxl:checkpoint:civitai:101055@128078", "a curious cat on a windowsill")
        .negative_prompt("blurred")
        .size(512, 512)
        .steps(25)
        .cfg_scale(7.5)
        .quantity(4);
    let price = jobs.price(&spec).await?;
    writeln!(out, "four pictures cost {:.2} {}", price.total, price.unit)?;
    let job = jobs.submit(&spec).max_cost(price.total).await?;
    writeln!(out, "submitted, ticket {}", job.ticket())?;
    drop(out);

    let started = Instant::now();
    let finished = tokio::select! {
        finished = follow(&job, started) => finished?,
        _ = tokio::signal::ctrl_c() => return cancel(&job).await,
    };
    let files = save(&finished.0, Path::new(FOLDER)).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{}", table(&finished.0, &finished.1, &files))?;
    let folder = std::fs::canonicalize(FOLDER).unwrap_or_else(|_| PathBuf::from(FOLDER));
    writeln!(out, "{} pictures are in {}", files.len(), folder.display())?;
    if server.is_some() {
        writeln!(out, "the simulator saw {} requests", sim.ledger().len())?;
    }
    Ok(())
}

/// Follows the job to its end; gives how it ended and when each item did.
async fn follow(job: &Job<Civitai>, started: Instant) -> Done<(Finished<Civitai>, HashMap<usize, Duration>)> {
    let screen = Screen::new(std::io::stdout().is_terminal());
    let mut ended = HashMap::new();
    // Polling shows the way there; a look that the server holds would only show the end.
    let pace = Pace::growing(Duration::from_millis(300), Duration::from_secs(5), 0.1);
    let mut watch = job.wait().poll_only().pace(pace).timeout(Duration::from_secs(900)).watch();
    while let Some(event) = watch.next().await {
        match event? {
            Event::Item { index, item } => {
                if item.finished {
                    ended.entry(index).or_insert_with(|| started.elapsed());
                }
                screen.show(index, &item, started.elapsed());
            }
            Event::Trouble { error, pause } => screen.note(&format!("{error}; looking again in {pause:.1?}")),
            Event::Ended(finished) => {
                screen.finish();
                return Ok((finished, ended));
            }
            _ => {}
        }
    }
    Err("the watch ended early".into())
}

async fn cancel(job: &Job<Civitai>) -> Done<()> {
    let mut err = std::io::stderr();
    writeln!(err, "\ninterrupted: cancelling {}", job.ticket())?;
    job.cancel().await?;
    writeln!(err, "cancelled; nothing goes on at the service")?;
    std::process::exit(130);
}

/// Saves what there is, also of a job that was only partly successful.
async fn save(finished: &Finished<Civitai>, folder: &Path) -> Done<Vec<(Option<String>, PathBuf)>> {
    let mut files = Vec::new();
    for image in finished.outputs().images() {
        files.push((Image::item(image).map(str::to_owned), image.save_to(folder).await?));
    }
    Ok(files)
}

fn table(
    finished: &Finished<Civitai>,
    ended: &HashMap<usize, Duration>,
    files: &[(Option<String>, PathBuf)],
) -> String {
    let mut lines = vec![format!("{:<38} {:<10} {:>8} {:>8}  {}", "item", "state", "cost", "seconds", "file")];
    for (n, item) in finished.items().iter().enumerate() {
        let id = item.id.as_deref().unwrap_or("?");
        let of_item = files.iter().filter(|(of, _)| of.as_deref() == item.id.as_deref());
        let names: Vec<_> = of_item.filter_map(|(_, path)| path.file_name()?.to_str()).collect();
        let cost = item.cost.map_or("-".to_owned(), |c| format!("{c:.2}"));
        let seconds = ended.get(&n).map_or("-".to_owned(), |t| format!("{:.1}", t.as_secs_f64()));
        let file = if names.is_empty() { item.message.as_deref().unwrap_or("-").to_owned() } else { names.join(", ") };
        lines.push(format!("{id:<38} {:<10} {cost:>8} {seconds:>8}  {file}", item.state.as_str()));
    }
    lines.push(format!(
        "{:<38} {:<10} {:>8.2}",
        "together",
        finished.snapshot().state().as_str(),
        finished.cost().unwrap_or(0.0)
    ));
    lines.join("\n")
}

/// A bar for each item on a terminal, plain lines anywhere else.
struct Screen {
    all: MultiProgress,
    bars: std::cell::RefCell<Vec<ProgressBar>>,
    terminal: bool,
}

impl Screen {
    fn new(terminal: bool) -> Self {
        let target = if terminal { ProgressDrawTarget::stdout() } else { ProgressDrawTarget::hidden() };
        Self { all: MultiProgress::with_draw_target(target), bars: Vec::new().into(), terminal }
    }
    fn show(&self, index: usize, item: &Item, elapsed: Duration) {
        let what = describe(item);
        if !self.terminal {
            self.note(&format!("{:>6.1}s  item {}  {what}", elapsed.as_secs_f64(), index + 1));
            return;
        }
        let mut bars = self.bars.borrow_mut();
        while bars.len() <= index {
            let style = ProgressStyle::with_template("  item {prefix}  {bar:24}  {elapsed:>4}  {msg}");
            let bar = self.all.add(ProgressBar::new(100)).with_prefix((bars.len() + 1).to_string());
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▉▊▋▌▍▎▏ "));
            bar.enable_steady_tick(Duration::from_millis(200));
            bars.push(bar);
        }
        let bar = &bars[index];
        bar.set_message(what);
        match (item.finished, item.progress) {
            (true, _) => bar.set_position(100),
            (false, Some(part)) => bar.set_position((f64::from(part) * 100.0) as u64),
            (false, None) => {}
        }
        if item.finished {
            bar.abandon();
        }
    }
    fn note(&self, line: &str) {
        if self.terminal {
            // A terminal that is gone is no reason to stop.
            let _ = self.all.println(line);
        } else {
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    }
    fn finish(&self) {
        self.bars.borrow().iter().filter(|bar| !bar.is_finished()).for_each(ProgressBar::abandon);
    }
}

fn describe(item: &Item) -> String {
    let mut text = item.state.to_string();
    match item.state {
        State::Queued => {
            if let Some(before) = item.queue_position {
                text += &format!(", {before} before it");
            }
            if let Some(time) = item.starts_in {
                text += &format!(", starts in {:.0} s", time.as_secs_f64());
            }
        }
        State::Running => {
            if let Some(part) = item.progress {
                text += &format!(", {:.0} %", part * 100.0);
            }
        }
        _ => {
            if let Some(message) = &item.message {
                text += &format!(": {message}");
            }
        }
    }
    text
}

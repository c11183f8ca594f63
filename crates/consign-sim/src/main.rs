//! The simulator as a program: serves each provider's wire on a loopback port until it is stopped.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::SystemTime;

use consign_sim::civitai::Shape;
use consign_sim::{Bacalhau, Chutes, Civitai, NuMind, Requester, numind};

const HELP: &str = "\
Simulator of job API wires.

Usage: consign-sim [--listen ADDRESS] [--speed N] [--seed N] [--workers N] [--shape SHAPE]
                   [--numind-shape SHAPE] [--bacalhau-version VERSION]

  --listen ADDRESS  loopback address and port of civitai [default: 127.0.0.1:0, any free port];
                    the others are at free ports of the same address
  --speed N         simulated seconds in a second, above 0 [default: 1]
  --seed N          number from which everything random follows [default: 0]
  --workers N       workers that carry jobs out [default: 16]
  --shape SHAPE     generation of answers: current, older, documented [default: current]
  --numind-shape SHAPE
                    generation of the interface: both, 0.2.0, 0.4.2 [default: both]
  --bacalhau-version VERSION
                    version of a server, 1.x.y for v1 and 0.3.x for requester; may be given for each
                    [default: 1.9.3 and 0.3.25]
  --help            this text

Prints one line a provider when it is ready, `civitai http://127.0.0.1:PORT`, `bacalhau-requester …`,
`bacalhau-v1 …`, `chutes …`, `numind …`, and runs until Ctrl-C. Any token is accepted (chutes: any API key of
the right form). A job can say itself what becomes of it:
  civitai  \"properties\": {\"sim\": {\"outcome\": \"Failed\", \"seconds\": 3, \"message\": \"out of memory\"}}
  bacalhau labels such as \"sim.outcome\": \"failed\", \"sim.seconds\": \"3\", \"sim.message\": \"out of memory\"
  chutes   {\"sim\": {\"outcome\": \"error\", \"seconds\": 3, \"detail\": \"out of memory\"}} among the arguments
  numind   first line of what is submitted: sim: {\"outcome\": \"failed\", \"seconds\": 3, \"code\": \"Broken\"}
";

struct Arguments {
    listen: String,
    speed: f64,
    seed: u64,
    workers: usize,
    shape: Shape,
    numind_shape: numind::Shape,
    bacalhau: String,
    requester: String,
}

/// Reads the arguments. None: help is asked for.
fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let mut all = Arguments {
        listen: "127.0.0.1:0".to_owned(),
        speed: 1.0,
        seed: 0,
        workers: 16,
        shape: Shape::default(),
        numind_shape: numind::Shape::default(),
        bacalhau: "1.9.3".to_owned(),
        requester: "0.3.25".to_owned(),
    };
    while let Some(argument) = arguments.next() {
        let (name, inline) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        if name == "--help" || name == "-h" {
            return Ok(None);
        }
        let known = ["--listen", "--speed", "--seed", "--workers", "--shape", "--numind-shape", "--bacalhau-version"];
        if !known.contains(&name.as_str()) {
            return Err(format!("unknown argument {name}"));
        }
        let value = inline.or_else(|| arguments.next()).ok_or_else(|| format!("{name} needs a value"))?;
        let wrong = |what: &str| format!("{name} needs {what}, not {value:?}");
        match name.as_str() {
            "--listen" => all.listen.clone_from(&value),
            "--speed" => {
                let speed = value.parse().ok().filter(|speed: &f64| speed.is_finite() && *speed > 0.0);
                all.speed = speed.ok_or_else(|| wrong("a number above 0"))?;
            }
            "--seed" => all.seed = value.parse().map_err(|_| wrong("a whole number from 0"))?,
            "--workers" => all.workers = value.parse().map_err(|_| wrong("a whole number from 0"))?,
            "--bacalhau-version" => {
                let numbers: Vec<Option<u32>> = value.split('.').map(|number| number.parse().ok()).collect();
                match numbers[..] {
                    [Some(0), Some(3), Some(17..)] => all.requester.clone_from(&value),
                    [Some(1), Some(1..), Some(_)] => all.bacalhau.clone_from(&value),
                    _ => return Err(wrong("a version from 1.1.0 or from 0.3.17 on")),
                }
            }
            "--numind-shape" => {
                all.numind_shape = match value.as_str() {
                    "both" => numind::Shape::Both,
                    "0.2.0" => numind::Shape::V0_2,
                    "0.4.2" => numind::Shape::V0_4,
                    _ => return Err(wrong("both, 0.2.0 or 0.4.2")),
                }
            }
            _ => {
                all.shape = match value.as_str() {
                    "current" => Shape::default(),
                    "older" => Shape::older(),
                    "documented" => Shape::documented(),
                    _ => return Err(wrong("current, older or documented")),
                }
            }
        }
    }
    Ok(Some(all))
}

fn main() -> ExitCode {
    let outcome = match parse(std::env::args().skip(1)) {
        Ok(None) => write!(std::io::stdout(), "{HELP}").map_err(|e| e.to_string()),
        Ok(Some(arguments)) => run(arguments),
        Err(message) => Err(message),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // There is nowhere else to complain.
            let _ = writeln!(std::io::stderr(), "consign-sim: {message}\nTry consign-sim --help.");
            ExitCode::from(2)
        }
    }
}

#[tokio::main]
async fn run(arguments: Arguments) -> Result<(), String> {
    let sim = Civitai::builder()
        .seed(arguments.seed)
        .speed(arguments.speed)
        .workers(arguments.workers)
        .shape(arguments.shape)
        .start(SystemTime::now())
        .ledger_limit(1000)
        .build();
    let server =
        sim.serve(arguments.listen.as_str()).await.map_err(|e| format!("--listen {}: {e}", arguments.listen))?;
    let bacalhau = Bacalhau::builder()
        .version(&arguments.bacalhau)
        .seed(arguments.seed)
        .speed(arguments.speed)
        .workers(arguments.workers)
        .start(SystemTime::now())
        .ledger_limit(1000)
        .build();
    let bacalhau_server = bacalhau.serve(beside(server.url())).await.map_err(|e| format!("bacalhau: {e}"))?;
    let requester = Requester::builder()
        .version(&arguments.requester)
        .seed(arguments.seed)
        .speed(arguments.speed)
        .workers(arguments.workers)
        .start(SystemTime::now())
        .ledger_limit(1000)
        .build();
    let requester_server = requester.serve(beside(server.url())).await.map_err(|e| format!("requester: {e}"))?;
    let numind = NuMind::builder()
        .seed(arguments.seed)
        .speed(arguments.speed)
        .workers(arguments.workers)
        .shape(arguments.numind_shape)
        .most_per_page(300)
        .start(SystemTime::now())
        .ledger_limit(1000)
        .build();
    let numind_server = numind.serve(beside(server.url())).await.map_err(|e| format!("numind: {e}"))?;
    let chutes = Chutes::builder()
        .seed(arguments.seed)
        .speed(arguments.speed)
        .workers(arguments.workers)
        .start(SystemTime::now())
        .ledger_limit(1000)
        .build();
    let chutes_server = chutes.serve(beside(server.url())).await.map_err(|e| format!("chutes: {e}"))?;
    let mut out = std::io::stdout();
    // In one piece: a reader that has seen its line may go away.
    let lines = [
        format!("civitai {}\n", server.url()),
        format!("bacalhau-requester {}\n", requester_server.url()),
        format!("bacalhau-v1 {}\n", bacalhau_server.url()),
        format!("chutes {}\n", chutes_server.url()),
        format!("numind {}\n", numind_server.url()),
    ];
    out.write_all(lines.concat().as_bytes()).and_then(|()| out.flush()).map_err(|e| e.to_string())?;
    stopped().await.map_err(|e| e.to_string())
}

/// A free port of the address that another wire is at.
fn beside(url: &str) -> SocketAddr {
    let address = url.trim_start_matches("http://").parse::<SocketAddr>();
    SocketAddr::new(address.map_or(Ipv4Addr::LOCALHOST.into(), |address| address.ip()), 0)
}

/// Ends at Ctrl-C, and at SIGTERM where there is such a thing.
async fn stopped() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut term = signal(SignalKind::terminate())?;
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed,
            _ = term.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

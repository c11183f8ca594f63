//! An invoice becomes a Rust value: the type says what is asked for, and is what comes back.
//!
//! `cargo run --example numind_invoice` needs no account and no network: a simulator in the process stands in for the
//! service. With `--live FILE` and a key in `NUMIND_API_KEY` it reads a file of yours with the real one, which costs
//! tokens.
use std::error::Error;
use std::io::Write;
use std::time::Duration;

use consign::Jobs;
use consign::numind::{Extracted, Input, NuMind, extract};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// What is asked for. What the document does not say comes as null.
#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
pub struct Invoice {
    /// Exactly as it is printed.
    #[schemars(extend("x-numind" = "verbatim-string"))]
    pub number: Option<String>,
    /// Its date, as `2026-01-31`.
    #[schemars(extend("format" = "date"))]
    pub issued: Option<String>,
    /// Of all prices.
    pub currency: Option<Currency>,
    /// What was bought.
    #[serde(default)]
    pub lines: Vec<Line>,
    /// What is to be paid.
    pub total: Option<f64>,
}

/// One of a few words.
#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// Swiss francs.
    Chf,
    /// Euros.
    Eur,
    /// Dollars.
    Usd,
}

/// A line of the table.
#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
pub struct Line {
    /// What it is.
    pub article: String,
    /// How many.
    pub pieces: Option<u32>,
    /// For one piece.
    pub price: Option<f64>,
}

const TEXT: &str =
    "Invoice R-2026/017, Zurich, 31 January 2026. 2 teapots at 24.50, 1 kettle at 39.00. Total CHF 88.00.";

/// Reads an invoice.
///
/// # Errors
/// Whatever goes wrong on the way.
pub async fn read(jobs: &Jobs<NuMind>, input: Input) -> Result<Extracted<Invoice>, consign::Error> {
    let spec = extract::<Invoice>(input)
        .instructions("Prices are for one piece.")
        .example("Bill 3: a pot, USD 5", json!({"number": "3", "currency": "USD", "lines": [{"article": "pot"}]}))
        .with_settings(|settings| settings.temperature(0.0).timeout(Duration::from_secs(600)));
    let job = jobs.submit(&spec).await?;
    // Store the ticket: it finds the job again, in any process.
    let done = jobs.attach(job.ticket().clone())?.wait().timeout(Duration::from_secs(900)).await?;
    done.into_result()?.extraction()
}

/// The same on a simulator, whose model says what a real one would.
///
/// # Errors
/// Whatever goes wrong on the way.
pub async fn simulated() -> Result<Extracted<Invoice>, Box<dyn Error>> {
    let says = json!({
        "number": "R-2026/017", "issued": "2026-01-31", "currency": "CHF", "total": 88.0,
        "lines": [
            {"article": "teapot", "pieces": 2, "price": 24.5},
            {"article": "kettle", "pieces": 1, "price": 39.0},
        ],
    });
    let script = json!({"output": says, "seconds": 0.2, "pending": 0});
    let sim = consign_sim::NuMind::builder().seed(7).build();
    let server = sim.serve("127.0.0.1:0").await?;
    let jobs = Jobs::new(NuMind::builder().base_url(server.url()).api_key("example").build()?);
    Ok(read(&jobs, Input::text(format!("sim: {script}\n{TEXT}"))).await?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let invoice = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => simulated().await?,
        ["--live", path] => read(&Jobs::from_env()?, Input::open(path)?).await?,
        _ => return Err("usage: cargo run --example numind_invoice [-- --live FILE]".into()),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:#?}", invoice.value())?;
    writeln!(out, "tokens: {:?}, confidence: {:?}", invoice.tokens().total, invoice.confidence())?;
    if let Some(problem) = invoice.problem() {
        writeln!(out, "the model's answer did not fit: {:?}", problem.message)?;
    }
    Ok(())
}

//! Decoding a page of 10,000 jobs: the generated types against hand-written structs, as ratios.
use std::hint::black_box;
use std::time::Duration;

use consign_civitai::types::JobStatusCollection;
use consign_tests::{measured, plain};
use serde::de::DeserializeOwned;

const JOBS: usize = 10_000;
const ROUNDS: usize = 25;
const WAYS: [&str; 2] = ["hand-written", "generated"];

fn main() {
    let page = plain::page(JOBS);
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, run, way, times] = &arguments[..]
        && run == "run"
    {
        (0..times.parse().expect("a number")).for_each(|_| {
            decode(way, &page);
        });
        return;
    }
    if !measured::asked() {
        return;
    }
    println!("a page of {JOBS} jobs, {:.1} MB", page.len() as f64 / 1e6);
    // Taken in turns, so that both see the same machine; the best of each counts.
    let mut best = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        (0..2).for_each(|n| best[n] = best[n].min(decode(WAYS[n], &page)));
    }
    // The difference of two runs, so that start-up and the making of the page do not count.
    let count = |way| Some(measured::instructions(&["run", way, "3"])? - measured::instructions(&["run", way, "1"])?);
    let counts = count(WAYS[0]).zip(count(WAYS[1]));
    for (n, way) in WAYS.iter().enumerate() {
        let count = counts.map_or("not counted".to_owned(), |c| format!("{:.1} M", [c.0, c.1][n] as f64 / 2e6));
        println!("{way:<13} {:>7.2} ms on the processor, instructions: {count}", best[n].as_secs_f64() * 1e3);
    }
    measured::judge("generated / hand-written, time", best[1].as_secs_f64() / best[0].as_secs_f64(), 1.10);
    if let Some((base, ours)) = counts {
        measured::judge("generated / hand-written, instructions", ours as f64 / base as f64, 1.10);
    }
}

/// Decodes the page and drops what came of it.
fn decode(way: &str, page: &[u8]) -> Duration {
    fn one<T: DeserializeOwned>(page: &[u8]) -> Duration {
        let start = measured::on_processor();
        drop(black_box(serde_json::from_slice::<T>(page).expect("the page decodes")));
        measured::on_processor() - start
    }
    match way {
        "hand-written" => one::<plain::Collection>(page),
        _ => one::<JobStatusCollection>(page),
    }
}

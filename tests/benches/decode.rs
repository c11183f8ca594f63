//! Decoding a page of 10,000 jobs: the generated types against hand-written structs, as a ratio.
use std::hint::black_box;
use std::time::{Duration, Instant};

use consign_civitai::types::JobStatusCollection;
use consign_tests::plain;
use serde::de::DeserializeOwned;

const ROUNDS: usize = 15;

fn main() {
    let page = plain::page(10_000);
    println!("a page of 10,000 jobs, {:.1} MB", page.len() as f64 / 1e6);
    // Taken in turns, so that both see the same machine; the best of each counts.
    let (mut plain_best, mut ours_best) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        plain_best = plain_best.min(time::<plain::Collection>(&page));
        ours_best = ours_best.min(time::<JobStatusCollection>(&page));
    }
    println!("hand-written {plain_best:?}");
    println!("generated    {ours_best:?}");
    println!("ratio        {:.3} (to reach: 1.10)", ours_best.as_secs_f64() / plain_best.as_secs_f64());
}

fn time<T: DeserializeOwned>(page: &[u8]) -> Duration {
    let start = Instant::now();
    let value: T = serde_json::from_slice(page).expect("the page decodes");
    let taken = start.elapsed();
    drop(black_box(value));
    taken
}

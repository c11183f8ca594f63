//! The event-stream parser against a bare search for line ends that copies the data lines, as rates and a ratio.
use std::hint::black_box;
use std::time::{Duration, Instant};

use consign_http::sse::Parser;

const ROUNDS: usize = 25;
const CHUNK: usize = 16 << 10;
const TOTAL: usize = 16 << 20;

fn main() {
    println!("{:<34} {:>12} {:>12} {:>7}", "in chunks of 16 KiB", "baseline", "ours", "ratio");
    let job = event(600);
    // A page of text from a document: nothing but ASCII would flatter the check of UTF-8.
    let text = "Les données sont à vérifier — 日本語 aussi. ".repeat(40);
    let cases = [
        ("results of 600 bytes", job.repeat(TOTAL / job.len())),
        (
            "results of 2 KB, not all ASCII",
            format!("event: result\ndata: {text}\n\n").into_bytes().repeat(TOTAL / 2000),
        ),
        ("results of 64 KiB", event(64 << 10).repeat(TOTAL >> 16)),
        ("pings of 20 bytes", b"event: ping\ndata: \n\n".repeat(TOTAL / 20)),
    ];
    for (name, bytes) in &cases {
        let (plain, ours) = both(bytes, CHUNK);
        let rate = |taken: Duration| bytes.len() as f64 / taken.as_secs_f64() / 1e6;
        let ratio = ours.as_secs_f64() / plain.as_secs_f64();
        println!("{name:<34} {:>7.0} MB/s {:>7.0} MB/s {ratio:>7.2}", rate(plain), rate(ours));
    }
    println!("\none event (to reach: 4 MiB in 8 ms, and time grows like the size)");
    for size in [1usize, 2, 4, 8, 16] {
        let bytes = event(size << 20);
        let (plain, ours) = both(&bytes, CHUNK);
        println!("{size:>3} MiB   baseline {plain:>10.2?}   ours {ours:>10.2?}");
    }
}

/// A `result` event with `size` bytes of data in one line.
fn event(size: usize) -> Vec<u8> {
    let mut bytes = b"event: result\ndata: ".to_vec();
    bytes.extend(b"{\"id\":\"6d0a1f34\",\"status\":\"completed\"}".iter().cycle().take(size));
    bytes.extend_from_slice(b"\n\n");
    bytes
}

/// Taken in turns, so that both see the same machine; the best of each counts.
fn both(bytes: &[u8], chunk: usize) -> (Duration, Duration) {
    let (mut plain_best, mut ours_best) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let (taken, plain) = time(|| baseline(bytes, chunk));
        plain_best = plain_best.min(taken);
        let (taken, ours) = time(|| parser(bytes, chunk));
        ours_best = ours_best.min(taken);
        assert_eq!(plain, ours, "both have to see the same events");
    }
    (plain_best, ours_best)
}

fn time(work: impl Fn() -> (usize, usize)) -> (Duration, (usize, usize)) {
    let start = Instant::now();
    let found = black_box(work());
    (start.elapsed(), found)
}

/// Number of events, and of bytes of data.
fn parser(bytes: &[u8], chunk: usize) -> (usize, usize) {
    let (mut events, mut size) = (0, 0);
    let mut parser = Parser::new();
    for mut chunk in bytes.chunks(chunk) {
        while !chunk.is_empty() {
            let (used, event) = parser.feed(chunk).expect("within the bound");
            chunk = &chunk[used..];
            if let Some(event) = event {
                events += 1;
                size += black_box(event).data.len();
            }
        }
    }
    (events, size)
}

/// What one would write for one server: LF only, fixed field names, no byte order mark, no bound.
fn baseline(bytes: &[u8], chunk: usize) -> (usize, usize) {
    let (mut events, mut size) = (0, 0);
    let (mut line, mut event, mut data) = (Vec::new(), None, None);
    for chunk in bytes.chunks(chunk) {
        let mut rest = chunk;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            line.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            let text = std::str::from_utf8(&line).expect("UTF-8");
            if let Some(value) = text.strip_prefix("data: ") {
                data = Some(value.to_owned());
            } else if let Some(value) = text.strip_prefix("event: ") {
                event = Some(value.to_owned());
            } else if text.is_empty()
                && let Some(data) = data.take()
            {
                events += 1;
                size += black_box((event.take(), data)).1.len();
            }
            line.clear();
        }
        line.extend_from_slice(rest);
    }
    (events, size)
}

//! What the benches measure besides allocations: time on the processor, and instructions under callgrind.
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Whether `cargo bench` runs this program. `cargo test --all-targets` starts benches too, and is not to measure.
pub fn asked() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// How long this thread has been on a processor: other programs do not count. Where the system does not
/// say, the time that has passed.
pub fn on_processor() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    // The system brings its account up to date when the thread gives way.
    std::thread::yield_now();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = told.split(' ').next().and_then(|text| text.parse().ok());
    nanoseconds.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

/// The instructions that this program takes when it is run with `arguments`; `None` without valgrind.
pub fn instructions(arguments: &[&str]) -> Option<u64> {
    let out = std::env::temp_dir().join(format!("consign-callgrind-{}", std::process::id()));
    let done = Command::new("valgrind")
        .args(["--tool=callgrind", &format!("--callgrind-out-file={}", out.display())])
        .arg(std::env::current_exe().ok()?)
        .args(arguments)
        .output()
        .ok()?;
    let text = std::fs::read_to_string(&out).ok()?;
    let _ = std::fs::remove_file(&out);
    done.status.success().then_some(())?;
    let total = text.lines().find_map(|l| l.strip_prefix("totals: ").or(l.strip_prefix("summary: ")))?;
    total.trim().parse().ok()
}

/// Prints a figure beside the one that is to be reached: at most that.
pub fn judge(what: &str, figure: f64, to_reach: f64) {
    let word = if figure <= to_reach { "reached" } else { "MISSED" };
    let figure = if figure.fract() == 0.0 { format!("{figure}") } else { format!("{figure:.3}") };
    println!("{what:<44} {figure:>7}   at most {to_reach}: {word}");
}

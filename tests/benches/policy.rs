//! The default pace beside polling policies in use elsewhere: requests a job and how late its end is seen.
//!
//! Each policy polls the same 20,000 jobs of lognormal duration, in simulated time.
use std::time::Duration;

use consign::Pace;
use consign_tests::measured;
use fastrand::Rng;

const JOBS: usize = 20_000;
/// Median of the durations, in seconds, and sigma of their logarithms.
const KINDS: [(f64, f64); 2] = [(20.0, 0.8), (1200.0, 1.0)];

/// The pause after a look, in seconds, from the time elapsed, the number of looks before, and chance.
type Pause<'a> = dyn Fn(f64, i32, &mut Rng) -> f64 + 'a;

fn main() {
    if !measured::asked() {
        return;
    }
    println!("{JOBS} lognormal durations; requests a job, and mean delay until the end is seen");
    println!("{:<44} {:^19} {:^19}", "", "median 20 s, σ 0.8", "median 1,200 s, σ 1");
    let doubled = |first: f64, most: f64, looks: i32| (first * 2_f64.powi(looks.min(30))).min(most);
    let share = |elapsed: f64| (0.1 * elapsed).clamp(0.5, 30.0);
    let others: [(&str, Box<Pause<'_>>); 5] = [
        ("fixed 1 s", Box::new(|_, _, _| 1.0)),
        ("fixed 30 s", Box::new(|_, _, _| 30.0)),
        ("exponential 1 → 60 s, no jitter", Box::new(|_, looks, _| doubled(1.0, 60.0, looks))),
        ("exponential 2 → 120 s with jitter", Box::new(|_, looks, rng| doubled(2.0, 120.0, looks) * rng.f64())),
        ("10 % of the time elapsed, 0.5 … 30 s", Box::new(|elapsed, _, _| share(elapsed))),
    ];
    let mut lines = [vec![], vec![]];
    for (name, pause) in &others {
        let seen = KINDS.map(|kind| simulate(&durations(kind), pause));
        (0..KINDS.len()).for_each(|n| lines[n].push(seen[n]));
        row(name, seen);
    }
    let learned = KINDS.map(|kind| {
        let all = durations(kind);
        let mut sorted = all.clone();
        sorted.sort_by(f64::total_cmp);
        let tenth = sorted[JOBS / 10];
        simulate(&all, &|elapsed, looks, _| if looks == 0 { tenth } else { share(elapsed) })
    });
    (0..KINDS.len()).for_each(|n| lines[n].push(learned[n]));
    row("the same, first at a learned 10th percentile", learned);

    let pace = Pace::default();
    let ours = KINDS.map(|kind| {
        // The engine spreads each pause by up to a tenth.
        let pause = |elapsed, _, rng: &mut Rng| {
            pace.pause(Duration::from_secs_f64(elapsed)).as_secs_f64() * (0.9 + 0.2 * rng.f64())
        };
        simulate(&durations(kind), &pause)
    });
    let Pace { min, max, share, .. } = pace;
    row(&format!("ours: {:.0} % of the time elapsed, {min:?} … {max:?}", share * 100.0), ours);
    for ((median, _), (line, (looks, late))) in KINDS.iter().zip(lines.iter().zip(ours)) {
        let bound = on_line(line, looks);
        let word = if late < bound { "below" } else { "NOT BELOW" };
        println!("median {median:>4} s: ours is {word} the line, which has {bound:.1} s at {looks:.1} requests");
    }
}

fn row(name: &str, seen: [(f64, f64); 2]) {
    let [short, long] = seen.map(|(looks, late)| format!("{looks:>8.1} {late:>8.2} s"));
    println!("{name:<44} {short} {long}");
}

/// The same durations for every policy, in seconds.
fn durations((median, sigma): (f64, f64)) -> Vec<f64> {
    let mut rng = Rng::with_seed(7);
    let mut one = || {
        let (radius, angle) = (1.0 - rng.f64(), std::f64::consts::TAU * rng.f64());
        median * (sigma * (-2.0 * radius.ln()).sqrt() * angle.cos()).exp()
    };
    (0..JOBS).map(|_| one()).collect()
}

/// Looks a job, and how late its end is seen on average, in seconds.
fn simulate(durations: &[f64], pause: &Pause<'_>) -> (f64, f64) {
    let mut rng = Rng::with_seed(8);
    let (mut all, mut late) = (0, 0.0);
    for lasts in durations {
        let (mut now, mut looks) = (0.0, 0);
        while now < *lasts {
            now += pause(now, looks, &mut rng);
            looks += 1;
        }
        all += i64::from(looks);
        late += now - lasts;
    }
    (all as f64 / durations.len() as f64, late / durations.len() as f64)
}

/// The delay at `looks` on the line through those of `points` that no other point beats. The axes are
/// logarithmic: between two points the line then lies lower than a straight one.
fn on_line(points: &[(f64, f64)], looks: f64) -> f64 {
    let beaten = |p: &(f64, f64)| points.iter().any(|q| q != p && q.0 <= p.0 && q.1 <= p.1);
    let mut line: Vec<_> = points.iter().copied().filter(|p| !beaten(p)).collect();
    line.sort_by(|a, b| a.0.total_cmp(&b.0));
    match line.windows(2).find(|w| (w[0].0..=w[1].0).contains(&looks)) {
        Some(w) => {
            let share = (looks / w[0].0).ln() / (w[1].0 / w[0].0).ln();
            w[0].1 * (w[1].1 / w[0].1).powf(share)
        }
        // With fewer requests than all of them anything is better; with more, only less delay than the least.
        None if looks < line[0].0 => f64::INFINITY,
        None => line[line.len() - 1].1,
    }
}

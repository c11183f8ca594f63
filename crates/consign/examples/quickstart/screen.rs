//! What is shown while jobs go on: a bar for each item on a terminal, plain lines anywhere else.
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use consign::{Item, State};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

pub(crate) struct Screen {
    all: MultiProgress,
    bars: RefCell<BTreeMap<(&'static str, usize), ProgressBar>>,
    terminal: bool,
}

impl Screen {
    pub(crate) fn new(terminal: bool) -> Self {
        let target = if terminal { ProgressDrawTarget::stdout() } else { ProgressDrawTarget::hidden() };
        Self { all: MultiProgress::with_draw_target(target), bars: RefCell::default(), terminal }
    }
    pub(crate) fn show(&self, provider: &'static str, index: usize, item: &Item, elapsed: Duration) {
        let what = describe(item);
        if !self.terminal {
            self.note(&format!("{:>6.1}s  {provider:<9} item {}  {what}", elapsed.as_secs_f64(), index + 1));
            return;
        }
        let mut bars = self.bars.borrow_mut();
        let bar = bars.entry((provider, index)).or_insert_with(|| self.bar(provider, index));
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
    fn bar(&self, provider: &str, index: usize) -> ProgressBar {
        let style = ProgressStyle::with_template("  {prefix:<11}  {bar:24}  {elapsed:>4}  {msg}");
        let bar = self.all.add(ProgressBar::new(100)).with_prefix(format!("{provider} {}", index + 1));
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▉▊▋▌▍▎▏ "));
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
    pub(crate) fn note(&self, line: &str) {
        if self.terminal {
            // A terminal that is gone is no reason to stop.
            let _ = self.all.println(line);
        } else {
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    }
    pub(crate) fn finish(&self) {
        self.bars.borrow().values().filter(|bar| !bar.is_finished()).for_each(ProgressBar::abandon);
    }
}

fn describe(item: &Item) -> String {
    let mut text = item.state.to_string();
    match item.state {
        State::Queued => {
            if let Some(before) = item.queue_position.filter(|before| *before > 0) {
                text += &format!(", {before} before it");
            }
            if let Some(time) = item.starts_in.filter(|time| *time >= Duration::from_secs(1)) {
                text += &format!(", starts in {:.0} s", time.as_secs_f64());
            }
            if let Some(message) = &item.message {
                text += &format!(": {message}");
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

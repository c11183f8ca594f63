//! What becomes of a job: written by a test, in the job's own labels, or by the program that it brings.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::percent_decode_str;

use crate::clock::seconds;

/// What becomes of one job. What is not set is left to the program and to chance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub(crate) outcome: Option<String>,
    pub(crate) seconds: Option<f64>,
    pub(crate) queue: Option<f64>,
    pub(crate) exit: Option<i64>,
    pub(crate) stdout: Option<String>,
    pub(crate) stderr: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) failures: Option<u32>,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Plan {
    /// The program runs to its end; the same as the default.
    pub fn succeed() -> Self {
        Self::default()
    }

    /// Every execution of the job fails with this message.
    pub fn fail(message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..Self::end("failed") }
    }

    /// How the job ends, in the words of either wire and in any case: `completed`, `failed` or `error`,
    /// `stopped` or `cancelled` (somebody else does it), `running` (it never ends by itself), `queued` (no
    /// node is ever found). Any other word becomes the job's state, after its time, and stays.
    pub fn end(outcome: impl Into<String>) -> Self {
        Self { outcome: Some(outcome.into()), ..Self::default() }
    }

    /// How long each execution runs, in simulated seconds.
    #[must_use]
    pub fn seconds(mut self, seconds: f64) -> Self {
        self.seconds = Some(seconds);
        self
    }

    /// No node is there for the job before this many simulated seconds; until then it is queued.
    #[must_use]
    pub fn queue(mut self, seconds: f64) -> Self {
        self.queue = Some(seconds);
        self
    }

    /// The exit code of the program.
    #[must_use]
    pub fn exit_code(mut self, code: i64) -> Self {
        self.exit = Some(code);
        self
    }

    /// What the program writes to its standard output, line after line while it runs.
    #[must_use]
    pub fn stdout(mut self, text: impl Into<String>) -> Self {
        self.stdout = Some(text.into());
        self
    }

    /// What the program writes to its standard error.
    #[must_use]
    pub fn stderr(mut self, text: impl Into<String>) -> Self {
        self.stderr = Some(text.into());
        self
    }

    /// Only the first executions end as planned, this many; the next completes. Without an outcome they fail.
    #[must_use]
    pub fn failures(mut self, executions: u32) -> Self {
        self.failures = Some(executions);
        self
    }

    /// Puts a file into the result beside the output, under a path such as `outputs/a.txt`.
    #[must_use]
    pub fn file(mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), content.into());
        self
    }

    /// Reads labels named `sim.outcome`, `sim.seconds`, `sim.queue`, `sim.exit`, `sim.stdout`,
    /// `sim.stderr`, `sim.message`, `sim.failures`; what is not there keeps what `self` says.
    pub(crate) fn amended<'a>(mut self, labels: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        for (name, value) in labels {
            let Some(member) = name.strip_prefix("sim.") else { continue };
            let wrong = || format!("label {name} has a wrong value: {value:?}");
            let number = || value.trim().parse::<f64>().ok().filter(|n| n.is_finite()).ok_or_else(wrong);
            match member {
                "outcome" => self.outcome = Some(value.to_owned()),
                "message" => self.message = Some(value.to_owned()),
                "stdout" => self.stdout = Some(value.to_owned()),
                "stderr" => self.stderr = Some(value.to_owned()),
                "seconds" => self.seconds = Some(number()?),
                "queue" => self.queue = Some(number()?),
                "exit" => self.exit = Some(value.trim().parse().map_err(|_| wrong())?),
                "failures" => self.failures = Some(value.trim().parse().map_err(|_| wrong())?),
                _ => return Err(format!("label {name} is not one that the simulator knows")),
            }
        }
        Ok(self)
    }

    /// Whether no node is ever found.
    pub(crate) fn never_placed(&self) -> bool {
        self.outcome.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("queued"))
    }

    /// What the execution with this number (from 0) does; `drawn` is how long if nothing says it.
    pub(crate) fn work(&self, program: &Program, number: u32, drawn: Duration) -> Work {
        let over = self.failures.is_some_and(|failures| number >= failures);
        let planned = self.outcome.as_deref().or(self.failures.map(|_| "failed")).filter(|_| !over);
        let word = planned.map(str::to_ascii_lowercase);
        let failure = || self.message.clone().unwrap_or_else(|| "the program could not be run".to_owned());
        let ends = match word.as_deref() {
            None if over => Ends::Completed,
            None => program.ends.clone(),
            Some("completed" | "succeeded") => Ends::Completed,
            Some("failed" | "error") => Ends::Failed(failure()),
            Some("stopped" | "cancelled" | "canceled") => Ends::Stopped,
            Some("running" | "queued") => Ends::Never,
            Some(_) => Ends::Word(planned.unwrap_or_default().to_owned()),
        };
        Work {
            ends,
            lasts: self.seconds.map(seconds).or(program.lasts).unwrap_or(drawn),
            stdout: self.stdout.clone().unwrap_or_else(|| program.stdout.clone()),
            stderr: self.stderr.clone().unwrap_or_else(|| program.stderr.clone()),
            exit: self.exit.unwrap_or(program.exit),
        }
    }
}

/// How an execution ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Ends {
    #[default]
    Completed,
    Failed(String),
    /// The job is stopped by somebody else.
    Stopped,
    Never,
    /// The job takes this word as its state.
    Word(String),
}

/// What one execution does.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) ends: Ends,
    pub(crate) lasts: Duration,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) exit: i64,
}

impl Work {
    /// The output as it comes: how far into the run, on which stream (1 or 2), which line.
    pub(crate) fn lines(&self) -> Vec<(Duration, u8, String)> {
        let split = |text: &str, stream: u8| -> Vec<(u8, String)> {
            text.split_inclusive('\n').map(|line| (stream, line.to_owned())).collect()
        };
        let all: Vec<_> = split(&self.stdout, 1).into_iter().chain(split(&self.stderr, 2)).collect();
        // What never ends has written everything soon.
        let span = if self.ends == Ends::Never { self.lasts.min(Duration::from_secs(1)) } else { self.lasts };
        let parts = all.len() as u32 + 1;
        let at = |index: usize| span * (index as u32 + 1) / parts;
        all.into_iter().enumerate().map(|(index, (stream, line))| (at(index), stream, line)).collect()
    }
}

/// What a job's program does by itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Program {
    pub(crate) ends: Ends,
    /// None: drawn.
    pub(crate) lasts: Option<Duration>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) exit: i64,
}

/// How long a small module runs.
const SHORT: Duration = Duration::from_millis(10);

impl Program {
    fn failing(message: impl Into<String>) -> Self {
        Self { ends: Ends::Failed(message.into()), lasts: Some(SHORT), ..Self::default() }
    }

    /// A WebAssembly module, recognised by what it contains. `place` is where it is mounted.
    pub(crate) fn wasm(module: &[u8], place: &str) -> Self {
        let has = |text: &str| module.windows(text.len()).any(|part| part == text.as_bytes());
        let short = Self { lasts: Some(SHORT), ..Self::default() };
        if !module.starts_with(b"\0asm") {
            let why = format!("failed to compile module at \"{place}\": invalid magic number");
            return Self::failing(format!("failed to load entry module {place}: {why}"));
        }
        if has("hello from wasm") {
            Self { stdout: "hello from wasm\n".to_owned(), ..short }
        } else if has("about to trap") {
            Self::failing("wasm error: unreachable\nwasm stack trace:\n\t._start()")
        } else if has("spinning") {
            Self { ends: Ends::Never, stdout: "spinning\n".to_owned(), ..short }
        } else if has("out\n") && has("err\n") {
            Self { stdout: "out\n".to_owned(), stderr: "err\n".to_owned(), exit: 3, ..short }
        } else {
            short
        }
    }

    /// A module that is not there.
    pub(crate) fn missing_module(place: &str) -> Self {
        Self::failing(match place {
            "" => "invalid WASM spec: invalid wasm engine entry module. target path cannot be empty".to_owned(),
            _ => format!("failed to load entry module {place}: module not found: \"{place}\""),
        })
    }

    /// A command line in a container: `echo` is understood, everything else writes nothing.
    pub(crate) fn command(words: &[&str]) -> Self {
        let echoed = match words {
            ["echo" | "/bin/echo", words @ ..] => words.join(" "),
            ["sh" | "bash" | "/bin/sh" | "/bin/bash", "-c", script, ..] => {
                let Some(text) = script.trim().strip_prefix("echo ") else { return Self::default() };
                text.trim().trim_matches(['"', '\'']).to_owned()
            }
            _ => return Self::default(),
        };
        Self { stdout: echoed + "\n", ..Self::default() }
    }
}

/// The bytes of a `data:` URL.
pub(crate) fn inline_data(url: &str) -> Option<Vec<u8>> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    if head.ends_with(";base64") {
        return BASE64.decode(data).ok();
    }
    Some(percent_decode_str(data).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_amend_a_plan_and_unknown_ones_are_refused() {
        let labels = [("sim.outcome", "Failed"), ("sim.seconds", "3"), ("sim.exit", "2"), ("team", "a")];
        let plan = Plan::succeed().stdout("x").amended(labels.into_iter()).unwrap_or_default();
        assert_eq!(plan, Plan::end("Failed").seconds(3.0).exit_code(2).stdout("x"));
        for wrong in [("sim.second", "3"), ("sim.seconds", "soon"), ("sim.exit", "1.5")] {
            assert!(Plan::default().amended([wrong].into_iter()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn only_the_first_executions_fail_and_the_output_comes_evenly() {
        let plan = Plan::default().failures(1).seconds(4.0).stdout("a\nb").stderr("c\n");
        let first = plan.work(&Program::default(), 0, SHORT);
        assert!(matches!(first.ends, Ends::Failed(_)));
        let second = plan.work(&Program::default(), 1, SHORT);
        assert_eq!(second.ends, Ends::Completed);
        let lines: Vec<_> = second.lines().into_iter().map(|(at, stream, text)| (at.as_secs(), stream, text)).collect();
        assert_eq!(lines, [(1, 1, "a\n".to_owned()), (2, 1, "b".to_owned()), (3, 2, "c\n".to_owned())]);
    }

    #[test]
    fn echo_is_understood() {
        assert_eq!(Program::command(&["echo", "Hello", "World!"]).stdout, "Hello World!\n");
        assert_eq!(Program::command(&["/bin/bash", "-c", "echo hello"]).stdout, "hello\n");
        assert_eq!(Program::command(&["date"]).stdout, "");
    }
}

//! The command line: `cargo xtask codegen [PROVIDER…] [--check]`.
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use xtask::workspace::{self, Outcome};

const USAGE: &str = "usage: cargo xtask codegen [PROVIDER…] [--check] [--root DIR]

Generates crates/consign-PROVIDER/src/generated from specs/PROVIDER/*.json, for all providers if none is named.
  --check     write nothing; print what differs and exit with 1 if anything does
  --root DIR  the workspace to work on (default: this one)
Exit codes: 0 done, 1 stale files, 2 any other error.";

/// What the command line asks for.
struct Arguments {
    root: PathBuf,
    providers: Vec<String>,
    check: bool,
}

fn main() -> ExitCode {
    let arguments = match arguments(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => return say(&mut io::stdout(), USAGE, 0),
        Err(what) => return say(&mut io::stderr(), &format!("{what}\n\n{USAGE}"), 2),
    };
    match workspace::codegen(&arguments.root, &arguments.providers, arguments.check) {
        Ok(Outcome::Done(lines)) => say(&mut io::stdout(), &lines.join("\n"), 0),
        Ok(Outcome::Stale(report)) => say(&mut io::stderr(), &report, 1),
        Err(problem) => say(&mut io::stderr(), &format!("error: {problem}"), 2),
    }
}

/// Prints a text, if there is one; a closed pipe is no reason to fail.
fn say(to: &mut dyn Write, text: &str, code: u8) -> ExitCode {
    if !text.is_empty() {
        let _ = writeln!(to, "{text}");
    }
    ExitCode::from(code)
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    match words.next().as_deref() {
        Some("codegen") => {}
        Some("help" | "--help" | "-h") => return Ok(None),
        Some(other) => return Err(format!("there is no command {other:?}")),
        None => return Err("a command is missing".to_owned()),
    }
    let mut found = Arguments { root: default_root(), providers: Vec::new(), check: false };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--check" => found.check = true,
            "--help" | "-h" => return Ok(None),
            "--root" => found.root = words.next().ok_or("--root needs a folder")?.into(),
            flag if flag.starts_with('-') => return Err(format!("there is no flag {flag:?}")),
            provider => found.providers.push(provider.to_owned()),
        }
    }
    Ok(Some(found))
}

/// The workspace this program was started from.
fn default_root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    manifest.and_then(|path| path.parent().map(PathBuf::from)).unwrap_or_else(|| PathBuf::from("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Option<Arguments>, String> {
        arguments(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn providers_and_flags_are_read_in_any_order() {
        let found = parse(&["codegen", "a", "--check", "b", "--root", "x"]).unwrap().unwrap();
        assert_eq!(found.providers, ["a", "b"]);
        assert!(found.check && found.root == *"x");
        assert!(parse(&["codegen", "--help"]).unwrap().is_none());
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert!(parse(&["codegem"]).err().unwrap().contains("codegem"));
        assert!(parse(&["codegen", "--chekc"]).err().unwrap().contains("--chekc"));
        assert!(parse(&["codegen", "--root"]).err().unwrap().contains("--root"));
        assert!(parse(&[]).is_err());
    }
}

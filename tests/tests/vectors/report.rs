//! What became of each vector, the line that sums it up, and the report file.
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use serde_json::Value;

use crate::server::Sent;

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A request that was sent as recorded.
    Sent,
    /// An answer that was decoded as expected.
    Decoded,
    /// An answer that gave the expected error.
    Refused,
    /// A line that records a client's fault: left out.
    Quirk,
    Failed,
}

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    pub outcome: Outcome,
    pub sent: Option<Value>,
    /// The decoded value, encoded again.
    pub encoded: Option<Value>,
    /// JSON pointers of members that ended in `extra`.
    pub extra: Vec<String>,
    pub error: Option<Value>,
    pub state: Option<String>,
    pub finished: Option<bool>,
    /// Why the line failed.
    pub why: Vec<String>,
}

impl Row {
    pub fn new(file: &str, line: usize) -> Self {
        let (file, outcome) = (file.to_owned(), Outcome::Failed);
        Self {
            file,
            line,
            outcome,
            sent: None,
            encoded: None,
            extra: vec![],
            error: None,
            state: None,
            finished: None,
            why: vec![],
        }
    }
    pub fn failed(mut self, why: impl Into<String>) -> Self {
        self.outcome = Outcome::Failed;
        self.why.push(why.into());
        self
    }
    pub fn with_sent(&mut self, sent: &Sent) {
        let mut headers = BTreeMap::<&str, String>::new();
        for (name, value) in &sent.headers {
            let value = String::from_utf8_lossy(value);
            headers
                .entry(name)
                .and_modify(|all| *all = format!("{all}, {value}"))
                .or_insert_with(|| value.into_owned());
        }
        self.sent = Some(serde_json::json!({
            "method": sent.method, "target": sent.target, "headers": headers,
            "body_base64": BASE64_STANDARD.encode(&sent.body),
        }));
    }
    pub fn with_error(&mut self, error: &consign_http::Error) {
        self.error = Some(serde_json::json!({
            "kind": format!("{:?}", error.kind()), "status": error.status(), "message": error.message(),
        }));
    }
}

/// What became of a file.
pub struct Report {
    pub file: String,
    /// `None`: the file could not be read.
    pub rows: Result<Vec<Row>, String>,
}

impl Report {
    pub fn rows(&self) -> &[Row] {
        self.rows.as_deref().unwrap_or_default()
    }
    pub fn count(&self, outcome: Outcome) -> usize {
        self.rows().iter().filter(|row| row.outcome == outcome).count()
    }
    /// `FILE: N lines, S sent, D decoded, R refused, X quirks, F failed`
    pub fn summary(&self) -> String {
        let n = |outcome| self.count(outcome);
        let (sent, decoded, refused) = (n(Outcome::Sent), n(Outcome::Decoded), n(Outcome::Refused));
        let (quirks, failed) = (n(Outcome::Quirk), n(Outcome::Failed));
        format!(
            "{}: {} lines, {sent} sent, {decoded} decoded, {refused} refused, {quirks} quirks, {failed} failed",
            self.file,
            self.rows().len()
        )
    }
}

/// Prints the summary, writes the report if one is asked for, and fails the test if a line failed.
pub fn conclude(report: &Report) {
    // Written past the capture of tests that pass: the line is what a person looks for.
    let _ = writeln!(std::io::stdout(), "{}", report.summary());
    if let Some(path) = std::env::var_os("CONSIGN_VECTORS_REPORT") {
        write(&crate::root().join(path), report);
    }
    if let Err(error) = &report.rows {
        panic!("{}: {error}", report.file);
    }
    assert!(!report.rows().is_empty(), "{}: no lines", report.file);
    let failed = report.rows().iter().filter(|row| row.outcome == Outcome::Failed);
    let failed: Vec<_> = failed.map(|row| format!("{}:{}: {}", row.file, row.line, row.why.join("; "))).collect();
    assert!(failed.is_empty(), "{}\n{}", report.summary(), failed.join("\n"));
}

/// Puts the rows into the file, in place of earlier rows about the same vectors. Tests run side by side.
pub fn write(path: &Path, report: &Report) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _held = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let before = std::fs::read_to_string(path).unwrap_or_default();
    let others = before
        .lines()
        .filter(|line| serde_json::from_str::<Value>(line).is_ok_and(|row| row["file"] != report.file.as_str()));
    let ours = report.rows().iter().map(|row| serde_json::to_string(row).expect("a row is JSON"));
    let mut text = String::new();
    for line in others.map(str::to_owned).chain(ours) {
        text.push_str(&line);
        text.push('\n');
    }
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

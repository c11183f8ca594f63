//! Output of a job as it is followed: pieces of two streams.

/// A piece of output.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// Which stream it was written to.
    pub output: LogOutput,
    /// The text as it was read: usually with its newline, not necessarily a whole line. Bytes that are no UTF-8 have
    /// become U+FFFD.
    pub text: String,
}

impl LogLine {
    #[cfg(any(feature = "v1", all(feature = "requester", feature = "logs")))]
    pub(crate) fn new(kind: i64, text: String) -> Self {
        let output = match kind {
            1 => LogOutput::Stdout,
            2 => LogOutput::Stderr,
            other => LogOutput::Other(other),
        };
        Self { output, text }
    }
}

/// A stream of a program's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogOutput {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A number that is not known here.
    Other(i64),
}

//! What can go wrong with a document, and what is lost on the way: [`Problem`] and [`Notes`].
use std::fmt;

/// What the functions of this crate return.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

/// Why nothing could be generated: where it is, what is wrong there, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file; filled in by whoever knows it.
    pub document: Option<String>,
    /// The operation, schema or other place in the document.
    pub place: String,
    /// What is wrong there and what to do.
    pub message: String,
}

impl Problem {
    /// A problem at a place of the document.
    pub fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { document: None, place: place.into(), message: message.into() }
    }
    /// The same problem, in this document.
    #[must_use]
    pub fn in_document(mut self, document: &str) -> Self {
        self.document.get_or_insert_with(|| document.to_owned());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(document) = &self.document {
            write!(f, "{document}: ")?;
        }
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// Every lossy rewrite, one line each, in the order in which they were made.
#[derive(Debug, Default)]
pub struct Notes(Vec<String>);

impl Notes {
    /// Notes what was lost, and where. The same line is kept once.
    pub fn add(&mut self, place: impl fmt::Display, lost: impl fmt::Display) {
        let line = format!("{place}: {lost}");
        if !self.0.contains(&line) {
            self.0.push(line);
        }
    }
    /// The lines.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
    /// The text of the notes file.
    pub fn text(&self) -> String {
        self.0.iter().map(|line| format!("{line}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_document_and_place_once() {
        let problem = Problem::new("schema \"A\"", "is wrong").in_document("a.json").in_document("b.json");
        assert_eq!(problem.to_string(), "a.json: schema \"A\": is wrong");
    }

    #[test]
    fn a_note_is_kept_once() {
        let mut notes = Notes::default();
        notes.add("a", "b");
        notes.add("a", "b");
        assert_eq!(notes.text(), "a: b\n");
    }
}

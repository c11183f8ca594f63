//! What is wrong with a request, found before sending: all of it at once.
use std::fmt;

use crate::Error;
use crate::failure::shorten;

/// One violated rule of a request, found before sending.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The member, as it is named on the wire: `params.width`.
    pub member: String,
    /// The refused value as text, shortened; empty if nothing was given.
    pub value: String,
    /// What is allowed: `64..=2048, a multiple of 8`.
    pub allowed: String,
}

/// All violated rules of a request, in the order of its members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// No violation yet.
    pub fn new() -> Self {
        Self::default()
    }
    /// Adds one. `value` is shortened to 80 characters.
    pub fn add(&mut self, member: impl Into<String>, value: impl fmt::Display, allowed: impl Into<String>) {
        let (text, shortened) = shorten(&value.to_string(), 80);
        let value = if shortened { format!("{text}…") } else { text };
        self.0.push(Violation { member: member.into(), value, allowed: allowed.into() });
    }
    /// Adds those of a part, with `prefix` (`params.`, `jobs[2].`) before each member.
    pub fn nest(&mut self, prefix: &str, part: Violations) {
        self.0.extend(part.0.into_iter().map(|v| Violation { member: format!("{prefix}{}", v.member), ..v }));
    }
    /// `Ok` if there is none.
    ///
    /// # Errors
    /// All of them, as one error of kind [`InvalidRequest`](crate::ErrorKind::InvalidRequest) that was not sent.
    pub fn into_result(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::invalid(self)) }
    }
    /// The violations.
    pub fn iter(&self) -> std::slice::Iter<'_, Violation> {
        self.0.iter()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, v) in self.0.iter().enumerate() {
            let gap = if n == 0 { "" } else { "; " };
            if v.value.is_empty() {
                write!(f, "{gap}{}: {}", v.member, v.allowed)?;
            } else {
                write!(f, "{gap}{} = {:?}: {}", v.member, v.value, v.allowed)?;
            }
        }
        Ok(())
    }
}

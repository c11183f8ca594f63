//! States of executions: numbers whose meaning changed in 1.6.
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ServerVersion;

/// The state of an execution as it stands on the wire. [`state`](Self::state) says what it means.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ExecutionStateNumber {
    /// A number, as all servers known here write it.
    Number(i64),
    /// A name.
    Name(String),
}

impl ExecutionStateNumber {
    /// What it means on a server with this numbering.
    pub fn state(&self, numbering: Numbering) -> ExecutionState {
        let number = match self {
            Self::Number(number) => *number,
            Self::Name(name) => {
                let known = ExecutionState::ALL.into_iter().find(|state| state.as_str().eq_ignore_ascii_case(name));
                return known.unwrap_or(ExecutionState::Unknown);
            }
        };
        let states = match numbering {
            Numbering::Since1_6 => &ExecutionState::ALL[..],
            Numbering::UpTo1_5 => &UP_TO_1_5[..],
        };
        let found = usize::try_from(number).ok().and_then(|number| states.get(number));
        found.copied().unwrap_or(ExecutionState::Unknown)
    }
}

impl From<i64> for ExecutionStateNumber {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// How a server numbers the states of executions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Numbering {
    /// Servers up to 1.5: 7 is `Completed`, 9 is `Cancelled`.
    UpTo1_5,
    /// Servers from 1.6 on: 7 is `Publishing`, 9 is `Completed`.
    Since1_6,
}

impl Numbering {
    /// The numbering of a server of this version. One that names no release is taken for a late one.
    pub fn of(version: Option<ServerVersion>) -> Self {
        match version {
            Some(version) if version < ServerVersion::new(1, 6, 0) => Self::UpTo1_5,
            _ => Self::Since1_6,
        }
    }
}

/// The state of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExecutionState {
    /// None.
    Undefined,
    /// Not yet asked.
    New,
    /// The node was asked.
    AskForBid,
    /// The node wants it.
    AskForBidAccepted,
    /// The node does not want it. Ends it.
    AskForBidRejected,
    /// The node was chosen; it runs, also where a server has a state for that.
    BidAccepted,
    /// It runs; from 1.6 on, and usually seen on the node only.
    Running,
    /// Its result is published; from 1.6 on, and usually seen on the node only.
    Publishing,
    /// The node is not needed. Ends it.
    BidRejected,
    /// Done. Ends it.
    Completed,
    /// Failed. Ends it.
    Failed,
    /// Cancelled. Ends it.
    Cancelled,
    /// A number or name that is not known here.
    Unknown,
}

use ExecutionState as State;
/// The meaning of the numbers up to 1.5.
const UP_TO_1_5: [State; 10] = [
    State::Undefined,
    State::New,
    State::AskForBid,
    State::AskForBidAccepted,
    State::AskForBidRejected,
    State::BidAccepted,
    State::BidRejected,
    State::Completed,
    State::Failed,
    State::Cancelled,
];

impl ExecutionState {
    /// The known states by their numbers from 1.6 on.
    const ALL: [Self; 12] = [
        Self::Undefined,
        Self::New,
        Self::AskForBid,
        Self::AskForBidAccepted,
        Self::AskForBidRejected,
        Self::BidAccepted,
        Self::Running,
        Self::Publishing,
        Self::BidRejected,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether an execution in this state has ended. What is not known has not.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::AskForBidRejected | Self::BidRejected | Self::Completed | Self::Failed | Self::Cancelled)
    }
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Undefined => "Undefined",
            Self::New => "New",
            Self::AskForBid => "AskForBid",
            Self::AskForBidAccepted => "AskForBidAccepted",
            Self::AskForBidRejected => "AskForBidRejected",
            Self::BidAccepted => "BidAccepted",
            Self::Running => "Running",
            Self::Publishing => "Publishing",
            Self::BidRejected => "BidRejected",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for ExecutionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meaning_of_a_number_depends_on_the_servers_version() {
        let cases = [
            (0, State::Undefined, State::Undefined),
            (5, State::BidAccepted, State::BidAccepted),
            (6, State::BidRejected, State::Running),
            (7, State::Completed, State::Publishing),
            (8, State::Failed, State::BidRejected),
            (9, State::Cancelled, State::Completed),
            (10, State::Unknown, State::Failed),
            (11, State::Unknown, State::Cancelled),
            (12, State::Unknown, State::Unknown),
            (-1, State::Unknown, State::Unknown),
            (i64::MAX, State::Unknown, State::Unknown),
        ];
        for (number, before, since) in cases {
            let number = ExecutionStateNumber::from(number);
            assert_eq!(number.state(Numbering::UpTo1_5), before, "{number:?}");
            assert_eq!(number.state(Numbering::Since1_6), since, "{number:?}");
        }
        let of = |text: &str| Numbering::of(ServerVersion::read(text));
        assert_eq!(of("v1.5.9"), Numbering::UpTo1_5);
        assert_eq!(of("v1.6.0"), Numbering::Since1_6);
        assert_eq!(of("v0.0.0-xxxxxxx"), Numbering::Since1_6);
    }

    #[test]
    fn a_name_is_read_too_and_each_is_written_as_it_came() {
        for (text, state) in [("9", State::Completed), ("\"completed\"", State::Completed), ("\"Odd\"", State::Unknown)]
        {
            let read: ExecutionStateNumber = serde_json::from_str(text).unwrap();
            assert_eq!(read.state(Numbering::Since1_6), state);
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
        assert!(serde_json::from_str::<ExecutionStateNumber>("{}").is_err());
        assert!(State::BidRejected.is_terminal() && !State::Unknown.is_terminal() && !State::BidAccepted.is_terminal());
    }
}

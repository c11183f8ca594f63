//! What is to happen, and when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Steps in the order of their time; those of one moment in the order in which they were planned.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    steps: BinaryHeap<Reverse<(Duration, u64, T)>>,
    planned: u64,
}

impl<T: Ord> Agenda<T> {
    pub(crate) fn new() -> Self {
        Self { steps: BinaryHeap::new(), planned: 0 }
    }

    pub(crate) fn plan(&mut self, at: Duration, step: T) {
        self.planned += 1;
        self.steps.push(Reverse((at, self.planned, step)));
    }

    /// Takes the next step if its time has come.
    pub(crate) fn due(&mut self, now: Duration) -> Option<(Duration, T)> {
        if self.next()? > now {
            return None;
        }
        self.steps.pop().map(|Reverse((at, _, step))| (at, step))
    }

    /// When the next step comes.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.steps.peek().map(|Reverse((at, ..))| *at)
    }
}

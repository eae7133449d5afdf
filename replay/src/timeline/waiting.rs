//! [`Waiting`]: the tasks that fit nowhere yet.

use std::collections::{BTreeSet, VecDeque};

/// The tasks that wait, of each kind in the order in which they came.
///
/// Where the first task of a kind does not fit, none of its kind does, so that only the first ones are
/// tried.
pub(crate) struct Waiting {
    /// By kind: its tasks.
    of_kind: Vec<VecDeque<usize>>,
    /// The first task of each kind of which any waits, and the kind.
    first: BTreeSet<(usize, usize)>,
    count: usize,
}

impl Waiting {
    /// Returns a room for so many kinds, where nobody waits.
    pub(crate) fn new(kinds: usize) -> Self {
        Self { of_kind: vec![VecDeque::new(); kinds], first: BTreeSet::new(), count: 0 }
    }

    /// Counts the tasks that wait.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Returns whether any task of this kind waits.
    pub(crate) fn has(&self, kind: usize) -> bool {
        !self.of_kind[kind].is_empty()
    }

    /// Lets a task wait that came after all that wait.
    pub(crate) fn push(&mut self, task: usize, kind: usize) {
        if !self.has(kind) {
            self.first.insert((task, kind));
        }
        self.of_kind[kind].push_back(task);
        self.count += 1;
    }

    /// Returns the first task of its kind from this one on, in the order in which they came, and its
    /// kind.
    pub(crate) fn first_from(&self, task: usize) -> Option<(usize, usize)> {
        self.first.range((task, 0)..).next().copied()
    }

    /// Removes the first task of a kind; the next one of the kind is first then.
    pub(crate) fn pop(&mut self, kind: usize) {
        let Some(task) = self.of_kind[kind].pop_front() else { return };
        self.first.remove(&(task, kind));
        self.first.extend(self.of_kind[kind].front().map(|&next| (next, kind)));
        self.count -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_kind_come_in_their_order() {
        let mut waiting = Waiting::new(3);
        for (task, kind) in [(0, 2), (1, 0), (4, 2), (6, 0), (7, 1)] {
            waiting.push(task, kind);
        }
        assert_eq!((waiting.count(), waiting.has(1)), (5, true));
        assert_eq!(waiting.first_from(0), Some((0, 2)));
        assert_eq!(waiting.first_from(1), Some((1, 0)));
        assert_eq!(waiting.first_from(2), Some((7, 1)), "the others are not first");
        waiting.pop(2);
        assert_eq!(waiting.first_from(2), Some((4, 2)));
        waiting.pop(1);
        assert_eq!((waiting.count(), waiting.has(1)), (3, false));
        assert_eq!(waiting.first_from(5), None);
    }
}

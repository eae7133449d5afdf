//! [`Column`]: how much of one class each tree has free.

use std::collections::BTreeMap;

use crate::search::bits::WORD;
use crate::search::form::Need;

/// Holds, for one class, how much is free in each tree: the greatest single amount, and the sum.
///
/// A class that few trees have takes memory by these trees. Any other one has an array over all
/// trees, and about the greatest amount in each run of 64 trees, so that runs without enough are
/// passed over at one look.
#[derive(Debug)]
pub(super) enum Column {
    Few(BTreeMap<u32, Free>),
    Many(Dense),
}

/// Holds what is free of a class in one tree.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Free {
    /// The greatest amount that one provider has free.
    pub(super) most: u64,
    /// What all providers together have free, at most `u64::MAX`.
    pub(super) sum: u64,
}

/// Holds what is free of a class in every tree.
#[derive(Default, Debug)]
pub(super) struct Dense {
    most: Vec<u64>,
    /// Empty while no tree has more in all than at one provider, as is so for a class of roots.
    sum: Vec<u64>,
    runs: Vec<Run>,
    /// Counts the trees whose sum is not known.
    unknown: usize,
}

/// Holds the greatest `most` in a run of 64 trees, or more: it is computed again only when a tree
/// that had it has come to have less for the [`PATIENCE`]th time.
#[derive(Clone, Copy, Default, Debug)]
struct Run {
    most: u64,
    losses: u8,
}

const PATIENCE: u8 = 8;

/// A class has an array over all trees once one tree in this many has it.
const SPARSE: usize = 16;

impl Default for Column {
    fn default() -> Self {
        Column::Few(BTreeMap::new())
    }
}

impl Column {
    /// Returns what is free in `tree`.
    #[inline]
    pub(super) fn get(&self, tree: usize) -> Free {
        match self {
            Column::Few(few) => few.get(&(tree as u32)).copied().unwrap_or_default(),
            Column::Many(dense) => dense.get(tree),
        }
    }

    /// Returns whether `tree` has as much free as is needed.
    #[inline]
    pub(super) fn has_enough(&self, tree: usize, need: &Need) -> bool {
        match self {
            Column::Few(few) => few
                .get(&(tree as u32))
                .is_some_and(|free| free.most >= need.most && free.sum >= need.sum),
            Column::Many(dense) => dense.has_enough(tree, need),
        }
    }

    /// Returns the greatest amount that one provider has free in any tree of the run of 64 trees
    /// with this number, or more.
    #[inline]
    pub(super) fn run(&self, run: usize) -> u64 {
        match self {
            Column::Few(_) => u64::MAX,
            Column::Many(dense) => dense.runs.get(run).map_or(0, |run| run.most),
        }
    }

    /// Returns what is free in each tree together, if the class has an array and all sums are known.
    pub(super) fn sums(&self) -> Option<&[u64]> {
        match self {
            Column::Many(dense) if dense.unknown == 0 => Some(dense.sums()),
            _ => None,
        }
    }

    /// Sets what is free in `tree`, of `trees` in all; `None` if the tree does not have the class.
    pub(super) fn set(&mut self, tree: usize, free: Option<Free>, trees: usize) {
        match (&mut *self, free) {
            (Column::Few(few), Some(free)) => {
                few.insert(tree as u32, free);
                if few.len() * SPARSE > trees.max(WORD * SPARSE) {
                    let few = std::mem::take(few);
                    let mut dense = Dense::default();
                    few.into_iter().for_each(|(tree, free)| dense.set(tree as usize, free));
                    *self = Column::Many(dense);
                }
            }
            (Column::Few(few), None) => drop(few.remove(&(tree as u32))),
            (Column::Many(dense), free) => dense.set(tree, free.unwrap_or_default()),
        }
    }

    /// Returns the bytes that the column takes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Column::Few(few) => few.len() * 2 * size_of::<(u32, Free)>(),
            Column::Many(dense) => {
                (dense.most.capacity() + dense.sum.capacity()) * size_of::<u64>()
                    + dense.runs.capacity() * size_of::<Run>()
            }
        }
    }
}

impl Dense {
    /// Returns what each tree has free in all.
    #[inline]
    fn sums(&self) -> &[u64] {
        if self.sum.is_empty() { &self.most } else { &self.sum }
    }

    #[inline]
    fn get(&self, tree: usize) -> Free {
        match (self.most.get(tree), self.sums().get(tree)) {
            (Some(&most), Some(&sum)) => Free { most, sum },
            _ => Free::default(),
        }
    }

    #[inline]
    fn has_enough(&self, tree: usize, need: &Need) -> bool {
        // What one provider has free, all have together: most requests need no look at the sum.
        self.most.get(tree).is_some_and(|most| *most >= need.most)
            && (need.sum <= need.most || self.sums()[tree] >= need.sum)
    }

    #[inline]
    fn set(&mut self, tree: usize, free: Free) {
        if tree >= self.most.len() {
            self.most.resize(tree + 1, 0);
            self.runs.resize(tree / WORD + 1, Run::default());
            if !self.sum.is_empty() {
                self.sum.resize(tree + 1, 0);
            }
        }
        if self.sum.is_empty() && free.sum != free.most {
            self.sum.clone_from(&self.most);
        }
        let before = std::mem::replace(&mut self.most[tree], free.most);
        let known = match self.sum.get_mut(tree) {
            Some(sum) => std::mem::replace(sum, free.sum),
            None => before,
        };
        self.unknown += usize::from(free.sum == u64::MAX);
        self.unknown -= usize::from(known == u64::MAX);
        let run = &mut self.runs[tree / WORD];
        if free.most >= run.most {
            run.most = free.most;
        } else if before == run.most {
            run.losses += 1;
            if run.losses == PATIENCE {
                let first = tree / WORD * WORD;
                let all = &self.most[first..self.most.len().min(first + WORD)];
                *run = Run { most: all.iter().copied().max().unwrap_or(0), losses: 0 };
            }
        }
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_column_answers_alike_whether_few_or_many_have_the_class() {
        let mut column = Column::default();
        let mut model = BTreeMap::new();
        let mut number = 7_usize;
        for step in 0..5_000 {
            number = number * 48_271 % 2_147_483_647;
            let tree = number % (100 + step);
            let most = number as u64 % 50;
            // At first one provider of each tree has the class.
            let others = if step < 2_500 { 0 } else { number as u64 % 500 };
            let free = Free { most, sum: most + others };
            let free = (step % 5 > 0).then_some(free);
            column.set(tree, free, 5_100);
            model.insert(tree, free.unwrap_or_default());
            let tree = number % 5_100;
            let free = model.get(&tree).copied().unwrap_or_default();
            assert_eq!(column.get(tree), free);
            let (most, more) = (1 + step as u64 % 50, [0, 200][step % 2]);
            let need = Need { class: 0, most, sum: most + more };
            let has_enough = free.most >= need.most && free.sum >= need.sum;
            assert_eq!(column.has_enough(tree, &need), has_enough);
        }
        let sums = column.sums().expect("all are known");
        for (tree, sum) in sums.iter().enumerate() {
            assert_eq!(*sum, model.get(&tree).map_or(0, |free| free.sum), "{tree}");
        }
        for run in 0..80 {
            let trees = || model.range(run * WORD..(run + 1) * WORD);
            let most = trees().map(|(_, free)| free.most).max().unwrap_or(0);
            assert!(column.run(run) >= most, "run {run}");
            let tree = run * WORD;
            let rest = trees().filter(|it| *it.0 != tree).map(|it| it.1.most).max().unwrap_or(0);
            // One tree loses what it had, as often as may be needed.
            let mut is_exact = (0..PATIENCE).map(|_| {
                column.set(tree, Some(Free { most: 1_000, sum: 1_000 }), 5_100);
                column.set(tree, Some(Free::default()), 5_100);
                column.run(run) == rest
            });
            assert!(is_exact.any(|is_exact| is_exact), "run {run}");
        }
    }
}

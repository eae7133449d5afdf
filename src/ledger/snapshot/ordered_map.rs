//! [`OrderedMap`]: a map whose copies share what they have in common.

use rpds::RedBlackTreeMapSync;
use smallvec::SmallVec;

/// Holds values by number. A reader goes on with its copy while a writer changes another one.
///
/// The latest values are in an array, and move into a tree several at a time. So adding a value
/// costs a copy of the array and, amortised, part of a path in the tree; a map with few values has
/// no tree. Copying the map costs the array. Everything else is O(log n).
#[derive(Clone)]
pub(crate) struct OrderedMap<V> {
    recent: SmallVec<[(u64, V); FEW]>,
    rest: RedBlackTreeMapSync<u64, V>,
    /// The highest number that was ever in the tree. A look-up of something recent most often needs
    /// no tree.
    highest: u64,
}

/// Bound the values in the array, and those of them that need no allocation.
const RECENT: usize = if cfg!(provider_tree_loom) { 2 } else { 8 };
const FEW: usize = 2;

impl<V: Clone> OrderedMap<V> {
    pub(crate) fn new() -> Self {
        OrderedMap { recent: SmallVec::new(), rest: RedBlackTreeMapSync::new_sync(), highest: 0 }
    }

    /// Returns the number of values.
    pub(crate) fn len(&self) -> usize {
        self.recent.len() + self.rest.size()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.rest.is_empty()
    }

    /// Returns the value with this number.
    pub(crate) fn get(&self, number: u64) -> Option<&V> {
        let recent = self.recent().find(|(known, _)| *known == number);
        recent.map(|(_, value)| value).or_else(|| self.older(number)?.get(&number))
    }

    /// Returns the first value whose number is at least `number`.
    pub(crate) fn first_from(&self, number: u64) -> Option<(u64, &V)> {
        let rest = self.older(number).and_then(|rest| rest.range(number..).next());
        let rest = rest.map(|(known, value)| (*known, value));
        let recent = self.recent().filter(|(known, _)| *known >= number);
        recent.chain(rest).min_by_key(|(known, _)| *known)
    }

    /// Returns the last value whose number is at most `number`.
    pub(crate) fn last_to(&self, number: u64) -> Option<(u64, &V)> {
        let recent = self.recent().filter(|(known, _)| *known <= number);
        let recent = recent.max_by_key(|(known, _)| *known);
        let rest = match recent {
            Some((known, _)) if known > self.highest => None,
            _ => self.rest.range(..=number).next_back(),
        };
        let rest = rest.map(|(known, value)| (*known, value));
        recent.into_iter().chain(rest).max_by_key(|(known, _)| *known)
    }

    /// Returns the tree, if it may hold this number or a higher one.
    fn older(&self, number: u64) -> Option<&RedBlackTreeMapSync<u64, V>> {
        (number <= self.highest).then_some(&self.rest)
    }

    /// Returns the lowest and the highest number.
    pub(crate) fn ends(&self) -> Option<(u64, u64)> {
        let numbers = || self.recent.iter().map(|(number, _)| *number);
        let first = numbers().chain(self.rest.first().map(|(number, _)| *number)).min()?;
        let last = numbers().chain(self.rest.last().map(|(number, _)| *number)).max()?;
        Some((first, last))
    }

    /// Returns all values, in no particular order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.recent().map(|(_, value)| value).chain(self.rest.values())
    }

    fn recent(&self) -> impl Iterator<Item = (u64, &V)> {
        self.recent.iter().map(|(number, value)| (*number, value))
    }

    /// Adds a value under a number that has none.
    pub(crate) fn insert(&mut self, number: u64, value: V) {
        if self.recent.len() == RECENT {
            for (number, value) in self.recent.drain(..) {
                self.highest = self.highest.max(number);
                self.rest.insert_mut(number, value);
            }
        }
        self.recent.push((number, value));
    }

    /// Removes the value with this number.
    pub(crate) fn remove(&mut self, number: u64) -> Option<V> {
        if let Some(at) = self.recent.iter().position(|(known, _)| *known == number) {
            return Some(self.recent.swap_remove(at).1);
        }
        let value = self.older(number)?.get(&number)?.clone();
        self.rest.remove_mut(&number);
        Some(value)
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn assert_same(ordered: &OrderedMap<u64>, expected: &BTreeMap<u64, u64>) {
        assert_eq!((ordered.len(), ordered.is_empty()), (expected.len(), expected.is_empty()));
        let ends = expected.first_key_value().zip(expected.last_key_value());
        let values: BTreeSet<_> = ordered.values().copied().collect();
        assert_eq!(values, expected.values().copied().collect());
        assert_eq!(ordered.ends(), ends.map(|((first, _), (last, _))| (*first, *last)));
        for number in 0..60 {
            assert_eq!(ordered.get(number), expected.get(&number));
            let from = expected.range(number..).next().map(|(number, value)| (*number, value));
            assert_eq!(ordered.first_from(number), from);
            let to = expected.range(..=number).next_back().map(|(number, value)| (*number, value));
            assert_eq!(ordered.last_to(number), to);
        }
    }

    #[test]
    fn it_is_a_map_and_its_copies_are_their_own() {
        let mut ordered = OrderedMap::new();
        let mut expected = BTreeMap::new();
        let mut copies = vec![(ordered.clone(), expected.clone())];
        // Every pair of a number and what is done with it comes, unordered.
        for step in 0..3_000_u64 {
            let number = step * 7_919 % 59;
            match expected.remove(&number) {
                Some(value) => assert_eq!(ordered.remove(number), Some(value)),
                None => {
                    assert_eq!(ordered.remove(number), None);
                    ordered.insert(number, step);
                    expected.insert(number, step);
                }
            }
            if step % 5 == 0 {
                assert_same(&ordered, &expected);
            }
            if step % 300 == 0 {
                copies.push((ordered.clone(), expected.clone()));
            }
        }
        copies.iter().for_each(|(ordered, expected)| assert_same(ordered, expected));
    }

    #[test]
    fn what_comes_in_order_and_goes_in_order_is_found_meanwhile() {
        let mut ordered = OrderedMap::new();
        for number in 0..1_000 {
            ordered.insert(number, number);
            if number >= 50 {
                assert_eq!(ordered.remove(number - 50), Some(number - 50));
                assert_eq!(ordered.ends(), Some((number - 49, number)));
                assert_eq!(ordered.last_to(number - 20), Some((number - 20, &(number - 20))));
            }
        }
    }
}

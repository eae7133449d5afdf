//! [`Order`]: numbers by keys.

use crate::search::bits::Bits;
use crate::search::recency::Recency;

/// Holds trees in buckets, by the leading bits of their keys: an update moves one bit, and the trees
/// with the least keys are found without a look at the others.
#[derive(Default, Debug)]
pub(super) struct Order {
    buckets: Vec<Bits>,
    /// The buckets that have trees.
    filled: Bits,
    /// The bucket of each tree; [`NOWHERE`] for one that has no key.
    bucket_of: Vec<u16>,
    /// The trees by when they have got another bucket.
    pub(super) moved: Recency,
}

/// Keys that agree in this many bits below the highest one are in one bucket.
const BITS: u32 = 5;

const NOWHERE: u16 = u16::MAX;

/// Returns the bucket of a key. A greater key is in the same bucket or in a later one.
fn bucket_of(key: u64) -> usize {
    if key >> BITS == 0 {
        return key as usize;
    }
    let shift = key.ilog2() - BITS;
    (((shift + 1) << BITS) as u64 + (key >> shift) - (1 << BITS)) as usize
}

impl Order {
    /// Returns an order without trees, in which everything has moved since `before`.
    pub(super) fn after(before: &Order) -> Self {
        Order { moved: Recency::after(&before.moved), ..Order::default() }
    }

    /// Puts a tree where it belongs by its key; nowhere if it has none.
    pub(super) fn place(&mut self, tree: u32, key: Option<u64>) {
        let bucket = key.map_or(NOWHERE, |key| bucket_of(key) as u16);
        let at = tree as usize;
        if at >= self.bucket_of.len() {
            self.bucket_of.resize(at + 1, NOWHERE);
        }
        let before = std::mem::replace(&mut self.bucket_of[at], bucket);
        if before == bucket {
            return;
        }
        self.moved.note(tree);
        if before != NOWHERE {
            let trees = &mut self.buckets[before as usize];
            trees.remove(at);
            if trees.is_empty() {
                self.filled.remove(before as usize);
            }
        }
        if bucket != NOWHERE {
            if bucket as usize >= self.buckets.len() {
                self.buckets.resize_with(bucket as usize + 1, Bits::default);
            }
            self.buckets[bucket as usize].insert(at);
            self.filled.insert(bucket as usize);
        }
    }

    /// Returns the bucket that a tree is in.
    #[inline]
    pub(super) fn bucket(&self, tree: u32) -> Option<usize> {
        let bucket = *self.bucket_of.get(tree as usize)?;
        (bucket != NOWHERE).then_some(bucket as usize)
    }

    /// Returns the set of all buckets.
    pub(super) fn all_buckets(&self) -> Bits {
        Bits::all_below(self.buckets.len())
    }

    /// Returns the place at which trees begin whose keys are at least `key`, but for some with keys
    /// that are less by a small part.
    pub(super) fn from(&self, key: u64) -> Spot {
        Spot { bucket: bucket_of(key), tree: 0 }
    }

    /// Returns the first tree from `spot` on that is a member of `open` and accepted, and its place.
    /// Takes those out of `open` that are not. Looks only at `buckets`, and takes those out that have
    /// no such tree.
    #[inline]
    pub(super) fn next(
        &self,
        mut spot: Spot,
        open: &mut Bits,
        buckets: &mut Bits,
        mut accept: impl FnMut(usize) -> bool,
    ) -> Option<(Spot, u32)> {
        loop {
            let bucket = self.filled.next_common(buckets, spot.bucket)?;
            if bucket != spot.bucket {
                spot = Spot { bucket, tree: 0 };
            }
            if let Some(tree) = self.buckets[bucket].next_accepted(open, spot.tree, &mut accept) {
                return Some((Spot { bucket, tree }, tree as u32));
            }
            if spot.tree == 0 {
                buckets.remove(bucket);
            }
            spot = Spot { bucket: bucket + 1, tree: 0 };
        }
    }

    /// Checks that exactly these trees are in the order, each where it belongs.
    #[cfg(all(test, not(provider_tree_loom)))]
    pub(super) fn check(&self, keys: impl ExactSizeIterator<Item = (u32, u64)>) {
        let counts = self.buckets.iter().map(|trees| trees.iter().count());
        assert_eq!(counts.sum::<usize>(), keys.len());
        for (tree, key) in keys {
            let bucket = bucket_of(key);
            assert!(self.buckets[bucket].has(tree as usize) && self.filled.has(bucket));
        }
        let filled = self.buckets.iter().filter(|trees| !trees.is_empty());
        assert_eq!(filled.count(), self.filled.iter().count());
    }

    /// Returns the bytes that the order takes.
    pub(super) fn bytes(&self) -> usize {
        self.buckets.iter().map(|trees| trees.bytes() + size_of::<Bits>()).sum::<usize>()
            + self.bucket_of.capacity() * size_of::<u16>()
            + self.moved.bytes()
    }
}

/// Names a place in an order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Spot {
    bucket: usize,
    tree: usize,
}

impl Spot {
    /// Returns the next place.
    pub(super) fn after(self) -> Self {
        Spot { tree: self.tree + 1, ..self }
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn buckets_rise_with_keys_and_are_narrow() {
        let mut keys: Vec<u64> = (0..3_000).collect();
        for shift in 11..64 {
            keys.extend((0..64).map(|step| (1 << shift) | (step << (shift - 6))));
        }
        keys.push(u64::MAX);
        keys.sort_unstable();
        for pair in keys.windows(2) {
            let (low, high) = (bucket_of(pair[0]), bucket_of(pair[1]));
            assert!(low <= high, "{pair:?}");
            if low == high {
                assert!(pair[1] - pair[0] <= pair[0] >> BITS, "{pair:?}");
            }
        }
        assert!(bucket_of(u64::MAX) < NOWHERE as usize);
    }
}

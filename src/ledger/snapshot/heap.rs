//! [`Heap`]: what is kept for one pinned epoch, ordered by when it ended.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::ledger::word::{Cell, Stamp};

/// Names something that is kept in a history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HistoryKey {
    /// The version of a cell with this stamp, in the cell's history.
    Version(Cell, Stamp),
    /// The value that the layer above keeps beside a cell under this number.
    Beside(Cell, u64),
}

/// Holds keys, the one whose value ended first on top: a pairing heap that shares its nodes with
/// its copies.
///
/// Adding a key and melding two heaps take a few steps. Taking the top takes O(log n), amortised
/// over the life of the heap. So when a snapshot ends, what no other snapshot needs comes off the
/// top, and the rest passes to the next snapshot as a whole.
///
/// Fredman, Sedgewick, Sleator, Tarjan: *The pairing heap: a new form of self-adjusting heap*,
/// 1986; Iacono: *Improved upper bounds for pairing heaps*, 2000.
#[derive(Clone, Default)]
pub(in crate::ledger) struct Heap {
    top: Option<Arc<Node>>,
    length: u64,
}

#[derive(Clone)]
struct Node {
    key: HistoryKey,
    /// The stamp at which the value ceased to be in force.
    until: Stamp,
    /// The first child. No child ended earlier than its parent.
    child: Option<Arc<Node>>,
    /// The next child of this node's parent.
    sibling: Option<Arc<Node>>,
}

impl Drop for Node {
    /// Drops node by node: recursion would overflow the stack on a long chain.
    fn drop(&mut self) {
        let mut rest: Vec<_> = self.child.take().into_iter().chain(self.sibling.take()).collect();
        while let Some(node) = rest.pop() {
            // Otherwise another heap has the node, with everything below and beside it.
            if let Some(mut node) = Arc::into_inner(node) {
                rest.extend(node.child.take());
                rest.extend(node.sibling.take());
            }
        }
    }
}

impl Heap {
    pub(in crate::ledger) fn of(key: HistoryKey, until: Stamp) -> Self {
        Heap { top: Some(Arc::new(Node { key, until, child: None, sibling: None })), length: 1 }
    }

    /// Returns the number of keys.
    pub(in crate::ledger) fn len(&self) -> u64 {
        self.length
    }

    pub(in crate::ledger) fn is_empty(&self) -> bool {
        self.top.is_none()
    }

    /// Adds all keys of `other`. O(1).
    pub(in crate::ledger) fn meld(&mut self, other: Heap) {
        self.length += other.length;
        self.top = match (self.top.take(), other.top) {
            (Some(one), Some(other)) => Some(meld(one, other)),
            (one, other) => one.or(other),
        };
    }

    /// Takes the top off, if its value ended no later than `by`. Amortised O(log n).
    pub(in crate::ledger) fn pop_ended(&mut self, by: Stamp) -> Option<HistoryKey> {
        let mut top = self.top.take_if(|top| top.until <= by)?;
        self.length -= 1;
        let key = top.key;
        // Melds pairs from the first child to the last, then all pairs from the last to the first.
        let mut rest = Arc::make_mut(&mut top).child.take();
        let mut pairs = Vec::new();
        while let Some(mut one) = rest {
            let mut sibling = Arc::make_mut(&mut one).sibling.take();
            rest = sibling.as_mut().and_then(|other| Arc::make_mut(other).sibling.take());
            pairs.push(match sibling {
                Some(other) => meld(one, other),
                None => one,
            });
        }
        self.top = pairs.into_iter().rev().reduce(meld);
        Some(key)
    }
}

/// Puts one node above the other. Neither has siblings.
fn meld(one: Arc<Node>, other: Arc<Node>) -> Arc<Node> {
    let (mut above, mut below) = match one.until.cmp(&other.until) {
        Ordering::Greater => (other, one),
        Ordering::Less | Ordering::Equal => (one, other),
    };
    let node = Arc::make_mut(&mut above);
    // The first child may be shared with a copy; `make_mut` then copies `below`, which is not.
    Arc::make_mut(&mut below).sibling = node.child.take();
    node.child = Some(below);
    above
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    fn key(number: u64) -> HistoryKey {
        HistoryKey::Beside(Cell::new(0), number)
    }

    fn drain(heap: &mut Heap, by: Stamp) -> Vec<HistoryKey> {
        std::iter::from_fn(|| heap.pop_ended(by)).collect()
    }

    #[test]
    fn things_come_off_as_they_ended_and_no_sooner() {
        let mut heap = Heap::default();
        // Every number below 1,009 once, unordered.
        for number in (0..1_009).map(|step| step * 422 % 1_009) {
            heap.meld(Heap::of(key(number), Stamp::from_bits(number)));
        }
        assert_eq!(heap.len(), 1_009);
        for by in [0, 1, 17, 500] {
            drain(&mut heap, Stamp::from_bits(by));
            assert_eq!(heap.len(), 1_009 - by - 1);
        }
        let rest: Vec<_> = (501..1_009).map(key).collect();
        assert_eq!(drain(&mut heap, Stamp::NEVER), rest);
        assert!(heap.is_empty());
        assert_eq!(heap.len(), 0);
    }

    #[test]
    fn a_copy_is_its_own() {
        let mut heap = Heap::default();
        for number in 0..100 {
            heap.meld(Heap::of(key(number), Stamp::from_bits(number % 10)));
        }
        let mut copy = heap.clone();
        copy.meld(Heap::of(key(100), Stamp::from_bits(0)));
        assert_eq!(drain(&mut copy, Stamp::from_bits(4)).len(), 51);
        let mut other = heap.clone();
        assert_eq!(drain(&mut other, Stamp::NEVER).len(), 100);
        assert_eq!(drain(&mut heap, Stamp::from_bits(8)).len(), 90);
        assert_eq!((heap.len(), copy.len(), other.len()), (10, 50, 0));
    }

    #[test]
    fn a_long_chain_is_dropped_without_recursion() {
        let mut heap = Heap::default();
        // Each goes above the one before: a chain of children.
        for number in (0..1_000_000).rev() {
            heap.meld(Heap::of(key(number), Stamp::from_bits(number)));
        }
        drop(heap.clone());
        assert_eq!(heap.pop_ended(Stamp::NEVER), Some(key(0)));
        drop(heap);
    }

    #[test]
    fn a_heap_that_is_shared_in_part_is_dropped_without_recursion() {
        const MANY: u64 = 400_000;
        let mut heap = Heap::of(key(0), Stamp::from_bits(0));
        // Each pair goes below the top, before the pair that ended earlier.
        for number in (1..=MANY).rev() {
            let mut pair = Heap::of(key(number), Stamp::from_bits(number));
            pair.meld(Heap::of(key(number), Stamp::from_bits(MANY + 1)));
            heap.meld(pair);
        }
        // Another thread, about to add a key, still looks at the heap.
        let shared = heap.clone();
        assert_eq!(heap.pop_ended(Stamp::NEVER), Some(key(0)));
        drop(heap);
        drop(shared);
    }
}

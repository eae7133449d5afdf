//! Floors: above which the generations of consumers begin.
//!
//! A consumer's cell serves others when it is free again, so what its lives have come to has to be
//! kept elsewhere: in a word that it shares with many. Each word is at least the greatest generation
//! of all lives that have ended and share it, and never falls; a life begins above it. So no
//! generation of a consumer comes twice, unless a [`Mirror`](Expect::Mirror) sets it.
//!
//! | who | does what | when |
//! |---|---|---|
//! | ends a life | raises the floor to its generation | in the transaction's body, before the commit |
//! | begins one | reads the floor | with the consumer's cell open, and its key interned |
//!
//! All accesses are relaxed: who begins a life has seen the end of all before it. Either the ended
//! life was in the same cell; then the gate that was loaded when the cell was opened came with
//! that commit, and so with the raise before it. Or it was in another; then its entry has been
//! taken out of the index since, by who had ended it or by who had seen that, and the entry of the
//! cell that is open came into the index after that, under the same shard's lock. And a life that
//! comes and goes after the floor was read changes the gate, so that the transaction which has read
//! it does not commit.
//!
//! A transaction that fails after it has raised a floor leaves that raised: to a generation that the
//! consumer has, or had. The next life of another consumer begins higher for it.

use uuid::Uuid;

use crate::sync::{AtomicU64, FLOORS, OnceBox, Ordering, zeroed_words};
use crate::tree::core::Core;
use crate::tree::generation::Expect;

/// The floors of a forest's consumers; no words until the first life ends.
pub(crate) struct Floors(OnceBox<[AtomicU64; FLOORS]>);

impl Floors {
    pub(crate) fn new() -> Self {
        Floors(OnceBox::new())
    }

    /// Where the next life of `consumer` begins above.
    #[inline]
    fn get(&self, consumer: Uuid) -> u64 {
        // Relaxed: see above.
        self.0.get().map_or(0, |words| words[place_of(consumer)].load(Ordering::Relaxed))
    }

    /// Makes the next life of `consumer` begin above `generation`.
    #[inline]
    pub(crate) fn raise(&self, consumer: Uuid, generation: u64) {
        let word = &self.words()[place_of(consumer)];
        // Relaxed, both: see above. Most often another life has come as far.
        if word.load(Ordering::Relaxed) < generation {
            word.fetch_max(generation, Ordering::Relaxed);
        }
    }

    #[inline]
    fn words(&self) -> &[AtomicU64; FLOORS] {
        match self.0.get() {
            Some(words) => words,
            None => self.make(),
        }
    }

    #[cold]
    fn make(&self) -> &[AtomicU64; FLOORS] {
        let words = zeroed_words(FLOORS).try_into();
        let Ok(words) = words else { unreachable!("as many as were asked for") };
        // Another thread may have been first.
        drop(self.0.set(words));
        self.0.get().expect("set above, by this thread or another")
    }
}

/// Which word is the consumer's. By fixed bits: what a forest does is the same each time. Where they
/// differ from one uuid to the next depends on the uuids: in the lowest bits of either half, or in
/// those of the first 32.
#[inline]
fn place_of(consumer: Uuid) -> usize {
    let (high, low) = consumer.as_u64_pair();
    (low ^ high ^ high >> 32) as usize % FLOORS
}

impl Core {
    /// The generation that a consumer comes to from the one before; without one a life begins. The
    /// consumer's cell has to be open, and its key interned.
    #[inline]
    pub(crate) fn next_generation(
        &self,
        consumer: Uuid,
        expect: Expect,
        before: Option<u64>,
    ) -> u64 {
        let before = match before {
            Some(before) => before,
            None => self.floors.get(consumer),
        };
        let next = expect.next(before);
        if next < before {
            // A mirror has set it back: what it was counts as well.
            self.floors.raise(consumer, before);
        }
        next
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_floor_never_falls() {
        let floors = Floors::new();
        let consumer = Uuid::from_u64_pair(7, 9);
        assert_eq!(floors.get(consumer), 0);
        for (raised, floor) in [(3, 3), (1, 3), (4, 4), (4, 4)] {
            floors.raise(consumer, raised);
            assert_eq!(floors.get(consumer), floor);
        }
        assert_eq!(floors.get(Uuid::from_u64_pair(7, 10)), 0);
        assert_eq!(floors.get(Uuid::from_u64_pair(7, 9 + FLOORS as u64)), 4);
    }

    #[test]
    fn uuids_of_every_kind_are_spread() {
        let random = |_| Uuid::new_v4();
        let counted = |number| Uuid::from_u64_pair(0, number);
        // The clock's fast part comes first, and one node's uuids end the same.
        let by_time =
            |number| Uuid::from_u64_pair((number << 32) | 0x1234_1eef_u64, 0x8000_0000_0000_0042);
        let by_ordered_time = |number| Uuid::from_u64_pair((0x1eef_6000 << 32) | number, 42);
        let kinds: [fn(u64) -> Uuid; 4] = [random, counted, by_time, by_ordered_time];
        for make in kinds {
            let mut places: Vec<_> = (0..4096).map(|number| place_of(make(number))).collect();
            places.sort_unstable();
            places.dedup();
            assert!(places.len() > 2000, "{} places", places.len());
        }
    }
}

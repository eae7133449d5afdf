//! Floors: the generations above which the lives of consumers begin.
//!
//! A consumer's cell serves other consumers when it is free again. So the generations that a
//! consumer's lives have come to are kept elsewhere: in a word, the *floor*, that the consumer
//! shares with many others. Each floor is at least the greatest generation of all ended lives that
//! share it, and never falls; a life begins above its floor. So no generation of a consumer comes
//! twice, unless a [`Mirror`](Expect::Mirror) sets it.
//!
//! | a thread that | does this | when |
//! |---|---|---|
//! | ends a life | raises the floor to the life's generation | before the commit |
//! | begins a life | reads the floor | with the consumer's cell open, and its key interned |
//!
//! A thread that begins a life reads relaxed, because it has seen the end of every life of the consumer
//! before it. If the ended life was in the same cell, the gate that was loaded when the cell was opened
//! came with the commit that ended the life, and so with the raise before that commit. If the ended life was in another cell, the entry of that cell has been taken out of the
//! index since, by the thread that had ended the life or by a thread that had seen the end. The
//! entry of the cell that is open came into the index after that, under the same shard's lock. A
//! life that comes and goes after the floor was read changes the gate, so the transaction that has
//! read the floor does not commit.
//!
//! A transaction that fails after it has raised a floor leaves the floor raised: to a generation
//! that the consumer has, or had. The next life of another consumer begins higher for that.
//!
//! A dump carries the floors, as those of its snapshot or higher ones. For that a raise is before the
//! reading of the floors in the one order of `SeqCst`, if the snapshot has what the raise was for: the
//! raise is before the commit, whose stamp was read from the clock before the snapshot advanced it. The
//! model is `a_snapshot_has_the_floor_of_a_life_that_has_ended`.

use uuid::Uuid;

use crate::forest::Expect;
use crate::sync::{AtomicU64, FLOORS, OnceBox, Ordering, zeroed_words};

/// Tells above which generation the next lives begin of the consumers that share a place; part of a
/// [`Dump`](crate::Dump).
///
/// The uuid of a consumer decides its place, in the same way in every forest, and so which other consumers
/// it shares the place with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Floor {
    /// The place, from 0 to 4,095.
    pub place: u16,
    /// The generation.
    pub generation: u64,
}

/// Holds the floors of a forest's consumers. There are no words until the first floor is raised.
pub(crate) struct Floors(OnceBox<[AtomicU64; FLOORS]>);

impl Floors {
    pub(crate) fn new() -> Self {
        Floors(OnceBox::new())
    }

    /// Returns the floor of `consumer`, above which its next life begins.
    #[inline]
    fn get(&self, consumer: Uuid) -> u64 {
        // Relaxed: see the text at the top of the file.
        self.0.get().map_or(0, |words| words[place_of(consumer)].load(Ordering::Relaxed))
    }

    /// Makes the next life of `consumer` begin above `generation`.
    #[inline]
    pub(crate) fn raise(&self, consumer: Uuid, generation: u64) {
        let word = &self.words()[place_of(consumer)];
        // SeqCst, both: pair with the loads in `all`. Most often another life has come as far.
        if word.load(Ordering::SeqCst) < generation {
            word.fetch_max(generation, Ordering::SeqCst);
        }
    }

    /// Returns the floors above 0, in the order of their places: none is below what it was when the
    /// latest snapshot that the calling thread knows of was taken.
    pub(crate) fn all(&self) -> Vec<Floor> {
        // Made if there are none, so that a thread which has made them before the snapshot was taken is
        // found to have.
        let words = self.words().iter().enumerate();
        // SeqCst: after the snapshot's advance of the clock, in the one order; pairs with `raise`.
        let floors = words.map(|(place, word)| (place, word.load(Ordering::SeqCst)));
        let floor = |(place, generation)| Floor { place: place as u16, generation };
        floors.filter(|(_, generation)| *generation > 0).map(floor).collect()
    }

    /// Brings floors of a dump to what they were. Their places have to exist.
    pub(crate) fn load(&mut self, floors: &[Floor]) {
        for floor in floors.iter().filter(|floor| floor.generation > 0) {
            // Relaxed: no other thread knows of the forest.
            self.words()[usize::from(floor.place)].store(floor.generation, Ordering::Relaxed);
        }
    }

    /// Returns the generation that a consumer comes to from the generation `before`; if `before` is
    /// `None`, a life begins. The consumer's cell has to be open, and its key interned.
    #[inline]
    pub(crate) fn next(&self, consumer: Uuid, expect: Expect, before: Option<u64>) -> u64 {
        let (before, next) = match before {
            Some(before) => (before, expect.next(before)),
            None => {
                let floor = self.get(consumer);
                (floor, expect.first(floor))
            }
        };
        if next < before {
            // A mirror has set the generation back: the floor has to cover the generation before,
            // too.
            self.raise(consumer, before);
        }
        next
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
        // If another thread was first, its words stay.
        drop(self.0.set(words));
        self.0.get().expect("set above, by this thread or another")
    }
}

/// Returns the position of the consumer's word. Uses fixed bits, so that a forest does the same
/// each time; floors in dumps rely on that. Uuids that follow each other differ in the lowest bits of
/// either half, or in the lowest of the first 32 bits, depending on how the uuids are made.
#[inline]
fn place_of(consumer: Uuid) -> usize {
    let (high, low) = consumer.as_u64_pair();
    (low ^ high ^ high >> 32) as usize % FLOORS
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
    fn floors_are_told_in_the_order_of_their_places_and_loaded() {
        let floors = Floors::new();
        assert_eq!(floors.all(), []);
        for (number, generation) in [(9, 3), (4095, 1), (0, 1 << 63)] {
            floors.raise(Uuid::from_u64_pair(0, number), generation);
        }
        let all = [(0, 1 << 63), (9, 3), (4095, 1)];
        let all = all.map(|(place, generation)| Floor { place, generation });
        assert_eq!(floors.all(), all);
        let mut loaded = Floors::new();
        loaded.load(&[all[2], all[0], all[1], Floor { place: 7, generation: 0 }]);
        assert_eq!(loaded.all(), all);
    }

    #[test]
    fn uuids_of_every_kind_are_spread() {
        let random = |_| Uuid::new_v4();
        let counted = |number| Uuid::from_u64_pair(0, number);
        // The part of the clock that changes fast comes first, and all uuids of one node end the
        // same.
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

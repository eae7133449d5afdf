//! The life of a cell: its first word, which every kind of cell has.
//!
//! ```text
//! incarnation 58 | kind 4 | state 2
//! ```

use crate::layout::words::Words;
use crate::ledger::Record;

/// Tells what a cell holds. Each kind has its layout in a file of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum CellKind {
    /// A provider's place in the forest; see [`Structure`](super::structure::Structure).
    Structure,
    /// What is used of a provider; see [`UsageWords`](super::usage::UsageWords).
    Usage,
    /// Which provider has a name; see [`NameOwner`](super::name::NameOwner).
    Name,
    /// What a consumer holds; see [`ConsumerWords`](super::consumer::ConsumerWords).
    Consumer,
    /// How many providers share each class; see [`sharing`](super::sharing).
    Sharing,
}

impl CellKind {
    /// Lists as many kinds as the bits of the kind can tell apart, so that every word is one of
    /// some kind. The words of a torn record may name a kind that does not exist.
    const ALL: [CellKind; 1 << KIND_BITS] = {
        use CellKind::*;
        let mut all = [Structure; 1 << KIND_BITS];
        let kinds = [Structure, Usage, Name, Consumer, Sharing];
        let mut number = 0;
        while number < kinds.len() {
            assert!(kinds[number] as usize == number, "kinds stand in the order of their numbers");
            all[number] = kinds[number];
            number += 1;
        }
        all
    };
}

const KIND_SHIFT: u32 = 2;
const KIND_BITS: u32 = 4;
const INCARNATION_SHIFT: u32 = KIND_SHIFT + KIND_BITS;

/// Tells whether a cell serves nothing, stands for an issued key that nothing has, or serves a thing
/// that exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// The cell serves nothing; its number may be waiting to be used again.
    Free,
    /// The cell stands for a key that the forest has issued and nothing has.
    Absent,
    /// The thing that the cell serves exists.
    Live,
}

/// Tells what a cell serves. A cell number is used again only with a higher incarnation, so a
/// handle of what the cell served before does not match the cell any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Life {
    pub(crate) state: State,
    kind: CellKind,
    pub(crate) incarnation: u64,
}

impl Life {
    /// Returns the life of a cell of `kind` that was never used.
    pub(crate) const fn first(kind: CellKind) -> Life {
        Life { state: State::Free, kind, incarnation: 1 }
    }

    /// Returns the life of a cell that serves a consumer of this incarnation.
    pub(crate) fn of_consumer(incarnation: u64) -> Life {
        Life { state: State::Live, kind: CellKind::Consumer, incarnation }
    }

    #[inline]
    pub(crate) fn is(self, state: State, incarnation: u64) -> bool {
        self.state == state && self.incarnation == incarnation
    }

    pub(crate) fn with(self, state: State) -> Life {
        Life { state, ..self }
    }

    /// Returns the life of the cell once the cell is free again. From then on, no handle of what
    /// the cell served is good.
    pub(crate) fn ended(self) -> Life {
        Life { state: State::Free, incarnation: self.incarnation + 1, ..self }
    }

    /// Returns the life of a cell of another kind beside this one.
    pub(crate) fn of_kind(self, kind: CellKind) -> Life {
        Life { kind, ..self }
    }

    /// Returns the kind of the cell, which the cell keeps for good.
    pub(crate) fn kind(self) -> CellKind {
        self.kind
    }

    pub(crate) const fn word(self) -> u64 {
        self.incarnation << INCARNATION_SHIFT | (self.kind as u64) << KIND_SHIFT | self.state as u64
    }

    #[inline]
    pub(crate) fn from_word(word: u64) -> Life {
        let state = match word & 3 {
            0 => State::Free,
            1 => State::Absent,
            _ => State::Live,
        };
        let kind = CellKind::ALL[(word >> KIND_SHIFT) as usize % CellKind::ALL.len()];
        Life { state, kind, incarnation: word >> INCARNATION_SHIFT }
    }

    /// Reads the life of the cell that holds this record.
    pub(crate) fn of(record: Record<'_>) -> Life {
        Life::from_word(record.word(0))
    }

    /// Reads the life of the cell that holds these words.
    #[inline]
    pub(crate) fn of_words(words: impl Words) -> Life {
        Life::from_word(words.word(0))
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn life_goes_through_its_word() {
        for kind in CellKind::ALL {
            for state in [State::Free, State::Absent, State::Live] {
                let life = Life { incarnation: 77, ..Life::first(kind) }.with(state);
                assert_eq!(Life::from_word(life.word()), life);
                assert!(life.kind() == kind && life.is(state, 77));
            }
        }
        let ended = Life::first(CellKind::Name).with(State::Live).ended();
        assert!(ended.is(State::Free, 2) && ended.kind() == CellKind::Name);
    }
}

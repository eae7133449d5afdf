//! The structure cell: a provider's place in the forest.
//!
//! ```text
//! life | uuid 2 | cordon 2, parent, name cell | last, first child | next, previous sibling
//! ```

use uuid::Uuid;

use crate::layout::life::{Life, State};
use crate::layout::words::Words;
use crate::ledger::{Cell, Record};

/// Holds a provider's place in the forest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Structure {
    pub(crate) life: Life,
    pub(crate) uuid: Uuid,
    pub(crate) name: Option<Cell>,
    /// `None` only for the super-root, which is the parent of all roots.
    pub(crate) parent: Option<Cell>,
    pub(crate) first_child: Option<Cell>,
    pub(crate) last_child: Option<Cell>,
    pub(crate) previous: Option<Cell>,
    pub(crate) next: Option<Cell>,
    pub(crate) cordon: Cordon,
}

/// Tells why nothing new may be taken from a provider, if anything forbids it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Cordon {
    /// The provider itself is cordoned.
    pub(crate) own: bool,
    /// An ancestor is cordoned.
    pub(crate) inherited: bool,
}

impl Cordon {
    /// Returns whether nothing new may be taken from the provider and its descendants.
    pub(crate) fn holds(self) -> bool {
        self.own || self.inherited
    }

    fn bits(self) -> u64 {
        u64::from(self.own) << 63 | u64::from(self.inherited) << 62
    }

    fn of_bits(word: u64) -> Self {
        Cordon { own: word >> 63 == 1, inherited: word >> 62 & 1 == 1 }
    }
}

impl Structure {
    pub(crate) fn words(&self) -> [u64; STRUCTURE_WORDS] {
        let (high, low) = self.uuid.as_u64_pair();
        [
            self.life.word(),
            high,
            low,
            pack(self.name, self.parent) | self.cordon.bits(),
            pack(self.first_child, self.last_child),
            pack(self.previous, self.next),
        ]
    }

    pub(crate) fn from_words(word: impl Fn(usize) -> u64) -> Structure {
        let (name, parent) = unpack(word(3));
        let (first_child, last_child) = unpack(word(4));
        let (previous, next) = unpack(word(5));
        Structure {
            life: Life::from_word(word(0)),
            uuid: Uuid::from_u64_pair(word(1), word(2)),
            name,
            parent,
            first_child,
            last_child,
            previous,
            next,
            cordon: Cordon::of_bits(word(3)),
        }
    }

    pub(crate) fn of(record: Record<'_>) -> Structure {
        Structure::from_words(|index| record.word(index))
    }

    pub(crate) fn of_words(words: &[u64]) -> Structure {
        Structure::from_words(|index| words.word(index))
    }

    pub(crate) fn is_live(&self) -> bool {
        self.life.state == State::Live
    }
}

/// Counts the words of a structure cell.
pub(crate) const STRUCTURE_WORDS: usize = 6;

/// Names the word of a structure cell that holds the first and the last child.
pub(crate) const CHILDREN: usize = 4;

/// Names the word of a structure cell that holds the siblings before and behind the provider.
pub(crate) const SIBLINGS: usize = 5;

/// Puts `cell` behind the last child in a word of children; returns the word, and the sibling before.
#[inline]
pub(crate) fn with_child(children: u64, cell: Cell) -> (u64, Option<Cell>) {
    let (first, last) = unpack(children);
    (pack(first.or(Some(cell)), Some(cell)), last)
}

/// Takes `cell`, which stands between these siblings, out of a word of children.
#[inline]
pub(crate) fn without_child(children: u64, cell: Cell, [previous, next]: [Option<Cell>; 2]) -> u64 {
    let (first, last) = unpack(children);
    let first = if first == Some(cell) { next } else { first };
    let last = if last == Some(cell) { previous } else { last };
    pack(first, last)
}

/// Puts another sibling before the provider in a word of siblings.
#[inline]
pub(crate) fn with_previous(siblings: u64, previous: Option<Cell>) -> u64 {
    pack(previous, unpack(siblings).1)
}

/// Puts another sibling behind the provider in a word of siblings.
#[inline]
pub(crate) fn with_next(siblings: u64, next: Option<Cell>) -> u64 {
    pack(unpack(siblings).0, next)
}

/// Reads what cordons the provider, in the words of its structure cell.
#[inline]
pub(crate) fn cordon_in(words: impl Words) -> Cordon {
    Cordon::of_bits(words.word(3))
}

fn pack(low: Option<Cell>, high: Option<Cell>) -> u64 {
    let half = |cell: Option<Cell>| cell.map_or(0, |cell| u64::from(cell.number()) + 1);
    half(high) << 32 | half(low)
}

fn unpack(word: u64) -> (Option<Cell>, Option<Cell>) {
    // Cell numbers have 28 bits; the highest bits of the parent's half hold the cordon.
    let cell = |half: u32| (half & HALF).checked_sub(1).map(Cell::new);
    (cell(word as u32), cell((word >> 32) as u32))
}

const HALF: u32 = (1 << 30) - 1;

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;
    use crate::layout::life::CellKind;

    #[test]
    fn structure_goes_through_its_words() {
        let structure = Structure {
            life: Life::first(CellKind::Structure).with(State::Live),
            uuid: Uuid::from_u128(1 << 100 | 7),
            name: Some(Cell::new(3)),
            parent: Some(Cell::new(0)),
            first_child: None,
            last_child: Some(Cell::new(Cell::LIMIT - 1)),
            previous: None,
            next: Some(Cell::new(9)),
            cordon: Cordon { own: true, inherited: false },
        };
        let words = structure.words();
        assert_eq!(Structure::from_words(|index| words[index]), structure);
    }
}

//! The usage cell: what is used of a provider, and which configuration is in force. The cell stands
//! next to the provider's structure cell.
//!
//! ```text
//! life | generation | configuration 48, has units 1, cordoned 1, classes 14
//!      | class numbers, four a word
//!      | (capacity, used, taken without a consumer) per class
//! ```

use crate::layout::life::{CellKind, Life};
use crate::layout::words::Words;
#[cfg(not(provider_tree_loom))]
use crate::ledger::MOST_WORDS;
use crate::ledger::{NextPayload, Record};
use crate::values::Usage;
#[cfg(not(provider_tree_loom))]
use crate::values::inventory::MOST_CLASSES;

/// Represents the words of a usage cell, for reading.
#[derive(Clone, Copy)]
pub(crate) struct UsageWords<W>(pub(crate) W);

const FIRST_CLASS: usize = 3;
const CLASSES_PER_WORD: usize = 4;

/// Returns the index of the word at which the amounts begin, in a cell with this number of classes.
const fn first_amount(classes: usize) -> usize {
    FIRST_CLASS + classes.div_ceil(CLASSES_PER_WORD)
}

// With one class more, the words fit no cell. Left out of the models, whose cells are narrower.
#[cfg(not(provider_tree_loom))]
const _: () = assert!(
    words_of(MOST_CLASSES) <= MOST_WORDS && words_of(MOST_CLASSES + 1) > MOST_WORDS,
    "as many classes as fit one cell"
);

/// Returns how many words a provider with this number of classes takes.
#[cfg(not(provider_tree_loom))]
const fn words_of(classes: usize) -> usize {
    first_amount(classes) + 3 * classes
}

/// Marks a cell of which some amounts within the capacity may be refused, so that the configuration
/// has to be asked.
const HAS_UNITS: u64 = 1 << 15;

/// Marks a cell from which nothing new may be taken.
const CORDONED: u64 = 1 << 14;

/// Counts the bits of a configuration's version. The versions of a forest wrap after 2^48.
pub(crate) const CONFIGURATION_BITS: u32 = 48;
const CONFIGURATION_SHIFT: u32 = u64::BITS - CONFIGURATION_BITS;

/// Holds what a usage cell says before the amounts: which configuration is in force, how many
/// classes there are, and what a claim has to look at before it takes something.
#[derive(Clone, Copy)]
pub(crate) struct UsageHead(u64);

impl UsageHead {
    /// Returns the version of the configuration in force.
    pub(crate) fn configuration(self) -> u64 {
        self.0 >> CONFIGURATION_SHIFT
    }

    #[inline]
    pub(crate) fn has_units(self) -> bool {
        self.0 & HAS_UNITS != 0
    }

    #[inline]
    pub(crate) fn is_cordoned(self) -> bool {
        self.0 & CORDONED != 0
    }

    #[inline]
    pub(crate) fn classes(self) -> usize {
        (self.0 & (CORDONED - 1)) as usize
    }

    /// Returns the amounts of `class`, if the provider has an inventory of it. `words` are those of
    /// the cell that this head was read from.
    #[inline]
    pub(crate) fn find(self, words: impl Words, class: u16) -> Option<Amounts> {
        let at = place_of(class, self.classes(), |index| words.word(index))?;
        Amounts::at(words, at)
    }
}

impl<W: Words> UsageWords<W> {
    #[inline]
    fn word(self, index: usize) -> u64 {
        self.0.word(index)
    }

    #[inline]
    pub(crate) fn head(self) -> UsageHead {
        UsageHead(self.word(2))
    }

    pub(crate) fn life(self) -> Life {
        Life::from_word(self.word(0))
    }

    pub(crate) fn generation(self) -> u64 {
        self.word(1)
    }

    /// Returns the version of the configuration in force.
    pub(crate) fn configuration(self) -> u64 {
        self.head().configuration()
    }

    pub(crate) fn classes(self) -> usize {
        self.head().classes()
    }

    pub(crate) fn is_cordoned(self) -> bool {
        self.head().is_cordoned()
    }

    pub(crate) fn class(self, index: usize) -> u16 {
        let word = self.word(FIRST_CLASS + index / CLASSES_PER_WORD);
        (word >> (index % CLASSES_PER_WORD * 16)) as u16
    }

    /// Returns the amounts of `class`, if the provider has an inventory of it.
    #[inline]
    pub(crate) fn find(self, class: u16) -> Option<Amounts> {
        self.head().find(self.0, class)
    }

    /// Returns the number and the amounts of each class.
    pub(crate) fn all(self) -> impl Iterator<Item = (u16, Amounts)> {
        let classes = self.classes();
        let first = first_amount(classes);
        (0..classes).filter_map(move |index| {
            Some((self.class(index), Amounts::at(self.0, first + 3 * index)?))
        })
    }
}

/// Returns the index at which the amounts of `class` begin, in the words of a usage cell with this
/// number of classes.
#[inline]
fn place_of(class: u16, classes: usize, word: impl Fn(usize) -> u64) -> Option<usize> {
    let mut first = 0;
    while first < classes {
        let numbers = word(FIRST_CLASS + first / CLASSES_PER_WORD);
        // Compares all four lanes at once: the lowest bit set in `equal` is the highest bit of the
        // first lane of `differing` that is zero.
        let differing = numbers ^ (u64::from(class) * LANES);
        let equal = differing.wrapping_sub(LANES) & !differing & (LANES << 15);
        if equal != 0 {
            let index = first + equal.trailing_zeros() as usize / 16;
            // The lanes behind the last class are zero, and equal to class 0.
            return (index < classes).then(|| first_amount(classes) + 3 * index);
        }
        first += CLASSES_PER_WORD;
    }
    None
}

/// Has a one in each lane of a word of class numbers.
const LANES: u64 = 0x0001_0001_0001_0001;

/// Reads the life of the usage cell that holds this record, and what the cell says of `class`.
#[inline]
pub(crate) fn usage_in(record: Record<'_>, class: u16) -> (Life, Option<Usage>) {
    // A torn record may say that there are more classes than it has words for.
    let classes = ((record.word(2) & (CORDONED - 1)) as usize).min(record.len());
    let at = place_of(class, classes, |index| record.word(index));
    let usage = |at| Usage { capacity: record.word(at), used: record.word(at + 1) };
    (Life::of(record), at.map(usage))
}

/// Holds what a usage cell says of one class.
#[derive(Clone, Copy)]
pub(crate) struct Amounts {
    at: usize,
    pub(crate) capacity: u64,
    pub(crate) used: u64,
    /// The part of what is used that no consumer holds.
    pub(crate) taken: u64,
}

impl Amounts {
    #[inline]
    fn at(words: impl Words, at: usize) -> Option<Self> {
        let [capacity, used, taken] = words.words(at)?;
        Some(Amounts { at, capacity, used, taken })
    }

    /// Returns what a reader is to know of the amounts.
    pub(crate) fn usage(self) -> Usage {
        Usage { capacity: self.capacity, used: self.used }
    }

    /// Sets what is used, in the words that these amounts were found in.
    #[inline]
    pub(crate) fn set_used(self, words: &mut [u64], used: u64) {
        words[self.at + 1] = used;
    }

    /// Sets what is used, in the version that these amounts were found in.
    #[inline]
    pub(crate) fn set_used_in(self, words: NextPayload<'_>, used: u64) {
        words.set(self.at + 1, [used]);
    }

    /// Sets what is used, and which part of it no consumer holds, in the version that these amounts
    /// were found in.
    #[inline]
    pub(crate) fn set(self, words: NextPayload<'_>, used: u64, taken: u64) {
        words.set(self.at + 1, [used, taken]);
    }
}

/// Holds what a usage cell is to hold of one class.
pub(crate) struct ClassWords {
    pub(crate) class: u16,
    pub(crate) capacity: u64,
    pub(crate) used: u64,
    pub(crate) taken: u64,
    pub(crate) has_units: bool,
}

/// Writes all words of a usage cell. The incarnation and the state of the cell are those of `life`.
pub(crate) fn write_usage(
    words: &mut Vec<u64>,
    life: Life,
    generation: u64,
    configuration: u64,
    cordoned: bool,
    classes: &[ClassWords],
) {
    let has_units = classes.iter().any(|class| class.has_units);
    let flag = |is_set: bool, flag: u64| if is_set { flag } else { 0 };
    let flags = flag(has_units, HAS_UNITS) | flag(cordoned, CORDONED);
    words.clear();
    words.push(life.of_kind(CellKind::Usage).word());
    words.push(generation);
    words.push(configuration << CONFIGURATION_SHIFT | flags | classes.len() as u64);
    for few in classes.chunks(CLASSES_PER_WORD) {
        let number = |word, class: &ClassWords| word << 16 | u64::from(class.class);
        words.push(few.iter().rev().fold(0, number));
    }
    words.extend(classes.iter().flat_map(|class| [class.capacity, class.used, class.taken]));
}

/// Replaces the generation and the version of the configuration, and keeps the rest.
pub(crate) fn set_configuration(words: &mut [u64], generation: u64, configuration: u64) {
    words[1] = generation;
    words[2] = configuration << CONFIGURATION_SHIFT | words[2] & ((1 << CONFIGURATION_SHIFT) - 1);
}

/// Notes whether the provider is cordoned, and keeps the rest.
pub(crate) fn set_cordoned(words: &mut [u64], cordoned: bool) {
    words[2] = words[2] & !CORDONED | if cordoned { CORDONED } else { 0 };
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;
    use crate::layout::life::State;

    #[test]
    fn usage_words_find_every_class() {
        for classes in 0..12_u16 {
            let classes: Vec<_> = (0..classes)
                .map(|number| ClassWords {
                    class: number * 5_000,
                    capacity: 100 + u64::from(number),
                    used: 50 + u64::from(number),
                    taken: u64::from(number),
                    has_units: number == 2,
                })
                .collect();
            let mut words = Vec::new();
            let life = Life::first(CellKind::Usage).with(State::Live);
            let cordoned = classes.len() % 2 == 0;
            write_usage(&mut words, life, 9, 1 << 47, cordoned, &classes);
            let usage = UsageWords(&words[..]);
            assert_eq!((usage.life().with(State::Live), usage.generation()), (usage.life(), 9));
            assert!(
                usage.life().kind() == CellKind::Usage
                    && usage.life().is(State::Live, life.incarnation)
            );
            assert_eq!(usage.configuration(), 1 << 47);
            assert_eq!(usage.head().has_units(), classes.len() > 2);
            assert_eq!(usage.is_cordoned(), cordoned);
            assert_eq!(usage.all().count(), classes.len());
            for class in &classes {
                let amounts = usage.find(class.class).unwrap();
                assert_eq!(amounts.capacity, class.capacity);
                assert_eq!(amounts.used, class.used);
                assert_eq!(amounts.taken, class.taken);
            }
            assert!(usage.find(1).is_none());
            set_configuration(&mut words, 10, 3);
            let usage = UsageWords(&words[..]);
            assert_eq!((usage.generation(), usage.configuration()), (10, 3));
            assert_eq!((usage.classes(), usage.is_cordoned()), (classes.len(), cordoned));
            set_cordoned(&mut words, !cordoned);
            let usage = UsageWords(&words[..]);
            assert_eq!((usage.classes(), usage.is_cordoned()), (classes.len(), !cordoned));
        }
    }
}

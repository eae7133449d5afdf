//! What the words of each kind of cell mean.
//!
//! ```text
//! structure   life | uuid 2 | cordon 2, parent, name cell | last, first child
//!             | next, previous sibling
//! usage       life | generation | configuration 48, has units 1, cordoned 1, classes 14
//!             | class numbers, four a word
//!             | (capacity, used, taken without a consumer) per class
//! name        life | owner
//! consumer    life | uuid 2 | generation | deadline | (provider 32 class 16, amount) each
//!             | ticket, if there is a deadline
//! ```

use uuid::Uuid;

#[cfg(not(provider_tree_loom))]
use crate::inventory::MOST_CLASSES;
use crate::inventory::Usage;
#[cfg(not(provider_tree_loom))]
use crate::ledger::MOST_WORDS;
use crate::ledger::{Cell, Kind, NextPayload, Record};

/// A structure cell and, next to it, its usage cell.
pub(crate) const PROVIDER: Kind = Kind(0);
pub(crate) const NAME: Kind = Kind(1);
pub(crate) const CONSUMER: Kind = Kind(2);

/// Marks what a usage cell serves as such; it is handed out beside a structure cell.
const USAGE: u64 = 3;

/// How many cells of each kind belong together.
pub(crate) const RUNS: [u32; 3] = [2, 1, 1];

/// The usage cell of the provider with this structure cell.
pub(crate) fn usage_of(structure: Cell) -> Cell {
    structure.sibling(1)
}

/// The structure cell of the provider with this usage cell.
pub(crate) fn structure_of(usage: Cell) -> Cell {
    Cell::new(usage.number().wrapping_sub(1))
}

/// Whether something has a place here, is about to exist, or exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// The cell serves nothing; its number may be waiting to be used again.
    Free,
    /// The cell stands for a key that nothing has.
    Absent,
    /// The thing exists.
    Live,
}

/// What a cell serves. A cell number is used again only with a higher incarnation, so that a
/// handle of what it served before is known for what it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Life {
    pub(crate) state: State,
    kind: u64,
    pub(crate) incarnation: u64,
}

impl Life {
    /// The life of a cell of `kind` that was never used.
    pub(crate) fn first(kind: Kind) -> Life {
        Life { state: State::Free, kind: kind.0 as u64, incarnation: 1 }
    }

    pub(crate) fn is(self, state: State, incarnation: u64) -> bool {
        self.state == state && self.incarnation == incarnation
    }

    pub(crate) fn with(self, state: State) -> Life {
        Life { state, ..self }
    }

    /// Free again: no handle of what the cell served is good any more.
    pub(crate) fn ended(self) -> Life {
        Life { state: State::Free, incarnation: self.incarnation + 1, ..self }
    }

    pub(crate) fn is_kind(self, kind: Kind) -> bool {
        self.kind == kind.0 as u64
    }

    /// Whether it is that of a usage cell which was in use once.
    pub(crate) fn is_usage(self) -> bool {
        self.kind == USAGE
    }

    pub(crate) fn word(self) -> u64 {
        self.incarnation << 4 | self.kind << 2 | self.state as u64
    }

    pub(crate) fn from_word(word: u64) -> Life {
        let state = match word & 3 {
            0 => State::Free,
            1 => State::Absent,
            _ => State::Live,
        };
        Life { state, kind: word >> 2 & 3, incarnation: word >> 4 }
    }

    /// The life of the cell that holds this record.
    pub(crate) fn of(record: Record<'_>) -> Life {
        Life::from_word(record.word(0))
    }

    /// The life of the cell that holds these words.
    pub(crate) fn of_words(words: &[u64]) -> Life {
        Life::from_word(words.word(0))
    }
}

/// A provider's place in the forest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Structure {
    pub(crate) life: Life,
    pub(crate) uuid: Uuid,
    pub(crate) name: Option<Cell>,
    /// None only for the super-root, which is the parent of all roots.
    pub(crate) parent: Option<Cell>,
    pub(crate) first_child: Option<Cell>,
    pub(crate) last_child: Option<Cell>,
    pub(crate) previous: Option<Cell>,
    pub(crate) next: Option<Cell>,
    pub(crate) cordon: Cordon,
}

/// Why nothing new may be taken from a provider, if anything.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Cordon {
    /// The provider itself is cordoned.
    pub(crate) own: bool,
    /// An ancestor is.
    pub(crate) inherited: bool,
}

impl Cordon {
    /// Whether nothing new may be taken from the provider and what is below it.
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
    /// The words of a key that no provider has.
    pub(crate) fn absent(life: Life, uuid: Uuid) -> [u64; 3] {
        let (high, low) = uuid.as_u64_pair();
        [life.word(), high, low]
    }

    pub(crate) fn words(&self) -> [u64; 6] {
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

fn pack(low: Option<Cell>, high: Option<Cell>) -> u64 {
    let half = |cell: Option<Cell>| cell.map_or(0, |cell| u64::from(cell.number()) + 1);
    half(high) << 32 | half(low)
}

fn unpack(word: u64) -> (Option<Cell>, Option<Cell>) {
    // Numbers of cells have 28 bits: what is above may mean something else.
    let cell = |half: u32| (half & HALF).checked_sub(1).map(Cell::new);
    (cell(word as u32), cell((word >> 32) as u32))
}

const HALF: u32 = (1 << 30) - 1;

/// Words of a cell, to look at.
pub(crate) trait Words: Copy {
    /// The `index`th; 0 beyond their end.
    fn word(self, index: usize) -> u64;

    /// So many from the `first`, if there are.
    fn words<const N: usize>(self, first: usize) -> Option<[u64; N]>;
}

impl Words for &[u64] {
    #[inline]
    fn word(self, index: usize) -> u64 {
        self.get(index).copied().unwrap_or(0)
    }

    #[inline]
    fn words<const N: usize>(self, first: usize) -> Option<[u64; N]> {
        self.get(first..first + N)?.first_chunk().copied()
    }
}

impl Words for NextPayload<'_> {
    #[inline]
    fn word(self, index: usize) -> u64 {
        NextPayload::word(self, index)
    }

    #[inline]
    fn words<const N: usize>(self, first: usize) -> Option<[u64; N]> {
        NextPayload::words(self, first)
    }
}

/// The words of a usage cell, to look at.
#[derive(Clone, Copy)]
pub(crate) struct UsageWords<W>(pub(crate) W);

const FIRST_CLASS: usize = 3;
const CLASSES_PER_WORD: usize = 4;

/// Where the amounts of the classes begin.
const fn first_amount(classes: usize) -> usize {
    FIRST_CLASS + classes.div_ceil(CLASSES_PER_WORD)
}

// One class more, and they fit no cell. The models' cells are narrower.
#[cfg(not(provider_tree_loom))]
const _: () = assert!(
    words_of(MOST_CLASSES) <= MOST_WORDS && words_of(MOST_CLASSES + 1) > MOST_WORDS,
    "as many classes as fit one cell"
);

/// How many words a provider with so many classes takes.
#[cfg(not(provider_tree_loom))]
const fn words_of(classes: usize) -> usize {
    first_amount(classes) + 3 * classes
}

/// Some amounts within the capacity may be refused: the configuration has to be asked.
const HAS_UNITS: u64 = 1 << 15;

/// Nothing new may be taken.
const CORDONED: u64 = 1 << 14;

/// Versions of configurations have 48 bits: the count of a forest's changes wraps after 2^48.
pub(crate) const CONFIGURATION_BITS: u32 = 48;
const CONFIGURATION_SHIFT: u32 = u64::BITS - CONFIGURATION_BITS;

/// What a usage cell says before the amounts: which configuration is in force, how many classes there
/// are, and what to look at before something is taken.
#[derive(Clone, Copy)]
pub(crate) struct UsageHead(u64);

impl UsageHead {
    /// The version of the configuration in force.
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

    /// The amounts of `class` in the words that this is the head of, if the provider has an inventory
    /// of it.
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

    /// The version of the configuration in force.
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

    /// The amounts of `class`, if the provider has an inventory of it.
    #[inline]
    pub(crate) fn find(self, class: u16) -> Option<Amounts> {
        self.head().find(self.0, class)
    }

    /// The amounts of all classes.
    pub(crate) fn all(self) -> impl Iterator<Item = (u16, Amounts)> {
        let classes = self.classes();
        let first = first_amount(classes);
        (0..classes).filter_map(move |index| {
            Some((self.class(index), Amounts::at(self.0, first + 3 * index)?))
        })
    }
}

/// Where the amounts of `class` are, in the words of a usage cell with so many classes.
#[inline]
fn place_of(class: u16, classes: usize, word: impl Fn(usize) -> u64) -> Option<usize> {
    let mut first = 0;
    while first < classes {
        let numbers = word(FIRST_CLASS + first / CLASSES_PER_WORD);
        // All four at once: the lowest bit set is the highest of the first lane that is zero here.
        let differing = numbers ^ (u64::from(class) * LANES);
        let equal = differing.wrapping_sub(LANES) & !differing & (LANES << 15);
        if equal != 0 {
            let index = first + equal.trailing_zeros() as usize / 16;
            // Behind the last class its word is zero.
            return (index < classes).then(|| first_amount(classes) + 3 * index);
        }
        first += CLASSES_PER_WORD;
    }
    None
}

/// One in each lane of a word of class numbers.
const LANES: u64 = 0x0001_0001_0001_0001;

/// The life of the usage cell that holds this record, and what it says of `class`.
#[inline]
pub(crate) fn usage_in(record: Record<'_>, class: u16) -> (Life, Option<Usage>) {
    // A torn record may say that there are more classes than it has words for.
    let classes = ((record.word(2) & (CORDONED - 1)) as usize).min(record.len());
    let at = place_of(class, classes, |index| record.word(index));
    let usage = |at| Usage { capacity: record.word(at), used: record.word(at + 1) };
    (Life::of(record), at.map(usage))
}

/// What a usage cell holds of one class.
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

    /// What a reader is to know of them.
    pub(crate) fn usage(self) -> Usage {
        Usage { capacity: self.capacity, used: self.used }
    }

    /// Sets what is used in the words that these amounts were found in.
    #[inline]
    pub(crate) fn set_used(self, words: &mut [u64], used: u64) {
        words[self.at + 1] = used;
    }

    /// Sets what is used, and what of that no consumer holds, in the version that these amounts were
    /// found in.
    #[inline]
    pub(crate) fn set(self, words: NextPayload<'_>, used: u64, taken: u64) {
        words.set(self.at + 1, [used, taken]);
    }
}

/// What a usage cell is to hold of one class.
pub(crate) struct ClassWords {
    pub(crate) class: u16,
    pub(crate) capacity: u64,
    pub(crate) used: u64,
    pub(crate) taken: u64,
    pub(crate) has_units: bool,
}

/// Writes all words of a usage cell.
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
    words.push(Life { kind: USAGE, ..life }.word());
    words.push(generation);
    words.push(configuration << CONFIGURATION_SHIFT | flags | classes.len() as u64);
    for few in classes.chunks(CLASSES_PER_WORD) {
        let number = |word, class: &ClassWords| word << 16 | u64::from(class.class);
        words.push(few.iter().rev().fold(0, number));
    }
    words.extend(classes.iter().flat_map(|class| [class.capacity, class.used, class.taken]));
}

/// Replaces the generation and the configuration, and keeps the rest.
pub(crate) fn set_configuration(words: &mut [u64], generation: u64, configuration: u64) {
    words[1] = generation;
    words[2] = configuration << CONFIGURATION_SHIFT | words[2] & ((1 << CONFIGURATION_SHIFT) - 1);
}

/// Says that no amount within the capacity is refused, and keeps the rest.
pub(crate) fn clear_units(words: &mut [u64]) {
    if let Some(word) = words.get_mut(2) {
        *word &= !HAS_UNITS;
    }
}

/// Says whether something new may be taken, and keeps the rest.
pub(crate) fn set_cordoned(words: &mut [u64], cordoned: bool) {
    words[2] = words[2] & !CORDONED | if cordoned { CORDONED } else { 0 };
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn life_goes_through_its_word() {
        for kind in [PROVIDER, NAME, CONSUMER] {
            for state in [State::Free, State::Absent, State::Live] {
                let life = Life { incarnation: 77, ..Life::first(kind) }.with(state);
                assert_eq!(Life::from_word(life.word()), life);
                assert!(life.is_kind(kind) && life.is(state, 77));
            }
        }
        let ended = Life::first(NAME).with(State::Live).ended();
        assert!(ended.is(State::Free, 2) && ended.is_kind(NAME));
    }

    #[test]
    fn structure_goes_through_its_words() {
        let structure = Structure {
            life: Life::first(PROVIDER).with(State::Live),
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
            let life = Life::first(PROVIDER).with(State::Live);
            let cordoned = classes.len() % 2 == 0;
            write_usage(&mut words, life, 9, 1 << 47, cordoned, &classes);
            let usage = UsageWords(&words[..]);
            assert_eq!((usage.life().with(State::Live), usage.generation()), (usage.life(), 9));
            assert!(usage.life().is_usage() && usage.life().is(State::Live, life.incarnation));
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

//! The usage cell: what is used of a provider, and which configuration is in force. The cell stands
//! next to the provider's structure cell.
//!
//! ```text
//! life | generation | configuration 40, has units 1, cordoned 1, packed 1, classes or layout 21
//!      | wide: class numbers, four a word
//!      |       (capacity, used, taken without a consumer) per class
//!      | packed: lanes of what is used, lanes of what of that is taken without a consumer
//! ```
//!
//! With few classes and small capacities the amounts are packed, and what never changes with a claim
//! is in a [`Layout`].

use smallvec::SmallVec;

use crate::layout::life::{CellKind, Life};
use crate::layout::packed::{
    LAYOUT_BITS, Lane, LaneCursor, Lanes, Layout, Layouts, MOST_PACKED, part_equal_to,
};
use crate::layout::words::Words;
#[cfg(not(provider_tree_loom))]
use crate::ledger::MOST_WORDS;
use crate::ledger::{Cell, NextPayload, Reader, Record, Torn};
#[cfg(not(provider_tree_loom))]
use crate::values::inventory::MOST_CLASSES;
use crate::values::{ResourceClass, Usage};

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
const HAS_UNITS: u64 = 1 << (LAYOUT_BITS + 2);

/// Marks a cell from which nothing new may be taken.
const CORDONED: u64 = 1 << (LAYOUT_BITS + 1);

/// Marks a cell whose amounts are packed.
const PACKED: u64 = 1 << LAYOUT_BITS;

/// Selects the number of the classes, or of the layout if the amounts are packed.
const NUMBER: u64 = PACKED - 1;

/// The index of the word of what is used, in a cell whose amounts are packed. What is taken follows.
const PACKED_USED: usize = 3;

/// Counts the bits of a configuration's version. The versions of a forest wrap after 2^40.
pub(crate) const CONFIGURATION_BITS: u32 = 40;
const CONFIGURATION_SHIFT: u32 = u64::BITS - CONFIGURATION_BITS;
const _: () = assert!(HAS_UNITS < 1 << CONFIGURATION_SHIFT);

/// Holds what a usage cell says before the amounts: which configuration is in force, where the amounts
/// are, and what a claim has to look at before it takes something.
#[derive(Clone, Copy)]
pub(crate) struct UsageHead(u64);

/// Tells where the amounts of a usage cell are.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// As many classes have three words each.
    Wide(usize),
    /// The classes share words.
    Packed(Lanes),
}

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

    /// Returns where the amounts are. What is found there counts only if the version with this head is
    /// in force afterwards; see [`Layouts`].
    #[inline]
    pub(crate) fn form(self, layouts: &Layouts) -> Form {
        let number = self.0 & NUMBER;
        match self.0 & PACKED != 0 {
            true => Form::Packed(layouts.lanes(number as u32)),
            false => Form::Wide(number as usize),
        }
    }
}

/// Changes the amounts of several classes at once, in the next version of a usage cell in which they
/// are packed.
pub(crate) struct PackedUsage<'a> {
    words: NextPayload<'a>,
    lanes: Lanes,
    cursor: LaneCursor,
    given: u64,
    wanted: u64,
}

impl<'a> PackedUsage<'a> {
    /// Begins a change that takes something, or gives something back, or both. Returns `None` if the
    /// amounts are not packed, or if there is more than the capacities that limits what may be taken.
    #[inline]
    pub(crate) fn of(words: NextPayload<'a>, head: UsageHead, layouts: &Layouts) -> Option<Self> {
        if head.0 & (PACKED | HAS_UNITS) != PACKED {
            return None;
        }
        let lanes = layouts.lanes((head.0 & NUMBER) as u32);
        Some(PackedUsage { words, lanes, cursor: LaneCursor::new(lanes), given: 0, wanted: 0 })
    }

    /// Adds an amount of `class` that is given back, and one that is taken. Returns `None` if there is no
    /// such class, or if it does not come behind those that were added before, or if an amount is larger
    /// than any that may be used.
    #[inline]
    pub(crate) fn add(&mut self, class: u16, given: u64, wanted: u64) -> Option<()> {
        let lane = self.cursor.lane_of(class)?;
        if !lane.fits(given | wanted) {
            return None;
        }
        self.given = lane.filled(self.given, given);
        self.wanted = lane.filled(self.wanted, wanted);
        Some(())
    }

    /// Makes the change, of what a consumer holds; or returns `None` if more is given back than used, or
    /// not everything is free, or more than a capacity is used already.
    #[inline]
    pub(crate) fn exchange(self) -> Option<()> {
        let mut used = self.words.word(PACKED_USED);
        if self.given > 0 {
            used = self.lanes.lowered(used, self.given)?;
        }
        if self.wanted > 0 {
            used = self.lanes.raised(used, self.wanted)?;
        }
        self.words.set(PACKED_USED, [used]);
        Some(())
    }

    /// Makes the change, of what no consumer holds; or returns `None` as [`exchange`](Self::exchange)
    /// does.
    #[inline]
    pub(crate) fn take(self) -> Option<()> {
        let [mut used, mut taken] = self.words.words(PACKED_USED)?;
        if self.given > 0 {
            taken = self.lanes.lowered(taken, self.given)?;
            used = used.wrapping_sub(self.given);
        }
        if self.wanted > 0 {
            used = self.lanes.raised(used, self.wanted)?;
            taken = taken.wrapping_add(self.wanted);
        }
        self.words.set(PACKED_USED, [used, taken]);
        Some(())
    }
}

impl Form {
    /// Returns the amounts of `class`, if the provider has an inventory of it. `words` are those of
    /// the cell that has this form.
    #[inline]
    pub(crate) fn find(self, words: impl Words, class: u16) -> Option<Amounts> {
        match self {
            Form::Packed(lanes) => {
                let (capacity, lane) = lanes.find(class)?;
                Amounts::packed(words, capacity, lane)
            }
            Form::Wide(classes) => {
                let at = place_of(class, classes, |index| words.word(index))?;
                Amounts::wide(words, at)
            }
        }
    }

    /// Returns the number and the amounts of the class at `index`, in the order of the classes.
    fn nth(self, words: impl Words, index: usize) -> Option<(u16, Amounts)> {
        match self {
            Form::Packed(lanes) => {
                let (class, capacity, lane) = lanes.nth(index)?;
                Some((class, Amounts::packed(words, capacity, lane)?))
            }
            Form::Wide(classes) => {
                let first = (index < classes).then(|| first_amount(classes))?;
                let numbers = words.word(FIRST_CLASS + index / CLASSES_PER_WORD);
                let class = (numbers >> (index % CLASSES_PER_WORD * 16)) as u16;
                Some((class, Amounts::wide(words, first + 3 * index)?))
            }
        }
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

    pub(crate) fn is_cordoned(self) -> bool {
        self.head().is_cordoned()
    }

    /// Returns the amounts of `class`, if the provider has an inventory of it.
    #[inline]
    pub(crate) fn find(self, layouts: &Layouts, class: u16) -> Option<Amounts> {
        self.head().form(layouts).find(self.0, class)
    }

    /// Returns the number and the amounts of each class, in the order of the classes.
    pub(crate) fn all(self, layouts: &Layouts) -> impl Iterator<Item = (u16, Amounts)> + use<W> {
        let form = self.head().form(layouts);
        (0..).map_while(move |index| form.nth(self.0, index))
    }
}

/// Holds a copy of the words of a usage cell, which keeps its meaning: the amounts are not packed.
pub(crate) type WideUsage = SmallVec<[u64; 16]>;

/// Copies the words of the usage cell that holds this record. The copy counts only if the version is
/// in force afterwards.
pub(crate) fn copy_usage(record: Record<'_>, layouts: &Layouts) -> WideUsage {
    let words: WideUsage = (0..record.len()).map(|index| record.word(index)).collect();
    widened(&words, layouts).unwrap_or(words)
}

/// Applies `extract` to the words of a usage cell in the wide form, as [`Reader::read`] does.
pub(crate) fn read_wide<T>(
    reader: &mut impl Reader,
    layouts: &Layouts,
    usage: Cell,
    extract: impl FnOnce(&[u64]) -> T,
) -> Result<T, Torn> {
    reader.read_translated(usage, |words| widened(words, layouts), extract)
}

/// Returns the words in the wide form, if they are those of a usage cell whose amounts are packed.
pub(crate) fn widened(words: &[u64], layouts: &Layouts) -> Option<WideUsage> {
    let usage = UsageWords(words);
    if usage.life().kind() != CellKind::Usage || usage.head().0 & PACKED == 0 {
        return None;
    }
    let classes: SmallVec<[_; MOST_PACKED]> = usage.all(layouts).collect();
    let head = usage.head().0 & !(PACKED | NUMBER) | classes.len() as u64;
    let number = |word, (class, _): &(u16, Amounts)| word << 16 | u64::from(*class);
    let mut wide = WideUsage::from_slice(&[words.word(0), words.word(1), head]);
    if !classes.is_empty() {
        wide.push(classes.iter().rev().fold(0, number));
    }
    wide.extend(classes.iter().flat_map(|(_, it)| [it.capacity, it.used, it.taken]));
    Some(wide)
}

/// Returns the index at which the amounts of `class` begin, in the words of a usage cell with this
/// number of classes.
#[inline]
fn place_of(class: u16, classes: usize, word: impl Fn(usize) -> u64) -> Option<usize> {
    let mut first = 0;
    while first < classes {
        let numbers = word(FIRST_CLASS + first / CLASSES_PER_WORD);
        if let Some(part) = part_equal_to(numbers, class) {
            let index = first + part as usize;
            // The parts behind the last class are zero, and equal to class 0.
            return (index < classes).then(|| first_amount(classes) + 3 * index);
        }
        first += CLASSES_PER_WORD;
    }
    None
}

/// Reads the life of the usage cell that holds this record, and what the cell says of each of `classes`.
#[inline]
pub(crate) fn usages_in<const N: usize>(
    record: Record<'_>,
    layouts: &Layouts,
    classes: [ResourceClass; N],
) -> (Life, [Option<Usage>; N]) {
    let form = match UsageWords(record).head().form(layouts) {
        // A torn record may say that there are more classes than it has words for.
        Form::Wide(classes) => Form::Wide(classes.min(record.len())),
        packed => packed,
    };
    let usage = |class: ResourceClass| form.find(record, class.number()).map(Amounts::usage);
    (Life::of(record), classes.map(usage))
}

/// Holds what a usage cell says of one class.
#[derive(Clone, Copy)]
pub(crate) struct Amounts {
    place: AmountsPlace,
    pub(crate) capacity: u64,
    pub(crate) used: u64,
    /// The part of what is used that no consumer holds.
    pub(crate) taken: u64,
}

/// Tells where the amounts of one class are.
#[derive(Clone, Copy)]
enum AmountsPlace {
    /// In three words, from the one at this index on.
    At(usize),
    Lane(Lane),
}

impl Amounts {
    #[inline]
    fn wide(words: impl Words, at: usize) -> Option<Self> {
        let [capacity, used, taken] = words.words(at)?;
        Some(Amounts { place: AmountsPlace::At(at), capacity, used, taken })
    }

    #[inline]
    fn packed(words: impl Words, capacity: u64, lane: Lane) -> Option<Self> {
        let [used, taken] = words.words(PACKED_USED)?;
        let (used, taken) = (lane.of(used), lane.of(taken));
        Some(Amounts { place: AmountsPlace::Lane(lane), capacity, used, taken })
    }

    /// Returns what a reader is to know of the amounts.
    pub(crate) fn usage(self) -> Usage {
        Usage { capacity: self.capacity, used: self.used }
    }

    /// Returns whether so much can be set as used where these amounts are. An amount up to the capacity,
    /// or to what was used when the amounts were packed, always can.
    pub(crate) fn has_room_for(self, used: u64) -> bool {
        match self.place {
            AmountsPlace::At(_) => true,
            AmountsPlace::Lane(lane) => lane.fits(used),
        }
    }

    /// Sets what is used, in the words that these amounts were found in. There has to be
    /// [room](Self::has_room_for) for it.
    #[inline]
    pub(crate) fn set_used(self, words: &mut [u64], used: u64) {
        match self.place {
            AmountsPlace::At(at) => words[at + 1] = used,
            AmountsPlace::Lane(lane) => {
                words[PACKED_USED] = lane.replaced(words[PACKED_USED], self.used, used);
            }
        }
    }

    /// Sets what is used, in the version that these amounts were found in.
    #[inline]
    pub(crate) fn set_used_in(self, words: NextPayload<'_>, used: u64) {
        match self.place {
            AmountsPlace::At(at) => words.set(at + 1, [used]),
            AmountsPlace::Lane(lane) => {
                let all = words.word(PACKED_USED);
                words.set(PACKED_USED, [lane.replaced(all, self.used, used)]);
            }
        }
    }

    /// Sets what is used, and which part of it no consumer holds, in the version that these amounts
    /// were found in.
    #[inline]
    pub(crate) fn set(self, words: NextPayload<'_>, used: u64, taken: u64) {
        match self.place {
            AmountsPlace::At(at) => words.set(at + 1, [used, taken]),
            AmountsPlace::Lane(lane) => {
                let [all_used, all_taken] = [0, 1].map(|index| words.word(PACKED_USED + index));
                let used = lane.replaced(all_used, self.used, used);
                words.set(PACKED_USED, [used, lane.replaced(all_taken, self.taken, taken)]);
            }
        }
    }
}

/// Holds what a usage cell is to hold of one class.
#[derive(Clone, Copy)]
pub(crate) struct ClassWords {
    pub(crate) class: u16,
    pub(crate) capacity: u64,
    pub(crate) used: u64,
    pub(crate) taken: u64,
    pub(crate) has_units: bool,
}

/// Writes all words of a usage cell. The incarnation and the state of the cell are those of `life`.
/// `layout` is that of the configuration. The amounts are packed if there is one and they fit it.
pub(crate) fn write_usage(
    words: &mut Vec<u64>,
    life: Life,
    generation: u64,
    configuration: u64,
    cordoned: bool,
    classes: &[ClassWords],
    layout: Option<&Layout>,
) {
    let has_units = classes.iter().any(|class| class.has_units);
    let flag = |is_set: bool, flag: u64| if is_set { flag } else { 0 };
    let flags = flag(has_units, HAS_UNITS) | flag(cordoned, CORDONED);
    let head = configuration << CONFIGURATION_SHIFT | flags;
    words.clear();
    words.extend([life.of_kind(CellKind::Usage).word(), generation]);
    if let Some(layout) = layout
        && let Some(amounts) = pack(layout.lanes(), classes)
    {
        words.push(head | PACKED | u64::from(layout.number()));
        words.extend(amounts);
        return;
    }
    words.push(head | classes.len() as u64);
    for few in classes.chunks(CLASSES_PER_WORD) {
        let number = |word, class: &ClassWords| word << 16 | u64::from(class.class);
        words.push(few.iter().rev().fold(0, number));
    }
    words.extend(classes.iter().flat_map(|class| [class.capacity, class.used, class.taken]));
}

/// Counts the words of the usage cell of a provider without inventories.
pub(crate) const BARE_WORDS: usize = 3;

/// Returns the words of the usage cell of a new provider without inventories, whose incarnation and
/// state are those of `life`.
pub(crate) fn bare_usage(
    life: Life,
    generation: u64,
    configuration: u64,
    cordoned: bool,
) -> [u64; BARE_WORDS] {
    let head = configuration << CONFIGURATION_SHIFT | if cordoned { CORDONED } else { 0 };
    [life.of_kind(CellKind::Usage).word(), generation, head]
}

/// Returns what is used and what is taken, each in lanes, if the lanes are those of these classes and
/// what is used fits them. More than the capacity may be used, after an inventory has shrunk.
fn pack(lanes: Lanes, classes: &[ClassWords]) -> Option<[u64; 2]> {
    let (mut all_used, mut all_taken) = (0, 0);
    for (index, &ClassWords { class, capacity, used, taken, .. }) in classes.iter().enumerate() {
        let (lane_class, lane_capacity, lane) = lanes.nth(index)?;
        if (lane_class, lane_capacity) != (class, capacity) || !lane.fits(used) {
            return None;
        }
        all_used = lane.filled(all_used, used);
        // No more than what is used.
        all_taken = lane.filled(all_taken, taken);
    }
    lanes.nth(classes.len()).is_none().then_some([all_used, all_taken])
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
    use std::sync::Arc;

    use super::*;
    use crate::layout::life::State;
    use crate::values::{ClassCapacity, Inventory};

    fn class_words(class: u16, capacity: u64, used: u64, taken: u64) -> ClassWords {
        ClassWords { class, capacity, used, taken, has_units: false }
    }

    /// Returns the layout for the capacities of these classes.
    fn layout_of(layouts: &Arc<Layouts>, classes: &[ClassWords]) -> Option<Layout> {
        let capacities: Vec<_> = classes
            .iter()
            .map(|class| ClassCapacity {
                class: ResourceClass::from_number(class.class),
                capacity: class.capacity,
                inventory: Inventory::new(class.capacity),
            })
            .collect();
        layouts.layout(&capacities)
    }

    fn assert_amounts(usage: UsageWords<&[u64]>, layouts: &Layouts, classes: &[ClassWords]) {
        let amounts = |it: &Amounts| (it.capacity, it.used, it.taken);
        let all: Vec<_> = usage.all(layouts).map(|(class, it)| (class, amounts(&it))).collect();
        let expected: Vec<_> =
            classes.iter().map(|it| (it.class, (it.capacity, it.used, it.taken))).collect();
        assert_eq!(all, expected);
        for (class, expected) in expected {
            assert_eq!(usage.find(layouts, class).map(|it| amounts(&it)), Some(expected));
        }
        assert!(usage.find(layouts, 1).is_none());
    }

    #[test]
    fn usage_words_find_every_class() {
        let layouts = Arc::new(Layouts::new());
        for (classes, is_packed) in
            (0..12_u16).flat_map(|classes| [(classes, true), (classes, false)])
        {
            let mut classes: Vec<_> = (0..classes)
                .map(|number| ClassWords {
                    has_units: number == 2,
                    ..class_words(
                        number * 5_000,
                        100 + u64::from(number),
                        50 + u64::from(number),
                        number.into(),
                    )
                })
                .collect();
            let mut words = Vec::new();
            let life = Life::first(CellKind::Usage).with(State::Live);
            let cordoned = classes.len() % 2 == 0;
            let layout = layout_of(&layouts, &classes).filter(|_| is_packed);
            write_usage(&mut words, life, 9, 1 << 39, cordoned, &classes, layout.as_ref());
            assert_eq!(layout.is_some(), is_packed && (1..=MOST_PACKED).contains(&classes.len()));
            assert_eq!(words.len() == 5, layout.is_some());
            let usage = UsageWords(&words[..]);
            assert_eq!((usage.life().with(State::Live), usage.generation()), (usage.life(), 9));
            assert!(
                usage.life().kind() == CellKind::Usage
                    && usage.life().is(State::Live, life.incarnation)
            );
            assert_eq!(usage.configuration(), 1 << 39);
            assert_eq!(usage.head().has_units(), classes.len() > 2);
            assert_eq!(usage.is_cordoned(), cordoned);
            assert_amounts(usage, &layouts, &classes);
            let wide = widened(&words, &layouts);
            assert_eq!(wide.is_some(), layout.is_some());
            let mut expected = Vec::new();
            write_usage(&mut expected, life, 9, 1 << 39, cordoned, &classes, None);
            assert_eq!(wide.as_deref().unwrap_or(&words), expected);
            set_configuration(&mut words, 10, 3);
            set_cordoned(&mut words, !cordoned);
            for class in &mut classes {
                class.used += 1;
                let amounts = UsageWords(&words[..]).find(&layouts, class.class).unwrap();
                amounts.set_used(&mut words, class.used);
            }
            let usage = UsageWords(&words[..]);
            assert_eq!((usage.generation(), usage.configuration()), (10, 3));
            assert_eq!(usage.is_cordoned(), !cordoned);
            assert_amounts(usage, &layouts, &classes);
        }
    }

    #[test]
    fn amounts_are_packed_up_to_the_limits_of_their_lanes() {
        let layouts = Arc::new(Layouts::new());
        let one = class_words(0, 5, 0, 0);
        let other = class_words(3, 1 << 40, 0, 0);
        let layout = layout_of(&layouts, &[one, other]).unwrap();
        let pack = |classes: &[ClassWords]| pack(layout.lanes(), classes);
        let full = [
            ClassWords { used: 7, taken: 7, ..one },
            ClassWords { used: (2 << 40) - 1, taken: 1, ..other },
        ];
        let [used, taken] = pack(&full).unwrap();
        let words = [0, 0, PACKED | u64::from(layout.number()), used, taken];
        assert_amounts(UsageWords(&words[..]), &layouts, &full);
        let others: [&[ClassWords]; 6] = [
            &[ClassWords { used: 8, ..one }, other],
            &[one, ClassWords { used: 2 << 40, ..other }],
            &[one],
            &[one, ClassWords { class: 4, ..other }],
            &[one, ClassWords { capacity: 1, ..other }],
            &[one, other, class_words(4, 1, 0, 0)],
        ];
        assert!(others.iter().all(|classes| pack(classes).is_none()));
    }
}

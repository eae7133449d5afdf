//! [`Layouts`]: where the amounts of a provider are, if they share two words of its usage cell.
//!
//! Providers of one make have the same classes and capacities, and all their amounts are small. So
//! what never changes with a claim, the classes and the capacities, is kept once for all of them in a
//! [`Layout`], which their usage cells name by its number. In the usage cell itself each class has a
//! lane, as wide as its capacity, in a word of what is used and in a word of what is taken.
//!
//! A layout never changes while a [`Facts`](crate::forest::Facts) has it. When the
//! last one is gone, its number serves another layout. A usage cell names the layout of its
//! configuration; so what a reader makes of a layout counts only if the reader finds afterwards that
//! the version which names the layout is still in force, or still kept for a snapshot.

use std::sync::Arc;

use crate::ledger::{Aligned, FreeList, Pages};
use crate::sync::{AtomicU64, CachePadded, Index, Ordering};
use crate::values::ClassCapacity;

/// Holds the layouts of one forest, by number.
pub(crate) struct Layouts {
    /// Holds the words of each layout: those of its [`Lanes`], then how many configurations have it.
    words: Pages<Aligned<WORDS>>,
    /// Finds the number of the layout with these lanes. What it finds may serve another by now.
    numbers: Index<Lanes, u32>,
    handed_out: CachePadded<AtomicU64>,
    free: FreeList,
}

/// Counts the words of a layout: a line of the processor's cache.
const WORDS: usize = 8;

/// The index of the word that counts the configurations that have a layout.
const USES: usize = 4;

/// Counts the bits of a layout's number. If all numbers serve, further configurations have no layout.
pub(crate) const LAYOUT_BITS: u32 = 21;

/// Bounds the number of layouts. Small in the crate's own tests, which use up all of them.
const LIMIT: u64 = if cfg!(test) { 1 << 6 } else { 1 << LAYOUT_BITS };

/// Bounds the classes of a provider that has a layout.
pub(crate) const MOST_PACKED: usize = 4;

/// Has a one in each of the four parts of a word.
const ONES: u64 = 0x0001_0001_0001_0001;

/// Returns the index of the first of the four parts of `word` that is `number`.
#[inline]
pub(super) fn part_equal_to(word: u64, number: u16) -> Option<u32> {
    // Compares all four at once: the lowest bit set in `equal` is the highest bit of the first part of
    // `differing` that is zero.
    let differing = word ^ (u64::from(number) * ONES);
    let equal = differing.wrapping_sub(ONES) & !differing & (ONES << 15);
    (equal != 0).then(|| equal.trailing_zeros() / 16)
}

/// Holds what a layout says: up to four classes in ascending order, with their lanes and capacities.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Lanes {
    /// The numbers of the classes, 16 bits each, the first in the lowest.
    classes: u64,
    /// Of each class the width of its lane, 8 bits, and where the lane begins, 8 bits below. A width
    /// of 0 means that there is no such class.
    places: u64,
    /// The capacities, each in its lane, with the guards.
    guarded: u64,
    /// The guards: of each lane the bit above. What is subtracted from a lane too much is borrowed from
    /// there, and not from the next lane. No amount reaches it.
    guards: u64,
}

/// Names the bits of one class in a word of amounts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane {
    shift: u32,
    mask: u64,
}

impl Lane {
    /// Returns the lane that the lowest part of `places` describes, as in [`Lanes`], if there is one.
    /// What a torn layout describes is a lane, too.
    #[inline]
    fn first_of(places: u64) -> Option<Lane> {
        let width = places >> 8 & 0xff;
        let mask = (1 << (width % 64)) - 1;
        (width > 0).then_some(Lane { shift: (places % 64) as u32, mask })
    }

    /// Returns whether `amount` fits the lane.
    #[inline]
    pub(super) fn fits(self, amount: u64) -> bool {
        amount <= self.mask
    }

    /// Returns the lane's amount in `word`.
    #[inline]
    pub(crate) fn of(self, word: u64) -> u64 {
        word >> self.shift & self.mask
    }

    /// Returns `word` with `amount` in this lane, which is empty.
    #[inline]
    pub(super) fn filled(self, word: u64, amount: u64) -> u64 {
        word | amount << self.shift
    }

    /// Returns `word` with `after` in the place of the lane's amount, which is `before`.
    #[inline]
    pub(crate) fn replaced(self, word: u64, before: u64, after: u64) -> u64 {
        word.wrapping_add(after.wrapping_sub(before) << self.shift)
    }
}

impl Lanes {
    /// Says that there is no class.
    const NONE: Lanes = Lanes { classes: 0, places: 0, guarded: 0, guards: 0 };

    /// Returns lanes for these classes, which are sorted, if there are few enough of them and their
    /// capacities and guards fit one word.
    fn of(capacities: &[ClassCapacity]) -> Option<Lanes> {
        if capacities.is_empty() || capacities.len() > MOST_PACKED {
            return None;
        }
        let mut lanes = Lanes::NONE;
        let mut shift = 0;
        for (index, ClassCapacity { class, capacity, .. }) in capacities.iter().enumerate() {
            let width = (u64::BITS - capacity.leading_zeros()).max(1);
            if shift + width >= u64::BITS {
                return None;
            }
            lanes.classes |= u64::from(class.number()) << (16 * index);
            lanes.places |= u64::from(width << 8 | shift) << (16 * index);
            lanes.guarded |= capacity << shift;
            lanes.guards |= 1 << (shift + width);
            shift += width + 1;
        }
        lanes.guarded |= lanes.guards;
        Some(lanes)
    }

    /// Returns the capacity and the lane of `class`.
    #[inline]
    pub(super) fn find(self, class: u16) -> Option<(u64, Lane)> {
        // Parts without a class are zero, and equal to class 0, but stand behind all that have one.
        let index = part_equal_to(self.classes, class)?;
        let lane = Lane::first_of(self.places >> (16 * index))?;
        Some((lane.of(self.guarded), lane))
    }

    /// Returns what is used after `wanted` was taken, or `None` if that would be over a capacity, or
    /// more than a capacity is used already.
    #[inline]
    pub(super) fn raised(self, used: u64, wanted: u64) -> Option<u64> {
        let free = self.guarded.wrapping_sub(used);
        // Twice, as one guard lends once only.
        let left = free.wrapping_sub(wanted);
        (free & left & self.guards == self.guards).then(|| used.wrapping_add(wanted))
    }

    /// Returns what is left of `amounts` after `given` was given back, or `None` if that is more in any
    /// lane.
    #[inline]
    pub(super) fn lowered(self, amounts: u64, given: u64) -> Option<u64> {
        let left = (amounts | self.guards).wrapping_sub(given);
        (left & self.guards == self.guards).then_some(left & !self.guards)
    }

    /// Returns the number, the capacity and the lane of the class at `index`.
    pub(super) fn nth(self, index: usize) -> Option<(u16, u64, Lane)> {
        let places = (index < MOST_PACKED).then(|| self.places >> (16 * index))?;
        let lane = Lane::first_of(places)?;
        Some(((self.classes >> (16 * index)) as u16, lane.of(self.guarded), lane))
    }
}

/// Finds the lanes of classes that are asked for in their order.
#[derive(Clone, Copy)]
pub(super) struct LaneCursor {
    /// The classes and the lanes that are left, as in [`Lanes`].
    classes: u64,
    places: u64,
}

impl LaneCursor {
    #[inline]
    pub(super) fn new(lanes: Lanes) -> Self {
        LaneCursor { classes: lanes.classes, places: lanes.places }
    }

    /// Returns the lane of `class`, and goes on behind it; returns `None` if there is no such lane, or none
    /// any more.
    #[inline]
    pub(super) fn lane_of(&mut self, class: u16) -> Option<Lane> {
        loop {
            let (lane, found) = (Lane::first_of(self.places)?, self.classes as u16);
            self.classes >>= 16;
            self.places >>= 16;
            if found == class {
                return Some(lane);
            }
        }
    }
}

impl Layouts {
    pub(crate) fn new() -> Self {
        Layouts {
            words: Pages::new(),
            numbers: Index::new(),
            handed_out: CachePadded::new(AtomicU64::new(0)),
            free: FreeList::new(),
        }
    }

    /// Returns the layout for these classes, which are sorted, unless they need more room than a
    /// layout has or every number serves a layout. Takes a shard's lock for O(1).
    pub(crate) fn layout(self: &Arc<Self>, capacities: &[ClassCapacity]) -> Option<Layout> {
        let lanes = Lanes::of(capacities)?;
        let mut new = None;
        loop {
            if let Some(number) = self.numbers.get(&lanes) {
                match self.join(number, lanes) {
                    Some(layout) => return Some(layout),
                    // Whoever is about to free the number has not come so far.
                    None => self.numbers.remove_if_exactly(&lanes, number),
                }
            }
            let layout = match new.take() {
                Some(layout) => layout,
                None => self.begin(lanes)?,
            };
            if self.numbers.insert_if_absent(lanes, layout.number) {
                return Some(layout);
            }
            new = Some(layout);
        }
    }

    /// Returns what the layout with this number says. O(1), one line of the processor's cache.
    ///
    /// It may be torn, unless a configuration is known to have the layout.
    #[inline]
    pub(super) fn lanes(&self, number: u32) -> Lanes {
        let Some(words) = self.words.get(number) else {
            return Lanes::NONE;
        };
        // Acquire, all: pairs with the release in `begin`, so that a reader which sees a word of a
        // later layout also sees that the gate has moved (I4).
        let load = |index: usize| words[index].load(Ordering::Acquire);
        Lanes { classes: load(0), places: load(1), guarded: load(2), guards: load(3) }
    }

    /// Returns the number of layouts that a configuration has.
    pub(crate) fn count(&self) -> u64 {
        // Relaxed: only a figure for statistics.
        let handed_out = self.handed_out.load(Ordering::Relaxed).min(LIMIT);
        handed_out - self.free.count(handed_out)
    }

    /// Returns the bytes that all layouts take.
    pub(crate) fn bytes(&self) -> u64 {
        self.words.bytes() + self.numbers.bytes() + self.free.bytes()
    }

    /// Makes a layout in a number that serves none. Returns `None` if there is no such number.
    fn begin(self: &Arc<Self>, lanes: Lanes) -> Option<Layout> {
        let mut free = None;
        if !self.free.pop(|number| free = Some(number)) {
            // Relaxed, both: only the uniqueness of the answer matters. There are never so many
            // callers at once that the count could wrap.
            let number = self.handed_out.fetch_add(1, Ordering::Relaxed);
            if number >= LIMIT {
                self.handed_out.fetch_add(u64::MAX, Ordering::Relaxed);
                return None;
            }
            self.words.make(number as u32);
            free = Some(number as u32);
        }
        let number = free?;
        let words = self.words.get(number)?;
        // Release, all: a reader that sees one of these words also sees every exchange of a gate that
        // made the number free; pairs with the acquire in `lanes`. Who joins the layout sees all.
        let Lanes { classes, places, guarded, guards } = lanes;
        for (word, value) in words.iter().zip([classes, places, guarded, guards, 1]) {
            word.store(value, Ordering::Release);
        }
        Some(Layout { layouts: Arc::clone(self), number })
    }

    /// Returns the layout with this number, if a configuration has it and it still has these lanes.
    fn join(self: &Arc<Self>, number: u32, lanes: Lanes) -> Option<Layout> {
        let uses = &self.words.get(number)?[USES];
        // Acquire: pairs with the release in `begin`.
        let mut count = uses.load(Ordering::Acquire);
        while count > 0 {
            // AcqRel: carries on the release of `begin` and of those who leave. Acquire on failure:
            // as above.
            match uses.compare_exchange(count, count + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    // From here on the words stay as they are. The number may have come to serve
                    // another layout before; then this use of that ends with the value.
                    let joined = Layout { layouts: Arc::clone(self), number };
                    return (joined.lanes() == lanes).then_some(joined);
                }
                Err(found) => count = found,
            }
        }
        None
    }
}

/// Holds one use of a layout. As long as there is one, the layout's number serves this layout.
pub(crate) struct Layout {
    layouts: Arc<Layouts>,
    number: u32,
}

impl Layout {
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Returns what the layout says.
    pub(super) fn lanes(&self) -> Lanes {
        self.layouts.lanes(self.number)
    }
}

impl Clone for Layout {
    fn clone(&self) -> Self {
        let Layout { layouts, number } = self;
        if let Some(words) = layouts.words.get(*number) {
            // Relaxed: this use keeps the layout as it is until the other one is counted.
            words[USES].fetch_add(1, Ordering::Relaxed);
        }
        Layout { layouts: Arc::clone(layouts), number: *number }
    }
}

impl Drop for Layout {
    /// Frees the number if this was the last use of the layout.
    fn drop(&mut self) {
        let lanes = self.lanes();
        let Layout { layouts, number } = self;
        let Some(words) = layouts.words.get(*number) else { return };
        // AcqRel: whoever uses the number next comes after everything that was done with this layout,
        // and so after the gate's exchange that put the last configuration with it out of force.
        if words[USES].fetch_add(u64::MAX, Ordering::AcqRel) == 1 {
            // Before the number is free: so the entry never names a number that serves another layout
            // for good.
            layouts.numbers.remove_if_exactly(&lanes, *number);
            layouts.free.push(std::iter::once(*number));
        }
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;
    use crate::values::{Inventory, ResourceClass};

    fn capacities(of: &[(u16, u64)]) -> Vec<ClassCapacity> {
        of.iter()
            .map(|(class, capacity)| ClassCapacity {
                class: ResourceClass::from_number(*class),
                capacity: *capacity,
                inventory: Inventory::new(*capacity),
            })
            .collect()
    }

    #[test]
    fn lanes_are_as_wide_as_the_capacities() {
        let most = u64::MAX;
        let fit: [&[(u16, u64)]; 6] = [
            &[(0, most >> 1)],
            &[(0, 0), (1, 0), (2, 0), (3, 0)],
            &[(0, 1024), (1, 1 << 20), (2, 10_000), (u16::MAX, 8)],
            &[(7, most >> 3), (9, 1)],
            &[(7, most >> 33), (8, most >> 33)],
            &[(1, most >> 17), (2, 127), (3, 127)],
        ];
        for classes in fit {
            let lanes = Lanes::of(&capacities(classes)).unwrap();
            for (index, &(number, capacity)) in classes.iter().enumerate() {
                let (found, lane) = lanes.find(number).unwrap();
                assert_eq!((found, lane.of(u64::MAX) >= capacity), (capacity, true), "{classes:?}");
                assert_eq!(
                    lanes.nth(index).map(|(class, capacity, _)| (class, capacity)),
                    Some((number, capacity))
                );
            }
            assert!(lanes.nth(classes.len()).is_none());
            assert!(lanes.find(5).is_none() && lanes.find(u16::MAX - 1).is_none());
            assert_eq!(lanes.find(0).is_some(), classes[0].0 == 0, "{classes:?}");
        }
        let too_wide: [&[(u16, u64)]; 5] = [
            &[],
            &[(0, most)],
            &[(0, most >> 1), (1, 0)],
            &[(7, most >> 3), (9, 2)],
            &[(0, 1), (1, 1), (2, 1), (3, 1), (4, 1)],
        ];
        for classes in too_wide {
            assert_eq!(Lanes::of(&capacities(classes)), None, "{classes:?}");
        }
    }

    #[test]
    fn all_lanes_change_together_or_none() {
        let limits = [2_u64, 5];
        let lanes = Lanes::of(&capacities(&[(0, limits[0]), (6, limits[1])])).unwrap();
        // Up to what the lanes hold: more than the capacity may be used already.
        let all = || (0..4).flat_map(|one| (0..8).map(move |other| [one, other]));
        let packed = |amounts: [u64; 2]| {
            let mut cursor = LaneCursor::new(lanes);
            [0, 6].into_iter().zip(amounts).fold(0, |all, (class, amount)| {
                let lane = cursor.lane_of(class).unwrap();
                assert!(lane.fits(amount));
                lane.filled(all, amount)
            })
        };
        let both = |one: [u64; 2], other: [u64; 2], what: fn(u64, u64) -> u64| {
            packed([what(one[0], other[0]), what(one[1], other[1])])
        };
        let is_each = |one: [u64; 2], other: [u64; 2]| one[0] <= other[0] && one[1] <= other[1];
        for (used, change) in all().flat_map(|used| all().map(move |change| (used, change))) {
            let is_free = is_each([used[0] + change[0], used[1] + change[1]], limits);
            let raised = is_free.then(|| both(used, change, |used, more| used + more));
            assert_eq!(lanes.raised(packed(used), packed(change)), raised, "{used:?} {change:?}");
            let is_there = is_each(change, used);
            let lowered = is_there.then(|| both(used, change, |used, less| used - less));
            assert_eq!(lanes.lowered(packed(used), packed(change)), lowered, "{used:?} {change:?}");
        }
    }

    #[test]
    fn amounts_go_into_lanes_in_the_order_of_their_classes() {
        let lanes = Lanes::of(&capacities(&[(0, 2), (3, 5), (9, 1 << 30)])).unwrap();
        let mut cursor = LaneCursor::new(lanes);
        let third = cursor.lane_of(3).unwrap();
        assert_eq!([7, 8, u64::MAX].map(|amount| third.fits(amount)), [true, false, false]);
        assert_eq!(third.filled(0, 7), 7 << 3);
        // Not twice, not one before, not one that is not there.
        assert!([3, 0, 4].iter().all(|class| cursor.clone().lane_of(*class).is_none()));
        let mut cursor = LaneCursor::new(lanes);
        assert!(cursor.lane_of(9).is_some() && cursor.lane_of(0).is_none());
        assert!(LaneCursor::new(Lanes::NONE).lane_of(0).is_none());
    }

    #[test]
    fn equal_capacities_share_a_layout_until_the_last_is_gone() {
        let layouts = Arc::new(Layouts::new());
        let one = layouts.layout(&capacities(&[(0, 5)])).unwrap();
        let same = layouts.layout(&capacities(&[(0, 5)])).unwrap();
        let other = layouts.layout(&capacities(&[(0, 6)])).unwrap();
        let said = |layout: &Layout| (layout.number(), layout.lanes());
        assert!(said(&one) == said(&same) && said(&one) == said(&same.clone()));
        assert!(said(&one) != said(&other));
        assert_eq!(layouts.count(), 2);
        let number = one.number();
        drop(one);
        assert_eq!(layouts.count(), 2);
        drop(same);
        assert_eq!(layouts.count(), 1);
        // Not the former one: its number serves another layout by now.
        let next = layouts.layout(&capacities(&[(9, 9)])).unwrap();
        assert_eq!(next.number(), number);
        assert_ne!(layouts.layout(&capacities(&[(0, 5)])).unwrap().number(), number);
        drop((other, next));
        assert_eq!((layouts.count(), layouts.numbers.len()), (0, 0));
    }

    #[test]
    fn there_are_no_more_layouts_than_numbers() {
        let layouts = Arc::new(Layouts::new());
        let layout = |capacity: u64| layouts.layout(&capacities(&[(0, capacity)]));
        let mut all: Vec<_> = (0..LIMIT).map(|capacity| layout(capacity).unwrap()).collect();
        assert!(layout(LIMIT).is_none() && layout(LIMIT).is_none());
        assert!(layout(0).is_some());
        all.pop();
        assert!(layout(LIMIT).is_some());
        assert_eq!(layouts.count(), LIMIT - 1);
    }

    #[test]
    fn threads_share_layouts_and_leave_none() {
        let layouts = Arc::new(Layouts::new());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let layouts = &layouts;
                scope.spawn(move || {
                    for round in 0..20_000_u64 {
                        let capacity = (round * 7 + thread) % 3;
                        let layout = layouts.layout(&capacities(&[(1, capacity)])).unwrap();
                        let lanes = layouts.lanes(layout.number());
                        assert_eq!(Some(lanes), Lanes::of(&capacities(&[(1, capacity)])));
                        assert_eq!(lanes.find(1).unwrap().0, capacity);
                    }
                });
            }
        });
        assert_eq!((layouts.count(), layouts.numbers.len()), (0, 0));
    }
}

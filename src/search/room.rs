//! [`Room`]: which providers may fill the next slot, as what is free and the filled slots leave it.

use std::ops::Range;

use crate::search::form::{Form, Slot};
use crate::search::picture::{Picture, Seat, Tree};
use crate::search::plan::Choices;
use crate::search::scene::{Scene, Steps};
use crate::values::Usage;

/// Tells which choices may fill the next slot.
pub(super) struct Room<'a> {
    pub(super) slot: &'a Slot,
    /// The choices to try, by their position in the order in which they are tried.
    pub(super) ranks: Range<usize>,
    /// The tree that is searched.
    number: u32,
    tree: Tree,
    /// The providers that fill the slots before.
    seats: &'a [Seat],
    scene: &'a Scene<'a>,
    /// What the slot asks for.
    amounts: &'a [(u16, u64)],
    choices: &'a Choices,
    /// The order in which the choices are tried; empty if that is their own.
    order: &'a [u32],
    /// What the subtrees that the slot belongs to leave, as far as they do not leave everything.
    spans: Vec<Span>,
}

impl<'a> Room<'a> {
    /// Returns the room for the slot after those that `seats` fill in the tree with this number, from
    /// the choice on that is tried after `from` others.
    #[inline(always)]
    pub(super) fn new(
        number: u32,
        seats: &'a [Seat],
        scene: &'a Scene<'a>,
        order: &'a [u32],
        from: usize,
    ) -> Self {
        let at = seats.len();
        let (slot, choices) = (&scene.form.slots[at], &scene.plan.slots[at]);
        let mut room = Room {
            slot,
            ranks: from..choices.choices.len(),
            number,
            tree: scene.picture.trees[number as usize],
            seats,
            scene,
            amounts: &slot.amounts,
            choices,
            order,
            spans: Vec::new(),
        };
        for (&set, &awaits_top) in slot.subtrees.iter().zip(&choices.awaits_top) {
            let slots = &scene.form.subtrees[set];
            let filled = seats.iter().enumerate().filter(|(other, _)| slots.contains(other));
            if !awaits_top && let Some(span) = Span::of(scene.picture, filled.map(|it| *it.1)) {
                room.limit(span);
            }
        }
        room
    }

    /// Takes note of what a subtree leaves.
    #[inline]
    fn limit(&mut self, span: Span) {
        if self.choices.may_be_top || !self.order.is_empty() {
            return self.spans.push(span);
        }
        // The choices are leaves of the tree that is searched and stand in the tree's order, so that
        // those below a provider are side by side.
        let choices = &self.choices.choices;
        let below = if span.tree == self.number { span.below } else { 0..0 };
        let [start, end] = [below.start, below.end]
            .map(|bound| choices.partition_point(|choice| choice.position < bound));
        self.ranks = self.ranks.start.max(start)..self.ranks.end.min(end);
    }

    /// Returns the first choice from `from` on that may fill the slot, by the number of those that are
    /// tried before, and its seat.
    #[inline(always)]
    pub(super) fn next(&self, mut from: usize, steps: &mut Steps<'_>) -> Option<(usize, Seat)> {
        while from < self.ranks.end {
            let rank = self.pass_over(from);
            steps.made += (rank - from + 1) as u64;
            if rank < self.ranks.end
                && let Some(seat) = self.seat(rank)
            {
                return Some((rank, seat));
            }
            from = rank + 1;
        }
        None
    }

    /// Returns the position of the first choice from `from` on that may have enough free of the first
    /// class, as far as that is quick to see.
    #[inline]
    fn pass_over(&self, from: usize) -> usize {
        let &[(_, amount), ..] = self.amounts else { return from };
        if self.choices.may_be_elsewhere || !self.order.is_empty() {
            return from;
        }
        let amounts = &self.scene.picture.amounts[self.tree.amounts as usize..];
        let count = self.amounts.len();
        let places = self.choices.amounts[from * count..self.ranks.end * count].iter();
        let has_enough = |&place: &u32| {
            let Usage { capacity, used } = amounts[place as usize];
            capacity.saturating_sub(used) >= amount
        };
        let passed = match count {
            // The compiler makes more of a step that it knows.
            1 => places.copied().position(|place| has_enough(&place)),
            _ => places.step_by(count).position(has_enough),
        };
        passed.map_or(self.ranks.end, |passed| from + passed)
    }

    /// Returns the seat of the choice that is tried after `rank` others, if it has room for what the
    /// slot asks for and nothing else is against the choice.
    #[inline(always)]
    fn seat(&self, rank: usize) -> Option<Seat> {
        let &Scene { picture, form, .. } = self.scene;
        let choice = self.choice(rank);
        let seat = self.choices.choices[choice].seat(self.number)?;
        if form.names_trees
            && self.scene.trees[self.seats.len()].is_some_and(|tree| tree != seat.tree)
        {
            return None;
        }
        let tree = self.tree_of(seat);
        let places = self.choices.amounts(choice, self.amounts.len());
        for (&(_, amount), &place) in self.amounts.iter().zip(places) {
            if picture.free_at(tree, seat.position, place) < amount {
                return None;
            }
        }
        // A group without resources takes nothing; but nobody wants to be on a cordoned provider.
        if self.amounts.is_empty() && picture.is_cordoned(seat) {
            return None;
        }
        let is_taken = || self.seats.contains(&seat);
        if form.isolates && self.slot.group.is_some() {
            // The slots of the unnamed group come last.
            if is_taken() {
                return None;
            }
        } else if self.slot.is_contested && is_taken() && !self.has_room_beside(seat, places) {
            return None;
        }
        self.spans.iter().all(|span| span.leaves(picture, seat)).then_some(seat)
    }

    /// Returns whether there are enough choices for the slot and those that are alike.
    pub(super) fn is_enough(&self, steps: &mut Steps<'_>) -> bool {
        let mut rest = self.slot.alike as u64;
        let mut from = self.ranks.start;
        while let Some((rank, seat)) = self.next(from, steps) {
            let times = match self.scene.form.isolates {
                true => 1,
                false => self.times(rank, seat),
            };
            rest = rest.saturating_sub(times);
            if rest == 0 {
                return true;
            }
            from = rank + 1;
        }
        false
    }

    /// Returns how many times `seat` has room for what the slot asks for, or more.
    fn times(&self, rank: usize, seat: Seat) -> u64 {
        let tree = self.tree_of(seat);
        let places = self.choices.amounts(self.choice(rank), self.amounts.len());
        let amounts = self.amounts.iter().zip(places);
        let times = amounts.map(|(&(_, amount), &place)| {
            self.scene.picture.free_at(tree, seat.position, place) / amount
        });
        times.min().unwrap_or(u64::MAX)
    }

    /// Returns whether `seat` has room for what the slot asks for beside what the filled slots take
    /// there.
    #[cold]
    fn has_room_beside(&self, seat: Seat, places: &[u32]) -> bool {
        let &Scene { picture, form, .. } = self.scene;
        let tree = self.tree_of(seat);
        let kind = picture.kind(picture.make(seat.tree), seat.position);
        self.amounts.iter().zip(places).all(|(&(class, amount), &place)| {
            let taken = asked_of(self.seats, form, seat, class);
            let free = picture.free_at(tree, seat.position, place);
            let most = kind.position(class).map_or(0, |at| kind.classes[at].most);
            free.min(most).saturating_sub(taken) >= amount
        })
    }

    #[inline]
    fn choice(&self, rank: usize) -> usize {
        choice(self.order, rank)
    }

    #[inline]
    fn tree_of(&self, seat: Seat) -> Tree {
        match seat.tree == self.number {
            true => self.tree,
            false => self.scene.picture.trees[seat.tree as usize],
        }
    }
}

/// Returns the choice that is tried after `rank` others. An empty order is that of the choices.
#[inline]
pub(super) fn choice(order: &[u32], rank: usize) -> usize {
    order.get(rank).map_or(rank, |&choice| choice as usize)
}

/// Returns how much the slots that `seats` fill ask of a class of the provider in `seat`, together.
pub(super) fn asked_of(seats: &[Seat], form: &Form, seat: Seat, class: u16) -> u64 {
    let there = seats.iter().zip(&form.slots).filter(|(other, _)| **other == seat);
    let amounts = there.flat_map(|(_, slot)| &slot.amounts);
    let asked = amounts.filter(|(other, _)| *other == class).map(|(_, amount)| *amount);
    asked.fold(0, u64::saturating_add)
}

/// Tells where the filled slots of a subtree are, none of which is filled by a top that comes later:
/// the next one is below the first of them, if that is above the others, or above all.
struct Span {
    /// The tree of the filled slots' providers; [`TORN`](Self::TORN) if there are several.
    tree: u32,
    /// The positions of the first and the last of these providers.
    first: u32,
    last: u32,
    /// The positions of the first one and what is below, if all are there.
    below: Range<u32>,
}

impl Span {
    const TORN: u32 = u32::MAX;

    /// Returns the span of these seats, or `None` if there are none.
    #[inline]
    fn of(picture: &Picture, mut seats: impl Iterator<Item = Seat>) -> Option<Self> {
        let Seat { tree, position } = seats.next()?;
        let mut span = Span { tree, first: position, last: position, below: 0..0 };
        for seat in seats {
            span.first = span.first.min(seat.position);
            span.last = span.last.max(seat.position);
            if seat.tree != tree {
                span.tree = Self::TORN;
            }
        }
        if span.tree != Self::TORN {
            let end = picture.make(tree).members[span.first as usize].end;
            span.below = if end > span.last { span.first..end } else { 0..0 };
        }
        Some(span)
    }

    /// Returns whether `seat` may be the next one.
    #[inline]
    fn leaves(&self, picture: &Picture, seat: Seat) -> bool {
        let end = || picture.make(seat.tree).members[seat.position as usize].end;
        seat.tree == self.tree
            && (self.below.contains(&seat.position)
                || seat.position <= self.first && end() > self.last)
    }
}

//! [`Fit`]: the ways in which one tree can serve a request, one after the other.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use crate::search::form::{Form, Slot};
use crate::search::member::Member;
use crate::search::picture::Seat;
use crate::search::plan::Choice;
use crate::search::room::{Room, asked_of, choice};
use crate::search::scene::{First, Scene, Steps};
use crate::values::Trait;

/// Goes through the ways in which one tree serves a request: a choice for each slot, by trying the
/// choices of one slot after the other and going back where none is left.
///
/// Of ways that differ only in which of several identical providers serve, or in which of several
/// groups that are alike gets which provider, there is one.
#[derive(Clone, Default, Debug)]
pub(super) struct Fit {
    pub(super) tree: u32,
    /// For each slot that is filled, the provider, and which choice it was.
    seats: Vec<Seat>,
    turns: Vec<Turn>,
    /// Whether a way was shown.
    has_shown: bool,
    /// For each slot that was looked at, the order in which its choices are tried, one after the other;
    /// empty if that is their own.
    orders: Vec<u32>,
    /// Where the order of each slot ends in `orders`.
    ends: Vec<usize>,
    /// What the choices of one slot are ordered by; here to be used again.
    keys: Vec<(u64, u32)>,
}

/// Tells which choice for a slot is tried.
#[derive(Clone, Copy, Default, Debug)]
struct Turn {
    /// The position of the choice in the order in which the choices are tried.
    rank: u32,
    /// Whether a choice before was left that may fill the slot as well.
    has_left: bool,
}

impl Fit {
    /// Begins again, with another tree.
    #[inline]
    pub(super) fn begin(&mut self, tree: u32) {
        self.tree = tree;
        self.seats.clear();
        self.turns.clear();
        self.has_shown = false;
        self.orders.clear();
        self.ends.clear();
    }

    /// Returns the providers that fill the slots, in the order of the slots.
    #[inline]
    pub(super) fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Goes to the next way; returns false if there is none, or if the steps are over.
    pub(super) fn next(&mut self, scene: &Scene<'_>, steps: &mut Steps<'_>) -> bool {
        let slots = &scene.form.slots;
        let mut turn = match self.has_shown {
            true => self.go_back(),
            false => self.may_serve(scene).then(Turn::default),
        };
        while let Some(from) = turn
            && !steps.are_over_in_a_tree()
        {
            turn = match self.fill(scene, from, steps) {
                None => self.go_back(),
                Some((seat, turn)) => {
                    self.seats.push(seat);
                    self.turns.push(turn);
                    match slots.get(self.seats.len()) {
                        None if self.is_shown(scene) => {
                            self.has_shown = true;
                            return true;
                        }
                        None => self.go_back(),
                        // Of slots that are alike, the later one gets the later choice.
                        Some(next) if next.is_twin => {
                            let rank = turn.rank + u32::from(scene.form.isolates);
                            Some(Turn { rank, ..turn })
                        }
                        Some(_) => Some(Turn::default()),
                    }
                }
            }
        }
        false
    }

    /// Returns whether the tree may serve the request at all.
    #[inline]
    fn may_serve(&self, scene: &Scene<'_>) -> bool {
        let is_elsewhere = |(slot, tree): (&Slot, &Option<u32>)| {
            slot.group.is_none() && tree.is_some_and(|tree| tree != self.tree)
        };
        let is_outside =
            scene.form.names_trees && scene.form.slots.iter().zip(scene.trees).any(is_elsewhere);
        !is_outside && !scene.picture.is_cordoned(Seat { tree: self.tree, position: 0 })
    }

    /// Takes the last choice back.
    #[inline]
    fn go_back(&mut self) -> Option<Turn> {
        self.seats.pop();
        let Turn { rank, .. } = self.turns.pop()?;
        Some(Turn { rank: rank + 1, has_left: true })
    }

    /// Returns whether this way, in which all slots are filled, is to be shown.
    #[inline]
    fn is_shown(&self, scene: &Scene<'_>) -> bool {
        // Of ways that differ only in names the least comes first, and serves if any of them does.
        // So as long as none was shown, each way is the least that may serve.
        (scene.taste.all || !self.has_shown || self.is_least(scene))
            && self.has_traits(scene)
            && self.obeys_units(scene)
    }

    /// Returns the first choice from `from` on that fills the next slot.
    fn fill(
        &mut self,
        scene: &Scene<'_>,
        from: Turn,
        steps: &mut Steps<'_>,
    ) -> Option<(Seat, Turn)> {
        let at = self.seats.len();
        let choices = &scene.plan.slots[at];
        if choices.is_plain {
            steps.made += 1;
            let seat = self.plain_seat(scene, from)?;
            return Some((seat, from));
        }
        if !matches!(scene.taste.first, First::InOrder)
            && at >= self.ends.len()
            && choices.choices.len() > 1
        {
            self.order(scene, at);
        }
        let order = self.order_of(at);
        let room = Room::new(self.tree, &self.seats, scene, order, from.rank as usize);
        if room.slot.alike > 1 && !room.slot.is_twin && !room.is_enough(steps) {
            return None;
        }
        let mut next = room.ranks.start;
        while let Some((rank, seat)) = room.next(next, steps) {
            // A slot's first choice that is possible has no equal before it.
            if !(from.has_left && !scene.taste.all && self.has_equal(scene, rank)) {
                return Some((seat, Turn { rank: rank as u32, ..from }));
            }
            next = rank + 1;
        }
        None
    }

    /// Returns the seat of the one choice for the next slot, which is a plain one.
    #[inline]
    fn plain_seat(&self, scene: &Scene<'_>, from: Turn) -> Option<Seat> {
        let &Scene { picture, form, plan, .. } = scene;
        let at = self.seats.len();
        let choices = &plan.slots[at];
        let position = choices.choices[0].position;
        let tree = picture.trees[self.tree as usize];
        let mut amounts = form.slots[at].amounts.iter().zip(&choices.amounts);
        let has_room =
            amounts.all(|(&(_, amount), &place)| picture.free_at(tree, position, place) >= amount);
        (from.rank == 0 && has_room).then_some(Seat { tree: self.tree, position })
    }

    /// Returns the order in which the choices for the slot `at` are tried; empty if that is their
    /// own.
    #[inline]
    fn order_of(&self, at: usize) -> &[u32] {
        let Some(end) = self.ends.get(at) else { return &[] };
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.orders[start..*end]
    }

    /// Puts the choices for the slot `at` into the order in which they are tried. It is the same for
    /// slots that are alike.
    fn order(&mut self, scene: &Scene<'_>, at: usize) {
        let Scene { form, taste, .. } = scene;
        self.ends.resize(at, self.orders.len());
        let count = form.slots[at].amounts.len();
        if form.slots[at].is_twin {
            let start = if at > 1 { self.ends[at - 2] } else { 0 };
            self.orders.extend_from_within(start..self.ends[at - 1]);
        } else {
            match taste.first {
                First::Tightest if count > 0 => self.order_by_free(scene, at, count),
                First::Shuffled(seed) => {
                    let (shuffle, tree) = (FixedState::with_seed(seed), self.tree);
                    // By the provider's own tree, so that each tree that it shares with has it in the
                    // same place among its siblings.
                    let key = |choice: &Choice| match choice.seat(tree) {
                        Some(Seat { tree, position }) => shuffle.hash_one((tree, position)),
                        None => 0,
                    };
                    self.order_by(scene.plan.slots[at].choices.iter().map(key));
                }
                First::By(key) => {
                    let tree = self.tree;
                    let key = |choice: &Choice| match choice.seat(tree) {
                        Some(seat) => key(Member { picture: scene.picture, seat }),
                        None => 0,
                    };
                    self.order_by(scene.plan.slots[at].choices.iter().map(key));
                }
                First::InOrder | First::Tightest => {}
            }
        }
        self.ends.push(self.orders.len());
    }

    /// Orders the choices for the slot `at` by what they have free of its `count` amounts.
    fn order_by_free(&mut self, scene: &Scene<'_>, at: usize, count: usize) {
        let picture = scene.picture;
        let choices = &scene.plan.slots[at];
        let tree = self.tree;
        let free = |choice: usize, amount: usize| {
            let Some(seat) = choices.choices[choice].seat(tree) else { return 0 };
            let place = choices.amounts(choice, count)[amount];
            picture.free_at(picture.trees[seat.tree as usize], seat.position, place)
        };
        self.order_by((0..choices.choices.len()).map(|choice| free(choice, 0)));
        if count > 1 {
            let rest = |choice: u32| (1..count).map(move |amount| free(choice as usize, amount));
            let start = self.orders.len() - self.keys.len();
            self.keys.sort_by(|one, other| {
                one.0.cmp(&other.0).then_with(|| rest(one.1).cmp(rest(other.1)))
            });
            for (place, key) in self.orders[start..].iter_mut().zip(&self.keys) {
                *place = key.1;
            }
        }
    }

    /// Orders all choices for a slot by their keys; equal ones stay as they are.
    #[inline]
    fn order_by(&mut self, keys: impl Iterator<Item = u64>) {
        self.keys.clear();
        self.keys.extend(keys.zip(0..));
        self.keys.sort_unstable();
        self.orders.extend(self.keys.iter().map(|key| key.1));
    }

    /// Returns whether the choice that is tried after `rank` others serves nothing yet, and an
    /// identical sibling that is tried before it serves nothing either.
    fn has_equal(&self, scene: &Scene<'_>, rank: usize) -> bool {
        let at = self.seats.len();
        let choices = &scene.plan.slots[at];
        let tried = |rank| choices.choices[choice(self.order_of(at), rank)];
        let choice = tried(rank);
        let is_free = |seat: Seat| !self.seats.contains(&seat);
        let is_equal = |other: Choice| {
            let (Some(seat), Some(other)) = (choice.seat(self.tree), other.seat(self.tree)) else {
                return false;
            };
            is_free(other) && scene.picture.are_equal(seat, other)
        };
        if !choice.seat(self.tree).is_some_and(is_free) {
            return false;
        }
        match scene.taste.first {
            First::InOrder => {
                let sibling = |choice: &Choice| Some(choices.choices[choice.sibling? as usize]);
                std::iter::successors(sibling(&choice), sibling).any(is_equal)
            }
            _ => (0..rank).map(tried).any(|other| choice.is_sibling(other) && is_equal(other)),
        }
    }

    /// Returns whether this way is the one of those that differ only in the names of identical
    /// siblings and in the order of slots that are alike: of identical siblings, those fill the
    /// first slots that fill the most of them.
    fn is_least(&self, scene: &Scene<'_>) -> bool {
        let &Scene { picture, form, .. } = scene;
        if !form.slots.iter().any(|slot| slot.is_twin) {
            return true;
        }
        let mut met: SmallVec<[Seat; 8]> = SmallVec::new();
        for seat in &self.seats {
            let make = picture.make(seat.tree);
            if !make.is_leaf(seat.position) || met.contains(seat) {
                continue;
            }
            let is_before = |earlier: &Seat| {
                earlier.tree == seat.tree
                    && make.are_siblings(earlier.position, seat.position)
                    && picture.are_equal(*earlier, *seat)
                    && self.fills_less(form, *earlier, *seat)
            };
            if met.iter().any(is_before) {
                return false;
            }
            met.push(*seat);
        }
        true
    }

    /// Returns whether `one` fills fewer than `other` of the first slots that are alike and of
    /// which the two do not fill equally many.
    fn fills_less(&self, form: &Form, one: Seat, other: Seat) -> bool {
        let mut more = 0;
        for (seat, slot) in self.seats.iter().zip(&form.slots) {
            if !slot.is_twin && more != 0 {
                break;
            }
            more += i32::from(*seat == one) - i32::from(*seat == other);
        }
        more < 0
    }

    /// Returns whether what several slots ask of one class of one provider obeys the units together.
    fn obeys_units(&self, scene: &Scene<'_>) -> bool {
        let &Scene { picture, form, .. } = scene;
        self.seats.iter().zip(&form.slots).all(|(seat, slot)| {
            let kind = || picture.kind(picture.make(seat.tree), seat.position);
            !slot.has_rival
                || slot.amounts.iter().all(|(class, _)| {
                    let sum = asked_of(&self.seats, form, *seat, *class);
                    let kind = kind();
                    kind.position(*class).is_some_and(|at| kind.classes[at].allow(sum))
                })
        })
    }

    /// Returns whether those that fill the slots of the unnamed group have its traits, together.
    fn has_traits(&self, scene: &Scene<'_>) -> bool {
        let group = &scene.form.request.unnamed;
        let has = |wanted: &Trait| {
            self.seats.iter().zip(&scene.form.slots).any(|(seat, slot)| {
                let make = scene.picture.make(seat.tree);
                slot.group.is_none()
                    && scene.picture.kind(make, seat.position).traits.contains(wanted)
            })
        };
        group.required.iter().all(has) && group.any_of.iter().all(|any| any.iter().any(has))
    }
}

//! [`Fit`]: the ways in which one tree can serve a request, one after the other.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use crate::search::form::{Form, Slot};
use crate::search::picture::{Picture, Seat};
use crate::search::plan::{Choice, Choices, Plan};
use crate::values::Trait;

/// Goes through the ways in which one tree serves a request: a choice for each slot, by trying the
/// choices of one slot after the other and going back where none is left.
///
/// Of ways that differ only in which of several identical providers serve, or in which of several
/// groups that are alike gets which provider, there is one.
#[derive(Clone, Debug)]
pub(super) struct Fit {
    pub(super) tree: u32,
    /// The choice for each slot that is filled.
    picks: SmallVec<[Pick; 8]>,
    has_begun: bool,
    /// Whether each slot got the first choice that was possible.
    is_straight: bool,
    /// For each slot that was looked at, the order in which its choices are tried; empty if that is
    /// their own.
    orders: SmallVec<[SmallVec<[u32; 8]>; 1]>,
}

#[derive(Clone, Copy, Debug)]
struct Pick {
    /// The position of the choice in the order in which the choices are tried.
    rank: u32,
    seat: Seat,
}

/// Holds what a search of one tree looks at.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) picture: &'a Picture,
    pub(super) form: &'a Form,
    pub(super) plan: &'a Plan,
    /// The tree that each slot's provider has to be in, if the request says so.
    pub(super) trees: &'a [Option<u32>],
    pub(super) taste: Taste,
}

/// Counts the looks at trees and at providers that may serve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    pub(super) made: u64,
    pub(super) most: u64,
}

impl Steps {
    pub(super) fn unbounded() -> Self {
        Steps { made: 0, most: u64::MAX }
    }

    pub(super) fn are_over(self) -> bool {
        self.made >= self.most
    }
}

/// Tells which ways to serve a request are shown, and which come first in one tree.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Taste {
    /// Whether identical providers are told apart.
    pub(super) all: bool,
    pub(super) first: First,
}

/// Tells which providers of one tree are tried first.
#[derive(Clone, Copy, Default, Debug)]
pub(super) enum First {
    /// As they stand in the tree.
    #[default]
    InOrder,
    /// Those that have least free, so that others stay whole.
    Tightest,
    /// At random, as this seed decides.
    Shuffled(u64),
}

impl Fit {
    pub(super) fn new(tree: u32) -> Self {
        Fit {
            tree,
            picks: SmallVec::new(),
            has_begun: false,
            is_straight: true,
            orders: SmallVec::new(),
        }
    }

    /// Returns the providers that fill the slots, in the order of the slots.
    pub(super) fn seats(&self) -> impl Iterator<Item = Seat> {
        self.picks.iter().map(|pick| pick.seat)
    }

    /// Goes to the next way; returns false if there is none, or if the steps are over.
    pub(super) fn next(&mut self, scene: Scene<'_>, steps: &mut Steps) -> bool {
        let slots = &scene.form.slots;
        let tree = scene.picture.trees[self.tree as usize];
        let is_elsewhere = |(slot, tree): (&Slot, &Option<u32>)| {
            slot.group.is_none() && tree.is_some_and(|tree| tree != self.tree)
        };
        if scene.picture.is_cordoned(tree, 0) || slots.iter().zip(scene.trees).any(is_elsewhere) {
            return false;
        }
        let mut from = match std::mem::replace(&mut self.has_begun, true) {
            false => 0,
            true => match self.go_back() {
                Some(next) => next,
                None => return false,
            },
        };
        while !steps.are_over() {
            match self.fill(scene, from, steps) {
                Some(pick) => {
                    self.picks.push(pick);
                    let Some(next) = slots.get(self.picks.len()) else {
                        let is_shown = scene.taste.all || self.is_straight || self.is_least(scene);
                        if is_shown && self.has_traits(scene) && self.obeys_units(scene) {
                            return true;
                        }
                        from = self.go_back().expect("just pushed");
                        continue;
                    };
                    // Of slots that are alike, the later one gets the later choice.
                    from = match next.is_twin {
                        true => pick.rank as usize + usize::from(scene.form.isolates),
                        false => 0,
                    };
                }
                None => match self.go_back() {
                    Some(next) => from = next,
                    None => return false,
                },
            }
        }
        false
    }

    fn go_back(&mut self) -> Option<usize> {
        self.is_straight = false;
        Some(self.picks.pop()?.rank as usize + 1)
    }

    /// Returns the first choice from `from` on that fills the next slot.
    fn fill(&mut self, scene: Scene<'_>, from: usize, steps: &mut Steps) -> Option<Pick> {
        let at = self.picks.len();
        let (slot, choices) = (&scene.form.slots[at], &scene.plan.slots[at]);
        if !matches!(scene.taste.first, First::InOrder)
            && at >= self.orders.len()
            && choices.choices.len() > 1
        {
            self.orders.resize(at, SmallVec::new());
            self.orders.push(self.order(scene, at));
        }
        let tops = self.tops(scene, slot);
        if slot.alike > 1 && !slot.is_twin && !self.are_enough(scene, from, &tops, steps) {
            return None;
        }
        for rank in from..choices.choices.len() {
            steps.made += 1;
            let choice = self.choice(at, rank);
            let Some(seat) = self.room(scene, slot, choices, choice, &tops) else { continue };
            // As long as each slot got its first choice, no equal choice was left out.
            let may_leave_out = !self.is_straight && !scene.taste.all;
            if !(may_leave_out && self.has_equal(scene, choices, rank)) {
                return Some(Pick { rank: rank as u32, seat });
            }
        }
        None
    }

    /// Returns the choice for the slot `at` that is tried after `rank` others.
    #[inline]
    fn choice(&self, at: usize, rank: usize) -> usize {
        let order = self.orders.get(at).and_then(|order| order.get(rank));
        order.map_or(rank, |&choice| choice as usize)
    }

    /// Returns the order in which the choices for the slot `at` are tried. It is the same for slots
    /// that are alike.
    #[cold]
    fn order(&self, scene: Scene<'_>, at: usize) -> SmallVec<[u32; 8]> {
        let Scene { picture, form, plan, .. } = scene;
        let (slot, choices) = (&form.slots[at], &plan.slots[at]);
        let mut order: SmallVec<[u32; 8]> = (0..choices.choices.len() as u32).collect();
        match scene.taste.first {
            First::InOrder => {}
            First::Tightest => {
                let free = |choice: u32| {
                    let seat = choices.choices[choice as usize].seat(self.tree);
                    let places = choices.amounts(choice as usize, slot.amounts.len());
                    seat.into_iter().flat_map(move |seat| {
                        let tree = picture.trees[seat.tree as usize];
                        places.iter().map(move |&at| picture.free_at(tree, seat.position, at))
                    })
                };
                if slot.amounts.len() > 1 {
                    order.sort_by(|&one, &other| free(one).cmp(free(other)));
                } else {
                    let keys = order.iter().map(|&choice| (free(choice).next(), choice));
                    let mut keys: SmallVec<[_; 8]> = keys.collect();
                    keys.sort_unstable();
                    order.iter_mut().zip(keys).for_each(|(place, (_, choice))| *place = choice);
                }
            }
            First::Shuffled(seed) => order.sort_by_key(|&choice| {
                let position = choices.choices[choice as usize].position;
                FixedState::with_seed(seed).hash_one((self.tree, position))
            }),
        }
        order
    }

    /// Returns whether there are enough choices for the next slot and those that are alike.
    fn are_enough(
        &self,
        scene: Scene<'_>,
        from: usize,
        tops: &[Option<Seat>],
        steps: &mut Steps,
    ) -> bool {
        let at = self.picks.len();
        let (slot, choices) = (&scene.form.slots[at], &scene.plan.slots[at]);
        let mut rest = slot.alike as u64;
        for rank in from..choices.choices.len() {
            steps.made += 1;
            let choice = self.choice(at, rank);
            if let Some(seat) = self.room(scene, slot, choices, choice, tops) {
                let times = match scene.form.isolates {
                    true => 1,
                    false => self.times(scene, slot, seat, choices, choice),
                };
                rest = rest.saturating_sub(times);
                if rest == 0 {
                    return true;
                }
            }
        }
        false
    }

    /// Returns how many times `seat` has room for what the slot asks for, or more.
    fn times(
        &self,
        scene: Scene<'_>,
        slot: &Slot,
        seat: Seat,
        choices: &Choices,
        choice: usize,
    ) -> u64 {
        let tree = scene.picture.trees[seat.tree as usize];
        let places = choices.amounts(choice, slot.amounts.len());
        let amounts = slot.amounts.iter().zip(places);
        let times = amounts.map(|(&(_, amount), &place)| {
            scene.picture.free_at(tree, seat.position, place) / amount
        });
        times.min().unwrap_or(u64::MAX)
    }

    /// Returns the seat of a choice for the next slot, if it has room for what the slot asks for and
    /// nothing else is against the choice.
    #[inline]
    fn room(
        &self,
        scene: Scene<'_>,
        slot: &Slot,
        choices: &Choices,
        choice: usize,
        tops: &[Option<Seat>],
    ) -> Option<Seat> {
        let Scene { picture, form, trees, .. } = scene;
        let seat = choices.choices[choice].seat(self.tree)?;
        if trees[self.picks.len()].is_some_and(|tree| tree != seat.tree) {
            return None;
        }
        let tree = picture.trees[seat.tree as usize];
        let places = choices.amounts(choice, slot.amounts.len());
        for (&(_, amount), &place) in slot.amounts.iter().zip(places) {
            if picture.free_at(tree, seat.position, place) < amount {
                return None;
            }
        }
        // A group without resources takes nothing; but nobody wants to be on a cordoned provider.
        if slot.amounts.is_empty() && picture.is_cordoned(tree, seat.position) {
            return None;
        }
        if form.isolates && slot.group.is_some() {
            // The slots of the unnamed group come last.
            if self.picks.iter().any(|pick| pick.seat == seat) {
                return None;
            }
        } else if slot.is_contested
            && self.picks.iter().any(|pick| pick.seat == seat)
            && !self.has_room_beside(scene, slot, seat, places)
        {
            return None;
        }
        for (&set, top) in slot.subtrees.iter().zip(tops) {
            let is_below_top = top.is_some_and(|top| {
                top.tree == seat.tree
                    && picture.make(top.tree).is_below(seat.position, top.position)
            });
            if !is_below_top && !self.is_one_subtree(scene, set, seat) {
                return None;
            }
        }
        Some(seat)
    }

    /// Returns, for each subtree of the slot, the filled slots' provider that all others of the
    /// subtree are below, if there is one.
    #[inline]
    fn tops(&self, scene: Scene<'_>, slot: &Slot) -> SmallVec<[Option<Seat>; 2]> {
        slot.subtrees.iter().map(|&set| self.top(scene, set)).collect()
    }

    fn top(&self, scene: Scene<'_>, set: usize) -> Option<Seat> {
        let at = self.picks.len();
        let slots = &scene.form.subtrees[set];
        let filled = || slots.iter().filter(|&&slot| slot < at).map(|&slot| self.picks[slot].seat);
        filled().find(|top| {
            let make = scene.picture.make(top.tree);
            filled()
                .all(|other| other.tree == top.tree && make.is_below(other.position, top.position))
        })
    }

    /// Returns whether `seat` has room for what the slot asks for beside what the filled slots take
    /// there.
    #[cold]
    fn has_room_beside(&self, scene: Scene<'_>, slot: &Slot, seat: Seat, places: &[u32]) -> bool {
        let Scene { picture, form, .. } = scene;
        let tree = picture.trees[seat.tree as usize];
        let kind = picture.kind(picture.make(seat.tree), seat.position);
        slot.amounts.iter().zip(places).all(|(&(class, amount), &place)| {
            let taken = self.asked_of(form, seat, class);
            let free = picture.free_at(tree, seat.position, place);
            let most = kind.position(class).map_or(0, |at| kind.classes[at].most);
            free.min(most).saturating_sub(taken) >= amount
        })
    }

    /// Returns whether the filled slots of a subtree and `seat` can be in one subtree whose top is
    /// one of them, or of the slots that are not filled yet.
    #[inline(never)]
    fn is_one_subtree(&self, scene: Scene<'_>, set: usize, seat: Seat) -> bool {
        let slots = &scene.form.subtrees[set];
        let at = self.picks.len();
        if slots.iter().any(|&slot| slot > at && scene.plan.slots[slot].may_be_top) {
            return true;
        }
        let filled = || slots.iter().filter(|&&slot| slot < at).map(|&slot| self.picks[slot].seat);
        let is_top = |top: Seat| {
            let make = scene.picture.make(top.tree);
            filled()
                .chain([seat])
                .all(|other| other.tree == top.tree && make.is_below(other.position, top.position))
        };
        filled().chain([seat]).any(is_top)
    }

    /// Returns whether the choice that is tried after `rank` others serves nothing yet, and an
    /// identical sibling that is tried before it serves nothing either.
    fn has_equal(&self, scene: Scene<'_>, choices: &Choices, rank: usize) -> bool {
        let at = self.picks.len();
        let choice = choices.choices[self.choice(at, rank)];
        let is_free = |seat: Seat| self.picks.iter().all(|pick| pick.seat != seat);
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
            _ => (0..rank)
                .map(|rank| choices.choices[self.choice(at, rank)])
                .any(|other| choice.is_sibling(other) && is_equal(other)),
        }
    }

    /// Returns whether this way is the one of those that differ only in the names of identical
    /// siblings and in the order of slots that are alike: of identical siblings, those fill the
    /// first slots that fill the most of them.
    fn is_least(&self, scene: Scene<'_>) -> bool {
        let Scene { picture, form, .. } = scene;
        if !form.slots.iter().any(|slot| slot.is_twin) {
            return true;
        }
        let make = picture.make(self.tree);
        let mut met: SmallVec<[Seat; 8]> = SmallVec::new();
        for Pick { seat, .. } in &self.picks {
            if seat.tree != self.tree || !make.is_leaf(seat.position) || met.contains(seat) {
                continue;
            }
            let is_before = |earlier: &Seat| {
                make.are_siblings(earlier.position, seat.position)
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
        for (pick, slot) in self.picks.iter().zip(&form.slots) {
            if !slot.is_twin && more != 0 {
                break;
            }
            more += i32::from(pick.seat == one) - i32::from(pick.seat == other);
        }
        more < 0
    }

    /// Returns whether what several slots ask of one class of one provider obeys the units together.
    fn obeys_units(&self, scene: Scene<'_>) -> bool {
        let Scene { picture, form, .. } = scene;
        self.picks.iter().zip(&form.slots).all(|(pick, slot)| {
            let kind = || picture.kind(picture.make(pick.seat.tree), pick.seat.position);
            !slot.has_rival
                || slot.amounts.iter().all(|(class, _)| {
                    let sum = self.asked_of(form, pick.seat, *class);
                    let kind = kind();
                    kind.position(*class).is_some_and(|at| kind.classes[at].allow(sum))
                })
        })
    }

    /// Returns how much the filled slots ask of a class of the provider in `seat`, together.
    fn asked_of(&self, form: &Form, seat: Seat, class: u16) -> u64 {
        let there = self.picks.iter().zip(&form.slots).filter(|(pick, _)| pick.seat == seat);
        let amounts = there.flat_map(|(_, slot)| &slot.amounts);
        let asked = amounts.filter(|(other, _)| *other == class).map(|(_, amount)| *amount);
        asked.fold(0, u64::saturating_add)
    }

    /// Returns whether those that fill the slots of the unnamed group have its traits, together.
    fn has_traits(&self, scene: Scene<'_>) -> bool {
        let group = &scene.form.request.unnamed;
        let has = |wanted: &Trait| {
            self.picks.iter().zip(&scene.form.slots).any(|(pick, slot)| {
                let make = scene.picture.make(pick.seat.tree);
                slot.group.is_none()
                    && scene.picture.kind(make, pick.seat.position).traits.contains(wanted)
            })
        };
        group.required.iter().all(has) && group.any_of.iter().all(|any| any.iter().any(has))
    }
}

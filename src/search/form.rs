//! [`Form`]: a request, arranged for the search.

use std::collections::BTreeSet;

use smallvec::SmallVec;

use crate::search::group::Group;
use crate::search::request::Request;

/// Holds a request as a list of slots, each to be filled with one provider.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) request: Request,
    /// The slots in the order in which they are filled.
    pub(super) slots: Vec<Slot>,
    /// Lists the slots of each subtree that the request wants.
    pub(super) subtrees: Vec<SmallVec<[usize; 4]>>,
    /// What the slots ask for together, class by class.
    pub(super) needs: Vec<Need>,
    pub(super) isolates: bool,
}

/// Describes what one provider has to give: everything that a named group asks for, or one class
/// of the unnamed group.
#[derive(Debug)]
pub(super) struct Slot {
    /// The position of the group in the request; `None` for the unnamed group.
    pub(super) group: Option<usize>,
    pub(super) amounts: SmallVec<[(u16, u64); 2]>,
    /// The positions of the subtrees that the slot belongs to.
    pub(super) subtrees: SmallVec<[usize; 2]>,
    /// Counts the slots from here on that are alike, so that it makes no difference which of them a
    /// provider fills.
    pub(super) alike: usize,
    /// Whether the slot before is alike.
    pub(super) is_twin: bool,
    /// Whether a slot before asks for a class that this one asks for.
    pub(super) is_contested: bool,
    /// Whether any other slot does.
    pub(super) has_rival: bool,
}

/// Holds what a request asks for of one class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    pub(super) class: u16,
    /// The greatest amount that one provider has to have.
    pub(super) most: u64,
    /// What is needed together.
    pub(super) sum: u64,
}

impl Form {
    /// Arranges a request that has been checked.
    pub(super) fn new(request: &Request) -> Self {
        let subtrees: Vec<_> = request.subtrees().into_iter().collect();
        let subtrees_of = |group: usize| -> SmallVec<[usize; 2]> {
            let sets = subtrees.iter().enumerate();
            sets.filter(|(_, groups)| groups.contains(&group)).map(|(at, _)| at).collect()
        };
        let mut slots = Vec::new();
        for group in order(request, &subtrees_of) {
            let subtrees = subtrees_of(group);
            let before = slots.last().and_then(|slot: &Slot| slot.group);
            let is_twin = before.is_some_and(|before| {
                request.groups[before].1 == request.groups[group].1
                    && subtrees_of(before) == subtrees
            });
            let amounts = amounts(&request.groups[group].1);
            slots.push(Slot {
                group: Some(group),
                amounts,
                subtrees,
                alike: 1,
                is_twin,
                is_contested: false,
                has_rival: false,
            });
        }
        for amount in amounts(&request.unnamed) {
            let amounts = SmallVec::from_slice(&[amount]);
            let subtrees = SmallVec::new();
            slots.push(Slot {
                group: None,
                amounts,
                subtrees,
                alike: 1,
                is_twin: false,
                is_contested: false,
                has_rival: false,
            });
        }
        for at in (1..slots.len()).rev() {
            let (before, rest) = slots.split_at_mut(at);
            let asks = |class| before.iter().flat_map(|it| &it.amounts).any(|it| it.0 == class);
            rest[0].is_contested = rest[0].amounts.iter().any(|(class, _)| asks(*class));
            if slots[at].is_twin {
                slots[at - 1].alike = slots[at].alike + 1;
            }
        }
        for at in 0..slots.len() {
            let asks = |class| {
                let others = slots.iter().enumerate().filter(|(other, _)| *other != at);
                others.flat_map(|(_, it)| &it.amounts).any(|it| it.0 == class)
            };
            slots[at].has_rival = slots[at].amounts.iter().any(|(class, _)| asks(*class));
        }
        let slots_of = |groups: &Vec<usize>| -> SmallVec<[usize; 4]> {
            let is_in = |slot: &Slot| slot.group.is_some_and(|group| groups.contains(&group));
            (0..slots.len()).filter(|&at| is_in(&slots[at])).collect()
        };
        Form {
            subtrees: subtrees.iter().map(slots_of).collect(),
            needs: needs(&slots),
            isolates: request.isolate,
            request: request.clone(),
            slots,
        }
    }

    /// Returns the name of a group.
    pub(super) fn name(&self, group: usize) -> &str {
        &self.request.groups[group].0
    }

    /// Returns the group that a slot belongs to.
    pub(super) fn group(&self, slot: &Slot) -> &Group {
        slot.group.map_or(&self.request.unnamed, |group| &self.request.groups[group].1)
    }
}

fn amounts(group: &Group) -> SmallVec<[(u16, u64); 2]> {
    group.resources.iter().map(|(class, amount)| (class.number(), *amount)).collect()
}

/// Returns the named groups in the order in which they are filled: those without resources
/// first, which are most often the top of a subtree; groups that are alike side by side.
fn order(request: &Request, subtrees_of: &impl Fn(usize) -> SmallVec<[usize; 2]>) -> Vec<usize> {
    let mut rest: Vec<usize> = (0..request.groups.len()).collect();
    rest.sort_by_key(|&group| !request.groups[group].1.resources.is_empty());
    let mut found = Vec::with_capacity(rest.len());
    while let Some(&first) = rest.first() {
        let is_alike = |group: usize| {
            request.groups[group].1 == request.groups[first].1
                && subtrees_of(group) == subtrees_of(first)
        };
        let (alike, others) = rest.iter().partition(|&&group| is_alike(group));
        found.extend::<Vec<usize>>(alike);
        rest = others;
    }
    found
}

fn needs(slots: &[Slot]) -> Vec<Need> {
    let amounts = || slots.iter().flat_map(|slot| slot.amounts.iter().copied());
    let classes: BTreeSet<u16> = amounts().map(|(class, _)| class).collect();
    let need = |class| {
        let of_class = || amounts().filter(|(other, _)| *other == class).map(|(_, amount)| amount);
        let most = of_class().max().unwrap_or(0);
        Need { class, most, sum: of_class().fold(0, u64::saturating_add) }
    };
    classes.into_iter().map(need).collect()
}

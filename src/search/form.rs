//! [`Form`]: a request, arranged for the search.

use std::collections::BTreeSet;

use crate::search::group::Group;
use crate::search::request::Request;

/// Holds a request as a list of slots, each to be filled with one provider.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) request: Request,
    /// The slots in the order in which they are filled.
    pub(super) slots: Box<[Slot]>,
    /// Lists the slots of each subtree that the request wants.
    pub(super) subtrees: Box<[Box<[usize]>]>,
    /// What the slots ask for together, class by class.
    pub(super) needs: Box<[Need]>,
    pub(super) isolates: bool,
    /// Whether a group has to be served in a tree that it names.
    pub(super) names_trees: bool,
}

/// Describes what one provider has to give: everything that a named group asks for, or one class
/// of the unnamed group.
#[derive(Debug)]
pub(super) struct Slot {
    /// The position of the group in the request; `None` for the unnamed group.
    pub(super) group: Option<usize>,
    pub(super) amounts: Box<[(u16, u64)]>,
    /// The positions of the subtrees that the slot belongs to.
    pub(super) subtrees: Box<[usize]>,
    /// Counts the slots from here on that are alike, so that it makes no difference which of them a
    /// provider fills.
    pub(super) alike: usize,
    /// Whether the slot before is alike.
    pub(super) is_twin: bool,
    /// Whether a slot before asks for a class that this one asks for, and may be filled with the same
    /// provider.
    pub(super) is_contested: bool,
    /// Whether that is so for any other slot.
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
        let subtrees_of = |group: usize| -> Box<[usize]> {
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
            let amounts = Box::new([amount]);
            let subtrees = Box::default();
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
            if slots[at].is_twin {
                slots[at - 1].alike = slots[at].alike + 1;
            }
        }
        for at in 0..slots.len() {
            let is_rival = |other: &Slot| {
                let are_apart =
                    request.isolate && slots[at].group.is_some() && other.group.is_some();
                let asks = |class| other.amounts.iter().any(|amount| amount.0 == class);
                !are_apart && slots[at].amounts.iter().any(|(class, _)| asks(*class))
            };
            let is_contested = slots[..at].iter().any(is_rival);
            let has_rival = is_contested || slots[at + 1..].iter().any(is_rival);
            (slots[at].is_contested, slots[at].has_rival) = (is_contested, has_rival);
        }
        let slots_of = |groups: &Vec<usize>| -> Box<[usize]> {
            let is_in = |slot: &Slot| slot.group.is_some_and(|group| groups.contains(&group));
            (0..slots.len()).filter(|&at| is_in(&slots[at])).collect()
        };
        Form {
            subtrees: subtrees.iter().map(slots_of).collect(),
            needs: needs(&slots).into_boxed_slice(),
            isolates: request.isolate,
            names_trees: slots.iter().any(|slot| group_of(request, slot).in_tree.is_some()),
            request: request.clone(),
            slots: slots.into_boxed_slice(),
        }
    }

    /// Returns the name of a group.
    pub(super) fn name(&self, group: usize) -> &str {
        &self.request.groups[group].0
    }

    /// Returns the group that a slot belongs to.
    pub(super) fn group(&self, slot: &Slot) -> &Group {
        group_of(&self.request, slot)
    }
}

fn group_of<'a>(request: &'a Request, slot: &Slot) -> &'a Group {
    slot.group.map_or(&request.unnamed, |group| &request.groups[group].1)
}

fn amounts(group: &Group) -> Box<[(u16, u64)]> {
    group.resources.iter().map(|(class, amount)| (class.number(), *amount)).collect()
}

/// Returns the named groups in the order in which they are filled: those without resources
/// first, which are most often the top of a subtree; groups that are alike side by side.
fn order(request: &Request, subtrees_of: &impl Fn(usize) -> Box<[usize]>) -> Vec<usize> {
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

//! How a [`Picture`] counts what changes, and remembers what has changed.

use std::collections::hash_map::Entry;

use crate::forest::Provider;
use crate::layout::usage_of;
use crate::ledger::{Cell, GateWord};
use crate::search::column::{Column, Free};
use crate::search::picture::{Assumption, ChangedTrees, Picture, Seat, Tree};
use crate::search::recency::Recency;
use crate::values::Usage;

/// A tree with more providers of one class than this is not summed up at each change, but searched.
const MOST_SUMMED: usize = 64;

impl Picture {
    /// Lists the trees that change from now on, and for a start all trees.
    pub(in crate::search) fn list_all_changes(&mut self) {
        let trees = (0..self.trees.len() as u32).collect();
        self.changed = Some(ChangedTrees { trees, is_anew: true });
    }

    /// Returns the trees that have changed, if they are listed.
    #[inline]
    pub(in crate::search) fn changed_trees(&self) -> Option<&ChangedTrees> {
        self.changed.as_ref()
    }

    /// Empties the list of trees that have changed.
    #[inline]
    pub(in crate::search) fn forget_changes(&mut self) {
        if let Some(changed) = &mut self.changed {
            changed.trees.clear();
            changed.is_anew = false;
        }
    }

    /// Remembers from now on which trees have changed when.
    pub(in crate::search) fn remember_changes(&mut self) {
        self.recent.get_or_insert_default();
    }

    /// Counts the changes of trees that are remembered.
    #[inline]
    pub(in crate::search) fn changes(&self) -> u64 {
        self.recent.as_ref().map_or(0, Recency::count)
    }

    /// Returns the trees that have changed since there had been `seen` changes; `None` if that is too
    /// long ago.
    #[inline]
    pub(in crate::search) fn changed_since(
        &self,
        seen: u64,
    ) -> Option<impl Iterator<Item = u32> + '_> {
        self.recent.as_ref()?.since(seen)
    }

    /// Returns whether more is used of `class` in `seat` than a number holds.
    pub(in crate::search) fn is_saturated(&self, seat: Seat, class: u16) -> bool {
        self.usages(seat).any(|(other, usage)| other == class && usage.used == u64::MAX)
    }

    /// Notes that a tree has changed.
    #[inline]
    pub(super) fn note_change(&mut self, tree: u32) {
        if let Some(recent) = &mut self.recent {
            recent.note(tree);
            self.shared_changes += u64::from(self.has_sharing(tree));
        }
        if let Some(changed) = &mut self.changed
            && changed.trees.last() != Some(&tree)
        {
            changed.trees.push(tree);
        }
    }

    /// Notes that more is free in `tree` than before.
    pub(super) fn note_growth(&mut self, tree: u32) {
        if self.has_sharing(tree) {
            // What is shared may be what any other tree lacked.
            self.shared_growth += 1;
        }
        self.grown.note(tree);
    }

    /// Returns whether a provider of `tree` shares what it has with other trees.
    #[inline]
    fn has_sharing(&self, tree: u32) -> bool {
        self.sharing.binary_search_by_key(&tree, |seat| seat.tree).is_ok()
    }

    #[inline]
    pub(super) fn assumed(&self, provider: &Provider, class: u16) -> u64 {
        match self.assumed.is_empty() {
            true => 0,
            false => self.assumed.get(&assumption(provider, class)).copied().unwrap_or(0),
        }
    }

    /// Counts `amount` as used in addition to whatever is read of the provider.
    pub(in crate::search) fn assume(&mut self, provider: &Provider, class: u16, amount: u64) {
        let assumed = self.assumed.entry(assumption(provider, class)).or_insert(0);
        *assumed = assumed.saturating_add(amount);
    }

    /// Counts at most `amount` as used no longer in addition to what is read of the provider.
    /// Returns how much was.
    pub(in crate::search) fn undo(&mut self, provider: &Provider, class: u16, amount: u64) -> u64 {
        let key = assumption(provider, class);
        let Entry::Occupied(mut assumed) = self.assumed.entry(key) else { return 0 };
        let undone = amount.min(*assumed.get());
        *assumed.get_mut() -= undone;
        if *assumed.get() == 0 {
            assumed.remove();
        }
        undone
    }

    /// Lets the provider in `seat` be read again when its usage cell is looked at. Returns the cell,
    /// unless that is so already.
    #[inline]
    pub(in crate::search) fn doubt(&mut self, seat: Seat) -> Option<Cell> {
        let number = self.number(seat);
        let entry = &mut self.entries[number];
        let is_doubted = std::mem::replace(&mut entry.usage, GateWord::VACANT) == GateWord::VACANT;
        (!is_doubted).then(|| usage_of(entry.provider.cell))
    }

    /// Returns the amounts of all providers of `tree`.
    pub(in crate::search) fn amounts_of(&mut self, tree: u32) -> &mut [Usage] {
        let Tree { make, amounts, .. } = self.trees[tree as usize];
        let (first, count) = (amounts as usize, self.makes.get(make).amounts as usize);
        &mut self.amounts[first..first + count]
    }

    /// Changes what is used of `class` in `seat`, without summing up. Returns what was free before,
    /// and what is now.
    #[inline]
    pub(in crate::search) fn change_used(
        &mut self,
        seat: Seat,
        class: u16,
        change: impl FnOnce(u64) -> u64,
    ) -> Option<(u64, u64)> {
        let tree = self.trees[seat.tree as usize];
        let at = self.amount_of(self.makes.get(tree.make), seat.position, class)?;
        let usage = &mut self.amounts[(tree.amounts + at) as usize];
        let before = usage.free();
        usage.used = change(usage.used);
        Some((before, usage.free()))
    }

    /// Changes what is used of `class` in `seat`, and notes that the tree has changed or grown.
    #[inline]
    pub(in crate::search) fn change(
        &mut self,
        seat: Seat,
        class: u16,
        change: impl FnOnce(u64) -> u64,
    ) {
        let Some((before, after)) = self.change_used(seat, class, change) else { return };
        if !self.is_cordoned(seat) {
            self.adjust(seat.tree, class, before, after);
            if after > before {
                self.note_growth(seat.tree);
            }
        }
        self.note_change(seat.tree);
    }

    /// Brings the sums of `class` in `tree` up to date, after one provider has come to have `after`
    /// free instead of `before`.
    #[inline]
    pub(super) fn adjust(&mut self, tree: u32, class: u16, before: u64, after: u64) {
        if before == after {
            return;
        }
        let Free { most, sum } = self.free_of(class, tree as usize);
        let rest = sum - before;
        let free = match (sum, rest.checked_add(after)) {
            // The sum is too great to be known, or was not computed.
            (u64::MAX, _) | (_, None) => None,
            (_, Some(sum)) if rest == 0 => Some(Free { most: after, sum }),
            (_, Some(sum)) => {
                let is_less = before == most && after < before;
                let stays = !is_less || self.has_free(tree, class, most);
                stays.then(|| Free { most: most.max(after), sum })
            }
        };
        match free {
            Some(free) => {
                self.columns[class as usize].set(tree as usize, Some(free), self.trees.len());
            }
            None => {
                let class = self.make(tree).position(class);
                self.summarize(tree, class.expect("a make lists the classes of its members"));
            }
        }
    }

    /// Returns whether a provider of `tree` has just so much free of `class`.
    #[inline]
    fn has_free(&self, tree: u32, class: u16, amount: u64) -> bool {
        let place = self.trees[tree as usize];
        let members = self.makes.get(place.make).members_with(class);
        members.iter().any(|&(position, at)| self.free_at(place, position, at) == amount)
    }

    /// Computes what is free in `tree` of the class at this position of the make.
    pub(super) fn summarize(&mut self, tree: u32, class: usize) {
        let place = self.trees[tree as usize];
        let members = &self.makes.get(place.make).classes[class];
        let free = match members.members.len() > MOST_SUMMED {
            true => Free { most: u64::MAX, sum: u64::MAX },
            false => self.sum_of(place, &members.members),
        };
        let class = members.class as usize;
        if class >= self.columns.len() {
            self.columns.resize_with(class + 1, Column::default);
        }
        let trees = self.trees.len().max(self.expected);
        self.columns[class].set(tree as usize, Some(free), trees);
    }
}

fn assumption(provider: &Provider, class: u16) -> Assumption {
    (provider.cell, provider.incarnation, class)
}

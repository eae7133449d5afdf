//! [`Reshape`]: what a batch does to providers, as part of its transaction.
//!
//! Providers come, move and are configured before the batch takes anything, so that what it takes can be
//! theirs; providers go afterwards, so that what is held of them can be given back before.

use std::collections::HashSet;
use std::sync::Arc;

use crate::claim::batch::{Batch, ProviderChange};
use crate::error::{Error, Fault, Result};
use crate::forest::configuration::{Candidate, OldConfiguration};
use crate::forest::{
    Entry, Expect, Facts, Forest, KeyCell, OldProvider, ParentOf, Plan, PlanKeys, Provider,
    Refusal, Replacement, SharingChange, begin, open_key, relink, remove_in,
};
use crate::layout::{ClassWords, State, usage_of, write_usage};
use crate::ledger::{Abort, Cell, Stamp, Transaction, Writer};

/// Holds what a batch is about to do to providers, with the versions that it is about to put in force.
pub(super) struct Reshape<'a> {
    forest: &'a Forest,
    /// The providers that the batch creates.
    plan: &'a Plan<'a>,
    keys: PlanKeys<'a>,
    /// The facts of each provider that the batch creates.
    created: Vec<Candidate<'a>>,
    changed: &'a [ProviderChange],
    /// The facts of each provider that the batch changes.
    replacements: Vec<Replacement<'a>>,
    removed: &'a [Provider],
}

impl<'a> Reshape<'a> {
    /// Publishes what `batch` is to put in force. `replaced` gets the facts in force now, whose drop may run
    /// code of the caller's.
    pub(super) fn prepare(
        forest: &'a Forest,
        batch: &'a Batch,
        plan: &'a Plan<'a>,
        keys: PlanKeys<'a>,
        replaced: &mut Vec<Arc<Facts>>,
    ) -> Result<Self> {
        let mut replacements = Vec::with_capacity(batch.changed.len());
        for ProviderChange { provider, edit, parent } in &batch.changed {
            let (title, current) = forest.configuration(provider)?;
            let current = current.facts;
            let (mut next, expect) = match edit {
                Some((edit, expect)) => (edit.applied_to(&current), *expect),
                None => (None, Expect::Any),
            };
            if let Some(parent) = parent {
                let parent = parent.map(|parent| parent.uuid());
                next = Some(Facts { parent, ..next.unwrap_or_else(|| (*current).clone()) });
            }
            let before = (title.version, &*current);
            replacements.push(Replacement::new(forest, provider, expect, before, next)?);
            replaced.push(current);
        }
        let publish = |(entry, key): (&Entry<'_>, &KeyCell)| {
            let layout = forest.layouts.layout(&entry.capacities);
            let (usage, facts) = (usage_of(key.cell), entry.spec.facts());
            forest.configurations.publish(&forest.ledger, usage, facts, layout)
        };
        let created = plan.entries.iter().zip(keys.structures).map(publish).collect();
        let (changed, removed) = (&batch.changed[..], &batch.removed[..]);
        Ok(Reshape { forest, plan, keys, created, changed, replacements, removed })
    }

    /// Returns the versions that the transaction is to put in force.
    pub(super) fn candidates(&self) -> impl Iterator<Item = &Candidate<'a>> + Clone {
        let replacing = self.replacements.iter().map(|replacement| &replacement.candidate);
        replacing.chain(&self.created)
    }

    /// Lets providers come, moves and configures them, as part of the transaction.
    pub(super) fn begin(&self, transaction: &mut Transaction<'_>) -> Result<(), Abort<Refusal>> {
        self.create(transaction)?;
        for ProviderChange { provider, parent, .. } in self.changed {
            if let Some(parent) = parent {
                relink(self.forest, transaction, provider, parent.as_ref())?;
            }
        }
        for replacement in &self.replacements {
            // The batch may take again what it has given back, even if that exceeds the capacity.
            replacement.put_in_force(transaction, self.forest.sharing, u64::MAX)?;
        }
        Ok(())
    }

    fn create(&self, transaction: &mut Transaction<'_>) -> Result<(), Abort<Refusal>> {
        for position in self.plan.parents_first() {
            let entry = &self.plan.entries[position];
            let parent = match entry.parent {
                ParentOf::None => self.forest.super_root,
                ParentOf::Listed(parent) => self.keys.structures[parent].cell,
                ParentOf::Outside(parent) => {
                    let key = self.keys.outside[parent];
                    if open_key(transaction, key)?.1.state != State::Live {
                        let (provider, parent) = (entry.spec.uuid, self.plan.outside[parent]);
                        let faults = vec![Fault::Orphan { provider, parent }];
                        return Err(Error::InvalidEntries { faults }.into());
                    }
                    key.cell
                }
            };
            let classes: Vec<ClassWords> =
                entry.capacities.iter().map(|capacity| capacity.with_used(0, 0, 0)).collect();
            let candidate = &self.created[position];
            let generation = entry.spec.generation.unwrap_or(0);
            let named = (entry.spec.uuid, &entry.spec.name);
            let keys = (self.keys.structures[position], self.keys.name_keys[position]);
            begin(transaction, named, keys, (None, parent), |words, life, inherited| {
                let (version, layout) = (candidate.version, candidate.layout());
                write_usage(words, life, generation, version, inherited, &classes, layout);
            })?;
            let mut sharing = SharingChange::default();
            sharing.comes(&entry.spec.facts());
            sharing.apply(transaction, self.forest.sharing)?;
        }
        Ok(())
    }

    /// Lets providers go, as part of the transaction. `gone` gets what the indexes have to forget afterwards.
    pub(super) fn end(
        &self,
        transaction: &mut Transaction<'_>,
        gone: &mut Vec<OldProvider>,
    ) -> Result<(), Abort<Refusal>> {
        gone.clear();
        for provider in self.removed {
            remove_in(self.forest, transaction, provider, true, gone)?;
        }
        let cells = self.changed.iter().map(|change| change.provider.cell);
        let kept: HashSet<Cell> =
            cells.chain(self.keys.structures.iter().map(|key| key.cell)).collect();
        let both = gone.iter().filter(|old| kept.contains(&old.structure.cell));
        let faults: Vec<_> = both.map(|old| Fault::AlsoRemoved { provider: old.uuid }).collect();
        match faults.is_empty() {
            true => Ok(()),
            false => Err(Error::InvalidEntries { faults }.into()),
        }
    }

    /// Notes that the transaction has committed at `at`, and lets the indexes forget what has `gone`. Returns
    /// what was replaced, to be dropped last.
    pub(super) fn settle(
        self,
        writer: &mut Writer,
        at: Stamp,
        gone: &[OldProvider],
    ) -> Vec<OldConfiguration> {
        let mut old: Vec<_> = self.replacements.into_iter().map(|it| it.replaces(at)).collect();
        self.created.into_iter().for_each(|candidate| candidate.begins(at));
        old.extend(gone.iter().map(|gone| gone.forget(self.forest, writer, at)));
        old
    }
}

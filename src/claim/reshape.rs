//! [`Reshape`]: what a batch does to providers, as part of its transaction.
//!
//! Providers come, move and are configured before the batch takes anything, so that what it takes can be
//! theirs; providers go afterwards, so that what is held of them can be given back before.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::claim::batch::Batch;
use crate::error::{Error, Fault, Result};
use crate::forest::configuration::{Candidate, OldConfiguration};
use crate::forest::{
    Entry, Expect, Facts, Forest, KeyCell, OldProvider, Plan, PlanKeys, Provider, Refusal,
    Replacement, SharingChange, begin, check_parents, relink, remove_in,
};
use crate::layout::{ClassWords, usage_of, write_usage};
use crate::ledger::{Abort, Cell, Stamp, Transaction, Writer};

/// Holds what a batch is about to do to providers, with the versions that it is about to put in force.
pub(super) struct Reshape<'a> {
    forest: &'a Forest,
    /// The providers that the batch creates.
    plan: &'a Plan<'a>,
    keys: PlanKeys<'a>,
    /// The facts of each provider that the batch creates.
    created: Vec<Candidate<'a>>,
    /// What the providers that the batch creates add to the counts of sharing providers.
    sharing: SharingChange,
    moves: &'a [(Provider, Option<Provider>)],
    /// The facts of each provider that the batch moves or configures.
    replacements: Vec<Replacement<'a>>,
    removed: &'a [Provider],
}

/// Holds what is to replace the facts of a provider that a batch changes.
pub(super) struct NextFacts {
    provider: Provider,
    expect: Expect,
    /// The version in force now, and its facts.
    before: (u64, Arc<Facts>),
    /// `None` if nothing changes.
    next: Option<Facts>,
}

/// Works out what `batch` makes of the facts in force. That compares values of the caller's types, which may
/// panic. `replaced` gets the facts in force, whose drop may run code of the caller's.
pub(super) fn next_facts(
    forest: &Forest,
    batch: &Batch,
    replaced: &mut Vec<Arc<Facts>>,
) -> Result<Vec<NextFacts>> {
    let mut moves: HashMap<_, _, foldhash::fast::RandomState> =
        batch.moves.iter().map(|(provider, parent)| (*provider, *parent)).collect();
    let edits = batch.edits.iter().map(|it| (it.provider, Some((&it.edit, it.expect))));
    let mut changes: Vec<_> =
        edits.map(|(provider, edit)| (provider, edit, moves.remove(&provider))).collect();
    let rest = batch.moves.iter().filter(|(provider, _)| moves.contains_key(provider));
    changes.extend(rest.map(|(provider, parent)| (*provider, None, Some(*parent))));
    let mut all = Vec::with_capacity(changes.len());
    for (provider, edit, parent) in changes {
        let (title, current) = forest.configuration(&provider)?;
        let current = current.facts;
        replaced.push(Arc::clone(&current));
        let expect = edit.map_or(Expect::Any, |(_, expect)| expect);
        let mut next = edit.and_then(|(edit, _)| edit.applied_to(&current));
        if let Some(parent) = parent {
            let parent = parent.map(|parent: Provider| parent.uuid());
            next = Some(Facts { parent, ..next.unwrap_or_else(|| (*current).clone()) });
        }
        all.push(NextFacts { provider, expect, before: (title.version, current), next });
    }
    Ok(all)
}

impl<'a> Reshape<'a> {
    /// Publishes what `batch` is to put in force, with these `facts` of the providers that it changes.
    pub(super) fn prepare(
        forest: &'a Forest,
        batch: &'a Batch,
        plan: &'a Plan<'a>,
        keys: PlanKeys<'a>,
        facts: Vec<NextFacts>,
    ) -> Result<Self> {
        let mut replacements = Vec::with_capacity(facts.len());
        for NextFacts { provider, expect, before: (version, current), next } in facts {
            let before = (version, &*current);
            replacements.push(Replacement::new(forest, &provider, expect, before, next)?);
        }
        let mut sharing = SharingChange::default();
        let publish = |(entry, key): (&Entry<'_>, &KeyCell)| {
            let layout = forest.layouts.layout(plan.capacities_of(entry));
            let (usage, facts) = (usage_of(key.cell), entry.spec.facts());
            sharing.comes(&facts);
            forest.configurations.publish(&forest.ledger, usage, facts, layout)
        };
        let created = plan.entries.iter().zip(keys.structures).map(publish).collect();
        let (moves, removed) = (&batch.moves[..], &batch.removed[..]);
        Ok(Reshape { forest, plan, keys, created, sharing, moves, replacements, removed })
    }

    /// Returns the versions that the transaction is to put in force.
    pub(super) fn candidates(&self) -> impl Iterator<Item = &Candidate<'a>> + Clone {
        let replacing = self.replacements.iter().map(|replacement| &replacement.candidate);
        replacing.chain(&self.created)
    }

    /// Lets providers come, moves and configures them, as part of the transaction.
    pub(super) fn begin(&self, transaction: &mut Transaction<'_>) -> Result<(), Abort<Refusal>> {
        self.create(transaction)?;
        for (provider, parent) in self.moves {
            relink(self.forest, transaction, provider, parent.as_ref())?;
        }
        for replacement in &self.replacements {
            // The batch may take again what it has given back, even if that exceeds the capacity.
            replacement.put_in_force(transaction, self.forest.sharing, u64::MAX)?;
        }
        Ok(())
    }

    fn create(&self, transaction: &mut Transaction<'_>) -> Result<(), Abort<Refusal>> {
        let mut faults = Vec::new();
        // Nothing is dropped: what the batch removes goes last, with nothing new below it.
        let parents =
            check_parents(self.forest, transaction, (self.plan, &self.keys), [], &mut faults)?;
        if !faults.is_empty() {
            return Err(Error::InvalidEntries { faults }.into());
        }
        for position in self.plan.parents_first() {
            transaction.note_progress();
            let entry = &self.plan.entries[position];
            let classes: Vec<ClassWords> = self
                .plan
                .capacities_of(entry)
                .iter()
                .map(|capacity| capacity.with_used(0, 0, 0))
                .collect();
            let candidate = &self.created[position];
            let generation = entry.spec.generation.unwrap_or(0);
            let named = (entry.spec.uuid, &entry.spec.name);
            let keys = (self.keys.structures[position], self.keys.name_keys[position]);
            let parent = (None, parents[position]);
            begin(transaction, named, keys, parent, |words, life, inherited| {
                let (version, layout) = (candidate.version, candidate.layout());
                write_usage(words, life, generation, version, inherited, &classes, layout);
            })?;
        }
        self.sharing.apply(transaction, self.forest.sharing)?;
        Ok(())
    }

    /// Lets providers go, as part of the transaction. `gone` gets what the indexes have to forget afterwards.
    pub(super) fn end(
        &self,
        transaction: &mut Transaction<'_>,
        gone: &mut Vec<OldProvider>,
    ) -> Result<(), Abort<Refusal>> {
        gone.clear();
        let mut lives = HashSet::<_, foldhash::fast::RandomState>::default();
        for provider in self.removed {
            // Removed along with an ancestor, or named twice.
            if lives.contains(&(provider.cell, provider.incarnation)) {
                continue;
            }
            let first = gone.len();
            remove_in(self.forest, transaction, provider, true, gone)?;
            lives.extend(gone[first..].iter().map(|old| {
                let KeyCell { cell, incarnation } = old.structure;
                (cell, incarnation)
            }));
        }
        let created = self.keys.structures.iter().map(|key| key.cell);
        let changed = self.replacements.iter().map(|replacement| replacement.provider().cell);
        let kept: HashSet<Cell, foldhash::fast::RandomState> = created.chain(changed).collect();
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

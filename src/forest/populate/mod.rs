//! Populate: many providers at one instant, new ones and replaced ones.
//!
//! One transaction covers everything that is listed, everything below the listed providers, and the
//! neighbours of both. A *listed* provider that exists is *replaced*: the provider keeps its cells,
//! so that handles of it stay good. A provider that is below a replaced one and not listed is
//! *dropped*.

mod attempt;
mod plan;
mod spec;

use std::sync::Arc;

use crate::error::Result;
use crate::forest::configuration::{Candidate, Configuration};
use crate::forest::core::Forest;
use crate::forest::keys::{Interned, Refused, while_stale, with_both_keys};
use crate::forest::provider::Provider;
use crate::layout::usage_of;
use crate::ledger::{Transaction, Writer};
use crate::resource_class::ResourceClass;
use attempt::Attempt;
use plan::Entry;

pub(crate) use plan::Plan;
pub use spec::ProviderSpec;

/// Lists what is used of the classes of a provider that a dump is loaded into, by class.
pub(crate) type Used = Vec<UsedClass>;

/// Holds what is used of one class from the beginning.
#[derive(Clone, Copy)]
pub(crate) struct UsedClass {
    pub(crate) class: ResourceClass,
    pub(crate) used: u64,
    pub(crate) taken: u64,
}

impl Forest {
    /// Makes the plan true; returns the providers in the order of the plan's entries. `used` lists
    /// for each entry what is used of a new provider from the beginning; an empty list stands for
    /// nothing.
    pub(crate) fn populate(
        &self,
        writer: &mut Writer,
        plan: &Plan<'_>,
        used: &[Used],
    ) -> Result<Vec<Provider>> {
        plan.entries.iter().try_for_each(|entry| entry.spec.inventories.check_count())?;
        let uuids = plan.entries.iter().map(|entry| &entry.spec.uuid).chain(&plan.outside);
        let names = plan.entries.iter().map(|entry| &entry.spec.name);
        while_stale(|| {
            let (uuids, names) = ((&self.providers, uuids.clone()), (&self.names, names.clone()));
            with_both_keys(writer, uuids, names, |writer, providers, labels| {
                let (structures, outside) = providers.split_at(plan.entries.len());
                let keys = PlanKeys { structures, labels, outside };
                self.populate_interned(writer, plan, used, &keys)?;
                let handle =
                    |(entry, key): (&Entry<'_>, &Interned)| self.handle_of(entry.spec.uuid, *key);
                Ok(plan.entries.iter().zip(structures).map(handle).collect())
            })
        })
    }

    fn populate_interned(
        &self,
        writer: &mut Writer,
        plan: &Plan<'_>,
        used: &[Used],
        keys: &PlanKeys<'_>,
    ) -> Result<(), Refused> {
        let candidates: Vec<_> = plan
            .entries
            .iter()
            .zip(keys.structures)
            .map(|(entry, key)| {
                let configuration = Arc::new(entry.configuration());
                self.configurations.publish(&self.ledger, usage_of(key.cell), configuration)
            })
            .collect();
        let attempt = Attempt { core: self, plan, used, keys, candidates: &candidates };
        let body = |transaction: &mut Transaction<'_>| attempt.body(transaction);
        let (outcome, at) = Candidate::decide(candidates.iter(), writer, body)?;
        // Holds the replaced and dropped configurations until everything is forgotten.
        let mut all_gone = Vec::new();
        for (candidate, replaced) in candidates.into_iter().zip(outcome.replaced) {
            match replaced {
                Some(version) => all_gone.push(candidate.replaces(version, at)),
                None => candidate.begins(at),
            }
        }
        for (name, label) in &outcome.names {
            self.names.release(writer, &**name, *label);
        }
        all_gone.extend(outcome.dropped.iter().map(|gone| self.forget(writer, gone, at)));
        Ok(())
    }
}

impl Entry<'_> {
    fn configuration(&self) -> Configuration {
        Configuration {
            name: Arc::clone(&self.spec.name),
            inventories: Arc::clone(&self.spec.inventories),
            traits: Arc::clone(&self.spec.traits),
            aggregates: Arc::clone(&self.spec.aggregates),
            resources: self.spec.resources.clone(),
        }
    }
}

/// Holds the cells of all keys that a plan names.
struct PlanKeys<'a> {
    /// For each entry, the cell of its uuid.
    structures: &'a [Interned],
    /// For each entry, the cell of its name.
    labels: &'a [Interned],
    /// For each parent that is not listed, the cell of its uuid, so that the transaction can rest
    /// on the parent's absence too.
    outside: &'a [Interned],
}

//! Populate: many providers at one instant, new ones and replaced ones.
//!
//! One transaction over everything that is listed, everything below that, and the neighbours of
//! both. A *listed* provider that exists is *replaced*: it keeps its cells, so that handles of it
//! stay good. What is below it and not listed is *dropped*.

mod attempt;
mod plan;
mod spec;

use std::sync::Arc;

use crate::error::Result;
use crate::ledger::{Transaction, Writer};
use crate::resource_class::ResourceClass;
use crate::tree::cells::usage_of;
use crate::tree::configuration::{Candidate, Configuration};
use crate::tree::core::Core;
use crate::tree::keys::{Interned, Refused};
use crate::tree::provider::Provider;
use attempt::Attempt;
use plan::Entry;

pub(crate) use plan::Plan;
pub use spec::ProviderSpec;

/// What is used of the classes of a provider that a dump is loaded into, by class.
pub(crate) type Used = Vec<UsedClass>;

/// What is used of one class from the beginning.
#[derive(Clone, Copy)]
pub(crate) struct UsedClass {
    pub(crate) class: ResourceClass,
    pub(crate) used: u64,
    pub(crate) taken: u64,
}

impl Core {
    /// Makes the plan true; returns the providers in the order of its entries. `used` says, for
    /// each entry, what a new provider starts with; empty for nothing.
    pub(crate) fn populate(
        &self,
        writer: &mut Writer,
        plan: &Plan<'_>,
        used: &[Used],
    ) -> Result<Vec<Provider>> {
        plan.entries.iter().try_for_each(|entry| entry.spec.inventories.check_count())?;
        loop {
            let mut keys = PlanKeys::default();
            let populated = match keys.intern(self, writer, plan) {
                Ok(()) => self.populate_interned(writer, plan, used, &keys),
                Err(error) => Err(Refused::Error(error)),
            };
            match populated {
                Ok(()) => {
                    let handle = |(entry, key): (&Entry<'_>, &Interned)| {
                        self.handle_of(entry.spec.uuid, *key)
                    };
                    return Ok(plan.entries.iter().zip(&keys.structures).map(handle).collect());
                }
                Err(Refused::Stale) => {}
                Err(Refused::Error(error)) => {
                    plan.give_up(self, writer);
                    return Err(error);
                }
            }
        }
    }

    fn populate_interned(
        &self,
        writer: &mut Writer,
        plan: &Plan<'_>,
        used: &[Used],
        keys: &PlanKeys,
    ) -> Result<(), Refused> {
        let candidates: Vec<_> = plan
            .entries
            .iter()
            .zip(&keys.structures)
            .map(|(entry, key)| {
                let configuration = Arc::new(entry.configuration());
                self.configurations.publish(&self.ledger, usage_of(key.cell), configuration)
            })
            .collect();
        let attempt = Attempt { core: self, plan, used, keys, candidates: &candidates };
        let body = |transaction: &mut Transaction<'_>| attempt.body(transaction);
        let (outcome, at) = Candidate::decide(candidates.iter(), writer, body)?;
        // Dropped when everything is forgotten.
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

/// The cells of all keys that a plan names.
#[derive(Default)]
struct PlanKeys {
    /// For each entry, the cell of its uuid.
    structures: Vec<Interned>,
    /// For each entry, the cell of its name.
    labels: Vec<Interned>,
    /// For each parent outside, the cell of its uuid: so that the transaction can rest on its
    /// absence too.
    outside: Vec<Interned>,
}

impl PlanKeys {
    fn intern(&mut self, core: &Core, writer: &mut Writer, plan: &Plan<'_>) -> Result<()> {
        for entry in &plan.entries {
            self.structures.push(core.providers.intern(writer, &entry.spec.uuid)?);
            self.labels.push(core.names.intern(writer, &entry.spec.name)?);
        }
        for parent in &plan.outside {
            self.outside.push(core.providers.intern(writer, parent)?);
        }
        Ok(())
    }
}

impl Plan<'_> {
    /// Gives up the keys that nothing has, also those that an earlier attempt has interned.
    fn give_up(&self, core: &Core, writer: &mut Writer) {
        for entry in &self.entries {
            core.providers.give_up(writer, &entry.spec.uuid);
            core.names.give_up(writer, &entry.spec.name);
        }
        for parent in &self.outside {
            core.providers.give_up(writer, parent);
        }
    }
}

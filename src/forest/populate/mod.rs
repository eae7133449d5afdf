//! Populate: many providers at one instant, new ones and replaced ones.
//!
//! One transaction covers everything that is listed, everything below the listed providers, and the
//! neighbours of both. A *listed* provider that exists is *replaced*: the provider keeps its cells,
//! so that handles of it stay good. A provider that is below a replaced one and not listed is
//! *dropped*.

mod attempt;
mod fill;
mod plan;
mod spec;

use crate::error::Result;
use crate::forest::configuration::Candidate;
use crate::forest::core::Forest;
use crate::forest::keys::{KeyCell, Refusal, while_stale, with_both_keys};
use crate::forest::provider::Provider;
use crate::layout::usage_of;
use crate::ledger::{Transaction, Writer};
use attempt::Attempt;
pub(crate) use attempt::check_parents;
pub(crate) use fill::fill;
pub(crate) use plan::{Entry, Plan, PlanKeys};
pub use spec::ProviderSpec;

/// Makes the forest what the plan says; returns the providers in the order of the plan's entries.
pub(crate) fn populate(
    forest: &Forest,
    writer: &mut Writer,
    plan: &Plan<'_>,
) -> Result<Vec<Provider>> {
    plan.entries.iter().try_for_each(|entry| entry.spec.inventories.check_count())?;
    let uuids = plan.entries.iter().map(|entry| &entry.spec.uuid).chain(&plan.outside);
    let names = plan.entries.iter().map(|entry| &entry.spec.name);
    while_stale(|| {
        let (uuids, names) = ((&forest.providers, uuids.clone()), (&forest.names, names.clone()));
        with_both_keys(writer, uuids, names, |writer, providers, name_keys| {
            let (structures, outside) = providers.split_at(plan.entries.len());
            let keys = PlanKeys { structures, name_keys, outside };
            populate_with_keys(forest, writer, plan, &keys)?;
            let handle =
                |(entry, key): (&Entry<'_>, &KeyCell)| forest.handle_of(entry.spec.uuid, *key);
            Ok(plan.entries.iter().zip(structures).map(handle).collect())
        })
    })
}

/// Makes the forest what the plan says. Refuses as stale if one of `keys` was given up.
fn populate_with_keys(
    forest: &Forest,
    writer: &mut Writer,
    plan: &Plan<'_>,
    keys: &PlanKeys<'_>,
) -> Result<(), Refusal> {
    let publish = |(entry, key): (&Entry<'_>, &KeyCell)| {
        let layout = forest.layouts.layout(plan.capacities_of(entry));
        let (usage, configuration) = (usage_of(key.cell), entry.spec.facts());
        forest.configurations.publish(&forest.ledger, usage, configuration, layout)
    };
    let candidates: Vec<_> = plan.entries.iter().zip(keys.structures).map(publish).collect();
    let attempt = Attempt { forest, plan, keys, candidates: &candidates };
    let body = |transaction: &mut Transaction<'_>| attempt.body(transaction);
    let (leftovers, at) = Candidate::decide(candidates.iter(), writer, body)?;
    // Holds the replaced and dropped configurations until everything is forgotten.
    let mut all_gone = Vec::new();
    for (candidate, replaced) in candidates.into_iter().zip(leftovers.replaced) {
        match replaced {
            Some(version) => all_gone.push(candidate.replaces(version, at)),
            None => candidate.begins(at),
        }
    }
    for (name, name_key) in &leftovers.names {
        forest.names.release(writer, &**name, *name_key);
    }
    all_gone.extend(leftovers.dropped.iter().map(|old| old.forget(forest, writer, at)));
    Ok(())
}

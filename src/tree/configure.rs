//! Changes of a provider's configuration.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::inventory::{ClassCapacity, Inventories};
use crate::ledger::{Cell, Exhausted, Writer};
use crate::resource_class::ResourceClass;
use crate::traits::Trait;
use crate::tree::cells::{ClassWords, UsageWords, set_configuration, write_usage};
use crate::tree::configuration::Configuration;
use crate::tree::core::Core;
use crate::tree::provider::Provider;

/// What a change rests on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// Nothing: the change is made to whatever is there.
    Any,
    /// The generation is this one.
    Generation(u64),
}

impl Expect {
    fn check(self, provider: &Provider, actual: u64) -> Result<()> {
        match self {
            Expect::Generation(expected) if expected != actual => {
                Err(Error::GenerationConflict { provider: provider.uuid, expected, actual })
            }
            _ => Ok(()),
        }
    }
}

/// Why a prepared configuration could not be put in force.
enum Refused {
    /// Another one was, since: prepare again.
    Replaced,
    Error(Error),
}

impl From<Exhausted> for Refused {
    fn from(exhausted: Exhausted) -> Self {
        Refused::Error(exhausted.into())
    }
}

impl Core {
    /// The generation of `provider` and the configuration in force with it.
    pub(crate) fn configuration(&self, provider: &Provider) -> Result<(u64, Arc<Configuration>)> {
        let (generation, _, configuration) = self.configuration_in_force(provider)?;
        Ok((generation, configuration))
    }

    /// Generation, version and configuration.
    fn configuration_in_force(
        &self,
        provider: &Provider,
    ) -> Result<(u64, u64, Arc<Configuration>)> {
        let cell = self.usage_cell(provider)?;
        loop {
            let words =
                self.ledger.peek(cell, |record| [record.word(0), record.word(1), record.word(2)]);
            let usage = UsageWords(&words);
            Core::check(provider, usage.life())?;
            let version = usage.configuration();
            // Not there: another version has been put in force since; read again.
            if let Some(configuration) = self.configurations.find(cell, version) {
                return Ok((usage.generation(), version, configuration));
            }
        }
    }

    pub(crate) fn set_inventories(
        &self,
        writer: &mut Writer,
        provider: &Provider,
        inventories: Inventories,
        expect: Expect,
    ) -> Result<u64> {
        let capacities = inventories.capacities()?;
        let inventories = Arc::new(inventories);
        let change = |current: &Configuration| Configuration {
            inventories: Arc::clone(&inventories),
            ..current.clone()
        };
        self.configure(writer, provider, expect, change, |words, generation, version| {
            relayout(words, generation, version, provider, &capacities)
        })
    }

    pub(crate) fn set_traits(
        &self,
        writer: &mut Writer,
        provider: &Provider,
        traits: Arc<BTreeSet<Trait>>,
        expect: Expect,
    ) -> Result<u64> {
        let change = |current: &Configuration| Configuration {
            traits: Arc::clone(&traits),
            ..current.clone()
        };
        self.configure(writer, provider, expect, change, |words, generation, version| {
            set_configuration(words, generation, version);
            Ok(())
        })
    }

    pub(crate) fn set_aggregates(
        &self,
        writer: &mut Writer,
        provider: &Provider,
        aggregates: Arc<BTreeSet<Uuid>>,
        expect: Expect,
    ) -> Result<u64> {
        let change = |current: &Configuration| Configuration {
            aggregates: Arc::clone(&aggregates),
            ..current.clone()
        };
        self.configure(writer, provider, expect, change, |words, generation, version| {
            set_configuration(words, generation, version);
            Ok(())
        })
    }

    /// Puts `change` of the configuration in force; `rewrite` writes the usage cell's words for
    /// the new generation and version. Returns the new generation.
    fn configure(
        &self,
        writer: &mut Writer,
        provider: &Provider,
        expect: Expect,
        change: impl Fn(&Configuration) -> Configuration,
        rewrite: impl Fn(&mut Vec<u64>, u64, u64) -> Result<()>,
    ) -> Result<u64> {
        let cell: Cell = self.usage_cell(provider)?;
        loop {
            let (generation, replaced, current) = self.configuration_in_force(provider)?;
            expect.check(provider, generation)?;
            let candidate = self.configurations.publish(cell, Arc::new(change(&current)));
            let put_in_force = writer.update(cell, |words| {
                let usage = UsageWords(words);
                Core::check(provider, usage.life()).map_err(Refused::Error)?;
                expect.check(provider, usage.generation()).map_err(Refused::Error)?;
                if usage.configuration() != replaced {
                    return Err(Refused::Replaced.into());
                }
                let generation = usage.generation() + 1;
                rewrite(words, generation, candidate.version).map_err(Refused::Error)?;
                Ok(generation)
            });
            match put_in_force {
                Ok(generation) => {
                    candidate.replaces(replaced);
                    return Ok(generation);
                }
                Err(Refused::Replaced) => {}
                Err(Refused::Error(error)) => return Err(error),
            }
        }
    }
}

/// The words for other inventories: what is used moves along with its class.
fn relayout(
    words: &mut Vec<u64>,
    generation: u64,
    version: u64,
    provider: &Provider,
    capacities: &[ClassCapacity],
) -> Result<()> {
    let usage = UsageWords(words);
    let stays = |class: u16| capacities.iter().any(|new| new.class.number() == class);
    let in_use = usage.all().find(|(class, at)| at.used > 0 && !stays(*class));
    if let Some((class, amounts)) = in_use {
        return Err(Error::InUse {
            provider: provider.uuid,
            class: ResourceClass::from_number(class),
            used: amounts.used,
        });
    }
    let carried = |new: &ClassCapacity| {
        let class = new.class.number();
        let (used, taken) = usage.find(class).map_or((0, 0), |now| (now.used, now.taken));
        let capacity = new.capacity;
        // What is used may exceed the capacity, and a claim may ask for it again.
        let has_units = new.inventory.has_units(capacity.max(used));
        ClassWords { class, capacity, used, taken, has_units }
    };
    let classes: Vec<_> = capacities.iter().map(carried).collect();
    let life = usage.life();
    write_usage(words, life, generation, version, &classes);
    Ok(())
}

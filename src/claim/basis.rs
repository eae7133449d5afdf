//! [`Basis`]: what a batch rests on. The basis holds what a fork has answered from its snapshot.
//! All these answers have to be true at the commit too.
//!
//! A cell holds more than one fact, and most changes of a cell leave most of its facts as they are.
//! So a basis keeps and compares each answer, not the version of the cell that has the answer.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;
use uuid::Uuid;

use crate::claim::core::Core;
use crate::claim::frozen::Frozen;
use crate::claim::worker::open_consumer;
use crate::error::Error;
use crate::forest::{Interned, Provider, Refused, structure_at};
use crate::inventory::{Inventory, Usage};
use crate::layout::{Amounts, State, Structure, UsageWords, usage_of};
use crate::ledger::{Abort, Cell, Transaction};
use crate::resource_class::ResourceClass;

/// Holds what a fork has read in a snapshot, and what a batch therefore rests on.
#[derive(Clone)]
pub(crate) struct Basis {
    pub(crate) frozen: Arc<Frozen>,
    pub(crate) providers: Vec<(Provider, Facts)>,
    /// The consumers that held something in the snapshot, with their cells.
    pub(crate) consumers: Vec<(Cell, Uuid)>,
    /// The consumers that held nothing in the snapshot.
    pub(crate) absent: Vec<Uuid>,
}

/// Holds what a fork has read of one provider.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    exists: bool,
    facts: SmallVec<[Fact; 4]>,
}

/// Represents one question about a provider that exists, and the answer.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Fact {
    Parent(Option<Cell>),
    /// Whether the provider is cordoned itself.
    OwnCordon(bool),
    /// Whether the provider or one of its ancestors is cordoned.
    Cordoned(bool),
    Generation(u64),
    /// Whether the provider has an inventory of the class.
    Has(u16, bool),
    Usage(u16, Option<Usage>),
    Usages(Vec<(u16, Usage)>),
    Units(u16, Option<Units>),
}

/// Holds the least, greatest and step amount of an inventory.
pub(crate) type Units = [u64; 3];

pub(crate) fn units_of(inventory: &Inventory) -> Units {
    [inventory.min_unit, inventory.max_unit, inventory.step_size]
}

impl Facts {
    /// Returns facts that tell only whether the provider exists.
    pub(crate) fn of(exists: bool) -> Self {
        Facts { exists, facts: SmallVec::new() }
    }

    pub(crate) fn add(&mut self, fact: Fact) {
        if !self.facts.contains(&fact) {
            self.facts.push(fact);
        }
    }

    /// Returns whether all facts of `provider`, which are true in `frozen`, are true in the
    /// transaction too.
    fn hold(
        &self,
        transaction: &mut Transaction<'_>,
        core: &Core,
        frozen: &Frozen,
        provider: &Provider,
    ) -> Result<bool, Abort<Refused>> {
        let place = transaction.open(usage_of(provider.cell))?;
        if !frozen.is_still(transaction, place) {
            let usage = UsageWords(transaction.words(place));
            if usage.life().is(State::Live, provider.incarnation) != self.exists {
                return Ok(false);
            }
            for fact in &self.facts {
                if !fact.holds_of_usage(core, provider, usage)? {
                    return Ok(false);
                }
            }
        }
        if !self.facts.iter().any(Fact::is_of_structure) {
            return Ok(true);
        }
        let place = transaction.open(provider.cell)?;
        if frozen.is_still(transaction, place) {
            return Ok(true);
        }
        let structure = structure_at(transaction, place);
        Ok(structure.life.is(State::Live, provider.incarnation)
            && self.facts.iter().all(|fact| fact.holds_of_structure(&structure)))
    }
}

impl Fact {
    fn is_of_structure(&self) -> bool {
        matches!(self, Fact::Parent(_) | Fact::OwnCordon(_))
    }

    fn holds_of_structure(&self, structure: &Structure) -> bool {
        match self {
            Fact::Parent(parent) => structure.parent == *parent,
            Fact::OwnCordon(own) => structure.cordon.own == *own,
            _ => true,
        }
    }

    fn holds_of_usage(
        &self,
        core: &Core,
        provider: &Provider,
        usage: UsageWords<&[u64]>,
    ) -> Result<bool, Abort<Refused>> {
        let find = |class: &u16| usage.find(*class).map(Amounts::usage);
        Ok(match self {
            Fact::Cordoned(cordoned) => usage.is_cordoned() == *cordoned,
            Fact::Generation(generation) => usage.generation() == *generation,
            Fact::Has(class, has) => find(class).is_some() == *has,
            Fact::Usage(class, known) => find(class) == *known,
            Fact::Usages(known) => usages(usage).eq(known.iter().copied()),
            Fact::Units(class, known) => {
                let (cell, version) = (usage_of(provider.cell), usage.configuration());
                let class = ResourceClass::from_number(*class);
                core.forest.with_configuration(cell, version, |configuration| {
                    configuration.inventories.get(class).map(units_of) == *known
                })?
            }
            Fact::Parent(_) | Fact::OwnCordon(_) => true,
        })
    }
}

/// Returns all classes in the words of a usage cell, each with its usage.
pub(crate) fn usages(usage: UsageWords<&[u64]>) -> impl Iterator<Item = (u16, Usage)> {
    usage.all().map(|(class, amounts)| (class, amounts.usage()))
}

impl Basis {
    /// Checks that everything the batch rests on is true in the transaction. `absent` holds the
    /// keys of the consumers that have to be absent.
    pub(super) fn check(
        &self,
        transaction: &mut Transaction<'_>,
        core: &Core,
        absent: &[Interned],
    ) -> Result<(), Abort<Refused>> {
        for (provider, facts) in &self.providers {
            if !facts.hold(transaction, core, &self.frozen, provider)? {
                return Err(Error::ProviderChanged { provider: provider.uuid }.into());
            }
        }
        for &(cell, consumer) in &self.consumers {
            let place = transaction.open(cell)?;
            // A consumer's cell is one fact as a whole: every change of the cell is a conflict.
            if !self.frozen.is_still(transaction, place) {
                return Err(Error::ConsumerChanged { consumer }.into());
            }
        }
        for (&consumer, key) in self.absent.iter().zip(absent) {
            let (_, life) = open_consumer(transaction, *key)?;
            if life.state == State::Live {
                return Err(Error::ConsumerChanged { consumer }.into());
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Basis { frozen, providers, consumers, absent } = self;
        f.debug_struct("Basis")
            .field("version", &frozen.number())
            .field("providers", providers)
            .field("consumers", consumers)
            .field("absent", absent)
            .finish()
    }
}

//! What a thread knows of its own consumers where others change the providers.

use std::collections::{BTreeMap, BTreeSet};

use provider_tree::ResourceClass;
use uuid::Uuid;

use super::faults::{Faults, Possible};
use super::{Model, Node};
use crate::operation::{Handle, Stocks};

/// Amounts by provider and class.
pub type Amounts = BTreeMap<(Uuid, ResourceClass), u64>;

impl Model {
    /// Adds a foreign provider, unless it is known. Fails if it has come in the place of one that
    /// is held.
    pub fn meet(&mut self, handle: Handle) {
        let known = self.nodes.get(&handle.uuid);
        if known.is_some_and(|known| known.handle == handle) {
            return;
        }
        let is_held = known.is_some() && self.is_held(handle.uuid);
        assert!(!is_held, "{handle:?} is another provider than the one that is held");
        let node = Node {
            handle,
            is_foreign: true,
            name: "",
            parent: None,
            children: Vec::new(),
            generation: 0,
            stocks: Stocks::new(),
            traits: BTreeSet::new(),
            aggregates: BTreeSet::new(),
            values: BTreeMap::new(),
            cordoned: false,
            taken: BTreeMap::new(),
        };
        self.nodes.insert(handle.uuid, node);
    }

    /// All that is held and taken, by provider and class.
    pub fn amounts(&self) -> Amounts {
        let mut amounts = self.taken();
        for (key, amount) in self.consumers.values().flat_map(|consumer| &consumer.held) {
            *amounts.entry(*key).or_default() += amount;
        }
        amounts
    }

    /// When a consumer's lease ends, if it has one; none if there is no such consumer.
    pub fn standing(&self, consumer: Uuid) -> Option<Option<u64>> {
        self.consumers.get(&consumer).map(|held| held.deadline)
    }

    /// All consumers, each with when its lease ends, if it has one.
    pub fn standings(&self) -> impl Iterator<Item = (Uuid, Option<u64>)> {
        self.consumers.iter().map(|(consumer, held)| (*consumer, held.deadline))
    }

    /// What others can't end: all that is held and taken, without leases.
    fn lasting(&self) -> impl Iterator<Item = (Uuid, ResourceClass)> {
        let consumers = self.consumers.values().filter(|held| held.deadline.is_none());
        let taken = self
            .nodes
            .iter()
            .flat_map(|(uuid, node)| node.taken.keys().map(|class| (*uuid, *class)));
        consumers.flat_map(|held| held.held.keys().copied()).chain(taken)
    }

    /// What is taken for no consumer, by provider and class.
    pub fn taken(&self) -> Amounts {
        let of_node = |(uuid, node): (&Uuid, &Node)| {
            let uuid = *uuid;
            node.taken.clone().into_iter().map(move |(class, amount)| ((uuid, class), amount))
        };
        self.nodes.iter().flat_map(of_node).collect()
    }

    fn is_held(&self, provider: Uuid) -> bool {
        self.lasting().any(|(held, _)| held == provider)
    }

    /// Notes what may stand against a foreign provider's giving so much.
    pub(super) fn asks(
        &self,
        provider: Uuid,
        class: ResourceClass,
        amount: u64,
        faults: &mut Faults,
    ) {
        if self.nodes[&provider].is_foreign {
            let is_held = self.is_held(provider);
            let is_class_held = self.lasting().any(|held| held == (provider, class));
            faults.may_refuse(Possible::Amount { provider, class, amount, is_held, is_class_held });
        }
    }

    /// Notes what may stand against a foreign provider's being at this generation.
    pub(super) fn rests_on(&self, provider: Uuid, expected: u64, faults: &mut Faults) {
        let is_held = self.is_held(provider);
        faults.may_refuse(Possible::Generation { provider, expected, is_held });
    }
}

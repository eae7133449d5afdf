//! Answers what changes nothing.

use std::sync::Arc;

use provider_tree::{
    Allocation, Allocations, Configuration, Deadline, Dump, Facts, ProviderDump, ResourceClass,
    Trait, UsedAmounts,
};
use uuid::Uuid;

use super::{Consumer, Model, Node};
use crate::dumps::in_order;
use crate::operation::{Answer, Handle, Op, inventories, resources};

impl Model {
    /// What an operation that changes nothing answers.
    pub(super) fn read(&self, op: &Op<Handle>) -> Option<Answer<Handle>> {
        Some(match op {
            Op::Find(uuid) => Answer::Found(self.nodes.get(uuid).map(|node| node.handle)),
            Op::FindByName(name) => Answer::Found(self.named(name).map(|node| node.handle)),
            Op::HasSharingProvider(class) => Answer::Is(self.nodes.values().any(|node| {
                let shares = node.traits.contains(&Trait::MISC_SHARES_VIA_AGGREGATE);
                shares && node.stocks.contains_key(class)
            })),
            Op::Dump => Answer::Dump(self.dump()),
            Op::HasTraits(handle, set) => {
                Answer::Is(self.nodes[&handle.uuid].traits.is_superset(set))
            }
            Op::HaveTraitsChanged(handle, set) => {
                Answer::Is(self.nodes[&handle.uuid].traits != *set)
            }
            Op::InAggregates(handle, set) => {
                Answer::Is(self.nodes[&handle.uuid].aggregates.is_superset(set))
            }
            Op::HaveAggregatesChanged(handle, set) => {
                Answer::Is(self.nodes[&handle.uuid].aggregates != *set)
            }
            Op::HaveInventoriesChanged(handle, said) => {
                Answer::Is(self.nodes[&handle.uuid].differs_from(said))
            }
            Op::HasInventories(handle) => Answer::Is(!self.nodes[&handle.uuid].stocks.is_empty()),
            Op::HaveResourcesChanged(handle, values) => {
                Answer::Is(self.nodes[&handle.uuid].values != *values)
            }
            Op::IsCordoned(handle) => Answer::Is(self.is_cordoned(handle.uuid)),
            Op::Roots => self.walk(self.roots.clone()),
            Op::Providers => self.walk(self.roots.iter().flat_map(|root| self.subtree(*root))),
            Op::Children(handle) => self.walk(self.nodes[&handle.uuid].children.clone()),
            Op::Parent(handle) => {
                let parent = self.nodes[&handle.uuid].parent;
                Answer::Found(parent.map(|parent| self.nodes[&parent].handle))
            }
            Op::Ancestors(handle) => self.walk(self.ancestors(handle.uuid)),
            Op::Subtree(handle) => self.walk(self.subtree(handle.uuid)),
            Op::TreeOf(handle) => {
                let root = self.ancestors(handle.uuid).last().copied().unwrap_or(handle.uuid);
                self.walk(self.subtree(root))
            }
            Op::Name(handle) => Answer::Name(self.nodes[&handle.uuid].name.to_owned()),
            Op::Data(handle) => Answer::Data(self.nodes[&handle.uuid].configuration()),
            Op::Usage(handle, class) => Answer::Usage(self.usage(handle.uuid, *class)),
            Op::Usages(handle) => {
                let classes = self.nodes[&handle.uuid].stocks.keys();
                let usage = |&class: &ResourceClass| (class, self.usage(handle.uuid, class));
                Answer::Usages(classes.map(usage).collect())
            }
            Op::Allocations(consumer) => Answer::Allocations(self.allocations(*consumer)),
            _ => return None,
        })
    }

    fn walk(&self, uuids: impl IntoIterator<Item = Uuid>) -> Answer<Handle> {
        Answer::Walk(uuids.into_iter().map(|uuid| self.nodes[&uuid].handle).collect())
    }

    /// What a consumer holds; none if it does not exist.
    pub fn allocations(&self, consumer: Uuid) -> Option<Allocations> {
        let Consumer { generation, held, deadline, tag, .. } = self.consumers.get(&consumer)?;
        let allocation =
            |(&(provider, class), &amount): (&_, &_)| Allocation::new(provider, class, amount);
        let allocations = held.iter().map(allocation).collect();
        let (generation, deadline, tag) = (*generation, *deadline, *tag);
        let deadline = deadline.map(Deadline);
        Some(in_order(Allocations { consumer, generation, deadline, tag, allocations }))
    }

    fn dump(&self) -> Dump {
        let provider = |uuid: Uuid| {
            let node = &self.nodes[&uuid];
            let used = |&class: &ResourceClass| {
                let taken = node.taken.get(&class).copied().unwrap_or(0);
                let used = self.used(uuid, class);
                (used > 0).then_some((class, UsedAmounts { used, taken }))
            };
            ProviderDump {
                configuration: node.configuration(),
                cordoned: node.cordoned,
                used: node.stocks.keys().filter_map(used).collect(),
            }
        };
        let uuids = self.roots.iter().flat_map(|root| self.subtree(*root));
        Dump {
            version: Dump::VERSION,
            providers: uuids.map(provider).collect(),
            consumers: self.consumers.keys().filter_map(|uuid| self.allocations(*uuid)).collect(),
            floors: Vec::new(),
        }
    }
}

impl Node {
    fn configuration(&self) -> Configuration {
        let facts = Facts {
            name: self.name.into(),
            parent: self.parent,
            inventories: Arc::new(inventories(&self.stocks)),
            traits: Arc::new(self.traits.clone()),
            aggregates: Arc::new(self.aggregates.clone()),
            resources: resources(&self.values),
        };
        Configuration {
            uuid: self.handle.uuid,
            generation: self.generation,
            facts: Arc::new(facts),
        }
    }
}

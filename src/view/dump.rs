//! Dumps: everything that a forest holds, at one instant, as plain values.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use crate::claim::{Allocation, Allocations, ConsumerWords, is_live_consumer};
use crate::ledger::{Cell, Collect, Record};
use crate::resource_class::ResourceClass;
use crate::tree::cells::{Life, State, Structure, UsageWords, usage_of};
use crate::tree::core::Core;
use crate::tree::{Patience, ProviderData, ProviderTree};

/// A whole forest at one instant, as plain values.
///
/// With the feature `serde` it can be written and read in any format. What it holds of each
/// provider has the shape that OpenStack Placement uses. The caller's own
/// [`Resources`](crate::Resources) are part of the values, and not of what `serde` writes.
///
/// ```
/// use provider_tree::{Claim, Dump, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
/// use uuid::Uuid;
///
/// let tree = ProviderTree::new();
/// let host = tree.create_root("host-1", None)?;
/// let inventories = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
/// tree.set_inventories(&host, inventories, Expect::Any)?;
/// let claim = Claim::new(Uuid::new_v4()).take(&host, ResourceClass::VCPU, 4);
/// let held = tree.worker()?.claim(&claim)?;
///
/// let dump: Dump = tree.dump();
/// let copy = ProviderTree::load(&dump)?;
/// assert_eq!(copy.allocations(held.consumer), tree.allocations(held.consumer));
/// assert_eq!(copy.dump(), dump);
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Dump {
    /// The version of this format.
    pub version: u32,
    /// All providers, parents before their children, siblings in their order.
    pub providers: Vec<ProviderDump>,
    /// All consumers, by uuid.
    pub consumers: Vec<Allocations>,
}

/// One provider of a dump.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ProviderDump {
    /// What it has and is.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub data: ProviderData,
    /// Whether it is cordoned itself.
    #[cfg_attr(feature = "serde", serde(default))]
    pub cordoned: bool,
    /// What is used of it; classes of which nothing is used may be missing.
    #[cfg_attr(feature = "serde", serde(default, with = "crate::json::class_map"))]
    pub used: BTreeMap<ResourceClass, UsedAmounts>,
}

/// What is used of one class of one provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UsedAmounts {
    /// All that is used: what consumers hold, and what was taken without one.
    pub used: u64,
    /// The part that was taken without a consumer.
    #[cfg_attr(feature = "serde", serde(default))]
    pub taken: u64,
}

impl Dump {
    /// The version of the format that this release writes and reads.
    pub const VERSION: u32 = 1;
}

impl ProviderTree {
    /// Everything that the forest holds, at one instant.
    ///
    /// Lock-free; O(cells ever used). Starts over when anything changes meanwhile, so that under
    /// an endless storm of changes it may take as long as the storm.
    pub fn dump(&self) -> Dump {
        Collect::consistent(&self.core.ledger, |collect| {
            let mut uuids = HashMap::default();
            let providers = self.core.dump_providers(collect, &mut uuids)?;
            // After the providers: whoever holds something has changed one of their usage cells,
            // so what was claimed before that was read is found here, and what was claimed after
            // it is noticed there.
            let consumers = self.core.dump_consumers(collect, &uuids)?;
            Some(Dump { version: Dump::VERSION, providers, consumers })
        })
    }
}

/// The uuid of the provider with each usage cell.
type Uuids = HashMap<Cell, Uuid, foldhash::fast::FixedState>;

impl Core {
    fn dump_providers(
        &self,
        collect: &mut Collect<'_>,
        uuids: &mut Uuids,
    ) -> Option<Vec<ProviderDump>> {
        let mut found = Vec::new();
        let mut patience = Patience::new();
        let root = collect.read(self.super_root, Structure::of);
        let mut rest = vec![(self.super_root, None, root.first_child)];
        while let Some((parent, parent_uuid, next)) = rest.pop() {
            let Some(cell) = next else { continue };
            patience.spend(collect)?;
            let structure = collect.read(cell, Structure::of);
            if !structure.is_live() || structure.parent != Some(parent) {
                return None;
            }
            let words = collect.read(usage_of(cell), copy);
            let usage = UsageWords(&words);
            if !usage.life().is(State::Live, structure.life.incarnation) {
                return None;
            }
            let configuration = self.configurations.find(usage_of(cell), usage.configuration())?;
            let in_use = usage.all().filter(|(_, amounts)| amounts.used > 0);
            let used = in_use.map(|(class, amounts)| {
                let amounts = UsedAmounts { used: amounts.used, taken: amounts.taken };
                (ResourceClass::from_number(class), amounts)
            });
            found.push(ProviderDump {
                data: ProviderData {
                    uuid: structure.uuid,
                    name: configuration.name.clone(),
                    parent: parent_uuid,
                    generation: usage.generation(),
                    inventories: configuration.inventories.clone(),
                    traits: configuration.traits.clone(),
                    aggregates: configuration.aggregates.clone(),
                    resources: configuration.resources.clone(),
                },
                cordoned: structure.cordon.own,
                used: used.collect(),
            });
            uuids.insert(usage_of(cell), structure.uuid);
            rest.push((parent, parent_uuid, structure.next));
            rest.push((cell, Some(structure.uuid), structure.first_child));
        }
        Some(found)
    }

    fn dump_consumers(&self, collect: &mut Collect<'_>, uuids: &Uuids) -> Option<Vec<Allocations>> {
        let mut found = Vec::new();
        for number in 0..self.ledger.cell_bound() {
            let cell = Cell::new(number);
            if !is_live_consumer(self.ledger.peek(cell, Life::of)) {
                continue;
            }
            let words = collect.read(cell, copy);
            if !is_live_consumer(Life::of_words(&words)) {
                return None;
            }
            let words = ConsumerWords(&words);
            let mut allocations = Vec::with_capacity(words.held().len());
            for held in words.held() {
                allocations.push(Allocation {
                    provider: *uuids.get(&held.usage)?,
                    class: ResourceClass::from_number(held.class),
                    amount: held.amount,
                });
            }
            let (consumer, generation) = (words.uuid(), words.generation());
            let deadline = words.deadline();
            found.push(Allocations { consumer, generation, deadline, allocations });
        }
        // The order of cells means nothing to others: the same state is to be the same dump.
        found.sort_unstable_by_key(|consumer| consumer.consumer);
        for consumer in &mut found {
            consumer.allocations.sort_unstable_by_key(|held| (held.provider, held.class));
        }
        Some(found)
    }
}

fn copy(record: Record<'_>) -> Vec<u64> {
    let mut words = Vec::with_capacity(record.len());
    record.copy_to(&mut words);
    words
}

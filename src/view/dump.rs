//! Dumps: everything that a forest holds, at one instant, as plain values.

use std::collections::BTreeMap;

use crate::claim::Allocations;
use crate::error::Result;
use crate::ledger::{Cell, View};
use crate::resource_class::ResourceClass;
use crate::tree::ProviderData;
use crate::tree::core::Core;
use crate::tree::layout::Structure;
use crate::view::snapshot::Snapshot;

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

impl Snapshot {
    /// Everything that the forest held, as plain values. O(cells ever used).
    pub fn dump(&self) -> Result<Dump> {
        let mut consumers = self.all_allocations()?;
        // The order of cells means nothing to others: the same state is to be the same dump.
        consumers.sort_unstable_by_key(|consumer| consumer.consumer);
        for consumer in &mut consumers {
            consumer.sort();
        }
        let core = &self.frozen().core;
        let providers = self.read(|past| {
            let providers = core.forest(past)?;
            let all = providers.iter().map(|provider| core.dump_provider(past, provider.cell)?);
            all.collect()
        })?;
        Ok(Dump { version: Dump::VERSION, providers, consumers })
    }
}

impl Allocations {
    /// By provider and class.
    pub(super) fn sort(&mut self) {
        self.allocations.sort_unstable_by_key(|held| (held.provider, held.class));
    }
}

impl Core {
    /// The provider with this structure cell, if there is one. None if that can't be read.
    pub(super) fn dump_provider(
        &self,
        view: &mut impl View,
        cell: Cell,
    ) -> Option<Option<ProviderDump>> {
        let structure = view.read(cell, Structure::of_words)?;
        if !structure.is_live() {
            return Some(None);
        }
        let (data, used) = self.data_of(view, cell, &structure, |usage| {
            let in_use = usage.all().filter(|(_, amounts)| amounts.used > 0);
            let used = in_use.map(|(class, amounts)| {
                let amounts = UsedAmounts { used: amounts.used, taken: amounts.taken };
                (ResourceClass::from_number(class), amounts)
            });
            used.collect()
        })?;
        Some(Some(ProviderDump { data, cordoned: structure.cordon.own, used }))
    }
}

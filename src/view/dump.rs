//! Dumps: everything that a forest holds, at one instant, as plain values.

use std::collections::BTreeMap;

use crate::claim::{Allocations, Floor};
use crate::error::Result;
use crate::forest::{Configuration, ForestReader, Provider};
use crate::ledger::{Abort, Cell, Reader, Torn};
use crate::values::ResourceClass;
use crate::view::snapshot::Snapshot;

/// Holds a whole forest at one instant, as plain values.
///
/// With the feature `serde`, a dump can be written and read. So can its parts, what
/// [`ProviderTree::populate`](crate::ProviderTree::populate) takes, and what a call returns as plain values:
/// [`Configuration`], [`Changes`](crate::Changes), [`Allocations`], [`Audit`](crate::Audit),
/// [`Memory`](crate::Memory), [`Metrics`](crate::Metrics), [`Receipt`](crate::Receipt),
/// [`Updated`](crate::Updated), [`Usage`](crate::Usage) and [`Why`](crate::Why); classes, traits and
/// inventories, partial ones too; and a [`Deadline`](crate::Deadline). `serde` can't write handles, nor
/// [`Request`](crate::Request), [`Group`](crate::Group), [`Claim`](crate::Claim), [`Batch`](crate::Batch),
/// [`Edit`](crate::Edit), [`Expect`](crate::Expect), [`Touched`](crate::Touched), [`Error`](crate::Error),
/// [`Partial`](crate::Partial), [`Lease`](crate::Lease), [`Version`](crate::Version) and
/// [`Now`](crate::Now).
///
/// That values come back whole is tested with JSON, YAML, TOML, RON, CBOR, MessagePack with and without
/// names, and postcard. Fields that are not known are refused. Where a format names fields, those of a dump
/// may be missing that have a usual value: `floors`; of a provider `parent_provider_uuid`, `inventories`, `traits`,
/// `aggregates`, `cordoned` and `used`; of an inventory all but `total`; of what is used of a class `taken`;
/// of a consumer `deadline` and `tag`. The caller's own [`Resources`](crate::Resources) are part of the
/// values, but `serde` does not write them.
///
/// In JSON, inventories, traits and aggregates look as in OpenStack Placement (whose own documents are in
/// the module `placement`):
///
/// ```json
/// {"version": 2,
///  "providers": [{"configuration": {"uuid": "..", "name": "host-1", "parent_provider_uuid": null,
///                          "generation": 1, "inventories": {"VCPU": {"total": 16}},
///                          "traits": ["HW_CPU_X86_AVX2"], "aggregates": []},
///                 "cordoned": false, "used": {"VCPU": {"used": 4, "taken": 0}}}],
///  "consumers": [{"consumer": "..", "generation": 1, "deadline": null, "tag": 0,
///                 "allocations": [{"provider": "..", "class": "VCPU", "amount": 4}]}],
///  "floors": [{"place": 7, "generation": 3}]}
/// ```
///
/// # Copies that go on alike
///
/// Two forests, of which one was loaded from a dump of the other, come to equal dumps if one thread
/// makes the same calls on both, in the same order, and names all providers and consumers by uuids of
/// its own. What each call returns is equal too, except:
///
/// - which of several reasons a refusal names, and in which order it names them;
/// - versions, the numbers of snapshots, metrics, memory, and the order of what a search finds.
///
/// They don't go on alike if the forests themselves name consumers ([`Claim::unnamed`
/// ](crate::Claim::unnamed), [`issue`](crate::ProviderTree::issue)), if one forest meets a
/// [bound](crate::docs::limits) on itself first ([`Error::is_full`](crate::Error::is_full)), or if the
/// caller's own [`Resources`](crate::Resources) were lost on the way. The floors have to be those of the
/// dump's instant; see [`Snapshot::floors`].
///
/// A consumer that the first forest had named is one from outside in the second, which knows only whether it
/// holds something: where the first refuses a claim of it after its end, the second makes it, perhaps at
/// a generation that the consumer has had.
///
/// ```
/// use provider_tree::{Claim, Dump, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
/// use uuid::Uuid;
///
/// let tree = ProviderTree::new();
/// let host = tree.create_root("host-1", None)?;
/// let inventories = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
/// tree.configure(&host, inventories, Expect::Any)?;
/// let claim = Claim::new(Uuid::new_v4()).take(&host, ResourceClass::VCPU, 4);
/// let held = tree.worker()?.claim(&claim)?;
///
/// let dump: Dump = tree.snapshot().dump()?;
/// let copy = ProviderTree::load(&dump)?;
/// assert_eq!(copy.allocations(held.consumer), tree.allocations(held.consumer));
/// assert_eq!(copy.snapshot().dump()?, dump);
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Dump {
    /// The number of the format; see [`Dump::VERSION`].
    pub version: u32,
    /// All providers, parents before their children, siblings in their order.
    pub providers: Vec<ProviderDump>,
    /// All consumers, in the order of their uuids.
    pub consumers: Vec<Allocations>,
    /// Above which generations the next lives of consumers begin: those above 0, in the order of their
    /// places. So no generation of a consumer comes twice, as [`Expect`](crate::Expect) says, even if one
    /// of the lives was in the forest that was dumped, and the other in the one that is loaded.
    #[cfg_attr(feature = "serde", serde(default))]
    pub floors: Vec<Floor>,
}

/// Holds one provider of a dump.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct ProviderDump {
    /// What the provider has and is.
    pub configuration: Configuration,
    /// Whether the provider itself is cordoned, and not only an ancestor.
    #[cfg_attr(feature = "serde", serde(default))]
    pub cordoned: bool,
    /// How much of each class is used. A class of which nothing is used may be missing.
    #[cfg_attr(feature = "serde", serde(default, with = "crate::values::shape::class_map"))]
    pub used: BTreeMap<ResourceClass, UsedAmounts>,
}

/// Tells how much of one class of one provider is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct UsedAmounts {
    /// All that is used: what consumers hold, and what was taken without a consumer.
    pub used: u64,
    /// The part of `used` that was taken without a consumer.
    #[cfg_attr(feature = "serde", serde(default))]
    pub taken: u64,
}

impl Dump {
    /// The number of the format that this release writes. Version 1, which it reads too where a format
    /// names fields, had no `floors`.
    pub const VERSION: u32 = 2;

    /// The number of the oldest format that this release reads.
    pub(super) const OLDEST_VERSION: u32 = 1;
}

impl Snapshot {
    /// Returns everything that the forest held, as plain values, and the [`floors`](Self::floors).
    /// O(cells ever used).
    pub fn dump(&self) -> Result<Dump> {
        let mut consumers = self.all_allocations()?;
        // Other forests know nothing of the order of these cells: equal states have to be equal
        // dumps.
        consumers.sort_unstable_by_key(|consumer| consumer.consumer);
        for consumer in &mut consumers {
            consumer.sort();
        }
        let providers = self.read_forest(|mut past| {
            let providers = past.all()?;
            let dump = |provider: &Provider| {
                ProviderDump::read(&mut past, provider.cell)?.ok_or(Abort::Torn)
            };
            providers.iter().map(dump).collect()
        })?;
        let floors = self.floors().to_vec();
        Ok(Dump { version: Dump::VERSION, providers, consumers, floors })
    }
}

impl Allocations {
    /// Sorts the allocations by provider and class. The order of the names of classes is the same in
    /// every process, and the order of classes is not.
    pub(super) fn sort(&mut self) {
        self.allocations.sort_unstable_by(|one, other| {
            let classes = || one.class.name().cmp(other.class.name());
            one.provider.cmp(&other.provider).then_with(classes)
        });
    }
}

impl ProviderDump {
    /// Reads the provider with this structure cell; returns `None` if there is none.
    pub(super) fn read(
        forest: &mut ForestReader<'_, impl Reader>,
        cell: Cell,
    ) -> Result<Option<Self>, Torn> {
        let structure = forest.structure_in(cell)?;
        if !structure.is_live() {
            return Ok(None);
        }
        let (configuration, used) =
            forest.configuration_of(cell, &structure, |usage, layouts| {
                let in_use = usage.all(layouts).filter(|(_, amounts)| amounts.used > 0);
                let used = in_use.map(|(class, amounts)| {
                    let amounts = UsedAmounts { used: amounts.used, taken: amounts.taken };
                    (ResourceClass::from_number(class), amounts)
                });
                used.collect()
            })?;
        Ok(Some(ProviderDump { configuration, cordoned: structure.cordon.own, used }))
    }
}

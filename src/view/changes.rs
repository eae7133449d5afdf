//! Changes: what differs between two snapshots.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::claim::{Allocations, read_allocations};
use crate::error::{Error, Result};
use crate::forest::{ForestReader, Origin, Provider};
use crate::layout::{CellKind, ConsumerWords, Life, is_live_consumer, structure_of};
use crate::ledger::{Abort, Cell, Past};
use crate::view::dump::ProviderDump;
use crate::view::snapshot::Snapshot;

/// Holds what differs between two snapshots; see [`Snapshot::changes_since`].
///
/// Changes are the difference of two states, not a history: what has changed and changed back is
/// not part of them. A consumer that has ended and begun again is part of them, since its
/// generation differs, whatever it holds.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Changes {
    /// The number of the older snapshot.
    pub from: u64,
    /// The number of the newer snapshot.
    pub to: u64,
    /// The providers that differ, in the order of their uuids.
    pub providers: Vec<ProviderChange>,
    /// The consumers that differ, in the order of their uuids.
    pub consumers: Vec<ConsumerChange>,
}

/// Describes a provider that differs.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct ProviderChange {
    /// The provider.
    pub provider: Uuid,
    /// The provider's state in the older snapshot; `None` if the provider did not exist.
    pub before: Option<ProviderState>,
    /// The provider's state in the newer snapshot; `None` if the provider does not exist.
    pub after: Option<ProviderState>,
}

/// Holds everything about one provider, with its place among its siblings.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct ProviderState {
    /// What a [`Dump`](crate::Dump) holds of the provider.
    pub dump: ProviderDump,
    /// The sibling before the provider; `None` for the first child of a parent, and for the first
    /// root.
    #[cfg_attr(feature = "serde", serde(default))]
    pub previous: Option<Uuid>,
    #[cfg_attr(feature = "serde", serde(skip))]
    origin: Origin,
}

impl ProviderState {
    /// Returns a state as a plain value.
    pub fn new(dump: ProviderDump, previous: Option<Uuid>) -> Self {
        ProviderState { dump, previous, origin: Origin::default() }
    }

    /// Returns the handle of the provider, so that nobody has to look it up; `None` if no forest has made
    /// this value, but `serde` or a [mirror](crate::Mirror) of a dump. Two states are equal whether or not
    /// they have it.
    pub fn handle(&self) -> Option<Provider> {
        self.origin.handle(self.dump.configuration.uuid)
    }
}

impl ProviderChange {
    /// Returns the [handle](ProviderState::handle) of the provider as it is after the change, or as it was
    /// before if it is gone.
    pub fn handle(&self) -> Option<Provider> {
        self.after.as_ref().or(self.before.as_ref())?.handle()
    }
}

/// Describes a consumer that differs.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct ConsumerChange {
    /// The consumer.
    pub consumer: Uuid,
    /// What the consumer held in the older snapshot; `None` if it held nothing.
    pub before: Option<Allocations>,
    /// What the consumer holds in the newer snapshot; `None` if it holds nothing.
    pub after: Option<Allocations>,
}

impl Changes {
    /// Returns whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.providers.is_empty() && self.consumers.is_empty()
    }

    /// Returns the number of providers and consumers that differ.
    pub fn len(&self) -> usize {
        self.providers.len() + self.consumers.len()
    }
}

impl Snapshot {
    /// Returns what differs between an older snapshot of the forest and this one. O(c + n / 4,096)
    /// for n cells ever used. Of these, c are in blocks of 64 cells in which something has changed
    /// since the older snapshot, even if only after this one.
    ///
    /// # Errors
    ///
    /// Returns [`ForeignSnapshot`](Error::ForeignSnapshot) if `older` belongs to another forest or
    /// is later than this snapshot. `older` may be this snapshot itself.
    ///
    /// ```
    /// use provider_tree::{Claim, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    /// use uuid::Uuid;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
    /// tree.configure(&host, vcpu, Expect::Any)?;
    ///
    /// let before = tree.snapshot();
    /// let claim = Claim::new(Uuid::new_v4()).take(&host, ResourceClass::VCPU, 4);
    /// let receipt = tree.worker()?.claim(&claim)?;
    /// let changes = tree.snapshot().changes_since(&before)?;
    ///
    /// // The host, of which more is used, and the consumer that uses it.
    /// assert_eq!(changes.providers[0].provider, host.uuid());
    /// assert_eq!(changes.consumers[0].consumer, receipt.consumer);
    /// assert_eq!(changes.len(), 2);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn changes_since(&self, older: &Snapshot) -> Result<Changes> {
        let ChangedCells { structures, consumers } = self.changed_cells(older)?;
        let structures: Vec<_> = structures.into_iter().map(|(cell, _)| cell).collect();
        let providers = differences(
            &structures,
            |cell| older.read_forest(|past| ProviderState::read(past, cell)),
            |cell| self.read_forest(|past| ProviderState::read(past, cell)),
            |state| state.dump.configuration.uuid,
        )?;
        let consumers = differences(
            &consumers,
            |cell| sorted_allocations(older, cell),
            |cell| sorted_allocations(self, cell),
            |held| held.consumer,
        )?;
        let provider = |(provider, (before, after))| ProviderChange { provider, before, after };
        let consumer = |(consumer, (before, after))| ConsumerChange { consumer, before, after };
        Ok(Changes {
            from: older.number(),
            to: self.number(),
            providers: providers.into_iter().map(provider).collect(),
            consumers: consumers.into_iter().map(consumer).collect(),
        })
    }
}

/// Holds the cells that have changed since a snapshot.
pub(super) struct ChangedCells {
    /// The structure cells of the providers that have changed, and whether that cell itself has.
    pub(super) structures: Vec<(Cell, bool)>,
    pub(super) consumers: Vec<Cell>,
}

impl Snapshot {
    /// Returns the cells of providers and consumers that have changed since `older`, even if only
    /// after this snapshot. Each is there once.
    pub(super) fn changed_cells(&self, older: &Snapshot) -> Result<ChangedCells> {
        let core = &self.pin().core;
        if core.forest.id() != older.pin().core.forest.id() || older.number() > self.number() {
            return Err(Error::ForeignSnapshot { snapshot: older.number() });
        }
        let (mut structures, mut consumers) = (Vec::new(), Vec::new());
        older.pin().changed_since(|cell| {
            // A cell serves things of one kind for good.
            match core.forest.ledger.peek(cell, Life::of).kind() {
                CellKind::Consumer => consumers.push(cell),
                CellKind::Usage => structures.push((structure_of(cell), false)),
                CellKind::Structure => structures.push((cell, true)),
                _ => {}
            }
        });
        structures.retain(|(cell, _)| *cell != core.forest.super_root);
        structures.sort_unstable();
        structures.dedup_by(|later, first| {
            first.1 |= later.0 == first.0 && later.1;
            later.0 == first.0
        });
        Ok(ChangedCells { structures, consumers })
    }
}

/// Holds, for each uuid, the state before and the state after.
type Differences<T> = BTreeMap<Uuid, (Option<T>, Option<T>)>;

/// Returns what differs in `cells`. A uuid may have come from one cell to another meanwhile.
fn differences<T: PartialEq>(
    cells: &[Cell],
    before: impl Fn(Cell) -> Result<Option<T>>,
    after: impl Fn(Cell) -> Result<Option<T>>,
    key: impl Fn(&T) -> Uuid,
) -> Result<Differences<T>> {
    let mut found = Differences::new();
    for &cell in cells {
        if let Some(before) = before(cell)? {
            let uuid = key(&before);
            found.entry(uuid).or_default().0 = Some(before);
        }
        if let Some(after) = after(cell)? {
            let uuid = key(&after);
            found.entry(uuid).or_default().1 = Some(after);
        }
    }
    found.retain(|_, (before, after)| before != after);
    Ok(found)
}

impl ProviderState {
    /// Reads the provider with this structure cell; returns `None` if there is none.
    fn read(
        mut past: ForestReader<'_, Past<'_>>,
        cell: Cell,
    ) -> Result<Option<Self>, Abort<Error>> {
        let Some(dump) = ProviderDump::read(&mut past, cell)? else { return Ok(None) };
        let structure = past.structure_in(cell)?;
        let previous = match structure.previous {
            None => None,
            Some(sibling) => Some(past.structure_in(sibling)?.uuid),
        };
        let origin = Origin::from(&past.handle(cell, &structure));
        Ok(Some(ProviderState { dump, previous, origin }))
    }
}

/// Returns what the consumer in `cell` held at the snapshot, sorted, or `None` if there was none.
fn sorted_allocations(snapshot: &Snapshot, cell: Cell) -> Result<Option<Allocations>> {
    let is_live = |words: ConsumerWords<'_>| is_live_consumer(words.life());
    let forest = &snapshot.pin().core.forest;
    let mut found = snapshot.read(|past| read_allocations(forest, past, cell, is_live))?;
    if let Some(found) = &mut found {
        found.sort();
    }
    Ok(found)
}

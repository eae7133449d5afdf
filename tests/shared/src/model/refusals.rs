//! Finds what stands against an operation.

use std::collections::{BTreeMap, BTreeSet};

use provider_tree::{Error, Expect, Fault, InventoryFault, ResourceClass};
use uuid::Uuid;

use super::{Consumer, Faults, Model, Node, summed};
use crate::caller::sorted;
use crate::operation::{Handle, Line, Listing, Op, Stock, Stocks, tag_of};

impl Model {
    pub(super) fn faults(&self, op: &Op<Handle>) -> Faults {
        let mut faults = Faults::default();
        match op {
            Op::CreateRoot(uuid, name) => self.not_unique(*uuid, name, &mut faults),
            Op::CreateChild(parent, uuid, name) => {
                self.live(*parent, &mut faults);
                self.not_unique(*uuid, name, &mut faults);
            }
            Op::Populate(list) => self.not_populable(list, &mut faults),
            Op::Remove(handle) => self.not_removable(*handle, &mut faults),
            Op::RemoveLeaf(handle) => self.not_a_removable_leaf(*handle, &mut faults),
            Op::Reparent(handle, parent) => self.not_movable(*handle, *parent, &mut faults),
            Op::Rename(handle, name) => self.not_renamable(*handle, name, &mut faults),
            Op::SetInventories(handle, stocks, expect) => {
                self.not_as_expected(*handle, *expect, &mut faults);
                self.not_droppable(*handle, stocks, &mut faults);
            }
            Op::SetTraits(handle, _, expect) | Op::AddTraits(handle, _, expect) => {
                self.not_as_expected(*handle, *expect, &mut faults);
            }
            Op::Usage(handle, class) | Op::Grow(handle, class) => {
                self.stock(*handle, *class, &mut faults);
            }
            Op::TakeRest(handle, class) => self.rest_not_to_be_had(*handle, *class, &mut faults),
            Op::Claim(consumer, lines) => {
                self.exists(*consumer, lines, &mut faults);
                self.not_to_be_had(&BTreeMap::new(), lines, &mut faults);
            }
            Op::Replace(consumer, lines, expect) => {
                self.conflicts(*consumer, *expect, &mut faults);
                self.not_to_be_had(&self.held_by(*consumer), lines, &mut faults);
            }
            Op::Release(consumer) => {
                let missing = !self.consumers.contains_key(consumer);
                faults.add_if(missing, || Error::ConsumerNotFound { consumer: *consumer });
            }
            Op::Take(handle, amounts) => {
                // Each by itself, after those before it.
                let mut after = self.clone();
                for &(class, amount) in amounts {
                    let line = (*handle, class, amount);
                    after.not_to_be_had(&BTreeMap::new(), &[line], &mut faults);
                    if faults.none() {
                        after.take(*handle, class, amount);
                    }
                }
            }
            Op::PutBack(handle, amounts) => self.not_taken(*handle, amounts, &mut faults),
            Op::Children(handle)
            | Op::Parent(handle)
            | Op::Ancestors(handle)
            | Op::Subtree(handle)
            | Op::TreeOf(handle)
            | Op::Name(handle)
            | Op::Data(handle)
            | Op::Usages(handle) => {
                self.live(*handle, &mut faults);
            }
            Op::Find(_) | Op::FindByName(_) | Op::Roots | Op::Providers | Op::Allocations(_) => {}
            Op::HasSharingProvider(_) | Op::Dump | Op::Expire(_) => {}
            Op::Traits(_, handle, _, expect) | Op::Aggregates(_, handle, _, expect) => {
                self.not_as_expected(*handle, *expect, &mut faults);
            }
            Op::UpdateResources(handle, _, expect) => {
                self.not_as_expected(*handle, *expect, &mut faults);
            }
            Op::UpdateInventories(handle, said, expect) => {
                self.not_as_expected(*handle, *expect, &mut faults);
                let stocks = self.nodes.get(&handle.uuid).map(|node| node.with(said));
                for (class, Stock { min_unit, max_unit, .. }) in stocks.into_iter().flatten() {
                    let fault = match min_unit {
                        0 => InventoryFault::ZeroMinUnit,
                        _ => InventoryFault::MinAboveMax { min_unit, max_unit },
                    };
                    let invalid = || Error::InvalidInventory { class, fault };
                    faults.add_if(min_unit == 0 || min_unit > max_unit, invalid);
                }
            }
            Op::HasTraits(handle, _)
            | Op::HaveTraitsChanged(handle, _)
            | Op::InAggregates(handle, _)
            | Op::HaveAggregatesChanged(handle, _)
            | Op::HaveInventoriesChanged(handle, _)
            | Op::HasInventories(handle)
            | Op::HaveResourcesChanged(handle, _)
            | Op::Cordon(handle, _)
            | Op::IsCordoned(handle) => {
                self.live(*handle, &mut faults);
            }
            Op::Commit(items) => self.not_committable(items, &mut faults),
            Op::RestOn(consumer, lines, handle, expected) => {
                self.exists(*consumer, lines, &mut faults);
                self.not_as_expected(*handle, Expect::Generation(*expected), &mut faults);
                self.not_to_be_had(&BTreeMap::new(), lines, &mut faults);
            }
            Op::Chain(consumer, line) => {
                if self.live(line.0, &mut faults).is_some() {
                    let lines = self.chain(*line);
                    let (provider, class) = (line.0.uuid, line.1);
                    let none = || Error::NoInventory { provider, class };
                    faults.add_if(lines.is_empty(), none);
                    self.exists(*consumer, &lines, &mut faults);
                    self.not_to_be_had(&BTreeMap::new(), &lines, &mut faults);
                } else {
                    self.exists(*consumer, &[*line], &mut faults);
                }
            }
            Op::Lease(consumer, lines, _) => {
                self.exists(*consumer, lines, &mut faults);
                self.not_to_be_had(&BTreeMap::new(), lines, &mut faults);
            }
            Op::Confirm(consumer, now) => self.not_leased(*consumer, Some(*now), true, &mut faults),
            Op::Renew(consumer, _, now) => {
                self.not_leased(*consumer, Some(*now), false, &mut faults);
            }
            Op::Cancel(consumer) => self.not_leased(*consumer, None, false, &mut faults),
            // Judged for themselves.
            Op::Gang(..) | Op::Partly(..) => {}
        }
        faults
    }

    /// The provider that the handle names, unless it has been removed.
    pub(super) fn live(&self, handle: Handle, faults: &mut Faults) -> Option<&Node> {
        let node = self.nodes.get(&handle.uuid).filter(|node| node.handle == handle);
        faults.add_if(node.is_none(), || Error::Removed { provider: handle.uuid });
        node
    }

    fn not_unique(&self, uuid: Uuid, name: &str, faults: &mut Faults) {
        faults.add_if(self.nodes.contains_key(&uuid), || Error::UuidExists { uuid });
        let named = self.named(name).is_some();
        faults.add_if(named, || Error::NameExists { name: name.to_owned() });
    }

    /// All that is wrong is one error.
    fn not_populable(&self, list: &[Listing], faults: &mut Faults) {
        let listed: BTreeMap<Uuid, &Listing> = list.iter().map(|one| (one.uuid, one)).collect();
        let dropped = self.dropped_by(list);
        let goes = |uuid: &Uuid| listed.contains_key(uuid) || dropped.contains(uuid);
        let mut wrong = Vec::new();
        for one in list {
            let (provider, name) = (one.uuid, one.name.to_owned());
            if list.iter().any(|other| other.name == one.name && other.uuid != one.uuid) {
                wrong.push(Fault::DuplicateName { provider, name: name.clone() });
            }
            if self.named(one.name).is_some_and(|node| !goes(&node.handle.uuid)) {
                wrong.push(Fault::NameExists { provider, name });
            }
            if let Some(parent) = one.parent.filter(|parent| !listed.contains_key(parent))
                && (!self.nodes.contains_key(&parent) || dropped.contains(&parent))
            {
                wrong.push(Fault::Orphan { provider, parent });
            }
            let parent = |uuid: &Uuid| listed.get(uuid).and_then(|one| one.parent);
            let mut above = std::iter::successors(parent(&provider), parent).take(list.len());
            if above.any(|ancestor| ancestor == provider) {
                wrong.push(Fault::Cycle { provider });
            }
            wrong.extend(self.used_without(provider, &one.stocks));
        }
        wrong.extend(dropped.iter().filter_map(|uuid| self.used_without(*uuid, &Stocks::new())));
        let error = || sorted(Error::InvalidEntries { faults: wrong.clone() });
        faults.add_if(!wrong.is_empty(), error);
    }

    /// What is below the listed and not listed.
    pub(super) fn dropped_by(&self, list: &[Listing]) -> BTreeSet<Uuid> {
        let replaced = list.iter().filter(|one| self.nodes.contains_key(&one.uuid));
        let below = replaced.flat_map(|one| self.subtree(one.uuid));
        below.filter(|uuid| list.iter().all(|one| one.uuid != *uuid)).collect()
    }

    /// The first class that the provider has in use and would not have any more.
    fn used_without(&self, provider: Uuid, stocks: &Stocks) -> Option<Fault> {
        let classes = self.nodes.get(&provider)?.stocks.keys();
        let gone = classes.filter(|class| !stocks.contains_key(class));
        gone.map(|&class| (class, self.used(provider, class)))
            .find(|(_, used)| *used > 0)
            .map(|(class, used)| Fault::InUse { provider, class, used })
    }

    fn not_removable(&self, handle: Handle, faults: &mut Faults) {
        if self.live(handle, faults).is_some() {
            self.subtree(handle.uuid).into_iter().for_each(|uuid| self.in_use(uuid, faults));
        }
    }

    fn not_a_removable_leaf(&self, handle: Handle, faults: &mut Faults) {
        let Some(node) = self.live(handle, faults) else { return };
        let parent = !node.children.is_empty();
        faults.add_if(parent, || Error::HasChildren { provider: handle.uuid });
        self.in_use(handle.uuid, faults);
    }

    fn in_use(&self, provider: Uuid, faults: &mut Faults) {
        for &class in self.nodes[&provider].stocks.keys() {
            let used = self.used(provider, class);
            faults.add_if(used > 0, || Error::InUse { provider, class, used });
        }
    }

    fn not_movable(&self, handle: Handle, parent: Option<Handle>, faults: &mut Faults) {
        self.live(handle, faults);
        let Some(parent) = parent else { return };
        self.live(parent, faults);
        let (provider, parent) = (handle.uuid, parent.uuid);
        let circle = faults.none() && self.subtree(provider).contains(&parent);
        faults.add_if(circle, || Error::WouldCycle { provider, parent });
    }

    fn not_renamable(&self, handle: Handle, name: &str, faults: &mut Faults) {
        self.live(handle, faults);
        let of_another = self.named(name).is_some_and(|node| node.handle != handle);
        faults.add_if(of_another, || Error::NameExists { name: name.to_owned() });
    }

    pub(super) fn not_as_expected(&self, handle: Handle, expect: Expect, faults: &mut Faults) {
        let Some(node) = self.live(handle, faults) else { return };
        let (provider, actual) = (handle.uuid, node.generation);
        let Expect::Generation(expected) = expect else { return };
        if node.is_foreign {
            return self.rests_on(provider, expected, faults);
        }
        let conflict = || Error::GenerationConflict { provider, expected, actual };
        faults.add_if(expected != actual, conflict);
    }

    pub(super) fn not_droppable(&self, handle: Handle, stocks: &Stocks, faults: &mut Faults) {
        let Some(node) = self.live(handle, &mut Faults::default()) else { return };
        let provider = handle.uuid;
        for &class in node.stocks.keys().filter(|class| !stocks.contains_key(class)) {
            let used = self.used(provider, class);
            faults.add_if(used > 0, || Error::InUse { provider, class, used });
        }
    }

    pub(super) fn stock(
        &self,
        handle: Handle,
        class: ResourceClass,
        faults: &mut Faults,
    ) -> Option<Stock> {
        let node = self.live(handle, faults)?;
        let endless = node.is_foreign.then_some(Stock::of(u64::MAX));
        let stock = node.stocks.get(&class).copied().or(endless);
        let provider = handle.uuid;
        faults.add_if(stock.is_none(), || Error::NoInventory { provider, class });
        stock
    }

    fn exists(&self, consumer: Uuid, lines: &[Line<Handle>], faults: &mut Faults) {
        let Some(Consumer { generation, held, tag, .. }) = self.consumers.get(&consumer) else {
            return;
        };
        let generation = *generation;
        let is_live = |handle: Handle| self.live(handle, &mut Faults::default()).is_some();
        let wanted = summed(lines);
        let equal = tag_of(lines).is_none_or(|sets| sets == *tag)
            && wanted.keys().all(|(handle, _)| is_live(*handle))
            && held.iter().eq(wanted
                .iter()
                .map(|((handle, class), amount)| ((handle.uuid, *class), *amount))
                .collect::<BTreeMap<_, _>>()
                .iter());
        faults.add_if(true, || match equal {
            true => Error::AlreadyHeld { consumer, generation },
            false => Error::ConsumerExists { consumer, generation },
        });
    }

    pub(super) fn conflicts(&self, consumer: Uuid, expect: Expect, faults: &mut Faults) {
        let actual = self.consumers.get(&consumer).map(|consumer| consumer.generation);
        let Expect::Generation(expected) = expect else { return };
        let conflict = || Error::ConsumerConflict { consumer, expected, actual };
        faults.add_if(actual != Some(expected), conflict);
    }

    /// Whether the lines can be had in the place of what is `held`.
    pub(super) fn not_to_be_had(
        &self,
        held: &BTreeMap<(Uuid, ResourceClass), u64>,
        lines: &[Line<Handle>],
        faults: &mut Faults,
    ) {
        for ((handle, class), requested) in summed(lines) {
            let provider = handle.uuid;
            let Some(stock) = self.stock(handle, class, faults) else { continue };
            self.asks(provider, class, requested, faults);
            let held = held.get(&(provider, class)).copied().unwrap_or(0);
            let others = self.used(provider, class) - held;
            let free = stock.total.saturating_sub(others);
            let cordoned = requested > held && self.is_cordoned(provider);
            faults.add_if(cordoned, || Error::Cordoned { provider });
            let exceeds = requested > held && requested > free && !cordoned;
            let exceeded = || Error::CapacityExceeded { provider, class, requested, free };
            faults.add_if(exceeds, exceeded);
            let gives = requested == held || stock.gives(requested);
            faults.add_if(!gives, || stock.violated(provider, class, requested));
        }
    }

    /// Whether the last lease of a consumer can't be confirmed, renewed or forgotten.
    fn not_leased(
        &self,
        consumer: Uuid,
        now: Option<u64>,
        may_be_confirmed: bool,
        faults: &mut Faults,
    ) {
        let Some(lease) = self.leases.get(&consumer) else { return };
        let held = self.consumers.get(&consumer).filter(|held| held.lease == Some(*lease));
        let ended = held.is_none_or(|held| {
            held.deadline.zip(now).is_some_and(|(deadline, now)| deadline <= now)
        });
        faults.add_if(ended, || Error::LeaseEnded { consumer });
        let confirmed = held.is_some_and(|held| held.deadline.is_none());
        faults.add_if(confirmed && !may_be_confirmed, || Error::NotLeased { consumer });
    }

    fn rest_not_to_be_had(&self, handle: Handle, class: ResourceClass, faults: &mut Faults) {
        if self.stock(handle, class, faults).is_some() {
            let rest = self.usage(handle.uuid, class).free();
            let lines = (rest > 0).then_some((handle, class, rest));
            self.not_to_be_had(&BTreeMap::new(), lines.as_slice(), faults);
        }
    }

    fn not_taken(&self, handle: Handle, amounts: &[(ResourceClass, u64)], faults: &mut Faults) {
        let provider = handle.uuid;
        for &(class, requested) in amounts {
            if self.stock(handle, class, faults).is_none() {
                continue;
            }
            let taken = self.nodes[&provider].taken.get(&class).copied().unwrap_or(0);
            let too_much = || Error::NotTaken { provider, class, requested, taken };
            faults.add_if(requested > taken, too_much);
        }
    }
}

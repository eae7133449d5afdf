//! The specification: what each operation does to a forest that one thread alone works on.
//!
//! Written from the documentation, with maps and without any sharing. An operation is refused
//! exactly if something stands against it. If several things do, the documentation leaves open
//! which of them the error names, so that each of them is right.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use provider_tree::{
    Allocation, Allocations, Dump, Error, Expect, Fault, InventoryFault, ProviderData,
    ProviderDump, Receipt, ResourceClass, Trait, Updated, Usage, UsedAmounts,
};
use uuid::Uuid;

use crate::history::{Floors, short};
use crate::operation::{
    Answer, Handle, Item, Line, Listing, Op, Outcome, Said, SetOp, Stock, Stocks, inventories,
    resources,
};
use crate::recorder::sorted;

/// A forest and its consumers.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct Model {
    nodes: BTreeMap<Uuid, Node>,
    roots: Vec<Uuid>,
    consumers: BTreeMap<Uuid, Consumer>,
    /// The greatest generation of each consumer's earlier lives. None of the consumers here share a
    /// floor.
    floors: Floors,
    /// All handles that a creation has returned: none may come again.
    born: BTreeSet<Handle>,
    /// The last lease of each consumer: which of all leases it was.
    leases: BTreeMap<Uuid, u64>,
    last_lease: u64,
}

/// A provider.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Node {
    handle: Handle,
    name: &'static str,
    parent: Option<Uuid>,
    children: Vec<Uuid>,
    generation: u64,
    stocks: Stocks,
    traits: BTreeSet<Trait>,
    aggregates: BTreeSet<Uuid>,
    values: BTreeMap<ResourceClass, u8>,
    /// Whether it is cordoned itself.
    cordoned: bool,
    /// What is taken for no consumer.
    taken: BTreeMap<ResourceClass, u64>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Consumer {
    generation: u64,
    deadline: Option<u64>,
    /// Which of all leases it began as, if it began as one.
    lease: Option<u64>,
    held: BTreeMap<(Uuid, ResourceClass), u64>,
}

impl Model {
    /// An empty forest whose consumers have had lives before.
    pub fn new(floors: &Floors) -> Self {
        Model { floors: floors.clone(), ..Model::default() }
    }
}

impl linearize::Model for Model {
    type Op = Op<Handle>;
    type Outcome = Outcome<Handle>;

    fn allows(&mut self, op: &Op<Handle>, outcome: &Outcome<Handle>) -> bool {
        match op {
            Op::Gang(members, at_least) => return self.gang(members, *at_least, outcome),
            Op::Partly(consumer, lines) => return self.partly(*consumer, lines, outcome),
            _ => {}
        }
        let faults = self.faults(op);
        match outcome {
            Err(error) => faults.contains(error),
            Ok(answer) => faults.none() && self.perform(op, answer).as_ref() == Some(answer),
        }
    }

    fn shown(op: &Op<Handle>, outcome: &Outcome<Handle>) -> String {
        short(&format!("{op:?} -> {outcome:?}"))
    }
}

/// What stands against an operation.
#[derive(Default)]
struct Faults(Vec<Error>);

impl Faults {
    fn contains(&self, error: &Error) -> bool {
        self.0.contains(error)
    }

    fn none(&self) -> bool {
        self.0.is_empty()
    }

    fn add_if(&mut self, holds: bool, error: impl FnOnce() -> Error) {
        if holds {
            self.0.push(error());
        }
    }
}

/// Refusals.
impl Model {
    fn faults(&self, op: &Op<Handle>) -> Faults {
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
                let lines: Vec<_> = amounts.iter().map(|&(c, n)| (*handle, c, n)).collect();
                self.not_to_be_had(&BTreeMap::new(), &lines, &mut faults);
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
                let differ =
                    self.nodes.get(&handle.uuid).is_some_and(|node| node.differs_from(said));
                if differ {
                    for (&class, (_, min_unit)) in said {
                        let fault = InventoryFault::ZeroMinUnit;
                        let invalid = || Error::InvalidInventory { class, fault };
                        faults.add_if(*min_unit == Some(0), invalid);
                    }
                    self.not_droppable(*handle, &completed(said), &mut faults);
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
            Op::Forget(consumer) => self.not_leased(*consumer, None, false, &mut faults),
            // Judged for themselves.
            Op::Gang(..) | Op::Partly(..) => {}
        }
        faults
    }

    /// The provider that the handle names, unless it has been removed.
    fn live(&self, handle: Handle, faults: &mut Faults) -> Option<&Node> {
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
    fn dropped_by(&self, list: &[Listing]) -> BTreeSet<Uuid> {
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

    fn not_as_expected(&self, handle: Handle, expect: Expect, faults: &mut Faults) {
        let Some(node) = self.live(handle, faults) else { return };
        let (provider, actual) = (handle.uuid, node.generation);
        let Expect::Generation(expected) = expect else { return };
        let conflict = || Error::GenerationConflict { provider, expected, actual };
        faults.add_if(expected != actual, conflict);
    }

    fn not_droppable(&self, handle: Handle, stocks: &Stocks, faults: &mut Faults) {
        let Some(node) = self.live(handle, &mut Faults::default()) else { return };
        let provider = handle.uuid;
        for &class in node.stocks.keys().filter(|class| !stocks.contains_key(class)) {
            let used = self.used(provider, class);
            faults.add_if(used > 0, || Error::InUse { provider, class, used });
        }
    }

    fn stock(&self, handle: Handle, class: ResourceClass, faults: &mut Faults) -> Option<Stock> {
        let stock = self.live(handle, faults)?.stocks.get(&class).copied();
        let provider = handle.uuid;
        faults.add_if(stock.is_none(), || Error::NoInventory { provider, class });
        stock
    }

    fn exists(&self, consumer: Uuid, lines: &[Line<Handle>], faults: &mut Faults) {
        let Some(Consumer { generation, held, .. }) = self.consumers.get(&consumer) else {
            return;
        };
        let generation = *generation;
        let is_live = |handle: Handle| self.live(handle, &mut Faults::default()).is_some();
        let wanted = summed(lines);
        let equal = wanted.keys().all(|(handle, _)| is_live(*handle))
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

    fn conflicts(&self, consumer: Uuid, expect: Expect, faults: &mut Faults) {
        let actual = self.consumers.get(&consumer).map(|consumer| consumer.generation);
        let Expect::Generation(expected) = expect else { return };
        let conflict = || Error::ConsumerConflict { consumer, expected, actual };
        faults.add_if(actual != Some(expected), conflict);
    }

    /// Whether the lines can be had in the place of what is `held`.
    fn not_to_be_had(
        &self,
        held: &BTreeMap<(Uuid, ResourceClass), u64>,
        lines: &[Line<Handle>],
        faults: &mut Faults,
    ) {
        for ((handle, class), requested) in summed(lines) {
            let provider = handle.uuid;
            let Some(stock) = self.stock(handle, class, faults) else { continue };
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

    /// Whether a batch stands against itself or the state. What is missing where it takes is found
    /// as if nothing else were wrong, since only then it is looked for.
    fn not_committable(&self, items: &[Item<Handle>], faults: &mut Faults) {
        let mut twice = Vec::new();
        let (mut consumers, mut providers) = (BTreeSet::new(), BTreeSet::new());
        for item in items {
            match item {
                Item::Claim(consumer, _)
                | Item::Replace(consumer, ..)
                | Item::Release(consumer, _) => {
                    if !consumers.insert(*consumer) {
                        twice.push(Fault::DuplicateConsumer { consumer: *consumer });
                    }
                }
                Item::SetInventories(handle, ..) => {
                    if !providers.insert(handle.uuid) {
                        twice.push(Fault::DuplicateUuid { provider: handle.uuid });
                    }
                }
            }
        }
        if !twice.is_empty() {
            faults.add_if(true, || sorted(Error::InvalidEntries { faults: twice.clone() }));
            return;
        }
        let mut after = self.clone();
        for item in items {
            match item {
                Item::Claim(consumer, _) => {
                    if let Some(&Consumer { generation, .. }) = self.consumers.get(consumer) {
                        let consumer = *consumer;
                        faults.add_if(true, || Error::ConsumerExists { consumer, generation });
                    }
                }
                Item::Replace(consumer, _, expect) => self.conflicts(*consumer, *expect, faults),
                Item::Release(consumer, expect) => {
                    self.conflicts(*consumer, *expect, faults);
                    let missing = !self.consumers.contains_key(consumer);
                    faults.add_if(missing, || Error::ConsumerNotFound { consumer: *consumer });
                }
                Item::SetInventories(handle, _, expect) => {
                    self.not_as_expected(*handle, *expect, faults);
                }
            }
        }
        consumers.iter().for_each(|consumer| drop(after.consumers.remove(consumer)));
        for item in items {
            if let Item::SetInventories(handle, stocks, _) = item
                && after.live(*handle, faults).is_some()
            {
                after.not_droppable(*handle, stocks, faults);
                after.node(handle.uuid).stocks = stocks.clone();
            }
        }
        after.not_to_be_had_together(self, items, faults);
    }

    /// Everything that the consumers of a batch held is given back in this state.
    fn not_to_be_had_together(&self, before: &Model, items: &[Item<Handle>], faults: &mut Faults) {
        let mut together = BTreeMap::<(Uuid, ResourceClass), (u64, u64)>::new();
        for item in items {
            let (consumer, lines) = match item {
                Item::Claim(consumer, lines) | Item::Replace(consumer, lines, _) => {
                    (consumer, &lines[..])
                }
                Item::Release(consumer, _) => (consumer, &[][..]),
                Item::SetInventories(..) => continue,
            };
            let held = before.held_by(*consumer);
            for (key, amount) in &held {
                together.entry(*key).or_default().0 += amount;
            }
            for ((handle, class), wanted) in summed(lines) {
                let provider = handle.uuid;
                let Some(stock) = self.stock(handle, class, faults) else { continue };
                let held = held.get(&(provider, class)).copied().unwrap_or(0);
                let cordoned = wanted > held && self.is_cordoned(provider);
                faults.add_if(cordoned, || Error::Cordoned { provider });
                let gives = wanted == held || stock.gives(wanted);
                faults.add_if(!gives, || stock.violated(provider, class, wanted));
                together.entry((provider, class)).or_default().1 += wanted;
            }
        }
        for ((provider, class), (held, wanted)) in together {
            let Some(stock) = self.nodes.get(&provider).and_then(|node| node.stocks.get(&class))
            else {
                continue;
            };
            let free = stock.total.saturating_sub(self.used(provider, class));
            let exceeded = || Error::CapacityExceeded { provider, class, requested: wanted, free };
            faults.add_if(wanted > held && wanted > free, exceeded);
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

/// Successes. Nothing stands against the operation any more.
impl Model {
    /// Does it, and says what it answers; none if it can't have answered as it did. `observed`
    /// decides nothing but the handle of a new provider.
    fn perform(&mut self, op: &Op<Handle>, observed: &Answer<Handle>) -> Option<Answer<Handle>> {
        Some(match op {
            Op::CreateRoot(uuid, name) => self.create(None, *uuid, name, observed.handle()?)?,
            Op::CreateChild(parent, uuid, name) => {
                self.create(Some(parent.uuid), *uuid, name, observed.handle()?)?
            }
            Op::Populate(list) => self.populate(list, observed)?,
            Op::Remove(handle) => Answer::Removed(self.remove(handle.uuid)),
            Op::RemoveLeaf(handle) => {
                self.remove(handle.uuid);
                Answer::Done
            }
            Op::Reparent(handle, parent) => {
                self.unlink(handle.uuid);
                self.link(handle.uuid, parent.map(|parent| parent.uuid));
                self.change(*handle, Expect::Any, |_| ());
                Answer::Done
            }
            Op::Rename(handle, name) => {
                if self.nodes[&handle.uuid].name != *name {
                    self.change(*handle, Expect::Any, |node| node.name = name);
                }
                Answer::Done
            }
            Op::SetInventories(handle, stocks, expect) => {
                let set = |node: &mut Node| node.stocks = stocks.clone();
                Answer::Generation(self.change(*handle, *expect, set))
            }
            Op::SetTraits(handle, traits, expect) => {
                let set = |node: &mut Node| node.traits = traits.clone();
                Answer::Generation(self.change(*handle, *expect, set))
            }
            Op::AddTraits(handle, traits, expect) => {
                let node = &self.nodes[&handle.uuid];
                let changed = !node.traits.is_superset(traits);
                let generation = match (changed, expect) {
                    (false, Expect::Any | Expect::Generation(_)) => node.generation,
                    _ => self.change(*handle, *expect, |node| node.traits.extend(traits)),
                };
                let overcommitted = self.is_overcommitted(handle.uuid);
                Answer::Updated(Updated { changed, generation, overcommitted })
            }
            Op::Claim(consumer, lines) | Op::RestOn(consumer, lines, ..) => {
                Answer::Receipt(self.put(*consumer, lines, Expect::Any))
            }
            Op::Chain(consumer, line) => {
                let lines = self.chain(*line);
                Answer::Receipt(self.put(*consumer, &lines, Expect::Any))
            }
            Op::Lease(consumer, lines, deadline) => {
                let receipt = self.put(*consumer, lines, Expect::Any);
                self.last_lease += 1;
                self.leases.insert(*consumer, self.last_lease);
                let held = self.consumers.get_mut(consumer)?;
                (held.deadline, held.lease) = (Some(*deadline), Some(self.last_lease));
                Answer::Receipt(receipt)
            }
            Op::Confirm(consumer, _) => match self.leases.contains_key(consumer) {
                true => Answer::Receipt(self.renew(*consumer, None)),
                false => Answer::Nothing,
            },
            Op::Renew(consumer, deadline, _) => match self.leases.contains_key(consumer) {
                true => Answer::Receipt(self.renew(*consumer, Some(*deadline))),
                false => Answer::Nothing,
            },
            Op::Forget(consumer) => match self.leases.contains_key(consumer) {
                true => {
                    let generation = self.end(*consumer)?;
                    Answer::Receipt(Receipt { consumer: *consumer, generation })
                }
                false => Answer::Nothing,
            },
            Op::Expire(now) => {
                let is_due = |held: &Consumer| held.deadline.is_some_and(|due| due <= *now);
                let due = self.consumers.iter().filter(|(_, held)| is_due(held));
                let due: Vec<_> = due
                    .map(|(uuid, held)| Receipt { consumer: *uuid, generation: held.generation })
                    .collect();
                for gone in &due {
                    self.end(gone.consumer)?;
                }
                Answer::Receipts(due)
            }
            Op::Commit(items) => self.commit(items)?,
            Op::Cordon(handle, own) => {
                let node = self.node(handle.uuid);
                Answer::Is(std::mem::replace(&mut node.cordoned, *own) != *own)
            }
            Op::Traits(how, handle, set, expect) => {
                self.change_set(*how, *handle, set, *expect, |node| &mut node.traits)
            }
            Op::Aggregates(how, handle, set, expect) => {
                self.change_set(*how, *handle, set, *expect, |node| &mut node.aggregates)
            }
            Op::UpdateInventories(handle, said, expect) => {
                let changed = self.nodes[&handle.uuid].differs_from(said);
                let stocks = completed(said);
                self.updated(*handle, *expect, changed, |node| node.stocks = stocks)
            }
            Op::UpdateResources(handle, values, expect) => {
                let changed = self.nodes[&handle.uuid].values != *values;
                self.updated(*handle, *expect, changed, |node| node.values = values.clone())
            }
            Op::Replace(consumer, lines, expect) => {
                Answer::Receipt(self.put(*consumer, lines, *expect))
            }
            Op::Release(consumer) => {
                let generation = self.end(*consumer)?;
                Answer::Receipt(Receipt { consumer: *consumer, generation })
            }
            Op::Take(handle, amounts) => {
                amounts.iter().for_each(|&(class, amount)| self.take(*handle, class, amount));
                Answer::Done
            }
            Op::PutBack(handle, amounts) => {
                amounts.iter().for_each(|&(class, amount)| self.put_back(*handle, class, amount));
                Answer::Done
            }
            Op::TakeRest(handle, class) => {
                let rest = self.usage(handle.uuid, *class).free();
                self.take(*handle, *class, rest);
                Answer::Amount(rest)
            }
            Op::Grow(handle, class) => {
                self.change(*handle, Expect::Any, |node| {
                    node.stocks.entry(*class).and_modify(|stock| stock.total += 1);
                });
                Answer::Amount(self.usage(handle.uuid, *class).capacity)
            }
            reads => self.read(reads)?,
        })
    }

    /// What an operation that changes nothing answers.
    fn read(&self, op: &Op<Handle>) -> Option<Answer<Handle>> {
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
            Op::Data(handle) => Answer::Data(self.nodes[&handle.uuid].data()),
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

    fn create(
        &mut self,
        parent: Option<Uuid>,
        uuid: Uuid,
        name: &'static str,
        handle: Handle,
    ) -> Option<Answer<Handle>> {
        if handle.uuid != uuid || !self.born.insert(handle) {
            return None;
        }
        let node = Node {
            handle,
            name,
            parent,
            children: Vec::new(),
            generation: 0,
            stocks: Stocks::new(),
            traits: BTreeSet::new(),
            aggregates: BTreeSet::new(),
            values: BTreeMap::new(),
            cordoned: false,
            taken: BTreeMap::new(),
        };
        self.nodes.insert(uuid, node);
        self.link(uuid, parent);
        Some(Answer::Created(handle))
    }

    fn remove(&mut self, uuid: Uuid) -> usize {
        self.unlink(uuid);
        let gone = self.subtree(uuid);
        gone.iter().for_each(|uuid| drop(self.nodes.remove(uuid)));
        gone.len()
    }

    fn populate(&mut self, list: &[Listing], observed: &Answer<Handle>) -> Option<Answer<Handle>> {
        let Answer::Populated(handles) = observed else { return None };
        if handles.len() != list.len() {
            return None;
        }
        let dropped = self.dropped_by(list);
        let goes = |uuid: &Uuid| dropped.contains(uuid) || list.iter().any(|one| one.uuid == *uuid);
        self.roots.retain(|root| !goes(root));
        self.nodes.values_mut().for_each(|node| node.children.retain(|child| !goes(child)));
        self.nodes.retain(|uuid, _| !dropped.contains(uuid));
        for (one, &handle) in list.iter().zip(handles) {
            let before = self.nodes.remove(&one.uuid);
            let is_known = match &before {
                Some(node) => node.handle == handle,
                None => handle.uuid == one.uuid && self.born.insert(handle),
            };
            if !is_known {
                return None;
            }
            let generation = before.as_ref().map_or(0, |node| node.generation + 1);
            let node = Node {
                handle,
                name: one.name,
                parent: one.parent,
                children: Vec::new(),
                generation: one.generation.unwrap_or(generation),
                stocks: one.stocks.clone(),
                traits: one.traits.clone(),
                aggregates: BTreeSet::new(),
                values: BTreeMap::new(),
                cordoned: before.as_ref().is_some_and(|node| node.cordoned),
                taken: before.map(|node| node.taken).unwrap_or_default(),
            };
            self.nodes.insert(one.uuid, node);
        }
        list.iter().for_each(|one| self.link(one.uuid, one.parent));
        Some(observed.clone())
    }

    /// Changes a provider; returns its new generation.
    fn change(&mut self, handle: Handle, expect: Expect, change: impl FnOnce(&mut Node)) -> u64 {
        let node = self.node(handle.uuid);
        change(node);
        node.generation = next(expect, node.generation);
        node.generation
    }

    fn put(&mut self, consumer: Uuid, lines: &[Line<Handle>], expect: Expect) -> Receipt {
        let floor = self.floors.get(&consumer).copied().unwrap_or(0);
        let before = self.consumers.get(&consumer).map_or(floor, |before| before.generation);
        let generation = next(expect, before);
        if generation < before {
            self.raise(consumer, before);
        }
        let (deadline, lease) = self
            .consumers
            .get(&consumer)
            .map_or((None, None), |before| (before.deadline, before.lease));
        let of_uuid = |((handle, class), amount): ((Handle, _), _)| ((handle.uuid, class), amount);
        let held = summed(lines).into_iter().map(of_uuid).collect();
        self.consumers.insert(consumer, Consumer { generation, deadline, lease, held });
        Receipt { consumer, generation }
    }

    /// Ends a consumer's life; its last generation.
    fn end(&mut self, consumer: Uuid) -> Option<u64> {
        let generation = self.consumers.remove(&consumer)?.generation;
        self.raise(consumer, generation);
        Some(generation)
    }

    /// The next life begins above.
    fn raise(&mut self, consumer: Uuid, generation: u64) {
        let floor = self.floors.entry(consumer).or_default();
        *floor = generation.max(*floor);
    }

    fn take(&mut self, handle: Handle, class: ResourceClass, amount: u64) {
        if amount > 0 {
            *self.node(handle.uuid).taken.entry(class).or_default() += amount;
        }
    }

    /// What is nothing any more has no entry, so that equal states are equal.
    fn put_back(&mut self, handle: Handle, class: ResourceClass, amount: u64) {
        let taken = &mut self.node(handle.uuid).taken;
        match taken.get_mut(&class) {
            Some(left) if *left > amount => *left -= amount,
            _ => drop(taken.remove(&class)),
        }
    }
}

fn next(expect: Expect, generation: u64) -> u64 {
    match expect {
        Expect::Mirror(set) => set,
        Expect::Any | Expect::Generation(_) => generation + 1,
    }
}

/// What only one thread alone does.
impl Model {
    fn updated(
        &mut self,
        handle: Handle,
        expect: Expect,
        changed: bool,
        change: impl FnOnce(&mut Node),
    ) -> Answer<Handle> {
        let generation = match (changed, expect) {
            (true, _) => self.change(handle, expect, change),
            (false, Expect::Mirror(_)) => self.change(handle, expect, |_| ()),
            (false, _) => self.nodes[&handle.uuid].generation,
        };
        let overcommitted = self.is_overcommitted(handle.uuid);
        Answer::Updated(Updated { changed, generation, overcommitted })
    }

    fn change_set<T: Ord + Clone>(
        &mut self,
        how: SetOp,
        handle: Handle,
        set: &BTreeSet<T>,
        expect: Expect,
        of: impl Fn(&mut Node) -> &mut BTreeSet<T>,
    ) -> Answer<Handle> {
        let before = of(self.node(handle.uuid)).clone();
        let after = match how {
            SetOp::Set | SetOp::Update => set.clone(),
            SetOp::Add => &before | set,
            SetOp::Remove => &before - set,
        };
        if let SetOp::Set = how {
            return Answer::Generation(self.change(handle, expect, |node| *of(node) = after));
        }
        self.updated(handle, expect, before != after, |node| *of(node) = after)
    }

    fn renew(&mut self, consumer: Uuid, deadline: Option<u64>) -> Receipt {
        let held = self.consumers.get_mut(&consumer).expect("leased");
        if held.deadline.is_some() {
            held.generation += 1;
            held.deadline = deadline;
        }
        Receipt { consumer, generation: held.generation }
    }

    fn commit(&mut self, items: &[Item<Handle>]) -> Option<Answer<Handle>> {
        let mut receipts = Vec::new();
        for item in items {
            match item {
                Item::Claim(consumer, lines) => {
                    receipts.push(self.put(*consumer, lines, Expect::Any));
                }
                Item::Replace(consumer, lines, expect) => {
                    receipts.push(self.put(*consumer, lines, *expect));
                }
                Item::Release(consumer, _) => {
                    let generation = self.end(*consumer)?;
                    receipts.push(Receipt { consumer: *consumer, generation });
                }
                Item::SetInventories(handle, stocks, expect) => {
                    self.change(*handle, *expect, |node| node.stocks = stocks.clone());
                }
            }
        }
        Some(Answer::Receipts(receipts))
    }

    /// What a claim of a new consumer is refused for, if it is.
    fn not_claimable(&self, consumer: Uuid, lines: &[Line<Handle>]) -> Faults {
        let mut faults = Faults::default();
        if let Some(&Consumer { generation, .. }) = self.consumers.get(&consumer) {
            faults.add_if(true, || Error::ConsumerExists { consumer, generation });
        }
        self.not_to_be_had(&BTreeMap::new(), lines, &mut faults);
        faults
    }

    fn gang(
        &mut self,
        members: &[(Uuid, Vec<Line<Handle>>)],
        at_least: usize,
        outcome: &Outcome<Handle>,
    ) -> bool {
        let mut after = self.clone();
        let refusal = |position: usize| match outcome {
            Ok(Answer::Gang(made)) => made.get(position)?.as_ref().err(),
            Err(Error::TooFewFit { refused, .. }) => {
                refused.iter().find(|(at, _)| *at == position).map(|(_, error)| error)
            }
            _ => None,
        };
        let mut made = Vec::new();
        for (position, (consumer, lines)) in members.iter().enumerate() {
            let faults = after.not_claimable(*consumer, lines);
            match refusal(position) {
                Some(error) if faults.contains(error) => made.push(Err(error.clone())),
                None if faults.none() => made.push(Ok(after.put(*consumer, lines, Expect::Any))),
                _ => return false,
            }
        }
        let fit = made.iter().filter(|member| member.is_ok()).count();
        match outcome {
            Ok(Answer::Gang(observed)) if fit >= at_least && *observed == made => {
                *self = after;
                true
            }
            Err(Error::TooFewFit { fit: observed, at_least: least, refused }) => {
                fit < at_least
                    && (*observed, *least) == (fit, at_least)
                    && refused.len() == made.len() - fit
            }
            _ => false,
        }
    }

    fn partly(
        &mut self,
        consumer: Uuid,
        lines: &[Line<Handle>],
        outcome: &Outcome<Handle>,
    ) -> bool {
        if let Some(&Consumer { generation, .. }) = self.consumers.get(&consumer) {
            return *outcome == Err(Error::ConsumerExists { consumer, generation });
        }
        let refused = match outcome {
            Ok(Answer::Partly(partial)) => &partial.refused,
            Err(Error::TooFewFit { refused, .. }) => refused,
            _ => return false,
        };
        let mut after = self.clone();
        let mut had = Vec::new();
        for (position, line) in lines.iter().enumerate() {
            let same = |other: &&Line<Handle>| (other.0, other.1) == (line.0, line.1);
            let before: u64 = had.iter().filter(same).map(|other: &Line<Handle>| other.2).sum();
            // What was had before counts with it.
            let held = BTreeMap::from([((line.0.uuid, line.1), before)]);
            let mut faults = Faults::default();
            after.not_to_be_had(&held, &[(line.0, line.1, before + line.2)], &mut faults);
            match refused.iter().find(|(at, _)| *at == position) {
                Some((_, error)) if faults.contains(error) => {}
                None if faults.none() => {
                    after.take(line.0, line.1, line.2);
                    had.push(*line);
                }
                _ => return false,
            }
        }
        match outcome {
            Ok(Answer::Partly(partial)) if !had.is_empty() => {
                let receipt = self.put(consumer, &had, Expect::Any);
                partial.receipt == receipt
            }
            Err(Error::TooFewFit { fit: 0, at_least: 1, .. }) => had.is_empty(),
            _ => false,
        }
    }

    /// The lines of a chain at this instant.
    fn chain(&self, (handle, class, amount): Line<Handle>) -> Vec<Line<Handle>> {
        std::iter::once(handle.uuid)
            .chain(self.ancestors(handle.uuid))
            .map(|uuid| &self.nodes[&uuid])
            .filter(|node| node.stocks.contains_key(&class))
            .map(|node| (node.handle, class, amount))
            .collect()
    }

    fn is_cordoned(&self, provider: Uuid) -> bool {
        self.nodes[&provider].cordoned
            || self.ancestors(provider).iter().any(|uuid| self.nodes[uuid].cordoned)
    }
}

/// What is not said has its usual value.
fn completed(said: &Said) -> Stocks {
    let stock = |(class, (total, min_unit)): (&ResourceClass, &(u64, Option<u64>))| {
        (*class, Stock { min_unit: min_unit.unwrap_or(1), ..Stock::of(*total) })
    };
    said.iter().map(stock).collect()
}

/// The forest.
impl Model {
    fn node(&mut self, uuid: Uuid) -> &mut Node {
        self.nodes.get_mut(&uuid).expect("a provider of the forest")
    }

    fn named(&self, name: &str) -> Option<&Node> {
        self.nodes.values().find(|node| node.name == name)
    }

    fn siblings(&mut self, parent: Option<Uuid>) -> &mut Vec<Uuid> {
        match parent {
            Some(parent) => &mut self.node(parent).children,
            None => &mut self.roots,
        }
    }

    fn unlink(&mut self, uuid: Uuid) {
        let parent = self.nodes[&uuid].parent;
        self.siblings(parent).retain(|sibling| *sibling != uuid);
    }

    fn link(&mut self, uuid: Uuid, parent: Option<Uuid>) {
        self.siblings(parent).push(uuid);
        self.node(uuid).parent = parent;
    }

    /// The provider and all below it, parents first.
    fn subtree(&self, top: Uuid) -> Vec<Uuid> {
        let below = self.nodes[&top].children.iter().flat_map(|child| self.subtree(*child));
        std::iter::once(top).chain(below).collect()
    }

    fn ancestors(&self, uuid: Uuid) -> Vec<Uuid> {
        let parent = |uuid: &Uuid| self.nodes[uuid].parent;
        std::iter::successors(parent(&uuid), parent).collect()
    }

    fn walk(&self, uuids: impl IntoIterator<Item = Uuid>) -> Answer<Handle> {
        Answer::Walk(uuids.into_iter().map(|uuid| self.nodes[&uuid].handle).collect())
    }
}

/// Amounts.
impl Model {
    fn used(&self, provider: Uuid, class: ResourceClass) -> u64 {
        let taken = self.nodes[&provider].taken.get(&class).copied().unwrap_or(0);
        let held = |consumer: &Consumer| consumer.held.get(&(provider, class)).copied();
        taken + self.consumers.values().filter_map(held).sum::<u64>()
    }

    fn usage(&self, provider: Uuid, class: ResourceClass) -> Usage {
        let capacity = self.nodes[&provider].stocks[&class].total;
        Usage { capacity, used: self.used(provider, class) }
    }

    fn is_overcommitted(&self, provider: Uuid) -> bool {
        let stocks = &self.nodes[&provider].stocks;
        stocks.iter().any(|(class, stock)| self.used(provider, *class) > stock.total)
    }

    fn held_by(&self, consumer: Uuid) -> BTreeMap<(Uuid, ResourceClass), u64> {
        self.consumers.get(&consumer).map_or_else(BTreeMap::new, |consumer| consumer.held.clone())
    }

    fn allocations(&self, consumer: Uuid) -> Option<Allocations> {
        let Consumer { generation, held, deadline, .. } = self.consumers.get(&consumer)?;
        let allocation =
            |(&(provider, class), &amount): (&_, &_)| Allocation { provider, class, amount };
        let allocations = held.iter().map(allocation).collect();
        let (generation, deadline) = (*generation, *deadline);
        Some(Allocations { consumer, generation, deadline, allocations })
    }
}

impl Model {
    fn dump(&self) -> Dump {
        let provider = |uuid: Uuid| {
            let node = &self.nodes[&uuid];
            let used = |&class: &ResourceClass| {
                let taken = node.taken.get(&class).copied().unwrap_or(0);
                let used = self.used(uuid, class);
                (used > 0).then_some((class, UsedAmounts { used, taken }))
            };
            ProviderDump {
                data: node.data(),
                cordoned: node.cordoned,
                used: node.stocks.keys().filter_map(used).collect(),
            }
        };
        let uuids = self.roots.iter().flat_map(|root| self.subtree(*root));
        Dump {
            version: Dump::VERSION,
            providers: uuids.map(provider).collect(),
            consumers: self.consumers.keys().filter_map(|uuid| self.allocations(*uuid)).collect(),
        }
    }
}

impl Node {
    /// Whether its inventories are not what is said of them.
    fn differs_from(&self, said: &Said) -> bool {
        let agrees = |(class, (total, min_unit)): (&ResourceClass, &(u64, Option<u64>))| {
            self.stocks.get(class).is_some_and(|stock| {
                stock.total == *total && min_unit.is_none_or(|said| said == stock.min_unit)
            })
        };
        said.len() != self.stocks.len() || !said.iter().all(agrees)
    }

    fn data(&self) -> ProviderData {
        ProviderData {
            uuid: self.handle.uuid,
            name: self.name.into(),
            parent: self.parent,
            generation: self.generation,
            inventories: Arc::new(inventories(&self.stocks)),
            traits: Arc::new(self.traits.clone()),
            aggregates: Arc::new(self.aggregates.clone()),
            resources: resources(&self.values),
        }
    }
}

/// Asking twice for the same class of the same provider asks for the sum.
fn summed(lines: &[Line<Handle>]) -> BTreeMap<(Handle, ResourceClass), u64> {
    lines.iter().fold(BTreeMap::new(), |mut sums, &(handle, class, amount)| {
        *sums.entry((handle, class)).or_default() += amount;
        sums
    })
}

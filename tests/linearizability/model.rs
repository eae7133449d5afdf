//! The specification: what each operation does to a forest that one thread alone works on.
//!
//! Written from the documentation, with maps and without any sharing. An operation is refused
//! exactly if something stands against it. If several things do, the documentation leaves open
//! which of them the error names, so that each of them is right.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use provider_tree::{
    Allocation, Allocations, Dump, Error, Expect, Fault, ProviderData, ProviderDump, Receipt,
    ResourceClass, Resources, Trait, Updated, Usage, UsedAmounts,
};
use uuid::Uuid;

use crate::operation::{Answer, Handle, Line, Listing, Op, Outcome, Stock, Stocks, inventories};
use crate::recorder::sorted;

/// A forest and its consumers.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Model {
    nodes: BTreeMap<Uuid, Node>,
    roots: Vec<Uuid>,
    consumers: BTreeMap<Uuid, Consumer>,
    /// All handles that a creation has returned: none may come again.
    born: BTreeSet<Handle>,
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
    /// What is taken for no consumer.
    taken: BTreeMap<ResourceClass, u64>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Consumer {
    generation: u64,
    held: BTreeMap<(Uuid, ResourceClass), u64>,
}

impl Model {
    /// Whether the operation can have this outcome now. Then it has happened; else the model is
    /// not to be used any more.
    pub(crate) fn allows(&mut self, op: &Op<Handle>, outcome: &Outcome<Handle>) -> bool {
        let faults = self.faults(op);
        match outcome {
            Err(error) => faults.contains(error),
            Ok(answer) => faults.none() && self.perform(op, answer).as_ref() == Some(answer),
        }
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
                self.exists(*consumer, &mut faults);
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
            Op::HasSharingProvider(_) | Op::Dump => {}
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

    fn exists(&self, consumer: Uuid, faults: &mut Faults) {
        let Some(&Consumer { generation, .. }) = self.consumers.get(&consumer) else { return };
        faults.add_if(true, || Error::ConsumerExists { consumer, generation });
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
            let exceeds = requested > held && requested > free;
            let exceeded = || Error::CapacityExceeded { provider, class, requested, free };
            faults.add_if(exceeds, exceeded);
            let Stock { min_unit, max_unit, step_size, .. } = stock;
            faults.add_if(requested != held && !stock.gives(requested), || Error::UnitViolation {
                provider,
                class,
                requested,
                min_unit,
                max_unit,
                step_size,
            });
        }
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
                Answer::Updated(Updated { changed, generation })
            }
            Op::Claim(consumer, lines) => Answer::Receipt(self.put(*consumer, lines, Expect::Any)),
            Op::Replace(consumer, lines, expect) => {
                Answer::Receipt(self.put(*consumer, lines, *expect))
            }
            Op::Release(consumer) => {
                let generation = self.consumers.remove(consumer)?.generation;
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
        let before = self.consumers.get(&consumer).map_or(0, |before| before.generation);
        let generation = next(expect, before);
        let of_uuid = |((handle, class), amount): ((Handle, _), _)| ((handle.uuid, class), amount);
        let held = summed(lines).into_iter().map(of_uuid).collect();
        self.consumers.insert(consumer, Consumer { generation, held });
        Receipt { consumer, generation }
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

    fn held_by(&self, consumer: Uuid) -> BTreeMap<(Uuid, ResourceClass), u64> {
        self.consumers.get(&consumer).map_or_else(BTreeMap::new, |consumer| consumer.held.clone())
    }

    fn allocations(&self, consumer: Uuid) -> Option<Allocations> {
        let Consumer { generation, held } = self.consumers.get(&consumer)?;
        let allocation =
            |(&(provider, class), &amount): (&_, &_)| Allocation { provider, class, amount };
        let allocations = held.iter().map(allocation).collect();
        Some(Allocations { consumer, generation: *generation, allocations })
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
            ProviderDump { data: node.data(), used: node.stocks.keys().filter_map(used).collect() }
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
    fn data(&self) -> ProviderData {
        ProviderData {
            uuid: self.handle.uuid,
            name: self.name.into(),
            parent: self.parent,
            generation: self.generation,
            inventories: Arc::new(inventories(&self.stocks)),
            traits: Arc::new(self.traits.clone()),
            aggregates: Arc::default(),
            resources: Resources::new(),
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

//! Does what an operation says, once nothing stands against it any more.

use std::collections::{BTreeMap, BTreeSet};

use provider_tree::{Expect, Receipt, ResourceClass, Updated};
use uuid::Uuid;

use super::{Consumer, Model, Node, summed};
use crate::operation::{Answer, Handle, Line, Listing, Op, SetOp, Stocks, tag_of};

impl Model {
    /// Does it, and says what it answers; none if it can't have answered as it did. `observed`
    /// decides nothing but the handle of a new provider.
    pub(super) fn perform(
        &mut self,
        op: &Op<Handle>,
        observed: &Answer<Handle>,
    ) -> Option<Answer<Handle>> {
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
                let changed = self.nodes[&handle.uuid].stocks != *stocks;
                self.updated(*handle, *expect, changed, |node| node.stocks = stocks.clone())
            }
            Op::SetTraits(handle, traits, expect) => {
                let changed = self.nodes[&handle.uuid].traits != *traits;
                self.updated(*handle, *expect, changed, |node| node.traits = traits.clone())
            }
            Op::AddTraits(handle, traits, expect) => {
                let changed = !self.nodes[&handle.uuid].traits.is_superset(traits);
                self.updated(*handle, *expect, changed, |node| node.traits.extend(traits))
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
            Op::Cancel(consumer) => match self.leases.contains_key(consumer) {
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
                let stocks = self.nodes[&handle.uuid].with(said);
                let changed = self.nodes[&handle.uuid].stocks != stocks;
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
            is_foreign: false,
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
                is_foreign: false,
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
    pub(super) fn change(
        &mut self,
        handle: Handle,
        expect: Expect,
        change: impl FnOnce(&mut Node),
    ) -> u64 {
        let node = self.node(handle.uuid);
        change(node);
        node.generation = next(expect, node.generation);
        node.generation
    }

    pub(super) fn put(
        &mut self,
        consumer: Uuid,
        lines: &[Line<Handle>],
        expect: Expect,
    ) -> Receipt {
        self.put_tagged(consumer, lines, tag_of(lines), expect)
    }

    pub(super) fn put_tagged(
        &mut self,
        consumer: Uuid,
        lines: &[Line<Handle>],
        tag: Option<u64>,
        expect: Expect,
    ) -> Receipt {
        let floor = self.floors.get(&consumer).copied().unwrap_or(0);
        let before = self.consumers.get(&consumer).map_or(floor, |before| before.generation);
        let generation = next(expect, before);
        if generation < before {
            self.raise(consumer, before);
        }
        let (deadline, lease, kept) = self
            .consumers
            .get(&consumer)
            .map_or((None, None, 0), |before| (before.deadline, before.lease, before.tag));
        let tag = tag.unwrap_or(kept);
        let of_uuid = |((handle, class), amount): ((Handle, _), _)| ((handle.uuid, class), amount);
        let held = summed(lines).into_iter().map(of_uuid).collect();
        self.consumers.insert(consumer, Consumer { generation, deadline, tag, lease, held });
        Receipt { consumer, generation }
    }

    /// Ends a consumer's life; its last generation.
    pub fn end(&mut self, consumer: Uuid) -> Option<u64> {
        let generation = self.consumers.remove(&consumer)?.generation;
        self.raise(consumer, generation);
        Some(generation)
    }

    /// The next life begins above.
    pub fn raise(&mut self, consumer: Uuid, generation: u64) {
        let floor = self.floors.entry(consumer).or_default();
        *floor = generation.max(*floor);
    }

    pub(super) fn take(&mut self, handle: Handle, class: ResourceClass, amount: u64) {
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
        Expect::Keep => generation,
        Expect::Any | Expect::Generation(_) => generation + 1,
    }
}

/// What only one thread alone does.
impl Model {
    pub(super) fn updated(
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
            SetOp::Set => set.clone(),
            SetOp::Add => &before | set,
            SetOp::Remove => &before - set,
        };
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
}

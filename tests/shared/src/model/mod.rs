//! The specification: what each operation does to a forest that one thread alone works on.
//!
//! Written from the documentation, with maps and without any sharing. An operation is refused
//! exactly if something stands against it. If several things do, the documentation leaves open
//! which of them the error names, so that each of them is right.
//!
//! Where the calls of other threads are not known, a model is of what one thread alone changes: its
//! consumers, and providers of its own. The other providers are *foreign*. They may refuse what is
//! asked of them, or not; what the thread's consumers hold of them is known all the same.

mod batches;
mod effects;
mod faults;
mod foreign;
mod gangs;
mod reads;
mod refusals;

pub use foreign::Amounts;

use std::collections::{BTreeMap, BTreeSet};

use provider_tree::{ResourceClass, Trait, Usage};
use uuid::Uuid;

use crate::history::{Floors, short};
use crate::operation::{Handle, Line, Op, Outcome, Said, Stock, Stocks};
use faults::Faults;

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
    /// Whether others use it, too, and change it: see [`Model::meet`].
    is_foreign: bool,
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
    tag: u64,
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
}

impl Node {
    /// Its inventories with what is said of them. What is not said has the value that it has, or its usual one.
    fn with(&self, said: &Said) -> Stocks {
        let mut stocks = self.stocks.clone();
        for (class, (total, min_unit)) in said {
            let stock = stocks.entry(*class).or_insert(Stock::of(0));
            stock.total = *total;
            stock.min_unit = min_unit.unwrap_or(stock.min_unit);
        }
        stocks
    }

    /// Whether its inventories are not what is said of them.
    fn differs_from(&self, said: &Said) -> bool {
        let agrees = |(class, (total, min_unit)): (&ResourceClass, &(u64, Option<u64>))| {
            self.stocks.get(class).is_some_and(|stock| {
                stock.total == *total && min_unit.is_none_or(|said| said == stock.min_unit)
            })
        };
        said.len() != self.stocks.len() || !said.iter().all(agrees)
    }
}

/// Asking twice for the same class of the same provider asks for the sum.
fn summed(lines: &[Line<Handle>]) -> BTreeMap<(Handle, ResourceClass), u64> {
    lines.iter().fold(BTreeMap::new(), |mut sums, &(handle, class, amount)| {
        *sums.entry((handle, class)).or_default() += amount;
        sums
    })
}

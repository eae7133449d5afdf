//! Operations and their outcomes, as they are planned, made and recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use provider_tree::{
    Allocations, Configuration, Dump, Error, Expect, Inventories, Inventory, Partial,
    PartialInventories, PartialInventory, Provider, ProviderSpec, Receipt, ResourceClass,
    Resources, Trait, Updated, Usage,
};
use uuid::Uuid;

use crate::dumps::in_order;
use crate::history::Floors;

/// How many handles each thread keeps.
pub const SLOTS: usize = 4;

/// One of the places where a thread keeps a handle.
pub type Slot = usize;

/// An amount that a claim asks for.
pub type Line<H> = (H, ResourceClass, u64);

/// The tag that a claim of these lines sets, if it sets one: any that the first of them decides, so that
/// a chain has the tag of the lines that it stands for.
pub fn tag_of<H>(lines: &[Line<H>]) -> Option<u64> {
    let (_, _, amount) = lines.first()?;
    (!amount.is_multiple_of(3)).then_some(amount % 5)
}

/// A handle as a history shows it: the provider's uuid, and which of the providers that had this
/// uuid one after the other it was.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle {
    pub uuid: Uuid,
    pub life: u32,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.uuid, self.life)
    }
}

/// An inventory without what can't be compared, such as a ratio.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stock {
    pub total: u64,
    pub min_unit: u64,
    pub max_unit: u64,
    pub step_size: u64,
}

impl fmt::Debug for Stock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stock { total, min_unit, max_unit, step_size } = self;
        match *self == Stock::of(*total) {
            true => write!(f, "{total}"),
            false => write!(f, "{total} ({min_unit} to {max_unit} in steps of {step_size})"),
        }
    }
}

impl Stock {
    pub fn of(total: u64) -> Self {
        Stock { total, min_unit: 1, max_unit: u64::MAX, step_size: 1 }
    }

    pub fn gives(&self, amount: u64) -> bool {
        (self.min_unit..=self.max_unit).contains(&amount) && amount.is_multiple_of(self.step_size)
    }

    /// The error for an amount that does not obey the units.
    pub fn violated(&self, provider: Uuid, class: ResourceClass, requested: u64) -> Error {
        let Stock { min_unit, max_unit, step_size, .. } = *self;
        Error::UnitViolation { provider, class, requested, min_unit, max_unit, step_size }
    }

    fn inventory(&self) -> Inventory {
        Inventory::new(self.total)
            .with_min_unit(self.min_unit)
            .with_max_unit(self.max_unit)
            .with_step_size(self.step_size)
    }
}

/// All inventories of one provider.
pub type Stocks = BTreeMap<ResourceClass, Stock>;

pub fn inventories(stocks: &Stocks) -> Inventories {
    stocks.iter().map(|(class, stock)| (*class, stock.inventory())).collect()
}

/// An entry of a population.
#[derive(Clone, PartialEq, Debug)]
pub struct Listing {
    pub uuid: Uuid,
    pub name: &'static str,
    pub parent: Option<Uuid>,
    pub generation: Option<u64>,
    pub stocks: Stocks,
    pub traits: BTreeSet<Trait>,
}

impl Listing {
    pub fn spec(&self) -> ProviderSpec {
        let spec = ProviderSpec::new(self.uuid, self.name)
            .with_inventories(inventories(&self.stocks))
            .with_traits(self.traits.iter().copied());
        ProviderSpec { parent: self.parent, generation: self.generation, ..spec }
    }
}

/// How a set is changed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum SetOp {
    Set,
    Add,
    Remove,
}

/// What someone says of the inventory of a class: total, and perhaps the least amount.
pub type Said = BTreeMap<ResourceClass, (u64, Option<u64>)>;

pub fn partial(said: &Said) -> PartialInventories {
    let one = |(class, (total, min_unit)): (&ResourceClass, &(u64, Option<u64>))| {
        (*class, PartialInventory { min_unit: *min_unit, ..PartialInventory::new(*total) })
    };
    said.iter().map(one).collect()
}

pub fn resources(values: &BTreeMap<ResourceClass, u8>) -> Resources {
    values.iter().fold(Resources::new(), |all, (class, value)| all.with(*class, *value))
}

/// A change of a batch.
#[derive(Clone, PartialEq, Debug)]
pub enum Item<H> {
    Claim(Uuid, Vec<Line<H>>),
    Replace(Uuid, Vec<Line<H>>, Expect),
    Release(Uuid, Expect),
    SetInventories(H, Stocks, Expect),
}

impl<H: Copy> Item<H> {
    fn consumer(&self) -> Option<Uuid> {
        match self {
            Item::Claim(consumer, _) | Item::Replace(consumer, ..) | Item::Release(consumer, _) => {
                Some(*consumer)
            }
            Item::SetInventories(..) => None,
        }
    }

    fn map<G>(&self, mut to: impl FnMut(H) -> G) -> Item<G> {
        match self {
            Item::Claim(consumer, lines) => Item::Claim(*consumer, map_lines(lines, to)),
            Item::Replace(consumer, lines, expect) => {
                Item::Replace(*consumer, map_lines(lines, to), *expect)
            }
            Item::Release(consumer, expect) => Item::Release(*consumer, *expect),
            Item::SetInventories(handle, stocks, expect) => {
                Item::SetInventories(to(*handle), stocks.clone(), *expect)
            }
        }
    }
}

/// An operation on handles of type `H`: slots in a plan, providers in a call, [`Handle`]s in a
/// history.
#[derive(Clone, PartialEq, Debug)]
pub enum Op<H> {
    CreateRoot(Uuid, &'static str),
    CreateChild(H, Uuid, &'static str),
    Populate(Vec<Listing>),
    Remove(H),
    RemoveLeaf(H),
    Reparent(H, Option<H>),
    Rename(H, &'static str),
    Find(Uuid),
    FindByName(&'static str),
    Roots,
    Providers,
    Children(H),
    Parent(H),
    Ancestors(H),
    Subtree(H),
    TreeOf(H),
    Name(H),
    Data(H),
    SetInventories(H, Stocks, Expect),
    SetTraits(H, BTreeSet<Trait>, Expect),
    AddTraits(H, BTreeSet<Trait>, Expect),
    Traits(SetOp, H, BTreeSet<Trait>, Expect),
    HasTraits(H, BTreeSet<Trait>),
    HaveTraitsChanged(H, BTreeSet<Trait>),
    Aggregates(SetOp, H, BTreeSet<Uuid>, Expect),
    InAggregates(H, BTreeSet<Uuid>),
    HaveAggregatesChanged(H, BTreeSet<Uuid>),
    UpdateInventories(H, Said, Expect),
    HaveInventoriesChanged(H, Said),
    HasInventories(H),
    UpdateResources(H, BTreeMap<ResourceClass, u8>, Expect),
    HaveResourcesChanged(H, BTreeMap<ResourceClass, u8>),
    Cordon(H, bool),
    IsCordoned(H),
    Commit(Vec<Item<H>>),
    Gang(Vec<(Uuid, Vec<Line<H>>)>, usize),
    Partly(Uuid, Vec<Line<H>>),
    RestOn(Uuid, Vec<Line<H>>, H, u64),
    Chain(Uuid, Line<H>),
    Lease(Uuid, Vec<Line<H>>, u64),
    Confirm(Uuid, u64),
    Renew(Uuid, u64, u64),
    Cancel(Uuid),
    Expire(u64),
    HasSharingProvider(ResourceClass),
    Dump,
    Usage(H, ResourceClass),
    Usages(H),
    Claim(Uuid, Vec<Line<H>>),
    Replace(Uuid, Vec<Line<H>>, Expect),
    Release(Uuid),
    Take(H, Vec<(ResourceClass, u64)>),
    PutBack(H, Vec<(ResourceClass, u64)>),
    Allocations(Uuid),
    /// Take all that is free: not a call of the library, but made of several by a caller who
    /// claims that they are one. The answer is the amount.
    TakeRest(H, ResourceClass),
    /// Add a unit to the inventory: made of several calls, too. The answer is the new total.
    Grow(H, ResourceClass),
}

impl<H: Copy> Op<H> {
    /// The same with what is expected of consumers' generations counted from those that they have
    /// ended with before.
    pub fn counted_from(mut self, floors: &Floors) -> Self {
        let raise = |consumer: &Uuid, expect: &mut Expect| {
            if let Expect::Generation(generation) = expect {
                *generation += floors.get(consumer).copied().unwrap_or(0);
            }
        };
        match &mut self {
            Op::Replace(consumer, _, expect) => raise(consumer, expect),
            Op::Commit(items) => {
                for item in items {
                    match item {
                        Item::Replace(consumer, _, expect) | Item::Release(consumer, expect) => {
                            raise(consumer, expect);
                        }
                        Item::Claim(..) | Item::SetInventories(..) => {}
                    }
                }
            }
            _ => {}
        }
        self
    }

    /// The consumers that the operation names.
    pub fn consumers(&self) -> Vec<Uuid> {
        match self {
            Op::Claim(consumer, _)
            | Op::Replace(consumer, ..)
            | Op::Release(consumer)
            | Op::RestOn(consumer, ..)
            | Op::Chain(consumer, _)
            | Op::Partly(consumer, _)
            | Op::Lease(consumer, ..)
            | Op::Confirm(consumer, _)
            | Op::Renew(consumer, ..)
            | Op::Cancel(consumer)
            | Op::Allocations(consumer) => vec![*consumer],
            Op::Gang(members, _) => members.iter().map(|(consumer, _)| *consumer).collect(),
            Op::Commit(items) => items.iter().filter_map(Item::consumer).collect(),
            _ => Vec::new(),
        }
    }

    /// The same operation with every handle translated.
    pub fn map<G>(&self, mut to: impl FnMut(H) -> G) -> Op<G> {
        match self {
            Op::CreateRoot(uuid, name) => Op::CreateRoot(*uuid, name),
            Op::CreateChild(parent, uuid, name) => Op::CreateChild(to(*parent), *uuid, name),
            Op::Populate(list) => Op::Populate(list.clone()),
            Op::Remove(handle) => Op::Remove(to(*handle)),
            Op::RemoveLeaf(handle) => Op::RemoveLeaf(to(*handle)),
            Op::Reparent(handle, parent) => Op::Reparent(to(*handle), parent.map(to)),
            Op::Rename(handle, name) => Op::Rename(to(*handle), name),
            Op::Find(uuid) => Op::Find(*uuid),
            Op::FindByName(name) => Op::FindByName(name),
            Op::Roots => Op::Roots,
            Op::Providers => Op::Providers,
            Op::Children(handle) => Op::Children(to(*handle)),
            Op::Parent(handle) => Op::Parent(to(*handle)),
            Op::Ancestors(handle) => Op::Ancestors(to(*handle)),
            Op::Subtree(handle) => Op::Subtree(to(*handle)),
            Op::TreeOf(handle) => Op::TreeOf(to(*handle)),
            Op::Name(handle) => Op::Name(to(*handle)),
            Op::Data(handle) => Op::Data(to(*handle)),
            Op::SetInventories(handle, stocks, expect) => {
                Op::SetInventories(to(*handle), stocks.clone(), *expect)
            }
            Op::SetTraits(handle, traits, expect) => {
                Op::SetTraits(to(*handle), traits.clone(), *expect)
            }
            Op::AddTraits(handle, traits, expect) => {
                Op::AddTraits(to(*handle), traits.clone(), *expect)
            }
            Op::Traits(how, handle, traits, expect) => {
                Op::Traits(*how, to(*handle), traits.clone(), *expect)
            }
            Op::HasTraits(handle, traits) => Op::HasTraits(to(*handle), traits.clone()),
            Op::HaveTraitsChanged(handle, traits) => {
                Op::HaveTraitsChanged(to(*handle), traits.clone())
            }
            Op::Aggregates(how, handle, aggregates, expect) => {
                Op::Aggregates(*how, to(*handle), aggregates.clone(), *expect)
            }
            Op::InAggregates(handle, set) => Op::InAggregates(to(*handle), set.clone()),
            Op::HaveAggregatesChanged(handle, set) => {
                Op::HaveAggregatesChanged(to(*handle), set.clone())
            }
            Op::UpdateInventories(handle, said, expect) => {
                Op::UpdateInventories(to(*handle), said.clone(), *expect)
            }
            Op::HaveInventoriesChanged(handle, said) => {
                Op::HaveInventoriesChanged(to(*handle), said.clone())
            }
            Op::HasInventories(handle) => Op::HasInventories(to(*handle)),
            Op::UpdateResources(handle, values, expect) => {
                Op::UpdateResources(to(*handle), values.clone(), *expect)
            }
            Op::HaveResourcesChanged(handle, values) => {
                Op::HaveResourcesChanged(to(*handle), values.clone())
            }
            Op::Cordon(handle, own) => Op::Cordon(to(*handle), *own),
            Op::IsCordoned(handle) => Op::IsCordoned(to(*handle)),
            Op::Commit(items) => Op::Commit(items.iter().map(|item| item.map(&mut to)).collect()),
            Op::Gang(members, at_least) => {
                let member = |(consumer, lines): &(Uuid, Vec<Line<H>>)| {
                    (*consumer, map_lines(lines, &mut to))
                };
                Op::Gang(members.iter().map(member).collect(), *at_least)
            }
            Op::Partly(consumer, lines) => Op::Partly(*consumer, map_lines(lines, to)),
            Op::RestOn(consumer, lines, handle, generation) => {
                let lines = map_lines(lines, &mut to);
                Op::RestOn(*consumer, lines, to(*handle), *generation)
            }
            Op::Chain(consumer, (handle, class, amount)) => {
                Op::Chain(*consumer, (to(*handle), *class, *amount))
            }
            Op::Lease(consumer, lines, deadline) => {
                Op::Lease(*consumer, map_lines(lines, to), *deadline)
            }
            Op::Confirm(consumer, now) => Op::Confirm(*consumer, *now),
            Op::Renew(consumer, deadline, now) => Op::Renew(*consumer, *deadline, *now),
            Op::Cancel(consumer) => Op::Cancel(*consumer),
            Op::Expire(now) => Op::Expire(*now),
            Op::HasSharingProvider(class) => Op::HasSharingProvider(*class),
            Op::Dump => Op::Dump,
            Op::Usage(handle, class) => Op::Usage(to(*handle), *class),
            Op::Usages(handle) => Op::Usages(to(*handle)),
            Op::Claim(consumer, lines) => Op::Claim(*consumer, map_lines(lines, to)),
            Op::Replace(consumer, lines, expect) => {
                Op::Replace(*consumer, map_lines(lines, to), *expect)
            }
            Op::Release(consumer) => Op::Release(*consumer),
            Op::Take(handle, amounts) => Op::Take(to(*handle), amounts.clone()),
            Op::PutBack(handle, amounts) => Op::PutBack(to(*handle), amounts.clone()),
            Op::Allocations(consumer) => Op::Allocations(*consumer),
            Op::TakeRest(handle, class) => Op::TakeRest(to(*handle), *class),
            Op::Grow(handle, class) => Op::Grow(to(*handle), *class),
        }
    }
}

fn map_lines<H: Copy, G>(lines: &[Line<H>], mut to: impl FnMut(H) -> G) -> Vec<Line<G>> {
    lines.iter().map(|&(handle, class, amount)| (to(handle), class, amount)).collect()
}

/// What an operation that succeeded returned.
#[derive(Clone, PartialEq, Debug)]
pub enum Answer<H> {
    Done,
    Created(H),
    Populated(Vec<H>),
    Found(Option<H>),
    Walk(Vec<H>),
    Removed(usize),
    Updated(Updated),
    Is(bool),
    Dump(Dump),
    Name(String),
    Data(Configuration),
    Usage(Usage),
    Usages(Vec<(ResourceClass, Usage)>),
    Receipt(Receipt),
    Receipts(Vec<Receipt>),
    Gang(Vec<Result<Receipt, Error>>),
    Partly(Partial),
    /// There is no lease to do that with.
    Nothing,
    Allocations(Option<Allocations>),
    Amount(u64),
}

/// What an operation returned.
pub type Outcome<H> = Result<Answer<H>, Error>;

impl<H: Copy> Answer<H> {
    /// The handle to keep, if there is one.
    pub fn handle(&self) -> Option<H> {
        match self {
            Answer::Created(handle) => Some(*handle),
            Answer::Found(found) => *found,
            Answer::Populated(handles) => handles.first().copied(),
            _ => None,
        }
    }
}

impl<H> Answer<H> {
    /// The receipts of all that was made.
    pub fn receipts(&self) -> Vec<Receipt> {
        match self {
            Answer::Receipt(receipt) => vec![*receipt],
            Answer::Receipts(receipts) => receipts.clone(),
            Answer::Gang(made) => made.iter().filter_map(|it| it.as_ref().ok()).copied().collect(),
            Answer::Partly(partial) => vec![partial.receipt],
            _ => Vec::new(),
        }
    }
}

impl Answer<Provider> {
    /// The same answer as a history shows it. Allocations come in no particular order; here they
    /// are sorted.
    pub fn map(self, mut to: impl FnMut(Provider) -> Handle) -> Answer<Handle> {
        match self {
            Answer::Done => Answer::Done,
            Answer::Created(handle) => Answer::Created(to(handle)),
            Answer::Populated(handles) => Answer::Populated(handles.into_iter().map(to).collect()),
            Answer::Updated(updated) => Answer::Updated(updated),
            Answer::Is(so) => Answer::Is(so),
            Answer::Dump(dump) => Answer::Dump(dump),
            Answer::Found(found) => Answer::Found(found.map(to)),
            Answer::Walk(handles) => Answer::Walk(handles.into_iter().map(to).collect()),
            Answer::Removed(count) => Answer::Removed(count),
            Answer::Name(name) => Answer::Name(name),
            Answer::Data(data) => Answer::Data(data),
            Answer::Usage(usage) => Answer::Usage(usage),
            Answer::Usages(usages) => Answer::Usages(usages),
            Answer::Receipt(receipt) => Answer::Receipt(receipt),
            Answer::Receipts(receipts) => Answer::Receipts(receipts),
            Answer::Gang(made) => Answer::Gang(made),
            Answer::Partly(partial) => Answer::Partly(partial),
            Answer::Nothing => Answer::Nothing,
            Answer::Allocations(held) => Answer::Allocations(held.map(in_order)),
            Answer::Amount(amount) => Answer::Amount(amount),
        }
    }
}

//! Operations and their outcomes, as they are planned, made and recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use provider_tree::{
    Allocations, Dump, Error, Expect, Inventories, Inventory, Provider, ProviderData, ProviderSpec,
    Receipt, ResourceClass, Trait, Updated, Usage,
};
use uuid::Uuid;

/// How many handles each thread keeps.
pub(crate) const SLOTS: usize = 4;

/// One of the places where a thread keeps a handle.
pub(crate) type Slot = usize;

/// An amount that a claim asks for.
pub(crate) type Line<H> = (H, ResourceClass, u64);

/// A handle as a history shows it: the provider's uuid, and which of the providers that had this
/// uuid one after the other it was.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Handle {
    pub(crate) uuid: Uuid,
    pub(crate) life: u8,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.uuid, self.life)
    }
}

/// An inventory without what can't be compared, such as a ratio.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Stock {
    pub(crate) total: u64,
    pub(crate) min_unit: u64,
    pub(crate) max_unit: u64,
    pub(crate) step_size: u64,
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
    pub(crate) fn of(total: u64) -> Self {
        Stock { total, min_unit: 1, max_unit: u64::MAX, step_size: 1 }
    }

    pub(crate) fn gives(&self, amount: u64) -> bool {
        (self.min_unit..=self.max_unit).contains(&amount) && amount.is_multiple_of(self.step_size)
    }

    fn inventory(&self) -> Inventory {
        Inventory::new(self.total)
            .with_min_unit(self.min_unit)
            .with_max_unit(self.max_unit)
            .with_step_size(self.step_size)
    }
}

/// All inventories of one provider.
pub(crate) type Stocks = BTreeMap<ResourceClass, Stock>;

pub(crate) fn inventories(stocks: &Stocks) -> Inventories {
    stocks.iter().map(|(class, stock)| (*class, stock.inventory())).collect()
}

/// An entry of a population.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Listing {
    pub(crate) uuid: Uuid,
    pub(crate) name: &'static str,
    pub(crate) parent: Option<Uuid>,
    pub(crate) generation: Option<u64>,
    pub(crate) stocks: Stocks,
    pub(crate) traits: BTreeSet<Trait>,
}

impl Listing {
    pub(crate) fn spec(&self) -> ProviderSpec {
        let spec = ProviderSpec::new(self.uuid, self.name)
            .with_inventories(inventories(&self.stocks))
            .with_traits(self.traits.iter().copied());
        ProviderSpec { parent: self.parent, generation: self.generation, ..spec }
    }
}

/// An operation on handles of type `H`: slots in a plan, providers in a call, [`Handle`]s in a
/// history.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Op<H> {
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
    /// The same operation with every handle translated.
    pub(crate) fn map<G>(&self, mut to: impl FnMut(H) -> G) -> Op<G> {
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
pub(crate) enum Answer<H> {
    Done,
    Created(H),
    Populated(Vec<H>),
    Found(Option<H>),
    Walk(Vec<H>),
    Removed(usize),
    Generation(u64),
    Updated(Updated),
    Is(bool),
    Dump(Dump),
    Name(String),
    Data(ProviderData),
    Usage(Usage),
    Usages(Vec<(ResourceClass, Usage)>),
    Receipt(Receipt),
    Allocations(Option<Allocations>),
    Amount(u64),
}

/// What an operation returned.
pub(crate) type Outcome<H> = Result<Answer<H>, Error>;

impl<H: Copy> Answer<H> {
    /// The handle to keep, if there is one.
    pub(crate) fn handle(&self) -> Option<H> {
        match self {
            Answer::Created(handle) => Some(*handle),
            Answer::Found(found) => *found,
            Answer::Populated(handles) => handles.first().copied(),
            _ => None,
        }
    }
}

impl Answer<Provider> {
    /// The same answer as a history shows it. Allocations come in no particular order; here they
    /// are sorted.
    pub(crate) fn map(self, mut to: impl FnMut(Provider) -> Handle) -> Answer<Handle> {
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
            Answer::Generation(generation) => Answer::Generation(generation),
            Answer::Name(name) => Answer::Name(name),
            Answer::Data(data) => Answer::Data(data),
            Answer::Usage(usage) => Answer::Usage(usage),
            Answer::Usages(usages) => Answer::Usages(usages),
            Answer::Receipt(receipt) => Answer::Receipt(receipt),
            Answer::Allocations(mut held) => {
                if let Some(held) = &mut held {
                    held.allocations.sort_by_key(|one| (one.provider, one.class));
                }
                Answer::Allocations(held)
            }
            Answer::Amount(amount) => Answer::Amount(amount),
        }
    }
}

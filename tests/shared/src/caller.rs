//! Makes calls on a real forest.

use std::cell::RefCell;
use std::collections::HashMap;

use provider_tree::{
    Batch, Claim, Deadline, Edit, Error, Lease, Now, Provider, ProviderTree, SubtreeUsages, Worker,
    coming_from_nova::NovaProviderTree,
};
use uuid::Uuid;

use crate::dumps::without_floors;
use crate::operation::{
    Answer, Item, Line, Listing, Op, Outcome, SetOp, inventories, partial, resources, tag_of,
};

/// A way to make calls: the right one, or one that is wrong on purpose.
pub type Caller = fn(&ProviderTree, &mut Worker, &Op<Provider>) -> Outcome<Provider>;

/// Whether it is the turn of the first of two calls that answer the same.
fn is_even(worker: &Worker) -> bool {
    worker.metrics().claims.is_multiple_of(2)
}

fn subtree(tree: &ProviderTree, provider: &Provider) -> Result<SubtreeUsages, Error> {
    let mut found = SubtreeUsages::new();
    tree.subtree_usages(provider, &mut found)?;
    Ok(found)
}

/// Makes one call of the library.
pub fn call(tree: &ProviderTree, worker: &mut Worker, op: &Op<Provider>) -> Outcome<Provider> {
    Ok(match op {
        Op::Populate(list) => {
            let list: Vec<_> = list.iter().map(Listing::spec).collect();
            Answer::Populated(tree.populate(&list).map_err(sorted)?)
        }
        Op::AddTraits(provider, traits, expect) => Answer::Updated(tree.configure(
            provider,
            Edit::new().add_traits(traits.iter().copied()),
            *expect,
        )?),
        Op::Traits(how, provider, traits, expect) => {
            let traits = traits.iter().copied();
            match how {
                SetOp::Set => Answer::Updated(tree.configure(
                    provider,
                    Edit::new().set_traits(traits),
                    *expect,
                )?),
                SetOp::Add => Answer::Updated(tree.configure(
                    provider,
                    Edit::new().add_traits(traits),
                    *expect,
                )?),
                SetOp::Remove => Answer::Updated(tree.configure(
                    provider,
                    Edit::new().remove_traits(traits),
                    *expect,
                )?),
            }
        }
        Op::HasTraits(provider, traits) => Answer::Is(
            tree.configuration(provider).map(|now| now.has_traits(traits.iter().copied()))?,
        ),
        Op::HaveTraitsChanged(provider, traits) => Answer::Is(
            tree.configuration(provider)
                .map(|now| Edit::new().set_traits(traits.iter().copied()).would_change(&now))?,
        ),
        Op::Aggregates(how, provider, set, expect) => {
            let set = set.iter().copied();
            match how {
                SetOp::Set => Answer::Updated(tree.configure(
                    provider,
                    Edit::new().set_aggregates(set),
                    *expect,
                )?),
                SetOp::Add => Answer::Updated(tree.configure(
                    provider,
                    Edit::new().add_aggregates(set),
                    *expect,
                )?),
                SetOp::Remove => Answer::Updated(tree.configure(
                    provider,
                    Edit::new().remove_aggregates(set),
                    *expect,
                )?),
            }
        }
        Op::InAggregates(provider, set) => Answer::Is(
            tree.configuration(provider).map(|now| now.in_aggregates(set.iter().copied()))?,
        ),
        Op::HaveAggregatesChanged(provider, set) => Answer::Is(
            tree.configuration(provider)
                .map(|now| Edit::new().set_aggregates(set.iter().copied()).would_change(&now))?,
        ),
        Op::UpdateInventories(provider, said, expect) => {
            Answer::Updated(tree.configure(provider, partial(said), *expect)?)
        }
        Op::HaveInventoriesChanged(provider, said) => Answer::Is(
            tree.configuration(provider).map(|now| !partial(said).agrees_with(&now.inventories))?,
        ),
        Op::HasInventories(provider) => {
            Answer::Is(tree.configuration(provider).map(|now| !now.inventories.is_empty())?)
        }
        Op::UpdateResources(provider, values, expect) => Answer::Updated(tree.configure(
            provider,
            Edit::new().set_resources(resources(values)),
            *expect,
        )?),
        Op::HaveResourcesChanged(provider, values) => {
            Answer::Is(tree.configuration(provider).map(|now| now.resources != resources(values))?)
        }
        Op::Cordon(provider, true) => Answer::Is(tree.cordon(provider)?),
        Op::Cordon(provider, false) => Answer::Is(tree.uncordon(provider)?),
        Op::IsCordoned(provider) => Answer::Is(tree.is_cordoned(provider)?),
        Op::Commit(items) => Answer::Receipts(worker.commit(&batch(items)).map_err(sorted)?),
        Op::Gang(members, at_least) => {
            let members: Vec<_> = members.iter().map(|(one, lines)| claim(*one, lines)).collect();
            Answer::Gang(worker.claim_gang(&members, *at_least).map_err(sorted)?)
        }
        Op::Partly(consumer, lines) => {
            Answer::Partly(worker.claim_partly(&claim(*consumer, lines))?)
        }
        Op::RestOn(consumer, lines, provider, generation) => {
            let claim = claim(*consumer, lines).require_generation(provider, *generation);
            Answer::Receipt(worker.claim(&claim)?)
        }
        Op::Chain(consumer, (provider, class, amount)) => {
            let claim = Claim::new(*consumer).take_with_ancestors(provider, *class, *amount);
            let claim = with_tag_of(claim, &[(*provider, *class, *amount)]);
            Answer::Receipt(worker.claim(&claim)?)
        }
        Op::Lease(consumer, lines, deadline) => {
            let lease = worker.lease(&claim(*consumer, lines), Deadline(*deadline))?;
            LEASES.with_borrow_mut(|leases| leases.insert(*consumer, lease));
            Answer::Receipt(lease.receipt())
        }
        Op::Confirm(consumer, now) => match lease(*consumer) {
            Some(lease) => Answer::Receipt(worker.confirm(&lease, Now(*now))?),
            None => Answer::Nothing,
        },
        Op::Renew(consumer, deadline, now) => match lease(*consumer) {
            Some(lease) => Answer::Receipt(worker.renew(&lease, Deadline(*deadline), Now(*now))?),
            None => Answer::Nothing,
        },
        Op::Cancel(consumer) => match lease(*consumer) {
            Some(lease) => Answer::Receipt(worker.cancel(&lease)?),
            None => Answer::Nothing,
        },
        Op::Expire(now) => {
            let mut ended = worker.expire(Now(*now))?;
            ended.sort_by_key(|receipt| receipt.consumer);
            Answer::Receipts(ended)
        }
        Op::HasSharingProvider(class) => Answer::Is(tree.has_sharing_provider(*class)),
        Op::Dump => Answer::Dump(without_floors(tree.snapshot().dump().unwrap())),
        Op::CreateRoot(uuid, name) => Answer::Created(tree.create_root(name, *uuid)?),
        Op::CreateChild(parent, uuid, name) => {
            Answer::Created(tree.create_child(parent, name, *uuid)?)
        }
        Op::Remove(provider) => Answer::Removed(tree.remove(provider)?),
        Op::RemoveLeaf(provider) => done(tree.remove_leaf(provider)?),
        Op::Reparent(provider, parent) => done(tree.reparent(provider, parent.as_ref())?),
        Op::Rename(provider, name) => done(tree.rename(provider, name)?),
        // Each in its turn, here and elsewhere: both answer the same.
        Op::Find(uuid) if is_even(worker) => Answer::Found(worker.find(*uuid)),
        Op::Find(uuid) => Answer::Found(tree.find(*uuid)),
        Op::FindByName(name) => Answer::Found(tree.find(*name)),
        Op::Roots => Answer::Walk(tree.roots()),
        Op::Providers => Answer::Walk(tree.providers()),
        Op::Children(provider) => Answer::Walk(tree.children(provider)?),
        Op::Parent(provider) => {
            Answer::Found(tree.ancestors(provider).map(|all| all.first().copied())?)
        }
        Op::Ancestors(provider) => Answer::Walk(tree.ancestors(provider)?),
        Op::Subtree(provider) if is_even(worker) => {
            let found = subtree(tree, provider)?;
            Answer::Walk(found.iter().map(|(provider, _)| *provider).collect())
        }
        Op::Subtree(provider) => Answer::Walk(tree.subtree(provider)?),
        Op::TreeOf(provider) => Answer::Walk(tree.tree_of(provider)?),
        Op::Name(provider) => {
            Answer::Name(tree.configuration(provider).map(|now| now.name.clone())?.to_string())
        }
        Op::Data(provider) if is_even(worker) => {
            Answer::Data(worker.configuration(provider)?.clone())
        }
        Op::Data(provider) => Answer::Data(tree.configuration(provider)?),
        Op::SetInventories(provider, stocks, expect) => {
            let set = tree.configure(provider, inventories(stocks), *expect)?;
            Answer::Updated(set)
        }
        Op::SetTraits(provider, traits, expect) => Answer::Updated(tree.configure(
            provider,
            Edit::new().set_traits(traits.iter().copied()),
            *expect,
        )?),
        Op::Usage(provider, class) if is_even(worker) => {
            let [usage] = tree.usages_of(provider, [*class])?;
            let none = Error::NoInventory { provider: provider.uuid(), class: *class };
            Answer::Usage(usage.ok_or(none)?)
        }
        Op::Usage(provider, class) => Answer::Usage(tree.usage(provider, *class)?),
        Op::Usages(provider) if is_even(worker) => {
            let found = subtree(tree, provider)?;
            let (_, amounts) = found.iter().next().expect("the provider itself comes first");
            Answer::Usages(amounts.to_vec())
        }
        Op::Usages(provider) => Answer::Usages(tree.usages(provider)?),
        Op::Claim(consumer, lines) => Answer::Receipt(worker.claim(&claim(*consumer, lines))?),
        Op::Replace(consumer, lines, expect) => {
            Answer::Receipt(worker.replace(&claim(*consumer, lines), *expect)?)
        }
        Op::Release(consumer) => Answer::Receipt(worker.release(*consumer)?),
        Op::Take(provider, amounts) => done(worker.take(provider, amounts)?),
        Op::PutBack(provider, amounts) => done(worker.put_back(provider, amounts)?),
        Op::Allocations(consumer) => Answer::Allocations(tree.allocations(*consumer)),
        Op::TakeRest(..) | Op::Grow(..) => unreachable!("no call of the library"),
    })
}

thread_local! {
    /// The last lease of each consumer that this thread has made.
    static LEASES: RefCell<HashMap<Uuid, Lease>> = RefCell::default();
}

fn lease(consumer: Uuid) -> Option<Lease> {
    LEASES.with_borrow(|leases| leases.get(&consumer).copied())
}

/// Forgets the leases that this thread has made.
pub fn forget_leases() {
    LEASES.with_borrow_mut(HashMap::clear);
}

fn batch(items: &[Item<Provider>]) -> Batch {
    items.iter().fold(Batch::new(), |batch, item| match item {
        Item::Claim(consumer, lines) => batch.claim(claim(*consumer, lines)),
        Item::Replace(consumer, lines, expect) => batch.replace(claim(*consumer, lines), *expect),
        Item::Release(consumer, expect) => batch.release(*consumer, *expect),
        Item::SetInventories(provider, stocks, expect) => {
            batch.configure(provider, inventories(stocks), *expect)
        }
    })
}

/// The same error with its faults in an order that depends on nothing else.
pub fn sorted(mut error: Error) -> Error {
    if let Error::InvalidEntries { faults } = &mut error {
        faults.sort_by_cached_key(|fault| format!("{fault:?}"));
    }
    error
}

fn done((): ()) -> Answer<Provider> {
    Answer::Done
}

fn claim(consumer: Uuid, lines: &[Line<Provider>]) -> Claim {
    let mut claim = Claim::new(consumer);
    lines.iter().for_each(|(provider, class, amount)| claim.extend([(*provider, *class, *amount)]));
    with_tag_of(claim, lines)
}

fn with_tag_of(claim: Claim, lines: &[Line<Provider>]) -> Claim {
    match tag_of(lines) {
        Some(tag) => claim.with_tag(tag),
        None => claim,
    }
}

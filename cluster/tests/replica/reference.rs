//! [`Reference`]: a forest to which commands are applied one after the other, by the calls that they stand
//! for, with no replica and no log.

use provider_tree::{Error, Provider, ProviderTree, Result, Worker};
use provider_tree_cluster::command::*;
use uuid::Uuid;

pub(crate) struct Reference {
    pub(crate) tree: ProviderTree,
    worker: Worker,
}

impl Reference {
    pub(crate) fn new() -> Self {
        let tree = ProviderTree::new();
        let worker = tree.worker().unwrap();
        Reference { tree, worker }
    }

    pub(crate) fn make(&mut self, command: Command) -> Result<Outcome> {
        let Reference { tree, worker } = self;
        let find =
            |uuid: Uuid| tree.find(uuid).ok_or(Error::UnknownProvider { key: uuid.to_string() });
        let claim = |claim: &Claim| asked(claim, find);
        Ok(match command {
            Command::Claim(it) => Outcome::Receipt(worker.claim(&claim(&it)?)?),
            Command::Replace(it) => {
                Outcome::Receipt(worker.replace(&claim(&it.claim)?, it.expect)?)
            }
            Command::Release(it) => Outcome::Receipt(worker.release(it.consumer)?),
            Command::ClaimGang(it) => {
                let members: Result<Vec<_>> = it.members.iter().map(claim).collect();
                Outcome::Gang(worker.claim_gang(&members?, usize::try_from(it.at_least).unwrap())?)
            }
            Command::ClaimPartly(it) => Outcome::Partial(worker.claim_partly(&claim(&it.claim)?)?),
            Command::Lease(it) => {
                Outcome::Receipt(worker.lease(&claim(&it.claim)?, it.deadline)?.receipt())
            }
            Command::Confirm(Confirm { consumer, generation, now }) => {
                Outcome::Receipt(worker.confirm(&lease(tree, consumer, generation)?, now)?)
            }
            Command::Renew(Renew { consumer, generation, deadline, now }) => {
                let lease = lease(tree, consumer, generation)?;
                Outcome::Receipt(worker.renew(&lease, deadline, now)?)
            }
            Command::Cancel(it) => {
                Outcome::Receipt(worker.cancel(&lease(tree, it.consumer, it.generation)?)?)
            }
            Command::Expire(it) => {
                let mut ended = worker.expire(it.now)?;
                ended.sort_unstable();
                Outcome::Receipts(ended)
            }
            Command::Take(it) => done(worker.take(&find(it.provider)?, &it.amounts)?),
            Command::PutBack(it) => done(worker.put_back(&find(it.provider)?, &it.amounts)?),
            Command::Batch(it) => Outcome::Receipts(worker.commit(&batch(&it, find)?)?),
            Command::Create(Create { uuid, name, parent }) => {
                match parent {
                    Some(parent) => tree.create_child(&find(parent)?, &name, uuid)?,
                    None => tree.create_root(&name, uuid)?,
                };
                Outcome::Done
            }
            Command::Populate(it) => {
                tree.populate(&it.providers)?;
                Outcome::Done
            }
            Command::Remove(it) => Outcome::Removed(tree.remove(&find(it.provider)?)?),
            Command::RemoveLeaf(it) => done(tree.remove_leaf(&find(it.provider)?)?),
            Command::Move(it) => {
                let provider = find(it.provider)?;
                let parent = it.parent.map(find).transpose()?;
                done(tree.reparent(&provider, parent.as_ref())?)
            }
            Command::Rename(it) => done(tree.rename(&find(it.provider)?, &it.name)?),
            Command::Cordon(it) => Outcome::Changed(tree.cordon(&find(it.provider)?)?),
            Command::Uncordon(it) => Outcome::Changed(tree.uncordon(&find(it.provider)?)?),
            Command::Configure(it) => {
                Outcome::Updated(tree.configure(&find(it.provider)?, it.edit, it.expect)?)
            }
            other => panic!("a kind that the reference does not know: {other:?}"),
        })
    }
}

fn done((): ()) -> Outcome {
    Outcome::Done
}

fn asked(claim: &Claim, find: impl Fn(Uuid) -> Result<Provider>) -> Result<provider_tree::Claim> {
    let mut asked = provider_tree::Claim::new(claim.consumer);
    for line in claim.amounts() {
        asked = asked.take(&find(line.provider)?, line.class, line.amount);
    }
    for line in claim.amounts_with_ancestors() {
        asked = asked.take_with_ancestors(&find(line.provider)?, line.class, line.amount);
    }
    for (provider, generation) in claim.required_generations() {
        asked = asked.require_generation(&find(*provider)?, *generation);
    }
    Ok(match claim.tag {
        Some(tag) => asked.with_tag(tag),
        None => asked,
    })
}

fn lease(tree: &ProviderTree, consumer: Uuid, generation: u64) -> Result<provider_tree::Lease> {
    let held = tree.allocations(consumer).ok_or(Error::LeaseEnded { consumer })?;
    if held.generation != generation {
        let actual = Some(held.generation);
        return Err(Error::ConsumerConflict { consumer, expected: generation, actual });
    }
    tree.lease_of(consumer).ok_or(Error::NotLeased { consumer })
}

fn batch(it: &Batch, find: impl Fn(Uuid) -> Result<Provider>) -> Result<provider_tree::Batch> {
    let find = |uuid: Uuid| match it.created.iter().rfind(|spec| spec.uuid == uuid) {
        Some(spec) => Ok(spec.to_come()),
        None => find(uuid),
    };
    let mut batch = provider_tree::Batch::new();
    for change in &it.consumers {
        batch = match change {
            ConsumerChange::Claim(claim) => batch.claim(asked(claim, find)?),
            ConsumerChange::Replace { claim, expect } => {
                batch.replace(asked(claim, find)?, *expect)
            }
            ConsumerChange::Release { consumer, expect } => batch.release(*consumer, *expect),
        };
    }
    for Configure { provider, edit, expect } in &it.configured {
        batch = batch.configure(&find(*provider)?, edit.clone(), *expect);
    }
    for Move { provider, parent } in &it.moved {
        let parent = parent.map(find).transpose()?;
        batch = batch.reparent(&find(*provider)?, parent.as_ref());
    }
    for provider in &it.removed {
        batch = batch.remove(&find(*provider)?);
    }
    for provider in &it.cordoned {
        batch = batch.cordon(&find(*provider)?);
    }
    for provider in &it.uncordoned {
        batch = batch.uncordon(&find(*provider)?);
    }
    Ok(it.created.iter().cloned().fold(batch, provider_tree::Batch::create))
}

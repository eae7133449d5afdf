//! What each kind of command does to a forest.
//!
//! One thread applies commands, so what is looked up here is still so when it is used.

use std::collections::HashMap;

use provider_tree::{Error, Provider, ProviderTree, Result, Worker};
use uuid::Uuid;

use super::batch::{Batch, ConsumerChange};
use super::claims::{Claim, Confirm, Lease, Release, Renew, Replace};
use super::outcome::Outcome;
use super::providers::{Configure, Create, Move, Rename};
use super::{Cancel, ClaimGang, Command};

/// Makes the change that a command asks for, as far as the forest allows it.
pub(crate) fn apply(tree: &ProviderTree, worker: &mut Worker, command: Command) -> Result<Outcome> {
    match command {
        Command::Claim(claim) => {
            let claim = resolved(worker, &claim)?;
            worker.claim(&claim).map(Outcome::Receipt)
        }
        Command::Replace(Replace { claim, expect }) => {
            let claim = resolved(worker, &claim)?;
            worker.replace(&claim, expect).map(Outcome::Receipt)
        }
        Command::Release(Release { consumer }) => worker.release(consumer).map(Outcome::Receipt),
        Command::ClaimGang(ClaimGang { members, at_least }) => {
            let members = members.iter().map(|claim| resolved(worker, claim));
            let members = members.collect::<Result<Vec<_>>>()?;
            let at_least = usize::try_from(at_least).unwrap_or(usize::MAX);
            worker.claim_gang(&members, at_least).map(Outcome::Gang)
        }
        Command::ClaimPartly(partly) => {
            let claim = resolved(worker, &partly.claim)?;
            worker.claim_partly(&claim).map(Outcome::Partial)
        }
        Command::Lease(Lease { claim, deadline }) => {
            let claim = resolved(worker, &claim)?;
            worker.lease(&claim, deadline).map(|lease| Outcome::Receipt(lease.receipt()))
        }
        Command::Confirm(Confirm { consumer, generation, now }) => {
            let lease = lease_at(tree, consumer, generation)?;
            worker.confirm(&lease, now).map(Outcome::Receipt)
        }
        Command::Renew(Renew { consumer, generation, deadline, now }) => {
            let lease = lease_at(tree, consumer, generation)?;
            worker.renew(&lease, deadline, now).map(Outcome::Receipt)
        }
        Command::Cancel(Cancel { consumer, generation }) => {
            let lease = lease_at(tree, consumer, generation)?;
            worker.cancel(&lease).map(Outcome::Receipt)
        }
        Command::Expire(expire) => worker.expire(expire.now).map(Outcome::Receipts),
        Command::Take(take) => {
            let provider = found(worker, take.provider)?;
            worker.take(&provider, &take.amounts).map(|()| Outcome::Done)
        }
        Command::PutBack(back) => {
            let provider = found(worker, back.provider)?;
            worker.put_back(&provider, &back.amounts).map(|()| Outcome::Done)
        }
        Command::Batch(batch) => {
            let batch = resolved_batch(worker, batch)?;
            worker.commit(&batch).map(Outcome::Receipts)
        }
        Command::Create(Create { uuid, name, parent }) => {
            match parent {
                Some(parent) => tree.create_child(&found(worker, parent)?, &name, uuid)?,
                None => tree.create_root(&name, uuid)?,
            };
            Ok(Outcome::Done)
        }
        Command::Populate(populate) => tree.populate(&populate.providers).map(|_| Outcome::Done),
        Command::Remove(remove) => {
            tree.remove(&found(worker, remove.provider)?).map(Outcome::Removed)
        }
        Command::RemoveLeaf(remove) => {
            tree.remove_leaf(&found(worker, remove.provider)?).map(|()| Outcome::Done)
        }
        Command::Move(Move { provider, parent }) => {
            let provider = found(worker, provider)?;
            let parent = parent.map(|parent| found(worker, parent)).transpose()?;
            tree.reparent(&provider, parent.as_ref()).map(|()| Outcome::Done)
        }
        Command::Rename(Rename { provider, name }) => {
            tree.rename(&found(worker, provider)?, &name).map(|()| Outcome::Done)
        }
        Command::Cordon(cordon) => {
            tree.cordon(&found(worker, cordon.provider)?).map(Outcome::Changed)
        }
        Command::Uncordon(uncordon) => {
            tree.uncordon(&found(worker, uncordon.provider)?).map(Outcome::Changed)
        }
        Command::Configure(Configure { provider, edit, expect }) => {
            tree.configure(&found(worker, provider)?, edit, expect).map(Outcome::Updated)
        }
    }
}

fn found(worker: &mut Worker, uuid: Uuid) -> Result<Provider> {
    worker.find(uuid).ok_or_else(|| unknown(uuid))
}

/// Says that there is no provider with this uuid.
pub(crate) fn unknown(uuid: Uuid) -> Error {
    Error::UnknownProvider { key: uuid.to_string() }
}

fn resolved(worker: &mut Worker, claim: &Claim) -> Result<provider_tree::Claim> {
    resolve(claim, |uuid| found(worker, uuid))
}

/// Makes a claim of a command with the handles of a forest.
pub(crate) fn resolve(
    claim: &Claim,
    mut handle: impl FnMut(Uuid) -> Result<Provider>,
) -> Result<provider_tree::Claim> {
    let mut resolved = provider_tree::Claim::new(claim.consumer);
    for lines in claim.amounts().chunk_by(|one, next| one.provider == next.provider) {
        let provider = handle(lines[0].provider)?;
        resolved.extend(lines.iter().map(|line| (provider, line.class, line.amount)));
    }
    for line in claim.amounts_with_ancestors() {
        let provider = handle(line.provider)?;
        resolved = resolved.take_with_ancestors(&provider, line.class, line.amount);
    }
    for &(provider, generation) in claim.required_generations() {
        resolved = resolved.require_generation(&handle(provider)?, generation);
    }
    Ok(match claim.tag {
        Some(tag) => resolved.with_tag(tag),
        None => resolved,
    })
}

/// Returns the lease of a consumer that is at this generation.
fn lease_at(tree: &ProviderTree, consumer: Uuid, generation: u64) -> Result<provider_tree::Lease> {
    let Some(held) = tree.allocations(consumer) else {
        return Err(Error::LeaseEnded { consumer });
    };
    if held.generation != generation {
        let (expected, actual) = (generation, Some(held.generation));
        return Err(Error::ConsumerConflict { consumer, expected, actual });
    }
    tree.lease_of(consumer).ok_or(Error::NotLeased { consumer })
}

fn resolved_batch(worker: &mut Worker, batch: Batch) -> Result<provider_tree::Batch> {
    let Batch { consumers, created, configured, moved, removed, cordoned, uncordoned } = batch;
    let handles: HashMap<Uuid, Provider> =
        created.iter().map(|spec| (spec.uuid, spec.to_come())).collect();
    let mut handle = |uuid: Uuid| match handles.get(&uuid) {
        Some(to_come) => Ok(*to_come),
        None => found(worker, uuid),
    };
    let mut resolved = provider_tree::Batch::new();
    for change in &consumers {
        resolved = match change {
            ConsumerChange::Claim(claim) => resolved.claim(resolve(claim, &mut handle)?),
            ConsumerChange::Replace { claim, expect } => {
                resolved.replace(resolve(claim, &mut handle)?, *expect)
            }
            ConsumerChange::Release { consumer, expect } => resolved.release(*consumer, *expect),
        };
    }
    for Configure { provider, edit, expect } in configured {
        resolved = resolved.configure(&handle(provider)?, edit, expect);
    }
    for Move { provider, parent } in moved {
        let parent = parent.map(&mut handle).transpose()?;
        resolved = resolved.reparent(&handle(provider)?, parent.as_ref());
    }
    for provider in removed {
        resolved = resolved.remove(&handle(provider)?);
    }
    for provider in cordoned {
        resolved = resolved.cordon(&handle(provider)?);
    }
    for provider in uncordoned {
        resolved = resolved.uncordon(&handle(provider)?);
    }
    Ok(created.into_iter().fold(resolved, provider_tree::Batch::create))
}

//! What the `ProviderTree` of OpenStack Nova does, and where this one means to differ: one test for
//! each behaviour. Together they are the specification of what is the same.
//!
//! What Nova has is asked of `NovaProviderTree`, under Nova's names. What this crate has beside it,
//! or instead, is asked of `ProviderTree`.
//!
//! | module | subject |
//! |---|---|
//! | `creating` | uuids, names, parents, generations, and what is refused |
//! | `finding` | by uuid, by name and by text, and what is missing |
//! | `removing` | whole subtrees, at one instant |
//! | `walking` | data, the order of walks, snapshots, depth |
//! | `inventories` | what counts as changed, and what an update does then |
//! | `generations` | what a change sets, keeps or rests on, and mirrors of an outside authority |
//! | `traits` | replace, add, remove, ask, compare |
//! | `aggregates` | the same |
//! | `resources` | the caller's own values |
//! | `sharing` | whether any provider shares a class |
//! | `edits` | several parts of a change, in order and as one |
//!
//! What Nova's `populate_from_iterable` does has tests of its own, in `tests/populate`.

mod aggregates;
mod creating;
mod edits;
mod finding;
mod generations;
mod inventories;
mod removing;
mod resources;
mod sharing;
mod traits;
mod walking;

use provider_tree::{
    Error, Inventories, Inventory, Provider, ProviderTree, ResourceClass, Result, Updated,
};

const VCPU: ResourceClass = ResourceClass::VCPU;
const MEMORY: ResourceClass = ResourceClass::MEMORY_MB;
const DISK: ResourceClass = ResourceClass::DISK_GB;

/// A forest of one provider, which is called `host`.
fn host() -> (ProviderTree, Provider) {
    let tree = ProviderTree::new();
    let host = tree.create_root("host", None).unwrap();
    (tree, host)
}

/// A provider that has been removed, and how every call for its handle is refused.
fn removed() -> (ProviderTree, Provider, Error) {
    let (tree, host) = host();
    tree.remove(&host).unwrap();
    (tree, host, Error::Removed { provider: host.uuid() })
}

/// How Nova's methods refuse a name, or the text of a uuid, that no provider has.
fn unknown(key: &str) -> Error {
    Error::UnknownProvider { key: key.to_owned() }
}

fn of(class: ResourceClass, total: u64) -> Inventories {
    Inventories::new().with(class, Inventory::new(total))
}

fn generation(tree: &ProviderTree, provider: &Provider) -> u64 {
    tree.configuration(provider).unwrap().generation
}

/// What a change says that has changed something.
fn changed(generation: u64) -> Result<Updated> {
    Ok(Updated { changed: true, generation, overcommitted: false })
}

/// What a change says that has changed nothing.
fn unchanged(generation: u64) -> Result<Updated> {
    Ok(Updated { changed: false, generation, overcommitted: false })
}

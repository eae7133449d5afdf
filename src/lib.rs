//! A lock-free concurrent tree of resource providers for multithreaded schedulers.
//!
//! A *provider* is something that has resources: a host, a GPU, a network card. Providers form
//! trees, and a [`ProviderTree`] is a forest of such trees that any number of threads share. Each
//! provider has inventories (how much of which resource class), traits, aggregates and a
//! generation. *Consumers*, such as virtual machines and jobs, claim amounts from any number of
//! providers in one commit.
//!
//! The crate is for schedulers that decide with many threads on one machine. It does what the
//! `ProviderTree` of OpenStack Nova does, without the lock that Nova holds for the whole process,
//! and adds claims that never oversell: a claim is checked and made at one instant, against exactly
//! the inventories that are in force at that instant.
//!
//! # Example
//!
//! ```
//! use provider_tree::{Claim, Error, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
//! use uuid::Uuid;
//!
//! let tree = ProviderTree::new();
//! let host = tree.create_root("host-1", None)?;
//! let gpu = tree.create_child(&host, "host-1-gpu-0", None)?;
//! let inventories = |class, total| Inventories::new().with(class, Inventory::new(total));
//! tree.configure(&host, inventories(ResourceClass::VCPU, 16), Expect::Any)?;
//! tree.configure(&gpu, inventories(ResourceClass::PGPU, 1), Expect::Any)?;
//!
//! let mut worker = tree.worker()?; // One for each thread.
//! let claim = |consumer| {
//!     Claim::new(consumer).take(&host, ResourceClass::VCPU, 4).take(&gpu, ResourceClass::PGPU, 1)
//! };
//! let receipt = worker.claim(&claim(Uuid::new_v4()))?; // From both providers, or from none.
//! let refused = worker.claim(&claim(Uuid::new_v4()));
//! assert!(matches!(refused, Err(Error::CapacityExceeded { requested: 1, free: 0, .. })));
//! assert_eq!(tree.usage(&host, ResourceClass::VCPU)?.used, 4);
//! worker.release(receipt.consumer)?;
//! # Ok::<(), provider_tree::Error>(())
//! ```
//!
//! # What there is
//!
//! | to | use |
//! |---|---|
//! | build the forest | [`create_root`], [`create_child`]; [`populate`] for many providers at once |
//! | change its structure | [`reparent`], [`rename`], [`remove`], [`remove_leaf`] |
//! | find a provider by uuid or name | [`find`] |
//! | walk down | [`roots`], [`children`], [`subtree`], [`tree_of`], [`providers`] |
//! | walk up | [`ancestors`] |
//! | say what a provider has and is | [`configure`] with an [`Edit`]: inventories, traits, aggregates and values of your own in one commit, all of them or those that are named; `examples/keep_ratios.rs` |
//! | read what a provider has and is | [`configuration`]; again and again, [`Worker::configuration`]. What asks a question of it is a method of the [`Configuration`] |
//! | see what is used | [`usage`], [`usages`]; of several classes [`usages_of`], of a whole host [`subtree_usages`]; [`version`] tells whether that may have changed |
//! | find where something fits | a [`View`], one for each thread: [`View::candidates`] for a [`Request`], [`View::best`], [`View::why`] |
//! | find, claim, and go on after a conflict | [`View::place`]; [`cookbook`] writes a scheduler on it |
//! | find out who has to go | [`View::evict`], in a [view with holders](View::with_holders); `examples/preemption.rs` |
//! | claim and give back | [`Worker::claim`], [`Worker::replace`], [`Worker::release`] |
//! | move what a consumer holds to where it fits | [`Candidate::claim`] of a candidate, given to [`Worker::replace`] |
//! | claim and give back without a consumer | [`Worker::take`], [`Worker::put_back`] |
//! | claim as much as fits | [`Worker::claim_partly`]; [`Worker::claim_gang`] for at least so many of a number of claims |
//! | make a claim depend on more than what is free | [`Claim::require_generation`] |
//! | change many consumers and providers as one: migrate, swap, evict, reshape | [`Worker::commit`] of a [`Batch`]; `examples/reshape.rs` |
//! | hold something until it is confirmed | [`Worker::lease`], [`Worker::confirm`], [`Worker::renew`], [`Worker::cancel`], [`Worker::expire`]; [`lease_of`] after a lost reply or a load; `examples/lease.rs` |
//! | claim the cheapest way: for a consumer that the forest names | [`Claim::unnamed`]; [`issue`] for a uuid to ask again by after a lost reply |
//! | claim the same again and again | [`Claim::for_consumer`] |
//! | keep a number of your own with a consumer: an index, a priority, an owner | [`Claim::with_tag`] |
//! | keep quotas | [`Claim::take_with_ancestors`]; `examples/quota.rs` |
//! | take a provider out of service | [`cordon`], [`uncordon`]; [`Snapshot::holders`] lists the consumers that have to go; `examples/drain.rs` |
//! | see who holds what, and prove it | [`allocations`], [`Snapshot::consumers`], [`Snapshot::audit`]; [`Snapshot::overcommitted`] after an inventory has shrunk |
//! | see the whole forest at one instant, while it goes on | [`snapshot`]: walks, usage, allocations, audit and dump of a [`Snapshot`] |
//! | see what has changed | [`Snapshot::changes_since`]; [`subscribe`] to a [`Feed`], which keeps a [`Mirror`] up to date |
//! | see only which providers have changed | [`Feed::poll_touched`], [`Snapshot::touched_since`] |
//! | wait for a change | [`Feed::wait`]; [`Feed::changed`] as a future |
//! | ask what if, and then do it | [`Snapshot::fork`], a private [`Fork`]; [`Worker::commit`] of its [`Fork::to_batch`] |
//! | see how it goes | [`metrics`], [`Worker::metrics`]; with the feature `tracing`, an [event](docs::events) for each call that changes something |
//! | see what the forest takes in memory, and what for | [`memory`] |
//! | write the whole forest down, and read it again | [`Snapshot::dump`], [`load`]; with the feature `serde`, in [many formats](Dump) |
//! | speak as OpenStack Placement does | with the feature `serde`, the documents in the module `placement` |
//!
//! The examples are in the repository.
//!
//! Every thread that claims has a [`Worker`] of its own. Every other method is called on the
//! [`ProviderTree`], whose clones are handles of the same forest. A [`Provider`] is a small handle
//! to keep and copy; using a handle takes no look-up. [`coming_from_nova`] shows what each
//! operation of Nova's tree is here.
//!
//! # Features
//!
//! None is on if nobody asks for it.
//!
//! - `serde`: dumps and most other plain values can be written and read; [`Dump`] says which, and in which
//!   formats. With it comes the module `placement`.
//! - `tracing`: calls that change something tell [events](docs::events).
//!
//! # When not to use it
//!
//! - *A handful of threads and rare changes.* A `Mutex` around a map is simpler, and easier to
//!   debug.
//! - *State that has to survive the process* whatever happens, or that processes or machines share.
//!   Everything is in memory, and a dump is what you make of it. Nothing keeps two schedulers with
//!   a copy each from granting the same unit. The package `provider-tree-cluster` (`cluster/`) is that: it puts
//!   every change through a log, in a file or on etcd.
//! - *Several calls that have to be one.* There are no transactions over arbitrary calls. What one
//!   method does is atomic, and nothing larger.
//! - *Waiting for room.* A claim that does not fit is refused at once; there is no queue.
//! - *A bounded time for each call.* Lock-free is not wait-free. A claim over very many providers
//!   that are all under heavy use may repeat for long.
//! - *Millions of short-lived names of classes or traits.* Such names are never forgotten.
//!
//! [`docs::consistency`] says what a call promises, [`docs::progress`] what it promises of progress and what
//! it costs, [`docs::limits`] how much there can be of everything.
//!
//! `COMPARE.md` in the repository says when a lock, a concurrent map or a database is the better
//! choice, with figures.
//!
//! # Where the ideas come from
//!
//! The data model is that of OpenStack Placement and of Nova's `ProviderTree`. The core joins known
//! results:
//!
//! - multi-object operations with helping, and multiword load-linked and store-conditional:
//!   Anderson and Moir (PODC 1995), Jayanti and Petrovic (ICDCS 2005);
//! - multi-word compare-and-swap: Harris, Fraser and Pratt (DISC 2002), Guerraoui et al. (DISC
//!   2020);
//! - descriptors that are used again: Arbel-Raviv and Brown, *Reuse, Don't Recycle* (DISC 2017);
//! - readers that validate, in terms of a memory model: Boehm, *Can Seqlocks Get Along with
//!   Programming Language Memory Models?* (MSPC 2012);
//! - snapshots by stamps of versions: Wei et al., *Constant-Time Snapshots* (PPoPP 2021);
//! - schedulers that share state and let the commit decide: Schwarzkopf et al., *Omega* (EuroSys
//!   2013).
//!
//! `ARCHITECTURE.md` in the repository has the layers and what each guarantees.
//! `src/ledger/PROTOCOL.md` has the protocol with its invariants and what checks them.
//!
//! [`create_root`]: ProviderTree::create_root
//! [`create_child`]: ProviderTree::create_child
//! [`reparent`]: ProviderTree::reparent
//! [`rename`]: ProviderTree::rename
//! [`remove`]: ProviderTree::remove
//! [`remove_leaf`]: ProviderTree::remove_leaf
//! [`find`]: ProviderTree::find
//! [`populate`]: ProviderTree::populate
//! [`snapshot`]: ProviderTree::snapshot
//! [`subscribe`]: ProviderTree::subscribe
//! [`load`]: ProviderTree::load
//! [`roots`]: ProviderTree::roots
//! [`children`]: ProviderTree::children
//! [`ancestors`]: ProviderTree::ancestors
//! [`subtree`]: ProviderTree::subtree
//! [`tree_of`]: ProviderTree::tree_of
//! [`providers`]: ProviderTree::providers
//! [`configuration`]: ProviderTree::configuration
//! [`version`]: ProviderTree::version
//! [`usage`]: ProviderTree::usage
//! [`usages`]: ProviderTree::usages
//! [`usages_of`]: ProviderTree::usages_of
//! [`subtree_usages`]: ProviderTree::subtree_usages
//! [`configure`]: ProviderTree::configure
//! [`allocations`]: ProviderTree::allocations
//! [`cordon`]: ProviderTree::cordon
//! [`uncordon`]: ProviderTree::uncordon
//! [`issue`]: ProviderTree::issue
//! [`lease_of`]: ProviderTree::lease_of
//! [`metrics`]: ProviderTree::metrics
//! [`memory`]: ProviderTree::memory
#![forbid(unsafe_code)]
#![cfg_attr(not(provider_tree_loom), warn(missing_debug_implementations))]

mod step;
mod sync;

mod ledger;

mod error;
mod values;

mod layout;

mod forest;

mod trace;

mod claim;

mod view;

mod search;

mod api;

#[cfg(all(test, not(provider_tree_loom)))]
extern crate self as provider_tree;
#[cfg(all(test, not(provider_tree_loom)))]
mod tests;

pub mod docs;

#[doc = include_str!("cookbook.md")]
pub mod cookbook {}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(provider_tree_loom)]
#[doc(hidden)]
pub mod model;

pub use uuid;

#[cfg(feature = "serde")]
pub use api::placement;
pub use api::{ProviderTree, coming_from_nova};
pub use claim::{
    Allocation, Allocations, Batch, Claim, Floor, Issued, Lease, Partial, Receipt, Worker,
};
pub use error::{Error, Fault, InventoryFault, RequestFault, Result};
pub use forest::{
    Configuration, Edit, Expect, Facts, Provider, ProviderKey, ProviderSpec, SubtreeUsages,
    Updated, Version,
};
pub use search::{
    Candidate, Candidates, Eviction, Group, Member, Placed, Prepared, Ranking, Request, Root,
    Unplaced, View, Why,
};
pub use values::{
    Deadline, Inventories, Inventory, Metrics, Now, PartialInventories, PartialInventory,
    ResourceClass, Resources, Trait, Usage,
};
pub use view::{
    Audit, ByteCounts, CellCounts, Changes, ConsumerChange, Difference, Dump, Feed, Fork, Memory,
    Mirror, Overcommit, ProviderChange, ProviderDump, ProviderState, RecordCounts, Snapshot,
    Touched, TouchedProvider, UsedAmounts,
};

//! [`Command`]: what a replica is asked to change.
//!
//! A command is complete and deterministic: providers and consumers are named by their uuids, classes and
//! traits by their names, and whoever asks chooses uuids and times. So it comes to the same on every
//! replica, whenever it is applied there.
//!
//! Each kind of command is a type of its own that [answers](Ask::Answer) what the method of `provider-tree`
//! answers that it stands for:
//!
//! | command | stands for | answers |
//! |---|---|---|
//! | [`Claim`] | `Worker::claim` | [`Receipt`](provider_tree::Receipt) |
//! | [`Replace`] | `Worker::replace` | [`Receipt`](provider_tree::Receipt) |
//! | [`Release`] | `Worker::release` | [`Receipt`](provider_tree::Receipt) |
//! | [`ClaimGang`] | `Worker::claim_gang` | a [`Receipt`](provider_tree::Receipt) or an error for each member |
//! | [`ClaimPartly`] | `Worker::claim_partly` | [`Partial`](provider_tree::Partial) |
//! | [`Lease`] | `Worker::lease` | [`Receipt`](provider_tree::Receipt) |
//! | [`Confirm`], [`Renew`], [`Cancel`] | the methods of `Worker` with these names | [`Receipt`](provider_tree::Receipt) |
//! | [`Expire`] | `Worker::expire` | the receipts of the leases that it has ended |
//! | [`Take`], [`PutBack`] | `Worker::take`, `Worker::put_back` | nothing |
//! | [`Batch`] | `Worker::commit` | a [`Receipt`](provider_tree::Receipt) for each consumer |
//! | [`Create`] | `ProviderTree::create_root`, `create_child` | nothing |
//! | [`Populate`] | `ProviderTree::populate` | nothing |
//! | [`Remove`] | `ProviderTree::remove` | how many providers it has removed |
//! | [`RemoveLeaf`] | `ProviderTree::remove_leaf` | nothing |
//! | [`Move`] | `ProviderTree::reparent` | nothing |
//! | [`Rename`] | `ProviderTree::rename` | nothing |
//! | [`Cordon`], [`Uncordon`] | the methods of `ProviderTree` with these names | whether anything has changed |
//! | [`Configure`] | `ProviderTree::configure` | [`Updated`](provider_tree::Updated) |
//!
//! There is no command for what has a meaning in one process alone: uuids that a forest
//! [issues](provider_tree::ProviderTree::issue) (a claim gets a random uuid instead, unless it has one), and
//! [`Resources`](provider_tree::Resources), which are values of the caller's own types.
//!
//! As JSON, a command is an object with one field, which is named after its kind:
//!
//! ```json
//! {"claim": {"consumer": "e3b0c442-...", "takes": [{"provider": "98fc1c14-...", "amounts": {"VCPU": 4}}]}}
//! {"release": {"consumer": "e3b0c442-..."}}
//! {"cordon": {"provider": "98fc1c14-..."}}
//! ```
//!
//! [`json`](crate::json) has an example of each kind.

mod apply;
mod batch;
mod claims;
mod class;
mod edit;
mod lines;
mod outcome;
mod providers;
mod shape;

use serde::{Deserialize, Serialize};

pub(crate) use apply::{apply, resolve, unknown};
pub use batch::{Batch, ConsumerChange};
pub use claims::{
    Cancel, Claim, ClaimGang, ClaimPartly, Confirm, Expire, Lease, PutBack, Release, Renew,
    Replace, Take,
};
pub(crate) use class::prepare;
pub use edit::{Edit, EditStep};
pub use lines::Line;
pub use outcome::{Ask, Outcome};
pub use providers::{
    Configure, Cordon, Create, Move, Populate, Remove, RemoveLeaf, Rename, Uncordon,
};

/// Represents a change that a replica is asked for, of any kind.
///
/// The kinds are written by their numbers, in this order: a kind that comes later comes at the end.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Command {
    /// Makes a new consumer hold what it asks for.
    Claim(Claim),
    /// Makes a consumer hold something else.
    Replace(Replace),
    /// Gives back all that a consumer holds.
    Release(Release),
    /// Makes several claims, of which at least so many have to fit.
    ClaimGang(ClaimGang),
    /// Makes a claim as far as it fits.
    ClaimPartly(ClaimPartly),
    /// Makes a claim until a deadline.
    Lease(Lease),
    /// Keeps for good what a lease holds.
    Confirm(Confirm),
    /// Gives a lease another deadline.
    Renew(Renew),
    /// Gives back what a lease holds.
    Cancel(Cancel),
    /// Ends all leases that are due.
    Expire(Expire),
    /// Takes amounts that no consumer holds.
    Take(Take),
    /// Gives back amounts that no consumer holds.
    PutBack(PutBack),
    /// Makes many changes as one.
    Batch(Batch),
    /// Creates a provider.
    Create(Create),
    /// Makes providers what a list says.
    Populate(Populate),
    /// Removes a provider with its descendants.
    Remove(Remove),
    /// Removes a provider that has no children.
    RemoveLeaf(RemoveLeaf),
    /// Moves a provider with its descendants.
    Move(Move),
    /// Gives a provider another name.
    Rename(Rename),
    /// Lets nothing more be claimed of a provider and its descendants.
    Cordon(Cordon),
    /// Ends a cordon.
    Uncordon(Uncordon),
    /// Changes what a provider has.
    Configure(Configure),
}

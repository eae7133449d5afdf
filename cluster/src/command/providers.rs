//! Commands about providers.

use provider_tree::{Expect, ProviderSpec};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::edit::Edit;
use super::shape::ExpectShape;

/// Creates a provider.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The uuid that the provider is to have.
    pub uuid: Uuid,
    /// The name that it is to have.
    pub name: String,
    /// Its parent; `None` for a root.
    #[serde(default)]
    pub parent: Option<Uuid>,
}

/// Makes providers what a list says, all or none, as
/// [`ProviderTree::populate`](provider_tree::ProviderTree::populate) does: creates those that there are not,
/// and *replaces* those that there are, so that each has exactly what its entry says. What is below a listed provider and not listed itself is *removed*. Whoever only wants to add,
/// as at a second start, lists what is not there yet.
///
/// The entries' [`Resources`](provider_tree::Resources) are left out: no log has them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Populate {
    /// The list.
    pub providers: Vec<ProviderSpec>,
}

/// Removes a provider with its descendants.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The provider.
    pub provider: Uuid,
}

/// Removes a provider that has no children.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveLeaf {
    /// The provider.
    pub provider: Uuid,
}

/// Moves a provider with its descendants.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// The provider.
    pub provider: Uuid,
    /// Where it goes; `None` makes it a root. In JSON it has to be said, as `null`: a parent that was
    /// forgotten makes no root.
    #[serde(deserialize_with = "Option::deserialize")]
    pub parent: Option<Uuid>,
}

/// Gives a provider another name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// The provider.
    pub provider: Uuid,
    /// The name that it is to have.
    pub name: String,
}

/// Lets nothing more be claimed of a provider and its descendants.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cordon {
    /// The provider.
    pub provider: Uuid,
}

/// Ends the cordon of a provider.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uncordon {
    /// The provider.
    pub provider: Uuid,
}

/// Changes what a provider has.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configure {
    /// The provider.
    pub provider: Uuid,
    /// The change.
    pub edit: Edit,
    /// The generation that the provider has to be at.
    #[serde(default, with = "ExpectShape")]
    pub expect: Expect,
}

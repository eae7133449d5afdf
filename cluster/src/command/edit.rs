//! [`Edit`]: how what a provider has is to change.

use provider_tree::{Inventories, PartialInventories, ResourceClass, Trait};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Describes how what a provider has is to change: steps, one after the other, that are made as one.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Edit {
    /// The steps.
    pub steps: Vec<EditStep>,
}

/// Describes one step of an [`Edit`]. Each is what the method of [`provider_tree::Edit`] with its name does.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EditStep {
    /// Replaces all inventories.
    SetInventories(Inventories),
    /// Changes the fields of inventories that are named.
    UpdateInventories(PartialInventories),
    /// Takes the inventories of these classes away.
    RemoveInventories(#[serde(deserialize_with = "super::class::deserialize")] Vec<ResourceClass>),
    /// Replaces all traits.
    SetTraits(Vec<Trait>),
    /// Adds these traits.
    AddTraits(Vec<Trait>),
    /// Takes these traits away.
    RemoveTraits(Vec<Trait>),
    /// Replaces all aggregates.
    SetAggregates(Vec<Uuid>),
    /// Makes the provider a member of these aggregates too.
    AddAggregates(Vec<Uuid>),
    /// Ends the provider's membership in these aggregates.
    RemoveAggregates(Vec<Uuid>),
}

impl Edit {
    /// Returns an edit that changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a step.
    pub fn with(mut self, step: EditStep) -> Self {
        self.steps.push(step);
        self
    }
}

/// Replaces all inventories.
impl From<Inventories> for Edit {
    fn from(inventories: Inventories) -> Self {
        Edit::new().with(EditStep::SetInventories(inventories))
    }
}

/// Changes inventories where they are named.
impl From<PartialInventories> for Edit {
    fn from(inventories: PartialInventories) -> Self {
        Edit::new().with(EditStep::UpdateInventories(inventories))
    }
}

impl From<Edit> for provider_tree::Edit {
    fn from(edit: Edit) -> Self {
        edit.steps.into_iter().fold(provider_tree::Edit::new(), |edit, step| match step {
            EditStep::SetInventories(all) => edit.set_inventories(all),
            EditStep::UpdateInventories(named) => edit.update_inventories(named),
            EditStep::RemoveInventories(classes) => edit.remove_inventories(classes),
            EditStep::SetTraits(all) => edit.set_traits(all),
            EditStep::AddTraits(more) => edit.add_traits(more),
            EditStep::RemoveTraits(fewer) => edit.remove_traits(fewer),
            EditStep::SetAggregates(all) => edit.set_aggregates(all),
            EditStep::AddAggregates(more) => edit.add_aggregates(more),
            EditStep::RemoveAggregates(fewer) => edit.remove_aggregates(fewer),
        })
    }
}

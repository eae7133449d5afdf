//! The documents of OpenStack Placement's interface, as the bodies of its requests and answers have them.
//!
//! | document | where Placement has it | made of | made true by |
//! |---|---|---|---|
//! | [`InventoriesDocument`] | `/resource_providers/{uuid}/inventories` | [`Configuration`] | [`Edit::set_inventories`] |
//! | [`TraitsDocument`] | `/resource_providers/{uuid}/traits` | [`Configuration`] | [`Edit::set_traits`] |
//! | [`AggregatesDocument`] | `/resource_providers/{uuid}/aggregates` | [`Configuration`] | [`Edit::set_aggregates`] |
//! | [`AllocationsDocument`] | `/allocations/{uuid}` | [`Allocations`] | [`AllocationsDocument::claim`] |
//!
//! Each comes back whole from the JSON that is written of it. A field that Placement does not have is
//! refused, and so is a key that comes twice. Of allocations, everything but `allocations` may be missing, as
//! in older microversions than 1.38; which of it a caller needs is the caller's affair. An inventory without a
//! bound has no `max_unit`, where Placement answers 2147483647. Documents of several consumers, of a single
//! class and of usages are not here.
//!
//! ```
//! use provider_tree::placement::{AllocationsDocument, InventoriesDocument, Owner};
//! use provider_tree::{Expect, ProviderTree};
//! use uuid::Uuid;
//!
//! let tree = ProviderTree::new();
//! let host = tree.create_root("host-1", None)?;
//! # let (vm, host_uuid) = (Uuid::new_v4(), host.uuid());
//! let inventories: InventoriesDocument = serde_json::from_str(
//!     r#"{"inventories": {"VCPU": {"total": 16}}, "resource_provider_generation": 0}"#,
//! )?;
//! let expect = Expect::Generation(inventories.resource_provider_generation);
//! tree.configure(&host, inventories.inventories, expect)?;
//!
//! let text = format!(
//!     r#"{{"allocations": {{"{host_uuid}": {{"resources": {{"VCPU": 4}}}}}},
//!         "consumer_generation": null, "project_id": "p", "user_id": "u",
//!         "consumer_type": "INSTANCE"}}"#
//! );
//! let wanted: AllocationsDocument = serde_json::from_str(&text)?;
//! let claim = wanted.claim(&tree, vm)?;
//! tree.worker()?.claim(&claim)?;
//!
//! let held = tree.allocations(vm).expect("it was claimed");
//! let answer = InventoriesDocument::from(&tree.configuration(&host)?);
//! assert_eq!(answer.resource_provider_generation, 1);
//! let answer = AllocationsDocument::new(&held, wanted.owner.clone());
//! assert_eq!(answer.allocations, wanted.allocations);
//! assert_eq!(answer.consumer_generation, Some(held.generation));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Edit::set_inventories`]: crate::Edit::set_inventories
//! [`Edit::set_traits`]: crate::Edit::set_traits
//! [`Edit::set_aggregates`]: crate::Edit::set_aggregates

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use crate::api::tree::ProviderTree;
use crate::claim::{Allocations, Claim};
use crate::forest::Configuration;
use crate::values::shape::{class_map, trait_names, unique_map, write_field};
use crate::values::{Inventories, ResourceClass, Trait};

/// Holds the inventories of a provider, with the provider's generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InventoriesDocument {
    /// The inventories, by class.
    pub inventories: Inventories,
    /// The provider's generation.
    pub resource_provider_generation: u64,
}

/// Holds the traits of a provider, with the provider's generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraitsDocument {
    /// The traits.
    #[serde(with = "trait_names")]
    pub traits: Arc<BTreeSet<Trait>>,
    /// The provider's generation.
    pub resource_provider_generation: u64,
}

/// Holds the aggregates of a provider, with the provider's generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AggregatesDocument {
    /// The aggregates.
    pub aggregates: Arc<BTreeSet<Uuid>>,
    /// The provider's generation.
    pub resource_provider_generation: u64,
}

/// Holds what a consumer holds, or is to hold, with whom it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocationsDocument {
    /// What is held, by provider. Empty if nothing is.
    pub allocations: BTreeMap<Uuid, ProviderAllocations>,
    /// The consumer's generation; `None` for a consumer that is to hold nothing yet.
    pub consumer_generation: Option<u64>,
    /// Whom the consumer belongs to.
    pub owner: Owner,
    /// Which providers serve which group of the request, if the document says so.
    pub mappings: Option<BTreeMap<String, Vec<Uuid>>>,
}

/// Holds what is held of one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderAllocations {
    /// The amounts, by class.
    #[serde(with = "class_map")]
    pub resources: BTreeMap<ResourceClass, u64>,
    /// The provider's generation, if the document says it. Placement says it, and does not look at it in
    /// what it is sent; nor does [`AllocationsDocument::claim`].
    #[serde(default)]
    pub generation: Option<u64>,
}

/// Tells whom a consumer belongs to. The forest does not know: a caller that serves Placement's interface
/// keeps it, perhaps under the consumer's [tag](Claim::with_tag).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The project.
    pub project_id: Option<String>,
    /// The user.
    pub user_id: Option<String>,
    /// What the consumer is, such as `INSTANCE`.
    pub consumer_type: Option<String>,
}

/// Refers to a provider that a document names and a forest does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no provider {0}")]
pub struct UnknownProvider(
    /// The provider.
    pub Uuid,
);

impl From<&Configuration> for InventoriesDocument {
    /// Returns the inventories of a provider, with its generation.
    fn from(data: &Configuration) -> Self {
        InventoriesDocument {
            inventories: (*data.inventories).clone(),
            resource_provider_generation: data.generation,
        }
    }
}

impl From<&Configuration> for TraitsDocument {
    /// Returns the traits of a provider, with its generation.
    fn from(data: &Configuration) -> Self {
        TraitsDocument {
            traits: Arc::clone(&data.traits),
            resource_provider_generation: data.generation,
        }
    }
}

impl From<&Configuration> for AggregatesDocument {
    /// Returns the aggregates of a provider, with its generation.
    fn from(data: &Configuration) -> Self {
        AggregatesDocument {
            aggregates: Arc::clone(&data.aggregates),
            resource_provider_generation: data.generation,
        }
    }
}

impl AllocationsDocument {
    /// Returns the document of what a consumer holds, which belongs to `owner`, without the generations of
    /// providers: [`ProviderTree::configuration`] has them. (Of a consumer that holds nothing Placement says
    /// `{"allocations": {}}`.)
    pub fn new(held: &Allocations, owner: Owner) -> Self {
        let mut allocations: BTreeMap<Uuid, ProviderAllocations> = BTreeMap::new();
        for one in &held.allocations {
            let of_provider = allocations.entry(one.provider).or_default();
            of_provider.resources.insert(one.class, one.amount);
        }
        let consumer_generation = Some(held.generation);
        AllocationsDocument { allocations, consumer_generation, owner, mappings: None }
    }

    /// Returns the claim of `consumer` for everything in the document. If there is no
    /// `consumer_generation`, [`Worker::claim`](crate::Worker::claim) makes it true; otherwise
    /// [`Worker::replace`](crate::Worker::replace) at that generation. A document without allocations, which
    /// lets the consumer hold nothing any more, is no claim: [`Worker::release`](crate::Worker::release)
    /// makes it true.
    ///
    /// # Errors
    ///
    /// Returns [`UnknownProvider`] for the first provider that `tree` does not have.
    pub fn claim(&self, tree: &ProviderTree, consumer: Uuid) -> Result<Claim, UnknownProvider> {
        let mut claim = Claim::new(consumer);
        for (&uuid, allocations) in &self.allocations {
            let provider = tree.find(uuid).ok_or(UnknownProvider(uuid))?;
            for (&class, &amount) in &allocations.resources {
                claim.add(&provider, class, amount);
            }
        }
        Ok(claim)
    }
}

impl Serialize for ProviderAllocations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(transparent)]
        struct ByName<'a>(#[serde(with = "class_map")] &'a BTreeMap<ResourceClass, u64>);

        let may_skip = serializer.is_human_readable();
        let skipped = usize::from(may_skip && self.generation.is_none());
        let mut shape = serializer.serialize_struct("ProviderAllocations", 2 - skipped)?;
        shape.serialize_field("resources", &ByName(&self.resources))?;
        write_field(&mut shape, "generation", &self.generation, may_skip)?;
        shape.end()
    }
}

/// An [`AllocationsDocument`] with all fields side by side.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Flat {
    #[serde(deserialize_with = "unique_map::deserialize")]
    allocations: BTreeMap<Uuid, ProviderAllocations>,
    #[serde(default)]
    consumer_generation: Option<u64>,
    #[serde(default)]
    project_id: Option<String>,
    #[serde(default)]
    user_id: Option<String>,
    #[serde(default)]
    consumer_type: Option<String>,
    #[serde(default)]
    mappings: Option<Mappings>,
}

/// Which providers serve which group.
#[derive(Deserialize)]
#[serde(transparent)]
struct Mappings(#[serde(deserialize_with = "unique_map::deserialize")] BTreeMap<String, Vec<Uuid>>);

impl Serialize for AllocationsDocument {
    /// Writes a generation that is not there as `null`, as Placement wants it, and leaves all else out that
    /// is not there, in formats that people read.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let AllocationsDocument { allocations, consumer_generation, owner, mappings } = self;
        let Owner { project_id, user_id, consumer_type } = owner;
        let may_skip = serializer.is_human_readable();
        let texts =
            [("project_id", project_id), ("user_id", user_id), ("consumer_type", consumer_type)];
        let absent = texts.iter().filter(|(_, text)| text.is_none()).count()
            + usize::from(mappings.is_none());
        let skipped = if may_skip { absent } else { 0 };
        let mut shape = serializer.serialize_struct("AllocationsDocument", 6 - skipped)?;
        shape.serialize_field("allocations", allocations)?;
        shape.serialize_field("consumer_generation", consumer_generation)?;
        for (name, text) in texts {
            write_field(&mut shape, name, text, may_skip)?;
        }
        write_field(&mut shape, "mappings", mappings, may_skip)?;
        shape.end()
    }
}

impl<'de> Deserialize<'de> for AllocationsDocument {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Flat { allocations, consumer_generation, project_id, user_id, consumer_type, mappings } =
            Flat::deserialize(deserializer)?;
        let owner = Owner { project_id, user_id, consumer_type };
        let mappings = mappings.map(|mappings| mappings.0);
        Ok(AllocationsDocument { allocations, consumer_generation, owner, mappings })
    }
}

//! [`ProviderSpec`]: what a provider is to be, as an entry of a population.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::forest::configuration::{Facts, Nothing};
use crate::forest::keys::Name;
use crate::forest::provider::{Configuration, Provider};
use crate::values::{Inventories, Resources, Trait};

/// Describes everything about one provider that
/// [`ProviderTree::populate`](crate::ProviderTree::populate) makes true.
///
/// ```
/// use provider_tree::{Inventories, Inventory, ProviderSpec, ResourceClass};
/// use uuid::Uuid;
///
/// let host = ProviderSpec::new(Uuid::new_v4(), "host-1").with_generation(7);
/// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
/// let numa = ProviderSpec::new(Uuid::new_v4(), "host-1-numa-0")
///     .with_parent(host.uuid)
///     .with_inventories(vcpu);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[must_use = "an entry does nothing until it is listed"]
pub struct ProviderSpec {
    /// The uuid.
    pub uuid: Uuid,
    /// The name.
    pub name: Arc<str>,
    /// The uuid of the parent; `None` for a root.
    #[cfg_attr(feature = "serde", serde(rename = "parent_provider_uuid", default))]
    pub parent: Option<Uuid>,
    /// The generation. If it is `None`, a new provider starts at 0, and the generation of an
    /// existing provider grows.
    #[cfg_attr(feature = "serde", serde(default))]
    pub generation: Option<u64>,
    /// The inventories.
    #[cfg_attr(feature = "serde", serde(default))]
    pub inventories: Arc<Inventories>,
    /// The traits.
    #[cfg_attr(feature = "serde", serde(default, with = "crate::values::shape::trait_names"))]
    pub traits: Arc<BTreeSet<Trait>>,
    /// The aggregates that the provider is a member of.
    #[cfg_attr(feature = "serde", serde(default))]
    pub aggregates: Arc<BTreeSet<Uuid>>,
    /// The caller's own values.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub resources: Resources,
}

impl ProviderSpec {
    /// Returns an entry for a root with this uuid and name, and nothing else.
    pub fn new(uuid: Uuid, name: impl Into<Arc<str>>) -> Self {
        let Nothing { inventories, traits, aggregates } = Nothing::of_this_thread();
        ProviderSpec {
            uuid,
            name: name.into(),
            parent: None,
            generation: None,
            inventories,
            traits,
            aggregates,
            resources: Resources::new(),
        }
    }

    /// Returns the entry with `parent` as the provider's parent.
    pub fn with_parent(self, parent: Uuid) -> Self {
        ProviderSpec { parent: Some(parent), ..self }
    }

    /// Returns the entry with this generation.
    pub fn with_generation(self, generation: u64) -> Self {
        ProviderSpec { generation: Some(generation), ..self }
    }

    /// Returns the entry with these inventories in place of its own.
    pub fn with_inventories(self, inventories: Inventories) -> Self {
        ProviderSpec { inventories: Arc::new(inventories), ..self }
    }

    /// Returns the entry with these traits in place of its own.
    pub fn with_traits(self, traits: impl IntoIterator<Item = Trait>) -> Self {
        ProviderSpec { traits: Arc::new(traits.into_iter().collect()), ..self }
    }

    /// Returns the entry with these aggregates in place of its own.
    pub fn with_aggregates(self, aggregates: impl IntoIterator<Item = Uuid>) -> Self {
        ProviderSpec { aggregates: Arc::new(aggregates.into_iter().collect()), ..self }
    }

    /// Returns the entry with these resources in place of its own.
    pub fn with_resources(self, resources: Resources) -> Self {
        ProviderSpec { resources, ..self }
    }

    /// Returns a handle that stands for the provider in the [batch](crate::Batch::create) that creates it.
    /// Everything else refuses it as [`ForeignProvider`](crate::Error::ForeignProvider).
    pub fn to_come(&self) -> Provider {
        Provider::to_come(self.uuid)
    }

    /// Returns the facts that the provider is to have.
    pub(crate) fn facts(&self) -> Facts {
        Facts {
            name: Arc::clone(&self.name),
            parent: self.parent,
            inventories: Arc::clone(&self.inventories),
            traits: Arc::clone(&self.traits),
            aggregates: Arc::clone(&self.aggregates),
            resources: self.resources.clone(),
        }
    }
}

/// Tells what a list says of a provider, whatever it is a list of.
pub(crate) trait Listed {
    fn uuid(&self) -> Uuid;
    fn name(&self) -> &Name;
    fn parent(&self) -> Option<Uuid>;
    fn generation(&self) -> Option<u64>;
    fn inventories(&self) -> &Inventories;
}

impl Listed for ProviderSpec {
    fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn name(&self) -> &Name {
        &self.name
    }

    fn parent(&self) -> Option<Uuid> {
        self.parent
    }

    fn generation(&self) -> Option<u64> {
        self.generation
    }

    fn inventories(&self) -> &Inventories {
        &self.inventories
    }
}

impl Listed for Configuration {
    fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn name(&self) -> &Name {
        &self.facts.name
    }

    fn parent(&self) -> Option<Uuid> {
        self.facts.parent
    }

    fn generation(&self) -> Option<u64> {
        Some(self.generation)
    }

    fn inventories(&self) -> &Inventories {
        &self.facts.inventories
    }
}

impl From<Configuration> for ProviderSpec {
    fn from(configuration: Configuration) -> Self {
        let Configuration { uuid, generation, facts } = configuration;
        let Facts { name, parent, inventories, traits, aggregates, resources } =
            Arc::unwrap_or_clone(facts);
        let generation = Some(generation);
        ProviderSpec { uuid, name, parent, generation, inventories, traits, aggregates, resources }
    }
}

/// Returns the configuration of a provider that the entry creates. Without a generation, that is 0.
impl From<ProviderSpec> for Configuration {
    fn from(spec: ProviderSpec) -> Self {
        let facts = Arc::new(spec.facts());
        Configuration { uuid: spec.uuid, generation: spec.generation.unwrap_or(0), facts }
    }
}

/// Writes the entry that makes the provider.
#[cfg(feature = "serde")]
impl serde::Serialize for Configuration {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ProviderSpec::from(self.clone()).serialize(serializer)
    }
}

/// Reads such an entry, which has to have a generation.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Configuration {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spec = ProviderSpec::deserialize(deserializer)?;
        match spec.generation {
            Some(_) => Ok(spec.into()),
            None => Err(serde::de::Error::missing_field("generation")),
        }
    }
}

//! [`Provider`] and its data: a provider, as callers hold it.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::forest::configuration::Configuration;
use crate::layout::{Life, State};
use crate::ledger::{Cell, GateWord};

/// Represents one provider: a small handle to copy and keep.
///
/// A handle never comes to mean another provider. After the provider has been removed, every use of
/// the handle returns [`Removed`](crate::Error::Removed), even if another provider has the uuid or
/// the name by then.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Provider {
    pub(crate) uuid: Uuid,
    pub(crate) incarnation: u64,
    pub(crate) cell: Cell,
    pub(crate) forest: u32,
}

impl Provider {
    /// Returns the provider's uuid, which the provider keeps for life.
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// Checks that a cell with this life still serves the provider that the handle names.
    #[inline]
    pub(crate) fn check_life(&self, life: Life) -> Result<()> {
        match life.is(State::Live, self.incarnation) {
            true => Ok(()),
            false => Err(self.removed()),
        }
    }

    /// Returns the error that the provider doesn't exist any more.
    #[cold]
    #[inline(never)]
    fn removed(&self) -> Error {
        Error::Removed { provider: self.uuid }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Provider").field(&self.uuid).finish()
    }
}

/// Represents one state of a provider's usage and configuration; see
/// [`ProviderTree::version`](crate::ProviderTree::version).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version(pub(crate) GateWord);

/// Names a provider to find: by its uuid or by its name.
///
/// A [`Uuid`] or a name turns into a key by itself, wherever a method asks for a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ProviderKey<'a> {
    /// The uuid.
    Uuid(Uuid),
    /// The name.
    Name(&'a str),
}

impl From<Uuid> for ProviderKey<'_> {
    fn from(uuid: Uuid) -> Self {
        ProviderKey::Uuid(uuid)
    }
}

impl From<&Uuid> for ProviderKey<'_> {
    fn from(uuid: &Uuid) -> Self {
        ProviderKey::Uuid(*uuid)
    }
}

impl<'a> From<&'a str> for ProviderKey<'a> {
    fn from(name: &'a str) -> Self {
        ProviderKey::Name(name)
    }
}

impl<'a> From<&'a Arc<str>> for ProviderKey<'a> {
    fn from(name: &'a Arc<str>) -> Self {
        ProviderKey::Name(name)
    }
}

impl<'a> From<&'a String> for ProviderKey<'a> {
    fn from(name: &'a String) -> Self {
        ProviderKey::Name(name)
    }
}

/// Holds everything about one provider but its usage, as of one instant. A clone shares the
/// configuration with the original. `serde` writes it as the [`ProviderSpec`](crate::ProviderSpec) that
/// makes the provider.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderData {
    /// The uuid.
    pub uuid: Uuid,
    /// The uuid of the parent; `None` for a root.
    pub parent: Option<Uuid>,
    /// The generation. It grows with each change of the configuration or the place: inventories,
    /// traits, aggregates, resources, name, parent.
    pub generation: u64,
    /// Name, inventories, traits, aggregates and resources, shared with the forest.
    pub configuration: Arc<Configuration>,
}

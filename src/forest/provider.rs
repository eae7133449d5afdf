//! [`Provider`] and its data: a provider, as callers hold it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::forest::configuration::Facts;
use crate::layout::{Life, State};
use crate::ledger::{Cell, GateWord};

/// Represents one provider: a small handle to copy and keep.
///
/// A handle never comes to mean another provider. After the provider has been removed, every use of
/// the handle returns [`Removed`](crate::Error::Removed), even if another provider has the uuid or
/// the name by then.
///
/// A call of one forest that gets a handle of another returns
/// [`ForeignProvider`](crate::Error::ForeignProvider). This holds for every method that takes a
/// handle and returns a [`Result`]; most of their pages don't say it again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Provider {
    pub(crate) uuid: Uuid,
    pub(crate) incarnation: u64,
    pub(crate) cell: Cell,
    pub(crate) forest: u32,
}

/// Stands for the forest of a provider that is to come. No process numbers so many.
const NO_FOREST_YET: u32 = u32::MAX - 1;

impl Provider {
    /// Returns the provider's uuid, which the provider keeps for life.
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// Returns a handle that stands for a provider to come, in the batch that creates it.
    pub(crate) fn to_come(uuid: Uuid) -> Self {
        Provider { uuid, incarnation: 0, cell: Cell::new(0), forest: NO_FOREST_YET }
    }

    /// Returns whether the handle stands for a provider to come.
    pub(crate) fn is_to_come(&self) -> bool {
        self.forest == NO_FOREST_YET
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

/// Remembers, beside a uuid in a plain value, which provider that is, if a forest has made the value. Says
/// nothing of the value itself: it equals every other, and `serde` leaves it out.
#[derive(Clone, Copy, Default)]
pub(crate) struct Origin {
    incarnation: u64,
    cell: u32,
    /// 0 if no forest has made the value.
    forest: u32,
}

impl Origin {
    /// Returns the handle of the provider with this uuid, if a forest has made the value.
    pub(crate) fn handle(self, uuid: Uuid) -> Option<Provider> {
        let Origin { incarnation, cell, forest } = self;
        (forest != 0).then(|| Provider { uuid, incarnation, cell: Cell::new(cell), forest })
    }
}

impl From<&Provider> for Origin {
    fn from(provider: &Provider) -> Self {
        let &Provider { incarnation, cell, forest, .. } = provider;
        Origin { incarnation, cell: cell.number(), forest }
    }
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Origin {}

impl Hash for Origin {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.forest == 0 { "none" } else { "known" })
    }
}

/// Represents one state of a provider's usage and configuration, to be compared with `==` alone; see
/// [`ProviderTree::version`](crate::ProviderTree::version).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version(pub(crate) GateWord);

/// Names a provider to find: by its uuid or by its name.
///
/// A [`Uuid`] or a name turns into a key by itself, wherever a method asks for a key. A text is a name; if no
/// provider has that name, and the text is that of a uuid, then it names the provider with this uuid.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ProviderKey<'a> {
    /// The uuid.
    Uuid(Uuid),
    /// The name.
    Name(&'a str),
}

impl ProviderKey<'_> {
    /// Returns the uuid that the text means if it is no name.
    #[cold]
    pub(crate) fn uuid_in_text(self) -> Option<Uuid> {
        match self {
            ProviderKey::Name(text) => Uuid::try_parse(text).ok(),
            ProviderKey::Uuid(_) => None,
        }
    }
}

/// Shows the uuid or the name.
impl fmt::Display for ProviderKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProviderKey::Uuid(uuid) => uuid.fmt(f),
            ProviderKey::Name(name) => f.write_str(name),
        }
    }
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

/// Holds everything about one provider but its usage, as of one instant: its uuid, its generation and its
/// [`Facts`], whose fields and methods are there as if they were its own.
///
/// ```
/// use provider_tree::{Edit, Expect, Inventories, Inventory, ProviderTree, ResourceClass, Trait};
///
/// let tree = ProviderTree::new();
/// let host = tree.create_root("host-1", None)?;
/// let numa = tree.create_child(&host, "host-1-numa-0", None)?;
/// let avx = Trait::new("HW_CPU_X86_AVX2")?;
/// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
/// tree.configure(&numa, Edit::new().set_inventories(vcpu).add_traits([avx]), Expect::Any)?;
///
/// let numa = tree.configuration(&numa)?;
/// assert_eq!((&*numa.name, numa.parent, numa.generation), ("host-1-numa-0", Some(host.uuid()), 1));
/// assert!(numa.has_traits([avx]) && numa.inventories.get(ResourceClass::VCPU).is_some());
/// # Ok::<(), provider_tree::Error>(())
/// ```
///
/// A clone shares the facts with the original. The same type says what a provider is and has in a
/// [snapshot](crate::Snapshot::configuration), a [mirror](crate::Mirror::configuration) and a
/// [dump](crate::ProviderDump). `serde` writes it as the [`ProviderSpec`](crate::ProviderSpec) that makes
/// the provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    /// The uuid.
    pub uuid: Uuid,
    /// The generation. It grows by one with each change of what the provider has, is called, or is below:
    /// inventories, traits, aggregates, resources, name, parent; unless the change
    /// [says](crate::Expect) otherwise.
    pub generation: u64,
    /// Everything else, shared with the forest.
    pub facts: Arc<Facts>,
}

impl Deref for Configuration {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.facts
    }
}

//! The request: what a consumer wants.

use smallvec::SmallVec;
use uuid::Uuid;

use crate::resource_class::ResourceClass;
use crate::tree::Provider;

/// What one consumer wants: amounts of classes, from any number of providers, as one.
///
/// Asking twice for the same class of the same provider asks for the sum.
///
/// ```
/// use provider_tree::{Claim, ProviderTree, ResourceClass};
/// use uuid::Uuid;
///
/// let tree = ProviderTree::new();
/// let host = tree.create_root("host-1", None)?;
/// let claim = Claim::new(Uuid::new_v4())
///     .take(&host, ResourceClass::VCPU, 4)
///     .take(&host, ResourceClass::MEMORY_MB, 8_192);
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Claim {
    consumer: Uuid,
    pub(crate) lines: SmallVec<[Line; 4]>,
}

/// One amount of a claim.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) provider: Provider,
    pub(crate) class: ResourceClass,
    pub(crate) amount: u64,
}

impl Claim {
    /// A claim of `consumer` that asks for nothing yet.
    pub fn new(consumer: Uuid) -> Self {
        Claim { consumer, lines: SmallVec::new() }
    }

    /// The same claim with `amount` of `class` from `provider`.
    pub fn take(mut self, provider: &Provider, class: ResourceClass, amount: u64) -> Self {
        self.take_mut(provider, class, amount);
        self
    }

    /// Adds `amount` of `class` from `provider`.
    pub fn take_mut(&mut self, provider: &Provider, class: ResourceClass, amount: u64) {
        self.lines.push(Line { provider: *provider, class, amount });
    }

    /// The consumer that makes the claim.
    pub fn consumer(&self) -> Uuid {
        self.consumer
    }
}

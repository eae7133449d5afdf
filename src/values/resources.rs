//! Resources: values of the caller's own types, attached to classes.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::values::resource_class::ResourceClass;

/// Holds values that a caller attaches to the classes of a provider: one value for each class, of
/// any type. They are no amounts: how much there is of a class, its
/// [`Inventory`](crate::Inventory) says, and a claim takes nothing of resources.
///
/// The forest never looks inside the values. It compares them to tell whether they have changed,
/// and returns them; only the caller knows devices, their addresses and the like. A copy shares the
/// values.
///
/// ```
/// use std::collections::BTreeSet;
/// use provider_tree::{Edit, Expect, ProviderTree, ResourceClass, Resources};
///
/// #[derive(PartialEq, Eq, PartialOrd, Ord)]
/// struct Namespace { file: &'static str }
///
/// let tree = ProviderTree::new();
/// let host = tree.create_root("host-1", None)?;
/// let pmem = ResourceClass::new("CUSTOM_PMEM_NAMESPACE_4GB")?;
/// let resources = Resources::new().with(pmem, BTreeSet::from([Namespace { file: "ns_0" }]));
/// let edit = Edit::new().set_resources(resources);
/// assert!(tree.configure(&host, edit.clone(), Expect::Any)?.changed);
/// assert!(!edit.would_change(&*tree.configuration(&host)?));
///
/// let kept = tree.configuration(&host)?;
/// assert_eq!(kept.resources.get::<BTreeSet<Namespace>>(pmem).map(BTreeSet::len), Some(1));
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Resources(Option<Arc<Values>>);

type Values = BTreeMap<ResourceClass, Arc<dyn Resource>>;

/// Represents a value that can be compared with others of unknown type.
trait Resource: Any + Send + Sync {
    fn equals(&self, other: &dyn Resource) -> bool;
}

impl<T: PartialEq + Send + Sync + 'static> Resource for T {
    fn equals(&self, other: &dyn Resource) -> bool {
        let other: &dyn Any = other;
        other.downcast_ref::<T>().is_some_and(|other| self == other)
    }
}

impl Resources {
    /// Returns an empty set of resources.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the resources with `value` for `class`, in the place of an earlier value for
    /// `class`.
    pub fn with<T>(mut self, class: ResourceClass, value: T) -> Self
    where
        T: PartialEq + Send + Sync + 'static,
    {
        self.insert(class, value);
        self
    }

    /// Sets the value of `class`, in the place of an earlier one.
    pub fn insert<T>(&mut self, class: ResourceClass, value: T)
    where
        T: PartialEq + Send + Sync + 'static,
    {
        let values = self.0.get_or_insert_default();
        Arc::make_mut(values).insert(class, Arc::new(value));
    }

    /// Returns the value of `class`, or `None` if `class` has no value or one of another type.
    pub fn get<T: 'static>(&self, class: ResourceClass) -> Option<&T> {
        let value: &dyn Any = &**self.0.as_ref()?.get(&class)?;
        value.downcast_ref()
    }

    /// Takes the value of `class` out; returns whether there was one.
    pub fn remove(&mut self, class: ResourceClass) -> bool {
        let Some(values) = &mut self.0 else { return false };
        let gone = Arc::make_mut(values).remove(&class).is_some();
        if values.is_empty() {
            self.0 = None;
        }
        gone
    }

    /// Returns the number of classes that have a value.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |values| values.len())
    }

    /// Returns the classes that have a value.
    pub fn classes(&self) -> impl Iterator<Item = ResourceClass> {
        self.0.iter().flat_map(|values| values.keys().copied())
    }

    /// Returns whether no class has a value.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl PartialEq for Resources {
    /// Returns whether the same classes have equal values, as the values' own types compare them.
    fn eq(&self, other: &Self) -> bool {
        let (Some(ours), Some(theirs)) = (&self.0, &other.0) else {
            return self.is_empty() == other.is_empty();
        };
        let equal = |((class, one), (other_class, other)): (_, (&ResourceClass, _))| {
            let (one, other): (&Arc<dyn Resource>, &Arc<dyn Resource>) = (one, other);
            class == other_class && (Arc::ptr_eq(one, other) || (**one).equals(&**other))
        };
        Arc::ptr_eq(ours, theirs)
            || ours.len() == theirs.len() && ours.iter().zip(theirs.iter()).all(equal)
    }
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.classes()).finish()
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn values_compare_as_their_types_do() {
        let (one, other) = (ResourceClass::VGPU, ResourceClass::FPGA);
        let resources = Resources::new().with(one, 1_u32).with(other, "card".to_owned());
        assert_eq!(resources, Resources::new().with(other, "card".to_owned()).with(one, 1_u32));
        assert_ne!(resources, Resources::new().with(one, 1_u32));
        assert_ne!(resources, resources.clone().with(one, 2_u32));
        assert_ne!(resources, resources.clone().with(one, 1_u64), "another type");
        assert_ne!(resources, Resources::new());
        assert_eq!(Resources::new(), Resources::default());
        // A copy shares its values, and a shared value counts as equal even if it is not equal to
        // itself.
        let number = Resources::new().with(one, f64::NAN);
        assert_eq!(number, number.clone());
    }

    #[test]
    fn a_value_comes_back_as_its_type() {
        let resources = Resources::new().with(ResourceClass::VGPU, vec![1, 2]);
        assert_eq!(resources.get::<Vec<i32>>(ResourceClass::VGPU), Some(&vec![1, 2]));
        assert_eq!(resources.get::<String>(ResourceClass::VGPU), None);
        assert_eq!(resources.get::<Vec<i32>>(ResourceClass::FPGA), None);
        assert_eq!(format!("{resources:?}"), "{VGPU}");
    }
}

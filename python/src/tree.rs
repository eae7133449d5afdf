//! The forest: `ProviderTree`.

use std::sync::Arc;

use provider_tree::coming_from_nova::NovaProviderTree;
use provider_tree::{Edit, ProviderKey, ProviderSpec, ProviderTree, SubtreeUsages};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use pythonize::pythonize;
use uuid::Uuid;

use crate::convert::{
    Class, Expected, Id, classes, each, expectation, inventories, pairs, partial_inventories,
    traits, uuid_object, uuids,
};
use crate::error::OrRaise;
use crate::provider::{
    PyConfiguration, PyProvider, PyUpdated, PyUsage, handles, subtree_dict, usages_dict,
};

/// A forest of resource providers that any number of threads share.
///
/// Providers have a uuid, a name, a parent or none, inventories, traits, aggregates and a generation.
/// Consumers claim amounts of them through a `Worker`; a `View` finds where something fits.
#[pyclass(frozen, module = "provider_tree", name = "ProviderTree")]
pub(crate) struct PyProviderTree(pub(crate) ProviderTree);

/// Represents the uuid or the name of a provider.
pub(crate) enum Key<'py> {
    Uuid(Uuid),
    Text(Bound<'py, PyString>),
}

impl<'py> FromPyObject<'_, 'py> for Key<'py> {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match given.cast::<PyString>() {
            Ok(text) => Ok(Key::Text(text.to_owned())),
            Err(_) => uuid_object(&given).map(Key::Uuid),
        }
    }
}

impl Key<'_> {
    /// Returns the key as the library takes it: a text is a name, and else a uuid.
    pub(crate) fn as_key(&self) -> PyResult<ProviderKey<'_>> {
        Ok(match self {
            Key::Uuid(uuid) => ProviderKey::Uuid(*uuid),
            Key::Text(text) => ProviderKey::Name(text.to_str()?),
        })
    }
}

#[pymethods]
impl PyProviderTree {
    /// Makes an empty forest.
    #[new]
    fn new() -> Self {
        PyProviderTree(ProviderTree::new())
    }

    /// Creates a provider without parent. Without a uuid, it gets a random one.
    #[pyo3(signature = (name, uuid=None))]
    fn create_root(&self, name: &str, uuid: Option<Id>) -> PyResult<PyProvider> {
        self.0.create_root(name, uuid.map(|Id(uuid)| uuid)).or_raise().map(PyProvider)
    }

    /// Creates a provider below another. Without a uuid, it gets a random one.
    #[pyo3(signature = (parent, name, uuid=None))]
    fn create_child(
        &self,
        parent: PyProvider,
        name: &str,
        uuid: Option<Id>,
    ) -> PyResult<PyProvider> {
        let uuid = uuid.map(|Id(uuid)| uuid);
        self.0.create_child(&parent.0, name, uuid).or_raise().map(PyProvider)
    }

    /// Makes a list of providers true as one: each comes as listed, or is replaced by what is listed.
    ///
    /// Each is a dict with `uuid` and `name`, and if it has them `parent_provider_uuid`, `generation`,
    /// `inventories`, `traits` and `aggregates`. A provider that is replaced loses its inventories, traits,
    /// aggregates and the descendants that are not listed. All or nothing; the order does not matter. A row of
    /// Placement's list of providers will do: its `links` and `root_provider_uuid` are passed over. Any other
    /// field raises ValueError.
    fn populate(&self, py: Python<'_>, providers: &Bound<'_, PyAny>) -> PyResult<Vec<PyProvider>> {
        let specs = each(providers, "providers", |one| spec(&one))?;
        py.detach(|| self.0.populate(&specs)).or_raise().map(handles)
    }

    /// Removes a provider and all below it; returns how many providers went. Refused while any is in use.
    fn remove(&self, py: Python<'_>, provider: PyProvider) -> PyResult<usize> {
        py.detach(|| self.0.remove(&provider.0)).or_raise()
    }

    /// Removes a provider that has no children.
    fn remove_leaf(&self, provider: PyProvider) -> PyResult<()> {
        self.0.remove_leaf(&provider.0).or_raise()
    }

    /// Moves a provider, and all below it, below another one, or makes it a root.
    fn reparent(&self, provider: PyProvider, parent: Option<PyProvider>) -> PyResult<()> {
        self.0.reparent(&provider.0, parent.as_ref().map(|it| &it.0)).or_raise()
    }

    /// Gives a provider another name.
    fn rename(&self, provider: PyProvider, name: &str) -> PyResult<()> {
        self.0.rename(&provider.0, name).or_raise()
    }

    /// Takes a provider, and all below it, out of service: nothing more is claimed from it. Returns whether
    /// it was in service.
    fn cordon(&self, provider: PyProvider) -> PyResult<bool> {
        self.0.cordon(&provider.0).or_raise()
    }

    /// Puts a provider back into service; returns whether it was out of service.
    fn uncordon(&self, provider: PyProvider) -> PyResult<bool> {
        self.0.uncordon(&provider.0).or_raise()
    }

    /// Returns whether a provider or one of its ancestors is out of service.
    fn is_cordoned(&self, provider: PyProvider) -> PyResult<bool> {
        self.0.is_cordoned(&provider.0).or_raise()
    }

    /// Returns the provider with this uuid or name, or None. A text is a name first, and else a uuid.
    fn find(&self, key: Key<'_>) -> PyResult<Option<PyProvider>> {
        Ok(self.0.find(key.as_key()?).map(PyProvider))
    }

    /// Returns the provider with this uuid or name, as `find` does. Raises `UnknownProvider` if there is none.
    fn __getitem__(&self, key: Key<'_>) -> PyResult<PyProvider> {
        let unknown = || provider_tree::Error::UnknownProvider {
            key: key.as_key().map(|key| key.to_string()).unwrap_or_default(),
        };
        self.0.find(key.as_key()?).ok_or_else(unknown).or_raise().map(PyProvider)
    }

    fn __contains__(&self, key: Key<'_>) -> PyResult<bool> {
        Ok(self.0.find(key.as_key()?).is_some())
    }

    /// Returns the providers without parent, as they came.
    fn roots(&self) -> Vec<PyProvider> {
        handles(self.0.roots())
    }

    /// Returns all providers at one instant: parents before children, siblings as they came.
    fn providers(&self, py: Python<'_>) -> Vec<PyProvider> {
        handles(py.detach(|| self.0.providers()))
    }

    /// Returns the children of a provider, as they came.
    fn children(&self, provider: PyProvider) -> PyResult<Vec<PyProvider>> {
        self.0.children(&provider.0).or_raise().map(handles)
    }

    /// Returns the ancestors of a provider, its parent first.
    fn ancestors(&self, provider: PyProvider) -> PyResult<Vec<PyProvider>> {
        self.0.ancestors(&provider.0).or_raise().map(handles)
    }

    /// Returns a provider and all below it, parents before children.
    fn subtree(&self, provider: PyProvider) -> PyResult<Vec<PyProvider>> {
        self.0.subtree(&provider.0).or_raise().map(handles)
    }

    /// Returns the whole tree that a provider is in, its root first.
    fn tree_of(&self, provider: PyProvider) -> PyResult<Vec<PyProvider>> {
        self.0.tree_of(&provider.0).or_raise().map(handles)
    }

    /// Returns everything about a provider but its usage, as it is at one instant.
    fn configuration(&self, provider: PyProvider) -> PyResult<PyConfiguration> {
        self.0.configuration(&provider.0).or_raise().map(PyConfiguration)
    }

    /// Changes what a provider has: everything that is named, in one commit.
    ///
    /// - `inventories`, `traits`, `aggregates` replace all that there is.
    /// - `update_inventories` changes the fields that it names, and adds classes; `remove_inventories` takes
    ///   classes away.
    /// - `add_traits`, `remove_traits`, `add_aggregates`, `remove_aggregates` add to what there is, and take from
    ///   it.
    ///
    /// Without `expect`, the generation grows by one if anything changes.
    #[pyo3(signature = (provider, *, expect=None, **edit))]
    fn configure(
        &self,
        provider: PyProvider,
        expect: Option<Expected>,
        edit: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyUpdated> {
        let edit = read_edit(edit)?;
        self.0.configure(&provider.0, edit, expectation(expect)).or_raise().map(PyUpdated)
    }

    /// Returns how much of a class of a provider is used.
    fn usage(&self, provider: PyProvider, resource_class: Class) -> PyResult<PyUsage> {
        self.0.usage(&provider.0, resource_class.0).or_raise().map(PyUsage)
    }

    /// Returns how much is used of each class of a provider, at one instant.
    fn usages<'py>(&self, py: Python<'py>, provider: PyProvider) -> PyResult<Bound<'py, PyDict>> {
        usages_dict(py, &self.0.usages(&provider.0).or_raise()?)
    }

    /// Returns how much is used of each class of a provider and of all below it, at one instant.
    fn subtree_usages<'py>(
        &self,
        py: Python<'py>,
        provider: PyProvider,
    ) -> PyResult<Bound<'py, PyDict>> {
        let mut usages = SubtreeUsages::new();
        self.0.subtree_usages(&provider.0, &mut usages).or_raise()?;
        subtree_dict(py, &usages)
    }

    /// Returns whether any provider has an inventory of a class and the trait MISC_SHARES_VIA_AGGREGATE.
    fn has_sharing_provider(&self, resource_class: Class) -> bool {
        self.0.has_sharing_provider(resource_class.0)
    }

    /// Returns when the next lease ends, in the caller's own time; None if there is no lease.
    fn next_deadline(&self) -> Option<u64> {
        self.0.next_deadline().map(|deadline| deadline.0)
    }

    /// Returns what workers have done so far: counts by name.
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize(py, &self.0.metrics())?)
    }

    /// Returns what workers have done so far, in the text format of Prometheus.
    fn prometheus(&self) -> String {
        self.0.metrics().to_prometheus()
    }

    /// Returns what the forest has in memory, and what for.
    fn memory<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize(py, &py.detach(|| self.0.memory()))?)
    }

    fn __repr__(&self) -> String {
        let memory = self.0.memory();
        format!("<ProviderTree of {} providers>", memory.providers.live)
    }
}

/// Reads what `configure` is to change.
pub(crate) fn read_edit(given: Option<&Bound<'_, PyDict>>) -> PyResult<Edit> {
    let mut edit = Edit::new();
    // First into a list: to read a value may run any code, and an iterator of a dict panics if that changes it.
    let given: Vec<_> = given.iter().flat_map(|given| given.iter()).collect();
    for (name, value) in given {
        if value.is_none() {
            continue;
        }
        let name = name.cast_into::<PyString>()?;
        edit = match name.to_str()? {
            "inventories" => edit.set_inventories(inventories(&value)?),
            "update_inventories" => edit.update_inventories(partial_inventories(&value)?),
            "remove_inventories" => edit.remove_inventories(classes(&value)?),
            "traits" => edit.set_traits(traits(&value)?),
            "add_traits" => edit.add_traits(traits(&value)?),
            "remove_traits" => edit.remove_traits(traits(&value)?),
            "aggregates" => edit.set_aggregates(uuids(&value)?),
            "add_aggregates" => edit.add_aggregates(uuids(&value)?),
            "remove_aggregates" => edit.remove_aggregates(uuids(&value)?),
            other => {
                let message = format!("nothing of a provider is changed by {other:?}");
                return Err(PyTypeError::new_err(message));
            }
        };
    }
    Ok(edit)
}

/// Reads one provider of a list: the fields of a dump, or of a row of Placement, whose `links` and
/// `root_provider_uuid` say nothing that the others don't say.
pub(crate) fn spec(given: &Bound<'_, PyAny>) -> PyResult<ProviderSpec> {
    let (mut uuid, mut name) = (None, None);
    let mut spec = ProviderSpec::new(Uuid::nil(), "");
    pairs(given, |field, value| {
        let field = field.cast::<PyString>()?;
        let is_none = value.is_none();
        match field.to_str()? {
            "uuid" => uuid = Some(value.extract::<Id>()?.0),
            "name" => name = Some(Arc::from(value.cast::<PyString>()?.to_str()?)),
            "parent_provider_uuid" | "generation" | "inventories" | "traits" | "aggregates"
                if is_none => {}
            "parent_provider_uuid" => spec.parent = Some(value.extract::<Id>()?.0),
            "generation" => spec.generation = Some(value.extract()?),
            "inventories" => spec.inventories = Arc::new(inventories(&value)?),
            "traits" => spec.traits = Arc::new(traits(&value)?.into_iter().collect()),
            "aggregates" => spec.aggregates = Arc::new(uuids(&value)?.into_iter().collect()),
            "links" | "root_provider_uuid" => {}
            other => {
                let message = format!("a provider has no field {other:?}");
                return Err(PyValueError::new_err(message));
            }
        }
        Ok(())
    })?;
    let missing = |field| PyValueError::new_err(format!("a provider lacks the field {field:?}"));
    spec.uuid = uuid.ok_or_else(|| missing("uuid"))?;
    spec.name = name.ok_or_else(|| missing("name"))?;
    Ok(spec)
}

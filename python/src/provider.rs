//! Handles of providers, and what the forest says of one provider.

use std::hash::{DefaultHasher, Hash, Hasher};

use provider_tree::{Configuration, Facts, Provider, ResourceClass, SubtreeUsages, Updated, Usage};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PySet};
use uuid::Uuid;

use crate::convert::{self, Id, a_kind, inventories_dict, uuids};

/// Names one provider of one forest: a small handle to keep, to compare and to use as a key of a dict.
///
/// Using a handle takes no look-up. A handle of a provider that was removed never comes to mean another one.
#[pyclass(frozen, module = "provider_tree", name = "Provider")]
#[derive(Clone, Copy)]
pub(crate) struct PyProvider(pub(crate) Provider);

impl FromPyObject<'_, '_> for PyProvider {
    type Error = PyErr;

    #[inline]
    fn extract(given: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        match given.cast::<PyProvider>() {
            Ok(provider) => Ok(*provider.get()),
            Err(_) => {
                let kind = a_kind(&given)?;
                let message = format!(
                    "a provider is a handle, such as tree[\"name or uuid\"] returns, not {kind}"
                );
                Err(PyTypeError::new_err(message))
            }
        }
    }
}

#[pymethods]
impl PyProvider {
    /// The uuid of the provider.
    #[getter]
    fn uuid(&self) -> Id {
        Id(self.0.uuid())
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<PyProvider>().is_ok_and(|other| other.get().0 == self.0)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        format!("<Provider {}>", self.0.uuid())
    }
}

/// Returns handles as Python sees them.
pub(crate) fn handles(providers: impl IntoIterator<Item = Provider>) -> Vec<PyProvider> {
    providers.into_iter().map(PyProvider).collect()
}

/// Says how much of a class is used, of how much.
#[pyclass(frozen, eq, hash, module = "provider_tree", name = "Usage")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PyUsage(pub(crate) Usage);

#[pymethods]
impl PyUsage {
    /// How much consumers can hold together.
    #[getter]
    fn capacity(&self) -> u64 {
        self.0.capacity
    }

    /// How much is held. It is above the capacity after an inventory has shrunk below what is used.
    #[getter]
    fn used(&self) -> u64 {
        self.0.used
    }

    /// How much is not held; 0 if more is used than the capacity.
    #[getter]
    fn free(&self) -> u64 {
        self.0.free()
    }

    fn __repr__(&self) -> String {
        format!("Usage(capacity={}, used={})", self.0.capacity, self.0.used)
    }
}

/// Returns the usages of one provider by class.
pub(crate) fn usages_dict<'py>(
    py: Python<'py>,
    usages: &[(ResourceClass, Usage)],
) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    for (class, usage) in usages {
        all.set_item(class.name(), PyUsage(*usage))?;
    }
    Ok(all)
}

/// Returns the usages of a subtree by provider and class.
pub(crate) fn subtree_dict<'py>(
    py: Python<'py>,
    usages: &SubtreeUsages,
) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    for (provider, usages) in usages.iter() {
        all.set_item(PyProvider(*provider), usages_dict(py, usages)?)?;
    }
    Ok(all)
}

/// Tells what a change of a provider has come to. True if it has changed anything.
#[pyclass(frozen, eq, module = "provider_tree", name = "Updated")]
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct PyUpdated(pub(crate) Updated);

#[pymethods]
impl PyUpdated {
    /// Whether the change made a difference, apart from a generation that was set.
    #[getter]
    fn changed(&self) -> bool {
        self.0.changed
    }

    /// The generation after the call.
    #[getter]
    fn generation(&self) -> u64 {
        self.0.generation
    }

    /// Whether more of any class is used than its capacity now.
    #[getter]
    fn overcommitted(&self) -> bool {
        self.0.overcommitted
    }

    fn __bool__(&self) -> bool {
        self.0.changed
    }

    fn __repr__(&self) -> String {
        let Updated { changed, generation, .. } = self.0;
        let changed = if changed { "True" } else { "False" };
        format!("Updated(changed={changed}, generation={generation})")
    }
}

/// Has everything about a provider but its usage, as it was at one instant.
///
/// `inventories`, `traits` and `aggregates` are the caller's own to change: nothing done to them shows in
/// the forest.
#[pyclass(frozen, module = "provider_tree", name = "Configuration")]
pub(crate) struct PyConfiguration(pub(crate) Configuration);

impl PyConfiguration {
    fn facts(&self) -> &Facts {
        &self.0.facts
    }
}

#[pymethods]
impl PyConfiguration {
    /// The uuid of the provider.
    #[getter]
    fn uuid(&self) -> Id {
        Id(self.0.uuid)
    }

    /// The name of the provider.
    #[getter]
    fn name(&self) -> &str {
        &self.facts().name
    }

    /// Counts the changes of the provider's configuration and parent.
    #[getter]
    fn generation(&self) -> u64 {
        self.0.generation
    }

    /// The uuid of the parent; None for a root.
    #[getter]
    fn parent(&self) -> Option<Id> {
        self.facts().parent.map(Id)
    }

    /// The inventories, as Placement's documents have them: by class, a dict of all six fields.
    #[getter]
    fn inventories<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        inventories_dict(py, &self.facts().inventories)
    }

    /// The names of the traits.
    #[getter]
    fn traits<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySet>> {
        PySet::new(py, self.facts().traits.iter().map(|it| it.name()))
    }

    /// The uuids of the aggregates.
    #[getter]
    fn aggregates<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySet>> {
        PySet::new(py, self.facts().aggregates.iter().copied().map(Id))
    }

    /// Whether the provider shares what it has with the other members of its aggregates.
    #[getter]
    fn is_sharing(&self) -> bool {
        self.facts().is_sharing()
    }

    /// Returns whether the provider has all of these traits; true of none.
    fn has_traits(&self, traits: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.facts().has_traits(convert::traits(traits)?))
    }

    /// Returns whether the provider is a member of all of these aggregates; true of none.
    fn in_aggregates(&self, aggregates: &Bound<'_, PyAny>) -> PyResult<bool> {
        let aggregates: Vec<Uuid> = uuids(aggregates)?;
        Ok(self.facts().in_aggregates(aggregates))
    }

    fn __repr__(&self) -> String {
        let (uuid, generation) = (self.0.uuid, self.0.generation);
        let facts = self.facts();
        let classes: Vec<_> = facts.inventories.iter().map(|(class, _)| class.name()).collect();
        let classes = classes.join(", ");
        format!("<Configuration of {:?} ({uuid}) at {generation}: {classes}>", facts.name)
    }
}

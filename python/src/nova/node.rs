//! [`NovaNode`]: one provider of a [`NovaForest`]; [`NovaState`]: what it is at one instant.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use provider_tree::{Edit, Facts};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySet, PyString};

use crate::nova::counts::{Call, count};
use crate::nova::forest::{Found, NovaForest, there};
use crate::nova::kept::{
    Kept, data, deepcopy, inventories, kept_inventory, set_of, sort_traits, traits_copy,
};
use crate::nova::update::Update;

/// Names one provider. After its removal it still tells what the provider was when the node was looked up.
#[pyclass(frozen, module = "provider_tree._native", name = "_NovaNode")]
pub(crate) struct NovaNode {
    pub(super) forest: Py<NovaForest>,
    pub(super) found: Found,
}

/// Returns the node of a provider.
pub(super) fn node(forest: &Bound<'_, NovaForest>, found: Found) -> NovaNode {
    NovaNode { forest: forest.clone().unbind(), found }
}

/// Holds what a provider is at one instant.
#[pyclass(frozen, module = "provider_tree._native", name = "_NovaState")]
pub(crate) struct NovaState(Arc<Facts>);

impl NovaNode {
    fn facts(&self) -> Arc<Facts> {
        let now = self.forest.get().read(self.found.provider);
        now.map_or_else(|| Arc::clone(&self.found.facts), |found| found.facts)
    }
}

#[pymethods]
impl NovaNode {
    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<NovaNode>().is_ok_and(|other| {
            let other = other.get();
            self.forest.is(&other.forest) && self.found.provider == other.found.provider
        })
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.found.provider.hash(&mut hasher);
        hasher.finish()
    }

    /// The forest that the provider is in.
    #[getter]
    fn forest(&self, py: Python<'_>) -> Py<NovaForest> {
        self.forest.clone_ref(py)
    }

    /// The provider's uuid.
    #[getter]
    fn uuid(&self, py: Python<'_>) -> Py<PyAny> {
        self.found.kept().uuid.clone_ref(py)
    }

    /// Returns what the provider is now.
    fn state(&self) -> NovaState {
        NovaState(self.facts())
    }

    /// Returns all that Nova says of a provider, as an instance of a class of tuples of eight.
    fn data<'py>(&self, class: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        data(class, &self.facts())
    }

    /// Replaces the inventory if it has changed, and sets the generation, as
    /// `_NovaForest.update_inventory` does.
    fn update_inventory(
        &self,
        inventory: &Bound<'_, PyAny>,
        generation: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Update>> {
        let provider = self.found.provider;
        let now = self.forest.get().read(provider);
        let now = now.unwrap_or(Found { provider, facts: Arc::clone(&self.found.facts) });
        self.forest.get().update_plain(now, inventory, generation)
    }

    /// Changes what the provider is from `state`, in one commit: `generation`, `inventory`, `traits`,
    /// `aggregates` and `resources`, whichever `facts` names. Returns whether that was done; nothing is if the
    /// provider is not as it is in `state` any more.
    fn change(&self, state: &NovaState, facts: &Bound<'_, PyDict>) -> PyResult<bool> {
        let py = facts.py();
        let mut kept = Kept::of(&state.0).again(py);
        let mut edit = Edit::new();
        for (name, given) in facts.iter() {
            let name = name.cast::<PyString>()?;
            match name.to_str()? {
                "generation" => kept.generation = given.unbind(),
                "inventory" => {
                    kept.inventory = kept_inventory(&given)?;
                    edit = edit.set_inventories(inventories(&given));
                }
                "traits" => {
                    count(Call::Traits);
                    let (known, odd) = sort_traits(given.cast()?)?;
                    edit = edit.set_traits(known);
                    kept.odd_traits = odd;
                }
                "aggregates" => kept.aggregates = Some(set_of(&given)?.unbind()),
                "resources" => kept.resources = Some(deepcopy(&given)?.unbind()),
                other => return Err(PyValueError::new_err(format!("no fact is named {other:?}"))),
            }
        }
        // From here on no code of Python's runs, and so no other thread changes the provider.
        let now = self.forest.get().read(self.found.provider);
        if now.is_some_and(|now| !Arc::ptr_eq(&now.facts, &state.0)) {
            return Ok(false);
        }
        self.forest.get().commit(py, &self.found, kept, edit)?;
        Ok(true)
    }

    /// Returns the uuids of the provider and all below it.
    fn uuids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        count(Call::Walk);
        let forest = self.forest.get();
        let all = there(forest.tree.subtree(&self.found.provider))?;
        match all.is_empty() {
            true => PyList::new(py, [self.found.kept().uuid.bind(py)]),
            false => forest.uuids_of(py, &all),
        }
    }

    /// Returns the nodes of the children, as they came.
    fn children(&self, py: Python<'_>) -> PyResult<Vec<NovaNode>> {
        let forest = self.forest.bind(py);
        let children = forest.get().children_of(&self.found.provider)?;
        Ok(children.into_iter().map(|found| node(forest, found)).collect())
    }

    /// Returns the node of the child with this uuid, or None.
    fn child(&self, py: Python<'_>, uuid: &Bound<'_, PyAny>) -> PyResult<Option<NovaNode>> {
        let forest = self.forest.bind(py);
        let found = forest.get().placed(py, uuid, Some(self.found.provider.uuid()))?;
        Ok(found.map(|found| node(forest, found)))
    }

    /// Returns the node of the root of the tree that the provider is in.
    fn root(&self, py: Python<'_>) -> PyResult<NovaNode> {
        count(Call::Walk);
        let forest = self.forest.bind(py);
        let ancestors = there(forest.get().tree.ancestors(&self.found.provider))?;
        let root = ancestors.last().copied().unwrap_or(self.found.provider);
        let facts = Arc::clone(&self.found.facts);
        let found = forest.get().read(root).unwrap_or(Found { provider: root, facts });
        Ok(node(forest, found))
    }

    /// Whether the provider has been removed.
    #[getter]
    fn is_gone(&self) -> bool {
        self.forest.get().read(self.found.provider).is_none()
    }

    /// Whether the provider is in no tree.
    #[getter]
    fn is_alone(&self) -> bool {
        self.forest.get().is_alone
    }

    /// Whether the provider has no parent in the forest.
    #[getter]
    fn is_root(&self) -> bool {
        self.facts().parent.is_none()
    }

    /// Removes the provider and all below it; returns whether it was there.
    fn remove(&self, py: Python<'_>) -> PyResult<bool> {
        self.forest.get().remove_subtree(py, &self.found.provider)
    }
}

#[pymethods]
impl NovaState {
    #[getter]
    fn uuid(&self, py: Python<'_>) -> Py<PyAny> {
        Kept::of(&self.0).uuid.clone_ref(py)
    }

    #[getter]
    fn name(&self, py: Python<'_>) -> Py<PyAny> {
        Kept::of(&self.0).name.clone_ref(py)
    }

    #[getter]
    fn generation(&self, py: Python<'_>) -> Py<PyAny> {
        Kept::of(&self.0).generation.clone_ref(py)
    }

    #[getter]
    fn parent_uuid(&self, py: Python<'_>) -> Py<PyAny> {
        Kept::of(&self.0).parent_uuid.clone_ref(py)
    }

    /// The inventory itself, which is not to be changed.
    #[getter]
    fn inventory<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        match &Kept::of(&self.0).inventory {
            None => PyDict::new(py).into_any(),
            Some(kept) => kept.value.bind(py).clone(),
        }
    }

    /// Returns whether an inventory says anything that is not so; None if that is for Python to say.
    fn inventory_differs(&self, new: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
        Kept::of(&self.0).inventory_differs(new)
    }

    /// The resources themselves, which are not to be changed.
    #[getter]
    fn resources<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        match &Kept::of(&self.0).resources {
            None => PyDict::new(py).into_any(),
            Some(kept) => kept.bind(py).clone(),
        }
    }

    fn inventory_copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Kept::of(&self.0).inventory_copy(py)
    }

    fn traits_copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySet>> {
        count(Call::Traits);
        traits_copy(py, &self.0)
    }

    fn aggregates_copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySet>> {
        Kept::of(&self.0).aggregates_copy(py)
    }

    fn resources_copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Kept::of(&self.0).resources_copy(py)
    }
}

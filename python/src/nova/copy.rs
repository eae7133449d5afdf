//! Copies: of a whole forest, of a subtree, into another forest, and as plain rows for pickling.

use std::collections::{HashMap, HashSet};

use provider_tree::{ProviderSpec, ProviderTree};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use uuid::Uuid;

use crate::error::OrRaise;
use crate::nova::counts::{Call, count};
use crate::nova::forest::{Found, NovaForest};
use crate::nova::index::{Keys, canonical, enter, get};
use crate::nova::kept::{Kept, inventories, kept_inventory, set_of, sort_traits, traits_copy};
use crate::nova::node::{NovaNode, node};

impl NovaForest {
    /// Adds a subtree of this or of another forest below `parent`, or as a root; returns its top.
    fn graft(
        &self,
        py: Python<'_>,
        subtree: &[Found],
        parent: Option<&Found>,
    ) -> PyResult<Option<Found>> {
        count(Call::Copy);
        self.note_change();
        // A provider that has a uuid which is taken here gets another one in the library's forest.
        let chosen: HashMap<Uuid, Uuid> = subtree
            .iter()
            .map(|found| {
                let own = found.provider.uuid();
                (own, if self.tree.find(own).is_none() { own } else { Uuid::new_v4() })
            })
            .collect();
        let spec = |(at, found): (usize, &Found)| {
            let uuid = chosen[&found.provider.uuid()];
            let above = found.facts.parent.and_then(|parent| chosen.get(&parent).copied());
            let above = if at == 0 { parent.map(|it| it.provider.uuid()) } else { above };
            let mut spec = found.kept().again(py).spec(py, uuid, above);
            spec.inventories = found.facts.inventories.clone();
            spec.traits = found.facts.traits.clone();
            spec
        };
        let specs: Vec<ProviderSpec> = subtree.iter().enumerate().map(spec).collect();
        let made = self.tree.populate(&specs).or_raise()?;
        for (spec, found) in specs.iter().zip(subtree) {
            self.enter(py, spec.uuid, found.kept())?;
        }
        Ok(made.first().and_then(|top| self.read(*top)))
    }
}

#[pymethods]
impl NovaForest {
    /// Returns a forest of its own with the same providers and the same keys, as `copy.deepcopy` does.
    fn copy(&self, py: Python<'_>) -> PyResult<NovaForest> {
        count(Call::Copy);
        let copy = |index: &Py<PyDict>| index.bind(py).copy().map(Bound::unbind);
        let (indexes, snapshot) = loop {
            let before = self.changes();
            let [names, uuid_names, odd_uuids, root_names] = self.indexes().map(copy);
            let indexes = [names?, uuid_names?, odd_uuids?, root_names?];
            let snapshot = self.tree.snapshot();
            // New dicts may have begun a collection of garbage, which may have run anything.
            if self.changes() == before {
                break (indexes, snapshot);
            }
        };
        let loaded = py.detach(|| snapshot.dump().and_then(|dump| ProviderTree::load(&dump)));
        Ok(NovaForest::with(loaded.or_raise()?, indexes, self.is_alone))
    }

    fn __deepcopy__(&self, py: Python<'_>, _memo: &Bound<'_, PyAny>) -> PyResult<NovaForest> {
        self.copy(py)
    }

    /// Adds the provider of a node, and all below it, as a root: a copy, whose node is returned. A root with
    /// the same uuid goes.
    #[pyo3(name = "graft")]
    fn graft_root(slf: &Bound<'_, Self>, given: &NovaNode) -> PyResult<NovaNode> {
        graft_below(slf, given, None)
    }

    /// Adds the provider of a node, and all below it, below another one.
    #[pyo3(name = "graft_below")]
    fn graft_child(
        slf: &Bound<'_, Self>,
        given: &NovaNode,
        parent: &NovaNode,
    ) -> PyResult<NovaNode> {
        graft_below(slf, given, Some(&parent.found))
    }

    /// Returns what `__setstate__` makes the same forest of: a row for each provider, with the position of
    /// its parent; the names in `roots_by_name`, each with a position; and the positions of the roots that
    /// `roots_by_uuid` has under None.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let (py, forest) = (slf.py(), slf.get());
        count(Call::Walk);
        // All of it before a value is copied, which may run anything.
        let (all, root_names, none) = loop {
            let before = forest.changes();
            let all = forest.tree.providers().into_iter().filter_map(|one| forest.read(one));
            let all: Vec<Found> = all.collect();
            let root_names = forest.root_names.bind(py).copy()?;
            let none = get(forest.odd_uuids.bind(py), py.None().bind(py))?;
            if forest.changes() == before {
                break (all, root_names, none);
            }
        };
        let positions: HashMap<Uuid, usize> =
            all.iter().enumerate().map(|(at, found)| (found.provider.uuid(), at)).collect();
        let position = |uuid: Uuid| positions.get(&uuid).copied();
        let rows = PyList::empty(py);
        for found in &all {
            let parent = found.facts.parent.and_then(position);
            rows.append(row(py, found, parent)?)?;
        }
        let names = PyList::empty(py);
        for (name, keys) in root_names.iter() {
            if let Some(at) = position(keys.cast::<Keys>()?.get().first) {
                names.append((name, at))?;
            }
        }
        let under_none: Vec<usize> =
            none.iter().flat_map(|keys| keys.get().iter()).filter_map(position).collect();
        let restore = py.import("provider_tree._native")?.getattr("_restore_nova_forest")?;
        let parts = (rows, names, under_none, forest.is_alone).into_pyobject(py)?;
        PyTuple::new(py, [restore, parts.into_any()])
    }
}

fn graft_below(
    forest: &Bound<'_, NovaForest>,
    given: &NovaNode,
    parent: Option<&Found>,
) -> PyResult<NovaNode> {
    let (py, here) = (forest.py(), forest.get());
    let subtree = given.forest.get().subtree_of(&given.found.provider)?;
    let Some(top) = subtree.first() else {
        return Err(PyValueError::new_err("the provider has gone"));
    };
    if parent.is_some_and(|parent| here.read(parent.provider).is_none()) {
        return Err(PyValueError::new_err("the parent has gone"));
    }
    let place = parent.map(|parent| parent.provider.uuid());
    if let Some(same) = here.placed(py, top.kept().uuid.bind(py), place)? {
        here.remove_subtree(py, &same.provider)?;
    }
    let top = here.graft(py, &subtree, parent)?;
    let top = top.ok_or_else(|| PyValueError::new_err("the provider has gone"))?;
    Ok(node(forest, top))
}

/// Returns a provider as a row: what Nova says of it, and the position of its parent.
fn row<'py>(
    py: Python<'py>,
    found: &Found,
    parent: Option<usize>,
) -> PyResult<Bound<'py, PyTuple>> {
    let kept = found.kept();
    (
        kept.uuid.bind(py),
        kept.name.bind(py),
        kept.generation.bind(py),
        kept.parent_uuid.bind(py),
        parent,
        kept.inventory_copy(py)?,
        traits_copy(py, &found.facts)?,
        kept.aggregates_copy(py)?,
        kept.resources_copy(py)?,
    )
        .into_pyobject(py)
}

/// Makes the forest that was taken apart into rows.
#[pyfunction(name = "_restore_nova_forest")]
pub(crate) fn restore(
    py: Python<'_>,
    rows: &Bound<'_, PyList>,
    root_names: &Bound<'_, PyList>,
    under_none: Vec<usize>,
    is_alone: bool,
) -> PyResult<NovaForest> {
    let forest = NovaForest::of(py, ProviderTree::new(), is_alone);
    let mut specs: Vec<ProviderSpec> = Vec::with_capacity(rows.len());
    let mut taken = HashSet::with_capacity(rows.len());
    for row in rows.iter() {
        let row = row.cast_into::<PyTuple>()?;
        let value = |at| row.get_item(at);
        let parent: Option<usize> = value(4)?.extract()?;
        let parent = parent.and_then(|at| specs.get(at)).map(|spec| spec.uuid);
        let mut kept = Kept::new(&value(1)?, &value(0)?, &value(2)?, &value(3)?);
        kept.inventory = kept_inventory(&value(5)?)?;
        let (traits, odd) = sort_traits(&set_of(&value(6)?)?)?;
        kept.odd_traits = odd;
        kept.aggregates = Some(set_of(&value(7)?)?.unbind());
        kept.resources = Some(value(8)?.unbind());
        let own = canonical(&value(0)?).filter(|own| taken.insert(*own));
        let uuid = own.unwrap_or_else(Uuid::new_v4);
        forest.enter(py, uuid, &kept)?;
        let mut spec = kept.spec(py, uuid, parent);
        spec.inventories = inventories(&value(5)?).into();
        spec = spec.with_traits(traits);
        specs.push(spec);
    }
    forest.tree.populate(&specs).or_raise()?;
    for pair in root_names.iter() {
        let (name, at): (Bound<'_, PyAny>, usize) = pair.extract()?;
        let Some(spec) = specs.get(at) else { continue };
        forest.root_names.bind(py).set_item(name, Bound::new(py, Keys::one(spec.uuid))?)?;
    }
    for spec in under_none.into_iter().filter_map(|at| specs.get(at)) {
        enter(forest.odd_uuids.bind(py), py.None().bind(py), spec.uuid)?;
    }
    Ok(forest)
}

//! How a provider comes to be something else, in one commit.

use std::sync::Arc;

use provider_tree::{Edit, Error, Expect};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::OrRaise;
use crate::nova::counts::{Call, count};
use crate::nova::forest::{Found, NovaForest};
use crate::nova::kept::{Kept, inventories, is_atom, kept_inventory};

/// Tells what an update has come to: the provider's uuid, whether the inventory had changed, whether the
/// generation had, and the generation before.
pub(super) type Update = (Py<PyAny>, bool, bool, Py<PyAny>);

impl NovaForest {
    /// Makes a provider what an edit says, with these values.
    pub(super) fn commit(
        &self,
        py: Python<'_>,
        found: &Found,
        kept: Kept,
        edit: Edit,
    ) -> PyResult<()> {
        count(Call::Configure);
        let expect = kept.counted(py).map_or(Expect::Keep, Expect::Mirror);
        let changed = self.tree.configure(&found.provider, kept.carried_by(edit), expect);
        if let Err(Error::Removed { .. }) = changed {
            let uuid = found.kept().uuid.bind(py).str()?;
            return Err(PyValueError::new_err(format!("No such provider {uuid}")));
        }
        changed.or_raise().map(|_| ())
    }

    /// Replaces a provider's inventory if it has changed, and sets the generation unless that is None. Returns
    /// None, with nothing done, if one of the two is nothing plain, so that Python has to compare.
    pub(super) fn update_plain(
        &self,
        found: Found,
        inventory: &Bound<'_, PyAny>,
        generation: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Update>> {
        let py = inventory.py();
        let mut now = found;
        loop {
            let kept = now.kept();
            let before = kept.generation.bind(py);
            if !(is_atom(generation) && is_atom(before)) {
                return Ok(None);
            }
            let Some(is_changed) = kept.inventory_differs(inventory)? else { return Ok(None) };
            let is_set = !generation.is_none() && generation.ne(before)?;
            let update = (kept.uuid.clone_ref(py), is_changed, is_set, before.clone().unbind());
            if !(is_changed || is_set) {
                return Ok(Some(update));
            }
            let mut kept = kept.again(py);
            let mut edit = Edit::new();
            if is_set {
                kept.generation = generation.clone().unbind();
            }
            if is_changed {
                kept.inventory = kept_inventory(inventory)?;
                edit = edit.set_inventories(inventories(inventory));
            }
            // New dicts may have begun a collection of garbage, which may have run anything.
            match self.read(now.provider) {
                Some(again) if !Arc::ptr_eq(&again.facts, &now.facts) => now = again,
                _ => {
                    self.commit(py, &now, kept, edit)?;
                    return Ok(Some(update));
                }
            }
        }
    }
}

#[pymethods]
impl NovaForest {
    /// Replaces the inventory of the provider that a uuid or a name finds, if it has changed, and sets the
    /// generation unless that is None, in one commit. Returns the provider's uuid, whether the inventory had
    /// changed, whether the generation had, and the generation before; None, with nothing done, if there is no
    /// such provider or if Python has to compare.
    fn update_inventory(
        &self,
        key: &Bound<'_, PyAny>,
        inventory: &Bound<'_, PyAny>,
        generation: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Update>> {
        match self.find(key.py(), key)? {
            Some(found) => self.update_plain(found, inventory, generation),
            None => Ok(None),
        }
    }
}

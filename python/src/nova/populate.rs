//! Many providers at once: what Nova's tree does one by one, in one commit of the library's.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use provider_tree::ProviderSpec;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use uuid::Uuid;

use crate::nova::counts::{Call, count};
use crate::nova::forest::{Found, NovaForest};
use crate::nova::index::{Keys, canonical, enter, get};
use crate::nova::kept::Kept;

/// Holds one provider of a list.
struct Listed {
    uuid: Uuid,
    parent: Option<Uuid>,
    kept: Kept,
}

/// Holds what goes when a list comes.
struct Replaced {
    /// The providers that are listed and were there, and all below them.
    gone: Vec<Found>,
    /// The names of the roots among those that are listed.
    root_names: Vec<Py<PyAny>>,
}

#[pymethods]
impl NovaForest {
    /// Adds or replaces providers, given as a dict of Nova's dicts by uuid; each parent exists or is among
    /// them. Returns whether that was done.
    ///
    /// Nothing is done where one commit could come to something else than Nova's steps, such as for a name
    /// that is the uuid of another provider, or for a parent that goes because it is below a provider that
    /// is replaced.
    fn populate(&self, py: Python<'_>, listed: &Bound<'_, PyDict>) -> PyResult<bool> {
        let Some(listed) = self.read_list(py, listed)? else { return Ok(false) };
        let Some(Replaced { gone, root_names: forgotten }) = self.replaced(py, &listed)? else {
            return Ok(false);
        };
        let specs: Vec<ProviderSpec> =
            listed.iter().map(|one| one.kept.again(py).spec(py, one.uuid, one.parent)).collect();
        count(Call::Populate);
        self.note_change();
        if self.tree.populate(&specs).is_err() {
            return Ok(false);
        }
        for found in gone {
            self.leave(py, found.provider.uuid(), found.kept())?;
        }
        let root_names = self.root_names.bind(py);
        for name in forgotten {
            if root_names.contains(&name)? {
                root_names.del_item(name)?;
            }
        }
        for one in listed {
            self.enter(py, one.uuid, &one.kept)?;
            if one.parent.is_none() {
                let keys = Bound::new(py, Keys::one(one.uuid))?;
                root_names.set_item(one.kept.name.bind(py), keys)?;
            }
        }
        Ok(true)
    }
}

impl NovaForest {
    /// Reads a list, in the order in which Nova's tree takes it; None if a key in it is not plainly that of
    /// one provider.
    fn read_list(&self, py: Python<'_>, list: &Bound<'_, PyDict>) -> PyResult<Option<Vec<Listed>>> {
        let names = self.uuid_names.bind(py);
        let odd_uuids = self.odd_uuids.bind(py);
        // A uuid that is the name of another provider, now or in the list, may mean either.
        let means_one = |key: &Bound<'_, PyAny>, uuid| -> PyResult<bool> {
            let named = get(names, key)?;
            let is_alone = named.is_none_or(|named| named.get().iter().all(|other| other == uuid));
            Ok(is_alone && !odd_uuids.contains(key)?)
        };
        let mut listed = Vec::with_capacity(list.len());
        let mut positions = HashMap::with_capacity(list.len());
        for (key, given) in list.iter() {
            let Ok(given) = given.cast_exact::<PyDict>() else { return Ok(None) };
            let Some(uuid) = canonical(&key) else { return Ok(None) };
            let Some(name) = given.get_item(intern!(py, "name"))? else { return Ok(None) };
            if name.hash().is_err() || !means_one(&key, uuid)? {
                return Ok(None);
            }
            let is_another = canonical(&name).is_some_and(|other| other != uuid);
            if is_another || list.contains(&name)? && !name.eq(&key)? {
                return Ok(None);
            }
            let none = || py.None().into_bound(py);
            let generation = given.get_item(intern!(py, "generation"))?.unwrap_or_else(none);
            let parent_key = given.get_item(intern!(py, "parent_provider_uuid"))?;
            let parent_key = parent_key.unwrap_or_else(none);
            let parent = match (parent_key.is_none(), canonical(&parent_key)) {
                (true, _) => None,
                (false, Some(parent)) if means_one(&parent_key, parent)? => Some(parent),
                (false, _) => return Ok(None),
            };
            positions.insert(uuid, listed.len());
            let kept = Kept::new(&name, &key, &generation, &parent_key);
            listed.push(Listed { uuid, parent, kept });
        }
        Ok(in_order(listed, &positions))
    }

    /// Returns what the list replaces; None if the name of a root among that stands for another root, or is
    /// about to.
    fn replaced(&self, py: Python<'_>, listed: &[Listed]) -> PyResult<Option<Replaced>> {
        let mut replaced = Replaced { gone: Vec::new(), root_names: Vec::new() };
        let mut seen = HashSet::new();
        let new_roots = PyDict::new(py);
        for one in listed.iter().filter(|one| one.parent.is_none()) {
            enter(&new_roots, one.kept.name.bind(py), one.uuid)?;
        }
        for one in listed {
            let Some(found) = self.find_own(one.uuid) else { continue };
            if found.facts.parent.is_none() {
                let named = get(self.root_names.bind(py), found.kept().name.bind(py))?;
                let to_come = get(&new_roots, found.kept().name.bind(py))?;
                let is_another =
                    to_come.is_some_and(|to_come| to_come.get().iter().any(|it| it != one.uuid));
                if is_another || named.is_none_or(|named| named.get().first != one.uuid) {
                    return Ok(None);
                }
                replaced.root_names.push(found.kept().name.clone_ref(py));
            }
            let subtree = self.subtree_of(&found.provider)?.into_iter();
            replaced.gone.extend(subtree.filter(|it| seen.insert(it.provider.uuid())));
        }
        Ok(Some(replaced))
    }
}

/// Puts the providers into Nova's order: again and again the first one whose parent is not still to come.
/// None if some are their own ancestors.
fn in_order(listed: Vec<Listed>, positions: &HashMap<Uuid, usize>) -> Option<Vec<Listed>> {
    let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut ready = BinaryHeap::with_capacity(listed.len());
    for (at, one) in listed.iter().enumerate() {
        match one.parent.and_then(|parent| positions.get(&parent)) {
            Some(parent) => children.entry(*parent).or_default().push(at),
            None => ready.push(Reverse(at)),
        }
    }
    let mut order = Vec::with_capacity(listed.len());
    while let Some(Reverse(at)) = ready.pop() {
        order.push(at);
        ready.extend(children.remove(&at).into_iter().flatten().map(Reverse));
    }
    if order.len() < listed.len() {
        return None;
    }
    let mut listed: Vec<Option<Listed>> = listed.into_iter().map(Some).collect();
    order.into_iter().map(|at| listed[at].take()).collect()
}

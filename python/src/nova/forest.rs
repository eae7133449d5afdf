//! [`NovaForest`]: the providers of one tree of Nova's, and the keys that Python has for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use provider_tree::coming_from_nova::NovaProviderTree;
use provider_tree::{Edit, Error, Expect, Facts, Provider, ProviderTree, ResourceClass};
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};
use uuid::Uuid;

use crate::convert::Id;
use crate::error::OrRaise;
use crate::nova::counts::{Call, count};
use crate::nova::index::{Keys, canonical, enter, get, leave};
use crate::nova::kept::{Kept, data};
use crate::nova::node::{NovaNode, node};

/// Holds the providers of one of Nova's trees; a node names one of them.
#[pyclass(frozen, module = "provider_tree._native", name = "_NovaForest")]
pub(crate) struct NovaForest {
    pub(super) tree: ProviderTree,
    /// The providers of each name that is not the canonical text of a uuid.
    pub(super) names: Py<PyDict>,
    /// The providers of each name that is: apart, as few are, so that a uuid is looked up among few.
    pub(super) uuid_names: Py<PyDict>,
    /// The providers of each uuid that is not the canonical text of one, or that came twice.
    pub(super) odd_uuids: Py<PyDict>,
    /// Nova's `roots_by_name`: of the roots with a name, the one that came last.
    pub(super) root_names: Py<PyDict>,
    /// Whether this holds one provider that is in no tree, with all below it.
    pub(super) is_alone: bool,
    /// Counts the changes of providers and of keys, so that who reads several of these sees whether they
    /// belong together.
    changes: AtomicU64,
}

/// Names a provider, with its facts as they were when it was looked up.
pub(super) struct Found {
    pub(super) provider: Provider,
    pub(super) facts: Arc<Facts>,
}

impl Found {
    pub(super) fn kept(&self) -> &Kept {
        Kept::of(&self.facts)
    }
}

impl NovaForest {
    /// Makes a forest of nothing, or of providers that are in a tree of the library's already.
    pub(super) fn of(py: Python<'_>, tree: ProviderTree, is_alone: bool) -> Self {
        let indexes = [(); 4].map(|()| PyDict::new(py).unbind());
        NovaForest::with(tree, indexes, is_alone)
    }

    /// Makes a forest of a tree of the library's, and of its indexes in their order.
    pub(super) fn with(tree: ProviderTree, indexes: [Py<PyDict>; 4], is_alone: bool) -> Self {
        let [names, uuid_names, odd_uuids, root_names] = indexes;
        let changes = AtomicU64::new(0);
        NovaForest { tree, names, uuid_names, odd_uuids, root_names, is_alone, changes }
    }

    /// Returns the indexes in their order.
    pub(super) fn indexes(&self) -> [&Py<PyDict>; 4] {
        [&self.names, &self.uuid_names, &self.odd_uuids, &self.root_names]
    }

    /// Counts a change that begins, or a part of it.
    pub(super) fn note_change(&self) {
        // Relaxed: who changes and who reads has the interpreter's lock.
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many changes there have been.
    pub(super) fn changes(&self) -> u64 {
        // Relaxed: see `note_change`.
        self.changes.load(Ordering::Relaxed)
    }

    /// Returns the provider that a handle names, as it is now; None if it has gone, or is still being made.
    pub(super) fn read(&self, provider: Provider) -> Option<Found> {
        count(Call::Read);
        let facts = self.tree.configuration(&provider).ok()?.facts;
        Kept::is_in(&facts).then_some(Found { provider, facts })
    }

    /// Returns the provider that has this uuid in the library's forest.
    pub(super) fn find_own(&self, uuid: Uuid) -> Option<Found> {
        count(Call::Find);
        self.read(self.tree.find(uuid)?)
    }

    /// Returns the children of a provider, as they came.
    pub(super) fn children_of(&self, provider: &Provider) -> PyResult<Vec<Found>> {
        count(Call::Walk);
        let children = there(self.tree.children(provider))?;
        Ok(children.into_iter().filter_map(|child| self.read(child)).collect())
    }

    /// Returns a provider and all below it, in Nova's order.
    pub(super) fn subtree_of(&self, provider: &Provider) -> PyResult<Vec<Found>> {
        count(Call::Walk);
        let all = there(self.tree.subtree(provider))?;
        Ok(all.into_iter().filter_map(|one| self.read(one)).collect())
    }

    /// Returns the index that has the providers named like a key which is the text of this uuid, or of none.
    pub(super) fn named(&self, key: Option<Uuid>) -> &Py<PyDict> {
        if key.is_some() { &self.uuid_names } else { &self.names }
    }

    /// Chooses the uuid that a provider has in the library's forest: its own, unless that is no uuid, or
    /// another provider has it.
    pub(super) fn choose_uuid(&self, key: &Bound<'_, PyAny>) -> Uuid {
        let own = canonical(key).filter(|own| self.tree.find(*own).is_none());
        own.unwrap_or_else(Uuid::new_v4)
    }

    /// Enters a provider under its name, and under its uuid if the library does not know it by that.
    pub(super) fn enter(&self, py: Python<'_>, uuid: Uuid, kept: &Kept) -> PyResult<()> {
        self.note_change();
        if canonical(kept.uuid.bind(py)) != Some(uuid) {
            enter(self.odd_uuids.bind(py), kept.uuid.bind(py), uuid)?;
        }
        let name = kept.name.bind(py);
        enter(self.named(canonical(name)).bind(py), name, uuid)
    }

    /// Takes a provider out of the keys.
    pub(super) fn leave(&self, py: Python<'_>, uuid: Uuid, kept: &Kept) -> PyResult<()> {
        self.note_change();
        let name = kept.name.bind(py);
        leave(self.named(canonical(name)).bind(py), name, uuid)?;
        let odd_uuids = self.odd_uuids.bind(py);
        if odd_uuids.is_empty() {
            return Ok(());
        }
        leave(odd_uuids, kept.uuid.bind(py), uuid)?;
        leave(odd_uuids, py.None().bind(py), uuid)
    }

    /// Adds a provider that has nothing yet; one with the same uuid in the same place is replaced there.
    fn add(&self, py: Python<'_>, kept: Kept, parent: Option<&Provider>) -> PyResult<Found> {
        let same = self.placed(py, kept.uuid.bind(py), parent.map(Provider::uuid))?;
        match same {
            Some(same) => self.replace_in_place(py, same, kept),
            None => self.create(py, kept, parent),
        }
    }

    /// Creates a provider that has nothing yet.
    fn create(&self, py: Python<'_>, kept: Kept, parent: Option<&Provider>) -> PyResult<Found> {
        count(Call::Create);
        self.note_change();
        let uuid = self.choose_uuid(kept.uuid.bind(py));
        let name = uuid.hyphenated().to_string();
        let expect = kept.counted(py).map_or(Expect::Keep, Expect::Mirror);
        let entered = kept.again(py);
        let edit = kept.carried_by(Edit::new());
        // Between these two no code of Python's runs: nobody sees a provider that carries nothing.
        let made = match parent {
            Some(parent) => self.tree.create_child(parent, &name, uuid),
            None => self.tree.create_root(&name, uuid),
        };
        let provider = match (made, parent) {
            (Err(Error::Removed { .. }), Some(parent)) => return Err(gone(parent)),
            (made, _) => made.or_raise()?,
        };
        self.tree.configure(&provider, edit, expect).or_raise()?;
        if let Err(failure) = self.enter(py, uuid, &entered) {
            // A name that can't be a key. What was entered before it is taken out.
            self.tree.remove(&provider).or_raise()?;
            leave(self.odd_uuids.bind(py), entered.uuid.bind(py), uuid)?;
            return Err(failure);
        }
        self.note_change();
        self.read(provider).ok_or_else(|| gone(&provider))
    }

    /// Returns the provider with this uuid that has this parent.
    pub(super) fn placed(
        &self,
        py: Python<'_>,
        uuid: &Bound<'_, PyAny>,
        parent: Option<Uuid>,
    ) -> PyResult<Option<Found>> {
        let all = self.with_uuid(py, uuid)?;
        Ok(all.into_iter().find(|found| found.facts.parent == parent))
    }

    /// Returns the providers with this uuid: one at most, but where Nova lets another come.
    pub(super) fn with_uuid(
        &self,
        py: Python<'_>,
        uuid: &Bound<'_, PyAny>,
    ) -> PyResult<Vec<Found>> {
        let own = canonical(uuid).and_then(|own| self.find_own(own));
        let odd = self.listed(py, &self.odd_uuids, uuid)?;
        Ok(own.into_iter().chain(odd).collect())
    }

    /// Returns the providers that a key of an index stands for.
    pub(super) fn listed(
        &self,
        py: Python<'_>,
        index: &Py<PyDict>,
        key: &Bound<'_, PyAny>,
    ) -> PyResult<Vec<Found>> {
        let Some(keys) = get(index.bind(py), key)? else { return Ok(Vec::new()) };
        Ok(keys.get().iter().filter_map(|uuid| self.find_own(uuid)).collect())
    }

    /// Adds a provider, unless a key finds one already.
    fn add_unless(
        &self,
        slf: &Bound<'_, Self>,
        kept: Kept,
        parent: Option<&Provider>,
        unless: Option<(Bound<'_, PyAny>,)>,
    ) -> PyResult<Option<NovaNode>> {
        let py = slf.py();
        if let Some((key,)) = unless
            && self.find(py, &key)?.is_some()
        {
            return Ok(None);
        }
        Ok(Some(node(slf, self.add(py, kept, parent)?)))
    }

    /// Returns whether `roots_by_uuid` has a root under None.
    fn is_under_none(&self, py: Python<'_>, root: &Found) -> PyResult<bool> {
        let odd_uuids = self.odd_uuids.bind(py);
        if odd_uuids.is_empty() {
            return Ok(false);
        }
        let keys = get(odd_uuids, py.None().bind(py))?;
        Ok(keys.is_some_and(|keys| keys.get().iter().any(|it| it == root.provider.uuid())))
    }

    /// Returns the uuids of these providers, as Python gave them.
    pub(super) fn uuids_of<'py>(
        &self,
        py: Python<'py>,
        providers: &[Provider],
    ) -> PyResult<Bound<'py, PyList>> {
        let odd_uuids = self.odd_uuids.bind(py);
        if odd_uuids.is_empty() {
            // All are texts, and the library's own.
            return PyList::new(py, providers.iter().map(|provider| Id(provider.uuid())));
        }
        let found = providers.iter().filter_map(|provider| self.read(*provider));
        let uuids: Vec<_> = found.map(|found| found.kept().uuid.clone_ref(py)).collect();
        PyList::new(py, uuids)
    }

    /// Removes what is below a provider, and gives it other values.
    fn replace_in_place(&self, py: Python<'_>, old: Found, kept: Kept) -> PyResult<Found> {
        for child in self.children_of(&old.provider)? {
            self.remove_subtree(py, &child.provider)?;
        }
        self.leave(py, old.provider.uuid(), old.kept())?;
        self.enter(py, old.provider.uuid(), &kept)?;
        let edit = Edit::new().set_traits([]).set_inventories(Default::default());
        count(Call::Configure);
        let edit = kept.carried_by(edit);
        self.tree.configure(&old.provider, edit, Expect::Keep).or_raise()?;
        self.read(old.provider).ok_or_else(|| gone(&old.provider))
    }

    /// Removes a provider and all below it; returns whether it was there.
    pub(super) fn remove_subtree(&self, py: Python<'_>, provider: &Provider) -> PyResult<bool> {
        if self.read(*provider).is_none() {
            return Ok(false);
        }
        let all = self.subtree_of(provider)?;
        count(Call::Remove);
        self.note_change();
        self.tree.remove(provider).or_raise()?;
        for found in all {
            self.leave(py, found.provider.uuid(), found.kept())?;
        }
        Ok(true)
    }
}

/// Returns what a walk has found: nothing, if it began at a provider that has gone.
pub(super) fn there(walked: provider_tree::Result<Vec<Provider>>) -> PyResult<Vec<Provider>> {
    match walked {
        Err(Error::Removed { .. }) => Ok(Vec::new()),
        walked => walked.or_raise(),
    }
}

/// Returns the error for a provider that has gone meanwhile.
fn gone(provider: &Provider) -> PyErr {
    PyValueError::new_err(format!("No such provider {}", provider.uuid()))
}

/// Returns a random uuid, as text.
#[pyfunction(name = "_new_uuid")]
pub(crate) fn new_uuid() -> Id {
    Id(Uuid::new_v4())
}

#[pymethods]
impl NovaForest {
    /// Makes an empty forest: that of a tree, or that of a provider which is in no tree.
    #[new]
    #[pyo3(signature = (*, is_alone=false))]
    fn new(py: Python<'_>, is_alone: bool) -> Self {
        NovaForest::of(py, ProviderTree::new(), is_alone)
    }

    /// Returns the node of the provider that Nova's tree finds for a uuid or a name, or None.
    #[pyo3(name = "find")]
    fn find_node(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>) -> PyResult<Option<NovaNode>> {
        let found = slf.get().find(slf.py(), key)?;
        Ok(found.map(|found| node(slf, found)))
    }

    /// Returns all that Nova says of the provider that a uuid or a name finds, as an instance of a class of
    /// tuples of eight, or None.
    fn data<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        class: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = self.find(key.py(), key)?;
        found.map(|found| data(class, &found.facts)).transpose()
    }

    /// Returns whether a uuid or a name finds a provider.
    fn has(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        if canonical(key).is_some_and(|own| self.tree.find(own).is_some()) {
            count(Call::Find);
            return Ok(true);
        }
        Ok(self.find(key.py(), key)?.is_some())
    }

    /// Returns whether a provider has this uuid.
    fn has_uuid(&self, py: Python<'_>, uuid: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(!self.with_uuid(py, uuid)?.is_empty())
    }

    /// Adds a provider without parent, and to `roots_by_name`. With `unless`, a key in a tuple, only if that finds
    /// no provider; returns None if it does.
    #[pyo3(signature = (name, uuid, generation, parent_uuid, unless=None))]
    fn add_root(
        slf: &Bound<'_, Self>,
        name: &Bound<'_, PyAny>,
        uuid: &Bound<'_, PyAny>,
        generation: &Bound<'_, PyAny>,
        parent_uuid: &Bound<'_, PyAny>,
        unless: Option<(Bound<'_, PyAny>,)>,
    ) -> PyResult<Option<NovaNode>> {
        let (py, forest) = (slf.py(), slf.get());
        let is_under_none = unless.as_ref().is_some_and(|(key,)| key.is_none());
        let kept = Kept::new(name, uuid, generation, parent_uuid);
        let made = forest.add_unless(slf, kept, None, unless)?;
        if let Some(root) = &made {
            let provider = root.found.provider.uuid();
            if is_under_none {
                enter(forest.odd_uuids.bind(py), &py.None().into_bound(py), provider)?;
            }
            forest.name_root(name, root)?;
        }
        Ok(made)
    }

    /// Adds a provider below another one; else as `add_root`.
    #[pyo3(signature = (parent, name, uuid, generation, parent_uuid, unless=None))]
    fn add_child(
        slf: &Bound<'_, Self>,
        parent: &NovaNode,
        name: &Bound<'_, PyAny>,
        uuid: &Bound<'_, PyAny>,
        generation: &Bound<'_, PyAny>,
        parent_uuid: &Bound<'_, PyAny>,
        unless: Option<(Bound<'_, PyAny>,)>,
    ) -> PyResult<Option<NovaNode>> {
        let kept = Kept::new(name, uuid, generation, parent_uuid);
        slf.get().add_unless(slf, kept, Some(&parent.found.provider), unless)
    }

    /// Removes a root and all below it from `roots_by_uuid` and `roots_by_name`; returns whether it was there.
    ///
    /// A KeyError if it is there under another key; and if no root is there under its name, after it has gone.
    fn remove_root(&self, py: Python<'_>, root: &NovaNode) -> PyResult<bool> {
        let Some(found) = self.read(root.found.provider) else { return Ok(false) };
        if self.is_under_none(py, &found)? {
            return Err(PyKeyError::new_err(found.kept().uuid.clone_ref(py)));
        }
        self.remove_subtree(py, &found.provider)?;
        self.root_names.bind(py).del_item(found.kept().name.bind(py))?;
        Ok(true)
    }

    /// Returns the nodes of the roots, as they came.
    fn roots(slf: &Bound<'_, Self>) -> Vec<NovaNode> {
        count(Call::Walk);
        let forest = slf.get();
        let roots = forest.tree.roots().into_iter().filter_map(|root| forest.read(root));
        roots.map(|found| node(slf, found)).collect()
    }

    /// Returns the node of the root that `roots_by_uuid` has under this key, or None.
    fn root(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>) -> PyResult<Option<NovaNode>> {
        let forest = slf.get();
        let found = forest.placed(slf.py(), key, None)?;
        let is_under =
            |found: &Found| Ok::<_, PyErr>(key.is_none() == forest.is_under_none(slf.py(), found)?);
        Ok(match found {
            Some(found) if is_under(&found)? => Some(node(slf, found)),
            _ => None,
        })
    }

    /// Returns the keys of `roots_by_uuid`, as they came.
    fn root_keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        count(Call::Walk);
        let keys = PyList::empty(py);
        for found in self.tree.roots().into_iter().filter_map(|root| self.read(root)) {
            match self.is_under_none(py, &found)? {
                true => keys.append(py.None())?,
                false => keys.append(found.kept().uuid.bind(py))?,
            }
        }
        Ok(keys)
    }

    /// Returns the number of roots.
    fn root_count(&self) -> usize {
        count(Call::Walk);
        self.tree.roots().len()
    }

    /// Returns the node of the root that a name stands for in `roots_by_name`, or None.
    fn root_named(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>) -> PyResult<Option<NovaNode>> {
        let forest = slf.get();
        let found = forest.listed(slf.py(), &forest.root_names, name)?.into_iter().next();
        Ok(found.map(|found| node(slf, found)))
    }

    /// Lets a name stand for a root in `roots_by_name`.
    fn name_root(&self, name: &Bound<'_, PyAny>, root: &NovaNode) -> PyResult<()> {
        self.note_change();
        let keys = Bound::new(name.py(), Keys::one(root.found.provider.uuid()))?;
        self.root_names.bind(name.py()).set_item(name, keys)
    }

    /// Takes a name out of `roots_by_name`. A KeyError if it is not there.
    fn forget_root_name(&self, name: &Bound<'_, PyAny>) -> PyResult<()> {
        self.note_change();
        self.root_names.bind(name.py()).del_item(name)
    }

    /// Returns the names of `roots_by_name`, as they came: those of roots that are there.
    fn root_name_list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let names = PyList::empty(py);
        for (name, keys) in self
            .root_names
            .bind(py)
            .items()
            .extract::<Vec<(Bound<'_, PyAny>, Bound<'_, Keys>)>>()?
        {
            if self.find_own(keys.get().first).is_some() {
                names.append(name)?;
            }
        }
        Ok(names)
    }

    /// Returns the uuids of all providers: parents before children, siblings as they came.
    fn uuids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        count(Call::Walk);
        self.uuids_of(py, &self.tree.providers())
    }

    /// Returns how many keys of Python's there are in all: names, and uuids that the library does not know.
    fn key_count(&self, py: Python<'_>) -> usize {
        [&self.names, &self.uuid_names, &self.odd_uuids].iter().map(|it| it.bind(py).len()).sum()
    }

    /// Returns whether any provider has a class and the trait MISC_SHARES_VIA_AGGREGATE; None if the class is
    /// no name of the library's.
    fn has_sharing_provider(&self, resource_class: &Bound<'_, PyAny>) -> Option<bool> {
        let name = resource_class.cast_exact::<PyString>().ok()?;
        let class = ResourceClass::new(name.to_str().ok()?).ok()?;
        count(Call::Sharing);
        Some(self.tree.has_sharing_provider(class))
    }
}

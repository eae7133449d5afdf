//! Whole forests at one instant: `Snapshot`, and the documents of what they hold.

use provider_tree::{Dump, ProviderTree, Snapshot};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pythonize::{Depythonizer, pythonize};
use serde_path_to_error::deserialize;

use crate::allocations::PyAllocations;
use crate::consumer::Consumer;
use crate::convert::{Class, Id};
use crate::error::OrRaise;
use crate::feed::PyFeed;
use crate::fork::PyFork;
use crate::provider::{PyConfiguration, PyProvider, PyUsage, handles, usages_dict};
use crate::tree::{Key, PyProviderTree};
use crate::view::PyView;

/// Holds the whole forest as it was at one instant: providers, usage, consumers and what they hold.
///
/// What is read from a snapshot never changes, and adds up, while the forest goes on. Taking one costs about
/// a microsecond, however large the forest is. While it lives, one older version is kept of each thing that
/// changes: let go of it when it has been read, or bound it by `keep_at_most`. Any number of threads may read
/// it. Handles of providers serve for the forest and for its snapshots alike.
///
/// Methods that read raise `SnapshotTooOld` if the bound was met, and `Removed` of a provider that did not
/// exist at the snapshot.
#[pyclass(frozen, module = "provider_tree", name = "Snapshot")]
pub(crate) struct PySnapshot(pub(crate) Snapshot);

#[pymethods]
impl PySnapshot {
    /// The number of the snapshot. A later snapshot of the forest has a greater one.
    #[getter]
    fn number(&self) -> u64 {
        self.0.number()
    }

    /// Bounds how many older versions are kept for this snapshot. When one more would have to be kept, the
    /// snapshot becomes too old to be read, for good. About 300 bytes each.
    ///
    /// A configuration that is replaced counts at once. What claims and releases replace, a worker that is open
    /// can leave where it is, and that counts only when the worker hands it over: all when it is closed, and the
    /// oldest when it has more than a MiB, which is 8,192 to 16,384 versions of a few amounts each (a sixteenth of
    /// that beyond 2,048 workers at once). So many for each worker may be kept beside the bound.
    fn keep_at_most(&self, versions: u64) {
        self.0.keep_at_most(versions);
    }

    /// How many older versions are kept for this snapshot now, by the count of `keep_at_most`.
    #[getter]
    fn kept(&self) -> u64 {
        self.0.kept()
    }

    /// Whether the bound of `keep_at_most` was met.
    #[getter]
    fn is_too_old(&self) -> bool {
        self.0.is_too_old()
    }

    /// Returns the provider that had this uuid or name; None if there was none. A text is a name first, and else
    /// a uuid.
    ///
    /// The first look-up of a key that has gone since makes an index of the snapshot, in time that grows with
    /// the number of providers.
    fn find(&self, key: Key<'_>) -> PyResult<Option<PyProvider>> {
        Ok(self.0.find(key.as_key()?).or_raise()?.map(PyProvider))
    }

    /// Returns the providers without parent, as they came.
    fn roots(&self, py: Python<'_>) -> PyResult<Vec<PyProvider>> {
        py.detach(|| self.0.roots()).or_raise().map(handles)
    }

    /// Returns all providers: parents before children, siblings as they came.
    fn providers(&self, py: Python<'_>) -> PyResult<Vec<PyProvider>> {
        py.detach(|| self.0.providers()).or_raise().map(handles)
    }

    /// Returns the children of a provider, as they came.
    fn children(&self, provider: PyProvider) -> PyResult<Vec<PyProvider>> {
        self.0.children(&provider.0).or_raise().map(handles)
    }

    /// Returns the parent of a provider; None of a root.
    fn parent(&self, provider: PyProvider) -> PyResult<Option<PyProvider>> {
        Ok(self.0.parent(&provider.0).or_raise()?.map(PyProvider))
    }

    /// Returns the ancestors of a provider, its parent first.
    fn ancestors(&self, provider: PyProvider) -> PyResult<Vec<PyProvider>> {
        self.0.ancestors(&provider.0).or_raise().map(handles)
    }

    /// Returns a provider and all below it, parents before children.
    fn subtree(&self, provider: PyProvider) -> PyResult<Vec<PyProvider>> {
        self.0.subtree(&provider.0).or_raise().map(handles)
    }

    /// Returns the whole tree that a provider was in, its root first.
    fn tree_of(&self, provider: PyProvider) -> PyResult<Vec<PyProvider>> {
        self.0.tree_of(&provider.0).or_raise().map(handles)
    }

    /// Returns everything about a provider but its usage.
    fn configuration(&self, provider: PyProvider) -> PyResult<PyConfiguration> {
        self.0.configuration(&provider.0).or_raise().map(PyConfiguration)
    }

    /// Returns how much of a class of a provider was used. Raises `NoInventory` if it did not have the class.
    fn usage(&self, provider: PyProvider, resource_class: Class) -> PyResult<PyUsage> {
        self.0.usage(&provider.0, resource_class.0).or_raise().map(PyUsage)
    }

    /// Returns how much was used of each class of a provider.
    fn usages<'py>(&self, py: Python<'py>, provider: PyProvider) -> PyResult<Bound<'py, PyDict>> {
        usages_dict(py, &self.0.usages(&provider.0).or_raise()?)
    }

    /// Returns whether a provider or one of its ancestors was cordoned.
    fn is_cordoned(&self, provider: PyProvider) -> PyResult<bool> {
        self.0.is_cordoned(&provider.0).or_raise()
    }

    /// Returns whether any provider had an inventory of a class and the trait MISC_SHARES_VIA_AGGREGATE.
    fn has_sharing_provider(&self, resource_class: Class) -> PyResult<bool> {
        self.0.has_sharing_provider(resource_class.0).or_raise()
    }

    /// Returns what a consumer held; None if it held nothing.
    ///
    /// The first look-up of a consumer that holds nothing any more makes an index of the snapshot, in time
    /// that grows with the number of consumers.
    fn allocations(&self, consumer: Consumer<'_>) -> PyResult<Option<PyAllocations>> {
        Ok(self.0.allocations(consumer.uuid).or_raise()?.map(PyAllocations::new))
    }

    /// Returns what every consumer held, in no particular order. Reads without the interpreter.
    fn all_allocations(&self, py: Python<'_>) -> PyResult<Vec<PyAllocations>> {
        let all = py.detach(|| self.0.all_allocations()).or_raise()?;
        Ok(all.into_iter().map(PyAllocations::new).collect())
    }

    /// Returns the consumers that held something, in no particular order. Reads without the interpreter.
    fn consumers(&self, py: Python<'_>) -> PyResult<Vec<Id>> {
        let all = py.detach(|| self.0.consumers()).or_raise()?;
        Ok(all.into_iter().map(Id).collect())
    }

    /// Returns the consumers that held something of a provider or of anything below it. Looks at every
    /// consumer, without the interpreter; a `View` with holders knows those of a provider at once.
    fn holders(&self, py: Python<'_>, provider: PyProvider) -> PyResult<Vec<Id>> {
        let found = py.detach(|| self.0.holders(&provider.0)).or_raise()?;
        Ok(found.into_iter().map(Id).collect())
    }

    /// Computes the usage of every provider anew from what consumers held, and compares.
    ///
    /// The dict has the numbers of `providers` and `consumers`, the list `differences`, which is empty unless
    /// this library is wrong, and the list `overcommitted` of `overcommitted`. Works without the interpreter.
    fn audit<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize(py, &py.detach(|| self.0.audit()).or_raise()?)?)
    }

    /// Returns the classes of providers of which more was used than the capacity, as after an inventory has
    /// shrunk: dicts with `provider`, `class` and `usage`.
    fn overcommitted<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize(py, &py.detach(|| self.0.overcommitted()).or_raise()?)?)
    }

    /// Returns what differs between an older snapshot of the forest and this one: a dict with the numbers
    /// `from` and `to`, and lists of `providers` and `consumers`, each with its state `before` and `after`, which
    /// is None of what was not there. `provider_tree.types.Changes` has the shape. After a claim:
    ///
    ///     {"from": 1, "to": 2,
    ///      "providers": [{"provider": "33f8…", "before": {…}, "after": {
    ///          "dump": {"configuration": {"uuid": "33f8…", "name": "host-1", …}, "cordoned": False,
    ///                   "used": {"VCPU": {"used": 4, "taken": 0}}},
    ///          "previous": None}}],
    ///      "consumers": [{"consumer": "9d1c…", "before": None, "after": {
    ///          "consumer": "9d1c…", "generation": 1, "deadline": None, "tag": 0,
    ///          "allocations": [{"provider": "33f8…", "class": "VCPU", "amount": 4}]}}]}
    ///
    /// `taken` is the part of `used` that `Worker.take` took; `previous` is the sibling before the provider.
    ///
    /// Costs what has changed. Raises `ForeignSnapshot` unless `older` is of the same forest and not later.
    fn changes_since<'py>(
        &self,
        py: Python<'py>,
        older: &PySnapshot,
    ) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize(py, &py.detach(|| self.0.changes_since(&older.0)).or_raise()?)?)
    }

    /// Returns everything that the forest held, as a dict that `json.dumps` takes and `ProviderTree.load`
    /// reads. Equal states have equal dumps.
    ///
    /// Reads without the interpreter; making the dict takes some 15 microseconds for each provider, with it.
    fn dump<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize(py, &py.detach(|| self.0.dump()).or_raise()?)?)
    }

    /// Begins a private what-if on this snapshot, at no cost.
    fn fork(&self) -> PyFork {
        PyFork::new(self.0.fork())
    }

    /// Makes a view of the forest as it was, to search in; with `holders`, one that knows who held what.
    /// Costs about 400 nanoseconds for each provider, without the interpreter.
    #[pyo3(signature = (*, holders=false))]
    fn view(&self, py: Python<'_>, holders: bool) -> PyResult<PyView> {
        let view = py.detach(|| match holders {
            true => self.0.view_with_holders(),
            false => self.0.view(),
        });
        view.or_raise().map(PyView::new)
    }

    fn __repr__(&self) -> String {
        let too_old = if self.0.is_too_old() { ", too old" } else { "" };
        format!("<Snapshot {}{too_old}>", self.0.number())
    }
}

/// Has the methods about the whole forest.
#[pymethods]
impl PyProviderTree {
    /// Makes a forest that holds exactly what a dump says; see `Snapshot.dump`.
    ///
    /// Raises `InvalidEntries` with everything that is wrong with any entry, and ValueError, which says where,
    /// for what has not the shape of a dump. Loads without the interpreter.
    #[staticmethod]
    fn load(py: Python<'_>, dump: &Bound<'_, PyAny>) -> PyResult<Self> {
        let dump = read_dump(dump)?;
        py.detach(|| ProviderTree::load(&dump)).or_raise().map(PyProviderTree)
    }

    /// Takes a snapshot of the whole forest, in about a microsecond, however large it is.
    fn snapshot(&self) -> PySnapshot {
        PySnapshot(self.0.snapshot())
    }

    /// Makes a view of what is free, to search in: one for each thread.
    ///
    /// With `holders`, the view also knows who holds what, so that it can tell whom to evict. Costs about
    /// 400 nanoseconds for each provider, without the interpreter.
    #[pyo3(signature = (*, holders=false))]
    fn view(&self, py: Python<'_>, holders: bool) -> PyResult<PyView> {
        let view = py.detach(|| match holders {
            true => self.0.view().with_holders(),
            false => Ok(self.0.view()),
        });
        view.or_raise().map(PyView::new)
    }

    /// Begins a feed of what changes from now on, or since a snapshot of this forest, such as the position of
    /// an earlier feed.
    ///
    /// With `bound`, at most so many older versions are kept for the feed between two polls; a feed that
    /// would need more raises `FellBehind` from then on. `Snapshot.keep_at_most` says what counts: what open
    /// workers could leave where it is does not, so a feed may fall behind by much more than a small bound.
    #[pyo3(signature = (since=None, *, bound=None))]
    fn subscribe(&self, since: Option<&PySnapshot>, bound: Option<u64>) -> PyFeed {
        let feed = match since {
            Some(since) => self.0.subscribe(&since.0),
            None => self.0.subscribe(&self.0.snapshot()),
        };
        PyFeed::new(match bound {
            Some(bound) => feed.with_bound(bound),
            None => feed,
        })
    }
}

/// Reads a dump. What has not the shape of one is a ValueError that says where.
fn read_dump(given: &Bound<'_, PyAny>) -> PyResult<Dump> {
    deserialize(&mut Depythonizer::from_object(given)).map_err(|error| {
        let place = error.path().to_string();
        let wrong = error.into_inner();
        PyValueError::new_err(match place.as_str() {
            "." => format!("this is no dump: {wrong}"),
            place => format!("this is no dump: {place}: {wrong}"),
        })
    })
}

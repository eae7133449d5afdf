//! Private what-ifs: `Fork`.

use provider_tree::{Claim, Fork};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::allocations::PyAllocations;
use crate::batch::PyBatch;
use crate::claim::PyClaim;
use crate::consumer::Consumer;
use crate::convert::{Class, inventories};
use crate::error::OrRaise;
use crate::guard::Single;
use crate::issued::PyIssued;
use crate::provider::{PyProvider, PyUsage, usages_dict};
use crate::snapshot::PySnapshot;
use crate::view::PyView;

/// Answers what if: a private copy of a snapshot to claim, release, cordon and set inventories in.
///
/// Nobody else sees these changes; each is checked as the forest would check it, and raises what it would
/// raise. A fork costs what it touches. `to_batch` makes its changes a `Batch` to commit. `copy.copy(fork)` is a
/// fork of a fork. For one thread at a time: another one raises `InUseByAnotherThread`.
#[pyclass(frozen, module = "provider_tree", name = "Fork")]
pub(crate) struct PyFork(Single<Forked>);

/// Holds a fork, and what the uuids that are claimed in it were issued with.
struct Forked {
    fork: Fork,
    issued: Vec<Py<PyIssued>>,
}

impl Forked {
    /// Returns what the uuids were issued with, for another one to keep too.
    fn issued(&self, py: Python<'_>) -> Vec<Py<PyIssued>> {
        self.issued.iter().map(|issued| issued.clone_ref(py)).collect()
    }
}

impl PyFork {
    pub(crate) fn new(fork: Fork) -> Self {
        PyFork(Single::new("Fork", Forked { fork, issued: Vec::new() }))
    }

    /// Calls with the fork.
    fn with<R>(&self, call: impl FnOnce(&mut Fork) -> R) -> PyResult<R> {
        self.0.with(|forked| call(&mut forked.fork))
    }

    /// Calls the fork with a claim, and keeps what its consumer's uuid was issued with.
    fn with_claim(
        &self,
        py: Python<'_>,
        claim: &PyClaim,
        call: impl FnOnce(&mut Fork, &Claim) -> Result<(), provider_tree::Error>,
    ) -> PyResult<()> {
        let asked = claim.read()?;
        let done = self.0.with(|forked| {
            let done = call(&mut forked.fork, &asked.claim);
            if done.is_ok() {
                forked.issued.extend(asked.issued.as_ref().map(|issued| issued.clone_ref(py)));
            }
            done
        });
        done?.or_raise()
    }

    /// Calls the fork.
    fn call<R>(
        &self,
        call: impl FnOnce(&mut Fork) -> Result<R, provider_tree::Error>,
    ) -> PyResult<R> {
        self.with(call)?.or_raise()
    }
}

#[pymethods]
impl PyFork {
    /// Gives the claim's consumer, which must hold nothing, what the claim asks for. Raises what `Worker.claim`
    /// raises, and `Unnamed` for a claim without a consumer.
    fn claim(&self, py: Python<'_>, claim: &PyClaim) -> PyResult<()> {
        self.with_claim(py, claim, Fork::claim)
    }

    /// Makes the claim all that its consumer holds, whether it holds something or not.
    fn replace(&self, py: Python<'_>, claim: &PyClaim) -> PyResult<()> {
        self.with_claim(py, claim, Fork::replace)
    }

    /// Gives back all that a consumer holds. Raises `ConsumerNotFound` if it holds nothing.
    fn release(&self, consumer: Consumer<'_>) -> PyResult<()> {
        self.call(|fork| fork.release(consumer.uuid))
    }

    /// Replaces all inventories of a provider. Raises `InUse` if one would go that is in use.
    fn set_inventories(
        &self,
        provider: PyProvider,
        inventories: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let inventories = self::inventories(inventories)?;
        self.call(|fork| fork.set_inventories(&provider.0, inventories))
    }

    /// Lets the fork take nothing more from a provider and from all below it. Returns whether it was in service.
    fn cordon(&self, provider: PyProvider) -> PyResult<bool> {
        self.call(|fork| fork.cordon(&provider.0))
    }

    /// Ends the cordon of a provider in the fork. Returns whether the provider itself was cordoned.
    fn uncordon(&self, provider: PyProvider) -> PyResult<bool> {
        self.call(|fork| fork.uncordon(&provider.0))
    }

    /// Returns whether a provider or one of its ancestors is cordoned.
    fn is_cordoned(&self, provider: PyProvider) -> PyResult<bool> {
        self.call(|fork| fork.is_cordoned(&provider.0))
    }

    /// Returns whether everything that a claim asks for would be granted, as if its consumer held nothing.
    /// Raises what is wrong with the claim whatever is free, such as `ZeroAmount`.
    fn fits(&self, claim: &PyClaim) -> PyResult<bool> {
        let asked = claim.read()?;
        match self.with(|fork| fork.fits(&asked.claim))? {
            Err(error) if error.is_conflict() => Ok(false),
            fits => fits.or_raise().map(|()| true),
        }
    }

    /// Returns how much of a class of a provider is used. Raises `NoInventory` if it does not have the class.
    fn usage(&self, provider: PyProvider, resource_class: Class) -> PyResult<PyUsage> {
        self.call(|fork| fork.usage(&provider.0, resource_class.0)).map(PyUsage)
    }

    /// Returns how much is used of each class of a provider.
    fn usages<'py>(&self, py: Python<'py>, provider: PyProvider) -> PyResult<Bound<'py, PyDict>> {
        usages_dict(py, &self.call(|fork| fork.usages(&provider.0))?)
    }

    /// Returns what a consumer holds; None if it holds nothing. One that the fork has changed is a generation
    /// ahead of the snapshot.
    fn allocations(&self, consumer: Consumer<'_>) -> PyResult<Option<PyAllocations>> {
        Ok(self.call(|fork| fork.allocations(consumer.uuid))?.map(PyAllocations::new))
    }

    /// Returns the snapshot that the fork began with.
    fn snapshot(&self) -> PyResult<PySnapshot> {
        self.with(|fork| PySnapshot(fork.snapshot().clone()))
    }

    /// Returns all that the fork has changed, to be committed as one.
    ///
    /// The commit is refused unless the consumers and inventories that the fork changes are as they were in the
    /// snapshot, and what the fork takes is free then. With `if_unchanged`, it is refused as `ProviderChanged` or
    /// `ConsumerChanged` unless all that the fork was asked about is as it was, too.
    #[pyo3(signature = (*, if_unchanged=false))]
    fn to_batch(&self, py: Python<'_>, if_unchanged: bool) -> PyResult<PyBatch> {
        self.0.with(|forked| {
            let batch = match if_unchanged {
                true => forked.fork.to_batch_if_unchanged(),
                false => forked.fork.to_batch(),
            };
            PyBatch::of_fork(batch, forked.issued(py))
        })
    }

    /// Makes a view of the forest as it is in the fork now, to search in. Costs about 400 nanoseconds for each
    /// provider, without the interpreter.
    ///
    /// `View.place` claims with a worker, so in the forest itself. To claim a candidate in the fork, call
    /// `fork.claim(candidate.claim(uuid))`.
    fn view(&self, py: Python<'_>) -> PyResult<PyView> {
        self.call(|fork| {
            py.detach(move || {
                // All of the mutable reference: a shared one must not leave the thread.
                let fork = fork;
                fork.view()
            })
        })
        .map(PyView::new)
    }

    /// Returns a fork that has what this one has, to be changed by itself.
    fn __copy__(&self, py: Python<'_>) -> PyResult<Self> {
        self.0.with(|forked| {
            let copy = Forked { fork: forked.fork.clone(), issued: forked.issued(py) };
            PyFork(Single::new("Fork", copy))
        })
    }

    fn __repr__(&self) -> String {
        match self.with(|fork| fork.snapshot().number()) {
            Ok(number) => format!("<Fork of snapshot {number}>"),
            Err(_) => "<Fork, in use>".to_owned(),
        }
    }
}

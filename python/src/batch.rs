//! What several changes want together: `Batch`.

use std::sync::RwLockReadGuard;

use provider_tree::Batch;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::claim::PyClaim;
use crate::consumer::Consumer;
use crate::convert::{Expected, count, expectation};
use crate::guard::Shared;
use crate::issued::PyIssued;
use crate::provider::PyProvider;
use crate::tree::{read_edit, spec};

/// Collects changes of any number of consumers and providers that are made as one: a migration, a swap, an
/// eviction to make room, a reshape.
///
/// Each method adds a change and returns the batch, but `create`, which returns a handle. Whatever the order
/// in which they were added, the changes are made in this one: everything that the consumers hold is given
/// back; providers come, move and are configured; cordons end; everything that is wanted is taken; cordons
/// begin; providers go. A batch can be committed again.
#[pyclass(frozen, module = "provider_tree", name = "Batch")]
pub(crate) struct PyBatch(Shared<Collected>);

/// Holds a batch, and what the uuids in it were issued with.
#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) batch: Batch,
    issued: Vec<Py<PyIssued>>,
    changes: usize,
    /// Whether there is more in it, of which the library does not say how much.
    is_of_fork: bool,
}

impl PyBatch {
    /// Returns a batch of the library with so many changes as Python sees it.
    pub(crate) fn of(batch: Batch, changes: usize) -> Self {
        PyBatch(Shared::new("Batch", Collected { batch, changes, ..Collected::default() }))
    }

    /// Returns the batch of a fork as Python sees it, which keeps what uuids in it were issued with.
    pub(crate) fn of_fork(batch: Batch, issued: Vec<Py<PyIssued>>) -> Self {
        let collected = Collected { batch, issued, is_of_fork: true, ..Collected::default() };
        PyBatch(Shared::new("Batch", collected))
    }

    /// Returns the batch, which nobody changes meanwhile.
    pub(crate) fn read(&self) -> PyResult<RwLockReadGuard<'_, Collected>> {
        self.0.read()
    }

    /// Makes of the batch what `change` makes of it.
    fn change(&self, change: impl FnOnce(Batch) -> Batch) -> PyResult<()> {
        let mut collected = self.0.write()?;
        collected.batch = change(std::mem::take(&mut collected.batch));
        collected.changes += 1;
        Ok(())
    }

    /// Adds what a change makes of a claim.
    fn change_by_claim(
        slf: &Bound<'_, Self>,
        claim: &Bound<'_, PyClaim>,
        change: impl FnOnce(Batch, provider_tree::Claim) -> Batch,
    ) -> PyResult<()> {
        let asked = claim.get().read()?;
        slf.get().change(|batch| change(batch, asked.claim.clone()))?;
        let issued = asked.issued.as_ref().map(|issued| issued.clone_ref(slf.py()));
        slf.get().0.write()?.issued.extend(issued);
        Ok(())
    }
}

#[pymethods]
impl PyBatch {
    /// Makes a batch that changes nothing yet.
    #[new]
    fn new() -> Self {
        PyBatch(Shared::new("Batch", Collected::default()))
    }

    /// Adds what `Worker.claim` does, and returns the batch. What is done to the claim later does not matter.
    fn claim<'py>(
        slf: &Bound<'py, Self>,
        claim: &Bound<'py, PyClaim>,
    ) -> PyResult<Bound<'py, Self>> {
        PyBatch::change_by_claim(slf, claim, Batch::claim)?;
        Ok(slf.clone())
    }

    /// Adds what `Worker.replace` does, and returns the batch.
    #[pyo3(signature = (claim, expect=None))]
    fn replace<'py>(
        slf: &Bound<'py, Self>,
        claim: &Bound<'py, PyClaim>,
        expect: Option<Expected>,
    ) -> PyResult<Bound<'py, Self>> {
        PyBatch::change_by_claim(slf, claim, |batch, claim| {
            batch.replace(claim, expectation(expect))
        })?;
        Ok(slf.clone())
    }

    /// Adds what `Worker.release` does, for a consumer that is as expected, and returns the batch.
    ///
    /// The commit is refused as `ConsumerConflict` if the consumer is not at the expected generation, and as
    /// `ConsumerNotFound` if it holds nothing and no generation is expected.
    #[pyo3(signature = (consumer, expect=None))]
    fn release<'py>(
        slf: &Bound<'py, Self>,
        consumer: Consumer<'py>,
        expect: Option<Expected>,
    ) -> PyResult<Bound<'py, Self>> {
        slf.get().change(|batch| batch.release(consumer.uuid, expectation(expect)))?;
        Ok(slf.clone())
    }

    /// Adds what `ProviderTree.cordon` does, and returns the batch. The cordon begins after the batch has
    /// taken what it takes.
    fn cordon<'py>(slf: &Bound<'py, Self>, provider: PyProvider) -> PyResult<Bound<'py, Self>> {
        slf.get().change(|batch| batch.cordon(&provider.0))?;
        Ok(slf.clone())
    }

    /// Adds what `ProviderTree.uncordon` does, and returns the batch. The cordon ends before the batch takes
    /// anything.
    fn uncordon<'py>(slf: &Bound<'py, Self>, provider: PyProvider) -> PyResult<Bound<'py, Self>> {
        slf.get().change(|batch| batch.uncordon(&provider.0))?;
        Ok(slf.clone())
    }

    /// Adds what `ProviderTree.configure` does, with the same arguments, and returns the batch.
    #[pyo3(signature = (provider, *, expect=None, **edit))]
    fn configure<'py>(
        slf: &Bound<'py, Self>,
        provider: PyProvider,
        expect: Option<Expected>,
        edit: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, Self>> {
        let edit = read_edit(edit)?;
        slf.get().change(|batch| batch.configure(&provider.0, edit, expectation(expect)))?;
        Ok(slf.clone())
    }

    /// Adds what `ProviderTree.reparent` does, and returns the batch.
    fn reparent<'py>(
        slf: &Bound<'py, Self>,
        provider: PyProvider,
        parent: Option<PyProvider>,
    ) -> PyResult<Bound<'py, Self>> {
        slf.get().change(|batch| batch.reparent(&provider.0, parent.as_ref().map(|it| &it.0)))?;
        Ok(slf.clone())
    }

    /// Adds the creation of a provider, a dict as `ProviderTree.populate` takes it. Returns the handle that
    /// stands for the provider in this batch alone: elsewhere, also after the commit, it is refused as
    /// `ForeignProvider`.
    ///
    /// What the batch takes, whom it moves below the provider, and its cordons name the provider by the
    /// handle. The batch can't move, configure or remove it. After the commit, `ProviderTree.find` returns the
    /// handle for good.
    fn create(&self, provider: &Bound<'_, PyAny>) -> PyResult<PyProvider> {
        let spec = spec(provider)?;
        let to_come = PyProvider(spec.to_come());
        self.change(|batch| batch.create(spec))?;
        Ok(to_come)
    }

    /// Adds what `ProviderTree.remove` does, and returns the batch. Nothing may be held from the provider and
    /// its descendants when all else in the batch is done.
    fn remove<'py>(slf: &Bound<'py, Self>, provider: PyProvider) -> PyResult<Bound<'py, Self>> {
        slf.get().change(|batch| batch.remove(&provider.0))?;
        Ok(slf.clone())
    }

    fn __repr__(&self) -> PyResult<String> {
        let collected = self.read()?;
        let changes = count(collected.changes as u64, "change");
        Ok(match (collected.is_of_fork, collected.changes) {
            (false, _) => format!("<Batch of {changes}>"),
            (true, 0) => "<Batch of a fork>".to_owned(),
            (true, _) => format!("<Batch of a fork and {changes}>"),
        })
    }
}

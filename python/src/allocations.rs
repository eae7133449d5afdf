//! What a consumer holds: `Allocations`.

use std::hash::{DefaultHasher, Hash, Hasher};

use provider_tree::{Allocation, Allocations, Deadline};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use uuid::Uuid;

use crate::claim::PyClaim;
use crate::consumer::Consumer;
use crate::convert::{Id, amounts, amounts_by_provider, pairs};
use crate::tree::PyProviderTree;

/// Lists everything that a consumer held at one instant.
///
/// A plain value: it compares and can be pickled. It stands for its consumer wherever a consumer is asked for.
#[pyclass(frozen, module = "provider_tree", name = "Allocations")]
pub(crate) struct PyAllocations(Allocations);

/// Holds what makes an equal value: consumer, generation, amounts, deadline and tag.
type Parts<'py> = (Id, u64, Bound<'py, PyDict>, Option<u64>, u64);

impl PyAllocations {
    /// Makes the value that Python sees. Its amounts are put in order, so that what holds the same is equal.
    pub(crate) fn new(mut allocations: Allocations) -> Self {
        allocations.allocations.sort_unstable_by_key(|it| (it.provider, it.class));
        PyAllocations(allocations)
    }

    /// Returns the uuid of the consumer.
    pub(crate) fn whose(&self) -> Uuid {
        self.0.consumer
    }
}

#[pymethods]
impl PyAllocations {
    /// Makes a value that equals what another one has said. No forest changes.
    #[new]
    #[pyo3(signature = (consumer, generation, amounts, deadline=None, tag=0))]
    fn of(
        consumer: Consumer<'_>,
        generation: u64,
        amounts: &Bound<'_, PyAny>,
        deadline: Option<u64>,
        tag: u64,
    ) -> PyResult<Self> {
        let mut allocations = Vec::new();
        pairs(amounts, |provider, of_one| {
            let Id(provider) = provider.extract()?;
            let of_one = self::amounts(&of_one)?.into_iter();
            allocations
                .extend(of_one.map(|(class, amount)| Allocation::new(provider, class, amount)));
            Ok(())
        })?;
        let deadline = deadline.map(Deadline);
        let consumer = consumer.uuid;
        let all = Allocations { consumer, generation, deadline, tag, allocations };
        Ok(PyAllocations::new(all))
    }

    /// The uuid of the consumer.
    #[getter]
    fn consumer(&self) -> Id {
        Id(self.0.consumer)
    }

    /// The generation of the consumer, which grows with each change of what it holds.
    #[getter]
    fn generation(&self) -> u64 {
        self.0.generation
    }

    /// When the lease ends; None if the consumer holds this for good.
    #[getter]
    fn deadline(&self) -> Option<u64> {
        self.0.deadline.map(|deadline| deadline.0)
    }

    /// The tag that a claim has set; 0 if none has.
    #[getter]
    fn tag(&self) -> u64 {
        self.0.tag
    }

    /// What the consumer holds: by the uuid of the provider, a dict of amounts by class.
    #[getter]
    fn amounts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let amounts = self.0.into_iter().map(|it| (it.provider, it.class, it.amount));
        amounts_by_provider(py, amounts)
    }

    /// Returns the claim that asks for exactly this, tag and all: to grow or to shrink what the consumer
    /// holds. Returns None if no forest has made this value, but its constructor or pickle.
    fn claim(&self) -> Option<PyClaim> {
        self.0.claim().map(PyClaim::of)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<PyAllocations>().is_ok_and(|other| other.get().0 == self.0)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyType>, Parts<'py>)> {
        let Allocations { consumer, generation, tag, .. } = self.0;
        let parts = (Id(consumer), generation, self.amounts(py)?, self.deadline(), tag);
        Ok((py.get_type::<Self>(), parts))
    }

    fn __repr__(&self) -> String {
        let Allocations { consumer, generation, .. } = self.0;
        let amounts = self.0.into_iter().map(|it| (it.provider, it.class, it.amount));
        let amounts = crate::claim::shown(amounts);
        format!("<Allocations of {consumer} at {generation}: {amounts}>")
    }
}

#[pymethods]
impl PyProviderTree {
    /// Returns what a consumer holds, at one instant; None if it holds nothing.
    fn allocations(&self, consumer: Consumer<'_>) -> Option<PyAllocations> {
        self.0.allocations(consumer.uuid).map(PyAllocations::new)
    }
}

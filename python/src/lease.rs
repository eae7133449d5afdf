//! What a consumer holds until a deadline: `Lease`.

use std::hash::{DefaultHasher, Hash, Hasher};

use provider_tree::Lease;
use pyo3::prelude::*;

use crate::consumer::Consumer;
use crate::convert::Id;
use crate::receipt::PyReceipt;
use crate::tree::PyProviderTree;

/// Represents what a consumer holds until a deadline, unless it is confirmed before.
///
/// A value means exactly one lease, and no other after the end of that one. Time is the caller's own: any
/// int from 0 on that does not fall, such as seconds since the epoch. A lease stands for its consumer
/// wherever a consumer is asked for. Two are equal if they name the same consumer of the same forest at the same
/// generation: what `ProviderTree.lease_of` returns after a renewal means the same lease, and is not equal.
#[pyclass(frozen, eq, module = "provider_tree", name = "Lease")]
#[derive(PartialEq)]
pub(crate) struct PyLease(pub(crate) Lease);

#[pymethods]
impl PyLease {
    /// The uuid of the consumer.
    #[getter]
    fn consumer(&self) -> Id {
        Id(self.0.consumer())
    }

    /// The consumer, and the generation that it had when the lease began.
    #[getter]
    fn receipt(&self) -> PyReceipt {
        PyReceipt(self.0.receipt())
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        let receipt = self.0.receipt();
        format!("<Lease of {} from {}>", receipt.consumer, receipt.generation)
    }
}

#[pymethods]
impl PyProviderTree {
    /// Returns the lease of a consumer; None if it holds nothing, or holds for good what it holds. This serves
    /// callers that have lost the reply of `Worker.lease`, or have loaded the forest.
    fn lease_of(&self, consumer: Consumer<'_>) -> Option<PyLease> {
        self.0.lease_of(consumer.uuid).map(PyLease)
    }
}

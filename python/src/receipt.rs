//! What a change of a consumer comes to: `Receipt` and `Partial`.

use std::hash::{DefaultHasher, Hash, Hasher};

use provider_tree::{Partial, Receipt};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyType};

use crate::consumer::Consumer;
use crate::convert::Id;
use crate::error::exception;

/// Names a consumer, and the generation that a change has led to.
///
/// A receipt stands for its consumer wherever a consumer is asked for, and then no text has to be read:
/// `worker.release(receipt)`. Receipts are plain values: they compare, serve as keys, and can be pickled.
#[pyclass(frozen, eq, module = "provider_tree", name = "Receipt", from_py_object)]
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct PyReceipt(pub(crate) Receipt);

#[pymethods]
impl PyReceipt {
    /// Makes a receipt from what another one has said.
    #[new]
    fn new(consumer: Consumer<'_>, generation: u64) -> Self {
        PyReceipt(Receipt { consumer: consumer.uuid, generation })
    }

    /// The uuid of the consumer.
    #[getter]
    fn consumer(&self) -> Id {
        Id(self.0.consumer)
    }

    /// The generation of the consumer from the change on; after a release, the last one that it had.
    #[getter]
    fn generation(&self) -> u64 {
        self.0.generation
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyType>, (Id, u64)) {
        (py.get_type::<Self>(), (self.consumer(), self.generation()))
    }

    fn __repr__(&self) -> String {
        let Receipt { consumer, generation } = self.0;
        format!("Receipt('{consumer}', {generation})")
    }
}

/// Tells what a consumer got of a claim, and what it did not get.
#[pyclass(frozen, module = "provider_tree", name = "Partial")]
pub(crate) struct PyPartial(pub(crate) Partial);

#[pymethods]
impl PyPartial {
    /// The consumer and its generation.
    #[getter]
    fn receipt(&self) -> PyReceipt {
        PyReceipt(self.0.receipt)
    }

    /// The amounts that did not fit: the position of each amount in the claim, and the reason.
    #[getter]
    fn refused<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for (position, error) in &self.0.refused {
            list.append((position, exception(py, error)?))?;
        }
        Ok(list)
    }

    fn __repr__(&self) -> String {
        let Partial { receipt: Receipt { consumer, generation }, refused } = &self.0;
        let refused = refused.len();
        format!("<Partial of {consumer} at {generation}: {refused} refused>")
    }
}

/// Returns receipts as Python sees them.
pub(crate) fn receipts(receipts: Vec<Receipt>) -> Vec<PyReceipt> {
    receipts.into_iter().map(PyReceipt).collect()
}

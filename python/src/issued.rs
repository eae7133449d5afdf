//! A uuid that waits for the consumer that is to have it: `Issued`.

use provider_tree::Issued;
use pyo3::prelude::*;
use uuid::Uuid;

use crate::convert::Id;
use crate::error::OrRaise;
use crate::guard::Single;
use crate::tree::PyProviderTree;

/// Represents a uuid that the forest has issued for a consumer to come; see `ProviderTree.issue`.
///
/// Until it is claimed, the uuid is good as long as this object lives and is not closed. Claims and batches
/// that were made with the object, not with its text, keep it alive. Once the uuid is claimed, the object no
/// longer matters. As a context manager, it closes itself at the end.
#[pyclass(frozen, module = "provider_tree", name = "Issued")]
pub(crate) struct PyIssued {
    pub(crate) consumer: Uuid,
    issued: Single<Issued>,
}

impl PyIssued {
    pub(crate) fn new(issued: Issued) -> Self {
        PyIssued { consumer: issued.consumer(), issued: Single::new("issued uuid", issued) }
    }
}

#[pymethods]
impl PyIssued {
    /// The uuid, which no other consumer has ever had or will have.
    #[getter]
    fn consumer(&self) -> Id {
        Id(self.consumer)
    }

    /// Gives the uuid back, unless a consumer has it by now. Closing once more does nothing.
    fn close(&self) -> PyResult<()> {
        self.issued.close()
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (kind, error, trace, /))]
    fn __exit__(
        &self,
        kind: &Bound<'_, PyAny>,
        error: &Bound<'_, PyAny>,
        trace: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let _ = (kind, error, trace);
        self.close()
    }

    fn __repr__(&self) -> String {
        let closed = if self.issued.is_closed() { ", closed" } else { "" };
        format!("<Issued {}{closed}>", self.consumer)
    }
}

#[pymethods]
impl PyProviderTree {
    /// Issues a uuid for a consumer to come, so that a claim can be asked again if its reply is lost: a second
    /// claim of the uuid is refused as `AlreadyHeld`. O(1).
    ///
    /// The uuid is good for any worker until it is released once; claims after that are refused as `NotIssued`.
    /// If it is never claimed, it is given back when the returned object is closed or collected. Where no reply
    /// can be lost, a claim without a consumer is cheaper.
    fn issue(&self) -> PyResult<PyIssued> {
        self.0.issue().or_raise().map(PyIssued::new)
    }
}

//! provider-tree for Python: the extension module `provider_tree._native`.

mod allocations;
mod batch;
mod claim;
mod consumer;
mod convert;
mod error;
mod guard;
mod issued;
mod lease;
mod provider;
mod receipt;
mod tree;
mod worker;

use pyo3::prelude::*;

#[pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use crate::allocations::PyAllocations;
    #[pymodule_export]
    use crate::batch::PyBatch;
    #[pymodule_export]
    use crate::claim::PyClaim;
    #[pymodule_export]
    use crate::convert::PyExpect;
    #[pymodule_export]
    use crate::issued::PyIssued;
    #[pymodule_export]
    use crate::lease::PyLease;
    #[pymodule_export]
    use crate::provider::{PyConfiguration, PyProvider, PyUpdated, PyUsage};
    #[pymodule_export]
    use crate::receipt::{PyPartial, PyReceipt};
    #[pymodule_export]
    use crate::tree::PyProviderTree;
    #[pymodule_export]
    use crate::worker::PyWorker;
}

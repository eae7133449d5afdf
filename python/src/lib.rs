//! provider-tree for Python: the extension module `provider_tree._native`.

mod allocations;
mod batch;
mod candidate;
mod claim;
mod column;
mod consumer;
mod convert;
mod error;
mod feed;
mod fork;
mod guard;
mod issued;
mod lease;
mod nova;
mod provider;
mod receipt;
mod request;
mod scores;
mod snapshot;
mod tree;
mod view;
mod worker;

use pyo3::prelude::*;

// Nothing here was tried without the interpreter's lock.
#[pymodule(name = "_native", gil_used = true)]
mod native {
    #[pymodule_export]
    use crate::allocations::PyAllocations;
    #[pymodule_export]
    use crate::batch::PyBatch;
    #[pymodule_export]
    use crate::candidate::{PyCandidate, PyEviction, PyPlaced};
    #[pymodule_export]
    use crate::claim::PyClaim;
    #[pymodule_export]
    use crate::column::PyColumn;
    #[pymodule_export]
    use crate::convert::PyExpect;
    #[pymodule_export]
    use crate::feed::PyFeed;
    #[pymodule_export]
    use crate::fork::PyFork;
    #[pymodule_export]
    use crate::issued::PyIssued;
    #[pymodule_export]
    use crate::lease::PyLease;
    #[pymodule_export]
    use crate::nova::{NovaForest, calls, new_uuid, restore};
    #[pymodule_export]
    use crate::provider::{PyConfiguration, PyProvider, PyUpdated, PyUsage};
    #[pymodule_export]
    use crate::receipt::{PyPartial, PyReceipt};
    #[pymodule_export]
    use crate::request::{PyGroup, PyPrepared, PyRequest};
    #[pymodule_export]
    use crate::snapshot::PySnapshot;
    #[pymodule_export]
    use crate::tree::PyProviderTree;
    #[pymodule_export]
    use crate::view::PyView;
    #[pymodule_export]
    use crate::worker::PyWorker;
}

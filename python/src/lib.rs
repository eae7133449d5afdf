//! provider-tree for Python: the extension module `provider_tree._native`.

mod convert;
mod error;
mod nova;
mod provider;
mod tree;

use pyo3::prelude::*;

#[pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use crate::convert::PyExpect;
    #[pymodule_export]
    use crate::nova::{NovaForest, calls, restore};
    #[pymodule_export]
    use crate::provider::{PyConfiguration, PyProvider, PyUpdated, PyUsage};
    #[pymodule_export]
    use crate::tree::PyProviderTree;
}

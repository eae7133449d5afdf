//! Counts the calls into the library's forest, so that a test can see that it is what answers.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Names a kind of call.
#[derive(Clone, Copy)]
pub(super) enum Call {
    Find,
    Read,
    Walk,
    Create,
    Populate,
    Configure,
    Traits,
    Sharing,
    Remove,
    Copy,
}

const NAMES: [&str; 10] = [
    "find",
    "read",
    "walk",
    "create",
    "populate",
    "configure",
    "traits",
    "sharing",
    "remove",
    "copy",
];

static COUNTS: [AtomicU64; NAMES.len()] = [const { AtomicU64::new(0) }; NAMES.len()];

/// Counts one call.
#[inline]
pub(super) fn count(call: Call) {
    // Relaxed: a count decides nothing.
    COUNTS[call as usize].fetch_add(1, Ordering::Relaxed);
}

/// Returns how many calls of each kind the forest below all trees of this process has answered.
#[pyfunction(name = "_nova_calls")]
pub(crate) fn calls(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let all = PyDict::new(py);
    for (name, count) in NAMES.iter().zip(&COUNTS) {
        // Relaxed: see `count`.
        all.set_item(name, count.load(Ordering::Relaxed))?;
    }
    Ok(all)
}

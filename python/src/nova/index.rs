//! Python's keys of the providers: what has a name, and what has a uuid that is no text of a uuid.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// Lists the providers that one key stands for, by the uuids that they have in the library's forest. A dict
/// holds it, so it never changes: a dict and its copies share it.
#[pyclass(frozen, module = "provider_tree._native", name = "_Keys")]
pub(crate) struct Keys {
    pub(super) first: Uuid,
    pub(super) more: Vec<Uuid>,
}

impl Keys {
    pub(super) fn one(uuid: Uuid) -> Self {
        Keys { first: uuid, more: Vec::new() }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Uuid> {
        std::iter::once(self.first).chain(self.more.iter().copied())
    }
}

/// Returns what a key of `index` stands for. An unhashable key is a TypeError.
pub(super) fn get<'py>(
    index: &Bound<'py, PyDict>,
    key: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, Keys>>> {
    Ok(match index.get_item(key)? {
        Some(keys) => Some(keys.cast_into()?),
        None => None,
    })
}

/// Lets `key` stand for one more provider.
pub(super) fn enter(index: &Bound<'_, PyDict>, key: &Bound<'_, PyAny>, uuid: Uuid) -> PyResult<()> {
    let keys = match get(index, key)? {
        None => Keys::one(uuid),
        Some(before) => {
            let before = before.get();
            let more = before.more.iter().copied().chain([uuid]).collect();
            Keys { first: before.first, more }
        }
    };
    index.set_item(key, Bound::new(index.py(), keys)?)
}

/// Lets `key` stand for this provider no longer.
pub(super) fn leave(index: &Bound<'_, PyDict>, key: &Bound<'_, PyAny>, uuid: Uuid) -> PyResult<()> {
    let Some(before) = get(index, key)? else { return Ok(()) };
    let mut rest = before.get().iter().filter(|other| *other != uuid);
    match rest.next() {
        None => index.del_item(key),
        Some(first) => {
            let keys = Keys { first, more: rest.collect() };
            index.set_item(key, Bound::new(index.py(), keys)?)
        }
    }
}

/// Reads the one text of a uuid: lower case, with hyphens. Any other key is one of Python's own.
pub(super) fn canonical(key: &Bound<'_, PyAny>) -> Option<Uuid> {
    let text = key.cast::<PyString>().ok()?.to_str().ok()?;
    if text.len() != Hyphenated::LENGTH || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    Uuid::try_parse(text).ok()
}

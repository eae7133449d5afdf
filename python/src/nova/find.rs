//! How a key finds a provider: at once, unless it could mean several.

use pyo3::prelude::*;

use crate::nova::counts::{Call, count};
use crate::nova::forest::{Found, NovaForest};
use crate::nova::index::{canonical, get};

impl NovaForest {
    /// Returns the provider that Nova's tree finds for a uuid or a name.
    pub(super) fn find(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<Option<Found>> {
        let own = canonical(key);
        let named = get(self.named(own).bind(py), key)?;
        let own = own.and_then(|own| self.find_own(own));
        let odd_uuids = self.odd_uuids.bind(py);
        let odd = if odd_uuids.is_empty() { None } else { get(odd_uuids, key)? };
        match (named, own, odd) {
            (None, own, None) => Ok(own),
            (Some(named), None, None) if named.get().more.is_empty() => {
                Ok(self.find_own(named.get().first))
            }
            (Some(named), Some(own), None) if self.is_alone(&own, named.get().iter()) => {
                Ok(Some(own))
            }
            (None, None, Some(odd)) if odd.get().more.is_empty() => {
                Ok(self.find_own(odd.get().first))
            }
            (Some(named), None, Some(odd))
                if named.get().iter().chain(odd.get().iter()).all(|it| it == odd.get().first) =>
            {
                Ok(self.find_own(odd.get().first))
            }
            _ => self.search(py, key),
        }
    }

    fn is_alone(&self, found: &Found, mut others: impl Iterator<Item = uuid::Uuid>) -> bool {
        others.all(|other| other == found.provider.uuid())
    }

    /// Goes through the providers in the order in which Nova's tree does: the roots by their uuids, then by
    /// their names; then each root and all below it, where of each provider come its name and its uuid, then
    /// the uuids of its children, then its children one by one.
    fn search(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<Option<Found>> {
        if let Some(root) = self.placed(py, key, None)? {
            return Ok(Some(root));
        }
        if let Some(root) = self.listed(py, &self.root_names, key)?.into_iter().next() {
            return Ok(Some(root));
        }
        count(Call::Walk);
        let roots = self.tree.roots().into_iter().rev();
        let mut waiting: Vec<Found> = roots.filter_map(|root| self.read(root)).collect();
        while let Some(found) = waiting.pop() {
            let kept = found.kept();
            if kept.name.bind(py).eq(key)? || kept.uuid.bind(py).eq(key)? {
                return Ok(Some(found));
            }
            let mut children = self.children_of(&found.provider)?;
            for at in 0..children.len() {
                if children[at].kept().uuid.bind(py).eq(key)? {
                    return Ok(Some(children.swap_remove(at)));
                }
            }
            waiting.extend(children.into_iter().rev());
        }
        Ok(None)
    }
}

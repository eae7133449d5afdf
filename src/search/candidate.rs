//! [`Candidate`]: providers that can serve a request.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::claim::Claim;
use crate::forest::Provider;
use crate::search::form::{Form, Slot};
use crate::values::ResourceClass;

/// Represents one way to serve a [`Request`](crate::Request): which provider gives what.
///
/// In the view that found the candidate everything fits together: amounts, units, traits. Whether
/// it still does is decided by the claim. A candidate asks for exactly the amounts of its request.
#[derive(Clone)]
pub struct Candidate {
    pub(super) form: Arc<Form>,
    pub(super) root: Provider,
    /// The provider that fills each slot of the form.
    pub(super) providers: SmallVec<[Provider; 8]>,
}

impl Candidate {
    /// Returns the root of the tree that the candidate is found in. Sharing providers, which may be
    /// part of the candidate, are in other trees.
    pub fn root(&self) -> Provider {
        self.root
    }

    /// Returns the claim that takes everything that the candidate gives, in addition to what `claim`
    /// asks for: a consumer, or a claim with a tag, or with chains of a quota. Costs as much as the
    /// claim has lines.
    pub fn claim(&self, claim: impl Into<Claim>) -> Claim {
        let mut claim = claim.into();
        let is_all = claim.lines.is_empty();
        // The unnamed group first, as it is served by the root most often: lines in the order in which
        // the providers were created are in the order that a claim sorts them into.
        let is_unnamed = |(_, slot): &(Provider, &Slot)| slot.group.is_none();
        let named = self.filled().filter(|it| !is_unnamed(it));
        for (provider, slot) in self.filled().filter(is_unnamed).chain(named) {
            for &(class, amount) in &slot.amounts {
                claim.add(&provider, ResourceClass::from_number(class), amount);
            }
        }
        if is_all {
            claim.put_in_order();
        }
        claim
    }

    /// Returns what the candidate gives: provider, class and amount. If two groups ask for the same
    /// class and are served by the same provider, there is a line for each.
    ///
    /// The lines of the named groups come first, in the order of the request, but those of groups
    /// that ask alike side by side; then those of the unnamed group. Within a group they are in the
    /// [order](ResourceClass) of the classes.
    pub fn lines(&self) -> impl Iterator<Item = (Provider, ResourceClass, u64)> {
        self.filled().flat_map(|(provider, slot)| {
            let line = move |&(class, amount): &(u16, u64)| {
                (provider, ResourceClass::from_number(class), amount)
            };
            slot.amounts.iter().map(line)
        })
    }

    /// Returns the providers of the candidate, each once.
    pub fn providers(&self) -> impl Iterator<Item = Provider> {
        let is_first =
            |(at, provider): &(usize, &Provider)| !self.providers[..*at].contains(provider);
        self.providers.iter().enumerate().filter(is_first).map(|(_, provider)| *provider)
    }

    /// Returns the provider that serves the named group with this name; `None` if the request has
    /// no such group.
    pub fn provider(&self, group: &str) -> Option<Provider> {
        let mut filled = self.filled();
        let is_named = |slot: &Slot| slot.group.map(|at| self.form.name(at)) == Some(group);
        filled.find(|(_, slot)| is_named(slot)).map(|(provider, _)| provider)
    }

    /// Returns the provider that gives `class` to the unnamed group; `None` if that group does not
    /// ask for the class.
    pub fn provider_of(&self, class: ResourceClass) -> Option<Provider> {
        let mut filled = self.filled();
        let gives = |slot: &Slot| slot.group.is_none() && slot.amounts[0].0 == class.number();
        filled.find(|(_, slot)| gives(slot)).map(|(provider, _)| provider)
    }

    fn filled(&self) -> impl Iterator<Item = (Provider, &Slot)> {
        self.providers.iter().copied().zip(&self.form.slots)
    }
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for (provider, class, amount) in self.lines() {
            list.entry(&(provider.uuid(), class, amount));
        }
        list.finish()
    }
}

//! What claims and batches ask for, as events show it.

use std::fmt;

use uuid::Uuid;

use crate::claim::batch::Batch;
use crate::claim::lines::Line;
use crate::claim::request::Claim;
use crate::error::{Error, Result};

/// Shows what a claim asks for: `[<provider> VCPU 4, ..]`.
pub(super) struct Amounts<'a>(pub(super) &'a Claim);

impl fmt::Debug for Amounts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for Line { provider, class, amount } in self.0.lines.iter().chain(&self.0.chains) {
            list.entry(&format_args!("{} {class} {amount}", provider.uuid()));
        }
        list.finish()
    }
}

/// Shows what several claims ask for, claim by claim.
pub(super) struct AllAmounts<'a>(pub(super) &'a [Claim]);

impl fmt::Debug for AllAmounts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claims = self.0.iter().map(|claim| (Name(claim.consumer()), Amounts(claim)));
        f.debug_map().entries(claims).finish()
    }
}

/// Shows which members of a gang do not fit, and why: `{1: ..}`.
pub(super) struct RefusedMembers<'a, T>(pub(super) &'a [Result<T>]);

impl<T> fmt::Debug for RefusedMembers<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = self.0.iter().enumerate();
        show_refused(f, members.filter_map(|(at, made)| Some((at, made.as_ref().err()?))))
    }
}

/// Shows which amounts of a claim do not fit, and why.
pub(super) struct RefusedAmounts<'a>(pub(super) &'a [(usize, Error)]);

impl fmt::Debug for RefusedAmounts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_refused(f, self.0.iter().map(|(at, error)| (*at, error)))
    }
}

/// Shows what was refused by its position, and why.
fn show_refused<'a>(
    f: &mut fmt::Formatter<'_>,
    refused: impl Iterator<Item = (usize, &'a Error)>,
) -> fmt::Result {
    let mut map = f.debug_map();
    for (at, error) in refused {
        map.entry(&at, &format_args!("{error}"));
    }
    map.finish()
}

/// Shows what a batch does: what each consumer holds afterwards, and which providers it changes.
pub(super) struct Edits<'a>(pub(super) &'a Batch);

impl fmt::Debug for Edits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for change in &self.0.consumers {
            let name = Name(Some(change.consumer).filter(|uuid| !uuid.is_nil()));
            map.entry(&name, &change.claim.as_ref().map(Amounts));
        }
        for spec in &self.0.created {
            map.entry(&Name(Some(spec.uuid)), &format_args!("created: {}", spec.name));
        }
        for change in &self.0.edits {
            map.entry(&Name(Some(change.provider.uuid())), &change.edit);
        }
        for (provider, parent) in &self.0.moves {
            let parent = parent.map(|parent| parent.uuid());
            map.entry(&Name(Some(provider.uuid())), &format_args!("parent: {parent:?}"));
        }
        for change in &self.0.cordons {
            let cordon = format_args!("cordoned: {}", change.own);
            map.entry(&Name(Some(change.provider.uuid())), &cordon);
        }
        for provider in &self.0.removed {
            map.entry(&Name(Some(provider.uuid())), &format_args!("removed"));
        }
        map.finish()
    }
}

/// Shows a uuid, or `unnamed`.
struct Name(Option<Uuid>);

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(uuid) => fmt::Display::fmt(&uuid, f),
            None => f.write_str("unnamed"),
        }
    }
}

//! Cordons: nothing new is taken from a cordoned provider and from its descendants.
//!
//! The structure cell of each provider says whether the provider itself is cordoned, and whether an
//! ancestor is. The usage cell says whether either is so, so that a claim need not look elsewhere.
//! A transaction that changes one of these facts also changes everything that follows from it. That
//! transaction opens the structure cells of all descendants that the cordon begins or ends for, so
//! nothing comes or goes below a provider while it is being cordoned.

use crate::error::{Error, Result};
use crate::forest::core::Forest;
use crate::forest::draft::{Draft, open_live, structure_at};
use crate::forest::provider::Provider;
use crate::layout::{State, UsageWords, set_cordoned, usage_of};
use crate::ledger::{Abort, Cell, Writer};

/// Cordons `provider` itself if `own` is true, or ends its own cordon; returns whether that made a
/// difference.
pub(crate) fn set_cordon(
    forest: &Forest,
    writer: &mut Writer,
    provider: &Provider,
    own: bool,
) -> Result<bool> {
    forest.structure_cell(provider)?;
    writer.transact(|transaction| set_cordon_in(transaction, provider, own))
}

/// Cordons `provider` in a draft if `own` is true, or ends
/// its own cordon; returns whether that made a difference.
pub(crate) fn set_cordon_in(
    draft: &mut impl Draft,
    provider: &Provider,
    own: bool,
) -> Result<bool, Abort<Error>> {
    let cell = provider.cell;
    let (place, mut structure) = open_live(draft, provider)?;
    if structure.cordon.own == own {
        return Ok(false);
    }
    let before = structure.cordon.holds();
    structure.cordon.own = own;
    draft.rewrite(place, &structure.words());
    if structure.cordon.holds() != before {
        mark_usage(draft, cell, structure.cordon.holds())?;
        inherit_below(draft, cell, structure.cordon.holds())?;
    }
    Ok(true)
}

/// Notes for `cell` whether an ancestor is cordoned, and for all descendants what follows from
/// that.
pub(crate) fn inherit(
    draft: &mut impl Draft,
    cell: Cell,
    inherited: bool,
) -> Result<(), Abort<Error>> {
    let place = draft.open(cell)?;
    let mut structure = structure_at(draft, place);
    if structure.cordon.inherited == inherited {
        return Ok(());
    }
    structure.cordon.inherited = inherited;
    draft.rewrite(place, &structure.words());
    if structure.cordon.own {
        return Ok(());
    }
    mark_usage(draft, cell, inherited)?;
    inherit_below(draft, cell, inherited)
}

/// Notes for all descendants of `top` whether an ancestor is cordoned.
fn inherit_below(draft: &mut impl Draft, top: Cell, inherited: bool) -> Result<(), Abort<Error>> {
    let place = draft.open(top)?;
    let mut rest = vec![(top, structure_at(draft, place).first_child)];
    while let Some((parent, next)) = rest.pop() {
        let Some(cell) = next else { continue };
        let place = draft.open(cell)?;
        let mut structure = structure_at(draft, place);
        // If the parent is another one, or the descendant has been noted already, what was read
        // contradicts itself.
        if !structure.is_live()
            || structure.parent != Some(parent)
            || structure.cordon.inherited == inherited
        {
            return Err(Abort::Torn);
        }
        structure.cordon.inherited = inherited;
        draft.rewrite(place, &structure.words());
        rest.push((parent, structure.next));
        // The descendants of a provider that is cordoned itself inherit that cordon anyway.
        if !structure.cordon.own {
            mark_usage(draft, cell, inherited)?;
            rest.push((cell, structure.first_child));
        }
    }
    Ok(())
}

/// Notes in the usage cell beside `structure` whether a claim may take something new.
fn mark_usage(draft: &mut impl Draft, structure: Cell, cordoned: bool) -> Result<(), Abort<Error>> {
    let usage = draft.open(usage_of(structure))?;
    if UsageWords(draft.words(usage)).life().state != State::Live {
        return Err(Abort::Torn);
    }
    set_cordoned(draft.words_mut(usage), cordoned);
    Ok(())
}

//! Cordons: nothing new is taken from a cordoned provider and from its descendants.
//!
//! The structure cell of each provider says whether the provider itself is cordoned, and whether an
//! ancestor is. The usage cell says whether either is so, so that a claim need not look elsewhere.
//! A transaction that changes one of these facts also changes everything that follows from it. That
//! transaction opens the structure cells of all descendants that the cordon begins or ends for, so
//! nothing comes or goes below a provider while it is being cordoned.

use crate::error::{Error, Result};
use crate::forest::core::Forest;
use crate::forest::provider::Provider;
use crate::forest::structure::{open_live, structure_at};
use crate::layout::{State, UsageWords, set_cordoned, usage_of};
use crate::ledger::{Abort, Cell, Limit, Transaction, Writer};

impl Forest {
    /// Cordons `provider` itself if `own` is true, or ends its own cordon; returns whether that
    /// made a difference.
    pub(crate) fn set_cordon(
        &self,
        writer: &mut Writer,
        provider: &Provider,
        own: bool,
    ) -> Result<bool> {
        let cell = self.structure_cell(provider)?;
        writer.transact(|transaction| set_cordon_in::<Error>(transaction, cell, provider, own))
    }
}

/// Cordons the provider with the structure cell `cell` in a transaction if `own` is true, or ends
/// its own cordon; returns whether that made a difference.
pub(crate) fn set_cordon_in<E: From<Error>>(
    transaction: &mut Transaction<'_>,
    cell: Cell,
    provider: &Provider,
    own: bool,
) -> Result<bool, Abort<E>>
where
    Abort<E>: From<Limit>,
{
    let (place, mut structure) = open_live::<E>(transaction, cell, provider)?;
    if structure.cordon.own == own {
        return Ok(false);
    }
    let before = structure.cordon.holds();
    structure.cordon.own = own;
    transaction.rewrite(place, &structure.words());
    if structure.cordon.holds() != before {
        mark_usage(transaction, cell, structure.cordon.holds())?;
        inherit_below(transaction, cell, structure.cordon.holds())?;
    }
    Ok(true)
}

/// Notes for `cell` whether an ancestor is cordoned, and for all descendants what follows from
/// that.
pub(crate) fn inherit<E>(
    transaction: &mut Transaction<'_>,
    cell: Cell,
    inherited: bool,
) -> Result<(), Abort<E>>
where
    Abort<E>: From<Limit>,
{
    let place = transaction.open(cell)?;
    let mut structure = structure_at(transaction, place);
    if structure.cordon.inherited == inherited {
        return Ok(());
    }
    structure.cordon.inherited = inherited;
    transaction.rewrite(place, &structure.words());
    if structure.cordon.own {
        return Ok(());
    }
    mark_usage(transaction, cell, inherited)?;
    inherit_below(transaction, cell, inherited)
}

/// Notes for all descendants of `top` whether an ancestor is cordoned.
fn inherit_below<E>(
    transaction: &mut Transaction<'_>,
    top: Cell,
    inherited: bool,
) -> Result<(), Abort<E>>
where
    Abort<E>: From<Limit>,
{
    let place = transaction.open(top)?;
    let mut rest = vec![(top, structure_at(transaction, place).first_child)];
    while let Some((parent, next)) = rest.pop() {
        let Some(cell) = next else { continue };
        let place = transaction.open(cell)?;
        let mut structure = structure_at(transaction, place);
        // If the parent is another one, or the descendant has been noted already, what was read
        // contradicts itself.
        if !structure.is_live()
            || structure.parent != Some(parent)
            || structure.cordon.inherited == inherited
        {
            return Err(Abort::Torn);
        }
        structure.cordon.inherited = inherited;
        transaction.rewrite(place, &structure.words());
        rest.push((parent, structure.next));
        // The descendants of a provider that is cordoned itself inherit that cordon anyway.
        if !structure.cordon.own {
            mark_usage(transaction, cell, inherited)?;
            rest.push((cell, structure.first_child));
        }
    }
    Ok(())
}

/// Notes in the usage cell beside `structure` whether a claim may take something new.
fn mark_usage<E>(
    transaction: &mut Transaction<'_>,
    structure: Cell,
    cordoned: bool,
) -> Result<(), Abort<E>>
where
    Abort<E>: From<Limit>,
{
    let usage = transaction.open(usage_of(structure))?;
    if UsageWords(transaction.words(usage)).life().state != State::Live {
        return Err(Abort::Torn);
    }
    set_cordoned(transaction.words_mut(usage), cordoned);
    Ok(())
}

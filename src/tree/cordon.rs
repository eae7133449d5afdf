//! Cordons: nothing new is taken from a provider and from what is below it.
//!
//! Each provider's structure says whether it is cordoned itself and whether an ancestor is; its
//! usage cell says whether any of the two, so that a claim need not look elsewhere. Whoever changes
//! one of them changes everything that follows in the same transaction. The structure of the whole
//! subtree is part of it: nothing comes or goes below a provider while it is being cordoned.

use crate::error::{Error, Result};
use crate::ledger::{Abort, Cell, Limit, Transaction, Writer};
use crate::tree::core::Core;
use crate::tree::layout::{State, UsageWords, set_cordoned, usage_of};
use crate::tree::provider::Provider;
use crate::tree::structure::{open_live, structure_at};

impl Core {
    /// Cordons the provider itself, or ends that; returns whether it was otherwise before.
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

/// Cordons the provider with this structure cell in a transaction, or ends that; returns whether it
/// was otherwise before.
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

/// Makes it true of `cell` that an ancestor is cordoned, or none, and of all below what follows.
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

/// The same for all below `top`.
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
        // Another parent, or done already: what was read contradicts itself.
        if !structure.is_live()
            || structure.parent != Some(parent)
            || structure.cordon.inherited == inherited
        {
            return Err(Abort::Torn);
        }
        structure.cordon.inherited = inherited;
        transaction.rewrite(place, &structure.words());
        rest.push((parent, structure.next));
        // What is below a provider that is cordoned itself inherits that anyway.
        if !structure.cordon.own {
            mark_usage(transaction, cell, inherited)?;
            rest.push((cell, structure.first_child));
        }
    }
    Ok(())
}

/// Writes into the usage cell beside `structure` what claims have to know.
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

//! Gives providers other names.

use std::sync::Arc;

use crate::error::{Error, Result, check_provider_name};
use crate::forest::configuration::{Candidate, Facts};
use crate::forest::core::{Forest, UsageTitle};
use crate::forest::draft::open_live;
use crate::forest::generation::Expect;
use crate::forest::keys::{KeyCell, Name, Refusal, take_key, while_stale};
use crate::forest::provider::{Configuration, Provider};
use crate::layout::{Life, NameOwner, State, UsageWords, name_words, set_configuration, usage_of};
use crate::ledger::{Abort, Torn, Writer};

/// Gives `provider` the name `name`. Changes nothing if `provider` has that name already.
pub(crate) fn rename(
    forest: &Forest,
    writer: &mut Writer,
    provider: &Provider,
    name: &str,
) -> Result<()> {
    check_provider_name(name)?;
    let name: Name = Arc::from(name);
    // Holds the facts until the key is settled: they contain values of the caller's types, whose drop
    // may panic.
    let (_, current) = forest.configuration(provider)?;
    let mut replaced = vec![current.facts];
    while_stale(|| {
        forest.names.with_keys(writer, std::iter::once(&name), |writer, name_keys| {
            let (UsageTitle { version, .. }, Configuration { facts: current, .. }) =
                forest.configuration(provider)?;
            replaced.push(Arc::clone(&current));
            match current.name == name {
                true => Ok(()),
                false => exchange_name(
                    forest,
                    writer,
                    provider,
                    (version, &current),
                    &name,
                    name_keys[0],
                ),
            }
        })
    })
}

/// Gives `provider` another name, whose key is `name_key`. Refuses as stale if `current` is not the
/// configuration of `provider` any more.
fn exchange_name(
    forest: &Forest,
    writer: &mut Writer,
    provider: &Provider,
    (version, current): (u64, &Arc<Facts>),
    name: &Name,
    name_key: KeyCell,
) -> Result<(), Refusal> {
    let &Provider { uuid, incarnation, cell, .. } = provider;
    let usage = usage_of(cell);
    let renamed = Facts { name: Arc::clone(name), ..(**current).clone() };
    let layout = forest.configurations.layout(usage, version);
    let candidate = forest.configurations.publish(&forest.ledger, usage, renamed, layout);
    let ((replaced, old), at) =
        Candidate::decide([&candidate].into_iter(), writer, |transaction| {
            let (place, mut structure) = open_live(transaction, provider)?;
            let words = transaction.open(usage)?;
            let before = UsageWords(transaction.words(words));
            let (generation, replaced) = (before.generation(), before.configuration());
            let in_force =
                forest.configurations.with(usage, replaced, |found| Arc::ptr_eq(found, current));
            if in_force != Some(true) {
                return Err(Abort::Reject(Refusal::Stale));
            }
            let exists = || Error::NameExists { name: name.to_string() };
            let (place_of_new, life) = take_key(transaction, name_key, exists)?;
            transaction
                .rewrite(place_of_new, &name_words(life, NameOwner { cell, incarnation, uuid }));
            let old = structure.name.replace(name_key.cell).ok_or(Torn)?;
            let place_of_old = transaction.open(old)?;
            let life = Life::from_word(transaction.word(place_of_old, 0));
            if life.state != State::Live {
                return Err(Abort::Torn);
            }
            transaction.rewrite(place_of_old, &[life.ended().word()]);
            transaction.rewrite(place, &structure.words());
            let generation = Expect::Any.next(generation);
            set_configuration(transaction.words_mut(words), generation, candidate.version);
            Ok((replaced, KeyCell { cell: old, incarnation: life.incarnation }))
        })?;
    let _gone = candidate.replaces(replaced, at);
    forest.names.release(writer, &*current.name, old);
    Ok(())
}

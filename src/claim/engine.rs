//! The claim engine: what a claim means, in a transaction and in a fork.
//!
//! The engine makes the lines of a claim what its consumer holds: it [expands](expand) the chains
//! of the claim, checks the claim's conditions, and [exchanges](exchange) what is held for what is
//! wanted.

use crate::claim::change::Change;
use crate::claim::fact::Question;
use crate::claim::lines::{Line, sort_out};
use crate::claim::request::{Claim, Condition};
use crate::claim::rules::Rules;
use crate::error::Error;
use crate::forest::{Draft, open_live, structure_at};
use crate::layout::{Holding, State, UsageWords, usage_of};
use crate::ledger::{Abort, Torn};

/// Puts the claim's lines into `lines`, together with a line for each provider that the claim's
/// chains take from, and sorts them out. The chains are as they are in the draft.
pub(crate) fn expand(
    draft: &mut impl Draft,
    rules: &impl Rules,
    claim: &Claim,
    lines: &mut Vec<Line>,
) -> Result<(), Abort<Error>> {
    lines.clear();
    lines.extend_from_slice(&claim.lines);
    for chain in &claim.chains {
        let before = lines.len();
        climb(draft, rules, chain, lines)?;
        if lines.len() == before {
            let (provider, class) = (chain.provider.uuid, chain.class);
            return Err(Error::NoInventory { provider, class }.into());
        }
    }
    Ok(sort_out(lines)?)
}

/// Adds a line for each provider of the chain that has an inventory of the class. The chain is the
/// provider that `chain` names, and the ancestors of that provider.
fn climb(
    draft: &mut impl Draft,
    rules: &impl Rules,
    chain: &Line,
    lines: &mut Vec<Line>,
) -> Result<(), Abort<Error>> {
    let class = chain.class.number();
    let mut provider = chain.provider;
    rules.note(usage_of(provider.cell), Some(&provider), Question::Exists)?;
    let (_, mut structure) = open_live(draft, &provider)?;
    let mut steps = 0_u32;
    loop {
        let cell = usage_of(provider.cell);
        for question in [Question::Parent, Question::Has(class)] {
            rules.note(cell, Some(&provider), question)?;
        }
        let place = draft.open(cell)?;
        let layouts = &rules.forest().layouts;
        if UsageWords(draft.words(place)).find(layouts, class).is_some() {
            lines.push(Line { provider, ..*chain });
        }
        let parent = structure.parent.ok_or(Torn)?;
        if parent == rules.forest().super_root {
            return Ok(());
        }
        steps += 1;
        // If the structure changes during this walk, the walk could go on for ever.
        if steps.is_multiple_of(1024) && !draft.holds() {
            return Err(Abort::Torn);
        }
        let place = draft.open(parent)?;
        structure = structure_at(draft, place);
        if !structure.is_live() {
            return Err(Abort::Torn);
        }
        provider = rules.forest().handle(parent, &structure);
    }
}

/// Returns whether `held` is exactly what is `wanted`, and the handles of `wanted` still mean their
/// providers. Both slices are sorted.
pub(crate) fn holds_exactly(
    draft: &mut impl Draft,
    rules: &impl Rules,
    held: &[Holding],
    wanted: &[Line],
) -> Result<bool, Abort<Error>> {
    if !held.iter().copied().eq(wanted.iter().map(Line::held)) {
        return Ok(false);
    }
    for line in wanted {
        let place = draft.open(line.usage())?;
        rules.note(line.usage(), Some(&line.provider), Question::Exists)?;
        let life = UsageWords(draft.words(place)).life();
        if !life.is(State::Live, line.provider.incarnation) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes `wanted` what a consumer holds instead of `held`, if the claim's conditions are met. Both
/// slices are sorted.
#[inline]
pub(crate) fn put(
    draft: &mut impl Draft,
    rules: &impl Rules,
    claim: &Claim,
    held: &[Holding],
    wanted: &[Line],
) -> Result<(), Abort<Error>> {
    check_conditions(draft, rules, claim)?;
    exchange(draft, rules, held, wanted)
}

/// Turns what is `held` into what is `wanted`, provider by provider, class by class. Both slices
/// are sorted.
#[inline]
pub(crate) fn exchange(
    draft: &mut impl Draft,
    rules: &impl Rules,
    held: &[Holding],
    wanted: &[Line],
) -> Result<(), Abort<Error>> {
    match (held, wanted) {
        ([], _) => change_all(draft, rules, wanted.iter().map(|line| Change::of(line, 0))),
        (_, []) => change_all(draft, rules, held.iter().map(Change::of_held)),
        _ => change_all(draft, rules, merge(held, wanted)),
    }
}

/// Returns the changes that turn what is `held` into what is `wanted`, sorted.
fn merge<'a>(held: &[Holding], wanted: &'a [Line]) -> impl Iterator<Item = Change<'a>> {
    let mut held = held.iter().peekable();
    let mut wanted = wanted.iter().peekable();
    std::iter::from_fn(move || {
        let next = wanted.peek().map(|line| line.key());
        let is_before = |held: &&Holding| next.is_none_or(|next| (held.usage, held.class) < next);
        if let Some(gone) = held.next_if(is_before) {
            return Some(Change::of_held(gone));
        }
        let line = wanted.next()?;
        let before = held.next_if(|held| (held.usage, held.class) == line.key());
        Some(Change::of(line, before.map_or(0, |held| held.amount)))
    })
}

/// Makes changes that are sorted.
#[inline(never)] // Apart from its callers, the loop has enough registers.
fn change_all<'a>(
    draft: &mut impl Draft,
    rules: &impl Rules,
    mut changes: impl Iterator<Item = Change<'a>>,
) -> Result<(), Abort<Error>> {
    let mut next = changes.next();
    while let Some(first) = next {
        let place = draft.open(first.usage)?;
        let words = draft.words_mut(place);
        let (life, head) = (UsageWords(&*words).life(), UsageWords(&*words).head());
        let form = head.form(&rules.forest().layouts);
        while let Some(change) = next.filter(|change| change.usage == first.usage) {
            change.check_handle(rules, life)?;
            let (at, used) = change.used_after((head, form), &*words, rules)?;
            at.set_used(words, used);
            next = changes.next();
        }
    }
    Ok(())
}

/// Checks every condition of the claim.
pub(crate) fn check_conditions(
    draft: &mut impl Draft,
    rules: &impl Rules,
    claim: &Claim,
) -> Result<(), Abort<Error>> {
    for (provider, condition) in &claim.conditions {
        let cell = usage_of(provider.cell);
        let place = draft.open(cell)?;
        let usage = UsageWords(draft.words(place));
        match *condition {
            Condition::Generation(expected) => {
                rules.note(cell, Some(provider), Question::Generation)?;
                provider.check_life(usage.life())?;
                let actual = usage.generation();
                if actual != expected {
                    let provider = provider.uuid;
                    return Err(Error::GenerationConflict { provider, expected, actual }.into());
                }
            }
        }
    }
    Ok(())
}

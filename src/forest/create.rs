//! Creates providers.

use std::sync::Arc;

use uuid::Uuid;

use crate::error::{Error, Result, check_provider_name};
use crate::forest::configuration::{Candidate, Facts};
use crate::forest::core::Forest;
use crate::forest::draft::{open_live, structure_at};
use crate::forest::generation::Expect;
use crate::forest::keys::{KeyCell, Name, Refusal, take_key, while_stale, with_new_keys};
use crate::forest::links::{append, live_words};
use crate::forest::provider::Provider;
use crate::layout::{
    BARE_WORDS, CHILDREN, Cordon, Life, NAME_WORDS, NameOwner, SIBLINGS, STRUCTURE_WORDS, State,
    Structure, bare_usage, cordon_in, name_words, usage_of, with_child, with_next,
};
use crate::ledger::{Abort, Cell, Record, Stamp, Transaction, Writer};

/// Creates a provider as the last child of `parent`, or as the last root, at this generation.
pub(crate) fn create(
    forest: &Forest,
    writer: &mut Writer,
    parent: Option<&Provider>,
    (name, uuid): (&str, Uuid),
    generation: u64,
) -> Result<Provider> {
    check_provider_name(name)?;
    Expect::Mirror(generation).validate()?;
    let parent_cell = forest.parent_cell(parent)?;
    let name: Name = Arc::from(name);
    while_stale(|| {
        let (uuids, names) = ((&forest.providers, &uuid), (&forest.names, &name));
        with_new_keys(writer, uuids, names, |writer, structure, name_key| {
            let name = &name;
            NewProvider { uuid, name, generation, structure, name_key, parent, parent_cell }
                .create(forest, writer)
        })
    })
}

/// Holds what a new provider is made of.
struct NewProvider<'a> {
    uuid: Uuid,
    name: &'a Name,
    generation: u64,
    /// The cell of the uuid, which becomes the structure cell of the provider.
    structure: KeyCell,
    /// The cell of the name.
    name_key: KeyCell,
    /// `None` for a root, whose parent is the super-root.
    parent: Option<&'a Provider>,
    parent_cell: Cell,
}

impl NewProvider<'_> {
    /// Creates the provider. Refuses as stale if one of the two keys was given up.
    fn create(&self, forest: &Forest, writer: &mut Writer) -> Result<Provider, Refusal> {
        let facts = Facts::bare(Arc::clone(self.name), self.parent.map(|parent| parent.uuid));
        let usage = usage_of(self.structure.cell);
        let candidate = forest.configurations.publish(&forest.ledger, usage, facts, None);
        let begun = candidate.decide_fast(|version| self.create_fast(writer, version));
        let at = match begun {
            Some(at) => at,
            None => self.create_in_turn(writer, &candidate)?,
        };
        candidate.begins(at);
        Ok(forest.handle_of(self.uuid, self.structure))
    }

    /// Tries once to create the provider without a transaction's body; returns since when it exists.
    /// Changes the same cells in the same way as [`create_in_turn`](Self::create_in_turn), which decides
    /// if this returns `None`. The parent, which others may change too, is read late.
    fn create_fast(&self, writer: &mut Writer, version: u64) -> Option<Stamp> {
        let NewProvider { uuid, structure, name_key, parent, parent_cell, .. } = *self;
        let KeyCell { cell, incarnation } = structure;
        let mut transaction = writer.fast_transaction();
        let free = |incarnation| {
            move |record: Record<'_>| {
                let life = Life::of(record);
                life.is(State::Free, incarnation).then_some(life)
            }
        };
        let (words, life) =
            transaction.renew(name_key.cell, NAME_WORDS, free(name_key.incarnation))?;
        words.set(0, name_words(life, NameOwner { cell, incarnation, uuid }));
        let words = live_words(&mut transaction, parent_cell)?;
        if parent.is_some_and(|parent| parent.incarnation != Life::of_words(words).incarnation) {
            return None;
        }
        let inherited = cordon_in(words).holds();
        let (children, previous) = with_child(words.word(CHILDREN), cell);
        words.set(CHILDREN, [children]);
        if let Some(previous) = previous {
            let words = live_words(&mut transaction, previous)?;
            words.set(SIBLINGS, [with_next(words.word(SIBLINGS), Some(cell))]);
        }
        let (words, life) = transaction.renew(cell, STRUCTURE_WORDS, free(incarnation))?;
        let life = life.with(State::Live);
        let structure = leaf(life, (uuid, name_key.cell), (parent_cell, previous), inherited);
        words.set(0, structure.words());
        let look = |record: Record<'_>| (Life::of(record).state == State::Free).then_some(());
        let (words, ()) = transaction.renew(usage_of(cell), BARE_WORDS, look)?;
        words.set(0, bare_usage(life, self.generation, version, inherited));
        transaction.commit().then(|| writer.committed_at())
    }

    /// Creates the provider in a transaction with a body; returns since when it exists.
    #[cold]
    fn create_in_turn(
        &self,
        writer: &mut Writer,
        candidate: &Candidate<'_>,
    ) -> Result<Stamp, Refusal> {
        let ((), at) = Candidate::decide([candidate].into_iter(), writer, |transaction| {
            self.link(transaction, candidate.version)
        })?;
        Ok(at)
    }

    /// Creates the provider as part of a transaction, with nothing but a name and a place. `version` names its
    /// first configuration.
    fn link(&self, transaction: &mut Transaction<'_>, version: u64) -> Result<(), Abort<Refusal>> {
        let NewProvider { uuid, name, generation, structure, name_key, parent, parent_cell } =
            *self;
        let keys = (structure, name_key);
        begin(transaction, (uuid, name), keys, (parent, parent_cell), |words, life, inherited| {
            words.extend(bare_usage(life, generation, version, inherited));
        })
    }
}

/// Creates a provider as part of a transaction: makes its two cells live and gives it its name, if nothing
/// has its uuid or its name, and puts it behind the last child of its parent. That is checked to be live if
/// there is a handle of it. `usage` writes the words of the usage cell, for a life, and for whether the
/// provider is cordoned from the beginning.
pub(crate) fn begin(
    transaction: &mut Transaction<'_>,
    (uuid, name): (Uuid, &Name),
    (structure_key, name_key): (KeyCell, KeyCell),
    (parent, parent_cell): (Option<&Provider>, Cell),
    usage: impl FnOnce(&mut Vec<u64>, Life, bool),
) -> Result<(), Abort<Refusal>> {
    let KeyCell { cell, incarnation } = structure_key;
    let (place, life) = take_key(transaction, structure_key, || Error::UuidExists { uuid })?;
    let exists = || Error::NameExists { name: name.to_string() };
    let (name_place, name_life) = take_key(transaction, name_key, exists)?;
    transaction.rewrite(name_place, &name_words(name_life, NameOwner { cell, incarnation, uuid }));
    if let Some(parent) = parent {
        open_live(transaction, parent)?;
    }
    let previous = append(transaction, parent_cell, cell)?;
    let parent = transaction.open(parent_cell)?;
    let inherited = structure_at(transaction, parent).cordon.holds();
    let life = life.with(State::Live);
    let structure = leaf(life, (uuid, name_key.cell), (parent_cell, previous), inherited);
    transaction.rewrite(place, &structure.words());
    let usage_place = transaction.open(usage_of(cell))?;
    if Life::from_word(transaction.word(usage_place, 0)).state != State::Free {
        return Err(Abort::Torn);
    }
    let mut words = Vec::new();
    usage(&mut words, life, inherited);
    transaction.rewrite(usage_place, &words);
    Ok(())
}

/// Returns the structure of a new provider: the last child of `parent`, behind `previous`.
#[inline]
fn leaf(
    life: Life,
    (uuid, name): (Uuid, Cell),
    (parent, previous): (Cell, Option<Cell>),
    inherited: bool,
) -> Structure {
    Structure {
        life,
        uuid,
        name: Some(name),
        parent: Some(parent),
        first_child: None,
        last_child: None,
        previous,
        next: None,
        cordon: Cordon { own: false, inherited },
    }
}

//! What a fork's answers rest on, as it is in the snapshot.

use super::state::Fork;
use crate::claim::{Answer, Question, Rules};
use crate::error::{Error, Result};
use crate::forest::{Forest, Provider};
use crate::layout::{UsageHead, UsageWords, read_wide, usage_of};
use crate::ledger::{Cell, Torn};
use crate::values::{Inventories, Inventory, ResourceClass};

impl Rules for Fork {
    fn forest(&self) -> &Forest {
        &self.core().forest
    }

    /// Returns true: the inventories may be the fork's own, and what was asked of others is noted.
    fn has_units(&self, _: UsageHead) -> bool {
        true
    }

    fn inventory(
        &self,
        provider: &Provider,
        version: u64,
        class: ResourceClass,
    ) -> Result<Option<Inventory>, Torn> {
        let usage = usage_of(provider.cell);
        if let Some(own) = self.inventories.get(&usage) {
            return Ok(own.inventories.get(class).copied());
        }
        self.note(usage, Some(provider), Question::Units(class.number()))?;
        self.forest().inventory(provider, version, class)
    }

    fn note(&self, usage: Cell, handle: Option<&Provider>, question: Question) -> Result<(), Torn> {
        let provider = match handle {
            Some(handle) => *handle,
            None => self.provider_of(usage).map_err(|_| Torn)?,
        };
        // Whether the fork's own inventories have a class rests on nothing in the snapshot.
        let is_own = matches!(question, Question::Has(_)) && self.inventories.contains_key(&usage);
        self.note_all(&provider, &[if is_own { Question::Exists } else { question }])?;
        if question == Question::Cordoned && !self.cordons.is_empty() {
            self.note_chain(&provider)?;
        }
        Ok(())
    }
}

impl Fork {
    /// Notes whether `provider` exists in the snapshot, and if so, the answers to `questions`.
    pub(super) fn note_all(&self, provider: &Provider, questions: &[Question]) -> Result<(), Torn> {
        let mut reads = self.reads.borrow_mut();
        let facts = reads.providers.entry(*provider).or_default();
        if facts.is_empty() {
            facts.push((Question::Exists, self.ask(provider, Question::Exists)?));
        }
        if facts[0].1 == Answer::Flag(false) {
            return Ok(());
        }
        for question in questions {
            if facts.iter().all(|(known, _)| known != question) {
                facts.push((*question, self.ask(provider, *question)?));
            }
        }
        Ok(())
    }

    /// Asks the snapshot.
    fn ask(&self, provider: &Provider, question: Question) -> Result<Answer, Torn> {
        let answer = self.base.read(|past| {
            let ask = |words: &[u64]| question.answer(self.forest(), provider, words);
            let layouts = &self.forest().layouts;
            read_wide(past, layouts, question.cell(provider), ask)
        });
        answer.map_err(|_| Torn)?
    }

    /// Notes where `provider` is: the fork may have cordoned one of its ancestors.
    fn note_chain(&self, provider: &Provider) -> Result<(), Torn> {
        let ancestors = match self.base.ancestors(provider) {
            Err(Error::Removed { .. }) => Vec::new(),
            ancestors => ancestors.map_err(|_| Torn)?,
        };
        for one in std::iter::once(*provider).chain(ancestors) {
            self.note_all(&one, &[Question::Parent])?;
        }
        Ok(())
    }

    /// Applies `read` to what the fork has in the usage cell of `provider`, and notes that the
    /// result rests on `question`.
    pub(super) fn look<T>(
        &self,
        provider: &Provider,
        question: Question,
        read: impl FnOnce(UsageWords<&[u64]>) -> T,
    ) -> Result<T> {
        let cell = self.core().forest.usage_cell(provider)?;
        self.note(cell, Some(provider), question).map_err(|torn| self.error(torn.into()))?;
        let words = self.words(cell)?;
        let usage = UsageWords(&words[..]);
        provider.check_life(usage.life())?;
        Ok(read(usage))
    }

    /// Notes what setting inventories rests on beside the generation: how much is used of each
    /// class whose inventory is dropped.
    pub(super) fn note_dropped(&self, provider: &Provider, new: &Inventories) -> Result<()> {
        let cell = usage_of(provider.cell);
        let is_dropped = |class: &u16| new.get(ResourceClass::from_number(*class)).is_none();
        let layouts = &self.forest().layouts;
        let dropped: Vec<u16> = self.base.read(|past| {
            read_wide(past, layouts, cell, |words| {
                let classes = UsageWords(words).all(layouts).map(|(class, _)| class);
                classes.filter(is_dropped).collect()
            })
        })?;
        for class in dropped {
            self.look(provider, Question::Usage(class), |_| ())?;
        }
        Ok(())
    }
}

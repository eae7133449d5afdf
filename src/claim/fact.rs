//! [`Question`] and [`Answer`]: what the answers of a fork rest on.
//!
//! A cell holds more than one fact, and most changes of a cell leave most of its facts as they are.
//! So a fork keeps each answer that it has taken from its snapshot, and a commit compares the
//! answers, not the versions of the cells that have the answers.

use smallvec::SmallVec;

use crate::forest::{Forest, Provider};
use crate::layout::{Amounts, State, Structure, UsageWords, usage_of};
use crate::ledger::{Cell, Torn};
use crate::values::{ResourceClass, Usage};

/// Represents a question about a provider.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Question {
    Exists,
    Parent,
    /// Whether the provider itself is cordoned.
    OwnCordon,
    /// Whether the provider or one of its ancestors is cordoned.
    Cordoned,
    Generation,
    /// Whether the provider has an inventory of the class.
    Has(u16),
    /// Capacity and use of the class.
    Usage(u16),
    /// Capacity and use of all classes.
    Usages,
    /// Least, greatest and step amount of the provider's inventory of the class.
    Units(u16),
}

/// Holds the answer to a [`Question`].
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Answer {
    Flag(bool),
    Generation(u64),
    Parent(Option<Cell>),
    Usage(Option<Usage>),
    Usages(Vec<(u16, Usage)>),
    Units(Option<[u64; 3]>),
}

impl Question {
    /// Returns the cell of `provider` that has the answer.
    pub(crate) fn cell(self, provider: &Provider) -> Cell {
        match self {
            Question::Parent | Question::OwnCordon => provider.cell,
            _ => usage_of(provider.cell),
        }
    }

    /// Returns the answer about `provider` in `words`, which are those of the [cell](Self::cell)
    /// that has it.
    pub(crate) fn answer(
        self,
        forest: &Forest,
        provider: &Provider,
        words: &[u64],
    ) -> Result<Answer, Torn> {
        let usage = UsageWords(words);
        let layouts = &*forest.layouts;
        let find = |class| usage.find(layouts, class).map(Amounts::usage);
        Ok(match self {
            Question::Exists => Answer::Flag(usage.life().is(State::Live, provider.incarnation)),
            Question::Parent => Answer::Parent(Structure::of_words(words).parent),
            Question::OwnCordon => Answer::Flag(Structure::of_words(words).cordon.own),
            Question::Cordoned => Answer::Flag(usage.is_cordoned()),
            Question::Generation => Answer::Generation(usage.generation()),
            Question::Has(class) => Answer::Flag(find(class).is_some()),
            Question::Usage(class) => Answer::Usage(find(class)),
            Question::Usages => {
                let usage = |(class, amounts): (u16, Amounts)| (class, amounts.usage());
                Answer::Usages(UsageWords(words).all(layouts).map(usage).collect())
            }
            Question::Units(class) => {
                let (cell, class) = (usage_of(provider.cell), ResourceClass::from_number(class));
                let version = usage.configuration();
                Answer::Units(forest.with_configuration(cell, version, |configuration| {
                    let inventory = configuration.inventories.get(class)?;
                    Some([inventory.min_unit, inventory.max_unit, inventory.step_size])
                })?)
            }
        })
    }
}

/// Lists what a fork has read of one provider.
pub(crate) type Answers = SmallVec<[(Question, Answer); 4]>;

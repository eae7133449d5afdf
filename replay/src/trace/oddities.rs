//! What is odd about a task list although it can be replayed.

use std::collections::{BTreeMap, BTreeSet};

use crate::quote::quote;
use crate::shape::Models;

/// Counts what nobody can have meant.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Oddities {
    /// By GPU model that no node has: how many tasks name it.
    strangers: BTreeMap<String, usize>,
    /// How many tasks name no other models.
    without_node: usize,
    /// How many tasks have the name of an earlier one, and the first of them.
    repeated: usize,
    first_repeated: Option<(String, usize)>,
}

/// Bounds the models that are named.
const MOST_NAMED: usize = 10;

impl Oddities {
    /// Counts the models that a task names, of which the cluster has only some.
    pub(super) fn see_models<'a>(&mut self, named: impl Iterator<Item = &'a str>, models: &Models) {
        let (known, strangers): (BTreeSet<&str>, BTreeSet<&str>) =
            named.partition(|name| models.has(name));
        self.without_node += usize::from(known.is_empty());
        for stranger in strangers {
            *self.strangers.entry(stranger.to_owned()).or_default() += 1;
        }
    }

    /// Counts a task in this line whose name an earlier one has.
    pub(super) fn see_repeated(&mut self, name: &str, line: usize) {
        self.repeated += 1;
        self.first_repeated.get_or_insert_with(|| (name.to_owned(), line));
    }

    /// Returns a sentence for each.
    pub(super) fn in_words(&self, models: &Models) -> Vec<String> {
        let mut words: Vec<_> = self
            .strangers
            .iter()
            .take(MOST_NAMED)
            .map(|(stranger, &tasks)| unheard_of(stranger, tasks, models))
            .collect();
        if let Some(more @ 1..) = self.strangers.len().checked_sub(MOST_NAMED) {
            words.push(format!("{more} more GPU models that tasks name are no node's"));
        }
        if self.without_node > 0 {
            let tasks = counted(self.without_node);
            words.push(format!("no node has any GPU model of {tasks}: they can't be placed"));
        }
        if let Some((name, line)) = &self.first_repeated {
            let (tasks, name) = (counted(self.repeated), quote(name));
            words.push(format!(
                "{tasks} with an earlier one's name, the first of them `{name}` in line {line}"
            ));
        }
        words
    }
}

fn unheard_of(stranger: &str, tasks: usize, models: &Models) -> String {
    let (tasks, shown) = (counted(tasks), quote(stranger));
    let meant = match models.but_for_case(stranger) {
        Some(model) => format!("; a node's is `{model}`"),
        None => String::new(),
    };
    format!("no node has the GPU model `{shown}` that {tasks} may run on{meant}")
}

fn counted(tasks: usize) -> String {
    format!("{tasks} task{}", if tasks == 1 { "" } else { "s" })
}

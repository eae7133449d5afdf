//! A task list, and the order of its tasks in a run.

use std::borrow::Cow;
use std::path::Path;

use super::{LoadRule, Machines, Source, Sources, built_in};
use crate::memory::Need;
use crate::policy::PolicyName;
use crate::refusal::Refusal;
use crate::seed::{self, Purpose};
use crate::shape::Demand;
use crate::trace::{self, TaskList};

/// Tasks as they are listed, before a run orders them.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    /// The task list.
    pub(crate) source: Source,
    /// What is odd about it.
    pub(crate) warnings: Vec<String>,
    listed: Listed,
    /// The tasks' names; empty if they were not asked for.
    names: Vec<String>,
    pub(crate) rule: LoadRule,
    /// The memory that a run is estimated to take.
    pub(crate) need: Need,
}

/// The tasks of one run, in the order in which they are scheduled.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) demands: Vec<Demand>,
    /// By position: the number of the task in the list.
    pub(crate) listed: Vec<usize>,
}

/// Where a run's tasks come from.
#[derive(Debug, Clone)]
enum Listed {
    File(Vec<Demand>),
    BuiltIn,
}

impl Tasks {
    /// Reads the tasks of a file.
    pub(super) fn read(
        file: &Path,
        sources: &Sources<'_>,
        machines: &Machines,
    ) -> Result<Self, Refusal> {
        let list = trace::read_tasks(file, &machines.models, sources.are_names_kept)?;
        let TaskList { tasks, names, warnings, content } = list;
        let source = Source::of_file(file, content);
        let (rule, need) = planned(&tasks, sources, machines)
            .map_err(|refusal| refusal.in_list(&source, sources.tasks.len()))?;
        Ok(Self { source, warnings, listed: Listed::File(tasks), names, rule, need })
    }

    /// Returns the built-in tasks.
    pub(super) fn built_in(sources: &Sources<'_>, machines: &Machines) -> Result<Self, Refusal> {
        let tasks = built_in::tasks(sources.seed);
        let (rule, need) = planned(&tasks, sources, machines)?;
        let source = Source::built_in();
        let (warnings, names) = (Vec::new(), Vec::new());
        Ok(Self { source, warnings, listed: Listed::BuiltIn, names, rule, need })
    }

    /// Returns the tasks of one run: the listed ones shuffled, then tasks drawn from among them until
    /// the load is reached. When the list itself is above the load, tasks are dropped.
    pub(crate) fn order(&self, seed: u64) -> Result<Order, Refusal> {
        let tasks = match &self.listed {
            Listed::File(tasks) => Cow::Borrowed(tasks),
            Listed::BuiltIn => Cow::Owned(built_in::tasks(seed)),
        };
        let listed = self.rule.apply(&tasks, &mut seed::generator(seed, Purpose::Order, 0))?;
        let demands = listed.iter().map(|&number| tasks[number]).collect();
        Ok(Order { demands, listed })
    }

    /// Returns the name of a listed task, or its number if it has none.
    pub(crate) fn name(&self, number: usize) -> Cow<'_, str> {
        match self.names.get(number) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(number.to_string()),
        }
    }
}

/// Returns how many tasks a run has, and what it takes.
fn planned(
    tasks: &[Demand],
    sources: &Sources<'_>,
    machines: &Machines,
) -> Result<(LoadRule, Need), Refusal> {
    let (nodes, scale) = (&machines.nodes, sources.scale);
    let rule = LoadRule::new(sources.load, nodes, scale, tasks)?;
    let need = |&policy: &PolicyName| {
        Need::new(nodes, scale, tasks, rule.expected_tasks, sources.most_threads, policy)
    };
    let most = sources.policies.iter().map(need).max_by_key(|need| need.memory);
    let need = most.unwrap_or_else(|| need(&PolicyName::FirstFit));
    Ok((rule, need))
}

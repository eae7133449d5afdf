//! What is replayed: a cluster's nodes and the tasks in their order.

mod built_in;
mod load;
mod machines;
mod ranks;
mod tasks;
mod timed;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::memory::Limit;
use crate::policy::PolicyName;
use crate::refusal::Refusal;

pub(crate) use load::LoadRule;
pub(crate) use machines::Machines;
pub(crate) use tasks::{Order, Tasks};
pub(crate) use timed::{Arrival, Listed, read_timed};

/// A cluster, and task lists to be replayed on it, one at a time.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) machines: Machines,
    /// At least one.
    pub(crate) lists: Vec<Tasks>,
}

/// What is to be read, and for what.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    /// The built-in cluster, if there is none.
    pub(crate) nodes: Option<&'a Path>,
    /// The built-in tasks, if there are none.
    pub(crate) tasks: Vec<&'a Path>,
    pub(crate) load: f64,
    pub(crate) scale: u32,
    /// The first of the seeds.
    pub(crate) seed: u64,
    pub(crate) policies: &'a [PolicyName],
    pub(crate) most_threads: usize,
    pub(crate) are_names_kept: bool,
}

/// The name of a list, as it was given, and the fingerprint of what is in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) file: String,
    pub(crate) content: String,
}

impl Source {
    fn of_file(file: &Path, content: String) -> Self {
        Self { file: file.to_string_lossy().into_owned(), content }
    }

    fn built_in() -> Self {
        Self { file: "built-in".to_owned(), content: built_in::content() }
    }
}

impl Workload {
    /// Reads what the sources name: the files' content or the built-in workload, scaled. Refuses what
    /// makes no sense, or would take more memory than the limits allow.
    pub(crate) fn read(sources: &Sources<'_>, limits: &[Limit]) -> Result<Self, Refusal> {
        let machines = Machines::read(sources)?;
        let mut lists = match sources.tasks.is_empty() {
            true => vec![Tasks::built_in(sources, &machines)?],
            false => {
                let read = |file: &&Path| Tasks::read(file, sources, &machines);
                sources.tasks.iter().map(read).collect::<Result<_, _>>()?
            }
        };
        let listed: usize = lists.iter().map(|list| list.rule.listed_tasks).sum();
        for list in &mut lists {
            list.need = list.need.beside(listed - list.rule.listed_tasks);
            if sources.are_names_kept {
                list.need = list.need.with_names(listed);
            }
            let short = list.need.check(limits).map_err(Refusal::from);
            short.map_err(|refusal| refusal.in_list(&list.source, sources.tasks.len()))?;
        }
        Ok(Self { machines: machines.scaled(sources.scale), lists })
    }
}

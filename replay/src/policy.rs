//! How a node is chosen for a task.
//!
//! Each policy has a file, which can serve as a model for one more. But for first-fit they are those of the
//! experiment in Weng et al., "Beware of Fragmentation", USENIX ATC 2023, as its published program defines
//! them: a node gets a score from 0 to 100, and of equal ones the first wins. In which order the nodes
//! stand is drawn by the seed. The search is the library's: a policy says in which order it wants the
//! candidates.
//!
//! | policy | goes through the nodes | looks at for one task |
//! |---|---|---|
//! | first-fit | as they stand | the first that fits |
//! | best-fit | in one order for all tasks, by what is free | the first few |
//! | random | by lot | the first few |
//! | the others | by a score for each kind of task | the nodes that have changed since the last such task |
//!
//! A new policy needs:
//!
//! - a file beside the others, with a [`Policy`] and its [`Search`], or with a [`Score`](scored::Score) where the
//!   published scale suits it;
//! - a name in [`PolicyName`], whose comment is its line in the help. The compiler then asks for the three
//!   answers below it: how the policy is made, whether it keeps scores, whether nodes have to count tasks;
//! - what it chooses, written naively: a score in `tests/definition.rs`, for which the compiler asks too, or an
//!   arm in `the_choice_is_that_of_a_naive_scan`, which finds the policy by itself;
//! - its name in the README's list, and in the list of `tests/command_line.rs`.

mod best_fit;
mod dot_product;
mod fgd;
mod first_fit;
pub(crate) mod fragmentation;
mod gpu_clustering;
mod gpu_packing;
mod random;
mod scored;

use std::cell::OnceCell;
use std::sync::Arc;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use provider_tree::{Candidate, Error, Request, View};
use rand::rngs::Xoshiro256PlusPlus;
use serde::Serialize;

use crate::cluster::{Cluster, TaskClasses};
use crate::policy::fragmentation::Typical;
use crate::shape::{Demand, Models};

/// A policy's name on the command line.
#[derive(ValueEnum, Serialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PolicyName {
    /// The first node that fits, in an order that the seed decides
    FirstFit,
    /// The node that has the least left after placing the task
    BestFit,
    /// Any node that fits, each with the same chance
    Random,
    /// The node that the task fragments least: fragmentation gradient descent
    Fgd,
    /// The node whose free resources are least like what the task asks for
    DotProduct,
    /// GPUs that are in use, then those of nodes in use, then those of idle nodes
    GpuPacking,
    /// The node whose other tasks use GPUs in the same way
    GpuClustering,
}

impl std::fmt::Display for PolicyName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // None only of a variant that can't be given on the command line, and there is no such one.
        let value = self.to_possible_value();
        formatter.write_str(value.as_ref().map_or("", PossibleValue::get_name))
    }
}

/// Chooses nodes for the tasks of one view.
pub(crate) trait Policy {
    /// Returns a search for the tasks that ask for the same.
    fn search(
        &self,
        view: &mut View,
        request: &Request,
        task: &Demand,
    ) -> Result<Box<dyn Search>, Error>;
}

/// What is known of the tasks that are to come, the same for each view.
pub(crate) struct Outlook<'a> {
    listed: &'a [Demand],
    models: &'a Models,
    typical: OnceCell<Arc<Typical>>,
}

impl<'a> Outlook<'a> {
    /// Returns the outlook that tasks like the listed ones come.
    pub(crate) fn new(listed: &'a [Demand], models: &'a Models) -> Self {
        Self { listed, models, typical: OnceCell::new() }
    }

    /// Returns what is typical of the tasks, which is worked out once.
    pub(crate) fn typical(&self) -> Arc<Typical> {
        let typical = || Arc::new(Typical::new(self.listed, self.models));
        Arc::clone(self.typical.get_or_init(typical))
    }
}

/// Finds a place for one task after the other, all of which ask for the same.
pub(crate) trait Search: Send {
    /// Returns a place for a task among what the view shows as free; `None` when it fits nowhere.
    /// `random` is the task's own generator.
    fn find(
        &mut self,
        view: &View,
        random: &mut Xoshiro256PlusPlus,
    ) -> Result<Option<Candidate>, Error>;
}

impl PolicyName {
    /// Returns the policy for a view of this cluster, where tasks are to come of which this is known.
    pub(crate) fn policy(
        self,
        view: &mut View,
        cluster: &Cluster,
        outlook: &Outlook<'_>,
    ) -> Box<dyn Policy> {
        match self {
            Self::FirstFit => Box::new(first_fit::FirstFit),
            Self::BestFit => Box::new(best_fit::BestFit::new(view, cluster.classes)),
            Self::Random => Box::new(random::Random),
            Self::Fgd => Box::new(fgd::Fgd::new(view, cluster, outlook.typical())),
            Self::DotProduct => Box::new(dot_product::DotProduct(cluster.classes)),
            Self::GpuPacking => Box::new(gpu_packing::GpuPacking(cluster.classes)),
            Self::GpuClustering => Box::new(gpu_clustering::GpuClustering::new(cluster)),
        }
    }

    /// Returns whether the policy keeps a score of each node for each kind of task.
    pub(crate) fn keeps_scores(self) -> bool {
        match self {
            Self::FirstFit | Self::BestFit | Self::Random => false,
            Self::Fgd | Self::DotProduct | Self::GpuPacking | Self::GpuClustering => true,
        }
    }

    /// Returns the classes by which nodes count these tasks, if the policy has to know.
    pub(crate) fn task_classes(self, tasks: &[Demand]) -> Result<TaskClasses, Error> {
        match self.counts_tasks() {
            true => TaskClasses::of(tasks),
            false => Ok(TaskClasses::default()),
        }
    }

    /// Returns whether the nodes have to count the tasks that run there, by how they use GPUs.
    pub(crate) fn counts_tasks(self) -> bool {
        match self {
            Self::GpuClustering => true,
            Self::FirstFit | Self::BestFit | Self::Random => false,
            Self::Fgd | Self::DotProduct | Self::GpuPacking => false,
        }
    }
}

#[cfg(test)]
mod tests;

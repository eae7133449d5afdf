//! A task list whose tasks come and go at their times.

use std::path::Path;

use super::load::Resource;
use super::{Machines, Sources};
use crate::memory::{Limit, Need};
use crate::policy::PolicyName;
use crate::refusal::Refusal;
use crate::shape::{Demand, Node};
use crate::trace::{self, Times, shown};

/// The tasks of a list that have a time at which they come and a later one at which they go.
#[derive(Debug)]
pub(crate) struct TimedTasks {
    /// What is odd about the list.
    pub(crate) warnings: Vec<String>,
    pub(crate) listed: Listed,
    /// In the order in which they come.
    pub(crate) arrivals: Vec<Arrival>,
    /// The memory that a run is estimated to take.
    pub(crate) need: Need,
}

/// How many tasks are listed, and why some of them don't come.
#[derive(serde::Serialize, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) listed_tasks: usize,
    /// Without a creation_time or a deletion_time.
    pub(crate) without_time: usize,
    /// With a deletion_time that is not above the creation_time.
    pub(crate) without_lifetime: usize,
}

/// A task, the second in which it comes, and how many seconds it runs once it is placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) demand: Demand,
    pub(crate) time: u64,
    pub(crate) lifetime: u64,
}

/// Reads the nodes that the sources name and the tasks of this file, both scaled. Refuses what makes no
/// sense, or would take more memory with this policy than the limits allow.
pub(crate) fn read_timed(
    file: &Path,
    policy: PolicyName,
    sources: &Sources<'_>,
    limits: &[Limit],
) -> Result<(Machines, TimedTasks), Refusal> {
    let machines = Machines::read(sources)?;
    let (list, times) = trace::read_timed_tasks(file, &machines.models)?;
    let (arrivals, listed) = arrivals(&list.tasks, &times);
    let warnings = listed.in_words().map(|words| format!("{}: {words}", shown(file)));
    let warnings = list.warnings.into_iter().chain(warnings).collect();
    if arrivals.is_empty() {
        return Err(Refusal::NothingTimed { tasks: listed.listed_tasks });
    }
    let tasks = arrivals.len() as u64 * u64::from(sources.scale);
    let (nodes, scale) = (&machines.nodes, sources.scale);
    let at_once = most_at_once(nodes, &arrivals) * u64::from(scale);
    let need = Need::new(nodes, scale, &list.tasks, at_once, 1, policy).with_times(tasks);
    need.check(limits)?;
    let arrivals = repeated(arrivals, scale);
    let tasks = TimedTasks { warnings, listed, arrivals, need };
    Ok((machines.scaled(scale), tasks))
}

/// Returns the tasks that come, in order of time, those of the same second in the order of the list.
fn arrivals(tasks: &[Demand], times: &[Times]) -> (Vec<Arrival>, Listed) {
    let mut listed = Listed { listed_tasks: tasks.len(), ..Listed::default() };
    let mut arrivals = Vec::new();
    for (&demand, times) in tasks.iter().zip(times) {
        match (times.creation, times.deletion) {
            (Some(time), Some(deletion)) if time < deletion => {
                arrivals.push(Arrival { demand, time, lifetime: deletion - time });
            }
            (Some(_), Some(_)) => listed.without_lifetime += 1,
            _ => listed.without_time += 1,
        }
    }
    arrivals.sort_by_key(|arrival| arrival.time);
    (arrivals, listed)
}

/// Returns more than which of these tasks can't run at once: as many of the smallest as there is room
/// for, and another one, as several clusters side by side may have room for one more together.
fn most_at_once(nodes: &[Node], arrivals: &[Arrival]) -> u64 {
    let most = Resource::ALL.map(|it| {
        let mut asked: Vec<_> = arrivals.iter().map(|task| it.of_task(&task.demand)).collect();
        asked.sort_unstable();
        let mut room: u64 = nodes.iter().map(|node| it.of_node(node)).sum();
        let is_room = |&asked: &u64| {
            let left = room.checked_sub(asked);
            room = left.unwrap_or(0);
            left.is_some()
        };
        asked.into_iter().take_while(is_room).count() + 1
    });
    most.into_iter().fold(arrivals.len(), usize::min) as u64
}

/// Returns each of these so many times, side by side.
fn repeated(arrivals: Vec<Arrival>, scale: u32) -> Vec<Arrival> {
    arrivals.into_iter().flat_map(|arrival| (0..scale).map(move |_| arrival)).collect()
}

impl Listed {
    /// Returns a sentence for each reason.
    fn in_words(self) -> impl Iterator<Item = String> {
        let reasons = [
            (self.without_time, "has no creation_time or no deletion_time"),
            (self.without_lifetime, "has a deletion_time that is not above its creation_time"),
        ];
        let is_there = |&(tasks, _): &(usize, &str)| tasks > 0;
        reasons.into_iter().filter(is_there).map(|(tasks, why)| match tasks {
            1 => format!("1 task is left out: it {why}"),
            _ => format!("{tasks} tasks are left out: each {why}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::ModelSet;

    fn task(cpu_milli: u32) -> Demand {
        Demand { cpu_milli, memory_mib: 1, gpus: 0, gpu_milli: 0, models: ModelSet::ANY }
    }

    fn times(creation: impl Into<Option<u64>>, deletion: impl Into<Option<u64>>) -> Times {
        Times { creation: creation.into(), deletion: deletion.into() }
    }

    #[test]
    fn tasks_come_in_the_order_of_their_times_and_then_of_the_list() {
        let tasks: Vec<_> = (0..4).map(task).collect();
        let (arrivals, listed) =
            arrivals(&tasks, &[times(9, 10), times(3, 7), times(0, 1), times(3, 4)]);
        let found = arrivals.iter().map(|it| (it.demand.cpu_milli, it.time, it.lifetime));
        assert_eq!(found.collect::<Vec<_>>(), [(2, 0, 1), (1, 3, 4), (3, 3, 1), (0, 9, 1)]);
        assert_eq!(listed, Listed { listed_tasks: 4, ..Listed::default() });
        let twice = repeated(arrivals, 2);
        let order: Vec<_> = twice.iter().map(|it| it.demand.cpu_milli).collect();
        assert_eq!(order, [2, 2, 1, 1, 3, 3, 0, 0]);
    }

    #[test]
    fn no_more_run_at_once_than_there_is_room_for() {
        let node =
            Node { name: "n".to_owned(), cpu_milli: 10, memory_mib: 100, gpus: 0, model: None };
        let tasks: Vec<_> = [4, 3, 9, 2].into_iter().map(task).collect();
        let (arrivals, _) = arrivals(&tasks, &[times(0, 1); 4]);
        assert_eq!(
            most_at_once(std::slice::from_ref(&node), &arrivals),
            4,
            "2, 3, 4, and one more"
        );
        let small = Node { cpu_milli: 8, ..node.clone() };
        assert_eq!(most_at_once(&[small], &arrivals), 3, "2, 3, and one more");
        assert_eq!(most_at_once(&[node.clone(), node], &arrivals), 4, "there are no more");
    }

    #[test]
    fn what_has_no_times_or_no_lifetime_is_left_out_and_told() {
        let all = [times(None, 5), times(5, None), times(5, 5), times(5, 6), times(None, None)];
        let (arrivals, listed) = arrivals(&[task(1); 5], &all);
        assert_eq!(arrivals.len(), 1);
        let expected = [
            "3 tasks are left out: each has no creation_time or no deletion_time",
            "1 task is left out: it has a deletion_time that is not above its creation_time",
        ];
        assert_eq!(listed.in_words().collect::<Vec<_>>(), expected);
    }
}

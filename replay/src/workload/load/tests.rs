//! What the load counts, and the tasks that come of it.

use super::*;
use crate::seed::{self, Purpose};
use crate::shape::ModelSet;

fn task(gpus: u8, gpu_milli: u16) -> Demand {
    Demand { cpu_milli: 1000, memory_mib: 1, gpus, gpu_milli, models: ModelSet::ANY }
}

/// A node of 100 cores and 1 GiB.
fn node(gpus: u8) -> Node {
    Node { name: "n".to_owned(), cpu_milli: 100_000, memory_mib: 1024, gpus, model: None }
}

fn random(seed: u64) -> Xoshiro256PlusPlus {
    seed::generator(seed, Purpose::Order, 0)
}

/// Counts GPUs up to a limit.
fn published(limit: u64, most_tasks: u64) -> LoadRule {
    LoadRule {
        counts: Resource::Gpu,
        because: "",
        listed_tasks: 0,
        impossible_tasks: 0,
        expected_tasks: 0,
        most_tasks,
        most_for_each: MOST_FOR_EACH,
        load: 1.0,
        limit,
        lacking: Vec::new(),
    }
}

fn applied(tasks: Vec<Demand>, limit: u64, seed: u64) -> Vec<Demand> {
    let applied = published(limit, 1000).apply(&tasks, &mut random(seed));
    let order = applied.expect("the load is within reach");
    order.into_iter().map(|number| tasks[number]).collect()
}

/// What the tool did before it knew ranks: slow, and the definition of what it does now.
fn by_definition(mut tasks: Vec<Demand>, limit: u64, seed: u64) -> Vec<Demand> {
    let random = &mut random(seed);
    tasks.shuffle(random);
    let counted = |task: &Demand| u64::from(task.gpu_milli);
    let mut load: u64 = tasks.iter().map(counted).sum();
    let (listed, mut raised) = (tasks.len(), load);
    if load <= limit {
        loop {
            let drawn = tasks[random.random_range(0..listed)];
            raised += counted(&drawn);
            if raised > limit {
                break;
            }
            tasks.push(drawn);
        }
    }
    while load > limit {
        load -= counted(&tasks.remove(random.random_range(0..tasks.len())));
    }
    tasks
}

#[test]
fn tasks_are_those_of_the_definition() {
    let sizes = &mut random(0);
    let listed = (0..200).map(|number| Demand {
        cpu_milli: number,
        ..task(sizes.random_range(1..=8), sizes.random_range(1..=1000))
    });
    let mut listed: Vec<_> = listed.collect();
    listed.extend((0..50).map(|number| Demand { memory_mib: number, ..task(0, 0) }));
    for seed in 0..20 {
        for limit in [1_000, 5_000, 30_000, 90_000, 150_000, 300_000] {
            let expected = by_definition(listed.clone(), limit, seed);
            assert_eq!(applied(listed.clone(), limit, seed), expected, "{seed}, {limit}");
        }
    }
}

#[test]
fn tasks_are_appended_up_to_the_load() {
    let listed = vec![task(1, 300), task(8, 1000), task(0, 0)];
    let tasks = applied(listed.clone(), 10_000, 1);
    let load: u64 = tasks.iter().map(|task| u64::from(task.gpu_milli)).sum();
    assert!((9_001..=10_000).contains(&load), "{load}: an eight-GPU task counts 1000");
    assert!(listed.iter().all(|listed| tasks[..3].contains(listed)), "the list comes first");
    assert_eq!(tasks, applied(listed.clone(), 10_000, 1));
    assert_ne!(tasks, applied(listed, 10_000, 2));
}

#[test]
fn tasks_are_dropped_down_to_the_load() {
    assert_eq!(applied(vec![task(1, 1000); 10], 4_500, 1).len(), 4);
}

/// A second would pass before the slow way had dropped these.
#[test]
fn many_tasks_are_dropped_at_once() {
    assert_eq!(applied(vec![task(1, 1); 1_000_000], 500, 1).len(), 500);
}

#[test]
fn a_load_below_every_task_is_refused() {
    let left = published(4, 1000).apply(&[task(1, 5); 3], &mut random(1));
    assert!(matches!(left, Err(Refusal::NothingLeft { listed: 3, .. })), "{left:?}");
}

#[test]
fn appending_ends_with_a_refusal_at_the_latest() {
    let appended = published(1_000_000, 100).apply(&[task(1, 5); 3], &mut random(1));
    assert!(matches!(appended, Err(Refusal::TooManyTasks { most: 100, .. })), "{appended:?}");
}

fn rule(nodes: &[Node], tasks: &[Demand]) -> LoadRule {
    LoadRule::new(1.3, nodes, 1, tasks).expect("the tasks can run")
}

#[test]
fn gpus_are_counted_where_tasks_compete_for_them() {
    let rule = rule(&[node(8)], &[task(1, 500), task(8, 1000), task(0, 0)]);
    assert_eq!((rule.counts, rule.limit), (Resource::Gpu, 10_400));
    assert_eq!(rule.expected_tasks, 20, "three tasks count 1500");
    assert_eq!(rule.most_tasks, 4_000);
}

#[test]
fn the_scarcest_is_counted_where_no_node_has_gpus() {
    let cores = rule(&[node(0)], &[task(0, 0); 10]);
    assert_eq!((cores.counts, cores.limit, cores.expected_tasks), (Resource::Cpu, 130_000, 130));
    let memory = rule(&[node(0)], &[Demand { memory_mib: 512, ..task(0, 0) }]);
    assert_eq!((memory.counts, memory.limit), (Resource::Memory, 1331));
}

#[test]
fn the_scarcest_is_counted_where_hardly_any_gpus_are_asked_for() {
    let mut tasks = vec![task(0, 0); 1000];
    tasks.push(task(1, 10));
    let nodes = vec![node(8); 100];
    let hardly = rule(&nodes, &tasks);
    assert_eq!((hardly.counts, hardly.limit), (Resource::Cpu, 13_000_000));
    let made = hardly.apply(&tasks, &mut random(1)).expect("the load is within reach");
    assert_eq!(made.len(), 13_000);
}

#[test]
fn tasks_that_cannot_run_count_for_nothing() {
    let tasks = [task(1, 500), task(0, 0), task(0, 0)];
    let rule = rule(&[node(0)], &tasks);
    assert_eq!((rule.counts, rule.impossible_tasks), (Resource::Cpu, 1));
    assert_eq!(rule.sum(&tasks), 2000);
}

#[test]
fn tasks_of_which_none_can_run_are_refused() {
    let refused = LoadRule::new(1.3, &[node(0)], 1, &[task(1, 500)]);
    let message = refused.expect_err("there are no GPUs").to_string();
    assert_eq!(message, "no task can run: no node has any GPUs");
}

#[test]
fn a_load_out_of_reach_is_refused() {
    let tasks = [Demand { cpu_milli: 0, memory_mib: 0, ..task(1, 1) }];
    let refused = LoadRule::new(1.3, &[node(8)], 1, &tasks).expect_err("it takes 10,400 tasks");
    let message = refused.to_string();
    assert!(message.contains("some 10400 tasks, more than 2000, which is 1000 for"), "{message}");
}

#[test]
fn a_scaled_cluster_counts_as_often() {
    let rule = LoadRule::new(1.0, &[node(8)], 10, &[task(1, 500)]).expect("the task can run");
    assert_eq!((rule.limit, rule.most_tasks), (80_000, 11_000));
}

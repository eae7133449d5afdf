//! Each policy against a naive scan of all nodes, on random clusters.

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use super::*;
use crate::cluster::Cluster;
use crate::seed::{self, Purpose};
use crate::shape::{ModelSet, Models, Node, WHOLE_GPU};

const MODELS: [&str; 3] = ["A", "B", "C"];

fn node(index: usize, cpu_milli: u32, gpus: u8) -> Node {
    Node { name: format!("n{index:03}"), cpu_milli, memory_mib: 1 << 20, gpus, model: None }
}

fn task(cpu_milli: u32, gpus: u8, gpu_milli: u16) -> Demand {
    Demand { cpu_milli, memory_mib: 1, gpus, gpu_milli, models: ModelSet::ANY }
}

fn cluster_of(nodes: &[Node]) -> Cluster {
    Cluster::new(nodes, &Models::default()).expect("the nodes are well formed")
}

fn view_of(cluster: &Cluster, policy: PolicyName) -> View {
    View::new(cluster, policy.order()).expect("nothing was removed")
}

/// Places the tasks one after another and gives back each node and its devices.
fn place(policy: PolicyName, nodes: &[Node], tasks: &[Demand]) -> Vec<Option<(u32, Vec<usize>)>> {
    let cluster = cluster_of(nodes);
    let mut view = view_of(&cluster, policy);
    let place = |task| {
        let mut random = seed::generator(1, Purpose::Choice, 0);
        let choice = policy.choose(&view, task, &mut random)?;
        view.subtract(choice.node, task, choice.devices);
        Some((choice.node, choice.devices.iter().collect()))
    };
    tasks.iter().map(place).collect()
}

#[test]
fn first_fit_takes_the_first_node_and_the_first_devices() {
    let nodes = [node(0, 1000, 0), node(1, 9000, 2), node(2, 9000, 2)];
    let tasks = [task(2000, 1, 600), task(2000, 1, 300), task(2000, 1, 500), task(500, 0, 0)];
    let expected = [Some((1, vec![0])), Some((1, vec![0])), Some((1, vec![1])), Some((0, vec![]))];
    assert_eq!(place(PolicyName::FirstFit, &nodes, &tasks), expected);
}

#[test]
fn best_fit_takes_the_fullest_node_and_the_tightest_device() {
    let nodes = [node(0, 96_000, 8), node(1, 96_000, 2), node(2, 96_000, 4)];
    let tasks = [task(1000, 1, 600), task(1000, 1, 500), task(1000, 1, 400), task(1000, 2, 1000)];
    // The whole pair no longer fits the second node, and the third is fuller than the first.
    let expected =
        [Some((1, vec![0])), Some((1, vec![1])), Some((1, vec![0])), Some((2, vec![0, 1]))];
    assert_eq!(place(PolicyName::BestFit, &nodes, &tasks), expected);
}

#[test]
fn equal_scores_go_to_the_smallest_name() {
    // Less than one point of difference: the score is a whole number.
    let nodes = [node(0, 64_100, 0), node(1, 64_000, 0), node(2, 64_100, 0)];
    let expected = [Some((0, vec![]))];
    assert_eq!(place(PolicyName::BestFit, &nodes, &[task(1000, 0, 0)]), expected);
    // More than one point.
    let nodes = [node(0, 70_000, 0), node(1, 64_000, 0)];
    let expected = [Some((1, vec![]))];
    assert_eq!(place(PolicyName::BestFit, &nodes, &[task(1000, 0, 0)]), expected);
}

#[test]
fn nothing_is_chosen_when_nothing_fits() {
    for policy in [PolicyName::FirstFit, PolicyName::BestFit, PolicyName::Random] {
        let nodes = [node(0, 1000, 1), node(1, 9000, 0)];
        assert_eq!(place(policy, &nodes, &[task(2000, 1, 100)]), [None], "{policy}");
    }
}

#[test]
fn the_choice_is_that_of_a_naive_scan() {
    for round in 0..60 {
        println!("round {round}");
        for policy in [PolicyName::FirstFit, PolicyName::BestFit, PolicyName::Random] {
            compare_with_scan(policy, round);
        }
    }
}

/// Fills a random cluster by one policy and checks every choice.
fn compare_with_scan(policy: PolicyName, round: u64) {
    let mut random = seed::generator(round, Purpose::Sizes, 0);
    let mut models = Models::default();
    let nodes: Vec<_> = (0..40).map(|index| random_node(index, &mut models, &mut random)).collect();
    let cluster = Cluster::new(&nodes, &models).expect("the nodes are well formed");
    let mut view = view_of(&cluster, policy);
    for index in 0..300 {
        let task = random_task(&models, &mut random);
        let choice = policy.choose(&view, &task, &mut random);
        let fitting: Vec<_> = (0..view.len()).filter(|&node| view.fits(node, &task)).collect();
        let Some(Choice { node, devices }) = choice else {
            assert!(fitting.is_empty(), "{policy}, task {index}");
            continue;
        };
        let free = view.free(node);
        assert_eq!(devices.len(), usize::from(task.gpus));
        assert!(devices.iter().all(|device| free.gpus[device] >= task.gpu_milli));
        match policy {
            PolicyName::FirstFit => assert_eq!(Some(&node), fitting.first(), "task {index}"),
            PolicyName::BestFit => assert_eq!(node, best(&view, &task, &fitting), "task {index}"),
            PolicyName::Random => assert!(fitting.contains(&node), "task {index}"),
        }
        view.subtract(node, &task, devices);
    }
}

/// The best-fit rule as it is written, in whole numbers.
fn best(view: &View, task: &Demand, fitting: &[u32]) -> u32 {
    let score = |node: u32| {
        let free = view.free(node);
        let cpu_left = i64::from(free.cpu_milli - task.cpu_milli);
        let gpu_left: i64 = free.gpus.iter().map(|&free| i64::from(free)).sum();
        let gpu_left = gpu_left - i64::from(task.gpu_total());
        // 100 * (1 - 0.5 * (cpu / 128000 + gpu / 8000)), over 2 * 128000 * 8000.
        let (cpu_all, gpu_all) = (128_000, 8_000);
        let above = 2 * cpu_all * gpu_all - (cpu_left * gpu_all + gpu_left * cpu_all);
        100 * above / (2 * cpu_all * gpu_all)
    };
    let best = fitting.iter().max_by_key(|&&node| (score(node), std::cmp::Reverse(node)));
    *best.expect("some node fits")
}

fn random_node(index: usize, models: &mut Models, random: &mut Xoshiro256PlusPlus) -> Node {
    let gpus = [0, 1, 2, 4, 8][random.random_range(0..5)];
    let model = (gpus > 0).then(|| MODELS[random.random_range(0..MODELS.len())]);
    Node {
        cpu_milli: random.random_range(1..20) * 8_000,
        memory_mib: random.random_range(8..200),
        model: model.and_then(|model| models.intern(model)),
        ..node(index, 0, gpus)
    }
}

fn random_task(models: &Models, random: &mut Xoshiro256PlusPlus) -> Demand {
    let gpus = [0, 1, 1, 1, 2, 4][random.random_range(0..6)];
    let gpu_milli = match gpus {
        0 => 0,
        _ if random.random_bool(0.5) => WHOLE_GPU,
        _ => random.random_range(1..WHOLE_GPU),
    };
    let spec = (0..random.random_range(0..3)).map(|_| MODELS[random.random_range(0..3)]);
    let spec: Vec<_> = spec.collect();
    Demand {
        cpu_milli: random.random_range(0..12) * 500,
        memory_mib: random.random_range(0..8),
        gpus,
        gpu_milli,
        models: if spec.is_empty() { ModelSet::ANY } else { models.set(spec) },
    }
}

#[test]
fn a_room_of_everything_scores_zero_and_of_nothing_a_hundred() {
    assert_eq!(best_fit::score(crate::view::room(128_000, 8_000)), 0);
    assert_eq!(best_fit::score(0), 100);
    assert_eq!(best_fit::score(1), 99);
    // Larger than the largest: rounded toward zero, as a cast is.
    assert_eq!(best_fit::score(256_001), 0);
}

#[test]
fn random_choices_are_even() {
    let nodes: Vec<_> = (0..4).map(|index| node(index, 1000, 2)).collect();
    let cluster = cluster_of(&nodes);
    let view = view_of(&cluster, PolicyName::Random);
    let mut counts = [[0; 2]; 4];
    for index in 0..8000 {
        let mut random = seed::generator(3, Purpose::Choice, index);
        let choice = PolicyName::Random.choose(&view, &task(1, 1, 500), &mut random);
        let Choice { node, devices } = choice.expect("every node fits");
        let device = devices.iter().next().expect("one device was asked for");
        counts[node as usize][device] += 1;
    }
    assert!(counts.iter().flatten().all(|count| (850..1150).contains(count)), "{counts:?}");
}

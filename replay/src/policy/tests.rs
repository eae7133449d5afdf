//! Each policy against a naive scan of all nodes, on random clusters.

pub(super) mod definition;

use std::cmp::Reverse;
use std::collections::HashMap;

use provider_tree::Worker;
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use super::*;
use crate::seed::{self, Purpose};
use crate::shape::{GpuUse, ModelId, ModelSet, Models, Node, WHOLE_GPU};

const MODELS: [&str; 3] = ["A", "B", "C"];

fn node(index: usize, cpu_milli: u32, gpus: u8) -> Node {
    Node { name: format!("n{index:03}"), cpu_milli, memory_mib: 1 << 20, gpus, model: None }
}

fn task(cpu_milli: u32, gpus: u8, gpu_milli: u16) -> Demand {
    Demand { cpu_milli, memory_mib: 1, gpus, gpu_milli, models: ModelSet::ANY }
}

/// A cluster, and a thread that places tasks on it by one policy.
struct Bed {
    policy: Box<dyn Policy>,
    cluster: Cluster,
    worker: Worker,
    view: View,
    /// By task, as far as there was one.
    searches: HashMap<Demand, Box<dyn Search>>,
    placed: u64,
}

/// What a node has left, and what runs there.
pub(super) struct Free {
    pub(super) cpu_milli: u64,
    memory_mib: u64,
    pub(super) gpus: Vec<u64>,
    pub(super) model: Option<ModelId>,
    pub(super) running: Vec<GpuUse>,
}

impl Bed {
    fn new(policy: PolicyName, nodes: &[Node], models: &Models, tasks: &[Demand]) -> Self {
        let task_classes = policy.task_classes(tasks).expect("the names are well formed");
        let cluster = Cluster::new(nodes, models, task_classes);
        let cluster = cluster.expect("the nodes are well formed");
        let mut view = cluster.tree.view();
        let outlook = Outlook::new(tasks, &cluster.models);
        let policy = policy.policy(&mut view, &cluster, &outlook);
        let worker = cluster.tree.worker().expect("a worker is free");
        Self { policy, cluster, worker, view, searches: HashMap::new(), placed: 0 }
    }

    fn choose(&mut self, task: &Demand, random: &mut Xoshiro256PlusPlus) -> Option<Candidate> {
        let request = self.cluster.request(task).expect("the names are well formed")?;
        let search = self.searches.entry(*task).or_insert_with(|| {
            let search = self.policy.search(&mut self.view, &request, task);
            search.expect("the request is well formed")
        });
        search.find(&self.view, random).expect("the request is the view's")
    }

    fn claim(&mut self, found: &Candidate) {
        self.placed += 1;
        let claim = found.claim(seed::consumer(1, self.placed));
        let receipt = self.worker.claim(&claim).expect("what was found is free");
        assert_eq!(Some(receipt.consumer), claim.consumer());
        self.view.claimed(&claim);
    }

    /// The node and the devices of a candidate.
    fn places(&self, found: &Candidate) -> (usize, Vec<usize>) {
        let node = self.cluster.nodes.iter().position(|node| node.root == found.root());
        let node = node.expect("the root is a node's");
        let gpus = &self.cluster.nodes[node].gpus;
        let lines = found.lines();
        let devices = lines.map(|(provider, ..)| gpus.iter().position(|gpu| *gpu == provider));
        let mut devices: Vec<_> = devices.flatten().collect();
        devices.sort_unstable();
        (node, devices)
    }

    fn free(&self, node: usize) -> Free {
        let (tree, classes) = (&self.cluster.tree, self.cluster.classes);
        let node = &self.cluster.nodes[node];
        let free = |provider, class| tree.usage(provider, class).map_or(0, |usage| usage.free());
        Free {
            cpu_milli: free(&node.root, classes.cpu),
            memory_mib: free(&node.root, classes.memory),
            gpus: node.gpus.iter().map(|gpu| free(gpu, classes.gpu)).collect(),
            model: node.model,
            running: Vec::new(),
        }
    }
}

impl Free {
    fn fits(&self, task: &Demand) -> bool {
        self.cpu_milli >= task.cpu_milli.into()
            && self.memory_mib >= task.memory_mib.into()
            && task.models.accepts(self.model)
            && self.devices(task).count() >= task.gpus.into()
    }

    /// What each device has left that has enough for the task.
    pub(super) fn devices(&self, task: &Demand) -> impl Iterator<Item = u64> {
        let least = u64::from(task.gpu_milli);
        self.gpus.iter().copied().filter(move |&free| free >= least)
    }

    fn room(&self) -> u64 {
        best_fit::room(self.cpu_milli, self.gpus.iter().sum())
    }
}

/// Places the tasks one after another and gives back each node and its devices.
fn place(policy: PolicyName, nodes: &[Node], tasks: &[Demand]) -> Vec<Option<(usize, Vec<usize>)>> {
    let mut bed = Bed::new(policy, nodes, &Models::default(), tasks);
    let place = |task| {
        let found = bed.choose(task, &mut seed::generator(1, Purpose::Choice, 0))?;
        bed.claim(&found);
        Some(bed.places(&found))
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
fn equal_room_goes_to_the_smallest_name() {
    // Less than a 32nd part of difference.
    let nodes = [node(0, 64_100, 0), node(1, 64_000, 0), node(2, 64_100, 0)];
    let expected = [Some((0, vec![]))];
    assert_eq!(place(PolicyName::BestFit, &nodes, &[task(1000, 0, 0)]), expected);
    // More than that.
    let nodes = [node(0, 70_000, 0), node(1, 64_000, 0)];
    let expected = [Some((1, vec![]))];
    assert_eq!(place(PolicyName::BestFit, &nodes, &[task(1000, 0, 0)]), expected);
}

#[test]
fn nothing_is_chosen_when_nothing_fits() {
    for &policy in PolicyName::value_variants() {
        let nodes = [node(0, 1000, 1), node(1, 9000, 0)];
        assert_eq!(place(policy, &nodes, &[task(2000, 1, 100)]), [None], "{policy}");
    }
}

#[test]
fn the_choice_is_that_of_a_naive_scan() {
    for round in 0..5 {
        println!("round {round}");
        for &policy in PolicyName::value_variants() {
            compare_with_scan(policy, round);
        }
    }
}

/// Fills a random cluster by one policy and checks every choice.
fn compare_with_scan(policy: PolicyName, round: u64) {
    let mut random = seed::generator(round, Purpose::Sizes, 0);
    let mut models = Models::default();
    let nodes: Vec<_> = (0..40).map(|index| random_node(index, &mut models, &mut random)).collect();
    let tasks: Vec<_> = (0..200).map(|_| random_task(&models, &mut random)).collect();
    let mut bed = Bed::new(policy, &nodes, &models, &tasks);
    let mut running: Vec<Vec<GpuUse>> = vec![Vec::new(); nodes.len()];
    for (index, task) in tasks.iter().enumerate() {
        let found = bed.choose(task, &mut random);
        let free = |node: usize| Free { running: running[node].clone(), ..bed.free(node) };
        let all = (0..nodes.len()).map(|node| (node, free(node)));
        let fitting: Vec<_> = all.filter(|(_, free)| free.fits(task)).collect();
        let Some(found) = found else {
            assert!(fitting.is_empty(), "{policy}, task {index}");
            continue;
        };
        let (node, devices) = bed.places(&found);
        let chosen = fitting.iter().find(|(fitting, _)| *fitting == node);
        let (_, free) = chosen.unwrap_or_else(|| panic!("{policy}, task {index} does not fit"));
        let mut given: Vec<_> = devices.iter().map(|&device| free.gpus[device]).collect();
        assert_eq!(given.len(), usize::from(task.gpus));
        assert!(given.iter().all(|free| *free >= task.gpu_milli.into()));
        match policy {
            PolicyName::FirstFit => assert_eq!(node, fitting[0].0, "task {index}"),
            PolicyName::BestFit => {
                let least = fitting.iter().map(|(_, free)| free.room()).min();
                let least = least.expect("one fits");
                assert!(free.room() - least <= least / 32, "task {index}");
            }
            PolicyName::Random => {}
            _ => {
                let score = |free: &Free| definition::score(policy, free, task, &tasks);
                let scores = fitting.iter().map(|(node, free)| (score(free), Reverse(*node)));
                let best = scores.max().map(|(_, Reverse(node))| node);
                assert_eq!(Some(node), best, "{policy}, task {index}");
            }
        }
        if policy == PolicyName::Fgd && task.gpus == 1 && task.gpu_milli < WHOLE_GPU {
            let device = definition::best_device(free, task, &tasks);
            assert_eq!(devices, [device], "task {index}");
        } else if !matches!(policy, PolicyName::FirstFit | PolicyName::Random) {
            let mut tightest: Vec<_> = free.devices(task).collect();
            tightest.sort_unstable();
            given.sort_unstable();
            assert_eq!(given, tightest[..given.len()], "{policy}, task {index}");
        }
        bed.claim(&found);
        running[node].extend(GpuUse::of(task));
    }
}

fn random_node(index: usize, models: &mut Models, random: &mut Xoshiro256PlusPlus) -> Node {
    let gpus = [0, 1, 2, 4, 8, 8, 40][random.random_range(0..7)];
    let model = (gpus > 0).then(|| MODELS[random.random_range(0..MODELS.len())]);
    Node {
        cpu_milli: random.random_range(1..40) * 8_000,
        memory_mib: random.random_range(8..200),
        model: model.and_then(|model| models.intern(model)),
        ..node(index, 0, gpus)
    }
}

fn random_task(models: &Models, random: &mut Xoshiro256PlusPlus) -> Demand {
    let gpus = [0, 1, 1, 1, 2, 4, 16][random.random_range(0..7)];
    let gpu_milli = match gpus {
        0 => 0,
        _ if random.random_bool(0.5) => WHOLE_GPU,
        _ => random.random_range(1..10) * 100,
    };
    let spec = (0..random.random_range(0..3)).map(|_| MODELS[random.random_range(0..3)]);
    let spec: Vec<_> = spec.collect();
    Demand {
        cpu_milli: random.random_range(0..4) * 1_500,
        memory_mib: random.random_range(1..4),
        gpus,
        gpu_milli,
        models: if spec.is_empty() { ModelSet::ANY } else { models.set(spec) },
    }
}

#[test]
fn random_choices_are_even() {
    // With many nodes that don't fit, the others are listed.
    for full in [0, 2000] {
        let nodes: Vec<_> =
            (0..4 + full).map(|at| node(at, if at < 4 { 9 } else { 1 }, 2)).collect();
        let task = task(9, 1, 500);
        let mut bed = Bed::new(PolicyName::Random, &nodes, &Models::default(), &[task]);
        let mut counts = [[0; 2]; 4];
        for index in 0..8000 {
            let mut random = seed::generator(3, Purpose::Choice, index);
            let found = bed.choose(&task, &mut random).expect("four nodes fit");
            let (node, devices) = bed.places(&found);
            counts[node][devices[0]] += 1;
        }
        assert!(counts.iter().flatten().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}

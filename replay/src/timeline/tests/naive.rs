//! The clock beside a naive one, which tries every waiting task on every node at every instant.

use clap::ValueEnum;
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use crate::cluster::Cluster;
use crate::places::Place;
use crate::policy::PolicyName;
use crate::seed::{self, Purpose};
use crate::shape::{Demand, ModelId, ModelSet, Models, Node};
use crate::timeline::simulation::Simulation;
use crate::workload::Arrival;

/// What a node has left.
struct Free {
    cpu_milli: u32,
    memory_mib: u32,
    gpus: Vec<u16>,
    model: Option<ModelId>,
}

/// Who runs where and until when, and who waits. Only which of several places is taken is the other's
/// decision.
struct Naive<'a> {
    arrivals: &'a [Arrival],
    free: Vec<Free>,
    running: Vec<(u64, usize, Place)>,
    waiting: Vec<usize>,
    arrived: usize,
    waits: Vec<u64>,
}

impl Free {
    fn fits(&self, task: &Demand) -> bool {
        let gpus = self.gpus.iter().filter(|&&free| free >= task.gpu_milli).count();
        self.cpu_milli >= task.cpu_milli
            && self.memory_mib >= task.memory_mib
            && gpus >= usize::from(task.gpus)
            && task.models.accepts(self.model)
    }
}

impl Naive<'_> {
    /// Returns when something happens next.
    fn next(&self) -> Option<u64> {
        let ends = self.running.iter().map(|(end, ..)| *end);
        ends.chain(self.arrivals.get(self.arrived).map(|next| next.time)).min()
    }

    /// Does what is to be done at an instant that the other one has done already.
    fn follow(&mut self, now: u64, other: &Simulation<'_>) {
        for (_, task, place) in self.running.extract_if(.., |(end, ..)| *end == now) {
            let Demand { cpu_milli, memory_mib, gpu_milli, .. } = self.arrivals[task].demand;
            let free = &mut self.free[place.node];
            free.cpu_milli += cpu_milli;
            free.memory_mib += memory_mib;
            place.gpus.iter().for_each(|&gpu| free.gpus[gpu] += gpu_milli);
        }
        let coming = self.arrivals[self.arrived..].iter().take_while(|task| task.time == now);
        let coming = self.arrived..self.arrived + coming.count();
        self.arrived = coming.end;
        for task in std::mem::take(&mut self.waiting).into_iter().chain(coming) {
            if !self.free.iter().any(|free| free.fits(&self.arrivals[task].demand)) {
                assert_eq!(other.place(task), None, "task {task} at {now}");
                self.waiting.push(task);
                continue;
            }
            let place = other.place(task).unwrap_or_else(|| panic!("task {task} fits at {now}"));
            self.take(task, now, place);
        }
    }

    fn take(&mut self, task: usize, now: u64, place: &Place) {
        let Arrival { demand, time, lifetime } = self.arrivals[task];
        let free = &mut self.free[place.node];
        assert!(free.fits(&demand), "task {task} at {now}");
        free.cpu_milli -= demand.cpu_milli;
        free.memory_mib -= demand.memory_mib;
        assert_eq!(place.gpus.len(), usize::from(demand.gpus));
        for &gpu in &place.gpus {
            let left = free.gpus[gpu].checked_sub(demand.gpu_milli);
            free.gpus[gpu] = left.expect("the GPU has room");
        }
        self.running.push((now + lifetime, task, place.clone()));
        self.waits.push(now - time);
    }
}

#[test]
fn the_clock_does_what_a_naive_one_does() {
    for round in 0..20 {
        for &policy in PolicyName::value_variants() {
            println!("round {round}, {policy}");
            compare(policy, round);
        }
    }
}

fn compare(policy: PolicyName, round: u64) {
    let mut random = seed::generator(round, Purpose::Sizes, 1);
    let mut models = Models::default();
    let known = ["A", "B"].map(|name| models.intern(name));
    let nodes: Vec<_> = (0..4).map(|at| node(at, known, &mut random)).collect();
    let mut arrivals: Vec<_> = (0..150).map(|_| arrival(&models, &mut random)).collect();
    arrivals.sort_by_key(|task| task.time);
    let demands: Vec<_> = arrivals.iter().map(|task| task.demand).collect();
    let task_classes = policy.task_classes(&demands).expect("the names are well formed");
    let cluster = Cluster::new(&nodes, &models, task_classes).expect("they are well formed");
    let simulation = Simulation::new(&cluster, &arrivals, &demands, policy, round);
    let mut simulation = simulation.expect("the tasks are well formed");
    let free = nodes.iter().map(|node| Free {
        cpu_milli: node.cpu_milli,
        memory_mib: node.memory_mib,
        gpus: vec![1000; node.gpus.into()],
        model: node.model,
    });
    let mut naive = Naive {
        arrivals: &arrivals,
        free: free.collect(),
        running: Vec::new(),
        waiting: Vec::new(),
        arrived: 0,
        waits: Vec::new(),
    };
    let mut waited = 0;
    loop {
        let next = naive.next();
        assert_eq!(simulation.step().expect("the library does what it is asked for"), next);
        let Some(now) = next else { break };
        naive.follow(now, &simulation);
        assert_eq!(simulation.waiting(), naive.waiting.len(), "at {now}");
        waited = waited.max(naive.waiting.len());
    }
    assert_eq!(simulation.waits, naive.waits);
    assert!(waited > 3 && simulation.is_over(), "{waited} waited");
}

fn node(at: usize, models: [Option<ModelId>; 2], random: &mut Xoshiro256PlusPlus) -> Node {
    Node {
        name: format!("n{at}"),
        cpu_milli: random.random_range(2..9) * 1000,
        memory_mib: random.random_range(20..40),
        gpus: [0, 1, 2, 4][at],
        model: models[random.random_range(0..2)].filter(|_| at > 0),
    }
}

fn arrival(models: &Models, random: &mut Xoshiro256PlusPlus) -> Arrival {
    let gpus = [0, 1, 1, 1, 2, 4][random.random_range(0..6)];
    let gpu_milli = if gpus == 0 { 0 } else { [200, 500, 1000][random.random_range(0..3)] };
    let spec = if gpus > 0 { random.random_range(0..4) } else { 3 };
    let demand = Demand {
        cpu_milli: random.random_range(0..4) * 700,
        memory_mib: random.random_range(1..9),
        gpus,
        gpu_milli,
        models: [models.set(["A"]), models.set(["B"]), models.set(["C"]), ModelSet::ANY][spec],
    };
    // So close that many share an instant.
    Arrival { demand, time: random.random_range(0..100), lifetime: random.random_range(1..30) }
}

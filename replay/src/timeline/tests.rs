//! The virtual clock, with times that are known by hand.

mod naive;

use std::cell::Cell;

use super::check;
use super::history::Figures;
use super::simulation::Simulation;
use super::trial::Trial;
use crate::cluster::{Cluster, TaskClasses};
use crate::policy::PolicyName;
use crate::shape::{Demand, ModelSet, Models, Node};
use crate::workload::{Arrival, Machines};

/// A node with so many GPUs and more than enough of everything else.
fn node(gpus: u8) -> Node {
    Node { name: "n".to_owned(), cpu_milli: 96_000, memory_mib: 1 << 20, gpus, model: None }
}

/// A task with so many GPUs, of each of which it wants so much.
fn task(time: u64, lifetime: u64, gpus: u8, gpu_milli: u16) -> Arrival {
    let demand = Demand { cpu_milli: 1000, memory_mib: 10, gpus, gpu_milli, models: ModelSet::ANY };
    Arrival { demand, time, lifetime }
}

/// A cluster of one node, and the tasks that are to come.
struct Bed {
    cluster: Cluster,
    arrivals: Vec<Arrival>,
    demands: Vec<Demand>,
}

impl Bed {
    fn new(gpus: u8, arrivals: &[Arrival]) -> Self {
        let cluster = Cluster::new(&[node(gpus)], &Models::default(), TaskClasses::default());
        let demands = arrivals.iter().map(|task| task.demand).collect();
        let cluster = cluster.expect("the node is well formed");
        Self { cluster, arrivals: arrivals.to_vec(), demands }
    }

    fn simulation(&self) -> Simulation<'_> {
        let (policy, seed) = (PolicyName::FirstFit, 1);
        let made = Simulation::new(&self.cluster, &self.arrivals, &self.demands, policy, seed);
        made.expect("the tasks are well formed")
    }
}

/// Returns when each task starts and when the last one ends, on a node with so many GPUs.
fn starts(gpus: u8, arrivals: &[Arrival]) -> (Vec<Option<u64>>, u64) {
    let bed = Bed::new(gpus, arrivals);
    let mut simulation = bed.simulation();
    let mut starts = vec![None; arrivals.len()];
    let mut end = 0;
    while let Some(now) = simulation.step().expect("the library does what it is asked for") {
        for (task, start) in starts.iter_mut().enumerate() {
            if simulation.place(task).is_some() {
                start.get_or_insert(now);
            }
        }
        end = now;
    }
    assert!(simulation.is_over());
    (starts, end)
}

#[test]
fn a_task_waits_for_an_end_and_runs_as_long_as_it_would_have() {
    let tasks = [task(0, 10, 1, 1000), task(3, 5, 1, 1000)];
    assert_eq!(starts(1, &tasks), (vec![Some(0), Some(10)], 15));
}

#[test]
fn tasks_are_tried_again_in_the_order_in_which_they_came() {
    // Of different kinds, so that nothing but their order decides.
    let tasks = [task(0, 10, 1, 1000), task(1, 10, 1, 900), task(2, 10, 1, 800)];
    assert_eq!(starts(1, &tasks), (vec![Some(0), Some(10), Some(20)], 30));
    let turned = [tasks[0], Arrival { time: 1, ..tasks[2] }, Arrival { time: 2, ..tasks[1] }];
    assert_eq!(starts(1, &turned).0, [Some(0), Some(10), Some(20)]);
}

#[test]
fn a_task_that_does_not_fit_does_not_keep_those_behind_it_waiting() {
    let tasks =
        [task(0, 10, 1, 1000), task(0, 20, 1, 1000), task(1, 5, 2, 1000), task(2, 30, 1, 1000)];
    assert_eq!(starts(2, &tasks), (vec![Some(0), Some(0), Some(40), Some(10)], 45));
}

#[test]
fn one_end_makes_room_for_several() {
    let tasks = [
        task(0, 10, 1, 1000),
        task(1, 1, 1, 400),
        task(2, 7, 1, 400),
        task(3, 7, 1, 400),
        task(4, 7, 1, 200),
    ];
    let expected = vec![Some(0), Some(10), Some(10), Some(11), Some(10)];
    assert_eq!(starts(1, &tasks), (expected, 18));
}

#[test]
fn ends_come_before_arrivals_of_the_same_instant() {
    let tasks = [task(0, 10, 1, 1000), task(10, 5, 1, 1000)];
    let bed = Bed::new(1, &tasks);
    let mut simulation = bed.simulation();
    for now in [0, 10, 15] {
        assert_eq!(simulation.step().expect("there is room"), Some(now));
    }
    assert_eq!((simulation.waited, simulation.waits.as_slice()), (0, &[0, 0][..]));
}

#[test]
fn waiting_tasks_come_before_arrivals_of_the_same_instant() {
    let tasks = [task(0, 10, 1, 1000), task(5, 5, 1, 900), task(10, 5, 1, 800)];
    assert_eq!(starts(1, &tasks), (vec![Some(0), Some(10), Some(15)], 20));
}

#[test]
fn what_fits_on_no_node_waits_for_ever() {
    let tasks = [task(0, 10, 2, 1000), task(0, 10, 1, 1000)];
    assert_eq!(starts(1, &tasks), (vec![None, Some(0)], 10));
}

/// Three shapes, one task of each, and all of them are typical.
#[test]
fn figures_are_those_of_each_instant() {
    let tasks = [task(0, 10, 1, 600), task(5, 10, 1, 1000), task(20, 1, 0, 0)];
    let bed = Bed::new(2, &tasks);
    let mut simulation = bed.simulation();
    while simulation.step().expect("there is room").is_some() {}
    let Simulation { history, occupancy, .. } = &simulation;
    let figures = history.figures(occupancy);
    let found: Vec<_> = figures
        .map(|(time, it)| (time, it.gpu_percent, it.fragmentation_percent, it.running))
        .collect();
    // What is idle, for the task without GPU; for the others, what is too little for them.
    let thirds = |gpu_milli: [u32; 3]| 100.0 * f64::from(gpu_milli.iter().sum::<u32>()) / 6000.0;
    let expected = [
        (0, 30.0, thirds([1400, 400, 400]), 1.0),
        (5, 80.0, thirds([400, 400, 400]), 2.0),
        (10, 50.0, thirds([1000, 0, 0]), 1.0),
        (15, 0.0, thirds([2000, 0, 0]), 0.0),
        (20, 0.0, thirds([2000, 0, 0]), 1.0),
        (21, 0.0, thirds([2000, 0, 0]), 0.0),
    ];
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!((found.0, found.1, found.3), (expected.0, expected.1, expected.3));
        assert!((found.2 - expected.2).abs() < 1e-9, "{found:?}, not {expected:?}");
    }
    let mean = history.mean(20, occupancy);
    assert_eq!((mean.gpu_percent, mean.running), (40.0, 1.0));
    let fragmented = expected[..4].iter().map(|it| it.2).sum::<f64>() / 4.0;
    assert!((mean.fragmentation_percent - fragmented).abs() < 1e-9, "{mean:?}");
    let peak = history.peak(occupancy);
    assert_eq!((peak.gpu_percent, peak.running, peak.waiting), (80.0, 2.0, 0.0));
}

#[test]
fn a_mean_of_no_time_is_that_of_the_instant() {
    let bed = Bed::new(2, &[task(7, 10, 1, 1000), task(7, 10, 1, 500)]);
    let mut simulation = bed.simulation();
    assert_eq!(simulation.step().expect("there is room"), Some(7));
    let mean = simulation.history.mean(7, &simulation.occupancy);
    assert_eq!((mean.gpu_percent, mean.running), (75.0, 2.0));
}

#[test]
fn a_series_has_a_few_hundred_points_and_leaves_nothing_out() {
    let tasks: Vec<_> = (0..3000).map(|at| task(at * at, 1 + at % 50, 1, 300)).collect();
    let bed = Bed::new(4, &tasks);
    let mut simulation = bed.simulation();
    let mut end = 0;
    while let Some(now) = simulation.step().expect("the library does what it is asked for") {
        end = now;
    }
    let series = simulation.history.series(&simulation.occupancy);
    assert!((200..=400).contains(&series.len()), "{}", series.len());
    assert_eq!((series[0].from, series.last().map(|it| it.until)), (0, Some(end)));
    assert!(series.windows(2).all(|pair| pair[0].until == pair[1].from));
    let sum = series.iter().fold(Figures::default(), |sum, it| {
        let seconds = (it.until - it.from) as f64;
        sum.with(it.mean, |sum, figure| sum + figure * seconds)
    });
    let mean = simulation.history.mean(end, &simulation.occupancy);
    assert!((sum.gpu_percent / end as f64 - mean.gpu_percent).abs() < 1e-9);
    assert!((sum.running / end as f64 - mean.running).abs() < 1e-9);
}

#[test]
fn audits_hold_while_tasks_run_and_at_the_end() {
    let tasks = [task(0, 10, 1, 600), task(3, 5, 1, 600), task(4, 5, 2, 100)];
    let bed = Bed::new(1, &tasks);
    let mut simulation = bed.simulation();
    loop {
        let audit = check::audit(&bed.cluster, &simulation, &bed.demands, 1);
        let audit = audit.expect("nothing was removed");
        assert!(audit.holds, "{audit:?}");
        let running = (0..tasks.len()).filter(|&task| simulation.place(task).is_some()).count();
        assert_eq!(audit.consumers, running);
        if simulation.step().expect("the library does what it is asked for").is_none() {
            break;
        }
    }
    assert_eq!((simulation.arrived(), simulation.waiting()), (3, 1));
}

#[test]
fn what_somebody_else_holds_is_found() {
    use provider_tree::Claim;
    use uuid::Uuid;

    let bed = Bed::new(2, &[task(0, 10, 1, 1000)]);
    let mut simulation = bed.simulation();
    assert_eq!(simulation.step().expect("there is room"), Some(0));
    let mut worker = bed.cluster.tree.worker().expect("a worker is free");
    let gpu = &bed.cluster.nodes[0].gpus[1];
    let claim = Claim::new(Uuid::from_u128(7)).take(gpu, bed.cluster.classes.gpu, 500);
    let receipt = worker.claim(&claim).expect("the second GPU is free");
    assert_eq!(receipt.consumer, Uuid::from_u128(7));
    let audit = check::audit(&bed.cluster, &simulation, &bed.demands, 1);
    let audit = audit.expect("nothing was removed");
    assert!(!audit.holds);
    assert!(audit.examples.contains(&"GPU: 1000 counted over time, 1500 held".to_owned()));
}

#[test]
fn an_interrupt_ends_a_run_where_it_is() {
    let machines = Machines::of(vec![node(1)]);
    let tasks = [task(0, 10, 1, 1000), task(1, 10, 1, 1000), task(12, 5, 1, 500)];
    let run = |instants| {
        let left = Cell::new(instants);
        let is_interrupted = || left.replace(left.get() - 1) == 0;
        let (policy, seed) = (PolicyName::BestFit, 1);
        let trial = Trial { machines: &machines, arrivals: &tasks, policy, seed };
        trial.run(&is_interrupted).expect("the library does what it is asked for")
    };
    assert!(run(0).is_none(), "nothing has happened");
    // How many instants, where the clock is, what has come and was placed, and what is held.
    for (instants, end, arrived, placed, held) in
        [(1, 0, 1, 1, 1), (2, 1, 2, 1, 1), (3, 10, 2, 2, 1), (4, 12, 3, 2, 1), (5, 20, 3, 3, 1)]
    {
        let run = run(instants).expect("something has happened");
        assert_eq!((run.end, run.arrived, run.placed), (end, arrived, placed));
        assert_eq!((run.is_finished, run.audit.holds), (false, true));
        assert_eq!((run.audit.consumers, run.never_ran), (held, arrived - placed));
        assert_eq!(run.audit_at_last_arrival.is_some(), arrived == tasks.len());
    }
    let run = run(6).expect("something has happened");
    assert_eq!((run.end, run.placed, run.is_finished), (25, 3, true));
}

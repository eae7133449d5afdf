//! The policies' scores as they are defined, node by node and shape by shape.

use std::cmp::Reverse;

use super::Free;
use crate::policy::PolicyName;
use crate::policy::fragmentation::typical_shapes;
use crate::shape::{Demand, GpuUse, ModelId, WHOLE_GPU};

/// Returns the score that a policy gives a node where the task fits.
pub(crate) fn score(policy: PolicyName, free: &Free, task: &Demand, listed: &[Demand]) -> i64 {
    match policy {
        PolicyName::Fgd if is_shared(task) => {
            let device = best_device(free, task, listed);
            of_device(free, task, listed, device)
        }
        PolicyName::Fgd => gradient(free, &packed(free, task), task, listed),
        PolicyName::DotProduct => dot_product(free, task),
        PolicyName::GpuPacking => packing(free, task),
        PolicyName::GpuClustering => clustering(free, task),
        PolicyName::FirstFit | PolicyName::BestFit | PolicyName::Random => {
            unreachable!("{policy} has no score")
        }
    }
}

/// Returns the device of a node that fragmentation gradient descent gives a task that shares one.
pub(super) fn best_device(free: &Free, task: &Demand, listed: &[Demand]) -> usize {
    let fitting = (0..free.gpus.len()).filter(|&at| free.gpus[at] >= task.gpu_milli.into());
    let best = fitting.max_by_key(|&at| (of_device(free, task, listed, at), Reverse(at)));
    best.expect("the task fits")
}

fn is_shared(task: &Demand) -> bool {
    task.gpus == 1 && task.gpu_milli < WHOLE_GPU
}

fn of_device(free: &Free, task: &Demand, listed: &[Demand], device: usize) -> i64 {
    let mut gpus = free.gpus.clone();
    gpus[device] -= u64::from(task.gpu_milli);
    gradient(free, &gpus, task, listed)
}

/// Returns what is left when the task takes from the GPUs that have least free.
fn packed(free: &Free, task: &Demand) -> Vec<u64> {
    let mut gpus = free.gpus.clone();
    gpus.sort_unstable();
    let fitting = gpus.iter_mut().filter(|gpu| **gpu >= task.gpu_milli.into());
    fitting.take(task.gpus.into()).for_each(|gpu| *gpu -= u64::from(task.gpu_milli));
    gpus
}

fn gradient(free: &Free, left: &[u64], task: &Demand, listed: &[Demand]) -> i64 {
    let before = fragmentation(listed, free.model, free.cpu_milli, &free.gpus);
    let cpu_milli = free.cpu_milli - u64::from(task.cpu_milli);
    let after = fragmentation(listed, free.model, cpu_milli, left);
    // Rounded, as this one and the policy's add up in different orders.
    let less = ((before - after) * 1e6).round() / 1e6;
    (100.0 / (1.0 + (-less / 1000.0).exp())) as i64
}

/// Returns how fragmented a node is.
pub(crate) fn fragmentation(
    listed: &[Demand],
    model: Option<ModelId>,
    cpu_milli: u64,
    gpus: &[u64],
) -> f64 {
    let shapes = typical_shapes(listed);
    let typical: u64 = shapes.iter().map(|(_, count)| count).sum();
    let idle: u64 = gpus.iter().sum();
    let fragments = shapes.iter().map(|&((cpu, gpu_milli, count, models), tasks)| {
        let fitting = gpus.iter().filter(|&&gpu| gpu >= gpu_milli.into());
        let fits = count > 0
            && cpu_milli >= cpu.into()
            && models.accepts(model)
            && fitting.count() >= count.into();
        let small = gpus.iter().filter(|&&gpu| gpu < gpu_milli.into()).sum::<u64>();
        tasks as f64 * if fits { small as f64 } else { idle as f64 }
    });
    fragments.sum::<f64>() / typical as f64
}

fn dot_product(free: &Free, task: &Demand) -> i64 {
    let gpu: u64 = free.gpus.iter().sum();
    let cpu = free.cpu_milli as f64 / 128_000.0 * (f64::from(task.cpu_milli) / 128_000.0);
    let gpu = gpu as f64 / 8_000.0 * (f64::from(task.gpu_total()) / 8_000.0);
    (100.0 * (1.0 - (cpu + gpu) / 2.0)) as i64
}

fn packing(free: &Free, task: &Demand) -> i64 {
    let idle = free.gpus.iter().filter(|&&gpu| gpu == 1000).count() as i64;
    if task.gpus == 0 {
        return 0;
    }
    if idle == free.gpus.len() as i64 {
        return (33 - idle).max(idle).min(33);
    }
    let mut gpus: Vec<_> = free.devices(task).map(|free| free as i64).collect();
    gpus.sort_unstable();
    gpus.truncate(task.gpus.into());
    match gpus.iter().filter(|&&gpu| gpu == 1000).count() as i64 {
        0 => (100 - gpus.iter().map(|gpu| gpu * 100 / 1000).sum::<i64>() / 10).max(50),
        idle => (50 - idle).max(33),
    }
}

fn clustering(free: &Free, task: &Demand) -> i64 {
    let Some(own) = GpuUse::of(task) else { return 0 };
    let idle = free.gpus.iter().sum::<u64>() as i64;
    let company = match (free.running.contains(&own), free.running.iter().any(|it| *it != own)) {
        (true, false) => 75,
        (true, true) => 50,
        (false, false) => 25,
        (false, true) => 0,
    };
    25 * (8000 - idle) / 8000 + company
}

//! What the other threads are about to claim, counted as gone.

use crate::options::PolicyName;
use crate::seed::{self, Purpose};
use crate::shape::{Demand, DeviceSet};
use crate::view::View;

/// The choices of other threads that one thread has subtracted from its view.
#[derive(Debug, Default)]
pub(crate) struct Intents {
    standing: Vec<Intent>,
}

/// A task that another thread wants to place, and what was subtracted for it.
#[derive(Debug)]
struct Intent {
    task: usize,
    node: u32,
    demand: Demand,
    devices: DeviceSet,
}

impl Intents {
    /// Adds back all intents that are no longer among `chosen`, and those on the nodes `stale`,
    /// which are about to be read again.
    pub(crate) fn withdraw(&mut self, view: &mut View, chosen: &[(usize, u32)], stale: &[u32]) {
        self.standing.retain(|intent| {
            let stands = chosen.contains(&(intent.task, intent.node));
            let stays = stands && stale.binary_search(&intent.node).is_err();
            if !stays {
                view.add_back(intent.node, &intent.demand, intent.devices);
            }
            stays
        });
    }

    /// Adds back all intents; says whether there were any.
    pub(crate) fn withdraw_all(&mut self, view: &mut View) -> bool {
        let any = !self.standing.is_empty();
        self.withdraw(view, &[], &[]);
        any
    }

    /// Subtracts the choices that are not subtracted yet. The devices are those that this view's
    /// policy would take. A choice that the view has no room for is left out.
    pub(crate) fn adopt(
        &mut self,
        view: &mut View,
        chosen: &[(usize, u32)],
        tasks: &[Demand],
        policy: PolicyName,
        seed: u64,
    ) {
        for &(task, node) in chosen {
            let demand = tasks[task];
            let known = self.standing.iter().any(|intent| intent.task == task);
            if known || !view.fits(node, &demand) {
                continue;
            }
            let mut random = seed::generator(seed, Purpose::Choice, task as u64);
            let devices = policy.devices(&view.free(node), &demand, &mut random);
            view.subtract(node, &demand, devices);
            self.standing.push(Intent { task, node, demand, devices });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cluster;
    use crate::shape::{ModelSet, Models, Node};

    const TASK: Demand =
        Demand { cpu_milli: 1000, memory_mib: 10, gpus: 1, gpu_milli: 600, models: ModelSet::ANY };

    fn view() -> View {
        let node = |name: &str| Node {
            name: name.to_owned(),
            cpu_milli: 3000,
            memory_mib: 40,
            gpus: 1,
            model: None,
        };
        let cluster = Cluster::new(&[node("a"), node("b")], &Models::default());
        let cluster = cluster.expect("the nodes are well formed");
        View::new(&cluster, PolicyName::BestFit.order()).expect("nothing was removed")
    }

    fn gpus(view: &View) -> [u16; 2] {
        [view.free(0).gpus[0], view.free(1).gpus[0]]
    }

    #[test]
    fn intents_are_subtracted_while_they_stand() {
        let (mut view, mut intents) = (view(), Intents::default());
        let mut update = |view: &mut View, chosen: &[(usize, u32)]| {
            intents.withdraw(view, chosen, &[]);
            intents.adopt(view, chosen, &[TASK; 3], PolicyName::BestFit, 1);
        };
        update(&mut view, &[(0, 0), (1, 1)]);
        assert_eq!(gpus(&view), [400, 400]);
        update(&mut view, &[(0, 0), (1, 1), (2, 1)]);
        assert_eq!(gpus(&view), [400, 400], "the third does not fit");
        update(&mut view, &[(0, 1)]);
        assert_eq!(gpus(&view), [1000, 400], "the first has moved, the second is settled");
        assert!(intents.withdraw_all(&mut view) && !intents.withdraw_all(&mut view));
        assert_eq!(gpus(&view), [1000, 1000]);
    }

    #[test]
    fn intents_on_stale_nodes_are_withdrawn() {
        let (mut view, mut intents) = (view(), Intents::default());
        let chosen = [(0, 0), (1, 1)];
        intents.adopt(&mut view, &chosen, &[TASK; 2], PolicyName::BestFit, 1);
        intents.withdraw(&mut view, &chosen, &[1]);
        assert_eq!(gpus(&view), [400, 1000]);
    }
}

//! A workload's nodes as a forest of providers.
//!
//! A node is a root with processors and memory; each of its GPUs is a child with a thousand
//! thousandths of a GPU, and the GPU's model as a trait. A task's claim takes from the root and
//! from its GPUs in one commit.

use provider_tree::{
    Claim, Error, Expect, Inventories, Inventory, Provider, ProviderTree, ResourceClass, Trait,
};
use uuid::Uuid;

use crate::shape::{Demand, DeviceSet, ModelId, Models, Node, WHOLE_GPU};

/// The provider tree and, by node, the handles into it.
pub(crate) struct Cluster {
    pub(crate) tree: ProviderTree,
    pub(crate) classes: Classes,
    pub(crate) nodes: Vec<ClusterNode>,
}

/// One node: its root, its GPUs, and what never changes about it.
#[derive(Debug)]
pub(crate) struct ClusterNode {
    pub(crate) root: Provider,
    pub(crate) gpus: Vec<Provider>,
    pub(crate) model: Option<ModelId>,
    pub(crate) cpu_milli: u32,
    pub(crate) memory_mib: u32,
}

/// The resource classes of the replay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Classes {
    pub(crate) cpu: ResourceClass,
    pub(crate) memory: ResourceClass,
    pub(crate) gpu: ResourceClass,
}

impl Cluster {
    /// Builds the forest.
    pub(crate) fn new(nodes: &[Node], models: &Models) -> Result<Self, Error> {
        let tree = ProviderTree::new();
        let classes = Classes::new()?;
        let nodes = nodes.iter().map(|node| classes.create(&tree, node, models));
        let nodes = nodes.collect::<Result<_, _>>()?;
        Ok(Self { tree, classes, nodes })
    }

    /// What a node has left now, one provider after the other: the GPUs go to `gpus`, the
    /// processors and the memory come back. Not one instant; whoever decides on it has to claim.
    pub(crate) fn free(&self, node: u32, gpus: &mut [u16]) -> Result<(u32, u32), Error> {
        let node = &self.nodes[node as usize];
        let (mut cpu_milli, mut memory_mib) = (0, 0);
        for (class, usage) in self.tree.usages(&node.root)? {
            if class == self.classes.cpu {
                cpu_milli = usage.free() as u32;
            } else if class == self.classes.memory {
                memory_mib = usage.free() as u32;
            }
        }
        for (gpu, free) in node.gpus.iter().zip(gpus) {
            *free = self.tree.usage(gpu, self.classes.gpu)?.free() as u16;
        }
        Ok((cpu_milli, memory_mib))
    }

    /// The claim that places a task: everything it asks for, in one commit.
    pub(crate) fn claim(
        &self,
        consumer: Uuid,
        demand: &Demand,
        node: u32,
        devices: DeviceSet,
    ) -> Claim {
        let node = &self.nodes[node as usize];
        let mut claim = Claim::new(consumer);
        if demand.cpu_milli > 0 {
            claim.take_mut(&node.root, self.classes.cpu, u64::from(demand.cpu_milli));
        }
        if demand.memory_mib > 0 {
            claim.take_mut(&node.root, self.classes.memory, u64::from(demand.memory_mib));
        }
        for device in devices.iter() {
            claim.take_mut(&node.gpus[device], self.classes.gpu, u64::from(demand.gpu_milli));
        }
        claim
    }
}

impl Classes {
    fn new() -> Result<Self, Error> {
        Ok(Self {
            cpu: ResourceClass::new("CPU_MILLI")?,
            memory: ResourceClass::new("MEMORY_MIB")?,
            gpu: ResourceClass::new("GPU_MILLI")?,
        })
    }

    fn create(
        self,
        tree: &ProviderTree,
        node: &Node,
        models: &Models,
    ) -> Result<ClusterNode, Error> {
        let root = tree.create_root(&node.name, None)?;
        let amounts = [(self.cpu, node.cpu_milli), (self.memory, node.memory_mib)];
        tree.set_inventories(&root, inventories(&amounts), Expect::Any)?;
        let gpus = (0..node.gpus).map(|number| {
            let gpu = tree.create_child(&root, &format!("{}/gpu{number}", node.name), None)?;
            let amounts = [(self.gpu, u32::from(WHOLE_GPU))];
            tree.set_inventories(&gpu, inventories(&amounts), Expect::Any)?;
            if let Some(model) = node.model {
                tree.set_traits(&gpu, [Trait::new(models.name(model))?], Expect::Any)?;
            }
            Ok(gpu)
        });
        Ok(ClusterNode {
            gpus: gpus.collect::<Result<_, Error>>()?,
            root,
            model: node.model,
            cpu_milli: node.cpu_milli,
            memory_mib: node.memory_mib,
        })
    }
}

/// Inventories of these totals; a node without any of a class has no inventory of it.
fn inventories(amounts: &[(ResourceClass, u32)]) -> Inventories {
    let present = amounts.iter().filter(|&&(_, total)| total > 0);
    present.fold(Inventories::new(), |inventories, &(class, total)| {
        inventories.with(class, Inventory::new(u64::from(total)))
    })
}

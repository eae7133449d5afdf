//! A workload's nodes as a forest of providers.
//!
//! A node is a root with processors and memory; each of its GPUs is a child with a thousand
//! thousandths of a GPU, and the GPU's model as a trait. A task takes from the root and from its
//! GPUs in one commit.

use std::collections::BTreeSet;
use std::sync::Arc;

use provider_tree::{
    Edit, Error, Expect, Group, Inventories, Inventory, Provider, ProviderTree, Request,
    ResourceClass, Trait,
};

use crate::shape::{Demand, GpuUse, ModelId, Models, Node, WHOLE_GPU, gpu_name};

/// The provider tree and, by node, the handles into it.
pub(crate) struct Cluster {
    pub(crate) tree: ProviderTree,
    pub(crate) classes: Classes,
    pub(crate) task_classes: Arc<TaskClasses>,
    pub(crate) models: Models,
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

/// The classes of which each task with GPUs takes one, by how it uses them: so a node counts such tasks.
#[derive(Debug, Default)]
pub(crate) struct TaskClasses(Vec<(GpuUse, ResourceClass)>);

/// So many tasks of a kind a node can have.
const MOST_TASKS: u32 = u32::MAX;

impl TaskClasses {
    /// Returns a class for each way in which one of these tasks uses GPUs.
    pub(crate) fn of(tasks: &[Demand]) -> Result<Self, Error> {
        let uses: BTreeSet<_> = tasks.iter().filter_map(GpuUse::of).collect();
        let class = |how| {
            let name = match how {
                GpuUse::Shared => "TASKS_THAT_SHARE_GPUS".to_owned(),
                GpuUse::Whole(gpus) => format!("TASKS_WITH_{gpus}_WHOLE_GPUS"),
            };
            Ok((how, ResourceClass::new(&name)?))
        };
        uses.into_iter().map(class).collect::<Result<_, Error>>().map(Self)
    }

    /// Returns the class of the tasks that use GPUs in this way.
    pub(crate) fn class(&self, how: GpuUse) -> Option<ResourceClass> {
        self.0.iter().find(|(other, _)| *other == how).map(|(_, class)| *class)
    }

    /// Returns all of the classes.
    pub(crate) fn all(&self) -> impl Iterator<Item = ResourceClass> {
        self.0.iter().map(|(_, class)| *class)
    }

    /// Returns what a node has of each of the classes.
    pub(crate) fn capacities(&self) -> impl Iterator<Item = (ResourceClass, u32)> {
        self.all().map(|class| (class, MOST_TASKS))
    }
}

impl Cluster {
    /// Builds the forest, with the nodes in this order, which count their tasks by `task_classes`.
    pub(crate) fn new<'a>(
        nodes: impl IntoIterator<Item = &'a Node>,
        models: &Models,
        task_classes: TaskClasses,
    ) -> Result<Self, Error> {
        let tree = ProviderTree::new();
        let classes = Classes::new()?;
        let nodes =
            nodes.into_iter().map(|node| classes.create(&tree, node, models, &task_classes));
        let nodes = nodes.collect::<Result<_, _>>()?;
        let task_classes = Arc::new(task_classes);
        Ok(Self { tree, classes, task_classes, models: models.clone(), nodes })
    }

    /// Returns what counts this task on its node, if anything does.
    pub(crate) fn task_class(&self, task: &Demand) -> Option<ResourceClass> {
        GpuUse::of(task).and_then(|how| self.task_classes.class(how))
    }

    /// Returns what a task asks for; `None` when it accepts no model that there is.
    ///
    /// Processors and memory come from the root, which alone has them, and each GPU is a group that
    /// one device serves. A task without GPUs may ask for a model too: the node of a device that has
    /// it.
    pub(crate) fn request(&self, demand: &Demand) -> Result<Option<Request>, Error> {
        let Classes { cpu, memory, gpu } = self.classes;
        let mut request = Request::new().isolate();
        for (class, amount) in [(cpu, demand.cpu_milli), (memory, demand.memory_mib)] {
            if amount > 0 {
                request = request.take(class, amount.into());
            }
        }
        if let Some(class) = self.task_class(demand) {
            request = request.take(class, 1);
        }
        let mut model = Group::new();
        if let Some(names) = self.models.names(demand.models) {
            let models = names.map(Trait::new).collect::<Result<Vec<_>, _>>()?;
            if models.is_empty() {
                return Ok(None);
            }
            model = model.require_any(models);
        }
        if demand.gpus == 0 && model != Group::new() {
            request = request.group("model", model).same_subtree(["model"]);
        } else {
            for number in 0..demand.gpus {
                let device = model.clone().take(gpu, demand.gpu_milli.into());
                request = request.group(format!("gpu{number}"), device);
            }
        }
        Ok(Some(request))
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
        task_classes: &TaskClasses,
    ) -> Result<ClusterNode, Error> {
        let root = tree.create_root(&node.name, None)?;
        let amounts = [(self.cpu, node.cpu_milli), (self.memory, node.memory_mib)];
        let amounts: Vec<_> = amounts.into_iter().chain(task_classes.capacities()).collect();
        tree.configure(&root, inventories(&amounts), Expect::Any)?;
        let gpus = (0..node.gpus).map(|number| {
            let gpu = tree.create_child(&root, &gpu_name(&node.name, number), None)?;
            let amounts = [(self.gpu, u32::from(WHOLE_GPU))];
            tree.configure(&gpu, inventories(&amounts), Expect::Any)?;
            if let Some(model) = node.model {
                tree.configure(
                    &gpu,
                    Edit::new().set_traits([Trait::new(models.name(model))?]),
                    Expect::Any,
                )?;
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

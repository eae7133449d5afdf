//! The nodes of the cluster.

use rand::seq::SliceRandom;

use super::{Source, Sources, built_in};
use crate::refusal::Refusal;
use crate::seed::{self, Purpose};
use crate::shape::{Models, Node};
use crate::trace;

/// A cluster's nodes.
#[derive(Debug, Clone)]
pub(crate) struct Machines {
    /// The node list.
    pub(crate) source: Source,
    /// In the order of their names.
    pub(crate) nodes: Vec<Node>,
    pub(crate) models: Models,
}

impl Machines {
    /// Reads the nodes as they are listed.
    pub(super) fn read(sources: &Sources<'_>) -> Result<Self, Refusal> {
        let Some(file) = sources.nodes else {
            let (nodes, models) = built_in::nodes();
            let source = Source::built_in();
            return Ok(Self { source, nodes, models });
        };
        let list = trace::read_nodes(file, sources.scale)?;
        let source = Source::of_file(file, list.content);
        Ok(Self { source, nodes: list.nodes, models: list.models })
    }

    /// Returns these nodes, which have no GPU models.
    #[cfg(test)]
    pub(crate) fn of(nodes: Vec<Node>) -> Self {
        Self { source: Source::built_in(), nodes, models: Models::default() }
    }

    /// Returns every node `scale` times, in the order of the new names. A suffix of fixed width keeps
    /// the names unique.
    pub(super) fn scaled(mut self, scale: u32) -> Self {
        if scale == 1 {
            return self;
        }
        let width = (scale - 1).to_string().len();
        let copies = |node: &Node| {
            let node = node.clone();
            (0..scale).map(move |copy| Node {
                name: format!("{}.{copy:0width$}", node.name),
                ..node.clone()
            })
        };
        self.nodes = self.nodes.iter().flat_map(copies).collect();
        self.nodes.sort_by(|one, other| one.name.cmp(&other.name));
        self
    }

    /// Returns the nodes in the order in which a run with this seed has them, as in the published
    /// experiment.
    pub(crate) fn in_order(&self, seed: u64) -> Vec<&Node> {
        let mut nodes: Vec<_> = self.nodes.iter().collect();
        nodes.shuffle(&mut seed::generator(seed, Purpose::Nodes, 0));
        nodes
    }

    /// Returns the number of GPUs.
    pub(crate) fn gpus(&self) -> usize {
        self.nodes.iter().map(|node| usize::from(node.gpus)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_keeps_names_unique_and_ordered() {
        let (nodes, models) = built_in::nodes();
        let source = Source::built_in();
        let machines = Machines { source, nodes: nodes.clone(), models };
        let all = machines.scaled(11).nodes;
        assert_eq!(all.len(), nodes.len() * 11);
        assert!(all.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(all[0].name.ends_with(".00") && all[10].name.ends_with(".10"));
    }
}

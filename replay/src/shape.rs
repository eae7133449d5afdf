//! What nodes have and what tasks ask for.

/// A whole GPU, in thousandths.
pub(crate) const WHOLE_GPU: u16 = 1000;

/// The most GPUs a node can have.
pub(crate) const MOST_GPUS: u8 = 64;

/// What the largest node of the published cluster has, by which scores are measured.
pub(crate) const MOST_CPU_MILLI: f64 = 128_000.0;
pub(crate) const MOST_GPU_MILLI: f64 = 8_000.0;

/// A machine: processors, memory and some GPUs of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) cpu_milli: u32,
    pub(crate) memory_mib: u32,
    pub(crate) gpus: u8,
    pub(crate) model: Option<ModelId>,
}

/// Returns the name of a node's GPU.
pub(crate) fn gpu_name(node: &str, number: u8) -> String {
    format!("{node}/gpu{number}")
}

/// What a task asks for: all of it on one node, `gpu_milli` from each of `gpus` devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Demand {
    pub(crate) cpu_milli: u32,
    pub(crate) memory_mib: u32,
    pub(crate) gpus: u8,
    pub(crate) gpu_milli: u16,
    pub(crate) models: ModelSet,
}

impl Demand {
    /// What the task takes from all its GPUs together.
    pub(crate) fn gpu_total(&self) -> u32 {
        u32::from(self.gpus) * u32::from(self.gpu_milli)
    }
}

/// How a task uses GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum GpuUse {
    /// A part of each.
    Shared,
    /// This many, and all of each.
    Whole(u8),
}

impl GpuUse {
    /// Returns how a task uses GPUs; `None` if it uses none.
    pub(crate) fn of(task: &Demand) -> Option<Self> {
        match (task.gpus, task.gpu_milli) {
            (0, _) => None,
            (gpus, WHOLE_GPU) => Some(Self::Whole(gpus)),
            _ => Some(Self::Shared),
        }
    }
}

/// A GPU model, as an index into [`Models`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ModelId(u8);

impl ModelId {
    /// Returns its place among the models.
    pub(crate) fn index(self) -> usize {
        self.0.into()
    }
}

/// The GPU models of a cluster.
#[derive(Debug, Clone, Default)]
pub(crate) struct Models {
    names: Vec<String>,
}

impl Models {
    /// The most models one cluster can have.
    pub(crate) const MOST: usize = 64;

    /// The model of this name, added when it is new; `None` when there are too many.
    pub(crate) fn intern(&mut self, name: &str) -> Option<ModelId> {
        if let Some(known) = self.find(name) {
            return Some(known);
        }
        if self.names.len() == Self::MOST {
            return None;
        }
        self.names.push(name.to_owned());
        Some(ModelId((self.names.len() - 1) as u8))
    }

    /// Returns each model, and `None` for nodes without one.
    pub(crate) fn all(&self) -> impl Iterator<Item = Option<ModelId>> {
        (0..self.names.len()).map(|index| Some(ModelId(index as u8))).chain([None])
    }

    /// Whether there is a model of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The name of the model that `name` names in other letters, upper or lower case.
    pub(crate) fn but_for_case(&self, name: &str) -> Option<&str> {
        self.names.iter().map(|known| &**known).find(|known| known.eq_ignore_ascii_case(name))
    }

    /// The models that `names` lists. Names that no node has add nothing.
    pub(crate) fn set<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> ModelSet {
        let known = names.into_iter().filter_map(|name| self.find(name));
        ModelSet { accepted: Some(known.fold(0, |set, model| set | 1 << model.0)) }
    }

    /// The name of a model.
    pub(crate) fn name(&self, model: ModelId) -> &str {
        &self.names[usize::from(model.0)]
    }

    /// The names of the models in a set; `None` for the set of every node.
    pub(crate) fn names(&self, set: ModelSet) -> Option<impl Iterator<Item = &str>> {
        let accepted = set.accepted?;
        let names = self.names.iter().enumerate();
        Some(names.filter(move |(at, _)| accepted >> at & 1 == 1).map(|(_, name)| &**name))
    }

    fn find(&self, name: &str) -> Option<ModelId> {
        self.names.iter().position(|known| known == name).map(|index| ModelId(index as u8))
    }
}

/// The GPU models a task accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ModelSet {
    /// `None` accepts every node, also one without a model.
    accepted: Option<u64>,
}

impl ModelSet {
    /// Accepts every node.
    pub(crate) const ANY: Self = Self { accepted: None };

    /// Whether a node with this model will do.
    pub(crate) fn accepts(self, model: Option<ModelId>) -> bool {
        match (self.accepted, model) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(accepted), Some(model)) => accepted >> model.0 & 1 == 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_set_accepts_its_models_only() {
        let mut models = Models::default();
        let (first, second) = (models.intern("T4"), models.intern("G2"));
        let set = models.set(["T4", "unheard of", "T4"]);
        assert!(set.accepts(first));
        assert!(!set.accepts(second));
        assert!(!set.accepts(None));
        assert!(ModelSet::ANY.accepts(second) && ModelSet::ANY.accepts(None));
        assert!(!models.set(["unheard of"]).accepts(first));
    }
}

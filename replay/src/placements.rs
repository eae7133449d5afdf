//! Where each task was placed, as comma separated values.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use provider_tree::{Provider, ProviderTree};
use uuid::Uuid;

use crate::cluster::Cluster;
use crate::csv;
use crate::failure::Failure;
use crate::refusal::Refusal;
use crate::seed;
use crate::trial::Replayed;

/// A file that gets a row for each task that is scheduled.
pub(crate) struct Placements {
    file: PathBuf,
    writer: BufWriter<File>,
}

const HEADER: [&str; 8] = ["list", "policy", "threads", "seed", "position", "task", "node", "gpus"];

impl Placements {
    /// Creates the file if there is to be one, and writes its header.
    pub(crate) fn create(file: Option<&Path>) -> Result<Option<Self>, Refusal> {
        let Some(file) = file else { return Ok(None) };
        let refusal = |error: io::Error| {
            let why = error.to_string();
            Refusal::Output { file: file.to_owned(), why }
        };
        let mut writer = BufWriter::new(File::create(file).map_err(refusal)?);
        writer.write_all(csv::row(HEADER).as_bytes()).map_err(refusal)?;
        Ok(Some(Self { file: file.to_owned(), writer }))
    }

    /// Writes a row for each task of a run that was decided, as its forest has it.
    pub(crate) fn write(&mut self, replayed: &Replayed<'_>) -> Result<(), Failure> {
        let written = self.write_rows(replayed).and_then(|()| self.writer.flush());
        written.map_err(|error| Failure::Unwritable { file: self.file.clone(), error })
    }

    fn write_rows(&mut self, replayed: &Replayed<'_>) -> io::Result<()> {
        let Replayed { trial, cluster, order, .. } = replayed;
        let settings = &trial.settings;
        let [policy, threads, seed] =
            [settings.policy.to_string(), settings.threads.to_string(), settings.seed.to_string()];
        let places = Places::new(cluster);
        for (position, &listed) in order.listed[..replayed.decided()].iter().enumerate() {
            let held = places.held(&cluster.tree, seed::consumer(settings.seed, position as u64));
            let (node, gpus) = held.unwrap_or_default();
            let gpus: Vec<_> = gpus.iter().map(usize::to_string).collect();
            let row = csv::row([
                &*trial.tasks.source.file,
                &policy,
                &threads,
                &seed,
                &position.to_string(),
                &trial.tasks.name(listed),
                &node,
                &gpus.join("|"),
            ]);
            self.writer.write_all(row.as_bytes())?;
        }
        Ok(())
    }
}

/// What each provider of a cluster is.
struct Places(HashMap<Uuid, Place>);

/// A node by its root, and one of its GPUs, unless it is the node itself.
#[derive(Clone, Copy)]
struct Place {
    node: Provider,
    gpu: Option<usize>,
}

impl Places {
    fn new(cluster: &Cluster) -> Self {
        let places = cluster.nodes.iter().flat_map(|node| {
            let place = |gpu| Place { node: node.root, gpu };
            let root = (node.root.uuid(), place(None));
            let gpus = node.gpus.iter().enumerate();
            let gpus = gpus.map(move |(gpu, provider)| (provider.uuid(), place(Some(gpu))));
            std::iter::once(root).chain(gpus)
        });
        Self(places.collect())
    }

    /// Returns the name of the node where a consumer holds something, and the numbers of its GPUs.
    fn held(&self, tree: &ProviderTree, consumer: Uuid) -> Option<(Arc<str>, Vec<usize>)> {
        let held = tree.allocations(consumer)?.allocations;
        let places = held.iter().filter_map(|held| self.0.get(&held.provider));
        let node = places.clone().next()?.node;
        let mut gpus: Vec<_> = places.filter_map(|place| place.gpu).collect();
        gpus.sort_unstable();
        let name = tree.configuration(&node).ok()?.name.clone();
        Some((name, gpus))
    }
}

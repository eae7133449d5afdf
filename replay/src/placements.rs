//! Where each task was placed, as comma separated values.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::csv;
use crate::failure::Failure;
use crate::places::Places;
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
        let refusal = Refusal::of_output(file);
        let mut writer = BufWriter::new(File::create(file).map_err(&refusal)?);
        writer.write_all(csv::row(HEADER).as_bytes()).map_err(&refusal)?;
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
            let held = places.held(cluster, seed::consumer(settings.seed, position as u64));
            let gpus = held.iter().flat_map(|place| &place.gpus).map(usize::to_string);
            let gpus: Vec<_> = gpus.collect();
            let root = held.map(|place| cluster.nodes[place.node].root);
            let node = root.and_then(|root| cluster.tree.configuration(&root).ok());
            let row = csv::row([
                &*trial.tasks.source.file,
                &policy,
                &threads,
                &seed,
                &position.to_string(),
                &trial.tasks.name(listed),
                node.as_ref().map_or("", |node| &node.name),
                &gpus.join("|"),
            ]);
            self.writer.write_all(row.as_bytes())?;
        }
        Ok(())
    }
}

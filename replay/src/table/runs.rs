//! The runs of a table: those that are kept from an earlier call, and those that are made.

use std::path::Path;
use std::time::Duration;

use super::keep::{self, Identity, Keep};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::options::TableOptions;
use crate::placements::Placements;
use crate::policy::PolicyName;
use crate::progress;
use crate::quote::visible;
use crate::refusal::Refusal;
use crate::report::Run;
use crate::scheduler::Settings;
use crate::trial::Trial;
use crate::workload::{Tasks, Workload};

/// Makes the runs of a table, or takes them from the file where they are kept.
pub(super) struct Runs<'a> {
    options: &'a TableOptions,
    workload: &'a Workload,
    keep: Option<Keep>,
    placements: Option<Placements>,
    interrupt: Interrupt,
    /// How many were kept.
    taken: usize,
}

impl<'a> Runs<'a> {
    /// Opens the files, and waits for Ctrl-C: until now it ends the program.
    pub(super) fn new(options: &'a TableOptions, workload: &'a Workload) -> Result<Self, Refusal> {
        let keep = match &options.keep {
            Some(file) => opened(file)?,
            None => None,
        };
        let placements = Placements::create(options.shared.placements.as_deref())?;
        let interrupt = Interrupt::by_ctrl_c_or_never();
        Ok(Self { options, workload, keep, placements, interrupt, taken: 0 })
    }

    /// Returns how many runs were taken from the file where they are kept, if there is one.
    pub(super) fn taken(&self) -> Option<usize> {
        self.keep.as_ref().map(|_| self.taken)
    }

    /// Says how a later call goes on after an interrupt, if it can.
    pub(super) fn how_to_go_on(&self) -> Option<&'static str> {
        match (&self.keep, &self.options.keep, &self.placements) {
            (Some(_), ..) => Some("the same command goes on from there"),
            (None, None, None) => Some("with --keep FILE the same command would go on from there"),
            _ => None,
        }
    }

    /// Announces a cell and returns a run for each seed; after an interrupt, those that were finished.
    pub(super) fn of_cell(
        &mut self,
        announcement: &str,
        tasks: &Tasks,
        policy: PolicyName,
        threads: usize,
    ) -> Result<Vec<Run>, Failure> {
        if !self.interrupt.is_requested() {
            progress::announce(announcement);
        }
        let mut runs = Vec::new();
        for seed in self.options.seeds() {
            let listed = tasks.rule.listed_tasks;
            let settings = Settings { policy, threads, seed, listed, pause: Duration::ZERO };
            let run = self.run(tasks, settings);
            runs.extend(run.map_err(|it| it.in_list(&tasks.source, self.workload.lists.len()))?);
        }
        Ok(runs)
    }

    /// Returns a run that is kept or finished now; `None` after an interrupt.
    fn run(&mut self, tasks: &Tasks, settings: Settings) -> Result<Option<Run>, Failure> {
        let identity = self.identity(tasks, &settings);
        let is_drawn = self.options.report.is_some();
        let kept = self.keep.as_ref().and_then(|keep| keep.find(&identity));
        if let Some(kept) = kept.filter(|kept| kept.curve.is_some() || !is_drawn) {
            self.taken += 1;
            return Ok(Some(kept.clone()));
        }
        if self.interrupt.is_requested() {
            return Ok(None);
        }
        let trial = Trial { machines: &self.workload.machines, tasks, settings };
        let replayed = trial.replay(&self.interrupt)?.filter(|replayed| replayed.is_finished());
        let Some(mut replayed) = replayed else { return Ok(None) };
        replayed.write(self.placements.as_mut())?;
        if is_drawn {
            replayed.draw();
        }
        let run = replayed.into_run();
        // What does not hold is to be run again.
        if let Some(keep) = self.keep.as_mut().filter(|_| run.audit.holds) {
            keep.add(&identity, &run)?;
        }
        Ok(Some(run))
    }

    fn identity(&self, tasks: &Tasks, settings: &Settings) -> Identity {
        Identity {
            nodes: self.workload.machines.source.clone(),
            tasks: tasks.source.clone(),
            policy: settings.policy.to_string(),
            threads: settings.threads,
            load: self.options.shared.load(),
            scale: self.options.shared.scale,
            seed: settings.seed,
        }
    }
}

/// Opens a file where runs are kept. Says so and returns `None` if nobody knows which build runs, as
/// what is kept counts only for the same one.
fn opened(file: &Path) -> Result<Option<Keep>, Refusal> {
    match keep::build() {
        Ok(build) => Keep::open(file, build).map(Some),
        Err(error) => {
            let file = visible(&file.to_string_lossy());
            eprintln!(
                "warning: the program itself can't be read, so that no run is taken from {file} or kept \
                 there: {error}"
            );
            Ok(None)
        }
    }
}

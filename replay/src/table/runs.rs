//! The runs of a table: those that are kept from an earlier call, and those that are made.

use std::time::Duration;

use super::keep::{Identity, Keep};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::options::TableOptions;
use crate::placements::Placements;
use crate::policy::PolicyName;
use crate::progress;
use crate::refusal::Refusal;
use crate::report::Run;
use crate::scheduler::Settings;
use crate::trace::shown;
use crate::trial::Trial;
use crate::workload::{Tasks, Workload};

/// Makes the runs of a table, or takes them from the file where they are kept.
pub(super) struct Runs<'a> {
    options: &'a TableOptions,
    workload: &'a Workload,
    keep: Option<Keep>,
    placements: Option<Placements>,
    interrupt: Interrupt,
}

impl<'a> Runs<'a> {
    /// Opens the files, and waits for Ctrl-C: until now it ends the program.
    pub(super) fn new(options: &'a TableOptions, workload: &'a Workload) -> Result<Self, Refusal> {
        let keep = options.keep.as_deref().map(Keep::open).transpose()?;
        let placements = Placements::create(options.shared.placements.as_deref())?;
        let interrupt = Interrupt::by_ctrl_c_or_never();
        Ok(Self { options, workload, keep, placements, interrupt })
    }

    /// Returns a run for each seed; after an interrupt, those that were finished.
    pub(super) fn of_cell(
        &mut self,
        tasks: &Tasks,
        policy: PolicyName,
        threads: usize,
    ) -> Result<Vec<Run>, Failure> {
        if !self.interrupt.is_requested() {
            let file = shown(tasks.source.file.as_ref());
            progress::announce(&format!("{file}, {policy}, threads: {threads}"));
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
            return Ok(Some(kept.clone()));
        }
        if self.interrupt.is_requested() {
            return Ok(None);
        }
        let trial = Trial { machines: &self.workload.machines, tasks, settings };
        let replayed = trial.replay(&self.interrupt)?.filter(|replayed| replayed.is_finished());
        let Some(mut replayed) = replayed else { return Ok(None) };
        replayed.write(self.placements.as_mut())?;
        let curve = is_drawn.then(|| replayed.curve());
        let run = Run { curve, ..replayed.into_run() };
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

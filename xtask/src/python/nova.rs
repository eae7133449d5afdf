//! Nova's own tests, with its `nova.compute.provider_tree` and with ours in its place.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use super::report::{Outcome, Report, differences, uncalled};
use super::{Environment, folder};
use crate::cores;
use crate::metadata::Workspace;
use crate::shell::{self, Failure, failed, heading, trouble};

/// Some of Nova's tests, which one process runs one after the other.
struct Suite {
    name: &'static str,
    modules: &'static [Module],
}

/// The tests of a module of Nova whose names contain a word, and how many of them there are.
struct Module {
    name: &'static str,
    word: &'static str,
    tests: usize,
}

/// All tests of a module.
const fn all(name: &'static str, tests: usize) -> Module {
    Module { name, word: "", tests }
}

/// The tests of a driver that fill a tree of providers.
const fn driver(name: &'static str, tests: usize) -> Module {
    Module { name, word: "provider_tree", tests }
}

const SUITES: [Suite; 2] = [
    Suite {
        name: "units",
        modules: &[
            all("nova.tests.unit.compute.test_provider_tree", 26),
            all("nova.tests.unit.compute.test_resource_tracker", 129),
            all("nova.tests.unit.scheduler.client.test_report", 157),
            all("nova.tests.unit.compute.test_pci_placement_translator", 42),
            driver("nova.tests.unit.virt.ironic.test_driver", 16),
            driver("nova.tests.unit.virt.libvirt.test_driver", 19),
            driver("nova.tests.unit.virt.vmwareapi.test_driver_api", 1),
            driver("nova.tests.unit.virt.zvm.test_driver", 1),
        ],
    },
    // With the whole services, and with Placement.
    Suite {
        name: "services",
        modules: &[
            all("nova.tests.functional.test_report_client", 18),
            all("nova.tests.functional.test_servers_provider_tree", 11),
            all("nova.tests.functional.compute.test_resource_tracker", 8),
        ],
    },
];

/// The tests that are run once more where our module is installed in the place of Nova's.
const INSTALLED: Suite =
    Suite { name: "installed", modules: &[all("nova.tests.unit.compute.test_provider_tree", 26)] };

/// Whose module Nova uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Original,
    /// For one process.
    Ours,
    /// For every process of the environment.
    Installed,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Side::Original => "original",
            Side::Ours | Side::Installed => "provider_tree.nova",
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Side::Original | Side::Installed => &[],
            Side::Ours => &["--ours"],
        }
    }

    /// Says whether it is in this file.
    fn is_in(self, file: &Path) -> bool {
        match self {
            Side::Original => file.ends_with("nova/compute/provider_tree.py"),
            Side::Ours | Side::Installed => file.ends_with("provider_tree/nova/tree.py"),
        }
    }
}

/// Runs the tests with both; returns how many passed with both. Fails unless that is all of them.
pub(super) fn run(workspace: &Workspace, environment: &Environment) -> Result<usize, Failure> {
    heading("Nova's tests");
    uninstall(environment)?;
    let jobs: Vec<(Side, &Suite)> =
        SUITES.iter().flat_map(|suite| [(Side::Original, suite), (Side::Ours, suite)]).collect();
    let reports = cores::share(&jobs, |_, &(side, suite)| {
        Ok((side, suite.run(workspace, environment, side)?))
    })?;
    let (mut original, mut ours) = (Report::default(), Report::default());
    for (side, report) in reports {
        match side {
            Side::Original => original.add(report),
            Side::Ours | Side::Installed => ours.add(report),
        }
    }
    for (side, report) in [(Side::Original, &original), (Side::Ours, &ours)] {
        println!("{}: {}", side.name(), report.sum());
    }
    println!("calls of the forest: {:?}", ours.calls);
    let installed = run_installed(workspace, environment)?;
    let mut faults: Vec<String> =
        SUITES.iter().flat_map(|suite| missing(suite, Side::Original, &original)).collect();
    faults.extend(differences(&original, &ours));
    faults.extend(uncalled(&ours));
    faults.extend(missing(&INSTALLED, Side::Installed, &installed));
    match faults.is_empty() {
        true => Ok(ours.passed()),
        false => Err(failed(faults.join("\n"))),
    }
}

/// Runs tests while our module is installed.
fn run_installed(workspace: &Workspace, environment: &Environment) -> Result<Report, Failure> {
    shell::run(environment.program("python").args(["-m", "provider_tree.nova", "install"]))?;
    let report = INSTALLED.run(workspace, environment, Side::Installed);
    uninstall(environment).and(report)
}

/// Takes away what a run that was broken off may have left, too.
fn uninstall(environment: &Environment) -> Result<(), Failure> {
    shell::run(environment.program("python").args(["-m", "provider_tree.nova", "uninstall"]))
}

impl Suite {
    /// Runs it in a process and a folder of its own.
    fn run(
        &self,
        workspace: &Workspace,
        environment: &Environment,
        side: Side,
    ) -> Result<Report, Failure> {
        let scratch = environment.scratch(&format!("nova/{} {}", side.name(), self.name))?;
        let (report, log) = (scratch.join("report.json"), scratch.join("log"));
        let _old = fs::remove_file(&report);
        let mut python = environment.program("python");
        python.args(["-W", "ignore"]).arg(folder(workspace).join("tests/nova/run.py"));
        python.args(side.options()).arg(&report).args(self.selections());
        python.current_dir(&scratch).env("LANGUAGE", "en_US").env("LC_ALL", "C.UTF-8");
        run_quietly(&mut python, &log)?;
        let text = shell::read(&report)?;
        let report = serde_json::from_str(&text).ok().and_then(|value| Report::parse(&value));
        let report = report.ok_or_else(|| failed(format!("{}: no report", scratch.display())))?;
        if !side.is_in(&report.file) {
            return Err(failed(format!("{} is in {}", side.name(), report.file.display())));
        }
        println!("{}, {}: {}", side.name(), self.name, report.sum());
        Ok(report)
    }

    /// The modules as the program that runs them takes them.
    fn selections(&self) -> impl Iterator<Item = String> {
        self.modules.iter().map(|module| match module.word {
            "" => module.name.to_owned(),
            word => format!("{}:{word}", module.name),
        })
    }
}

/// Runs a command whose output goes to a file, and is shown if the command fails.
fn run_quietly(command: &mut Command, log: &Path) -> Result<(), Failure> {
    let file = File::create(log).map_err(|error| trouble(log, &error))?;
    let both = file.try_clone().map_err(|error| trouble(log, &error))?;
    let status = command.stdin(Stdio::null()).stdout(file).stderr(both).status();
    let status = status.map_err(|error| trouble(log, &error))?;
    shell::succeeded(command, &status).map_err(|failure| {
        let said = shell::read(log).unwrap_or_default();
        failed(format!("{failure}\n{said}"))
    })
}

/// Names the modules of a suite of which fewer tests pass than there are.
fn missing(suite: &Suite, side: Side, report: &Report) -> Vec<String> {
    let mut faults = Vec::new();
    for module in suite.modules {
        let is_in_module =
            |test: &str| test.strip_prefix(module.name).is_some_and(|rest| rest.starts_with('.'));
        let tests = report.tests.iter().filter(|(test, _)| is_in_module(test));
        let passed = tests.filter(|(_, outcome)| **outcome == Outcome::Passed).count();
        if passed < module.tests {
            let Module { name, tests, .. } = module;
            let side = side.name();
            faults.push(format!("{name}: {passed} of {tests} tests pass with {side}"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::report::tests::{passed, report};
    use serde_json::{Map, Value};

    #[test]
    fn a_test_that_nova_no_longer_has_is_missed() {
        let every = SUITES[0].modules.iter().flat_map(|module| {
            (0..module.tests).map(|test| (format!("{}.Tests.test_{test}", module.name), passed()))
        });
        let mut every: Map<String, Value> = every.collect();
        let missing = |tests| missing(&SUITES[0], Side::Original, &report(Value::Object(tests)));
        assert!(missing(every.clone()).is_empty());
        every.remove("nova.tests.unit.compute.test_provider_tree.Tests.test_7");
        every.insert("nova.tests.unit.compute.test_provider_trees.test".to_owned(), passed());
        assert_eq!(
            missing(every),
            ["nova.tests.unit.compute.test_provider_tree: 25 of 26 tests pass with original"]
        );
    }

    #[test]
    fn a_module_is_told_by_its_file() {
        let nova = Path::new("/venv/site-packages/nova/compute/provider_tree.py");
        let ours = Path::new("/venv/site-packages/provider_tree/nova/tree.py");
        assert!(Side::Original.is_in(nova) && !Side::Original.is_in(ours));
        assert!(Side::Ours.is_in(ours) && !Side::Ours.is_in(nova));
    }
}

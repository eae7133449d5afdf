//! Nova's own tests, with its `nova.compute.provider_tree` and with ours in its place.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

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

/// The kinds of calls that must have reached the forest below our module by the end of the tests.
const CALLS: [&str; 6] = ["create", "find", "remove", "sharing", "traits", "walk"];

/// Whose module Nova uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Original,
    Ours,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Side::Original => "original",
            Side::Ours => "provider_tree.nova",
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Side::Original => &[],
            Side::Ours => &["--ours"],
        }
    }

    /// Says whether it is in this file.
    fn is_in(self, file: &Path) -> bool {
        match self {
            Side::Original => file.ends_with("nova/compute/provider_tree.py"),
            Side::Ours => file.parent().is_some_and(|folder| folder.ends_with("provider_tree")),
        }
    }
}

/// Runs the tests with both; returns how many passed with both. Fails unless that is all of them.
pub(super) fn run(workspace: &Workspace, environment: &Environment) -> Result<usize, Failure> {
    heading("Nova's tests");
    let jobs: Vec<(Side, &Suite)> =
        SUITES.iter().flat_map(|suite| [(Side::Original, suite), (Side::Ours, suite)]).collect();
    let reports = cores::share(&jobs, |_, &(side, suite)| {
        let report = suite.run(workspace, environment, side)?;
        println!("{}, {}: {}", side.name(), suite.name, report.sum());
        Ok((side, report))
    })?;
    let (mut original, mut ours) = (Report::default(), Report::default());
    for (side, report) in reports {
        match side {
            Side::Original => original.add(report),
            Side::Ours => ours.add(report),
        }
    }
    for (side, report) in [(Side::Original, &original), (Side::Ours, &ours)] {
        println!("{}: {}", side.name(), report.sum());
    }
    println!("calls of the forest: {:?}", ours.calls);
    let mut faults = missing(&original);
    faults.extend(differences(&original, &ours));
    faults.extend(uncalled(&ours));
    match faults.is_empty() {
        true => Ok(ours.passed()),
        false => Err(failed(faults.join("\n"))),
    }
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
        match side.is_in(&report.file) {
            true => Ok(report),
            false => Err(failed(format!("{} is in {}", side.name(), report.file.display()))),
        }
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

/// What became of tests.
#[derive(Debug, Default)]
struct Report {
    /// The file of the module that Nova used.
    file: PathBuf,
    /// How often the forest was called, by the kind of call.
    calls: BTreeMap<String, u64>,
    tests: BTreeMap<String, Outcome>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Skipped,
    Failed(String),
}

impl Report {
    fn parse(value: &Value) -> Option<Report> {
        let mut report = Report { file: value["file"].as_str()?.into(), ..Report::default() };
        for (kind, number) in value["calls"].as_object()? {
            report.calls.insert(kind.clone(), number.as_u64()?);
        }
        for (test, became) in value["tests"].as_object()? {
            let outcome = match became["outcome"].as_str()? {
                "passed" => Outcome::Passed,
                "skipped" => Outcome::Skipped,
                _ => Outcome::Failed(became["reason"].as_str()?.to_owned()),
            };
            report.tests.insert(test.clone(), outcome);
        }
        Some(report)
    }

    /// Adds what became of other tests.
    fn add(&mut self, other: Report) {
        for (kind, number) in other.calls {
            *self.calls.entry(kind).or_default() += number;
        }
        self.tests.extend(other.tests);
    }

    fn passed(&self) -> usize {
        self.tests.values().filter(|outcome| **outcome == Outcome::Passed).count()
    }

    fn sum(&self) -> String {
        let is_failed = |outcome: &&Outcome| matches!(outcome, Outcome::Failed(_));
        let failed = self.tests.values().filter(is_failed).count();
        let skipped = self.tests.len() - self.passed() - failed;
        format!("{} passed, {failed} failed, {skipped} skipped", self.passed())
    }
}

/// Names the modules of which fewer tests pass than there are.
fn missing(original: &Report) -> Vec<String> {
    let mut faults = Vec::new();
    for module in SUITES.iter().flat_map(|suite| suite.modules) {
        let is_in_module =
            |test: &str| test.strip_prefix(module.name).is_some_and(|rest| rest.starts_with('.'));
        let tests = original.tests.iter().filter(|(test, _)| is_in_module(test));
        let passed = tests.filter(|(_, outcome)| **outcome == Outcome::Passed).count();
        if passed < module.tests {
            let Module { name, tests, .. } = module;
            faults.push(format!("{name}: {passed} of {tests} tests pass with the original"));
        }
    }
    faults
}

/// Names the tests that pass with the original and not with ours, and why.
fn differences(original: &Report, ours: &Report) -> Vec<String> {
    let passed = original.tests.iter().filter(|(_, outcome)| **outcome == Outcome::Passed);
    let differ = passed.filter_map(|(test, _)| match ours.tests.get(test) {
        Some(Outcome::Passed) => None,
        Some(Outcome::Failed(reason)) => Some(format!("{test}: fails with ours\n{reason}")),
        Some(Outcome::Skipped) => Some(format!("{test}: is skipped with ours")),
        None => Some(format!("{test}: is not run with ours")),
    });
    // A module that could not be loaded is no test of the original's.
    let unknown = ours.tests.iter().filter(|(test, _)| !original.tests.contains_key(*test));
    let unknown = unknown.map(|(test, outcome)| format!("{test}: only with ours: {outcome:?}"));
    differ.chain(unknown).collect()
}

/// Names the calls that did not reach the forest.
fn uncalled(ours: &Report) -> Vec<String> {
    let is_called = |call: &str| ours.calls.get(call).is_some_and(|number| *number > 0);
    let uncalled = CALLS.into_iter().filter(|call| !is_called(call));
    uncalled.map(|call| format!("`{call}` has not reached the forest")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report(tests: Value) -> Report {
        let value = json!({
            "file": "/venv/provider_tree/nova.py", "calls": { "find": 3, "walk": 0 }, "tests": tests,
        });
        Report::parse(&value).expect("the report has every field")
    }

    fn passed() -> Value {
        json!({ "outcome": "passed", "reason": "" })
    }

    #[test]
    fn tests_that_pass_with_both_are_no_difference() {
        let skipped = json!({ "outcome": "skipped", "reason": "no network" });
        let failed = json!({ "outcome": "failed", "reason": "flaky" });
        let original = report(json!({ "a": passed(), "b": skipped, "c": failed }));
        let ours = report(json!({ "a": passed(), "b": skipped, "c": passed() }));
        assert!(differences(&original, &ours).is_empty());
        assert_eq!(original.sum(), "1 passed, 1 failed, 1 skipped");
        assert_eq!(ours.sum(), "2 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn a_test_that_does_not_pass_with_ours_is_named() {
        let original =
            report(json!({ "a": passed(), "b": passed(), "c": passed(), "d": passed() }));
        let ours = report(json!({
            "a": { "outcome": "failed", "reason": "1 != 2" },
            "b": { "outcome": "skipped", "reason": "" },
            "d": passed(),
            "e": { "outcome": "failed", "reason": "no module" },
        }));
        let expected = [
            "a: fails with ours\n1 != 2",
            "b: is skipped with ours",
            "c: is not run with ours",
            "e: only with ours: Failed(\"no module\")",
        ];
        assert_eq!(differences(&original, &ours), expected);
    }

    #[test]
    fn a_test_that_nova_no_longer_has_is_missed() {
        let every = SUITES.iter().flat_map(|suite| suite.modules).flat_map(|module| {
            (0..module.tests).map(|test| (format!("{}.Tests.test_{test}", module.name), passed()))
        });
        let mut every: serde_json::Map<String, Value> = every.collect();
        assert!(missing(&report(Value::Object(every.clone()))).is_empty());
        every.remove("nova.tests.unit.compute.test_provider_tree.Tests.test_7");
        every.insert("nova.tests.unit.compute.test_provider_trees.test".to_owned(), passed());
        assert_eq!(
            missing(&report(Value::Object(every))),
            ["nova.tests.unit.compute.test_provider_tree: 25 of 26 tests pass with the original"]
        );
    }

    #[test]
    fn calls_add_up_and_those_that_are_lacking_are_named() {
        let mut ours = report(json!({}));
        ours.add(report(json!({})));
        assert_eq!(ours.calls["find"], 6);
        let lacking = uncalled(&ours);
        assert_eq!(lacking.len(), CALLS.len() - 1);
        assert_eq!(lacking[4], "`walk` has not reached the forest");
        ours.calls = CALLS.into_iter().map(|call| (call.to_owned(), 1)).collect();
        assert!(uncalled(&ours).is_empty());
    }

    #[test]
    fn a_module_is_told_by_its_file() {
        let nova = Path::new("/venv/site-packages/nova/compute/provider_tree.py");
        let ours = Path::new("/venv/site-packages/provider_tree/nova.py");
        assert!(Side::Original.is_in(nova) && !Side::Original.is_in(ours));
        assert!(Side::Ours.is_in(ours) && !Side::Ours.is_in(nova));
    }

    #[test]
    fn a_report_without_an_outcome_is_refused() {
        let value = json!({ "file": "", "calls": {}, "tests": { "a": {} } });
        assert!(Report::parse(&value).is_none());
    }
}

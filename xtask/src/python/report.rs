//! What became of Nova's tests, and what two runs of them differ in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

/// The kinds of calls that must have reached the forest below our module by the end of the tests.
const CALLS: [&str; 10] = [
    "configure",
    "copy",
    "create",
    "find",
    "populate",
    "read",
    "remove",
    "sharing",
    "traits",
    "walk",
];

/// What became of tests.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// The file of the module that Nova used.
    pub(super) file: PathBuf,
    /// How often the forest was called, by the kind of call.
    pub(super) calls: BTreeMap<String, u64>,
    pub(super) tests: BTreeMap<String, Outcome>,
}

/// What became of one test.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Skipped,
    Failed(String),
}

impl Report {
    pub(super) fn parse(value: &Value) -> Option<Report> {
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
    pub(super) fn add(&mut self, other: Report) {
        for (kind, number) in other.calls {
            *self.calls.entry(kind).or_default() += number;
        }
        self.tests.extend(other.tests);
    }

    pub(super) fn passed(&self) -> usize {
        self.tests.values().filter(|outcome| **outcome == Outcome::Passed).count()
    }

    pub(super) fn sum(&self) -> String {
        let is_failed = |outcome: &&Outcome| matches!(outcome, Outcome::Failed(_));
        let failed = self.tests.values().filter(is_failed).count();
        let skipped = self.tests.len() - self.passed() - failed;
        format!("{} passed, {failed} failed, {skipped} skipped", self.passed())
    }
}

/// Names the tests that pass with the original and not with ours, and why.
pub(super) fn differences(original: &Report, ours: &Report) -> Vec<String> {
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
pub(super) fn uncalled(ours: &Report) -> Vec<String> {
    let is_called = |call: &str| ours.calls.get(call).is_some_and(|number| *number > 0);
    let uncalled = CALLS.into_iter().filter(|call| !is_called(call));
    uncalled.map(|call| format!("`{call}` has not reached the forest")).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    pub(in crate::python) fn report(tests: Value) -> Report {
        let value = json!({
            "file": "/venv/provider_tree/nova/tree.py", "calls": { "find": 3, "walk": 0 }, "tests": tests,
        });
        Report::parse(&value).expect("the report has every field")
    }

    pub(in crate::python) fn passed() -> Value {
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
    fn calls_add_up_and_those_that_are_lacking_are_named() {
        let mut ours = report(json!({}));
        ours.add(report(json!({})));
        assert_eq!(ours.calls["find"], 6);
        let lacking = uncalled(&ours);
        assert_eq!(lacking.len(), CALLS.len() - 1);
        assert_eq!(lacking[8], "`walk` has not reached the forest");
        ours.calls = CALLS.into_iter().map(|call| (call.to_owned(), 1)).collect();
        assert!(uncalled(&ours).is_empty());
    }

    #[test]
    fn a_report_without_an_outcome_is_refused() {
        let value = json!({ "file": "", "calls": {}, "tests": { "a": {} } });
        assert!(Report::parse(&value).is_none());
    }
}

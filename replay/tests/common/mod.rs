//! Runs the tool.

use std::process::{Command, Output};

use serde_json::Value;

/// Runs `replay` with these arguments.
pub(crate) fn replay(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
    command.args(arguments).output().expect("the tool was built with the test")
}

/// Runs `replay --json` with these arguments, to success.
pub(crate) fn report(arguments: &[&str]) -> Value {
    let output = replay(&[arguments, &["--json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    serde_json::from_slice(&output.stdout).expect("the report is JSON")
}

/// Checks every run's audit.
pub(crate) fn assert_audited(report: &Value) {
    for run in report["runs"].as_array().expect("the report has runs") {
        let audit = &run["audit"];
        assert_eq!(audit["holds"], true, "{audit}");
        assert_eq!(audit["violations"], 0);
        assert_eq!(audit["consumers"], run["placed"]);
        assert_eq!(audit["library"]["holds"], true);
        let decided = number(run, "placed") + number(run, "failed");
        assert_eq!(decided, number(run, "tasks"));
    }
}

/// A figure of the report.
pub(crate) fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("{name} is a number in {value}"))
}

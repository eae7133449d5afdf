//! Runs the tool.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

/// Runs `replay` with these arguments.
pub(crate) fn replay(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
    command.args(arguments).output().expect("the tool was built with the test")
}

/// Runs `replay` with these arguments, to success, and gives back what it prints.
pub(crate) fn printed(arguments: &[&str]) -> String {
    let output = replay(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", errors(&output));
    String::from_utf8(output.stdout).expect("it prints text")
}

/// What the tool said on standard error.
pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A file of this test, under the directory that cargo gives to tests.
pub(crate) fn file(name: &str, text: &str) -> String {
    let path = path(name);
    fs::write(&path, text).expect("the test directory is writable");
    path
}

/// The path of a file that this test may make.
pub(crate) fn path(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    path.to_str().expect("the test directory has a printable name").to_owned()
}

/// The path of a file that is not there.
pub(crate) fn no_file(name: &str) -> String {
    let path = path(name);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("{path}: {error}"),
        _ => path,
    }
}

/// Waits until a process has a handler for the signal of Ctrl-C, the second bit of its mask.
#[cfg(target_os = "linux")]
pub(crate) fn wait_until_it_catches_ctrl_c(id: u32) {
    let catches = || {
        let status = fs::read_to_string(format!("/proc/{id}/status")).expect("the tool still runs");
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask & 2 != 0)
    };
    while !catches() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Sends a process the signal of Ctrl-C.
#[cfg(target_os = "linux")]
pub(crate) fn press_ctrl_c(id: u32) {
    let killed = Command::new("kill").args(["-INT", &id.to_string()]).status();
    assert!(killed.expect("there is a kill").success(), "the tool still runs");
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

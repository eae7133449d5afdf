//! Runs the scheduler in all its variants.
#![forbid(unsafe_code)]

use std::fs;
use std::process::Command;

use serde_json::Value;

const STOPPED: &str = "scheduler, one more thread is stopped";

/// What a run has told, and the lines that it has written.
fn run(name: &str, words: &[&str]) -> (String, Vec<Value>) {
    let process = std::process::id();
    let folder = std::env::temp_dir().join(format!("provider-tree-bench-{process}-{name}"));
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(words)
        .arg("--out")
        .arg(&folder)
        .output()
        .expect("it can be started");
    let told = String::from_utf8(output.stdout).expect("it is text");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{complaints}");
    let written = fs::read_to_string(folder.join("bench.json")).expect("it was written");
    fs::remove_dir_all(&folder).expect("nobody else uses it");
    let runs: Value = serde_json::from_str(&written).expect("it is JSON");
    (told, list(&runs[0]["lines"]))
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().expect("it is a list").clone()
}

/// Where no thread can be stopped, that is said.
fn is_forbidden(told: &str) -> bool {
    told.contains(&format!("{STOPPED}: not run, since "))
}

#[test]
fn each_variant_runs_on_each_side_that_can() {
    let (told, lines) = run("brief", &["--brief", "--workload", "scheduler"]);
    let stopped = if is_forbidden(&told) { 0 } else { 2 };
    for (workload, threads, sides) in [
        ("scheduler, undisturbed", 2, 6),
        ("scheduler, a snapshot each 10 ms", 2, 4),
        (STOPPED, stopped, 6),
    ] {
        let its: Vec<_> = lines.iter().filter(|line| line["workload"] == workload).collect();
        assert_eq!(its.len(), threads, "{workload}");
        for line in its {
            let line = list(&line["sides"]);
            assert_eq!(line.len(), sides, "{workload}");
            for side in line {
                assert!(side["calls_per_second"].as_f64() > Some(0.0), "{workload}: {side}");
            }
        }
    }
}

#[test]
fn a_thread_is_stopped_where_that_is_allowed() {
    let long = ["--rounds", "1", "--length", "50", "--threads", "1", "--peer", "2PL"];
    let (told, lines) = run("long", &[&long[..], &["--workload", STOPPED]].concat());
    let sides: Vec<_> = lines.iter().flat_map(|line| list(&line["sides"])).collect();
    let stops =
        sides.iter().any(|side| side["note"].as_str().is_some_and(|it| it.contains(" stops")));
    assert!(stops || is_forbidden(&told), "{told}");
}

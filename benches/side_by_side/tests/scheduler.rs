//! Runs the scheduler in all its variants as `cargo xtask bench --brief` does.
#![forbid(unsafe_code)]

use std::fs;
use std::process::Command;

use serde_json::Value;

#[test]
fn each_variant_runs_on_each_side_that_can() {
    let folder = std::env::temp_dir().join(format!("provider-tree-bench-{}", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--brief", "--workload", "scheduler", "--out"])
        .arg(&folder)
        .output()
        .expect("it can be started");
    let told = String::from_utf8(output.stdout).expect("it is text");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{complaints}");
    let written = fs::read_to_string(folder.join("bench.json")).expect("it was written");
    fs::remove_dir_all(&folder).expect("nobody else uses it");
    let runs: Value = serde_json::from_str(&written).expect("it is JSON");
    let lines = runs[0]["lines"].as_array().expect("they are a list");
    // Where no thread can be stopped, that is said.
    let forbidden = told.contains("scheduler, one more thread is stopped: not run, since ");
    for (workload, sides, told) in [
        ("scheduler", 6, "refused"),
        ("scheduler, a snapshot each 10 ms", 4, "snapshots"),
        ("scheduler, one more thread is stopped", 6, "stops"),
    ] {
        let its = lines.iter().filter(|line| line["workload"] == workload).collect::<Vec<_>>();
        let stops = workload.ends_with("stopped");
        assert_eq!(its.len(), if stops && forbidden { 0 } else { 2 }, "{workload}");
        for line in its {
            let line = line["sides"].as_array().expect("they are a list");
            assert_eq!(line.len(), sides, "{workload}");
            for side in line {
                assert!(side["calls_per_second"].as_f64() > Some(0.0), "{workload}: {side}");
            }
            // So short a run may be over before there is anything to tell.
            let notes = line.iter().filter_map(|side| side["note"].as_str());
            assert!(notes.filter(|note| note.contains(told)).count() > 0, "{workload}: {line:?}");
        }
    }
}

//! What the tool promises on the command line: reports, audits, exit codes, messages.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use common::{assert_audited, number, replay, report};

const NODES: &str = "sn,cpu_milli,memory_mib,gpu,model\nn1,8000,1024,2,T4\nn2,8000,1024,0,\n";
const TASKS: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\nt1,1000,10,1,500\n";

/// A file of this test, under the directory that cargo gives to tests.
fn file(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).expect("the test directory is writable");
    path.to_str().expect("the test directory has a printable name").to_owned()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_built_in_workload_runs_and_is_audited() {
    for policy in ["first-fit", "best-fit", "random"] {
        let report = report(&["--policy", policy, "--threads", "3"]);
        assert_audited(&report);
        assert_eq!(report["policy"], policy);
        assert_eq!(report["nodes"], 1213);
        assert_eq!(report["gpus"], 6212);
        assert!(number(&report["mean"], "gpu_percent") > 80.0, "{report}");
    }
}

#[test]
fn the_table_has_every_figure_and_no_progress_bar() {
    let output = replay(&["--load", "0.2"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(errors(&output), "", "no terminal, no bar");
    let text = String::from_utf8(output.stdout).expect("the table is text");
    for label in [
        "decisions per second",
        "placed",
        "failed",
        "GPU allocated",
        "CPU allocated",
        "memory allocated",
        "internal retries",
        "audit",
        "building the cluster",
        "peak memory",
    ] {
        assert!(text.contains(label), "{label} is missing:\n{text}");
    }
    assert!(text.contains("holds: "), "{text}");
}

#[test]
fn several_seeds_give_a_line_each_and_the_mean() {
    let report = report(&["--seeds", "3", "--seed", "5", "--load", "0.3"]);
    assert_audited(&report);
    let runs = report["runs"].as_array().expect("the report has runs");
    let seeds: Vec<_> = runs.iter().map(|run| run["seed"].as_u64()).collect();
    assert_eq!(seeds, [Some(5), Some(6), Some(7)]);
    let sum: f64 = runs.iter().map(|run| number(run, "gpu_percent")).sum();
    assert!((number(&report["mean"], "gpu_percent") - sum / 3.0).abs() < 1e-9);

    let text = replay(&["--seeds", "2", "--load", "0.1"]).stdout;
    assert!(String::from_utf8_lossy(&text).contains("    mean "));
}

#[test]
fn one_thread_repeats_itself() {
    for policy in ["first-fit", "best-fit", "random"] {
        let run = || {
            let report = report(&["--threads", "1", "--policy", policy, "--seed", "9"]);
            let run = &report["runs"][0];
            ["tasks", "placed", "gpu_percent", "cpu_percent"].map(|name| number(run, name))
        };
        assert_eq!(run(), run(), "{policy}");
    }
}

#[test]
fn the_cluster_scales() {
    let report = report(&["--scale", "3", "--threads", "4"]);
    assert_audited(&report);
    assert_eq!(report["nodes"], 3 * 1213);
    assert!(number(&report["runs"][0], "tasks") > 30_000.0);
}

/// Many threads that all sleep between choosing and claiming: conflicts on every node.
#[test]
fn provoked_conflicts_do_no_harm() {
    let one = report(&["--threads", "1"]);
    let many = report(&["--threads", "16", "--pause", "20"]);
    assert_audited(&many);
    assert!(number(&many["runs"][0], "refused_claims") > 0.0, "nothing was provoked: {many}");
    let [one, many] = [one, many].map(|report| number(&report["mean"], "gpu_percent"));
    assert!((one - many).abs() < 1.0, "one thread {one}, sixteen {many}");
}

#[test]
fn files_are_replayed() {
    let (nodes, tasks) = (file("nodes.csv", NODES), file("tasks.csv", TASKS));
    let report =
        report(&["--nodes", &nodes, "--tasks", &tasks, "--load", "1", "--policy", "first-fit"]);
    assert_audited(&report);
    // Four tasks of half a GPU each: the load counts two whole GPUs.
    assert_eq!(report["runs"][0]["tasks"], 4);
    assert_eq!(report["runs"][0]["placed"], 4);
    assert_eq!(number(&report["mean"], "gpu_percent"), 100.0);
    assert_eq!(number(&report["mean"], "cpu_percent"), 25.0);
}

#[test]
fn a_bad_file_gives_file_line_column_and_reason() {
    let (nodes, tasks) = (file("good-nodes.csv", NODES), file("good-tasks.csv", TASKS));
    let bad_nodes = file("bad-nodes.csv", &NODES.replace("n2,8000", "n2,x"));
    let bad_tasks = file("bad-tasks.csv", &TASKS.replace(",1,500", ",1"));
    for (nodes, tasks, bad, reason) in [
        (&bad_nodes, &tasks, &bad_nodes, ":3:4: cpu_milli: `x` is not a whole number\n"),
        (&nodes, &bad_tasks, &bad_tasks, ":2:13: 4 fields where the header has 5\n"),
    ] {
        let output = replay(&["--nodes", nodes, "--tasks", tasks]);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(errors(&output), format!("{bad}{reason}"));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_missing_file_is_named() {
    let tasks = file("tasks-alone.csv", TASKS);
    let output = replay(&["--nodes", "no-such-file.csv", "--tasks", &tasks]);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).starts_with("no-such-file.csv: can't be read: "), "{output:?}");
}

#[test]
fn bad_options_end_with_2() {
    for arguments in [
        &["--no-such-option"][..],
        &["--policy", "worst-fit"],
        &["--threads", "0"],
        &["--load", "nothing"],
        &["--load", "-1"],
        &["--scale", "0"],
        &["--seeds", "0"],
        &["--nodes", "nodes.csv"],
        &["stray"],
    ] {
        let output = replay(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

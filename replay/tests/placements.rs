//! Where the tasks were placed: what `--placements` writes beside what the report says.

mod common;

use std::collections::HashMap;
use std::fs;

use serde_json::Value;

use common::{assert_audited, errors, file, number, path, printed, replay, report};

const NODES: &str = "\
sn,cpu_milli,memory_mib,gpu,model
n1,8000,1024,2,T4
n2,8000,1024,0,
n3,64000,1024,4,T4
";

const TASKS: &str = "\
name,cpu_milli,memory_mib,num_gpu,gpu_milli
shared,1000,10,1,300
large,8000,10,2,1000
none,2000,100,0,0
bare,0,0,1,700
";

/// What the tasks ask for: GPUs, and thousandths of each.
const ASKED: [(&str, usize, u64); 4] =
    [("shared", 1, 300), ("large", 2, 1000), ("none", 0, 0), ("bare", 1, 700)];

/// One row of the file.
#[derive(Debug)]
struct Placement {
    run: [String; 4],
    position: usize,
    task: String,
    node: String,
    gpus: Vec<usize>,
}

fn read(file: &str) -> Vec<Placement> {
    let text = fs::read_to_string(file).expect("it was written");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("list,policy,threads,seed,position,task,node,gpus"));
    let row = |line: &str| {
        let fields: Vec<_> = line.split(',').map(str::to_owned).collect();
        let [list, policy, threads, seed, position, task, node, gpus] =
            fields.try_into().unwrap_or_else(|fields| panic!("{fields:?}"));
        Placement {
            run: [list, policy, threads, seed],
            position: position.parse().expect("it is a number"),
            task,
            node,
            gpus: gpus.split('|').filter(|gpu| !gpu.is_empty()).map(number_of).collect(),
        }
    };
    lines.map(row).collect()
}

fn number_of(text: &str) -> usize {
    text.parse().unwrap_or_else(|_| panic!("{text} is a number"))
}

/// Checks the rows of a run beside its report, and that no device is overcommitted.
fn assert_agree(placements: &[&Placement], run: &Value) {
    let positions: Vec<_> = placements.iter().map(|row| row.position).collect();
    assert_eq!(positions, Vec::from_iter(0..placements.len()));
    assert_eq!(placements.len() as f64, number(run, "tasks"));
    let placed: Vec<_> = placements.iter().filter(|row| !row.node.is_empty()).collect();
    assert_eq!(placed.len() as f64, number(run, "placed"));
    let mut used: HashMap<(&str, usize), u64> = HashMap::new();
    for Placement { task, node, gpus, .. } in placed {
        let asked = ASKED.iter().find(|(name, ..)| name == task);
        let (_, count, share) = asked.unwrap_or_else(|| panic!("{task} is not listed"));
        assert_eq!(gpus.len(), *count, "{task}");
        assert!(gpus.windows(2).all(|pair| pair[0] < pair[1]), "{gpus:?}");
        for &gpu in gpus {
            *used.entry((node, gpu)).or_default() += share;
        }
    }
    for ((node, gpu), used) in &used {
        assert!(*used <= 1000, "{node}, {gpu}: {used}");
        let gpus = match *node {
            "n1" => 2,
            "n3" => 4,
            other => panic!("{other} has no GPUs"),
        };
        assert!(*gpu < gpus, "{node}, {gpu}");
    }
    let audited = &run["audit"]["gpu_milli"]["allocated"];
    assert_eq!(*audited, used.values().sum::<u64>());
}

#[test]
fn placements_of_runs_agree_with_the_audit() {
    let (nodes, tasks) = (file("placed-nodes.csv", NODES), file("placed-tasks.csv", TASKS));
    let placements = path("placements-of-runs.csv");
    let report = report(&[
        "--nodes",
        &nodes,
        "--tasks",
        &tasks,
        "--placements",
        &placements,
        "--seeds",
        "3",
        "--threads",
        "2",
        "--policy",
        "random",
        "--load",
        "3",
    ]);
    assert_audited(&report);
    let rows = read(&placements);
    let mut failed = 0.0;
    for run in report["runs"].as_array().expect("the report has runs") {
        let seed = run["seed"].to_string();
        let of_run: Vec<_> = rows.iter().filter(|row| row.run[3] == seed).collect();
        assert!(of_run.iter().all(|row| row.run == [&*tasks, "random", "2", &*seed]), "{of_run:?}");
        assert!(of_run.len() > ASKED.len(), "some are appended");
        assert_agree(&of_run, run);
        failed += number(run, "failed");
    }
    assert!(failed > 0.0, "the load is beyond what there is");
}

#[test]
fn placements_of_a_table_are_those_of_its_cells() {
    let (nodes, tasks) = (file("cell-nodes.csv", NODES), file("cell-tasks.csv", TASKS));
    let placements = path("placements-of-cells.csv");
    let table = printed(&[
        "table",
        "--nodes",
        &nodes,
        "--tasks",
        &tasks,
        "--placements",
        &placements,
        "--seeds",
        "2",
        "--threads",
        "2,1",
        "--load",
        "2",
        "--format",
        "json",
    ]);
    let table: Value = serde_json::from_str(&table).expect("it is JSON");
    let (rows, mut found) = (read(&placements), 0);
    for cell in table["cells"].as_array().expect("the table has cells") {
        for run in cell["runs"].as_array().expect("the cell has runs") {
            let policy = cell["policy"].as_str().expect("it is a name");
            let (threads, seed) = (cell["threads"].to_string(), run["seed"].to_string());
            let of_run = [&*tasks, policy, &*threads, &*seed];
            let of_run: Vec<_> = rows.iter().filter(|row| row.run == of_run).collect();
            assert_agree(&of_run, run);
            found += of_run.len();
        }
    }
    assert_eq!(found, rows.len());
}

#[test]
fn built_in_tasks_have_their_numbers() {
    let placements = path("placements-built-in.csv");
    let report = report(&["--placements", &placements, "--load", "1", "--threads", "1"]);
    let rows = read(&placements);
    assert_eq!(rows.len() as f64, number(&report["runs"][0], "tasks"));
    let listed = number(&report["load_rule"], "listed_tasks") as usize;
    assert!(rows.iter().all(|row| number_of(&row.task) < listed));
    assert!(rows.iter().all(|row| row.node.starts_with("node-") || row.node.is_empty()));
}

#[test]
fn a_file_that_is_read_is_not_written() {
    let (nodes, tasks) = (file("kept-nodes.csv", NODES), file("kept-tasks.csv", TASKS));
    for output in [&nodes, &tasks] {
        for command in ["run", "table"] {
            let arguments = [command, "--nodes", &nodes, "--tasks", &tasks, "--placements", output];
            assert_eq!(common::replay(&arguments).status.code(), Some(2));
        }
    }
    assert_eq!(fs::read_to_string(&nodes).ok().as_deref(), Some(NODES));
    assert_eq!(fs::read_to_string(&tasks).ok().as_deref(), Some(TASKS));
}

/// What is refused is refused before anything is written.
#[test]
fn a_refusal_writes_nothing() {
    let (nodes, tasks) = (file("refused-nodes.csv", NODES), file("refused-tasks.csv", "x\n"));
    let placements = file("refused-placements.csv", "of before");
    let arguments = ["--nodes", &nodes, "--tasks", &tasks, "--placements", &placements];
    assert_eq!(common::replay(&arguments).status.code(), Some(2));
    assert_eq!(fs::read_to_string(&placements).ok().as_deref(), Some("of before"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_breaks_the_run_off() {
    for command in ["run", "table"] {
        let output = common::replay(&[command, "--placements", "/dev/full", "--load", "0.1"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let errors = common::errors(&output);
        assert!(errors.starts_with("/dev/full: can't be written: "), "{errors}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
}

#[test]
fn what_is_read_is_not_overwritten_by_any_name() {
    let (nodes, tasks) = (file("read-nodes.csv", NODES), file("read-tasks.csv", TASKS));
    let other_name = tasks.replace("read-tasks.csv", "./read-tasks.csv");
    for option in ["--placements", "--report", "--keep"] {
        let command = if option == "--placements" { "run" } else { "table" };
        let output = replay(&[command, "--nodes", &nodes, "--tasks", &tasks, option, &other_name]);
        assert_eq!(output.status.code(), Some(2), "{option}");
        assert!(errors(&output).contains(option), "{}", errors(&output));
        assert_eq!(fs::read_to_string(&tasks).expect("it is still there"), TASKS);
    }
}

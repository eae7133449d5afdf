//! What the tool promises on the command line: reports, audits, exit codes, messages.

mod common;

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use common::{assert_audited, errors, file, number, replay, report};

const NODES: &str = "sn,cpu_milli,memory_mib,gpu,model\nn1,8000,1024,2,T4\nn2,8000,1024,0,\n";
const TASKS: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\nt1,1000,10,1,500\n";

/// Runs `replay` with these arguments and this text on its standard input.
fn replay_with_input(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the tool was built with the test");
    let mut pipe = child.stdin.take().expect("standard input is a pipe");
    pipe.write_all(input.as_bytes()).expect("the tool reads its input");
    drop(pipe);
    child.wait_with_output().expect("the tool ends")
}

/// Runs `replay` on two files and gives back what it says about them before it ends with 2.
fn complaint(nodes: &str, tasks: &str, more: &[&str]) -> String {
    let output = replay(&[&["--nodes", nodes, "--tasks", tasks], more].concat());
    let errors = errors(&output);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(output.stdout.is_empty(), "{errors}");
    assert!(errors.ends_with('\n') && !errors.contains('\u{1b}'), "{errors:?}");
    errors
}

const POLICIES: [&str; 7] =
    ["first-fit", "best-fit", "random", "fgd", "dot-product", "gpu-packing", "gpu-clustering"];

#[test]
fn the_built_in_workload_runs_and_is_audited() {
    for policy in POLICIES {
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
        "load counts",
        "listed tasks",
        "most tasks",
        "appended",
        "dropped",
        "reading the lists",
        "preparing the tasks",
        "building the cluster",
        "setting up the threads",
        "scheduling",
        "auditing",
        "writing placements",
        "clearing away",
        "everything",
        "memory, estimated",
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
    for policy in POLICIES {
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

/// Of two seeds, so that a point is far beyond what they differ by.
#[test]
fn several_threads_pack_like_one() {
    for policy in POLICIES {
        let with = |threads| {
            let report = report(&["--policy", policy, "--threads", threads, "--seeds", "2"]);
            assert_audited(&report);
            number(&report["mean"], "gpu_percent")
        };
        let (one, four) = (with("1"), with("4"));
        assert!((one - four).abs() < 1.0, "{policy}: one thread {one}, four {four}");
    }
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

/// No step is hidden: what the steps take is what everything takes.
#[test]
fn every_step_is_timed() {
    let report = report(&["--load", "0.1", "--threads", "1", "--seeds", "2"]);
    let steps = ["prepare", "build", "set_up", "schedule", "audit", "write", "clear"];
    let runs = report["runs"].as_array().expect("the report has runs").iter();
    let of_run = |run| steps.map(|step| number(run, &format!("{step}_seconds")));
    let sum = number(&report, "read_seconds") + runs.flat_map(of_run).sum::<f64>();
    let total = number(&report, "total_seconds");
    assert!(sum <= total && total < sum + 1.0, "{sum} s of {total} s");
}

/// Tasks that ask for a GPU, of which hardly any is left within the load.
#[test]
fn preparing_many_tasks_for_a_small_load_takes_no_time() {
    let nodes = file("few-nodes.csv", NODES);
    let rows = (0..400_000).map(|number| format!("t{number},100,1,1,10\n"));
    let header = TASKS.lines().next().expect("there is a header");
    let tasks = file("many-tasks.csv", &format!("{header}\n{}", rows.collect::<String>()));
    let report = report(&["--nodes", &nodes, "--tasks", &tasks, "--load", "0.1"]);
    assert_audited(&report);
    let run = &report["runs"][0];
    assert_eq!(
        (&run["tasks"], &run["dropped"], &run["appended"]),
        (&20.into(), &399_980.into(), &0.into())
    );
    let seconds = number(run, "prepare_seconds");
    assert!(seconds < 10.0, "{seconds} s");
}

#[test]
fn tasks_are_appended_by_the_scarcest_resource() {
    let nodes: String = (0..100).map(|number| format!("n{number},96000,393216,8,T4\n")).collect();
    let nodes = file("hundred-nodes.csv", &format!("sn,cpu_milli,memory_mib,gpu,model\n{nodes}"));
    let tasks: String = (0..1000).map(|number| format!("c{number},4000,8192,0,0\n")).collect();
    let tasks = file("hardly-gpus.csv", &format!("{TASKS}{tasks}").replace("1,500", "1,10"));
    let report = report(&["--nodes", &nodes, "--tasks", &tasks]);
    assert_audited(&report);
    assert_eq!(report["load_rule"]["counts"], "cpu");
    let tasks = number(&report["runs"][0], "tasks");
    assert!((3_100.0..3_150.0).contains(&tasks), "{tasks} for 9,600 cores and a load of 1.3");
}

#[test]
fn a_cluster_without_gpus_drops_nothing_that_fits() {
    let nodes = file("no-gpus.csv", "sn,cpu_milli,memory_mib,gpu,model\nn1,8000,1024,0,\n");
    let mixed = file("mixed.csv", &format!("{TASKS}c1,4000,100,0,0\nc2,4000,100,0,0\n"));
    let report = report(&["--nodes", &nodes, "--tasks", &mixed, "--load", "1"]);
    assert_audited(&report);
    let (rule, run) = (&report["load_rule"], &report["runs"][0]);
    assert_eq!((&rule["counts"], &rule["impossible_tasks"]), (&"cpu".into(), &1.into()));
    assert_eq!((&run["dropped"], &run["placed"]), (&0.into(), &2.into()));
}

/// What can't be, with its reason: files, options, the reason.
#[test]
fn what_makes_no_sense_is_refused() {
    let nodes = file("sensible-nodes.csv", NODES);
    let no_gpus = file("gpuless.csv", "sn,cpu_milli,memory_mib,gpu,model\nn1,8000,1024,0,\n");
    let tasks = file("sensible-tasks.csv", TASKS);
    let large = file("large.csv", &TASKS.replace("1000,10", "9000,10"));
    let tiny = file("tiny.csv", &TASKS.replace("1000,10,1,500", "0,0,1,1"));
    for (nodes, tasks, load, reason) in [
        (&no_gpus, &tasks, "1", "no task can run: no node has any GPUs\n"),
        (&nodes, &large, "1", "none of the 4 tasks fits on any node, even an empty one\n"),
        (&nodes, &tasks, "0.1", "a load of 0.1 leaves no task (listed: 1): raise --load\n"),
        (
            &nodes,
            &tiny,
            "2",
            "a load of 2 takes some 4000 tasks, more than 3000, which is 1000 for each node and \
             each listed task: lower --load, or list more tasks\n",
        ),
    ] {
        let output = replay(&["--nodes", nodes, "--tasks", tasks, "--load", load]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(errors(&output), reason);
        assert!(output.stdout.is_empty());
    }
}

/// The address space is limited as `ulimit -v` does it.
#[cfg(target_os = "linux")]
#[test]
fn what_exceeds_a_limit_of_memory_is_refused() {
    let limited = format!("ulimit -v 4194304; exec {} --scale 1000", env!("CARGO_BIN_EXE_replay"));
    let output = Command::new("sh").args(["-c", &limited]).output().expect("there is a shell");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let errors = errors(&output);
    assert!(
        errors.starts_with("the run would take some ") && errors.contains(" GiB of "),
        "{errors}"
    );
    assert!(errors.contains("limited to 4.0 GiB (/proc/self/limits)"), "{errors}");
}

#[test]
fn the_help_is_short_and_names_the_commands() {
    for help in ["-h", "--help"] {
        let text = String::from_utf8(replay(&[help]).stdout).expect("the help is text");
        assert!(text.lines().count() <= 20, "{text}");
        for what in ["run ", "(the default)", "table ", "replay run --help", "replay table --help"]
        {
            assert!(text.contains(what), "{what}: {text}");
        }
        assert!(!text.contains("--seeds") && !text.contains("--load"), "{text}");
    }
}

#[test]
fn run_is_what_happens_without_a_command() {
    let without = report(&["--load", "0.1", "--threads", "1", "--seed", "3"]);
    let with = report(&["run", "--load", "0.1", "--threads", "1", "--seed", "3"]);
    for name in ["tasks", "placed", "gpu_percent", "cpu_percent"] {
        assert_eq!(without["runs"][0][name], with["runs"][0][name], "{name}");
    }
}

#[test]
fn the_help_says_how_many_tasks_there_may_be() {
    let help = String::from_utf8(replay(&["run", "--help"]).stdout).expect("the help is text");
    let words: Vec<_> = help.split_whitespace().collect();
    assert!(
        words.join(" ").contains("at most 1000 tasks for each node and each listed task"),
        "{help}"
    );
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
fn a_name_that_a_provider_can_not_have_is_a_bad_file() {
    let tasks = file("tasks-of-long-names.csv", TASKS);
    let nodes = |length: usize| {
        let text = NODES.replace("n1,", &format!("{},", "n".repeat(length)));
        file(&format!("nodes-{length}.csv"), &text)
    };
    let shown = "n".repeat(60);
    let rest = "with room for what --scale and GPUs add";
    // With `/gpu1`, and with `.1/gpu1`.
    for (longest, scale) in [(1019, "1"), (1017, "2")] {
        let (good, bad) = (nodes(longest), nodes(longest + 1));
        assert_audited(&report(&["--nodes", &good, "--tasks", &tasks, "--scale", scale]));
        let length = longest + 1;
        let expected = format!(
            "{bad}:2:1: sn: `{shown}... ({length} bytes)` is too long: at most {longest} bytes, {rest}\n"
        );
        assert_eq!(complaint(&bad, &tasks, &["--scale", scale]), expected);
    }
}

#[test]
fn nothing_from_a_file_or_an_option_reaches_the_terminal_raw() {
    let evil = format!("\u{1b}[31m{}", "x".repeat(3000));
    let (nodes, tasks) = (file("plain-nodes.csv", NODES), file("plain-tasks.csv", TASKS));
    let bad = file("evil-nodes.csv", &NODES.replace("8000", &evil));
    let text = complaint(&bad, &tasks, &[]);
    assert!(text.contains(r":2:4: cpu_milli: `\u{1b}[31mxxx"), "{text}");
    assert!(text.len() < bad.len() + 150, "{text}");
    complaint(&nodes, "no\u{1b}[31msuch.csv", &[]);
    for option in ["--policy", "--load", "--seed", "--no-such"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
        // Colours on purpose, as on a terminal.
        let output = command.args([option, &evil]).env("CLICOLOR_FORCE", "1").output();
        let errors = errors(&output.expect("the tool was built with the test"));
        assert!(!errors.contains("\u{1b}[31mx") && errors.len() < 700, "{errors:?}");
    }
}

#[test]
fn an_empty_file_and_a_missing_header_are_told() {
    let (nodes, tasks) = (file("full-nodes.csv", NODES), file("full-tasks.csv", TASKS));
    let empty = file("empty.csv", "");
    assert_eq!(complaint(&empty, &tasks, &[]), format!("{empty}:1:1: the file is empty\n"));
    assert_eq!(complaint(&nodes, &empty, &[]), format!("{empty}:1:1: the file is empty\n"));
    let blank = file("blank-first.csv", &format!("\n{NODES}"));
    let expected =
        "the header is missing: a blank line instead of sn,cpu_milli,memory_mib,gpu,model";
    assert_eq!(complaint(&blank, &tasks, &[]), format!("{blank}:1:1: {expected}\n"));
}

#[test]
fn gpu_models_that_no_node_has_are_warned_of() {
    let nodes = file("model-nodes.csv", NODES);
    let header = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n";
    let rows = "t1,1,1,1,500, T4 |t4\nt2,1,1,1,500,t4\n";
    let tasks = file("model-tasks.csv", &format!("{header}{rows}"));
    let arguments = ["--nodes", &nodes, "--tasks", &tasks, "--load", "0.5", "--json"];
    let output = replay(&arguments);
    assert_eq!(output.status.code(), Some(0));
    let expected = [
        format!(
            "{tasks}: no node has the GPU model `t4` that 2 tasks may run on; a node's is `T4`"
        ),
        format!("{tasks}: no node has any GPU model of 1 task: they can't be placed"),
    ];
    assert_eq!(errors(&output), expected.map(|line| format!("warning: {line}\n")).concat());
    let report: Value = serde_json::from_slice(&output.stdout).expect("the report is JSON");
    assert_eq!(report["warnings"].as_array().map(Vec::len), Some(2), "{report}");
    assert_eq!(report["runs"][0]["placed"], 1, "blanks around a model mean nothing: {report}");
}

#[test]
fn a_list_can_come_from_standard_input() {
    let (nodes, tasks) = (file("piped-nodes.csv", NODES), file("piped-tasks.csv", TASKS));
    for (arguments, input) in [
        (["--nodes", "-", "--tasks", &tasks, "--json"], NODES),
        (["--nodes", &nodes, "--tasks", "-", "--json"], TASKS),
    ] {
        let output = replay_with_input(&arguments, input);
        assert_eq!(errors(&output), "");
        let report = serde_json::from_slice(&output.stdout).expect("the report is JSON");
        assert_audited(&report);
    }
    let output = replay_with_input(&["--nodes", "-", "--tasks", &tasks], "sn,cpu\n");
    assert_eq!(errors(&output), "<standard input>:1:4: unknown column `cpu`\n");
    let errors = complaint("-", "-", &[]);
    assert!(errors.contains("only one of --nodes and --tasks can be standard input"), "{errors}");
}

#[test]
fn a_compressed_file_is_refused_by_name_and_by_content() {
    let tasks = file("unpacked-tasks.csv", TASKS);
    let hint = "compressed: unpack it, or give `-` for the file and pipe the unpacked text in\n";
    assert_eq!(complaint("nodes.csv.gz", &tasks, &[]), format!("nodes.csv.gz: {hint}"));
    let unnamed = file("packed.csv", "\u{1f}");
    fs::write(&unnamed, b"\x1f\x8b\x08rest").expect("the test directory is writable");
    assert_eq!(complaint(&unnamed, &tasks, &[]), format!("{unnamed}: {hint}"));
}

#[test]
fn a_bad_number_says_what_is_allowed() {
    for (option, allowed) in [
        ("--load", "must be a number above 0 and at most 100"),
        ("--threads", "must be a whole number from 1 to 1024"),
        ("--scale", "must be a whole number from 1 to 1000"),
        ("--seed", "must be a whole number from 0 to 18446744073709551615"),
    ] {
        let output = replay(&[option, "-1"]);
        assert_eq!(output.status.code(), Some(2));
        let errors = errors(&output);
        assert!(errors.contains(allowed) && errors.contains("'-1'"), "{errors}");
    }
}

#[test]
fn no_line_of_the_report_is_wider_than_80_columns() {
    for arguments in [&["--load", "0.2"][..], &["--load", "0.2", "--seeds", "2"]] {
        let output = replay(arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}

/// Starts `replay --json`, presses Ctrl-C after a second, and gives back the exit code and report.
#[cfg(target_os = "linux")]
fn interrupted(arguments: &[&str]) -> (Option<i32>, Value) {
    use std::thread::sleep;
    use std::time::Duration;

    let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
    command.args(arguments).arg("--json").stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the tool was built with the test");
    common::wait_until_it_catches_ctrl_c(child.id());
    sleep(Duration::from_secs(1));
    common::press_ctrl_c(child.id());
    let output = child.wait_with_output().expect("the tool ends");
    let report = serde_json::from_slice(&output.stdout);
    (output.status.code(), report.unwrap_or_else(|_| panic!("no report: {}", errors(&output))))
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_prints_the_finished_runs() {
    let (nodes, tasks) = (file("many-nodes.csv", NODES), file("many-tasks.csv", TASKS));
    let pause = ["--pause", "20000", "--threads", "1", "--seeds", "1000", "--load", "1"];
    let arguments = [&["--nodes", &nodes, "--tasks", &tasks], &pause[..]].concat();
    let (code, report) = interrupted(&arguments);
    assert_eq!(code, Some(130), "{report}");
    assert_eq!((&report["interrupted"], &report["seeds"]), (&true.into(), &1000.into()));
    assert_audited(&report);
    let runs = report["runs"].as_array().map_or(0, Vec::len);
    assert!((1..1000).contains(&runs), "{runs}");
    assert_eq!(number(&report["mean"], "gpu_percent"), 100.0);
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_prints_what_a_run_has_done() {
    let nodes = file("slow-nodes.csv", NODES);
    let header = TASKS.lines().next().unwrap_or_default();
    let rows: String = (0..200).map(|task| format!("\nt{task},1,1,1,10")).collect();
    let tasks = file("slow-tasks.csv", &format!("{header}{rows}"));
    let pause = ["--pause", "100000", "--threads", "2", "--load", "1"];
    let arguments = [&["--nodes", &nodes, "--tasks", &tasks], &pause[..]].concat();
    let (code, report) = interrupted(&arguments);
    assert_eq!(code, Some(130), "{report}");
    assert!(report["runs"].as_array().is_some_and(Vec::is_empty) && report["mean"].is_null());
    let run = &report["unfinished"];
    assert!(number(run, "tasks") >= 1.0 && number(run, "unscheduled") >= 1.0, "{report}");
    assert_eq!(number(run, "tasks") + number(run, "unscheduled"), 200.0, "{report}");
    assert_eq!(run["audit"]["holds"], true, "{report}");
    assert_eq!(run["audit"]["consumers"], run["tasks"], "{report}");
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
        &["--placements", "no/such/directory.csv"],
        &["stray"],
        &["run", "stray"],
    ] {
        let output = replay(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

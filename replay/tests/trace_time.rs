//! What `replay run --trace-time` promises on the command line.

mod common;

use std::fs;
use std::path::Path;

use serde_json::Value;

use common::{errors, file, number, printed, replay, report};

const NODES: &str = "sn,cpu_milli,memory_mib,gpu,model\nn1,8000,1024,1,T4\n";
const HEADER: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,creation_time,deletion_time";

/// Writes a node list and a task list with these rows, and gives back the arguments that name them.
fn files(name: &str, rows: &str) -> [String; 4] {
    let nodes = file(&format!("{name}-nodes.csv"), NODES);
    let tasks = file(&format!("{name}-tasks.csv"), &format!("{HEADER}\n{rows}"));
    ["--nodes".to_owned(), nodes, "--tasks".to_owned(), tasks]
}

/// Puts the arguments of a virtual clock together.
fn on_clock<'a>(files: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    let files = files.iter().map(|it| &**it);
    ["run", "--trace-time"].into_iter().chain(files).chain(more.iter().copied()).collect()
}

/// The message with which the tool refuses these arguments.
fn refusal(arguments: &[&str]) -> String {
    let output = replay(arguments);
    let errors = errors(&output);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    errors
}

/// Checks both audits of each run: at the end, nothing is held.
fn assert_audited(report: &Value) {
    for run in report["runs"].as_array().expect("the report has runs") {
        for audit in [&run["audit"], &run["audit_at_last_arrival"]] {
            assert_eq!((&audit["holds"], &audit["library"]["holds"]), (&true.into(), &true.into()));
        }
        assert_eq!(run["is_finished"], true);
        assert_eq!(
            (&run["audit"]["consumers"], &run["audit"]["allocations"]),
            (&0.into(), &0.into())
        );
        assert_eq!(run["audit"]["gpu_milli"]["allocated"], 0);
        assert_eq!(number(run, "arrived"), number(run, "placed") + number(run, "never_ran"));
    }
}

/// One GPU, of which the second task waits for seven seconds. The third one fits nowhere, the others have
/// no times or no lifetime.
const ROWS: &str = "a,1000,10,1,1000,5,15\nb,1000,10,1,1000,8,28\nc,1000,10,2,100,9,10\n\
                    d,1000,10,0,0,,9\ne,1000,10,0,0,7,7\nf,1000,10,0,0,7,6\n";

#[test]
fn the_document_has_every_figure() {
    let files = files("figures", ROWS);
    let report = report(&on_clock(&files, &["--policy", "fgd"]));
    assert_audited(&report);
    assert_eq!((&report["trace_time"], &report["threads"]), (&true.into(), &1.into()));
    let listed = ["listed_tasks", "without_time", "without_lifetime"];
    assert_eq!(listed.map(|name| number(&report, name)), [6.0, 1.0, 2.0]);
    let run = &report["runs"][0];
    for (name, expected) in [
        ("tasks", 3),
        ("arrived", 3),
        ("placed", 2),
        ("waited", 2),
        ("never_ran", 1),
        ("waiting_at_last_arrival", 2),
        ("first_arrival", 5),
        ("last_arrival", 9),
        ("end", 35),
    ] {
        assert_eq!(run[name], expected, "{name}");
    }
    for (name, expected) in [("mean", 3.5), ("p50", 0.0), ("p90", 7.0), ("p99", 7.0), ("max", 7.0)]
    {
        assert_eq!(number(&run["waiting_seconds"], name), expected, "{name}");
    }
    assert_eq!(
        (number(&run["mean"], "gpu_percent"), number(&run["peak"], "waiting")),
        (100.0, 2.0)
    );
    assert_eq!(number(&run["mean"], "waiting"), 0.25, "one task, for one of four seconds");
    let most = number(&run["peak"], "fragmentation_percent");
    assert!(
        (most - 100.0 / 3.0).abs() < 1e-9,
        "of an idle GPU, where one of three needs two: {most}"
    );
    assert_eq!(number(&report["mean"], "waiting_seconds"), 3.5);
    assert!(number(run, "decisions_per_second") > 0.0 && number(run, "searches") >= 4.0);
    let series = run["series"].as_array().expect("there is a series");
    let spans = series.iter().map(|it| (number(it, "from"), number(it, "until")));
    let expected = [(5.0, 8.0), (8.0, 9.0), (9.0, 15.0), (15.0, 35.0), (35.0, 35.0)];
    assert_eq!(spans.collect::<Vec<_>>(), expected);
    let figures = [
        "gpu_percent",
        "cpu_percent",
        "memory_percent",
        "fragmentation_percent",
        "running",
        "waiting",
    ];
    assert_eq!(figures.map(|name| number(&series[4], name))[..3], [0.0; 3]);
    assert_eq!(number(&series[2], "waiting"), 2.0);
}

#[test]
fn what_is_left_out_is_told() {
    let files = files("left-out", ROWS);
    let output = replay(&on_clock(&files, &[]));
    assert_eq!(output.status.code(), Some(0));
    let tasks = &files[3];
    let expected = [
        format!("{tasks}: 1 task is left out: it has no creation_time or no deletion_time"),
        format!(
            "{tasks}: 2 tasks are left out: each has a deletion_time that is not above its \
             creation_time"
        ),
    ];
    assert_eq!(errors(&output), expected.map(|line| format!("warning: {line}\n")).concat());
}

#[test]
fn the_table_has_every_figure() {
    let files = files("table", ROWS);
    for (more, labels) in [
        (
            &[][..],
            &[
                "arrived                3, from 5 to 9 s; the end is at 35 s\n",
                "waited                 2\n",
                "never ran              1\n",
                "waiting                0.2, at most 2; 2 at the last arrival\n",
                "time waited            mean 3.5 s, p50 0 s, p90 7 s, p99 7 s, at most 7 s\n",
                "GPU allocated          100.00 %, at most 100.00 %\n",
                "CPU allocated          12.50 %, at most 12.50 %\n",
                "GPU fragmented ",
                "decisions per second ",
                "audit, 9 s             holds: 2 providers, 1 consumers, 3 allocations",
                "audit, 35 s            holds: 2 providers, 0 consumers, 0 allocations",
            ][..],
        ),
        (&["--seeds", "3"], &["fragmented %", "    mean ", "decisions/s"]),
    ] {
        let text = printed(&on_clock(&files, more));
        for label in labels {
            assert!(text.contains(label), "{label} is missing:\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}

#[test]
fn what_has_no_times_or_knows_none_is_refused() {
    let files = files("refused", ROWS);
    for (more, why) in [
        (["--threads", "2"], "the clock waits for each decision"),
        (["--pause", "5"], "one thread has no conflicts"),
        (["--load", "1.3"], "the tasks are those of the list, each at its time"),
        (["--placements", "no-such-file.csv"], "its rows have no times"),
    ] {
        let errors = refusal(&on_clock(&files, &more));
        assert!(errors.contains(&format!("--trace-time can't be used with {}: {why}", more[0])));
    }
    let errors = refusal(&["--trace-time"]);
    assert!(errors.contains("the built-in tasks have no times"), "{errors}");

    let (header, _) = HEADER.split_at(HEADER.find(",creation_time").expect("it is there"));
    let five = file("five-columns.csv", &format!("{header}\na,1,1,0,0\n"));
    let errors = refusal(&["--trace-time", "--nodes", &files[1], "--tasks", &five]);
    let place = format!("{five}:1:{}", header.len() + 1);
    let why = "the header has no column `creation_time`: --trace-time needs the times of the tasks";
    assert_eq!(errors, format!("{place}: {why}\n"));
}

#[test]
fn tasks_that_never_run_are_refused() {
    let timeless = files("timeless", "a,1,1,0,0,,\nb,1,1,0,0,3,3\n");
    let why = "none of the 2 tasks has a creation_time and a later deletion_time\n";
    assert!(refusal(&on_clock(&timeless, &[])).ends_with(why));
    let large = files("large", "a,9000,1,0,0,1,2\nb,1,1,2,5,3,4\n");
    let errors = refusal(&on_clock(&large, &[]));
    assert_eq!(errors, "none of the 2 tasks fits on any node, even an empty one\n");
}

#[test]
fn nodes_and_tasks_scale() {
    let files = files("scaled", ROWS);
    let report = report(&on_clock(&files, &["--scale", "3"]));
    assert_audited(&report);
    let run = &report["runs"][0];
    assert_eq!((number(&report, "nodes"), number(run, "tasks")), (3.0, 9.0));
    assert_eq!((number(run, "placed"), number(run, "end")), (6.0, 35.0));
}

/// Every policy waits with these tasks, and a seed draws what it is said to.
#[test]
fn a_run_repeats_itself() {
    let rows: String = (0..400)
        .map(|at| {
            let (milli, from) = (100 + at % 10 * 100, at / 3);
            format!("t{at},{},5,1,{milli},{from},{}\n", 100 + at % 7 * 100, from + 1 + at % 50)
        })
        .collect();
    let tasks = file("repeated-tasks.csv", &format!("{HEADER}\n{rows}"));
    let nodes: String = (0..9).map(|at| format!("n{at},{},1024,2,T4\n", 2000 + at * 500)).collect();
    let nodes = file("repeated-nodes.csv", &format!("sn,cpu_milli,memory_mib,gpu,model\n{nodes}"));
    let policies =
        ["first-fit", "best-fit", "random", "fgd", "dot-product", "gpu-packing", "gpu-clustering"];
    for policy in policies {
        let run = |seed| {
            let options =
                ["--policy", policy, "--seed", seed, "--nodes", &nodes, "--tasks", &tasks];
            let report = report(&[&["--trace-time"], &options[..]].concat());
            assert_audited(&report);
            let run = &report["runs"][0];
            assert_eq!((number(run, "placed"), number(run, "never_ran")), (400.0, 0.0));
            assert!(number(run, "waited") > 0.0, "{policy}");
            ["waiting_seconds", "mean", "series", "searches", "end"].map(|name| run[name].clone())
        };
        assert_eq!(run("9"), run("9"), "{policy}");
        assert_ne!(run("9"), run("10"), "{policy}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_prints_what_is_finished() {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    let files = files("interrupted", ROWS);
    let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
    let arguments = on_clock(&files, &["--json", "--seeds", "1000", "--scale", "200"]);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the tool was built with the test");
    common::wait_until_it_catches_ctrl_c(child.id());
    std::thread::sleep(Duration::from_secs(1));
    common::press_ctrl_c(child.id());
    let output = child.wait_with_output().expect("the tool ends");
    assert_eq!(output.status.code(), Some(130), "{}", errors(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("the report is JSON");
    assert_eq!((&report["interrupted"], &report["seeds"]), (&true.into(), &1000.into()));
    assert_audited(&report);
    let runs = report["runs"].as_array().map_or(0, Vec::len);
    assert!((1..1000).contains(&runs), "{runs}");
}

/// On the trace itself, where it is there. All of its cluster has room for each task at once; a
/// hundredth of it does not.
#[test]
fn the_published_list_waits_on_a_small_cluster_only() {
    let trace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/openb");
    if !trace.is_dir() {
        println!("skipped: there is no {}", trace.display());
        return;
    }
    let path = |name: &str| trace.join(name).to_string_lossy().into_owned();
    let all = path("openb_node_list_gpu_node.csv");
    let text = fs::read_to_string(&all).expect("the list is readable");
    let (header, rows) = text.split_once('\n').expect("the list has rows");
    let some: Vec<_> = rows.lines().step_by(100).collect();
    let some = file("some-nodes.csv", &format!("{header}\n{}\n", some.join("\n")));
    let tasks = path("openb_pod_list_default.csv");
    for (nodes, waits) in [(&all, false), (&some, true)] {
        let policy = ["--trace-time", "--policy", "best-fit"];
        let report = report(&[&policy[..], &["--nodes", nodes, "--tasks", &tasks]].concat());
        assert_audited(&report);
        assert_eq!(report["without_lifetime"], 1);
        let run = &report["runs"][0];
        assert_eq!(run["arrived"], 8151);
        assert_eq!(number(run, "waited") > 0.0, waits, "{}", run["waited"]);
    }
    let five = path("openb_pod_list_multigpu20.csv");
    let errors = refusal(&["--trace-time", "--nodes", &all, "--tasks", &five]);
    assert!(errors.contains("the header has no column `creation_time`"), "{errors}");
}

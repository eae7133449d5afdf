//! What `replay table` promises: its formats, what is published, what it keeps, exit codes.

mod common;

use std::fs;

use serde_json::Value;

use common::{errors, file, no_file, number, printed, replay};

const NODES: &str = "sn,cpu_milli,memory_mib,gpu,model\nn1,8000,1024,2,T4\nn2,8000,1024,4,T4\n";
const TASKS: &str = "\
name,cpu_milli,memory_mib,num_gpu,gpu_milli
t1,1000,10,1,500
t2,1000,10,1,700
t3,1000,10,2,1000
";

/// Two lists on a small cluster with two policies, one and two threads, and two seeds.
struct Small {
    nodes: String,
    tasks: [String; 2],
}

impl Small {
    /// How many runs those are, and how many cells.
    const RUNS: usize = 16;
    const CELLS: usize = 8;

    fn new(test: &str) -> Self {
        let tasks = [TASKS.to_owned(), TASKS.replace("700", "300")];
        let [one, two] = tasks.each_ref();
        Self {
            nodes: file(&format!("{test}-nodes.csv"), NODES),
            tasks: [file(&format!("{test}-one.csv"), one), file(&format!("{test}-two.csv"), two)],
        }
    }

    /// The arguments for it, and more.
    fn arguments<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let [one, two] = &self.tasks;
        let files = ["table", "--nodes", &self.nodes, "--tasks", one, two];
        let rest = "--policies best-fit,random --threads 1,2 --seeds 2 --load 2";
        files.into_iter().chain(rest.split(' ')).chain(more.iter().copied()).collect()
    }

    /// Runs it, with more arguments, to success.
    fn table(&self, more: &[&str]) -> Value {
        json(&self.arguments(more))
    }
}

fn json(arguments: &[&str]) -> Value {
    let text = printed(&[arguments, &["--format", "json"]].concat());
    serde_json::from_str(&text).expect("the table is JSON")
}

fn cells(table: &Value) -> &[Value] {
    table["cells"].as_array().expect("the table has cells")
}

/// All runs of a table, in order.
fn runs(table: &Value) -> Vec<Value> {
    let runs = |cell: &Value| cell["runs"].as_array().expect("a cell has runs").clone();
    cells(table).iter().flat_map(runs).collect()
}

/// The runs that a file keeps, in order.
fn kept(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(file).expect("the tool has made it");
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let line = |line| serde_json::from_str::<Value>(line).expect("a line is JSON");
    text.lines().map(|text| line(text)["run"].clone()).collect()
}

/// Runs `replay` and gives back what it says before it ends with 2.
fn complaint(arguments: &[&str]) -> String {
    let output = replay(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
    errors(&output)
}

#[test]
fn every_combination_has_a_cell_with_its_runs() {
    let small = Small::new("combinations");
    let table = small.table(&[]);
    let mut expected = Vec::new();
    for tasks in &small.tasks {
        for policy in ["best-fit", "random"] {
            expected.extend([1, 2].map(|threads| (tasks.as_str(), policy, threads)));
        }
    }
    let found = cells(&table).iter().map(|cell| {
        let text = |name: &str| cell[name].as_str().expect("it is a name");
        (text("task_list"), text("policy"), number(cell, "threads") as u64)
    });
    assert_eq!(found.collect::<Vec<_>>(), expected);
    for cell in cells(&table) {
        let runs = cell["runs"].as_array().expect("a cell has runs");
        let seeds: Vec<_> = runs.iter().map(|run| run["seed"].as_u64()).collect();
        assert_eq!(seeds, [Some(42), Some(43)]);
        assert!(runs.iter().all(|run| run["audit"]["holds"] == true));
        let sum: f64 = runs.iter().map(|run| number(run, "gpu_percent")).sum();
        assert!((number(&cell["mean"], "gpu_percent") - sum / 2.0).abs() < 1e-9);
    }
    assert_eq!(table["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&table["load"], &table["seeds"]), (&2.0.into(), &2.into()));
}

/// A cell's figures are those of `replay run` with the same options.
#[test]
fn a_cell_is_what_run_reports() {
    let small = Small::new("same");
    let [tasks, _] = &small.tasks;
    let run = common::report(&[
        "--nodes",
        &small.nodes,
        "--tasks",
        tasks,
        "--policy",
        "random",
        "--threads",
        "1",
        "--seeds",
        "2",
        "--load",
        "2",
    ]);
    let table = small.table(&[]);
    let is_it = |cell: &&Value| cell["policy"] == "random" && cell["threads"] == 1;
    let cell = cells(&table).iter().find(is_it).expect("it was asked for");
    for name in ["tasks", "placed", "failed", "gpu_percent", "cpu_percent"] {
        for number in 0..2 {
            assert_eq!(cell["runs"][number][name], run["runs"][number][name], "{name}");
        }
    }
}

#[test]
fn all_formats_say_the_same() {
    let small = Small::new("formats");
    let keep = no_file("formats.jsonl");
    let table = small.table(&["--keep", &keep]);
    let csv = printed(&small.arguments(&["--keep", &keep, "--format", "csv"]));
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let (header, rows) = lines.split_first().expect("there is a header");
    assert_eq!(rows.len(), Small::CELLS);
    let markdown = printed(&small.arguments(&["--keep", &keep]));
    for (row, cell) in rows.iter().zip(cells(&table)) {
        let field = |name| row[header.iter().position(|column| *column == name).expect(name)];
        assert_eq!(field("task_list"), cell["task_list"]);
        assert_eq!(field("node_list"), table["node_list"]["file"]);
        assert_eq!(field("policy"), cell["policy"]);
        for (name, value) in [
            ("threads", number(cell, "threads")),
            ("load", 2.0),
            ("first_seed", 42.0),
            ("finished_runs", 2.0),
            ("gpu_percent", number(&cell["mean"], "gpu_percent")),
            ("gpu_percent_deviation", number(&cell["mean"], "gpu_percent_deviation")),
            ("decisions_per_second", number(&cell["mean"], "decisions_per_second")),
            ("tasks", number(&cell["mean"], "tasks")),
            ("failed", number(&cell["mean"], "failed")),
        ] {
            assert_eq!(field(name).parse(), Ok(value), "{name}");
        }
        assert_eq!(field("published_gpu_percent"), "");
        let threads =
            format!("| {:>7} | {:>5.2} |", field("threads"), number(&cell["mean"], "gpu_percent"));
        assert!(markdown.contains(&threads), "{threads}: {markdown}");
    }
}

#[test]
fn without_files_the_built_in_workload_is_the_list() {
    let text = printed(&["table", "--seeds", "2", "--load", "0.1", "--policies", "random"]);
    assert!(text.starts_with(&format!("# replay {}: built-in\n", env!("CARGO_PKG_VERSION"))));
    assert!(
        text.contains("\n1213 nodes, 6212 GPUs; load 0.1, scale 1, 2 seeds from 42.\n"),
        "{text}"
    );
    assert!(text.contains("\n| built-in  | measured | "), "{text}");
}

/// As many nodes and GPUs as the published cluster has, and a published list's name.
#[test]
fn a_name_and_numbers_do_not_make_a_list_a_published_one() {
    let gpus = |node| if node < 147 { 6 } else { 5 };
    let node = |node| format!("n{node},64000,262144,{},T4\n", gpus(node));
    let nodes: String = (0..1213).map(node).collect();
    let header = "sn,cpu_milli,memory_mib,gpu,model\n";
    let nodes = file("openb_node_list_gpu_node.csv", &format!("{header}{nodes}"));
    let tasks = file("openb_pod_list_default.csv", TASKS);
    let options = ["--seeds", "1", "--policies", "best-fit"];
    let text = printed(&[&["table", "--nodes", &nodes, "--tasks", &tasks], &options[..]].concat());
    assert!(
        text.contains("\n1213 nodes, 6212 GPUs; load 1.3, scale 1, 1 seed from 42.\n"),
        "{text}"
    );
    assert!(!text.to_lowercase().contains("published"), "{text}");
}

/// Whatever is left of the file, a later call goes on after the last whole line.
#[test]
fn a_table_goes_on_from_what_is_kept() {
    let small = Small::new("resumed");
    let keep = no_file("resumed.jsonl");
    let table = small.table(&["--keep", &keep]);
    assert_eq!(kept(&keep), runs(&table), "each run is a line");
    let whole = fs::read_to_string(&keep).expect("it was made");
    let ends: Vec<_> = whole.match_indices('\n').map(|(at, _)| at + 1).collect();
    assert_eq!(ends.len(), Small::RUNS);
    for cut in
        [0, 1, 12, ends[0] - 1, ends[0], ends[4] + 100, ends[14], whole.len() - 1, whole.len()]
    {
        fs::write(&keep, &whole[..cut]).expect("the test directory is writable");
        let again = small.table(&["--keep", &keep]);
        let (before, after) = (runs(&table), runs(&again));
        let kept_before = ends.iter().filter(|end| **end <= cut).count();
        // Also the times are the same: these are not new runs.
        assert_eq!(before[..kept_before], after[..kept_before], "{cut}");
        assert_eq!(after.len(), Small::RUNS);
        assert_eq!(kept(&keep), after, "{cut}: the file is whole again");
        for (before, after) in
            before.iter().zip(&after).filter(|(run, _)| run["refused_claims"] == 0)
        {
            assert_eq!((&before["seed"], &before["tasks"]), (&after["seed"], &after["tasks"]));
        }
    }
}

#[test]
fn a_table_takes_from_the_file_what_it_asks_for() {
    let small = Small::new("partly");
    let keep = no_file("partly.jsonl");
    let all = small.table(&["--keep", &keep]);
    let [one, _] = &small.tasks;
    let renamed = file("partly-renamed.csv", TASKS);
    let arguments = |tasks, seeds| {
        let rest = ["--policies", "random", "--seeds", seeds, "--load", "2", "--keep", &keep];
        [&["table", "--nodes", &small.nodes, "--tasks", tasks], &rest[..]].concat()
    };
    for (tasks, seeds, new) in [(one, "1", 0), (&renamed, "2", 0), (one, "4", 2)] {
        let before = kept(&keep).len();
        let some = json(&arguments(tasks, seeds));
        assert_eq!(kept(&keep).len() - before, new, "{tasks}, {seeds} seeds");
        let all = runs(&all);
        let known = runs(&some).iter().filter(|run| all.contains(run)).count();
        assert_eq!(known, runs(&some).len() - new);
    }
}

/// A program that was built anew is another file; here the same one with a few bytes behind it.
#[cfg(target_os = "linux")]
#[test]
fn runs_of_another_build_are_not_used() {
    let small = Small::new("builds");
    let keep = no_file("builds.jsonl");
    let other = no_file("another-build");
    let copied = format!("cp {} {other} && echo more >> {other}", env!("CARGO_BIN_EXE_replay"));
    let copied = std::process::Command::new("sh").args(["-c", &copied]).status();
    assert!(copied.expect("there is a shell").success());
    let arguments = small.arguments(&["--keep", &keep]);
    for (program, taken) in [
        (env!("CARGO_BIN_EXE_replay"), 0),
        (&other, 0),
        (&other, 16),
        (env!("CARGO_BIN_EXE_replay"), 16),
    ] {
        let output = std::process::Command::new(program).args(&arguments).output();
        let output = output.expect("both can be run");
        assert_eq!(errors(&output), format!("{taken} of 16 runs were taken from {keep}\n"));
    }
    assert_eq!(kept(&keep).len(), 2 * Small::RUNS);
}

/// A program that is deleted while it waits for its node list can't be read any more.
#[cfg(target_os = "linux")]
#[test]
fn a_program_that_can_t_be_read_keeps_nothing() {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let small = Small::new("unreadable");
    let keep = no_file("unreadable.jsonl");
    small.table(&["--keep", &keep]);
    let before = fs::read_to_string(&keep).expect("it was made");
    let program = no_file("unreadable-program");
    let copied = Command::new("cp").args([env!("CARGO_BIN_EXE_replay"), &program]).status();
    assert!(copied.expect("there is a cp").success());
    let mut arguments = small.arguments(&["--keep", &keep]);
    arguments[2] = "-";
    let mut command = Command::new(&program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the copy can be run");
    fs::remove_file(&program).expect("the directory is writable");
    let nodes = child.stdin.take().expect("it was asked for");
    (&nodes).write_all(NODES.as_bytes()).expect("the tool reads it");
    drop(nodes);
    let output = child.wait_with_output().expect("the tool ends");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = "warning: the program itself can't be read, so that no run is taken from";
    let expected = format!("{said} {keep} or kept there: ");
    assert!(errors(&output).starts_with(&expected), "{}", errors(&output));
    assert_eq!(errors(&output).lines().count(), 1, "{}", errors(&output));
    assert_eq!(fs::read_to_string(&keep).ok(), Some(before));
}

/// Lines of other versions and of other lists stay where they are.
#[test]
fn what_is_kept_of_something_else_is_not_used() {
    let small = Small::new("others");
    let keep = file("others.jsonl", "{\"replay\":\"0.0.0\",\"of\":\"old\"}\n");
    small.table(&["--keep", &keep]);
    let before = fs::read_to_string(&keep).expect("it was there");
    assert!(before.starts_with("{\"replay\":\"0.0.0\",\"of\":\"old\"}\n"));
    assert_eq!(before.lines().count(), 1 + Small::RUNS);
    fs::write(&small.tasks[1], TASKS.replace("700", "301")).expect("the directory is writable");
    small.table(&["--keep", &keep]);
    let after = fs::read_to_string(&keep).expect("it was there");
    assert!(after.starts_with(&before));
    assert_eq!(after.lines().count(), 1 + Small::RUNS + Small::RUNS / 2);
}

#[test]
fn a_file_that_keeps_nothing_is_refused_and_left() {
    let small = Small::new("strange");
    let first = "it does not begin like one";
    for (name, text, line, why) in [
        ("strange.csv", NODES, 1, first),
        ("strange.txt", "one line without an end", 1, first),
        ("strange.jsonl", "{\"replay\":\"0.0.0\"}\n{}\n", 2, first),
        ("broken.jsonl", "{\"replay\":\"0.0.0\"\n", 1, "EOF"),
        ("other.jsonl", "{\"replay\":\"\u{1b}[31m\n", 1, "control character"),
    ] {
        let keep = file(name, text);
        let complaint = complaint(&small.arguments(&["--keep", &keep]));
        let start = format!("{keep}:{line}: not a finished run of `replay table --keep`: ");
        assert!(complaint.starts_with(&start) && complaint.contains(why), "{complaint:?}");
        assert!(!complaint.contains('\u{1b}') && complaint.ends_with('\n'), "{complaint:?}");
        assert_eq!(fs::read_to_string(&keep).ok().as_deref(), Some(text));
    }
}

/// Presses Ctrl-C when the first run is kept, and goes on afterwards.
#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_prints_what_is_finished_and_how_to_go_on() {
    use std::process::{Command, Stdio};

    let keep = no_file("interrupted.jsonl");
    let arguments = ["table", "--policies", "random", "--load", "0.3", "--keep", &keep];
    let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
    command.args(arguments).args(["--seeds", "1000"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("the tool was built with the test");
    common::wait_until_it_catches_ctrl_c(child.id());
    while fs::read(&keep).unwrap_or_default().is_empty() {
        assert!(child.try_wait().is_ok_and(|ended| ended.is_none()), "the tool still runs");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    common::press_ctrl_c(child.id());
    let output = child.wait_with_output().expect("the tool ends");
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let finished = kept(&keep).len();
    let said = format!("interrupted: {finished} of 1000 runs finished");
    let taken = format!("0 of 1000 runs were taken from {keep}\n");
    assert_eq!(errors(&output), format!("{taken}{said}; the same command goes on from there\n"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains(&said) && text.contains(&format!(" ({finished} of 1000) |\n")), "{text}");

    let seeds = (finished + 1).to_string();
    let before = kept(&keep);
    let table = json(&[&arguments[..], &["--seeds", &seeds]].concat());
    assert_eq!(runs(&table)[..finished], before);
    assert_eq!(kept(&keep), runs(&table));
}

/// A hint is one that can be followed: what is placed is not kept.
#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_names_keep_where_it_would_help() {
    use std::process::{Command, Stdio};

    let placements = no_file("interrupted.csv");
    let hint = "; with --keep FILE the same command would go on from there\n";
    for (more, end) in [(&[][..], hint), (&["--placements", &*placements], " runs finished\n")] {
        let arguments = ["table", "--policies", "random", "--load", "0.3", "--seeds", "1000"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
        command.args(arguments).args(more).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().expect("the tool was built with the test");
        common::wait_until_it_catches_ctrl_c(child.id());
        common::press_ctrl_c(child.id());
        let output = child.wait_with_output().expect("the tool ends");
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        assert!(errors(&output).starts_with("interrupted: "), "{output:?}");
        assert!(errors(&output).ends_with(end), "{output:?}");
    }
}

#[test]
fn a_refusal_names_the_list_if_there_are_several() {
    let nodes = file("lists-nodes.csv", NODES);
    let good = file("lists-good.csv", TASKS);
    let large = file("lists-large.csv", &TASKS.replace(",1000,10,", ",9000,10,"));
    let tiny = file("lists-tiny.csv", "name,cpu_milli,memory_mib,num_gpu,gpu_milli\nt,0,0,1,1\n");
    let files = ["table", "--nodes", &nodes, "--seeds", "1", "--tasks"];
    let lists = |lists: &[&str]| complaint(&[&files, lists].concat());
    let nothing = "tasks fits on any node, even an empty one\n";
    assert!(lists(&[&large]).starts_with("none of the "));
    let complaint = lists(&[&good, &large]);
    assert!(complaint.starts_with(&format!("{large}: none of the ")), "{complaint}");
    assert!(complaint.ends_with(nothing), "{complaint}");
    let complaint = lists(&[&tiny, &good]);
    assert!(complaint.starts_with(&format!("{tiny}: a load of 1.3 takes some ")), "{complaint}");
    let bad = file("lists-bad.csv", &TASKS.replace("t2,", "t2,x"));
    let complaint = lists(&[&good, &bad]);
    assert_eq!(complaint, format!("{bad}:3:4: cpu_milli: `x1000` is not a whole number\n"));
}

/// The address space is limited as `ulimit -v` does it.
#[cfg(target_os = "linux")]
#[test]
fn memory_is_looked_at_before_the_first_run() {
    let keep = no_file("never-begun.jsonl");
    let tool = env!("CARGO_BIN_EXE_replay");
    let limited = format!("ulimit -v 4194304; exec {tool} table --scale 1000 --keep {keep}");
    let output = std::process::Command::new("sh").args(["-c", &limited]).output();
    let output = output.expect("there is a shell");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(errors(&output).starts_with("the run would take some "), "{output:?}");
    assert!(!fs::exists(&keep).expect("the directory can be read"));
}

/// A device has no end.
#[cfg(unix)]
#[test]
fn a_file_that_keeps_is_a_regular_one() {
    let complaint = complaint(&["table", "--keep", "/dev/zero"]);
    assert_eq!(complaint, "/dev/zero: can't be written: it is not a regular file\n");
}

#[test]
fn bad_options_end_with_2() {
    let (nodes, tasks) = (file("options-nodes.csv", NODES), file("options-tasks.csv", TASKS));
    let evil = format!("\u{1b}[31m{}", "x".repeat(3000));
    for (arguments, said) in [
        (&["--policies", "random,worst-fit"][..], "worst-fit"),
        (&["--policies", "fgd,random,fgd"], "--policies gives fgd twice"),
        (&["--threads", "1,0"], "must be a whole number from 1 to 1024"),
        (&["--threads", "1,2,1"], "--threads gives 1 twice"),
        (&["--seeds", "1001"], "must be a whole number from 1 to 1000"),
        (&["--format", "xml"], "markdown"),
        (&["--format", &evil], "possible values"),
        (&["--nodes", &nodes], "--tasks"),
        (&["--tasks", &tasks], "--nodes"),
        (&["--nodes", "-", "--tasks", "-"], "only one of --nodes and --tasks"),
        (&["--nodes", &nodes, "--tasks", "t.csv", "t.csv"], "--tasks gives t.csv twice"),
        (&["--nodes", &nodes, "--tasks", &evil, &evil], "--tasks gives \\u{1b}[31mxxx"),
        (&["--nodes", &nodes, "--tasks", &tasks, "--keep", &tasks], "--keep can't be one of"),
        (&["--keep", "k.jsonl", "--placements", "p.csv"], "cannot be used with"),
        (&["--keep", "no/such/directory.jsonl"], "no/such/directory.jsonl: can't be written: "),
        (&["--placements", "no/such/directory.csv"], "no/such/directory.csv: can't be written: "),
        (&["--pause", "5"], "--pause"),
        (&["stray"], "stray"),
    ] {
        let complaint = complaint(&[&["table"], arguments].concat());
        assert!(complaint.contains(said), "{arguments:?}: {complaint}");
        assert!(!complaint.contains("\u{1b}[31mx") && complaint.len() < 700, "{complaint:?}");
    }
}

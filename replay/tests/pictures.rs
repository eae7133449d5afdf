//! The page with pictures says what the table says.

mod common;

use std::fs;

use scraper::{Html, Selector};
use serde_json::Value;

use common::{errors, file, no_file, number, printed, replay};

const OPTIONS: [&str; 9] = [
    "table",
    "--policies",
    "best-fit,random",
    "--threads",
    "1,2",
    "--seeds",
    "2",
    "--format",
    "json",
];

fn page(file: &str) -> Html {
    Html::parse_document(&fs::read_to_string(file).expect("the tool has written it"))
}

fn texts(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).expect("the selector is well formed");
    page.select(&selector).map(|element| element.text().collect()).collect()
}

/// The charts of a page by their titles, as the page has them in JSON.
fn charts(page: &Html) -> Vec<(String, Value)> {
    let figures = texts(page, "#figures");
    let figures: Value = serde_json::from_str(&figures[0]).expect("it is JSON");
    let sections = figures["sections"].as_array().expect("there are sections");
    let parts = sections.iter().flat_map(|section| section["parts"].as_array().expect("parts"));
    let charts = parts.filter_map(|part| part.get("chart"));
    let title = |chart: &Value| chart["title"].as_str().expect("it has a title").to_owned();
    charts.map(|chart| (title(chart), chart.clone())).collect()
}

/// The points of one line of a chart.
fn points(chart: &Value, policy: &str) -> Vec<(f64, f64)> {
    let series = chart["series"].as_array().expect("it has lines");
    let line = series.iter().find(|line| line["name"] == policy).expect("each policy has a line");
    let point = |point: &Value| {
        let number = |at: usize| point[at].as_f64().expect("a point has two numbers");
        (number(0), number(1))
    };
    line["points"].as_array().expect("it has points").iter().map(point).collect()
}

#[test]
fn the_lines_end_where_the_table_says() {
    let file = no_file("pictures.html");
    let table = printed(&[&OPTIONS[..], &["--report", &file]].concat());
    let table: Value = serde_json::from_str(&table).expect("the table is JSON");
    let page = page(&file);
    let charts = charts(&page);
    let titles: Vec<_> = charts.iter().map(|(title, _)| &**title).collect();
    assert_eq!(
        titles,
        [
            "GPUs allocated over what has arrived",
            "GPUs allocated over what has arrived, from 80 % on",
            "GPUs fragmented over what has arrived",
            "Decisions per second over threads",
            "Refused claims over threads",
            "GPUs allocated over threads",
        ]
    );
    assert_eq!(texts(&page, "figcaption"), titles);
    let said = texts(&page, "p").join("\n");
    assert!(said.contains("\u{b1} sample standard deviation over the seeds."), "{said}");
    assert!(!said.contains("Published"), "of the built-in workload nothing is: {said}");
    for policy in ["best-fit", "random"] {
        let cells = table["cells"].as_array().expect("the table has cells");
        let with = |threads: u64| {
            let cell = cells.iter().find(|it| it["policy"] == policy && it["threads"] == threads);
            &cell.expect("each number of threads has a cell")["mean"]
        };
        let allocated = points(&charts[0].1, policy);
        assert_eq!(allocated[0], (0.0, 0.0));
        assert!(allocated.windows(2).all(|pair| pair[0].1 <= pair[1].1), "nothing is given back");
        let end = allocated.last().expect("it has points");
        assert!(end.0 > 130.0 && (end.1 - number(with(1), "gpu_percent")).abs() < 0.5, "{end:?}");
        assert!(points(&charts[1].1, policy)[0].0 == 80.0);
        let fragmented = points(&charts[2].1, policy);
        assert!(fragmented.iter().all(|point| point.1 > 0.0 && point.1 < 50.0), "{fragmented:?}");
        for (chart, name) in
            [(3, "decisions_per_second"), (4, "refused_claims_per_task"), (5, "gpu_percent")]
        {
            let expected = [(1.0, number(with(1), name)), (2.0, number(with(2), name))];
            assert_eq!(points(&charts[chart].1, policy), expected, "{name}");
        }
    }
    let settings = texts(&page, "section:last-of-type td");
    assert!(settings.contains(&"2 from 42".to_owned()), "{settings:?}");
    assert!(settings.contains(&env!("CARGO_PKG_VERSION").to_owned()), "{settings:?}");
}

/// The line of a run that was kept without a picture in mind lacks what is drawn.
#[test]
fn runs_that_are_kept_are_drawn_too() {
    let (keep, file) = (no_file("pictures.jsonl"), no_file("kept.html"));
    let options = [&OPTIONS[..], &["--load", "0.85", "--keep", &keep]].concat();
    let plain = printed(&options);
    assert!(!plain.contains("\"curve\""));
    for _ in 0..2 {
        printed(&[&options[..], &["--report", &file]].concat());
        assert_eq!(charts(&page(&file)).len(), 6);
    }
    let lines = fs::read_to_string(&keep).expect("the tool has written it");
    assert_eq!(lines.lines().count(), 16, "each run once without and once with its curve");
}

#[test]
fn a_page_that_can_t_be_written_is_refused_before_anything_runs() {
    let output = replay(&["table", "--report", "/no/such/directory/page.html"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("can't be written"), "{}", errors(&output));
}

#[test]
fn schedulers_that_were_measured_are_in_the_page() {
    let bench = file(
        "bench.json",
        r#"[{"allocator":"system","cores":2,"rounds":9,"milliseconds":50.0,"lines":[
        {"workload":"scheduler, undisturbed","call":"a decision","threads":1,"sides":[
        {"name":"provider-tree","calls_per_second":500000.0,"latency":{"p999":9000}}]},
        {"workload":"scheduler, undisturbed","call":"a decision","threads":2,"sides":[
        {"name":"provider-tree","calls_per_second":900000.0,"latency":{"p999":12000}}]}]}]"#,
    );
    let report = no_file("schedulers.html");
    let options = ["table", "--policies", "random", "--seeds", "1", "--load", "0.1"];
    printed(&[&options[..], &["--report", &report, "--bench", &bench]].concat());
    let charts = charts(&page(&report));
    let chart = charts.iter().find(|(title, _)| title == "scheduler, undisturbed: calls/s");
    let points = points(&chart.expect("it was measured").1, "provider-tree");
    assert_eq!(points, [(1.0, 500_000.0), (2.0, 900_000.0)]);

    let other = file("no-bench.json", "[]");
    let output = replay(&["table", "--report", &report, "--bench", &other]);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("no scheduler was measured"), "{}", errors(&output));
}

#[test]
fn no_output_is_written_over_another() {
    let one = no_file("one-output");
    for other in [one.clone(), one.replace("one-output", "./one-output")] {
        for (first, second) in [("--keep", "--report"), ("--placements", "--report")] {
            let output = replay(&["table", first, &one, second, &other]);
            assert_eq!(output.status.code(), Some(2), "{first} {second}");
            assert!(errors(&output).contains("can't be the file of"), "{}", errors(&output));
        }
    }
}

#[cfg(unix)]
#[test]
fn another_link_to_what_is_read_is_what_is_read() {
    let bench = file("linked.json", "[]");
    let link = no_file("linked.html");
    fs::hard_link(&bench, &link).expect("the directory has links");
    let output = replay(&["table", "--report", &link, "--bench", &bench]);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("one of the files that are read"), "{}", errors(&output));
    assert_eq!(fs::read_to_string(&bench).ok().as_deref(), Some("[]"));
}

#[test]
fn a_refusal_leaves_the_report_of_before_and_makes_no_new_one() {
    let (old, new) = (file("old.html", "of before"), no_file("new.html"));
    let nodes = file("refused.csv", "sn,cpu_milli,memory_mib,gpu,model\nn,1000,10,0,\n");
    let tasks = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\nt,900,1,0,0\n";
    let tasks = file("refused-tasks.csv", tasks);
    for report in [&old, &new] {
        let load = ["table", "--nodes", &nodes, "--tasks", &tasks, "--load", "0.01"];
        let output = replay(&[&load[..], &["--report", report]].concat());
        assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
    }
    assert_eq!(fs::read_to_string(&old).ok().as_deref(), Some("of before"));
    assert!(!std::path::Path::new(&new).exists());
}

#[test]
fn a_cluster_without_gpus_has_a_page_that_says_so() {
    let nodes = file("bare.csv", "sn,cpu_milli,memory_mib,gpu,model\nn,1000,10,0,\n");
    let tasks = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\nt,100,1,0,0\n";
    let (tasks, report) = (file("bare-tasks.csv", tasks), no_file("bare.html"));
    let options = ["table", "--nodes", &nodes, "--tasks", &tasks, "--seeds", "1"];
    printed(&[&options[..], &["--policies", "fgd", "--report", &report]].concat());
    let page = page(&report);
    assert!(charts(&page).is_empty());
    let text = texts(&page, "p").join("\n");
    assert!(text.contains("1.3 times the CPU of a cluster (nodes: 1, GPUs: 0)"), "{text}");
    assert!(text.contains("There is nothing to draw"), "{text}");
}

/// A task here asks for many percent of the GPUs.
#[test]
fn a_small_cluster_s_lines_stand_where_the_tasks_arrived() {
    let nodes = file("small.csv", "sn,cpu_milli,memory_mib,gpu,model\nn,64000,1000,4,T4\n");
    let tasks = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\nt,100,1,1,1000\n";
    let (tasks, report) = (file("small-tasks.csv", tasks), no_file("small.html"));
    let options = ["table", "--nodes", &nodes, "--tasks", &tasks, "--seeds", "2", "--load", "1.5"];
    printed(&[&options[..], &["--policies", "fgd", "--report", &report]].concat());
    let charts = charts(&page(&report));
    let points = points(&charts[0].1, "fgd");
    // Six tasks of a whole GPU each, of which four are placed: each quarter is full when it was asked for.
    assert_eq!(points.len(), 151);
    for (percent, (arrived, allocated)) in (0..=150).map(f64::from).zip(points) {
        assert_eq!(arrived, percent);
        assert!((allocated - percent.min(100.0)).abs() < 1e-9, "{allocated} at {percent}");
    }
}

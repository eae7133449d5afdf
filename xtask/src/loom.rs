//! `cargo xtask loom` and `cargo xtask shuttle`: the models of `loom-tests`, and the proof that
//! they ran.
//!
//! Without the cfg the models vanish and an empty run passes, so passing alone shows nothing:
//! each model prints one line, and the lines are counted.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::cores;
use crate::metadata::Workspace;
use crate::shell::{self, Failure, failed};

const PACKAGE: &str = "loom-tests";

/// What runs the models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checker {
    /// Every interleaving within a bound.
    Loom,
    /// Many random interleavings, of larger models too.
    Shuttle,
}

impl Checker {
    pub(crate) fn flags(self) -> &'static str {
        match self {
            Checker::Loom => "--cfg provider_tree_loom",
            Checker::Shuttle => "--cfg provider_tree_loom --cfg provider_tree_shuttle",
        }
    }

    fn target_directory(self) -> &'static str {
        match self {
            Checker::Loom => "loom",
            Checker::Shuttle => "shuttle",
        }
    }

    /// Raise these with every model added: fewer is a failure even if nothing lists more.
    fn minimum_models(self) -> usize {
        match self {
            Checker::Loom => 204,
            Checker::Shuttle => 202,
        }
    }

    /// The models that take longest, the longest first: they begin first, so that no core waits for
    /// them at the end.
    fn longest(self) -> &'static [&'static str] {
        match self {
            Checker::Loom => &[
                "one_name_is_created_once",
                "gangs_in_opposite_order_follow_one_another",
                "a_child_is_created_or_its_parent_removed",
                "one_uuid_is_created_once",
                "two_consumers_swap_on_full_providers",
                "nothing_lands_after_a_cordon",
                "a_late_helper_of_an_abort_installs_nothing",
                "one_provider_is_created_once",
                "two_populations_are_one_after_the_other",
                "a_pair_against_one_cell_and_a_reader",
                "a_refused_lease_leaves_the_agenda",
                "a_missing_parent_leaves_nothing_behind",
                "a_lease_ends_once",
                "a_shrink_and_a_claim_follow_one_another",
                "an_inventory_swap_is_atomic_against_claims",
                "a_name_is_created_while_its_owner_goes",
                "a_transaction_is_told",
                "a_transaction_behind_a_change_is_told",
            ],
            Checker::Shuttle => &["eight_gardeners_keep_a_forest"],
        }
    }
}

/// A model explored less often than this met no interleaving at all.
const MINIMUM_ITERATIONS: u64 = 2;

/// The variables with which loom ends a model early and lets it pass.
const LIMITS_OF_LOOM: &[&str] =
    &["LOOM_MAX_DURATION", "LOOM_MAX_PERMUTATIONS", "LOOM_MAX_PREEMPTIONS", "LOOM_CHECKPOINT_FILE"];

/// Which models are asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    checker: Checker,
    only_list: bool,
    filter: Option<String>,
}

impl Request {
    /// Every model.
    pub(crate) fn everything(checker: Checker) -> Request {
        Request { checker, only_list: false, filter: None }
    }

    /// Reads `[--list] [filter]`.
    pub(crate) fn parse(checker: Checker, words: &[&str]) -> Result<Request, Failure> {
        let mut request = Request::everything(checker);
        for &word in words {
            if word == "--list" {
                request.only_list = true;
            } else if word.starts_with('-') {
                return Err(Failure::Usage(format!("`loom` has no option `{word}`")));
            } else if request.filter.is_some() {
                return Err(Failure::Usage(format!("`loom` takes one filter, not also `{word}`")));
            } else {
                request.filter = Some(word.to_owned());
            }
        }
        Ok(request)
    }
}

/// Lists or runs the models asked for.
pub(crate) fn run(workspace: &Workspace, request: &Request) -> Result<(), Failure> {
    if request.only_list {
        list(workspace, request)?.iter().for_each(|model| println!("{}", model.name));
        return Ok(());
    }
    check(workspace, request).map(drop)
}

/// Runs the models asked for, prints what they say as one table, and returns how many ran. Fails
/// if a model fails, is silent, or explored nothing.
pub(crate) fn check(workspace: &Workspace, request: &Request) -> Result<usize, Failure> {
    let listed = list(workspace, request)?;
    let (heard, broken) = run_all(&listed)?;
    println!("\n{}", heard.table());
    if let Some(first) = broken.first() {
        return Err(failed(format!("models that failed: {}, such as `{first}`", broken.len())));
    }
    let least = if request.filter.is_none() { request.checker.minimum_models() } else { 1 };
    heard.judge(listed.len(), least).map_err(failed)
}

/// A cargo command on `loom-tests` as the models need it: with the cfg, in a target directory of
/// its own so that switching does not rebuild, optimised but with debug assertions.
pub(crate) fn cargo(workspace: &Workspace, checker: Checker, subcommand: &str) -> Command {
    let inherited = std::env::var("RUSTFLAGS").unwrap_or_default();
    let mut command = workspace.cargo(subcommand);
    command
        .args(["--package", PACKAGE, "--profile", "loom"])
        .env("RUSTFLAGS", format!("{inherited} {}", checker.flags()).trim_start())
        .env("CARGO_TARGET_DIR", workspace.target_directory().join(checker.target_directory()))
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    for limit in LIMITS_OF_LOOM {
        command.env_remove(limit);
    }
    command
}

/// A model, and the program that has it.
struct Listed {
    name: String,
    program: PathBuf,
}

/// Builds and lists the models asked for, those first that take longest.
fn list(workspace: &Workspace, request: &Request) -> Result<Vec<Listed>, Failure> {
    let mut command = cargo(workspace, request.checker, "test");
    command.args(["--tests", "--no-run", "--message-format", "json-render-diagnostics"]);
    let mut listed = Vec::new();
    for program in programs_in(&shell::output(&mut command)?) {
        let text = shell::output(Command::new(&program).arg("--list").args(&request.filter))?;
        let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
        listed.extend(names.map(|name| Listed { name: name.to_owned(), program: program.clone() }));
    }
    let longest = request.checker.longest();
    listed.sort_by_key(|it| longest.iter().position(|name| *name == it.name).unwrap_or(usize::MAX));
    Ok(listed)
}

/// Finds the programs that cargo says it has built.
pub(crate) fn programs_in(messages: &str) -> Vec<PathBuf> {
    let program = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    };
    messages.lines().filter_map(program).collect()
}

/// Runs each model in a process of its own, as many at once as there are cores. Returns what they
/// say, and the names of those that fail.
fn run_all(models: &[Listed]) -> Result<(Heard, Vec<&str>), Failure> {
    let ran = cores::share(models, |_, model| {
        let output = run_one(model)?;
        let verdict = if output.status.success() { "ok" } else { "FAILED" };
        println!("test {} ... {verdict}", model.name);
        Ok((model, output))
    })?;
    let (mut heard, mut broken) = (Heard::default(), Vec::new());
    for (model, output) in ran {
        let said = String::from_utf8_lossy(&output.stdout);
        said.lines().for_each(|line| heard.line(line));
        if !output.status.success() {
            println!("\n{}: {said}{}", model.name, String::from_utf8_lossy(&output.stderr));
            broken.push(model.name.as_str());
        }
    }
    Ok((heard, broken))
}

fn run_one(model: &Listed) -> Result<Output, Failure> {
    let mut command = Command::new(&model.program);
    command.args(["--exact", &model.name, "--nocapture"]).stdin(Stdio::null());
    for limit in LIMITS_OF_LOOM {
        command.env_remove(limit);
    }
    command.output().map_err(|error| failed(format!("{}: {error}", model.program.display())))
}

/// What a model says of itself.
#[derive(Debug, PartialEq)]
struct Model {
    name: String,
    property: String,
    threads: u32,
    /// `None`: every interleaving, without a bound on preemptions.
    bound: Option<u32>,
    iterations: u64,
    seconds: f64,
}

impl Model {
    /// Reads `name | property | threads 2 | bound none | iterations 1234 | 0.41 s`.
    fn parse(text: &str) -> Option<Model> {
        let fields: Vec<&str> = text.split(" | ").map(str::trim).collect();
        let [name, property, threads, bound, iterations, seconds] = fields[..] else {
            return None;
        };
        if name.is_empty() || property.is_empty() {
            return None;
        }
        let bound = match bound.strip_prefix("bound ")? {
            "none" => None,
            number => Some(number.parse().ok()?),
        };
        Some(Model {
            name: name.to_owned(),
            property: property.to_owned(),
            threads: threads.strip_prefix("threads ")?.parse().ok()?,
            bound,
            iterations: iterations.strip_prefix("iterations ")?.parse().ok()?,
            seconds: seconds.strip_suffix(" s")?.parse().ok()?,
        })
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.property.clone(),
            self.threads.to_string(),
            self.bound.map_or_else(|| "none".to_owned(), |bound| bound.to_string()),
            self.iterations.to_string(),
            format!("{:.2}", self.seconds),
        ]
    }
}

/// The part of a line that a model wrote: the test harness may have begun the line with
/// `test name ... `.
fn model_line(line: &str) -> Option<&str> {
    let (before, model) = line.split_once("model: ")?;
    let by_harness = before.starts_with("test ") && before.ends_with(" ... ");
    (before.is_empty() || by_harness).then_some(model)
}

/// What the run of the models printed.
#[derive(Debug, Default)]
struct Heard {
    models: Vec<Model>,
    unreadable: Vec<String>,
}

impl Heard {
    /// Keeps what a model says.
    fn line(&mut self, line: &str) {
        let Some(model) = model_line(line) else { return };
        match Model::parse(model) {
            Some(model) => self.models.push(model),
            None => self.unreadable.push(line.to_owned()),
        }
    }

    fn table(&self) -> String {
        let header = ["model", "property", "threads", "bound", "iterations", "seconds"];
        let mut rows: Vec<Vec<String>> = self.models.iter().map(Model::row).collect();
        rows.sort();
        let iterations: u64 = self.models.iter().map(|model| model.iterations).sum();
        let total = format!("models: {}, iterations: {iterations}", self.models.len());
        format!("{}\n\n{total}", shell::table(&header, &[2, 3, 4, 5], &rows))
    }

    /// How many models ran, or why these don't count as a passed run.
    fn judge(&self, listed: usize, least: usize) -> Result<usize, String> {
        if let Some(line) = self.unreadable.first() {
            return Err(format!("this line of a model can't be read: {line}"));
        }
        if let Some(model) = self.models.iter().find(|it| it.iterations < MINIMUM_ITERATIONS) {
            let name = &model.name;
            let iterations = model.iterations;
            return Err(format!("model `{name}` met no interleaving: iterations {iterations}"));
        }
        let mut names = BTreeSet::new();
        if let Some(model) = self.models.iter().find(|model| !names.insert(&model.name)) {
            return Err(format!("two models are named `{}`", model.name));
        }
        let ran = self.models.len();
        if ran < listed {
            return Err(format!("models listed: {listed}, but only {ran} said that they ran"));
        }
        if ran < least {
            return Err(format!("models that ran: {ran}, fewer than the least that must, {least}"));
        }
        Ok(ran)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "lost_update | both claims count | threads 2 | bound none | iterations 1234 | 0.41 s";

    fn heard(lines: &[&str]) -> Heard {
        let mut heard = Heard::default();
        lines.iter().for_each(|line| heard.line(line));
        heard
    }

    fn line(name: &str, iterations: u64) -> String {
        format!("model: {name} | it holds | threads 3 | bound 2 | iterations {iterations} | 1.50 s")
    }

    #[test]
    fn a_model_line_is_read() {
        let expected = Model {
            name: "lost_update".to_owned(),
            property: "both claims count".to_owned(),
            threads: 2,
            bound: None,
            iterations: 1234,
            seconds: 0.41,
        };
        assert_eq!(Model::parse(LINE), Some(expected));
        assert_eq!(Model::parse(&LINE.replace("none", "3")).and_then(|it| it.bound), Some(3));
    }

    #[test]
    fn a_model_line_with_anything_else_is_refused() {
        let broken = [
            LINE.replace("lost_update", ""),
            LINE.replace("threads 2", "threads two"),
            LINE.replace("bound none", "bound"),
            LINE.replace("iterations 1234", "iterations 1,234"),
            LINE.replace("0.41 s", "0.41"),
            LINE.replace(" | bound none", ""),
            format!("{LINE} | more"),
        ];
        for text in broken {
            assert_eq!(Model::parse(&text), None, "{text}");
        }
    }

    #[test]
    fn a_model_line_is_found_behind_what_the_harness_began() {
        assert_eq!(model_line("model: x"), Some("x"));
        assert_eq!(model_line("test a::b ... model: x"), Some("x"));
        assert_eq!(model_line("the model: x"), None);
        assert_eq!(model_line("test result: ok. 1 passed"), None);
    }

    #[test]
    fn programs_are_found_among_what_cargo_says() {
        let messages = [
            r#"{"reason":"compiler-artifact","executable":null}"#,
            r#"{"reason":"compiler-artifact","executable":"/target/ring-1"}"#,
            r#"{"reason":"build-finished","success":true}"#,
        ];
        assert_eq!(programs_in(&messages.join("\n")), [PathBuf::from("/target/ring-1")]);
    }

    #[test]
    fn as_many_models_as_listed_pass() {
        let (one, two) = (line("one", 20), line("two", 30));
        let heard = heard(&["running 2 tests", &one, &two, "test one ... ok"]);
        assert_eq!(heard.judge(2, 2), Ok(2));
        let table = heard.table();
        assert!(table.contains("one    it holds        3      2          20     1.50"), "{table}");
        assert!(table.ends_with("models: 2, iterations: 50"), "{table}");
    }

    #[test]
    fn too_few_models_fail() {
        let one = line("one", 20);
        let silent = heard(&[&one]).judge(2, 1);
        assert_eq!(silent, Err("models listed: 2, but only 1 said that they ran".to_owned()));
        let shrunk = heard(&[&one]).judge(1, 2);
        assert_eq!(shrunk, Err("models that ran: 1, fewer than the least that must, 2".to_owned()));
        assert!(heard(&[]).judge(0, 1).is_err());
    }

    #[test]
    fn models_that_show_nothing_fail() {
        let vacuous = heard(&[&line("one", 1)]).judge(1, 1);
        assert_eq!(vacuous, Err("model `one` met no interleaving: iterations 1".to_owned()));
        let twice = heard(&[&line("one", 9), &line("one", 9)]).judge(2, 1);
        assert_eq!(twice, Err("two models are named `one`".to_owned()));
        let unreadable = heard(&["model: one"]).judge(1, 1);
        assert_eq!(unreadable, Err("this line of a model can't be read: model: one".to_owned()));
    }

    #[test]
    fn a_request_is_read_in_any_order() {
        let expected =
            Request { checker: Checker::Loom, only_list: true, filter: Some("ring".to_owned()) };
        for words in [["--list", "ring"], ["ring", "--list"]] {
            assert_eq!(
                Request::parse(Checker::Loom, &words).expect("both words are known"),
                expected
            );
        }
    }
}

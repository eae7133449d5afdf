//! `cargo xtask test`: everything that must pass, in order; and `cargo xtask check`: the part of it
//! that is quick enough for every commit.

use std::process::Command;
use std::time::Instant;

use crate::loom::Checker;
use crate::metadata::{LIBRARY, OPTIMISED, Target, Workspace};
use crate::shell::{self, Failure, heading};
use crate::{bench, checks, cluster, loom, readme};

/// What a step did, in a few words for the summary.
type Note = String;

/// What the note of a step that could not be run begins with.
const NOT_RUN: &str = "not run: ";

struct Step {
    name: &'static str,
    run: fn(&Workspace) -> Result<Note, Failure>,
}

/// Everything that must pass before a change is merged.
const EVERYTHING: &[Step] = &[
    Step { name: "format", run: format },
    Step { name: "clippy", run: clippy },
    Step { name: "docs", run: docs },
    Step { name: "tests", run: tests },
    Step { name: "examples", run: examples },
    Step { name: "loom", run: models },
    Step { name: "shuttle", run: crowds },
    Step { name: "benches", run: benches },
    Step { name: "fuzz", run: fuzz },
    Step { name: "replay", run: replay },
    Step { name: "python", run: python },
    Step { name: "cluster", run: cluster },
    Step { name: "msrv", run: checks::msrv },
    Step { name: "forbid", run: checks::forbid },
];

/// What each commit has to pass: nothing here is optimised, repeated with another configuration, or
/// run for its duration.
const EACH_COMMIT: &[Step] = &[
    Step { name: "format", run: format },
    Step { name: "clippy", run: clippy_with_features },
    Step { name: "tests", run: quick_tests },
    Step { name: "docs", run: docs },
];

/// The integration test that is run with both kinds of slots.
const STRESS_TEST: &str = "storm";

/// The integration tests that show little without optimisation.
const OPTIMISED_TESTS: &[&str] = &["scale", STRESS_TEST];

/// Runs everything that must pass, or the steps of it that are named.
pub(crate) fn run(workspace: &Workspace, names: &[&str]) -> Result<(), Failure> {
    run_steps(workspace, &named(names)?)
}

/// Runs what each commit has to pass.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    run_steps(workspace, &EACH_COMMIT.iter().collect::<Vec<_>>())
}

/// The steps with these names, in the order in which they run; all of them if none is named.
fn named(names: &[&str]) -> Result<Vec<&'static Step>, Failure> {
    let is_step = |name: &&&str| EVERYTHING.iter().any(|step| step.name == **name);
    if let Some(unknown) = names.iter().find(|name| !is_step(name)) {
        let known: Vec<&str> = EVERYTHING.iter().map(|step| step.name).collect();
        let known = known.join(", ");
        return Err(Failure::Usage(format!("`test` has no step `{unknown}`, but {known}")));
    }
    let is_named = |step: &&Step| names.is_empty() || names.contains(&step.name);
    Ok(EVERYTHING.iter().filter(is_named).collect())
}

/// Runs the steps up to the first failure and sums them up.
fn run_steps(workspace: &Workspace, steps: &[&Step]) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        heading(&format!("{}/{} {}", index + 1, steps.len(), step.name));
        let start = Instant::now();
        let outcome = note_if_not_run((step.run)(workspace), in_ci());
        let seconds = format!("{:.1}", start.elapsed().as_secs_f64());
        let note = outcome.as_ref().map_or("FAILED", |note| note.as_str());
        rows.push(vec![step.name.to_owned(), seconds, note.to_owned()]);
        if let Err(failure) = outcome {
            summary(&rows);
            return Err(shell::failed(format!("step `{}`: {failure}", step.name)));
        }
    }
    summary(&rows);
    println!("\n{}", conclusion(&rows));
    Ok(())
}

/// Forgives a step that takes what is not on this machine, but not the machine that has to run all.
fn note_if_not_run(outcome: Result<Note, Failure>, in_ci: bool) -> Result<Note, Failure> {
    match outcome {
        Err(Failure::Unavailable(reason)) if !in_ci => Ok(format!("{NOT_RUN}{reason}")),
        outcome => outcome,
    }
}

fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

/// How many steps passed, when none failed.
fn conclusion(rows: &[Vec<String>]) -> String {
    let not_run = rows.iter().filter(|row| row[2].starts_with(NOT_RUN)).count();
    match not_run {
        0 => format!("all {} steps passed", rows.len()),
        _ => format!("{} passed, {not_run} not run", count(rows.len() - not_run, "step")),
    }
}

fn summary(rows: &[Vec<String>]) {
    heading("summary");
    println!("{}", shell::table(&["step", "seconds", "note"], &[1], rows));
}

fn format(workspace: &Workspace) -> Result<Note, Failure> {
    shell::run(workspace.cargo_fmt().args(["--all", "--check"]))?;
    Ok(Note::new())
}

/// The library's features. The fuzzer's own needs a C++ compiler.
pub(crate) const FEATURES: [&str; 2] = ["--features", "provider-tree/serde,provider-tree/tracing"];

/// What clippy looks at, and that it forgives nothing.
pub(crate) const STRICT: [&str; 4] = ["--all-targets", "--", "-D", "warnings"];

fn clippy_with_features(workspace: &Workspace) -> Result<Note, Failure> {
    let everything = ["--workspace"].into_iter().chain(FEATURES).chain(STRICT);
    shell::run(workspace.cargo("clippy").args(everything))?;
    Ok("with features".to_owned())
}

/// Those whose own step looks at them with all of their features are left out.
fn clippy(workspace: &Workspace) -> Result<Note, Failure> {
    let others = cluster::MEMBERS.into_iter().flat_map(|member| ["--exclude", member]);
    let others = ["--workspace"].into_iter().chain(others).chain(FEATURES).chain(STRICT);
    shell::run(workspace.cargo("clippy").args(others))?;
    let plain = ["--package", LIBRARY].into_iter().chain(STRICT);
    shell::run(workspace.cargo("clippy").args(plain))?;
    shell::run(loom::cargo(workspace, Checker::Loom, "clippy").args(STRICT))?;
    shell::run(loom::cargo(workspace, Checker::Shuttle, "clippy").args(STRICT))?;
    Ok("with and without features, and as loom and shuttle see it".to_owned())
}

/// The pages with private items come first, so that the ones left behind are the public ones.
fn docs(workspace: &Workspace) -> Result<Note, Failure> {
    let document = |arguments: &[&str]| {
        let mut command = workspace.cargo("doc");
        command.arg("--no-deps").args(FEATURES).args(arguments);
        shell::run(command.env("RUSTDOCFLAGS", "-D warnings"))
    };
    document(&["--package", LIBRARY, "--document-private-items"])?;
    document(&["--workspace"])?;
    Ok("also the library's private items".to_owned())
}

/// The integration tests that are run with optimisation, and those that are quick without.
fn optimised_and_quick(workspace: &Workspace) -> (Vec<Target>, Vec<Target>) {
    let is_optimised = |target: &Target| OPTIMISED_TESTS.contains(&target.name.as_str());
    let tests = workspace.targets("test").into_iter();
    let has_own_step = |target: &Target| cluster::MEMBERS.contains(&target.package.as_str());
    tests.filter(|target| !has_own_step(target)).partition(is_optimised)
}

/// The tests of every member but the one that an interpreter has to load, and those that are tested with all
/// of their features in a step of their own.
fn tests_of_members(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo("test");
    command.args(FEATURES).args(["--workspace", "--exclude", "provider-tree-python"]);
    command.args(cluster::MEMBERS.into_iter().flat_map(|member| ["--exclude", member]));
    command
}

fn quick_tests(workspace: &Workspace) -> Result<Note, Failure> {
    let (_, quick) = optimised_and_quick(workspace);
    let names = quick.iter().flat_map(|target| ["--test", &target.name]);
    let select = ["--lib", "--bins"];
    shell::run(tests_of_members(workspace).args(select).args(names))?;
    Ok(format!("without {}", OPTIMISED_TESTS.join(" and ")))
}

fn tests(workspace: &Workspace) -> Result<Note, Failure> {
    quick_tests(workspace)?;
    shell::run(tests_of_members(workspace).arg("--doc"))?;
    let (optimised, _) = optimised_and_quick(workspace);
    // In one call, so that they are built at the same time.
    let select = optimised.iter().flat_map(|target| ["--test", &target.name]);
    shell::run(
        workspace.cargo("test").args(["--profile", OPTIMISED, "--package", LIBRARY]).args(select),
    )?;
    let stress = optimised.iter().find(|target| target.name == STRESS_TEST);
    let stress = stress.ok_or_else(|| shell::failed(format!("no test `{STRESS_TEST}`")))?;
    let select = ["--package", &stress.package, "--test", &stress.name];
    shell::run(other_slots(workspace).args(select))?;
    Ok(format!(
        "{} optimised, `{STRESS_TEST}` with both kinds of slots",
        OPTIMISED_TESTS.join(" and ")
    ))
}

/// The stress test, shorter, with arc-swap's other strategy. Not optimised, as every dependency
/// is built once more for it.
fn other_slots(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo("test");
    command
        .env("RUSTFLAGS", "--cfg provider_tree_rwlock_slots")
        .env("CARGO_TARGET_DIR", workspace.target_directory().join("rwlock-slots"))
        .env("STORM_SECONDS", "1")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    command
}

fn examples(workspace: &Workspace) -> Result<Note, Failure> {
    let examples = workspace.targets("example");
    for target in &examples {
        let select = ["--package", &target.package, "--example", &target.name];
        // With the features of the tests, for which the library is built already.
        shell::run(workspace.cargo("run").args(FEATURES).args(select))?;
    }
    readme::run(workspace)?;
    Ok(format!("{}, and the README's", count(examples.len(), "example")))
}

fn models(workspace: &Workspace) -> Result<Note, Failure> {
    let ran = loom::check(workspace, &loom::Request::everything(Checker::Loom))?;
    Ok(count(ran, "model"))
}

fn crowds(workspace: &Workspace) -> Result<Note, Failure> {
    let ran = loom::check(workspace, &loom::Request::everything(Checker::Shuttle))?;
    Ok(count(ran, "model"))
}

fn benches(workspace: &Workspace) -> Result<Note, Failure> {
    let benches = workspace.targets("bench");
    for target in &benches {
        let select = ["--package", &target.package, "--bench", &target.name];
        // With what the tests have built: here it matters that they run, not how fast.
        let briefly = ["--profile", OPTIMISED, "--", "--test"];
        shell::run(workspace.cargo("bench").args(select).args(briefly))?;
    }
    bench::briefly(workspace)?;
    Ok(format!("{}, and the peers", count(benches.len(), "short benchmark")))
}

fn fuzz(workspace: &Workspace) -> Result<Note, Failure> {
    crate::fuzz::briefly(workspace, 10)
}

fn replay(workspace: &Workspace) -> Result<Note, Failure> {
    shell::run(workspace.cargo("run").arg("--release"))?;
    Ok("built-in workload".to_owned())
}

fn python(workspace: &Workspace) -> Result<Note, Failure> {
    crate::python::run(workspace, crate::python::Request::Everything)
}

fn cluster(workspace: &Workspace) -> Result<Note, Failure> {
    crate::cluster::run(workspace, crate::cluster::Request::Everything)
}

fn count(number: usize, noun: &str) -> Note {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn what_each_commit_has_to_pass_is_part_of_everything() {
        let everything: Vec<&str> = EVERYTHING.iter().map(|step| step.name).collect();
        for step in EACH_COMMIT {
            assert!(everything.contains(&step.name), "{}", step.name);
        }
    }

    #[test]
    fn every_test_with_optimisation_exists() {
        let workspace = Workspace::load().expect("cargo describes the workspace");
        let (optimised, quick) = optimised_and_quick(&workspace);
        let names =
            |targets: &[Target]| targets.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&optimised), OPTIMISED_TESTS);
        assert!(names(&quick).contains(&"guarantees".to_owned()));
    }

    #[test]
    fn a_count_agrees_with_its_noun() {
        assert_eq!(count(0, "model"), "0 models");
        assert_eq!(count(1, "model"), "1 model");
    }

    #[test]
    fn a_step_that_cannot_be_run_fails_only_where_all_have_to_run() {
        let lacks = || Err(Failure::Unavailable("no Python".to_owned()));
        assert_eq!(note_if_not_run(lacks(), false).unwrap(), "not run: no Python");
        assert!(note_if_not_run(lacks(), true).is_err());
        assert!(note_if_not_run(Err(shell::failed("a fault")), false).is_err());
    }

    #[test]
    fn a_step_that_was_not_run_has_not_passed() {
        let row = |note: &str| vec!["step".to_owned(), "0.0".to_owned(), note.to_owned()];
        assert_eq!(conclusion(&[row(""), row("all of it")]), "all 2 steps passed");
        assert_eq!(conclusion(&[row(""), row("not run: no Python")]), "1 step passed, 1 not run");
    }

    fn names(steps: &[&Step]) -> Vec<&'static str> {
        steps.iter().map(|step| step.name).collect()
    }

    #[test]
    fn steps_run_in_their_order_whichever_are_named() {
        assert_eq!(names(&named(&[]).unwrap()), names(&EVERYTHING.iter().collect::<Vec<_>>()));
        assert_eq!(names(&named(&["loom", "format"]).unwrap()), ["format", "loom"]);
        assert!(matches!(named(&["loom", "lom"]), Err(Failure::Usage(_))));
    }

    #[test]
    fn the_public_host_runs_each_step_once() {
        let workflow = concat!(env!("CARGO_MANIFEST_DIR"), "/../.github/workflows/ci.yml");
        let workflow = std::fs::read_to_string(workflow).unwrap();
        let lists = workflow.lines().skip_while(|line| line.trim() != "steps:").skip(1);
        let lists = lists.map_while(|line| line.trim().strip_prefix("- "));
        let mut run: Vec<&str> = lists.flat_map(str::split_whitespace).collect();
        run.sort_unstable();
        let mut all = names(&named(&[]).unwrap());
        all.sort_unstable();
        assert_eq!(run, all);
    }
}

//! `cargo xtask cluster`: the packages for many schedulers, with the log on etcd, which nothing else builds.

mod environment;

use std::process::Command;

use crate::metadata::Workspace;
use crate::shell::{self, Failure, failed, heading};
use crate::test::STRICT;

/// The member that is tested, and the one that its tests run on.
pub(crate) const MEMBERS: [&str; 2] = [PACKAGE, RIG];
const PACKAGE: &str = "provider-tree-cluster";
const RIG: &str = "cluster-rig";

/// What they are tested with, and what of that takes Rust alone.
const FEATURES: [&str; 2] =
    ["--features", "provider-tree-cluster/cli,provider-tree-cluster/etcd,cluster-rig/etcd"];
const WITHOUT_ETCD: [&str; 2] = ["--features", "provider-tree-cluster/cli"];

/// The benchmark of rates.
const RATES: &str = "rates";

/// The variable that says for how many seconds each test of faults goes on, and how many that are if they
/// are to be long.
const LONG: (&str, &str) = ("CLUSTER_SECONDS", "90");

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Clippy, documentation and tests.
    Everything,
    /// The tests, and those of faults for long.
    Long,
    /// How much a second, and after how long.
    Rates,
}

impl Request {
    pub(crate) fn parse(words: &[&str]) -> Result<Request, Failure> {
        match words {
            [] => Ok(Request::Everything),
            ["--long"] => Ok(Request::Long),
            ["--rates"] => Ok(Request::Rates),
            ["--long" | "--rates", extra, ..] => {
                Err(Failure::Usage(format!("`cluster` takes one option, not also `{extra}`")))
            }
            [unknown, ..] => Err(Failure::Usage(format!("`cluster` has no option `{unknown}`"))),
        }
    }
}

/// Finds or installs what it takes, and runs what is asked for; says what that came to. Where it can't be
/// had, runs what takes Rust alone, and says so.
pub(crate) fn run(workspace: &Workspace, request: Request) -> Result<String, Failure> {
    match (environment::prepare(workspace), request) {
        (Ok(()), Request::Everything) => {
            lints(workspace, FEATURES)?;
            tests(workspace, FEATURES, None)
        }
        (Ok(()), Request::Long) => tests(workspace, FEATURES, Some(LONG)),
        (Ok(()), Request::Rates) => rates(workspace),
        (Err(Failure::Unavailable(reason)), Request::Everything) => {
            lints(workspace, WITHOUT_ETCD)?;
            let passed = tests(workspace, WITHOUT_ETCD, None)?;
            Err(Failure::Unavailable(format!("{reason}; without it {passed}")))
        }
        (Err(failure), _) => Err(failure),
    }
}

fn lints(workspace: &Workspace, features: [&str; 2]) -> Result<(), Failure> {
    heading("clippy");
    shell::run(cargo(workspace, "clippy", features).args(STRICT))?;
    heading("documentation");
    let mut doc = cargo(workspace, "doc", features);
    shell::run(doc.arg("--no-deps").env("RUSTDOCFLAGS", "-D warnings"))
}

fn tests(
    workspace: &Workspace,
    features: [&str; 2],
    variable: Option<(&str, &str)>,
) -> Result<String, Failure> {
    heading("tests");
    let said = shell::echo(cargo(workspace, "test", features).envs(variable))?;
    match passed(&said) {
        0 => Err(failed("no test was run")),
        passed => Ok(format!("{passed} tests passed")),
    }
}

fn rates(workspace: &Workspace) -> Result<String, Failure> {
    heading("rates");
    let mut bench = workspace.cargo("bench");
    bench.args(["--package", PACKAGE, "--features", "etcd", "--bench", RATES]);
    shell::run(&mut bench)?;
    Ok("measured".to_owned())
}

/// A cargo command for both members.
fn cargo(workspace: &Workspace, subcommand: &str, features: [&str; 2]) -> Command {
    let mut command = workspace.cargo(subcommand);
    command.args(MEMBERS.into_iter().flat_map(|member| ["--package", member])).args(features);
    command
}

/// How many tests passed, according to what cargo said of all of them.
fn passed(said: &str) -> usize {
    let number = |line: &str| {
        let (number, _) = line.strip_prefix("test result: ok. ")?.split_once(" passed;")?;
        number.parse::<usize>().ok()
    };
    said.lines().filter_map(number).sum()
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    fn read(path: &str) -> String {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        std::fs::read_to_string(root.join(path)).unwrap()
    }

    #[test]
    fn requests_are_understood() {
        assert_eq!(Request::parse(&[]).unwrap(), Request::Everything);
        assert_eq!(Request::parse(&["--long"]).unwrap(), Request::Long);
        assert_eq!(Request::parse(&["--rates"]).unwrap(), Request::Rates);
    }

    #[test]
    fn other_arguments_are_refused() {
        let refusal = |words: &[&str]| match Request::parse(words) {
            Err(Failure::Usage(reason)) => reason,
            other => panic!("{words:?} was not refused: {other:?}"),
        };
        assert_eq!(refusal(&["long"]), "`cluster` has no option `long`");
        let both = refusal(&["--long", "--rates"]);
        assert_eq!(both, "`cluster` takes one option, not also `--rates`");
    }

    #[test]
    fn tests_that_passed_are_counted() {
        let said = "\
running 2 tests
test a ... ok
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

running 0 tests
test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: ok. 11 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 2.00s
";
        assert_eq!(passed(said), 13);
        assert_eq!(passed("running 0 tests"), 0);
    }

    #[test]
    fn the_packages_are_there_with_their_features() {
        for (folder, package) in [("cluster", PACKAGE), ("cluster/rig", RIG)] {
            let manifest = read(&format!("{folder}/Cargo.toml"));
            assert!(manifest.contains(&format!("\nname = \"{package}\"\n")), "{package}");
            assert!(manifest.contains("\netcd = ["), "{package}");
            assert!(FEATURES[1].split(',').any(|feature| feature == format!("{package}/etcd")));
            assert!(MEMBERS.contains(&package));
        }
    }

    /// Cargo refuses to build them there, and they could not run.
    #[test]
    fn what_needs_etcd_is_left_to_this_command() {
        let workspace = Workspace::load().expect("cargo describes the workspace");
        let tests = workspace.targets("test").into_iter().filter(|test| test.package == RIG);
        let names: Vec<String> = tests.map(|test| test.name).collect();
        assert_eq!(names, ["proxy"]);
    }

    /// A variable that nobody reads would make nothing long.
    #[test]
    fn the_variable_is_read() {
        assert!(read("cluster/rig/src/lib.rs").contains(&format!(" = \"{}\";\n", LONG.0)));
    }
}

//! The package's own tests, and that its types are what it says.

use super::{Environment, folder};
use crate::metadata::Workspace;
use crate::shell::{self, Failure, failed, heading};

/// The extension module, which has stubs.
const EXTENSION: &str = "provider_tree._native";

/// The modules of the package that have types: all but those for Nova, which has none itself.
const TYPED: [&str; 4] =
    ["provider_tree", EXTENSION, "provider_tree.errors", "provider_tree.types"];

/// Runs the package's own tests; returns how many passed.
pub(super) fn run(workspace: &Workspace, environment: &Environment) -> Result<usize, Failure> {
    types(workspace, environment)?;
    tests(workspace, environment)
}

/// Checks the types of the package and of what uses it, and that they are what is there.
fn types(workspace: &Workspace, environment: &Environment) -> Result<(), Failure> {
    heading("types");
    let cache = environment.scratch("mypy")?;
    let mypy = || {
        let mut mypy = environment.program("mypy");
        mypy.args(["--strict", "--cache-dir"]).arg(&cache);
        mypy
    };
    shell::run(mypy().args(TYPED.iter().flat_map(|module| ["--module", module])))?;
    let folder = folder(workspace);
    let users = [folder.join("tests"), folder.join("examples")];
    shell::run(mypy().args(["--exclude", "tests/(test_)?nova"]).args(users))?;
    let mut stubtest = environment.program("stubtest");
    for allowed in ["tests/stubtest-allowlist.txt", "tests/nova/stubtest-allowlist.txt"] {
        stubtest.arg("--allowlist").arg(folder.join(allowed));
    }
    shell::run(stubtest.args(["--ignore-unused-allowlist", EXTENSION]))
}

fn tests(workspace: &Workspace, environment: &Environment) -> Result<usize, Failure> {
    heading("our own tests");
    let report = environment.scratch("native")?.join("report.xml");
    let mut pytest = environment.program("pytest");
    // A warning fails too: of an exception in a thread there is nothing but that.
    pytest.args(["--quiet", "-W", "error", "-p", "no:cacheprovider", "--junit-xml"]).arg(&report);
    shell::run(pytest.arg(folder(workspace).join("tests")))?;
    let text = shell::read(&report)?;
    passed(&text).ok_or_else(|| failed(format!("{}: no number of tests", report.display())))
}

/// How many tests passed, according to a report of a run in which none failed.
fn passed(report: &str) -> Option<usize> {
    let number = |name: &str| {
        let (_, rest) = report.split_once(&format!(" {name}=\""))?;
        rest.split_once('"')?.0.parse::<usize>().ok()
    };
    number("tests")?.checked_sub(number("skipped")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted() {
        let report = r#"<testsuites name="pytest tests"><testsuite name="pytest" errors="0"
            failures="0" skipped="2" tests="45" time="0.2"><testcase skipped="7" />"#;
        assert_eq!(passed(report), Some(43));
        assert_eq!(passed("<testsuites />"), None);
    }
}

//! The package's own tests, and that its types are what it says.

use super::{Environment, folder};
use crate::metadata::Workspace;
use crate::shell::{self, Failure, failed, heading};

/// The package as Python imports it.
const PACKAGE: &str = "provider_tree";

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
    shell::run(mypy().args(["--package", PACKAGE]))?;
    let folder = folder(workspace);
    let users = [folder.join("tests"), folder.join("examples")];
    // Nova itself has no types.
    shell::run(mypy().args(["--exclude", "tests/nova/"]).args(users))?;
    let mut stubtest = environment.program("stubtest");
    stubtest.arg("--allowlist").arg(folder.join("tests/stubtest-allowlist.txt"));
    shell::run(stubtest.args(["--ignore-unused-allowlist", PACKAGE]))
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

//! `cargo xtask python`: the package for Python, with its own tests and with Nova's.

mod environment;
mod native;
mod nova;
mod package;
mod report;

use std::path::PathBuf;

use crate::metadata::Workspace;
use crate::shell::Failure;

use environment::Environment;

/// Which tests are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Everything,
    /// The package's own.
    Native,
    /// Nova's, with its module and with ours.
    Nova,
}

impl Request {
    pub(crate) fn parse(words: &[&str]) -> Result<Request, Failure> {
        match words {
            [] => Ok(Request::Everything),
            ["--native"] => Ok(Request::Native),
            ["--nova"] => Ok(Request::Nova),
            ["--native" | "--nova", extra, ..] => {
                Err(Failure::Usage(format!("`python` takes one option, not also `{extra}`")))
            }
            [unknown, ..] => Err(Failure::Usage(format!("`python` has no option `{unknown}`"))),
        }
    }
}

/// Builds the package, installs it beside Nova, and runs what is asked for; says how many tests passed.
pub(crate) fn run(workspace: &Workspace, request: Request) -> Result<String, Failure> {
    let environment = Environment::prepare(workspace)?;
    package::install(workspace, &environment)?;
    let mut passed = Vec::new();
    if request != Request::Native {
        let both = nova::run(workspace, &environment)?;
        passed.push(format!("{both} of Nova's tests with both"));
    }
    if request != Request::Nova {
        let own = native::run(workspace, &environment)?;
        passed.push(format!("{own} of our own"));
    }
    Ok(passed.join(", "))
}

/// The folder of the package.
fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root().join("python")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_understood() {
        assert_eq!(Request::parse(&[]).unwrap(), Request::Everything);
        assert_eq!(Request::parse(&["--native"]).unwrap(), Request::Native);
        assert_eq!(Request::parse(&["--nova"]).unwrap(), Request::Nova);
    }

    #[test]
    fn other_arguments_are_refused() {
        let refusal = |words: &[&str]| match Request::parse(words) {
            Err(Failure::Usage(reason)) => reason,
            other => panic!("{words:?} was not refused: {other:?}"),
        };
        assert_eq!(refusal(&["nova"]), "`python` has no option `nova`");
        let both = refusal(&["--nova", "--native"]);
        assert_eq!(both, "`python` takes one option, not also `--native`");
    }
}

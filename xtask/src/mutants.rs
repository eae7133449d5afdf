//! `cargo xtask loom --mutants`: the models and the tests, checked.
//!
//! A check that can't fail proves nothing. Each file below `xtask/mutants` is a bug, seeded into a
//! copy of the sources: the models and the tests that it names must fail on the copy.

mod bug;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::loom::{self, Checker};
use crate::metadata::{LIBRARY, Workspace};
use crate::shell::{self, Failure, failed, heading};
use crate::test::FEATURES;
use bug::{Bug, Check, Harness, INSIDE};

/// Where the bugs are, one file each.
const FOLDER: &str = "xtask/mutants";

/// Seeds every bug whose name contains `filter`, and fails unless its checks do.
pub(crate) fn run(workspace: &Workspace, filter: Option<&str>) -> Result<(), Failure> {
    let mut bugs = Bug::read_all(&workspace.root().join(FOLDER))?;
    bugs.retain(|bug| filter.is_none_or(|part| bug.name.contains(part)));
    let copy = Copy::make(workspace)?;
    let mut rows = Vec::new();
    let mut survivors = Vec::new();
    for bug in &bugs {
        heading(&bug.name);
        let start = Instant::now();
        let missed = copy.checks_that_pass(workspace, bug)?;
        let is_caught = missed.is_empty();
        let (verdict, named) = match is_caught {
            true => ("caught by", bug.checks.iter().collect()),
            false => ("MISSED by", missed),
        };
        let named: Vec<&str> = named.iter().map(|check| check.name.as_str()).collect();
        let named = named.join(", ");
        println!("{verdict} {named}");
        let seconds = format!("{:.1}", start.elapsed().as_secs_f64());
        rows.push(vec![bug.name.clone(), verdict.to_owned(), named, seconds]);
        if !is_caught {
            survivors.push(&bug.name);
        }
    }
    println!("\n{}", shell::table(&["mutant", "", "checks", "seconds"], &[3], &rows));
    println!("\nmutants: {}, caught: {}", rows.len(), rows.len() - survivors.len());
    match survivors.first() {
        _ if rows.is_empty() => Err(Failure::Usage("no mutant has such a name".to_owned())),
        None => Ok(()),
        Some(first) => Err(failed(format!("not caught: {first}"))),
    }
}

/// A copy of the sources to seed bugs in.
struct Copy {
    root: PathBuf,
}

impl Copy {
    fn make(workspace: &Workspace) -> Result<Copy, Failure> {
        let root = workspace.target_directory().join("mutants/workspace");
        if root.exists() {
            fs::remove_dir_all(&root).map_err(|error| trouble(&root, &error))?;
        }
        copy_tree(workspace.root(), &root)?;
        Ok(Copy { root })
    }

    /// Which of the bug's checks pass in spite of it. The copy is whole again afterwards.
    fn checks_that_pass<'a>(
        &self,
        workspace: &Workspace,
        bug: &'a Bug,
    ) -> Result<Vec<&'a Check>, Failure> {
        let seeded = bug.seed(&self.root)?;
        seeded.iter().try_for_each(|file| write(&file.path, &file.seeded))?;
        let result = self.run_checks(workspace, &bug.checks);
        seeded.iter().try_for_each(|file| write(&file.path, &file.sound))?;
        result
    }

    fn run_checks<'a>(
        &self,
        workspace: &Workspace,
        checks: &'a [Check],
    ) -> Result<Vec<&'a Check>, Failure> {
        let mut passed = Vec::new();
        for check in checks {
            let command = |last: &[&str]| {
                let mut command = self.command(workspace, check);
                command.args(last);
                command
            };
            // What does not compile would count as caught.
            shell::run(&mut command(&["--no-run"]))?;
            let mut command = command(&["--", "--exact", &check.name]);
            let output = command.stdin(Stdio::null()).output();
            let output = output.map_err(|error| failed(error.to_string()))?;
            if output.status.success() {
                passed.push(check);
            }
        }
        Ok(passed)
    }

    /// Cargo in the copy, on the target of this check.
    fn command(&self, workspace: &Workspace, check: &Check) -> Command {
        // A bug may leave code unused.
        let allowing = "--allow warnings";
        let mut command = match check.harness {
            Harness::Loom => {
                let mut command = loom::cargo(workspace, Checker::Loom, "test");
                command.env("RUSTFLAGS", format!("{} {allowing}", Checker::Loom.flags()));
                // Each build differs from the one before in a few lines.
                command.env("CARGO_PROFILE_LOOM_INCREMENTAL", "true");
                command
            }
            Harness::Test => {
                let mut command = workspace.cargo("test");
                command.args(["--package", LIBRARY]).args(FEATURES).env("RUSTFLAGS", allowing);
                command
            }
        };
        match check.target.as_str() {
            INSIDE => command.arg("--lib"),
            target => command.args(["--test", target]),
        };
        command
            .current_dir(&self.root)
            .arg("--quiet")
            .env("CARGO_TARGET_DIR", workspace.target_directory().join("mutants/target"))
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env("RUST_BACKTRACE", "0");
        command
    }
}

/// Copies what the build needs: everything but build products and hidden folders other than
/// cargo's.
fn copy_tree(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to).map_err(|error| trouble(to, &error))?;
    for entry in fs::read_dir(from).map_err(|error| trouble(from, &error))? {
        let entry = entry.map_err(|error| trouble(from, &error))?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let hidden = name.starts_with('.') && name != ".cargo";
        if hidden || name == "target" {
            continue;
        }
        let to = to.join(&*name);
        if path.is_dir() {
            copy_tree(&path, &to)?;
        } else {
            fs::copy(&path, &to).map_err(|error| trouble(&path, &error))?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| trouble(path, &error))
}

fn trouble(path: &Path, error: &std::io::Error) -> Failure {
    failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::checks::files_below;
    use crate::source::Source;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    fn bugs() -> Vec<Bug> {
        Bug::read_all(&root().join(FOLDER)).unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Where a check is, relative to the root: a folder, or a file without its extension.
    fn place_of(check: &Check) -> String {
        match (check.harness, check.target.as_str()) {
            (Harness::Loom, target) => format!("loom-tests/tests/{target}"),
            (Harness::Test, INSIDE) => "src".to_owned(),
            (Harness::Test, target) => format!("tests/{target}"),
        }
    }

    /// Reads the files of such a place.
    fn sources_of(place: &str) -> Vec<(PathBuf, Source)> {
        let mut paths = files_below(&root().join(place), "rs").unwrap_or_default();
        paths.push(root().join(format!("{place}.rs")));
        let read = |path: PathBuf| {
            let text = fs::read_to_string(&path).ok()?;
            let source = Source::parse(&text);
            let source = source.unwrap_or_else(|failure| panic!("{}: {failure}", path.display()));
            Some((path, source))
        };
        paths.into_iter().filter_map(read).collect()
    }

    /// Whether the file is this module, or has it inside.
    fn is_within(module: &str, path: &Path, source: &Source) -> bool {
        let parts = path.with_extension("");
        parts.iter().any(|part| part == module) || source.contains(&["mod", module, "{"])
    }

    #[test]
    fn every_bug_finds_its_place() {
        for bug in bugs() {
            bug.seed(&root()).unwrap_or_else(|failure| panic!("{failure}"));
        }
    }

    #[test]
    fn every_check_exists() {
        let mut read = BTreeMap::new();
        for bug in bugs() {
            for check in &bug.checks {
                let mut path: Vec<&str> = check.name.split("::").collect();
                let test = path.pop().unwrap();
                let place = place_of(check);
                let sources = read.entry(place).or_insert_with_key(|place| sources_of(place));
                let exists = sources.iter().any(|(file, source)| {
                    let within = path.iter().all(|module| is_within(module, file, source));
                    within && source.declares_test(test)
                });
                assert!(exists, "`{}` names what is not there: {check:?}", bug.name);
            }
        }
    }
}

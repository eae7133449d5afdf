//! `cargo xtask loom --mutants`: the models and the tests, checked.
//!
//! A check that can't fail proves nothing. Each file below `xtask/mutants` is a bug, seeded into a
//! copy of the sources: the models and the tests that it names must fail on the copy.

mod bug;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use wait_timeout::ChildExt;

use crate::cores;
use crate::loom::{self, Checker};
use crate::metadata::{LIBRARY, Workspace};
use crate::shell::{self, Failure, failed, trouble, write};
use crate::test::FEATURES;
use bug::{Bug, Check, Harness, INSIDE};

/// Where the bugs are, one file each.
const FOLDER: &str = "xtask/mutants";

/// A check that runs longer than this with a bug has not caught it.
const LIMIT: Duration = Duration::from_secs(600);

/// Seeds every bug whose name contains `filter`, on as many cores as there are, and fails unless the
/// checks of each do.
pub(crate) fn run(workspace: &Workspace, filter: Option<&str>) -> Result<(), Failure> {
    let mut bugs = Bug::read_all(&workspace.root().join(FOLDER))?;
    bugs.retain(|bug| filter.is_none_or(|part| bug.name.contains(part)));
    let copies = (0..cores::count(bugs.len())).map(|core| Copy::make(workspace, core));
    let copies = copies.collect::<Result<Vec<_>, Failure>>()?;
    let mut rows = cores::share(&bugs, |core, bug| {
        let start = Instant::now();
        let missed = copies[core].checks_that_miss(workspace, bug)?;
        let (verdict, named) = match missed.is_empty() {
            true => (CAUGHT, bug.checks.iter().map(|check| check.name.clone()).collect()),
            false => ("MISSED by", missed),
        };
        let (named, seconds) = (named.join(", "), start.elapsed().as_secs_f64());
        println!("mutant {} ... {verdict} {named}", bug.name);
        Ok(vec![bug.name.clone(), verdict.to_owned(), named, format!("{seconds:.1}")])
    })?;
    rows.sort();
    println!("\n{}", shell::table(&["mutant", "", "checks", "seconds"], &[3], &rows));
    let survivors: Vec<_> = rows.iter().filter(|row| row[1] != CAUGHT).collect();
    println!("\nmutants: {}, caught: {}", rows.len(), rows.len() - survivors.len());
    match survivors.first() {
        _ if rows.is_empty() => Err(Failure::Usage("no mutant has such a name".to_owned())),
        None => Ok(()),
        Some(first) => Err(failed(format!("not caught: {}", first[0]))),
    }
}

const CAUGHT: &str = "caught by";

/// A copy of the sources to seed bugs in, with build products of its own.
struct Copy {
    root: PathBuf,
    target_directory: PathBuf,
}

impl Copy {
    fn make(workspace: &Workspace, core: usize) -> Result<Copy, Failure> {
        let place = workspace.target_directory().join(format!("mutants/{core}"));
        let (root, target_directory) = (place.join("workspace"), place.join("target"));
        if root.exists() {
            fs::remove_dir_all(&root).map_err(|error| trouble(&root, &error))?;
        }
        copy_tree(workspace.root(), &root)?;
        Ok(Copy { root, target_directory })
    }

    /// Which of the bug's checks do not fail because of it. The copy is whole again afterwards.
    fn checks_that_miss(&self, workspace: &Workspace, bug: &Bug) -> Result<Vec<String>, Failure> {
        let seeded = bug.seed(&self.root)?;
        seeded.iter().try_for_each(|file| write(&file.path, &file.seeded))?;
        let verdicts = bug.checks.iter().map(|check| self.check(workspace, check));
        let verdicts: Result<Vec<_>, Failure> = verdicts.collect();
        seeded.iter().try_for_each(|file| write(&file.path, &file.sound))?;
        let misses =
            bug.checks.iter().zip(verdicts?).filter_map(|(check, verdict)| match verdict {
                Verdict::Fails => None,
                Verdict::Passes => Some(check.name.clone()),
                Verdict::GoesOn => Some(format!("{} (after {} s)", check.name, LIMIT.as_secs())),
            });
        Ok(misses.collect())
    }

    /// Builds and runs a check.
    fn check(&self, workspace: &Workspace, check: &Check) -> Result<Verdict, Failure> {
        // What does not compile would count as caught.
        let messages = shell::output(&mut self.build(workspace, check))?;
        let programs = loom::programs_in(&messages);
        let [program] = programs.as_slice() else {
            return Err(failed(format!("{} is not in one program: {programs:?}", check.name)));
        };
        let mut command = Command::new(program);
        command.args(["--exact", &check.name]).current_dir(self.folder_of(check));
        command.env("RUST_BACKTRACE", "0");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        run_at_most(LIMIT, &mut command).map_err(|error| trouble(program, &error))
    }

    /// Cargo in the copy, building the target of this check.
    fn build(&self, workspace: &Workspace, check: &Check) -> Command {
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
            .args(["--quiet", "--no-run", "--message-format", "json-render-diagnostics"])
            .env("CARGO_TARGET_DIR", &self.target_directory)
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        command
    }

    /// Where cargo would run this check.
    fn folder_of(&self, check: &Check) -> PathBuf {
        match check.harness {
            Harness::Loom => self.root.join("loom-tests"),
            Harness::Test => self.root.clone(),
        }
    }
}

/// How a check ends.
#[derive(Debug, PartialEq)]
enum Verdict {
    Fails,
    Passes,
    GoesOn,
}

/// Runs a check, and ends it if it takes longer than this.
fn run_at_most(limit: Duration, command: &mut Command) -> io::Result<Verdict> {
    let mut child = command.spawn()?;
    match child.wait_timeout(limit)? {
        Some(status) if status.success() => Ok(Verdict::Passes),
        Some(_) => Ok(Verdict::Fails),
        None => {
            child.kill()?;
            child.wait()?;
            Ok(Verdict::GoesOn)
        }
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
    fn a_check_that_goes_on_is_ended() {
        // This very test program runs another test of it.
        let program = || {
            let mut command = Command::new(std::env::current_exe().expect("it runs"));
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let passing = ["--exact", "shell::tests::a_table_without_rows_has_its_header"];
        let ended = run_at_most(LIMIT, program().args(passing));
        assert_eq!(ended.expect("it starts"), Verdict::Passes);
        let ended = run_at_most(LIMIT, program().arg("--no-such-option"));
        assert_eq!(ended.expect("it starts"), Verdict::Fails);
        let ended = run_at_most(Duration::ZERO, program().args(passing));
        assert_eq!(ended.expect("it starts"), Verdict::GoesOn);
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

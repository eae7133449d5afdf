//! The virtual environment in which the package is tested.
//!
//! It is kept between runs, with a stamp that says what it was made from, and made again when that
//! has changed.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::folder;
use crate::debian;
use crate::metadata::Workspace;
use crate::shell::{self, Failure, heading, trouble};

/// What a Python of which the environment can be made may be called.
const NAMES: [&str; 5] = ["python3", "python3.14", "python3.13", "python3.12", "python3.11"];

/// Says which Python it is, or fails if it is too old or lacks what an environment is made with.
const PROBE: &str = "\
import ensurepip, sys, venv
assert sys.version_info >= (3, 11)
print(sys.base_prefix, sys.version)";

/// What Debian calls it.
const DEBIAN_PACKAGES: [&str; 2] = ["python3", "python3-venv"];

/// The environment, with everything in it but our own package.
pub(super) struct Environment {
    /// Where everything is that the tests make.
    directory: PathBuf,
}

impl Environment {
    /// Makes the environment, unless it is there already as it would be made.
    pub(super) fn prepare(workspace: &Workspace) -> Result<Self, Failure> {
        heading("the environment");
        let environment = Self { directory: workspace.target_directory().join("python") };
        environment.scratch("")?;
        let python = Python::find_or_install()?;
        let lists = Lists::read(folder(workspace).join("tests"))?;
        let stamp = stamp(&python, &lists);
        if environment.has(&stamp) {
            println!("it is up to date");
        } else {
            environment.make(&python, &lists)?;
            shell::write(&environment.stamp(), &stamp)?;
        }
        Ok(environment)
    }

    /// A program of the environment, which leaves nothing behind in the source tree.
    pub(super) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.venv().join("bin").join(name));
        command.current_dir(&self.directory).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env_remove("PYTHONHOME").env_remove("PYTHONPATH");
        command
    }

    /// Makes a folder for what is made on the way, unless it is there; returns its path.
    pub(super) fn scratch(&self, name: &str) -> Result<PathBuf, Failure> {
        let folder = self.directory.join(name);
        fs::create_dir_all(&folder).map_err(|error| trouble(&folder, &error))?;
        Ok(folder)
    }

    fn venv(&self) -> PathBuf {
        self.directory.join("venv")
    }

    fn stamp(&self) -> PathBuf {
        self.venv().join("made-from")
    }

    /// Says whether the environment was made from this, and still works.
    fn has(&self, stamp: &str) -> bool {
        let made_from = fs::read_to_string(self.stamp());
        made_from.is_ok_and(|made_from| made_from == stamp)
            && answer(&mut self.program("python")).is_some()
    }

    fn make(&self, python: &Python, lists: &Lists) -> Result<(), Failure> {
        let venv = self.venv();
        if venv.exists() {
            fs::remove_dir_all(&venv).map_err(|error| trouble(&venv, &error))?;
        }
        shell::run(Command::new(python.program).args(["-m", "venv"]).arg(&venv))?;
        let mut pip = self.program("pip");
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--constraint"]);
        pip.arg(lists.folder.join(Lists::CONSTRAINTS));
        pip.arg("--requirement").arg(lists.folder.join(Lists::WANTED));
        let lacking = "pip can't install what the tests use";
        shell::run(&mut pip).map_err(|_| Failure::Unavailable(lacking.to_owned()))
    }
}

/// A Python of which the environment can be made.
struct Python {
    program: &'static str,
    /// Where it is and which version it is.
    version: String,
}

impl Python {
    /// Finds a Python, or installs it where that is allowed.
    fn find_or_install() -> Result<Self, Failure> {
        if let Some(python) = Self::find() {
            return Ok(python);
        }
        debian::try_to_install(&DEBIAN_PACKAGES);
        let lacking = "there is no Python from 3.11 on with `venv` and `ensurepip`, and it can't be \
                       installed";
        Self::find().ok_or_else(|| Failure::Unavailable(lacking.to_owned()))
    }

    fn find() -> Option<Self> {
        NAMES.into_iter().find_map(|program| {
            let version = answer(&mut Command::new(program))?;
            Some(Self { program, version })
        })
    }
}

/// Asks a Python which one it is; no answer if none is made of it.
fn answer(python: &mut Command) -> Option<String> {
    let output = python.args(["-c", PROBE]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let output = output.ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

/// The lists of what is installed.
struct Lists {
    folder: PathBuf,
    texts: Vec<String>,
}

impl Lists {
    /// What the tests use.
    const WANTED: &str = "requirements.txt";

    /// In which version that is installed, and everything that it uses in turn.
    const CONSTRAINTS: &str = "constraints.txt";

    fn read(folder: PathBuf) -> Result<Self, Failure> {
        let read = |name: &str| shell::read(&folder.join(name));
        let texts = vec![read(Self::WANTED)?, read(Self::CONSTRAINTS)?];
        Ok(Self { folder, texts })
    }
}

/// What an environment is made from.
fn stamp(python: &Python, lists: &Lists) -> String {
    format!("{}\n{}", python.version, lists.texts.join("\n"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn lists() -> Lists {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        Lists::read(root.join("python/tests")).expect("the lists are there")
    }

    /// The lines of a list but its comments.
    fn lines(list: &str) -> Vec<&str> {
        let lines = list.lines().map(str::trim);
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
    }

    fn normalised(name: &str) -> String {
        name.to_lowercase().replace(['_', '.'], "-")
    }

    #[test]
    fn everything_is_installed_in_one_version() {
        let lists = lists();
        let versions = lines(&lists.texts[1]).into_iter().map(|line| {
            let (name, version) = line.split_once("==").unwrap_or_else(|| panic!("{line}"));
            assert!(version.starts_with(|first: char| first.is_ascii_digit()), "{line}");
            normalised(name)
        });
        let versions: Vec<String> = versions.collect();
        for name in lines(&lists.texts[0]) {
            assert!(versions.contains(&normalised(name)), "{name}");
        }
    }

    #[test]
    fn an_environment_is_made_again_for_another_python_and_other_lists() {
        let python = |version: &str| Python { program: "python3", version: version.to_owned() };
        let (here, mut lists) = (python("/usr 3.11.2"), lists());
        let made_from = stamp(&here, &lists);
        assert_eq!(stamp(&here, &lists), made_from);
        assert_ne!(stamp(&python("/usr 3.12.1"), &lists), made_from);
        for list in 0..lists.texts.len() {
            lists.texts[list].push_str("one-more==1\n");
            assert_ne!(stamp(&here, &lists), made_from);
            let unchanged = lists.texts[list].len() - "one-more==1\n".len();
            lists.texts[list].truncate(unchanged);
        }
    }

    #[test]
    fn an_environment_that_was_not_finished_is_made_again() {
        let directory = std::env::temp_dir().join("provider-tree-no-environment");
        assert!(!Environment { directory }.has("anything"));
    }
}

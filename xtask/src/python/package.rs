//! Builds the package as its users get it, and installs it.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Environment, folder};
use crate::checks::files_below;
use crate::metadata::Workspace;
use crate::shell::{self, Failure, failed, heading, trouble};

/// Builds a wheel in the workspace's target folder, so that only what has changed is compiled, and
/// installs it.
pub(super) fn install(workspace: &Workspace, environment: &Environment) -> Result<(), Failure> {
    heading("the package");
    let wheels = environment.scratch("wheels")?;
    fs::remove_dir_all(&wheels).map_err(|error| trouble(&wheels, &error))?;
    let mut maturin = environment.program("maturin");
    maturin.args(["build", "--release", "--locked", "--manifest-path"]);
    maturin.arg(folder(workspace).join("Cargo.toml")).arg("--out").arg(&wheels);
    // From the root, where cargo finds its settings.
    shell::run(maturin.current_dir(workspace.root()))?;
    let mut pip = environment.program("pip");
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]);
    shell::run(pip.arg("--force-reinstall").arg(only_wheel(&wheels)?))
}

fn only_wheel(wheels: &Path) -> Result<PathBuf, Failure> {
    let mut found = files_below(wheels, "whl")?;
    match (found.pop(), found.pop()) {
        (Some(wheel), None) => Ok(wheel),
        _ => Err(failed(format!("{}: there is not exactly one wheel", wheels.display()))),
    }
}

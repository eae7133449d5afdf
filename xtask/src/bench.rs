//! `cargo xtask bench`: ours beside the peers, with both allocators, and instruction counts.

use std::path::PathBuf;

use crate::metadata::{OPTIMISED, Workspace};
use crate::shell::{self, Failure};

/// The member that measures.
const PACKAGE: &str = "bench";

/// The profile of what is measured; the other benchmarks are built with the same settings.
const MEASURED: &str = "release";

/// The options with which the other allocator adds nothing.
const ONCE: [&str; 6] = ["--count", "--check", "--update", "--list", "--help", "-h"];

/// Builds it with each allocator in turn and hands on the words; it knows what they mean.
pub(crate) fn run(workspace: &Workspace, words: &[&str]) -> Result<(), Failure> {
    let once = words.iter().any(|word| ONCE.contains(word));
    build(workspace, MEASURED, &[])?;
    measure(workspace, MEASURED, words)?;
    if once {
        return Ok(());
    }
    build(workspace, MEASURED, &["--features", "mimalloc"])?;
    measure(workspace, MEASURED, &[words, &["--append"]].concat())
}

/// A run that only shows that everything works, with what the tests have built. The other
/// allocator needs a C compiler.
pub(crate) fn briefly(workspace: &Workspace) -> Result<(), Failure> {
    build(workspace, OPTIMISED, &[])?;
    measure(workspace, OPTIMISED, &["--brief"])
}

fn build(workspace: &Workspace, profile: &str, features: &[&str]) -> Result<(), Failure> {
    let mut command = workspace.cargo("build");
    command.args(["--profile", profile, "--package", PACKAGE, "--bins"]).args(features);
    shell::run(&mut command)
}

fn measure(workspace: &Workspace, profile: &str, words: &[&str]) -> Result<(), Failure> {
    let mut command = std::process::Command::new(program(workspace, profile));
    command.current_dir(workspace.root()).args(words);
    let placed = words.iter().any(|word| *word == "--out" || word.starts_with("--out="));
    if !placed {
        command.arg("--out").arg(workspace.target_directory().join("bench"));
    }
    shell::run(&mut command)
}

/// Where cargo puts what it builds with a profile.
fn program(workspace: &Workspace, profile: &str) -> PathBuf {
    let name = format!("{PACKAGE}{}", std::env::consts::EXE_SUFFIX);
    workspace.target_directory().join(profile).join(name)
}

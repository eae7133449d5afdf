//! `cargo xtask msrv` and `cargo xtask forbid`: the checks no lint can make.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::circles;
use crate::metadata::{LIBRARY, Package, Workspace};
use crate::pages;
use crate::shell::{self, Failure, failed};
use crate::source::Source;

/// No dependency of the library needs a newer Rust than the library promises; and the library
/// compiles with exactly that Rust, where it is installed.
pub(crate) fn msrv(workspace: &Workspace) -> Result<String, Failure> {
    let library = workspace.library()?;
    let promised = library.rust_version.as_deref();
    let promised = promised.ok_or_else(|| failed(format!("{LIBRARY} has no rust-version")))?;
    let dependencies = workspace.dependencies_of_library()?;
    let newer = newer_than(version(promised)?, &dependencies)?;
    if !newer.is_empty() {
        return Err(failed(format!(
            "newer Rust than {promised} is needed by {}",
            newer.join(", ")
        )));
    }
    let compiled = match installed(promised) {
        Some(toolchain) => compile_with(workspace, &toolchain)?,
        None => format!("toolchain {promised} not installed, so not compiled with it"),
    };
    Ok(format!("{promised} suffices for {} dependencies; {compiled}", dependencies.len()))
}

fn newer_than(promised: (u32, u32, u32), packages: &[&Package]) -> Result<Vec<String>, Failure> {
    let mut newer = Vec::new();
    for package in packages {
        let Some(needed) = &package.rust_version else { continue };
        if version(needed)? > promised {
            newer.push(format!("{} {} ({needed})", package.name, package.version));
        }
    }
    Ok(newer)
}

/// Reads `1`, `1.89` or `1.89.0`.
fn version(text: &str) -> Result<(u32, u32, u32), Failure> {
    let parts: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
    match parts.as_deref() {
        Some(&[major]) => Ok((major, 0, 0)),
        Some(&[major, minor]) => Ok((major, minor, 0)),
        Some(&[major, minor, patch]) => Ok((major, minor, patch)),
        _ => Err(failed(format!("`{text}` is no Rust version"))),
    }
}

/// The installed toolchain of this version, if there is one, and rustup to ask.
fn installed(promised: &str) -> Option<String> {
    let output = Command::new("rustup").args(["toolchain", "list"]).output().ok()?;
    toolchain_of(promised, &String::from_utf8(output.stdout).ok()?)
}

fn toolchain_of(promised: &str, list: &str) -> Option<String> {
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    let mut fitting = names.filter(|name| {
        let rest = name.strip_prefix(promised);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
    });
    fitting.next().map(str::to_owned)
}

/// A directory of its own keeps the two compilers from rebuilding each other's work.
fn compile_with(workspace: &Workspace, toolchain: &str) -> Result<String, Failure> {
    let mut command = Command::new("rustup");
    command
        .current_dir(workspace.root())
        .args(["run", toolchain, "cargo", "check", "--locked", "--package", LIBRARY])
        .env("CARGO_TARGET_DIR", workspace.target_directory().join("msrv"))
        .env_remove("CARGO");
    shell::run(&mut command)?;
    Ok(format!("compiled with {toolchain}"))
}

/// The library is safe Rust, names shared primitives in one place only and has no circle between its
/// files; the pages name what is there; and the lock file is under version control.
pub(crate) fn forbid(workspace: &Workspace) -> Result<String, Failure> {
    let sources = workspace.root().join("src");
    let mut faults = Vec::new();
    let files = files_below(&sources, "rs")?;
    for path in &files {
        let text = shell::read(path)?;
        let inside = path.strip_prefix(&sources).unwrap_or(path);
        faults.extend(faults_in(inside, &text)?);
    }
    faults.extend(circles::check(&sources)?);
    let (pages, stale) = pages::check(workspace)?;
    faults.extend(stale);
    if !faults.is_empty() {
        return Err(failed(format!("forbidden:\n  {}", faults.join("\n  "))));
    }
    let lock = lock_is_tracked(workspace.root())?;
    Ok(format!("{} source files, {pages} pages; {lock}", files.len()))
}

/// What one file of the library, named relative to `src`, does that it must not.
fn faults_in(path: &Path, text: &str) -> Result<Vec<String>, Failure> {
    let shown = format!("src/{}", path.display());
    let source = Source::parse(text).map_err(|failure| failed(format!("{shown}: {failure}")))?;
    let mut faults = Vec::new();
    let forbids_unsafe_code = ["#", "!", "[", "forbid", "(", "unsafe_code", ")", "]"];
    if path == Path::new("lib.rs") && !source.contains(&forbids_unsafe_code) {
        faults.push(format!("{shown}: lacks #![forbid(unsafe_code)]"));
    }
    if may_name_primitives(path) {
        return Ok(faults);
    }
    let named = [
        ("atomic", source.lines_with_module("atomic")),
        ("dashmap", source.lines_with_name("dashmap")),
        ("arc_swap", source.lines_with_name("arc_swap")),
    ];
    for (name, lines) in named {
        let fault = |line| format!("{shown}:{line}: names `{name}`, which src/sync.rs wraps");
        faults.extend(lines.into_iter().map(fault));
    }
    Ok(faults)
}

fn may_name_primitives(path: &Path) -> bool {
    path == Path::new("sync.rs")
        || path.starts_with("sync")
        || path == Path::new("values/interner.rs")
}

/// The files below this folder with this extension, in the order of their paths: neither what was
/// built nor what is in hidden folders.
pub(crate) fn files_below(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error| failed(format!("{}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            if name != "target" && !name.to_string_lossy().starts_with('.') {
                files.extend(files_below(&path, extension)?);
            }
        } else if path.extension().is_some_and(|its| its == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// That the lock file is up to date needs no check here: cargo was asked about the workspace
/// with `--locked`.
fn lock_is_tracked(root: &Path) -> Result<String, Failure> {
    if !root.join(".git").exists() {
        return Ok("no git checkout, so not known whether Cargo.lock is tracked".to_owned());
    }
    // A checkout may belong to another user than the one who tests it.
    let arguments = ["-c", "safe.directory=*", "ls-files", "--error-unmatch", "Cargo.lock"];
    let output = Command::new("git").current_dir(root).args(arguments).output();
    match output {
        Ok(output) if output.status.success() => Ok("Cargo.lock is tracked".to_owned()),
        Ok(output) => {
            let reason = String::from_utf8_lossy(&output.stderr);
            Err(failed(format!("Cargo.lock is not tracked by git: {}", reason.trim())))
        }
        Err(_) => Ok("git is not installed, so not known whether Cargo.lock is tracked".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tests::sample;

    fn faults_of(path: &str, text: &str) -> Vec<String> {
        faults_in(Path::new(path), text).expect("the text is Rust")
    }

    #[test]
    fn versions_compare_by_number() {
        let read = |text| version(text).expect("the text is a version");
        assert!(read("1.9") < read("1.89"));
        assert_eq!(read("1.89"), read("1.89.0"));
        assert!(read("1.89.1") > read("1.89"));
        assert!(version("1.x").is_err());
        assert!(version("1.2.3.4").is_err());
    }

    #[test]
    fn dependencies_that_need_newer_rust_are_named() {
        let workspace = sample();
        let dependencies = workspace.dependencies_of_library().expect("the library is there");
        let newer = |promised| newer_than(promised, &dependencies).expect("every version is one");
        assert_eq!(newer((1, 89, 0)), ["below 1.0.0 (1.90)"]);
        assert!(newer((1, 90, 0)).is_empty());
    }

    #[test]
    fn a_toolchain_is_found_by_its_version() {
        let list = "stable-x86_64-unknown-linux-gnu (active, default)\n1.8-x\n1.89.0-x86_64\n";
        assert_eq!(toolchain_of("1.89", list), Some("1.89.0-x86_64".to_owned()));
        assert_eq!(toolchain_of("1.90", list), None);
        assert_eq!(toolchain_of("1.8", list), Some("1.8-x".to_owned()));
    }

    #[test]
    fn primitives_are_named_only_where_they_are_wrapped() {
        let text = "use std::sync::atomic::AtomicU64; // dashmap\n\nuse dashmap::DashMap;\n";
        let faults = faults_of("forest/index.rs", text);
        assert_eq!(
            faults,
            [
                "src/forest/index.rs:1: names `atomic`, which src/sync.rs wraps",
                "src/forest/index.rs:3: names `dashmap`, which src/sync.rs wraps",
            ]
        );
        for path in ["sync.rs", "sync/real.rs", "values/interner.rs"] {
            assert!(faults_of(path, text).is_empty(), "{path}");
        }
        assert!(!faults_of("synchronise.rs", text).is_empty());
    }

    #[test]
    fn the_library_forbids_unsafe_code() {
        assert!(faults_of("lib.rs", "//! docs\n#![forbid(unsafe_code)]\n").is_empty());
        let lacks = ["src/lib.rs: lacks #![forbid(unsafe_code)]"];
        assert_eq!(faults_of("lib.rs", "// #![forbid(unsafe_code)]\n"), lacks);
        assert_eq!(faults_of("lib.rs", "#![deny(unsafe_code)]\n"), lacks);
    }
}

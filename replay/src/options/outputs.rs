//! Files that are written must not be other files of the command.

use std::path::{Path, PathBuf};

use clap::error::ErrorKind;

use super::Checked;

/// Refuses outputs, each the file of an option, that are one of the inputs or of each other.
pub(super) fn check<'a>(
    outputs: &[(&str, Option<&Path>)],
    inputs: impl Iterator<Item = &'a Path> + Clone,
) -> Checked {
    for (number, (option, output)) in outputs.iter().enumerate() {
        let Some(output) = output else { continue };
        let what = if inputs.clone().any(|input| is_same_file(input, output)) {
            format!("{option} can't be one of the files that are read")
        } else {
            let is_same = |other: &&(&str, Option<&Path>)| {
                other.1.is_some_and(|other| is_same_file(other, output))
            };
            let Some((other, _)) = outputs[..number].iter().find(is_same) else { continue };
            format!("{option} can't be the file of {other}")
        };
        return Err((ErrorKind::ArgumentConflict, what));
    }
    Ok(())
}

/// Returns whether two paths are one file, also by way of other directories and of links.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| in_directory(path));
    canonical(one) == canonical(other) || are_links_to_one(one, other)
}

/// Returns the path of a file that need not be there, by its directory.
fn in_directory(path: &Path) -> PathBuf {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    match (directory.canonicalize(), path.file_name()) {
        (Ok(directory), Some(name)) => directory.join(name),
        _ => path.to_owned(),
    }
}

#[cfg(unix)]
fn are_links_to_one(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let number = |path: &Path| path.metadata().ok().map(|file| (file.dev(), file.ino()));
    number(one).is_some() && number(one) == number(other)
}

#[cfg(not(unix))]
fn are_links_to_one(_: &Path, _: &Path) -> bool {
    false
}

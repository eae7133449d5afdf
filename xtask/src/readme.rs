//! The README's example, as a reader pastes it into a package of their own.

use std::fs;
use std::process::Command;

use crate::metadata::{Workspace, cargo_program};
use crate::shell::{self, Failure, failed, read, trouble, write};

/// Where the README's dependencies have the library.
const PLACE: &str = "../provider-tree";

/// Pastes the first two blocks, dependencies and program, into a new package, and runs it.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let readme = read(&workspace.root().join("README.md"))?;
    let root = workspace.root().display().to_string();
    let dependencies = block(&readme, "toml")?.replace(PLACE, &root);
    if !dependencies.contains(&root) {
        return Err(failed(format!("the README's dependencies do not have {PLACE}")));
    }
    let folder = workspace.target_directory().join("readme");
    fs::create_dir_all(folder.join("src")).map_err(|error| trouble(&folder, &error))?;
    let manifest = "[package]\nname = \"pasted\"\nedition = \"2024\"\n\n[workspace]\n\n";
    write(&folder.join("Cargo.toml"), &format!("{manifest}{dependencies}"))?;
    write(&folder.join("src/main.rs"), block(&readme, "rust")?)?;
    // The same versions as here, which have been fetched and built.
    write(&folder.join("Cargo.lock"), &read(&workspace.root().join("Cargo.lock"))?)?;
    let mut command = Command::new(cargo_program());
    command.args(["run", "--offline"]).current_dir(&folder);
    shell::run(command.env("CARGO_TARGET_DIR", workspace.target_directory()))
}

/// Returns the first block of a page in this language.
fn block<'a>(page: &'a str, language: &str) -> Result<&'a str, Failure> {
    let found = page.split_once(&format!("\n```{language}\n")).and_then(|(_, rest)| {
        let (block, _) = rest.split_once("\n```\n")?;
        Some(block)
    });
    found.ok_or_else(|| failed(format!("the README has no block of {language}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_block_of_a_language_is_found() {
        let page =
            "# A page\n\n```toml\n[dependencies]\n```\n\n```rust\none\n```\n\n```rust\ntwo\n```\n";
        assert_eq!(block(page, "rust").expect("there are two"), "one");
        assert_eq!(block(page, "toml").expect("there is one"), "[dependencies]");
        assert!(block(page, "text").is_err());
    }
}

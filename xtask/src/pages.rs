//! The names that the pages write in backticks exist.
//!
//! What counts as a name is told from its form alone, so that a page can't name what has gone: a
//! path, `owner::member`, and a word that begins with a capital letter or has an underscore. Calls
//! with their arguments, options and plain words are none.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::checks::files_below;
use crate::metadata::Workspace;
use crate::names::Names;
use crate::shell::{self, Failure};

/// Pages that are not looked at: the changelog tells what was, too.
const UNCHECKED: &[&str] = &["CHANGELOG.md"];

/// Paths in other projects.
const FOREIGN: &[&str] = &["nova/compute/provider_tree.py"];

/// Looks at the pages of the project; returns how many there are and what they name in vain.
pub(crate) fn check(workspace: &Workspace) -> Result<(usize, Vec<String>), Failure> {
    let project = Project::read(workspace.root())?;
    let mut pages = files_of_project(&project.root, "md")?;
    pages.retain(|page| UNCHECKED.iter().all(|unchecked| page != Path::new(unchecked)));
    let mut faults = Vec::new();
    for page in &pages {
        let text = project.text_of(page)?;
        let absent = project.absent_names(&text).into_iter();
        let page = page.display();
        faults.extend(absent.map(|(line, name)| format!("{page}:{line}: there is no `{name}`")));
    }
    Ok((pages.len(), faults))
}

/// What the pages may name.
struct Project {
    root: PathBuf,
    sources: Vec<PathBuf>,
    names: Names,
}

impl Project {
    fn read(root: &Path) -> Result<Project, Failure> {
        let sources = files_of_project(root, "rs")?;
        let mut project = Project { root: root.to_owned(), sources, names: Names::default() };
        for path in &project.sources {
            project.names.add(path, &project.text_of(path)?)?;
        }
        Ok(project)
    }

    /// Says whether the path of a source ends so: a page may name a file from its layer's folder on.
    fn ends_a_source(&self, end: &str) -> bool {
        self.sources.iter().any(|path| path.ends_with(end))
    }

    fn text_of(&self, path: &Path) -> Result<String, Failure> {
        shell::read(&self.root.join(path))
    }

    /// Lists the names in a page that are names of nothing, each with its line.
    fn absent_names(&self, page: &str) -> Vec<(usize, String)> {
        let mut absent = Vec::new();
        for (line, quoted) in quoted(page) {
            let names = names_in(&quoted).into_iter().filter(|name| !self.has(name));
            absent.extend(names.map(|name| (line, name.to_string())));
        }
        absent
    }

    fn has(&self, name: &Name<'_>) -> bool {
        match *name {
            Name::Path(path) => self.root.join(path).exists() || self.ends_a_source(path),
            Name::File(file) => self.ends_a_source(file),
            Name::Member(path) => {
                let segments: Vec<&str> = path.split("::").collect();
                segments.windows(2).all(|pair| self.names.has_member(pair[0], pair[1]))
            }
            Name::Word(word) => self.names.has(word),
        }
    }
}

/// A name of something in this project, by its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name<'a> {
    /// `src/forest/keys.rs`, `src/forest/`
    Path(&'a str),
    /// `keys.rs`, in whichever folder.
    File(&'a str),
    /// `Keys::intern`
    Member(&'a str),
    /// `Keys`, `is_cordoned`; `set_` for those that begin so, `…_is_cordoned` for those that end so.
    Word(&'a str),
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Name::Path(text) | Name::File(text) | Name::Member(text) | Name::Word(text)) = self;
        formatter.write_str(text)
    }
}

/// The names in what a page quotes. A command or a comment may have paths and members in it; a
/// word counts only by itself.
fn names_in(quoted: &str) -> Vec<Name<'_>> {
    let is_alone = !quoted.contains(char::is_whitespace);
    let names = quoted.split_whitespace().filter_map(Name::of);
    names.filter(|name| is_alone || !matches!(name, Name::Word(_))).collect()
}

impl Name<'_> {
    fn of(text: &str) -> Option<Name<'_>> {
        let is_path = |letter: char| is_part_of_name(letter) || "/.-".contains(letter);
        let is_file = text.strip_suffix(".rs").is_some_and(is_word);
        if text.contains(is_part_of_name) && text.contains('/') && text.chars().all(is_path) {
            return (!FOREIGN.contains(&text)).then_some(Name::Path(text));
        }
        if is_file {
            return Some(Name::File(text));
        }
        let member = text.strip_suffix("()").unwrap_or(text);
        if member.contains("::") && member.split("::").all(is_word) {
            return Some(Name::Member(member));
        }
        let is_marked = text.contains('_') || text.starts_with(char::is_uppercase);
        (is_marked && is_word(text)).then_some(Name::Word(text))
    }
}

fn is_word(text: &str) -> bool {
    !text.starts_with(|letter: char| letter.is_ascii_digit())
        && !text.is_empty()
        && text.chars().all(|letter| is_part_of_name(letter) || letter == '…')
}

fn is_part_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// What a page has between backticks, with the number of its line, other than blocks of code.
fn quoted(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut is_code = false;
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(page.lines()) {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if line.trim().is_empty() {
            // A paragraph ends, and whatever was left open in it.
            open = None;
        } else if !is_code {
            let mut pieces = line.split('`');
            if let (Some((_, text)), Some(piece)) = (&mut open, pieces.next()) {
                text.extend([" ", piece.trim()]);
            }
            for piece in pieces {
                match open.take() {
                    Some(whole) => found.push(whole),
                    None => open = Some((number, piece.to_owned())),
                }
            }
        }
    }
    found
}

/// The files of the project with this extension, relative to the root.
fn files_of_project(root: &Path, extension: &str) -> Result<Vec<PathBuf>, Failure> {
    let files = files_below(root, extension)?;
    let relative = files.iter().filter_map(|path| path.strip_prefix(root).ok());
    Ok(relative.map(Path::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_by_their_form() {
        let cases = [
            ("src/forest/keys.rs", vec![Name::Path("src/forest/keys.rs")]),
            (".ci/run", vec![Name::Path(".ci/run")]),
            ("keys.rs", vec![Name::File("keys.rs")]),
            ("Keys::intern", vec![Name::Member("Keys::intern")]),
            ("Keys::intern()", vec![Name::Member("Keys::intern")]),
            ("// Acquire: see Keys::intern", vec![Name::Member("Keys::intern")]),
            ("cargo test --lib tests::weak", vec![Name::Member("tests::weak")]),
            ("Keys", vec![Name::Word("Keys")]),
            ("is_cordoned", vec![Name::Word("is_cordoned")]),
            ("…_is_cordoned", vec![Name::Word("…_is_cordoned")]),
            ("rename", vec![]),
            ("exists(name_or_uuid)", vec![]),
            ("MODEL_BOUND=3 cargo xtask loom", vec![]),
            ("--seconds", vec![]),
            ("1", vec![]),
            ("//", vec![]),
            ("nova/compute/provider_tree.py", vec![]),
        ];
        for (quoted, expected) in cases {
            assert_eq!(names_in(quoted), expected, "{quoted}");
        }
    }

    #[test]
    fn what_is_quoted_has_its_line() {
        let page = "\
# `One`
and `two` | `three
four`, `five
\n```rust
let `six` = 7;
```
`eight`";
        let expected = [(1, "One"), (2, "two"), (2, "three four"), (8, "eight")];
        let found = quoted(page);
        let found: Vec<(usize, &str)> =
            found.iter().map(|(line, text)| (*line, text.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let project = Project::read(&root).unwrap_or_else(|failure| panic!("{failure}"));
        let page = "\
`Ledger` and `Ledger::help` of `src/ledger/mod.rs`, `pages.rs`
`Lodger` and `Ledger::help_yourself`
of `src/lodger/mod.rs`, `lodger.rs` in `lodging::Ledger`";
        let absent: Vec<String> = project
            .absent_names(page)
            .into_iter()
            .map(|(line, name)| format!("{line} {name}"))
            .collect();
        let expected = [
            "2 Lodger",
            "2 Ledger::help_yourself",
            "3 src/lodger/mod.rs",
            "3 lodger.rs",
            "3 lodging::Ledger",
        ];
        assert_eq!(absent, expected);
    }
}

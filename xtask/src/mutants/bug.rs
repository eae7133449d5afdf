//! A seeded bug, as its file in `xtask/mutants` tells it.
//!
//! The file names the bug and what has to catch it, then comes an ordinary diff. Its line numbers
//! are not looked at, since they go stale as code moves: each hunk is looked for by its text.

use std::fs;
use std::path::{Path, PathBuf};

use diffy::patch_set::{FileOperation, ParseOptions, PatchSet};
use diffy::{Hunk, Line};

use crate::checks::files_below;
use crate::shell::{Failure, failed};

/// What stands before each check.
const CAUGHT_BY: &str = "Caught by: ";

/// A bug, the files it is seeded in, and what has to catch it.
#[derive(Debug)]
pub(super) struct Bug {
    pub(super) name: String,
    pub(super) checks: Vec<Check>,
    edits: Vec<Edit>,
}

/// A file to seed a bug in.
pub(super) struct Seeded {
    pub(super) path: PathBuf,
    pub(super) sound: String,
    pub(super) seeded: String,
}

impl Bug {
    /// Reads every bug below this folder, in the order of their paths.
    pub(super) fn read_all(folder: &Path) -> Result<Vec<Bug>, Failure> {
        files_below(folder, "patch")?.iter().map(|path| Bug::read(path)).collect()
    }

    fn read(path: &Path) -> Result<Bug, Failure> {
        let fault = |fault: String| failed(format!("{}: {fault}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
        let bug = Bug::parse(&text).map_err(fault)?;
        let expected = bug.file_name();
        if path.file_name().is_none_or(|name| name != expected.as_str()) {
            return Err(fault(format!("`{}` belongs in {expected}", bug.name)));
        }
        Ok(bug)
    }

    fn parse(text: &str) -> Result<Bug, String> {
        let begins = |line: &str| line.starts_with("diff --git ") || line.starts_with("--- ");
        let header: String = text.split_inclusive('\n').take_while(|line| !begins(line)).collect();
        let mut lines = header.lines().filter(|line| !line.is_empty());
        let name = lines.next().ok_or("the name is missing")?.to_owned();
        let checks: Vec<Check> = lines.map(Check::parse).collect::<Result<_, _>>()?;
        if checks.is_empty() {
            return Err("it names nothing that has to catch it".to_owned());
        }
        Ok(Bug { name, checks, edits: parse_edits(&text[header.len()..])? })
    }

    /// The files below this root that it changes, as they are and with the bug.
    pub(super) fn seed(&self, root: &Path) -> Result<Vec<Seeded>, Failure> {
        let fault =
            |edit: &Edit, fault| failed(format!("mutant `{}`, {}: {fault}", self.name, edit.file));
        let seed = |edit: &Edit| {
            let path = root.join(&edit.file);
            let sound =
                fs::read_to_string(&path).map_err(|error| fault(edit, error.to_string()))?;
            let seeded = edit.apply(&sound).map_err(|reason| fault(edit, reason))?;
            Ok(Seeded { path, sound, seeded })
        };
        self.edits.iter().map(seed).collect()
    }

    /// Its name in kebab case.
    fn file_name(&self) -> String {
        let kept = self.name.chars().filter(|letter| letter.is_alphanumeric() || *letter == ' ');
        format!("{}.patch", kept.collect::<String>().to_lowercase().replace(' ', "-"))
    }
}

/// A model or a test that has to fail.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) harness: Harness,
    /// The file of `loom-tests` or of `tests/`; `lib` for a test inside the library.
    pub(super) target: String,
    pub(super) name: String,
}

/// What runs a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harness {
    Loom,
    Test,
}

/// The target of the tests inside the library.
pub(super) const INSIDE: &str = "lib";

impl Check {
    /// Reads `Caught by: loom <file> <model>` or `Caught by: test <target> <name>`.
    fn parse(line: &str) -> Result<Check, String> {
        let words = line.strip_prefix(CAUGHT_BY).map(|rest| rest.split(' ').collect::<Vec<_>>());
        let (harness, target, name) = match words.as_deref() {
            Some(&["loom", target, name]) => (Harness::Loom, target, name),
            Some(&["test", target, name]) => (Harness::Test, target, name),
            _ => return Err(format!("`{line}` does not say what has to catch it")),
        };
        Ok(Check { harness, target: target.to_owned(), name: name.to_owned() })
    }
}

/// The hunks of one file.
#[derive(Debug)]
struct Edit {
    file: String,
    hunks: Vec<Replacement>,
}

impl Edit {
    /// Replaces the old side of each hunk, which must be in the sound text exactly once.
    fn apply(&self, sound: &str) -> Result<String, String> {
        let find = |hunk| place_of(hunk, sound).map(|place| (place, hunk));
        let mut found: Vec<(usize, &Replacement)> =
            self.hunks.iter().map(find).collect::<Result<_, _>>()?;
        found.sort_by_key(|&(place, _)| place);
        let (mut seeded, mut done) = (String::new(), 0);
        for (place, hunk) in found {
            seeded.push_str(sound.get(done..place).ok_or("two hunks overlap")?);
            seeded.push_str(&hunk.new);
            done = place + hunk.old.len();
        }
        seeded.push_str(&sound[done..]);
        Ok(seeded)
    }
}

/// One hunk: whole lines, and what they become.
#[derive(Debug)]
struct Replacement {
    old: String,
    new: String,
}

impl Replacement {
    fn of(hunk: &Hunk<'_, str>) -> Replacement {
        let (mut old, mut new) = (String::new(), String::new());
        for line in hunk.lines() {
            match line {
                Line::Delete(text) => old.push_str(text),
                Line::Insert(text) => new.push_str(text),
                Line::Context(text) => {
                    old.push_str(text);
                    new.push_str(text);
                }
            }
        }
        Replacement { old, new }
    }
}

/// Where in the text the old side of a hunk is, if that is one place.
fn place_of(hunk: &Replacement, text: &str) -> Result<usize, String> {
    let ends = text.match_indices('\n').map(|(end, _)| end + 1);
    let mut places = std::iter::once(0).chain(ends).filter(|&at| text[at..].starts_with(&hunk.old));
    match (places.next(), places.next()) {
        (Some(place), None) => Ok(place),
        (None, _) => Err(format!("these lines are nowhere:\n{}", hunk.old)),
        (Some(_), Some(_)) => Err(format!("these lines are in several places:\n{}", hunk.old)),
    }
}

fn parse_edits(diff: &str) -> Result<Vec<Edit>, String> {
    let mut edits = Vec::new();
    let mut changed = 0;
    for patch in PatchSet::parse(diff, ParseOptions::unidiff()) {
        let patch = patch.map_err(|error| error.to_string())?;
        let hunks = patch.patch().as_text().map(|patch| patch.hunks()).unwrap_or_default();
        let lines = hunks.iter().flat_map(|hunk| hunk.lines());
        changed += lines.filter(|line| !matches!(line, Line::Context(_))).count();
        let hunks = hunks.iter().map(Replacement::of).collect();
        let file = file_of(patch.operation())?;
        if edits.iter().any(|edit: &Edit| edit.file == file) {
            return Err(format!("it changes {file} twice"));
        }
        edits.push(Edit { file, hunks });
    }
    // The parser passes over what follows the number of lines that the head of a hunk tells.
    let told = diff.lines().filter(|line| line.starts_with(['+', '-'])).count();
    if told != changed + 2 * edits.len() {
        return Err("the head of a hunk tells another number of lines than follow".to_owned());
    }
    Ok(edits)
}

fn file_of(operation: &FileOperation<'_, str>) -> Result<String, String> {
    match operation.strip_prefix(1) {
        FileOperation::Modify { original, modified } if original == modified => {
            Ok(original.into_owned())
        }
        _ => Err("it does more than change files".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUG: &str = "\
two's sum is off

Caught by: loom ledger a_sum_is_right
Caught by: test lib ledger::tests::a_sum_is_right

diff --git a/src/sum.rs b/src/sum.rs
index 0123456..789abcd 100644
--- a/src/sum.rs
+++ b/src/sum.rs
@@ -7,4 +7,3 @@
 fn two() {

-    one();
-    one();
+    one() // once
@@ -90 +90,2 @@
 fn one() {
+    // late
--- a/src/other.rs
+++ b/src/other.rs
@@ -1 +1 @@
-three
+four
";

    fn applied(sound: &str) -> Result<String, String> {
        Bug::parse(BUG).unwrap().edits[0].apply(sound)
    }

    fn fault(replaced: &str, by: &str) -> String {
        assert!(BUG.contains(replaced));
        Bug::parse(&BUG.replacen(replaced, by, 1)).unwrap_err()
    }

    #[test]
    fn a_bug_is_read() {
        let bug = Bug::parse(BUG).unwrap();
        assert_eq!(
            (bug.name.as_str(), bug.file_name().as_str()),
            ("two's sum is off", "twos-sum-is-off.patch")
        );
        let check = |harness, target: &str, name: &str| Check {
            harness,
            target: target.to_owned(),
            name: name.to_owned(),
        };
        let model = check(Harness::Loom, "ledger", "a_sum_is_right");
        let test = check(Harness::Test, "lib", "ledger::tests::a_sum_is_right");
        assert_eq!(bug.checks, [model, test]);
        let files: Vec<&str> = bug.edits.iter().map(|edit| edit.file.as_str()).collect();
        assert_eq!(files, ["src/sum.rs", "src/other.rs"]);
    }

    #[test]
    fn hunks_are_found_wherever_they_are() {
        let sound = "fn one() {\n}\nfn two() {\n\n    one();\n    one();\n}\n";
        let seeded = "fn one() {\n    // late\n}\nfn two() {\n\n    one() // once\n}\n";
        assert_eq!(applied(sound).unwrap(), seeded);
    }

    #[test]
    fn a_hunk_that_is_not_there_once_is_refused() {
        let two = "fn two() {\n\n    one();\n    one();\n";
        let nowhere = applied(two).unwrap_err();
        assert!(nowhere.starts_with("these lines are nowhere:\nfn one()"), "{nowhere}");
        let twice = applied(&format!("{two}fn one() {{\nfn one() {{\n")).unwrap_err();
        assert!(twice.contains("these lines are in several places:\nfn one()"), "{twice}");
        assert!(applied(&format!("{two}pub fn one() {{\n")).is_err(), "only whole lines count");
    }

    #[test]
    fn places_that_overlap_are_several() {
        let hunk = Replacement { old: "a\na\n".to_owned(), new: String::new() };
        assert_eq!(place_of(&hunk, "b\na\na\n"), Ok(2));
        assert!(place_of(&hunk, "a\na\na\n").is_err());
    }

    #[test]
    fn hunks_that_overlap_are_refused() {
        let hunk = |old: &str| Replacement { old: old.to_owned(), new: String::new() };
        let edit = Edit { file: "x".to_owned(), hunks: vec![hunk("b\nc\n"), hunk("a\nb\n")] };
        assert_eq!(edit.apply("a\nb\nc\n").unwrap_err(), "two hunks overlap");
    }

    #[test]
    fn a_broken_file_is_refused() {
        let unreadable = "does not say what has to catch it";
        assert!(fault("Caught by: loom", "Caught by loom").ends_with(unreadable));
        assert!(fault("Caught by: loom", "Caught by: miri").ends_with(unreadable));
        let uncaught = BUG.lines().filter(|line| !line.starts_with("Caught")).collect::<Vec<_>>();
        let uncaught = Bug::parse(&uncaught.join("\n")).unwrap_err();
        assert_eq!(uncaught, "it names nothing that has to catch it");
        let miscounted = "the head of a hunk tells another number of lines than follow";
        assert_eq!(fault("+four\n", "+four\n+five\n"), miscounted);
        assert_eq!(fault("@@ -90", "\nfn after() {\n@@ -90"), miscounted);
        assert_eq!(
            fault("src/other.rs\n+++ b/src/other", "src/sum.rs\n+++ b/src/sum"),
            "it changes src/sum.rs twice"
        );
        assert_eq!(fault("+++ b/src/other", "+++ b/src/new"), "it does more than change files");
        assert_eq!(fault("--- a/src/other.rs", "--- /dev/null"), "it does more than change files");
    }
}

//! No circle between the files of the library.
//!
//! A file depends on each file that defines a name which it imports or whose path it writes. What
//! only tests and documentation name does not count.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use crate::checks::files_below;
use crate::modules::{self, Edges};
use crate::shell::{self, Failure};

/// Reads the library below this folder; returns its circles, each as a sentence.
pub(crate) fn check(folder: &Path) -> Result<Vec<String>, Failure> {
    let mut sources = BTreeMap::new();
    for path in files_below(folder, "rs")? {
        let text = shell::read(&path)?;
        let inside = path.strip_prefix(folder).unwrap_or(&path);
        sources.insert(inside.to_string_lossy().replace('\\', "/"), text);
    }
    let circles = circles(&modules::edges(&sources)?);
    Ok(circles.into_iter().map(|circle| circle.shown).collect())
}

/// Files that all depend on each other.
struct Circle {
    files: BTreeSet<String>,
    /// The shortest way around, with the names that each file names of the next.
    shown: String,
}

fn circles(edges: &Edges) -> Vec<Circle> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        edges.keys().map(|file| (file, reached(edges, file))).collect();
    let mut circles: Vec<Circle> = Vec::new();
    for (&file, others) in &reached {
        if !others.contains(file) || circles.iter().any(|circle| circle.files.contains(file)) {
            continue;
        }
        let is_back = |other: &&&String| reached.get(*other).is_some_and(|it| it.contains(file));
        let files: BTreeSet<String> =
            others.iter().filter(is_back).map(|&other| other.clone()).collect();
        let ways = files.iter().filter_map(|file| way_around(edges, file));
        let shortest = ways.min_by_key(Vec::len).unwrap_or_default();
        let shown = format!("a circle of {} files: {}", files.len(), shown(edges, &shortest));
        circles.push(Circle { files, shown });
    }
    circles
}

fn shown(edges: &Edges, way: &[&String]) -> String {
    let step = |pair: &[&String]| {
        let names: Vec<&str> = edges[pair[0]][pair[1]].iter().map(String::as_str).collect();
        format!("src/{} names {} of src/{}", pair[0], names.join(", "), pair[1])
    };
    way.windows(2).map(step).collect::<Vec<_>>().join("; ")
}

/// Returns the shortest way from a file back to the file, with the file at both ends.
fn way_around<'a>(edges: &'a Edges, file: &'a String) -> Option<Vec<&'a String>> {
    let mut came_from: BTreeMap<&String, &String> = BTreeMap::new();
    let mut open = VecDeque::from([file]);
    while let Some(at) = open.pop_front() {
        for next in edges.get(at).into_iter().flat_map(BTreeMap::keys) {
            if came_from.contains_key(next) {
                continue;
            }
            came_from.insert(next, at);
            open.push_back(next);
        }
    }
    let mut way = vec![file, *came_from.get(file)?];
    while way[way.len() - 1] != file {
        way.push(came_from[way[way.len() - 1]]);
    }
    way.reverse();
    Some(way)
}

/// Lists the files that a file depends on, by whatever way.
fn reached<'a>(edges: &'a Edges, file: &String) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&String> = edges.get(file).into_iter().flat_map(BTreeMap::keys).collect();
    while let Some(at) = open.pop() {
        if reached.insert(at) {
            open.extend(edges.get(at).into_iter().flat_map(BTreeMap::keys));
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
        let sources = files.iter().map(|&(path, text)| (path.to_owned(), text.to_owned()));
        let edges =
            modules::edges(&sources.collect()).unwrap_or_else(|failure| panic!("{failure}"));
        circles(&edges).into_iter().map(|circle| circle.shown).collect()
    }

    #[test]
    fn a_circle_is_found_through_what_hands_names_on() {
        let circles = circles_of(&[
            ("lib.rs", "mod tree; mod words; pub use tree::Provider;"),
            ("words.rs", "use crate::Provider; pub(crate) fn words(_: &Provider) {}"),
            (
                "tree/mod.rs",
                "mod provider; mod core; pub use provider::*; pub(crate) use core::Core as Forest;",
            ),
            ("tree/provider.rs", "use super::Forest; pub struct Provider(Forest);"),
            ("tree/core.rs", "pub(crate) struct Core; fn f() { call!(a, crate::words::words(b)) }"),
        ]);
        let expected = "a circle of 3 files: src/tree/core.rs names words of src/words.rs; \
            src/words.rs names Provider of src/tree/provider.rs; \
            src/tree/provider.rs names Core of src/tree/core.rs";
        assert_eq!(circles, [expected]);
    }

    #[test]
    fn what_only_tests_pages_and_visibility_name_makes_no_circle() {
        let circles = circles_of(&[
            ("lib.rs", "mod a; mod b; #[cfg(all(test, unix))] mod tests; pub use b::B;"),
            (
                "a.rs",
                "
                use crate::B;
                pub(in crate::a) struct A(B, std::b::A);
                #[cfg(test)] mod tests { use super::*; }
            ",
            ),
            (
                "b.rs",
                "
                //! [`A`](crate::a::A)
                pub struct B;
                impl B { pub(in crate::a) fn a(&self) { let a = self.a; a::<B>() } }
                #[cfg(test)] use crate::a::A;
                #[cfg(test)] fn f() { crate::a::f() }
            ",
            ),
        ]);
        assert_eq!(circles, [""; 0]);
    }
}

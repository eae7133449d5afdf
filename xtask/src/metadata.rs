//! The workspace as cargo describes it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::shell::{self, Failure, failed};

/// The library of this workspace.
pub(crate) const LIBRARY: &str = "provider-tree";

/// The profile of tests that take long: a release that is not linked as one, and so built sooner.
pub(crate) const OPTIMISED: &str = "optimised";

/// The packages of the workspace and of their dependencies.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    target_directory: PathBuf,
    packages: BTreeMap<String, Package>,
    members: BTreeSet<String>,
}

/// One package, of the workspace or not.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) rust_version: Option<String>,
    targets: Vec<Target>,
    needs: Vec<String>,
}

/// Something cargo builds from a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) package: String,
    pub(crate) name: String,
    kind: String,
    /// Whether it is built without naming a feature.
    by_default: bool,
}

impl Workspace {
    /// Asks cargo. Fails too if `Cargo.lock` is not up to date.
    pub(crate) fn load() -> Result<Workspace, Failure> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.parent().unwrap_or(here);
        let mut command = cargo_in(root, "metadata");
        let text = shell::output(command.args(["--format-version", "1"]))?;
        let value = serde_json::from_str(&text)
            .map_err(|error| failed(format!("the answer of cargo metadata: {error}")))?;
        Workspace::parse(&value)
            .ok_or_else(|| failed("the answer of cargo metadata lacks an expected field"))
    }

    fn parse(value: &Value) -> Option<Workspace> {
        let mut packages = BTreeMap::new();
        for package in value["packages"].as_array()? {
            packages.insert(text(&package["id"])?, parse_package(package)?);
        }
        for node in value["resolve"]["nodes"].as_array()? {
            packages.get_mut(node["id"].as_str()?)?.needs = parse_needs(node)?;
        }
        Some(Workspace {
            root: text(&value["workspace_root"])?.into(),
            target_directory: text(&value["target_directory"])?.into(),
            packages,
            members: value["workspace_members"]
                .as_array()?
                .iter()
                .map(text)
                .collect::<Option<_>>()?,
        })
    }

    /// The folder of the root manifest.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target_directory(&self) -> &Path {
        &self.target_directory
    }

    /// A cargo command at the root that refuses to change `Cargo.lock`.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        cargo_in(&self.root, subcommand)
    }

    /// `cargo fmt` at the root, the one subcommand that does not know `--locked`.
    pub(crate) fn cargo_fmt(&self) -> Command {
        let mut command = Command::new(cargo_program());
        command.current_dir(&self.root).arg("fmt");
        command
    }

    /// The members' targets of one kind (`test`, `bench`, `example`), by package and name, but those that need
    /// a feature which is not on by default: that may take what is not on this machine.
    pub(crate) fn targets(&self, kind: &str) -> Vec<Target> {
        let members = self.members.iter().filter_map(|id| self.packages.get(id));
        let targets = members.flat_map(|package| &package.targets);
        let targets = targets.filter(|it| it.kind == kind && it.by_default);
        let mut targets: Vec<Target> = targets.cloned().collect();
        targets.sort();
        targets
    }

    /// The library's package.
    pub(crate) fn library(&self) -> Result<&Package, Failure> {
        Ok(&self.packages[self.library_id()?])
    }

    /// Everything a user of the library compiles with it, on whatever platform, by name.
    pub(crate) fn dependencies_of_library(&self) -> Result<Vec<&Package>, Failure> {
        let library = self.library_id()?;
        let mut seen = BTreeSet::from([library]);
        let mut open = vec![library];
        while let Some(id) = open.pop() {
            let needs = self.packages[id].needs.iter().map(String::as_str);
            open.extend(needs.filter(|&id| seen.insert(id)));
        }
        seen.remove(library);
        let mut found: Vec<&Package> = seen.iter().map(|&id| &self.packages[id]).collect();
        found.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        Ok(found)
    }

    fn library_id(&self) -> Result<&str, Failure> {
        let mut members = self.members.iter().map(String::as_str);
        let is_library = |id: &&str| self.packages.get(*id).is_some_and(|it| it.name == LIBRARY);
        members.find(is_library).ok_or_else(|| failed(format!("no package is named `{LIBRARY}`")))
    }
}

fn cargo_in(root: &Path, subcommand: &str) -> Command {
    let mut command = Command::new(cargo_program());
    command.current_dir(root).args([subcommand, "--locked"]);
    command
}

/// The cargo that runs this tool.
pub(crate) fn cargo_program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn parse_package(package: &Value) -> Option<Package> {
    let name = text(&package["name"])?;
    let default = package["features"]["default"].as_array().map_or(&[][..], Vec::as_slice);
    let target = |value: &Value| {
        let kind = text(value["kind"].as_array()?.first()?)?;
        let needed = value["required-features"].as_array();
        let by_default = needed.is_none_or(|needed| needed.iter().all(|it| default.contains(it)));
        Some(Target { package: name.clone(), name: text(&value["name"])?, kind, by_default })
    };
    Some(Package {
        version: text(&package["version"])?,
        rust_version: text(&package["rust_version"]),
        targets: package["targets"].as_array()?.iter().map(target).collect::<Option<_>>()?,
        needs: Vec::new(),
        name,
    })
}

/// The ids this package needs other than for its own tests.
fn parse_needs(node: &Value) -> Option<Vec<String>> {
    let mut needs = Vec::new();
    for dependency in node["deps"].as_array()? {
        let kinds = dependency["dep_kinds"].as_array()?;
        if kinds.iter().any(|kind| kind["kind"].as_str() != Some("dev")) {
            needs.push(text(&dependency["pkg"])?);
        }
    }
    Some(needs)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A library with one test, one normal and one development dependency, and what they need.
    pub(crate) fn sample() -> Workspace {
        let package = |name: &str, rust_version: Option<&str>, targets: Value| {
            json!({ "id": format!("id of {name}"), "name": name, "version": "1.0.0",
                "rust_version": rust_version, "targets": targets,
                "features": { "default": ["usual"], "usual": [], "special": [] } })
        };
        let needs = |name: &str, kind: Option<&str>| {
            let id = format!("id of {name}");
            json!({ "pkg": id, "dep_kinds": [{ "kind": kind }] })
        };
        let value = json!({
            "workspace_root": "/root", "target_directory": "/target",
            "workspace_members": ["id of provider-tree"],
            "packages": [
                package("provider-tree", Some("1.89"), json!([
                    { "kind": ["lib"], "name": "provider_tree" },
                    { "kind": ["test"], "name": "storm" },
                    { "kind": ["test"], "name": "semantics", "required-features": ["usual"] },
                    { "kind": ["test"], "name": "foreign", "required-features": ["usual", "special"] },
                ])),
                package("used", Some("1.80.1"), json!([{ "kind": ["test"], "name": "foreign" }])),
                package("below", Some("1.90"), json!([])),
                package("builder", None, json!([])),
                package("only-in-tests", Some("1.95"), json!([])),
            ],
            "resolve": { "nodes": [
                { "id": "id of provider-tree", "deps": [
                    needs("used", None), needs("builder", Some("build")),
                    needs("only-in-tests", Some("dev")),
                ] },
                { "id": "id of used", "deps": [needs("below", None)] },
                { "id": "id of below", "deps": [] },
                { "id": "id of builder", "deps": [] },
                { "id": "id of only-in-tests", "deps": [] },
            ] },
        });
        Workspace::parse(&value).expect("the sample has every field")
    }

    #[test]
    fn targets_are_those_of_the_members_that_need_nothing_special() {
        let workspace = sample();
        let names: Vec<String> = workspace.targets("test").into_iter().map(|it| it.name).collect();
        assert_eq!(names, ["semantics", "storm"]);
        assert!(workspace.targets("bench").is_empty());
    }

    #[test]
    fn dependencies_are_followed_except_those_for_tests() {
        let workspace = sample();
        let found = workspace.dependencies_of_library().expect("the library is there");
        let names: Vec<&str> = found.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["below", "builder", "used"]);
    }

    #[test]
    fn an_answer_without_packages_is_refused() {
        assert!(Workspace::parse(&json!({ "packages": [] })).is_none());
    }
}

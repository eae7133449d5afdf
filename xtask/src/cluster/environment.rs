//! What the tests on etcd take: etcd itself, and what its client is built with.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::debian;
use crate::metadata::Workspace;
use crate::shell::{self, Failure, heading, trouble};

/// Something that is needed, and what Debian calls the package with it.
#[derive(Clone, Copy)]
struct Need {
    what: &'static str,
    package: &'static str,
    is_there: fn(&Path) -> bool,
}

const NEEDS: [Need; 4] = [
    Need { what: "etcd", package: "etcd-server", is_there: |_| shell::starts("etcd") },
    Need {
        what: "etcdctl",
        package: "etcd-client",
        is_there: |_| {
            shell::succeeds(Command::new("etcdctl").arg("version").env("ETCDCTL_API", "3"))
        },
    },
    Need { what: "protoc", package: "protobuf-compiler", is_there: |_| shell::starts("protoc") },
    // Debian has them apart, and the compiler's package is installed without.
    Need { what: "the protos of protoc", package: "libprotobuf-dev", is_there: compiles },
];

/// What is compiled only where the protos are that come with the compiler.
const PROBE: &str = "syntax = \"proto3\";\nimport \"google/protobuf/any.proto\";\n";

/// The name of the file with it.
const PROBE_FILE: &str = "probe.proto";

/// Finds everything, or installs it where that is allowed.
pub(super) fn prepare(workspace: &Workspace) -> Result<(), Failure> {
    heading("the environment");
    let folder = workspace.target_directory().join("cluster");
    fs::create_dir_all(&folder).map_err(|error| trouble(&folder, &error))?;
    shell::write(&folder.join(PROBE_FILE), PROBE)?;
    let lacking = lacking(&NEEDS, &folder);
    if !lacking.is_empty() {
        let packages: Vec<&str> = lacking.iter().map(|need| need.package).collect();
        debian::try_to_install(&packages);
    }
    all_there(&NEEDS, &folder)?;
    println!("everything is there");
    Ok(())
}

/// Says whether a file is compiled that imports one of the protos that come with the compiler.
fn compiles(folder: &Path) -> bool {
    let mut protoc = Command::new("protoc");
    protoc.current_dir(folder).args(["--proto_path=.", "--descriptor_set_out=probe.bin"]);
    shell::succeeds(protoc.arg(PROBE_FILE))
}

fn lacking(needs: &[Need], folder: &Path) -> Vec<Need> {
    needs.iter().filter(|need| !(need.is_there)(folder)).copied().collect()
}

fn all_there(needs: &[Need], folder: &Path) -> Result<(), Failure> {
    let lacking = lacking(needs, folder);
    if lacking.is_empty() {
        return Ok(());
    }
    let lacking: Vec<String> =
        lacking.iter().map(|need| format!("{} (`{}`)", need.what, need.package)).collect();
    let lacking = lacking.join(", ");
    Err(Failure::Unavailable(format!("not there, and can't be installed: {lacking}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const THERE: Need = Need { what: "one", package: "debian-one", is_there: |_| true };
    const LACKING: Need = Need { what: "two", package: "debian-two", is_there: |_| false };

    #[test]
    fn what_is_lacking_is_named_with_its_package() {
        let folder = Path::new(".");
        assert!(all_there(&[THERE, THERE], folder).is_ok());
        match all_there(&[THERE, LACKING], folder) {
            Err(Failure::Unavailable(reason)) => {
                assert_eq!(reason, "not there, and can't be installed: two (`debian-two`)");
            }
            other => panic!("it is lacking: {other:?}"),
        }
    }

    /// Without the compiler as without its protos.
    #[test]
    fn nothing_is_compiled_where_there_is_no_file() {
        assert!(!compiles(&std::env::temp_dir().join("provider-tree-no-protos")));
    }

    /// The public host installs them itself, as its user may not.
    #[test]
    fn the_public_host_installs_each_package() {
        let workflow = concat!(env!("CARGO_MANIFEST_DIR"), "/../.github/workflows/ci.yml");
        let workflow = fs::read_to_string(workflow).unwrap();
        let install = workflow.lines().find(|line| line.contains("apt-get install")).unwrap();
        for need in NEEDS {
            assert!(
                install.split_whitespace().any(|word| word == need.package),
                "{}",
                need.package
            );
        }
    }
}

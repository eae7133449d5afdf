//! The limits that can be read: files of Linux. Elsewhere there are none of them, and nothing is
//! known to be too much.

use std::fs;
use std::path::{Path, PathBuf};

/// How much memory there may be, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) bytes: u64,
    pub(crate) kind: Kind,
    /// Where it was read.
    pub(crate) file: PathBuf,
}

/// What a limit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The address space that the process may have: `ulimit -v`.
    AddressSpace,
    /// The memory that the process's control group may use.
    Group,
    /// The memory that is available now.
    Available,
}

/// Reads all limits there are.
pub(crate) fn read_limits() -> Vec<Limit> {
    limits_below(Path::new("/"))
}

/// Reads the limits in the files below `root`, which is `/` but in tests.
fn limits_below(root: &Path) -> Vec<Limit> {
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap_or_default();
    let limit = |bytes: Option<u64>, kind, file: &Path| {
        bytes.map(|bytes| Limit { bytes, kind, file: Path::new("/").join(file) })
    };
    let process = "proc/self/limits";
    let system = "proc/meminfo";
    let mut limits = Vec::new();
    limits.extend(limit(address_space(&read(process)), Kind::AddressSpace, Path::new(process)));
    for file in group_files(&read("proc/self/cgroup"), &read("proc/self/mountinfo")) {
        let text = fs::read_to_string(root.join(&file)).unwrap_or_default();
        limits.extend(limit(group_limit(&text), Kind::Group, &file));
    }
    limits.extend(limit(available(&read(system)), Kind::Available, Path::new(system)));
    limits
}

/// Returns the soft limit of the address space from `/proc/self/limits`; `None` if it is unlimited.
fn address_space(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Returns the available memory from `/proc/meminfo`.
fn available(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Returns the limit from `memory.max` or `memory.limit_in_bytes`; `None` for `max`.
fn group_limit(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// Returns the files, without the leading `/`, that limit the process's control groups and those
/// above them: of version 2, where all controllers have one hierarchy, and of version 1, where
/// memory has its own.
fn group_files(groups: &str, mounts: &str) -> Vec<PathBuf> {
    let hierarchies = mounts.lines().filter_map(Hierarchy::parse);
    let files = hierarchies.flat_map(|hierarchy| {
        let group = groups.lines().find_map(|line| hierarchy.group(line)).unwrap_or("/");
        hierarchy.files(group)
    });
    files.collect()
}

/// A mounted hierarchy of control groups that may limit memory.
struct Hierarchy<'a> {
    is_unified: bool,
    /// The group that is seen at the mount point.
    root: &'a str,
    mount_point: &'a str,
}

impl<'a> Hierarchy<'a> {
    /// Reads a line of `/proc/self/mountinfo`; `None` for other mounts.
    fn parse(line: &'a str) -> Option<Self> {
        let (mount, kind) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, mount_point) = (mount.next()?, mount.next()?);
        let mut kind = kind.split(' ');
        let is_unified = match kind.next()? {
            "cgroup2" => true,
            "cgroup" if kind.nth(1)?.split(',').any(|option| option == "memory") => false,
            _ => return None,
        };
        Some(Self { is_unified, root, mount_point })
    }

    /// Reads a line of `/proc/self/cgroup`: the process's group, if it is of this hierarchy.
    fn group<'g>(&self, line: &'g str) -> Option<&'g str> {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, group) = (fields.next()?, fields.next()?);
        let is_here = match self.is_unified {
            true => controllers.is_empty(),
            false => controllers.split(',').any(|controller| controller == "memory"),
        };
        is_here.then_some(group)
    }

    /// Returns the files of a group and of those above it, as far as they are seen here.
    fn files(&self, group: &str) -> Vec<PathBuf> {
        let file = if self.is_unified { "memory.max" } else { "memory.limit_in_bytes" };
        let seen = group.strip_prefix(self.root.trim_end_matches('/')).unwrap_or("");
        let mount_point = Path::new(self.mount_point.trim_start_matches('/'));
        let directory = mount_point.join(seen.trim_start_matches('/'));
        let above = directory.ancestors().take_while(|above| above.starts_with(mount_point));
        above.map(|above| above.join(file)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: &str = "\
Limit                     Soft Limit           Hard Limit           Units     
Max stack size            8388608              unlimited            bytes     
Max address space         4294967296           unlimited            bytes     
Max file locks            unlimited            unlimited            locks     
";

    const VERSION_1: &str = "\
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
";

    const VERSION_2: &str = "\
30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate
";

    fn files(groups: &str, mounts: &str) -> Vec<String> {
        let files = group_files(groups, mounts);
        files.iter().map(|file| file.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn the_soft_limit_of_the_address_space_is_read() {
        assert_eq!(address_space(LIMITS), Some(4 << 30));
        assert_eq!(address_space(&LIMITS.replace("4294967296", "unlimited ")), None);
        assert_eq!(address_space("Max address space"), None);
        assert_eq!(address_space(""), None);
    }

    #[test]
    fn the_available_memory_is_read() {
        let text = "MemTotal:       24683904 kB\nMemFree: 1 kB\nMemAvailable:   24115112 kB\n";
        assert_eq!(available(text), Some(24_115_112 * 1024));
        assert_eq!(available("MemTotal:       24683904 kB\n"), None);
        assert_eq!(available("MemAvailable: many kB"), None);
        assert_eq!(available("MemAvailable: 18446744073709551615 kB"), None);
    }

    #[test]
    fn the_limit_of_a_group_is_read() {
        assert_eq!(group_limit("536870912\n"), Some(512 << 20));
        assert_eq!(group_limit("9223372036854771712\n"), Some(9_223_372_036_854_771_712));
        assert_eq!(group_limit("max\n"), None);
        assert_eq!(group_limit(""), None);
    }

    #[test]
    fn groups_of_version_2_are_found_up_to_the_root() {
        assert_eq!(
            files("0::/user.slice/a.scope\n", VERSION_2),
            [
                "sys/fs/cgroup/user.slice/a.scope/memory.max",
                "sys/fs/cgroup/user.slice/memory.max",
                "sys/fs/cgroup/memory.max"
            ]
        );
    }

    #[test]
    fn groups_of_version_1_are_those_of_memory() {
        assert_eq!(
            files("8:pids:/p\n4:cpu,memory:/m\n0::/u\n", VERSION_1),
            [
                "sys/fs/cgroup/memory/m/memory.limit_in_bytes",
                "sys/fs/cgroup/memory/memory.limit_in_bytes"
            ]
        );
    }

    /// In a container the group may be named as outside, where its directory is not to be seen.
    #[test]
    fn in_a_container_the_mount_point_is_the_group() {
        let mounts = VERSION_1.replace("0:32 / ", "0:32 /docker/c0ffee ");
        let own = ["sys/fs/cgroup/memory/memory.limit_in_bytes"];
        assert_eq!(files("4:memory:/docker/c0ffee\n", &mounts), own);
        assert_eq!(files("4:memory:/other\n", &mounts), own);
        assert_eq!(files("", &mounts), own);
    }

    #[test]
    fn other_lines_are_passed_over() {
        assert!(files("0::/a\n", "").is_empty());
        assert!(files("0::/a\n", "no mount\n1 2 - \n1 2 3:4 - cgroup2\n - cgroup\n").is_empty());
    }

    /// The files of a machine, below a directory of this test.
    #[test]
    fn every_limit_is_read_from_its_file() {
        let root = std::env::temp_dir().join(format!("replay-limits-{}", std::process::id()));
        let group = "sys/fs/cgroup/a";
        let files = [
            ("proc/self/limits", LIMITS),
            ("proc/self/cgroup", "0::/a\n"),
            ("proc/self/mountinfo", VERSION_2),
            ("proc/meminfo", "MemAvailable:   2048 kB\n"),
            ("sys/fs/cgroup/a/memory.max", "1048576\n"),
            ("sys/fs/cgroup/memory.max", "max\n"),
        ];
        for directory in ["proc/self", group] {
            fs::create_dir_all(root.join(directory)).expect("the directory is writable");
        }
        for (file, text) in files {
            fs::write(root.join(file), text).expect("the directory is writable");
        }
        let limits = limits_below(&root);
        fs::remove_dir_all(&root).expect("the directory is writable");
        let limit = |bytes, kind, file: &str| Limit { bytes, kind, file: PathBuf::from(file) };
        assert_eq!(
            limits,
            [
                limit(4 << 30, Kind::AddressSpace, "/proc/self/limits"),
                limit(1 << 20, Kind::Group, "/sys/fs/cgroup/a/memory.max"),
                limit(2 << 20, Kind::Available, "/proc/meminfo"),
            ]
        );
        assert_eq!(limits_below(&root), [], "where there are no such files, nothing is known");
    }
}

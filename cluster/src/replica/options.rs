//! [`Options`]: how a replica works.

use std::time::Duration;

/// Says how a replica works. What is not said has the usual value.
///
/// ```
/// use provider_tree_cluster::Options;
///
/// let options = Options { most_outstanding: 10_000, ..Options::default() };
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// How many commands can be on their way: asked for, and not answered yet. Who asks for more waits. A
    /// command of more than a KiB counts once for each KiB, so this bounds the memory too; one call with more
    /// commands waits until nothing else is on its way. 65,536 if it is not said.
    pub most_outstanding: usize,
    /// How many bytes of commands are put into one entry, at most; the log has a bound of its own. A single
    /// command that is larger goes on in the next entry. 1 MiB if it is not said.
    pub most_entry_bytes: usize,
    /// A dump is stored when entries of so many bytes have come since the last one, or of as many as that has if
    /// that is more; each entry counts 256 more than it has. Then the entries that the dump *before* has are cut
    /// off. 64 MiB if it is not said. May differ between replicas.
    pub dump_every_bytes: u64,
    /// How long the start may take: to reach the log, to load the newest dump, and to apply what came after it. A
    /// minute if it is not said; [sizing](crate::sizing) has what a million allocations take.
    pub start_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            most_outstanding: 65_536,
            most_entry_bytes: 1 << 20,
            dump_every_bytes: 64 << 20,
            start_timeout: Duration::from_secs(60),
        }
    }
}

impl Options {
    /// How many bytes of a command count as one.
    pub(super) const BYTES_OF_ONE: usize = 1024;

    /// Returns the options with values that can work: no bound is 0.
    pub(super) fn bounded(self) -> Self {
        Options {
            most_outstanding: self.most_outstanding.clamp(1, u32::MAX as usize >> 3),
            most_entry_bytes: self.most_entry_bytes.max(1),
            dump_every_bytes: self.dump_every_bytes.max(1),
            start_timeout: self.start_timeout,
        }
    }
}

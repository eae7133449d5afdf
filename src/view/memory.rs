//! [`Memory`]: what a forest has in memory, and what for.

use std::fmt;

use crate::claim::Core;
use crate::forest::Forest;
use crate::layout::{CONSUMER, CellKind, Life, NAME, PROVIDER, RUNS, State, uuid_in};
use crate::ledger::{Cell, Kind, Ledger, Spares};

/// Holds what a forest has in memory; see [`ProviderTree::memory`](crate::ProviderTree::memory).
///
/// All figures are counts, except those of [`bytes`](Self::bytes). The `Display` of this type is a
/// table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Memory {
    /// Pairs of cells, each pair for one provider.
    pub providers: CellCounts,
    /// Cells for names of providers.
    pub names: CellCounts,
    /// Cells for consumers.
    pub consumers: CellCounts,
    /// Cells that the caller's workers have in stock, or are about to give back.
    pub cells_with_workers: u64,
    /// Records, each for one version of a cell, by width; widths that were never needed are left
    /// out.
    pub records: Vec<RecordCounts>,
    /// Uuids of providers that are in their index.
    pub uuid_entries: u64,
    /// Names of providers that are in their index.
    pub name_entries: u64,
    /// Consumers that are in their index.
    pub consumer_entries: u64,
    /// Configurations of providers that are in force, or about to be: inventories, traits,
    /// aggregates, resources.
    pub configurations: u64,
    /// Configurations that are no longer in force, kept for snapshots.
    pub kept_configurations: u64,
    /// Layouts: what providers with the same classes and capacities share, if their amounts are packed.
    pub layouts: u64,
    /// Copies of older versions, kept for snapshots. A version that could be left in place counts
    /// among the records that are [with the workers](RecordCounts::with_workers).
    pub kept_versions: u64,
    /// Deadlines that are noted in the agenda: one for each lease.
    pub leases: u64,
    /// Snapshots that are held.
    pub snapshots: u64,
    /// Bytes that the arrays and indexes take.
    pub bytes: ByteCounts,
}

/// Counts what the cells of one kind are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct CellCounts {
    /// Cells of things that exist.
    pub live: u64,
    /// Cells of keys that a call is about to give to something, and that nothing has yet.
    pub absent: u64,
    /// Cells that nothing uses, ready for the next thing.
    pub free: u64,
}

/// Counts what the records of one width are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct RecordCounts {
    /// The width, in words of 8 bytes.
    pub words: u64,
    /// How many records of this width there are.
    pub made: u64,
    /// Records that hold the version of a cell that is in force.
    pub in_force: u64,
    /// Records that nothing uses, ready for the next version of any cell.
    pub spare: u64,
    /// The other records: those that the caller's workers have in stock, and those that were left
    /// in place for snapshots.
    pub with_workers: u64,
}

/// Counts bytes that were allocated. A part of the largest arrays that was never used costs address
/// space only, if the system gives memory when it is first written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct ByteCounts {
    /// One word for each cell, and what is looked up beside the cell: configurations, layouts,
    /// histories, marks.
    pub cells: u64,
    /// All records.
    pub records: u64,
    /// The entries of the indexes, estimated, and the entries for which the indexes have room.
    pub indexes: u64,
    /// What workers announce their changes in and count their calls in, and the lists of what is
    /// free or spare. Of this, 128 KiB are the trail of each worker that there was at once: a list
    /// of what it has changed last.
    pub rest: u64,
}

impl ByteCounts {
    /// Returns the sum of the four counts.
    pub fn total(&self) -> u64 {
        self.cells + self.records + self.indexes + self.rest
    }
}

/// Counts what the cells are for, and which records the cells name.
struct CellCensus {
    /// Live and absent cells, by kind.
    kinds: [[u64; 2]; RUNS.len()],
    /// Live cells of consumers that have uuids of the forest's own.
    own: u64,
    /// Records in force, by width.
    in_force: [u64; Ledger::WIDTHS.len()],
}

/// Counts the forest's own cells: the pair of the super-root, and the cell that counts sharing
/// providers.
const OWN_CELLS: u64 = 3;

impl Memory {
    /// Counts what `core` has in memory.
    pub(crate) fn of(core: &Core) -> Self {
        let Forest { ledger, configurations, layouts, .. } = &core.forest;
        let CellCensus { kinds, own, in_force } = CellCensus::of(core);
        let uuid_index = core.forest.providers.index_size();
        let name_index = core.forest.names.index_size();
        let consumer_index = core.claims.consumers.index_size();
        let spares = core.forest.spares();
        // A cell does not say that it stands for a key until something has the key, so the index is
        // counted; but it does if the forest has issued the key.
        let cells = |kind: Kind, entries: u64, own: u64| {
            let [live, issued] = kinds[kind.0];
            let absent = issued + entries.saturating_sub(live.saturating_sub(own));
            CellCounts { live, absent, free: spares.runs[kind.0] }
        };
        let providers = cells(PROVIDER, uuid_index.keys, 0);
        let names = cells(NAME, name_index.keys, 0);
        let consumers = cells(CONSUMER, consumer_index.keys, own);
        let runs = [providers, names, consumers].into_iter().zip(RUNS);
        let known = runs.map(|(counts, run)| counts.total() * u64::from(*run)).sum::<u64>();
        let (published, kept_configurations) = configurations.count();
        let bytes = ledger.bytes();
        Memory {
            providers,
            names,
            consumers,
            cells_with_workers: u64::from(ledger.cell_bound()).saturating_sub(known + OWN_CELLS),
            records: record_counts(ledger, &in_force, &spares),
            uuid_entries: uuid_index.keys,
            name_entries: name_index.keys,
            consumer_entries: consumer_index.keys,
            configurations: published,
            kept_configurations,
            layouts: layouts.count(),
            kept_versions: ledger.versions_kept(),
            leases: core.claims.leases.agenda.len(),
            snapshots: ledger.pins() as u64,
            bytes: ByteCounts {
                cells: bytes.cells + configurations.bytes() + layouts.bytes(),
                records: bytes.records,
                indexes: uuid_index.bytes + name_index.bytes + consumer_index.bytes,
                rest: bytes.rest + core.claims.tallies.bytes(),
            },
        }
    }
}

/// Counts what the records of each width are for. Leaves out widths that were never needed.
fn record_counts(ledger: &Ledger, in_force: &[u64], spares: &Spares) -> Vec<RecordCounts> {
    let made = ledger.records_made();
    let counts = |width: usize| {
        let (made, in_force, spare) = (made[width], in_force[width], spares.records[width]);
        let with_workers = made.saturating_sub(in_force + spare);
        let words = Ledger::WIDTHS[width] as u64;
        RecordCounts { words, made, in_force, spare, with_workers }
    };
    (0..made.len()).filter(|width| made[*width] > 0).map(counts).collect()
}

impl CellCensus {
    /// Counts the cells by looking at every one. A pair of cells counts once, by its structure
    /// cell.
    fn of(core: &Core) -> Self {
        let Core { forest, claims } = core;
        let kinds = [[0; 2]; RUNS.len()];
        let mut census = CellCensus { kinds, own: 0, in_force: [0; Ledger::WIDTHS.len()] };
        for cell in (0..forest.ledger.cell_bound()).map(Cell::new) {
            let (word, (life, uuid)) =
                forest.ledger.peek_version(cell, |record| (Life::of(record), uuid_in(record)));
            let Some(width) = word.width() else { continue };
            census.in_force[width] += 1;
            let run = match life.kind() {
                CellKind::Structure if cell != forest.super_root => PROVIDER,
                CellKind::Name => NAME,
                CellKind::Consumer => {
                    let is_own = life.state == State::Live && claims.consumers.is_own(&uuid);
                    census.own += u64::from(is_own);
                    CONSUMER
                }
                _ => continue,
            };
            match life.state {
                State::Live => census.kinds[run.0][0] += 1,
                State::Absent => census.kinds[run.0][1] += 1,
                State::Free => {}
            }
        }
        census
    }
}

impl CellCounts {
    fn total(&self) -> u64 {
        self.live + self.absent + self.free
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:20}{:>12}{:>12}{:>12}", "cells of", "live", "absent", "free")?;
        let kinds =
            [("providers", self.providers), ("names", self.names), ("consumers", self.consumers)];
        for (kind, CellCounts { live, absent, free }) in kinds {
            writeln!(f, "{kind:20}{live:>12}{absent:>12}{free:>12}")?;
        }
        writeln!(f, "{:20}{:>12}", "with workers", self.cells_with_workers)?;
        let columns = ("records of", "made", "in force", "spare", "with workers");
        let (records, made, in_force, spare, with_workers) = columns;
        writeln!(f, "\n{records:20}{made:>12}{in_force:>12}{spare:>12}{with_workers:>14}")?;
        for record in &self.records {
            let RecordCounts { words, made, in_force, spare, with_workers } = record;
            let width = format!("{words} words");
            writeln!(f, "{width:20}{made:>12}{in_force:>12}{spare:>12}{with_workers:>14}")?;
        }
        let ByteCounts { cells, records, indexes, rest } = self.bytes;
        let groups: [(_, &[_]); 5] = [
            (
                "index entries",
                &[
                    ("uuids", self.uuid_entries),
                    ("names", self.name_entries),
                    ("consumers", self.consumer_entries),
                ],
            ),
            ("configurations", &[("in force", self.configurations), ("layouts", self.layouts)]),
            (
                "kept for snapshots",
                &[
                    ("snapshots", self.snapshots),
                    ("versions", self.kept_versions),
                    ("configurations", self.kept_configurations),
                ],
            ),
            ("leases", &[("noted", self.leases)]),
            (
                "bytes",
                &[
                    ("cells", cells),
                    ("records", records),
                    ("indexes", indexes),
                    ("rest", rest),
                    ("all", self.bytes.total()),
                ],
            ),
        ];
        groups.iter().try_for_each(|(group, figures)| {
            write!(f, "\n{group:18}")?;
            figures.iter().try_for_each(|(what, figure)| write!(f, "  {what} {figure}"))
        })
    }
}

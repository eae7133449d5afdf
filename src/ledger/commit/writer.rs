//! What one thread writes with: a descriptor, a stock of records, spare cells.

use std::cell::Cell as StdCell;
use std::sync::Arc;

use super::abort::Abort;
use super::access_set::{Access, AccessSet};
use super::descriptor::{Descriptor, Entry, Outcome};
use super::kcas::{Owner, Progress, Stamps, helps};
use super::stock::Stock;
use super::urgency::QuietRequest;
use crate::ledger::census::Spares;
use crate::ledger::limits::{Limit, Width};
use crate::ledger::read::Observation;
use crate::ledger::state::Ledger;
use crate::ledger::store::gate::Gate;
use crate::ledger::store::record::{NextPayload, Predecessors, Record};
use crate::ledger::word::{Cell, GateWord, KINDS, Kind, RecordNumber, Stamp, Ticket};
use crate::step::{Step, reached};
use crate::sync::{CachePadded, Ordering};

/// The ledger's half of a worker.
///
/// Spare records and cells are its own; it trades them with the others in batches, and gives all
/// back when dropped.
pub(crate) struct Writer {
    pub(super) ledger: Arc<Ledger>,
    pub(super) accesses: AccessSet,
    pub(super) slot: u32,
    sequence: u64,
    stock: Stock,
    /// The transaction as it will be announced.
    entries: Vec<Entry>,
    cells: [Vec<Cell>; KINDS],
    pub(super) retries: u64,
    pub(super) helps: u64,
    /// Whether a change of this writer may be seen by others and is not complete.
    in_flight: bool,
    /// Since when the last transaction is in force that was made through the descriptor.
    pub(super) committed_at: Stamp,
}

impl Ledger {
    /// What one thread writes with. Lock-free.
    pub(crate) fn writer(self: &Arc<Self>) -> Result<Writer, Limit> {
        let mut slots = Vec::new();
        if !self.descriptors_free.pop(|slot| slots.push(slot)) {
            // Relaxed: only the uniqueness of the answer matters.
            let slot = self.descriptors_handed_out.fetch_add(1, Ordering::Relaxed);
            if slot >= u64::from(Ticket::SLOTS) {
                // Relaxed: as above. Never so many at once that this could wrap.
                self.descriptors_handed_out.fetch_add(u64::MAX, Ordering::Relaxed);
                return Err(Limit::Workers);
            }
            slots.push(slot as u32);
        }
        let slot = slots[0];
        self.descriptors.get_or_make(slot, |length| {
            (0..length).map(|_| CachePadded::new(Descriptor::new())).collect()
        });
        Ok(Writer::new(Arc::clone(self), slot))
    }
}

impl Writer {
    fn new(ledger: Arc<Ledger>, slot: u32) -> Self {
        let sequence = ledger.descriptor(slot).last_sequence();
        Writer {
            ledger,
            accesses: AccessSet::default(),
            slot,
            sequence,
            stock: Stock::new(slot),
            entries: Vec::new(),
            cells: std::array::from_fn(|_| Vec::new()),
            retries: 0,
            helps: 0,
            in_flight: false,
            committed_at: Stamp::BEGINNING,
        }
    }

    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Which of the writers at the same time this is.
    pub(crate) fn slot(&self) -> u32 {
        self.slot
    }

    /// How often a change was prepared in vain because another came first.
    pub(crate) fn retries(&self) -> u64 {
        self.retries
    }

    /// How often another's change was finished on the way.
    pub(crate) fn helps(&self) -> u64 {
        self.helps
    }

    /// Changes one cell: `change` gets the next version, as long as the one in force and with the same
    /// words, and sets some of them, or gives up.
    ///
    /// The words are one version's, and a rejection rests on the version in force when it was
    /// read. Lock-free; `change` is called again if another change came first.
    #[inline]
    pub(crate) fn update<T, E: From<Limit>>(
        &mut self,
        cell: Cell,
        mut change: impl FnMut(NextPayload<'_>) -> Result<T, Abort<E>>,
    ) -> Result<T, E> {
        let Writer { ledger, stock, in_flight, .. } = self;
        let gate = ledger.gate(cell);
        let helps_before = helps();
        let result = loop {
            ledger.urgency.give_way();
            let (word, stamp, begun) = ledger.read_gate(gate, |word, record, stamp| {
                let next = NextVersion::new(ledger, stock, gate, word, word.record().width())?;
                Ok::<_, Limit>(next.map(|next| {
                    let (words, before) = next.record.begin(next.token, record);
                    (next, words, before, record.predecessors_as_of(stamp))
                }))
            });
            let (next, words, before, predecessors) = match begun {
                Ok(Some(begun)) => begun,
                // The gate has moved, as the reading has noticed too.
                Ok(None) => continue,
                Err(limit) => break Err(limit.into()),
            };
            match change(words) {
                Err(Abort::Reject(error)) => break Err(error),
                Err(Abort::Torn) => {}
                Ok(value) => {
                    let observed = Observation { word, stamp, before, predecessors };
                    let predecessors = ledger.predecessors(cell, observed, &mut stock.pinned);
                    next.record.set_lineage(predecessors, stamp, words.len());
                    if exchange(ledger, gate, stock, in_flight, observed, next) {
                        break Ok(value);
                    }
                }
            }
            self.retries += 1;
        };
        self.helps += helps() - helps_before;
        result
    }

    /// What a change of one cell would say, and changes nothing: for one that there was no record for, but
    /// that may be refused anyway.
    #[cold]
    #[inline(never)]
    pub(crate) fn preview<T, E>(
        &mut self,
        cell: Cell,
        mut change: impl FnMut(NextPayload<'_>) -> Result<T, Abort<E>>,
    ) -> Result<T, E> {
        let mut words = Vec::new();
        loop {
            self.ledger.read_stamped(cell, |record, _| {
                words.clear();
                record.copy_to(&mut words);
            });
            match NextPayload::with_copy(&words, &mut change) {
                Ok(value) => break Ok(value),
                Err(Abort::Reject(error)) => break Err(error),
                Err(Abort::Torn) => self.retries += 1,
            }
        }
    }

    /// Takes back what no snapshot needs any more, before the writer rests.
    pub(crate) fn rest(&mut self) {
        self.stock.rest(&self.ledger);
    }

    /// Adds what this writer has in stock.
    pub(crate) fn count_spares(&self, spares: &mut Spares) {
        for (count, cells) in spares.runs.iter_mut().zip(&self.cells) {
            *count += cells.len() as u64;
        }
        self.stock.count_spares(&mut spares.records);
    }

    /// Takes a run of cells of `kind` that nobody uses. Each holds one word: what it last held,
    /// or for cells never used the one in `first`, whose length is the kind's run.
    pub(crate) fn take_cells(&mut self, kind: Kind, first: &[u64]) -> Result<Cell, Limit> {
        let run = match self.cells[kind.0].pop() {
            Some(run) => run,
            None => {
                self.restock_cells(kind)?;
                self.cells[kind.0].pop().expect("just restocked")
            }
        };
        for (offset, word) in first.iter().enumerate() {
            let cell = run.sibling(offset as u32);
            if self.ledger.gates.load(cell) == GateWord::VACANT
                && let Err(limit) = self.write_first_version(cell, &[*word])
            {
                self.cells[kind.0].push(run);
                return Err(limit);
            }
        }
        Ok(run)
    }

    /// Gives a run of cells back that [`take_cells`](Self::take_cells) returned.
    pub(crate) fn give_cells(&mut self, kind: Kind, cell: Cell) {
        let stock = &mut self.cells[kind.0];
        stock.push(cell);
        if stock.len() > 2 * CELL_BATCH {
            let batch = stock.drain(..CELL_BATCH).map(Cell::number);
            self.ledger.kinds[kind.0].1.push(batch);
        }
    }

    fn restock_cells(&mut self, kind: Kind) -> Result<(), Limit> {
        let (run, free) = &self.ledger.kinds[kind.0];
        let stock = &mut self.cells[kind.0];
        if free.pop(|number| stock.push(Cell::new(number))) {
            return Ok(());
        }
        let count = CELL_BATCH as u64 * u64::from(*run);
        // SeqCst: before the cell's versions are stamped; partner of `cell_bound`.
        let first = self.ledger.cells_handed_out.fetch_add(count, Ordering::SeqCst);
        if first + count > u64::from(Cell::LIMIT) {
            return Err(Limit::Cells);
        }
        for number in (first..first + count).rev() {
            let cell = Cell::new(number as u32);
            self.ledger.gates.make(cell);
            if (number - first).is_multiple_of(u64::from(*run)) {
                stock.push(cell);
            }
        }
        Ok(())
    }

    /// Gives a cell that was never used its first version.
    fn write_first_version(&mut self, cell: Cell, payload: &[u64]) -> Result<(), Limit> {
        let width = Width::holding(payload.len())?;
        let spare = self.stock.pop(&self.ledger, width, RecordNumber::NONE)?;
        let new = GateWord::VACANT.next(spare);
        let token = Stamp::token(cell, new);
        let record = self.ledger.records.get(spare);
        // Nothing is before this, at any instant.
        record.write(token, Predecessors::NOTHING, Stamp::NEVER, payload, payload.len());
        self.ledger
            .gates
            .exchange(cell, GateWord::VACANT, new)
            .expect("a cell that was never used is its taker's alone");
        // Refused: a reader was first.
        let _ = record.set_stamp(token, self.ledger.stamp_now(cell, Stamp::NEVER));
        Ok(())
    }

    /// Commits the draft, through the descriptor if it has to be `stamped`; false if it has to be made
    /// anew.
    pub(super) fn commit(&mut self, stamped: bool) -> Result<bool, Limit> {
        let Writer { ledger, accesses, .. } = self;
        match &accesses.list[..] {
            [only] if only.changed && !stamped => self.commit_one(),
            list if list.iter().any(|access| access.changed) => {
                let stamps = self.write_versions()?;
                Ok(stamps.is_some_and(|stamps| self.execute(stamps)))
            }
            _ => Ok(accesses.holds(ledger)),
        }
    }

    /// The same for a single cell, which changes.
    #[inline(never)]
    fn commit_one(&mut self) -> Result<bool, Limit> {
        let Writer { ledger, accesses, stock, in_flight, .. } = self;
        let Access { cell, observed, length, .. } = accesses.list[0];
        let words = accesses.words_from(&accesses.list[0]);
        let gate = ledger.gate(cell);
        let predecessors = ledger.predecessors(cell, observed, &mut stock.pinned);
        let width = Width::holding(length)?;
        let Some(next) = NextVersion::new(ledger, stock, gate, observed.word, width)? else {
            return Ok(false);
        };
        next.record.write(next.token, predecessors, observed.stamp, words, length);
        Ok(exchange(ledger, gate, stock, in_flight, observed, next))
    }

    /// Writes the new versions of the draft into spares, and the entries beside them. None if the draft
    /// has to be made anew.
    #[inline]
    fn write_versions(&mut self) -> Result<Option<Stamps>, Limit> {
        let Writer { ledger, accesses, stock, entries, .. } = self;
        let AccessSet { list, words, request, .. } = accesses;
        entries.clear();
        for access in &*list {
            ledger.urgency.note_progress(request);
            let old = access.observed.word;
            debug_assert!(old != GateWord::VACANT || !access.changed, "{FOUNDED}");
            let new = match access.changed {
                false => old.next_same(),
                true => {
                    let width = Width::holding(access.length);
                    match width.and_then(|width| stock.pop(ledger, width, old.record())) {
                        // What was in force when the draft read it is a spare by now. Its entry
                        // would be taken for a touch, and the spare be lost.
                        Ok(spare) if spare == old.record() => {
                            stock.keep(ledger, spare);
                            reclaim_new_records(ledger, stock, entries);
                            return Ok(None);
                        }
                        Ok(spare) => old.next(spare),
                        Err(limit) => {
                            reclaim_new_records(ledger, stock, entries);
                            return Err(limit);
                        }
                    }
                }
            };
            entries.push(Entry { cell: access.cell, old, new });
        }
        // After the last spare was taken: whatever its record was before ended no later.
        let written = ledger.clock.now();
        let mut replaced = Stamp::NEVER;
        for (access, entry) in list.iter().zip(&entries[..]) {
            ledger.urgency.note_progress(request);
            if access.changed {
                let Access { cell, observed, length, .. } = *access;
                let predecessors = ledger.predecessors(cell, observed, &mut stock.pinned);
                let record = ledger.records.get(entry.new.record());
                record.write(
                    written,
                    predecessors,
                    observed.stamp,
                    access.words_from(words),
                    length,
                );
                replaced = replaced.min(observed.stamp);
            }
        }
        Ok(Some(Stamps { written, replaced }))
    }

    /// Announces the transaction and sees it through; true if it committed.
    #[inline]
    fn execute(&mut self, stamps: Stamps) -> bool {
        let Writer { ledger, accesses, stock, entries, in_flight, committed_at, .. } = self;
        let AccessSet { list, request, .. } = accesses;
        if let Some(request) = request {
            sort_and_beat(ledger, entries, request);
        }
        // No more than a look at each, if they are sorted by now.
        entries.sort_unstable_by_key(|entry| entry.cell);
        self.sequence += 1;
        let ticket = Ticket::new(self.slot, self.sequence);
        let descriptor = ledger.descriptor(self.slot);
        descriptor.prepare(ticket, entries, || ledger.urgency.note_progress(request));
        reached(Step::Prepared);
        *in_flight = true;
        descriptor.publish(ticket);
        reached(Step::Published);
        let request = StdCell::from_mut(request);
        let owner = Owner { descriptor, entries, stamps, request };
        let outcome = loop {
            match ledger.advance(ticket, &owner) {
                Progress::Blocked(by) => ledger.help(by),
                Progress::Done(outcome) => break outcome,
            }
        };
        let committed = match outcome {
            Some(Outcome::Committed(until)) => {
                *committed_at = until;
                let replaced = list.iter().filter(|access| access.changed);
                if stamps.replaced == until {
                    replaced.for_each(|access| stock.keep(ledger, access.observed.word.record()));
                } else {
                    stock.retire_all(ledger, replaced, until);
                }
                true
            }
            _ => {
                reclaim_new_records(ledger, stock, entries);
                false
            }
        };
        *in_flight = false;
        committed
    }
}

#[cold]
fn sort_and_beat(ledger: &Ledger, entries: &mut [Entry], request: &mut QuietRequest) {
    entries.sort_unstable_by_key(|entry| {
        ledger.urgency.count_step(request);
        entry.cell
    });
}

/// Why a cell that is changed is not vacant. The record of a vacant one is nobody's to give away.
const FOUNDED: &str = "whoever takes a cell gives it a first version";

/// The next version of a cell, which is made in a spare record.
struct NextVersion<'a> {
    word: GateWord,
    /// The version's, until it is stamped.
    token: Stamp,
    record: Record<'a>,
}

impl<'a> NextVersion<'a> {
    /// The one after `old`, in the spare that the next [trade](Stock::trade) takes out of the stock.
    /// None if `old` is in force no more.
    #[inline(always)]
    fn new(
        ledger: &'a Ledger,
        stock: &mut Stock,
        gate: Gate<'_>,
        old: GateWord,
        width: Width,
    ) -> Result<Option<Self>, Limit> {
        let spare = stock.peek(ledger, width, old.record())?;
        // It may have come into the stock just now, and may have held just this version before: one
        // that another writer made, that is replaced by now, and that somebody is still about to
        // stamp. They would take this token for theirs. But whoever gave the record away has
        // exchanged the gate first.
        if !gate.still_holds(old) {
            return Ok(None);
        }
        let word = old.next(spare);
        let token = Stamp::token(gate.cell(), word);
        Ok(Some(NextVersion { word, token, record: ledger.records.get(spare) }))
    }
}

/// The one-cell change: the gate is exchanged for the next version, the old record becomes the spare.
/// False if another change came first.
#[inline(always)]
fn exchange(
    ledger: &Ledger,
    gate: Gate<'_>,
    stock: &mut Stock,
    in_flight: &mut bool,
    observed: Observation,
    next: NextVersion<'_>,
) -> bool {
    let Observation { word: old, stamp, .. } = observed;
    let NextVersion { word: new, token, record } = next;
    let cell = gate.cell();
    debug_assert_ne!(old, GateWord::VACANT, "{FOUNDED}");
    reached(Step::Written);
    if gate.exchange(old, new).is_err() {
        return false;
    }
    *in_flight = true;
    reached(Step::Exchanged);
    let now = ledger.stamp_now(cell, stamp);
    let until = match record.set_stamp(token, now) {
        Ok(()) => now,
        // A reader was first; or the gate has moved on, and the record may be another version's.
        Err(found) => match gate.still_holds(new) {
            true => found,
            false => ledger.end_of(cell, old.record(), stamp),
        },
    };
    stock.trade(ledger, new.record().width(), cell, old.record(), [stamp, until]);
    *in_flight = false;
    true
}

/// Keeps the records of versions that will never be in force.
#[cold]
fn reclaim_new_records(ledger: &Ledger, stock: &mut Stock, entries: &[Entry]) {
    for entry in entries.iter().filter(|entry| entry.is_write()) {
        stock.keep(ledger, entry.new.record());
    }
}

#[cfg(provider_tree_loom)]
impl Writer {
    /// The numbers of the spare records at hand.
    pub(crate) fn spare_numbers(&self) -> Vec<u32> {
        self.stock.numbers()
    }
}

/// Runs of cells that move between a worker and the common stock at once.
const CELL_BATCH: usize = if cfg!(provider_tree_loom) { 1 } else { 16 };

impl Drop for Writer {
    fn drop(&mut self) {
        if self.in_flight {
            // Unwinding from inside the protocol: the records may be in force, the descriptor in
            // a gate. Whoever meets it finishes; what this writer held is lost, as if its thread
            // had stopped.
            return;
        }
        let ledger = &self.ledger;
        self.stock.give_back(ledger);
        for (cells, (_, free)) in self.cells.iter_mut().zip(&ledger.kinds) {
            while !cells.is_empty() {
                let batch = cells.len().min(CELL_BATCH);
                free.push(cells.drain(..batch).map(Cell::number));
            }
        }
        ledger.descriptors_free.push(std::iter::once(self.slot));
    }
}

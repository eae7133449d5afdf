//! [`Writer`]: what one thread writes with. It has a descriptor, a stock of records, and spare
//! cells.

use std::cell::Cell as StdCell;
use std::sync::Arc;

use super::access_set::{Access, AccessSet};
use super::descriptor::{Entry, Outcome, Planned};
use super::kcas::{Owner, Progress, Stamps, helps};
use super::seat::Seat;
use super::stock::Stock;
use super::trail::Trail;
use super::urgency::QuietRequest;
use crate::ledger::abort::Abort;
use crate::ledger::census::Spares;
use crate::ledger::limits::{Limit, Width};
use crate::ledger::read::Observation;
use crate::ledger::state::Ledger;
use crate::ledger::store::gate::Gate;
use crate::ledger::store::record::{NextPayload, Predecessors, Record};
use crate::ledger::word::{Cell, GateWord, KINDS, Kind, RecordNumber, Stamp, Ticket};
use crate::step::{Step, reached};
use crate::sync::Ordering;

/// The ledger's half of a worker.
///
/// A writer owns its spare records and cells. It trades them with the other writers in batches, and
/// gives all of them back when it is dropped.
pub(crate) struct Writer {
    pub(super) ledger: Arc<Ledger>,
    pub(super) accesses: AccessSet,
    pub(super) slot: u32,
    sequence: u64,
    pub(super) seat: Arc<Seat>,
    pub(super) stock: Stock,
    /// Holds what the transaction does to each cell.
    pub(super) planned: Vec<Planned>,
    cells: [Vec<Cell>; KINDS],
    pub(super) retries: u64,
    pub(super) helps: u64,
    /// Whether other threads may see a change of this writer that is not complete.
    pub(super) in_flight: bool,
    /// The stamp of the last transaction that was made through the descriptor.
    pub(super) committed_at: Stamp,
}

impl Ledger {
    /// Returns a writer for one thread, in a slot that no other writer has. Lock-free.
    pub(crate) fn writer(self: &Arc<Self>) -> Result<Writer, Limit> {
        let mut slots = Vec::new();
        if !self.slots_free.pop(|slot| slots.push(slot)) {
            // Relaxed: only the uniqueness of the answer matters.
            let slot = self.slots_handed_out.fetch_add(1, Ordering::Relaxed);
            if slot >= u64::from(Ticket::SLOTS) {
                // Relaxed: only the uniqueness of the answers matters. There are never so many
                // callers at once that the count could wrap.
                self.slots_handed_out.fetch_add(u64::MAX, Ordering::Relaxed);
                return Err(Limit::Workers);
            }
            slots.push(slot as u32);
        }
        let slot = slots[0];
        Ok(Writer::new(Arc::clone(self), slot))
    }
}

impl Writer {
    fn new(ledger: Arc<Ledger>, slot: u32) -> Self {
        let seat = Arc::clone(ledger.seat(slot));
        let sequence = seat.descriptor.last_sequence();
        Writer {
            ledger,
            accesses: AccessSet::default(),
            slot,
            sequence,
            seat,
            stock: Stock::new(slot),
            planned: Vec::new(),
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

    /// Returns the slot, which no other writer has at the same time.
    pub(crate) fn slot(&self) -> u32 {
        self.slot
    }

    /// Returns how often a change was prepared in vain because another came first.
    pub(crate) fn retries(&self) -> u64 {
        self.retries
    }

    /// Returns how often this writer has finished another thread's transaction on its way.
    pub(crate) fn helps(&self) -> u64 {
        self.helps
    }

    /// Returns the stamp of the last transaction over several cells that this writer has committed.
    pub(crate) fn committed_at(&self) -> Stamp {
        self.committed_at
    }

    /// Changes one cell. `change` gets the next version, with the words of the one in force, and
    /// sets some of them, or gives up. Lock-free.
    ///
    /// The words are one version's (I4), and a refusal rests on that version: it was in force still
    /// when `change` had refused (I13). `change` is called again if another change came first.
    #[inline]
    pub(crate) fn update<T, E: From<Limit>>(
        &mut self,
        cell: Cell,
        mut change: impl FnMut(NextPayload<'_>) -> Result<T, Abort<E>>,
    ) -> Result<T, E> {
        let Writer { ledger, seat, stock, in_flight, .. } = self;
        let trail = &*seat.trail;
        let gate = ledger.gate(cell);
        let end = trail.end();
        let helps_before = helps();
        let refusal = loop {
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
                // The gate has moved; `read_gate` noticed it too.
                Ok(None) => continue,
                Err(limit) => break limit.into(),
            };
            match change(words) {
                Err(Abort::Reject(error)) => {
                    if gate.still_holds(word) {
                        break error;
                    }
                }
                Err(Abort::Torn) => {}
                Ok(value) => {
                    let observed = Observation { word, stamp, before, predecessors };
                    let predecessors = ledger.predecessors(cell, observed, &mut stock.pinned);
                    next.record.set_lineage(predecessors, stamp, words.len());
                    let trail = (trail, end);
                    if exchange(ledger, gate, trail, stock, in_flight, observed, next) {
                        self.helps += helps() - helps_before;
                        self.ledger.waiters.tell();
                        return Ok(value);
                    }
                }
            }
            self.retries += 1;
        };
        trail.settle();
        self.helps += helps() - helps_before;
        Err(refusal)
    }

    /// Returns what a change of one cell would return, and changes nothing. A caller whose change
    /// found no record uses this to learn whether the change would be refused anyway.
    #[cold]
    #[inline(never)]
    pub(crate) fn preview<T, E>(
        &mut self,
        cell: Cell,
        mut change: impl FnMut(NextPayload<'_>) -> Result<T, Abort<E>>,
    ) -> Result<T, E> {
        let mut words = Vec::new();
        loop {
            let (word, _, ()) = self.ledger.read_stamped(cell, |record, _| {
                words.clear();
                record.copy_to(&mut words);
            });
            match NextPayload::with_copy(&words, &mut change) {
                Err(Abort::Torn) => {}
                _ if !self.ledger.is_in_force(cell, word) => {}
                Ok(value) => break Ok(value),
                Err(Abort::Reject(error)) => break Err(error),
            }
            self.retries += 1;
        }
    }

    /// Ends a call that has gone through the protocol, or may have helped others since this thread had
    /// helped `helps_before` times: counts that, and wakes those who wait for what has changed. Nothing of
    /// the protocol may be under way any more, and nobody be asked to wait.
    #[inline]
    pub(super) fn end_call(&mut self, has_committed: bool, helps_before: u64) {
        let helped = helps() - helps_before;
        self.helps += helped;
        if has_committed || helped > 0 {
            self.ledger.waiters.tell();
        }
    }

    /// Turns records that no snapshot needs any more into spares, before the writer rests.
    pub(crate) fn rest(&mut self) {
        self.stock.rest(&self.ledger);
    }

    /// Adds the spare cells and records of this writer to `spares`.
    pub(crate) fn count_spares(&self, spares: &mut Spares) {
        for (count, cells) in spares.runs.iter_mut().zip(&self.cells) {
            *count += cells.len() as u64;
        }
        self.stock.count_spares(&mut spares.records);
    }

    /// Takes a run of cells of `kind` that no transaction uses. Each cell holds one word: the one
    /// it last held, or for a cell never used the one in `first`, which has a word for each cell of
    /// a run.
    #[inline]
    pub(crate) fn take_cells(&mut self, kind: Kind, first: &[u64]) -> Result<Cell, Limit> {
        let run = self.cells[kind.0].pop();
        let gates = &self.ledger.gates;
        let is_vacant = |cell| gates.load(cell) == GateWord::VACANT;
        match run {
            Some(run) if !cells_of(run, first).any(is_vacant) => Ok(run),
            _ => self.found_cells(kind, run, first),
        }
    }

    /// Gives the cells of a run that were never used their first versions. If there is no `run`, takes one
    /// from the free list, else a new one.
    #[cold]
    #[inline(never)]
    fn found_cells(&mut self, kind: Kind, run: Option<Cell>, first: &[u64]) -> Result<Cell, Limit> {
        let run = match run {
            Some(run) => run,
            None => self.take_vacant(kind)?,
        };
        for (cell, word) in cells_of(run, first).zip(first) {
            if self.ledger.gates.load(cell) == GateWord::VACANT
                && let Err(limit) = self.write_first_version(cell, &[*word])
            {
                self.cells[kind.0].push(run);
                return Err(limit);
            }
        }
        Ok(run)
    }

    /// Takes a run of cells of `kind`, from the free list if the writer has none. In a ledger in which none
    /// was given back, they are vacant.
    pub(crate) fn take_vacant(&mut self, kind: Kind) -> Result<Cell, Limit> {
        if self.cells[kind.0].is_empty() {
            self.restock_cells(kind)?;
        }
        Ok(self.cells[kind.0].pop().expect("restocked if empty"))
    }

    /// Gives back a run of cells that [`take_cells`](Self::take_cells) returned.
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
        // SeqCst: before the versions of these cells are stamped. Pairs with `Ledger::cell_bound`.
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
    pub(crate) fn write_first_version(&mut self, cell: Cell, payload: &[u64]) -> Result<(), Limit> {
        let width = Width::holding(payload.len())?;
        let spare = self.stock.pop(&self.ledger, width, RecordNumber::NONE)?;
        let new = GateWord::VACANT.next(spare);
        let token = Stamp::token(cell, new);
        let record = self.ledger.records.get(spare);
        // `NEVER`: no version is before the first one, at any instant.
        record.write(token, Predecessors::NOTHING, Stamp::NEVER, payload, payload.len());
        self.ledger
            .gates
            .exchange(cell, GateWord::VACANT, new)
            .expect("a cell that was never used is its taker's alone");
        // Refused: a reader was first.
        let _ = record.set_stamp(token, self.ledger.stamp_now(cell, Stamp::NEVER));
        Ok(())
    }

    /// Commits the access set, through the descriptor if there are several cells or the change has
    /// to be `stamped`. Returns false if the body has to run again.
    pub(super) fn commit(&mut self, stamped: bool) -> Result<bool, Limit> {
        let Writer { ledger, accesses, .. } = self;
        match &accesses.list[..] {
            [only] if only.changed && !stamped => self.commit_one(),
            list if list.iter().any(|access| access.changed) => {
                let changes = self.take_spares()?;
                Ok(changes.is_some_and(|changes| self.execute(changes)))
            }
            _ => Ok(accesses.holds(ledger)),
        }
    }

    /// Commits an access set of one cell, which is changed.
    #[inline(never)]
    fn commit_one(&mut self) -> Result<bool, Limit> {
        let Writer { ledger, accesses, seat, stock, in_flight, .. } = self;
        let trail = &*seat.trail;
        let Access { cell, observed, length, .. } = accesses.list[0];
        let words = accesses.words_from(&accesses.list[0]);
        let gate = ledger.gate(cell);
        let predecessors = ledger.predecessors(cell, observed, &mut stock.pinned);
        let width = observed.word.record().width_of_next(length)?;
        let Some(next) = NextVersion::new(ledger, stock, gate, observed.word, width)? else {
            return Ok(false);
        };
        next.record.write(next.token, predecessors, observed.stamp, words, length);
        let exchanged =
            exchange(ledger, gate, (trail, trail.end()), stock, in_flight, observed, next);
        if !exchanged {
            trail.settle();
        }
        Ok(exchanged)
    }

    /// Takes a spare for each new version, and lists the entries that name them. Returns how many
    /// cells get a new version, or `None` if the body has to run again.
    #[inline]
    fn take_spares(&mut self) -> Result<Option<u64>, Limit> {
        let Writer { ledger, accesses, stock, planned, .. } = self;
        let AccessSet { list, request, .. } = accesses;
        planned.clear();
        let mut changes = 0;
        for access in &*list {
            ledger.urgency.note_progress(request);
            let old = access.observed.word;
            debug_assert!(old != GateWord::VACANT || !access.changed, "{FOUNDED}");
            let new = match access.changed {
                false => old.next_same(),
                true => {
                    let width = old.record().width_of_next(access.length);
                    match width.and_then(|width| stock.pop(ledger, width, old.record())) {
                        // The version that the body has read is replaced, and its record a spare by
                        // now. The entry would be taken for a touch, and the spare be lost.
                        Ok(spare) if spare == old.record() => {
                            stock.keep(ledger, spare);
                            reclaim_new_records(ledger, stock, planned);
                            return Ok(None);
                        }
                        Ok(spare) => {
                            changes += 1;
                            old.next(spare)
                        }
                        Err(limit) => {
                            reclaim_new_records(ledger, stock, planned);
                            return Err(limit);
                        }
                    }
                }
            };
            let entry = Entry { cell: access.cell, old, new };
            planned.push(Planned { entry, from: access.observed.stamp });
        }
        Ok(Some(changes))
    }

    /// Writes the `changes` new versions, and takes the transaction through the protocol; returns
    /// whether it committed.
    #[inline]
    fn execute(&mut self, changes: u64) -> bool {
        let Writer { ledger, accesses, stock, planned, .. } = self;
        let written = write_versions(ledger, accesses, stock, planned);
        self.run(changes, written)
    }

    /// Announces and publishes what is planned, `changes` new versions that were written with
    /// readings of the clock from `written` on, and takes it through the protocol; returns whether it
    /// committed.
    #[inline]
    fn run(&mut self, changes: u64, written: Stamp) -> bool {
        let (ticket, start, end) = self.begin(changes);
        let Writer { ledger, accesses, seat, planned, .. } = self;
        let Seat { descriptor, trail } = &**seat;
        let request = &mut accesses.request;
        let mut replaced = Stamp::NEVER;
        let writes = planned.iter().filter(|planned| planned.entry.is_write());
        for (position, Planned { entry, from }) in (start..).zip(writes) {
            ledger.urgency.note_progress(request);
            trail.write(position, entry.cell);
            replaced = replaced.min(*from);
        }
        sort(ledger, planned, request);
        descriptor.prepare(planned, || ledger.urgency.note_progress(request));
        self.publish(ticket);
        self.conclude(ticket, Stamps { written, replaced }, end)
    }

    /// Begins to announce a transaction with `changes` new versions; returns its ticket, and the positions
    /// of the trail from which on and up to which it announces their cells.
    #[inline]
    pub(super) fn begin(&mut self, changes: u64) -> (Ticket, u64, u64) {
        self.sequence += 1;
        let ticket = Ticket::new(self.slot, self.sequence);
        let Seat { descriptor, trail } = &*self.seat;
        let start = trail.end();
        let end = start + changes;
        descriptor.begin(ticket, end);
        trail.reserve(end);
        (ticket, start, end)
    }

    /// Opens the prepared transaction to all threads.
    #[inline]
    pub(super) fn publish(&mut self, ticket: Ticket) {
        reached(Step::Prepared);
        self.in_flight = true;
        self.seat.descriptor.publish(ticket);
        reached(Step::Published);
    }

    /// Takes the published transaction, which is announced up to position `end` of the trail, through the
    /// protocol; returns whether it committed.
    ///
    /// When this returns, no gate holds the descriptor with this sequence, and none ever will:
    /// `advance` has released every entry, and a gate takes the descriptor only from an entry's old
    /// word (I9). Only then do the replaced records, or after an abort the new ones, go into the
    /// stock (I2).
    #[inline]
    pub(super) fn conclude(&mut self, ticket: Ticket, stamps: Stamps, end: u64) -> bool {
        let Writer { ledger, accesses, seat, stock, planned, in_flight, committed_at, .. } = self;
        let Seat { descriptor, trail } = &**seat;
        let request = StdCell::from_mut(&mut accesses.request);
        let owner = Owner { descriptor, planned, stamps, request };
        let outcome = loop {
            match ledger.advance(ticket, &owner) {
                // Who waits for that is woken when the whole transaction is over.
                Progress::Blocked(by) => {
                    ledger.help(by);
                }
                Progress::Done(outcome) => break outcome,
            }
        };
        trail.finish(end);
        let committed = match outcome {
            Some(Outcome::Committed(until)) => {
                *committed_at = until;
                let replaced = planned.iter().filter(|planned| planned.entry.is_write());
                if stamps.replaced == until {
                    replaced.for_each(|planned| stock.keep(ledger, planned.entry.old.record()));
                } else {
                    stock.retire_all(ledger, replaced, until);
                }
                true
            }
            _ => {
                reclaim_new_records(ledger, stock, planned);
                false
            }
        };
        *in_flight = false;
        committed
    }
}

/// Returns the cells of a run, of which `first` has a word each.
#[inline]
fn cells_of(run: Cell, first: &[u64]) -> impl Iterator<Item = Cell> + use<> {
    (0..first.len() as u32).map(move |offset| run.sibling(offset))
}

/// Writes the new versions into the planned records; returns the reading of the clock that is their
/// stamp.
#[inline]
fn write_versions(
    ledger: &Ledger,
    accesses: &mut AccessSet,
    stock: &mut Stock,
    planned: &[Planned],
) -> Stamp {
    let AccessSet { list, words, request, .. } = accesses;
    // After the last spare was taken: no version that a spare once held ended later than this
    // reading (I16).
    let written = ledger.clock.now();
    for (access, Planned { entry, .. }) in list.iter().zip(planned) {
        ledger.urgency.note_progress(request);
        if access.changed {
            let Access { cell, observed, length, .. } = *access;
            let predecessors = ledger.predecessors(cell, observed, &mut stock.pinned);
            let record = ledger.records.get(entry.new.record());
            let payload = access.words_from(words);
            record.write(written, predecessors, observed.stamp, payload, length);
        }
    }
    written
}

/// Sorts what is planned by the cells (I5). Most often all but the last are sorted already: a
/// consumer's cell comes after the cells that the consumer takes from. The stable sort makes use of
/// that order.
#[inline]
fn sort(ledger: &Ledger, planned: &mut [Planned], request: &mut Option<QuietRequest>) {
    match request {
        None => planned.sort_by_key(|planned| planned.entry.cell),
        Some(request) => planned.sort_by(|one, other| {
            ledger.urgency.count_step(request);
            one.entry.cell.cmp(&other.entry.cell)
        }),
    }
}

/// Tells why a cell that is changed is not vacant. The record of a vacant cell is shared, and never
/// given away.
const FOUNDED: &str = "whoever takes a cell gives it a first version";

/// Describes the next version of a cell, in the spare record in which it is made.
struct NextVersion<'a> {
    word: GateWord,
    /// The token of the version, until it is stamped.
    token: Stamp,
    record: Record<'a>,
}

impl<'a> NextVersion<'a> {
    /// Describes the version after `old`, in the spare that the next [trade](Stock::trade) takes
    /// out of the stock. Returns `None` if `old` is no longer in force.
    #[inline(always)]
    fn new(
        ledger: &'a Ledger,
        stock: &mut Stock,
        gate: Gate<'_>,
        old: GateWord,
        width: Width,
    ) -> Result<Option<Self>, Limit> {
        let spare = stock.peek(ledger, width, old.record())?;
        // The spare may have come into the stock just now, and may have held this very version
        // before: made by another writer, replaced since, and about to be stamped by a late thread,
        // which would take this token for that version's. But whoever gave the record away has
        // exchanged the gate first, so that the gate no longer holds `old` (I16).
        if !gate.still_holds(old) {
            return Ok(None);
        }
        let word = old.next(spare);
        let token = Stamp::token(gate.cell(), word);
        Ok(Some(NextVersion { word, token, record: ledger.records.get(spare) }))
    }
}

/// Exchanges the gate for the next version, which the trail announces at `end`; the replaced record
/// takes the spare's place in the stock (I2). Returns false if another change came first.
#[inline(always)]
fn exchange(
    ledger: &Ledger,
    gate: Gate<'_>,
    (trail, end): (&Trail, u64),
    stock: &mut Stock,
    in_flight: &mut bool,
    observed: Observation,
    next: NextVersion<'_>,
) -> bool {
    let Observation { word: old, stamp, .. } = observed;
    let NextVersion { word: new, token, record } = next;
    let cell = gate.cell();
    debug_assert_ne!(old, GateWord::VACANT, "{FOUNDED}");
    trail.announce(end, cell);
    reached(Step::Written);
    if gate.exchange(old, new).is_err() {
        return false;
    }
    *in_flight = true;
    reached(Step::Exchanged);
    trail.finish(end + 1);
    let now = ledger.stamp_now(cell, stamp);
    let until = match record.set_stamp(token, now) {
        Ok(()) => now,
        // A reader was first, or the gate has moved on and the record may be another version's.
        Err(found) => match gate.still_holds(new) {
            true => found,
            false => ledger.end_of(cell, old.record(), stamp),
        },
    };
    stock.trade(ledger, new.record().width(), cell, old.record(), [stamp, until]);
    *in_flight = false;
    true
}

/// Keeps the records of new versions that will never be in force, after an abort or a failure.
#[cold]
pub(super) fn reclaim_new_records(ledger: &Ledger, stock: &mut Stock, planned: &[Planned]) {
    for Planned { entry, .. } in planned.iter().filter(|planned| planned.entry.is_write()) {
        stock.keep(ledger, entry.new.record());
    }
}

#[cfg(provider_tree_loom)]
impl Writer {
    /// Returns the numbers of the spare records.
    pub(crate) fn spare_numbers(&self) -> Vec<u32> {
        self.stock.numbers()
    }
}

/// Counts the runs of cells that move between a writer and the free list at once.
const CELL_BATCH: usize = if cfg!(provider_tree_loom) { 1 } else { 16 };

impl Drop for Writer {
    fn drop(&mut self) {
        if self.in_flight {
            // The thread unwinds inside the protocol: the new records may be in force, and the
            // descriptor in a gate. A thread that meets the descriptor finishes the transaction.
            // The writer's stock is lost, as if the thread had stopped.
            return;
        }
        self.seat.trail.settle();
        let ledger = &self.ledger;
        self.stock.give_back(ledger);
        for (cells, (_, free)) in self.cells.iter_mut().zip(&ledger.kinds) {
            while !cells.is_empty() {
                let batch = cells.len().min(CELL_BATCH);
                free.push(cells.drain(..batch).map(Cell::number));
            }
        }
        ledger.slots_free.push(std::iter::once(self.slot));
    }
}

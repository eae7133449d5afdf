//! What one thread writes with: a descriptor, a stock of records, spare cells.

use std::sync::Arc;

use super::clock::Stamp;
use super::descriptor::{Entry, Outcome, Ticket};
use super::exhausted::Exhausted;
use super::gate::{Cell, GateWord};
use super::kcas::{Owner, Progress, helps};
use super::record::{Replaced, Width};
use super::stock::Stock;
use super::transaction::{Abort, Change, Draft, Transaction};
use super::urgency::Asked;
use super::{KINDS, Kind, Ledger};
use crate::step::{Step, reached};
use crate::sync::Ordering;

/// The ledger's half of a worker.
///
/// Spare records and cells are its own; it trades them with the others in batches, and gives all
/// back when dropped.
pub(crate) struct Writer {
    pub(super) ledger: Arc<Ledger>,
    pub(super) draft: Draft,
    slot: u32,
    sequence: u64,
    stock: Stock,
    /// The transaction as it will be announced.
    entries: Vec<Entry>,
    cells: [Vec<Cell>; KINDS],
    payload: Vec<u64>,
    retries: u64,
    helps: u64,
    /// Asked for by the transaction at hand; changes that its body makes are part of it.
    asked: Option<Asked>,
    /// Whether a change of this writer may be seen by others and is not complete.
    in_flight: bool,
}

impl Writer {
    pub(super) fn new(ledger: Arc<Ledger>, slot: u32) -> Self {
        let sequence = ledger.descriptor(slot).last_sequence();
        Writer {
            ledger,
            draft: Draft::default(),
            slot,
            sequence,
            stock: Stock::new(),
            entries: Vec::new(),
            cells: std::array::from_fn(|_| Vec::new()),
            payload: Vec::new(),
            retries: 0,
            helps: 0,
            asked: None,
            in_flight: false,
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

    /// Changes one cell: `change` gets its words and edits them, or gives up.
    ///
    /// The words are one version's, and a rejection rests on the version in force when it was
    /// read. Lock-free; `change` is called again if another change came first.
    #[inline]
    pub(crate) fn update<T, E: From<Exhausted>>(
        &mut self,
        cell: Cell,
        mut change: impl FnMut(&mut Vec<u64>) -> Result<T, Abort<E>>,
    ) -> Result<T, E> {
        let mut payload = std::mem::take(&mut self.payload);
        let helps_before = helps();
        let result = loop {
            self.ledger.urgency.give_way(self.asked);
            let (old, stamp, before) = self.ledger.read_stamped(cell, |record| {
                payload.clear();
                record.copy_to(&mut payload)
            });
            match change(&mut payload) {
                Err(Abort::Reject(error)) => break Err(error),
                Err(Abort::Torn) => {}
                Ok(value) => {
                    let payload = Some(&payload[..]);
                    let change = Change { cell, old, stamp, before, payload };
                    match exchange(&self.ledger, &mut self.stock, &mut self.in_flight, change) {
                        Ok(true) => break Ok(value),
                        Ok(false) => {}
                        Err(exhausted) => break Err(exhausted.into()),
                    }
                }
            }
            self.retries += 1;
        };
        self.payload = payload;
        self.helps += helps() - helps_before;
        result
    }

    /// Changes several cells as one. `body` opens and changes them, or gives up.
    ///
    /// A rejection is final only if everything it rests on was in force at one instant; else
    /// `body` runs again, as it does when another change came first. Lock-free. No code runs
    /// between the first word that others can see and the end of the protocol but the protocol's.
    pub(crate) fn transact<T, E: From<Exhausted>>(
        &mut self,
        mut body: impl FnMut(&mut Transaction<'_>) -> Result<T, Abort<E>>,
    ) -> Result<T, E> {
        let mut losses = 0;
        let (helped, helps_before) = (self.helps, helps());
        let result = loop {
            self.ledger.urgency.give_way(self.asked);
            self.draft.clear();
            match body(&mut Transaction { writer: self }) {
                Ok(value) => match self.commit() {
                    Ok(true) => break Ok(value),
                    Ok(false) => {}
                    Err(exhausted) => break Err(exhausted.into()),
                },
                Err(Abort::Reject(error)) => {
                    if self.draft.holds(&self.ledger) {
                        break Err(error);
                    }
                }
                Err(Abort::Torn) => {}
            }
            self.retries += 1;
            losses += 1;
            if self.asked.is_none() {
                self.asked = self.ledger.urgency.ask(self.slot, self.draft.cells(), losses);
            }
        };
        if let Some(asked) = self.asked.take() {
            self.ledger.urgency.done(asked);
        }
        // Those of changes that the body made on the way are among them.
        self.helps = helped + (helps() - helps_before);
        result
    }

    /// Takes back what no snapshot needs any more, before the writer rests.
    pub(crate) fn rest(&mut self) {
        self.stock.rest(&self.ledger);
    }

    /// Takes a run of cells of `kind` that nobody uses. Each holds one word: what it last held,
    /// or for cells never used the one in `first`, whose length is the kind's run.
    pub(crate) fn take_cells(&mut self, kind: Kind, first: &[u64]) -> Result<Cell, Exhausted> {
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
                && let Err(exhausted) = self.found(cell, &[*word])
            {
                self.cells[kind.0].push(run);
                return Err(exhausted);
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

    fn restock_cells(&mut self, kind: Kind) -> Result<(), Exhausted> {
        let (run, free) = &self.ledger.kinds[kind.0];
        let stock = &mut self.cells[kind.0];
        if free.pop(|number| stock.push(Cell::new(number))) {
            return Ok(());
        }
        let count = CELL_BATCH as u64 * u64::from(*run);
        // SeqCst: before the cell's versions are stamped; partner of `cell_bound`.
        let first = self.ledger.cells_handed_out.fetch_add(count, Ordering::SeqCst);
        if first + count > u64::from(Cell::LIMIT) {
            return Err(Exhausted::Cells);
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
    fn found(&mut self, cell: Cell, payload: &[u64]) -> Result<(), Exhausted> {
        let width = Width::holding(payload.len())?;
        let spare = self.stock.peek(&self.ledger, width)?;
        self.stock.take(width);
        let new = GateWord::VACANT.next(spare);
        let token = Stamp::token(cell, new);
        let record = self.ledger.records.get(spare);
        // Nothing is before this, at any instant.
        record.write(token, Replaced::NOTHING, Stamp::NEVER, payload);
        self.ledger
            .gates
            .exchange(cell, GateWord::VACANT, new)
            .expect("a cell that was never used is its taker's alone");
        // Refused: a reader was first.
        let _ = record.set_stamp(token, self.ledger.stamp_now(cell, Stamp::NEVER));
        Ok(())
    }

    /// Commits the draft; false if it has to be made anew.
    fn commit(&mut self) -> Result<bool, Exhausted> {
        if self.draft.is_read_only() {
            return Ok(self.draft.holds(&self.ledger));
        }
        match self.draft.single_change() {
            Some(change) => exchange(&self.ledger, &mut self.stock, &mut self.in_flight, change),
            None => self.write_versions().map(|written| self.run(written)),
        }
    }

    /// Writes the new versions of the draft into spares, and the entries beside them; says which
    /// stamp the versions have for now.
    #[inline]
    fn write_versions(&mut self) -> Result<Stamp, Exhausted> {
        let Writer { ledger, draft, stock, entries, .. } = self;
        entries.clear();
        for change in draft.changes() {
            let new = match change.payload {
                None => change.old.next_same(),
                Some(payload) => {
                    let width = Width::holding(payload.len());
                    let spare = width.and_then(|width| {
                        let spare = stock.peek(ledger, width)?;
                        stock.take(width);
                        Ok(spare)
                    });
                    match spare {
                        Ok(spare) => change.old.next(spare),
                        Err(exhausted) => {
                            give_up(ledger, stock, entries);
                            return Err(exhausted);
                        }
                    }
                }
            };
            entries.push(Entry { cell: change.cell, old: change.old, new });
        }
        // After the last spare was taken: whatever its record was before ended no later.
        let now = ledger.clock.now();
        for (change, entry) in draft.changes().zip(&entries[..]) {
            let Change { cell, old, stamp, before, payload } = change;
            if let Some(payload) = payload {
                let replaced = ledger.predecessors(cell, old, stamp, before, &mut stock.instants);
                ledger.records.get(entry.new.record()).write(now, replaced, stamp, payload);
            }
        }
        Ok(now)
    }

    /// Announces the transaction and sees it through; true if it committed.
    #[inline]
    fn run(&mut self, written: Stamp) -> bool {
        let Writer { ledger, draft, stock, entries, in_flight, .. } = self;
        entries.sort_unstable_by_key(|entry| entry.cell);
        self.sequence += 1;
        let ticket = Ticket::new(self.slot, self.sequence);
        let descriptor = ledger.descriptor(self.slot);
        descriptor.prepare(ticket, entries);
        reached(Step::Prepared);
        *in_flight = true;
        descriptor.publish(ticket);
        reached(Step::Published);
        let owner = Owner { descriptor, entries, written };
        let outcome = loop {
            match ledger.advance(ticket, &owner) {
                Progress::Blocked(by) => ledger.help(by),
                Progress::Done(outcome) => break outcome,
            }
        };
        let committed = match outcome {
            Some(Outcome::Committed(until)) => {
                for change in draft.changes().filter(|change| change.payload.is_some()) {
                    let record = change.old.record();
                    stock.retire(ledger, change.cell, record, [change.stamp, until]);
                }
                true
            }
            _ => {
                give_up(ledger, stock, entries);
                false
            }
        };
        *in_flight = false;
        committed
    }
}

/// The one-cell change: the next version goes into a spare record, the gate is exchanged, the old
/// record becomes the spare. False if another change came first.
#[inline]
fn exchange(
    ledger: &Ledger,
    stock: &mut Stock,
    in_flight: &mut bool,
    change: Change<'_>,
) -> Result<bool, Exhausted> {
    let Change { cell, old, stamp, before, payload } = change;
    let payload = payload.unwrap_or_default();
    let replaced = ledger.predecessors(cell, old, stamp, before, &mut stock.instants);
    let width = Width::holding(payload.len())?;
    let spare = stock.peek(ledger, width)?;
    let new = old.next(spare);
    let token = Stamp::token(cell, new);
    let record = ledger.records.get(spare);
    record.write(token, replaced, stamp, payload);
    reached(Step::Written);
    if ledger.gates.exchange(cell, old, new).is_err() {
        return Ok(false);
    }
    *in_flight = true;
    reached(Step::Exchanged);
    let now = ledger.stamp_now(cell, stamp);
    let until = match record.set_stamp(token, now) {
        Ok(()) => now,
        // A reader was first; or the gate has moved on, and the record may be another version's.
        Err(found) => match ledger.gates.load_again(cell, new) {
            true => found,
            false => ledger.ended(cell, old.record(), stamp),
        },
    };
    stock.trade(ledger, width, cell, old.record(), [stamp, until]);
    *in_flight = false;
    Ok(true)
}

/// Keeps the records of versions that will never be in force.
#[cold]
fn give_up(ledger: &Ledger, stock: &mut Stock, entries: &[Entry]) {
    for entry in entries.iter().filter(|entry| entry.puts()) {
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

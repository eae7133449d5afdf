//! What one thread writes with: a descriptor, spare records, spare cells.

use std::collections::VecDeque;
use std::sync::Arc;

use super::clock::Stamp;
use super::descriptor::{Entry, State, Ticket};
use super::exhausted::Exhausted;
use super::gate::{Cell, GateWord};
use super::kcas::{Progress, helps};
use super::record::{RecordNumber, Replaced, Width};
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
    spares: [Vec<RecordNumber>; Width::COUNT],
    retired: VecDeque<Retired>,
    /// Their widths together.
    retired_words: usize,
    cells: [Vec<Cell>; KINDS],
    payload: Vec<u64>,
    retries: u64,
    helps: u64,
    /// Asked for by the transaction at hand; changes that its body makes are part of it.
    asked: Option<Asked>,
    /// Whether a change of this writer may be seen by others and is not complete.
    in_flight: bool,
}

/// A record that is no longer in force, left in place for the snapshots that need it.
struct Retired {
    cell: Cell,
    record: RecordNumber,
    from: Stamp,
    until: Stamp,
}

/// So many words of records a writer leaves in place.
const MOST_RETIRED: usize = if cfg!(provider_tree_loom) { 8 } else { 1 << 17 };

impl Writer {
    pub(super) fn new(ledger: Arc<Ledger>, slot: u32) -> Self {
        let sequence = ledger.descriptor(slot).last_sequence();
        Writer {
            ledger,
            draft: Draft::default(),
            slot,
            sequence,
            spares: std::array::from_fn(|_| Vec::new()),
            retired: VecDeque::new(),
            retired_words: 0,
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
                    match self.exchange(Change { cell, old, stamp, before, payload }) {
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
        self.reserve(width, 1)?;
        let spares = &mut self.spares[width.index()];
        let spare = spares.pop().expect("just reserved");
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

    /// The one-cell change: the next version goes into a spare record, the gate is exchanged, the
    /// old record becomes the spare.
    #[inline]
    fn exchange(&mut self, change: Change<'_>) -> Result<bool, Exhausted> {
        let Change { cell, old, stamp, before, payload } = change;
        let payload = payload.unwrap_or_default();
        let replaced = self.ledger.predecessors(cell, old, stamp, before);
        let width = Width::holding(payload.len())?;
        if self.spares[width.index()].is_empty() {
            self.reserve(width, 1)?;
        }
        let spares = &mut self.spares[width.index()];
        let spare = spares.last_mut().expect("just reserved");
        let new = old.next(*spare);
        let token = Stamp::token(cell, new);
        let record = self.ledger.records.get(*spare);
        record.write(token, replaced, stamp, payload);
        reached(Step::Written);
        if self.ledger.gates.exchange(cell, old, new).is_err() {
            return Ok(false);
        }
        self.in_flight = true;
        reached(Step::Exchanged);
        let now = self.ledger.stamp_now(cell, stamp);
        let until = match record.set_stamp(token, now) {
            Ok(()) => now,
            // A reader was first; or the gate has moved on, and the record may be another version's.
            Err(found) => match self.ledger.gates.load_again(cell, new) {
                true => found,
                false => self.ledger.ended(cell, old.record(), stamp),
            },
        };
        if until == stamp && old.record().width() == width {
            *spare = old.record();
        } else {
            spares.pop();
            self.retire(cell, old.record(), stamp, until);
        }
        self.in_flight = false;
        Ok(true)
    }

    /// Commits the draft; false if it has to be made anew.
    fn commit(&mut self) -> Result<bool, Exhausted> {
        if self.draft.is_read_only() {
            return Ok(self.draft.holds(&self.ledger));
        }
        let mut draft = std::mem::take(&mut self.draft);
        draft.sort();
        let result = match draft.single_change() {
            Some(change) => self.exchange(change),
            None => self.write_versions(&mut draft).map(|()| self.run(&draft)),
        };
        self.draft = draft;
        result
    }

    /// Writes the new versions into spares, and the entries beside them. The spares stay in the
    /// stock until the transaction has committed.
    fn write_versions(&mut self, draft: &mut Draft) -> Result<(), Exhausted> {
        let mut needed = [0; Width::COUNT];
        for payload in draft.changes().filter_map(|change| change.payload) {
            needed[Width::holding(payload.len())?.index()] += 1;
        }
        for (width, needed) in Width::all().zip(needed) {
            if let Err(exhausted) = self.reserve(width, needed) {
                // Others may do with less.
                Width::all().for_each(|width| self.trim(width));
                return Err(exhausted);
            }
        }
        let mut entries = std::mem::take(&mut draft.entries);
        entries.clear();
        // Taken from the end on, without leaving the stock.
        let mut unused = std::array::from_fn::<_, { Width::COUNT }, _>(|at| self.spares[at].len());
        for change in draft.changes() {
            let Change { cell, old, stamp, before, .. } = change;
            let new = match change.payload {
                None => old.next_same(),
                Some(payload) => {
                    let width = Width::holding(payload.len())?.index();
                    unused[width] -= 1;
                    let spare = self.spares[width][unused[width]];
                    let new = old.next(spare);
                    let token = Stamp::token(cell, new);
                    let replaced = self.ledger.predecessors(cell, old, stamp, before);
                    self.ledger.records.get(spare).write(token, replaced, stamp, payload);
                    new
                }
            };
            entries.push(Entry { cell, old, new });
        }
        draft.entries = entries;
        Ok(())
    }

    /// Announces the transaction and sees it through; true if it committed.
    fn run(&mut self, draft: &Draft) -> bool {
        let entries = &draft.entries[..];
        self.sequence += 1;
        let ticket = Ticket::new(self.slot, self.sequence);
        let descriptor = self.ledger.descriptor(self.slot);
        descriptor.prepare(ticket, entries.iter().copied());
        reached(Step::Prepared);
        self.in_flight = true;
        descriptor.publish(ticket);
        reached(Step::Published);
        let state = loop {
            match self.ledger.advance(ticket, &entries) {
                Progress::Blocked(by) => self.ledger.help(by),
                Progress::Done(state) => break state,
            }
        };
        let committed = state == Some(State::Committed);
        if committed {
            let stamp = descriptor.agreed_stamp();
            self.trade_spares(draft, stamp);
        }
        self.in_flight = false;
        committed
    }

    /// After a commit: the records put in force leave the stock, those they replace enter it.
    fn trade_spares(&mut self, draft: &Draft, until: Stamp) {
        for entry in draft.entries.iter().filter(|entry| entry.puts()) {
            self.spares[entry.new.record().width().index()].pop();
        }
        for change in draft.changes().filter(|change| change.payload.is_some()) {
            self.retire(change.cell, change.old.record(), change.stamp, until);
        }
    }

    /// Keeps a record that is no longer in force: as a spare or, for as long as a snapshot needs
    /// the version that it was, in its place.
    #[inline]
    fn retire(&mut self, cell: Cell, record: RecordNumber, from: Stamp, until: Stamp) {
        if from == until {
            self.keep_spare(record);
        } else {
            self.retire_across(Retired { cell, record, from, until });
        }
    }

    /// A snapshot was taken between the two.
    #[cold]
    fn retire_across(&mut self, retired: Retired) {
        // One for one.
        self.take_back_unneeded();
        if !self.ledger.is_needed(retired.from, retired.until) {
            self.keep_spare(retired.record);
            return;
        }
        self.retired_words += retired.record.width().words();
        self.retired.push_back(retired);
        while self.retired_words > MOST_RETIRED {
            self.take_back();
        }
    }

    /// Takes back what no snapshot needs any more, before the writer rests.
    pub(crate) fn rest(&mut self) {
        while self.take_back_unneeded() {}
    }

    /// Takes the record back that was retired first, if no snapshot needs it any more.
    fn take_back_unneeded(&mut self) -> bool {
        let is_needed = |first: &Retired| self.ledger.is_needed(first.from, first.until);
        if self.retired.front().is_none_or(is_needed) {
            return false;
        }
        if let Some(first) = self.retired.pop_front() {
            self.keep_retired(first.record);
        }
        true
    }

    /// Takes the record back that was retired first; snapshots find a copy instead.
    fn take_back(&mut self) {
        let Some(Retired { cell, record, from, until }) = self.retired.pop_front() else { return };
        let mut words = Vec::new();
        self.ledger.records.get(record).copy_to(&mut words);
        self.ledger.preserve(cell, from, until, &words);
        self.keep_retired(record);
    }

    /// Keeps a record that was retired, however many there are: a transaction may have counted off
    /// spares already.
    fn keep_retired(&mut self, record: RecordNumber) {
        self.retired_words -= record.width().words();
        self.spares[record.width().index()].push(record);
    }

    /// Makes sure that `count` spares of `width` are at hand.
    #[inline]
    fn reserve(&mut self, width: Width, count: usize) -> Result<(), Exhausted> {
        while self.spares[width.index()].len() < count {
            if self.take_back_unneeded() {
                continue;
            }
            let taken = self.ledger.records.take(width, &mut self.spares[width.index()]);
            if let Err(exhausted) = taken {
                // What snapshots need can be copied elsewhere.
                if self.retired.is_empty() {
                    return Err(exhausted);
                }
                self.take_back();
            }
        }
        Ok(())
    }

    /// Keeps a record that is no longer in force, and gives some back if they are many.
    #[inline]
    fn keep_spare(&mut self, record: RecordNumber) {
        let width = record.width();
        self.spares[width.index()].push(record);
        self.trim(width);
    }

    /// Gives spares back if they are many.
    #[inline]
    fn trim(&mut self, width: Width) {
        let spares = &mut self.spares[width.index()];
        if spares.len() > 4 * width.batch() {
            while spares.len() > 2 * width.batch() {
                let batch = spares.drain(spares.len() - width.batch()..);
                self.ledger.records.give(width, batch);
            }
        }
    }
}

#[cfg(provider_tree_loom)]
impl Writer {
    /// The numbers of the spare records at hand.
    pub(crate) fn spare_numbers(&self) -> Vec<u32> {
        self.spares.iter().flatten().map(|spare| spare.bits()).collect()
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
        while !self.retired.is_empty() {
            self.take_back();
        }
        let ledger = &self.ledger;
        for spares in &mut self.spares {
            while let Some(first) = spares.first() {
                let width = first.width();
                let batch = spares.len().min(width.batch());
                ledger.records.give(width, spares.drain(..batch));
            }
        }
        for (cells, (_, free)) in self.cells.iter_mut().zip(&ledger.kinds) {
            while !cells.is_empty() {
                let batch = cells.len().min(CELL_BATCH);
                free.push(cells.drain(..batch).map(Cell::number));
            }
        }
        ledger.descriptors_free.push(std::iter::once(self.slot));
    }
}

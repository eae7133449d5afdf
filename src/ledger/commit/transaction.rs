//! [`Transaction`]: a transaction as its author sees it. The body opens cells, looks, and changes
//! them; then the writer commits.

use super::access_set::{AccessSet, Place};
use super::kcas::helps;
use super::writer::Writer;
use crate::ledger::abort::Abort;
use crate::ledger::limits::Limit;
use crate::ledger::snapshot::registry::Pin;
use crate::ledger::word::{Cell, Kind, Stamp};

/// Refers to a transaction whose body is running. A cell that the body opens and does not change
/// must merely be unchanged at the commit.
pub(crate) struct Transaction<'a> {
    pub(in crate::ledger) writer: &'a mut Writer,
}

impl Transaction<'_> {
    /// Reads `cell` into the access set, unless the body has opened it before (I5).
    #[inline]
    pub(crate) fn open(&mut self, cell: Cell) -> Result<Place, Limit> {
        let Writer { ledger, accesses, .. } = &mut *self.writer;
        accesses.open(ledger, cell)
    }

    /// Returns whether the body has opened `cell`.
    pub(crate) fn has(&self, cell: Cell) -> bool {
        self.writer.accesses.find(cell).is_some()
    }

    /// Returns the `index`th word that the cell will have; 0 beyond its end.
    #[inline]
    pub(crate) fn word(&self, place: Place, index: usize) -> u64 {
        self.words(place).get(index).copied().unwrap_or(0)
    }

    /// Returns the words that the cell will have.
    #[inline]
    pub(crate) fn words(&self, place: Place) -> &[u64] {
        let accesses = &self.writer.accesses;
        accesses.payload(&accesses.list[place.index()])
    }

    /// Returns the words that the cell will have, for the body to change.
    #[inline]
    pub(crate) fn words_mut(&mut self, place: Place) -> &mut [u64] {
        let AccessSet { list, words, .. } = &mut self.writer.accesses;
        let access = &mut list[place.index()];
        access.changed = true;
        &mut words[access.first..][..access.length]
    }

    /// Returns whether the opened version was in force already when `pin`'s epoch ended.
    pub(crate) fn is_unchanged_since(&self, place: Place, pin: &Pin) -> bool {
        self.writer.accesses.list[place.index()].observed.stamp <= pin.at()
    }

    /// Replaces the words that the cell will have.
    pub(crate) fn rewrite(&mut self, place: Place, payload: &[u64]) {
        self.renew(place, payload.len()).copy_from_slice(payload);
    }

    /// Gives the cell `length` words in the place of its own; the body has to set all of them.
    #[inline]
    pub(crate) fn renew(&mut self, place: Place, length: usize) -> &mut [u64] {
        let AccessSet { list, words, end, .. } = &mut self.writer.accesses;
        let access = &mut list[place.index()];
        access.changed = true;
        if length > access.length {
            access.first = *end;
            *end += length;
            if words.len() < *end {
                words.resize(*end, 0);
            }
        }
        access.length = length;
        &mut words[access.first..][..length]
    }

    /// Takes cells that no transaction uses; see [`Writer::take_cells`]. They stay taken if the
    /// transaction does not commit.
    pub(crate) fn take_cells(&mut self, kind: Kind, first: &[u64]) -> Result<Cell, Limit> {
        self.writer.take_cells(kind, first)
    }

    /// Gives cells back; see [`Writer::give_cells`].
    pub(crate) fn give_cells(&mut self, kind: Kind, cell: Cell) {
        self.writer.give_cells(kind, cell);
    }

    /// Tells the threads that wait for this transaction that its body goes on. Opening cells does
    /// so too; a body calls this in between if it takes long.
    pub(crate) fn note_progress(&mut self) {
        let Writer { ledger, accesses, .. } = &mut *self.writer;
        ledger.urgency.note_progress(&mut accesses.request);
    }

    /// Returns whether every cell is still as it was read. If so, all of them were in force at any
    /// instant since the last was read, together with whatever the body has learned meanwhile by
    /// other means.
    pub(crate) fn holds(&self) -> bool {
        self.writer.accesses.holds(&self.writer.ledger)
    }
}

impl Writer {
    /// Changes several cells as one. `body` opens and changes them, or gives up. Lock-free.
    ///
    /// A refusal by `body` is final only if everything it rests on was in force at one instant
    /// (I13). Else `body` runs again, as it does when another change came first. From the first
    /// word that other threads can see to the end of the protocol, only the protocol's code runs.
    pub(crate) fn transact<T, E: From<Limit>>(
        &mut self,
        body: impl FnMut(&mut Transaction<'_>) -> Result<T, Abort<E>>,
    ) -> Result<T, E> {
        self.repeat_until_final(false, body)
    }

    fn repeat_until_final<T, E: From<Limit>>(
        &mut self,
        stamped: bool,
        mut body: impl FnMut(&mut Transaction<'_>) -> Result<T, Abort<E>>,
    ) -> Result<T, E> {
        let mut losses = 0;
        let helps_before = helps();
        let result = loop {
            match &mut self.accesses.request {
                None => self.ledger.urgency.give_way(),
                Some(request) => self.ledger.urgency.try_again(request),
            }
            self.accesses.clear();
            match body(&mut Transaction { writer: self }) {
                Ok(value) => match self.commit(stamped) {
                    Ok(true) => break Ok(value),
                    Ok(false) => {}
                    Err(limit) => break Err(limit.into()),
                },
                Err(Abort::Reject(error)) => {
                    if self.accesses.holds(&self.ledger) {
                        break Err(error);
                    }
                }
                Err(Abort::Torn) => {}
            }
            self.retries += 1;
            losses += 1;
            if self.accesses.request.is_none() {
                let (number, cells) = (self.retries, self.accesses.cells());
                self.accesses.request =
                    self.ledger.urgency.request(self.slot, number, cells, losses);
            }
        };
        if let Some(request) = self.accesses.request.take() {
            self.ledger.urgency.withdraw(request);
        }
        self.end_call(result.is_ok(), helps_before);
        result
    }

    /// Does what [`transact`](Self::transact) does, and returns the stamp of the change too. Even a
    /// change of one cell goes through the descriptor, since only a reader would know its stamp
    /// otherwise.
    pub(crate) fn transact_stamped<T, E: From<Limit>>(
        &mut self,
        body: impl FnMut(&mut Transaction<'_>) -> Result<T, Abort<E>>,
    ) -> Result<(T, Stamp), E> {
        self.repeat_until_final(true, body).map(|value| (value, self.committed_at))
    }
}

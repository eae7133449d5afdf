//! Transactions as their authors see them: open cells, look, change, commit.

use super::abort::Abort;
use super::access_set::{AccessSet, Place};
use super::kcas::helps;
use super::writer::Writer;
use crate::ledger::limits::Limit;
use crate::ledger::snapshot::registry::Pin;
use crate::ledger::word::{Cell, Kind, Stamp};

/// A transaction being prepared. Cells that are opened and not changed must merely be unchanged
/// when it commits.
pub(crate) struct Transaction<'a> {
    pub(in crate::ledger) writer: &'a mut Writer,
}

impl Transaction<'_> {
    /// Reads `cell` into the transaction; once, however often it is opened.
    #[inline]
    pub(crate) fn open(&mut self, cell: Cell) -> Result<Place, Limit> {
        let Writer { ledger, accesses, .. } = &mut *self.writer;
        accesses.open(ledger, cell)
    }

    /// Whether the transaction has opened `cell` before.
    pub(crate) fn has(&self, cell: Cell) -> bool {
        self.writer.accesses.find(cell).is_some()
    }

    /// The `index`th word of what the cell will hold; 0 beyond its end.
    #[inline]
    pub(crate) fn word(&self, place: Place, index: usize) -> u64 {
        self.words(place).get(index).copied().unwrap_or(0)
    }

    /// What the cell will hold.
    #[inline]
    pub(crate) fn words(&self, place: Place) -> &[u64] {
        let accesses = &self.writer.accesses;
        accesses.payload(&accesses.list[place.index()])
    }

    /// Changes what the cell will hold, word by word.
    #[inline]
    pub(crate) fn words_mut(&mut self, place: Place) -> &mut [u64] {
        let AccessSet { list, words, .. } = &mut self.writer.accesses;
        let access = &mut list[place.index()];
        access.changed = true;
        &mut words[access.first..][..access.length]
    }

    /// Whether what was opened is still what was in force at an instant.
    pub(crate) fn is_unchanged_since(&self, place: Place, pin: &Pin) -> bool {
        self.writer.accesses.list[place.index()].observed.stamp <= pin.at()
    }

    /// Replaces what the cell will hold.
    pub(crate) fn rewrite(&mut self, place: Place, payload: &[u64]) {
        self.renew(place, payload.len()).copy_from_slice(payload);
    }

    /// Replaces what the cell will hold by so many words, for the caller to set all of them.
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

    /// Takes cells that nobody uses, whether the transaction commits or not; see
    /// [`Writer::take_cells`].
    pub(crate) fn take_cells(&mut self, kind: Kind, first: &[u64]) -> Result<Cell, Limit> {
        self.writer.take_cells(kind, first)
    }

    /// Gives cells back; see [`Writer::give_cells`].
    pub(crate) fn give_cells(&mut self, kind: Kind, cell: Cell) {
        self.writer.give_cells(kind, cell);
    }

    /// Lets those who wait for the transaction know that its body goes on. Opening cells does so, too;
    /// this is for what may take long between.
    pub(crate) fn note_progress(&mut self) {
        let Writer { ledger, accesses, .. } = &mut *self.writer;
        ledger.urgency.note_progress(&mut accesses.request);
    }

    /// Whether everything opened so far is still as it was read, and so was in force at any
    /// instant since, together with whatever the caller has learned meanwhile by other means.
    pub(crate) fn holds(&self) -> bool {
        self.writer.accesses.is_unchanged(&self.writer.ledger)
    }
}

impl Writer {
    /// Changes several cells as one. `body` opens and changes them, or gives up.
    ///
    /// A rejection is final only if everything it rests on was in force at one instant; else
    /// `body` runs again, as it does when another change came first. Lock-free. No code runs
    /// between the first word that others can see and the end of the protocol but the protocol's.
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
        self.helps += helps() - helps_before;
        result
    }

    /// As [`transact`](Self::transact), and says since when the change is in force. The stamp of a
    /// change of one cell would be known to who reads it only, so it is made as one of several.
    pub(crate) fn transact_stamped<T, E: From<Limit>>(
        &mut self,
        body: impl FnMut(&mut Transaction<'_>) -> Result<T, Abort<E>>,
    ) -> Result<(T, Stamp), E> {
        self.repeat_until_final(true, body).map(|value| (value, self.committed_at))
    }
}

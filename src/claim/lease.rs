//! Leases: what is held until a deadline, unless it is confirmed.
//!
//! A lease is a consumer with a deadline, in its cell. An agenda orders leases by deadline; its
//! entries are hints and name one life of the consumer, so that they never end another. A lease has
//! an entry for its deadline, or one for an earlier deadline, or a thread is about to insert it: a
//! lease is entered before it begins and, as an entry may be met and dropped until then, again after
//! that; a new deadline is entered after it is set, and only then the old entry goes. Whoever drops
//! an entry looks at the lease once more, and enters it again if it has become right.

use uuid::Uuid;

use crate::claim::consumer::{ConsumerWords, LATEST_DEADLINE, set_deadline};
use crate::claim::request::Claim;
use crate::claim::worker::{Receipt, Worker};
use crate::error::{Error, Result};
use crate::ledger::{Abort, Exhausted};
use crate::tree::cells::State;
use crate::tree::core::Core;
use crate::tree::{Due, Interned};

/// What a consumer holds until a deadline, unless it is confirmed before. Means exactly this lease:
/// after its end no other.
///
/// Time is the caller's: any number that grows, the same for all who deal with a forest's leases,
/// such as milliseconds since some beginning. The library has no clock.
///
/// ```
/// use provider_tree::{Claim, Error, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
/// use uuid::Uuid;
///
/// let tree = ProviderTree::new();
/// let host = tree.create_root("host-1", None)?;
/// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
/// tree.set_inventories(&host, vcpu, Expect::Any)?;
/// let mut worker = tree.worker()?;
/// let mut lease = |worker: &mut provider_tree::Worker, deadline| {
///     worker.lease(&Claim::new(Uuid::new_v4()).take(&host, ResourceClass::VCPU, 3), deadline)
/// };
/// let (first, second) = (lease(&mut worker, 100)?, lease(&mut worker, 200)?);
///
/// let _receipt = worker.confirm(&second, 150)?;
/// let ended = worker.expire(150)?;
/// assert_eq!(ended[0].consumer, first.consumer());
/// let too_late = worker.confirm(&first, 150);
/// assert_eq!(too_late, Err(Error::LeaseEnded { consumer: first.consumer() }));
/// assert_eq!(tree.usage(&host, ResourceClass::VCPU)?.used, 3);
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease {
    receipt: Receipt,
    interned: Interned,
    forest: u32,
}

impl Lease {
    /// The consumer that holds it.
    pub fn consumer(&self) -> Uuid {
        self.receipt.consumer
    }

    /// The consumer, and its generation when the lease began.
    pub fn receipt(&self) -> Receipt {
        self.receipt
    }
}

/// Why a lease was left as it is.
enum Left {
    Ended,
    Error(Error),
}

impl From<Exhausted> for Left {
    fn from(exhausted: Exhausted) -> Self {
        Left::Error(exhausted.into())
    }
}

/// Leases.
impl Worker {
    /// As [`claim`](Self::claim), until `deadline`: from then on the lease can't be confirmed any
    /// more, and the next [`expire`](Self::expire) gives back what it holds.
    ///
    /// A lease is an ordinary consumer: it can be replaced, which keeps the deadline, and released.
    ///
    /// # Errors
    ///
    /// As there, and [`TooLarge`](Error::TooLarge) for a deadline of 2<sup>64</sup> - 1.
    pub fn lease(&mut self, claim: &Claim, deadline: u64) -> Result<Lease> {
        let leased = check_deadline(deadline).and_then(|()| {
            self.put(claim, Some(deadline), &|known| match known {
                None => Ok(1),
                Some(known) => Err(known.exists(claim.consumer())),
            })
        });
        let leased = leased.map(|(receipt, interned)| {
            self.core.agenda.insert(Due::new(deadline, interned), claim.consumer());
            Lease { receipt, interned, forest: self.core.id() }
        });
        self.counting(leased, |tallies| &tallies.claims)
    }

    /// Keeps what is leased for good. The consumer's generation grows; to confirm once more changes
    /// nothing and succeeds.
    ///
    /// # Errors
    ///
    /// [`LeaseEnded`](Error::LeaseEnded) if `now` is the deadline or later, or if the lease has
    /// expired, was forgotten or released; [`ForeignLease`](Error::ForeignLease).
    pub fn confirm(&mut self, lease: &Lease, now: u64) -> Result<Receipt> {
        let confirmed = self.own(lease).and_then(|()| {
            self.change_lease(lease, |generation, deadline| match deadline {
                Some(deadline) if deadline <= now => Err(Left::Ended),
                Some(_) => Ok((generation + 1, None)),
                None => Ok((generation, None)),
            })
        });
        let confirmed = confirmed.map(|(receipt, before)| {
            if let Some(before) = before {
                self.core.agenda.remove(&Due::new(before, lease.interned));
            }
            receipt
        });
        self.counting(confirmed, |tallies| &tallies.confirmations)
    }

    /// Gives a lease another deadline, earlier or later. The consumer's generation grows.
    ///
    /// # Errors
    ///
    /// [`LeaseEnded`](Error::LeaseEnded) and [`ForeignLease`](Error::ForeignLease) as for
    /// [`confirm`](Self::confirm),
    /// [`NotLeased`](Error::NotLeased) if it is confirmed, [`TooLarge`](Error::TooLarge) for a
    /// deadline of 2<sup>64</sup> - 1.
    pub fn renew(&mut self, lease: &Lease, deadline: u64, now: u64) -> Result<Receipt> {
        let renewed = self
            .own(lease)
            .and_then(|()| check_deadline(deadline))
            .and_then(|()| self.renewed(lease, deadline, now));
        self.counting(renewed, |tallies| &tallies.confirmations)
    }

    fn renewed(&mut self, lease: &Lease, deadline: u64, now: u64) -> Result<Receipt> {
        let consumer = lease.consumer();
        let (receipt, before) = self.change_lease(lease, |generation, before| match before {
            Some(before) if before <= now => Err(Left::Ended),
            Some(_) => Ok((generation + 1, Some(deadline))),
            None => Err(Left::Error(Error::NotLeased { consumer })),
        })?;
        self.core.agenda.insert(Due::new(deadline, lease.interned), consumer);
        if let Some(before) = before.filter(|before| *before != deadline) {
            self.core.drop_entry(Due::new(before, lease.interned), consumer);
        }
        Ok(receipt)
    }

    /// Gives back what is leased, unless it is confirmed.
    ///
    /// # Errors
    ///
    /// [`LeaseEnded`](Error::LeaseEnded) if there is nothing left of it,
    /// [`NotLeased`](Error::NotLeased) if it is confirmed, [`ForeignLease`](Error::ForeignLease).
    pub fn forget(&mut self, lease: &Lease) -> Result<Receipt> {
        let consumer = lease.consumer();
        let forgotten = self.own(lease).and_then(|()| {
            self.end(consumer, lease.interned, |words| match words.deadline() {
                Some(_) => Ok(()),
                None => Err(Error::NotLeased { consumer }),
            })
        });
        let forgotten = forgotten.and_then(|receipt| receipt.ok_or(Error::LeaseEnded { consumer }));
        self.counting(forgotten, |tallies| &tallies.releases)
    }

    /// Ends all leases whose deadline is `now` or earlier, each at an instant of its own; says
    /// which this call has ended.
    ///
    /// Any number of threads may do so at once. O(n log m) for n leases that are due and m in all.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](Error::TooLarge) when the forest has no room for a change; what was ended
    /// before stays ended.
    pub fn expire(&mut self, now: u64) -> Result<Vec<Receipt>> {
        let mut ended = Vec::new();
        let mut next = self.core.agenda.first();
        while let Some((due, consumer)) = next.filter(|(due, _)| due.deadline <= now) {
            if let Some(receipt) = self.expire_one(due, consumer, now)? {
                ended.push(receipt);
                let _ = self.counting(Ok(()), |tallies| &tallies.expirations);
            }
            next = self.core.agenda.after(&due);
        }
        Ok(ended)
    }

    /// Does what an entry that is due asks for.
    fn expire_one(&mut self, due: Due, consumer: Uuid, now: u64) -> Result<Option<Receipt>> {
        let agenda = &self.core.agenda;
        let receipt = match self.core.deadline(due) {
            Entered::Pending => return Ok(None),
            Entered::Over => None,
            Entered::Leased(deadline) if deadline > now => {
                // Renewed, perhaps by a thread that came no further.
                agenda.insert(Due::new(deadline, due.consumer()), consumer);
                self.core.drop_entry(due, consumer);
                return Ok(None);
            }
            Entered::Leased(_) => {
                let end = self.end(consumer, due.consumer(), |words| match words.deadline() {
                    Some(deadline) if deadline <= now => Ok(()),
                    // Renewed or confirmed just now; whoever did so cares for the agenda.
                    _ => Err(Error::NotLeased { consumer }),
                });
                match end {
                    Err(Error::NotLeased { .. }) => return Ok(None),
                    ended => ended?,
                }
            }
        };
        self.core.agenda.remove(&due);
        Ok(receipt)
    }

    /// Whether the lease is one of this worker's forest.
    fn own(&self, lease: &Lease) -> Result<()> {
        match lease.forest == self.core.id() {
            true => Ok(()),
            false => Err(Error::ForeignLease { consumer: lease.consumer() }),
        }
    }

    /// Changes generation and deadline of a lease; returns the deadline that it had, too.
    fn change_lease(
        &mut self,
        lease: &Lease,
        change: impl Fn(u64, Option<u64>) -> Result<(u64, Option<u64>), Left>,
    ) -> Result<(Receipt, Option<u64>)> {
        let consumer = lease.consumer();
        let changed = self.writer.update(lease.interned.cell, |words| {
            let now = ConsumerWords(words);
            if !now.life().is(State::Live, lease.interned.incarnation) {
                return Err(Abort::Reject(Left::Ended));
            }
            let before = now.deadline();
            let (generation, deadline) = change(now.generation(), before)?;
            set_deadline(words, generation, deadline);
            Ok((Receipt { consumer, generation }, before))
        });
        changed.map_err(|left| match left {
            Left::Ended => Error::LeaseEnded { consumer },
            Left::Error(error) => error,
        })
    }
}

/// What an entry of the agenda stands for.
enum Entered {
    /// The consumer is about to come, or not.
    Pending,
    /// It is gone, or confirmed: for good, both.
    Over,
    /// It is leased until this deadline, which may be another than the entry's.
    Leased(u64),
}

impl Core {
    fn deadline(&self, due: Due) -> Entered {
        let Interned { cell, incarnation } = due.consumer();
        let words =
            self.ledger.peek(cell, |record| [0, 1, 2, 3, 4].map(|index| record.word(index)));
        let words = ConsumerWords(&words);
        match words.life() {
            life if life.is(State::Absent, incarnation) => Entered::Pending,
            life if life.is(State::Live, incarnation) => {
                words.deadline().map_or(Entered::Over, Entered::Leased)
            }
            _ => Entered::Over,
        }
    }

    /// Drops an entry, unless it is for the deadline that its lease has.
    pub(super) fn drop_entry(&self, due: Due, consumer: Uuid) {
        self.agenda.remove(&due);
        // Given this deadline meanwhile: the entry that was to stay may have been the one dropped.
        if matches!(self.deadline(due), Entered::Leased(deadline) if deadline == due.deadline) {
            self.agenda.insert(due, consumer);
        }
    }
}

fn check_deadline(deadline: u64) -> Result<()> {
    match deadline {
        0..=LATEST_DEADLINE => Ok(()),
        _ => Err(Error::TooLarge { what: "deadline", limit: LATEST_DEADLINE }),
    }
}

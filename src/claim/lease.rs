//! Leases: allocations that end at a deadline, unless they are confirmed before.
//!
//! A lease is a consumer whose cell has a deadline. The agenda orders leases by deadline. An entry
//! of the agenda is a hint, and is for one *term*: the deadline that one call has set for one life
//! of the consumer. A term that is out of force never comes into force again, so the thread that
//! has put a term out of force removes the term's entry. A thread enters a term before the term is
//! in force, so that a lease always has its entry.

use std::fmt;

use uuid::Uuid;

use crate::claim::agenda::AgendaKey;
use crate::claim::core::Core;
use crate::claim::holder::Holder;
use crate::claim::request::{Before, Claim};
use crate::claim::shown::Amounts;
use crate::claim::worker::{Receipt, Worker};
use crate::error::{Error, Result};
use crate::forest::{Expect, KeyCell, Refusal};
use crate::layout::State;
use crate::layout::{ConsumerWords, Term, copy_words};
use crate::ledger::Abort;
use crate::trace::Call;
use crate::values::{Deadline, Now};

/// Represents allocations that a consumer holds until a deadline, unless they are confirmed before.
/// A value means exactly one lease, and no other after the end of that lease.
///
/// Time is the caller's own; see [`Deadline`].
///
/// ```
/// use provider_tree::{Claim, Deadline, Error, Expect, Inventories, Inventory, Now, ProviderTree};
/// use provider_tree::ResourceClass;
/// use uuid::Uuid;
///
/// let tree = ProviderTree::new();
/// let host = tree.create_root("host-1", None)?;
/// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
/// tree.configure(&host, vcpu, Expect::Any)?;
/// let mut worker = tree.worker()?;
/// let mut lease = |worker: &mut provider_tree::Worker, deadline| {
///     worker.lease(&Claim::new(Uuid::new_v4()).take(&host, ResourceClass::VCPU, 3), deadline)
/// };
/// let (first, second) = (lease(&mut worker, Deadline(100))?, lease(&mut worker, Deadline(200))?);
///
/// worker.confirm(&second, Now(150))?;
/// let ended = worker.expire(Now(150))?;
/// assert_eq!(ended[0].consumer, first.consumer());
/// let too_late = worker.confirm(&first, Now(150));
/// assert_eq!(too_late, Err(Error::LeaseEnded { consumer: first.consumer() }));
/// assert_eq!(tree.usage(&host, ResourceClass::VCPU)?.used, 3);
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    receipt: Receipt,
    interned: KeyCell,
    forest: u32,
}

impl Lease {
    /// Returns the consumer of the lease.
    pub fn consumer(&self) -> Uuid {
        self.receipt.consumer
    }

    /// Returns the consumer of the lease, and the generation that the consumer had when the lease
    /// began. The consumer's next lease begins at another generation.
    pub fn receipt(&self) -> Receipt {
        self.receipt
    }
}

/// Shows the consumer and the generation.
impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&self.receipt).finish()
    }
}

/// Tells what a call makes of the term of a lease.
enum NextTerm {
    /// The term stays, and nothing else changes.
    Same,
    /// The consumer holds for good what the lease holds.
    None,
    New(Term),
}

/// Makes, confirms, renews and ends leases.
impl Worker {
    /// Makes a claim as [`claim`](Self::claim) does, for a lease until `deadline`. From the
    /// deadline on the lease can't be confirmed any more, and the next [`expire`](Self::expire)
    /// gives back what the lease holds. Until then what is leased stays used, whatever the time is;
    /// so a deadline that has passed already is accepted too.
    ///
    /// The consumer of a lease is an ordinary consumer: it can be replaced, which keeps the
    /// deadline, and released.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`claim`](Self::claim), and [`TooLarge`](Error::TooLarge) for a
    /// deadline of 2<sup>64</sup> - 1. After
    /// [`AlreadyHeld`](Error::AlreadyHeld), [`lease_of`](crate::ProviderTree::lease_of) tells
    /// whether the consumer is leased, and returns the lease to confirm.
    pub fn lease(&mut self, claim: &Claim, deadline: Deadline) -> Result<Lease> {
        let leased = check_deadline(deadline).and_then(|()| {
            let term = self.core.claims.leases.new_term(deadline.0);
            self.put(claim, Before::Nothing, Some(term))
        });
        let leased = leased.map(|(receipt, interned)| Lease {
            receipt,
            interned,
            forest: self.core.forest.id(),
        });
        let consumer = claim.consumer().or(leased.as_ref().ok().map(Lease::consumer));
        let call = Call::of_worker("lease", consumer).with_values(&deadline.0);
        self.counting(leased, |tallies| &tallies.claims, call.with_amounts(&Amounts(claim)))
    }

    /// Keeps for good what the lease holds. The consumer's generation grows. Confirming a lease
    /// once more changes nothing and succeeds. A call that is refused gives nothing back: that is
    /// for [`expire`](Self::expire) and [`cancel`](Self::cancel).
    ///
    /// # Errors
    ///
    /// Returns [`LeaseEnded`](Error::LeaseEnded) if `now` is the deadline or later, or if the lease
    /// has expired, was cancelled or released; [`ForeignLease`](Error::ForeignLease) if the lease
    /// is one of another forest.
    pub fn confirm(&mut self, lease: &Lease, now: Now) -> Result<Receipt> {
        let confirmed = self.own(lease).and_then(|()| {
            self.change_lease(lease, |term| match term {
                Some(term) if is_over_by(term, now) => Err(Refusal::Stale),
                Some(_) => Ok(NextTerm::None),
                None => Ok(NextTerm::Same),
            })
        });
        let confirmed = confirmed.map(|(receipt, before)| {
            if let Some(before) = before {
                self.core.claims.leases.agenda.remove(&AgendaKey::new(before, lease.interned));
            }
            receipt
        });
        let call = Call::of_worker("confirm", Some(lease.consumer()));
        self.counting(confirmed, |tallies| &tallies.confirmations, call)
    }

    /// Gives a lease another deadline, earlier or later. The consumer's generation grows.
    ///
    /// # Errors
    ///
    /// Returns [`LeaseEnded`](Error::LeaseEnded) and [`ForeignLease`](Error::ForeignLease) as
    /// [`confirm`](Self::confirm) does; [`NotLeased`](Error::NotLeased) if the lease is confirmed;
    /// [`TooLarge`](Error::TooLarge) for a deadline of 2<sup>64</sup> - 1.
    ///
    /// ```
    /// use provider_tree::{Claim, Deadline, Error, Expect, Inventories, Inventory, Now};
    /// use provider_tree::{ProviderTree, ResourceClass};
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
    /// tree.configure(&host, vcpu, Expect::Any)?;
    /// let mut worker = tree.worker()?;
    /// let claim = Claim::unnamed().take(&host, ResourceClass::VCPU, 3);
    /// let lease = worker.lease(&claim, Deadline(100))?;
    ///
    /// worker.renew(&lease, Deadline(200), Now(90))?;
    /// assert!(worker.expire(Now(100))?.is_empty());
    /// let ended = worker.expire(Now(200))?;
    /// assert_eq!(ended[0].consumer, lease.consumer());
    /// let too_late = worker.renew(&lease, Deadline(300), Now(200));
    /// assert_eq!(too_late, Err(Error::LeaseEnded { consumer: lease.consumer() }));
    /// assert_eq!(tree.usage(&host, ResourceClass::VCPU)?.used, 0);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn renew(&mut self, lease: &Lease, deadline: Deadline, now: Now) -> Result<Receipt> {
        let renewed = self
            .own(lease)
            .and_then(|()| check_deadline(deadline))
            .and_then(|()| self.renewed(lease, deadline, now));
        let call = Call::of_worker("renew", Some(lease.consumer())).with_values(&deadline.0);
        self.counting(renewed, |tallies| &tallies.confirmations, call)
    }

    fn renewed(&mut self, lease: &Lease, deadline: Deadline, now: Now) -> Result<Receipt> {
        let consumer = lease.consumer();
        let term = self.core.claims.leases.new_term(deadline.0);
        let due = AgendaKey::new(term, lease.interned);
        // Entered before the term is in force: a lease without an entry would never be found due.
        self.core.claims.leases.agenda.insert(due, consumer);
        let renewed = self.change_lease(lease, |before| match before {
            Some(before) if is_over_by(before, now) => Err(Refusal::Stale),
            Some(_) => Ok(NextTerm::New(term)),
            None => Err(Error::NotLeased { consumer }.into()),
        });
        let over = match &renewed {
            Ok((_, before)) => before.map(|before| AgendaKey::new(before, lease.interned)),
            Err(_) => Some(due),
        };
        if let Some(over) = over {
            self.core.claims.leases.agenda.remove(&over);
        }
        renewed.map(|(receipt, _)| receipt)
    }

    /// Gives back what the lease holds, unless the lease is confirmed.
    ///
    /// # Errors
    ///
    /// Returns [`LeaseEnded`](Error::LeaseEnded) if there is nothing left of the lease;
    /// [`NotLeased`](Error::NotLeased) if the lease is confirmed;
    /// [`ForeignLease`](Error::ForeignLease) if the lease is one of another forest.
    pub fn cancel(&mut self, lease: &Lease) -> Result<Receipt> {
        let consumer = lease.consumer();
        let cancelled = self.own(lease).and_then(|()| {
            let ended = self.end(consumer, lease.interned, |holder| match holder.term {
                Some(_) => Ok(()),
                None => Err(Error::NotLeased { consumer }.into()),
            });
            ended.map_err(|refused| match refused {
                Refusal::Error(error) => error,
                Refusal::Stale => Error::LeaseEnded { consumer },
            })
        });
        let call = Call::of_worker("cancel", Some(consumer));
        self.counting(cancelled, |tallies| &tallies.releases, call)
    }

    /// Ends all leases whose deadline is `now` or earlier, each at an instant of its own. Returns
    /// the receipts of the leases that this call has ended, in the order of their deadlines, and of
    /// their consumers at one deadline.
    ///
    /// Any number of threads may call this method at once. A lease that begins during the call, or
    /// is renewed to an earlier deadline, may be left for the next call. O(n log m) for n leases
    /// that are due and m leases in all.
    ///
    /// # Errors
    ///
    /// Returns [`TooLarge`](Error::TooLarge) when changes over very many cells have stopped half
    /// way, but never because a forest is merely full; see [limits](crate::docs::limits). The leases that
    /// were ended before the error stay ended.
    pub fn expire(&mut self, now: Now) -> Result<Vec<Receipt>> {
        let mut ended = Vec::new();
        let mut due = self.core.claims.leases.agenda.due(|due| is_over_by(due.term, now));
        // Not by their terms, whose order is not the same in a forest that was loaded from a dump.
        due.sort_unstable_by_key(|(due, consumer)| (due.term.deadline, *consumer));
        for (due, consumer) in due {
            match self.expire_one(due, consumer) {
                Ok(receipt) => {
                    ended.push(receipt);
                    let call = Call::of_worker("expire", Some(consumer));
                    let _ = self.counting(Ok(()), |tallies| &tallies.expirations, call);
                }
                Err(Refusal::Stale) => {}
                Err(Refusal::Error(error)) => return Err(error),
            }
        }
        Ok(ended)
    }

    /// Ends the lease that the entry `due` is for, or removes the entry if its term is over. Refuses
    /// as stale if this call has not ended the lease.
    fn expire_one(&mut self, due: AgendaKey, consumer: Uuid) -> Result<Receipt, Refusal> {
        let ended = self.end(consumer, due.consumer(), |holder| match holder.term {
            Some(term) if term == due.term => Ok(()),
            _ => Err(Refusal::Stale),
        });
        if matches!(ended, Err(Refusal::Stale)) && is_over(&self.core, due) {
            self.core.claims.leases.agenda.remove(&due);
        }
        ended
    }

    /// Checks that the lease is one of this worker's forest.
    fn own(&self, lease: &Lease) -> Result<()> {
        match lease.forest == self.core.forest.id() {
            true => Ok(()),
            false => Err(Error::ForeignLease { consumer: lease.consumer() }),
        }
    }

    /// Makes of the term of a lease what `change` returns for the term. Also returns the term that
    /// the lease had before. `change` refuses as stale if the lease has ended.
    fn change_lease(
        &mut self,
        lease: &Lease,
        change: impl Fn(Option<Term>) -> Result<NextTerm, Refusal>,
    ) -> Result<(Receipt, Option<Term>)> {
        let consumer = lease.consumer();
        let Worker { core, writer, held, .. } = self;
        let changed = writer.transact(|transaction| {
            let holder = Holder::open(transaction, lease.interned)?;
            let mut generation = holder.generation.ok_or(Refusal::Stale)?;
            let next = match change(holder.term)? {
                NextTerm::Same => holder.term,
                NextTerm::None => None,
                NextTerm::New(term) => Some(term),
            };
            if next != holder.term {
                held.clear();
                held.extend(holder.held(transaction));
                let (claims, held) = (&core.claims, held.iter().copied());
                let (expect, next) = (Expect::Any, (next, holder.tag));
                generation = holder.hold(transaction, claims, consumer, expect, next, held)?;
            }
            Ok::<_, Abort<Refusal>>((Receipt { consumer, generation }, holder.term))
        });
        changed.map_err(|refused| match refused {
            Refusal::Stale => Error::LeaseEnded { consumer },
            Refusal::Error(error) => error,
        })
    }
}

/// Returns whether the deadline of the term has come.
fn is_over_by(term: Term, now: Now) -> bool {
    Deadline(term.deadline).is_over(now)
}

/// Returns the lease of `consumer`, if there is one.
pub(crate) fn lease_of(core: &Core, consumer: Uuid) -> Option<Lease> {
    let interned = core.claims.consumers.hint(&consumer)?;
    let words = core.forest.ledger.peek(interned.cell, copy_words);
    let words = ConsumerWords(&words);
    if !words.are_of(consumer, interned.incarnation) {
        return None;
    }
    words.deadline()?;
    let receipt = Receipt { consumer, generation: words.generation() };
    Some(Lease { receipt, interned, forest: core.forest.id() })
}

/// Returns whether the term of an entry is over for good: the consumer's life is over, or the
/// lease is confirmed. Else the term may be about to come into force, or the thread that has put
/// the term out of force removes the entry.
fn is_over(core: &Core, due: AgendaKey) -> bool {
    let KeyCell { cell, incarnation } = due.consumer();
    let words = core.forest.ledger.peek(cell, copy_words);
    let words = ConsumerWords(&words);
    let life = words.life();
    life.incarnation != incarnation || life.state == State::Live && words.term().is_none()
}

fn check_deadline(deadline: Deadline) -> Result<()> {
    match deadline <= Deadline::LATEST {
        true => Ok(()),
        false => {
            let (what, limit) = ("deadline", Deadline::LATEST.0);
            Err(Error::TooLarge { what, limit, full: false })
        }
    }
}

//! Puts what a claim asks for in the place of what its consumer holds, or ends what it holds: each
//! as one transaction over the consumer and the providers.

use uuid::Uuid;

use crate::claim::agenda::AgendaKey;
use crate::claim::claims::Claims;
use crate::claim::core::Core;
use crate::claim::engine::{exchange, expand, holds_exactly, put};
use crate::claim::fast;
use crate::claim::holder::Holder;
use crate::claim::lines::{Line, sort_out};
use crate::claim::request::{Before, Claim};
use crate::claim::worker::{Receipt, Worker};
use crate::error::{Error, Result};
use crate::forest::{Expect, Forest, KeyCell, Refusal, while_stale};
use crate::layout::{Holding, Term};
use crate::ledger::{Abort, Transaction, Writer};

impl Worker {
    /// Makes the claim's lines what its consumer holds, if the consumer is as `before` says. A new
    /// consumer is leased for the term `lease`, if there is one.
    pub(super) fn put(
        &mut self,
        claim: &Claim,
        before: Before,
        lease: Option<Term>,
    ) -> Result<(Receipt, KeyCell)> {
        let Worker { core, writer, wanted, held, .. } = self;
        claim.check(&core.forest)?;
        let ready = claim.sorted_out();
        if ready.is_none() {
            wanted.clear();
            wanted.extend_from_slice(&claim.lines);
            sort_out(wanted)?;
        }
        // Most often the consumer is new, and what it wants is free.
        let mut is_new = matches!(before, Before::Nothing);
        if is_new && lease.is_none() && claim.chains.is_empty() && claim.conditions.is_empty() {
            let lines = ready.unwrap_or(wanted);
            if let Some(claimed) = fast::claim(core, writer, claim, lines) {
                let fast::Claimed { consumer, generation, key } = claimed;
                return Ok((Receipt { consumer, generation }, key));
            }
        }
        let consumers = &core.claims.consumers;
        let (consumer, reserved) = match (claim.consumer(), before) {
            (Some(consumer), _) => (consumer, None),
            (None, Before::Nothing) => {
                let (consumer, key) = consumers.reserve(writer)?;
                (consumer, Some(key))
            }
            (None, _) => return Err(Error::Unnamed),
        };
        let key = None;
        let mut put = Put { core, claim, consumer, before, lease, ready, wanted, held, key };
        // If the supposition that a new consumer has no key is wrong, the index refuses to intern
        // the key, and the next attempt looks the key up.
        let done = while_stale(|| {
            put.key = match (reserved, std::mem::take(&mut is_new)) {
                (Some(key), _) => Some(key),
                (None, true) => None,
                (None, false) => consumers.interned(&core.forest.ledger, &consumer),
            };
            put.attempt(writer)
        });
        if let (Err(_), Some(key)) = (&done, reserved) {
            consumers.give_back(writer, key);
        }
        done
    }

    /// Ends exactly the life of a consumer that `interned` names, if `admit` accepts the consumer.
    /// Refuses as stale if that life is over already.
    pub(super) fn end(
        &mut self,
        consumer: Uuid,
        interned: KeyCell,
        admit: impl Fn(&Holder) -> Result<(), Refusal>,
    ) -> Result<Receipt, Refusal> {
        let Worker { core, writer, held, .. } = self;
        let (generation, term) = writer.transact(|transaction| {
            let holder = Holder::open(transaction, interned)?;
            let generation = holder.generation.ok_or(Refusal::Stale)?;
            admit(&holder)?;
            held.clear();
            held.extend(holder.held(transaction));
            exchange(transaction, &core.forest, held, &[])?;
            holder.free(transaction);
            core.claims.end_at(consumer, generation);
            Ok::<_, Abort<Refusal>>((generation, holder.term))
        })?;
        if let Some(term) = term {
            core.claims.leases.agenda.remove(&AgendaKey::new(term, interned));
        }
        core.claims.consumers.release(writer, &consumer, interned);
        Ok(Receipt { consumer, generation })
    }
}

/// Holds what an attempt to put a claim works with.
struct Put<'a> {
    core: &'a Core,
    claim: &'a Claim,
    consumer: Uuid,
    before: Before,
    /// The term for which a new consumer is leased.
    lease: Option<Term>,
    /// The lines of the claim sorted out, if they are so already and all that is wanted, as most
    /// often.
    ready: Option<&'a [Line]>,
    /// Otherwise the lines of the claim and its chains, sorted out.
    wanted: &'a mut Vec<Line>,
    /// What the consumer holds before.
    held: &'a mut Vec<Holding>,
    /// The consumer's key, if it has one.
    key: Option<KeyCell>,
}

impl Put<'_> {
    fn attempt(&mut self, writer: &mut Writer) -> Result<(Receipt, KeyCell), Refusal> {
        let claims = &self.core.claims;
        let mut entered = None;
        let result = writer.transact(|transaction| self.body(transaction, &mut entered));
        if let (Err(_), Some(due)) = (&result, entered) {
            claims.leases.agenda.remove(&due);
        }
        if let (Err(Refusal::Error(_)), Some(key)) = (&result, self.key) {
            claims.consumers.retire(writer, &self.consumer, key);
        }
        result
    }

    /// Makes the change part of the transaction. `entered` becomes the entry of the agenda that the
    /// body makes for a new lease.
    fn body(
        &mut self,
        transaction: &mut Transaction<'_>,
        entered: &mut Option<AgendaKey>,
    ) -> Result<(Receipt, KeyCell), Abort<Refusal>> {
        let consumer = self.consumer;
        let holder = match self.key {
            Some(key) => Some(Holder::open(transaction, key)?),
            None => None,
        };
        self.held.clear();
        self.held.extend(holder.iter().flat_map(|holder| holder.held(transaction)));
        let admitted = self.exchange(transaction, holder);
        if let (Err(Abort::Reject(_)), None) = (&admitted, holder) {
            self.confirm_absence(transaction)?;
        }
        let expect = admitted?;
        // The key is interned last, so that a refused claim leaves the index alone.
        let (key, holder) = match (self.key, holder) {
            (Some(key), Some(holder)) => (key, holder),
            _ => self.intern(transaction)?,
        };
        let is_new = holder.generation.is_none();
        let term = if is_new { self.lease } else { holder.term };
        if let (true, Some(term)) = (is_new, term) {
            // Entered before the lease exists: a lease without an entry would never be found due.
            *entered = Some(AgendaKey::new(term, key));
            self.core.claims.leases.agenda.insert(AgendaKey::new(term, key), consumer);
        }
        let tag = self.claim.tag_after(holder.tag);
        let wanted = self.ready.unwrap_or(self.wanted);
        let (claims, held) = (&self.core.claims, wanted.iter().map(Line::held));
        let generation = holder.hold(transaction, claims, consumer, expect, (term, tag), held)?;
        Ok((Receipt { consumer, generation }, key))
    }

    /// Exchanges what the consumer holds for what the claim asks for. Returns what the consumer's
    /// next generation follows from.
    fn exchange(
        &mut self,
        transaction: &mut Transaction<'_>,
        holder: Option<Holder>,
    ) -> Result<Expect, Abort<Refusal>> {
        let Put { core, claim, consumer, before, ready, wanted, held, .. } = self;
        let forest = &core.forest;
        let expanded = match claim.chains.is_empty() {
            true => Ok(()),
            false => expand(transaction, forest, claim, wanted),
        };
        let wanted = ready.unwrap_or(wanted);
        let consumer = *consumer;
        let generation = holder.and_then(|holder| holder.generation);
        let has_tag = holder.is_some_and(|holder| claim.tag_after(holder.tag) == holder.tag);
        // Checked first: a caller that repeats a claim learns that the consumer has it already,
        // even if what the claim rests on has changed since.
        if let (Before::Nothing, Some(generation), Ok(())) = (&before, generation, &expanded)
            && has_tag
            && holds_exactly(transaction, forest, held, wanted)?
        {
            return Err(Error::AlreadyHeld { consumer, generation }.into());
        }
        let expect = before.check(consumer, generation)?;
        expanded?;
        put(transaction, forest, claim, held, wanted)?;
        Ok(expect)
    }

    /// Checks that the consumer has no key. A refusal of a consumer without a key rests on that too,
    /// and no cell of the transaction stands for it. If the consumer is absent at this second look,
    /// and no gate has changed since before it, everything was true at one instant.
    fn confirm_absence(&self, transaction: &Transaction<'_>) -> Result<(), Abort<Refusal>> {
        let Core { forest, claims } = self.core;
        if claims.consumers.checked_hint(&forest.ledger, &self.consumer).is_some() {
            return Err(Abort::Reject(Refusal::Stale));
        }
        if !transaction.holds() {
            return Err(Abort::Torn);
        }
        Ok(())
    }

    /// Interns the key of a consumer that has none.
    fn intern(
        &mut self,
        transaction: &mut Transaction<'_>,
    ) -> Result<(KeyCell, Holder), Abort<Refusal>> {
        let Core { forest: Forest { ledger, .. }, claims: Claims { consumers, .. } } = self.core;
        let interned = match consumers.intern_open(transaction, ledger, &self.consumer) {
            // No cell is left, but the consumer has one: the next attempt looks it up, and needs no
            // new one.
            Err(_) if consumers.checked_hint(ledger, &self.consumer).is_some() => None,
            interned => interned?,
        };
        let (key, place, life) = interned.ok_or(Refusal::Stale)?;
        self.key = Some(key);
        Ok((key, Holder::new(place, life)))
    }
}
